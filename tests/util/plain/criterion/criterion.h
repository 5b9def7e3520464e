/*
 * tests/util/plain/criterion/criterion.h - as much of Criterion as a test of threads needs, for
 * ThreadSanitizer, beside whose memory the real one finds no place for its own.
 *
 * One source file to a program: it has a main(), which runs the tests whose names hold one of the
 * words it is given, each in a process of its own. Options of tests and messages of assertions
 * count for nothing.
 */
#ifndef SLUICE_TESTS_PLAIN_CRITERION_H
#define SLUICE_TESTS_PLAIN_CRITERION_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct plain_test {
	const char *name;
	void (*run)(void);
	struct plain_test *next;
};
static struct plain_test *plain_tests;

#define TestSuite(...) struct plain_test
#define Test(suite, what, ...)                                                                     \
	static void what(void);                                                                    \
	__attribute__((constructor)) static void what##_add(void)                                  \
	{                                                                                          \
		static struct plain_test t = {#what, what, NULL};                                  \
                                                                                                   \
		t.next = plain_tests;                                                              \
		plain_tests = &t;                                                                  \
	}                                                                                          \
	static void what(void)

#define cr_assert(yes, ...)                                                                        \
	do {                                                                                       \
		if (!(yes)) {                                                                      \
			fprintf(stderr, "%s:%d: not %s\n", __FILE__, __LINE__, #yes);              \
			abort();                                                                   \
		}                                                                                  \
	} while (0)
#define cr_assert_not(a, ...)          cr_assert(!(a))
#define cr_assert_eq(a, b, ...)        cr_assert((a) == (b))
#define cr_assert_neq(a, b, ...)       cr_assert((a) != (b))
#define cr_assert_lt(a, b, ...)        cr_assert((a) < (b))
#define cr_assert_leq(a, b, ...)       cr_assert((a) <= (b))
#define cr_assert_gt(a, b, ...)        cr_assert((a) > (b))
#define cr_assert_geq(a, b, ...)       cr_assert((a) >= (b))
#define cr_assert_null(a, ...)         cr_assert((a) == NULL)
#define cr_assert_not_null(a, ...)     cr_assert((a) != NULL)
#define cr_assert_str_eq(a, b, ...)    cr_assert(strcmp(a, b) == 0)
#define cr_assert_str_empty(a, ...)    cr_assert(*(a) == '\0')
#define cr_assert_arr_eq(a, b, n, ...) cr_assert(memcmp(a, b, n) == 0)
#define cr_skip_test(...)              return
/* These end the test as well. */
#define cr_expect(yes, ...)         cr_assert(yes)
#define cr_expect_not(a, ...)       cr_assert_not(a)
#define cr_expect_eq(a, b, ...)     cr_assert_eq(a, b)
#define cr_expect_neq(a, b, ...)    cr_assert_neq(a, b)
#define cr_expect_lt(a, b, ...)     cr_assert_lt(a, b)
#define cr_expect_leq(a, b, ...)    cr_assert_leq(a, b)
#define cr_expect_gt(a, b, ...)     cr_assert_gt(a, b)
#define cr_expect_geq(a, b, ...)    cr_assert_geq(a, b)
#define cr_expect_str_eq(a, b, ...) cr_assert_str_eq(a, b)

static bool plain_wanted(const char *name, char **words)
{
	bool all = *words == NULL;

	for (; *words != NULL; words++)
		all |= strstr(name, *words) != NULL;
	return all;
}

int main(int argc, char **argv)
{
	unsigned int n = 0, failed = 0;

	(void)argc;
	for (struct plain_test *t = plain_tests; t != NULL; t = t->next) {
		int status = -1;
		pid_t pid;

		if (!plain_wanted(t->name, argv + 1))
			continue;
		fflush(NULL);
		pid = fork();
		if (pid == 0) {
			t->run();
			exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
			fprintf(stderr, "FAILED: %s: %#x\n", t->name, (unsigned int)status);
			failed++;
		}
		n++;
	}
	printf("%u tests, %u failed\n", n, failed);
	return failed > 0 || n == 0;
}

#endif
