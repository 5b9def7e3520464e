/* client/known/finger.c - fingerprints that are accepted by name. */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "client/known/known.h"
#include "crypto/base64.h"

#define TEXT_MAX 128 /* of one: SHA-256 in pairs with colons is 95 */

static const struct {
	const char *name;
	enum hash_alg alg;
} algs[] = {{"MD5:", HASH_MD5}, {"SHA1:", HASH_SHA1}, {"SHA256:", HASH_SHA256}};

#define N_ALGS (sizeof(algs) / sizeof(algs[0]))

struct finger {
	uint8_t hash[HASH_LEN_MAX];
	size_t len;
	enum hash_alg alg; /* 0: whichever has that length */
};

static int nibble(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* Pairs, all of them with a colon between or none. */
static bool hex_read(const char *p, size_t n, struct finger *ret)
{
	size_t step = n > 2 && p[2] == ':' ? 3 : 2, len = (n + step - 2) / step;

	if (n < 2 || len * step - (step - 2) != n || len > HASH_LEN_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isxdigit((unsigned char)p[i * step]) ||
		    !isxdigit((unsigned char)p[i * step + 1]) ||
		    (step == 3 && i + 1 < len && p[i * step + 2] != ':'))
			return false;
		ret->hash[i] = (uint8_t)(nibble(p[i * step]) << 4 | nibble(p[i * step + 1]));
	}
	ret->len = len;
	return true;
}

/* As ssh-keygen prints it: without padding. */
static bool base64_read(const char *p, size_t n, struct finger *ret)
{
	char padded[TEXT_MAX + 4];

	if (n > TEXT_MAX)
		return false;
	memcpy(padded, p, n);
	while (n % 4 != 0)
		padded[n++] = '=';
	return base64_decode(padded, n, ret->hash, sizeof(ret->hash), &ret->len) == 0;
}

static bool finger_read(const char *p, size_t n, struct finger *ret)
{
	ret->alg = 0;
	for (size_t i = 0; i < N_ALGS; i++) {
		size_t name = strlen(algs[i].name);

		if (n <= name || strncasecmp(p, algs[i].name, name) != 0)
			continue;
		ret->alg = algs[i].alg;
		return (hex_read(p + name, n - name, ret) && ret->len == hash_len(ret->alg)) ||
		       (base64_read(p + name, n - name, ret) && ret->len == hash_len(ret->alg));
	}
	if (!hex_read(p, n, ret))
		return false;
	for (size_t i = 0; i < N_ALGS; i++)
		if (hash_len(algs[i].alg) == ret->len)
			ret->alg = algs[i].alg;
	return ret->alg != 0;
}

static int is_of(const struct finger *f, const struct key *key)
{
	uint8_t hash[HASH_LEN_MAX];
	struct hash_piece blob;
	int r;

	blob.p = key_blob(key_plain(key), &blob.len);
	r = hash_digest(f->alg, &blob, 1, hash);
	return r < 0 ? r : memcmp(hash, f->hash, f->len) == 0;
}

/* The next of a list. 0: there is none; -EINVAL: it is none. */
static int next(const char **list, struct finger *ret)
{
	const char *p = *list + strspn(*list, " \t,");
	size_t n = strcspn(p, ", \t");

	*list = p + n;
	return n == 0 ? 0 : finger_read(p, n, ret) ? 1 : -EINVAL;
}

bool known_fingerprints_ok(const char *list)
{
	struct finger f;
	int r;

	while ((r = next(&list, &f)) > 0)
		;
	return r == 0;
}

int known_fingerprints(const char *list, const struct key *key)
{
	int found = 0, more;
	struct finger f;

	while ((more = next(&list, &f)) != 0) {
		int r = more < 0 ? more : is_of(&f, key);

		if (r < 0)
			return r;
		found |= r;
	}
	return found;
}
