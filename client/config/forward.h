/*
 * client/config/forward.h - what -L, -R, -D, -W, -J and destinations say.
 *
 * Source  ssh(1): [bind_address:]port:host:hostport, UNIX sockets as absolute paths on either side,
 *         [v6] in brackets; [user@]host[:port] and ssh://[user@]host[:port].
 * Memory  the texts lie in the struct.
 */
#ifndef SLUICE_CLIENT_CONFIG_FORWARD_H
#define SLUICE_CLIENT_CONFIG_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORWARD_HOST_MAX 1024 /* bytes of a name or path, with its end */
#define FORWARD_FROM_MAX 1024 /* bytes of a list of addresses, with its end */
#define FORWARD_TEXT_MAX (2 * FORWARD_HOST_MAX + FORWARD_FROM_MAX + 64)

enum forward_kind { FORWARD_LOCAL, FORWARD_REMOTE, FORWARD_DYNAMIC };

/* One end: a path, or a host and a port. */
struct forward_end {
	bool path;
	bool any_host;               /* of a listener: "*" or empty */
	char host[FORWARD_HOST_MAX]; /* or the path; of a listener "": not said */
	uint16_t port;               /* of a listener 0: any */
};

struct forward {
	enum forward_kind kind;
	bool socks; /* who connects says where to: -D, and -R without a target */
	struct forward_end listen, target;
	/* Of a remote one: whose connections are wanted, as match_addr_list() has it; "": all. */
	char from[FORWARD_FROM_MAX];
};

/* In a specification before the list of "from=": what no line of a file has. */
#define FORWARD_FROM_MARK '\n'

/* 0; -EINVAL: it is none. */
int forward_parse(enum forward_kind kind, const char *spec, struct forward *ret)
	__attribute__((warn_unused_result));
/* "host:port" of -W, and of each host of -J without its user. */
int forward_target_parse(const char *spec, struct forward_end *ret)
	__attribute__((warn_unused_result));
/* The words of LocalForward, as ssh -G writes them, and "from=" behind. Returns buf. */
const char *forward_text(const struct forward *f, char *buf, size_t size);

/* Are they asked for by the same words, as far as where it listens? */
bool forward_same(const struct forward *a, const struct forward *b);

struct destination {
	char user[256]; /* "": not said */
	char host[FORWARD_HOST_MAX];
	uint16_t port; /* 0: not said */
};
/* port_too: host:port is one without ssh://, too. 0; -EINVAL. */
int destination_parse(const char *text, bool port_too, struct destination *ret)
	__attribute__((warn_unused_result));
/* Is it a name or an address: nothing a shell or an option parser makes something of? */
bool destination_host_ok(const char *host);
/* Of a user: nothing a command that %r stands in would make more of than a word. */
bool destination_user_ok(const char *user);
/* A number or the name of a service. False: none. */
bool port_parse(const char *text, bool zero, uint16_t *ret);

#endif
