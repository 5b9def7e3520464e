/*
 * control/session/program.c - `session` channels: what a client asks of one, the program that
 * sluice-helper runs for it, and its end.
 *
 * Source  RFC 4254 section 6.
 *
 * A channel is confirmed without a stream and a window of 0; the program's descriptors go to the
 * shard when it runs. What is asked meanwhile is answered behind that, as replies have no numbers
 * (section 5.4). How the program ended is said when the shard has sealed all it wrote.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/count.h"
#include "control/service/env.h"
#include "control/session/program.h"
#include "control/session/report.h"
#include "ssh/chan.h"
#include "ssh/session_msg.h"

#define PROGRAM_START_MS 30000 /* PAM may wait for others */
#define PROGRAM_FDS_MS   5000  /* the shard, for the descriptors */
#define PROGRAM_X11_MAX  4096  /* of an x11-req */

/* Whoever runs it is hung up on, unless it has said its last word. */
static void hang_up(struct program *p, bool over)
{
	if (over || p->session->table->env->leaving)
		service_call_end(p->call);
	else
		service_hang_up(p->call);
	handled_fini(&p->handled);
	p->call = NULL;
}

/* --- what the client is told ----------------------------------------------------------------- */

/* To the request that started it, and to those behind it. */
static void start_answer(struct program *p, bool ok)
{
	if (p->start_reply)
		reply_say(p->open, ok);
	for (; p->owed > 0; p->owed--)
		reply_say(p->open, false);
}

/*
 * What a program that was hung up on says of it (exit 1, exit 0) is not how it would have ended:
 * its client hears that it was, and why.
 */
static bool by_signal(const struct helper_exit *how)
{
	return how->signalled || how->ending || how->lost;
}

/* Section 6.10. A signal without a name there has one of ours. */
static void exit_build(struct ssh_wr *w, const struct helper_exit *how)
{
	const int number = how->signalled ? (int)how->number : SIGHUP;
	const char *name = ssh_signal_name(number);
	char other[32];
	struct ssh_exit_signal m = {.core_dumped = how->core,
				    .message = ssh_str_c(helper_exit_why(how)),
				    .language = ssh_str_c("")};

	if (!by_signal(how)) {
		ssh_wr_u32(w, how->number);
		return;
	}
	snprintf(other, sizeof(other), "SIG%d@openssh.com", number);
	m.signal = ssh_str_c(name != NULL ? name : other);
	ssh_exit_signal_build(w, &m);
}

static void exit_say(struct program *p)
{
	const char *type = by_signal(&p->how) ? "exit-signal" : "exit-status";
	uint8_t rest[96];
	struct ssh_wr w;

	ssh_wr_init(&w, rest, sizeof(rest));
	exit_build(&w, &p->how);
	(void)!request_say(p->open, ssh_str_c(type), false,
			   (struct ssh_str){rest, (uint32_t)ssh_wr_done(&w)});
}

/*
 * One that is told to close is over for its client before the shard says so: an open may come right
 * behind its CLOSE.
 */
static uint32_t sessions_of(const struct session *s)
{
	uint32_t n = 0;

	for (const struct open *o = s->opens; o != NULL; o = o->next)
		n += o->program != NULL && o->program->counted;
	return n;
}

void program_enter(struct program *p)
{
	p->counted = true;
	most_up(&p->session->table->env->most_sessions, sessions_of(p->session));
}

static void leave(struct program *p)
{
	if (!p->counted)
		return;
	p->counted = false;
	most_down(&p->session->table->env->most_sessions, sessions_of(p->session));
}

/* All it wrote is sealed and it is over: the shard closes behind what is said here. */
static void finish(struct program *p)
{
	const struct link_chan_ref m = {.token = p->open->token};
	struct session *s = p->session;

	if (!p->exited || !p->drained || p->finished || s->ended)
		return;
	p->finished = true;
	leave(p);
	if (p->told) {
		report_exit(s, p->open, &p->how);
		if (!p->handled.closed)
			exit_say(p);
	}
	session_pump(s);
	if (!s->ended)
		item_body(s, LINK_IT_CHAN_FINISH, &m, sizeof(m));
}

/* --- what the helper says ----------------------------------------------------------------------
 */

static void size_send(struct program *p)
{
	const struct ssh_tty_size *z = &p->size;
	const struct link_chan_size m = {
		.token = p->open->token,
		.columns = z->columns > UINT16_MAX ? UINT16_MAX : (uint16_t)z->columns,
		.rows = z->rows > UINT16_MAX ? UINT16_MAX : (uint16_t)z->rows,
		.width = z->width > UINT16_MAX ? UINT16_MAX : (uint16_t)z->width,
		.height = z->height > UINT16_MAX ? UINT16_MAX : (uint16_t)z->height,
	};

	p->resized = false;
	if (p->handled.call != NULL) {
		program_handler_size(p);
		return;
	}
	item_body(p->session, LINK_IT_CHAN_SIZE, &m, sizeof(m));
}

/* It may have said nothing for long: what answers it is made again, or the connection ends. */
static bool awaken(struct program *p)
{
	return session_awaken(p->session);
}

/* It did not start; the client may ask for something else. */
static void not_started(struct program *p)
{
	p->state = PROGRAM_ASKED;
	if (awaken(p)) {
		start_answer(p, false);
		session_pump(p->session);
	}
}

/* What listens for its client, behind the program's own. */
static void listeners_pass(struct program *p, const struct helper_started *m, const int *fds)
{
	fds += m->n;
	forward_session_open(p->session, p->listener[0], false, fds, m->agent);
	fds += m->agent;
	forward_session_open(p->session, p->listener[1], p->x11_single, fds, m->x11);
}

/* Whose it is who asks there is known from then on. */
static void on_console(void *arg, int fd)
{
	const struct program *p = arg;
	const struct session *s = p->session;
	const struct session_env *env = s->table->env;
	const struct session_login login = {.ref = s->ref, .uid = s->uid};

	if (env->console != NULL)
		env->console(env->console_arg, &login, session_user(s), fd);
	close(fd);
}

/* The copy's goes first: it is there when the program's are claimed. */
static int tee_pass(struct program *p, const struct helper_started *m, const int *fds,
		    struct link_chan_fds *ret)
{
	if (m->tee == 0)
		return 0;
	ret->tee_how = m->tee_how;
	return item_fds(p->session, fds + m->n + m->agent + m->x11, 1, &ret->tee);
}

static void on_started(void *arg, const struct helper_started *started, const int *fds)
{
	struct program *p = arg;
	struct session *s = p->session;
	struct link_chan_fds m = {.token = p->open->token,
				  .wait_ms = PROGRAM_FDS_MS,
				  .idle_ms = p->idle_ms,
				  .share = p->share,
				  .tty = p->tty};
	/* A handler has one connection, or two and standard error's, terminal or not. */
	const bool fit = p->handled.call != NULL ? started->n != 2 : started->n == (p->tty ? 1 : 3);
	int r = fit ? tee_pass(p, started, fds, &m) : -EPROTO;

	if (started->record_full)
		control_count(CONTROL_C_RECORDINGS);
	if (r == 0)
		r = item_fds(s, fds, started->n, &m.fds);
	if (r == 0 && !awaken(p))
		r = -ECONNRESET;
	if (r == 0 && started->tee > 0)
		report_recording(s, p->open, started->recording);
	if (r == 0)
		listeners_pass(p, started, fds);
	for (unsigned int i = 0; i < service_fds(started); i++)
		close(fds[i]);
	if (r < 0) {
		session_log(s, LOG_L_ERROR, "a session of %.100s has no stream: %s",
			    session_user(s), strerror(-r));
		hang_up(p, false);
		not_started(p);
		return;
	}
	p->state = PROGRAM_RUNS;
	start_answer(p, true);
	session_pump(s);
	if (s->ended)
		return;
	if (p->handled.call != NULL)
		handled_streams(&p->handled);
	item_body(s, LINK_IT_CHAN_FDS, &m, sizeof(m));
	program_handler_started(p);
	if (p->resized)
		size_send(p);
}

static void on_exited(void *arg, const struct helper_exit *how)
{
	struct program *p = arg;

	p->how = *how;
	p->exited = p->told = true;
	if (p->state == PROGRAM_RUNS && awaken(p))
		finish(p);
}

static void on_done(void *arg, const struct helper_done *d)
{
	struct program *p = arg;
	struct session *s = p->session;

	hang_up(p, true);
	if (d->result == HELPER_CRASHED && program_ask_again(p))
		return;
	if (d->text.len > 0 || d->result != HELPER_OK)
		session_log(s, LOG_L_INFO, "session of %.100s: %.*s", session_user(s),
			    (int)d->text.len, (const char *)d->text.p);
	if (p->state != PROGRAM_RUNS) {
		not_started(p);
		return;
	}
	program_over(p);
}

/* Nobody knows any more what its channel is for, whatever comes of it: it is closed. */
static void lost(struct program *p)
{
	struct session *s = p->session;

	p->how = (struct helper_exit){.lost = true};
	p->finished = true;
	leave(p);
	report_exit(s, p->open, &p->how);
	exit_say(p);
	session_pump(s);
	session_close_channel(s, p->open->token, p->open->local_channel);
}

void program_over(struct program *p)
{
	p->exited = true;
	replies_give_up(&p->handled.replies);
	if (!awaken(p))
		return;
	if (!p->handled.closed)
		replies_say(&p->handled.replies, p->open);
	if (p->kept && p->handled.place != NULL)
		lost(p);
	else
		finish(p);
	session_pump(p->session);
}

/* --- the start ----------------------------------------------------------------------------------
 */

const struct service_ops program_ops = {on_started, on_exited, on_done, on_console};

static int call(struct program *p, const struct helper_session *m)
{
	struct session_env *env = p->session->table->env;
	uint8_t *frame = malloc(HELPER_FRAME_MAX + 4);
	int r = -ENOMEM;

	if (frame != NULL)
		r = env->helper == NULL
			    ? -ENXIO
			    : service_call(env->helper, frame, helper_session_build(frame, m),
					   &program_ops, p, &p->call);
	free(frame);
	return r;
}

static void log_start(const struct program *p, enum helper_run kind, struct ssh_str what)
{
	const struct session *s = p->session;
	char from[CONF_ZONE_TEXT];

	session_log(s, LOG_L_VERBOSE,
		    "Starting session: %s%s%.*s%s for %.100s from %s port %u id %u",
		    kind == HELPER_RUN_SHELL  ? "shell"
		    : kind == HELPER_RUN_EXEC ? "command"
					      : "subsystem",
		    kind == HELPER_RUN_SUBSYSTEM ? " '" : "",
		    kind == HELPER_RUN_SUBSYSTEM ? (int)what.len : 0, (const char *)what.p,
		    kind == HELPER_RUN_SUBSYSTEM ? "'" : "", session_user(s),
		    session_peer_text(s, from), s->peer.port, p->open->local_channel);
}

/* By sshd's names of what runs in a session. */
static void type_known(struct program *p, enum helper_run kind, struct ssh_str what)
{
	const struct conf_session *c = &p->session->awake->conf;
	char type[sizeof("session:subsystem:") + CONF_SUBSYSTEM_MAX] = "session:shell";

	if (kind == HELPER_RUN_EXEC)
		strcpy(type, "session:command");
	else if (kind == HELPER_RUN_SUBSYSTEM)
		snprintf(type, sizeof(type), "session:subsystem:%.*s", (int)what.len,
			 (const char *)what.p);
	p->idle_ms = conf_channel_timeout(c, type);
	p->share = conf_channel_share(c, type);
}

/* What its key gives its sessions, in lines: POLICY_ENVIRONMENT_MAX bytes at most. */
static const char *key_env(const struct session *s, char buf[POLICY_ENVIRONMENT_MAX + 1])
{
	char *to = buf;

	for (size_t i = 0; i < s->grant.n_environment; i++) {
		to = stpcpy(to, policy_environment(&s->grant)[i]);
		*to++ = '\n';
	}
	*to = '\0';
	return buf;
}

static int start(struct program *p, enum helper_run kind, struct ssh_str what)
{
	struct session *s = p->session;
	char handler[CONF_SOCKET_MAX], lines[POLICY_ENVIRONMENT_MAX + 1];
	struct helper_session m = {
		.job = login_about(s, PROGRAM_START_MS),
		.kind = kind,
		.command = what,
		.forced = s->grant.command != NULL,
		.forced_command = ssh_str_c(s->grant.command != NULL ? s->grant.command : ""),
		.tty = p->tty,
		.pty = {.term = ssh_str_c(p->term != NULL ? p->term : ""),
			.size = p->size,
			.modes = {p->modes, p->modes_len}},
		.env = {p->env, p->env_len},
		.user_rc = s->grant.user_rc,
		.key_env = ssh_str_c(key_env(s, lines)),
		.agent = p->agent,
		.channel = p->open->local_channel,
	};
	char conn[REPORT_CONN_MAX];
	int r;

	report_conn(s, conn);
	m.conn = ssh_str_c(conn);

	m.x11 = p->x11 != NULL &&
		ssh_x11_req_parse((struct ssh_str){p->x11, p->x11_len}, &m.display) == 0;

	/* Its connection may be older than what the helper keeps: a program goes by what holds now.
	 */
	m.job.mark = conf_mark(s->table->env->conf);
	m.job.id = p->open->token;
	if (program_handler_for(p, kind, what, handler))
		r = program_handler_start(p, handler, kind, what);
	else
		r = s->awake->conf.permit_session ? call(p, &m) : -EACCES;
	if (r < 0) {
		session_log(s, LOG_L_ERROR, "a session of %.100s cannot be started: %s",
			    session_user(s),
			    r == -ENOENT || r == -ECONNREFUSED || r == -ENXIO
				    ? "sluice-helper is not running"
				    : strerror(-r));
		return r;
	}
	log_start(p, kind, what);
	type_known(p, kind, what);
	p->state = PROGRAM_STARTING;
	return 0;
}

/* shell, exec, subsystem: one of them, once. */
static bool ask_start(struct program *p, enum ssh_session_request kind,
		      const struct ssh_chan_request *m)
{
	struct ssh_str what = ssh_str_c("");
	enum helper_run run = HELPER_RUN_SHELL;
	int r;

	if (kind == SSH_SESSION_EXEC) {
		run = HELPER_RUN_EXEC;
		r = ssh_exec_parse(m->rest, &what);
	} else if (kind == SSH_SESSION_SUBSYSTEM) {
		run = HELPER_RUN_SUBSYSTEM;
		r = ssh_subsystem_parse(m->rest, &what);
	} else {
		r = ssh_session_empty_parse(m->rest);
	}
	p->start_reply = m->want_reply;
	if (r == 0)
		r = start(p, run, what);
	return r == 0;
}

/* --- what comes before it -----------------------------------------------------------------------
 */

static bool ask_pty(struct program *p, const struct ssh_chan_request *m)
{
	struct ssh_pty_req pty;

	if (p->tty || !p->session->awake->conf.permit_tty || !p->session->grant.pty ||
	    ssh_pty_req_parse(m->rest, &pty) < 0)
		return false;
	p->term = strndup((const char *)pty.term.p, pty.term.len);
	p->modes = malloc(pty.modes.len + 1);
	if (p->term == NULL || p->modes == NULL) {
		free(p->term);
		free(p->modes);
		p->term = NULL;
		p->modes = NULL;
		return false;
	}
	memcpy(p->modes, pty.modes.p, pty.modes.len);
	p->modes_len = pty.modes.len;
	p->size = pty.size;
	return p->tty = true;
}

/* AcceptEnv. What the helper takes of it its own reading says again. */
static bool ask_env(struct program *p, const struct ssh_chan_request *m)
{
	char name[SSH_ENV_NAME_MAX + 1];
	struct ssh_env e;
	struct ssh_wr w;
	uint8_t *to;
	size_t more;

	if (ssh_env_parse(m->rest, &e) < 0)
		return false;
	memcpy(name, e.name.p, e.name.len);
	name[e.name.len] = '\0';
	more = 8 + (size_t)e.name.len + e.value.len;
	if (!env_accepted(&p->session->awake->conf.accept_env, name) ||
	    more > HELPER_ENV_MAX - p->env_len)
		return false;
	to = realloc(p->env, p->env_len + more);
	if (to == NULL)
		return false;
	ssh_wr_init(&w, to + p->env_len, more);
	ssh_wr_str(&w, e.name);
	ssh_wr_str(&w, e.value);
	p->env = to;
	p->env_len += (uint32_t)more;
	return true;
}

static bool ask_agent(struct program *p, const struct ssh_chan_request *m)
{
	struct session *s = p->session;
	const struct conf_session *c = &s->awake->conf;

	if (p->agent || !c->agent_forwarding || c->disable_forwarding || !s->grant.agent ||
	    ssh_session_empty_parse(m->rest) < 0)
		return false;
	p->listener[0] = forward_session_ask(s, LINK_OPENS_AGENT);
	return p->agent = p->listener[0] != 0;
}

/* Its words are judged here and again by the helper, whose xauth is given them. */
static bool ask_x11(struct program *p, const struct ssh_chan_request *m)
{
	struct session *s = p->session;
	const struct conf_session *c = &s->awake->conf;
	struct ssh_x11_req x11;

	if (p->x11 != NULL || !c->x11_forwarding || c->disable_forwarding || !s->grant.x11 ||
	    ssh_x11_req_parse(m->rest, &x11) < 0 || !ssh_x11_req_plain(&x11) ||
	    m->rest.len > PROGRAM_X11_MAX)
		return false;
	p->x11 = malloc(m->rest.len);
	if (p->x11 == NULL)
		return false;
	p->listener[1] = forward_session_ask(s, LINK_OPENS_X11);
	if (p->listener[1] == 0) {
		free(p->x11);
		p->x11 = NULL;
		return false;
	}
	memcpy(p->x11, m->rest.p, m->rest.len);
	p->x11_len = m->rest.len;
	p->x11_single = x11.single_connection;
	return true;
}

/* --- what comes while it runs -------------------------------------------------------------------
 */

static bool ask_size(struct program *p, const struct ssh_chan_request *m)
{
	if (!p->tty || ssh_window_change_parse(m->rest, &p->size) < 0)
		return false;
	p->resized = p->state == PROGRAM_STARTING;
	if (p->state == PROGRAM_RUNS)
		size_send(p);
	return true;
}

static bool ask_signal(struct program *p, const struct ssh_chan_request *m)
{
	struct ssh_str name;

	if (ssh_signal_parse(m->rest, &name) < 0 || p->exited ||
	    (p->call == NULL && p->handled.call == NULL))
		return false;
	if (p->handled.call != NULL)
		program_handler_signal(p, name);
	else
		service_signal(p->call, name);
	return true;
}

/*
 * RFC 4335. As with sshd a terminal has it and no more comes of it: a pseudo-terminal of Linux has
 * no line that could be broken.
 */
static bool ask_break(const struct program *p, const struct ssh_chan_request *m)
{
	uint32_t ms;

	return p->tty && p->state == PROGRAM_RUNS && ssh_break_parse(m->rest, &ms) == 0;
}

static bool asked(struct program *p, const struct ssh_chan_request *m)
{
	enum ssh_session_request kind = ssh_session_request_find(m->type);

	switch (kind) {
	case SSH_SESSION_PTY_REQ:
		return p->state == PROGRAM_ASKED && ask_pty(p, m);
	case SSH_SESSION_ENV:
		return p->state == PROGRAM_ASKED && ask_env(p, m);
	case SSH_SESSION_AUTH_AGENT_REQ:
		return p->state == PROGRAM_ASKED && ask_agent(p, m);
	case SSH_SESSION_X11_REQ:
		return p->state == PROGRAM_ASKED && ask_x11(p, m);
	case SSH_SESSION_SHELL:
	case SSH_SESSION_EXEC:
	case SSH_SESSION_SUBSYSTEM:
		return p->state == PROGRAM_ASKED && ask_start(p, kind, m);
	case SSH_SESSION_WINDOW_CHANGE:
		return ask_size(p, m);
	case SSH_SESSION_SIGNAL:
		return ask_signal(p, m);
	case SSH_SESSION_BREAK:
		return ask_break(p, m);
	default:
		return false;
	}
}

void program_request(struct open *o, const struct ssh_chan_request *m, bool may)
{
	struct program *p = o->program;
	bool starting = p->state == PROGRAM_STARTING, started, ok;

	if (may && program_handler_hears(p, m)) {
		report_request(p->session, o, m, p->tty, "asked");
		return;
	}
	ok = may && asked(p, m);
	started = !starting && p->state == PROGRAM_STARTING;
	report_request(p->session, o, m, p->tty,
		       started ? "started" : (ok ? "accepted" : "refused"));
	if (started)
		return; /* answered when it runs */
	if (!m->want_reply)
		return;
	if (starting) /* behind its answer; of what needs none (section 6.7) none is a yes */
		p->owed++;
	else if (!p->handled.closed &&
		 replies_add(&p->handled.replies, o, ok ? REPLY_YES : REPLY_NO))
		replies_say(&p->handled.replies, o); /* behind what its handler thinks about */
}


/* --- its channel --------------------------------------------------------------------------------
 */

static const char *refusal(struct session *s, const struct ssh_chan_open *m, uint32_t *ret_reason)
{
	const struct conf_session *c = &s->awake->conf;

	*ret_reason = SSH_OPEN_ADMINISTRATIVELY_PROHIBITED;
	if (!c->permit_session && !program_handled(s))
		return "this gateway forwards only";
	if (!s->grant.session)
		return "what let you in has no sessions";
	if (s->no_more_sessions)
		return "no more sessions were wanted";
	*ret_reason = SSH_OPEN_RESOURCE_SHORTAGE;
	if (ssh_chan_limits_check(m->packet_max) < 0) /* S-50 */
		return "maximum packet size too small";
	if (sessions_of(s) >= c->max_sessions) {
		control_count(CONTROL_C_SESSIONS);
		return "too many sessions";
	}
	return NULL;
}

struct program *program_open(struct session *s, const struct ssh_chan_open *m, uint32_t *ret_reason,
			     const char **ret_why)
{
	struct program *p;

	*ret_why = refusal(s, m, ret_reason);
	if (*ret_why != NULL)
		return NULL;
	p = calloc(1, sizeof(*p));
	if (p == NULL) {
		*ret_reason = SSH_OPEN_RESOURCE_SHORTAGE;
		*ret_why = "no memory";
		return NULL;
	}
	p->session = s;
	p->state = PROGRAM_ASKED;
	if (gate_handler(s) == NULL)
		return p;
	p->given = strdup(gate_handler(s));
	if (p->given != NULL)
		return p;
	program_free(p);
	*ret_reason = SSH_OPEN_RESOURCE_SHORTAGE;
	*ret_why = "no memory";
	return NULL;
}

/* OpenSSH's clients know eow@openssh.com since version 5; others may say they do not know it. */
static bool takes_eow(const struct session *s)
{
	static const char openssh[] = "SSH-2.0-OpenSSH_";
	const char *v = s->awake->version;

	return v != NULL && strncmp(v, openssh, sizeof(openssh) - 1) == 0 &&
	       strtoul(v + sizeof(openssh) - 1, NULL, 10) >= 5;
}

void program_confirm(struct open *o)
{
	struct program *p = o->program;
	const struct link_chan_host m = {
		.peer_channel = o->peer_channel,
		.peer_window = o->peer_window,
		.peer_packet_max = o->peer_packet_max,
		.token = o->token,
		.name = item_name(o->host, 0),
		.program = LINK_PROGRAM_SESSION,
		.eow = takes_eow(p->session),
		.idle_ms = conf_channel_timeout(&p->session->awake->conf, "session")};

	p->open = p->handled.open = o;
	item_body(p->session, LINK_IT_CHAN_HOST, &m, sizeof(m));
}

/* How it ends the helper tells who comes again; without it nobody knows that. */
void program_drained(struct open *o)
{
	o->program->drained = true;
	if (awaken(o->program))
		finish(o->program);
}

void program_free(struct program *p)
{
	if (p == NULL)
		return;
	leave(p);
	timer_cancel(p->session->table->env->timers, &p->again.timer);
	hang_up(p, p->exited);
	free(p->handled.place);
	free(p->given);
	for (int i = 0; i < 2; i++)
		forward_session_close(p->session, p->listener[i]);
	free(p->term);
	free(p->modes);
	free(p->env);
	free(p->x11);
	free(p);
}
