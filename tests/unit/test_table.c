/* dataplane/table.h: zeroes, as far as asked for, that nobody else has. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/table.h"

#define MIB ((size_t)1 << 20)

static const size_t sizes[] = {1, 64, 4096, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1, 5 * MIB};

Test(table, is_zero_and_writable_to_its_end)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t *p = table_new(sizes[i], 1);

		cr_assert_not_null(p);
		cr_expect_eq((uintptr_t)p % 64, 0);
		for (size_t k = 0; k < sizes[i]; k += 4096)
			cr_expect_eq(p[k], 0);
		p[0] = p[sizes[i] - 1] = 1;
		table_free(p, sizes[i], 1);
	}
}

Test(table, large_ones_begin_where_a_huge_page_does)
{
	void *p = table_new(5, MIB);

	cr_assert_not_null(p);
	cr_expect_eq((uintptr_t)p % (2 * MIB), 0);
	table_free(p, 5, MIB);
}

Test(table, one_does_not_reach_into_another)
{
	uint8_t *a = table_new(3, MIB), *b = table_new(3, MIB), *c = table_new(3, MIB);

	cr_assert(a != NULL && b != NULL && c != NULL);
	memset(a, 1, 3 * MIB);
	memset(c, 3, 3 * MIB);
	table_free(a, 3, MIB);
	table_free(c, 3, MIB);
	for (size_t k = 0; k < 3 * MIB; k += 512)
		cr_expect_eq(b[k], 0);
	table_free(b, 3, MIB);
}

Test(table, of_nothing_is_a_table)
{
	void *p = table_new(0, 416);

	cr_expect_not_null(p);
	table_free(p, 0, 416);
	table_free(NULL, 7, 416);
}

Test(table, more_than_there_is_is_refused)
{
	cr_expect_null(table_new(SIZE_MAX / 2, 3));
	cr_expect_null(table_new(SIZE_MAX, SIZE_MAX));
	cr_expect_null(table_new(SIZE_MAX - MIB, 1));
}
