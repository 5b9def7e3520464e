/* client/keygen/revoke.c - key revocation lists: -k makes one, -Q asks one about keys. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/command.h"
#include "client/keygen/keygen.h"
#include "crypto/cert.h"
#include "crypto/krl.h"
#include "crypto/secret.h"

#define ENTRIES_MAX 65536

/* What is to be revoked; grows by doubling. */
struct list {
	struct krl_range *serials;
	char **ids;
	struct key **keys;
	size_t n_serials, n_ids, n_keys;
};

static void list_free(struct list *l)
{
	for (size_t i = 0; i < l->n_ids; i++)
		free(l->ids[i]);
	for (size_t i = 0; i < l->n_keys; i++)
		key_free(l->keys[i]);
	free(l->serials);
	free((void *)l->ids);
	free((void *)l->keys);
}

/* Room for one more of an array; -E2BIG, -ENOMEM. */
static int room(void *array, size_t n, size_t size)
{
	void **p = array, *to;

	if (n == ENTRIES_MAX)
		return -E2BIG;
	if ((n & (n - 1)) != 0)
		return 0;
	to = reallocarray(*p, n == 0 ? 1 : 2 * n, size);
	if (to == NULL)
		return -ENOMEM;
	*p = to;
	return 0;
}

static int serial_add(struct list *l, const char *text)
{
	struct krl_range s;
	char *end;
	int r;

	errno = 0;
	s.first = s.last = strtoull(text, &end, 0);
	if (*end == '-')
		s.last = strtoull(end + 1, &end, 0);
	if (errno != 0 || *end != '\0' || s.first == 0 || s.last < s.first)
		return -EINVAL;
	r = room(&l->serials, l->n_serials, sizeof(s));
	if (r == 0)
		l->serials[l->n_serials++] = s;
	return r;
}

static int id_add(struct list *l, const char *text)
{
	int r = room(&l->ids, l->n_ids, sizeof(*l->ids));

	if (r == 0 && (l->ids[l->n_ids] = strdup(text)) == NULL)
		r = -ENOMEM;
	if (r == 0)
		l->n_ids++;
	return r;
}

static int key_add(struct list *l, const char *text)
{
	struct keyfile *kf = NULL;
	int r = room(&l->keys, l->n_keys, sizeof(*l->keys));

	if (r == 0)
		r = keyfile_parse((const uint8_t *)text, strlen(text), NULL, &kf);
	if (r == 0)
		l->keys[l->n_keys++] = keyfile_take(kf);
	keyfile_free(kf);
	return r;
}

/* "serial: 1-5", "id: name", "key: type base64", or a key alone; ssh-keygen(1), KEY REVOCATION. */
static int line_add(struct list *l, char *line)
{
	static const struct {
		const char *word;
		int (*add)(struct list *l, const char *text);
	} kinds[] = {{"serial:", serial_add}, {"id:", id_add}, {"key:", key_add}};
	char *end;

	line += strspn(line, " \t");
	end = line + strcspn(line, "\r\n");
	while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	if (*line == '\0' || *line == '#')
		return 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strncmp(line, kinds[i].word, strlen(kinds[i].word)) == 0) {
			line += strlen(kinds[i].word);
			return kinds[i].add(l, line + strspn(line, " \t"));
		}
	return key_add(l, line);
}

static int file_add(struct list *l, const char *path)
{
	FILE *f = fopen(path, "re");
	unsigned int number = 0;
	char *line = NULL;
	size_t size = 0;
	int r = 0;

	if (f == NULL)
		return keygen_fail("cannot read %s: %s", path, strerror(errno));
	while (r == 0 && getline(&line, &size, f) > 0) {
		number++;
		r = line_add(l, line);
	}
	if (r == 0 && ferror(f))
		r = -EIO;
	free(line);
	fclose(f);
	return r < 0 ? keygen_fail("%s, line %u: not understood (%s)", path, number,
				   keyfile_error(r))
		     : 0;
}

static int list_write(const struct keygen *g, const struct list *l, const struct key *ca)
{
	const struct krl_spec spec = {
		.version = g->serial,
		.generated = (uint64_t)time(NULL),
		.comment = g->comment != NULL ? g->comment : "",
		.ca = ca,
		.serials = l->serials,
		.n_serials = l->n_serials,
		.key_ids = (const char *const *)l->ids,
		.n_key_ids = l->n_ids,
		.keys = (const struct key *const *)l->keys,
		.n_keys = l->n_keys,
	};
	size_t len = KRL_FILE_MAX;
	uint8_t *buf = malloc(len); /* takes memory as it is written to */
	int r = buf == NULL ? -ENOMEM : krl_build(&spec, buf, &len);

	if (r == 0)
		r = keyfile_write(g->file, buf, len, 0644, true);
	free(buf);
	return r < 0 ? keygen_fail("cannot write %s: %s", g->file, strerror(-r)) : 0;
}

int keygen_revoke(const struct keygen *g)
{
	struct keyfile *ca = NULL;
	struct list l = {0};
	int r = 0;

	if (g->file == NULL)
		return keygen_fail("name the list to write with -f");
	if (g->ca != NULL && keygen_load(g, g->ca, true, &ca) < 0)
		return EXIT_FAILED;
	for (unsigned int i = 0; i < g->n_files && r == 0; i++)
		r = file_add(&l, g->files[i]);
	if (r == 0)
		r = list_write(g, &l, ca != NULL ? ca->key : NULL);
	list_free(&l);
	keyfile_free(ca);
	return r;
}

/* --- asking ----------------------------------------------------------------------------- */

static int ask(const struct keygen *g, const struct krl *krl, const char *path)
{
	struct keyfile *kf = NULL;
	int r;

	if (keygen_load(g, path, true, &kf) < 0)
		return EXIT_FAILED;
	r = krl_check(krl, kf->key);
	if (r == 0 || r == -EKEYREVOKED)
		printf("%s (%s): %s\n", path, kf->comment, r == 0 ? "ok" : "REVOKED");
	else
		keygen_fail("%s: %s", path, strerror(-r));
	keyfile_free(kf);
	return r == 0 ? 0 : EXIT_FAILED;
}

int keygen_revoked(const struct keygen *g)
{
	struct krl *krl = NULL;
	uint8_t *p = NULL;
	size_t len = 0;
	int r, bad = 0;

	if (g->file == NULL)
		return keygen_fail("name the list to ask with -f");
	if (keygen_bytes(g->file, KRL_FILE_MAX, &p, &len) < 0)
		return EXIT_FAILED;
	r = krl_parse(p, len, &krl);
	free(p);
	if (r < 0)
		return keygen_fail("cannot read %s: %s", g->file, keyfile_error(r));
	for (unsigned int i = 0; i < g->n_files; i++)
		bad |= ask(g, krl, g->files[i]);
	krl_free(krl);
	return bad;
}
