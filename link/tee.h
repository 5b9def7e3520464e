/*
 * link/tee.h - what a tee says: frames in a stream of bytes, from a shard to whoever has the other
 * end of its descriptor (a recorder, `sluicectl trace`).
 *
 * Units   host byte order: both ends are processes of one machine and one version.
 *
 * A frame is a head of 16 bytes and len bytes behind it. Times count from the beginning of the
 * tee. What could not be said is counted, and said with the next frame there is room for (GAP). The
 * last frame is END; a stream that ends without one was cut off.
 */
#ifndef SLUICE_LINK_TEE_H
#define SLUICE_LINK_TEE_H

#include <stddef.h>
#include <stdint.h>

#define TEE_BODY_MAX (256 * 1024) /* the longest record there is */

enum tee_kind {
	TEE_IN = 1, /* channel data of the client's */
	TEE_OUT,    /* channel data to the client, */
	TEE_ERR,    /* and what is its standard error */
	TEE_SIZE,   /* struct tee_size: of the terminal, from here on */
	TEE_GAP,    /* struct tee_gap */
	TEE_END,    /* struct tee_end */
	TEE_MSG_IN, /* a message of the client's: struct tee_msg, and what may be seen of it */
	TEE_MSG_OUT,
	TEE_KINDS,
};

struct tee_head {
	uint64_t at_us;
	uint32_t len;
	uint8_t kind;
	uint8_t pad[3]; /* 0 */
};
_Static_assert(sizeof(struct tee_head) == 16, "as it is written");

struct tee_size {
	uint16_t columns, rows;
};

struct tee_gap {
	uint64_t bytes; /* of bodies, lost between the frame before this and the one behind it */
};

struct tee_msg {
	uint32_t len; /* of all of it */
};

struct tee_end {
	uint64_t lost; /* of all gaps */
};

/*
 * The first frame of n bytes: its length, head and body, and *ret is the head; the body lies behind
 * it. 0: not all of it is there yet. -EBADMSG: it is none, and nothing behind it can be believed.
 */
int tee_parse(const uint8_t *p, size_t n, struct tee_head *ret) __attribute__((warn_unused_result));

#endif
