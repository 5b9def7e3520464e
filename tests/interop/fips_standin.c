/*
 * tests/interop/fips_standin.c - a provider "fips" for tests, since no package has the module: the
 * algorithms of OpenSSL's default one under its name, those alone that FIPSMode may ask for. It was
 * validated by nobody and checks nothing.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>

#define OPERATIONS 32
#define PROPERTIES "provider=fips,fips=yes"

int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
		       const OSSL_DISPATCH **out, void **provctx);

static OSSL_LIB_CTX *inner;
static OSSL_PROVIDER *dflt;
static OSSL_ALGORITHM *served[OPERATIONS];

/* Beginnings of first names that no module of OpenSSL 3.0 answers to with fips=yes. */
static const char *const not_served[] = {"MD5",      "RIPEMD", "BLAKE2",   "SM",       "CHACHA",
					 "POLY1305", "X25519", "X448",     "ED25519",  "ED448",
					 "SIPHASH",  "ARIA",   "CAMELLIA", "DES-EDE3", "SCRYPT"};

static int is_served(const char *names)
{
	for (size_t i = 0; i < sizeof(not_served) / sizeof(not_served[0]); i++)
		if (strncasecmp(names, not_served[i], strlen(not_served[i])) == 0)
			return 0;
	return 1;
}

static const OSSL_ALGORITHM *query(void *provctx, int operation, int *no_store)
{
	const OSSL_ALGORITHM *all;
	size_t n = 0, kept = 0;

	(void)provctx;
	*no_store = 0;
	if (operation < 0 || operation >= OPERATIONS || served[operation] != NULL)
		return operation < 0 || operation >= OPERATIONS ? NULL : served[operation];
	all = OSSL_PROVIDER_query_operation(dflt, operation, no_store);
	while (all != NULL && all[n].algorithm_names != NULL)
		n++;
	served[operation] = calloc(n + 1, sizeof(OSSL_ALGORITHM));
	for (size_t i = 0; served[operation] != NULL && i < n; i++) {
		if (!is_served(all[i].algorithm_names))
			continue;
		served[operation][kept] = all[i];
		served[operation][kept++].property_definition = PROPERTIES;
	}
	return served[operation];
}

static void teardown(void *provctx)
{
	(void)provctx;
	for (int i = 0; i < OPERATIONS; i++)
		free(served[i]);
	OSSL_PROVIDER_unload(dflt);
	OSSL_LIB_CTX_free(inner);
}

static int self_test(void *provctx)
{
	(void)provctx;
	return 1;
}

static const OSSL_DISPATCH functions[] = {
	{OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))teardown},
	{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
	{OSSL_FUNC_PROVIDER_SELF_TEST, (void (*)(void))self_test},
	{0, NULL},
};

int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
		       const OSSL_DISPATCH **out, void **provctx)
{
	(void)handle;
	(void)in;
	inner = OSSL_LIB_CTX_new();
	dflt = inner != NULL ? OSSL_PROVIDER_load(inner, "default") : NULL;
	if (dflt == NULL)
		return 0;
	*provctx = OSSL_PROVIDER_get0_provider_ctx(dflt); /* what its functions know */
	*out = functions;
	return 1;
}
