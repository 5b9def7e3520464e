#include "control/session/revoked.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "control/auth/usercert.h"

struct revoked_lists {
	struct revoked_lists *next;
	struct krl *krl;
	char path[];
};

struct reading {
	struct revoked_lists *first;
	bool strict;
};

const struct krl *revoked_list(const struct revoked_lists *l, const char *path)
{
	while (l != NULL && strcmp(l->path, path) != 0)
		l = l->next;
	return l != NULL ? l->krl : NULL;
}

static void read_one(void *arg, const char *path)
{
	struct reading *r = arg;
	struct revoked_lists *l;
	struct krl *krl;
	char why[256];

	if (*path != '/' /* none */ || revoked_list(r->first, path) != NULL ||
	    keytrust_revoked_read(path, r->strict, &krl, why, sizeof(why)) < 0)
		return;
	l = malloc(sizeof(*l) + strlen(path) + 1);
	if (l == NULL) {
		krl_free(krl);
		return;
	}
	l->next = r->first;
	l->krl = krl;
	strcpy(l->path, path);
	r->first = l;
}

struct revoked_lists *revoked_lists_read(const struct conf *conf)
{
	struct reading r = {.strict = conf_global(conf)->strict_modes};

	conf_keyword_values(conf, "RevokedKeys", read_one, &r);
	return r.first;
}

void revoked_lists_free(struct revoked_lists *l)
{
	while (l != NULL) {
		struct revoked_lists *next = l->next;

		krl_free(l->krl);
		free(l);
		l = next;
	}
}
