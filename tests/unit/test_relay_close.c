/*
 * dataplane/relay: ends are carried as they are (S-79). A FIN is an EOF and an EOF a FIN, behind
 * all bytes before it; a reset is a CLOSE without EOF; none is invented, whatever comes in which
 * order. And of bytes that nobody takes: OperationTimeout.
 */
#include "dataplane/relay/internal.h"
#include "tests/util/relay_host_bench.h"

TestSuite(relay_close, .init = bench_start, .fini = bench_end, .timeout = 600);

static void link_forget(void)
{
	bench_settle();
	for (unsigned int i = 0; i < up_put; i++)
		free(bench_up[i].p);
	cr_assert_eq(down_got, down_put);
	up_put = up_got = down_put = down_got = 0;
}

/* What was done to a channel, and what was seen of it at either end. */
static struct world {
	struct client *c;
	struct bench_chan ch;
	/* the client's side */
	uint32_t sent, got; /* bytes */
	bool eof, close;    /* said */
	bool saw_eof, saw_close;
	/* the target's side */
	uint32_t given, taken;
	bool t_eof, t_reset;              /* said */
	bool t_shut, t_closed, t_aborted; /* seen */
} w;

static uint8_t pattern(bool up, uint32_t at)
{
	return (uint8_t)(at * 167 + (at >> 8) * 13 + up);
}

static void fill(uint8_t *buf, bool up, uint32_t at, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		buf[i] = pattern(up, at + i);
}

/* The target takes what there is, and looks at each byte. */
static int target_tx(struct stream *s, struct pkt_chain *chain)
{
	static uint8_t buf[1 << 18];

	(void)fake_of(s);
	cr_assert_not(w.t_shut, "bytes behind a FIN");
	cr_assert(pkt_chain_read(chain, 0, buf, chain->len));
	for (uint32_t i = 0; i < chain->len; i++)
		cr_assert_eq(buf[i], pattern(true, w.taken + i));
	w.taken += chain->len;
	pkt_chain_free(chain);
	return 0;
}

static void target_shutdown(struct stream *s)
{
	(void)fake_of(s);
	cr_assert(w.eof, "a FIN nobody asked for");
	cr_assert_eq(w.taken, w.sent, "a FIN before the last byte");
	w.t_shut = true;
}

static void target_close(struct stream *s)
{
	fake_of(s)->closed = true;
	/* Of TCP's a close is a FIN, too: who says CLOSE means what he has sent to arrive. */
	cr_assert(w.eof || w.close, "a close that looks like a FIN");
	cr_assert_eq(w.taken, w.sent);
	w.t_closed = true;
}

static void target_abort(struct stream *s)
{
	fake_of(s)->aborted = true;
	w.t_aborted = true;
}

static void channel_new(struct client *c, uint32_t number)
{
	static struct stream_ops ops;

	ops = fake_ops;
	ops.tx = target_tx;
	ops.shutdown = target_shutdown;
	ops.close = target_close;
	ops.abort = target_abort;
	w = (struct world){.c = c, .ch = client_channel(c, number, 1 << 20)};
	w.ch.target->s.ops = &ops;
	link_forget();
}

static bool target_there(void)
{
	return !w.t_closed && !w.t_aborted;
}

/* All the client can read now. */
static void client_read(void)
{
	const uint8_t *p;
	size_t n;
	uint8_t msg;

	while ((msg = client_next(w.c, &p, &n)) != 0) {
		if (msg == SSH_MSG_CHANNEL_WINDOW_ADJUST)
			continue;
		cr_assert_not(w.saw_close, "%u behind CLOSE", msg);
		if (msg == SSH_MSG_CHANNEL_DATA) {
			cr_assert_not(w.saw_eof, "data behind EOF");
			for (uint32_t i = 0; i < n - 9; i++)
				cr_assert_eq(p[9 + i], pattern(false, w.got + i));
			w.got += (uint32_t)n - 9;
		} else if (msg == SSH_MSG_CHANNEL_EOF) {
			cr_assert(w.t_eof, "an EOF the target never gave");
			cr_assert_eq(w.got, w.given, "EOF before the last byte");
			w.saw_eof = true;
		} else {
			cr_assert_eq(msg, SSH_MSG_CHANNEL_CLOSE, "%u", msg);
			w.saw_close = true;
		}
	}
}

enum step { UP, EOF_UP, CLOSE_UP, DOWN, EOF_DOWN, RESET_DOWN, SETTLE, STEPS };

static bool may(enum step s)
{
	switch (s) {
	case UP:
	case EOF_UP:
		return !w.eof && !w.close;
	case CLOSE_UP:
		return !w.close;
	case DOWN:
		return target_there() && !w.t_eof && !w.t_reset;
	case EOF_DOWN:
		return target_there() && !w.t_eof && !w.t_reset;
	case RESET_DOWN:
		return target_there() && !w.t_reset;
	case SETTLE:
	case STEPS:
		break;
	}
	return true;
}

static void take(enum step s, uint32_t n)
{
	static uint8_t buf[1 << 16];

	switch (s) {
	case UP:
		fill(buf, true, w.sent, n);
		w.sent += n;
		client_data(w.c, w.ch.local, buf, n);
		break;
	case EOF_UP:
		w.eof = true;
		client_simple(w.c, SSH_MSG_CHANNEL_EOF, w.ch.local);
		break;
	case CLOSE_UP:
		w.close = true;
		client_simple(w.c, SSH_MSG_CHANNEL_CLOSE, w.ch.local);
		break;
	case DOWN:
		fill(buf, false, w.given, n);
		w.given += n;
		fake_give(w.ch.target, buf, n);
		break;
	case EOF_DOWN:
		w.t_eof = true;
		fake_eof(w.ch.target);
		break;
	case RESET_DOWN:
		w.t_reset = true;
		fake_fail(w.ch.target, -ECONNRESET);
		break;
	case SETTLE:
	case STEPS:
		client_read();
		break;
	}
}

/* The end of channel that control is told of. */
static const struct link_chan_end *told(void)
{
	const struct link_hdr *h;

	bench_settle();
	while ((h = up_next()) != NULL)
		if (h->type == LINK_EV_CHAN_END)
			return link_msg_body(h);
	return NULL;
}

/* Everything has come as far as it comes by itself. */
static void check_rest(void)
{
	client_read();
	if (!w.close && !w.t_reset) {
		cr_assert_eq(w.taken, w.sent);
		cr_assert_eq(w.got, w.given);
		cr_assert_eq(w.t_shut || w.t_closed, w.eof);
		cr_assert_eq(w.saw_eof, w.t_eof);
		cr_assert_not(w.t_aborted);
		/* Both ways are done: the channel is (RFC 4254 section 5.3). */
		cr_assert_eq(w.saw_close, w.eof && w.t_eof);
	}
	if (w.t_reset || w.close)
		cr_assert(w.saw_close, "no CLOSE");
	if (w.t_reset && !w.t_eof)
		cr_assert_not(w.saw_eof);
}

static void play(struct rnd *r, struct client *c, uint32_t number)
{
	const struct link_chan_end *end;
	unsigned int steps = 1 + rnd_below(r, 10);

	channel_new(c, number);
	for (unsigned int i = 0; i < steps; i++) {
		enum step s = (enum step)rnd_below(r, STEPS);

		if (may(s))
			take(s, 1 + rnd_below(r, rnd_below(r, 8) == 0 ? 30000 : 300));
		if (rnd_below(r, 2) == 0)
			bench_settle();
	}
	check_rest();
	if (may(CLOSE_UP))
		take(CLOSE_UP, 0);
	client_read();
	cr_assert(w.saw_close);
	cr_assert_not(target_there(), "a target that is held for nobody");
	end = told();
	cr_assert_not_null(end);
	cr_assert_eq(end->bytes_to_peer, w.got);
	cr_assert(end->bytes_from_peer >= w.taken && end->bytes_from_peer <= w.sent);
	pkt_chain_free(&w.ch.target->rx);
	w.ch.target->used = false;
	link_forget();
}

Test(relay_close, s79_any_order_of_ends)
{
	uint64_t seed = rnd_seed();
	uint32_t worlds = test_long() ? 100000 : 500;
	struct client c = client_login();
	struct link_audit_ack ack = {0};

	for (uint32_t i = 0; i < worlds; i++) {
		struct rnd r = {seed + i};

		play(&r, &c, i);
		ack.audit_id = i + 1;
		down(LINK_CMD_AUDIT_ACK, (struct link_handle){0}, &ack, sizeof(ack), NULL, 0);
		link_forget();
	}
	client_free(&c);
}

/* A FIN one way, and very much the other way behind it. */
Test(relay_close, s79_much_goes_on_behind_a_fin)
{
	uint64_t all = test_long() ? UINT64_C(1) << 30 : 2 << 20;
	struct client c = client_login();

	channel_new(&c, 1);
	take(EOF_UP, 0);
	bench_settle();
	cr_assert(w.t_shut);
	while (w.given < all) {
		take(DOWN, 32768);
		client_read();
		cr_assert_not(w.saw_eof || w.saw_close);
		if (w.given % (512 * 1024) == 0)
			client_adjust(&c, w.ch.local, 512 * 1024);
	}
	cr_expect_eq(w.got, w.given);
	take(EOF_DOWN, 0);
	client_read();
	cr_expect(w.saw_eof && w.saw_close && w.t_closed);
	client_free(&c);
}

/* --- OperationTimeout: bytes that nobody takes -------------------------------------------------
 */

#define LIMIT_MS 2000
#define LIMIT_US UINT64_C(2000000)
#define PART_US  (LIMIT_US / 8) /* so much later at the most */

static struct client blocked_login(uint32_t limit_ms, const struct link_caps *caps)
{
	struct client c = client_new("aes128-gcm@openssh.com", "");
	struct link_authenticated a = bench_auth;

	a.send_timeout_ms = limit_ms;
	client_ident(&c);
	client_kex(&c);
	if (caps != NULL)
		down(LINK_IT_CAPS, c.h, caps, sizeof(*caps), NULL, 0);
	client_auth(&c, &a);
	return c;
}

/* As a shard that sleeps until something is due. */
static void sleep_us(uint64_t us)
{
	uint64_t end = bench_now + us;

	while (bench_now < end) {
		uint64_t next = relay_next_timer_us(bench), least = bench_now + 1;

		next = RTE_MAX(next, least);
		bench_now = RTE_MIN(end, next);
		bench_settle();
	}
}

static void text_is(struct client *c, const char *text)
{
	bench_settle();
	data_is(c, 0, text);
}

/* It is closed in that time, and not before. */
static void closed_within(struct client *c, const struct bench_chan *ch, uint64_t us, int cause)
{
	const struct link_chan_end *end;
	const uint8_t *msg;
	uint8_t type;
	size_t n;

	sleep_us(us - 1);
	cr_assert_not(ch->target->aborted, "too soon");
	sleep_us(PART_US + 1);
	cr_assert(ch->target->aborted, "not in time");
	while ((type = client_next(c, &msg, &n)) == SSH_MSG_CHANNEL_DATA)
		;
	cr_assert_eq(type, SSH_MSG_CHANNEL_CLOSE);
	client_simple(c, SSH_MSG_CHANNEL_CLOSE, ch->local);
	bench_settle();
	end = up_expect(LINK_EV_CHAN_END, NULL);
	cr_expect_eq(end->cause, cause);
	cr_expect_eq(end->token, 1000 + ch->number);
}

static void counted(uint64_t targets, uint64_t clients)
{
	cr_expect_eq(bench_count(RELAY_C_CHANS_TARGET_BLOCKED), targets);
	cr_expect_eq(bench_count(RELAY_C_CHANS_CLIENT_BLOCKED), clients);
}

Test(relay_close, a_client_that_opens_no_window)
{
	struct client c = blocked_login(LIMIT_MS, NULL);
	struct bench_chan ch = client_channel(&c, 1, 4), other = client_channel(&c, 2, 1 << 20);

	sleep_us(10 * LIMIT_US); /* nothing waits */
	fake_give(ch.target, "taken, not taken", 16);
	text_is(&c, "take");
	closed_within(&c, &ch, LIMIT_US, -SSH_E_CLIENT_BLOCKED);
	fake_give(other.target, "more", 4);
	text_is(&c, "more");
	client_data(&c, other.local, "x", 1);
	bench_settle();
	fake_drain(other.target, NULL, 1);
	sleep_us(10 * LIMIT_US);
	cr_expect_not(other.target->aborted, "others go on");
	counted(0, 1);
	client_free(&c);
}

/* Nor is its connection at fault, whose client and whose other targets take what they get. */
Test(relay_close, a_target_that_takes_nothing)
{
	struct client c = blocked_login(LIMIT_MS, NULL);
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	struct bench_chan other = client_channel(&c, 2, 1 << 20);

	sleep_us(10 * LIMIT_US);
	client_data(&c, ch.local, "never taken", 11);
	client_data(&c, other.local, "taken", 5);
	bench_settle();
	fake_drain(other.target, NULL, 5);
	closed_within(&c, &ch, LIMIT_US, -SSH_E_TARGET_BLOCKED);
	sleep_us(10 * LIMIT_US);
	cr_expect_not(other.target->aborted);
	cr_expect_not(c.f->shut);
	counted(1, 0);
	client_free(&c);
}

/* One byte in time is enough, and that more is put behind what waits is none. */
Test(relay_close, a_byte_moves_just_in_time)
{
	struct client c = blocked_login(LIMIT_MS, NULL);
	struct bench_chan in = client_channel(&c, 1, 1 << 20), out = client_channel(&c, 2, 0);

	client_data(&c, in.local, "0123456789abcdef", 16);
	fake_give(out.target, "0123456789abcdef", 16);
	bench_settle();
	for (int i = 0; i < 8; i++) {
		sleep_us(LIMIT_US - PART_US);
		fake_drain(in.target, NULL, 1);
		client_adjust(&c, out.local, 1);
		client_expect(&c, SSH_MSG_CHANNEL_DATA);
	}
	cr_expect(!in.target->aborted && !out.target->aborted);
	client_data(&c, in.local, "more", 4);
	client_adjust(&c, out.local, 8);
	client_expect(&c, SSH_MSG_CHANNEL_DATA);
	sleep_us(LIMIT_US - PART_US);
	cr_expect(!in.target->aborted && !out.target->aborted);
	client_data(&c, in.local, "more", 4);
	sleep_us(2 * PART_US);
	cr_expect(in.target->aborted);
	cr_expect_not(out.target->aborted, "it has what there was");
	counted(1, 0);
	client_free(&c);
}

/* While bytes go the other way, too. */
Test(relay_close, each_way_has_its_own_time)
{
	struct client c = blocked_login(LIMIT_MS, NULL);
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);

	client_data(&c, ch.local, "never taken", 11);
	for (int i = 0; i < 8; i++) {
		cr_expect_not(ch.target->aborted);
		fake_give(ch.target, "x", 1);
		text_is(&c, "x");
		sleep_us(PART_US);
	}
	sleep_us(PART_US);
	cr_expect(ch.target->aborted);
	counted(1, 0);
	client_free(&c);
}

static uint64_t carried; /* by the client's path */

static void totals(const struct stream *s, uint64_t *ret_in, uint64_t *ret_out)
{
	(void)s;
	*ret_in = 0;
	*ret_out = carried;
}

static void start_carried(void)
{
	bench_totals = totals;
	bench_start();
}

TestSuite(relay_close_path, .init = start_carried, .fini = bench_end);

/* A path that goes on moves them one after the other, however long that takes. */
Test(relay_close_path, a_client_that_reads_nothing)
{
	struct client c = blocked_login(LIMIT_MS, NULL);
	struct bench_chan ch[2] = {client_channel(&c, 1, 1 << 20), client_channel(&c, 2, 1 << 20)};
	static const uint8_t data[32768];

	c.f->budget = 8192;
	for (unsigned int i = 0; i < 2; i++)
		for (unsigned int k = 0; k < 3; k++)
			fake_give(ch[i].target, data, sizeof(data));
	for (int i = 0; i < 8; i++) {
		sleep_us(LIMIT_US - PART_US);
		carried++;
	}
	cr_expect(!ch[0].target->aborted && !ch[1].target->aborted);
	sleep_us(LIMIT_US + PART_US);
	cr_expect(ch[0].target->aborted && ch[1].target->aborted);
	cr_expect_not(c.f->shut);
	counted(0, 2);
	client_free(&c);
}

/* What a cap holds is taken by nobody, and nobody's fault. */
Test(relay_close, what_waits_for_a_cap_is_not_blocked)
{
	/* A chunk is worth half of a burst, and comes every four seconds. */
	static const struct link_caps caps = {
		.channel = {{.rate = 1000, .burst = 8192}, {.rate = 1000, .burst = 8192}}};
	struct client c = blocked_login(1000, &caps);
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	static const uint8_t data[24576];

	client_data(&c, ch.local, data, sizeof(data));
	fake_give(ch.target, data, sizeof(data));
	for (int i = 0; i < 40; i++) {
		sleep_us(250000);
		cr_assert_not(ch.target->aborted, "turn %d", i);
		client_pull(&c);
		fake_drain(ch.target, NULL, ch.target->tx.len);
	}
	cr_expect(ch.target->rx.len > 0, "%u", ch.target->rx.len);
	sleep_us(8 * LIMIT_US); /* there is more, of which the target takes nothing */
	cr_expect(ch.target->aborted);
	counted(1, 0);
	client_free(&c);
}

/* Of neither side anything may be said in a key exchange but what belongs to it. */
Test(relay_close, what_waits_for_keys_is_not_blocked)
{
	struct client c = blocked_login(1000, NULL);
	struct bench_chan ch = client_channel(&c, 1, 0);

	fake_give(ch.target, "x", 1);
	bench_settle();
	client_send_byte(&c, SSH_MSG_KEXINIT);
	up_payload_expect(&c, SSH_MSG_KEXINIT);
	sleep_us(4000000);
	cr_expect_not(ch.target->aborted);
	counted(0, 0);
	client_free(&c);
}

/* A window may stand behind what control has not answered: it may stand still, or be gone. */
static void unread(bool window)
{
	static const uint8_t ask[] = {SSH_MSG_GLOBAL_REQUEST, 0, 0, 0, 1, 'x', 0};
	struct client c = blocked_login(LIMIT_MS, NULL);
	struct bench_chan ch = client_channel(&c, 1, 0);

	fake_give(ch.target, "x", 1);
	for (unsigned int i = 0; i <= RELAY_UNANSWERED_MAX; i++)
		client_send(&c, ask, sizeof(ask));
	if (window)
		client_adjust(&c, ch.local, 1);
	sleep_us(4 * LIMIT_US);
	cr_expect_not(ch.target->aborted);
	down_answered(c.h, RELAY_UNANSWERED_MAX, RELAY_UNANSWERED_MAX * sizeof(ask));
	bench_settle();
	up_got = up_put;
	if (window)
		text_is(&c, "x");
	else
		closed_within(&c, &ch, LIMIT_US, -SSH_E_CLIENT_BLOCKED);
	client_free(&c);
}

Test(relay_close, a_window_we_have_not_read_is_not_the_clients)
{
	unread(true);
}

Test(relay_close, its_time_begins_when_what_it_said_is_read)
{
	unread(false);
}

/* Somebody else had its core: whom it did not look at may have said something meanwhile. */
Test(relay_close, a_shard_that_stood_still_closes_nobody)
{
	struct client c = blocked_login(LIMIT_MS, NULL);
	struct bench_chan in = client_channel(&c, 1, 1 << 20), out = client_channel(&c, 2, 0);

	client_data(&c, in.local, "x", 1);
	fake_give(out.target, "x", 1);
	bench_settle();
	sleep_us(LIMIT_US + PART_US - 1);
	bench_now += 3600 * UINT64_C(1000000);
	client_adjust(&c, out.local, 1);
	bench_turn(); /* timers are first */
	cr_expect(!in.target->aborted && !out.target->aborted);
	text_is(&c, "x");
	sleep_us(PART_US - 1);
	cr_expect_not(in.target->aborted, "it had its time but for a moment: it has a part of it");
	sleep_us(1);
	cr_expect(in.target->aborted);
	cr_expect_not(out.target->aborted);
	counted(1, 0);
	client_free(&c);
}

/* Nobody is needed for it; and where nothing waits nobody is awakened. */
Test(relay_close, blocked_without_a_control)
{
	struct client c = blocked_login(LIMIT_MS, NULL);
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);

	client_data(&c, ch.local, "taken", 5);
	bench_settle();
	fake_drain(ch.target, NULL, 5);
	bench_link_gone = true;
	relay_link_detached(bench);
	sleep_us(60 * UINT64_C(1000000));
	cr_expect_eq(relay_next_timer_us(bench), UINT64_MAX);
	client_data(&c, ch.local, "not taken", 9);
	bench_settle();
	sleep_us(LIMIT_US - 1);
	cr_expect_not(ch.target->aborted);
	sleep_us(PART_US + 1);
	cr_expect(ch.target->aborted);
	client_free(&c);
}

/* The default: who stops a pager finds it in the morning as it was. */
Test(relay_close, without_a_bound_bytes_wait_for_ever)
{
	struct client c = blocked_login(0, NULL);
	struct bench_chan in = client_channel(&c, 1, 1 << 20), out = client_channel(&c, 2, 0);

	client_data(&c, in.local, "x", 1);
	fake_give(out.target, "x", 1);
	bench_settle();
	sleep_us(12 * 3600 * UINT64_C(1000000));
	cr_expect(!in.target->aborted && !out.target->aborted);
	cr_expect_eq(relay_next_timer_us(bench), UINT64_MAX);
	client_adjust(&c, out.local, 1);
	text_is(&c, "x");
	client_free(&c);
}

static void start_host(void)
{
	start_with(0);
}

TestSuite(relay_close_host, .init = start_host, .fini = end_host);

/* A program, or a handler, whose pipe is full. */
Test(relay_close_host, a_program_that_reads_nothing)
{
	struct client c = blocked_login(LIMIT_MS, NULL);
	static uint8_t data[16384];
	struct bench_chan ch;
	struct program p;

	open_host(&c, 0, true);
	ch = client_confirmed(&c);
	p = park_program(7);
	cr_assert_gt(fcntl(p.in, F_SETPIPE_SZ, 4096), 0);
	give_fds(&c, 7);
	run();
	client_data(&c, ch.local, data, sizeof(data));
	run();
	for (int i = 0; i < 2; i++) {
		sleep_us(LIMIT_US - PART_US);
		cr_assert_eq(read(p.in, data, 4096), 4096);
		run();
	}
	sleep_us(LIMIT_US - PART_US);
	run();
	counted(0, 0);
	sleep_us(2 * PART_US);
	counted(1, 0);
	program_exit(&p);
	run();
	client_free(&c);
}
