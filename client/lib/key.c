/* client/lib/key.c - keys as programs hold them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/internal.h"
#include "crypto/base64.h"
#include "crypto/cert.h"
#include "crypto/keyfile.h"
#include "crypto/secret.h"

const struct sluice_key *key_get(const struct sluice_key *k)
{
	__atomic_add_fetch(&((struct sluice_key *)k)->refs, 1, __ATOMIC_RELAXED);
	return k;
}

void sluice_key_free(struct sluice_key *k)
{
	if (k == NULL || __atomic_sub_fetch(&k->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	key_free(k->key);
	key_free(k->cert);
	free(k->comment);
	free(k);
}

/* Takes k. */
static int key_wrap(struct key *k, const char *comment, struct sluice_key **ret)
{
	struct sluice_key *w = calloc(1, sizeof(*w));
	char *copy = strdup(comment);

	if (w == NULL || copy == NULL) {
		key_free(k);
		free(copy);
		free(w);
		return -ENOMEM;
	}
	w->refs = 1;
	w->key = k;
	w->comment = copy;
	*ret = w;
	return 0;
}

static int ask(void *arg, const char *what, char *buf, size_t size)
{
	const struct sluice_key_opts *o = arg;

	if (o->passphrase != NULL) {
		size_t n = strlen(o->passphrase);

		if (n > size)
			return -EKEYREJECTED;
		memcpy(buf, o->passphrase, n);
		return (int)n;
	}
	if (o->ask == NULL)
		return -ENOKEY;
	return (int)o->ask(o->arg, what, buf, size);
}

/* The program's options as crypto/ takes them; of an older program what it knew. */
static int opts_of(const struct sluice_key_opts *o, struct sluice_key_opts *known,
		   struct keyfile_opts *ret)
{
	memset(known, 0, sizeof(*known));
	memset(ret, 0, sizeof(*ret));
	if (o == NULL)
		return 0;
	if (o->size < offsetof(struct sluice_key_opts, subject) || o->size > sizeof(*known))
		return -EINVAL;
	memcpy(known, o, o->size);
	*ret = (struct keyfile_opts){.subject = known->subject, .thumbprint = known->thumbprint};
	if (known->passphrase != NULL || known->ask != NULL) {
		ret->passphrase = ask;
		ret->passphrase_arg = known;
	}
	return known->format != NULL ? keyfile_format_find(known->format, &ret->format) : 0;
}

static int key_take(struct keyfile *kf, struct sluice_key **ret)
{
	int r = -EBADMSG;

	if (key_is_private(kf->key))
		r = key_wrap(keyfile_take(kf), kf->comment, ret);
	keyfile_free(kf);
	return r;
}

int sluice_key_load(const char *path, const struct sluice_key_opts *opts, struct sluice_key **ret)
{
	struct sluice_key_opts known;
	struct keyfile_opts o;
	struct keyfile *kf = NULL;
	int r = opts_of(opts, &known, &o);

	if (r == 0)
		r = keyfile_load(path, &o, &kf);
	return r < 0 ? r : key_take(kf, ret);
}

int sluice_key_parse(const void *text, size_t len, const struct sluice_key_opts *opts,
		     struct sluice_key **ret)
{
	struct sluice_key_opts known;
	struct keyfile_opts o;
	struct keyfile *kf = NULL;
	int r = opts_of(opts, &known, &o);

	if (r == 0)
		r = keyfile_parse(text, len, &o, &kf);
	return r < 0 ? r : key_take(kf, ret);
}

int sluice_key_certificate(struct sluice_key *k, const char *line)
{
	struct key *cert = NULL;
	int r = cert_line_parse(line, strcspn(line, "\r\n"), &cert);

	if (r == 0 && !key_equal(key_plain(cert), k->key))
		r = -EINVAL;
	if (r < 0) {
		key_free(cert);
		return r;
	}
	key_free(k->cert);
	k->cert = cert;
	return 0;
}

int sluice_key_public(const char *line, struct sluice_key **ret)
{
	size_t len = strcspn(line, "\r\n");
	struct key *k = NULL;
	const char *comment;
	int r = cert_line_parse(line, len, &k);

	if (r == -ENOTSUP)
		r = key_public_line_parse(line, len, &k);
	if (r < 0)
		return r;
	comment = strchr(line, ' ');
	comment = comment != NULL ? strchr(comment + 1, ' ') : NULL;
	return key_wrap(k, comment != NULL ? comment + 1 : "", ret);
}

/* "type base64", malloc()ed. */
char *key_line(const struct key *k)
{
	size_t len, room;
	const uint8_t *blob = key_blob(k, &len);
	char *line;
	int n;

	room = strlen(key_type(k)) + 1 + base64_len(len) + 1;
	line = malloc(room);
	if (line == NULL)
		return NULL;
	n = snprintf(line, room, "%s ", key_type(k));
	base64_encode(blob, len, line + n);
	line[room - 1] = '\0';
	return line;
}

static ssize_t put(char *buf, size_t size, const char *text)
{
	if (size > 0)
		snprintf(buf, size, "%s", text);
	return (ssize_t)strlen(text);
}

static ssize_t put_fingerprint(const struct key *k, enum hash_alg alg, char *buf, size_t size)
{
	char text[256];
	int r = key_fingerprint_as(k, alg, text, sizeof(text));

	return r < 0 ? r : put(buf, size, text);
}

ssize_t sluice_key_info(const struct sluice_key *k, enum sluice_key_field f, char *buf, size_t size)
{
	char number[16], *line;
	ssize_t r;

	switch (f) {
	case SLUICE_KEY_TYPE:
		return put(buf, size, key_type(k->key));
	case SLUICE_KEY_BITS:
		snprintf(number, sizeof(number), "%u", key_bits(k->key));
		return put(buf, size, number);
	case SLUICE_KEY_LINE:
		line = key_line(k->key);
		r = line != NULL ? put(buf, size, line) : -ENOMEM;
		free(line);
		return r;
	case SLUICE_KEY_MD5:
		return put_fingerprint(k->key, HASH_MD5, buf, size);
	case SLUICE_KEY_SHA1:
		return put_fingerprint(k->key, HASH_SHA1, buf, size);
	case SLUICE_KEY_SHA256:
		return put_fingerprint(k->key, HASH_SHA256, buf, size);
	case SLUICE_KEY_COMMENT:
		return put(buf, size, k->comment);
	case SLUICE_KEY_PRIVATE:
		return put(buf, size, key_is_private(k->key) ? "yes" : "no");
	}
	return -EINVAL;
}
