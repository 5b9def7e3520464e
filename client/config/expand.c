/* client/config/expand.c - ~, %tokens and ${ENV} in values. Source ssh_config(5), TOKENS. */
#include <errno.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/config/internal.h"

#define ENV_NAME_MAX 128

/* Text that grows in a buffer of the caller's. */
struct out {
	char *p;
	size_t n, size;
	bool full;
};

static void put(struct out *o, const char *text)
{
	size_t n = strlen(text);

	if (n >= o->size - o->n) {
		o->full = true;
		return;
	}
	memcpy(o->p + o->n, text, n + 1);
	o->n += n;
}

static void local_name(char *buf, size_t size, bool domain)
{
	if (gethostname(buf, size) < 0)
		*buf = '\0';
	buf[size - 1] = '\0';
	if (!domain)
		buf[strcspn(buf, ".")] = '\0';
}

/* Hostname may say %h itself: the name that was given. */
bool config_real_host(const struct config *c, char *buf, size_t size)
{
	struct out o = {buf, 0, size, false};
	const char *name = config_text(c, CONFIG_HOSTNAME);

	*buf = '\0';
	if (name == NULL) {
		put(&o, c->host);
		return !o.full;
	}
	for (const char *p = name; *p != '\0'; p++) {
		char one[2] = {*p, '\0'};

		if (*p == '%' && p[1] == 'h') {
			put(&o, c->host);
			p++;
		} else {
			put(&o, one);
			p += *p == '%' && p[1] == '%';
		}
	}
	return !o.full;
}

static const char *remote_user(const struct config *c)
{
	const char *user = config_text(c, CONFIG_USER);

	return user != NULL ? user : c->localuser;
}

static const char *port_text(const struct config *c)
{
	const char *port = config_text(c, CONFIG_PORT);

	return port != NULL ? port : "22";
}

/* %C: a name for a connection that is short and has no odd bytes. */
static void connection_hash(const struct config *c, char hex[41])
{
	static const char digit[] = "0123456789abcdef";
	char text[4096], real[1024], local[256];
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	struct out o = {text, 0, sizeof(text), false};

	local_name(local, sizeof(local), true);
	if (!config_real_host(c, real, sizeof(real)))
		*real = '\0';
	put(&o, local);
	put(&o, real);
	put(&o, port_text(c));
	put(&o, remote_user(c));
	if (EVP_Digest(text, o.n, md, &n, EVP_sha1(), NULL) != 1 || n > 20)
		n = 0;
	for (unsigned int i = 0; i < n; i++) {
		hex[2 * i] = digit[md[i] >> 4];
		hex[2 * i + 1] = digit[md[i] & 15];
	}
	hex[2 * n] = '\0';
}

/* What stands for %token; NULL: no such one here. tmp is where it may be put together. */
static const char *token(const struct config *c, char which, unsigned int how, char *tmp,
			 size_t size)
{
	const char *alias = config_text(c, CONFIG_HOST_KEY_ALIAS);

	switch (which) {
	case '%':
		return "%";
	case 'h':
		return config_real_host(c, tmp, size) ? tmp : NULL;
	case 'n':
		return c->given;
	case 'p':
		return port_text(c);
	case 'r':
		return remote_user(c);
	default:
		if ((how & EXPAND_TOKENS) == 0)
			return NULL;
	}
	switch (which) {
	case 'C':
		connection_hash(c, tmp);
		return tmp;
	case 'd':
		return c->home;
	case 'i':
		snprintf(tmp, size, "%u", (unsigned int)getuid());
		return tmp;
	case 'k':
		return alias != NULL ? alias : c->given;
	case 'L':
	case 'l':
		local_name(tmp, size, which == 'l');
		return tmp;
	case 'u':
		return c->localuser;
	}
	return NULL;
}

/* ${NAME} at p: behind it, or NULL: there is none. */
static const char *environment(const char *p, struct out *o)
{
	char name[ENV_NAME_MAX];
	size_t n = strcspn(p + 2, "}");
	const char *value;

	if (p[2 + n] != '}' || n == 0 || n >= sizeof(name))
		return NULL;
	memcpy(name, p + 2, n);
	name[n] = '\0';
	value = getenv(name);
	if (value == NULL)
		return NULL;
	put(o, value);
	return p + 2 + n;
}

/* ~ and ~user at the front: what is behind, or NULL: there is no such user. */
static const char *tilde(const struct config *c, const char *p, struct out *o)
{
	size_t n = strcspn(p, "/");
	char name[256], text[PASSWD_MAX];
	struct passwd entry, *pw = NULL;

	if (n == 1) {
		put(o, c->home);
		return p + 1;
	}
	if (n > sizeof(name))
		return NULL;
	memcpy(name, p + 1, n - 1);
	name[n - 1] = '\0';
	if (getpwnam_r(name, &entry, text, sizeof(text), &pw) != 0 || pw == NULL)
		return NULL;
	put(o, pw->pw_dir);
	return p + n;
}

/* More tokens, for one text. */
struct extra {
	const struct config_token *v;
	size_t n;
};

static const char *extra_token(const struct extra *extra, char which)
{
	for (size_t i = 0; extra != NULL && i < extra->n; i++)
		if (extra->v[i].name == which)
			return extra->v[i].value;
	return NULL;
}

static int expand(struct config *c, const char *text, unsigned int how, const struct extra *extra,
		  char *buf, size_t size)
{
	struct out o = {buf, 0, size, false};
	const char *p = text;

	*buf = '\0';
	if ((how & EXPAND_TILDE) != 0 && *p == '~' && (p = tilde(c, p, &o)) == NULL)
		goto unknown;
	for (; *p != '\0'; p++) {
		char one[2] = {*p, '\0'}, tmp[2048];
		const char *value = one;

		if (*p == '$' && p[1] == '{' && (how & EXPAND_ENV) != 0) {
			p = environment(p, &o);
			if (p == NULL)
				goto unknown;
			continue;
		}
		if (*p == '%' && (how & (EXPAND_TOKENS | EXPAND_PROXY)) != 0) {
			value = extra_token(extra, *++p);
			if (value == NULL)
				value = token(c, *p, how, tmp, sizeof(tmp));
		}
		if (value == NULL)
			goto unknown;
		put(&o, value);
	}
	return o.full ? -E2BIG : (int)o.n;
unknown:
	config_say(c, &c->errors, NULL, "no such token, variable or user in \"%.200s\"", text);
	return -EINVAL;
}

int config_expand(struct config *c, const char *text, unsigned int how, char *buf, size_t size)
{
	return expand(c, text, how, NULL, buf, size);
}

int config_command(struct config *c, enum config_id id, const struct config_token *extra, size_t n,
		   const char *argv[CONF_ARGS_MAX + 1])
{
	const struct extra more = {extra, n};
	char buf[CONFIG_TEXT_MAX];
	int words = args_split(&c->arena, config_text(c, id), argv, CONF_ARGS_MAX);

	if (words <= 0)
		config_say(c, &c->errors, NULL, "%s: no command", config_kws[id].name);
	for (int i = 0; i < words; i++) {
		int r = expand(c, argv[i], config_kws[id].expand, &more, buf, sizeof(buf));

		if (r < 0)
			return r;
		argv[i] = arena_strdup(&c->arena, buf);
		if (argv[i] == NULL)
			return -ENOMEM;
	}
	if (words > 0 && *argv[0] != '/') {
		config_say(c, &c->errors, NULL, "%s: %.200s: not from the root",
			   config_kws[id].name, argv[0]);
		return -EINVAL;
	}
	if (words > 0)
		argv[words] = NULL;
	return words > 0 ? 0 : words < 0 ? words : -EINVAL;
}

bool config_agent_path(struct config *c, char *buf, size_t size)
{
	const char *said = config_text(c, CONFIG_IDENTITY_AGENT), *env;

	if (said == NULL || strcmp(said, "SSH_AUTH_SOCK") == 0)
		env = getenv("SSH_AUTH_SOCK");
	else if (*said == '$' && said[1] != '{')
		env = getenv(said + 1);
	else
		return strcmp(said, "none") != 0 &&
		       config_expanded(c, CONFIG_IDENTITY_AGENT, 0, buf, size) > 0;
	return env != NULL && *env != '\0' && snprintf(buf, size, "%s", env) < (int)size;
}

int config_expanded(struct config *c, enum config_id id, size_t i, char *buf, size_t size)
{
	const struct conf_strs *list = &c->value[id];

	return i < list->n ? config_expand(c, list->v[i], config_kws[id].expand, buf, size)
			   : -EINVAL;
}
