/*
 * conf/diff.c - what another configuration changes, and when that is in force.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/internal.h"

enum conf_when conf_keyword_when(const struct conf_keyword_info *kw)
{
	static const struct {
		const char *name;
		enum conf_when when;
	} of[] = {
		{"Port", CONF_WHEN_CONTROL},           {"ListenAddress", CONF_WHEN_CONTROL},
		{"AddressFamily", CONF_WHEN_CONTROL},  {"ListenExclusive", CONF_WHEN_CONTROL},
		{"ListenBacklog", CONF_WHEN_CONTROL},  {"HostKey", CONF_WHEN_SIGNER},
		{"HostCertificate", CONF_WHEN_SIGNER}, {"HostKeyAgent", CONF_WHEN_SIGNER},
		{"HostKeyFolder", CONF_WHEN_SIGNER},
		{"FIPSMode", CONF_WHEN_DATAPLANE},     {"AuditLog", CONF_WHEN_CONTROL},
		{"AuditSpool", CONF_WHEN_CONTROL},     {"AuditSourceRate", CONF_WHEN_CONTROL},
		{"AuditFailure", CONF_WHEN_DATAPLANE}, {"MetricsListen", CONF_WHEN_CONTROL},
		{"MaxConnections", CONF_WHEN_NEXT},
	};

	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++)
		if (strcmp(kw->name, of[i].name) == 0)
			return of[i].when;
	return kw->owner == CONF_DATAPLANE ? CONF_WHEN_DATAPLANE : CONF_WHEN_NEXT;
}

/* All that the lines of a keyword say, with whom each is for. */
static void lines_dump(const struct conf *conf, const struct kw *kw, FILE *f)
{
	for (size_t i = 0; i < conf->n_lines; i++) {
		const struct line *l = &conf->lines[i];

		if (l->kw != kw)
			continue;
		if (l->block != NULL)
			block_dump(l->block, f);
		for (unsigned int k = 0; k < l->argc; k++)
			fprintf(f, "%zu:%s ", strlen(l->argv[k]), l->argv[k]);
		fputc('\n', f);
	}
}

/* NULL: no memory. */
static char *text_of(const struct conf *conf, const struct kw *kw)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		return NULL;
	if (kw->part == PART_SESSION)
		lines_dump(conf, kw, f);
	else
		keyword_dump(conf, kw,
			     kw->part == PART_DATAPLANE ? (const void *)&conf->dataplane
							: (const void *)&conf->global,
			     f);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

int conf_diff(const struct conf *a, const struct conf *b,
	      void (*differs)(void *arg, const struct conf_keyword_info *kw), void *arg)
{
	for (size_t i = 0; i < conf_n_kws; i++) {
		const struct kw *kw = &conf_kws[i];
		char *was = text_of(a, kw), *is = text_of(b, kw);
		bool ok = was != NULL && is != NULL;

		if (ok && strcmp(was, is) != 0)
			differs(arg, &kw->info);
		free(was);
		free(is);
		if (!ok)
			return -ENOMEM;
	}
	return 0;
}
