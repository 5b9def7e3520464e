/* client/config/keywords.c - the keywords of ssh_config(5): those taken, and the others. */
#include <stddef.h>
#include <strings.h>

#include "client/config/internal.h"

static const struct config_choice canonicalize[] = {{"yes", "yes"},       {"true", "yes"},
						    {"no", "no"},         {"false", "no"},
						    {"always", "always"}, {NULL, NULL}};
static const struct config_choice families[] = {
	{"any", "any"}, {"inet", "inet"}, {"inet6", "inet6"}, {NULL, NULL}};
static const struct config_choice hashes[] = {
	{"md5", "MD5"}, {"sha1", "SHA1"}, {"sha256", "SHA256"}, {NULL, NULL}};
static const struct config_choice levels[] = {
	{"quiet", "QUIET"},     {"fatal", "FATAL"}, {"error", "ERROR"},  {"info", "INFO"},
	{"verbose", "VERBOSE"}, {"debug", "DEBUG"}, {"debug1", "DEBUG"}, {"debug2", "DEBUG2"},
	{"debug3", "DEBUG3"},   {NULL, NULL}};
static const struct config_choice masters[] = {
	{"yes", "yes"}, {"true", "yes"},  {"no", "no"},           {"false", "no"},
	{"ask", "ask"}, {"auto", "auto"}, {"autoask", "autoask"}, {NULL, NULL}};
static const struct config_choice pubkeys[] = {
	{"yes", "yes"},  {"true", "yes"},        {"no", "no"},
	{"false", "no"}, {"unbound", "unbound"}, {"host-bound", "host-bound"},
	{NULL, NULL}};
static const struct config_choice ttys[] = {{"yes", "yes"},  {"true", "yes"},    {"no", "no"},
					    {"false", "no"}, {"force", "force"}, {"auto", "auto"},
					    {NULL, NULL}};
static const struct config_choice session_types[] = {
	{"none", "none"}, {"subsystem", "subsystem"}, {"default", "default"}, {NULL, NULL}};
static const struct config_choice reconnects[] = {
	{"never", "never"}, {"break", "break"},   {"always", "always"}, {"0", "never"},
	{"1", "break"},     {"broken", "break"}, {"2", "always"},      {NULL, NULL}};
static const struct config_choice strict[] = {{"yes", "yes"},
					      {"true", "yes"},
					      {"no", "no"},
					      {"false", "no"},
					      {"off", "no"},
					      {"ask", "ask"},
					      {"accept-new", "accept-new"},
					      {NULL, NULL}};
static const struct config_choice update[] = {{"yes", "yes"},  {"true", "yes"}, {"no", "no"},
					      {"false", "no"}, {"ask", "ask"},  {NULL, NULL}};

#define ALL_EXPAND (EXPAND_TILDE | EXPAND_TOKENS | EXPAND_ENV)
#define YESNO(n, d)                                                                                \
	{                                                                                          \
		.name = n, .type = TYPE_YESNO, .dflt = d                                           \
	}
#define CHOICE(n, d, c)                                                                            \
	{                                                                                          \
		.name = n, .type = TYPE_CHOICE, .dflt = d, .choices = c                            \
	}
#define NUMBER(n, d, lo, hi)                                                                       \
	{                                                                                          \
		.name = n, .type = TYPE_NUMBER, .dflt = d, .min = lo, .max = hi                    \
	}
#define ALGS(n, field)                                                                             \
	{                                                                                          \
		.name = n, .type = TYPE_ALGS, .algs = offsetof(struct conf_algs, field)            \
	}
#define LIB(n)                                                                                     \
	{                                                                                          \
		.name = n, .type = TYPE_LIB                                                        \
	}
#define LIB_LINES(n)                                                                               \
	{                                                                                          \
		.name = n, .type = TYPE_LIB_LINES                                                  \
	}

const struct config_kw config_kws[CONFIG_IDS] = {
	[CONFIG_USER] = {.name = "User", .type = TYPE_TEXT},
	[CONFIG_HOSTNAME] = {.name = "Hostname", .type = TYPE_TEXT},
	[CONFIG_PORT] = {.name = "Port", .type = TYPE_PORT, .dflt = "22"},
	[CONFIG_ADDRESS_FAMILY] = CHOICE("AddressFamily", "any", families),
	[CONFIG_BATCH_MODE] = YESNO("BatchMode", "no"),
	[CONFIG_BIND_ADDRESS] = {.name = "BindAddress", .type = TYPE_TEXT},
	[CONFIG_BIND_INTERFACE] = {.name = "BindInterface", .type = TYPE_TEXT},
	[CONFIG_CA_SIGNATURE_ALGORITHMS] = ALGS("CASignatureAlgorithms", ca_signature),
	[CONFIG_CANONICAL_DOMAINS] = {.name = "CanonicalDomains", .type = TYPE_WORDS},
	[CONFIG_CANONICALIZE_FALLBACK_LOCAL] = YESNO("CanonicalizeFallbackLocal", "yes"),
	[CONFIG_CANONICALIZE_HOSTNAME] = CHOICE("CanonicalizeHostname", "no", canonicalize),
	[CONFIG_CANONICALIZE_MAX_DOTS] = NUMBER("CanonicalizeMaxDots", "1", 0, INT32_MAX),
	[CONFIG_CANONICALIZE_PERMITTED_CNAMES] = {.name = "CanonicalizePermittedCNAMEs",
						  .type = TYPE_CNAMES},
	[CONFIG_CERTIFICATE_FILE] = {.name = "CertificateFile",
				     .type = TYPE_ADD,
				     .expand = ALL_EXPAND},
	[CONFIG_CIPHERS] = ALGS("Ciphers", ciphers),
	[CONFIG_CLEAR_ALL_FORWARDINGS] = YESNO("ClearAllForwardings", "no"),
	[CONFIG_COMPRESSION] = YESNO("Compression", "no"),
	[CONFIG_CONNECTION_ATTEMPTS] = NUMBER("ConnectionAttempts", "1", 1, INT32_MAX),
	[CONFIG_CONNECT_TIMEOUT] = {.name = "ConnectTimeout", .type = TYPE_TIME, .dflt = "none"},
	[CONFIG_CONTROL_MASTER] = CHOICE("ControlMaster", "no", masters),
	[CONFIG_CONTROL_PATH] = {.name = "ControlPath", .type = TYPE_TEXT, .expand = ALL_EXPAND},
	[CONFIG_CONTROL_PERSIST] = {.name = "ControlPersist", .type = TYPE_PERSIST, .dflt = "no"},
	[CONFIG_DYNAMIC_FORWARD] = {.name = "DynamicForward", .type = TYPE_FORWARD},
	[CONFIG_ENABLE_ESCAPE_COMMANDLINE] = YESNO("EnableEscapeCommandline", "no"),
	[CONFIG_ESCAPE_CHAR] = {.name = "EscapeChar", .type = TYPE_ESCAPE, .dflt = "~"},
	[CONFIG_EXIT_ON_FORWARD_FAILURE] = YESNO("ExitOnForwardFailure", "no"),
	[CONFIG_FINGERPRINT_HASH] = CHOICE("FingerprintHash", "sha256", hashes),
	[CONFIG_FORK_AFTER_AUTHENTICATION] = YESNO("ForkAfterAuthentication", "no"),
	[CONFIG_FORWARD_AGENT] = {.name = "ForwardAgent",
				  .type = TYPE_TEXT,
				  .dflt = "no",
				  .expand = EXPAND_TILDE | EXPAND_ENV},
	[CONFIG_FORWARD_X11] = YESNO("ForwardX11", "no"),
	[CONFIG_FORWARD_X11_TIMEOUT] = {.name = "ForwardX11Timeout",
					.type = TYPE_TIME,
					.dflt = "1200"},
	[CONFIG_FORWARD_X11_TRUSTED] = YESNO("ForwardX11Trusted", "yes"),
	[CONFIG_GATEWAY_PORTS] = YESNO("GatewayPorts", "no"),
	[CONFIG_GLOBAL_KNOWN_HOSTS_FILE] =
		{.name = "GlobalKnownHostsFile",
		 .type = TYPE_WORDS,
		 .dflt = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2",
		 .expand = EXPAND_TILDE},
	[CONFIG_GSSAPI_AUTHENTICATION] = YESNO("GSSAPIAuthentication", "no"),
	[CONFIG_GSSAPI_CLIENT_IDENTITY] = {.name = "GSSAPIClientIdentity", .type = TYPE_TEXT},
	[CONFIG_GSSAPI_DELEGATE_CREDENTIALS] = YESNO("GSSAPIDelegateCredentials", "no"),
	[CONFIG_GSSAPI_KEX_ALGORITHMS] = ALGS("GSSAPIKexAlgorithms", gss_kex),
	[CONFIG_GSSAPI_KEY_EXCHANGE] = YESNO("GSSAPIKeyExchange", "no"),
	[CONFIG_GSSAPI_SERVER_IDENTITY] = {.name = "GSSAPIServerIdentity", .type = TYPE_TEXT},
	[CONFIG_HASH_KNOWN_HOSTS] = YESNO("HashKnownHosts", "no"),
	[CONFIG_HOST_KEY_ALGORITHMS] = ALGS("HostKeyAlgorithms", hostkey),
	[CONFIG_HOST_KEY_ALIAS] = {.name = "HostKeyAlias", .type = TYPE_TEXT},
	[CONFIG_IDENTITIES_ONLY] = YESNO("IdentitiesOnly", "no"),
	[CONFIG_IDENTITY_AGENT] = {.name = "IdentityAgent",
				   .type = TYPE_TEXT,
				   .expand = ALL_EXPAND},
	[CONFIG_IDENTITY_FILE] = {.name = "IdentityFile",
				  .type = TYPE_KEYS,
				  .dflt = "~/.ssh/id_rsa ~/.ssh/id_ecdsa ~/.ssh/id_ecdsa_sk "
					  "~/.ssh/id_ed25519 ~/.ssh/id_ed25519_sk ~/.ssh/id_dsa",
				  .expand = ALL_EXPAND},
	[CONFIG_IGNORE_UNKNOWN] = {.name = "IgnoreUnknown", .type = TYPE_TEXT},
	[CONFIG_IPQOS] = {.name = "IPQoS", .type = TYPE_QOS, .dflt = "lowdelay throughput"},
	[CONFIG_KBD_INTERACTIVE_AUTHENTICATION] = {.name = "KbdInteractiveAuthentication",
						   .alias = "ChallengeResponseAuthentication",
						   .type = TYPE_YESNO,
						   .dflt = "yes"},
	[CONFIG_KEX_ALGORITHMS] = ALGS("KexAlgorithms", kex),
	[CONFIG_KNOWN_HOSTS_COMMAND] = {.name = "KnownHostsCommand",
					.type = TYPE_REST,
					.expand = EXPAND_TOKENS},
	[CONFIG_LOCAL_COMMAND] = {.name = "LocalCommand",
				  .type = TYPE_REST,
				  .expand = EXPAND_TOKENS},
	[CONFIG_LOCAL_FORWARD] = {.name = "LocalForward", .type = TYPE_FORWARD},
	[CONFIG_LOG_LEVEL] = CHOICE("LogLevel", "info", levels),
	[CONFIG_MACS] = ALGS("MACs", macs),
	[CONFIG_NO_HOST_AUTHENTICATION_FOR_LOCALHOST] =
		YESNO("NoHostAuthenticationForLocalhost", "no"),
	[CONFIG_NUMBER_OF_PASSWORD_PROMPTS] = NUMBER("NumberOfPasswordPrompts", "3", 0, INT32_MAX),
	[CONFIG_PASSWORD_AUTHENTICATION] = YESNO("PasswordAuthentication", "yes"),
	[CONFIG_PERMIT_LOCAL_COMMAND] = YESNO("PermitLocalCommand", "no"),
	[CONFIG_PERMIT_REMOTE_OPEN] = {.name = "PermitRemoteOpen",
				       .type = TYPE_OPENS,
				       .dflt = "any"},
	[CONFIG_PREFERRED_AUTHENTICATIONS] = {.name = "PreferredAuthentications",
					      .type = TYPE_TEXT},
	[CONFIG_PROXY_COMMAND] = {.name = "ProxyCommand",
				  .type = TYPE_REST,
				  .expand = EXPAND_PROXY},
	[CONFIG_PROXY_JUMP] = {.name = "ProxyJump", .type = TYPE_JUMP, .expand = EXPAND_PROXY},
	[CONFIG_PUBKEY_ACCEPTED_ALGORITHMS] = {.name = "PubkeyAcceptedAlgorithms",
					       .alias = "PubkeyAcceptedKeyTypes",
					       .type = TYPE_ALGS,
					       .algs = offsetof(struct conf_algs, pubkey_accepted)},
	[CONFIG_PUBKEY_AUTHENTICATION] = {.name = "PubkeyAuthentication",
					  .alias = "DSAAuthentication",
					  .type = TYPE_CHOICE,
					  .dflt = "yes",
					  .choices = pubkeys},
	[CONFIG_REKEY_LIMIT] = {.name = "RekeyLimit", .type = TYPE_REKEY, .dflt = "default none"},
	[CONFIG_REMOTE_COMMAND] = {.name = "RemoteCommand",
				   .type = TYPE_REST,
				   .expand = EXPAND_TOKENS},
	[CONFIG_REMOTE_FORWARD] = {.name = "RemoteForward", .type = TYPE_FORWARD},
	[CONFIG_REQUEST_TTY] = CHOICE("RequestTTY", "auto", ttys),
	[CONFIG_REQUIRED_RSA_SIZE] = NUMBER("RequiredRSASize", "1024", 0, INT32_MAX),
	[CONFIG_REVOKED_HOST_KEYS] = {.name = "RevokedHostKeys",
				      .type = TYPE_TEXT,
				      .expand = EXPAND_TILDE},
	[CONFIG_SEND_ENV] = {.name = "SendEnv", .type = TYPE_ENV},
	[CONFIG_SERVER_ALIVE_COUNT_MAX] = NUMBER("ServerAliveCountMax", "3", 0, INT32_MAX),
	[CONFIG_SERVER_ALIVE_INTERVAL] = {.name = "ServerAliveInterval",
					  .type = TYPE_TIME,
					  .dflt = "0"},
	[CONFIG_SESSION_TYPE] = CHOICE("SessionType", "default", session_types),
	[CONFIG_SET_ENV] = {.name = "SetEnv", .type = TYPE_SETENV},
	[CONFIG_STDIN_NULL] = YESNO("StdinNull", "no"),
	[CONFIG_STREAM_LOCAL_BIND_MASK] = {.name = "StreamLocalBindMask",
					   .type = TYPE_OCTAL,
					   .dflt = "0177"},
	[CONFIG_STREAM_LOCAL_BIND_UNLINK] = YESNO("StreamLocalBindUnlink", "no"),
	[CONFIG_STRICT_HOST_KEY_CHECKING] = CHOICE("StrictHostKeyChecking", "ask", strict),
	[CONFIG_TCP_KEEP_ALIVE] = {.name = "TCPKeepAlive",
				   .alias = "KeepAlive",
				   .type = TYPE_YESNO,
				   .dflt = "yes"},
	[CONFIG_UPDATE_HOST_KEYS] = CHOICE("UpdateHostKeys", NULL, update),
	[CONFIG_USER_KNOWN_HOSTS_FILE] = {.name = "UserKnownHostsFile",
					  .type = TYPE_WORDS,
					  .dflt = "~/.ssh/known_hosts ~/.ssh/known_hosts2",
					  .expand = ALL_EXPAND},
	[CONFIG_VISUAL_HOST_KEY] = YESNO("VisualHostKey", "no"),
	[CONFIG_XAUTH_LOCATION] = {.name = "XAuthLocation",
				   .type = TYPE_TEXT,
				   .dflt = "/usr/bin/xauth"},
	[CONFIG_ABSOLUTE_TIMEOUT] = LIB("AbsoluteTimeout"),
	[CONFIG_ACCEPT_ANY_HOST_KEY] = LIB("AcceptAnyHostKey"),
	[CONFIG_ACCEPT_HOST_CA] = {.name = "AcceptHostCA",
				    .type = TYPE_LIB_LINES,
				    .expand = EXPAND_TILDE | EXPAND_ENV},
	[CONFIG_ACCEPT_HOST_KEY] = {.name = "AcceptHostKey",
				    .type = TYPE_LIB_LINES,
				    .expand = EXPAND_TILDE | EXPAND_ENV},
	[CONFIG_ACCEPT_HOST_KEY_FINGERPRINT] = LIB("AcceptHostKeyFingerprint"),
	[CONFIG_AGENT_AUTH] = LIB("AgentAuth"),
	[CONFIG_AUTH_MODE] = LIB("AuthMode"),
	[CONFIG_BIND_PORT] = LIB("BindPort"),
	[CONFIG_CHANNEL_MAX_PACKET] = LIB("ChannelMaxPacket"),
	[CONFIG_CHANNEL_TIMEOUT] = {.name = "ChannelTimeout", .type = TYPE_IDLE},
	[CONFIG_CHANNEL_WINDOW] = LIB("ChannelWindow"),
	[CONFIG_COMPRESSION_ALGORITHMS] = LIB("CompressionAlgorithms"),
	[CONFIG_CRYPTO_ENGINE] = LIB("CryptoEngine"),
	[CONFIG_DH_GROUP_EXCHANGE_BITS] = LIB("DHGroupExchangeBits"),
	[CONFIG_FIPS_MODE] = LIB("FIPSMode"),
	[CONFIG_FORWARD_BIND_ADDRESS] = {.name = "ForwardBindAddress", .type = TYPE_ADDRESS},
	[CONFIG_GSSAPI_REALM] = LIB("GSSAPIRealm"),
	[CONFIG_KBD_INTERACTIVE_DEVICES] = LIB("KbdInteractiveDevices"),
	[CONFIG_LINGER] = LIB("Linger"),
	[CONFIG_LOG_MASK_SECRETS] = LIB("LogMaskSecrets"),
	[CONFIG_METRICS_LISTEN] = {.name = "MetricsListen", .type = TYPE_PLACE},
	[CONFIG_OPERATION_TIMEOUT] = LIB("OperationTimeout"),
	[CONFIG_PASSWORD_COMMAND] = {.name = "PasswordCommand",
				     .type = TYPE_REST,
				     .expand = EXPAND_TOKENS},
	[CONFIG_PASSWORD_FILE] = {.name = "PasswordFile",
				  .type = TYPE_TEXT,
				  .expand = ALL_EXPAND},
	[CONFIG_PASSWORD_PROMPT_PATTERN] = LIB("PasswordPromptPattern"),
	[CONFIG_PROXY] = {.name = "Proxy", .type = TYPE_PROXY},
	[CONFIG_PROXY_AUTO_DETECT] = LIB("ProxyAutoDetect"),
	[CONFIG_PROXY_EXCEPTIONS] = LIB("ProxyExceptions"),
	[CONFIG_PROXY_HEADER] = LIB_LINES("ProxyHeader"),
	[CONFIG_PROXY_PASSWORD_FILE] = {.name = "ProxyPasswordFile",
					.type = TYPE_TEXT,
					.expand = ALL_EXPAND},
	[CONFIG_RECEIVE_BUFFER] = LIB("ReceiveBuffer"),
	[CONFIG_RECONNECT] = CHOICE("Reconnect", "always", reconnects),
	[CONFIG_RECONNECT_INTERVAL] = {.name = "ReconnectInterval", .type = TYPE_TIME, .dflt = "5"},
	[CONFIG_RECONNECT_INTERVAL_MAX] = {.name = "ReconnectIntervalMax",
					   .alias = "ReconnectMaxInterval",
					   .type = TYPE_TIME,
					   .dflt = "60"},
	[CONFIG_RECONNECT_JITTER] = {.name = "ReconnectJitter", .type = TYPE_NUMBER, .max = 100},
	[CONFIG_RECONNECT_TRIES] = {.name = "ReconnectTries",
				    .alias = "ReconnectMax",
				    .type = TYPE_NUMBER,
				    .dflt = "0",
				    .max = INT32_MAX},
	[CONFIG_REPEAT_AUTH_METHODS] = LIB("RepeatAuthMethods"),
	[CONFIG_SEND_BUFFER] = LIB("SendBuffer"),
	[CONFIG_STATUS_SOCKET] = {.name = "StatusSocket",
				  .type = TYPE_TEXT,
				  .expand = EXPAND_TILDE | EXPAND_ENV},
	[CONFIG_STRICT_KEX] = LIB("StrictKex"),
	[CONFIG_TCP_KEEP_ALIVE_COUNT] = LIB("TCPKeepAliveCount"),
	[CONFIG_TCP_KEEP_ALIVE_INTERVAL] = LIB("TCPKeepAliveInterval"),
	[CONFIG_TCP_KEEP_ALIVE_TIME] = LIB("TCPKeepAliveTime"),
	[CONFIG_TCP_NO_DELAY] = LIB("TCPNoDelay"),
	[CONFIG_TRANSFER_RATE] = LIB("TransferRate"),
	[CONFIG_TRY_ALL_AUTH_METHODS] = LIB("TryAllAuthMethods"),
	[CONFIG_VERSION_PATTERN] = LIB("VersionPattern"),
	[CONFIG_VERSION_STRING] = LIB("VersionString"),
	[CONFIG_WAIT_FOR_CHANNEL_CLOSE] = LIB("WaitForChannelClose"),
	[CONFIG_WAIT_FOR_SERVER_DISCONNECT] = LIB("WaitForServerDisconnect"),
	[CONFIG_X509_REVOCATION_FILE] = {.name = "X509RevocationFile",
					 .type = TYPE_TEXT,
					 .expand = EXPAND_TILDE | EXPAND_ENV},
	[CONFIG_X509_TRUST_ANCHORS] = {.name = "X509TrustAnchors",
				       .type = TYPE_TEXT,
				       .expand = EXPAND_TILDE | EXPAND_ENV},
};

#define OTHER(n, values, is_quiet, ...)                                                            \
	{                                                                                          \
		.name = n, .harmless = values, .quiet = is_quiet, ##__VA_ARGS__                    \
	}

static const struct config_other others[] = {
	OTHER("AddKeysToAgent", "no,false", true),
	OTHER("CheckHostIP", "no,false", false),
	OTHER("EnableSSHKeysign", "no,false", true),
	OTHER("GSSAPIRenewalForcesRekey", "no,false", true),
	OTHER("GSSAPITrustDns", "no,false", true,
	 .instead = "GSSAPIServerIdentity names the server as Kerberos knows it"),
	OTHER("HostbasedAcceptedAlgorithms", NULL, true),
	OTHER("HostbasedAuthentication", "no,false", true),
	OTHER("HostbasedKeyTypes", NULL, true),
	OTHER("LogVerbose", "none", true),
	OTHER("ObscureKeystrokeTiming", "no", false),
	OTHER("PKCS11Provider", "none", false,
	 .instead = "IdentityFile pkcs11:module-path=FILE names a key of a module"),
	OTHER("ProxyUseFdpass", "no,false", false),
	OTHER("RecordLength", NULL, false, .refused = true,
	 .instead = "it is for programs of the library alone, sluice_set(3)"),
	OTHER("RefuseConnection", NULL, false),
	OTHER("SecurityKeyProvider", "internal", false,
	 .instead = "an agent signs with the keys of security keys"),
	OTHER("SyslogFacility", NULL, true),
	OTHER("Tag", NULL, false),
	OTHER("Tunnel", "no,false", false),
	OTHER("TunnelDevice", NULL, true),
	OTHER("VerifyHostKeyDNS", "no,false", false),
	OTHER("VersionAddendum", "none", true),
	OTHER("WarnWeakCrypto", "no", true),
};

const struct config_kw *config_kw_find(const char *name)
{
	for (size_t i = 0; i < CONFIG_IDS; i++) {
		const struct config_kw *kw = &config_kws[i];

		if (strcasecmp(name, kw->name) == 0 ||
		    (kw->alias != NULL && strcasecmp(name, kw->alias) == 0))
			return kw;
	}
	return NULL;
}

const struct config_other *config_other_find(const char *name)
{
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcasecmp(name, others[i].name) == 0)
			return &others[i];
	return NULL;
}

const char *config_keyword_at(size_t i)
{
	return i < CONFIG_IDS ? config_kws[i].name : NULL;
}
