/*
 * client/config/program.c - what files say of a host to a program, for which the library has to
 * honour it: all of config_settings(), and what a command does of itself.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "client/config/internal.h"

/* Keywords beside those of config_settings() that are a setting of the library. */
static const struct {
	enum config_id id;
	const char *setting; /* NULL: of the same name */
	bool none_is_empty;
} others[] = {
	{CONFIG_ADDRESS_FAMILY, NULL, false},
	{CONFIG_BIND_ADDRESS, NULL, true},
	{CONFIG_BIND_INTERFACE, NULL, true},
	{CONFIG_CHANNEL_TIMEOUT, NULL, false},
	{CONFIG_CONNECT_TIMEOUT, NULL, false},
	{CONFIG_FORWARD_BIND_ADDRESS, NULL, false},
	{CONFIG_GLOBAL_KNOWN_HOSTS_FILE, NULL, false},
	{CONFIG_HASH_KNOWN_HOSTS, NULL, false},
	{CONFIG_HOST_KEY_ALIAS, NULL, false},
	{CONFIG_LOG_LEVEL, NULL, false},
	{CONFIG_NUMBER_OF_PASSWORD_PROMPTS, NULL, false},
	{CONFIG_PROXY, NULL, false},
	{CONFIG_PROXY_COMMAND, NULL, true},
	{CONFIG_PROXY_PASSWORD_FILE, NULL, true},
	{CONFIG_RECONNECT, NULL, false},
	{CONFIG_RECONNECT_INTERVAL, NULL, false},
	{CONFIG_RECONNECT_INTERVAL_MAX, "ReconnectMaxInterval", false},
	{CONFIG_RECONNECT_JITTER, NULL, false},
	{CONFIG_RECONNECT_TRIES, "ReconnectMax", false},
	{CONFIG_REVOKED_HOST_KEYS, NULL, true},
	{CONFIG_STRICT_HOST_KEY_CHECKING, NULL, false},
	{CONFIG_TCP_KEEP_ALIVE, NULL, false},
	{CONFIG_UPDATE_HOST_KEYS, NULL, false},
	{CONFIG_USER_KNOWN_HOSTS_FILE, NULL, false},
};

struct program {
	struct config *c;
	config_put *put;
	void *arg;
	bool done[CONFIG_IDS];
};

/* Do files say what becomes of PreferredAuthentications? */
static bool methods_said(const struct config *c)
{
	for (size_t id = 0; id < CONFIG_IDS; id++)
		if (c->set[id] && config_of_methods(id))
			return true;
	return false;
}

static int wrong(struct config *c, const char *setting, const char *why)
{
	config_say(c, &c->errors, NULL, "%s: %s", setting, why);
	return -EINVAL;
}

/* Word i, replaced. A public key, which has blanks, is no path. */
static int word(struct config *c, enum config_id id, size_t i, char *buf, size_t size)
{
	const char *text = c->value[id].v[i];
	bool key = config_kws[id].type == TYPE_LIB_LINES && strchr(text, ' ') != NULL;

	return config_expand(c, text, key ? 0 : config_kws[id].expand, buf, size);
}

/* All of a value: words with blanks between, or lines. */
static int put_words(struct program *p, enum config_id id, const char *setting, bool none_is_empty)
{
	enum config_type type = config_kws[id].type;
	char all[CONFIG_TEXT_MAX], one[CONFIG_TEXT_MAX];
	size_t len = 0;

	*all = '\0';
	for (size_t i = 0; i < p->c->value[id].n; i++) {
		const char *between = i == 0 ? "" : type == TYPE_LIB_LINES ? "\n" : " ";
		int n = word(p->c, id, i, one, sizeof(one));

		if (n == -EINVAL)
			return n;
		if (type == TYPE_WORDS && strpbrk(one, " \t") != NULL)
			return wrong(p->c, setting, "a name with a blank in it");
		if (n < 0 || (size_t)n + 1 >= sizeof(all) - len)
			return wrong(p->c, setting, "too long");
		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s", between, one);
	}
	if (none_is_empty && strcasecmp(all, "none") == 0)
		*all = '\0';
	return p->put(p->arg, setting, all);
}

/* Of config_settings(): no defaults, which are the library's own. */
static int put_said(void *arg, const char *keyword, const char *value)
{
	struct program *p = arg;
	size_t id = (size_t)(config_kw_find(keyword) - config_kws);

	if (id == CONFIG_PREFERRED_AUTHENTICATIONS ? !methods_said(p->c) : !p->c->set[id])
		return 0;
	p->done[id] = true;
	if (config_kws[id].type == TYPE_LIB_LINES)
		return put_words(p, id, keyword, false);
	return p->put(p->arg, keyword, value);
}

static int put_others(struct program *p)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(others) / sizeof(others[0]); i++) {
		enum config_id id = others[i].id;
		const char *setting =
			others[i].setting != NULL ? others[i].setting : config_kws[id].name;

		if (!p->c->set[id])
			continue;
		p->done[id] = true;
		r = put_words(p, id, setting, others[i].none_is_empty);
	}
	return r;
}

static int put_agent(struct program *p)
{
	char path[CONFIG_TEXT_MAX];

	if (!p->c->set[CONFIG_IDENTITY_AGENT])
		return 0;
	p->done[CONFIG_IDENTITY_AGENT] = true;
	if (config_agent_path(p->c, path, sizeof(path)))
		return p->put(p->arg, "IdentityAgent", path);
	return p->c->errors.len > 0 ? -EINVAL : p->put(p->arg, "AgentAuth", "no");
}

static int put_password(struct program *p)
{
	p->done[CONFIG_PASSWORD_FILE] = p->done[CONFIG_PASSWORD_COMMAND] = true;
	return config_password(p->c, p->put, p->arg);
}

int config_program(struct config *c, config_put *put, config_left *left, void *arg)
{
	struct program p = {c, put, arg, {false}};
	int r = config_settings(c, put_said, &p);

	if (r == 0)
		r = put_others(&p);
	if (r == 0)
		r = put_agent(&p);
	if (r == 0)
		r = put_password(&p);
	for (size_t id = 0; r == 0 && id < CONFIG_IDS; id++)
		if (c->set[id] && !p.done[id] && !config_of_methods(id))
			left(arg, config_kws[id].name);
	return r;
}
