/*
 * crypto/keyfile/der.h - as much of DER (ITU-T X.690) as private keys need.
 *
 * Reading sticks to the first error, as struct blob_rd does everywhere. Private keys are read
 * and written here rather than by the library: nothing of them is left in memory it frees, and
 * no number is computed with before its size is known.
 */
#ifndef SLUICE_CRYPTO_KEYFILE_DER_H
#define SLUICE_CRYPTO_KEYFILE_DER_H

#include "crypto/blob.h"

enum der_tag {
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_SEQUENCE = 0x30,
	DER_CONTEXT_0 = 0xa0,
	DER_CONTEXT_1 = 0xa1,
};

/* What is inside the next element, which must have that tag; empty and *r bad otherwise. */
struct blob_rd der_enter(struct blob_rd *r, uint8_t tag);
struct blob_str der_take(struct blob_rd *r, uint8_t tag);
bool der_next_is(const struct blob_rd *r, uint8_t tag);
/* The magnitude of a number above zero, without the byte that keeps it positive. */
struct blob_str der_positive(struct blob_rd *r);
/* A small number such as a version. */
uint32_t der_small(struct blob_rd *r);
/* The bytes of a bit string without unused bits. */
struct blob_str der_bits(struct blob_rd *r);

/* What was written since start becomes the contents of an element. */
void der_wrap(struct blob_wr *w, size_t start, uint8_t tag);
void der_put(struct blob_wr *w, uint8_t tag, const void *p, size_t len);
void der_put_positive(struct blob_wr *w, struct blob_str magnitude);
void der_put_small(struct blob_wr *w, uint8_t v);

#endif
