/*
 * tests/fuzz/fuzz_key_agent.c - what an agent answers. A reply that is none makes no key of a
 * public one; a signature that passes for one is the key's own, and that no reply here is.
 */
#include <stdlib.h>
#include <string.h>

#include "crypto/key_agent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	const uint8_t *p;
	size_t len;
} reply;

static int ask(void *arg, const uint8_t *request, size_t len, uint8_t *ret, size_t size,
	       size_t *ret_len)
{
	(void)arg;
	if (len == 0 || request[0] != 13)
		abort();
	if (reply.len > size)
		return -1;
	memcpy(ret, reply.p, reply.len);
	*ret_len = reply.len;
	return 0;
}

/* ssh-ed25519 of RFC 8032's first test vector. */
static const uint8_t blob[] =
	"\0\0\0\x0bssh-"
	"ed25519\0\0\0\x20\xd7\x5a\x98\x01\x82\xb1\x0a\xb7\xd5\x4b\xfe\xd3\xc9\x64\x07\x3a"
	"\x0e\xe1\x72\xf3\xda\xa6\x23\x25\xaf\x02\x1a\x68\xf7\x07\x51\x1a";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct key_agent agent = {ask, NULL, NULL};
	struct key *k = NULL;

	if (key_blob_parse(blob, sizeof(blob) - 1, &k) < 0)
		abort();
	reply.p = data;
	reply.len = size;
	if (key_agent_use(k, &agent) == 0 || key_is_private(k))
		abort();
	key_free(k);
	return 0;
}
