/*
 * control/ctl/top.c - what goes on, as it goes on: each core, and the channels that move most, with
 * what holds them up.
 *
 * Two looks at the same counters make a rate. Plain ANSI: a screen of its own, given back at the
 * end; with --once one picture as text, without it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "control/ctl/ctl.h"

#define SCREEN_ENTER "\033[?1049h\033[?25l"
#define SCREEN_LEAVE "\033[?25h\033[?1049l"
#define SCREEN_HOME  "\033[H"
#define LINE_REST    "\033[K"
#define SCREEN_REST  "\033[J"
#define LINE_MAX_LEN 512
#define ROWS_ONCE    100000
#define WIDE         110 /* columns of a terminal that has room for all there is to say */
#define BAR          20
#define BAR_NARROW   8
#define CORES_PART   3 /* of the rows of a screen, at most one in so many is a core */
#define WHY_MAX      32

/* What was seen at a time. */
struct look {
	double at; /* seconds */
	json_t *info, *lcores, *channels;
};

/* A channel with what it moved a second. */
struct row {
	const json_t *of;
	double in, out;
	double capped; /* part of the time that a cap held it back, the way that was held longer */
	char why[WHY_MAX];
};

enum order { BY_RATE, BY_IN, BY_OUT, BY_AGE, BY_USER, BY_WAITS, BY_CAPPED, ORDERS };

static const struct {
	char key;
	const char *name;
} orders[] = {[BY_RATE] = {'r', "rate"}, [BY_IN] = {'i', "in"},     [BY_OUT] = {'o', "out"},
	      [BY_AGE] = {'a', "age"},   [BY_USER] = {'u', "user"}, [BY_WAITS] = {'w', "waits"},
	      [BY_CAPPED] = {'c', "capped"}};

struct top {
	const struct ctl *c;
	int fd;
	enum order order;
	bool screen; /* else it is printed once */
	bool wide;
	unsigned int rows, columns, line;
};

static enum order sort_order; /* qsort() takes no argument */
static volatile sig_atomic_t ended;

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* --- looking --------------------------------------------------------------------------------- */

static json_t *ask(const struct top *t, const char *request)
{
	char *line = ctl_ask_line(t->c, t->fd, request);
	json_t *v = line != NULL ? json_loads(line, 0, NULL) : NULL;

	free(line);
	return v;
}

static void look_free(struct look *l)
{
	json_decref(l->info);
	json_decref(l->lcores);
	json_decref(l->channels);
	*l = (struct look){0};
}

static bool look(const struct top *t, struct look *ret)
{
	struct look l = {.info = ask(t, "show info")};

	if (l.info != NULL)
		l.lcores = ask(t, "show lcores");
	if (l.lcores != NULL)
		l.channels = ask(t, "show channels");
	l.at = now_s();
	if (l.channels == NULL) {
		look_free(&l);
		return false;
	}
	*ret = l;
	return true;
}

static double number(const json_t *o, const char *name)
{
	return json_number_value(json_object_get(o, name));
}

static const char *text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s != NULL ? s : "-";
}

/* The same core before; NULL: it is new. */
static const json_t *core_before(const struct look *before, const json_t *one)
{
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(before->lcores, "lcores"), i, o)
	{
		if (json_equal(json_object_get(o, "shard"), json_object_get(one, "shard")) &&
		    strcmp(text(o, "dataplane"), text(one, "dataplane")) == 0)
			return o;
	}
	return NULL;
}

/* --- lines ------------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void line(struct top *t, const char *fmt, ...)
{
	char buf[LINE_MAX_LEN];
	va_list ap;

	if (t->screen && t->line + 1 >= t->rows)
		return;
	t->line++;
	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	/* Of a line that is full the rest is its last letter. */
	if (t->screen)
		printf("%.*s%s\n", (int)t->columns, buf,
		       strlen(buf) < t->columns ? LINE_REST : "");
	else
		printf("%s\n", buf);
}

static void head(struct top *t, const struct look *l)
{
	const json_t *now = json_object_get(l->info, "now");
	char age[CTL_VALUE_MAX];

	line(t, "sluice %s  up %s  %.0f connections, %.0f in, %.0f channels%s",
	     text(l->info, "version"), ctl_age(number(l->info, "uptime"), age),
	     number(now, "connections"), number(now, "authenticated"), number(now, "channels"),
	     json_is_true(json_object_get(l->info, "draining")) ? "  DRAINING" : "");
}

/* The stages that took most of the difference, as "relay 31% seal 20%". */
static void stages(const json_t *one, const json_t *before, char *buf, size_t size)
{
	const json_t *is = json_object_get(one, "stages"), *was = json_object_get(before, "stages");
	double sum = number(one, "cycles") - number(before, "cycles"), last = 2;
	size_t used = 0;

	buf[0] = '\0';
	for (int k = 0; k < 3 && sum > 0; k++) {
		const char *name, *best = NULL;
		double most = 0;
		json_t *v;

		json_object_foreach((json_t *)(uintptr_t)is, name, v)
		{
			double part = (json_number_value(v) - number(was, name)) / sum;

			if (part > most && part < last) {
				most = part;
				best = name;
			}
		}
		if (best == NULL || used >= size)
			break;
		used += (size_t)snprintf(buf + used, size - used, "%s%s %.0f%%", k > 0 ? " " : "",
					 best, 100 * most);
		last = most;
	}
}

static void core(struct top *t, const json_t *one, const json_t *before, double seconds)
{
	double busy = (number(one, "cycles") - number(before, "cycles")) /
		      (number(one, "hz") > 0 ? number(one, "hz") * seconds : 1);
	char in[CTL_VALUE_MAX], out[CTL_VALUE_MAX], most[128], has[128] = "";
	int width = t->wide ? BAR : BAR_NARROW, n;

	if (before == NULL)
		return;
	busy = busy < 0 ? 0 : busy > 1 ? 1 : busy;
	n = (int)(busy * width + 0.5);
	stages(one, before, most, sizeof(most));
	if (t->wide)
		snprintf(has, sizeof(has), "%6.0f connections  %6.0f channels  ",
			 number(one, "connections"), number(one, "channels"));
	line(t, "core %s/%.0f [%.*s%*s] %3.0f%%  in %5s/s  out %5s/s  %s%s",
	     text(one, "dataplane"), number(one, "shard"), n, "####################", width - n,
	     "", 100 * busy,
	     ctl_bytes((number(one, "bytes_in") - number(before, "bytes_in")) / seconds, in),
	     ctl_bytes((number(one, "bytes_out") - number(before, "bytes_out")) / seconds, out), has,
	     most);
}

static void cores(struct top *t, const struct look *l, const struct look *before)
{
	const json_t *list = json_object_get(l->lcores, "lcores");
	size_t n = json_array_size(list), room = t->rows / CORES_PART;

	for (size_t i = 0; i < n && i < room; i++) {
		const json_t *one = json_array_get(list, i);

		core(t, one, core_before(before, one), l->at - before->at);
	}
	if (n > room)
		line(t, "and %zu cores more: sluicectl show lcores", n - room);
}

/* --- channels ------------------------------------------------------------------------------------- */

/* Bytes that stand still say which way is held up, and by whom. */
static void why_slow(const json_t *o, char buf[WHY_MAX])
{
	bool out = number(o, "held_out") > 0;
	const char *way, *why, *cap;

	snprintf(buf, WHY_MAX, "-");
	if (!out && number(o, "held_in") <= 0)
		return;
	way = out ? "out" : "in";
	why = text(o, out ? "slow_out" : "slow_in");
	cap = text(o, out ? "cap_out" : "cap_in");
	if (strcmp(why, "cap") == 0)
		snprintf(buf, WHY_MAX, "%s: cap (%s)", way, cap);
	else
		snprintf(buf, WHY_MAX, "%s: %s", way, why);
}

static int by_number(double a, double b)
{
	return (a < b) - (a > b); /* most first */
}

static int row_order(const void *x, const void *y)
{
	const struct row *a = x, *b = y;
	int r = 0;

	if (sort_order == BY_IN)
		r = by_number(a->in, b->in);
	else if (sort_order == BY_OUT)
		r = by_number(a->out, b->out);
	else if (sort_order == BY_AGE)
		r = by_number(number(a->of, "age"), number(b->of, "age"));
	else if (sort_order == BY_USER)
		r = strcmp(text(a->of, "user"), text(b->of, "user"));
	else if (sort_order == BY_WAITS) /* "-" last */
		r = -strcmp(a->why, b->why);
	else if (sort_order == BY_CAPPED)
		r = by_number(a->capped, b->capped);
	if (r == 0)
		r = by_number(a->in + a->out, b->in + b->out);
	return r != 0 ? r : strcmp(text(a->of, "channel"), text(b->of, "channel"));
}

/* Columns as wide as what is in them, so that a small terminal shows the target, too. */
struct widths {
	int channel, user, why;
};

static void widen(int *width, const char *text, int most)
{
	int n = (int)strlen(text);

	if (n > *width)
		*width = n < most ? n : most;
}

static void titles(struct top *t, const struct widths *w)
{
	char between[64] = "";

	if (t->wide)
		snprintf(between, sizeof(between), " %7s %7s", "RTT", "AGE");
	line(t, "%-*s %-*s %7s %7s%s %6s %-*s %s", w->channel, "CHANNEL", w->user, "USER", "IN",
	     "OUT", between, "CAPPED", w->why, "SLOW", "TARGET");
}

static void channel(struct top *t, const struct row *r, const struct widths *w)
{
	char in[CTL_VALUE_MAX], out[CTL_VALUE_MAX], age[CTL_VALUE_MAX];
	char to[300], rtt[32], between[64] = "", capped[16] = "-";
	double port = number(r->of, "port"), us = number(r->of, "client_rtt");

	snprintf(to, sizeof(to), port > 0 ? "%.200s:%.0f" : "%.200s", text(r->of, "host"), port);
	snprintf(rtt, sizeof(rtt), us > 0 ? "%.1fms" : "-", us / 1000);
	if (t->wide)
		snprintf(between, sizeof(between), " %7s %7.20s", rtt,
			 ctl_age(number(r->of, "age") / 1e6, age));
	if (r->capped > 0)
		snprintf(capped, sizeof(capped), "%.0f%%", 100 * r->capped);
	line(t, "%-*.*s %-*.*s %5s/s %5s/s%s %6s %-*s %s", w->channel, w->channel,
	     text(r->of, "channel"), w->user, w->user, text(r->of, "user"), ctl_bytes(r->in, in),
	     ctl_bytes(r->out, out), between, capped, w->why, r->why, to);
}

/* A way is held back once at a time, so that no part is more than all. */
static double capped_part(const json_t *now, const json_t *before, double seconds)
{
	double in = number(now, "capped_time_in") - number(before, "capped_time_in");
	double out = number(now, "capped_time_out") - number(before, "capped_time_out");
	double part = (in > out ? in : out) / 1e6 / seconds;

	return part < 0 ? 0 : part > 1 ? 1 : part;
}

/* Of all that are there, of which a screen shows some. */
static void caps(struct top *t, const struct row *row, size_t n)
{
	char age[CTL_VALUE_MAX];
	size_t held = 0;
	double us = 0;

	for (size_t i = 0; i < n; i++) {
		held += row[i].capped > 0;
		us += number(row[i].of, "capped_time_in") + number(row[i].of, "capped_time_out");
	}
	if (us > 0)
		line(t, "caps hold back %zu of %zu channels; these waited %s for caps so far", held,
		     n, ctl_age(us / 1e6, age));
}

/* By name, so that looking one up among ten thousand is no walk over all. */
static json_t *by_name(const json_t *channels)
{
	json_t *all = json_object(), *o;
	size_t i;

	json_array_foreach(json_object_get(channels, "channels"), i, o)
	{
		(void)json_object_set(all, text(o, "channel"), o);
	}
	return all;
}

static void channels(struct top *t, const struct look *l, const struct look *before)
{
	const json_t *list = json_object_get(l->channels, "channels");
	size_t n = json_array_size(list);
	struct row *row = calloc(n + 1, sizeof(*row));
	json_t *was = by_name(before->channels);
	struct widths w = {7, 4, 4};
	double seconds = l->at - before->at;

	for (size_t i = 0; i < n && row != NULL; i++) {
		const json_t *o = json_array_get(list, i);
		const json_t *old = json_object_get(was, text(o, "channel"));

		row[i] = (struct row){
			.of = o,
			.in = (number(o, "bytes_in") - number(old, "bytes_in")) / seconds,
			.out = (number(o, "bytes_out") - number(old, "bytes_out")) / seconds,
			.capped = capped_part(o, old, seconds)};
		why_slow(o, row[i].why);
		widen(&w.channel, text(o, "channel"), 16);
		widen(&w.user, text(o, "user"), t->wide ? 20 : 10);
		widen(&w.why, row[i].why, WHY_MAX);
	}
	json_decref(was);
	if (row == NULL)
		return;
	sort_order = t->order;
	qsort(row, n, sizeof(*row), row_order);
	caps(t, row, n);
	if (t->screen)
		line(t, "sorted by %s; press the letter of rate in out age user waits capped; "
			"q quits", orders[t->order].name);
	titles(t, &w);
	for (size_t i = 0; i < n; i++)
		channel(t, &row[i], &w);
	free(row);
}

static void picture(struct top *t, const struct look *l, const struct look *before)
{
	struct winsize w = {.ws_row = 24, .ws_col = 80};

	(void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &w);
	t->rows = t->screen ? w.ws_row : ROWS_ONCE;
	t->columns = w.ws_col > 0 ? w.ws_col : 80;
	t->wide = !t->screen || t->columns >= WIDE;
	t->line = 0;
	if (t->screen)
		fputs(SCREEN_HOME, stdout);
	head(t, l);
	cores(t, l, before);
	channels(t, l, before);
	if (t->screen)
		fputs(SCREEN_REST, stdout);
	fflush(stdout);
}

/* --- the loop --------------------------------------------------------------------------------------- */

static void on_end(int sig)
{
	(void)sig;
	ended = 1;
}

/* What was typed until then; false: it is over. *ret_order: it is to be sorted anew. */
static bool wait_keys(struct top *t, double until)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
	double left;
	char key;

	while (!ended && (left = until - now_s()) > 0) {
		int n = poll(&p, t->screen ? 1 : 0, (int)(left * 1000) + 1);

		if (n <= 0)
			continue;
		if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q')
			return false;
		for (enum order o = 0; o < ORDERS; o++) {
			if (orders[o].key != key)
				continue;
			t->order = o;
			return true; /* it is shown at once */
		}
	}
	return !ended;
}

static int watch(struct top *t, double interval)
{
	struct look before = {0}, now = {0};
	int r = CTL_UNREACHED;

	if (!look(t, &before))
		return r;
	while (wait_keys(t, before.at + interval)) {
		if (!look(t, &now)) {
			look_free(&before);
			return CTL_UNREACHED;
		}
		picture(t, &now, &before);
		look_free(&before);
		before = now;
		now = (struct look){0};
		r = CTL_OK;
		if (!t->screen)
			break;
	}
	look_free(&before);
	return ended || t->screen ? CTL_OK : r;
}

static bool order_find(const char *name, enum order *ret)
{
	for (enum order o = 0; o < ORDERS; o++) {
		*ret = o;
		if (strcmp(orders[o].name, name) == 0)
			return true;
	}
	return false;
}

int ctl_top(const struct ctl *c)
{
	double interval = c->interval != NULL ? atof(c->interval) : 1;
	struct top t = {.c = c, .screen = !c->once && isatty(STDOUT_FILENO)};
	struct termios was, raw;
	bool cooked = false;
	int r;

	if (interval < 0.05 || interval > 3600 ||
	    (c->sort != NULL && !order_find(c->sort, &t.order))) {
		fprintf(stderr, "usage: sluicectl top [--once] [--interval SECONDS] "
				"[--sort rate|in|out|age|user|waits|capped]\n");
		return CTL_USAGE;
	}
	t.fd = ctl_connect(c);
	if (t.fd < 0)
		return CTL_UNREACHED;
	signal(SIGINT, on_end);
	signal(SIGTERM, on_end);
	signal(SIGHUP, on_end);
	if (t.screen && tcgetattr(STDIN_FILENO, &was) == 0) {
		raw = was;
		raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
		cooked = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
	}
	if (t.screen)
		fputs(SCREEN_ENTER, stdout);
	r = watch(&t, interval);
	if (t.screen)
		fputs(SCREEN_LEAVE, stdout);
	fflush(stdout);
	if (cooked)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &was);
	close(t.fd);
	return r;
}
