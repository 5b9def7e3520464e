/* client/keygen/files.c - reading and writing key files with a person at hand. */
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/ask.h"
#include "client/command.h"
#include "client/keygen/keygen.h"
#include "crypto/secret.h"

#define TRIES    3
#define PATH_LEN 4096

int keygen_fail(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("sluice keygen: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_FAILED;
}

int keygen_bytes(const char *path, size_t max, uint8_t **ret, size_t *ret_len)
{
	FILE *f = fopen(path, "re");
	uint8_t *p = f != NULL ? malloc(max + 1) : NULL; /* takes memory as it is written to */
	int err = p == NULL ? errno : 0;
	size_t n = 0;

	if (p != NULL) {
		n = fread(p, 1, max + 1, f);
		if (ferror(f))
			err = errno;
		else if (n > max)
			err = EFBIG;
	}
	if (f != NULL)
		fclose(f);
	if (err != 0) {
		free(p);
		keygen_fail("cannot read %s: %s", path, strerror(err));
		return -err;
	}
	*ret = p;
	*ret_len = n;
	return 0;
}

/* --- passphrases ------------------------------------------------------------------------ */

struct asking {
	const struct keygen *g;
	bool asked; /* a person was: another try makes sense */
};

static int pass_copy(const char *pass, char *buf, size_t size)
{
	size_t len = strlen(pass);

	if (len > size)
		return -E2BIG;
	memcpy(buf, pass, len);
	return (int)len;
}

static int pass_from_file(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");
	int n = -ENOKEY;

	if (f == NULL)
		return -errno;
	setvbuf(f, NULL, _IONBF, 0); /* no copy of it is left in a buffer of stdio's */
	if (fgets(buf, (int)size, f) != NULL)
		n = (int)strcspn(buf, "\r\n");
	fclose(f);
	return n;
}

static int on_passphrase(void *arg, const char *what, char *buf, size_t size)
{
	struct asking *a = arg;
	char prompt[PATH_LEN + 64];

	if (a->g->old_pass != NULL)
		return pass_copy(a->g->old_pass, buf, size);
	if (a->g->pass_file != NULL)
		return pass_from_file(a->g->pass_file, buf, size);
	snprintf(prompt, sizeof(prompt), "Enter passphrase for \"%s\": ", what);
	a->asked = true;
	return ask_secret(prompt, buf, size);
}

int keygen_new_passphrase(const struct keygen *g, const char *what, char *buf)
{
	char prompt[PATH_LEN + 64], *again;
	int n = -EKEYREJECTED;

	if (g->new_pass != NULL) {
		n = pass_copy(g->new_pass, buf, KEYFILE_PASSPHRASE_MAX);
		if (n >= 0)
			buf[n] = '\0';
		return n;
	}
	again = secret_new(KEYFILE_PASSPHRASE_MAX + 1);
	if (again == NULL)
		return -ENOMEM;
	snprintf(prompt, sizeof(prompt),
		 "Enter passphrase for \"%s\" (empty for no passphrase): ", what);
	for (int i = 0; i < TRIES && n == -EKEYREJECTED; i++) {
		n = ask_secret(prompt, buf, KEYFILE_PASSPHRASE_MAX + 1);
		if (n >= 0)
			n = ask_secret("Enter same passphrase again: ", again,
				       KEYFILE_PASSPHRASE_MAX + 1);
		if (n >= 0 && strcmp(buf, again) != 0) {
			fprintf(stderr, "Passphrases do not match.  Try again.\n");
			n = -EKEYREJECTED;
		}
	}
	secret_free(again, KEYFILE_PASSPHRASE_MAX + 1);
	return n;
}

/* --- reading ---------------------------------------------------------------------------- */

int keygen_load(const struct keygen *g, const char *path, bool public_half, struct keyfile **ret)
{
	struct asking a = {g, false};
	char why[KEYFILE_WHY_MAX] = "", text[KEYFILE_TEXT_MAX];
	struct keyfile_opts o = {.passphrase = on_passphrase,
				 .passphrase_arg = &a,
				 .subject = g->subject,
				 .thumbprint = g->thumbprint,
				 .public_half = public_half,
				 .why = why};
	int r = -EKEYREJECTED;

	for (int i = 0; i < TRIES && r == -EKEYREJECTED; i++) {
		if (i > 0)
			fprintf(stderr, "Bad passphrase, try again.\n");
		a.asked = false;
		r = keyfile_load(path, &o, ret);
		if (!a.asked)
			break;
	}
	if (r < 0) {
		keyfile_explain(r, path, why, text);
		fputs(text, stderr);
	}
	return r;
}

/* --- writing ---------------------------------------------------------------------------- */

static int write_said(const char *path, const struct keyfile_bytes *b, mode_t mode, bool replace)
{
	int r = keyfile_write(path, b->p, b->len, mode, replace);

	if (r < 0)
		keygen_fail("cannot write %s: %s", path, strerror(-r));
	return r;
}

int keygen_save(const struct keyfile *kf, const struct keyfile_out *o, const char *path,
		bool replace)
{
	const struct keyfile_out public = {.format = KEYFILE_OPENSSH};
	struct keyfile_bytes b;
	char pub[PATH_LEN];
	int r;

	if ((size_t)snprintf(pub, sizeof(pub), "%s.pub", path) >= sizeof(pub))
		return -ENAMETOOLONG;
	r = keyfile_build(kf, o, &b);
	if (r < 0) {
		keygen_fail(
			"cannot make a %s file of this key%s: %s", keyfile_format_name(o->format),
			o->passphrase != NULL && *o->passphrase != '\0' ? " with a passphrase" : "",
			keyfile_error(r));
		return r;
	}
	r = write_said(path, &b, 0600, replace);
	keyfile_bytes_free(&b);
	if (r < 0)
		return r;
	r = keyfile_build(kf, &public, &b);
	if (r < 0)
		return r;
	r = write_said(pub, &b, 0644, true);
	keyfile_bytes_free(&b);
	return r;
}

/* --- names ------------------------------------------------------------------------------ */

void keygen_whoami(char *buf, size_t size)
{
	const struct passwd *pw = getpwuid(getuid());
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	snprintf(buf, size, "%s@%s", pw != NULL ? pw->pw_name : "unknown", host);
}

int keygen_default_path(const char *type, char *buf, size_t size)
{
	const struct passwd *pw = getpwuid(getuid());
	const char *home = getenv("HOME"), *name = type;

	if (home == NULL || *home == '\0')
		home = pw != NULL ? pw->pw_dir : NULL;
	if (home == NULL)
		return -ENOENT;
	if (strncmp(type, "ssh-", 4) == 0)
		name = strcmp(type, "ssh-dss") == 0 ? "dsa" : type + 4;
	else if (strncmp(type, "ecdsa-", 6) == 0)
		name = "ecdsa";
	if ((size_t)snprintf(buf, size, "%s/.ssh/id_%s", home, name) >= size)
		return -ENAMETOOLONG;
	return 0;
}
