/*
 * tests/sim/diff_linux.c - the kernel's TCP as an end of a script: see diff.h.
 *
 * The process moves into a network namespace of its own, which ends with it, and is the wire itself
 * behind a TUN. The kernel handles a packet while it is written, so its answer stands ready
 * when write() returns: nothing waits.
 */
#include "tests/sim/diff.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <rte_ip.h>

#include "tests/sim/app.h"
#include "tests/sim/raw.h"

#define OUR_ADDR  "10.0.0.1" /* of the kernel's end */
#define PEER_ADDR "10.0.0.3"
#define SLOW_NS   INT64_C(30000000) /* less than the kernel's shortest timer of a script, 40 ms */
#define TX_KEY    88

struct lin {
	struct diff_end end;
	int tun, listener, fd; /* -1: none */
	uint16_t peer_port;
	bool connecting, err;
	uint64_t taken, given;
	int64_t start_ns;
	uint16_t ip_id;
};

static struct lin *of(struct diff_end *e)
{
	return (struct lin *)(void *)e;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* --- the namespace
 * --------------------------------------------------------------------------------- */

static bool put(const char *name, const char *value)
{
	char path[128];
	int fd;
	bool ok;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = write(fd, value, strlen(value)) > 0;
	close(fd);
	return ok;
}

/* What depends on the time between two segments is turned off. */
static bool settings(void)
{
	return put("tcp_early_retrans", "0") && put("tcp_invalid_ratelimit", "0") &&
	       put("tcp_challenge_ack_limit", "1000000") && put("tcp_syncookies", "0") &&
	       put("tcp_no_metrics_save", "1") && put("tcp_autocorking", "0") &&
	       put("tcp_fastopen", "0") && put("tcp_rfc1337", "1") && put("tcp_comp_sack_nr", "0");
}

static bool iface_up(const char *name)
{
	struct ifreq ifr = {0};
	struct sockaddr_in *sa = (struct sockaddr_in *)&ifr.ifr_addr;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok;

	if (fd < 0)
		return false;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	sa->sin_family = AF_INET;
	inet_pton(AF_INET, OUR_ADDR, &sa->sin_addr);
	ok = ioctl(fd, SIOCSIFADDR, &ifr) == 0;
	inet_pton(AF_INET, "255.255.255.0", &sa->sin_addr);
	ok = ok && ioctl(fd, SIOCSIFNETMASK, &ifr) == 0;
	ifr.ifr_flags = IFF_UP | IFF_RUNNING | IFF_NOARP;
	ok = ok && ioctl(fd, SIOCSIFFLAGS, &ifr) == 0;
	close(fd);
	return ok;
}

static int tun_open(void)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "diff0");
	if (fd >= 0 && (ioctl(fd, TUNSETIFF, &ifr) < 0 || !iface_up("diff0") || !settings())) {
		close(fd);
		return -1;
	}
	return fd;
}

/* --- a script
 * ------------------------------------------------------------------------------------------ */

static int socket_new(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
	return fd;
}

static struct sockaddr_in address(const char *text, uint16_t port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};

	inet_pton(AF_INET, text, &sa.sin_addr);
	return sa;
}

static void begin(struct diff_end *e, bool active, uint16_t peer_port)
{
	struct lin *l = of(e);
	struct sockaddr_in sa;

	*l = (struct lin){.end = l->end,
			  .tun = l->tun,
			  .listener = -1,
			  .fd = -1,
			  .peer_port = peer_port,
			  .start_ns = now_ns()};
	if (active) {
		l->fd = socket_new();
		l->connecting = true;
		sa = address(PEER_ADDR, peer_port);
		if (connect(l->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 && errno != EINPROGRESS)
			perror("connect");
		return;
	}
	l->listener = socket_new();
	sa = address(OUR_ADDR, DIFF_PORT);
	if (bind(l->listener, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(l->listener, 4) < 0)
		perror("listen");
}

static uint16_t tcp_cksum(const struct rte_ipv4_hdr *ip, const void *tcp, uint32_t len)
{
	uint32_t sum = rte_ipv4_phdr_cksum(ip, 0) + (uint32_t)rte_raw_cksum(tcp, len);

	return (uint16_t)~__rte_raw_cksum_reduce(sum);
}

static void segment(struct diff_end *e, uint8_t *tcp, uint32_t len)
{
	struct lin *l = of(e);
	struct rte_ipv4_hdr *ip = (void *)(tcp - sizeof(*ip));
	struct rte_tcp_hdr *h = (void *)tcp;
	int one = 1;

	*ip = (struct rte_ipv4_hdr){.version_ihl = 0x45,
				    .total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + len)),
				    .packet_id = rte_cpu_to_be_16(l->ip_id++),
				    .time_to_live = 64,
				    .next_proto_id = IPPROTO_TCP};
	inet_pton(AF_INET, PEER_ADDR, &ip->src_addr);
	inet_pton(AF_INET, OUR_ADDR, &ip->dst_addr);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	h->cksum = 0;
	h->cksum = tcp_cksum(ip, tcp, len);
	if (write(l->tun, ip, sizeof(*ip) + len) < 0)
		perror("tun");
	/* An ACK that waits goes now: until it has, the kernel's window begins before RCV.NXT. */
	if (l->fd >= 0)
		setsockopt(l->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
}

/* The application takes the connection as soon as there is one. */
static void look(struct lin *l)
{
	struct pollfd p = {.fd = l->fd, .events = POLLOUT};

	if (l->listener >= 0) {
		l->fd = accept4(l->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (l->fd >= 0) { /* one connection a script */
			close(l->listener);
			l->listener = -1;
		}
	}
	if (l->connecting && l->fd >= 0 && poll(&p, 1, 0) == 1 && (p.revents & POLLOUT))
		l->connecting = false;
}

static void send_some(struct lin *l, uint32_t n)
{
	uint8_t b[4096];

	n = n < sizeof(b) ? n : sizeof(b);
	for (uint32_t i = 0; i < n; i++)
		b[i] = app_pattern(TX_KEY, l->given + i);
	if (send(l->fd, b, n, MSG_NOSIGNAL) > 0)
		l->given += n;
}

static void recv_some(struct lin *l, uint32_t n)
{
	uint8_t b[4096];
	ssize_t got = recv(l->fd, b, n < sizeof(b) ? n : sizeof(b), 0);

	l->taken += got > 0 ? (uint64_t)got : 0;
}

static void let_go(struct lin *l, bool hard)
{
	struct linger lg = {.l_onoff = 1};

	if (l->fd < 0)
		return;
	if (hard)
		setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg));
	close(l->fd);
	l->fd = -1;
}

static void call(struct diff_end *e, enum diff_call what, uint32_t n)
{
	struct lin *l = of(e);

	if (l->fd < 0 || l->connecting)
		return;
	switch (what) {
	case DIFF_SEND:
		send_some(l, n);
		break;
	case DIFF_RECV:
		recv_some(l, n);
		break;
	case DIFF_SHUTDOWN:
		shutdown(l->fd, SHUT_WR);
		break;
	case DIFF_CLOSE:
		let_go(l, false);
		break;
	case DIFF_ABORT:
		let_go(l, true);
		break;
	}
}

/* False: not a segment of this script. */
static bool out_parse(const struct lin *l, const uint8_t *b, ssize_t n, struct diff_out *o)
{
	const struct rte_ipv4_hdr *ip = (const void *)b;
	const struct rte_tcp_hdr *h = (const void *)(b + sizeof(*ip));
	uint32_t hdr;

	if (n < (ssize_t)(sizeof(*ip) + sizeof(*h)) || ip->version_ihl != 0x45 ||
	    ip->next_proto_id != IPPROTO_TCP || h->dst_port != rte_cpu_to_be_16(l->peer_port))
		return false;
	hdr = (uint32_t)(h->data_off >> 4) * 4;
	*o = (struct diff_out){.flags = h->tcp_flags,
			       .src_port = rte_be_to_cpu_16(h->src_port),
			       .wnd = rte_be_to_cpu_16(h->rx_win),
			       .seq = rte_be_to_cpu_32(h->sent_seq),
			       .ack = rte_be_to_cpu_32(h->recv_ack),
			       .len = (uint32_t)n - (uint32_t)sizeof(*ip) - hdr};
	tcp_opts_parse((const uint8_t *)(h + 1), hdr - sizeof(*h), &o->opts);
	return true;
}

static unsigned int outputs(struct diff_end *e, struct diff_out *out, unsigned int max)
{
	struct lin *l = of(e);
	uint8_t b[4096];
	unsigned int k = 0;
	ssize_t n;

	while (k < max && (n = read(l->tun, b, sizeof(b))) > 0)
		k += out_parse(l, b, n, &out[k]);
	return k;
}

static uint8_t state_of(uint8_t linux_state)
{
	static const uint8_t map[] = {
		[1] = TCP_ESTABLISHED, [2] = TCP_SYN_SENT,   [3] = TCP_SYN_RCVD,
		[4] = TCP_FIN_WAIT_1,  [5] = TCP_FIN_WAIT_2, [6] = TCP_TIME_WAIT,
		[7] = TCP_CLOSED,      [8] = TCP_CLOSE_WAIT, [9] = TCP_LAST_ACK,
		[10] = TCP_LISTEN,     [11] = TCP_CLOSING};

	return linux_state < RTE_DIM(map) ? map[linux_state] : TCP_STATES;
}

static void view(struct diff_end *e, struct diff_view *ret)
{
	struct lin *l = of(e);
	struct pollfd p = {.events = POLLIN | POLLRDHUP};
	struct tcp_info ti = {0};
	socklen_t len = sizeof(ti), err_len = sizeof(int);
	int err = 0, waiting = 0;

	look(l);
	*ret = (struct diff_view){.open = l->fd >= 0, .err = l->err};
	if (l->fd < 0)
		return;
	getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &err, &err_len);
	if (err != 0) {
		l->err = true;
		let_go(l, false);
		*ret = (struct diff_view){.err = true};
		return;
	}
	getsockopt(l->fd, IPPROTO_TCP, TCP_INFO, &ti, &len);
	ret->state = state_of(ti.tcpi_state);
	p.fd = l->fd;
	poll(&p, 1, 0);
	ret->eof = (p.revents & POLLRDHUP) != 0;
	if (!l->connecting && ioctl(l->fd, SIOCINQ, &waiting) == 0)
		ret->in = (uint32_t)(l->taken + (uint64_t)waiting);
}

static void finish(struct diff_end *e)
{
	struct lin *l = of(e);
	struct diff_out out[DIFF_OUTS];

	let_go(l, true);
	if (l->listener >= 0)
		close(l->listener);
	while (outputs(e, out, DIFF_OUTS) > 0)
		;
}

static bool too_slow(struct diff_end *e)
{
	return now_ns() - of(e)->start_ns > SLOW_NS;
}

struct diff_end *diff_linux(void)
{
	static struct lin l = {.end = {.name = "Linux",
				       .begin = begin,
				       .segment = segment,
				       .call = call,
				       .outputs = outputs,
				       .view = view,
				       .finish = finish,
				       .too_slow = too_slow}};

	if (unshare(CLONE_NEWNET) < 0)
		return NULL;
	l.tun = tun_open();
	return l.tun >= 0 ? &l.end : NULL;
}
