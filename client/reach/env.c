#include "client/reach/env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/match.h"

#define VALUE_MAX 1024

/* As it is, or in small letters. */
static const char *variable(const char *name, const char *small)
{
	const char *value = getenv(name);

	if (value == NULL || *value == '\0')
		value = getenv(small);
	return value != NULL ? value : "";
}

static bool names(const char *entry, const char *host)
{
	size_t n, len = strlen(host);

	if (match_pattern_nocase(host, entry))
		return true;
	entry += *entry == '.';
	n = strlen(entry);
	return n > 0 && len >= n && strcasecmp(host + len - n, entry) == 0 &&
	       (len == n || host[len - n - 1] == '.');
}

bool proxy_exempt(const char *list, const char *host)
{
	char entry[PROXY_WORD_MAX + 1];

	host += *host == '*';
	while (*list != '\0') {
		size_t n = strcspn(list, ";, \t");

		if (n > 0 && n < sizeof(entry)) {
			memcpy(entry, list, n);
			entry[n] = '\0';
			if (names(entry, host))
				return true;
		}
		list += n + (list[n] != '\0');
	}
	return false;
}

/* Curl's way to say that a name goes to the proxy is a scheme of its own; ours, too. */
static int value_parse(const char *value, struct proxy_addr *ret)
{
	char with[VALUE_MAX];

	if (strstr(value, "://") != NULL)
		return proxy_addr_parse(value, ret);
	if ((size_t)snprintf(with, sizeof(with), "http://%s", value) >= sizeof(with))
		return -1;
	return proxy_addr_parse(with, ret);
}

void proxy_from_env(const char *host, struct proxy_addr *ret, char password[PROXY_WORD_MAX + 1])
{
	const char *value = variable("ALL_PROXY", "all_proxy");
	char *colon;

	memset(ret, 0, sizeof(*ret));
	if (*value == '\0')
		value = variable("HTTPS_PROXY", "https_proxy");
	if (*value == '\0' || proxy_exempt(variable("NO_PROXY", "no_proxy"), host) ||
	    value_parse(value, ret) < 0) {
		memset(ret, 0, sizeof(*ret));
		return;
	}
	colon = strchr(ret->user, ':');
	if (colon == NULL)
		return;
	*colon = '\0';
	strcpy(password, colon + 1);
}
