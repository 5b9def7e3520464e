/*
 * Methods of authentication through control as a whole: rounds of questions, chains, codes,
 * banners, groups, root, versions, silence.
 */
#include <liboath/oath.h>
#include <time.h>

#include "crypto/cert.h"
#include "ssh/internal.h"
#include "tests/util/login_bench.h"

TestSuite(control_methods, .fini = stop, .timeout = 60);

#define SEED "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

/* The code that counts now, or another one. */
static const char *code(bool right)
{
	static char text[16];

	cr_assert_eq(oath_totp_generate("12345678901234567890", 20, time(NULL), 30, 0, 6, text),
		     OATH_OK);
	if (!right)
		text[0] = text[0] == '0' ? '1' : '0';
	return text;
}

/* What stands in more comes after a line about files that only this run knows. */
static void start_with_codes(const char *more)
{
	char dir[64] = "/tmp/sluice-codes-XXXXXX", text[2048];

	cr_assert_not_null(mkdtemp(dir));
	control_file(dir, "secrets", "alice:" SEED "\nempty:" SEED "\n", 0600);
	snprintf(text, sizeof(text), "TOTPSecretFile %s/secrets\nTOTPStateFile %s/state\n%s", dir,
		 dir, more);
	start(text);
}

/* --- keyboard-interactive ----------------------------------------------------------------- */

Test(control_methods, the_password_is_asked_for)
{
	struct client c;

	start("KbdInteractiveName Gateway\nKbdInteractiveInstruction \"Say it\"\n"
	      "KbdInteractivePrompt \"Passwort: \" echo");
	client_start(&c, "alice");
	cr_assert(try_kbdint(&c));
	cr_expect_str_eq(c.prompts_name, "Gateway");
	cr_expect_str_eq(c.instruction, "Say it");
	cr_expect_str_eq(c.prompts, "Passwort: ");
	cr_expect_eq(c.n_shown, 1);
	cr_expect(!answer(&c, "wrong", NULL));
	cr_assert(try_kbdint(&c));
	cr_expect(answer(&c, "secret", NULL));
	client_free(&c);
	expect_logged("Accepted keyboard-interactive for alice from ");
}

Test(control_methods, keyboard_interactive_can_be_off)
{
	struct client c;

	start("KbdInteractiveAuthentication no");
	client_start(&c, "alice");
	cr_expect(!try_kbdint(&c));
	cr_expect_str_eq(c.methods, "publickey,password");
	client_free(&c);
}

Test(control_methods, signatures_are_reported)
{
	struct client c;

	start("ReportSignatureStatus yes");
	client_start(&c, "demo");
	cr_expect(!try_key(&c, t.key[2]), "a good one by nobody's key");
	spoil_signatures = true;
	cr_expect(!try_key(&c, t.key[0]));
	client_free(&c);
	expect_logged("Signature of publickey for demo from 127.0.0.1 port ");
	expect_logged(": good: ED25519 SHA256:");
	expect_logged(": bad: ED25519 SHA256:");
}

/* S-32: nobody learns from questions and failures who exists. */
Test(control_methods, s32_the_unknown_are_asked_the_same)
{
	static const char *const user[] = {"alice", "demo", "nobody-here", "denied", "locked"};

	start_with_codes("");
	for (size_t i = 0; i < N(user); i++) {
		struct client c;

		client_start(&c, user[i]);
		cr_assert(try_kbdint(&c), "%s", user[i]);
		cr_expect_str_eq(c.prompts, "Password: Verification code: ", "%s", user[i]);
		cr_expect_eq(c.n_shown, 0, "as long as nobody says so");
		cr_expect(!answer(&c, "x", code(false)));
		cr_expect_str_eq(c.methods, "publickey,password,keyboard-interactive");
		client_free(&c);
	}
}

Test(control_methods, password_and_code_must_both_be_right_and_a_code_counts_once)
{
	struct client c;

	start_with_codes("");
	client_start(&c, "alice");
	cr_assert(try_kbdint(&c));
	cr_expect(!answer(&c, "wrong", code(true)));
	cr_assert(try_kbdint(&c));
	cr_expect(!answer(&c, "secret", code(false)));
	cr_assert(try_kbdint(&c));
	cr_expect(answer(&c, "secret", code(true)), "it was not used up by the wrong password");
	client_free(&c);
	client_start(&c, "alice");
	cr_assert(try_kbdint(&c));
	cr_expect(!answer(&c, "secret", code(true)), "the same code again");
	client_free(&c);
}

/* A prompt whose answer nobody would judge must not look as if somebody did. */
Test(control_methods, more_prompts_than_sources_let_nobody_in)
{
	struct client c;

	start("KbdInteractivePrompt \"Password: \" noecho\nKbdInteractivePrompt \"Pet: \" echo");
	client_start(&c, "alice");
	cr_expect(!try_kbdint(&c));
	cr_expect(!c.in);
	client_free(&c);
	expect_logged("KbdInteractivePrompt: 2 prompts, but 1 sources");
}

/* S-29 through control: what was asked is forgotten with its conversation. */
Test(control_methods, s29_a_conversation_that_is_given_up_is_over)
{
	struct client c;

	start("MaxAuthTries 3");
	client_start(&c, "alice");
	cr_assert(try_kbdint(&c));
	c.login_id = 0;
	/* Another request instead of an answer: the brain would not, so its ask is bent. */
	c.brain->auth_ask.kind = SSH_ACT_LOGIN;
	cr_assert_eq(ssh_brain_login_password(c.brain, c.prompt_id, "secret", 6), 0);
	client_run(&c);
	cr_expect(c.in);
	client_free(&c);
	expect_logged("Failed keyboard-interactive for alice from ");
	expect_logged("Accepted password for alice from ");
}

/* --- chains ---------------------------------------------------------------------------------- */

static void start_chain(const char *methods, const char *more)
{
	char text[512];

	snprintf(text, sizeof(text), "%s\nAuthenticationMethods %s", more, methods);
	start_with_codes(text);
	/* One who has both. */
	{
		char line[2048];

		key_line(t.key[0], "", line, sizeof(line));
		control_file(t.dir, "keys/alice", line, 0600);
	}
}

Test(control_methods, a_key_and_a_password)
{
	struct client c;

	start_chain("publickey,password", "");
	client_start(&c, "alice");
	cr_expect(!try_none(&c));
	cr_expect_str_eq(c.methods, "publickey");
	cr_expect(!try_password(&c, "secret", 6), "not before the key");
	cr_expect(!try_key(&c, t.key[0]));
	cr_expect(ssh_brain_partial(c.brain));
	cr_expect_str_eq(c.methods, "password");
	cr_expect(!try_password(&c, "wrong", 5));
	cr_expect(!ssh_brain_partial(c.brain));
	cr_expect(try_password(&c, "secret", 6));
	client_free(&c);
	expect_logged("Partial publickey for alice from ");
	expect_logged("Accepted password for alice from ");
}

/* It need not ask first, and must not get in by what is not allowed yet. */
Test(control_methods, the_first_request_is_held_to_the_chain)
{
	struct client c;

	start_chain("publickey,password", "");
	client_start(&c, "alice");
	cr_expect(!try_password(&c, "secret", 6));
	cr_expect(!ssh_brain_partial(c.brain));
	cr_expect_str_eq(c.methods, "publickey");
	client_free(&c);
}

Test(control_methods, a_key_and_a_code)
{
	struct client c;

	start_chain("publickey,keyboard-interactive:totp", "");
	client_start(&c, "alice");
	cr_expect(!try_key(&c, t.key[0]));
	cr_expect_str_eq(c.methods, "keyboard-interactive");
	cr_assert(try_kbdint(&c));
	cr_expect_str_eq(c.prompts, "Verification code: ");
	cr_expect(answer(&c, code(true), NULL));
	client_free(&c);
}

Test(control_methods, the_same_key_twice_is_one_key)
{
	char both[4096], line[2048];
	struct client c;

	start_chain("publickey,publickey", "");
	key_line(t.key[0], "", both, sizeof(both));
	key_line(t.key[1], "", line, sizeof(line));
	strcat(both, line);
	control_file(t.dir, "keys/alice", both, 0600);
	client_start(&c, "alice");
	cr_expect(!try_key(&c, t.key[0]));
	cr_expect(ssh_brain_partial(c.brain));
	cr_expect(!try_key(&c, t.key[0]));
	cr_expect(!ssh_brain_partial(c.brain));
	cr_expect(try_key(&c, t.key[1]));
	client_free(&c);
}

/* Nor does a certificate make another key of it. */
Test(control_methods, a_key_and_its_certificate_are_one_key)
{
	static const char *const names[] = {"alice"};
	const struct cert_spec spec = {.role = CERT_USER,
				       .key_id = "id",
				       .principals = names,
				       .n_principals = 1,
				       .valid_before = UINT64_MAX};
	char both[4096], line[2048];
	struct key *cert = NULL;
	struct client c;

	start_chain("publickey,publickey", "");
	key_line(t.key[0], "", both, sizeof(both));
	key_line(t.key[1], "cert-authority", line, sizeof(line));
	strcat(both, line);
	control_file(t.dir, "keys/alice", both, 0600);
	cr_assert_eq(cert_build(t.key[0], &spec, t.key[1], NULL, &cert), 0);
	client_start(&c, "alice");
	cr_expect(!try_key(&c, t.key[0]));
	cr_expect(ssh_brain_partial(c.brain));
	sign_with = t.key[0];
	cr_assert_eq(ssh_brain_login_publickey(c.brain, c.login_id, cert,
					       "ssh-ed25519-cert-v01@openssh.com"),
		     0);
	client_run(&c);
	cr_expect(!c.in);
	client_free(&c);
	/* Other than that the certificate does. */
	client_start(&c, "alice");
	cr_assert_eq(ssh_brain_login_publickey(c.brain, c.login_id, cert,
					       "ssh-ed25519-cert-v01@openssh.com"),
		     0);
	client_run(&c);
	cr_expect(ssh_brain_partial(c.brain));
	client_free(&c);
	sign_with = NULL;
	key_free(cert);
}

/* S-24: what the key of the first step may not, the password of the second does not give back. */
Test(control_methods, s24_the_limits_of_every_step_hold)
{
	struct client c;
	char line[2048];

	start_chain("publickey,password", "");
	key_line(t.key[1], "restrict", line, sizeof(line));
	control_file(t.dir, "keys/alice", line, 0600);
	client_start(&c, "alice");
	cr_expect(!try_key(&c, t.key[1]));
	cr_expect(try_password(&c, "secret", 6));
	cr_expect_eq(open_direct(&c, "10.0.0.1", 80), SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	client_free(&c);
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_CHAN_CONNECT), 0);
}

static atomic_ulong wall_now; /* seconds since 1970 */

static uint64_t wall(void)
{
	return wall_now;
}

/* A key that was good when it signed is not when the password follows too late. */
Test(control_methods, s24_what_expires_between_two_steps_lets_nobody_in)
{
	struct client c;
	char line[2048];

	t.env.sources.wall = wall;
	start_chain("publickey,password", "");
	key_line(t.key[0], "expiry-time=\"20300101000000Z\"", line, sizeof(line));
	control_file(t.dir, "keys/alice", line, 0600);
	for (int late = 0; late < 2; late++) {
		wall_now = 1893455999; /* a second before */
		client_start(&c, "alice");
		cr_expect(!try_key(&c, t.key[0]));
		cr_expect(ssh_brain_partial(c.brain));
		wall_now += (unsigned int)late;
		cr_expect_eq(try_password(&c, "secret", 6), !late);
		client_free(&c);
	}
	expect_logged("Authentication of alice refused: what it began with has expired");
}

/* Nor does anybody get in by a key while nobody can tell whose account is over. */
Test(control_methods, without_the_file_of_accounts_nobody_gets_in)
{
	struct client c;
	char path[128];

	start("");
	snprintf(path, sizeof(path), "%s/passwords", t.dir);
	cr_assert_eq(unlink(path), 0);
	cr_expect(!login(&c, "demo", t.key[0]));
	cr_expect(!try_password(&c, "x", 1));
	client_free(&c);
	expect_logged("what is known of user demo could not be found out: PasswordHashFile: cannot "
		      "read ");
	control_file(t.dir, "passwords", "", 0600);
	cr_expect(login(&c, "demo", t.key[0]));
	client_free(&c);
}

Test(control_methods, a_chain_of_methods_that_are_off_lets_nobody_in)
{
	struct client c;

	start_chain("publickey,hostbased", "");
	client_start(&c, "alice");
	cr_expect(!try_none(&c));
	cr_expect_str_eq(c.methods, "");
	cr_expect(!try_key(&c, t.key[0]));
	cr_expect(!try_password(&c, "secret", 6));
	client_free(&c);
	expect_logged("no AuthenticationMethods left after eliminating disabled methods");
}

Test(control_methods, none_may_stand_in_a_chain_for_those_without_a_password)
{
	struct client c;

	start_chain("none", "PermitEmptyPasswords yes");
	client_start(&c, "alice");
	cr_expect(!try_none(&c));
	client_free(&c);
}

/* --- who ------------------------------------------------------------------------------------- */

Test(control_methods, banners_by_user)
{
	char dir[64] = "/tmp/sluice-banner-XXXXXX", text[512];
	struct client c;

	cr_assert_not_null(mkdtemp(dir));
	control_file(dir, "all", "Keep out.\n", 0644);
	control_file(dir, "alice", "Welcome, Alice.\n", 0644);
	snprintf(text, sizeof(text), "Banner %s/all\nMatch User alice\nBanner %s/alice\n", dir,
		 dir);
	start(text);
	client_start(&c, "demo");
	cr_expect(!try_none(&c));
	cr_expect_str_eq(c.banner, "Keep out.\n");
	c.banner[0] = '\0';
	cr_expect(!try_none(&c));
	cr_expect_str_eq(c.banner, "", "once");
	client_free(&c);
	client_start(&c, "alice");
	cr_expect(try_password(&c, "secret", 6));
	cr_expect_str_eq(c.banner, "Welcome, Alice.\n");
	client_free(&c);
	control_dir_remove(dir);
}

/* root has an account and a group everywhere. */
static void root_gets(const char *more, const char *options, bool by_key, bool by_password)
{
	char line[2048], pw[512];
	struct crypt_data *cd = calloc(1, sizeof(*cd));
	struct client c;

	start(more);
	key_line(t.key[0], options, line, sizeof(line));
	control_file(t.dir, "keys/root", line, 0600);
	snprintf(pw, sizeof(pw), "root:%s\n", crypt_r("secret", "$5$rounds=1000$salt", cd));
	control_file(t.dir, "passwords", pw, 0600);
	free(cd);
	cr_expect_eq(login(&c, "root", t.key[0]), by_key, "%s: key", more);
	client_free(&c);
	client_start(&c, "root");
	cr_expect_eq(try_password(&c, "secret", 6), by_password, "%s: password", more);
	client_free(&c);
}

Test(control_methods, root_by_keys_alone_is_the_default)
{
	root_gets("", "", true, false);
}

Test(control_methods, root_by_anything)
{
	root_gets("PermitRootLogin yes", "", true, true);
}

Test(control_methods, root_not_at_all)
{
	root_gets("PermitRootLogin no", "", false, false);
}

Test(control_methods, root_by_keys_for_commands)
{
	root_gets("PermitRootLogin forced-commands-only", "command=\"true\"", true, false);
}

Test(control_methods, root_by_keys_for_commands_is_not_by_others)
{
	root_gets("PermitRootLogin forced-commands-only", "", false, false);
}

Test(control_methods, groups_allow)
{
	root_gets("AllowGroups nobody-has-it r??t\nPermitRootLogin yes", "", true, true);
}

Test(control_methods, groups_deny)
{
	root_gets("DenyGroups root\nAllowGroups root\nPermitRootLogin yes", "", false, false);
	expect_logged("User root from 127.0.0.1 not allowed because of AllowGroups or DenyGroups");
}

Test(control_methods, who_has_no_account_is_in_no_group)
{
	struct client c;

	start("AllowGroups root");
	cr_expect(!login(&c, "demo", t.key[0]));
	client_free(&c);
}

Test(control_methods, match_group_decides_about_rules)
{
	root_gets("PermitRootLogin yes\nMatch Group root\nPasswordAuthentication no\n"
		  "Match Group *,!root\nPubkeyAuthentication no",
		  "", true, false);
}

Test(control_methods, match_invalid_user)
{
	struct client c;

	start("MaxAuthTries 6\nMatch invalid-user\nMaxAuthTries 1");
	client_start(&c, "demo");
	cr_expect(!try_password(&c, "x", 1));
	cr_expect(!c.ended);
	client_free(&c);
	client_start(&c, "nobody-here");
	cr_expect(!try_password(&c, "x", 1));
	cr_expect(c.ended);
	client_free(&c);
}

Test(control_methods, match_invalid_user_refuses_the_connection)
{
	struct client c;

	start("Match invalid-user\nRefuseConnection yes");
	client_start(&c, "demo");
	cr_expect(!try_password(&c, "x", 1));
	cr_expect(!c.ended);
	client_free(&c);
	client_start(&c, "nobody-here");
	cr_expect(!try_none(&c));
	cr_expect(c.ended);
	client_free(&c);
	client_start(&c, "a\x01");
	cr_expect(!try_none(&c));
	if (!c.ended) /* the answer to it came first */
		client_run(&c);
	cr_expect(c.ended);
	client_free(&c);
	expect_logged("administratively prohibited connection for nobody-here from ");
}

Test(control_methods, match_client_version)
{
	struct client c;

	start("Match client-version *-te?t*\nPasswordAuthentication no");
	client_start(&c, "alice");
	cr_expect(!try_none(&c));
	cr_expect_str_eq(c.methods, "publickey,keyboard-interactive");
	client_free(&c);
}

Test(control_methods, a_version_that_is_not_wanted_is_told_so)
{
	struct client c;

	start("VersionPattern *OpenSSH*,*PuTTY*");
	client_new(&c, "demo");
	client_run(&c);
	cr_expect(c.ended);
	cr_expect_eq(c.reason, 8);
	client_free(&c);
	expect_logged("Protocol major versions differ for 127.0.0.1 port ");
}

/* The reason of the DISCONNECT behind our line, the only record there is; 0: there is none. */
static uint32_t told_for_line(const char *line)
{
	struct client c;
	char buf[1024] = "";
	const uint8_t *p;
	ssize_t n;

	client_new(&c, "demo");
	cr_assert_eq(send(c.fd, line, strlen(line), MSG_NOSIGNAL), (ssize_t)strlen(line));
	n = recv(c.fd, buf, sizeof(buf) - 1, MSG_WAITALL);
	client_free(&c);
	cr_assert_geq(n, 0, "not closed in time");
	p = (const uint8_t *)strstr(buf, "\r\n");
	cr_assert_not_null(p, "no line of ours");
	p += 2;
	if (n - ((const char *)p - buf) < 10 || p[5] != SSH_MSG_DISCONNECT)
		return 0;
	return (uint32_t)p[6] << 24 | (uint32_t)p[7] << 16 | (uint32_t)p[8] << 8 | p[9];
}

Test(control_methods, a_version_that_is_none_of_ours_is_told_so)
{
	start("");
	cr_expect_eq(told_for_line("SSH-1.5-old\r\n"), 8);
	cr_expect_eq(told_for_line("SSH-2.1-new\r\n"), 8);
	cr_expect_eq(told_for_line("GET / HTTP/1.1\r\n"), 8);
}

/* A login as alice, from 127.0.0.host: whether the log has a line of this message of hers. */
static bool told_of(uint8_t host, const char *message)
{
	struct sockaddr_in own;
	socklen_t len = sizeof(own);
	struct client c;
	char line[128];

	client_source = INADDR_LOOPBACK - 1 + host;
	client_start(&c, "alice");
	cr_assert(try_password(&c, "secret", 6));
	cr_assert_eq(getsockname(c.fd, (struct sockaddr *)&own, &len), 0);
	client_free(&c);
	client_source = INADDR_LOOPBACK;
	snprintf(line, sizeof(line), "received from 127.0.0.%u port %u: %s", host,
		 ntohs(own.sin_port), message);
	return logged(line);
}

Test(control_methods, each_level_of_the_log_tells_more)
{
	static const char request[] = "USERAUTH_REQUEST\n", /* her password's length is no news */
		fields[] = "USERAUTH_REQUEST: user=alice service=ssh-connection method=password";

	start("Match Address 127.0.0.2\nLogLevel DEBUG2\nMatch Address 127.0.0.3\n"
	      "LogLevel DEBUG3\nMatch Address 127.0.0.4\nLogVerbose packets.c:*");
	cr_expect_not(told_of(1, ""));
	cr_expect_not(logged("sent to "));
	cr_expect(told_of(2, request));
	cr_expect(told_of(2, "SERVICE_REQUEST, 17 bytes\n"));
	cr_expect_not(told_of(2, fields));
	cr_expect(logged("sent to 127.0.0.2 port "));
	cr_expect(logged(": USERAUTH_SUCCESS, 1 bytes\n"));
	cr_expect(told_of(3, request));
	cr_expect(told_of(3, fields));
	cr_expect_not(logged("packets.c:"));
	cr_expect(told_of(4, fields), "by its place");
	cr_expect(logged("packets.c:"));
	cr_expect_not(logged("secret"));
}

Test(control_methods, silence_ends_it)
{
	struct client c;

	start("HandshakeTimeout 30\nLoginGraceTime 0");
	client_start(&c, "demo");
	time_passes();
	client_run(&c);
	cr_expect(c.ended);
	client_free(&c);
}

Test(control_methods, silence_after_the_login_does_not)
{
	struct client c;

	start("HandshakeTimeout 30\nLoginGraceTime 0");
	cr_assert(login(&c, "demo", t.key[0]));
	time_passes();
	cr_expect_eq(global(&c, "keepalive@openssh.com"), SSH_MSG_REQUEST_FAILURE);
	client_free(&c);
}
