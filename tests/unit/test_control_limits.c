/*
 * control as a whole, each time with a configuration of its own: limits, and what Match changes
 * (S-34, S-46).
 */
#include "control/auth/hostbased.h"
#include "control/count.h"
#include "tests/util/accounts_fake.h"
#include "tests/util/login_bench.h"

TestSuite(control_limits, .fini = stop, .timeout = 60);

Test(control_limits, who_does_not_log_in_in_time_goes)
{
	struct client c;

	start("LoginGraceTime 50");
	client_new(&c, "demo");
	client_flush(&c); /* says nothing */
	client_run(&c);
	time_passes();
	client_run(&c);
	cr_expect(c.ended);
	expect_logged("Timeout before authentication for 127.0.0.1 port ");
	cr_expect_eq(control_counted(CONTROL_C_GRACE) + control_counted(CONTROL_C_SILENCE), 1);
	client_free(&c);
}

Test(control_limits, max_startups_turns_away)
{
	struct client c[3];
	char buf[128] = "";
	ssize_t n;

	start("MaxStartups 2:100:2");
	client_new(&c[0], "demo");
	client_run(&c[0]);
	client_new(&c[1], "demo");
	client_run(&c[1]);
	client_new(&c[2], "demo");
	n = recv(c[2].fd, buf, sizeof(buf) - 1, MSG_WAITALL);
	cr_expect_gt(n, 0);
	cr_expect_str_eq(buf, "Not allowed at this time\r\n");
	client_free(&c[2]);
	expect_logged("beginning MaxStartups throttling");
	expect_logged("past MaxStartups");
	cr_expect_eq(control_counted(CONTROL_C_STARTUPS), 1);
	/* Who is in holds no place any more. */
	cr_expect(try_key(&c[0], t.key[0]));
	client_new(&c[2], "demo");
	client_run(&c[2]);
	cr_expect_neq(c[2].login_id, 0);
	expect_logged("exited MaxStartups throttling");
	for (int i = 0; i < 3; i++)
		client_free(&c[i]);
}

/* Half of the places are for agents; F-33. */
Test(control_limits, an_agent_is_told_when_to_come_where_a_person_is_let_in)
{
	struct client agent[2], person;

	start("MaxStartups 3:100:3\nLogLevel VERBOSE");
	client_version = "SSH-2.0-Sluice_1 unattended";
	client_start(&agent[0], "demo");
	client_new(&agent[1], "demo");
	client_run(&agent[1]);
	cr_expect(agent[1].ended);
	cr_expect_geq(ssh_brain_retry_after(agent[1].brain), 1);
	client_free(&agent[1]);
	expect_logged(" told to come later\n");
	cr_expect_eq(control_counted(CONTROL_C_UNATTENDED), 1);
	client_version = "SSH-2.0-Sluice_1";
	client_start(&person, "demo");
	cr_expect(try_key(&person, t.key[0]));
	/* Who is in holds no place any more. */
	cr_expect(try_key(&agent[0], t.key[0]));
	client_version = "SSH-2.0-Sluice_1 unattended";
	client_start(&agent[1], "demo");
	client_free(&agent[1]);
	client_free(&agent[0]);
	client_free(&person);
}

/* What a client that is refused reads before the connection closes. */
static void expect_refused(void)
{
	struct client c;
	char buf[128] = "";

	client_new(&c, "demo");
	cr_expect_gt(recv(c.fd, buf, sizeof(buf) - 1, MSG_WAITALL), 0);
	cr_expect_str_eq(buf, "Not allowed at this time\r\n");
	client_free(&c);
}

static void comes_and_goes(const char *user)
{
	struct client c;

	client_start(&c, user);
	cr_expect(!try_key(&c, t.key[2]));
	client_free(&c);
}

Test(control_limits, a_source_has_so_many_places)
{
	struct client c[3];

	start("PerSourceMaxStartups 2");
	for (int i = 0; i < 2; i++) {
		client_new(&c[i], "demo");
		client_run(&c[i]);
	}
	expect_refused();
	expect_logged("drop connection #2 from [127.0.0.1]:");
	expect_logged(" past PerSourceMaxStartups\n");
	cr_expect_eq(control_counted(CONTROL_C_SOURCE_STARTUPS), 1);
	/* Who is in holds no place any more, and who has gone neither. */
	cr_expect(try_key(&c[0], t.key[0]));
	client_start(&c[2], "demo");
	for (int i = 0; i < 3; i++)
		client_free(&c[i]);
}

Test(control_limits, who_fails_too_often_is_refused_for_a_while)
{
	struct client c;

	start("PerSourcePenalties authfail:10s min:15s");
	comes_and_goes("demo");
	expect_logged("ipv4: new 127.0.0.1/32 deferred penalty of 10.000 seconds for "
		      "penalty: failed authentication");
	client_start(&c, "demo");
	cr_expect(!try_key(&c, t.key[2]), "one penalty refuses nobody");
	client_free(&c);
	expect_logged("srclimit_penalise: 127.0.0.1/32: activating ipv4 penalty of ");
	expect_refused();
	expect_logged("drop connection #0 from [127.0.0.1]:");
	cr_expect_eq(control_counted(CONTROL_C_PENALISED), 1);
	time_passes();
	client_start(&c, "demo");
	cr_expect(try_key(&c, t.key[0]), "it is over");
	client_free(&c);
}

Test(control_limits, each_offence_has_its_penalty)
{
	struct client c;

	start("PerSourcePenalties authfail:1s invaliduser:2s noauth:3s grace-exceeded:4s "
	      "refuseconnection:5s min:100s\nLoginGraceTime 50\nMatch User open\nRefuseConnection "
	      "yes\n");
	comes_and_goes("demo");
	expect_logged("penalty of 1.000 seconds for penalty: failed authentication");
	time_passes();
	comes_and_goes("nobody");
	expect_logged("of 2.000 seconds for penalty: attempted authentication by invalid user");
	time_passes();
	client_start(&c, "demo");
	cr_expect(!try_none(&c)); /* asks what there is: no attempt */
	client_free(&c);
	expect_logged("of 3.000 seconds for penalty: connections without attempting "
		      "authentication");
	time_passes();
	client_start(&c, "demo");
	time_passes();
	client_run(&c);
	cr_expect(c.ended);
	cr_expect_eq(c.reason, 13);
	client_free(&c);
	expect_logged("of 4.000 seconds for penalty: exceeded LoginGraceTime");
	time_passes();
	client_start(&c, "open");
	cr_expect(!try_key(&c, t.key[0]), "the right key");
	cr_expect(c.ended);
	cr_expect_eq(c.reason, 1);
	client_free(&c);
	expect_logged("administratively prohibited connection for open from 127.0.0.1 port ");
	expect_logged("of 5.000 seconds for penalty: connection prohibited by RefuseConnection");
	time_passes();
	cr_assert(login(&c, "demo", t.key[0]));
	client_free(&c);
}

Test(control_limits, the_exempt_are_never_penalised)
{
	start("PerSourcePenalties authfail:1h\nPerSourcePenaltyExemptList 10.0.0.0/8,127.0.0.*");
	for (int i = 0; i < 3; i++)
		comes_and_goes("nobody");
	cr_expect(!logged("penalty"));
}

/* How many bad signatures are checked until the source is refused; more than most: most + 1. */
static unsigned int until_refused(const struct key *k, const char *alg, unsigned int most)
{
	unsigned int checked = 0;

	while (checked <= most) {
		struct client c;

		client_new(&c, "demo");
		client_run(&c);
		if (c.ended) {
			client_free(&c);
			break;
		}
		while (!c.ended) {
			cr_assert_eq(ssh_brain_login_publickey(c.brain, c.login_id, k, alg), 0);
			client_run(&c);
			cr_assert(!c.in);
			checked++;
		}
		client_free(&c);
		/* Its end is told a little after the client's. */
		for (int i = 0; i < 100 && t.env.startups.unauthenticated > 0; i++)
			usleep(1000);
	}
	return checked;
}

/*
 * S-59: with the penalties there are by default, MaxAuthTries signatures a connection and the
 * fourth connection too many. They cost the others nothing but that.
 */
Test(control_limits, s59_bad_signatures_are_checked_only_so_often)
{
	static const struct {
		const char *type, *alg;
		unsigned int bits;
	} c[] = {{"ssh-rsa", "rsa-sha2-512", 2048},
		 {"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521", 0},
		 {"ssh-ed25519", "ssh-ed25519", 0}};
	struct client other;

	start("PerSourcePenalties yes");
	for (size_t i = 0; i < N(c); i++) {
		struct key *k;

		cr_assert_eq(key_generate(c[i].type, c[i].bits, &k), 0);
		client_source = INADDR_LOOPBACK + 1 + (in_addr_t)i;
		spoil_signatures = true;
		cr_expect_leq(until_refused(k, c[i].alg, 30), 24, "%s", c[i].type);
		spoil_signatures = false;
		key_free(k);
	}
	client_source = INADDR_LOOPBACK;
	cr_expect(login(&other, "demo", t.key[0]), "others are not concerned");
	client_free(&other);
}

/* S-60: who is refused fills no log, and neither does who comes back again and again. */
Test(control_limits, a_flood_of_the_refused_writes_few_lines)
{
	size_t before, lines = 0;

	start("PerSourcePenalties authfail:1h");
	comes_and_goes("demo");
	expect_logged("new 127.0.0.1/32 active penalty of 3600.000 seconds");
	before = strlen(t.log);
	for (int i = 0; i < 200; i++)
		expect_refused();
	for (const char *p = t.log + before; (p = strstr(p, "drop connection #")) != NULL; p++)
		lines++;
	cr_expect_geq(lines, 50, "the first ones are told");
	cr_expect_leq(lines, 80, "of two hundred");
	time_passes();
	expect_refused();
	expect_logged("more in the last ");
}

Test(control_limits, empty_passwords_when_they_are_permitted)
{
	struct client c;

	start("PermitEmptyPasswords yes");
	client_start(&c, "alice");
	cr_expect(!try_none(&c));
	cr_expect(!try_password(&c, "", 0));
	client_free(&c);
	client_start(&c, "locked");
	cr_expect(!try_none(&c));
	client_free(&c);
	client_start(&c, "empty");
	cr_expect(!try_password(&c, "x", 1));
	cr_expect(try_none(&c));
	client_free(&c);
	client_start(&c, "empty");
	cr_expect(try_password(&c, "", 0));
	client_free(&c);
}

/* S-34: by configuration, and both ways of asking. */
Test(control_limits, a_signature_algorithm_that_is_not_accepted_lets_nobody_in)
{
	struct client c;

	start("PubkeyAcceptedAlgorithms rsa-sha2-512,rsa-sha2-256");
	client_start(&c, "demo");
	cr_expect_str_eq(ssh_brain_server_sig_algs(c.brain), "rsa-sha2-512,rsa-sha2-256");
	cr_expect(!try_key(&c, t.key[0]), "the right key by the wrong algorithm");
	expect_logged("Failed publickey for demo from ");
	cr_expect(!try_none(&c));
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_AUTHENTICATED), 0);
	client_free(&c);
	/* The method is there for keys whose algorithm is accepted. */
	client_start(&c, "alice");
	cr_expect(try_password(&c, "secret", 6));
	client_free(&c);
}

/* OpenSSH PROTOCOL 1.11: the client is told as soon as the user is known. */
Test(control_limits, match_user_has_signature_algorithms_of_its_own)
{
	struct client c;

	start("PubkeyAcceptedAlgorithms rsa-sha2-512\n"
	      "Match User demo\nPubkeyAcceptedAlgorithms ssh-ed25519\n");
	client_start(&c, "demo");
	cr_expect_str_eq(ssh_brain_server_sig_algs(c.brain), "rsa-sha2-512");
	cr_expect(!try_none(&c));
	cr_expect_str_eq(ssh_brain_server_sig_algs(c.brain), "ssh-ed25519");
	cr_expect(try_key(&c, t.key[0]));
	client_free(&c);
	/* It need not ask first. */
	client_start(&c, "demo");
	cr_expect(try_key(&c, t.key[0]));
	client_free(&c);
	/* What is another user's is not its own, whether or not it is the first request. */
	client_start(&c, "alice");
	cr_expect(!try_key(&c, t.key[0]));
	expect_logged("Failed publickey for alice from ");
	cr_expect(!try_key(&c, t.key[0]));
	cr_expect_str_eq(ssh_brain_server_sig_algs(c.brain), "rsa-sha2-512");
	client_free(&c);
}

/* HostbasedAcceptedAlgorithms: of this user, whoever may have what else. */
Test(control_limits, match_user_has_algorithms_of_hosts_of_its_own)
{
	char line[1200] = "127.0.0.1 ", path[128];
	struct client c;

	start("HostbasedAuthentication yes\nHostbasedAcceptedAlgorithms rsa-sha2-512\n"
	      "Match User alice\nHostbasedAcceptedAlgorithms ssh-ed25519\n");
	hostbased_etc = t.dir;
	accounts_fake = "*";
	cr_assert_eq(mkdir(strcat(strcpy(path, t.dir), "/ssh"), 0755), 0);
	control_file(t.dir, "hosts.equiv", "127.0.0.1 alice\n", 0644);
	key_line(t.key[0], "", line + strlen(line), sizeof(line) - strlen(line));
	control_file(t.dir, "ssh/ssh_known_hosts", line, 0644);
	client_start(&c, "alice");
	cr_expect(try_hostbased(&c, t.key[0], "127.0.0.1"));
	expect_logged("Accepted hostbased for alice from ");
	client_free(&c);
	client_start(&c, "bob");
	for (int i = 0; i < 2; i++) /* the first and another */
		cr_expect(!try_hostbased(&c, t.key[0], "127.0.0.1"));
	expect_logged("Failed hostbased for bob from ");
	client_free(&c);
}

/* What an address may do, and another thing what a user may. */
Test(control_limits, match_user_gives_and_takes_methods)
{
	struct client c;

	start("PasswordAuthentication no\n"
	      "Match User alice\nPasswordAuthentication yes\nPubkeyAuthentication no\n");
	client_start(&c, "alice");
	cr_expect(!try_none(&c));
	cr_expect_str_eq(c.methods, "password,keyboard-interactive");
	cr_expect(try_password(&c, "secret", 6));
	client_free(&c);
	/* It need not ask first. */
	client_start(&c, "alice");
	cr_expect(try_password(&c, "secret", 6));
	client_free(&c);
	client_start(&c, "demo");
	cr_expect(!try_password(&c, "secret", 6));
	cr_expect_str_eq(c.methods, "publickey,keyboard-interactive");
	cr_expect(try_key(&c, t.key[0]));
	client_free(&c);
}

static int tries_of(const char *user)
{
	struct client c;
	int n = 0;

	client_start(&c, user);
	while (!c.ended && n < 20) {
		try_key(&c, t.key[2]);
		n++;
	}
	cr_expect_eq(c.reason, 14);
	client_free(&c);
	return n;
}

Test(control_limits, match_user_gives_and_takes_tries)
{
	start("MaxAuthTries 3\nMatch User demo\nMaxAuthTries 5\nMatch User limited\nMaxAuthTries "
	      "1\n");
	cr_expect_eq(tries_of("elsewhere"), 3);
	cr_expect_eq(tries_of("demo"), 5);
	cr_expect_eq(tries_of("limited"), 1);
	cr_expect_eq(control_counted(CONTROL_C_TRIES), 3);
}

/* Of who is not in, the one who has failed most often; by the time he is told, it is counted. */
static uint32_t most_tries(void)
{
	uint32_t n = UINT32_MAX;

	cr_expect(most_known(&t.env.most_tries, &n));
	return n;
}

Test(control_limits, tries_of_one_connection_are_shown)
{
	struct client a, b;

	start("");
	client_start(&a, "demo");
	client_start(&b, "demo");
	cr_expect_eq(most_tries(), 0);
	for (int i = 0; i < 3; i++)
		cr_expect(!try_key(&a, t.key[2]));
	cr_expect(!try_key(&b, t.key[2]));
	cr_expect_eq(most_tries(), 3);
	cr_expect(try_key(&a, t.key[0]));
	cr_expect_eq(most_tries(), 1, "who is in has no more");
	cr_expect(try_key(&b, t.key[0]));
	cr_expect_eq(most_tries(), 0);
	client_free(&a);
	client_free(&b);
}

Test(control_limits, match_user_changes_the_grace)
{
	struct client c;

	start("LoginGraceTime 600\nMatch User demo\nLoginGraceTime 50\n");
	client_start(&c, "demo");
	cr_expect(!try_none(&c));
	time_passes();
	client_run(&c);
	cr_expect(c.ended);
	expect_logged("Timeout before authentication for 127.0.0.1 port ");
	client_free(&c);
}

/* It comes and says nothing for a minute once its name is known. */
static void expect_silence(const char *user, bool ends)
{
	struct client c;

	client_start(&c, user);
	cr_expect(!try_none(&c));
	time_passes();
	if (ends)
		client_run(&c);
	else
		cr_expect(try_key(&c, t.key[0]), "%s", user);
	cr_expect_eq(c.ended, ends, "%s", user);
	client_free(&c);
}

Test(control_limits, match_user_changes_how_long_he_may_be_silent)
{
	start("LoginGraceTime 0\nHandshakeTimeout 50\nMatch User demo\nHandshakeTimeout 600\n"
	      "Match User open\nHandshakeTimeout 0\n");
	expect_silence("demo", false);
	expect_silence("open", false);
	expect_silence("limited", true);
}

Test(control_limits, match_user_ends_silence_that_nothing_else_does)
{
	start("LoginGraceTime 0\nHandshakeTimeout 0\nMatch User demo\nHandshakeTimeout 50\n");
	expect_silence("open", false);
	expect_silence("demo", true);
}

Test(control_limits, match_user_switches_nagle_on)
{
	struct client c;

	start("Match User limited\nTCPNoDelay no\n");
	cr_assert(login(&c, "demo", t.key[0]));
	cr_expect_eq(global(&c, "keepalive@openssh.com"), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(softplane_limits(t.plane).nagle, 0);
	client_free(&c);
	cr_assert(login(&c, "limited", t.key[0]));
	cr_expect_eq(global(&c, "keepalive@openssh.com"), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(softplane_limits(t.plane).nagle, 1);
	client_free(&c);
}

/* OperationTimeout of a blocked send: what the file says without a word behind it. */
Test(control_limits, match_user_bounds_a_blocked_send)
{
	struct client c;

	start("Match User limited\nOperationTimeout 2\n");
	cr_assert(login(&c, "demo", t.key[0]));
	cr_expect_eq(global(&c, "keepalive@openssh.com"), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(softplane_limits(t.plane).send_timeout_ms, 0, "as sshd");
	client_free(&c);
	cr_assert(login(&c, "limited", t.key[0]));
	cr_expect_eq(global(&c, "keepalive@openssh.com"), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(softplane_limits(t.plane).send_timeout_ms, 2000);
	client_free(&c);
}

/* A size that was set is everybody's. */
Test(control_limits, who_is_known_to_take_more_is_granted_more)
{
	static const struct {
		const char *version;
		uint32_t demo, limited; /* MiB */
	} c[] = {{"SSH-2.0-Sluice_0.1", 64, 1},
		 {"SSH-2.0-OpenSSH_9.9", 15, 1},
		 {"SSH-2.0-NotSluice_0.1", 15, 1}};

	start("Match User limited\nChannelWindow 1M\n");
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct client cl;

		client_version = c[i].version;
		for (int limited = 0; limited < 2; limited++) {
			cr_assert(login(&cl, limited ? "limited" : "demo", t.key[0]));
			cr_expect_eq(global(&cl, "keepalive@openssh.com"), SSH_MSG_REQUEST_FAILURE);
			cr_expect_eq(softplane_limits(t.plane).window_size,
				     (limited ? c[i].limited : c[i].demo) << 20, "%s",
				     c[i].version);
			client_free(&cl);
		}
	}
}

Test(control_limits, match_user_has_classes_of_service)
{
	struct client c;

	start("Match User limited\nIPQoS af21 0x23\n");
	cr_assert(login(&c, "demo", t.key[0]));
	cr_expect_eq(global(&c, "keepalive@openssh.com"), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(softplane_limits(t.plane).qos_tty, 0xb8);
	cr_expect_eq(softplane_limits(t.plane).qos_bulk, 0);
	client_free(&c);
	cr_assert(login(&c, "limited", t.key[0]));
	cr_expect_eq(global(&c, "keepalive@openssh.com"), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(softplane_limits(t.plane).qos_tty, 0x48);
	cr_expect_eq(softplane_limits(t.plane).qos_bulk, 0x20, "ECN is nobody's to set");
	client_free(&c);
}

/* Nobody is told of a cap that there is not. */
Test(control_limits, match_user_has_rates)
{
	struct link_caps m;
	struct client c;

	start("Match User limited\nChannelRate 8mbit\nConnectionRate none 1M 64K\n");
	cr_assert(login(&c, "demo", t.key[0]));
	cr_expect_eq(global(&c, "keepalive@openssh.com"), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_CAPS), 0);
	client_free(&c);
	cr_assert(login(&c, "limited", t.key[0]));
	cr_expect_eq(global(&c, "keepalive@openssh.com"), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_CAPS), 1);
	m = softplane_caps(t.plane);
	for (unsigned int way = 0; way < LINK_WAYS; way++) {
		cr_expect_eq(m.channel[way].rate, 1000000);
		cr_expect_eq(m.channel[way].burst, 0);
		cr_expect_eq(m.conn[way].burst, 65536);
	}
	cr_expect_eq(m.conn[LINK_IN].rate, 0);
	cr_expect_eq(m.conn[LINK_OUT].rate, 1 << 20);
	client_free(&c);
}

/* One key for a user, another for another, and for a role whoever has it. */
Test(control_limits, users_and_roles_have_rates)
{
	struct link_caps m[3];
	struct client c;

	start("UserRate 8mbit\nRoleRate demo 1M 2M 64K\n");
	for (unsigned int i = 0; i < 3; i++) {
		cr_assert(login(&c, i == 2 ? "limited" : "demo", t.key[0]));
		cr_expect_eq(global(&c, "keepalive@openssh.com"), SSH_MSG_REQUEST_FAILURE);
		m[i] = softplane_caps(t.plane);
		client_free(&c);
	}
	cr_expect_neq(m[0].group[0].key, 0);
	cr_expect_eq(m[0].group[0].key, m[1].group[0].key);
	cr_expect_neq(m[0].group[0].key, m[2].group[0].key);
	cr_expect_eq(m[0].group[1].key, m[2].group[1].key);
	cr_expect_neq(m[0].group[0].key, m[0].group[1].key, "a role is no user of its name");
	cr_expect_eq(m[0].group[0].rate[LINK_IN].rate, 1000000);
	cr_expect_eq(m[0].group[1].rate[LINK_IN].rate, 1 << 20);
	cr_expect_eq(m[0].group[1].rate[LINK_OUT].rate, 2 << 20);
	cr_expect_eq(m[0].group[1].rate[LINK_OUT].burst, 65536);
}

/* A user of a role is another one than without it; nobody is told of what is as ever. */
Test(control_limits, users_and_roles_have_shares)
{
	static const char *const user[] = {"demo", "demo", "alice", "limited"};
	struct link_shares m[4];
	struct client c;

	start("Match User limited\nConnectionShare 9\n"
	      "Match User alice\nRoleShare some 3\nUserShare 2\nPasswordAuthentication yes\n"
	      "Match User demo\nUserShare 4\n");
	for (unsigned int i = 0; i < 4; i++) {
		client_start(&c, user[i]);
		cr_assert(i == 2 ? try_password(&c, "secret", 6) : try_key(&c, t.key[0]));
		cr_expect_eq(global(&c, "keepalive@openssh.com"), SSH_MSG_REQUEST_FAILURE);
		m[i] = softplane_shares(t.plane);
		client_free(&c);
	}
	cr_expect_neq(m[0].user_key, 0);
	cr_expect_eq(m[0].user_key, m[1].user_key);
	cr_expect(m[0].own == 1 && m[0].user == 4 && m[0].role_key == 0 && m[0].role == 0);
	cr_expect_neq(m[2].user_key, m[0].user_key);
	cr_expect_neq(m[2].role_key, 0);
	cr_expect(m[2].user == 2 && m[2].role == 3);
	cr_expect(m[3].own == 9 && m[3].user_key == 0 && m[3].role_key == 0);
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_SHARES), 4);
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_CAPS), 0);
}

/* One bound for a user and one for a network, each whatever the other is. */
Test(control_limits, users_and_sources_have_bytes_in_flight)
{
	static const char *const user[] = {"demo", "demo", "limited"};
	struct link_flight m[3];
	struct client c;

	start("MaxBytesInFlightPerSource 64M\nMaxBytesInFlightPerUser 8M\n"
	      "Match User limited\nMaxBytesInFlightPerConnection 1M\n"
	      "MaxBytesInFlightPerUser none\n");
	for (unsigned int i = 0; i < 3; i++) {
		cr_assert(login(&c, user[i], t.key[0]));
		cr_expect_eq(global(&c, "keepalive@openssh.com"), SSH_MSG_REQUEST_FAILURE);
		cr_expect_eq(softplane_seen(t.plane, LINK_IT_FLIGHT), i + 1);
		m[i] = softplane_flight(t.plane);
		client_free(&c);
	}
	cr_expect_eq(m[0].max, 0);
	cr_expect_neq(m[0].group[LINK_FLIGHT_USER].key, 0);
	cr_expect_eq(m[0].group[LINK_FLIGHT_USER].key, m[1].group[LINK_FLIGHT_USER].key);
	cr_expect_eq(m[0].group[LINK_FLIGHT_USER].max, 8 << 20);
	cr_expect_eq(m[2].max, 1 << 20);
	cr_expect_eq(m[2].group[LINK_FLIGHT_USER].max, 0);
	cr_expect_eq(m[2].group[LINK_FLIGHT_SOURCE].max, 64 << 20);
	cr_expect_eq(m[0].group[LINK_FLIGHT_SOURCE].key, m[2].group[LINK_FLIGHT_SOURCE].key);
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_CAPS), 0);
}

Test(control_limits, channels_have_shares)
{
	struct link_chan_connect m;
	struct client c;

	start("ChannelShare session:*=3 direct-*=7\nPermitOpen any\n");
	cr_assert(login(&c, "demo", t.key[0]));
	(void)open_direct(&c, "192.0.2.1", 80); /* whoever is there */
	cr_assert(softplane_last_connect(t.plane, &m));
	cr_expect_eq(m.share, 7);
	client_free(&c);
}

Test(control_limits, the_slow_path_has_a_rate)
{
	struct client c;
	uint64_t began;

	start("SlowPathRate 50");
	cr_assert(login(&c, "demo", t.key[0]));
	began = clock_now_ms();
	for (int i = 0; i < 100; i++)
		cr_expect_eq(global(&c, "keepalive@openssh.com"), SSH_MSG_REQUEST_FAILURE);
	/* A second's worth was saved up, the shard may have 16 out; the rest takes its time. */
	cr_expect_geq(clock_now_ms() - began, 400);
	client_free(&c);
}

/* A client that has these lists; NULL: the usual one. */
static void client_with(struct client *c, const char *user, const char *kex, const char *ciphers)
{
	struct ssh_brain_conf conf = {.role = SSH_CLIENT,
				      .ident = "SSH-2.0-test",
				      .strict = SSH_STRICT_ON,
				      .kex_algs = kex,
				      .hostkey_algs = "ssh-ed25519,ssh-rsa",
				      .ciphers = ciphers,
				      .user = user};

	client_new(c, user);
	ssh_pump_fini(&c->pump);
	ssh_brain_free(c->brain);
	cr_assert_eq(ssh_brain_new(&conf, &c->brain), 0);
	cr_assert_eq(ssh_pump_init(&c->pump, c->engine, c->brain), 0);
	cr_assert_eq(ssh_brain_start(c->brain), 0);
	client_run(c);
}

/* What is off by default is worth a line where an administrator switched it on and it is used. */
Test(control_limits, what_is_old_is_warned_of)
{
	struct key *k = NULL;
	struct client c;
	char line[2048];

	control_host_type = "ssh-rsa";
	start("KexAlgorithms +diffie-hellman-group14-sha1\nHostKeyAlgorithms +ssh-rsa\n"
	      "PubkeyAcceptedAlgorithms +ssh-rsa");
	cr_assert_eq(key_generate("ssh-rsa", 2048, &k), 0);
	key_line(k, "", line, sizeof(line));
	control_file(t.dir, "keys/rsa", line, 0600);
	client_with(&c, "rsa", "diffie-hellman-group14-sha1", NULL);
	expect_logged("warning: legacy key exchange diffie-hellman-group14-sha1");
	expect_logged("warning: legacy host key signature ssh-rsa");
	cr_assert_eq(ssh_brain_login_publickey(c.brain, c.login_id, k, "ssh-rsa"), 0);
	client_run(&c);
	cr_expect(c.in);
	expect_logged("warning: legacy signature ssh-rsa of publickey");
	client_free(&c);
	key_free(k);
}

Test(control_limits, what_is_not_old_is_not_warned_of)
{
	struct client c;

	start("KexAlgorithms +diffie-hellman-group14-sha1\nPubkeyAcceptedAlgorithms +ssh-rsa");
	cr_expect(login(&c, "demo", t.key[0]));
	expect_logged("Accepted publickey for demo from ");
	cr_expect(!logged("warning: "), "%s", t.log);
	client_free(&c);
}

Test(control_limits, nothing_in_common_is_said_with_the_offer)
{
	struct client c;

	start("Ciphers aes128-gcm@openssh.com");
	client_with(&c, "demo", NULL, "aes256-ctr");
	cr_expect(c.ended);
	expect_logged("Unable to negotiate with 127.0.0.1 port ");
	expect_logged(": no matching cipher found. Their offer: aes256-ctr [preauth]");
	client_free(&c);
}
