#include "link/ring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "link/msg.h"

#define CACHE_LINE 64
#define RING_BYTES ((size_t)LINK_RING_SLOTS * LINK_SLOT_SIZE)
#define SEALS      (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

_Static_assert((LINK_RING_SLOTS & (LINK_RING_SLOTS - 1)) == 0, "indices wrap by mask");
_Static_assert(LINK_SLOT_SIZE >= sizeof(struct link_hdr), "a header lies in one slot");
_Static_assert(LINK_MSG_MAX <= RING_BYTES / 2, "the largest message fits");

/* Indices run freely and count slots; their difference is what is in the ring. */
struct link_ring {
	_Alignas(CACHE_LINE) uint32_t head; /* written by the producer */
	_Alignas(CACHE_LINE) uint32_t tail; /* written by the consumer */
	_Alignas(CACHE_LINE) uint32_t asleep;
	_Alignas(CACHE_LINE) uint8_t slots[RING_BYTES];
};

struct link_shm {
	struct link_ring up, down;
};

size_t link_shm_size(void)
{
	return sizeof(struct link_shm);
}

int link_shm_create(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)link_shm_size()) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int link_shm_map(int fd, void **ret)
{
	struct stat st;
	void *shm;
	int seals = fcntl(fd, F_GET_SEALS);

	/* Sealed first, measured second: what was measured can no longer change. */
	if (seals < 0 || (seals & SEALS) != SEALS)
		return -EBADMSG;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size != (off_t)link_shm_size())
		return -EBADMSG;
	shm = mmap(NULL, link_shm_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shm == MAP_FAILED)
		return -errno;
	/*
	 * Keys pass through here. That they stay out of a core dump is a must, that they stay out
	 * of swap is what RLIMIT_MEMLOCK permits: a slot holds them for one turn of its reader.
	 */
	if (madvise(shm, link_shm_size(), MADV_DONTDUMP) < 0) {
		int r = -errno;

		munmap(shm, link_shm_size());
		return r;
	}
	(void)mlock(shm, link_shm_size());
	*ret = shm;
	return 0;
}

void link_shm_unmap(void *shm)
{
	if (shm != NULL)
		munmap(shm, link_shm_size());
}

void link_shm_ends(void *shm, bool dataplane, struct link_producer *ret_tx,
		   struct link_consumer *ret_rx)
{
	struct link_shm *s = shm;

	*ret_tx = (struct link_producer){.ring = dataplane ? &s->up : &s->down};
	*ret_rx = (struct link_consumer){.ring = dataplane ? &s->down : &s->up};
}

/* Copies n bytes into the slots from slot index pos on, off bytes behind its start. */
static void slots_write(struct link_ring *r, uint32_t pos, size_t off, const void *src, size_t n)
{
	size_t at = ((size_t)(pos % LINK_RING_SLOTS) * LINK_SLOT_SIZE + off) % RING_BYTES;
	size_t first = n < RING_BYTES - at ? n : RING_BYTES - at;

	if (n == 0) /* src may be NULL */
		return;
	memcpy(r->slots + at, src, first);
	memcpy(r->slots, (const uint8_t *)src + first, n - first);
}

static void slots_read(const struct link_ring *r, uint32_t pos, size_t off, void *dst, size_t n)
{
	size_t at = ((size_t)(pos % LINK_RING_SLOTS) * LINK_SLOT_SIZE + off) % RING_BYTES;
	size_t first = n < RING_BYTES - at ? n : RING_BYTES - at;

	memcpy(dst, r->slots + at, first);
	memcpy((uint8_t *)dst + first, r->slots, n - first);
	/*
	 * The peer may write while we read. Without this the compiler could take a later use of
	 * dst for another load from the ring, and what was checked would not be what is used.
	 */
	__asm__ volatile("" : : "r"(dst) : "memory");
}

static void slots_wipe(struct link_ring *r, uint32_t pos, uint32_t slots)
{
	uint32_t at = pos % LINK_RING_SLOTS;
	uint32_t first = slots < LINK_RING_SLOTS - at ? slots : LINK_RING_SLOTS - at;

	explicit_bzero(r->slots + (size_t)at * LINK_SLOT_SIZE, (size_t)first * LINK_SLOT_SIZE);
	explicit_bzero(r->slots, (size_t)(slots - first) * LINK_SLOT_SIZE);
}

/* Takes over the consumer's index if it lies between the last one and what was produced. */
static int producer_refresh(struct link_producer *tx)
{
	uint32_t tail = __atomic_load_n(&tx->ring->tail, __ATOMIC_ACQUIRE);

	if (tail - tx->tail_cached > tx->head - tx->tail_cached)
		return -EBADMSG;
	tx->tail_cached = tail;
	return 0;
}

static uint32_t producer_free(const struct link_producer *tx)
{
	return LINK_RING_SLOTS - (tx->head - tx->tail_cached);
}

int link_tx(struct link_producer *tx, const void *head, size_t head_len, const void *body,
	    size_t body_len)
{
	uint32_t slots = link_slots(head_len + body_len);
	int r;

	assert(head_len >= sizeof(struct link_hdr) && head_len + body_len <= LINK_MSG_MAX);
	assert(((const struct link_hdr *)head)->len == head_len + body_len);

	if (producer_free(tx) < slots) {
		r = producer_refresh(tx);
		if (r < 0)
			return r;
		if (producer_free(tx) < slots)
			return -EAGAIN;
	}
	slots_write(tx->ring, tx->head, 0, head, head_len);
	slots_write(tx->ring, tx->head, head_len, body, body_len);
	tx->head += slots;
	__atomic_store_n(&tx->ring->head, tx->head, __ATOMIC_RELEASE);
	return 0;
}

uint32_t link_tx_space(struct link_producer *tx)
{
	if (producer_refresh(tx) < 0)
		return LINK_RING_SLOTS;
	return producer_free(tx);
}

/* Takes over the producer's index if it is no further ahead than the ring is long. */
static int consumer_refresh(struct link_consumer *rx)
{
	uint32_t head = __atomic_load_n(&rx->ring->head, __ATOMIC_ACQUIRE);

	if (head - rx->tail > LINK_RING_SLOTS)
		return -EBADMSG;
	rx->head_cached = head;
	return 0;
}

int link_rx(struct link_consumer *rx, void *buf, size_t size)
{
	struct link_hdr hdr;
	uint32_t slots;
	int r;

	if (rx->head_cached == rx->tail) {
		r = consumer_refresh(rx);
		if (r < 0)
			return r;
		if (rx->head_cached == rx->tail)
			return -EAGAIN;
	}
	slots_read(rx->ring, rx->tail, 0, &hdr, sizeof(hdr));
	if (hdr.len < sizeof(hdr) || hdr.len > LINK_MSG_MAX || hdr.len > size)
		return -EBADMSG;
	/* A message is published whole. */
	slots = link_slots(hdr.len);
	if (slots > rx->head_cached - rx->tail)
		return -EBADMSG;

	memcpy(buf, &hdr, sizeof(hdr)); /* not from the ring again */
	slots_read(rx->ring, rx->tail, sizeof(hdr), (uint8_t *)buf + sizeof(hdr),
		   hdr.len - sizeof(hdr));
	/* Keys go down, passwords come up in payloads: nothing is left lying, whatever it is. */
	slots_wipe(rx->ring, rx->tail, slots);
	rx->tail += slots;
	__atomic_store_n(&rx->ring->tail, rx->tail, __ATOMIC_RELEASE);
	return (int)hdr.len;
}

/*
 * Both sides exchange the flag: of the two one is first. Either the producer sees the sleeper and
 * rings, or the sleeper's exchange follows the producer's, and its last look sees the new head.
 */
void link_rx_sleep(struct link_consumer *rx)
{
	(void)__atomic_exchange_n(&rx->ring->asleep, 1, __ATOMIC_ACQ_REL);
}

void link_rx_wake(struct link_consumer *rx)
{
	__atomic_store_n(&rx->ring->asleep, 0, __ATOMIC_RELAXED);
}

bool link_tx_needs_bell(struct link_producer *tx)
{
	return __atomic_exchange_n(&tx->ring->asleep, 0, __ATOMIC_ACQ_REL) != 0;
}
