/* perf/attack_stack.c - see attack.h. */
#include "perf/attack.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_mempool.h>

#include "crypto/secret.h"

#define DATA_MBUFS 24575
#define HEAD_MBUFS 49151
#define MEMORY_MB  "256"
#define BUDGET     (4u << 20)
#define TIME_WAIT  16384

struct net_addr attack_addr(const char *text)
{
	struct net_addr a = {.family = 4};

	if (inet_pton(AF_INET, text, a.b) != 1)
		a.family = 0;
	return a;
}

static bool eal_begin(const char *core)
{
	char *argv[] = {(char *)"attack",
			(char *)"--no-huge",
			(char *)"-m",
			(char *)MEMORY_MB,
			(char *)"--no-pci",
			(char *)"--no-shconf",
			(char *)"--no-telemetry",
			(char *)"-l",
			(char *)core,
			(char *)"--log-level=error",
			NULL};

	setenv("XDG_RUNTIME_DIR", "/tmp", 0);
	return rte_eal_init(10, argv) >= 0;
}

static int net_begin(struct attack_stack *s, const char *device, const char *own, const char *via)
{
	struct net_conf nc = {.pools = &s->pools};
	struct port_conf pc = {.device = device, .queues = 1, .pool = s->pools.data};
	struct net_addr addr = attack_addr(own), any = {.family = 4}, gateway;
	char err[256] = "";
	int r = port_open(&pc, 0, &s->port, err, sizeof(err));

	if (r < 0) {
		fprintf(stderr, "attack: %s\n", err);
		return r;
	}
	r = net_new(&nc, &s->net);
	if (r == 0)
		r = net_iface_add(s->net, "attack", &s->port);
	if (r == 0)
		r = net_addr_add(s->net, 0, &addr, 24);
	if (r == 0 && via != NULL) {
		gateway = attack_addr(via);
		r = net_route_add(s->net, &any, 0, &gateway);
	}
	return r;
}

static int tcp_begin(struct attack_stack *s)
{
	struct tcp_conf tc = {.net = s->net,
			      .pools = &s->pools,
			      .conns_max = ATTACK_CONNS,
			      .time_wait_max = TIME_WAIT,
			      .rx_budget = BUDGET,
			      .tx_budget = BUDGET};
	int r = crypto_random(tc.secret, sizeof(tc.secret));

	if (r == 0)
		r = tcp_new(&tc, &s->tcp);
	if (r == 0)
		tcp_provider(s->tcp, &s->provider);
	return r;
}

bool attack_stack_begin(struct attack_stack *s, const char *core, const char *device,
			const char *own, const char *via)
{
	int r;

	if (!eal_begin(core)) {
		fprintf(stderr, "attack: EAL does not start\n");
		return false;
	}
	clock_start(&s->clock);
	attack_now(s);
	r = pkt_pools_new("attack", DATA_MBUFS, HEAD_MBUFS, SOCKET_ID_ANY, &s->pools);
	if (r == 0)
		r = net_begin(s, device, own, via);
	if (r == 0)
		r = tcp_begin(s);
	if (r < 0)
		fprintf(stderr, "attack: %s\n", strerror(-r));
	return r == 0;
}

unsigned int attack_stack_end(struct attack_stack *s)
{
	unsigned int lost;

	tcp_free(s->tcp);
	net_free(s->net);
	port_close(&s->port);
	lost = rte_mempool_in_use_count(s->pools.data) + rte_mempool_in_use_count(s->pools.head);
	pkt_pools_free(&s->pools);
	return lost;
}

void attack_now(struct attack_stack *s)
{
	s->now_us = clock_us(&s->clock, rte_rdtsc());
}

unsigned int attack_input(struct attack_stack *s, struct rte_mbuf **m, unsigned int n)
{
	struct rte_mbuf *seg[ATTACK_BURST];
	unsigned int k = net_input_burst(s->net, 0, m, n, s->now_us, seg);

	tcp_input_burst(s->tcp, seg, k, s->now_us);
	return n;
}

unsigned int attack_output(struct attack_stack *s)
{
	unsigned int work = tcp_timers(s->tcp, s->now_us) + net_timers(s->net, s->now_us);

	work += tcp_output_poll(s->tcp, s->now_us);
	return work + net_flush(s->net);
}

struct attack_stats *attack_stats_map(const char *path, bool create)
{
	int fd = open(path, create ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0600);
	void *p = MAP_FAILED;

	if (fd >= 0 && (!create || ftruncate(fd, sizeof(struct attack_stats)) == 0))
		p = mmap(NULL, sizeof(struct attack_stats),
			 create ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (p == MAP_FAILED) {
		perror(path);
		return NULL;
	}
	return p;
}
