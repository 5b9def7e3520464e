/*
 * conf/conf.h - the configuration file, read by both programs.
 *
 * Source  sshd_config(5): keywords without regard to case, "quotes", comments, Keyword=value,
 *         Include, Match; of a keyword given twice the first value counts, and one in a Match
 *         block that matches goes before one outside.
 * Errors  are collected, all of them, each with file and line, and handed back as text:
 *         conf does not log. Every keyword is checked by whoever loads the file; a program
 *         then uses its own. What this version does not support is an error.
 * Memory  struct conf never changes and is counted. Everything reached through it or through a
 *         session made from it is borrowed: it lives as long as that reference.
 * Thread  one thread, or each its own struct conf.
 */
#ifndef SLUICE_CONF_CONF_H
#define SLUICE_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "conf/addr.h"
#include "conf/rule.h"

#define CONF_PATH_DEFAULT  "/etc/sluice/sluice.conf"
#define CONF_FILE_MAX      (1024 * 1024) /* bytes of one file */
#define CONF_FILES_MAX     1024          /* read through Include, in all */
#define CONF_INCLUDE_DEPTH 16
#define CONF_ARGS_MAX      256                /* of one line */
#define CONF_NAME_MAX      31                 /* of a Dataplane or an Interface */
#define CONF_CHAINS_MAX    64                 /* lists of AuthenticationMethods */
#define CONF_CHAIN_MAX     16                 /* methods of one */
#define CONF_LISTS_MAX     1024               /* entries a repeatable keyword may have in all */
#define CONF_TIME_NONE     UINT32_MAX         /* "none" where 0 means something else */
#define CONF_WINDOW_AUTO   (15 * 1024 * 1024) /* grown to, not begun with */
#define CONF_WINDOW_OURS   (64 * 1024 * 1024) /* the same of a client that takes any */

struct conf;

/* A list of words, in the order of the file. */
struct conf_strs {
	const char *const *v;
	size_t n;
};

/* One HostKey; what is not said is NULL. The words are the configuration's. */
struct conf_host_key {
	const char *path, *format, *passphrase_file, *key_passphrase_file, *subject, *thumbprint;
};
bool conf_host_key_option(const char *word); /* is it one, and no path? */
/* The words of one: the path, then options. False: why not, for people. */
bool conf_host_key_check(const char *const *v, size_t n, char *ret_why, size_t size);
/* The next of host_keys; *at begins at 0. False behind the last. */
bool conf_host_key_next(const struct conf_strs *words, size_t *at, struct conf_host_key *ret);
struct conf_session;
/* The next of the whole file, also of those that stand inside of Match. */
bool conf_host_key_line(const struct conf *conf, size_t *at, struct conf_host_key *ret);
/* Does this path stand inside of Match alone? */
bool conf_host_key_apart(const struct conf *conf, const char *path);
/* Are the keys of s others than those that stand outside of Match? */
bool conf_host_keys_apart(const struct conf_session *s);
/* Are those of this path keys of s? */
bool conf_host_keys_have(const struct conf_session *s, const char *path);

/*
 * The algorithms a program has, comma lists in order of preference; dflt is what +, - and ^ edit
 * and what holds without a keyword. conf knows no names itself. all may be NULL: then that list
 * is not read.
 */
struct conf_alg_names {
	const char *dflt, *all;
	const char *only; /* the others are taken out of what a line says; NULL: none is */
};
struct conf_algs {
	struct conf_alg_names ciphers, macs, kex, gss_kex, hostkey, pubkey_accepted,
		hostbased_accepted, ca_signature, comp;
	struct conf_alg_names audit_events; /* of these there is but all: of AuditEvents */
};

/* --- what the dataplane uses ------------------------------------------------------ */

enum conf_hugepages { CONF_HUGEPAGES_AUTO, CONF_HUGEPAGES_NO, CONF_HUGEPAGES_REQUIRE };
enum conf_engine { CONF_ENGINE_AUTO, CONF_ENGINE_IPSEC_MB, CONF_ENGINE_OPENSSL };

/* What one connection may use in a turn: one of the two; both 0: no limit. */
struct conf_quantum {
	uint32_t bytes, ms;
};

/* Each runs a shard; the first one has what belongs to no connection. */
#define CONF_LCORES_MAX 64
struct conf_lcores {
	uint16_t n; /* at least 1 */
	uint16_t id[CONF_LCORES_MAX];
};

struct conf_interface {
	const char *name;   /* Interface NAME */
	const char *device; /* DPDK: a vdev with its arguments, or a PCI address */
	uint16_t vlan;      /* 802.1Q tag on that device; 0: none */
	uint16_t mtu;       /* 0: the device's, 1500 at most */
};
struct conf_ifaddr {
	uint32_t interface;        /* index in interfaces */
	struct conf_prefix prefix; /* the address with its host bits */
};
struct conf_route {
	struct conf_prefix prefix; /* host bits 0; length 0: default */
	struct conf_addr via;      /* lies in the network of an InterfaceAddress */
	uint32_t interface;        /* the one it lies in */
};

#define CONF_ZONE_TEXT (CONF_ADDR_TEXT + CONF_NAME_MAX + 1) /* of "ADDR%NAME", with its end */

enum conf_congestion {
	CONF_CONGESTION_CUBIC,
	CONF_CONGESTION_NEWRENO,
};

enum conf_ecn {
	CONF_ECN_ON_DEMAND,
	CONF_ECN_YES,
	CONF_ECN_NO,
};

enum conf_audit_failure { CONF_AUDIT_COUNT, CONF_AUDIT_REFUSE };
enum conf_record { CONF_RECORD_NO, CONF_RECORD_YES, CONF_RECORD_INPUT };
enum conf_record_failure { CONF_RECORD_REFUSE, CONF_RECORD_CONTINUE };

struct conf_dataplane {
	const char *name;
	struct conf_lcores lcores;
	uint32_t memory_mb;
	bool idle_sleep;
	uint32_t rx_burst; /* 0, which no file can say: the default */
	uint32_t rx_descriptors, tx_descriptors;
	uint32_t buffer_cache; /* 0: none */
	enum conf_hugepages hugepages;
	enum conf_engine crypto_engine;
	bool reassemble_fragments;
	uint64_t receive_buffer, send_buffer; /* bytes; 0: auto */
	uint32_t tcp_user_timeout_ms;
	uint32_t tcp_half_open, tcp_source_half_open;
	uint32_t tcp_source_connections; /* 0: no limit */
	uint32_t tcp_source_syn_rate, tcp_reset_rate, tcp_min_mss;
	enum conf_congestion tcp_congestion;
	enum conf_ecn tcp_ecn;
	bool tcp_pacing;
	struct conf_quantum read_quantum;
	struct conf_prefixes proxy_from; /* who says for whom he speaks: conf/proxy.h */
	bool tcp_keepalive;
	uint32_t tcp_keepalive_time_ms, tcp_keepalive_interval_ms, tcp_keepalive_count;
	uint32_t max_connections; /* with those of a reload */
	uint32_t max_channels;
	uint32_t max_host_streams;
	uint32_t audit_backlog;
	enum conf_audit_failure audit_failure; /* also control's */
	uint32_t control_wait_ms;
	uint32_t drain_ms;
	uint64_t compression_memory; /* of all shards; 0: nothing is compressed */
	const struct conf_interface *interfaces;
	size_t n_interfaces;
	const struct conf_ifaddr *ifaddrs;
	size_t n_ifaddrs;
	const struct conf_route *routes;
	size_t n_routes;
};

#define CONF_NO_LIMIT UINT32_MAX
#define CONF_SHARE_MAX 100

/* --- what control uses for all connections ------------------------------------------ */

enum conf_strict_kex {
	CONF_STRICT_KEX_OFF,
	CONF_STRICT_KEX_ON,
	CONF_STRICT_KEX_SAFE,
	CONF_STRICT_KEX_REQUIRE,
};

/*
 * One listener. A ListenAddress without a port has every Port; without a ListenAddress, and for
 * 0.0.0.0, every InterfaceAddress of IPv4 is one. For IPv6 there is one on ::, interface -1: all
 * addresses of that family, also the link-local ones that no line names. With an Interface in the
 * file a ListenAddress that none of them has is an error (listeners of the kernel's stack are
 * not supported in this version); without any the list holds what is written, interface -1.
 */
#define CONF_RDOMAIN_MAX 15 /* as Linux names devices */
struct conf_listen {
	struct conf_addr addr; /* with port, 0: one that is free, the dataplane chooses */
	int32_t interface;     /* index in conf_dataplane's interfaces */
	/* Of a socket of the kernel's: the device it is bound to; "": none. */
	char rdomain[CONF_RDOMAIN_MAX + 1];
};

/* PerSourcePenalties: what an offence costs, 0: nothing; from when on, and how many are kept. */
struct conf_penalties {
	bool enabled;
	uint32_t crash_ms, authfail_ms, invaliduser_ms, noauth_ms;
	uint32_t grace_exceeded_ms, refuseconnection_ms;
	uint32_t max_ms, min_ms;
	uint32_t max_sources4, max_sources6;
	bool deny_all4, deny_all6; /* overflow: deny-all, else permissive */
};

enum conf_family { CONF_FAMILY_ANY, CONF_FAMILY_INET, CONF_FAMILY_INET6 };

enum conf_compression { CONF_COMPRESSION_NO, CONF_COMPRESSION_DELAYED };

struct conf_global {
	const uint16_t *ports; /* Port, may be 0; already in the listeners */
	size_t n_ports;
	const struct conf_listen *listens;
	size_t n_listens;
	const char *host_key_agent;         /* NULL: none */
	const char *xauth_location;         /* NULL: none */
	const char *version_string;         /* "SSH-2.0-…", without VersionAddendum */
	const char *version_addendum;       /* "": none */
	const char *audit_log;              /* PATH or unix:PATH; NULL: none */
	uint64_t audit_spool;
	uint64_t audit_source_rate;         /* bytes a second; 0: no limit */
	const char *audit_events;           /* comma list of patterns of their names */
	const char *version_pattern;        /* comma list of globs: of a client's identification */
	struct conf_strs host_certificates; /* HostCertificate, paths; may be none */
	struct conf_strs host_key_folders;  /* HostKeyFolder, full paths; may be none */
	const char *x509_trust_anchors;     /* NULL: none */
	const char *x509_revocation_file;   /* NULL: none */
	enum conf_strict_kex strict_kex;
	bool gssapi_kex, gssapi_strict;
	bool fips_mode;
	const char *moduli_file;          /* NULL: none */
	uint32_t gex_min, gex_n, gex_max; /* DHGroupExchangeBits */
	/* comma lists, edited and checked; NULL when conf_load() was given no names */
	const char *ciphers, *macs, *kex, *gss_kex, *hostkey_algorithms;
	/* PubkeyAcceptedAlgorithms, HostbasedAcceptedAlgorithms of anybody: in no order */
	const char *pubkey_accepted_any, *hostbased_accepted_any;
	const char *compression_algorithms;
	enum conf_compression
		compression; /* no: unless there are other algorithms than by default */
	uint32_t startups_begin, startups_rate, startups_full; /* MaxStartups */
	uint32_t per_source_startups;                          /* CONF_NO_LIMIT: none */
	uint32_t per_source_helper_jobs;
	uint8_t source_bits4, source_bits6; /* PerSourceNetBlockSize */
	struct conf_penalties penalties;
	const char *penalty_exempt; /* comma list of addresses; NULL: nobody */
	const char *allow_clients, *deny_clients; /* match_from(); NULL: all, nobody */
	bool strict_modes, ignore_user_known_hosts, use_dns;
	uint32_t max_listeners;
	uint32_t retry_after_ms; /* 0: nothing is said */
	uint32_t max_connecting;
	uint32_t slow_path_rate; /* payloads per second and connection; 0: no limit */
	uint32_t listen_backlog;
	bool listen_exclusive;
	bool log_mask_secrets; /* asked for; they are masked in any case */
	struct conf_strs metrics_listen; /* ADDRESS:PORT of loopback, or /PATH */
	enum conf_family address_family; /* conf_family() */
	int syslog_facility;             /* LOG_AUTH and the like (syslog(3)), CONF_NO_SYSLOG */
};

/* --- what control uses for one connection: global, then Match ------------------------ */

enum conf_root_login {
	CONF_ROOT_NO,
	CONF_ROOT_COMMANDS, /* forced-commands-only */
	CONF_ROOT_KEYS,     /* prohibit-password */
	CONF_ROOT_YES,
};

enum conf_ignore_rhosts {
	CONF_RHOSTS_READ,
	CONF_RHOSTS_IGNORED,
	CONF_RHOSTS_SHOSTS, /* shosts-only */
};

enum conf_pubkey_option { /* bits of PubkeyAuthOptions */
			  CONF_TOUCH_REQUIRED = 1 << 0,
			  CONF_VERIFY_REQUIRED = 1 << 1,
};

enum conf_forwarding { /* bits: which of the two ways */
		       CONF_FORWARDING_NO = 0,
		       CONF_FORWARDING_LOCAL = 1 << 0,
		       CONF_FORWARDING_REMOTE = 1 << 1,
		       CONF_FORWARDING_YES = CONF_FORWARDING_LOCAL | CONF_FORWARDING_REMOTE,
};

/* no: none; console: nothing but the built-in one. */
enum conf_sessions { CONF_SESSIONS_NO, CONF_SESSIONS_YES, CONF_SESSIONS_CONSOLE };

enum conf_gateway_ports { CONF_GATEWAY_NO, CONF_GATEWAY_YES, CONF_GATEWAY_CLIENT };

#define CONF_NO_SYSLOG (-1)

enum conf_log_level {
	CONF_LOG_QUIET,
	CONF_LOG_FATAL,
	CONF_LOG_ERROR,
	CONF_LOG_INFO,
	CONF_LOG_VERBOSE,
	CONF_LOG_DEBUG1, /* DEBUG too */
	CONF_LOG_DEBUG2,
	CONF_LOG_DEBUG3,
};

#define CONF_RATE_MIN 1000                   /* bytes a second: 8 kbit/s */
#define CONF_RATE_MAX UINT64_C(125000000000) /* 1 Tbit/s */

/* Whoever names it, the file or a program of the operator's. */
static inline bool conf_rate_ok(uint64_t bytes_per_second)
{
	return bytes_per_second >= CONF_RATE_MIN && bytes_per_second <= CONF_RATE_MAX;
}

/* Bytes a second, from the client and to it, 0: as many as there are; at once, 0: the usual. */
struct conf_rate {
	uint64_t in, out;
	uint32_t burst;
};

/* What all that have this name move together. */
struct conf_role_rate {
	const char *name; /* NULL: no role */
	struct conf_rate rate;
};

/* The same of what is not enough for all: their part of it together. */
struct conf_role_share {
	const char *name; /* NULL: no role */
	uint32_t share;
};

struct conf_operation {
	uint32_t ms;     /* CONF_TIME_NONE: TCP's own limit alone */
	bool opens_only; /* not of a blocked send: conf_send_timeout() */
};

/* Octets of the IP header; CONF_QOS_NONE (qos.h): nothing is set. */
struct conf_qos {
	uint16_t interactive, bulk;
};

struct conf_session {
	struct conf *conf;            /* the reference that keeps what is below alive */
	struct conf_strs host_keys;   /* HostKey, conf_host_key_next(); may be none */
	uint32_t login_grace_time_ms; /* 0: none */
	uint32_t max_auth_tries;
	bool refuse_connection;
	struct conf_strs authorized_keys_files; /* conf_path_expand(); none: n is 0 */
	const char *password_hash_file;         /* NULL: none */
	const char *trusted_user_ca_keys;       /* NULL: none */
	const char *authorized_principals_file; /* conf_path_expand(); NULL: none */
	const char *revoked_keys;               /* NULL: none */
	/* as the lists of struct conf_global */
	const char *pubkey_accepted, *hostbased_accepted, *ca_signature;
	unsigned int pubkey_options; /* CONF_TOUCH_REQUIRED, CONF_VERIFY_REQUIRED */
	uint32_t required_rsa_size;
	bool gssapi_authentication, hostbased_authentication;
	bool hostbased_packet_name; /* HostbasedUsesNameFromPacketOnly */
	enum conf_ignore_rhosts ignore_rhosts;
	bool password_authentication, pubkey_authentication, permit_empty_passwords;
	bool kbdint_authentication;
	const char *kbdint_name, *kbdint_instruction; /* NULL: empty */
	struct conf_strs kbdint_prompts;              /* pairs: text, "echo" or "noecho" */
	struct conf_strs authentication_methods;      /* comma lists; n is 0: any method will do */
	const char *banner;                           /* path; NULL: none */
	const char *totp_secret_file;                 /* NULL: none */
	const char *totp_state_file;
	uint32_t totp_window; /* time steps either way */
	bool end_expired_sessions, end_revoked_sessions;
	enum conf_root_login permit_root_login;
	bool report_signature_status;
	bool use_pam;
	const char *pam_service_name;
	struct conf_strs authorized_keys_command; /* program and arguments; none: n is 0 */
	const char *authorized_keys_command_user; /* NULL: none */
	struct conf_strs authorized_principals_command;
	const char *authorized_principals_command_user;
	enum conf_forwarding allow_tcp_forwarding;
	bool disable_forwarding;
	enum conf_forwarding allow_streamlocal_forwarding;
	/* patterns of absolute paths, or "none": to lead to, to listen at */
	struct conf_strs permit_streamlocal, permit_streamlocal_listen;
	uint32_t streamlocal_bind_mask; /* umask(2) */
	bool streamlocal_bind_unlink;
	struct conf_strs permit_open; /* "any", "none" or host:port…: match_permitopen() */
	enum conf_gateway_ports gateway_ports;
	struct conf_strs permit_listen; /* "any", "none" or [host:]port…: match_permitlisten() */
	struct conf_rules target_rules, listen_rules;
	uint32_t max_listeners_per_connection, max_listeners_per_user, max_listeners_per_source;
	uint32_t max_connections_per_user, max_connections_per_source; /* CONF_NO_LIMIT: none */
	uint32_t max_channels_per_user, max_channels_per_source;       /* the same */
	/* bytes; 0: none */
	uint64_t max_flight_per_connection, max_flight_per_user, max_flight_per_source;
	uint64_t rekey_bytes;         /* 0: the cipher's own limit */
	uint32_t rekey_ms;            /* 0: none */
	struct conf_rate channel_rate, connection_rate, user_rate;
	struct conf_role_rate role_rate;
	uint32_t connection_share, user_share; /* user_share 0: none */
	struct conf_role_share role_share;
	struct conf_strs channel_shares;                           /* conf_channel_share() */
	struct conf_qos qos;
	uint32_t client_alive_interval_ms, client_alive_count_max; /* 0: none; 0: never ends it */
	uint32_t channel_window;                                   /* bytes, "auto" resolved */
	bool channel_window_auto;
	uint32_t channel_max_packet;
	uint32_t handshake_timeout_ms; /* 0: none */
	uint32_t idle_timeout_ms; /* 0: none */
	struct conf_strs channel_timeouts; /* conf_channel_timeout() */
	uint32_t unused_connection_timeout_ms; /* CONF_TIME_NONE: none */
	bool tcp_nodelay;
	struct conf_operation operation_timeout;
	uint32_t
		open_grant_ms; /* a target allowed twice needs not be asked for so long; 0: never */
	uint32_t max_channels_per_connection;
	uint32_t max_connecting_per_user;
	struct conf_strs allow_users, deny_users;   /* conf_user_allowed() */
	struct conf_strs allow_groups, deny_groups; /* conf_groups_allowed() */
	/* session channels */
	enum conf_sessions permit_session;
	struct conf_strs
		console_shells; /* patterns of login shells, in whose place the console is */
	uint32_t max_sessions; /* 0: none may be opened */
	bool permit_tty;
	bool print_last_log, print_motd;
	bool agent_forwarding, x11_forwarding, x11_use_localhost;
	uint32_t x11_display_offset;
	const char *force_command;    /* NULL: none */
	const char *chroot_directory; /* conf_path_expand(); NULL: none */
	enum conf_record record_session;
	const char *record_directory;
	enum conf_record_failure record_failure;
	uint64_t record_max_size;     /* bytes of one recording; 0: no limit */
	uint32_t record_reserve;      /* percent of the file system that stay free */
	uint64_t record_directory_size; /* bytes in the folder, 0: no limit; so its files */
	uint32_t record_directory_files;
	const char *record_notice;    /* to who is recorded; "none": nothing */
	struct conf_strs accept_env;  /* patterns */
	struct conf_strs set_env;     /* NAME=VALUE */
	const char *permit_user_environment; /* list of patterns of names; NULL: none */
	bool permit_user_rc;
	struct conf_strs subsystems;  /* conf_subsystem() */
	struct conf_strs channel_handlers;    /* conf/hook.h */
	struct conf_strs send_proxy;          /* conf/proxy.h */
	struct conf_strs policy_hooks;        /* conf/hook.h */
	enum conf_log_level log_level;
	struct conf_strs log_verbose; /* lists of patterns: control/log.h */
};

/* What Match looks at. NULL or 0: not known yet, and then a criterion about it does not match. */
struct conf_match_ctx {
	const char *user;
	const char *host;         /* name of addr; NULL: it has none */
	const char *addr, *laddr; /* numeric, as inet_ntop() writes them */
	uint16_t lport;
	const char *rdomain;            /* "": it came by none; NULL: not known */
	const char *client_version;     /* its identification string */
	const struct conf_strs *groups; /* of the user */
	bool invalid_user;
	const char *marks;            /* as in struct conf_who: roles of them; NULL: none */
	const struct conf_dest *dest; /* of the channel that is decided */
};

/* What cannot be known without asking somebody first: does any Match or rule of the file look at it?
 */
enum conf_match_about {
	CONF_ABOUT_GROUP,
	CONF_ABOUT_HOST,
	CONF_ABOUT_INVALID_USER,
	CONF_ABOUT_CLIENT_VERSION,
	CONF_ABOUT_DEST,
	CONF_ABOUT_ROLE,
	CONF_ABOUTS
};
bool conf_matches_about(const struct conf *conf, enum conf_match_about about);

/* The file, and its line, that says what a keyword of connections is for this one; "" and 0: none. */
const char *conf_keyword_place(const struct conf *conf, const struct conf_match_ctx *ctx,
			       const char *name, unsigned int *ret_line);
/* What its lines begin with, wherever they stand. */
void conf_keyword_values(const struct conf *conf, const char *name,
			 void (*each)(void *arg, const char *value), void *arg);
/* The file a rule stands in, and its line; "" when it is none of this configuration's. */
const char *conf_rule_place(const struct conf *conf, const struct conf_rule *r,
			    unsigned int *ret_line);

/* --- functions ------------------------------------------------------------------------ */

/*
 * Reads path and what it includes. 0; else negative, and *ret_errors is text, one line an error,
 * "FILE line N: what" as sshd words it, the caller's to free(); NULL when there was no memory.
 * valid may be NULL for a program that has no use for algorithms: their names are not
 * checked then. One reference, given back with conf_put().
 */
int conf_load(const char *path, const struct conf_algs *valid, struct conf **ret, char **ret_errors)
	__attribute__((warn_unused_result));
/* As conf_load(); a file, also an included one, that trusted() says no to is an error. */
int conf_load_trusted(const char *path, const struct conf_algs *valid,
		      bool (*trusted)(const char *path), struct conf **ret, char **ret_errors)
	__attribute__((warn_unused_result));
/* As conf_load() from memory; name stands for the file in errors. Include is an error. */
int conf_parse(const char *name, const char *text, size_t len, const struct conf_algs *valid,
	       struct conf **ret, char **ret_errors) __attribute__((warn_unused_result));
struct conf *conf_get(struct conf *conf);
void conf_put(struct conf *conf); /* NULL is nothing */

/* Of all its files, as they were read: another file has another, but by chance. Never 0. */
uint64_t conf_mark(const struct conf *conf);

const struct conf_dataplane *conf_dataplane(const struct conf *conf);
/* Name of the Interface that a link-local address belongs to; NULL: it is not one. */
const char *conf_zone_name(const struct conf_dataplane *dp, uint8_t scope);
/* ADDR, or ADDR%NAME where it is link-local; without the port. Returns buf. */
const char *conf_zone_text(const struct conf_dataplane *dp, const struct conf_addr *a,
			   char buf[CONF_ZONE_TEXT]);
const struct conf_global *conf_global(const struct conf *conf);
/* AddressFamily: 4, 6; 0: any. Of what is listened on, the listeners know it already. */
uint8_t conf_family(const struct conf *conf);

/* The effective keywords of one connection; ctx may be NULL: outside of every Match. 0 or -ENOMEM.
 */
int conf_session_for(struct conf *conf, const struct conf_match_ctx *ctx, struct conf_session *ret)
	__attribute__((warn_unused_result));
/* Gives back what conf_session_for() took; harmless on one that is all zero. */
void conf_session_fini(struct conf_session *s);

/*
 * The effective configuration as -T prints it: lower-case keyword and values, one a line, in the
 * order of the table. Read again it gives the same. 0 or -errno.
 */
int conf_dump(struct conf *conf, const struct conf_match_ctx *ctx, FILE *f);

/*
 * ChannelTimeout of channels of this type, or "global", of all together: milliseconds; 0: none. Of a
 * session type is "session:shell", "session:command" or "session:subsystem:NAME".
 */
uint32_t conf_channel_timeout(const struct conf_session *s, const char *type);
/* OperationTimeout of a blocked send: milliseconds; 0: none. */
uint32_t conf_send_timeout(const struct conf_session *s);
/* ChannelShare, likewise; 1 where nothing is said. */
uint8_t conf_channel_share(const struct conf_session *s, const char *type);
/* What Subsystem says of this name: a command line; NULL: nothing. */
#define CONF_SUBSYSTEM_MAX 255 /* bytes of a name */
const char *conf_subsystem(const struct conf_session *s, const char *name);

/*
 * DenyUsers and AllowUsers as sshd applies them: patterns of user or user@host, host with CIDR.
 * name: of addr; NULL: it has none.
 */
bool conf_user_allowed(const struct conf_session *s, const char *user, const char *name,
		       const char *addr);
/* DenyGroups and AllowGroups: patterns of names of groups. */
bool conf_groups_allowed(const struct conf_session *s, const struct conf_strs *groups);

/*
 * Expands %u, %h and %% of AuthorizedKeysFile; relative paths begin at home. 0; -ENAMETOOLONG;
 * -EINVAL for a user that is no file name ("..", one with '/') or a %h without home.
 */
int conf_path_expand(const char *template, const char *user, const char *home, char *buf,
		     size_t size) __attribute__((warn_unused_result));

/* --- the table itself, for man pages and tests ------------------------------------------ */

enum conf_owner { CONF_CONTROL = 1, CONF_DATAPLANE = 2, CONF_BOTH = 3 };

struct conf_keyword_info {
	const char *name;
	const char *dflt; /* as it would stand in the file; NULL: none */
	enum conf_owner owner;
	bool in_match, repeatable;
	const char *value; /* its form */
	const char *help;
};

/* NULL behind the last. */
const struct conf_keyword_info *conf_keyword_at(size_t i);

/* --- another configuration in place of one ------------------------------------------------ */

/* When what a keyword says is in force: for who comes next, or with the start of a program. */
enum conf_when { CONF_WHEN_NEXT, CONF_WHEN_SIGNER, CONF_WHEN_CONTROL, CONF_WHEN_DATAPLANE };
enum conf_when conf_keyword_when(const struct conf_keyword_info *kw);

/*
 * Every keyword that says something else in b than in a, in the order of the table; blanks,
 * comments and where a line stands do not count, the Match block it stands in does. -ENOMEM.
 */
int conf_diff(const struct conf *a, const struct conf *b,
	      void (*differs)(void *arg, const struct conf_keyword_info *kw), void *arg)
	__attribute__((warn_unused_result));
/*
 * conf, of which nothing was used yet, has of base what does not change while programs run:
 * CONF_WHEN_CONTROL, CONF_WHEN_DATAPLANE. It keeps base alive.
 */
void conf_inherit(struct conf *conf, struct conf *base);

#endif
