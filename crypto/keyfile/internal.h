/*
 * crypto/keyfile/internal.h - what the formats share: one load, text, numbers, certificates.
 *
 * A format is one file; formats.c lists what each reads and writes, detect.c tells them apart.
 */
#ifndef SLUICE_CRYPTO_KEYFILE_INTERNAL_H
#define SLUICE_CRYPTO_KEYFILE_INTERNAL_H

#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include "crypto/blob.h"
#include "crypto/key_internal.h"
#include "crypto/keyfile.h"

/* What is written: RSA 16384 in any format with room for certificates. */
#define KF_TEXT_MAX (256 * 1024)
/* RSA 16384 in DER; other keys are smaller by far, and looked at more closely (pem.c). */
#define KF_DER_MAX (16 * 1024)

/* One load. */
struct kf_ctx {
	const struct keyfile_opts *o;
	const char *what; /* the path; "" for memory */
	bool too_open;    /* private keys are refused: others may reach the file */
	struct keyfile *kf;
	bool within; /* a key in the file, which may have a passphrase of its own, is opened */
	/* The file's passphrase and that of keys in it, each asked for once. */
	struct kf_pass {
		char *p; /* secret memory */
		size_t len;
	} pass[2];
};

#define KF_JKS_INSTEAD                                                                             \
	"a Java key store: convert it to PKCS#12 (keytool -importkeystore -deststoretype PKCS12)"

/* Sets why and returns r. */
int kf_fail(struct kf_ctx *c, int r, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The passphrase, with a NUL behind it; the context's. The file is encrypted from now on. */
int kf_passphrase(struct kf_ctx *c, const char **ret, size_t *ret_len)
	__attribute__((warn_unused_result));

/* --- keys ------------------------------------------------------------------------------- */

#define KF_FIELD_MAX 66 /* bytes of a number of P-521 */
/* One curve under all its names: SSH's, JWK's, its OID, the key type's. */
struct kf_curve {
	const char *ssh, *jwk, *oid, *type;
	size_t field_len;
	const char *der_oid;
	size_t der_oid_len;
};
/* The fields of openssh-key-v1 behind the type's name, as every format's numbers are put. */
int kf_private_fields(const char *type, const struct blob_wr *fields, struct key **ret)
	__attribute__((warn_unused_result));
/* The same of mpints: "ssh-rsa" n e d iqmp p q; "ssh-dss" p q g y x. */
int kf_private_numbers(const char *type, const struct blob_str *n, size_t count, struct key **ret)
	__attribute__((warn_unused_result));
int kf_public_numbers(const char *type, const struct blob_str *n, size_t count, struct key **ret)
	__attribute__((warn_unused_result));
/* point in any form of SEC 1; of length 0 beside a private number it is computed. */
int kf_ec_private(const struct kf_curve *c, struct blob_str point, struct blob_str d,
		  struct key **ret) __attribute__((warn_unused_result));
int kf_ec_public(const struct kf_curve *c, struct blob_str point, struct key **ret)
	__attribute__((warn_unused_result));
/* type: "ssh-ed25519" or "ssh-ed448". */
int kf_ed_private(const char *type, struct blob_str seed, struct key **ret)
	__attribute__((warn_unused_result));
int kf_ed_public(const char *type, struct blob_str point, struct key **ret)
	__attribute__((warn_unused_result));
/* Takes pkey. -ENOTSUP: of no type that is known. */
int kf_adopt(EVP_PKEY *pkey, bool private, struct key **ret) __attribute__((warn_unused_result));
const struct kf_curve *kf_curve_at(unsigned int i);      /* NULL behind the last */
const struct kf_curve *kf_curve_of(const struct key *k); /* NULL: not of a NIST curve */
/*
 * Numbers of a key, each given to put without leading zeros and wiped behind it. -EIO: the key
 * does not have one.
 */
int kf_numbers(EVP_PKEY *pkey, const char *const *param, size_t n,
	       void (*put)(struct blob_wr *w, struct blob_str magnitude), struct blob_wr *w)
	__attribute__((warn_unused_result));

/* --- text ------------------------------------------------------------------------------- */

/* The next line without its end ("\n" or "\r\n"); false when there is none left. */
bool kf_line(struct blob_rd *r, struct blob_str *ret);
struct blob_str kf_trim(struct blob_str s);
bool kf_starts(struct blob_str s, const char *prefix);
/* Base64 with blanks and line ends in it, into secret memory of *ret_size bytes. */
int kf_base64(struct blob_str s, uint8_t **ret, size_t *ret_len, size_t *ret_size)
	__attribute__((warn_unused_result));
/* Pairs of hexadecimal digits. -EBADMSG: others, or more than max bytes. */
int kf_hex(struct blob_str s, uint8_t *out, size_t max, size_t *ret_len)
	__attribute__((warn_unused_result));
void kf_puts(struct blob_wr *w, const char *s);
void kf_printf(struct blob_wr *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Base64 in lines of so many characters, each with its end; 0: one line without an end. */
void kf_put_base64(struct blob_wr *w, const uint8_t *p, size_t len, size_t line);
void kf_put_pem(struct blob_wr *w, const char *label, const uint8_t *der, size_t len, size_t line);

/* --- formats ---------------------------------------------------------------------------- */

typedef int kf_parse(struct kf_ctx *c, struct blob_str s);
/* w takes the whole contents. */
typedef int kf_build(const struct keyfile *kf, const struct keyfile_out *o, struct blob_wr *w);

int kf_detect(struct kf_ctx *c, struct blob_str s);
kf_build *kf_builder(enum keyfile_format f, bool private); /* NULL: not written */

kf_parse kf_openssh_parse; /* the container behind the armour */
kf_parse kf_pem_parse;     /* blocks of PEM */
kf_parse kf_der_parse;     /* anything in DER */
kf_parse kf_pfx_parse;
kf_parse kf_ppk_parse, kf_jwk_parse, kf_xml_parse, kf_rfc4716_parse, kf_pkcs11_parse;
kf_parse kf_line_parse; /* public, "type base64 comment" */
kf_build kf_openssh_build, kf_line_build, kf_pfx_build;
kf_build kf_ppk_build, kf_jwk_build, kf_xml_build, kf_rfc4716_build;
kf_build kf_pem_build, kf_pkcs8_build, kf_spki_build, kf_pkcs1_public_build;

#endif
