/* tests/unit/test_key_agent.c - keys of an agent, which is this test. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/blob.h"
#include "crypto/key_agent.h"

enum mood {
	HONEST,
	FAILS,      /* FAILURE */
	GONE,       /* no answer */
	SILENT,     /* an empty one */
	SHORT,      /* a byte is missing */
	LONG,       /* one too many */
	STRANGE,    /* another message */
	OTHER_KEY,  /* a signature by another key */
	OTHER_NAME, /* by another algorithm */
	OTHER_DATA, /* of other bytes */
	MOODS,
};

static struct agent {
	enum mood mood;
	struct key *key, *other;
	uint32_t flags;
	unsigned int asked, freed;
} t;

static const char *name_of(const struct key *k, uint32_t flags)
{
	if (strcmp(key_type(k), "ssh-rsa") != 0)
		return key_type(k);
	return flags == 4 ? "rsa-sha2-512" : flags == 2 ? "rsa-sha2-256" : "ssh-rsa";
}

static int answer(struct agent *a, struct blob_str data, uint8_t *reply, size_t size,
		  size_t *ret_len)
{
	struct blob_wr w = blob_wr_init(reply, size);
	const struct key *k = a->mood == OTHER_KEY ? a->other : a->key;
	const char *name = name_of(k, a->mood == OTHER_NAME ? (a->flags == 4 ? 2 : 4) : a->flags);
	uint8_t sig[KEY_SIG_MAX];
	size_t len = sizeof(sig);

	cr_assert_eq(key_sign(k, name, data.p, a->mood == OTHER_DATA ? 1 : data.len, sig, &len), 0);
	blob_wr_put(&w, (const uint8_t[]){a->mood == STRANGE ? 12 : 14}, 1);
	blob_wr_str(&w, sig, len);
	if (a->mood == LONG)
		blob_wr_put(&w, "x", 1);
	*ret_len = w.len - (a->mood == SHORT);
	return 0;
}

static int ask(void *arg, const uint8_t *request, size_t len, uint8_t *reply, size_t size,
	       size_t *ret_len)
{
	struct agent *a = arg;
	struct blob_rd r = blob_rd_init(request + 1, len - 1);
	struct blob_str blob = blob_rd_str(&r), data = blob_rd_str(&r);
	const uint8_t *own;
	size_t own_len;

	a->flags = blob_rd_u32(&r);
	a->asked++;
	own = key_blob(a->key, &own_len);
	cr_assert_eq(request[0], 13);
	cr_assert(blob_rd_done(&r));
	cr_assert(blob.len == own_len && memcmp(blob.p, own, own_len) == 0);
	*ret_len = a->mood == SILENT ? 0 : 1;
	reply[0] = 5;
	if (a->mood == GONE)
		return -EPIPE;
	return a->mood == FAILS || a->mood == SILENT ? 0 : answer(a, data, reply, size, ret_len);
}

static void forget(void *arg)
{
	((struct agent *)arg)->freed++;
}

static const struct key_agent agent = {ask, &t, forget};

static struct key *public_of(const struct key *k)
{
	const uint8_t *blob;
	struct key *pub = NULL;
	size_t len;

	blob = key_blob(k, &len);
	cr_assert_eq(key_blob_parse(blob, len, &pub), 0);
	return pub;
}

static void keys(const char *type)
{
	unsigned int bits = strcmp(type, "ssh-rsa") == 0 ? 2048 : 0;

	key_free(t.key);
	key_free(t.other);
	t = (struct agent){0};
	cr_assert_eq(key_generate(type, bits, &t.key), 0);
	cr_assert_eq(key_generate(type, bits, &t.other), 0);
}

static void teardown(void)
{
	key_free(t.key);
	key_free(t.other);
}

TestSuite(key_agent, .fini = teardown);

static const struct {
	const char *type, *alg;
	uint32_t flags;
} algs[] = {
	{"ssh-ed25519", "ssh-ed25519", 0},
	{"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", 0},
	{"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521", 0},
	{"ssh-rsa", "rsa-sha2-512", 4},
	{"ssh-rsa", "rsa-sha2-256", 2},
	{"ssh-rsa", "rsa2048-sha256", 2}, /* of an X.509 chain */
	{"ssh-rsa", "ssh-rsa", 0},
};

Test(key_agent, signs_by_every_algorithm)
{
	for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
		struct key *pub, *plain;
		uint8_t sig[KEY_SIG_MAX];
		size_t len = sizeof(sig);

		if (i == 0 || strcmp(algs[i].type, algs[i - 1].type) != 0)
			keys(algs[i].type);
		pub = public_of(t.key);
		plain = public_of(t.key);
		t.freed = 0;
		cr_assert_eq(key_agent_use(pub, &agent), 0, "%s", algs[i].alg);
		cr_expect(key_is_private(pub));
		cr_assert_eq(key_sign(pub, algs[i].alg, (const uint8_t *)"data", 4, sig, &len), 0);
		cr_expect_eq(t.flags, algs[i].flags, "%s", algs[i].alg);
		if (key_sig_alg_fits(plain, algs[i].alg))
			cr_expect_eq(key_verify(plain, algs[i].alg, sig, len,
						(const uint8_t *)"data", 4),
				     0);
		key_free(pub);
		cr_expect_eq(t.freed, 1);
		key_free(plain);
	}
}

Test(key_agent, what_is_no_signature_of_the_key_makes_it_no_key)
{
	static const int want[MOODS] = {[FAILS] = -ENOKEY, [GONE] = -EPIPE};

	keys("ssh-rsa");
	for (enum mood mood = FAILS; mood < MOODS; mood++) {
		struct key *pub = public_of(t.key);

		t.mood = mood;
		t.asked = 0;
		cr_expect_eq(key_agent_use(pub, &agent), want[mood] != 0 ? want[mood] : -EBADMSG,
			     "%d", (int)mood);
		cr_expect_not(key_is_private(pub));
		cr_expect_eq(t.asked, 1);
		cr_expect_eq(t.freed, 0);
		key_free(pub);
	}
}

/* It did at first: later it is a signature that fails, and never a wrong one that is handed on. */
Test(key_agent, one_that_changes_its_mind_signs_nothing)
{
	keys("ssh-rsa");
	for (enum mood mood = FAILS; mood <= OTHER_NAME; mood++) {
		struct key *pub = public_of(t.key);
		uint8_t sig[KEY_SIG_MAX];
		size_t len = sizeof(sig);

		t.mood = HONEST;
		cr_assert_eq(key_agent_use(pub, &agent), 0);
		t.mood = mood;
		if (mood != OTHER_KEY) /* as well formed as any: the client refuses it */
			cr_expect_lt(key_sign(pub, "rsa-sha2-512", (const uint8_t *)"data", 4, sig,
					      &len),
				     0, "%d", (int)mood);
		key_free(pub);
	}
}

Test(key_agent, keys_that_are_none_of_its_are_refused)
{
	struct key *pub;

	keys("ssh-ed25519");
	pub = public_of(t.key);
	cr_expect_eq(key_agent_use(t.key, &agent), -EINVAL, "private");
	cr_assert_eq(key_agent_use(pub, &agent), 0);
	cr_expect_eq(key_agent_use(pub, &agent), -EINVAL, "twice");
	key_free(pub);
}
