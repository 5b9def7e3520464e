/* client/lib/settings.c - see settings.h. Source ssh_config(5), and keywords of our own. */
#include "client/lib/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/known/known.h"
#include "client/lib/stay.h"
#include "client/lib/utf8.h"
#include "client/sluice.h"
#include "conf/words.h"
#include "crypto/cipher.h"
#include "crypto/gss.h"
#include "crypto/kex.h"
#include "ssh/ident.h"
#include "ssh/kexinit.h"

#define ALL_NAMES_MAX 4096
#define WINDOW_MAX    (1 << 30)
#define RECONNECT_MIN  100                    /* ms: a server is not hammered */
#define RECONNECT_MOST (24 * 3600 * 1000)     /* ms */
#define TIMEOUTS_MAX  64 /* entries of ChannelTimeout */

enum kind {
	KIND_TEXT = 1, /* "" is none */
	KIND_BOOL,
	KIND_UINT,
	KIND_TIME, /* "none" is TIME_NONE */
	KIND_SIZE,
	KIND_CHOICE,
	KIND_ALGS,
	KIND_OWN, /* set and get of its own */
};

struct choice {
	const char *name;
	uint32_t value;
};

struct keyword {
	const char *name;
	enum kind kind;
	size_t at;
	const char *dflt;
	bool frozen; /* while connected */
	bool utf8;
	int bad; /* the error where it cannot have the value; 0: EINVAL */
	const char *zero; /* another word for 0 */
	uint64_t min, max;
	const struct choice *choices;
	const char *(*name_at)(unsigned int i); /* of algorithms: those there are */
	bool (*set)(struct settings *set, const char *value);
	void (*get)(const struct settings *set, FILE *f);
};

/* --- keywords that are more than one value -------------------------------------------------------
 */

/* "BYTES [TIME]", "default", "none". */
static bool rekey_set(struct settings *set, const char *value)
{
	char bytes[32], seconds[32] = "none";
	uint64_t n = 0;
	uint32_t ms = 0;

	if (sscanf(value, "%31s %31s", bytes, seconds) < 1)
		return false;
	if (strcasecmp(bytes, "default") != 0 && strcasecmp(bytes, "none") != 0 &&
	    (!size_read(bytes, &n) || n < 16))
		return false;
	if (strcasecmp(seconds, "none") != 0 && !time_read(seconds, &ms))
		return false;
	set->rekey.bytes = n;
	set->rekey.seconds = ms / 1000 + (ms % 1000 > 0);
	return true;
}

static void rekey_get(const struct settings *set, FILE *f)
{
	if (set->rekey.bytes == 0)
		fputs("default", f);
	else
		fprintf(f, "%" PRIu64, set->rekey.bytes);
	if (set->rekey.seconds == 0)
		fputs(" none", f);
	else
		fprintf(f, " %" PRIu32, set->rekey.seconds);
}

/* "MIN:PREFERRED:MAX", or the preferred one alone. */
static bool gex_set(struct settings *set, const char *value)
{
	struct ssh_gex_bits b = {0};
	char end;

	if (sscanf(value, "%" SCNu32 ":%" SCNu32 ":%" SCNu32 "%c", &b.min, &b.n, &b.max, &end) !=
	    3) {
		if (sscanf(value, "%" SCNu32 "%c", &b.n, &end) != 1)
			return false;
		b.min = b.n < SSH_GEX_MIN ? b.n : SSH_GEX_MIN;
		b.max = SSH_GEX_MAX;
	}
	if (b.min < 1024 || b.min > b.n || b.n > b.max || b.max > SSH_GEX_MAX)
		return false;
	set->gex = b;
	return true;
}

static void gex_get(const struct settings *set, FILE *f)
{
	fprintf(f, "%" PRIu32 ":%" PRIu32 ":%" PRIu32, set->gex.min, set->gex.n, set->gex.max);
}

/* yes, no: a list of its own stands for each. */
static bool compression_set(struct settings *set, const char *value)
{
	bool on = strcasecmp(value, "yes") == 0;
	char *list;

	if (!on && strcasecmp(value, "no") != 0)
		return false;
	list = strdup(on ? "zlib@openssh.com,none" : "none,zlib@openssh.com");
	if (list == NULL)
		return false;
	free(set->comp_algs);
	set->comp_algs = list;
	return true;
}

static void compression_get(const struct settings *set, FILE *f)
{
	fputs(strncmp(set->comp_algs, "zlib", 4) == 0 ? "yes" : "no", f);
}

/* "auto" begins with two megabytes and grows. */
static bool window_set(struct settings *set, const char *value)
{
	uint64_t n = 2 << 20;
	bool is_auto = strcasecmp(value, "auto") == 0;

	if (!is_auto && (!size_read(value, &n) || n < SSH_CHAN_PACKET_MIN || n > WINDOW_MAX))
		return false;
	set->window = n;
	set->window_auto = is_auto;
	return true;
}

static void window_get(const struct settings *set, FILE *f)
{
	if (set->window_auto)
		fputs("auto", f);
	else
		fprintf(f, "%" PRIu64, set->window);
}

/* yes: as long as an operation may take; no; a time. */
static bool linger_set(struct settings *set, const char *value)
{
	uint32_t ms = 0;

	if (strcasecmp(value, "yes") == 0 || strcasecmp(value, "true") == 0)
		ms = TIME_NONE;
	else if (strcasecmp(value, "no") != 0 && strcasecmp(value, "false") != 0 &&
		 !time_read(value, &ms))
		return false;
	set->linger = ms;
	return true;
}

static void linger_get(const struct settings *set, FILE *f)
{
	if (set->linger == TIME_NONE || set->linger == 0)
		fputs(set->linger == 0 ? "no" : "yes", f);
	else
		fprintf(f, "%" PRIu32 "ms", set->linger);
}

/* Words of ChannelTimeout, cut in text, which they point into. False: too many. */
static bool timeouts_cut(char *text, const char *v[TIMEOUTS_MAX], size_t *ret_n)
{
	char *word;

	*ret_n = 0;
	while ((word = strsep(&text, " \t")) != NULL) {
		if (*word == '\0')
			continue;
		if (*ret_n == TIMEOUTS_MAX)
			return false;
		v[(*ret_n)++] = word;
	}
	return true;
}

/* "TYPE=TIME …"; "none". */
static bool timeouts_set(struct settings *set, const char *value)
{
	bool none = strcasecmp(value, "none") == 0;
	char *copy = strdup(none ? "" : value), *words = strdup(none ? "" : value);
	const char *v[TIMEOUTS_MAX];
	size_t n = 0;
	bool ok = copy != NULL && words != NULL && timeouts_cut(words, v, &n);

	for (size_t i = 0; i < n; i++)
		ok = ok && channel_timeout_valid(v[i]) && strncmp(v[i], "global=", 7) != 0;
	free(words);
	if (!ok) {
		free(copy);
		return false;
	}
	free(set->channel_timeouts);
	set->channel_timeouts = copy;
	return true;
}

static void timeouts_get(const struct settings *set, FILE *f)
{
	fputs(*set->channel_timeouts != '\0' ? set->channel_timeouts : "none", f);
}

uint32_t settings_channel_timeout(const struct settings *set, const char *type)
{
	char *words = strdup(set->channel_timeouts);
	const char *v[TIMEOUTS_MAX];
	struct conf_strs entries = {v, 0};
	uint32_t ms = 0;

	if (words != NULL && timeouts_cut(words, v, &entries.n))
		ms = channel_timeout(&entries, type);
	free(words);
	return ms;
}

static bool version_set(struct settings *set, const char *value)
{
	size_t n = strlen(value);
	char *copy;

	if (n > SSH_IDENT_MAX || strncmp(value, "SSH-2.0-", 8) != 0 || n == 8)
		return false;
	for (const char *p = value; *p != '\0'; p++)
		if (*p < 0x20 || *p > 0x7e)
			return false;
	copy = strdup(value);
	if (copy == NULL)
		return false;
	free(set->version);
	set->version = copy;
	return true;
}

static void version_get(const struct settings *set, FILE *f)
{
	fputs(set->version, f);
}

/* --- the table
 * ------------------------------------------------------------------------------------- */

static const struct choice yes_no[] = {{"yes", 1},   {"no", 0}, {"true", 1}, {"1", 1},
				       {"false", 0}, {"0", 0},  {NULL, 0}};
static const struct choice strict_levels[] = {
	{"off", SSH_STRICT_OFF},         {"on", SSH_STRICT_ON},     {"safe", SSH_STRICT_SAFE},
	{"require", SSH_STRICT_REQUIRE}, {"0", SSH_STRICT_OFF},     {"1", SSH_STRICT_ON},
	{"2", SSH_STRICT_SAFE},          {"3", SSH_STRICT_REQUIRE}, {NULL, 0}};
static const struct choice auth_modes[] = {{"none", AUTH_NONE},
					   {"multifactor", AUTH_MULTIFACTOR},
					   {"password", AUTH_PASSWORD},
					   {"publickey", AUTH_PUBLICKEY},
					   {"keyboard-interactive", AUTH_KBDINT},
					   {"gssapi-with-mic", AUTH_GSSAPI_MIC},
					   {"gssapi-keyex", AUTH_GSSAPI_KEYEX},
					   {"custom", AUTH_CUSTOM},
					   {"5", AUTH_GSSAPI_MIC},
					   {"6", AUTH_GSSAPI_KEYEX},
					   {"99", AUTH_CUSTOM},
					   {"0", AUTH_NONE},
					   {"1", AUTH_MULTIFACTOR},
					   {"2", AUTH_PASSWORD},
					   {"3", AUTH_PUBLICKEY},
					   {"4", AUTH_KBDINT},
					   {NULL, 0}};
static const struct choice log_levels[] = {
	{"QUIET", SLUICE_LOG_NONE},    {"INFO", SLUICE_LOG_INFO},   {"DEBUG2", SLUICE_LOG_VERBOSE},
	{"DEBUG3", SLUICE_LOG_DEBUG},  {"FATAL", SLUICE_LOG_NONE},  {"ERROR", SLUICE_LOG_NONE},
	{"VERBOSE", SLUICE_LOG_INFO},  {"DEBUG", SLUICE_LOG_INFO},  {"DEBUG1", SLUICE_LOG_INFO},
	{"0", SLUICE_LOG_NONE},        {"1", SLUICE_LOG_INFO},      {"2", SLUICE_LOG_VERBOSE},
	{"3", SLUICE_LOG_DEBUG},       {NULL, 0}};
static const struct choice engines[] = {{"auto", CIPHER_ENGINE_AUTO},
					{"ipsec-mb", CIPHER_ENGINE_IPSEC_MB},
					{"openssl", CIPHER_ENGINE_OPENSSL},
					{NULL, 0}};

static const struct choice agent_auths[] = {{"no", AGENT_NO},
					    {"yes", AGENT_YES},
					    {"require", AGENT_REQUIRE},
					    {"only", AGENT_ONLY},
					    {NULL, 0}};
static const struct choice reconnects[] = {
	{"never", STAY_NEVER}, {"broken", STAY_BREAK}, {"always", STAY_ALWAYS}, {"break", STAY_BREAK},
	{"0", STAY_NEVER},     {"1", STAY_BREAK},      {"2", STAY_ALWAYS},      {NULL, 0}};
static const struct choice families[] = {{"any", 0}, {"inet", 4}, {"inet6", 6}, {NULL, 0}};
static const struct choice updates[] = {{"no", UPDATE_NO},    {"yes", UPDATE_YES},
					{"ask", UPDATE_ASK},  {"true", UPDATE_YES},
					{"false", UPDATE_NO}, {NULL, 0}};
static const struct choice checkings[] = {{"ask", KNOWN_ASK},    {"accept-new", KNOWN_ACCEPT_NEW},
					  {"yes", KNOWN_STRICT}, {"no", KNOWN_LAX},
					  {"off", KNOWN_LAX},    {NULL, 0}};

#define KW(name_, kind_, field, dflt_, ...)                                                        \
	{                                                                                          \
		.name = name_, .kind = kind_, .at = offsetof(struct settings, field),              \
		.dflt = dflt_, ##__VA_ARGS__                                                       \
	}

static const struct keyword keywords[] = {
	KW("AbsoluteTimeout", KIND_BOOL, absolute_timeout, "no"),
	KW("AcceptAnyHostKey", KIND_BOOL, accept_any, "no"),
	KW("AcceptHostCA", KIND_TEXT, accept_ca, ""),
	KW("AcceptHostKey", KIND_TEXT, accept_keys, ""),
	KW("AcceptHostKeyFingerprint", KIND_TEXT, accept_fingerprints, ""),
	KW("AcceptChannelTypes", KIND_TEXT, open_types, "", .frozen = true),
	KW("AddressFamily", KIND_CHOICE, family, "any", .frozen = true, .choices = families),
	KW("AgentAuth", KIND_CHOICE, agent_auth, "no", .choices = agent_auths),
	KW("AuthMode", KIND_CHOICE, auth_mode, "password", .choices = auth_modes),
	KW("BindAddress", KIND_TEXT, bind_address, "", .frozen = true),
	KW("BindInterface", KIND_TEXT, bind_interface, "", .frozen = true),
	KW("BindPort", KIND_UINT, bind_port, "0", .frozen = true, .max = UINT16_MAX),
	KW("ChannelMaxPacket", KIND_UINT, packet_max, "32768", .min = SSH_CHAN_PACKET_MIN,
	   .max = 1 << 17),
	{.name = "ChannelTimeout",
	 .kind = KIND_OWN,
	 .dflt = "none",
	 .set = timeouts_set,
	 .get = timeouts_get},
	{.name = "ChannelWindow",
	 .kind = KIND_OWN,
	 .dflt = "auto",
	 .set = window_set,
	 .get = window_get},
	KW("Ciphers", KIND_ALGS, ciphers, SSH_DEFAULT_CIPHERS, .frozen = true,
	   .name_at = cipher_name_at),
	{.name = "Compression",
	 .kind = KIND_OWN,
	 .dflt = "no",
	 .frozen = true,
	 .set = compression_set,
	 .get = compression_get},
	KW("CompressionAlgorithms", KIND_ALGS, comp_algs, SSH_DEFAULT_COMP, .frozen = true,
	   .name_at = ssh_comp_name_at),
	KW("ConnectTimeout", KIND_TIME, connect_timeout, "60", .max = TIME_NONE),
	KW("CryptoEngine", KIND_CHOICE, engine, "auto", .frozen = true, .choices = engines),
	{.name = "DHGroupExchangeBits",
	 .kind = KIND_OWN,
	 .dflt = "2048:3072:8192",
	 .frozen = true,
	 .set = gex_set,
	 .get = gex_get},
	KW("FIPSMode", KIND_BOOL, fips, "no", .frozen = true),
	KW("ForwardBindAddress", KIND_TEXT, forward_bind, ""),
	KW("GlobalKnownHostsFile", KIND_TEXT, global_files,
	   "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"),
	KW("GSSAPIAuthentication", KIND_BOOL, gss, "no", .frozen = true),
	KW("GSSAPIClientIdentity", KIND_TEXT, gss_client, "", .frozen = true),
	KW("GSSAPIDelegateCredentials", KIND_BOOL, gss_delegate, "no", .frozen = true),
	KW("GSSAPIKexAlgorithms", KIND_ALGS, gss_kex_algs, SSH_DEFAULT_GSS_KEX, .frozen = true,
	   .name_at = kex_gss_bare_at),
	KW("GSSAPIKeyExchange", KIND_BOOL, gss_kex, "no", .frozen = true),
	KW("GSSAPIRealm", KIND_TEXT, gss_realm, "", .frozen = true),
	KW("GSSAPIServerIdentity", KIND_TEXT, gss_identity, "", .frozen = true),
	KW("HashKnownHosts", KIND_BOOL, hash_hosts, "no"),
	KW("HostKeyAlgorithms", KIND_ALGS, hostkey_algs, SSH_DEFAULT_HOSTKEY, .frozen = true,
	   .name_at = key_sig_alg_at),
	KW("HostKeyAlias", KIND_TEXT, host_alias, ""),
	KW("Hostname", KIND_TEXT, hostname, "", .frozen = true),
	KW("IdentityAgent", KIND_TEXT, identity_agent, ""),
	KW("KbdInteractiveDevices", KIND_TEXT, kbdint_devices, ""),
	KW("KexAlgorithms", KIND_ALGS, kex_algs, SSH_DEFAULT_KEX_CLIENT, .frozen = true,
	   .name_at = kex_method_name_at),
	{.name = "Linger", .kind = KIND_OWN, .dflt = "yes", .set = linger_set, .get = linger_get},
	KW("LogLevel", KIND_CHOICE, log_level, "INFO", .choices = log_levels),
	KW("LogMaskSecrets", KIND_BOOL, log_mask_secrets, "yes"),
	KW("MACs", KIND_ALGS, macs, SSH_DEFAULT_MACS, .frozen = true,
	   .name_at = cipher_mac_name_at),
	KW("NumberOfPasswordPrompts", KIND_UINT, password_prompts, "3", .min = 1, .max = 1000),
	KW("OperationTimeout", KIND_TIME, operation_timeout, "60", .max = TIME_NONE),
	KW("PasswordCommand", KIND_TEXT, password_command, ""),
	KW("PasswordFile", KIND_TEXT, password_file, ""),
	KW("PasswordPromptPattern", KIND_TEXT, prompt_pattern, ""),
	KW("Port", KIND_UINT, port, "22", .frozen = true, .min = 1, .max = UINT16_MAX,
	   .bad = EDOM),
	KW("PreferredAuthentications", KIND_TEXT, preferred,
	   "gssapi-keyex,gssapi-with-mic,publickey,keyboard-interactive,password"),
	KW("Proxy", KIND_TEXT, proxy, "none", .frozen = true),
	KW("ProxyAutoDetect", KIND_BOOL, proxy_detect, "no", .frozen = true),
	KW("ProxyCommand", KIND_TEXT, proxy_command, "", .frozen = true),
	KW("ProxyExceptions", KIND_TEXT, proxy_exceptions, "", .frozen = true),
	KW("ProxyHeader", KIND_TEXT, proxy_headers, "", .frozen = true),
	KW("ProxyPasswordFile", KIND_TEXT, proxy_password_file, "", .frozen = true),
	KW("PubkeyAcceptedAlgorithms", KIND_ALGS, sig_algs, SSH_DEFAULT_PUBKEY, .frozen = true,
	   .name_at = key_sig_alg_at),
	KW("ReceiveBuffer", KIND_SIZE, rcvbuf, "0", .frozen = true, .max = 1 << 30,
	   .zero = "auto"),
	KW("Reconnect", KIND_CHOICE, reconnect, "broken", .choices = reconnects),
	KW("ReconnectInterval", KIND_TIME, reconnect_interval, "5", .min = RECONNECT_MIN,
	   .max = RECONNECT_MOST),
	KW("ReconnectJitter", KIND_UINT, reconnect_jitter, "20", .max = 100),
	KW("ReconnectMax", KIND_UINT, reconnect_max, "0", .max = UINT32_MAX),
	KW("ReconnectMaxInterval", KIND_TIME, reconnect_max_interval, "60", .min = RECONNECT_MIN,
	   .max = RECONNECT_MOST),
	KW("RecordLength", KIND_UINT, record_length, "0", .max = SETTINGS_RECORD_MAX),
	{.name = "RekeyLimit",
	 .kind = KIND_OWN,
	 .dflt = "default none",
	 .frozen = true,
	 .set = rekey_set,
	 .get = rekey_get},
	KW("RepeatAuthMethods", KIND_BOOL, repeat_methods, "no"),
	KW("RevokedHostKeys", KIND_TEXT, revoked_keys, ""),
	KW("SendBuffer", KIND_SIZE, sndbuf, "0", .frozen = true, .max = 1 << 30,
	   .zero = "auto"),
	KW("ServerAliveCountMax", KIND_UINT, alive_count, "3", .max = 1000000),
	KW("ServerAliveInterval", KIND_TIME, alive_interval, "0", .max = TIME_NONE - 1),
	KW("StrictHostKeyChecking", KIND_CHOICE, strict_hostkey, "ask", .choices = checkings),
	KW("StrictKex", KIND_CHOICE, strict, "on", .frozen = true, .choices = strict_levels),
	KW("TCPKeepAlive", KIND_BOOL, tcp_keepalive, "yes", .frozen = true),
	KW("TCPKeepAliveCount", KIND_UINT, tcp_keep_count, "0", .frozen = true, .max = 127),
	KW("TCPKeepAliveInterval", KIND_TIME, tcp_keep_interval, "0", .frozen = true,
	   .max = 32767000),
	KW("TCPKeepAliveTime", KIND_TIME, tcp_keep_idle, "0", .frozen = true, .max = 32767000),
	KW("TCPNoDelay", KIND_BOOL, tcp_nodelay, "yes", .frozen = true),
	KW("TransferRate", KIND_SIZE, transfer_rate, "0", .max = UINT64_MAX),
	KW("TryAllAuthMethods", KIND_BOOL, try_all, "no"),
	KW("UpdateHostKeys", KIND_CHOICE, update_hostkeys, "no", .choices = updates),
	KW("User", KIND_TEXT, user, "", .frozen = true, .utf8 = true),
	KW("UserKnownHostsFile", KIND_TEXT, user_files, "~/.ssh/known_hosts ~/.ssh/known_hosts2"),
	KW("VersionPattern", KIND_TEXT, version_pattern, "*SSH-1.99-*,*SSH-2.0-*", .frozen = true),
	{.name = "VersionString",
	 .kind = KIND_OWN,
	 .dflt = "SSH-2.0-Sluice_" SLUICE_VERSION,
	 .frozen = true,
	 .set = version_set,
	 .get = version_get},
	KW("WaitForChannelClose", KIND_BOOL, wait_close, "yes"),
	KW("WaitForServerDisconnect", KIND_BOOL, wait_server, "no"),
	KW("X509RevocationFile", KIND_TEXT, x509_crls, ""),
	KW("X509TrustAnchors", KIND_TEXT, x509_anchors, ""),
};
#define N_KEYWORDS (sizeof(keywords) / sizeof(keywords[0]))

static const struct keyword *find(const char *name)
{
	for (size_t i = 0; i < N_KEYWORDS; i++)
		if (strcasecmp(keywords[i].name, name) == 0)
			return &keywords[i];
	return NULL;
}

/* --- values
 * ------------------------------------------------------------------------------------------ */

static bool text_put(char **field, const char *value)
{
	char *copy = strdup(value);

	if (copy == NULL)
		return false;
	free(*field);
	*field = copy;
	return true;
}

static bool algs_put(char **field, const struct keyword *k, const char *value)
{
	char all[ALL_NAMES_MAX];
	struct conf_alg_names names = {.dflt = k->dflt, .all = all};
	struct arena scratch = {0};
	const char *list;
	bool ok;

	ssh_names_join(k->name_at, all, sizeof(all));
	ok = algs_edit(&scratch, &names, value, &list) == 0 && text_put(field, list);
	arena_fini(&scratch);
	return ok;
}

static bool choice_put(const struct choice *c, const char *value, uint32_t *ret)
{
	for (; c->name != NULL; c++) {
		if (strcasecmp(c->name, value) == 0) {
			*ret = c->value;
			return true;
		}
	}
	return false;
}

static bool number_put(const struct keyword *k, const char *value, uint64_t *ret)
{
	uint32_t ms;

	if (k->kind == KIND_TIME && strcasecmp(value, "none") == 0) {
		*ret = TIME_NONE;
	} else if (k->zero != NULL && strcasecmp(value, k->zero) == 0) {
		*ret = 0;
	} else if (k->kind == KIND_TIME) {
		if (!time_read(value, &ms))
			return false;
		*ret = ms;
	} else if (!size_read(value, ret)) {
		return false;
	}
	return *ret >= k->min && *ret <= k->max;
}

static bool put(struct settings *set, const struct keyword *k, const char *value)
{
	void *field = (uint8_t *)set + k->at;
	uint64_t n = 0;
	uint32_t u = 0;

	switch (k->kind) {
	case KIND_TEXT:
		return text_put(field, value);
	case KIND_BOOL:
		if (!choice_put(yes_no, value, &u))
			return false;
		*(bool *)field = u != 0;
		return true;
	case KIND_UINT:
	case KIND_TIME:
		if (!number_put(k, value, &n))
			return false;
		*(uint32_t *)field = (uint32_t)n;
		return true;
	case KIND_SIZE:
		if (!number_put(k, value, &n))
			return false;
		*(uint64_t *)field = n;
		return true;
	case KIND_CHOICE:
		return choice_put(k->choices, value, field);
	case KIND_ALGS:
		return algs_put(field, k, value);
	case KIND_OWN:
		return k->set(set, value);
	}
	return false;
}

static void print_choice(const struct choice *c, uint32_t value, FILE *f)
{
	while (c->name != NULL && c->value != value)
		c++;
	fputs(c->name != NULL ? c->name : "", f);
}

static void print(const struct settings *set, const struct keyword *k, FILE *f)
{
	const void *field = (const uint8_t *)set + k->at;

	switch (k->kind) {
	case KIND_TEXT:
	case KIND_ALGS:
		fputs(*(char *const *)field, f);
		break;
	case KIND_BOOL:
		fputs(*(const bool *)field ? "yes" : "no", f);
		break;
	case KIND_UINT:
		fprintf(f, "%" PRIu32, *(const uint32_t *)field);
		break;
	case KIND_TIME:
		if (*(const uint32_t *)field == TIME_NONE)
			fputs("none", f);
		else if (*(const uint32_t *)field % 1000 == 0)
			fprintf(f, "%" PRIu32, *(const uint32_t *)field / 1000);
		else
			fprintf(f, "%" PRIu32 "ms", *(const uint32_t *)field);
		break;
	case KIND_SIZE:
		fprintf(f, "%" PRIu64, *(const uint64_t *)field);
		break;
	case KIND_CHOICE:
		print_choice(k->choices, *(const uint32_t *)field, f);
		break;
	case KIND_OWN:
		k->get(set, f);
		break;
	}
}

/* --- what others call
 * ---------------------------------------------------------------------------------- */

int settings_init(struct settings *set)
{
	memset(set, 0, sizeof(*set));
	for (size_t i = 0; i < N_KEYWORDS; i++) {
		if (!put(set, &keywords[i], keywords[i].dflt)) {
			settings_fini(set);
			return -ENOMEM;
		}
	}
	return 0;
}

void settings_fini(struct settings *set)
{
	for (size_t i = 0; i < N_KEYWORDS; i++)
		if (keywords[i].kind == KIND_TEXT || keywords[i].kind == KIND_ALGS)
			free(*(char **)((uint8_t *)set + keywords[i].at));
	free(set->version);
	free(set->channel_timeouts);
	memset(set, 0, sizeof(*set));
}

int settings_set(struct settings *set, const char *keyword, const char *value, bool connected,
		 const char **ret_why)
{
	const struct keyword *k = find(keyword);

	if (k == NULL)
		return -ENOENT;
	if (k->frozen && connected)
		return -EBUSY;
	if (k->utf8 && !utf8_valid(value))
		return -EILSEQ;
	if (!put(set, k, value)) {
		*ret_why =
			k->kind == KIND_ALGS ? "an algorithm that is not known" : "not its value";
		return k->bad != 0 ? -k->bad : -EINVAL;
	}
	return 0;
}

int settings_value(const char *keyword, const char *value, char *buf, size_t size,
		   const char **ret_why)
{
	struct settings one = {0};
	int r;

	*ret_why = "not its value";
	r = settings_set(&one, keyword, value, false, ret_why);
	if (r == 0 && settings_get(&one, keyword, buf, size) >= (ssize_t)size)
		r = -E2BIG;
	settings_fini(&one);
	return r;
}

ssize_t settings_get(const struct settings *set, const char *keyword, char *buf, size_t size)
{
	const struct keyword *k = find(keyword);
	char *text = NULL;
	size_t len = 0;
	FILE *f;

	if (k == NULL)
		return -ENOENT;
	f = open_memstream(&text, &len);
	if (f == NULL)
		return -ENOMEM;
	print(set, k, f);
	if (fclose(f) != 0) {
		free(text);
		return -ENOMEM;
	}
	if (size > 0) {
		size_t n = len < size ? len : size - 1;

		memcpy(buf, text, n);
		buf[n] = '\0';
	}
	free(text);
	return (ssize_t)len;
}
