/* conf/diff.c: what another configuration changes, and what stays as it began. */
#include "conf_bench.h"

static char found[1024];

static void note(void *arg, const struct conf_keyword_info *kw)
{
	(void)arg;
	strcat(strcat(found, kw->name), " ");
}

static const char *differ(const char *a, const char *b)
{
	struct conf *was = parse(a), *is = parse(b);

	found[0] = '\0';
	cr_assert_eq(conf_diff(was, is, note, NULL), 0);
	conf_put(was);
	conf_put(is);
	return found;
}

Test(conf_diff, keywords_that_say_something_else)
{
	static const struct {
		const char *a, *b, *want;
	} c[] = {
		{"", "", ""},
		{"MaxAuthTries 3\n", "# three\n\n  maxauthtries = \"3\"\n", ""},
		{"MaxAuthTries 3\n", "MaxAuthTries 4\n", "MaxAuthTries "},
		{"MaxAuthTries 3\n", "", "MaxAuthTries "},
		/* A value in force, not how it is written. */
		{"", "MaxStartups 10:30:100\n", ""},
		{"", "MaxStartups 10:30:60\nPort 23\n", "Port MaxStartups "},
		{"Memory 512M\n", "", ""},
		{"", "Memory 1G\n", "Memory "},
		{"AllowUsers a b\n", "AllowUsers a\nAllowUsers b\n", "AllowUsers "},
		{"AllowUsers a\n", "AllowUsers b\n", "AllowUsers "},
		{"AllowUsers ab c\n", "AllowUsers a bc\n", "AllowUsers "},
		{"HostKey /a\n", "HostKey /a\nHostKey /b\n", "HostKey "},
		{"Ciphers aes128-ctr\n", "Ciphers aes256-gcm\n", "Ciphers "},
		/* Edits of the default to what it is. */
		{"PubkeyAcceptedAlgorithms +ssh-ed25519\n",
		 "PubkeyAcceptedAlgorithms ssh-ed25519\n", ""},
		/* Blocks. */
		{"Match User a\nMaxAuthTries 3\n", "Match user a\n\tMaxAuthTries 3\n", ""},
		{"Match User a\nMaxAuthTries 3\n", "Match User b\nMaxAuthTries 3\n",
		 "MaxAuthTries "},
		{"Match User a\nMaxAuthTries 3\n", "Match Group a\nMaxAuthTries 3\n",
		 "MaxAuthTries "},
		{"Match User a\nMaxAuthTries 3\n", "MaxAuthTries 3\n", "MaxAuthTries "},
		{"Match User a Address 10.0.0.0/8\nIdleTimeout 3\n",
		 "Match User a\nIdleTimeout 3\n", "IdleTimeout "},
		{"Match LocalPort 22\nIdleTimeout 3\n", "Match LocalPort 23\nIdleTimeout 3\n",
		 "IdleTimeout "},
		{"Match User a\n", "Match User b\n", ""},
		{"Interface a net_null0\nInterfaceAddress a 192.0.2.1/24\n",
		 "Interface a net_null0\nInterfaceAddress a 192.0.2.2/24\n",
		 "InterfaceAddress ListenAddress "},
	};

	for (size_t i = 0; i < NELEM(c); i++) {
		cr_expect_str_eq(differ(c[i].a, c[i].b), c[i].want, "case %zu: %s", i, found);
		cr_expect_str_eq(differ(c[i].b, c[i].a), c[i].want, "case %zu back: %s", i, found);
	}
}

Test(conf_diff, when_it_is_in_force)
{
	static const struct {
		const char *name;
		enum conf_when when;
	} c[] = {
		{"Port", CONF_WHEN_CONTROL},     {"ListenAddress", CONF_WHEN_CONTROL},
		{"HostKey", CONF_WHEN_SIGNER},   {"HostCertificate", CONF_WHEN_SIGNER},
		{"HostKeyFolder", CONF_WHEN_SIGNER},
		{"Memory", CONF_WHEN_DATAPLANE}, {"Interface", CONF_WHEN_DATAPLANE},
		{"Lcores", CONF_WHEN_DATAPLANE}, {"Banner", CONF_WHEN_NEXT},
		{"Ciphers", CONF_WHEN_NEXT},     {"MaxStartups", CONF_WHEN_NEXT},
		{"MaxChannels", CONF_WHEN_DATAPLANE}, {"MaxConnections", CONF_WHEN_NEXT},
	};
	const struct conf_keyword_info *kw;
	size_t seen = 0;

	for (size_t i = 0; (kw = conf_keyword_at(i)) != NULL; i++)
		for (size_t k = 0; k < NELEM(c); k++)
			if (strcmp(kw->name, c[k].name) == 0) {
				cr_expect_eq(conf_keyword_when(kw), c[k].when, "%s", kw->name);
				seen++;
			}
	cr_expect_eq(seen, NELEM(c));
}

/* Where it listens, and on what, stays; all else is the new one's. */
Test(conf_diff, what_does_not_change_is_inherited)
{
	struct conf *base = parse("Interface a net_null0\nInterfaceAddress a 192.0.2.1/24\n"
				  "Memory 1G\nPort 22\nListenBacklog 7\nMaxStartups 5\n"
				  "MaxConnections 50\n");
	struct conf *conf = parse("Interface b net_null1\nInterfaceAddress b 192.0.2.2/24\n"
				  "Memory 2G\nPort 23\nListenBacklog 8\nMaxStartups 6\n"
				  "AllowUsers me\nMaxConnections 60\n");
	struct conf_session s;

	conf_inherit(conf, base);
	conf_put(base); /* conf keeps it */
	cr_expect_str_eq(conf_dataplane(conf)->interfaces[0].name, "a");
	cr_expect_eq(conf_dataplane(conf)->memory_mb, 1024);
	cr_expect_eq(conf_dataplane(conf)->max_connections, 60);
	cr_expect_eq(conf_global(conf)->ports[0], 22);
	cr_expect_eq(conf_global(conf)->listens[0].addr.port, 22);
	cr_expect_eq(conf_global(conf)->listen_backlog, 7);
	cr_expect_eq(conf_global(conf)->startups_full, 6);
	/* A session outlives who made it. */
	cr_assert_eq(conf_session_for(conf, NULL, &s), 0);
	conf_put(conf);
	cr_expect_str_eq(s.allow_users.v[0], "me");
	conf_session_fini(&s);
}

/* It is still said that the file wants something else, however often it is read. */
Test(conf_diff, what_was_not_taken_is_a_difference_again)
{
	struct conf *base = parse("Port 22\n"), *conf = parse("Port 23\n"), *again;

	conf_inherit(conf, base);
	again = parse("Port 23\nMaxAuthTries 3\n");
	found[0] = '\0';
	cr_assert_eq(conf_diff(conf, again, note, NULL), 0);
	cr_expect_str_eq(found, "Port MaxAuthTries ");
	conf_put(again);
	conf_put(conf);
	conf_put(base);
}

Test(conf_diff, marks_tell_files_apart)
{
	static const char *const texts[] = {
		"", "\n", "# a\n", "# b\n", "MaxAuthTries 3\n", "MaxAuthTries 4\n"};
	uint64_t mark[NELEM(texts)];

	for (size_t i = 0; i < NELEM(texts); i++) {
		struct conf *conf = parse(texts[i]), *same = parse(texts[i]);

		mark[i] = conf_mark(conf);
		cr_expect_eq(mark[i], conf_mark(same));
		cr_expect_neq(mark[i], 0);
		for (size_t k = 0; k < i; k++)
			cr_expect_neq(mark[i], mark[k], "%zu and %zu", i, k);
		conf_put(conf);
		conf_put(same);
	}
}
