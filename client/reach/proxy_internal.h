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
	char request[PROXY_REQUEST_MAX]; /* of HTTP, but who we are and its end */
	size_t request_len;
	unsigned int answers; /* to what it wanted to know of us */
	char why[PROXY_WHY_MAX];
};

/* Bytes to be sent. -EINVAL: more than there is room for. */
int talk_put(struct proxy_talk *t, const void *p, size_t n);
/* printf's into why; returns err. */
int talk_fail(struct proxy_talk *t, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* --- HTTP: who we are ------------------------------------------------------------------- */

#define HTTP_WORD_MAX 512  /* of a challenge's realm, nonce, opaque */
#define HTTP_LINE_MAX 4096 /* of a header with challenges; a longer one is passed over */

struct http_challenge {
	enum {
		HTTP_NOTHING = 0,
		HTTP_BASIC,
		HTTP_MD5,
		HTTP_SHA256
	} rank; /* the better, the higher */
	char realm[HTTP_WORD_MAX], nonce[HTTP_WORD_MAX], opaque[HTTP_WORD_MAX];
	bool auth;  /* qop */
	bool stale; /* its nonce alone was too old */
};

/* The best of those in a head that we can answer. */
void http_challenge_find(const char *head, struct http_challenge *ret);
/* The header that answers it. 0 or an error. */
int http_answer_put(struct proxy_talk *t, const struct http_challenge *c);
/* "host:port" as CONNECT has it. */
void http_authority(const struct proxy_talk *t, char *buf, size_t size);

/* What is said first. 0 or -EINVAL. */
int socks_begin(struct proxy_talk *t);
int http_begin(struct proxy_talk *t);
/* t->need bytes are there. 0: through; -EAGAIN: need says how many more, or all were looked at. */
int socks_step(struct proxy_talk *t);
/* A head is there, its empty line included, and a NUL behind it. */
int http_step(struct proxy_talk *t);

#endif
