/*
 * tests/fuzz/standin_kex.c - what is slow in a key exchange and decides nothing about a peer's
 * value: keys of the NIST curves are made once, their secrets are no product, and elements of
 * sntrup761's rings are added instead of multiplied. What says whether a value is one, and all of
 * X25519 and ML-KEM, is the real thing. The linker puts these before the libraries' (--wrap).
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/rand.h>

#include "crypto/sntrup761_poly.h"

#define CURVES_MAX 3

int __wrap_EVP_RAND_reseed(EVP_RAND_CTX *ctx, int resistance, const unsigned char *entropy,
			   size_t len, const unsigned char *more, size_t more_len);
EVP_PKEY *__real_EVP_PKEY_Q_keygen(OSSL_LIB_CTX *lib, const char *propq, const char *type, ...);
EVP_PKEY *__wrap_EVP_PKEY_Q_keygen(OSSL_LIB_CTX *lib, const char *propq, const char *type, ...);
int __real_EVP_PKEY_derive(EVP_PKEY_CTX *ctx, unsigned char *key, size_t *len);
int __wrap_EVP_PKEY_derive(EVP_PKEY_CTX *ctx, unsigned char *key, size_t *len);
void __wrap_sntrup_mul(const sntrup_rq a, const sntrup_small b, sntrup_rq ret);
void __wrap_sntrup_mul3(const sntrup_small a, const sntrup_small b, sntrup_small ret);

int __wrap_EVP_RAND_reseed(EVP_RAND_CTX *ctx, int resistance, const unsigned char *entropy,
			   size_t len, const unsigned char *more, size_t more_len)
{
	(void)ctx, (void)resistance, (void)entropy, (void)len, (void)more, (void)more_len;
	return 1;
}

/* EVP_EC_gen(): the one key of its curve, counted. */
EVP_PKEY *__wrap_EVP_PKEY_Q_keygen(OSSL_LIB_CTX *lib, const char *propq, const char *type, ...)
{
	static struct {
		char curve[16];
		EVP_PKEY *key;
	} made[CURVES_MAX];
	const char *curve;
	va_list args;
	int i = 0;

	va_start(args, type);
	curve = va_arg(args, const char *);
	va_end(args);
	while (i < CURVES_MAX && made[i].key != NULL && strcmp(made[i].curve, curve) != 0)
		i++;
	if (strcmp(type, "EC") != 0 || i == CURVES_MAX)
		abort();
	if (made[i].key == NULL) {
		made[i].key = __real_EVP_PKEY_Q_keygen(lib, propq, type, curve);
		strncpy(made[i].curve, curve, sizeof(made[i].curve) - 1);
	}
	return EVP_PKEY_up_ref(made[i].key) == 1 ? made[i].key : NULL;
}

int __wrap_EVP_PKEY_derive(EVP_PKEY_CTX *ctx, unsigned char *key, size_t *len)
{
	if (EVP_PKEY_get_base_id(EVP_PKEY_CTX_get0_pkey(ctx)) != EVP_PKEY_EC)
		return __real_EVP_PKEY_derive(ctx, key, len);
	memset(key, 1, *len);
	return 1;
}

void __wrap_sntrup_mul(const sntrup_rq a, const sntrup_small b, sntrup_rq ret)
{
	for (int i = 0; i < SNTRUP_P; i++)
		ret[i] = (int16_t)((a[i] + b[i]) % (SNTRUP_Q / 2 + 1));
}

void __wrap_sntrup_mul3(const sntrup_small a, const sntrup_small b, sntrup_small ret)
{
	for (int i = 0; i < SNTRUP_P; i++)
		ret[i] = (int8_t)((a[i] + b[i]) % 2);
}
