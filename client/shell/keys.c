/* client/shell/keys.c - the identities of a connection: files, tokens, and their passphrases. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/ask.h"
#include "client/shell/conn.h"
#include "client/shell/say.h"
#include "crypto/secret.h"

struct asking {
	const struct conn *c;
	const char *path;
};

static ssize_t ask_passphrase(void *arg, const char *what, char *buf, size_t size)
{
	const struct asking *a = arg;
	char prompt[CONFIG_TEXT_MAX + 64];

	(void)what;
	if (config_yes(a->c->config, CONFIG_BATCH_MODE))
		return -ENOKEY;
	snprintf(prompt, sizeof(prompt), "Enter passphrase for key '%s': ", a->path);
	return ask_secret(prompt, buf, size);
}

/* A passphrase may be mistyped as often as a password. */
static int load(const struct conn *c, const char *path, struct sluice_key **ret)
{
	uint64_t tries = config_number(c->config, CONFIG_NUMBER_OF_PASSWORD_PROMPTS);
	struct asking a = {c, path};
	struct sluice_key_opts opts = {.size = sizeof(opts), .ask = ask_passphrase, .arg = &a};
	int r;

	do {
		r = sluice_key_load(path, &opts, ret);
	} while (r == -EKEYREJECTED && tries-- > 1 && !config_yes(c->config, CONFIG_BATCH_MODE));
	return r;
}

static void identity(struct conn *c, const char *path)
{
	struct sluice_key *k = NULL;
	char line[128];
	int r;

	if (strncmp(path, "pkcs11:", 7) != 0 && access(path, F_OK) < 0) {
		say(SAY_DEBUG, "identity file %s: %s", path, strerror(errno));
		return;
	}
	r = load(c, path, &k);
	if (r == -EACCES)
		say(SAY_ERROR, "Load key \"%s\": bad permissions: others may read it", path);
	else if (r < 0)
		say(SAY_ERROR, "Load key \"%s\": %s", path, sluice_strerror(r));
	if (r < 0)
		return;
	if (sluice_key_info(k, SLUICE_KEY_SHA256, line, sizeof(line)) > 0)
		say(SAY_DEBUG, "identity file %s: %s", path, line);
	if (sluice_identity_add(c->s, k) < 0)
		say(SAY_ERROR, "identity file %s: not used", path);
	sluice_key_free(k);
}

void conn_identities(struct conn *c)
{
	const struct conf_strs *list = config_list(c->config, CONFIG_IDENTITY_FILE);
	char path[CONFIG_TEXT_MAX];

	if (config_is(c->config, CONFIG_PUBKEY_AUTHENTICATION, "no"))
		return;
	for (size_t i = 0; i < list->n; i++) {
		if (strcmp(list->v[i], "none") == 0)
			continue;
		if (strncmp(list->v[i], "pkcs11:", 7) == 0)
			identity(c, list->v[i]);
		else if (config_expanded(c->config, CONFIG_IDENTITY_FILE, i, path, sizeof(path)) >
			 0)
			identity(c, path);
	}
}
