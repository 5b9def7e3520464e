/* crypto/secret.c - memory that holds secrets, and where randomness comes from. */
#include "crypto/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "crypto/fips.h"

#define HUGE_PAGE ((size_t)2 << 20)
#define PAGE      ((size_t)4096)
#define SHELF     64 /* pages */

void secret_wipe(void *p, size_t len)
{
	if (len > 0)
		OPENSSL_cleanse(p, len);
}

int secret_line(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r = 0;
	struct stat st;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if ((st.st_mode & 077) != 0)
		r = -EPERM;
	else if ((n = read(fd, buf, size - 1)) < 0)
		r = -errno;
	close(fd);
	if (r < 0)
		return r;
	buf[n] = '\0';
	buf[strcspn(buf, "\r\n")] = '\0';
	return 0;
}

/* --- pages that are kept ---------------------------------------------------------------- */

/*
 * Locked pages that were wiped, for the next secrets: a mapping made, locked and given back for
 * each is four system calls, a page of zeros and a flush of other cores' tables, twice in every
 * login.
 */
static struct {
	pthread_mutex_t lock;
	pthread_once_t once;
	unsigned int n;
	bool of_child; /* a page that is put here may be the parent's, and not locked */
	void *page[SHELF];
} shelf = {.lock = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT};

/* Locks do not pass to children: theirs begin without, and without whoever held the mutex. */
static void shelf_in_child(void)
{
	pthread_mutex_init(&shelf.lock, NULL);
	shelf.n = 0;
	shelf.of_child = true;
}

static void shelf_init(void)
{
	(void)pthread_atfork(NULL, NULL, shelf_in_child);
}

static void *shelf_take(void)
{
	void *p = NULL;

	pthread_once(&shelf.once, shelf_init);
	pthread_mutex_lock(&shelf.lock);
	if (shelf.n > 0)
		p = shelf.page[--shelf.n];
	pthread_mutex_unlock(&shelf.lock);
	return p;
}

/* False: it is full, or the page cannot be locked. */
static bool shelf_put(void *p)
{
	bool put;

	if (shelf.of_child && mlock2(p, PAGE, 0) < 0)
		return false;
	pthread_mutex_lock(&shelf.lock);
	put = shelf.n < SHELF;
	if (put)
		shelf.page[shelf.n++] = p;
	pthread_mutex_unlock(&shelf.lock);
	return put;
}

bool secret_trim(void)
{
	bool any = false;
	void *p;

	while ((p = shelf_take()) != NULL) {
		munmap(p, PAGE);
		any = true;
	}
	return any;
}

/* --- mappings --------------------------------------------------------------------------- */

/*
 * A mapping of its own: a page that is locked and left out of core dumps is shared with
 * nothing else. Not locking is failing: a secret on a swap device outlives its wipe.
 */
static void *mapping_new(size_t len, size_t locked, unsigned int how, unsigned int lock)
{
	void *p;

	if (len == 0)
		len = locked = 1;
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | how, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	if (mlock2(p, locked, lock) < 0 || madvise(p, len, MADV_DONTDUMP) < 0) {
		munmap(p, len);
		return NULL;
	}
	return p;
}

/* Pages that are kept count against RLIMIT_MEMLOCK: they make way. */
static void *locked_new(size_t len, size_t locked, unsigned int how, unsigned int lock)
{
	void *p = mapping_new(len, locked, how, lock);

	return p == NULL && secret_trim() ? mapping_new(len, locked, how, lock) : p;
}

void *secret_new(size_t len)
{
	void *p = len <= PAGE ? shelf_take() : NULL;

	return p != NULL ? p : locked_new(len, len, 0, 0);
}

int secret_table_more(void *p, size_t usable)
{
	if (mlock2(p, usable, MLOCK_ONFAULT) == 0)
		return 0;
	return secret_trim() && mlock2(p, usable, MLOCK_ONFAULT) == 0 ? 0 : -ENOMEM;
}

void *secret_table_new(size_t len, size_t usable)
{
	void *p = locked_new(len, usable, MAP_NORESERVE, MLOCK_ONFAULT);

	/* A line here and one there: without huge pages each is a walk of the page tables, too. */
	if (p != NULL && len >= HUGE_PAGE)
		(void)madvise(p, len, MADV_HUGEPAGE);
	return p;
}

void secret_free(void *p, size_t len)
{
	if (p == NULL)
		return;
	secret_wipe(p, len);
	if (len > PAGE || !shelf_put(p))
		munmap(p, len == 0 ? 1 : len);
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

	if (fips_on())
		return RAND_bytes_ex(NULL, buf, len, 0) == 1 ? 0 : -EIO;
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

int crypto_reseed(void)
{
	return EVP_RAND_reseed(RAND_get0_private(NULL), 1, NULL, 0, NULL, 0) == 1 ? 0 : -EIO;
}
