/* perf/load_conf.c - see load_conf.h. */
#include "perf/load_conf.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const mode_word[] = {[LOAD_MODE_NONE] = "",
#define X(name, word, text) [LOAD_##name] = word,
					LOAD_MODES(X)
#undef X
};
static const char *const flood_word[] = {[FLOOD_NONE] = "",
#define X(name, word, text) [FLOOD_##name] = word,
					 FLOOD_KINDS(X)
#undef X
};

/* What is on its way stays in a core's cache, unless there are too many connections. */
#define BUFFER_ALL (1u << 20)
#define BUFFER_MIN (64u << 10)

#define WORDS(table) ((unsigned int)(sizeof(table) / sizeof((table)[0])))

enum type { TEXT, NUMBER, U32, U16, INT, YES };

#define AT(field) offsetof(struct load_conf, field)

static const struct option {
	const char *name;
	enum type type;
	size_t at;
	double min, max;
	const char *help;
} option[] = {
	{"--conns", U32, AT(conns), 1, LOAD_CONNS_MAX, "connections; 1"},
	{"--idle", U32, AT(idle), 0, LOAD_CONNS_MAX,
	 "connections beside them that log in and stay; 0"},
	{"--chans", U32, AT(chans), 1, 4096, "channels of each; 1"},
	{"--seconds", NUMBER, AT(seconds), 0.01, 86400, "of the measurement; 2"},
	{"--warmup", NUMBER, AT(warmup_s), 0, 3600, "seconds before it; 0.5"},
	{"--setup", NUMBER, AT(setup_s), 1, 86400, "seconds for logins and opens before that; 30"},
	{"--cipher", TEXT, AT(cipher), 0, 0, "as in ssh -c; aes256-gcm@openssh.com"},
	{"--mac", TEXT, AT(mac), 0, 0, "as in ssh -m"},
	{"--kex", TEXT, AT(kex), 0, 0, "as KexAlgorithms of ssh_config; all, the best first"},
	{"--payload", U32, AT(payload), 1, 32768, "bytes of a bulk message; 32768"},
	{"--request", U32, AT(request), 8, 1 << 20, "bytes of a request; 64"},
	{"--response", U32, AT(response), 1, 1 << 20, "bytes of its answer; 64"},
	{"--rate", NUMBER, AT(rate), 1, 1e8, "requests a second in all; 10000"},
	{"--logins", U32, AT(logins), 1, 4096, "connections that log in at once; 32"},
	{"--window", U32, AT(window), 65536, 15 << 20,
	 "of a channel, granted by the client; 2 MiB"},
	{"--buffer", U32, AT(buffer), 16384, 64 << 20,
	 "of a TCP connection, each way; what keeps 1 MiB on its way, at least 64 KiB"},
	{"--core", INT, AT(core), -1, 1023, "to stay on; 1"},
	{"--memory", U32, AT(memory_mb), 128, 1 << 20, "MiB for DPDK; 512"},
	{"--outside", TEXT, AT(outside), 0, 0, "DPDK device of the clients"},
	{"--inside", TEXT, AT(inside), 0, 0, "DPDK device of the targets"},
	{"--outside-own", TEXT, AT(outside_own), 0, 0, "clients' address; 198.18.0.1/24"},
	{"--inside-own", TEXT, AT(inside_own), 0, 0, "targets' address; 198.19.0.1/24"},
	{"--gate", TEXT, AT(gate), 0, 0, "the gateway's address; 198.18.0.2"},
	{"--port", U16, AT(gate_port), 1, 65535, "its first port; 22"},
	{"--ports", U16, AT(gate_ports), 1, 256, "how many from there on it listens on; 1"},
	{"--mtu", U16, AT(mtu), 576, 9000, "of both devices; 1500"},
	{"--user", TEXT, AT(user), 0, 0, "who logs in; demo"},
	{"--key", TEXT, AT(key), 0, 0, "his private key"},
	{"--make-key", TEXT, AT(make_key), 0, 0, "makes such a file, prints the line, ends"},
	{"--flood-rate", NUMBER, AT(flood_rate), 1, 1e8, "packets a second; 1000000"},
	{"--dataplane", INT, AT(dataplane), 1, 1e9, "its PID"},
	{"--realtime", YES, AT(realtime), 0, 0,
	 "it and we have real-time priority while it is measured; no"},
	{"--json", TEXT, AT(json), 0, 0, "writes the rows there, too"},
	{"--name", TEXT, AT(name), 0, 0, "begins the names of the rows; the mode"},
};

static void usage(void)
{
	fprintf(stderr, "usage: sluice-load --mode MODE --outside DEVICE --inside DEVICE "
			"[OPTION VALUE]...\n"
			"       sluice-load --make-key FILE\n"
			"Modes:\n");
#define X(name, word, text) fprintf(stderr, "  %-13s %s\n", word, text);
	LOAD_MODES(X)
#undef X
	fprintf(stderr, "Options, and what they are without:\n");
	for (unsigned int i = 0; i < WORDS(option); i++)
		fprintf(stderr, "  %-13s %s\n", option[i].name, option[i].help);
	fprintf(stderr, "  %-13s %s\n", "--gate-stats", "FILE of a shard; may be repeated");
	fprintf(stderr, "  %-13s %s\n", "--gate-pid",
		"whose CPU time is the gateway's, too; may be repeated");
	fprintf(stderr, "  %-13s %s\n", "--flood", "beside the mode, one of:");
#define X(name, word, text) fprintf(stderr, "    %-11s %s\n", word, text);
	FLOOD_KINDS(X)
#undef X
}

static unsigned int word_find(const char *const *word, unsigned int n, const char *text)
{
	for (unsigned int i = 1; i < n; i++)
		if (strcmp(word[i], text) == 0)
			return i;
	return 0;
}

static bool number_parse(const struct option *o, const char *text, double *ret)
{
	char *end;

	*ret = strtod(text, &end);
	return end != text && *end == '\0' && *ret >= o->min && *ret <= o->max;
}

static bool option_set(const struct option *o, const char *value, struct load_conf *c)
{
	void *at = (char *)c + o->at;
	double v;

	if (o->type == TEXT) {
		*(const char **)at = value;
		return true;
	}
	if (o->type == YES) {
		*(bool *)at = strcmp(value, "yes") == 0;
		return *(bool *)at || strcmp(value, "no") == 0;
	}
	if (!number_parse(o, value, &v))
		return false;
	if (o->type == NUMBER)
		*(double *)at = v;
	else if (o->type == U32)
		*(uint32_t *)at = (uint32_t)v;
	else if (o->type == U16)
		*(uint16_t *)at = (uint16_t)v;
	else
		*(int *)at = (int)v;
	return true;
}

/* What is not one value of one kind. */
static bool special_set(const char *name, const char *value, struct load_conf *c, bool *ret_known)
{
	*ret_known = true;
	if (strcmp(name, "--mode") == 0) {
		c->mode = (enum load_mode)word_find(mode_word, WORDS(mode_word), value);
		return c->mode != LOAD_MODE_NONE;
	}
	if (strcmp(name, "--flood") == 0) {
		c->flood = (enum flood_kind)word_find(flood_word, WORDS(flood_word), value);
		return c->flood != FLOOD_NONE;
	}
	if (strcmp(name, "--gate-stats") == 0 && c->n_stats < LOAD_SHARDS_MAX) {
		c->stats[c->n_stats++] = value;
		return true;
	}
	if (strcmp(name, "--gate-pid") == 0 && c->n_pids < LOAD_PIDS_MAX) {
		c->pid[c->n_pids++] = atoi(value);
		return c->pid[c->n_pids - 1] > 0;
	}
	*ret_known = false;
	return false;
}

static bool one_set(const char *name, const char *value, struct load_conf *c)
{
	bool known, ok = special_set(name, value, c, &known);

	for (unsigned int i = 0; !known && i < WORDS(option); i++) {
		if (strcmp(option[i].name, name) == 0)
			return option_set(&option[i], value, c);
	}
	return ok;
}

/* What is missing or does not fit together. NULL: nothing. */
static const char *check(const struct load_conf *c)
{
	if (c->make_key != NULL)
		return NULL;
	if (c->mode == LOAD_MODE_NONE)
		return "no --mode";
	if (c->outside == NULL || c->inside == NULL)
		return "no --outside or --inside";
	if (c->key == NULL && c->mode != LOAD_FLOOD)
		return "no --key";
	if (c->mode == LOAD_FLOOD && c->flood == FLOOD_NONE)
		return "no --flood";
	if ((uint64_t)c->conns * c->chans > LOAD_CHANS_MAX)
		return "too many channels";
	return NULL;
}

bool load_conf_parse(int argc, char **argv, struct load_conf *ret)
{
	const char *why;

	*ret = (struct load_conf){
		.conns = 1,
		.chans = 1,
		.seconds = 2,
		.warmup_s = 0.5,
		.setup_s = 30,
		.cipher = "aes256-gcm@openssh.com",
		.payload = 32768,
		.request = 64,
		.response = 64,
		.rate = 10000,
		.logins = 32,
		.window = 2 << 20,
		.core = 1,
		.memory_mb = 512,
		.outside_own = "198.18.0.1/24",
		.inside_own = "198.19.0.1/24",
		.gate = "198.18.0.2",
		.gate_port = 22,
		.gate_ports = 1,
		.mtu = 1500,
		.user = "demo",
		.flood_rate = 1e6,
	};
	for (int i = 1; i < argc; i += 2) {
		if (i + 1 < argc && one_set(argv[i], argv[i + 1], ret))
			continue;
		if (strcmp(argv[i], "--help") != 0)
			fprintf(stderr, "sluice-load: %s: unknown, or a value it does not take\n",
				argv[i]);
		usage();
		return false;
	}
	if (ret->buffer == 0)
		ret->buffer =
			BUFFER_ALL / ret->conns > BUFFER_MIN ? BUFFER_ALL / ret->conns : BUFFER_MIN;
	why = check(ret);
	if (why != NULL)
		fprintf(stderr, "sluice-load: %s; --help lists all\n", why);
	return why == NULL;
}

const char *load_mode_word(enum load_mode mode)
{
	return mode_word[mode];
}
