/* What control asks sluice-helper for, seen by a client: PAM's conversations, programs that know
 * keys. */
#include <sys/un.h>
#include <sys/wait.h>

#include "control/helper/client.h"
#include "control/helper/job.h"
#include "control/helper/server.h"
#include "crypto/cert.h"
#include "tests/util/login_bench.h"

#define RIGHT "password=right"

static struct {
	char dir[64];
	struct helper helper;
	pid_t pid;
} h = {.dir = "/tmp/sluice-pam-XXXXXX"};

static void helper_files(const char *auth, const char *account)
{
	char text[1024];

	cr_assert_not_null(mkdtemp(h.dir));
	cr_assert_eq(chmod(h.dir, 0755), 0);
	snprintf(h.helper.path, sizeof(h.helper.path), "%s/helper.sock", h.dir);
	snprintf(text, sizeof(text),
		 "auth required %s %s\naccount required %s %s\npassword required %s %s\n",
		 PAM_MODULE, auth, PAM_MODULE, account, PAM_MODULE, account);
	control_file(h.dir, "sluice", text, 0644);
}

/* Judged by the configuration that control will have; before there are threads. */
static void helper_start(const char *more)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	control_dir(t.dir); /* both read the same, of the same name */
	strcpy(sun.sun_path, h.helper.path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(listen(fd, 64), 0);
	h.pid = fork();
	if (h.pid == 0) {
		struct helper_rules rules = {.conf = conf_make(more)};
		int r;

		job_pam_dir = h.dir;
		log_sink_set(sink, NULL);
		r = helper_serve(fd, geteuid(), &rules);
		conf_put(rules.conf);
		_exit(r == 0 ? 0 : 1);
	}
	close(fd);
}

static void begin(const char *auth, const char *account, const char *more)
{
	helper_files(auth, account);
	helper_start(more);
	start(more);
	h.helper.loop = &t.loop;
	t.env.helper = &h.helper;
}

static void end(void)
{
	stop();
	kill(h.pid, SIGTERM);
	waitpid(h.pid, NULL, 0);
	control_dir_remove(h.dir);
}

TestSuite(control_pam, .fini = end, .timeout = 60);

Test(control_pam, passwords_are_its_own)
{
	struct client c;

	begin(RIGHT, "", "UsePAM yes\nPermitRootLogin yes");
	client_start(&c, "root");
	cr_expect(!try_password(&c, "wrong", 5));
	cr_expect(try_password(&c, "right", 5));
	client_free(&c);
	client_start(&c, "alice"); /* has a hash, and no account */
	cr_expect(!try_password(&c, "secret", 6));
	client_free(&c);
}

Test(control_pam, a_conversation_of_two_rounds)
{
	struct client c;

	begin(RIGHT " code=42", "", "UsePAM yes\nPermitRootLogin yes");
	client_start(&c, "root");
	cr_assert(try_kbdint(&c));
	cr_expect_str_eq(c.prompts, "Module password: ");
	cr_expect(!answer(&c, "right", NULL));
	cr_expect_str_eq(c.prompts, "Code: ");
	cr_expect(answer(&c, "42", NULL));
	client_free(&c);
}

/* S-32: who does not exist, or may not, has the same conversation as far as it goes. */
Test(control_pam, s32_the_unknown_are_asked_too)
{
	static const char *const user[] = {"root", "nobody-here"};

	begin(RIGHT " code=42", "", "UsePAM yes");
	for (size_t i = 0; i < N(user); i++) {
		struct client c;

		client_start(&c, user[i]); /* root: prohibit-password */
		cr_assert(try_kbdint(&c), "%s", user[i]);
		cr_expect_str_eq(c.prompts, "Module password: ");
		cr_expect(!answer(&c, "right", NULL));
		cr_expect_neq(c.login_id, 0);
		client_free(&c);
	}
}

Test(control_pam, s31_an_expired_password_is_changed)
{
	struct client c;

	begin(RIGHT, "expired new=fresh", "UsePAM yes\nPermitRootLogin yes");
	client_start(&c, "root");
	cr_expect(!try_password(&c, "right", 5), "it has to be changed");
	cr_assert_neq(c.login_id, 0);
	cr_assert_eq(ssh_brain_login_change(c.brain, c.login_id, "right", 5, "stale", 5), 0);
	client_run(&c);
	cr_expect(!c.in);
	cr_expect(!try_password(&c, "right", 5));
	cr_assert_eq(ssh_brain_login_change(c.brain, c.login_id, "right", 5, "fresh", 5), 0);
	client_run(&c);
	cr_expect(c.in);
	client_free(&c);
}

Test(control_pam, a_module_that_crashes_is_a_no)
{
	struct client c;

	begin(RIGHT " crash", "", "UsePAM yes\nPermitRootLogin yes");
	client_start(&c, "root");
	cr_expect(!try_password(&c, "right", 5));
	cr_expect(!c.ended);
	client_free(&c);
	cr_assert(login(&c, "demo", t.key[0]), "others log in");
	client_free(&c);
}

/* While one waits for his module another logs in; and who goes takes the child along. */
Test(control_pam, a_module_that_sleeps_holds_nobody_up)
{
	struct client slow, c;

	begin("sleep", "", "UsePAM yes\nPermitRootLogin yes");
	client_start(&slow, "root");
	cr_assert_eq(ssh_brain_login_password(slow.brain, slow.login_id, "x", 1), 0);
	client_flush(&slow);
	while (ssh_pump_step(&slow.pump, &(struct ssh_act){0}) == 0)
		;
	client_flush(&slow);
	cr_assert(login(&c, "demo", t.key[0]));
	client_free(&c);
	client_free(&slow);
}

Test(control_pam, without_a_helper_it_is_a_no)
{
	struct client c;

	begin(RIGHT, "", "UsePAM yes\nPermitRootLogin yes");
	strcat(h.helper.path, "x");
	client_start(&c, "root");
	cr_expect(!try_password(&c, "right", 5));
	cr_expect(!c.ended);
	client_free(&c);
}

/* --- AuthorizedKeysCommand -------------------------------------------------------------------- */

static void begin_command(const char *script, const char *more)
{
	char line[2048], text[4096];
	const char *me = geteuid() == 0 ? "root" : getenv("USER");

	helper_files(RIGHT, "");
	snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
	control_file(h.dir, "keys-of", text, 0755);
	snprintf(text, sizeof(text),
		 "AuthorizedKeysCommand %s/keys-of %%u %%t\nAuthorizedKeysCommandUser %s\n%s",
		 h.dir, me, more);
	helper_start(text);
	start(text);
	key_line(t.key[1], "restrict", line, sizeof(line));
	control_file(h.dir, "line", line, 0644);
	h.helper.loop = &t.loop;
	t.env.helper = &h.helper;
}

Test(control_pam, a_program_knows_keys)
{
	struct client c;

	begin_command("[ \"$1 $2\" = 'carol ssh-ed25519' ] && cat $(dirname $0)/line", "");
	cr_expect(login(&c, "carol", t.key[1]), "who has no file");
	cr_expect_eq(open_direct(&c, "10.0.0.1", 80), SSH_OPEN_ADMINISTRATIVELY_PROHIBITED,
		     "the line's options hold");
	client_free(&c);
	cr_expect(!login(&c, "carol", t.key[2]));
	client_free(&c);
	cr_expect(!login(&c, "dave", t.key[1]));
	client_free(&c);
	cr_expect(login(&c, "demo", t.key[0]), "files go before");
	client_free(&c);
}

Test(control_pam, a_program_that_fails_says_nothing)
{
	struct client c;

	begin_command("cat $(dirname $0)/line; exit 1", "");
	cr_expect(!login(&c, "carol", t.key[1]));
	cr_expect(!c.ended);
	client_free(&c);
	expect_logged("AuthorizedKeysCommand for carol: the program failed");
}

/* What it writes is not a text: a NUL is no end of it, and nothing behind it is looked at. */
Test(control_pam, a_program_that_writes_a_nul)
{
	struct client c;

	begin_command("printf '#\\000'; head -c 100000 /dev/zero; echo; cat $(dirname $0)/line",
		      "");
	cr_expect(login(&c, "carol", t.key[1]), "the line behind it is one");
	client_free(&c);
}

/* --- AuthorizedPrincipalsCommand ----------------------------------------------------------------
 */

static bool login_cert(struct client *c, const char *user, const struct key *ca)
{
	static const char *const names[] = {"role"};
	const struct cert_spec spec = {.role = CERT_USER,
				       .key_id = "id",
				       .principals = names,
				       .n_principals = 1,
				       .valid_before = UINT64_MAX};
	struct key *cert = NULL;

	cr_assert_eq(cert_build(t.key[1], &spec, ca, NULL, &cert), 0);
	client_start(c, user);
	sign_with = t.key[1];
	cr_assert_eq(ssh_brain_login_publickey(c->brain, c->login_id, cert,
					       "ssh-ed25519-cert-v01@openssh.com"),
		     0);
	client_run(c);
	sign_with = NULL;
	key_free(cert);
	return c->in;
}

/* It is told what stands in certificates, so it is not asked about those of strangers. */
Test(control_pam, a_program_is_asked_about_certificates_of_our_authorities_alone)
{
	char text[4096], line[2048], path[128];
	const char *me = geteuid() == 0 ? "root" : getenv("USER");
	struct client c;

	helper_files(RIGHT, "");
	control_file(h.dir, "roles", "#!/bin/sh\ntouch $(dirname $0)/asked\necho role\n", 0755);
	snprintf(text, sizeof(text),
		 "TrustedUserCAKeys %s/ca\nAuthorizedPrincipalsCommand %s/roles %%u %%i\n"
		 "AuthorizedPrincipalsCommandUser %s",
		 h.dir, h.dir, me);
	helper_start(text);
	start(text);
	h.helper.loop = &t.loop;
	t.env.helper = &h.helper;
	key_line(t.key[0], "", line, sizeof(line));
	control_file(h.dir, "ca", line, 0644);
	snprintf(path, sizeof(path), "%s/asked", h.dir);
	cr_expect(!login_cert(&c, "demo", t.key[2]));
	client_free(&c);
	cr_expect_eq(access(path, F_OK), -1, "of a stranger's authority");
	cr_expect(login_cert(&c, "demo", t.key[0]));
	client_free(&c);
	cr_expect_eq(access(path, F_OK), 0);
}
