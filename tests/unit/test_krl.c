/* tests/unit/test_krl.c - revoked keys: lists of ssh-keygen -k, built by hand, plain lines. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/base64.h"
#include "crypto/blob.h"
#include "crypto/cert.h"
#include "crypto/krl.h"
#include "tests/util/rnd.h"

static struct key *make(const char *type)
{
	struct key *k = NULL;

	cr_assert_eq(key_generate(type, 0, &k), 0);
	return k;
}

static struct key *certify(const struct key *k, const struct key *ca, uint64_t serial,
			   const char *id)
{
	static const char *const names[] = {"alice"};
	const struct cert_spec spec = {.serial = serial,
				       .role = CERT_USER,
				       .key_id = id,
				       .principals = names,
				       .n_principals = 1,
				       .valid_before = UINT64_MAX};
	struct key *c = NULL;

	cr_assert_eq(cert_build(k, &spec, ca, NULL, &c), 0);
	return c;
}

static struct krl *parsed(const void *p, size_t len)
{
	struct krl *l = NULL;

	cr_assert_eq(krl_parse(p, len, &l), 0);
	return l;
}

/* Whether a certificate with this serial number and id is on the list. */
static bool cert_on(const struct krl *l, const struct key *ca, uint64_t serial, const char *id)
{
	static struct key *k;
	struct key *c;
	int r;

	if (k == NULL)
		k = make("ssh-ed25519");
	c = certify(k, ca, serial, id);
	r = krl_check(l, c);
	cr_expect(r == 0 || r == -EKEYREVOKED);
	key_free(c);
	return r != 0;
}

/* --- what ssh-keygen makes -------------------------------------------------------------------- */

static char dir[] = "/tmp/sluice-krl-XXXXXX";

static void tool(const char *command)
{
	char text[1024];

	snprintf(text, sizeof(text), "cd %s && { %s; } >/dev/null 2>&1", dir, command);
	cr_assert_eq(system(text), 0, "%s", command);
}

static void tools_begin(void)
{
	if (access("/usr/bin/ssh-keygen", X_OK) != 0)
		cr_skip_test("no ssh-keygen");
	cr_assert_not_null(mkdtemp(dir));
	tool("for f in ca cb a b c; do ssh-keygen -q -t ed25519 -N '' -f $f; done");
}

static void tools_end(void)
{
	char text[64];

	snprintf(text, sizeof(text), "rm -r %s", dir);
	cr_assert_eq(system(text), 0);
}

static size_t file_read(const char *name, uint8_t *buf, size_t max)
{
	char path[128];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	cr_assert_not_null(f, "%s", name);
	n = fread(buf, 1, max, f);
	fclose(f);
	return n;
}

static struct krl *krl_file(const char *name)
{
	static uint8_t buf[1 << 16];

	return parsed(buf, file_read(name, buf, sizeof(buf)));
}

static struct key *key_file(const char *name)
{
	uint8_t buf[4096];
	struct key *k = NULL;
	size_t n = file_read(name, buf, sizeof(buf));

	n -= n > 0 && buf[n - 1] == '\n';
	cr_assert_eq(key_public_line_parse((char *)buf, n, &k), 0);
	return k;
}

Test(krl, certificates_that_ssh_keygen_revoked)
{
	static const struct {
		uint64_t serial;
		bool revoked;
	} t[] = {{1, true},      {2, false},     {100, true},     {250, true},  {300, true},
		 {301, false},   {1000, true},   {1001, false},   {1002, true}, {1017, true},
		 {99999, false}, {100000, true}, {100001, false}, {0, false},   {UINT64_MAX, true}};
	struct key *ca, *cb;
	struct krl *l;

	tools_begin();
	tool("printf 'serial: 1\\nserial: 100-300\\nserial: 1000\\nserial: 1002\\nserial: "
	     "1004\\nserial: 1006\\nserial: 1008\\nserial: 1010\\nserial: 1013\\nserial: "
	     "1017\\nserial: 100000\\nserial: 18446744073709551615\\nid: lost laptop\\nid: x\\n' > "
	     "spec && ssh-keygen -k -f krl -s ca.pub -z 5 spec");
	l = krl_file("krl");
	ca = key_file("ca.pub");
	cb = key_file("cb.pub");
	key_free(ca);
	key_free(cb);
	/* The CAs' private halves, to make certificates with. */
	for (int i = 0; i < 2; i++) {
		uint8_t text[4096];
		size_t n = file_read(i == 0 ? "ca" : "cb", text, sizeof(text));

		cr_assert_eq(key_private_parse(text, n, i == 0 ? &ca : &cb), 0);
	}
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		cr_expect_eq(cert_on(l, ca, t[i].serial, "id"), t[i].revoked, "serial %llu",
			     (unsigned long long)t[i].serial);
		cr_expect_not(cert_on(l, cb, t[i].serial, "id"));
	}
	cr_expect(cert_on(l, ca, 2, "lost laptop"));
	cr_expect_not(cert_on(l, ca, 2, "lost laptop "));
	cr_expect_not(cert_on(l, ca, 2, "lost"));
	cr_expect_not(cert_on(l, cb, 2, "lost laptop"));
	krl_free(l);
	key_free(ca);
	key_free(cb);
	tools_end();
}

Test(krl, keys_that_ssh_keygen_revoked)
{
	struct key *key[3];
	struct krl *l;

	tools_begin();
	for (int i = 0; i < 3; i++)
		key[i] = key_file((const char *[]){"a.pub", "b.pub", "c.pub"}[i]);
	tool("ssh-keygen -k -f whole a.pub");
	tool("(printf 'sha1: '; cat a.pub) > spec && ssh-keygen -k -f sha1 spec");
	tool("(printf 'sha256: '; cat a.pub) > spec && ssh-keygen -k -f sha256 spec");
	tool("ssh-keygen -lf a.pub | sed 's/^[0-9]* \\([^ ]*\\) .*/hash: \\1/' > spec && "
	     "ssh-keygen "
	     "-k -f hash spec");
	tool("echo '# out' > plain; echo >> plain; cat a.pub >> plain; printf '  \\r\\n' >> plain");
	for (int i = 0; i < 5; i++) {
		l = krl_file((const char *[]){"whole", "sha1", "sha256", "hash", "plain"}[i]);
		cr_expect_eq(krl_check(l, key[0]), -EKEYREVOKED, "%d", i);
		cr_expect_eq(krl_check(l, key[1]), 0);
		cr_expect_eq(krl_check(l, key[2]), 0);
		krl_free(l);
	}
	for (int i = 0; i < 3; i++)
		key_free(key[i]);
	tools_end();
}

Test(krl, ssh_keygen_reads_what_is_built)
{
	static const struct krl_range serials[] = {{5, 5}, {10, 20}};
	static const char *const ids[] = {"gone"};
	static uint8_t buf[4096];
	const struct key *keys[1];
	struct krl_spec spec = {.version = 3,
				.comment = "built",
				.serials = serials,
				.n_serials = 2,
				.key_ids = ids,
				.n_key_ids = 1,
				.keys = keys,
				.n_keys = 1};
	struct key *a, *ca;
	char path[128];
	size_t len = sizeof(buf);
	FILE *f;

	tools_begin();
	a = key_file("a.pub");
	ca = key_file("ca.pub");
	keys[0] = a;
	spec.ca = ca;
	cr_assert_eq(krl_build(&spec, buf, &len), 0);
	snprintf(path, sizeof(path), "%s/krl", dir);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	fwrite(buf, 1, len, f);
	fclose(f);
	tool("! ssh-keygen -Q -f krl a.pub && ssh-keygen -Q -f krl b.pub");
	tool("ssh-keygen -s ca -I gone -z 1 -n x b && ! ssh-keygen -Q -f krl b-cert.pub");
	tool("ssh-keygen -s ca -I here -z 15 -n x b && ! ssh-keygen -Q -f krl b-cert.pub");
	tool("ssh-keygen -s ca -I here -z 21 -n x b && ssh-keygen -Q -f krl b-cert.pub");
	len -= 1;
	cr_expect_eq(krl_build(&spec, buf, &len), -ENOBUFS);
	key_free(a);
	key_free(ca);
	tools_end();
}

/* --- by hand -------------------------------------------------------------------------------------
 */

static uint8_t buf[1 << 16];
static struct blob_wr w;

static void u64(uint64_t v)
{
	blob_wr_u32(&w, (uint32_t)(v >> 32));
	blob_wr_u32(&w, (uint32_t)v);
}

static void begin(uint32_t format)
{
	w = blob_wr_init(buf, sizeof(buf));
	blob_wr_put(&w, "SSHKRL\n", 8);
	blob_wr_u32(&w, format);
	u64(1);
	u64(2);
	u64(0);
	blob_wr_cstr(&w, "");
	blob_wr_cstr(&w, "comment");
}

static void section(uint8_t type, const void *p, size_t len)
{
	blob_wr_put(&w, &type, 1);
	blob_wr_str(&w, p, len);
}

/* A section about ca's certificates (NULL: everybody's) with one part of this kind. */
static void certificates(const struct key *ca, uint8_t kind, const void *p, size_t len)
{
	uint8_t inner[1024];
	struct blob_wr in = blob_wr_init(inner, sizeof(inner));
	size_t ca_len = 0;
	const uint8_t *blob = ca != NULL ? key_blob(ca, &ca_len) : (const uint8_t *)"";

	blob_wr_str(&in, blob, ca_len);
	blob_wr_cstr(&in, "");
	blob_wr_put(&in, &kind, 1);
	blob_wr_str(&in, p, len);
	cr_assert_not(in.bad);
	section(1, inner, in.len);
}

static int parse(void)
{
	struct krl *l = NULL;
	int r = krl_parse(buf, w.len, &l);

	krl_free(l);
	return r;
}

Test(krl, lists_that_are_refused)
{
	static const uint8_t range[16] = {[7] = 5, [15] = 4};
	static const uint8_t bitmap[13] = {
		[0] = 0xff, [1] = 0xff, [2] = 0xff, [3] = 0xff, [4] = 0xff,
		[5] = 0xff, [6] = 0xff, [7] = 0xf9, [11] = 1,   [12] = 0x7f};
	static const uint8_t zero[12] = {0};
	static const uint8_t negative[13] = {[11] = 1, [12] = 0x80};

	begin(1);
	cr_expect_eq(parse(), 0);
	begin(2);
	cr_expect_eq(parse(), -ENOTSUP);
	begin(1);
	w.len--;
	cr_expect_eq(parse(), -EBADMSG);
	begin(1);
	section(9, "", 0);
	cr_expect_eq(parse(), -ENOTSUP);
	begin(1);
	certificates(NULL, 0x24, "", 0);
	cr_expect_eq(parse(), -ENOTSUP);
	begin(1);
	certificates(NULL, 0x20, "1234567", 7);
	cr_expect_eq(parse(), -EBADMSG);
	begin(1);
	certificates(NULL, 0x21, range, sizeof(range)); /* from 5 to 4 */
	cr_expect_eq(parse(), -EBADMSG);
	begin(1);
	certificates(NULL, 0x21, range, 15);
	cr_expect_eq(parse(), -EBADMSG);
	begin(1);
	certificates(NULL, 0x22, bitmap, sizeof(bitmap)); /* beyond the last number */
	cr_expect_eq(parse(), -EBADMSG);
	begin(1);
	certificates(NULL, 0x22, zero, sizeof(zero));
	cr_expect_eq(parse(), -EBADMSG);
	begin(1);
	certificates(NULL, 0x22, negative, sizeof(negative));
	cr_expect_eq(parse(), -EBADMSG);
	begin(1);
	certificates(NULL, 0x23, "\0\0\0\2x", 5);
	cr_expect_eq(parse(), -EBADMSG);
	begin(1);
	section(3,
		"\0\0\0\x13"
		"1234567890123456789",
		23); /* SHA-1 has 20 */
	cr_expect_eq(parse(), -EBADMSG);
	begin(1);
	section(5, "\0\0\0\1x", 5);
	cr_expect_eq(parse(), -EBADMSG);
	begin(1);
	section(255, "\0\0\0\1x\1\0\0\0\0", 10); /* critical */
	cr_expect_eq(parse(), -ENOTSUP);
	begin(1);
	section(255, "\0\0\0\1x\0\0\0\0\0", 10);
	cr_expect_eq(parse(), 0);
	begin(1);
	certificates(NULL, 0x39, "\0\0\0\1x\1\0\0\0\0", 10);
	cr_expect_eq(parse(), -ENOTSUP);
	begin(1);
	for (int i = 0; i <= KRL_CAS_MAX; i++)
		certificates(NULL, 0x20, "", 0);
	cr_expect_eq(parse(), -EFBIG);
}

Test(krl, bitmaps_count_from_their_offset)
{
	/* offset 2^32, bits 0, 3 and 9 */
	static const uint8_t bitmap[] = {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0x02, 0x09};
	static const uint64_t base = UINT64_C(1) << 32;
	struct key *ca = make("ssh-ed25519");
	struct krl *l;

	begin(1);
	certificates(NULL, 0x22, bitmap, sizeof(bitmap));
	l = parsed(buf, w.len);
	for (uint64_t i = 0; i < 20; i++)
		cr_expect_eq(cert_on(l, ca, base + i, "id"), i == 0 || i == 3 || i == 9, "%llu",
			     (unsigned long long)i);
	cr_expect_not(cert_on(l, ca, base - 1, "id"));
	cr_expect_not(cert_on(l, ca, 3, "id"));
	krl_free(l);
	key_free(ca);
}

/* Ranges that touch and overlap, in any order, against one look at each of them. */
Test(krl, overlapping_ranges_are_one)
{
	struct rnd r = rnd_new(rnd_seed());
	struct key *ca = make("ssh-ed25519");
	struct krl_range v[8];
	struct krl_spec spec = {.serials = v, .n_serials = 8};

	for (int round = 0; round < 20; round++) {
		size_t len = sizeof(buf);
		struct krl *l;

		for (int i = 0; i < 8; i++) {
			v[i].first = 1 + rnd_below(&r, 40);
			v[i].last = v[i].first + rnd_below(&r, 6);
		}
		if (round == 0)
			v[3] = (struct krl_range){UINT64_MAX - 1, UINT64_MAX};
		cr_assert_eq(krl_build(&spec, buf, &len), 0);
		l = parsed(buf, len);
		for (uint64_t s = 1; s < 50; s += 1 + rnd_below(&r, 3)) {
			bool in = false;

			for (int i = 0; i < 8; i++)
				in |= v[i].first <= s && s <= v[i].last;
			cr_expect_eq(cert_on(l, ca, s, "id"), in, "%llu", (unsigned long long)s);
		}
		krl_free(l);
	}
	key_free(ca);
}

Test(krl, a_revoked_authority_revokes_all_it_signed)
{
	struct key *ca = make("ssh-ed25519"), *k = make("ssh-ed25519"), *c = certify(k, ca, 1, "x");
	const struct key *out[] = {ca};
	struct krl_spec spec = {.keys = out, .n_keys = 1};
	size_t len = sizeof(buf);
	struct krl *l;

	cr_assert_eq(krl_build(&spec, buf, &len), 0);
	l = parsed(buf, len);
	cr_expect_eq(krl_check(l, c), -EKEYREVOKED);
	cr_expect_eq(krl_check(l, k), 0);
	krl_free(l);
	/* And the key inside a certificate. */
	out[0] = k;
	len = sizeof(buf);
	cr_assert_eq(krl_build(&spec, buf, &len), 0);
	l = parsed(buf, len);
	cr_expect_eq(krl_check(l, c), -EKEYREVOKED);
	krl_free(l);
	key_free(c);
	key_free(k);
	key_free(ca);
}

Test(krl, a_signature_covers_all_before_it)
{
	struct key *k = make("ssh-ed25519");
	uint8_t sig[KEY_SIG_MAX];
	size_t len = 0, blob_len;
	const uint8_t *blob = key_blob(k, &blob_len);

	begin(1);
	section(2, "", 0);
	blob_wr_put(&w, "\4", 1);
	blob_wr_str(&w, blob, blob_len);
	cr_assert_eq(key_sign(k, "ssh-ed25519", buf, w.len, sig, &len), 0);
	blob_wr_str(&w, sig, len);
	cr_expect_eq(parse(), 0);
	buf[15] ^= 1; /* of the version */
	cr_expect_eq(parse(), -EBADMSG);
	key_free(k);
}

Test(krl, plain_lists_with_a_line_nobody_can_read_are_refused)
{
	static const char *const bad[] = {"ssh-ed25519 AAAA\n", "x", "ssh-ed25519\n",
					  "no-pty ssh-ed25519 "
					  "AAAAC3NzaC1lZDI1NTE5AAAAIC+7RBruo/KynFy03SdAirXvwR41gXvN"
					  "DweUUAmE99UF\n"};
	struct krl *l = NULL;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(krl_parse((const uint8_t *)bad[i], strlen(bad[i]), &l), -EBADMSG,
			     "%zu", i);
	cr_expect_eq(krl_parse((const uint8_t *)"", 0, &l), 0);
	krl_free(l);
	krl_free(NULL);
}

/* Any bit, any length: refused or a list, never more. */
Test(krl, damaged_lists_are_lists_or_nothing)
{
	static const struct krl_range serials[] = {{5, 9}, {100, 100}};
	static const char *const ids[] = {"a", "b"};
	struct key *k = make("ssh-ed25519");
	const struct key *keys[] = {k};
	struct krl_spec spec = {.serials = serials,
				.n_serials = 2,
				.key_ids = ids,
				.n_key_ids = 2,
				.keys = keys,
				.n_keys = 1};
	size_t len = sizeof(buf);

	cr_assert_eq(krl_build(&spec, buf, &len), 0);
	for (size_t b = 8 * 8; b < len * 8; b++) {
		struct krl *l = NULL;

		buf[b / 8] ^= (uint8_t)(1 << b % 8);
		if (krl_parse(buf, len, &l) == 0)
			(void)!krl_check(l, k);
		krl_free(l);
		buf[b / 8] ^= (uint8_t)(1 << b % 8);
	}
	for (size_t n = 45; n < len; n++) {
		struct krl *l = NULL;
		int r = krl_parse(buf, n, &l);

		if (r == 0) /* cut between two sections */
			cr_expect_eq(krl_check(l, k), 0);
		krl_free(l);
	}
	key_free(k);
}
