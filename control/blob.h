/*
 * control/blob.h - what control leaves with a connection, sealed.
 *
 * A blob lets a control that was restarted know again whose connection this is. The
 * dataplane keeps it and can neither read nor alter it: AES-256-GCM under a key that stays
 * on control's side ($SLUICE_RUN/blob.key, mode 0600, kept across restarts), a random
 * nonce, and as associated data the version, the handle and the start id of the
 * dataplane, so that a blob fits the one connection it was made for.
 *
 *   sealed = byte version, byte nonce[12], cipher text, byte tag[16]
 *
 * Errors  -EBADMSG: not ours, altered, or of another connection; nothing else is said.
 */
#ifndef SLUICE_CONTROL_BLOB_H
#define SLUICE_CONTROL_BLOB_H

#include <stddef.h>
#include <stdint.h>

#include "link/msg.h"

#define BLOB_VERSION   2
#define BLOB_KEY_LEN   32
#define BLOB_OVERHEAD  (1 + 12 + 16)
#define BLOB_PLAIN_MAX (LINK_BLOB_MAX - BLOB_OVERHEAD)

struct blob_key; /* locked memory */

/* Reads the key at path, or makes it (mode 0600). A file with other modes or length is refused. */
int blob_key_open(const char *path, struct blob_key **ret) __attribute__((warn_unused_result));
/* A key that lives as long as the process. */
int blob_key_new(struct blob_key **ret) __attribute__((warn_unused_result));
void blob_key_free(struct blob_key *k); /* wipes; NULL is fine */

/* Another secret for another purpose, the same as long as the key is. */
int blob_key_derive(const struct blob_key *k, const char *purpose, uint8_t ret[BLOB_KEY_LEN])
	__attribute__((warn_unused_result));

struct blob_binding {
	struct link_handle conn;
	uint64_t start_id;
};

/* len <= BLOB_PLAIN_MAX; out has LINK_BLOB_MAX bytes. */
int blob_seal(const struct blob_key *k, const struct blob_binding *to, const void *plain,
	      size_t len, uint8_t *out, size_t *ret_len) __attribute__((warn_unused_result));
/* out has BLOB_PLAIN_MAX bytes; untouched on error. */
int blob_open(const struct blob_key *k, const struct blob_binding *to, const uint8_t *sealed,
	      size_t len, uint8_t *out, size_t *ret_len) __attribute__((warn_unused_result));

#endif
