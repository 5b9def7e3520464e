/*
 * tests/unit/test_brain_gss.c - key exchange and logins by GSS-API, with a mechanism of the test's.
 *
 * The linker puts these functions before the library's (--wrap): tokens are numbers, the initiator
 * is done with the acceptor's last one, and a MIC is a sum. tests/interop/test_gss.sh is Kerberos.
 */
#include <gssapi/gssapi.h>

#include "ssh_lab.h"

static struct {
	unsigned int rounds;     /* tokens of the acceptor; Kerberos has 1 */
	OM_uint32 flags, wanted; /* what there is, and what the initiator asked for */
	const char *principal, *local;
	bool spoil_mic;
	unsigned int calls, fail_at; /* 0: never */
} toy = {1, GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG, 0, "demo@TEST", "demo", false, 0, 0};

struct toy_ctx {
	unsigned int step;
};

static bool fails(void)
{
	return ++toy.calls == toy.fail_at;
}

#define WRAP(name, params)                                                                         \
	OM_uint32 __wrap_##name params;                                                            \
	OM_uint32 __wrap_##name params

static OM_uint32 give(gss_buffer_t to, const void *p, size_t len)
{
	to->value = malloc(len);
	memcpy(to->value, p, len);
	to->length = len;
	return GSS_S_COMPLETE;
}

WRAP(gss_import_name, (OM_uint32 * minor, gss_buffer_t in, gss_OID type, gss_name_t *ret))
{
	*ret = (gss_name_t)(void *)strndup(in->value, in->length);
	return fails() ? GSS_S_FAILURE : GSS_S_COMPLETE;
}

WRAP(gss_release_name, (OM_uint32 * minor, gss_name_t *name))
{
	free(*name);
	*name = GSS_C_NO_NAME;
	return GSS_S_COMPLETE;
}

WRAP(gss_acquire_cred,
     (OM_uint32 * minor, gss_name_t name, OM_uint32 time, gss_OID_set mechs, gss_cred_usage_t usage,
      gss_cred_id_t *ret, gss_OID_set *got, OM_uint32 *rec))
{
	return fails() ? GSS_S_NO_CRED : GSS_S_COMPLETE;
}

WRAP(gss_release_cred, (OM_uint32 * minor, gss_cred_id_t *cred))
{
	return GSS_S_COMPLETE;
}

WRAP(gss_delete_sec_context, (OM_uint32 * minor, gss_ctx_id_t *ctx, gss_buffer_t out))
{
	free(*ctx);
	*ctx = GSS_C_NO_CONTEXT;
	return GSS_S_COMPLETE;
}

static struct toy_ctx *ctx_of(gss_ctx_id_t *ctx)
{
	if (*ctx == GSS_C_NO_CONTEXT)
		*ctx = calloc(1, sizeof(struct toy_ctx));
	return (struct toy_ctx *)(void *)*ctx;
}

static bool token_is(gss_buffer_t in, char kind, unsigned int n)
{
	char want[16];

	return in->length == (size_t)snprintf(want, sizeof(want), "%c%u", kind, n) &&
	       memcmp(in->value, want, in->length) == 0;
}

static void token_give(gss_buffer_t out, char kind, unsigned int n)
{
	char text[16];

	give(out, text, (size_t)snprintf(text, sizeof(text), "%c%u", kind, n));
}

WRAP(gss_init_sec_context,
     (OM_uint32 * minor, gss_cred_id_t cred, gss_ctx_id_t *ctx, gss_name_t name, gss_OID mech,
      OM_uint32 want, OM_uint32 time, gss_channel_bindings_t cb, gss_buffer_t in, gss_OID *got,
      gss_buffer_t out, OM_uint32 *flags, OM_uint32 *rec))
{
	struct toy_ctx *c = ctx_of(ctx);

	if (fails() || (c->step > 0 && !token_is(in, 'A', c->step)))
		return GSS_S_DEFECTIVE_TOKEN;
	toy.wanted = want;
	*flags = toy.flags & want;
	if (c->step == toy.rounds)
		return GSS_S_COMPLETE;
	token_give(out, 'I', c->step++);
	return GSS_S_CONTINUE_NEEDED;
}

WRAP(gss_accept_sec_context,
     (OM_uint32 * minor, gss_ctx_id_t *ctx, gss_cred_id_t cred, gss_buffer_t in,
      gss_channel_bindings_t cb, gss_name_t *name, gss_OID *mech, gss_buffer_t out,
      OM_uint32 *flags, OM_uint32 *rec, gss_cred_id_t *deleg))
{
	struct toy_ctx *c = ctx_of(ctx);

	if (fails() || !token_is(in, 'I', c->step))
		return GSS_S_DEFECTIVE_TOKEN;
	*flags = toy.flags;
	token_give(out, 'A', ++c->step);
	if (c->step < toy.rounds)
		return GSS_S_CONTINUE_NEEDED;
	*name = (gss_name_t)(void *)strdup(toy.principal);
	return GSS_S_COMPLETE;
}

static uint64_t sum_of(const uint8_t *p, size_t n)
{
	uint64_t sum = 14695981039346656037ULL;

	while (n-- > 0)
		sum = (sum ^ *p++) * 1099511628211ULL;
	return sum;
}

WRAP(gss_get_mic,
     (OM_uint32 * minor, gss_ctx_id_t ctx, gss_qop_t qop, gss_buffer_t in, gss_buffer_t out))
{
	uint64_t sum = sum_of(in->value, in->length) ^ toy.spoil_mic;

	return fails() ? GSS_S_FAILURE : give(out, &sum, sizeof(sum));
}

WRAP(gss_verify_mic,
     (OM_uint32 * minor, gss_ctx_id_t ctx, gss_buffer_t in, gss_buffer_t mic, gss_qop_t *qop))
{
	uint64_t sum = sum_of(in->value, in->length);

	if (fails() || mic->length != sizeof(sum) || memcmp(mic->value, &sum, sizeof(sum)) != 0)
		return GSS_S_BAD_MIC;
	return GSS_S_COMPLETE;
}

WRAP(gss_display_name, (OM_uint32 * minor, gss_name_t name, gss_buffer_t out, gss_OID *type))
{
	return fails() ? GSS_S_FAILURE : give(out, toy.principal, strlen(toy.principal));
}

WRAP(gss_localname, (OM_uint32 * minor, gss_name_t name, gss_const_OID mech, gss_buffer_t out))
{
	if (toy.local == NULL)
		return GSS_S_UNAVAILABLE;
	return give(out, toy.local, strlen(toy.local));
}

WRAP(gss_release_buffer, (OM_uint32 * minor, gss_buffer_t buf))
{
	free(buf->value);
	*buf = (gss_buffer_desc)GSS_C_EMPTY_BUFFER;
	return GSS_S_COMPLETE;
}

/* Key exchange ------------------------------------------------------------------------ */

static void gss_start_by(struct lab *l, const char *kex, bool delegate)
{
	struct ssh_brain_conf sc = lab_conf(SSH_SERVER), cc = lab_conf(SSH_CLIENT);

	sc.kex_algs = cc.kex_algs = kex;
	cc.gss_server = "gateway";
	cc.gss_delegate = delegate;
	sc.auth_methods |= SSH_AUTH_GSSAPI_KEYEX | SSH_AUTH_GSSAPI_MIC;
	lab_init(l, &sc, &cc);
}

static void gss_start(struct lab *l, const char *kex)
{
	gss_start_by(l, kex, false);
}

Test(brain_gss, every_method_carries_a_login_and_a_rekey)
{
	const char *name;

	for (unsigned int i = 0; (name = kex_gss_name_at(i)) != NULL; i++) {
		for (toy.rounds = 1; toy.rounds <= 3; toy.rounds++) {
			struct lab l;

			gss_start(&l, name);
			lab_run(&l);
			cr_expect_eq(l.s.end, 0, "%s: %s", name, ssh_err_text(l.s.end));
			cr_expect_eq(l.c.end, 0, "%s: %s", name, ssh_err_text(l.c.end));
			cr_expect_eq(l.c.n[SSH_ACT_AUTHENTICATED], 1);
			cr_expect_eq(l.c.n[SSH_ACT_HOSTKEY], 0, "nobody is asked about a host key");
			cr_expect_eq(l.s.n[SSH_ACT_SIGN], 0);
			cr_assert_eq(ssh_brain_rekey(l.c.b), 0);
			lab_run(&l);
			cr_expect_eq(l.s.n[SSH_ACT_KEX_DONE], 2);
			cr_expect_str_eq(l.s.kex.kex, name);
			lab_fini(&l);
		}
	}
}

/* RFC 4462 section 5: "null" is a host key for methods that authenticate the host themselves. */
Test(brain_gss, the_null_host_key_is_for_these_methods_alone)
{
	static const struct {
		bool gss_first;
		const char *client_has; /* the server has ssh-ed25519 */
		const char *hostkey;    /* agreed on; NULL: nothing was */
	} c[] = {
		{true, "rsa-sha2-512", "null"},
		{true, "ssh-ed25519", "ssh-ed25519"}, /* the client's list: null is its last */
		{false, "ssh-ed25519", "ssh-ed25519"},
		{false, "rsa-sha2-512", NULL},
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct ssh_brain_conf sc = lab_conf(SSH_SERVER), cc = lab_conf(SSH_CLIENT);
		char kex[256];
		struct lab l;

		snprintf(kex, sizeof(kex), "%s,%s",
			 c[i].gss_first ? kex_gss_name_at(3) : "curve25519-sha256",
			 c[i].gss_first ? "curve25519-sha256" : kex_gss_name_at(3));
		sc.kex_algs = cc.kex_algs = kex;
		sc.auth_methods |= SSH_AUTH_GSSAPI_KEYEX;
		cc.hostkey_algs = c[i].client_has;
		cc.gss_server = "gateway";
		toy.rounds = 1;
		lab_init(&l, &sc, &cc);
		lab_run(&l);
		if (c[i].hostkey == NULL) {
			cr_expect_eq(l.s.end, -SSH_E_NO_HOSTKEY_ALG, "%zu", i);
			cr_expect_eq(l.c.n[SSH_ACT_AUTHENTICATED], 0);
		} else {
			cr_assert_eq(l.c.n[SSH_ACT_AUTHENTICATED], 1, "%zu", i);
			cr_expect_str_eq(l.s.kex.hostkey, c[i].hostkey, "%zu", i);
			cr_expect_eq(l.c.n[SSH_ACT_HOSTKEY], c[i].gss_first ? 0 : 1, "%zu", i);
		}
		lab_fini(&l);
	}
}

static void expect_refused(const char *why)
{
	struct lab l;

	gss_start(&l, kex_gss_name_at(3));
	lab_run(&l);
	cr_expect_neq(l.s.end, 0, "%s", why);
	cr_expect_neq(l.c.end, 0, "%s", why);
	cr_expect_eq(l.c.n[SSH_ACT_LOGIN] + l.s.n[SSH_ACT_AUTH], 0, "%s", why);
	lab_fini(&l);
}

/* RFC 4462 section 2.1: mutual authentication and integrity, or nothing. */
Test(brain_gss, what_does_not_bind_is_refused)
{
	toy.flags = GSS_C_MUTUAL_FLAG;
	expect_refused("without integrity");
	toy.flags = GSS_C_INTEG_FLAG;
	expect_refused("one-sided");
	toy.flags = GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG;
	toy.spoil_mic = true;
	expect_refused("the MIC is not of this exchange");
}

/* F-27: each call of the library fails in turn, of either side. */
Test(brain_gss, every_failing_call_ends_in_refusal)
{
	unsigned int calls;
	struct lab l;

	toy.calls = 0;
	gss_start(&l, kex_gss_name_at(3));
	l.c.login = LAB_LOGIN_HOLD;
	lab_run(&l);
	cr_assert_eq(l.c.n[SSH_ACT_LOGIN], 1);
	lab_fini(&l);
	calls = toy.calls;
	cr_assert_gt(calls, 4);
	for (toy.fail_at = 1; toy.fail_at <= calls; toy.fail_at++) {
		toy.calls = 0;
		expect_refused("a call failed");
	}
}

static struct lab_side *raw_side(struct lab *l, enum ssh_role raw, const char *kex)
{
	struct lab_side *me;
	struct ssh_kexinit m = {.first_kex_packet_follows = false};
	uint8_t buf[2048];
	struct ssh_wr w;

	gss_start(l, kex);
	me = raw == SSH_CLIENT ? &l->c : &l->s;
	me->silent = true;
	cr_assert_eq(ssh_flat_raw(&me->p.flat, "SSH-2.0-raw\r\n", 13), 0);
	lab_run(l);
	m.list[SSH_PROP_KEX] = ssh_str_c(kex);
	m.list[SSH_PROP_HOSTKEY] = ssh_str_c(SSH_HOSTKEY_NULL);
	for (int dir = 0; dir < 2; dir++) {
		m.list[SSH_PROP_CIPHER_CS + dir] = ssh_str_c(SSH_DEFAULT_CIPHERS);
		m.list[SSH_PROP_MAC_CS + dir] = ssh_str_c(SSH_DEFAULT_MACS);
		m.list[SSH_PROP_COMP_CS + dir] = ssh_str_c("none");
	}
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_kexinit_build(&w, &m);
	lab_raw(l, me, buf, ssh_wr_done(&w));
	return me;
}

static size_t init_build(uint8_t *buf, size_t size, const char *token, size_t q_len, size_t extra)
{
	static const uint8_t q[64] = {9};
	struct ssh_wr w;

	ssh_wr_init(&w, buf, size);
	ssh_wr_u8(&w, SSH_MSG_KEXGSS_INIT);
	ssh_wr_cstr(&w, token);
	ssh_wr_str(&w, (struct ssh_str){q, (uint32_t)q_len});
	while (extra-- > 0)
		ssh_wr_u8(&w, 0);
	return ssh_wr_done(&w);
}

/* S-61, S-43: a server computes nothing for what cannot be an INIT. */
Test(brain_gss, malformed_inits_disconnect_before_any_job)
{
	static const struct {
		const char *token;
		size_t q_len, extra;
		int err;
	} t[] = {
		{"", 32, 0, SSH_E_KEX},        {"I0", 31, 0, SSH_E_KEX_ECDH},
		{"I0", 0, 0, SSH_E_KEX_ECDH},  {"I0", 33, 0, SSH_E_KEX_ECDH},
		{"I0", 32, 1, SSH_E_FORMAT},
	};
	uint8_t buf[256];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct lab l;
		struct lab_side *raw = raw_side(&l, SSH_CLIENT, kex_gss_name_at(3));

		lab_raw(&l, raw, buf,
			init_build(buf, sizeof(buf), t[i].token, t[i].q_len, t[i].extra));
		cr_expect_eq(l.s.end, -t[i].err, "%zu: %s", i, ssh_err_text(l.s.end));
		cr_expect_eq(l.s.n[SSH_ACT_JOB], 0);
		lab_fini(&l);
	}
}

Test(brain_gss, a_token_nobody_made_ends_the_exchange)
{
	uint8_t buf[256];
	struct lab l;
	struct lab_side *raw = raw_side(&l, SSH_CLIENT, kex_gss_name_at(3));

	lab_raw(&l, raw, buf, init_build(buf, sizeof(buf), "rubbish", 32, 0));
	cr_expect_eq(l.s.end, -SSH_E_KEX);
	cr_expect_eq(l.s.n[SSH_ACT_SIGN], 0);
	lab_fini(&l);
}

static void put_msg(struct ssh_wr *w, uint8_t *buf, size_t size, uint8_t msg)
{
	ssh_wr_init(w, buf, size);
	ssh_wr_u8(w, msg);
}

/* What a server may not say to a client that waits for the end of it. */
Test(brain_gss, a_servers_nonsense_disconnects_the_client)
{
	static const uint8_t q[32] = {9};
	static const int err[7] = {SSH_E_KEX_ECDH, SSH_E_KEX_PROOF, SSH_E_KEX,      SSH_E_KEX,
				   SSH_E_KEX,      SSH_E_KEX,       SSH_E_KEX_PROOF};

	for (int bad = 0; bad < 7; bad++) {
		struct lab l;
		struct lab_side *raw = raw_side(&l, SSH_SERVER, kex_gss_name_at(3));
		uint8_t buf[256];
		struct ssh_wr w;

		put_msg(&w, buf, sizeof(buf), SSH_MSG_KEXGSS_COMPLETE);
		ssh_wr_str(&w, (struct ssh_str){q, bad == 0 ? 31 : 32});
		ssh_wr_cstr(&w, bad == 1 ? "" : "mic");
		ssh_wr_bool(&w, bad != 2);
		if (bad != 2)
			ssh_wr_cstr(&w, "A1");
		if (bad == 3) { /* an error */
			put_msg(&w, buf, sizeof(buf), SSH_MSG_KEXGSS_ERROR);
			ssh_wr_u32(&w, 1);
			ssh_wr_u32(&w, 1);
			ssh_wr_cstr(&w, "no");
			ssh_wr_cstr(&w, "");
		} else if (bad == 4) {
			put_msg(&w, buf, sizeof(buf), SSH_MSG_KEXGSS_CONTINUE);
			ssh_wr_cstr(&w, "");
		} else if (bad == 5) { /* the host key twice */
			put_msg(&w, buf, sizeof(buf), SSH_MSG_KEXGSS_HOSTKEY);
			ssh_wr_cstr(&w, "key");
			lab_raw(&l, raw, buf, ssh_wr_done(&w));
			cr_expect_eq(l.c.end, 0);
		}
		lab_raw(&l, raw, buf, ssh_wr_done(&w));
		cr_expect_eq(l.c.end, -err[bad], "%d: %s", bad, ssh_err_text(l.c.end));
		cr_expect_eq(l.c.n[SSH_ACT_LOGIN], 0);
		lab_fini(&l);
	}
}

/* Authentication ---------------------------------------------------------------------- */

/* A request with what it is about behind it, of the test's own. */
static size_t request(uint8_t *buf, size_t size, const char *method, const void *rest, size_t n)
{
	struct ssh_wr w;

	put_msg(&w, buf, size, SSH_MSG_USERAUTH_REQUEST);
	ssh_wr_cstr(&w, "demo");
	ssh_wr_cstr(&w, "ssh-connection");
	ssh_wr_cstr(&w, method);
	ssh_wr_bytes(&w, rest, n);
	return ssh_wr_done(&w);
}

/* RFC 4462 sections 3.5 and 4: over the session id and the request up to the method's name. */
static uint64_t mic_of(struct lab *l, const char *method)
{
	struct ssh_str sid = ssh_brain_session_id(l->s.b);
	uint8_t req[128], data[256];
	struct ssh_wr w;

	ssh_wr_init(&w, data, sizeof(data));
	ssh_wr_str(&w, sid);
	ssh_wr_bytes(&w, req, request(req, sizeof(req), method, NULL, 0));
	return sum_of(data, ssh_wr_done(&w));
}

static void login_start(struct lab *l, bool by_gss)
{
	gss_start(l, by_gss ? kex_gss_name_at(3) : LAB_KEX);
	lab_to_login(l);
	l->s.manual_auth = true;
}

static void send_keyex(struct lab *l, uint64_t mic)
{
	uint8_t buf[256], rest[12] = {0, 0, 0, 8};

	memcpy(rest + 4, &mic, 8);
	lab_raw(l, &l->c, buf, request(buf, sizeof(buf), "gssapi-keyex", rest, sizeof(rest)));
}

Test(brain_gss, keyex_asks_about_who_the_ticket_is_of)
{
	struct lab l;

	login_start(&l, true);
	send_keyex(&l, mic_of(&l, "gssapi-keyex"));
	cr_assert_eq(l.s.n[SSH_ACT_AUTH], 1);
	cr_expect_eq(l.s.asked.auth.method, SSH_AUTH_GSSAPI_KEYEX);
	cr_expect(ssh_str_eq(l.s.asked.auth.principal, "demo@TEST"));
	cr_expect(ssh_str_eq(l.s.asked.auth.local_user, "demo"));
	cr_assert_eq(ssh_brain_auth_answer(l.s.b, l.s.asked.id, true), 0);
	lab_run(&l);
	cr_expect_eq(l.s.n[SSH_ACT_AUTHENTICATED], 1);
	lab_fini(&l);
}

/* S-21: a MIC over another session, or after an exchange of another kind, asks nobody. */
Test(brain_gss, keyex_without_its_mic_or_its_context_is_refused)
{
	for (int bad = 0; bad < 3; bad++) {
		struct lab l;

		login_start(&l, bad != 1);
		send_keyex(&l,
			   mic_of(&l, bad == 2 ? "gssapi-with-mic" : "gssapi-keyex") ^ (bad == 0));
		cr_expect_eq(l.s.n[SSH_ACT_AUTH], 0, "%d", bad);
		cr_expect_eq(l.s.n[SSH_ACT_AUTH_FAILED], 1, "%d", bad);
		cr_expect_eq(l.s.end, 0);
		lab_fini(&l);
	}
}

static const uint8_t oids[] = "\0\0\0\1\0\0\0\x0b" GSS_KRB5_OID;
#define OIDS_LEN (8 + GSS_KRB5_OID_LEN)

static void with_mic_begin(struct lab *l)
{
	uint8_t buf[256];

	lab_raw(l, &l->c, buf, request(buf, sizeof(buf), "gssapi-with-mic", oids, OIDS_LEN));
}

static void send_string(struct lab *l, uint8_t msg, const void *p, size_t n)
{
	uint8_t buf[256];
	struct ssh_wr w;

	put_msg(&w, buf, sizeof(buf), msg);
	ssh_wr_str(&w, (struct ssh_str){p, (uint32_t)n});
	lab_raw(l, &l->c, buf, ssh_wr_done(&w));
}

Test(brain_gss, with_mic_goes_through_tokens_to_the_mic)
{
	struct lab l;
	uint64_t mic;

	toy.rounds = 2;
	login_start(&l, false);
	with_mic_begin(&l);
	send_string(&l, 61, "I0", 2);
	send_string(&l, 61, "I1", 2);
	cr_assert_eq(l.s.n[SSH_ACT_AUTH], 0, "not before the MIC");
	mic = mic_of(&l, "gssapi-with-mic");
	send_string(&l, 66, &mic, sizeof(mic));
	cr_assert_eq(l.s.n[SSH_ACT_AUTH], 1);
	cr_expect_eq(l.s.asked.auth.method, SSH_AUTH_GSSAPI_MIC);
	cr_expect(ssh_str_eq(l.s.asked.auth.local_user, "demo"));
	cr_assert_eq(ssh_brain_auth_answer(l.s.b, l.s.asked.id, false), 0);
	lab_run(&l);
	cr_expect_eq(l.s.n[SSH_ACT_AUTHENTICATED], 0);
	cr_expect_eq(l.s.n[SSH_ACT_AUTH_FAILED], 1);
	lab_fini(&l);
}

/* Each of these is a failed try and no more. */
Test(brain_gss, with_mic_out_of_order_is_a_failed_try)
{
	for (int bad = 0; bad < 7; bad++) {
		struct lab l;
		uint64_t mic;

		toy.flags = bad == 6 ? GSS_C_MUTUAL_FLAG : GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG;
		login_start(&l, false);
		with_mic_begin(&l);
		mic = mic_of(&l, "gssapi-with-mic");
		switch (bad) {
		case 0: /* a MIC before there is a context */
			send_string(&l, 66, &mic, sizeof(mic));
			break;
		case 1:
			send_string(&l, 61, "rubbish", 7);
			break;
		case 2: /* a token behind the last */
			send_string(&l, 61, "I0", 2);
			send_string(&l, 61, "I1", 2);
			break;
		case 3:
			send_string(&l, 61, "I0", 2);
			mic ^= 1;
			send_string(&l, 66, &mic, sizeof(mic));
			break;
		case 4: /* without integrity there would be no MIC: not with us */
			send_string(&l, 61, "I0", 2);
			lab_raw(&l, &l.c, (const uint8_t[]){63}, 1);
			break;
		case 5: /* the client's error */
			send_string(&l, 65, "x", 1);
			break;
		case 6:
			send_string(&l, 61, "I0", 2);
			break;
		}
		cr_expect_eq(l.s.n[SSH_ACT_AUTH], 0, "%d", bad);
		cr_expect_eq(l.s.n[SSH_ACT_AUTH_FAILED], 1, "%d", bad);
		cr_expect_eq(l.s.end, 0, "%d: %s", bad, ssh_err_text(l.s.end));
		lab_fini(&l);
	}
}

/* S-29: begun and left for another one: it counts. */
Test(brain_gss, a_try_that_is_given_up_counts)
{
	struct lab l;

	login_start(&l, false);
	for (int i = 0; i < 7 && l.s.end == 0; i++)
		with_mic_begin(&l);
	cr_expect_eq(l.s.end, -SSH_E_AUTH_TRIES);
	lab_fini(&l);
}

Test(brain_gss, tokens_nobody_asked_for_disconnect)
{
	static const uint8_t msgs[] = {61, 63, 65, 66};

	for (size_t i = 0; i < sizeof(msgs); i++) {
		struct lab l;

		login_start(&l, false);
		send_string(&l, msgs[i], "I0", 2);
		cr_expect_neq(l.s.end, 0, "%u", msgs[i]);
		lab_fini(&l);
	}
}

Test(brain_gss, a_mechanism_we_do_not_have_is_a_failed_try)
{
	uint8_t buf[256];
	struct lab l;

	login_start(&l, false);
	lab_raw(&l, &l.c, buf,
		request(buf, sizeof(buf), "gssapi-with-mic", "\0\0\0\1\0\0\0\1x", 9));
	cr_expect_eq(l.s.n[SSH_ACT_AUTH_FAILED], 1);
	lab_raw(&l, &l.c, buf, request(buf, sizeof(buf), "gssapi-with-mic", "\0\0\0\0", 4));
	cr_expect_eq(l.s.n[SSH_ACT_AUTH_FAILED], 2);
	lab_raw(&l, &l.c, buf, request(buf, sizeof(buf), "gssapi-with-mic", "\xff\xff\xff\xff", 4));
	cr_expect_eq(l.s.end, -SSH_E_FORMAT);
	lab_fini(&l);
}

/* A principal that is nobody's account here is named, and has none. */
Test(brain_gss, a_principal_without_an_account)
{
	struct lab l;

	toy.local = NULL;
	login_start(&l, true);
	send_keyex(&l, mic_of(&l, "gssapi-keyex"));
	cr_assert_eq(l.s.n[SSH_ACT_AUTH], 1);
	cr_expect_eq(l.s.asked.auth.local_user.len, 0);
	lab_fini(&l);
}

/* Client role ------------------------------------------------------------------------- */

static void client_start(struct lab *l, bool by_gss)
{
	gss_start(l, by_gss ? kex_gss_name_at(3) : LAB_KEX);
	l->c.login = LAB_LOGIN_HOLD;
	lab_run(l);
	cr_assert_eq(l->c.n[SSH_ACT_LOGIN], 1);
}

Test(brain_gss, a_client_logs_in_by_both_methods)
{
	for (toy.rounds = 1; toy.rounds <= 3; toy.rounds++) {
		for (int keyex = 0; keyex < 2; keyex++) {
			struct lab l;

			client_start(&l, keyex);
			cr_assert_eq(ssh_brain_login_gssapi(l.c.b, l.c.asked.id, keyex), 0);
			lab_run(&l);
			cr_expect_eq(l.c.n[SSH_ACT_AUTHENTICATED], 1, "%u %d", toy.rounds, keyex);
			cr_expect_eq(l.s.n[SSH_ACT_AUTHENTICATED], 1);
			lab_fini(&l);
		}
	}
}

/* RFC 4462 sections 2.1 and 3.4: whoever has the server's root can use what is handed on. */
Test(brain_gss, a_clients_ticket_is_handed_on_where_that_is_asked_for)
{
	for (unsigned int i = 0; i < 4; i++) {
		bool keyex = i % 2 != 0, delegate = i / 2 != 0;
		struct lab l;

		gss_start_by(&l, keyex ? kex_gss_name_at(3) : LAB_KEX, delegate);
		l.c.login = LAB_LOGIN_HOLD;
		lab_run(&l);
		if (!keyex) {
			cr_assert_eq(toy.wanted, 0, "not before it logs in");
			cr_assert_eq(ssh_brain_login_gssapi(l.c.b, l.c.asked.id, false), 0);
			lab_run(&l);
			cr_expect_eq(l.c.n[SSH_ACT_AUTHENTICATED], 1);
		}
		cr_expect((toy.wanted & GSS_C_MUTUAL_FLAG) != 0);
		cr_expect_eq((toy.wanted & GSS_C_DELEG_FLAG) != 0, delegate, "%u", i);
		toy.wanted = 0;
		lab_fini(&l);
	}
}

Test(brain_gss, a_client_without_what_it_needs_is_told)
{
	struct ssh_brain_conf cc = lab_conf(SSH_CLIENT);
	struct lab l;

	lab_init(&l, NULL, &cc);
	l.c.login = LAB_LOGIN_HOLD;
	lab_run(&l);
	cr_expect_eq(ssh_brain_login_gssapi(l.c.b, l.c.asked.id, true), -ENOTSUP);
	cr_expect_eq(ssh_brain_login_gssapi(l.c.b, l.c.asked.id, false), -ENOTSUP);
	cr_expect_eq(ssh_brain_login_gssapi(l.c.b, l.c.asked.id + 1, false), -ENOENT);
	lab_fini(&l);
}

/* F-27: whichever call fails, nobody is let in; where it was the client's, it goes on to the next.
 */
Test(brain_gss, a_failing_call_of_a_login_lets_nobody_in)
{
	for (int keyex = 0; keyex < 2; keyex++) {
		unsigned int before = 0, calls = 1;

		for (unsigned int i = 0; i <= calls; i++) {
			struct lab l;

			toy.fail_at = 0;
			client_start(&l, keyex);
			before = toy.calls;
			toy.fail_at = i == 0 ? 0 : before + i;
			cr_assert_eq(ssh_brain_login_gssapi(l.c.b, l.c.asked.id, keyex), 0);
			lab_run(&l);
			if (i == 0)
				calls = toy.calls - before;
			cr_expect_eq(l.c.n[SSH_ACT_AUTHENTICATED], i == 0, "%d: call %u", keyex, i);
			cr_expect_eq(l.s.n[SSH_ACT_AUTHENTICATED], i == 0);
			if (i > 0)
				cr_expect_eq(l.c.n[SSH_ACT_LOGIN], 2, "%d: call %u", keyex, i);
			lab_fini(&l);
		}
	}
}

/* What a server may not say of it, and when. */
Test(brain_gss, a_servers_unasked_tokens_disconnect_the_client)
{
	static const uint8_t msgs[] = {60, 61, 64, 65};

	for (size_t i = 0; i < sizeof(msgs); i++) {
		uint8_t p[] = {msgs[i], 0, 0, 0, 2, 'A', '1'};
		struct lab l;

		client_start(&l, false);
		l.s.silent = true;
		lab_raw(&l, &l.s, p, sizeof(p));
		cr_expect_neq(l.c.end, 0, "%u", msgs[i]);
		lab_fini(&l);
	}
}
