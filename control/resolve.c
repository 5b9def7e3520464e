#include "control/resolve.h"

#include <ares.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "control/policy/addr.h"

#define SERVER_TIMEOUT_MS 2000 /* for one server, first try */
#define SERVER_TRIES      2
#define NAME_MAX_LEN      256 /* RFC 1035 section 2.3.4, and a NUL */
#define TICK_MS           250 /* how often c-ares looks at its own time-outs */

/* One socket of c-ares under the loop's eye. */
struct watch {
	uv_poll_t poll;
	struct resolver *r;
	ares_socket_t fd;
	struct watch *next;
};

struct resolver {
	uv_loop_t *loop;
	struct timers *timers;
	ares_channel channel;
	uv_timer_t tick;
	struct watch *watches;
	unsigned int open; /* questions c-ares still works on */
	struct question *early;
	bool closing;
};

/*
 * A question belongs to c-ares until its callback. A deadline that passes earlier answers
 * the caller and leaves the rest to the callback.
 */
struct question {
	struct resolver *r;
	struct timer deadline;
	struct resolve_caller caller;
	resolve_done *done;   /* NULL: told already, or */
	resolve_named *named; /* it is this that is called */
	char name[NAME_MAX_LEN];
	/*
	 * An answer that came while resolver_ask() was still running waits in the list of early
	 * ones for its timer, set to now.
	 */
	bool asking;
	struct question *next;
	int err;
	struct link_addr addr[RESOLVE_ADDRS_MAX];
	size_t n;
};

/* --- sockets -------------------------------------------------------------------- */

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;
	ares_socket_t rd = ARES_SOCKET_BAD, wr = ARES_SOCKET_BAD;

	if (status < 0 || (events & UV_READABLE) != 0)
		rd = w->fd;
	if (status < 0 || (events & UV_WRITABLE) != 0)
		wr = w->fd;
	ares_process_fd(w->r->channel, rd, wr); /* w may be gone after this */
}

static void watch_closed(uv_handle_t *h)
{
	free(h->data);
}

static void watch_end(struct watch **at)
{
	struct watch *w = *at;

	*at = w->next;
	uv_poll_stop(&w->poll);
	uv_close((uv_handle_t *)&w->poll, watch_closed);
}

static struct watch *watch_new(struct resolver *r, ares_socket_t fd)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->r = r;
	w->fd = fd;
	if (uv_poll_init(r->loop, &w->poll, fd) < 0) {
		free(w);
		return NULL;
	}
	w->poll.data = w;
	w->next = r->watches;
	r->watches = w;
	return w;
}

/* c-ares says what it wants to know about a socket of its own; it closes it afterwards. */
static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = arg;
	struct watch **at = &r->watches, *w;

	while (*at != NULL && (*at)->fd != fd)
		at = &(*at)->next;
	if (!readable && !writable) {
		if (*at != NULL)
			watch_end(at);
		return;
	}
	w = *at != NULL ? *at : watch_new(r, fd);
	if (w != NULL) /* else the question ends by its time-out */
		uv_poll_start(&w->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0),
			      on_ready);
}

static void on_tick(uv_timer_t *tick)
{
	struct resolver *r = tick->data;

	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	if (r->open == 0)
		uv_timer_stop(&r->tick);
}

/* --- questions ------------------------------------------------------------------- */

static void tell(struct question *q)
{
	resolve_done *done = q->done;
	resolve_named *named = q->named;

	timer_cancel(q->r->timers, &q->deadline);
	q->done = NULL;
	q->named = NULL;
	if (q->r->closing)
		return;
	if (done != NULL)
		done(&q->caller, q->err, q->addr, q->n);
	if (named != NULL)
		named(&q->caller, q->err, q->name);
}

static struct question *question_of(struct timer *t)
{
	return (struct question *)(void *)((char *)t - offsetof(struct question, deadline));
}

static void on_deadline(struct timer *t)
{
	struct question *q = question_of(t);

	q->err = -ETIMEDOUT;
	q->n = 0;
	tell(q);
}

/* The answer was there before resolver_ask() returned. */
static void on_early(struct timer *t)
{
	struct question *q = question_of(t);
	struct question **at = &q->r->early;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	tell(q);
	free(q);
}

/* What c-ares had to say is in q. */
static void answered(struct question *q)
{
	if (q->asking) {
		q->asking = false; /* question_asked() sees to it */
		return;
	}
	tell(q);
	free(q);
}

static void take_addrs(struct question *q, const struct ares_addrinfo *ai)
{
	const struct ares_addrinfo_node *n;

	for (n = ai->nodes; n != NULL && q->n < RESOLVE_ADDRS_MAX; n = n->ai_next) {
		struct link_addr a = {0};

		if (n->ai_family == AF_INET) {
			a.family = 4;
			memcpy(a.addr, &((struct sockaddr_in *)(void *)n->ai_addr)->sin_addr, 4);
		} else if (n->ai_family == AF_INET6) {
			a.family = 6;
			memcpy(a.addr, &((struct sockaddr_in6 *)(void *)n->ai_addr)->sin6_addr, 16);
		} else {
			continue;
		}
		addr_unmap(&a);
		if (!addr_is_one_of(&a, q->addr, q->n))
			q->addr[q->n++] = a;
	}
}

static int error_of(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return 0;
	case ARES_ETIMEOUT:
		return -ETIMEDOUT;
	case ARES_ENOMEM:
		return -ENOMEM;
	case ARES_ENODATA:
	case ARES_ENOTFOUND:
	case ARES_EBADNAME:
		return -ENOENT;
	default:
		return -EIO;
	}
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *ai)
{
	struct question *q = arg;

	(void)timeouts;
	q->r->open--;
	if (q->done != NULL) {
		q->err = error_of(status);
		if (status == ARES_SUCCESS && ai != NULL)
			take_addrs(q, ai);
		if (q->err == 0 && q->n == 0)
			q->err = -ENOENT;
	}
	ares_freeaddrinfo(ai);
	answered(q);
}

static void on_name(void *arg, int status, int timeouts, char *node, char *service)
{
	struct question *q = arg;
	size_t n = node != NULL ? strlen(node) : 0;

	(void)timeouts;
	(void)service;
	q->r->open--;
	if (q->named != NULL) {
		q->err = error_of(status);
		if (q->err == 0 && (n == 0 || n >= sizeof(q->name)))
			q->err = -ENOENT;
		if (q->err == 0)
			memcpy(q->name, node, n + 1);
	}
	answered(q);
}

static struct question *question_new(struct resolver *r, uint64_t deadline_ms,
				     const struct resolve_caller *caller)
{
	struct question *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->r = r;
	q->caller = *caller;
	q->deadline.fire = on_deadline;
	if (timer_set(r->timers, &q->deadline, deadline_ms) < 0) {
		free(q);
		return NULL;
	}
	q->asking = true;
	r->open++;
	if (!uv_is_active((uv_handle_t *)&r->tick))
		uv_timer_start(&r->tick, on_tick, TICK_MS, TICK_MS);
	return q;
}

/* It was asked: the caller hears later even if the answer is there. */
static int question_asked(struct question *q)
{
	struct resolver *r = q->r;

	if (q->asking) {
		q->asking = false;
		return 0;
	}
	q->deadline.fire = on_early;
	q->next = r->early;
	r->early = q;
	return timer_set(r->timers, &q->deadline, 0); /* moves an armed one: cannot fail */
}

int resolver_ask(struct resolver *r, const char *host, uint64_t deadline_ms,
		 const struct resolve_caller *caller, resolve_done *done)
{
	const struct ares_addrinfo_hints hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT};
	struct question *q = question_new(r, deadline_ms, caller);

	if (q == NULL)
		return -ENOMEM;
	q->done = done;
	ares_getaddrinfo(r->channel, host, NULL, &hints, on_answer, q);
	return question_asked(q);
}

int resolver_name(struct resolver *r, const struct link_addr *addr, uint64_t deadline_ms,
		  const struct resolve_caller *caller, resolve_named *named)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_scope_id = 0};
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct question *q = question_new(r, deadline_ms, caller);

	if (q == NULL)
		return -ENOMEM;
	q->named = named;
	memcpy(&in.sin_addr, addr->addr, sizeof(in.sin_addr));
	memcpy(&in6.sin6_addr, addr->addr, sizeof(in6.sin6_addr));
	ares_getnameinfo(r->channel,
			 addr->family == 4 ? (const struct sockaddr *)&in
					   : (const struct sockaddr *)&in6,
			 addr->family == 4 ? sizeof(in) : sizeof(in6),
			 ARES_NI_LOOKUPHOST | ARES_NI_NAMEREQD, on_name, q);
	return question_asked(q);
}

/* --- life ------------------------------------------------------------------------- */

int resolver_new(uv_loop_t *loop, struct timers *timers, struct resolver **ret)
{
	struct resolver *r = calloc(1, sizeof(*r));
	struct ares_options o = {.timeout = SERVER_TIMEOUT_MS,
				 .tries = SERVER_TRIES,
				 .sock_state_cb = on_socket,
				 .sock_state_cb_data = r};

	if (r == NULL)
		return -ENOMEM;
	r->loop = loop;
	r->timers = timers;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS ||
	    ares_init_options(&r->channel, &o,
			      ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB) !=
		    ARES_SUCCESS) {
		free(r);
		return -EIO;
	}
	uv_timer_init(loop, &r->tick);
	r->tick.data = r;
	*ret = r;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

void resolver_close(struct resolver *r)
{
	if (r == NULL)
		return;
	r->closing = true;
	ares_destroy(r->channel); /* calls back for every open question */
	while (r->early != NULL)
		on_early(&r->early->deadline);
	while (r->watches != NULL)
		watch_end(&r->watches);
	ares_library_cleanup();
	uv_close((uv_handle_t *)&r->tick, on_closed);
}
