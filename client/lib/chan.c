/* client/lib/chan.c - the life of channels: opened, closed, freed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/internal.h"
#include "ssh/err.h"

#define OPEN_EXTRA_MAX 4096

/* --- objects ------------------------------------------------------------------------------------
 */

struct sluice_channel *chan_find(struct sluice *s, uint32_t id)
{
	struct sluice_channel *c;

	TAILQ_FOREACH(c, &s->channels, link)
	if (c->id == id && c->fsm.state != SSH_CHAN_CLOSED)
		return c;
	return NULL;
}

struct sluice_channel *chan_new(struct sluice *s, const char *type, size_t len)
{
	struct sluice_channel *c;

	if (s->n_channels == CHANNELS_MAX)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->s = s;
	while (chan_find(s, s->next_channel) != NULL) /* they wrap; old channels live on (S-55) */
		s->next_channel++;
	c->id = s->next_channel++;
	c->fsm.state = SSH_CHAN_OPENING;
	c->packet_in = s->set.packet_max;
	c->frame.record = s->set.record_length;
	window_init(c);
	STAILQ_INIT(&c->requests);
	memcpy(c->type, type, len);
	s->n_channels++;
	TAILQ_INSERT_TAIL(&s->channels, c, link);
	return c;
}

void chan_release(struct sluice_channel *c)
{
	struct sluice *s = c->s;

	if (c->carry != NULL)
		carry_end(c->carry);
	requests_fail(&c->requests);
	TAILQ_REMOVE(&s->channels, c, link);
	s->n_channels--;
	window_fini(c);
	inbox_fini(&c->in);
	inbox_fini(&c->in_err);
	free(c);
}

void chan_closed(struct sluice_channel *c)
{
	c->fsm.state = SSH_CHAN_CLOSED;
	requests_fail(&c->requests);
	if (c->given_up) {
		c->s->swept = true;
		return;
	}
	note(c->s, SLUICE_LOG_VERBOSE, "channel %u: closed", c->id);
	if (chan_is_told(c))
		CALL(c->s, on_channel_closed, c);
	if (c->carry != NULL)
		carry_closed(c->carry);
	else if (c->carried)
		chan_give_up(c);
}

void chans_over(struct sluice *s)
{
	struct sluice_channel *c;

	requests_fail(&s->globals);
	TAILQ_FOREACH(c, &s->channels, link)
	{
		bool opening = c->fsm.state == SSH_CHAN_OPENING;

		if (c->carry != NULL)
			carry_end(c->carry);
		if (c->fsm.state == SSH_CHAN_CLOSED)
			continue;
		if (opening)
			c->err = s->err != 0 ? s->err : -SLUICE_E_NOT_CONNECTED;
		chan_closed(c);
	}
}

/* --- opening
 * ---------------------------------------------------------------------------------------- */

static int open_answered(struct sluice *s, void *arg)
{
	const struct sluice_channel *c = arg;

	(void)s;
	if (c->fsm.state == SSH_CHAN_OPENING)
		return -EAGAIN;
	return c->err;
}

static int open_send(struct sluice_channel *c, const void *extra, size_t len)
{
	uint8_t buf[OPEN_EXTRA_MAX + 256];
	struct ssh_chan_open m = {.type = ssh_str_c(c->type),
				  .sender_channel = c->id,
				  .window_size = c->rwin.window_size,
				  .packet_max = c->packet_in,
				  .rest = {extra, (uint32_t)len}};
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_open_build(&w, &m);
	return send_message(c->s, buf, ssh_wr_done(&w));
}

/* Where it leads, by what its OPEN says; of a type that says nothing of it: nowhere. */
static void target_note(struct sluice_channel *c, const void *extra, size_t len)
{
	struct ssh_direct_tcpip tcp;
	struct ssh_str path, to = {0};
	struct ssh_rd rd;

	ssh_rd_init(&rd, extra != NULL ? extra : "", len);
	if (strcmp(c->type, "direct-tcpip") == 0 && ssh_direct_tcpip_parse(&rd, &tcp) == 0) {
		to = tcp.host;
		c->target_port = tcp.port;
	} else if (strcmp(c->type, "direct-streamlocal@openssh.com") == 0 &&
		   ssh_direct_streamlocal_parse(&rd, &path) == 0) {
		to = path;
	}
	snprintf(c->target, sizeof(c->target), "%.*s", (int)to.len, (const char *)to.p);
}

/* The handle is the program's once the OPEN is on its way. */
static int open_begin(struct sluice *s, const char *type, const void *extra, size_t len,
		      struct sluice_channel **ret)
{
	size_t n = strlen(type);
	struct sluice_channel *c;
	int r;

	if (s->state != STATE_UP)
		return s->state == STATE_NONE ? connection_gone(s) : -SLUICE_E_STATE;
	if (n == 0 || n > SSH_TYPE_MAX || len > OPEN_EXTRA_MAX)
		return -EINVAL;
	c = chan_new(s, type, n);
	if (c == NULL)
		return s->n_channels == CHANNELS_MAX ? -EMFILE : -ENOMEM;
	c->ours = true;
	target_note(c, extra, len);
	r = open_send(c, extra, len);
	if (r < 0) {
		chan_release(c);
		return r;
	}
	*ret = c;
	return 0;
}

/* Waits for the answer to an open that was begun with r. */
static int open_wait(struct sluice *s, int r, struct sluice_channel *c, struct sluice_channel **ret)
{
	if (r < 0)
		return r;
	flush(s);
	*ret = c;
	r = wait_for(s, open_answered, c, s->set.operation_timeout);
	if (r == 0 || r == -SLUICE_E_WOULD_BLOCK)
		return r;
	*ret = NULL;
	c->given_up = true;
	if (c->fsm.state == SSH_CHAN_CLOSED)
		s->swept = true;
	else
		chan_close_begin(c);
	return r;
}

int sluice_channel_open(struct sluice *s, const char *type, const void *extra, size_t len,
			struct sluice_channel **ret)
{
	struct sluice_channel *c = NULL;
	int r;

	enter(s);
	r = open_begin(s, type, extra, len, &c); /* before c is looked at */
	r = open_wait(s, r, c, ret);
	leave(s);
	return r;
}

int chan_open_tcp(struct sluice *s, const char *dst, uint16_t dport, const char *src,
		  uint16_t sport, struct sluice_channel **ret)
{
	struct ssh_direct_tcpip m = {ssh_str_c(dst), dport,
				     ssh_str_c(src != NULL ? src : "127.0.0.1"), sport};
	uint8_t buf[1024];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_direct_tcpip_build(&w, &m);
	if (ssh_wr_done(&w) == 0 || *dst == '\0')
		return -EINVAL;
	return open_begin(s, "direct-tcpip", buf, ssh_wr_done(&w), ret);
}

int sluice_channel_open_tcp(struct sluice *s, const char *dst, uint16_t dport, const char *src,
			    uint16_t sport, struct sluice_channel **ret)
{
	struct sluice_channel *c = NULL;
	int r;

	enter(s);
	r = chan_open_tcp(s, dst, dport, src, sport, &c);
	r = open_wait(s, r, c, ret);
	leave(s);
	return r;
}

int sluice_channel_open_unix(struct sluice *s, const char *path, struct sluice_channel **ret)
{
	uint8_t buf[SSH_SOCKET_PATH_MAX + 64];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_cstr(&w, path);
	ssh_wr_cstr(&w, "");
	ssh_wr_u32(&w, 0);
	if (ssh_wr_done(&w) == 0 || *path == '\0')
		return -EINVAL;
	return sluice_channel_open(s, "direct-streamlocal@openssh.com", buf, ssh_wr_done(&w), ret);
}

static int confirmed(struct sluice_channel *c, struct ssh_rd *r)
{
	struct ssh_chan_confirm m;
	enum ssh_chan_act act;
	int e = ssh_chan_confirm_parse(r, &m);

	if (e == 0)
		e = ssh_chan_step(&c->fsm, SSH_CHAN_EV_CONFIRMED, &act);
	if (e < 0)
		return e;
	c->peer_id = m.sender_channel;
	ssh_swin_init(&c->swin, m.window_size, m.packet_max);
	if (act == SSH_CHAN_ACT_SEND_CLOSE) {
		c->close_asked = true;
	} else if (ssh_chan_limits_check(m.packet_max) < 0) {
		c->err = fail(c->s, -SLUICE_E_CHANNEL_OPEN, "the server takes too small packets");
		chan_close_begin(c);
	}
	if (!chan_is_told(c))
		return 0;
	note(c->s, SLUICE_LOG_VERBOSE, "channel %u: %s is open", c->id, c->type);
	CALL(c->s, on_channel_opened, c, c->err, c->err == 0 ? "OK" : c->s->text);
	return 0;
}

static int refused(struct sluice_channel *c, struct ssh_rd *r)
{
	struct ssh_chan_failure m;
	enum ssh_chan_act act;
	int e = ssh_chan_failure_parse(r, &m);

	if (e == 0)
		e = ssh_chan_step(&c->fsm, SSH_CHAN_EV_REFUSED, &act);
	if (e < 0)
		return e;
	c->err = fail(c->s, -SLUICE_E_CHANNEL_OPEN, "%.*s (reason %u)", (int)m.description.len,
		      (const char *)m.description.p, m.reason);
	if (chan_is_told(c)) {
		note(c->s, SLUICE_LOG_VERBOSE, "channel %u: %s refused: %s", c->id, c->type,
		     c->s->text);
		CALL(c->s, on_channel_opened, c, c->err, c->s->text);
	}
	c->s->swept |= c->given_up;
	return 0;
}

/* --- ending
 * ---------------------------------------------------------------------------------------- */

static int send_simple(struct sluice_channel *c, uint8_t msg)
{
	uint8_t buf[8];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_simple_build(&w, msg, c->peer_id);
	return send_data(c->s, buf, ssh_wr_done(&w));
}

static void send_adjust(struct sluice_channel *c)
{
	uint8_t buf[16];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_adjust_build(&w, c->peer_id, c->adjust);
	if (send_data(c->s, buf, ssh_wr_done(&w)) == 0)
		c->adjust = 0;
}

void chan_flush(struct sluice_channel *c)
{
	bool open = c->fsm.state == SSH_CHAN_OPEN;

	if (open && c->adjust > 0)
		send_adjust(c);
	if (open && c->eof_asked && !c->fsm.eof_sent)
		c->fsm.eof_sent = send_simple(c, SSH_MSG_CHANNEL_EOF) == 0;
	if (!c->close_asked || c->close_sent || c->fsm.state == SSH_CHAN_OPENING ||
	    c->fsm.state == SSH_CHAN_ABANDONED)
		return;
	c->close_sent = send_simple(c, SSH_MSG_CHANNEL_CLOSE) == 0;
	if (c->close_sent && c->close_received)
		chan_closed(c);
}

/* The last word of ours; before the server's number is known it waits. */
void chan_close_begin(struct sluice_channel *c)
{
	enum ssh_chan_act act;

	if (c->close_asked || ssh_chan_step(&c->fsm, SSH_CHAN_EV_LOCAL_CLOSE, &act) < 0)
		return;
	c->close_asked = true;
	chan_flush(c);
}

/* Both CLOSEs have passed only when ours went out: during a key exchange it waits. */
static int close_in(struct sluice_channel *c, struct ssh_rd *r)
{
	uint32_t id;
	enum ssh_chan_act act;
	int e = ssh_chan_simple_parse(r, &id);

	if (e == 0)
		e = ssh_chan_step(&c->fsm, SSH_CHAN_EV_PEER_CLOSE, &act);
	if (e < 0)
		return e;
	if (c->s->ops.on_channel_data != NULL && chan_is_told(c) && chan_is_read(c))
		frame_give(c, true);
	c->close_received = c->close_asked = true;
	c->fsm.state = SSH_CHAN_CLOSE_SENT;
	if (c->close_sent)
		chan_closed(c);
	else
		chan_flush(c);
	return 0;
}

static int eof_in(struct sluice_channel *c, struct ssh_rd *r)
{
	uint32_t id;
	enum ssh_chan_act act;
	int e = ssh_chan_simple_parse(r, &id);

	if (e == 0)
		e = ssh_chan_step(&c->fsm, SSH_CHAN_EV_PEER_EOF, &act);
	if (e < 0)
		return e;
	if (act != SSH_CHAN_ACT_DELIVER || !chan_is_told(c))
		return 0;
	if (c->s->ops.on_channel_data != NULL && chan_is_read(c))
		frame_give(c, true);
	CALL(c->s, on_channel_eof, c);
	return 0;
}

static int adjust_in(struct sluice_channel *c, struct ssh_rd *r)
{
	uint32_t id, n;
	enum ssh_chan_act act;
	int e = ssh_chan_adjust_parse(r, &id, &n);

	if (e == 0)
		e = ssh_chan_step(&c->fsm, SSH_CHAN_EV_PEER_ADJUST, &act);
	return e < 0 ? e : ssh_swin_adjust(&c->swin, n);
}

static int reply_in(struct sluice_channel *c, uint8_t msg, struct ssh_rd *r)
{
	uint32_t id;
	enum ssh_chan_act act;
	int e = ssh_chan_simple_parse(r, &id);

	if (e == 0)
		e = ssh_chan_step(&c->fsm, SSH_CHAN_EV_PEER_REQUEST, &act);
	if (e == 0)
		chan_answer(c, msg == SSH_MSG_CHANNEL_SUCCESS);
	return e;
}

int chan_message(struct sluice *s, const struct ssh_act *a)
{
	struct sluice_channel *c;
	struct ssh_rd r, at;

	ssh_rd_init(&r, a->bytes.p + 1, a->bytes.len - 1);
	at = r;
	c = chan_find(s, ssh_rd_u32(&at));
	if (c == NULL || c->close_received) /* an adjust may have crossed the end of its channel */
		return a->msg == SSH_MSG_CHANNEL_WINDOW_ADJUST ? 0 : -SSH_E_CHANNEL;
	switch (a->msg) {
	case SSH_MSG_CHANNEL_OPEN_CONFIRMATION:
		return confirmed(c, &r);
	case SSH_MSG_CHANNEL_OPEN_FAILURE:
		return refused(c, &r);
	case SSH_MSG_CHANNEL_WINDOW_ADJUST:
		return adjust_in(c, &r);
	case SSH_MSG_CHANNEL_DATA:
	case SSH_MSG_CHANNEL_EXTENDED_DATA:
		return chan_data_in(c, a->msg, &r);
	case SSH_MSG_CHANNEL_EOF:
		return eof_in(c, &r);
	case SSH_MSG_CHANNEL_CLOSE:
		return close_in(c, &r);
	default:
		return reply_in(c, a->msg, &r);
	}
}

void chans_go_on(struct sluice *s)
{
	struct sluice_channel *c;
	size_t room = send_room(s);

	if (s->state != STATE_UP || s->pump.in_kex)
		return;
	TAILQ_FOREACH(c, &s->channels, link)
	{
		chan_flush(c);
		if (c->starved && room > 0 && c->swin.window_size > 0 &&
		    c->fsm.state == SSH_CHAN_OPEN && !c->given_up && chan_is_read(c)) {
			c->starved = false;
			CALL(s, on_channel_ready, c,
			     room < c->swin.window_size ? room : c->swin.window_size);
		}
	}
}

/* --- what programs call
 * ------------------------------------------------------------------------------- */

static int close_done(struct sluice *s, void *arg)
{
	const struct sluice_channel *c = arg;

	(void)s;
	return c->fsm.state == SSH_CHAN_CLOSED ? 0 : -EAGAIN;
}

int sluice_channel_close(struct sluice_channel *c)
{
	struct sluice *s = c->s;
	int r = 0;

	enter(s);
	chan_close_begin(c);
	flush(s);
	if (s->set.wait_close)
		r = wait_for(s, close_done, c, s->set.operation_timeout);
	leave(s);
	return r;
}

int sluice_channel_wait(struct sluice_channel *c)
{
	struct sluice *s = c->s;
	int r;

	enter(s);
	r = wait_for(s, close_done, c, s->set.operation_timeout);
	if (r == 0 && !c->close_received)
		r = connection_gone(s);
	leave(s);
	return r;
}

void sluice_channel_free(struct sluice_channel *c)
{
	struct sluice *s;

	if (c == NULL)
		return;
	s = c->s;
	if (sluice_channel_refuse(c, 0, NULL) == 0)
		return;
	enter(s);
	c->given_up = true;
	chan_close_begin(c);
	flush(s);
	s->swept |= c->fsm.state == SSH_CHAN_CLOSED;
	leave(s);
}

struct sluice_channel *sluice_channel_next(struct sluice *s, struct sluice_channel *prev)
{
	struct sluice_channel *c;

	enter(s);
	c = prev == NULL ? TAILQ_FIRST(&s->channels) : TAILQ_NEXT(prev, link);
	while (c != NULL && !chan_is_told(c))
		c = TAILQ_NEXT(c, link);
	leave(s);
	return c;
}

void sluice_channel_arg_set(struct sluice_channel *c, void *arg)
{
	c->arg = arg;
}

void *sluice_channel_arg(struct sluice_channel *c)
{
	return c->arg;
}

struct sluice *sluice_channel_connection(struct sluice_channel *c)
{
	return c->s;
}

int sluice_channel_window_set(struct sluice_channel *c, uint32_t bytes)
{
	enter(c->s);
	window_raise(c, bytes);
	chan_flush(c);
	flush(c->s);
	leave(c->s);
	return 0;
}

int sluice_channel_info(struct sluice_channel *c, struct sluice_channel_info *ret)
{
	struct sluice_channel_info i = {.size = ret->size};

	if (ret->size < offsetof(struct sluice_channel_info, core_dumped) || ret->size > sizeof(i))
		return -EINVAL;
	enter(c->s);
	i.id = c->id;
	memcpy(i.type, c->type, sizeof(i.type));
	i.open = c->fsm.state == SSH_CHAN_OPEN;
	i.ours = c->ours;
	i.eof_in = c->fsm.eof_received;
	i.eof_out = c->fsm.eof_sent;
	i.closed_in = c->close_received;
	i.closed_out = c->close_sent;
	i.window_in = c->rwin.window_size;
	i.window_out = c->swin.window_size;
	i.packet_in = c->packet_in;
	i.packet_out = c->swin.packet_max;
	i.waiting = c->in.len;
	i.waiting_err = c->in_err.len;
	i.bytes_in = c->bytes_in;
	i.bytes_out = c->bytes_out;
	i.has_exit_status = c->has_exit_status;
	i.exit_status = c->exit_status;
	i.has_exit_signal = c->has_exit_signal;
	memcpy(i.exit_signal, c->exit_signal, sizeof(i.exit_signal));
	i.core_dumped = c->core_dumped;
	memcpy(i.listen_addr, c->listen, sizeof(i.listen_addr));
	memcpy(i.origin_addr, c->origin, sizeof(i.origin_addr));
	memcpy(i.target, c->target, sizeof(i.target));
	i.listen_port = c->listen_port;
	i.origin_port = c->origin_port;
	i.target_port = c->target_port;
	leave(c->s);
	memcpy(ret, &i, ret->size);
	return 0;
}
