/* client/shell/relays.c - see relays.h. */
#include "client/shell/relays.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/shell/say.h"
#include "conf/match.h"

int relays_listen(struct relays *r, const struct forward *f, const struct listen_conf *conf,
		  uint16_t *ret_port)
{
	struct listener *list = reallocarray(r->listeners, r->n_listeners + 1, sizeof(*list));
	size_t *places;
	int e;

	if (list == NULL)
		return -ENOMEM;
	r->listeners = list;
	places = reallocarray(r->places, (r->n_listeners + 1) * LISTEN_FDS_MAX, sizeof(*places));
	if (places == NULL)
		return -ENOMEM;
	r->places = places;
	for (size_t i = 0; i < LISTEN_FDS_MAX; i++)
		places[r->n_listeners * LISTEN_FDS_MAX + i] = TURN_NONE;
	e = listener_open(&list[r->n_listeners], f, conf);
	if (e < 0)
		return e;
	*ret_port = list[r->n_listeners++].port;
	return 0;
}

const struct listener *relays_find(const struct relays *r, const struct forward *f)
{
	for (size_t i = 0; i < r->n_listeners; i++)
		if (forward_same(&r->listeners[i].f, f))
			return &r->listeners[i];
	return NULL;
}

bool relays_cancel(struct relays *r, const struct forward *f)
{
	const struct listener *found = relays_find(r, f);
	size_t i = found != NULL ? (size_t)(found - r->listeners) : 0;

	if (found == NULL)
		return false;
	listener_close(&r->listeners[i]);
	r->n_listeners--;
	memmove(&r->listeners[i], &r->listeners[i + 1],
		(r->n_listeners - i) * sizeof(*r->listeners));
	for (i = 0; i < r->n_listeners * LISTEN_FDS_MAX; i++)
		r->places[i] = TURN_NONE; /* of another one now */
	return true;
}

/* --- one connection -----------------------------------------------------------------------------
 */

static void relay_free(struct relays *r, struct relay *y)
{
	const struct linger reset = {.l_onoff = 1};

	if (y->lost && y->pump.own && !y->pump.out_over)
		(void)setsockopt(y->pump.in, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	r->bytes_up += y->pump.bytes_up;
	r->bytes_down += y->pump.bytes_down;
	reach_free(y->reach);
	pump_fini(&y->pump);
	free(y);
}

/* Who asked by SOCKS is told, here or through the server. */
static void reply(struct relay *y)
{
	ssize_t n = (ssize_t)y->socks.reply_len;

	if (n == 0)
		return;
	if (y->permit != NULL)
		y->bad |= sluice_channel_send(y->pump.c, y->socks.reply, (size_t)n) != n;
	else
		y->bad |= send(y->pump.in, y->socks.reply, (size_t)n,
			       MSG_NOSIGNAL | MSG_DONTWAIT) != n;
	y->socks.reply_len = 0;
}

static void end_set(struct relay_end *e, const char *host, uint16_t port)
{
	snprintf(e->host, sizeof(e->host), "%s", host);
	e->port = port;
}

const char *relay_what(const struct relay *y, char buf[RELAY_WHAT_MAX])
{
	snprintf(buf, RELAY_WHAT_MAX, y->to.port > 0 ? "%s:%u" : "%s", y->to.host, y->to.port);
	return buf;
}

/* Where a connection of ours came from, for the server's log. */
static void origin(int fd, struct relay_end *ret)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof(ss);
	char service[8] = "0";

	end_set(ret, "127.0.0.1", 0);
	if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0 || ss.ss_family == AF_UNIX)
		return;
	if (getnameinfo((struct sockaddr *)&ss, len, ret->host, sizeof(ret->host), service,
			sizeof(service), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		end_set(ret, "127.0.0.1", 0);
	ret->port = (uint16_t)atoi(service);
}

uint32_t relay_idle_ms(const struct config *c, bool path)
{
	return config_channel_timeout(c, path ? "direct-streamlocal@openssh.com" : "direct-tcpip");
}

static void relay_to(struct relays *r, struct relay *y, const char *host, uint16_t port, bool path)
{
	int e;

	end_set(&y->to, host, path ? 0 : port);
	y->pump.idle_ms = relay_idle_ms(r->config, path);
	y->state = RELAY_OPENING;
	if (path)
		e = sluice_channel_open_unix(r->s, host, &y->pump.c);
	else
		e = sluice_channel_open_tcp(r->s, host, port, y->from.host, y->from.port,
					    &y->pump.c);
	if (y->pump.c != NULL)
		sluice_channel_arg_set(y->pump.c, y);
	if (e == 0)
		relay_opened(y, 0, "");
	else if (!pump_waits(e))
		relay_opened(y, e, "");
}

void relay_opened(struct relay *y, int err, const char *text)
{
	char what[RELAY_WHAT_MAX];

	if (y->state != RELAY_OPENING) /* the server's own, which we took */
		return;
	if (err < 0) {
		say(SAY_ERROR, "channel to %s: open failed: %s%s%s", relay_what(y, what),
		    sluice_strerror(err), *text != '\0' ? ": " : "", text);
		y->bad = true;
	} else {
		y->state = RELAY_OPEN;
		y->pump.opened = true;
	}
	if (y->asked) {
		socks_answer(&y->socks, err == 0);
		reply(y);
	}
}

void relay_closed(struct relay *y)
{
	struct sluice_channel_info info = {.size = sizeof(info)};

	y->pump.closed = true;
	y->lost = y->pump.c != NULL && sluice_channel_info(y->pump.c, &info) == 0 && !info.eof_in &&
		  !info.closed_in && !info.closed_out;
}

/* n bytes more of a hello lie in b. True: it is known where to. */
static bool talk(struct relay *y, struct pump_buf *b, size_t n)
{
	enum socks_step step;
	size_t used;

	b->n += n;
	do {
		step = socks_input(&y->socks, b->p + b->at, b->n - b->at, &used);
		b->at += used;
		reply(y);
	} while (step == SOCKS_MORE && used > 0);
	y->bad |= step == SOCKS_BAD || (step == SOCKS_MORE && b->n >= SOCKS_HELLO_MAX);
	if (step != SOCKS_TARGET || y->bad)
		return false;
	b->n -= b->at; /* what came behind it is data */
	y->asked = true;
	say(SAY_DEBUG, "dynamic request: socks%u host %s port %u", y->socks.version, y->socks.host,
	    y->socks.port);
	return true;
}

static void hello(struct relays *r, struct relay *y, const struct turn *t)
{
	struct pump_buf *b = &y->pump.up;
	ssize_t n;

	if (turn_ready(t, y->pump.place_in) == 0)
		return;
	n = recv(y->pump.in, b->p + b->n, SOCKS_HELLO_MAX - b->n, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		y->bad = true;
	else if (talk(y, b, (size_t)n))
		relay_to(r, y, y->socks.host, y->socks.port, false);
}

/* --- connections the server brings ---------------------------------------------------------------
 */

/* A socket of ours is there. */
static void attach(struct relay *y, int fd)
{
	y->pump.in = y->pump.out = fd;
	y->pump.own = true;
	y->pump.opened = y->cookie == NULL;
	y->state = y->cookie == NULL ? RELAY_OPEN : RELAY_COOKIE;
}

static int path_connect(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	strcpy(un.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0) {
		int e = -errno;

		close(fd);
		return e;
	}
	return fd < 0 ? -errno : fd;
}

static int reach_begin(const struct relays *r, struct relay *y, const char *host, uint16_t port)
{
	const char *bind = config_text(r->config, CONFIG_FORWARD_BIND_ADDRESS);
	const struct reach_conf conf = {.host = host, .port = port, .bind.addr = bind};

	end_set(&y->to, host, port);
	y->state = RELAY_REACHING;
	return reach_new(&conf, &y->reach);
}

/* It cannot be had: said here, and to who asked. */
static void failed(struct relay *y, const char *why)
{
	char what[RELAY_WHAT_MAX];

	say(SAY_ERROR, "connect to %s: %s", relay_what(y, what), why);
	y->bad = true;
	if (y->asked) {
		socks_answer(&y->socks, false);
		reply(y);
	} else {
		(void)sluice_channel_refuse(y->pump.c, 0, why);
		y->pump.c = NULL;
	}
}

static void reaching(struct relay *y)
{
	struct reach_link link;
	int e = reach_step(y->reach, &link), one = 1;

	if (e == -EAGAIN)
		return;
	if (e < 0) {
		failed(y, reach_why(y->reach));
		return;
	}
	reach_free(y->reach);
	y->reach = NULL;
	setsockopt(link.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	attach(y, link.fd);
	if (!y->asked) {
		y->bad |= sluice_channel_accept(y->pump.c) < 0;
	} else {
		socks_answer(&y->socks, true);
		reply(y);
	}
}

static void asking(const struct relays *r, struct relay *y)
{
	struct pump_buf *b = &y->pump.down;
	ssize_t n = sluice_channel_read(y->pump.c, false, b->p + b->n, SOCKS_HELLO_MAX - b->n);

	if (pump_waits(n))
		return;
	if (n <= 0) {
		y->bad = true;
		return;
	}
	if (!talk(y, b, (size_t)n))
		return;
	end_set(&y->to, y->socks.host, y->socks.port);
	if (!match_permitopen(y->permit, y->socks.host, y->socks.port))
		failed(y, "not permitted by PermitRemoteOpen");
	else if (reach_begin(r, y, y->socks.host, y->socks.port) < 0)
		failed(y, "no such host");
}

/* What a program of X11 says first goes on with the display's own cookie in it. */
static void showing(struct relay *y)
{
	struct pump_buf *b = &y->pump.down;
	ssize_t n = sluice_channel_read(y->pump.c, false, b->p + b->n, DISPLAY_HELLO_MAX - b->n);
	enum display_step step;

	if (pump_waits(n))
		return;
	if (n <= 0) {
		y->bad = true;
		return;
	}
	b->n += (size_t)n;
	step = display_hello(y->cookie, b->p, b->n);
	if (step == DISPLAY_BAD) {
		say(SAY_ERROR, "X11 connection rejected because of wrong authentication.");
		y->bad = true;
	} else if (step == DISPLAY_OK) {
		y->state = RELAY_OPEN;
		y->pump.opened = true;
	}
}

static struct relay *taken(struct relays *r, struct sluice_channel *c,
			   const struct sluice_open *open)
{
	struct relay *y = r->n < RELAYS_MAX ? calloc(1, sizeof(*y)) : NULL;

	if (y == NULL || pump_init(&y->pump, c, -1, -1, -1) < 0) {
		free(y);
		return NULL;
	}
	y->pump.idle_ms = config_channel_timeout(r->config, open->type);
	end_set(&y->from, open->origin, open->origin_port);
	end_set(&y->at, *open->path != '\0' ? open->path : open->host, open->port);
	sluice_channel_arg_set(c, y);
	y->next = r->list;
	r->list = y;
	r->n++;
	r->served++;
	return y;
}

/* It was refused before it began: the channel is the library's to end. */
static int untaken(struct relays *r, struct relay *y)
{
	r->list = y->next;
	r->n--;
	y->pump.c = NULL;
	relay_free(r, y);
	return 0;
}

static int take_fd(struct relays *r, struct sluice_channel *c, const struct sluice_open *open,
		   int fd, const char *what, const struct cookie *cookie)
{
	struct relay *y = taken(r, c, open);

	if (y == NULL) {
		close(fd);
		return 0;
	}
	end_set(&y->to, what, 0);
	y->cookie = cookie;
	attach(y, fd);
	return 1;
}

static ssize_t skip(void *arg, const uint8_t *in, size_t n, uint8_t *out)
{
	return agent_skip(arg, in, n, out);
}

int relay_take_agent(struct relays *r, struct sluice_channel *c, const struct sluice_open *open,
		     int fd, bool told)
{
	int e = take_fd(r, c, open, fd, "the agent", NULL);

	if (e > 0 && told) {
		r->list->pump.filter = skip;
		r->list->pump.arg = &r->list->skip;
	}
	return e;
}

static int take_end(struct relays *r, struct sluice_channel *c, const struct sluice_open *open,
		    const struct forward_end *end, const struct cookie *cookie)
{
	struct relay *y;
	int e;

	if (end->path) {
		e = path_connect(end->host);
		if (e >= 0)
			return take_fd(r, c, open, e, end->host, cookie);
		say(SAY_ERROR, "connect to %s: %s", end->host, strerror(-e));
		return 0;
	}
	y = taken(r, c, open);
	if (y == NULL)
		return 0;
	y->cookie = cookie;
	e = reach_begin(r, y, end->host, end->port);
	return e < 0 ? untaken(r, y) : 2;
}

int relay_take_display(struct relays *r, struct sluice_channel *c, const struct sluice_open *open,
		       const struct forward_end *display, const struct cookie *cookie)
{
	return take_end(r, c, open, display, cookie);
}

int relay_take(struct relays *r, struct sluice_channel *c, const struct sluice_open *open,
	       const struct forward_end *target, const struct conf_strs *permit)
{
	struct relay *y;

	if (target != NULL)
		return take_end(r, c, open, target, NULL);
	y = taken(r, c, open);
	if (y == NULL)
		return 0;
	y->permit = permit;
	y->state = RELAY_ASKING;
	return 1;
}

/* --- connections of ours
 * --------------------------------------------------------------------------- */

static void accept_one(struct relays *r, const struct listener *l, int fd, uint64_t now_ms)
{
	int s = listen_accept(&r->rest, fd, now_ms), one = 1;
	const struct forward_end *to = &l->f.target;
	struct relay *y;

	if (s < 0)
		return;
	y = calloc(1, sizeof(*y));
	if (y == NULL || pump_init(&y->pump, NULL, s, s, -1) < 0) {
		free(y);
		close(s);
		return;
	}
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	y->pump.own = true;
	y->state = RELAY_HELLO;
	origin(s, &y->from);
	end_set(&y->at, l->f.listen.host, l->port);
	y->next = r->list;
	r->list = y;
	r->n++;
	r->served++;
	if (!l->f.socks)
		relay_to(r, y, to->host, to->port, to->path);
}

/* --- all -----------------------------------------------------------------------------------------
 */

void relays_prepare(struct relays *r, struct turn *t)
{
	bool none = r->closed || r->n >= RELAYS_MAX || listen_rests(&r->rest, t);

	for (size_t i = 0; i < r->n_listeners; i++)
		for (unsigned int j = 0; j < r->listeners[i].n; j++)
			r->places[i * LISTEN_FDS_MAX + j] =
				turn_add(t, none ? -1 : r->listeners[i].fd[j], POLLIN);
	for (struct relay *y = r->list; y != NULL; y = y->next) {
		if (y->lost)
			continue;
		if (y->state == RELAY_HELLO)
			y->pump.place_in = turn_add(t, y->pump.in, POLLIN);
		else if (y->state == RELAY_REACHING)
			(void)turn_add(t, reach_fd(y->reach), POLLIN);
		else if (y->state != RELAY_ASKING && y->state != RELAY_COOKIE)
			pump_prepare(&y->pump, t);
	}
}

static void cut(const struct relays *r, const struct relay *y, const char *why)
{
	char what[RELAY_WHAT_MAX];

	say(SAY_INFO, "channel to %s: closed: %s", relay_what(y, what), why);
	if (r->cut != NULL)
		r->cut(r->arg, y, why);
}

void relays_run(struct relays *r, const struct turn *t)
{
	for (size_t i = 0; i < r->n_listeners; i++)
		for (unsigned int j = 0; j < r->listeners[i].n; j++)
			if (turn_ready(t, r->places[i * LISTEN_FDS_MAX + j]) != 0)
				accept_one(r, &r->listeners[i], r->listeners[i].fd[j], t->now_ms);
	for (struct relay **p = &r->list; *p != NULL;) {
		struct relay *y = *p;

		if (y->lost) {
			p = &y->next;
			continue;
		}
		if (y->state == RELAY_HELLO)
			hello(r, y, t);
		else if (y->state == RELAY_ASKING)
			asking(r, y);
		else if (y->state == RELAY_REACHING)
			reaching(y);
		else if (y->state == RELAY_COOKIE)
			showing(y);
		else
			pump_run(&y->pump, t);
		if (y->pump.idle)
			cut(r, y, RELAY_IDLE);
		if (y->bad || pump_over(&y->pump)) {
			*p = y->next;
			r->n--;
			relay_free(r, y);
		} else {
			p = &y->next;
		}
	}
}

void relays_show(const struct relays *r)
{
	char what[RELAY_WHAT_MAX];
	unsigned int i = 0;

	for (const struct relay *y = r->list; y != NULL; y = y->next)
		say(SAY_QUIET, "  #%u %s (%llu bytes to it, %llu from it)", i++,
		    *y->to.host == '\0' ? "dynamic-tcpip" : relay_what(y, what),
		    (unsigned long long)y->pump.bytes_up, (unsigned long long)y->pump.bytes_down);
}

void relays_cut(struct relays *r, const char *why)
{
	for (struct relay *y = r->list; y != NULL; y = y->next) {
		cut(r, y, why);
		y->lost = true;
	}
}

void relays_fini(struct relays *r)
{
	while (r->list != NULL) {
		struct relay *y = r->list;

		r->list = y->next;
		relay_free(r, y);
	}
	for (size_t i = 0; i < r->n_listeners; i++)
		listener_close(&r->listeners[i]);
	free(r->listeners);
	free(r->places);
	*r = (struct relays){0};
}
