/* control/admin/metrics.c - see metrics.h. */
#include "control/admin/metrics.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/admin/limits.h"
#include "control/admin/shards.h"
#include "control/count.h"

#define NAME_MAX_LEN 96
#define LABELS_MAX   256

struct page {
	struct answer_text *out;
	bool open; /* OpenMetrics */
	int err;   /* the first that there was */
};

__attribute__((format(printf, 2, 3))) static void put(struct page *p, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (p->err == 0)
		p->err = n < 0 || (size_t)n >= sizeof(text)
				 ? -EMSGSIZE
				 : answer_text_add(p->out, text, (size_t)n);
}

/* Of a metric or a label: letters, digits, '_'; in lower case. */
static const char *name_of(const char *room, const char *name, char buf[NAME_MAX_LEN])
{
	int n = snprintf(buf, NAME_MAX_LEN, "sluice_%s_%s", room, name);

	for (int i = 0; i < n && i < NAME_MAX_LEN - 1; i++) {
		char c = buf[i];

		if (c >= 'A' && c <= 'Z')
			buf[i] = (char)(c | 0x20);
		else if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
			buf[i] = '_';
	}
	return buf;
}

/* Within quotes or a line: what would end either is left out. */
static const char *quoted(const char *text, char *buf, size_t size)
{
	size_t n = 0;

	for (; *text != '\0' && n + 1 < size; text++)
		if (*text >= ' ' && *text <= '~' && *text != '"' && *text != '\\')
			buf[n++] = *text;
	buf[n] = '\0';
	return buf;
}

/* A family begins. In the older format a counter's own name has its ending already. */
static void family(struct page *p, const char *name, bool counter, const char *help)
{
	char text[256];
	const char *ending = counter && !p->open ? "_total" : "";

	put(p, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, ending, quoted(help, text, sizeof(text)),
	    name, ending, counter ? "counter" : "gauge");
}

static void sample(struct page *p, const char *name, bool counter, const char *labels, uint64_t v)
{
	put(p, "%s%s%s%s%s %llu\n", name, counter ? "_total" : "", labels[0] != '\0' ? "{" : "",
	    labels, labels[0] != '\0' ? "}" : "", (unsigned long long)v);
}

static void gauge(struct page *p, const char *name, const char *help, uint64_t v)
{
	family(p, name, false, help);
	sample(p, name, false, "", v);
}

/* --- control's own ------------------------------------------------------------------------------- */

static void of_control(struct page *p, const struct admin_env *env)
{
	const struct session_env *e = env->sessions;
	uint64_t up_s = (e->now_ms() - env->began_ms) / 1000;
	char labels[LABELS_MAX];

	snprintf(labels, sizeof(labels), "version=\"%s\"", SLUICE_VERSION);
	family(p, "sluice_build_info", false, "what runs: always 1");
	sample(p, "sluice_build_info", false, labels, 1);
	gauge(p, "sluice_start_time_seconds", "when sluice-control started, since 1970",
	      (uint64_t)time(NULL) - up_s);
	gauge(p, "sluice_ready", "new connections are taken", metrics_not_ready(env) == NULL);
	gauge(p, "sluice_draining", "nobody new is let in", e->draining);
	gauge(p, "sluice_connections", "connections that sluice-control knows",
	      e->stats.connections);
	gauge(p, "sluice_connections_authenticated", "of them, that are in",
	      e->stats.authenticated);
	gauge(p, "sluice_channels", "channels that are open", e->stats.channels);
	gauge(p, "sluice_listeners", "listeners of clients", e->n_listeners);
	family(p, "sluice_connections_accepted", true, "connections that came in at the door");
	sample(p, "sluice_connections_accepted", true, "", e->stats.accepted);
	family(p, "sluice_logins", true, "logins");
	sample(p, "sluice_logins", true, "", e->stats.logins);
	family(p, "sluice_failed_tries", true, "tries to log in that failed");
	sample(p, "sluice_failed_tries", true, "", e->stats.failed_tries);
	family(p, "sluice_control", true, "what sluice-control counts: sluicectl show counters");
	for (enum control_counter i = 0; i < CONTROL_C_COUNT; i++) {
		struct control_counter_info c = control_counter_info(i);

		snprintf(labels, sizeof(labels), "room=\"%s\",counter=\"%s\"", c.room, c.name);
		sample(p, "sluice_control", true, labels, control_counted(i));
	}
}

static void of_dataplanes(struct page *p, const struct admin_env *env)
{
	char labels[LABELS_MAX], name[64];

	family(p, "sluice_dataplane_attached", false, "sluice-control serves the dataplane");
	for (unsigned int i = 0; i < env->n_peers; i++) {
		struct linkpeer_status st = linkpeer_status(env->peers[i]);

		snprintf(labels, sizeof(labels), "dataplane=\"%s\"",
			 quoted(st.name, name, sizeof(name)));
		sample(p, "sluice_dataplane_attached", false, labels, st.attached);
	}
}

/* --- limits: families that control and shards share -------------------------------------------------- */

static const char *limit_labels(const struct limit_view *v, const struct shards_file *f,
				char buf[LABELS_MAX])
{
	char name[96], plane[64];

	quoted(v->name, name, sizeof(name));
	if (f == NULL)
		snprintf(buf, LABELS_MAX, "limit=\"%s\",scope=\"control\"", name);
	else
		snprintf(buf, LABELS_MAX,
			 "limit=\"%s\",scope=\"shard\",dataplane=\"%s\",shard=\"%u\"", name,
			 quoted(f->dataplane, plane, sizeof(plane)), f->shard);
	return buf;
}

enum limit_part { LIMIT_USED, LIMIT_MAX, LIMIT_REFUSED };

static void limit_sample(struct page *p, enum limit_part part, const struct limit_view *v,
			 const struct shards_file *f)
{
	static const char *const name[] = {"sluice_limit_used", "sluice_limit_max",
					   "sluice_limit_refused"};
	const struct {
		bool has;
		uint64_t n;
	} of[] = {{v->has_used, v->used}, {v->has_max, v->max}, {true, v->refused}};
	char labels[LABELS_MAX];

	if (of[part].has)
		sample(p, name[part], part == LIMIT_REFUSED, limit_labels(v, f, labels),
		       of[part].n);
}

static void limits(struct page *p, const struct admin_env *env, const struct shards *s,
		   enum limit_part part)
{
	struct limit_view v;
	unsigned int i = 0;
	size_t at;

	while (limits_of_control(env, &i, &v))
		limit_sample(p, part, &v, NULL);
	for (size_t f = 0; f < s->n_files; f++)
		for (at = 0; limits_of_shard(s, f, &at, &v);)
			limit_sample(p, part, &v, &s->file[f]);
}

static void all_limits(struct page *p, const struct admin_env *env, const struct shards *s)
{
	family(p, "sluice_limit_used", false, "how much of a limit is used");
	limits(p, env, s, LIMIT_USED);
	family(p, "sluice_limit_max", false, "the most that may be");
	limits(p, env, s, LIMIT_MAX);
	family(p, "sluice_limit_refused", true, "how often a limit held somebody off");
	limits(p, env, s, LIMIT_REFUSED);
}

/* --- what shards count --------------------------------------------------------------------------- */

struct item {
	const struct link_stats_counter *c;
	const struct shards_file *f;
	size_t order; /* as it came */
};

/* Samples of a family stand together; of one family as they came. */
static int item_order(const void *x, const void *y)
{
	const struct item *a = x, *b = y;
	int r = strcmp(a->c->room, b->c->room);

	if (r == 0)
		r = strcmp(a->c->name, b->c->name);
	return r != 0 ? r : (a->order > b->order) - (a->order < b->order);
}

static const char *item_labels(const struct item *i, char buf[LABELS_MAX])
{
	char plane[64], object[64];
	int n = snprintf(buf, LABELS_MAX, "dataplane=\"%s\",shard=\"%u\"",
			 quoted(i->f->dataplane, plane, sizeof(plane)), i->f->shard);

	if (i->c->object[0] != '\0' && n > 0 && n < LABELS_MAX)
		snprintf(buf + n, LABELS_MAX - (size_t)n, ",%s=\"%s\"",
			 strcmp(i->c->room, "port") == 0 ? "interface" : "stage",
			 quoted(i->c->object, object, sizeof(object)));
	return buf;
}

static void items(struct page *p, const struct item *item, size_t n)
{
	char name[NAME_MAX_LEN], labels[LABELS_MAX];

	for (size_t i = 0; i < n; i++) {
		const struct link_stats_counter *c = item[i].c;
		bool counter = strcmp(c->name, "TSC_HZ") != 0;

		if (i == 0 || strcmp(c->room, item[i - 1].c->room) != 0 ||
		    strcmp(c->name, item[i - 1].c->name) != 0)
			family(p, name_of(c->room, c->name, name), counter, c->text);
		sample(p, name, counter, item_labels(&item[i], labels), c->value);
	}
}

static void of_shards(struct page *p, const struct shards *s)
{
	struct item *item = calloc(s->n + 1, sizeof(*item));
	size_t n = 0;

	if (item == NULL) {
		p->err = -ENOMEM;
		return;
	}
	for (size_t f = 0; f < s->n_files; f++)
		for (size_t i = s->file[f].first; i < s->file[f].first + s->file[f].n; i++)
			if (strcmp(s->counter[i].room, "limit") != 0) {
				item[n] = (struct item){&s->counter[i], &s->file[f], n};
				n++;
			}
	qsort(item, n, sizeof(*item), item_order);
	items(p, item, n);
	free(item);
}

/* ------------------------------------------------------------------------------------------------- */

int metrics_text(const struct admin_env *env, bool open_metrics, struct answer_text *out)
{
	struct page p = {.out = out, .open = open_metrics};
	struct shards s;
	int r = shards_read(env->peers, env->n_peers, &s);

	if (r < 0)
		return r;
	of_control(&p, env);
	of_dataplanes(&p, env);
	all_limits(&p, env, &s);
	of_shards(&p, &s);
	if (open_metrics)
		put(&p, "# EOF\n");
	shards_free(&s);
	return p.err;
}

const char *metrics_not_ready(const struct admin_env *env)
{
	const size_t n = conf_global(env->sessions->conf)->n_listens;

	if (env->sessions->draining)
		return "it drains";
	if (env->n_peers == 0)
		return "it starts";
	for (unsigned int i = 0; i < env->n_peers; i++) {
		if (!linkpeer_status(env->peers[i]).attached)
			return "no dataplane answers";
		for (size_t k = 0; k < n; k++)
			if (linkpeer_listening(env->peers[i], k) != LINKPEER_LISTENS)
				return "it does not listen everywhere";
	}
	return NULL;
}
