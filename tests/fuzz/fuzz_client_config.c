/*
 * Text of a client's configuration. What loads has values that are dumped; the values of texts and
 * forwards that are dumped can be read again. No file is opened and nothing is run.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/config/config.h"
#include "client/config/forward.h"

static void again(enum forward_kind kind, const struct conf_strs *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct forward f;

		if (forward_parse(kind, list->v[i], &f) < 0)
			abort();
	}
}

static void expand_all(struct config *c)
{
	static char buf[CONFIG_TEXT_MAX];

	for (int id = 0; id < CONFIG_IDS; id++)
		for (size_t i = 0; i < config_list(c, id)->n; i++) {
			int n = config_expanded(c, id, i, buf, sizeof(buf));

			if (n >= 0 && strlen(buf) != (size_t)n)
				abort();
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *c = config_new(config_algs());
	char *text = NULL;
	size_t len;
	FILE *f;

	if (c == NULL)
		return 0;
	if (config_parse(c, "host", (const char *)data, size) == 0) {
		f = open_memstream(&text, &len);
		if (f == NULL)
			abort();
		config_dump(c, f);
		fclose(f);
		free(text);
		again(FORWARD_LOCAL, config_list(c, CONFIG_LOCAL_FORWARD));
		again(FORWARD_REMOTE, config_list(c, CONFIG_REMOTE_FORWARD));
		again(FORWARD_DYNAMIC, config_list(c, CONFIG_DYNAMIC_FORWARD));
		expand_all(c);
	} else if (*config_errors(c) == '\0') {
		abort();
	}
	config_free(c);
	return 0;
}
