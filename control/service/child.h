/*
 * control/service/child.h - what becomes of a process that is to run a session's program: its
 * user, in his home, with nothing of ours but three descriptors. The console has one more.
 *
 * Source  sshd(8), LOGIN PROCESS; sshd_config(5), ChrootDirectory.
 */
#ifndef SLUICE_CONTROL_SERVICE_CHILD_H
#define SLUICE_CONTROL_SERVICE_CHILD_H

#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>

#define CHILD_CONTROL 3

struct child {
	const struct passwd *pw;
	const char *program; /* with argv, in place of the shell; NULL */
	char *const *argv;
	const char *command; /* for the shell; NULL: the shell itself, as a login shell */
	const char *chroot;  /* expanded; NULL: none */
	const char *enter;   /* root.h: the program lies outside of it, and goes in by this; NULL */
	char **env;
	int in, out, err; /* of a terminal all the same one */
	int control;      /* the console's; -1: none. It is CHILD_CONTROL there */
	bool tty;
	bool has_groups;     /* PAM's modules have added to them */
	bool nologin;        /* /etc/nologin holds off everybody but root */
	const char *refusal; /* said, and nothing runs; NULL: it does */
	const char *notice;  /* a line on err, before anything else; NULL or "": none */
	const char *welcome; /* to be read first, but by who has ~/.hushlogin; may be "" */
	bool user_rc;        /* ~/.ssh/rc may be run before it */
	const char *display; /* struct rc */
};

/* In the new process; does not come back. Whatever fails is said on err. */
void child_run(const struct child *c) __attribute__((noreturn));

/*
 * ChrootDirectory: may it be a root? Every component belongs to root and nobody else writes it.
 * False with why.
 */
bool child_chroot_safe(const char *path, char *why, size_t size);

#endif
