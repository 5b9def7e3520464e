/* client/tunnel/tunnel.c - see tunnel.h. */
#include "client/tunnel/tunnel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "client/command.h"
#include "client/shell/say.h"
#include "client/tunnel/address.h"
#include "client/tunnel/event.h"
#include "ssh/forward.h"

#define LOGIN_S 30 /* a login may take so long once it is connected */

/* --- settings ------------------------------------------------------------------------------------
 */

/* What an unattended agent wants where nothing is said. */
static const struct {
	enum config_id id;
	const char *value;
} defaults[] = {
	{CONFIG_SERVER_ALIVE_INTERVAL, "30"},
	{CONFIG_SERVER_ALIVE_COUNT_MAX, "1"},
	{CONFIG_CONNECT_TIMEOUT, "30"},
};

static uint64_t seconds(const struct config *c, enum config_id id, uint64_t least)
{
	uint64_t s = config_number(c, id);

	return s > least ? s : least;
}

/* Percent; where no jitter is named, the first wait is any part of its interval. */
static uint32_t steady(const struct config *c)
{
	if (!config_given(c, CONFIG_RECONNECT_JITTER))
		return 0;
	return 100 - (uint32_t)config_number(c, CONFIG_RECONNECT_JITTER);
}

static struct stay_conf stay_conf(const struct config *c)
{
	return (struct stay_conf){
		.mode = config_is(c, CONFIG_RECONNECT, "never")   ? STAY_NEVER
			: config_is(c, CONFIG_RECONNECT, "break") ? STAY_BREAK
								  : STAY_ALWAYS,
		.tries_max = (uint32_t)config_number(c, CONFIG_RECONNECT_TRIES),
		.interval_ms = seconds(c, CONFIG_RECONNECT_INTERVAL, 1) * 1000,
		.interval_max_ms = seconds(c, CONFIG_RECONNECT_INTERVAL_MAX,
					   seconds(c, CONFIG_RECONNECT_INTERVAL, 1)) *
				   1000,
		.steady = steady(c),
		.try_ms = (config_number(c, CONFIG_CONNECT_TIMEOUT) + LOGIN_S) * 1000,
	};
}

static uint64_t seed(void)
{
	uint64_t s = 0;

	/* Without it the time will do: others started at another. */
	if (getrandom(&s, sizeof(s), 0) != sizeof(s))
		s = turn_now_ms();
	return s;
}

int tunnel_init(struct tunnel *t, const char *name, const struct options *o, uint64_t after_ms)
{
	struct stay_conf conf;

	*t = (struct tunnel){.name = name, .o = *o, .started_s = (uint64_t)time(NULL)};
	t->o.unattended = true;
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		if (!config_given(o->config, defaults[i].id) &&
		    config_set(o->config, defaults[i].id, defaults[i].value) < 0)
			return EXIT_ERROR;
	conf = stay_conf(o->config);
	stay_init(&t->conn, &conf, seed(), turn_now_ms() + after_ms);
	return 0;
}

struct tunnel_past tunnel_past(const struct tunnel *t)
{
	const struct relays *r = &t->run.relays;
	struct tunnel_past p = t->past;

	if (!t->running)
		return p;
	p.channels += r->served;
	p.refused += r->refused;
	p.bytes_up += r->bytes_up;
	p.bytes_down += r->bytes_down;
	for (const struct relay *y = r->list; y != NULL; y = y->next) {
		p.bytes_up += y->pump.bytes_up;
		p.bytes_down += y->pump.bytes_down;
	}
	return p;
}

static void drop(struct tunnel *t)
{
	t->past = tunnel_past(t);
	t->past.up_ms = 0;
	if (t->running)
		run_end(&t->run);
	t->running = t->whole = false;
}

static void cancelled_forget(struct tunnel *t)
{
	while (t->n_cancelled > 0)
		free(t->cancelled[--t->n_cancelled]);
	free(t->cancelled);
	t->cancelled = NULL;
}

void tunnel_fini(struct tunnel *t)
{
	drop(t);
	cancelled_forget(t);
	options_fini(&t->o);
}

bool tunnel_over(const struct tunnel *t)
{
	return t->conn.state == STAY_OVER;
}

void tunnel_cancel(struct tunnel *t)
{
	stay_cancel(&t->conn);
	drop(t);
}

const char *tunnel_state(const struct tunnel *t)
{
	switch (t->conn.state) {
	case STAY_WAITING:
		return "waiting";
	case STAY_TRYING:
		return "connecting";
	case STAY_UP:
		return t->whole ? "up" : "connected";
	case STAY_OVER:
		break;
	}
	return t->stopped ? "stopped" : "over";
}

/* --- ends ----------------------------------------------------------------------------------------
 */

/* How long the server, or a jump host, wants us away. */
static uint32_t hint(const struct tunnel *t)
{
	uint32_t most = 0;
	char text[16];

	for (const struct conn *c = t->running ? t->run.conn : NULL; c != NULL; c = c->via)
		if (sluice_info(c->s, SLUICE_INFO_RETRY_AFTER, text, sizeof(text)) > 0 &&
		    strtoul(text, NULL, 10) > most)
			most = (uint32_t)strtoul(text, NULL, 10);
	return most;
}

/* What is under way ends here: a failure, or what somebody asked for. */
static void cut(struct tunnel *t, const char *why)
{
	size_t channels = t->running ? t->run.relays.n : 0;

	if (t->running)
		relays_cut(&t->run.relays, why);
	drop(t);
	snprintf(t->past.why, sizeof(t->past.why), "%s", why);
	event_down(t, why, channels);
}

static void attempt(struct tunnel *t, enum event_kind kind, const struct stay_attempt *a)
{
	t->past.tries++;
	event_attempt(t, kind, a);
}

/* Before any key was exchanged, with the server or the jump host that was come to. */
static bool turned_away(const struct tunnel *t)
{
	const struct conn *c = t->running ? t->run.conn : NULL;
	char text[128];

	while (c != NULL && c->via != NULL && !c->begun)
		c = c->via;
	return t->conn.state == STAY_TRYING && c != NULL &&
	       sluice_info(c->s, SLUICE_INFO_HOSTKEY_SHA256, text, sizeof(text)) <= 0;
}

/* It broke, or did not come up: it is said what comes next. */
static void down(struct tunnel *t, enum event_kind kind, const char *why)
{
	struct stay_attempt a;
	uint32_t away_s = hint(t);
	bool later = away_s > 0 && turned_away(t);
	bool again = later ? stay_later(&t->conn, away_s, turn_now_ms(), &a)
			   : stay_down(&t->conn, away_s, turn_now_ms(), &a);

	t->past.downs += !later;
	cut(t, why);
	if (again)
		attempt(t, kind, &a);
	else
		event_over(t);
}

void tunnel_reconnect(struct tunnel *t)
{
	struct stay_attempt a;

	t->stopped = false;
	cancelled_forget(t);
	if (t->running)
		cut(t, "somebody wants it to connect again");
	stay_again(&t->conn, turn_now_ms(), &a);
	attempt(t, EVENT_CONNECTION, &a);
}

void tunnel_stop(struct tunnel *t)
{
	if (t->conn.state == STAY_OVER && t->stopped)
		return;
	t->stopped = true;
	stay_cancel(&t->conn);
	cut(t, "somebody stopped it");
	event_over(t);
}

static void failed(struct tunnel *t)
{
	const struct conn *c = t->run.conn;
	char why[1024];

	if (c->err == -SLUICE_E_KEEPALIVE && strncmp(c->why, "jump host ", 10) != 0)
		snprintf(why, sizeof(why), "the server does not answer");
	else if (t->conn.state == STAY_UP)
		snprintf(why, sizeof(why), "%s", c->why);
	else
		run_failed_text(&t->run, why, sizeof(why));
	down(t, EVENT_CONNECTION, why);
}

/* --- the connection ------------------------------------------------------------------------------
 */

static void told(struct run *r, const struct forward *f, uint16_t port)
{
	const struct tunnel *t = r->arg;

	event_listening(t, f, port);
}

static bool wanted(struct run *r, const struct forward *f)
{
	const struct tunnel *t = r->arg;
	char text[FORWARD_TEXT_MAX];

	if (f->kind != FORWARD_REMOTE)
		return true;
	forward_text(f, text, sizeof(text));
	for (size_t i = 0; i < t->n_cancelled; i++)
		if (strcmp(t->cancelled[i], text) == 0)
			return false;
	return true;
}

bool tunnel_forward_cancel(struct tunnel *t, const char *listen)
{
	char text[FORWARD_TEXT_MAX];
	struct forward f;
	char **v, *copy;

	if (!t->running || forward_parse(FORWARD_REMOTE, listen, &f) < 0 || !f.socks ||
	    !remotes_cancel_at(&t->run.remotes, &f.listen, &f))
		return false;
	v = reallocarray(t->cancelled, t->n_cancelled + 1, sizeof(*v));
	if (v != NULL)
		t->cancelled = v;
	copy = v != NULL ? strdup(forward_text(&f, text, sizeof(text))) : NULL;
	if (copy != NULL) /* else it comes back with the next connection */
		t->cancelled[t->n_cancelled++] = copy;
	return true;
}

static void channel_cut(void *arg, const struct relay *y, const char *why)
{
	const struct tunnel *t = ((struct run *)arg)->arg;

	event_channel(t, y, why);
}

static void begin(struct tunnel *t)
{
	/* A way that is there again is found within the interval, whatever TCP has come to. */
	t->o.again_ms = (unsigned int)stay_interval_ms(&t->conn);
	if (run_new(&t->run, &t->o) != 0) {
		down(t, EVENT_CONNECTION, "no connection can be made");
		return;
	}
	t->run.told = told;
	t->run.wanted = wanted;
	t->run.arg = t;
	t->run.relays.cut = channel_cut;
	t->run.relays.arg = &t->run;
	t->running = true;
}

/*
 * Our own listener of a connection that is dead in truth and not yet for the server: one with a
 * higher epoch takes its port over (PROTOCOL.md). An agent that started later has the higher one,
 * and keeps it however often the other comes back.
 */
static void send_epoch(struct tunnel *t)
{
	uint64_t epoch = stay_epoch(t->started_s, ++t->connections);
	uint8_t p[8];

	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(epoch >> (56 - 8 * i));
	(void)sluice_request(t->run.conn->s, SSH_REQUEST_EPOCH, false, p, sizeof(p), NULL, 0, NULL);
}

static void came_up(struct tunnel *t)
{
	stay_up(&t->conn, turn_now_ms());
	t->past.ups++;
	t->past.up_ms = turn_now_ms();
	event_connected(t);
	stay_init(&t->forwards, &t->conn.conf, seed(), turn_now_ms());
	t->forwards.was_up = t->ever;
	(void)stay_step(&t->forwards, turn_now_ms());
	send_epoch(t);
	if (run_forwards_ask(&t->run) != 0)
		down(t, EVENT_TUNNEL, "a forward cannot be had");
}

void tunnel_moved(struct tunnel *t, bool came)
{
	const struct conn *c = t->running ? t->run.conn : NULL;
	char local[128];

	if (came)
		stay_soon(&t->conn, turn_now_ms());
	if (c == NULL || t->conn.state != STAY_UP)
		return;
	while (c->via != NULL) /* the one that is ours alone */
		c = c->via;
	if (sluice_info(c->s, SLUICE_INFO_LOCAL_ADDR, local, sizeof(local)) <= 0)
		return;
	local[strcspn(local, " ")] = '\0';
	if (address_is_gone(local))
		down(t, EVENT_CONNECTION, "our address is gone");
}

/* --- its forwards --------------------------------------------------------------------------------
 */

/* The server has said something of each. */
static void answered(struct tunnel *t)
{
	size_t refused = remotes_refused(&t->run.remotes);
	struct stay_attempt a;
	char why[128];

	if (refused == 0) {
		stay_up(&t->forwards, turn_now_ms());
		t->whole = t->ever = true;
		event_up(t);
		return;
	}
	if (stay_down(&t->forwards, 0, turn_now_ms(), &a)) {
		attempt(t, EVENT_TUNNEL, &a);
		return;
	}
	snprintf(why, sizeof(why), "%zu remote forwards are refused", refused);
	stay_cancel(&t->conn);
	down(t, EVENT_TUNNEL, why);
}

static void step_forwards(struct tunnel *t)
{
	switch (stay_step(&t->forwards, turn_now_ms())) {
	case STAY_DO_TRY:
		remotes_again(&t->run.remotes);
		break;
	case STAY_DO_GIVE_UP:
		down(t, EVENT_TUNNEL, "the server does not say whether it forwards");
		return;
	case STAY_DO_NOTHING:
		break;
	}
	if (t->forwards.state == STAY_TRYING && remotes_done(&t->run.remotes))
		answered(t);
}

/* --- turns ---------------------------------------------------------------------------------------
 */

void tunnel_prepare(struct tunnel *t, struct turn *turn)
{
	int others_ms = turn->timeout_ms;

	t->places = turn->n;
	turn->timeout_ms = -1;
	if (t->running)
		run_prepare(&t->run, turn);
	if (t->running && t->run.conn->state == CONN_OVER) /* as it was begun: nothing tells of it */
		turn_within(turn, 0);
	turn_within(turn, stay_timeout_ms(&t->conn, turn_now_ms()));
	if (t->conn.state == STAY_UP)
		turn_within(turn, stay_timeout_ms(&t->forwards, turn_now_ms()));
	t->places_end = turn->n;
	t->due_ms = turn->timeout_ms >= 0 ? turn->now_ms + (uint64_t)turn->timeout_ms : UINT64_MAX;
	turn_within(turn, others_ms);
}

/* Most of many hosts have nothing to do in a turn, which is not to cost them anything. */
void tunnel_go(struct tunnel *t, const struct turn *turn)
{
	enum stay_do due;

	if (turn->now_ms < t->due_ms && !turn_any(turn, t->places, t->places_end))
		return;
	due = stay_step(&t->conn, turn_now_ms());
	if (t->running)
		run_go(&t->run, turn);
	if (due == STAY_DO_TRY)
		begin(t);
	else if (t->running && t->run.conn->state == CONN_OVER)
		failed(t);
	else if (due == STAY_DO_GIVE_UP)
		down(t, EVENT_CONNECTION, "nothing came of it in time");
	else if (t->conn.state == STAY_TRYING && t->run.conn->state == CONN_UP)
		came_up(t);
	if (t->conn.state == STAY_UP)
		step_forwards(t);
}
