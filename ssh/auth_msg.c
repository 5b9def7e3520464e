/* ssh/auth_msg.c - see auth_msg.h. */
#include "ssh/auth_msg.h"

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

int ssh_userauth_publickey_parse(struct ssh_str rest, struct ssh_userauth_publickey *ret)
{
	struct ssh_userauth_publickey m = {0};
	struct ssh_rd r;

	ssh_rd_init(&r, rest.p, rest.len);
	m.has_signature = ssh_rd_bool(&r);
	m.sig_alg = ssh_rd_str(&r);
	m.blob = ssh_rd_str(&r);
	if (m.has_signature)
		m.signature = ssh_rd_str(&r);
	if (!ssh_rd_done(&r))
		return -SSH_E_FORMAT;
	*ret = m;
	return 0;
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
	/* Without one this is the part that gets signed. */
	if (m->signature.len != 0)
		ssh_wr_str(w, m->signature);
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

void ssh_userauth_signed_build(struct ssh_wr *w, struct ssh_str session_id, struct ssh_str request)
{
	ssh_wr_str(w, session_id);
	ssh_wr_bytes(w, request.p, request.len);
}
