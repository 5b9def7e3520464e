/* dataplane/relay: events of connections that follow each other in one place of the table. */
#include "tests/util/relay_bench.h"

TestSuite(relay_order, .init = bench_start, .fini = bench_end);

/* An index is free at the end of the turn in which its connection ended. */
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
	struct client c = client_login();
	struct fake *next = die_and_take_its_place(&c);

	bench_settle();
	expect_end_then_new(&c);
	fake_fail(next, -ECONNRESET);
	bench_settle();
	client_free(&c);
}

Test(relay_order, also_when_the_link_was_full_for_a_while)
{
	struct client c = client_login();
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
