/* tests/fuzz/fuzz_moduli.c - the file of groups. What is read is written, and read again the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/moduli.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct kex_group *g)
{
	struct kex_group got;
	struct moduli *m = NULL;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	unsigned int bits = kex_group_bits(g);

	if (f == NULL || moduli_write(f, g, "20260101000000", 1) < 0 || fclose(f) != 0)
		abort();
	if (moduli_parse(text, len, &m) < 0 || moduli_count(m) != 1 ||
	    moduli_choose(m, bits, bits, bits, &got) < 0)
		abort();
	if (got.p_len != g->p_len || got.g_len != g->g_len || memcmp(got.p, g->p, g->p_len) != 0 ||
	    memcmp(got.g, g->g, g->g_len) != 0)
		abort();
	moduli_free(m);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct moduli *m = NULL;
	struct kex_group g;

	if (moduli_parse((const char *)data, size, &m) < 0)
		return 0;
	if (moduli_count(m) == 0 || moduli_choose(m, 0, 3072, UINT32_MAX, &g) < 0)
		abort();
	if (kex_group_check(&g, MODULI_BITS_MIN, MODULI_BITS_MAX) < 0)
		abort();
	again(&g);
	moduli_free(m);
	return 0;
}
