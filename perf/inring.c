/*
 * perf/inring.c - a shard and all its traffic in one process. See inring.h.
 *
 *   inring --run DIR --control PROGRAM --key FILE --user NAME [--core N] …
 *   inring --run DIR --keyed [--core N] …
 *
 * One world for each --core; twice: a dataplane of two shards, each with a generator of its own.
 * The configuration of shard i is DIR/sluiceI.conf; the first is control's too, which is started
 * and ended here. Clients log in and open their channels; a second of work is not counted; then the
 * work of
 * --seconds is. The last line is JSON, an object for each world.
 *
 * --beside N connections have a channel each, on which --rate requests a second of --request bytes
 * are due; their latency is counted. With --load what bulk up comes to at most is measured first,
 * and then that part of it is made. Both by the shard's clock, see clients_clock().
 *
 * --keyed: nobody logs in and there is no control; connections have their keys as they come. For
 * very many of them.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "conf/conf.h"
#include "crypto/secret.h"
#include "dataplane/eal.h"
#include "dataplane/linkhub.h"
#include "dataplane/privs.h"
#include "dataplane/shard.h"
#include "perf/inring.h"
#include "ssh/record.h"

#define WORLDS_MAX      2
#define DATA_MBUFS      32767 /* of a generator, at least, */
#define DATA_MBUFS_CONN 56    /* a connection's buffer for sending is full of them */
#define DATA_MBUFS_MANY 24    /* where the buffer is as small as it may be */
#define HEAD_MBUFS      65535
#define DATA_COST       2560 /* bytes of memory */
#define HEAD_COST       1024
#define READY_S         120
#define READY_CONN_S    6e-3         /* and for each connection */
#define WARM_S          0.5          /* not counted, or a quarter of what is, */
#define WARM_CONN       (128u << 10) /* and so many bytes of bulk for each connection, */
#define WARM_MOST_S     120          /* or so long: all have begun */
#define IDLE_NS         50000
#define LONG_US         20 /* a turn in which others may have had the core */
#define GAPS_S          0.2
#define GAP_US          1
#define GAPS_MAX        65536
#define SATURATE        0.5 /* of --seconds: as much as goes, to know what --load is a part of */
#define CLIENT_ADDR     "198.18.0.1"
#define GATEWAY_OUT     "198.18.0.2"
#define GATEWAY_IN      "198.19.0.2"
#define TARGET_ADDR     "198.19.0.1"

struct options {
	const char *run, *control, *key_file;
	struct client_conf client;
	const char *work;
	double seconds;
	double rate; /* requests a second of the shard's clock */
	double load; /* of what it could carry; 0: as much as goes */
	uint16_t mtu;
	unsigned int core[WORLDS_MAX], cores;
};

struct sample {
	uint64_t tsc, shard, driver, gen; /* cycles */
	uint64_t taken;                   /* of the shard's, by other programs */
	struct shard_snapshot stats;
	uint64_t ran_ns; /* of this thread: less than what passed when others had the core */
	uint64_t control_ns, frames, frame_bytes, lost;
	uint64_t bytes, ops, wrong, failed, rekeys;
};

/* When this thread last looked what it had run. */
struct own_time {
	uint64_t tsc, ran_ns;
};

/* Of the machine itself: a loop that does nothing is not there for so long. */
struct gaps {
	uint32_t *cycles;
	unsigned int n;
	uint64_t total;
};

struct world {
	const struct options *o;
	unsigned int index;
	struct conf *conf;
	struct shard *shard;
	struct pkt_pools pools;
	struct wire out, in;
	struct gen_stack client_stack, target_stack;
	struct targets targets;
	struct clients *clients;
	struct keys *keys; /* NULL: there is a control */
	struct keys_conf keys_conf;
	char socket[256];
	struct cipher_engine *engine;
	struct clock clock;
	uint64_t shard_cycles, gen_cycles, taken_cycles;
	struct own_time own;
	struct gaps gaps;
	double saturation; /* bytes a cycle of the shard's clock */
	struct sample from, to;
	char err[512];
	int r;
};

static volatile sig_atomic_t stop;
static unsigned int worlds_ready; /* atomic: all begin to work together */

/* What all worlds share: a dataplane's end of the link, and the control at the other. */
static struct {
	struct linkhub *hub;
	uint64_t start_id;
	pid_t control;
} common;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* --- turns
 * ---------------------------------------------------------------------------------------- */

/* CPU time of a process, of all its threads. */
static uint64_t cpu_ns(pid_t pid)
{
	struct timespec ts = {0};
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t ran_ns(void)
{
	struct timespec ts = {0};

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/*
 * How long others had the core in a turn of so many cycles that ends now. TSC time goes on then,
 * which does not happen to a gateway on cores of its own; interrupts do, and stay counted.
 */
static uint64_t taken(struct world *w, uint64_t now, uint64_t cycles)
{
	struct own_time *own = &w->own;
	uint64_t ran, lost;

	if (cycles < w->clock.hz / 1000000 * LONG_US && now - own->tsc < w->clock.hz / 1000)
		return 0;
	ran = ran_ns();
	lost = now - own->tsc;
	lost -= RTE_MIN(lost, (uint64_t)((double)(ran - own->ran_ns) * (double)w->clock.hz / 1e9));
	*own = (struct own_time){now, ran};
	return lost < w->clock.hz / 1000000 * LONG_US ? 0 : RTE_MIN(lost, cycles);
}

/* See clients_clock(). */
static uint64_t shard_time(const struct world *w)
{
	return w->shard_cycles - w->taken_cycles + w->out.driver_cycles + w->in.driver_cycles;
}

/* The generator's cycles are all its turn but what the wire did for the shard's driver. */
static unsigned int turn(struct world *w)
{
	uint64_t t0 = rte_rdtsc(), t1, t2, now_us = clock_us(&w->clock, t0);
	uint64_t driver = w->out.driver_cycles + w->in.driver_cycles;
	unsigned int work;

	clients_clock(w->clients, shard_time(w));
	if (w->keys != NULL)
		keys_turn(w->keys);
	work = gen_stack_turn(&w->client_stack, now_us);
	work += gen_stack_turn(&w->target_stack, now_us);
	taken(w, rte_rdtsc(), rte_rdtsc() - t0);
	t1 = rte_rdtsc();
	work += shard_step(w->shard);
	t2 = rte_rdtsc();
	w->taken_cycles += taken(w, t2, t2 - t1);
	w->gen_cycles += t1 - t0 - (w->out.driver_cycles + w->in.driver_cycles - driver);
	w->shard_cycles += t2 - t1;
	return work;
}

static void sample(struct world *w, struct sample *s)
{
	const struct client_counts *c = clients_counts(w->clients);

	*s = (struct sample){
		.tsc = rte_rdtsc(),
		.shard = w->shard_cycles,
		.gen = w->gen_cycles,
		.taken = w->taken_cycles,
		.driver = w->out.driver_cycles + w->in.driver_cycles,
		.stats = *shard_stats(w->shard),
		.ran_ns = ran_ns(),
		.control_ns = common.control > 0 ? cpu_ns(common.control) : 0,
		.frames = w->out.frames + w->in.frames,
		.frame_bytes = w->out.bytes + w->in.bytes,
		.lost = w->out.lost + w->in.lost,
		.bytes = c->bytes + w->targets.bytes,
		.ops = c->ops,
		.wrong = w->targets.wrong,
		.failed = c->failed,
		.rekeys = c->rekeys,
	};
}

static bool bad(struct world *w)
{
	const char *e = clients_error(w->clients);

	if (e == NULL && keys_error(w->keys) < 0)
		e = "the link to the shard broke";
	if (e == NULL && w->targets.wrong > 0)
		e = "a target got wrong bytes";
	if (e != NULL && w->err[0] == '\0')
		snprintf(w->err, sizeof(w->err), "%s", e);
	return e != NULL || stop;
}

/* Until all are logged in. The machine is left to others while there is nothing to do. */
static bool log_in(struct world *w)
{
	struct timespec nap = {.tv_nsec = IDLE_NS};
	double most = READY_S + w->o->client.conns * READY_CONN_S;
	uint64_t end = rte_rdtsc() + (uint64_t)(most * (double)w->clock.hz);
	unsigned int more = 0;

	while (clients_ready(w->clients) < w->o->client.conns + w->o->client.beside) {
		if (more++ % 64 == 0)
			clients_more(w->clients);
		if (turn(w) == 0)
			nanosleep(&nap, NULL);
		if (bad(w))
			return false;
		if (rte_rdtsc() > end) {
			snprintf(w->err, sizeof(w->err), "%u of %u clients logged in in %.0f s",
				 clients_ready(w->clients),
				 w->o->client.conns + w->o->client.beside, most);
			return false;
		}
	}
	return true;
}

static bool work_until(struct world *w, uint64_t end_tsc)
{
	while (rte_rdtsc() < end_tsc) {
		for (int i = 0; i < 64; i++)
			turn(w);
		if (bad(w))
			return false;
	}
	return true;
}

static bool work_for(struct world *w, double seconds)
{
	return work_until(w, rte_rdtsc() + (uint64_t)(seconds * (double)w->clock.hz));
}

/*
 * How often and how long this core stands still when nobody works on it: what a latency has of the
 * machine. What others take of it is left out here as in the shard's clock.
 */
static bool find_gaps(struct world *w)
{
	struct gaps *g = &w->gaps;
	uint64_t hz = w->clock.hz, last = rte_rdtsc(), now;
	uint64_t end = last + (uint64_t)(GAPS_S * (double)hz);

	g->total = end - last;
	g->cycles = calloc(GAPS_MAX, sizeof(*g->cycles));
	if (g->cycles == NULL)
		return false;
	while ((now = rte_rdtsc()) < end && g->n < GAPS_MAX) {
		uint64_t gap = now - last;

		if (gap >= hz / 1000000 * GAP_US) {
			gap -= taken(w, now, gap);
			g->cycles[g->n++] = (uint32_t)RTE_MIN(gap, UINT64_C(0xffffffff));
			now = rte_rdtsc();
		}
		last = now;
	}
	return true;
}

/* What bulk comes to by the shard's clock when nothing holds it back; then a part of that. */
static bool pace(struct world *w, double warm)
{
	struct sample *a = &w->from, *b = &w->to;
	uint64_t from = shard_time(w);

	sample(w, a);
	if (!work_for(w, w->o->seconds * SATURATE))
		return false;
	sample(w, b);
	w->saturation = (double)(b->bytes - a->bytes) / (double)(shard_time(w) - from);
	clients_pace(w->clients, w->saturation * w->o->load);
	return work_for(w, warm);
}

static uint64_t bulk_bytes(const struct world *w)
{
	return clients_counts(w->clients)->bytes + w->targets.bytes;
}

/* What a connection does first costs more than what it does for ever, and is not counted. */
static bool all_begin(struct world *w)
{
	uint64_t enough = (uint64_t)w->o->client.conns * WARM_CONN;
	uint64_t end = rte_rdtsc() + WARM_MOST_S * w->clock.hz;

	if (w->o->client.work != WORK_UP && w->o->client.work != WORK_DOWN)
		return true;
	while (bulk_bytes(w) < enough && rte_rdtsc() < end)
		if (!work_for(w, WARM_S / 10))
			return false;
	return true;
}

static int world_run(void *arg)
{
	struct world *w = arg;
	double warm = RTE_MIN(WARM_S, w->o->seconds / 4);

	w->r = -EIO;
	if (!log_in(w))
		return stop = 1;
	__atomic_add_fetch(&worlds_ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&worlds_ready, __ATOMIC_SEQ_CST) < w->o->cores && !stop)
		turn(w);
	if (w->o->client.beside > 0 && !find_gaps(w))
		return stop = 1;
	clients_go(w->clients);
	if (!all_begin(w) || !work_for(w, warm) || (w->o->load > 0 && !pace(w, warm)))
		return stop = 1;
	sample(w, &w->from);
	clients_measure(w->clients, true);
	if (!work_for(w, w->o->seconds))
		return stop = 1;
	clients_measure(w->clients, false);
	sample(w, &w->to);
	w->r = 0;
	return 0;
}

/* --- coming and going
 * ----------------------------------------------------------------------------- */

static uint64_t gen_mbufs(const struct options *o)
{
	uint64_t each = 2 * o->client.conns > GEN_FEW ? DATA_MBUFS_MANY : DATA_MBUFS_CONN;

	return RTE_MAX(o->client.conns * each, (uint64_t)DATA_MBUFS);
}

static bool eal_begin(const struct options *o, uint32_t memory_mb)
{
	char cores[32], mem[16];
	bool huge = eal_hugepages_free_mb() >= memory_mb;
	char *argv[] = {(char *)"inring",
			(char *)"-l",
			cores,
			(char *)"-m",
			mem,
			(char *)"--no-pci",
			(char *)"--no-telemetry",
			(char *)"--log-level=error",
			(char *)(huge ? "--in-memory" : "--no-huge"),
			(char *)(huge ? "--no-pci" : "--no-shconf"),
			NULL};

	if (o->cores == 2)
		snprintf(cores, sizeof(cores), "%u,%u", o->core[0], o->core[1]);
	else
		snprintf(cores, sizeof(cores), "%u", o->core[0]);
	snprintf(mem, sizeof(mem), "%" PRIu32, memory_mb);
	setenv("RUNTIME_DIRECTORY", o->run, 1);
	return rte_eal_init(10, argv) >= 0;
}

static int conf_of(struct world *w)
{
	char path[256], *errors = NULL;
	int r;

	snprintf(path, sizeof(path), "%s/sluice%u.conf", w->o->run, w->index);
	r = conf_load(path, NULL, &w->conf, &errors);
	if (r < 0)
		snprintf(w->err, sizeof(w->err), "%s", errors != NULL ? errors : "no memory");
	free(errors);
	return r;
}

static int hub_begin(const struct options *o)
{
	struct linkhub_conf lc = {.shards = (uint16_t)o->cores, .name = "inring"};
	struct privs privs;
	char path[256];
	int r = crypto_random(&common.start_id, sizeof(common.start_id));

	privs_find(&privs);
	snprintf(path, sizeof(path), "%s/link.sock", o->run);
	lc.path = path;
	lc.start_id = common.start_id;
	if (r == 0)
		r = linkhub_new(&lc, &common.hub);
	if (r == 0 && privs.change)
		r = linkhub_chown(common.hub, privs.uid, privs.gid);
	return r;
}

static int shard_begin(struct world *w)
{
	struct shard_conf sc = {.index = (uint16_t)w->index,
				.conf = conf_dataplane(w->conf),
				.link = common.hub,
				.start_id = common.start_id};
	char pool[32];
	int r = shard_new(&sc, &w->shard, w->err, sizeof(w->err));

	snprintf(pool, sizeof(pool), "shard%u_%s", w->index,
		 w->o->mtu >= PKT_WIDE_MTU ? "wide" : "data");
	w->out.shard_pool = w->in.shard_pool = rte_mempool_lookup(pool);
	return r == 0 && w->in.shard_pool == NULL ? -ENOENT : r;
}

/* Wherever there is time for it, as any other process. */
static int control_begin(const struct options *o)
{
	char path[256];
	cpu_set_t all;

	snprintf(path, sizeof(path), "%s/sluice0.conf", o->run);
	common.control = fork();
	if (common.control != 0)
		return common.control < 0 ? -errno : 0;
	CPU_ZERO(&all);
	for (long i = 0; i < sysconf(_SC_NPROCESSORS_ONLN); i++)
		CPU_SET(i, &all);
	sched_setaffinity(0, sizeof(all), &all);
	setpriority(PRIO_PROCESS, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setenv("SLUICE_RUN", o->run, 1);
	execl(o->control, o->control, "-f", path, (char *)NULL);
	_exit(127);
}

static void common_end(void)
{
	if (common.control > 0) {
		kill(common.control, SIGTERM);
		waitpid(common.control, NULL, 0);
	}
	linkhub_free(common.hub);
}

static int gen_begin(struct world *w)
{
	struct client_conf cc = w->o->client;
	unsigned int streams = cc.conns * (cc.chans + 1) + 2 * cc.beside + 256;
	int r = cipher_engine_new(CIPHER_ENGINE_AUTO, SSH_PACKET_MAX + 64, &w->engine);

	cc.engine = w->engine;
	cc.interval_tsc = (double)w->clock.hz / w->o->rate;
	if (r == 0)
		r = gen_stack_new(&w->client_stack, &w->out, &w->pools, CLIENT_ADDR, GATEWAY_OUT,
				  streams);
	if (r == 0)
		r = gen_stack_new(&w->target_stack, &w->in, &w->pools, TARGET_ADDR, GATEWAY_IN,
				  streams);
	if (r == 0)
		r = targets_listen(&w->targets, &w->target_stack);
	if (r == 0)
		r = clients_new(&cc, &w->client_stack, &w->clients);
	return r;
}

/* In control's place. */
static int keys_begin(struct world *w)
{
	const struct client_conf *cc = &w->o->client;

	snprintf(w->socket, sizeof(w->socket), "%s/link.sock", w->o->run);
	w->keys_conf = (struct keys_conf){.socket = w->socket,
					  .cipher = cc->cipher,
					  .gateway = cc->gateway,
					  .target = cc->target,
					  .port = cc->port};
	return keys_new(&w->keys_conf, &w->keys);
}

static int world_begin(struct world *w)
{
	uint8_t mac = (uint8_t)(2 * w->index);
	char name[16];
	int r;

	clock_start(&w->clock);
	snprintf(name, sizeof(name), "gen%u", w->index);
	r = pkt_pools_new(name, (unsigned int)gen_mbufs(w->o), HEAD_MBUFS, SOCKET_ID_ANY,
			  &w->pools);
	snprintf(name, sizeof(name), "out%u", w->index);
	if (r == 0)
		r = wire_new(name, mac, w->o->mtu, w->pools.data, &w->out);
	snprintf(name, sizeof(name), "in%u", w->index);
	if (r == 0)
		r = wire_new(name, mac + 1, w->o->mtu, w->pools.data, &w->in);
	if (r == 0)
		r = shard_begin(w);
	if (r == 0)
		r = gen_begin(w);
	if (r < 0 && w->err[0] == '\0')
		snprintf(w->err, sizeof(w->err), "%s", strerror(-r));
	return r;
}

static void world_end(struct world *w)
{
	free(w->gaps.cycles);
	keys_free(w->keys);
	clients_free(w->clients);
	targets_free(&w->targets);
	gen_stack_free(&w->client_stack);
	gen_stack_free(&w->target_stack);
	shard_free(w->shard);
	wire_free(&w->out);
	wire_free(&w->in);
	cipher_engine_free(w->engine);
	pkt_pools_free(&w->pools);
	conf_put(w->conf);
}

/* --- what came out
 * ---------------------------------------------------------------------------------- */

static const char *const stage_key[] = {
#define X(name, key, text) key,
	SHARD_STAGES(X)
#undef X
};

static void print_hist(const struct world *w, const char *name, const struct hist *h)
{
	static const struct {
		const char *name;
		double share;
	} at[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1}};

	printf(", \"%s\": {\"n\": %" PRIu64, name, h->n);
	for (size_t i = 0; i < RTE_DIM(at); i++)
		printf(", \"%s\": %.2f", at[i].name,
		       (double)hist_at(h, at[i].share) * 1e6 / (double)w->clock.hz);
	printf("}");
}

static int longest_first(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

/*
 * p99 is what one request in a hundred would wait for, at least, that needs no time itself: gaps
 * cut at that length have a hundredth of the time above it.
 */
static void print_gaps(const struct world *w)
{
	const struct gaps *g = &w->gaps;
	double us = (double)w->clock.hz / 1e6, sum = 0, above = 0;
	double p99 = 0, share = (double)g->total / 100;

	qsort(g->cycles, g->n, sizeof(*g->cycles), longest_first);
	for (unsigned int i = 0; i < g->n; i++) {
		double next = i + 1 < g->n ? g->cycles[i + 1] : 0;
		double slice = (i + 1) * (g->cycles[i] - next);

		sum += g->cycles[i];
		if (above < share && above + slice >= share)
			p99 = g->cycles[i] - (share - above) / (i + 1);
		above += slice;
	}
	printf(", \"gaps\": {\"share\": %.5f, \"p99\": %.2f, \"max\": %.2f}",
	       sum / (double)g->total, p99 / us, g->n > 0 ? g->cycles[0] / us : 0.0);
}

/* Of requests, in us; bytes a second at which bulk would be the whole load. */
static void print_latency(const struct world *w)
{
	const struct latency *l = clients_latency(w->clients);

	if (w->o->load > 0)
		printf(", \"saturation\": %.0f", w->saturation * (double)w->clock.hz);
	if (w->o->client.beside == 0)
		return;
	print_hist(w, "latency", &l->shard);
	print_hist(w, "whole", &l->whole);
	printf(", \"unanswered\": %" PRIu64, l->unanswered);
	print_gaps(w);
}

static void print_world(const struct world *w)
{
	const struct sample *a = &w->from, *b = &w->to;
	double hz = (double)w->clock.hz, stages = 0;

	printf("{\"bytes\": %" PRIu64 ", \"ops\": %" PRIu64 ", \"seconds\": %.6f",
	       b->bytes - a->bytes, b->ops - a->ops, (double)(b->tsc - a->tsc) / hz);
	for (int i = 0; i < SHARD_STAGE_COUNT; i++) {
		uint64_t cycles = b->stats.stage[i].cycles - a->stats.stage[i].cycles;
		uint64_t items = b->stats.stage[i].items - a->stats.stage[i].items;
		uint64_t batches = b->stats.stage[i].batches - a->stats.stage[i].batches;

		stages += (double)cycles;
		printf(", \"%s\": %.6f, \"%s_batch\": %.1f", stage_key[i], (double)cycles / hz,
		       stage_key[i], batches > 0 ? (double)items / (double)batches : 0.0);
	}
	printf(", \"driver\": %.6f, \"stages\": %.6f, \"turns\": %.6f, \"generator\": %.6f",
	       (double)(b->driver - a->driver) / hz, stages / hz,
	       (double)(b->shard - a->shard) / hz, (double)(b->gen - a->gen) / hz);
	printf(", \"ran\": %.6f, \"taken\": %.6f, \"rekeys\": %" PRIu64,
	       (double)(b->ran_ns - a->ran_ns) / 1e9, (double)(b->taken - a->taken) / hz,
	       b->rekeys - a->rekeys);
	print_latency(w);
	printf(", \"control\": %.6f, \"frames\": %" PRIu64 ", \"frame_bytes\": %" PRIu64
	       ", \"lost\": %" PRIu64 "}",
	       (double)(b->control_ns - a->control_ns) / 1e9, b->frames - a->frames,
	       b->frame_bytes - a->frame_bytes, b->lost - a->lost);
}

/* --- the command line
 * --------------------------------------------------------------------------------- */

static const struct option longs[] = {
	{"run", required_argument, NULL, 'r'},    {"control", required_argument, NULL, 'C'},
	{"key", required_argument, NULL, 'k'},    {"user", required_argument, NULL, 'u'},
	{"core", required_argument, NULL, 'c'},   {"work", required_argument, NULL, 'w'},
	{"conns", required_argument, NULL, 'n'},  {"chans", required_argument, NULL, 'm'},
	{"size", required_argument, NULL, 's'},   {"seconds", required_argument, NULL, 't'},
	{"cipher", required_argument, NULL, 'e'}, {"mtu", required_argument, NULL, 'M'},
	{"beside", required_argument, NULL, 'b'}, {"request", required_argument, NULL, 'q'},
	{"rate", required_argument, NULL, 'R'},   {"load", required_argument, NULL, 'l'},
	{"keyed", no_argument, NULL, 'K'},        {NULL, 0, NULL, 0},
};

static bool option(struct options *o, int c, const char *v)
{
	switch (c) {
	case 'r':
		o->run = v;
		return true;
	case 'C':
		o->control = v;
		return true;
	case 'k':
		o->key_file = v;
		return true;
	case 'u':
		o->client.user = v;
		return true;
	case 'c':
		if (o->cores == WORLDS_MAX)
			return false;
		o->core[o->cores++] = (unsigned int)atoi(v);
		return true;
	case 'w':
		o->work = v;
		return true;
	case 'n':
		o->client.conns = (unsigned int)atoi(v);
		return o->client.conns > 0;
	case 'm':
		o->client.chans = (unsigned int)atoi(v);
		return true;
	case 's':
		o->client.size = (uint32_t)atoi(v);
		return o->client.size > 0 && o->client.size <= 32768;
	case 't':
		o->seconds = atof(v);
		return o->seconds > 0;
	case 'e':
		o->client.cipher = v;
		return true;
	case 'M':
		o->mtu = (uint16_t)atoi(v);
		return o->mtu >= PORT_MTU_MIN && o->mtu <= PORT_MTU_MAX;
	case 'b':
		o->client.beside = (unsigned int)atoi(v);
		return true;
	case 'q':
		o->client.request = (uint32_t)atoi(v);
		return o->client.request > 0 && o->client.request <= 32768;
	case 'R':
		o->rate = atof(v);
		return o->rate > 0;
	case 'l':
		o->load = atof(v);
		return o->load > 0 && o->load <= 1;
	case 'K':
		o->client.keyed = true;
		return true;
	default:
		return false;
	}
}

static bool parse(int argc, char **argv, struct options *o)
{
	static const char *const work[] = {"up", "down", "trips", "open", "idle"};
	int c;

	*o = (struct options){
		.work = "up",
		.seconds = 2,
		.mtu = 1500,
		.rate = 2000,
		.client = {.conns = 4,
			   .chans = 1,
			   .size = 32768,
			   .request = 64,
			   .gateway = GATEWAY_OUT,
			   .target = TARGET_ADDR,
			   .port = 22,
			   .cipher = "aes256-gcm@openssh.com"},
	};
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if (!option(o, c, optarg))
			return false;
	if (o->cores == 0)
		o->core[o->cores++] = 0;
	for (unsigned int i = 0; i < sizeof(work) / sizeof(*work); i++)
		if (strcmp(work[i], o->work) == 0) {
			o->client.work = (enum work)i;
			return optind == argc && o->run != NULL &&
			       (o->client.keyed ? o->cores == 1
						: o->control != NULL && o->key_file != NULL &&
							  o->client.user != NULL);
		}
	return false;
}

static int run(const struct options *o, struct world *w)
{
	uint32_t memory_mb = 0;
	int r = 0;

	for (unsigned int i = 0; i < o->cores && r == 0; i++) {
		w[i].o = o;
		w[i].index = i;
		r = conf_of(&w[i]);
		if (r == 0)
			memory_mb +=
				conf_dataplane(w[i].conf)->memory_mb +
				(uint32_t)((gen_mbufs(o) * DATA_COST + HEAD_MBUFS * HEAD_COST) >>
					   20);
	}
	if (r == 0 && !eal_begin(o, memory_mb)) {
		fprintf(stderr, "inring: EAL does not start\n");
		return -ENODEV;
	}
	r = hub_begin(o);
	for (unsigned int i = 0; i < o->cores && r == 0; i++)
		r = world_begin(&w[i]);
	if (r == 0)
		r = o->client.keyed ? keys_begin(&w[0]) : control_begin(o);
	if (r < 0)
		return r;
	if (o->cores == 2)
		rte_eal_remote_launch(world_run, &w[1], o->core[1]);
	world_run(&w[0]);
	rte_eal_mp_wait_lcore();
	for (unsigned int i = 0; i < o->cores; i++)
		r = w[i].r < 0 ? w[i].r : r;
	return r;
}

int main(int argc, char **argv)
{
	static struct world w[WORLDS_MAX];
	struct key *key = NULL;
	struct options o;
	int r;

	if (!parse(argc, argv, &o)) {
		fprintf(stderr,
			"usage: inring --run DIR --control PROGRAM --key FILE --user NAME | --keyed"
			" [--core N]... [--work up|down|trips|open|idle] [--conns N] [--chans N]"
			" [--size N] [--seconds S] [--cipher NAME] [--mtu N]"
			" [--beside N] [--request N] [--rate N] [--load SHARE]\n");
		return 2;
	}
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	signal(SIGPIPE, SIG_IGN);
	pattern_init();
	r = o.client.keyed ? 0 : key_file_load(o.key_file, &key);
	o.client.key = key;
	if (r == 0)
		r = run(&o, w);
	for (unsigned int i = 0; i < o.cores; i++)
		if (w[i].err[0] != '\0')
			fprintf(stderr, "inring: world %u: %s\n", i, w[i].err);
	if (r == 0) {
		printf("[");
		for (unsigned int i = 0; i < o.cores; i++) {
			printf(i > 0 ? ", " : "");
			print_world(&w[i]);
		}
		printf("]\n");
	} else {
		fprintf(stderr, "inring: %s\n", strerror(-r));
	}
	for (unsigned int i = 0; i < o.cores; i++)
		world_end(&w[i]);
	common_end();
	key_free(key);
	return r == 0 ? 0 : 1;
}
