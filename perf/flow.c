/* perf/flow.c - see flow.h. */
#include "perf/flow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t flow_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* --- bytes ----------------------------------------------------------------------------------- */

/* Word i of a direction: no two near each other are alike, nor those of the other direction. */
static uint64_t word(bool listener, uint64_t i)
{
	return (i + 1) * UINT64_C(0x9e3779b97f4a7c15) ^
	       (listener ? UINT64_C(0xa5a5a5a5a5a5a5a5) : 0);
}

void flow_fill(bool listener, uint64_t at, void *buf, size_t n)
{
	uint8_t *p = buf;

	while (n > 0) {
		uint64_t w = word(listener, at / 8);
		size_t from = at % 8, k = 8 - from < n ? 8 - from : n;

		memcpy(p, (const uint8_t *)&w + from, k);
		p += k;
		at += k;
		n -= k;
	}
}

void flow_check(struct flow *f, bool from_listener, const void *buf, size_t n)
{
	const uint8_t *p = buf;

	while (n > 0) {
		uint64_t w = word(from_listener, f->received / 8);
		size_t from = f->received % 8, k = 8 - from < n ? 8 - from : n;

		if (memcmp(p, (const uint8_t *)&w + from, k) != 0)
			f->wrong = true;
		p += k;
		f->received += k;
		n -= k;
	}
}

/* --- one connection --------------------------------------------------------------------------- */

uint64_t flow_left(const struct flow_conf *c, const struct flow *f)
{
	return c->send == FLOW_ENDLESS ? FLOW_ENDLESS : c->send - f->sent;
}

void flow_opened(struct flow_report *r, struct flow *f, uint64_t now_us)
{
	f->open_us = now_us;
	if (r->first_us == 0)
		r->first_us = now_us;
}

bool flow_time_is_up(const struct flow_conf *c, const struct flow *f, uint64_t now_us)
{
	return c->seconds > 0 && f->open_us != 0 &&
	       now_us - f->open_us >= (uint64_t)(c->seconds * 1e6);
}

void flow_note(const struct flow_conf *c, struct flow_report *r, const struct flow *f,
	       uint64_t now_us)
{
	while (c->series_s > 0 && r->first_us != 0 && r->series_n < FLOW_SERIES_MAX &&
	       now_us - r->first_us >= (uint64_t)(c->series_s * 1e6) * (r->series_n + 1))
		r->series[r->series_n++] = f->received;
}

/* Who sends without end is cut by its peer, and who measures cuts: neither is a failure. */
static bool went_well(const struct flow_conf *c, const struct flow *f)
{
	bool cut = f->err == -ECONNRESET || f->err == -EPIPE;

	if (f->wrong || f->open_us == 0)
		return false;
	if (c->seconds > 0)
		return f->err == 0;
	if (c->send == FLOW_ENDLESS)
		return f->err == 0 || cut;
	return f->err == 0 && f->sent == c->send && f->eof;
}

void flow_done(const struct flow_conf *c, struct flow_report *r, struct flow *f, uint64_t now_us)
{
	if (went_well(c, f)) {
		r->done++;
	} else {
		if (r->failed++ == 0)
			r->err = f->wrong ? -EBADMSG : f->err != 0 ? f->err : -EPIPE;
	}
	r->sent += f->sent;
	r->received += f->received;
	r->last_us = now_us;
	*f = (struct flow){0};
}

void flow_print(const struct flow_report *r)
{
	printf("\"done\": %u, \"failed\": %u, \"error\": \"%s\", \"sent\": %" PRIu64
	       ", \"received\": %" PRIu64 ", \"seconds\": %.6f",
	       r->done, r->failed, r->err != 0 ? strerror(-r->err) : "", r->sent, r->received,
	       r->last_us > r->first_us ? (double)(r->last_us - r->first_us) / 1e6 : 0);
	for (uint32_t i = 0; i < r->series_n; i++)
		printf("%s%" PRIu64, i == 0 ? ", \"series\": [" : ", ", r->series[i]);
	printf("%s", r->series_n > 0 ? "]" : "");
}

/* --- the command line ---------------------------------------------------------------------------
 */

static const char usage_text[] =
	"listen|connect ADDRESS PORT [OPTION VALUE]...\n"
	"  --send N|endless  bytes each connection sends before it shuts down; 0\n"
	"  --seconds S       cuts a connection after so long; 0: waits for its end\n"
	"  --conns N         connections in all; 1\n"
	"  --parallel N      at once; 1\n"
	"  --life S          gives up then; 60\n"
	"  --series S        notes the received bytes so often; 0: not\n"
	"  --cc NAME --sndbuf BYTES --rcvbuf BYTES       of the kernel's sockets\n"
	"  --device STRING --own ADDRESS/LENGTH --via ADDRESS --budget BYTES --counters 1\n"
	"                    of our stack: DPDK device, its address, its gateway, its buffers\n";

static bool number(const char *text, double *ret)
{
	char *end;

	*ret = strtod(text, &end);
	return end != text && *end == '\0' && *ret >= 0;
}

static bool text_set(const char *name, const char *value, struct flow_conf *c)
{
	if (strcmp(name, "--cc") == 0)
		c->cc = value;
	else if (strcmp(name, "--device") == 0)
		c->device = value;
	else if (strcmp(name, "--own") == 0)
		c->own = value;
	else if (strcmp(name, "--via") == 0)
		c->via = value;
	else
		return false;
	return true;
}

static bool number_set(const char *name, double v, struct flow_conf *c)
{
	if (strcmp(name, "--send") == 0)
		c->send = (uint64_t)v;
	else if (strcmp(name, "--seconds") == 0)
		c->seconds = v;
	else if (strcmp(name, "--conns") == 0)
		c->conns = (uint32_t)v;
	else if (strcmp(name, "--parallel") == 0)
		c->parallel = (uint32_t)v;
	else if (strcmp(name, "--life") == 0)
		c->life_s = v;
	else if (strcmp(name, "--series") == 0)
		c->series_s = v;
	else if (strcmp(name, "--sndbuf") == 0)
		c->sndbuf = (uint32_t)v;
	else if (strcmp(name, "--rcvbuf") == 0)
		c->rcvbuf = (uint32_t)v;
	else if (strcmp(name, "--budget") == 0)
		c->budget = (uint32_t)v;
	else if (strcmp(name, "--counters") == 0)
		c->counters = v != 0;
	else
		return false;
	return true;
}

static bool options_parse(char **argv, struct flow_conf *c)
{
	for (; argv[0] != NULL; argv += 2) {
		double v = 0;

		if (argv[1] == NULL)
			return false;
		if (strcmp(argv[0], "--send") == 0 && strcmp(argv[1], "endless") == 0)
			c->send = FLOW_ENDLESS;
		else if (!text_set(argv[0], argv[1], c) &&
			 !(number(argv[1], &v) && number_set(argv[0], v, c)))
			return false;
	}
	return c->parallel > 0 && c->parallel <= FLOW_PARALLEL_MAX;
}

bool flow_parse(int argc, char **argv, struct flow_conf *ret)
{
	double port = 0;

	*ret = (struct flow_conf){.conns = 1, .parallel = 1, .life_s = 60, .budget = 16u << 20};
	if (argc < 4 || (strcmp(argv[1], "listen") != 0 && strcmp(argv[1], "connect") != 0) ||
	    !number(argv[3], &port) || port < 1 || port > UINT16_MAX ||
	    !options_parse(argv + 4, ret)) {
		fprintf(stderr, "usage: %s %s", argv[0], usage_text);
		return false;
	}
	ret->listens = argv[1][0] == 'l';
	ret->address = argv[2];
	ret->port = (uint16_t)port;
	return true;
}
