/*
 * ssh/auth_msg.h - messages of user authentication, read and written.
 *
 * Source  RFC 4252, RFC 4256, RFC 8332.
 *
 * Readers stand behind the message number, writers write whole payloads. Strings are views.
 */
#ifndef SLUICE_SSH_AUTH_MSG_H
#define SLUICE_SSH_AUTH_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "ssh/wire.h"

#define SSH_METHOD_HOSTBOUND "publickey-hostbound-v00@openssh.com"

#define SSH_PROMPTS_MAX 32 /* of one round of keyboard-interactive, both roles (S-30) */

struct ssh_userauth_request {
	struct ssh_str user, service, method;
	struct ssh_str rest; /* specific to the method */
};

struct ssh_userauth_password {
	bool change;
	struct ssh_str password, new_password;
};

struct ssh_userauth_publickey {
	bool has_signature; /* false: would this key do? */
	struct ssh_str sig_alg, blob;
	struct ssh_str signature;
	struct ssh_str host_key; /* of publickey-hostbound-v00@openssh.com; p NULL: none */
};

struct ssh_userauth_hostbased {
	struct ssh_str sig_alg, blob, client_host, client_user, signature;
};

struct ssh_userauth_kbdint {
	struct ssh_str language, submethods;
};

struct ssh_userauth_failure {
	struct ssh_str methods; /* that can continue */
	bool partial_success;
};

struct ssh_userauth_pk_ok {
	struct ssh_str sig_alg, blob;
};

/* One round of keyboard-interactive: what INFO_REQUEST carries (RFC 4256 section 3.2). */
struct ssh_prompt {
	struct ssh_str text;
	bool echo;
};
struct ssh_prompts {
	struct ssh_str name, instruction;
	unsigned int n; /* 0: nothing is asked, the peer only shows the text */
	struct ssh_prompt prompt[SSH_PROMPTS_MAX];
};

int ssh_userauth_request_parse(struct ssh_rd *r, struct ssh_userauth_request *ret);
/* Of a request's rest. */
int ssh_userauth_password_parse(struct ssh_str rest, struct ssh_userauth_password *ret);
int ssh_userauth_publickey_parse(struct ssh_str rest, struct ssh_userauth_publickey *ret);
/* The same of publickey-hostbound-v00@openssh.com (OpenSSH PROTOCOL). */
int ssh_userauth_hostbound_parse(struct ssh_str rest, struct ssh_userauth_publickey *ret);
int ssh_userauth_hostbased_parse(struct ssh_str rest, struct ssh_userauth_hostbased *ret);
int ssh_userauth_kbdint_parse(struct ssh_str rest, struct ssh_userauth_kbdint *ret);
int ssh_userauth_failure_parse(struct ssh_rd *r, struct ssh_userauth_failure *ret);
int ssh_userauth_pk_ok_parse(struct ssh_rd *r, struct ssh_userauth_pk_ok *ret);
int ssh_userauth_banner_parse(struct ssh_rd *r, struct ssh_str *ret_text);
int ssh_userauth_changereq_parse(struct ssh_rd *r, struct ssh_str *ret_text);
/* More than SSH_PROMPTS_MAX prompts are -SSH_E_FORMAT (S-30). */
int ssh_userauth_info_request_parse(struct ssh_rd *r, struct ssh_prompts *ret);
/* -ERANGE: well formed, but there are not exactly n. */
int ssh_userauth_info_response_parse(struct ssh_rd *r, unsigned int n, struct ssh_str *ret);

void ssh_userauth_request_build(struct ssh_wr *w, const struct ssh_userauth_request *m);
/* These four behind a request whose rest is empty. A publickey's signature is left out when it is
 * empty. */
void ssh_userauth_password_build(struct ssh_wr *w, const struct ssh_userauth_password *m);
void ssh_userauth_publickey_build(struct ssh_wr *w, const struct ssh_userauth_publickey *m);
void ssh_userauth_hostbased_build(struct ssh_wr *w, const struct ssh_userauth_hostbased *m);
void ssh_userauth_kbdint_build(struct ssh_wr *w, const struct ssh_userauth_kbdint *m);
void ssh_userauth_failure_build(struct ssh_wr *w, const char *methods, bool partial_success);
void ssh_userauth_pk_ok_build(struct ssh_wr *w, const struct ssh_userauth_pk_ok *m);
void ssh_userauth_banner_build(struct ssh_wr *w, struct ssh_str text);
void ssh_userauth_changereq_build(struct ssh_wr *w, struct ssh_str text);
void ssh_userauth_info_request_build(struct ssh_wr *w, const struct ssh_prompts *m);
size_t ssh_userauth_info_request_len(const struct ssh_prompts *m);
void ssh_userauth_info_response_build(struct ssh_wr *w, unsigned int n,
				      const struct ssh_str *response);

/*
 * What a publickey signature is over (RFC 4252 section 7): the session id and the request's
 * own bytes from its message number to the signature.
 */
void ssh_userauth_signed_build(struct ssh_wr *w, struct ssh_str session_id, struct ssh_str request);

#endif
