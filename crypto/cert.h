/*
 * crypto/cert.h - OpenSSH certificates: what one says, and whether to believe it.
 *
 * Source  OpenSSH PROTOCOL.certkeys.
 * Types   every one OpenSSH has: ed25519, ecdsa, rsa, dss, and both kinds of security keys.
 * Bounds  KEY_BLOB_MAX bytes, CERT_PRINCIPALS_MAX principals. Names and texts hold no NUL;
 *         options stand in order and once, as PROTOCOL.certkeys says. A certificate that
 *         contradicts itself is refused where it is parsed; who signed it is a bare key, never
 *         a certificate again (S-35).
 * Trust   a parsed certificate has proved nothing. Whether its CA is trusted is the caller's to
 *         look up first; cert_check() then says the rest, signature included.
 * Thread  immutable after parsing.
 */
#ifndef SLUICE_CRYPTO_CERT_H
#define SLUICE_CRYPTO_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/key.h"

#define CERT_PRINCIPALS_MAX 256

enum cert_role { CERT_USER = 1, CERT_HOST = 2 };

enum cert_permit { /* bits: the extensions of users' certificates */
		   CERT_PERMIT_X11_FORWARDING = 1 << 0,
		   CERT_PERMIT_AGENT_FORWARDING = 1 << 1,
		   CERT_PERMIT_PORT_FORWARDING = 1 << 2,
		   CERT_PERMIT_PTY = 1 << 3,
		   CERT_PERMIT_USER_RC = 1 << 4,
		   CERT_NO_TOUCH_REQUIRED = 1 << 5,
};

struct cert {
	uint64_t serial;
	enum cert_role role;
	char *key_id;
	char **principals;
	unsigned int n_principals;
	uint64_t valid_after, valid_before; /* seconds since 1970; before: not any more */
	/* critical options of users */
	char *force_command;  /* NULL: none */
	char *source_address; /* NULL: none; a comma list of addresses and prefixes */
	bool verify_required;
	char *unknown_critical; /* the first one nobody here knows: not to be believed */
	unsigned int permits;   /* CERT_PERMIT_* */
	struct key *ca;
	const char *ca_sig_alg; /* by which it signed */
	size_t signed_len;      /* of the blob: all but the signature */
};

/* NULL: a bare key. Borrowed from the key. */
const struct cert *key_cert(const struct key *k);
/* "type base64 comment" of a certificate, as the *-cert.pub of ssh-keygen. -ENOTSUP: a key. */
int cert_line_parse(const char *line, size_t len, struct key **ret)
	__attribute__((warn_unused_result));

struct cert_rules {
	enum cert_role role;
	const char *name;    /* principal to be found in it; NULL: somebody else looks */
	uint64_t now;        /* seconds since 1970 */
	const char *ca_algs; /* CASignatureAlgorithms, a comma list */
	unsigned int rsa_bits_min;
};

/*
 * 0: a certificate of this role, within its time, by an allowed algorithm, naming name, without
 * a critical option nobody knows, and really signed by cert->ca. -EACCES: not so, *ret_why says
 * what in sshd's words. -EBADMSG: the signature is wrong. Slow: it verifies.
 */
int cert_check(const struct key *k, const struct cert_rules *rules, const char **ret_why)
	__attribute__((warn_unused_result));

/* Exact match with one of the principals; without principals nobody is meant (S-33). */
bool cert_names(const struct cert *c, const char *name);
/* As cert_names(), without regard to case. OpenSSH's ssh knows no patterns here either. */
bool cert_names_host(const struct cert *c, const char *host);

void cert_free(struct cert *c); /* a key does it for its own */

/* --- making ----------------------------------------------------------------------------- */

struct cert_option {
	const char *name, *value; /* value NULL: a flag */
};
/* What is to be certified; options in order of their names. */
struct cert_spec {
	uint64_t serial;
	enum cert_role role;
	const char *key_id;
	const char *const *principals;
	unsigned int n_principals;
	uint64_t valid_after, valid_before;
	const struct cert_option *critical, *extensions;
	unsigned int n_critical, n_extensions;
};
/*
 * The certificate of key by ca, a private key that signs by sig_alg (NULL: its best). A bare
 * public key with a certificate comes back. -EINVAL: what a reader would refuse; -ENOTSUP: no
 * certificates of such keys.
 */
int cert_build(const struct key *key, const struct cert_spec *spec, const struct key *ca,
	       const char *sig_alg, struct key **ret) __attribute__((warn_unused_result));

#endif
