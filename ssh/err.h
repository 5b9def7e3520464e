/*
 * ssh/err.h - everything that can be wrong with a peer, one list.
 *
 * Each error yields its text, the RFC 4253 section 11.1 reason a DISCONNECT carries
 * (0: none is sent) and the name of its counter. Functions return the negative.
 */
#ifndef SLUICE_SSH_ERR_H
#define SLUICE_SSH_ERR_H

#include <stdint.h>

/* name, disconnect reason, counter, text */
#define SSH_ERRORS(X)                                                                              \
	X(FORMAT, 2, "format", "malformed message")                                                \
	X(PROTO, 2, "protocol", "message not allowed in this phase")                               \
	X(VERSION, 8, "version", "protocol version not supported")                                 \
	X(IDENT, 8, "ident", "bad identification string")                                          \
	X(LENGTH, 2, "length", "bad packet length")                                                \
	X(PADDING, 2, "padding", "bad padding")                                                    \
	X(MAC, 5, "mac", "message authentication failed")                                          \
	X(SEQUENCE, 2, "sequence", "sequence number wrapped")                                      \
	X(STRICT, 2, "strict_kex", "strict key exchange violation")                                \
	X(NO_KEX_ALG, 3, "no_kex_alg", "no matching key exchange method found")                    \
	X(NO_HOSTKEY_ALG, 3, "no_hostkey_alg", "no matching host key type found")                  \
	X(NO_CIPHER, 3, "no_cipher", "no matching cipher found")                                   \
	X(NO_MAC, 3, "no_mac", "no matching MAC found")                                            \
	X(NO_COMP, 3, "no_compression", "no matching compression found")                           \
	X(COMP, 6, "compression", "bad compressed data")                                           \
	X(KEX, 3, "kex", "key exchange failed")                                                    \
	X(KEX_DH, 3, "kex_dh", "Diffie-Hellman key exchange failed")                               \
	X(KEX_ECDH, 3, "kex_ecdh", "elliptic-curve key exchange failed")                           \
	X(KEX_PROOF, 3, "kex_proof", "nothing proves that the exchanged keys are the server's")    \
	X(KEX_TIMEOUT, 3, "kex_timeout", "key exchange not finished in time")                      \
	X(KEX_FLOOD, 2, "kex_flood", "too much queued during key exchange")                        \
	X(SEAL, 0, "seal", "a packet cannot be encrypted")                                         \
	X(UNIMPLEMENTED, 2, "unimplemented", "the peer does not implement what has to be answered") \
	X(HOSTKEY, 9, "hostkey", "host key not accepted")                                          \
	X(SERVICE, 7, "service", "service not available")                                          \
	X(AUTH_TRIES, 14, "auth_tries", "Too many authentication failures")                         \
	X(AUTH_CHANGED, 2, "auth_changed", "user or service changed during authentication")        \
	X(AUTH_NONE_LEFT, 14, "auth_none_left", "no more authentication methods available")        \
	X(GRACE, 13, "login_grace", "authentication not finished in time")                          \
	X(CHANNEL, 2, "channel", "message for a channel that does not exist")                      \
	X(CHANNEL_STATE, 2, "channel_state", "message not allowed in the state of its channel")    \
	X(WINDOW, 2, "window", "more data than the window allows")                                 \
	X(WINDOW_OVERFLOW, 2, "window_overflow", "window adjusted beyond 2^32-1")                  \
	X(PACKET_SIZE, 2, "packet_size", "more data than the maximum packet size")                 \
	X(FLOOD, 2, "flood", "too many requests unanswered")                                       \
	X(KEEPALIVE, 10, "keepalive", "Timeout, client not responding")                             \
	X(REFUSED, 1, "refused", "administratively prohibited connection")                         \
	X(IDLE, 11, "idle", "idle for too long")                                                   \
	X(TARGET_BLOCKED, 0, "target_blocked", "its target took no byte for too long")             \
	X(CLIENT_BLOCKED, 0, "client_blocked", "its client took no byte for too long")             \
	X(EXPIRED, 11, "expired", "what let you in has expired")                                   \
	X(REVOKED, 11, "revoked", "the key that let you in was revoked")                           \
	X(OPERATOR, 11, "operator", "disconnected by the operator")                                \
	X(DENIED, 11, "denied", "you are not let in any more")                                     \
	X(RECORDING, 11, "recording", "the session cannot be recorded any more")                   \
	X(INTERNAL, 11, "internal", "internal error")                                              \
	X(MEMORY, 12, "memory", "out of memory")                                                   \
	X(UNAVAILABLE, 11, "unavailable", "not available now")                                     \
	X(CROWDED, 12, "crowded", "too many at once, come again later")                            \
	X(SHUTDOWN, 11, "shutdown", "shutting down")                                               \
	X(PEER_DISCONNECT, 0, "peer_disconnect", "disconnected by the peer")                       \
	X(CLOSED, 0, "closed", "connection closed by the peer")                                    \
	X(RESET, 0, "reset", "connection reset")                                                   \
	X(TIMEOUT, 0, "timeout", "connection timed out")                                           \
	X(CHANNELS, 12, "channels", "too many channels of this connection")                        \
	X(CHANNELS_ALL, 12, "channels_all", "too many channels of this gateway")

/* Numbered apart from errno: system errors are -1..-4095, these follow. */
enum ssh_err {
	SSH_E_BASE = 5000,
#define X(name, reason, counter, text) SSH_E_##name,
	SSH_ERRORS(X)
#undef X
	SSH_E_END
};
#define SSH_E_COUNT (SSH_E_END - SSH_E_BASE - 1)

/* All take the negative; one that is not in the list reads as INTERNAL. */
const char *ssh_err_text(int err);
uint32_t ssh_err_disconnect(int err);
const char *ssh_err_counter(int err);

#endif
