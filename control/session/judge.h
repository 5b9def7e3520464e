/*
 * control/session/judge.h - may it? asked when a channel or a listener of a session is decided.
 *
 * A session goes by the configuration it began with (sshd's way), but for TargetRule and
 * ListenRule: who may go where is what the operator says now, for those who are in, too. Nothing is
 * kept from one question to the next. The session is awake. Without memory the answer is no.
 */
#ifndef SLUICE_CONTROL_SESSION_JUDGE_H
#define SLUICE_CONTROL_SESSION_JUDGE_H

#include "control/session/internal.h"

#define JUDGE_RULE_MAX 224

struct judge_words {
	char place[256]; /* " (FILE line N)" of the rule that decided; "" without one */
	/* "FILE line N" of that, or the keyword that decides where no rule is about it. */
	char rule[JUDGE_RULE_MAX];
	bool timed; /* a minute may change the answer; set by judge_addr(), never cleared */
};

/* Before the name is looked up: false where no address it may have could be allowed. */
bool judge_name(const struct session *s, const char *host, uint16_t port,
		struct judge_words *words);
/* An address that was found for host: the last word. */
bool judge_addr(const struct session *s, const char *host, const struct link_addr *addr,
		uint16_t port, struct judge_words *words);
bool judge_socket(const struct session *s, const char *path, struct judge_words *words);
/* May it have us listen at this one? */
bool judge_listen_socket(const struct session *s, const char *path);
/* May it have us listen for host:port, and where? POLICY_NOWHERE is left to the caller. */
bool judge_listen(const struct session *s, const char *host, uint16_t port,
		  enum policy_where *ret_where, struct link_addr *ret, struct judge_words *words);

#endif
