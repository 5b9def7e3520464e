/*
 * Values about users' keys. Source sshd_config(5).
 */
#include <string.h>

#include "conf/internal.h"

/* --- PubkeyAuthOptions ---------------------------------------------------------------- */

static const struct choice pubkey_options[] = {
	{"none", 0},
	{"touch-required", CONF_TOUCH_REQUIRED},
	{"verify-required", CONF_VERIFY_REQUIRED},
	{NULL, 0},
};

static bool parse_pubkey_options(struct value *v, const struct kw *kw, void *field)
{
	unsigned int bits = 0;

	for (uint16_t i = 0; i < v->argc; i++) {
		const struct choice *c = pubkey_options;

		while (c->name != NULL && strcasecmp(c->name, v->argv[i]) != 0)
			c++;
		if (c->name == NULL)
			return value_bad(v, "unsupported option \"%.100s\" for %s", v->argv[i],
					 kw->info.name);
		bits |= (unsigned int)c->value;
	}
	*(unsigned int *)field = bits;
	return true;
}

static void print_pubkey_options(const struct kw *kw, const void *field, FILE *f)
{
	unsigned int bits = *(const unsigned int *)field;
	bool any = false;

	(void)kw;
	for (const struct choice *c = pubkey_options; c->name != NULL; c++) {
		if (bits == 0 ? c->value != 0 : (bits & (unsigned int)c->value) == 0)
			continue;
		fprintf(f, "%s%s", any ? " " : "", c->name);
		any = true;
	}
}

const struct value_type type_pubkey_options = {
	1, 8, false, parse_pubkey_options, print_pubkey_options, NULL};
