/* dataplane/shard: what it refuses to start with, its listeners, what a turn counts. */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/tcp.h> /* the other one has more names of ours */
#undef TCP_MSS_DEFAULT
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_ethdev.h>

#include "conf/conf.h"
#include "dataplane/internal.h"
#include "dataplane/portmap.h"
#include "dataplane/tcp/internal.h"
#include "dataplane/tcp/internal.h"
#include "tests/util/control_end.h"
#include "tests/util/eal.h"
#include "tests/util/frame.h"

static char dir[] = "/tmp/sluice-shard.XXXXXX";
static char path[64], stats[64], err[256];
static struct linkhub *l;
static struct shard *s;

static void start(void)
{
	eal_start("96");
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/link.sock", dir);
	snprintf(stats, sizeof(stats), "%s/shard0.stats", dir);
	cr_assert_eq(linkhub_new(&(struct linkhub_conf){path, 0, 1, 42, "dp", 0}, &l), 0);
}

static void end(void)
{
	shard_free(s);
	linkhub_free(l);
	cr_expect_eq(rmdir(dir), 0, "nothing is left behind");
}

TestSuite(shard, .init = start, .fini = end);

/* A configuration as conf_load() would give it. */
struct fixture {
	struct conf_dataplane conf;
	struct conf_interface iface;
	struct conf_ifaddr addr;
	struct conf_route route;
};

static void fixture(struct fixture *f)
{
	*f = (struct fixture){
		.iface = {.name = "outside", .device = "net_ring0"},
		.addr = {0, {4, 24, {198, 18, 0, 2}}},
		.route = {.prefix = {4, 0, {0}}, .via = {.family = 4, .addr = {198, 18, 0, 254}}},
	};
	f->conf = (struct conf_dataplane){
		.name = "dp",
		.memory_mb = 64,
		.idle_sleep = true,
		.max_connections = 16,
		.max_channels = 16,
		.audit_backlog = 16,
		.interfaces = &f->iface,
		.n_interfaces = 1,
		.ifaddrs = &f->addr,
		.n_ifaddrs = 1,
		.routes = &f->route,
		.n_routes = 1,
	};
}

static int make(const struct fixture *f)
{
	struct shard_conf sc = {.conf = &f->conf, .link = l, .start_id = 42, .stats_path = stats};

	err[0] = '\0';
	return shard_new(&sc, &s, err, sizeof(err));
}

static void spoil(struct fixture *f, int i)
{
	switch (i) {
	case 0:
		f->conf.memory_mb = 4;
		break;
	case 1:
		f->conf.memory_mb = 4096; /* EAL has 96 */
		break;
	case 2:
		f->iface.device = "net_nosuchdriver0";
		break;
	case 3:
		f->addr.prefix = (struct conf_prefix){6, 64, {0xff, 2, [15] = 1}};
		break;
	case 4:
		f->addr.prefix.addr[3] = 255;
		break;
	case 5:
		f->route.via.addr[0] = 9;
		break;
	default:
		f->route.prefix = (struct conf_prefix){4, 8, {10, 1}};
		break;
	}
}

Test(shard, bad_configurations_are_refused_in_one_line)
{
	for (int i = 0; i < 7; i++) {
		struct fixture f;

		fixture(&f);
		spoil(&f, i);
		cr_expect_lt(make(&f), 0, "case %d", i);
		cr_expect_neq(err[0], '\0', "case %d", i);
		cr_expect_null(strchr(err, '\n'), "case %d", i);
		cr_expect_eq(access(stats, F_OK), -1, "case %d", i);
	}
}

Test(shard, too_little_memory_names_the_least)
{
	struct fixture f;

	fixture(&f);
	f.conf.memory_mb = 4;
	cr_expect_eq(make(&f), -ENOMEM);
	cr_expect_neq(strstr(err, "Memory 4M is too little for 1 shard"), NULL, "%s", err);
}

/* --- with a control ------------------------------------------------------------- */

static struct fixture good;
static struct control_end c;
static uint8_t msg[LINK_MSG_MAX];

static void run_turns(void)
{
	for (int i = 0; i < 4; i++) {
		shard_turn(s);
		shard_link_poll(s);
	}
}

static void attach(void)
{
	struct link_hello h = control_hello();
	const struct link_ready *ready;

	cr_assert_eq(control_end_begin(&c, path, &h), 0);
	run_turns();
	cr_assert_eq(control_end_finish(&c), 0);
	cr_assert_gt(link_rx(&c.rx, msg, sizeof(msg)), 0);
	cr_expect_eq(((struct link_hdr *)msg)->type, LINK_EV_SHARD_READY);
	ready = link_msg_body(msg);
	cr_expect_eq(ready->max_conns, 16);
	cr_expect_eq(ready->start_id_low, 42);
	cr_expect_str_eq(ready->name, "dp");
}

static void detach(void)
{
	control_end_close(&c);
	run_turns();
}

static void make_good(void)
{
	fixture(&good);
	cr_assert_eq(make(&good), 0, "%s", err);
	attach();
}

/* The answer to LISTEN on 198.18.0.last, or 1 when none came. */
static int listen_at(uint8_t last, uint16_t port, uint32_t number, bool stop)
{
	struct link_addr a = {.family = 4, .port = port, .addr = {198, 18, 0, last}};
	const struct link_listen_result *res = link_msg_body(msg);

	cr_assert_eq(control_end_listen(&c, &a, number, stop), 0);
	run_turns();
	if (link_rx(&c.rx, msg, sizeof(msg)) < 0 ||
	    ((struct link_hdr *)msg)->type != LINK_EV_LISTEN_RESULT)
		return 1;
	cr_expect_eq(res->listener, number);
	return res->err;
}

Test(shard, listener_needs_an_address_of_an_interface)
{
	make_good();
	cr_expect_eq(listen_at(3, 22, 1, false), -EADDRNOTAVAIL);
	cr_expect_eq(listen_at(254, 22, 2, false), -EADDRNOTAVAIL);
	cr_expect_eq(listen_at(2, 22, 4, false), 0);
	detach();
}

/* The answer to LISTEN on an address of IPv6, or 1 when none came. */
static int listen_at_6(const struct link_addr *a, uint32_t number)
{
	const struct link_listen_result *res = link_msg_body(msg);

	cr_assert_eq(control_end_listen(&c, a, number, false), 0);
	run_turns();
	if (link_rx(&c.rx, msg, sizeof(msg)) < 0 ||
	    ((struct link_hdr *)msg)->type != LINK_EV_LISTEN_RESULT)
		return 1;
	cr_expect_eq(res->listener, number);
	return res->err;
}

Test(shard, listeners_of_ipv6_any_and_link_local)
{
	const struct conf_ifaddr addrs[] = {
		{0, {4, 24, {198, 18, 0, 2}}},
		{0, {6, 64, {0xfe, 0x80, [15] = 9}}},
	};
	struct link_addr any = {.family = 6, .port = 22}, any4 = {.family = 4, .port = 22};
	struct link_addr ll = {.family = 6, .port = 22, .addr = {0xfe, 0x80, [15] = 9}};

	fixture(&good);
	good.conf.ifaddrs = addrs;
	good.conf.n_ifaddrs = 2;
	cr_assert_eq(make(&good), 0, "%s", err);
	attach();
	cr_expect_eq(listen_at_6(&any, 1), 0);
	cr_expect_eq(listen_at_6(&any, 2), -EADDRINUSE);
	cr_expect_eq(listen_at_6(&any4, 3), 0);
	cr_expect_eq(listen_at_6(&ll, 4), -EADDRNOTAVAIL, "on which interface?");
	ll.scope = 1;
	cr_expect_eq(listen_at_6(&ll, 5), 0);
	ll.scope = 2;
	cr_expect_eq(listen_at_6(&ll, 6), -EADDRNOTAVAIL);
	detach();
}

Test(shard, address_is_listened_on_once)
{
	make_good();
	cr_expect_eq(listen_at(2, 22, 1, false), 0);
	cr_expect_eq(listen_at(2, 22, 2, false), -EADDRINUSE);
	cr_expect_eq(listen_at(2, 23, 3, false), 0);
	cr_expect_eq(listen_at(2, 22, 1, true), 0);
	cr_expect_eq(listen_at(2, 22, 1, true), -ENOENT);
	cr_expect_eq(listen_at(2, 22, 4, false), 0);
	detach();
}

Test(shard, listeners_are_bounded)
{
	make_good();
	for (uint32_t i = 0; i < SHARD_LISTENERS_MAX; i++) {
		int r = listen_at(2, (uint16_t)(1000 + i), i, false);

		if (r == -ENOBUFS) /* TCP's own bound is lower */
			break;
		cr_assert_eq(r, 0, "%u", i);
	}
	cr_expect_eq(listen_at(2, 9999, 9999, false), -ENOBUFS);
	detach();
}

static bool is_open(uint16_t port)
{
	for (uint32_t i = 0; i < SHARD_LISTENERS_MAX; i++)
		if (s->listener[i].open && s->listener[i].at.addr.port == port)
			return true;
	return false;
}

Test(shard, new_control_takes_listeners_over_and_the_rest_is_closed)
{
	make_good();
	cr_expect_eq(listen_at(2, 22, 1, false), 0);
	cr_expect_eq(listen_at(2, 23, 2, false), 0);
	detach();
	cr_expect(is_open(22) && is_open(23), "they outlive control");
	attach();
	cr_expect_eq(listen_at(2, 22, 77, false), 0);
	s->relisten_us = s->now_us; /* as if its time had come */
	run_turns();
	cr_expect(is_open(22));
	cr_expect_not(is_open(23));
	for (uint32_t i = 0; i < SHARD_LISTENERS_MAX; i++)
		if (s->listener[i].open)
			cr_expect_eq(s->listener[i].number, 77);
	detach();
}

/* --- without interfaces: the kernel listens ------------------------------------------------- */

static struct sockaddr_in kernel_at;

/* Of loopback, and no longer than its caller wants it; kernel_at says which. */
static int kernel_bound(bool shared)
{
	const int on = shared;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(kernel_at);

	kernel_at = (struct sockaddr_in){.sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&kernel_at, len), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&kernel_at, &len), 0);
	return fd;
}

/* At kernel_at, as good.conf says. */
static int new_kernel(struct team *team, bool exclusive)
{
	static struct conf_listen where = {.addr = {.family = 4, .addr = {127, 0, 0, 1}}};
	static uint16_t port;
	struct shard_conf sc = {.conf = &good.conf,
				.link = l,
				.start_id = 42,
				.stats_path = stats,
				.listens = &where,
				.n_listens = 1,
				.listen_ports = &port,
				.listen_backlog = 9,
				.listen_exclusive = exclusive,
				.team = team};

	where.addr.port = port = ntohs(kernel_at.sin_port);
	return shard_new(&sc, &s, err, sizeof(err));
}

static void kernel_conf(void)
{
	fixture(&good);
	good.conf.n_interfaces = good.conf.n_ifaddrs = good.conf.n_routes = 0;
	good.conf.max_host_streams = 16;
}

static void make_kernel(void)
{
	kernel_conf();
	close(kernel_bound(false));
	cr_assert_eq(new_kernel(NULL, true), 0, "%s", err);
	attach();
}

/* The answer to LISTEN there, or 1 when none came. */
static int kernel_listen(uint32_t number, bool stop)
{
	const struct link_addr a = {
		.family = 4, .port = ntohs(kernel_at.sin_port), .addr = {127, 0, 0, 1}};
	const struct link_listen_result *res = link_msg_body(msg);

	cr_assert_eq(control_end_listen(&c, &a, number, stop), 0);
	run_turns();
	while (link_rx(&c.rx, msg, sizeof(msg)) >= 0)
		if (((struct link_hdr *)msg)->type == LINK_EV_LISTEN_RESULT &&
		    res->listener == number)
			return res->err;
	return 1;
}

/* 0: somebody listens, and has taken the connection. */
static int kernel_connect(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), r;
	uint64_t before = relay_counters(s->relay)[RELAY_C_CONNS], taken;

	r = connect(fd, (struct sockaddr *)&kernel_at, sizeof(kernel_at)) < 0 ? -errno : 0;
	run_turns();
	taken = relay_counters(s->relay)[RELAY_C_CONNS] - before;
	cr_expect_eq(taken, r == 0, "%d", r);
	close(fd);
	run_turns();
	return r;
}

/* What control wants no more refuses, as an address of ours does, and may be wanted again. */
Test(shard, an_address_of_the_kernels_that_nobody_wants_refuses)
{
	make_kernel();
	cr_expect_eq(kernel_listen(1, false), 0);
	cr_expect_eq(kernel_connect(), 0);
	for (uint32_t i = 2; i < 5; i++) {
		cr_expect_eq(kernel_listen(i - 1, true), 0);
		cr_expect_eq(kernel_connect(), -ECONNREFUSED);
		cr_expect_eq(kernel_listen(i, false), 0);
		cr_expect_eq(kernel_connect(), 0);
	}
	detach();
	cr_expect_eq(kernel_connect(), 0, "it outlives control");
	attach();
	s->relisten_us = s->now_us; /* as if its time had come */
	run_turns();
	cr_expect_eq(kernel_connect(), -ECONNREFUSED, "which wants it no more");
	cr_expect_eq(kernel_listen(9, false), 0);
	cr_expect_eq(kernel_connect(), 0);
	detach();
}

/* What the kernel says of a socket that listens. */
static unsigned int kernel_backlog(void)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	cr_assert_eq(getsockopt(s->kernel[0].fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info.tcpi_sacked;
}

Test(shard, the_kernels_backlog_is_what_control_says)
{
	make_kernel();
	cr_expect_eq(kernel_backlog(), 9, "as the file has it");
	cr_expect_eq(kernel_listen(1, false), 0);
	cr_expect_eq(kernel_backlog(), 16);
	detach();
	cr_expect_eq(shard_kernel_listen(s->kernel[0].fd, 3), 0);
	attach();
	cr_expect_eq(kernel_listen(2, false), 0, "another control");
	cr_expect_eq(kernel_backlog(), 16);
	detach();
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	cr_assert_eq(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

/* Ours of the connection whose other end is this. */
static int accepted_from(int fd)
{
	struct sockaddr_in at, peer;
	socklen_t len = sizeof(at);

	cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	for (int i = 3; i < 1024; i++) {
		len = sizeof(peer);
		if (getpeername(i, (struct sockaddr *)&peer, &len) == 0 &&
		    peer.sin_family == AF_INET && peer.sin_port == at.sin_port)
			return i;
	}
	cr_assert_fail("it was not accepted");
	return -1;
}

/* Linux counts its own part of a buffer, and doubles what is asked for. */
Test(shard, who_comes_in_by_the_kernel_has_the_sockets_of_the_file)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), ours;

	kernel_conf();
	good.conf.receive_buffer = 65536;
	good.conf.send_buffer = 32768;
	good.conf.tcp_keepalive = true;
	good.conf.tcp_keepalive_time_ms = 61001;
	good.conf.tcp_keepalive_interval_ms = 250;
	good.conf.tcp_keepalive_count = 255;
	close(kernel_bound(false));
	cr_assert_eq(new_kernel(NULL, true), 0, "%s", err);
	attach();
	cr_expect_eq(kernel_listen(1, false), 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&kernel_at, sizeof(kernel_at)), 0);
	run_turns();
	ours = accepted_from(fd);
	cr_expect_eq(option(ours, SOL_SOCKET, SO_RCVBUF), 2 * 65536);
	cr_expect_eq(option(ours, SOL_SOCKET, SO_SNDBUF), 2 * 32768);
	cr_expect_eq(option(ours, SOL_SOCKET, SO_KEEPALIVE), 1);
	cr_expect_eq(option(ours, IPPROTO_TCP, TCP_KEEPIDLE), 62);
	cr_expect_eq(option(ours, IPPROTO_TCP, TCP_KEEPINTVL), 1, "a second at least");
	cr_expect_eq(option(ours, IPPROTO_TCP, TCP_KEEPCNT), 127, "the kernel's most");
	cr_expect_eq(option(ours, IPPROTO_TCP, TCP_NODELAY), 1);
	close(fd);
	run_turns();
	detach();
}

/* By SO_REUSEPORT shards share an address, and would with anybody of their user. */
Test(shard, an_address_of_the_kernels_is_nobody_elses)
{
	const struct team_conf tc = {.conf = &good.conf, .shards = 2, .name = "two"};
	struct team *team;
	int other;

	kernel_conf();
	cr_assert_eq(team_new(&tc, &team, err, sizeof(err)), 0, "%s", err);
	other = kernel_bound(true);
	cr_assert_eq(listen(other, 1), 0);
	cr_expect_eq(new_kernel(team, true), -EADDRINUSE);
	cr_expect_neq(strstr(err, "Bind to port"), NULL, "%s", err);
	cr_expect_eq(new_kernel(team, false), 0, "ListenExclusive no: %s", err);
	shard_free(s);
	close(other);
	cr_expect_eq(new_kernel(team, true), 0, "%s", err);
	shard_free(s);
	s = NULL;
	team_free(team);
}

/* The same address twice, each in its own domain; and a device that is none. */
Test(shard, a_routing_domain_is_a_place_of_its_own)
{
	static struct conf_listen where[] = {
		{.addr = {.family = 4, .addr = {127, 0, 0, 1}}, .rdomain = "lo"},
		{.addr = {.family = 4, .addr = {127, 0, 0, 1}}},
	};
	uint16_t ports[2] = {0, 0};
	struct shard_conf sc = {.conf = &good.conf,
				.link = l,
				.start_id = 42,
				.stats_path = stats,
				.listens = where,
				.n_listens = 2,
				.listen_ports = ports,
				.listen_backlog = 9};
	struct shard_at at = {.addr = {.family = 4, .addr = {127, 0, 0, 1}}, .rdomain = "lo"};
	char device[LINK_RDOMAIN_MAX + 1] = "";
	socklen_t len = sizeof(device);
	int fd;

	kernel_conf();
	cr_assert_eq(shard_new(&sc, &s, err, sizeof(err)), 0, "%s", err);
	cr_expect_neq(ports[0], ports[1]);
	cr_expect_eq(shard_listen_port(s, &at), ports[0]);
	fd = shard_kernel_fd(s, &at);
	cr_expect_eq(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &len), 0);
	cr_expect_str_eq(device, "lo");
	at.rdomain[0] = '\0';
	cr_expect_eq(shard_listen_port(s, &at), ports[1]);
	cr_expect_neq(shard_kernel_fd(s, &at), fd);
	shard_free(s);
	s = NULL;
	strcpy(where[0].rdomain, "no_such_vrf");
	cr_expect_eq(shard_new(&sc, &s, err, sizeof(err)), -ENODEV);
	cr_expect(strstr(err, "rdomain no_such_vrf is no device here") != NULL, "%s", err);
}

/* Port 0: all shards have the one the kernel gave the first. */
Test(shard, a_port_of_the_kernels_that_is_free_is_all_shards)
{
	static const struct conf_listen where = {.addr = {.family = 4, .addr = {127, 0, 0, 1}}};
	const struct team_conf tc = {.conf = &good.conf, .shards = 2, .name = "two"};
	const struct shard_at asked = {.addr = {.family = 4, .addr = {127, 0, 0, 1}}};
	const struct shard_at other = {.addr = {.family = 4}};
	const struct shard_at there = {.addr = asked.addr, .rdomain = "lo"};
	uint16_t port = 0, first;
	struct shard_conf sc = {.conf = &good.conf,
				.listens = &where,
				.n_listens = 1,
				.listen_ports = &port,
				.listen_backlog = 9,
				.listen_exclusive = true};

	kernel_conf();
	linkhub_free(l);
	cr_assert_eq(linkhub_new(&(struct linkhub_conf){path, 0, 2, 42, "dp", 0}, &l), 0);
	sc.link = l;
	cr_assert_eq(team_new(&tc, &sc.team, err, sizeof(err)), 0, "%s", err);
	cr_assert_eq(shard_new(&sc, &s, err, sizeof(err)), 0, "%s", err);
	first = port;
	cr_expect_neq(first, 0);
	for (sc.index = 0; sc.index < 2; sc.index++) {
		struct shard *of = s;

		if (sc.index == 1)
			cr_assert_eq(shard_new(&sc, &of, err, sizeof(err)), 0, "%s", err);
		cr_expect_eq(shard_listen_port(of, &asked), first);
		cr_expect_eq(shard_listen_port(of, &other), 0, "nobody asked for it");
		cr_expect_eq(shard_listen_port(of, &there), 0, "nor there");
		cr_expect_geq(shard_kernel_fd(of, &asked), 0);
		if (of != s)
			shard_free(of);
	}
	cr_expect_eq(port, first);
	shard_free(s);
	s = NULL;
	team_free(sc.team);
}

/* Of a port of ours: chosen at the start, beside those of the file; another control has it again. */
Test(shard, a_port_of_ours_that_is_free_is_that_of_the_start)
{
	static const struct conf_listen where[] = {
		{.addr = {.family = 4, .addr = {198, 18, 0, 2}}},
		{.addr = {.family = 4, .port = 22, .addr = {198, 18, 0, 2}}},
		{.addr = {.family = 6}},
	};
	const struct link_listen_result *res = link_msg_body(msg);
	const struct link_addr any6 = {.family = 6}, any4 = {.family = 4};
	uint16_t ports[3] = {0, 22, 0};
	struct shard_conf sc = {.link = l,
				.start_id = 42,
				.stats_path = stats,
				.listens = where,
				.n_listens = 3};

	fixture(&good);
	sc.conf = &good.conf;
	sc.listen_ports = ports;
	cr_assert_eq(shard_new(&sc, &s, err, sizeof(err)), 0, "%s", err);
	cr_expect_geq(ports[0], PORTMAP_DYNAMIC_MIN);
	cr_expect_geq(ports[2], PORTMAP_DYNAMIC_MIN);
	cr_expect_eq(ports[1], 22);
	cr_expect_neq(ports[0], ports[2]);
	for (unsigned int control = 0; control < 2; control++) {
		attach();
		cr_expect_eq(listen_at(2, 0, 1, false), 0);
		cr_expect_eq(res->port, ports[0]);
		cr_expect_eq(listen_at(2, 22, 2, false), 0);
		cr_expect_eq(res->port, 22);
		cr_expect_eq(listen_at_6(&any6, 3), 0);
		cr_expect_eq(res->port, ports[2]);
		cr_expect_eq(listen_at_6(&any4, 4), -EADDRNOTAVAIL, "none of the start's");
		cr_expect_eq(s->tcp->listener[0].port, ports[0]);
		detach();
	}
}

Test(shard, new_control_may_want_another_backlog)
{
	const struct link_listen want = {.addr = {.family = 4, .port = 22, .addr = {198, 18, 0, 2}},
					 .listener = 1,
					 .backlog = 17};
	const struct link_hdr h = {.len = sizeof(h) + sizeof(want), .type = LINK_CMD_LISTEN};

	make_good();
	cr_expect_eq(listen_at(2, 22, 1, false), 0);
	cr_expect_eq(s->tcp->listener[0].backlog, 16);
	detach();
	attach();
	cr_assert_eq(link_tx(&c.tx, &h, sizeof(h), &want, sizeof(want)), 0);
	run_turns();
	cr_expect_eq(s->tcp->listener[0].backlog, 17);
	detach();
}

Test(shard, a_turn_counts_by_stage_if_it_did_work)
{
	const struct shard_snapshot *st;
	uint64_t rx;

	make_good();
	run_turns(); /* the announcement goes round the ring and comes back */
	st = shard_stats(s);
	cr_expect_gt(st->stage[SHARD_STAGE_TX].items, 0);
	cr_expect_gt(st->stage[SHARD_STAGE_RX].items, 0);
	cr_expect_eq(st->rx_pkts, st->stage[SHARD_STAGE_RX].items);
	cr_expect_geq(st->tx_bytes, 42, "an announcement"); /* RFC 826 behind Ethernet */
	cr_expect_eq(st->stage[SHARD_STAGE_TX].bytes, st->tx_bytes);
	cr_expect_eq(st->stage[SHARD_STAGE_RX].bytes, st->rx_bytes);
	cr_expect_eq(st->rx_bytes, st->tx_bytes, "the ring's");
	cr_expect_eq(st->stage[SHARD_STAGE_TCP].bytes, 0);
	/* Looking for work costs as well; but it is no work. */
	cr_expect_gt(st->stage[SHARD_STAGE_OPEN].cycles, 0);
	cr_expect_eq(st->stage[SHARD_STAGE_OPEN].batches, 0);
	cr_expect_eq(st->stage[SHARD_STAGE_SEAL].batches, 0);
	rx = st->stage[SHARD_STAGE_RX].cycles;
	cr_expect_eq(shard_turn(s), 0);
	cr_expect_eq(st->stage[SHARD_STAGE_RX].cycles, rx);
	cr_expect_lt(st->busy_turns, st->turns);
	detach();
}

/* What one counter says in the shared file, and whose it is. */
static uint64_t shared_counter(const char *room, const char *object, const char *name)
{
	uint64_t v = UINT64_MAX;
	void *file;

	cr_assert_eq(link_stats_read(stats, &file), 0);
	for (size_t i = 0; i < link_stats_n(file); i++) {
		struct link_stats_counter k = link_stats_at(file, i);

		cr_expect_neq(k.text[0], '\0', "%s %s says what it means", k.room, k.name);
		if (strcmp(k.room, room) == 0 && strcmp(k.object, object) == 0 &&
		    strcmp(k.name, name) == 0)
			v = k.value;
	}
	free(file);
	return v;
}

Test(shard, counters_of_all_rooms_are_shared)
{
	struct rte_mbuf *m;

	make_good();
	m = rte_pktmbuf_alloc(s->pools.data);
	memset(rte_pktmbuf_append(m, 13), 0, 13); /* no Ethernet header */
	cr_assert_eq(s->port[0].tx_burst(&s->port[0], &m, 1), 1);
	run_turns();
	snapshot_publish(&s->snapshot, &s->stats);
	cr_expect_eq(shared_counter("net", "", "SHORT"), 1);
	cr_expect_eq(shared_counter("tcp", "", "IN_SEGS"), 0);
	cr_expect_eq(shared_counter("relay", "", "CONNS"), 0);
	cr_expect_eq(shared_counter("ssh", "", "mac"), 0);
	cr_expect_eq(shared_counter("port", "outside", "RX_MISSED"), 0);
	cr_expect_gt(shared_counter("shard", "", "TSC_HZ"), 1000000);
	cr_expect_eq(shared_counter("shard", "", "TURNS"), s->stats.turns);
	cr_expect_eq(shared_counter("stage", "rx", "ITEMS"), s->stats.stage[SHARD_STAGE_RX].items);
	cr_expect_eq(shared_counter("stage", "link", "BYTES"), 0);
	cr_expect_eq(shared_counter("port", "inside", "RX_MISSED"), UINT64_MAX);
	detach();
}

Test(shard, limits_are_shared)
{
	struct rte_mbuf *m[8];

	make_good();
	cr_assert_eq(rte_pktmbuf_alloc_bulk(s->pools.data, m, 8), 0);
	s->limits_us = 0;
	shard_limits_poll(s);
	snapshot_publish(&s->snapshot, &s->stats);
	cr_expect_eq(shared_counter("limit", "MaxChannels", "MAX"), s->conf->max_channels);
	cr_expect_eq(shared_counter("limit", "MaxConnections", "USED"), 0);
	cr_expect_geq(shared_counter("limit", "Memory", "USED"), 8);
	cr_expect_eq(shared_counter("limit", "Memory", "MAX"), s->pools.data->size);
	cr_expect_eq(shared_counter("limit", "PARK_MAX", "MAX"), PARK_MAX);
	for (unsigned int i = 0; i < SHARD_LIMIT_COUNT; i++)
		cr_expect_eq(shared_counter("limit", shard_limit_name(i), "REFUSED"), 0, "%s",
			     shard_limit_name(i));
	rte_pktmbuf_free_bulk(m, 8);
	detach();
}

/* --- MaxConnections ------------------------------------------------------------------------- */

static void say_conns(uint32_t max)
{
	struct link_hdr h = {.len = sizeof(h) + sizeof(struct link_conns), .type = LINK_CMD_CONNS};
	struct link_conns m = {.max = max};

	cr_assert_eq(link_tx(&c.tx, &h, sizeof(h), &m, sizeof(m)), 0);
	run_turns();
}

/* As those see it who look. */
static uint64_t conns_may_be(void)
{
	s->limits_us = 0;
	shard_limits_poll(s);
	snapshot_publish(&s->snapshot, &s->stats);
	return shared_counter("limit", "MaxConnections", "MAX");
}

Test(shard, connections_may_be_more_or_fewer_as_control_says)
{
	const struct link_ready *ready = link_msg_body(msg);
	uint32_t places;

	make_good();
	cr_expect_eq(conns_may_be(), 16);
	cr_expect_eq(tcp_conns_max(s->tcp), 16 + 16, "a channel's target is one, too");
	places = ready->places;
	cr_expect_eq(places, 100000);
	say_conns(70000);
	cr_expect_eq(conns_may_be(), 70000);
	cr_expect_eq(tcp_conns_max(s->tcp), 70000 + 16);
	say_conns(3);
	cr_expect_eq(conns_may_be(), 3);
	cr_expect_eq(tcp_conns_max(s->tcp), 3 + 16);
	say_conns(places + 1);
	cr_expect_eq(conns_may_be(), places);
	say_conns(16);
	detach();
	cr_expect_eq(conns_may_be(), 16, "without control it is what it was");
	attach();
	say_conns(20); /* the next one says what its own file has */
	cr_expect_eq(conns_may_be(), 20);
	detach();
}

/* --- F-13: queues that stand still
 * ----------------------------------------------------------------- */

static uint16_t take_nothing(struct port *p, struct rte_mbuf **m, uint16_t n)
{
	(void)p, (void)m, (void)n;
	return 0;
}

static void look_after(uint64_t us)
{
	s->now_us += us;
	s->ports_us = 0;
	shard_ports_poll(s);
}

static void make_two(void)
{
	static struct conf_interface ifaces[2] = {{.name = "outside", .device = "net_ring0"},
						  {.name = "inside", .device = "net_ring1"}};

	fixture(&good);
	good.conf.interfaces = ifaces;
	good.conf.n_interfaces = 2;
	cr_assert_eq(make(&good), 0, "%s", err);
}

/* Something for the first port to send. */
static void give(struct shard *to, unsigned int iface)
{
	struct net_addr a = {.family = 4, .b = {198, 18, (uint8_t)iface, 77}};
	struct rte_mbuf *m = rte_pktmbuf_alloc(to->pools.data);

	rte_pktmbuf_append(m, 40);
	(void)net_output(to->net, m, &a, &a, 6, 64, 0, NULL, to->now_us);
}

Test(shard, a_transmit_queue_that_stands_still_is_told_of_once)
{
	uint64_t *stalls;

	make_two();
	shard_turn(s);
	stalls = &s->port[0].counters[PORT_C_TX_STALL];
	s->port[0].tx_burst = take_nothing;
	give(s, 0);
	shard_turn(s);
	look_after(0);
	cr_expect_eq(*stalls, 0, "not at once");
	look_after(SHARD_STALL_US + SHARD_PORTS_US); /* with what may pass before: below a second */
	cr_expect_eq(*stalls, 1);
	look_after(10 * SHARD_STALL_US);
	cr_expect_eq(*stalls, 1, "once");
	cr_expect_eq(s->port[1].counters[PORT_C_TX_STALL], 0);
	cr_expect_eq(net_tx_stuck_us(s->net, 1), 0, "the other goes on");
}

Test(shard, a_receive_queue_that_stands_still_is_told_of_once)
{
	uint64_t *stalls;

	make_two();
	s->port[0].rx_burst = take_nothing;
	stalls = &s->port[0].counters[PORT_C_RX_STALL];
	for (int i = 0; i < 8; i++) {
		s->watch[0].seen_missed = 1000; /* as if the device had missed some meanwhile */
		look_after(SHARD_PORTS_US);
		cr_expect_eq(*stalls, i * SHARD_PORTS_US >= SHARD_STALL_US, "look %d", i);
	}
	s->watch[0].rx_pkts++; /* one came */
	look_after(SHARD_PORTS_US);
	cr_expect_not(s->watch[0].rx_alarm, "over");
	cr_expect_eq(*stalls, 1);
	cr_expect_eq(s->port[1].counters[PORT_C_RX_STALL], 0);
}

Test(shard, a_link_that_goes_is_counted_and_what_is_sent_is_dropped)
{
	make_two();
	shard_turn(s);
	rte_eth_dev_set_link_down(s->port[0].port_id);
	look_after(SHARD_PORTS_US);
	cr_expect_not(s->port[0].link_up);
	cr_expect(s->port[1].link_up);
	cr_expect_eq(s->port[0].counters[PORT_C_LINK_DOWN], 1);
	give(s, 0);
	cr_expect_gt(net_drops(s->net)[NET_DROP_LINK_DOWN], 0);
	rte_eth_dev_set_link_up(s->port[0].port_id);
	look_after(SHARD_PORTS_US);
	cr_expect(s->port[0].link_up);
	cr_expect_eq(s->port[0].counters[PORT_C_LINK_DOWN], 1);
}

Test(shard, a_packet_proves_the_link)
{
	make_two();
	shard_turn(s);
	rte_eth_dev_set_link_down(s->port[0].port_id);
	s->watch[0].rx_pkts++;
	look_after(SHARD_PORTS_US);
	cr_expect(s->port[0].link_up);
}

/* A first fragment of a TCP segment to the fixture's address. */
static struct rte_mbuf *a_fragment(void)
{
	struct rte_mbuf *m = frame_bytes(s->pools.data, (uint8_t[40]){0}, 40);
	struct rte_ether_hdr eth = {.dst_addr = s->port[0].mac,
				    .ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4)};
	struct rte_ipv4_hdr ip = {.version_ihl = 0x45,
				  .total_length = RTE_BE16(60),
				  .fragment_offset = RTE_BE16(RTE_IPV4_HDR_MF_FLAG),
				  .next_proto_id = IPPROTO_TCP,
				  .src_addr = be4(198, 18, 0, 1),
				  .dst_addr = be4(198, 18, 0, 2)};

	ip.hdr_checksum = rte_ipv4_cksum(&ip);
	memcpy(rte_pktmbuf_prepend(m, sizeof(ip)), &ip, sizeof(ip));
	memcpy(rte_pktmbuf_prepend(m, sizeof(eth)), &eth, sizeof(eth));
	return m;
}

Test(shard, tcp_is_what_the_file_says)
{
	struct fixture f;

	fixture(&f);
	f.conf.tcp_pacing = true;
	cr_assert_eq(make(&f), 0, "%s", err);
	cr_expect_eq(s->tcp->conf.cc, &tcp_cc_cubic);
	cr_expect_eq(s->tcp->conf.ecn, TCP_ECN_ON_DEMAND);
	cr_expect_not(s->tcp->conf.no_pacing);
	shard_free(s);

	fixture(&f);
	f.conf.tcp_congestion = CONF_CONGESTION_NEWRENO;
	f.conf.tcp_ecn = CONF_ECN_NO;
	f.conf.tcp_pacing = false;
	cr_assert_eq(make(&f), 0, "%s", err);
	cr_expect_eq(s->tcp->conf.cc, &tcp_cc_newreno);
	cr_expect_eq(s->tcp->conf.ecn, TCP_ECN_NO);
	cr_expect(s->tcp->conf.no_pacing);
	shard_free(s);
	s = NULL;
}

Test(shard, a_turn_takes_no_more_than_the_burst)
{
	struct rte_mbuf *m[8];
	struct fixture f;
	uint64_t had;

	fixture(&f);
	f.conf.rx_burst = 3;
	cr_assert_eq(make(&f), 0, "%s", err);
	for (int i = 0; i < 20; i++) /* what it sends itself comes back round the ring */
		shard_turn(s);
	for (int i = 0; i < 8; i++)
		m[i] = a_fragment();
	cr_assert_eq(s->port[0].tx_burst(&s->port[0], m, 8), 8);
	for (unsigned int n = 0; n < 3; n++) {
		had = s->stats.rx_pkts;
		shard_turn(s);
		cr_expect_eq(s->stats.rx_pkts - had, n < 2 ? 3 : 2, "turn %u", n);
	}
}

Test(shard, buffers_are_cached_as_the_file_says)
{
	static const unsigned int cache[] = {0, 32, 512};

	for (int i = 0; i < 3; i++) {
		struct fixture f;

		fixture(&f);
		f.conf.buffer_cache = cache[i];
		cr_assert_eq(make(&f), 0, "%s", err);
		cr_expect_eq(s->pools.data->cache_size, cache[i]);
		cr_expect_eq(s->pools.head->cache_size, cache[i]);
		shard_free(s);
		s = NULL;
	}
}

Test(shard, fragments_are_reassembled_unless_told_otherwise)
{
	for (unsigned int no = 0; no < 2; no++) {
		struct rte_mbuf *m, *ret;
		struct fixture f;

		fixture(&f);
		f.conf.reassemble_fragments = !no;
		cr_assert_eq(make(&f), 0, "%s", err);
		m = a_fragment();
		cr_expect_eq(net_input_burst(s->net, 0, &m, 1, s->now_us, &ret), 0);
		cr_expect_eq(net_drops(s->net)[NET_DROP_IP_FRAGMENT], no);
		shard_free(s);
		s = NULL;
	}
}

/* --- VLANs of one port
 * ------------------------------------------------------------------------------ */

static struct conf_interface vlans[3] = {
	{.name = "trunk", .device = "net_ring0"},
	{.name = "ten", .device = "net_ring0", .vlan = 10, .mtu = 1400},
	{.name = "other", .device = "net_ring1", .vlan = 10},
};

static int make_vlans(void)
{
	fixture(&good);
	good.conf.interfaces = vlans;
	good.conf.n_interfaces = 3;
	return make(&good);
}

Test(shard, interfaces_of_one_device_share_its_port)
{
	cr_assert_eq(make_vlans(), 0, "%s", err);
	cr_expect_eq(s->n_ports, 2);
	cr_expect(s->port_of[0] == 0 && s->port_of[1] == 0 && s->port_of[2] == 1);
	cr_expect(s->iface_of[0] == 0 && s->iface_of[1] == 2);
	snapshot_publish(&s->snapshot, &s->stats);
	cr_expect_eq(shared_counter("port", "trunk", "RX_MISSED"), 0);
	cr_expect_eq(shared_counter("port", "other", "RX_MISSED"), 0);
	cr_expect_eq(shared_counter("port", "ten", "RX_MISSED"), UINT64_MAX,
		     "it has none of its own");
}

static uint16_t mtu_of(uint8_t net)
{
	const struct net_addr peer = {.family = 4, .b = {198, 18, net, 1}};
	struct net_path way = {.mtu = 0};

	cr_assert_eq(net_route(s->net, &peer, &way), 0);
	return way.mtu;
}

Test(shard, the_mtu_of_one_interface_is_not_that_of_its_devices_others)
{
	static const uint16_t mtu[] = {1400, 1500, 9000};
	static const struct conf_ifaddr addrs[] = {{0, {4, 24, {198, 18, 0, 2}}},
						   {1, {4, 24, {198, 18, 1, 2}}}};

	for (size_t i = 0; i < RTE_DIM(mtu); i++) {
		vlans[1].mtu = mtu[i];
		fixture(&good);
		good.conf.interfaces = vlans;
		good.conf.n_interfaces = 2;
		good.conf.ifaddrs = addrs;
		good.conf.n_ifaddrs = 2;
		cr_assert_eq(make(&good), 0, "%s", err);
		cr_expect_eq(mtu_of(0), 1500, "%u: %u", mtu[i], mtu_of(0));
		cr_expect_eq(mtu_of(1), mtu[i]);
		shard_free(s);
		s = NULL;
	}
}

Test(shard, an_mtu_the_device_cannot_have_is_refused_in_one_line)
{
	fixture(&good);
	good.iface.mtu = 9000;
	good.iface.device = "net_tap9,iface=slmtu9";
	cr_expect_lt(make(&good), 0);
	cr_expect_neq(err[0], '\0');
	cr_expect_null(strchr(err, '\n'));
	cr_expect_eq(access(stats, F_OK), -1);
}

/* --- the end ------------------------------------------------------------------------------------
 */

/* A client that says nothing. */
static uint32_t no_bytes(const struct stream *st)
{
	(void)st;
	return 0;
}

static uint32_t none_taken(struct stream *st, uint32_t max, struct pkt_chain *ret)
{
	(void)st;
	(void)max;
	(void)ret;
	return 0;
}

static int swallow(struct stream *st, struct pkt_chain *chain)
{
	(void)st;
	pkt_chain_free(chain);
	return 0;
}

static unsigned int let_go;

static void go(struct stream *st)
{
	(void)st;
	let_go++;
}

static void stay(struct stream *st)
{
	(void)st;
}

static const struct stream_ops mute_ops = {
	.rx_take = none_taken,
	.rx_len = no_bytes,
	.tx = swallow,
	.tx_space = no_bytes,
	.tx_queued = no_bytes,
	.shutdown = stay,
	.close = go,
	.abort = go,
};
static struct tcp_conn mute = {.s = {.ops = &mute_ops, .kind = STREAM_TCP}};

static void told(void *arg)
{
	(*(unsigned int *)arg)++;
}

Test(shard, a_stop_without_connections_is_the_end)
{
	volatile sig_atomic_t stop = 1, report = 0;
	unsigned int times = 0;

	make_good();
	cr_assert_eq(listen_at(2, 22, 1, false), 0);
	s->stopping = told;
	s->stopping_arg = &times;
	shard_run(s, &stop, &report);
	cr_expect_eq(times, 1);
	cr_expect(!s->listener[0].open);
	cr_expect_eq(listen_at(2, 23, 2, false), -ECANCELED);
	detach();
}

/* Who is in has its time, and then a little for its last words. */
Test(shard, a_stop_waits_for_connections)
{
	static const struct link_addr addr = {.family = 4, .port = 22};

	good = (struct fixture){0};
	fixture(&good);
	good.conf.drain_ms = 5000;
	cr_assert_eq(make(&good), 0, "%s", err);
	attach();
	cr_assert(relay_accept(s->relay, &mute.s, 1, &addr, &addr, s->now_us));
	cr_expect(!shard_drain(s));
	s->now_us += 4999000;
	cr_expect(!shard_drain(s));
	cr_expect_eq(s->drain, SHARD_DRAINING);
	s->now_us += 1000;
	cr_expect(!shard_drain(s));
	cr_expect_eq(s->drain, SHARD_PARTING);
	run_turns();
	cr_expect_eq(let_go, 1);
	cr_expect(shard_drain(s));
	detach();
}

/* A second SIGTERM: nobody is waited for, nor told. */
Test(shard, a_second_stop_waits_for_nobody)
{
	static const struct link_addr addr = {.family = 4, .port = 22};
	volatile sig_atomic_t stop = 2, report = 0;

	good = (struct fixture){0};
	fixture(&good);
	good.conf.drain_ms = 3600000;
	cr_assert_eq(make(&good), 0, "%s", err);
	attach();
	cr_assert(relay_accept(s->relay, &mute.s, 1, &addr, &addr, s->now_us));
	cr_expect(!shard_drain(s));
	shard_run(s, &stop, &report);
	cr_expect_eq(s->drain, SHARD_DRAINING, "it was in the midst of it");
	cr_expect_eq(let_go, 0);
	detach();
}

/* One that does not hear what it is told is not waited for. */
Test(shard, a_stop_has_an_end)
{
	static const struct link_addr addr = {.family = 4, .port = 22};

	make_good();
	cr_assert(relay_accept(s->relay, &mute.s, 1, &addr, &addr, s->now_us));
	cr_expect(!shard_drain(s));
	cr_expect(!shard_drain(s));
	cr_expect_eq(s->drain, SHARD_PARTING);
	s->now_us += 3000000;
	cr_expect(shard_drain(s));
	detach();
}

/* The first does what all need. */
Test(shard, no_shard_leaves_before_all_have_ended)
{
	unsigned int n = 0;

	make_good();
	s->shards_ended = &n;
	s->team_size = 2;
	cr_expect(!shard_drain(s));
	cr_expect(!shard_drain(s));
	cr_expect_eq(n, 1);
	n++;
	cr_expect(shard_drain(s));
	s->team_size = 1;
	detach();
}

Test(shard, a_second_signal_ends_at_once)
{
	static const struct link_addr addr = {.family = 4, .port = 22};
	volatile sig_atomic_t stop = 2, report = 0;

	make_good();
	cr_assert(relay_accept(s->relay, &mute.s, 1, &addr, &addr, s->now_us));
	shard_run(s, &stop, &report);
	cr_expect_eq(let_go, 0);
	detach();
}
