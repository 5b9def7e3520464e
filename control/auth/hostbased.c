#include "control/auth/hostbased.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "control/auth/account.h"
#include "control/auth/knownhosts.h"
#include "control/auth/rhosts.h"
#include "control/auth/user.h"
#include "control/auth/userfile.h"
#include "crypto/knownline.h"
#include "crypto/x509key.h"

const char *hostbased_etc;

/* --- the request ----------------------------------------------------------------------- */

/* A NUL would make another name of it, and none has control characters. */
static char *name_copy(struct ssh_str s)
{
	for (uint32_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] == 0x7f)
			return NULL;
	return strndup((const char *)s.p, s.len);
}

/* "host.example.org." is host.example.org, in whatever case. */
static void host_normalize(char *host)
{
	size_t n = strlen(host);

	if (n > 0 && host[n - 1] == '.')
		host[n - 1] = '\0';
	for (; *host != '\0'; host++)
		*host = (char)tolower((unsigned char)*host);
}

int hostbased_new(const struct ssh_act_auth *auth, const struct conf_session *c,
		  struct hostbased **ret)
{
	struct hostbased *h = calloc(1, sizeof(*h));
	const uint8_t *blob;

	if (h == NULL)
		return -ENOMEM;
	blob = key_blob(auth->key, &h->key_blob_len);
	h->key_blob = malloc(h->key_blob_len);
	h->client_host = name_copy(auth->client_host);
	h->client_user = name_copy(auth->client_user);
	h->packet_name = c->hostbased_packet_name;
	h->ignore_rhosts = c->ignore_rhosts;
	h->ignore_user_known_hosts = conf_global(c->conf)->ignore_user_known_hosts;
	if (h->key_blob == NULL || h->client_host == NULL || h->client_user == NULL) {
		hostbased_free(h);
		return -EINVAL;
	}
	memcpy(h->key_blob, blob, h->key_blob_len);
	host_normalize(h->client_host);
	*ret = h;
	return 0;
}

void hostbased_free(struct hostbased *h)
{
	if (h == NULL)
		return;
	free(h->client_host);
	free(h->client_user);
	free(h->key_blob);
	free(h);
}

/* --- who is trusted -------------------------------------------------------------------- */

/* glibc's own answer is not for several threads at once. */
static bool in_netgroup(const char *group, const char *host, const char *user)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	bool in;

	pthread_mutex_lock(&lock);
	in = innetgr(group, host, user, NULL) != 0;
	pthread_mutex_unlock(&lock);
	return in;
}

static const char *etc(const char *name, char path[USERFILE_PATH_MAX])
{
	snprintf(path, USERFILE_PATH_MAX, "%s/%s", hostbased_etc != NULL ? hostbased_etc : "/etc",
		 name);
	return path;
}

/* One of the operator's. False: it is there, and cannot be read or may not be believed. */
static bool system_read(struct user_lookup *l, const char *name, size_t max, char **ret,
			size_t *ret_len)
{
	const struct userfile_rules rules = {
		.strict = l->strict_modes, .owner = (uid_t)-1, .deny = S_IWGRP | S_IWOTH};
	char path[USERFILE_PATH_MAX], why[AUTHKEYS_NOTE_MAX - 64] = "";
	int r = userfile_read(etc(name, path), &rules, max, ret, ret_len, why, sizeof(why));

	if (r < 0 && why[0] != '\0')
		snprintf(l->note, sizeof(l->note), "Authentication refused: %s", why);
	return r == 0 || r == -ENOENT;
}

/* One of the user's home. False: it cannot be told what it says. */
static bool home_read(struct user_lookup *l, const struct account *acc, enum helper_hostbased file,
		      size_t max, char **ret, size_t *ret_len)
{
	char path[USERFILE_PATH_MAX], why[AUTHKEYS_NOTE_MAX - 64] = "";
	int r;

	snprintf(path, sizeof(path), "%s/%s", acc->home, helper_hostbased_name(file));
	r = user_file_read(l, acc, path, HELPER_HOSTBASED, file, max, ret, ret_len, why,
			   sizeof(why));
	if (r < 0 && why[0] != '\0')
		snprintf(l->note, sizeof(l->note), "Authentication refused: %s", why);
	/* What may not be believed counts as not there, as in sshd. */
	return r == 0 || r == -ENOENT || r == -EACCES;
}

static enum rhosts_verdict equiv_look(struct user_lookup *l, const char *name,
				      const struct rhosts_query *q)
{
	enum rhosts_verdict v = RHOSTS_SILENT;
	char *text = NULL;
	size_t len = 0;

	(void)system_read(l, name, RHOSTS_FILE_MAX, &text, &len);
	if (text != NULL)
		v = rhosts_look(text, len, q);
	userfile_free(text, len);
	return v;
}

static enum rhosts_verdict home_look(struct user_lookup *l, const struct account *acc,
				     enum helper_hostbased file, const struct rhosts_query *q)
{
	enum rhosts_verdict v = RHOSTS_SILENT;
	char *text = NULL;
	size_t len = 0;

	(void)home_read(l, acc, file, RHOSTS_FILE_MAX, &text, &len);
	if (text != NULL)
		v = rhosts_look(text, len, q);
	userfile_free(text, len);
	return v;
}

/* A refusal in one file is none of another's: sshd asks on until one trusts. */
static bool user_trusted(struct user_lookup *l, const struct account *acc,
			 const struct rhosts_query *q)
{
	enum conf_ignore_rhosts ignore = l->hostbased->ignore_rhosts;

	if (!l->root && (equiv_look(l, "hosts.equiv", q) == RHOSTS_TRUSTED ||
			 equiv_look(l, "ssh/shosts.equiv", q) == RHOSTS_TRUSTED))
		return true;
	if (ignore != CONF_RHOSTS_IGNORED && home_look(l, acc, HELPER_SHOSTS, q) == RHOSTS_TRUSTED)
		return true;
	return ignore == CONF_RHOSTS_READ && home_look(l, acc, HELPER_RHOSTS, q) == RHOSTS_TRUSTED;
}

/* --- whose key it is --------------------------------------------------------------------- */

/* What a file that cannot be read would say may be that the key is revoked. */
static unsigned int known_in(struct user_lookup *l, const struct account *acc, const char *system,
			     enum helper_hostbased home, const char *host, const struct key *k)
{
	unsigned int found = 0;
	char *text = NULL;
	size_t len = 0;

	if (!system_read(l, system, KNOWN_FILE_MAX, &text, &len))
		return KNOWNHOSTS_OTHER;
	if (text != NULL)
		found = knownhosts_look(text, len, host, k);
	userfile_free(text, len);
	text = NULL;
	if (!l->hostbased->ignore_user_known_hosts &&
	    !home_read(l, acc, home, KNOWN_FILE_MAX, &text, &len))
		return KNOWNHOSTS_OTHER;
	if (text != NULL)
		found |= knownhosts_look(text, len, host, k);
	userfile_free(text, len);
	return found;
}

static bool host_known(struct user_lookup *l, const struct account *acc, const char *host,
		       const struct key *k)
{
	unsigned int found = known_in(l, acc, "ssh/ssh_known_hosts", HELPER_KNOWN_HOSTS, host, k);

	if (found == 0)
		found = known_in(l, acc, "ssh/ssh_known_hosts2", HELPER_KNOWN_HOSTS2, host, k);
	if ((found & KNOWNHOSTS_REVOKED) != 0)
		snprintf(l->note, sizeof(l->note),
			 "WARNING: revoked key for %.100s attempted authentication", host);
	return found != 0 && (found & (KNOWNHOSTS_REVOKED | KNOWNHOSTS_KEY)) == KNOWNHOSTS_KEY;
}

/* Has the operator anything against the key, and does its certificate name the host? */
static bool key_usable(struct user_lookup *l, const char *host, const struct key *k)
{
	const struct cert_rules rules = {.role = CERT_HOST,
					 .name = host,
					 .now = l->now,
					 .ca_algs = l->trust.ca_algs,
					 .rsa_bits_min = l->trust.rsa_bits_min};
	const char *why = "";

	if (keytrust_check(&l->trust, k, l->note, sizeof(l->note)) < 0)
		return false;
	if (key_x509(k) != NULL)
		why = "no known host has an X.509 key";
	else if (l->presence.sk && (l->presence.flags & KEY_USER_PRESENT) == 0)
		why = "nobody touched the security key"; /* S-37 */
	else if (key_cert(k) == NULL || cert_check(k, &rules, &why) == 0)
		return true;
	snprintf(l->note, sizeof(l->note), "Authentication refused: host key of %.100s: %s", host,
		 why);
	return false;
}

/* --- both -------------------------------------------------------------------------------- */

/* The host the lines have to be about. */
static const char *host_of(struct user_lookup *l, const char *addr)
{
	const struct hostbased *h = l->hostbased;
	const char *name = l->peer_name != NULL ? l->peer_name : addr;

	if (h->packet_name)
		return h->client_host;
	if (strcmp(name, h->client_host) != 0)
		snprintf(l->note, sizeof(l->note),
			 "userauth_hostbased mismatch: client sends %.100s, but we resolve %s to "
			 "%.100s",
			 h->client_host, addr, name);
	return name;
}

/*
 * Whoever a program or an authority might know is nobody that a host vouches for: the user needs an
 * account. Of one who has none the same files are asked for, in the same order (S-32).
 */
bool hostbased_check(struct user_lookup *l, const struct account *acc)
{
	static const struct account nobody = {.uid = (uid_t)-1, .home = "/nonexistent"};
	const struct hostbased *h = l->hostbased;
	const struct account *of = acc->known ? acc : &nobody;
	char text[ADDR_TEXT_MAX];
	const char *addr = addr_text(&l->peer, text), *host = host_of(l, addr);
	const struct rhosts_query q = {.host = host,
				       .addr = h->packet_name ? host : addr,
				       .client_user = h->client_user,
				       .user = l->user,
				       .in_netgroup = in_netgroup};
	struct key *k = NULL;
	bool yes;

	if (*host == '\0' || *h->client_user == '\0' ||
	    key_blob_parse_any(h->key_blob, h->key_blob_len, &k) < 0)
		return false;
	yes = user_trusted(l, of, &q) && key_usable(l, host, k) && host_known(l, of, host, k) &&
	      acc->known;
	if (yes && key_cert(k) != NULL)
		l->expires = key_cert(k)->valid_before;
	key_free(k);
	return yes;
}
