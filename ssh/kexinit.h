/*
 * ssh/kexinit.h - the KEXINIT message and what two of them agree on.
 *
 * Source  RFC 4253 section 7.1, RFC 8308 section 2.1, OpenSSH PROTOCOL section 1.10.
 * Bounds  names as RFC 4251 section 6 has them, lists and the message as below (S-43).
 */
#ifndef SLUICE_SSH_KEXINIT_H
#define SLUICE_SSH_KEXINIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/cipher.h"
#include "crypto/kex.h"
#include "ssh/comp.h"
#include "ssh/msg.h"
#include "ssh/wire.h"

#define SSH_COOKIE_LEN  16
#define SSH_KEXINIT_MAX 32768 /* of the payload: it is kept until the exchange hash is made */
#define SSH_NAME_MAX    64
#define SSH_NAMES_MAX   256 /* of one list */

#define SSH_EXT_INFO_C   "ext-info-c"
#define SSH_EXT_INFO_S   "ext-info-s"
#define SSH_HOSTKEY_NULL "null" /* RFC 4462 section 5 */
#define SSH_KEX_STRICT_C "kex-strict-c-v00@openssh.com"
#define SSH_KEX_STRICT_S "kex-strict-s-v00@openssh.com"

/* What a brain offers when its configuration does not say. */
#define SSH_DEFAULT_KEX                                                                            \
	"mlkem768x25519-sha256,sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,"         \
	"curve25519-sha256,curve25519-sha256@libssh.org,"                                          \
	"ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521"
/* By Kerberos, where it is switched on: without the mechanism, GSS_KRB5_SUFFIX, at their end. */
#define SSH_DEFAULT_GSS_KEX                                                                        \
	"gss-group14-sha256-,gss-group16-sha512-,gss-nistp256-sha256-,gss-curve25519-sha256-"
/* A client also takes what costs a server more than it is worth, as OpenSSH's does. */
#define SSH_DEFAULT_KEX_CLIENT                                                                     \
	SSH_DEFAULT_KEX ",diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,"     \
			"diffie-hellman-group18-sha512,diffie-hellman-group14-sha256"
/* As OpenSSH 10 has them, of which a server offers what it has keys for; Ed448 is ours. */
#define SSH_DEFAULT_HOSTKEY                                                                        \
	"ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com,"               \
	"ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,"       \
	"sk-ssh-ed25519-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,"         \
	"rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,"                     \
	"ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,"                 \
	"sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,"                           \
	"rsa-sha2-512,rsa-sha2-256,ssh-ed448"
/* Of users' keys: those, and what a browser makes of a security key. */
#define SSH_DEFAULT_PUBKEY                                                                         \
	SSH_DEFAULT_HOSTKEY ",webauthn-sk-ecdsa-sha2-nistp256@openssh.com,"                        \
			    "webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com"
/* And what joins them where X.509 certificates are believed (RFC 6187). */
#define SSH_DEFAULT_X509                                                                           \
	"x509v3-ecdsa-sha2-nistp256,x509v3-ecdsa-sha2-nistp384,x509v3-ecdsa-sha2-nistp521,"        \
	"x509v3-rsa2048-sha256"
/* Of authorities that sign certificates (CASignatureAlgorithms). */
#define SSH_DEFAULT_CA_SIG                                                                         \
	"ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,"                 \
	"sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,"                           \
	"rsa-sha2-512,rsa-sha2-256"
#define SSH_DEFAULT_CIPHERS                                                                        \
	"chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,"             \
	"aes128-ctr,aes192-ctr,aes256-ctr"
#define SSH_DEFAULT_MACS                                                                           \
	"umac-64-etm@openssh.com,umac-128-etm@openssh.com,"                                        \
	"hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha1-etm@openssh.com,"   \
	"umac-64@openssh.com,umac-128@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1"
#define SSH_DEFAULT_COMP "none,zlib@openssh.com"

enum ssh_proposal {
	SSH_PROP_KEX,
	SSH_PROP_HOSTKEY,
	SSH_PROP_CIPHER_CS,
	SSH_PROP_CIPHER_SC,
	SSH_PROP_MAC_CS,
	SSH_PROP_MAC_SC,
	SSH_PROP_COMP_CS,
	SSH_PROP_COMP_SC,
	SSH_PROP_LANG_CS,
	SSH_PROP_LANG_SC,
	SSH_PROPS
};

struct ssh_kexinit {
	uint8_t cookie[SSH_COOKIE_LEN];
	struct ssh_str list[SSH_PROPS]; /* views */
	bool first_kex_packet_follows;
};

/* What both sides use. Names are static, never views into a message. */
struct ssh_agreed {
	const struct kex_method *kex;
	const char *hostkey;                 /* signature algorithm of the host key */
	const struct cipher_suite *suite[2]; /* client to server, server to client */
	enum ssh_comp comp[2];
	bool discard_guess; /* the peer's next kex packet is a wrong guess: ignore it */
};

/* A whole payload, message number first. 0 or -SSH_E_FORMAT; views into it. */
int ssh_kexinit_parse(const uint8_t *payload, size_t len, struct ssh_kexinit *ret)
	__attribute__((warn_unused_result));
void ssh_kexinit_build(struct ssh_wr *w, const struct ssh_kexinit *m);

/* mine and peer as sent; we_are says which is the client's. -SSH_E_NO_* names what failed. */
int ssh_kexinit_negotiate(enum ssh_role we_are, const struct ssh_kexinit *mine,
			  const struct ssh_kexinit *peer, struct ssh_agreed *ret)
	__attribute__((warn_unused_result));

/* A comma list of what a table has: at(0), at(1), … up to NULL; as much as fits into size. */
void ssh_names_join(const char *(*at)(unsigned int i), char *buf, size_t size);
/* The next name of a comma list; false behind the last. *list advances. */
bool ssh_names_next(struct ssh_str *list, struct ssh_str *ret_name);
bool ssh_names_have(struct ssh_str list, const char *name);
/* ext-info and kex-strict markers stand in the list of methods, but are none (S-06 e). */
bool ssh_kex_is_marker(struct ssh_str name);
/* Whether it falls to CVE-2023-48795 without strict key exchange; a cipher: with some MAC. */
bool ssh_suite_needs_strict(const struct cipher_suite *suite);
bool ssh_cipher_needs_strict(struct ssh_str cipher);

#endif
