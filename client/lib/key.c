/* client/lib/key.c - keys as programs hold them: reading them, and what certifies them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/lib/internal.h"
#include "crypto/cert.h"
#include "crypto/x509key.h"

const struct sluice_key *key_get(const struct sluice_key *k)
{
	__atomic_add_fetch(&((struct sluice_key *)k)->refs, 1, __ATOMIC_RELAXED);
	return k;
}

static void certs_drop(struct sluice_key *k)
{
	while (k->n_certs > 0)
		key_free(k->cert[--k->n_certs]);
}

void sluice_key_free(struct sluice_key *k)
{
	if (k == NULL || __atomic_sub_fetch(&k->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	certs_drop(k);
	keyfile_free(k->file);
	free(k);
}

/* --- certificates ---------------------------------------------------------------------------- */

/* Those of the file as each form of RFC 6187 has them, in the order of key_sig_alg_at(). */
static int x509_forms(struct sluice_key *k)
{
	const struct keyfile *f = k->file;
	const char *name, *last = "";
	int r;

	for (unsigned int i = 0; (name = key_sig_alg_at(i)) != NULL; i++) {
		if (strncmp(name, "x509v3-", 7) != 0 || strcmp(name, last) == 0 ||
		    k->n_certs == KEY_CERTS_MAX)
			continue;
		r = x509key_make(name, k->key, f->cert, f->n_certs, &k->cert[k->n_certs]);
		if (r == -ENOMEM)
			return r;
		if (r < 0) /* not of such a key, or more than fits */
			continue;
		k->n_certs++;
		last = name;
	}
	return 0;
}

int key_wrap(struct keyfile *file, struct sluice_key **ret)
{
	struct sluice_key *k = calloc(1, sizeof(*k));
	int r = 0;

	if (k == NULL) {
		keyfile_free(file);
		return -ENOMEM;
	}
	*k = (struct sluice_key){.refs = 1, .file = file, .key = file->key};
	if (file->n_certs > 0 && key_is_private(k->key))
		r = x509_forms(k);
	if (r < 0)
		sluice_key_free(k);
	else
		*ret = k;
	return r;
}

/* One of OpenSSH's, or none, which it takes; then those of the file. */
static int certs_set(struct sluice_key *k, struct key *openssh)
{
	certs_drop(k);
	if (openssh != NULL)
		k->cert[k->n_certs++] = openssh;
	return x509_forms(k);
}

/* The one of OpenSSH's, which is the caller's then; NULL: there is none. */
static struct key *openssh_take(struct sluice_key *k)
{
	struct key *first = k->n_certs > 0 ? k->cert[0] : NULL;

	if (first == NULL || key_cert(first) == NULL)
		return NULL;
	k->cert[0] = NULL;
	return first;
}

int sluice_key_certificate_parse(struct sluice_key *k, const void *p, size_t len)
{
	const struct keyfile_opts o = {.public_half = true};
	struct keyfile *kf = NULL;
	int r = keyfile_parse(p, len, &o, &kf);

	if (r < 0)
		return r;
	if (key_cert(kf->key) != NULL && key_equal(key_plain(kf->key), k->key))
		r = certs_set(k, keyfile_take(kf));
	else if (kf->n_certs > 0 && keyfile_certs_take(k->file, kf) == 0)
		r = certs_set(k, openssh_take(k));
	else
		r = -EINVAL;
	keyfile_free(kf);
	return r;
}

int sluice_key_certificate(struct sluice_key *k, const char *text)
{
	return sluice_key_certificate_parse(k, text, strlen(text));
}

int key_cert_info(const struct sluice_key *k, struct certinfo *ret)
{
	const struct keyfile *f = k->file;
	int r;

	if (k->n_certs > 0)
		return certinfo_key(k->cert[0], ret);
	r = certinfo_key(k->key, ret);
	if (r == -ENOENT && f->n_certs > 0)
		r = certinfo_x509(f->cert[0].der, f->cert[0].len, ret);
	return r;
}

bool key_cert_over(const struct key *cert)
{
	int64_t now = (int64_t)time(NULL);
	struct certinfo info;
	int r = certinfo_key(cert, &info);
	bool over;

	if (r < 0)
		return r != -ENOENT;
	over = now < info.not_before || now > info.not_after;
	certinfo_fini(&info);
	return over;
}

/* --- reading --------------------------------------------------------------------------------- */

static int say(const char *passphrase, char *buf, size_t size)
{
	size_t n = strlen(passphrase);

	if (n > size)
		return -EKEYREJECTED;
	memcpy(buf, passphrase, n);
	return (int)n;
}

static int ask(void *arg, const char *what, char *buf, size_t size)
{
	const struct sluice_key_opts *o = arg;

	if (o->passphrase != NULL)
		return say(o->passphrase, buf, size);
	if (o->ask == NULL)
		return -ENOKEY;
	return (int)o->ask(o->arg, what, buf, size);
}

static int say_within(void *arg, const char *what, char *buf, size_t size)
{
	const struct sluice_key_opts *o = arg;

	(void)what;
	return say(o->key_passphrase, buf, size);
}

/* The program's options as crypto/ takes them; of an older program what it knew. */
struct reading {
	struct sluice_key_opts known;
	struct keyfile_opts o;
	char why[KEYFILE_WHY_MAX];
};

static int reading_init(struct reading *r, const struct sluice_key_opts *o)
{
	const struct sluice_key_opts *known = &r->known;
	int err;

	memset(r, 0, sizeof(*r));
	r->o.why = r->why;
	if (o == NULL)
		return 0;
	if (o->size < offsetof(struct sluice_key_opts, subject) || o->size > sizeof(r->known))
		return -EINVAL;
	memcpy(&r->known, o, o->size);
	r->o.subject = known->subject;
	r->o.thumbprint = known->thumbprint;
	r->o.public_half = known->public_half;
	r->o.passphrase_arg = &r->known;
	if (known->passphrase != NULL || known->ask != NULL)
		r->o.passphrase = ask;
	if (known->key_passphrase != NULL)
		r->o.key_passphrase = say_within;
	err = known->format != NULL ? keyfile_format_find(known->format, &r->o.format) : 0;
	if (err == -EMEDIUMTYPE)
		snprintf(r->why, sizeof(r->why), "%s", keyfile_format_instead(known->format));
	return err;
}

/* What was read, or why it was not. */
static int reading_end(const struct reading *rd, int r, struct keyfile *kf, struct sluice_key **ret)
{
	const struct sluice_key_opts *o = &rd->known;
	const char *why = r < 0 ? rd->why : "";

	if (r == 0 && !o->public_half && !key_is_private(kf->key)) {
		why = "it has no private key";
		r = -EBADMSG;
	}
	if (r < 0 && *why == '\0')
		why = r == -ENOENT ? strerror(ENOENT) : keyfile_error(r);
	if (o->why != NULL && o->why_size > 0)
		snprintf(o->why, o->why_size, "%s", why);
	if (r == 0)
		return key_wrap(kf, ret);
	keyfile_free(kf);
	return r;
}

int sluice_key_load(const char *path, const struct sluice_key_opts *opts, struct sluice_key **ret)
{
	struct keyfile *kf = NULL;
	struct reading rd;
	int r = reading_init(&rd, opts);

	if (r == 0)
		r = keyfile_load(path, &rd.o, &kf);
	return reading_end(&rd, r, kf, ret);
}

int sluice_key_parse(const void *text, size_t len, const struct sluice_key_opts *opts,
		     struct sluice_key **ret)
{
	struct keyfile *kf = NULL;
	struct reading rd;
	int r = reading_init(&rd, opts);

	if (r == 0)
		r = keyfile_parse(text, len, &rd.o, &kf);
	return reading_end(&rd, r, kf, ret);
}

int sluice_key_public(const char *line, struct sluice_key **ret)
{
	const struct sluice_key_opts o = {
		.size = sizeof(o), .format = "openssh", .public_half = true};

	return sluice_key_parse(line, strcspn(line, "\r\n"), &o, ret);
}
