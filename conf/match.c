#include "conf/match.h"

#include <stdio.h>
#include <string.h>

#define ENTRY_MAX 1024 /* of a list; a longer one is malformed */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same(char a, char b, bool nocase)
{
	return a == b || (nocase && lower(a) == lower(b));
}

/*
 * Goes back to the last star only: what an earlier one took can stay as it is, because a later star
 * takes anything. So the cost is bounded by the product of the lengths.
 */
static bool pattern_match(const char *text, const char *pattern, bool nocase)
{
	const char *star = NULL, *from = NULL;

	while (*text != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			from = text;
		} else if (*pattern != '\0' && (*pattern == '?' || same(*text, *pattern, nocase))) {
			text++;
			pattern++;
		} else if (star != NULL) {
			pattern = star + 1;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

bool match_pattern(const char *text, const char *pattern)
{
	return pattern_match(text, pattern, false);
}

bool match_pattern_nocase(const char *text, const char *pattern)
{
	return pattern_match(text, pattern, true);
}

struct entry {
	char text[ENTRY_MAX];
	bool negated;
};

/* Takes the next entry of a comma list off *list; NULL when it was the last. False: malformed. */
static bool entry_next(const char **list, struct entry *ret)
{
	const char *p = *list;
	size_t n = strcspn(p, ",");

	*list = p[n] == ',' ? p + n + 1 : NULL;
	ret->negated = n > 0 && *p == '!';
	if (ret->negated) {
		p++;
		n--;
	}
	if (n == 0 || n >= sizeof(ret->text))
		return false;
	memcpy(ret->text, p, n);
	ret->text[n] = '\0';
	return true;
}

enum match_result match_list(const char *text, const char *list, bool nocase)
{
	enum match_result r = MATCH_NO;
	struct entry e;

	while (list != NULL) {
		if (!entry_next(&list, &e))
			return MATCH_NEGATED;
		if (!pattern_match(text, e.text, nocase))
			continue;
		if (e.negated)
			return MATCH_NEGATED;
		r = MATCH_YES;
	}
	return r;
}

enum match_result match_any(const struct conf_strs *texts, const char *list)
{
	enum match_result r = MATCH_NO;

	for (size_t i = 0; i < texts->n; i++) {
		enum match_result one = match_list(texts->v[i], list, false);

		if (one == MATCH_NEGATED)
			return one;
		if (one == MATCH_YES)
			r = one;
	}
	return r;
}

bool match_list_valid(const char *list)
{
	struct entry e;

	while (list != NULL) {
		if (!entry_next(&list, &e))
			return false;
	}
	return true;
}

/* An address or prefix; patterns have neither '/' nor the shape of an address. */
static bool entry_prefix(const char *text, struct conf_prefix *ret, bool *ret_bad)
{
	*ret_bad = false;
	if (conf_prefix_parse(text, ret) < 0) {
		*ret_bad = strchr(text, '/') != NULL;
		return false;
	}
	*ret_bad = !conf_prefix_is_network(ret);
	return !*ret_bad;
}

enum match_result match_addr_list(const char *addr, const char *list)
{
	enum match_result r = MATCH_NO;
	struct conf_addr a;
	bool numeric = conf_addr_parse(addr, &a) == 0;
	struct entry e;

	while (list != NULL) {
		struct conf_prefix p;
		bool bad, hit;

		if (!entry_next(&list, &e))
			return MATCH_NEGATED;
		if (entry_prefix(e.text, &p, &bad))
			hit = numeric && conf_prefix_has(&p, &a);
		else
			hit = numeric && pattern_match(addr, e.text, true);
		if (bad || (hit && e.negated))
			return MATCH_NEGATED;
		if (hit)
			r = MATCH_YES;
	}
	return r;
}

bool match_addr_list_valid(const char *list)
{
	struct entry e;

	while (list != NULL) {
		struct conf_prefix p;
		bool bad;

		if (!entry_next(&list, &e))
			return false;
		(void)entry_prefix(e.text, &p, &bad);
		if (bad)
			return false;
	}
	return true;
}

/* Digits, dots and wildcards, or a colon: about addresses alone. */
static bool about_names(const char *text)
{
	struct conf_prefix p;

	return conf_prefix_parse(text, &p) < 0 && strchr(text, ':') == NULL &&
	       text[strspn(text, "0123456789.*?")] != '\0';
}

bool match_list_names(const char *list)
{
	struct entry e;

	while (list != NULL && entry_next(&list, &e))
		if (about_names(e.text))
			return true;
	return false;
}

bool match_from(const char *name, const char *addr, const char *list)
{
	enum match_result by_addr = match_addr_list(addr, list);
	enum match_result by_name;

	if (by_addr == MATCH_NEGATED)
		return false;
	by_name = name != NULL ? match_list(name, list, true) : MATCH_NO;
	if (by_name == MATCH_NEGATED)
		return false;
	return by_addr == MATCH_YES || by_name == MATCH_YES;
}

bool match_user_host(const char *user, const char *name, const char *addr, const char *pattern)
{
	/* The last one: names of domain users may have an '@' themselves. */
	const char *at = strrchr(pattern, '@');
	char user_pattern[ENTRY_MAX];
	size_t n;

	if (at == NULL)
		return match_pattern(user, pattern);
	n = (size_t)(at - pattern);
	if (n >= sizeof(user_pattern))
		return false;
	memcpy(user_pattern, pattern, n);
	user_pattern[n] = '\0';
	return match_pattern(user, user_pattern) && match_from(name, addr, at + 1);
}

struct target {
	char host[ENTRY_MAX]; /* without brackets */
	uint16_t port;        /* 0: any */
};

/* host:port, [host]:port; a host with colons needs brackets. */
static bool target_parse(const char *entry, struct target *ret)
{
	const char *host = entry, *end, *port;
	size_t n;

	if (*entry == '[') {
		host++;
		end = strchr(host, ']');
		if (end == NULL || end[1] != ':')
			return false;
		port = end + 2;
	} else {
		end = strchr(entry, ':');
		if (end == NULL || strchr(end + 1, ':') != NULL)
			return false;
		port = end + 1;
	}
	n = (size_t)(end - host);
	if (n == 0 || n >= sizeof(ret->host))
		return false;
	memcpy(ret->host, host, n);
	ret->host[n] = '\0';
	ret->port = 0;
	return strcmp(port, "*") == 0 || conf_port_parse(port, &ret->port) == 0;
}

bool match_permitopen_valid(const char *entry)
{
	struct target t;

	return target_parse(entry, &t);
}

/* The same host: "*", the same name, or the same address however it is written. */
static bool host_match(const char *permitted, const char *host)
{
	struct conf_addr a, b;

	if (strcmp(permitted, "*") == 0 || strcasecmp(permitted, host) == 0)
		return true;
	return conf_addr_parse(permitted, &a) == 0 && conf_addr_parse(host, &b) == 0 &&
	       conf_addr_equal(&a, &b);
}

/* How the entries of a list are read, which hosts one names, and when one names all that another
 * does. */
struct kind {
	bool (*parse)(const char *entry, struct target *ret);
	bool (*names)(const char *permitted, const char *host);
	bool (*covers)(const char *a, const char *b);
};

static bool meet(const struct kind *k, const char *a, const char *b, char *buf, size_t size)
{
	struct target x, y;
	const char *host;
	char port[8] = "*";
	int n;

	if (!k->parse(a, &x) || !k->parse(b, &y))
		return false;
	if (x.port != 0 && y.port != 0 && x.port != y.port)
		return false;
	if (k->covers(y.host, x.host))
		host = x.host;
	else if (k->covers(x.host, y.host))
		host = y.host;
	else
		return false;
	if (x.port != 0 || y.port != 0)
		snprintf(port, sizeof(port), "%u", x.port != 0 ? x.port : y.port);
	n = snprintf(buf, size, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
	return n > 0 && (size_t)n < size;
}

static bool listed(const struct kind *k, const struct conf_strs *list, const char *host,
		   uint16_t port)
{
	for (size_t i = 0; i < list->n; i++) {
		struct target t;

		if (strcmp(list->v[i], "any") == 0)
			return true;
		if (k->parse(list->v[i], &t) && (t.port == 0 || t.port == port) &&
		    k->names(t.host, host))
			return true;
	}
	return false;
}

static const struct kind opens = {target_parse, host_match, host_match};

bool match_permitopen_meet(const char *a, const char *b, char *buf, size_t size)
{
	return meet(&opens, a, b, buf, size);
}

bool match_permitopen(const struct conf_strs *list, const char *host, uint16_t port)
{
	return listed(&opens, list, host, port);
}

static bool listen_parse(const char *entry, struct target *ret)
{
	if (strchr(entry, ':') != NULL)
		return target_parse(entry, ret);
	*ret = (struct target){.host = "*"};
	return strcmp(entry, "*") == 0 || conf_port_parse(entry, &ret->port) == 0;
}

bool match_permitlisten_valid(const char *entry)
{
	struct target t;

	return listen_parse(entry, &t);
}

static bool listen_host_match(const char *permitted, const char *host)
{
	return match_pattern_nocase(host, permitted) || host_match(permitted, host);
}

/* Is all that the pattern b names named by a, too? Not always seen, but never wrongly. */
static bool listen_host_covers(const char *a, const char *b)
{
	if (strcmp(a, "*") == 0 || strcasecmp(a, b) == 0)
		return true;
	return strpbrk(b, "*?") == NULL && listen_host_match(a, b);
}

static const struct kind listens = {listen_parse, listen_host_match, listen_host_covers};

bool match_permitlisten_meet(const char *a, const char *b, char *buf, size_t size)
{
	return meet(&listens, a, b, buf, size);
}

bool match_permitlisten(const struct conf_strs *list, const char *host, uint16_t port)
{
	return listed(&listens, list, host, port);
}

enum match_result match_marks(const char *marks, char kind, const char *list)
{
	enum match_result r = MATCH_NO;

	for (; *marks != '\0'; marks += strlen(marks) + 1) {
		enum match_result one = MATCH_NO;

		if (*marks == kind)
			one = match_list(marks + 1, list, false);
		if (one == MATCH_NEGATED)
			return one;
		if (one == MATCH_YES)
			r = one;
	}
	return r;
}
