/*
 * control/policy/policy.h - who may open which tunnel.
 *
 * Two voices must both agree: the operator (AllowTcpForwarding, DisableForwarding,
 * PermitOpen) and the key that signed the login (restrict, no-port-forwarding,
 * permitopen=, permitlisten=). What is asked for is judged by the name that was asked; every
 * address it leads to is judged again after the lookup, so a name that changes its mind between two
 * lookups gains nothing (S-76).
 */
#ifndef SLUICE_CONTROL_POLICY_POLICY_H
#define SLUICE_CONTROL_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "link/msg.h"

#define POLICY_PERMITS_MAX     4096       /* permitopen= of one key */
#define POLICY_ENVIRONMENT_MAX (8 * 1024) /* bytes of all environment= of one key */

/* The operator's rules as they are for one login; all borrowed. */
struct policy_rules {
	/* Rules, in force at this moment, and who asks. Without them all else alone decides. */
	struct conf_rules target_rules, listen_rules;
	struct conf_who who;
	enum conf_forwarding allow_tcp_forwarding; /* direct-tcpip is what sshd calls local */
	bool disable_forwarding;
	struct conf_strs permit_open, permit_listen;
	enum conf_gateway_ports gateway_ports;
	const struct link_addr *own; /* the gateway's addresses */
	size_t n_own, n_kernel;      /* the latter are behind them: nobody listens there */
};

/* Those of a session; whose they are, and the gateway's own addresses, are the caller's to say. */
struct policy_rules policy_rules_of(const struct conf_session *c);

/* What the login itself may: all that its key's options left. */
struct policy_grant {
	bool port_forwarding;
	bool session : 1, pty : 1;
	bool agent : 1, x11 : 1; /* of its client's; sessions have them */
	bool user_rc : 1;        /* ~/.ssh/rc is run before them */
	uint16_t n_permitopen, n_permitlisten, n_environment;
	/* "host:port", well formed; none: no limit. Behind them permitlisten= and environment= */
	char **permitopen;
	char *command;     /* of sessions; NULL: whatever is asked for */
};

/* "[host:]port", n_permitlisten of them; none: no limit. */
static inline char **policy_permitlisten(const struct policy_grant *g)
{
	return g->permitopen != NULL ? g->permitopen + g->n_permitopen : NULL;
}

/* NAME=VALUE, n_environment of them: variables of sessions. */
static inline char **policy_environment(const struct policy_grant *g)
{
	return g->permitopen != NULL ? g->permitopen + g->n_permitopen + g->n_permitlisten : NULL;
}

/* Nothing restricts it: what a password earns. */
struct policy_grant policy_grant_full(void);
/* -EINVAL: not "host:port" with a port of 1 to 65535 or "*" (S-38); -E2BIG, -ENOMEM. */
int policy_grant_permit(struct policy_grant *g, const char *entry)
	__attribute__((warn_unused_result));
/* The same of "[host:]port". */
int policy_grant_permit_listen(struct policy_grant *g, const char *entry)
	__attribute__((warn_unused_result));
/*
 * Sessions run this and nothing else. Two that are not the same cannot both hold: there are no
 * sessions then. -ENOMEM: nor are there any.
 */
int policy_grant_force(struct policy_grant *g, const char *command)
	__attribute__((warn_unused_result));
/*
 * Sessions have this variable, NAME=VALUE without an end of line; the first of a name holds.
 * -EINVAL: it is none; -E2BIG, -ENOMEM.
 */
int policy_grant_variable(struct policy_grant *g, const char *assignment)
	__attribute__((warn_unused_result));
void policy_grant_fini(struct policy_grant *g);
/*
 * What both allow (S-24): of a login by several methods each one's limits hold. -ENOMEM: *ret
 * allows nothing then, as it does when there are more pairs of limits than POLICY_MEETS_MAX.
 */
#define POLICY_MEETS_MAX 65536
int policy_grant_meet(const struct policy_grant *a, const struct policy_grant *b,
		      struct policy_grant *ret) __attribute__((warn_unused_result));

/*
 * What TargetRule and ListenRule say: the first rule that is about it decides. Where there are any
 * about hosts, and none about this one, that is a no; of sockets it is nothing.
 */
enum policy_saying {
	POLICY_SAYS_NOTHING,
	POLICY_SAYS_NO,
	POLICY_SAYS_MAYBE, /* it depends on the addresses a name has */
	POLICY_SAYS_YES,
};

/* Whose word was the last one: of a no, who said it; of a yes, who would have been the last to. */
struct policy_why {
	enum policy_voice {
		POLICY_BY_NOBODY, /* the address is special, and nobody names it */
		POLICY_BY_DISABLE,
		POLICY_BY_ALLOW,  /* AllowTcpForwarding, AllowStreamLocalForwarding */
		POLICY_BY_KEY,    /* what the login was left */
		POLICY_BY_PERMIT, /* PermitOpen, PermitListen, PermitStreamLocal */
		POLICY_BY_RULE,
	} voice;
	const struct conf_rule *rule; /* NULL, of POLICY_BY_RULE: none is about it */
};
enum policy_saying policy_targets_say(const struct policy_rules *r, const struct conf_dest *d,
				      struct policy_why *why);
/* A target without, and with an address: the one that host has, or one of those. */
struct conf_dest policy_dest(const struct policy_rules *r, const char *host, uint16_t port);
struct conf_dest policy_dest_at(const struct policy_rules *r, const char *host,
				const struct link_addr *addr, uint16_t port);
/* Does what they say depend on the time? */
bool policy_timed(const struct conf_rules *rules);

/*
 * May this login ask for host:port at all? Where no rule could allow any address of it, it may not.
 */
bool policy_may_ask(const struct policy_rules *r, const struct policy_grant *g, const char *host,
		    uint16_t port, struct policy_why *why);
/* The login's own voice in that. */
bool policy_key_may_ask(const struct policy_grant *g, const char *host, uint16_t port);
/* May this login have us listen, by what it asks for? port 0: we are to choose one. */
bool policy_may_listen(const struct policy_rules *r, const struct policy_grant *g, const char *host,
		       uint16_t port, struct policy_why *why);

/* Does the operator's PermitListen name this port by its number? Below 1024 that is asked for. */
bool policy_may_listen_low(const struct policy_rules *r, const char *host, uint16_t port);

/* Where that is, by GatewayPorts. State 0 is illegal. */
enum policy_where {
	POLICY_AT_LOOPBACK = 1, /* ret: that address; of family 0, of both families */
	POLICY_AT_ALL,          /* ret: of family 4 or 6, all of that family; 0: all */
	POLICY_AT_ADDRESS,      /* ret */
	POLICY_NOWHERE,         /* it is no address of the gateway's */
};
enum policy_where policy_listen_where(const struct policy_rules *r, const char *host,
				      struct link_addr *ret);

/*
 * May a tunnel lead to this address? Special ones and the gateway's own only when the
 * operator's PermitOpen names that very address, neither by "*" nor by a name but "localhost",
 * which is 127.0.0.1 and ::1: a key file may be its user's own, so permitopen= does not open them.
 */
bool policy_may_reach(const struct policy_rules *r, const struct link_addr *addr, uint16_t port);
/*
 * The whole of it, for an address that was found for host: what rules say, or where they say
 * nothing, policy_may_reach().
 */
bool policy_may_connect(const struct policy_rules *r, const char *host,
			const struct link_addr *addr, uint16_t port, struct policy_why *why);
/* May it be listened here? where, at: as policy_listen_where() has them. */
bool policy_may_bind(const struct policy_rules *r, enum policy_where where,
		     const struct link_addr *at, uint16_t port, struct policy_why *why);

/*
 * May anybody have this port below 1024, by whatever login and whenever, and where? What
 * sluice-helper can tell: no more than this is ever allowed. root: who asks is.
 */
bool policy_low_permitted(const struct policy_rules *r, bool root, const char *host, uint16_t port,
			  enum policy_where *ret_where, struct link_addr *ret);

/*
 * May this login have a tunnel to this UNIX socket? Only when a TargetRule or the operator's
 * PermitStreamLocal names its path: AllowStreamLocalForwarding alone does not (a departure from
 * sshd). A rule about it goes before PermitStreamLocal.
 */
bool policy_may_open_socket(const struct conf_session *conf, const struct policy_rules *r,
			    const struct policy_grant *g, const char *path, struct policy_why *why);
/* May it have us listen at this one? By PermitStreamLocalListen; a key with permitlisten= may not.
 */
bool policy_may_listen_socket(const struct conf_session *conf, const struct policy_grant *g,
			      const char *path);
/*
 * Does the operator name it, for whomever and whenever? What sluice-helper can tell, who does not
 * know what a login is by: no more than this is ever allowed.
 */
bool policy_socket_permitted(const struct conf_session *conf, bool listen, const char *path);

#endif
