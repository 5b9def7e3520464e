/* conf: the configuration file: its grammar, keywords and their values. */
#include "conf/qos.h"
#include "conf_bench.h"

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
	struct conf_session s;
	const struct conf_strs *keys = &s.host_keys;

	cr_assert_eq(conf_session_for(conf, NULL, &s), 0);
	cr_assert_eq(keys->n, 3);
	cr_expect_str_eq(keys->v[0], "/a b/\"c\\");
	cr_expect_str_eq(keys->v[1], "/d e#f");
	cr_expect_str_eq(keys->v[2], "/g\\h");
	conf_session_fini(&s);
	conf_put(conf);
}

Test(conf, host_keys_have_options)
{
	struct conf *conf = parse("HostKey /a format=PFX subject=\"CN=a, O=b\" thumbprint=aa:bb\n"
				  "HostKey ./format=pem Passphrase-File=/p key-passphrase-file=/q\nHostKey /c\n");
	struct conf_session s;
	const struct conf_strs *words = &s.host_keys;
	struct conf_host_key k;
	size_t at = 0;

	cr_assert_eq(conf_session_for(conf, NULL, &s), 0);
	cr_assert(conf_host_key_next(words, &at, &k));
	cr_expect_str_eq(k.path, "/a");
	cr_expect_str_eq(k.format, "PFX");
	cr_expect_str_eq(k.subject, "CN=a, O=b");
	cr_expect_str_eq(k.thumbprint, "aa:bb");
	cr_expect_null(k.passphrase_file);
	cr_assert(conf_host_key_next(words, &at, &k));
	cr_expect_str_eq(k.path, "./format=pem");
	cr_expect_str_eq(k.passphrase_file, "/p");
	cr_expect_str_eq(k.key_passphrase_file, "/q");
	cr_expect_null(k.format);
	cr_assert(conf_host_key_next(words, &at, &k));
	cr_expect_str_eq(k.path, "/c");
	cr_expect_null(k.passphrase_file);
	cr_expect_not(conf_host_key_next(words, &at, &k));
	conf_session_fini(&s);
	conf_put(conf);
}

/* Who has keys of his own, and which are nobody else's. */
Test(conf, host_keys_of_an_address)
{
	static const struct {
		const char *laddr, *version;
		bool apart;
		const char *has, *has_not;
	} row[] = {
		{"10.0.0.1", "x", false, "/a", "/c"}, {"10.0.0.2", "x", true, "/c", "/a"},
		{"10.0.0.3", "x", true, "/b", "/a"},  {"10.0.0.4", "SSH-2.0-old", true, "/d", "/a"},
		{"10.0.0.5", "x", false, "/b", "/d"},
	};
	struct conf *conf =
		parse("HostKey /a\nHostKey /b subject=s\n"
		      "Match LocalAddress 10.0.0.2\nHostKey /c\nHostKey /b\n"
		      "Match LocalAddress 10.0.0.3\nHostKey /b\n"
		      "Match Client-Version *old\nHostKey /d\n"
		      "Match LocalAddress 10.0.0.5\nHostKey /a\nHostKey /b subject=s\n");
	struct conf_host_key k;
	size_t at = 0, n = 0;

	while (conf_host_key_line(conf, &at, &k))
		n++;
	cr_expect_eq(n, 8);
	cr_expect_not(conf_host_key_apart(conf, "/a"));
	cr_expect_not(conf_host_key_apart(conf, "/b"));
	cr_expect(conf_host_key_apart(conf, "/c"));
	cr_expect_not(conf_host_key_apart(conf, "/e"));
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		const struct conf_match_ctx ctx = {.laddr = row[i].laddr,
						   .client_version = row[i].version};
		struct conf_session s;

		cr_assert_eq(conf_session_for(conf, &ctx, &s), 0);
		cr_expect_eq(conf_host_keys_apart(&s), row[i].apart, "%s", row[i].laddr);
		cr_expect(conf_host_keys_have(&s, row[i].has), "%s", row[i].laddr);
		cr_expect_not(conf_host_keys_have(&s, row[i].has_not), "%s", row[i].laddr);
		conf_session_fini(&s);
	}
	conf_put(conf);
}

Test(conf, metrics_are_for_this_machine)
{
	struct conf *conf = parse("MetricsListen 127.0.0.2:9464\nMetricsListen [::1]:1\n"
				  "MetricsListen /run/sluice/metrics.sock\n");
	const struct conf_strs *all = &conf_global(conf)->metrics_listen;

	cr_assert_eq(all->n, 3);
	cr_expect_str_eq(all->v[1], "[::1]:1");
	cr_expect_str_eq(all->v[2], "/run/sluice/metrics.sock");
	conf_put(conf);
	conf = parse("");
	cr_expect_eq(conf_global(conf)->metrics_listen.n, 0);
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
	{"UseLogin yes", "Unsupported option UseLogin: not supported in this version"},
	{"PermitTunnel yes", "Unsupported option PermitTunnel: not supported in this version"},
	{"MetricsListen 192.0.2.1:9464", "MetricsListen: no address of loopback: '192.0.2.1:9464'"},
	{"MetricsListen 127.0.0.1", "MetricsListen: no ADDRESS:PORT and no path: '127.0.0.1'"},
	{"MetricsListen [::2]:9464", "MetricsListen: no address of loopback: '[::2]:9464'"},
	{"MetricsListen here", "MetricsListen: no ADDRESS:PORT and no path: 'here'"},
	{"Subsystem", "Subsystem missing argument."},
	{"Subsystem sftp", "Subsystem missing argument."},
	{"ForceCommand", "ForceCommand missing argument."},
	{"ChrootDirectory srv/jail", "ChrootDirectory must be an absolute path"},
	{"ChrootDirectory /srv/%x", "ChrootDirectory: unknown token in '/srv/%x'"},
	{"AcceptEnv LANG=C", "AcceptEnv: invalid environment name"},
	{"SetEnv LANG", "SetEnv: invalid environment"},
	{"SetEnv =x", "SetEnv: invalid environment"},
	{"PermitUserEnvironment A,,B", "PermitUserEnvironment: bad list of patterns"},
	{"AllowAgentForwarding maybe", "unsupported option \"maybe\" for AllowAgentForwarding"},
	{"X11Forwarding maybe", "unsupported option \"maybe\" for X11Forwarding"},
	{"X11DisplayOffset 58001", "X11DisplayOffset: integer value too large"},
	{"StreamLocalBindMask 0778", "Invalid StreamLocalBindMask."},
	{"StreamLocalBindMask 01000", "Invalid StreamLocalBindMask."},
	{"StreamLocalBindMask -1", "Invalid StreamLocalBindMask."},
	{"PermitStreamLocalListen run/x", "PermitStreamLocalListen 'run/x': not an absolute path"},
	{"MaxSessions x", "MaxSessions"},
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
	{"AllowTcpForwarding far", "unsupported option \"far\" for AllowTcpForwarding"},
	{"GatewayPorts maybe", "unsupported option \"maybe\" for GatewayPorts"},
	{"PermitListen localhost", "bad port number or host in PermitListen 'localhost'"},
	{"PermitListen 0", "bad port number or host in PermitListen '0'"},
	{"PermitListen 65536", "bad port number or host in PermitListen '65536'"},
	{"PermitListen ::1:22", "bad port number or host in PermitListen '::1:22'"},
	{"PermitListen 80 none", "bad port number or host in PermitListen 'none'"},
	{"MaxListeners 0", "MaxListeners: integer value too small"},
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
	{"OperationTimeout 5y", "OperationTimeout: invalid time value '5y'"},
	{"OperationTimeout opens", "OperationTimeout: invalid time value 'opens'"},
	{"OperationTimeout 5 sends", "OperationTimeout: unknown word 'sends'"},
	{"OperationTimeout 5 opens opens", "keyword OperationTimeout extra arguments at end of line"},
	{"AddressFamily ipv4", "unsupported option \"ipv4\" for AddressFamily"},
	{"TCPNoDelay maybe", "unsupported option \"maybe\" for TCPNoDelay"},
	{"ChannelRate 7kbit", "ChannelRate: rate not between 8kbit and 1000gbit"},
	{"ChannelRate 999", "ChannelRate: rate not between 8kbit and 1000gbit"},
	{"ChannelRate 1001gbit", "ChannelRate: invalid rate '1001gbit'"},
	{"ChannelRate 1000000000001", "ChannelRate: rate not between 8kbit and 1000gbit"},
	{"ChannelRate 99999999999999999999", "ChannelRate: invalid rate '99999999999999999999'"},
	{"ChannelRate 8mbits", "ChannelRate: invalid rate '8mbits'"},
	{"ChannelRate 8m none 0", "ChannelRate: invalid burst '0'"},
	{"ChannelRate 8m none 2G", "ChannelRate: invalid burst '2G'"},
	{"ChannelRate 8m 8m 1k 1", "keyword ChannelRate extra arguments at end of line"},
	{"RoleRate 8m", "RoleRate: no rate"},
	{"RoleRate a/b 8m", "RoleRate: bad name 'a/b'"},
	{"RoleRate a fast", "RoleRate: invalid rate 'fast'"},
	{"IPQoS fast", "Bad IPQoS value: fast"},
	{"IPQoS ef 256", "Bad IPQoS value: 256"},
	{"UserShare 0", "UserShare: share '0' not between 1 and 100"},
	{"UserShare 101", "UserShare: share '101' not between 1 and 100"},
	{"UserShare 7x", "UserShare: share '7x' not between 1 and 100"},
	{"RoleShare 8", "RoleShare: no share"},
	{"RoleShare a/b 8", "RoleShare: bad name 'a/b'"},
	{"RoleShare a much", "RoleShare: share 'much' not between 1 and 100"},
	{"ChannelShare x11=0", "ChannelShare: share 'x11=0' not between 1 and 100"},
	{"ChannelShare x11", "ChannelShare: share 'x11' not between 1 and 100"},
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
	{"DHGroupExchangeBits 2048",
	 "DHGroupExchangeBits is MIN:PREFERRED:MAX, from 1024 to 8192."},
	{"DHGroupExchangeBits 2048:3072", "DHGroupExchangeBits is MIN:PREFERRED:MAX"},
	{"DHGroupExchangeBits 1023:2048:4096", "DHGroupExchangeBits is MIN:PREFERRED:MAX"},
	{"DHGroupExchangeBits 2048:3072:8193", "DHGroupExchangeBits is MIN:PREFERRED:MAX"},
	{"DHGroupExchangeBits 3072:2048:8192", "DHGroupExchangeBits is MIN:PREFERRED:MAX"},
	{"DHGroupExchangeBits 2048:4096:3072", "DHGroupExchangeBits is MIN:PREFERRED:MAX"},
	{"DHGroupExchangeBits 2048:3072:8192:", "DHGroupExchangeBits is MIN:PREFERRED:MAX"},
	{"PerSourceMaxStartups -1", "PerSourceMaxStartups: integer value invalid"},
	{"PerSourceMaxHelperJobs 0", "PerSourceMaxHelperJobs: "},
	{"PerSourceMaxHelperJobs 65", "PerSourceMaxHelperJobs: "},
	{"PerSourceMaxHelperJobs none", "PerSourceMaxHelperJobs: "},
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
	{"AuditEvents auth.*,,kex.done", "AuditEvents: an empty pattern"},
	{"AuditEvents auth.no", "AuditEvents: no event is called \"auth.no\""},
	{"AuditEvents *,!chan.*", "AuditEvents: no event is called \"chan.*\""},
	{"AuditEvents auth.*,!auth.*", "AuditEvents: none is left"},
	{"AuditEvents !auth.ok", "AuditEvents: none is left"},
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
	{"Match User a\nHostKey /a", "Directive 'HostKey' is not allowed within this Match block"},
	{"Match Address 10.0.0.1 Group g\nHostKey /a",
	 "Directive 'HostKey' is not allowed within this Match block"},
	{"HostKey format=pem /a", "HostKey: 'format=pem' stands before the path"},
	{"HostKey /a /b", "HostKey: unknown option '/b'"},
	{"HostKey /a format=der", "HostKey: unknown format 'der'"},
	{"HostKey /a subject=", "HostKey: 'subject=' is empty or there twice"},
	{"HostKey /a format=pem format=pem", "HostKey: 'format=pem' is empty or there twice"},
	{"Include x.conf", "Include is not possible here"},
	{"Include", "Include missing argument."},
	{"Port -1", "Badly formatted port number."},
	{"Port 65536", "Badly formatted port number."},
	{"Port 22 23", "keyword Port extra arguments at end of line"},
	{"ListenAddress gw.example.com",
	 "bad address or port number in ListenAddress 'gw.example.com'"},
	{"ListenAddress 10.0.0.1:", "bad address or port number in ListenAddress '10.0.0.1:'"},
	{"ListenAddress [10.0.0.1]:22",
	 "bad address or port number in ListenAddress '[10.0.0.1]:22'"},
	{"ListenAddress ::1 rdomain", "ListenAddress missing argument."},
	{"ListenAddress ::1 vrf1", "keyword ListenAddress extra arguments at end of line"},
	{"ListenAddress ::1 rdomain a b", "keyword ListenAddress extra arguments at end of line"},
	{"ListenAddress ::1 rdomain \"\"", "ListenAddress missing argument."},
	{"ListenAddress ::1 rdomain a/b", "bad routing domain 'a/b'"},
	{"ListenAddress ::1 rdomain sixteen_letters_", "bad routing domain 'sixteen_letters_'"},
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
	{"Match RDomain", "Missing Match criteria for 'RDomain'"},
	{"Match RDomain a,,b", "Invalid Match RDomain argument 'a,,b'"},
	{"RDomain vrf1", "Unsupported option RDomain"},
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
	cr_expect_eq(s.operation_timeout.ms, 60000);
	cr_expect_eq(conf_send_timeout(&s), 0);
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
	cr_expect_eq(s.operation_timeout.ms, CONF_TIME_NONE);
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

static const struct {
	const char *text;
	struct conf_rate rate;
	const char *dump;
} conf_rates[] = {
	{"none", {0, 0, 0}, "\nchannelrate none\n"},
	{"8kbit", {1000, 1000, 0}, "\nchannelrate 1000\n"},
	{"64Kbit 1gbit", {8000, 125000000, 0}, "\nchannelrate 8000 125000000\n"},
	{"1M none", {1 << 20, 0, 0}, "\nchannelrate 1048576 none\n"},
	{"none 100mbit 64k", {0, 12500000, 65536}, "\nchannelrate none 12500000 65536\n"},
	{"2k 2048 1000", {2048, 2048, 1000}, "\nchannelrate 2048 2048 1000\n"},
	{"8000bit 1000gbit",
	 {1000, UINT64_C(125000000000), 0},
	 "\nchannelrate 1000 125000000000\n"},
};

Test(conf, a_rate_is_bytes_or_bits)
{
	for (size_t i = 0; i < NELEM(conf_rates); i++) {
		const struct conf_rate *want = &conf_rates[i].rate;
		char text[64], *dump = NULL;
		struct conf_session s;
		struct conf *conf;
		size_t n;
		FILE *f;

		snprintf(text, sizeof(text), "ChannelRate %s", conf_rates[i].text);
		conf = parse(text);
		cr_assert_eq(conf_session_for(conf, NULL, &s), 0);
		cr_expect(s.channel_rate.in == want->in && s.channel_rate.out == want->out &&
				  s.channel_rate.burst == want->burst,
			  "%s", text);
		conf_session_fini(&s);
		f = open_memstream(&dump, &n);
		cr_assert_eq(conf_dump(conf, NULL, f), 0);
		fclose(f);
		cr_expect_neq(strstr(dump, conf_rates[i].dump), NULL, "%s", text);
		free(dump);
		conf_put(conf);
	}
}

Test(conf, a_role_has_a_name_and_a_rate)
{
	struct conf *conf = parse("RoleRate none\nMatch User x\nRoleRate few 8mbit none 64K\n");
	struct conf_match_ctx x = {.user = "x"};
	struct conf_session s;
	char *dump = NULL;
	size_t n;
	FILE *f;

	cr_assert_eq(conf_session_for(conf, NULL, &s), 0);
	cr_expect_null(s.role_rate.name);
	conf_session_fini(&s);
	cr_assert_eq(conf_session_for(conf, &x, &s), 0);
	cr_expect_str_eq(s.role_rate.name, "few");
	cr_expect(s.role_rate.rate.in == 1000000 && s.role_rate.rate.out == 0);
	cr_expect_eq(s.role_rate.rate.burst, 65536);
	conf_session_fini(&s);
	f = open_memstream(&dump, &n);
	cr_assert_eq(conf_dump(conf, &x, f), 0);
	fclose(f);
	cr_expect_neq(strstr(dump, "\nrolerate few 1000000 none 65536\n"), NULL);
	free(dump);
	conf_put(conf);
}

Test(conf, classes_of_service)
{
	static const struct {
		const char *text, *dump;
		uint16_t interactive, bulk;
	} cases[] = {
		{"", "ef none", 0xb8, CONF_QOS_NONE},
		{"IPQoS af21 cs1", "af21 cs1", 0x48, 0x20},
		{"IPQoS LE", "le le", 0x04, 0x04},
		{"IPQoS 0x10 17", "lowdelay 0x11", 0x10, 0x11},
		{"IPQoS none throughput", "none throughput", CONF_QOS_NONE, 0x08},
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct conf *conf = parse(cases[i].text);
		char *dump = NULL, want[64];
		struct conf_session s;
		size_t n;
		FILE *f;

		cr_assert_eq(conf_session_for(conf, NULL, &s), 0);
		cr_expect_eq(s.qos.interactive, cases[i].interactive, "%zu", i);
		cr_expect_eq(s.qos.bulk, cases[i].bulk, "%zu", i);
		conf_session_fini(&s);
		f = open_memstream(&dump, &n);
		cr_assert_eq(conf_dump(conf, NULL, f), 0);
		fclose(f);
		snprintf(want, sizeof(want), "\nipqos %s\n", cases[i].dump);
		cr_expect_neq(strstr(dump, want), NULL, "%zu", i);
		free(dump);
		conf_put(conf);
	}
}

Test(conf, shares)
{
	static const char text[] = "Match User x\nConnectionShare 3\nUserShare 4\nRoleShare few 5\n"
				   "ChannelShare session:*=7 direct-*=2\n";
	struct conf *conf = parse(text);
	struct conf_match_ctx x = {.user = "x"};
	struct conf_session s;
	char *dump = NULL;
	size_t n;
	FILE *f;

	cr_assert_eq(conf_session_for(conf, NULL, &s), 0);
	cr_expect_eq(s.connection_share, 1);
	cr_expect_eq(s.user_share, 0);
	cr_expect_null(s.role_share.name);
	cr_expect_eq(conf_channel_share(&s, "session"), 1);
	conf_session_fini(&s);
	cr_assert_eq(conf_session_for(conf, &x, &s), 0);
	cr_expect_eq(s.connection_share, 3);
	cr_expect_eq(s.user_share, 4);
	cr_expect_str_eq(s.role_share.name, "few");
	cr_expect_eq(s.role_share.share, 5);
	cr_expect_eq(conf_channel_share(&s, "session:shell"), 7);
	cr_expect_eq(conf_channel_share(&s, "session"), 1);
	cr_expect_eq(conf_channel_share(&s, "direct-tcpip"), 2);
	conf_session_fini(&s);
	f = open_memstream(&dump, &n);
	cr_assert_eq(conf_dump(conf, &x, f), 0);
	fclose(f);
	cr_expect_neq(strstr(dump, "\nconnectionshare 3\nusershare 4\nroleshare few 5\n"
				   "channelshare session:*=7 direct-*=2\n"),
		      NULL);
	free(dump);
	conf_put(conf);
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

Test(conf, events_have_names)
{
	struct conf *conf = parse("");

	cr_expect_str_eq(conf_global(conf)->audit_events, "*");
	conf_put(conf);
	conf = parse("AuditEvents *,!auth.f*");
	cr_expect_str_eq(conf_global(conf)->audit_events, "*,!auth.f*");
	conf_put(conf);
}

Test(conf, a_program_without_algorithms_does_not_judge_them)
{
	struct conf *conf = NULL;
	char *errors;

	cr_assert_eq(conf_parse("test", "Ciphers foo\n", 12, NULL, &conf, &errors), 0);
	cr_expect_null(conf_global(conf)->ciphers);
	conf_put(conf);
}
