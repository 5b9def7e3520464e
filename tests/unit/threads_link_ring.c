/*
 * One producer and one consumer thread over a ring, with sleeping. A program of its own, because it
 * runs under ThreadSanitizer, which the test framework does not start under.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "link/msg.h"
#include "link/ring.h"

#define MSGS 50000

static struct link_producer tx, other_tx;
static struct link_consumer rx, other_rx;
static int bell[2];

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static size_t make(uint8_t *buf, uint32_t n)
{
	size_t len = sizeof(struct link_hdr) + (n * 2654435761u >> 16) % 3000;
	struct link_hdr h = {.len = (uint32_t)len, .type = LINK_EV_PAYLOAD};
	h.conn.generation = n;
	memcpy(buf, &h, sizeof(h));
	memset(buf + sizeof(h), (int)n, len - sizeof(h));
	return len;
}

static void bell_ring(void)
{
	check(write(bell[1], "", 1) == 1, "bell");
}

static void *produce(void *arg)
{
	static _Alignas(8) uint8_t buf[4096];

	for (uint32_t n = 0; n < MSGS;) {
		size_t len = make(buf, n);
		int r = link_tx(&tx, buf, len, NULL, 0);

		check(r == 0 || r == -EAGAIN, "link_tx");
		n += r == 0;
		if ((r < 0 || n % 3 == 0 || n == MSGS) && link_tx_needs_bell(&tx))
			bell_ring();
	}
	return arg;
}

/* The next message, sleeping by the protocol while there is none. */
static size_t consume(uint8_t *buf)
{
	for (;;) {
		int r = link_rx(&rx, buf, LINK_MSG_MAX);
		char c;

		if (r == -EAGAIN) {
			link_rx_sleep(&rx);
			r = link_rx(&rx, buf, LINK_MSG_MAX);
			if (r == -EAGAIN)
				check(read(bell[0], &c, 1) == 1, "bell");
			link_rx_wake(&rx);
		}
		check(r >= 0 || r == -EAGAIN, "link_rx");
		if (r >= 0)
			return (size_t)r;
	}
}

int main(void)
{
	static _Alignas(8) uint8_t got[LINK_MSG_MAX], want[4096];
	void *shm;
	pthread_t t;
	int fd = link_shm_create("threads");

	check(fd >= 0 && link_shm_map(fd, &shm) == 0, "memory");
	link_shm_ends(shm, true, &tx, &other_rx);
	link_shm_ends(shm, false, &other_tx, &rx);
	check(pipe(bell) == 0, "pipe");
	check(pthread_create(&t, NULL, produce, NULL) == 0, "thread");
	for (uint32_t n = 0; n < MSGS; n++) {
		size_t len = make(want, n);

		check(consume(got) == len && memcmp(got, want, len) == 0, "message");
	}
	pthread_join(t, NULL);
	link_shm_unmap(shm);
	close(fd);
	printf("%d messages in order\n", MSGS);
	return 0;
}
