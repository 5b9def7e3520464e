/*
 * control/auth/rhosts.h - files of hosts whose users are trusted: hosts.equiv, .shosts and their
 * like.
 *
 * Source  sshd(8), FILES: ~/.rhosts, ~/.shosts, /etc/hosts.equiv, /etc/ssh/shosts.equiv; what sshd
 *         makes of hosts.equiv(5): "[+|-]host [[+|-]user]", either @netgroup; without a user he who
 *         logs in must have the same name there. A wildcard "+" alone means nobody, more than two
 *         words are no line, NO_PLUS is one that says nothing.
 * Thread  any: pure.
 */
#ifndef SLUICE_CONTROL_AUTH_RHOSTS_H
#define SLUICE_CONTROL_AUTH_RHOSTS_H

#include <stdbool.h>
#include <stddef.h>

#define RHOSTS_FILE_MAX (1 << 20)
#define RHOSTS_LINE_MAX 2048 /* a longer one is skipped whole (S-38) */
#define RHOSTS_WORD_MAX 1024

enum rhosts_verdict {
	RHOSTS_SILENT, /* no line is about them */
	RHOSTS_TRUSTED,
	RHOSTS_REFUSED, /* by a line with "-"; of several the first counts */
};

struct rhosts_query {
	const char *host, *addr; /* either may stand in a line */
	const char *client_user; /* who he says he is there */
	const char *user;        /* who he wants to be here */
	/* host or user NULL: any. */
	bool (*in_netgroup)(const char *group, const char *host, const char *user);
};

enum rhosts_verdict rhosts_look(const char *text, size_t len, const struct rhosts_query *q);

#endif
