/*
 * crypto/key_internal.h - what the files of keys share: the table of key types.
 *
 * A type is one file, key_<type>.c, with one struct key_type; key.c lists them.
 */
#ifndef SLUICE_CRYPTO_KEY_INTERNAL_H
#define SLUICE_CRYPTO_KEY_INTERNAL_H

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "crypto/blob.h"
#include "crypto/key.h"

/* RSA 16384 in openssh-key-v1: twice n, d, and three numbers of half the length. */
#define KEY_PRIVATE_MAX (16 * 1024)

struct key_type {
	const char *name;
	const char *log_name;
	const char *cert_name; /* of an OpenSSH certificate of such a key; NULL: there is none */
	const char *cert_log_name;
	unsigned int public_fields; /* strings and mpints behind the name in a public blob */
	bool sk;                    /* a security key: flags and a counter are signed, too */
	const void *param; /* what tells it from others of its family: a curve; NULL: nothing */

	/* The fields behind the type's name in a public blob. */
	int (*public_parse)(const struct key_type *t, struct blob_rd *r, EVP_PKEY **ret);
	/* A public blob, name and all, of a key however it was read. */
	int (*public_build)(const struct key_type *t, EVP_PKEY *pkey, struct blob_wr *w);
	/* The fields behind the type's name in openssh-key-v1, up to the comment. */
	int (*private_parse)(const struct key_type *t, struct blob_rd *r, EVP_PKEY **ret);
	int (*private_build)(const struct key_type *t, EVP_PKEY *pkey, struct blob_wr *w);
	/* Whether a key that OpenSSL read from PEM is of this type. */
	bool (*is)(const struct key_type *t, EVP_PKEY *pkey);
	int (*generate)(const struct key_type *t, unsigned int bits, EVP_PKEY **ret);
	/* What people call the size of such a key. */
	unsigned int (*bits)(const struct key_type *t, EVP_PKEY *pkey);

	/*
	 * Between the signature that OpenSSL makes (raw) and the one in the blob. In the
	 * direction of the wire the result is at most KEY_SIG_MAX bytes, as is raw's.
	 */
	int (*sig_to_wire)(const struct key_type *t, const uint8_t *raw, size_t raw_len,
			   struct blob_wr *w);
	int (*sig_from_wire)(const struct key_type *t, EVP_PKEY *pkey, struct blob_str sig,
			     uint8_t *raw, size_t *ret_len);
	/* In OpenSSL's place, for raw signatures over data; NULL: OpenSSL's. */
	int (*sign)(EVP_PKEY *pkey, const uint8_t *data, size_t len, uint8_t *raw, size_t *ret_len);
	int (*verify)(EVP_PKEY *pkey, const uint8_t *raw, size_t raw_len, const uint8_t *data,
		      size_t len);
};

extern const struct key_type key_type_ed25519, key_type_ed448;
extern const struct key_type key_type_ecdsa_p256, key_type_ecdsa_p384, key_type_ecdsa_p521;
extern const struct key_type key_type_rsa, key_type_dss;
/* verify of both types of Ed25519 keys. */
int key_ed25519_verify(EVP_PKEY *pkey, const uint8_t *raw, size_t raw_len, const uint8_t *data,
		       size_t len);
extern const struct key_type key_type_sk_ed25519, key_type_sk_ecdsa;

enum key_form {
	KEY_PLAIN,
	KEY_CERT,      /* an OpenSSH certificate */
	KEY_X509,      /* X.509 certificates, RFC 6187 */
	KEY_X509_BARE, /* one DER certificate, the older way */
};

/*
 * A private half that is elsewhere: a token's. sign makes what OpenSSL would make of data (raw of
 * sig_to_wire); md is NULL for types that hash by themselves. Any thread, several at a time.
 */
struct key_remote {
	int (*sign)(void *arg, const EVP_MD *md, const uint8_t *data, size_t len, uint8_t *raw,
		    size_t *ret_len);
	void (*free)(void *arg);
};

struct key {
	const struct key_type *type;
	enum key_form form;
	EVP_PKEY *pkey;
	bool is_private;
	struct key *plain;    /* what is certified, public; NULL: this is no certificate */
	struct cert *cert;    /* KEY_CERT */
	struct x509key *x509; /* KEY_X509, KEY_X509_BARE */
	const struct key_remote *remote; /* NULL: pkey is all there is */
	void *remote_arg;
	size_t blob_len;
	uint8_t *blob;
};

/* A key of this type with a copy of the blob and nothing else; NULL: no memory. */
struct key *key_new(const struct key_type *type, const uint8_t *blob, size_t len);
/* key_blob_parse() of a certificate (crypto/cert.c); type is what it certifies. */
int key_cert_parse(const struct key_type *type, const uint8_t *blob, size_t len, struct key **ret);
/* Of a key with X.509 certificates (crypto/x509key.c) by the name of its type, or by looking. */
int key_x509_parse(const char *name, const uint8_t *blob, size_t len, struct key **ret);
int key_x509_parse_any(const uint8_t *blob, size_t len, struct key **ret);
/* Could this blob, which begins with the string name if it is one, be such a key? */
bool key_x509_is(struct blob_str name, const uint8_t *blob, size_t len);
const char *key_x509_type(const struct key *k);
bool key_x509_is_bare(const char *name); /* of the older types: one certificate and no name */
/* The base64 word of a line, decoded and parsed by parse, its type as the line's first word. */
int key_line_parse(const char *line, size_t len,
		   int (*parse)(const uint8_t *blob, size_t len, struct key **ret),
		   struct key **ret);

/*
 * Takes a private pkey and makes a key of it, after it has shown that it signs what its own
 * public half verifies. -EBADMSG: it does not; -ENOTSUP: bounds. pkey is taken either way.
 */
int key_from_private(const struct key_type *type, EVP_PKEY *pkey, struct key **ret);

/*
 * Makes a public key private by somebody who signs for it, after a trial as above. arg is the
 * key's on success alone.
 */
int key_remote_set(struct key *k, const struct key_remote *remote, void *arg);

const struct key_type *key_type_find(struct blob_str name);
const struct key_type *key_type_find_cert(struct blob_str name); /* by cert_name */
/* Of a security key: what it was made for (PROTOCOL.u2f). */
struct blob_str key_sk_application(const struct key *plain);

/* What a security key adds to a signature; views. The last three: a browser's alone. */
struct key_sk_sig {
	uint8_t flags;
	uint32_t counter;
	struct blob_str origin, client_data, extensions;
};
void key_sk_sig_parse(struct blob_rd *r, bool webauthn, struct key_sk_sig *ret);
/* What was signed in place of data: the caller's to free(). -EBADMSG: it cannot be. */
int key_sk_signed(const struct key *plain, const struct key_sk_sig *s, bool webauthn,
		  const uint8_t *data, size_t len, uint8_t **ret, size_t *ret_len);
const struct key_type *key_type_at(unsigned int i); /* NULL behind the last */

/*
 * A key of OpenSSL's type from its numbers; bld stays the caller's. -EBADMSG: they make no key;
 * -EIO: the library failed.
 */
int key_pkey_make(const char *type, OSSL_PARAM_BLD *bld, bool private, EVP_PKEY **ret);

/* Writes a number of the key as an mpint; secret numbers leave nothing behind. */
int key_put_number(EVP_PKEY *pkey, const char *param, struct blob_wr *w);

#endif
