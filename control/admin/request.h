/*
 * control/admin/request.h - a line of the admin socket: words with one blank between them.
 *
 * In a word \ooo stands for a byte and \\ for a backslash, as answers and the log have it: what was
 * shown can be asked for. A word NAME=VALUE narrows down what is asked about.
 */
#ifndef SLUICE_CONTROL_ADMIN_REQUEST_H
#define SLUICE_CONTROL_ADMIN_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/addr.h"

#define REQUEST_LINE_MAX  1024 /* its end included */
#define REQUEST_WORDS_MAX 12

struct request {
	unsigned int n;
	uint16_t word[REQUEST_WORDS_MAX]; /* where they begin */
	char text[REQUEST_LINE_MAX];
};

/* -EINVAL: a word is empty, or has a NUL or half an escape in it; there is none, or too many. */
int request_parse(const char *line, size_t len, struct request *ret)
	__attribute__((warn_unused_result));

static inline const char *request_word(const struct request *r, unsigned int i)
{
	return i < r->n ? r->text + r->word[i] : "";
}

/* Which connections a request is about. */
struct request_filter {
	const char *user;      /* NULL: any; of the request's text */
	bool has_uid, has_net; /* of what follows */
	uint64_t uid;
	struct conf_prefix net;
};

/* What a filter looks at. */
struct request_subject {
	uint64_t uid;
	const char *user; /* NULL: none is known */
	struct conf_addr source;
};

/*
 * The words from the first on are NAME=VALUE of user, address (one, or with /BITS) and conn.
 * -EINVAL: one is not, or is there twice.
 */
int request_filter(const struct request *r, unsigned int first, struct request_filter *ret)
	__attribute__((warn_unused_result));
bool request_matches(const struct request_filter *f, const struct request_subject *s);
/* Digits alone. */
bool request_number(const char *text, size_t len, uint64_t max, uint64_t *ret);

#endif
