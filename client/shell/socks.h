/*
 * client/shell/socks.h - the server's side of SOCKS: who connects says where to.
 *
 * Source  the SOCKS4 protocol and its 4a, RFC 1928 (SOCKS5, no authentication, CONNECT).
 * Bytes in, bytes out: no I/O. A client that says something else is refused as its version has it.
 */
#ifndef SLUICE_CLIENT_SHELL_SOCKS_H
#define SLUICE_CLIENT_SHELL_SOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOCKS_HELLO_MAX 1024 /* bytes of all a client says before it is answered */
#define SOCKS_REPLY_MAX 16
#define SOCKS_HOST_MAX  256

enum socks_step {
	SOCKS_MORE = 1, /* reply what there is, then wait for more */
	SOCKS_TARGET,   /* host and port are known; answer it by socks_answer() */
	SOCKS_BAD,      /* reply what there is and close */
};

struct socks {
	uint8_t version; /* 4, 5; 0: nothing was said yet */
	bool greeted;    /* version 5: a method was chosen */
	char host[SOCKS_HOST_MAX];
	uint16_t port;
	uint8_t reply[SOCKS_REPLY_MAX];
	size_t reply_len;
};

/* Looks at len bytes; *ret_used of them are done with. */
enum socks_step socks_input(struct socks *s, const uint8_t *p, size_t len, size_t *ret_used);
/* What the client is told then, in reply. */
void socks_answer(struct socks *s, bool connected);

#endif
