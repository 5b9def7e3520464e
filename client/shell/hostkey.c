/* client/shell/hostkey.c - is this the server? Files of known hosts, and a person who is asked. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "client/ask.h"
#include "client/known/art.h"
#include "client/known/scan.h"
#include "client/shell/hostfiles.h"
#include "client/shell/say.h"
#include "client/shell/tty.h"

/* The server's, without its port; "" where it is not known, as behind a jump host or a proxy. */
static void address(const struct conn *c, char *buf, size_t size)
{
	if (c->proxied || sluice_info(c->s, SLUICE_INFO_PEER_ADDR, buf, size) <= 0)
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

/* As files have it: "[host]:port" where that is not 22. Returns buf. */
static const char *name_of(const struct hostfiles *f, char buf[KNOWN_NAME_MAX])
{
	if (known_conf_name(&f->conf, &f->host, buf) < 0)
		snprintf(buf, KNOWN_NAME_MAX, "%s", f->host.host);
	return buf;
}

/* yes, no, or the fingerprint, which is better than yes. */
static bool question(const struct conn *c, const struct hostfiles *f,
		     const struct sluice_hostkey *k)
{
	char name[KNOWN_NAME_MAX], addr[128], at[KNOWN_NAME_MAX] = "", answer[256];
	const char *prompt =
		"Are you sure you want to continue connecting (yes/no/[fingerprint])? ";

	if (config_yes(c->config, CONFIG_BATCH_MODE)) {
		say(SAY_ERROR,
		    "No %s host key is known for %s and you have requested strict checking.",
		    k->type, name_of(f, name));
		return false;
	}
	address(c, addr, sizeof(addr));
	if (*addr != '\0' && known_name(addr, c->port, at) < 0)
		*at = '\0';
	say(SAY_QUIET, "The authenticity of host '%s%s%s%s' can't be established.",
	    name_of(f, name), *at != '\0' ? " (" : "", at, *at != '\0' ? ")" : "");
	say(SAY_QUIET, "%s key fingerprint is %s.", k->type, hostkey_fingerprint(c, k));
	for (;;) {
		int n = ask_shown(prompt, answer, sizeof(answer));

		if (n < 0 || strcasecmp(answer, "no") == 0)
			return false;
		if (strcasecmp(answer, "yes") == 0 ||
		    strcmp(answer, hostkey_fingerprint(c, k)) == 0)
			return true;
		prompt = "Please type 'yes', 'no' or the fingerprint: ";
	}
}

static void add(const struct hostfiles *f, const struct key *key, const struct sluice_hostkey *k)
{
	int r = known_add(&f->conf, &f->host, key);
	char name[KNOWN_NAME_MAX];

	if (r == 0)
		say(SAY_INFO, "Warning: Permanently added '%s' (%s) to the list of known hosts.",
		    name_of(f, name), k->type);
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
		if (found->by == KNOWN_BY_ANY)
			say(SAY_INFO, "Warning: AcceptAnyHostKey: whoever it is, is accepted.");
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
	struct known_found found = {0};
	const char *file = NULL;
	bool vouched = true; /* by the files, or a person */
	struct hostfiles f;
	int r;

	r = hostfiles_init(&f, c, k);
	if (r == 0)
		r = known_look(&f.conf, &f.host, key, &found, &file);
	if (r < 0) {
		say(SAY_ERROR, "host keys%s%s: %s", file != NULL ? ": " : "",
		    file != NULL ? file : "", strerror(-r));
		hostfiles_fini(&f);
		return 0;
	}
	tell(c, &found, &f.host, key);
	switch (known_act(&f.conf, &found)) {
	case KNOWN_ACCEPT:
		vouched = found.by != KNOWN_BY_ANY;
		r = 1;
		break;
	case KNOWN_ADD:
		add(&f, key, k);
		vouched = false;
		r = 1;
		break;
	case KNOWN_QUESTION:
		r = question(c, &f, k);
		if (r == 1)
			add(&f, key, k);
		break;
	case KNOWN_DISTRUST:
		say(SAY_ERROR, "Password authentication, agent and port forwarding are disabled to "
			       "avoid man-in-the-middle attacks.");
		c->untrusted = true;
		(void)sluice_password_set(c->s, NULL, 0);
		vouched = false;
		r = 1;
		break;
	case KNOWN_REFUSE:
		r = 0;
	}
	if (r == 1 && vouched)
		hostfiles_learn(&f, c);
	hostfiles_fini(&f);
	return r;
}

static void picture(const struct conn *c, const struct sluice_hostkey *k, const struct key *key)
{
	enum hash_alg alg = config_is(c->config, CONFIG_FINGERPRINT_HASH, "MD5")    ? HASH_MD5
			    : config_is(c->config, CONFIG_FINGERPRINT_HASH, "SHA1") ? HASH_SHA1
										    : HASH_SHA256;
	char art[KNOWN_ART_MAX];

	say(SAY_INFO, "Host key fingerprint is %s", hostkey_fingerprint(c, k));
	say_foreign(SAY_INFO, art, strlen(known_art(key, alg, art)));
}

int conn_hostkey(struct conn *c, const struct sluice_hostkey *k)
{
	struct key *key;
	int r;

	c->met = true;
	say(SAY_DEBUG, "Server host key: %s %s", k->type, k->sha256);
	if (key_blob_parse_any(k->blob, k->blob_len, &key) < 0)
		return 0;
	if (conn_rsa_short(c, key)) {
		say(SAY_ERROR, "Bad server host key: Invalid key length");
		key_free(key);
		return 0;
	}
	if (config_yes(c->config, CONFIG_NO_HOST_AUTHENTICATION_FOR_LOCALHOST) && is_loopback(c)) {
		say(SAY_DEBUG, "Forcing accepting of host key for loopback/localhost.");
		key_free(key);
		return 1;
	}
	if (config_yes(c->config, CONFIG_VISUAL_HOST_KEY))
		picture(c, k, key);
	r = judge(c, k, key);
	key_free(key);
	return r;
}

/* Algorithms by which the host shows a key that is known go first, unless they were said. */
int conn_hostkey_order(struct conn *c)
{
	char algs[CONFIG_TEXT_MAX];
	struct hostfiles f;
	int r;

	if (config_given(c->config, CONFIG_HOST_KEY_ALGORITHMS))
		return 0;
	r = hostfiles_init(&f, c, NULL);
	if (r == 0 &&
	    known_order(&f.conf, &f.host, config_text(c->config, CONFIG_HOST_KEY_ALGORITHMS), algs,
			sizeof(algs)) >= 0)
		(void)sluice_set(c->s, "HostKeyAlgorithms", algs);
	hostfiles_fini(&f);
	return r;
}

/* --- other keys of the server's -------------------------------------------------------------- */

static bool update_ask(void)
{
	char answer[16];

	for (int tries = 0; tries < 3; tries++) {
		if (ask_shown("Accept updated hostkeys? (yes/no): ", answer, sizeof(answer)) < 0 ||
		    strcasecmp(answer, "no") == 0)
			return false;
		if (strcasecmp(answer, "yes") == 0)
			return true;
	}
	return false;
}

int conn_hostkeys(struct conn *c, const struct sluice_hostkey *keys, unsigned int n,
		  unsigned int gone)
{
	bool raw = tty_is_raw(), yes;

	if (config_yes(c->config, CONFIG_BATCH_MODE))
		return 0;
	tty_restore();
	say(SAY_INFO,
	    "The server has updated its host keys; the key it is known by vouches for that.");
	for (unsigned int i = 0; i < n; i++)
		say(SAY_INFO, "New hostkey: %s %s", keys[i].type, hostkey_fingerprint(c, &keys[i]));
	if (gone > 0)
		say(SAY_INFO, "Obsolete hostkeys: %u", gone);
	yes = update_ask();
	if (raw)
		tty_raw(STDIN_FILENO);
	return yes;
}
