/* client/shell/proxy.c - the proxy on the way (Proxy), and its user's password. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "client/ask.h"
#include "client/reach/env.h"
#include "client/shell/conn.h"
#include "client/shell/say.h"
#include "crypto/secret.h"

/* ProxyPasswordFile's first line. */
static int password_read(struct conn *c)
{
	char path[CONFIG_TEXT_MAX];
	int r;

	if (config_expanded(c->config, CONFIG_PROXY_PASSWORD_FILE, 0, path, sizeof(path)) < 0) {
		snprintf(c->why, sizeof(c->why), "%s", config_errors(c->config));
		return -EINVAL;
	}
	r = secret_line(path, c->proxy_password, sizeof(c->proxy_password));
	if (r < 0)
		snprintf(c->why, sizeof(c->why), "ProxyPasswordFile %.300s: %s", path,
			 r == -EPERM ? "others may read it" : strerror(-r));
	return r;
}

static int password(struct conn *c, const struct proxy_addr *proxy)
{
	char prompt[2 * PROXY_WORD_MAX + 64];

	if (config_text(c->config, CONFIG_PROXY_PASSWORD_FILE) != NULL)
		return password_read(c);
	/* One of SOCKS4 has users without. */
	if (config_yes(c->config, CONFIG_BATCH_MODE) || proxy->kind == PROXY_SOCKS4 ||
	    proxy->kind == PROXY_SOCKS4A)
		return 0;
	snprintf(prompt, sizeof(prompt), "%s@%s port %u, proxy's password: ", proxy->user,
		 proxy->host, proxy->port);
	if (ask_secret(prompt, c->proxy_password, sizeof(c->proxy_password)) >= 0)
		return 0;
	snprintf(c->why, sizeof(c->why), "no password for the proxy");
	return -EACCES;
}

/* Proxy, or the environment's; PROXY_NONE: none, or none for this host. */
static void choose(struct conn *c, struct proxy_addr *ret)
{
	const char *text = config_text(c->config, CONFIG_PROXY);
	const char *but = config_text(c->config, CONFIG_PROXY_EXCEPTIONS);
	const char *command = config_text(c->config, CONFIG_PROXY_COMMAND);
	bool by_command = command != NULL && strcasecmp(command, "none") != 0;

	if (text == NULL || proxy_addr_parse(text, ret) < 0)
		ret->kind = PROXY_NONE;
	if (ret->kind == PROXY_NONE && !by_command &&
	    config_yes(c->config, CONFIG_PROXY_AUTO_DETECT))
		proxy_from_env(c->host, ret, c->proxy_password);
	if (ret->kind != PROXY_NONE && but != NULL && proxy_exempt(but, c->host)) {
		say(SAY_DEBUG, "%s is reached without a proxy", c->host);
		ret->kind = PROXY_NONE;
	}
}

int conn_proxy(struct conn *c, struct reach_conf *conf)
{
	const struct conf_strs *headers = config_list(c->config, CONFIG_PROXY_HEADER);
	int r = 0;

	choose(c, &conf->proxy);
	if (conf->proxy.kind == PROXY_NONE)
		return 0;
	say(SAY_DEBUG, "By the proxy %s port %u", conf->proxy.host, conf->proxy.port);
	c->proxied = true;
	conf->proxy_header = headers->v;
	conf->n_proxy_headers = (unsigned int)headers->n;
	if (*conf->proxy.user == '\0')
		return 0;
	if (*c->proxy_password == '\0')
		r = password(c, &conf->proxy);
	conf->proxy_password = c->proxy_password;
	return r;
}
