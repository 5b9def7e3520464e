/*
 * Messages of the transport layer and of authentication, whole payloads: what is accepted
 * re-encodes to itself, but for booleans and what is skipped.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/auth_msg.h"
#include "ssh/msg.h"
#include "ssh/trans_msg.h"

#define SIZE_MAX_IN 65536

static uint8_t buf[SIZE_MAX_IN + 64], rest_buf[SIZE_MAX_IN + 64];

/* Views lie in the message and nowhere else. */
static void within(struct ssh_str s, const uint8_t *p, size_t n)
{
	if (s.len != 0 && (s.p < p || s.p + s.len > p + n))
		abort();
}

static void same(const struct ssh_wr *w, const uint8_t *p, size_t n)
{
	if (ssh_wr_done(w) != n || memcmp(buf, p, n) != 0)
		abort();
}

static void password(struct ssh_str rest)
{
	struct ssh_userauth_password m;
	struct ssh_wr w;

	if (ssh_userauth_password_parse(rest, &m) < 0)
		return;
	ssh_wr_init(&w, rest_buf, sizeof(rest_buf));
	ssh_userauth_password_build(&w, &m);
	if (ssh_wr_done(&w) != rest.len || memcmp(rest_buf + 1, rest.p + 1, rest.len - 1) != 0)
		abort();
}

static void publickey(struct ssh_str rest)
{
	struct ssh_userauth_publickey m;
	struct ssh_wr w;

	if (ssh_userauth_publickey_parse(rest, &m) < 0)
		return;
	within(m.blob, rest.p, rest.len);
	within(m.signature, rest.p, rest.len);
	ssh_wr_init(&w, rest_buf, sizeof(rest_buf));
	ssh_userauth_publickey_build(&w, &m);
	/* An empty signature is written as none: that is the part which gets signed. */
	if (!m.has_signature || m.signature.len != 0)
		if (ssh_wr_done(&w) != rest.len ||
		    memcmp(rest_buf + 1, rest.p + 1, rest.len - 1) != 0)
			abort();
}

/* As publickey, and behind it the server's host key. */
static void hostbound(struct ssh_str rest)
{
	struct ssh_userauth_publickey m;

	if (ssh_userauth_hostbound_parse(rest, &m) < 0)
		return;
	within(m.blob, rest.p, rest.len);
	within(m.signature, rest.p, rest.len);
	within(m.host_key, rest.p, rest.len);
	if (m.host_key.p == NULL)
		abort();
}

static void hostbased(struct ssh_str rest)
{
	struct ssh_userauth_hostbased m;
	struct ssh_wr w;

	if (ssh_userauth_hostbased_parse(rest, &m) < 0)
		return;
	within(m.client_host, rest.p, rest.len);
	within(m.client_user, rest.p, rest.len);
	within(m.signature, rest.p, rest.len);
	ssh_wr_init(&w, rest_buf, sizeof(rest_buf));
	ssh_userauth_hostbased_build(&w, &m);
	if (m.signature.len != 0 &&
	    (ssh_wr_done(&w) != rest.len || memcmp(rest_buf, rest.p, rest.len) != 0))
		abort();
}

static void kbdint(struct ssh_str rest)
{
	struct ssh_userauth_kbdint m;
	struct ssh_wr w;

	if (ssh_userauth_kbdint_parse(rest, &m) < 0)
		return;
	ssh_wr_init(&w, rest_buf, sizeof(rest_buf));
	ssh_userauth_kbdint_build(&w, &m);
	if (ssh_wr_done(&w) != rest.len || memcmp(rest_buf, rest.p, rest.len) != 0)
		abort();
}

/* 60 as INFO_REQUEST: but for the language tag and the value of a boolean it is read whole. */
static void info_request(struct ssh_rd *r, const uint8_t *p, size_t n)
{
	struct ssh_prompts m, again;
	struct ssh_rd rd;
	struct ssh_wr w;

	if (ssh_userauth_info_request_parse(r, &m) < 0)
		return;
	within(m.instruction, p, n);
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_userauth_info_request_build(&w, &m);
	if (ssh_wr_done(&w) != ssh_userauth_info_request_len(&m))
		abort();
	ssh_rd_init(&rd, buf + 1, ssh_wr_done(&w) - 1);
	if (ssh_userauth_info_request_parse(&rd, &again) < 0 || again.n != m.n)
		abort();
	for (unsigned int i = 0; i < m.n; i++) {
		within(m.prompt[i].text, p, n);
		if (again.prompt[i].echo != m.prompt[i].echo ||
		    again.prompt[i].text.len != m.prompt[i].text.len)
			abort();
	}
}

/* As many answers as the first byte of the count says were asked for. */
static void info_response(const uint8_t *p, size_t n)
{
	struct ssh_str response[SSH_PROMPTS_MAX];
	unsigned int want = n > 4 ? p[4] % (SSH_PROMPTS_MAX + 1) : 0;
	struct ssh_rd r;
	struct ssh_wr w;

	ssh_rd_init(&r, p + 1, n - 1);
	if (ssh_userauth_info_response_parse(&r, want, response) < 0)
		return;
	for (unsigned int i = 0; i < want; i++)
		within(response[i], p, n);
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_userauth_info_response_build(&w, want, response);
	same(&w, p, n);
}

static void request(struct ssh_rd *r, const uint8_t *p, size_t n)
{
	struct ssh_userauth_request m;
	struct ssh_wr w;

	if (ssh_userauth_request_parse(r, &m) < 0)
		return;
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_userauth_request_build(&w, &m);
	same(&w, p, n);
	password(m.rest);
	publickey(m.rest);
	hostbound(m.rest);
	hostbased(m.rest);
	kbdint(m.rest);
}

static void ecdh_reply(struct ssh_rd *r, const uint8_t *p, size_t n)
{
	struct ssh_ecdh_reply m;
	struct ssh_wr w;

	if (ssh_ecdh_reply_parse(r, &m) < 0)
		return;
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_ecdh_reply_build(&w, &m);
	same(&w, p, n);
}

static void ecdh_init(struct ssh_rd *r, const uint8_t *p, size_t n)
{
	struct ssh_str q;
	struct ssh_wr w;

	if (ssh_ecdh_init_parse(r, &q) < 0)
		return;
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_ecdh_init_build(&w, q);
	same(&w, p, n);
}

/* Those that carry what we skip or keep as views only. */
static void views(struct ssh_rd r, const uint8_t *p, size_t n)
{
	struct ssh_disconnect_msg disconnect;
	struct ssh_userauth_failure failure;
	struct ssh_userauth_pk_ok pk_ok;
	struct ssh_ext_info ext;
	struct ssh_str s;
	struct ssh_rd again = r;

	if (ssh_disconnect_parse(&again, &disconnect) == 0)
		within(disconnect.text, p, n);
	again = r;
	if (ssh_service_parse(&again, &s) == 0)
		within(s, p, n);
	again = r;
	if (ssh_ext_info_parse(&again, &ext) == 0 && ext.has_server_sig_algs) {
		within(ext.server_sig_algs, p, n);
		if (ext.server_sig_algs.len > SSH_SIG_ALGS_MAX)
			abort();
	}
	again = r;
	if (ssh_userauth_failure_parse(&again, &failure) == 0)
		within(failure.methods, p, n);
	again = r;
	if (ssh_userauth_pk_ok_parse(&again, &pk_ok) == 0)
		within(pk_ok.blob, p, n);
	again = r;
	if (ssh_userauth_banner_parse(&again, &s) == 0)
		within(s, p, n);
	again = r;
	if (ssh_userauth_changereq_parse(&again, &s) == 0)
		within(s, p, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ssh_rd r;

	if (size == 0 || size > SIZE_MAX_IN)
		return 0;
	ssh_rd_init(&r, data + 1, size - 1);
	views(r, data, size);
	if (data[0] == SSH_MSG_USERAUTH_REQUEST)
		request(&r, data, size);
	else if (data[0] == SSH_MSG_USERAUTH_INFO_REQUEST)
		info_request(&r, data, size);
	else if (data[0] == SSH_MSG_USERAUTH_INFO_RESPONSE)
		info_response(data, size);
	else if (data[0] == SSH_MSG_KEX_ECDH_INIT)
		ecdh_init(&r, data, size);
	else if (data[0] == SSH_MSG_KEX_ECDH_REPLY)
		ecdh_reply(&r, data, size);
	return 0;
}
