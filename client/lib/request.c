/* client/lib/request.c - what was asked of the server and is answered in order. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/internal.h"

struct request *request_new(struct requests *q, const char *type)
{
	struct request *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	snprintf(r->type, sizeof(r->type), "%s", type);
	STAILQ_INSERT_TAIL(q, r, next);
	return r;
}

static void request_free(struct request *r)
{
	free(r->data);
	free(r);
}

void request_answer(struct requests *q, bool ok, const uint8_t *data, size_t len)
{
	struct request *r = STAILQ_FIRST(q);

	if (r == NULL)
		return;
	STAILQ_REMOVE_HEAD(q, next);
	if (r->left) {
		request_free(r);
		return;
	}
	r->done = true;
	r->ok = ok;
	if (!ok || len == 0)
		return;
	r->data = malloc(len);
	if (r->data == NULL)
		return;
	memcpy(r->data, data, len);
	r->len = len;
}

void requests_fail(struct requests *q)
{
	while (!STAILQ_EMPTY(q))
		request_answer(q, false, NULL, 0);
}

void request_leave(struct request *r)
{
	if (r->done)
		request_free(r);
	else
		r->left = true;
}

int global_ask(struct sluice *s, const char *type, const void *payload, size_t len,
	       struct request **ret)
{
	struct request *q = request_new(&s->globals, type);
	int r;

	if (q == NULL)
		return -ENOMEM;
	r = send_message(s, payload, len);
	if (r < 0) {
		STAILQ_REMOVE(&s->globals, q, request, next);
		request_free(q);
		return r;
	}
	if (ret != NULL)
		*ret = q;
	else
		request_leave(q);
	return 0;
}
