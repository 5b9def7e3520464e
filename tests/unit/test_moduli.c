/* tests/unit/test_moduli.c - the file of groups: read, chosen from, written, made. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/moduli.h"

/* p = 2 q + 1, both prime, of 512 bits with p mod 24 = 11 (Python's integers). */
#define P512                                                                                       \
	"CE5223FA777A2C064668121F55A954AF9D7825FA7B10089AC674D8004E6DD20B7713225F99E98EAC5683F953" \
	"C86D1EA7A99874BA9863C686BAAF00146B0C915B"
#define LINE "20260101000000 2 6 100 511 2 " P512

static struct moduli *parse(const char *text)
{
	struct moduli *m = NULL;
	int r = moduli_parse(text, strlen(text), &m);

	cr_assert(r == 0 || r == -ENOENT, "%d", r);
	cr_assert_eq(r == 0, m != NULL);
	return m;
}

Test(moduli, a_line_is_a_group)
{
	static const char *const good[] = {
		LINE,
		LINE "\n",
		"# Time Type Tests Tries Size Generator Modulus\n\n" LINE "\r\n",
		"  20260101000000\t2 6  100 511 2 " P512 " \n",
		"20260101000000 2 4 100 511 5 000" P512 "\n", /* leading zeros */
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct moduli *m = parse(good[i]);
		struct kex_group g;

		cr_assert_not_null(m, "%zu", i);
		cr_expect_eq(moduli_count(m), 1);
		cr_assert_eq(moduli_choose(m, 512, 512, 512, &g), 0);
		cr_expect_eq(kex_group_bits(&g), 512);
		cr_expect_eq(g.g[0], i == 4 ? 5 : 2);
		moduli_free(m);
	}
}

Test(moduli, what_is_no_group_is_left_out)
{
	static const char *const bad[] = {
		"",
		"\n",
		"20260101000000 2 6 100 511 2\n",     /* a field is missing */
		LINE " 1\n",                          /* one too many */
		"20260101000000 4 6 100 511 2 " P512, /* not a safe prime */
		"20260101000000 2 7 100 511 2 " P512, /* composite */
		"20260101000000 2 0 100 511 2 " P512, /* not tested */
		"20260101000000 2 6 100 512 2 " P512, /* another size */
		"20260101000000 2 6 100 510 2 " P512,
		"20260101000000 2 6 100 511 1 " P512, /* generators */
		"20260101000000 2 6 100 511 0 " P512,
		"20260101000000 2 6 100 511 11111111111111111 " P512,
		"20260101000000 2 6 100 511 x " P512,
		"20260101000000 2 6 100 511 2 " P512 "g",
		"20260101000000 2 6 100 515 2 " P512 "8", /* even */
		"20260101000000 2 6 1x0 511 2 " P512,
		"20260101000000 99999999999 6 100 511 2 " P512,
		"20260101000000 2 6 100 2 2 7", /* small */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_null(parse(bad[i]), "%zu", i);
}

Test(moduli, one_bad_line_spoils_no_other)
{
	struct moduli *m = parse("rubbish\n" LINE "\n2 2 2\n" LINE);

	cr_assert_not_null(m);
	cr_expect_eq(moduli_count(m), 2);
	moduli_free(m);
}

static char *file_of(const unsigned int *bits, size_t n)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	for (size_t i = 0; i < n; i++) {
		struct kex_group g = {.p_len = (uint16_t)(bits[i] / 8), .g_len = 1, .g = {2}};

		memset(g.p, 0xff, g.p_len);
		g.p[1] = (uint8_t)i;
		cr_assert_eq(moduli_write(f, &g, "20260101000000", 100), 0);
	}
	fclose(f);
	return text;
}

/* RFC 4419 section 3: the smallest that is large enough; else the largest there is. */
Test(moduli, the_size_is_the_smallest_that_is_large_enough)
{
	static const unsigned int bits[] = {2048, 2048, 3072, 4096, 4096, 8192};
	static const struct {
		uint32_t min, n, max;
		unsigned int want; /* 0: none */
	} t[] = {
		{2048, 2048, 8192, 2048}, {2048, 2049, 8192, 3072}, {1024, 1024, 8192, 2048},
		{2048, 5000, 8192, 8192}, {2048, 5000, 4096, 4096}, {2048, 8192, 8192, 8192},
		{2048, 8192, 3000, 2048}, {3072, 3072, 3072, 3072}, {5000, 5000, 6000, 0},
		{8193, 9000, 9000, 0},    {512, 600, 1000, 0},
	};
	char *text = file_of(bits, 6);
	struct moduli *m = parse(text);

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct kex_group g;
		int r = moduli_choose(m, t[i].min, t[i].n, t[i].max, &g);

		cr_expect_eq(r, t[i].want != 0 ? 0 : -ENOENT, "%zu", i);
		if (r == 0)
			cr_expect_eq(kex_group_bits(&g), t[i].want, "%zu", i);
	}
	moduli_free(m);
	free(text);
}

Test(moduli, any_of_the_size_may_come)
{
	static const unsigned int bits[] = {2048, 3072, 2048, 2048};
	char *text = file_of(bits, 4);
	struct moduli *m = parse(text);
	unsigned int seen = 0;

	for (int i = 0; i < 200; i++) {
		struct kex_group g;

		cr_assert_eq(moduli_choose(m, 2048, 2048, 2048, &g), 0);
		seen |= 1U << g.p[1];
	}
	cr_expect_eq(seen, 1U | 1U << 2 | 1U << 3);
	moduli_free(m);
	free(text);
}

Test(moduli, without_a_file_it_is_a_group_of_rfc_3526)
{
	static const struct {
		uint32_t min, n, max;
		unsigned int want;
	} t[] = {
		{2048, 2048, 8192, 2048}, {2048, 3072, 8192, 4096}, {2048, 8192, 8192, 8192},
		{2048, 8192, 4096, 4096}, {2048, 9000, 9000, 8192}, {2049, 3000, 4000, 0},
		{512, 512, 1024, 0},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct kex_group g;
		int r = moduli_choose(NULL, t[i].min, t[i].n, t[i].max, &g);

		cr_expect_eq(r, t[i].want != 0 ? 0 : -ENOENT, "%zu", i);
		if (r == 0)
			cr_expect_eq(kex_group_bits(&g), t[i].want, "%zu", i);
	}
}

Test(moduli, the_systems_own_file_is_read)
{
	struct moduli *m = NULL;
	int r = moduli_read("/etc/ssh/moduli", &m);

	if (r == -ENOENT) {
		cr_skip("no OpenSSH on this machine");
		return;
	}
	cr_assert_eq(r, 0);
	cr_expect_gt(moduli_count(m), 100);
	moduli_free(m);
}

Test(moduli, a_file_that_is_not_there_or_has_no_end_is_refused)
{
	struct moduli *m = NULL;

	cr_expect_eq(moduli_read("/nonexistent/moduli", &m), -ENOENT);
	cr_expect_eq(moduli_read("/dev/zero", &m), -EFBIG);
	cr_expect_eq(moduli_read("/dev/null", &m), -ENOENT);
	cr_expect_null(m);
}

Test(moduli, what_was_made_is_safe_and_is_read_again)
{
	struct kex_group g, again;
	struct moduli *m;
	char *text = NULL;
	size_t len;
	FILE *f;

	cr_assert_eq(moduli_generate(512, NULL, NULL, &g), 0);
	cr_expect_eq(kex_group_bits(&g), 512);
	cr_assert_eq(moduli_screen(g.p, g.p_len, &again), 0);
	cr_expect_eq(again.g[0], 2);
	f = open_memstream(&text, &len);
	cr_assert_eq(moduli_write(f, &g, "20260102030405", 100), 0);
	fclose(f);
	cr_expect_eq(strncmp(text, "20260102030405 2 6 100 511 2 ", 29), 0, "%s", text);
	m = parse(text);
	cr_assert_not_null(m);
	cr_assert_eq(moduli_choose(m, 512, 512, 512, &again), 0);
	cr_expect_arr_eq(again.p, g.p, g.p_len);
	moduli_free(m);
	free(text);
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

Test(moduli, making_one_can_be_stopped)
{
	struct kex_group g;

	cr_expect_eq(moduli_generate(4096, never, NULL, &g), -ECANCELED);
	cr_expect_eq(moduli_generate(256, NULL, NULL, &g), -EINVAL);
	cr_expect_eq(moduli_generate(16384, NULL, NULL, &g), -EINVAL);
}

Test(moduli, what_is_no_safe_prime_is_screened_out)
{
	static uint8_t p[KEX_GROUP_MAX + 1];
	struct kex_group fixed, g;

	cr_assert_eq(kex_group_fixed(1024, &fixed), 0); /* p mod 24 is 23, p mod 10 is 7 */
	cr_assert_eq(moduli_screen(fixed.p, fixed.p_len, &g), 0);
	cr_expect_eq(g.g[0], 5);
	memcpy(p, fixed.p, fixed.p_len);
	p[fixed.p_len - 1] ^= 2;
	cr_expect_eq(moduli_screen(p, fixed.p_len, &g), -EBADMSG);
	p[fixed.p_len - 1] ^= 3;
	cr_expect_eq(moduli_screen(p, fixed.p_len, &g), -EBADMSG);
	cr_expect_eq(moduli_screen(fixed.p, 32, &g), -EBADMSG);
	cr_expect_eq(moduli_screen(p, sizeof(p), &g), -EBADMSG);
	cr_expect_eq(moduli_screen(p, 0, &g), -EBADMSG);
}
