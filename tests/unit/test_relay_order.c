/*
 * dataplane/relay: events of connections that follow each other in one place of the table, and
 * bytes of tunnels that do.
 */
#include "tests/util/relay_bench.h"
#include "tests/util/rnd.h"

TestSuite(relay_order, .init = bench_start, .fini = bench_end);

/*
 * An index is free at the end of the turn in which its connection ended, of one that was never
 * logged in.
 */
static struct fake *die_and_take_its_place(struct client *old)
{
	static const struct link_addr addr = {.family = 4, .port = 22};
	struct fake *f = fake_new();

	fake_fail(old->f, -ECONNRESET);
	bench_turn();
	cr_assert(relay_accept(bench, &f->s, 7, &addr, &addr, bench_now));
	return f;
}

static void expect_end_then_new(const struct client *old)
{
	struct link_handle ended, born;

	up_expect(LINK_EV_CONN_END, &ended);
	up_expect(LINK_EV_CONN_NEW, &born);
	cr_expect_eq(ended.index, old->h.index);
	cr_expect_eq(born.index, old->h.index, "the case this is about");
	cr_expect_neq(born.generation, ended.generation);
}

Test(relay_order, an_end_is_told_before_the_next_of_its_index)
{
	struct client c = client_new("aes128-gcm@openssh.com", "");
	struct fake *next = die_and_take_its_place(&c);

	bench_settle();
	expect_end_then_new(&c);
	fake_fail(next, -ECONNRESET);
	bench_settle();
	client_free(&c);
}

Test(relay_order, also_when_the_link_was_full_for_a_while)
{
	struct client c = client_new("aes128-gcm@openssh.com", "");
	struct fake *next;

	bench_link_full = true;
	next = die_and_take_its_place(&c);
	bench_settle();
	cr_expect_null(up_next());
	bench_link_full = false;
	bench_settle();
	expect_end_then_new(&c);
	fake_fail(next, -ECONNRESET);
	bench_settle();
	client_free(&c);
}

/* --- S-80 -------------------------------------------------------------------------------------
 *
 * Tunnels of several connections come and go, stall, are cut and rekeyed; bytes of each are its
 * own, by number of the tunnel and place, and no other's ever come out of it.
 */

#define CLIENTS 3
#define TUNNELS 4 /* of each */
#define PIECE   30000
#define HELD    (4 * PIECE) /* that a target has for its client, at most */
#define GOLDEN  UINT64_C(0x9e3779b97f4a7c15)

struct way {
	uint64_t sent, got;
};

struct tunnel {
	struct fake *target; /* NULL: there is none */
	uint64_t id;
	uint32_t local, room; /* what the client may send yet */
	uint32_t owed;        /* window it has not given back */
	struct way up, down;
	bool client_closed, relay_closed;
};

static struct client who[CLIENTS];
static struct tunnel tunnel[CLIENTS][TUNNELS];
static uint64_t last_id, checked, unasked;
static uint32_t piece; /* at most so many bytes at once */

/* Eight bytes have one number, which no other eight of any tunnel have. */
static void fill(const struct tunnel *t, unsigned int dir, uint64_t at, uint8_t *p, uint32_t n)
{
	uint64_t key = (2 * t->id + dir) * GOLDEN, i = at / 8, word;
	uint32_t skip = at % 8, k = 0;

	key ^= key >> 29;
	if (skip != 0) {
		word = key ^ i++ * GOLDEN;
		k = RTE_MIN(8 - skip, n);
		memcpy(p, (const uint8_t *)&word + skip, k);
	}
	for (; n - k >= 8; k += 8) {
		word = key ^ i++ * GOLDEN;
		memcpy(p + k, &word, 8);
	}
	word = key ^ i * GOLDEN;
	memcpy(p + k, &word, n - k);
}

static void check(const struct tunnel *t, unsigned int dir, struct way *w, const uint8_t *p,
		  uint32_t n)
{
	static uint8_t want[1 << 17];

	fill(t, dir, w->got, want, n);
	if (memcmp(p, want, n) != 0) {
		for (uint32_t i = 0; i < n; i++)
			cr_assert_eq(p[i], want[i], "tunnel %lu, %s, byte %lu", t->id,
				     dir == 0 ? "up" : "down", w->got + i);
	}
	w->got += n;
	checked += n;
	cr_assert_leq(w->got, w->sent);
}

/* Control has read all there is, and knows of all ends. */
static void forget_news(void)
{
	uint64_t audit = 0;

	for (const struct link_hdr *h; (h = up_next()) != NULL;)
		if (h->type == LINK_EV_CHAN_END)
			audit = RTE_MAX(audit,
					((const struct link_chan_end *)link_msg_body(h))->audit_id);
	while (up_put > 0)
		free(bench_up[--up_put].p);
	up_got = 0;
	if (audit != 0) {
		const struct link_audit_ack m = {.audit_id = audit};

		down(LINK_CMD_AUDIT_ACK, (struct link_handle){0}, &m, sizeof(m), NULL, 0);
	}
	bench_settle();
	if (down_got == down_put)
		down_got = down_put = 0;
}

static void target_reads(struct tunnel *t, uint32_t max)
{
	static uint8_t buf[1 << 17];
	uint32_t n = RTE_MIN(t->target->tx.len, max);

	n = RTE_MIN(n, (uint32_t)sizeof(buf));
	fake_drain(t->target, buf, n);
	check(t, 0, &t->up, buf, n);
}

/* Both sides have said that it is over: what is left is looked at, and the place is free. */
static void bury(struct tunnel *t)
{
	struct fake *f = t->target;

	if (f == NULL || !t->client_closed || !t->relay_closed)
		return;
	cr_assert(f->closed || f->aborted);
	while (f->tx.len > 0)
		target_reads(t, UINT32_MAX);
	pkt_chain_free(&f->rx);
	f->used = false;
	t->target = NULL;
}

/* Returns the message that is no channel's, or 0. */
static uint8_t client_reads(unsigned int i)
{
	const uint8_t *p;
	uint8_t msg;
	size_t n;

	while ((msg = client_next(&who[i], &p, &n)) >= SSH_MSG_CHANNEL_OPEN_CONFIRMATION) {
		uint32_t number = (uint32_t)p[1] << 24 | p[2] << 16 | p[3] << 8 | p[4];
		struct tunnel *t = &tunnel[i][number % TUNNELS];

		cr_assert(number < TUNNELS && t->target != NULL && !t->relay_closed,
			  "message %u of a tunnel that is gone", msg);
		if (msg == SSH_MSG_CHANNEL_DATA) {
			check(t, 1, &t->down, p + 9, (uint32_t)n - 9);
			t->owed += (uint32_t)n - 9;
		} else if (msg == SSH_MSG_CHANNEL_WINDOW_ADJUST) {
			t->room += (uint32_t)p[5] << 24 | p[6] << 16 | p[7] << 8 | p[8];
		} else if (msg == SSH_MSG_CHANNEL_CLOSE) {
			t->relay_closed = true;
			if (!t->client_closed)
				client_simple(&who[i], SSH_MSG_CHANNEL_CLOSE, t->local);
			t->client_closed = true;
		}
	}
	return msg;
}

static struct fake *the_new_one(const bool before[BENCH_STREAMS])
{
	for (unsigned int i = 0; i < BENCH_STREAMS; i++)
		if (fake[i].used && !before[i])
			return &fake[i];
	cr_assert_fail("no target was connected to");
	return NULL;
}

static void dig(unsigned int i, uint32_t number)
{
	struct tunnel *t = &tunnel[i][number];
	bool before[BENCH_STREAMS];
	struct ssh_chan_confirm m;
	const uint8_t *p;
	struct ssh_rd r;
	size_t n;

	cr_assert_eq(client_reads(i), 0);
	forget_news();
	for (unsigned int k = 0; k < BENCH_STREAMS; k++)
		before[k] = fake[k].used;
	*t = (struct tunnel){.id = ++last_id};
	client_open(&who[i], number, 7 * piece, 32768, 1);
	t->target = the_new_one(before);
	stream_notify(&t->target->s, STREAM_EV_CONNECTED);
	cr_assert_eq(client_next(&who[i], &p, &n), SSH_MSG_CHANNEL_OPEN_CONFIRMATION);
	ssh_rd_init(&r, p + 1, n - 1);
	cr_assert_eq(ssh_chan_confirm_parse(&r, &m), 0);
	t->local = m.sender_channel;
	t->room = m.window_size;
}

static void move(struct rnd *r, unsigned int i, struct tunnel *t)
{
	static uint8_t buf[PIECE];
	uint32_t n = rnd_below(r, piece);
	bool cut =
		t->target->closed || t->target->aborted || t->target->s.err != 0 || t->target->eof;

	switch (rnd_below(r, 16)) {
	case 0 ... 4:
		n = RTE_MIN(n, t->room);
		if (t->client_closed || n == 0)
			break;
		fill(t, 0, t->up.sent, buf, n);
		t->up.sent += n;
		t->room -= n;
		client_data(&who[i], t->local, buf, n);
		break;
	case 5 ... 9:
		if (cut || t->target->rx.len > HELD)
			break;
		fill(t, 1, t->down.sent, buf, n);
		t->down.sent += n;
		fake_give(t->target, buf, n);
		break;
	case 10 ... 12:
		target_reads(t, rnd_below(r, 4 * piece));
		break;
	case 13: /* until then it stalls */
		if (!t->client_closed && t->owed > 0)
			client_adjust(&who[i], t->local, t->owed);
		t->owed = 0;
		break;
	case 14:
		if (!t->client_closed && rnd_below(r, 8) == 0) {
			client_simple(&who[i], SSH_MSG_CHANNEL_CLOSE, t->local);
			t->client_closed = true;
		}
		break;
	default:
		if (cut || rnd_below(r, 8) > 0)
			break;
		if (rnd_below(r, 2) == 0)
			fake_eof(t->target);
		else
			fake_fail(t->target, -ECONNRESET);
	}
}

static void rekey(unsigned int i)
{
	(void)client_reads(i);
	forget_news();
	down_msg(&who[i], SSH_MSG_KEXINIT);
	cr_assert_eq(client_reads(i), SSH_MSG_KEXINIT);
	client_rekey(&who[i]);
}

Test(relay_order, s80_a_tunnel_has_no_other_ones_bytes)
{
	struct rnd r = rnd_new(rnd_seed());
	unsigned int steps = test_long() ? 3000000 : 15000;

	piece = test_long() ? PIECE : PIECE / 10;
	for (unsigned int i = 0; i < CLIENTS; i++)
		who[i] = client_login();
	for (unsigned int k = 0; k < steps; k++) {
		unsigned int i = rnd_below(&r, CLIENTS);
		uint32_t number = rnd_below(&r, TUNNELS);
		struct tunnel *t = &tunnel[i][number];

		if (t->target == NULL)
			dig(i, number);
		else
			move(&r, i, t);
		if (k % 7 == 0)
			unasked += client_reads(i);
		if (k % 700 == 0)
			rekey(i);
		bury(t);
		if (k % 64 == 0)
			forget_news();
	}
	cr_expect_eq(unasked, 0);
	cr_expect_gt(last_id, steps / 1000, "tunnels come and go");
	cr_expect_gt(checked, (uint64_t)steps * 100, "and carry bytes");
	printf("%u steps, %lu tunnels, %lu bytes\n", steps, last_id, checked);
	for (unsigned int i = 0; i < CLIENTS; i++) {
		(void)client_reads(i);
		client_free(&who[i]);
	}
}
