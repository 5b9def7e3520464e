/* control/session/named.c - see named.h. */
#include "control/session/named.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct keyset *set_of(const struct session *s)
{
	return &s->table->env->keys.set[s->keyset];
}

static struct named_key *find_text(const struct keyset *set, const char *text)
{
	struct named_key *k = set->named;

	while (k != NULL && strcmp(k->text, text) != 0)
		k = k->next;
	return k;
}

static void named_free(struct named_key *k)
{
	host_certs_free(&k->certs);
	host_chain_free(&k->chain);
	key_free(k->pub);
	free(k->file);
	free(k);
}

void named_fini(struct keyset *set)
{
	struct named_key *k;

	while ((k = set->named) != NULL) {
		set->named = k->next;
		named_free(k);
	}
}

static int chain_copy(const struct host_chain *from, struct host_chain *ret)
{
	struct host_keys one = {.n = 1};
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < from->n; i++)
		r = host_keys_cert(&one, 0, from->cert[i].der, from->cert[i].len);
	*ret = one.chain[0];
	return r;
}

static int named_new(const struct conf *conf, const struct host_file *file, const struct key *pub,
		     const struct host_chain *chain, struct named_key **ret)
{
	struct named_key *k = calloc(1, sizeof(*k));
	size_t len;
	const uint8_t *blob = key_blob(pub, &len);
	int r;

	if (k == NULL)
		return -ENOMEM;
	k->file = host_file_copy(file);
	r = k->file != NULL ? key_blob_parse(blob, len, &k->pub) : -ENOMEM;
	if (r == 0)
		r = key_fingerprint(k->pub, k->text, sizeof(k->text));
	if (r == 0)
		r = signer_print(k->pub, k->print);
	if (r == 0)
		r = chain_copy(chain, &k->chain);
	if (r < 0) {
		named_free(k);
		return r;
	}
	host_certs_of_chain(conf, k->pub, &k->chain, &k->certs);
	*ret = k;
	return 0;
}

/* For one user more. */
static int take(struct keyset *set, const struct conf *conf, const struct host_file *file,
		const struct key *pub, const struct host_chain *chain, struct named_key **ret)
{
	char text[96];
	int r = key_fingerprint(pub, text, sizeof(text));

	if (r < 0)
		return r;
	*ret = find_text(set, text);
	if (*ret == NULL) {
		r = named_new(conf, file, pub, chain, ret);
		if (r < 0)
			return r;
		(*ret)->next = set->named;
		set->named = *ret;
		set->n_named++;
	}
	(*ret)->users++;
	return 0;
}

static void let_go(struct session *s, struct named_key *k)
{
	struct keyset *set = set_of(s), *now = keyset_now(&s->table->env->keys);
	struct named_key **at = &set->named;

	if (--k->users > 0)
		return;
	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	set->n_named--;
	if (!s->table->env->leaving) { /* else the next control's connections have it */
		signer_let_go(set->signer, k->print, 0);
		/* Where its own signer has died the one of now has opened it (compute.c). */
		if (now != set && !named_has(now, k->print))
			signer_let_go(now->signer, k->print, 0);
	}
	named_free(k);
}

/* --- of a connection -------------------------------------------------------------------------- */

static const char *marks_of(const struct session *s)
{
	const char *marks;

	if (s->awake == NULL)
		return s->past != NULL ? past_marks(s->past) : "";
	marks = s->awake->marks != NULL ? s->awake->marks : s->awake->earned.marks;
	return marks != NULL ? marks : "";
}

static struct named_key *next_of(const struct keyset *set, const char **at)
{
	while (**at != '\0') {
		const char *mark = *at;
		struct named_key *k;

		*at += strlen(mark) + 1;
		k = *mark == CONF_MARK_HOST_FILE ? find_text(set, mark + 1) : NULL;
		if (k != NULL)
			return k;
	}
	return NULL;
}

struct named_key *named_next(const struct session *s, const char **at)
{
	if (*at == NULL)
		*at = marks_of(s);
	return set_of(s)->named != NULL ? next_of(set_of(s), at) : NULL;
}

struct named_key *named_find(const struct session *s, const struct key *pub)
{
	const char *at = NULL;
	struct named_key *k;

	while ((k = named_next(s, &at)) != NULL && !key_equal(k->pub, key_plain(pub)))
		;
	return k;
}

bool named_has(const struct keyset *set, const uint8_t print[32])
{
	const struct named_key *k = set->named;

	while (k != NULL && memcmp(k->print, print, sizeof(k->print)) != 0)
		k = k->next;
	return k != NULL;
}

unsigned int named_count(const struct session *s)
{
	const char *at = NULL;
	unsigned int n = 0;

	while (named_next(s, &at) != NULL)
		n++;
	return n;
}

int named_take(struct session *s, struct earned *e, const struct host_file *file,
	       const struct key *pub, const struct host_chain *chain)
{
	struct named_key *k;
	int r;

	if (named_find(s, pub) != NULL)
		return 0;
	r = take(set_of(s), session_conf(s), file, pub, chain, &k);
	if (r < 0)
		return r;
	r = login_mark(e, CONF_MARK_HOST_FILE, k->text);
	if (r < 0)
		let_go(s, k);
	return r;
}

void named_leave(struct session *s)
{
	named_leave_marks(s, marks_of(s));
}

void named_leave_marks(struct session *s, const char *marks)
{
	struct keyset *set = set_of(s);
	struct named_key *k;

	while ((k = next_of(set, &marks)) != NULL)
		let_go(s, k);
}

/* --- for another control ---------------------------------------------------------------------- */

void named_build(const struct session *s, struct ssh_wr *w, bool chains)
{
	const char *at = NULL;
	struct named_key *k;

	ssh_wr_u32(w, named_count(s));
	while ((k = named_next(s, &at)) != NULL) {
		size_t len;
		const uint8_t *blob = key_blob(k->pub, &len);

		ssh_wr_str(w, (struct ssh_str){blob, (uint32_t)len});
		for (unsigned int i = 0; i < HOST_FILE_FIELDS; i++)
			ssh_wr_cstr(w, k->file->field[i] != NULL ? k->file->field[i] : "");
		ssh_wr_u32(w, chains ? k->chain.n : 0);
		for (unsigned int i = 0; chains && i < k->chain.n; i++)
			ssh_wr_str(w, (struct ssh_str){k->chain.cert[i].der,
						       (uint32_t)k->chain.cert[i].len});
	}
}

static int file_parse(struct ssh_rd *r, char text[HOST_FILE_FIELDS][HOST_FILE_TEXT_MAX + 1],
		      struct host_file *ret)
{
	for (unsigned int i = 0; i < HOST_FILE_FIELDS; i++) {
		struct ssh_str t = ssh_rd_str(r);

		if (r->bad || t.len > HOST_FILE_TEXT_MAX)
			return -EBADMSG;
		memcpy(text[i], t.p, t.len);
		text[i][t.len] = '\0';
		ret->field[i] = t.len > 0 ? text[i] : NULL;
	}
	return ret->field[HOST_FILE_PATH] != NULL ? 0 : -EBADMSG;
}

static int chain_parse(struct ssh_rd *r, struct host_keys *one)
{
	uint32_t n = ssh_rd_u32(r);
	int err = r->bad ? -EBADMSG : 0;

	for (uint32_t i = 0; err == 0 && i < n; i++) {
		struct ssh_str der = ssh_rd_str(r);

		err = r->bad ? -EBADMSG : host_keys_cert(one, 0, der.p, der.len);
	}
	return err == -E2BIG ? -EBADMSG : err;
}

static int one_parse(struct session *s, struct ssh_rd *r, struct named_key **ret)
{
	char text[HOST_FILE_FIELDS][HOST_FILE_TEXT_MAX + 1];
	struct ssh_str blob = ssh_rd_str(r);
	struct host_keys one = {.n = 0};
	struct host_file file;
	int err = r->bad ? -EBADMSG : file_parse(r, text, &file);

	if (err == 0)
		err = key_blob_parse(blob.p, blob.len, &one.key[0]);
	one.n = err == 0;
	if (err == 0)
		err = chain_parse(r, &one);
	if (err == 0)
		err = take(set_of(s), s->table->env->conf, &file, one.key[0], &one.chain[0], ret);
	host_keys_free(&one);
	return err;
}

/* Is there a mark for each of these, and for no others? */
static bool marks_fit(const char *marks_all, struct named_key *const k[], unsigned int n)
{
	unsigned int marks = 0, fit = 0;

	for (const char *m = marks_all; *m != '\0'; m += strlen(m) + 1) {
		if (*m != CONF_MARK_HOST_FILE)
			continue;
		marks++;
		for (unsigned int i = 0; i < n; i++)
			fit += strcmp(k[i]->text, m + 1) == 0;
	}
	return marks == n && fit == n;
}

int named_parse(struct session *s, struct ssh_str from, char *marks)
{
	struct named_key *k[HOOK_HOSTKEYS_MAX];
	unsigned int n = 0, all;
	struct ssh_rd r;
	int err;

	ssh_rd_init(&r, from.p, from.len);
	all = from.len > 0 ? ssh_rd_u32(&r) : 0;
	err = r.bad || all > HOOK_HOSTKEYS_MAX ? -EBADMSG : 0;
	for (; err == 0 && n < all; n += err == 0)
		err = one_parse(s, &r, &k[n]);
	if (err == 0 && (!ssh_rd_done(&r) || !marks_fit(marks, k, n)))
		err = -EBADMSG;
	if (err == 0 && n > 0)
		signer_expect_named(set_of(s)->signer);
	if (err == 0)
		return 0;
	while (n > 0)
		let_go(s, k[--n]);
	for (; *marks != '\0'; marks += strlen(marks) + 1)
		if (*marks == CONF_MARK_HOST_FILE)
			*marks = CONF_MARK_HOST_KEY;
	return err;
}
