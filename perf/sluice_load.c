/*
 * sluice-load - clients and targets of a gateway, on a core of their own. See load.h for its files,
 * load_conf.c for its options, perf/load for a whole lab around it.
 *
 * A run: setup (connections, logins, channels), warm-up, measurement, drain (what is under way
 * arrives), rows. Then nothing is polled any more and the process waits to be ended, for ten
 * seconds at most: net_memif frees the queues of a process whose peer goes while they are polled.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "crypto/base64.h"
#include "perf/flood.h"
#include "perf/load.h"

#define DRAIN_US    3000000
#define LOOK_US     1000 /* between two looks at what is not each turn's */
#define SECOND_US   1000000
#define LINK_US     250000 /* from both links up to the first packet */
#define WAIT_S      10     /* at the end */
#define SPARE_CONNS 4096   /* TCP's, beside one of each connection and channel */
#define KEY_TEXT    4096

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop++;
}

void load_failed(struct load *l, const char *fmt, ...)
{
	va_list ap;

	if (l->failed++ > 0)
		return;
	va_start(ap, fmt);
	vsnprintf(l->why, sizeof(l->why), fmt, ap);
	va_end(ap);
	fprintf(stderr, "sluice-load: %s\n", l->why);
}

bool load_bytes(struct load *l, uint64_t seed, uint64_t at, uint32_t n, uint32_t room,
		struct pkt_chain *ret)
{
	pkt_chain_init(ret);
	while (n > 0) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(l->s.pools.data);
		uint32_t k = RTE_MIN(n, room);

		if (m == NULL) {
			pkt_chain_free(ret);
			return false;
		}
		pattern_fill(seed, at, rte_pktmbuf_mtod(m, void *), k);
		m->data_len = (uint16_t)k;
		m->pkt_len = k;
		pkt_chain_append(ret, m);
		at += k;
		n -= k;
	}
	return true;
}

void load_bytes_check(struct load *l, uint64_t seed, uint64_t at, const struct pkt_chain *c)
{
	for (const struct rte_mbuf *m = c->head; m != NULL; m = m->next) {
		if (!pattern_check(seed, at, rte_pktmbuf_mtod(m, const void *), m->data_len)) {
			l->wrong++;
			load_failed(l, "bytes that were not sent, from %" PRIu64 " on", at);
		}
		at += m->data_len;
	}
}

/* --- a turn ---------------------------------------------------------------------------------- */

struct turn {
	uint64_t tsc;
	uint64_t cycles[LOAD_STAGE_COUNT];
	unsigned int work;
};

static void account(struct turn *t, enum load_stage stage, unsigned int work)
{
	uint64_t now = rte_rdtsc();

	t->cycles[stage] += now - t->tsc;
	t->tsc = now;
	t->work += work;
}

/* Answers to those who are not there are counted and dropped. Returns how many are left. */
static unsigned int flood_sift(struct load *l, struct flood *f, struct rte_mbuf **m, unsigned int n)
{
	unsigned int k = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (!f->ready && !flood_learn(f, m[i]))
			load_failed(l, "no buffers for the flood");
		flood_note(f, m[i]);
		if (flood_is_answer(f, m[i])) {
			f->answers++;
			rte_pktmbuf_free(m[i]);
		} else {
			m[k++] = m[i];
		}
	}
	return k;
}

static void input(struct load *l, struct flood *f, struct turn *t, unsigned int port)
{
	struct rte_mbuf *m[STACK_BURST];
	struct port *p = &l->s.port[port];
	unsigned int n = p->rx_burst(p, m, STACK_BURST);

	account(t, LOAD_STAGE_RX, n);
	/* Every byte is checked later on, so the sums need not be: a NIC would have looked, too. */
	for (unsigned int i = 0; i < n; i++)
		m[i]->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	if (port == LOAD_OUTSIDE && l->conf.flood != FLOOD_NONE && n > 0) {
		n = flood_sift(l, f, m, n);
		account(t, LOAD_STAGE_FLOOD, 0);
	}
	stack_input(&l->s, port, m, n);
	account(t, LOAD_STAGE_STACK, n);
}

/* Open loop: what is due by the clock, however late this turn is. */
static unsigned int requests_due(struct load *l)
{
	uint64_t now = rte_rdtsc(), due;
	unsigned int n = 0;

	if (!l->generate || l->conf.mode != LOAD_REQUESTS)
		return 0;
	due = (uint64_t)((double)(now - l->t0_tsc) / l->interval_tsc) + 1;
	for (; l->due_n < due; l->due_n++, n++) {
		uint32_t i = (uint32_t)(l->due_n % load_chans_all(l));
		uint32_t conn = i % l->conf.conns, chan = i / l->conf.conns;

		load_chan_request(&l->conns[conn].chan[chan]);
	}
	return n;
}

static unsigned int turn(struct load *l, struct flood *f)
{
	struct turn t = {.tsc = rte_rdtsc()};

	stack_now(&l->s);
	for (unsigned int i = 0; i < l->s.n_ports; i++)
		input(l, f, &t, i);
	account(&t, LOAD_STAGE_RUN, load_conns_begin(l));
	account(&t, LOAD_STAGE_OPEN, load_conns_open(l));
	account(&t, LOAD_STAGE_RUN, requests_due(l));
	account(&t, LOAD_STAGE_RUN, load_targets_run(l));
	account(&t, LOAD_STAGE_RUN, load_conns_run(l));
	account(&t, LOAD_STAGE_SEAL, load_conns_seal(l));
	account(&t, LOAD_STAGE_FLOOD, flood_poll(f, l->s.now_us));
	account(&t, LOAD_STAGE_OUT, stack_output(&l->s));
	if (t.work > 0)
		for (int i = 0; i < LOAD_STAGE_COUNT; i++)
			l->count.stage[i] += t.cycles[i];
	return t.work;
}

/* --- phases ---------------------------------------------------------------------------------- */

static bool is_set_up(const struct load *l, const struct flood *f)
{
	if (l->conf.flood != FLOOD_NONE && (!f->ready || f->own_port == 0))
		return false;
	switch (l->conf.mode) {
	case LOAD_FLOOD:
		return true;
	case LOAD_LOGINS:
		return l->count.logins >= l->conf.conns;
	case LOAD_OPENS:
	case LOAD_IDLE:
		return l->conns_up == load_conns_all(l) && l->met && l->chans_up == 0;
	default:
		return l->conns_up == load_conns_all(l) && l->chans_up == load_chans_all(l);
	}
}

/* Everybody may say what the mode wants. */
static void generate(struct load *l)
{
	l->generate = true;
	l->interval_tsc = (double)l->s.clock.hz / l->conf.rate;
	l->t0_tsc = rte_rdtsc();
	for (uint32_t i = 0; i < load_chans_all(l); i++) {
		struct load_chan *ch = &l->chans[i];

		if (l->conf.mode == LOAD_TRIPS)
			load_chan_request(ch);
		else if (l->conf.mode == LOAD_OPENS)
			ch->asked = true;
		if (ch->conn->state == LOAD_CONN_UP)
			load_chan_ready(ch);
	}
	for (uint32_t i = 0; i < l->n_targets; i++) {
		struct stream *s = l->targets[i].stream;

		if (s != NULL)
			s->user->ready(s);
	}
}

/* Bytes on their way; and what of requests was not answered. */
static uint64_t under_way(const struct load *l)
{
	uint64_t n = 0;

	if (l->conf.mode == LOAD_OPENS)
		return 0;
	for (uint32_t i = 0; i < load_chans_all(l); i++)
		n += l->chans[i].tx_at - l->chans[i].sunk;
	for (uint32_t i = 0; i < l->n_targets; i++) {
		const struct load_target *t = &l->targets[i];

		if (t->stream != NULL && t->chan != NULL)
			n += t->tx_at - t->chan->rx_at;
	}
	return n;
}

/* A request that never came back is at least as old as it is. */
static void count_unanswered(struct load *l)
{
	uint64_t now = rte_rdtsc();

	for (uint32_t i = 0; l->conf.mode == LOAD_REQUESTS && i < load_chans_all(l); i++) {
		const struct load_chan *ch = &l->chans[i];

		for (uint64_t k = ch->answered; k < ch->due; k++) {
			double after = (double)load_request_number(l, ch, k) * l->interval_tsc;
			uint64_t from = l->t0_tsc + (uint64_t)after;

			l->unanswered++;
			if (from >= l->from.tsc)
				hist_add(&l->latency, load_ns(l, now - from));
		}
	}
}

static uint64_t us_of(double seconds)
{
	return (uint64_t)(seconds * 1e6);
}

/* Returns when the next phase is due by time alone. */
static uint64_t phase_begin(struct load *l, enum load_phase phase, struct flood *f)
{
	l->phase = phase;
	switch (phase) {
	case LOAD_WARMUP:
		load_gate_realtime(&l->gate_now, true);
		generate(l);
		return l->s.now_us + us_of(l->conf.warmup_s);
	case LOAD_MEASURE:
		flood_start(f, l->s.now_us);
		load_mark(l, &l->from);
		return l->s.now_us + us_of(l->conf.seconds);
	case LOAD_DRAIN:
		load_mark(l, &l->to);
		load_gate_realtime(&l->gate_now, false);
		l->generate = false;
		return l->s.now_us + DRAIN_US;
	default:
		return UINT64_MAX;
	}
}

static enum load_phase phase_next(struct load *l, const struct flood *f, uint64_t due_us)
{
	bool time_is_up = l->s.now_us >= due_us || stop > 0;

	if (l->failed > 0)
		return LOAD_DONE;
	switch (l->phase) {
	case LOAD_SETUP:
		if (is_set_up(l, f))
			return LOAD_WARMUP;
		if (time_is_up)
			load_failed(l,
				    "not set up in time: %" PRIu32 " connections, %" PRIu32
				    " channels",
				    l->conns_up, l->chans_up);
		return time_is_up ? LOAD_DONE : LOAD_SETUP;
	case LOAD_WARMUP:
		return time_is_up ? LOAD_MEASURE : LOAD_WARMUP;
	case LOAD_MEASURE:
		return time_is_up ? LOAD_DRAIN : LOAD_MEASURE;
	case LOAD_DRAIN:
		return time_is_up || under_way(l) == 0 ? LOAD_DONE : LOAD_DRAIN;
	default:
		return LOAD_DONE;
	}
}

static void count_flood(struct load *l, const struct flood *f)
{
	l->count.flood_sent = f->sent;
	l->count.flood_refused = f->refused;
	l->count.flood_answers = f->answers;
}

/* A gateway looks at its links now and then; before it has, it drops what comes. */
static void await_links(struct load *l, struct flood *f)
{
	uint64_t end_us = l->s.now_us + us_of(l->conf.setup_s), up_us = 0;

	while (stop == 0 && l->s.now_us < end_us && (up_us == 0 || l->s.now_us < up_us + LINK_US)) {
		bool up = true;

		turn(l, f);
		for (unsigned int i = 0; i < l->s.n_ports; i++) {
			port_link_poll(&l->s.port[i]);
			up &= l->s.port[i].link_up;
		}
		if (up && up_us == 0)
			up_us = l->s.now_us;
		usleep(LOOK_US);
	}
}

static void run(struct load *l, struct flood *f)
{
	uint64_t due_us, line_us, look_us = 0;
	struct load_mark last, now;
	bool person = isatty(STDERR_FILENO);

	await_links(l, f);
	l->to_begin = load_conns_all(l);
	due_us = l->s.now_us + us_of(l->conf.setup_s);
	line_us = l->s.now_us + SECOND_US;
	l->phase = LOAD_SETUP;
	load_mark(l, &l->start);
	last = l->start;
	while (l->phase != LOAD_DONE) {
		enum load_phase next;

		turn(l, f);
		if (l->s.now_us < look_us)
			continue;
		look_us = l->s.now_us + LOOK_US;
		count_flood(l, f);
		next = phase_next(l, f, due_us);
		if (next != l->phase)
			due_us = phase_begin(l, next, f);
		if (person && l->s.now_us >= line_us) {
			line_us += SECOND_US;
			load_mark(l, &now);
			load_progress(l, &last, &now);
			last = now;
		}
	}
	if (l->to.tsc == 0) { /* it failed on the way */
		load_mark(l, &l->to);
		load_gate_realtime(&l->gate_now, false);
	}
	if (l->from.tsc == 0)
		l->from = l->to;
	l->lost = under_way(l);
	count_unanswered(l);
}

/* --- beginning and end --------------------------------------------------------------------- */

static bool begin_stack(struct load *l)
{
	const struct load_conf *c = &l->conf;
	uint16_t mtu = c->mtu != PORT_MTU_DEFAULT ? c->mtu : 0;
	/* An mbuf stands in each 4 KiB page, its two heads beside it. */
	unsigned int mbufs = c->memory_mb * 160;
	struct stack_conf conf = {
		.name = "load",
		.core = c->core,
		.memory_mb = c->memory_mb,
		.data_mbufs = mbufs,
		.head_mbufs = 2 * mbufs,
		.port = {{c->outside, c->outside_own, mtu}, {c->inside, c->inside_own, mtu}},
		.conns_max = load_conns_all(l) + load_chans_all(l) + SPARE_CONNS,
		.time_wait_max = 65536,
		.rx_budget = c->buffer,
		.tx_budget = c->buffer,
		.one_source = true,
	};

	return stack_begin(&l->s, &conf);
}

/* The address of ADDRESS/LENGTH. */
static struct net_addr addr_of(const char *own, char *ret_text, size_t size)
{
	snprintf(ret_text, size, "%.*s", (int)strcspn(own, "/"), own);
	return stack_addr(ret_text);
}

static bool begin_addresses(struct load *l)
{
	char text[64];
	bool ok;

	l->gate = stack_addr(l->conf.gate);
	l->own = addr_of(l->conf.outside_own, text, sizeof(text));
	l->target = addr_of(l->conf.inside_own, l->target_text, sizeof(l->target_text));
	ok = l->gate.family != 0 && l->own.family != 0 && l->target.family != 0;
	if (!ok)
		fprintf(stderr,
			"sluice-load: --gate, --outside-own or --inside-own: bad address\n");
	else if (l->conf.flood != FLOOD_NONE && l->own.family != 4)
		fprintf(stderr, "sluice-load: --flood is for IPv4\n");
	return ok && (l->conf.flood == FLOOD_NONE || l->own.family == 4);
}

static int begin_tables(struct load *l)
{
	const struct load_conf *c = &l->conf;
	int r;

	TAILQ_INIT(&l->active);
	hist_init(&l->latency);
	l->conns = calloc(load_conns_all(l), sizeof(*l->conns));
	l->chans = calloc(load_chans_all(l), sizeof(*l->chans));
	if (l->conns == NULL || l->chans == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < load_conns_all(l); i++) {
		bool busy = i < c->conns;

		load_conn_init(l, &l->conns[i], busy ? &l->chans[(size_t)i * c->chans] : NULL);
		for (uint32_t k = 0; busy && k < c->chans; k++)
			load_chan_init(&l->conns[i], &l->conns[i].chan[k], i * c->chans + k);
	}
	r = cipher_engine_new(CIPHER_ENGINE_AUTO, 4 + SSH_PACKET_MAX + CIPHER_TAG_MAX, &l->engine);
	if (r == 0)
		r = record_batch_new(l->engine, &l->s.pools, &l->opening);
	if (r == 0)
		r = record_batch_new(l->engine, &l->s.pools, &l->sealing);
	return r == 0 ? load_targets_begin(l) : r;
}

static bool begin(struct load *l)
{
	int r = 0;

	if (!begin_addresses(l) || !load_gate_begin(&l->conf, &l->gate_now))
		return false;
	if (l->conf.key != NULL)
		r = key_file_load(l->conf.key, &l->key);
	if (r < 0) {
		fprintf(stderr, "sluice-load: %s: %s\n", l->conf.key, strerror(-r));
		return false;
	}
	if (!begin_stack(l))
		return false;
	r = begin_tables(l);
	if (r < 0)
		fprintf(stderr, "sluice-load: %s\n", strerror(-r));
	return r == 0;
}

/* After the gateway has gone: everything back, and no mbuf may be missing. */
static unsigned int end(struct load *l, struct flood *f)
{
	unsigned int lost;

	for (uint32_t i = 0; i < load_conns_all(l); i++)
		load_conn_end(&l->conns[i], false);
	load_conns_seal(l);
	load_targets_end(l);
	flood_end(f);
	record_batch_free(l->opening);
	record_batch_free(l->sealing);
	lost = stack_end(&l->s);
	cipher_engine_free(l->engine);
	key_free(l->key);
	free(l->conns);
	free(l->chans);
	if (lost > 0)
		fprintf(stderr, "sluice-load: %u mbufs lost\n", lost);
	return lost;
}

/* OpenSSH's private key file, and the line of authorized_keys that lets it in. */
static int make_key(const char *path)
{
	char text[KEY_TEXT], line[KEY_TEXT];
	const uint8_t *blob;
	struct key *k = NULL;
	size_t len = sizeof(text), blob_len;
	FILE *f = NULL;
	int fd, r;

	r = key_generate("ssh-ed25519", 0, &k);
	if (r == 0)
		r = key_private_build(k, "sluice-load", text, &len);
	if (r < 0) {
		fprintf(stderr, "sluice-load: no key: %s\n", strerror(-r));
		key_free(k);
		return 1;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		f = fdopen(fd, "w");
	if (f == NULL || fwrite(text, 1, len, f) != len || fclose(f) != 0) {
		perror(path);
		key_free(k);
		return 1;
	}
	blob = key_blob(k, &blob_len);
	base64_encode(blob, blob_len, line);
	printf("%s %s sluice-load\n", key_type(k), line);
	key_free(k);
	return 0;
}

int main(int argc, char **argv)
{
	static struct load l;
	static struct flood f;
	int seen;
	bool ok;

	if (!load_conf_parse(argc, argv, &l.conf))
		return 2;
	if (l.conf.make_key != NULL)
		return make_key(l.conf.make_key);
	prctl(PR_SET_TIMERSLACK, 1000);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	if (!begin(&l))
		return 1;
	fprintf(stderr, "ready\n");
	flood_init(&f, l.conf.flood, l.conf.flood_rate, &l.s.port[LOAD_OUTSIDE], l.s.pools.data,
		   &l.own, &l.gate, l.conf.gate_port);
	run(&l, &f);
	ok = load_report(&l) && l.failed == 0 && l.wrong == 0 && l.lost == 0;
	fflush(stdout);
	fprintf(stderr, "done\n");
	seen = stop;
	for (int i = 0; stop == seen && i < WAIT_S; i++)
		sleep(1);
	return end(&l, &f) == 0 && ok ? 0 : 1;
}
