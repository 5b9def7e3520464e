/*
 * Messages of channels: the first byte is the message number. What is taken is built again
 * and must be the same bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/chan.h"
#include "ssh/forward.h"
#include "ssh/msg.h"
#include "ssh/session_msg.h"

/* A want_reply of 2 reads as true and is written as 1. */
static bool canonical(const struct ssh_chan_request *m)
{
	return m->type.p[m->type.len] <= 1;
}

static void c_string(struct ssh_str s)
{
	if (s.len > 0 && memchr(s.p, '\0', s.len) != NULL)
		abort();
}

enum rest { OPEN_TCPIP, OPEN_SOCKET, OPEN_X11, FORWARD, FORWARD_SOCKET, FORWARD_EPOCH, RESTS };

/* What stands behind a type, read as any of those about forwarding. */
static bool rest_again(enum rest which, struct ssh_str rest, struct ssh_wr *w)
{
	struct ssh_forwarded_tcpip to;
	struct ssh_tcpip_forward at;
	struct ssh_x11_open x11;
	struct ssh_str path = {0};
	uint64_t epoch;
	struct ssh_rd r;
	int err = 0;

	ssh_rd_init(&r, rest.p, rest.len);
	if (which == OPEN_TCPIP && (err = ssh_forwarded_tcpip_parse(&r, &to)) == 0) {
		c_string(to.address);
		ssh_forwarded_tcpip_build(w, &to);
	} else if (which == OPEN_SOCKET) {
		/* Its second string is reserved, and may be anything. */
		err = ssh_forwarded_streamlocal_parse(&r, &path);
		if (err == 0 && rest.len != path.len + 8)
			return false;
		ssh_forwarded_streamlocal_build(w, path);
	} else if (which == OPEN_X11 && (err = ssh_x11_open_parse(&r, &x11)) == 0) {
		c_string(x11.originator);
		ssh_x11_open_build(w, &x11);
	} else if (which == FORWARD && (err = ssh_tcpip_forward_parse(&r, &at)) == 0) {
		c_string(at.address);
		ssh_tcpip_forward_build(w, &at);
	} else if (which == FORWARD_SOCKET) {
		err = ssh_streamlocal_forward_parse(&r, &path);
		ssh_streamlocal_forward_build(w, path);
	} else if (which == FORWARD_EPOCH && (err = ssh_forward_epoch_parse(&r, &epoch)) == 0) {
		ssh_forward_epoch_build(w, epoch);
	}
	c_string(path);
	if (err == 0 && path.len > 0 && (path.p[0] != '/' || path.len > SSH_HOST_MAX))
		abort();
	return err == 0;
}

static void rest_walk(struct ssh_str rest)
{
	uint8_t *out = malloc(rest.len + 1);

	for (int i = 0; out != NULL && i < RESTS; i++) {
		struct ssh_wr w;

		ssh_wr_init(&w, out, rest.len);
		if (rest_again((enum rest)i, rest, &w) &&
		    (ssh_wr_done(&w) != rest.len || memcmp(out, rest.p, rest.len) != 0))
			abort();
	}
	free(out);
}

static bool global_again(struct ssh_rd *r, struct ssh_wr *w)
{
	struct ssh_chan_request m = {0};

	m.type = ssh_rd_str(r);
	m.want_reply = ssh_rd_bool(r);
	if (r->bad || !canonical(&m))
		return false;
	m.rest = (struct ssh_str){r->p, (uint32_t)(r->end - r->p)};
	rest_walk(m.rest);
	ssh_wr_u8(w, SSH_MSG_GLOBAL_REQUEST);
	ssh_wr_str(w, m.type);
	ssh_wr_bool(w, m.want_reply);
	ssh_wr_bytes(w, m.rest.p, m.rest.len);
	return true;
}

static bool open_again(struct ssh_rd *r, struct ssh_wr *w)
{
	struct ssh_chan_open m;
	struct ssh_direct_tcpip t;
	struct ssh_rd rest;
	uint8_t *again;
	struct ssh_wr tw;

	if (ssh_chan_open_parse(r, &m) < 0)
		return false;
	ssh_chan_open_build(w, &m);
	rest_walk(m.rest);

	ssh_rd_init(&rest, m.rest.p, m.rest.len);
	if (ssh_direct_tcpip_parse(&rest, &t) < 0)
		return true;
	again = malloc(m.rest.len);
	if (again == NULL)
		return true;
	ssh_wr_init(&tw, again, m.rest.len);
	ssh_direct_tcpip_build(&tw, &t);
	if (ssh_wr_done(&tw) != m.rest.len || memcmp(again, m.rest.p, m.rest.len) != 0)
		abort();
	if (memchr(t.host.p, 0, t.host.len) != NULL || t.port == 0)
		abort();
	free(again);
	return true;
}

static bool data_again(struct ssh_rd *r, struct ssh_wr *w, const uint8_t *p, size_t size)
{
	struct ssh_chan_data m, head;
	uint32_t n;
	bool whole = ssh_chan_data_parse(r, p[0], &m) == 0;
	uint32_t head_len = size < SSH_CHAN_EXTENDED_HEAD ? size : SSH_CHAN_EXTENDED_HEAD;

	/* Both readers agree on every input. */
	if ((ssh_chan_data_head_parse(p, head_len, size, &head, &n) == 0) != whole)
		abort();
	if (!whole)
		return false;
	if (head.data.len != m.data.len || head.recipient_channel != m.recipient_channel ||
	    head.data_type != m.data_type || p + n != m.data.p)
		abort();
	ssh_chan_data_build(w, &m);
	return true;
}

/* A list of modes is walked to its end, a mode at a time. */
static void modes_walk(struct ssh_str modes)
{
	struct ssh_rd r;
	uint32_t value, n = 0;
	uint8_t opcode;

	ssh_rd_init(&r, modes.p, modes.len);
	while (ssh_tty_mode_next(&r, &opcode, &value))
		if (opcode == 0 || opcode >= 160 || ++n > modes.len / 5)
			abort();
}

/* What a request of a `session` channel holds; a boolean may be written in another way. */
static bool session_again(enum ssh_session_request kind, struct ssh_str rest, struct ssh_wr *w)
{
	struct ssh_exit_signal sig;
	struct ssh_tty_size size;
	struct ssh_pty_req pty;
	struct ssh_x11_req x11;
	struct ssh_env env;
	struct ssh_str str;
	uint32_t n;
	bool b;

	switch (kind) {
	case SSH_SESSION_PTY_REQ:
		if (ssh_pty_req_parse(rest, &pty) < 0)
			return false;
		c_string(pty.term);
		modes_walk(pty.modes);
		ssh_pty_req_build(w, &pty);
		return true;
	case SSH_SESSION_X11_REQ:
		if (ssh_x11_req_parse(rest, &x11) < 0 || rest.p[0] > 1)
			return false;
		if (ssh_x11_req_plain(&x11)) {
			c_string(x11.protocol);
			c_string(x11.cookie);
		}
		ssh_x11_req_build(w, &x11);
		return true;
	case SSH_SESSION_ENV:
		if (ssh_env_parse(rest, &env) < 0)
			return false;
		c_string(env.name);
		c_string(env.value);
		ssh_env_build(w, &env);
		return true;
	case SSH_SESSION_WINDOW_CHANGE:
		if (ssh_window_change_parse(rest, &size) < 0)
			return false;
		ssh_window_change_build(w, &size);
		return true;
	case SSH_SESSION_EXIT_SIGNAL:
		if (ssh_exit_signal_parse(rest, &sig) < 0 || rest.p[4 + sig.signal.len] > 1)
			return false;
		ssh_exit_signal_build(w, &sig);
		return true;
	case SSH_SESSION_EXEC:
	case SSH_SESSION_SUBSYSTEM:
	case SSH_SESSION_SIGNAL:
		if ((kind == SSH_SESSION_EXEC        ? ssh_exec_parse(rest, &str)
		     : kind == SSH_SESSION_SUBSYSTEM ? ssh_subsystem_parse(rest, &str)
						     : ssh_signal_parse(rest, &str)) < 0)
			return false;
		c_string(str);
		(void)ssh_signal_number(str);
		ssh_wr_str(w, str);
		return true;
	case SSH_SESSION_BREAK:
	case SSH_SESSION_EXIT_STATUS:
		if (ssh_break_parse(rest, &n) < 0)
			return false;
		ssh_wr_u32(w, n);
		return true;
	case SSH_SESSION_XON_XOFF:
		return ssh_xon_xoff_parse(rest, &b) == 0 && rest.p[0] <= 1 &&
		       (ssh_wr_bool(w, b), true);
	default:
		return false;
	}
}

static void request_walk(const struct ssh_chan_request *m)
{
	uint8_t *out = malloc(m->rest.len + 1);
	struct ssh_wr w;

	if (out == NULL)
		return;
	ssh_wr_init(&w, out, m->rest.len);
	if (session_again(ssh_session_request_find(m->type), m->rest, &w) &&
	    (w.bad || ssh_wr_done(&w) != m->rest.len || memcmp(out, m->rest.p, m->rest.len) != 0))
		abort();
	free(out);
}

static bool again(struct ssh_rd *r, struct ssh_wr *w, const uint8_t *p, size_t size)
{
	struct ssh_chan_confirm confirm;
	struct ssh_chan_failure failure;
	struct ssh_chan_request request;
	uint32_t channel, bytes;

	switch (p[0]) {
	case SSH_MSG_GLOBAL_REQUEST:
		return global_again(r, w);
	case SSH_MSG_CHANNEL_OPEN:
		return open_again(r, w);
	case SSH_MSG_CHANNEL_OPEN_CONFIRMATION:
		if (ssh_chan_confirm_parse(r, &confirm) < 0)
			return false;
		ssh_chan_confirm_build(w, &confirm);
		return true;
	case SSH_MSG_CHANNEL_OPEN_FAILURE:
		if (ssh_chan_failure_parse(r, &failure) < 0)
			return false;
		ssh_chan_failure_build(w, &failure);
		return true;
	case SSH_MSG_CHANNEL_WINDOW_ADJUST:
		if (ssh_chan_adjust_parse(r, &channel, &bytes) < 0)
			return false;
		ssh_chan_adjust_build(w, channel, bytes);
		return true;
	case SSH_MSG_CHANNEL_DATA:
	case SSH_MSG_CHANNEL_EXTENDED_DATA:
		return data_again(r, w, p, size);
	case SSH_MSG_CHANNEL_EOF:
	case SSH_MSG_CHANNEL_CLOSE:
	case SSH_MSG_CHANNEL_SUCCESS:
	case SSH_MSG_CHANNEL_FAILURE:
		if (ssh_chan_simple_parse(r, &channel) < 0)
			return false;
		ssh_chan_simple_build(w, p[0], channel);
		return true;
	case SSH_MSG_CHANNEL_REQUEST:
		if (ssh_chan_request_parse(r, &request) < 0 || !canonical(&request))
			return false;
		request_walk(&request);
		ssh_chan_request_build(w, &request);
		return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *out;
	struct ssh_rd r;
	struct ssh_wr w;

	if (size < 1 || size > UINT32_MAX)
		return 0;
	out = malloc(size);
	if (out == NULL)
		return 0;
	ssh_rd_init(&r, data + 1, size - 1);
	ssh_wr_init(&w, out, size);
	if (again(&r, &w, data, size) && (ssh_wr_done(&w) != size || memcmp(out, data, size) != 0))
		abort();
	free(out);
	return 0;
}
