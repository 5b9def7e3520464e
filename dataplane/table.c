/* dataplane/table.c - see table.h. */
#include "dataplane/table.h"

#include <stdint.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

static size_t whole(size_t n, size_t size)
{
	size_t bytes = n * size;

	if (bytes < HUGE_PAGE)
		return bytes > 0 ? bytes : 1;
	return (bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
}

static void *map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p != MAP_FAILED ? p : NULL;
}

void *table_new(size_t n, size_t size)
{
	size_t len, before;
	uint8_t *p;

	if (size != 0 && n > (SIZE_MAX - 2 * HUGE_PAGE) / size)
		return NULL;
	len = whole(n, size);
	if (len < HUGE_PAGE)
		return map(len);
	/* A page more, and what is not on the boundary given back. */
	p = map(len + HUGE_PAGE);
	if (p == NULL)
		return NULL;
	before = -(uintptr_t)p & (HUGE_PAGE - 1);
	if (before > 0)
		munmap(p, before);
	munmap(p + before + len, HUGE_PAGE - before);
	p += before;
	(void)madvise(p, len, MADV_HUGEPAGE); /* a kernel without them has ordinary ones */
	return p;
}

void *table_new_keyed(size_t n, size_t size)
{
	void *p = table_new(n, size);

	if (p != NULL)
		(void)madvise(p, whole(n, size), MADV_NOHUGEPAGE);
	return p;
}

void table_free(void *p, size_t n, size_t size)
{
	if (p != NULL)
		munmap(p, whole(n, size));
}
