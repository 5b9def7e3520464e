/* client/lib/chan_request.c - requests on channels, both ways. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/internal.h"
#include "crypto/secret.h"
#include "ssh/err.h"

#define REQUEST_MAX 65536

/* --- ours
 * ------------------------------------------------------------------------------------------- */

static int request_send(struct sluice_channel *c, const char *type, bool want_reply,
			const void *data, size_t len)
{
	struct ssh_chan_request m = {
		c->peer_id, ssh_str_c(type), want_reply, {data, (uint32_t)len}};
	uint8_t *buf;
	struct ssh_wr w;
	int r;

	buf = malloc(len + 128);
	if (buf == NULL)
		return -ENOMEM;
	ssh_wr_init(&w, buf, len + 128);
	ssh_chan_request_build(&w, &m);
	r = send_message(c->s, buf, ssh_wr_done(&w));
	secret_wipe(buf, len + 128);
	free(buf);
	return r;
}

static int answered(struct sluice *s, void *arg)
{
	const struct request *q = arg;

	(void)s;
	if (!q->done)
		return -EAGAIN;
	return q->ok ? 0 : -SLUICE_E_CHANNEL_REQUEST;
}

static int request_ask(struct sluice_channel *c, const char *type, const void *data, size_t len)
{
	struct request *q = request_new(&c->requests, type);
	int r;

	if (q == NULL)
		return -ENOMEM;
	r = request_send(c, type, true, data, len);
	if (r < 0) {
		STAILQ_REMOVE(&c->requests, q, request, next);
		request_leave(q);
		return r;
	}
	flush(c->s);
	r = wait_for(c->s, answered, q, c->s->set.operation_timeout);
	request_leave(q);
	if (r == -SLUICE_E_CHANNEL_REQUEST && c->s->state == STATE_NONE)
		return connection_gone(c->s);
	return r == -SLUICE_E_CHANNEL_REQUEST ? fail(c->s, r, "the server refuses %s", type) : r;
}

int sluice_channel_request(struct sluice_channel *c, const char *type, bool want_reply,
			   const void *data, size_t len)
{
	size_t n = strlen(type);
	int r;

	if (n == 0 || n > SSH_TYPE_MAX || len > REQUEST_MAX)
		return -EINVAL;
	enter(c->s);
	if (c->fsm.state != SSH_CHAN_OPEN || c->close_asked)
		r = c->s->state == STATE_NONE ? connection_gone(c->s) : -SLUICE_E_STATE;
	else if (want_reply)
		r = request_ask(c, type, data, len);
	else
		r = request_send(c, type, false, data, len);
	flush(c->s);
	leave(c->s);
	return r;
}

/* Those that answer, or open, are the library's own. */
int sluice_channel_packet_send(struct sluice_channel *c, uint8_t number, const void *payload,
			       size_t len)
{
	uint8_t *buf;
	struct ssh_wr w;
	int r;

	if (number < SSH_MSG_CHANNEL_REQUEST || number == SSH_MSG_CHANNEL_SUCCESS ||
	    number == SSH_MSG_CHANNEL_FAILURE || len > SSH_PACKET_MAX - 5)
		return -EINVAL;
	buf = malloc(len + 5);
	if (buf == NULL)
		return -ENOMEM;
	enter(c->s);
	ssh_wr_init(&w, buf, len + 5);
	ssh_wr_u8(&w, number);
	ssh_wr_u32(&w, c->peer_id);
	ssh_wr_bytes(&w, payload, len);
	r = c->fsm.state != SSH_CHAN_OPEN || c->close_asked ? -SLUICE_E_STATE
							    : send_message(c->s, buf, len + 5);
	flush(c->s);
	leave(c->s);
	free(buf);
	return r;
}

int sluice_channel_pty(struct sluice_channel *c, const char *term, uint32_t width, uint32_t height,
		       bool pixels, const void *modes, size_t len)
{
	static const uint8_t none[] = {SSH_TTY_OP_END};
	struct ssh_pty_req m = {.term = ssh_str_c(term), .modes = {none, sizeof(none)}};
	uint8_t buf[SSH_TERM_MAX + SSH_TTY_MODES_MAX + 64];
	struct ssh_wr w;

	if (modes != NULL)
		m.modes = (struct ssh_str){modes, (uint32_t)len};
	m.size = pixels ? (struct ssh_tty_size){0, 0, width, height}
			: (struct ssh_tty_size){width, height, 0, 0};
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_pty_req_build(&w, &m);
	if (ssh_wr_done(&w) == 0)
		return -EINVAL;
	return sluice_channel_request(c, "pty-req", true, buf, ssh_wr_done(&w));
}

int sluice_channel_window_change(struct sluice_channel *c, uint32_t columns, uint32_t rows,
				 uint32_t width_px, uint32_t height_px)
{
	const struct ssh_tty_size m = {columns, rows, width_px, height_px};
	uint8_t buf[16];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_window_change_build(&w, &m);
	return sluice_channel_request(c, "window-change", false, buf, sizeof(buf));
}

int sluice_channel_env(struct sluice_channel *c, const char *name, const char *value)
{
	const struct ssh_env m = {ssh_str_c(name), ssh_str_c(value)};
	uint8_t buf[SSH_ENV_NAME_MAX + SSH_ENV_VALUE_MAX + 8];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_env_build(&w, &m);
	if (ssh_wr_done(&w) == 0)
		return -EINVAL;
	return sluice_channel_request(c, "env", false, buf, ssh_wr_done(&w));
}

int sluice_channel_start(struct sluice_channel *c, const char *service, const char *parameter)
{
	size_t len = parameter != NULL ? strlen(parameter) : 0;
	uint8_t *buf;
	struct ssh_wr w;
	int r;

	if (parameter == NULL)
		return sluice_channel_request(c, service, true, "", 0);
	if (len > REQUEST_MAX - 4)
		return -EINVAL;
	buf = malloc(len + 4);
	if (buf == NULL)
		return -ENOMEM;
	ssh_wr_init(&w, buf, len + 4);
	ssh_wr_cstr(&w, parameter);
	r = sluice_channel_request(c, service, true, buf, len + 4);
	free(buf);
	return r;
}

int sluice_channel_signal(struct sluice_channel *c, const char *name)
{
	uint8_t buf[SSH_SIGNAL_MAX + 4];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_cstr(&w, name);
	if (ssh_wr_done(&w) == 0)
		return -EINVAL;
	return sluice_channel_request(c, "signal", false, buf, ssh_wr_done(&w));
}

void chan_answer(struct sluice_channel *c, bool ok)
{
	struct request *q = STAILQ_FIRST(&c->requests);
	char type[SSH_TYPE_MAX + 1];

	if (q == NULL) /* nothing was asked */
		return;
	memcpy(type, q->type, sizeof(type));
	request_answer(&c->requests, ok, NULL, 0);
	if (chan_is_told(c))
		CALL(c->s, on_channel_requested, c, type, ok ? 0 : -SLUICE_E_CHANNEL_REQUEST);
}

/* --- theirs
 * ------------------------------------------------------------------------------------------ */

static void exit_signal(struct sluice_channel *c, struct ssh_str rest)
{
	struct ssh_exit_signal m;

	if (ssh_exit_signal_parse(rest, &m) < 0 || m.signal.len > SSH_SIGNAL_MAX)
		return;
	memcpy(c->exit_signal, m.signal.p, m.signal.len);
	c->exit_signal[m.signal.len] = '\0';
	c->core_dumped = m.core_dumped;
	c->has_exit_signal = true;
}

/* True: done with. */
static bool settled_here(struct sluice_channel *c, const struct ssh_chan_request *m)
{
	switch (ssh_session_request_find(m->type)) {
	case SSH_SESSION_EXIT_STATUS:
		c->has_exit_status |= ssh_exit_status_parse(m->rest, &c->exit_status) == 0;
		return true;
	case SSH_SESSION_EXIT_SIGNAL:
		exit_signal(c, m->rest);
		return true;
	default:
		return false;
	}
}

static bool ask_program(struct sluice_channel *c, const struct ssh_chan_request *m)
{
	struct sluice *s = c->s;
	char type[SSH_TYPE_MAX + 1];
	bool ok;

	if (s->ops.on_channel_request == NULL || !chan_is_told(c))
		return false;
	memcpy(type, m->type.p, m->type.len); /* no longer than it may be */
	type[m->type.len] = '\0';
	s->callbacks++;
	ok = s->ops.on_channel_request(s->arg, c, type, m->want_reply, m->rest.p, m->rest.len) == 1;
	s->callbacks--;
	return ok;
}

/* "keepalive@openssh.com" is answered, whichever way: FAILURE is what OpenSSH says. */
int chan_request_in(struct sluice *s, const struct ssh_act *a)
{
	const struct ssh_chan_request *m = &a->request;
	struct sluice_channel *c = chan_find(s, m->recipient_channel);
	enum ssh_chan_act act;
	uint8_t buf[8];
	struct ssh_wr w;
	bool ok;
	int r;

	if (c == NULL || c->close_received)
		return -SSH_E_CHANNEL;
	r = ssh_chan_step(&c->fsm, SSH_CHAN_EV_PEER_REQUEST, &act);
	if (r < 0)
		return r;
	note(s, SLUICE_LOG_VERBOSE, "channel %u: the server says %.*s", c->id, (int)m->type.len,
	     (const char *)m->type.p);
	ok = settled_here(c, m) || ask_program(c, m);
	if (!m->want_reply || c->fsm.state != SSH_CHAN_OPEN)
		return 0;
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_simple_build(&w, ok ? SSH_MSG_CHANNEL_SUCCESS : SSH_MSG_CHANNEL_FAILURE,
			      c->peer_id);
	r = send_message(s, buf, ssh_wr_done(&w));
	return r < 0 ? -SSH_E_MEMORY : 0;
}
