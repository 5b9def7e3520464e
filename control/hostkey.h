/*
 * control/hostkey.h - the gateway's host keys, as they come from files, agents and sluice-signer.
 */
#ifndef SLUICE_CONTROL_HOSTKEY_H
#define SLUICE_CONTROL_HOSTKEY_H

#include <stdbool.h>

#include "crypto/keyfile.h"
#include "crypto/x509key.h"

#define HOST_KEYS_MAX  8
#define HOST_PATH_MAX  4095
#define HOST_CHAIN_MAX (32 * 1024) /* bytes of the chains of all keys together */

/* X.509 certificates that lay with a key, as they stood there. */
struct host_chain {
	struct keyfile_cert cert[X509KEY_CHAIN_MAX];
	unsigned int n;
};

/* A file of a key as HostKey has it, and PolicyHook where HostKeyFolder lets it name one. */
enum host_file_field {
	HOST_FILE_PATH,
	HOST_FILE_PASSPHRASE,
	HOST_FILE_KEY_PASSPHRASE,
	HOST_FILE_FORMAT,
	HOST_FILE_SUBJECT,
	HOST_FILE_THUMBPRINT,
	HOST_FILE_FIELDS,
};
#define HOST_FILE_TEXT_MAX 1023 /* of a field */

struct host_file {
	const char *field[HOST_FILE_FIELDS]; /* NULL: not said */
};

struct host_keys {
	struct key *key[HOST_KEYS_MAX];
	char *path[HOST_KEYS_MAX]; /* as HostKey names it; NULL: it does not */
	bool apart[HOST_KEYS_MAX]; /* inside of Match alone */
	struct host_chain chain[HOST_KEYS_MAX];
	unsigned int n;
};

/* A copy of a certificate behind the others of key i. -E2BIG: too many, or too long; -ENOMEM. */
int host_keys_cert(struct host_keys *k, unsigned int i, const uint8_t *der, size_t len)
	__attribute__((warn_unused_result));
/* "path", "passphrase-file" and so on: what HostKey and sluice-hook(5) call it. */
const char *host_file_field_name(enum host_file_field f);
/* In one piece, for free(). NULL: no memory. */
struct host_file *host_file_copy(const struct host_file *f);
bool host_file_same(const struct host_file *a, const struct host_file *b);
void host_chain_free(struct host_chain *c); /* what is in it */
void host_keys_free(struct host_keys *k);   /* what is in it, keys too */

#endif
