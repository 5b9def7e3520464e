/* control/admin/console.c - see console.h. */
#include "control/admin/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/admin/talk.h"

struct console {
	struct talk talk;
	struct consoles *all;
	struct console *next;
	struct timer rest;
	struct session_login login;
	char user[]; /* whose it is; also the filter's */
};

static struct console *console_of(struct talk *t)
{
	return (struct console *)(void *)((char *)t - offsetof(struct console, talk));
}

static void on_closed(struct talk *t)
{
	free(console_of(t));
}

static void console_end(struct console *c)
{
	struct console **at = &c->all->first;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	timer_cancel(c->talk.env->sessions->timers, &c->rest);
	talk_end(&c->talk, on_closed);
}

/* --- answers --------------------------------------------------------------------------- */

static int status(struct console *c, struct session *s)
{
	struct answer_text *out = &c->talk.out;
	struct session_view v;
	int r;

	session_view(s, &v);
	c->talk.answer.any = false;
	r = answer_list_begin("connections", out);
	if (r == 0)
		r = answer_list_add(&c->talk.answer, show_connection(NULL, &v, c->talk.env), out);
	return r == 0 ? answer_list_end(&c->talk.answer, out) : r;
}

struct targets {
	struct console *of;
	int err;
};

static void target(void *arg, const struct session_target *t)
{
	struct targets *all = arg;

	if (all->err == 0)
		all->err = answer_list_add(&all->of->talk.answer,
					   json_pack("{s:s, s:s, s:o}", "by", t->by, "says",
						     t->allows ? "allow" : "deny", "target",
						     admin_text(t->text)),
					   &all->of->talk.out);
}

static int targets(struct console *c, struct session *s)
{
	struct answer_text *out = &c->talk.out;
	struct targets all = {.of = c};
	int r;

	c->talk.answer.any = false;
	r = answer_list_begin("targets", out);
	if (r == 0)
		r = session_targets(s, target, &all);
	if (r == 0)
		r = all.err;
	return r == 0 ? answer_list_end(&c->talk.answer, out) : r;
}

static bool is_word(const char *line, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(line, word, len) == 0;
}

static int ask(struct talk *t, const char *line, size_t len)
{
	struct console *c = console_of(t);
	const struct request_filter mine = {.user = c->user};
	struct session *s = session_of_login(t->env->sessions, &c->login);

	if (s == NULL)
		return -ENOENT;
	if (is_word(line, len, "status"))
		return status(c, s);
	if (is_word(line, len, "targets"))
		return targets(c, s);
	if (is_word(line, len, "channels") || is_word(line, len, "listeners"))
		return answer_show(&t->answer, *line == 'c' ? "channels" : "listeners", &mine,
				   &t->out);
	return answer_error("unknown request", &t->out);
}

/* --- its pace --------------------------------------------------------------------------- */

static void on_rest(struct timer *timer)
{
	struct console *c =
		(struct console *)(void *)((char *)timer - offsetof(struct console, rest));

	c->talk.rests = false;
	if (talk_hear(&c->talk) < 0)
		console_end(c);
}

static int alive(struct talk *t)
{
	const struct session_env *e = t->env->sessions;

	t->rests = true;
	return timer_set(e->timers, &console_of(t)->rest, e->now_ms() + CONSOLE_REST_MS);
}

static void over(struct talk *t)
{
	console_end(console_of(t));
}

static const struct talk_ops console_ops = {ask, alive, over};

/* --- life ------------------------------------------------------------------------------- */

/* Without an answer it says so, and goes on. */
static void begin(void *arg, const struct session_login *login, const char *user, int fd)
{
	struct consoles *all = arg;
	struct console *c = calloc(1, sizeof(*c) + strlen(user) + 1);
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (c == NULL || own < 0 || fcntl(own, F_SETFL, O_NONBLOCK) < 0 ||
	    talk_begin(&c->talk, all->loop, all->env, &console_ops, own) < 0) {
		if (own >= 0)
			close(own);
		free(c);
		return;
	}
	strcpy(c->user, user);
	c->all = all;
	c->login = *login;
	c->rest.fire = on_rest;
	c->next = all->first;
	all->first = c;
	if (talk_hear(&c->talk) < 0)
		console_end(c);
}

void consoles_begin(struct consoles *c, uv_loop_t *loop, const struct admin_env *env)
{
	*c = (struct consoles){.loop = loop, .env = env};
	env->sessions->console = begin;
	env->sessions->console_arg = c;
}

void consoles_end(struct consoles *c)
{
	c->env->sessions->console = NULL;
	while (c->first != NULL)
		console_end(c->first);
}
