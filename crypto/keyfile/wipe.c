/* crypto/keyfile/wipe.c - malloc and free that leave nothing behind. */
#include "crypto/keyfile/wipe.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"

void *wipe_malloc(size_t len)
{
	return malloc(len);
}

void wipe_free(void *p)
{
	if (p == NULL)
		return;
	secret_wipe(p, malloc_usable_size(p));
	free(p);
}

/* Never in place: what is left behind of a move must be wiped. */
void *wipe_realloc(void *p, size_t len)
{
	size_t have = p == NULL ? 0 : malloc_usable_size(p);
	void *to = malloc(len);

	if (to == NULL)
		return NULL;
	if (p != NULL)
		memcpy(to, p, have < len ? have : len);
	wipe_free(p);
	return to;
}
