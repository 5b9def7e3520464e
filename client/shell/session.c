/* client/shell/session.c - see session.h. */
#include "client/shell/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/shell/options.h"
#include "client/shell/say.h"
#include "client/shell/tty.h"
#include "conf/match.h"

extern char **environ;

/* Sent, or on its way: what the server says of it comes later. */
static bool sent(int r)
{
	return r == 0 || pump_waits(r);
}

/* Escapes are looked for in what is typed; what one asks for is done at its place. */
static ssize_t filter(void *arg, const uint8_t *in, size_t n, uint8_t *out)
{
	struct session *s = arg;
	size_t total = 0, to, used;

	while (n > 0) {
		int act = escape_feed(&s->escape, in, n, out + total, &to, &used);

		total += to;
		in += used;
		n -= used;
		if (act != 0 && !s->act(s->arg, act))
			return -1;
	}
	return (ssize_t)total;
}

/* As ChannelTimeout names them. */
static uint32_t idle_ms(const struct session *s)
{
	const char *what = s->command == NULL ? "shell" : s->subsystem ? s->command : "command";
	char type[256];

	snprintf(type, sizeof(type), "session:%s%s", s->subsystem ? "subsystem:" : "", what);
	return config_channel_timeout(s->conn->config, type);
}

int session_open(struct session *s, int in, int out, int err)
{
	int r = pump_init(&s->pump, NULL, in, out, err);

	if (r < 0)
		return r;
	s->used = true;
	s->pump.idle_ms = idle_ms(s);
	if (s->tty && s->act != NULL && s->escape.character >= 0) {
		s->pump.filter = filter;
		s->pump.arg = s;
	}
	r = sluice_channel_open(s->conn->s, "session", NULL, 0, &s->pump.c);
	if (s->pump.c != NULL)
		sluice_channel_arg_set(s->pump.c, s);
	if (r == 0)
		session_opened(s, 0, "");
	return sent(r) ? 0 : r;
}

/* --- what goes before the program
 * ------------------------------------------------------------------ */

/* Said here, or to who it is for. */
__attribute__((format(printf, 2, 3))) static void complain(struct session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	if (!s->guest)
		say(SAY_ERROR, "%s", s->why);
}

static int terminal(const struct session *s)
{
	return s->guest ? s->terminal : STDIN_FILENO;
}

static void ask_terminal(struct session *s)
{
	const char *term = s->guest ? s->term : getenv("TERM");
	uint8_t modes[TTY_MODES_MAX];
	struct tty_size size;
	size_t len = tty_modes(terminal(s), modes);

	tty_size(terminal(s), &size);
	if (!sent(sluice_channel_pty(s->pump.c, term != NULL ? term : "", size.columns, size.rows,
				     false, modes, len)))
		complain(s, "PTY allocation request failed");
}

static void send_env(struct session *s, const char *entry)
{
	char name[256];
	size_t n = strcspn(entry, "=");

	if (entry[n] == '\0' || n == 0 || n >= sizeof(name))
		return;
	memcpy(name, entry, n);
	name[n] = '\0';
	say(SAY_DEBUG, "channel 0: setting env %s", name);
	(void)sluice_channel_env(s->pump.c, name, entry + n + 1);
}

/* SendEnv: ours whose names are wanted; SetEnv: what is said. */
const char **session_environment(const struct config *c)
{
	const struct conf_strs *patterns = config_list(c, CONFIG_SEND_ENV);
	const struct conf_strs *said = config_list(c, CONFIG_SET_ENV);
	const char **list;
	size_t n = 0;

	for (char **e = environ; *e != NULL; e++)
		n++;
	list = calloc(n + said->n + 1, sizeof(*list));
	n = 0;
	for (char **e = environ; list != NULL && patterns->n > 0 && *e != NULL; e++) {
		char name[256];
		size_t len = strcspn(*e, "=");

		if (len >= sizeof(name))
			continue;
		memcpy(name, *e, len);
		name[len] = '\0';
		for (size_t i = 0; i < patterns->n; i++)
			if (match_pattern(name, patterns->v[i])) {
				list[n++] = *e;
				break;
			}
	}
	for (size_t i = 0; list != NULL && i < said->n; i++)
		list[n++] = said->v[i];
	return list;
}

static void send_environment(struct session *s)
{
	const char **own = s->env == NULL ? session_environment(s->conn->config) : NULL;
	const char *const *env = s->env != NULL ? s->env : own;

	for (; env != NULL && *env != NULL; env++)
		send_env(s, *env);
	free(own);
}

void session_break(struct session *s)
{
	static const uint8_t no_length[4];

	(void)sluice_channel_request(s->pump.c, "break", false, no_length, sizeof(no_length));
}

static const char *service(const struct session *s)
{
	return s->subsystem ? "subsystem" : s->command != NULL ? "exec" : "shell";
}

void session_opened(struct session *s, int err, const char *text)
{
	int r;

	if (err < 0) {
		complain(s, "channel 0: open failed: %s%s%.150s", sluice_strerror(err),
			 *text != '\0' ? ": " : "", text);
		s->failed = true;
		return;
	}
	if (s->x11 != NULL && !sent(x11_request(s->x11, s->pump.c)))
		say(SAY_ERROR, "X11 forwarding request failed");
	if (s->agent)
		(void)sluice_channel_request(s->pump.c, "auth-agent-req@openssh.com", false, NULL,
					     0);
	if (s->tty)
		ask_terminal(s);
	send_environment(s);
	if (s->command != NULL)
		say(SAY_DEBUG, "Sending %s: %s", s->subsystem ? "subsystem" : "command",
		    s->command);
	r = sluice_channel_start(s->pump.c, service(s), s->command);
	if (!sent(r)) {
		session_requested(s, service(s), r);
		return;
	}
	s->pump.opened = true;
	if (s->tty && !s->guest)
		tty_raw(STDIN_FILENO);
}

void session_requested(struct session *s, const char *type, int err)
{
	if (err == 0)
		return;
	if (strcmp(type, "pty-req") == 0) {
		complain(s, "PTY allocation request failed on channel 0");
		if (!s->guest)
			tty_restore();
	} else if (strcmp(type, "x11-req") == 0) {
		complain(s, "X11 forwarding request failed on channel 0");
	} else if (strcmp(type, service(s)) == 0) {
		complain(s, "%s request failed on channel 0", type);
		s->failed = true;
	}
}

void session_resized(struct session *s)
{
	struct tty_size size;

	if (!s->tty || !s->pump.opened)
		return;
	tty_size(terminal(s), &size);
	(void)sluice_channel_window_change(s->pump.c, size.columns, size.rows, size.width,
					   size.height);
}

bool session_over(const struct session *s)
{
	return s->failed || pump_over(&s->pump);
}

int session_status(struct session *s, char ret_signal[65])
{
	struct sluice_channel_info info = {.size = sizeof(info)};

	*ret_signal = '\0';
	if (s->failed || s->pump.c == NULL || sluice_channel_info(s->pump.c, &info) < 0)
		return EXIT_ERROR;
	if (info.has_exit_signal)
		strcpy(ret_signal, info.exit_signal);
	return info.has_exit_status ? (int)(info.exit_status & 0xff) : EXIT_ERROR;
}

void session_fini(struct session *s)
{
	if (s->used)
		pump_fini(&s->pump);
	s->used = false;
}
