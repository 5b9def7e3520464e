/*
 * The configuration file: grammar, keywords, Match, errors, the dump.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"

#define NELEM(a) (sizeof(a) / sizeof((a)[0]))

static const struct conf_algs algs = {
	.ciphers = {"aes256-gcm,chacha20,aes128-ctr", "aes256-gcm,chacha20,aes128-ctr,3des-cbc"},
	.macs = {"hmac-sha2-256", "hmac-sha2-256,hmac-sha2-512"},
	.kex = {"curve25519", "curve25519"},
	.hostkey = {"ssh-ed25519,rsa-sha2-512", "ssh-ed25519,rsa-sha2-512"},
	.pubkey_accepted = {"ssh-ed25519", "ssh-ed25519,rsa-sha2-256"},
};

/* Must load. */
static struct conf *parse(const char *text)
{
	struct conf *conf = NULL;
	char *errors = NULL;

	cr_assert_eq(conf_parse("test", text, strlen(text), &algs, &conf, &errors), 0, "%s: %s",
		     text, errors);
	cr_assert_null(errors);
	return conf;
}

/* Must not load; the errors are the caller's. */
static char *refuse(const char *text, size_t len)
{
	struct conf *conf = NULL;
	char *errors = NULL;

	cr_assert_eq(conf_parse("test", text, len, &algs, &conf, &errors), -EINVAL, "taken: %s",
		     text);
	cr_assert_null(conf);
	cr_assert_not_null(errors);
	return errors;
}

static struct conf_session session(struct conf *conf, const char *user, const char *addr,
				   const char *laddr, uint16_t lport)
{
	struct conf_match_ctx ctx = {.user = user, .addr = addr, .laddr = laddr, .lport = lport};
	struct conf_session s;

	cr_assert_eq(conf_session_for(conf, &ctx, &s), 0);
	return s;
}

static char *dump(struct conf *conf, const struct conf_match_ctx *ctx)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	cr_assert_eq(conf_dump(conf, ctx, f), 0);
	fclose(f);
	return text;
}

/* --- grammar ------------------------------------------------------------------------ */

Test(conf, grammar_of_lines)
{
	static const char *const same[] = {
		"Dataplane gw1",       "dataplane gw1",
		"DATAPLANE\tgw1",      "  Dataplane   gw1  ",
		"Dataplane=gw1",       "Dataplane = gw1",
		"Dataplane =gw1",      "Dataplane \"gw1\"",
		"Dataplane 'gw1'",     "Dataplane g\"w\"1",
		"Dataplane gw1 # no",  "Dataplane gw1\r",
		"# no\nDataplane gw1", "\n\n\tDataplane gw1\nDataplane gw2\n",
	};

	for (size_t i = 0; i < NELEM(same); i++) {
		struct conf *conf = parse(same[i]);

		cr_expect_str_eq(conf_dataplane(conf)->name, "gw1", "%s", same[i]);
		conf_put(conf);
	}
}

Test(conf, quotes_keep_blanks_and_escapes)
{
	struct conf *conf =
		parse("HostKey \"/a b/\\\"c\\\\\"\nHostKey /d\\ e#f\nHostKey '/g\\h'\n");
	const struct conf_strs *keys = &conf_global(conf)->host_keys;

	cr_assert_eq(keys->n, 3);
	cr_expect_str_eq(keys->v[0], "/a b/\"c\\");
	cr_expect_str_eq(keys->v[1], "/d e#f");
	cr_expect_str_eq(keys->v[2], "/g\\h");
	conf_put(conf);
}

Test(conf, host_keys_have_options)
{
	struct conf *conf = parse("HostKey /a format=PFX subject=\"CN=a, O=b\" thumbprint=aa:bb\n"
				  "HostKey ./format=pem Passphrase-File=/p\nHostKey /c\n");
	const struct conf_strs *words = &conf_global(conf)->host_keys;
	struct conf_host_key k;
	size_t at = 0;

	cr_assert(conf_host_key_next(words, &at, &k));
	cr_expect_str_eq(k.path, "/a");
	cr_expect_str_eq(k.format, "PFX");
	cr_expect_str_eq(k.subject, "CN=a, O=b");
	cr_expect_str_eq(k.thumbprint, "aa:bb");
	cr_expect_null(k.passphrase_file);
	cr_assert(conf_host_key_next(words, &at, &k));
	cr_expect_str_eq(k.path, "./format=pem");
	cr_expect_str_eq(k.passphrase_file, "/p");
	cr_expect_null(k.format);
	cr_assert(conf_host_key_next(words, &at, &k));
	cr_expect_str_eq(k.path, "/c");
	cr_expect_null(k.passphrase_file);
	cr_expect_not(conf_host_key_next(words, &at, &k));
	conf_put(conf);
}

Test(conf, first_value_wins)
{
	struct conf *conf =
		parse("MaxAuthTries 2\nMaxAuthTries 3\nListenBacklog 7\nListenBacklog 8\n");
	struct conf_session s = session(conf, "u", "10.0.0.1", "10.0.0.2", 22);

	cr_expect_eq(s.max_auth_tries, 2);
	cr_expect_eq(conf_global(conf)->listen_backlog, 7);
	conf_session_fini(&s);
	conf_put(conf);
}

/* Each line is refused with that text, as sshd words it, and with its number. */
static const struct {
	const char *line, *error;
} refused[] = {
	{"Foo bar", "Bad configuration option: Foo"},
	{"Subsystem sftp internal-sftp",
	 "Unsupported option Subsystem: not supported in this version"},
	{"FIPSMode yes", "Unsupported option FIPSMode: not supported in this version"},
	{"MaxSessions 3", "Unsupported option MaxSessions: not supported in this version"},
	{"Dataplane", "Dataplane missing argument."},
	{"Dataplane # x", "Dataplane missing argument."},
	{"Dataplane \"\"", "Dataplane missing argument."},
	{"Dataplane a b", "keyword Dataplane extra arguments at end of line"},
	{"Dataplane \"a", "invalid quotes"},
	{"Dataplane a/b", "Dataplane: bad name 'a/b'"},
	{"Dataplane \001", "line contains a control character"},
	{"VersionAddendum", "VersionAddendum missing argument."},
	{"Lcores 0,1,0", "Lcores: 0 is named twice"},
	{"Lcores 2,1-3", "Lcores: 2 is named twice"},
	{"Lcores 0-64", "Lcores: more than 64"},
	{"Lcores 3-0", "Lcores: bad list '3-0'"},
	{"Lcores 0,", "Lcores: bad list '0,'"},
	{"Lcores all", "Lcores: bad list 'all'"},
	{"Lcores 99999", "Lcores: bad list '99999'"},
	{"Memory 1M", "Memory: size too small, at least 67108864"},
	{"Memory 512", "Memory: size too small, at least 67108864"},
	{"Memory 67108865", "Memory: not a multiple of 1M"},
	{"Memory 99999G", "Memory: size too large, at most 1099511627776"},
	{"Memory 1T", "Memory: invalid size '1T'"},
	{"Memory 512MB", "Memory: invalid size '512MB'"},
	{"Memory -1", "Memory: invalid size '-1'"},
	{"IdleSleep maybe", "unsupported option \"maybe\" for IdleSleep"},
	{"IdleSleep 1", "unsupported option \"1\" for IdleSleep"},
	{"ReassembleFragments 1", "unsupported option \"1\" for ReassembleFragments"},
	{"CryptoEngine fpga", "unsupported option \"fpga\" for CryptoEngine"},
	{"StrictKex 4", "unsupported option \"4\" for StrictKex"},
	{"AllowTcpForwarding remote", "unsupported option \"remote\" for AllowTcpForwarding"},
	{"LogLevel DEBUG4", "unsupported option \"DEBUG4\" for LogLevel"},
	{"TCPKeepAliveCount 0", "TCPKeepAliveCount: integer value too small"},
	{"TCPKeepAliveCount 256", "TCPKeepAliveCount: integer value too large"},
	{"MaxConnections 10x", "MaxConnections: integer value invalid"},
	{"MaxConnections 0x10", "MaxConnections: integer value invalid"},
	{"MaxConnections 18446744073709551617", "MaxConnections: integer value invalid"},
	{"LoginGraceTime 10y", "LoginGraceTime: invalid time value '10y'"},
	{"LoginGraceTime none", "LoginGraceTime: invalid time value 'none'"},
	{"LoginGraceTime -5", "LoginGraceTime: invalid time value '-5'"},
	{"LoginGraceTime 99999999w", "LoginGraceTime: invalid time value '99999999w'"},
	{"LoginGraceTime 5m5", NULL}, /* not refused: 305 s */
	{"AddressFamily ipv4", "unsupported option \"ipv4\" for AddressFamily"},
	{"TCPNoDelay maybe", "unsupported option \"maybe\" for TCPNoDelay"},
	{"TCPCongestionControl reno", "unsupported option \"reno\" for TCPCongestionControl"},
	{"TCPECN 2", "unsupported option \"2\" for TCPECN"},
	{"TCPPacing 1", "unsupported option \"1\" for TCPPacing"},
	{"TCPUserTimeout 999ms", "TCPUserTimeout: time value too small"},
	{"ReadQuantum 4095", "ReadQuantum: size too small, at least 4096"},
	{"ReadQuantum 2G", "ReadQuantum: size too large, at most 1073741824"},
	{"ReadQuantum 0ms", "ReadQuantum: time not between 1ms and 1s"},
	{"ReadQuantum 2s", "ReadQuantum: time not between 1ms and 1s"},
	{"ReadQuantum fast", "ReadQuantum: neither size nor time 'fast'"},
	{"TCPKeepAliveTime 0", "TCPKeepAliveTime: time value too small"},
	{"VersionString SSH-1.99-x", "VersionString: not \"SSH-2.0-"},
	{"VersionString SSH-2.0-", "VersionString: not \"SSH-2.0-"},
	{"VersionString \"SSH-2.0- x\"", "VersionString: not \"SSH-2.0-"},
	{"VersionString SSH-2.0-\xc3\xa4", "VersionString: not \"SSH-2.0-"},
	{"MaxStartups 10:30", "Illegal MaxStartups spec."},
	{"MaxStartups 100:30:10", "Illegal MaxStartups spec."},
	{"MaxStartups 10:101:100", "Illegal MaxStartups spec."},
	{"MaxStartups 10:0:100", "Illegal MaxStartups spec."},
	{"MaxStartups 10:30:100:1", "Illegal MaxStartups spec."},
	{"MaxStartups 0", "Illegal MaxStartups spec."},
	{"DHGroupExchangeBits 2048", "DHGroupExchangeBits is MIN:PREFERRED:MAX, from 1024 to 8192."},
	{"DHGroupExchangeBits 2048:3072", "DHGroupExchangeBits is MIN:PREFERRED:MAX"},
	{"DHGroupExchangeBits 1023:2048:4096", "DHGroupExchangeBits is MIN:PREFERRED:MAX"},
	{"DHGroupExchangeBits 2048:3072:8193", "DHGroupExchangeBits is MIN:PREFERRED:MAX"},
	{"DHGroupExchangeBits 3072:2048:8192", "DHGroupExchangeBits is MIN:PREFERRED:MAX"},
	{"DHGroupExchangeBits 2048:4096:3072", "DHGroupExchangeBits is MIN:PREFERRED:MAX"},
	{"DHGroupExchangeBits 2048:3072:8192:", "DHGroupExchangeBits is MIN:PREFERRED:MAX"},
	{"PerSourceMaxStartups -1", "PerSourceMaxStartups: integer value invalid"},
	{"PerSourceMaxStartups 1x", "PerSourceMaxStartups: integer value invalid"},
	{"PerSourceNetBlockSize 33", "Invalid PerSourceNetBlockSize value"},
	{"PerSourceNetBlockSize 32:129", "Invalid PerSourceNetBlockSize value"},
	{"PerSourceNetBlockSize 32:", "Invalid PerSourceNetBlockSize value"},
	{"PerSourceNetBlockSize :64", "Invalid PerSourceNetBlockSize value"},
	{"PerSourceNetBlockSize 24:64:1", "Invalid PerSourceNetBlockSize value"},
	{"PerSourcePenalties maybe", "unsupported PerSourcePenalties keyword maybe"},
	{"PerSourcePenalties crash", "unsupported PerSourcePenalties keyword crash"},
	{"PerSourcePenalties crashes:1", "unsupported PerSourcePenalties keyword crashes:1"},
	{"PerSourcePenalties crash:soon", "invalid PerSourcePenalties value crash:soon"},
	{"PerSourcePenalties min:1.", "invalid PerSourcePenalties value min:1."},
	{"PerSourcePenalties min:1.2345", "invalid PerSourcePenalties value min:1.2345"},
	{"PerSourcePenalties max-sources4:0", "invalid PerSourcePenalties value max-sources4:0"},
	{"PerSourcePenalties overflow:deny", "invalid PerSourcePenalties value overflow:deny"},
	{"PerSourcePenalties min:1 min:1", "duplicate PerSourcePenalties keyword min"},
	{"PerSourcePenalties yes min:1", "keywords after yes"},
	{"PerSourcePenaltyExemptList 10.0.0.0/33",
	 "Invalid PerSourcePenaltyExemptList argument: \"10.0.0.0/33\""},
	{"Match All\nPerSourcePenalties no",
	 "Directive 'PerSourcePenalties' is not allowed within a Match block"},
	{"RekeyLimit 1X", "Bad RekeyLimit specification '1X'"},
	{"RekeyLimit 4611686018427387905", "Bad RekeyLimit specification '4611686018427387905'"},
	{"RekeyLimit 4294967297G", "Bad RekeyLimit specification '4294967297G'"},
	{"RekeyLimit 15", "RekeyLimit too small"},
	{"RekeyLimit 1G soon", "Bad RekeyLimit time 'soon'"},
	{"RekeyLimit 1G 1h 1h", "keyword RekeyLimit extra arguments at end of line"},
	{"PermitOpen localhost", "bad port number or host in PermitOpen 'localhost'"},
	{"PermitOpen localhost:0", "bad port number or host in PermitOpen 'localhost:0'"},
	{"PermitOpen ::1:22", "bad port number or host in PermitOpen '::1:22'"},
	{"PermitOpen a:1 any", "bad port number or host in PermitOpen 'any'"},
	{"AllowUsers !root", "invalid AllowUsers pattern: \"!root\""},
	{"AllowUsers a@10.0.0.1/8", "invalid AllowUsers pattern: \"a@10.0.0.1/8\""},
	{"AuthenticationMethods any publickey",
	 "\"any\" must appear alone in AuthenticationMethods"},
	{"AuthenticationMethods publickey,", "invalid AuthenticationMethods \"publickey,\""},
	{"AuthenticationMethods ,publickey", "invalid AuthenticationMethods \",publickey\""},
	{"AuthenticationMethods publickey,any", "invalid AuthenticationMethods \"publickey,any\""},
	{"AuthenticationMethods magic", "invalid AuthenticationMethods \"magic\""},
	{"AuthenticationMethods password:pam", "invalid AuthenticationMethods \"password:pam\""},
	{"AuthenticationMethods keyboard-interactive:", "invalid AuthenticationMethods "
							"\"keyboard-interactive:\""},
	{"AuthenticationMethods keyboard-interactive:bsdauth", "invalid AuthenticationMethods "
							       "\"keyboard-interactive:bsdauth\""},
	{"KbdInteractivePrompt \"a: \" loud",
	 "unsupported option \"loud\" for KbdInteractivePrompt"},
	{"KbdInteractivePrompt \"a\tb\" echo", "KbdInteractivePrompt: control characters"},
	{"PermitRootLogin maybe", "unsupported option \"maybe\" for PermitRootLogin"},
	{"TOTPWindow 11", "TOTPWindow: integer value too large"},
	{"VersionPattern a,,b", "VersionPattern: an empty pattern"},
	{"AllowGroups \"\"", "AllowGroups missing argument."},
	{"DenyUsers @host", "invalid DenyUsers pattern: \"@host\""},
	{"AuthorizedKeysFile /a/%x", "AuthorizedKeysFile: unknown token in '/a/%x'"},
	{"AuthorizedKeysFile /a/%", "AuthorizedKeysFile: unknown token in '/a/%'"},
	{"AuthorizedKeysFile none /a", "AuthorizedKeysFile: 'none' must appear alone"},
	{"ChannelWindow 16M", "ChannelWindow: size too large, at most 15728640"},
	{"ChannelMaxPacket 256K", "ChannelMaxPacket: size too large, at most 131072"},
	{"Ciphers none", "Bad SSH2 ciphers 'none'."},
	{"Ciphers aes256-gcm,", "Bad SSH2 ciphers 'aes256-gcm,'."},
	{"Ciphers +nope", "Bad SSH2 ciphers '+nope'."},
	{"Ciphers -nope", "Bad SSH2 ciphers '-nope'."},
	{"Ciphers -*", "Bad SSH2 ciphers '-*'."},
	{"Ciphers aes*", "Bad SSH2 ciphers 'aes*'."},
	{"Ciphers +", "Bad SSH2 ciphers '+'."},
	{"MACs hmac-md5", "Bad SSH2 MAC spec 'hmac-md5'."},
	{"KexAlgorithms x", "Bad SSH2 KexAlgorithms 'x'."},
	{"HostKeyAlgorithms ssh-dss", "Bad key types 'ssh-dss'."},
	{"PubkeyAcceptedAlgorithms ssh-dss", "Bad key types 'ssh-dss'."},
	{"HostKey format=pem /a", "HostKey: 'format=pem' stands before the path"},
	{"HostKey /a /b", "HostKey: unknown option '/b'"},
	{"HostKey /a format=der", "HostKey: unknown format 'der'"},
	{"HostKey /a subject=", "HostKey: 'subject=' is empty or there twice"},
	{"HostKey /a format=pem format=pem", "HostKey: 'format=pem' is empty or there twice"},
	{"Include x.conf", "Include is not possible here"},
	{"Include", "Include missing argument."},
	{"Port 0", "Badly formatted port number."},
	{"Port 65536", "Badly formatted port number."},
	{"Port 22 23", "keyword Port extra arguments at end of line"},
	{"ListenAddress gw.example.com",
	 "bad address or port number in ListenAddress 'gw.example.com'"},
	{"ListenAddress 10.0.0.1:", "bad address or port number in ListenAddress '10.0.0.1:'"},
	{"ListenAddress [10.0.0.1]:22",
	 "bad address or port number in ListenAddress '[10.0.0.1]:22'"},
	{"ListenAddress [::1]x", "bad address or port number in ListenAddress '[::1]x'"},
	{"Interface a", "Interface missing argument."},
	{"Interface a b c", "Interface: unknown option 'c'"},
	{"Interface a b vlan=0", "Interface: bad value 'vlan=0'"},
	{"Interface a b vlan=4095", "Interface: bad value 'vlan=4095'"},
	{"Interface a b vlan=", "Interface: bad value 'vlan='"},
	{"Interface a b vlan=-1", "Interface: bad value 'vlan=-1'"},
	{"Interface a b vlan=1x", "Interface: bad value 'vlan=1x'"},
	{"Interface a b vlan=1 vlan=2", "Interface: bad value 'vlan=2'"},
	{"Interface a b vlans=1", "Interface: unknown option 'vlans=1'"},
	{"Interface a b mtu=575", "Interface: bad value 'mtu=575'"},
	{"Interface a b mtu=9001", "Interface: bad value 'mtu=9001'"},
	{"Interface a b mtu=99999999999999999999",
	 "Interface: bad value 'mtu=99999999999999999999'"},
	{"Interface a/b net_tap0", "Interface: bad name 'a/b'"},
	{"InterfaceAddress a 10.0.0.1/8", "InterfaceAddress: no Interface a"},
	{"Route default 10.0.0.1", "Route missing argument."},
	{"Route default dev 10.0.0.1", "Route: not \"PREFIX via ADDR\""},
	{"Route default via 10.0.0.1", "Route: 10.0.0.1 is no neighbour of an InterfaceAddress"},
	{"Route 10.0.0.1/8 via 10.0.0.1", "Route: bad prefix '10.0.0.1/8'"},
	{"Route ::/0 via ::1", "Route: ::1 is no neighbour of an InterfaceAddress"},
	{"Match", "Match missing argument."},
	{"Match Usr a", "Unsupported Match attribute Usr"},
	{"Match Group a,,b", "Invalid Match Group argument 'a,,b'"},
	{"Match Group", "Missing Match criteria for 'Group'"},
	{"Match Client-Version", "Missing Match criteria for 'Client-Version'"},
	{"Match Invalid-User=yes", "Match attribute Invalid-User takes no value"},
	{"Match RDomain a", "Match attribute RDomain is not supported in this version"},
	{"Match All User a", "'all' cannot be combined with other Match attributes"},
	{"Match User a All", "'all' cannot be combined with other Match attributes"},
	{"Match User", "Missing Match criteria for 'User'"},
	{"Match User a Address", "Missing Match criteria for 'Address'"},
	{"Match User a,,b", "Invalid Match User argument 'a,,b'"},
	{"Match Address 10.0.0.1/8", "Invalid Match Address argument '10.0.0.1/8'"},
	{"Match Address 10.0.0.0/33", "Invalid Match Address argument '10.0.0.0/33'"},
	{"Match LocalPort ssh", "Invalid Match LocalPort argument 'ssh'"},
	{"Match All\nDataplane a", "Directive 'Dataplane' is not allowed within a Match block"},
	{"Match All\nMaxStartups 1", "Directive 'MaxStartups' is not allowed within a Match block"},
	{"Match All\nPort 1", "Directive 'Port' is not allowed within a Match block"},
	{"Match User nobody\nMaxAuthTries x", "MaxAuthTries: integer value invalid"},
};

Test(conf, refusals)
{
	for (size_t i = 0; i < NELEM(refused); i++) {
		const char *line = refused[i].line;
		char text[256], want[256];
		unsigned int number = strchr(line, '\n') != NULL ? 4 : 3;
		char *errors;

		snprintf(text, sizeof(text), "# one\n\n%s\n", line);
		if (refused[i].error == NULL) {
			conf_put(parse(text));
			continue;
		}
		errors = refuse(text, strlen(text));
		snprintf(want, sizeof(want), "test line %u: %s", number, refused[i].error);
		cr_expect(strncmp(errors, want, strlen(want)) == 0, "%s: %s", line, errors);
		free(errors);
	}
}

Test(conf, all_errors_are_collected)
{
	static const char text[] =
		"Foo 1\nMaxAuthTries x\nPort 22\nBar\nRoute default via 1.2.3.4\n";
	char *errors = refuse(text, sizeof(text) - 1);

	cr_expect_str_eq(errors,
			 "test line 1: Bad configuration option: Foo\n"
			 "test line 2: MaxAuthTries: integer value invalid\n"
			 "test line 4: Bad configuration option: Bar\n"
			 "test line 5: Route: 1.2.3.4 is no neighbour of an InterfaceAddress\n"
			 "test: terminating, 4 bad configuration options\n");
	free(errors);
}

Test(conf, nul_and_huge_files_are_refused)
{
	char *big = calloc(1, CONF_FILE_MAX + 1);

	free(refuse("Port 22\0\n", 9));
	memset(big, '\n', CONF_FILE_MAX + 1);
	free(refuse(big, CONF_FILE_MAX + 1));
	free(big);
}

Test(conf, errors_do_not_steer_a_terminal)
{
	char *errors = refuse("Bad\tk\n", 6);

	cr_expect_str_eq(errors, "test line 1: Bad configuration option: Bad\n"
				 "test: terminating, 1 bad configuration options\n");
	free(errors);
	errors = refuse("Dataplane \"a\tb\"\n", 16);
	cr_expect_not_null(strstr(errors, "bad name 'a?b'"), "%s", errors);
	free(errors);
}

Test(conf, too_many_errors_and_arguments_end)
{
	char *text = malloc(64 * 1024), *errors;
	size_t n = 0;

	for (int i = 0; i < 3000; i++)
		n += (size_t)sprintf(text + n, "Foo %d\n", i);
	errors = refuse(text, n);
	cr_expect_not_null(strstr(errors, "terminating, 3000 bad"));
	free(errors);
	n = (size_t)sprintf(text, "AllowUsers");
	for (int i = 0; i <= CONF_ARGS_MAX; i++)
		n += (size_t)sprintf(text + n, " u%d", i);
	errors = refuse(text, n);
	cr_expect_not_null(strstr(errors, "too many arguments"), "%s", errors);
	free(errors);
	free(text);
}

/* --- values --------------------------------------------------------------------------- */

Test(conf, defaults)
{
	struct conf *conf = parse("");
	const struct conf_dataplane *d = conf_dataplane(conf);
	const struct conf_global *g = conf_global(conf);
	struct conf_session s = session(conf, "u", "10.0.0.1", "10.0.0.2", 22);

	cr_expect_str_eq(d->name, "dp0");
	cr_expect_eq(d->lcores.n, 1);
	cr_expect_eq(d->lcores.id[0], 0);
	cr_expect_eq(d->memory_mb, 512);
	cr_expect(d->idle_sleep && d->tcp_keepalive);
	cr_expect_eq(d->hugepages, CONF_HUGEPAGES_AUTO);
	cr_expect_eq(d->crypto_engine, CONF_ENGINE_AUTO);
	cr_expect(d->reassemble_fragments);
	cr_expect_eq(d->receive_buffer, 0);
	cr_expect_eq(d->send_buffer, 0);
	cr_expect_eq(d->tcp_congestion, CONF_CONGESTION_CUBIC);
	cr_expect_eq(d->tcp_ecn, CONF_ECN_ON_DEMAND);
	cr_expect(d->tcp_pacing);
	cr_expect_eq(d->tcp_keepalive_time_ms, 7200000);
	cr_expect_eq(d->tcp_keepalive_interval_ms, 75000);
	cr_expect_eq(d->tcp_keepalive_count, 9);
	cr_expect_eq(d->max_connections, 100000);
	cr_expect_eq(d->max_channels, 65536);
	cr_expect_eq(d->audit_backlog, 65536);
	cr_expect_eq(d->control_wait_ms, 10000);
	cr_expect_eq(d->n_interfaces + d->n_ifaddrs + d->n_routes, 0);

	cr_assert_eq(g->n_ports, 1);
	cr_expect_eq(g->ports[0], 22);
	cr_expect_eq(g->n_listens, 0);
	cr_expect_eq(g->host_keys.n, 0);
	cr_expect_str_eq(g->version_string, "SSH-2.0-Sluice_" SLUICE_VERSION);
	cr_expect_str_eq(g->version_addendum, "");
	cr_expect_eq(g->strict_kex, CONF_STRICT_KEX_ON);
	cr_expect_str_eq(g->ciphers, algs.ciphers.dflt);
	cr_expect_str_eq(g->macs, algs.macs.dflt);
	cr_expect_str_eq(g->kex, algs.kex.dflt);
	cr_expect_str_eq(g->hostkey_algorithms, algs.hostkey.dflt);
	cr_expect_str_eq(g->pubkey_accepted_any, algs.pubkey_accepted.dflt);
	cr_expect_str_eq(s.pubkey_accepted, algs.pubkey_accepted.dflt);
	cr_expect_eq(g->startups_begin, 10);
	cr_expect_eq(g->startups_rate, 30);
	cr_expect_eq(g->startups_full, 100);
	cr_expect(g->strict_modes);
	cr_expect_eq(g->slow_path_rate, 1000);
	cr_expect_eq(g->listen_backlog, 4096);

	cr_expect_eq(s.login_grace_time_ms, 120000);
	cr_expect_eq(s.max_auth_tries, 6);
	cr_assert_eq(s.authorized_keys_files.n, 1);
	cr_expect_str_eq(s.authorized_keys_files.v[0], "/etc/sluice/authorized_keys/%u");
	cr_expect_null(s.password_hash_file);
	cr_expect(s.password_authentication && s.pubkey_authentication);
	cr_expect_not(s.permit_empty_passwords || s.disable_forwarding);
	cr_expect_eq(s.allow_tcp_forwarding, CONF_FORWARDING_YES);
	cr_assert_eq(s.permit_open.n, 1);
	cr_expect_str_eq(s.permit_open.v[0], "any");
	cr_expect_eq(s.rekey_bytes, 0);
	cr_expect_eq(s.rekey_ms, 0);
	cr_expect_eq(s.client_alive_interval_ms, 0);
	cr_expect_eq(s.client_alive_count_max, 3);
	cr_expect_eq(s.channel_window, 15 * 1024 * 1024);
	cr_expect(s.channel_window_auto);
	cr_expect_eq(s.channel_max_packet, 32768);
	cr_expect_eq(s.idle_timeout_ms, 0);
	cr_expect_eq(s.operation_timeout_ms, 60000);
	cr_expect_eq(s.open_grant_ms, 60000);
	cr_expect_eq(s.max_channels_per_connection, 1024);
	cr_expect_eq(s.allow_users.n + s.deny_users.n, 0);
	cr_expect_eq(s.log_level, CONF_LOG_INFO);
	conf_session_fini(&s);
	conf_put(conf);
}

Test(conf, times)
{
	static const struct {
		const char *text;
		uint32_t ms;
	} cases[] = {
		{"0", 0},           {"90", 90000},      {"90s", 90000},    {"5m", 300000},
		{"1h30m", 5400000}, {"1H30M", 5400000}, {"2d", 172800000}, {"1w", 604800000},
		{"250ms", 250},     {"1s250ms", 1250},  {"5m5", 305000},   {"4294967s", 4294967000},
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		char text[64];
		struct conf *conf;
		struct conf_session s;

		snprintf(text, sizeof(text), "IdleTimeout %s", cases[i].text);
		conf = parse(text);
		s = session(conf, NULL, NULL, NULL, 0);
		cr_expect_eq(s.idle_timeout_ms, cases[i].ms, "%s: %u", cases[i].text,
			     s.idle_timeout_ms);
		conf_session_fini(&s);
		conf_put(conf);
	}
}

static const struct {
	const char *text, *printed;
	uint16_t n, first, last;
} lcore_lists[] = {
	{"0", "0", 1, 0, 0},
	{"1-3,5", "1,2,3,5", 4, 1, 5},
	{"7,0-1", "7,0,1", 3, 7, 1},
	{"0-63", NULL, 64, 0, 63},
};

Test(conf, lcores_are_a_list)
{
	for (size_t i = 0; i < sizeof(lcore_lists) / sizeof(lcore_lists[0]); i++) {
		const struct conf_lcores *l;
		char text[64], *out = NULL, *line;
		size_t size = 0;
		struct conf *conf;
		FILE *f;

		snprintf(text, sizeof(text), "Lcores %s", lcore_lists[i].text);
		conf = parse(text);
		l = &conf_dataplane(conf)->lcores;
		cr_expect_eq(l->n, lcore_lists[i].n, "%s: %u", text, l->n);
		cr_expect_eq(l->id[0], lcore_lists[i].first);
		cr_expect_eq(l->id[l->n - 1], lcore_lists[i].last);
		f = open_memstream(&out, &size);
		conf_dump(conf, NULL, f);
		fclose(f);
		snprintf(text, sizeof(text), "lcores %s\n",
			 lcore_lists[i].printed != NULL ? lcore_lists[i].printed : "0,1,2,3,4");
		line = strcasestr(out, "lcores ");
		cr_expect(line != NULL && strncasecmp(line, text, strcspn(text, "\n")) == 0,
			  "case %zu", i);
		free(out);
		conf_put(conf);
	}
}

Test(conf, sizes_and_specs)
{
	struct conf *conf = parse("Memory 1g\nReceiveBuffer 64k\nSendBuffer 4m\nMaxStartups 5\n"
				  "RekeyLimit 1G 1h\nChannelWindow 1M\nOperationTimeout none\n"
				  "LogLevel debug\nStrictKex 2\nVersionAddendum \"a\" # b\n");
	const struct conf_dataplane *d = conf_dataplane(conf);
	const struct conf_global *g = conf_global(conf);
	struct conf_session s = session(conf, NULL, NULL, NULL, 0);

	cr_expect_eq(d->memory_mb, 1024);
	cr_expect_eq(d->receive_buffer, 65536);
	cr_expect_eq(d->send_buffer, 4194304);
	cr_expect_eq(d->tcp_user_timeout_ms, 300000);
	cr_expect(d->read_quantum.bytes == 65536 && d->read_quantum.ms == 0);
	cr_expect(s.tcp_nodelay && g->listen_exclusive);
	cr_expect(g->startups_begin == 5 && g->startups_rate == 100 && g->startups_full == 5);
	cr_expect_eq(g->strict_kex, CONF_STRICT_KEX_SAFE);
	cr_expect_str_eq(g->version_addendum, "\"a\" # b");
	cr_expect_eq(s.rekey_bytes, 1 << 30);
	cr_expect_eq(s.rekey_ms, 3600000);
	cr_expect_eq(s.channel_window, 1 << 20);
	cr_expect_not(s.channel_window_auto);
	cr_expect_eq(s.operation_timeout_ms, CONF_TIME_NONE);
	cr_expect_eq(s.log_level, CONF_LOG_DEBUG1);
	conf_session_fini(&s);
	conf_put(conf);
}

static const struct {
	const char *text;
	uint32_t bytes, ms;
	const char *dump;
} quanta[] = {
	{"0", 0, 0, "readquantum 0\n"},
	{"4k", 4096, 0, "readquantum 4096\n"},
	{"5m", 5 << 20, 0, "readquantum 5242880\n"}, /* a size: M means one everywhere */
	{"5ms", 0, 5, "readquantum 5ms\n"},
	{"1s", 0, 1000, "readquantum 1000ms\n"},
};

Test(conf, a_quantum_is_a_size_or_a_time)
{
	for (size_t i = 0; i < NELEM(quanta); i++) {
		const struct conf_quantum *q;
		char text[64], *dump = NULL;
		struct conf *conf;
		size_t n;
		FILE *f;

		snprintf(text, sizeof(text), "ReadQuantum %s", quanta[i].text);
		conf = parse(text);
		q = &conf_dataplane(conf)->read_quantum;
		cr_expect(q->bytes == quanta[i].bytes && q->ms == quanta[i].ms,
			  "%s: %u bytes %u ms", text, q->bytes, q->ms);
		f = open_memstream(&dump, &n);
		cr_assert_eq(conf_dump(conf, NULL, f), 0);
		fclose(f);
		cr_expect_neq(strstr(dump, quanta[i].dump), NULL, "%s", text);
		free(dump);
		conf_put(conf);
	}
}

Test(conf, algorithm_edits)
{
	static const struct {
		const char *spec, *want;
	} cases[] = {
		{"aes128-ctr", "aes128-ctr"},
		{"3des-cbc,aes256-gcm,3des-cbc", "3des-cbc,aes256-gcm"},
		{"+3des-cbc", "aes256-gcm,chacha20,aes128-ctr,3des-cbc"},
		{"+chacha20", "aes256-gcm,chacha20,aes128-ctr"},
		{"-chacha20", "aes256-gcm,aes128-ctr"},
		{"-aes*", "chacha20"},
		{"-3des-cbc,aes256-gcm", "chacha20,aes128-ctr"},
		{"^3des-cbc,aes128-ctr", "3des-cbc,aes128-ctr,aes256-gcm,chacha20"},
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		char text[64];
		struct conf *conf;

		snprintf(text, sizeof(text), "Ciphers %s", cases[i].spec);
		conf = parse(text);
		cr_expect_str_eq(conf_global(conf)->ciphers, cases[i].want, "%s", cases[i].spec);
		conf_put(conf);
	}
}

Test(conf, a_program_without_algorithms_does_not_judge_them)
{
	struct conf *conf = NULL;
	char *errors;

	cr_assert_eq(conf_parse("test", "Ciphers foo\n", 12, NULL, &conf, &errors), 0);
	cr_expect_null(conf_global(conf)->ciphers);
	conf_put(conf);
}

/* --- interfaces, routes, listeners ----------------------------------------------------------- */

#define TWO_PORTS                                                                                  \
	"InterfaceAddress out 198.18.0.2/24\n"                                                     \
	"Interface out net_tap0,iface=sl0\nInterface in \"net_af_packet0,iface=v 1\"\n"            \
	"InterfaceAddress in 198.19.0.2/24\n"

Test(conf, topology)
{
	struct conf *conf = parse(TWO_PORTS "Route default via 198.18.0.1\n"
					    "Route 10.0.0.0/8 via 198.19.0.1\n");
	const struct conf_dataplane *d = conf_dataplane(conf);
	char text[CONF_ADDR_TEXT];

	cr_assert_eq(d->n_interfaces, 2);
	cr_expect_str_eq(d->interfaces[0].name, "out");
	cr_expect_str_eq(d->interfaces[0].device, "net_tap0,iface=sl0");
	cr_expect_str_eq(d->interfaces[1].device, "net_af_packet0,iface=v 1");
	cr_assert_eq(d->n_ifaddrs, 2);
	cr_expect_eq(d->ifaddrs[1].interface, 1);
	cr_expect_str_eq(conf_prefix_text(&d->ifaddrs[1].prefix, text), "198.19.0.2/24");
	cr_assert_eq(d->n_routes, 2);
	cr_expect_eq(d->routes[0].prefix.len, 0);
	cr_expect_eq(d->routes[0].interface, 0);
	cr_expect_eq(d->routes[1].interface, 1);
	cr_expect_str_eq(conf_addr_text(&d->routes[1].via, text), "198.19.0.1");
	conf_put(conf);
}

Test(conf, interfaces_may_share_a_device_by_vlan)
{
	struct conf *conf = parse("Interface a net_tap0\nInterface b net_tap0 vlan=4094 mtu=9000\n"
				  "Interface c net_tap0 MTU=576 VLAN=1\n");
	const struct conf_dataplane *d = conf_dataplane(conf);
	char *dump = NULL;
	size_t n;
	FILE *f = open_memstream(&dump, &n);

	cr_assert_eq(d->n_interfaces, 3);
	cr_expect(d->interfaces[0].vlan == 0 && d->interfaces[0].mtu == 0);
	cr_expect(d->interfaces[1].vlan == 4094 && d->interfaces[1].mtu == 9000);
	cr_expect(d->interfaces[2].vlan == 1 && d->interfaces[2].mtu == 576);
	cr_assert_eq(conf_dump(conf, NULL, f), 0);
	fclose(f);
	cr_expect_neq(strstr(dump, "interface a net_tap0\n"), NULL);
	cr_expect_neq(strstr(dump, "interface b net_tap0 vlan=4094 mtu=9000\n"), NULL);
	free(dump);
	conf_put(conf);
}

Test(conf, topology_refusals)
{
	static const char *const lines[] = {
		"Interface out net_tap9",
		"Interface third net_tap0,iface=sl0",
		"Interface third net_tap0,iface=sl0 mtu=1400",
		"Interface third net_tap0,iface=sl0 vlan=7\nInterface fourth net_tap0,iface=sl0 "
		"vlan=7",
		"InterfaceAddress out 198.18.0.2/24",
		"InterfaceAddress out 198.18.0.9",
		"InterfaceAddress out 198.18.0.9/33",
		"InterfaceAddress out 127.0.0.1/8",
		"InterfaceAddress out 224.0.0.1/8",
		"InterfaceAddress out 0.0.0.0/8",
		"InterfaceAddress out fd00::1",
		"InterfaceAddress out fd00::1/129",
		"InterfaceAddress out fd00::/64",
		"InterfaceAddress out ::1/128",
		"InterfaceAddress out ff02::5/64",
		"InterfaceAddress out ::ffff:198.18.0.9/120",
		"InterfaceAddress out fe80::1/10",
		"InterfaceAddress out fe90::1/64",
		"InterfaceAddress out fe80::1%out/64",
		"InterfaceAddress out fd00::1/64\nInterfaceAddress in fd00::1/64",
		"Route fd01::/48 via fd00::2",
		"InterfaceAddress out fd00::1/64\nRoute fd01::/48 via fd00::1",
		"InterfaceAddress out fd00::1/64\nRoute fd01::/48 via 198.18.0.1",
		"InterfaceAddress out fd00::1/64\nRoute 10.0.0.0/8 via fd00::2",
		"InterfaceAddress out fd00::1/64\nRoute fd01::1/48 via fd00::2",
		"InterfaceAddress out fd00::1/64\nRoute default via fe80::1",
		"InterfaceAddress out fd00::1/64\nRoute default via fe80::1%in",
		"InterfaceAddress out fd00::1/64\nRoute default via fe80::1%no",
		"InterfaceAddress out fd00::1/64\nRoute default via fd00::2%out",
		"InterfaceAddress out fd00::1/64\nRoute default via fd00::2\nRoute ::/0 via "
		"fd00::3",
		"Route 10.0.0.0/8 via 192.0.2.1",
		"Route 10.0.0.0/8 via 198.18.0.2",
		"Route default via 198.18.0.1\nRoute 0.0.0.0/0 via 198.18.0.3",
		"ListenAddress 192.0.2.1",
		"ListenAddress 198.18.0.1",
		"ListenAddress 198.18.0.2\nListenAddress 198.18.0.2",
		"ListenAddress 198.18.0.2:7\nListenExclusive yes\nListenAddress 0.0.0.0:7",
		"AddressFamily inet6\nListenAddress 198.18.0.2",
		"AddressFamily inet6\nListenAddress 0.0.0.0",
		"ListenAddress ::",
		"ListenAddress [fd00::1]:22",
		"InterfaceAddress out fe80::9/64\nListenAddress fe80::9",
		"InterfaceAddress out fe80::9/64\nListenAddress fe80::9%in",
		"InterfaceAddress out fd00::1/64\nListenExclusive yes\nListenAddress "
		"::\nListenAddress fd00::1",
	};

	for (size_t i = 0; i < NELEM(lines); i++) {
		char text[512];

		snprintf(text, sizeof(text), "%s%s\n", TWO_PORTS, lines[i]);
		free(refuse(text, strlen(text)));
	}
}

static const struct {
	const char *lines, *listens;
} listeners[] = {
	{"", "198.18.0.2:22/0 198.19.0.2:22/1 "},
	{"Port 2222\n", "198.18.0.2:2222/0 198.19.0.2:2222/1 "},
	{"ListenAddress 198.18.0.2\n", "198.18.0.2:22/0 "},
	{"ListenAddress 198.18.0.2\nPort 1\nPort 2\nPort 1\n", "198.18.0.2:1/0 198.18.0.2:2/0 "},
	{"ListenAddress 198.18.0.2:9\nListenAddress 198.19.0.2\n",
	 "198.18.0.2:9/0 198.19.0.2:22/1 "},
	{"ListenExclusive no\nListenAddress 198.18.0.2:9\nListenAddress 198.18.0.2:9\n",
	 "198.18.0.2:9/0 "},
	{"ListenAddress 0.0.0.0\nListenAddress 198.18.0.2\nListenExclusive no\n",
	 "198.18.0.2:22/0 198.19.0.2:22/1 "},
	{"AddressFamily inet\n", "198.18.0.2:22/0 198.19.0.2:22/1 "},
	{"AddressFamily inet6\n", ""},
	{"ListenAddress 0.0.0.0:7\n", "198.18.0.2:7/0 198.19.0.2:7/1 "},
	{"InterfaceAddress out fd00::1/64\n", "198.18.0.2:22/0 198.19.0.2:22/1 [::]:22/-1 "},
	{"InterfaceAddress out fd00::1/64\nAddressFamily inet\n",
	 "198.18.0.2:22/0 198.19.0.2:22/1 "},
	{"InterfaceAddress out fd00::1/64\nAddressFamily inet6\n", "[::]:22/-1 "},
	{"InterfaceAddress out fd00::1/64\nListenAddress ::\n", "[::]:22/-1 "},
	{"InterfaceAddress in fd00::1/64\nListenAddress [fd00::1]:9\n", "[fd00::1]:9/1 "},
	{"InterfaceAddress in fe80::9/64\nInterfaceAddress out fe80::9/64\n"
	 "ListenAddress [fe80::9%in]:9\nListenAddress fe80::9%out\n",
	 "[fe80::9]:9/1 [fe80::9]:22/0 "},
};

static void listens_text(const struct conf_global *g, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < g->n_listens; i++) {
		char text[CONF_ADDR_TEXT];

		n += (size_t)snprintf(buf + n, size - n, "%s/%d ",
				      conf_endpoint_text(&g->listens[i].addr, text),
				      g->listens[i].interface);
	}
}

Test(conf, listeners)
{
	for (size_t i = 0; i < NELEM(listeners); i++) {
		char text[512], got[512];
		struct conf *conf;

		snprintf(text, sizeof(text), "%s%s", TWO_PORTS, listeners[i].lines);
		conf = parse(text);
		listens_text(conf_global(conf), got, sizeof(got));
		cr_expect_str_eq(got, listeners[i].listens, "%s: %s", listeners[i].lines, got);
		conf_put(conf);
	}
}

Test(conf, listeners_without_interfaces)
{
	struct conf *conf = parse("ListenAddress [::1]:2200\nListenAddress 127.0.0.1\n");
	char got[256];

	listens_text(conf_global(conf), got, sizeof(got));
	cr_expect_str_eq(got, "[::1]:2200/-1 127.0.0.1:22/-1 ");
	conf_put(conf);
}

/* --- Match
 * ----------------------------------------------------------------------------------------- */

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

Test(conf, match_criteria)
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
Test(conf, algorithms_of_users_under_match)
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

Test(conf, match_looks_at_what_is_known_of_user_and_client)
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
		conf_put(conf);
	}
}

Test(conf, groups_allow_and_deny)
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

Test(conf, first_matching_block_wins_per_keyword)
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

Test(conf, lists_of_users_add_up)
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

		cr_expect_eq(conf_user_allowed(&s, cases[i].user, NULL, cases[i].addr), cases[i].allowed,
			     "%s from %s to %u", cases[i].user, cases[i].addr, cases[i].lport);
		conf_session_fini(&s);
	}
	conf_put(conf);
}

Test(conf, a_session_keeps_its_configuration)
{
	struct conf *conf = parse("PermitOpen a:1 b:*\n");
	struct conf_session s = session(conf, "u", "10.0.0.1", "10.0.0.2", 22);

	conf_put(conf); /* a reload */
	cr_assert_eq(s.permit_open.n, 2);
	cr_expect_str_eq(s.permit_open.v[1], "b:*");
	conf_session_fini(&s);
	conf_session_fini(&s); /* harmless */
}

/* --- Include
 * ----------------------------------------------------------------------------------------- */

static char dir[] = "/tmp/sluice-conf-XXXXXX";

static void file_write(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

static void dir_make(void)
{
	char path[PATH_MAX];

	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/d", dir);
	cr_assert_eq(mkdir(path, 0700), 0);
}

static void dir_remove(void)
{
	char cmd[PATH_MAX];

	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	cr_assert_eq(system(cmd), 0);
}

static int file_load(const char *name, struct conf **ret, char **ret_errors)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return conf_load(path, &algs, ret, ret_errors);
}

static void include_good(const char *main_text, uint32_t want_tries, uint32_t want_idle)
{
	struct conf *conf = NULL;
	struct conf_session s;
	char *errors = NULL;

	file_write("main", main_text);
	cr_assert_eq(file_load("main", &conf, &errors), 0, "%s", errors);
	s = session(conf, "alice", "10.0.0.1", "10.0.0.2", 22);
	cr_expect_eq(s.max_auth_tries, want_tries, "%s", main_text);
	cr_expect_eq(s.idle_timeout_ms, want_idle * 1000, "%s", main_text);
	conf_session_fini(&s);
	conf_put(conf);
}

Test(conf, includes, .init = dir_make, .fini = dir_remove)
{
	file_write("d/10.conf", "MaxAuthTries 1\n");
	file_write("d/20.conf", "MaxAuthTries 2\nIdleTimeout 2\n");
	file_write("block", "Match User bob\nMaxAuthTries 3\nMatch User alice\nMaxAuthTries 4\n");
	include_good("Include d/*.conf\nMaxAuthTries 9\n", 1, 2);
	include_good("MaxAuthTries 9\nInclude d/20.conf d/10.conf\n", 9, 2);
	include_good("Include d/*.none\nMaxAuthTries 9\n", 9, 0);
	/* An Include inside a block is of the block; a block inside an Include ends with it. */
	include_good("MaxAuthTries 9\nMatch User bob\nInclude d/10.conf\n", 9, 0);
	include_good("MaxAuthTries 9\nMatch User alice\nInclude d/10.conf\n", 1, 0);
	include_good("MaxAuthTries 9\nMatch User bob\nInclude block\n", 9, 0);
	include_good("MaxAuthTries 9\nMatch LocalPort 22\nInclude block\nIdleTimeout 7\n", 4, 7);
	include_good("Include block\nIdleTimeout 8\nPort 22\n", 4, 8);
}

Test(conf, include_errors_name_the_included_file, .init = dir_make, .fini = dir_remove)
{
	struct conf *conf = NULL;
	char *errors = NULL, want[PATH_MAX];

	file_write("bad", "\nFoo\n");
	file_write("main", "Include bad\n");
	cr_assert_eq(file_load("main", &conf, &errors), -EINVAL);
	snprintf(want, sizeof(want), "%s/bad line 2: Bad configuration option: Foo\n", dir);
	cr_expect(strncmp(errors, want, strlen(want)) == 0, "%s", errors);
	free(errors);
}

static void include_bad(const char *text, const char *want)
{
	struct conf *conf = NULL;
	char *errors = NULL;

	file_write("main", text);
	cr_assert_eq(file_load("main", &conf, &errors), -EINVAL, "%s", text);
	cr_expect_not_null(strstr(errors, want), "%s: %s", text, errors);
	free(errors);
}

Test(conf, include_refusals, .init = dir_make, .fini = dir_remove)
{
	char fifo[PATH_MAX];

	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	cr_assert_eq(mkfifo(fifo, 0600), 0);
	include_bad("Include gone\n", "line 1: Include gone: No such file or directory");
	include_bad("Include d\n", "Is a directory");
	include_bad("Include fifo\n", "Invalid argument");
	include_bad("Include main\n", "Too many recursive configuration includes");
	include_bad("Include main main main\n", "too many files");
}

Test(conf, a_file_that_is_not_there, .init = dir_make, .fini = dir_remove)
{
	struct conf *conf = NULL;
	char *errors = NULL;

	cr_assert_eq(file_load("gone", &conf, &errors), -EINVAL);
	cr_expect_not_null(strstr(errors, "/gone: No such file or directory\n"), "%s", errors);
	free(errors);
}

/* --- the dump
 * ------------------------------------------------------------------------------------------- */

static void same_again(const char *text, const struct conf_match_ctx *ctx)
{
	struct conf *conf = parse(text), *again;
	char *first = dump(conf, ctx), *second;

	again = parse(first);
	second = dump(again, NULL);
	cr_expect_str_eq(first, second, "%s", text);
	free(first);
	free(second);
	conf_put(conf);
	conf_put(again);
}

Test(conf, dump_reads_as_itself)
{
	static const struct conf_match_ctx ctx = {
		.user = "alice", .addr = "10.0.0.1", .laddr = "10.0.0.2", .lport = 22};
	static const char *const texts[] = {
		"",
		TWO_PORTS "Route default via 198.18.0.1\nPort 1\nPort 2\n",
		"HostKey \"/a b\"\nHostKey '/c\"d\\\\'\nHostKey \"=x\"\nHostKey \"#\"\n",
		"HostKey /a format=pfx \"subject=CN=a, O=b\"\nHostKey /b passphrase-file=/c\n",
		"AllowUsers a b@10.0.0.0/8\nMatch User alice\nAllowUsers x\nAllowUsers y\n",
		"VersionAddendum \"x y\" z # w\nVersionString \"SSH-2.0-a b\"\n",
		"IdleTimeout 1500ms\nOperationTimeout none\nRekeyLimit 9G 1h\nChannelWindow 64K\n",
		"RekeyLimit default 90m\nAuthorizedKeysFile none\nPermitOpen none\nMemory 1G\n",
		"Ciphers +3des-cbc\nKexAlgorithms -x*\nPermitOpen [::1]:* *:22\nLogLevel DEBUG\n",
		"KbdInteractivePrompt \"A b: \" echo\nKbdInteractivePrompt c noecho\nBanner \"/a "
		"b\"\n"
		"AuthenticationMethods publickey,password "
		"keyboard-interactive:pam\nAllowGroups a b*\nPermitRootLogin without-password\n",
		"ReceiveBuffer 65536\nMaxStartups 5\nStrictKex 3\nPasswordHashFile /a\\ b\n",
		"ListenAddress [::1]:22\nListenAddress 127.0.0.1\n",
	};

	for (size_t i = 0; i < NELEM(texts); i++) {
		same_again(texts[i], NULL);
		same_again(texts[i], &ctx);
	}
}

Test(conf, dump_is_lower_case_keyword_and_value)
{
	struct conf *conf = parse("Match User alice\nMaxAuthTries 2\n");
	struct conf_match_ctx ctx = {.user = "alice"};
	char *text = dump(conf, &ctx);

	cr_expect_not_null(strstr(text, "\nmaxauthtries 2\n"));
	cr_expect_not_null(strstr(text, "dataplane dp0\n"));
	cr_expect_not_null(strstr(text, "\nlogingracetime 120\n"));
	free(text);
	text = dump(conf, NULL);
	cr_expect_not_null(strstr(text, "\nmaxauthtries 6\n"));
	free(text);
	conf_put(conf);
}

/* --- the sample and the table
 * -------------------------------------------------------------------------------- */

static char *sample_read(void)
{
	char *text = calloc(1, CONF_FILE_MAX);
	FILE *f = fopen(SAMPLE, "r");

	cr_assert_not_null(f, "%s", SAMPLE);
	cr_assert_gt(fread(text, 1, CONF_FILE_MAX - 1, f), 0);
	fclose(f);
	return text;
}

/* Takes the '#' from lines that are "#Keyword …": those show a default. */
static void sample_uncomment(char *text)
{
	char *to = text;

	for (const char *p = text; *p != '\0'; p++) {
		bool line_start = p == text || p[-1] == '\n';

		if (line_start && p[0] == '#' && p[1] >= 'A' && p[1] <= 'Z')
			p++;
		*to++ = *p;
	}
	*to = '\0';
}

Test(conf, sample_loads_as_it_is)
{
	struct conf *conf = NULL;
	char *errors = NULL;

	cr_assert_eq(conf_load(SAMPLE, NULL, &conf, &errors), 0, "%s", errors);
	conf_put(conf);
}

static const char *penalties_shown(const char *text)
{
	static char line[512];
	struct conf *conf = parse(text);
	char *all = dump(conf, NULL), *at = strstr(all, "\npersourcepenalties ");

	cr_assert_not_null(at);
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(at + 1, "\n"), at + 1);
	free(all);
	conf_put(conf);
	return line;
}

/* As sshd -T shows them. */
Test(conf, penalties_are_shown_whole)
{
	cr_expect_str_eq(penalties_shown(""),
			 "persourcepenalties crash:90 authfail:5 invaliduser:5 noauth:1 "
			 "grace-exceeded:10 refuseconnection:10 max:600 min:15 max-sources4:65536 "
			 "max-sources6:65536 overflow:permissive overflow6:permissive");
	cr_expect_str_eq(penalties_shown("PerSourcePenalties no"), "persourcepenalties no");
	cr_expect_str_eq(penalties_shown("PerSourcePenalties crash:2m noauth:0.25s min:1.5 "
					 "max-sources6:7 overflow:deny-all"),
			 "persourcepenalties crash:120 authfail:5 invaliduser:5 noauth:250ms "
			 "grace-exceeded:10 refuseconnection:10 max:600 min:1500ms "
			 "max-sources4:65536 max-sources6:7 overflow:deny-all overflow6:deny-all");
	cr_expect_str_eq(penalties_shown("PerSourcePenalties overflow:deny-all "
					 "overflow6:permissive") +
				 strlen("persourcepenalties crash:90 authfail:5 invaliduser:5 "
					"noauth:1 grace-exceeded:10 refuseconnection:10 max:600 "
					"min:15 max-sources4:65536 max-sources6:65536 "),
			 "overflow:deny-all overflow6:permissive");
}

Test(conf, sample_shows_the_defaults)
{
	char *text = sample_read(), *got, *want;
	struct conf *as_is = NULL, *shown = NULL;
	char *errors = NULL;

	cr_assert_eq(conf_parse("sample", text, strlen(text), NULL, &as_is, &errors), 0, "%s",
		     errors);
	sample_uncomment(text);
	cr_assert_eq(conf_parse("sample", text, strlen(text), NULL, &shown, &errors), 0, "%s",
		     errors);
	got = dump(shown, NULL);
	want = dump(as_is, NULL);
	cr_expect_str_eq(got, want);
	free(got);
	free(want);
	free(text);
	conf_put(as_is);
	conf_put(shown);
}

Test(conf, sample_has_every_keyword_and_default)
{
	char *text = sample_read();

	for (size_t i = 0; conf_keyword_at(i) != NULL; i++) {
		const struct conf_keyword_info *k = conf_keyword_at(i);
		char line[256];

		if (k->dflt != NULL && strcmp(k->name, "VersionString") != 0)
			snprintf(line, sizeof(line), "\n#%s %s\n", k->name, k->dflt);
		else
			snprintf(line, sizeof(line), "%s ", k->name);
		cr_expect_not_null(strstr(text, line), "no \"%s\"", line);
	}
	free(text);
}

Test(conf, table_is_complete)
{
	size_t n = 0;

	for (; conf_keyword_at(n) != NULL; n++) {
		const struct conf_keyword_info *k = conf_keyword_at(n);

		cr_expect(k->name != NULL && k->value != NULL && k->help != NULL && k->owner != 0,
			  "row %zu", n);
		for (size_t i = 0; i < n; i++)
			cr_expect_str_neq(conf_keyword_at(i)->name, k->name);
	}
	cr_expect_gt(n, 50);
}

/* --- paths
 * --------------------------------------------------------------------------------------------------------
 */

static const struct {
	const char *template, *user, *home, *path;
	int r;
} paths[] = {
	{"/k/%u", "alice", NULL, "/k/alice", 0},
	{"/k/%u/%u.%%", "a", NULL, "/k/a/a.%", 0},
	{"%h/.ssh/k", "a", "/home/a", "/home/a/.ssh/k", 0},
	{".ssh/k", "a", "/home/a", "/home/a/.ssh/k", 0},
	{"/k/%%h", "a", NULL, "/k/%h", 0},
	{"/k", "a.b-c_d@e", NULL, "/k", 0},
	{"/k/%u", "..", NULL, NULL, -EINVAL},
	{"/k/%u", ".", NULL, NULL, -EINVAL},
	{"/k/%u", "", NULL, NULL, -EINVAL},
	{"/k/%u", "../x", NULL, NULL, -EINVAL},
	{"/k/%u", "a/b", NULL, NULL, -EINVAL},
	{"/k/%u", "a\nb", NULL, NULL, -EINVAL},
	{"%h/k", "a", NULL, NULL, -EINVAL},
	{"k", "a", NULL, NULL, -EINVAL},
	{"/k/%x", "a", NULL, NULL, -EINVAL},
	{"/k/%", "a", NULL, NULL, -EINVAL},
	{"/kkkkkkkkkkkkkkkkkkkkkkk", "a", NULL, NULL, -ENAMETOOLONG},
	{"/k/%u", "aaaaaaaaaaaaaaaaaaaaaaaaaa", NULL, NULL, -ENAMETOOLONG},
};

Test(conf, path_expansion)
{
	for (size_t i = 0; i < NELEM(paths); i++) {
		char buf[24] = "";
		int r = conf_path_expand(paths[i].template, paths[i].user, paths[i].home, buf,
					 sizeof(buf));

		cr_expect_eq(r, paths[i].r, "%s %s: %d", paths[i].template, paths[i].user, r);
		if (r == 0)
			cr_expect_str_eq(buf, paths[i].path);
	}
}
