/* control/auth: names of users, the password file, files under StrictModes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/auth/account.h"
#include "control/auth/passfile.h"
#include "control/auth/user.h"
#include "control/auth/userfile.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define A    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQoODHaPmcD0VhwGe1f7OE0MT1c/AwCnxm76G3tBZ7C"

static char dir[] = "/tmp/sluice-user-XXXXXX", path[128];

static void setup(void)
{
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(chmod(dir, 0755), 0);
	snprintf(path, sizeof(path), "%s/demo", dir);
}

static void teardown(void)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_expect_eq(system(cmd), 0);
}

TestSuite(control_user, .init = setup, .fini = teardown);

static void put(const char *where, const char *text, mode_t mode)
{
	FILE *f = fopen(where, "w");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
	cr_assert_eq(chmod(where, mode), 0);
}

Test(control_user, names_that_never_reach_a_path)
{
	static const struct {
		const char *name;
		size_t len;
		bool ok;
	} c[] = {
		{"demo", 4, true},
		{"a", 1, true},
		{"a.b-c_d", 7, true},
		{"user@realm", 10, true},
		{"\xc3\xa9t\xc3\xa9", 5, true},
		{"a.", 2, true},
		{".hidden", 7, true},
		{"", 0, false},
		{".", 1, false},
		{"..", 2, false},
		{"a..b", 4, false},
		{"../root", 7, false},
		{"a/b", 3, false},
		{"/", 1, false},
		{"/etc/passwd", 11, false},
		{"-root", 5, false},
		{"-", 1, false},
		{"a\0b", 3, false},
		{"\0", 1, false},
		{"a\n", 2, false},
		{"\x1b[2J", 4, false},
		{"a\x7f", 2, false},
		{"tab\t", 4, false},
	};
	char longest[SSH_USER_MAX + 1];

	for (size_t i = 0; i < N(c); i++)
		cr_expect_eq(user_name_ok(c[i].name, c[i].len), c[i].ok, "case %zu", i);
	memset(longest, 'x', sizeof(longest));
	cr_expect(user_name_ok(longest, SSH_USER_MAX));
	cr_expect(!user_name_ok(longest, SSH_USER_MAX + 1));
}

Test(control_user, password_lines)
{
	static const struct {
		const char *line;
		int err;
		const char *hash;
	} c[] = {
		{"demo:$6$salt$hash", 0, "$6$salt$hash"},
		{"demo:$y$j9T$x$y\r", 0, "$y$j9T$x$y"},
		{"demo:", 0, ""},
		{"demo:!", 0, "!"},
		{"", -ENOENT, NULL},
		{"# demo:$6$x$y", -ENOENT, NULL},
		{"demo", -EINVAL, NULL},
		{":$6$x$y", -EINVAL, NULL},
		{"demo:$6$x$y:19000:0:99999:7:::", 0, "$6$x$y"}, /* of shadow(5) */
		{"demo:$6$x$y:::::::", 0, "$6$x$y"},
		{"demo:$6$x$y:-1:-1:-1:-1:-1:-1:-1", 0, "$6$x$y"},
		{"demo:$6$x$y:", -EINVAL, NULL},
		{"demo:$6$x$y:19000:0:99999", -EINVAL, NULL},
		{"demo:$6$x$y:19000:0:99999:7::", -EINVAL, NULL},
		{"demo:$6$x$y:19000:0:99999:7::::", -EINVAL, NULL},
		{"demo:$6$x$y:today:0:99999:7:::", -EINVAL, NULL},
		{"demo:$6$x$y:19000:0:99999:7::20000 :", -EINVAL, NULL},
		{"demo:$6$x$y:19000:0:99999:7::+20000:", -EINVAL, NULL},
		{"demo:$6$x$y:19000:0:99999:7::-2:", -EINVAL, NULL},
		{"demo:$6$x$y:19000:0:99999:7::99999999:", -EINVAL, NULL},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct passfile_line l = {0};

		cr_expect_eq(passfile_line_parse(c[i].line, strlen(c[i].line), &l), c[i].err, "%s",
			     c[i].line);
		if (c[i].err < 0)
			continue;
		cr_expect_eq(l.user_len, 4);
		cr_expect_eq(l.hash_len, strlen(c[i].hash));
		cr_expect_eq(memcmp(l.hash, c[i].hash, l.hash_len), 0);
	}
}

/* shadow(5), as sshd reads it: the day itself is within. */
Test(control_user, when_a_line_is_over)
{
	static const struct {
		const char *line;
		uint64_t account, password;
	} c[] = {
		{"demo:x", UINT64_MAX, UINT64_MAX},
		{"demo:x:::::::", UINT64_MAX, UINT64_MAX},
		{"demo:x:19000:0:99999:7:::", UINT64_MAX, 118999ULL * 86400 + 86400},
		{"demo:x:19000:0::7:::", UINT64_MAX, UINT64_MAX},
		{"demo:x:::90:7:::", UINT64_MAX, UINT64_MAX},
		{"demo:x:0::::::", UINT64_MAX, 0},
		{"demo:x:0:0:99999:7:::", UINT64_MAX, 0},
		{"demo:x:19000:0:0:7:::", UINT64_MAX, 19001ULL * 86400},
		{"demo:x::::::20000:", 20001ULL * 86400, UINT64_MAX},
		{"demo:x::::::0:", 86400, UINT64_MAX},
		{"demo:x:19000:0:90:7:30:20000:", 20001ULL * 86400, 19091ULL * 86400},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct passfile_line l = {0};

		cr_assert_eq(passfile_line_parse(c[i].line, strlen(c[i].line), &l), 0);
		cr_expect_eq(l.ends.account, c[i].account, "%s", c[i].line);
		cr_expect_eq(l.ends.password, c[i].password, "%s", c[i].line);
	}
}

Test(control_user, password_of_whom)
{
	static const char text[] = "# users\n\nlocked:!\nalice:$5$a$first\nbob:$5$b$bob\n"
				   "alice:$5$a$second\nempty:\n";
	static const struct {
		const char *user;
		int err;
		const char *hash;
	} c[] = {
		{"alice", 0, "$5$a$first"}, /* the first line counts */
		{"bob", 0, "$5$b$bob"},
		{"empty", 0, ""},
		{"locked", 0, "!"},
		/* The unknown are measured against what others cost (S-32). */
		{"carol", -ENOENT, "$5$a$first"},
		{"", -ENOENT, "$5$a$first"},
		{"alic", -ENOENT, "$5$a$first"},
		{"alice:$5$a$first", -ENOENT, "$5$a$first"},
		{"# users", -ENOENT, "$5$a$first"},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct passfile_hash hash;

		cr_expect_eq(passfile_find(text, strlen(text), c[i].user, &hash), c[i].err, "%s",
			     c[i].user);
		cr_expect_str_eq(hash.own, c[i].hash, "%s", c[i].user);
		/* Those whose own hash is none are measured as the unknown are. */
		cr_expect_str_eq(hash.decoy, "$5$a$first", "%s", c[i].user);
	}
}

Test(control_user, an_empty_file_measures_against_the_decoy)
{
	struct passfile_hash hash;

	cr_expect_eq(passfile_find("", 0, "x", &hash), -ENOENT);
	cr_expect_str_eq(hash.own, passwd_decoy());
	cr_expect_str_eq(hash.decoy, passwd_decoy());
}

/* A method crypt(3) does not know is refused at once: nobody must be measured by it. */
Test(control_user, a_hash_that_cannot_be_checked_is_no_decoy)
{
	static const char text[] = "a:$nosuch$x$y\nb:*\nc:plain\nd:$6$x$y\n";
	struct passfile_hash hash;

	cr_expect_eq(passfile_find(text, strlen(text), "a", &hash), 0);
	cr_expect_str_eq(hash.own, "$nosuch$x$y");
	cr_expect_str_eq(hash.decoy, "$6$x$y");
	cr_expect_eq(passfile_find(text, 30, "z", &hash), -ENOENT);
	cr_expect_str_eq(hash.own, passwd_decoy());
}

static int read_as(const struct userfile_rules *rules, size_t max)
{
	char *text = NULL, why[256] = "";
	size_t len = 0;
	int r = userfile_read(path, rules, max, &text, &len, why, sizeof(why));

	cr_expect(r == 0 || r == -ENOENT || why[0] != '\0', "a refusal says why");
	cr_expect(r == 0 || text == NULL);
	userfile_free(text, len);
	return r;
}

Test(control_user, modes_of_files)
{
	const struct userfile_rules strict = {
		.strict = true, .owner = (uid_t)-1, .deny = S_IWGRP | S_IWOTH};
	const struct userfile_rules lax = {.owner = (uid_t)-1};
	static const struct {
		mode_t mode;
		int err;
	} c[] = {{0600, 0},       {0644, 0},       {0444, 0},
		 {0664, -EACCES}, {0606, -EACCES}, {0666, -EACCES}};

	for (size_t i = 0; i < N(c); i++) {
		put(path, "text", c[i].mode);
		cr_expect_eq(read_as(&strict, 100), c[i].err, "mode %o", c[i].mode);
		cr_expect_eq(read_as(&lax, 100), 0, "StrictModes no");
	}
}

Test(control_user, modes_of_folders)
{
	const struct userfile_rules strict = {
		.strict = true, .owner = (uid_t)-1, .deny = S_IWGRP | S_IWOTH};

	put(path, "text", 0600);
	cr_expect_eq(read_as(&strict, 100), 0);
	cr_assert_eq(chmod(dir, 0775), 0);
	cr_expect_eq(read_as(&strict, 100), -EACCES);
	cr_assert_eq(chmod(dir, 0757), 0);
	cr_expect_eq(read_as(&strict, 100), -EACCES);
}

Test(control_user, a_link_is_judged_by_where_it_leads)
{
	const struct userfile_rules strict = {
		.strict = true, .owner = (uid_t)-1, .deny = S_IWGRP | S_IWOTH};
	char open_dir[160], target[192];

	snprintf(open_dir, sizeof(open_dir), "%s/open", dir);
	snprintf(target, sizeof(target), "%s/keys", open_dir);
	cr_assert_eq(mkdir(open_dir, 0755), 0);
	put(target, "text", 0600);
	cr_assert_eq(symlink(target, path), 0);
	cr_expect_eq(read_as(&strict, 100), 0);
	cr_assert_eq(chmod(open_dir, 0777), 0);
	cr_expect_eq(read_as(&strict, 100), -EACCES);
}

Test(control_user, what_is_no_plain_file_is_refused_at_once)
{
	const struct userfile_rules lax = {.owner = (uid_t)-1};

	cr_expect_eq(read_as(&lax, 100), -ENOENT);
	cr_assert_eq(mkfifo(path, 0600), 0); /* nobody writes: an open that waits would hang */
	cr_expect_eq(read_as(&lax, 100), -EINVAL);
	unlink(path);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_expect_eq(read_as(&lax, 100), -EINVAL);
}

Test(control_user, a_file_too_large_is_refused_whole)
{
	const struct userfile_rules lax = {.owner = (uid_t)-1};

	put(path, "0123456789", 0600);
	cr_expect_eq(read_as(&lax, 10), 0);
	cr_expect_eq(read_as(&lax, 9), -EFBIG);
}

/* --- the lookup as a whole ---------------------------------------------------------- */

static bool without_key, with_passwords;

static void lookup(const char *user, struct user_lookup *l)
{
	char template[160], pw[160] = "";
	struct key *k = NULL;
	const uint8_t *blob;

	snprintf(template, sizeof(template), "%s/%%u", dir);
	if (with_passwords)
		snprintf(pw, sizeof(pw), "%s/passwords", dir);
	*l = (struct user_lookup){.name_ok = user_name_ok(user, strlen(user)),
				  .strict_modes = true,
				  .n_paths = 1,
				  .peer = {.family = 4, .addr = {192, 0, 2, 1}},
				  .now = 1700000000};
	snprintf(l->user, sizeof(l->user), "%s", user);
	l->keys_path[0] = strdup(template);
	l->password_path = with_passwords ? strdup(pw) : NULL;
	cr_assert_eq(key_public_line_parse(A, strlen(A), &k), 0);
	blob = key_blob(k, &l->key_blob_len);
	l->key_blob = malloc(l->key_blob_len);
	memcpy(l->key_blob, blob, l->key_blob_len);
	key_free(k);
	if (without_key) {
		free(l->key_blob);
		l->key_blob = NULL;
	}
	user_lookup_run(l);
}

Test(control_user, lookups)
{
	static const struct {
		const char *user;
		bool exists, has_hash, key_found;
	} c[] = {
		{"demo", true, false, true},
		{"alice", true, true, false},
		{"nobody-here", false, false, false},
		{"passwords", true, false, false}, /* a file by that name: exists, no keys in it */
		{"../demo", false, false, false},
		{"", false, false, false},
	};
	char pw[160];

	put(path, "restrict " A "\n", 0600);
	with_passwords = true;
	snprintf(pw, sizeof(pw), "%s/passwords", dir);
	put(pw, "alice:$5$a$hash\n", 0600);
	for (size_t i = 0; i < N(c); i++) {
		struct user_lookup l;

		lookup(c[i].user, &l);
		cr_expect_eq(l.exists, c[i].exists, "%s", c[i].user);
		cr_expect_eq(l.has_hash, c[i].has_hash, "%s", c[i].user);
		cr_expect_eq(l.key_found, c[i].key_found, "%s", c[i].user);
		cr_expect_str_eq(l.hash.own, "$5$a$hash", "everybody is measured the same");
		user_lookup_fini(&l);
	}
}

/* A system of one user, demo, in groups of 1000 and more; the first has many members. */
static unsigned int n_groups = 300;
static size_t room_needed = 100000;
static int nss_error; /* what it says; 0: the truth; ERANGE: to who has no room for 50,000 bytes */
static unsigned int nss_asked;

int getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t size, struct passwd **ret)
{
	nss_asked++;
	*ret = NULL;
	if (nss_error != 0 && (nss_error != ERANGE || size < 50000))
		return nss_error;
	strcpy(buf, "/none");
	*pw = (struct passwd){
		.pw_name = (char *)name, .pw_uid = 1000, .pw_gid = 1000, .pw_dir = buf};
	*ret = strcmp(name, "demo") == 0 ? pw : NULL;
	return 0;
}

int getgrouplist(const char *user, gid_t gid, gid_t *list, int *n)
{
	bool fits = *n >= (int)n_groups;

	(void)user;
	for (int i = 0; i < *n && i < (int)n_groups; i++)
		list[i] = gid + (gid_t)i;
	*n = (int)n_groups;
	return fits ? *n : -1;
}

int getgrgid_r(gid_t gid, struct group *gr, char *buf, size_t size, struct group **ret)
{
	*ret = NULL;
	if (gid == 1000 && size < room_needed)
		return ERANGE;
	snprintf(buf, size, "g%u", gid);
	*gr = (struct group){.gr_name = buf, .gr_gid = gid};
	*ret = gr;
	return 0;
}

static void groups_of(const char *user, struct user_lookup *l)
{
	*l = (struct user_lookup){.name_ok = true, .only_account = true, .want_groups = true};
	snprintf(l->user, sizeof(l->user), "%s", user);
	user_lookup_run(l);
}

/* Of who is in a group that is denied, none may be missing. */
Test(control_user, all_groups_are_found_however_large_and_many)
{
	struct user_lookup l;

	groups_of("demo", &l);
	cr_expect(!l.lost);
	cr_assert_eq(l.n_groups, 300);
	cr_expect_str_eq(l.groups[0], "g1000");
	cr_expect_str_eq(l.groups[299], "g1299");
	user_lookup_fini(&l);
}

Test(control_user, groups_that_cannot_be_told_lose_the_look_up)
{
	struct user_lookup l;

	room_needed = SIZE_MAX;
	groups_of("demo", &l);
	cr_expect(l.lost);
	user_lookup_fini(&l);
	room_needed = 0;
	n_groups = 100000;
	groups_of("demo", &l);
	cr_expect(l.lost);
	user_lookup_fini(&l);
	groups_of("nobody-here", &l);
	cr_expect(!l.lost);
	user_lookup_fini(&l);
}

Test(control_user, a_key_file_others_write_lets_nobody_in)
{
	struct user_lookup l;

	put(path, A "\n", 0666);
	lookup("demo", &l);
	cr_expect(l.exists);
	cr_expect(!l.key_found);
	cr_expect_not_null(strstr(l.note, "bad ownership or modes for file"));
	user_lookup_fini(&l);
}

/* S-32: reading takes time, and a refused "none" is not delayed. */
Test(control_user, s32_who_asks_about_no_key_has_no_key_file_read)
{
	struct user_lookup l;

	put(path, A "\n", 0666);
	without_key = true;
	lookup("demo", &l);
	cr_expect(l.exists);
	cr_expect_str_eq(l.note, "");
	user_lookup_fini(&l);
	lookup("nobody-here", &l);
	cr_expect(!l.exists);
	user_lookup_fini(&l);
}

Test(control_user, hashes_others_read_are_not_used)
{
	struct user_lookup l;
	char pw[160];

	with_passwords = true;
	snprintf(pw, sizeof(pw), "%s/passwords", dir);
	put(pw, "demo:$5$a$hash\n", 0644);
	lookup("demo", &l);
	cr_expect(!l.has_hash);
	cr_expect(l.lost);
	cr_expect_not_null(strstr(l.note, "bad ownership or modes for file"));
	user_lookup_fini(&l);
}

/* Whose account is over stands in it: without it nobody can tell, whatever he shows. */
Test(control_user, without_the_file_of_accounts_nobody_can_tell)
{
	static const char *const user[] = {"demo", "nobody-here", "../demo"};
	char pw[160];

	with_passwords = true;
	snprintf(pw, sizeof(pw), "%s/passwords", dir);
	put(path, A "\n", 0600);
	for (int missing = 0; missing < 2; missing++) {
		(void)unlink(pw);
		if (!missing)
			cr_assert_eq(mkdir(pw, 0700), 0); /* no file is read from it */
		else
			(void)rmdir(pw);
		for (size_t i = 0; i < N(user); i++) {
			struct user_lookup l;

			lookup(user[i], &l);
			cr_expect(l.lost, "%s", user[i]);
			cr_expect(!l.key_found && !l.has_hash, "%s", user[i]);
			cr_expect_not_null(strstr(l.note, "PasswordHashFile: "));
			user_lookup_fini(&l);
		}
	}
	put(pw, "", 0600);
	for (size_t i = 0; i < N(user); i++) {
		struct user_lookup l;

		lookup(user[i], &l);
		cr_expect(!l.lost);
		cr_expect_eq(l.key_found, i == 0);
		user_lookup_fini(&l);
	}
}

/* --- accounts that cannot be told, and lines that are over ----------------------------- */

/* getpwnam_r(3): not to know a name is one thing, not to be able to tell another. */
Test(control_user, a_database_that_fails_has_not_said_no)
{
	static const struct {
		int err;
		bool lost;
	} c[] = {
		{0, false},     {ENOENT, false}, {ESRCH, false},    {EBADF, false},
		{EPERM, false}, {EIO, true},     {EMFILE, true},    {ENFILE, true},
		{ENOMEM, true}, {EAGAIN, true},  {ETIMEDOUT, true},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct account acc;
		struct user_lookup l;
		char name[32];

		snprintf(name, sizeof(name), "no-such-user-%zu", i); /* answers are kept */
		nss_error = c[i].err;
		account_find(name, &acc);
		cr_expect_eq(acc.lost, c[i].lost, "%d", c[i].err);
		cr_expect_not(acc.known);
		lookup(name, &l);
		cr_expect_eq(l.lost, c[i].lost, "%d", c[i].err);
		user_lookup_fini(&l);
	}
}

/* The next who asks is told what holds by then. */
Test(control_user, a_failure_is_not_kept)
{
	struct account acc;

	nss_error = EIO;
	account_find("demo", &acc);
	cr_expect(acc.lost && !acc.known);
	nss_error = 0;
	account_find("demo", &acc);
	cr_expect(acc.known && !acc.lost);
	cr_expect_eq(acc.uid, 1000);
	nss_asked = 0;
	nss_error = EIO;
	account_find("demo", &acc);
	cr_expect(acc.known, "an answer is kept");
	cr_expect_eq(nss_asked, 0);
}

Test(control_user, an_entry_may_be_long)
{
	struct account acc;

	nss_error = ERANGE;
	account_find("demo", &acc);
	cr_expect(acc.known && !acc.lost);
}

/* His line says when the account ends, for every method, and whether the password counts. */
Test(control_user, lines_that_are_over)
{
	static const struct {
		const char *more;
		bool exists, over, has_hash;
	} c[] = {
		{"", true, false, true},
		{":::::::", true, false, true},
		{"::::::99999:", true, false, true},
		{"::::::1:", true, true, true},
		{":0::::::", true, false, false},
		{":19000:0:1::::", true, false, false},
		{":19000:0:9999999::::", true, false, true},
		{":x::::::", false, false, false},
	};
	char pw[160], text[128];

	with_passwords = true;
	snprintf(pw, sizeof(pw), "%s/passwords", dir);
	for (size_t i = 0; i < N(c); i++) {
		struct user_lookup l;

		snprintf(text, sizeof(text), "demo:$5$a$own%s\nother:$5$b$other\n", c[i].more);
		put(pw, text, 0600);
		without_key = true;
		lookup("demo", &l);
		cr_expect_eq(l.exists, c[i].exists, "%s", c[i].more);
		cr_expect_eq(l.account_over, c[i].over, "%s", c[i].more);
		cr_expect_eq(l.has_hash, c[i].has_hash, "%s", c[i].more);
		cr_expect_eq(strcmp(l.hash.own, l.hash.decoy) == 0 || c[i].has_hash, true);
		cr_expect(c[i].has_hash || !c[i].exists || strstr(l.note, "has expired") != NULL);
		user_lookup_fini(&l);
	}
}
