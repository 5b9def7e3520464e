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

const char *host_file_field_name(enum host_file_field f)
{
	static const char *const name[HOST_FILE_FIELDS] = {
		"path", "passphrase-file", "key-passphrase-file", "format", "subject", "thumbprint",
	};

	return name[f];
}

struct host_file *host_file_copy(const struct host_file *f)
{
	struct host_file *copy;
	size_t len = 0;
	char *p;

	for (unsigned int i = 0; i < HOST_FILE_FIELDS; i++)
		len += f->field[i] != NULL ? strlen(f->field[i]) + 1 : 0;
	copy = malloc(sizeof(*copy) + len);
	if (copy == NULL)
		return NULL;
	p = (char *)(copy + 1);
	for (unsigned int i = 0; i < HOST_FILE_FIELDS; i++) {
		copy->field[i] = f->field[i] != NULL ? p : NULL;
		p = f->field[i] != NULL ? stpcpy(p, f->field[i]) + 1 : p;
	}
	return copy;
}

bool host_file_same(const struct host_file *a, const struct host_file *b)
{
	for (unsigned int i = 0; i < HOST_FILE_FIELDS; i++) {
		const char *x = a->field[i], *y = b->field[i];

		if (x == NULL || y == NULL ? x != y : strcmp(x, y) != 0)
			return false;
	}
	return true;
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
