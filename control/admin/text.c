/* control/admin/text.c - see text.h. */
#include "control/admin/text.h"

#include <errno.h>
#include <stdlib.h>

void answer_text_free(struct answer_text *t)
{
	free(t->p);
	*t = (struct answer_text){0};
}

int answer_text_add(struct answer_text *t, const char *p, size_t n)
{
	if (n > t->size - t->len) {
		size_t size = 2 * (t->len + n);
		char *more = realloc(t->p, size);

		if (more == NULL)
			return -ENOMEM;
		t->p = more;
		t->size = size;
	}
	memcpy(t->p + t->len, p, n);
	t->len += n;
	return 0;
}

/* A json_dump_callback_t: 0 or -1. */
static int append(const char *p, size_t n, void *arg)
{
	return answer_text_add(arg, p, n) < 0 ? -1 : 0;
}

int answer_text_json(struct answer_text *t, json_t *v)
{
	int r = -1;

	if (v != NULL)
		r = json_dump_callback(v, append, t, JSON_COMPACT);
	json_decref(v);
	return r < 0 ? -ENOMEM : 0;
}

int answer_text_line(struct answer_text *t, json_t *v)
{
	int r = answer_text_json(t, v);

	return r == 0 ? answer_text_add(t, "\n", 1) : r;
}
