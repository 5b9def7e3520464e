#include "client/reach/reach.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "client/reach/command.h"
#include "client/reach/lookup.h"
#include "client/reach/name.h"
#include "client/reach/socket.h"

/*
 * Of one address at once: enough for an answer that takes two intervals. A server that could not
 * answer for a while does so to all of them, and thinks ill of who then lets many go without a
 * word.
 */
#define AGAIN_MAX 3
#define TRIES_MAX (RACE_FAMILIES * RACE_ADDRS_MAX * AGAIN_MAX)

/* Whose addresses are being looked for. */
enum phase {
	PHASE_BEGIN,
	PHASE_TARGET, /* for a proxy that takes no names: the first address will do */
	PHASE_RACE,   /* of the server, or of the proxy in front of it */
	PHASE_TALK,
	PHASE_OVER,
};

struct
try {
	int fd;
	struct race_addr to;
	uint64_t since_ms;
};

struct reach {
	struct reach_conf conf;
	enum phase phase;
	int ep, timer;
	uint64_t end_ms; /* 0: never */
	struct lookup *lookup[RACE_FAMILIES];
	struct race race;
	struct try try[TRIES_MAX];
	unsigned int n_tries;
	/* The proxy's: who the target is to it, what is said, over which socket. */
	char target[PROXY_WORD_MAX + 1];
	enum proxy_kind kind;
	struct proxy_talk *talk;
	struct reach_link link;
	enum reach_stage stage;
	int gai;
	char why[REACH_WHY_MAX];
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int watch(struct reach *r, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.fd = fd};

	if (epoll_ctl(r->ep, EPOLL_CTL_ADD, fd, &e) == 0)
		return 0;
	return errno == EEXIST && epoll_ctl(r->ep, EPOLL_CTL_MOD, fd, &e) == 0 ? 0 : -errno;
}

static void wake_at(struct reach *r, uint64_t due_ms)
{
	struct itimerspec at = {{0, 0}, {0, 0}};

	if (r->end_ms != 0 && r->end_ms < due_ms)
		due_ms = r->end_ms;
	if (due_ms != UINT64_MAX) {
		at.it_value.tv_sec = (time_t)(due_ms / 1000);
		at.it_value.tv_nsec = (long)(due_ms % 1000) * 1000000;
	}
	(void)timerfd_settime(r->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

static int fail(struct reach *r, enum reach_stage stage, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static int fail(struct reach *r, enum reach_stage stage, int err, const char *fmt, ...)
{
	va_list ap;

	r->stage = stage;
	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
	return err;
}

/* --- names ------------------------------------------------------------------------------ */

/* Whom this phase is about. */
static const char *name_of(const struct reach *r)
{
	return r->phase == PHASE_RACE && r->kind != PROXY_NONE ? r->conf.proxy.host : r->target;
}

static uint16_t port_of(const struct reach *r)
{
	return r->phase == PHASE_RACE && r->kind != PROXY_NONE ? r->conf.proxy.port : r->conf.port;
}

static bool family_wanted(const struct reach *r, int family)
{
	if (r->phase == PHASE_TARGET && r->kind == PROXY_SOCKS4)
		return family == AF_INET;
	return r->conf.family == AF_UNSPEC || r->conf.family == family;
}

static int ask_family(struct reach *r, enum race_family f)
{
	int family = f == RACE_V6 ? AF_INET6 : AF_INET, e;
	struct race_addr a;

	if (!family_wanted(r, family))
		return 0;
	if (lookup_numeric(name_of(r), family, port_of(r), &a) == 0) {
		race_answer(&r->race, f, &a, 1, now_ms());
		return 0;
	}
	e = lookup_new(name_of(r), family, port_of(r), &r->lookup[f]);
	if (e < 0)
		return e;
	race_ask(&r->race, f);
	return watch(r, lookup_fd(r->lookup[f]), EPOLLIN);
}

/* Of an address of one family nobody asks the other. */
static bool is_numeric(const char *host)
{
	struct race_addr a;

	return lookup_numeric(host, AF_INET, 0, &a) == 0 ||
	       lookup_numeric(host, AF_INET6, 0, &a) == 0;
}

static int names_ask(struct reach *r)
{
	const int family[RACE_FAMILIES] = {[RACE_V6] = AF_INET6, [RACE_V4] = AF_INET};
	bool numeric = is_numeric(name_of(r));
	struct race_addr a;
	int e = 0;

	race_init(&r->race, r->conf.again_ms);
	r->gai = 0;
	for (int f = 0; e == 0 && f < RACE_FAMILIES; f++)
		if (!numeric || lookup_numeric(name_of(r), family[f], 0, &a) == 0)
			e = ask_family(r, (enum race_family)f);
	return e < 0 ? fail(r, REACH_NAME, e, "%s: %s", name_of(r), strerror(-e)) : 0;
}

static void names_drop(struct reach *r)
{
	for (int f = 0; f < RACE_FAMILIES; f++) {
		if (r->lookup[f] != NULL)
			(void)epoll_ctl(r->ep, EPOLL_CTL_DEL, lookup_fd(r->lookup[f]), NULL);
		lookup_free(r->lookup[f]);
		r->lookup[f] = NULL;
	}
}

static void names_take(struct reach *r)
{
	struct race_addr v[RACE_ADDRS_MAX];

	for (int f = 0; f < RACE_FAMILIES; f++) {
		unsigned int n = 0;
		int e;

		if (r->lookup[f] == NULL)
			continue;
		e = lookup_result(r->lookup[f], v, &n);
		if (e == LOOKUP_WAIT)
			continue;
		/* "No address of this family" says less than what the other one's question met. */
		if (e != 0 && (r->gai == 0 || r->gai == EAI_NODATA || r->gai == EAI_NONAME))
			r->gai = e;
		race_answer(&r->race, (enum race_family)f, v, n, now_ms());
		(void)epoll_ctl(r->ep, EPOLL_CTL_DEL, lookup_fd(r->lookup[f]), NULL);
		lookup_free(r->lookup[f]);
		r->lookup[f] = NULL;
	}
}

/* --- attempts --------------------------------------------------------------------------- */

static void try_drop(struct reach *r, unsigned int i)
{
	close(r->try[i].fd);
	r->try[i] = r->try[--r->n_tries];
}

static void won(struct reach *r, unsigned int i)
{
	r->link.fd = r->try[i].fd;
	r->link.peer = r->try[i].to;
	r->try[i] = r->try[--r->n_tries];
	while (r->n_tries > 0)
		try_drop(r, r->n_tries - 1);
	names_drop(r);
}

/* Did one of those under way come to an end? True: the race is won. */
static bool tries_look(struct reach *r)
{
	for (unsigned int i = 0; i < r->n_tries; i++) {
		struct pollfd p = {.fd = r->try[i].fd, .events = POLLOUT};
		socklen_t len = sizeof(int);
		int err = 0;

		if (poll(&p, 1, 0) != 1)
			continue;
		if (getsockopt(p.fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
			err = errno;
		if (err == 0) {
			won(r, i);
			return true;
		}
		race_failed(&r->race, -err);
		try_drop(r, i--);
	}
	return false;
}

/* Makes room for one more of this address: the oldest had its time. */
static void tries_thin(struct reach *r, const struct race_addr *to)
{
	unsigned int n = 0, oldest = 0;

	for (unsigned int i = 0; i < r->n_tries; i++) {
		if (r->try[i].to.len != to->len || memcmp(&r->try[i].to.sa, &to->sa, to->len) != 0)
			continue;
		if (n++ == 0 || r->try[i].since_ms < r->try[oldest].since_ms)
			oldest = i;
	}
	if (n < AGAIN_MAX)
		return;
	try_drop(r, oldest);
	race_dropped(&r->race);
}

/* True: it is there already. */
static bool try_begin(struct reach *r, const struct race_addr *to)
{
	bool there = false;
	int fd, e = socket_connect(to, &r->conf.bind, &r->conf.tcp, &fd, &there);

	if (e == 0) {
		e = watch(r, fd, EPOLLOUT);
		if (e < 0)
			close(fd);
	}
	if (e < 0) {
		race_failed(&r->race, e);
		return false;
	}
	tries_thin(r, to);
	r->try[r->n_tries++] = (struct try){fd, *to, now_ms()};
	if (there)
		won(r, r->n_tries - 1);
	return there;
}

static int race_lost(struct reach *r, int e)
{
	if (e == -ENOENT && r->race.err == 0)
		return fail(r, REACH_NAME, e, "%s: %s", name_of(r),
			    r->gai != 0 ? gai_strerror(r->gai) : "no address of the family wanted");
	return fail(r, REACH_CONNECT, e, "connect to %s port %u: %s", name_of(r), port_of(r),
		    strerror(-e));
}

/* 0: connected; of a target that is only looked up: it has an address. */
static int race_run(struct reach *r)
{
	const struct race_addr *to;
	uint64_t due = UINT64_MAX;
	int e;

	names_take(r);
	if (tries_look(r))
		return 0;
	while ((e = race_step(&r->race, now_ms(), &to, &due)) == 0) {
		if (r->phase == PHASE_TARGET) {
			if (getnameinfo((const struct sockaddr *)&to->sa, to->len, r->target,
					sizeof(r->target), NULL, 0, NI_NUMERICHOST) != 0)
				return fail(r, REACH_NAME, -EINVAL, "%s: no address", r->target);
			names_drop(r);
			return 0;
		}
		if (try_begin(r, to))
			return 0;
	}
	if (e != -EAGAIN)
		return race_lost(r, e);
	wake_at(r, due);
	return e;
}

/* --- the proxy -------------------------------------------------------------------------- */

static int talk_begin(struct reach *r)
{
	const struct reach_conf *c = &r->conf;
	const struct proxy_ask ask = {
		.kind = r->kind,
		.host = r->target,
		.port = c->port,
		.user = *c->proxy.user != '\0' ? c->proxy.user : NULL,
		.password = c->proxy_password,
		.header = c->proxy_header,
		.n_headers = c->n_proxy_headers,
	};
	int e = r->talk == NULL ? proxy_talk_new(&ask, &r->talk) : 0;

	if (e < 0)
		return fail(r, REACH_PROXY, e, "proxy %s: cannot be asked for %s port %u",
			    c->proxy.host, r->target, c->port);
	wake_at(r, UINT64_MAX);
	return 0;
}

static int talk_failed(struct reach *r, int e)
{
	const char *why = proxy_talk_why(r->talk);

	return fail(r, REACH_PROXY, e, "proxy %s port %u: %s", r->conf.proxy.host,
		    r->conf.proxy.port, *why != '\0' ? why : strerror(-e));
}

static int talk_send(struct reach *r)
{
	const uint8_t *p;
	size_t len;

	while (p = proxy_talk_out(r->talk, &len), len > 0) {
		ssize_t n = send(r->link.fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		proxy_talk_sent(r->talk, (size_t)n);
	}
	return 0;
}

#define TALK_ON   1
#define TALK_ANEW 2

/* What the proxy said is taken out of the socket, and nothing of what follows. */
static int talk_receive(struct reach *r)
{
	uint8_t buf[1024];
	size_t used = 0;
	ssize_t n = recv(r->link.fd, buf, sizeof(buf), MSG_PEEK);
	int e;

	if (n < 0)
		return -errno;
	if (n == 0)
		return -ECONNRESET;
	e = proxy_talk_input(r->talk, buf, (size_t)n, &used);
	if (used > 0 && recv(r->link.fd, buf, used, 0) != (ssize_t)used)
		return -EIO;
	return e == -EAGAIN ? TALK_ON : e == PROXY_ANEW ? TALK_ANEW : e;
}

static int talk_run(struct reach *r)
{
	size_t left;
	int e;

	do {
		e = talk_send(r);
		if (e == 0)
			e = talk_receive(r);
	} while (e == TALK_ON || e == -EINTR);
	(void)proxy_talk_out(r->talk, &left);
	if (e == -EAGAIN) {
		int w = watch(r, r->link.fd, left > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);

		return w < 0 ? w : e;
	}
	return e < 0 ? talk_failed(r, e) : e;
}

/* To the proxy again, which now is told who we are. */
static void talk_hang_up(struct reach *r)
{
	(void)epoll_ctl(r->ep, EPOLL_CTL_DEL, r->link.fd, NULL);
	close(r->link.fd);
	r->link.fd = -1;
}

/* --- all of it -------------------------------------------------------------------------- */

static int conf_check(struct reach *r)
{
	const struct reach_conf *c = &r->conf;
	const char *host = c->host;
	int e;

	if (c->command != NULL)
		return 0;
	r->kind = c->proxy.kind;
	if (host != NULL && *host == '*' && r->kind != PROXY_NONE) {
		host++;
		if (!proxy_takes_names(r->kind))
			r->kind = r->kind == PROXY_SOCKS4 ? PROXY_SOCKS4A : PROXY_SOCKS5H;
	}
	if (host == NULL || !reach_host_valid(host) || c->port == 0)
		return -EINVAL;
	strcpy(r->target, host); /* REACH_HOST_MAX is PROXY_WORD_MAX */
	e = socket_bind_check(&c->bind);
	return e;
}

int reach_new(const struct reach_conf *c, struct reach **ret)
{
	struct reach *r = calloc(1, sizeof(*r));
	struct epoll_event e = {.events = EPOLLIN};
	int err;

	if (r == NULL)
		return -ENOMEM;
	r->conf = *c;
	r->link.fd = -1;
	r->ep = epoll_create1(EPOLL_CLOEXEC);
	r->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	err = r->ep < 0 || r->timer < 0 || epoll_ctl(r->ep, EPOLL_CTL_ADD, r->timer, &e) < 0
		      ? -errno
		      : conf_check(r);
	if (err < 0) {
		reach_free(r);
		return err;
	}
	/* The first step has something to do. */
	(void)timerfd_settime(r->timer, 0, &(struct itimerspec){.it_value.tv_nsec = 1}, NULL);
	*ret = r;
	return 0;
}

int reach_fd(const struct reach *r)
{
	return r->ep;
}

/* Into the next phase. 0: that is all. */
static int phase_enter(struct reach *r, enum phase phase)
{
	r->phase = phase;
	switch (phase) {
	case PHASE_TARGET:
	case PHASE_RACE:
		return names_ask(r);
	case PHASE_TALK:
		return talk_begin(r);
	default:
		return 0;
	}
}

static int begin(struct reach *r)
{
	const struct reach_conf *c = &r->conf;
	int e;

	if (c->timeout_ms > 0)
		r->end_ms = now_ms() + c->timeout_ms;
	wake_at(r, UINT64_MAX);
	if (c->command == NULL)
		return phase_enter(r, r->kind != PROXY_NONE && !proxy_takes_names(r->kind) &&
						      !is_numeric(r->target)
					      ? PHASE_TARGET
					      : PHASE_RACE);
	e = command_run(c->command, c->command_err_fd, &r->link.fd, &r->link.command);
	if (e < 0)
		return fail(r, REACH_COMMAND, e, "%s: %s", c->command, strerror(-e));
	return phase_enter(r, PHASE_OVER);
}

/* One phase as far as it goes. 0: on to the next. */
static int phase_run(struct reach *r)
{
	int e;

	switch (r->phase) {
	case PHASE_BEGIN:
		return begin(r);
	case PHASE_TARGET:
		e = race_run(r);
		return e == 0 ? phase_enter(r, PHASE_RACE) : e;
	case PHASE_RACE:
		e = race_run(r);
		return e == 0 ? phase_enter(r, r->kind != PROXY_NONE ? PHASE_TALK : PHASE_OVER) : e;
	case PHASE_TALK:
		e = talk_run(r);
		if (e == TALK_ANEW) {
			talk_hang_up(r);
			return phase_enter(r, PHASE_RACE);
		}
		return e == 0 ? phase_enter(r, PHASE_OVER) : e;
	case PHASE_OVER:
		break;
	}
	return 0;
}

static int timed_out(struct reach *r)
{
	static const enum reach_stage stage[] = {[PHASE_TARGET] = REACH_NAME,
						 [PHASE_RACE] = REACH_CONNECT,
						 [PHASE_TALK] = REACH_PROXY};

	return fail(r, stage[r->phase], -ETIMEDOUT, "%s port %u: %s", name_of(r), port_of(r),
		    strerror(ETIMEDOUT));
}

int reach_step(struct reach *r, struct reach_link *ret)
{
	int e = 0;

	while (e == 0 && r->phase != PHASE_OVER)
		e = phase_run(r);
	if (e == -EAGAIN && r->end_ms != 0 && now_ms() >= r->end_ms)
		e = timed_out(r);
	if (e < 0)
		return e;
	if (r->link.fd < 0) /* handed over before */
		return -EINVAL;
	(void)epoll_ctl(r->ep, EPOLL_CTL_DEL, r->link.fd, NULL);
	*ret = r->link;
	r->link.fd = -1;
	r->link.command = 0;
	return 0;
}

int reach_wait(struct reach *r, struct reach_link *ret)
{
	struct pollfd p = {.fd = r->ep, .events = POLLIN};
	int e;

	while ((e = reach_step(r, ret)) == -EAGAIN)
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return -errno;
	return e;
}

enum reach_stage reach_stage(const struct reach *r)
{
	return r->stage;
}

int reach_gai(const struct reach *r)
{
	return r->stage == REACH_NAME ? r->gai : 0;
}

bool reach_at_proxy(const struct reach *r)
{
	return r->kind != PROXY_NONE && r->phase >= PHASE_TALK;
}

const char *reach_why(const struct reach *r)
{
	return r->why;
}

void reach_free(struct reach *r)
{
	if (r == NULL)
		return;
	while (r->n_tries > 0)
		try_drop(r, r->n_tries - 1);
	if (r->ep >= 0)
		names_drop(r);
	proxy_talk_free(r->talk);
	if (r->link.fd >= 0)
		close(r->link.fd);
	if (r->link.command > 0)
		command_end(r->link.command);
	if (r->timer >= 0)
		close(r->timer);
	if (r->ep >= 0)
		close(r->ep);
	free(r);
}
