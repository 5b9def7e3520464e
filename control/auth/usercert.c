#include "control/auth/usercert.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/policy/addr.h"
#include "crypto/krl.h"
#include "crypto/x509key.h"

/* --- certificates ----------------------------------------------------------------------- */

/* "address, address/length, …", numbers alone; one that is malformed refuses. */
static bool source_allowed(const char *list, const struct link_addr *peer)
{
	struct conf_addr addr = {.family = peer->family};
	bool found = false;

	memcpy(addr.addr, peer->addr, sizeof(addr.addr));
	for (;;) {
		size_t n = strcspn(list, ",");
		char text[CONF_ADDR_TEXT];
		struct conf_prefix p;

		if (n == 0 || n >= sizeof(text))
			return false;
		memcpy(text, list, n);
		text[n] = '\0';
		if (conf_prefix_parse(text, &p) < 0 || !conf_prefix_is_network(&p))
			return false;
		found |= conf_prefix_has(&p, &addr);
		if (list[n] == '\0')
			return found;
		list += n + 1;
	}
}

/* The i-th name in a certificate of either kind; NULL behind the last. */
static const char *name_at(const struct key *k, unsigned int i)
{
	const struct cert *c = key_cert(k);

	if (c == NULL)
		return x509key_name(key_x509(k), i);
	return i < c->n_principals ? c->principals[i] : NULL;
}

static bool names(const struct key *k, const char *name, size_t len)
{
	const char *have;

	for (unsigned int i = 0; (have = name_at(k, i)) != NULL; i++)
		if (strlen(have) == len && memcmp(have, name, len) == 0)
			return true;
	return false;
}

/* One of a comma list, whole. */
static bool names_one_of(const struct key *k, const char *list)
{
	while (*list != '\0') {
		size_t n = strcspn(list, ",");

		if (n > 0 && names(k, list, n))
			return true;
		list += n + (list[n] == ',');
	}
	return false;
}

static int refused(struct authkeys_answer *a, const char *why)
{
	snprintf(a->note, sizeof(a->note), "%s", why);
	return -EACCES;
}

static void narrow(const struct cert *c, struct authkeys_answer *a)
{
	a->grant.port_forwarding &= (c->permits & CERT_PERMIT_PORT_FORWARDING) != 0;
	a->no_touch_required &= (c->permits & CERT_NO_TOUCH_REQUIRED) != 0;
	a->verify_required |= c->verify_required;
	a->grant.pty &= (c->permits & CERT_PERMIT_PTY) != 0;
	a->grant.agent &= (c->permits & CERT_PERMIT_AGENT_FORWARDING) != 0;
	a->grant.x11 &= (c->permits & CERT_PERMIT_X11_FORWARDING) != 0;
	a->grant.user_rc &= (c->permits & CERT_PERMIT_USER_RC) != 0;
	a->forced_command |= c->force_command != NULL;
	if (c->force_command != NULL) /* without memory there are no sessions */
		(void)!policy_grant_force(&a->grant, c->force_command);
	if (c->valid_before < a->expires)
		a->expires = c->valid_before;
}

/* All but where it may be used from; name NULL: whoever is meant. */
static int valid(const struct authkeys_query *q, const char *name, const char **ret_why)
{
	const struct cert_rules rules = {.role = CERT_USER,
					 .name = name,
					 .now = q->now,
					 .ca_algs = q->trust->ca_algs,
					 .rsa_bits_min = q->trust->rsa_bits_min};

	return cert_check(q->key, &rules, ret_why);
}

/* A file of the operator's own. */
static int operator_file(const char *path, bool strict, size_t max, char **ret, size_t *ret_len,
			 char *why, size_t size)
{
	const struct userfile_rules rules = {
		.strict = strict, .owner = (uid_t)-1, .deny = S_IWGRP | S_IWOTH};
	int r = userfile_read(path, &rules, max, ret, ret_len, why, size);

	if (r == -ENOENT)
		snprintf(why, size, "%s does not exist", path);
	return r;
}

/* --- X.509 ---------------------------------------------------------------------------------- */

static int trust_load(const struct keytrust *t, struct x509_trust **ret, char *why, size_t size)
{
	char *anchors = NULL, *crls = NULL;
	size_t len = 0, crls_len = 0;
	int r;

	r = operator_file(t->anchors, t->strict, X509_FILE_MAX, &anchors, &len, why, size);
	if (r == 0 && t->crls != NULL)
		r = operator_file(t->crls, t->strict, X509_FILE_MAX, &crls, &crls_len, why, size);
	if (r == 0) {
		r = x509_trust_new(anchors, len, crls, crls_len, ret);
		if (r < 0)
			snprintf(why, size,
				 "X509TrustAnchors or X509RevocationFile cannot be used");
	}
	userfile_free(anchors, len);
	userfile_free(crls, crls_len);
	return r;
}

static int x509_check(const struct authkeys_query *q, const char *wanted, struct authkeys_answer *a)
{
	char problem[AUTHKEYS_NOTE_MAX / 2] = "";
	const char *why = problem;
	struct x509_trust *trust = NULL;
	uint64_t expires = 0;
	int r;

	if (q->trust->anchors == NULL)
		return refused(
			a, "X.509 certificates are not believed: there are no X509TrustAnchors");
	r = trust_load(q->trust, &trust, problem, sizeof(problem));
	if (r == 0)
		r = x509_trust_check(trust, q->key, X509_USER, q->now, &expires, &why);
	x509_trust_free(trust);
	if (r == 0 && !(wanted == NULL ? names(q->key, q->user, strlen(q->user))
				       : names_one_of(q->key, wanted))) {
		why = "it names neither the user nor an authorized principal";
		r = -EACCES;
	}
	if (r < 0) {
		snprintf(a->note, sizeof(a->note), "X.509 certificate of %.150s refused: %s",
			 x509key_subject(key_x509(q->key)), why);
		return -EACCES;
	}
	if (expires < a->expires)
		a->expires = expires;
	return 0;
}

/* --- both ----------------------------------------------------------------------------------- */

static int cert_admits(const struct authkeys_query *q, const char *wanted,
		       struct authkeys_answer *a)
{
	const struct cert *c = key_cert(q->key);
	char text[ADDR_TEXT_MAX];
	const char *why = "";

	if (valid(q, wanted == NULL ? q->user : NULL, &why) < 0)
		return refused(a, why);
	if (wanted != NULL && !names_one_of(q->key, wanted))
		return refused(a, "Certificate does not contain an authorized principal");
	if (c->source_address != NULL && !source_allowed(c->source_address, &q->peer)) {
		snprintf(a->note, sizeof(a->note),
			 "Authentication tried for %.100s with valid certificate but not from a "
			 "permitted source address (%s).",
			 q->user, addr_text(&q->peer, text));
		return -EACCES;
	}
	narrow(c, a);
	return 0;
}

int usercert_check(const struct authkeys_query *q, const char *wanted, struct authkeys_answer *a)
{
	return key_x509(q->key) != NULL ? x509_check(q, wanted, a) : cert_admits(q, wanted, a);
}

/* --- principals ---------------------------------------------------------------------------- */

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* "[options] name", trimmed: the name is the last word. */
static int principal_try(const char *line, size_t len, const struct authkeys_query *q,
			 struct authkeys_answer *a)
{
	struct authkeys_answer found = {.line = a->line, .expires = UINT64_MAX};
	size_t at = len;
	char *name;
	int r;

	while (at > 0 && !blank(line[at - 1]))
		at--;
	name = strndup(line + at, len - at);
	if (name == NULL)
		return -ENOMEM;
	/* A comma would make two of it, and a NUL another one. */
	r = strchr(name, ',') == NULL && strlen(name) == len - at ? 0 : -ENOENT;
	while (at > 0 && blank(line[at - 1]))
		at--;
	if (r == 0)
		r = names_one_of(q->key, name) ? 0 : -ENOENT;
	if (r == 0)
		r = authkeys_options_admit(line, at, q, &found);
	if (r == 0)
		r = usercert_check(q, name, &found);
	if (found.note[0] != '\0')
		memcpy(a->note, found.note, sizeof(a->note));
	if (r == 0)
		*a = found;
	else
		policy_grant_fini(&found.grant);
	free(name);
	return r;
}

int usercert_principals_find(const char *text, size_t len, const struct authkeys_query *q,
			     struct authkeys_answer *ret)
{
	size_t at = 0;

	while (at < len) {
		const char *line = text + at;
		const char *end = memchr(line, '\n', len - at);
		size_t n = end != NULL ? (size_t)(end - line) : len - at;

		at += n + 1;
		ret->line++;
		while (n > 0 && (blank(line[n - 1]) || line[n - 1] == '\r'))
			n--;
		while (n > 0 && blank(*line)) {
			line++;
			n--;
		}
		if (n == 0 || *line == '#' || n > AUTHKEYS_LINE_MAX)
			continue;
		if (principal_try(line, n, q, ret) == 0)
			return 0;
	}
	return -ENOENT;
}

static int by_principals_file(const struct authkeys_query *q, const struct userfile_rules *rules,
			      struct authkeys_answer *ret)
{
	const struct keytrust *t = q->trust;
	char path[USERFILE_PATH_MAX], why[AUTHKEYS_NOTE_MAX - 64] = "";
	char *text = NULL;
	size_t len = 0;
	int r;

	if (conf_path_expand(t->principals, q->user, rules->home, path, sizeof(path)) < 0)
		return -ENOENT;
	if (t->principals_read != NULL)
		r = t->principals_read(t->principals_arg, path, PRINCIPALS_FILE_MAX, &text, &len,
				       why, sizeof(why));
	else
		r = userfile_read(path, rules, PRINCIPALS_FILE_MAX, &text, &len, why, sizeof(why));
	if (r < 0) {
		if (why[0] != '\0')
			snprintf(ret->note, sizeof(ret->note), "Authentication refused: %s", why);
		return -ENOENT;
	}
	r = usercert_principals_find(text, len, q, ret);
	userfile_free(text, len);
	if (r < 0 && ret->note[0] == '\0')
		(void)refused(ret, "Certificate does not contain an authorized principal");
	return r;
}

bool usercert_user_known(const struct keytrust *t, const char *user, const char *home)
{
	char path[USERFILE_PATH_MAX];
	struct stat st;

	if (t->ca_keys == NULL && t->anchors == NULL)
		return false;
	/* Without a file of principals the authority alone says who is a user. */
	if (t->principals == NULL)
		return true;
	if (conf_path_expand(t->principals, user, home, path, sizeof(path)) < 0)
		return false;
	/* What lies in a closed home nobody can say but who may read it. */
	return stat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

/* --- TrustedUserCAKeys ------------------------------------------------------------------------ */

/* Is ca among the lines of a file? Lines that are no keys are skipped, as sshd does. */
static bool lines_have(const char *text, size_t len, const struct key *ca)
{
	size_t at = 0;

	while (at < len) {
		const char *line = text + at;
		const char *end = memchr(line, '\n', len - at);
		size_t n = end != NULL ? (size_t)(end - line) : len - at;
		struct key *k = NULL;
		bool same;

		at += n + 1;
		while (n > 0 && blank(*line)) {
			line++;
			n--;
		}
		if (n == 0 || *line == '#' || key_public_line_parse(line, n, &k) < 0)
			continue;
		same = key_equal(k, ca);
		key_free(k);
		if (same)
			return true;
	}
	return false;
}

/* Is its authority among those of TrustedUserCAKeys? */
static bool authority_trusted(const struct authkeys_query *q, struct authkeys_answer *ret)
{
	const struct keytrust *t = q->trust;
	char why[AUTHKEYS_NOTE_MAX - 64] = "";
	char *text = NULL;
	size_t len = 0;
	bool trusted = false;

	if (operator_file(t->ca_keys, t->strict, CA_FILE_MAX, &text, &len, why, sizeof(why)) < 0)
		snprintf(ret->note, sizeof(ret->note), "TrustedUserCAKeys: %s", why);
	else
		trusted = lines_have(text, len, key_cert(q->key)->ca);
	userfile_free(text, len);
	return trusted;
}

/* Is it by somebody whose certificates let in? An X.509 one without anchors is anybody's. */
static bool believed(const struct authkeys_query *q)
{
	return key_x509(q->key) == NULL || q->trust->anchors != NULL;
}

int usercert_find(const struct authkeys_query *q, const struct userfile_rules *rules,
		  struct authkeys_answer *ret)
{
	const struct keytrust *t = q->trust;
	struct authkeys_answer a = {.expires = UINT64_MAX};
	const char *invalid = "";
	int r;

	if (key_x509(q->key) == NULL &&
	    (key_cert(q->key) == NULL || t->ca_keys == NULL || !authority_trusted(q, ret)))
		return -ENOENT;
	ret->certified = t->principals_command && valid(q, NULL, &invalid) == 0;
	if (t->principals_text != NULL) {
		r = usercert_principals_find(t->principals_text, t->principals_len, q, &a);
	} else if (t->principals != NULL) {
		r = by_principals_file(q, rules, &a);
	} else if (t->principals_command) {
		r = -ENOENT; /* the program says who */
	} else {
		a.grant = policy_grant_full();
		a.no_touch_required = true;
		r = usercert_check(q, NULL, &a);
	}
	if (r == 0) {
		*ret = a;
		return 0;
	}
	memcpy(ret->note, a.note, sizeof(a.note));
	/* One that a program is yet to say something about is not. */
	ret->refused = believed(q) && (!t->principals_command || t->principals_text != NULL ||
				       !ret->certified);
	return -ENOENT;
}

/* --- keys of any kind ------------------------------------------------------------ */

static char *copy(const char *text, bool *ret_ok)
{
	char *c = text != NULL ? strdup(text) : NULL;

	*ret_ok &= text == NULL || c != NULL;
	return c;
}

int keytrust_fill(struct keytrust *t, const struct conf_session *c)
{
	const struct conf_global *g = conf_global(c->conf);
	bool ok = true;

	t->ca_keys = copy(c->trusted_user_ca_keys, &ok);
	t->principals = copy(c->authorized_principals_file, &ok);
	t->principals_command = c->authorized_principals_command.n > 0;
	t->revoked = copy(c->revoked_keys, &ok);
	t->anchors = copy(g->x509_trust_anchors, &ok);
	t->crls = copy(g->x509_revocation_file, &ok);
	t->ca_algs = copy(c->ca_signature != NULL ? c->ca_signature : "", &ok);
	t->rsa_bits_min = c->required_rsa_size;
	t->touch_required = (c->pubkey_options & CONF_TOUCH_REQUIRED) != 0;
	t->verify_required = (c->pubkey_options & CONF_VERIFY_REQUIRED) != 0;
	t->strict = g->strict_modes;
	return ok ? 0 : -ENOMEM;
}

void keytrust_fini(struct keytrust *t)
{
	free(t->ca_keys);
	free(t->principals);
	free(t->principals_text);
	free(t->revoked);
	free(t->anchors);
	free(t->crls);
	free(t->ca_algs);
	*t = (struct keytrust){0};
}

int keytrust_revoked_read(const char *path, bool strict, struct krl **ret, char *why, size_t size)
{
	char *text = NULL;
	size_t len = 0;
	int r;

	r = operator_file(path, strict, KRL_FILE_MAX, &text, &len, why, size);
	if (r < 0)
		return r;
	r = krl_parse((const uint8_t *)text, len, ret);
	userfile_free(text, len);
	if (r < 0)
		snprintf(why, size, "Error checking authentication key in revoked keys file %s",
			 path);
	return r;
}

static int revoked_check(const struct keytrust *t, const struct key *k, char *why, size_t size)
{
	struct krl *krl = NULL;
	char print[96] = "";
	int r = keytrust_revoked_read(t->revoked, t->strict, &krl, why, size);

	if (r < 0)
		return r;
	r = krl_check(krl, k);
	krl_free(krl);
	if (r < 0) {
		(void)!key_fingerprint(k, print, sizeof(print));
		snprintf(why, size, "Authentication key %s %s revoked by file %s", key_log_type(k),
			 print, t->revoked);
	}
	return r;
}

int keytrust_check(const struct keytrust *t, const struct key *k, char *why, size_t size)
{
	if (strcmp(key_type(key_plain(k)), "ssh-rsa") == 0 && key_bits(k) < t->rsa_bits_min) {
		snprintf(why, size, "RSA key of %u bits is shorter than RequiredRSASize",
			 key_bits(k));
		return -ENOTSUP;
	}
	return t->revoked != NULL ? revoked_check(t, k, why, size) : 0;
}
