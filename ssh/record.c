/* ssh/record.c - the rules of the binary packet protocol, RFC 4253 section 6. */
#include "ssh/record.h"

#include <errno.h>
#include <string.h>

#include "crypto/secret.h"
#include "ssh/err.h"

#define LENGTH_BYTES 4 /* of packet_length itself */

void ssh_dir_init(struct ssh_dir *d)
{
	memset(d, 0, sizeof(*d));
	cipher_state_init_plain(&d->cipher);
	d->packet_max = SSH_PACKET_MAX_PREAUTH;
	d->first_kex = true;
}

void ssh_dir_fini(struct ssh_dir *d, struct cipher_engine *e)
{
	cipher_state_fini(e, &d->cipher);
}

static uint64_t least(uint64_t a, uint64_t b) /* 0: no limit */
{
	if (a == 0 || b == 0)
		return a ? a : b;
	return a < b ? a : b;
}

struct ssh_rekey_limit ssh_rekey_limit_of(const struct cipher_suite *suite,
					  const struct ssh_rekey_limit *want)
{
	struct ssh_rekey_limit l = {0};

	if (want != NULL)
		l = *want;
	l.blocks =
		least(l.blocks, suite->block_size >= 16 ? UINT64_C(1) << 32
							: (UINT64_C(1) << 30) / suite->block_size);
	l.packets = (uint32_t)least(l.packets, SSH_REKEY_PACKETS_MAX);
	return l;
}

int ssh_dir_rekey(struct ssh_dir *d, struct cipher_engine *e, const struct cipher_suite *suite,
		  const uint8_t *key, const uint8_t *iv, const uint8_t *mac_key, bool reset_seqnr,
		  const struct ssh_rekey_limit *limit)
{
	struct cipher_state next;
	int r;

	r = cipher_state_init(&next, suite, key, iv, mac_key);
	if (r < 0)
		return r;

	cipher_state_fini(e, &d->cipher);
	d->cipher = next;
	secret_wipe(&next, sizeof(next));

	if (reset_seqnr)
		d->seqnr = 0;
	d->first_kex = false;
	d->bytes = d->blocks = d->packets = 0;
	d->limit = ssh_rekey_limit_of(suite, limit);
	return 0;
}

bool ssh_dir_rekey_due(const struct ssh_dir *d)
{
	const struct ssh_rekey_limit *l = &d->limit;

	return (l->bytes != 0 && d->bytes >= l->bytes) ||
	       (l->blocks != 0 && d->blocks >= l->blocks) ||
	       (l->packets != 0 && d->packets >= l->packets);
}

/*
 * Bytes in front of what must be a multiple of the block: packet_length belongs to it
 * unless it travels in clear or under a key of its own.
 */
static uint32_t outside_blocks(const struct cipher_suite *suite)
{
	switch (suite->shape) {
	case CIPHER_AEAD:
	case CIPHER_CHAPOLY:
	case CIPHER_ETM:
		return LENGTH_BYTES;
	case CIPHER_PLAIN:
	case CIPHER_EAM:
		break;
	}
	return 0;
}

static bool length_ok(const struct ssh_dir *d, uint32_t packet_length)
{
	const struct cipher_suite *suite = d->cipher.suite;

	return packet_length >= SSH_PACKET_MIN && packet_length <= d->packet_max &&
	       (LENGTH_BYTES + packet_length - outside_blocks(suite)) % suite->block_size == 0;
}

/* CBC under a MAC over the plain text: see ssh_dir_refused(). */
static bool tells_nothing(const struct cipher_suite *suite)
{
	return suite->shape == CIPHER_EAM && suite->serial && suite->iv_len > 0;
}

int ssh_dir_peek(struct ssh_dir *d, struct cipher_engine *e, const uint8_t *first, uint32_t n,
		 uint32_t *ret_need, uint32_t *ret_total)
{
	const struct cipher_suite *suite = d->cipher.suite;
	uint32_t packet_length;
	int r;

	if (d->doomed) {
		*ret_total = d->sink + suite->tag_len;
		return 0;
	}
	r = cipher_peek_length(e, &d->cipher, d->seqnr, first, n, ret_need, &packet_length);
	if (r < 0)
		return r;

	if (!length_ok(d, packet_length)) {
		if (!tells_nothing(suite))
			return -SSH_E_LENGTH;
		packet_length =
			suite->block_size - LENGTH_BYTES; /* one block, and its tag is wrong */
	}
	*ret_total = LENGTH_BYTES + packet_length + suite->tag_len;
	return 0;
}

/* All of a refused record and of what is taken in behind it: one block more than any may have. */
static uint32_t sink_total(const struct ssh_dir *d)
{
	uint32_t block = d->cipher.suite->block_size;

	return (LENGTH_BYTES + d->packet_max) / block * block + block;
}

int ssh_dir_refused(struct ssh_dir *d, uint32_t packet_bytes, int err)
{
	if (!tells_nothing(d->cipher.suite))
		return err;
	if (d->doomed || packet_bytes >= sink_total(d))
		return -SSH_E_MAC;
	d->doomed = true;
	d->sink = sink_total(d) - packet_bytes;
	return 0;
}

uint32_t ssh_dir_record_max(const struct ssh_dir *d)
{
	return LENGTH_BYTES + d->packet_max + CIPHER_BLOCK_MAX + CIPHER_TAG_MAX;
}

int ssh_dir_prepare(struct ssh_dir *d, struct cipher_job *job, uint32_t packet_bytes)
{
	/*
	 * Strict kex counts on a number that began at 0; later a rekey is due at 2^31 packets,
	 * and who never gets there must not see a number twice under one key.
	 */
	if (d->first_kex ? d->seqnr == UINT32_MAX : d->packets == UINT32_MAX)
		return -SSH_E_SEQUENCE;

	job->state = &d->cipher;
	job->len = packet_bytes;
	job->seqnr = d->seqnr++;
	d->packets++;
	d->bytes += packet_bytes;
	d->blocks += packet_bytes / d->cipher.suite->block_size;
	cipher_job_prepare(job);
	return 0;
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

int ssh_dir_payload(const struct ssh_dir *d, const uint8_t head[SSH_RECORD_HEAD],
		    uint32_t packet_bytes, uint32_t *ret_payload_len)
{
	uint32_t packet_length = packet_bytes - LENGTH_BYTES;
	uint8_t padding = head[LENGTH_BYTES];

	if (d->doomed)
		return -SSH_E_MAC;
	if (packet_bytes < LENGTH_BYTES + SSH_PACKET_MIN || be32(head) != packet_length)
		return -SSH_E_LENGTH;
	if (padding < SSH_PADDING_MIN || padding > packet_length - 1)
		return -SSH_E_PADDING;
	if (padding == packet_length - 1)
		return -SSH_E_FORMAT;

	*ret_payload_len = packet_length - 1 - padding;
	return 0;
}

uint8_t ssh_dir_padding(const struct ssh_dir *d, uint32_t payload_len)
{
	const struct cipher_suite *suite = d->cipher.suite;
	uint32_t block = suite->block_size;
	uint32_t used = (SSH_RECORD_HEAD - outside_blocks(suite) + payload_len) % block;
	uint32_t padding = block - used;

	while (padding < SSH_PADDING_MIN)
		padding += block;
	return (uint8_t)padding;
}

int ssh_dir_layout(const struct ssh_dir *d, uint32_t payload_len, struct ssh_layout *ret)
{
	uint8_t padding;
	uint32_t packet_length;

	if (payload_len == 0 || payload_len > SSH_PAYLOAD_MAX)
		return -SSH_E_LENGTH;

	padding = ssh_dir_padding(d, payload_len);
	packet_length = 1 + payload_len + padding;
	*ret = (struct ssh_layout){
		.head = {packet_length >> 24, packet_length >> 16, packet_length >> 8,
			 packet_length, padding},
		.padding = padding,
		.tag_len = d->cipher.suite->tag_len,
		.packet_bytes = LENGTH_BYTES + packet_length,
		.total = LENGTH_BYTES + packet_length + d->cipher.suite->tag_len,
	};
	return 0;
}
