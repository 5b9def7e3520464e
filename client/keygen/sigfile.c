/*
 * client/keygen/sigfile.c - signatures of files: -Y sign, verify, check-novalidate,
 * find-principals, match-principals; the words and lines are ssh-keygen(1)'s, which git and others
 * read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/command.h"
#include "client/keygen/keygen.h"
#include "client/keygen/signers.h"
#include "client/keygen/spec.h"
#include "crypto/krl.h"
#include "crypto/sshsig.h"

#define PATH_LEN 4096

/* What -O said. */
struct sig_options {
	enum hash_alg hash;
	uint64_t when;
	bool print_key;
};

static int options_read(const struct keygen *g, struct sig_options *ret)
{
	*ret = (struct sig_options){.hash = HASH_SHA512, .when = (uint64_t)time(NULL)};
	for (unsigned int i = 0; i < g->n_options; i++) {
		const char *o = g->options[i];

		if (strncmp(o, "hashalg=", 8) == 0) {
			ret->hash = sshsig_hash_find(o + 8, strlen(o + 8));
			if (ret->hash == 0)
				return keygen_fail("hashalg is sha256 or sha512");
		} else if (strncmp(o, "verify-time=", 12) == 0) {
			if (spec_moment(o + 12, &ret->when) < 0)
				return keygen_fail("\"%s\" is no time", o + 12);
		} else if (strcmp(o, "print-pubkey") == 0) {
			ret->print_key = true;
		} else {
			return keygen_fail("unknown option \"%s\"", o);
		}
	}
	return 0;
}

/* --- signing ---------------------------------------------------------------------------- */

static int sign_fd(const struct keygen *g, const struct key *k, int fd, const char *name,
		   char text[SSHSIG_TEXT_MAX], size_t *len)
{
	uint8_t digest[HASH_LEN_MAX];
	struct sig_options o;
	int r = options_read(g, &o);

	if (r != 0)
		return r;
	r = sshsig_digest_fd(o.hash, fd, digest);
	if (r < 0)
		return keygen_fail("cannot read %s: %s", name, strerror(-r));
	*len = SSHSIG_TEXT_MAX;
	r = sshsig_sign(k, g->principals, o.hash, digest, text, len);
	return r < 0 ? keygen_fail("cannot sign %s with this key: %s", name, strerror(-r)) : 0;
}

static int sign_file(const struct keygen *g, const struct key *k, const char *path)
{
	static char text[SSHSIG_TEXT_MAX];
	char out[PATH_LEN];
	size_t len;
	int fd, r;

	if ((size_t)snprintf(out, sizeof(out), "%s.sig", path) >= sizeof(out))
		return keygen_fail("the name of the file is too long");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return keygen_fail("cannot read %s: %s", path, strerror(errno));
	if (!g->quiet)
		fprintf(stderr, "Signing file %s\n", path);
	r = sign_fd(g, k, fd, path, text, &len);
	close(fd);
	if (r != 0)
		return r;
	r = keyfile_write(out, text, len, 0644, g->force);
	if (r < 0)
		return keygen_fail("cannot write %s: %s", out, strerror(-r));
	if (!g->quiet)
		fprintf(stderr, "Write signature to %s\n", out);
	return 0;
}

static int sign_input(const struct keygen *g, const struct key *k)
{
	static char text[SSHSIG_TEXT_MAX];
	size_t len;
	int r = sign_fd(g, k, STDIN_FILENO, "standard input", text, &len);

	if (r == 0 && (fwrite(text, 1, len, stdout) != len || fflush(stdout) != 0))
		r = keygen_fail("cannot write: %s", strerror(errno));
	return r;
}

static int sign(const struct keygen *g)
{
	struct keyfile *kf = NULL;
	int r = 0;

	if (g->file == NULL || g->principals == NULL)
		return keygen_fail("signing needs a key (-f) and a namespace (-n)");
	if (keygen_load(g, g->file, false, &kf) < 0)
		return EXIT_FAILED;
	if (g->n_files == 0)
		r = sign_input(g, kf->key);
	for (unsigned int i = 0; i < g->n_files && r == 0; i++)
		r = sign_file(g, kf->key, g->files[i]);
	keyfile_free(kf);
	return r;
}

/* --- looking ---------------------------------------------------------------------------- */

static int signature_load(const char *path, struct sshsig **ret)
{
	uint8_t *p;
	size_t len;
	int r;

	if (path == NULL) {
		keygen_fail("name the file of the signature with -s");
		return -1;
	}
	if (keygen_bytes(path, SSHSIG_TEXT_MAX, &p, &len) < 0)
		return -1;
	r = sshsig_parse((const char *)p, len, ret);
	free(p);
	if (r < 0)
		keygen_fail("%s: no signature of a file (%s)", path, strerror(-r));
	return r;
}

/* 0: not revoked, or nobody asks. */
static int revoked_ask(const struct keygen *g, const struct key *k)
{
	struct krl *krl = NULL;
	uint8_t *p;
	size_t len;
	int r;

	if (g->revoked == NULL)
		return 0;
	if (keygen_bytes(g->revoked, KRL_FILE_MAX, &p, &len) < 0)
		return -1;
	r = krl_parse(p, len, &krl);
	free(p);
	if (r == 0)
		r = krl_check(krl, k);
	krl_free(krl);
	if (r < 0)
		keygen_fail(r == -EKEYREVOKED ? "the key of the signature is revoked"
					      : "whether the key is revoked nobody knows");
	return r;
}

static int signature_check(const struct keygen *g, const struct sshsig *s)
{
	uint8_t digest[HASH_LEN_MAX];
	int r = sshsig_digest_fd(s->hash, STDIN_FILENO, digest);

	if (r < 0) {
		keygen_fail("cannot read standard input: %s", strerror(-r));
		return r;
	}
	r = sshsig_verify(s, g->principals, digest);
	if (r < 0)
		keygen_fail("Signature verification failed: %s",
			    r == -EPERM ? "it is of another namespace" : "incorrect signature");
	return r;
}

static void key_print(const struct sshsig *s)
{
	struct keyfile kf = {.key = s->key, .comment = (char *)""};
	const struct keyfile_out out = {.format = KEYFILE_OPENSSH};
	struct keyfile_bytes b;

	if (keyfile_build(&kf, &out, &b) < 0)
		return;
	while (b.len > 0 && (b.p[b.len - 1] == '\n' || b.p[b.len - 1] == ' '))
		b.len--;
	printf("%.*s\n", (int)b.len, (const char *)b.p);
	keyfile_bytes_free(&b);
}

/* as: whose it is to be; NULL: nobody's in particular. */
static int verify_as(const struct keygen *g, const char *as)
{
	struct sshsig *s = NULL;
	struct sig_options o;
	char fp[KEYGEN_FINGERPRINT_MAX], *whose = NULL;
	int r;

	if (g->principals == NULL || (as != NULL && g->file == NULL))
		return keygen_fail("a namespace (-n)%s is needed",
				   as != NULL ? " and allowed signers (-f)" : "");
	r = options_read(g, &o) != 0 ? -EINVAL : signature_load(g->ca, &s);
	if (r == 0)
		r = signature_check(g, s);
	if (r == 0)
		r = revoked_ask(g, s->key);
	if (r == 0 && as != NULL) {
		const struct signers_ask ask = {g->file, s->key, as, g->principals, o.when};

		r = signers_look(&ask, &whose);
		free(whose);
	}
	if (r < 0 && !g->quiet)
		printf("Could not verify signature.\n");
	if (r == 0 && !g->quiet) {
		keygen_fingerprint(g, s->key, fp);
		printf("Good \"%s\" signature %s%s%swith %s key %s\n", s->ns,
		       as != NULL ? "for " : "", as != NULL ? as : "", as != NULL ? " " : "",
		       key_log_type(s->key), fp);
	}
	if (r == 0 && o.print_key)
		key_print(s);
	sshsig_free(s);
	return r == 0 ? 0 : EXIT_FAILED;
}

static int verify(const struct keygen *g)
{
	return g->id == NULL ? keygen_fail("as whom is to be said with -I") : verify_as(g, g->id);
}

static int check_novalidate(const struct keygen *g)
{
	return verify_as(g, NULL);
}

static int find_principals(const struct keygen *g)
{
	struct sshsig *s = NULL;
	struct sig_options o;
	char *whose = NULL, *rest, *name;
	int r;

	if (g->file == NULL)
		return keygen_fail("name the allowed signers with -f");
	if (options_read(g, &o) != 0 || signature_load(g->ca, &s) < 0)
		return EXIT_FAILED;
	r = signers_look(&(struct signers_ask){g->file, s->key, NULL, NULL, o.when}, &whose);
	if (r == -EACCES)
		fprintf(stderr, "No principal matched.\n");
	else if (r < 0)
		keygen_fail("cannot read %s: %s", g->file, strerror(-r));
	for (rest = whose; r == 0 && (name = strsep(&rest, ",")) != NULL;)
		puts(name);
	free(whose);
	sshsig_free(s);
	return r == 0 ? 0 : EXIT_FAILED;
}

static int match_principals(const struct keygen *g)
{
	int r;

	if (g->file == NULL || g->id == NULL)
		return keygen_fail("allowed signers (-f) and a principal (-I) are needed");
	r = signers_match(g->file, g->id);
	if (r == -ENOENT)
		fprintf(stderr, "No principal matched.\n");
	else if (r < 0)
		keygen_fail("cannot read %s: %s", g->file, strerror(-r));
	return r == 0 ? 0 : EXIT_FAILED;
}

int keygen_signature(const struct keygen *g)
{
	static const struct {
		const char *name;
		int (*run)(const struct keygen *g);
	} ways[] = {{"sign", sign},
		    {"verify", verify},
		    {"check-novalidate", check_novalidate},
		    {"find-principals", find_principals},
		    {"match-principals", match_principals}};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(ways[i].name, g->signature) == 0)
			return ways[i].run(g);
	return keygen_fail("-Y is sign, verify, check-novalidate, find-principals or "
			   "match-principals, not \"%s\"",
			   g->signature);
}
