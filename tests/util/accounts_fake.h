/*
 * tests/util/accounts_fake.h - accounts as a test wants them, in place of the system's: for
 * programs of one source file.
 */
#ifndef SLUICE_TESTS_UTIL_ACCOUNTS_FAKE_H
#define SLUICE_TESTS_UTIL_ACCOUNTS_FAKE_H

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* A pattern of one star at its end, or a name; NULL: there are none. Read by other threads. */
static const char *volatile accounts_fake;
static const char *accounts_fake_home = "/";

static inline bool accounts_fake_has(const char *name)
{
	const char *all = accounts_fake;
	size_t n = all != NULL ? strcspn(all, "*") : 0;

	return all != NULL && (all[n] == '*' ? strncmp(name, all, n) : strcmp(name, all)) == 0;
}

/* Never root's, whoever runs the test. */
static inline uid_t accounts_fake_uid(void)
{
	return geteuid() != 0 ? geteuid() : 1000;
}

int getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t size, struct passwd **ret)
{
	int n = snprintf(buf, size, "%s", name) + 1;

	*ret = NULL;
	if (!accounts_fake_has(name))
		return 0;
	if ((size_t)n + strlen(accounts_fake_home) >= size)
		return ERANGE;
	*pw = (struct passwd){.pw_name = buf,
			      .pw_passwd = buf + n - 1,
			      .pw_gecos = buf + n - 1,
			      .pw_shell = buf + n - 1,
			      .pw_dir = strcpy(buf + n, accounts_fake_home),
			      .pw_uid = accounts_fake_uid(),
			      .pw_gid = accounts_fake_uid()};
	*ret = pw;
	return 0;
}

#endif
