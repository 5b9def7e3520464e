/* client/config/canon.c - whole names of hosts. Source ssh_config(5), CanonicalizeHostname. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "client/config/internal.h"
#include "client/reach/lookup.h"
#include "conf/match.h"

struct canon {
	bool direct, always; /* no proxy is asked; even where one is */
	bool searched, also; /* in CanonicalDomains; the name as it is was asked for, too */
	size_t next;         /* of the domains */
	struct lookup *lookup;
	bool found;
	char name[NI_MAXHOST], cname[NI_MAXHOST];
};

static int family(const struct config *c)
{
	return config_is(c, CONFIG_ADDRESS_FAMILY, "inet")    ? AF_INET
	       : config_is(c, CONFIG_ADDRESS_FAMILY, "inet6") ? AF_INET6
							      : AF_UNSPEC;
}

static bool is_address(const struct config *c)
{
	const struct addrinfo hints = {
		.ai_family = family(c), .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	struct addrinfo *list;

	if (getaddrinfo(c->host, NULL, &hints, &list) != 0)
		return false;
	freeaddrinfo(list);
	return true;
}

static unsigned int dots(const char *name)
{
	unsigned int n = 0;

	for (; *name != '\0'; name++)
		n += *name == '.';
	return n;
}

static bool is_whole(const struct config *c)
{
	return c->host[strlen(c->host) - 1] == '.';
}

static bool is_searched(const struct canon *k, const struct config *c)
{
	return (k->direct || k->always) &&
	       (is_whole(c) || dots(c->host) <= config_number(c, CONFIG_CANONICALIZE_MAX_DOTS));
}

static bool may_stay(const struct canon *k, const struct config *c)
{
	return !k->searched || config_yes(c, CONFIG_CANONICALIZE_FALLBACK_LOCAL);
}

/* The host as it is, once. */
static bool itself(struct canon *k, const struct config *c)
{
	bool first = !k->also;

	k->also = true;
	return first && (size_t)snprintf(k->name, sizeof(k->name), "%s", c->host) < sizeof(k->name);
}

/* The next name that there may be, in k->name. False: there is no other one. */
static bool candidate(struct canon *k, const struct config *c)
{
	const struct conf_strs *domains = config_list(c, CONFIG_CANONICAL_DOMAINS);

	if (k->searched && is_whole(c))
		return itself(k, c);
	while (k->searched && k->next < domains->n) {
		const char *d = domains->v[k->next++];

		if ((size_t)snprintf(k->name, sizeof(k->name), "%s.%s.", c->host,
				     d + (*d == '.')) < sizeof(k->name))
			return true;
	}
	/* One that was not looked for may have another name all the same. */
	return may_stay(k, c) && (k->direct || k->always) &&
	       config_list(c, CONFIG_CANONICALIZE_PERMITTED_CNAMES)->n > 0 && itself(k, c);
}

/* Small letters, and no dot at the end. */
static void tidy(char *name)
{
	size_t n = strlen(name);

	for (char *p = name; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p |= 0x20;
	if (n > 0 && name[n - 1] == '.')
		name[n - 1] = '\0';
}

/* Another name of it counts where CanonicalizePermittedCNAMEs has it. */
static void follow(struct canon *k, const struct config *c)
{
	const struct conf_strs *rules = config_list(c, CONFIG_CANONICALIZE_PERMITTED_CNAMES);

	if (*k->cname == '\0')
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

static struct canon *canon_new(const struct config *c)
{
	struct canon *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	k->direct = is_direct(c);
	k->always = config_is(c, CONFIG_CANONICALIZE_HOSTNAME, "always");
	k->searched = is_searched(k, c);
	return k;
}

int canon_fd(const struct canon *k)
{
	return lookup_fd(k->lookup);
}

void canon_free(struct canon *k)
{
	if (k != NULL)
		lookup_free(k->lookup);
	free(k);
}

/* -EAGAIN: the question that is asked has no answer yet. */
static int ask(struct canon *k, struct config *c)
{
	struct race_addr none[RACE_ADDRS_MAX];
	unsigned int n;
	int r;

	do {
		if (k->lookup == NULL && candidate(k, c)) {
			r = lookup_name_new(k->name, family(c), &k->lookup);
			if (r < 0) /* that nobody can be asked is no answer */
				config_say(c, &c->errors, NULL, "%.200s: %s", k->name, strerror(-r));
		}
		if (k->lookup == NULL)
			return 0;
		r = lookup_result(k->lookup, none, &n);
		if (r == LOOKUP_WAIT)
			return -EAGAIN;
		k->found = r == 0;
		if (k->found)
			strcpy(k->cname, lookup_name(k->lookup));
		lookup_free(k->lookup);
		k->lookup = NULL;
	} while (!k->found);
	return 0;
}

int config_canonicalize(struct config *c, char ret[CONFIG_HOST_MAX])
{
	struct canon *k = c->canon;

	*ret = '\0';
	if (k == NULL && (*c->host == '\0' || is_address(c)))
		return 0;
	if (k == NULL)
		k = c->canon = canon_new(c);
	if (k == NULL) {
		c->no_memory = true;
		return 0;
	}
	if (ask(k, c) < 0)
		return -EAGAIN;
	if (k->found) {
		k->name[strlen(k->name) - (k->name[strlen(k->name) - 1] == '.')] = '\0';
		tidy(k->cname);
		follow(k, c);
		snprintf(ret, CONFIG_HOST_MAX, "%s", k->name);
	} else if (!may_stay(k, c)) {
		config_say(c, &c->errors, NULL, "Could not resolve host \"%.200s\"", c->host);
	}
	canon_free(k);
	c->canon = NULL;
	return 0;
}
