/* tests/fuzz/fuzz_krl.c - revocation lists, against a key and a certificate of their corpus. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/cert.h"
#include "crypto/krl.h"
#include "tests/unit/key_fixtures.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct key *key, *cert;

static void keys_load(void)
{
	static const char *const names[] = {"alice"};
	const struct cert_spec spec = {.serial = 1000,
				       .role = CERT_USER,
				       .key_id = "lost laptop",
				       .principals = names,
				       .n_principals = 1,
				       .valid_before = UINT64_MAX};

	if (key_private_parse((const uint8_t *)fixture_ed25519, strlen(fixture_ed25519), &key) <
		    0 ||
	    cert_build(key, &spec, key, NULL, &cert) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct krl *l = NULL;
	int of_key, of_cert;

	if (key == NULL)
		keys_load();
	if (krl_parse(data, size, &l) < 0)
		return 0;
	of_key = krl_check(l, key);
	of_cert = krl_check(l, cert);
	if ((of_key != 0 && of_key != -EKEYREVOKED) || (of_cert != 0 && of_cert != -EKEYREVOKED))
		abort();
	/* The same key is inside and signed it. */
	if (of_key != 0 && of_cert == 0)
		abort();
	krl_free(l);
	return 0;
}
