/* client/lib/fips.c - FIPSMode: what OpenSSL's module computes, and nothing else. */
#include "crypto/fips.h"

#include <errno.h>
#include <string.h>

#include "client/lib/internal.h"

static int begin(struct sluice *s)
{
	char why[FIPS_WHY_MAX];
	int r = s->set.fips ? engines_fips(why) : 0;

	return r < 0 ? fail(s, -SLUICE_E_ALG_UNSUPPORTED, "FIPSMode: %s", why) : 0;
}

int fips_lists_cut(struct sluice *s, struct ssh_brain_conf *c, struct fips_lists *to)
{
	const struct {
		const char *name, **list;
	} all[FIPS_LISTS] = {
		{"KexAlgorithms", &c->kex_algs},
		{"HostKeyAlgorithms", &c->hostkey_algs},
		{"Ciphers", &c->ciphers},
		{"MACs", &c->macs},
		{"PubkeyAcceptedAlgorithms", &c->server_sig_algs},
	};
	int r = begin(s);

	if (r < 0 || !fips_on())
		return r;
	if (c->gss_server != NULL)
		return fail(s, -SLUICE_E_VALUE, "FIPSMode: Kerberos computes by itself");
	for (unsigned int i = 0; i < FIPS_LISTS; i++) {
		if (strlen(*all[i].list) >= FIPS_LIST_MAX)
			return -E2BIG;
		fips_cut(*all[i].list, to->list[i]);
		if (*to->list[i] == '\0')
			return fail(s, -SLUICE_E_VALUE, "FIPSMode leaves nothing of %s",
				    all[i].name);
		*all[i].list = to->list[i];
	}
	return 0;
}
