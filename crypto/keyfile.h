/*
 * crypto/keyfile.h - keys in files, in every format people keep them in.
 *
 * Source  each format's own, named in its file under crypto/keyfile/.
 * Memory  a loaded file is one object, freed with keyfile_free(); what was written is
 *         struct keyfile_bytes. Both are wiped.
 * Bounds  a file has at most KEYFILE_MAX bytes; what it may ask of a key derivation is bounded
 *         by the KEYFILE_*_MAX below (S-45); the keys in it by crypto/key.h.
 * Time    a derivation takes as long as the file wants within the bounds, seconds at most: for
 *         start-up, commands and helper threads.
 */
#ifndef SLUICE_CRYPTO_KEYFILE_H
#define SLUICE_CRYPTO_KEYFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "crypto/key.h"

#define KEYFILE_MAX            KEY_FILE_MAX
#define KEYFILE_PASSPHRASE_MAX 1024
#define KEYFILE_COMMENT_MAX    1024
#define KEYFILE_CERTS_MAX      32
#define KEYFILE_WHY_MAX        256

#define KEYFILE_PBKDF2_ROUNDS_MAX 10000000   /* PKCS#8 and PKCS#12 */
#define KEYFILE_SCRYPT_WORK_MAX   (1u << 22) /* N r p */
#define KEYFILE_ARGON2_KIB_MAX    (1u << 20) /* PPK: 1 GiB, 128 times PuTTY's own choice */
#define KEYFILE_ARGON2_WORK_MAX   (1u << 23) /* KiB times passes */
#define KEYFILE_ARGON2_LANES_MAX  16

enum keyfile_format {
	KEYFILE_AUTO = 0,
	KEYFILE_OPENSSH, /* openssh-key-v1; public: "type base64 comment" */
	KEYFILE_PEM,     /* any PEM or DER; written: PKCS#1, SEC 1, DSA's own */
	KEYFILE_PKCS8,   /* PKCS#8; public: SubjectPublicKeyInfo */
	KEYFILE_PFX,     /* PKCS#12 */
	KEYFILE_PPK,     /* PuTTY's, 2 and 3; written: 3 */
	KEYFILE_JWK,     /* RFC 7517, a key or a set */
	KEYFILE_XML,     /* RSAKeyValue, DSAKeyValue, ECKeyValue */
	KEYFILE_PKCS11,  /* a token's key by its RFC 7512 URI */
	KEYFILE_RFC4716, /* public alone, as the three below */
	KEYFILE_X509,
	KEYFILE_P7B,
	KEYFILE_FORMATS,
};

/*
 * "auto", "openssh", "pem", …, or the number the format has in parity's table. -EINVAL;
 * -EMEDIUMTYPE: a number of what is not taken, keyfile_format_instead() says what to do.
 */
int keyfile_format_find(const char *name, enum keyfile_format *ret)
	__attribute__((warn_unused_result));
const char *keyfile_format_instead(const char *name); /* NULL: it is taken, or is none */
const char *keyfile_format_name(enum keyfile_format f);

struct keyfile_opts {
	enum keyfile_format format;
	/*
	 * Asked once, and only when the file is encrypted: writes at most size bytes and returns
	 * their number, or an error, which is then the load's. NULL: -ENOKEY. what is the file.
	 */
	int (*passphrase)(void *arg, const char *what, char *buf, size_t size);
	/* The same of the keys in a PKCS#12 file, where it is not the file's own; NULL: it is. */
	int (*key_passphrase)(void *arg, const char *what, char *buf, size_t size);
	void *passphrase_arg; /* of both */
	/*
	 * Which of several: an exact name ("CN=a, O=b"), else the first that contains the text;
	 * a JWK's kid; NULL or "*": the first.
	 */
	const char *subject;
	/*
	 * The public half will do: where a file shows it without its passphrase (openssh, PPK),
	 * nothing is decrypted, and the key is not private.
	 */
	bool public_half;
	const char *thumbprint; /* hex of the certificate's MD5, SHA-1 or SHA-256, ':' allowed */
	/* What is wrong, for people, without a full stop: KEYFILE_WHY_MAX bytes; may be NULL. */
	char *why;
};

/* The handle of a security key: all there is on this side of the private half. */
struct keyfile_sk {
	char *application;
	uint8_t flags;
	uint8_t *handle;
	size_t handle_len;
};

struct keyfile_cert {
	uint8_t *der;
	size_t len;
};

struct keyfile {
	struct key *key;
	enum keyfile_format format; /* what the file turned out to be */
	bool encrypted;
	char *comment; /* never NULL */
	/* X.509 certificates that lay with the key; its own first. */
	struct keyfile_cert cert[KEYFILE_CERTS_MAX];
	unsigned int n_certs;
	struct keyfile_sk *sk; /* NULL: none */
};

/*
 * 0, or
 *   -EBADMSG       not of the format, damaged, or a key that does not verify what it signs
 *   -ENOTSUP       a type, a cipher or a size that is not taken
 *   -EMEDIUMTYPE   a format that is known and not taken: why says what to convert it to
 *   -ENOKEY        a passphrase is wanted and there is none
 *   -EKEYREJECTED  a wrong passphrase
 *   -ESRCH         no key in it has that subject or thumbprint
 *   -EACCES        a private key that others than its owner may reach (path only), or open(2)'s
 *   -EFBIG, -EINVAL (no regular file), -ENOMEM, -EIO, and what open(2) says
 */
int keyfile_parse(const uint8_t *p, size_t len, const struct keyfile_opts *o, struct keyfile **ret)
	__attribute__((warn_unused_result));
/* A path, or a URI "pkcs11:…". The file is closed again and nothing of it is kept. */
int keyfile_load(const char *path, const struct keyfile_opts *o, struct keyfile **ret)
	__attribute__((warn_unused_result));
void keyfile_free(struct keyfile *kf); /* NULL is fine */
/* Takes the key out of it; the caller's from now on. */
struct key *keyfile_take(struct keyfile *kf);
/* The certificates of from instead of its own. -ESRCH: none of them is the key's. */
int keyfile_certs_take(struct keyfile *kf, struct keyfile *from)
	__attribute__((warn_unused_result));
/* A file of a key that is not in one yet: takes k on success. */
int keyfile_new(struct key *k, const char *comment, struct keyfile **ret)
	__attribute__((warn_unused_result));
int keyfile_comment_set(struct keyfile *kf, const char *comment, size_t len)
	__attribute__((warn_unused_result));
/* What an error of the functions above means, when why has nothing better. */
const char *keyfile_error(int r);
/*
 * The same as text of some lines for a person; for -EACCES because of a file's mode in OpenSSH's
 * words. why: what the options' why was, or NULL.
 */
#define KEYFILE_TEXT_MAX 1024
void keyfile_explain(int r, const char *path, const char *why, char ret[KEYFILE_TEXT_MAX]);

/*
 * Each public key on the tokens of a PKCS#11 module (a path, or NULL: those the system is set up
 * with), with its RFC 7512 URI and label. No PIN is used. -ENOENT: the module cannot be loaded;
 * what each returned when it was negative.
 */
int keyfile_token_list(const char *module,
		       int (*each)(void *arg, const struct key *k, const char *label,
				   const char *uri),
		       void *arg) __attribute__((warn_unused_result));

struct keyfile_out {
	enum keyfile_format format; /* KEYFILE_AUTO: openssh */
	bool private;
	const char *passphrase; /* NULL or "": not encrypted */
	const char *cipher;     /* openssh's, NULL: aes256-ctr */
	unsigned int rounds;    /* of the key derivation, 0: the format's usual number */
};

struct keyfile_bytes {
	uint8_t *p;
	size_t len, size;
};

/*
 * The file's contents. -EINVAL: no private half where one is wanted; -ENOTSUP: the format cannot
 * hold this key, or cannot be encrypted; -ENOMEM, -EIO.
 */
int keyfile_build(const struct keyfile *kf, const struct keyfile_out *o, struct keyfile_bytes *ret)
	__attribute__((warn_unused_result));
void keyfile_bytes_free(struct keyfile_bytes *b);
/*
 * Writes a file whole or not at all: a new one in the same folder, its mode before its first
 * byte, synced, then renamed. -EEXIST when there is one and it is not to be replaced.
 */
int keyfile_write(const char *path, const void *p, size_t len, mode_t mode, bool replace)
	__attribute__((warn_unused_result));

#endif
