/*
 * Records through ssh/flat.h. Byte 0 chooses the suite, byte 1 how:
 * bit 0: the rest is the wire, cut in two at byte 2. No payload may come out under keys.
 * else: the rest is one plain packet, sealed under the keys as a peer who has them could;
 *	 the opener gets it in two parts. What comes out, laid out again, is the same packet
 *	 wherever its padding is the least and zero.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/err.h"
#include "ssh/flat.h"
#include "tests/util/suites.h"

#define PACKET_MAX 4096

static struct cipher_engine *engine;

static void flat_with(struct ssh_flat *f, const struct cipher_suite *suite)
{
	if (ssh_flat_init(f, engine) < 0)
		abort();
	if (suite->shape != CIPHER_PLAIN) {
		suite_rekey(&f->rx, engine, suite, 1, true, NULL);
		suite_rekey(&f->tx, engine, suite, 1, true, NULL);
	}
}

/* Feeds in two parts and takes what comes, until it waits or ends; how many payloads. */
static unsigned int run(struct ssh_flat *f, const uint8_t *p, size_t n, size_t cut,
			const uint8_t **ret, size_t *ret_len)
{
	unsigned int taken = 0;
	uint32_t seqnr;

	cut = cut < n ? cut : n;
	if (ssh_flat_feed(f, p, cut) < 0)
		return 0;
	while (ssh_flat_next(f, ret, ret_len, &seqnr) == 0)
		taken++;
	if (ssh_flat_feed(f, p + cut, n - cut) < 0)
		return taken;
	while (ssh_flat_next(f, ret, ret_len, &seqnr) == 0) {
		if (*ret_len == 0 || *ret < f->in || *ret + *ret_len > f->in + f->in_len)
			abort();
		taken++;
	}
	return taken;
}

static bool zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != 0)
			return false;
	}
	return true;
}

/* The packet that was taken against the one we would make of its payload. */
static void same_again(const struct ssh_flat *f, const uint8_t *packet, size_t n,
		       const uint8_t *payload, size_t len)
{
	struct ssh_layout l;

	if (len != n - SSH_RECORD_HEAD - packet[4] ||
	    memcmp(payload, packet + SSH_RECORD_HEAD, len) != 0)
		abort();
	if (ssh_dir_layout(&f->tx, (uint32_t)len, &l) < 0)
		abort();
	if (packet[4] == l.padding && zero(packet + SSH_RECORD_HEAD + len, l.padding) &&
	    (l.packet_bytes != n || memcmp(l.head, packet, SSH_RECORD_HEAD) != 0))
		abort();
}

static void sealed(struct ssh_flat *f, const uint8_t *packet, size_t n, size_t cut)
{
	const struct cipher_suite *suite = f->tx.cipher.suite;
	static uint8_t record[PACKET_MAX + CIPHER_TAG_MAX];
	struct cipher_piece piece = {record, (uint32_t)n};
	struct cipher_job job = {.piece = &piece, .n_pieces = 1};
	struct cipher_job *jobs[] = {&job};
	const uint8_t *payload;
	size_t len;

	bool whole = suite->shape == CIPHER_EAM || suite->shape == CIPHER_PLAIN;

	/* Ciphers are asked for whole blocks only: the length is checked before. */
	if (n < 16 || n > PACKET_MAX || n % CIPHER_BLOCK_MAX != (whole ? 0 : 4))
		return;
	job.tag = record + n;
	memcpy(record, packet, n);
	if (ssh_dir_prepare(&f->tx, &job, (uint32_t)n) < 0)
		abort();
	cipher_seal_burst(engine, jobs, 1);
	if (job.result != 0)
		abort();
	if (run(f, record, n + suite->tag_len, cut, &payload, &len) != 1)
		return;
	/* Under keys the tag binds the whole; in plain a shorter packet may come first. */
	if (suite->shape == CIPHER_PLAIN)
		n = SSH_RECORD_HEAD - 1 + ((size_t)packet[2] << 8 | packet[3]);
	same_again(f, packet, n, payload, len);
}

static void engine_end(void)
{
	cipher_engine_free(engine);
}

static void engine_begin(void)
{
	if (cipher_engine_new(CIPHER_ENGINE_AUTO, SSH_PACKET_MAX + 512, &engine) < 0 ||
	    cipher_engine_legacy(engine) < 0)
		abort();
	atexit(engine_end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct cipher_suite *suite;
	struct ssh_flat f;
	const uint8_t *payload;
	size_t len;

	if (engine == NULL)
		engine_begin();
	if (size < 3)
		return 0;
	suite = suites_at(data[0] % suites_count());
	flat_with(&f, suite);
	if (data[1] & 1) {
		if (run(&f, data + 3, size - 3, data[2], &payload, &len) > 0 &&
		    suite->shape != CIPHER_PLAIN)
			abort();
	} else {
		sealed(&f, data + 3, size - 3, data[2]);
	}
	ssh_flat_fini(&f);
	return 0;
}
