/* conf: Match: which block holds for whom, and where the first one wins. */
#include "conf_bench.h"

/* MaxAuthTries of a connection: 6 by default, 5 from outside of Match. */
static uint32_t tries(const char *text, const char *user, const char *addr, const char *laddr,
		      uint16_t lport)
{
	struct conf *conf = parse(text);
	struct conf_session s = session(conf, user, addr, laddr, lport);
	uint32_t n = s.max_auth_tries;

	conf_session_fini(&s);
	conf_put(conf);
	return n;
}

static const struct {
	const char *criteria;
	const char *user, *addr, *laddr;
	uint16_t lport;
	bool hit;
} matches[] = {
	{"All", NULL, NULL, NULL, 0, true},
	{"all", "u", "10.1.2.3", "10.0.0.1", 22, true},
	{"User alice", "alice", "10.1.2.3", "10.0.0.1", 22, true},
	{"User=alice", "alice", "10.1.2.3", "10.0.0.1", 22, true},
	{"User = alice", "alice", "10.1.2.3", "10.0.0.1", 22, true},
	{"User Alice", "alice", "10.1.2.3", "10.0.0.1", 22, false},
	{"User alice", NULL, "10.1.2.3", "10.0.0.1", 22, false},
	{"User *", NULL, "10.1.2.3", "10.0.0.1", 22, false},
	{"User a*,b?b", "bob", "10.1.2.3", "10.0.0.1", 22, true},
	{"User a*,!alice", "alice", "10.1.2.3", "10.0.0.1", 22, false},
	{"User !alice,a*", "alan", "10.1.2.3", "10.0.0.1", 22, true},
	{"User !alice", "bob", "10.1.2.3", "10.0.0.1", 22, false},
	{"User \"alice\"", "alice", "10.1.2.3", "10.0.0.1", 22, true},
	{"Address 10.1.0.0/16", "u", "10.1.2.3", "10.0.0.1", 22, true},
	{"Address 10.1.0.0/16", "u", "10.2.2.3", "10.0.0.1", 22, false},
	{"Address 10.0.0.0/8,!10.1.0.0/16", "u", "10.1.2.3", "10.0.0.1", 22, false},
	{"Address 10.1.*", "u", "10.1.2.3", "10.0.0.1", 22, true},
	{"Address fd00::/8", "u", "fd12::1", "10.0.0.1", 22, true},
	{"Address fd00::/8", "u", "10.1.2.3", "10.0.0.1", 22, false},
	{"Address 10.0.0.0/8", "u", NULL, NULL, 0, false},
	{"LocalAddress 10.0.0.1", "u", "10.1.2.3", "10.0.0.1", 22, true},
	{"LocalAddress 10.0.0.1", "u", "10.0.0.1", "10.0.0.2", 22, false},
	{"LocalPort 22", "u", "10.1.2.3", "10.0.0.1", 22, true},
	{"LocalPort 22", "u", "10.1.2.3", "10.0.0.1", 23, false},
	{"User u Address 10.0.0.0/8", "u", "10.1.2.3", "10.0.0.1", 22, true},
	{"User u Address 11.0.0.0/8", "u", "10.1.2.3", "10.0.0.1", 22, false},
	{"User v Address 10.0.0.0/8", "u", "10.1.2.3", "10.0.0.1", 22, false},
};

Test(conf_blocks, match_criteria)
{
	for (size_t i = 0; i < NELEM(matches); i++) {
		char text[256];

		snprintf(text, sizeof(text), "MaxAuthTries 5\nMatch %s\nMaxAuthTries 1\n",
			 matches[i].criteria);
		cr_expect_eq(tries(text, matches[i].user, matches[i].addr, matches[i].laddr,
				   matches[i].lport),
			     matches[i].hit ? 1 : 5, "%s, %s from %s", matches[i].criteria,
			     matches[i].user, matches[i].addr);
	}
}

static uint32_t tries_for(struct conf *conf, const struct conf_match_ctx *ctx)
{
	struct conf_session s;
	uint32_t tries;

	cr_assert_eq(conf_session_for(conf, ctx, &s), 0);
	tries = s.max_auth_tries;
	conf_session_fini(&s);
	return tries;
}

/* Edits are of the default everywhere; what any user may have is the sum. */
Test(conf_blocks, algorithms_of_users_under_match)
{
	static const struct {
		const char *text, *of_ann, *of_others, *any;
	} c[] = {
		{"", "ssh-ed25519", "ssh-ed25519", "ssh-ed25519"},
		{"Match User ann\nPubkeyAcceptedAlgorithms +rsa-sha2-256\n",
		 "ssh-ed25519,rsa-sha2-256", "ssh-ed25519", "ssh-ed25519,rsa-sha2-256"},
		{"PubkeyAcceptedAlgorithms rsa-sha2-256\nMatch User ann\n"
		 "PubkeyAcceptedAlgorithms ssh-ed25519\n",
		 "ssh-ed25519", "rsa-sha2-256", "rsa-sha2-256,ssh-ed25519"},
		{"PubkeyAcceptedAlgorithms rsa-sha2-256\n", "rsa-sha2-256", "rsa-sha2-256",
		 "rsa-sha2-256"},
	};
	const struct conf_match_ctx ann = {.user = "ann"}, other = {.user = "bob"};

	for (size_t i = 0; i < NELEM(c); i++) {
		struct conf *conf = parse(c[i].text);
		struct conf_session a, o;

		cr_assert_eq(conf_session_for(conf, &ann, &a), 0);
		cr_assert_eq(conf_session_for(conf, &other, &o), 0);
		cr_expect_str_eq(a.pubkey_accepted, c[i].of_ann, "case %zu", i);
		cr_expect_str_eq(o.pubkey_accepted, c[i].of_others, "case %zu", i);
		cr_expect_str_eq(conf_global(conf)->pubkey_accepted_any, c[i].any, "case %zu", i);
		conf_session_fini(&a);
		conf_session_fini(&o);
		conf_put(conf);
	}
}

/* Each has a sum of its own, and edits of one are none of another. */
Test(conf_blocks, algorithms_of_hosts_and_authorities_under_match)
{
	struct conf *conf = parse("HostbasedAcceptedAlgorithms rsa-sha2-256\n"
				  "Match User ann\nHostbasedAcceptedAlgorithms +rsa-sha2-256\n"
				  "CASignatureAlgorithms -rsa-*\n");
	struct conf_session a = session(conf, "ann", NULL, NULL, 0);
	struct conf_session o = session(conf, "bob", NULL, NULL, 0);

	cr_expect_str_eq(a.hostbased_accepted, "ssh-ed25519,rsa-sha2-256");
	cr_expect_str_eq(o.hostbased_accepted, "rsa-sha2-256");
	cr_expect_str_eq(conf_global(conf)->hostbased_accepted_any, "rsa-sha2-256,ssh-ed25519");
	cr_expect_str_eq(conf_global(conf)->pubkey_accepted_any, "ssh-ed25519");
	cr_expect_str_eq(a.ca_signature, "ssh-ed25519");
	cr_expect_str_eq(o.ca_signature, "ssh-ed25519,rsa-sha2-512");
	conf_session_fini(&a);
	conf_session_fini(&o);
	conf_put(conf);
}

/* A name that is none, and an edit that leaves nothing, are as wrong there as outside. */
Test(conf_blocks, algorithms_under_match_are_checked)
{
	static const char *const bad[] = {
		"HostbasedAcceptedAlgorithms no-such-thing",
		"HostbasedAcceptedAlgorithms -*",
		"CASignatureAlgorithms +3des-cbc",
		"PubkeyAcceptedAlgorithms ssh-ed25519,,rsa-sha2-256",
	};

	for (size_t i = 0; i < NELEM(bad); i++) {
		char text[128], *errors;
		int n = snprintf(text, sizeof(text), "Match User ann\n%s\n", bad[i]);

		errors = refuse(text, (size_t)n);
		cr_expect_not_null(strstr(errors, "test line 2: Bad key types"), "%s", errors);
		free(errors);
	}
}

/* sshd_config(5): what may stand on a line behind Match. Ours may be more, never less. */
Test(conf_blocks, what_sshd_takes_under_match_is_taken)
{
	static const char *const sshd[] = {
		"AcceptEnv",
		"AllowAgentForwarding",
		"AllowGroups",
		"AllowStreamLocalForwarding",
		"AllowTcpForwarding",
		"AllowUsers",
		"AuthenticationMethods",
		"AuthorizedKeysCommand",
		"AuthorizedKeysCommandUser",
		"AuthorizedKeysFile",
		"AuthorizedPrincipalsCommand",
		"AuthorizedPrincipalsCommandUser",
		"AuthorizedPrincipalsFile",
		"Banner",
		"CASignatureAlgorithms",
		"ChannelTimeout",
		"ChrootDirectory",
		"ClientAliveCountMax",
		"ClientAliveInterval",
		"DenyGroups",
		"DenyUsers",
		"DisableForwarding",
		"ExposeAuthInfo",
		"ForceCommand",
		"GatewayPorts",
		"GSSAPIAuthentication",
		"HostbasedAcceptedAlgorithms",
		"HostbasedAuthentication",
		"HostbasedUsesNameFromPacketOnly",
		"IgnoreRhosts",
		"Include",
		"IPQoS",
		"KbdInteractiveAuthentication",
		"KerberosAuthentication",
		"LogLevel",
		"MaxAuthTries",
		"MaxSessions",
		"PAMServiceName",
		"PasswordAuthentication",
		"PermitEmptyPasswords",
		"PermitListen",
		"PermitOpen",
		"PermitRootLogin",
		"PermitTTY",
		"PermitTunnel",
		"PermitUserRC",
		"PubkeyAcceptedAlgorithms",
		"PubkeyAuthentication",
		"PubkeyAuthOptions",
		"RefuseConnection",
		"RekeyLimit",
		"RequiredRSASize",
		"RevokedKeys",
		"RDomain",
		"SetEnv",
		"StreamLocalBindMask",
		"StreamLocalBindUnlink",
		"TrustedUserCAKeys",
		"UnusedConnectionTimeout",
		"X11DisplayOffset",
		"X11Forwarding",
		"X11UseLocalhost",
	};
	const struct conf_keyword_info *info;
	unsigned int ours = 0;

	for (size_t i = 0; (info = conf_keyword_at(i)) != NULL; i++)
		for (size_t k = 0; k < NELEM(sshd); k++) {
			if (strcmp(info->name, sshd[k]) != 0)
				continue;
			cr_expect(info->in_match, "%s", info->name);
			ours++;
		}
	cr_expect_geq(ours, 39);
}

Test(conf_blocks, match_looks_at_what_is_known_of_user_and_client)
{
	static const char *const names[] = {"wheel", "users"};
	static const struct conf_strs groups = {names, 2};
	static const struct {
		const char *match;
		struct conf_match_ctx ctx;
		bool hit;
	} c[] = {
		{"Group wh*", {.groups = &groups}, true},
		{"Group a,users", {.groups = &groups}, true},
		{"Group wh*,!users", {.groups = &groups}, false},
		{"Group wheel", {.user = "wheel"}, false},
		{"Host 10.0.0.?", {.addr = "10.0.0.1"}, true},
		{"Host a.example", {.addr = "10.0.0.1"}, false},
		{"Host a.example", {.host = "a.example", .addr = "10.0.0.1"}, true},
		{"Host *.Example", {.host = "a.example", .addr = "10.0.0.1"}, true},
		{"Host 10.0.0.1", {.host = "a.example", .addr = "10.0.0.1"}, false},
		{"Version Sluice_*", {0}, true},
		{"Version OpenSSH_*", {0}, false},
		{"Client-Version *PuTTY*", {.client_version = "SSH-2.0-PuTTY_1"}, true},
		{"Client-Version *PuTTY*", {0}, false},
		{"Role a,night*", {.marks = "kSHA256:a\0rnightly\0"}, true},
		{"Role a", {.marks = "ka\0ia\0pa\0rb\0"}, false},
		{"Role *,!b", {.marks = "ra\0rb\0"}, false},
		{"Role *", {.user = "a"}, false},
		{"RDomain vrf?,lo", {.rdomain = "vrf1"}, true},
		{"RDomain *,!vrf1", {.rdomain = "vrf1"}, false},
		{"RDomain vrf*", {.rdomain = ""}, false},
		{"RDomain *,!?*", {.rdomain = ""}, true},
		{"RDomain *", {.user = "a"}, false},
		{"Invalid-User", {.invalid_user = true}, true},
		{"Invalid-User", {.user = "a"}, false},
		{"User a Invalid-User", {.user = "a", .invalid_user = true}, true},
		{"Invalid-User User a", {.user = "b", .invalid_user = true}, false},
	};

	for (size_t i = 0; i < NELEM(c); i++) {
		char text[128];
		struct conf *conf;

		snprintf(text, sizeof(text), "Match %s\nMaxAuthTries 2\n", c[i].match);
		conf = parse(text);
		cr_expect_eq(tries_for(conf, &c[i].ctx), c[i].hit ? 2 : 6, "%zu: %s", i,
			     c[i].match);
		cr_expect_eq(conf_matches_about(conf, CONF_ABOUT_GROUP),
			     strstr(c[i].match, "Group") != NULL);
		cr_expect_eq(conf_matches_about(conf, CONF_ABOUT_ROLE),
			     strstr(c[i].match, "Role") != NULL);
		conf_put(conf);
	}
}

Test(conf_blocks, groups_allow_and_deny)
{
	static const char *const names[] = {"wheel", "users"};
	const struct conf_strs groups = {names, 2}, none = {NULL, 0};
	static const struct {
		const char *text;
		bool some, nobody;
	} c[] = {
		{"", true, true},
		{"AllowGroups users\n", true, false},
		{"AllowGroups a b\nAllowGroups u*\n", true, false},
		{"AllowGroups a b\n", false, false},
		{"DenyGroups w?eel\nAllowGroups users\n", false, false},
		{"DenyGroups a\n", true, true},
	};

	for (size_t i = 0; i < NELEM(c); i++) {
		struct conf *conf = parse(c[i].text);
		struct conf_session s = session(conf, "u", "10.0.0.1", NULL, 0);

		cr_expect_eq(conf_groups_allowed(&s, &groups), c[i].some, "%s", c[i].text);
		cr_expect_eq(conf_groups_allowed(&s, &none), c[i].nobody, "%s", c[i].text);
		conf_session_fini(&s);
		conf_put(conf);
	}
}

Test(conf_blocks, first_matching_block_wins_per_keyword)
{
	struct conf *conf = parse("MaxAuthTries 5\nIdleTimeout 5\n"
				  "Match User a*\n  MaxAuthTries 1\n  MaxAuthTries 2\n"
				  "Match User alice\n  MaxAuthTries 3\n  IdleTimeout 9\n");
	struct conf_session s = session(conf, "alice", "10.0.0.1", "10.0.0.2", 22);

	cr_expect_eq(s.max_auth_tries, 1);
	cr_expect_eq(s.idle_timeout_ms, 9000);
	conf_session_fini(&s);
	s = session(conf, "bob", "10.0.0.1", "10.0.0.2", 22);
	cr_expect_eq(s.max_auth_tries, 5);
	cr_expect_eq(s.idle_timeout_ms, 5000);
	conf_session_fini(&s);
	conf_put(conf);
}

/* OperationTimeout: of a blocked send where nothing is said of opens, and where anybody waits. */
Test(conf_blocks, a_blocked_send_has_the_time_of_an_operation)
{
	static const struct {
		const char *text;
		uint32_t ms, send_ms;
	} c[] = {
		{"5", 5000, 5000},
		{"5 opens", 5000, 0},
		{"250ms Opens", 250, 0},
		{"0", 0, 0},
		{"0 opens", 0, 0},
		{"none", CONF_TIME_NONE, 0},
		{"None opens", CONF_TIME_NONE, 0},
	};

	for (size_t i = 0; i < NELEM(c); i++) {
		struct conf_session s;
		struct conf *conf;
		char text[96];

		snprintf(text, sizeof(text), "Match User alice\nOperationTimeout %s\n", c[i].text);
		conf = parse(text);
		s = session(conf, "alice", NULL, NULL, 0);
		cr_expect_eq(s.operation_timeout.ms, c[i].ms, "%s", c[i].text);
		cr_expect_eq(conf_send_timeout(&s), c[i].send_ms, "%s", c[i].text);
		conf_session_fini(&s);
		conf_put(conf);
	}
}

Test(conf_blocks, lists_of_users_add_up)
{
	struct conf *conf = parse("AllowUsers alice bob\nAllowUsers carol@10.0.0.0/8\n"
				  "Match Address 192.0.2.0/24\nDenyUsers alice\nAllowUsers dave\n"
				  "Match LocalPort 23\nDenyUsers dave\n");
	static const struct {
		const char *user, *addr;
		uint16_t lport;
		bool allowed;
	} cases[] = {
		{"alice", "10.1.1.1", 22, true},   {"bob", "10.1.1.1", 22, true},
		{"carol", "10.1.1.1", 22, true},   {"carol", "11.1.1.1", 22, false},
		{"eve", "10.1.1.1", 22, false},    {"dave", "10.1.1.1", 22, false},
		{"alice", "192.0.2.1", 22, false}, {"dave", "192.0.2.1", 22, true},
		{"bob", "192.0.2.1", 22, false},   {"dave", "192.0.2.1", 23, false},
		{"alice", "192.0.2.1", 23, false},
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct conf_session s =
			session(conf, cases[i].user, cases[i].addr, "10.0.0.2", cases[i].lport);

		cr_expect_eq(conf_user_allowed(&s, cases[i].user, NULL, cases[i].addr),
			     cases[i].allowed, "%s from %s to %u", cases[i].user, cases[i].addr,
			     cases[i].lport);
		conf_session_fini(&s);
	}
	conf_put(conf);
}

Test(conf_blocks, a_session_keeps_its_configuration)
{
	struct conf *conf = parse("PermitOpen a:1 b:*\n");
	struct conf_session s = session(conf, "u", "10.0.0.1", "10.0.0.2", 22);

	conf_put(conf); /* a reload */
	cr_assert_eq(s.permit_open.n, 2);
	cr_expect_str_eq(s.permit_open.v[1], "b:*");
	conf_session_fini(&s);
	conf_session_fini(&s); /* harmless */
}

/* Match dest: where a channel leads, as far as that is known. */
Test(conf_blocks, match_looks_at_where_a_channel_leads)
{
	static const struct {
		const char *match, *host, *at; /* at: its address; NULL: not known yet */
		uint16_t port;
		bool hit;
	} c[] = {
		{"dest *", "db", NULL, 80, true},
		{"dest db", "db", NULL, 80, true},
		{"dest db:80", "DB", NULL, 80, true},
		{"dest db:81", "db", NULL, 80, false},
		{"dest db:80-90", "db", NULL, 85, true},
		{"dest *.corp,db:80", "x.corp", NULL, 1, true},
		{"dest *.corp,!db.corp", "db.corp", NULL, 1, false},
		{"dest=10.0.0.0/8", "db", "10.1.2.3", 80, true},
		{"dest 10.0.0.0/8", "db", "11.1.2.3", 80, false},
		{"dest 10.0.0.0/8", "db", NULL, 80, false},
		{"dest 10.0.0.0/8:443", "10.0.0.1", "10.0.0.1", 443, true},
		{"dest [2001:db8::/32]", "db", "2001:db8::1", 80, true},
		{"dest [2001:db8::/32]:80", "db", "2001:db8::1", 81, false},
		{"dest 0.0.0.0/0", "localhost", "127.0.0.1", 80, true},
		{"dest db User a", "db", NULL, 80, true},
		{"dest db User b", "db", NULL, 80, false},
		{"dest /run/*", "db", NULL, 80, false},
	};
	static const char *const bad[] = {"dest",	    "dest ,a",	     "dest a:x",
					  "dest 10.0.0.1/8", "dest 10.*",    "dest 2001:db8::1",
					  "dest a:1:2",	    "dest [2001:db8::1"};

	for (size_t i = 0; i < NELEM(c); i++) {
		struct conf_dest d = conf_dest_of(c[i].host, c[i].port);
		struct conf_match_ctx ctx = {.user = "a", .dest = &d};
		struct conf_session s;
		struct conf *conf;
		char text[128];

		snprintf(text, sizeof(text), "MaxAuthTries 5\nMatch %s\nMaxAuthTries 1\n",
			 c[i].match);
		conf = parse(text);
		if (c[i].at != NULL) {
			d.found = true;
			cr_assert_eq(conf_addr_parse(c[i].at, &d.addr), 0);
		}
		cr_expect(conf_matches_about(conf, CONF_ABOUT_DEST));
		cr_assert_eq(conf_session_for(conf, &ctx, &s), 0);
		cr_expect_eq(s.max_auth_tries, c[i].hit ? 1 : 5, "case %zu: %s", i, c[i].match);
		conf_session_fini(&s);
		ctx.dest = NULL;
		cr_assert_eq(conf_session_for(conf, &ctx, &s), 0);
		cr_expect_eq(s.max_auth_tries, 5, "of a login nothing is known of it");
		conf_session_fini(&s);
		conf_put(conf);
	}
	for (size_t i = 0; i < NELEM(bad); i++) {
		char text[128];

		snprintf(text, sizeof(text), "Match %s\nMaxAuthTries 1\n", bad[i]);
		free(refuse(text, strlen(text)));
	}
}
