/*
 * ssh, as a client: whatever fails while it looks at who the server is, it takes nobody for the
 * server who is not (S-67; CVE-2025-26465 was memory that ran out there), and tells him nothing.
 *
 * The linker puts a shim before each function (--wrap, listed in meson.build). A handshake is run
 * once to count what the client calls, then once for each call, which fails.
 */
#include <openssl/evp.h>

#include "ssh_lab.h"

static struct {
	bool armed, fired;
	unsigned int calls, fail_at;
} fault;

static bool fault_now(void)
{
	if (!fault.armed || ++fault.calls != fault.fail_at)
		return false;
	fault.fired = true;
	return true;
}

#define SHIM(type, failure, name, params, args)                                                    \
	type __real_##name params;                                                                 \
	type __wrap_##name params;                                                                 \
	type __wrap_##name params                                                                  \
	{                                                                                          \
		return fault_now() ? (failure) : __real_##name args;                               \
	}

SHIM(void *, NULL, malloc, (size_t n), (n))
SHIM(void *, NULL, calloc, (size_t n, size_t size), (n, size))
SHIM(void *, NULL, realloc, (void *p, size_t n), (p, n))
SHIM(char *, NULL, strdup, (const char *s), (s))
SHIM(EVP_MD_CTX *, NULL, EVP_MD_CTX_new, (void), ())
SHIM(int, 0, EVP_DigestInit_ex, (EVP_MD_CTX * c, const EVP_MD *md, ENGINE *e), (c, md, e))
SHIM(int, 0, EVP_DigestUpdate, (EVP_MD_CTX * c, const void *p, size_t n), (c, p, n))
SHIM(int, 0, EVP_DigestFinal_ex, (EVP_MD_CTX * c, unsigned char *out, unsigned int *n), (c, out, n))
SHIM(int, 0, EVP_DigestVerifyInit,
     (EVP_MD_CTX * c, EVP_PKEY_CTX **p, const EVP_MD *md, ENGINE *e, EVP_PKEY *k), (c, p, md, e, k))
SHIM(int, -1, EVP_DigestVerify,
     (EVP_MD_CTX * c, const unsigned char *sig, size_t sig_len, const unsigned char *p, size_t n),
     (c, sig, sig_len, p, n))
SHIM(EVP_PKEY *, NULL, EVP_PKEY_new_raw_public_key,
     (int t, ENGINE *e, const unsigned char *p, size_t n), (t, e, p, n))
SHIM(EVP_PKEY *, NULL, EVP_PKEY_new_raw_private_key,
     (int t, ENGINE *e, const unsigned char *p, size_t n), (t, e, p, n))
SHIM(EVP_PKEY_CTX *, NULL, EVP_PKEY_CTX_new, (EVP_PKEY * k, ENGINE *e), (k, e))
SHIM(int, 0, EVP_PKEY_derive_init, (EVP_PKEY_CTX * c), (c))
SHIM(int, 0, EVP_PKEY_derive_set_peer, (EVP_PKEY_CTX * c, EVP_PKEY *k), (c, k))
SHIM(int, 0, EVP_PKEY_derive, (EVP_PKEY_CTX * c, unsigned char *p, size_t *n), (c, p, n))
SHIM(EVP_PKEY_CTX *, NULL, EVP_PKEY_CTX_new_from_name,
     (OSSL_LIB_CTX * c, const char *name, const char *p), (c, name, p))
SHIM(int, 0, EVP_PKEY_fromdata_init, (EVP_PKEY_CTX * c), (c))
SHIM(int, 0, EVP_PKEY_fromdata, (EVP_PKEY_CTX * c, EVP_PKEY **k, int sel, OSSL_PARAM p[]),
     (c, k, sel, p))

/* --- a client that goes on as far as it can --------------------------------------------------- */

enum server { GOOD, BAD_SIGNATURE, UNKNOWN_KEY, SERVERS };

static struct {
	bool asked_login, asked_hostkey;
} saw;

static void client_act(struct lab_side *me, const struct ssh_act *a)
{
	switch (a->kind) {
	case SSH_ACT_JOB:
		ssh_job_run(a->job);
		(void)!ssh_brain_job_done(me->b, a->id, a->job);
		break;
	case SSH_ACT_HOSTKEY:
		saw.asked_hostkey = true;
		(void)!ssh_brain_hostkey_answer(me->b, a->id, !me->refuse_hostkey);
		break;
	case SSH_ACT_LOGIN:
		saw.asked_login = true;
		break;
	case SSH_ACT_END:
		me->end = a->err;
		break;
	default:
		break;
	}
}

static void handshake(struct lab *l)
{
	bool moved;

	do {
		struct ssh_act act;

		lab_pump(&l->s);
		fault.armed = true;
		while (ssh_pump_step(&l->c.p, &act) == 0)
			client_act(&l->c, &act);
		fault.armed = false;
		moved = lab_carry(&l->c, &l->s);
		if (l->c.end == 0 && l->s.end == 0)
			moved |= lab_carry(&l->s, &l->c);
	} while (moved);
}

static struct key *host_key, *user_key;

static void meet(enum server who, const char *kex)
{
	struct ssh_brain_conf sc = lab_conf(SSH_SERVER), cc = lab_conf(SSH_CLIENT);
	struct lab l;

	sc.kex_algs = cc.kex_algs = kex;
	lab_init_keys(&l, &sc, &cc, host_key, user_key);
	l.s.spoil_signature = who == BAD_SIGNATURE;
	l.c.refuse_hostkey = who == UNKNOWN_KEY;
	saw.asked_login = saw.asked_hostkey = false;
	handshake(&l);
	if (who != GOOD) {
		cr_assert_not(saw.asked_login, "%d: call %u: it would log in", (int)who,
			      fault.fail_at);
		cr_assert_eq(l.s.n[SSH_ACT_AUTH], 0);
	}
	if (who == BAD_SIGNATURE)
		cr_assert_not(saw.asked_hostkey, "call %u: its key was shown", fault.fail_at);
	if (who != GOOD && fault.fail_at == 0)
		cr_assert_neq(l.c.end, 0);
	if (who == GOOD && fault.fail_at == 0)
		cr_assert(saw.asked_login);
	l.s.key = l.c.key = NULL; /* for the next one */
	lab_fini(&l);
}

static void keys_make(void)
{
	host_key = lab_key("ecdsa-sha2-nistp256");
	user_key = lab_key("ssh-ed25519");
}

static void keys_free(void)
{
	key_free(host_key);
	key_free(user_key);
}

TestSuite(client_faults, .init = keys_make, .fini = keys_free, .timeout = 300);

static void every_call(const char *kex, unsigned int step)
{
	for (enum server who = 0; who < SERVERS; who++) {
		unsigned int calls;

		fault.fail_at = fault.calls = 0;
		meet(who, kex);
		calls = fault.calls;
		cr_assert_gt(calls, 20);
		for (fault.fail_at = 1; fault.fail_at <= calls; fault.fail_at += step) {
			fault.calls = 0;
			fault.fired = false;
			meet(who, kex);
			cr_assert(fault.fired, "call %u of %u", fault.fail_at, calls);
		}
	}
}

Test(client_faults, s67_no_failing_call_accepts_a_server)
{
	every_call("curve25519-sha256", 1);
}

Test(client_faults, s67_no_failing_call_accepts_a_server_by_others)
{
	every_call("ecdh-sha2-nistp256", lab_size(9, 1));
	every_call("mlkem768x25519-sha256", lab_size(9, 1));
}
