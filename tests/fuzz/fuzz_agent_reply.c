/*
 * What an agent answers a client: keys that are taken are those in the answer, within the bound,
 * with comments that can be shown; a signature that is taken lies in it and is by the algorithm
 * asked for.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void signature(struct ssh_str reply, const char *alg)
{
	uint8_t sig[KEY_SIG_MAX];
	size_t len = 0;

	if (agent_sign_parse(reply, alg, sig, &len) < 0)
		return;
	if (len == 0 || len > reply.len || memcmp(sig, reply.p + reply.len - len, len) != 0 ||
	    memcmp(sig + 4, key_sig_alg_plain(alg), strlen(key_sig_alg_plain(alg))) != 0)
		abort();
}

/* In two pieces or at once: the same is behind the first answer. */
static void skipped(const uint8_t *data, size_t size)
{
	uint8_t *whole = malloc(size + 1), *cut = malloc(size + 1);
	struct agent_skip a = {0}, b = {0};
	ssize_t n = agent_skip(&a, data, size, whole), first, rest = 0;

	first = agent_skip(&b, data, size / 2, cut);
	if (first >= 0)
		rest = agent_skip(&b, data + size / 2, size - size / 2, cut + first);
	if ((n < 0) != (first < 0 || rest < 0))
		abort();
	if (n >= 0 && (n != first + rest || memcmp(whole, cut, (size_t)n) != 0 ||
		       memcmp(whole, data + size - n, (size_t)n) != 0))
		abort();
	free(whole);
	free(cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ssh_str reply = {data, (uint32_t)size};
	struct agent_keys keys;

	skipped(data, size);
	signature(reply, "rsa-sha2-512");
	signature(reply, "sk-ssh-ed25519@openssh.com");
	if (agent_done_parse(reply) == 0 && size != 1)
		abort();
	if (agent_list_parse(reply, &keys) < 0)
		return 0;
	if (keys.n > AGENT_KEYS_MAX || keys.n > size / 8)
		abort();
	for (unsigned int i = 0; i < keys.n; i++) {
		size_t len;
		const uint8_t *blob = key_blob(keys.v[i].key, &len);

		if (memmem(data, size, blob, len) == NULL ||
		    strlen(keys.v[i].comment) > AGENT_COMMENT_MAX)
			abort();
		for (const char *p = keys.v[i].comment; *p != '\0'; p++)
			if (iscntrl((unsigned char)*p))
				abort();
	}
	agent_keys_free(&keys);
	return 0;
}
