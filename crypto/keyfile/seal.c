/* crypto/keyfile/seal.c - the ciphers of openssh-key-v1. */
#include "crypto/keyfile/seal.h"

#include <errno.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "crypto/secret.h"

#define POLY_KEY_LEN 32

static const struct seal_cipher ciphers[] = {
	{"aes256-ctr", "AES-256-CTR", 32, 16, 16, 0},
	{"aes192-ctr", "AES-192-CTR", 24, 16, 16, 0},
	{"aes128-ctr", "AES-128-CTR", 16, 16, 16, 0},
	{"aes256-cbc", "AES-256-CBC", 32, 16, 16, 0},
	{"aes192-cbc", "AES-192-CBC", 24, 16, 16, 0},
	{"aes128-cbc", "AES-128-CBC", 16, 16, 16, 0},
	{"rijndael-cbc@lysator.liu.se", "AES-256-CBC", 32, 16, 16, 0},
	{"aes256-gcm@openssh.com", "AES-256-GCM", 32, 12, 16, 16},
	{"aes128-gcm@openssh.com", "AES-128-GCM", 16, 12, 16, 16},
	/* Two keys; the second, of packet lengths, has nothing to do here. */
	{"chacha20-poly1305@openssh.com", "ChaCha20", 64, 0, 8, 16},
	{"3des-cbc", "DES-EDE3-CBC", 24, 8, 8, 0},
	{"none", NULL, 0, 0, 8, 0},
};

#define N_CIPHERS (sizeof(ciphers) / sizeof(ciphers[0]))

const struct seal_cipher *seal_cipher_find(struct blob_str name)
{
	for (size_t i = 0; i < N_CIPHERS; i++)
		if (blob_str_is(name, ciphers[i].name))
			return &ciphers[i];
	return NULL;
}

const char *seal_cipher_name_at(unsigned int i)
{
	return i < N_CIPHERS ? ciphers[i].name : NULL;
}

static bool is_chapoly(const struct seal_cipher *c)
{
	return c->tag_len != 0 && c->iv_len == 0;
}

/* One run of a cipher; tag of a mode that has one: checked when opening, made when sealing. */
static int run(const struct seal_cipher *c, const uint8_t *key, const uint8_t *iv, uint8_t *p,
	       size_t len, bool seal, uint8_t *tag)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, c->openssl, NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool aead = tag != NULL;
	int n = 0, last = 0, r = -EIO;

	if (cipher != NULL && ctx != NULL &&
	    EVP_CipherInit_ex(ctx, cipher, NULL, key, iv, seal ? 1 : 0) == 1 &&
	    EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
	    (!aead || seal ||
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, c->tag_len, tag) == 1) &&
	    EVP_CipherUpdate(ctx, p, &n, p, (int)len) == 1) {
		if (n != (int)len)
			r = -EIO; /* every one of these modes gives what it takes */
		else if (EVP_CipherFinal_ex(ctx, p + n, &last) == 1)
			r = last == 0 ? 0 : -EIO;
		else if (aead && !seal)
			r = -EBADMSG;
		if (r == 0 && aead && seal &&
		    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, c->tag_len, tag) != 1)
			r = -EIO;
	}
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(cipher);
	ERR_clear_error();
	return r;
}

static int poly1305(const uint8_t key[POLY_KEY_LEN], const uint8_t *p, size_t len,
		    uint8_t tag[SEAL_TAG_MAX])
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "POLY1305", NULL);
	EVP_MAC_CTX *ctx = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);
	size_t n = 0;
	int r = -EIO;

	if (ctx != NULL && EVP_MAC_init(ctx, key, POLY_KEY_LEN, NULL) == 1 &&
	    EVP_MAC_update(ctx, p, len) == 1 && EVP_MAC_final(ctx, tag, &n, SEAL_TAG_MAX) == 1 &&
	    n == SEAL_TAG_MAX)
		r = 0;
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
	return r;
}

/*
 * OpenSSH's PROTOCOL.chacha20poly1305 with sequence number 0 and no length: block 0 gives the
 * key of the MAC, which is over the cipher text; the data start at block 1.
 */
static int chapoly(const struct seal_cipher *c, const uint8_t *keying, uint8_t *p, size_t len,
		   bool seal, uint8_t *tag)
{
	uint8_t block0[16] = {0}, block1[16] = {1}; /* counter and nonce, both little-endian 64 */
	uint8_t poly_key[POLY_KEY_LEN] = {0}, own[SEAL_TAG_MAX];
	int r;

	r = run(c, keying, block0, poly_key, sizeof(poly_key), true, NULL);
	if (r == 0 && seal)
		r = run(c, keying, block1, p, len, true, NULL);
	if (r == 0)
		r = poly1305(poly_key, p, len, own);
	if (r == 0 && seal)
		memcpy(tag, own, sizeof(own));
	else if (r == 0 && !secret_equal(own, tag, sizeof(own)))
		r = -EBADMSG;
	else if (r == 0)
		r = run(c, keying, block1, p, len, false, NULL);
	secret_wipe(poly_key, sizeof(poly_key));
	return r;
}

static int crypt(const struct seal_cipher *c, const uint8_t *keying, uint8_t *p, size_t len,
		 bool seal, uint8_t *tag)
{
	if (c->openssl == NULL)
		return 0;
	if (is_chapoly(c))
		return chapoly(c, keying, p, len, seal, tag);
	return run(c, keying, keying + c->key_len, p, len, seal, c->tag_len > 0 ? tag : NULL);
}

int seal_open(const struct seal_cipher *c, const uint8_t *keying, uint8_t *p, size_t len,
	      const uint8_t *tag)
{
	uint8_t copy[SEAL_TAG_MAX] = {0}; /* OpenSSL takes it as if to change it */

	if (c->tag_len > 0)
		memcpy(copy, tag, c->tag_len);
	return crypt(c, keying, p, len, false, copy);
}

int seal_close(const struct seal_cipher *c, const uint8_t *keying, uint8_t *p, size_t len,
	       uint8_t *ret_tag)
{
	return crypt(c, keying, p, len, true, ret_tag);
}
