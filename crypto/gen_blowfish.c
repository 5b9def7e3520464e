/*
 * crypto/gen_blowfish.c - writes the tables that Blowfish starts from, while the project is built.
 *
 * Schneier, "Description of a New Variable-Length Key, 64-bit Block Cipher (Blowfish)", 1993: the
 * P-array and then the four S-boxes are the digits of pi behind the point. They are computed here,
 * by Machin's pi = 16 arctan(1/5) - 4 arctan(1/239), rather than typed.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define P_WORDS 18
#define S_WORDS 256
#define DIGITS  (P_WORDS + 4 * S_WORDS) /* words of 32 bits */
#define GUARD   2                       /* swallow what each division cuts off */
#define WORDS   (1 + DIGITS + GUARD)    /* the first is the whole part */

static bool divide(uint32_t x[WORDS], uint32_t by)
{
	uint64_t rest = 0;
	bool nonzero = false;

	for (int i = 0; i < WORDS; i++) {
		rest = rest << 32 | x[i];
		x[i] = (uint32_t)(rest / by);
		rest %= by;
		nonzero |= x[i] != 0;
	}
	return nonzero;
}

static void add(uint32_t sum[WORDS], const uint32_t x[WORDS])
{
	uint64_t carry = 0;

	for (int i = WORDS - 1; i >= 0; i--) {
		carry += (uint64_t)sum[i] + x[i];
		sum[i] = (uint32_t)carry;
		carry >>= 32;
	}
}

static void subtract(uint32_t sum[WORDS], const uint32_t x[WORDS])
{
	uint64_t borrow = 0;

	for (int i = WORDS - 1; i >= 0; i--) {
		uint64_t d = (uint64_t)sum[i] - x[i] - borrow;

		sum[i] = (uint32_t)d;
		borrow = d >> 63;
	}
}

/* sum += factor arctan(1/n), or less it: 1/n - 1/(3 n^3) + 1/(5 n^5) - … */
static void arctan(uint32_t sum[WORDS], uint32_t factor, uint32_t n, bool minus)
{
	uint32_t power[WORDS] = {factor}, term[WORDS];
	bool more = divide(power, n);

	for (uint32_t k = 1; more; k += 2) {
		memcpy(term, power, sizeof(term));
		divide(term, k);
		(minus ? subtract : add)(sum, term);
		minus = !minus;
		more = divide(power, n * n);
	}
}

static void print(const char *name, const uint32_t *x, int n)
{
	printf("\t.%s = {", name);
	for (int i = 0; i < n; i++)
		printf("%s0x%08" PRIx32 ",", i % 8 == 0 ? "\n\t\t" : " ", x[i]);
	printf("\n\t},\n");
}

int main(void)
{
	static uint32_t pi[WORDS];
	const uint32_t *s = pi + 1 + P_WORDS;

	arctan(pi, 16, 5, false);
	arctan(pi, 4, 239, true);
	if (pi[0] != 3)
		return 1;
	printf("/* Made by crypto/gen_blowfish.c. */\n"
	       "static const struct blowfish blowfish_start = {\n");
	print("p", pi + 1, P_WORDS);
	print("s[0]", s, S_WORDS);
	print("s[1]", s + S_WORDS, S_WORDS);
	print("s[2]", s + 2 * S_WORDS, S_WORDS);
	print("s[3]", s + 3 * S_WORDS, S_WORDS);
	printf("};\n");
	return 0;
}
