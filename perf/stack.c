/* perf/stack.c - see stack.h. */
#include "perf/stack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_mempool.h>

#include "crypto/secret.h"

#define EAL_ARGS 16

struct net_addr stack_addr(const char *text)
{
	struct net_addr a = {.family = 4};

	if (inet_pton(AF_INET, text, a.b) == 1)
		return a;
	a = (struct net_addr){.family = 6};
	if (inet_pton(AF_INET6, text, a.b) != 1)
		a.family = 0;
	return a;
}

/* ADDRESS/LENGTH. */
static bool own_parse(const char *text, struct net_addr *ret, unsigned int *ret_len)
{
	char buf[64], *slash;

	snprintf(buf, sizeof(buf), "%s", text != NULL ? text : "");
	slash = strchr(buf, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	*ret_len = (unsigned int)atoi(slash + 1);
	*ret = stack_addr(buf);
	return ret->family != 0;
}

static bool eal_begin(const struct stack_conf *conf)
{
	/* EAL keeps pointers into its arguments. */
	static char name[32], memory[16], cores[32];
	char *argv[EAL_ARGS];
	int argc = 0;

	snprintf(name, sizeof(name), "%s", conf->name);
	snprintf(memory, sizeof(memory), "%u", conf->memory_mb);
	if (conf->core >= 0)
		snprintf(cores, sizeof(cores), "0@%d", conf->core);
	else
		snprintf(cores, sizeof(cores), "0@(0-%ld)", sysconf(_SC_NPROCESSORS_ONLN) - 1);
	argv[argc++] = name;
	argv[argc++] = (char *)"-m";
	argv[argc++] = memory;
	argv[argc++] = (char *)"--lcores";
	argv[argc++] = cores;
	argv[argc++] = (char *)"--no-pci";
	argv[argc++] = (char *)"--no-telemetry";
	argv[argc++] = (char *)"--log-level=error";
	argv[argc++] = (char *)"--no-huge";
	argv[argc++] = (char *)"--no-shconf";
	argv[argc] = NULL;
	setenv("XDG_RUNTIME_DIR", "/tmp", 0);
	return rte_eal_init(argc, argv) >= 0;
}

static int port_begin(struct stack *s, const struct stack_conf *conf, unsigned int i)
{
	struct port_conf pc = {.device = conf->port[i].device,
			       .queues = 1,
			       .mtu = conf->port[i].mtu,
			       .pool = s->pools.data};
	char err[256] = "", name[16];
	struct net_addr own;
	unsigned int len;
	int r;

	if (!own_parse(conf->port[i].own, &own, &len))
		return -EINVAL;
	r = port_open(&pc, &s->port[i], err, sizeof(err));
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", conf->name, err);
		return r;
	}
	s->n_ports++;
	snprintf(name, sizeof(name), "port%u", i);
	r = net_iface_add(s->net, name, &s->port[i]);
	if (r >= 0 && pc.mtu != 0)
		r = net_iface_set(s->net, (unsigned int)r, 0, pc.mtu);
	return r < 0 ? r : net_addr_add(s->net, i, &own, len);
}

static int net_begin(struct stack *s, const struct stack_conf *conf)
{
	struct net_conf nc = {.pools = &s->pools};
	struct net_addr any, via;
	int r = net_new(&nc, &s->net);

	for (unsigned int i = 0; r == 0 && i < STACK_PORTS && conf->port[i].device != NULL; i++)
		r = port_begin(s, conf, i);
	if (r < 0 || conf->via == NULL)
		return r;
	via = stack_addr(conf->via);
	if (via.family == 0)
		return -EINVAL;
	any = (struct net_addr){.family = via.family};
	return net_route_add(s->net, &any, 0, &via);
}

static int tcp_begin(struct stack *s, const struct stack_conf *conf)
{
	struct tcp_conf tc = {.net = s->net,
			      .pools = &s->pools,
			      .conns_max = conf->conns_max,
			      .time_wait_max = conf->time_wait_max,
			      .rx_budget = conf->rx_budget,
			      .tx_budget = conf->tx_budget};
	int r;

	if (conf->one_source) {
		tc.half_open_max = tc.source_half_open = conf->conns_max;
		tc.source_syn_rate = UINT16_MAX;
	}
	r = crypto_random(tc.secret, sizeof(tc.secret));

	if (r == 0)
		r = tcp_new(&tc, &s->tcp);
	if (r == 0)
		tcp_provider(s->tcp, &s->provider);
	return r;
}

bool stack_begin(struct stack *s, const struct stack_conf *conf)
{
	int r;

	if (!eal_begin(conf)) {
		fprintf(stderr, "%s: EAL does not start\n", conf->name);
		return false;
	}
	clock_start(&s->clock);
	stack_now(s);
	r = pkt_pools_new(conf->name, conf->data_mbufs, conf->head_mbufs, SOCKET_ID_ANY, &s->pools);
	if (r == 0)
		r = net_begin(s, conf);
	if (r == 0)
		r = tcp_begin(s, conf);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", conf->name, strerror(-r));
	return r == 0;
}

unsigned int stack_end(struct stack *s)
{
	unsigned int lost;

	tcp_free(s->tcp);
	net_free(s->net);
	for (unsigned int i = 0; i < s->n_ports; i++)
		port_close(&s->port[i]);
	lost = rte_mempool_in_use_count(s->pools.data) + rte_mempool_in_use_count(s->pools.head);
	pkt_pools_free(&s->pools);
	return lost;
}

void stack_now(struct stack *s)
{
	s->now_us = clock_us(&s->clock, rte_rdtsc());
}

unsigned int stack_input(struct stack *s, unsigned int port, struct rte_mbuf **m, unsigned int n)
{
	struct rte_mbuf *seg[STACK_BURST];
	unsigned int k;

	if (n == 0)
		return 0;
	k = net_input_burst(s->net, port, m, n, s->now_us, seg);
	tcp_input_burst(s->tcp, seg, k, s->now_us);
	return n;
}

unsigned int stack_output(struct stack *s)
{
	unsigned int work = tcp_timers(s->tcp, s->now_us) + net_timers(s->net, s->now_us);

	work += tcp_output_poll(s->tcp, s->now_us);
	return work + net_flush(s->net);
}
