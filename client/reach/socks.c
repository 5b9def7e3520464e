/* client/reach/socks.c - SOCKS4, SOCKS4A and SOCKS5 (RFC 1928, RFC 1929). */
#include <errno.h>
#include <string.h>

#include "client/reach/proxy_internal.h"
#include "conf/addr.h"
#include "crypto/secret.h"

#define CMD_CONNECT   1
#define AUTH_NONE     0
#define AUTH_PASSWORD 2
#define AUTH_NOTHING  0xff
#define ATYP_IPV4     1
#define ATYP_NAME     3
#define ATYP_IPV6     4

/* What the bytes that are waited for belong to. */
enum step { STEP_V4 = 1, STEP_METHOD, STEP_PASSWORD, STEP_REPLY, STEP_BOUND };

static int wait_for(struct proxy_talk *t, enum step step, size_t more)
{
	t->step = step;
	t->need = t->in_len + more;
	return -EAGAIN;
}

static int put_u8(struct proxy_talk *t, uint8_t v)
{
	return talk_put(t, &v, 1);
}

static int put_port(struct proxy_talk *t)
{
	return talk_put(t, (uint8_t[]){(uint8_t)(t->ask.port >> 8), (uint8_t)t->ask.port}, 2);
}

static int put_counted(struct proxy_talk *t, const char *s)
{
	int r = put_u8(t, (uint8_t)strlen(s));

	return r < 0 ? r : talk_put(t, s, strlen(s));
}

/* --- version 4 -------------------------------------------------------------------------- */

static int v4_begin(struct proxy_talk *t)
{
	/* 0.0.0.x with x above 0: a name follows. */
	const uint8_t later[4] = {0, 0, 0, 1};
	struct conf_addr a;
	bool name = conf_addr_parse(t->host, &a) < 0;

	if (name ? t->ask.kind != PROXY_SOCKS4A : a.family != 4)
		return -EINVAL;
	if (talk_put(t, (uint8_t[]){4, CMD_CONNECT}, 2) < 0 || put_port(t) < 0 ||
	    talk_put(t, name ? later : a.addr, 4) < 0 ||
	    talk_put(t, t->user, strlen(t->user) + 1) < 0 ||
	    (name && talk_put(t, t->host, strlen(t->host) + 1) < 0))
		return -EINVAL;
	(void)wait_for(t, STEP_V4, 8);
	return 0;
}

static int v4_reply(struct proxy_talk *t)
{
	if (t->in[0] != 0)
		return talk_fail(t, -EPROTO, "not a SOCKS4 proxy");
	switch (t->in[1]) {
	case 90:
		return 0;
	case 91:
		return talk_fail(t, -ECONNREFUSED, "the proxy refused or failed");
	case 92:
	case 93:
		return talk_fail(t, -EACCES, "the proxy does not know who we are");
	default:
		return talk_fail(t, -EPROTO, "a reply there is not: %u", t->in[1]);
	}
}

/* --- version 5 -------------------------------------------------------------------------- */

static int v5_begin(struct proxy_talk *t)
{
	static const uint8_t none[] = {5, 1, AUTH_NONE}, both[] = {5, 2, AUTH_NONE, AUTH_PASSWORD};
	struct conf_addr a;
	int r;

	if (t->ask.kind == PROXY_SOCKS5 && conf_addr_parse(t->host, &a) < 0)
		return -EINVAL;
	if (*t->user == '\0' && *t->password != '\0')
		return -EINVAL;
	r = *t->user != '\0' ? talk_put(t, both, sizeof(both)) : talk_put(t, none, sizeof(none));
	(void)wait_for(t, STEP_METHOD, 2);
	return r;
}

static int v5_request(struct proxy_talk *t)
{
	struct conf_addr a;
	int r = talk_put(t, (uint8_t[]){5, CMD_CONNECT, 0}, 3);

	if (r < 0)
		return r;
	if (conf_addr_parse(t->host, &a) < 0)
		r = put_u8(t, ATYP_NAME) < 0 ? -EINVAL : put_counted(t, t->host);
	else if (put_u8(t, a.family == 4 ? ATYP_IPV4 : ATYP_IPV6) < 0 ||
		 talk_put(t, a.addr, a.family == 4 ? 4 : 16) < 0)
		r = -EINVAL;
	if (r == 0)
		r = put_port(t);
	return r < 0 ? r : wait_for(t, STEP_REPLY, 5);
}

static int v5_method(struct proxy_talk *t, uint8_t version, uint8_t method)
{
	if (version != 5)
		return talk_fail(t, -EPROTO, "not a SOCKS5 proxy");
	if (method == AUTH_NONE)
		return v5_request(t);
	if (method == AUTH_PASSWORD && *t->user != '\0') {
		if (put_u8(t, 1) < 0 || put_counted(t, t->user) < 0 ||
		    put_counted(t, t->password) < 0)
			return -EINVAL;
		secret_wipe(t->password, sizeof(t->password));
		return wait_for(t, STEP_PASSWORD, 2);
	}
	if (method == AUTH_NOTHING)
		return talk_fail(t, -EACCES,
				 *t->user != '\0' ? "the proxy takes no password"
						  : "the proxy wants a user");
	return talk_fail(t, -EPROTO, "a method that was not offered: %u", method);
}

/* RFC 1928 section 6. */
static int v5_refused(struct proxy_talk *t, uint8_t why)
{
	static const struct {
		int err;
		const char *text;
	} reply[] = {
		{-ECONNREFUSED, "the proxy failed"},
		{-EPERM, "the proxy's rules do not allow it"},
		{-ENETUNREACH, "the proxy cannot reach the network"},
		{-EHOSTUNREACH, "the proxy cannot reach the host"},
		{-ECONNREFUSED, "the proxy's connection was refused"},
		{-ETIMEDOUT, "the proxy's connection took too long"},
		{-EPROTO, "the proxy does not know how to connect"},
		{-EPROTO, "the proxy does not know such an address"},
	};

	if (why > sizeof(reply) / sizeof(reply[0]))
		return talk_fail(t, -EPROTO, "a reply there is not: %u", why);
	return talk_fail(t, reply[why - 1].err, "%s", reply[why - 1].text);
}

/* The address the proxy connects from: nobody's concern, and in front of the server's bytes. */
static int v5_bound(struct proxy_talk *t, const uint8_t *p)
{
	if (p[0] != 5)
		return talk_fail(t, -EPROTO, "not a SOCKS5 proxy");
	if (p[1] != 0)
		return v5_refused(t, p[1]);
	switch (p[3]) {
	case ATYP_IPV4:
		return wait_for(t, STEP_BOUND, 4 - 1 + 2);
	case ATYP_IPV6:
		return wait_for(t, STEP_BOUND, 16 - 1 + 2);
	case ATYP_NAME:
		return wait_for(t, STEP_BOUND, (size_t)p[4] + 2);
	default:
		return talk_fail(t, -EPROTO, "an address there is not: %u", p[3]);
	}
}

/* --- both ------------------------------------------------------------------------------- */

int socks_begin(struct proxy_talk *t)
{
	bool v4 = t->ask.kind == PROXY_SOCKS4 || t->ask.kind == PROXY_SOCKS4A;

	return v4 ? v4_begin(t) : v5_begin(t);
}

int socks_step(struct proxy_talk *t)
{
	const uint8_t *end = t->in + t->in_len;

	switch ((enum step)t->step) {
	case STEP_V4:
		return v4_reply(t);
	case STEP_METHOD:
		return v5_method(t, end[-2], end[-1]);
	case STEP_PASSWORD: /* RFC 1929 has a version of its own, which some get wrong */
		if (end[-1] != 0)
			return talk_fail(t, -EACCES, "the proxy refused user and password");
		return v5_request(t);
	case STEP_REPLY:
		return v5_bound(t, end - 5);
	case STEP_BOUND:
		return 0;
	}
	return -EPROTO;
}
