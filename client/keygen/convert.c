/* client/keygen/convert.c - the same key in another form: -y, -e, -i, -p, -c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/ask.h"
#include "client/command.h"
#include "client/keygen/keygen.h"
#include "crypto/secret.h"

#define PATH_LEN 4096

/* -f, or the usual key; asked for when there is neither. */
static int path_of(const struct keygen *g, char *path)
{
	char prompt[PATH_LEN + 64], def[PATH_LEN];
	int r;

	if (g->file != NULL)
		return (size_t)snprintf(path, PATH_LEN, "%s", g->file) < PATH_LEN ? 0
										  : -ENAMETOOLONG;
	r = keygen_default_path("ssh-ed25519", def, sizeof(def));
	if (r < 0)
		return r;
	snprintf(prompt, sizeof(prompt), "Enter file in which the key is (%s): ", def);
	r = ask_line(prompt, def, path, PATH_LEN);
	return r < 0 ? r : 0;
}

static int load(const struct keygen *g, bool public_half, char *path, struct keyfile **ret)
{
	int r = path_of(g, path);

	if (r < 0) {
		keygen_fail("no key file: %s", strerror(-r));
		return r;
	}
	return keygen_load(g, path, public_half, ret);
}

/* To --out, or standard output. */
static int bytes_put(const struct keygen *g, const struct keyfile_bytes *b, bool private)
{
	int r;

	if (g->out != NULL) {
		r = keyfile_write(g->out, b->p, b->len, private ? 0600 : 0644, g->force);
		if (r == -EEXIST)
			return keygen_fail("%s exists: take another name, or --force", g->out);
		return r < 0 ? keygen_fail("cannot write %s: %s", g->out, strerror(-r)) : 0;
	}
	/* Not by stdio, whose buffer would keep a copy. */
	for (size_t at = 0; at < b->len;) {
		ssize_t n = write(STDOUT_FILENO, b->p + at, b->len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return keygen_fail("cannot write: %s", strerror(errno));
		at += (size_t)n;
	}
	return 0;
}

static int put_as(const struct keygen *g, const struct keyfile *kf, const struct keyfile_out *o)
{
	struct keyfile_bytes b;
	int r = keyfile_build(kf, o, &b);

	if (r == -ENOTSUP)
		return keygen_fail("a %s key has no %s form as %s", key_type(kf->key),
				   o->private ? "private" : "public",
				   keyfile_format_name(o->format));
	if (r < 0)
		return keygen_fail("cannot convert the key: %s",
				   r == -EINVAL ? "there is no private half in it"
						: keyfile_error(r));
	fflush(stdout);
	r = bytes_put(g, &b, o->private);
	keyfile_bytes_free(&b);
	return r;
}

int keygen_public(const struct keygen *g)
{
	const struct keyfile_out o = {.format = KEYFILE_OPENSSH};
	struct keyfile *kf = NULL;
	char path[PATH_LEN];
	int r;

	if (load(g, false, path, &kf) < 0)
		return EXIT_FAILED;
	r = put_as(g, kf, &o);
	keyfile_free(kf);
	return r;
}

/* The passphrase of what goes out: only where it is asked for, or cannot be done without. */
static int put_private(const struct keygen *g, const struct keyfile *kf, struct keyfile_out *o)
{
	char *pass = secret_new(KEYFILE_PASSPHRASE_MAX + 1);
	int r;

	if (pass == NULL)
		return keygen_fail("no memory that can be locked");
	r = 0;
	if (g->new_pass != NULL || o->format == KEYFILE_PFX)
		r = keygen_new_passphrase(g, g->out != NULL ? g->out : "what is written", pass);
	o->passphrase = pass;
	r = r < 0 ? keygen_fail("no passphrase: %s", strerror(-r)) : put_as(g, kf, o);
	secret_free(pass, KEYFILE_PASSPHRASE_MAX + 1);
	return r;
}

int keygen_export(const struct keygen *g)
{
	struct keyfile_out o = {.format = g->format_given ? g->format : KEYFILE_RFC4716,
				.private = g->private,
				.cipher = g->cipher,
				.rounds = g->rounds};
	struct keyfile *kf = NULL;
	char path[PATH_LEN];
	int r;

	/* These two are of private keys alone. */
	if (o.format == KEYFILE_PPK || o.format == KEYFILE_PFX)
		o.private = true;
	if (load(g, !o.private, path, &kf) < 0)
		return EXIT_FAILED;
	if (g->comment != NULL && keyfile_comment_set(kf, g->comment, strlen(g->comment)) < 0)
		r = keygen_fail("no memory");
	else
		r = o.private ? put_private(g, kf, &o) : put_as(g, kf, &o);
	keyfile_free(kf);
	return r;
}

int keygen_import(const struct keygen *g)
{
	struct keyfile_out o = {
		.format = KEYFILE_OPENSSH, .cipher = g->cipher, .rounds = g->rounds};
	struct keyfile *kf = NULL;
	char path[PATH_LEN];
	int r;

	if (load(g, false, path, &kf) < 0)
		return EXIT_FAILED;
	if (g->format_given && g->format != KEYFILE_AUTO && kf->format != g->format &&
	    g->format != KEYFILE_PEM)
		r = keygen_fail("%s is %s, not %s", path, keyfile_format_name(kf->format),
				keyfile_format_name(g->format));
	else if (g->comment != NULL && keyfile_comment_set(kf, g->comment, strlen(g->comment)) < 0)
		r = keygen_fail("no memory");
	else {
		o.private = key_is_private(kf->key);
		r = o.private ? put_private(g, kf, &o) : put_as(g, kf, &o);
	}
	keyfile_free(kf);
	return r;
}

/* The file again in its own format, or in -m's; a format that is not written becomes OpenSSH's. */
static int rewrite(const struct keygen *g, const struct keyfile *kf, const char *path,
		   const char *pass)
{
	struct keyfile_out o = {.format = g->format_given ? g->format : kf->format,
				.private = true,
				.passphrase = pass,
				.cipher = g->cipher,
				.rounds = g->rounds};

	if (!key_is_private(kf->key) && kf->sk == NULL)
		return keygen_fail("%s holds no private key", path);
	return keygen_save(kf, &o, path, true) < 0 ? EXIT_FAILED : 0;
}

int keygen_passphrase(const struct keygen *g)
{
	char path[PATH_LEN], *pass;
	struct keyfile *kf = NULL;
	int r;

	if (load(g, false, path, &kf) < 0)
		return EXIT_FAILED;
	if (!g->quiet && *kf->comment != '\0')
		printf("Key has comment '%s'\n", kf->comment);
	fflush(stdout);
	pass = secret_new(KEYFILE_PASSPHRASE_MAX + 1);
	r = pass == NULL ? -ENOMEM : keygen_new_passphrase(g, path, pass);
	r = r < 0 ? keygen_fail("no passphrase: %s", strerror(-r)) : rewrite(g, kf, path, pass);
	if (r == 0 && !g->quiet)
		printf("Your identification has been saved with the new passphrase.\n");
	secret_free(pass, KEYFILE_PASSPHRASE_MAX + 1);
	keyfile_free(kf);
	return r;
}

/* The passphrase that opened the file closes it again. */
struct kept {
	const struct keygen *g;
	char pass[KEYFILE_PASSPHRASE_MAX + 1];
};

static int on_passphrase(void *arg, const char *what, char *buf, size_t size)
{
	struct kept *k = arg;
	char prompt[PATH_LEN + 64];
	int n;

	snprintf(prompt, sizeof(prompt), "Enter passphrase for \"%s\": ", what);
	if (k->g->old_pass != NULL)
		n = snprintf(k->pass, sizeof(k->pass), "%s", k->g->old_pass);
	else
		n = ask_secret(prompt, k->pass, sizeof(k->pass));
	if (n < 0)
		return n;
	if ((size_t)n > size)
		return -E2BIG;
	memcpy(buf, k->pass, (size_t)n);
	return n;
}

static int comment_ask(const struct keygen *g, struct keyfile *kf)
{
	char comment[KEYFILE_COMMENT_MAX + 1];
	int n;

	if (g->comment != NULL)
		return keyfile_comment_set(kf, g->comment, strlen(g->comment));
	printf("Old comment: %s\n", kf->comment);
	n = ask_line("New comment: ", "", comment, sizeof(comment));
	return n < 0 ? n : keyfile_comment_set(kf, comment, (size_t)n);
}

int keygen_comment(const struct keygen *g)
{
	struct kept *k = secret_new(sizeof(*k));
	char path[PATH_LEN], why[KEYFILE_WHY_MAX] = "", text[KEYFILE_TEXT_MAX];
	struct keyfile_opts o = {.passphrase = on_passphrase, .passphrase_arg = k, .why = why};
	struct keyfile *kf = NULL;
	int r;

	if (k == NULL)
		return keygen_fail("no memory that can be locked");
	k->g = g;
	r = path_of(g, path);
	if (r == 0)
		r = keyfile_load(path, &o, &kf);
	if (r < 0) {
		keyfile_explain(r, path, why, text);
		fputs(text, stderr);
		secret_free(k, sizeof(*k));
		return EXIT_FAILED;
	}
	if (kf->format != KEYFILE_OPENSSH && kf->format != KEYFILE_PPK)
		r = keygen_fail("a %s file has no comment", keyfile_format_name(kf->format));
	else if (comment_ask(g, kf) < 0)
		r = keygen_fail("no comment");
	else
		r = rewrite(g, kf, path, k->pass);
	if (r == 0 && !g->quiet)
		printf("Comment '%s' applied\n", kf->comment);
	keyfile_free(kf);
	secret_free(k, sizeof(*k));
	return r;
}
