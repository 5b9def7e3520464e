/* client/lib/frame.c - records in the data of a channel: by an end of line, or of one length. */
#include <errno.h>
#include <string.h>

#include "client/lib/internal.h"

static void give(struct sluice_channel *c, const uint8_t *p, size_t len, bool whole)
{
	CALL(c->s, on_channel_data, c, p, len, whole ? SLUICE_DATA_RECORD : 0);
}

/* Bytes of the next piece of what waits; 0: there is none yet. */
static size_t piece(const struct sluice_channel *c, bool *ret_whole)
{
	const struct frame *f = &c->frame;
	const uint8_t *p = c->in.p + c->in.off, *at;

	*ret_whole = true;
	if (f->record > 0)
		return c->in.len >= f->record ? f->record : 0;
	if (f->max == 0) /* as it comes */
		return c->in.len;
	at = c->in.len > 0 ? memmem(p, c->in.len, f->eol, f->eol_len) : NULL;
	if (at != NULL && (size_t)(at - p) + f->eol_len <= f->max)
		return (size_t)(at - p) + f->eol_len;
	*ret_whole = false;
	return c->in.len >= f->max ? f->max : 0;
}

void frame_give(struct sluice_channel *c, bool all)
{
	size_t n;
	bool whole;

	/* A callback may end the channel, or change what a record is. */
	while (c->in.len > 0 && !c->given_up) {
		n = piece(c, &whole);
		if (n == 0 && !all)
			break;
		if (n == 0) {
			n = c->in.len;
			whole = false;
		}
		give(c, c->in.p + c->in.off, n, whole);
		c->in.off += n;
		c->in.len -= n;
		chan_took(c, n);
	}
	if (c->in.len == 0)
		inbox_fini(&c->in);
}

static int frame_set(struct sluice_channel *c, const struct frame *f)
{
	int r = 0;

	enter(c->s);
	if (c->s->ops.on_channel_data == NULL)
		r = fail(c->s, -SLUICE_E_STATE, "records are for on_channel_data");
	else
		c->frame = *f;
	leave(c->s);
	return r;
}

int sluice_channel_eol_set(struct sluice_channel *c, const void *eol, size_t eol_len, size_t max)
{
	struct frame f = {.eol_len = eol_len, .max = max};

	if ((eol_len == 0) != (max == 0) || eol_len > sizeof(f.eol) || max > FRAME_MAX ||
	    eol_len > max)
		return -EINVAL;
	if (eol_len > 0)
		memcpy(f.eol, eol, eol_len);
	return frame_set(c, &f);
}

int sluice_channel_record_set(struct sluice_channel *c, size_t len)
{
	const struct frame f = {.record = len};

	return len > FRAME_MAX ? -EINVAL : frame_set(c, &f);
}
