/*
 * control/count.h - what control counts: how often each of its limits held somebody off.
 *
 * `show counters` shows them all, with the name of the limit: a keyword of sluice.conf(5), or what
 * it is called in the source. Since control started.
 * Thread  any; a count is whole for whoever reads it, and no more than that.
 */
#ifndef SLUICE_CONTROL_COUNT_H
#define SLUICE_CONTROL_COUNT_H

#include <stdint.h>

/* name, room, limit, what is counted */
#define CONTROL_COUNTERS(X)                                                                        \
	X(DRAINING, "door", "", "connections refused: the gateway drains")                         \
	X(PENALISED, "door", "PerSourcePenalties",                                                 \
	  "connections refused: their source is penalised")                                        \
	X(PENALTIES_FULL, "door", "PerSourcePenalties max-sources4, max-sources6",                 \
	  "penalties forgotten, or connections refused: too many sources are penalised")           \
	X(SOURCE_STARTUPS, "door", "PerSourceMaxStartups",                                         \
	  "connections refused: enough of their source are not logged in")                         \
	X(STARTUPS, "door", "MaxStartups", "connections refused: enough are not logged in")        \
	X(UNATTENDED, "door", "MaxStartups unattended",                                            \
	  "connections of agents that were told when to come: enough are not logged in")           \
	X(REFUSED, "door", "RefuseConnection", "connections ended before anything was tried")      \
	X(GRACE, "login", "LoginGraceTime", "connections ended: not logged in in time")            \
	X(SILENCE, "login", "HandshakeTimeout", "connections ended: silent while not logged in")   \
	X(TRIES, "login", "MaxAuthTries", "connections ended: too many failed tries")              \
	X(CONNECTIONS_USER, "login", "MaxConnectionsPerUser",                                      \
	  "logins refused: the user has enough connections")                                       \
	X(CONNECTIONS_SOURCE, "login", "MaxConnectionsPerSource",                                  \
	  "logins refused: enough of their source are logged in")                                  \
	X(LAPSED, "session", "EndExpiredSessions", "connections ended: what let them in is over")  \
	X(REVOKED, "session", "EndRevokedSessions",                                                \
	  "connections ended: the rules of now do not let them in")                                \
	X(SLOW_PATH, "session", "SlowPathRate", "credit held back: too many payloads a second")    \
	X(CHANNELS, "open", "MaxChannelsPerConnection", "opens refused: enough channels are open") \
	X(CHANNELS_USER, "open", "MaxChannelsPerUser",                                             \
	  "refused, or closed if they came in: the user has enough channels")                      \
	X(CHANNELS_SOURCE, "open", "MaxChannelsPerSource",                                         \
	  "refused, or closed if they came in: that address has enough channels")                  \
	X(SESSIONS, "open", "MaxSessions", "opens refused: enough sessions are open")              \
	X(CONNECTING_USER, "open", "MaxConnectingPerUser",                                         \
	  "opens refused: enough of the user's are not connected yet")                             \
	X(CONNECTING, "open", "MaxConnecting", "opens refused: enough are not connected yet")      \
	X(LISTENERS_CONNECTION, "forward", "MaxListenersPerConnection",                            \
	  "listeners refused: the connection has enough")                                          \
	X(LISTENERS_USER, "forward", "MaxListenersPerUser",                                        \
	  "listeners refused: the user has enough")                                                \
	X(LISTENERS_SOURCE, "forward", "MaxListenersPerSource",                                    \
	  "listeners refused: connections from that address have enough")                          \
	X(LISTENERS, "forward", "MaxListeners", "listeners refused: there are enough")             \
	X(RESOLVE_LATE, "open", "RESOLVE_MS", "names that were not found in time")                 \
	X(POOL_FULL, "pool", "class_max", "jobs refused: too many of their kind wait")             \
	X(POOL_LATE, "pool", "deadline_ms", "jobs that were not done in time")                     \
	X(HELPER_JOBS, "helper", "HELPER_JOBS_MAX", "jobs refused: enough run at once")            \
	X(HELPER_TALKS, "helper", "HELPER_TALKS_MAX",                                              \
	  "conversations with PAM refused: enough run at once")                                    \
	X(HELPER_USER_JOBS, "helper", "HELPER_USER_JOBS_MAX",                                      \
	  "conversations refused: the user has enough from that source; jobs: enough of his hang") \
	X(HELPER_SOURCE_JOBS, "helper", "PerSourceMaxHelperJobs",                                  \
	  "jobs refused: enough run for that source")                                              \
	X(HELPER_SESSIONS, "helper", "HELPER_SESSIONS_MAX", "sessions refused: enough run")        \
	X(HELPER_USER_SESSIONS, "helper", "HELPER_USER_SESSIONS_MAX",                              \
	  "sessions refused: the user has enough")                                                 \
	X(HELPER_BUSY, "helper", "",                                                               \
	  "jobs refused: no more descriptors or processes, or the file was read just now")         \
	X(HELPER_LATE, "helper", "HELPER_TIME_MAX", "jobs that were not done in time, and killed") \
	X(HELPER_DATA, "helper", "HELPER_ALL_MAX", "jobs that said too much")                      \
	X(HELPER_LOST, "helper", "", "jobs that crashed, or there was no helper")                  \
	X(SIGNER_ASKED, "signer", "SIGNER_ASKED_MAX",                                              \
	  "signatures refused: too many are not made yet")                                         \
	X(HOST_KEYS, "signer", "SIGNER_FILES_MAX",                                                 \
	  "host keys of HostKeyFolder not loaded: connections are shown so many others")           \
	X(RECORDINGS, "session", "RecordDirectorySize, RecordDirectoryFiles, RecordReserve",       \
	  "sessions refused, or not recorded: there is no room in RecordDirectory")                \
	X(KEYSETS, "session", "KEYSETS_MAX",                                                       \
	  "other host keys not taken: connections live of so many sets")                           \
	X(AUDIT_LOST, "audit", "AuditSpool", "audit records lost: the spool was full")             \
	X(AUDIT_SUPPRESSED, "audit", "AuditSourceRate",                                            \
	  "audit records left out: enough about strangers of their network")                       \
	X(AUDIT_REFUSED, "audit", "AuditFailure",                                                  \
	  "connections and channels refused: the audit log cannot be written")                     \
	X(HOOK_LATE, "hook", "PolicyHook timeout", "requests that were not answered in time")      \
	X(HOOK_LOST, "hook", "", "requests whose program hung up")                                 \
	X(HOOK_FULL, "hook", "HOOK_ASKED_MAX, HOOK_QUEUE_MAX, HOOK_REQUEST_MAX",                   \
	  "requests that were not made: too many wait, or too long")                               \
	X(HOOK_NEWS, "hook", "HOOK_NEWS_MAX",                                                      \
	  "news that a program was not told: it does not read, or is not there")                   \
	X(HOOK_BAD, "hook", "HOOK_LINE_MAX",                                                       \
	  "lines of a program that are no answers, or too long")                                   \
	X(HOOK_STRAY, "hook", "", "answers to nothing, or too late")                               \
	X(HOOK_DENIED, "hook", "PolicyHook", "what a program has refused")                         \
	X(HOOK_UNANSWERED, "hook", "PolicyHook fail=closed", "what was refused without an answer") \
	X(HOOK_CROWDED, "hook", "",                                                                \
	  "what was refused, whatever fail= says, as nobody could be asked")                       \
	X(HANDLER_LINES, "hook", "HANDLER_LINES_MAX",                                              \
	  "times a handler's lines waited: it said too many in a second")                          \
	X(HANDLER_GLOBALS, "hook", "",                                                             \
	  "global requests of handlers refused: their client has enough to answer")                \
	X(RELOADED, "conf", "", "configurations taken at SIGHUP")                                  \
	X(RELOAD_FAILED, "conf", "", "configurations not taken: there is an error in them")        \
	X(WEB_CLIENTS, "admin", "WEB_CLIENTS_MAX",                                                 \
	  "requests for metrics refused: enough are there")                                        \
	X(ADMIN_CLIENTS, "admin", "ADMIN_CLIENTS_MAX", "operators refused: enough are there")

enum control_counter {
#define X(name, room, limit, text) CONTROL_C_##name,
	CONTROL_COUNTERS(X)
#undef X
		CONTROL_C_COUNT
};

struct control_counter_info {
	const char *room, *name, *limit, *text;
};

void control_count(enum control_counter c);
uint64_t control_counted(enum control_counter c);
struct control_counter_info control_counter_info(enum control_counter c);

#endif
