/*
 * tests/util/relay_bench.h - a relay on a bench: streams in memory, a link in memory on which
 * the test itself is control, and a client over ssh/flat.h. No clock but bench_now.
 *
 * The exchange of keys is played, not computed: to a shard it is messages 20 to 49 it
 * carries, and keys that come as items.
 */
#ifndef SLUICE_TESTS_UTIL_RELAY_BENCH_H
#define SLUICE_TESTS_UTIL_RELAY_BENCH_H

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "dataplane/relay/relay.h"
#include "ssh/chan.h"
#include "ssh/err.h"
#include "ssh/flat.h"
#include "ssh/msg.h"
#include "tests/util/cut.h"
#include "tests/util/eal.h"

#ifndef BENCH_CONNS /* of a test that needs many */
#define BENCH_CONNS   4
#define BENCH_STREAMS 64
#define BENCH_MSGS    8192
#define BENCH_TABLE   16 /* channels of all */
#endif
#ifndef BENCH_CHANS
#define BENCH_CHANS 8
#endif
#define BENCH_WINDOW (64 * 1024)
#define BENCH_PACKET 32768

/* A stream whose other end is the test. */
struct fake {
	struct stream s;
	struct pkt_chain rx, tx;
	bool eof, shut, closed, aborted, used;
	uint32_t budget;
	uint16_t port; /* a target's */
	int nodelay;   /* 1 on, -1 off, 0: never said */
	uint8_t qos;
	uint16_t asker;
};

static struct pkt_pools bench_pools;
static struct cipher_engine *bench_engine, *bench_peer_engine;
static struct relay *bench;
static struct rnd bench_rnd;
static uint64_t bench_now = 1000000;
static struct fake fake[BENCH_STREAMS];
static unsigned int bench_targets; /* streams handed out by connect */
static int bench_connect_err;      /* what connect says at once */
static uint32_t bench_idle_ms;     /* ChannelTimeout of what is opened */
static bool bench_link_full, bench_link_gone;
static bool bench_kept;               /* what a control is told that attaches is heard, too */
static bool bench_acks = true;        /* the end of a connection is acknowledged at once */
static unsigned int bench_grants_max; /* 0: the default */
static bool bench_audit_refuse;
static struct relay_listens bench_listens;
static bool (*bench_proxied)(void *arg, const struct link_addr *peer);
static uint8_t bench_proxy; /* of client_open() */
/* relay_conf.host_claim */
static int (*bench_claim)(void *arg, uint64_t fds, const struct stream_user *user, void *user_ptr,
			  struct stream **ret);
static void (*bench_size)(struct stream *s, uint16_t columns, uint16_t rows, uint16_t width,
			  uint16_t height); /* relay_conf.host_size */
static void (*bench_cut)(struct stream *s, const struct link_chan_cut *how); /* .host_cut */
static int (*bench_say)(struct stream *s, bool err, struct pkt_chain *bytes); /* .host_say */
static void (*bench_say_end)(struct stream *s);                               /* .host_end */
static struct {
	uint8_t *p;
	size_t len;
} bench_up[BENCH_MSGS], bench_down[BENCH_MSGS];
static unsigned int up_put, up_got, down_put, down_got;

/* --- streams ---------------------------------------------------------------------------- */

static struct fake *fake_of(const struct stream *s)
{
	struct fake *f = (struct fake *)(uintptr_t)s;

	cr_assert(!f->closed && !f->aborted, "a stream was touched after it was let go");
	return f;
}

static uint32_t fake_rx_take(struct stream *s, uint32_t max, struct pkt_chain *ret)
{
	struct fake *f = fake_of(s);
	uint32_t n = RTE_MIN(max, f->rx.len);

	if (n == 0 || pkt_chain_split(&f->rx, n, ret, bench_pools.data) < 0)
		return 0;
	return n;
}

static uint32_t fake_rx_len(const struct stream *s)
{
	return fake_of(s)->rx.len;
}

static int fake_tx(struct stream *s, struct pkt_chain *c)
{
	struct fake *f = fake_of(s);

	if (f->shut || (f->s.err != 0)) {
		pkt_chain_free(c);
		return -EPIPE;
	}
	pkt_chain_join(&f->tx, c);
	return 0;
}

static uint32_t fake_tx_space(const struct stream *s)
{
	struct fake *f = fake_of(s);

	return f->tx.len < f->budget ? f->budget - f->tx.len : 0;
}

static uint32_t fake_tx_queued(const struct stream *s)
{
	return fake_of(s)->tx.len;
}

static void fake_shutdown(struct stream *s)
{
	fake_of(s)->shut = true;
}

static void fake_close(struct stream *s)
{
	fake_of(s)->closed = true;
	stream_closed(s);
}

static void fake_abort(struct stream *s)
{
	struct fake *f = fake_of(s);

	f->aborted = true;
	pkt_chain_free(&f->tx);
}

static const struct stream_ops fake_ops = {
	.rx_take = fake_rx_take,
	.rx_len = fake_rx_len,
	.tx = fake_tx,
	.tx_space = fake_tx_space,
	.tx_queued = fake_tx_queued,
	.shutdown = fake_shutdown,
	.close = fake_close,
	.abort = fake_abort,
};

static struct fake *fake_new(void)
{
	for (unsigned int i = 0; i < BENCH_STREAMS; i++) {
		if (fake[i].used)
			continue;
		fake[i] = (struct fake){.s = {.ops = &fake_ops, .kind = STREAM_TCP},
					.used = true,
					.budget = 1 << 20};
		return &fake[i];
	}
	cr_assert_fail("no more streams on the bench");
	return NULL;
}

static void fake_give(struct fake *f, const void *p, uint32_t n)
{
	cut_append(&f->rx, bench_pools.data, &bench_rnd, p, n, 1 + rnd_below(&bench_rnd, 1500));
	stream_notify(&f->s, STREAM_EV_READABLE);
}

static inline void fake_eof(struct fake *f)
{
	f->eof = true;
	stream_notify(&f->s, STREAM_EV_EOF);
}

static inline void fake_fail(struct fake *f, int err)
{
	f->s.err = err;
	stream_notify(&f->s, STREAM_EV_ERROR);
}

/* The other end takes n bytes. */
static inline void fake_drain(struct fake *f, void *buf, uint32_t n)
{
	cr_assert_leq(n, f->tx.len);
	if (buf != NULL)
		cr_assert(pkt_chain_read(&f->tx, 0, buf, n));
	while (n > 0) {
		struct pkt_chain junk = {0};
		uint32_t k = RTE_MIN(n, (uint32_t)f->tx.head->data_len);

		cr_assert_eq(pkt_chain_split(&f->tx, k, &junk, bench_pools.data), 0);
		pkt_chain_free(&junk);
		n -= k;
	}
	if (f->closed)
		stream_left(&f->s, f->tx.len);
	else if (!f->aborted)
		stream_notify(&f->s, STREAM_EV_WRITABLE);
}

/* One that was let go is given up with what it still has. */
static inline void fake_drop(struct fake *f)
{
	cr_assert(f->closed);
	pkt_chain_free(&f->tx);
	stream_left(&f->s, 0);
}

static int fake_connect(void *arg, const struct net_addr *addr, uint16_t port,
			const struct stream_user *user, void *user_ptr, struct stream **ret)
{
	struct fake *f;

	if (bench_connect_err != 0)
		return bench_connect_err;
	f = fake_new();
	f->port = port;
	f->s.user = user;
	f->s.user_ptr = user_ptr;
	bench_targets++;
	*ret = &f->s;
	return 0;
}

/* The newest stream. */
static inline struct fake *fake_last(void)
{
	for (unsigned int i = BENCH_STREAMS; i-- > 0;)
		if (fake[i].used)
			return &fake[i];
	return NULL;
}

static void fake_totals(const struct stream *s, uint64_t *ret_in, uint64_t *ret_out)
{
	*ret_in = 11;
	*ret_out = 22;
}

static void (*bench_totals)(const struct stream *s, uint64_t *ret_in,
			    uint64_t *ret_out) = fake_totals; /* relay_conf.stream_totals */

/* --- the link: the test is control ------------------------------------------------------- */

static uint32_t bench_rtt_us; /* of every stream */

static uint32_t fake_rtt(const struct stream *s)
{
	(void)s;
	return bench_rtt_us;
}

static void fake_nodelay(struct stream *s, bool on)
{
	fake_of(s)->nodelay = on ? 1 : -1;
}

static void fake_qos(struct stream *s, uint8_t qos)
{
	fake_of(s)->qos = qos;
}

static void fake_asker(struct stream *s, uint16_t asker)
{
	fake_of(s)->asker = asker;
}

static void down(uint16_t type, struct link_handle conn, const void *body, size_t body_len,
		 const void *tail, size_t tail_len);

static void end_heard(const struct link_hdr *h)
{
	const struct link_conn_end *end = link_msg_body(h);
	struct link_audit_ack ack;

	if (h->type != LINK_EV_CONN_END || !bench_acks)
		return;
	ack = (struct link_audit_ack){end->audit_id};
	down(LINK_CMD_AUDIT_ACK, (struct link_handle){0}, &ack, sizeof(ack), NULL, 0);
}

static int link_send(void *arg, const void *head, size_t head_len, const void *body,
		     size_t body_len)
{
	uint16_t type = ((const struct link_hdr *)head)->type;

	if (bench_link_gone)
		return -ENOTCONN;
	if (bench_link_full)
		return -EAGAIN;
	if (!bench_kept && (type == LINK_EV_CONN_KEPT || type == LINK_EV_CHAN_KEPT ||
			    type == LINK_EV_FORWARD_KEPT || type == LINK_EV_KEX_KEPT))
		return 0;
	cr_assert_lt(up_put, (unsigned int)BENCH_MSGS);
	bench_up[up_put].p = malloc(head_len + body_len);
	memcpy(bench_up[up_put].p, head, head_len);
	if (body_len > 0)
		memcpy(bench_up[up_put].p + head_len, body, body_len);
	bench_up[up_put].len = head_len + body_len;
	cr_assert_eq(link_msg_check(bench_up[up_put].p, bench_up[up_put].len), 0, "type %u",
		     ((struct link_hdr *)(void *)bench_up[up_put].p)->type);
	up_put++;
	end_heard((struct link_hdr *)(void *)bench_up[up_put - 1].p);
	return 0;
}

static int link_recv(void *arg, void *buf, size_t size)
{
	size_t len;

	if (bench_link_gone)
		return -ENOTCONN;
	if (down_got == down_put)
		return -EAGAIN;
	len = bench_down[down_got].len;
	memcpy(buf, bench_down[down_got].p, len);
	free(bench_down[down_got++].p);
	return (int)len;
}

/* The next event, or NULL. Valid until the end of the test. */
static struct link_hdr *up_next(void)
{
	return up_got < up_put ? (struct link_hdr *)(void *)bench_up[up_got++].p : NULL;
}

/* The next event, which is of this type; its body. */
static inline const void *up_expect(uint16_t type, struct link_handle *ret_conn)
{
	struct link_hdr *h = up_next();

	/* Passed over where nobody asks for it: that a direction is at its end. */
	while (h != NULL && h->type == LINK_EV_CHAN_EOF && type != LINK_EV_CHAN_EOF)
		h = up_next();
	cr_assert_not_null(h, "awaited event %u, there is none", type);
	cr_assert_eq(h->type, type, "awaited event %u, it is %u", type, h->type);
	if (ret_conn != NULL)
		*ret_conn = h->conn;
	return link_msg_body(h);
}

static void down(uint16_t type, struct link_handle conn, const void *body, size_t body_len,
		 const void *tail, size_t tail_len)
{
	struct link_hdr h = {
		.len = (uint32_t)(sizeof(h) + body_len + tail_len), .type = type, .conn = conn};

	cr_assert_lt(down_put, (unsigned int)BENCH_MSGS);
	bench_down[down_put].p = malloc(h.len);
	bench_down[down_put].len = h.len;
	memcpy(bench_down[down_put].p, &h, sizeof(h));
	memcpy(bench_down[down_put].p + sizeof(h), body, body_len);
	if (tail_len > 0)
		memcpy(bench_down[down_put].p + sizeof(h) + body_len, tail, tail_len);
	cr_assert_eq(link_msg_check(bench_down[down_put].p, h.len), 0, "item %u", type);
	down_put++;
}

static void down_bytes(uint16_t type, struct link_handle conn, const void *p, uint32_t len)
{
	struct link_bytes b = {.len = len};

	down(type, conn, &b, sizeof(b), p, len);
}

static void down_answered(struct link_handle conn, uint32_t payloads, uint32_t bytes)
{
	struct link_answered a = {payloads, bytes};

	down(LINK_IT_ANSWERED, conn, &a, sizeof(a), NULL, 0);
}

/* --- a client ----------------------------------------------------------------------------- */

struct client {
	struct fake *f;
	struct ssh_flat flat;
	struct link_handle h;
	uint8_t keys; /* the seed of the next ones */
	const char *cipher, *mac;
};

static unsigned int bench_turn(void)
{
	unsigned int work;

	work = relay_timers(bench, bench_now);
	work += relay_open(bench, bench_now);
	work += relay_run(bench, bench_now);
	work += relay_seal(bench, bench_now);
	return work;
}

/* Turns until nothing is done any more; that it comes to an end is part of every test. */
static void bench_settle(void)
{
	for (unsigned int i = 0; i < 100000; i++)
		if (bench_turn() == 0 && bench_turn() == 0)
			return;
	cr_assert_fail("the relay does not come to rest");
}

static inline void bench_pass(uint64_t us)
{
	bench_now += us;
	bench_settle();
}

/* Moves what the relay gave the client's stream to the client. */
static void client_pull(struct client *c)
{
	static uint8_t buf[4 << 20];
	uint32_t n = c->f->tx.len;

	if (n == 0)
		return;
	cr_assert_leq(n, sizeof(buf));
	fake_drain(c->f, buf, n);
	cr_assert_eq(ssh_flat_feed(&c->flat, buf, n), 0);
}

/* Moves what the client has written to its stream. */
static void client_push(struct client *c)
{
	size_t n;
	const uint8_t *p = ssh_flat_out(&c->flat, &n);

	if (n > 0)
		fake_give(c->f, p, (uint32_t)n);
	ssh_flat_sent(&c->flat, n);
}

static void client_send(struct client *c, const void *p, size_t n)
{
	cr_assert_eq(ssh_flat_send(&c->flat, p, n), 0);
	client_push(c);
}

static inline void client_send_byte(struct client *c, uint8_t msg)
{
	client_send(c, &msg, 1);
}

/* The next message to the client, or 0: none came. */
static uint8_t client_next(struct client *c, const uint8_t **ret, size_t *ret_len)
{
	uint32_t seqnr;
	int r;

	bench_settle();
	client_pull(c);
	r = ssh_flat_next(&c->flat, ret, ret_len, &seqnr);
	if (r == -EAGAIN)
		return 0;
	cr_assert_eq(r, 0, "the client cannot open it: %d", r);
	return (*ret)[0];
}

static inline void client_expect(struct client *c, uint8_t msg)
{
	const uint8_t *p;
	size_t n;
	uint8_t got = client_next(c, &p, &n);

	cr_assert_eq(got, msg, "awaited message %u, it is %u", msg, got);
}

static void keys_of(const struct client *c, uint8_t seed, struct link_keys *ret)
{
	const struct cipher_suite *s = cipher_suite_find(c->cipher, c->mac);

	*ret = (struct link_keys){
		.reset_seqnr = 1,
		.key_len = s->key_len,
		.iv_len = s->iv_len,
		.mac_key_len = s->mac_key_len,
	};
	strncpy(ret->cipher, c->cipher, sizeof(ret->cipher) - 1);
	strncpy(ret->mac, c->mac, sizeof(ret->mac) - 1);
	memset(ret->key, seed, s->key_len);
	memset(ret->iv, seed + 1, s->iv_len);
	memset(ret->mac_key, seed + 2, s->mac_key_len);
}

static void client_dir_keys(struct client *c, struct ssh_dir *d, uint8_t seed)
{
	struct link_keys k;

	keys_of(c, seed, &k);
	cr_assert_eq(ssh_dir_rekey(d, bench_peer_engine, cipher_suite_find(c->cipher, c->mac),
				   k.key, k.iv, k.mac_key, true, NULL),
		     0);
	d->packet_max = SSH_PACKET_MAX;
}

static void down_payload(const struct client *c, const void *p, uint32_t n)
{
	down_bytes(LINK_IT_PAYLOAD, c->h, p, n);
}

static inline void down_msg(const struct client *c, uint8_t msg)
{
	down_payload(c, &msg, 1);
}

/* The next event, which is this payload of the client's; answered at once. */
static inline void up_payload_expect(const struct client *c, uint8_t msg)
{
	const struct link_payload *p;

	bench_settle();
	/* News of channels may come in between. */
	while (up_got < up_put &&
	       ((struct link_hdr *)(void *)bench_up[up_got].p)->type == LINK_EV_CHAN_OPENED)
		up_got++;
	p = up_expect(LINK_EV_PAYLOAD, NULL);
	cr_assert_eq(((const uint8_t *)(p + 1))[0], msg, "awaited payload %u, it is %u", msg,
		     ((const uint8_t *)(p + 1))[0]);
	down_answered(c->h, 1, p->len);
}

static struct client client_new(const char *cipher, const char *mac)
{
	static const struct link_addr local = {.family = 4, .port = 22};
	static const struct link_addr peer = {.family = 4, .port = 50022};
	struct client c = {.f = fake_new(), .cipher = cipher, .mac = mac, .keys = 1};
	const struct link_conn_new *ev;

	ssh_flat_init(&c.flat, bench_peer_engine);
	cr_assert(relay_accept(bench, &c.f->s, 7, &local, &peer, bench_now));
	bench_settle();
	ev = up_expect(LINK_EV_CONN_NEW, &c.h);
	cr_assert_eq(ev->listener, 7);
	return c;
}

/* Identification, both ways. */
static void client_ident(struct client *c)
{
	static const char ident[] = "SSH-2.0-bench\r\n";
	const struct link_bytes *b;
	const char *line;
	size_t n;

	ssh_flat_raw(&c->flat, ident, sizeof(ident) - 1);
	client_push(c);
	down_bytes(LINK_IT_IDENT, c->h, ident, sizeof(ident) - 1);
	bench_settle();
	b = up_expect(LINK_EV_IDENT, NULL);
	cr_assert_eq(b->len, sizeof(ident) - 3);
	client_pull(c);
	cr_assert_eq(ssh_flat_line(&c->flat, SSH_CLIENT, &line, &n), 0);
}

/* A whole exchange, begun by the client. */
static void client_kex(struct client *c)
{
	struct link_keys k;

	client_send_byte(c, SSH_MSG_KEXINIT);
	up_payload_expect(c, SSH_MSG_KEXINIT);
	down_msg(c, SSH_MSG_KEXINIT);
	client_send_byte(c, SSH_MSG_KEX_ECDH_INIT);
	up_payload_expect(c, SSH_MSG_KEX_ECDH_INIT);
	down_msg(c, SSH_MSG_KEX_ECDH_REPLY);
	down_msg(c, SSH_MSG_NEWKEYS);
	keys_of(c, c->keys, &k);
	down(LINK_IT_TX_KEYS, c->h, &k, sizeof(k), NULL, 0);
	client_expect(c, SSH_MSG_KEXINIT);
	client_expect(c, SSH_MSG_KEX_ECDH_REPLY);
	client_expect(c, SSH_MSG_NEWKEYS);
	client_dir_keys(c, &c->flat.rx, c->keys);
	client_send_byte(c, SSH_MSG_NEWKEYS);
	client_dir_keys(c, &c->flat.tx, c->keys + 10);
	up_payload_expect(c, SSH_MSG_NEWKEYS);
	keys_of(c, c->keys + 10, &k);
	down(LINK_IT_RX_KEYS, c->h, &k, sizeof(k), NULL, 0);
	bench_settle();
	c->keys += 20;
}

static void client_auth(struct client *c, const struct link_authenticated *a)
{
	client_send_byte(c, SSH_MSG_USERAUTH_REQUEST);
	up_payload_expect(c, SSH_MSG_USERAUTH_REQUEST);
	down_msg(c, SSH_MSG_USERAUTH_SUCCESS);
	down(LINK_IT_AUTHENTICATED, c->h, a, sizeof(*a), NULL, 0);
	client_expect(c, SSH_MSG_USERAUTH_SUCCESS);
}

static const struct link_authenticated bench_auth = {
	.max_channels = BENCH_CHANS,
	.window_size = BENCH_WINDOW,
	.packet_max = BENCH_PACKET,
	.kex_timeout_ms = 5000,
};

/* Logged in, with GCM. */
static inline struct client client_login(void)
{
	struct client c = client_new("aes128-gcm@openssh.com", "");

	client_ident(&c);
	client_kex(&c);
	client_auth(&c, &bench_auth);
	return c;
}

/* The client's half of the exchange, up to its NEWKEYS, and the keys of both. */
static inline void client_rekey(struct client *c)
{
	struct link_keys k;

	client_send_byte(c, SSH_MSG_KEXINIT);
	up_payload_expect(c, SSH_MSG_KEXINIT);
	client_send_byte(c, SSH_MSG_KEX_ECDH_INIT);
	up_payload_expect(c, SSH_MSG_KEX_ECDH_INIT);
	down_msg(c, SSH_MSG_KEX_ECDH_REPLY);
	down_msg(c, SSH_MSG_NEWKEYS);
	client_expect(c, SSH_MSG_KEX_ECDH_REPLY);
	client_expect(c, SSH_MSG_NEWKEYS);
	keys_of(c, c->keys, &k);
	down(LINK_IT_TX_KEYS, c->h, &k, sizeof(k), NULL, 0);
	client_dir_keys(c, &c->flat.rx, c->keys);
	client_send_byte(c, SSH_MSG_NEWKEYS);
	client_dir_keys(c, &c->flat.tx, c->keys + 10);
	up_payload_expect(c, SSH_MSG_NEWKEYS);
	keys_of(c, c->keys + 10, &k);
	down(LINK_IT_RX_KEYS, c->h, &k, sizeof(k), NULL, 0);
	c->keys += 20;
	bench_settle();
}

/* --- a channel of the client's -------------------------------------------------------------- */

struct bench_chan {
	uint32_t local;  /* the relay's number */
	uint32_t number; /* the client's */
	struct fake *target;
	uint32_t window; /* the first one */
};

static void client_open(struct client *c, uint32_t number, uint32_t window, uint32_t packet_max,
			uint16_t n_addrs)
{
	static const uint8_t open[] = {SSH_MSG_CHANNEL_OPEN, 'x'}; /* control's to read */
	struct link_chan_connect m = {
		.peer_channel = number,
		.peer_window = window,
		.peer_packet_max = packet_max,
		.connect_timeout_ms = 1000,
		.n_addrs = n_addrs,
		.kind = 1,
		.idle_ms = bench_idle_ms,
		.token = 1000 + number,
		.proxy = bench_proxy,
	};

	for (unsigned int i = 0; i < n_addrs; i++)
		m.addr[i] = (struct link_addr){.family = 4, .port = (uint16_t)(80 + i)};
	client_send(c, open, sizeof(open));
	up_payload_expect(c, SSH_MSG_CHANNEL_OPEN);
	down(LINK_IT_CHAN_CONNECT, c->h, &m, sizeof(m), NULL, 0);
	bench_settle();
}

/* Reads a CONFIRMATION the client got. */
static inline struct bench_chan client_confirmed(struct client *c)
{
	struct bench_chan ch = {.target = fake_last()};
	struct ssh_chan_confirm m;
	const uint8_t *p;
	struct ssh_rd r;
	size_t n;

	cr_assert_eq(client_next(c, &p, &n), SSH_MSG_CHANNEL_OPEN_CONFIRMATION);
	ssh_rd_init(&r, p + 1, n - 1);
	cr_assert_eq(ssh_chan_confirm_parse(&r, &m), 0);
	ch.window = m.window_size;
	cr_assert_eq(m.packet_max, (uint32_t)BENCH_PACKET);
	ch.local = m.sender_channel;
	ch.number = m.recipient_channel;
	return ch;
}

static inline struct bench_chan client_channel(struct client *c, uint32_t number, uint32_t window)
{
	const struct link_chan_ref *ref;
	struct bench_chan ch;

	client_open(c, number, window, 32768, 1);
	stream_notify(&fake_last()->s, STREAM_EV_CONNECTED);
	ch = client_confirmed(c);
	ref = up_expect(LINK_EV_CHAN_OPENED, NULL);
	cr_assert_eq(ref->local_channel, ch.local);
	cr_assert_eq(ref->token, 1000 + number);
	cr_assert_eq(ref->target.port, 80);
	return ch;
}

static inline void client_data(struct client *c, uint32_t channel, const void *p, uint32_t n)
{
	static uint8_t buf[SSH_PACKET_MAX];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_data_head_build(&w, channel, n);
	ssh_wr_bytes(&w, p, n);
	client_send(c, buf, ssh_wr_done(&w));
}

static inline void client_simple(struct client *c, uint8_t msg, uint32_t channel)
{
	uint8_t buf[5];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_simple_build(&w, msg, channel);
	client_send(c, buf, ssh_wr_done(&w));
}

static inline void client_adjust(struct client *c, uint32_t channel, uint32_t n)
{
	uint8_t buf[9];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_adjust_build(&w, channel, n);
	client_send(c, buf, ssh_wr_done(&w));
}

/* The connection ends: DISCONNECT with the reason of err, CONN_END with err as its cause. */
static inline void client_ended(struct client *c, int err)
{
	const struct link_conn_end *end = NULL;
	const struct link_hdr *h;
	const uint8_t *p;
	uint8_t msg;
	size_t n;

	while ((msg = client_next(c, &p, &n)) != 0 && msg != SSH_MSG_DISCONNECT)
		;
	if (ssh_err_disconnect(err) != 0) {
		cr_assert_eq(msg, SSH_MSG_DISCONNECT, "no DISCONNECT for %s", ssh_err_text(err));
		cr_expect_eq(p[4], ssh_err_disconnect(err), "reason %u for %s", p[4],
			     ssh_err_text(err));
	}
	bench_settle();
	while (end == NULL && (h = up_next()) != NULL)
		if (h->type == LINK_EV_CONN_END)
			end = link_msg_body(h);
	cr_assert_not_null(end, "no CONN_END for %s", ssh_err_text(err));
	cr_expect_eq(end->cause, err, "ended for %d, not for %s", end->cause, ssh_err_text(err));
	cr_expect(c->f->closed || c->f->aborted);
}

static inline uint64_t bench_count(enum relay_counter c)
{
	return relay_counters(bench)[c];
}

/* --- start and end ------------------------------------------------------------------------ */

static void bench_start_with(unsigned int audit_backlog)
{
	static struct relay_conf conf;

	eal_start("64");
	cr_assert_eq(pkt_pools_new("t", 8191, 255, SOCKET_ID_ANY, &bench_pools), 0);
	cr_assert_eq(cipher_engine_new(CIPHER_ENGINE_AUTO, SSH_PACKET_MAX + 4096, &bench_engine),
		     0);
	cr_assert_eq(
		cipher_engine_new(CIPHER_ENGINE_OPENSSL, SSH_PACKET_MAX + 4096, &bench_peer_engine),
		0);
	bench_rnd = rnd_new(rnd_seed());
	conf = (struct relay_conf){
		.dataplane = 3,
		.shard = 5,
		.conns_max = BENCH_CONNS,
		.chans_max = BENCH_TABLE,
		.audit_backlog = audit_backlog,
		.audit_refuse = bench_audit_refuse,
		.grants_max = bench_grants_max,
		.listens = bench_listens,
		.proxied = bench_proxied,
		.control_wait_ms = 10000,
		.pools = &bench_pools,
		.engine = bench_engine,
		.link = {.send = link_send, .recv = link_recv},
		.tcp = {.connect = fake_connect},
		.stream_totals = bench_totals,
		.stream_nodelay = fake_nodelay,
		.stream_qos = fake_qos,
		.stream_asker = fake_asker,
		.stream_rtt_us = fake_rtt,
		.host_claim = bench_claim,
		.host_size = bench_size,
		.host_cut = bench_cut,
		.host_say = bench_say,
		.host_end = bench_say_end,
	};
	cr_assert_eq(relay_new(&conf, &bench), 0);
	relay_link_attached(bench);
}

static void bench_start(void)
{
	bench_start_with(64);
}

/* Everything is given back: the pools are full. */
static void bench_end(void)
{
	relay_free(bench);
	for (unsigned int i = 0; i < BENCH_STREAMS; i++) {
		pkt_chain_free(&fake[i].rx);
		pkt_chain_free(&fake[i].tx);
	}
	for (unsigned int i = 0; i < up_put; i++)
		free(bench_up[i].p);
	while (down_got < down_put)
		free(bench_down[down_got++].p);
	cipher_engine_free(bench_engine);
	cipher_engine_free(bench_peer_engine);
	cr_expect_eq(eal_out(bench_pools.data), 0, "%u data mbufs are lost",
		     eal_out(bench_pools.data));
	cr_expect_eq(eal_out(bench_pools.head), 0);
}

static inline void client_free(struct client *c)
{
	ssh_flat_fini(&c->flat);
}

#endif
