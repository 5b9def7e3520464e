/*
 * crypto/keyfile/pkcs11.h - what the files of PKCS#11 share: objects of a token and their keys.
 *
 * Source  PKCS#11 2.40 (OASIS), RFC 7512 for URIs, which p11-kit reads and matches.
 */
#ifndef SLUICE_CRYPTO_KEYFILE_PKCS11_H
#define SLUICE_CRYPTO_KEYFILE_PKCS11_H

#include <stddef.h>

#define CRYPTOKI_GNU 1 /* names in small letters, as here */
#include <p11-kit/p11-kit.h>
#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>

#include "crypto/keyfile/internal.h"

#define P11_SLOTS_MAX   64
#define P11_OBJECTS_MAX 256
#define P11_ATTR_MAX    4096

/* Modules that are initialised; a list that ends with NULL. */
struct p11_modules {
	struct ck_function_list **list; /* of the system's set-up */
	struct ck_function_list *one;   /* or the one that was named */
};

/* path NULL: as the system is set up. -ENOENT. */
int p11_modules_open(const char *path, struct p11_modules *ret) __attribute__((warn_unused_result));
void p11_modules_close(struct p11_modules *m);
struct ck_function_list *p11_module_at(const struct p11_modules *m, unsigned int i); /* or NULL */

/* An attribute's bytes into buf of P11_ATTR_MAX; of length 0 when the object does not have it. */
struct blob_str p11_attr(struct ck_function_list *f, ck_session_handle_t s, ck_object_handle_t o,
			 ck_attribute_type_t type, uint8_t *buf);
/* Objects of a class, with more attributes to match; their number. */
unsigned int p11_find(struct ck_function_list *f, ck_session_handle_t s, ck_object_class_t class,
		      const struct ck_attribute *more, unsigned int n_more,
		      ck_object_handle_t ret[P11_OBJECTS_MAX]);
/* The public key that an object, public or private, says. -ENOTSUP: of no type we know. */
int p11_public(struct ck_function_list *f, ck_session_handle_t s, ck_object_handle_t o,
	       struct key **ret) __attribute__((warn_unused_result));

#endif
