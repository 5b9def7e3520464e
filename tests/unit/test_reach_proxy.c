/*
 * client/reach: what is said to proxies byte by byte, what they answer, and what is none; addresses
 * of proxies; names that are none.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/reach/name.h"
#include "client/reach/proxy_internal.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define B(s) s, sizeof(s) - 1

/* --- whole talks ------------------------------------------------------------------------ */

struct part {
	const char *out;
	size_t out_len;
	const char *in;
	size_t in_len;
};

static const char *const header[] = {"X-Tenant: a b", "Via:\tx"};

static const struct talk {
	const char *what;
	struct proxy_ask ask;
	struct part part[4];
	int want;
	const char *why;
} talks[] = {
	{"SOCKS4, an address and a user",
	 {.kind = PROXY_SOCKS4, .host = "192.0.2.7", .port = 22, .user = "fred"},
	 {{B("\4\1\0\x16\xc0\0\2\7fred\0"), B("\0\x5a\0\0\0\0\0\0")}},
	 0,
	 ""},
	{"SOCKS4 without a user",
	 {.kind = PROXY_SOCKS4, .host = "192.0.2.7", .port = 2222},
	 {{B("\4\1\x08\xae\xc0\0\2\7\0"), B("\0\x5b\0\0\0\0\0\0")}},
	 -ECONNREFUSED,
	 "the proxy refused or failed"},
	{"SOCKS4A, a name",
	 {.kind = PROXY_SOCKS4A, .host = "a.example", .port = 22},
	 {{B("\4\1\0\x16\0\0\0\1\0a.example\0"), B("\0\x5d\0\0\0\0\0\0")}},
	 -EACCES,
	 "the proxy does not know who we are"},
	{"SOCKS5, an address of IPv4",
	 {.kind = PROXY_SOCKS5, .host = "192.0.2.7", .port = 22},
	 {{B("\5\1\0"), B("\5\0")},
	  {B("\5\1\0\1\xc0\0\2\7\0\x16"), B("\5\0\0\1\x7f\0\0\1\x04\x38")}},
	 0,
	 ""},
	{"SOCKS5, an address of IPv6, and one of it comes back",
	 {.kind = PROXY_SOCKS5, .host = "2001:db8::1", .port = 22},
	 {{B("\5\1\0"), B("\5\0")},
	  {B("\5\1\0\4\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\x16"),
	   B("\5\0\0\4\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\x16")}},
	 0,
	 ""},
	{"SOCKS5, a name, user and password; a name comes back",
	 {.kind = PROXY_SOCKS5H, .host = "a.example", .port = 22, .user = "me", .password = "pw"},
	 {{B("\5\2\0\2"), B("\5\2")},
	  {B("\1\2me\2pw"), B("\1\0")},
	  {B("\5\1\0\3\x09"
	     "a.example\0\x16"),
	   B("\5\0\0\3\1x\0\0")}},
	 0,
	 ""},
	{"SOCKS5, a user and no password, and none is wanted",
	 {.kind = PROXY_SOCKS5H, .host = "b", .port = 22, .user = "me"},
	 {{B("\5\2\0\2"), B("\5\0")}, {B("\5\1\0\3\1b\0\x16"), B("\5\2\0\1\0")}},
	 -EPERM,
	 "the proxy's rules do not allow it"},
	{"SOCKS5, a wrong password",
	 {.kind = PROXY_SOCKS5H, .host = "b", .port = 22, .user = "me", .password = "no"},
	 {{B("\5\2\0\2"), B("\5\2")}, {B("\1\2me\2no"), B("\1\1")}},
	 -EACCES,
	 "the proxy refused user and password"},
	{"SOCKS5, a proxy that wants to know who we are",
	 {.kind = PROXY_SOCKS5H, .host = "b", .port = 22},
	 {{B("\5\1\0"), B("\5\xff")}},
	 -EACCES,
	 "the proxy wants a user"},
	{"SOCKS5, a password nobody has is not sent",
	 {.kind = PROXY_SOCKS5H, .host = "b", .port = 22},
	 {{B("\5\1\0"), B("\5\2")}},
	 -EPROTO,
	 "a method that was not offered: 2"},
	{"CONNECT",
	 {.kind = PROXY_HTTP, .host = "a.example", .port = 22},
	 {{B("CONNECT a.example:22 HTTP/1.1\r\nHost: a.example:22\r\n\r\n"),
	   B("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")}},
	 0,
	 ""},
	{"CONNECT to IPv6, with a password and headers, in the words of HTTP/1.0",
	 {.kind = PROXY_HTTP,
	  .host = "2001:db8::1",
	  .port = 22,
	  .user = "Aladdin",
	  .password = "open sesame", /* RFC 7617 section 2 */
	  .header = header,
	  .n_headers = 2},
	 {{B("CONNECT [2001:db8::1]:22 HTTP/1.1\r\nHost: [2001:db8::1]:22\r\n"
	     "X-Tenant: a b\r\nVia:\tx\r\n\r\n"),
	   B("HTTP/1.0 407 Who\nproxy-authenticate:Negotiate, Basic realm=\"x, y\"\n\n")},
	  {B("CONNECT [2001:db8::1]:22 HTTP/1.1\r\nHost: [2001:db8::1]:22\r\n"
	     "X-Tenant: a b\r\nVia:\tx\r\n"
	     "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"),
	   B("HTTP/1.0 200 OK\n\n")}},
	 0,
	 ""},
	{"CONNECT, something first that is no answer",
	 {.kind = PROXY_HTTP, .host = "a", .port = 22},
	 {{B("CONNECT a:22 HTTP/1.1\r\nHost: a:22\r\n\r\n"),
	   B("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 \r\n\r\n")}},
	 0,
	 ""},
	{"CONNECT without a password",
	 {.kind = PROXY_HTTP, .host = "a", .port = 22},
	 {{B("CONNECT a:22 HTTP/1.1\r\nHost: a:22\r\n\r\n"),
	   B("HTTP/1.1 407 Who\x1b[2J are you\r\n\r\n")}},
	 -EACCES,
	 "HTTP/1.1 407 Who?[2J are you"},
	{"CONNECT with a password that is refused",
	 {.kind = PROXY_HTTP, .host = "a", .port = 22, .user = "me", .password = "no"},
	 {{B("CONNECT a:22 HTTP/1.1\r\nHost: a:22\r\n\r\n"),
	   B("HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=x\r\n\r\n")},
	  {B("CONNECT a:22 HTTP/1.1\r\nHost: a:22\r\nProxy-Authorization: Basic bWU6bm8=\r\n\r\n"),
	   B("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\n\r\n")}},
	 -EACCES,
	 "HTTP/1.1 407 No"},
	{"CONNECT to where nobody may",
	 {.kind = PROXY_HTTP, .host = "a", .port = 22},
	 {{B("CONNECT a:22 HTTP/1.1\r\nHost: a:22\r\n\r\n"), B("HTTP/1.1 403 No\r\n\r\n")}},
	 -EPERM,
	 "HTTP/1.1 403 No"},
};

/* The answer by n bytes at a time; the server's own bytes behind it stay where they are. */
static void talk(const struct talk *c, size_t n)
{
	static const char banner[] = "SSH-2.0-x\r\n";
	struct proxy_talk *t;
	int r = -EAGAIN;

	cr_assert_eq(proxy_talk_new(&c->ask, &t), 0, "%s", c->what);
	for (unsigned int i = 0; i < N(c->part) && c->part[i].out != NULL; i++) {
		const struct part *p = &c->part[i];
		bool last = i + 1 == N(c->part) || c->part[i + 1].out == NULL;
		char in[512];
		size_t len, used = 0, at = 0;
		const uint8_t *out = proxy_talk_out(t, &len);

		cr_assert(r == -EAGAIN || r == PROXY_ANEW);
		r = -EAGAIN;
		cr_assert_eq(len, p->out_len, "%s: part %u: %zu", c->what, i, len);
		cr_assert_arr_eq(out, p->out, len, "%s: part %u", c->what, i);
		proxy_talk_sent(t, 1);
		proxy_talk_sent(t, len - 1);
		memcpy(in, p->in, p->in_len);
		memcpy(in + p->in_len, banner, sizeof(banner));
		for (len = p->in_len + (last ? sizeof(banner) : 0); at < len && r == -EAGAIN;
		     at += used)
			r = proxy_talk_input(t, (uint8_t *)in + at, len - at < n ? len - at : n,
					     &used);
		if (c->want == 0)
			cr_expect_eq(at, p->in_len, "%s: %zu taken", c->what, at);
	}
	cr_expect_eq(r, c->want, "%s: %d", c->what, r);
	cr_expect_str_eq(proxy_talk_why(t), c->why, "%s", c->what);
	proxy_talk_free(t);
}

Test(reach_proxy, whole_talks)
{
	for (size_t i = 0; i < N(talks); i++)
		for (size_t n = 1; n <= 512; n += n < 8 ? 1 : 504)
			talk(&talks[i], n);
}

/* --- who we are ------------------------------------------------------------------------- */

#define ASKS(s) "HTTP/1.1 407 Who\r\nServer: x\r\n" s "\r\nContent-Length: 0\r\n\r\n"

static const struct {
	const char *head;
	int rank;
	const char *realm, *nonce, *opaque;
	bool stale;
} asks[] = {
	{ASKS("Via: Digest realm=\"a\", nonce=\"b\", qop=\"auth\""), HTTP_NOTHING, "", "", "",
	 false},
	{ASKS("Proxy-Authenticate: Digest realm=\"a\", nonce=\"b\", qop=\"auth\""), HTTP_MD5, "a",
	 "b", "", false},
	{ASKS("Proxy-Authenticate: Digest realm=\"a, b=c\",qop=\"auth-int , AUTH\",nonce=b/=="
	      ",algorithm=sha-256 , opaque=\"o\", charset=UTF-8,userhash=true,stale=TRUE"),
	 HTTP_SHA256, "a, b=c", "b/==", "o", true},
	{ASKS("Proxy-Authenticate: Basic realm=\"z\", Digest realm=\"a\", nonce=\"1\", qop=auth, "
	      "algorithm=MD5, Digest realm=\"b\", nonce=\"2\", qop=auth, algorithm=SHA-256"),
	 HTTP_SHA256, "b", "2", "", false},
	{ASKS("PROXY-AUTHENTICATE: Digest realm=\"b\", nonce=\"2\", qop=auth, algorithm=SHA-256\r\n"
	      "proxy-authenticate: Digest realm=\"a\", nonce=\"1\", qop=auth\r\n"
	      "Proxy-Authenticate: Basic realm=\"z\""),
	 HTTP_SHA256, "b", "2", "", false},
	/* What it cannot be told is passed over for what it can. */
	{ASKS("Proxy-Authenticate: Digest realm=\"a\", nonce=\"b\", Basic realm=\"z\""), HTTP_BASIC,
	 "z", "", "", false},
	{ASKS("Proxy-Authenticate: Digest realm=\"a\", nonce=\"b\", qop=\"auth-int\""),
	 HTTP_NOTHING, "", "", "", false},
	{ASKS("Proxy-Authenticate: Digest realm=\"a\", qop=\"auth\", Basic"), HTTP_BASIC, "", "",
	 "", false},
	{ASKS("Proxy-Authenticate: Digest nonce=b, qop=auth, algorithm=SHA-512-256, Negotiate"),
	 HTTP_NOTHING, "", "", "", false},
	{ASKS("Proxy-Authenticate: Basic, Digest realm=\"\\\"\", nonce=b, qop=auth"), HTTP_BASIC,
	 "", "", "", false},
	{ASKS("Proxy-Authenticate: Digest realm=\"no end, nonce=b, qop=auth"), HTTP_NOTHING, "", "",
	 "", false},
	{ASKS("Proxy-Authenticate: ,;, Basic"), HTTP_NOTHING, "", "", "", false},
};

Test(reach_proxy, the_best_of_what_it_asks)
{
	for (size_t i = 0; i < N(asks); i++) {
		struct http_challenge c;

		http_challenge_find(asks[i].head, &c);
		cr_expect_eq((int)c.rank, asks[i].rank, "%s: %d", asks[i].head, (int)c.rank);
		cr_expect_str_eq(c.realm, asks[i].realm, "%s", asks[i].head);
		cr_expect_str_eq(c.nonce, asks[i].nonce, "%s", asks[i].head);
		cr_expect_str_eq(c.opaque, asks[i].opaque, "%s", asks[i].head);
		cr_expect_eq(c.stale, asks[i].stale, "%s", asks[i].head);
	}
}

/* Of what was said: the text between name=" and ". */
static void said(const char *head, const char *name, char to[128])
{
	const char *at = strstr(head, name);

	cr_assert_not_null(at, "%s in %s", name, head);
	at += strlen(name);
	snprintf(to, 128, "%.*s", (int)strcspn(at, "\","), at);
}

/* Is it told by digest, with its newest nonce, and another cnonce each time? */
static void digest_expect(struct proxy_talk *t, const char *nonce, char cnonce[128])
{
	char head[4096], text[128];
	size_t len;
	const uint8_t *out = proxy_talk_out(t, &len);

	snprintf(head, sizeof(head), "%.*s", (int)len, (const char *)out);
	cr_expect_eq(strncmp(head, "CONNECT a:22 HTTP/1.1\r\nHost: a:22\r\n", 35), 0, "%s", head);
	cr_expect_not_null(strstr(head, "Authorization: Digest username=\"m\\\"e\", realm=\"r\","));
	cr_expect_not_null(strstr(head, "algorithm=SHA-256, qop=auth, nc=00000001\r\n\r\n"), "%s",
			   head);
	cr_expect_null(strstr(head, "secret"));
	said(head, " nonce=\"", text);
	cr_expect_str_eq(text, nonce);
	said(head, " uri=\"", text);
	cr_expect_str_eq(text, "a:22");
	said(head, " response=\"", text);
	cr_expect_eq(strlen(text), 64u);
	said(head, " cnonce=\"", text);
	cr_expect_eq(strlen(text), 32u);
	cr_expect_str_neq(text, cnonce);
	strcpy(cnonce, text);
	proxy_talk_sent(t, len);
}

static int hears(struct proxy_talk *t, const char *head)
{
	size_t used;

	return proxy_talk_input(t, (const uint8_t *)head, strlen(head), &used);
}

/* That the sums are right a proxy says: interop/reach. */
Test(reach_proxy, a_digest_and_a_nonce_that_was_too_old)
{
	static const char wants[] = ASKS("Proxy-Authenticate: Digest realm=\"r\", nonce=\"%s\", "
					 "qop=\"auth\", algorithm=SHA-256, stale=%s");
	const struct proxy_ask ask = {
		.kind = PROXY_HTTP, .host = "a", .port = 22, .user = "m\"e", .password = "secret"};
	struct proxy_talk *t;
	char cnonce[128] = "";
	char head[512];

	cr_assert_eq(proxy_talk_new(&ask, &t), 0);
	for (unsigned int n = 1; n <= 4; n++) {
		char nonce[16];

		snprintf(nonce, sizeof(nonce), "%u", n);
		snprintf(head, sizeof(head), wants, nonce, "true");
		cr_assert_eq(hears(t, head), n <= 3 ? PROXY_ANEW : -EACCES); /* not for ever */
		if (n <= 3)
			digest_expect(t, nonce, cnonce);
	}
	proxy_talk_free(t);
	cr_assert_eq(proxy_talk_new(&ask, &t), 0);
	snprintf(head, sizeof(head), wants, "1", "false");
	cr_assert_eq(hears(t, head), PROXY_ANEW);
	cr_expect_eq(hears(t, head), -EACCES); /* the password is wrong */
	cr_expect_str_eq(proxy_talk_why(t), "HTTP/1.1 407 Who");
	proxy_talk_free(t);
}

/* --- answers that are none -------------------------------------------------------------- */

static const struct {
	enum proxy_kind kind;
	const char *in;
	size_t len;
	int want;
} bad[] = {
	{PROXY_SOCKS4, B("\4\x5a\0\0\0\0\0\0"), -EPROTO},
	{PROXY_SOCKS4, B("\0\x59\0\0\0\0\0\0"), -EPROTO},
	{PROXY_SOCKS4, B("SSH-2.0-x\r\n"), -EPROTO},
	{PROXY_SOCKS5, B("\4\0"), -EPROTO},
	{PROXY_SOCKS5, B("HTTP/1.1 400 Bad\r\n\r\n"), -EPROTO},
	{PROXY_SOCKS5, B("\5\0\4\0\0\1\0\0\0\0\0\0"), -EPROTO},
	{PROXY_SOCKS5, B("\5\0\5\x09\0\1\0\0\0\0\0\0"), -EPROTO},
	{PROXY_SOCKS5, B("\5\0\5\0\0\2\0\0\0\0\0\0"), -EPROTO},
	{PROXY_SOCKS5, B("\5\0\5\5\0\1\0\0\0\0\0\0"), -ECONNREFUSED},
	{PROXY_SOCKS5, B("\5\0\5\3\0\1\0\0\0\0\0\0"), -ENETUNREACH},
	{PROXY_SOCKS5, B("\5\0\5\4\0\1\0\0\0\0\0\0"), -EHOSTUNREACH},
	{PROXY_SOCKS5, B("\5\0\5\6\0\1\0\0\0\0\0\0"), -ETIMEDOUT},
	{PROXY_SOCKS5, B("\5\0\5\0\0\1\0\0\0\0\0"), -EAGAIN},
	{PROXY_HTTP, B("HTTP/1.1 200\r\n\r\n"), 0},
	{PROXY_HTTP, B("HTTP/1.1 200 OK\r\nno end\r\n"), -EAGAIN},
	{PROXY_HTTP, B("HTTP/2 200 OK\r\n\r\n"), -EPROTO},
	{PROXY_HTTP, B("HTTP/1.1  200 OK\r\n\r\n"), -EPROTO},
	{PROXY_HTTP, B("HTTP/1.1 2000 OK\r\n\r\n"), -EPROTO},
	{PROXY_HTTP, B("HTTP/1.1 +20 OK\r\n\r\n"), -EPROTO},
	{PROXY_HTTP, B("HTTP/1.1 20\0 OK\r\n\r\n"), -EPROTO},
	{PROXY_HTTP, B("\r\n\r\n"), -EPROTO},
	{PROXY_HTTP, B("SSH-2.0-x\r\n\r\n"), -EPROTO},
	{PROXY_HTTP, B("HTTP/1.1 302 Elsewhere\r\n\r\n"), -ECONNREFUSED},
	{PROXY_HTTP, B("HTTP/1.1 504 Slow\r\n\r\n"), -ETIMEDOUT},
};

Test(reach_proxy, what_is_no_answer)
{
	for (size_t i = 0; i < N(bad); i++) {
		const struct proxy_ask ask = {.kind = bad[i].kind, .host = "192.0.2.1", .port = 22};
		struct proxy_talk *t;
		size_t used;
		int r;

		cr_assert_eq(proxy_talk_new(&ask, &t), 0);
		r = proxy_talk_input(t, (const uint8_t *)bad[i].in, bad[i].len, &used);
		cr_expect_eq(r, bad[i].want, "%zu: %d", i, r);
		cr_expect_leq(used, bad[i].len);
		if (r != -EAGAIN) /* an end is one */
			cr_expect_lt(proxy_talk_input(t, (const uint8_t *)"x", 1, &used), 0);
		proxy_talk_free(t);
	}
}

Test(reach_proxy, an_answer_without_end)
{
	const struct proxy_ask ask = {.kind = PROXY_HTTP, .host = "a", .port = 22};
	struct proxy_talk *t;
	size_t used, n = 0;
	int r;

	cr_assert_eq(proxy_talk_new(&ask, &t), 0);
	do
		r = proxy_talk_input(t, (const uint8_t *)"HTTP/1.1 200 OK\r\nX: y\r\n", 23, &used);
	while (r == -EAGAIN && ++n < 10000);
	cr_expect_eq(r, -EMSGSIZE);
	proxy_talk_free(t);
	cr_assert_eq(proxy_talk_new(&ask, &t), 0);
	for (n = 0, r = -EAGAIN; r == -EAGAIN && n < 10000; n++)
		r = proxy_talk_input(t, (const uint8_t *)"HTTP/1.1 100 Wait\r\n\r\n", 21, &used);
	cr_expect_eq(r, -EPROTO, "%d", r);
	proxy_talk_free(t);
}

/* --- what is not even asked ------------------------------------------------------------- */

static const char *const two_lines[] = {"A: b\r\nC: d"}, *const no_name[] = {"no colon"},
			 *const split[] = {"A b: c"};

Test(reach_proxy, s72_what_cannot_be_said_to_a_proxy)
{
	char word[PROXY_WORD_MAX + 2] = "";
	const struct proxy_ask ask[] = {
		{.kind = PROXY_HTTP, .host = "a\r\nX: y", .port = 22},
		{.kind = PROXY_HTTP, .host = "a b", .port = 22},
		{.kind = PROXY_HTTP, .host = "a@b", .port = 22},
		{.kind = PROXY_HTTP, .host = "", .port = 22},
		{.kind = PROXY_HTTP, .host = "a", .port = 0},
		{.kind = PROXY_HTTP, .host = "a", .port = 22, .user = "a:b", .password = "c"},
		{.kind = PROXY_HTTP, .host = "a", .port = 22, .user = "a\nb", .password = "c"},
		{.kind = PROXY_HTTP, .host = "a", .port = 22, .header = two_lines, .n_headers = 1},
		{.kind = PROXY_HTTP, .host = "a", .port = 22, .header = no_name, .n_headers = 1},
		{.kind = PROXY_HTTP, .host = "a", .port = 22, .header = split, .n_headers = 1},
		{.kind = PROXY_SOCKS4, .host = "a.example", .port = 22},
		{.kind = PROXY_SOCKS4, .host = "2001:db8::1", .port = 22},
		{.kind = PROXY_SOCKS5, .host = "a.example", .port = 22},
		{.kind = PROXY_SOCKS5H, .host = word, .port = 22},
		{.kind = PROXY_SOCKS5H, .host = "a", .port = 22, .user = word},
		{.kind = PROXY_SOCKS5H, .host = "a", .port = 22, .user = "x", .password = word},
		{.kind = PROXY_SOCKS5H, .host = "a", .port = 22, .password = "x"},
	};
	struct proxy_talk *t;

	memset(word, 'w', sizeof(word) - 1);
	for (size_t i = 0; i < N(ask); i++)
		cr_expect_eq(proxy_talk_new(&ask[i], &t), -EINVAL, "%zu", i);
}

/* --- where a proxy is ------------------------------------------------------------------- */

static const struct {
	const char *text;
	enum proxy_kind kind;
	const char *host;
	uint16_t port;
	const char *user;
} addrs[] = {
	{"none", PROXY_NONE, "", 0, ""},
	{"http://p", PROXY_HTTP, "p", 80, ""},
	{"HTTP://p.example:3128/", PROXY_HTTP, "p.example", 3128, ""},
	{"socks4://me@p", PROXY_SOCKS4, "p", 1080, "me"},
	{"socks4a://p:1081", PROXY_SOCKS4A, "p", 1081, ""},
	{"socks5://a@b@[2001:db8::1]:1", PROXY_SOCKS5, "2001:db8::1", 1, "a@b"},
	{"socks5h://[::1]", PROXY_SOCKS5H, "::1", 1080, ""},
};
static const char *const no_addrs[] = {
	"",           "p",         "http",           "http:",          "http://",
	"ftp://p",    "http://p:", "http://p:0",     "http://p:65536", "http://p:80x",
	"http://p/x", "http://@p", "http://a b@p",   "http://[::1",    "http://[]:80",
	"http://a@",  "socks://p", "socks6://p",     "http://p\n:80",  "http://[::1]x",
	"http://:80", "none://p",  "socks5://p:1:2",
};

Test(reach_proxy, addresses)
{
	struct proxy_addr a;

	for (size_t i = 0; i < N(addrs); i++) {
		cr_assert_eq(proxy_addr_parse(addrs[i].text, &a), 0, "%s", addrs[i].text);
		cr_expect_eq(a.kind, addrs[i].kind);
		cr_expect_str_eq(a.host, addrs[i].host);
		cr_expect_str_eq(a.user, addrs[i].user);
		cr_expect_eq(a.port, addrs[i].port, "%s: %u", addrs[i].text, a.port);
	}
	for (size_t i = 0; i < N(no_addrs); i++)
		cr_expect_eq(proxy_addr_parse(no_addrs[i], &a), -EINVAL, "%s", no_addrs[i]);
}

/* --- names ------------------------------------------------------------------------------ */

Test(reach_proxy, s72_names_that_are_none)
{
	static const char *const hosts[] = {"",         "-oProxyCommand=x",
					    "a b",      "a\nb",
					    "a\x1b[2J", "a;b",
					    "$(a)",     "`a`",
					    "a|b",      "a&b",
					    "a'b",      "a\"b",
					    "a\\b",     "a,b",
					    "a\x7f",    "{a,b}",
					    "a>b"};
	static const char *const users[] = {"",      "-l",    "a\nb", "a;b",  "$(a)", "`a`",
					    "a'b",   "a\"b",  "a|b",  "a\\",  "a -b", "a\x1b]0;x",
					    "a\x7f", "{a,b}", "a>b",  "$HOME"};
	static const char *const good_hosts[] = {"a",           "a.example.",       "192.0.2.1",
						 "2001:db8::1", "fe80::1%eth0",     "[::1]",
						 "_srv.a_b-c",  "m\xc3\xbc.example"};
	static const char *const good_users[] = {"a",   "a.b",       "DOMAIN\\name", "a b",
						 "a@b", "m\xc3\xbc", "BOX$"};

	for (size_t i = 0; i < N(hosts); i++)
		cr_expect_not(reach_host_valid(hosts[i]), "%s", hosts[i]);
	for (size_t i = 0; i < N(users); i++)
		cr_expect_not(reach_user_valid(users[i]), "%s", users[i]);
	for (size_t i = 0; i < N(good_hosts); i++)
		cr_expect(reach_host_valid(good_hosts[i]), "%s", good_hosts[i]);
	for (size_t i = 0; i < N(good_users); i++)
		cr_expect(reach_user_valid(good_users[i]), "%s", good_users[i]);
}
