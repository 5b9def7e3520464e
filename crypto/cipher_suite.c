/* crypto/cipher_suite.c - the table of ciphers and MACs, and the states that run them. */
#include "crypto/cipher_internal.h"
#include "crypto/fips.h"

static const struct cipher_suite plain = {
	.cipher_name = "none",
	.mac_name = "",
	.shape = CIPHER_PLAIN,
	.block_size = 8,
};

/* Ciphers that need a MAC: name, algorithm, block, key, IV, serial, legacy. */
#define CIPHERS(X)                                                                                 \
	X("aes128-ctr", CIPHER_ALG_AES_CTR, 16, 16, 16, false, false)                              \
	X("aes192-ctr", CIPHER_ALG_AES_CTR, 16, 24, 16, false, false)                              \
	X("aes256-ctr", CIPHER_ALG_AES_CTR, 16, 32, 16, false, false)                              \
	X("aes128-cbc", CIPHER_ALG_AES_CBC, 16, 16, 16, true, true)                                \
	X("aes192-cbc", CIPHER_ALG_AES_CBC, 16, 24, 16, true, true)                                \
	X("aes256-cbc", CIPHER_ALG_AES_CBC, 16, 32, 16, true, true)                                \
	X("3des-ctr", CIPHER_ALG_DES3_CTR, 8, 24, 8, false, true)                                  \
	X("3des-cbc", CIPHER_ALG_DES3_CBC, 8, 24, 8, true, true)                                   \
	X("blowfish-cbc", CIPHER_ALG_BLOWFISH_CBC, 8, 16, 8, true, true)                           \
	X("cast128-cbc", CIPHER_ALG_CAST_CBC, 8, 16, 8, true, true)                                \
	X("arcfour256", CIPHER_ALG_RC4_DROP, 8, 32, 0, true, true)                                 \
	X("arcfour128", CIPHER_ALG_RC4_DROP, 8, 16, 0, true, true)                                 \
	X("arcfour", CIPHER_ALG_RC4, 8, 16, 0, true, true)

/*
 * MACs, behind whatever else X takes: name, shape, algorithm, key, tag, legacy. HMAC keys are as
 * long as the hash, also where the tag is cut.
 */
#define MACS(X, ...)                                                                               \
	X(__VA_ARGS__, "umac-64-etm@openssh.com", CIPHER_ETM, CIPHER_MAC_UMAC64, 16, 8, false)     \
	X(__VA_ARGS__, "umac-128-etm@openssh.com", CIPHER_ETM, CIPHER_MAC_UMAC128, 16, 16, false)  \
	X(__VA_ARGS__, "hmac-sha2-256-etm@openssh.com", CIPHER_ETM, CIPHER_MAC_SHA256, 32, 32,     \
	  false)                                                                                   \
	X(__VA_ARGS__, "hmac-sha2-512-etm@openssh.com", CIPHER_ETM, CIPHER_MAC_SHA512, 64, 64,     \
	  false)                                                                                   \
	X(__VA_ARGS__, "hmac-sha1-etm@openssh.com", CIPHER_ETM, CIPHER_MAC_SHA1, 20, 20, false)    \
	X(__VA_ARGS__, "umac-64@openssh.com", CIPHER_EAM, CIPHER_MAC_UMAC64, 16, 8, false)         \
	X(__VA_ARGS__, "umac-128@openssh.com", CIPHER_EAM, CIPHER_MAC_UMAC128, 16, 16, false)      \
	X(__VA_ARGS__, "hmac-sha2-256", CIPHER_EAM, CIPHER_MAC_SHA256, 32, 32, false)              \
	X(__VA_ARGS__, "hmac-sha2-512", CIPHER_EAM, CIPHER_MAC_SHA512, 64, 64, false)              \
	X(__VA_ARGS__, "hmac-sha1", CIPHER_EAM, CIPHER_MAC_SHA1, 20, 20, false)                    \
	X(__VA_ARGS__, "hmac-sha2-256-96", CIPHER_EAM, CIPHER_MAC_SHA256, 32, 12, true)            \
	X(__VA_ARGS__, "hmac-sha2-512-96", CIPHER_EAM, CIPHER_MAC_SHA512, 64, 12, true)            \
	X(__VA_ARGS__, "hmac-sha1-96", CIPHER_EAM, CIPHER_MAC_SHA1, 20, 12, true)                  \
	X(__VA_ARGS__, "hmac-md5", CIPHER_EAM, CIPHER_MAC_MD5, 16, 16, true)                       \
	X(__VA_ARGS__, "hmac-md5-96", CIPHER_EAM, CIPHER_MAC_MD5, 16, 12, true)                    \
	X(__VA_ARGS__, "hmac-ripemd160", CIPHER_EAM, CIPHER_MAC_RIPEMD160, 20, 20, true)           \
	X(__VA_ARGS__, "hmac-ripemd160-96", CIPHER_EAM, CIPHER_MAC_RIPEMD160, 20, 12, true)        \
	X(__VA_ARGS__, "hmac-sha2-256-96-etm@openssh.com", CIPHER_ETM, CIPHER_MAC_SHA256, 32, 12,  \
	  true)                                                                                    \
	X(__VA_ARGS__, "hmac-sha2-512-96-etm@openssh.com", CIPHER_ETM, CIPHER_MAC_SHA512, 64, 12,  \
	  true)                                                                                    \
	X(__VA_ARGS__, "hmac-sha1-96-etm@openssh.com", CIPHER_ETM, CIPHER_MAC_SHA1, 20, 12, true)  \
	X(__VA_ARGS__, "hmac-md5-etm@openssh.com", CIPHER_ETM, CIPHER_MAC_MD5, 16, 16, true)       \
	X(__VA_ARGS__, "hmac-md5-96-etm@openssh.com", CIPHER_ETM, CIPHER_MAC_MD5, 16, 12, true)

#define SUITE(cipher, alg, block, key, iv, serial, cipher_old, mac_name, shape, mac, mac_key, tag, \
	      mac_old)                                                                             \
	{cipher, mac_name, shape, block, key, iv, mac_key, tag, alg, mac, serial},
#define SUITES_OF(...) MACS(SUITE, __VA_ARGS__)

static const struct cipher_suite suites[] = {
	{"aes128-gcm@openssh.com", "", CIPHER_AEAD, 16, 16, GCM_IV_LEN, 0, AEAD_TAG, CIPHER_ALG_GCM,
	 0, false},
	{"aes256-gcm@openssh.com", "", CIPHER_AEAD, 16, 32, GCM_IV_LEN, 0, AEAD_TAG, CIPHER_ALG_GCM,
	 0, false},
	/* Its nonce is the sequence number; "block size" 8 is what padding goes by. */
	{"chacha20-poly1305@openssh.com", "", CIPHER_CHAPOLY, 8, 64, 0, 0, AEAD_TAG,
	 CIPHER_ALG_CHAPOLY, 0, false},
	CIPHERS(SUITES_OF)};

#define N_SUITES (sizeof(suites) / sizeof(suites[0]))

struct name {
	const char *name;
	bool legacy;
};

#define CIPHER_NAME(name, alg, block, key, iv, serial, old) {name, old},
static const struct name cipher_names[] = {{"aes128-gcm@openssh.com", false},
					   {"aes256-gcm@openssh.com", false},
					   {"chacha20-poly1305@openssh.com", false},
					   CIPHERS(CIPHER_NAME)};
#define N_CIPHERS (sizeof(cipher_names) / sizeof(cipher_names[0]))

#define MAC_NAME(unused, name, shape, mac, key, tag, old) {name, old},
static const struct name mac_names[] = {MACS(MAC_NAME, 0)};
#define N_MACS (sizeof(mac_names) / sizeof(mac_names[0]))

static bool allowed(const struct cipher_suite *s)
{
	return fips_allows(s->cipher_name) && (s->mac_name[0] == '\0' || fips_allows(s->mac_name));
}

const struct cipher_suite *cipher_suite_find(const char *cipher_name, const char *mac_name)
{
	for (size_t i = 0; i < N_SUITES; i++) {
		const struct cipher_suite *s = &suites[i];

		if (strcmp(s->cipher_name, cipher_name) != 0)
			continue;
		if (s->mac_name[0] == '\0' ||
		    (mac_name != NULL && strcmp(s->mac_name, mac_name) == 0))
			return allowed(s) ? s : NULL;
	}
	return NULL;
}

const struct cipher_suite *cipher_suite_plain(void)
{
	return &plain;
}

const char *cipher_name_at(unsigned int i)
{
	return i < N_CIPHERS ? cipher_names[i].name : NULL;
}

const char *cipher_mac_name_at(unsigned int i)
{
	return i < N_MACS ? mac_names[i].name : NULL;
}

static bool is_legacy(const struct name *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i].name, name) == 0)
			return names[i].legacy;
	return false;
}

bool cipher_is_legacy(const char *cipher_name)
{
	return is_legacy(cipher_names, N_CIPHERS, cipher_name);
}

bool cipher_mac_is_legacy(const char *mac_name)
{
	return is_legacy(mac_names, N_MACS, mac_name);
}

bool cipher_needs_provider(const char *cipher_name)
{
	const struct cipher_suite *s = cipher_suite_find(cipher_name, mac_names[0].name);

	return s != NULL && cipher_suite_is_provided(s);
}

int cipher_state_init(struct cipher_state *st, const struct cipher_suite *suite, const uint8_t *key,
		      const uint8_t *iv, const uint8_t *mac_key)
{
	if (suite == NULL || suite->key_len > CIPHER_KEY_MAX || suite->iv_len > CIPHER_IV_MAX ||
	    suite->mac_key_len > CIPHER_MAC_KEY_MAX ||
	    (suite->mac_key_len > 0 && suite->key_len > CIPHER_SHORT_KEY))
		return -EINVAL;
	if ((suite->key_len > 0 && key == NULL) || (suite->iv_len > 0 && iv == NULL) ||
	    (suite->mac_key_len > 0 && mac_key == NULL))
		return -EINVAL;
	*st = (struct cipher_state){.suite = suite};
	if (suite->key_len > 0)
		memcpy(st->key, key, suite->key_len);
	if (suite->iv_len > 0)
		memcpy(st->iv, iv, suite->iv_len);
	if (suite->mac_key_len > 0)
		memcpy(st->mac_key, mac_key, suite->mac_key_len);
	return 0;
}

void cipher_state_init_plain(struct cipher_state *st)
{
	*st = (struct cipher_state){.suite = &plain};
}

/* Adds to a big-endian counter of len bytes; what it overflows is lost, as the RFCs have it. */
static void counter_add(uint8_t *counter, size_t len, uint32_t n)
{
	uint64_t carry = n;

	for (size_t i = len; i > 0 && carry > 0; i--) {
		carry += counter[i - 1];
		counter[i - 1] = (uint8_t)carry;
		carry >>= 8;
	}
}

void cipher_job_prepare(struct cipher_job *job)
{
	struct cipher_state *st = job->state;
	uint32_t clear, block;

	job->result = -EINPROGRESS;
	switch (st->suite->shape) {
	case CIPHER_PLAIN:
	case CIPHER_CHAPOLY:
		return;
	case CIPHER_AEAD:
		/* RFC 5647 section 7.1: a fixed field of 4 bytes, an invocation counter of 8. */
		memcpy(job->iv, st->iv, GCM_IV_LEN);
		counter_add(st->iv + 4, GCM_IV_LEN - 4, 1);
		return;
	case CIPHER_ETM:
	case CIPHER_EAM:
		memcpy(job->iv, st->iv, st->suite->iv_len);
		if (st->suite->serial) /* goes on when it is run */
			return;
		/* RFC 4344 section 4: the counter goes on from record to record. */
		clear = cipher_suite_clear(st->suite);
		block = st->suite->iv_len;
		if (job->len > clear)
			counter_add(st->iv, block, (job->len - clear - 1) / block + 1);
		return;
	}
}
