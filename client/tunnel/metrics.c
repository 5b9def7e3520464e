/* client/tunnel/metrics.c - see metrics.h. */
#include "client/tunnel/metrics.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/tunnel/tunnel.h"

/* One family, of each host; direction NULL: it has one value. */
struct family {
	const char *name, *help;
	bool counter;
	const char *direction;
	uint64_t (*value)(const struct tunnel *t);
};

static uint64_t connected(const struct tunnel *t)
{
	return t->conn.state == STAY_UP;
}

static uint64_t up(const struct tunnel *t)
{
	return t->whole;
}

static uint64_t ups(const struct tunnel *t)
{
	return t->past.ups;
}

static uint64_t downs(const struct tunnel *t)
{
	return t->past.downs;
}

static uint64_t tries(const struct tunnel *t)
{
	return t->past.tries;
}

static uint64_t channels(const struct tunnel *t)
{
	return t->running ? t->run.relays.n : 0;
}

static uint64_t channels_all(const struct tunnel *t)
{
	return tunnel_past(t).channels;
}

static uint64_t channels_refused(const struct tunnel *t)
{
	return tunnel_past(t).refused;
}

static uint64_t bytes_in(const struct tunnel *t)
{
	return tunnel_past(t).bytes_down;
}

static uint64_t bytes_out(const struct tunnel *t)
{
	return tunnel_past(t).bytes_up;
}

static const struct family families[] = {
	{"connected", "the host is logged on to", false, NULL, connected},
	{"up", "and all its forwards are there", false, NULL, up},
	{"connections", "connections that came up", true, NULL, ups},
	{"failures", "connections that broke, and tries of one that failed", true, NULL, downs},
	{"attempts", "tries after the first, of connections and of forwards", true, NULL, tries},
	{"open_channels", "forwarded connections that are open", false, NULL, channels},
	{"channels", "forwarded connections there were", true, NULL, channels_all},
	{"channels_refused", "those that from= of their listener does not let in", true, NULL,
	 channels_refused},
	{"bytes", "bytes of forwarded connections, from the server and to it", true, "in",
	 bytes_in},
	{"bytes", NULL, true, "out", bytes_out},
};

/* Within quotes. */
static void label(FILE *f, const char *text)
{
	for (; *text != '\0'; text++)
		if (*text >= ' ' && *text <= '~' && *text != '"' && *text != '\\')
			fputc(*text, f);
}

static void sample(FILE *f, const struct family *m, const struct tunnel *t)
{
	fprintf(f, "sluice_tunnel_%s%s{host=\"", m->name, m->counter ? "_total" : "");
	label(f, t->name);
	if (m->direction != NULL)
		fprintf(f, "\",direction=\"%s", m->direction);
	fprintf(f, "\"} %llu\n", (unsigned long long)m->value(t));
}

/* In the older format a counter's own name has its ending already. */
static void family_begin(FILE *f, const char *name, const char *help, bool counter,
			 bool open_metrics)
{
	const char *ending = counter && !open_metrics ? "_total" : "";

	fprintf(f, "# HELP sluice_tunnel_%s%s %s\n# TYPE sluice_tunnel_%s%s %s\n", name, ending,
		help, name, ending, counter ? "counter" : "gauge");
}

/* Of the agent itself. */
static void own(FILE *f, const char *name, const char *help, uint64_t value, bool open_metrics)
{
	family_begin(f, name, help, true, open_metrics);
	fprintf(f, "sluice_tunnel_%s_total %llu\n", name, (unsigned long long)value);
}

/* False: it is more than max. */
static bool hosts(FILE *f, const struct metrics_of *of, bool open_metrics, long max)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		const struct family *m = &families[i];

		if (m->help != NULL)
			family_begin(f, m->name, m->help, m->counter, open_metrics);
		for (size_t j = 0; j < of->n; j++) {
			if (ftell(f) > max)
				return false;
			sample(f, m, of->v[j]);
		}
	}
	return true;
}

int metrics_page(const struct metrics_of *of, bool open_metrics, size_t max, char **ret,
		 size_t *ret_len)
{
	char *page = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&page, &len);
	bool fits;

	if (f == NULL)
		return -ENOMEM;
	own(f, "clients_refused", "who asked for this and was turned away", of->refused,
	    open_metrics);
	own(f, "clients_late", "who asked, or took his answer, for too long", of->late,
	    open_metrics);
	fits = hosts(f, of, open_metrics, (long)max);
	if (open_metrics)
		fputs("# EOF\n", f);
	if (fclose(f) != 0) {
		free(page);
		return -ENOMEM;
	}
	if (!fits || len > max) {
		free(page);
		return -EFBIG;
	}
	*ret = page;
	*ret_len = len;
	return 0;
}
