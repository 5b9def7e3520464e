/* client/lib/keep.c - see keep.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "client/lib/internal.h"
#include "ssh/forward.h"

#define LOGIN_MS    30000 /* a login may take so long, once there was the time to connect */
/* What notices a server that is gone within twice that, where the program said nothing of it. */
#define ALIVE_MS    30000
#define ALIVE_COUNT 1

struct sluice_tunnel {
	struct sluice *s;
	struct stay stay;
	bool on;       /* started, and neither stopped nor over */
	bool whole;    /* up, and the server listens wherever it was asked to */
	bool ever;     /* so it was, since it was started */
	bool given_up; /* no handle of the program's */
	uint64_t started_s;
	uint32_t connections;
};

bool keep_made(const struct sluice *s)
{
	return s->tunnel != NULL && !s->tunnel->given_up;
}

bool keep_on(const struct sluice *s)
{
	return s->tunnel != NULL && s->tunnel->on;
}

/* --- when
 * ------------------------------------------------------------------------------------------ */

static struct stay_conf stay_conf(const struct settings *set)
{
	uint32_t connect = set->connect_timeout;

	return (struct stay_conf){
		.mode = (enum stay_mode)set->reconnect,
		.tries_max = set->reconnect_max,
		.interval_ms = set->reconnect_interval,
		.interval_max_ms = set->reconnect_max_interval > set->reconnect_interval
					   ? set->reconnect_max_interval
					   : set->reconnect_interval,
		.try_ms = connect != TIME_NONE && connect != 0 ? (uint64_t)connect + LOGIN_MS
							       : UINT32_MAX,
		.steady = 100 - set->reconnect_jitter,
	};
}

/* What is tried from now on. */
static void stay_begin(const struct sluice_tunnel *t, struct stay *y)
{
	struct stay_conf conf = stay_conf(&t->s->set);
	uint64_t seed = 0;

	/* Without it the time will do: others started at another. */
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = now_ms();
	stay_init(y, &conf, seed, now_ms());
}

static uint64_t due_of(const struct stay *y, uint64_t now)
{
	int ms = stay_timeout_ms(y, now);

	return ms < 0 ? UINT64_MAX : now + (uint64_t)ms;
}

/* The connection has come to something that was not looked at yet. */
static bool has_news(const struct sluice_tunnel *t)
{
	enum state state = t->s->state;

	return (t->stay.state == STAY_TRYING && (state == STATE_UP || state == STATE_NONE)) ||
	       (t->stay.state == STAY_UP && state == STATE_NONE);
}

uint64_t keep_due(const struct sluice *s)
{
	const struct forward *f;
	uint64_t now, due, other;

	if (!keep_on(s))
		return UINT64_MAX;
	if (has_news(s->tunnel))
		return 0;
	now = now_ms();
	due = due_of(&s->tunnel->stay, now);
	if (s->state == STATE_UP)
		STAILQ_FOREACH(f, &s->forwards, next)
		{
			other = f->refused ? 0 : due_of(&f->stay, now);
			due = other < due ? other : due;
		}
	return due;
}

/* --- ends
 * ------------------------------------------------------------------------------------------ */

/* From now on nothing of it is tried. */
static void over(struct sluice_tunnel *t, int err, const char *why)
{
	struct sluice *s = t->s;
	char text[sizeof(s->text)];

	snprintf(text, sizeof(text), "%s", why); /* maybe the connection's own */
	t->on = t->whole = false;
	stay_cancel(&t->stay);
	connection_over(s, err, text);
	s->err = err;
	fail(s, err, "%s", text);
	note(s, SLUICE_LOG_INFO, "tunnel over: %s", text);
	CALL(s, on_tunnel, t, err, text);
}

void keep_leave(struct sluice *s)
{
	if (!keep_on(s))
		return;
	s->tunnel->on = s->tunnel->whole = false;
	stay_cancel(&s->tunnel->stay);
	s->err = 0;
	turned(s);
}

/* Another try will be made, unless the program does not want it. */
static void attempt(struct sluice_tunnel *t, enum sluice_reconnect_type type, uint16_t port,
		    const struct stay_attempt *a)
{
	struct sluice *s = t->s;
	const struct sluice_reconnect r = {
		.host = s->set.hostname,
		.port = (uint16_t)s->set.port,
		.count = a->count,
		.remaining = a->remaining != UINT32_MAX ? (int64_t)a->remaining : -1,
		.max = s->set.reconnect_max,
		.interval = (uint32_t)((a->wait_ms + 999) / 1000),
		.type = type,
		.listening_port = port,
	};
	bool cancel = false;

	note(s, SLUICE_LOG_INFO, "%s: try %u in %u s: %s",
	     type == SLUICE_RECONNECT_TUNNEL ? "forward" : "connection", r.count, r.interval,
	     s->text);
	CALL(s, on_reconnect, t, &r, &cancel);
	if (cancel && t->on)
		over(t, s->err < 0 ? s->err : -SLUICE_E_REQUEST, s->text);
}

/* How long the server, or a jump host, wants us away; before any key was exchanged? */
static uint32_t hint(const struct sluice *s, bool *ret_turned_away)
{
	uint32_t most = 0;

	*ret_turned_away = false;
	for (; s != NULL; s = s->hop) {
		if (s->retry_after <= most)
			continue;
		most = s->retry_after;
		*ret_turned_away = *s->hostkey_sha256 == '\0';
	}
	return most;
}

/* It broke, or did not come up. */
static void down(struct sluice_tunnel *t, int err)
{
	struct stay_attempt a;
	bool away, trying = t->stay.state == STAY_TRYING;
	uint32_t away_s = hint(t->s, &away);

	t->whole = false;
	if (away && trying ? stay_later(&t->stay, away_s, now_ms(), &a)
			   : stay_down(&t->stay, away_s, now_ms(), &a))
		attempt(t, SLUICE_RECONNECT_CONNECTION, 0, &a);
	else
		over(t, stay_spent(&t->stay) ? -SLUICE_E_RECONNECT_LIMIT : err, t->s->text);
}

/* --- what the server listens on
 * -------------------------------------------------------------------- */

/* Is there all that was asked for? Said once for each connection. True: it was said now. */
static bool look_whole(struct sluice_tunnel *t)
{
	const struct forward *f;

	if (t->whole || t->stay.state != STAY_UP)
		return false;
	STAILQ_FOREACH(f, &t->s->forwards, next)
	if (f->state != FORWARD_THERE)
		return false;
	t->whole = t->ever = true;
	note(t->s, SLUICE_LOG_INFO, "tunnel up");
	turned(t->s);
	CALL(t->s, on_tunnel, t, 0, "OK");
	return true;
}

void keep_forwarded(struct sluice *s, struct forward *f)
{
	if (!keep_on(s))
		return;
	if (f->stay.state != STAY_TRYING) /* asked for while it was up */
		stay_begin(s->tunnel, &f->stay);
	stay_up(&f->stay, now_ms());
}

/* One that never was there is the caller's to hear of, once the tunnel is up. */
static void refused(struct sluice_tunnel *t, struct forward *f)
{
	struct sluice *s = t->s;
	struct stay_attempt a;
	int err;

	if (f->stay.state != STAY_TRYING) {
		stay_begin(t, &f->stay);
		(void)stay_step(&f->stay, now_ms());
	}
	f->refused = false;
	f->stay.was_up = f->ever;
	if (stay_down(&f->stay, 0, now_ms(), &a)) {
		attempt(t, SLUICE_RECONNECT_TUNNEL, f->port, &a);
		return;
	}
	err = stay_spent(&f->stay) ? -SLUICE_E_TUNNEL_RETRIES : -SLUICE_E_REQUEST;
	if (f->ever || !t->ever)
		over(t, err, s->text);
	else
		forward_gone(s, f, err);
}

static bool forward_turn(struct sluice_tunnel *t, struct forward *f)
{
	struct sluice *s = t->s;
	int r;

	if (f->refused) {
		refused(t, f);
		return true;
	}
	switch (stay_step(&f->stay, now_ms())) {
	case STAY_DO_TRY:
		r = forward_ask(s, f);
		if (r < 0 && s->state == STATE_UP) {
			f->state = FORWARD_WAITS;
			(void)fail(s, r, "%s", sluice_strerror(r));
			refused(t, f);
		}
		return true;
	case STAY_DO_GIVE_UP:
		connection_over(s, -SLUICE_E_TIMEOUT, "the server does not say whether it listens");
		return true;
	case STAY_DO_NOTHING:
		break;
	}
	return false;
}

/* One a turn: it may be gone by then, and others with it. */
static bool forwards_turn(struct sluice_tunnel *t)
{
	struct forward *f;

	STAILQ_FOREACH(f, &t->s->forwards, next)
	if (forward_turn(t, f))
		return true;
	return look_whole(t);
}

/*
 * Our own listener of a connection that is dead in truth and not yet for the server: one with a
 * higher epoch takes its port over (PROTOCOL.md).
 */
static void send_epoch(struct sluice_tunnel *t)
{
	uint8_t buf[64];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_u8(&w, SSH_MSG_GLOBAL_REQUEST);
	ssh_wr_cstr(&w, SSH_REQUEST_EPOCH);
	ssh_wr_bool(&w, false);
	ssh_wr_u64(&w, stay_epoch(t->started_s, ++t->connections));
	(void)send_message(t->s, buf, ssh_wr_done(&w));
}

static void came_up(struct sluice_tunnel *t)
{
	struct forward *f;

	stay_up(&t->stay, now_ms());
	send_epoch(t);
	STAILQ_FOREACH(f, &t->s->forwards, next)
	{
		stay_begin(t, &f->stay);
		f->stay.was_up = f->ever;
		if (f->state != FORWARD_WAITS) /* it was up before the tunnel was begun */
			(void)stay_step(&f->stay, now_ms());
		if (f->state == FORWARD_THERE)
			stay_up(&f->stay, now_ms());
	}
}

/* --- turns
 * ----------------------------------------------------------------------------------------- */

static void begin(struct sluice_tunnel *t)
{
	struct sluice *s = t->s;
	int r;

	/*
	 * A way that is there again is found within the shortest interval, whatever TCP has come
	 * to: with the longest one ConnectTimeout might be over first.
	 */
	s->again_ms = s->set.reconnect_interval;
	r = logon_begin(s);
	if (r < 0 && t->on && t->stay.state == STAY_TRYING)
		down(t, r);
}

bool keep_turn(struct sluice *s)
{
	struct sluice_tunnel *t = s->tunnel;

	if (!keep_on(s))
		return false;
	switch (stay_step(&t->stay, now_ms())) {
	case STAY_DO_TRY:
		begin(t);
		return true;
	case STAY_DO_GIVE_UP:
		connection_over(s, -SLUICE_E_TIMEOUT, "not logged on in time");
		break;
	case STAY_DO_NOTHING:
		break;
	}
	if (!has_news(t))
		return s->state == STATE_UP && forwards_turn(t);
	if (s->state == STATE_UP)
		came_up(t);
	else
		down(t, connection_gone(s));
	return true;
}

void keep_fini(struct sluice *s)
{
	struct sluice_tunnel *t = s->tunnel;

	keep_leave(s);
	s->tunnel = NULL;
	free(t);
}

void keep_sweep(struct sluice *s)
{
	if (s->tunnel != NULL && s->tunnel->given_up)
		keep_fini(s);
}

/* --- what programs call
 * ------------------------------------------------------------------------------ */

int sluice_tunnel_new(struct sluice *s, struct sluice_tunnel **ret)
{
	struct sluice_tunnel *t = calloc(1, sizeof(*t));
	int r = 0;

	if (t == NULL)
		return -ENOMEM;
	enter(s);
	if (s->tunnel != NULL || s->is_hop) {
		r = -SLUICE_E_ALREADY;
		free(t);
	} else {
		t->s = s;
		t->started_s = (uint64_t)time(NULL);
		stay_begin(t, &t->stay);
		stay_cancel(&t->stay);
		if (s->set.alive_interval == 0) {
			s->set.alive_interval = ALIVE_MS;
			s->set.alive_count = ALIVE_COUNT;
		}
		s->tunnel = *ret = t;
	}
	leave(s);
	return r;
}

static int is_settled(struct sluice *s, void *arg)
{
	(void)arg;
	if (!keep_on(s))
		return connection_gone(s);
	return s->tunnel->whole ? 0 : -EAGAIN;
}

int sluice_tunnel_start(struct sluice_tunnel *t)
{
	struct sluice *s = t->s;
	int r = 0;

	enter(s);
	if (t->on || (s->state != STATE_NONE && s->state != STATE_UP)) {
		r = -SLUICE_E_ALREADY;
	} else if (*s->set.hostname == '\0') {
		r = fail(s, -SLUICE_E_ADDRESS, "no Hostname");
	} else {
		t->on = true;
		t->whole = t->ever = false;
		stay_begin(t, &t->stay);
		if (s->state == STATE_UP) {
			(void)stay_step(&t->stay, now_ms());
			came_up(t);
		}
		r = wait_for(s, is_settled, NULL, s->set.operation_timeout != 0 ? TIME_NONE : 0);
	}
	leave(s);
	return r;
}

int sluice_tunnel_stop(struct sluice_tunnel *t)
{
	struct sluice *s = t->s;
	int r;

	enter(s);
	r = t->on ? 0 : -SLUICE_E_STATE;
	if (t->on) {
		keep_leave(s);
		connection_over(s, 0, "the tunnel is stopped");
	}
	leave(s);
	return r;
}

void sluice_tunnel_free(struct sluice_tunnel *t)
{
	struct sluice *s;

	if (t == NULL)
		return;
	s = t->s;
	enter(s);
	(void)sluice_tunnel_stop(t);
	t->given_up = true; /* for leave(), where no callback runs */
	leave(s);
}
