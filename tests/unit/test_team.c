/* dataplane/team.c: notes between shards, and memory for so many of them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include "conf/conf.h"
#include "dataplane/team.h"
#include "tests/util/eal.h"

static struct team *team;
static char err[256];

static int make(unsigned int shards, uint32_t memory_mb)
{
	static struct conf_dataplane conf;
	const struct team_conf tc = {.conf = &conf, .shards = shards, .name = "t"};

	conf = (struct conf_dataplane){.name = "dp", .memory_mb = memory_mb};
	return team_new(&tc, &team, err, sizeof(err));
}

static void start(void)
{
	eal_start("160");
}

static void end(void)
{
	team_free(team);
}

TestSuite(team, .init = start, .fini = end);

/* Queues and caches of so many lcores alone would hold all there is: nobody could receive. */
Test(team, memory_is_enough_for_all_shards_or_refused)
{
	cr_expect_eq(make(8, 64), -ENOMEM);
	cr_expect_neq(strstr(err, "Memory 64M is too little for 8 shards"), NULL, "%s", err);
	cr_expect_eq(make(2, 96), 0, "%s", err);
}

/* Rings between shards are as many as pairs of them: 64 with two ports have 8064. */
Test(team, memory_for_rings_between_shards_is_put_aside)
{
	struct conf_interface iface[2] = {{.name = "a", .device = "net_no0"},
					  {.name = "b", .device = "net_no1"}};
	struct conf_dataplane conf = {.name = "dp", .memory_mb = 64};
	const struct team_conf tc = {.conf = &conf, .shards = 64, .name = "t"};
	unsigned int least[2] = {0};

	for (int i = 0; i < 2; i++) {
		cr_assert_eq(team_new(&tc, &team, err, sizeof(err)), -ENOMEM);
		cr_assert_eq(sscanf(err, "Memory 64M is too little for 64 shards: %uM", &least[i]),
			     1, "%s", err);
		conf.interfaces = iface;
		conf.n_interfaces = 2;
	}
	cr_expect_geq(least[1], least[0] + 8064 * 8 / 1024, "%u and %u", least[0], least[1]);
}

/* Wide buffers are for jumbo frames, and never take what the rest cannot do without. */
Test(team, jumbo_frames_have_wide_buffers_where_there_is_memory_for_them)
{
	static const struct {
		uint32_t memory_mb;
		uint16_t mtu;
		bool wide;
	} cases[] = {{112, 9000, true}, {112, 1500, false}, {112, 4000, false}, {80, 9000, false}};

	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		struct conf_interface iface = {
			.name = "a", .device = "net_ring0", .mtu = cases[i].mtu};
		struct conf_dataplane conf = {.name = "dp",
					      .memory_mb = cases[i].memory_mb,
					      .interfaces = &iface,
					      .n_interfaces = 1};
		const struct team_conf tc = {.conf = &conf, .shards = 1, .name = "t"};
		struct pkt_pools pools;

		cr_assert_eq(team_new(&tc, &team, err, sizeof(err)), 0, "%s", err);
		pools = team_pools(team);
		cr_expect_eq(pools.wide != NULL, cases[i].wide, "%u M, MTU %u", cases[i].memory_mb,
			     cases[i].mtu);
		cr_expect_geq(pools.data->size, 8192);
		if (pools.wide != NULL)
			cr_expect_geq(pools.wide->size, 2 * PORT_RX_DESC);
		team_free(team);
		team = NULL;
	}
}

static void say(unsigned int from, unsigned int n)
{
	const struct team_note note = {.kind = TEAM_LINK, .link = {.port = (uint16_t)from}};

	while (n-- > 0)
		cr_assert(team_tell(team, from, 0, &note));
}

Test(team, a_shard_that_says_much_does_not_keep_the_first_from_hearing_others)
{
	struct team_note note[16];
	bool heard = false;

	cr_assert_eq(make(3, 96), 0, "%s", err);
	say(1, 64);
	say(2, 1);
	for (int turn = 0; turn < 2; turn++) {
		unsigned int n = team_hear(team, 0, note, 16);

		cr_assert_eq(n, 16);
		for (unsigned int i = 0; i < n; i++)
			heard |= note[i].link.port == 2;
	}
	cr_expect(heard);
}

Test(team, a_ring_that_is_full_says_so)
{
	const struct team_note note = {.kind = TEAM_LINK};
	unsigned int n = 0;

	cr_assert_eq(make(2, 96), 0, "%s", err);
	while (n <= TEAM_NOTES && team_tell(team, 0, 1, &note))
		n++;
	cr_expect_eq(n, TEAM_NOTES - 1);
	cr_expect(team_tell(team, 1, 0, &note), "the other way has room");
}
