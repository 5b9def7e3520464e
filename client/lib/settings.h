/*
 * client/lib/settings.h - what a connection can be set to, by keyword.
 *
 * The table in settings.c is the one list of keywords: their kind, bounds, default and when they
 * are frozen. Texts are the settings' own.
 */
#ifndef SLUICE_CLIENT_LIB_SETTINGS_H
#define SLUICE_CLIENT_LIB_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ssh/brain.h"

#define TIME_NONE           UINT32_MAX /* without limit, milliseconds */
#define SETTINGS_RECORD_MAX (1024 * 1024)

enum auth_mode {
	AUTH_NONE,
	AUTH_MULTIFACTOR,
	AUTH_PASSWORD,
	AUTH_PUBLICKEY,
	AUTH_KBDINT,
	AUTH_GSSAPI_MIC,
	AUTH_GSSAPI_KEYEX,
	AUTH_CUSTOM,
};

enum update_hostkeys { UPDATE_NO, UPDATE_YES, UPDATE_ASK };
enum agent_auth { AGENT_NO, AGENT_YES, AGENT_REQUIRE, AGENT_ONLY };

struct settings {
	char *hostname, *user;
	uint32_t port;
	uint32_t connect_timeout, operation_timeout; /* ms */
	bool absolute_timeout;
	char *version; /* of our identification */
	char *version_pattern;
	char *kex_algs, *hostkey_algs, *ciphers, *macs, *comp_algs, *sig_algs;
	uint32_t strict; /* enum ssh_strict */
	struct ssh_gex_bits gex;
	struct ssh_rekey_limit rekey;
	uint32_t alive_interval, alive_count;
	uint32_t auth_mode; /* enum auth_mode */
	bool try_all, repeat_methods;
	uint32_t agent_auth; /* enum agent_auth */
	char *identity_agent;
	char *preferred;
	uint32_t password_prompts;
	char *password_file, *password_command; /* password.c */
	/* who the server is: client/known/known.h */
	char *accept_fingerprints, *accept_keys, *accept_ca;
	char *user_files, *global_files, *host_alias, *revoked_keys;
	char *x509_anchors, *x509_crls;
	uint32_t strict_hostkey;  /* enum known_strict */
	uint32_t update_hostkeys; /* enum update_hostkeys */
	bool accept_any, hash_hosts;
	uint32_t log_level;
	uint64_t window;
	bool window_auto;
	char *open_types;
	char *prompt_pattern, *kbdint_devices;
	bool gss, gss_kex, gss_delegate;
	char *gss_kex_algs, *gss_identity, *gss_realm, *gss_client;
	bool fips;
	uint32_t linger;        /* ms */
	uint64_t transfer_rate; /* bytes a second, 0: no limit */
	uint32_t packet_max;
	uint32_t record_length; /* of new channels; 0: none */
	bool wait_close, wait_server;
	uint32_t engine; /* enum cipher_engine_kind */
	bool log_mask_secrets; /* asked for; they are masked in any case */
	/* the way there: client/reach/reach.h */
	uint32_t family; /* 0, 4: IPv4, 6: IPv6 */
	char *bind_address, *bind_interface;
	uint32_t bind_port;
	char *proxy, *proxy_password_file, *proxy_headers, *proxy_exceptions, *proxy_command;
	bool proxy_detect;
	bool tcp_nodelay, tcp_keepalive;
	uint32_t tcp_keep_idle, tcp_keep_interval, tcp_keep_count; /* ms, ms; 0: the system's */
	uint64_t rcvbuf, sndbuf;                                   /* 0: the system's */
	/* what the server listens on for us */
	char *forward_bind;     /* where a target is connected to from; "": anywhere */
	char *channel_timeouts; /* channel_timeout() of conf/words.h; "": none */
	/* staying up: client/lib/stay.h */
	uint32_t reconnect;                                   /* enum stay_mode */
	uint32_t reconnect_max;                               /* tries; 0: no end */
	uint32_t reconnect_interval, reconnect_max_interval; /* ms */
	uint32_t reconnect_jitter;                            /* percent */
};

int settings_init(struct settings *set); /* 0 or -ENOMEM */
void settings_fini(struct settings *set);
/*
 * -ENOENT: no such keyword; -EINVAL with *ret_why; -EDOM: no port; -EILSEQ: no UTF-8 where it has to
 * be; -EBUSY: it is frozen while connected; -ENOMEM.
 */
int settings_set(struct settings *set, const char *keyword, const char *value, bool connected,
		 const char **ret_why);
/* After how many ms without data a channel of that type is closed; 0: never. */
uint32_t settings_channel_timeout(const struct settings *set, const char *type);
/* What a setting comes to that is given this text, in one form; settings_set()'s errors, -E2BIG. */
int settings_value(const char *keyword, const char *value, char *buf, size_t size,
		   const char **ret_why) __attribute__((warn_unused_result));
/* The length of the text, which is cut to size; -ENOENT. */
ssize_t settings_get(const struct settings *set, const char *keyword, char *buf, size_t size);

#endif
