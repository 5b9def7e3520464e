#include "client/known/known.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/known/file.h"
#include "client/known/scan.h"
#include "crypto/krl.h"
#include "crypto/x509key.h"

#define CA_ALGS                                                                                    \
	"ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,"                 \
	"sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256"
#define RSA_BITS_MIN 2048

/* --- what files say --------------------------------------------------------------------- */

struct place {
	const char *file;
	unsigned long line;
	bool user_file;
};
struct look {
	const struct key *key;
	const struct cert *cert;
	struct place revoked, authority, same, other;
	const char *other_type;
};

static void place_note(struct place *p, const struct known_entry *e)
{
	if (p->file == NULL)
		*p = (struct place){e->file, e->number, e->user_file};
}

static int look_each(void *arg, const struct known_entry *e)
{
	struct look *l = arg;
	bool same = key_equal(e->key, key_plain(l->key));
	bool authority = l->cert != NULL && key_equal(e->key, l->cert->ca);

	switch (e->line->marker) {
	case KNOWN_REVOKED: /* S-36: what an authority signed goes with it */
		if (same || authority)
			place_note(&l->revoked, e);
		break;
	case KNOWN_CA:
		if (authority)
			place_note(&l->authority, e);
		break;
	case KNOWN_KEY:
		if (!same && l->other.file == NULL)
			l->other_type = key_log_type(e->key);
		place_note(same ? &l->same : &l->other, e);
		break;
	}
	return 0;
}

static void found_set(struct known_found *f, enum known_verdict v, const struct place *p)
{
	f->verdict = v;
	f->by = v == KNOWN_VERDICT_OK ? KNOWN_BY_FILE : 0;
	f->file = p->file;
	f->line = p->line;
	f->user_file = p->user_file;
}

/* 1: believed, 0: not, *ret_why says why; -errno. */
static int cert_believed(const struct known_conf *c, const struct known_host *h,
			 const struct key *key, const char **ret_why)
{
	const struct cert_rules rules = {
		.role = CERT_HOST,
		.name = known_host_name(c, h),
		.now = h->now,
		.ca_algs = c->ca_algs != NULL ? c->ca_algs : CA_ALGS,
		.rsa_bits_min = c->rsa_bits_min != 0 ? c->rsa_bits_min : RSA_BITS_MIN,
	};
	int r;

	*ret_why = "Certificate invalid: bad signature";
	r = cert_check(key, &rules, ret_why);
	if (r == 0)
		*ret_why = NULL;
	return r == 0 ? 1 : r == -EACCES || r == -EBADMSG ? 0 : r;
}

static int look_name(const struct known_conf *c, const struct known_host *h, const char *name,
		     const struct key *key, struct known_found *f, const char **ret_file)
{
	struct look l = {.key = key, .cert = key_cert(key)};
	int r = known_scan(c, name, look_each, &l, ret_file);

	if (r < 0)
		return r;
	*f = (struct known_found){.verdict = KNOWN_VERDICT_NEW};
	if (l.revoked.file != NULL) {
		found_set(f, KNOWN_VERDICT_REVOKED, &l.revoked);
		return 0;
	}
	if (l.authority.file != NULL) {
		r = cert_believed(c, h, key, &f->why);
		if (r < 0)
			return r;
		if (r > 0) {
			found_set(f, KNOWN_VERDICT_OK, &l.authority);
			f->by_authority = true;
			return 0;
		}
	}
	if (l.same.file != NULL)
		found_set(f, KNOWN_VERDICT_OK, &l.same);
	else if (l.other.file != NULL)
		found_set(f, KNOWN_VERDICT_CHANGED, &l.other);
	f->type = f->verdict == KNOWN_VERDICT_CHANGED ? l.other_type : NULL;
	return 0;
}

/* What is known of the host at any port counts where nothing is of this one; only for it. */
static int look_files(const struct known_conf *c, const struct known_host *h, const struct key *key,
		      struct known_found *f, const char **ret_file)
{
	char name[KNOWN_NAME_MAX];
	struct known_found any;
	int r = known_conf_name(c, h, name);

	if (r == 0)
		r = look_name(c, h, name, key, f, ret_file);
	if (r < 0 || f->verdict != KNOWN_VERDICT_NEW || c->alias != NULL || *name != '[')
		return r;
	r = known_name(h->host, KNOWN_PORT, name);
	if (r == 0)
		r = look_name(c, h, name, key, &any, ret_file);
	if (r == 0 && (any.verdict == KNOWN_VERDICT_OK || any.verdict == KNOWN_VERDICT_REVOKED)) {
		*f = any;
		f->user_file = false; /* nothing is changed in what is about other ports */
	}
	return r;
}

/* --- what the caller accepts ------------------------------------------------------------ */

static int text_has(const char *text, size_t len, const struct key *want)
{
	size_t at = 0, n;
	const char *line;
	int found = 0;

	while (found == 0 && known_file_line(text, len, &at, &line, &n)) {
		struct key *k = NULL;
		int r = key_public_line_parse(line, n, &k);

		found = r == 0 ? key_equal(k, want) : r == -ENOMEM ? r : 0;
		key_free(k);
	}
	return found;
}

/* Entries with a blank are keys, others files of them. */
static int list_has(const char *const *list, unsigned int n, const struct key *want,
		    const char **ret_file)
{
	int found = 0;

	for (unsigned int i = 0; found == 0 && i < n; i++) {
		char *text = NULL;
		size_t len;

		if (strchr(list[i], ' ') != NULL) {
			found = text_has(list[i], strlen(list[i]), want);
			continue;
		}
		found = known_file_read(list[i], &text, &len);
		if (found == 0)
			found = text_has(text, len, want);
		if (found < 0)
			*ret_file = list[i];
		free(text);
	}
	return found;
}

static int by_whom(const struct known_conf *c, const struct known_host *h, const struct key *key,
		   struct known_found *f, const char **ret_file)
{
	const struct cert *cert = key_cert(key);
	int r = list_has(c->accept, c->n_accept, key_plain(key), ret_file);

	if (r != 0)
		return r < 0 ? r : KNOWN_BY_KEY;
	r = c->fingerprints != NULL ? known_fingerprints(c->fingerprints, key) : 0;
	if (r != 0)
		return r < 0 ? r : KNOWN_BY_FINGERPRINT;
	r = cert != NULL ? list_has(c->accept_ca, c->n_accept_ca, cert->ca, ret_file) : 0;
	if (r > 0)
		r = cert_believed(c, h, key, &f->why);
	if (r != 0)
		return r < 0 ? r : KNOWN_BY_CA;
	if (c->anchors != NULL && key_x509(key) != NULL) {
		const char *why;

		r = known_x509_believed(c, h, key, &why, ret_file);
		if (r != 0)
			return r < 0 ? r : KNOWN_BY_X509;
		*f = (struct known_found){.verdict = KNOWN_VERDICT_INVALID, .why = why};
	}
	return c->accept_any ? KNOWN_BY_ANY : 0;
}

/* RevokedHostKeys. A list that cannot be read revokes everything: an error. */
static int revoked_look(const struct known_conf *c, const struct key *key, struct known_found *f,
			const char **ret_file)
{
	struct krl *krl = NULL;
	char *text = NULL;
	size_t len;
	int r;

	if (c->revoked == NULL)
		return 0;
	*ret_file = c->revoked;
	r = known_file_read(c->revoked, &text, &len);
	if (r == 0)
		r = krl_parse((const uint8_t *)text, len, &krl);
	if (r == 0)
		r = krl_check(krl, key);
	krl_free(krl);
	free(text);
	if (r == -EKEYREVOKED) {
		found_set(f, KNOWN_VERDICT_REVOKED, &(struct place){.file = c->revoked});
		r = 0;
	}
	if (r == 0)
		*ret_file = NULL;
	return r;
}

int known_look(const struct known_conf *c, const struct known_host *h, const struct key *key,
	       struct known_found *ret, const char **ret_file)
{
	struct known_found f = {0};
	int r;

	*ret_file = NULL;
	r = look_files(c, h, key, &f, ret_file);
	if (r == 0)
		r = revoked_look(c, key, &f, ret_file);
	if (r == 0 && f.verdict != KNOWN_VERDICT_OK && f.verdict != KNOWN_VERDICT_REVOKED) {
		r = by_whom(c, h, key, &f, ret_file);
		if (r > 0) {
			found_set(&f, KNOWN_VERDICT_OK, &(struct place){0});
			f.by = (enum known_by)r;
			f.by_authority = f.by == KNOWN_BY_CA || f.by == KNOWN_BY_X509;
			f.type = NULL;
			r = 0;
		}
	}
	if (r == 0)
		*ret = f;
	return r;
}

enum known_act known_act(const struct known_conf *c, const struct known_found *f)
{
	static const enum known_act new[] = {[KNOWN_ASK] = KNOWN_QUESTION,
					     [KNOWN_ACCEPT_NEW] = KNOWN_ADD,
					     [KNOWN_STRICT] = KNOWN_REFUSE,
					     [KNOWN_LAX] = KNOWN_ADD};

	switch (f->verdict) {
	case KNOWN_VERDICT_OK:
		return KNOWN_ACCEPT;
	case KNOWN_VERDICT_NEW:
		return new[c->strict];
	case KNOWN_VERDICT_CHANGED:
		return c->strict == KNOWN_LAX ? KNOWN_DISTRUST : KNOWN_REFUSE;
	case KNOWN_VERDICT_REVOKED:
	case KNOWN_VERDICT_INVALID:
		break;
	}
	return KNOWN_REFUSE;
}
