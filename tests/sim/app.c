/* tests/sim/app.c - see app.h. */
#include "tests/sim/app.h"

#include <string.h>

uint8_t app_pattern(uint64_t key, uint64_t i)
{
	uint64_t z = (i >> 3) * 0x9e3779b97f4a7c15 + key;

	z = (z ^ z >> 29) * 0xbf58476d1ce4e5b9;
	z ^= z >> 32;
	return (uint8_t)(z >> (8 * (i & 7)));
}

static void on_ready(struct stream *s)
{
	struct app *a = s->user_ptr;

	a->news = true;
}

static const struct stream_user user = {.ready = on_ready};

void app_init(struct app *a, struct tcp *tcp, struct rte_mempool *pool, uint64_t tx_key,
	      uint64_t rx_key, uint64_t tx_total)
{
	*a = (struct app){.tcp = tcp,
			  .pool = pool,
			  .tx_key = tx_key,
			  .rx_key = rx_key,
			  .tx_total = tx_total,
			  .close_at_eof = true};
}

static bool on_accept(void *arg, struct stream *s, uint32_t listener, const struct net_addr *local,
		      uint16_t local_port, const struct net_addr *peer, uint16_t peer_port)
{
	struct app *a = arg;

	(void)listener, (void)local, (void)local_port, (void)peer, (void)peer_port;
	if (a->s != NULL || a->refuse)
		return false;
	a->s = s;
	s->user = &user;
	s->user_ptr = a;
	a->accepted = true;
	a->local = *local;
	a->peer = *peer;
	a->rx_total = a->tx_done = 0;
	return true;
}

int app_listen(struct app *a, uint16_t port, uint32_t backlog)
{
	struct net_addr any = {0};

	return tcp_listen(a->tcp, &any, port, port, backlog, on_accept, a);
}

int app_connect(struct app *a, const struct net_addr *to, uint16_t port)
{
	struct stream_provider p;

	tcp_provider(a->tcp, &p);
	return p.connect(p.arg, to, port, &user, a, &a->s);
}

void app_close(struct app *a)
{
	a->s->ops->close(a->s);
	a->s = NULL;
	a->closed = true;
}

void app_abort(struct app *a)
{
	a->s->ops->abort(a->s);
	a->s = NULL;
	a->closed = true;
}

static void check(struct app *a, const struct pkt_chain *c)
{
	for (const struct rte_mbuf *m = c->head; m != NULL; m = m->next) {
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

		for (uint32_t i = 0; i < m->data_len; i++)
			if (p[i] != app_pattern(a->rx_key, a->rx_total++))
				a->wrong = true;
	}
}

static bool read_some(struct app *a)
{
	struct pkt_chain c = {0};
	uint32_t n;

	if (a->paused || a->s->ops->rx_len(a->s) == 0)
		return false;
	n = a->s->ops->rx_take(a->s, a->read_max != 0 ? a->read_max : UINT32_MAX, &c);
	if (n != c.len)
		a->wrong = true;
	check(a, &c);
	pkt_chain_free(&c);
	return n > 0;
}

static bool write_some(struct app *a)
{
	uint8_t buf[16384];
	uint32_t n = a->write_max != 0 ? a->write_max : sizeof(buf);
	struct pkt_chain c;

	n = (uint32_t)RTE_MIN((uint64_t)n, a->tx_total - a->tx_done);
	n = RTE_MIN(n, a->s->ops->tx_space(a->s));
	if (n == 0)
		return false;
	for (uint32_t i = 0; i < n; i++)
		buf[i] = app_pattern(a->tx_key, a->tx_done + i);
	if (pkt_chain_from(buf, n, a->pool, &c) < 0)
		return false; /* the pool is empty: later */
	if (a->s->ops->tx(a->s, &c) < 0)
		return false;
	a->tx_done += n;
	return true;
}

bool app_step(struct app *a)
{
	bool did = false;
	uint8_t ev;

	if (a->s == NULL)
		return false;
	ev = stream_events(a->s);
	a->news = false;
	a->connected |= (ev & STREAM_EV_CONNECTED) != 0;
	a->eof |= (ev & STREAM_EV_EOF) != 0;
	if (ev & STREAM_EV_ERROR) {
		a->error = true;
		a->err = a->s->err;
		app_close(a);
		return true;
	}
	did |= read_some(a);
	if (a->connected || a->accepted)
		did |= write_some(a);
	if (!a->was_shut && !a->no_shutdown && a->tx_done == a->tx_total &&
	    (a->connected || a->accepted)) {
		a->s->ops->shutdown(a->s);
		a->was_shut = true;
		did = true;
	}
	if (a->was_shut && a->close_at_eof && a->eof && a->s->ops->rx_len(a->s) == 0) {
		app_close(a);
		did = true;
	}
	return did;
}

bool apps_step(void *apps)
{
	struct apps *set = apps;
	bool did = false;

	for (unsigned int i = 0; i < set->n; i++)
		did |= app_step(set->a[i]);
	return did;
}

void apps_add(struct apps *set, struct app *a)
{
	set->a[set->n++] = a;
}
