/*
 * client/tunnel/request.h - what is asked of an agent on its socket: a line of a word, for some a
 * host behind a blank, and for one a listener behind the last blank.
 */
#ifndef SLUICE_CLIENT_TUNNEL_REQUEST_H
#define SLUICE_CLIENT_TUNNEL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#define REQUEST_LINE_MAX 1024 /* its end included */

enum request_what {
	REQUEST_STATUS = 1, /* hosts, or one */
	REQUEST_CHANNELS,   /* the same with their channels */
	REQUEST_FOLLOW,     /* events from now on */
	REQUEST_RECONNECT,  /* a host, now, whatever it waits for */
	REQUEST_STOP,       /* a host, until REQUEST_RECONNECT */
	REQUEST_CANCEL      /* a listener of the server's, of a host, until REQUEST_RECONNECT */
};

struct request {
	enum request_what what;
	char host[REQUEST_LINE_MAX];   /* "": all */
	char listen[REQUEST_LINE_MAX]; /* of REQUEST_CANCEL: [ADDR:]PORT, or a path */
};

/* line of len bytes without its end. 0; -EINVAL: there is no such request. */
int request_parse(const char *line, size_t len, struct request *ret)
	__attribute__((warn_unused_result));
/* The word of one; for who asks. NULL: none. */
const char *request_word(enum request_what what);

#endif
