/* client/shell/socks.c - see socks.h. */
#include "client/shell/socks.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define CONNECT      1
#define NO_AUTH      0
#define NO_METHOD    0xff
#define ATYP_IPV4    1
#define ATYP_NAME    3
#define ATYP_IPV6    4
#define SOCKS4_OK    90
#define SOCKS4_NO    91
#define REP_OK       0
#define REP_FAILED   1 /* general failure: what happened is not ours to tell apart */
#define REP_COMMAND  7
#define REP_ATYP     8
#define SOCKS4_FIXED 8 /* bytes before the user's name */

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* --- version 4 ----------------------------------------------------------------------------------
 */

static void reply4(struct socks *s, uint8_t code)
{
	memset(s->reply, 0, sizeof(s->reply));
	s->reply[1] = code;
	s->reply_len = 8;
}

static enum socks_step bad4(struct socks *s)
{
	reply4(s, SOCKS4_NO);
	return SOCKS_BAD;
}

static enum socks_step input4(struct socks *s, const uint8_t *p, size_t len, size_t *ret_used)
{
	const uint8_t *user_end, *name, *name_end;

	if (len < SOCKS4_FIXED)
		return SOCKS_MORE;
	user_end = memchr(p + SOCKS4_FIXED, 0, len - SOCKS4_FIXED);
	if (user_end == NULL)
		return len >= SOCKS_HELLO_MAX ? bad4(s) : SOCKS_MORE;
	if (p[1] != CONNECT)
		return bad4(s);
	s->port = be16(p + 2);
	name = user_end + 1;
	/* 0.0.0.x: a name follows (4a). */
	if (p[4] != 0 || p[5] != 0 || p[6] != 0 || p[7] == 0) {
		snprintf(s->host, sizeof(s->host), "%u.%u.%u.%u", p[4], p[5], p[6], p[7]);
		*ret_used = (size_t)(name - p);
		return SOCKS_TARGET;
	}
	name_end = memchr(name, 0, len - (size_t)(name - p));
	if (name_end == NULL)
		return len >= SOCKS_HELLO_MAX ? bad4(s) : SOCKS_MORE;
	if (name_end == name || (size_t)(name_end - name) >= sizeof(s->host))
		return bad4(s);
	memcpy(s->host, name, (size_t)(name_end - name) + 1);
	*ret_used = (size_t)(name_end + 1 - p);
	return SOCKS_TARGET;
}

/* --- version 5 ----------------------------------------------------------------------------------
 */

static void reply5(struct socks *s, uint8_t code)
{
	memset(s->reply, 0, sizeof(s->reply));
	s->reply[0] = 5;
	s->reply[1] = code;
	s->reply[3] = ATYP_IPV4;
	s->reply_len = 10;
}

static enum socks_step bad5(struct socks *s, uint8_t code)
{
	reply5(s, code);
	return SOCKS_BAD;
}

/* Methods are offered: only "none" is ours. */
static enum socks_step greeting(struct socks *s, const uint8_t *p, size_t len, size_t *ret_used)
{
	if (len < 2 || len < 2 + (size_t)p[1])
		return SOCKS_MORE;
	*ret_used = 2 + (size_t)p[1];
	s->greeted = memchr(p + 2, NO_AUTH, p[1]) != NULL;
	s->reply[0] = 5;
	s->reply[1] = s->greeted ? NO_AUTH : NO_METHOD;
	s->reply_len = 2;
	return s->greeted ? SOCKS_MORE : SOCKS_BAD;
}

static enum socks_step request(struct socks *s, const uint8_t *p, size_t len, size_t *ret_used)
{
	size_t n;

	if (len < 5)
		return SOCKS_MORE;
	if (p[0] != 5 || p[2] != 0)
		return bad5(s, REP_FAILED);
	if (p[1] != CONNECT)
		return bad5(s, REP_COMMAND);
	n = p[3] == ATYP_IPV4   ? 4
	    : p[3] == ATYP_IPV6 ? 16
	    : p[3] == ATYP_NAME ? 1 + (size_t)p[4]
				: 0;
	if (n == 0)
		return bad5(s, REP_ATYP);
	if (len < 4 + n + 2)
		return SOCKS_MORE;
	if (p[3] == ATYP_NAME) {
		if (n == 1 || memchr(p + 5, 0, n - 1) != NULL)
			return bad5(s, REP_FAILED);
		memcpy(s->host, p + 5, n - 1);
		s->host[n - 1] = '\0';
	} else {
		inet_ntop(p[3] == ATYP_IPV4 ? AF_INET : AF_INET6, p + 4, s->host, sizeof(s->host));
	}
	s->port = be16(p + 4 + n);
	*ret_used = 4 + n + 2;
	return SOCKS_TARGET;
}

enum socks_step socks_input(struct socks *s, const uint8_t *p, size_t len, size_t *ret_used)
{
	*ret_used = 0;
	s->reply_len = 0;
	if (len == 0)
		return SOCKS_MORE;
	if (s->version == 0)
		s->version = p[0];
	if (s->version == 4)
		return input4(s, p, len, ret_used);
	if (s->version != 5)
		return SOCKS_BAD;
	return s->greeted ? request(s, p, len, ret_used) : greeting(s, p, len, ret_used);
}

void socks_answer(struct socks *s, bool connected)
{
	if (s->version == 4)
		reply4(s, connected ? SOCKS4_OK : SOCKS4_NO);
	else
		reply5(s, connected ? REP_OK : REP_FAILED);
}
