#include "control/query.h"

#include <errno.h>
#include <stdbool.h>
#include <strings.h>

#include "crypto/cipher.h"
#include "crypto/kex.h"
#include "crypto/key.h"

static const struct {
	const char *name;
	const char *(*at)(unsigned int i);
	const char *keywords[2];
} kinds[] = {
	{"cipher", cipher_name_at, {"Ciphers"}},
	{"mac", cipher_mac_name_at, {"MACs"}},
	{"kex", kex_method_name_at, {"KexAlgorithms"}},
	{"sig", key_sig_alg_at, {"HostKeyAlgorithms", "PubkeyAcceptedAlgorithms"}},
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static bool is_kind(size_t i, const char *what)
{
	for (size_t k = 0; k < 2; k++)
		if (kinds[i].keywords[k] != NULL && strcasecmp(kinds[i].keywords[k], what) == 0)
			return true;
	return strcasecmp(kinds[i].name, what) == 0;
}

int query_print(const char *what, FILE *f)
{
	bool help = strcasecmp(what, "help") == 0;
	const char *name;

	for (size_t i = 0; i < N_KINDS; i++) {
		if (help) {
			fprintf(f, "%s\n", kinds[i].name);
			continue;
		}
		if (!is_kind(i, what))
			continue;
		for (unsigned int k = 0; (name = kinds[i].at(k)) != NULL; k++)
			fprintf(f, "%s\n", name);
		return 0;
	}
	return help ? 0 : -EINVAL;
}
