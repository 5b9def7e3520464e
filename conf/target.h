/*
 * conf/target.h - where a channel leads, and what a rule or a Match names of that: HOST:PORTS.
 *
 *   HOST   *, a name or a pattern of names, an address, a network (10.0.0.0/8, [2001:db8::/32])
 *   PORTS  *, or numbers and ranges with commas: 22,80,8000-8999
 *   /PATH  a pattern of UNIX sockets, without ports
 *
 * '!' in front takes out of the list what it names. Names are those that were asked for, without
 * regard to case or to a dot at the end; a pattern of names never names an address, nor a network a
 * name: of a name it names the addresses that were found.
 */
#ifndef SLUICE_CONF_TARGET_H
#define SLUICE_CONF_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/addr.h"

#define CONF_PORT_RANGES_MAX 64 /* of one target */

/* What is asked about. Views. */
struct conf_dest {
	const char *host;      /* as it was asked for; NULL: it is a socket */
	const char *path;      /* of a UNIX socket */
	bool literal;          /* host is an address */
	bool found;            /* addr is known: that of host, or one of those it has */
	bool all;              /* of listening: on all addresses of addr.family; 0: of both */
	uint8_t named_by;      /* a network names addr only when it is this long; 0: any does */
	uint16_t port;         /* 0, of listening: we are to choose one */
	struct conf_addr addr; /* unmapped; its port does not count */
};
/* Of a host that was asked for; an address is found already. */
struct conf_dest conf_dest_of(const char *host, uint16_t port);

/* Of a name whose addresses are not known yet a network may name one. State 0: not so. */
enum conf_hit { CONF_HIT_NO, CONF_HIT_MAYBE, CONF_HIT_YES };

struct conf_ports {
	uint16_t from, to;
};

struct conf_target {
	enum conf_target_kind {
		CONF_TARGET_ANY = 1, /* of host: * */
		CONF_TARGET_NAME,
		CONF_TARGET_NET,
		CONF_TARGET_PATH,
	} kind;
	bool negated;
	uint8_t n_ports;
	struct conf_prefix net; /* unmapped */
	const char *text;       /* pattern of names or paths */
	const struct conf_ports *ports;
};
struct conf_targets {
	const struct conf_target *v;
	size_t n;
};

/*
 * One word into *ret; what is kept of it lies in the arena. NULL, or why it is none: constant text.
 */
struct arena;
const char *conf_target_parse(struct arena *a, const char *word, struct conf_target *ret);

/* Does one of them name hosts? Sockets? */
bool conf_targets_hosts(const struct conf_targets *t);
bool conf_targets_paths(const struct conf_targets *t);

/* Does one of them, not negated, name this port, and not all of them? */
bool conf_targets_name_port(const struct conf_targets *t, uint16_t port);

/*
 * sure: for what is allowed by it, so that all it is about must be named: an address that wants a
 * network of its own, by that; all addresses, by all of them. Else it is enough that some is.
 */
enum conf_hit conf_targets_hit(const struct conf_targets *t, const struct conf_dest *d, bool sure);

#endif
