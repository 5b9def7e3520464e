/* perf/load_report.c - marks, the line of a second, the rows of the end. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "perf/load.h"

/*
 * A core that is busier than this has nothing left: a little is missing while the other one waits
 * for its processor, which real-time priority gives for 0.95 of a second only.
 */
#define FULL   0.92
#define WAITED 0.5 /* threads that could run and had no core, at any time */

static const char *const stage_key[] = {
#define X(name, key, text) key,
	LOAD_STAGES(X)
#undef X
};
static const char *const gate_key[] = {
#define X(name, key, text) key,
	SHARD_STAGES(X)
#undef X
};

void load_mark(struct load *l, struct load_mark *ret)
{
	double ran;

	load_gate_mark(&l->gate_now, &ret->gate);
	load_cpu_of(getpid(), &ran, &ret->waited_s);
	ret->count = l->count;
	ret->retrans = tcp_counters(l->s.tcp)[TCP_C_RETRANS];
	ret->tsc = rte_rdtsc();
}

/* --- what two marks say ---------------------------------------------------------------------- */

struct span {
	double s;        /* between them */
	double up, down; /* bytes a second */
	double answers, opens, logins;
	double self;          /* busy share */
	double gate, busiest; /* shares of one core: all shards and control; the busiest shard */
	double waited;        /* for a core, by threads of the gateway's other processes */
};

static struct span span_of(const struct load *l, const struct load_mark *a,
			   const struct load_mark *b)
{
	struct span d = {.s = load_seconds(l, b->tsc - a->tsc)};
	uint64_t busy = 0;

	if (d.s <= 0)
		d.s = 1e-9;
	d.up = (double)(b->count.bytes_up - a->count.bytes_up) / d.s;
	d.down = (double)(b->count.bytes_down - a->count.bytes_down) / d.s;
	d.answers = (double)(b->count.answers - a->count.answers) / d.s;
	d.opens = (double)(b->count.opens - a->count.opens) / d.s;
	d.logins = (double)(b->count.logins - a->count.logins) / d.s;
	for (int i = 0; i < LOAD_STAGE_COUNT; i++)
		busy += b->count.stage[i] - a->count.stage[i];
	d.self = load_seconds(l, busy) / d.s;
	d.gate = (b->gate.busy_s - a->gate.busy_s + b->gate.other_s - a->gate.other_s) / d.s;
	d.waited = (b->gate.waited_s - a->gate.waited_s) / d.s;
	for (unsigned int k = 0; k < l->gate_now.n_shards; k++) {
		double busy_s = b->gate.shard_s[k] - a->gate.shard_s[k];

		d.busiest = RTE_MAX(d.busiest, busy_s / d.s);
	}
	return d;
}

void load_progress(const struct load *l, const struct load_mark *a, const struct load_mark *b)
{
	struct span d = span_of(l, a, b);

	fprintf(stderr,
		"%-8s conns %" PRIu32 " chans %" PRIu32 " | up %.3f down %.3f GB/s | answers %.0f "
		"opens %.0f logins %.0f /s | gate %.0f %% self %.0f %%\n",
		l->phase == LOAD_SETUP     ? "setup"
		: l->phase == LOAD_WARMUP  ? "warm-up"
		: l->phase == LOAD_MEASURE ? "measure"
					   : "drain",
		l->conns_up, l->chans_up, d.up / 1e9, d.down / 1e9, d.answers, d.opens, d.logins,
		100 * d.gate, 100 * d.self);
}

/* --- rows --------------------------------------------------------------------------------------
 */

struct rows {
	const struct load *l;
	FILE *json; /* NULL: none */
	unsigned int n;
};

static void row(struct rows *r, const char *what, const char *unit, double value, const char *note)
{
	const struct load_conf *c = &r->l->conf;
	const char *name = c->name != NULL ? c->name : load_mode_word(c->mode);

	printf("%-12s %-22s %14.6g %-10s %s\n", name, what, value, unit, note);
	if (r->json != NULL)
		fprintf(r->json,
			"%s {\"what\": \"%s %s\", \"unit\": \"%s\", \"sluice\": %.9g, "
			"\"peer\": null, \"ratio\": null, \"note\": \"%s\"}",
			r->n > 0 ? ",\n" : "", name, what, unit, value, note);
	r->n++;
}

static const char *limit_of(const struct span *d)
{
	if (d->busiest >= FULL)
		return d->self >= FULL ? "limit: both cores" : "limit: the gateway";
	if (d->self >= FULL)
		return "limit: the generator";
	/* Its shard polls on that core besides, which is no work. */
	return d->waited >= WAITED ? "limit: the core that control shares with others"
				   : "limit: neither core was full";
}

/* What the gateway holds more than before the first connection. */
static void rows_memory(struct rows *r)
{
	double before = (double)r->l->start.gate.memory, now = (double)r->l->to.gate.memory;

	if (r->l->gate_now.dataplane == 0 || r->l->conns_up == 0)
		return;
	row(r, "gate memory", "bytes", now, "resident, of all its processes");
	row(r, "gate memory before", "bytes", before, "of that, before the first connection");
	row(r, "memory of one", "bytes", (now - before) / r->l->conns_up,
	    "the difference; what was made room for at the start is not in it");
}

static void rows_rates(struct rows *r, const struct span *d)
{
	const struct load_conf *c = &r->l->conf;
	char note[160];

	snprintf(note, sizeof(note), "%u x %u channels, %s, MTU %u; %s", c->conns, c->chans,
		 c->cipher, c->mtu, limit_of(d));
	switch (c->mode) {
	case LOAD_UP:
	case LOAD_DOWN:
	case LOAD_BOTH:
		row(r, "goodput", "GB/s", (d->up + d->down) / 1e9, note);
		row(r, "goodput up", "GB/s", d->up / 1e9, "");
		row(r, "goodput down", "GB/s", d->down / 1e9, "");
		row(r, "per gate CPU", "GB/CPU-s",
		    d->gate > 0 ? (d->up + d->down) / 1e9 / d->gate : 0,
		    "shards' busy time and all of control's");
		break;
	case LOAD_TRIPS:
	case LOAD_REQUESTS:
		row(r, "answers", "1/s", d->answers, note);
		row(r, "per gate CPU", "1/CPU-s", d->gate > 0 ? d->answers / d->gate : 0, "");
		break;
	case LOAD_OPENS:
		row(r, "opens", "1/s", d->opens, note);
		row(r, "per gate CPU", "1/CPU-s", d->gate > 0 ? d->opens / d->gate : 0, "");
		break;
	case LOAD_LOGINS:
		row(r, "logins", "1/s", d->logins, note);
		row(r, "per gate CPU", "1/CPU-s", d->gate > 0 ? d->logins / d->gate : 0, "");
		break;
	case LOAD_IDLE:
		row(r, "connections", "", r->l->conns_up, note);
		rows_memory(r);
		break;
	default:
		break;
	}
}

static void rows_latency(struct rows *r)
{
	static const struct {
		const char *name;
		double share;
	} at[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};
	const struct hist *h = &r->l->latency;
	char name[32];

	if (h->n == 0)
		return;
	for (size_t i = 0; i < RTE_DIM(at); i++) {
		snprintf(name, sizeof(name), "latency %s", at[i].name);
		row(r, name, "us", (double)hist_at(h, at[i].share) / 1e3, "");
	}
	row(r, "latency mean", "us", hist_mean(h) / 1e3, "");
	if (r->l->conf.mode == LOAD_REQUESTS)
		row(r, "unanswered", "", (double)r->l->unanswered,
		    "due and not answered at the end; counted as old as they were");
}

static void rows_gate(struct rows *r, const struct span *d)
{
	const struct load_gate_mark *a = &r->l->from.gate, *b = &r->l->to.gate;
	char name[32], note[64];

	if (r->l->gate_now.n_shards == 0)
		return;
	row(r, "gate busy", "cores", d->gate, "shards' turns that did work, and control");
	for (int i = 0; i < SHARD_STAGE_COUNT; i++) {
		snprintf(name, sizeof(name), "gate %s", gate_key[i]);
		row(r, name, "cores", (b->stage_s[i] - a->stage_s[i]) / d->s, "");
	}
	snprintf(note, sizeof(note), "CPU time beside the shards; waited %.3f s for a core",
		 b->waited_s - a->waited_s);
	row(r, "gate control", "cores", (b->other_s - a->other_s) / d->s, note);
	row(r, "gate packets", "1/s",
	    (double)(b->rx_pkts - a->rx_pkts + b->tx_pkts - a->tx_pkts) / d->s, "in and out");
	row(r, "gate retransmits", "1/s", (double)(b->retrans - a->retrans) / d->s, "segments");
}

static void rows_self(struct rows *r, const struct span *d)
{
	const struct load_mark *a = &r->l->from, *b = &r->l->to;
	char name[32], note[64];

	snprintf(note, sizeof(note), "waited %.3f s for its core", b->waited_s - a->waited_s);
	row(r, "self busy", "cores", d->self, note);
	row(r, "self retransmits", "1/s", (double)(b->retrans - a->retrans) / d->s, "segments");
	for (int i = 0; i < LOAD_STAGE_COUNT; i++) {
		snprintf(name, sizeof(name), "self %s", stage_key[i]);
		row(r, name, "cores",
		    load_seconds(r->l, b->count.stage[i] - a->count.stage[i]) / d->s, "");
	}
}

static void rows_flood(struct rows *r, const struct span *d)
{
	const struct load_count *a = &r->l->from.count, *b = &r->l->to.count;

	if (r->l->conf.flood == FLOOD_NONE)
		return;
	row(r, "flood", "1/s", (double)(b->flood_sent - a->flood_sent) / d->s, "packets sent");
	row(r, "flood refused", "1/s", (double)(b->flood_refused - a->flood_refused) / d->s,
	    "packets the device did not take");
	row(r, "flood answers", "1/s", (double)(b->flood_answers - a->flood_answers) / d->s,
	    "packets to those who are not there");
}

static void rows_faults(struct rows *r)
{
	const struct load *l = r->l;
	char note[160];
	size_t k;

	snprintf(note, sizeof(note), "%s", l->why);
	while ((k = strcspn(note, "\"\\")) < strlen(note))
		note[k] = ' ';
	row(r, "wrong", "", (double)l->wrong, "pieces that were not what was sent");
	row(r, "lost", "bytes", (double)l->lost, "sent and not arrived at the end");
	row(r, "refused", "", (double)l->refused, "channels");
	row(r, "failed", "", (double)l->failed, note);
}

bool load_report(const struct load *l)
{
	struct rows r = {.l = l};
	struct span d = span_of(l, &l->from, &l->to);
	bool ok = true;

	if (l->conf.json != NULL) {
		r.json = fopen(l->conf.json, "we");
		if (r.json == NULL) {
			perror(l->conf.json);
			return false;
		}
		fputs("[\n", r.json);
	}
	rows_rates(&r, &d);
	rows_latency(&r);
	rows_flood(&r, &d);
	rows_gate(&r, &d);
	rows_self(&r, &d);
	rows_faults(&r);
	if (r.json != NULL) {
		fputs("\n]\n", r.json);
		ok = fclose(r.json) == 0;
	}
	return ok;
}
