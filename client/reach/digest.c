/*
 * client/reach/digest.c - what an HTTP proxy wants to know of us (RFC 9110 section 11, RFC 7616,
 * RFC 7617): the best of its challenges, and the answer to it.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/reach/proxy_internal.h"
#include "crypto/base64.h"
#include "crypto/fips.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

#define HEX_MAX    (2 * HASH_LEN_MAX + 1)
#define CNONCE_LEN 16

/* --- challenges ------------------------------------------------------------------------------- */

static bool is_token(char ch)
{
	return isalnum((unsigned char)ch) || (ch != '\0' && strchr("!#$%&'*+-.^_`|~", ch) != NULL);
}

static const char *blanks(const char *p)
{
	return p + strspn(p, " \t");
}

/* A word as it stands, or in quotes. NULL: no word, or one of no use to us: too long, escaped. */
static const char *word(const char *p, char *to, size_t size)
{
	bool quoted = *p == '"';
	const char *from = p + quoted;
	size_t n = 0;

	while (quoted ? from[n] != '"' && from[n] != '\\' && !iscntrl((unsigned char)from[n])
		      : is_token(from[n]) || from[n] == '/' || from[n] == '=')
		n++;
	if (n >= size || (quoted && from[n] != '"'))
		return NULL;
	memcpy(to, from, n);
	to[n] = '\0';
	return from + n + quoted;
}

/* Is auth one of the qualities of protection? */
static bool has_auth(const char *list)
{
	while (*list != '\0') {
		size_t n = strcspn(list, ", \t");

		if (n == 4 && strncasecmp(list, "auth", 4) == 0)
			return true;
		list += n;
		list += strspn(list, ", \t");
	}
	return false;
}

static void parameter(struct http_challenge *c, const char *name, const char *value)
{
	char *to = strcasecmp(name, "realm") == 0    ? c->realm
		   : strcasecmp(name, "nonce") == 0  ? c->nonce
		   : strcasecmp(name, "opaque") == 0 ? c->opaque
						     : NULL;

	if (to != NULL)
		snprintf(to, HTTP_WORD_MAX, "%s", value);
	else if (strcasecmp(name, "qop") == 0)
		c->auth = has_auth(value);
	else if (strcasecmp(name, "stale") == 0)
		c->stale = strcasecmp(value, "true") == 0;
	else if (strcasecmp(name, "algorithm") == 0)
		c->rank = strcasecmp(value, "SHA-256") == 0 ? HTTP_SHA256
			  : strcasecmp(value, "MD5") == 0   ? HTTP_MD5
							    : HTTP_NOTHING;
}

static void scheme(struct http_challenge *c, const char *name)
{
	*c = (struct http_challenge){.rank = strcasecmp(name, "Basic") == 0    ? HTTP_BASIC
					     : strcasecmp(name, "Digest") == 0 ? HTTP_MD5
									       : HTTP_NOTHING};
}

/* The better one stays; without qop (RFC 2069) the proxy would not be kept from repeating itself.
 */
static void keep(const struct http_challenge *c, struct http_challenge *best)
{
	bool digest = c->rank > HTTP_BASIC;

	if (c->rank <= best->rank || (digest && (!c->auth || *c->nonce == '\0')) ||
	    (c->rank == HTTP_MD5 && fips_on()))
		return;
	*best = *c;
}

/* The value of one Proxy-Authenticate: challenges, and their parameters, parted by commas. */
static void challenges(const char *p, struct http_challenge *best)
{
	struct http_challenge c = {0};
	char name[64], value[HTTP_WORD_MAX];

	for (;;) {
		const char *next;
		size_t n = 0;

		p += strspn(p, " \t,");
		while (is_token(p[n]))
			n++;
		if (n == 0 || n >= sizeof(name))
			break;
		memcpy(name, p, n);
		name[n] = '\0';
		next = blanks(p + n);
		if (*next == '=') {
			p = word(blanks(next + 1), value, sizeof(value));
			if (p == NULL)
				return; /* nothing behind it can be told apart */
			parameter(&c, name, value);
		} else {
			keep(&c, best);
			scheme(&c, name);
			p = next;
		}
	}
	keep(&c, best);
}

void http_challenge_find(const char *head, struct http_challenge *ret)
{
	static const char name[] = "Proxy-Authenticate:";

	*ret = (struct http_challenge){0};
	while (*head != '\0') {
		size_t n = strcspn(head, "\r\n");

		if (n > sizeof(name) - 1 && strncasecmp(head, name, sizeof(name) - 1) == 0 &&
		    n < HTTP_LINE_MAX) {
			char line[HTTP_LINE_MAX];

			memcpy(line, head + sizeof(name) - 1, n - (sizeof(name) - 1));
			line[n - (sizeof(name) - 1)] = '\0';
			challenges(line, ret);
		}
		head += n;
		head += strspn(head, "\r\n");
	}
}

/* --- the answer ------------------------------------------------------------------------------- */

static int hex_of(enum hash_alg alg, const char *const *text, unsigned int n, char to[HEX_MAX])
{
	struct hash_piece piece[8];
	uint8_t sum[HASH_LEN_MAX];
	int r;

	for (unsigned int i = 0; i < n; i++)
		piece[i] = (struct hash_piece){text[i], strlen(text[i])};
	r = hash_digest(alg, piece, n, sum);
	for (size_t i = 0; r == 0 && i < hash_len(alg); i++)
		snprintf(to + 2 * i, 3, "%02x", sum[i]);
	secret_wipe(sum, sizeof(sum));
	return r;
}

/* RFC 7616 section 3.4.1 with qop=auth, the first use of this nonce. */
static int response(const struct proxy_talk *t, const struct http_challenge *c, const char *uri,
		    const char *cnonce, char to[HEX_MAX])
{
	enum hash_alg alg = c->rank == HTTP_SHA256 ? HASH_SHA256 : HASH_MD5;
	const char *const a1[] = {t->user, ":", c->realm, ":", t->password};
	const char *const a2[] = {"CONNECT:", uri};
	char ha1[HEX_MAX], ha2[HEX_MAX];
	const char *const all[] = {ha1, ":", c->nonce, ":00000001:", cnonce, ":auth:", ha2};
	int r = hex_of(alg, a1, 5, ha1);

	if (r == 0)
		r = hex_of(alg, a2, 2, ha2);
	if (r == 0)
		r = hex_of(alg, all, 7, to);
	secret_wipe(ha1, sizeof(ha1));
	return r;
}

static int put(struct proxy_talk *t, const char *s)
{
	return talk_put(t, s, strlen(s));
}

/* name="value", with what ends it escaped. */
static int put_quoted(struct proxy_talk *t, const char *name, const char *value)
{
	int r = put(t, name);

	if (r == 0)
		r = put(t, "=\"");
	for (; r == 0 && *value != '\0'; value++) {
		if (*value == '"' || *value == '\\')
			r = put(t, "\\");
		if (r == 0)
			r = talk_put(t, value, 1);
	}
	return r == 0 ? put(t, "\", ") : r;
}

static int put_digest(struct proxy_talk *t, const struct http_challenge *c)
{
	char uri[PROXY_WORD_MAX + 16], answer[HEX_MAX], cnonce[2 * CNONCE_LEN + 1];
	uint8_t random[CNONCE_LEN];
	int r = crypto_random(random, sizeof(random));

	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(cnonce + 2 * i, 3, "%02x", random[i]);
	http_authority(t, uri, sizeof(uri));
	if (r == 0)
		r = response(t, c, uri, cnonce, answer);
	if (r == 0)
		r = put(t, "Proxy-Authorization: Digest ");
	if (r == 0)
		r = put_quoted(t, "username", t->user);
	if (r == 0)
		r = put_quoted(t, "realm", c->realm);
	if (r == 0)
		r = put_quoted(t, "nonce", c->nonce);
	if (r == 0)
		r = put_quoted(t, "uri", uri);
	if (r == 0)
		r = put_quoted(t, "response", answer);
	if (r == 0 && *c->opaque != '\0')
		r = put_quoted(t, "opaque", c->opaque);
	if (r == 0)
		r = put_quoted(t, "cnonce", cnonce);
	if (r == 0)
		r = put(t, c->rank == HTTP_SHA256 ? "algorithm=SHA-256" : "algorithm=MD5");
	return r == 0 ? put(t, ", qop=auth, nc=00000001\r\n") : r;
}

/* RFC 7617 section 2: a colon ends the user. */
static int put_basic(struct proxy_talk *t)
{
	char plain[2 * PROXY_WORD_MAX + 2], text[sizeof(plain) / 3 * 4 + 8];
	size_t n = (size_t)snprintf(plain, sizeof(plain), "%s:%s", t->user, t->password);
	int r;

	base64_encode((const uint8_t *)plain, n, text);
	r = put(t, "Proxy-Authorization: Basic ");
	if (r == 0)
		r = talk_put(t, text, base64_len(n));
	if (r == 0)
		r = put(t, "\r\n");
	secret_wipe(plain, sizeof(plain));
	secret_wipe(text, sizeof(text));
	return r;
}

int http_answer_put(struct proxy_talk *t, const struct http_challenge *c)
{
	return c->rank == HTTP_BASIC ? put_basic(t) : put_digest(t, c);
}
