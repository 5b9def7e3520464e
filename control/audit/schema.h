/*
 * control/audit/schema.h - what the audit log says: its events and their fields, one list.
 *
 * A record is one line, a JSON object (RFC 8259) in ASCII. sluice-audit(5) describes what stands
 * here, and a test compares the two. A field's name and meaning never change within a version; what
 * reads the log passes over events and fields it does not know.
 */
#ifndef SLUICE_CONTROL_AUDIT_SCHEMA_H
#define SLUICE_CONTROL_AUDIT_SCHEMA_H

#include <stdint.h>

#define AUDIT_SCHEMA_VERSION 1

/* name, as it is written. Those up to EVENT are in every record. */
#define AUDIT_FIELDS(X)                                                                            \
	X(V, "v")                                                                                  \
	X(ID, "id")                                                                                \
	X(TIME, "time")                                                                            \
	X(MONO_US, "mono_us")                                                                      \
	X(EVENT, "event")                                                                          \
	X(CONN, "conn")                                                                            \
	X(USER, "user")                                                                            \
	X(KEY, "key")                                                                              \
	X(FROM, "from")                                                                            \
	X(FROM_PORT, "from_port")                                                                  \
	X(TO, "to")                                                                                \
	X(TO_PORT, "to_port")                                                                      \
	X(VERSION, "version")                                                                      \
	X(METHOD, "method")                                                                        \
	X(OUTCOME, "outcome")                                                                      \
	X(REASON, "reason")                                                                        \
	X(HOST_KEY, "host_key")                                                                    \
	X(CIPHER_IN, "cipher_in")                                                                  \
	X(CIPHER_OUT, "cipher_out")                                                                \
	X(MAC_IN, "mac_in")                                                                        \
	X(MAC_OUT, "mac_out")                                                                      \
	X(STRICT, "strict")                                                                        \
	X(FIRST, "first")                                                                          \
	X(KEY_TYPE, "key_type")                                                                    \
	X(CERT_ID, "cert_id")                                                                      \
	X(CERT_SERIAL, "cert_serial")                                                              \
	X(CA, "ca")                                                                                \
	X(PRINCIPAL, "principal")                                                                  \
	X(CLIENT_HOST, "client_host")                                                              \
	X(CLIENT_USER, "client_user")                                                              \
	X(CHANNEL, "channel")                                                                      \
	X(PEER, "peer")                                                                            \
	X(TYPE, "type")                                                                            \
	X(HOST, "host")                                                                            \
	X(PORT, "port")                                                                            \
	X(ADDRESS, "address")                                                                      \
	X(ADDRESS_PORT, "address_port")                                                            \
	X(REQUEST, "request")                                                                      \
	X(COMMAND, "command")                                                                      \
	X(TTY, "tty")                                                                              \
	X(STATUS, "status")                                                                        \
	X(SIGNAL, "signal")                                                                        \
	X(LISTENER, "listener")                                                                    \
	X(BYTES_IN, "bytes_in")                                                                    \
	X(BYTES_OUT, "bytes_out")                                                                  \
	X(FIRST_US, "first_us")                                                                    \
	X(LAST_US, "last_us")                                                                      \
	X(CAUSE, "cause")                                                                          \
	X(TEXT, "text")                                                                            \
	X(CODE, "code")                                                                            \
	X(LATE, "late")                                                                            \
	X(N, "n")                                                                                  \
	X(BYTES, "bytes")                                                                          \
	X(CUT, "cut")                                                                              \
	X(KIND, "kind")                                                                            \
	X(OPERATOR, "operator")                                                                    \
	X(FILE, "file")                                                                            \
	X(RECORDED, "recorded")                                                                    \
	X(RECORD_LOST, "record_lost")                                                              \
	X(DIRECTION, "direction")                                                                  \
	X(RULE, "rule")                                                                            \
	X(CHANNELS, "channels")                                                                    \
	X(BY, "by")                                                                                \
	X(END_US, "end_us")

enum audit_field {
#define X(name, text) AUDIT_F_##name,
	AUDIT_FIELDS(X)
#undef X
		AUDIT_F_COUNT
};
_Static_assert(AUDIT_F_COUNT <= 64, "sets of them are 64 bits");

#define AF(name)  (1ull << AUDIT_F_##name)
#define AF_EVERY  (AF(V) | AF(ID) | AF(TIME) | AF(MONO_US) | AF(EVENT) | AF(CUT))
#define AF_PEER   (AF(CONN) | AF(FROM) | AF(FROM_PORT))
#define AF_WHO    (AF_PEER | AF(USER) | AF(KEY))
#define AF_SOCKET (AF_PEER | AF(TO) | AF(TO_PORT))
#define AF_AUTH                                                                                    \
	(AF_WHO | AF(VERSION) | AF(METHOD) | AF(KEY_TYPE) | AF(CERT_ID) | AF(CERT_SERIAL) |        \
	 AF(CA) | AF(PRINCIPAL) | AF(CLIENT_HOST) | AF(CLIENT_USER))
#define AF_TARGET (AF(PEER) | AF(TYPE) | AF(HOST) | AF(PORT))
#define AF_RESULT (AF(ADDRESS) | AF(ADDRESS_PORT))
#define AF_TRAFFIC                                                                                 \
	(AF(BYTES_IN) | AF(BYTES_OUT) | AF(FIRST_US) | AF(LAST_US) | AF(CAUSE) | AF(CODE))

/* name, as it is written, fields it may have beside those of every record, what happened */
#define AUDIT_EVENTS(X)                                                                            \
	X(START, "log.start", AF(VERSION), "sluice-control writes from here on")                   \
	X(STOP, "log.stop", 0, "sluice-control has ended of its own will")                         \
	X(CONN_REFUSED, "conn.refused", AF_SOCKET | AF(USER) | AF(REASON),                         \
	  "a connection was turned away, whoever it may be")                                       \
	X(CONN_OPEN, "conn.open", AF_SOCKET | AF(LATE), "a connection was accepted")               \
	X(CONN_CLOSE, "conn.close",                                                                \
	  AF_WHO | AF_TRAFFIC | AF(CHANNELS) | AF(BY) | AF(END_US) | AF(LATE),                     \
	  "a connection is over")                                                                  \
	X(KEX, "kex.done",                                                                         \
	  AF_WHO | AF(METHOD) | AF(HOST_KEY) | AF(CIPHER_IN) | AF(CIPHER_OUT) | AF(MAC_IN) |       \
		  AF(MAC_OUT) | AF(STRICT) | AF(FIRST),                                            \
	  "keys were exchanged")                                                                   \
	X(SERVICE, "service", AF_WHO | AF(REQUEST) | AF(OUTCOME), "a service was asked for")       \
	X(AUTH_TRY, "auth.try", AF_AUTH | AF(OUTCOME),                                             \
	  "a request to log in, or whether a key would do, and how it was answered")               \
	X(AUTH_OK, "auth.ok", AF_AUTH, "somebody is in")                                           \
	X(AUTH_PARTIAL, "auth.partial", AF_AUTH,                                                   \
	  "that was right, and more methods have to follow")                                       \
	X(AUTH_FAIL, "auth.fail", AF_AUTH | AF(REASON), "somebody tried to log in, and is not in") \
	X(AUTH_SIG, "auth.sig", AF_AUTH | AF(OUTCOME), "ReportSignatureStatus: was it good?")      \
	X(ERROR, "error", AF_WHO | AF(CAUSE) | AF(CODE) | AF(TEXT),                                \
	  "a connection is ended for what went wrong with it")                                     \
	X(DISCONNECT, "conn.disconnect", AF_WHO | AF(CODE) | AF(TEXT),                             \
	  "the client said why it goes")                                                           \
	X(CHAN_REFUSED, "chan.refused", AF_WHO | AF_TARGET | AF(REASON) | AF(CODE),                \
	  "a channel was asked for, and there is none")                                            \
	X(CHAN_OPEN, "chan.open",                                                                  \
	  AF_WHO | AF_TARGET | AF_RESULT | AF(CHANNEL) | AF(LISTENER) | AF(LATE) | AF(RULE),       \
	  "a channel was opened")                                                                  \
	X(CHAN_EOF, "chan.eof",                                                                    \
	  AF_WHO | AF(CHANNEL) | AF(DIRECTION) | AF(BYTES_IN) | AF(BYTES_OUT) | AF(LATE),          \
	  "one direction of a channel is at its end")                                              \
	X(CHAN_CLOSE, "chan.close",                                                                \
	  AF_WHO | AF_TARGET | AF_RESULT | AF_TRAFFIC | AF(CHANNEL) | AF(LISTENER) | AF(LATE) |    \
		  AF(RECORDED) | AF(RECORD_LOST) | AF(END_US) | AF(STATUS) | AF(SIGNAL),           \
	  "a channel is over")                                                                     \
	X(REQUEST, "chan.request",                                                                 \
	  AF_WHO | AF(CHANNEL) | AF(REQUEST) | AF(COMMAND) | AF(TTY) | AF(OUTCOME),                \
	  "something was asked for on a channel, as a program in a session")                       \
	X(RECORDING, "chan.recording", AF_WHO | AF(CHANNEL) | AF(FILE),                            \
	  "what a session says is kept in a file")                                                 \
	X(EXIT, "chan.exit", AF_WHO | AF(CHANNEL) | AF(STATUS) | AF(SIGNAL) | AF(TEXT),            \
	  "the program of a session has ended")                                                    \
	X(HOOK, "hook.decision", AF_WHO | AF(KIND) | AF(OUTCOME) | AF(REASON),                     \
	  "a program of the operator's was asked, by PolicyHook")                                  \
	X(LISTENER_REFUSED, "listen.refused", AF_WHO | AF(HOST) | AF(PORT) | AF(REASON),           \
	  "a listener was asked for, and there is none")                                           \
	X(LISTENER_OPEN, "listen.open", AF_WHO | AF(HOST) | AF(PORT) | AF(LISTENER) | AF(RULE),    \
	  "the gateway listens for a client")                                                      \
	X(LISTENER_CLOSE, "listen.close", AF_WHO | AF(HOST) | AF(PORT) | AF(LISTENER) | AF(CAUSE), \
	  "it does so no more")                                                                    \
	X(OPERATOR, "operator.request", AF(OPERATOR) | AF(REQUEST) | AF(TEXT),                     \
	  "somebody has steered the gateway, by sluicectl")                                        \
	X(SUPPRESSED, "log.suppressed", AF(FROM) | AF(N) | AF(BYTES),                              \
	  "records about strangers of one network that were left out: AuditSourceRate")            \
	X(GAP, "log.gap", AF(N) | AF(BYTES), "records that were lost here: AuditSpool was full")

enum audit_event {
#define X(name, text, fields, what) AUDIT_##name,
	AUDIT_EVENTS(X)
#undef X
		AUDIT_EVENT_COUNT
};
_Static_assert(AUDIT_EVENT_COUNT <= 64, "sets of them are 64 bits");

struct audit_event_info {
	const char *name, *what;
	uint64_t fields;
};

struct audit_event_info audit_event_info(enum audit_event e);
const char *audit_event_name_at(unsigned int i); /* NULL: there are no more */
const char *audit_field_name(enum audit_field f);

#endif
