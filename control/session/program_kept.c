/*
 * control/session/program_kept.c - programs that run since before this control: sluice-helper is
 * asked to tell it how they end.
 *
 * After a restart it is asked for all of them at once, and its queue is short: who finds it full
 * asks again. Where it does not answer at all a program is over, as it does not outlive its helper.
 *
 * A program of the operator's that has a session is called again in its place, as long, if it has
 * said that it goes on then; else its bytes say when it is over.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "control/service/call.h"
#include "control/session/internal.h"
#include "control/session/program.h"

/* False: nobody will tell. */
static bool ask(struct program *p)
{
	struct session_env *env = p->session->table->env;
	int r = -ENOENT;

	if (p->handled.place != NULL)
		r = program_handler_resume(p);
	else if (env->helper != NULL)
		r = service_resume(env->helper, p->open->token, session_user(p->session),
				   &program_ops, p, &p->call);
	return r == 0 || (r == -EAGAIN && program_ask_again(p));
}

static void on_again(struct timer *t)
{
	struct program *p =
		(struct program *)(void *)((char *)t - offsetof(struct program, again.timer));

	if (!ask(p))
		program_over(p);
}

bool program_ask_again(struct program *p)
{
	return p->kept && !p->exited && again_later(p->session->table->env, &p->again);
}

void program_kept(struct session *s, struct open *o, bool tty)
{
	struct program *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return;
	p->session = s;
	p->open = p->handled.open = o;
	p->handled.place = handled_place_take(s, o->token);
	p->state = PROGRAM_RUNS;
	p->kept = true;
	p->tty = tty;
	p->again.timer.fire = on_again;
	o->program = p;
	program_enter(p);
	p->exited = (p->handled.place != NULL && !p->handled.place->resumes) || !ask(p);
}
