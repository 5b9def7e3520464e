/* client/tunnel/status.c - see status.h. */
#include "client/tunnel/status.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/shell/say.h"
#include "client/tunnel/metrics.h"
#include "client/tunnel/request.h"
#include "client/tunnel/show.h"
#include "client/tunnel/tunnel.h"
#include "conf/addr.h"
#include "conf/http.h"

#define ANSWER_AHEAD (32 * 1024) /* bytes of a list that are made before they are taken */

struct status_client {
	int fd;
	bool web, follows;
	bool over; /* once what waits is taken */
	bool gone;
	char in[HTTP_HEAD_MAX];
	size_t in_len;
	char *out;
	size_t out_at, out_len, out_room;
	/* The list that is being answered. */
	struct request listed;
	size_t next; /* host; SIZE_MAX: no list is */
	size_t end;  /* as many as it said: more may have their names meanwhile */
	uint64_t lost;
	enum doing { DOES_NOTHING, ASKS, TAKES, FOLLOWS } doing;
	uint64_t since_ms; /* it does that */
	size_t place;
};

#define NO_LIMIT UINT64_MAX
static const uint64_t limit_ms[] = {[DOES_NOTHING] = STATUS_IDLE_MS,
				    [ASKS] = STATUS_REQUEST_MS,
				    [TAKES] = STATUS_ANSWER_MS,
				    [FOLLOWS] = NO_LIMIT};

_Static_assert(REQUEST_LINE_MAX <= HTTP_HEAD_MAX, "a line has room where a head has");

/* --- bytes out -----------------------------------------------------------------------------------
 */

static void put(struct status_client *c, const void *p, size_t n)
{
	if (c->out_at == c->out_len)
		c->out_at = c->out_len = 0;
	if (n > c->out_room - c->out_len && c->out_at > 0) { /* what was taken makes room */
		c->out_len -= c->out_at;
		memmove(c->out, c->out + c->out_at, c->out_len);
		c->out_at = 0;
	}
	if (n > c->out_room - c->out_len) {
		size_t room = c->out_len + n + 4096;
		char *out = realloc(c->out, room);

		if (out == NULL) {
			c->gone = true;
			return;
		}
		c->out = out;
		c->out_room = room;
	}
	memcpy(c->out + c->out_len, p, n);
	c->out_len += n;
}

/* o is taken. */
static void put_json(struct status_client *c, json_t *o)
{
	char *line = o != NULL ? json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;

	if (line != NULL) {
		put(c, line, strlen(line));
		put(c, "\n", 1);
	} else {
		c->gone = true;
	}
	free(line);
	json_decref(o);
}

static size_t waiting(const struct status_client *c)
{
	return c->out_len - c->out_at;
}

static void flush(struct status_client *c, uint64_t now_ms)
{
	while (waiting(c) > 0) {
		ssize_t n = send(c->fd, c->out + c->out_at, waiting(c), MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			c->gone |= errno != EAGAIN;
			return;
		}
		c->out_at += (size_t)n;
		if (c->follows)
			c->since_ms = now_ms;
	}
	c->gone |= c->over && c->next == SIZE_MAX;
}

/* --- requests ------------------------------------------------------------------------------------
 */

static bool meant(const struct request *q, const struct tunnel *t)
{
	return *q->host == '\0' || strcmp(q->host, t->name) == 0;
}

static size_t count(const struct status *s, const struct request *q)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += meant(q, s->v[i]);
	return n;
}

static void list_begin(const struct status *s, struct status_client *c, const struct request *q)
{
	size_t up = 0;

	for (size_t i = 0; i < s->n; i++)
		up += s->v[i]->whole;
	put_json(c, json_pack("{s:i, s:I, s:I, s:I, s:I, s:I, s:I}", "v", STATUS_VERSION, "hosts",
			      (json_int_t)count(s, q), "up", (json_int_t)up, "seconds",
			      (json_int_t)((turn_now_ms() - s->began_ms) / 1000), "pid",
			      (json_int_t)getpid(), "refused", (json_int_t)s->refused, "late",
			      (json_int_t)s->late));
	c->listed = *q;
	c->next = 0;
	c->end = s->n;
}

/* As much more of a list as may wait. */
static void list_more(const struct status *s, struct status_client *c)
{
	for (; c->next < c->end && waiting(c) < ANSWER_AHEAD; c->next++) {
		const struct tunnel *t = s->v[c->next];

		if (meant(&c->listed, t))
			put_json(c, c->listed.what == REQUEST_CHANNELS
					    ? show_channels(t)
					    : show_tunnel(t, turn_now_ms()));
	}
	if (c->next != SIZE_MAX && c->next >= c->end)
		c->next = SIZE_MAX;
}

static void steer(struct status *s, struct status_client *c, const struct request *q)
{
	size_t n = count(s, q) + (s->early != NULL ? s->early(s->arg, q) : 0);

	for (size_t i = 0; i < s->n; i++)
		if (meant(q, s->v[i]))
			(q->what == REQUEST_STOP ? tunnel_stop : tunnel_reconnect)(s->v[i]);
	put_json(c, json_pack("{s:i, s:I}", "v", STATUS_VERSION, "hosts", (json_int_t)n));
}

static void cancel(const struct status *s, struct status_client *c, const struct request *q)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += meant(q, s->v[i]) && tunnel_forward_cancel(s->v[i], q->listen);
	put_json(c, json_pack("{s:i, s:I, s:I}", "v", STATUS_VERSION, "hosts",
			      (json_int_t)count(s, q), "cancelled", (json_int_t)n));
}

static void answer(struct status *s, struct status_client *c, const char *line, size_t len)
{
	struct request q;

	if (request_parse(line, len, &q) < 0) {
		put_json(c,
			 json_pack("{s:i, s:s}", "v", STATUS_VERSION, "error", "no such request"));
		return;
	}
	switch (q.what) {
	case REQUEST_STATUS:
	case REQUEST_CHANNELS:
		list_begin(s, c, &q);
		break;
	case REQUEST_FOLLOW:
		c->follows = true;
		put_json(c, json_pack("{s:i, s:i}", "v", STATUS_VERSION, "hosts", 0));
		break;
	case REQUEST_RECONNECT:
	case REQUEST_STOP:
		steer(s, c, &q);
		break;
	case REQUEST_CANCEL:
		cancel(s, c, &q);
		break;
	}
}

/* Whole lines, one after the other: the next one when the answer to this one is made. */
static void lines(struct status *s, struct status_client *c)
{
	char *end;

	while (c->next == SIZE_MAX && waiting(c) < STATUS_OUT_MAX &&
	       (end = memchr(c->in, '\n', c->in_len)) != NULL) {
		if (c->doing == ASKS) /* what is behind it is another one */
			c->doing = DOES_NOTHING;
		answer(s, c, c->in, (size_t)(end - c->in));
		c->in_len -= (size_t)(end + 1 - c->in);
		memmove(c->in, end + 1, c->in_len);
		list_more(s, c);
	}
	c->gone |= c->in_len >= REQUEST_LINE_MAX && memchr(c->in, '\n', c->in_len) == NULL;
}

/* --- metrics -------------------------------------------------------------------------------------
 */

static const char plain[] = "text/plain; charset=utf-8";

static void respond(struct status_client *c, const char *status, const char *type, const char *page,
		    size_t len, bool head)
{
	char text[HTTP_ANSWER_MAX];

	put(c, text, http_head(text, status, type, len));
	if (!head)
		put(c, page, len);
	c->over = true;
}

/* What waits for all who asked for pages leaves so much. */
static size_t pages_room(const struct status *s)
{
	size_t all = 0;

	for (size_t i = 0; i < STATUS_CLIENTS_MAX; i++)
		if (s->client[i] != NULL && s->client[i]->web)
			all += s->client[i]->out_room;
	return all < STATUS_PAGES_MAX ? STATUS_PAGES_MAX - all : 0;
}

static void metrics(struct status *s, struct status_client *c, const struct http_request *q)
{
	const struct metrics_of of = {.v = s->v, .n = s->n, .refused = s->refused, .late = s->late};
	static const char busy[] = "too much is under way\n";
	char *text = NULL;
	size_t len;
	int r = metrics_page(&of, q->open_metrics, pages_room(s), &text, &len);

	if (r == 0) {
		respond(c, "200 OK", http_metrics_type(q->open_metrics), text, len, q->head);
	} else if (r == -EFBIG) {
		s->refused++;
		respond(c, "503 Service Unavailable", plain, busy, strlen(busy), q->head);
	} else {
		c->gone = true;
	}
	free(text);
}

static void page(struct status *s, struct status_client *c)
{
	const char *words, *status;
	struct http_request q;
	int r = http_parse(c->in, c->in_len, &q);

	if (r == -EAGAIN)
		return;
	if (r < 0) {
		status = http_refusal(r, &words);
		respond(c, status, plain, words, strlen(words), false);
	} else if (!http_asks_for(&q, "/metrics")) {
		respond(c, "404 Not Found", plain, "/metrics\n", 9, q.head);
	} else {
		metrics(s, c, &q);
	}
	c->in_len = 0;
}

/* --- clients -------------------------------------------------------------------------------------
 */

static bool is_ours(int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
	       (who.uid == geteuid() || who.uid == 0);
}

static void take(struct status *s, struct status_door *d, bool web, uint64_t now_ms)
{
	int fd = listen_accept(&d->rest, d->l.fd[0], now_ms);
	struct status_client *c = NULL;
	/* Who asks for numbers keeps nobody from steering. */
	size_t i = web ? STATUS_CLIENTS_MAX / 2 : 0, end = i + STATUS_CLIENTS_MAX / 2;

	if (fd < 0)
		return;
	while (i < end && s->client[i] != NULL)
		i++;
	if (i < end && (web || is_ours(fd)))
		c = calloc(1, sizeof(*c));
	if (c == NULL) {
		s->refused++;
		close(fd);
		return;
	}
	*c = (struct status_client){.fd = fd,
				    .web = web,
				    .next = SIZE_MAX,
				    .doing = web ? ASKS : DOES_NOTHING,
				    .since_ms = now_ms,
				    .place = TURN_NONE};
	s->client[i] = c;
}

static void client_free(struct status_client *c)
{
	if (c == NULL)
		return;
	close(c->fd);
	free(c->out);
	free(c);
}

static bool wants_in(const struct status_client *c)
{
	return !c->over && c->in_len < sizeof(c->in) && c->next == SIZE_MAX;
}

static void read_more(struct status *s, struct status_client *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);

	if (n <= 0) {
		c->over |= n == 0; /* once it has its answers */
		c->gone |= n < 0 && errno != EAGAIN && errno != EINTR;
		return;
	}
	c->in_len += (size_t)n;
	if (c->web)
		page(s, c);
}

static enum doing doing(const struct status_client *c)
{
	if (waiting(c) > 0 || c->next != SIZE_MAX)
		return TAKES;
	if (c->web || c->in_len > 0)
		return ASKS;
	return c->follows ? FOLLOWS : DOES_NOTHING;
}

static bool time_is_over(struct status_client *c, uint64_t now_ms)
{
	enum doing now = doing(c);

	if (now != c->doing) {
		c->doing = now;
		c->since_ms = now_ms;
	}
	return now_ms - c->since_ms >= limit_ms[now];
}

static void client_go(struct status *s, struct status_client *c, const struct turn *t)
{
	if ((turn_ready(t, c->place) & ~POLLOUT) != 0 && wants_in(c))
		read_more(s, c);
	do {
		if (!c->web) {
			list_more(s, c);
			lines(s, c);
		}
		flush(c, t->now_ms);
	} while (!c->gone && c->next != SIZE_MAX && waiting(c) == 0);
	if (c->lost > 0 && waiting(c) == 0) {
		put_json(c, json_pack("{s:s, s:I}", "event", "lost", "count", (json_int_t)c->lost));
		c->lost = 0;
	}
	if (!c->gone && time_is_over(c, t->now_ms)) {
		s->late++;
		c->gone = true;
	}
}

void status_event(struct status *s, json_t *event)
{
	for (size_t i = 0; i < STATUS_CLIENTS_MAX; i++) {
		struct status_client *c = s->client[i];

		if (c == NULL || !c->follows)
			continue;
		/* A list is not cut into: its reader counts lines. */
		if (c->lost > 0 || c->next != SIZE_MAX || waiting(c) >= STATUS_OUT_MAX)
			c->lost++;
		else
			put_json(c, json_incref(event));
	}
}

/* --- turns ---------------------------------------------------------------------------------------
 */

static void door_prepare(struct status_door *d, struct turn *t)
{
	bool open = d->l.n > 0 && !listen_rests(&d->rest, t);

	d->place = turn_add(t, open ? d->l.fd[0] : -1, POLLIN);
}

/* -1: he has all the time there is. */
static int left_ms(const struct status_client *c, uint64_t now_ms)
{
	uint64_t due = c->since_ms + limit_ms[c->doing];

	if (doing(c) != c->doing) /* since now, which is looked at in a turn */
		return 0;
	if (limit_ms[c->doing] == NO_LIMIT)
		return -1;
	return due > now_ms ? (int)(due - now_ms) : 0;
}

void status_prepare(struct status *s, struct turn *t)
{
	door_prepare(&s->socket, t);
	door_prepare(&s->web, t);
	for (size_t i = 0; i < STATUS_CLIENTS_MAX; i++) {
		struct status_client *c = s->client[i];

		if (c == NULL)
			continue;
		c->place = turn_add(t, c->fd,
				    (short)((wants_in(c) ? POLLIN : 0) |
					    (waiting(c) > 0 || c->next != SIZE_MAX ? POLLOUT : 0)));
		turn_within(t, left_ms(c, t->now_ms));
	}
}

void status_go(struct status *s, const struct turn *t)
{
	for (size_t i = 0; i < STATUS_CLIENTS_MAX; i++) {
		if (s->client[i] == NULL)
			continue;
		client_go(s, s->client[i], t);
		if (s->client[i]->gone) {
			client_free(s->client[i]);
			s->client[i] = NULL;
		}
	}
	if (turn_ready(t, s->socket.place) != 0)
		take(s, &s->socket, false, t->now_ms);
	if (turn_ready(t, s->web.place) != 0)
		take(s, &s->web, true, t->now_ms);
}

/* --- life ----------------------------------------------------------------------------------------
 */

/* A socket nobody listens at any more is what a killed agent leaves. */
static bool is_stale(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct stat st;
	bool stale;
	int fd;

	if (strlen(path) >= sizeof(un.sun_path) || lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	strcpy(un.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	stale = fd >= 0 && connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0 &&
		errno == ECONNREFUSED;
	if (fd >= 0)
		close(fd);
	return stale;
}

static int door_open(struct status_door *d, const char *where, mode_t mask)
{
	struct forward f = {.kind = FORWARD_LOCAL, .listen.path = *where == '/'};
	const struct listen_conf conf = {.mask = mask, .unlink = *where == '/' && is_stale(where)};
	char text[CONF_ADDR_TEXT];
	struct conf_addr a;

	if (f.listen.path) {
		snprintf(f.listen.host, sizeof(f.listen.host), "%s", where);
	} else {
		if (conf_endpoint_parse(where, &a) < 0)
			return -EINVAL;
		snprintf(f.listen.host, sizeof(f.listen.host), "%s", conf_addr_text(&a, text));
		f.listen.port = a.port;
	}
	return listener_open(&d->l, &f, &conf);
}

int status_open(struct status *s, const char *socket, const char *metrics)
{
	int e = 0;

	s->began_ms = turn_now_ms();
	if (socket != NULL)
		e = door_open(&s->socket, socket, 0177);
	/* Numbers are for whoever may enter the folder. */
	if (e == 0 && metrics != NULL)
		e = door_open(&s->web, metrics, 0111);
	return e;
}

void status_close(struct status *s)
{
	for (size_t i = 0; i < STATUS_CLIENTS_MAX; i++)
		client_free(s->client[i]);
	listener_close(&s->socket.l);
	listener_close(&s->web.l);
	*s = (struct status){0};
}
