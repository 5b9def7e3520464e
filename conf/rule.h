/*
 * conf/rule.h - TargetRule and ListenRule: one line says who may, or may not, go where and when.
 *
 *   allow|deny TARGET… [user=LIST] [group=LIST] [key=LIST] [principal=LIST] [keyid=LIST]
 *                      [from=LIST] [time=LIST]
 *
 * A rule is about a channel when one of its targets names where that leads (target.h) and each of
 * its lists has who asks. Lists are those of Match: commas, patterns, '!'; key has
 * fingerprints, SHA256:…, time is as week.h has it. Of several names (groups, keys, principals) one
 * that a list refuses refuses all.
 */
#ifndef SLUICE_CONF_RULE_H
#define SLUICE_CONF_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/target.h"

/*
 * Who asks. NULL: not known; then what allows is not about him, and what denies is. Names of a
 * login are texts one behind the other, each with its kind in front and a NUL behind, the last one
 * empty.
 */
#define CONF_MARK_KEY       'k' /* fingerprint of a key that signed */
#define CONF_MARK_KEY_ID    'i' /* of a certificate, */
#define CONF_MARK_PRINCIPAL 'p' /* and each of those it has */
#define CONF_MARK_ROLE      'r' /* that a program of the operator's has named */
#define CONF_MARK_HOST_KEY  'h' /* fingerprint of one of ours that it named to be offered */
#define CONF_MARK_HOST_FILE 'f' /* the same of one whose file it named */
#define CONF_MARK_BOUNDS    'l' /* limits that it named: bounds.h */
#define CONF_ROLE_MAX       64

struct conf_strs;
struct conf_who {
	const char *user, *addr; /* addr: numeric */
	const struct conf_strs *groups;
	const char *marks;
	int minute; /* of the week; -1: not known */
};

struct conf_rule;
/* In the order of the file. */
struct conf_rules {
	const struct conf_rule *const *v;
	size_t n;
};

bool conf_rule_allows(const struct conf_rule *r); /* else it denies */
const char *conf_rule_text(const struct conf_rule *r);
bool conf_rule_hosts(const struct conf_rule *r); /* it has targets that are hosts; */
bool conf_rule_paths(const struct conf_rule *r); /* that are sockets */
/* One that it does not take out names this port, and not all of them. */
bool conf_rule_names_port(const struct conf_rule *r, uint16_t port);
/* It is about this target, of whomever and whenever. */
enum conf_hit conf_rule_reaches(const struct conf_rule *r, const struct conf_dest *d);
bool conf_rule_timed(const struct conf_rule *r);
bool conf_rule_grouped(const struct conf_rule *r);

/* Is it about this one at all, wherever he goes? */
bool conf_rule_about(const struct conf_rule *r, const struct conf_who *who);
const char *conf_rule_targets(const struct conf_rule *r); /* them alone, as they are written */

/* MAYBE: it depends on the addresses that will be found. */
enum conf_hit conf_rule_hit(const struct conf_rule *r, const struct conf_who *who,
			    const struct conf_dest *d);

#endif
