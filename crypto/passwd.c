/* crypto/passwd.c - check a password against a crypt(3) hash, by libxcrypt. */
#include "crypto/passwd.h"

#include <crypt.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "crypto/secret.h"

/*
 * yescrypt at the cost Debian 12 gives its own users ("j9T"). The digest is one that would
 * have to be found by chance.
 */
static const char decoy[] = "$y$j9T$ll1JSC3LEP4lYDbwbWuq1/$"
			    "...........................................";

struct passwd_work {
	struct crypt_data data;
	char phrase[CRYPT_MAX_PASSPHRASE_SIZE];
};

/*
 * What crypt(3) can be asked: a password with a NUL inside or one longer than it takes is
 * cut, hashed at full cost all the same, and then refused (S-32).
 */
static bool phrase_fill(struct passwd_work *w, const char *password, size_t len)
{
	size_t n = len < sizeof(w->phrase) - 1 ? len : sizeof(w->phrase) - 1;

	memcpy(w->phrase, password, n);
	w->phrase[n] = '\0';
	return n == len && memchr(w->phrase, '\0', n) == NULL;
}

/* The DES forms have no '$': a word left there by mistake would pass for one. */
static int hash_check(const char *hash)
{
	size_t len = strnlen(hash, PASSWD_HASH_MAX);

	if (len == 0 || len == PASSWD_HASH_MAX || hash[0] != '$')
		return -EINVAL;
	return crypt_checksalt(hash) == CRYPT_SALT_INVALID ? -ENOTSUP : 0;
}

bool passwd_hash_ok(const char *hash)
{
	return hash_check(hash) == 0;
}

int passwd_check(const char *hash, const char *password, size_t password_len)
{
	size_t hash_len = strnlen(hash, PASSWD_HASH_MAX);
	struct passwd_work *w;
	const char *got;
	bool whole, equal;
	int r = hash_check(hash);

	if (r < 0)
		return r;
	r = -EBADMSG;
	w = secret_new(sizeof(*w));
	if (w == NULL)
		return -ENOMEM;

	whole = phrase_fill(w, password, password_len);
	got = crypt_rn(w->phrase, hash, &w->data, sizeof(w->data));
	if (got == NULL) {
		r = errno == EINVAL ? -EINVAL : -EIO;
	} else {
		equal = strlen(got) == hash_len && secret_equal(got, hash, hash_len);
		if (equal && whole)
			r = 0;
	}
	secret_free(w, sizeof(*w));
	return r;
}

const char *passwd_decoy(void)
{
	return decoy;
}
