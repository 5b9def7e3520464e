/* crypto/secret.c - memory that holds secrets, and where randomness comes from. */
#include "crypto/secret.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <openssl/crypto.h>

#define HUGE_PAGE ((size_t)2 << 20)

void secret_wipe(void *p, size_t len)
{
	if (len > 0)
		OPENSSL_cleanse(p, len);
}

/*
 * A mapping of its own: a page that is locked and left out of core dumps is shared with
 * nothing else. Not locking is failing: a secret on a swap device outlives its wipe.
 */
static void *locked_new(size_t len, unsigned int flags)
{
	void *p;

	if (len == 0)
		len = 1;
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	if (mlock2(p, len, flags) < 0 || madvise(p, len, MADV_DONTDUMP) < 0) {
		munmap(p, len);
		return NULL;
	}
	return p;
}

void *secret_new(size_t len)
{
	return locked_new(len, 0);
}

void *secret_table_new(size_t len)
{
	void *p = locked_new(len, MLOCK_ONFAULT);

	/* A line here and one there: without huge pages each is a walk of the page tables, too. */
	if (p != NULL && len >= HUGE_PAGE)
		(void)madvise(p, len, MADV_HUGEPAGE);
	return p;
}

void secret_free(void *p, size_t len)
{
	secret_table_free(p, len, len);
}

void secret_table_free(void *p, size_t len, size_t used)
{
	if (p == NULL)
		return;
	secret_wipe(p, used);
	munmap(p, len == 0 ? 1 : len);
}

bool secret_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

/*
 * The kernel's generator itself, not a generator in this process that was seeded from it:
 * a fork or a restored machine image never repeats what it gave (S-66).
 */
int crypto_random(void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || (size_t)n > len)
			return -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}
