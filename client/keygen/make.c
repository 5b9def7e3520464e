/* client/keygen/make.c - new keys. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "client/ask.h"
#include "client/command.h"
#include "client/keygen/keygen.h"
#include "crypto/secret.h"

#define PATH_LEN 4096
#define HOST_DIR "/etc/sluice"
#define DOT_US   200000
#define RSA_BITS 3072 /* ssh-keygen's choice */
#define DSA_BITS 1024

/* --- types ------------------------------------------------------------------------------ */

static const char *ecdsa_of(unsigned int bits)
{
	switch (bits) {
	case 0:
	case 256:
		return "ecdsa-sha2-nistp256";
	case 384:
		return "ecdsa-sha2-nistp384";
	case 521:
		return "ecdsa-sha2-nistp521";
	default:
		return NULL;
	}
}

/* The type's full name and size; NULL when there is none such. */
static const char *type_of(const char *said, unsigned int bits, unsigned int *ret_bits)
{
	static const struct {
		const char *said, *name;
		unsigned int bits;
	} types[] = {
		{"ed25519", "ssh-ed25519", 0},
		{"ssh-ed25519", "ssh-ed25519", 0},
		{"ed448", "ssh-ed448", 0},
		{"ssh-ed448", "ssh-ed448", 0},
		{"rsa", "ssh-rsa", RSA_BITS},
		{"ssh-rsa", "ssh-rsa", RSA_BITS},
		{"rsa-sha2-256", "ssh-rsa", RSA_BITS},
		{"rsa-sha2-512", "ssh-rsa", RSA_BITS},
		{"dsa", "ssh-dss", DSA_BITS},
		{"ssh-dss", "ssh-dss", DSA_BITS},
	};

	*ret_bits = 0;
	if (strcasecmp(said, "ecdsa") == 0)
		return ecdsa_of(bits);
	for (unsigned int i = 256; i <= 521; i += i == 256 ? 128 : 137)
		if (strcasecmp(said, ecdsa_of(i)) == 0)
			return ecdsa_of(i);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcasecmp(said, types[i].said) == 0) {
			/* Where there is but one size, a size that is said does not matter. */
			*ret_bits = types[i].bits == 0 ? 0 : bits != 0 ? bits : types[i].bits;
			return types[i].name;
		}
	return NULL;
}

/* --- making ----------------------------------------------------------------------------- */

static void on_dot(int sig)
{
	(void)sig;
	if (write(STDERR_FILENO, ".", 1) < 0)
		return;
}

/* Primes take their time: a dot now and then shows that something goes on. */
static void dots(bool on)
{
	const struct itimerval often = {{0, DOT_US}, {0, DOT_US}}, never = {{0, 0}, {0, 0}};
	const struct sigaction dot = {.sa_handler = on_dot, .sa_flags = SA_RESTART};

	if (on)
		sigaction(SIGALRM, &dot, NULL);
	setitimer(ITIMER_REAL, on ? &often : &never, NULL);
}

static int generate(const struct keygen *g, const char *type, unsigned int bits, struct key **ret)
{
	bool show = !g->quiet && bits != 0 && isatty(STDERR_FILENO);
	int r;

	if (show)
		dots(true);
	r = key_generate(type, bits, ret);
	if (show) {
		dots(false);
		fputc('\n', stderr);
	}
	if (r == -EINVAL)
		keygen_fail("%s keys cannot have %u bits", type, bits);
	else if (r < 0)
		keygen_fail("cannot make a %s key: %s", type, keyfile_error(r));
	return r;
}

static int path_of(const struct keygen *g, const char *type, char *path)
{
	char prompt[PATH_LEN + 64], def[PATH_LEN];
	int r = 0;

	if (g->file != NULL) {
		if (strlen(g->file) >= PATH_LEN)
			return -ENAMETOOLONG;
		strcpy(path, g->file);
		return 0;
	}
	r = keygen_default_path(type, def, sizeof(def));
	if (r < 0)
		return r;
	snprintf(prompt, sizeof(prompt), "Enter file in which to save the key (%s): ", def);
	r = ask_line(prompt, def, path, PATH_LEN);
	return r < 0 ? r : 0;
}

/* ~/.ssh is made when it is not there, for its owner alone. */
static void folder_make(const char *path)
{
	char folder[PATH_LEN];
	char *slash;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (slash == NULL || slash == folder)
		return;
	*slash = '\0';
	if (strcmp(strrchr(folder, '/') != NULL ? strrchr(folder, '/') : "", "/.ssh") == 0)
		mkdir(folder, 0700);
}

static bool may_replace(const struct keygen *g, const char *path)
{
	struct stat st;

	if (g->force || lstat(path, &st) < 0)
		return true;
	printf("%s already exists.\n", path);
	return ask_yes("Overwrite (y/n)? ");
}

static int save(const struct keygen *g, struct keyfile *kf, const char *path)
{
	struct keyfile_out o = {.format = g->format == KEYFILE_AUTO ? KEYFILE_OPENSSH : g->format,
				.private = true,
				.cipher = g->cipher,
				.rounds = g->rounds};
	char *pass = secret_new(KEYFILE_PASSPHRASE_MAX + 1);
	int r = pass == NULL ? -ENOMEM : keygen_new_passphrase(g, path, pass);

	if (r < 0) {
		keygen_fail("no passphrase: %s", strerror(-r));
	} else {
		o.passphrase = pass;
		r = keygen_save(kf, &o, path, true);
	}
	secret_free(pass, KEYFILE_PASSPHRASE_MAX + 1);
	return r;
}

static void report(const struct keygen *g, const struct keyfile *kf, const char *path)
{
	char fingerprint[128];

	if (g->quiet)
		return;
	printf("Your identification has been saved in %s\n"
	       "Your public key has been saved in %s.pub\n"
	       "The key fingerprint is:\n",
	       path, path);
	if (key_fingerprint(kf->key, fingerprint, sizeof(fingerprint)) == 0)
		printf("%s %s\n", fingerprint, kf->comment);
	printf("The key's randomart image is:\n");
	keygen_art_print(kf->key, "sha256");
}

static int make_at(const struct keygen *g, const char *type, unsigned int bits, const char *path)
{
	struct keyfile *kf = NULL;
	struct key *k = NULL;
	char who[512];
	int r;

	keygen_whoami(who, sizeof(who));
	r = generate(g, type, bits, &k);
	if (r < 0)
		return r;
	r = keyfile_new(k, g->comment != NULL ? g->comment : who, &kf);
	if (r < 0) {
		key_free(k);
		return r;
	}
	r = save(g, kf, path);
	if (r == 0)
		report(g, kf, path);
	keyfile_free(kf);
	return r;
}

int keygen_make(const struct keygen *g)
{
	unsigned int bits;
	const char *type = type_of(g->type, g->bits, &bits);
	char path[PATH_LEN];
	int r;

	if (type == NULL && strcasecmp(g->type, "ecdsa") == 0)
		return keygen_fail("ecdsa keys have 256, 384 or 521 bits, not %u", g->bits);
	if (type == NULL)
		return keygen_fail("unknown key type \"%s\": ed25519, ed448, ecdsa, rsa or dsa",
				   g->type);
	if (!g->quiet)
		printf("Generating public/private %s key pair.\n", g->type);
	r = path_of(g, type, path);
	if (r < 0)
		return keygen_fail("no file to save the key in: %s", strerror(-r));
	folder_make(path);
	if (!may_replace(g, path))
		return EXIT_FAILED;
	return make_at(g, type, bits, path) < 0 ? EXIT_FAILED : 0;
}

/* A host key of each type that is in use, where there is none yet. */
int keygen_make_host(const struct keygen *g)
{
	static const struct {
		const char *type, *name;
		unsigned int bits;
	} host[] = {
		{"ssh-rsa", "rsa", RSA_BITS},
		{"ecdsa-sha2-nistp256", "ecdsa", 0},
		{"ssh-ed25519", "ed25519", 0},
	};
	struct keygen own = *g;
	char path[PATH_LEN], who[512];
	struct stat st;

	keygen_whoami(who, sizeof(who));
	own.comment = g->comment != NULL ? g->comment : who;
	own.new_pass = "";
	own.quiet = true;
	for (size_t i = 0; i < sizeof(host) / sizeof(host[0]); i++) {
		if ((size_t)snprintf(path, sizeof(path), "%s%s/ssh_host_%s_key",
				     g->file != NULL ? g->file : "", HOST_DIR,
				     host[i].name) >= sizeof(path))
			return keygen_fail("the name is too long");
		if (lstat(path, &st) == 0)
			continue;
		if (!g->quiet)
			printf("Generating %s\n", path);
		if (make_at(&own, host[i].type, host[i].bits, path) < 0)
			return EXIT_FAILED;
	}
	return 0;
}
