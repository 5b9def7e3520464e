/*
 * client/scan/scan.c - sluice scan: the host keys of many servers at once, as files of known hosts
 * have them. One connection a host and a type of key, each given up after its time; nobody logs on.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "client/command.h"
#include "client/config/forward.h"
#include "client/reach/reach.h"
#include "client/shell/say.h"
#include "client/pump/turn.h"
#include "client/sluice.h"
#include "crypto/knownname.h"

#define AT_ONCE_MAX 256 /* connections */
#define PROBES_MAX  65536
#define SECONDS_MAX 86400
#define NAME_MAX_   300

static const char usage[] = "usage: sluice scan [-46Hv] [--json] [-f FILE] [-p PORT] [-T SECONDS] "
			    "[-t TYPE,...] HOST ...\n";

/* What is asked for, by which algorithms. */
static const struct {
	const char *name, *algs;
	bool usual;
} types[] = {
	{"rsa", "rsa-sha2-512,rsa-sha2-256,ssh-rsa", true},
	{"ecdsa", "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521", true},
	{"ed25519", "ssh-ed25519", true},
	{"ed448", "ssh-ed448", false},
	{"dsa", "ssh-dss", false},
};
#define N_TYPES (sizeof(types) / sizeof(types[0]))

struct probe {
	struct sluice *s;
	struct reach *reach; /* on the way there */
	const struct scan *scan;
	const char *host;
	unsigned int type;
	size_t place;
	bool met, over;
};

struct scan {
	const char *port, *timeout;
	uint16_t number; /* of the port */
	unsigned int seconds;
	int family;
	bool hashed, json, verbose, wanted[N_TYPES];
	char **hosts;
	size_t n_hosts;
	struct probe *probes;
	size_t n, next, busy, found;
};

/* --- what is found
 * -------------------------------------------------------------------------------------- */

static void name_of(const struct probe *p, char *buf, size_t size)
{
	if (strcmp(p->scan->port, "22") == 0)
		snprintf(buf, size, "%s", p->host);
	else
		snprintf(buf, size, "[%s]:%s", p->host, p->scan->port);
	for (; *buf != '\0'; buf++)
		if (*buf >= 'A' && *buf <= 'Z')
			*buf |= 0x20;
}

static void tell_json(const struct probe *p, const struct sluice_hostkey *k)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s}", "host", p->host, "port", p->scan->port,
			      "type", k->type, "key", k->line, "sha256", k->sha256);

	if (o == NULL)
		return;
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

static int on_hostkey(void *arg, struct sluice *s, const struct sluice_hostkey *k)
{
	struct probe *p = arg;
	char name[NAME_MAX_], hidden[KNOWNNAME_LEN + 1], version[300];

	p->met = true;
	name_of(p, name, sizeof(name));
	if (sluice_info(s, SLUICE_INFO_PEER_VERSION, version, sizeof(version)) > 0 &&
	    !p->scan->json)
		say(SAY_QUIET, "# %s:%s %s", p->host, p->scan->port, version);
	if (p->scan->json) {
		tell_json(p, k);
	} else if (p->scan->hashed) {
		if (knownname_hash(name, hidden) == 0)
			printf("%s %s\n", hidden, k->line);
	} else {
		printf("%s %s\n", name, k->line);
	}
	fflush(stdout);
	return 0;
}

/* --- one server
 * -------------------------------------------------------------------------------------------- */

static void probe_over(struct scan *m, struct probe *p, int err)
{
	char why[400];

	m->found += p->met;
	m->busy--;
	p->over = true;
	if (!p->met && m->verbose) {
		if (p->reach != NULL)
			snprintf(why, sizeof(why), "%s", reach_why(p->reach));
		else if (sluice_error_last(p->s, why, sizeof(why)) == 0)
			snprintf(why, sizeof(why), "%s", sluice_strerror(err));
		say(SAY_QUIET, "# %s:%s %s: %s", p->host, m->port, types[p->type].name, why);
	}
	sluice_free(p->s);
	reach_free(p->reach);
	p->s = NULL;
	p->reach = NULL;
}

static void probe_begin(struct scan *m, struct probe *p)
{
	const struct sluice_ops ops = {.size = sizeof(ops), .on_hostkey = on_hostkey};
	const char *const set[][2] = {
		{"Hostname", p->host},          {"Port", m->port},
		{"ConnectTimeout", m->timeout}, {"HostKeyAlgorithms", types[p->type].algs},
		{"OperationTimeout", "0"},      {"LogLevel", "QUIET"},
		{"UserKnownHostsFile", "none"}, {"GlobalKnownHostsFile", "none"},
	};
	const struct reach_conf conf = {.host = p->host,
					.port = m->number,
					.family = m->family,
					.timeout_ms = m->seconds * 1000};
	int r = sluice_new(&p->s);

	m->busy++;
	p->scan = m;
	if (r == 0)
		r = sluice_ops_set(p->s, &ops, p);
	for (size_t i = 0; r == 0 && i < sizeof(set) / sizeof(set[0]); i++)
		r = sluice_set(p->s, set[i][0], set[i][1]);
	if (r == 0)
		r = reach_new(&conf, &p->reach);
	if (r < 0)
		probe_over(m, p, r);
}

static void probe_prepare(const struct probe *p, struct turn *t)
{
	if (p->reach != NULL) {
		turn_add(t, reach_fd(p->reach), POLLIN);
		return;
	}
	turn_add(t, sluice_fd(p->s), sluice_events(p->s));
	turn_within(t, sluice_timeout_ms(p->s));
}

static void probe_go(struct scan *m, struct probe *p)
{
	struct reach_link link;
	int r;

	if (p->reach != NULL) {
		r = reach_step(p->reach, &link);
		if (r == 0) {
			reach_free(p->reach);
			p->reach = NULL;
			r = sluice_connect_fd(p->s, link.fd);
		}
		if (r < 0 && r != -EAGAIN && r != -SLUICE_E_WOULD_BLOCK)
			probe_over(m, p, r);
		return;
	}
	r = sluice_dispatch(p->s, 0);
	if (r < 0 && r != -SLUICE_E_WOULD_BLOCK)
		probe_over(m, p, r);
}

static void loop(struct scan *m)
{
	struct turn t = {0};
	size_t first = 0; /* those before it are over */

	while (m->next < m->n || m->busy > 0) {
		while (m->next < m->n && m->busy < AT_ONCE_MAX)
			probe_begin(m, &m->probes[m->next++]);
		while (first < m->next && m->probes[first].over)
			first++;
		turn_begin(&t);
		for (size_t i = first; i < m->next; i++)
			if (!m->probes[i].over)
				probe_prepare(&m->probes[i], &t);
		if (m->busy == 0 || turn_wait(&t) < 0)
			continue;
		for (size_t i = first; i < m->next; i++)
			if (!m->probes[i].over)
				probe_go(m, &m->probes[i]);
	}
	turn_fini(&t);
}

/* --- which
 * ----------------------------------------------------------------------------------------------------
 */

static int types_read(struct scan *m, const char *list)
{
	memset(m->wanted, 0, sizeof(m->wanted));
	while (*list != '\0') {
		size_t n = strcspn(list, ","), i = 0;

		while (i < N_TYPES &&
		       (strlen(types[i].name) != n || strncmp(types[i].name, list, n) != 0))
			i++;
		if (i == N_TYPES) {
			fprintf(stderr, "sluice scan: unknown key type \"%.*s\"\n", (int)n, list);
			return -EINVAL;
		}
		m->wanted[i] = true;
		list += n + (list[n] == ',');
	}
	return 0;
}

static int host_add(struct scan *m, const char *host)
{
	char **hosts;

	if (!destination_host_ok(host)) {
		fprintf(stderr, "sluice scan: bad host \"%.100s\"\n", host);
		return -EINVAL;
	}
	hosts = reallocarray(m->hosts, m->n_hosts + 1, sizeof(*hosts));
	if (hosts == NULL)
		return -ENOMEM;
	m->hosts = hosts;
	hosts[m->n_hosts] = strdup(host);
	return hosts[m->n_hosts] != NULL ? (m->n_hosts++, 0) : -ENOMEM;
}

/* Lines of hosts, as ssh-keyscan has them: "HOST" or "ADDRESSES NAMES". */
static int file_read(struct scan *m, const char *path)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char line[4096];
	int r = 0;

	if (f == NULL) {
		fprintf(stderr, "sluice scan: %s: %s\n", path, strerror(errno));
		return -errno;
	}
	while (r == 0 && fgets(line, sizeof(line), f) != NULL) {
		char *p = line + strspn(line, " \t");

		p[strcspn(p, "# \t\r\n")] = '\0';
		for (char *rest = p, *h; r == 0 && (h = strsep(&rest, ",")) != NULL;)
			if (*h != '\0')
				r = host_add(m, h);
	}
	if (f != stdin)
		fclose(f);
	return r;
}

static int probes_make(struct scan *m)
{
	m->probes = calloc(m->n_hosts * N_TYPES, sizeof(*m->probes));
	if (m->probes == NULL)
		return -ENOMEM;
	for (size_t h = 0; h < m->n_hosts; h++)
		for (unsigned int i = 0; i < N_TYPES; i++)
			if (m->wanted[i])
				m->probes[m->n++] = (struct probe){.host = m->hosts[h], .type = i};
	return 0;
}

static int seconds_read(struct scan *m, const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || n == 0 || n > SECONDS_MAX)
		return -EINVAL;
	m->timeout = text;
	m->seconds = (unsigned int)n;
	return 0;
}

/* 0, or the exit status; -1: it is over, and all is well. */
static int options(struct scan *m, int argc, char **argv)
{
	static const struct option longs[] = {
		{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
	int opt, r = 0;

	optind = 1;
	while (r == 0 && (opt = getopt_long(argc, argv, "46f:HhjT:t:p:v", longs, NULL)) != -1) {
		if (opt == 'f')
			r = file_read(m, optarg);
		else if (opt == 't')
			r = types_read(m, optarg);
		else if (opt == 'p')
			r = port_parse(optarg, false, &m->number) ? (m->port = optarg, 0) : -EINVAL;
		else if (opt == 'T')
			r = seconds_read(m, optarg);
		else if (opt == 'H')
			m->hashed = true;
		else if (opt == 'j')
			m->json = true;
		else if (opt == 'v')
			m->verbose = true;
		else if (opt == '4' || opt == '6')
			m->family = opt == '4' ? AF_INET : AF_INET6;
		else if (opt == 'h')
			return fputs(usage, stdout) < 0 ? EXIT_FAILED : -1;
		else
			r = -EINVAL;
	}
	for (; r == 0 && optind < argc; optind++)
		r = host_add(m, argv[optind]);
	if (r == -EINVAL || (r == 0 && m->n_hosts == 0)) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	return r < 0 ? EXIT_FAILED : 0;
}

int scan_main(int argc, char **argv)
{
	struct scan m = {.port = "22", .number = 22, .timeout = "5", .seconds = 5};
	int status;

	for (unsigned int i = 0; i < N_TYPES; i++)
		m.wanted[i] = types[i].usual;
	signal(SIGPIPE, SIG_IGN);
	status = options(&m, argc, argv);
	if (status == 0 && m.n_hosts * N_TYPES > PROBES_MAX)
		status = EXIT_USAGE;
	if (status == 0 && probes_make(&m) < 0)
		status = EXIT_FAILED;
	if (status == 0) {
		loop(&m);
		status = m.found > 0 ? 0 : EXIT_FAILED;
	}
	for (size_t i = 0; i < m.n_hosts; i++)
		free(m.hosts[i]);
	free(m.hosts);
	free(m.probes);
	return status < 0 ? 0 : status;
}
