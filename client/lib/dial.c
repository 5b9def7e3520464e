/* client/lib/dial.c - see dial.h. */
#include "client/lib/dial.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "client/reach/command.h"
#include "client/reach/env.h"
#include "client/reach/reach.h"
#include "client/sluice.h"
#include "crypto/secret.h"

#define HEADERS_MAX 32

struct dial {
	struct reach *reach;
	char password[PROXY_WORD_MAX + 2];
	char *headers; /* cut into lines */
	char *command;
	const char *header[HEADERS_MAX];
	unsigned int n_headers;
};

static int headers_cut(struct dial *d, const char *lines)
{
	char *at, *line;

	d->headers = at = strdup(lines);
	if (at == NULL)
		return -ENOMEM;
	while ((line = strsep(&at, "\n")) != NULL) {
		if (*line == '\0')
			continue;
		if (d->n_headers == HEADERS_MAX)
			return -E2BIG;
		d->header[d->n_headers++] = line;
	}
	return 0;
}

/* Which proxy, and who we are to it. */
static int proxy_choose(struct dial *d, const struct settings *set, struct reach_conf *c,
			const char **ret_why)
{
	int r;

	if (proxy_addr_parse(set->proxy, &c->proxy) < 0) {
		*ret_why = "Proxy: scheme://[user@]host[:port] with a scheme of http, socks4, "
			   "socks4a, socks5, socks5h";
		return -SLUICE_E_VALUE;
	}
	if (c->proxy.kind == PROXY_NONE && set->proxy_detect)
		proxy_from_env(set->hostname, &c->proxy, d->password);
	if (c->proxy.kind == PROXY_NONE || proxy_exempt(set->proxy_exceptions, set->hostname)) {
		c->proxy.kind = PROXY_NONE;
		return 0;
	}
	*ret_why = "ProxyPasswordFile: cannot be read by us, or can be by others";
	if (*set->proxy_password_file != '\0') {
		r = secret_line(set->proxy_password_file, d->password, sizeof(d->password));
		if (r < 0)
			return r == -EPERM ? -EACCES : r;
	}
	if (*c->proxy.user != '\0')
		c->proxy_password = d->password;
	*ret_why = "ProxyHeader: too many";
	c->proxy_header = d->header;
	r = headers_cut(d, set->proxy_headers);
	c->n_proxy_headers = d->n_headers;
	return r;
}

static const char *text_or_null(const char *s)
{
	return *s != '\0' ? s : NULL;
}

static int conf_fill(struct dial *d, const struct settings *set, struct reach_conf *c,
		     const char **ret_why)
{
	int r;

	*c = (struct reach_conf){
		.host = set->hostname,
		.port = (uint16_t)set->port,
		.family = set->family == 4   ? AF_INET
			  : set->family == 6 ? AF_INET6
					     : AF_UNSPEC,
		.bind = {text_or_null(set->bind_address), text_or_null(set->bind_interface),
			 (uint16_t)set->bind_port},
		.tcp = {.delay = !set->tcp_nodelay,
			.keepalive = set->tcp_keepalive,
			.keep_idle_s = (int)((set->tcp_keep_idle + 999) / 1000),
			.keep_interval_s = (int)((set->tcp_keep_interval + 999) / 1000),
			.keep_count = (int)set->tcp_keep_count,
			.rcvbuf = (int)set->rcvbuf,
			.sndbuf = (int)set->sndbuf},
		.command = text_or_null(set->proxy_command),
		.command_err_fd = -1,
	};
	if (c->command == NULL || strcasecmp(c->command, "none") == 0) {
		c->command = NULL;
		return proxy_choose(d, set, c, ret_why);
	}
	*ret_why = "ProxyCommand: a token there is not, or a name a shell would act on";
	r = command_expand(c->command, set->hostname, (uint16_t)set->port, set->user, &d->command);
	c->command = d->command;
	return r == -EINVAL ? -SLUICE_E_VALUE : r;
}

int dial_new(const struct settings *set, uint32_t again_ms, struct dial **ret, const char **ret_why)
{
	struct dial *d = calloc(1, sizeof(*d));
	struct reach_conf c;
	int r;

	*ret_why = "out of memory";
	if (d == NULL)
		return -ENOMEM;
	r = conf_fill(d, set, &c, ret_why);
	c.again_ms = again_ms;
	if (r == 0) {
		r = reach_new(&c, &d->reach);
		*ret_why = r == -EINVAL   ? "no host's name, or no address to bind to"
			   : r == -ENODEV ? "BindInterface: there is no such interface"
					  : sluice_strerror(r);
		r = r == -EINVAL ? -SLUICE_E_ADDRESS : r;
	}
	if (r < 0)
		dial_free(d);
	else
		*ret = d;
	return r;
}

/* What getaddrinfo(3) said, as programs know it. */
static int resolve_error(int gai)
{
	switch (gai) {
	case EAI_AGAIN:
		return -SLUICE_E_RESOLVE_AGAIN;
	case EAI_NONAME:
		return -SLUICE_E_RESOLVE;
	case 0: /* it has some, and none of the family that is wanted */
	case EAI_NODATA:
	case EAI_ADDRFAMILY:
		return -SLUICE_E_RESOLVE_NO_ADDRESS;
	default:
		return -SLUICE_E_RESOLVE_FAILED;
	}
}

int dial_step(struct dial *d, int *ret_fd, pid_t *ret_command)
{
	struct reach_link link;
	int r = reach_step(d->reach, &link);

	if (r == 0) {
		*ret_fd = link.fd;
		*ret_command = link.command;
	}
	if (r < 0 && r != -EAGAIN && reach_stage(d->reach) == REACH_NAME && r != -ETIMEDOUT)
		return resolve_error(reach_gai(d->reach));
	return r;
}

int dial_fd(const struct dial *d)
{
	return reach_fd(d->reach);
}

bool dial_at_proxy(const struct dial *d)
{
	return reach_at_proxy(d->reach);
}

const char *dial_why(const struct dial *d)
{
	return reach_why(d->reach);
}

void dial_free(struct dial *d)
{
	if (d == NULL)
		return;
	reach_free(d->reach);
	free(d->headers);
	free(d->command);
	secret_wipe(d, sizeof(*d));
	free(d);
}
