/*
 * client/config/library.c - keywords that the library knows (client/lib/settings.h): their values
 * are checked as it would, and all it can be set to is told in its words.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/config/internal.h"
#include "client/known/known.h"
#include "client/lib/settings.h"
#include "crypto/key.h"

/* --- values -------------------------------------------------------------------------------------
 */

/* What settings_value() takes and only a program of its own can mean. */
static const struct {
	enum config_id id;
	const char *word;
} programs[] = {{CONFIG_AUTH_MODE, "custom"}, {CONFIG_AGENT_AUTH, "only"}};

static bool key_ok(const char *text)
{
	struct key *k = NULL;
	int r = strchr(text, ' ') != NULL ? key_public_line_parse(text, strlen(text), &k) : 0;

	key_free(k);
	return r == 0;
}

static bool header_ok(const char *text)
{
	size_t n = strcspn(text, ": \t");

	return n > 0 && text[n] == ':';
}

/* What settings leave to who uses them is checked here, where the line is known. */
static const char *wrong(enum config_id id, const char *text)
{
	switch (id) {
	case CONFIG_ACCEPT_HOST_KEY:
	case CONFIG_ACCEPT_HOST_CA:
		return key_ok(text) ? NULL : "no public key";
	case CONFIG_ACCEPT_HOST_KEY_FINGERPRINT:
		return known_fingerprints_ok(text) ? NULL : "no fingerprints";
	case CONFIG_PROXY_HEADER:
		return header_ok(text) ? NULL : "no NAME: VALUE";
	default:
		break;
	}
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (programs[i].id == id && strcmp(programs[i].word, text) == 0)
			return "for programs of the library alone";
	return NULL;
}

const char *config_library_value(const struct config_kw *kw, const char *text, char *buf,
				 size_t size)
{
	const char *why;
	int r = settings_value(kw->name, text, buf, size, &why);

	if (r == 0)
		return wrong((enum config_id)(kw - config_kws), buf);
	return r == -E2BIG ? "too long" : why;
}

/* --- settings ------------------------------------------------------------------------------------
 */

/* Keywords that mean the same to the library, beside those it reads. */
static const enum config_id same[] = {
	CONFIG_USER,
	CONFIG_HOSTNAME,
	CONFIG_PORT,
	CONFIG_CIPHERS,
	CONFIG_MACS,
	CONFIG_KEX_ALGORITHMS,
	CONFIG_HOST_KEY_ALGORITHMS,
	CONFIG_PUBKEY_ACCEPTED_ALGORITHMS,
	CONFIG_COMPRESSION,
	CONFIG_GSSAPI_AUTHENTICATION,
	CONFIG_GSSAPI_CLIENT_IDENTITY,
	CONFIG_GSSAPI_DELEGATE_CREDENTIALS,
	CONFIG_GSSAPI_KEX_ALGORITHMS,
	CONFIG_GSSAPI_KEY_EXCHANGE,
	CONFIG_GSSAPI_SERVER_IDENTITY,
	CONFIG_SERVER_ALIVE_INTERVAL,
	CONFIG_SERVER_ALIVE_COUNT_MAX,
};

/* Methods, and the keyword that says "no" to each. */
static const struct {
	const char *name;
	enum config_id id;
	bool asks; /* a person; as with ssh, who asks nobody has none of these */
} methods[] = {
	{"gssapi-keyex", CONFIG_GSSAPI_KEY_EXCHANGE, false},
	{"gssapi-with-mic", CONFIG_GSSAPI_AUTHENTICATION, false},
	{"publickey", CONFIG_PUBKEY_AUTHENTICATION, false},
	{"keyboard-interactive", CONFIG_KBD_INTERACTIVE_AUTHENTICATION, true},
	{"password", CONFIG_PASSWORD_AUTHENTICATION, true},
};

static bool has_password(const struct config *c)
{
	return c->set[CONFIG_PASSWORD_FILE] || c->set[CONFIG_PASSWORD_COMMAND];
}

bool config_of_methods(size_t id)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (methods[i].id == id)
			return true;
	return id == CONFIG_PREFERRED_AUTHENTICATIONS || id == CONFIG_BATCH_MODE;
}

static bool method_wanted(const struct config *c, const char *name, size_t n)
{
	bool nobody = config_yes(c, CONFIG_BATCH_MODE) && !has_password(c);

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strlen(methods[i].name) == n && strncmp(methods[i].name, name, n) == 0)
			return !config_is(c, methods[i].id, "no") && !(methods[i].asks && nobody);
	return false;
}

/* The words of a command as one text, which is split into the same. */
static int put_command(struct config *c, enum config_id id, config_put *put, void *arg)
{
	const char *argv[CONF_ARGS_MAX + 1];
	char *text = NULL;
	size_t len;
	FILE *f;
	int r = config_command(c, id, NULL, 0, argv);

	if (r < 0)
		return r;
	f = open_memstream(&text, &len);
	if (f == NULL)
		return -ENOMEM;
	for (size_t i = 0; argv[i] != NULL; i++) {
		fputs(i > 0 ? " \"" : "\"", f);
		for (const char *p = argv[i]; *p != '\0'; p++)
			fprintf(f, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
		fputc('"', f);
	}
	r = fclose(f) == 0 ? put(arg, config_kws[id].name, text) : -ENOMEM;
	free(text);
	return r;
}

int config_password(struct config *c, config_put *put, void *arg)
{
	char path[CONFIG_TEXT_MAX];
	int r = 0;

	if (c->set[CONFIG_PASSWORD_FILE]) {
		r = config_expanded(c, CONFIG_PASSWORD_FILE, 0, path, sizeof(path));
		r = r < 0 ? r : put(arg, "PasswordFile", path);
	}
	if (r == 0 && c->set[CONFIG_PASSWORD_COMMAND])
		r = put_command(c, CONFIG_PASSWORD_COMMAND, put, arg);
	return r;
}

/* The methods that are wanted, in their order, of those the library has. */
static int put_methods(const struct config *c, config_put *put, void *arg)
{
	const char *list = config_text(c, CONFIG_PREFERRED_AUTHENTICATIONS);
	char out[256] = "";

	if (list == NULL)
		list = "gssapi-keyex,gssapi-with-mic,publickey,keyboard-interactive,password";
	while (*list != '\0') {
		size_t n = strcspn(list, ",");

		if (method_wanted(c, list, n) && strlen(out) + n + 2 < sizeof(out))
			snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%.*s",
				 *out != '\0' ? "," : "", (int)n, list);
		list += n + (list[n] == ',');
	}
	return put(arg, "PreferredAuthentications", *out != '\0' ? out : "none");
}

static int put_rekey(const struct config *c, config_put *put, void *arg)
{
	const struct conf_strs *v = config_list(c, CONFIG_REKEY_LIMIT);
	char text[64];

	snprintf(text, sizeof(text), "%s %s", strcmp(v->v[0], "0") == 0 ? "default" : v->v[0],
		 strcmp(v->v[1], "0") == 0 ? "none" : v->v[1]);
	return put(arg, "RekeyLimit", text);
}

/* Lines of one setting. */
static int put_lines(const struct config *c, size_t id, config_put *put, void *arg)
{
	const struct conf_strs *list = &c->value[id];
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int r = -ENOMEM;

	if (f == NULL)
		return r;
	for (size_t i = 0; i < list->n; i++)
		fprintf(f, "%s%s", i > 0 ? "\n" : "", list->v[i]);
	if (fclose(f) == 0)
		r = put(arg, config_kws[id].name, text);
	free(text);
	return r;
}

/* What the library reads itself, where it was said. */
static int put_library(const struct config *c, config_put *put, void *arg)
{
	int r = 0;

	for (size_t id = 0; r == 0 && id < CONFIG_IDS; id++) {
		if (!c->set[id])
			continue;
		if (config_kws[id].type == TYPE_LIB)
			r = put(arg, config_kws[id].name, config_text(c, id));
		else if (config_kws[id].type == TYPE_LIB_LINES)
			r = put_lines(c, id, put, arg);
	}
	return r;
}

int config_settings(const struct config *c, config_put *put, void *arg)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(same) / sizeof(same[0]); i++)
		if (config_text(c, same[i]) != NULL)
			r = put(arg, config_kws[same[i]].name, config_text(c, same[i]));
	if (r == 0)
		r = put_rekey(c, put, arg);
	if (r == 0)
		r = put_methods(c, put, arg);
	return r == 0 ? put_library(c, put, arg) : r;
}
