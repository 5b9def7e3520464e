/*
 * control/session/login_hook.c - what a program of the operator's says of those who log in.
 *
 * It has a voice besides the others: who was right by files and sources is asked about and may be
 * refused, or asked for more. With authority=auth it judges in their place: keys, passwords and
 * answers are its own; AuthenticationMethods, the lists of users and groups and what a key's line
 * restricts hold on. Whoever is named, it is asked alike (S-32).
 */
#include <stdlib.h>
#include <string.h>

#include "control/session/hook.h"

bool login_hook_judges(const struct conf_session *c)
{
	struct conf_hook h;

	return conf_hook_for(c, CONF_HOOK_AUTH, &h) && (h.authority & CONF_HOOK_AUTH) != 0;
}

/* --- the request ------------------------------------------------------------------------------ */

static void put_key(const struct ssh_act_auth *a, struct hook_req *r)
{
	char print[96];
	const uint8_t *blob;
	size_t len;

	if (a->key == NULL)
		return;
	blob = key_blob(a->key, &len);
	hook_req_bytes(r, "key_blob", blob, len);
	if (key_fingerprint(a->key, print, sizeof(print)) == 0)
		hook_req_text(r, "key", ssh_str_c(print));
	hook_req_text(r, "key_algorithm", ssh_str_c(a->sig_alg));
	hook_req_bool(r, "cert", key_cert(a->key) != NULL);
	hook_req_bool(r, "query", a->query);
}

/* right: by what the configuration has to say. */
static void put_login(const struct session *s, bool right, struct hook_req *r)
{
	const struct ssh_act_auth *a = &s->awake->login.auth;

	hook_req_text(r, "service", a->service);
	hook_req_text(r, "method", a->method_name);
	hook_req_int(r, "index", a->round);
	hook_req_int(r, "tries", a->tries);
	hook_req_bool(r, "preaccept", right);
	put_key(a, r);
	if (a->method == SSH_AUTH_HOSTBASED) {
		hook_req_text(r, "client_host", a->client_host);
		hook_req_text(r, "client_user", a->client_user);
	} else if (a->method == SSH_AUTH_GSSAPI_KEYEX || a->method == SSH_AUTH_GSSAPI_MIC) {
		hook_req_text(r, "principal", a->principal);
	}
}

/* What nobody is told who was not named for it; their number. */
static size_t secrets(const struct session *s, struct hook_secret ret[2])
{
	const struct ssh_act_auth *a = &s->awake->login.auth;
	size_t n = 0;

	if (a->method == SSH_AUTH_PASSWORD) {
		ret[n++] = (struct hook_secret){.name = "password", .v = &a->password, .n = 1};
		if (a->change)
			ret[n++] = (struct hook_secret){
				.name = "new_password", .v = &a->new_password, .n = 1};
	} else if (a->method == SSH_AUTH_KBDINT && a->round > 0) {
		ret[n++] = (struct hook_secret){
			.name = "responses", .v = a->response, .n = a->n_responses, .list = true};
	}
	return n;
}

/* --- the answer ------------------------------------------------------------------------------- */

static void banner(struct session *s, const struct hook_answer *a)
{
	/* One a connection: where Banner has said something it is too late. */
	if (a->banner != NULL && *a->banner != '\0')
		(void)ssh_brain_auth_banner(s->awake->brain, a->banner, strlen(a->banner));
}

static struct ssh_str str_put(uint8_t **at, struct ssh_str s)
{
	const struct ssh_str ret = {*at, s.len};

	if (s.len > 0)
		memcpy(*at, s.p, s.len);
	*at += s.len;
	return ret;
}

/* Said to one who has asked for nothing yet: what he is asked once he begins. */
static void keep_words(struct session *s, const struct ssh_prompts *p)
{
	size_t len = p->name.len + p->instruction.len;
	struct ssh_prompts *kept;
	uint8_t *at;

	if (p->n == 0 && len == 0)
		return;
	for (unsigned int i = 0; i < p->n; i++)
		len += p->prompt[i].text.len;
	kept = malloc(sizeof(*kept) + len);
	if (kept == NULL)
		return; /* the configuration's, then */
	*kept = *p;
	at = (uint8_t *)(kept + 1);
	kept->name = str_put(&at, p->name);
	kept->instruction = str_put(&at, p->instruction);
	for (unsigned int i = 0; i < p->n; i++)
		kept->prompt[i].text = str_put(&at, p->prompt[i].text);
	free(s->awake->words);
	s->awake->words = kept;
}

/* What may come next, where no step is behind it: less than there is, never more. */
static void narrow(struct session *s, unsigned int methods)
{
	const struct ssh_rekey_limit rekey = session_rekey_limit(s);
	struct awake *a = s->awake;

	if (methods == 0 || a->earned.any)
		return;
	chain_begin(&a->chain, &a->conf.authentication_methods,
		    session_auth_methods(s) & (methods | SSH_AUTH_NONE));
	ssh_brain_user_rules(a->brain, chain_methods(&a->chain) | SSH_AUTH_NONE,
			     a->conf.max_auth_tries, &rekey);
}

static void prompt(struct session *s, const struct hook_answer *a)
{
	struct ssh_auth_decision d = {.verdict = SSH_AUTH_PROMPT, .prompts = &a->prompts};
	struct login *l = &s->awake->login;

	l->hook_talks = true;
	l->open = false;
	(void)ssh_brain_auth_decide(s->awake->brain, l->id, &d);
}

/* It was right by the configuration, or by the program that has its place. */
static void yes(struct session *s, const struct hook_answer *a)
{
	struct login *l = &s->awake->login;

	if (a != NULL && a->role != NULL)
		strcpy(l->role, a->role); /* read_role(): it fits */
	if (a != NULL)
		hook_bounds(s, &a->bounds);
	l->more = a != NULL && a->partial ? a->methods & ~(unsigned int)SSH_AUTH_NONE : 0;
	if (a != NULL && a->partial && l->more == 0)
		login_reject(s); /* nothing could follow */
	else if (l->auth.method == SSH_AUTH_PUBLICKEY && login_key_used(s, l->auth.key))
		login_reject(s); /* "publickey,publickey" is two keys, whoever judges them */
	else
		login_finish(s, true);
}

static void answered(struct session *s, const struct hook_answer *a)
{
	struct login *l = &s->awake->login;
	enum hook_word word;

	if (a != NULL)
		banner(s, a);
	if (a != NULL && a->asks && l->auth.method == SSH_AUTH_KBDINT) {
		prompt(s, a);
		return;
	}
	if (a != NULL && l->auth.method == SSH_AUTH_NONE)
		keep_words(s, &a->prompts);
	/* Who only asks what there is has been refused nothing. */
	word = l->auth.method == SSH_AUTH_NONE && !l->hook_right && a != NULL && !a->accept
		       ? HOOK_NO
		       : hook_word(s, CONF_HOOK_AUTH, l->hook_fail_open, a);
	l->hook_said = true;
	if (a != NULL)
		narrow(s, word == HOOK_NO ? a->methods : 0);
	if (word == HOOK_NO || (word == HOOK_OPEN && l->hook_talks) ||
	    (!l->hook_judges && !l->hook_right))
		login_reject(s);
	else if (word == HOOK_YES || !l->hook_judges)
		yes(s, a);
	else if (login_look_up(s, false) < 0) /* files and sources, then */
		login_reject(s);
}

static void on_answer(void *arg, const struct hook_answer *a)
{
	struct session *s = arg;

	s->awake->login.hook = NULL;
	answered(s, a);
	session_pump(s);
}

static void ask(struct session *s, const struct conf_hook *h, bool right)
{
	struct login *l = &s->awake->login;
	struct hook_secret secret[2];
	struct conf_hook of_secrets;
	struct hook_req r;
	size_t n = 0;
	int e;

	/* Not who was named for this alone: the very one that is asked. */
	if (conf_hook_for(&s->awake->conf, CONF_HOOK_AUTH_SECRET, &of_secrets) &&
	    strcmp(of_secrets.path, h->path) == 0)
		n = secrets(s, secret);
	l->hook_fail_open = h->fail_open;
	l->hook_right = right;
	hook_begin(s, CONF_HOOK_AUTH, &r);
	put_login(s, right, &r);
	e = hook_ask_about(s, h, &r, secret, n, on_answer, s, &l->hook);
	if (e < 0)
		answered(s, hook_unasked(e));
}

bool login_hook(struct session *s, bool right)
{
	struct login *l = &s->awake->login;
	struct conf_hook h;

	/* Who only asks what there is hears of it before he tries. */
	if (l->hook_said || !(right || l->auth.method == SSH_AUTH_NONE) ||
	    !hook_for(s, CONF_HOOK_AUTH, &h))
		return false;
	ask(s, &h, right);
	return true;
}

bool login_hook_instead(struct session *s)
{
	struct login *l = &s->awake->login;
	struct conf_hook h;

	if (l->hook_said || !hook_for(s, CONF_HOOK_AUTH, &h) || (h.authority & CONF_HOOK_AUTH) == 0)
		return false;
	l->hook_judges = true;
	ask(s, &h, false);
	return true;
}

void login_hook_answered(struct session *s)
{
	struct conf_hook h;

	if (hook_for(s, CONF_HOOK_AUTH, &h))
		ask(s, &h, s->awake->login.hook_right);
	else
		login_reject(s);
}

void login_hook_signature(const struct session *s, const struct ssh_act_auth *auth, bool good)
{
	struct hooks *hooks = s->table->env->hooks;
	struct conf_hook h;
	struct hook_req r;

	if (hooks == NULL || !hook_for(s, CONF_HOOK_AUTH_SIG, &h))
		return;
	hook_begin(s, CONF_HOOK_AUTH_SIG, &r);
	hook_req_text(&r, "method", ssh_str_c("sigstatus"));
	hook_req_bool(&r, "valid", good);
	put_key(auth, &r);
	hook_tell(hooks, &h, &r);
}
