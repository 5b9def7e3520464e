/* ssh/session_msg.c - requests of `session` channels, RFC 4254 sections 6 and 8. */
#include "ssh/session_msg.h"

#include <signal.h>
#include <string.h>

#include "ssh/err.h"

static const char *const names[SSH_SESSION_REQUESTS] = {
	[SSH_SESSION_PTY_REQ] = "pty-req",
	[SSH_SESSION_X11_REQ] = "x11-req",
	[SSH_SESSION_ENV] = "env",
	[SSH_SESSION_SHELL] = "shell",
	[SSH_SESSION_EXEC] = "exec",
	[SSH_SESSION_SUBSYSTEM] = "subsystem",
	[SSH_SESSION_WINDOW_CHANGE] = "window-change",
	[SSH_SESSION_XON_XOFF] = "xon-xoff",
	[SSH_SESSION_SIGNAL] = "signal",
	[SSH_SESSION_BREAK] = "break",
	[SSH_SESSION_EXIT_STATUS] = "exit-status",
	[SSH_SESSION_EXIT_SIGNAL] = "exit-signal",
	[SSH_SESSION_AUTH_AGENT_REQ] = "auth-agent-req@openssh.com",
	[SSH_SESSION_EOW] = "eow@openssh.com",
};

enum ssh_session_request ssh_session_request_find(struct ssh_str type)
{
	for (unsigned int i = 1; i < SSH_SESSION_REQUESTS; i++)
		if (ssh_str_eq(type, names[i]))
			return (enum ssh_session_request)i;
	return SSH_SESSION_UNKNOWN;
}

const char *ssh_session_request_name(enum ssh_session_request request)
{
	return request < SSH_SESSION_REQUESTS ? names[request] : NULL;
}

/* --- reading ---------------------------------------------------------------------------- */

/* What becomes a C string of at most max bytes. */
static struct ssh_str text(struct ssh_rd *r, uint32_t max)
{
	struct ssh_str s = ssh_rd_str(r);

	if (s.len > max || (s.len > 0 && memchr(s.p, '\0', s.len) != NULL))
		r->bad = true;
	return s;
}

static struct ssh_tty_size tty_size(struct ssh_rd *r)
{
	struct ssh_tty_size s;

	s.columns = ssh_rd_u32(r);
	s.rows = ssh_rd_u32(r);
	s.width = ssh_rd_u32(r);
	s.height = ssh_rd_u32(r);
	return s;
}

int ssh_pty_req_parse(struct ssh_str rest, struct ssh_pty_req *ret)
{
	struct ssh_pty_req m;
	struct ssh_rd r;

	ssh_rd_init(&r, rest.p, rest.len);
	m.term = text(&r, SSH_TERM_MAX);
	m.size = tty_size(&r);
	m.modes = ssh_rd_str(&r);
	if (!ssh_rd_done(&r) || m.modes.len > SSH_TTY_MODES_MAX)
		return -SSH_E_FORMAT;
	*ret = m;
	return 0;
}

int ssh_x11_req_parse(struct ssh_str rest, struct ssh_x11_req *ret)
{
	struct ssh_x11_req m;
	struct ssh_rd r;

	ssh_rd_init(&r, rest.p, rest.len);
	m.single_connection = ssh_rd_bool(&r);
	m.protocol = text(&r, SSH_ENV_NAME_MAX);
	m.cookie = text(&r, SSH_ENV_VALUE_MAX);
	m.screen = ssh_rd_u32(&r);
	if (!ssh_rd_done(&r))
		return -SSH_E_FORMAT;
	*ret = m;
	return 0;
}

/* A name with '=' would be another variable's. */
int ssh_env_parse(struct ssh_str rest, struct ssh_env *ret)
{
	struct ssh_env m;
	struct ssh_rd r;

	ssh_rd_init(&r, rest.p, rest.len);
	m.name = text(&r, SSH_ENV_NAME_MAX);
	m.value = text(&r, SSH_ENV_VALUE_MAX);
	if (!ssh_rd_done(&r) || m.name.len == 0 || memchr(m.name.p, '=', m.name.len) != NULL)
		return -SSH_E_FORMAT;
	*ret = m;
	return 0;
}

int ssh_window_change_parse(struct ssh_str rest, struct ssh_tty_size *ret)
{
	struct ssh_tty_size m;
	struct ssh_rd r;

	ssh_rd_init(&r, rest.p, rest.len);
	m = tty_size(&r);
	if (!ssh_rd_done(&r))
		return -SSH_E_FORMAT;
	*ret = m;
	return 0;
}

int ssh_exit_signal_parse(struct ssh_str rest, struct ssh_exit_signal *ret)
{
	struct ssh_exit_signal m;
	struct ssh_rd r;

	ssh_rd_init(&r, rest.p, rest.len);
	m.signal = text(&r, SSH_SIGNAL_MAX);
	m.core_dumped = ssh_rd_bool(&r);
	m.message = ssh_rd_str(&r);
	m.language = ssh_rd_str(&r);
	if (!ssh_rd_done(&r))
		return -SSH_E_FORMAT;
	*ret = m;
	return 0;
}

static int one_text(struct ssh_str rest, uint32_t max, struct ssh_str *ret)
{
	struct ssh_str s;
	struct ssh_rd r;

	ssh_rd_init(&r, rest.p, rest.len);
	s = text(&r, max);
	if (!ssh_rd_done(&r))
		return -SSH_E_FORMAT;
	*ret = s;
	return 0;
}

int ssh_exec_parse(struct ssh_str rest, struct ssh_str *ret)
{
	return one_text(rest, SSH_COMMAND_MAX, ret);
}

static int one_name(struct ssh_str rest, uint32_t max, struct ssh_str *ret)
{
	struct ssh_str s;

	if (one_text(rest, max, &s) < 0 || s.len == 0)
		return -SSH_E_FORMAT;
	*ret = s;
	return 0;
}

int ssh_subsystem_parse(struct ssh_str rest, struct ssh_str *ret)
{
	return one_name(rest, SSH_SUBSYSTEM_MAX, ret);
}

int ssh_signal_parse(struct ssh_str rest, struct ssh_str *ret)
{
	return one_name(rest, SSH_SIGNAL_MAX, ret);
}

static int one_number(struct ssh_str rest, uint32_t *ret)
{
	struct ssh_rd r;
	uint32_t n;

	ssh_rd_init(&r, rest.p, rest.len);
	n = ssh_rd_u32(&r);
	if (!ssh_rd_done(&r))
		return -SSH_E_FORMAT;
	*ret = n;
	return 0;
}

int ssh_break_parse(struct ssh_str rest, uint32_t *ret)
{
	return one_number(rest, ret);
}

int ssh_exit_status_parse(struct ssh_str rest, uint32_t *ret)
{
	return one_number(rest, ret);
}

int ssh_xon_xoff_parse(struct ssh_str rest, bool *ret_client_can_do)
{
	struct ssh_rd r;
	bool can;

	ssh_rd_init(&r, rest.p, rest.len);
	can = ssh_rd_bool(&r);
	if (!ssh_rd_done(&r))
		return -SSH_E_FORMAT;
	*ret_client_can_do = can;
	return 0;
}

int ssh_session_empty_parse(struct ssh_str rest)
{
	return rest.len == 0 ? 0 : -SSH_E_FORMAT;
}

/* --- writing ---------------------------------------------------------------------------- */

void ssh_window_change_build(struct ssh_wr *w, const struct ssh_tty_size *m)
{
	ssh_wr_u32(w, m->columns);
	ssh_wr_u32(w, m->rows);
	ssh_wr_u32(w, m->width);
	ssh_wr_u32(w, m->height);
}

void ssh_pty_req_build(struct ssh_wr *w, const struct ssh_pty_req *m)
{
	ssh_wr_str(w, m->term);
	ssh_window_change_build(w, &m->size);
	ssh_wr_str(w, m->modes);
}

static bool word_is_plain(struct ssh_str s)
{
	static const char more[] = "-_.:/";

	for (uint32_t i = 0; i < s.len; i++) {
		uint8_t c = s.p[i];

		if (!(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') &&
		    (c == 0 || strchr(more, c) == NULL))
			return false;
	}
	return s.len > 0;
}

bool ssh_x11_req_plain(const struct ssh_x11_req *m)
{
	return word_is_plain(m->protocol) && word_is_plain(m->cookie);
}

void ssh_x11_req_build(struct ssh_wr *w, const struct ssh_x11_req *m)
{
	ssh_wr_bool(w, m->single_connection);
	ssh_wr_str(w, m->protocol);
	ssh_wr_str(w, m->cookie);
	ssh_wr_u32(w, m->screen);
}

void ssh_env_build(struct ssh_wr *w, const struct ssh_env *m)
{
	ssh_wr_str(w, m->name);
	ssh_wr_str(w, m->value);
}

void ssh_exit_signal_build(struct ssh_wr *w, const struct ssh_exit_signal *m)
{
	ssh_wr_str(w, m->signal);
	ssh_wr_bool(w, m->core_dumped);
	ssh_wr_str(w, m->message);
	ssh_wr_str(w, m->language);
}

/* --- signals ---------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int number;
} signals[] = {
	{"ABRT", SIGABRT}, {"ALRM", SIGALRM}, {"FPE", SIGFPE},   {"HUP", SIGHUP},
	{"ILL", SIGILL},   {"INT", SIGINT},   {"KILL", SIGKILL}, {"PIPE", SIGPIPE},
	{"QUIT", SIGQUIT}, {"SEGV", SIGSEGV}, {"TERM", SIGTERM}, {"USR1", SIGUSR1},
	{"USR2", SIGUSR2},
};

int ssh_signal_number(struct ssh_str name)
{
	for (unsigned int i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (ssh_str_eq(name, signals[i].name))
			return signals[i].number;
	return 0;
}

const char *ssh_signal_name(int number)
{
	for (unsigned int i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (signals[i].number == number)
			return signals[i].name;
	return NULL;
}

/* --- terminal modes --------------------------------------------------------------------- */

bool ssh_tty_mode_next(struct ssh_rd *r, uint8_t *ret_opcode, uint32_t *ret_value)
{
	uint8_t opcode = ssh_rd_u8(r);
	uint32_t value;

	if (r->bad || opcode == SSH_TTY_OP_END || opcode >= 160)
		return false;
	value = ssh_rd_u32(r);
	if (r->bad)
		return false;
	*ret_opcode = opcode;
	*ret_value = value;
	return true;
}

void ssh_tty_mode_build(struct ssh_wr *w, uint8_t opcode, uint32_t value)
{
	ssh_wr_u8(w, opcode);
	if (opcode != SSH_TTY_OP_END)
		ssh_wr_u32(w, value);
}
