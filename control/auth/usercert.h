/*
 * control/auth/usercert.h - who may come in by a certificate, and which keys are revoked.
 *
 * Source  sshd_config(5): TrustedUserCAKeys, AuthorizedPrincipalsFile, RevokedKeys,
 *         CASignatureAlgorithms, RequiredRSASize, PubkeyAuthOptions; PROTOCOL.certkeys; RFC 6187.
 * Thread  any; struct keytrust holds copies. What reads files blocks.
 *
 * Names are compared whole: neither is a principal with a comma in it a list, nor does a
 * certificate without principals name anybody (S-33).
 */
#ifndef SLUICE_CONTROL_AUTH_USERCERT_H
#define SLUICE_CONTROL_AUTH_USERCERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "control/auth/authkeys.h"
#include "control/auth/userfile.h"
#include "crypto/cert.h"

#define PRINCIPALS_FILE_MAX (1 << 20)
#define CA_FILE_MAX         (1 << 20)

/* What the operator says of keys, for one login. */
struct keytrust {
	char *ca_keys;           /* TrustedUserCAKeys; NULL: none */
	char *principals;        /* AuthorizedPrincipalsFile, a template; NULL: none */
	bool principals_command; /* AuthorizedPrincipalsCommand: the user's name alone is not enough
				  */
	char *principals_text;   /* what it wrote; NULL: it was not asked */
	size_t principals_len;
	/* Reads AuthorizedPrincipalsFile as userfile_read() does; NULL: that does. The caller's. */
	int (*principals_read)(void *arg, const char *path, size_t max, char **ret, size_t *ret_len,
			       char *why, size_t why_size);
	void *principals_arg;
	char *revoked; /* RevokedKeys; NULL: none */
	char *anchors; /* X509TrustAnchors; NULL: none */
	char *crls;    /* X509RevocationFile; NULL: none */
	char *ca_algs;
	unsigned int rsa_bits_min;
	bool touch_required, verify_required;
	bool strict; /* StrictModes */
};

int keytrust_fill(struct keytrust *t, const struct conf_session *c)
	__attribute__((warn_unused_result));
void keytrust_fini(struct keytrust *t);

/*
 * Is the key, or what certifies it, out of use? 0: no. -EKEYREVOKED, -ENOTSUP (RSA too short), or
 * that nobody can tell: then it is as good as revoked. why: a line for the log.
 */
int keytrust_check(const struct keytrust *t, const struct key *k, char *why, size_t size)
	__attribute__((warn_unused_result));

/* RevokedKeys, whole. */
struct krl;
int keytrust_revoked_read(const char *path, bool strict, struct krl **ret, char *why, size_t size)
	__attribute__((warn_unused_result));

/*
 * A certificate by an authority that is trusted, or an X.509 chain from one of our anchors, for
 * q->user; wanted: a comma list of which it
 * must have one; NULL: the user's own. 0: a's grant and demands are narrowed to what it allows.
 * -EACCES, with a's note.
 */
int usercert_check(const struct authkeys_query *q, const char *wanted, struct authkeys_answer *a)
	__attribute__((warn_unused_result));

/*
 * The whole way of TrustedUserCAKeys and X509TrustAnchors: is its authority there, and does
 * AuthorizedPrincipalsFile, or the user's name, fit? rules: of the user's own files. 0 and *ret;
 * -ENOENT with only its note, and refused where it is believed and does not
 * hold for q->user now.
 */
int usercert_find(const struct authkeys_query *q, const struct userfile_rules *rules,
		  struct authkeys_answer *ret) __attribute__((warn_unused_result));
/* Whether there is a file of principals for this user. */
bool usercert_user_known(const struct keytrust *t, const char *user, const char *home);

/* The lines of a file of principals: "[options] name". 0 and *ret, or -ENOENT. */
int usercert_principals_find(const char *text, size_t len, const struct authkeys_query *q,
			     struct authkeys_answer *ret) __attribute__((warn_unused_result));

#endif
