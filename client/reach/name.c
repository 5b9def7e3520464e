#include "client/reach/name.h"

#include <ctype.h>
#include <string.h>

#define OF_A_SHELL "'`\";&<>|(){}"

bool reach_host_valid(const char *host)
{
	size_t n = strlen(host);

	if (n == 0 || n > REACH_HOST_MAX || *host == '-')
		return false;
	for (const char *p = host; *p != '\0'; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f || strchr(OF_A_SHELL "$\\,", *p) != NULL)
			return false;
	return true;
}

bool reach_user_valid(const char *user)
{
	size_t n = strlen(user);

	if (n == 0 || n > REACH_USER_MAX || *user == '-' || user[n - 1] == '\\')
		return false;
	for (const char *p = user; *p != '\0'; p++) {
		if (iscntrl((unsigned char)*p) || strchr(OF_A_SHELL, *p) != NULL)
			return false;
		if (*p == '$' && p[1] != '\0') /* at the end it is that of a machine */
			return false;
		/* "a -b" would be an option of a command that forgets its quotes. */
		if (p > user && *p == '-' && isspace((unsigned char)p[-1]))
			return false;
	}
	return true;
}
