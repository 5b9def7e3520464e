/* crypto/moduli.c - the file of groups, and choosing from it. */
#include "crypto/moduli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"

/* moduli(5): the fields of a line. */
enum {
	FIELD_TIME,
	FIELD_TYPE,
	FIELD_TESTS,
	FIELD_TRIES,
	FIELD_SIZE,
	FIELD_GENERATOR,
	FIELD_PRIME,
	FIELDS
};

#define TYPE_SAFE       2
#define TESTS_COMPOSITE 1U
#define GENERATOR_MAX   8 /* bytes; they are 2, 3 or 5 */

struct modulus {
	uint16_t bits, p_len, g_len;
	uint8_t g[GENERATOR_MAX];
	uint32_t at; /* of p in store */
};

struct moduli {
	unsigned int n, more; /* groups; who hold it besides the first */
	struct modulus *of;
	uint8_t *store;
};

struct field {
	const char *p;
	size_t len;
};

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Exactly FIELDS words with blanks between them. */
static bool split(const char *p, const char *end, struct field ret[FIELDS])
{
	for (int i = 0; i < FIELDS; i++) {
		while (p < end && blank(*p))
			p++;
		ret[i].p = p;
		while (p < end && !blank(*p))
			p++;
		ret[i].len = (size_t)(p - ret[i].p);
		if (ret[i].len == 0)
			return false;
	}
	while (p < end && blank(*p))
		p++;
	return p == end;
}

static bool number(struct field f, uint32_t max, uint32_t *ret)
{
	uint32_t n = 0;

	for (size_t i = 0; i < f.len; i++) {
		if (f.p[i] < '0' || f.p[i] > '9' || n > max / 10)
			return false;
		n = n * 10 + (uint32_t)(f.p[i] - '0');
	}
	*ret = n;
	return n <= max;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Digits in pairs from the end; the first byte may have one alone. No leading zeros are kept. */
static bool hex(struct field f, size_t max, uint8_t *ret, uint16_t *ret_len)
{
	size_t n;

	while (f.len > 1 && *f.p == '0') {
		f.p++;
		f.len--;
	}
	n = (f.len + 1) / 2;
	if (n > max)
		return false;
	for (size_t i = 0; i < n; i++) {
		const char *low = f.p + f.len - 1 - 2 * (n - 1 - i);
		int l = digit(*low), h = low > f.p ? digit(low[-1]) : 0;

		if (l < 0 || h < 0)
			return false;
		ret[i] = (uint8_t)(h << 4 | l);
	}
	*ret_len = (uint16_t)n;
	return true;
}

/* A line's group; false: it is not one to be used. */
static bool line_parse(const char *p, const char *end, struct kex_group *ret)
{
	struct field f[FIELDS];
	uint32_t type, tests, tries, size;

	if (!split(p, end, f) || !number(f[FIELD_TYPE], 10, &type) ||
	    !number(f[FIELD_TESTS], 255, &tests) || !number(f[FIELD_TRIES], 1U << 30, &tries) ||
	    !number(f[FIELD_SIZE], MODULI_BITS_MAX - 1, &size))
		return false;
	if (type != TYPE_SAFE || (tests & TESTS_COMPOSITE) || tests == 0)
		return false;
	if (!hex(f[FIELD_GENERATOR], GENERATOR_MAX, ret->g, &ret->g_len) ||
	    !hex(f[FIELD_PRIME], KEX_GROUP_MAX, ret->p, &ret->p_len))
		return false;
	/* "The size ... is one bit less than the modulus" is how the file has come to be. */
	return kex_group_bits(ret) == size + 1 &&
	       kex_group_check(ret, MODULI_BITS_MIN, MODULI_BITS_MAX) == 0;
}

static size_t count_lines(const char *p, const char *end)
{
	size_t n = 1;

	for (; (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
		n++;
	return n;
}

/* Two digits a byte: what is written is never longer than the text. */
static void keep(struct moduli *m, const struct kex_group *g, uint32_t *used)
{
	struct modulus *to = &m->of[m->n++];

	*to = (struct modulus){(uint16_t)kex_group_bits(g), g->p_len, g->g_len, {0}, *used};
	memcpy(to->g, g->g, g->g_len);
	memcpy(m->store + *used, g->p, g->p_len);
	*used += g->p_len;
}

int moduli_parse(const char *text, size_t len, struct moduli **ret)
{
	const char *end = text + len;
	struct moduli *m = calloc(1, sizeof(*m));
	uint32_t used = 0;

	if (m == NULL)
		return -ENOMEM;
	m->of = calloc(count_lines(text, end), sizeof(m->of[0]));
	m->store = malloc(len + 1);
	if (m->of == NULL || m->store == NULL || len > MODULI_FILE_MAX) {
		moduli_free(m);
		return len > MODULI_FILE_MAX ? -EFBIG : -ENOMEM;
	}
	while (text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		struct kex_group g;

		if (stop == NULL)
			stop = end;
		if (line_parse(text, stop, &g))
			keep(m, &g, &used);
		text = stop + (stop < end);
	}
	if (m->n == 0) {
		moduli_free(m);
		return -ENOENT;
	}
	*ret = m;
	return 0;
}

int moduli_read(const char *path, struct moduli **ret)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t len;
	int r = -ENOMEM;

	if (f == NULL)
		return -errno;
	text = malloc(MODULI_FILE_MAX + 1);
	if (text != NULL) {
		len = fread(text, 1, MODULI_FILE_MAX + 1, f);
		r = ferror(f) ? -EIO : moduli_parse(text, len, ret);
	}
	free(text);
	fclose(f);
	return r;
}

struct moduli *moduli_get(struct moduli *m)
{
	if (m != NULL)
		m->more++;
	return m;
}

void moduli_free(struct moduli *m)
{
	if (m == NULL || m->more-- > 0)
		return;
	free(m->of);
	free(m->store);
	free(m);
}

unsigned int moduli_count(const struct moduli *m)
{
	return m->n;
}

/* The size to take: the smallest from n on, or the largest below it. 0: none between min and max.
 */
static uint32_t best_size(const struct moduli *m, uint32_t min, uint32_t n, uint32_t max)
{
	uint32_t best = 0;

	for (unsigned int i = 0; i < m->n; i++) {
		uint32_t bits = m->of[i].bits;

		if (bits < min || bits > max)
			continue;
		if (best < n ? bits > best : bits >= n && bits < best)
			best = bits;
	}
	return best;
}

/* Any number below n, which is far below 2^32: a remainder favours none that could be noticed. */
static int any_below(unsigned int n, unsigned int *ret)
{
	uint64_t word;
	int r = crypto_random(&word, sizeof(word));

	if (r == 0)
		*ret = (unsigned int)(word % n);
	return r;
}

static int choose_fixed(uint32_t min, uint32_t n, uint32_t max, struct kex_group *ret)
{
	static const unsigned int bits[] = {8192, 4096, 2048}; /* RFC 3526 */
	unsigned int best = 0;

	for (int i = 0; i < 3; i++)
		if (bits[i] >= min && bits[i] <= max && (best == 0 || bits[i] >= n))
			best = bits[i];
	return best != 0 ? kex_group_fixed(best, ret) : -ENOENT;
}

int moduli_choose(const struct moduli *m, uint32_t min, uint32_t n, uint32_t max,
		  struct kex_group *ret)
{
	uint32_t size = m != NULL ? best_size(m, min, n, max) : 0;
	unsigned int of_size = 0, which = 0;
	int r;

	if (size == 0)
		return choose_fixed(min, n, max, ret);
	for (unsigned int i = 0; i < m->n; i++)
		of_size += m->of[i].bits == size;
	r = any_below(of_size, &which);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < m->n; i++) {
		const struct modulus *from = &m->of[i];

		if (from->bits != size || which-- > 0)
			continue;
		ret->p_len = from->p_len;
		ret->g_len = from->g_len;
		memcpy(ret->p, m->store + from->at, from->p_len);
		memcpy(ret->g, from->g, from->g_len);
		break;
	}
	return 0;
}

static void write_hex(FILE *f, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		fprintf(f, i == 0 ? "%X" : "%02X", p[i]);
}

int moduli_write(FILE *f, const struct kex_group *g, const char *when, unsigned int rounds)
{
	if (strlen(when) != 14 || strspn(when, "0123456789") != 14)
		return -EINVAL;
	/* Tests 6: sieved, and Miller and Rabin's. */
	fprintf(f, "%s %d 6 %u %u ", when, TYPE_SAFE, rounds, kex_group_bits(g) - 1);
	write_hex(f, g->g, g->g_len);
	fputc(' ', f);
	write_hex(f, g->p, g->p_len);
	fputc('\n', f);
	return ferror(f) ? -EIO : 0;
}
