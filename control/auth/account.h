/*
 * control/auth/account.h - what the system knows of a user.
 *
 * A name it does not know costs the system some 25 opened files and sockets, and a login asks about
 * one twice or more: an answer is believed for ACCOUNT_MS. What an account's files say is read
 * each time.
 * Thread  any that may wait.
 */
#ifndef SLUICE_CONTROL_AUTH_ACCOUNT_H
#define SLUICE_CONTROL_AUTH_ACCOUNT_H

#include <stdbool.h>
#include <sys/types.h>

#define ACCOUNT_MS       1000
#define ACCOUNT_HOME_MAX 1024

/* The system's idea of the user, if it has one. */
struct account {
	bool known;
	bool lost; /* the system could not tell: neither known nor not */
	uid_t uid; /* (uid_t)-1: of nobody */
	gid_t gid;
	char home[ACCOUNT_HOME_MAX];
};

/* user has at most SSH_USER_MAX bytes. */
void account_find(const char *user, struct account *ret);
/* Nothing is believed any more: the system is asked again about all. */
void accounts_forget(void);

#endif
