/*
 * conf/match.h - patterns of sshd_config(5) and sshd(8): * and ?, lists with negation, CIDR.
 *
 * Time    patterns of strangers do not come here; of a pattern with many stars the cost is
 *         its length times the text's.
 */
#ifndef SLUICE_CONF_MATCH_H
#define SLUICE_CONF_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"

enum match_result {
	MATCH_NEGATED = -1, /* an entry with '!' matched: whatever else did */
	MATCH_NO = 0,
	MATCH_YES = 1,
};

/* * is any run of characters, ? exactly one. */
bool match_pattern(const char *text, const char *pattern);
/* Without regard to the case of ASCII letters, as host names are compared. */
bool match_pattern_nocase(const char *text, const char *pattern);

/*
 * Comma list of patterns; entries with '!' in front refuse, as a malformed list does. nocase: as
 * host names.
 */
enum match_result match_list(const char *text, const char *list, bool nocase);
/* Of several texts: one that the list refuses refuses all. Case counts. */
enum match_result match_any(const struct conf_strs *texts, const char *list);
/* Has the list no empty entry? */
bool match_list_valid(const char *list);

/*
 * Comma list of addresses, prefixes (10.0.0.0/8, 2001:db8::/32) and patterns (10.*), with '!'.
 * An addr that is not numeric matches nothing; a malformed list is MATCH_NEGATED.
 */
enum match_result match_addr_list(const char *addr, const char *list);
/* Has such a list, as match_from() has it, entries that may be about names? */
bool match_list_names(const char *list);
/* Is the list well formed: no empty entry, no bad length of a prefix, no host bits set? */
bool match_addr_list_valid(const char *list);

/* One entry of AllowUsers or DenyUsers: "user" or "user@host", host as in match_from(). */
bool match_user_host(const char *user, const char *name, const char *addr, const char *pattern);

/*
 * authorized_keys' from="list" (sshd(8)): addresses and prefixes as match_addr_list(), patterns
 * of names against name, which may be NULL (names are not looked up).
 */
bool match_from(const char *name, const char *addr, const char *list);

/*
 * PermitOpen and permitopen=: does one of the entries (host:port, [v6]:port, '*' for either, "any",
 * "none") allow this target? Names are compared without regard to case, addresses as
 * addresses; nothing is resolved.
 */
bool match_permitopen(const struct conf_strs *list, const char *host, uint16_t port);
/*
 * What two entries both allow, as an entry in buf. False: nothing. Exact, because an entry has no
 * patterns but '*' for all of a host or a port.
 */
bool match_permitopen_meet(const char *a, const char *b, char *buf, size_t size);
/* Is this one entry well formed? "any" and "none" are not entries. */
bool match_permitopen_valid(const char *entry);

/*
 * PermitListen and permitlisten=: the same of [host:]port, where the host is a pattern, and none
 * is any. host is what the client wrote, which may be empty; port 0, which has the server choose,
 * is allowed by '*' alone.
 */
bool match_permitlisten(const struct conf_strs *list, const char *host, uint16_t port);
/* Of two hosts with patterns, other than '*' and equal ones, nothing is said to be allowed. */
bool match_permitlisten_meet(const char *a, const char *b, char *buf, size_t size);
bool match_permitlisten_valid(const char *entry);

/*
 * Of marks (conf/rule.h), a letter and a text each up to its NUL and an empty one behind the last,
 * those of this kind.
 */
enum match_result match_marks(const char *marks, char kind, const char *list);

#endif
