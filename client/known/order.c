/* client/known/order.c - which of its keys a server is asked to show first. */
#include <errno.h>
#include <string.h>

#include "client/known/scan.h"
#include "ssh/kexinit.h"

#define ALGS_MAX 64

struct order {
	struct {
		char name[64];
		bool known;
	} alg[ALGS_MAX];
	unsigned int n;
};

static int split(const char *algs, struct order *o)
{
	while (*algs != '\0') {
		size_t n = strcspn(algs, ",");

		if (o->n == ALGS_MAX || n >= sizeof(o->alg[0].name))
			return -EINVAL;
		memcpy(o->alg[o->n].name, algs, n);
		o->alg[o->n].name[n] = '\0';
		o->n += n > 0;
		algs += n + (algs[n] == ',');
	}
	return 0;
}

/* An authority vouches for whatever certificate there is, of a key of any type. */
static int order_each(void *arg, const struct known_entry *e)
{
	struct order *o = arg;

	for (unsigned int i = 0; i < o->n; i++)
		if (e->line->marker == KNOWN_CA
			    ? strstr(o->alg[i].name, "-cert-v01@openssh.com") != NULL
			    : e->line->marker == KNOWN_KEY &&
				      key_sig_alg_fits(e->key, o->alg[i].name))
			o->alg[i].known = true;
	return 0;
}

/* Default only where somebody can believe them, as an authority's. */
static int x509_add(struct order *o)
{
	unsigned int i = o->n;
	int r = split(SSH_DEFAULT_X509, o);

	for (; i < o->n; i++)
		o->alg[i].known = true;
	return r;
}

static int put(const struct order *o, bool known, char *buf, size_t size, size_t *at)
{
	for (unsigned int i = 0; i < o->n; i++) {
		size_t n = strlen(o->alg[i].name);

		if (o->alg[i].known != known)
			continue;
		if (size - *at < n + 2)
			return -ENOBUFS;
		if (*at > 0)
			buf[(*at)++] = ',';
		memcpy(buf + *at, o->alg[i].name, n);
		*at += n;
	}
	buf[*at] = '\0';
	return 0;
}

int known_order(const struct known_conf *c, const struct known_host *h, const char *algs, char *buf,
		size_t size)
{
	char name[KNOWN_NAME_MAX];
	struct order o = {.n = 0};
	const char *file;
	size_t at = 0;
	int r = known_conf_name(c, h, name);

	if (r == 0)
		r = split(algs, &o);
	if (r == 0 && c->anchors != NULL)
		r = x509_add(&o);
	if (r == 0)
		r = known_scan(c, name, order_each, &o, &file);
	if (r == 0)
		r = put(&o, true, buf, size, &at);
	return r == 0 ? put(&o, false, buf, size, &at) : r;
}
