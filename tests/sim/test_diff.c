/* Sluice and Linux play the same scripts: see diff.h. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/sim/diff.h"
#include "tests/util/eal.h"

#define SCRIPTS      500
#define SCRIPTS_LONG 10000
#define CLASSES      64
#define TRIES        20
#define SHOWN        5 /* unexplained differences printed whole */

TestSuite(diff);

static uint16_t next_port(void)
{
	static uint16_t port = 2000;

	port = port < 60000 ? port + 1 : 2000;
	return port;
}

static void show(const struct diff_script *s, const struct diff_result *ours,
		 const struct diff_result *theirs, int at, const char *what)
{
	fprintf(stderr, "\nseed %llu: %s differs; %s, syn mss %u%s%s%s\n",
		(unsigned long long)s->seed, what, s->active ? "connects" : "listens", s->syn.mss,
		s->syn.has_wscale ? " wscale" : "", s->syn.has_ts ? " ts" : "",
		s->syn.has_sack_perm ? " sack" : "");
	for (int i = 0; i <= at; i++) {
		fprintf(stderr, "%s%2d ", i == at ? ">" : " ", i);
		if (i > 0)
			diff_step_print(stderr, &s->step[i - 1]);
		fprintf(stderr, "\n      sluice ");
		diff_result_print(stderr, &ours[i]);
		fprintf(stderr, "\n      linux  ");
		diff_result_print(stderr, &theirs[i]);
		fprintf(stderr, "\n");
	}
}

/* False: the machine was too busy, again and again. */
static bool play_linux(struct diff_end *e, const struct diff_script *s, struct diff_result *ret)
{
	for (int i = 0; i < TRIES; i++) {
		diff_play(e, s, next_port(), ret);
		if (!e->too_slow(e))
			return true;
	}
	return false;
}

/* What became of the scripts. */
struct tally {
	unsigned int alike, explained, unexplained, slow;
	unsigned int count[CLASSES];
};

static void compare(const struct diff_script *s, const struct diff_result *ours,
		    const struct diff_result *theirs, struct tally *t)
{
	bool goes_on = true, any = false;
	const char *what;
	int at = -1;

	while (goes_on && (at = diff_compare(s, ours, theirs, at + 1, &what)) >= 0) {
		int class = diff_explain(s, ours, theirs, at, what, &goes_on);

		if (class < 0) {
			if (t->unexplained++ < SHOWN)
				show(s, ours, theirs, at, what);
			return;
		}
		t->count[class]++;
		any = true;
	}
	t->alike += !any;
	t->explained += any;
}

Test(diff, the_same_scripts_at_linux)
{
	static struct diff_result ours[DIFF_STEPS + 1], theirs[DIFF_STEPS + 1];
	unsigned int n = test_long() ? SCRIPTS_LONG : SCRIPTS;
	struct diff_end *stack = diff_stack(), *kernel = diff_linux();
	struct rnd seeds = rnd_new(rnd_seed());
	struct tally t = {0};

	if (kernel == NULL)
		cr_skip_test("no namespace or no TUN for this process");
	eal_start("64");
	for (unsigned int i = 0; i < n; i++) {
		struct diff_script s;

		diff_script_make(&s, rnd_u64(&seeds));
		if (!play_linux(kernel, &s, theirs)) {
			t.slow++;
			continue;
		}
		diff_play(stack, &s, next_port(), ours);
		cr_expect_not(diff_stack_bad(), "seed %llu: a byte or a buffer was lost",
			      (unsigned long long)s.seed);
		compare(&s, ours, theirs, &t);
	}
	printf("%u scripts: %u alike, %u with explained differences, %u not played (machine too "
	       "busy)\n",
	       n, t.alike, t.explained, t.slow);
	for (int i = 0; diff_class_name(i) != NULL; i++)
		printf("  %5u %s\n", t.count[i], diff_class_name(i));
	cr_expect_eq(t.unexplained, 0, "%u unexplained", t.unexplained);
	cr_expect_lt(t.slow, n / 10);
}
