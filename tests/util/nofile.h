/*
 * tests/util/nofile.h - a process that can open nothing more.
 */
#ifndef SLUICE_TESTS_UTIL_NOFILE_H
#define SLUICE_TESTS_UTIL_NOFILE_H

#include <criterion/criterion.h>
#include <sys/resource.h>
#include <unistd.h>

/* Until nofile_over(). */
static inline void nofile_begin(struct rlimit *was)
{
	struct rlimit none;
	int next = dup(0);

	cr_assert_geq(next, 0);
	close(next);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, was), 0);
	none = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = was->rlim_max};
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
}

static inline void nofile_over(const struct rlimit *was)
{
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, was), 0);
}

#endif
