/*
 * dataplane/relay/note.c - bytes that are kept with a connection or channel for a control that may
 * come: what the last one left, sealed; what a channel was asked for; what control has taken and
 * not settled. Most are far shorter than they may be, so they lie in pieces, and memory is touched
 * for as many as there are. Where there are none left what wanted one does without.
 */
#include "dataplane/relay/internal.h"

#include <errno.h>
#include <string.h>

#include "dataplane/table.h"

#define PIECE_BYTES   124
#define PIECES_OF_ONE 8 /* of a connection, on average */
#define PIECES_MORE   4096

struct note_piece {
	uint32_t next; /* index + 1: of the note, or free */
	uint8_t bytes[PIECE_BYTES];
};

int notes_init(struct notes *all, uint32_t conns)
{
	*all = (struct notes){0};
	if (conns > (UINT32_MAX - PIECES_MORE) / PIECES_OF_ONE)
		return -EINVAL;
	all->size = all->left = conns * PIECES_OF_ONE + PIECES_MORE;
	all->piece = table_new(all->size, sizeof(*all->piece));
	return all->piece != NULL ? 0 : -ENOMEM;
}

void notes_fini(struct notes *all)
{
	table_free(all->piece, all->size, sizeof(*all->piece));
	all->piece = NULL;
}

static uint32_t piece_take(struct notes *all)
{
	uint32_t i = all->free;

	all->left--;
	if (i == 0)
		return ++all->fresh;
	all->free = all->piece[i - 1].next;
	return i;
}

void note_drop(struct relay *r, struct note *n)
{
	struct notes *all = &r->notes;

	while (n->first != 0) {
		struct note_piece *p = &all->piece[n->first - 1];
		uint32_t i = n->first;

		n->first = p->next;
		*p = (struct note_piece){.next = all->free};
		all->free = i;
		all->left++;
	}
	n->len = 0;
}

int note_put(struct relay *r, struct note *n, const void *bytes, uint32_t len)
{
	struct notes *all = &r->notes;
	uint32_t *at = &n->first;

	note_drop(r, n);
	if ((len + PIECE_BYTES - 1) / PIECE_BYTES > all->left) {
		relay_count(r, RELAY_C_NOTES_FULL);
		return -ENOMEM;
	}
	n->len = len;
	for (uint32_t done = 0; done < len; done += PIECE_BYTES) {
		struct note_piece *p;

		*at = piece_take(all);
		p = &all->piece[*at - 1];
		memcpy(p->bytes, (const uint8_t *)bytes + done,
		       RTE_MIN((uint32_t)PIECE_BYTES, len - done));
		p->next = 0;
		at = &p->next;
	}
	return 0;
}

void note_read(const struct relay *r, const struct note *n, uint8_t *ret)
{
	uint32_t i = n->first;

	for (uint32_t done = 0; done < n->len; done += PIECE_BYTES) {
		const struct note_piece *p = &r->notes.piece[i - 1];

		memcpy(ret + done, p->bytes, RTE_MIN((uint32_t)PIECE_BYTES, n->len - done));
		i = p->next;
	}
}
