/*
 * What is said to the admin socket and over HTTP: heads are parsed as far as they are whole, views
 * lie within them and more bytes change nothing; words are texts, and so are the filters in them.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/http.h"
#include "control/admin/request.h"

#define check(ok)                                                                                  \
	do {                                                                                       \
		if (!(ok)) {                                                                       \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #ok);           \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void head(const char *p, size_t len)
{
	struct http_request whole, part;
	int r = http_parse(p, len, &whole);

	if (r == 0) {
		check(whole.path >= p && whole.path_len > 0 && *whole.path == '/');
		check((size_t)(whole.path - p) + whole.path_len < len);
	}
	if (r == -EAGAIN)
		check(len < HTTP_HEAD_MAX);
	/* What was said about its beginning holds for all of it, or more was to come. */
	for (size_t n = 0; n < len && n < 64; n++) {
		int first = http_parse(p, n, &part);

		check(first == -EAGAIN || (first == r && first != -E2BIG));
	}
}

static void words(const char *p, size_t len)
{
	struct request_filter f;
	struct request q;
	uint64_t number;

	if (request_parse(p, len, &q) < 0)
		return;
	check(q.n > 0 && q.n <= REQUEST_WORDS_MAX && len <= REQUEST_LINE_MAX);
	for (unsigned int i = 0; i < q.n; i++) {
		const char *word = request_word(&q, i);

		check(q.word[i] < sizeof(q.text));
		check(memchr(word, '\0', sizeof(q.text) - q.word[i]) != NULL && *word != '\0');
		if (request_number(word, strlen(word), 1000, &number))
			check(number <= 1000);
	}
	if (request_filter(&q, 1, &f) < 0)
		return;
	check(f.user == NULL || (f.user >= q.text && f.user < q.text + sizeof(q.text)));
	(void)request_matches(&f, &(struct request_subject){.uid = 7, .user = "demo"});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* To the byte: a look beyond its end is seen. */
	char *copy = malloc(size > 0 ? size : 1);

	check(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	head(copy, size);
	words(copy, size);
	free(copy);
	return 0;
}
