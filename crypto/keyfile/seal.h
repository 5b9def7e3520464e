/*
 * crypto/keyfile/seal.h - the ciphers of openssh-key-v1, one block of bytes under one key.
 *
 * Source  OpenSSH's PROTOCOL.key: key and IV are the first bytes of what bcrypt_pbkdf gives.
 */
#ifndef SLUICE_CRYPTO_KEYFILE_SEAL_H
#define SLUICE_CRYPTO_KEYFILE_SEAL_H

#include "crypto/blob.h"

#define SEAL_KEYING_MAX 80 /* key and IV */
#define SEAL_TAG_MAX    16

struct seal_cipher {
	const char *name;
	const char *openssl;
	uint8_t key_len, iv_len, block_len, tag_len;
};

const struct seal_cipher *seal_cipher_find(struct blob_str name); /* NULL */
const char *seal_cipher_name_at(unsigned int i);                  /* NULL behind the last */

/*
 * In place; the tag, if the cipher has one, is checked before anything is opened. -EBADMSG: the
 * tag is wrong; -EIO, -ENOMEM.
 */
int seal_open(const struct seal_cipher *c, const uint8_t *keying, uint8_t *p, size_t len,
	      const uint8_t *tag) __attribute__((warn_unused_result));
int seal_close(const struct seal_cipher *c, const uint8_t *keying, uint8_t *p, size_t len,
	       uint8_t *ret_tag) __attribute__((warn_unused_result));

#endif
