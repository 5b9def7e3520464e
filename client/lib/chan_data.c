/* client/lib/chan_data.c - data of channels, both ways. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/internal.h"
#include "client/lib/utf8.h"
#include "ssh/err.h"

/* --- what came and was not read
 * ------------------------------------------------------------------- */

/* most: what it can come to, mostly. */
static int inbox_put(struct inbox *b, struct ssh_str data, size_t most)
{
	if (data.len > b->size - b->off - b->len) {
		if (b->off > 0)
			memmove(b->p, b->p + b->off, b->len);
		b->off = 0;
	}
	if (data.len > b->size - b->len) {
		size_t size = b->size * 2 < most ? b->size * 2 : most;
		uint8_t *p;

		if (size < b->len + data.len)
			size = b->len + data.len;
		p = realloc(b->p, size);
		if (p == NULL)
			return -SSH_E_MEMORY;
		b->p = p;
		b->size = size;
	}
	memcpy(b->p + b->off + b->len, data.p, data.len);
	b->len += data.len;
	return 0;
}

size_t inbox_get(struct inbox *b, void *buf, size_t size)
{
	size_t n = b->len < size ? b->len : size;

	memcpy(buf, b->p + b->off, n);
	b->off += n;
	b->len -= n;
	if (b->len == 0)
		inbox_fini(b);
	return n;
}

void inbox_fini(struct inbox *b)
{
	free(b->p);
	*b = (struct inbox){0};
}

/* --- in
 * --------------------------------------------------------------------------------------------- */

void chan_took(struct sluice_channel *c, size_t n)
{
	size_t granted = n < c->in_granted ? n : c->in_granted;

	c->in_granted -= granted;
	if (n > granted)
		window_taken(c, (uint32_t)(n - granted));
}

/*
 * What waits for the end of its record is bounded by the record, which may be larger than the
 * window: it counts as taken.
 */
static int hand_over(struct sluice_channel *c, bool err, struct ssh_str data)
{
	int r;

	if (err || (c->in.len == 0 && c->frame.max == 0 && c->frame.record == 0)) {
		CALL(c->s, on_channel_data, c, data.p, data.len,
		     SLUICE_DATA_RECORD | (err ? SLUICE_DATA_STDERR : 0));
	} else {
		r = inbox_put(&c->in, data, c->rwin.initial_window_size);
		if (r < 0)
			return r;
		c->in_granted += data.len;
		frame_give(c, false);
	}
	window_taken(c, data.len);
	return 0;
}

int chan_data_in(struct sluice_channel *c, uint8_t msg, struct ssh_rd *r)
{
	struct sluice *s = c->s;
	struct ssh_chan_data m;
	enum ssh_chan_act act;
	bool err;
	int e = ssh_chan_data_parse(r, msg, &m);

	if (e == 0)
		e = ssh_chan_step(&c->fsm, SSH_CHAN_EV_PEER_DATA, &act);
	if (e == 0 && m.data.len > c->packet_in)
		e = -SSH_E_PACKET_SIZE;
	if (e == 0)
		e = window_received(c, m.data.len);
	if (e < 0)
		return e;
	err = m.data_type == SSH_EXTENDED_DATA_STDERR;
	if (act != SSH_CHAN_ACT_DELIVER || c->given_up || (m.data_type != 0 && !err) ||
	    (err && c->carried)) {
		window_taken(c, m.data.len);
		return 0;
	}
	c->bytes_in += m.data.len;
	if (s->ops.on_channel_data != NULL && chan_is_read(c))
		return hand_over(c, err, m.data);
	e = inbox_put(err ? &c->in_err : &c->in, m.data, c->rwin.initial_window_size);
	if (e == 0 && chan_is_read(c))
		CALL(s, on_channel_readable, c);
	return e;
}

struct reading {
	struct sluice_channel *c;
	struct inbox *from;
};

static int readable(struct sluice *s, void *arg)
{
	const struct reading *r = arg;

	(void)s;
	if (r->from->len > 0 || r->c->fsm.eof_received || r->c->fsm.state == SSH_CHAN_CLOSED ||
	    r->c->close_received)
		return 0;
	return -EAGAIN;
}

ssize_t sluice_channel_read(struct sluice_channel *c, bool err, void *buf, size_t size)
{
	struct sluice *s = c->s;
	struct reading reading = {c, err ? &c->in_err : &c->in};
	ssize_t n;

	enter(s);
	n = readable(s, &reading);
	if (n == -EAGAIN)
		n = wait_for(s, readable, &reading, s->set.operation_timeout);
	if (n == 0 && reading.from->len > 0) {
		n = (ssize_t)inbox_get(reading.from, buf, size);
		if (err)
			window_taken(c, (uint32_t)n);
		else
			chan_took(c, (size_t)n);
		flush(s);
	} else if (n == 0 && !c->fsm.eof_received && !c->close_received) {
		n = connection_gone(s);
	}
	leave(s);
	return n;
}

/* --- out
 * -------------------------------------------------------------------------------------------- */

ssize_t chan_send_some(struct sluice_channel *c, const uint8_t *p, size_t len)
{
	uint8_t buf[SSH_CHAN_DATA_HEAD + SSH_SWIN_PACKET_CAP];
	uint32_t n;
	struct ssh_wr w;
	int r;

	if (c->fsm.state != SSH_CHAN_OPEN || c->eof_asked || c->close_asked)
		return c->s->state == STATE_NONE ? connection_gone(c->s) : -SLUICE_E_STATE;
	if (send_room(c->s) == 0)
		return 0;
	n = ssh_swin_take(&c->swin,
			  len < SSH_SWIN_PACKET_CAP ? (uint32_t)len : SSH_SWIN_PACKET_CAP);
	if (n == 0)
		return 0;
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_data_head_build(&w, c->peer_id, n);
	memcpy(buf + SSH_CHAN_DATA_HEAD, p, n);
	r = send_data(c->s, buf, SSH_CHAN_DATA_HEAD + n);
	if (r < 0)
		return r == -EAGAIN ? 0 : r;
	ssh_swin_sent(&c->swin, n);
	c->bytes_out += n;
	return n;
}

struct sending {
	struct sluice_channel *c;
	const uint8_t *p;
	size_t len, sent;
};

static int sent_all(struct sluice *s, void *arg)
{
	struct sending *o = arg;

	while (o->sent < o->len) {
		ssize_t n = chan_send_some(o->c, o->p + o->sent, o->len - o->sent);

		if (n < 0)
			return (int)n;
		if (n == 0) {
			flush(s);
			return -EAGAIN;
		}
		o->sent += (size_t)n;
	}
	flush(s);
	return 0;
}

ssize_t sluice_channel_send(struct sluice_channel *c, const void *buf, size_t len)
{
	struct sluice *s = c->s;
	struct sending o = {c, buf, len, 0};
	int r;

	enter(s);
	r = sent_all(s, &o);
	if (r == -EAGAIN)
		r = wait_for(s, sent_all, &o, s->set.operation_timeout);
	if (r == -SLUICE_E_WOULD_BLOCK) {
		c->starved = true;
		if (s->pump_made && s->pump.in_kex && o.sent == 0)
			r = -SLUICE_E_WOULD_BLOCK_REKEY;
	}
	leave(s);
	return o.sent > 0 || r == 0 ? (ssize_t)o.sent : r;
}

ssize_t sluice_channel_send_text(struct sluice_channel *c, const char *text)
{
	return utf8_valid(text) ? sluice_channel_send(c, text, strlen(text)) : -SLUICE_E_UTF8;
}

int sluice_channel_eof(struct sluice_channel *c)
{
	int r = 0;

	enter(c->s);
	if (c->fsm.state != SSH_CHAN_OPEN || c->close_asked) {
		r = c->s->state == STATE_NONE ? connection_gone(c->s) : -SLUICE_E_STATE;
	} else {
		c->eof_asked = true;
		chan_flush(c);
		flush(c->s);
	}
	leave(c->s);
	return r;
}
