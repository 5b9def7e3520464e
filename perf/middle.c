/*
 * perf/middle.c - a bad path between two network namespaces: two TAPs, and between them what
 * perf/path.h says, in real time.
 *
 *   middle NETNS:IFACE NETNS:IFACE [OPTION VALUE]...
 *
 * The first end is a, the second b; an option is for both ways until --way says ab, ba or both.
 * Further lines of options may come on stdin and hold from then on: a path that changes.
 * Ends after --life seconds, or at SIGTERM or SIGINT, and says what it did: one line of JSON.
 * "ready" on stdout says that both interfaces are there; whoever started it gives them addresses.
 *
 * Only TCP is lost, doubled and changed; the rest (ARP, neighbour discovery, ping) only waits.
 * late_us is how much after its time a packet was handed on: what a busy machine adds to the path.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "perf/frame.h"
#include "perf/middle_conf.h"

#define PACKETS_MAX 32768 /* on their way, both ways together */
#define FRAME_MAX   2048
#define BATCH       64
#define SPIN_NS     UINT64_C(30000) /* what is due so soon is waited for without sleeping */

struct packet {
	uint64_t at_ns, order;
	uint32_t way, len;
	uint8_t b[FRAME_MAX];
};

struct middle {
	int tap[MIDDLE_WAYS]; /* of the end that the way starts at */
	struct middle_conf conf;
	struct path path[MIDDLE_WAYS];
	uint64_t no_room, no_write[MIDDLE_WAYS];
	uint64_t late_ns[MIDDLE_WAYS], late_most_ns[MIDDLE_WAYS];
	struct packet *packets;
	struct packet **spare;
	struct packet **heap; /* from 1: earliest first */
	uint32_t spare_n, heap_n;
	uint64_t order;
	int epoll, timer, signals;
	bool deaf; /* stdin is at its end */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * PATH_SEC + (uint64_t)ts.tv_nsec;
}

/* --- packets on their way ------------------------------------------------------------------- */

static bool before(const struct packet *a, const struct packet *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void heap_push(struct middle *m, struct packet *p)
{
	uint32_t i = ++m->heap_n;

	while (i > 1 && before(p, m->heap[i / 2])) {
		m->heap[i] = m->heap[i / 2];
		i /= 2;
	}
	m->heap[i] = p;
}

static struct packet *heap_pop(struct middle *m)
{
	struct packet *top = m->heap[1], *last = m->heap[m->heap_n--];
	uint32_t i = 1;

	for (;;) {
		uint32_t kid = i * 2;

		if (kid > m->heap_n)
			break;
		if (kid < m->heap_n && before(m->heap[kid + 1], m->heap[kid]))
			kid++;
		if (!before(m->heap[kid], last))
			break;
		m->heap[i] = m->heap[kid];
		i = kid;
	}
	m->heap[i] = last;
	return top;
}

static void send_later(struct middle *m, uint32_t way, const struct packet *from, uint64_t at_ns)
{
	struct packet *p;

	if (m->spare_n == 0) {
		m->no_room++;
		return;
	}
	p = m->spare[--m->spare_n];
	memcpy(p->b, from->b, from->len);
	p->len = from->len;
	p->way = way;
	p->at_ns = at_ns;
	p->order = m->order++;
	heap_push(m, p);
}

static void enter(struct middle *m, uint32_t way, struct packet *p, uint64_t now)
{
	struct path *path = &m->path[way];
	struct path_fate f = path_enter(path, now, p->len, !frame_is_tcp(p->b, p->len));

	if (f.lost)
		return;
	if (f.mark)
		path->count[PATH_MARKED] += frame_mark(p->b, p->len);
	if (f.corrupt)
		path->count[PATH_CORRUPTED] +=
			frame_corrupt(p->b, p->len, path_below(path, UINT32_MAX), m->conf.right);
	send_later(m, way, p, f.at_ns);
	if (f.twice)
		send_later(m, way, p, f.at_ns);
}

static bool take_in(struct middle *m, uint32_t way)
{
	struct packet p;

	for (int i = 0; i < BATCH; i++) {
		ssize_t n = read(m->tap[way], p.b, sizeof(p.b));

		if (n <= 0)
			return i > 0;
		p.len = (uint32_t)n;
		enter(m, way, &p, now_ns());
	}
	return true;
}

static void hand_on(struct middle *m, uint64_t now)
{
	while (m->heap_n > 0 && m->heap[1]->at_ns <= now) {
		struct packet *p = heap_pop(m);
		uint64_t late = now - p->at_ns;

		if (write(m->tap[!p->way], p->b, p->len) != (ssize_t)p->len)
			m->no_write[p->way]++;
		m->late_ns[p->way] += late;
		if (late > m->late_most_ns[p->way])
			m->late_most_ns[p->way] = late;
		m->spare[m->spare_n++] = p;
	}
}

/* Until a packet comes or the next is due. */
static void rest(struct middle *m, uint64_t now, uint64_t end_ns)
{
	uint64_t at = m->heap_n > 0 && m->heap[1]->at_ns < end_ns ? m->heap[1]->at_ns : end_ns;
	struct itimerspec it = {
		.it_value = {.tv_sec = (time_t)(at / PATH_SEC), .tv_nsec = (long)(at % PATH_SEC)}};
	struct epoll_event ev[MIDDLE_WAYS + 3];

	if (at <= now + SPIN_NS)
		return;
	timerfd_settime(m->timer, TFD_TIMER_ABSTIME, &it, NULL);
	epoll_wait(m->epoll, ev, MIDDLE_WAYS + 3, -1);
}

static bool told_to_end(struct middle *m)
{
	struct signalfd_siginfo si;

	return read(m->signals, &si, sizeof(si)) == (ssize_t)sizeof(si);
}

/* A line of options: what it does not name stays as it is. */
static void change(struct middle *m, char *line)
{
	char *argv[MIDDLE_WORDS + 1], *word, *save = NULL;
	int n = 0;

	for (word = strtok_r(line, " \n", &save); word != NULL && n < MIDDLE_WORDS;
	     word = strtok_r(NULL, " \n", &save))
		argv[n++] = word;
	argv[n] = NULL;
	if (!middle_conf_parse(argv, &m->conf)) {
		fprintf(stderr, "middle: not understood\n");
		return;
	}
	for (int way = 0; way < MIDDLE_WAYS; way++)
		path_change(&m->path[way], &m->conf.way[way], now_ns());
	printf("changed\n");
	fflush(stdout);
}

static void listen_to(struct middle *m)
{
	char line[1024];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) { /* nobody will say anything any more */
		epoll_ctl(m->epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
		m->deaf = true;
		return;
	}
	line[n] = '\0';
	change(m, line);
}

static void run(struct middle *m, uint64_t end_ns)
{
	uint64_t now = now_ns();

	while (now < end_ns && !told_to_end(m)) {
		bool busy = false;

		if (!m->deaf)
			listen_to(m);

		for (uint32_t way = 0; way < MIDDLE_WAYS; way++)
			busy |= take_in(m, way);
		now = now_ns();
		hand_on(m, now);
		if (!busy)
			rest(m, now, end_ns);
		now = now_ns();
	}
}

/* --- setting up ------------------------------------------------------------------------------ */

static int tap_open(const char *netns, const char *iface)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	char path[256];
	int ns, fd;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", iface);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		return -errno;
	close(ns);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0)
		return -errno;
	return fd;
}

static bool watch(struct middle *m, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data = {.fd = fd}};

	return fd >= 0 && epoll_ctl(m->epoll, EPOLL_CTL_ADD, fd, &ev) == 0;
}

static bool waits_init(struct middle *m)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	m->epoll = epoll_create1(EPOLL_CLOEXEC);
	m->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	m->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	/* A plain file or /dev/null cannot be watched: what it says was read by then. */
	fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
	m->deaf = !watch(m, STDIN_FILENO);
	return watch(m, m->timer) && watch(m, m->signals) && watch(m, m->tap[0]) &&
	       watch(m, m->tap[1]);
}

static bool packets_init(struct middle *m)
{
	m->packets = calloc(PACKETS_MAX, sizeof(*m->packets));
	m->spare = calloc(PACKETS_MAX, sizeof(*m->spare));
	m->heap = calloc(PACKETS_MAX + 1, sizeof(*m->heap));
	if (m->packets == NULL || m->spare == NULL || m->heap == NULL)
		return false;
	for (m->spare_n = 0; m->spare_n < PACKETS_MAX; m->spare_n++)
		m->spare[m->spare_n] = &m->packets[PACKETS_MAX - 1 - m->spare_n];
	return true;
}

static void report(const struct middle *m)
{
	printf("{");
	for (unsigned int w = 0; w < MIDDLE_WAYS; w++) {
		const struct path *p = &m->path[w];
		uint64_t out = p->count[PATH_OUT] > 0 ? p->count[PATH_OUT] : 1;

		printf("%s\"%s\": {", w > 0 ? ", " : "", w == 0 ? "ab" : "ba");
		for (int c = 0; c < PATH_COUNT; c++)
			printf("\"%s\": %" PRIu64 ", ", path_counter_name((enum path_counter)c),
			       p->count[c]);
		printf("\"queue_most\": %" PRIu64 ", \"not_written\": %" PRIu64
		       ", \"late_us\": %" PRIu64 ", \"late_most_us\": %" PRIu64 "}",
		       p->queue_most, m->no_write[w], m->late_ns[w] / out / 1000,
		       m->late_most_ns[w] / 1000);
	}
	printf(", \"no_room\": %" PRIu64 "}\n", m->no_room);
}

static int tap_of(char *arg)
{
	char *colon = strchr(arg, ':');
	int fd;

	if (colon == NULL)
		return -EINVAL;
	*colon = '\0';
	fd = tap_open(arg, colon + 1);
	if (fd < 0)
		fprintf(stderr, "middle: %s:%s: %s\n", arg, colon + 1, strerror(-fd));
	return fd;
}

int main(int argc, char **argv)
{
	static struct middle m;
	uint64_t now;

	middle_conf_init(&m.conf);
	if (argc < 3 || !middle_conf_parse(argv + 3, &m.conf)) {
		middle_conf_usage(stderr);
		return 2;
	}
	for (int i = 0; i < MIDDLE_WAYS; i++) {
		m.tap[i] = tap_of(argv[1 + i]);
		if (m.tap[i] < 0)
			return 1;
	}
	if (!packets_init(&m) || !waits_init(&m)) {
		perror("middle");
		return 1;
	}
	now = now_ns();
	for (int i = 0; i < MIDDLE_WAYS; i++) {
		path_init(&m.path[i], &m.conf.way[i], now);
		m.path[i].rng += (uint64_t)i << 32; /* one way is not the other's mirror */
	}
	printf("ready\n");
	fflush(stdout);
	run(&m, now + (uint64_t)(m.conf.life_s * 1e9));
	report(&m);
	free(m.packets);
	free(m.spare);
	free(m.heap);
	return 0;
}
