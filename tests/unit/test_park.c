/* dataplane/park: descriptors wait for who claims them, so many and so long. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <unistd.h>

#include "dataplane/park.h"

static struct park p;

TestSuite(park);

static void put(uint64_t token, unsigned int n, uint64_t now, int fd[3])
{
	for (unsigned int i = 0; i < n; i++)
		fd[i] = dup(STDERR_FILENO);
	park_put(&p, token, fd, n, now);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

Test(park, what_was_put_is_claimed_once)
{
	struct host_fds got = host_no_fds;
	int fd[3];

	put(7, 3, 0, fd);
	cr_expect_not(park_claim(&p, 8, &got));
	cr_assert(park_claim(&p, 7, &got));
	cr_expect_eq(got.in, fd[0]);
	cr_expect_eq(got.out, fd[1]);
	cr_expect_eq(got.err, fd[2]);
	cr_expect(is_open(fd[0]) && is_open(fd[1]) && is_open(fd[2]));
	cr_expect_not(park_claim(&p, 7, &got));
	cr_expect_eq(park_next_timer_us(&p), UINT64_MAX);
}

Test(park, one_descriptor_is_both_ways_and_two_have_no_err)
{
	struct host_fds got;
	int fd[3];

	put(1, 1, 0, fd);
	cr_assert(park_claim(&p, 1, &got));
	cr_expect(got.in == fd[0] && got.out == fd[0] && got.err == -1);
	put(2, 2, 0, fd);
	cr_assert(park_claim(&p, 2, &got));
	cr_expect(got.in == fd[0] && got.out == fd[1] && got.err == -1);
}

Test(park, late_ones_are_closed_and_counted)
{
	struct host_fds got;
	int a[3], b[3];

	put(1, 1, 0, a);
	put(2, 1, 1000, b);
	cr_expect_eq(park_next_timer_us(&p), PARK_US);
	cr_expect_eq(park_expire(&p, PARK_US - 1), 0);
	cr_expect_eq(park_expire(&p, PARK_US), 1);
	cr_expect_not(is_open(a[0]));
	cr_expect_not(park_claim(&p, 1, &got));
	cr_expect(park_claim(&p, 2, &got));
	cr_expect(is_open(b[0]));
	cr_expect_eq(p.counters[PARK_C_LATE], 1);
}

Test(park, a_token_twice_keeps_the_first)
{
	struct host_fds got;
	int a[3], b[3];

	put(1, 1, 0, a);
	put(1, 1, 0, b);
	cr_expect_not(is_open(b[0]));
	cr_expect_eq(p.counters[PARK_C_TWICE], 1);
	cr_assert(park_claim(&p, 1, &got));
	cr_expect_eq(got.in, a[0]);
}

Test(park, it_holds_so_many)
{
	int fd[3];

	for (uint64_t i = 1; i <= PARK_MAX; i++)
		put(i, 1, i, fd);
	cr_expect_eq(p.counters[PARK_C_FULL], 0);
	put(PARK_MAX + 1, 1, 9999, fd);
	cr_expect_eq(p.counters[PARK_C_FULL], 1);
	cr_expect_not(is_open(fd[0]));
	park_clear(&p);
	cr_expect_eq(p.n, 0);
}
