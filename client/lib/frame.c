/* client/lib/frame.c - records in the data of a channel: by an end of line, or of one length. */
#include <errno.h>
#include <string.h>

#include "client/lib/internal.h"

static void give(struct sluice_channel *c, const uint8_t *p, size_t len, bool whole)
{
	CALL(c->s, on_channel_data, c, p, len, whole ? SLUICE_DATA_RECORD : 0);
}

/* Bytes of the next piece of b; 0: there is none yet. */
static size_t piece(const struct frame *f, const struct inbox *b, bool *ret_whole)
{
	const uint8_t *p = b->p + b->off, *at;

	*ret_whole = true;
	if (f->record > 0)
		return b->len >= f->record ? f->record : 0;
	if (f->max == 0) /* as it comes */
		return b->len;
	at = b->len > 0 ? memmem(p, b->len, f->eol, f->eol_len) : NULL;
	if (at != NULL && (size_t)(at - p) + f->eol_len <= f->max)
		return (size_t)(at - p) + f->eol_len;
	*ret_whole = false;
	return b->len >= f->max ? f->max : 0;
}

void frame_give(struct sluice_channel *c, bool all)
{
	struct inbox b = c->in; /* nobody reads meanwhile what is being given */
	size_t n;
	bool whole;

	c->in = (struct inbox){0};
	/* A callback may end the channel, or change what a record is. */
	while (b.len > 0 && !c->given_up) {
		n = piece(&c->frame, &b, &whole);
		if (n == 0 && !all)
			break;
		if (n == 0) {
			n = b.len;
			whole = false;
		}
		give(c, b.p + b.off, n, whole);
		b.off += n;
		b.len -= n;
		chan_took(c, n);
	}
	if (b.len == 0)
		inbox_fini(&b);
	c->in = b;
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

	if ((eol_len == 0) != (max == 0) || eol_len > sizeof(f.eol) || max > SETTINGS_RECORD_MAX ||
	    eol_len > max)
		return -EINVAL;
	if (eol_len > 0)
		memcpy(f.eol, eol, eol_len);
	return frame_set(c, &f);
}

int sluice_channel_record_set(struct sluice_channel *c, size_t len)
{
	const struct frame f = {.record = len};

	return len > SETTINGS_RECORD_MAX ? -EINVAL : frame_set(c, &f);
}
