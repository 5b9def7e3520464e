/* Messages field by field, patterns of prompts, texts of errors. */
#include <criterion/criterion.h>
#include <errno.h>
#include <netdb.h>

#include "client/lib/internal.h"
#include "ssh/err.h"

static const char *field(const struct sluice_payload *p, const char *name)
{
	static char text[256];
	ssize_t n = sluice_payload_get(p->p, p->len, name, text, sizeof(text));

	return n < 0 ? "(none)" : text;
}

static void put(struct sluice_payload *p, const char *type, const char *value)
{
	cr_assert_eq(sluice_payload_put(p, type, value), 0, "%s %s", type, value);
}

Test(client_payload, what_is_put_is_got_by_name_and_by_type)
{
	struct sluice_payload p = {0};
	const uint8_t *bytes;
	size_t len;

	put(&p, "b", "98");
	put(&p, "i", "7");
	put(&p, "s", "x11-req");
	put(&p, "f", "true");
	put(&p, "f", "False");
	put(&p, "s", "MIT-MAGIC-COOKIE-1");
	put(&p, "s", "a1b2");
	put(&p, "i", "0x10");
	cr_assert_str_eq(field(&p, "ChannelId"), "7");
	cr_assert_str_eq(field(&p, "requesttype"), "x11-req");
	cr_assert_str_eq(field(&p, "WantsReply"), "True");
	cr_assert_str_eq(field(&p, "SingleConnection"), "False");
	cr_assert_str_eq(field(&p, "X11AuthProtocol"), "MIT-MAGIC-COOKIE-1");
	cr_assert_str_eq(field(&p, "X11ScreenNumber"), "16");
	/* Types in the order of the wire. */
	cr_assert_str_eq(field(&p, "%f,s"), "MIT-MAGIC-COOKIE-1");
	cr_assert_str_eq(field(&p, "%f,s,sb"), "61316232");
	cr_assert_str_eq(field(&p, "%f,s,s,i"), "16");
	cr_assert_str_eq(field(&p, "%f,s,s,i,i"), "(none)");
	cr_assert_str_eq(field(&p, "%q"), "(none)");
	cr_assert_str_eq(field(&p, "%"), "(none)");
	cr_assert_str_eq(field(&p, "Nothing"), "(none)");
	cr_assert_eq(sluice_payload_get_bytes(p.p, p.len, "X11AuthCookie", &bytes, &len), 0);
	cr_assert_eq(len, 4u);
	cr_assert_eq(sluice_payload_get_bytes(p.p, p.len, "ChannelId", &bytes, &len), -ENOENT);
	for (size_t n = 0; n < p.len; n++)
		cr_assert_lt(sluice_payload_get(p.p, n, "X11ScreenNumber", NULL, 0), 0);
	sluice_payload_free(&p);
}

Test(client_payload, every_letter)
{
	struct sluice_payload p = {0};

	put(&p, "b", "98");
	put(&p, "i", "0");
	put(&p, "s", "own@lab");
	put(&p, "f", "FALSE");
	put(&p, "sb", "00ff");
	put(&p, "m", "255");
	put(&p, "m", "0x123456789abcdef0123");
	put(&p, "l", "18446744073709551615");
	put(&p, "b", "0");
	cr_assert_str_eq(field(&p, "%sb"), "00ff");
	cr_assert_str_eq(field(&p, "%s,m"), "255");
	cr_assert_str_eq(field(&p, "%s,m,m"), "0x0123456789abcdef0123");
	cr_assert_str_eq(field(&p, "%s,m,m,l"), "18446744073709551615");
	cr_assert_str_eq(field(&p, "%s,m,m,l,b"), "0");
	sluice_payload_free(&p);
}

Test(client_payload, what_is_no_value_changes_nothing)
{
	static const char *const bad[][2] = {
		{"i", "4294967296"}, {"i", "-1"},  {"i", ""},
		{"i", "1x"},         {"b", "256"}, {"l", "18446744073709551616"},
		{"f", "yes"},        {"sb", "a"},  {"sb", "zz"},
		{"m", "0xg"},        {"m", "0x"},  {"m", " 1"},
		{"q", "1"},          {"", "1"},    {"s", "caf\xe9"},
	};
	struct sluice_payload p = {0};

	put(&p, "i", "1");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(sluice_payload_put(&p, bad[i][0], bad[i][1]), -EINVAL, "%s %s",
			     bad[i][0], bad[i][1]);
		cr_assert_eq(p.len, 4u);
	}
	sluice_payload_free(&p);
}

#define FROM_TO                                                                                    \
	{                                                                                          \
		{"s", "localhost"}, {"i", "8080"}, {"s", "192.0.2.1"},                             \
		{                                                                                  \
			"i", "40000"                                                               \
		}                                                                                  \
	}

Test(client_payload, opens_and_global_requests)
{
	static const struct {
		const char *type;
		const char *const values[4][2];
		const char *field, *text;
	} opens[] = {
		{"forwarded-tcpip", FROM_TO, "Host", "localhost"},
		{"forwarded-tcpip", FROM_TO, "Port", "8080"},
		{"forwarded-tcpip", FROM_TO, "OriginAddress", "192.0.2.1"},
		{"direct-tcpip", FROM_TO, "OriginPort", "40000"},
		{"direct-tcpip", FROM_TO, "%s", "localhost"},
		{"x11", {{"s", "::1"}, {"i", "6010"}}, "OriginAddress", "::1"},
		{"x11", {{"s", "::1"}, {"i", "6010"}}, "OriginPort", "6010"},
		{"direct-streamlocal@openssh.com",
		 {{"s", "/a b"}, {"s", ""}, {"i", "0"}},
		 "SocketPath",
		 "/a b"},
		{"forwarded-streamlocal@openssh.com", {{"s", "/c"}, {"s", ""}}, "SocketPath", "/c"},
	};
	struct sluice_payload p = {0};

	for (size_t i = 0; i < sizeof(opens) / sizeof(opens[0]); i++) {
		put(&p, "b", "90");
		put(&p, "s", opens[i].type);
		put(&p, "i", "3");
		put(&p, "i", "1000");
		put(&p, "i", "2000");
		for (unsigned int v = 0; v < 4 && opens[i].values[v][0] != NULL; v++)
			put(&p, opens[i].values[v][0], opens[i].values[v][1]);
		cr_expect_str_eq(field(&p, opens[i].field), opens[i].text, "%s", opens[i].type);
		sluice_payload_free(&p);
	}
	put(&p, "b", "80");
	put(&p, "s", "tcpip-forward");
	put(&p, "f", "True");
	put(&p, "s", "");
	put(&p, "i", "22");
	cr_assert_str_eq(field(&p, "Port"), "22");
	cr_assert_str_eq(field(&p, "Host"), "");
	sluice_payload_free(&p);
}

/* Each request with what it carries, and what that reads as. */
Test(client_payload, requests_have_their_fields)
{
	static const struct {
		const char *type;
		const char *const values[6][2]; /* type and value */
		const char *field, *text;
	} cases[] = {
		{"pty-req",
		 {{"s", "vt100"},
		  {"i", "80"},
		  {"i", "24"},
		  {"i", "640"},
		  {"i", "480"},
		  {"sb", "00"}},
		 "TerminalHeightPixels",
		 "480"},
		{"pty-req",
		 {{"s", "vt100"}, {"i", "80"}, {"i", "24"}, {"i", "640"}, {"i", "480"}, {"sb", ""}},
		 "TerminalType",
		 "vt100"},
		{"pty-req",
		 {{"s", "vt100"}, {"i", "80"}, {"i", "24"}, {"i", "640"}, {"i", "480"}, {"sb", ""}},
		 "TerminalWidthCharacters",
		 "80"},
		{"pty-req",
		 {{"s", "vt100"}, {"i", "80"}, {"i", "24"}, {"i", "640"}, {"i", "480"}, {"sb", ""}},
		 "TerminalWidthPixels",
		 "640"},
		{"pty-req",
		 {{"s", "vt100"}, {"i", "80"}, {"i", "24"}, {"i", "0"}, {"i", "0"}, {"sb", "3500"}},
		 "TerminalModes",
		 "3500"},
		{"window-change",
		 {{"i", "80"}, {"i", "24"}, {"i", "1"}, {"i", "2"}},
		 "TerminalHeightRows",
		 "24"},
		{"env", {{"s", "LANG"}, {"s", "C"}}, "VariableName", "LANG"},
		{"env", {{"s", "LANG"}, {"s", "C"}}, "VariableValue", "C"},
		{"exec", {{"s", "ls -l"}}, "Command", "ls -l"},
		{"subsystem", {{"s", "sftp"}}, "Subsystem", "sftp"},
		{"xon-xoff", {{"f", "True"}}, "ClientCanDo", "True"},
		{"signal", {{"s", "TERM"}}, "SignalName", "TERM"},
		{"exit-status", {{"i", "7"}}, "ExitStatus", "7"},
		{"exit-signal",
		 {{"s", "KILL"}, {"f", "True"}, {"s", "x"}, {"s", ""}},
		 "CoreDumped",
		 "True"},
		{"exit-signal",
		 {{"s", "KILL"}, {"f", "False"}, {"s", "x"}, {"s", "en"}},
		 "SignalName",
		 "KILL"},
		{"exit-signal",
		 {{"s", "KILL"}, {"f", "False"}, {"s", "x"}, {"s", "en"}},
		 "ErrorMessage",
		 "x"},
		{"exit-signal",
		 {{"s", "KILL"}, {"f", "False"}, {"s", "x"}, {"s", "en"}},
		 "LanguageTag",
		 "en"},
		{"break", {{"i", "500"}}, "BreakLength", "500"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sluice_payload p = {0};

		put(&p, "b", "98");
		put(&p, "i", "1");
		put(&p, "s", cases[i].type);
		put(&p, "f", "False");
		for (unsigned int v = 0; v < 6 && cases[i].values[v][0] != NULL; v++)
			put(&p, cases[i].values[v][0], cases[i].values[v][1]);
		cr_assert_str_eq(field(&p, cases[i].field), cases[i].text, "%s", cases[i].type);
		sluice_payload_free(&p);
	}
}

Test(client_payload, hexadecimal)
{
	uint8_t bytes[4];
	char text[9];

	cr_assert_eq(sluice_hex_encode("\x01\xab\xff", 3, text, sizeof(text)), 6);
	cr_assert_str_eq(text, "01abff");
	cr_assert_eq(sluice_hex_encode("12345", 4, text, 8), -ENOBUFS);
	cr_assert_eq(sluice_hex_decode("01ABff", bytes, sizeof(bytes)), 3);
	cr_assert_eq(memcmp(bytes, "\x01\xab\xff", 3), 0);
	cr_assert_eq(sluice_hex_decode("0", bytes, sizeof(bytes)), -EINVAL);
	cr_assert_eq(sluice_hex_decode("0g", bytes, sizeof(bytes)), -EINVAL);
	cr_assert_eq(sluice_hex_decode("0102030405", bytes, sizeof(bytes)), -ENOBUFS);
}

Test(client_payload, patterns_of_prompts)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} cases[] = {
		{"Password: ", "Password: ", true},
		{"Password*", "Password for demo:", true},
		{"*word*", "Password: ", true},
		{"*word", "Password: ", false},
		{"?assword: ", "password: ", true},
		{"[P,p]assword*", "password", true},
		{"[0-9,a-d,f]", "e", false},
		{"[0-9,a-d,f]", "c", true},
		{"[0-9,a-d,f]", "f", true},
		{"[[]Something].txt", "[Something].txt", true},
		{"[?]", "?", true},
		{"[?]", "x", false},
		{"[*]x", "*x", true},
		{"\\*", "*", true},
		{"\\*", "x", false},
		{"[\\]", "\\", true},
		{"a]", "a]", true},
		{"[", "[", true},
		{"", "", true},
		{"", "x", false},
		{"*", "", true},
		{"*****************************a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
		 false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_eq(prompt_matches(cases[i].pattern, cases[i].text), cases[i].matches,
			     "%s: %s", cases[i].pattern, cases[i].text);
}

Test(client_payload, every_error_has_a_text_and_the_number_it_is_known_by)
{
	static const struct {
		int err, ref;
	} cases[] = {
#define X(name, number, ref, text) {-number, ref},
		SLUICE_ERRORS(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_assert_eq(sluice_error_ref(cases[i].err), cases[i].ref);
		cr_assert_str_neq(sluice_strerror(cases[i].err), "unknown error");
		for (size_t k = 0; k < i; k++)
			cr_assert_neq(cases[k].err, cases[i].err);
	}
	cr_assert_str_eq(sluice_strerror(0), "no error");
	cr_assert_str_eq(sluice_strerror(-ECONNREFUSED), "Connection refused");
	cr_assert_str_eq(sluice_strerror(-99999), "unknown error");
	cr_assert_eq(sluice_error_ref(-ENOENT), 302);
	/* Whatever the protocol says of a peer has a meaning of the library's. */
	for (int e = SSH_E_BASE + 1; e < SSH_E_END; e++)
		cr_assert_str_neq(sluice_strerror(error_of(-e)), "unknown error", "%d", e);
}

/* --- names that are not found ---------------------------------------------------------------- */

static int told; /* what the resolver says of every name */

int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
		       struct addrinfo **ret);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
		       struct addrinfo **ret)
{
	(void)host;
	(void)service;
	(void)ret;
	return (hints->ai_flags & AI_NUMERICHOST) != 0 ? EAI_NONAME : told;
}

Test(client_payload, a_name_that_leads_nowhere_says_why, .timeout = 60)
{
	static const struct {
		int told, err, ref;
	} cases[] = {
		{EAI_NONAME, -SLUICE_E_RESOLVE, 11001},
		{EAI_AGAIN, -SLUICE_E_RESOLVE_AGAIN, 11002},
		{EAI_FAIL, -SLUICE_E_RESOLVE_FAILED, 11003},
		{EAI_NODATA, -SLUICE_E_RESOLVE_NO_ADDRESS, 11004},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sluice *s = NULL;
		int r;

		told = cases[i].told;
		cr_assert_eq(sluice_new(&s), 0);
		r = sluice_logon(s, "somewhere.test", 22);
		cr_expect_eq(r, cases[i].err, "%s: %s", gai_strerror(told), sluice_strerror(r));
		cr_expect_eq(sluice_error_ref(r), cases[i].ref);
		sluice_free(s);
	}
}
