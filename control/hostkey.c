#include "control/hostkey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t chains_len(const struct host_keys *k)
{
	size_t len = 0;

	for (unsigned int i = 0; i < HOST_KEYS_MAX; i++)
		for (unsigned int j = 0; j < k->chain[i].n; j++)
			len += k->chain[i].cert[j].len;
	return len;
}

int host_keys_cert(struct host_keys *k, unsigned int i, const uint8_t *der, size_t len)
{
	struct host_chain *c = &k->chain[i];
	uint8_t *copy;

	if (c->n == X509KEY_CHAIN_MAX || len == 0 || len > HOST_CHAIN_MAX - chains_len(k))
		return -E2BIG;
	copy = malloc(len);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, der, len);
	c->cert[c->n++] = (struct keyfile_cert){copy, len};
	return 0;
}

void host_chain_free(struct host_chain *c)
{
	for (unsigned int i = 0; i < c->n; i++)
		free(c->cert[i].der);
	*c = (struct host_chain){.n = 0};
}

void host_keys_free(struct host_keys *k)
{
	for (unsigned int i = 0; i < HOST_KEYS_MAX; i++) {
		host_chain_free(&k->chain[i]);
		free(k->path[i]);
		k->path[i] = NULL;
	}
	while (k->n > 0)
		key_free(k->key[--k->n]);
}
