/*
 * control/auth/authkeys.h - the authorized_keys file.
 *
 * Source  sshd(8), AUTHORIZED_KEYS FILE FORMAT. As sshd does, a line is first tried as a key
 *         without options, then with them; an unknown or malformed option refuses its
 *         line; of several lines with the same key the first that lets in does.
 * Thread  any: pure.
 *
 * Every option sshd knows is read. What it means here:
 *   from="list"            addresses and CIDR prefixes it may come from; enforced. Host names
 *                          in it match nothing unless UseDNS has clients' names looked up.
 *   expiry-time="time"     enforced; the earliest of several counts.
 *   restrict               nothing but what later options give back; enforced.
 *   port-forwarding, no-port-forwarding, permitopen="host:port", permitlisten="[host:]port"
 *                          enforced.
 *   pty, no-pty            whether its sessions may have a terminal; enforced.
 *   agent-forwarding, X11-forwarding and their no- forms: whether they may have the client's agent,
 *                          and display; enforced.
 *   command="…"            what its sessions run, whatever is asked for; enforced. It may still
 *                          forward ports, as with sshd.
 *   user-rc, no-user-rc    whether ~/.ssh/rc is run before its sessions; enforced.
 *   environment="N=v"      its sessions have it where PermitUserEnvironment lets them.
 *   tunnel="n"             checked, then of no effect: there is none.
 *   cert-authority         the key signs certificates and does not log in by itself: the
 *                          line never matches a plain key, but certificates it signed
 *                          (auth/usercert.h); enforced.
 *   principals="…"         only with cert-authority: names of which a certificate must have one,
 *                          in place of the user's; enforced.
 *   no-touch-required, verify-required     of security keys; enforced.
 */
#ifndef SLUICE_CONTROL_AUTH_AUTHKEYS_H
#define SLUICE_CONTROL_AUTH_AUTHKEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/policy/policy.h"
#include "crypto/key.h"
#include "link/msg.h"

#define AUTHKEYS_LINE_MAX (64 * 1024) /* a longer line is skipped whole (S-38) */
#define AUTHKEYS_FILE_MAX (4 << 20)
#define AUTHKEYS_NOTE_MAX 512

struct keytrust;

struct authkeys_entry {
	struct key *key;
	bool cert_authority;
	char *from;            /* NULL: anywhere */
	uint64_t valid_before; /* seconds since 1970; 0: for ever */
	char *principals;      /* of a cert_authority; NULL: the user's name */
	bool forced_command;   /* command= */
	bool no_touch_required, verify_required;
	struct policy_grant grant;
};

/*
 * One line without its end. 0; -ENOENT: empty or a comment; -EBADMSG: no key this build
 * knows; -EINVAL: an option is wrong, *ret_why says what.
 */
int authkeys_line_parse(const char *line, size_t len, struct authkeys_entry *ret,
			const char **ret_why) __attribute__((warn_unused_result));
void authkeys_entry_fini(struct authkeys_entry *e);

/* YYYYMMDD[HHMM[SS]][Z]; local time without the Z. -EINVAL. */
int authkeys_time_parse(const char *text, uint64_t *ret) __attribute__((warn_unused_result));

/* Who asks, as far as a line cares. */
struct authkeys_query {
	const char *user; /* for the note */
	const struct key *key;
	const struct keytrust *trust; /* auth/usercert.h; NULL: no certificate lets in */
	struct link_addr peer;
	const char *peer_name; /* NULL: it has none */
	uint64_t now;          /* seconds since 1970 */
};

struct authkeys_answer {
	struct policy_grant grant; /* of the line that let in */
	unsigned int line;         /* counted from 1 */
	bool forced_command;       /* it is for that command */
	/* Of security keys. */
	bool no_touch_required, verify_required;
	uint64_t expires; /* seconds since 1970; UINT64_MAX: never */
	bool certified;   /* validly, by one of TrustedUserCAKeys; whom, a program is to say */
	bool refused;     /* none let in, and one is about this key: wrong place or time */
	/* Worth an INFO line even when nothing let in: right key, wrong place or time. */
	char note[AUTHKEYS_NOTE_MAX];
};

/* Looks through a file's text. 0 and *ret_answer, or -ENOENT with only its note set. */
int authkeys_find(const char *text, size_t len, const struct authkeys_query *q,
		  struct authkeys_answer *ret) __attribute__((warn_unused_result));

/*
 * Only options, as in a file of principals; there may be none. 0: they are well formed and admit
 * who asks, and *ret says what they allow; -EINVAL, -EACCES: with its note.
 */
int authkeys_options_admit(const char *options, size_t len, const struct authkeys_query *q,
			   struct authkeys_answer *ret) __attribute__((warn_unused_result));

#endif
