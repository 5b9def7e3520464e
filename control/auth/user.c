#include "control/auth/user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "control/auth/userfile.h"
#include "control/helper/client.h"
#include "crypto/secret.h"

#define USER_FILE_MS 5000
#define GROUP_BUF    (1 << 20) /* the names of all its members are read, too */

bool user_name_ok(const void *name, size_t len)
{
	const uint8_t *p = name;

	if (len == 0 || len > SSH_USER_MAX || p[0] == '-' || (len == 1 && p[0] == '.'))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (p[i] < 0x20 || p[i] == 0x7f || p[i] == '/')
			return false;
		if (i > 0 && p[i] == '.' && p[i - 1] == '.')
			return false;
	}
	return true;
}

/* What is known of the key that is tried. */
struct tried {
	struct authkeys_query q;
	struct key *key;
	struct authkeys_answer answer;
};

static void keys_text_check(struct user_lookup *l, struct tried *t, const char *text, size_t len)
{
	struct authkeys_answer a = {.expires = UINT64_MAX};

	if (t->key == NULL || l->key_found)
		return;
	if (authkeys_find(text, len, &t->q, &a) == 0) {
		l->key_found = true;
		t->answer = a;
	} else {
		l->key_refused |= a.refused;
	}
	if (a.note[0] != '\0')
		memcpy(l->note, a.note, sizeof(a.note));
}

/* A home that is closed to us: its user's process reads it, and judges its modes as we do. */
static int read_as_user(const struct user_lookup *l, enum helper_entry entry, uint32_t index,
			char **ret, size_t *ret_len, char *why, size_t why_size)
{
	char peer[ADDR_TEXT_MAX], local[ADDR_TEXT_MAX];
	const struct helper_file m = {
		.job = {.user = ssh_str_c(l->user),
			.peer = ssh_str_c(addr_text(&l->peer, peer)),
			.local = ssh_str_c(addr_text(&l->local, local)),
			.peer_port = l->peer.port,
			.local_port = l->local.port,
			.version = ssh_str_c(l->version != NULL ? l->version : ""),
			.host = ssh_str_c(l->peer_name != NULL ? l->peer_name : ""),
			.rdomain = ssh_str_c(l->rdomain),
			.invalid_user = l->invalid_user,
			.time_ms = USER_FILE_MS,
			.mark = l->conf_mark},
		.entry = entry,
		.index = index};

	why[0] = '\0';
	return helper_read_file(l->helper_path, &m, ret, ret_len, why, why_size);
}

static struct userfile_rules rules_of(const struct user_lookup *l, const struct account *acc)
{
	return (struct userfile_rules){.strict = l->strict_modes,
				       .owner = acc->uid,
				       .home = acc->known ? acc->home : NULL,
				       .deny = S_IWGRP | S_IWOTH};
}

int user_file_read(const struct user_lookup *l, const struct account *acc, const char *path,
		   enum helper_entry entry, uint32_t index, size_t max, char **ret, size_t *ret_len,
		   char *why, size_t why_size)
{
	const struct userfile_rules rules = rules_of(l, acc);
	int r = userfile_read(path, &rules, max, ret, ret_len, why, why_size);

	if (r == -EACCES && acc->known && l->helper_path != NULL)
		r = read_as_user(l, entry, index, ret, ret_len, why, why_size);
	return r;
}

static void keys_file_check(struct user_lookup *l, struct tried *t, unsigned int i,
			    const struct account *acc)
{
	const char *home = acc->known ? acc->home : NULL;
	char path[USERFILE_PATH_MAX], why[AUTHKEYS_NOTE_MAX - 64] = "";
	char *text = NULL;
	size_t len = 0;
	int r;

	if (conf_path_expand(l->keys_path[i], l->user, home, path, sizeof(path)) < 0)
		return;
	/* That there is one says who is a user; what stands in it is read for a key alone (S-32).
	 */
	if (l->key_blob == NULL) {
		l->exists |= access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
		return;
	}
	r = user_file_read(l, acc, path, HELPER_AUTHORIZED_KEYS, i, AUTHKEYS_FILE_MAX, &text, &len,
			   why, sizeof(why));
	if (r != -ENOENT)
		l->exists = true;
	if (r == 0)
		keys_text_check(l, t, text, len);
	else if (why[0] != '\0')
		snprintf(l->note, sizeof(l->note), "Authentication refused: %s", why);
	userfile_free(text, len);
}

/*
 * Of an account that is over nothing lets in; a password that has to be changed is as good as none:
 * nobody changes the file here.
 */
static void ends_check(struct user_lookup *l)
{
	const struct passfile_ends *e = &l->hash.ends;

	l->account_over = l->now >= e->account;
	if (l->has_hash && l->now >= e->password) {
		l->has_hash = false;
		memcpy(l->hash.own, l->hash.decoy, sizeof(l->hash.own));
		if (l->key_blob == NULL && l->hostbased == NULL)
			snprintf(l->note, sizeof(l->note), "Password of user %.100s has expired",
				 l->user);
	}
}

/*
 * Without a file that is configured nobody can tell whose account is over: nobody gets in, by
 * whatever method.
 */
static void password_file_check(struct user_lookup *l)
{
	struct userfile_rules rules = {
		.strict = l->strict_modes, .owner = (uid_t)-1, .deny = S_IWGRP | S_IWOTH | S_IROTH};
	char why[AUTHKEYS_NOTE_MAX - 64] = "";
	char *text = NULL;
	size_t len = 0;
	int r;

	if (l->password_path == NULL) {
		(void)!passfile_find("", 0, "", &l->hash);
		return;
	}
	r = userfile_read(l->password_path, &rules, PASSFILE_MAX, &text, &len, why, sizeof(why));
	l->has_hash =
		passfile_find(r == 0 ? text : "", len, l->name_ok ? l->user : "", &l->hash) == 0;
	l->lost |= r < 0;
	if (why[0] != '\0')
		snprintf(l->note, sizeof(l->note), "PasswordHashFile: %s", why);
	else if (r < 0)
		snprintf(l->note, sizeof(l->note), "PasswordHashFile: cannot read %.150s: %s",
			 l->password_path, strerror(-r));
	userfile_free(text, len);
	l->exists |= l->has_hash;
	ends_check(l);
}

/* -ENOENT: it has none. */
static int group_name(gid_t gid, char *buf, char **ret)
{
	struct group gr, *found = NULL;
	int r = getgrgid_r(gid, &gr, buf, GROUP_BUF, &found);

	if (found == NULL)
		return r == 0 ? -ENOENT : -r;
	*ret = strdup(gr.gr_name);
	return *ret != NULL ? 0 : -ENOMEM;
}

/* Groups without a name are nobody's to allow or deny. */
static int groups_name(struct user_lookup *l, const gid_t *gid, int n)
{
	char *buf = malloc(GROUP_BUF);
	int r = 0;

	l->groups = calloc((size_t)n + 1, sizeof(*l->groups));
	if (buf == NULL || l->groups == NULL)
		r = -ENOMEM;
	for (int i = 0; r == 0 && i < n; i++) {
		r = group_name(gid[i], buf, &l->groups[l->n_groups]);
		l->n_groups += r == 0;
		r = r == -ENOENT ? 0 : r;
	}
	free(buf);
	return r;
}

/* All of them or none: of one that was left out, no rule would hold. */
static void groups_find(struct user_lookup *l, const struct account *acc)
{
	int n = USER_GROUPS_MAX;
	gid_t *gid;

	if (!acc->known || !l->want_groups)
		return;
	gid = calloc(USER_GROUPS_MAX, sizeof(*gid));
	l->lost |= gid == NULL || getgrouplist(l->user, acc->gid, gid, &n) < 0 ||
		   groups_name(l, gid, n) < 0;
	free(gid);
}

/* A banner that cannot be read is none, as in sshd. */
static void banner_read(struct user_lookup *l)
{
	const struct userfile_rules rules = {.owner = (uid_t)-1};
	char why[AUTHKEYS_NOTE_MAX] = "";

	if (l->banner_path == NULL ||
	    userfile_read(l->banner_path, &rules, SSH_BANNER_MAX, &l->banner, &l->banner_len, why,
			  sizeof(why)) < 0)
		l->banner = NULL;
}

/* The key itself, before anybody is asked about it. */
static void key_begin(struct user_lookup *l, struct tried *t)
{
	char why[AUTHKEYS_NOTE_MAX] = "";

	if (l->key_blob == NULL || key_blob_parse_any(l->key_blob, l->key_blob_len, &t->key) < 0)
		return;
	t->q = (struct authkeys_query){.user = l->user,
				       .key = t->key,
				       .trust = &l->trust,
				       .peer = l->peer,
				       .peer_name = l->peer_name,
				       .now = l->now};
	if (keytrust_check(&l->trust, t->key, why, sizeof(why)) == 0)
		return;
	memcpy(l->note, why, sizeof(why));
	l->key_refused = true;
	key_free(t->key);
	t->key = NULL;
}

/* Of whom a file of principals is. */
struct principals_of {
	const struct user_lookup *l;
	const struct account *acc;
};

static int principals_read(void *arg, const char *path, size_t max, char **ret, size_t *ret_len,
			   char *why, size_t why_size)
{
	const struct principals_of *of = arg;

	return user_file_read(of->l, of->acc, path, HELPER_AUTHORIZED_PRINCIPALS, 0, max, ret,
			      ret_len, why, why_size);
}

/* TrustedUserCAKeys goes before the user's own files, as in sshd. */
static void certificate_check(struct user_lookup *l, struct tried *t, const struct account *acc)
{
	struct userfile_rules rules = rules_of(l, acc);
	struct authkeys_answer a = {.expires = UINT64_MAX};
	struct principals_of of = {l, acc};

	l->exists |= usercert_user_known(&l->trust, l->user, rules.home);
	if (t->key == NULL)
		return;
	l->trust.principals_read = principals_read;
	l->trust.principals_arg = &of;
	if (usercert_find(&t->q, &rules, &a) == 0) {
		l->key_found = true;
		t->answer = a;
	}
	l->key_refused |= a.refused;
	l->trust.principals_read = NULL; /* of is ours */
	l->trust.principals_arg = NULL;
	l->certified = a.certified;
	if (a.note[0] != '\0')
		memcpy(l->note, a.note, sizeof(a.note));
}

/*
 * S-37: a security key has to be touched unless both its line and the operator do without, and
 * its user verified when one of them asks for it.
 */
static void presence_check(struct user_lookup *l, const struct tried *t)
{
	bool touch = l->trust.touch_required || !t->answer.no_touch_required;
	bool verify = l->trust.verify_required || t->answer.verify_required;
	unsigned int need = (touch ? KEY_USER_PRESENT : 0) | (verify ? KEY_USER_VERIFIED : 0);

	if (!l->signed_by_key || !l->presence.sk || (need & ~l->presence.flags) == 0)
		return;
	l->key_found = false;
	l->key_refused = true;
	snprintf(l->note, sizeof(l->note),
		 "Authentication refused: %s of security key of %.100s was not asked for",
		 (need & ~l->presence.flags & KEY_USER_PRESENT) != 0 ? "touch"
								     : "PIN or fingerprint",
		 l->user);
}

/* What a program wrote is judged as the user's files are. */
static void keys_look(struct user_lookup *l, struct tried *t, const struct account *acc)
{
	if (l->keys_text != NULL) {
		keys_text_check(l, t, l->keys_text, l->keys_text_len);
		return;
	}
	certificate_check(l, t, acc);
	for (unsigned int i = 0; !l->of_program && i < l->n_paths; i++)
		keys_file_check(l, t, i, acc);
}

/*
 * The password file is read for unknown names too, so that what follows costs the same; the
 * paths of key files are not built from a name that is not one.
 */
void user_lookup_run(struct user_lookup *l)
{
	struct account acc = {.uid = (uid_t)-1};
	struct tried t = {.answer = {.expires = UINT64_MAX}};

	l->expires = UINT64_MAX;
	if (!l->only_account && !l->of_program) {
		banner_read(l);
		password_file_check(l);
	}
	if (l->lost || !l->name_ok)
		return;
	account_find(l->user, &acc);
	if (acc.lost) {
		l->lost = true;
		return;
	}
	l->root = strcmp(l->user, "root") == 0 || (acc.known && acc.uid == 0);
	l->exists |= (acc.known && l->accounts_exist) || l->names_exist;
	groups_find(l, &acc);
	if (l->only_account)
		return;
	key_begin(l, &t);
	keys_look(l, &t, &acc);
	l->vouched = l->hostbased != NULL && hostbased_check(l, &acc);
	l->grant = t.answer.grant;
	l->forced_command = t.answer.forced_command;
	if (t.answer.expires < l->expires)
		l->expires = t.answer.expires;
	if (l->key_found)
		presence_check(l, &t);
	key_free(t.key);
}

void user_lookup_fini(struct user_lookup *l)
{
	for (unsigned int i = 0; i < l->n_paths; i++)
		free(l->keys_path[i]);
	free(l->password_path);
	free(l->banner_path);
	free(l->helper_path);
	free(l->version);
	free(l->peer_name);
	free(l->keys_text);
	free(l->banner);
	for (size_t i = 0; i < l->n_groups; i++)
		free(l->groups[i]);
	free(l->groups);
	free(l->key_blob);
	hostbased_free(l->hostbased);
	keytrust_fini(&l->trust);
	policy_grant_fini(&l->grant);
	secret_wipe(&l->hash, sizeof(l->hash));
}
