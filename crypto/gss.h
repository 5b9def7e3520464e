/*
 * crypto/gss.h - a security context of Kerberos 5, through GSS-API.
 *
 * Source  RFC 2743 and 2744, RFC 4121; used by RFC 4462. The library is MIT's.
 * Thread  a context is used by one thread at a time. Every call may read files (a keytab, a ticket
 *         cache, the replay cache), and an initiator's may speak with a KDC: never on a loop.
 * Memory  tokens are the caller's: free().
 * Errors  -EBADMSG: the peer's token or MIC is refused; -EACCES: we have no credentials; -EIO.
 */
#ifndef SLUICE_CRYPTO_GSS_H
#define SLUICE_CRYPTO_GSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What ends the names of key exchange methods: base64 of the MD5 of the DER of Kerberos' OID,
 * 1.2.840.113554.1.2.2 (RFC 4462 section 2).
 */
#define GSS_KRB5_SUFFIX "toWM5Slw5Ew8Mqkay+al2g=="
/* The OID as USERAUTH_REQUEST carries it (section 3.2): tag, length, value. */
#define GSS_KRB5_OID     "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"
#define GSS_KRB5_OID_LEN 11

#define GSS_TOKEN_MAX 32768 /* of a peer's: a ticket with a large authorization list */
#define GSS_MIC_MAX   1024
#define GSS_NAME_MAX  256

struct gss_ctx;

/* Acceptor. strict: only with the key of host@OUR-NAME, else with any of the keytab's. */
int gss_acceptor_new(bool strict, struct gss_ctx **ret) __attribute__((warn_unused_result));
/*
 * Whose tickets an initiator shows: "user@REALM" (NULL: those that are ours by default), which
 * are there, or fetched by his password and kept by nobody else.
 */
struct gss_client {
	const char *name, *password;
};
/*
 * Initiator, to host@server, or a principal ("host/server@REALM"); delegate: hand it our tickets,
 * where it may be trusted with them. -EACCES: that client has none; a password that is wrong may
 * be found out by the first step alone, which says the same.
 */
int gss_initiator_new(const char *server, const struct gss_client *client, bool delegate,
		      struct gss_ctx **ret) __attribute__((warn_unused_result));
void gss_free(struct gss_ctx *g); /* NULL is fine */

/*
 * The peer's token (none: the initiator's first step) and ours in answer, *ret_len 0 when there is
 * none to send; also set when the step fails, as an error for the peer. 0, and gss_established()
 * says whether that was the last step.
 */
int gss_step(struct gss_ctx *g, const uint8_t *token, size_t len, uint8_t **ret, size_t *ret_len)
	__attribute__((warn_unused_result));
bool gss_established(const struct gss_ctx *g);
/* Established with mutual authentication and integrity, which RFC 4462 section 2.1 asks for. */
bool gss_binds(const struct gss_ctx *g);

int gss_mic(struct gss_ctx *g, const uint8_t *data, size_t len, uint8_t ret[GSS_MIC_MAX],
	    size_t *ret_len) __attribute__((warn_unused_result));
int gss_mic_verify(struct gss_ctx *g, const uint8_t *data, size_t len, const uint8_t *mic,
		   size_t mic_len) __attribute__((warn_unused_result));

/* Acceptor, established: who it is, "user@REALM"; and whose account that is here, "" for nobody's.
 */
int gss_names(struct gss_ctx *g, char ret_principal[GSS_NAME_MAX], char ret_local[GSS_NAME_MAX])
	__attribute__((warn_unused_result));

#endif
