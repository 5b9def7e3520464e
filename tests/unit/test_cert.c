/* tests/unit/test_cert.c - OpenSSH certificates and the keys of security tokens. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/base64.h"
#include "crypto/blob.h"
#include "crypto/cert.h"
#include "crypto/hash.h"

#define CA_ALGS                                                                                    \
	"ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512"

static struct key *make(const char *type)
{
	struct key *k = NULL;

	cr_assert_eq(key_generate(type, strcmp(type, "ssh-rsa") == 0 ? 2048 : 0, &k), 0);
	return k;
}

/* --- what ssh-keygen makes ------------------------------------------------------------------ */

static char dir[] = "/tmp/sluice-cert-XXXXXX";

static void tools_or_skip(void)
{
	if (access("/usr/bin/ssh-keygen", X_OK) != 0)
		cr_skip_test("no ssh-keygen");
	cr_assert_not_null(mkdtemp(dir));
}

static void tool(const char *command)
{
	char text[1024];

	snprintf(text, sizeof(text), "cd %s && { %s; } >/dev/null 2>&1", dir, command);
	cr_assert_eq(system(text), 0, "%s", command);
}

static void tools_end(void)
{
	char text[64];

	snprintf(text, sizeof(text), "rm -r %s", dir);
	cr_assert_eq(system(text), 0);
}

static struct key *cert_file(const char *name)
{
	char path[128], line[16384];
	struct key *k = NULL;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	cr_assert_not_null(f);
	cr_assert_not_null(fgets(line, sizeof(line), f));
	fclose(f);
	line[strcspn(line, "\n")] = '\0';
	cr_assert_eq(cert_line_parse(line, strlen(line), &k), 0, "%s", name);
	return k;
}

static int check(const struct key *k, enum cert_role role, const char *name, uint64_t now)
{
	struct cert_rules rules = {role, name, now, CA_ALGS, 2048};
	const char *why = NULL;
	int r = cert_check(k, &rules, &why);

	cr_expect_eq(r == 0, why == NULL);
	return r;
}

Test(cert, reads_and_believes_those_of_ssh_keygen)
{
	static const struct {
		const char *type, *bits, *name, *alg;
	} t[] = {
		{"ed25519", "256", "ssh-ed25519-cert-v01@openssh.com",
		 "ssh-ed25519-cert-v01@openssh.com"},
		{"ecdsa", "256", "ecdsa-sha2-nistp256-cert-v01@openssh.com",
		 "ecdsa-sha2-nistp256-cert-v01@openssh.com"},
		{"ecdsa", "384", "ecdsa-sha2-nistp384-cert-v01@openssh.com",
		 "ecdsa-sha2-nistp384-cert-v01@openssh.com"},
		{"ecdsa", "521", "ecdsa-sha2-nistp521-cert-v01@openssh.com",
		 "ecdsa-sha2-nistp521-cert-v01@openssh.com"},
		{"rsa", "2048", "ssh-rsa-cert-v01@openssh.com",
		 "rsa-sha2-256-cert-v01@openssh.com"},
	};

	tools_or_skip();
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char command[512];
		struct key *k;

		snprintf(command, sizeof(command),
			 "ssh-keygen -q -t %s -b %s -N '' -f k%zu && ssh-keygen -q -t %s -b %s -N "
			 "'' -f ca%zu && ssh-keygen -s ca%zu -I 'id %zu' -n alice,bob -z 7%zu -V "
			 "20200101000000Z:20300101000000Z k%zu",
			 t[i].type, t[i].bits, i, t[i].type, t[i].bits, i, i, i, i, i);
		tool(command);
		snprintf(command, sizeof(command), "k%zu-cert.pub", i);
		k = cert_file(command);
		cr_expect_str_eq(key_type(k), t[i].name);
		cr_expect(key_sig_alg_fits(k, t[i].alg));
		cr_expect_not(key_sig_alg_fits(k, key_type(key_plain(k))));
		cr_expect_eq(key_cert(k)->serial, 70 + i);
		cr_expect_eq(key_cert(k)->valid_after, 1577836800);
		cr_expect_eq(key_cert(k)->n_principals, 2);
		cr_expect_str_eq(key_cert(k)->principals[1], "bob");
		cr_expect_eq(key_cert(k)->permits, CERT_PERMIT_X11_FORWARDING |
							   CERT_PERMIT_AGENT_FORWARDING |
							   CERT_PERMIT_PORT_FORWARDING |
							   CERT_PERMIT_PTY | CERT_PERMIT_USER_RC);
		cr_expect_eq(check(k, CERT_USER, "alice", 1600000000), 0);
		key_free(k);
	}
	tools_end();
}

Test(cert, reads_the_options_of_ssh_keygen)
{
	struct key *k;

	tools_or_skip();
	tool("ssh-keygen -q -t ed25519 -N '' -f ca && ssh-keygen -q -t ed25519 -N '' -f k && "
	     "ssh-keygen -s ca -I id -n a -O clear -O force-command='echo hi' -O "
	     "source-address=10.0.0.0/8,::1 -O verify-required -O no-touch-required -O permit-pty "
	     "-O extension:login@example.com=x k");
	k = cert_file("k-cert.pub");
	cr_expect_str_eq(key_cert(k)->force_command, "echo hi");
	cr_expect_str_eq(key_cert(k)->source_address, "10.0.0.0/8,::1");
	cr_expect(key_cert(k)->verify_required);
	cr_expect_eq(key_cert(k)->permits, CERT_NO_TOUCH_REQUIRED | CERT_PERMIT_PTY);
	cr_expect_null(key_cert(k)->unknown_critical);
	cr_expect_eq(check(k, CERT_USER, "a", 1), 0);
	key_free(k);
	tool("ssh-keygen -s ca -I id -n a -O critical:new@example.com=1 k");
	k = cert_file("k-cert.pub");
	cr_expect_str_eq(key_cert(k)->unknown_critical, "new@example.com");
	cr_expect_eq(check(k, CERT_USER, "a", 1), -EACCES);
	key_free(k);
	tool("ssh-keygen -h -s ca -I id -n 'h.example.com' k");
	k = cert_file("k-cert.pub");
	cr_expect_eq(check(k, CERT_HOST, "H.example.COM", 1), 0);
	cr_expect_eq(check(k, CERT_USER, "h.example.com", 1), -EACCES);
	key_free(k);
	tools_end();
}

Test(cert, ssh_keygen_reads_what_is_built)
{
	static const char *const names[] = {"alice"};
	static const struct cert_option critical[] = {{"force-command", "ls"}};
	static const struct cert_option extensions[] = {{"permit-pty", NULL}};
	const struct cert_spec spec = {.serial = 99,
				       .role = CERT_USER,
				       .key_id = "built",
				       .principals = names,
				       .n_principals = 1,
				       .valid_before = UINT64_MAX,
				       .critical = critical,
				       .n_critical = 1,
				       .extensions = extensions,
				       .n_extensions = 1};
	struct key *ca = make("ecdsa-sha2-nistp521"), *k = make("ssh-ed25519"), *c = NULL;
	char path[128], text[8192];
	const uint8_t *blob;
	size_t len;
	FILE *f;

	tools_or_skip();
	cr_assert_eq(cert_build(k, &spec, ca, NULL, &c), 0);
	blob = key_blob(c, &len);
	cr_assert_lt(base64_len(len), sizeof(text));
	base64_encode(blob, len, text);
	text[base64_len(len)] = '\0';
	snprintf(path, sizeof(path), "%s/c", dir);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	fprintf(f, "%s %s built\n", key_type(c), text);
	fclose(f);
	tool("ssh-keygen -L -f c > out && grep -q 'Key ID: \"built\"' out && grep -q 'Serial: 99' "
	     "out && grep -q 'force-command ls' out && grep -q 'permit-pty' out && grep -q "
	     "'Valid: forever' out && grep -q alice out");
	tools_end();
	key_free(c);
	key_free(k);
	key_free(ca);
}

/* --- what is believed ------------------------------------------------------------------------ */

static const char *const alice[] = {"alice"};

static struct cert_spec spec_of(enum cert_role role, const char *const *names, unsigned int n)
{
	return (struct cert_spec){.role = role,
				  .key_id = "id",
				  .principals = names,
				  .n_principals = n,
				  .valid_after = 1000,
				  .valid_before = 2000};
}

static struct key *build(const struct cert_spec *spec, const struct key *ca, const char *alg)
{
	struct key *k = make("ssh-ed25519"), *c = NULL;

	cr_assert_eq(cert_build(k, spec, ca, alg, &c), 0);
	key_free(k);
	return c;
}

Test(cert, is_believed_in_its_role_and_time_alone)
{
	struct cert_spec spec = spec_of(CERT_USER, alice, 1);
	struct key *ca = make("ssh-ed25519"), *c = build(&spec, ca, NULL);

	cr_expect_eq(check(c, CERT_USER, "alice", 1000), 0);
	cr_expect_eq(check(c, CERT_USER, "alice", 1999), 0);
	cr_expect_eq(check(c, CERT_USER, "alice", 999), -EACCES);
	cr_expect_eq(check(c, CERT_USER, "alice", 2000), -EACCES);
	cr_expect_eq(check(c, CERT_USER, "alice", UINT64_MAX), -EACCES);
	cr_expect_eq(check(c, CERT_HOST, "alice", 1500), -EACCES);
	cr_expect_eq(check(c, CERT_USER, NULL, 1500), 0);
	cr_expect_eq(check(key_plain(c), CERT_USER, "alice", 1500), -EACCES);
	key_free(c);
	key_free(ca);
}

/* S-33: names are compared whole, and nobody is named by none. */
Test(cert, s33_principals_match_exactly)
{
	static const char *const odd[] = {"alice,root", " root", "", "*", "ro?t", "Root"};
	struct cert_spec spec = spec_of(CERT_USER, odd, 6);
	struct key *ca = make("ssh-ed25519"), *c = build(&spec, ca, NULL);

	cr_expect_eq(check(c, CERT_USER, "root", 1500), -EACCES);
	cr_expect_eq(check(c, CERT_USER, "alice", 1500), -EACCES);
	cr_expect_eq(check(c, CERT_USER, "root ", 1500), -EACCES);
	cr_expect_eq(check(c, CERT_USER, "alice,root", 1500), 0);
	cr_expect_eq(check(c, CERT_USER, "*", 1500), 0);
	key_free(c);
	spec.n_principals = 0;
	c = build(&spec, ca, NULL);
	cr_expect_eq(check(c, CERT_USER, "root", 1500), -EACCES);
	cr_expect_eq(check(c, CERT_USER, "", 1500), -EACCES);
	cr_expect_eq(check(c, CERT_USER, NULL, 1500), -EACCES);
	key_free(c);
	spec.role = CERT_HOST;
	c = build(&spec, ca, NULL);
	cr_expect_eq(check(c, CERT_HOST, "h", 1500), -EACCES);
	key_free(c);
	key_free(ca);
}

Test(cert, hosts_are_named_whole)
{
	static const char *const names[] = {"*.example.com", "db.example.com"};
	struct cert_spec spec = spec_of(CERT_HOST, names, 2);
	struct key *ca = make("ssh-ed25519"), *c = build(&spec, ca, NULL);

	cr_expect_eq(check(c, CERT_HOST, "db.EXAMPLE.com", 1500), 0);
	cr_expect_eq(check(c, CERT_HOST, "a.example.com", 1500), -EACCES);
	cr_expect_eq(check(c, CERT_HOST, "db.example.com.evil", 1500), -EACCES);
	cr_expect_eq(check(c, CERT_HOST, "db", 1500), -EACCES);
	cr_expect_eq(check(c, CERT_HOST, "", 1500), -EACCES);
	key_free(c);
	key_free(ca);
}

Test(cert, algorithms_and_sizes_of_authorities_are_limited)
{
	struct cert_spec spec = spec_of(CERT_USER, alice, 1);
	struct key *ca = make("ssh-rsa"), *c = build(&spec, ca, "ssh-rsa");
	struct cert_rules rules = {CERT_USER, "alice", 1500, CA_ALGS, 2048};
	const char *why;

	cr_expect_eq(cert_check(c, &rules, &why), -EACCES); /* SHA-1 */
	rules.ca_algs = "ssh-rsa";
	cr_expect_eq(cert_check(c, &rules, &why), 0);
	rules.rsa_bits_min = 3072;
	cr_expect_eq(cert_check(c, &rules, &why), -EACCES);
	rules.rsa_bits_min = 2048;
	rules.ca_algs = "rsa-sha2-512";
	cr_expect_eq(cert_check(c, &rules, &why), -EACCES);
	rules.ca_algs = "";
	cr_expect_eq(cert_check(c, &rules, &why), -EACCES);
	key_free(c);
	key_free(ca);
}

Test(cert, signs_and_verifies_by_the_key_in_it)
{
	static const char *const types[] = {"ssh-ed25519", "ecdsa-sha2-nistp384", "ssh-rsa"};
	struct cert_spec spec = spec_of(CERT_HOST, alice, 1);
	struct key *ca = make("ssh-ed25519");

	for (int i = 0; i < 3; i++) {
		struct key *k = make(types[i]), *c = NULL;
		uint8_t sig[KEY_SIG_MAX];
		const char *alg;
		size_t len = 0;

		cr_assert_eq(cert_build(k, &spec, ca, NULL, &c), 0);
		cr_expect(key_equal(key_plain(c), key_plain(c)));
		cr_expect_not(key_equal(c, k));
		cr_expect(key_equal(key_plain(c), k));
		for (unsigned int n = 0; (alg = key_sig_alg_of(c, n)) != NULL; n++) {
			const char *plain = key_sig_alg_plain(alg);

			cr_expect_neq(strstr(alg, "-cert-v01@openssh.com"), NULL);
			cr_assert_eq(key_sign(k, plain, (const uint8_t *)"x", 1, sig, &len), 0);
			cr_expect_eq(key_verify(c, alg, sig, len, (const uint8_t *)"x", 1), 0);
			cr_expect_eq(key_verify(c, plain, sig, len, (const uint8_t *)"x", 1),
				     -EBADMSG);
			cr_expect_eq(key_verify(k, alg, sig, len, (const uint8_t *)"x", 1),
				     -EBADMSG);
			cr_expect_eq(key_sign(c, alg, (const uint8_t *)"x", 1, sig, &len), -EINVAL);
		}
		key_free(c);
		key_free(k);
	}
	key_free(ca);
}

/* --- what is refused ------------------------------------------------------------------------- */

static int parse(const uint8_t *blob, size_t len)
{
	struct key *k = NULL;
	int r = key_blob_parse_any(blob, len, &k);

	key_free(k);
	return r;
}

Test(cert, no_bit_of_it_may_change)
{
	static const struct cert_option critical[] = {{"force-command", "ls"}};
	struct cert_spec spec = spec_of(CERT_USER, alice, 1);
	struct key *ca = make("ssh-ed25519"), *c;
	uint8_t copy[KEY_BLOB_MAX];
	const uint8_t *blob;
	size_t len;

	spec.critical = critical;
	spec.n_critical = 1;
	c = build(&spec, ca, NULL);
	blob = key_blob(c, &len);
	memcpy(copy, blob, len);
	for (size_t b = 0; b < len * 8; b++) {
		struct key *other = NULL;

		copy[b / 8] ^= (uint8_t)(1 << b % 8);
		if (key_blob_parse_any(copy, len, &other) == 0)
			cr_expect_lt(check(other, CERT_USER, "alice", 1500), 0, "bit %zu", b);
		key_free(other);
		copy[b / 8] ^= (uint8_t)(1 << b % 8);
	}
	key_free(c);
	key_free(ca);
}

Test(cert, no_length_of_it_may_change)
{
	struct cert_spec spec = spec_of(CERT_USER, alice, 1);
	struct key *ca = make("ssh-ed25519"), *c = build(&spec, ca, NULL);
	uint8_t copy[KEY_BLOB_MAX] = {0};
	const uint8_t *blob;
	size_t len;

	blob = key_blob(c, &len);
	memcpy(copy, blob, len);
	for (size_t n = 0; n < len + 8; n++)
		if (n != len)
			cr_expect_lt(parse(copy, n), 0, "%zu", n);
	key_free(c);
	key_free(ca);
}

/* A certificate by hand: everything but the key and the options is as it should be. */
struct by_hand {
	const char *type, *principals;
	size_t principals_len;
	const char *critical, *extensions;
	size_t critical_len, extensions_len;
	uint32_t role;
	const uint8_t *ca;
	size_t ca_len;
	bool bare; /* without nonce, id and signature: the shortest */
};

static size_t by_hand_build(const struct by_hand *h, const struct key *k, uint8_t *out)
{
	struct blob_wr w = blob_wr_init(out, KEY_BLOB_MAX);
	size_t len;
	const uint8_t *blob = key_blob(k, &len);
	struct blob_rd r = blob_rd_init(blob, len);

	blob_rd_str(&r);
	blob_wr_cstr(&w, h->type != NULL ? h->type : "ssh-ed25519-cert-v01@openssh.com");
	blob_wr_cstr(&w, h->bare ? "" : "nonce");
	blob_wr_put(&w, r.p, (size_t)(r.end - r.p));
	blob_wr_u32(&w, 0);
	blob_wr_u32(&w, 1);
	blob_wr_u32(&w, h->role != 0 ? h->role : 1);
	blob_wr_cstr(&w, h->bare ? "" : "id");
	blob_wr_str(&w, h->principals, h->principals_len);
	blob_wr_u32(&w, 0);
	blob_wr_u32(&w, 0);
	blob_wr_u32(&w, UINT32_MAX);
	blob_wr_u32(&w, UINT32_MAX);
	blob_wr_str(&w, h->critical, h->critical_len);
	blob_wr_str(&w, h->extensions, h->extensions_len);
	blob_wr_cstr(&w, "");
	blob_wr_str(&w, h->ca != NULL ? h->ca : blob, h->ca != NULL ? h->ca_len : len);
	blob_wr_u32(&w, h->bare ? 0 : 4 + 11 + 4 + 64);
	if (!h->bare) {
		blob_wr_cstr(&w, "ssh-ed25519");
		blob_wr_str(&w, (uint8_t[64]){0}, 64);
	}
	cr_assert_not(w.bad);
	return w.len;
}

Test(cert, contradictions_are_refused_at_parse)
{
	static const struct {
		struct by_hand h;
		int err;
	} t[] = {
		{{.type = NULL}, 0},
		{{.principals = "\0\0\0\1a\0\0\0\1b", .principals_len = 10}, 0},
		{{.principals = "\0\0\0\1", .principals_len = 4}, -EBADMSG},
		{{.principals = "\0\0\0\3a\0b", .principals_len = 7}, -EBADMSG},
		{{.principals = "x", .principals_len = 1}, -EBADMSG},
		{{.role = 3}, -EBADMSG},
		{{.role = 0x01000000}, -EBADMSG},
		{{.type = "ecdsa-sha2-nistp256-cert-v01@openssh.com"}, -EBADMSG},
		{{.type = "ssh-rsa-cert-v01@openssh.com"}, -EBADMSG},
		{{.type = "ssh-rsa-cert-v00@openssh.com"}, -ENOTSUP},
		{{.type = "ssh-ed448-cert-v01@openssh.com"}, -ENOTSUP},
		/* options: once, in order, with values that are what they should be */
		{{.critical = "\0\0\0\1a\0\0\0\0\0\0\0\1b\0\0\0\0", .critical_len = 18}, 0},
		{{.critical = "\0\0\0\1b\0\0\0\0\0\0\0\1a\0\0\0\0", .critical_len = 18}, -EBADMSG},
		{{.critical = "\0\0\0\1a\0\0\0\0\0\0\0\1a\0\0\0\0", .critical_len = 18}, -EBADMSG},
		{{.critical = "\0\0\0\0\0\0\0\0", .critical_len = 8}, -EBADMSG},
		{{.critical = "\0\0\0\1a", .critical_len = 5}, -EBADMSG},
		{{.critical = "\0\0\0\x0d"
			      "force-command\0\0\0\2ls",
		  .critical_len = 4 + 13 + 4 + 2},
		 -EBADMSG},
		{{.critical = "\0\0\0\x0d"
			      "force-command\0\0\0\7\0\0\0\3l\0s",
		  .critical_len = 4 + 13 + 4 + 7},
		 -EBADMSG},
		{{.critical = "\0\0\0\x0f"
			      "verify-required\0\0\0\1x",
		  .critical_len = 4 + 15 + 4 + 1},
		 -EBADMSG},
		{{.extensions = "\0\0\0\x0apermit-pty\0\0\0\1x", .extensions_len = 4 + 10 + 4 + 1},
		 -EBADMSG},
	};
	struct key *k = make("ssh-ed25519");
	static uint8_t blob[KEY_BLOB_MAX];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		cr_expect_eq(parse(blob, by_hand_build(&t[i].h, k, blob)), t[i].err, "case %zu", i);
	key_free(k);
}

Test(cert, only_so_many_principals)
{
	static char list[5 * (CERT_PRINCIPALS_MAX + 1)];
	static uint8_t blob[KEY_BLOB_MAX];
	struct by_hand h = {.principals = list};
	struct key *k = make("ssh-ed25519");

	for (int i = 0; i <= CERT_PRINCIPALS_MAX; i++)
		memcpy(list + i * 5, "\0\0\0\1p", 5);
	h.principals_len = 5 * CERT_PRINCIPALS_MAX;
	cr_expect_eq(parse(blob, by_hand_build(&h, k, blob)), 0);
	h.principals_len = sizeof(list);
	cr_expect_eq(parse(blob, by_hand_build(&h, k, blob)), -EBADMSG);
	key_free(k);
}

/* S-35: however deep, the outermost is refused by one look at what signed it. */
Test(cert, s35_an_authority_that_is_a_certificate_is_refused)
{
	struct cert_spec spec = spec_of(CERT_USER, alice, 1);
	struct key *k = make("ssh-ed25519"), *c = build(&spec, k, NULL), *no = NULL;
	static uint8_t outer[KEY_BLOB_MAX], inner[2][KEY_BLOB_MAX];
	struct by_hand h = {.type = NULL};
	uint8_t *next;

	h.ca = key_blob(c, &h.ca_len);
	for (int depth = 1; depth <= 100; depth++) {
		h.bare = false;
		cr_expect_eq(parse(outer, by_hand_build(&h, k, outer)), -EBADMSG, "depth %d",
			     depth);
		h.bare = true; /* so that a hundred fit in a blob */
		next = inner[depth % 2];
		h.ca_len = by_hand_build(&h, k, next);
		h.ca = next;
	}
	cr_expect_eq(cert_build(k, &spec, c, NULL, &no), -EINVAL);
	key_free(c);
	key_free(k);
}

Test(cert, is_no_key_where_keys_are_read)
{
	struct cert_spec spec = spec_of(CERT_USER, alice, 1);
	struct key *ca = make("ssh-ed25519"), *c = build(&spec, ca, NULL), *k = NULL;
	char line[2048], text[1024];
	const uint8_t *blob;
	size_t len;

	blob = key_blob(c, &len);
	cr_expect_eq(key_blob_parse(blob, len, &k), -ENOTSUP);
	base64_encode(blob, len, text);
	text[base64_len(len)] = '\0';
	snprintf(line, sizeof(line), "%s %s", key_type(c), text);
	cr_expect_eq(key_public_line_parse(line, strlen(line), &k), -ENOTSUP);
	/* And the line's first word is the certificate's own. */
	snprintf(line, sizeof(line), "ssh-ed25519 %s", text);
	cr_expect_eq(cert_line_parse(line, strlen(line), &k), -EBADMSG);
	blob = key_blob(ca, &len);
	base64_encode(blob, len, text);
	text[base64_len(len)] = '\0';
	snprintf(line, sizeof(line), "ssh-ed25519 %s", text);
	cr_expect_eq(cert_line_parse(line, strlen(line), &k), -ENOTSUP);
	key_free(c);
	key_free(ca);
}

/* --- security keys -----------------------------------------------------------------------------
 */

/* A token in software: the bare key signs what a token would. */
struct token {
	struct key *bare, *key;
	const char *alg;
};

static void token_init(struct token *t, const char *bare, const char *type)
{
	uint8_t out[256];
	struct blob_wr w = blob_wr_init(out, sizeof(out));
	size_t len;
	const uint8_t *blob;
	struct blob_rd r;

	t->bare = make(bare);
	t->alg = type;
	blob = key_blob(t->bare, &len);
	r = blob_rd_init(blob, len);
	blob_rd_str(&r);
	blob_wr_cstr(&w, type);
	blob_wr_put(&w, r.p, (size_t)(r.end - r.p));
	blob_wr_cstr(&w, "ssh:");
	cr_assert_eq(key_blob_parse(out, w.len, &t->key), 0);
}

static void token_fini(struct token *t)
{
	key_free(t->bare);
	key_free(t->key);
}

static void put_hash(struct blob_wr *w, const void *p, size_t len)
{
	struct hash_piece piece = {p, len};
	uint8_t digest[HASH_LEN_MAX];

	cr_assert_eq(hash_digest(HASH_SHA256, &piece, 1, digest), 0);
	blob_wr_put(w, digest, 32);
}

/* client_data NULL: no browser. */
static size_t token_sign(const struct token *t, const char *application, uint8_t flags,
			 uint32_t counter, const char *data, const char *client_data,
			 const char *origin, const char *extensions, uint8_t *out)
{
	uint8_t m[512], sig[KEY_SIG_MAX];
	struct blob_wr w = blob_wr_init(m, sizeof(m)), o = blob_wr_init(out, KEY_SIG_MAX);
	struct blob_rd r;
	size_t len = 0;

	put_hash(&w, application, strlen(application));
	blob_wr_put(&w, &flags, 1);
	blob_wr_u32(&w, counter);
	if (client_data != NULL) {
		blob_wr_put(&w, extensions, strlen(extensions));
		put_hash(&w, client_data, strlen(client_data));
	} else {
		put_hash(&w, data, strlen(data));
	}
	cr_assert_eq(key_sign(t->bare, key_sig_alg_of(t->bare, 0), m, w.len, sig, &len), 0);
	r = blob_rd_init(sig, len);
	blob_rd_str(&r);
	blob_wr_cstr(&o,
		     client_data != NULL ? "webauthn-sk-ecdsa-sha2-nistp256@openssh.com" : t->alg);
	blob_wr_put(&o, r.p, (size_t)(r.end - r.p));
	blob_wr_put(&o, &flags, 1);
	blob_wr_u32(&o, counter);
	if (client_data != NULL) {
		blob_wr_cstr(&o, origin);
		blob_wr_cstr(&o, client_data);
		blob_wr_cstr(&o, extensions);
	}
	cr_assert_not(o.bad);
	return o.len;
}

static const char *const tokens[][2] = {
	{"ssh-ed25519", "sk-ssh-ed25519@openssh.com"},
	{"ecdsa-sha2-nistp256", "sk-ecdsa-sha2-nistp256@openssh.com"},
};

Test(cert, security_keys_say_who_was_there)
{
	for (int i = 0; i < 2; i++) {
		uint8_t sig[KEY_SIG_MAX];
		struct key_presence p;
		struct token t;
		size_t len;

		token_init(&t, tokens[i][0], tokens[i][1]);
		cr_expect(key_is_sk(t.key));
		cr_expect_str_eq(key_type(t.key), tokens[i][1]);
		for (unsigned int flags = 0; flags < 8; flags++) {
			len = token_sign(&t, "ssh:", (uint8_t)flags, 77, "data", NULL, NULL, NULL,
					 sig);
			cr_expect_eq(key_verify_presence(t.key, t.alg, sig, len,
							 (const uint8_t *)"data", 4, &p),
				     0);
			cr_expect(p.sk);
			cr_expect_eq(p.flags, flags);
			cr_expect_eq(p.counter, 77);
			/* S-37: who asks for nothing more gets a touch. */
			cr_expect_eq(key_verify(t.key, t.alg, sig, len, (const uint8_t *)"data", 4),
				     (flags & KEY_USER_PRESENT) != 0 ? 0 : -EBADMSG);
		}
		token_fini(&t);
	}
}

/* S-37: flags and counter are signed; another application's signature is none. */
Test(cert, s37_nothing_a_security_key_says_may_change)
{
	for (int i = 0; i < 2; i++) {
		uint8_t sig[KEY_SIG_MAX];
		struct token t;
		size_t len;

		token_init(&t, tokens[i][0], tokens[i][1]);
		len = token_sign(&t, "ssh:", 1, 77, "data", NULL, NULL, NULL, sig);
		for (size_t b = 0; b < len * 8; b++) {
			sig[b / 8] ^= (uint8_t)(1 << b % 8);
			cr_expect_eq(key_verify(t.key, t.alg, sig, len, (const uint8_t *)"data", 4),
				     -EBADMSG, "bit %zu", b);
			sig[b / 8] ^= (uint8_t)(1 << b % 8);
		}
		for (size_t n = 0; n < len; n++)
			cr_expect_eq(key_verify(t.key, t.alg, sig, n, (const uint8_t *)"data", 4),
				     -EBADMSG);
		len = token_sign(&t, "web:", 1, 77, "data", NULL, NULL, NULL, sig);
		cr_expect_eq(key_verify(t.key, t.alg, sig, len, (const uint8_t *)"data", 4),
			     -EBADMSG);
		/* The bare key's own signature, without flags. */
		len = 0;
		cr_assert_eq(key_sign(t.bare, key_sig_alg_of(t.bare, 0), (const uint8_t *)"data", 4,
				      sig, &len),
			     0);
		cr_expect_eq(key_verify(t.key, t.alg, sig, len, (const uint8_t *)"data", 4),
			     -EBADMSG);
		token_fini(&t);
	}
}

/* "data" is ZGF0YQ in base64url; "?>?" is Pz4_ there and Pz4/ elsewhere. */
Test(cert, webauthn_signatures)
{
#define SAYS(challenge, origin)                                                                    \
	"{\"type\":\"webauthn.get\",\"challenge\":\"" challenge "\",\"origin\":\"" origin "\""
	static const struct {
		const char *data, *client_data, *origin, *extensions;
		uint8_t flags;
		int err;
	} c[] = {
		{"data", SAYS("ZGF0YQ", "https://x") "}", "https://x", "", 1, 0},
		{"data", SAYS("ZGF0YQ", "https://x") ",\"crossOrigin\":false}", "https://x", "", 5,
		 0},
		{"?>?", SAYS("Pz4_", "https://x") "}", "https://x", "", 1, 0},
		{"?>?", SAYS("Pz4/", "https://x") "}", "https://x", "", 1, -EBADMSG},
		{"data", SAYS("ZGF0YQ", "https://x") "}", "https://x", "ext", 0x81, 0},
		/* extensions and their flag go together; there are no attestations here */
		{"data", SAYS("ZGF0YQ", "https://x") "}", "https://x", "ext", 1, -EBADMSG},
		{"data", SAYS("ZGF0YQ", "https://x") "}", "https://x", "", 0x81, -EBADMSG},
		{"data", SAYS("ZGF0YQ", "https://x") "}", "https://x", "", 0x41, -EBADMSG},
		/* nobody was there */
		{"data", SAYS("ZGF0YQ", "https://x") "}", "https://x", "", 0, -EBADMSG},
		/* another challenge, origin, type; too short; an origin that ends its string */
		{"date", SAYS("ZGF0YQ", "https://x") "}", "https://x", "", 1, -EBADMSG},
		{"data", SAYS("ZGF0YQ", "https://y") "}", "https://x", "", 1, -EBADMSG},
		{"data", SAYS("ZGF0YQ==", "https://x") "}", "https://x", "", 1, -EBADMSG},
		{"data", "{\"type\":\"webauthn.create\"}", "https://x", "", 1, -EBADMSG},
		{"data", "", "https://x", "", 1, -EBADMSG},
		{"data", SAYS("ZGF0YQ", "a\",\"b\":\"c") "}", "a\",\"b\":\"c", "", 1, -EBADMSG},
	};
	static const char alg[] = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com";
	struct token t;

	token_init(&t, tokens[1][0], tokens[1][1]);
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		uint8_t sig[KEY_SIG_MAX];
		size_t len = token_sign(&t, "ssh:", c[i].flags, 1, c[i].data, c[i].client_data,
					c[i].origin, c[i].extensions, sig);

		cr_expect_eq(key_verify(t.key, alg, sig, len, (const uint8_t *)c[i].data,
					strlen(c[i].data)),
			     c[i].err, "case %zu", i);
		cr_expect_eq(key_verify(t.key, t.alg, sig, len, (const uint8_t *)c[i].data,
					strlen(c[i].data)),
			     -EBADMSG);
	}
	token_fini(&t);
}

Test(cert, security_keys_are_only_verified)
{
	struct key *k = NULL;
	struct token t;
	uint8_t sig[KEY_SIG_MAX];
	size_t len = 0;

	token_init(&t, tokens[0][0], tokens[0][1]);
	cr_expect_eq(key_generate("sk-ssh-ed25519@openssh.com", 0, &k), -ENOTSUP);
	cr_expect_eq(key_sign(t.key, t.alg, (const uint8_t *)"x", 1, sig, &len), -EINVAL);
	token_fini(&t);
}

/* --- fingerprints --------------------------------------------------------------------------------
 */

Test(cert, fingerprints_are_those_of_ssh_keygen)
{
	static const char *const name[] = {"md5", "sha1", "sha256", "sha384", "sha512"};
	static const enum hash_alg alg[] = {HASH_MD5, HASH_SHA1, HASH_SHA256, HASH_SHA384,
					    HASH_SHA512};
	struct key *k;

	tools_or_skip();
	tool("ssh-keygen -q -t ed25519 -N '' -f ca && ssh-keygen -q -t ed25519 -N '' -f k && "
	     "ssh-keygen -s ca -I id -n a k");
	k = cert_file("k-cert.pub");
	for (int i = 0; i < 5; i++) {
		char mine[160], command[512];

		cr_assert_eq(key_fingerprint_as(k, alg[i], mine, sizeof(mine)), 0);
		snprintf(command, sizeof(command), "ssh-keygen -l -E %s -f k.pub | grep -qF ' %s '",
			 name[i], mine);
		tool(command);
		cr_expect_eq(key_fingerprint_as(k, alg[i], mine, strlen(mine)), -ENOBUFS);
	}
	cr_expect_eq(key_fingerprint_as(k, HASH_SHA3_256, (char[200]){0}, 200), -ENOTSUP);
	key_free(k);
	tools_end();
}
