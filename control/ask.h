/*
 * control/ask.h - sluice-control -T -C: for whom, and what would be said to a tunnel of his.
 *
 * Source  sshd(8), -C; dest=, listen= and who asks are our own.
 */
#ifndef SLUICE_CONTROL_ASK_H
#define SLUICE_CONTROL_ASK_H

#include <stdio.h>

#include "conf/conf.h"

#define ASK_GROUPS_MAX 64
#define ASK_MARKS_MAX  4096

struct user_lookup;

struct ask {
	struct conf_match_ctx match;
	const char *group[ASK_GROUPS_MAX];
	struct conf_strs groups;
	struct user_lookup *account; /* whose groups they are; NULL: they were said */
	char marks[ASK_MARKS_MAX]; /* as struct conf_who has them */
	size_t marks_len;
	int minute;                /* of the week; -1: that of now */
	const char *dest, *listen; /* HOST:PORT, a path; NULL: not asked */
};

void ask_init(struct ask *a);
/* "user=u,addr=a,…"; spec is cut into pieces that are borrowed. -EINVAL. */
int ask_parse(struct ask *a, char *spec) __attribute__((warn_unused_result));
/* The groups of a user of this system, where none were said. -EIO: nobody can tell; -ENOMEM. */
int ask_look_up(struct ask *a) __attribute__((warn_unused_result));
void ask_fini(struct ask *a);
/* Is there a question about a tunnel? */
bool ask_tunnel(const struct ask *a);
/*
 * Answers it, a line for each address: allow or deny, which, and who said so; one for the login,
 * where that is not let in. 1: something is
 * allowed; 0: nothing; -EINVAL: dest= or listen= is malformed; -ENOMEM.
 */
int ask_print(const struct ask *a, struct conf *conf, FILE *f) __attribute__((warn_unused_result));

#endif
