/* tests/fuzz/fuzz_sshsig.c - signatures of files: what is read is bounded, and verifies or does
 * not. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/sshsig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t digest[HASH_LEN_MAX];
	struct sshsig *s = NULL;
	int r = sshsig_parse((const char *)data, size, &s);

	if (r < 0)
		return 0;
	if (s->key == NULL || *s->ns == '\0' || s->sig_len > sizeof(s->sig) ||
	    (s->hash != HASH_SHA256 && s->hash != HASH_SHA512))
		abort();
	r = sshsig_verify(s, s->ns, digest);
	if (r != 0 && r != -EBADMSG)
		abort();
	if (sshsig_verify(s, "another namespace", digest) == 0)
		abort();
	sshsig_free(s);
	return 0;
}
