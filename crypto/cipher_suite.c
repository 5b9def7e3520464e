/* crypto/cipher_suite.c - the table of ciphers and MACs, and the states that run them. */
#include "crypto/cipher_internal.h"

static const struct cipher_suite plain = {
	.cipher_name = "none",
	.mac_name = "",
	.shape = CIPHER_PLAIN,
	.block_size = 8,
};

/* cipher, MAC, shape, block, key, IV, MAC key, tag. HMAC keys are as long as the hash. */
#define CTR_SUITES(name, key_len)                                                                  \
	{name, "hmac-sha2-256", CIPHER_EAM, 16, key_len, 16, 32, 32},                              \
		{name, "hmac-sha2-512", CIPHER_EAM, 16, key_len, 16, 64, 64},                      \
		{name, "hmac-sha2-256-etm@openssh.com", CIPHER_ETM, 16, key_len, 16, 32, 32},      \
		{name, "hmac-sha2-512-etm@openssh.com", CIPHER_ETM, 16, key_len, 16, 64, 64},

static const struct cipher_suite suites[] = {
	{"aes128-gcm@openssh.com", "", CIPHER_AEAD, 16, 16, GCM_IV_LEN, 0, AEAD_TAG},
	{"aes256-gcm@openssh.com", "", CIPHER_AEAD, 16, 32, GCM_IV_LEN, 0, AEAD_TAG},
	/* Its nonce is the sequence number; "block size" 8 is what padding goes by. */
	{"chacha20-poly1305@openssh.com", "", CIPHER_CHAPOLY, 8, 64, 0, 0, AEAD_TAG},
	CTR_SUITES("aes128-ctr", 16) CTR_SUITES("aes192-ctr", 24) CTR_SUITES("aes256-ctr", 32)};

#define N_SUITES (sizeof(suites) / sizeof(suites[0]))

static const char *const cipher_names[] = {
	"aes128-gcm@openssh.com",
	"aes256-gcm@openssh.com",
	"chacha20-poly1305@openssh.com",
	"aes128-ctr",
	"aes192-ctr",
	"aes256-ctr",
};

static const char *const mac_names[] = {
	"hmac-sha2-256-etm@openssh.com",
	"hmac-sha2-512-etm@openssh.com",
	"hmac-sha2-256",
	"hmac-sha2-512",
};

const struct cipher_suite *cipher_suite_find(const char *cipher_name, const char *mac_name)
{
	for (size_t i = 0; i < N_SUITES; i++) {
		const struct cipher_suite *s = &suites[i];

		if (strcmp(s->cipher_name, cipher_name) != 0)
			continue;
		if (s->mac_name[0] == '\0' ||
		    (mac_name != NULL && strcmp(s->mac_name, mac_name) == 0))
			return s;
	}
	return NULL;
}

const struct cipher_suite *cipher_suite_plain(void)
{
	return &plain;
}

const char *cipher_name_at(unsigned int i)
{
	return i < sizeof(cipher_names) / sizeof(cipher_names[0]) ? cipher_names[i] : NULL;
}

const char *cipher_mac_name_at(unsigned int i)
{
	return i < sizeof(mac_names) / sizeof(mac_names[0]) ? mac_names[i] : NULL;
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
	uint32_t clear;

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
		/* RFC 4344 section 4: the counter goes on from record to record. */
		clear = cipher_suite_clear(st->suite);
		memcpy(job->iv, st->iv, AES_BLOCK);
		if (job->len > clear)
			counter_add(st->iv, AES_BLOCK, (job->len - clear - 1) / AES_BLOCK + 1);
		return;
	}
}
