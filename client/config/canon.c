/* client/config/canon.c - whole names of hosts. Source ssh_config(5), CanonicalizeHostname. */
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "client/config/internal.h"
#include "conf/match.h"

struct canon {
	struct config *c;
	bool direct, always; /* no proxy is asked; even where one is */
	bool found;
	char name[NI_MAXHOST], cname[NI_MAXHOST];
};

static int family(const struct config *c)
{
	return config_is(c, CONFIG_ADDRESS_FAMILY, "inet")    ? AF_INET
	       : config_is(c, CONFIG_ADDRESS_FAMILY, "inet6") ? AF_INET6
							      : AF_UNSPEC;
}

/* Is there such a host? cname then says what it is called, in small letters. */
static bool look_up(const struct config *c, const char *host, int flags, char cname[NI_MAXHOST])
{
	const struct addrinfo hints = {.ai_family = family(c),
				       .ai_socktype = SOCK_STREAM,
				       .ai_flags = AI_CANONNAME | flags};
	struct addrinfo *list;
	size_t n;

	if (getaddrinfo(host, NULL, &hints, &list) != 0)
		return false;
	*cname = '\0';
	if (list->ai_canonname != NULL && strlen(list->ai_canonname) < NI_MAXHOST)
		strcpy(cname, list->ai_canonname);
	freeaddrinfo(list);
	for (char *p = cname; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p |= 0x20;
	n = strlen(cname);
	if (n > 0 && cname[n - 1] == '.')
		cname[n - 1] = '\0';
	return true;
}

/* A name with its dot at the end, which goes. */
static bool try_name(struct canon *k, const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n >= sizeof(k->name) || !look_up(k->c, name, 0, k->cname))
		return false;
	memcpy(k->name, name, n);
	k->name[n - (name[n - 1] == '.')] = '\0';
	k->found = true;
	return true;
}

static unsigned int dots(const char *name)
{
	unsigned int n = 0;

	for (; *name != '\0'; name++)
		n += *name == '.';
	return n;
}

/* In each of CanonicalDomains. False: this one may not stay as short as it is. */
static bool search(struct canon *k)
{
	const struct conf_strs *domains = config_list(k->c, CONFIG_CANONICAL_DOMAINS);
	const char *host = k->c->host;
	bool whole = host[strlen(host) - 1] == '.';
	char name[NI_MAXHOST];

	if (!whole && dots(host) > config_number(k->c, CONFIG_CANONICALIZE_MAX_DOTS))
		return true;
	if (!k->direct && !k->always)
		return true;
	if (whole && try_name(k, host))
		return true;
	for (size_t i = 0; !whole && i < domains->n; i++) {
		const char *d = domains->v[i] + (domains->v[i][0] == '.');

		if ((size_t)snprintf(name, sizeof(name), "%s.%s.", host, d) < sizeof(name) &&
		    try_name(k, name))
			return true;
	}
	return config_yes(k->c, CONFIG_CANONICALIZE_FALLBACK_LOCAL);
}

/* Another name of it counts where CanonicalizePermittedCNAMEs has it. */
static void follow(struct canon *k)
{
	const struct conf_strs *rules = config_list(k->c, CONFIG_CANONICALIZE_PERMITTED_CNAMES);

	if ((!k->direct && !k->always) || *k->cname == '\0')
		return;
	for (size_t i = 0; i < rules->n; i++) {
		char from[1024];
		const char *to = strchr(rules->v[i], ':');

		if (to == NULL || (size_t)(to - rules->v[i]) >= sizeof(from))
			continue;
		memcpy(from, rules->v[i], (size_t)(to - rules->v[i]));
		from[to - rules->v[i]] = '\0';
		if (match_list(k->name, from, true) == MATCH_YES &&
		    match_list(k->cname, to + 1, true) == MATCH_YES) {
			strcpy(k->name, k->cname);
			return;
		}
	}
}

/* Is nobody asked on the way who may know the name better? */
static bool is_direct(const struct config *c)
{
	static const enum config_id ways[] = {CONFIG_PROXY_COMMAND, CONFIG_PROXY_JUMP,
					      CONFIG_PROXY};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		const char *way = config_text(c, ways[i]);

		if (way != NULL && strcasecmp(way, "none") != 0)
			return false;
	}
	return true;
}

bool config_canonicalize(struct config *c, char ret[CONFIG_HOST_MAX])
{
	struct canon k = {.c = c,
			  .direct = is_direct(c),
			  .always = config_is(c, CONFIG_CANONICALIZE_HOSTNAME, "always")};
	char numeric[NI_MAXHOST];

	if (*c->host == '\0' || look_up(c, c->host, AI_NUMERICHOST, numeric))
		return false;
	if (!search(&k)) {
		config_say(c, &c->errors, NULL, "Could not resolve host \"%.200s\"", c->host);
		return false;
	}
	/* One that was not looked for may have another name all the same. */
	if (!k.found && (k.direct || k.always) &&
	    config_list(c, CONFIG_CANONICALIZE_PERMITTED_CNAMES)->n > 0)
		(void)try_name(&k, c->host);
	if (!k.found)
		return false;
	follow(&k);
	snprintf(ret, CONFIG_HOST_MAX, "%s", k.name);
	return true;
}
