/*
 * dataplane/relay/blob.c - what control leaves with connections: sealed, of any length up to
 * LINK_BLOB_MAX, most of them far below it. So they lie in pieces, and memory is touched for as
 * many as there are. There are enough for all connections: taking one cannot fail.
 */
#include "dataplane/relay/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES   124
#define PIECES_OF_ONE ((LINK_BLOB_MAX + PIECE_BYTES - 1) / PIECE_BYTES)

struct blob_piece {
	uint32_t next; /* index + 1: of the blob, or free */
	uint8_t bytes[PIECE_BYTES];
};

int blobs_init(struct blobs *b, uint32_t conns)
{
	*b = (struct blobs){0};
	if (conns > UINT32_MAX / PIECES_OF_ONE)
		return -EINVAL;
	b->piece = calloc((size_t)conns * PIECES_OF_ONE, sizeof(*b->piece));
	return b->piece != NULL ? 0 : -ENOMEM;
}

void blobs_fini(struct blobs *b)
{
	free(b->piece);
	b->piece = NULL;
}

static uint32_t piece_take(struct blobs *b)
{
	uint32_t i = b->free;

	if (i == 0)
		return ++b->fresh;
	b->free = b->piece[i - 1].next;
	return i;
}

void blob_drop(struct conn *c)
{
	struct blobs *b = &c->relay->blobs;

	while (c->blob != 0) {
		struct blob_piece *p = &b->piece[c->blob - 1];
		uint32_t i = c->blob;

		c->blob = p->next;
		*p = (struct blob_piece){.next = b->free};
		b->free = i;
	}
	c->blob_len = 0;
}

void blob_put(struct conn *c, const uint8_t *blob, uint16_t len)
{
	struct blobs *b = &c->relay->blobs;
	uint32_t *at = &c->blob;

	blob_drop(c);
	c->blob_len = len;
	for (uint32_t done = 0; done < len;) {
		uint32_t n = RTE_MIN((uint32_t)PIECE_BYTES, len - done);
		struct blob_piece *p;

		*at = piece_take(b);
		p = &b->piece[*at - 1];
		memcpy(p->bytes, blob + done, n);
		p->next = 0;
		at = &p->next;
		done += n;
	}
}

void blob_read(const struct conn *c, uint8_t ret[LINK_BLOB_MAX])
{
	const struct blobs *b = &c->relay->blobs;
	uint32_t i = c->blob;

	for (uint32_t done = 0; done < c->blob_len; done += PIECE_BYTES) {
		const struct blob_piece *p = &b->piece[i - 1];

		memcpy(ret + done, p->bytes, RTE_MIN((uint32_t)PIECE_BYTES, c->blob_len - done));
		i = p->next;
	}
}
