/* tests/unit/test_usercert.c - users' certificates, revoked keys, security keys: as files say. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control/auth/user.h"
#include "crypto/base64.h"
#include "crypto/blob.h"
#include "ssh/kexinit.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static char dir[] = "/tmp/sluice-usercert-XXXXXX";

static void setup(void)
{
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(chmod(dir, 0755), 0);
}

static void teardown(void)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_expect_eq(system(cmd), 0);
}

TestSuite(usercert, .init = setup, .fini = teardown);

static char *path_of(const char *name)
{
	char *path;

	cr_assert_gt(asprintf(&path, "%s/%s", dir, name), 0);
	return path;
}

static void put(const char *name, const char *text)
{
	char *path = path_of(name);
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
	cr_assert_eq(chmod(path, 0644), 0);
	free(path);
}

static struct key *make(const char *type)
{
	struct key *k = NULL;

	cr_assert_eq(key_generate(type, strcmp(type, "ssh-rsa") == 0 ? 2048 : 0, &k), 0);
	return k;
}

/* "type base64", with what goes before it. */
static const char *line_of(const char *before, const struct key *k)
{
	static char line[8192];
	char text[4096];
	size_t len;
	const uint8_t *blob = key_blob(k, &len);

	base64_encode(blob, len, text);
	snprintf(line, sizeof(line), "%s%s %.*s\n", before, key_type(k), (int)base64_len(len),
		 text);
	return line;
}

struct made {
	const char *principals; /* with blanks between them */
	uint64_t after, before;
	struct cert_option critical[2], extension[2];
	enum cert_role role;
};

static struct key *certify(const struct key *k, const struct key *ca, const struct made *m)
{
	const char *names[8];
	char buf[256];
	struct cert_spec spec = {.role = m->role != 0 ? m->role : CERT_USER,
				 .key_id = "id",
				 .serial = 7,
				 .principals = names,
				 .valid_after = m->after,
				 .valid_before = m->before != 0 ? m->before : UINT64_MAX,
				 .critical = m->critical,
				 .extensions = m->extension};
	struct key *c = NULL;

	snprintf(buf, sizeof(buf), "%s", m->principals);
	for (char *p = strtok(buf, " "); p != NULL; p = strtok(NULL, " "))
		names[spec.n_principals++] = p;
	while (spec.n_critical < 2 && m->critical[spec.n_critical].name != NULL)
		spec.n_critical++;
	while (spec.n_extensions < 2 && m->extension[spec.n_extensions].name != NULL)
		spec.n_extensions++;
	cr_assert_eq(cert_build(k, &spec, ca, NULL, &c), 0);
	return c;
}

/* A look-up as a login makes it; what it found is left to the caller. */
static struct user_lookup base(void)
{
	struct user_lookup l = {.user = "demo",
				.name_ok = true,
				.strict_modes = true,
				.now = 1000,
				.peer = {.family = 4, .addr = {192, 0, 2, 7}},
				.trust = {.rsa_bits_min = 2048, .strict = true}};

	l.trust.ca_algs = strdup(SSH_DEFAULT_CA_SIG);
	return l;
}

static bool look(struct user_lookup *l, const struct key *k)
{
	const uint8_t *blob = key_blob(k, &l->key_blob_len);

	l->key_blob = malloc(l->key_blob_len);
	memcpy(l->key_blob, blob, l->key_blob_len);
	user_lookup_run(l);
	return l->key_found;
}

static bool once(struct user_lookup *l, const struct key *k)
{
	bool found = look(l, k);

	user_lookup_fini(l);
	return found;
}

#define PERMIT                                                                                     \
	{                                                                                          \
		{                                                                                  \
			"permit-port-forwarding", NULL                                             \
		}                                                                                  \
	}

Test(usercert, a_trusted_authority_lets_in_whom_it_names)
{
	static const struct {
		struct made m;
		bool in, forward;
	} t[] = {
		{{.principals = "demo", .extension = PERMIT}, true, true},
		{{.principals = "demo"}, true, false},
		{{.principals = "root demo x", .extension = PERMIT}, true, true},
		{{.principals = "root"}, false, false},
		{{.principals = ""}, false, false},
		{{.principals = "demo,root"}, false, false},
		{{.principals = "Demo"}, false, false},
		{{.principals = "*"}, false, false},
		{{.principals = "demo", .after = 1001}, false, false},
		{{.principals = "demo", .before = 1000}, false, false},
		{{.principals = "demo", .before = 1001}, true, false},
		{{.principals = "demo", .role = CERT_HOST}, false, false},
		{{.principals = "demo", .critical = {{"new@example.com", "x"}}}, false, false},
		{{.principals = "demo", .critical = {{"force-command", "ls"}}}, true, false},
		{{.principals = "demo", .critical = {{"source-address", "192.0.2.0/24"}}},
		 true,
		 false},
		{{.principals = "demo", .critical = {{"source-address", "10.0.0.0/8,192.0.2.7"}}},
		 true,
		 false},
		{{.principals = "demo", .critical = {{"source-address", "10.0.0.0/8"}}},
		 false,
		 false},
		{{.principals = "demo", .critical = {{"source-address", "192.0.2.0/8"}}},
		 false,
		 false},
		{{.principals = "demo", .critical = {{"source-address", "192.0.2.7,x"}}},
		 false,
		 false},
		{{.principals = "demo", .critical = {{"source-address", "*"}}}, false, false},
		{{.principals = "demo", .critical = {{"source-address", ""}}}, false, false},
	};
	struct key *ca = make("ssh-ed25519"), *k = make("ecdsa-sha2-nistp384");

	put("ca", line_of("# authorities\n\n", ca));
	for (size_t i = 0; i < N(t); i++) {
		struct user_lookup l = base();
		struct key *c = certify(k, ca, &t[i].m);

		l.trust.ca_keys = path_of("ca");
		cr_expect_eq(look(&l, c), t[i].in, "case %zu: %s", i, l.note);
		cr_expect_eq(l.grant.port_forwarding, t[i].forward, "case %zu", i);
		cr_expect(l.exists);
		cr_expect_eq(l.forced_command, t[i].in && t[i].m.critical[0].name != NULL &&
						       t[i].m.critical[0].name[0] == 'f');
		if (t[i].in)
			cr_expect_eq(l.expires, t[i].m.before != 0 ? t[i].m.before : UINT64_MAX);
		user_lookup_fini(&l);
		key_free(c);
	}
	key_free(ca);
	key_free(k);
}

Test(usercert, nobody_else_is_an_authority)
{
	struct made m = {.principals = "demo"};
	struct key *ca = make("ssh-ed25519"), *other = make("ssh-ed25519"),
		   *k = make("ssh-ed25519");
	struct key *c = certify(k, other, &m), *good = certify(k, ca, &m);
	struct user_lookup l = base();

	put("ca", line_of("", ca));
	l.trust.ca_keys = path_of("ca");
	cr_expect_not(once(&l, c));
	l = base();
	cr_expect_not(once(&l, good)); /* none is trusted */
	l = base();
	l.trust.ca_keys = path_of("missing");
	cr_expect_not(look(&l, good));
	cr_expect_neq(l.note[0], '\0');
	user_lookup_fini(&l);
	/* The authority's own key, and the bare one, are not let in. */
	l = base();
	l.trust.ca_keys = path_of("ca");
	cr_expect_not(once(&l, ca));
	l = base();
	l.trust.ca_keys = path_of("ca");
	cr_expect_not(once(&l, k));
	/* Others could have written themselves in. */
	l = base();
	l.trust.ca_keys = path_of("ca");
	cr_assert_eq(chmod(l.trust.ca_keys, 0666), 0);
	cr_expect_not(once(&l, good));
	key_free(c);
	key_free(good);
	key_free(k);
	key_free(other);
	key_free(ca);
}

Test(usercert, principals_of_a_file)
{
	static const struct {
		const char *file;
		bool in, forward;
	} t[] = {
		{"ops\n", true, true},
		{"# ops\n\n  ops \t\r\n", true, true},
		{"no-port-forwarding ops\n", true, false},
		{"from=\"192.0.2.0/24\" ops\n", true, true},
		{"from=\"10.0.0.0/8\" ops\n", false, false},
		{"from=\"10.0.0.0/8\" ops\nops\n", true, true},
		{"expiry-time=\"19700101\" ops\n", false, false},
		{"nonsense ops\n", false, false},
		{"op\nopsx\n*\nops,dev\ndev,ops\n", false, false},
		{"", false, false},
		{"demo\n", false, false}, /* the user's own name stands for nothing here */
	};
	struct made m = {.principals = "ops dev,x", .extension = PERMIT};
	struct key *ca = make("ssh-ed25519"), *k = make("ssh-ed25519"), *c = certify(k, ca, &m);
	struct user_lookup l;

	put("ca", line_of("", ca));
	for (size_t i = 0; i < N(t); i++) {
		l = base();
		put("principals-demo", t[i].file);
		l.trust.ca_keys = path_of("ca");
		l.trust.principals = path_of("principals-%u");
		cr_expect_eq(look(&l, c), t[i].in, "case %zu: %s", i, l.note);
		cr_expect_eq(l.grant.port_forwarding, t[i].forward, "case %zu", i);
		cr_expect(l.exists);
		user_lookup_fini(&l);
	}
	l = base();
	strcpy(l.user, "nobody-knows");
	l.trust.ca_keys = path_of("ca");
	l.trust.principals = path_of("principals-%u");
	cr_expect_not(look(&l, c));
	cr_expect_not(l.exists);
	user_lookup_fini(&l);
	key_free(c);
	key_free(k);
	key_free(ca);
}

Test(usercert, authorities_in_a_users_own_file)
{
	static const struct {
		const char *before;
		struct made m;
		bool in, forward;
	} t[] = {
		{"cert-authority ", {.principals = "demo", .extension = PERMIT}, true, true},
		{"cert-authority ", {.principals = "demo"}, true, false},
		{"cert-authority,no-port-forwarding ",
		 {.principals = "demo", .extension = PERMIT},
		 true,
		 false},
		{"cert-authority ", {.principals = "ops"}, false, false},
		{"cert-authority,principals=\"ops,dev\" ", {.principals = "ops"}, true, false},
		{"cert-authority,principals=\"ops,dev\" ", {.principals = "ops,dev"}, false, false},
		{"cert-authority,principals=\"ops\" ", {.principals = "demo"}, false, false},
		{"cert-authority,principals=\"\" ", {.principals = ""}, false, false},
		{"cert-authority,from=\"10.*\" ", {.principals = "demo"}, false, false},
		{"", {.principals = "demo"}, false, false},
	};
	struct key *ca = make("ssh-ed25519"), *k = make("ssh-ed25519");

	for (size_t i = 0; i < N(t); i++) {
		struct user_lookup l = base();
		struct key *c = certify(k, ca, &t[i].m);

		put("keys", line_of(t[i].before, ca));
		l.keys_path[l.n_paths++] = path_of("keys");
		cr_expect_eq(look(&l, c), t[i].in, "case %zu: %s", i, l.note);
		cr_expect_eq(l.grant.port_forwarding, t[i].forward, "case %zu", i);
		user_lookup_fini(&l);
		key_free(c);
	}
	key_free(ca);
	key_free(k);
}

/* A line with the bare key does not let its certificate in, nor the other way round. */
Test(usercert, a_certificate_is_not_its_key)
{
	struct made m = {.principals = "demo"};
	struct key *ca = make("ssh-ed25519"), *k = make("ssh-ed25519"), *c = certify(k, ca, &m);
	struct user_lookup l = base();

	put("keys", line_of("", k));
	l.keys_path[l.n_paths++] = path_of("keys");
	cr_expect_not(once(&l, c));
	l = base();
	l.keys_path[l.n_paths++] = path_of("keys");
	cr_expect(once(&l, k));
	put("keys", line_of("", c));
	l = base();
	l.keys_path[l.n_paths++] = path_of("keys");
	cr_expect_not(once(&l, c));
	key_free(c);
	key_free(k);
	key_free(ca);
}

Test(usercert, revoked_keys_let_nobody_in)
{
	struct made m = {.principals = "demo"};
	struct key *ca = make("ssh-ed25519"), *k = make("ssh-ed25519"), *c = certify(k, ca, &m);
	char *own = strdup(line_of("", k)), *by = strdup(line_of("", ca));
	const struct {
		const char *file;
		bool key, cert;
	} t[] = {
		{"", true, true},
		{"# nobody\n", true, true},
		{own, false, false},
		{by, true, false},
		{"ssh-ed25519 garbage\n", false, false},
		{NULL, false, false}, /* it cannot be read: who knows? */
	};

	for (size_t i = 0; i < N(t); i++) {
		char *revoked = path_of("revoked");

		unlink(revoked);
		free(revoked);
		put("keys", line_of("", k));
		put("ca", line_of("", ca));
		if (t[i].file != NULL)
			put("revoked", t[i].file);
		for (int cert = 0; cert < 2; cert++) {
			struct user_lookup l = base();

			l.keys_path[l.n_paths++] = path_of("keys");
			l.trust.ca_keys = path_of("ca");
			l.trust.revoked = path_of("revoked");
			cr_expect_eq(look(&l, cert ? c : k), cert ? t[i].cert : t[i].key,
				     "case %zu: %s", i, l.note);
			if (!l.key_found)
				cr_expect_neq(l.note[0], '\0');
			user_lookup_fini(&l);
		}
	}
	free(own);
	free(by);
	key_free(c);
	key_free(k);
	key_free(ca);
}

Test(usercert, short_rsa_keys_are_refused)
{
	struct key *k = make("ssh-rsa");

	put("keys", line_of("", k));
	for (unsigned int bits = 2048; bits <= 2049; bits++) {
		struct user_lookup l = base();

		l.trust.rsa_bits_min = bits;
		l.keys_path[l.n_paths++] = path_of("keys");
		cr_expect_eq(once(&l, k), bits == 2048);
	}
	key_free(k);
}

static struct key *security_key(void)
{
	struct key *bare = make("ssh-ed25519"), *k = NULL;
	uint8_t out[128];
	struct blob_wr w = blob_wr_init(out, sizeof(out));
	size_t len;
	const uint8_t *blob = key_blob(bare, &len);

	blob_wr_cstr(&w, "sk-ssh-ed25519@openssh.com");
	blob_wr_str(&w, blob + len - 32, 32);
	blob_wr_cstr(&w, "ssh:");
	cr_assert_eq(key_blob_parse(out, w.len, &k), 0);
	key_free(bare);
	return k;
}

Test(usercert, s37_security_keys_are_touched_and_verified)
{
	static const struct {
		const char *before;
		bool touch, verify; /* PubkeyAuthOptions */
		uint8_t least;      /* flags that let in, with all above them */
	} t[] = {
		{"", false, false, 1},
		{"no-touch-required ", false, false, 0},
		{"no-touch-required ", true, false, 1},
		{"verify-required ", false, false, 5},
		{"no-touch-required,verify-required ", false, false, 4},
		{"", false, true, 5},
		{"no-touch-required ", true, true, 5},
	};
	struct key *k = security_key();

	for (size_t i = 0; i < N(t); i++) {
		put("keys", line_of(t[i].before, k));
		for (uint8_t flags = 0; flags < 8; flags++) {
			struct user_lookup l = base();

			l.signed_by_key = true;
			l.presence = (struct key_presence){true, flags, 1};
			l.trust.touch_required = t[i].touch;
			l.trust.verify_required = t[i].verify;
			l.keys_path[l.n_paths++] = path_of("keys");
			cr_expect_eq(once(&l, k), (flags & t[i].least) == t[i].least,
				     "case %zu flags %u", i, flags);
		}
		/* Merely asked about, nobody can have been there. */
		struct user_lookup l = base();

		l.keys_path[l.n_paths++] = path_of("keys");
		cr_expect(once(&l, k));
	}
	key_free(k);
}

/* Both the line and the certificate have to do without a touch. */
Test(usercert, certificates_of_security_keys)
{
	static const struct {
		const char *before;
		struct made m;
		uint8_t least;
	} t[] = {
		{"cert-authority ", {.principals = "demo"}, 1},
		{"cert-authority,no-touch-required ", {.principals = "demo"}, 1},
		{"cert-authority ",
		 {.principals = "demo", .extension = {{"no-touch-required", NULL}}},
		 1},
		{"cert-authority,no-touch-required ",
		 {.principals = "demo", .extension = {{"no-touch-required", NULL}}},
		 0},
		{"cert-authority ",
		 {.principals = "demo", .critical = {{"verify-required", NULL}}},
		 5},
	};
	struct key *k = security_key(), *ca = make("ssh-ed25519");

	for (size_t i = 0; i < N(t); i++) {
		struct key *c = certify(k, ca, &t[i].m);

		put("keys", line_of(t[i].before, ca));
		for (uint8_t flags = 0; flags < 8; flags++) {
			struct user_lookup l = base();

			l.signed_by_key = true;
			l.presence = (struct key_presence){true, flags, 1};
			l.keys_path[l.n_paths++] = path_of("keys");
			cr_expect_eq(once(&l, c), (flags & t[i].least) == t[i].least,
				     "case %zu flags %u", i, flags);
		}
		key_free(c);
	}
	key_free(k);
	key_free(ca);
}

/* What openssl makes for the user named; X.509 itself is tests/unit/test_x509key.c's. */
Test(usercert, x509_certificates_let_in_whom_they_name)
{
	static const char type[] = "x509v3-ecdsa-sha2-nistp256";
	static const struct {
		const char *user, *principals;
		bool in;
	} t[] = {
		{"demo", NULL, true},
		{"demo@example.com", NULL, true},
		{"dem", NULL, false},
		{"root", NULL, false},
		{"demo", "demo@example.com\n", true},
		{"root", "demo\n", true},
		{"demo", "other\n", false},
	};
	char cmd[1024];
	uint8_t blob[KEY_BLOB_MAX], der[4096];
	struct blob_wr w = blob_wr_init(blob, sizeof(blob));
	struct key *k = NULL;
	size_t n;
	char *path;
	FILE *f;

	if (access("/usr/bin/openssl", X_OK) != 0)
		cr_skip_test("no openssl");
	snprintf(cmd, sizeof(cmd),
		 "cd %s && { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
		 "-keyout r.key -out r.pem -subj /CN=Root -days 9 -addext keyUsage=keyCertSign && "
		 "openssl req -new -newkey ec "
		 "-pkeyopt "
		 "ec_paramgen_curve:P-256 -nodes -keyout k.key -out k.csr -subj /CN=demo && printf "
		 "'subjectAltName=email:demo@example.com\\nauthorityKeyIdentifier=keyid\\n"
		 "subjectKeyIdentifier=hash\\nbasicConstraints=CA:FALSE\\n' > ext && openssl x509 "
		 "-req -in "
		 "k.csr -CA r.pem -CAkey r.key -CAcreateserial -days 9 -extfile ext -outform DER "
		 "-out "
		 "k.der; } 2>/dev/null",
		 dir);
	cr_assert_eq(system(cmd), 0);
	path = path_of("k.der");
	f = fopen(path, "r");
	cr_assert_not_null(f);
	n = fread(der, 1, sizeof(der), f);
	fclose(f);
	free(path);
	blob_wr_cstr(&w, type);
	blob_wr_u32(&w, 1);
	blob_wr_str(&w, der, n);
	blob_wr_u32(&w, 0);
	cr_assert_eq(key_blob_parse_for(type, blob, w.len, &k), 0);
	for (size_t i = 0; i < N(t); i++) {
		struct user_lookup l = base();

		l.now = (uint64_t)time(NULL);
		strcpy(l.user, t[i].user);
		l.trust.anchors = path_of("r.pem");
		if (t[i].principals != NULL) {
			put("principals", t[i].principals);
			l.trust.principals = path_of("principals");
		}
		cr_expect_eq(look(&l, k), t[i].in, "case %zu: %s", i, l.note);
		cr_expect_eq(l.expires != UINT64_MAX, t[i].in);
		user_lookup_fini(&l);
	}
	/* Without anchors nobody is believed. */
	struct user_lookup l = base();

	l.now = (uint64_t)time(NULL);
	cr_expect_not(once(&l, k));
	key_free(k);
}
