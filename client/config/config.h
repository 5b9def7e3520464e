/*
 * client/config/config.h - what files of ssh_config(5) and -o options say about one destination.
 *
 * Source  ssh_config(5): of each keyword the first value counts, options before files; Host, Match,
 *         Include. A keyword that does not exist is an error unless IgnoreUnknown names it; one
 * that exists and is not taken here is a warning when it would have done something. Use
 * config_new(), config_option() for each option, config_load() with the destination; after that
 * values do not change. Values are words, checked and in one form (yes, no, seconds, bytes), and
 * live as long as the struct config.
 */
#ifndef SLUICE_CLIENT_CONFIG_CONFIG_H
#define SLUICE_CLIENT_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "conf/conf.h"

/* In the order they are dumped in. */
enum config_id {
	CONFIG_USER,
	CONFIG_HOSTNAME,
	CONFIG_PORT,
	CONFIG_ADDRESS_FAMILY,
	CONFIG_BATCH_MODE,
	CONFIG_BIND_ADDRESS,
	CONFIG_BIND_INTERFACE,
	CONFIG_CA_SIGNATURE_ALGORITHMS,
	CONFIG_CANONICAL_DOMAINS,
	CONFIG_CANONICALIZE_FALLBACK_LOCAL,
	CONFIG_CANONICALIZE_HOSTNAME,
	CONFIG_CANONICALIZE_MAX_DOTS,
	CONFIG_CANONICALIZE_PERMITTED_CNAMES,
	CONFIG_CERTIFICATE_FILE,
	CONFIG_CIPHERS,
	CONFIG_CLEAR_ALL_FORWARDINGS,
	CONFIG_COMPRESSION,
	CONFIG_CONNECTION_ATTEMPTS,
	CONFIG_CONNECT_TIMEOUT,
	CONFIG_CONTROL_MASTER,
	CONFIG_CONTROL_PATH,
	CONFIG_CONTROL_PERSIST,
	CONFIG_DYNAMIC_FORWARD,
	CONFIG_ENABLE_ESCAPE_COMMANDLINE,
	CONFIG_ESCAPE_CHAR,
	CONFIG_EXIT_ON_FORWARD_FAILURE,
	CONFIG_FINGERPRINT_HASH,
	CONFIG_FORK_AFTER_AUTHENTICATION,
	CONFIG_FORWARD_AGENT,
	CONFIG_FORWARD_X11,
	CONFIG_FORWARD_X11_TIMEOUT,
	CONFIG_FORWARD_X11_TRUSTED,
	CONFIG_GATEWAY_PORTS,
	CONFIG_GLOBAL_KNOWN_HOSTS_FILE,
	CONFIG_GSSAPI_AUTHENTICATION,
	CONFIG_GSSAPI_CLIENT_IDENTITY,
	CONFIG_GSSAPI_DELEGATE_CREDENTIALS,
	CONFIG_GSSAPI_KEX_ALGORITHMS,
	CONFIG_GSSAPI_KEY_EXCHANGE,
	CONFIG_GSSAPI_SERVER_IDENTITY,
	CONFIG_HASH_KNOWN_HOSTS,
	CONFIG_HOST_KEY_ALGORITHMS,
	CONFIG_HOST_KEY_ALIAS,
	CONFIG_IDENTITIES_ONLY,
	CONFIG_IDENTITY_AGENT,
	CONFIG_IDENTITY_FILE,
	CONFIG_IGNORE_UNKNOWN,
	CONFIG_IPQOS,
	CONFIG_KBD_INTERACTIVE_AUTHENTICATION,
	CONFIG_KEX_ALGORITHMS,
	CONFIG_KNOWN_HOSTS_COMMAND,
	CONFIG_LOCAL_COMMAND,
	CONFIG_LOCAL_FORWARD,
	CONFIG_LOG_LEVEL,
	CONFIG_MACS,
	CONFIG_NO_HOST_AUTHENTICATION_FOR_LOCALHOST,
	CONFIG_NUMBER_OF_PASSWORD_PROMPTS,
	CONFIG_PASSWORD_AUTHENTICATION,
	CONFIG_PERMIT_LOCAL_COMMAND,
	CONFIG_PERMIT_REMOTE_OPEN,
	CONFIG_PREFERRED_AUTHENTICATIONS,
	CONFIG_PROXY_COMMAND,
	CONFIG_PROXY_JUMP,
	CONFIG_PUBKEY_ACCEPTED_ALGORITHMS,
	CONFIG_PUBKEY_AUTHENTICATION,
	CONFIG_REKEY_LIMIT,
	CONFIG_REMOTE_COMMAND,
	CONFIG_REMOTE_FORWARD,
	CONFIG_REQUEST_TTY,
	CONFIG_REQUIRED_RSA_SIZE,
	CONFIG_REVOKED_HOST_KEYS,
	CONFIG_SEND_ENV,
	CONFIG_SERVER_ALIVE_COUNT_MAX,
	CONFIG_SERVER_ALIVE_INTERVAL,
	CONFIG_SESSION_TYPE,
	CONFIG_SET_ENV,
	CONFIG_STDIN_NULL,
	CONFIG_STREAM_LOCAL_BIND_MASK,
	CONFIG_STREAM_LOCAL_BIND_UNLINK,
	CONFIG_STRICT_HOST_KEY_CHECKING,
	CONFIG_TCP_KEEP_ALIVE,
	CONFIG_UPDATE_HOST_KEYS,
	CONFIG_USER_KNOWN_HOSTS_FILE,
	CONFIG_VISUAL_HOST_KEY,
	CONFIG_XAUTH_LOCATION,
	CONFIG_OWN, /* those ssh need not have; dumped when they are given */
	CONFIG_ABSOLUTE_TIMEOUT = CONFIG_OWN,
	CONFIG_ACCEPT_ANY_HOST_KEY,
	CONFIG_ACCEPT_HOST_CA,
	CONFIG_ACCEPT_HOST_KEY,
	CONFIG_ACCEPT_HOST_KEY_FINGERPRINT,
	CONFIG_AGENT_AUTH,
	CONFIG_AUTH_MODE,
	CONFIG_BIND_PORT,
	CONFIG_CHANNEL_MAX_PACKET,
	CONFIG_CHANNEL_TIMEOUT,
	CONFIG_CHANNEL_WINDOW,
	CONFIG_COMPRESSION_ALGORITHMS,
	CONFIG_CRYPTO_ENGINE,
	CONFIG_DH_GROUP_EXCHANGE_BITS,
	CONFIG_FIPS_MODE,
	CONFIG_FORWARD_BIND_ADDRESS,
	CONFIG_GSSAPI_REALM,
	CONFIG_KBD_INTERACTIVE_DEVICES,
	CONFIG_LINGER,
	CONFIG_LOG_MASK_SECRETS,
	CONFIG_METRICS_LISTEN,
	CONFIG_OPERATION_TIMEOUT,
	CONFIG_PASSWORD_COMMAND,
	CONFIG_PASSWORD_FILE,
	CONFIG_PASSWORD_PROMPT_PATTERN,
	CONFIG_PROXY,
	CONFIG_PROXY_AUTO_DETECT,
	CONFIG_PROXY_EXCEPTIONS,
	CONFIG_PROXY_HEADER,
	CONFIG_PROXY_PASSWORD_FILE,
	CONFIG_RECEIVE_BUFFER,
	CONFIG_RECONNECT,
	CONFIG_RECONNECT_INTERVAL,
	CONFIG_RECONNECT_INTERVAL_MAX,
	CONFIG_RECONNECT_JITTER,
	CONFIG_RECONNECT_TRIES,
	CONFIG_REPEAT_AUTH_METHODS,
	CONFIG_SEND_BUFFER,
	CONFIG_STATUS_SOCKET,
	CONFIG_STRICT_KEX,
	CONFIG_TCP_KEEP_ALIVE_COUNT,
	CONFIG_TCP_KEEP_ALIVE_INTERVAL,
	CONFIG_TCP_KEEP_ALIVE_TIME,
	CONFIG_TCP_NO_DELAY,
	CONFIG_TRANSFER_RATE,
	CONFIG_TRY_ALL_AUTH_METHODS,
	CONFIG_VERSION_PATTERN,
	CONFIG_VERSION_STRING,
	CONFIG_WAIT_FOR_CHANNEL_CLOSE,
	CONFIG_WAIT_FOR_SERVER_DISCONNECT,
	CONFIG_X509_REVOCATION_FILE,
	CONFIG_X509_TRUST_ANCHORS,
	CONFIG_IDS
};

#define CONFIG_FORWARDS_MAX 512  /* of one kind; also files, patterns and names in one list */
#define CONFIG_TEXT_MAX     8192 /* bytes of a value with its tokens expanded */
#define CONFIG_EXECS_MAX    64   /* commands of Match exec in one reading */

struct config;

/* algs may be NULL: then lists of algorithms are kept as they are. Borrowed. NULL: no memory. */
struct config *config_new(const struct conf_algs *algs);
void config_free(struct config *c);

/* The algorithms this program has, for config_new(). Made once. */
const struct conf_algs *config_algs(void);

/*
 * "Keyword value" or "Keyword=value". 0; -EINVAL: config_errors() says what is wrong; -ENOMEM. As
 * any line: no effect where the keyword has a value.
 */
int config_option(struct config *c, const char *text) __attribute__((warn_unused_result));
/* The same with the one argument of the line as it is, blanks, quotes and all. */
int config_set(struct config *c, enum config_id id, const char *value)
	__attribute__((warn_unused_result));
/*
 * Reads file, or NULL: the user's and the system's, or "none", about this host, and settles
 * defaults. 0; -EINVAL; -ENOMEM.
 */
int config_load(struct config *c, const char *host, const char *file)
	__attribute__((warn_unused_result));
/*
 * The same without waiting for the names that CanonicalizeHostname asks for: -EAGAIN:
 * config_load_step() once config_fd() is readable.
 */
int config_load_begin(struct config *c, const char *host, const char *file)
	__attribute__((warn_unused_result));
int config_load_step(struct config *c) __attribute__((warn_unused_result));
int config_fd(const struct config *c);
/* The same with the file's text in memory, where no Include and no Match exec is possible. */
int config_parse(struct config *c, const char *host, const char *text, size_t len)
	__attribute__((warn_unused_result));

/* Lines that end with a newline; "" when all is well. */
const char *config_errors(const struct config *c);
/* verbose: also about what only takes another way, such as a method of authentication less. */
const char *config_warnings(const struct config *c, bool verbose);

/* --- values --------------------------------------------------------------------------------- */

const struct conf_strs *config_list(const struct config *c, enum config_id id);
const char *config_text(const struct config *c, enum config_id id); /* the first word; NULL: none */
bool config_yes(const struct config *c, enum config_id id);         /* is the value "yes"? */
bool config_is(const struct config *c, enum config_id id, const char *value);
uint64_t config_number(const struct config *c, enum config_id id); /* 0: none */
/* ChannelTimeout of a channel of this type: ms; 0: none. */
uint32_t config_channel_timeout(const struct config *c, const char *type);
bool config_given(const struct config *c, enum config_id id); /* is it more than the default? */

/*
 * Word i of a list with ~, %tokens and ${ENV} replaced as the keyword allows, into buf. Its length;
 * -EINVAL: there is no such token or variable, with why in config_errors(); -E2BIG.
 */
int config_expanded(struct config *c, enum config_id id, size_t i, char *buf, size_t size)
	__attribute__((warn_unused_result));
/* Where the agent listens, as IdentityAgent or the environment says. False: nowhere. */
bool config_agent_path(struct config *c, char *buf, size_t size) __attribute__((warn_unused_result));
/*
 * The i-th IdentityFile: its path and what is said of it, replaced as config_expanded() does. False:
 * it is none.
 */
struct config_identity {
	struct conf_host_key key; /* views of text */
	char text[2 * CONFIG_TEXT_MAX];
	size_t used;
};
bool config_identity(struct config *c, size_t i, struct config_identity *ret)
	__attribute__((warn_unused_result));
/* A token of one keyword's own. */
struct config_token {
	char name;
	const char *value;
};
/*
 * The words of a command that is run without a shell, with tokens replaced, extra's too; NULL
 * behind the last, all good as long as the config. 0; -EINVAL with why in config_errors().
 */
int config_command(struct config *c, enum config_id id, const struct config_token *extra, size_t n,
		   const char *argv[CONF_ARGS_MAX + 1]) __attribute__((warn_unused_result));
/* Names on Host lines of the files read that are no patterns, each once. */
const struct conf_strs *config_hosts(const struct config *c);
const char *config_host_given(const struct config *c); /* as the user named it */

/*
 * All that the library can be set to (sluice_set()), by its keywords and in its words, each handed
 * to put(), whose first negative number ends it and is returned. What the files say of the way to
 * the server, of who it is and who we are is not among it: that is the caller's, and so may be
 * another order of methods or time-outs.
 */
typedef int config_put(void *arg, const char *keyword, const char *value);
int config_settings(const struct config *c, config_put *put, void *arg)
	__attribute__((warn_unused_result));

/* The same of PasswordFile and PasswordCommand. -EINVAL: as config_expanded(). */
int config_password(struct config *c, config_put *put, void *arg)
	__attribute__((warn_unused_result));
/*
 * The same for a program that has nobody to honour the rest: what files and options say themselves,
 * no default, and also the way there, who the server is and staying up. left() is told each keyword
 * that was said and is no setting. Then -EINVAL: what a value refers to is not there, with why in
 * config_errors().
 */
typedef void config_left(void *arg, const char *keyword);
int config_program(struct config *c, config_put *put, config_left *left, void *arg)
	__attribute__((warn_unused_result));

/* "keyword value" lines, keywords in small letters: what is in force. */
void config_dump(struct config *c, FILE *f);

/* The keywords taken, for documents and tests; NULL behind the last. */
const char *config_keyword_at(size_t i);

#endif
