#include "control/hook/hook.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "control/count.h"
#include "control/log.h"
#include "crypto/secret.h"

#define COMPLAIN_MS 10000 /* between two lines of the log about one program */

struct line {
	uv_write_t req;
	struct line *next;
	size_t len;
	uint64_t id; /* of the call; 0: news */
	bool secret;
	char text[];
};

struct hook_call {
	struct hook *hook;
	uint64_t id;
	struct timer timeout;
	bool sent; /* on the connection that is */
	hook_done *done;
	void *arg;
};

/* One connection; it lives until the loop lets go of it. */
struct link {
	uv_pipe_t pipe;
	uv_connect_t connect;
	struct hook *hook; /* NULL: it was given up */
	bool up;
	char in[HOOK_LINE_MAX + 1];
	size_t have;
};

struct hook {
	struct hook *next;
	struct hooks *all;
	struct link *link; /* NULL: there is none */
	struct timer retry;
	uint32_t retry_ms;
	uint64_t said_ms; /* when the log was last told that it is not there; 0: never */
	uint64_t turn;    /* of ids */
	unsigned int n_asked;
	struct hook_call *asked[HOOK_ASKED_MAX]; /* by id */
	struct line *first, **last;              /* that wait to be sent */
	size_t waiting;                          /* bytes of them */
	size_t news;                             /* of those, and of what is being sent, news */
	char path[CONF_SOCKET_MAX];
};

struct hooks {
	uv_loop_t *loop;
	struct timers *timers;
	uint64_t (*now_ms)(void);
	struct hook *first;
	bool hushed;
};

unsigned int hooks_asked(const struct hooks *h)
{
	unsigned int most = 0;

	for (const struct hook *one = h->first; one != NULL; one = one->next)
		most = one->n_asked > most ? one->n_asked : most;
	return most;
}

size_t hooks_news(const struct hooks *h)
{
	size_t most = 0;

	for (const struct hook *one = h->first; one != NULL; one = one->next)
		most = one->news > most ? one->news : most;
	return most;
}

/* --- lines that go out ------------------------------------------------------------------------ */

static void line_free(struct line *l)
{
	if (l->secret)
		secret_wipe(l->text, l->len);
	free(l);
}

static int line_new(struct hook_req *r, const struct hook_secret *secret, size_t n_secret,
		    struct line **ret)
{
	struct line *l;
	char *room;
	size_t len;
	int e = hook_req_line(r, secret, n_secret, offsetof(struct line, text), HOOK_REQUEST_MAX,
			      &room, &len);

	hook_req_end(r);
	if (e < 0)
		return e;
	l = (struct line *)(void *)room;
	memset(l, 0, offsetof(struct line, text));
	l->len = len;
	l->secret = n_secret > 0;
	*ret = l;
	return 0;
}

static bool is_news(const struct line *l)
{
	return l->id == 0;
}

/* Of these the program will never hear. */
static void news_lost(struct line *l)
{
	control_count(CONTROL_C_HOOK_NEWS);
	line_free(l);
}

/* News of a program that is not there. False: there was none. */
static bool news_drop(struct hook *h)
{
	bool any = false;

	for (struct line **at = &h->first; *at != NULL;) {
		struct line *l = *at;

		if (!is_news(l)) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		if (h->last == &l->next)
			h->last = at;
		h->waiting -= l->len;
		news_lost(l);
		any = true;
	}
	h->news = 0;
	return any;
}

/* One that nobody waits for any more: it may hold a secret, and room that others need. */
static void line_forget(struct hook *h, uint64_t id)
{
	struct line **at = &h->first;
	struct line *l;

	while (*at != NULL && (*at)->id != id)
		at = &(*at)->next;
	l = *at;
	if (l == NULL)
		return;
	*at = l->next;
	if (h->last == &l->next)
		h->last = at;
	h->waiting -= l->len;
	line_free(l);
}

static void lines_drop(struct hook *h)
{
	while (h->first != NULL) {
		struct line *l = h->first;

		h->first = l->next;
		line_free(l);
	}
	h->last = &h->first;
	h->waiting = 0;
}

/* --- calls ------------------------------------------------------------------------------------ */

static struct hook_call **place_of(struct hook *h, uint64_t id)
{
	return &h->asked[id % HOOK_ASKED_MAX];
}

static void call_unlink(struct hook_call *c)
{
	struct hook *h = c->hook;

	timer_cancel(h->all->timers, &c->timeout);
	if (!c->sent)
		line_forget(h, c->id);
	*place_of(h, c->id) = NULL;
	h->n_asked--;
}

void hook_call_end(struct hook_call *c)
{
	if (c == NULL)
		return;
	call_unlink(c);
	free(c);
}

static void call_over(struct hook_call *c, const struct hook_answer *a)
{
	hook_done *done = c->done;
	void *arg = c->arg;

	hook_call_end(c);
	done(arg, a);
}

static void on_timeout(struct timer *t)
{
	struct hook_call *c =
		(struct hook_call *)(void *)((char *)t - offsetof(struct hook_call, timeout));

	control_count(CONTROL_C_HOOK_LATE);
	call_over(c, NULL);
}

/* Those that were asked there. What one of them does may end others, or begin some. */
static void calls_lose(struct hook *h)
{
	for (unsigned int i = 0; i < HOOK_ASKED_MAX; i++) {
		if (h->asked[i] == NULL || !h->asked[i]->sent)
			continue;
		control_count(CONTROL_C_HOOK_LOST);
		call_over(h->asked[i], NULL);
	}
}

/* --- the connection --------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
	struct link *k = handle->data;

	secret_wipe(k->in, sizeof(k->in));
	free(k);
}

static void link_end(struct hook *h)
{
	struct link *k = h->link;

	if (k == NULL)
		return;
	k->hook = NULL;
	h->link = NULL;
	uv_close((uv_handle_t *)&k->pipe, on_closed);
}

static void complain(struct hook *h, const char *why)
{
	uint64_t now = h->all->now_ms();

	if (h->said_ms != 0 && now - h->said_ms < COMPLAIN_MS)
		return;
	h->said_ms = now;
	log_line(LOG_L_ERROR, "PolicyHook %s: %s", h->path, why);
}

/* missed: it was not there to be told something. */
static void retry_later(struct hook *h, bool missed)
{
	struct hooks *all = h->all;

	if (h->first == NULL && !missed) /* nobody needs it */
		return;
	if (timer_set(all->timers, &h->retry, all->now_ms() + h->retry_ms) == 0)
		h->retry_ms =
			h->retry_ms * 2 < HOOK_RETRY_MAX_MS ? h->retry_ms * 2 : HOOK_RETRY_MAX_MS;
}

static void link_broke(struct hook *h, const char *why)
{
	bool up = h->link->up, missed;

	complain(h, why);
	link_end(h);
	missed = news_drop(h);
	if (up)
		calls_lose(h);
	if (h->link == NULL)
		retry_later(h, missed);
}

static void lines_send(struct hook *h);

/* Its connection breaks, and whoever asked hears of that. */
static void line_unsent(struct hook *h, struct line *l)
{
	if (!is_news(l)) {
		line_free(l);
		return;
	}
	h->news -= l->len;
	news_lost(l);
}

static void on_written(uv_write_t *req, int status)
{
	struct line *l = (struct line *)(void *)req; /* its first member */
	struct link *k = req->handle->data;

	if (is_news(l) && k->hook != NULL)
		k->hook->news -= l->len;
	if (is_news(l) && status < 0)
		news_lost(l);
	else
		line_free(l);
	if (k->hook == NULL)
		return;
	if (status < 0)
		link_broke(k->hook, uv_strerror(status));
	else
		lines_send(k->hook);
}

/* All that waits, unless whoever asked has gone meanwhile. */
static void lines_send(struct hook *h)
{
	while (h->link != NULL && h->link->up && h->first != NULL &&
	       uv_stream_get_write_queue_size((uv_stream_t *)&h->link->pipe) < HOOK_QUEUE_MAX) {
		struct line *l = h->first;
		struct hook_call *c = l->id != 0 ? *place_of(h, l->id) : NULL;
		uv_buf_t buf = uv_buf_init(l->text, (unsigned int)l->len);

		h->first = l->next;
		if (h->first == NULL)
			h->last = &h->first;
		h->waiting -= l->len;
		if (c != NULL && c->id == l->id)
			c->sent = true;
		else if (l->id != 0)
			c = NULL;
		if (!is_news(l) && c == NULL) {
			line_free(l);
		} else if (uv_write(&l->req, (uv_stream_t *)&h->link->pipe, &buf, 1, on_written) <
			   0) {
			line_unsent(h, l);
		}
	}
}

/* --- lines that come in ----------------------------------------------------------------------- */

static void line_came(struct hook *h, const char *text, size_t len)
{
	struct hook_answer a;
	struct hook_call *c;

	if (hook_answer_parse(text, len, &a) < 0) {
		control_count(CONTROL_C_HOOK_BAD);
		complain(h, "what it said is no answer");
		return;
	}
	c = *place_of(h, a.id);
	if (c != NULL && c->id == a.id)
		call_over(c, &a);
	else
		control_count(CONTROL_C_HOOK_STRAY);
	hook_answer_free(&a);
}

static void lines_came(struct link *k)
{
	size_t at = 0;
	const char *end;

	while (k->hook != NULL && (end = memchr(k->in + at, '\n', k->have - at)) != NULL) {
		size_t len = (size_t)(end - k->in) - at;

		line_came(k->hook, k->in + at, len);
		at += len + 1;
	}
	memmove(k->in, k->in + at, k->have - at);
	k->have -= at;
	if (k->have < sizeof(k->in) || k->hook == NULL)
		return;
	control_count(CONTROL_C_HOOK_BAD);
	link_broke(k->hook, "a line of it is too long");
}

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *ret)
{
	struct link *k = handle->data;

	(void)wanted;
	*ret = uv_buf_init(k->in + k->have, (unsigned int)(sizeof(k->in) - k->have));
}

static void on_read(uv_stream_t *st, ssize_t n, const uv_buf_t *buf)
{
	struct link *k = st->data;

	(void)buf;
	if (k->hook == NULL || n == 0)
		return;
	if (n < 0) {
		link_broke(k->hook, n == UV_EOF ? "it hung up" : uv_strerror((int)n));
		return;
	}
	k->have += (size_t)n;
	lines_came(k);
	if (k->hook != NULL)
		lines_send(k->hook);
}

/* --- connecting ------------------------------------------------------------------------------- */

static void on_connected(uv_connect_t *req, int status)
{
	struct link *k = req->data;
	struct hook *h = k->hook;

	if (h == NULL)
		return;
	if (status == 0)
		status = uv_read_start((uv_stream_t *)&k->pipe, on_room, on_read);
	if (status < 0) {
		link_broke(h, uv_strerror(status));
		return;
	}
	k->up = true;
	h->retry_ms = HOOK_RETRY_MS;
	h->said_ms = 0;
	lines_send(h);
}

static void connect_try(struct hook *h)
{
	struct link *k = calloc(1, sizeof(*k));

	if (k == NULL || uv_pipe_init(h->all->loop, &k->pipe, 0) < 0) {
		free(k);
		retry_later(h, news_drop(h));
		return;
	}
	k->pipe.data = k->connect.data = k;
	k->hook = h;
	h->link = k;
	uv_pipe_connect(&k->connect, &k->pipe, h->path, on_connected);
}

static void on_retry(struct timer *t)
{
	struct hook *h = (struct hook *)(void *)((char *)t - offsetof(struct hook, retry));

	/* Those who waited for it may have gone. */
	if (h->link == NULL && h->first != NULL)
		connect_try(h);
}

/* --- asking ----------------------------------------------------------------------------------- */

static struct hook *hook_of(struct hooks *all, const char *path)
{
	struct hook *h = all->first;

	while (h != NULL && strcmp(h->path, path) != 0)
		h = h->next;
	if (h != NULL)
		return h;
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return NULL;
	strcpy(h->path, path); /* conf_hook_for(): it fits */
	h->all = all;
	h->last = &h->first;
	h->retry_ms = HOOK_RETRY_MS;
	h->retry.fire = on_retry;
	h->next = all->first;
	all->first = h;
	return h;
}

/* Of a place that is free; 0: there is none. */
static uint64_t id_new(struct hook *h)
{
	for (unsigned int i = 0; i < HOOK_ASKED_MAX; i++) {
		uint64_t id = ++h->turn;

		if (*place_of(h, id) == NULL)
			return id;
	}
	return 0;
}

static void line_queue(struct hook *h, struct line *l)
{
	*h->last = l;
	h->last = &l->next;
	h->waiting += l->len;
	if (h->link == NULL && !timer_armed(&h->retry))
		connect_try(h);
	else
		lines_send(h);
}

static struct hook_call *call_new(struct hook *h, uint64_t id, uint64_t at_ms, hook_done *done,
				  void *arg)
{
	struct hook_call *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	*c = (struct hook_call){
		.hook = h, .id = id, .timeout.fire = on_timeout, .done = done, .arg = arg};
	if (timer_set(h->all->timers, &c->timeout, at_ms) < 0) {
		free(c);
		return NULL;
	}
	*place_of(h, id) = c;
	h->n_asked++;
	return c;
}

/* Has it room for another line? */
static bool has_room(const struct hook *h)
{
	return h->waiting < HOOK_QUEUE_MAX;
}

int hook_ask(struct hooks *all, const struct conf_hook *conf, struct hook_req *req,
	     const struct hook_secret *secret, size_t n_secret, hook_done *done, void *arg,
	     struct hook_call **ret)
{
	struct hook *h = hook_of(all, conf->path);
	uint64_t id = h != NULL && has_room(h) ? id_new(h) : 0;
	struct line *l;
	int r;

	hook_req_int(req, "id", id);
	r = line_new(req, secret, n_secret, &l);
	if (r == 0 && (h == NULL || id == 0)) {
		line_free(l);
		r = h == NULL ? -ENOMEM : -EBUSY;
	}
	if (r < 0) {
		control_count(CONTROL_C_HOOK_FULL);
		log_line(LOG_L_ERROR, "PolicyHook %s: cannot be asked: %s", conf->path,
			 strerror(-r));
		return r;
	}
	*ret = call_new(h, id, all->now_ms() + conf->timeout_ms, done, arg);
	if (*ret == NULL) {
		line_free(l);
		return -ENOMEM;
	}
	l->id = id;
	line_queue(h, l);
	return 0;
}

/* While nobody is there to be told it is not kept. */
static bool has_news_room(const struct hook *h)
{
	return h->news < HOOK_NEWS_MAX && (h->link != NULL || !timer_armed(&h->retry));
}

void hook_tell(struct hooks *all, const struct conf_hook *conf, struct hook_req *news)
{
	struct hook *h;
	struct line *l;

	if (all->hushed) {
		hook_req_end(news);
		return;
	}
	h = hook_of(all, conf->path);
	if (line_new(news, NULL, 0, &l) < 0) {
		control_count(CONTROL_C_HOOK_NEWS);
		return;
	}
	if (h == NULL || !has_news_room(h)) {
		news_lost(l);
		return;
	}
	h->news += l->len;
	line_queue(h, l);
}

/* --- life ------------------------------------------------------------------------------------- */

int hooks_new(uv_loop_t *loop, struct timers *timers, uint64_t (*now_ms)(void), struct hooks **ret)
{
	struct hooks *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return -ENOMEM;
	*all = (struct hooks){.loop = loop, .timers = timers, .now_ms = now_ms};
	*ret = all;
	return 0;
}

void hooks_hush(struct hooks *all)
{
	all->hushed = true;
}

struct handler_env hooks_env(const struct hooks *all)
{
	return (struct handler_env){all->loop, all->timers, all->now_ms, HANDLER_START_MS};
}

static void hook_free(struct hook *h)
{
	link_end(h);
	timer_cancel(h->all->timers, &h->retry);
	for (unsigned int i = 0; i < HOOK_ASKED_MAX; i++)
		hook_call_end(h->asked[i]);
	lines_drop(h);
	free(h);
}

void hooks_close(struct hooks *all)
{
	if (all == NULL)
		return;
	while (all->first != NULL) {
		struct hook *h = all->first;

		all->first = h->next;
		hook_free(h);
	}
	free(all);
}

void hooks_renew(struct hooks *all)
{
	for (struct hook **at = &all->first; *at != NULL;) {
		struct hook *h = *at;

		if (h->n_asked > 0 || h->news > 0) {
			at = &h->next;
			continue;
		}
		*at = h->next;
		hook_free(h);
	}
}
