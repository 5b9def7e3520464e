/* client/keygen/list.c - fingerprints: -l, with -v a picture, with --json all that is known. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "client/command.h"
#include "client/keygen/keygen.h"
#include "client/known/art.h"
#include "crypto/certinfo.h"
#include "crypto/hash.h"

#define LINE_LEN_MAX (64 * 1024)

static const struct {
	const char *name;
	enum hash_alg alg;
} hashes[] = {
	{"md5", HASH_MD5},       {"sha1", HASH_SHA1},     {"sha256", HASH_SHA256},
	{"sha384", HASH_SHA384}, {"sha512", HASH_SHA512},
};

static int hash_of(const char *name)
{
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		if (strcasecmp(hashes[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* Room for "SHA512:" and its base64. */
static void fingerprint(const struct key *k, const char *hash, char ret[KEYGEN_FINGERPRINT_MAX])
{
	if (key_fingerprint_as(k, hashes[hash_of(hash)].alg, ret, KEYGEN_FINGERPRINT_MAX) < 0)
		*ret = '\0';
}

void keygen_fingerprint(const struct keygen *g, const struct key *k,
			char buf[KEYGEN_FINGERPRINT_MAX])
{
	fingerprint(k, g->hash != NULL && hash_of(g->hash) >= 0 ? g->hash : "sha256", buf);
}

void keygen_fingerprint_print(const struct keygen *g, const struct key *k, const char *comment)
{
	const char *hash = g->hash != NULL ? g->hash : "sha256";
	char text[KEYGEN_FINGERPRINT_MAX];

	fingerprint(k, hash, text);
	printf("%u %s %s (%s)\n", key_bits(k), text, *comment != '\0' ? comment : "no comment",
	       key_log_type(k));
	if (g->verbose)
		keygen_art_print(k, hash);
}

void keygen_art_print(const struct key *k, const char *hash)
{
	char art[KNOWN_ART_MAX];

	fputs(known_art(k, hashes[hash_of(hash)].alg, art), stdout);
}

/* --- as JSON ---------------------------------------------------------------------------- */

static void text_set(json_t *o, const struct keyfile *kf, const char *name,
		     enum keyfile_format format)
{
	const struct keyfile_out out = {.format = format};
	struct keyfile_bytes b;

	if (keyfile_build(kf, &out, &b) < 0)
		return;
	while (b.len > 0 && b.p[b.len - 1] == '\n' && format == KEYFILE_OPENSSH)
		b.len--;
	json_object_set_new(o, name, json_stringn((const char *)b.p, b.len));
	keyfile_bytes_free(&b);
}

static void cert_set(json_t *o, const struct keyfile *kf)
{
	struct certinfo c;
	int r = certinfo_key(kf->key, &c);

	if (r == -ENOENT && kf->n_certs > 0)
		r = certinfo_x509(kf->cert[0].der, kf->cert[0].len, &c);
	if (r < 0)
		return;
	for (int i = 0; i < CERTINFO_FIELDS; i++)
		if (c.text[i] != NULL)
			json_object_set_new(o, certinfo_name(i),
					    i == CERTINFO_KEY_USAGE_BITS
						    ? json_integer(atol(c.text[i]))
						    : json_string(c.text[i]));
	certinfo_fini(&c);
}

static json_t *json_of(const struct keyfile *kf)
{
	json_t *o = json_object();
	char text[KEYGEN_FINGERPRINT_MAX];
	size_t len;
	const uint8_t *blob = key_blob(key_plain(kf->key), &len);

	json_object_set_new(o, "type", json_string(key_type(kf->key)));
	json_object_set_new(o, "bits", json_integer(key_bits(kf->key)));
	json_object_set_new(o, "has_private", json_boolean(key_is_private(kf->key)));
	json_object_set_new(o, "format", json_string(keyfile_format_name(kf->format)));
	json_object_set_new(o, "encrypted", json_boolean(kf->encrypted));
	json_object_set_new(o, "comment", json_string(kf->comment));
	for (int i = 0; i < 3; i++) {
		if (hash_pairs(hashes[i].alg, blob, len, text) == 0)
			json_object_set_new(o, hashes[i].name, json_string(text));
	}
	fingerprint(kf->key, "sha256", text);
	json_object_set_new(o, "sha256_b64", json_string(text));
	text_set(o, kf, "openssh", KEYFILE_OPENSSH);
	text_set(o, kf, "rfc4716", KEYFILE_RFC4716);
	text_set(o, kf, "pem", KEYFILE_PKCS8);
	cert_set(o, kf);
	return o;
}

static int show(const struct keygen *g, const struct keyfile *kf, json_t *list)
{
	if (!g->json)
		keygen_fingerprint_print(g, kf->key, kf->comment);
	else if (json_array_append_new(list, json_of(kf)) < 0)
		return keygen_fail("no memory");
	return 0;
}

/* --- files ------------------------------------------------------------------------------ */

/* authorized_keys and known_hosts have words before the key: it is looked for behind each. */
static int line_show(const struct keygen *g, const char *line, json_t *list)
{
	for (const char *p = line; *p != '\0';) {
		struct keyfile *kf = NULL;

		if (keyfile_parse((const uint8_t *)p, strlen(p), NULL, &kf) == 0) {
			int r = show(g, kf, list);

			keyfile_free(kf);
			return r == 0 ? 1 : r;
		}
		p += strcspn(p, " \t\n");
		p += strspn(p, " \t\n");
	}
	return 0;
}

/* How many keys the lines of a file show, or -1. */
static int lines_show(const struct keygen *g, const char *path, json_t *list)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	int found = 0;

	if (f == NULL)
		return -1;
	while (getline(&line, &size, f) > 0)
		if (*line != '#' && strstr(line, " AAAA") != NULL && size <= LINE_LEN_MAX)
			found += line_show(g, line, list) == 1;
	free(line);
	fclose(f);
	return found;
}

static int file_show(const struct keygen *g, const char *path, json_t *list)
{
	struct keyfile *kf = NULL;
	int r;

	if (lines_show(g, path, list) > 0)
		return 0;
	if (keygen_load(g, path, true, &kf) < 0)
		return EXIT_FAILED;
	r = show(g, kf, list);
	keyfile_free(kf);
	return r;
}

int keygen_list(const struct keygen *g)
{
	json_t *list = json_array();
	char path[4096];
	int r = EXIT_FAILED;

	if (g->hash != NULL && hash_of(g->hash) < 0)
		keygen_fail("unknown hash \"%s\": md5, sha1, sha256, sha384 or sha512", g->hash);
	else if (g->file == NULL && keygen_default_path("ssh-ed25519", path, sizeof(path)) < 0)
		keygen_fail("name a file with -f");
	else
		r = file_show(g, g->file != NULL ? g->file : path, list);
	if (r == 0 && g->json) {
		json_dumpf(json_array_size(list) == 1 ? json_array_get(list, 0) : list, stdout,
			   JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(list);
	return r;
}
