/* client/shell/keys.c - the identities of a connection: files, tokens, and their passphrases. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/ask.h"
#include "client/shell/conn.h"
#include "client/shell/say.h"
#include "crypto/base64.h"
#include "crypto/key.h"
#include "crypto/secret.h"

#define KEY_LINE_MAX  (2 * KEY_BLOB_MAX + 1024) /* of a public file */
#define CERT_FILE_MAX (128 * 1024)

/* The first line of a public file. False: there is none. */
static bool first_line(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");
	bool got = f != NULL && fgets(buf, (int)size, f) != NULL;

	if (f != NULL)
		fclose(f);
	if (got)
		buf[strcspn(buf, "\r\n")] = '\0';
	return got;
}

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

static int passphrase_read(const char *path, char *buf, size_t size)
{
	int r = secret_line(path, buf, size);

	if (r < 0)
		say(SAY_ERROR, "passphrase file %s: %s", path,
		    r == -EPERM ? "bad permissions: others may read it" : strerror(-r));
	return r < 0 ? -ENOKEY : 0;
}

/* A passphrase may be mistyped as often as a password. */
static int load_asking(const struct conn *c, const char *path, struct sluice_key_opts *opts,
		       struct sluice_key **ret)
{
	uint64_t tries = config_number(c->config, CONFIG_NUMBER_OF_PASSWORD_PROMPTS);
	int r;

	do {
		r = sluice_key_load(path, opts, ret);
	} while (r == -EKEYREJECTED && opts->passphrase == NULL && tries-- > 1 &&
		 !config_yes(c->config, CONFIG_BATCH_MODE));
	return r;
}

static int load(const struct conn *c, const struct conf_host_key *f, char *why, size_t why_size,
		struct sluice_key **ret)
{
	struct asking a = {c, f->path};
	char pass[2][SLUICE_ANSWER_MAX];
	struct sluice_key_opts opts = {.size = sizeof(opts),
				       .ask = ask_passphrase,
				       .arg = &a,
				       .format = f->format,
				       .subject = f->subject,
				       .thumbprint = f->thumbprint,
				       .why = why,
				       .why_size = why_size};
	int r = 0;

	snprintf(why, why_size, "no passphrase");
	if (f->passphrase_file != NULL) {
		r = passphrase_read(f->passphrase_file, pass[0], sizeof(pass[0]));
		opts.passphrase = pass[0];
	}
	if (r == 0 && f->key_passphrase_file != NULL) {
		r = passphrase_read(f->key_passphrase_file, pass[1], sizeof(pass[1]));
		opts.key_passphrase = pass[1];
	}
	if (r == 0)
		r = load_asking(c, f->path, &opts, ret);
	secret_wipe(pass, sizeof(pass));
	return r;
}

/* --- an agent's
 * ----------------------------------------------------------------------------------- */

bool conn_agent_wanted(const struct conn *c)
{
	return !config_is(c->config, CONFIG_PUBKEY_AUTHENTICATION, "no") &&
	       !config_is(c->config, CONFIG_AGENT_AUTH, "no");
}

bool conn_agent_missing(struct conn *c)
{
	if (!config_is(c->config, CONFIG_AGENT_AUTH, "require") || c->agents_keys > 0)
		return false;
	snprintf(c->why, sizeof(c->why), "AgentAuth require: there is no agent with a key for it");
	return true;
}

/* RequiredRSASize: of RSA keys alone. */
bool conn_rsa_short(const struct conn *c, const struct key *k)
{
	return strcmp(key_type(key_plain(k)), "ssh-rsa") == 0 &&
	       key_bits(key_plain(k)) < config_number(c->config, CONFIG_REQUIRED_RSA_SIZE);
}

/* The library asks the agent by turns, and this is what it does not have any more. */
static int agent_lost(void *arg, const struct sluice_key *pub, const char *alg, const void *data,
		      size_t len, uint8_t *sig, size_t *sig_len)
{
	(void)arg, (void)pub, (void)alg, (void)data, (void)len, (void)sig, (void)sig_len;
	return -ENOKEY;
}

/* "type base64" of what an agent has, to be freed. */
static char *line_of(const struct key *k)
{
	const char *type = key_type(k);
	size_t len, n = strlen(type);
	const uint8_t *blob = key_blob(k, &len);
	char *line = malloc(n + 1 + base64_len(len) + 1);

	if (line == NULL)
		return NULL;
	memcpy(line, type, n);
	line[n] = ' ';
	base64_encode(blob, len, line + n + 1);
	line[n + 1 + base64_len(len)] = '\0';
	return line;
}

/* Does an IdentityFile's public half say this key? */
static bool file_names(struct conn *c, const char *of)
{
	char pub[CONFIG_TEXT_MAX + 8], line[KEY_LINE_MAX];
	struct config_identity id;

	for (size_t i = 0; i < config_list(c->config, CONFIG_IDENTITY_FILE)->n; i++) {
		if (!config_identity(c->config, i, &id))
			continue;
		snprintf(pub, sizeof(pub), "%s.pub", id.key.path);
		if ((first_line(pub, line, sizeof(line)) ||
		     first_line(id.key.path, line, sizeof(line))) &&
		    strncmp(line, of, strlen(of)) == 0)
			return true;
	}
	return false;
}

static void agent_key_add(struct conn *c, const struct agent_key *k)
{
	struct sluice_key *pub = NULL;
	char *line = line_of(k->key);

	if (line != NULL && !conn_rsa_short(c, k->key) &&
	    (!config_yes(c->config, CONFIG_IDENTITIES_ONLY) || file_names(c, line)) &&
	    sluice_key_public(line, &pub) == 0) {
		say(SAY_DEBUG, "agent key: %s %s", key_type(k->key), k->comment);
		if (sluice_identity_add_signer(c->s, pub, agent_lost, NULL) < 0)
			say(SAY_ERROR, "agent key %s: not used", k->comment);
		else
			c->agents_keys++;
	}
	sluice_key_free(pub);
	free(line);
}

/* 0: it is being asked for what it has. */
static int agent_ask_keys(struct conn *c, uint64_t now_ms)
{
	char path[CONFIG_TEXT_MAX];
	uint8_t msg[8];
	int r;

	if (!config_agent_path(c->config, path, sizeof(path)))
		return -ENOENT;
	r = agent_open(path, &c->agent);
	if (r == 0)
		r = agent_ask(c->agent, msg, agent_list_build(msg, sizeof(msg)));
	if (r < 0)
		say(SAY_DEBUG, "agent %s: %s", path, strerror(-r));
	c->agent_due_ms = now_ms + CONN_AGENT_MS;
	return r;
}

/* -EAGAIN: it has not said yet, and has time. */
static int agent_hear_keys(struct conn *c, uint64_t now_ms, struct agent_keys *ret)
{
	struct ssh_str reply;
	int r = agent_step(c->agent, &reply);

	if (r == -EAGAIN && now_ms < c->agent_due_ms)
		return r;
	if (r == 0)
		r = agent_list_parse(reply, ret);
	if (r < 0)
		say(SAY_DEBUG, "agent: %s", strerror(r == -EAGAIN ? ETIMEDOUT : -r));
	return r == -EAGAIN ? -ETIMEDOUT : r;
}

void conn_identities_free(struct conn *c)
{
	agent_close(c->agent);
	c->agent = NULL;
}

static bool agent_has(const struct agent_keys *keys, const char *line)
{
	bool has = false;

	for (unsigned int i = 0; !has && i < keys->n; i++) {
		char *its = line_of(keys->v[i].key);

		has = its != NULL && strncmp(its, line, strlen(its)) == 0;
		free(its);
	}
	return has;
}

/* --- files
 * ------------------------------------------------------------------------------------------- */

/* The certificate beside a key: FILE-cert.pub, or one CertificateFile names, of X.509 as well. */
static void certificate_try(struct sluice_key *k, const char *path)
{
	char text[CERT_FILE_MAX];
	FILE *f = fopen(path, "re");
	size_t n = f != NULL ? fread(text, 1, sizeof(text), f) : 0;

	if (n > 0 && n < sizeof(text) && sluice_key_certificate_parse(k, text, n) == 0)
		say(SAY_DEBUG, "certificate %s", path);
	if (f != NULL)
		fclose(f);
}

static void certificate(struct conn *c, struct sluice_key *k, const char *path)
{
	const struct conf_strs *list = config_list(c->config, CONFIG_CERTIFICATE_FILE);
	char other[CONFIG_TEXT_MAX];

	for (size_t i = 0; i < list->n; i++)
		if (config_expanded(c->config, CONFIG_CERTIFICATE_FILE, i, other, sizeof(other)) >
		    0)
			certificate_try(k, other);
	if (list->n == 0 &&
	    snprintf(other, sizeof(other), "%s-cert.pub", path) < (int)sizeof(other))
		certificate_try(k, other);
}

static bool key_short(const struct conn *c, const struct sluice_key *k)
{
	char text[32];

	return sluice_key_info(k, SLUICE_KEY_ALGORITHM, text, sizeof(text)) > 0 &&
	       strcmp(text, "RSA") == 0 &&
	       sluice_key_info(k, SLUICE_KEY_BITS, text, sizeof(text)) > 0 &&
	       strtoull(text, NULL, 10) < config_number(c->config, CONFIG_REQUIRED_RSA_SIZE);
}

static void identity(struct conn *c, const struct agent_keys *keys, const struct conf_host_key *f)
{
	char line[KEY_LINE_MAX], pub[CONFIG_TEXT_MAX + 8], why[256];
	const char *path = f->path;
	struct sluice_key *k = NULL;
	int r;

	if (strncmp(path, "pkcs11:", 7) != 0 && access(path, F_OK) < 0) {
		say(SAY_DEBUG, "identity file %s: %s", path, strerror(errno));
		return;
	}
	/* One that the agent has needs no passphrase. */
	snprintf(pub, sizeof(pub), "%s.pub", path);
	if (first_line(pub, line, sizeof(line)) && agent_has(keys, line))
		return;
	r = load(c, f, why, sizeof(why), &k);
	if (r == -EACCES)
		say(SAY_ERROR, "Load key \"%s\": bad permissions: others may read it", path);
	else if (r < 0)
		say(SAY_ERROR, "Load key \"%s\": %s", path, why);
	if (r < 0)
		return;
	if (key_short(c, k)) {
		say(SAY_INFO, "identity file %s: too short: RequiredRSASize", path);
		sluice_key_free(k);
		return;
	}
	if (sluice_key_info(k, SLUICE_KEY_SHA256, line, sizeof(line)) > 0)
		say(SAY_DEBUG, "identity file %s: %s", path, line);
	certificate(c, k, path);
	if (sluice_identity_add(c->s, k) < 0)
		say(SAY_ERROR, "identity file %s: not used", path);
	sluice_key_free(k);
}

/* The agent's first. One that did not say what it has is not asked for a signature, too. */
static void identities_add(struct conn *c, const struct agent_keys *keys)
{
	struct config_identity id;

	for (unsigned int i = 0; i < keys->n; i++)
		agent_key_add(c, &keys->v[i]);
	if (keys->n == 0)
		(void)sluice_set(c->s, "AgentAuth", "no");
	if (config_is(c->config, CONFIG_AGENT_AUTH, "require"))
		return;
	for (size_t i = 0; i < config_list(c->config, CONFIG_IDENTITY_FILE)->n; i++)
		if (config_identity(c->config, i, &id))
			identity(c, keys, &id.key);
}

bool conn_identities(struct conn *c, uint64_t now_ms)
{
	struct agent_keys keys = {0};
	int r = 0;

	if (config_is(c->config, CONFIG_PUBKEY_AUTHENTICATION, "no"))
		return true;
	if (c->agent == NULL)
		r = conn_agent_wanted(c) ? agent_ask_keys(c, now_ms) : -ENOENT;
	if (r == 0 && agent_hear_keys(c, now_ms, &keys) == -EAGAIN)
		return false;
	conn_identities_free(c);
	identities_add(c, &keys);
	agent_keys_free(&keys);
	return true;
}
