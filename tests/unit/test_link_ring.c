/*
 * Rings in shared memory: order, wrap-around, sleeping, and a hostile other side.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "link/msg.h"
#include "link/ring.h"

#define NELEM(a) (sizeof(a) / sizeof((a)[0]))

/* As the other side sees the memory: where its indices lie. See link_ring in ring.c. */
#define HEAD_AT  0
#define TAIL_AT  64
#define SLOTS_AT 192

static void *shm;
static struct link_producer tx, control_tx;
static struct link_consumer rx, control_rx;
static _Alignas(8) uint8_t out[LINK_MSG_MAX], in[LINK_MSG_MAX];

/* tx is the dataplane's, and what it sends control_rx gets. */
static void setup(void)
{
	int fd = link_shm_create("test");

	cr_assert_geq(fd, 0);
	cr_assert_eq(link_shm_map(fd, &shm), 0);
	close(fd);
	link_shm_ends(shm, true, &tx, &rx);
	link_shm_ends(shm, false, &control_tx, &control_rx);
}

static void teardown(void)
{
	link_shm_unmap(shm);
}

TestSuite(link_ring, .init = setup, .fini = teardown);

/* A message of type and length whose bytes follow from n. */
static size_t make(uint8_t *buf, uint16_t type, size_t len, uint32_t n)
{
	struct link_hdr h = {.len = (uint32_t)len, .type = type, .conn = {.generation = n}};

	memcpy(buf, &h, sizeof(h));
	for (size_t i = sizeof(h); i < len; i++)
		buf[i] = (uint8_t)(n + i);
	return len;
}

static bool is(const uint8_t *buf, size_t len, uint32_t n)
{
	static uint8_t want[LINK_MSG_MAX];
	const struct link_hdr *h = (const void *)buf;

	make(want, h->type, len, n);
	return memcmp(buf, want, len) == 0;
}

static uint32_t *word(size_t off)
{
	return (uint32_t *)((uint8_t *)tx.ring + off);
}

static uint8_t *slot(uint32_t i)
{
	return (uint8_t *)tx.ring + SLOTS_AT + (size_t)(i % LINK_RING_SLOTS) * LINK_SLOT_SIZE;
}

static int send_one(size_t len, uint32_t n)
{
	make(out, LINK_EV_PAYLOAD, len, n);
	return link_tx(&tx, out, len, NULL, 0);
}

Test(link_ring, empty_says_again)
{
	cr_expect_eq(link_rx(&control_rx, in, sizeof(in)), -EAGAIN);
	cr_expect_eq(link_rx(&rx, in, sizeof(in)), -EAGAIN);
	cr_expect_eq(link_tx_space(&tx), LINK_RING_SLOTS);
}

Test(link_ring, two_directions)
{
	make(out, LINK_EV_PAYLOAD, 100, 1);
	cr_assert_eq(link_tx(&tx, out, 100, NULL, 0), 0);
	make(out, LINK_IT_PAYLOAD, 60, 2);
	cr_assert_eq(link_tx(&control_tx, out, 60, NULL, 0), 0);
	cr_assert_eq(link_rx(&rx, in, sizeof(in)), 60);
	cr_expect(is(in, 60, 2));
	cr_assert_eq(link_rx(&control_rx, in, sizeof(in)), 100);
	cr_expect(is(in, 100, 1));
}

Test(link_ring, two_pieces_are_one_message)
{
	make(out, LINK_EV_PAYLOAD, 1000, 3);
	cr_assert_eq(link_tx(&tx, out, 32, out + 32, 968), 0);
	cr_assert_eq(link_rx(&control_rx, in, sizeof(in)), 1000);
	cr_expect(is(in, 1000, 3));
}

Test(link_ring, sizes_around_slots_and_the_largest)
{
	static const size_t sizes[] = {
		sizeof(struct link_hdr), 255,         256, 257, 511, 512, 513,
		LINK_MSG_MAX - 1,        LINK_MSG_MAX};

	for (size_t i = 0; i < NELEM(sizes); i++) {
		cr_assert_eq(send_one(sizes[i], (uint32_t)i), 0);
		cr_assert_eq(link_rx(&control_rx, in, sizeof(in)), (int)sizes[i]);
		cr_expect(is(in, sizes[i], (uint32_t)i));
	}
	cr_expect_eq(link_tx_space(&tx), LINK_RING_SLOTS);
}

Test(link_ring, full_says_again_and_nothing_is_lost)
{
	uint32_t n = 0;

	while (send_one(300, n) == 0)
		n++;
	cr_expect_eq(n, LINK_RING_SLOTS / 2);
	cr_expect_eq(send_one(300, n), -EAGAIN);
	cr_expect_eq(link_tx_space(&tx), 0);
	for (uint32_t i = 0; i < n; i++) {
		cr_assert_eq(link_rx(&control_rx, in, sizeof(in)), 300);
		cr_assert(is(in, 300, i));
	}
	cr_expect_eq(link_rx(&control_rx, in, sizeof(in)), -EAGAIN);
	cr_expect_eq(send_one(300, n), 0);
}

/* Indices run past the end of the slots many times, and messages lie across it. */
Test(link_ring, wraps_around)
{
	uint32_t n = 0;

	for (size_t slots = 0; slots < 5 * LINK_RING_SLOTS; n++) {
		size_t len = 24 + (n * 7919) % 9000;

		cr_assert_eq(send_one(len, n), 0);
		cr_assert_eq(link_rx(&control_rx, in, sizeof(in)), (int)len);
		cr_assert(is(in, len, n));
		slots += link_slots(len);
	}
}

Test(link_ring, free_running_indices_pass_2_to_the_32)
{
	tx.head = tx.tail_cached = control_rx.tail = control_rx.head_cached = UINT32_MAX - 3;
	*word(HEAD_AT) = *word(TAIL_AT) = UINT32_MAX - 3;
	for (uint32_t n = 0; n < 20; n++) {
		cr_assert_eq(send_one(600, n), 0);
		cr_assert_eq(link_rx(&control_rx, in, sizeof(in)), 600);
		cr_assert(is(in, 600, n));
	}
	cr_expect_eq(link_tx_space(&tx), LINK_RING_SLOTS);
}

Test(link_ring, secrets_are_zeroed_by_their_reader)
{
	static const uint8_t zero[LINK_SLOT_SIZE];
	static const uint16_t keys[] = {LINK_IT_TX_KEYS, LINK_IT_RX_KEYS,
					LINK_EV_PAYLOAD /* a password */};

	for (size_t i = 0; i < NELEM(keys); i++) {
		uint32_t at = tx.head;
		size_t len = sizeof(struct link_hdr) + sizeof(struct link_keys);

		make(out, keys[i], len, 7);
		cr_assert_eq(link_tx(&tx, out, len, NULL, 0), 0);
		cr_expect_neq(memcmp(slot(at), zero, sizeof(zero)), 0);
		cr_assert_eq(link_rx(&control_rx, in, sizeof(in)), (int)len);
		cr_expect(is(in, len, 7));
		for (uint32_t s = 0; s < link_slots(len); s++)
			cr_expect_eq(memcmp(slot(at + s), zero, sizeof(zero)), 0, "slot %u", s);
	}
}

Test(link_ring, secrets_across_the_end_are_zeroed_too)
{
	static const uint8_t zero[LINK_SLOT_SIZE];
	size_t len = sizeof(struct link_hdr) + sizeof(struct link_keys);

	cr_assert_gt(link_slots(len), 1);
	while (tx.head != LINK_RING_SLOTS - 1) {
		cr_assert_eq(send_one(100, 1), 0);
		cr_assert_eq(link_rx(&control_rx, in, sizeof(in)), 100);
	}
	make(out, LINK_IT_TX_KEYS, len, 9);
	cr_assert_eq(link_tx(&tx, out, len, NULL, 0), 0);
	cr_assert_eq(link_rx(&control_rx, in, sizeof(in)), (int)len);
	cr_expect(is(in, len, 9));
	cr_expect_eq(memcmp(slot(LINK_RING_SLOTS - 1), zero, sizeof(zero)), 0);
	cr_expect_eq(memcmp(slot(0), zero, sizeof(zero)), 0);
}

/* --- a hostile other side ------------------------------------------------------------------ */

Test(link_ring, an_index_of_the_producer_out_of_bounds)
{
	static const uint32_t heads[] = {LINK_RING_SLOTS + 1, LINK_RING_SLOTS * 2, 0x7fffffff,
					 0x80000000, UINT32_MAX};

	for (size_t i = 0; i < NELEM(heads); i++) {
		*word(HEAD_AT) = heads[i];
		cr_expect_eq(link_rx(&control_rx, in, sizeof(in)), -EBADMSG, "%u", heads[i]);
	}
}

Test(link_ring, an_index_of_the_consumer_out_of_bounds)
{
	static const uint32_t tails[] = {UINT32_MAX, LINK_RING_SLOTS + 1, 0x80000000};

	while (send_one(100, 1) == 0)
		;
	for (size_t i = 0; i < NELEM(tails); i++) {
		*word(TAIL_AT) = tails[i];
		cr_expect_eq(send_one(100, 1), -EBADMSG, "%u", tails[i]);
		/* who asks for room first is told to go on, and then told */
		cr_expect_eq(link_tx_space(&tx), LINK_RING_SLOTS);
	}
}

Test(link_ring, lengths_that_do_not_fit)
{
	static const uint32_t lens[] = {0,
					1,
					sizeof(struct link_hdr) - 1,
					257, /* one slot was published */
					LINK_MSG_MAX,
					LINK_MSG_MAX + 1,
					0x7fffffff,
					UINT32_MAX};

	cr_assert_eq(send_one(200, 1), 0);
	for (size_t i = 0; i < NELEM(lens); i++) {
		memcpy(slot(0), &lens[i], sizeof(lens[i]));
		cr_expect_eq(link_rx(&control_rx, in, sizeof(in)), -EBADMSG, "%u", lens[i]);
	}
}

Test(link_ring, a_buffer_too_small_is_never_overrun)
{
	uint8_t *small = malloc(128);

	cr_assert_eq(send_one(129, 1), 0);
	cr_expect_eq(link_rx(&control_rx, small, 128), -EBADMSG);
	free(small);
}

static uint64_t seed_next(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* F-38: bits flip anywhere in the ring; the reader says -EBADMSG or gets something checked. */
Test(link_ring, bit_flips)
{
	for (uint64_t seed = 1; seed <= 300; seed++) {
		uint64_t s = seed * 0x9e3779b97f4a7c15ULL;
		int r = 0;

		link_shm_unmap(shm);
		setup();
		for (uint32_t n = 0; n < 40; n++) {
			size_t len = 24 + seed_next(&s) % 2000;

			cr_assert_eq(send_one(len, n), 0);
		}
		for (int flips = 0; flips < 64; flips++) {
			/* half of them where it hurts */
			size_t range = flips % 2 ? SLOTS_AT + 40 * 2000 : SLOTS_AT;
			size_t bit = seed_next(&s) % (range * 8);

			((uint8_t *)tx.ring)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		for (int n = 0; n < 2 * LINK_RING_SLOTS; n++) {
			r = link_rx(&control_rx, in, sizeof(in));
			if (r < 0)
				break;
			cr_assert_leq(r, LINK_MSG_MAX);
			(void)!link_msg_check(in, (size_t)r);
		}
		cr_assert(r == -EAGAIN || r == -EBADMSG, "seed %lu: %d", (unsigned long)seed, r);
	}
}

/* --- sleeping ----------------------------------------------------------------------------------
 */

Test(link_ring, the_bell_is_wanted_once_per_sleep)
{
	cr_expect_not(link_tx_needs_bell(&tx));
	link_rx_sleep(&control_rx);
	cr_expect(link_tx_needs_bell(&tx));
	cr_expect_not(link_tx_needs_bell(&tx));
	link_rx_sleep(&control_rx);
	link_rx_wake(&control_rx);
	cr_expect_not(link_tx_needs_bell(&tx));
}

#define THREAD_MSGS 20000

struct bell {
	pthread_mutex_t lock;
	pthread_cond_t rung;
	bool rings;
};
static struct bell bell = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};

static void bell_ring(void)
{
	pthread_mutex_lock(&bell.lock);
	bell.rings = true;
	pthread_cond_signal(&bell.rung);
	pthread_mutex_unlock(&bell.lock);
}

static void bell_wait(void)
{
	pthread_mutex_lock(&bell.lock);
	while (!bell.rings)
		pthread_cond_wait(&bell.rung, &bell.lock);
	bell.rings = false;
	pthread_mutex_unlock(&bell.lock);
}

static size_t thread_len(uint32_t n)
{
	return 24 + (n * 2654435761u >> 16) % 3000;
}

static void *produce(void *arg)
{
	static uint8_t buf[4096];

	(void)arg;
	for (uint32_t n = 0; n < THREAD_MSGS;) {
		size_t len = make(buf, LINK_EV_PAYLOAD, thread_len(n), n);

		if (link_tx(&tx, buf, len, NULL, 0) == 0)
			n++;
		if (n % 3 == 0 && link_tx_needs_bell(&tx))
			bell_ring();
	}
	if (link_tx_needs_bell(&tx))
		bell_ring();
	return NULL;
}

/* The next message, sleeping by the protocol while there is none. */
static int consume(void)
{
	int r = link_rx(&control_rx, in, sizeof(in));

	if (r != -EAGAIN)
		return r;
	link_rx_sleep(&control_rx);
	r = link_rx(&control_rx, in, sizeof(in));
	if (r == -EAGAIN) {
		bell_wait();
		r = -EINTR;
	}
	link_rx_wake(&control_rx);
	return r;
}

Test(link_ring, two_threads, .timeout = 60)
{
	pthread_t t;

	cr_assert_eq(pthread_create(&t, NULL, produce, NULL), 0);
	for (uint32_t n = 0; n < THREAD_MSGS;) {
		int r = consume();

		if (r == -EINTR)
			continue;
		cr_assert_eq(r, (int)thread_len(n));
		cr_assert(is(in, (size_t)r, n), "message %u", n);
		n++;
	}
	pthread_join(t, NULL);
}

/* --- the memory itself
 * ---------------------------------------------------------------------------- */

Test(link_shm, is_sealed)
{
	int fd = link_shm_create("test");

	cr_assert_geq(fd, 0);
	cr_expect_lt(ftruncate(fd, 4096), 0);
	cr_expect_lt(ftruncate(fd, (off_t)link_shm_size() * 2), 0);
	cr_expect_lt(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

Test(link_shm, what_is_not_sealed_or_sized_is_refused)
{
	static const struct {
		int seals;
		size_t size;
	} cases[] = {
		{0, 0},
		{F_SEAL_SHRINK, 0},
		{F_SEAL_SHRINK | F_SEAL_GROW, 0},
		{F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, 4096},
	};
	void *p = NULL;
	int pipes[2];

	for (size_t i = 0; i < NELEM(cases); i++) {
		int fd = memfd_create("test", MFD_ALLOW_SEALING);

		cr_assert_eq(
			ftruncate(fd, (off_t)(cases[i].size ? cases[i].size : link_shm_size())), 0);
		cr_assert_eq(fcntl(fd, F_ADD_SEALS, cases[i].seals), 0);
		cr_expect_eq(link_shm_map(fd, &p), -EBADMSG, "case %zu", i);
		close(fd);
	}
	cr_assert_eq(pipe(pipes), 0);
	cr_expect_eq(link_shm_map(pipes[0], &p), -EBADMSG);
	cr_expect_eq(link_shm_map(-1, &p), -EBADMSG);
	cr_expect_null(p);
	close(pipes[0]);
	close(pipes[1]);
}
