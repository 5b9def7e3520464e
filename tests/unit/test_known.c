/*
 * client/known: what files of known hosts, and what stands beside them, say of a key; lines that
 * are added by several at once or do not fit; keys a server says it has.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/known/file.h"
#include "client/known/known.h"
#include "client/known/update.h"
#include "crypto/base64.h"
#include "crypto/knownname.h"
#include "tests/util/nomem.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define NOW  1800000000

static char dir[] = "/tmp/sluice-known.XXXXXX";
static char user[64], sys[64];
static const char *file[2] = {user, sys};
static struct key *A, *B, *C, *cert, *expired, *renamed; /* of A, all by C */

static struct key *make(const char *type)
{
	struct key *k;

	cr_assert_eq(key_generate(type, 0, &k), 0);
	return k;
}

static struct key *certify(const char *name, uint64_t until)
{
	const struct cert_spec spec = {.role = CERT_HOST,
				       .key_id = "id",
				       .principals = &name,
				       .n_principals = 1,
				       .valid_before = until};
	struct key *c;

	cr_assert_eq(cert_build(A, &spec, C, NULL, &c), 0);
	return c;
}

static void setup(void)
{
	cr_assert_not_null(mkdtemp(dir));
	snprintf(user, sizeof(user), "%s/user", dir);
	snprintf(sys, sizeof(sys), "%s/sys", dir);
	A = make("ssh-ed25519");
	B = make("ssh-ed25519");
	C = make("ecdsa-sha2-nistp256");
	cert = certify("box.example", UINT64_MAX);
	expired = certify("box.example", NOW - 1);
	renamed = certify("other.example", UINT64_MAX);
}

static void teardown(void)
{
	struct key *k[] = {A, B, C, cert, expired, renamed};
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_expect_eq(system(cmd), 0);
	for (size_t i = 0; i < N(k); i++)
		key_free(k[i]);
}

TestSuite(known, .init = setup, .fini = teardown);

static void line_of(const struct key *k, char *out)
{
	size_t len;
	const uint8_t *blob = key_blob(k, &len);
	int n = sprintf(out, "%s ", key_type(k));

	base64_encode(blob, len, out + n);
	out[(size_t)n + base64_len(len)] = '\0';
}

/* $A, $B and $C are lines of keys, $H is box.example, hidden. */
static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	char word[1024];

	cr_assert_not_null(f);
	for (const char *p = text; *p != '\0'; p++) {
		if (*p != '$') {
			fputc(*p, f);
			continue;
		}
		p++;
		if (*p == 'H')
			cr_assert_eq(knownname_hash("box.example", word), 0);
		else
			line_of(*p == 'A' ? A : *p == 'B' ? B : C, word);
		fputs(word, f);
	}
	cr_assert_eq(fclose(f), 0);
}

static char *slurp(const char *path)
{
	char *text = NULL;
	size_t len;

	cr_assert_eq(known_file_read(path, &text, &len), 0);
	return text;
}

static const struct known_host box = {"Box.Example", 22, NOW}, box2 = {"box.example", 2222, NOW};
static const struct known_conf both = {.file = file, .n_user_files = 1, .n_files = 2};

/* --- verdicts --------------------------------------------------------------------------- */

#define OK      KNOWN_VERDICT_OK
#define NEW     KNOWN_VERDICT_NEW
#define CHANGED KNOWN_VERDICT_CHANGED
#define REVOKED KNOWN_VERDICT_REVOKED

static const struct {
	const char *user, *sys; /* sys NULL: there is none */
	char key;               /* 'c' cert, 'x' expired, 'n' of another name */
	uint16_t port;
	enum known_verdict want;
	unsigned long line;
} verdicts[] = {
	{"", NULL, 'A', 22, NEW, 0},
	{"box.example $A\n", NULL, 'A', 22, OK, 1},
	{"# x\n\nbox.example $A x", NULL, 'A', 22, OK, 3},
	{"$H $A\n", NULL, 'A', 22, OK, 1},
	{"$H $B\n", NULL, 'A', 22, CHANGED, 1},
	{"", "*.example,!no.example $A\n", 'A', 22, OK, 1},
	{"*,!box.example $A\n", NULL, 'A', 22, NEW, 0},
	{"other.example $A\n", NULL, 'A', 22, NEW, 0},
	{"box.example $B\n", NULL, 'A', 22, CHANGED, 1},
	{"box.example $C\n", NULL, 'A', 22, CHANGED, 1}, /* of another type, too */
	{"box.example $B\nbox.example $A\n", NULL, 'A', 22, OK, 2},
	{"box.example $B\n", "box.example $A\n", 'A', 22, OK, 1},
	{"box.example $A\n", "@revoked * $A\n", 'A', 22, REVOKED, 1},
	{"@revoked box.example $A\nbox.example $A\n", NULL, 'A', 22, REVOKED, 1},
	{"@revoked other.example $A\nbox.example $A\n", NULL, 'A', 22, OK, 2},
	/* ports */
	{"box.example $A\n", NULL, 'A', 2222, OK, 1},
	{"box.example $B\n", NULL, 'A', 2222, NEW, 0},
	{"[box.example]:2222 $A\nbox.example $B\n", NULL, 'A', 2222, OK, 1},
	{"[box.example]:2222 $B\nbox.example $A\n", NULL, 'A', 2222, CHANGED, 1},
	{"[box.example]:2222 $A\n", NULL, 'A', 22, NEW, 0},
	{"@revoked box.example $A\n", NULL, 'A', 2222, REVOKED, 1},
	/* certificates */
	{"@cert-authority *.example $C\n", NULL, 'c', 22, OK, 1},
	{"@cert-authority *.example $C\n", NULL, 'A', 22, NEW, 0},
	{"@cert-authority *.example $C\n", NULL, 'x', 22, NEW, 0},
	{"@cert-authority *.example $C\n", NULL, 'n', 22, NEW, 0},
	{"@cert-authority *.example $B\n", NULL, 'c', 22, NEW, 0},
	{"@cert-authority *.org $C\n", NULL, 'c', 22, NEW, 0},
	{"*.example $C\n", NULL, 'c', 22, CHANGED, 1},     /* a key is no authority */
	{"@cert-authority * $A\n", NULL, 'A', 22, NEW, 0}, /* nor the other way round */
	{"box.example $A\n", NULL, 'x', 22, OK, 1},        /* its key is known all the same */
	{"@cert-authority * $C\nbox.example $B\n", NULL, 'c', 22, OK, 1},
	/* S-36 */
	{"@cert-authority * $C\n@revoked * $C\n", NULL, 'c', 22, REVOKED, 2},
	{"@cert-authority * $C\nbox.example $A\n", "@revoked * $C\n", 'c', 22, REVOKED, 1},
	{"@cert-authority * $C\n", "@revoked * $A\n", 'c', 22, REVOKED, 1},
	/* lines that are none say nothing */
	{"box.example\nbox.example ssh-ed25519\nbox.example ssh-ed25519 AAAA\n@x box.example $A\n"
	 "box.example ssh-none AAAA\n",
	 NULL, 'A', 22, NEW, 0},
};

static const struct key *key_of(char c)
{
	return c == 'c' ? cert : c == 'x' ? expired : c == 'n' ? renamed : c == 'B' ? B : A;
}

Test(known, verdicts)
{
	for (size_t i = 0; i < N(verdicts); i++) {
		const struct known_host h = {"Box.Example", verdicts[i].port, NOW};
		char text[KNOWN_TEXT_MAX];
		struct known_found f;
		const char *at;

		write_file(user, verdicts[i].user);
		unlink(sys);
		if (verdicts[i].sys != NULL)
			write_file(sys, verdicts[i].sys);
		cr_assert_eq(known_look(&both, &h, key_of(verdicts[i].key), &f, &at), 0);
		cr_expect_eq(f.verdict, verdicts[i].want, "%zu: %d", i, (int)f.verdict);
		cr_expect_eq(f.line, verdicts[i].line, "%zu: line %lu", i, f.line);
		known_text(&f, &h, key_of(verdicts[i].key), text);
		cr_expect_gt(strlen(text), 20);
	}
}

Test(known, an_alias_stands_for_name_and_port)
{
	struct known_conf c = both;
	struct known_found f;
	const char *at;

	c.alias = "other.example";
	write_file(user, "[box.example]:2222 $B\nother.example $A\n");
	cr_assert_eq(known_look(&c, &box2, A, &f, &at), 0);
	cr_expect_eq(f.verdict, OK);
	write_file(user, "@cert-authority * $C\n");
	cr_assert_eq(known_look(&c, &box2, renamed, &f, &at), 0);
	cr_expect_eq(f.verdict, OK);
}

Test(known, what_is_accepted_beside_files)
{
	char a[512], c_line[512], md5[128], sha1[128], sha256[128], list[512];
	const char *accept[] = {a}, *authority[] = {c_line}, *path[] = {sys}, *at;
	struct known_conf c = both;
	struct known_found f;

	line_of(A, a);
	line_of(C, c_line);
	write_file(user, "box.example $B\n");
	c.accept = accept;
	c.n_accept = 1;
	cr_assert_eq(known_look(&c, &box, A, &f, &at), 0);
	cr_expect_eq(f.by, KNOWN_BY_KEY);
	c.accept = path;
	write_file(sys, "$C\n$A comment\n");
	c.n_files = 1;
	cr_assert_eq(known_look(&c, &box, A, &f, &at), 0);
	cr_expect_eq(f.by, KNOWN_BY_KEY);
	unlink(sys);
	cr_expect_eq(known_look(&c, &box, A, &f, &at), -ENOENT,
		     "one that was named has to be there");
	cr_expect_str_eq(at, sys);
	c.n_accept = 0;
	c.accept_ca = authority;
	c.n_accept_ca = 1;
	cr_assert_eq(known_look(&c, &box, cert, &f, &at), 0);
	cr_expect_eq(f.by, KNOWN_BY_CA);
	cr_assert_eq(known_look(&c, &box, expired, &f, &at), 0);
	cr_expect_eq(f.verdict, CHANGED);
	cr_expect_not_null(f.why);
	c.ca_algs = "rsa-sha2-512";
	cr_assert_eq(known_look(&c, &box, cert, &f, &at), 0);
	cr_expect_eq(f.verdict, CHANGED, "an authority that does not sign so");
	c.ca_algs = "rsa-sha2-512,ecdsa-sha2-nistp256";
	cr_assert_eq(known_look(&c, &box, cert, &f, &at), 0);
	cr_expect_eq(f.by, KNOWN_BY_CA);
	c.n_accept_ca = 0;
	cr_assert_eq(key_fingerprint_as(A, HASH_MD5, md5, sizeof(md5)), 0);
	cr_assert_eq(key_fingerprint_as(A, HASH_SHA1, sha1, sizeof(sha1)), 0);
	cr_assert_eq(key_fingerprint_as(A, HASH_SHA256, sha256, sizeof(sha256)), 0);
	snprintf(list, sizeof(list), "MD5:00112233445566778899aabbccddeeff, %s", sha256);
	for (int i = 0; i < 4; i++) {
		c.fingerprints = i == 0 ? md5 : i == 1 ? sha1 : i == 2 ? md5 + 4 : list;
		cr_assert_eq(known_look(&c, &box, A, &f, &at), 0);
		cr_expect_eq(f.by, KNOWN_BY_FINGERPRINT, "%d", i);
		cr_assert_eq(known_look(&c, &box, C, &f, &at), 0);
		cr_expect_eq(f.verdict, CHANGED, "%d", i);
	}
	c.fingerprints = NULL;
	c.accept_any = true;
	cr_assert_eq(known_look(&c, &box, A, &f, &at), 0);
	cr_expect_eq(f.by, KNOWN_BY_ANY);
	write_file(user, "@revoked * $A\n");
	c.accept = accept;
	c.n_accept = 1;
	cr_assert_eq(known_look(&c, &box, A, &f, &at), 0);
	cr_expect_eq(f.verdict, REVOKED, "whatever else is");
}

Test(known, fingerprints)
{
	static const char *const bad[] = {"x",
					  "MD5:",
					  "MD5:00",
					  "SHA256:0011",
					  "00:11",
					  "0011223344556677889900112233445",
					  "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:fg",
					  "MD5",
					  "SHA384:aaaa",
					  "00:1122:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff",
					  "MD5:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:",
					  "SHA1:!!!"};
	char hex[3 * 32 + 8] = "SHA256:", list[256];
	uint8_t hash[32];
	struct hash_piece blob;

	blob.p = key_blob(A, &blob.len);
	cr_assert_eq(hash_digest(HASH_SHA256, &blob, 1, hash), 0);
	for (int i = 0; i < 32; i++)
		sprintf(hex + strlen(hex), "%s%02X", i > 0 ? ":" : "", hash[i]);
	cr_expect_eq(known_fingerprints(hex, A), 1, "%s", hex);
	cr_expect_eq(known_fingerprints(hex + 7, cert), 1, "a certificate's is its key's");
	cr_expect_eq(known_fingerprints(hex, B), 0);
	cr_expect_eq(known_fingerprints("", A), 0);
	for (size_t i = 0; i < N(bad); i++) {
		snprintf(list, sizeof(list), "%s,%s", hex, bad[i]);
		cr_expect_eq(known_fingerprints(list, A), -EINVAL, "%s", bad[i]);
	}
}

Test(known, revoked_host_keys)
{
	struct known_conf c = both;
	struct known_found f;
	const char *at;

	write_file(user, "box.example $A\n@cert-authority * $C\n");
	c.revoked = sys;
	c.n_files = 1;
	write_file(sys, "# nobody\n$B\n");
	cr_assert_eq(known_look(&c, &box, A, &f, &at), 0);
	cr_expect_eq(f.verdict, OK);
	write_file(sys, "$A\n");
	cr_assert_eq(known_look(&c, &box, A, &f, &at), 0);
	cr_expect_eq(f.verdict, REVOKED);
	write_file(sys, "$C\n");
	cr_assert_eq(known_look(&c, &box, cert, &f, &at), 0);
	cr_expect_eq(f.verdict, REVOKED);
	write_file(sys, "no list\n");
	cr_expect_lt(known_look(&c, &box, A, &f, &at), 0, "nobody knows what stood there");
	unlink(sys);
	cr_expect_eq(known_look(&c, &box, A, &f, &at), -ENOENT);
	cr_expect_str_eq(at, sys);
}

Test(known, what_is_done_about_it)
{
	static const enum known_act want[4][5] = {
		/* OK, NEW, CHANGED, REVOKED, INVALID */
		[KNOWN_ASK] = {KNOWN_ACCEPT, KNOWN_QUESTION, KNOWN_REFUSE, KNOWN_REFUSE,
			       KNOWN_REFUSE},
		[KNOWN_ACCEPT_NEW] = {KNOWN_ACCEPT, KNOWN_ADD, KNOWN_REFUSE, KNOWN_REFUSE,
				      KNOWN_REFUSE},
		[KNOWN_STRICT] = {KNOWN_ACCEPT, KNOWN_REFUSE, KNOWN_REFUSE, KNOWN_REFUSE,
				  KNOWN_REFUSE},
		[KNOWN_LAX] = {KNOWN_ACCEPT, KNOWN_ADD, KNOWN_DISTRUST, KNOWN_REFUSE, KNOWN_REFUSE},
	};

	for (int s = 0; s < 4; s++)
		for (int v = 0; v <= 5; v++) {
			const struct known_conf c = {.strict = (enum known_strict)s};
			const struct known_found f = {.verdict = (enum known_verdict)v};

			cr_expect_eq(known_act(&c, &f), v == 0 ? KNOWN_REFUSE : want[s][v - 1]);
		}
}

/* S-67: whichever allocation fails, who is unknown, changed or revoked is never accepted. */
Test(known, s67_no_memory_is_no_acceptance)
{
	static const char *const text[] = {"", "*.example $B\n@revoked x $A\n",
					   "*.example $A\n@revoked * $A\n",
					   "@cert-authority *.example $B\n"};

	nomem_init();
	nomem_outside = false;
	for (size_t i = 0; i < N(text); i++) {
		bool fired = true;

		write_file(user, text[i]);
		for (unsigned int n = 1; fired; n++) {
			struct known_found f;
			const char *at;
			int r;

			nomem_begin(n);
			r = known_look(&both, &box, i == 3 ? cert : A, &f, &at);
			fired = nomem_end();
			cr_expect(r < 0 || f.verdict != OK, "%zu: %u", i, n);
			cr_expect(r < 0 || !fired, "%zu: %u: %d", i, n, r);
		}
	}
}

/* --- adding ----------------------------------------------------------------------------- */

Test(known, a_key_is_added_once)
{
	struct known_conf c = both;
	struct known_found f;
	struct stat st;
	const char *at;
	char *text;

	snprintf(user, sizeof(user), "%s/.ssh/known_hosts", dir); /* with its folder */
	cr_assert_eq(known_add(&c, &box2, cert), 0);
	cr_expect_eq(known_add(&c, &box2, A), -EEXIST);
	cr_assert_eq(known_look(&c, &box2, A, &f, &at), 0);
	cr_expect_eq(f.verdict, OK);
	text = slurp(user);
	cr_expect_eq(strncmp(text, "[box.example]:2222 ssh-ed25519 ", 31), 0);
	free(text);
	cr_assert_eq(stat(user, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
	write_file(user, "# no line end");
	c.hash = true;
	cr_assert_eq(known_add(&c, &box, B), 0);
	cr_expect_eq(known_add(&c, &box, B), -EEXIST);
	text = slurp(user);
	cr_expect_eq(strncmp(text, "# no line end\n|1|", 17), 0, "%s", text);
	free(text);
	c.n_user_files = 0;
	cr_expect_eq(known_add(&c, &box, C), -ENOENT);
}

/* Half a line would be somebody's key cut short: the file is as it was. */
Test(known, a_disk_that_is_full)
{
	struct known_conf c = both;
	struct rlimit lim = {60, 60};
	const char *full = "/dev/full";
	char *text;

	write_file(user, "# 20 bytes are here.\n");
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &lim), 0);
	cr_expect_eq(known_add(&c, &box, A), -ENOSPC);
	text = slurp(user);
	cr_expect_str_eq(text, "# 20 bytes are here.\n");
	free(text);
	c.file = &full;
	c.n_files = 1;
	cr_expect_eq(known_add(&c, &box, A), -ENOSPC);
	full = dir;
	cr_expect_eq(known_add(&c, &box, A), -EISDIR);
}

Test(known, several_add_at_once)
{
	enum { PEERS = 6, EACH = 5 };
	size_t len, at = 0, n;
	const char *line;
	int lines = 0;
	char *text;

	for (int p = 0; p < PEERS; p++)
		if (fork() == 0) {
			int bad = 0;

			for (int i = 0; i < EACH; i++) {
				char name[32];

				/* One of them by another one's name, too. */
				snprintf(name, sizeof(name), "h%d.%d", i == 0 ? 0 : p, i);
				int r = known_add(&both, &(struct known_host){name, 22, NOW}, A);

				bad += r != 0 && (i > 0 || r != -EEXIST);
			}
			_exit(bad);
		}
	for (int p = 0; p < PEERS; p++) {
		int status;

		wait(&status);
		cr_expect_eq(status, 0);
	}
	text = slurp(user);
	len = strlen(text);
	while (known_file_line(text, len, &at, &line, &n)) {
		struct known_line l;

		cr_expect_eq(known_line_cut(line, n, &l), 0);
		lines++;
	}
	cr_expect_eq(lines, PEERS * (EACH - 1) + 1);
	free(text);
}

/* --- the order of algorithms ------------------------------------------------------------ */

Test(known, algorithms_of_known_keys_come_first)
{
	static const char algs[] = "ssh-ed25519-cert-v01@openssh.com,ssh-ed25519,"
				   "ecdsa-sha2-nistp256,rsa-sha2-512";
	char buf[256];

	write_file(user, "box.example $C\n");
	cr_assert_eq(known_order(&both, &box, algs, buf, sizeof(buf)), 0);
	cr_expect_str_eq(buf, "ecdsa-sha2-nistp256,ssh-ed25519-cert-v01@openssh.com,ssh-ed25519,"
			      "rsa-sha2-512");
	write_file(user, "@cert-authority * $B\nbox.example $C\n");
	cr_assert_eq(known_order(&both, &box, algs, buf, sizeof(buf)), 0);
	cr_expect_str_eq(buf, "ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256,ssh-ed25519,"
			      "rsa-sha2-512");
	write_file(user, "@revoked box.example $C\nx $C\n");
	cr_assert_eq(known_order(&both, &box, algs, buf, sizeof(buf)), 0);
	cr_expect_str_eq(buf, algs);
	cr_expect_eq(known_order(&both, &box, algs, buf, 40), -ENOBUFS);
}

/* Behind a key that is known: whose certificate has ended may have that, too. */
Test(known, anchors_make_certificates_of_x509_welcome)
{
	struct known_conf c = both;
	char buf[512];

	c.anchors = "root.pem";
	write_file(user, "box.example $C\n");
	cr_assert_eq(known_order(&c, &box, "ssh-ed25519,ecdsa-sha2-nistp256", buf, sizeof(buf)), 0);
	cr_expect_str_eq(buf,
			 "ecdsa-sha2-nistp256,x509v3-ecdsa-sha2-nistp256,x509v3-ecdsa-sha2-"
			 "nistp384,x509v3-ecdsa-sha2-nistp521,x509v3-rsa2048-sha256,ssh-ed25519");
}

/* --- keys a server says it has ---------------------------------------------------------- */

#define ALGS "ssh-ed25519,ecdsa-sha2-nistp256"

static const struct ssh_str session = {(const uint8_t *)"session", 7};

static struct ssh_str keys(struct key *const *k, unsigned int n)
{
	static uint8_t buf[4096];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	for (unsigned int i = 0; i < n; i++) {
		struct ssh_str blob;
		size_t len;

		blob.p = key_blob(k[i], &len);
		blob.len = (uint32_t)len;
		ssh_wr_str(&w, blob);
	}
	return (struct ssh_str){buf, (uint32_t)ssh_wr_done(&w)};
}

/* What a server proves, of the session. */
static struct ssh_str proof(struct key *const *k, unsigned int n, struct ssh_str of)
{
	static uint8_t buf[4096];
	uint8_t data[1024], sig[KEY_SIG_MAX];
	struct ssh_wr w, d;

	ssh_wr_init(&w, buf, sizeof(buf));
	for (unsigned int i = 0; i < n; i++) {
		size_t len = sizeof(sig), blob_len;
		const uint8_t *blob = key_blob(k[i], &blob_len);

		ssh_wr_init(&d, data, sizeof(data));
		ssh_wr_cstr(&d, "hostkeys-prove-00@openssh.com");
		ssh_wr_str(&d, of);
		ssh_wr_str(&d, (struct ssh_str){blob, (uint32_t)blob_len});
		cr_assert_eq(
			key_sign(k[i], key_sig_alg_of(k[i], 0), data, ssh_wr_done(&d), sig, &len),
			0);
		ssh_wr_str(&w, (struct ssh_str){sig, (uint32_t)len});
	}
	return (struct ssh_str){buf, (uint32_t)ssh_wr_done(&w)};
}

static struct known_update *update(struct key *const *k, unsigned int n)
{
	struct known_update *u = NULL;

	cr_assert_eq(known_update_new(&both, &box, A, ALGS, keys(k, n), &u), 0);
	return u;
}

static void file_expect(const char *want)
{
	char *got = slurp(user), *expected;

	write_file(sys, want);
	expected = slurp(sys);
	cr_expect_str_eq(got, expected);
	free(got);
	free(expected);
	unlink(sys);
}

Test(known, new_keys_are_learned_and_old_ones_forgotten)
{
	struct key *has[] = {A, C};
	struct known_update *u;
	static uint8_t buf[KNOWN_REQUEST_MAX];
	struct ssh_rd rd;

	write_file(user, "# mine\nbox.example $A mine\nother no key\n"
			 "box.example,192.0.2.1 $B\n@revoked x no key");
	u = update(has, 2);
	cr_expect_eq(known_update_new_keys(u), 1);
	cr_expect_eq(known_update_old_keys(u), 1);
	cr_expect(key_equal(known_update_key(u, 0), C));
	cr_expect_null(known_update_key(u, 1));
	ssh_rd_init(&rd, buf, known_update_request(u, buf, sizeof(buf)));
	cr_expect_eq(ssh_rd_u8(&rd), 80);
	cr_expect(ssh_str_eq(ssh_rd_str(&rd), "hostkeys-prove-00@openssh.com"));
	cr_expect(ssh_rd_bool(&rd));
	cr_expect_eq(ssh_rd_str(&rd).len, keys(has + 1, 1).len - 4);
	cr_expect(ssh_rd_done(&rd));
	cr_expect_eq(known_update_apply(u), -EPERM, "nothing is proved");
	cr_assert_eq(known_update_proved(u, session, proof(has + 1, 1, session)), 0);
	cr_assert_eq(known_update_apply(u), 0);
	known_update_free(u);
	file_expect("# mine\nbox.example $A mine\nother no key\n@revoked x no key\n"
		    "box.example $C\n");
	u = NULL;
	cr_expect_eq(known_update_new(&both, &box, A, ALGS, keys(has, 2), &u), -ENODATA);
	/* Old ones alone need no proof: it is this server that does not have them. */
	u = update(has, 1);
	cr_expect_eq(known_update_request(u, buf, sizeof(buf)), 0);
	cr_assert_eq(known_update_apply(u), 0);
	known_update_free(u);
	file_expect("# mine\nbox.example $A mine\nother no key\n@revoked x no key\n");
}

/* Nor is what the system's files have, and what its own line says of its address, in the way. */
Test(known, where_it_is_learned_all_the_same)
{
	static const char *const text[] = {"box.example,192.0.2.1 $A\n",
					   "box.example,[2001:db8::1]:22 $A\n",
					   "box.example $A\nother $B\n"};
	struct key *has[] = {A, C};

	for (size_t i = 0; i < N(text); i++) {
		struct known_update *u;

		write_file(user, text[i]);
		write_file(sys, "* $B\nbox.example $C\nother $A\n@cert-authority * $B\n");
		u = update(has, 2);
		cr_expect_eq(known_update_new_keys(u), 1, "%zu", i);
		cr_expect_eq(known_update_old_keys(u), 0, "%zu", i);
		known_update_free(u);
	}
	unlink(sys);
}

Test(known, proofs_that_are_none)
{
	static const struct ssh_str other = {(const uint8_t *)"another", 7};
	struct key *has[] = {A, B, C}, *swapped[] = {C, B};
	struct known_update *u;
	struct ssh_str p;

	write_file(user, "box.example $A\n");
	u = update(has, 3);
	p = proof(has + 1, 2, session);
	cr_expect_eq(known_update_proved(u, session, (struct ssh_str){p.p, p.len - 1}), -EBADMSG);
	cr_expect_eq(known_update_proved(u, session, (struct ssh_str){p.p, p.len / 2}), -EBADMSG);
	cr_expect_eq(known_update_proved(u, session, (struct ssh_str){p.p, 0}), -EBADMSG);
	cr_expect_eq(known_update_proved(u, session, (struct ssh_str){p.p, p.len + 1}), -EBADMSG);
	cr_expect_eq(known_update_proved(u, other, p), -EBADMSG);
	cr_expect_eq(known_update_proved(u, session, proof(swapped, 2, session)), -EBADMSG);
	cr_expect_eq(known_update_proved(u, session, proof(has + 1, 1, session)), -EBADMSG);
	cr_expect_eq(known_update_apply(u), -EPERM);
	cr_expect_eq(known_update_proved(u, session, proof(has + 1, 2, session)), 0);
	known_update_free(u);
	file_expect("box.example $A\n");
}

/* Where more than this host's own lines would have to change, nothing does. */
Test(known, where_nothing_is_learned)
{
	static const char *const text[] = {"",
					   "box.example,b $A\n",
					   "*.example $A\n",
					   "@cert-authority * $C\nbox.example $A\n",
					   "box.example $B\n",
					   "box.example $A\n@revoked * $C\n",
					   "box.example $A\nbox.* $A\n",
					   "box.example $A\nother $A\n",
					   "box.example $A\nother $C\n",
					   "other $B\nbox.example $A\nbox.example $B\n",
					   "box.example $A\nbox.example $B\n@revoked x $B\n",
					   "box.example $A\n@revoked box.example $B\n",
					   "box.example,[192.0.2.1 $A\n",
					   "box.example,192.0.2.1,192.0.2.2 $A\n"};
	struct key *has[] = {A, C}, *twice[] = {A, C, C}, *without[] = {C};
	struct known_update *u = NULL;
	struct ssh_str k = keys(has, 2);

	for (size_t i = 0; i < N(text); i++) {
		write_file(user, text[i]);
		cr_expect_eq(known_update_new(&both, &box, A, ALGS, k, &u), -ENODATA, "%zu", i);
	}
	write_file(user, "");
	write_file(sys, "box.example $A\n");
	cr_expect_eq(known_update_new(&both, &box, A, ALGS, k, &u), -ENODATA, "the system's file");
	write_file(user, "box.example $A\n");
	unlink(sys);
	cr_expect_eq(known_update_new(&both, &box, A, "ssh-ed25519", k, &u), -ENODATA,
		     "a key nobody would use");
	k.len--;
	cr_expect_eq(known_update_new(&both, &box, A, ALGS, k, &u), -EBADMSG);
	cr_expect_eq(known_update_new(&both, &box, A, ALGS, keys(twice, 3), &u), -EBADMSG);
	cr_expect_eq(known_update_new(&both, &box, A, ALGS, keys(without, 1), &u), -ENODATA,
		     "not even the key it has shown");
	cr_expect_eq(known_update_new(&both, &box, A, ALGS, (struct ssh_str){NULL, 0}, &u),
		     -ENODATA);
}
