#include "control/ask.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "conf/match.h"
#include "conf/week.h"
#include "control/auth/user.h"
#include "control/own.h"
#include "control/policy/addr.h"
#include "control/policy/policy.h"

/* --- who, and what -------------------------------------------------------------------------------
 */

void ask_init(struct ask *a)
{
	*a = (struct ask){.minute = -1};
}

static bool mark_add(struct ask *a, char kind, const char *text)
{
	size_t len = strlen(text) + 2;

	if (a->marks_len + len >= sizeof(a->marks)) /* an empty one comes behind it */
		return false;
	a->marks[a->marks_len] = kind;
	strcpy(a->marks + a->marks_len + 1, text);
	a->match.marks = a->marks;
	a->marks_len += len;
	return true;
}

static bool group_add(struct ask *a, const char *name)
{
	if (a->groups.n == ASK_GROUPS_MAX)
		return false;
	a->group[a->groups.n++] = name;
	a->groups.v = a->group;
	a->match.groups = &a->groups;
	return true;
}

static bool word_read(struct ask *a, const char *name, const char *value)
{
	static const struct {
		const char *name;
		size_t at;
	} texts[] = {
		{"user", offsetof(struct ask, match.user)},
		{"host", offsetof(struct ask, match.host)},
		{"addr", offsetof(struct ask, match.addr)},
		{"laddr", offsetof(struct ask, match.laddr)},
		{"rdomain", offsetof(struct ask, match.rdomain)},
		{"client-version", offsetof(struct ask, match.client_version)},
		{"dest", offsetof(struct ask, dest)},
		{"listen", offsetof(struct ask, listen)},
	};
	static const struct {
		const char *name;
		char kind;
	} marks[] = {{"key", CONF_MARK_KEY},
		     {"principal", CONF_MARK_PRINCIPAL},
		     {"keyid", CONF_MARK_KEY_ID},
		     {"role", CONF_MARK_ROLE}};
	unsigned int minute;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (strcmp(name, texts[i].name) != 0)
			continue;
		*(const char **)(void *)((char *)a + texts[i].at) = value;
		return true;
	}
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strcmp(name, marks[i].name) == 0)
			return mark_add(a, marks[i].kind, value);
	if (strcmp(name, "group") == 0)
		return group_add(a, value);
	if (strcmp(name, "lport") == 0)
		return conf_port_parse(value, &a->match.lport) == 0;
	if (strcmp(name, "time") != 0 || !week_minute_parse(value, &minute))
		return false;
	a->minute = (int)minute;
	return true;
}

int ask_parse(struct ask *a, char *spec)
{
	char *save = NULL;

	for (char *p = strtok_r(spec, ",", &save); p != NULL; p = strtok_r(NULL, ",", &save)) {
		char *value = strchr(p, '=');

		if (value == NULL && strcmp(p, "invalid-user") == 0) {
			a->match.invalid_user = true;
			continue;
		}
		if (value == NULL)
			return -EINVAL;
		*value++ = '\0';
		if (!word_read(a, p, value))
			return -EINVAL;
	}
	return 0;
}

int ask_look_up(struct ask *a)
{
	const char *user = a->match.user;
	struct user_lookup *l;

	if (user == NULL || a->groups.n > 0)
		return 0;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return -ENOMEM;
	a->account = l;
	l->name_ok = strlen(user) < sizeof(l->user) && user_name_ok(user, strlen(user));
	l->want_groups = l->only_account = true;
	if (l->name_ok)
		strcpy(l->user, user);
	user_lookup_run(l);
	a->groups = (struct conf_strs){(const char *const *)l->groups, l->n_groups};
	a->match.groups = &a->groups;
	return l->lost ? -EIO : 0;
}

void ask_fini(struct ask *a)
{
	if (a->account != NULL)
		user_lookup_fini(a->account);
	free(a->account);
	a->account = NULL;
}

bool ask_tunnel(const struct ask *a)
{
	return a->dest != NULL || a->listen != NULL;
}

/* --- the answer ----------------------------------------------------------------------------------
 */

/* One question on its way. */
struct asked {
	const struct ask *of;
	struct conf *conf;
	FILE *f;
	struct conf_match_ctx ctx;
	struct conf_session session;
	struct policy_rules rules;
	struct own_addrs own;
	const char *allow, *permit, *rule; /* keywords that may decide */
	bool any;                          /* something is allowed */
};

/* host and port of HOST:PORT, [v6]:PORT; text is cut. */
static bool endpoint_split(char *text, uint16_t port_min, char **ret_host, uint16_t *ret_port)
{
	char *colon = strrchr(text, ':'), *end;
	unsigned long port;

	if (colon == NULL || colon[1] < '0' || colon[1] > '9')
		return false;
	port = strtoul(colon + 1, &end, 10);
	if (*end != '\0' || port > UINT16_MAX || port < port_min)
		return false;
	*colon = '\0';
	if (text[0] == '[' && colon > text && colon[-1] == ']') {
		colon[-1] = '\0';
		text++;
	}
	*ret_host = text;
	*ret_port = (uint16_t)port;
	return true;
}

static int minute_of(const struct ask *a)
{
	time_t now = time(NULL);
	struct tm tm;

	if (a->minute >= 0)
		return a->minute;
	if (localtime_r(&now, &tm) == NULL)
		return -1;
	return tm.tm_wday * WEEK_DAY + tm.tm_hour * 60 + tm.tm_min;
}

/* What holds for this target; dest NULL: of listening. */
static int rules_make(struct asked *q, const struct conf_dest *dest)
{
	const struct ask *a = q->of;
	int r;

	conf_session_fini(&q->session);
	q->ctx.dest = dest;
	r = conf_session_for(q->conf, &q->ctx, &q->session);
	if (r < 0)
		return r;
	q->rules = policy_rules_of(&q->session);
	q->rules.own = q->own.addr;
	q->rules.n_own = q->own.n;
	q->rules.n_kernel = q->own.n_kernel;
	q->rules.who = (struct conf_who){.user = a->match.user,
					 .addr = a->match.addr,
					 .groups = a->match.groups,
					 .marks = a->marks,
					 .minute = minute_of(a)};
	return 0;
}

static void keyword_print(const struct asked *q, const char *name)
{
	unsigned int line;
	const char *file = conf_keyword_place(q->conf, &q->ctx, name, &line);

	if (line > 0)
		fprintf(q->f, "%s line %u: %s\n", file, line, name);
	else
		fprintf(q->f, "default: %s\n", name);
}

/* Which of the two lists is it? */
static const char *user_list(const struct conf_session *s, const char *user, const char *name,
			     const char *addr)
{
	struct conf_session denied = *s;

	denied.allow_users.n = 0;
	return conf_user_allowed(&denied, user, name, addr) ? "AllowUsers" : "DenyUsers";
}

static const char *group_list(const struct conf_session *s, const struct conf_strs *groups)
{
	struct conf_session denied = *s;

	denied.allow_groups.n = 0;
	return conf_groups_allowed(&denied, groups) ? "AllowGroups" : "DenyGroups";
}

/* What does not let this login in, as far as it is known who it is; NULL: nothing. */
static const char *kept_out_by(const struct asked *q)
{
	const struct conf_global *g = conf_global(q->conf);
	const struct conf_match_ctx *m = &q->of->match;
	const char *addr = m->addr != NULL ? m->addr : "";

	if (m->addr != NULL && g->deny_clients != NULL &&
	    match_from(m->host, addr, g->deny_clients))
		return "DenyClients";
	if (m->addr != NULL && g->allow_clients != NULL &&
	    !match_from(m->host, addr, g->allow_clients))
		return "AllowClients";
	if (q->session.refuse_connection)
		return "RefuseConnection";
	if (m->user != NULL && !conf_user_allowed(&q->session, m->user, m->host, addr))
		return user_list(&q->session, m->user, m->host, addr);
	if (m->groups != NULL && !conf_groups_allowed(&q->session, m->groups))
		return group_list(&q->session, m->groups);
	return NULL;
}

/* 1: who asks may come in; 0: he is told why not. */
static int login_answer(struct asked *q)
{
	int r = rules_make(q, NULL);
	const char *by;

	if (r < 0)
		return r;
	by = kept_out_by(q);
	if (by == NULL)
		return 1;
	fprintf(q->f, "deny login ");
	keyword_print(q, by);
	return 0;
}

static void say(struct asked *q, bool may, const char *at, const struct policy_why *why)
{
	const char *file;
	unsigned int line;

	q->any |= may;
	fprintf(q->f, "%s %s ", may ? "allow" : "deny", at);
	switch (why->voice) {
	case POLICY_BY_DISABLE:
		keyword_print(q, "DisableForwarding");
		break;
	case POLICY_BY_ALLOW:
		keyword_print(q, q->allow);
		break;
	case POLICY_BY_PERMIT:
		keyword_print(q, q->permit);
		break;
	case POLICY_BY_RULE:
		if (why->rule == NULL) {
			fprintf(q->f, "default: no %s is about it\n", q->rule);
			break;
		}
		file = conf_rule_place(q->conf, why->rule, &line);
		fprintf(q->f, "%s line %u: %s %s\n", file, line, q->rule,
			conf_rule_text(why->rule));
		break;
	default:
		fprintf(q->f, "default: the address is special, and nothing names it\n");
		break;
	}
}

/* False: it is of the other one, and that is said. at: as it was asked for. */
static bool of_the_family(struct asked *q, uint8_t family, const char *at)
{
	uint8_t only = conf_family(q->conf);

	if (only == 0 || family == 0 || family == only)
		return true;
	fprintf(q->f, "deny %s ", at);
	keyword_print(q, "AddressFamily");
	return false;
}

static int addr_answer(struct asked *q, const char *host, const struct link_addr *addr,
		       uint16_t port)
{
	const struct policy_rules ours = {
		.own = q->own.addr, .n_own = q->own.n, .n_kernel = q->own.n_kernel};
	const struct conf_dest d = policy_dest_at(&ours, host, addr, port);
	const struct policy_grant full = policy_grant_full();
	char text[ADDR_TEXT_MAX];
	struct policy_why why;
	int r = rules_make(q, &d);

	if (r == 0 && of_the_family(q, addr->family, addr_text(addr, text)))
		say(q,
		    policy_may_ask(&q->rules, &full, host, port, &why) &&
			    policy_may_connect(&q->rules, host, addr, port, &why),
		    addr_text(addr, text), &why);
	return r;
}

/* Nothing is known but the name: what is said without an address, if that is a no, or nobody's. */
static int name_answer(struct asked *q, const char *host, uint16_t port)
{
	const struct conf_dest d = conf_dest_of(host, port);
	const struct policy_grant full = policy_grant_full();
	struct policy_why why;
	int r = rules_make(q, &d);

	if (r < 0)
		return r;
	if (policy_may_ask(&q->rules, &full, host, port, &why))
		fprintf(q->f, "deny %s the name has no address here\n", host);
	else
		say(q, false, host, &why);
	return 0;
}

static int found_answer(struct asked *q, const char *host, uint16_t port, const struct addrinfo *ai)
{
	int r = 0;

	for (; r == 0 && ai != NULL; ai = ai->ai_next) {
		const struct sockaddr_in6 *in6 = (const void *)ai->ai_addr;
		const struct sockaddr_in *in = (const void *)ai->ai_addr;
		struct link_addr a = {.family = ai->ai_family == AF_INET ? 4 : 6};

		if (ai->ai_family == AF_INET)
			memcpy(a.addr, &in->sin_addr, 4);
		else
			memcpy(a.addr, &in6->sin6_addr, 16);
		r = addr_answer(q, host, &a, port);
	}
	return r;
}

static int host_answer(struct asked *q, char *text)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *ai = NULL;
	struct link_addr literal;
	uint16_t port;
	char *host;
	int r;

	if (!endpoint_split(text, 1, &host, &port) || *host == '\0')
		return -EINVAL;
	q->allow = "AllowTcpForwarding";
	q->permit = "PermitOpen";
	q->rule = "TargetRule";
	if (addr_parse(host, &literal))
		return addr_answer(q, host, &literal, port);
	if (getaddrinfo(host, NULL, &hints, &ai) != 0)
		return name_answer(q, host, port);
	r = found_answer(q, host, port, ai);
	freeaddrinfo(ai);
	return r;
}

static int socket_answer(struct asked *q, const char *path)
{
	const struct conf_dest d = {.path = path};
	const struct policy_grant full = policy_grant_full();
	struct policy_why why;
	int r = rules_make(q, &d);

	q->allow = "AllowStreamLocalForwarding";
	q->permit = "PermitStreamLocal";
	q->rule = "TargetRule";
	if (r == 0)
		say(q, policy_may_open_socket(&q->session, &q->rules, &full, path, &why), path,
		    &why);
	return r;
}

static int listen_answer(struct asked *q, char *text)
{
	const struct policy_grant full = policy_grant_full();
	enum policy_where where;
	struct policy_why why;
	struct link_addr at;
	uint16_t port;
	char *host;
	bool may;
	int r;

	if (!endpoint_split(text, 0, &host, &port))
		return -EINVAL;
	q->allow = "AllowTcpForwarding";
	q->permit = "PermitListen";
	q->rule = "ListenRule";
	r = rules_make(q, NULL);
	if (r < 0)
		return r;
	where = policy_listen_where(&q->rules, host, &at);
	may = policy_may_listen(&q->rules, &full, host, port, &why);
	if (may && where == POLICY_NOWHERE)
		fprintf(q->f, "deny %s no address of the gateway's\n", host);
	else if (of_the_family(q, where != POLICY_NOWHERE ? at.family : 0, host))
		say(q, may && policy_may_bind(&q->rules, where, &at, port, &why),
		    *host != '\0' ? host : "*", &why);
	return 0;
}

/* answer may cut the text. */
static int with_copy(struct asked *q, const char *text, int (*answer)(struct asked *, char *))
{
	char *copy = strdup(text);
	int r = copy != NULL ? answer(q, copy) : -ENOMEM;

	free(copy);
	return r;
}

int ask_print(const struct ask *a, struct conf *conf, FILE *f)
{
	struct asked q = {.of = a, .conf = conf, .f = f, .ctx = a->match};
	int r = own_addrs_read(conf, &q.own);
	bool in;

	if (r == 0)
		r = login_answer(&q);
	in = r > 0;
	if (in)
		r = 0;
	if (in && a->dest != NULL)
		r = *a->dest == '/' ? socket_answer(&q, a->dest)
				    : with_copy(&q, a->dest, host_answer);
	if (in && r == 0 && a->listen != NULL)
		r = with_copy(&q, a->listen, listen_answer);
	conf_session_fini(&q.session);
	free(q.own.addr);
	return r < 0 ? r : q.any;
}
