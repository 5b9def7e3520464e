/*
 * spread_read(): any bytes as a frame, in one buffer or in two cut anywhere.
 *
 * Input: one byte where to cut, then the frame. Each part lies in memory of its own size, so that a
 * read beyond it is seen. However it is cut, the answer is the same, and it is what the addresses
 * and ports in it say.
 */
#include <string.h>

#include "dataplane/spread.h"
#include "tests/util/fuzz.h"

static struct spread sp;

/* A key that is no secret: a finding can be run again. */
static void start(void)
{
	uint8_t key[SPREAD_KEY_LEN];

	for (unsigned int i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * 167 + 41 + i * i);
	check(sp.shards != 0 || spread_init(&sp, 8, key) == 0);
}

static void read_cut(const uint8_t *p, size_t n, size_t cut, struct spread_pkt *ret)
{
	uint8_t *first = malloc(cut), *rest = malloc(n - cut);
	struct rte_mbuf m[2] = {
		{.buf_addr = first,
		 .data_len = (uint16_t)cut,
		 .pkt_len = (uint32_t)n,
		 .nb_segs = 2,
		 .next = &m[1]},
		{.buf_addr = rest, .data_len = (uint16_t)(n - cut), .nb_segs = 1},
	};

	if (cut > 0)
		memcpy(first, p, cut);
	if (n > cut)
		memcpy(rest, p + cut, n - cut);
	memset(ret, 0, sizeof(*ret));
	spread_read(&sp, m, ret);
	check(spread_owner(&sp, NULL, m, false) ==
	      (ret->class == SPREAD_TCP || ret->class == SPREAD_ICMP_ERROR ? sp.shard[ret->entry]
									   : 0));
	free(first);
	free(rest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spread_pkt whole, cut;
	size_t n;

	if (size == 0 || size > 4096)
		return 0;
	start();
	n = size - 1;
	read_cut(data + 1, n, n, &whole);
	read_cut(data + 1, n, data[0] < n ? data[0] : n, &cut);
	check(memcmp(&whole, &cut, sizeof(whole)) == 0);
	check(whole.class <= SPREAD_ICMP_ERROR && whole.entry < SPREAD_ENTRIES);
	if (whole.class == SPREAD_TCP || whole.class == SPREAD_ICMP_ERROR)
		check(whole.dst.family == 4 || whole.dst.family == 6);
	return 0;
}
