/*
 * ssh/record.h - the rules of the binary packet protocol, without moving a byte.
 *
 * Source  RFC 4253 section 6, OpenSSH PROTOCOL; strict key exchange as in OpenSSH
 *         PROTOCOL section 1.10.
 * Units   bytes; limits are of packet_length.
 * Lcore   the one that owns the connection.
 * Memory  embedded in its connection; ssh_dir_fini() wipes.
 *
 * One struct per direction knows the suite, the sequence number and what was carried
 * under the key. Whoever carries records (a shard over mbufs, ssh/flat.h over a
 * buffer) asks here how long a record is, how it is padded and where its payload lies.
 */
#ifndef SLUICE_SSH_RECORD_H
#define SLUICE_SSH_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/cipher.h"

#define SSH_PACKET_MAX_PREAUTH 35000
#define SSH_PACKET_MAX	       (256 * 1024)
#define SSH_PACKET_MIN	       5  /* padding_length, 4 bytes of padding; the empty payload is refused later */
#define SSH_PADDING_MIN	       4
#define SSH_RECORD_HEAD	       5  /* packet_length, padding_length */
#define SSH_PADDING_MAX	       255

/* When a key is due to be changed; 0 means no such limit. */
struct ssh_rekey_limit {
	uint64_t bytes;
	uint64_t blocks;  /* of the cipher */
	uint32_t packets; /* never more than 2^31 */
	uint32_t seconds; /* the carrier's clock */
};

/*
 * The limits a key of this suite must have: 2^32 blocks of 16 bytes and more (RFC 4344
 * section 3.2), 1 GiB where blocks are smaller or, as with chacha20-poly1305, the
 * padding unit is; 2^31 packets (RFC 4344 section 3.1). want, which may be NULL, narrows
 * them further and adds seconds.
 */
struct ssh_rekey_limit ssh_rekey_limit_of(const struct cipher_suite *suite,
					  const struct ssh_rekey_limit *want);

#define SSH_REKEY_PACKETS_MAX (UINT32_C(1) << 31)

struct ssh_dir {
	struct cipher_state cipher;
	uint32_t seqnr;	     /* of the next record */
	uint32_t packet_max; /* SSH_PACKET_MAX_PREAUTH until authenticated */
	bool first_kex;	     /* no NEWKEYS yet: the sequence number must not wrap (S-08) */
	bool doomed;	     /* a record was refused: see ssh_dir_refused() */
	uint32_t sink;	     /* bytes to be taken in before that is told */
	uint64_t bytes, blocks, packets; /* under this key */
	struct ssh_rekey_limit limit;
};

void ssh_dir_init(struct ssh_dir *d);
void ssh_dir_fini(struct ssh_dir *d, struct cipher_engine *e);

/*
 * Changes the key right after NEWKEYS passed in this direction under the old key.
 * reset_seqnr: strict kex. Key material has the suite's lengths. The old key is wiped.
 */
int ssh_dir_rekey(struct ssh_dir *d, struct cipher_engine *e, const struct cipher_suite *suite,
		  const uint8_t *key, const uint8_t *iv, const uint8_t *mac_key, bool reset_seqnr,
		  const struct ssh_rekey_limit *limit);

/* True when one of the limits of the current key is passed (seconds are the carrier's). */
bool ssh_dir_rekey_due(const struct ssh_dir *d);

/*
 * Receive. Whole bytes of the record on the wire (4 + packet_length + tag) from its
 * first n bytes. -EAGAIN with *ret_need (bytes needed to tell) when n is too small;
 * -SSH_E_LENGTH when packet_length is out of bounds or not a multiple of the block
 * as the shape demands. Nothing is kept on error (S-49). With CBC and an encrypted length a
 * bad one is no error yet: it is a record whose tag will be wrong (ssh_dir_refused()).
 */
int ssh_dir_peek(struct ssh_dir *d, struct cipher_engine *e, const uint8_t *first, uint32_t n,
		 uint32_t *ret_need, uint32_t *ret_total);

/*
 * Fills the job for the record (pieces, tag, user are the caller's), takes its
 * sequence number and advances. -SSH_E_SEQUENCE, with nothing changed, when the number
 * would wrap in the first kex or come back under one key. packet_bytes: 4 + packet_length.
 * Same call for both directions.
 */
int ssh_dir_prepare(struct ssh_dir *d, struct cipher_job *job, uint32_t packet_bytes);

/*
 * Receive. What a record comes to that was refused with err, by its tag (-SSH_E_MAC) or by
 * ssh_dir_payload(): the error that ends the connection; or 0: it is not told yet, the record is
 * dropped, and the next "record", of a length that ssh_dir_peek() says, is taken in and opened
 * like any other, to come here, too.
 *
 * Why: with CBC and an encrypted length an attacker who puts blocks of his own into a stream
 * learns 14 bits of plain text from when the receiver complains (CVE-2008-5161, S-69). So
 * whatever was wrong, length or tag, as many bytes as the largest record has are taken in,
 * decrypted and put through the MAC before one and the same error.
 */
int ssh_dir_refused(struct ssh_dir *d, uint32_t packet_bytes, int err);
/* The most bytes a receiver must be able to hold: one largest record. */
uint32_t ssh_dir_record_max(const struct ssh_dir *d);

/*
 * After the tag was verified: the length of the payload behind SSH_RECORD_HEAD, from
 * the first five plain bytes. -SSH_E_PADDING; an empty payload is -SSH_E_FORMAT; a
 * packet_length that is not the one the record was cut by is -SSH_E_LENGTH.
 */
int ssh_dir_payload(const struct ssh_dir *d, const uint8_t head[SSH_RECORD_HEAD],
		    uint32_t packet_bytes, uint32_t *ret_payload_len);

/*
 * Send. Length of the padding for a payload: least allowed, so that the encrypted part
 * is a multiple of the block. packet_bytes = SSH_RECORD_HEAD + payload + padding.
 */
uint8_t ssh_dir_padding(const struct ssh_dir *d, uint32_t payload_len);

/*
 * Send. Where everything of a record lies: head | payload | padding | tag. The padding is
 * zero bytes: under every cipher here nobody can see it, and random ones (a SHOULD of
 * RFC 4253 section 6) would cost as much as the cipher for small records.
 */
struct ssh_layout {
	uint8_t head[SSH_RECORD_HEAD]; /* packet_length, padding_length: ready to send */
	uint8_t padding;
	uint8_t tag_len;
	uint32_t packet_bytes; /* for ssh_dir_prepare(): head, payload, padding */
	uint32_t total;	       /* on the wire, tag included */
};

#define SSH_PAYLOAD_MAX (SSH_PACKET_MAX - 1 - SSH_PADDING_MAX)

/* 0; -SSH_E_LENGTH: payload_len is 0 or above SSH_PAYLOAD_MAX. Changes nothing. */
int ssh_dir_layout(const struct ssh_dir *d, uint32_t payload_len, struct ssh_layout *ret);

#endif
