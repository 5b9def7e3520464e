/* client/reach/proxy_internal.h - what a talk is made of, for its kinds. */
#ifndef SLUICE_CLIENT_REACH_PROXY_INTERNAL_H
#define SLUICE_CLIENT_REACH_PROXY_INTERNAL_H

#include "client/reach/proxy.h"

struct proxy_talk {
	struct proxy_ask ask; /* host, user and password are copies below */
	char host[PROXY_WORD_MAX + 1], user[PROXY_WORD_MAX + 1], password[PROXY_WORD_MAX + 1];
	unsigned int step; /* of its kind; 0: begins */
	int err;           /* 1: through; negative: over */
	size_t need;       /* bytes of the answer that are looked at next; HTTP: none */
	uint8_t in[PROXY_REPLY_MAX];
	size_t in_len;
	uint8_t out[PROXY_REQUEST_MAX];
	size_t out_len, out_at;
	char why[PROXY_WHY_MAX];
};

/* Bytes to be sent. -EINVAL: more than there is room for. */
int talk_put(struct proxy_talk *t, const void *p, size_t n);
/* printf's into why; returns err. */
int talk_fail(struct proxy_talk *t, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* What is said first. 0 or -EINVAL. */
int socks_begin(struct proxy_talk *t);
int http_begin(struct proxy_talk *t);
/* t->need bytes are there. 0: through; -EAGAIN: need says how many more, or all were looked at. */
int socks_step(struct proxy_talk *t);
/* A head is there, its empty line included, and a NUL behind it. */
int http_step(struct proxy_talk *t);

#endif
