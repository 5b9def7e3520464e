#include "control/linkpeer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/log.h"
#include "control/policy/addr.h"
#include "crypto/secret.h"
#include "link/ring.h"
#include "link/sock.h"

#define BLOCKED_RETRY_MS 1 /* a ring that was full is tried again */

/* An item that did not fit the ring; keys may be in it. */
struct pending {
	struct pending *next;
	size_t len;
	uint8_t msg[];
};

struct shard {
	struct linkpeer *peer;
	uint16_t index;
	void *shm;
	int shm_fd, bell_dataplane, bell_control;
	struct link_producer tx;
	struct link_consumer rx;
	uv_poll_t *bell;             /* on bell_control */
	struct session_table *table; /* from SHARD_READY on */
	struct pending *pending, **pending_last;
	struct timer blocked;
	bool sent; /* something since the last look at the other's bell */
};

enum peer_state { PEER_IDLE = 1, PEER_HELLO, PEER_RINGS, PEER_UP };

struct linkpeer {
	uv_loop_t *loop;
	struct session_env *env;
	char *path;
	enum peer_state state;
	int fd;
	uv_poll_t *poll;         /* on fd */
	struct timer timer;      /* next try, or the deadline of attaching */
	struct link_hello hello; /* theirs */
	struct shard *shards;
	uint16_t *listening; /* per listener of the file: shards that do, */
	uint16_t *closing;   /* that were told not to and have not answered, */
	bool *refused;       /* and whether one could not; */
	uint16_t *ports;     /* 0: not told yet */
	uint16_t n_mapped;
	bool faulty; /* detached before the loop waits again, when nobody stands on it */
	uv_prepare_t *turn;
	bool complained;
	bool drained; /* its shards were told to listen no more */
	_Alignas(uint64_t) uint8_t msg[LINK_MSG_MAX];
};

static void attach_try(struct linkpeer *p);
static void retry_later(struct linkpeer *p);

/* --- handles of the loop: they live on until it lets go ------------------------------------ */

static void on_handle_closed(uv_handle_t *h)
{
	free(h);
}

static void poll_end(uv_poll_t **poll)
{
	if (*poll == NULL)
		return;
	uv_poll_stop(*poll);
	uv_close((uv_handle_t *)*poll, on_handle_closed);
	*poll = NULL;
}

static int poll_begin(uv_loop_t *loop, int fd, uv_poll_cb cb, void *data, uv_poll_t **ret)
{
	uv_poll_t *poll = calloc(1, sizeof(*poll));
	int r;

	if (poll == NULL)
		return -ENOMEM;
	r = uv_poll_init(loop, poll, fd);
	if (r < 0) {
		free(poll);
		return r;
	}
	poll->data = data;
	*ret = poll;
	r = uv_poll_start(poll, UV_READABLE | UV_DISCONNECT, cb);
	if (r < 0)
		poll_end(ret);
	return r;
}

/* --- items down ------------------------------------------------------------------------------ */

static void pending_free(struct pending *i)
{
	secret_wipe(i->msg, i->len);
	free(i);
}

static void pending_push(struct shard *sh, const void *head, size_t head_len, const void *body,
			 size_t body_len)
{
	struct pending *i = malloc(sizeof(*i) + head_len + body_len);
	struct linkpeer *p = sh->peer;

	if (i == NULL ||
	    (!timer_armed(&sh->blocked) &&
	     timer_set(p->env->timers, &sh->blocked, p->env->now_ms() + BLOCKED_RETRY_MS) < 0)) {
		free(i);
		p->faulty = true; /* a list with a hole is no list */
		return;
	}
	i->next = NULL;
	i->len = head_len + body_len;
	memcpy(i->msg, head, head_len);
	if (body_len > 0)
		memcpy(i->msg + head_len, body, body_len);
	*sh->pending_last = i;
	sh->pending_last = &i->next;
}

/* In order, always: what waits goes first. What waits is bounded, because no event is read
 * while anything does. */
static void shard_send(void *arg, const void *head, size_t head_len, const void *body,
		       size_t body_len)
{
	struct shard *sh = arg;
	int r = -EAGAIN;

	if (sh->peer->faulty)
		return;
	if (sh->pending == NULL)
		r = link_tx(&sh->tx, head, head_len, body, body_len);
	if (r == -EAGAIN)
		pending_push(sh, head, head_len, body, body_len);
	else if (r < 0)
		sh->peer->faulty = true;
	sh->sent = true;
}

/* The item that claims them may come first: the shard waits for them as long as that says. */
static int shard_send_fds(void *arg, uint64_t token, const int *fds, unsigned int n)
{
	const struct shard *sh = arg;

	if (sh->peer->faulty || sh->peer->state != PEER_UP)
		return -ENOTCONN;
	return link_fds_send(sh->peer->fd, sh->index, token, fds, n);
}

static void pending_send(struct shard *sh)
{
	while (sh->pending != NULL) {
		struct pending *i = sh->pending;
		int r = link_tx(&sh->tx, i->msg, i->len, NULL, 0);

		if (r == -EAGAIN)
			return;
		if (r < 0)
			sh->peer->faulty = true;
		sh->pending = i->next;
		pending_free(i);
		sh->sent = true;
	}
	sh->pending_last = &sh->pending;
}

static void ring_other(struct shard *sh)
{
	if (sh->shm == NULL || !sh->sent)
		return;
	sh->sent = false;
	if (link_tx_needs_bell(&sh->tx))
		link_bell_ring(sh->bell_dataplane);
}

/* --- detaching ------------------------------------------------------------------------------- */

static void shard_fini(struct shard *sh)
{
	struct timers *timers = sh->peer->env->timers;

	session_table_free(sh->table);
	timer_cancel(timers, &sh->blocked);
	while (sh->pending != NULL) {
		struct pending *i = sh->pending;

		sh->pending = i->next;
		pending_free(i);
	}
	poll_end(&sh->bell);
	if (sh->shm != NULL)
		link_shm_unmap(sh->shm);
	if (sh->shm_fd >= 0)
		close(sh->shm_fd);
	if (sh->bell_dataplane >= 0)
		close(sh->bell_dataplane);
	if (sh->bell_control >= 0)
		close(sh->bell_control);
}

static void detach(struct linkpeer *p)
{
	for (unsigned int i = 0; p->shards != NULL && i < p->hello.shards; i++)
		shard_fini(&p->shards[i]);
	free(p->shards);
	free(p->listening);
	free(p->refused);
	free(p->closing);
	free(p->ports);
	p->shards = NULL;
	p->listening = NULL;
	p->refused = NULL;
	p->closing = NULL;
	p->ports = NULL;
	p->n_mapped = 0;
	poll_end(&p->poll);
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	p->faulty = false;
	p->drained = false;
	p->state = PEER_IDLE;
	timer_cancel(p->env->timers, &p->timer);
}

static void detach_because(struct linkpeer *p, const char *why)
{
	if (p->state == PEER_UP)
		log_line(LOG_L_ERROR, "dataplane %s detached: %s", p->hello.name, why);
	else if (!p->complained)
		log_line(LOG_L_ERROR, "cannot attach to %s: %s", p->path, why);
	p->complained = true;
	detach(p);
	retry_later(p);
}

/* --- events up ------------------------------------------------------------------- */

static void listen_all(struct shard *sh, bool close)
{
	const struct conf_global *g = conf_global(sh->peer->env->conf);
	const uint32_t shards = sh->peer->hello.shards;

	for (size_t i = 0; i < g->n_listens; i++) {
		const struct conf_addr *a = &g->listens[i].addr;
		struct link_listen m = {
			.addr = {.family = a->family, .scope = a->scope, .port = a->port},
			.listener = (uint32_t)i,
			/* Each shard's part. */
			.backlog = (g->listen_backlog + shards - 1) / shards,
			.close = close};
		struct link_hdr hdr = {
			.len = sizeof(hdr) + sizeof(m),
			.type = LINK_CMD_LISTEN,
			.conn = {.dataplane = sh->peer->hello.dataplane, .shard = sh->index}};

		memcpy(m.addr.addr, a->addr, sizeof(m.addr.addr));
		strcpy(m.rdomain, g->listens[i].rdomain);
		shard_send(sh, &hdr, sizeof(hdr), &m, sizeof(m));
	}
}

static int shard_ready(struct shard *sh, const struct link_ready *ev)
{
	struct linkpeer *p = sh->peer;
	struct session_link link = {.send = shard_send,
				    .send_fds = shard_send_fds,
				    .arg = sh,
				    .start_id = p->hello.start_id,
				    .shards = p->hello.shards};
	int r;

	if (sh->table != NULL)
		return -EBADMSG;
	r = session_table_new(p->env, &link, p->hello.dataplane, sh->index, ev->places,
			      &sh->table);
	if (r < 0)
		return r;
	log_line(LOG_L_INFO, "dataplane %s shard %u ready, %u connections", p->hello.name,
		 sh->index, ev->max_conns);
	session_table_revoke(sh->table);
	session_table_limit(sh->table);
	if (!p->env->draining || p->env->host_only)
		listen_all(sh, false);
	return 0;
}

static int listen_result(struct shard *sh, const struct link_listen_result *ev)
{
	struct linkpeer *p = sh->peer;
	const struct conf_global *g = conf_global(p->env->conf);
	const char *rdomain, *domain;
	char text[CONF_ZONE_TEXT];
	const struct conf_addr *a;

	if (ev->listener >= g->n_listens)
		return -EBADMSG;
	if (p->closing[ev->listener] > 0) { /* the answers come in the order of the questions */
		p->closing[ev->listener]--;
		return 0;
	}
	a = &g->listens[ev->listener].addr;
	rdomain = g->listens[ev->listener].rdomain;
	domain = *rdomain != '\0' ? " rdomain " : "";
	conf_zone_text(conf_dataplane(p->env->conf), a, text);
	p->refused[ev->listener] |= ev->err < 0;
	if (ev->err < 0)
		log_line(LOG_L_ERROR, "Bind to port %u on %s%s%s failed: %s.", a->port, text,
			 domain, rdomain, strerror(-ev->err));
	/* A client may come to any of the shards. */
	else if (++p->listening[ev->listener] == p->hello.shards)
		log_line(LOG_L_INFO, "Server listening on %s port %u%s%s.", text, ev->port, domain,
			 rdomain);
	if (ev->err == 0)
		p->ports[ev->listener] = ev->port;
	return 0;
}

static int shard_event(struct shard *sh, const void *msg, size_t len)
{
	const struct link_hdr *h = msg;
	int r = link_msg_check(msg, len);

	if (r < 0)
		return r;
	if (!link_type_is_up(h->type))
		return -EBADMSG;
	if (h->type == LINK_EV_SHARD_READY)
		return shard_ready(sh, link_msg_body(msg));
	if (sh->table == NULL)
		return -EBADMSG;
	if (h->type == LINK_EV_LISTEN_RESULT)
		return listen_result(sh, link_msg_body(msg));
	return session_table_event(sh->table, msg);
}

/* Reads a turn's worth. 0: empty or blocked; 1: there may be more; or negative. */
static int shard_read(struct shard *sh)
{
	uint8_t *msg = sh->peer->msg;
	int r = 1;

	for (unsigned int i = 0; i < LINKPEER_EVENTS_PER_TURN; i++) {
		int n;

		if (sh->pending != NULL)
			return 0; /* the timer of blocked ones goes on */
		n = link_rx(&sh->rx, msg, LINK_MSG_MAX);
		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return n;
		r = shard_event(sh, msg, (size_t)n);
		secret_wipe(msg, (size_t)n); /* passwords come this way */
		if (r < 0)
			return r;
		if (sh->peer->faulty)
			return -EBADMSG;
		r = 1;
	}
	return r;
}

static void shard_poll(struct shard *sh)
{
	struct linkpeer *p = sh->peer;
	int r;

	if (p->faulty)
		return;
	link_rx_wake(&sh->rx);
	pending_send(sh);
	r = shard_read(sh);
	if (r == 0 && sh->pending == NULL) {
		/* Said that we sleep, looked once more: an event in between has rung. */
		link_rx_sleep(&sh->rx);
		r = shard_read(sh);
	}
	if (r == 1)
		link_bell_ring(sh->bell_control); /* our own: the others first */
	if (r < 0)
		p->faulty = true;
	else if (sh->table != NULL)
		session_table_flush(sh->table);
}

static void on_bell(uv_poll_t *poll, int status, int events)
{
	struct shard *sh = poll->data;

	(void)status;
	(void)events;
	link_bell_clear(sh->bell_control);
	shard_poll(sh);
}

static void on_blocked(struct timer *t)
{
	struct shard *sh = (struct shard *)(void *)((char *)t - offsetof(struct shard, blocked));
	struct session_env *env = sh->peer->env;

	shard_poll(sh);
	if (sh->pending != NULL && !timer_armed(&sh->blocked) &&
	    timer_set(env->timers, &sh->blocked, env->now_ms() + BLOCKED_RETRY_MS) < 0)
		sh->peer->faulty = true;
}

/*
 * Before the loop waits: answers that came by another way than the bell (pool, resolver,
 * timers) are announced, and a peer at fault goes.
 */
static void on_turn(uv_prepare_t *turn)
{
	struct linkpeer *p = turn->data;

	if (p->faulty) {
		detach_because(p, "it does not keep to the protocol of the link");
		return;
	}
	for (unsigned int i = 0; p->shards != NULL && i < p->hello.shards; i++)
		ring_other(&p->shards[i]);
}

/* --- attaching ------------------------------------------------------------------- */

static int rings_map(struct linkpeer *p, uint16_t index, const struct link_shard_fds *fds)
{
	struct shard *sh;
	int r;

	if (index >= p->hello.shards || p->shards[index].shm != NULL) {
		close(fds->shm);
		close(fds->bell_dataplane);
		close(fds->bell_control);
		return -EPROTO;
	}
	sh = &p->shards[index];
	sh->shm_fd = fds->shm;
	sh->bell_dataplane = fds->bell_dataplane;
	sh->bell_control = fds->bell_control;
	r = link_shm_map(sh->shm_fd, &sh->shm);
	if (r < 0)
		return r;
	link_shm_ends(sh->shm, false, &sh->tx, &sh->rx);
	r = poll_begin(p->loop, sh->bell_control, on_bell, sh, &sh->bell);
	if (r < 0)
		return r;
	p->n_mapped++;
	return 0;
}

static int hello_done(struct linkpeer *p)
{
	if (p->hello.shards == 0)
		return -EPROTO;
	p->shards = calloc(p->hello.shards, sizeof(*p->shards));
	p->listening = calloc(conf_global(p->env->conf)->n_listens + 1, sizeof(*p->listening));
	p->refused = calloc(conf_global(p->env->conf)->n_listens + 1, sizeof(*p->refused));
	p->closing = calloc(conf_global(p->env->conf)->n_listens + 1, sizeof(*p->closing));
	p->ports = calloc(conf_global(p->env->conf)->n_listens + 1, sizeof(*p->ports));
	if (p->shards == NULL || p->listening == NULL || p->refused == NULL || p->closing == NULL ||
	    p->ports == NULL)
		return -ENOMEM;
	for (uint16_t i = 0; i < p->hello.shards; i++)
		p->shards[i] = (struct shard){.peer = p,
					      .index = i,
					      .shm_fd = -1,
					      .bell_dataplane = -1,
					      .bell_control = -1,
					      .pending_last = &p->shards[i].pending,
					      .blocked.fire = on_blocked};
	p->state = PEER_RINGS;
	return 0;
}

static int rings_receive(struct linkpeer *p)
{
	struct link_shard_fds fds;
	uint16_t index;
	int r;

	while (p->n_mapped < p->hello.shards) {
		r = link_shard_recv(p->fd, &index, &fds);
		if (r < 0)
			return r;
		r = rings_map(p, index, &fds);
		if (r < 0)
			return r;
	}
	p->state = PEER_UP;
	p->complained = false;
	timer_cancel(p->env->timers, &p->timer);
	log_line(LOG_L_INFO, "dataplane %s attached", p->hello.name);
	/* What was written before our bells were watched. */
	for (uint16_t i = 0; i < p->hello.shards && p->state == PEER_UP; i++)
		link_bell_ring(p->shards[i].bell_control);
	return 0;
}

static const char *why_text(int r)
{
	switch (r) {
	case -EPROTONOSUPPORT:
		return "it speaks another version of the link: run programs of one release";
	case -EPROTO:
		return "what answers there is not a dataplane";
	case -EPIPE:
		return "it closed the link";
	case -EPERM:
		return "it runs as another user";
	default:
		return strerror(-r);
	}
}

/* Nothing is said there once the rings are up; its end is the dataplane's end. */
static int hear_attached(struct linkpeer *p)
{
	char byte;
	ssize_t n = read(p->fd, &byte, 1);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -EPIPE;
	if (n == 0)
		return -EPIPE;
	p->faulty = true;
	return 0;
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
	struct linkpeer *p = poll->data;
	int r = 0;

	(void)status;
	(void)events;
	if (p->state == PEER_HELLO) {
		r = link_hello_recv(p->fd, &p->hello);
		if (r == 0)
			r = hello_done(p);
	}
	if (r == 0 && p->state == PEER_RINGS)
		r = rings_receive(p);
	else if (r == 0 && p->state == PEER_UP)
		r = hear_attached(p);
	if (r < 0 && r != -EAGAIN)
		detach_because(p, why_text(r));
}

static void on_timer(struct timer *t)
{
	struct linkpeer *p =
		(struct linkpeer *)(void *)((char *)t - offsetof(struct linkpeer, timer));

	if (p->state == PEER_IDLE)
		attach_try(p);
	else
		detach_because(p, "it did not answer in time");
}

static void retry_later(struct linkpeer *p)
{
	if (timer_set(p->env->timers, &p->timer, p->env->now_ms() + LINKPEER_RETRY_MS) < 0)
		log_line(LOG_L_ERROR, "no memory to attach to %s again", p->path);
}

static void attach_try(struct linkpeer *p)
{
	const struct link_hello mine = {
		.magic = LINK_MAGIC, .version = LINK_VERSION, .name = "control"};
	int r = link_connect(p->path);

	if (r >= 0) {
		p->fd = r;
		p->state = PEER_HELLO;
		r = link_hello_send(p->fd, &mine);
	}
	if (r >= 0)
		r = poll_begin(p->loop, p->fd, on_socket, p, &p->poll);
	if (r >= 0)
		r = timer_set(p->env->timers, &p->timer, p->env->now_ms() + LINKPEER_HELLO_MS);
	if (r < 0)
		detach_because(p, why_text(r));
}

/* --- life ------------------------------------------------------------------------ */

int linkpeer_new(uv_loop_t *loop, struct session_env *env, const char *path, struct linkpeer **ret)
{
	struct linkpeer *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	p->path = strdup(path);
	p->turn = calloc(1, sizeof(*p->turn));
	if (p->path == NULL || p->turn == NULL) {
		free(p->path);
		free(p->turn);
		free(p);
		return -ENOMEM;
	}
	uv_prepare_init(loop, p->turn);
	uv_prepare_start(p->turn, on_turn);
	p->turn->data = p;
	p->loop = loop;
	p->env = env;
	p->fd = -1;
	p->state = PEER_IDLE;
	p->timer.fire = on_timer;
	*ret = p;
	attach_try(p);
	return 0;
}

void linkpeer_drain(struct linkpeer *p, bool on)
{
	const size_t n = conf_global(p->env->conf)->n_listens;

	if (p->env->host_only || p->state != PEER_UP || p->drained == on)
		return;
	p->drained = on;
	for (uint16_t i = 0; i < p->hello.shards; i++) {
		if (p->shards[i].table == NULL)
			continue;
		listen_all(&p->shards[i], on);
		for (size_t k = 0; k < n; k++)
			p->closing[k] += on;
	}
	for (size_t k = 0; k < n; k++)
		p->listening[k] = 0;
}

struct linkpeer_status linkpeer_status(const struct linkpeer *p)
{
	bool up = p->state == PEER_UP;

	return (struct linkpeer_status){p->hello.name, p->path, up, up ? p->hello.shards : 0};
}

enum linkpeer_listening linkpeer_listening(const struct linkpeer *p, size_t listen)
{
	if (p->state != PEER_UP || listen >= conf_global(p->env->conf)->n_listens)
		return LINKPEER_LISTEN_ASKED;
	if (p->refused[listen])
		return LINKPEER_LISTEN_FAILED;
	return p->listening[listen] == p->hello.shards ? LINKPEER_LISTENS : LINKPEER_LISTEN_ASKED;
}

uint16_t linkpeer_port(const struct linkpeer *p, size_t listen)
{
	if (p->state != PEER_UP || listen >= conf_global(p->env->conf)->n_listens)
		return 0;
	return p->ports[listen];
}

void linkpeer_shutdown(struct linkpeer *p)
{
	if (p->state != PEER_UP)
		return;
	for (uint16_t i = 0; i < p->hello.shards; i++) {
		struct shard *sh = &p->shards[i];

		if (sh->table != NULL)
			session_table_shutdown(sh->table);
		ring_other(sh);
	}
}

void linkpeer_close(struct linkpeer *p)
{
	if (p == NULL)
		return;
	detach(p);
	uv_prepare_stop(p->turn);
	uv_close((uv_handle_t *)p->turn, on_handle_closed);
	free(p->path);
	free(p);
}
