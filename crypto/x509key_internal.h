/* crypto/x509key_internal.h - what x509key.c and x509_trust.c share. */
#ifndef SLUICE_CRYPTO_X509KEY_INTERNAL_H
#define SLUICE_CRYPTO_X509KEY_INTERNAL_H

#include <openssl/x509.h>

#include "crypto/x509key.h"

struct x509key {
	const char *type;       /* the key's name in SSH; static */
	STACK_OF(X509) * chain; /* the key's own first */
	char *names[X509KEY_NAMES_MAX];
	unsigned int n_names;
	char *subject, *issuer;
};

#endif
