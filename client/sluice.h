/*
 * client/sluice.h - libsluice: an SSH client for programs.
 *
 * Objects  A struct sluice is one connection and its settings, a struct sluice_channel one
 *          channel of it. Both are made by the library and known by pointer alone. A channel
 *          belongs to its connection: sluice_free() ends and frees all of them.
 * Errors   int: 0 or more, or a negative error: -errno of the system, or -SLUICE_E_*. Outputs come
 *          last and are written on success alone, unless it says otherwise. sluice_strerror()
 *          has a text for each; sluice_error_last() says what happened to this connection.
 *          No input of a peer and no misuse by NULL settings ends the process: nothing here exits,
 *          aborts, or raises a signal (SIGPIPE included).
 * Waiting  A call that needs an answer of the server waits OperationTimeout (60 s; any byte that
 *          comes or goes begins it anew, unless AbsoluteTimeout is set), then fails with
 *          -SLUICE_E_TIMEOUT. With OperationTimeout 0 no call waits: what it began goes on in
 *          sluice_dispatch(), it returns -SLUICE_E_WOULD_BLOCK, and a callback tells the outcome.
 * Loop     A program with an event loop sets OperationTimeout 0, waits until sluice_fd() is ready
 *          for sluice_events() or sluice_timeout_ms() are over, and calls sluice_dispatch(s, 0). It
 *          asks for all three again after each call into the library.
 * Threads  Connections have nothing in common: each may be used by another thread. Several threads
 *          may use one connection: calls exclude each other but while they wait. Channel
 *          handles and the connection are freed when no other call uses them. Callbacks run in
 *          the thread that called, inside that call, and may call everything but sluice_free();
 *          a call that would wait returns -SLUICE_E_WOULD_BLOCK there.
 * Secrets  Passwords and keys are copied, wiped when they are done with, and stand in no log.
 *
 * Strings are UTF-8 and end in NUL; bytes come with a length and may hold NUL.
 */
#ifndef SLUICE_H
#define SLUICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sluice;
struct sluice_channel;
struct sluice_key;
struct sluice_tunnel;

/* --- errors ---------------------------------------------------------------------------------- */

/* name, number (numbers of errno where there is one), the number others know it by, text */
#define SLUICE_ERRORS(X)                                                                           \
	X(DISCONNECTED, 6001, 1001, "the server has disconnected")                                 \
	X(VERSION, 6002, 1002, "the server's protocol version is not supported, or malformed")     \
	X(NEGOTIATE, 6003, 1003, "no algorithm in common")                                         \
	X(ALG_UNSUPPORTED, 6005, 1005, "the selected algorithm is not supported")                  \
	X(SET_KEYS, 6006, 1006, "keys cannot be set")                                              \
	X(ALG_UNEXPECTED, 6010, 1010, "an unexpected algorithm")                                   \
	X(EXCHANGE_HASH, 6011, 1011, "the exchange hash cannot be made")                           \
	X(MAKE_KEY, 6012, 1012, "a key cannot be made")                                            \
	X(SIGN, 6013, 1013, "data cannot be signed")                                               \
	X(ENCRYPT, 6014, 1014, "a packet cannot be encrypted")                                     \
	X(DECRYPT, 6015, 1015, "a packet cannot be decrypted")                                     \
	X(DECOMPRESS, 6016, 1016, "a packet cannot be decompressed")                               \
	X(CHANNEL_OPEN, 6020, 1020, "the channel could not be opened")                             \
	X(CHANNEL_ID, 6021, 1021, "there is no such channel")                                      \
	X(CHANNEL_DATA, 6022, 1022, "channel data that is not allowed")                            \
	X(CHANNEL_MSG, 6023, 1023, "a channel message that is not allowed")                        \
	X(UNIMPLEMENTED, 6024, 1024, "the server does not implement a message")                    \
	X(MSG_UNSUPPORTED, 6027, 1027, "a message of the server is not supported")                 \
	X(HOSTKEY_REJECTED, 6030, 1030, "the server's host key was not accepted")                  \
	X(HOSTKEY_VERIFY, 6031, 1031, "the server's host key cannot be verified")                  \
	X(AUTH, 6032, 1032, "authentication failed")                                               \
	X(CHANNEL_REQUEST, 6033, 1033, "the channel request failed")                               \
	X(DH, 6034, 1034, "the Diffie-Hellman key exchange failed")                                \
	X(CONNECT, 6036, 1036, "the SSH connection failed")                                        \
	X(RECONNECT_LIMIT, 6037, 1037, "the connection was tried again as often as allowed")       \
	X(ECDH, 6038, 1038, "the elliptic-curve key exchange failed")                              \
	X(KEEPALIVE, 6039, 1039, "the server does not answer keep-alives")                         \
	X(REQUEST, 6098, 1098, "the global request failed")                                        \
	X(WOULD_BLOCK, 11, 1130, "the operation would block")                                      \
	X(WOULD_BLOCK_REKEY, 6133, 1133, "the operation would block: keys are exchanged")          \
	X(TUNNEL_RETRIES, 6057, 10057, "the tunnel was tried again as often as allowed")           \
	X(FROZEN, 6100, 100, "this cannot change while connected")                                 \
	X(ADDRESS, 6102, 102, "this is no address to connect to")                                  \
	X(ALREADY, 6104, 104, "already connected or connecting")                                   \
	X(PORT, 6116, 116, "this is no port to connect to")                                        \
	X(TIMEOUT, 110, 201, "timed out")                                                          \
	X(STATE, 6211, 211, "not possible in this state")                                          \
	X(NOT_CONNECTED, 6212, 212, "not connected")                                               \
	X(UTF8, 6434, 434, "the text is not UTF-8")                                                \
	X(DROPPED, 104, 1120, "the connection was dropped by the server")                          \
	X(RESOLVE, 6301, 11001, "there is no such name")                                           \
	X(RESOLVE_AGAIN, 6305, 11002, "the name cannot be looked up now")                          \
	X(RESOLVE_FAILED, 6306, 11003, "the name cannot be looked up")                             \
	X(RESOLVE_NO_ADDRESS, 6307, 11004, "the name has no address")                              \
	X(KEYWORD, 6302, 0, "there is no such setting")                                            \
	X(VALUE, 6303, 0, "the setting cannot have this value")                                    \
	X(INTERNAL, 6304, 0, "an error of the library")

enum sluice_error {
#define X(name, number, ref, text) SLUICE_E_##name = number,
	SLUICE_ERRORS(X)
#undef X
};

/* A text for what any function here returned; never NULL, good for ever. */
const char *sluice_strerror(int err);
/* The number of an error in the reference components; 0: it has none. */
int sluice_error_ref(int err);
/*
 * What went wrong last on this connection, with what is known of it. Returns the length of the
 * text, which is cut to size; 0: nothing did.
 */
size_t sluice_error_last(struct sluice *s, char *buf, size_t size);
const char *sluice_version(void);

/* --- callbacks ------------------------------------------------------------------------------- */

enum sluice_log_level { SLUICE_LOG_NONE, SLUICE_LOG_INFO, SLUICE_LOG_VERBOSE, SLUICE_LOG_DEBUG };

enum sluice_known {
	SLUICE_KNOWN = 1,
	SLUICE_KNOWN_NEW,     /* nobody knows the host */
	SLUICE_KNOWN_CHANGED, /* another key of it is known */
	SLUICE_KNOWN_REVOKED,
	SLUICE_KNOWN_INVALID, /* no anchor leads to its X.509 certificate */
};

/* Who the server says it is. Texts and bytes are good until the callback returns. */
struct sluice_hostkey {
	const char *host; /* as it was asked for */
	uint16_t port;
	const char *algorithm; /* of its signature: "ssh-ed25519", "rsa-sha2-512", … */
	const char *type;      /* of its key */
	const uint8_t *blob;   /* as on the wire */
	size_t blob_len;
	const char *line;                /* "type base64", as files of keys have it */
	const char *md5, *sha1, *sha256; /* fingerprints: "MD5:…", "SHA1:…", "SHA256:…" */
	bool certificate; /* of an authority: line and fingerprints are those of the key in it */
	bool accepted;    /* what the settings say; the answer when there is no callback */
	/*
	 * What files of known hosts and settings know of it: SLUICE_KNOWN_*, 0: they could not be
	 * read; and in words. One that was revoked never is accepted.
	 */
	int known;
	const char *known_text;
	/*
	 * Of a certificate, X.509's names ("CN=a, O=b") or OpenSSH's key id and the fingerprint of
	 * its authority's key; else "". Whoever made it wrote them: known says whether he is
	 * believed.
	 */
	const char *cert_subject, *cert_issuer;
};

#define SLUICE_ANSWER_MAX 1024 /* bytes of a password, and of a prompt's answer */

struct sluice_prompt {
	const char *text; /* a stranger's: look at it before it is shown */
	bool echo;
	/* To be filled in: at most SLUICE_ANSWER_MAX bytes. May hold the password already. */
	char *answer;
	size_t answer_len;
};

/* What a connection has come to, of two ends: a proxy where there is one, and the server. */
enum sluice_status_event {
	SLUICE_STATUS_PROXY_CONNECTED = 1,
	SLUICE_STATUS_HOST_CONNECTED, /* its stream leads to the server, maybe through the proxy */
	SLUICE_STATUS_SECURED,        /* keys and host key are settled */
	SLUICE_STATUS_SECURITY_ENDED,
	SLUICE_STATUS_HOST_DISCONNECTED,
	SLUICE_STATUS_PROXY_DISCONNECTED,
};

/* Of data that came in. */
enum {
	SLUICE_DATA_STDERR = 1 << 0,
	/* Ends a record: sluice_channel_eol_set(), _record_set(). Without them all data does. */
	SLUICE_DATA_RECORD = 1 << 1,
};

/* What the server opens a channel for. Texts are "" and ports 0 where the type has none. */
struct sluice_open {
	const char *type; /* "forwarded-tcpip", "x11", "auth-agent@openssh.com", … */
	const char *host; /* what was connected to, as it was asked for */
	uint16_t port;
	const char *path; /* of a UNIX socket */
	const char *origin;
	uint16_t origin_port;
	const void *extra; /* what stands behind the common fields */
	size_t extra_len;
};

/* A try that a tunnel will make: what for, and when. */
enum sluice_reconnect_type { SLUICE_RECONNECT_CONNECTION, SLUICE_RECONNECT_TUNNEL };

struct sluice_reconnect {
	const char *host; /* Hostname */
	uint16_t port;
	uint32_t count;    /* of this try, from 1 */
	int64_t remaining; /* after it; -1: no end */
	uint32_t max;      /* ReconnectMax; 0: no end */
	uint32_t interval; /* seconds until then */
	enum sluice_reconnect_type type;
	uint16_t listening_port; /* of a forward (_TUNNEL): the server's; else 0 */
};

/*
 * What the program wants to hear. Every entry may be NULL. arg is the one of sluice_ops_set().
 * New entries come at the end: size says how many the program knows.
 */
struct sluice_ops {
	size_t size; /* sizeof(struct sluice_ops) */

	/* TCP, keys and host key are settled; or why not. */
	void (*on_connected)(void *arg, struct sluice *s, int err, const char *text);
	/* Authenticated; or why not. */
	void (*on_logon)(void *arg, struct sluice *s, int err, const char *text);
	/* It is over: 0 when the program ended it. Comes once for each on_connected of 0. */
	void (*on_disconnected)(void *arg, struct sluice *s, int err, const char *text);
	/*
	 * level is never above LogLevel. _INFO: handshake, login, ends; _VERBOSE: each packet, and
	 * what becomes of channels; _DEBUG: bytes sent and received. Not told: what is done in it.
	 */
	void (*on_log)(void *arg, struct sluice *s, enum sluice_log_level level, const char *text);
	/*
	 * Is this the server? 0: no; 1: yes; 2: yes, and a key of a host nobody knows is added to
	 * the first UserKnownHostsFile, which StrictHostKeyChecking accept-new and no do by
	 * themselves.
	 */
	int (*on_hostkey)(void *arg, struct sluice *s, const struct sluice_hostkey *k);
	/* A server's text before authentication: may hold anything but NUL. */
	void (*on_banner)(void *arg, struct sluice *s, const char *text, size_t len);
	/*
	 * The password, when none was set: writes at most size bytes and returns their number, or a
	 * negative number to do without. attempt counts from 1.
	 */
	ssize_t (*on_password)(void *arg, struct sluice *s, unsigned int attempt, char *buf,
			       size_t size);
	/* Answers all prompts of a round; negative: the method ends, as one that was refused. */
	int (*on_kbdint)(void *arg, struct sluice *s, const char *name, const char *instruction,
			 struct sluice_prompt *prompts, unsigned int n);
	/* A method did (1), did and others have to follow (2), or was refused (0). */
	void (*on_auth)(void *arg, struct sluice *s, const char *method, int outcome);

	/*
	 * Custom authentication: in is the server's last message of it (none at first), number
	 * first. Writes the payload to send, its number (50 to 79) first, at most size bytes, and
	 * returns its length; negative: gives up.
	 */
	ssize_t (*on_custom_auth)(void *arg, struct sluice *s, const void *in, size_t len,
				  void *out, size_t size);
	/* A global request of ours was answered: 0 or -SLUICE_E_REQUEST, and what it carried. */
	void (*on_requested)(void *arg, struct sluice *s, const char *type, int err,
			     const void *data, size_t len);

	/*
	 * The server opens a channel. 1: take it; 0: refuse; 2: sluice_channel_accept() or
	 * _refuse() say so later.
	 */
	int (*on_channel_open_request)(void *arg, struct sluice_channel *c,
				       const struct sluice_open *open);
	/* A channel of ours is open, or was refused: err, and the server's text. */
	void (*on_channel_opened)(void *arg, struct sluice_channel *c, int err, const char *text);
	/*
	 * Data came: all of it is taken by the callback. Without this entry data waits, up to the
	 * channel's window, for sluice_channel_read(), and on_channel_readable tells of it.
	 */
	void (*on_channel_data)(void *arg, struct sluice_channel *c, const void *data, size_t len,
				unsigned int flags);
	void (*on_channel_readable)(void *arg, struct sluice_channel *c);
	/* The server sends no more data. */
	void (*on_channel_eof)(void *arg, struct sluice_channel *c);
	/* Closed by both, or with its connection. The handle is good until it is freed. */
	void (*on_channel_closed)(void *arg, struct sluice_channel *c);
	/* After a send that took less than it was given: there is room for credit bytes. */
	void (*on_channel_ready)(void *arg, struct sluice_channel *c, size_t credit);
	/*
	 * A request of the server's but those the library settles itself (exit-status, exit-signal,
	 * keep-alives). data is what stands behind want_reply. 1: done; 0: it failed.
	 */
	int (*on_channel_request)(void *arg, struct sluice_channel *c, const char *type,
				  bool want_reply, const void *data, size_t len);
	/* A request of ours was answered: 0 or -SLUICE_E_CHANNEL_REQUEST. */
	void (*on_channel_requested)(void *arg, struct sluice_channel *c, const char *type,
				     int err);
	/* Each that begins ends, the last one first; err and text: why it ends, 0 and "OK" before.
	 */
	void (*on_connection_status)(void *arg, struct sluice *s, enum sluice_status_event event,
				     int err, const char *text);
	/*
	 * Of UpdateHostKeys ask: the server has proved n other keys of its own, and gone of those
	 * that are known it has no more. 1: the files are changed; 0: not, as without this entry.
	 */
	int (*on_hostkeys)(void *arg, struct sluice *s, const struct sluice_hostkey *keys,
			   unsigned int n, unsigned int gone);
	/* A tunnel will try again. *cancel true: it does not, and is over. */
	void (*on_reconnect)(void *arg, struct sluice_tunnel *t, const struct sluice_reconnect *r,
			     bool *cancel);
	/* It is up, and the server listens wherever it was asked to (0); or it is over, and why. */
	void (*on_tunnel)(void *arg, struct sluice_tunnel *t, int err, const char *text);
};

/* --- the connection -------------------------------------------------------------------------- */

/* 0 or -ENOMEM. */
int sluice_new(struct sluice **ret);
/*
 * Ends the connection at once and those it came by, frees all channels, wipes. From its beginning
 * on nothing of the program's is called, no callback and no signer, of jump hosts neither: what
 * their arguments lead to may be gone before. NULL is fine; not in a callback.
 */
void sluice_free(struct sluice *s);
/* Copied. -EINVAL: a size that no version had. */
int sluice_ops_set(struct sluice *s, const struct sluice_ops *ops, void *arg);

/*
 * Settings, by the keywords of ssh_config(5) and some of our own: libsluice(3) has them all.
 * -SLUICE_E_KEYWORD; -SLUICE_E_VALUE, and sluice_error_last() says why; -SLUICE_E_PORT,
 * -SLUICE_E_UTF8: a port or user that cannot be; -SLUICE_E_FROZEN while connected, for what cannot
 * change then.
 */
int sluice_set(struct sluice *s, const char *keyword, const char *value);
/* The value as text, cut to size; its length, or -SLUICE_E_KEYWORD. */
ssize_t sluice_get(struct sluice *s, const char *keyword, char *buf, size_t size);
/*
 * Takes what files of ssh_config(5) say of a host, as it would be named on a command line: path's,
 * or the user's and the system's (NULL). What they say becomes settings, over those there were;
 * what they do not say stays; Hostname is what they make of host, User who runs the program where
 * nobody says one. Keywords that are a command's - forwards, terminals, IdentityFile and others,
 * libsluice(3) has them - are read, checked and left to the program, and on_log hears of each;
 * ProxyJump is an error where sluice_jump_set() was not called. Match exec runs its
 * commands, and CanonicalizeHostname asks for names: this call waits for both, whatever
 * OperationTimeout is. -SLUICE_E_VALUE: sluice_error_last() has the file and the line;
 * -SLUICE_E_FROZEN: connected; and as sluice_set(). Nothing was set where a line is wrong; some may have been where
 * what it refers to, such as a variable, is not there.
 */
int sluice_config_load(struct sluice *s, const char *path, const char *host);
/* All settings as they were at first, keys and password forgotten. -SLUICE_E_FROZEN: connected. */
int sluice_reset(struct sluice *s);

/*
 * The password, copied; NULL: none but that of PasswordFile or PasswordCommand, which is read now.
 * -EINVAL: longer than SLUICE_ANSWER_MAX; of NULL, what that reading says. With AuthMode gssapi-with-mic and gssapi-keyex it is the one of Kerberos,
 * by which User, or GSSAPIClientIdentity, gets his tickets: to be set before it connects; without
 * it those of the cache are shown.
 */
int sluice_password_set(struct sluice *s, const char *password, size_t len);
/* A private key to log in with, tried in the order they came; the key stays the caller's. */
int sluice_identity_add(struct sluice *s, const struct sluice_key *k);
/*
 * A key whose private half is elsewhere (an agent's): sign() writes an SSH signature by alg over
 * data to sig, at most *sig_len bytes, and returns 0 or a negative error.
 */
int sluice_identity_add_signer(struct sluice *s, const struct sluice_key *pub,
			       int (*sign)(void *arg, const struct sluice_key *pub, const char *alg,
					   const void *data, size_t len, uint8_t *sig,
					   size_t *sig_len),
			       void *arg);
/*
 * The password and the keys are wiped, signers forgotten: who is logged on and does not mean to log
 * on again with them needs none. With GSSAPIKeyExchange the connection keeps a password of Kerberos
 * (AuthMode) until it ends, as new keys may want new tickets. -SLUICE_E_STATE: while it logs on.
 */
int sluice_credentials_forget(struct sluice *s);
/*
 * For a channel "auth-agent@openssh.com" of the server's: a connection to the agent at path (NULL:
 * IdentityAgent) that knows for whom it asks, so that keys for some hosts alone serve as they
 * should; non-blocking, and the caller's. Waits two seconds at most, in callbacks too. -ENOENT: no
 * agent; -SLUICE_E_STATE: not logged on; -ETIMEDOUT, -errno.
 */
int sluice_agent_open(struct sluice *s, const char *path, int *ret_fd);
/*
 * The same without waiting, for who has a loop. 1: what comes first by *ret_fd, a length of four
 * bytes and as many, is the agent's answer to us, and not for the channel; 0: nothing is.
 */
int sluice_agent_begin(struct sluice *s, const char *path, int *ret_fd);
/*
 * A host key to be accepted, beside what files of known hosts say; of a certificate its key.
 * -EKEYEXPIRED: its time is over.
 */
int sluice_hostkey_accept(struct sluice *s, const struct sluice_key *k);

/*
 * The way there is a channel of another connection, a jump host, which may have one itself. It is
 * s's from now on, and freed with it: who logs on to s logs on to it first, by its own settings,
 * keys and callbacks, to its own Hostname; and it ends with s, of which its callbacks are told
 * first (but by sluice_free()). hop NULL: none. -EINVAL: somebody
 * has it, or there are more than eight; -SLUICE_E_FROZEN. Settings of the way (Proxy, BindAddress
 * and the like) count for the first of them alone.
 */
int sluice_jump_set(struct sluice *s, struct sluice *hop);
/* TCP, key exchange, host key, and no authentication: to Hostname and Port. */
int sluice_connect(struct sluice *s);
/* The same over a stream that is connected already; fd is taken, and closed on failure as well. */
int sluice_connect_fd(struct sluice *s, int fd);
/*
 * Connects where that was not done, and authenticates. host NULL, port 0: as the settings have
 * them.
 */
int sluice_logon(struct sluice *s, const char *host, uint16_t port);
/*
 * Closes all channels (WaitForChannelClose), says good-bye and disconnects. Linger says how long it
 * waits for its last bytes; with "yes" that is OperationTimeout. With "no", or when that is over,
 * the server sees a reset.
 */
int sluice_logoff(struct sluice *s);
/* Cuts the connection. */
int sluice_disconnect(struct sluice *s);

/* Is there a connection whose keys and host key are settled? */
bool sluice_connected(struct sluice *s);
/*
 * 0: authenticated; -SLUICE_E_WOULD_BLOCK: on the way; -SLUICE_E_STATE: connected and not asked to
 * log on; -SLUICE_E_NOT_CONNECTED: not begun; else why it is over.
 */
int sluice_status(struct sluice *s);
/* Exchanges keys now; 0 as soon as it is begun. */
int sluice_rekey(struct sluice *s);

enum sluice_info {
	SLUICE_INFO_PEER_VERSION, /* the server's identification */
	SLUICE_INFO_LOCAL_ADDR,   /* "ADDRESS port PORT" */
	SLUICE_INFO_PEER_ADDR,
	SLUICE_INFO_KEX, /* algorithms that are in force */
	SLUICE_INFO_HOSTKEY_ALG,
	SLUICE_INFO_CIPHER_OUT,
	SLUICE_INFO_CIPHER_IN,
	SLUICE_INFO_MAC_OUT, /* "" where the cipher authenticates by itself */
	SLUICE_INFO_MAC_IN,
	SLUICE_INFO_COMP_OUT,
	SLUICE_INFO_COMP_IN,
	SLUICE_INFO_STRICT_KEX,   /* "yes" or "no" */
	SLUICE_INFO_SESSION_ID,   /* hexadecimal */
	SLUICE_INFO_AUTH_METHODS, /* that can continue, as the server named them */
	SLUICE_INFO_HOSTKEY_SHA256,
	SLUICE_INFO_BYTES_IN, /* of the socket, decimal */
	SLUICE_INFO_BYTES_OUT,
	SLUICE_INFO_REKEYS, /* key exchanges after the first, decimal */
	/* Seconds the server wants us to stay away when this is over, decimal; 0: it did not say.
	 */
	SLUICE_INFO_RETRY_AFTER,
};
/* As text, cut to size; its length, or -SLUICE_E_NOT_CONNECTED while it is not known. */
ssize_t sluice_info(struct sluice *s, enum sluice_info what, char *buf, size_t size);

/* The descriptor to wait for, -1: none now; and POLLIN, POLLOUT of it. It may change with each
 * call. */
int sluice_fd(struct sluice *s);
short sluice_events(struct sluice *s);
/*
 * Until something is due, whatever the descriptor says; -1: nothing is. 0, too, where a call that
 * does not wait has read what may be for another channel.
 */
int sluice_timeout_ms(struct sluice *s);
/*
 * Does what is due; waits for it up to timeout_ms first (0: not at all, -1: for ever). 1: something
 * was done, now or by a call that does not wait; 0: nothing was; an error: the connection is over.
 */
int sluice_dispatch(struct sluice *s, int timeout_ms);

/* --- channels -------------------------------------------------------------------------------- */

/*
 * Opens a channel: "session", or any other type with what its OPEN carries. *ret is there as soon
 * as the message is on its way: with -SLUICE_E_WOULD_BLOCK, too. -SLUICE_E_CHANNEL_OPEN: refused,
 * and *ret is not written.
 */
int sluice_channel_open(struct sluice *s, const char *type, const void *extra, size_t len,
			struct sluice_channel **ret);
/* direct-tcpip: the server connects to dst; src is who it is for, NULL: us. */
int sluice_channel_open_tcp(struct sluice *s, const char *dst, uint16_t dport, const char *src,
			    uint16_t sport, struct sluice_channel **ret);
/* direct-streamlocal@openssh.com: to a UNIX socket of the server's. */
int sluice_channel_open_unix(struct sluice *s, const char *path, struct sluice_channel **ret);
/* The answer to an open of the server's that on_channel_open_request left open. */
int sluice_channel_accept(struct sluice_channel *c);
/* reason as RFC 4254 section 5.1 has them, 0: 2, which is "connect failed"; the handle is gone. */
int sluice_channel_refuse(struct sluice_channel *c, uint32_t reason, const char *text);
/*
 * Gives the handle up: a channel that is open is closed, and what still comes is dropped. NULL is
 * fine.
 */
void sluice_channel_free(struct sluice_channel *c);

/* A pointer of the program's. */
void sluice_channel_arg_set(struct sluice_channel *c, void *arg);
void *sluice_channel_arg(struct sluice_channel *c);
struct sluice *sluice_channel_connection(struct sluice_channel *c);
/* The channels of a connection; prev NULL: the first. NULL behind the last. */
struct sluice_channel *sluice_channel_next(struct sluice *s, struct sluice_channel *prev);

/*
 * A terminal for the session: its size in characters, or with pixels in pixels. modes as RFC 4254
 * section 8 encodes them; NULL: none.
 */
int sluice_channel_pty(struct sluice_channel *c, const char *term, uint32_t width, uint32_t height,
		       bool pixels, const void *modes, size_t len);
int sluice_channel_window_change(struct sluice_channel *c, uint32_t columns, uint32_t rows,
				 uint32_t width_px, uint32_t height_px);
/* Sent without asking for an answer: servers take what they like. */
int sluice_channel_env(struct sluice_channel *c, const char *name, const char *value);
/* name: "shell", "exec" (parameter: the command), "subsystem" (its name), or another. */
int sluice_channel_start(struct sluice_channel *c, const char *service, const char *parameter);
/* "TERM", "INT", …: without "SIG". */
int sluice_channel_signal(struct sluice_channel *c, const char *name);
/* Any request. want_reply: waits for the answer; -SLUICE_E_CHANNEL_REQUEST: it was "no". */
int sluice_channel_request(struct sluice_channel *c, const char *type, bool want_reply,
			   const void *data, size_t len);

/*
 * Sends data: waits until all of it is taken. With OperationTimeout 0, and in callbacks: takes what
 * there is room for, at least one byte, else -SLUICE_E_WOULD_BLOCK; then on_channel_ready tells
 * when to go on. Returns the bytes taken. -SLUICE_E_STATE: after EOF or CLOSE.
 */
ssize_t sluice_channel_send(struct sluice_channel *c, const void *buf, size_t len);
/* The same of text. -SLUICE_E_UTF8: it is none, and nothing was sent. */
ssize_t sluice_channel_send_text(struct sluice_channel *c, const char *text);
/*
 * Data that came: at least one byte, or 0 at its end. err: of stderr instead. Waits
 * as the others do; -SLUICE_E_WOULD_BLOCK.
 */
ssize_t sluice_channel_read(struct sluice_channel *c, bool err, void *buf, size_t size);
/* We send no more. */
int sluice_channel_eof(struct sluice_channel *c);
/* Says CLOSE, and waits for the server's with WaitForChannelClose. */
int sluice_channel_close(struct sluice_channel *c);
/*
 * Waits until the server has closed the channel, and gives what it said of the program. Data that
 * comes meanwhile waits, so read it first, or let on_channel_data take it.
 */
int sluice_channel_wait(struct sluice_channel *c);

/* A message of this channel that the program built: number, and what stands behind the recipient.
 * 98 and above but those that answer; data is _send()'s. */
int sluice_channel_packet_send(struct sluice_channel *c, uint8_t number, const void *payload,
			       size_t len);
/*
 * Records for on_channel_data: pieces that end with eol (any bytes) or have max bytes; both are
 * given, or none (back to data as it comes). -EINVAL: one without the other, or max above 1 MiB.
 */
int sluice_channel_eol_set(struct sluice_channel *c, const void *eol, size_t eol_len, size_t max);
/* Pieces of len bytes, at most 1 MiB; 0: data as it comes. */
int sluice_channel_record_set(struct sluice_channel *c, size_t len);
/* Raises what the server may send without waiting; a smaller one changes nothing. */
int sluice_channel_window_set(struct sluice_channel *c, uint32_t bytes);

struct sluice_channel_info {
	size_t size; /* to be set: sizeof(struct sluice_channel_info) */
	uint32_t id; /* unique in the connection */
	char type[65];
	bool open, ours; /* open both ways; opened by us */
	bool eof_in, eof_out, closed_in, closed_out;
	uint32_t window_in, window_out; /* that may still be sent */
	uint32_t packet_in, packet_out; /* the largest data of a message */
	size_t waiting, waiting_err;    /* bytes to be read */
	uint64_t bytes_in, bytes_out;   /* of data */
	bool has_exit_status, has_exit_signal;
	uint32_t exit_status;
	char exit_signal[65]; /* without "SIG" */
	bool core_dumped;
	/* Of one the server opened for who connected: where, and who; else "" and 0. */
	char listen_addr[256], origin_addr[256]; /* of a UNIX socket: its path, and nobody */
	uint16_t listen_port, origin_port;
	/* Where one of ours leads: the host and port, or the path, it was asked for. */
	char target[1024];
	uint16_t target_port;
};
/* Fills in ret->size bytes. -EINVAL: a size no version had. */
int sluice_channel_info(struct sluice_channel *c, struct sluice_channel_info *ret);

/* --- remote forwarding, and other global requests -------------------------------------------- */

/*
 * The server listens at addr ("" all, "localhost") and port (0: one it chooses, *ret_port) and
 * opens "forwarded-tcpip" for who connects there; ret_port may be NULL. -SLUICE_E_REQUEST: it does
 * not.
 */
int sluice_forward_request(struct sluice *s, const char *addr, uint16_t port, uint16_t *ret_port);
/*
 * The same; and the library itself connects to to_host and to_port for each channel, from
 * ForwardBindAddress, and copies both ways. The program has a say in on_channel_open_request, where
 * it has that entry (0 refuses), and hears in on_channel_opened, _eof and _closed; data is not told
 * of, and the channel is not to be freed but to cut it off. ChannelTimeout forwarded-tcpip= ends one
 * that is idle. -SLUICE_E_ADDRESS, -SLUICE_E_PORT: no target.
 */
int sluice_forward_to(struct sluice *s, const char *addr, uint16_t port, const char *to_host,
		      uint16_t to_port, uint16_t *ret_port);
/* addr and port as they were asked for; for port 0 the one that the server chose. */
int sluice_forward_cancel(struct sluice *s, const char *addr, uint16_t port);
/* The same of a UNIX socket of the server's. */
int sluice_forward_request_unix(struct sluice *s, const char *path);
int sluice_forward_cancel_unix(struct sluice *s, const char *path);
/*
 * Any request. want_reply: waits for the answer, which is cut to size; *ret_len is all of it. buf
 * and ret_len may be NULL.
 */
int sluice_request(struct sluice *s, const char *type, bool want_reply, const void *data,
		   size_t len, void *buf, size_t size, size_t *ret_len);

/* --- a tunnel that stays up ------------------------------------------------------------------ */

/*
 * Keeps the connection up, once it is started: one that breaks, or with Reconnect always one that
 * does not come up, is logged on to again, and what the server was asked to listen on is asked for
 * again, at the ports it had, until it is there. Reconnect, ReconnectMax, ReconnectInterval,
 * ReconnectMaxInterval and ReconnectJitter say when and how often, for the connection and for each
 * forward; seconds that a server wants us away come first. on_reconnect tells of each try.
 *
 * Forwards are asked for as ever, by sluice_forward_request(), _to() and _request_unix(): before
 * the start, which then waits for them (on_requested tells a port the server chose, and ret_port is
 * not written), or while it is up; while it is down they wait for it. One
 * that is refused, and is not tried again, ends a tunnel that is being started or had it before;
 * else that call fails, and nothing more.
 *
 * There is one of a connection, which it belongs to: sluice_free() ends and frees it. Settings are
 * the connection's; where ServerAliveInterval is 0 it becomes 30 s, and ServerAliveCountMax 1.
 * -SLUICE_E_ALREADY: it has one, or is a jump host; -ENOMEM.
 */
int sluice_tunnel_new(struct sluice *s, struct sluice_tunnel **ret);
/*
 * Waits until it is up, as long as Reconnect tries; sluice_dispatch() then keeps it so. With
 * OperationTimeout 0 it does not wait: on_tunnel tells. A connection that is up already is taken
 * over. What it is over by is the error of this call, of sluice_status() and of sluice_dispatch(),
 * which are no errors while it is tried again: -SLUICE_E_RECONNECT_LIMIT and, of a forward,
 * -SLUICE_E_TUNNEL_RETRIES: tried as often as allowed; else why it broke or was refused.
 * -SLUICE_E_ALREADY; -SLUICE_E_ADDRESS: no Hostname.
 */
int sluice_tunnel_start(struct sluice_tunnel *t);
/*
 * Ends it and its connection, as sluice_logoff() and sluice_disconnect() do, too: no more tries
 * until it is started again. In a callback, too. -SLUICE_E_STATE: it was not started, or is over.
 */
int sluice_tunnel_stop(struct sluice_tunnel *t);
/* Stops it, and gives the handle up; in a callback, too. What is listened on is forgotten when the
 * next connection begins. NULL is fine. */
void sluice_tunnel_free(struct sluice_tunnel *t);

/* --- messages, field by field ---------------------------------------------------------------- */

/* Zeroed at first; p is the library's, sluice_payload_free(). */
struct sluice_payload {
	uint8_t *p;
	size_t len, size;
};
/*
 * Appends a value given as text. type: "s" string (UTF-8), "sb" string of hexadecimal, "m" mpint,
 * "i" uint32, "l" uint64, "b" byte, "f" boolean ("True", "False"). Numbers are decimal, or begin
 * with 0x. -EINVAL: no such type, or no such value; p is as it was.
 */
int sluice_payload_put(struct sluice_payload *p, const char *type, const char *value);
void sluice_payload_free(struct sluice_payload *p); /* wipes */
/*
 * A field of a whole message, as text, cut to size; its length. By name, as libsluice(3) lists them
 * ("RequestType", "TerminalType", …), or "%s,i,f": types from behind the common fields on, of
 * which the last is wanted. -ENOENT: no such field in this message; -EBADMSG: it is malformed.
 */
ssize_t sluice_payload_get(const void *payload, size_t len, const char *field, char *buf,
			   size_t size);
/* The bytes of one that is a string: a view. */
int sluice_payload_get_bytes(const void *payload, size_t len, const char *field,
			     const uint8_t **ret, size_t *ret_len);
/* Hexadecimal; both return the length, or -EINVAL: what is no hexadecimal; -ENOBUFS: size. */
ssize_t sluice_hex_encode(const void *p, size_t len, char *buf, size_t size);
ssize_t sluice_hex_decode(const char *hex, void *buf, size_t size);

/* --- keys ------------------------------------------------------------------------------------ */

struct sluice_key_opts {
	size_t size; /* sizeof(struct sluice_key_opts) */
	/* "auto" (NULL), "openssh", "pem", "pkcs8", "pfx", "ppk", "jwk", …, or a number others
	 * know it by: sluice_key(3). */
	const char *format;
	const char *passphrase; /* NULL: ask */
	/* Writes at most size bytes, returns their number or a negative number. */
	ssize_t (*ask)(void *arg, const char *what, char *buf, size_t size);
	void *arg;
	const char *subject, *thumbprint; /* which of several */
	/* Of the keys in a PKCS#12 file, where it is not the file's own. */
	const char *key_passphrase;
	/* The public half will do: a public key, a certificate, a file nobody has to open. */
	bool public_half;
	/* What is wrong, for people; may be NULL. */
	char *why;
	size_t why_size;
};
/*
 * A private key of a file in any format, or of a token ("pkcs11:…"). opts may be NULL. -ENOKEY: it
 * wants a passphrase; -EKEYREJECTED: a wrong one; -EACCES: others may read the file; -ESRCH: no
 * key of that subject or thumbprint; -EMEDIUMTYPE: a format to be converted, why says how;
 * -EBADMSG, -ENOTSUP: not a key, or none of ours.
 */
int sluice_key_load(const char *path, const struct sluice_key_opts *opts, struct sluice_key **ret);
/* The same of text in memory. */
int sluice_key_parse(const void *text, size_t len, const struct sluice_key_opts *opts,
		     struct sluice_key **ret);
/*
 * A certificate for the key, which a login shows before the bare key while its time lasts: the line
 * of a *-cert.pub; or X.509 certificates, its own among those above it (PEM, PKCS#7, base64), which
 * are shown where PubkeyAcceptedAlgorithms names an x509v3- algorithm, as those that lay in the
 * key's file are. Before the key is added to a connection. -EINVAL: not of this key.
 */
int sluice_key_certificate(struct sluice_key *k, const char *text);
/* The same of bytes, which may be DER. */
int sluice_key_certificate_parse(struct sluice_key *k, const void *p, size_t len);
/* A public key, or certificate: "type base64 comment". */
int sluice_key_public(const char *line, struct sluice_key **ret);
void sluice_key_free(struct sluice_key *k); /* wipes; NULL is fine */

enum sluice_key_field {
	SLUICE_KEY_TYPE,
	SLUICE_KEY_BITS,
	SLUICE_KEY_LINE, /* of the public half */
	SLUICE_KEY_MD5,
	SLUICE_KEY_SHA1,
	SLUICE_KEY_SHA256,
	SLUICE_KEY_COMMENT,
	SLUICE_KEY_PRIVATE, /* "yes" or "no": whether it signs. No field has what it signs with. */

	SLUICE_KEY_ALGORITHM, /* "RSA", "ECDSA", "ED25519", … */
	SLUICE_KEY_FORMAT,    /* what it was read from: "pfx", … */
	SLUICE_KEY_MD5_PAIRS, /* fingerprints as "aa:bb:…" */
	SLUICE_KEY_SHA1_PAIRS,
	SLUICE_KEY_SHA256_PAIRS,

	/* What its certificate says, X.509's or OpenSSH's; "": nothing, or there is none. */
	SLUICE_KEY_SUBJECT,    /* "CN=a, O=b"; OpenSSH's: the key id */
	SLUICE_KEY_ISSUER,     /* the same; OpenSSH's: the authority's fingerprint */
	SLUICE_KEY_SERIAL,     /* hexadecimal, two digits a byte */
	SLUICE_KEY_VERSION,    /* "V3" */
	SLUICE_KEY_NOT_BEFORE, /* "2000-01-23T14:00:00Z" */
	SLUICE_KEY_NOT_AFTER,
	SLUICE_KEY_EFFECTIVE, /* the same in local time: "23-Jan-2000 15:00:00" */
	SLUICE_KEY_EXPIRATION,
	SLUICE_KEY_SIG_ALGORITHM, /* by which it was signed */
	SLUICE_KEY_SAN,           /* comma lists: other names; OpenSSH's: principals */
	SLUICE_KEY_USAGE,         /* "Digital Signature,…" */
	SLUICE_KEY_EXT_USAGE,     /* OIDs */
	SLUICE_KEY_USAGE_BITS,    /* 0x80 Digital Signature, and so on down; decimal */
	SLUICE_KEY_CERT_MD5,      /* of the certificate, "aa:bb:…" */
	SLUICE_KEY_CERT_SHA1,
	SLUICE_KEY_CERT_SHA256,
};
/* As text, cut to size; its length. */
ssize_t sluice_key_info(const struct sluice_key *k, enum sluice_key_field f, char *buf,
			size_t size);

struct sluice_key_out {
	size_t size;            /* sizeof(struct sluice_key_out) */
	const char *format;     /* "openssh" (NULL), "pem", "pkcs8", "pfx", "ppk", "jwk", … */
	bool private_half;      /* else the public one alone */
	const char *passphrase; /* NULL: in clear */
};
/*
 * The key as a file of a format; out NULL: the line of its public half. Returns the length, behind
 * which a NUL stands; with size 0 the length alone. What is private is the caller's to wipe.
 * -EINVAL: it has no private half, or there is no such format; -ENOTSUP: it never leaves its token,
 * or the format cannot hold it; -ENOBUFS: size.
 */
ssize_t sluice_key_export(const struct sluice_key *k, const struct sluice_key_out *out, char *buf,
			  size_t size);

#ifdef __cplusplus
}
#endif

#endif
