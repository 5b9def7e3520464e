/* crypto/key_print.c - fingerprints, as OpenSSH prints them. */
#include <errno.h>
#include <string.h>

#include "crypto/base64.h"
#include "crypto/key_internal.h"

/* Without its padding. */
static void base64_bare(const uint8_t *digest, size_t len, char *out)
{
	size_t n = base64_len(len);

	base64_encode(digest, len, out);
	while (n > 0 && out[n - 1] == '=')
		n--;
	out[n] = '\0';
}

int key_fingerprint_as(const struct key *k, enum hash_alg alg, char *buf, size_t size)
{
	static const char *const prefix[] = {
		[HASH_MD5] = "MD5:",       [HASH_SHA1] = "SHA1:",     [HASH_SHA256] = "SHA256:",
		[HASH_SHA384] = "SHA384:", [HASH_SHA512] = "SHA512:",
	};
	const struct key *plain = key_plain(k);
	struct hash_piece piece = {plain->blob, plain->blob_len};
	uint8_t digest[HASH_LEN_MAX];
	char text[HASH_PAIRS_MAX];
	int r;

	if ((size_t)alg >= sizeof(prefix) / sizeof(prefix[0]) || prefix[alg] == NULL)
		return -ENOTSUP;
	r = alg == HASH_MD5 ? hash_pairs(alg, plain->blob, plain->blob_len, text)
			    : hash_digest(alg, &piece, 1, digest);
	if (r < 0)
		return r;
	if (alg != HASH_MD5)
		base64_bare(digest, hash_len(alg), text);
	if (strlen(prefix[alg]) + strlen(text) >= size)
		return -ENOBUFS;
	stpcpy(stpcpy(buf, prefix[alg]), text);
	return 0;
}

int key_fingerprint(const struct key *k, char *buf, size_t size)
{
	return key_fingerprint_as(k, HASH_SHA256, buf, size);
}
