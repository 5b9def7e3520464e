/* client/config: ssh_config(5), by itself and beside what ssh -G says of the same file. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/config/config.h"
#include "client/config/forward.h"

TestSuite(client_config, .timeout = 120);

static struct config *read_text(const char *host, const char *text, int want)
{
	struct config *c = config_new(config_algs());

	cr_assert_eq(config_parse(c, host, text, strlen(text)), want, "%s: %s", text,
		     config_errors(c));
	return c;
}

/* The dump of a text: one value of it. */
static void expect(const char *host, const char *text, enum config_id id, const char *value)
{
	struct config *c = read_text(host, text, 0);
	const char *got = config_text(c, id);

	if (value == NULL)
		cr_expect_null(got, "%s", text);
	else
		cr_expect(got != NULL && strcmp(got, value) == 0, "%s: %s", text, got);
	config_free(c);
}

Test(client_config, the_first_value_counts)
{
	expect("a", "Port 1\nPort 2\n", CONFIG_PORT, "1");
	expect("a", "Host b\nPort 1\nHost a\nPort 2\nHost *\nPort 3\n", CONFIG_PORT, "2");
	expect("a", "port=7", CONFIG_PORT, "7");
	expect("a", "Port = \"7\" # here\n", CONFIG_PORT, "7");
	expect("a", "", CONFIG_PORT, "22");
	expect("a", "ProxyJump j\nProxyCommand c\n", CONFIG_PROXY_COMMAND, NULL);
	expect("a", "ProxyCommand c # no comment\n", CONFIG_PROXY_COMMAND, "c # no comment");
	expect("a", "Proxy socks5://u@h:1\nProxyCommand c\n", CONFIG_PROXY_COMMAND, NULL);
	expect("a", "Proxy NONE\nProxyJump c\n", CONFIG_PROXY_JUMP, NULL);
	expect("a", "ProxyJump c\nProxy http://h\n", CONFIG_PROXY, NULL);
	expect("a", "Proxy http://u@h\nProxy none\n", CONFIG_PROXY, "http://u@h");
}

Test(client_config, a_remote_forward_says_from_where)
{
	struct config *c = read_text("a", "RemoteForward 9000 h:80 from=10.*,!10.1.1.1\n", 0);
	char *text = NULL;
	size_t len;
	FILE *f;

	cr_expect_str_eq(config_text(c, CONFIG_REMOTE_FORWARD), "9000:h:80\n10.*,!10.1.1.1");
	f = open_memstream(&text, &len);
	cr_assert_not_null(f);
	config_dump(c, f);
	fclose(f);
	cr_expect(strstr(text, "\nremoteforward 9000 [h]:80 from=10.*,!10.1.1.1\n") != NULL);
	free(text);
	config_free(c);
	expect("a", "RemoteForward 9000 from=::1\n", CONFIG_REMOTE_FORWARD, "9000\n::1");
}

Test(client_config, an_option_goes_before_a_file)
{
	struct config *c = config_new(config_algs());

	cr_assert_eq(config_option(c, "Port=1"), 0);
	cr_assert_eq(config_option(c, "User x"), 0);
	cr_assert_eq(config_parse(c, "a", "Port 2\nUser y\n", 14), 0);
	cr_expect_eq(config_number(c, CONFIG_PORT), 1);
	cr_expect_str_eq(config_text(c, CONFIG_USER), "x");
	config_free(c);
}

Test(client_config, host_lines)
{
	expect("abc", "Host a?c\nPort 1\n", CONFIG_PORT, "1");
	expect("abc", "Host x a*\nPort 1\n", CONFIG_PORT, "1");
	expect("abc", "Host * !abc\nPort 1\n", CONFIG_PORT, "22");
	expect("abc", "Host !x\nPort 1\n", CONFIG_PORT, "22");
}

Test(client_config, match_lines)
{
	const struct passwd *pw = getpwuid(getuid());
	char text[512];

	expect("a", "Match all\nPort 1\n", CONFIG_PORT, "1");
	expect("a", "Match host a,b\nPort 1\n", CONFIG_PORT, "1");
	expect("a", "Match host=a\nPort 1\n", CONFIG_PORT, "1");
	expect("a", "Match !host a\nPort 1\n", CONFIG_PORT, "22");
	expect("a", "Hostname real\nMatch host real\nPort 1\n", CONFIG_PORT, "1");
	expect("a", "Hostname %h.org\nMatch host a.org\nPort 1\n", CONFIG_PORT, "1");
	expect("a", "Hostname real\nMatch originalhost a\nPort 1\n", CONFIG_PORT, "1");
	expect("a", "User u\nMatch user u host a\nPort 1\n", CONFIG_PORT, "1");
	expect("a", "User u\nMatch user v host a\nPort 1\n", CONFIG_PORT, "22");
	snprintf(text, sizeof(text), "Match localuser %s\nPort 1\n", pw->pw_name);
	expect("a", text, CONFIG_PORT, "1");
	expect("a", "Match canonical all\nPort 1\n", CONFIG_PORT, "22");
}

Test(client_config, lists_add_up_or_do_not)
{
	struct config *c = read_text("a",
				     "IdentityFile x\nIdentityFile y\nIdentityFile x\n"
				     "SendEnv A* B\nSendEnv -A*\nSendEnv C\n"
				     "SetEnv X=1 Y=2\nSetEnv Z=3\n"
				     "UserKnownHostsFile k1 k2\nUserKnownHostsFile k3\n",
				     0);

	cr_expect_eq(config_list(c, CONFIG_IDENTITY_FILE)->n, 2);
	cr_assert_eq(config_list(c, CONFIG_SEND_ENV)->n, 2);
	cr_expect_str_eq(config_list(c, CONFIG_SEND_ENV)->v[1], "C");
	cr_expect_eq(config_list(c, CONFIG_SET_ENV)->n, 2);
	cr_expect_eq(config_list(c, CONFIG_USER_KNOWN_HOSTS_FILE)->n, 2);
	config_free(c);
}

Test(client_config, identities_have_options)
{
	struct config *c = read_text("a",
				     "IdentityFile /%h.p12 format=pfx passphrase-file=/p%% "
				     "key-passphrase-file=~/k \"subject=CN=me, O=Lab\" /bare\n"
				     "IdentityFile pkcs11:id=%01 thumbprint=aa:bb\n"
				     "IdentityFile /bare\nIdentityFile none\n",
				     0);
	char dump[8192] = "", home[512];
	struct config_identity i;
	FILE *f = fmemopen(dump, sizeof(dump), "w");

	cr_assert_eq(config_list(c, CONFIG_IDENTITY_FILE)->n, 4);
	cr_assert(config_identity(c, 0, &i));
	cr_expect_str_eq(i.key.path, "/a.p12");
	cr_expect_str_eq(i.key.format, "pfx");
	cr_expect_str_eq(i.key.passphrase_file, "/p%");
	snprintf(home, sizeof(home), "%s/k", getpwuid(getuid())->pw_dir);
	cr_expect_str_eq(i.key.key_passphrase_file, home);
	cr_expect_str_eq(i.key.subject, "CN=me, O=Lab");
	cr_expect_null(i.key.thumbprint);
	cr_assert(config_identity(c, 1, &i));
	cr_expect_str_eq(i.key.path, "/bare");
	cr_expect_null(i.key.format);
	cr_assert(config_identity(c, 2, &i));
	cr_expect_str_eq(i.key.path, "pkcs11:id=%01");
	cr_expect_str_eq(i.key.thumbprint, "aa:bb");
	cr_expect_not(config_identity(c, 3, &i), "none is none");
	config_dump(c, f);
	fclose(f);
	cr_expect_not_null(strstr(dump, "\nidentityfile pkcs11:id=%01 thumbprint=aa:bb\n"), "%s",
			   dump);
	config_free(c);
}

Test(client_config, forwardings_are_cleared)
{
	struct config *c = read_text(
		"a", "LocalForward 1 h:2\nDynamicForward 3\nClearAllForwardings yes\n", 0);

	cr_expect_eq(config_list(c, CONFIG_LOCAL_FORWARD)->n, 0);
	cr_expect_eq(config_list(c, CONFIG_DYNAMIC_FORWARD)->n, 0);
	config_free(c);
}

static const struct {
	const char *line, *error;
} refused[] = {
	{"Foo bar", "Bad configuration option: Foo"},
	{"Port", "Port: missing argument"},
	{"Port \"\"", "Port: missing argument"},
	{"Port 0", "Port: no port: 0"},
	{"Port 70000", "Port: no port: 70000"},
	{"Port 1 2", "extra arguments"},
	{"Port \"1", "invalid quotes"},
	{"Compression maybe", "neither yes nor no"},
	{"AddressFamily inet5", "unsupported value"},
	{"ConnectTimeout 5x", "invalid time value"},
	{"ConnectionAttempts 0", "no such number"},
	{"StreamLocalBindMask 9", "no mask"},
	{"Ciphers rot13", "names unknown here"},
	{"KexAlgorithms -*", "names unknown here"},
	{"EscapeChar ab", "no escape character"},
	{"RekeyLimit 1", "invalid size"},
	{"IdentityFile format=pfx", "'format=pfx' stands before the path"},
	{"IdentityFile a format=der", "unknown format 'der'"},
	{"IdentityFile a subject=x subject=y", "is empty or there twice"},
	{"RekeyLimit 1G x", "invalid time value"},
	{"IPQoS fast", "no class of service"},
	{"LocalForward 1", "Bad forwarding specification"},
	{"LocalForward 1 h:1 from=10.*", "Bad forwarding specification"},
	{"RemoteForward 1 h:1 h:2", "Bad forwarding specification"},
	{"RemoteForward 1 h:1 from=*.example", "Bad forwarding specification"},
	{"RemoteForward 1 from=10.* from=10.*", "Bad forwarding specification"},
	{"ProxyJump -oX", "Invalid ProxyJump"},
	{"ProxyJump a,,b", "Invalid ProxyJump"},
	{"Proxy h:1", "Proxy: no scheme://[user@]host[:port] with http, socks4, socks4a, socks5, socks5h: h:1"},
	{"Proxy socks5://u:word@h", "Proxy: a password does not stand here: ProxyPasswordFile\n"},
	{"AcceptHostKey ssh-ed25519 AAAA", "AcceptHostKey: no public key: ssh-ed25519"},
	{"AcceptHostKeyFingerprint SHA256:x", "AcceptHostKeyFingerprint: no fingerprints: SHA256:x"},
	{"AgentAuth only", "AgentAuth: for programs of the library alone: only"},
	{"AuthMode 99", "AuthMode: for programs of the library alone: 99"},
	{"AuthMode hostbased", "AuthMode: not its value: hostbased"},
	{"BindPort 65536", "BindPort: not its value: 65536"},
	{"CompressionAlgorithms lzma", "CompressionAlgorithms: an algorithm that is not known: lzma"},
	{"CryptoEngine gpu", "CryptoEngine: not its value: gpu"},
	{"DHGroupExchangeBits 1023", "DHGroupExchangeBits: not its value: 1023"},
	{"Linger never", "Linger: not its value: never"},
	{"OperationTimeout 5x", "OperationTimeout: not its value: 5x"},
	{"PasswordFile", "PasswordFile: missing argument"},
	{"ProxyHeader X Y", "ProxyHeader: no NAME: VALUE: X"},
	{"RecordLength 5", "RecordLength: it is for programs of the library alone"},
	{"TransferRate 1 M", "TransferRate: not its value: 1"},
	{"VersionString 2.0-x", "VersionString: not its value: 2.0-x"},
	{"Host b\nStrictKex maybe", "text line 2: StrictKex: not its value: maybe"},
	{"SendEnv A=b", "Invalid environment name"},
	{"SetEnv A", "Invalid environment"},
	{"PermitRemoteOpen a", "no host:port"},
	{"CanonicalizePermittedCNAMEs a", "no names:names"},
	{"CanonicalizeMaxDots -1", "no such number"},
	{"Host", "Host: missing argument"},
	{"Match", "Match: missing argument"},
	{"Match colour red", "Unsupported attribute colour"},
	{"Match host", "missing argument of host"},
	{"Match host a all", "all stands alone"},
	{"Match !all", "all stands alone"},
	{"Match exec true", "Match exec is not possible here"},
	{"Include x", "Include: not possible here"},
	{"Port \001", "control character"},
	{"Hostname -oX", "invalid characters"},
	{"Host b\nPort x", "text line 2: Port: no port"},
};

Test(client_config, what_is_wrong_is_said_with_its_line)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct config *c = read_text("a", refused[i].line, -EINVAL);

		cr_expect(strstr(config_errors(c), refused[i].error) != NULL, "%s: %s",
			  refused[i].line, config_errors(c));
		config_free(c);
	}
}

Test(client_config, an_option_is_no_block_and_no_file)
{
	static const char *const bad[] = {"Host a", "Match all", "Include x", "Foo=1", "Port"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct config *c = config_new(NULL);

		cr_expect_eq(config_option(c, bad[i]), -EINVAL, "%s", bad[i]);
		cr_expect(strncmp(config_errors(c), "command-line: ", 14) == 0);
		config_free(c);
	}
}

Test(client_config, unknown_ones_may_be_ignored)
{
	expect("a", "IgnoreUnknown F*,bar\nFoo x\nBAR y\nPort 1\n", CONFIG_PORT, "1");
}

Test(client_config, what_is_not_supported_is_said_when_it_matters)
{
	struct config *c = read_text("a",
				     "EnableSSHKeysign no\nTunnel yes\nEnableSSHKeysign yes\n"
				     "SecurityKeyProvider internal\nSecurityKeyProvider /x.so\n"
				     "Host b\nVerifyHostKeyDNS yes\n",
				     0);

	cr_expect_str_eq(config_warnings(c, false),
			 "text line 2: Tunnel is not supported by sluice and has no effect\n"
			 "text line 5: SecurityKeyProvider is not supported by sluice and has no "
			 "effect: an agent signs with the keys of security keys\n");
	cr_expect(strstr(config_warnings(c, true), "EnableSSHKeysign") != NULL);
	config_free(c);
}

/* --- what the library reads ------------------------------------------------------------------ */

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

/* A line, and what the library is told. The first of a keyword counts but for lines that add up. */
static const struct {
	const char *line, *keyword, *value;
} library[] = {
	{"AbsoluteTimeout true\nAbsoluteTimeout no", "AbsoluteTimeout", "yes"},
	{"AcceptAnyHostKey yes", "AcceptAnyHostKey", "yes"},
	{"AcceptHostCA " KEY, "AcceptHostCA", KEY},
	{"AcceptHostKey " KEY "\nAcceptHostKey /a/file", "AcceptHostKey", KEY "\n/a/file"},
	{"AcceptHostKeyFingerprint 00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff",
	 "AcceptHostKeyFingerprint", "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff"},
	{"AgentAuth require", "AgentAuth", "require"},
	{"AuthMode 4", "AuthMode", "keyboard-interactive"},
	{"BindPort 1022", "BindPort", "1022"},
	{"ChannelMaxPacket 64K", "ChannelMaxPacket", "65536"},
	{"ChannelWindow 1M", "ChannelWindow", "1048576"},
	{"CompressionAlgorithms none\nCompression yes", "CompressionAlgorithms", "none"},
	{"CryptoEngine OpenSSL", "CryptoEngine", "openssl"},
	{"DHGroupExchangeBits 4096", "DHGroupExchangeBits", "2048:4096:8192"},
	{"FIPSMode yes", "FIPSMode", "yes"},
	{"GSSAPIRealm EXAMPLE.ORG", "GSSAPIRealm", "EXAMPLE.ORG"},
	{"KbdInteractiveDevices pam,bsdauth", "KbdInteractiveDevices", "pam,bsdauth"},
	{"Linger 2s", "Linger", "2000ms"},
	{"LogMaskSecrets no", "LogMaskSecrets", "no"},
	{"OperationTimeout 1m30s", "OperationTimeout", "90"},
	{"PasswordPromptPattern \"Password for *\"", "PasswordPromptPattern", "Password for *"},
	{"ProxyAutoDetect yes", "ProxyAutoDetect", "yes"},
	{"ProxyExceptions *.local;10.*", "ProxyExceptions", "*.local;10.*"},
	{"ProxyHeader X-A: b c\nProxyHeader X-D: e", "ProxyHeader", "X-A: b c\nX-D: e"},
	{"ReceiveBuffer 1M\nSendBuffer auto", "ReceiveBuffer", "1048576"},
	{"ReceiveBuffer 1M\nSendBuffer auto", "SendBuffer", "0"},
	{"RepeatAuthMethods 1", "RepeatAuthMethods", "yes"},
	{"StrictKex 3", "StrictKex", "require"},
	{"TCPKeepAliveCount 4", "TCPKeepAliveCount", "4"},
	{"TCPKeepAliveInterval 30", "TCPKeepAliveInterval", "30"},
	{"TCPKeepAliveTime 2m", "TCPKeepAliveTime", "120"},
	{"TCPNoDelay no", "TCPNoDelay", "no"},
	{"TransferRate 100K", "TransferRate", "102400"},
	{"TryAllAuthMethods no", "TryAllAuthMethods", "no"},
	{"VersionPattern SSH-2.0-*", "VersionPattern", "SSH-2.0-*"},
	{"VersionString SSH-2.0-Box of ours", "VersionString", "SSH-2.0-Box of ours"},
	{"WaitForChannelClose yes", "WaitForChannelClose", "yes"},
	{"WaitForServerDisconnect yes", "WaitForServerDisconnect", "yes"},
	{"RekeyLimit 1G 1h", "RekeyLimit", "1073741824 3600"},
	{"Hostname other", "Hostname", "other"},
	{"PreferredAuthentications password,x,publickey\nPubkeyAuthentication no",
	 "PreferredAuthentications", "password"},
	{"PreferredAuthentications password\nBatchMode yes", "PreferredAuthentications", "none"},
	{"PreferredAuthentications password\nBatchMode yes\nPasswordFile /x",
	 "PreferredAuthentications", "password"},
};

struct told {
	const char *keyword;
	char value[512];
	unsigned int times;
};

static int told_put(void *arg, const char *keyword, const char *value)
{
	struct told *t = arg;

	if (strcmp(keyword, t->keyword) == 0) {
		snprintf(t->value, sizeof(t->value), "%s", value);
		t->times++;
	}
	return 0;
}

Test(client_config, what_the_library_reads_is_told_in_its_words)
{
	for (size_t i = 0; i < sizeof(library) / sizeof(library[0]); i++) {
		struct config *c = read_text("a", library[i].line, 0);
		struct told t = {.keyword = library[i].keyword};

		cr_expect_eq(config_settings(c, told_put, &t), 0);
		cr_expect_eq(t.times, 1, "%s", library[i].line);
		cr_expect_str_eq(t.value, library[i].value, "%s", library[i].line);
		config_free(c);
	}
}

static int refuses(void *arg, const char *keyword, const char *value)
{
	(void)value;
	return strcmp(keyword, arg) == 0 ? -ENOTSUP : 0;
}

Test(client_config, who_is_told_has_the_last_word)
{
	struct config *c = read_text("a", "TransferRate 1M\n", 0);

	cr_expect_eq(config_settings(c, refuses, "TransferRate"), -ENOTSUP);
	cr_expect_eq(config_settings(c, refuses, "Linger"), 0, "nobody said anything of it");
	config_free(c);
}

Test(client_config, tokens)
{
	struct config *c =
		read_text("given",
			  "Hostname %h.example\nUser u\nPort 2222\n"
			  "IdentityFile %d/%h-%n-%p-%r-%%\n"
			  "IdentityFile ~/x\nIdentityFile ${SLUICE_TEST}/y\n"
			  "IdentityFile %C\nIdentityFile %Q\nIdentityFile ${NO_SUCH_ONE}\n"
			  "HostKeyAlias alias\nCertificateFile %k\n"
			  "ProxyCommand nc %h %p %u\nRemoteCommand echo %r\n",
			  0);
	const char *home = getpwuid(getuid())->pw_dir;
	char buf[CONFIG_TEXT_MAX], want[512];

	setenv("SLUICE_TEST", "/env", 1);
	snprintf(want, sizeof(want), "%s/given.example-given-2222-u-%%", home);
	cr_assert_gt(config_expanded(c, CONFIG_IDENTITY_FILE, 0, buf, sizeof(buf)), 0);
	cr_expect_str_eq(buf, want);
	snprintf(want, sizeof(want), "%s/x", home);
	cr_assert_gt(config_expanded(c, CONFIG_IDENTITY_FILE, 1, buf, sizeof(buf)), 0);
	cr_expect_str_eq(buf, want);
	cr_assert_gt(config_expanded(c, CONFIG_IDENTITY_FILE, 2, buf, sizeof(buf)), 0);
	cr_expect_str_eq(buf, "/env/y");
	cr_expect_eq(config_expanded(c, CONFIG_IDENTITY_FILE, 3, buf, sizeof(buf)), 40);
	cr_expect_eq(config_expanded(c, CONFIG_IDENTITY_FILE, 4, buf, sizeof(buf)), -EINVAL);
	cr_expect_eq(config_expanded(c, CONFIG_IDENTITY_FILE, 5, buf, sizeof(buf)), -EINVAL);
	cr_expect_eq(config_expanded(c, CONFIG_IDENTITY_FILE, 6, buf, sizeof(buf)), -EINVAL);
	cr_expect_eq(config_expanded(c, CONFIG_IDENTITY_FILE, 0, buf, 4), -E2BIG);
	cr_assert_gt(config_expanded(c, CONFIG_CERTIFICATE_FILE, 0, buf, sizeof(buf)), 0);
	cr_expect_str_eq(buf, "alias");
	/* %u is for others. */
	cr_expect_eq(config_expanded(c, CONFIG_PROXY_COMMAND, 0, buf, sizeof(buf)), -EINVAL);
	cr_assert_gt(config_expanded(c, CONFIG_REMOTE_COMMAND, 0, buf, sizeof(buf)), 0);
	cr_expect_str_eq(buf, "echo u");
	config_free(c);
}

Test(client_config, commands_without_a_shell)
{
	static const char text[] = "KnownHostsCommand /bin/x '%H a' %n%% \"%h\" # no word\n";
	const struct config_token own[] = {{'H', "own"}, {'h', "mine"}};
	const char *argv[CONF_ARGS_MAX + 1];
	struct config *c = read_text("given", text, 0);

	cr_assert_eq(config_command(c, CONFIG_KNOWN_HOSTS_COMMAND, own, 2, argv), 0);
	cr_expect_str_eq(argv[0], "/bin/x");
	cr_expect_str_eq(argv[1], "own a");
	cr_expect_str_eq(argv[2], "given%");
	cr_expect_str_eq(argv[3], "mine");
	cr_expect_null(argv[4]);
	cr_expect_eq(config_command(c, CONFIG_KNOWN_HOSTS_COMMAND, own, 0, argv), -EINVAL);
	cr_expect(strstr(config_errors(c), "no such token") != NULL);
	config_free(c);
	c = read_text("given", "KnownHostsCommand x y\n", 0);
	cr_expect_eq(config_command(c, CONFIG_KNOWN_HOSTS_COMMAND, NULL, 0, argv), -EINVAL);
	config_free(c);
}

/* --- files ------------------------------------------------------------------------------- */

static char dir[] = "/tmp/sluice-config.XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[4][256];
	static unsigned int next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static const char *file_make(const char *name, const char *text)
{
	const char *path = in_dir(name);
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

static void files_begin(void)
{
	cr_assert_not_null(mkdtemp(dir));
}

static void files_end(void)
{
	char command[300];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_expect_eq(system(command), 0);
}

Test(client_config, files_include_and_run, .init = files_begin, .fini = files_end)
{
	struct config *c = config_new(NULL);
	char text[1024];

	file_make("inc1", "Port 1\nHost other\nUser nobody\n");
	file_make("inc2", "Port 2\n");
	file_make("never", "Host *\nBatchMode yes\n");
	snprintf(text, sizeof(text),
		 "Host other\nInclude %s/never\nHost a\nInclude %s/inc* %s/none\nCompression yes\n"
		 "Match exec \"test %%n = a\"\nBindAddress ran\n"
		 "Match exec false\nUser ran\n",
		 dir, dir, dir);
	cr_assert_eq(config_load(c, "a", file_make("main", text)), 0, "%s", config_errors(c));
	cr_expect_eq(config_number(c, CONFIG_PORT), 1);
	cr_expect(config_yes(c, CONFIG_COMPRESSION));
	cr_expect_not(config_yes(c, CONFIG_BATCH_MODE));
	cr_expect_str_eq(config_text(c, CONFIG_BIND_ADDRESS), "ran");
	cr_expect_not(config_given(c, CONFIG_USER));
	config_free(c);
}

Test(client_config, bad_files, .init = files_begin, .fini = files_end)
{
	struct config *c = config_new(NULL);
	char text[300];

	cr_expect_eq(config_load(c, "a", in_dir("none")), -EINVAL);
	config_free(c);
	snprintf(text, sizeof(text), "Include %s/main\n", dir);
	c = config_new(NULL);
	cr_expect_eq(config_load(c, "a", file_make("main", text)), -EINVAL);
	cr_expect(strstr(config_errors(c), "too many levels") != NULL);
	config_free(c);
}

Test(client_config, final_reads_again, .init = files_begin, .fini = files_end)
{
	struct config *c = config_new(NULL);
	const char *path = file_make("main", "Host short\nHostname LONG.example\n"
					     "Host long.example\nUser again\n"
					     "Match final host long.example\nPort 3\n");

	cr_assert_eq(config_load(c, "short", path), 0, "%s", config_errors(c));
	cr_expect_eq(config_number(c, CONFIG_PORT), 3);
	cr_expect_str_eq(config_text(c, CONFIG_USER), "again");
	cr_expect_str_eq(config_text(c, CONFIG_HOSTNAME), "long.example");
	config_free(c);
}

/* --- beside ssh -G ----------------------------------------------------------------------- */

/* What both are to agree about. Each is a file; the host is the word behind '@'. */
static const char *const beside[] = {
	"@h\n",
	"@h\nHost *\nPort 2222\nUser x\nHostname real.%h\n",
	"@h\nCompression yes\nBatchMode no\nGatewayPorts yes\nExitOnForwardFailure yes\n"
	"HashKnownHosts yes\nIdentitiesOnly yes\nTCPKeepAlive no\nVisualHostKey yes\n"
	"PasswordAuthentication no\nKbdInteractiveAuthentication no\nStdinNull yes\n"
	"ForkAfterAuthentication no\nPermitLocalCommand yes\nStreamLocalBindUnlink yes\n"
	"NoHostAuthenticationForLocalhost yes\nEnableEscapeCommandline yes\n",
	"@h\nAddressFamily inet6\nBindAddress 192.0.2.1\nBindInterface lo\nConnectTimeout 1m30s\n"
	"ConnectionAttempts 4\nServerAliveInterval 2m\nServerAliveCountMax 9\n"
	"NumberOfPasswordPrompts 1\nFingerprintHash md5\nLogLevel debug1\nRequestTTY force\n"
	"SessionType none\nStrictHostKeyChecking accept-new\nPubkeyAuthentication host-bound\n"
	"UpdateHostKeys ask\nPreferredAuthentications password,publickey\n",
	"@h\nStrictHostKeyChecking off\nRekeyLimit 1G 1h\nRequestTTY no\nConnectTimeout none\n"
	"StreamLocalBindMask 0111\nHostKeyAlias alias\nIPQoS cs1\n",
	"@h\nRekeyLimit default none\nIPQoS af21 0x10\nSessionType subsystem\nUpdateHostKeys no\n",
	"@h\nLocalForward 8080 host:80\nLocalForward [::1]:8081 [fe80::1]:80\n"
	"LocalForward 127.0.0.1:8083 /run/x.sock\nRemoteForward 9000\nRemoteForward 9001 h:1\n"
	"RemoteForward localhost:0 h:1\nDynamicForward 1080\nDynamicForward [::]:1081\n",
	"@h\nSendEnv X* Y\nSendEnv Z -X*\nSetEnv A=b \"C=d e\"\nSetEnv D=no\n"
	"PermitRemoteOpen a:1 b:2\n",
	"@h\nIdentityFile ~/.ssh/%h\nIdentityFile /etc/key\nCertificateFile /c1\nCertificateFile "
	"/c2\n"
	"UserKnownHostsFile /k1 /k2\nGlobalKnownHostsFile /g1\nRevokedHostKeys /r\n"
	"IdentityAgent /run/agent\nForwardAgent yes\n",
	"@h\nProxyJump u@a:22,b\n",
	"@h\nProxyCommand nc %h %p # all of it\nProxyJump never\n",
	"@h\nRemoteCommand ls -l \"a b\"\nLocalCommand echo %n\n",
	"@h\nHost h\nPort 1\nHost x\nPort 2\nHost *\nPort 3\nUser u\n",
	"@h\nHost !h *\nPort 1\nMatch host h\nPort 2\n",
	"@h\nMatch originalhost x,h\nHostname Y.Example\nMatch host Y.*\nPort 4\n",
	"@h\nMatch final host real\nPort 7\nHost h\nHostname real\nHost real\nUser again\n",
	"@h\nMatch !originalhost h\nPort 9\nMatch exec \"test %h = h\"\nPort 10\n",
	"@h\nUser me\nMatch user me,you\nPort 11\nMatch user !me,*\nPort 12\n",
	"@h\nIgnoreUnknown a*\nabc x\nPort 5\n",
	"@h\nPort=6\nUser = \"u v\"\nBindAddress 'q'\n",
	"@h\nGSSAPIAuthentication yes\nGSSAPIKeyExchange yes\nGSSAPIDelegateCredentials yes\n"
	"GSSAPIServerIdentity s\nGSSAPIClientIdentity me@R\n",
	"@h\nForwardX11 yes\nForwardX11Trusted no\nForwardX11Timeout 5m\nXAuthLocation /x\n",
	"@h\nKnownHostsCommand /bin/k %H \"%t\"\n",
	"@h\nProxyCommand x\nCanonicalizeHostname no\nCanonicalDomains a.example "
	"b.example\nCanonicalizeMaxDots 3\n"
	"CanonicalizeFallbackLocal no\nCanonicalizePermittedCNAMEs *.a:*.b,*.c d:e\n",
	"@h\nControlMaster auto\nControlPath /run/x-y\nControlPersist 10m\n",
	"@h\nControlMaster ask\nControlPersist yes\n",
	"@h\nEscapeChar none\n",
	"@h\nLocalForward 1 a:1\nDynamicForward 2\nClearAllForwardings yes\n",
};

/* One form of a line of either. */
static void normalize(char *line)
{
	static const struct {
		const char *from, *to;
	} same[] = {{" true", " yes"},        {" false", " no"},  {" lowdelay", " 0x10"},
		    {" throughput", " 0x08"}, {" af21", " 0x48"}, {" cs1", " 0x20"}};
	char copy[4096], *p;

	line[strcspn(line, "\n")] = '\0';
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		while ((p = strstr(line, same[i].from)) != NULL &&
		       strchr(" ", p[strlen(same[i].from)]) != NULL) {
			snprintf(copy, sizeof(copy), "%.*s%s%s", (int)(p - line), line, same[i].to,
				 p + strlen(same[i].from));
			strcpy(line, copy);
		}
}

/* What is ours alone to say: other algorithms, other defaults of files of keys. */
static bool left_out(const char *line)
{
	static const char *const out[] = {"ciphers",
					  "macs",
					  "gssapikexalgorithms",
					  "kexalgorithms",
					  "hostkeyalgorithms",
					  "pubkeyacceptedalgorithms",
					  "casignaturealgorithms",
					  "ignoreunknown"};

	for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++)
		if (strncasecmp(line, out[i], strlen(out[i])) == 0 && line[strlen(out[i])] == ' ')
			return true;
	return strncmp(line, "identityfile ~/.ssh/id_", 23) == 0;
}

/* Each line of the dump that ssh says nothing of, or something else. */
static void compare(char *ours, char *theirs, const char *text)
{
	char line[4096], mine[4100];

	for (char *p = strtok(ours, "\n"); p != NULL; p = strtok(NULL, "\n")) {
		snprintf(line, sizeof(line), "%s", p);
		normalize(line);
		if (left_out(line))
			continue;
		snprintf(mine, sizeof(mine), "\n%s\n", line);
		cr_expect(strcasestr(theirs, mine) != NULL, "of\n%s\nonly we say: %s", text, line);
	}
}

static char *ssh_says(const char *path)
{
	static char all[65536];
	char command[512], line[4096];
	FILE *p;

	snprintf(command, sizeof(command), "ssh -G -F %s h 2>&1", path);
	p = popen(command, "r");
	cr_assert_not_null(p);
	strcpy(all, "\n");
	while (fgets(line, sizeof(line), p) != NULL) {
		normalize(line);
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s\n", line);
	}
	return pclose(p) == 0 ? all : NULL;
}

Test(client_config, says_what_ssh_says, .init = files_begin, .fini = files_end)
{
	if (system("ssh -V >/dev/null 2>&1") != 0)
		cr_skip_test("there is no ssh");
	unsetenv("SSH_ASKPASS");
	for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
		const char *path = file_make("f", strchr(beside[i], '\n') + 1);
		struct config *c = config_new(config_algs());
		char *theirs = ssh_says(path), *ours = NULL;
		size_t len;
		FILE *f = open_memstream(&ours, &len);

		cr_assert_not_null(theirs, "%s", beside[i]);
		cr_assert_eq(config_load(c, "h", path), 0, "%s: %s", beside[i], config_errors(c));
		config_dump(c, f);
		fclose(f);
		compare(ours, theirs, beside[i]);
		free(ours);
		config_free(c);
	}
}

Test(client_config, names_of_hosts_are_no_patterns_and_come_once)
{
	static const char text[] = "Host a b *.c !d\nPort 1\nHost a ? e\nMatch host f\n";
	struct config *c = config_new(NULL);
	const struct conf_strs *hosts;

	cr_assert_eq(config_parse(c, "x", text, sizeof(text) - 1), 0, "%s", config_errors(c));
	hosts = config_hosts(c);
	cr_assert_eq(hosts->n, 3);
	cr_assert_str_eq(hosts->v[0], "a");
	cr_assert_str_eq(hosts->v[1], "b");
	cr_assert_str_eq(hosts->v[2], "e");
	config_free(c);
}

Test(client_config, idle_channels_have_their_times)
{
	static const char text[] = "ChannelTimeout forwarded-*=90 direct-tcpip=2m\n"
				   "ForwardBindAddress 127.0.0.2\n";
	static const char *const bad[] = {"ChannelTimeout x\n", "ChannelTimeout x=\n",
					  "ChannelTimeout global=5\n", "ChannelTimeout none x=1\n",
					  "ForwardBindAddress here\n",
					  "MetricsListen 10.0.0.1:9\n", "MetricsListen 9\n"};
	struct config *c = config_new(NULL);

	cr_assert_eq(config_parse(c, "x", text, sizeof(text) - 1), 0, "%s", config_errors(c));
	cr_assert_eq(config_channel_timeout(c, "forwarded-tcpip"), 90000);
	cr_assert_eq(config_channel_timeout(c, "direct-tcpip"), 120000);
	cr_assert_eq(config_channel_timeout(c, "session:shell"), 0);
	cr_assert(config_is(c, CONFIG_FORWARD_BIND_ADDRESS, "127.0.0.2"));
	config_free(c);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		c = config_new(NULL);
		cr_assert_eq(config_parse(c, "x", bad[i], strlen(bad[i])), -EINVAL, "%s", bad[i]);
		config_free(c);
	}
}

Test(client_config, how_a_tunnel_is_tried_again)
{
	static const char text[] = "Reconnect break\nReconnectInterval 2m\nReconnectTries 5\n";
	struct config *c = config_new(NULL);

	cr_assert_eq(config_parse(c, "x", text, sizeof(text) - 1), 0, "%s", config_errors(c));
	cr_assert(config_is(c, CONFIG_RECONNECT, "break"));
	cr_assert_eq(config_number(c, CONFIG_RECONNECT_INTERVAL), 120);
	cr_assert_eq(config_number(c, CONFIG_RECONNECT_INTERVAL_MAX), 60);
	cr_assert_eq(config_number(c, CONFIG_RECONNECT_TRIES), 5);
	config_free(c);
}

Test(client_config, how_a_tunnel_is_tried_again_by_other_names)
{
	static const char *const words[][2] = {{"broken", "break"}, {"Broken", "break"},
					       {"0", "never"},      {"1", "break"},
					       {"2", "always"},     {"never", "never"}};
	static const char text[] = "ReconnectMax 7\nReconnectTries 8\nReconnectMaxInterval 3m\n"
				   "ReconnectJitter 35\n";
	struct config *c = config_new(NULL);
	char line[64];

	cr_assert_eq(config_parse(c, "x", text, sizeof(text) - 1), 0, "%s", config_errors(c));
	cr_expect_eq(config_number(c, CONFIG_RECONNECT_TRIES), 7, "the first that is said");
	cr_expect_eq(config_number(c, CONFIG_RECONNECT_INTERVAL_MAX), 180);
	cr_expect_eq(config_number(c, CONFIG_RECONNECT_JITTER), 35);
	config_free(c);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		c = config_new(NULL);
		snprintf(line, sizeof(line), "Reconnect %s\n", words[i][0]);
		cr_assert_eq(config_parse(c, "x", line, strlen(line)), 0, "%s", config_errors(c));
		cr_expect(config_is(c, CONFIG_RECONNECT, words[i][1]), "%s", words[i][0]);
		config_free(c);
	}
	c = config_new(NULL);
	cr_expect_eq(config_parse(c, "x", "Reconnect 3\n", 12), -EINVAL);
	config_free(c);
	c = config_new(NULL);
	cr_expect_eq(config_parse(c, "x", "ReconnectJitter 101\n", 20), -EINVAL);
	config_free(c);
}
