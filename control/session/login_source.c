/*
 * control/session/login_source.c - what is asked of the sources that judge passwords, codes and
 * conversations, one after the other.
 */
#include <stddef.h>
#include <string.h>

#include "control/session/internal.h"

static void on_verdict(struct session *s, enum source_verdict verdict);

static void source_done(struct auth_call *call, enum source_verdict verdict)
{
	struct login *l = (struct login *)(void *)((char *)call - offsetof(struct login, call));
	struct awake *a = (struct awake *)(void *)((char *)l - offsetof(struct awake, login));
	struct session *s = a->session;

	on_verdict(s, verdict);
	session_pump(s);
}

void login_ask_source(struct session *s, const struct auth_source *source, struct ssh_str secret)
{
	struct login *l = &s->awake->login;
	const struct auth_try t = {.conf = &s->awake->conf,
				   .user = session_user(s),
				   .from = session_source(s),
				   .about = login_about(s, 0),
				   .possible = l->possible && l->right,
				   .secret = secret,
				   .new_secret = l->auth.new_password,
				   .conversation = l->auth.method == SSH_AUTH_KBDINT,
				   .change = l->auth.change,
				   .has_hash = l->has_hash,
				   .hash = l->hash};
	int r;

	l->call.env = &s->table->env->sources;
	l->call.done = source_done;
	r = auth_call_begin(&l->call, source, &t);
	if (r < 0)
		session_log(s, LOG_L_ERROR, "%s of user %.100s cannot be checked: error %d",
			    source->name, session_user(s), -r);
	if (r != 0)
		on_verdict(s, r < 0 ? SOURCE_NO : (enum source_verdict)r);
}

/* --- keyboard-interactive --------------------------------------------------------- */

/* The default device, or the one that AuthenticationMethods names. */
void login_plan_make(struct session *s)
{
	struct login *l = &s->awake->login;
	const struct conf_session *c = &s->awake->conf;
	const char *device;
	size_t len;

	device = chain_device(&s->awake->chain, &len);
	l->right = true;
	if (device == NULL) {
		l->n_plan = auth_source_plan(c, l->plan);
		return;
	}
	l->plan[0] = auth_source_find(device, len, c);
	l->n_plan = l->plan[0] != NULL;
	l->device = l->n_plan > 0 ? l->plan[0]->name : NULL;
}

static struct ssh_str text_of(const char *text)
{
	return ssh_str_c(text != NULL ? text : "");
}

/* A program's words, else the configuration's, in place of the sources' own; more than there can be
 * are counted. */
static void words_of(const struct session *s, struct ssh_prompts *ret)
{
	const struct ssh_prompts *said = s->awake->words;
	const struct conf_session *c = &s->awake->conf;
	const char *const *v = c->kbdint_prompts.v;

	*ret = (struct ssh_prompts){.name = text_of(c->kbdint_name),
				    .instruction = text_of(c->kbdint_instruction),
				    .n = (unsigned int)(c->kbdint_prompts.n / 2)};
	for (unsigned int i = 0; i < ret->n && i < SSH_PROMPTS_MAX; i++)
		ret->prompt[i] = (struct ssh_prompt){ssh_str_c(v[2 * i]),
						     strcmp(v[2 * i + 1], "echo") == 0};
	if (said == NULL)
		return;
	if (said->name.len > 0)
		ret->name = said->name;
	if (said->instruction.len > 0)
		ret->instruction = said->instruction;
	if (said->n > 0) {
		ret->n = said->n;
		memcpy(ret->prompt, said->prompt, sizeof(ret->prompt));
	}
}

/*
 * One round for all that follow and do not ask themselves. The configured prompts are those of the
 * sources in their order; a prompt whose answer nobody would judge is a mistake, and lets nobody
 * in.
 */
static void ask_questions(struct session *s)
{
	struct login *l = &s->awake->login;
	struct ssh_prompts p;
	struct ssh_auth_decision d = {.verdict = SSH_AUTH_PROMPT, .prompts = &p};
	unsigned int n_words;

	words_of(s, &p);
	n_words = p.n;
	if (n_words > l->n_plan) {
		session_log(s, LOG_L_ERROR, "KbdInteractivePrompt: %u prompts, but %u sources",
			    n_words, l->n_plan);
		login_reject(s);
		return;
	}
	l->asked_from = l->plan_at;
	p.n = 0;
	for (unsigned int i = l->plan_at; i < l->n_plan && l->plan[i]->question != NULL; i++) {
		const struct ssh_prompt own = {ssh_str_c(l->plan[i]->question), l->plan[i]->echo};

		p.prompt[p.n] = i < n_words ? p.prompt[i] : own;
		p.n++;
	}
	l->open = false;
	(void)ssh_brain_auth_decide(s->awake->brain, l->id, &d);
}

void login_plan_go_on(struct session *s)
{
	struct login *l = &s->awake->login;
	const struct auth_source *source;

	if (l->n_plan == 0 || l->plan_at == l->n_plan) {
		login_finish(s, l->n_plan > 0 && l->right);
		return;
	}
	source = l->plan[l->plan_at];
	if (source->question == NULL)
		login_ask_source(s, source, (struct ssh_str){(const uint8_t *)"", 0});
	else if (l->answered)
		login_ask_source(s, source, l->auth.response[l->plan_at - l->asked_from]);
	else
		ask_questions(s);
}

/* What one of them said; the others are asked whatever it was (S-32). */
static void plan_said(struct session *s, bool yes)
{
	struct login *l = &s->awake->login;

	l->right &= yes;
	if (l->plan[l->plan_at]->question == NULL)
		l->answered = false;
	l->plan_at++;
	login_plan_go_on(s);
}

static void ask_prompts(struct session *s, const struct ssh_prompts *p)
{
	struct ssh_auth_decision d = {.verdict = SSH_AUTH_PROMPT, .prompts = p};

	s->awake->login.open = false;
	(void)ssh_brain_auth_decide(s->awake->brain, s->awake->login.id, &d);
}

/* Another round was answered. */
void login_answered(struct session *s, const struct ssh_act *act)
{
	struct login *l = &s->awake->login;
	int r;

	l->open = true;
	l->id = act->id;
	l->auth = act->auth;
	l->began_ms = s->table->env->now_ms();
	if (l->hook_talks) {
		login_hook_answered(s);
		return;
	}
	if (l->call.source == NULL) {
		l->answered = true;
		login_plan_go_on(s);
		return;
	}
	r = auth_call_answer(&l->call, act->auth.response, act->auth.n_responses);
	if (r != 0)
		on_verdict(s, r < 0 ? SOURCE_NO : (enum source_verdict)r);
}

static void on_verdict(struct session *s, enum source_verdict verdict)
{
	static const char text[] = "Your password has expired: choose a new one.";
	struct ssh_auth_decision change = {.verdict = SSH_AUTH_CHANGE, .text = ssh_str_c(text)};
	struct login *l = &s->awake->login;

	if (verdict == SOURCE_ASK) {
		ask_prompts(s, l->call.prompts);
		return;
	}
	auth_call_end(&l->call);
	if (l->auth.method == SSH_AUTH_KBDINT)
		plan_said(s, verdict == SOURCE_YES);
	else if (verdict == SOURCE_CHANGE && l->possible)
		login_decide(s, &change);
	else
		login_finish(s, verdict == SOURCE_YES);
}
