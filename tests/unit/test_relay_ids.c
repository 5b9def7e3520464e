/*
 * dataplane/relay: numbers of channels. Opens without end on one connection leave nothing behind
 * (S-54), and numbers that come again are nobody else's (S-55).
 */
#include <malloc.h>

#include "dataplane/relay/internal.h"
#include "tests/util/relay_bench.h"

#define LASTING 3

TestSuite(relay_ids, .init = bench_start, .fini = bench_end);

/* What went over the link is forgotten, so that there is room for more. */
static void link_forget(void)
{
	bench_settle();
	for (unsigned int i = 0; i < up_put; i++)
		free(bench_up[i].p);
	cr_assert_eq(down_got, down_put);
	up_put = up_got = down_put = down_got = 0;
}

/* FAILURE for this number of the client's, with this reason. */
static void expect_refused(struct client *c, uint32_t number, uint32_t reason)
{
	struct ssh_chan_failure f;
	const uint8_t *p;
	struct ssh_rd r;
	size_t n;

	cr_assert_eq(client_next(c, &p, &n), SSH_MSG_CHANNEL_OPEN_FAILURE);
	ssh_rd_init(&r, p + 1, n - 1);
	cr_assert_eq(ssh_chan_failure_parse(&r, &f), 0);
	cr_assert_eq(f.recipient_channel, number);
	cr_assert_eq(f.reason, reason);
}

/* Targets that fail at once, and such as fail later. */
static void open_and_fail(struct client *c, uint32_t number)
{
	bench_connect_err = number % 2 == 0 ? -ENETUNREACH : 0;
	client_open(c, number, 1 << 20, 32768, 1);
	if (number % 2 != 0) {
		struct fake *f = fake_last();

		fake_fail(f, -ECONNREFUSED);
		bench_settle();
		cr_assert(f->aborted);
		f->used = false;
	}
	expect_refused(c, number, SSH_OPEN_CONNECT_FAILED);
}

Test(relay_ids, s54_opens_that_fail_leave_nothing)
{
	uint32_t times = test_long() ? 10000000 : 2000;
	struct client c = client_login();
	struct conn *conn = &bench->conns[0];
	size_t held = 0, mbufs = 0;

	for (uint32_t i = 0; i < times; i++) {
		open_and_fail(&c, i);
		link_forget();
		if (i % 256 != 255)
			continue;
		if (held == 0) {
			held = mallinfo2().uordblks;
			mbufs = eal_out(bench_pools.data);
		}
		cr_assert_leq(mallinfo2().uordblks, held + 65536, "after %u", i);
		cr_assert_leq(eal_out(bench_pools.data), mbufs + 4, "after %u", i);
	}
	cr_expect_eq(conn->n_chans, 0);
	cr_expect_eq(conn->n_asks, 0);
	cr_expect_leq(bench->fresh_chans, (uint32_t)BENCH_TABLE, "places come again");
	cr_expect_eq(bench_count(RELAY_C_CHAN_TABLE_FULL), 0);
	bench_connect_err = 0;
	client_channel(&c, 1, 1 << 20); /* it can still have one */
	client_free(&c);
}

/* Every place of the table stands this many generations before its numbers begin anew. */
static void wrap_soon(uint32_t generations)
{
	for (uint32_t i = 0; i < BENCH_TABLE; i++)
		bench->chans[i].generation = (UINT32_MAX >> bench->chan_bits) - generations;
}

static bool lives(const struct bench_chan *lasting, uint32_t local)
{
	for (int i = 0; i < LASTING; i++)
		if (lasting[i].local == local)
			return true;
	return false;
}

Test(relay_ids, s55_numbers_wrap_beside_channels_that_last)
{
	struct client c = client_login();
	struct bench_chan lasting[LASTING], ch;
	uint32_t least = UINT32_MAX, most = 0;

	wrap_soon(3);
	for (uint32_t i = 0; i < LASTING; i++)
		lasting[i] = client_channel(&c, i, 1 << 20);
	for (uint32_t i = 0; i < 20 * BENCH_TABLE; i++) {
		ch = client_channel(&c, 100 + i, 1 << 20);
		cr_assert_not(lives(lasting, ch.local), "%#x is taken", ch.local);
		least = RTE_MIN(least, ch.local);
		most = RTE_MAX(most, ch.local);
		client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
		client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
		ch.target->used = false;
		link_forget();
	}
	cr_expect_gt(most, UINT32_MAX - 16 * BENCH_TABLE, "they came to the end");
	cr_expect_lt(least, 16u * BENCH_TABLE, "and began anew");
	/* Each of those that last is still the one it was. */
	for (uint32_t i = 0; i < LASTING; i++) {
		client_data(&c, lasting[i].local, "abc", 1 + i);
		bench_settle();
		cr_expect_eq(lasting[i].target->tx.len, 1 + i);
	}
	client_free(&c);
}

/* A number whose channel is gone is not that of the channel that has its place now. */
Test(relay_ids, s55_a_number_of_before_the_wrap_is_nobodys)
{
	struct client c = client_login();
	struct bench_chan old, ch;

	wrap_soon(0);
	old = client_channel(&c, 1, 1 << 20);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, old.local);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	old.target->used = false;
	link_forget();
	for (uint32_t i = 0; i < BENCH_TABLE; i++) {
		ch = client_channel(&c, 2 + i, 1 << 20);
		cr_assert_neq(ch.local, old.local);
		if (i + 1 == BENCH_TABLE)
			break;
		client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
		client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
		ch.target->used = false;
		link_forget();
	}
	client_data(&c, old.local, "x", 1);
	client_ended(&c, -SSH_E_CHANNEL);
	cr_expect_eq(ch.target->tx.len, 0);
	client_free(&c);
}

/* At the bound of a connection every further open is refused with reason 4, as long as it lasts. */
Test(relay_ids, s55_beyond_the_cap_each_is_refused_with_reason_4)
{
	uint32_t times = test_long() ? 1000000 : 500;
	struct client c = client_login();
	struct bench_chan ch;

	for (uint32_t i = 0; i < BENCH_CHANS; i++)
		ch = client_channel(&c, i, 1 << 20);
	for (uint32_t i = 0; i < times; i++) {
		client_open(&c, 100 + i, 1 << 20, 32768, 1);
		expect_refused(&c, 100 + i, SSH_OPEN_RESOURCE_SHORTAGE);
		link_forget();
	}
	cr_expect_eq(bench_count(RELAY_C_CHANS_CONN), times);
	cr_expect_eq(bench_count(RELAY_C_CHAN_TABLE_FULL), 0);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	ch.target->used = false;
	link_forget();
	client_channel(&c, 99, 1 << 20); /* one has gone: there is a place again */
	client_free(&c);
}
