/*
 * client/lib/hostkey.c - is this the server? What files of known hosts and the settings say, then
 * the program; and what a server says of its other keys.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/known/update.h"
#include "client/lib/internal.h"
#include "ssh/kexinit.h"

#define LIST_MAX  32
#define TOLD      "hostkeys-00@openssh.com"
#define PROVE     "hostkeys-prove-00@openssh.com"
#define ORDER_MAX 4096

/* The settings as client/known wants them: its words are ours. */
struct hosts {
	struct known_conf conf;
	struct known_host host;
	char *text[4]; /* cut into them */
	const char *file[KNOWN_FILES_MAX], *accept[LIST_MAX], *accept_ca[LIST_MAX];
	char *home[KNOWN_FILES_MAX]; /* names with ~ in front, whole */
};

static void hosts_fini(struct hosts *h)
{
	for (unsigned int i = 0; i < 4; i++)
		free(h->text[i]);
	for (unsigned int i = 0; i < KNOWN_FILES_MAX; i++)
		free(h->home[i]);
}

/* -E2BIG: there are more words than room. */
static int words_cut(char **text, const char *list, const char *ends, const char **ret,
		     unsigned int max, unsigned int *n)
{
	char *at, *word;

	*text = at = strdup(list);
	if (at == NULL)
		return -ENOMEM;
	while ((word = strsep(&at, ends)) != NULL) {
		if (*word == '\0' || strcasecmp(word, "none") == 0)
			continue;
		if (*n == max)
			return -E2BIG;
		ret[(*n)++] = word;
	}
	return 0;
}

/* "~/…" */
static int homes_put(struct hosts *h)
{
	const char *home = getenv("HOME");

	for (unsigned int i = 0; home != NULL && i < h->conf.n_files; i++) {
		if (strncmp(h->file[i], "~/", 2) != 0)
			continue;
		if (asprintf(&h->home[i], "%s%s", home, h->file[i] + 1) < 0) {
			h->home[i] = NULL;
			return -ENOMEM;
		}
		h->file[i] = h->home[i];
	}
	return 0;
}

/* NULL: none. */
static const char *path_of(const char *value)
{
	return *value != '\0' && strcasecmp(value, "none") != 0 ? value : NULL;
}

static int hosts_init(const struct sluice *s, struct hosts *h)
{
	const struct settings *set = &s->set;
	struct known_conf *c = &h->conf;
	int r;

	memset(h, 0, sizeof(*h));
	r = words_cut(&h->text[0], set->user_files, " \t", h->file, KNOWN_FILES_MAX,
		      &c->n_user_files);
	c->n_files = c->n_user_files;
	if (r == 0)
		r = words_cut(&h->text[1], set->global_files, " \t", h->file, KNOWN_FILES_MAX,
			      &c->n_files);
	if (r == 0)
		r = homes_put(h);
	if (r == 0)
		r = words_cut(&h->text[2], set->accept_keys, "\n", h->accept, LIST_MAX,
			      &c->n_accept);
	if (r == 0)
		r = words_cut(&h->text[3], set->accept_ca, "\n", h->accept_ca, LIST_MAX,
			      &c->n_accept_ca);
	c->file = h->file;
	c->accept = h->accept;
	c->accept_ca = h->accept_ca;
	c->alias = *set->host_alias != '\0' ? set->host_alias : NULL;
	c->strict = (enum known_strict)set->strict_hostkey;
	c->hash = set->hash_hosts;
	c->revoked = *set->revoked_keys != '\0' ? set->revoked_keys : NULL;
	c->anchors = path_of(set->x509_anchors);
	c->crls = path_of(set->x509_crls);
	c->fingerprints = *set->accept_fingerprints != '\0' ? set->accept_fingerprints : NULL;
	c->accept_any = set->accept_any;
	h->host = (struct known_host){.host = set->hostname + (*set->hostname == '*'),
				      .port = (uint16_t)set->port,
				      .now = (uint64_t)time(NULL)};
	return r;
}

/* A key as the program is told of it, with its texts. */
struct told {
	struct sluice_hostkey k;
	char md5[128], sha1[64], sha256[64], *line;
	struct certinfo cert;
};

static void told_fini(struct told *t)
{
	certinfo_fini(&t->cert);
	free(t->line);
}

static const char *cert_text(const struct told *t, enum certinfo_field f)
{
	return t->cert.text[f] != NULL ? t->cert.text[f] : "";
}

/* whole: with its certificate. False: no memory; told_fini() all the same. */
static bool told_init(struct told *t, const struct sluice *s, const struct key *whole)
{
	const struct key *k = key_plain(whole);
	int r;

	*t = (struct told){.line = key_line(k)};
	r = certinfo_key(whole, &t->cert);
	(void)!key_fingerprint_as(k, HASH_MD5, t->md5, sizeof(t->md5));
	(void)!key_fingerprint_as(k, HASH_SHA1, t->sha1, sizeof(t->sha1));
	(void)!key_fingerprint_as(k, HASH_SHA256, t->sha256, sizeof(t->sha256));
	t->k = (struct sluice_hostkey){
		.host = s->set.hostname,
		.port = (uint16_t)s->set.port,
		.algorithm = "",
		.type = key_type(k),
		.line = t->line,
		.md5 = t->md5,
		.sha1 = t->sha1,
		.sha256 = t->sha256,
		.certificate = k != whole,
		.known_text = "",
		.cert_subject = cert_text(t, CERTINFO_SUBJECT),
		.cert_issuer = cert_text(t, CERTINFO_ISSUER),
	};
	t->k.blob = key_blob(whole, &t->k.blob_len);
	return t->line != NULL && r != -ENOMEM;
}

/* --- the key it shows ------------------------------------------------------------------------ */

static bool given(const struct sluice *s, const struct key *k)
{
	for (unsigned int i = 0; i < s->n_accepted; i++)
		if (key_equal(key_plain(s->accepted[i]->key), k))
			return true;
	return false;
}

/* What it comes to; -errno: nothing can be said, and so it is refused. */
static int judge(struct sluice *s, const struct hosts *h, const struct key *k,
		 struct known_found *f, char text[KNOWN_TEXT_MAX])
{
	const char *file;
	int r = known_look(&h->conf, &h->host, k, f, &file);

	if (r < 0) {
		snprintf(text, KNOWN_TEXT_MAX, "%s: %s", file != NULL ? file : "host key",
			 sluice_strerror(r));
		return r;
	}
	known_text(f, &h->host, k, text);
	if (f->verdict != KNOWN_VERDICT_REVOKED && given(s, key_plain(k)))
		return KNOWN_ACCEPT;
	if (f->by == KNOWN_BY_ANY)
		note(s, SLUICE_LOG_INFO, "AcceptAnyHostKey: whoever it is, is accepted");
	return (int)known_act(&h->conf, f);
}

static void add(struct sluice *s, const struct hosts *h, const struct key *k)
{
	int r = known_add(&h->conf, &h->host, k);

	if (r == 0)
		note(s, SLUICE_LOG_INFO, "the host key was added to %s", h->conf.file[0]);
	else if (r != -EEXIST && r != -ENOENT)
		note(s, SLUICE_LOG_INFO, "the host key cannot be added to %s: %s", h->conf.file[0],
		     sluice_strerror(r));
}

/* Is the program alone to know? Then it is not said that nobody does. */
static bool is_for_program(const struct sluice *s, const struct hosts *h,
			   const struct known_found *f)
{
	return s->ops.on_hostkey != NULL && h->conf.n_files == 0 && f->verdict == KNOWN_VERDICT_NEW;
}

/* The program has the last word, but of a key that was revoked. */
static bool settle(struct sluice *s, const struct hosts *h, const struct key *k, int act,
		   const struct known_found *f, struct sluice_hostkey *told)
{
	bool revoked = act > 0 && f->verdict == KNOWN_VERDICT_REVOKED;
	bool yes = act == KNOWN_ACCEPT || act == KNOWN_ADD || act == KNOWN_DISTRUST;
	int answer = 0;

	told->accepted = yes;
	told->known = act < 0 ? 0 : (int)f->verdict;
	if (s->ops.on_hostkey != NULL) {
		s->callbacks++;
		answer = s->ops.on_hostkey(s->arg, s, told);
		s->callbacks--;
		yes = !revoked && (answer == 1 || answer == 2);
	}
	s->distrusted = yes && act == KNOWN_DISTRUST;
	s->vouched = yes && act != KNOWN_DISTRUST && act != KNOWN_ADD;
	if (yes && (act == KNOWN_ADD || (act == KNOWN_QUESTION && answer == 2)))
		add(s, h, k);
	return yes;
}

void hostkey_judge(struct sluice *s, const struct ssh_act *a)
{
	char text[KNOWN_TEXT_MAX] = "";
	struct known_found f = {0};
	struct told t;
	struct hosts h;
	bool yes = false;
	int r = hosts_init(s, &h);

	if (!told_init(&t, s, a->hostkey))
		r = -ENOMEM;
	t.k.algorithm = (const char *)a->bytes.p;
	t.k.known_text = text;
	memcpy(s->hostkey_sha256, t.sha256, sizeof(t.sha256));
	if (r == 0) {
		r = judge(s, &h, a->hostkey, &f, text);
		note(s, SLUICE_LOG_INFO, "host key %s %s: %s", t.k.type, t.sha256,
		     is_for_program(s, &h, &f) ? "the program is asked" : text);
		yes = settle(s, &h, a->hostkey, r, &f, &t.k);
	}
	hosts_fini(&h);
	told_fini(&t);
	(void)ssh_brain_hostkey_answer(s->brain, a->id, yes);
}

/* Who has set no order of his own is shown a key that is known, where there is one. */
const char *hostkey_algs(const struct sluice *s, char buf[HOSTKEY_ALGS_MAX])
{
	struct hosts h;
	int r = -EINVAL;

	if (strcmp(s->set.hostkey_algs, SSH_DEFAULT_HOSTKEY) != 0)
		return s->set.hostkey_algs;
	if (hosts_init(s, &h) == 0)
		r = known_order(&h.conf, &h.host, s->set.hostkey_algs, buf, HOSTKEY_ALGS_MAX);
	hosts_fini(&h);
	return r == 0 ? buf : s->set.hostkey_algs;
}

/* --- what it says of its keys ---------------------------------------------------------------- */

struct learning {
	struct hosts hosts;
	struct known_update *update;
};

void hostkeys_forget(struct sluice *s)
{
	if (s->learning != NULL) {
		known_update_free(s->learning->update);
		hosts_fini(&s->learning->hosts);
		free(s->learning);
	}
	s->learning = NULL;
}

/* The program is asked, where the settings say so. */
static bool wanted(struct sluice *s, const struct known_update *u)
{
	struct sluice_hostkey list[KNOWN_KEYS_MAX];
	unsigned int n = known_update_new_keys(u), made = 0;
	struct told *t;
	bool yes = false, ok;

	if (s->set.update_hostkeys != UPDATE_ASK)
		return true;
	t = calloc(n + 1, sizeof(*t));
	for (ok = t != NULL; ok && made < n; made++) {
		ok = told_init(&t[made], s, known_update_key(u, made));
		list[made] = t[made].k;
	}
	if (ok && s->ops.on_hostkeys != NULL) {
		s->callbacks++;
		yes = s->ops.on_hostkeys(s->arg, s, list, n, known_update_old_keys(u)) == 1;
		s->callbacks--;
	}
	while (made > 0)
		told_fini(&t[--made]);
	free(t);
	return yes;
}

static void learned(struct sluice *s)
{
	struct known_update *u = s->learning->update;
	unsigned int new = known_update_new_keys(u), old = known_update_old_keys(u);
	int r;

	if (!wanted(s, u))
		return;
	r = known_update_apply(u);
	if (r < 0)
		note(s, SLUICE_LOG_INFO, "UpdateHostKeys: %s", sluice_strerror(r));
	else
		note(s, SLUICE_LOG_INFO, "UpdateHostKeys: %u learned, %u forgotten", new, old);
}

static int learn(struct sluice *s, struct ssh_str data)
{
	struct learning *l = s->learning;
	const struct key *server = ssh_brain_server_key(s->brain);
	int r = hosts_init(s, &l->hosts);

	if (r == 0)
		r = known_update_new(&l->hosts.conf, &l->hosts.host, server, s->set.hostkey_algs,
				     data, &l->update);
	return r;
}

static int prove_ask(struct sluice *s)
{
	uint8_t *buf = malloc(KNOWN_REQUEST_MAX);
	size_t len;
	int r;

	if (buf == NULL)
		return -ENOMEM;
	len = known_update_request(s->learning->update, buf, KNOWN_REQUEST_MAX);
	r = global_ask(s, PROVE, buf, len, NULL);
	free(buf);
	return r;
}

bool hostkeys_told(struct sluice *s, struct ssh_str type, struct ssh_str data)
{
	if (!ssh_str_eq(type, TOLD))
		return false;
	if (!s->set.update_hostkeys || !s->vouched || s->learning != NULL ||
	    ssh_brain_server_key(s->brain) == NULL)
		return true; /* once is enough */
	s->learning = calloc(1, sizeof(*s->learning));
	if (s->learning == NULL || learn(s, data) < 0)
		return true;
	if (known_update_new_keys(s->learning->update) == 0)
		learned(s);
	else
		(void)prove_ask(s);
	return true;
}

void hostkeys_proved(struct sluice *s, const char *type, bool ok, struct ssh_str data)
{
	const struct ssh_str session = {s->session_id, s->session_id_len};

	if (strcmp(type, PROVE) != 0 || s->learning == NULL || s->learning->update == NULL)
		return;
	if (ok && known_update_proved(s->learning->update, session, data) == 0)
		learned(s);
	else
		note(s, SLUICE_LOG_INFO, "UpdateHostKeys: the server did not prove its keys");
}
