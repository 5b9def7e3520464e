/* dataplane/record/zpool.c - see zpool.h. */
#include "dataplane/record/zpool.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "crypto/secret.h"

/* Free places are a list through their first word; behind fresh nothing was touched. */
struct zarea {
	uint8_t *mem;
	size_t len, place, fresh;
	void *first;
};

struct zpool {
	uint64_t bytes, used, promised;
	uint64_t refused[ZPOOL_KINDS];
	struct zarea area[ZPOOL_KINDS];
};

static int area_init(struct zarea *a, uint64_t bytes, size_t place)
{
	a->place = place;
	a->len = bytes / place * place;
	if (a->len == 0)
		return 0;
	a->mem = mmap(NULL, a->len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (a->mem == MAP_FAILED) {
		a->mem = NULL;
		return -ENOMEM;
	}
	/* Old plain text is not for a core dump. */
	return madvise(a->mem, a->len, MADV_DONTDUMP) < 0 ? -errno : 0;
}

int zpool_new(uint64_t bytes, struct zpool **ret)
{
	struct zpool *z = calloc(1, sizeof(*z));
	int r;

	if (z == NULL)
		return -ENOMEM;
	z->bytes = bytes;
	r = area_init(&z->area[ZPOOL_INFLATE], bytes, ZPOOL_INFLATE_PLACE);
	if (r == 0)
		r = area_init(&z->area[ZPOOL_DEFLATE], bytes, ZPOOL_DEFLATE_PLACE);
	if (r < 0) {
		zpool_free(z);
		return r;
	}
	*ret = z;
	return 0;
}

void zpool_free(struct zpool *z)
{
	if (z == NULL)
		return;
	for (int k = 0; k < ZPOOL_KINDS; k++)
		if (z->area[k].mem != NULL)
			munmap(z->area[k].mem, z->area[k].len);
	free(z);
}

void *zpool_get(struct zpool *z, enum zpool_kind kind)
{
	struct zarea *a = &z->area[kind];
	void *p = a->first;

	if (z->used + z->promised + a->place > z->bytes) {
		z->refused[kind]++;
		return NULL;
	}
	if (p != NULL) {
		a->first = *(void **)p;
	} else {
		p = a->mem + a->fresh;
		a->fresh += a->place;
	}
	z->used += a->place;
	return p;
}

void zpool_put(struct zpool *z, enum zpool_kind kind, void *place)
{
	struct zarea *a = &z->area[kind];

	secret_wipe(place, a->place);
	*(void **)place = a->first;
	a->first = place;
	z->used -= a->place;
}

bool zpool_promise(struct zpool *z)
{
	if (z->used + z->promised + ZPOOL_INFLATE_PLACE > z->bytes)
		return false;
	z->promised += ZPOOL_INFLATE_PLACE;
	return true;
}

void zpool_unpromise(struct zpool *z)
{
	z->promised -= ZPOOL_INFLATE_PLACE;
}

uint64_t zpool_used(const struct zpool *z)
{
	return z->used;
}

uint64_t zpool_refused(const struct zpool *z, enum zpool_kind kind)
{
	return z->refused[kind];
}
