/* tests/unit/test_kexinit.c - KEXINIT read, written and agreed on. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "crypto/key.h"
#include "ssh/err.h"
#include "ssh/kexinit.h"

#define BUF 70000

/* A KEXINIT of defaults, to be spoiled by the case. */
static struct ssh_kexinit sample(void)
{
	struct ssh_kexinit m = {.cookie = "0123456789abcde"};

	m.list[SSH_PROP_KEX] = ssh_str_c("curve25519-sha256,curve25519-sha256@libssh.org");
	m.list[SSH_PROP_HOSTKEY] = ssh_str_c(SSH_DEFAULT_HOSTKEY);
	for (int dir = 0; dir < 2; dir++) {
		m.list[SSH_PROP_CIPHER_CS + dir] = ssh_str_c(SSH_DEFAULT_CIPHERS);
		m.list[SSH_PROP_MAC_CS + dir] = ssh_str_c(SSH_DEFAULT_MACS);
		m.list[SSH_PROP_COMP_CS + dir] = ssh_str_c("none");
	}
	return m;
}

static size_t build(const struct ssh_kexinit *m, uint8_t buf[BUF])
{
	struct ssh_wr w;

	ssh_wr_init(&w, buf, BUF);
	ssh_kexinit_build(&w, m);
	return ssh_wr_done(&w);
}

static int parse_sample(const struct ssh_kexinit *m)
{
	static uint8_t buf[BUF];
	struct ssh_kexinit got;

	return ssh_kexinit_parse(buf, build(m, buf), &got);
}

Test(kexinit, what_is_built_is_read_back)
{
	static uint8_t buf[BUF], again[BUF];
	struct ssh_kexinit m = sample(), got;
	size_t len;

	m.first_kex_packet_follows = true;
	len = build(&m, buf);
	cr_assert_eq(ssh_kexinit_parse(buf, len, &got), 0);
	cr_assert(got.first_kex_packet_follows);
	cr_assert_eq(build(&got, again), len);
	cr_assert_arr_eq(again, buf, len);
}

/* S-14: every shorter message, and one that is longer. */
Test(kexinit, s14_refuses_every_other_length)
{
	static uint8_t buf[BUF];
	struct ssh_kexinit m = sample(), got;
	size_t len = build(&m, buf);

	for (size_t n = 0; n < len; n++)
		cr_assert_eq(ssh_kexinit_parse(buf, n, &got), -SSH_E_FORMAT, "%zu bytes", n);
	buf[len] = 0;
	cr_assert_eq(ssh_kexinit_parse(buf, len + 1, &got), -SSH_E_FORMAT);
}

Test(kexinit, s14_refuses_a_reserved_word_that_is_not_zero)
{
	static uint8_t buf[BUF];
	struct ssh_kexinit m = sample(), got;
	size_t len = build(&m, buf);

	buf[len - 1] = 1;
	cr_assert_eq(ssh_kexinit_parse(buf, len, &got), -SSH_E_FORMAT);
}

/* S-14: an eleventh list, or a tenth that is missing. */
Test(kexinit, s14_refuses_nine_lists_and_eleven)
{
	static uint8_t buf[BUF];
	struct ssh_kexinit m = sample(), got;
	size_t len = build(&m, buf);

	/* The languages are empty: four bytes each, before five bytes of end. */
	memset(buf + len, 0, 4);
	cr_assert_eq(ssh_kexinit_parse(buf, len + 4, &got), -SSH_E_FORMAT);
	cr_assert_eq(ssh_kexinit_parse(buf, len - 4, &got), -SSH_E_FORMAT);
}

Test(kexinit, refuses_names_the_rfc_does_not_allow)
{
	static const char *const bad[] = {
		",",
		",a",
		"a,,",
		"a,,b",
		"a b",
		"a\tb",
		"a\x7f",
		"a\xff",
		("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		 "aaaaaaa")};
	struct ssh_kexinit m = sample();

	for (int list = 0; list < SSH_PROPS; list++) {
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			m = sample();
			m.list[list] = ssh_str_c(bad[i]);
			cr_assert_eq(parse_sample(&m), -SSH_E_FORMAT, "list %d: %s", list, bad[i]);
		}
	}
}

/* As libssh's server ends its ciphers. */
Test(kexinit, a_comma_at_the_end_of_a_list_is_passed_over)
{
	static uint8_t buf[BUF];
	struct ssh_kexinit m = sample(), got;
	struct ssh_str name;

	m.list[SSH_PROP_CIPHER_SC] = ssh_str_c("aes256-ctr,aes128-ctr,");
	cr_assert_eq(ssh_kexinit_parse(buf, build(&m, buf), &got), 0);
	cr_expect(ssh_names_have(got.list[SSH_PROP_CIPHER_SC], "aes128-ctr"));
	cr_expect_not(ssh_names_have(got.list[SSH_PROP_CIPHER_SC], ""));
	cr_assert(ssh_names_next(&got.list[SSH_PROP_CIPHER_SC], &name));
	cr_assert(ssh_names_next(&got.list[SSH_PROP_CIPHER_SC], &name));
	cr_expect_not(ssh_names_next(&got.list[SSH_PROP_CIPHER_SC], &name));
}

Test(kexinit, refuses_a_nul_in_a_name)
{
	struct ssh_kexinit m = sample();

	m.list[SSH_PROP_KEX] = (struct ssh_str){(const uint8_t *)"curve25519-sha256\0x", 19};
	cr_assert_eq(parse_sample(&m), -SSH_E_FORMAT);
}

/* S-43: 17,000 names in one message, and a name of 10 KiB. */
Test(kexinit, s43_refuses_too_many_names_and_long_ones)
{
	static uint8_t many[34000], longest[10240];
	struct ssh_kexinit m = sample();

	memset(many, 'a', sizeof(many));
	for (size_t i = 1; i < sizeof(many); i += 2)
		many[i] = ',';
	m.list[SSH_PROP_KEX] = (struct ssh_str){many, sizeof(many) - 1};
	cr_assert_eq(parse_sample(&m), -SSH_E_FORMAT);
	m.list[SSH_PROP_KEX] = (struct ssh_str){many, 2 * SSH_NAMES_MAX + 1};
	cr_assert_eq(parse_sample(&m), -SSH_E_FORMAT);
	m.list[SSH_PROP_KEX] = (struct ssh_str){many, 2 * SSH_NAMES_MAX - 1};
	cr_assert_eq(parse_sample(&m), 0);
	memset(longest, 'a', sizeof(longest));
	m.list[SSH_PROP_KEX] = (struct ssh_str){longest, sizeof(longest)};
	cr_assert_eq(parse_sample(&m), -SSH_E_FORMAT);
}

/* Negotiation ----------------------------------------------------------------------- */

static int agree(enum ssh_role we_are, const struct ssh_kexinit *client,
		 const struct ssh_kexinit *server, struct ssh_agreed *ret)
{
	return we_are == SSH_CLIENT ? ssh_kexinit_negotiate(we_are, client, server, ret)
				    : ssh_kexinit_negotiate(we_are, server, client, ret);
}

Test(kexinit, the_clients_order_decides_on_both_sides)
{
	static const enum ssh_role roles[] = {SSH_CLIENT, SSH_SERVER};
	struct ssh_kexinit c = sample(), s = sample();
	struct ssh_agreed a;

	c.list[SSH_PROP_CIPHER_CS] = ssh_str_c("nobody@knows,aes256-ctr,aes128-ctr");
	c.list[SSH_PROP_MAC_CS] = ssh_str_c("hmac-sha2-512,hmac-sha2-256");
	c.list[SSH_PROP_HOSTKEY] = ssh_str_c("rsa-sha2-256,ssh-ed25519");
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(agree(roles[i], &c, &s, &a), 0);
		cr_assert_str_eq(a.suite[0]->cipher_name, "aes256-ctr");
		cr_assert_str_eq(a.suite[0]->mac_name, "hmac-sha2-512");
		cr_assert_str_eq(a.suite[1]->cipher_name, "chacha20-poly1305@openssh.com");
		cr_assert_str_eq(a.suite[1]->mac_name, "");
		cr_assert_str_eq(a.hostkey, "rsa-sha2-256");
		cr_assert_str_eq(a.kex->name, "curve25519-sha256");
	}
}

Test(kexinit, a_cipher_that_authenticates_needs_no_common_mac)
{
	struct ssh_kexinit c = sample(), s = sample();
	struct ssh_agreed a;

	c.list[SSH_PROP_MAC_CS] = c.list[SSH_PROP_MAC_SC] = ssh_str_c("hmac-nobody-has");
	cr_assert_eq(agree(SSH_SERVER, &c, &s, &a), 0);
}

Test(kexinit, nothing_in_common_names_what_failed)
{
	static const struct {
		enum ssh_proposal list;
		int err;
	} t[] = {
		{SSH_PROP_KEX, SSH_E_NO_KEX_ALG},      {SSH_PROP_HOSTKEY, SSH_E_NO_HOSTKEY_ALG},
		{SSH_PROP_CIPHER_CS, SSH_E_NO_CIPHER}, {SSH_PROP_CIPHER_SC, SSH_E_NO_CIPHER},
		{SSH_PROP_MAC_CS, SSH_E_NO_MAC},       {SSH_PROP_MAC_SC, SSH_E_NO_MAC},
		{SSH_PROP_COMP_CS, SSH_E_NO_COMP},     {SSH_PROP_COMP_SC, SSH_E_NO_COMP},
	};
	struct ssh_agreed a;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct ssh_kexinit c = sample(), s = sample();

		c.list[SSH_PROP_CIPHER_CS] = c.list[SSH_PROP_CIPHER_SC] = ssh_str_c("aes128-ctr");
		c.list[t[i].list] = ssh_str_c("something-else");
		cr_assert_eq(agree(SSH_SERVER, &c, &s, &a), -t[i].err, "case %zu", i);
		c.list[t[i].list] = ssh_str_c("");
		cr_assert_eq(agree(SSH_CLIENT, &c, &s, &a), -t[i].err, "case %zu, empty", i);
	}
}

/* S-06 e: markers that stand in both lists are still no method. */
Test(kexinit, s06e_a_marker_is_never_the_method)
{
	static const char *const marker[] = {SSH_EXT_INFO_C, SSH_EXT_INFO_S, SSH_KEX_STRICT_C,
					     SSH_KEX_STRICT_S};
	struct ssh_kexinit c = sample(), s = sample();
	struct ssh_agreed a;

	for (size_t i = 0; i < 4; i++) {
		c.list[SSH_PROP_KEX] = s.list[SSH_PROP_KEX] = ssh_str_c(marker[i]);
		cr_assert_eq(agree(SSH_SERVER, &c, &s, &a), -SSH_E_NO_KEX_ALG);
	}
	c.list[SSH_PROP_KEX] = s.list[SSH_PROP_KEX] =
		ssh_str_c(SSH_KEX_STRICT_C "," SSH_EXT_INFO_C ",curve25519-sha256");
	cr_assert_eq(agree(SSH_SERVER, &c, &s, &a), 0);
	cr_assert_str_eq(a.kex->name, "curve25519-sha256");
}

/* A method both name and neither can: not taken, and nothing else tried behind our back. */
Test(kexinit, a_name_both_have_and_this_build_does_not_is_refused)
{
	struct ssh_kexinit c = sample(), s = sample();
	struct ssh_agreed a;

	c.list[SSH_PROP_KEX] = s.list[SSH_PROP_KEX] = ssh_str_c("kex-of-the-future");
	cr_assert_eq(agree(SSH_CLIENT, &c, &s, &a), -SSH_E_NO_KEX_ALG);
	c = s = sample();
	c.list[SSH_PROP_HOSTKEY] = s.list[SSH_PROP_HOSTKEY] = ssh_str_c("ssh-future");
	cr_assert_eq(agree(SSH_CLIENT, &c, &s, &a), -SSH_E_NO_HOSTKEY_ALG);
}

/* S-12: when a guess is wrong (RFC 4253 section 7). */
Test(kexinit, s12_a_guess_is_right_only_when_both_firsts_agree)
{
	static const struct {
		const char *kex, *hostkey;
		bool follows, discard;
	} t[] = {
		{"curve25519-sha256", "ssh-ed25519", true, false},
		{"curve25519-sha256", "ssh-ed25519", false, false},
		{"curve25519-sha256@libssh.org,curve25519-sha256", "ssh-ed25519", true, true},
		{"curve25519-sha256", "rsa-sha2-256,ssh-ed25519", true, true},
		{"ecdh-sha2-nistp256,curve25519-sha256", "ssh-ed25519", true, true},
		{"ecdh-sha2-nistp256,curve25519-sha256", "ssh-ed25519", false, false},
	};
	struct ssh_agreed a;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct ssh_kexinit c = sample(), s = sample();

		c.list[SSH_PROP_KEX] = ssh_str_c(t[i].kex);
		c.list[SSH_PROP_HOSTKEY] = ssh_str_c(t[i].hostkey);
		s.list[SSH_PROP_HOSTKEY] = ssh_str_c("ssh-ed25519,rsa-sha2-256");
		c.first_kex_packet_follows = t[i].follows;
		cr_assert_eq(agree(SSH_SERVER, &c, &s, &a), 0);
		cr_assert_eq(a.discard_guess, t[i].discard, "case %zu", i);
	}
}

Test(kexinit, what_falls_to_terrapin_is_known)
{
	const struct cipher_suite *gcm = cipher_suite_find("aes128-gcm@openssh.com", "");
	const struct cipher_suite *chapoly = cipher_suite_find("chacha20-poly1305@openssh.com", "");
	const struct cipher_suite *etm =
		cipher_suite_find("aes128-ctr", "hmac-sha2-256-etm@openssh.com");
	struct cipher_suite cbc = *etm;

	cbc.cipher_name = "aes128-cbc";
	cr_assert(!ssh_suite_needs_strict(gcm));
	cr_assert(!ssh_suite_needs_strict(etm));
	cr_assert(ssh_suite_needs_strict(chapoly));
	cr_assert(ssh_suite_needs_strict(&cbc));
	cbc.shape = CIPHER_EAM;
	cr_assert(!ssh_suite_needs_strict(&cbc));
}

static bool comp_is_legacy(const char *name)
{
	return ssh_comp_find(name) == SSH_COMP_ZLIB;
}

/* Parity 3: what is old is there, and nobody offers it who was not told to. */
Test(kexinit, nothing_old_is_in_a_default_list)
{
	static const struct {
		const char *list;
		const char *(*at)(unsigned int i); /* all there is; NULL: told by another line */
		bool (*is_legacy)(const char *name);
		unsigned int n_legacy;
	} t[] = {
		{SSH_DEFAULT_KEX, kex_method_name_at, kex_method_is_legacy, 3},
		{SSH_DEFAULT_KEX_CLIENT, NULL, kex_method_is_legacy, 0},
		{SSH_DEFAULT_GSS_KEX, kex_gss_name_at, kex_method_is_legacy, 2},
		{SSH_DEFAULT_HOSTKEY, key_sig_alg_at, key_sig_alg_is_legacy, 8},
		{SSH_DEFAULT_PUBKEY, NULL, key_sig_alg_is_legacy, 0},
		{SSH_DEFAULT_X509, NULL, key_sig_alg_is_legacy, 0},
		{SSH_DEFAULT_CA_SIG, NULL, key_sig_alg_is_legacy, 0},
		{SSH_DEFAULT_CIPHERS, cipher_name_at, cipher_is_legacy, 10},
		{SSH_DEFAULT_MACS, cipher_mac_name_at, cipher_mac_is_legacy, 12},
		{SSH_DEFAULT_COMP, ssh_comp_name_at, comp_is_legacy, 1},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct ssh_str rest = ssh_str_c(t[i].list), name;
		unsigned int n = 0;
		const char *one;
		char buf[SSH_NAME_MAX + 1];

		while (ssh_names_next(&rest, &name)) {
			snprintf(buf, sizeof(buf), "%.*s", (int)name.len, (const char *)name.p);
			cr_expect(!t[i].is_legacy(buf), "%s", buf);
		}
		for (unsigned int j = 0; t[i].at != NULL && (one = t[i].at(j)) != NULL; j++)
			n += t[i].is_legacy(one);
		cr_expect_eq(n, t[i].n_legacy, "%s: %u", t[i].list, n);
	}
}
