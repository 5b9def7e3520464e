#include "crypto/knownname.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "crypto/base64.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

#define SALT_LEN    20
#define PREFIX_LEN  (sizeof(KNOWNNAME_PREFIX) - 1)
#define ENCODED_LEN 28 /* of SALT_LEN bytes, and of a SHA-1 */

_Static_assert(KNOWNNAME_LEN == PREFIX_LEN + 2 * ENCODED_LEN + 1, "prefix, salt, bar, hash");

static int mac(const uint8_t salt[SALT_LEN], const char *host, uint8_t ret[HASH_LEN_MAX])
{
	return hash_hmac(HASH_SHA1, salt, SALT_LEN, host, strlen(host), ret);
}

int knownname_hash(const char *host, char ret[KNOWNNAME_LEN + 1])
{
	uint8_t salt[SALT_LEN], hash[HASH_LEN_MAX];

	if (crypto_random(salt, sizeof(salt)) < 0 || mac(salt, host, hash) < 0)
		return -EIO;
	memcpy(ret, KNOWNNAME_PREFIX, PREFIX_LEN);
	base64_encode(salt, sizeof(salt), ret + PREFIX_LEN);
	ret[PREFIX_LEN + ENCODED_LEN] = '|';
	base64_encode(hash, SALT_LEN, ret + PREFIX_LEN + ENCODED_LEN + 1);
	ret[KNOWNNAME_LEN] = '\0';
	return 0;
}

bool knownname_is(const char *hashed, size_t n, const char *host)
{
	uint8_t salt[SALT_LEN], want[SALT_LEN], got[HASH_LEN_MAX];
	size_t salt_len, want_len;

	if (n != KNOWNNAME_LEN || memcmp(hashed, KNOWNNAME_PREFIX, PREFIX_LEN) != 0 ||
	    hashed[PREFIX_LEN + ENCODED_LEN] != '|')
		return false;
	hashed += PREFIX_LEN;
	if (base64_decode(hashed, ENCODED_LEN, salt, sizeof(salt), &salt_len) < 0 ||
	    base64_decode(hashed + ENCODED_LEN + 1, ENCODED_LEN, want, sizeof(want), &want_len) < 0)
		return false;
	return salt_len == SALT_LEN && want_len == SALT_LEN && mac(salt, host, got) == 0 &&
	       memcmp(got, want, sizeof(want)) == 0;
}
