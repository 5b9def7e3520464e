/*
 * client/keygen/known.c - files of known hosts: -F finds a host, -R removes one, -H hides all
 * names.
 *
 * Source  sshd(8), SSH_KNOWN_HOSTS FILE FORMAT; ssh-keygen(1), whose words and lines these are.
 * Files   one that has a line nobody understands is left as it is; what is replaced stays in
 *         FILE.old.
 */
#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/command.h"
#include "client/keygen/keygen.h"
#include "client/known/file.h"
#include "client/known/known.h"
#include "crypto/knownline.h"
#include "crypto/knownname.h"

#define PATH_LEN 4096

struct pass {
	const struct keygen *g;
	const char *path;
	char *host;         /* in lower case; NULL: none is looked for */
	unsigned long line; /* its number, from 1 */
	FILE *out;          /* what the file is to be; of -F: standard output */
	bool found, invalid, unhashed;
};

/* --- lines ------------------------------------------------------------------------------ */

/* One of a type this build does not know is a key, too. */
static bool is_key(const struct known_line *l)
{
	struct key *k = NULL;
	int r = key_public_line_parse(l->key, l->key_len, &k);

	key_free(k);
	return r == 0 || r == -ENOTSUP;
}

static void lower(char *p)
{
	for (; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
}

/* --- what is done with one -------------------------------------------------------------- */

/* Each name on a line of its own. 0, or -1 when it was said why not. */
static int names_hide(struct pass *p, const struct known_line *l, const char *line)
{
	char *names = strndup(l->names, l->names_len), *at = names, *name;
	char hidden[KNOWNNAME_LEN + 1];
	bool wild = names != NULL && strpbrk(names, "*?!") != NULL;
	int r = names != NULL ? 0 : -1;

	if (r == 0 && (*names == '|' || wild || l->marker != KNOWN_KEY)) {
		if (wild && p->host == NULL)
			fprintf(stderr, "%s:%lu: ignoring host name with wildcard: %.64s\n",
				p->path, p->line, names);
		fprintf(p->out, "%s\n", line);
		at = NULL;
	}
	while (r == 0 && (name = strsep(&at, ",")) != NULL) {
		if (*name == '\0')
			continue;
		lower(name);
		r = knownname_hash(name, hidden);
		if (r < 0)
			keygen_fail("no randomness");
		else
			fprintf(p->out, "%s %s\n", hidden, l->key);
		p->unhashed = true;
	}
	free(names);
	return r < 0 ? -1 : 0;
}

static int fingerprint_show(const struct pass *p, const struct known_line *l)
{
	struct keyfile *kf = NULL;
	char text[KEYGEN_FINGERPRINT_MAX];

	if (keyfile_parse((const uint8_t *)l->key, l->key_len, NULL, &kf) < 0) {
		keygen_fail("%s:%lu: no key", p->path, p->line);
		return -1;
	}
	keygen_fingerprint(p->g, kf->key, text);
	printf("%s %s %s%s%s\n", p->g->find, key_log_type(kf->key), text,
	       *kf->comment != '\0' ? " " : "", kf->comment);
	if (p->g->verbose)
		keygen_art_print(kf->key, p->g->hash != NULL ? p->g->hash : "sha256");
	keyfile_free(kf);
	return 0;
}

static int found_show(struct pass *p, const struct known_line *l, const char *line)
{
	static const char *const words[] = {
		[KNOWN_KEY] = "", [KNOWN_CA] = "CA", [KNOWN_REVOKED] = "REVOKED"};

	p->found = true;
	if (!p->g->quiet)
		printf("# Host %s found: line %lu %s\n", p->g->find, p->line, words[l->marker]);
	if (p->g->hide)
		return names_hide(p, l, line);
	if (p->g->fingerprints)
		return fingerprint_show(p, l);
	printf("%s\n", line);
	return 0;
}

/* Authorities and what is revoked stay: they are about more than a host. */
static void found_remove(struct pass *p, const struct known_line *l, const char *line)
{
	if (l->marker != KNOWN_KEY) {
		fprintf(p->out, "%s\n", line);
		return;
	}
	p->found = true;
	if (!p->g->quiet)
		printf("# Host %s found: line %lu\n", p->g->remove, p->line);
}

static int line_do(struct pass *p, const char *line)
{
	bool find = p->g->find != NULL, ours = false;
	struct known_line l;
	int r = known_line_cut(line, strlen(line), &l);
	bool ok = r == 0 && is_key(&l);

	if (!ok && r != -ENODATA) {
		p->invalid = true;
		if (!find)
			fprintf(stderr, "%s:%lu: invalid line\n", p->path, p->line);
	}
	if (ok && p->host != NULL) {
		r = known_line_names(&l, p->host, known_in_list);
		if (r < 0)
			return -1;
		ours = r > 0;
	}
	if (ok && p->host == NULL)
		return names_hide(p, &l, line);
	if (ours && find)
		return found_show(p, &l, line);
	if (ours)
		found_remove(p, &l, line);
	else if (!find)
		fprintf(p->out, "%s\n", line);
	return 0;
}

static int lines_do(struct pass *p)
{
	FILE *f = fopen(p->path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int r = 0;

	if (f == NULL) {
		keygen_fail("cannot read %s: %s", p->path, strerror(errno));
		return -1;
	}
	while (r == 0 && (n = getline(&line, &size, f)) > 0) {
		p->line++;
		if (memchr(line, '\0', (size_t)n) != NULL) {
			p->invalid = true;
			continue;
		}
		line[strcspn(line, "\r\n")] = '\0';
		r = line_do(p, line);
	}
	if (r == 0 && ferror(f)) {
		keygen_fail("cannot read %s: %s", p->path, strerror(errno));
		r = -1;
	}
	free(line);
	fclose(f);
	return r;
}

/* --- files ------------------------------------------------------------------------------ */

static int path_of(const struct keygen *g, char *buf, size_t size)
{
	const struct passwd *pw = getpwuid(getuid());
	const char *home = getenv("HOME");

	if (g->file != NULL)
		return (size_t)snprintf(buf, size, "%s", g->file) < size ? 0 : -1;
	if (home == NULL || *home == '\0')
		home = pw != NULL ? pw->pw_dir : "";
	return (size_t)snprintf(buf, size, "%s/.ssh/known_hosts", home) < size ? 0 : -1;
}

/* The file as it was gets another name, what it is to be takes its place. */
static int replace(const struct pass *p, const char *text, size_t len)
{
	char old[PATH_LEN + 8];
	struct stat st;
	int r;

	snprintf(old, sizeof(old), "%s.old", p->path);
	if (stat(p->path, &st) < 0 || (unlink(old) < 0 && errno != ENOENT) ||
	    link(p->path, old) < 0)
		return keygen_fail("cannot keep %s as %s: %s", p->path, old, strerror(errno));
	r = keyfile_write(p->path, text, len, st.st_mode & 0777, true);
	if (r < 0)
		return keygen_fail("cannot write %s: %s", p->path, strerror(-r));
	printf("%s updated.\nOriginal contents retained as %s\n", p->path, old);
	if (p->unhashed)
		fprintf(stderr,
			"WARNING: %s contains unhashed entries\n"
			"Delete this file to ensure privacy of hostnames\n",
			old);
	return 0;
}

static int change_locked(struct pass *p)
{
	char *text = NULL;
	size_t len;
	int r;

	p->out = open_memstream(&text, &len);
	if (p->out == NULL)
		return keygen_fail("no memory");
	r = lines_do(p);
	if (fclose(p->out) != 0 && r == 0)
		r = keygen_fail("no memory");
	if (r == 0 && p->invalid)
		r = keygen_fail("%s is not a valid known_hosts file: it stays as it is", p->path);
	else if (r == 0 && p->g->remove != NULL && !p->found)
		fprintf(stderr, "Host %s not found in %s\n", p->g->remove, p->path);
	else if (r == 0)
		r = replace(p, text, len);
	free(text);
	return r == 0 ? 0 : EXIT_FAILED;
}

/* What a client of ours adds meanwhile waits. */
static int change(struct pass *p)
{
	int fd, r = known_file_lock(p->path, false, &fd);

	if (r < 0)
		return keygen_fail("cannot change %s: %s", p->path, strerror(-r));
	r = change_locked(p);
	close(fd);
	return r;
}

int keygen_known(const struct keygen *g)
{
	const char *host = g->find != NULL ? g->find : g->remove;
	struct pass p = {.g = g, .out = stdout};
	char path[PATH_LEN];
	int r;

	if (path_of(g, path, sizeof(path)) < 0)
		return keygen_fail("the name of the file is too long");
	p.path = path;
	if (host != NULL) {
		p.host = strdup(host);
		if (p.host == NULL)
			return keygen_fail("no memory");
		lower(p.host);
	}
	if (g->find != NULL)
		r = lines_do(&p) == 0 && p.found ? 0 : EXIT_FAILED;
	else
		r = change(&p);
	free(p.host);
	return r;
}
