/*
 * client/lib/turn.c - the turns of a connection, and who waits for them.
 *
 * One thread at a time waits for the socket, without the lock; the others wait for it to have had a
 * turn. Who queues bytes that the socket does not take at once ends its wait, so that it waits for
 * the socket to be writable, too.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client/agent/agent.h"
#include "client/lib/internal.h"
#include "ssh/err.h"

#define READ_MAX (256 * 1024)  /* of the socket in a turn */
#define HELD_MAX (1024 * 1024) /* bytes that came and are not looked at */
#define ANSWERS_MAX                                                                                \
	(OUT_MAX + 1024 * 1024) /* unwritten bytes: data ends at OUT_MAX, answers do not */

void enter(struct sluice *s)
{
	pthread_mutex_lock(&s->lock);
}

/* What callbacks asked for and could not be done while they ran. */
static void settle(struct sluice *s)
{
	struct sluice_channel *c, *next;

	if (s->callbacks > 0)
		return;
	if (s->cut) {
		s->cut = false;
		connection_over(s, 0, "disconnected");
	}
	keep_sweep(s);
	if (!s->swept)
		return;
	s->swept = false;
	for (c = TAILQ_FIRST(&s->channels); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->given_up && c->fsm.state == SSH_CHAN_CLOSED)
			chan_release(c);
	}
}

void leave(struct sluice *s)
{
	settle(s);
	pthread_mutex_unlock(&s->lock);
}

bool may_wait(const struct sluice *s)
{
	return s->callbacks == 0;
}

/* --- bytes ----------------------------------------------------------------------------------- */

static size_t out_len(const struct sluice *s)
{
	size_t len = 0;

	if (s->pump_made)
		(void)ssh_pump_out(&s->pump, &len);
	return len;
}

size_t send_room(const struct sluice *s)
{
	size_t out = out_len(s) + s->queued;

	return out < OUT_MAX ? OUT_MAX - out : 0;
}

/* Nor is a server read that asks on and on and takes no answer. */
bool in_is_full(const struct sluice *s)
{
	return s->pump.flat.in_len - s->pump.flat.in_off > HELD_MAX || out_len(s) > ANSWERS_MAX;
}

/* Bytes of len that TransferRate lets go now. */
static size_t rate_take(struct sluice *s, size_t len)
{
	uint64_t now = now_ms(), rate = s->set.transfer_rate;
	double most = (double)rate / 10; /* a tenth of a second at once */

	if (rate == 0)
		return len;
	most = most < 1 ? 1 : most;
	s->tokens += (double)(now - s->tokens_ms) * (double)rate / 1000;
	s->tokens_ms = now;
	if (s->tokens > most)
		s->tokens = most;
	return (double)len < s->tokens ? len : (size_t)s->tokens;
}

/* When the next byte may go. */
uint64_t rate_due(const struct sluice *s)
{
	if (s->set.transfer_rate == 0 || s->tokens >= 1 || out_len(s) == 0)
		return UINT64_MAX;
	return s->tokens_ms + (uint64_t)((1 - s->tokens) * 1000 / (double)s->set.transfer_rate) + 1;
}

void flush(struct sluice *s)
{
	size_t len;
	const uint8_t *p;
	ssize_t n;

	log_packets(s);
	while (s->pump_made && (s->fd >= 0 || s->way != NULL)) {
		p = ssh_pump_out(&s->pump, &len);
		if (len == 0 && s->way == NULL)
			return;
		if (len == 0)
			break; /* some of it may wait in the hop */
		len = rate_take(s, len);
		if (len == 0)
			break;
		n = stream_send(s, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		ssh_pump_sent(&s->pump, (size_t)n);
		s->bytes_out += (uint64_t)n;
		if (s->set.transfer_rate > 0) /* what went without one is no debt */
			s->tokens -= (double)n;
		s->moved_ms = now_ms();
		note(s, SLUICE_LOG_DEBUG, "%zd bytes sent", n);
	}
	/* What is wrong with the socket is found by who reads it. */
	if (s->polling)
		(void)!write(s->wake, &(uint64_t){1}, sizeof(uint64_t));
}

static bool read_in(struct sluice *s)
{
	uint8_t buf[32768];
	size_t all = 0;

	while (all < READ_MAX && !s->eof_in && !in_is_full(s)) {
		ssize_t n = stream_recv(s, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n <= 0) {
			s->eof_in = true;
			if (n < 0)
				fail(s, 0, "read: %s", strerrordesc_np(errno));
			return true;
		}
		if (ssh_pump_feed(&s->pump, buf, (size_t)n) < 0) {
			connection_over(s, -ENOMEM, "out of memory");
			return true;
		}
		all += (size_t)n;
	}
	if (all > 0) {
		s->bytes_in += all;
		s->heard_ms = s->moved_ms = now_ms();
		s->alives = 0;
		note(s, SLUICE_LOG_DEBUG, "%zu bytes received", all);
	}
	return all > 0;
}

void turned(struct sluice *s)
{
	pthread_cond_broadcast(&s->turned);
	if (s->polling)
		(void)!write(s->wake, &(uint64_t){1}, sizeof(uint64_t));
}

bool step(struct sluice *s)
{
	bool did = false;

	if (s->stepping)
		return false;
	while (s->pump_made && !s->cut) {
		struct ssh_act act;
		int r;

		engine_lock(s->engine);
		r = ssh_pump_step(&s->pump, &act);
		engine_unlock(s->engine);
		s->stepping = r == 0; /* or what act leads to would be gone */
		log_packets(s);
		if (r < 0)
			break;
		did = true;
		ident_check(s);
		act_run(s, &act);
		s->stepping = false;
	}
	s->queued = 0;
	if (did)
		turned(s);
	return did;
}

static bool dial_turn(struct sluice *s)
{
	int fd, r = dial_step(s->dial, &fd, &s->command);

	if (!s->at_proxy && dial_at_proxy(s->dial)) {
		s->at_proxy = true;
		status_tell(s, SLUICE_STATUS_PROXY_CONNECTED, 0, "OK");
	}
	if (r == -EAGAIN)
		return false;
	if (r < 0)
		fail(s, r, "%s",
		     *dial_why(s->dial) != '\0' ? dial_why(s->dial) : sluice_strerror(r));
	dial_free(s->dial);
	s->dial = NULL;
	if (r == 0) {
		s->fd = fd;
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){s->set.tcp_nodelay},
				 sizeof(int));
		(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){s->set.tcp_keepalive},
				 sizeof(int));
		r = connection_begin(s);
	}
	if (r < 0)
		connection_over(s, r, s->text);
	return true;
}

bool turn(struct sluice *s)
{
	bool did = false;

	if (s->callbacks > 0 || s->stepping) { /* in the middle of one */
		flush(s);
		return false;
	}
	timers_run(s, now_ms());
	if (s->dial != NULL)
		did |= dial_turn(s);
	if (s->hop != NULL && s->state != STATE_NONE)
		did |= hop_turn(s);
	if (s->pump_made)
		did |= read_in(s);
	did |= agent_turn(s);
	did |= step(s);
	flush(s); /* carried bytes have the room that is left */
	if (carries_turn(s)) {
		step(s);
		did = true;
	}
	chans_go_on(s);
	flush(s);
	if (s->pump_made && s->eof_in && !s->cut && s->leaving)
		connection_over(s, 0, "logged off");
	else if (s->pump_made && s->eof_in && !s->cut && s->way != NULL)
		hop_dropped(s);
	else if (s->pump_made && s->eof_in && !s->cut)
		connection_over(s, -SLUICE_E_DROPPED, "the server closed the connection");
	did |= keep_turn(s);
	settle(s);
	if (did)
		turned(s);
	return did;
}

/* --- waiting -------------------------------------------------------------------------------------
 */

static int stream_fd(struct sluice *s)
{
	if (s->agent_doing != AGENT_NOTHING) /* the server waits, too */
		return agent_fd(s->agent);
	if (s->hop != NULL && s->state != STATE_NONE && s->fd < 0)
		return hop_fd(s);
	return s->dial != NULL ? dial_fd(s->dial) : s->fd;
}

static short stream_events(struct sluice *s)
{
	short events = 0;

	if (s->agent_doing != AGENT_NOTHING)
		return agent_events(s->agent);
	if (s->hop != NULL && s->state != STATE_NONE && s->fd < 0)
		return hop_events(s);
	if (s->dial != NULL)
		return POLLIN;
	if (!s->pump_made)
		return 0;
	if (!in_is_full(s))
		events |= POLLIN;
	if (out_len(s) > 0 && rate_due(s) == UINT64_MAX)
		events |= POLLOUT;
	return events;
}

int wanted_fd(struct sluice *s)
{
	return carries_fd(s, stream_fd(s), stream_events(s));
}

short wanted_events(struct sluice *s)
{
	return s->carries.n > 0 ? POLLIN : stream_events(s);
}

static void wait_turned(struct sluice *s, int ms)
{
	struct timespec ts;
	uint64_t until = now_ms() + (uint64_t)ms;

	if (ms < 0) {
		pthread_cond_wait(&s->turned, &s->lock);
		return;
	}
	ts.tv_sec = (time_t)(until / 1000);
	ts.tv_nsec = (long)(until % 1000) * 1000000;
	pthread_cond_timedwait(&s->turned, &s->lock, &ts);
}

/* Until the socket is ready, somebody had a turn, or ms are over; -1: without an end. */
static void pause_ms(struct sluice *s, int ms)
{
	struct pollfd p[2];
	uint64_t n;

	if (s->polling) {
		wait_turned(s, ms);
		return;
	}
	p[0] = (struct pollfd){wanted_fd(s), wanted_events(s), 0};
	p[1] = (struct pollfd){s->wake, POLLIN, 0};
	s->polling = true;
	pthread_mutex_unlock(&s->lock);
	(void)poll(p, 2, ms);
	pthread_mutex_lock(&s->lock);
	s->polling = false;
	if (p[1].revents != 0)
		(void)!read(s->wake, &n, sizeof(n));
	pthread_cond_broadcast(&s->turned); /* the next one may wait for the socket */
}

/* ms until a time, for poll(2). */
static int until_ms(uint64_t due, uint64_t now)
{
	if (due == UINT64_MAX)
		return -1;
	if (due <= now)
		return 0;
	return due - now > INT32_MAX ? INT32_MAX : (int)(due - now);
}

int wait_for(struct sluice *s, wait_test test, void *arg, uint32_t timeout_ms)
{
	uint64_t start = now_ms();

	for (;;) {
		uint64_t now, due, end;
		bool did = turn(s);
		int r = test(s, arg);

		s->untold |= did && timeout_ms == 0;
		if (r != -EAGAIN)
			return r;
		if (!may_wait(s) || timeout_ms == 0)
			return -SLUICE_E_WOULD_BLOCK;
		if (did)
			continue;
		now = now_ms();
		due = due_ms(s);
		if (timeout_ms != TIME_NONE) {
			if (s->agent_doing != AGENT_NOTHING) /* which has a time of its own */
				s->moved_ms = now;
			end = !s->set.absolute_timeout && s->moved_ms > start ? s->moved_ms : start;
			end += timeout_ms;
			if (now >= end)
				return fail(s, -SLUICE_E_TIMEOUT, "timed out");
			due = due < end ? due : end;
		}
		pause_ms(s, until_ms(due, now));
	}
}

/* --- what programs with a loop call
 * --------------------------------------------------------------- */

int sluice_fd(struct sluice *s)
{
	int fd;

	enter(s);
	fd = wanted_fd(s);
	leave(s);
	return fd;
}

short sluice_events(struct sluice *s)
{
	short events;

	enter(s);
	events = wanted_events(s);
	leave(s);
	return events;
}

int sluice_timeout_ms(struct sluice *s)
{
	int ms;

	enter(s);
	ms = s->untold ? 0 : until_ms(due_ms(s), now_ms());
	leave(s);
	return ms;
}

int sluice_dispatch(struct sluice *s, int timeout_ms)
{
	bool did;
	int r;

	enter(s);
	did = turn(s) || s->untold;
	s->untold = false;
	if (!did && timeout_ms != 0 && may_wait(s) && (s->state != STATE_NONE || keep_on(s))) {
		uint64_t now = now_ms(), due = due_ms(s);

		if (timeout_ms > 0 && now + (uint64_t)timeout_ms < due)
			due = now + (uint64_t)timeout_ms;
		pause_ms(s, until_ms(due, now));
		did = turn(s);
	}
	r = s->state == STATE_NONE && !keep_on(s) ? connection_gone(s) : did;
	leave(s);
	return r;
}
