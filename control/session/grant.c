/*
 * control/session/grant.c - targets a shard may open without asking again.
 *
 * Who opens a target twice will open it a third time: what was decided then, with the addresses
 * that were found and judged, is left with the shard for OpenGrantTime. Nothing is decided here;
 * a grant repeats an answer. Its channels are known by their events, which carry its token: what
 * it was for is kept until the last of them has ended.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/session/internal.h"

#define TIMES     2  /* asked so often, a target is granted */
#define GIVEN_MAX 64 /* of a connection, those whose channels are still open included */
#define CONNECT_MAX                                                                                \
	(15 * 60 * 1000)   /* TCP has given up by then, whatever OperationTimeout says             \
			    */
#define CONNECT_MORE 10000 /* for the event that says so to come here */

struct given {
	struct given *next;
	uint64_t token;
	uint64_t until_ms; /* no channel is begun or connects under it any more */
	struct channels channels;
	char *rule; /* as in struct open */
	uint16_t port;
	char host[];
};

static void given_free(struct session *s, struct given **at)
{
	struct given *g = *at;

	*at = g->next;
	channels_over(s, &g->channels);
	s->n_given--;
	free(g->rule);
	free(g);
}

void grant_fini(struct session *s)
{
	while (s->given != NULL)
		given_free(s, &s->given);
}

/* What is over and has no channel left. */
static void reap(struct session *s)
{
	uint64_t now = s->table->env->now_ms();

	for (struct given **at = &s->given; *at != NULL;) {
		if ((*at)->channels.n == 0 && now >= (*at)->until_ms)
			given_free(s, at);
		else
			at = &(*at)->next;
	}
}

/*
 * How often it was allowed, this time included. Two targets that are taken for one here cost
 * nothing but a grant that comes early: for a target that was allowed.
 */
static unsigned int seen(struct session *s, const char *host, uint16_t port)
{
	uint32_t h = 2166136261u ^ port; /* FNV-1a */
	unsigned int i = 0;

	for (const char *p = host; *p != '\0'; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	while (i < GRANT_SEEN && s->awake->seen[i].hash != h)
		i++;
	if (i == GRANT_SEEN) {
		i = s->awake->n_seen++ % GRANT_SEEN;
		s->awake->seen[i] = (struct grant_seen){.hash = h};
	}
	if (s->awake->seen[i].times < TIMES)
		s->awake->seen[i].times++;
	return s->awake->seen[i].times;
}

static struct given *given_new(struct session *s, uint64_t token, const char *host, uint16_t port)
{
	struct given *g = calloc(1, sizeof(*g) + strlen(host) + 1);

	if (g == NULL)
		return NULL;
	g->token = token;
	g->port = port;
	strcpy(g->host, host);
	g->next = s->given;
	s->given = g;
	s->n_given++;
	return g;
}

/* The same target has the same token again: it is the same grant, for longer. */
static struct given *given_for(struct session *s, const char *host, uint16_t port)
{
	struct given *g = s->given;

	while (g != NULL && (g->port != port || strcmp(g->host, host) != 0))
		g = g->next;
	if (g != NULL || s->n_given == GIVEN_MAX)
		return g;
	return given_new(s, ++s->table->env->last_token, host, port);
}

/* Hours begin and end with a minute of the clock on the wall. */
static uint32_t until_minute_ms(struct session_env *env)
{
	return (uint32_t)(60 - session_wall(env) % 60) * 1000;
}

/* It was allowed anew, perhaps by another one. */
static void rule_keep(struct given *g, const char *rule)
{
	free(g->rule);
	g->rule = rule != NULL ? strdup(rule) : NULL;
}

void grant_consider(struct session *s, const struct open *o, const struct link_addr *addr, size_t n,
		    bool timed)
{
	uint32_t timeout = s->awake->conf.operation_timeout.ms;
	struct link_grant m = {.lifetime_ms = s->awake->conf.open_grant_ms,
			       .connect_timeout_ms = timeout > 0 ? timeout : 1,
			       .port = o->port,
			       .n_addrs = (uint16_t)n,
			       .kind = 1,
			       .host_len = (uint16_t)strlen(o->host),
			       .idle_ms = conf_channel_timeout(&s->awake->conf, "direct-tcpip"),
			       .share = conf_channel_share(&s->awake->conf, "direct-tcpip")};
	struct given *g;

	_Static_assert(LINK_HOST_MAX >= SSH_HOST_MAX, "any host a client may name");
	if (timed && m.lifetime_ms > until_minute_ms(s->table->env))
		m.lifetime_ms = until_minute_ms(s->table->env);
	if (m.lifetime_ms == 0 || channels_are_limited(s) || seen(s, o->host, o->port) < TIMES)
		return;
	reap(s);
	g = given_for(s, o->host, o->port);
	if (g == NULL) /* it goes on asking */
		return;
	g->until_ms = s->table->env->now_ms() + m.lifetime_ms + CONNECT_MORE +
		      (timeout < CONNECT_MAX ? timeout : CONNECT_MAX);
	rule_keep(g, o->rule);
	m.token = g->token;
	memcpy(m.host, o->host, m.host_len);
	memcpy(m.addr, addr, n * sizeof(*addr));
	item_body(s, LINK_CMD_GRANT, &m, sizeof(m));
}

void grant_kept(struct session *s, const struct link_chan_kept *ev, const char *host)
{
	struct given *g = s->given;

	while (g != NULL && g->token != ev->token)
		g = g->next;
	if (g == NULL && s->n_given < GIVEN_MAX)
		g = given_new(s, ev->token, host, ev->port);
	if (g == NULL)
		return; /* its end is recorded, no more */
	if (!ev->up) {  /* it is known by then whether it is */
		g->until_ms = s->table->env->now_ms() + CONNECT_MAX;
		return;
	}
	channels_up(s, &g->channels);
}

/* --- what becomes of its channels ----------------------------------------------------------- */

static struct given *find(const struct session *s, uint64_t token)
{
	struct given *g = s->given;

	while (g != NULL && g->token != token)
		g = g->next;
	return g;
}

bool grant_target(const struct session *s, uint64_t token, struct open_target *ret)
{
	const struct given *g = find(s, token);

	if (g != NULL)
		*ret = (struct open_target){g->host, g->port};
	return g != NULL;
}

const char *grant_rule(const struct session *s, uint64_t token)
{
	const struct given *g = find(s, token);

	return g != NULL ? g->rule : NULL;
}

struct given *grant_next(const struct session *s, struct given *at, struct tunnel_view *ret)
{
	struct given *g = at != NULL ? at->next : s->given;

	while (g != NULL && g->channels.n == 0)
		g = g->next;
	if (g != NULL)
		*ret = (struct tunnel_view){
			.host = g->host, .port = g->port, .channels = g->channels.n};
	return g;
}

void grant_opened(struct session *s, uint64_t token)
{
	struct given *g = find(s, token);

	if (g != NULL)
		channels_up(s, &g->channels);
}

void grant_ended(struct session *s, const struct link_chan_end *ev)
{
	struct given *g = find(s, ev->token);

	if (g == NULL || ev->told == 0 || g->channels.n == 0)
		return;
	channels_down(s, &g->channels);
	if (g->channels.n == 0)
		reap(s);
}
