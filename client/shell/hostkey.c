/* client/shell/hostkey.c - is this the server? Files of known hosts, and a person who is asked. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "client/ask.h"
#include "client/known/known.h"
#include "client/shell/conn.h"
#include "client/shell/say.h"

/* What known_look() is told, with the texts it points to. */
struct files {
	struct known_conf conf;
	const char *file[KNOWN_FILES_MAX];
	char *copy[KNOWN_FILES_MAX + 1];
	unsigned int n;
};

/* A file's name; *ret NULL: it is none. What cannot be told is no file that does not exist (S-67).
 */
static int file_name(struct config *config, enum config_id id, size_t i, char **ret)
{
	char path[CONFIG_TEXT_MAX];
	int n;

	*ret = NULL;
	if (strcasecmp(config_list(config, id)->v[i], "none") == 0)
		return 0;
	n = config_expanded(config, id, i, path, sizeof(path));
	if (n < 0)
		say(SAY_ERROR, "%s", config_errors(config));
	if (n <= 0)
		return n;
	*ret = strdup(path);
	return *ret != NULL ? 0 : -ENOMEM;
}

static int files_add(struct files *f, struct config *config, enum config_id id)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < config_list(config, id)->n && f->n < KNOWN_FILES_MAX;
	     i++) {
		r = file_name(config, id, i, &f->copy[f->n]);
		f->file[f->n] = f->copy[f->n];
		f->n += f->copy[f->n] != NULL;
	}
	return r;
}

/* Whatever it says, files_fini(). */
static int files_init(struct files *f, const struct conn *c)
{
	static const struct {
		const char *name;
		enum known_strict strict;
	} levels[] = {{"ask", KNOWN_ASK},
		      {"accept-new", KNOWN_ACCEPT_NEW},
		      {"yes", KNOWN_STRICT},
		      {"no", KNOWN_LAX}};
	int r;

	*f = (struct files){.conf = {.file = f->file}};
	r = files_add(f, c->config, CONFIG_USER_KNOWN_HOSTS_FILE);
	f->conf.n_user_files = f->n;
	if (r == 0)
		r = files_add(f, c->config, CONFIG_GLOBAL_KNOWN_HOSTS_FILE);
	f->conf.n_files = f->n;
	f->conf.alias = config_text(c->config, CONFIG_HOST_KEY_ALIAS);
	f->conf.hash = config_yes(c->config, CONFIG_HASH_KNOWN_HOSTS);
	f->conf.ca_algs = config_text(c->config, CONFIG_CA_SIGNATURE_ALGORITHMS);
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (config_is(c->config, CONFIG_STRICT_HOST_KEY_CHECKING, levels[i].name))
			f->conf.strict = levels[i].strict;
	if (r == 0 && config_text(c->config, CONFIG_REVOKED_HOST_KEYS) != NULL)
		r = file_name(c->config, CONFIG_REVOKED_HOST_KEYS, 0, &f->copy[KNOWN_FILES_MAX]);
	f->conf.revoked = f->copy[KNOWN_FILES_MAX];
	return r;
}

static void files_fini(struct files *f)
{
	for (size_t i = 0; i <= KNOWN_FILES_MAX; i++)
		free(f->copy[i]);
}

static struct known_host host_of(const struct conn *c)
{
	return (struct known_host){.host = c->host, .port = c->port, .now = (uint64_t)time(NULL)};
}

/* "192.0.2.1 port 22" without its port; "" where there is none, as behind a jump host. */
static void address(const struct conn *c, char *buf, size_t size)
{
	if (c->via != NULL || sluice_info(c->s, SLUICE_INFO_PEER_ADDR, buf, size) <= 0)
		*buf = '\0';
	buf[strcspn(buf, " ")] = '\0';
}

static bool is_loopback(const struct conn *c)
{
	char addr[128];
	struct in_addr a4;
	struct in6_addr a6;

	address(c, addr, sizeof(addr));
	if (inet_pton(AF_INET, addr, &a4) == 1)
		return (ntohl(a4.s_addr) >> 24) == 127;
	return inet_pton(AF_INET6, addr, &a6) == 1 && IN6_IS_ADDR_LOOPBACK(&a6);
}

static const char *fingerprint(const struct conn *c, const struct sluice_hostkey *k)
{
	return config_is(c->config, CONFIG_FINGERPRINT_HASH, "MD5")    ? k->md5
	       : config_is(c->config, CONFIG_FINGERPRINT_HASH, "SHA1") ? k->sha1
								       : k->sha256;
}

/* yes, no, or the fingerprint, which is better than yes. */
static bool question(const struct conn *c, const struct sluice_hostkey *k)
{
	char addr[128], answer[256];
	const char *prompt =
		"Are you sure you want to continue connecting (yes/no/[fingerprint])? ";

	if (config_yes(c->config, CONFIG_BATCH_MODE)) {
		say(SAY_ERROR,
		    "No %s host key is known for %s and you have requested strict checking.",
		    k->type, c->host);
		return false;
	}
	address(c, addr, sizeof(addr));
	say(SAY_QUIET, "The authenticity of host '%s%s%s%s' can't be established.", c->host,
	    *addr != '\0' ? " (" : "", addr, *addr != '\0' ? ")" : "");
	say(SAY_QUIET, "%s key fingerprint is %s.", k->type, fingerprint(c, k));
	for (;;) {
		int n = ask_shown(prompt, answer, sizeof(answer));

		if (n < 0 || strcasecmp(answer, "no") == 0)
			return false;
		if (strcasecmp(answer, "yes") == 0 || strcmp(answer, fingerprint(c, k)) == 0)
			return true;
		prompt = "Please type 'yes', 'no' or the fingerprint: ";
	}
}

static void add(const struct conn *c, const struct files *f, const struct known_host *h,
		const struct key *key, const struct sluice_hostkey *k)
{
	int r = known_add(&f->conf, h, key);

	if (r == 0)
		say(SAY_INFO, "Warning: Permanently added '%s' (%s) to the list of known hosts.",
		    f->conf.alias != NULL ? f->conf.alias : c->host, k->type);
	else if (r != -EEXIST && r != -ENOENT)
		say(SAY_ERROR, "Failed to add the host to the list of known hosts (%s): %s",
		    f->n > 0 ? f->file[0] : "", strerror(-r));
}

/* What was found is said where it is not simply right. */
static void tell(const struct conn *c, const struct known_found *found, const struct known_host *h,
		 const struct key *key)
{
	char text[KNOWN_TEXT_MAX];

	if (found->verdict == KNOWN_VERDICT_OK) {
		if (found->file != NULL)
			say(SAY_DEBUG, "Found key in %s:%lu", found->file, found->line);
		return;
	}
	if (found->verdict == KNOWN_VERDICT_NEW &&
	    !config_yes(c->config, CONFIG_STRICT_HOST_KEY_CHECKING))
		return;
	known_text(found, h, key, text);
	say_foreign(SAY_ERROR, text, strlen(text));
	say_foreign(SAY_ERROR, "\n", 1);
}

static int judge(struct conn *c, const struct sluice_hostkey *k, const struct key *key)
{
	struct known_host h = host_of(c);
	struct known_found found = {0};
	const char *file = NULL;
	struct files f;
	int r;

	r = files_init(&f, c);
	if (r == 0)
		r = known_look(&f.conf, &h, key, &found, &file);
	if (r < 0) {
		say(SAY_ERROR, "host keys%s%s: %s", file != NULL ? ": " : "",
		    file != NULL ? file : "", strerror(-r));
		files_fini(&f);
		return 0;
	}
	tell(c, &found, &h, key);
	switch (known_act(&f.conf, &found)) {
	case KNOWN_ACCEPT:
		r = 1;
		break;
	case KNOWN_ADD:
		add(c, &f, &h, key, k);
		r = 1;
		break;
	case KNOWN_QUESTION:
		r = question(c, k);
		if (r == 1)
			add(c, &f, &h, key, k);
		break;
	case KNOWN_DISTRUST:
		say(SAY_ERROR, "Password authentication, agent and port forwarding are disabled to "
			       "avoid man-in-the-middle attacks.");
		c->untrusted = true;
		r = 1;
		break;
	case KNOWN_REFUSE:
		r = 0;
	}
	files_fini(&f);
	return r;
}

int conn_hostkey(struct conn *c, const struct sluice_hostkey *k)
{
	struct key *key;
	int r;

	c->met = true;
	say(SAY_DEBUG, "Server host key: %s %s", k->type, k->sha256);
	if (config_yes(c->config, CONFIG_VISUAL_HOST_KEY))
		say(SAY_INFO, "Host key fingerprint is %s", fingerprint(c, k));
	if (config_yes(c->config, CONFIG_NO_HOST_AUTHENTICATION_FOR_LOCALHOST) && is_loopback(c)) {
		say(SAY_DEBUG, "Forcing accepting of host key for loopback/localhost.");
		return 1;
	}
	if (key_blob_parse_any(k->blob, k->blob_len, &key) < 0)
		return 0;
	r = judge(c, k, key);
	key_free(key);
	return r;
}

/* Algorithms by which the host shows a key that is known go first, unless they were said. */
void conn_hostkey_order(struct conn *c)
{
	struct known_host h = host_of(c);
	char algs[CONFIG_TEXT_MAX];
	struct files f;

	if (config_given(c->config, CONFIG_HOST_KEY_ALGORITHMS))
		return;
	if (files_init(&f, c) == 0 &&
	    known_order(&f.conf, &h, config_text(c->config, CONFIG_HOST_KEY_ALGORITHMS), algs,
			sizeof(algs)) >= 0)
		(void)sluice_set(c->s, "HostKeyAlgorithms", algs);
	files_fini(&f);
}
