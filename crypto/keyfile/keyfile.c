/* crypto/keyfile/keyfile.c - one load and one build, whatever the format. */
#include "crypto/keyfile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>

#include "crypto/keyfile/disk.h"
#include "crypto/keyfile/internal.h"
#include "crypto/secret.h"

static const struct keyfile_opts no_opts;

int kf_fail(struct kf_ctx *c, int r, const char *fmt, ...)
{
	va_list ap;

	if (c->o->why == NULL)
		return r;
	va_start(ap, fmt);
	vsnprintf(c->o->why, KEYFILE_WHY_MAX, fmt, ap);
	va_end(ap);
	return r;
}

static int pass_ask(const struct kf_ctx *c, bool within, struct kf_pass *pass)
{
	const struct keyfile_opts *o = c->o;
	int n;

	pass->p = secret_new(KEYFILE_PASSPHRASE_MAX + 1);
	if (pass->p == NULL)
		return -ENOMEM;
	n = (within ? o->key_passphrase : o->passphrase)(o->passphrase_arg, c->what, pass->p,
							 KEYFILE_PASSPHRASE_MAX);
	if (n > KEYFILE_PASSPHRASE_MAX)
		return -EINVAL;
	if (n < 0)
		return n;
	pass->len = (size_t)n;
	pass->p[n] = '\0';
	return 0;
}

int kf_passphrase(struct kf_ctx *c, const char **ret, size_t *ret_len)
{
	bool within = c->within && c->o->key_passphrase != NULL;
	struct kf_pass *pass = &c->pass[within];
	int r;

	c->kf->encrypted = true;
	if (c->too_open) /* not even asked for */
		return -EACCES;
	if (!within && c->o->passphrase == NULL)
		return -ENOKEY;
	r = pass->p == NULL ? pass_ask(c, within, pass) : 0;
	if (r < 0)
		return r;
	*ret = pass->p;
	*ret_len = pass->len;
	return 0;
}

static int file_new(struct keyfile **ret)
{
	struct keyfile *kf = calloc(1, sizeof(*kf));

	if (kf == NULL || keyfile_comment_set(kf, "", 0) < 0) {
		free(kf);
		return -ENOMEM;
	}
	*ret = kf;
	return 0;
}

int keyfile_new(struct key *k, const char *comment, struct keyfile **ret)
{
	struct keyfile *kf;
	int r = file_new(&kf);

	if (r == 0 && comment != NULL)
		r = keyfile_comment_set(kf, comment, strlen(comment));
	if (r < 0)
		return r;
	kf->key = k;
	*ret = kf;
	return 0;
}

/* What a terminal or a line of text could take for something else is not kept. */
int keyfile_comment_set(struct keyfile *kf, const char *comment, size_t len)
{
	char *copy;

	if (len > KEYFILE_COMMENT_MAX)
		len = KEYFILE_COMMENT_MAX;
	copy = malloc(len + 1);
	if (copy == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++)
		copy[i] = (unsigned char)comment[i] < 0x20 || comment[i] == 0x7f ? '?' : comment[i];
	copy[len] = '\0';
	free(kf->comment);
	kf->comment = copy;
	return 0;
}

static int context_parse(struct kf_ctx *c, struct blob_str s, struct keyfile **ret)
{
	int r;

	if (c->o->why != NULL)
		c->o->why[0] = '\0';
	r = file_new(&c->kf);
	if (r < 0)
		return r;
	r = kf_detect(c, s);
	if (r == 0 && c->kf->key == NULL)
		r = -EBADMSG;
	if (r == 0 && c->too_open && !c->o->public_half &&
	    (c->kf->key->is_private || c->kf->sk != NULL))
		r = -EACCES;
	ERR_clear_error();
	for (int i = 0; i < 2; i++)
		if (c->pass[i].p != NULL)
			secret_free(c->pass[i].p, KEYFILE_PASSPHRASE_MAX + 1);
	if (r < 0) {
		keyfile_free(c->kf);
		return r;
	}
	*ret = c->kf;
	return 0;
}

int keyfile_parse(const uint8_t *p, size_t len, const struct keyfile_opts *o, struct keyfile **ret)
{
	struct kf_ctx c = {.o = o == NULL ? &no_opts : o, .what = ""};

	if (len > KEYFILE_MAX)
		return -EFBIG;
	return context_parse(&c, (struct blob_str){p, len}, ret);
}

int keyfile_load(const char *path, const struct keyfile_opts *o, struct keyfile **ret)
{
	struct kf_ctx c = {.o = o == NULL ? &no_opts : o, .what = path};
	uint8_t *p = NULL;
	mode_t mode = 0;
	size_t len = 0;
	int r;

	if (o != NULL && o->why != NULL)
		o->why[0] = '\0';
	if (strncmp(path, "pkcs11:", strlen("pkcs11:")) == 0)
		return context_parse(&c, (struct blob_str){(const uint8_t *)path, strlen(path)},
				     ret);
	r = disk_read(path, &p, &len, &mode);
	if (r < 0)
		return r;
	c.too_open = (mode & 077) != 0;
	r = context_parse(&c, (struct blob_str){p, len}, ret);
	secret_free(p, len);
	if (r == -EACCES && c.too_open)
		kf_fail(&c, r, "Permissions %04o for '%s' are too open", mode & 0777, path);
	return r;
}

static void handle_free(struct keyfile_sk *sk)
{
	if (sk == NULL)
		return;
	free(sk->application);
	free(sk->handle);
	free(sk);
}

void keyfile_free(struct keyfile *kf)
{
	if (kf == NULL)
		return;
	for (unsigned int i = 0; i < kf->n_certs; i++)
		free(kf->cert[i].der);
	handle_free(kf->sk);
	key_free(kf->key);
	free(kf->comment);
	free(kf);
}

struct key *keyfile_take(struct keyfile *kf)
{
	struct key *k = kf->key;

	kf->key = NULL;
	return k;
}

const char *keyfile_error(int r)
{
	switch (r) {
	case -EBADMSG:
		return "not a key file, or a damaged one";
	case -ENOTSUP:
		return "key type, size or cipher not supported";
	case -EMEDIUMTYPE:
		return "file format not supported";
	case -ENOKEY:
		return "it is encrypted and no passphrase is given";
	case -EKEYREJECTED:
		return "incorrect passphrase supplied to decrypt private key";
	case -ESRCH:
		return "no key in it has that subject or thumbprint";
	case -EACCES:
		return "bad permissions";
	case -EINVAL:
		return "not a regular file";
	default:
		return strerror(-r);
	}
}

void keyfile_explain(int r, const char *path, const char *why, char ret[KEYFILE_TEXT_MAX])
{
	bool said = why != NULL && *why != '\0';

	if (r == -EACCES && said)
		snprintf(
			ret, KEYFILE_TEXT_MAX,
			"@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n"
			"@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @\n"
			"@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n"
			"%s.\n"
			"It is required that your private key files are NOT accessible by others.\n"
			"This private key will be ignored.\n"
			"Load key \"%s\": bad permissions\n",
			why, path);
	else
		snprintf(ret, KEYFILE_TEXT_MAX, "Load key \"%s\": %s%s%s%s\n", path,
			 r == -EACCES ? strerror(EACCES) : keyfile_error(r), said ? " (" : "",
			 said ? why : "", said ? ")" : "");
}

/* --- writing ---------------------------------------------------------------------------- */

int keyfile_build(const struct keyfile *kf, const struct keyfile_out *o, struct keyfile_bytes *ret)
{
	kf_build *build;
	struct blob_wr w;
	uint8_t *p;
	int r;

	if (o->private && !kf->key->is_private && kf->sk == NULL)
		return -EINVAL;
	if (o->private && kf->key->remote != NULL) /* it never leaves its token */
		return -ENOTSUP;
	if (kf->key->form == KEY_CERT && o->format != KEYFILE_AUTO &&
	    o->format != KEYFILE_OPENSSH && o->format != KEYFILE_RFC4716)
		return -ENOTSUP;
	build = kf_builder(o->format == KEYFILE_AUTO ? KEYFILE_OPENSSH : o->format, o->private);
	if (build == NULL || (kf->sk != NULL && o->private && build != kf_openssh_build))
		return -ENOTSUP;
	p = secret_new(KF_TEXT_MAX);
	if (p == NULL)
		return -ENOMEM;
	w = blob_wr_init(p, KF_TEXT_MAX);
	r = build(kf, o, &w);
	if (r == 0 && w.bad)
		r = -ENOMEM;
	ERR_clear_error();
	if (r < 0) {
		secret_free(p, KF_TEXT_MAX);
		return r;
	}
	*ret = (struct keyfile_bytes){p, w.len, KF_TEXT_MAX};
	return 0;
}

void keyfile_bytes_free(struct keyfile_bytes *b)
{
	secret_free(b->p, b->size);
	*b = (struct keyfile_bytes){0};
}
