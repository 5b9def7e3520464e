/* conf/proxy.c - ProxyProtocolFrom: networks; SendProxyProtocol: v1|v2 HOST:PORT… */
#include "conf/proxy.h"

#include <string.h>
#include <strings.h>

#include "conf/internal.h"
#include "conf/match.h"

/* --- ProxyProtocolFrom NETWORK…|none -------------------------------------------------------------
 */

static bool parse_prefixes(struct value *v, const struct kw *kw, void *field)
{
	struct conf_prefixes *to = field;
	struct conf_prefix *p;

	*to = (struct conf_prefixes){NULL, 0};
	if (v->argc == 1 && strcasecmp(v->argv[0], "none") == 0)
		return true;
	p = arena_alloc(v->arena, v->argc * sizeof(*p));
	if (p == NULL)
		return value_bad(v, "out of memory");
	for (unsigned int i = 0; i < v->argc; i++) {
		if (conf_prefix_parse(v->argv[i], &p[i]) < 0 || !conf_prefix_is_network(&p[i]))
			return value_bad(v, "%s: bad network '%.100s'", kw->info.name, v->argv[i]);
		conf_prefix_unmap(&p[i]);
	}
	*to = (struct conf_prefixes){p, v->argc};
	return true;
}

static void print_prefixes(const struct kw *kw, const void *field, FILE *f)
{
	const struct conf_prefixes *p = field;
	char text[CONF_ADDR_TEXT];

	(void)kw;
	if (p->n == 0)
		fputs("none", f);
	for (size_t i = 0; i < p->n; i++)
		fprintf(f, "%s%s", i > 0 ? " " : "", conf_prefix_text(&p->v[i], text));
}

const struct value_type type_prefixes = {1,   CONF_ARGS_MAX, false, parse_prefixes, print_prefixes,
					 NULL};

bool conf_proxy_trusted(const struct conf_prefixes *from, const struct conf_addr *addr)
{
	for (size_t i = 0; i < from->n; i++)
		if (conf_prefix_has(&from->v[i], addr))
			return true;
	return false;
}

/* --- SendProxyProtocol v1|v2 HOST:PORT… ----------------------------------------------------------
 */

/* 0: it is a target. */
static unsigned int version_of(const char *word)
{
	return strcasecmp(word, "v1") == 0 ? 1 : strcasecmp(word, "v2") == 0 ? 2 : 0;
}

static bool parse_send(struct value *v, const struct kw *kw, void *field)
{
	if (version_of(v->argv[0]) == 0)
		return value_bad(v, "%s: '%.100s' is neither v1 nor v2", kw->info.name, v->argv[0]);
	for (unsigned int i = 1; i < v->argc; i++)
		if (!match_permitopen_valid(v->argv[i]))
			return value_bad(v, "bad port number or host in %s '%.100s'", kw->info.name,
					 v->argv[i]);
	value_strs_borrow(v, field);
	return true;
}

/* A version begins a line of its own. */
static void print_send(const struct kw *kw, const void *field, FILE *f)
{
	const struct conf_strs *s = field;

	for (size_t i = 0; i < s->n; i++) {
		if (i > 0 && version_of(s->v[i]) != 0) {
			fputc('\n', f);
			for (const char *p = kw->info.name; *p != '\0'; p++)
				fputc(*p | 0x20, f);
			fputc(' ', f);
		} else if (i > 0) {
			fputc(' ', f);
		}
		value_print_arg(s->v[i], f);
	}
}

const struct value_type type_send_proxy = {2,          CONF_ARGS_MAX, false,
					   parse_send, print_send,    value_strs_absent};

unsigned int conf_proxy_version(const struct conf_session *s, const char *host, uint16_t port)
{
	const struct conf_strs *words = &s->send_proxy;
	unsigned int version = 0;

	for (size_t i = 0; i < words->n; i++) {
		const struct conf_strs one = {&words->v[i], 1};

		if (version_of(words->v[i]) != 0)
			version = version_of(words->v[i]);
		else if (match_permitopen(&one, host, port))
			return version;
	}
	return 0;
}
