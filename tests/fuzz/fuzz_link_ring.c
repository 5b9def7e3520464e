/*
 * A hostile other side: shared memory holds what the input says, between the steps of both ends
 * it is changed again. Whatever it holds, nothing is read or written out of bounds.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "link/msg.h"
#include "link/ring.h"

#define TOUCHED 8192 /* bytes at the start of a ring that the input may reach */
#define STEPS   256

static void *shm;

static void map_once(void)
{
	int fd;

	if (shm != NULL)
		return;
	fd = link_shm_create("fuzz");
	if (fd < 0 || link_shm_map(fd, &shm) < 0)
		abort();
	close(fd);
}

/* One record of the input: where, what. 0: no more. */
static size_t poke(uint8_t *ring, const uint8_t *data, size_t size)
{
	uint16_t at;
	uint32_t word;

	if (size < sizeof(at) + sizeof(word))
		return 0;
	memcpy(&at, data, sizeof(at));
	memcpy(&word, data + sizeof(at), sizeof(word));
	memcpy(ring + at % (TOUCHED - sizeof(word)), &word, sizeof(word));
	return sizeof(at) + sizeof(word);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct link_producer tx, down_tx;
	struct link_consumer up_rx, rx;
	struct {
		struct link_hdr hdr;
		struct link_audit_ack ack;
	} msg = {.hdr = {.len = sizeof(msg), .type = LINK_CMD_AUDIT_ACK}};
	uint8_t *buf = malloc(LINK_MSG_MAX);

	map_once();
	if (buf == NULL)
		abort();
	link_shm_ends(shm, true, &tx, &rx);
	link_shm_ends(shm, false, &down_tx, &up_rx);
	memset(tx.ring, 0, TOUCHED);
	for (int i = 0; i < STEPS; i++) {
		size_t used = poke((uint8_t *)tx.ring, data, size);
		int r;

		if (used == 0)
			break;
		data += used;
		size -= used;
		r = link_rx(&up_rx, buf, LINK_MSG_MAX);
		if (r >= 0)
			(void)!link_msg_check(buf, (size_t)r);
		else if (r != -EAGAIN && r != -EBADMSG)
			abort();
		r = link_tx(&tx, &msg, sizeof(msg), NULL, 0);
		if (r != 0 && r != -EAGAIN && r != -EBADMSG)
			abort();
		if (link_tx_space(&tx) > LINK_RING_SLOTS)
			abort();
	}
	free(buf);
	return 0;
}
