/* control/admin/fields.c - see fields.h. */
#include "control/admin/fields.h"

#include <string.h>

/* clang-format off */
#define TEXT(name, title, text)       {name, ADMIN_STRING, ADMIN_PLAIN, false, title, text}
#define MAYBE(name, title, text)      {name, ADMIN_STRING, ADMIN_PLAIN, true, title, text}
#define COUNT(name, title, text)      {name, ADMIN_INTEGER, ADMIN_PLAIN, false, title, text}
#define COUNT_MAYBE(name, title, text) {name, ADMIN_INTEGER, ADMIN_PLAIN, true, title, text}
#define UNIT(name, unit, title, text) {name, ADMIN_INTEGER, unit, false, title, text}
#define UNIT_MAYBE(name, unit, title, text) {name, ADMIN_INTEGER, unit, true, title, text}
#define YES(name, title, text)        {name, ADMIN_BOOLEAN, ADMIN_PLAIN, false, title, text}

/* Of the client, and to it. */
#define CAPPED(whose)                                                                              \
	UNIT_MAYBE("capped_in", ADMIN_BYTES, NULL,                                                 \
		   "bytes of the client on " whose " that had to wait since it has a rate, 0 while it has none; null: a shard did not answer, or at a console"), \
	UNIT_MAYBE("capped_out", ADMIN_BYTES, NULL, "the same of bytes to the client"),            \
	UNIT_MAYBE("capped_time_in", ADMIN_MICROSECONDS, NULL,                                     \
		   "how long bytes of the client waited for rates, all channels added up; null as above"), \
	UNIT_MAYBE("capped_time_out", ADMIN_MICROSECONDS, NULL, "the same of bytes to the client")

static const struct admin_field connections[] = {
	COUNT("uid", "CONN", "number of the connection; since the start of the dataplane no other had it"),
	MAYBE("user", "USER", "who is in; null before the login"),
	TEXT("source", "SOURCE", "address of the client"),
	COUNT("port", "PORT", "port of the client"),
	TEXT("local", NULL, "address of the gateway that the client came to"),
	COUNT("local_port", NULL, "its port"),
	COUNT("shard", "SHARD", "number of its shard"),
	TEXT("state", "STATE", "login, open or ending"),
	UNIT("since", ADMIN_UNIX, "AGE", "when it came"),
	COUNT("channels", "CHANNELS", "channels that are open"),
	COUNT("listeners", "LISTENERS", "listeners of the client"),
	MAYBE("key", NULL, "SHA256 fingerprint of the key that let in; null: none did, or it was not kept"),
	MAYBE("client", "CLIENT", "identification of the client's program; null until it was said"),
	YES("strict_kex", NULL, "strict key exchange is in force"),
	CAPPED("its channels, those that are over, too,"),
};

static const struct admin_field channels[] = {
	MAYBE("channel", "CHANNEL", "connection and number, as close takes it; null of a connection that sluice-control does not know"),
	COUNT_MAYBE("uid", NULL, "the connection"),
	MAYBE("user", "USER", "who is in"),
	MAYBE("source", NULL, "address of the client"),
	COUNT("shard", "SHARD", "number of its shard"),
	MAYBE("type", "TYPE", "what it was opened as"),
	MAYBE("host", "HOST", "target as the client asked for it, or where it came in"),
	COUNT_MAYBE("port", "PORT", "its port"),
	MAYBE("address", NULL, "of the target that answered, or of who came in; null: it has none"),
	TEXT("state", "STATE", "opening, open or ending"),
	UNIT("bytes_in", ADMIN_BYTES, "IN", "bytes of the client"),
	UNIT("bytes_out", ADMIN_BYTES, "OUT", "bytes to the client"),
	TEXT("slow_in", "WAITS-IN", "what bytes of the client wait for: client, target, congestion, rekey, memory, control, cap; -: nothing"),
	TEXT("slow_out", "WAITS-OUT", "what bytes to the client wait for: target, client, window, congestion, rekey, core, cap; -: nothing"),
	UNIT("age", ADMIN_MICROSECONDS, "AGE", "since it was opened"),
	UNIT("idle", ADMIN_MICROSECONDS, "IDLE", "since its last byte"),
	UNIT("window_in", ADMIN_BYTES, NULL, "what the client may still send"),
	UNIT("window_in_max", ADMIN_BYTES, NULL, "what that is kept at"),
	UNIT("window_out", ADMIN_BYTES, NULL, "what the client takes"),
	UNIT("held_in", ADMIN_BYTES, NULL, "bytes given to the target that it has not taken"),
	UNIT("held_out", ADMIN_BYTES, NULL, "bytes of the target that wait"),
	TEXT("cap_in", NULL, "whose rate held bytes of the client back, the last time: channel, connection, user, role; -: none did"),
	TEXT("cap_out", NULL, "the same of bytes to the client"),
	UNIT("capped_in", ADMIN_BYTES, NULL, "bytes of the client that had to wait for a rate"),
	UNIT("capped_out", ADMIN_BYTES, NULL, "bytes to the client that had to"),
	UNIT("capped_time_in", ADMIN_MICROSECONDS, NULL, "how long bytes of the client waited for rates"),
	UNIT("capped_time_out", ADMIN_MICROSECONDS, NULL, "how long bytes to the client did"),
	UNIT_MAYBE("client_rtt", ADMIN_MICROSECONDS, NULL, "round trip to the client; null: not known"),
	UNIT_MAYBE("target_rtt", ADMIN_MICROSECONDS, NULL, "round trip to the target; null: not known"),
};

static const struct admin_field tunnels[] = {
	COUNT("uid", "CONN", "the connection"),
	TEXT("user", "USER", "who is in"),
	TEXT("source", "SOURCE", "address of the client"),
	TEXT("kind", "KIND", "to: the client reaches a target; from: what comes in at a listener reaches the client"),
	TEXT("host", "HOST", "target, or address to listen on, as the client wrote it; the path of a UNIX socket"),
	COUNT("port", "PORT", "its port; 0: a UNIX socket"),
	COUNT("channels", "CHANNELS", "channels open by it"),
};

static const struct admin_field listeners[] = {
	TEXT("kind", "KIND", "gateway: of ListenAddress; client: asked for by a client"),
	TEXT("address", "ADDRESS", "what is listened on: addresses with commas, *: every one, or the path of a UNIX socket"),
	COUNT("port", "PORT", "the port; 0: a UNIX socket, or one that the dataplane chooses and has not said yet"),
	TEXT("state", "STATE", "up, starting, failed, drained; of a client: up, asking, waiting or ending"),
	COUNT_MAYBE("uid", "CONN", "the client's connection; null of the gateway's own"),
	MAYBE("user", "USER", "who is in"),
	COUNT("channels", "CHANNELS", "channels that came in by it; of the gateway's own 0"),
	MAYBE("rdomain", "RDOMAIN", "the routing domain of the kernel's that it is bound to; null: none"),
};

static const struct admin_field users[] = {
	TEXT("user", "USER", "who"),
	COUNT("connections", "CONNECTIONS", "connections that are in"),
	COUNT("channels", "CHANNELS", "their channels"),
	COUNT("listeners", "LISTENERS", "their listeners"),
	UNIT("since", ADMIN_UNIX, "AGE", "when the oldest of them came"),
	CAPPED("those connections"),
};

static const struct admin_field penalties[] = {
	TEXT("source", "SOURCE", "a network of PerSourceNetBlockSize"),
	TEXT("reason", "REASON", "the last one"),
	{"seconds", ADMIN_NUMBER, ADMIN_SECONDS, false, "LEFT", "how long it lasts"},
	YES("active", "ACTIVE", "refused; else not yet at min of PerSourcePenalties"),
};

static const struct admin_field limits[] = {
	TEXT("limit", "LIMIT", "a keyword of sluice.conf(5), or a bound that no keyword sets"),
	TEXT("scope", "SCOPE", "control, or a shard"),
	COUNT_MAYBE("used", "USED", "now; of a limit for each user, source or connection what the one has that has most; null: a time, a size, a rate or a rule, of which nothing is"),
	COUNT_MAYBE("max", "MAX", "the most; null: none"),
	COUNT("refused", "REFUSED", "how often it held somebody off"),
	TEXT("text", "MEANING", "what is counted as refused"),
};

static const struct admin_field ports[] = {
	TEXT("port", "PORT", "name of the Interface"),
	TEXT("device", "DEVICE", "of DPDK's"),
	COUNT("mtu", "MTU", "as configured; 0: the device's"),
	{"addresses", ADMIN_STRINGS, ADMIN_PLAIN, false, "ADDRESSES", "with their prefixes"},
	{"counters", ADMIN_COUNTS, ADMIN_PLAIN, false, "COUNTERS", "of all shards together"},
};

static const struct admin_field lcores[] = {
	TEXT("dataplane", "DATAPLANE", "its name"),
	COUNT("shard", "SHARD", "number of the shard, which is one lcore"),
	COUNT("hz", NULL, "cycles of a second"),
	COUNT("cycles", "CYCLES", "cycles of turns that did work"),
	{"stages", ADMIN_COUNTS, ADMIN_PLAIN, false, NULL, "cycles by stage"},
	COUNT("turns", "TURNS", "turns"),
	COUNT("busy_turns", "BUSY", "of them, that found work"),
	COUNT("sleeps", "SLEEPS", "times it slept"),
	COUNT("connections", "CONNECTIONS", "connections it has"),
	COUNT("channels", "CHANNELS", "channels it has"),
	UNIT("bytes_in", ADMIN_BYTES, "IN", "bytes of clients' channels"),
	UNIT("bytes_out", ADMIN_BYTES, "OUT", "bytes to clients' channels"),
	COUNT("buffers", "BUFFERS", "in use; of all shards that draw on them"),
	COUNT("buffers_max", NULL, "that there are"),
};

static const struct admin_field config[] = {
	TEXT("keyword", "KEYWORD", "lower case"),
	TEXT("value", "VALUE", "what is in force outside of every Match"),
};

static const struct admin_field errors[] = {
	UNIT("time", ADMIN_UNIX, "AGO", "when it happened last"),
	COUNT("times", "TIMES", "how often in a row"),
	MAYBE("counter", "COUNTER", "that counts it; null: a line of the log at ERROR or FATAL"),
	MAYBE("limit", "LIMIT", "what held somebody off"),
	TEXT("text", "TEXT", "what is counted, or the line"),
};
/* clang-format on */

#define SUBJECT(name, filtered, text)                                                              \
	{                                                                                          \
#name, name, sizeof(name) / sizeof((name)[0]), filtered, text                      \
	}

static const struct admin_subject subjects[] = {
	SUBJECT(connections, true, "clients that are connected"),
	SUBJECT(channels, true, "channels, how much they moved, what they wait for"),
	SUBJECT(tunnels, true, "what connections forward, by target or listener"),
	SUBJECT(listeners, true, "where connections are accepted"),
	SUBJECT(users, true, "who is in, once each"),
	SUBJECT(penalties, false, "sources that misbehaved"),
	SUBJECT(limits, false, "every limit: how much of it is used, how often it refused"),
	SUBJECT(ports, false, "interfaces and what they count"),
	SUBJECT(lcores, false, "shards, and where their cycles go"),
	SUBJECT(config, false, "the configuration in force"),
	SUBJECT(errors, false, "the latest refusals and errors"),
};

const struct admin_subject *admin_subject_at(size_t i)
{
	return i < sizeof(subjects) / sizeof(subjects[0]) ? &subjects[i] : NULL;
}

const struct admin_subject *admin_subject_find(const char *name)
{
	const struct admin_subject *s;

	for (size_t i = 0; (s = admin_subject_at(i)) != NULL; i++)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}
