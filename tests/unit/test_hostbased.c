/* tests/unit/test_hostbased.c - hosts that vouch for their users: known hosts, .shosts and the way
 * through both. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/auth/hostbased.h"
#include "control/auth/knownhosts.h"
#include "control/auth/rhosts.h"
#include "control/auth/user.h"
#include "control/auth/userfile.h"
#include "control/helper/allow.h"
#include "crypto/base64.h"
#include "crypto/cert.h"
#include "crypto/knownline.h"
#include "crypto/krl.h"
#include "ssh/kexinit.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define NOW  1700000000

static char dir[] = "/tmp/sluice-hostbased-XXXXXX";
static struct key *host, *other, *ca, *cert;

static struct key *make(void)
{
	struct key *k = NULL;

	cr_assert_eq(key_generate("ssh-ed25519", 0, &k), 0);
	return k;
}

static struct key *certify(enum cert_role role, const char *name, uint64_t before)
{
	struct cert_spec spec = {.role = role,
				 .key_id = "id",
				 .principals = &name,
				 .n_principals = 1,
				 .valid_before = before};
	struct key *c = NULL;

	cr_assert_eq(cert_build(host, &spec, ca, NULL, &c), 0);
	return c;
}

static void setup(void)
{
	char cmd[256];

	cr_assert_not_null(mkdtemp(dir));
	snprintf(cmd, sizeof(cmd), "umask 022; mkdir -p %s/ssh %s/home/.ssh && chmod 755 %s", dir,
		 dir, dir);
	cr_assert_eq(system(cmd), 0);
	hostbased_etc = dir;
	host = make();
	other = make();
	ca = make();
	cert = certify(CERT_HOST, "box.example.org", UINT64_MAX);
}

static void teardown(void)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_expect_eq(system(cmd), 0);
	key_free(host);
	key_free(other);
	key_free(ca);
	key_free(cert);
}

TestSuite(hostbased, .init = setup, .fini = teardown);

/* $H, $O and $A stand for the lines of the host's key, another one and the authority's. */
static char *expand(const char *text)
{
	static char out[8192];
	size_t n = 0;

	for (const char *p = text; *p != '\0'; p++) {
		const struct key *k = p[0] != '$'   ? NULL
				      : p[1] == 'H' ? host
				      : p[1] == 'O' ? other
				      : p[1] == 'A' ? ca
						    : NULL;
		const uint8_t *blob;
		size_t len;

		if (k == NULL) {
			out[n++] = *p;
			continue;
		}
		blob = key_blob(k, &len);
		n += (size_t)sprintf(out + n, "%s ", key_type(k));
		base64_encode(blob, len, out + n);
		n += base64_len(len);
		p++;
	}
	out[n] = '\0';
	return out;
}

/* --- known hosts -------------------------------------------------------------------------- */

static unsigned int look(const char *text, const char *name, const struct key *k)
{
	const char *have = expand(text);
	size_t len = strlen(have);
	char *exact = malloc(len + 1); /* a read past its end is seen */
	unsigned int found;

	memcpy(exact, have, len);
	found = knownhosts_look(exact, len, name, k);
	free(exact);
	return found;
}

Test(hostbased, known_hosts_by_name)
{
	static const struct {
		const char *text;
		unsigned int found;
	} c[] = {
		{"box.example.org $H\n", KNOWNHOSTS_KEY},
		{"  \tBOX.example.org\t $H comment\r\n", KNOWNHOSTS_KEY},
		{"# box.example.org $O\nbox.example.org $H", KNOWNHOSTS_KEY},
		{"a,box.example.org,b $H", KNOWNHOSTS_KEY},
		{",box.example.org,,a $H", KNOWNHOSTS_KEY}, /* as ssh takes it */
		{"*.example.org $H", KNOWNHOSTS_KEY},
		{"bo?.example.org $H", KNOWNHOSTS_KEY},
		{"box.example.org $O\nbox.example.org $H", KNOWNHOSTS_KEY | KNOWNHOSTS_OTHER},
		{"box.example.org $O", KNOWNHOSTS_OTHER},
		{"@revoked box.example.org $H", KNOWNHOSTS_REVOKED},
		{"@revoked * $H\nbox.example.org $H", KNOWNHOSTS_REVOKED | KNOWNHOSTS_KEY},
		/* of others, or of nobody */
		{"", 0},
		{"\n\n", 0},
		{"box.example.com $H", 0},
		{"example.org $H", 0},
		{"box.example.org.evil $H", 0},
		{"[box.example.org]:22 $H", 0},
		{"*.example.org,!box.example.org $H", 0},
		{"!box.example.org $H", 0},
		{",, $H", 0},
		{"@revoked other $H", 0},
		{"@revoked box.example.org $O", 0},
		/* an authority's line is no line of a key */
		{"@cert-authority box.example.org $H", 0},
		/* malformed */
		{"box.example.org", 0},
		{"box.example.org ssh-ed25519", 0},
		{"box.example.org ssh-ed25519 AAAA", 0},
		{"@unknown box.example.org $H", 0},
		{"@revoked", 0},
		{"@cert-authority ", 0},
		{"$H", 0},
		{"from=\"a\" box.example.org $H", 0},
	};

	for (size_t i = 0; i < N(c); i++)
		cr_expect_eq(look(c[i].text, "box.example.org", host), c[i].found, "%s: %x",
			     c[i].text, look(c[i].text, "box.example.org", host));
}

/* "|1|", the salt, "|" and HMAC-SHA1 of the name by it. */
Test(hostbased, known_hosts_by_hashed_name)
{
	uint8_t salt[20], mac[20];
	char line[256], s[32] = "", m[32] = "";

	memset(salt, 1, sizeof(salt));
	cr_assert_eq(hash_hmac(HASH_SHA1, salt, sizeof(salt), "box", 3, mac), 0);
	base64_encode(salt, sizeof(salt), s);
	base64_encode(mac, sizeof(mac), m);
	snprintf(line, sizeof(line), "|1|%s|%s $H", s, m);
	cr_expect_eq(look(line, "box", host), KNOWNHOSTS_KEY);
	cr_expect_eq(look(line, "bo", host), 0);
	cr_expect_eq(look(line, "box.", host), 0);
	snprintf(line, sizeof(line), "|2|%s|%s $H", s, m);
	cr_expect_eq(look(line, "box", host), 0);
	snprintf(line, sizeof(line), "|1|%s $H", s);
	cr_expect_eq(look(line, "box", host), 0);
	snprintf(line, sizeof(line), "|1|%.24s|%s $H", s, m);
	cr_expect_eq(look(line, "box", host), 0, "half a salt");
	snprintf(line, sizeof(line), "|1|%s|%s,* $H", s, m);
	cr_expect_eq(look(line, "box", host), 0, "a hashed name is alone");
}

/* As ssh-keygen -H of OpenSSH 9.2 wrote it. */
Test(hostbased, known_hosts_as_ssh_keygen_hashes_them)
{
	cr_expect_eq(look("|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= $H",
			  "192.168.1.61", host),
		     KNOWNHOSTS_KEY);
}

/* S-36: who revokes an authority revokes whatever it signed. */
Test(hostbased, s36_known_authorities)
{
	static const struct {
		const char *text;
		unsigned int found;
	} c[] = {
		{"@cert-authority *.example.org $A", KNOWNHOSTS_KEY},
		{"@cert-authority *.example.org $O", KNOWNHOSTS_OTHER},
		{"@revoked * $A\n@cert-authority *.example.org $A",
		 KNOWNHOSTS_REVOKED | KNOWNHOSTS_KEY},
		{"@cert-authority *.example.org $A\n@revoked * $H",
		 KNOWNHOSTS_REVOKED | KNOWNHOSTS_KEY},
		/* neither does the bare key stand for the certificate nor the authority's for
		   itself */
		{"box.example.org $H", 0},
		{"box.example.org $A", 0},
		{"@cert-authority *.example.com $A", 0},
	};

	for (size_t i = 0; i < N(c); i++)
		cr_expect_eq(look(c[i].text, "box.example.org", cert), c[i].found, "%s", c[i].text);
}

/* S-38: what stands behind the bound is not another line. */
Test(hostbased, s38_long_lines_are_one_line)
{
	size_t n = KNOWN_LINE_MAX;
	char *text = malloc(n + 4096);

	memset(text, 'x', n);
	strcpy(text + n, expand(" box $H\n"));
	cr_expect_eq(knownhosts_look(text, strlen(text), "box", host), 0);
	strcpy(text + n, expand("\nbox $H\n"));
	cr_expect_eq(knownhosts_look(text, strlen(text), "box", host), KNOWNHOSTS_KEY);
	free(text);
}

/* --- who is trusted ----------------------------------------------------------------------- */

static bool groups(const char *group, const char *name, const char *user)
{
	if (strcmp(group, "boxes") == 0)
		return name != NULL && strcmp(name, "box") == 0;
	return strcmp(group, "people") == 0 && user != NULL && strcmp(user, "alice") == 0;
}

Test(hostbased, lines_of_rhosts)
{
	static const struct {
		const char *text;
		enum rhosts_verdict v;
	} c[] = {
		{"box alice\n", RHOSTS_TRUSTED},
		{"BOX\talice", RHOSTS_TRUSTED},
		{"192.0.2.9 alice", RHOSTS_TRUSTED},
		{"+box +alice", RHOSTS_TRUSTED},
		{"@boxes alice", RHOSTS_TRUSTED},
		{"box @people", RHOSTS_TRUSTED},
		{"+@boxes +@people", RHOSTS_TRUSTED},
		{"# box bob\n\n  box alice \r\n", RHOSTS_TRUSTED},
		{"other alice\nbox bob\nbox alice", RHOSTS_TRUSTED},
		{"-box alice", RHOSTS_REFUSED},
		{"box -alice", RHOSTS_REFUSED},
		{"-@boxes alice", RHOSTS_REFUSED},
		{"-box alice\nbox alice", RHOSTS_REFUSED}, /* the first counts */
		{"box alice\n-box alice", RHOSTS_TRUSTED},
		/* nobody is meant */
		{"", RHOSTS_SILENT},
		{"+", RHOSTS_SILENT},
		{"+ +", RHOSTS_SILENT},
		{"+ alice", RHOSTS_SILENT},
		{"box +", RHOSTS_SILENT},
		{"- -", RHOSTS_SILENT},
		{"@ alice", RHOSTS_SILENT},
		{"box", RHOSTS_SILENT}, /* alice there is demo here */
		{"box bob", RHOSTS_SILENT},
		{"box ALICE", RHOSTS_SILENT},
		{"box alic", RHOSTS_SILENT},
		{"bo alice", RHOSTS_SILENT},
		{"* alice", RHOSTS_SILENT},
		{"box *", RHOSTS_SILENT},
		{"@people alice", RHOSTS_SILENT},
		{"box @boxes", RHOSTS_SILENT},
		{"box alice more", RHOSTS_SILENT},
		{"box alice # more", RHOSTS_SILENT},
		{"#box alice", RHOSTS_SILENT},
		{"NO_PLUS", RHOSTS_SILENT},
		{"alice box", RHOSTS_SILENT},
		{"192.0.2.0/24 alice", RHOSTS_SILENT},
	};
	const struct rhosts_query q = {.host = "box",
				       .addr = "192.0.2.9",
				       .client_user = "alice",
				       .user = "demo",
				       .in_netgroup = groups};

	for (size_t i = 0; i < N(c); i++)
		cr_expect_eq(rhosts_look(c[i].text, strlen(c[i].text), &q), c[i].v, "%s",
			     c[i].text);
}

/* Without a name in the line the two are the same, whatever they are called. */
Test(hostbased, a_host_alone_means_the_same_name)
{
	struct rhosts_query q = {.host = "box", .addr = "192.0.2.9", .in_netgroup = groups};

	q.user = q.client_user = "alice";
	cr_expect_eq(rhosts_look("box\n", 4, &q), RHOSTS_TRUSTED);
	cr_expect_eq(rhosts_look("-box\n", 5, &q), RHOSTS_REFUSED);
	q.user = "@people";
	cr_expect_eq(rhosts_look("box\n", 4, &q), RHOSTS_SILENT, "no group of that name is meant");
	q.user = q.client_user = "+";
	cr_expect_eq(rhosts_look("box\n", 4, &q), RHOSTS_TRUSTED);
}

Test(hostbased, s38_long_lines_of_rhosts_are_one_line)
{
	const struct rhosts_query q = {.host = "box",
				       .addr = "192.0.2.9",
				       .client_user = "alice",
				       .user = "demo",
				       .in_netgroup = groups};
	char text[RHOSTS_LINE_MAX + 64];

	memset(text, ' ', sizeof(text));
	memcpy(text + RHOSTS_LINE_MAX, "box alice\n", 10);
	cr_expect_eq(rhosts_look(text, RHOSTS_LINE_MAX + 10, &q), RHOSTS_SILENT);
	memset(text, 'x', RHOSTS_WORD_MAX);
	memcpy(text + RHOSTS_WORD_MAX, " alice\n", 7);
	cr_expect_eq(rhosts_look(text, RHOSTS_WORD_MAX + 7, &q), RHOSTS_SILENT);
	cr_expect_eq(rhosts_look("box alice\0", 10, &q), RHOSTS_SILENT, "a NUL");
}

/* --- both ----------------------------------------------------------------------------------- */

static void put(const char *name, const char *text, mode_t mode)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	fputs(expand(text), f);
	fclose(f);
	cr_assert_eq(chmod(path, mode), 0);
}

static void drop(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	(void)unlink(path);
}

/* A request of alice on box.example.org, 192.0.2.9, for demo. */
struct ask {
	const struct key *key;
	const char *peer_name, *client_host, *client_user;
	bool packet_name, ignore_user, root, lax, sk_untouched, no_account;
	enum conf_ignore_rhosts ignore;
	const char *revoked;
	unsigned int rsa_bits_min;
};
static char note[AUTHKEYS_NOTE_MAX];

static bool ask(const struct ask *a)
{
	struct account acc = {.known = !a->no_account, .uid = geteuid(), .gid = getegid()};
	struct hostbased h = {.client_host = (char *)a->client_host,
			      .client_user = (char *)a->client_user,
			      .packet_name = a->packet_name,
			      .ignore_user_known_hosts = a->ignore_user,
			      .ignore_rhosts = a->ignore};
	struct user_lookup l = {.user = "demo",
				.name_ok = true,
				.strict_modes = !a->lax,
				.now = NOW,
				.peer = {.family = 4, .addr = {192, 0, 2, 9}},
				.root = a->root,
				.presence = {.sk = a->sk_untouched},
				.peer_name = (char *)a->peer_name,
				.trust = {.ca_algs = (char *)SSH_DEFAULT_CA_SIG,
					  .revoked = (char *)a->revoked,
					  .rsa_bits_min = 2048},
				.hostbased = &h};
	const uint8_t *blob = key_blob(a->key, &h.key_blob_len);
	bool yes;

	snprintf(acc.home, sizeof(acc.home), "%s/home", dir);
	h.key_blob = (uint8_t *)blob;
	yes = hostbased_check(&l, &acc);
	memcpy(note, l.note, sizeof(note));
	return yes;
}

static struct ask usual(void)
{
	return (struct ask){.key = host,
			    .peer_name = "box.example.org",
			    .client_host = "box.example.org",
			    .client_user = "alice"};
}

Test(hostbased, who_is_let_in)
{
	struct ask a = usual();

	cr_expect(!ask(&a), "no file at all");
	put("ssh/shosts.equiv", "box.example.org alice\n", 0644);
	cr_expect(!ask(&a), "nobody knows the key");
	put("ssh/ssh_known_hosts", "box.example.org $H\n", 0644);
	cr_expect(ask(&a), "%s", note);
	a.client_user = "bob";
	cr_expect(!ask(&a));
	a.client_user = "";
	cr_expect(!ask(&a));
	a.client_user = "alice";
	a.key = other;
	cr_expect(!ask(&a));
	a.key = host;
	a.sk_untouched = true;
	cr_expect(!ask(&a));
	a.sk_untouched = false;
	a.root = true;
	cr_expect(!ask(&a), "root is trusted by files of his own alone");
	put("home/.shosts", "box.example.org alice\n", 0644);
	cr_expect(ask(&a));
	drop("ssh/ssh_known_hosts");
	a.root = false;
	cr_expect(!ask(&a));
	put("home/.ssh/known_hosts", "box.example.org $H\n", 0644);
	cr_expect(ask(&a));
	a.ignore_user = true;
	cr_expect(!ask(&a), "IgnoreUserKnownHosts");
}

/* Which host it is says the address; the request's word counts where the operator says so. */
Test(hostbased, whose_name_counts)
{
	struct ask a = usual();

	put("hosts.equiv", "box.example.org alice\n", 0644);
	put("ssh/ssh_known_hosts", "box.example.org $H\n", 0644);
	cr_expect(ask(&a));
	a.client_host = "liar.example.org";
	cr_expect(ask(&a), "where it comes from is another thing");
	cr_expect_not_null(strstr(note, "mismatch: client sends liar.example.org"));
	a.packet_name = true;
	cr_expect(!ask(&a));
	a.client_host = "box.example.org";
	a.peer_name = NULL;
	cr_expect(ask(&a));
	a.packet_name = false;
	cr_expect(!ask(&a), "without UseDNS it is a number");
	put("hosts.equiv", "192.0.2.9 alice\n", 0644);
	put("ssh/ssh_known_hosts", "192.0.2.9 $H\n", 0644);
	cr_expect(ask(&a));
	a.packet_name = true;
	cr_expect(!ask(&a), "the number is not what the request says");
	a.client_host = "";
	cr_expect(!ask(&a));
}

Test(hostbased, which_files_of_the_home_count)
{
	static const struct {
		enum conf_ignore_rhosts ignore;
		bool shosts, rhosts;
	} c[] = {
		{CONF_RHOSTS_READ, true, true},
		{CONF_RHOSTS_SHOSTS, true, false},
		{CONF_RHOSTS_IGNORED, false, false},
	};
	struct ask a = usual();

	put("ssh/ssh_known_hosts", "box.example.org $H\n", 0644);
	for (size_t i = 0; i < N(c); i++) {
		a.ignore = c[i].ignore;
		put("home/.shosts", "box.example.org alice\n", 0600);
		cr_expect_eq(ask(&a), c[i].shosts, "case %zu", i);
		drop("home/.shosts");
		put("home/.rhosts", "box.example.org alice\n", 0600);
		cr_expect_eq(ask(&a), c[i].rhosts, "case %zu", i);
		drop("home/.rhosts");
	}
}

/* StrictModes: what others may write trusts nobody. */
Test(hostbased, files_others_may_write_say_nothing)
{
	static const char *const files[] = {"ssh/shosts.equiv", "ssh/ssh_known_hosts"};
	static const char *const text[] = {"box.example.org alice\n", "box.example.org $H\n"};
	struct ask a = usual();

	for (size_t i = 0; i < N(files); i++) {
		put(files[0], text[0], 0644);
		put(files[1], text[1], 0644);
		cr_expect(ask(&a));
		put(files[i], text[i], 0666);
		cr_expect(!ask(&a));
		cr_expect_not_null(strstr(note, "bad ownership or modes for file"), "%s", note);
		a.lax = true;
		cr_expect(ask(&a), "StrictModes no");
		a.lax = false;
	}
	put(files[1], text[1], 0644);
	drop("ssh/shosts.equiv");
	put("home/.shosts", "box.example.org alice\n", 0664);
	cr_expect(!ask(&a));
}

/* known_hosts2 is asked when the first says nothing of the host, and not when it knows another key.
 */
Test(hostbased, the_second_files)
{
	struct ask a = usual();

	put("hosts.equiv", "box.example.org alice\n", 0644);
	put("ssh/ssh_known_hosts2", "box.example.org $H\n", 0644);
	cr_expect(ask(&a));
	put("ssh/ssh_known_hosts", "box.example.org $O\n", 0644);
	cr_expect(!ask(&a));
	drop("ssh/ssh_known_hosts");
	drop("ssh/ssh_known_hosts2");
	put("home/.ssh/known_hosts2", "box.example.org $H\n", 0644);
	cr_expect(ask(&a));
}

Test(hostbased, revoked_keys_vouch_for_nobody)
{
	char revoked[256];
	struct ask a = usual();

	put("hosts.equiv", "box.example.org alice\n", 0644);
	put("ssh/ssh_known_hosts", "box.example.org $H\n", 0644);
	put("home/.ssh/known_hosts", "@revoked * $H\n", 0644);
	cr_expect(!ask(&a));
	cr_expect_not_null(strstr(note, "WARNING: revoked key for box.example.org"));
	drop("home/.ssh/known_hosts");
	cr_expect(ask(&a));
	snprintf(revoked, sizeof(revoked), "%s/revoked", dir);
	a.revoked = revoked;
	cr_expect(!ask(&a), "a list that is not there");
	put("revoked", "$O\n", 0644);
	cr_expect(ask(&a));
	put("revoked", "$H\n", 0644);
	cr_expect(!ask(&a));
	cr_expect_not_null(strstr(note, "revoked by file"));
}

/* Else a host's word made a user of every name, where a program or an authority may know anybody.
 */
Test(hostbased, who_has_no_account_is_vouched_for_by_nobody)
{
	struct ask a = usual();

	a.client_user = "demo";
	put("hosts.equiv", "box.example.org\n", 0644);
	put("ssh/ssh_known_hosts", "box.example.org $H\n", 0644);
	cr_expect(ask(&a), "%s", note);
	a.no_account = true;
	cr_expect(!ask(&a));
}

/* Whose list of revoked keys it may be: then what the user knows is not enough. */
Test(hostbased, an_operators_file_that_cannot_be_read_vouches_for_nobody)
{
	struct ask a = usual();
	char path[256];

	put("hosts.equiv", "box.example.org alice\n", 0644);
	put("home/.ssh/known_hosts", "box.example.org $H\n", 0644);
	cr_expect(ask(&a));
	put("ssh/ssh_known_hosts", "@revoked * $H\n", 0666);
	cr_expect(!ask(&a));
	drop("ssh/ssh_known_hosts");
	snprintf(path, sizeof(path), "%s/ssh/ssh_known_hosts", dir);
	cr_assert_eq(mkdir(path, 0755), 0);
	cr_expect(!ask(&a));
	cr_expect_not_null(strstr(note, "is not a regular file"), "%s", note);
	cr_assert_eq(rmdir(path), 0);
	cr_expect(ask(&a));
}

Test(hostbased, certificates_of_hosts)
{
	const struct {
		const char *what;
		enum cert_role role;
		const char *name;
		uint64_t before;
		bool in;
	} c[] = {
		{"right", CERT_HOST, "box.example.org", UINT64_MAX, true},
		{"in another case", CERT_HOST, "Box.Example.ORG", UINT64_MAX, true},
		{"a user's", CERT_USER, "box.example.org", UINT64_MAX, false},
		{"another host's", CERT_HOST, "bax.example.org", UINT64_MAX, false},
		{"a pattern", CERT_HOST, "*.example.org", UINT64_MAX, false},
		{"over", CERT_HOST, "box.example.org", NOW, false},
	};
	struct ask a = usual();

	put("hosts.equiv", "box.example.org alice\n", 0644);
	for (size_t i = 0; i < N(c); i++) {
		struct key *k = certify(c[i].role, c[i].name, c[i].before);

		a.key = k;
		put("ssh/ssh_known_hosts", "@cert-authority *.example.org $A\n", 0644);
		cr_expect_eq(ask(&a), c[i].in, "%s: %s", c[i].what, note);
		put("ssh/ssh_known_hosts", "@cert-authority *.example.org $O\n", 0644);
		cr_expect(!ask(&a), "%s, another authority", c[i].what);
		put("ssh/ssh_known_hosts",
		    "@cert-authority *.example.org $A\n@revoked *.example.org $A\n", 0644);
		cr_expect(!ask(&a), "%s, revoked authority", c[i].what);
		key_free(k);
	}
}

/* What sluice-helper reads of a closed home is what IgnoreRhosts and IgnoreUserKnownHosts leave. */
Test(hostbased, files_the_helper_reads)
{
	static const struct {
		const char *conf;
		bool read[HELPER_HOSTBASED_FILES + 1];
	} c[] = {
		{"HostbasedAuthentication no\nIgnoreRhosts no\n", {false}},
		{"HostbasedAuthentication yes\n", {false, false, true, true}},
		{"HostbasedAuthentication yes\nIgnoreRhosts shosts-only\n",
		 {true, false, true, true}},
		{"HostbasedAuthentication yes\nIgnoreRhosts no\n", {true, true, true, true}},
		{"HostbasedAuthentication yes\nIgnoreRhosts no\nIgnoreUserKnownHosts yes\n",
		 {true, true, false, false}},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct allow a = {.name_ok = true, .user = "demo"};
		struct conf *conf = NULL;
		char *errors = NULL, path[USERFILE_PATH_MAX];

		a.account = (struct account){.known = true, .home = "/home/demo"};
		cr_assert_eq(conf_parse("test", c[i].conf, strlen(c[i].conf), NULL, &conf, &errors),
			     0, "%s", errors);
		cr_assert_eq(conf_session_for(conf, NULL, &a.conf), 0);
		for (uint32_t k = 0; k <= HELPER_HOSTBASED_FILES; k++)
			cr_expect_eq(allow_file(&a, HELPER_HOSTBASED, k, path, sizeof(path)),
				     c[i].read[k] ? 0 : -EPERM, "%zu %u", i, k);
		cr_expect_eq(allow_file(&a, HELPER_HOSTBASED, UINT32_MAX, path, sizeof(path)),
			     -EPERM);
		if (c[i].read[0]) {
			cr_assert_eq(allow_file(&a, HELPER_HOSTBASED, 0, path, sizeof(path)), 0);
			cr_expect_str_eq(path, "/home/demo/.shosts");
		}
		allow_fini(&a);
		conf_put(conf);
	}
}

/* A NUL would make another name of it. */
Test(hostbased, names_nobody_can_have)
{
	static const struct {
		const char *host;
		uint32_t host_len;
		const char *user;
		uint32_t user_len;
		int err;
	} c[] = {
		{"box.example.org", 15, "alice", 5, 0},
		{"BOX.example.org.", 16, "alice", 5, 0},
		{"box.example.org\0.evil", 21, "alice", 5, -EINVAL},
		{"box", 3, "ali\0ce", 6, -EINVAL},
		{"box alice", 9, "alice", 5, -EINVAL},
		{"box\n", 4, "alice", 5, -EINVAL},
		{"box", 3, "al\tice", 6, -EINVAL},
		{"box\x7f", 4, "alice", 5, -EINVAL},
	};
	static const char text[] =
		"ListenAddress 127.0.0.1:22\nHostbasedUsesNameFromPacketOnly yes\n"
		"IgnoreRhosts shosts-only\nIgnoreUserKnownHosts yes\n";
	struct conf_session s;
	struct conf *conf = NULL;
	char *errors = NULL;

	cr_assert_eq(conf_parse("test", text, strlen(text), NULL, &conf, &errors), 0, "%s", errors);
	cr_assert_eq(conf_session_for(conf, NULL, &s), 0);
	for (size_t i = 0; i < N(c); i++) {
		const struct ssh_act_auth auth = {
			.key = host,
			.client_host = {(const uint8_t *)c[i].host, c[i].host_len},
			.client_user = {(const uint8_t *)c[i].user, c[i].user_len}};
		struct hostbased *h = NULL;

		cr_expect_eq(hostbased_new(&auth, &s, &h), c[i].err, "case %zu", i);
		if (h == NULL)
			continue;
		cr_expect_str_eq(h->client_host, "box.example.org");
		cr_expect(h->packet_name && h->ignore_user_known_hosts);
		cr_expect_eq(h->ignore_rhosts, CONF_RHOSTS_SHOSTS);
		hostbased_free(h);
	}
	conf_session_fini(&s);
	conf_put(conf);
}
