/*
 * Worlds drawn from seeds (scenario.h): every byte once and in order, an end, nothing kept, no
 * window overrun. 10,000 and more with --long. One that fails is played again by
 *
 *     SLUICE_SEED=its-seed SLUICE_WORLDS=1 build/tests/sim/sim_scenario
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "tests/sim/scenario.h"
#include "tests/util/eal.h"
#include "tests/util/rnd.h"

static void start(void)
{
	eal_start("64");
}

TestSuite(scenario, .init = start);

#define PARTS 4 /* each a process of its own */

static unsigned int worlds(void)
{
	const char *s = getenv("SLUICE_WORLDS");

	if (s != NULL)
		return (unsigned int)strtoul(s, NULL, 0);
	return test_long() ? 12000 : 300;
}

static void add(struct scn_result *sum, const struct scn_result *r)
{
	sum->took_us += r->took_us;
	sum->turns += r->turns;
	sum->bytes += r->bytes;
	sum->errors += r->errors;
	for (unsigned int i = 0; i < TCP_C_COUNT; i++)
		sum->counters[i] += r->counters[i];
}

/* What the worlds of a part reached together: a kind of trouble that troubles nobody shows. */
static void print_sum(unsigned int n, const struct scn_result *sum)
{
	printf("%u worlds: %lu bytes in %lu s of their time and %lu turns, %lu errors as they "
	       "should be\n",
	       n, sum->bytes, sum->took_us / TCP_SEC, sum->turns, sum->errors);
	for (unsigned int i = 0; i < TCP_C_COUNT; i++)
		if (sum->counters[i] > 0)
			printf("  %10lu %s\n", sum->counters[i],
			       tcp_counter_text((enum tcp_counter)i));
}

/* Every PARTS-th seed from the first on. */
static void play_part(unsigned int part)
{
	struct scn_result sum = {0};
	uint64_t first = rnd_seed();
	unsigned int n = worlds();

	for (uint64_t seed = first + part; seed < first + n; seed += PARTS) {
		static struct scn s;
		struct scn_result r;

		scn_draw(seed, &s);
		if (scn_play(&s, &r)) {
			add(&sum, &r);
			continue;
		}
		scn_print(&s);
		cr_expect(false,
			  "%s\n  again: SLUICE_SEED=%lu SLUICE_WORLDS=1 "
			  "build/tests/sim/sim_scenario",
			  r.wrong, seed);
	}
	print_sum(n / PARTS, &sum);
}

Test(scenario, worlds_1)
{
	play_part(0);
}

Test(scenario, worlds_2)
{
	play_part(1);
}

Test(scenario, worlds_3)
{
	play_part(2);
}

Test(scenario, worlds_4)
{
	play_part(3);
}
