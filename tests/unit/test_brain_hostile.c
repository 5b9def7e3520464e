/* tests/unit/test_brain_hostile.c - peers that break the key exchange, against both roles. */
#include <malloc.h>

#include "crypto/blob.h"
#include "ssh_lab.h"

TestSuite(brain_hostile, .timeout = 60);

/* A peer made of raw payloads: its own brain never speaks. */
struct raw_init {
	bool strict, follows, ext_info;
	const char *kex, *hostkey;
	uint8_t extra; /* bytes behind */
};

static size_t kexinit_build(uint8_t buf[4096], enum ssh_role from, const struct raw_init *o)
{
	struct ssh_kexinit m = {.first_kex_packet_follows = o->follows};
	char kex[512];
	struct ssh_wr w;

	snprintf(kex, sizeof(kex), "%s%s%s%s", o->kex ? o->kex : LAB_KEX, o->strict ? "," : "",
		 o->strict ? (from == SSH_CLIENT ? SSH_KEX_STRICT_C : SSH_KEX_STRICT_S) : "",
		 o->ext_info ? ",ext-info-c" : "");
	m.list[SSH_PROP_KEX] = ssh_str_c(kex);
	m.list[SSH_PROP_HOSTKEY] = ssh_str_c(o->hostkey ? o->hostkey : SSH_DEFAULT_HOSTKEY);
	for (int dir = 0; dir < 2; dir++) {
		m.list[SSH_PROP_CIPHER_CS + dir] = ssh_str_c(SSH_DEFAULT_CIPHERS);
		m.list[SSH_PROP_MAC_CS + dir] = ssh_str_c(SSH_DEFAULT_MACS);
		m.list[SSH_PROP_COMP_CS + dir] = ssh_str_c("none");
	}
	ssh_wr_init(&w, buf, 4096);
	ssh_kexinit_build(&w, &m);
	for (int i = 0; i < o->extra; i++)
		ssh_wr_u8(&w, 0);
	return ssh_wr_done(&w);
}

/* The lab with one side raw, behind the identification lines. */
static struct lab_side *raw_start(struct lab *l, enum ssh_role raw)
{
	struct lab_side *me;

	lab_init(l, NULL, NULL);
	me = raw == SSH_CLIENT ? &l->c : &l->s;
	me->silent = true;
	cr_assert_eq(ssh_flat_raw(&me->p.flat, "SSH-2.0-raw\r\n", 13), 0);
	lab_run(l);
	return me;
}

static void raw_kexinit(struct lab *l, struct lab_side *me, const struct raw_init *o)
{
	uint8_t buf[4096];

	lab_raw(l, me, buf, kexinit_build(buf, me == &l->c ? SSH_CLIENT : SSH_SERVER, o));
}

static size_t ecdh_init_build(uint8_t buf[2048], const uint8_t *q, uint32_t len)
{
	struct ssh_wr w;

	ssh_wr_init(&w, buf, 2048);
	ssh_ecdh_init_build(&w, (struct ssh_str){q, len});
	return ssh_wr_done(&w);
}

/* A good public value: the base point's u coordinate is 9. */
static const uint8_t q_nine[32] = {9};

static void raw_ecdh_init(struct lab *l, struct lab_side *me)
{
	uint8_t buf[2048];

	lab_raw(l, me, buf, ecdh_init_build(buf, q_nine, 32));
}

static void expect_end(const struct lab_side *me, int err)
{
	cr_assert_eq(me->end, -err, "%s", ssh_err_text(me->end));
	cr_assert_eq(me->n[SSH_ACT_AUTH] + me->n[SSH_ACT_LOGIN] + me->n[SSH_ACT_CHANNEL_OPEN], 0);
}

/* Strict key exchange ---------------------------------------------------------------- */

static const uint8_t extras[] = {
	SSH_MSG_IGNORE, SSH_MSG_UNIMPLEMENTED, SSH_MSG_DEBUG, SSH_MSG_PING, 101, SSH_MSG_EXT_INFO};

/* S-06 a: anything before KEXINIT. 2..4 are legal until the markers are known. */
Test(brain_hostile, s06a_a_strict_peers_first_packet_is_kexinit)
{
	struct lab l;

	for (int role = SSH_CLIENT; role <= SSH_SERVER; role++) {
		for (size_t i = 0; i < sizeof(extras); i++) {
			uint8_t p[16] = {extras[i]};
			struct lab_side *raw = raw_start(&l, (enum ssh_role)role);
			struct lab_side *me = raw == &l.c ? &l.s : &l.c;

			lab_raw(&l, raw, p, sizeof(p));
			raw_kexinit(&l, raw, &(struct raw_init){.strict = true});
			cr_assert(me->end == -SSH_E_STRICT || me->end == -SSH_E_PROTO);
			cr_assert_eq(me->n[SSH_ACT_JOB], 0);
			lab_fini(&l);
		}
	}
}

/* S-06 b: anything the exchange does not need, at each of its steps. */
Test(brain_hostile, s06b_extra_messages_in_a_strict_first_exchange_disconnect)
{
	struct lab l;

	for (int step = 0; step < 2; step++) {
		for (size_t i = 0; i < sizeof(extras); i++) {
			uint8_t p[16] = {extras[i]};
			struct lab_side *raw = raw_start(&l, SSH_CLIENT);

			raw_kexinit(&l, raw, &(struct raw_init){.strict = true});
			if (step == 1)
				raw_ecdh_init(&l, raw);
			cr_assert_eq(l.s.end, 0);
			lab_raw(&l, raw, p, sizeof(p));
			expect_end(&l.s, SSH_E_STRICT);
			lab_fini(&l);
		}
	}
}

/* S-06 b: a message that somebody swallowed on the way shows in the numbers. */
Test(brain_hostile, s06b_a_gap_in_the_numbers_of_a_strict_exchange_disconnects)
{
	struct lab l;
	uint8_t buf[2048];
	size_t len = ecdh_init_build(buf, q_nine, 32);
	struct lab_side *raw = raw_start(&l, SSH_CLIENT);

	raw_kexinit(&l, raw, &(struct raw_init){.strict = true});
	cr_assert_eq(ssh_brain_input(l.s.b, 2, buf, len), -SSH_E_STRICT);
	lab_fini(&l);
}

Test(brain_hostile, without_strict_2_to_4_are_legal_in_the_first_exchange)
{
	struct lab l;
	uint8_t ignore[16] = {SSH_MSG_IGNORE}, debug[16] = {SSH_MSG_DEBUG};
	struct lab_side *raw = raw_start(&l, SSH_CLIENT);

	lab_raw(&l, raw, ignore, sizeof(ignore));
	raw_kexinit(&l, raw, &(struct raw_init){.strict = false});
	lab_raw(&l, raw, debug, sizeof(debug));
	raw_ecdh_init(&l, raw);
	lab_raw(&l, raw, ignore, sizeof(ignore));
	cr_assert_eq(l.s.end, 0);
	cr_assert_eq(ssh_brain_phase(l.s.b)->kex, SSH_KEX_FIRST_NEWKEYS);
	lab_fini(&l);
}

/* S-06 d: the marker comes late: it changes nothing, whichever side it was missing from. */
Test(brain_hostile, s06d_a_marker_in_a_rekey_is_ignored)
{
	struct ssh_brain_conf cc = lab_conf(SSH_CLIENT);
	struct lab l;

	cc.strict = SSH_STRICT_OFF;
	lab_init(&l, NULL, &cc);
	lab_run(&l);
	cr_assert_eq(l.c.n[SSH_ACT_AUTHENTICATED], 1);
	l.c.silent = true;
	raw_kexinit(&l, &l.c, &(struct raw_init){.strict = true});
	cr_assert_eq(l.s.end, 0);
	cr_assert(!ssh_brain_phase(l.s.b)->strict);
	lab_fini(&l);
}

/* The wrong side's marker is no marker. */
Test(brain_hostile, s06_the_servers_marker_from_a_client_is_not_strict)
{
	struct lab l;
	uint8_t buf[4096];
	struct lab_side *raw = raw_start(&l, SSH_CLIENT);

	lab_raw(&l, raw, buf, kexinit_build(buf, SSH_SERVER, &(struct raw_init){.strict = true}));
	cr_assert_eq(l.s.end, 0);
	cr_assert(!ssh_brain_phase(l.s.b)->strict);
	lab_fini(&l);
}

/* Order of messages ------------------------------------------------------------------- */

/* S-02, S-05, S-13: at each step of the first exchange, every number but those that fit. */
Test(brain_hostile, s02_s05_s13_every_other_number_at_every_step_disconnects)
{
	struct lab l;

	for (int role = SSH_CLIENT; role <= SSH_SERVER; role++) {
		int steps = role == SSH_CLIENT ? 3 : 2;

		for (int step = 0; step < steps; step++) {
			for (unsigned int msg = 0; msg < 256; msg++) {
				uint8_t p[64] = {(uint8_t)msg};
				struct lab_side *raw, *me;
				bool fits = (step == 0 && msg == SSH_MSG_KEXINIT) ||
					    (step == 1 && msg == (role == SSH_CLIENT ? 30 : 31)) ||
					    (step == 2 && msg == SSH_MSG_NEWKEYS);

				if (fits || (msg >= 1 && msg <= 4))
					continue;
				raw = raw_start(&l, (enum ssh_role)role);
				me = raw == &l.c ? &l.s : &l.c;
				if (step >= 1)
					raw_kexinit(&l, raw, &(struct raw_init){.strict = msg % 2});
				if (step >= 2)
					raw_ecdh_init(&l, raw);
				lab_raw(&l, raw, p, sizeof(p));
				cr_assert(me->end == -SSH_E_PROTO || me->end == -SSH_E_STRICT,
					  "step %d, message %u: %s", step, msg,
					  ssh_err_text(me->end));
				lab_fini(&l);
			}
		}
	}
}

/* S-13: NEWKEYS with bytes behind it. */
Test(brain_hostile, s13_newkeys_with_payload_disconnects)
{
	struct lab l;
	uint8_t p[2] = {SSH_MSG_NEWKEYS};
	struct lab_side *raw = raw_start(&l, SSH_CLIENT);

	raw_kexinit(&l, raw, &(struct raw_init){.strict = true});
	raw_ecdh_init(&l, raw);
	lab_raw(&l, raw, p, sizeof(p));
	expect_end(&l.s, SSH_E_FORMAT);
	lab_fini(&l);
}

/* S-13: a second NEWKEYS, after a whole exchange. */
Test(brain_hostile, s13_newkeys_twice_disconnects)
{
	struct lab l;
	uint8_t p[1] = {SSH_MSG_NEWKEYS};

	lab_init(&l, NULL, NULL);
	lab_to_login(&l);
	lab_raw(&l, &l.c, p, 1);
	expect_end(&l.s, SSH_E_PROTO);
	lab_fini(&l);
}

/* S-04: the server's ECDH_REPLY comes twice: nothing was signed in, nobody is asked. */
Test(brain_hostile, s04_a_second_ecdh_reply_disconnects)
{
	struct lab l;
	struct ssh_act act;
	uint8_t reply[1024];
	size_t len = 0;

	lab_init(&l, NULL, NULL);
	l.s.silent = true;
	l.c.login = LAB_LOGIN_HOLD;
	while (l.c.end == 0 && len == 0) {
		lab_carry(&l.c, &l.s);
		while (ssh_brain_next(l.s.b, &act) == 0 || ssh_pump_step(&l.s.p, &act) == 0) {
			if (act.kind == SSH_ACT_IDENT) {
				ssh_flat_raw(&l.s.p.flat, act.bytes.p, act.bytes.len);
			} else if (act.kind == SSH_ACT_SEND && act.msg == SSH_MSG_KEX_ECDH_REPLY) {
				len = act.bytes.len;
				memcpy(reply, act.bytes.p, len);
			} else if (act.kind == SSH_ACT_SEND && len == 0) {
				ssh_flat_send(&l.s.p.flat, act.bytes.p, act.bytes.len);
			} else {
				lab_act(&l.s, &act);
			}
		}
		lab_carry(&l.s, &l.c);
		lab_pump(&l.c);
	}
	cr_assert_gt(len, 0);
	lab_raw(&l, &l.s, reply, len);
	cr_assert_eq(l.c.end, 0);
	lab_raw(&l, &l.s, reply, len);
	expect_end(&l.c, SSH_E_STRICT);
	lab_fini(&l);
}

/* S-14, S-43: a KEXINIT that is no KEXINIT, on a live connection. */
Test(brain_hostile, s14_a_malformed_kexinit_disconnects)
{
	struct lab l;

	for (int role = SSH_CLIENT; role <= SSH_SERVER; role++) {
		struct lab_side *raw = raw_start(&l, (enum ssh_role)role);

		raw_kexinit(&l, raw, &(struct raw_init){.extra = 1});
		expect_end(raw == &l.c ? &l.s : &l.c, SSH_E_FORMAT);
		lab_fini(&l);
	}
}

/* S-43: KEXINIT again and again. */
Test(brain_hostile, s43_a_repeated_kexinit_disconnects)
{
	struct lab l;
	struct lab_side *raw = raw_start(&l, SSH_CLIENT);

	raw_kexinit(&l, raw, &(struct raw_init){.strict = false});
	cr_assert_eq(l.s.end, 0);
	raw_kexinit(&l, raw, &(struct raw_init){.strict = false});
	expect_end(&l.s, SSH_E_PROTO);
	lab_fini(&l);
}

/* S-41: behind its KEXINIT a peer may send nothing but the exchange; PING and opens least. */
Test(brain_hostile, s41_nothing_but_the_exchange_after_the_peers_kexinit)
{
	static const uint8_t msgs[] = {SSH_MSG_SERVICE_REQUEST,
				       SSH_MSG_EXT_INFO,
				       SSH_MSG_USERAUTH_REQUEST,
				       SSH_MSG_GLOBAL_REQUEST,
				       SSH_MSG_CHANNEL_OPEN,
				       SSH_MSG_CHANNEL_DATA,
				       SSH_MSG_CHANNEL_REQUEST,
				       SSH_MSG_PING,
				       SSH_MSG_KEXINIT,
				       SSH_MSG_NEWKEYS,
				       101};
	struct lab l;

	for (size_t i = 0; i < 2 * sizeof(msgs); i++) {
		uint8_t msg = msgs[i / 2], p[64] = {msg};
		struct lab_side *raw = i % 2 == 0 ? &l.c : &l.s, *me = i % 2 == 0 ? &l.s : &l.c;

		lab_init(&l, NULL, NULL);
		lab_run(&l);
		raw->silent = true;
		raw_kexinit(&l, raw, &(struct raw_init){.strict = false});
		cr_assert_eq(me->end, 0);
		lab_raw(&l, raw, p, sizeof(p));
		cr_assert_eq(me->end, -SSH_E_PROTO, "message %u to %s", msg,
			     me == &l.s ? "a server" : "a client");
		cr_assert_eq(me->n[SSH_ACT_CHANNEL_OPEN] + me->n[SSH_ACT_GLOBAL_REQUEST], 0);
		lab_fini(&l);
	}
}

/* Whatever the reason a computation failed for: no entropy, no memory (F-26). */
Test(brain_hostile, a_key_exchange_that_cannot_be_computed_ends_with_reason_3)
{
	static const int errs[] = {-EIO, -ENOMEM, -EBADMSG, -EINPROGRESS};
	struct lab l;

	for (size_t i = 0; i < sizeof(errs) / sizeof(errs[0]); i++) {
		struct lab_side *raw = raw_start(&l, SSH_CLIENT);

		l.s.manual_jobs = true;
		raw_kexinit(&l, raw, &(struct raw_init){.strict = true});
		raw_ecdh_init(&l, raw);
		cr_assert_eq(l.s.asked.kind, SSH_ACT_JOB);
		cr_assert(!ssh_job_is_rekey(l.s.asked.job));
		cr_assert_eq(ssh_job_id(l.s.asked.job), l.s.asked.id);
		l.s.asked.job->err = errs[i];
		cr_assert_eq(ssh_brain_job_done(l.s.b, l.s.asked.id, l.s.asked.job), 0);
		lab_run(&l);
		expect_end(&l.s, SSH_E_KEX);
		cr_assert_eq(l.s.n[SSH_ACT_SIGN] + l.s.n[SSH_ACT_TX_KEYS], 0);
		cr_assert_eq(ssh_err_disconnect(l.s.end), SSH_DISCONNECT_KEY_EXCHANGE_FAILED);
		lab_fini(&l);
	}
}

/* Identification ---------------------------------------------------------------------- */

Test(brain_hostile, payloads_before_the_identification_are_refused)
{
	struct ssh_brain_conf sc = lab_conf(SSH_SERVER);
	struct ssh_brain *b;
	struct key *k = lab_key("ssh-ed25519");
	uint8_t ignore[5] = {SSH_MSG_IGNORE};

	cr_assert_eq(ssh_brain_new(&sc, &b), 0);
	cr_assert_eq(ssh_brain_start(b), -EINVAL, "no host key");
	cr_assert_eq(ssh_brain_hostkey_add(b, k), 0);
	cr_assert_eq(ssh_brain_start(b), 0);
	cr_assert_eq(ssh_brain_start(b), -EINVAL, "twice");
	cr_assert_eq(ssh_brain_input(b, 0, ignore, sizeof(ignore)), -SSH_E_PROTO);
	ssh_brain_free(b);
	key_free(k);
}

/* What a peer whose line was refused reads behind ours. */
static uint32_t reason_told(struct ssh_brain *b)
{
	struct ssh_disconnect_msg m = {0};
	struct ssh_act a;
	struct ssh_rd r;

	while (ssh_brain_next(b, &a) == 0) {
		if (a.kind != SSH_ACT_SEND)
			continue;
		cr_expect_eq(a.msg, SSH_MSG_DISCONNECT);
		ssh_rd_init(&r, a.bytes.p + 1, a.bytes.len - 1);
		cr_expect_eq(ssh_disconnect_parse(&r, &m), 0);
	}
	return m.reason;
}

Test(brain_hostile, wrong_versions_and_second_lines_are_refused)
{
	static const struct {
		const char *line;
		int err;
	} t[] = {{"SSH-1.5-old", SSH_E_VERSION},
		 {"SSH-2.1-new", SSH_E_VERSION},
		 {"HTTP/1.1", SSH_E_IDENT},
		 {"", SSH_E_IDENT}};
	struct lab l;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		lab_init(&l, NULL, NULL);
		cr_assert_eq(ssh_brain_ident(l.s.b, (const uint8_t *)t[i].line, strlen(t[i].line)),
			     -t[i].err, "%s", t[i].line);
		cr_expect_eq(reason_told(l.s.b), 8, "%s", t[i].line);
		lab_fini(&l);
	}
	lab_init(&l, NULL, NULL);
	cr_assert_eq(ssh_brain_ident(l.s.b, (const uint8_t *)"SSH-2.0-x", 9), 0);
	cr_assert_eq(ssh_brain_ident(l.s.b, (const uint8_t *)"SSH-2.0-x", 9), -SSH_E_PROTO);
	lab_fini(&l);
}

Test(brain_hostile, a_configuration_of_unknown_names_is_refused)
{
	struct ssh_brain_conf c;
	struct ssh_brain *b = NULL;
	const char **field[] = {&c.kex_algs, &c.hostkey_algs, &c.ciphers,
				&c.macs,     &c.comp_algs,    &c.server_sig_algs};

	for (size_t i = 0; i < sizeof(field) / sizeof(field[0]); i++) {
		static const char *const bad[] = {"", "nothing-we-know", SSH_KEX_STRICT_S, ",",
						  "none,"};

		for (size_t j = 0; j < sizeof(bad) / sizeof(bad[0]); j++) {
			if (field[i] == &c.comp_algs && j == 4)
				continue;
			c = lab_conf(SSH_SERVER);
			*field[i] = bad[j];
			cr_assert_eq(ssh_brain_new(&c, &b), -EINVAL, "%zu: %s", i, bad[j]);
		}
	}
}

/* Public values ----------------------------------------------------------------------- */

/* S-61: lengths that are not the method's; reason 3. */
Test(brain_hostile, s61_public_values_of_wrong_length_disconnect)
{
	static uint8_t q[1025];
	struct lab l;
	uint8_t buf[2048];

	for (uint32_t len = 0; len <= sizeof(q); len++) {
		struct lab_side *raw;

		if (len == 32 || (len > 70 && len % 97 != 0 && len < 1020))
			continue;
		raw = raw_start(&l, SSH_CLIENT);
		raw_kexinit(&l, raw, &(struct raw_init){.strict = true});
		lab_raw(&l, raw, buf, ecdh_init_build(buf, q, len));
		expect_end(&l.s, SSH_E_KEX_ECDH);
		cr_assert_eq(l.s.n[SSH_ACT_JOB], 0);
		cr_assert_eq(ssh_err_disconnect(l.s.end), SSH_DISCONNECT_KEY_EXCHANGE_FAILED);
		lab_fini(&l);
	}
}

/* S-61: the points of low order, of which the secret is zero (RFC 7748 section 6.1). */
Test(brain_hostile, s61_points_of_low_order_disconnect)
{
	static const uint8_t low[7][32] = {
		{0},
		{1},
		{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
		 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
		 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
		{0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
		 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
		 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
		{0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		{0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		{0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	};
	struct lab l;
	uint8_t buf[2048];

	for (int i = 0; i < 7; i++) {
		struct lab_side *raw = raw_start(&l, SSH_CLIENT);

		raw_kexinit(&l, raw, &(struct raw_init){.strict = true});
		lab_raw(&l, raw, buf, ecdh_init_build(buf, low[i], 32));
		expect_end(&l.s, SSH_E_KEX_ECDH);
		cr_assert_eq(l.s.n[SSH_ACT_SIGN], 0, "point %d: nothing is signed", i);
		lab_fini(&l);
	}
}

/* S-21: signature or key absent, nonsense, of another type than agreed. */
Test(brain_hostile, s21_s61_a_servers_bad_reply_disconnects_before_any_question)
{
	struct key *k = lab_key("ecdsa-sha2-nistp256"), *ed = lab_key("ssh-ed25519");
	size_t ec_len, ed_len;
	const uint8_t *ec = key_blob(k, &ec_len), *edb = key_blob(ed, &ed_len);
	const struct ssh_ecdh_reply t[] = {
		{{edb, (uint32_t)ed_len}, {q_nine, 32}, ssh_str_c("")},
		{{edb, (uint32_t)ed_len}, {q_nine, 32}, ssh_str_c("signature")},
		{{edb, (uint32_t)ed_len}, {q_nine, 31}, ssh_str_c("signature")},
		{{edb, (uint32_t)ed_len}, ssh_str_c(""), ssh_str_c("signature")},
		{{ec, (uint32_t)ec_len}, {q_nine, 32}, ssh_str_c("signature")},
		{ssh_str_c(""), {q_nine, 32}, ssh_str_c("signature")},
		{ssh_str_c("no blob"), {q_nine, 32}, ssh_str_c("signature")},
	};
	struct lab l;
	uint8_t buf[2048];
	struct ssh_wr w;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct lab_side *raw = raw_start(&l, SSH_SERVER);

		raw_kexinit(&l, raw, &(struct raw_init){.strict = true, .hostkey = "ssh-ed25519"});
		ssh_wr_init(&w, buf, sizeof(buf));
		ssh_ecdh_reply_build(&w, &t[i]);
		lab_raw(&l, raw, buf, ssh_wr_done(&w));
		expect_end(&l.c, i == 2 || i == 3 ? SSH_E_KEX_ECDH : SSH_E_KEX_PROOF);
		cr_assert_eq(l.c.n[SSH_ACT_HOSTKEY], 0, "case %zu", i);
		lab_fini(&l);
	}
	key_free(k);
	key_free(ed);
}

/* Wrong guesses ----------------------------------------------------------------------- */

/*
 * The client's next KEXINIT announces a guess, as sent and as hashed, and the guess follows.
 * Its preferred method is not the server's, so the guess is wrong.
 */
static void guess_wrong(struct lab *l, uint8_t msg)
{
	struct kex *k = l->c.b->kex;
	struct act_node *n;
	uint8_t guess[100] = {msg};

	for (n = l->c.b->head; n->act.msg != SSH_MSG_KEXINIT; n = n->next)
		;
	k->i_mine[k->i_mine_len - 5] = n->bytes[n->act.bytes.len - 5] = 1;
	lab_pump(&l->c);
	cr_assert_eq(ssh_flat_send(&l->c.p.flat, guess, sizeof(guess)), 0);
}

static void guess_start(struct lab *l)
{
	struct ssh_brain_conf cc = lab_conf(SSH_CLIENT);

	cc.kex_algs = "curve25519-sha256@libssh.org,curve25519-sha256";
	lab_init(l, NULL, &cc);
}

/* S-12: in the first exchange, by ECDH_INIT, DH-GEX request, or any other of 30..49. */
Test(brain_hostile, s12_a_wrong_guess_is_dropped_and_the_login_goes_on)
{
	const char *line;
	size_t len;
	struct lab l;

	for (uint8_t msg = 30; msg <= 49; msg++) {
		guess_start(&l);
		lab_pump(&l.s);
		lab_carry(&l.s, &l.c);
		cr_assert_eq(ssh_flat_line(&l.c.p.flat, SSH_CLIENT, &line, &len), 0);
		cr_assert_eq(ssh_brain_ident(l.c.b, (const uint8_t *)line, len), 0);
		l.c.p.ident_done = true;
		guess_wrong(&l, msg);
		lab_run(&l);
		cr_assert_eq(l.s.end, 0, "guess %u: %s", msg, ssh_err_text(l.s.end));
		cr_assert_eq(l.c.n[SSH_ACT_AUTHENTICATED], 1);
		lab_fini(&l);
	}
}

/* S-12: again and again in rekeys; the connection lives and its memory does not grow. */
Test(brain_hostile, s12_ten_thousand_wrong_guesses_leave_memory_flat, .timeout = 600)
{
	unsigned int times = lab_size(1000, 10000);
	struct mallinfo2 before = {0}, after;
	struct lab l;

	guess_start(&l);
	lab_run(&l);
	for (unsigned int i = 0; i < times; i++) {
		if (i == 20)
			before = mallinfo2();
		cr_assert_eq(ssh_brain_rekey(l.c.b), 0);
		guess_wrong(&l, (uint8_t)(30 + i % 20));
		lab_run(&l);
	}
	after = mallinfo2();
	cr_assert_eq(l.s.end, 0);
	cr_assert_eq(l.s.n[SSH_ACT_KEX_DONE], times + 1);
	cr_assert_leq(after.uordblks, before.uordblks + 16384, "%zu bytes more",
		      after.uordblks - before.uordblks);
	lab_fini(&l);
}

/* S-12: one guess is dropped, a second is not the client's to make. */
Test(brain_hostile, s12_after_the_guess_the_agreed_method_is_awaited)
{
	struct lab l;
	uint8_t gex[16] = {34};
	struct lab_side *raw = raw_start(&l, SSH_CLIENT);
	struct raw_init o = {.follows = true,
			     .kex = "diffie-hellman-group-exchange-sha256,"
				    "curve25519-sha256"};

	raw_kexinit(&l, raw, &o);
	lab_raw(&l, raw, gex, sizeof(gex));
	cr_assert_eq(l.s.end, 0);
	lab_raw(&l, raw, gex, sizeof(gex));
	expect_end(&l.s, SSH_E_PROTO);
	lab_fini(&l);
}

/* S-12: no guess was announced, or it was right: then this is no guess. */
Test(brain_hostile, s12_a_message_of_another_method_without_a_guess_disconnects)
{
	struct lab l;
	uint8_t gex[16] = {34};

	for (int follows = 0; follows < 2; follows++) {
		struct lab_side *raw = raw_start(&l, SSH_CLIENT);

		raw_kexinit(&l, raw,
			    &(struct raw_init){.hostkey = "ssh-ed25519", .follows = follows});
		lab_raw(&l, raw, gex, sizeof(gex));
		expect_end(&l.s, SSH_E_PROTO);
		lab_fini(&l);
	}
}

/* Authentication, client role --------------------------------------------------------- */

/* S-03, S-05: to a client that asked for nothing yet, or is choosing. */
Test(brain_hostile, s03_s05_an_unasked_success_or_channel_disconnects_the_client)
{
	static const uint8_t msgs[] = {SSH_MSG_USERAUTH_SUCCESS, SSH_MSG_USERAUTH_FAILURE,
				       SSH_MSG_USERAUTH_PK_OK,   SSH_MSG_USERAUTH_REQUEST,
				       SSH_MSG_SERVICE_REQUEST,  SSH_MSG_SERVICE_ACCEPT,
				       SSH_MSG_CHANNEL_OPEN,     SSH_MSG_GLOBAL_REQUEST};
	struct lab l;

	for (size_t i = 0; i < sizeof(msgs); i++) {
		uint8_t p[6] = {msgs[i]};
		size_t len = msgs[i] == SSH_MSG_USERAUTH_SUCCESS ? 1 : 6;

		lab_init(&l, NULL, NULL);
		l.c.login = LAB_LOGIN_HOLD;
		lab_run(&l);
		l.s.silent = true;
		lab_raw(&l, &l.s, p, len);
		cr_assert_eq(l.c.end, -SSH_E_PROTO, "%u: %s", msgs[i], ssh_err_text(l.c.end));
		cr_assert_eq(l.c.n[SSH_ACT_AUTHENTICATED], 0);
		cr_assert_eq(ssh_brain_login_none(l.c.b, l.c.asked.id), -ENOENT);
		lab_fini(&l);
	}
}

Test(brain_hostile, a_success_with_bytes_behind_it_is_none)
{
	struct lab l;
	uint8_t p[2] = {SSH_MSG_USERAUTH_SUCCESS};

	lab_init(&l, NULL, NULL);
	l.c.login = LAB_LOGIN_HOLD;
	lab_run(&l);
	l.s.silent = true;
	cr_assert_eq(ssh_brain_login_none(l.c.b, l.c.asked.id), 0);
	lab_raw(&l, &l.s, p, 2);
	cr_assert_eq(l.c.end, -SSH_E_FORMAT);
	lab_fini(&l);
}

Test(brain_hostile, ext_info_is_taken_three_times_at_most_and_bounded)
{
	uint8_t p[5] = {SSH_MSG_EXT_INFO}, many[5] = {SSH_MSG_EXT_INFO, 0, 0, 0, 33};
	struct lab l;

	lab_init(&l, NULL, NULL);
	l.c.login = LAB_LOGIN_HOLD;
	lab_run(&l); /* one came with the keys */
	l.s.silent = true;
	for (int i = 0; i < 2; i++) {
		lab_raw(&l, &l.s, p, 5);
		cr_assert_eq(l.c.end, 0);
	}
	lab_raw(&l, &l.s, p, 5);
	cr_assert_eq(l.c.end, -SSH_E_PROTO);
	lab_fini(&l);

	lab_init(&l, NULL, NULL);
	l.c.login = LAB_LOGIN_HOLD;
	lab_run(&l);
	l.s.silent = true;
	lab_raw(&l, &l.s, many, 5);
	cr_assert_eq(l.c.end, -SSH_E_FORMAT);
	lab_fini(&l);
}

/* RFC 4252 section 5.4: "at any time after this authentication protocol starts and before
 * authentication is successful"; its length is the server's to choose, and ours to bound. */
Test(brain_hostile, s48_a_banner_of_a_server_is_cut_and_a_malformed_one_disconnects)
{
	static uint8_t p[30000] = {SSH_MSG_USERAUTH_BANNER};
	struct lab l;

	lab_init(&l, NULL, NULL);
	l.c.login = LAB_LOGIN_HOLD;
	lab_run(&l);
	l.s.silent = true;
	memset(p + 5, 'x', sizeof(p) - 5);
	blob_store_be32(p + 1, sizeof(p) - 9);
	blob_store_be32(p + sizeof(p) - 4, 0); /* no language */
	for (int i = 1; i <= 20; i++) {
		lab_raw(&l, &l.s, p, sizeof(p));
		cr_assert_eq(l.c.end, 0);
		cr_assert_eq(l.c.n[SSH_ACT_BANNER], (unsigned int)i);
		cr_assert_eq(l.c.banner_len, 8192);
	}
	blob_store_be32(p + 1, sizeof(p) - 8); /* one byte more than there is */
	lab_raw(&l, &l.s, p, sizeof(p));
	cr_assert_eq(l.c.end, -SSH_E_FORMAT);
	cr_assert_eq(l.c.n[SSH_ACT_BANNER], 20);
	lab_fini(&l);
}
