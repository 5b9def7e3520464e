/* ssh/trans_msg.c - see trans_msg.h. */
#include "ssh/trans_msg.h"

#include <stdio.h>
#include <string.h>

#include "ssh/err.h"
#include "ssh/forward.h"
#include "ssh/msg.h"

#define EXT_SERVER_SIG_ALGS "server-sig-algs"
#define EXT_HOSTBOUND       "publickey-hostbound@openssh.com"
#define EXT_INFO_IN_AUTH    "ext-info-in-auth@openssh.com"

int ssh_disconnect_parse(struct ssh_rd *r, struct ssh_disconnect_msg *ret)
{
	uint32_t reason = ssh_rd_u32(r);
	struct ssh_str text = ssh_rd_str(r);

	ssh_rd_str(r); /* language tag */
	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;
	*ret = (struct ssh_disconnect_msg){reason, text};
	return 0;
}

int ssh_service_parse(struct ssh_rd *r, struct ssh_str *ret_name)
{
	struct ssh_str name = ssh_rd_str(r);

	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;
	*ret_name = name;
	return 0;
}

int ssh_ecdh_init_parse(struct ssh_rd *r, struct ssh_str *ret_q_c)
{
	struct ssh_str q_c = ssh_rd_str(r);

	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;
	*ret_q_c = q_c;
	return 0;
}

int ssh_ecdh_reply_parse(struct ssh_rd *r, struct ssh_ecdh_reply *ret)
{
	struct ssh_str k_s = ssh_rd_str(r);
	struct ssh_str q_s = ssh_rd_str(r);
	struct ssh_str signature = ssh_rd_str(r);

	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;
	*ret = (struct ssh_ecdh_reply){k_s, q_s, signature};
	return 0;
}

int ssh_dh_init_parse(struct ssh_rd *r, struct ssh_str *ret_e)
{
	struct ssh_str e = ssh_rd_mpint(r);

	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;
	*ret_e = e;
	return 0;
}

int ssh_dh_reply_parse(struct ssh_rd *r, struct ssh_ecdh_reply *ret)
{
	struct ssh_str k_s = ssh_rd_str(r);
	struct ssh_str f = ssh_rd_mpint(r);
	struct ssh_str signature = ssh_rd_str(r);

	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;
	*ret = (struct ssh_ecdh_reply){k_s, f, signature};
	return 0;
}

int ssh_gex_request_parse(uint8_t msg, struct ssh_rd *r, struct ssh_gex_request *ret)
{
	bool old = msg == SSH_MSG_KEX_GEX_REQUEST_OLD;
	uint32_t min = old ? 0 : ssh_rd_u32(r);
	uint32_t n = ssh_rd_u32(r);
	uint32_t max = old ? UINT32_MAX : ssh_rd_u32(r);

	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;
	*ret = (struct ssh_gex_request){min, n, max, old};
	return 0;
}

int ssh_gex_group_parse(struct ssh_rd *r, struct ssh_gex_group *ret)
{
	struct ssh_str p = ssh_rd_mpint(r);
	struct ssh_str g = ssh_rd_mpint(r);

	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;
	*ret = (struct ssh_gex_group){p, g};
	return 0;
}

/* Up to ten digits and nothing else. */
static bool seconds_parse(struct ssh_str s, uint32_t *ret)
{
	uint64_t n = 0;

	if (s.len == 0 || s.len > 10)
		return false;
	for (uint32_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		n = n * 10 + (s.p[i] - '0');
	}
	if (n > UINT32_MAX)
		return false;
	*ret = (uint32_t)n;
	return true;
}

int ssh_ext_info_parse(struct ssh_rd *r, struct ssh_ext_info *ret)
{
	struct ssh_ext_info m = {0};
	uint32_t n = ssh_rd_u32(r);

	if (n > SSH_EXTENSIONS_MAX)
		return -SSH_E_FORMAT;
	for (uint32_t i = 0; i < n; i++) {
		struct ssh_str name = ssh_rd_str(r);
		struct ssh_str value = ssh_rd_str(r);

		if (ssh_str_eq(name, EXT_SERVER_SIG_ALGS)) {
			m.has_server_sig_algs = true;
			m.server_sig_algs = value;
		}
		if (ssh_str_eq(name, SSH_EXT_RETRY_AFTER))
			(void)seconds_parse(value, &m.retry_after);
		/* Of OpenSSH's own: the value is their version. */
		if (ssh_str_eq(value, "0")) {
			m.hostbound |= ssh_str_eq(name, EXT_HOSTBOUND);
			m.info_in_auth |= ssh_str_eq(name, EXT_INFO_IN_AUTH);
		}
	}
	if (!ssh_rd_done(r) || m.server_sig_algs.len > SSH_SIG_ALGS_MAX)
		return -SSH_E_FORMAT;
	*ret = m;
	return 0;
}

void ssh_disconnect_build(struct ssh_wr *w, uint32_t reason, const char *text)
{
	ssh_wr_u8(w, SSH_MSG_DISCONNECT);
	ssh_wr_u32(w, reason);
	ssh_wr_cstr(w, text);
	ssh_wr_cstr(w, "");
}

void ssh_unimplemented_build(struct ssh_wr *w, uint32_t seqnr)
{
	ssh_wr_u8(w, SSH_MSG_UNIMPLEMENTED);
	ssh_wr_u32(w, seqnr);
}

void ssh_service_build(struct ssh_wr *w, uint8_t msg, const char *name)
{
	ssh_wr_u8(w, msg);
	ssh_wr_cstr(w, name);
}

void ssh_ecdh_init_build(struct ssh_wr *w, struct ssh_str q_c)
{
	ssh_wr_u8(w, SSH_MSG_KEX_ECDH_INIT);
	ssh_wr_str(w, q_c);
}

void ssh_ecdh_reply_build(struct ssh_wr *w, const struct ssh_ecdh_reply *m)
{
	ssh_wr_u8(w, SSH_MSG_KEX_ECDH_REPLY);
	ssh_wr_str(w, m->k_s);
	ssh_wr_str(w, m->q_s);
	ssh_wr_str(w, m->signature);
}

void ssh_dh_init_build(struct ssh_wr *w, uint8_t msg, struct ssh_str e)
{
	ssh_wr_u8(w, msg);
	ssh_wr_mpint(w, e.p, e.len);
}

void ssh_dh_reply_build(struct ssh_wr *w, uint8_t msg, const struct ssh_ecdh_reply *m)
{
	ssh_wr_u8(w, msg);
	ssh_wr_str(w, m->k_s);
	ssh_wr_mpint(w, m->q_s.p, m->q_s.len);
	ssh_wr_str(w, m->signature);
}

void ssh_gex_request_build(struct ssh_wr *w, uint8_t msg, const struct ssh_gex_request *m)
{
	ssh_wr_u8(w, msg);
	if (!m->old)
		ssh_wr_u32(w, m->min);
	ssh_wr_u32(w, m->n);
	if (!m->old)
		ssh_wr_u32(w, m->max);
}

void ssh_gex_group_build(struct ssh_wr *w, uint8_t msg, const struct ssh_gex_group *m)
{
	ssh_wr_u8(w, msg);
	ssh_wr_mpint(w, m->p.p, m->p.len);
	ssh_wr_mpint(w, m->g.p, m->g.len);
}

bool ssh_retry_after_parse(struct ssh_str text, uint32_t *ret)
{
	static const char mark[] = SSH_RETRY_AFTER "=";
	const uint32_t len = sizeof(mark) - 1;
	uint32_t at = text.len;

	while (at > 0 && text.p[at - 1] >= '0' && text.p[at - 1] <= '9')
		at--;
	if (at < len || memcmp(text.p + at - len, mark, len) != 0 ||
	    (at > len && text.p[at - len - 1] != ' '))
		return false;
	return seconds_parse((struct ssh_str){text.p + at, text.len - at}, ret);
}

void ssh_ext_info_build(struct ssh_wr *w, const char *server_sig_algs, uint32_t retry_after)
{
	char seconds[16];

	ssh_wr_u8(w, SSH_MSG_EXT_INFO);
	ssh_wr_u32(w, retry_after > 0 ? 3 : 2);
	if (retry_after > 0) {
		snprintf(seconds, sizeof(seconds), "%u", retry_after);
		ssh_wr_cstr(w, SSH_EXT_RETRY_AFTER);
		ssh_wr_cstr(w, seconds);
	}
	ssh_wr_cstr(w, EXT_SERVER_SIG_ALGS);
	ssh_wr_cstr(w, server_sig_algs);
	ssh_wr_cstr(w, EXT_HOSTBOUND);
	ssh_wr_cstr(w, "0");
}

void ssh_ext_info_client_build(struct ssh_wr *w)
{
	ssh_wr_u8(w, SSH_MSG_EXT_INFO);
	ssh_wr_u32(w, 1);
	ssh_wr_cstr(w, EXT_INFO_IN_AUTH);
	ssh_wr_cstr(w, "0");
}
