/* ssh/auth_msg.c - see auth_msg.h. */
#include "ssh/auth_msg.h"

#include <errno.h>

#include "ssh/err.h"
#include "ssh/msg.h"

int ssh_userauth_request_parse(struct ssh_rd *r, struct ssh_userauth_request *ret)
{
	struct ssh_str user = ssh_rd_str(r);
	struct ssh_str service = ssh_rd_str(r);
	struct ssh_str method = ssh_rd_str(r);
	struct ssh_str rest = ssh_rd_rest(r);

	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;
	*ret = (struct ssh_userauth_request){user, service, method, rest};
	return 0;
}

int ssh_userauth_password_parse(struct ssh_str rest, struct ssh_userauth_password *ret)
{
	struct ssh_userauth_password m = {0};
	struct ssh_rd r;

	ssh_rd_init(&r, rest.p, rest.len);
	m.change = ssh_rd_bool(&r);
	m.password = ssh_rd_str(&r);
	if (m.change)
		m.new_password = ssh_rd_str(&r);
	if (!ssh_rd_done(&r))
		return -SSH_E_FORMAT;
	*ret = m;
	return 0;
}

static int publickey_parse(struct ssh_str rest, bool hostbound, struct ssh_userauth_publickey *ret)
{
	struct ssh_userauth_publickey m = {0};
	struct ssh_rd r;

	ssh_rd_init(&r, rest.p, rest.len);
	m.has_signature = ssh_rd_bool(&r);
	m.sig_alg = ssh_rd_str(&r);
	m.blob = ssh_rd_str(&r);
	if (hostbound)
		m.host_key = ssh_rd_str(&r);
	if (m.has_signature)
		m.signature = ssh_rd_str(&r);
	if (!ssh_rd_done(&r))
		return -SSH_E_FORMAT;
	*ret = m;
	return 0;
}

/* RFC 4252 section 9 */
int ssh_userauth_hostbased_parse(struct ssh_str rest, struct ssh_userauth_hostbased *ret)
{
	struct ssh_userauth_hostbased m;
	struct ssh_rd r;

	ssh_rd_init(&r, rest.p, rest.len);
	m.sig_alg = ssh_rd_str(&r);
	m.blob = ssh_rd_str(&r);
	m.client_host = ssh_rd_str(&r);
	m.client_user = ssh_rd_str(&r);
	m.signature = ssh_rd_str(&r);
	if (!ssh_rd_done(&r))
		return -SSH_E_FORMAT;
	*ret = m;
	return 0;
}

/* RFC 4256 section 3.1 */
int ssh_userauth_kbdint_parse(struct ssh_str rest, struct ssh_userauth_kbdint *ret)
{
	struct ssh_userauth_kbdint m;
	struct ssh_rd r;

	ssh_rd_init(&r, rest.p, rest.len);
	m.language = ssh_rd_str(&r);
	m.submethods = ssh_rd_str(&r);
	if (!ssh_rd_done(&r))
		return -SSH_E_FORMAT;
	*ret = m;
	return 0;
}

int ssh_userauth_publickey_parse(struct ssh_str rest, struct ssh_userauth_publickey *ret)
{
	return publickey_parse(rest, false, ret);
}

int ssh_userauth_hostbound_parse(struct ssh_str rest, struct ssh_userauth_publickey *ret)
{
	return publickey_parse(rest, true, ret);
}

int ssh_userauth_failure_parse(struct ssh_rd *r, struct ssh_userauth_failure *ret)
{
	struct ssh_str methods = ssh_rd_str(r);
	bool partial = ssh_rd_bool(r);

	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;
	*ret = (struct ssh_userauth_failure){methods, partial};
	return 0;
}

int ssh_userauth_pk_ok_parse(struct ssh_rd *r, struct ssh_userauth_pk_ok *ret)
{
	struct ssh_str sig_alg = ssh_rd_str(r);
	struct ssh_str blob = ssh_rd_str(r);

	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;
	*ret = (struct ssh_userauth_pk_ok){sig_alg, blob};
	return 0;
}

int ssh_userauth_banner_parse(struct ssh_rd *r, struct ssh_str *ret_text)
{
	struct ssh_str text = ssh_rd_str(r);

	ssh_rd_str(r); /* language tag */
	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;
	*ret_text = text;
	return 0;
}

/* RFC 4252 section 8: laid out as a banner. */
int ssh_userauth_changereq_parse(struct ssh_rd *r, struct ssh_str *ret_text)
{
	return ssh_userauth_banner_parse(r, ret_text);
}

/* RFC 4256 section 3.2 */
int ssh_userauth_info_request_parse(struct ssh_rd *r, struct ssh_prompts *ret)
{
	struct ssh_prompts m = {0};
	uint32_t n;

	m.name = ssh_rd_str(r);
	m.instruction = ssh_rd_str(r);
	ssh_rd_str(r); /* language tag */
	n = ssh_rd_u32(r);
	if (n > SSH_PROMPTS_MAX)
		return -SSH_E_FORMAT;
	for (; m.n < n; m.n++) {
		m.prompt[m.n].text = ssh_rd_str(r);
		m.prompt[m.n].echo = ssh_rd_bool(r);
	}
	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;
	*ret = m;
	return 0;
}

/* RFC 4256 section 3.4. The count is only compared: no loop runs as far as a stranger says. */
int ssh_userauth_info_response_parse(struct ssh_rd *r, unsigned int n, struct ssh_str *ret)
{
	uint32_t given = ssh_rd_u32(r);

	if (r->bad)
		return -SSH_E_FORMAT;
	if (given != n)
		return -ERANGE;
	for (unsigned int i = 0; i < n; i++)
		ret[i] = ssh_rd_str(r);
	return ssh_rd_done(r) ? 0 : -SSH_E_FORMAT;
}

void ssh_userauth_request_build(struct ssh_wr *w, const struct ssh_userauth_request *m)
{
	ssh_wr_u8(w, SSH_MSG_USERAUTH_REQUEST);
	ssh_wr_str(w, m->user);
	ssh_wr_str(w, m->service);
	ssh_wr_str(w, m->method);
	ssh_wr_bytes(w, m->rest.p, m->rest.len);
}

void ssh_userauth_password_build(struct ssh_wr *w, const struct ssh_userauth_password *m)
{
	ssh_wr_bool(w, m->change);
	ssh_wr_str(w, m->password);
	if (m->change)
		ssh_wr_str(w, m->new_password);
}

void ssh_userauth_publickey_build(struct ssh_wr *w, const struct ssh_userauth_publickey *m)
{
	ssh_wr_bool(w, m->has_signature);
	ssh_wr_str(w, m->sig_alg);
	ssh_wr_str(w, m->blob);
	if (m->host_key.p != NULL)
		ssh_wr_str(w, m->host_key);
	/* Without one this is the part that gets signed. */
	if (m->signature.len != 0)
		ssh_wr_str(w, m->signature);
}

void ssh_userauth_hostbased_build(struct ssh_wr *w, const struct ssh_userauth_hostbased *m)
{
	ssh_wr_str(w, m->sig_alg);
	ssh_wr_str(w, m->blob);
	ssh_wr_str(w, m->client_host);
	ssh_wr_str(w, m->client_user);
	/* Without one this is the part that gets signed. */
	if (m->signature.len != 0)
		ssh_wr_str(w, m->signature);
}

void ssh_userauth_kbdint_build(struct ssh_wr *w, const struct ssh_userauth_kbdint *m)
{
	ssh_wr_str(w, m->language);
	ssh_wr_str(w, m->submethods);
}

void ssh_userauth_failure_build(struct ssh_wr *w, const char *methods, bool partial_success)
{
	ssh_wr_u8(w, SSH_MSG_USERAUTH_FAILURE);
	ssh_wr_cstr(w, methods);
	ssh_wr_bool(w, partial_success);
}

void ssh_userauth_pk_ok_build(struct ssh_wr *w, const struct ssh_userauth_pk_ok *m)
{
	ssh_wr_u8(w, SSH_MSG_USERAUTH_PK_OK);
	ssh_wr_str(w, m->sig_alg);
	ssh_wr_str(w, m->blob);
}

void ssh_userauth_banner_build(struct ssh_wr *w, struct ssh_str text)
{
	ssh_wr_u8(w, SSH_MSG_USERAUTH_BANNER);
	ssh_wr_str(w, text);
	ssh_wr_cstr(w, ""); /* language tag */
}

void ssh_userauth_changereq_build(struct ssh_wr *w, struct ssh_str text)
{
	ssh_wr_u8(w, SSH_MSG_USERAUTH_PASSWD_CHANGEREQ);
	ssh_wr_str(w, text);
	ssh_wr_cstr(w, ""); /* language tag */
}

void ssh_userauth_info_request_build(struct ssh_wr *w, const struct ssh_prompts *m)
{
	ssh_wr_u8(w, SSH_MSG_USERAUTH_INFO_REQUEST);
	ssh_wr_str(w, m->name);
	ssh_wr_str(w, m->instruction);
	ssh_wr_cstr(w, ""); /* language tag */
	ssh_wr_u32(w, m->n);
	for (unsigned int i = 0; i < m->n; i++) {
		ssh_wr_str(w, m->prompt[i].text);
		ssh_wr_bool(w, m->prompt[i].echo);
	}
}

size_t ssh_userauth_info_request_len(const struct ssh_prompts *m)
{
	size_t len = 1 + 4 + (size_t)m->name.len + 4 + m->instruction.len + 4 + 4;

	for (unsigned int i = 0; i < m->n; i++)
		len += 4 + (size_t)m->prompt[i].text.len + 1;
	return len;
}

void ssh_userauth_info_response_build(struct ssh_wr *w, unsigned int n,
				      const struct ssh_str *response)
{
	ssh_wr_u8(w, SSH_MSG_USERAUTH_INFO_RESPONSE);
	ssh_wr_u32(w, n);
	for (unsigned int i = 0; i < n; i++)
		ssh_wr_str(w, response[i]);
}

void ssh_userauth_signed_build(struct ssh_wr *w, struct ssh_str session_id, struct ssh_str request)
{
	ssh_wr_str(w, session_id);
	ssh_wr_bytes(w, request.p, request.len);
}
