/*
 * tests/unit/ssh_lab.h - two brains back to back in memory, over real records.
 *
 * Each side answers its asks by a simple policy; a test may take over: raw payloads go
 * through the side's own flat, past its brain. Everything is counted by kind.
 */
#ifndef SLUICE_TESTS_SSH_LAB_H
#define SLUICE_TESTS_SSH_LAB_H

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/auth_msg.h"
#include "ssh/brain.h"
#include "ssh/internal.h"
#include "ssh/pump.h"
#include "ssh/trans_msg.h"

/* A test uses of it what it needs. */
#pragma GCC diagnostic ignored "-Wunused-function"

#define LAB_KINDS (SSH_ACT_BANNER + 1)

enum lab_login { LAB_LOGIN_NONE = 1, LAB_LOGIN_PASSWORD, LAB_LOGIN_PUBLICKEY, LAB_LOGIN_HOLD };

struct lab_side {
	struct ssh_brain *b;
	struct ssh_pump p;
	struct key *key; /* server: host key; client: user key */
	enum lab_login login;
	bool refuse_auth, refuse_hostkey, spoil_signature, manual_auth, manual_jobs, silent;
	bool auto_reply; /* server: confirm channels, answer global requests */

	unsigned int n[LAB_KINDS];
	int end; /* err of END, or 0 */
	uint32_t peer_reason;
	struct ssh_act asked; /* the last AUTH, LOGIN or JOB left to the test */
	struct ssh_act_kex kex;
	uint8_t id_fingerprint[128]; /* of the key that AUTHENTICATED named */
	char last_text[SSH_TEXT_MAX + 1];
	size_t banner_len; /* of the last one that was handed up */
};

struct lab {
	struct cipher_engine *engine;
	struct lab_side s, c;
};

/* scripts/test --long and --seed. */
static unsigned int lab_size(unsigned int usual, unsigned int full)
{
	return getenv("SLUICE_LONG") != NULL ? full : usual;
}

static uint32_t lab_seed(void)
{
	const char *s = getenv("SLUICE_SEED");

	return s != NULL ? (uint32_t)strtoul(s, NULL, 0) : 1;
}

/* What tests play by hand has 32 bytes in each direction. */
#define LAB_KEX "curve25519-sha256,curve25519-sha256@libssh.org"

static struct ssh_brain_conf lab_conf(enum ssh_role role)
{
	return (struct ssh_brain_conf){
		.role = role,
		.ident = role == SSH_SERVER ? "SSH-2.0-Sluice_lab" : "SSH-2.0-lab_client",
		.strict = SSH_STRICT_ON,
		.kex_algs = LAB_KEX,
		.auth_methods = SSH_AUTH_PASSWORD | SSH_AUTH_PUBLICKEY,
		.max_auth_tries = 6,
		.user = "demo",
	};
}

static void lab_sign(struct lab_side *me, const struct ssh_act *a)
{
	/* What a certificate certifies is the public half of the side's own key. */
	const struct key *k = key_is_private(a->sign.key) ? a->sign.key : me->key;
	uint8_t sig[KEY_SIG_MAX];
	size_t len = sizeof(sig);

	cr_assert(key_equal(k, a->sign.key));
	cr_assert_eq(key_sign(k, a->sign.sig_alg, a->sign.data.p, a->sign.data.len, sig, &len), 0);
	if (me->spoil_signature)
		sig[len - 1] ^= 1;
	cr_assert_eq(ssh_brain_sign_answer(me->b, a->id, 0, sig, len), 0);
}

static void lab_login(struct lab_side *me, const struct ssh_act *a)
{
	switch (me->login) {
	case LAB_LOGIN_NONE:
		cr_assert_eq(ssh_brain_login_none(me->b, a->id), 0);
		break;
	case LAB_LOGIN_PASSWORD:
		cr_assert_eq(ssh_brain_login_password(me->b, a->id, "secret", 6), 0);
		break;
	case LAB_LOGIN_PUBLICKEY:
		cr_assert_eq(ssh_brain_login_publickey(me->b, a->id, me->key, NULL), 0);
		break;
	case LAB_LOGIN_HOLD:
		me->asked = *a;
		break;
	}
}

static void lab_confirm(struct lab_side *me, const struct ssh_chan_open *open)
{
	struct ssh_chan_confirm m = {
		.recipient_channel = open->sender_channel,
		.sender_channel = open->sender_channel + 100,
		.window_size = 1 << 20,
		.packet_max = 32768,
		.rest = {(const uint8_t *)"", 0},
	};
	uint8_t buf[64];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_confirm_build(&w, &m);
	cr_assert_eq(ssh_brain_send(me->b, buf, ssh_wr_done(&w)), 0);
}

static void lab_act(struct lab_side *me, const struct ssh_act *a)
{
	me->n[a->kind]++;
	switch (a->kind) {
	case SSH_ACT_JOB:
		if (me->manual_jobs) {
			me->asked = *a;
			break;
		}
		ssh_job_run(a->job);
		cr_assert_eq(ssh_brain_job_done(me->b, a->id, a->job), 0);
		break;
	case SSH_ACT_SIGN:
		lab_sign(me, a);
		break;
	case SSH_ACT_HOSTKEY:
		cr_assert_eq(ssh_brain_hostkey_answer(me->b, a->id, !me->refuse_hostkey), 0);
		break;
	case SSH_ACT_AUTH:
		if (me->manual_auth)
			me->asked = *a;
		else
			cr_assert_eq(ssh_brain_auth_answer(me->b, a->id, !me->refuse_auth), 0);
		break;
	case SSH_ACT_PROMPT: /* the test's */
		me->asked = *a;
		break;
	case SSH_ACT_LOGIN:
		lab_login(me, a);
		break;
	case SSH_ACT_AUTHENTICATED:
		if (a->auth.key != NULL)
			cr_assert_eq(key_fingerprint(a->auth.key, (char *)me->id_fingerprint,
						     sizeof(me->id_fingerprint)),
				     0);
		break;
	case SSH_ACT_CHANNEL_OPEN:
		if (me->auto_reply)
			lab_confirm(me, &a->open);
		break;
	case SSH_ACT_GLOBAL_REQUEST:
		if (me->auto_reply && a->request.want_reply)
			cr_assert_eq(ssh_brain_global_answer(me->b, true, "", 0), 0);
		break;
	case SSH_ACT_KEX_DONE:
		me->kex = a->kex;
		break;
	case SSH_ACT_PEER_DISCONNECT:
		me->peer_reason = a->reason;
		memcpy(me->last_text, a->bytes.p, a->bytes.len);
		me->last_text[a->bytes.len] = '\0';
		break;
	case SSH_ACT_BANNER:
		me->banner_len = a->bytes.len;
		break;
	case SSH_ACT_END:
		me->end = a->err;
		break;
	default:
		break;
	}
}

static void lab_pump(struct lab_side *me)
{
	struct ssh_act act;

	while (!me->silent && ssh_pump_step(&me->p, &act) == 0)
		lab_act(me, &act);
}

/* All bytes of one side to the other; whether there were any. */
static bool lab_carry(struct lab_side *from, struct lab_side *to)
{
	size_t len;
	const uint8_t *p = ssh_pump_out(&from->p, &len);

	if (len == 0)
		return false;
	cr_assert_eq(ssh_pump_feed(&to->p, p, len), 0);
	ssh_pump_sent(&from->p, len);
	return true;
}

/* Until both are quiet. */
static void lab_run(struct lab *l)
{
	bool moved;

	do {
		lab_pump(&l->s);
		lab_pump(&l->c);
		moved = lab_carry(&l->s, &l->c);
		moved |= lab_carry(&l->c, &l->s);
	} while (moved);
}

static void lab_side_init(struct lab_side *me, struct cipher_engine *engine,
			  const struct ssh_brain_conf *conf, struct key *key)
{
	cr_assert_eq(ssh_brain_new(conf, &me->b), 0);
	me->key = key;
	if (conf->role == SSH_SERVER)
		cr_assert_eq(ssh_brain_hostkey_add(me->b, key), 0);
	cr_assert_eq(ssh_pump_init(&me->p, engine, me->b), 0);
	cr_assert_eq(ssh_brain_start(me->b), 0);
}

static struct key *lab_key(const char *type)
{
	struct key *k = NULL;

	cr_assert_eq(key_generate(type, strcmp(type, "ssh-rsa") == 0 ? 2048 : 0, &k), 0);
	return k;
}

/* NULL: lab_conf(). Nothing has moved yet. */
static void lab_init_keys(struct lab *l, const struct ssh_brain_conf *sc,
			  const struct ssh_brain_conf *cc, struct key *host, struct key *user)
{
	struct ssh_brain_conf sd = lab_conf(SSH_SERVER), cd = lab_conf(SSH_CLIENT);

	memset(l, 0, sizeof(*l));
	cr_assert_eq(cipher_engine_new(CIPHER_ENGINE_AUTO, SSH_PACKET_MAX + 64, &l->engine), 0);
	lab_side_init(&l->s, l->engine, sc != NULL ? sc : &sd, host);
	lab_side_init(&l->c, l->engine, cc != NULL ? cc : &cd, user);
	l->c.login = LAB_LOGIN_PUBLICKEY;
	l->s.auto_reply = true;
}

static void lab_init(struct lab *l, const struct ssh_brain_conf *sc,
		     const struct ssh_brain_conf *cc)
{
	lab_init_keys(l, sc, cc, lab_key("ssh-ed25519"), lab_key("ssh-ed25519"));
}

static void lab_fini(struct lab *l)
{
	struct lab_side *side[] = {&l->s, &l->c};

	for (int i = 0; i < 2; i++) {
		ssh_pump_fini(&side[i]->p);
		ssh_brain_free(side[i]->b);
		key_free(side[i]->key);
	}
	cipher_engine_free(l->engine);
}

/* To where the client would choose a method; from there the test plays the client. */
static void lab_to_login(struct lab *l)
{
	l->c.login = LAB_LOGIN_HOLD;
	lab_run(l);
	cr_assert_eq(l->c.n[SSH_ACT_LOGIN], 1);
	l->c.silent = true;
}

/* A payload of the test's own, sealed with the side's keys and carried over. */
static void lab_raw(struct lab *l, struct lab_side *from, const void *p, size_t len)
{
	cr_assert_eq(ssh_flat_send(&from->p.flat, p, len), 0);
	lab_run(l);
}

/* The next payload a silent side received; its number, or 0. */
static uint8_t lab_got(struct lab_side *me, const uint8_t **ret, size_t *ret_len)
{
	uint32_t seqnr;

	if (ssh_flat_next(&me->p.flat, ret, ret_len, &seqnr) < 0)
		return 0;
	return (*ret)[0];
}

static uint8_t lab_got_msg(struct lab_side *me)
{
	const uint8_t *p;
	size_t len;

	return lab_got(me, &p, &len);
}

#endif
