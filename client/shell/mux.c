/* client/shell/mux.c - the master's side; see mux.h. */
#include "client/shell/mux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/ask.h"
#include "client/shell/mux_msg.h"
#include "client/shell/say.h"
#include "client/shell/tty.h"

struct guest {
	struct session session; /* used: it has one */
	struct stdio stdio;     /* or this */
	struct mux *mux;
	struct mux_request asked; /* for the session: whose texts it uses */
	int fd, ends[MUX_FDS];    /* -1 */
	size_t place, remote;     /* whose answer it waits for, and one; 0: none */
	bool told, over;
	struct guest *next;
};

struct mux {
	struct run *run;
	int listener; /* -1: it was stopped */
	struct listen_rest rest;
	size_t place;
	char *path;
	bool ask;
	uint64_t persist_ms, idle_since; /* 0: for ever; 0: it is not idle */
	struct guest *list;
	unsigned int n;
	char buf[MUX_MESSAGE_MAX + 1];
};

/* --- its socket ---------------------------------------------------------------------------- */

/* Made by another name first: it is there with its mode, or is not. */
static int socket_at(const char *path)
{
	char temp[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct sockaddr_un un;
	mode_t was;
	int fd, r = 0;

	if (strlen(path) + sizeof(".2147483647") > sizeof(temp))
		return -ENAMETOOLONG;
	snprintf(temp, sizeof(temp), "%.*s.%d", (int)sizeof(temp) - 12, path, (int)getpid());
	if (!mux_address(temp, &un))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	was = umask(0177);
	if (bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0 || listen(fd, GUESTS_MAX) < 0)
		r = -errno;
	umask(was);
	if (r == 0 && link(temp, path) < 0)
		r = -errno;
	if (r != -EADDRINUSE)
		unlink(temp);
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

void mux_listen(struct run *r)
{
	const struct config *c = r->o->config;
	char path[CONFIG_TEXT_MAX];
	struct mux *m;
	int fd;

	if (config_is(c, CONFIG_CONTROL_MASTER, "no") ||
	    !mux_path(r->o->config, path, sizeof(path)))
		return;
	fd = socket_at(path);
	if (fd < 0) {
		say(SAY_ERROR, "ControlSocket %s%s%s, disabling multiplexing", path,
		    fd == -EEXIST ? " already exists" : ": ", fd == -EEXIST ? "" : strerror(-fd));
		return;
	}
	m = calloc(1, sizeof(*m));
	if (m == NULL || (m->path = strdup(path)) == NULL) {
		free(m);
		close(fd);
		return;
	}
	m->run = r;
	m->listener = fd;
	m->ask = config_is(c, CONFIG_CONTROL_MASTER, "ask") ||
		 config_is(c, CONFIG_CONTROL_MASTER, "autoask");
	m->persist_ms = config_number(c, CONFIG_CONTROL_PERSIST) * 1000;
	r->mux = m;
}

static void stop(struct mux *m)
{
	if (m->listener < 0)
		return;
	unlink(m->path);
	close(m->listener);
	m->listener = -1;
}

/* --- answers ------------------------------------------------------------------------------- */

static void answer(struct guest *g, json_t *o)
{
	if (mux_send(g->fd, o, NULL) < 0)
		g->over = true;
}

static void refuse(struct guest *g, const char *why)
{
	answer(g, json_pack("{s:s}", "error", why));
}

/* --- sessions ------------------------------------------------------------------------------ */

static void escape_help(const struct guest *g)
{
	int c = g->session.escape.character;

	dprintf(g->ends[2],
		"%c?\r\nSupported escape sequences:\r\n %c.   - terminate session\r\n"
		" %cB   - send a BREAK to the remote system\r\n %cR   - request rekey\r\n"
		" %c?   - this message\r\n",
		c, c, c, c, c);
}

/* The terminal is another process's: what would change that, or the master, is not for it. */
static bool act(void *arg, int what)
{
	struct guest *g = arg;

	switch ((enum escape_act)what) {
	case ESCAPE_DISCONNECT:
		return false;
	case ESCAPE_BREAK:
		session_break(&g->session);
		break;
	case ESCAPE_REKEY:
		(void)sluice_rekey(g->mux->run->conn->s);
		break;
	case ESCAPE_HELP:
		escape_help(g);
		break;
	default:
		dprintf(g->ends[2], "escape not available to multiplexed sessions\r\n");
	}
	return true;
}

static bool allowed(const struct mux *m)
{
	char prompt[1200], said[16];
	bool raw = tty_is_raw(), yes;

	if (!m->ask)
		return true;
	tty_restore();
	snprintf(prompt, sizeof(prompt), "Allow shared connection to %.1000s (yes/no)? ",
		 m->run->conn->host);
	yes = ask_shown(prompt, said, sizeof(said)) > 0 && strcasecmp(said, "yes") == 0;
	if (raw)
		tty_raw(STDIN_FILENO);
	return yes;
}

/* The descriptors become ones that do not block, without changing them for others. */
static bool ends_take(struct guest *g, int fds[MUX_FDS], bool *small)
{
	bool in_small = false, ok = true;

	for (size_t i = 0; i < MUX_FDS; i++) {
		g->ends[i] = fds[i] < 0 ? -1
					: pump_open(fds[i], i == 0 ? O_RDONLY : O_WRONLY,
						    i == 0 ? &in_small : small);
		ok &= g->ends[i] >= 0;
	}
	return ok;
}

/* And it goes: what it brought is not kept for another try. */
static void send_away(struct guest *g, const char *why)
{
	refuse(g, why);
	g->over = true;
}

/* May it have its session, or connection, and are its descriptors there? */
static bool guest_begin(struct guest *g, int fds[MUX_FDS], bool *small)
{
	if (g->session.used || g->stdio.used || !allowed(g->mux)) {
		refuse(g, "Permission denied");
		return false;
	}
	if (ends_take(g, fds, small))
		return true;
	send_away(g, "no descriptors");
	return false;
}

/* The master's display, as of the first who asks for it; NULL: it has none to give. */
static const struct x11 *display(struct run *r)
{
	if (r->conn->untrusted)
		return NULL;
	if (!r->x11.on)
		x11_begin(&r->x11, r->o->config, turn_now_ms());
	return r->x11.on ? &r->x11 : NULL;
}

static void session_begin(struct guest *g, struct mux_request *q, int fds[MUX_FDS])
{
	struct run *r = g->mux->run;
	bool small = false;

	if (!guest_begin(g, fds, &small))
		return;
	g->asked = *q;
	q->o = NULL;
	g->session = (struct session){.conn = r->conn,
				      .escape = {.character = g->asked.escape},
				      .tty = g->asked.tty,
				      .subsystem = g->asked.subsystem,
				      .command = g->asked.command,
				      .guest = true,
				      .terminal = g->ends[0],
				      .term = g->asked.term,
				      .env = g->asked.env,
				      .agent = g->asked.agent,
				      .x11 = g->asked.x11 ? display(r) : NULL,
				      .act = act,
				      .arg = g};
	if (session_open(&g->session, g->ends[0], g->ends[1], g->ends[2]) < 0) {
		g->session.used = false;
		send_away(g, "no session");
		return;
	}
	g->session.pump.small = small;
}

/* What became of it since. */
static void session_tell(struct guest *g)
{
	struct session *s = &g->session;
	char signal[65];
	int status;

	if (s->pump.opened && !g->told) {
		g->told = true;
		answer(g, json_pack("{s:b}", "opened", 1));
	}
	if (!session_over(s))
		return;
	status = session_status(s, signal);
	if (s->failed)
		refuse(g, s->why);
	else if (*signal != '\0')
		answer(g, json_pack("{s:s}", "signal", signal));
	else
		answer(g, json_pack("{s:i}", "status", status));
	g->over = true;
}

/* --- connections (-W) ----------------------------------------------------------------------- */

static void stdio_begin(struct guest *g, const struct forward_end *to, int fds[MUX_FDS])
{
	bool small = false;

	if (!guest_begin(g, fds, &small))
		return;
	if (stdio_open(&g->stdio, g->mux->run->conn, to, g->ends[0], g->ends[1]) < 0)
		send_away(g, g->stdio.why);
	g->stdio.pump.small = small;
}

static void stdio_tell(struct guest *g)
{
	const struct stdio *s = &g->stdio;

	if (s->pump.opened && !g->told) {
		g->told = true;
		answer(g, json_pack("{s:b}", "opened", 1));
	}
	if (!stdio_over(s))
		return;
	if (s->failed)
		refuse(g, s->why);
	else
		answer(g, json_pack("{s:i}", "status", 0));
	g->over = true;
}

/* --- forwards ------------------------------------------------------------------------------ */

static void forward_add(struct guest *g, const struct forward *f)
{
	struct run *r = g->mux->run;
	uint16_t port = f->listen.port;
	const struct listener *l = relays_find(&r->relays, f);
	const struct remote *m = remotes_find(&r->remotes, f);
	size_t remote = m != NULL ? (size_t)(m - r->remotes.v) : r->remotes.n;

	/* What is there already is as good. */
	if (l != NULL)
		port = l->port;
	if (l == NULL && m == NULL && run_forward_at(r, f, &port) < 0)
		refuse(g, "Port forwarding failed");
	else if (f->kind == FORWARD_REMOTE)
		g->remote = remote + 1;
	else
		answer(g, json_pack("{s:b, s:i}", "ok", 1, "port", port));
}

static void remote_tell(struct guest *g)
{
	const struct remote *m = &g->mux->run->remotes.v[g->remote - 1];

	if (!m->answered)
		return;
	g->remote = 0;
	if (m->ok)
		answer(g, json_pack("{s:b, s:i}", "ok", 1, "port", m->port));
	else
		refuse(g, "remote port forwarding failed");
}

static void forward_cancel(struct guest *g, const struct forward *f)
{
	struct run *r = g->mux->run;

	if (f->kind == FORWARD_REMOTE ? remotes_cancel(&r->remotes, f)
				      : relays_cancel(&r->relays, f))
		answer(g, json_pack("{s:b}", "ok", 1));
	else
		refuse(g, "port not found");
}

/* --- requests ------------------------------------------------------------------------------ */

static void request(struct guest *g, struct mux_request *q, int fds[MUX_FDS])
{
	struct mux *m = g->mux;

	switch (q->what) {
	case MUX_CHECK:
		answer(g, json_pack("{s:b, s:i}", "ok", 1, "pid", (int)getpid()));
		break;
	case MUX_EXIT:
		answer(g, json_pack("{s:b}", "ok", 1));
		m->run->leave = true;
		break;
	case MUX_STOP:
		stop(m);
		answer(g, json_pack("{s:b}", "ok", 1));
		break;
	case MUX_RESIZE:
		session_resized(&g->session);
		break;
	case MUX_FORWARD:
		forward_add(g, &q->forward);
		break;
	case MUX_CANCEL:
		forward_cancel(g, &q->forward);
		break;
	case MUX_SESSION:
		session_begin(g, q, fds);
		break;
	case MUX_STDIO:
		stdio_begin(g, &q->forward.target, fds);
		break;
	}
}

static void hear(struct guest *g)
{
	struct mux_request q;
	int fds[MUX_FDS];
	ssize_t n = mux_receive(g->fd, g->mux->buf, fds);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n <= 0 || mux_request_read(g->mux->buf, (size_t)n, &q) < 0) {
		g->over = true;
	} else {
		request(g, &q, fds);
		mux_request_fini(&q);
	}
	mux_fds_close(fds);
}

/* --- its turns ----------------------------------------------------------------------------- */

static void guest_free(struct guest *g)
{
	session_fini(&g->session);
	stdio_fini(&g->stdio);
	mux_request_fini(&g->asked);
	mux_fds_close(g->ends);
	close(g->fd);
	free(g);
}

static void guest_accept(struct mux *m, uint64_t now_ms)
{
	int fd = listen_accept(&m->rest, m->listener, now_ms);
	struct guest *g = fd >= 0 && mux_peer_ok(fd) ? calloc(1, sizeof(*g)) : NULL;

	if (g == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	*g = (struct guest){.mux = m, .fd = fd, .ends = {-1, -1, -1}, .next = m->list};
	m->list = g;
	m->n++;
}

void mux_prepare(struct mux *m, struct turn *t)
{
	bool open;

	if (m == NULL)
		return;
	open = m->n < GUESTS_MAX && !listen_rests(&m->rest, t);
	m->place = turn_add(t, open ? m->listener : -1, POLLIN);
	for (struct guest *g = m->list; g != NULL; g = g->next) {
		g->place = turn_add(t, g->fd, POLLIN);
		if (g->session.used)
			pump_prepare(&g->session.pump, t);
		if (g->stdio.used)
			pump_prepare(&g->stdio.pump, t);
	}
	if (m->idle_since > 0 && m->persist_ms > 0)
		turn_within(t, m->persist_ms > INT32_MAX ? INT32_MAX : (int)m->persist_ms);
}

void mux_go(struct mux *m, const struct turn *t)
{
	if (m == NULL)
		return;
	if (turn_ready(t, m->place) != 0)
		guest_accept(m, t->now_ms);
	for (struct guest **p = &m->list; *p != NULL;) {
		struct guest *g = *p;

		if (turn_ready(t, g->place) != 0)
			hear(g);
		if (g->session.used && !g->over) {
			pump_run(&g->session.pump, t);
			session_tell(g);
		}
		if (g->stdio.used && !g->over) {
			pump_run(&g->stdio.pump, t);
			stdio_tell(g);
		}
		if (g->remote > 0)
			remote_tell(g);
		if (g->over) {
			*p = g->next;
			m->n--;
			guest_free(g);
		} else {
			p = &g->next;
		}
	}
}

struct session *mux_session(const struct mux *m, const void *arg)
{
	for (struct guest *g = m != NULL ? m->list : NULL; g != NULL; g = g->next)
		if (arg == &g->session)
			return &g->session;
	return NULL;
}

struct stdio *mux_stdio(const struct mux *m, const void *arg)
{
	for (struct guest *g = m != NULL ? m->list : NULL; g != NULL; g = g->next)
		if (arg == &g->stdio)
			return &g->stdio;
	return NULL;
}

bool mux_busy(const struct mux *m)
{
	return m != NULL && m->n > 0;
}

bool mux_over(struct mux *m, uint64_t now_ms)
{
	if (m == NULL)
		return false;
	if (m->n > 0 || m->run->relays.list != NULL) {
		m->idle_since = 0;
		return false;
	}
	if (m->listener < 0)
		return true;
	if (m->idle_since == 0)
		m->idle_since = now_ms;
	return m->persist_ms > 0 && now_ms - m->idle_since >= m->persist_ms;
}

void mux_free(struct mux *m)
{
	if (m == NULL)
		return;
	stop(m);
	while (m->list != NULL) {
		struct guest *g = m->list;

		m->list = g->next;
		guest_free(g);
	}
	free(m->path);
	free(m);
}
