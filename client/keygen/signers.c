#include "client/keygen/signers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/keygen/keygen.h"
#include "client/keygen/spec.h"
#include "conf/match.h"
#include "crypto/cert.h"

#define BLANK        " \t"
#define RSA_BITS_MIN 1024
#define FOREVER      UINT64_MAX

/* Of certificates: as sshd's default. */
static const char ca_algs[] = "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,"
			      "ecdsa-sha2-nistp521,sk-ssh-ed25519@openssh.com,"
			      "sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256";

struct signer {
	const char *principals; /* patterns */
	const char *namespaces; /* NULL: all */
	uint64_t after, before;
	bool authority;
	struct key *key;
};

/* --- lines ------------------------------------------------------------------------------ */

/* Cuts the word in front, in which quotes may hold blanks; NULL: a quote is open. */
static char *word_cut(char **rest)
{
	char *word = *rest, *p = word;
	bool quoted = false;

	for (; *p != '\0' && (quoted || strchr(BLANK, *p) == NULL); p++)
		quoted ^= *p == '"';
	if (quoted)
		return NULL;
	if (*p != '\0')
		*p++ = '\0';
	*rest = p + strspn(p, BLANK);
	return word;
}

/* The first field, around which quotes may hold blanks; NULL: it is malformed. */
static char *principals_cut(char **rest)
{
	char *word = word_cut(rest), *end;

	if (word == NULL || *word != '"')
		return word;
	end = strchr(++word, '"');
	if (end[1] != '\0')
		return NULL;
	*end = '\0';
	return word;
}

/* The next of "a,b=\"c,d\"", its value without quotes. False: malformed. */
static bool option_cut(char **rest, char **ret_name, char **ret_value)
{
	char *p = *rest + strcspn(*rest, "=,"), *end;

	*ret_name = *rest;
	*ret_value = NULL;
	if (*p == '=') {
		if (p[1] != '"')
			return false;
		*p = '\0';
		*ret_value = p + 2;
		end = strchr(p + 2, '"');
		if (end == NULL || (end[1] != ',' && end[1] != '\0'))
			return false;
		*end = '\0';
		p = end + 1;
	}
	if (*p == ',' && p[1] == '\0')
		return false;
	*rest = *p == ',' ? p + 1 : p;
	*p = '\0';
	return true;
}

/* Said twice is malformed. */
static int moment_take(uint64_t *at, uint64_t unsaid, const char *value)
{
	return *at == unsaid ? spec_moment(value, at) : -EINVAL;
}

static int option_take(struct signer *s, const char *name, const char *value)
{
	if (strcasecmp(name, "cert-authority") == 0 && value == NULL) {
		s->authority = true;
		return 0;
	}
	if (value == NULL)
		return -EINVAL;
	if (strcasecmp(name, "namespaces") == 0 && s->namespaces == NULL) {
		s->namespaces = value;
		return 0;
	}
	if (strcasecmp(name, "valid-after") == 0)
		return moment_take(&s->after, 0, value);
	if (strcasecmp(name, "valid-before") == 0)
		return moment_take(&s->before, FOREVER, value);
	return -EINVAL;
}

static int options_take(struct signer *s, char *text)
{
	char *name, *value;

	while (*text != '\0')
		if (!option_cut(&text, &name, &value) || option_take(s, name, value) < 0)
			return -EINVAL;
	return s->after < s->before ? 0 : -EINVAL;
}

/* Cuts the line; s borrows from it. -ENOENT: an empty one. */
static int line_parse(char *line, struct signer *s)
{
	char *options;
	int r;

	*s = (struct signer){.before = FOREVER};
	line[strcspn(line, "\r\n")] = '\0';
	line += strspn(line, BLANK);
	if (*line == '\0' || *line == '#')
		return -ENOENT;
	s->principals = principals_cut(&line);
	if (s->principals == NULL || *s->principals == '\0')
		return -EINVAL;
	if (key_public_line_parse(line, strlen(line), &s->key) == 0)
		return 0;
	options = word_cut(&line);
	if (options == NULL)
		return -EINVAL;
	r = options_take(s, options);
	return r < 0 ? r : key_public_line_parse(line, strlen(line), &s->key);
}

/* The next one that is well formed; false: the end. The line is the caller's to free. */
static bool signer_next(FILE *f, const char *path, unsigned int *number, char **line,
			struct signer *ret)
{
	size_t size = 0;
	ssize_t n;
	int r;

	for (;;) {
		free(*line);
		*line = NULL;
		n = getline(line, &size, f);
		if (n < 0)
			return false;
		(*number)++;
		r = memchr(*line, '\0', (size_t)n) != NULL ? -EINVAL : line_parse(*line, ret);
		if (r == 0)
			return true;
		if (r != -ENOENT)
			fprintf(stderr, "%s:%u: invalid line\n", path, *number);
		size = 0;
	}
}

/* --- asking ----------------------------------------------------------------------------- */

static bool certificate_holds(const struct signers_ask *a, const struct signer *s)
{
	const struct cert *cert = key_cert(a->key);
	const struct cert_rules rules = {.role = CERT_USER,
					 .name = a->principal,
					 .now = a->when,
					 .ca_algs = ca_algs,
					 .rsa_bits_min = RSA_BITS_MIN};
	const char *why = "";
	int r;

	if (cert == NULL || !key_equal(s->key, cert->ca))
		return false;
	r = cert_check(a->key, &rules, &why);
	if (r < 0)
		fprintf(stderr, "certificate not authorized: %s\n",
			r == -EACCES ? why : "its signature is wrong");
	return r == 0;
}

static bool allows(const struct signers_ask *a, const struct signer *s)
{
	if (a->principal != NULL && match_list(a->principal, s->principals, false) != MATCH_YES)
		return false;
	if (s->authority ? !certificate_holds(a, s) : !key_equal(s->key, a->key))
		return false;
	if (a->ns != NULL && s->namespaces != NULL &&
	    match_list(a->ns, s->namespaces, false) != MATCH_YES) {
		fprintf(stderr, "key is not permitted for use in signature namespace \"%s\"\n",
			a->ns);
		return false;
	}
	if (a->when < s->after || a->when > s->before) {
		fprintf(stderr, "key %s valid at the time of the signature\n",
			a->when < s->after ? "was not yet" : "was no longer");
		return false;
	}
	return true;
}

/* Those of a certificate that the line has patterns for. */
static char *principals_of(const struct signers_ask *a, const struct signer *s)
{
	const struct cert *cert = s->authority && a->principal == NULL ? key_cert(a->key) : NULL;
	char *text = NULL;
	size_t len;
	FILE *f;

	if (cert == NULL)
		return strdup(s->principals);
	f = open_memstream(&text, &len);
	if (f == NULL)
		return NULL;
	for (unsigned int i = 0; i < cert->n_principals; i++)
		if (match_list(cert->principals[i], s->principals, false) == MATCH_YES)
			fprintf(f, "%s%s", ftell(f) > 0 ? "," : "", cert->principals[i]);
	if (fclose(f) != 0 || len == 0) {
		free(text);
		return NULL;
	}
	return text;
}

int signers_look(const struct signers_ask *ask, char **ret_principals)
{
	FILE *f = fopen(ask->path, "re");
	unsigned int number = 0;
	char *line = NULL, *found = NULL;
	struct signer s;

	if (f == NULL)
		return -errno;
	while (found == NULL && signer_next(f, ask->path, &number, &line, &s)) {
		if (allows(ask, &s))
			found = principals_of(ask, &s);
		key_free(s.key);
	}
	free(line);
	fclose(f);
	if (found == NULL)
		return -EACCES;
	*ret_principals = found;
	return 0;
}

int signers_match(const char *path, const char *principal)
{
	FILE *f = fopen(path, "re");
	unsigned int number = 0;
	char *line = NULL;
	struct signer s;
	int r = -ENOENT;

	if (f == NULL)
		return -errno;
	while (signer_next(f, path, &number, &line, &s)) {
		if (match_list(principal, s.principals, false) == MATCH_YES) {
			puts(s.principals);
			r = 0;
		}
		key_free(s.key);
	}
	free(line);
	fclose(f);
	return r;
}
