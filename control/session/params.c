/* control/session/params.c - see params.h. */
#include "control/session/params.h"

#include "ssh/chan.h"
#include "ssh/session_msg.h"

json_t *params_of_open(const struct ssh_chan_open *m)
{
	struct hook_req p = {.o = json_object()};
	struct ssh_direct_tcpip d;
	struct ssh_str path;
	struct ssh_rd r;

	p.bad = p.o == NULL;
	ssh_rd_init(&r, m->rest.p, m->rest.len);
	if (ssh_str_eq(m->type, "direct-tcpip") && ssh_direct_tcpip_parse(&r, &d) == 0) {
		hook_req_text(&p, "host", d.host);
		hook_req_int(&p, "port", d.port);
		hook_req_text(&p, "originator", d.originator);
		hook_req_int(&p, "originator_port", d.originator_port);
	} else if (ssh_str_eq(m->type, "direct-streamlocal@openssh.com") &&
		   ssh_direct_streamlocal_parse(&r, &path) == 0) {
		hook_req_text(&p, "path", path);
	}
	return p.o;
}

void params_size(struct hook_req *p, const struct ssh_tty_size *z)
{
	hook_req_int(p, "columns", z->columns);
	hook_req_int(p, "rows", z->rows);
	hook_req_int(p, "width", z->width);
	hook_req_int(p, "height", z->height);
}

json_t *params_of_request(const struct ssh_chan_request *m)
{
	struct hook_req p = {.o = json_object()};
	struct ssh_tty_size size;
	struct ssh_pty_req pty;
	struct ssh_x11_req x11;
	struct ssh_exit_signal end;
	struct ssh_env env;
	struct ssh_str s;
	uint32_t n;
	bool yes;

	p.bad = p.o == NULL;
	switch (ssh_session_request_find(m->type)) {
	case SSH_SESSION_EXEC:
		if (ssh_exec_parse(m->rest, &s) == 0)
			hook_req_text(&p, "command", s);
		break;
	case SSH_SESSION_SUBSYSTEM:
		if (ssh_subsystem_parse(m->rest, &s) == 0)
			hook_req_text(&p, "name", s);
		break;
	case SSH_SESSION_SIGNAL:
		if (ssh_signal_parse(m->rest, &s) == 0)
			hook_req_text(&p, "signal", s);
		break;
	case SSH_SESSION_ENV:
		if (ssh_env_parse(m->rest, &env) == 0) {
			hook_req_text(&p, "name", env.name);
			hook_req_text(&p, "value", env.value);
		}
		break;
	case SSH_SESSION_PTY_REQ:
		if (ssh_pty_req_parse(m->rest, &pty) == 0) {
			hook_req_text(&p, "term", pty.term);
			params_size(&p, &pty.size);
			hook_req_bytes(&p, "modes", pty.modes.p, pty.modes.len);
		}
		break;
	case SSH_SESSION_WINDOW_CHANGE:
		if (ssh_window_change_parse(m->rest, &size) == 0)
			params_size(&p, &size);
		break;
	case SSH_SESSION_X11_REQ:
		if (ssh_x11_req_parse(m->rest, &x11) == 0) {
			hook_req_bool(&p, "single", x11.single_connection);
			hook_req_text(&p, "protocol", x11.protocol);
			hook_req_text(&p, "cookie", x11.cookie);
			hook_req_int(&p, "screen", x11.screen);
		}
		break;
	case SSH_SESSION_BREAK:
		if (ssh_break_parse(m->rest, &n) == 0)
			hook_req_int(&p, "milliseconds", n);
		break;
	case SSH_SESSION_XON_XOFF:
		if (ssh_xon_xoff_parse(m->rest, &yes) == 0)
			hook_req_bool(&p, "client_can_do", yes);
		break;
	case SSH_SESSION_EXIT_STATUS: /* of what a program of the operator's has begun there */
		if (ssh_exit_status_parse(m->rest, &n) == 0)
			hook_req_int(&p, "exit", n);
		break;
	case SSH_SESSION_EXIT_SIGNAL:
		if (ssh_exit_signal_parse(m->rest, &end) == 0) {
			hook_req_text(&p, "signal", end.signal);
			hook_req_bool(&p, "core", end.core_dumped);
			hook_req_text(&p, "message", end.message);
			hook_req_text(&p, "language", end.language);
		}
		break;
	default:
		break;
	}
	return p.o;
}
