/*
 * client/lib/login.c - who we are: the next method each time the server lets us choose.
 *
 * AuthMode is one method, or multifactor: whatever the server wants, in the order of
 * PreferredAuthentications, until it has enough. With TryAllAuthMethods a refusal goes on with
 * the next method; without it it is the end.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/internal.h"
#include "crypto/secret.h"
#include "ssh/kexinit.h"

#define CUSTOM_MAX 32768
#define TRIES_MAX  500 /* of all methods together: a server that wants more for ever */
#define ROUNDS_MAX 100 /* of keyboard-interactive: a server that asks for ever */
#define KBDINTS_NO_MORE UINT_MAX /* who did not answer is not asked again */

static const struct {
	enum ssh_auth_method method;
	const char *name;
} methods[] = {
	{SSH_AUTH_NONE, "none"},
	{SSH_AUTH_PASSWORD, "password"},
	{SSH_AUTH_PUBLICKEY, "publickey"},
	{SSH_AUTH_KBDINT, "keyboard-interactive"},
	{SSH_AUTH_GSSAPI_MIC, "gssapi-with-mic"},
	{SSH_AUTH_GSSAPI_KEYEX, "gssapi-keyex"},
};

static const char *method_name(enum ssh_auth_method m)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (methods[i].method == m)
			return methods[i].name;
	return "";
}

static enum ssh_auth_method mode_method(const struct sluice *s)
{
	switch ((enum auth_mode)s->set.auth_mode) {
	case AUTH_PASSWORD:
		return SSH_AUTH_PASSWORD;
	case AUTH_PUBLICKEY:
		return SSH_AUTH_PUBLICKEY;
	case AUTH_KBDINT:
		return SSH_AUTH_KBDINT;
	case AUTH_GSSAPI_MIC:
		return SSH_AUTH_GSSAPI_MIC;
	case AUTH_GSSAPI_KEYEX:
		return SSH_AUTH_GSSAPI_KEYEX;
	case AUTH_NONE:
	case AUTH_MULTIFACTOR:
	case AUTH_CUSTOM:
		break;
	}
	return SSH_AUTH_NONE;
}

/* --- one try: 0 when a request is on its way, -ENOENT when the method has nothing more ---------
 */

static ssize_t ask_password(struct sluice *s, char *buf)
{
	ssize_t n = -1;

	if (s->password != NULL) {
		if (s->login.passwords > 0) /* it was wrong, and will be */
			return -1;
		memcpy(buf, s->password, s->password_len);
		return (ssize_t)s->password_len;
	}
	if (s->ops.on_password == NULL || s->login.passwords >= s->set.password_prompts)
		return -1;
	s->callbacks++;
	n = s->ops.on_password(s->arg, s, s->login.passwords + 1, buf, SLUICE_ANSWER_MAX);
	s->callbacks--;
	return n > SLUICE_ANSWER_MAX ? -1 : n;
}

static int try_password(struct sluice *s, uint32_t id)
{
	char buf[SLUICE_ANSWER_MAX];
	ssize_t n = ask_password(s, buf);
	int r = -ENOENT;

	if (n >= 0) {
		s->login.passwords++;
		r = ssh_brain_login_password(s->brain, id, buf, (size_t)n);
	}
	secret_wipe(buf, sizeof(buf));
	return r;
}

/* The next to be shown: a key's certificates, then the key alone. NULL: that was the last. */
static const struct key *next_key(struct sluice *s)
{
	struct login *l = &s->login;
	const struct sluice_key *k;

	if (l->next_key == s->n_identities)
		return NULL;
	l->identity = &s->identity[l->next_key];
	k = l->identity->key;
	if (l->certs_shown < k->n_certs)
		return k->cert[l->certs_shown++];
	l->certs_shown = 0;
	l->next_key++;
	return k->key;
}

static int try_publickey(struct sluice *s, uint32_t id)
{
	const struct key *k;

	while ((k = next_key(s)) != NULL) {
		if (key_cert_over(k)) {
			note(s, SLUICE_LOG_INFO, "%s: not shown, it is not its time", key_type(k));
			continue;
		}
		if (ssh_brain_login_publickey(s->brain, id, k, NULL) == 0)
			return 0;
		note(s, SLUICE_LOG_INFO, "no signature algorithm in common for %s", key_type(k));
	}
	return -ENOENT;
}

static int try_kbdint(struct sluice *s, uint32_t id)
{
	bool by_password = s->password != NULL && *s->set.prompt_pattern != '\0';
	struct login *l = &s->login;

	/* As often as a password; who was refused without a prompt will be again. */
	if ((s->ops.on_kbdint == NULL && !by_password) ||
	    l->kbdints >= (by_password ? 1 : s->set.password_prompts) ||
	    (l->kbdints > 0 && l->rounds == 0))
		return -ENOENT;
	l->kbdints++;
	l->rounds = 0;
	return ssh_brain_login_kbdint(s->brain, id, s->set.kbdint_devices);
}

bool login_by_tickets(const struct sluice *s)
{
	return s->set.auth_mode == AUTH_GSSAPI_MIC || s->set.auth_mode == AUTH_GSSAPI_KEYEX;
}

bool login_by_gss(const struct sluice *s)
{
	return s->set.gss || login_by_tickets(s);
}

/* Once: a ticket that was refused is refused again. */
static int try_gssapi(struct sluice *s, enum ssh_auth_method m, uint32_t id)
{
	bool wanted = login_by_gss(s) || (m == SSH_AUTH_GSSAPI_KEYEX && s->set.gss_kex);

	if (!wanted || (s->login.gss_tried & m) != 0)
		return -ENOENT;
	s->login.gss_tried |= m;
	return ssh_brain_login_gssapi(s->brain, id, m == SSH_AUTH_GSSAPI_KEYEX);
}

static int try_none(struct sluice *s, uint32_t id)
{
	if (s->login.asked_none)
		return -ENOENT;
	s->login.asked_none = true;
	return ssh_brain_login_none(s->brain, id);
}

static int try_method(struct sluice *s, enum ssh_auth_method m, uint32_t id)
{
	int r = -ENOENT;

	if (++s->login.tries > TRIES_MAX)
		return -ENOENT;
	if (s->distrusted && (m == SSH_AUTH_PASSWORD || m == SSH_AUTH_KBDINT))
		note(s, SLUICE_LOG_INFO, "no password for a host whose key has changed");
	else if (m == SSH_AUTH_PASSWORD)
		r = try_password(s, id);
	else if (m == SSH_AUTH_PUBLICKEY)
		r = try_publickey(s, id);
	else if (m == SSH_AUTH_KBDINT)
		r = try_kbdint(s, id);
	else if (m == SSH_AUTH_NONE)
		r = try_none(s, id);
	else
		r = try_gssapi(s, m, id);
	if (r == 0) {
		s->login.now = m;
		note(s, SLUICE_LOG_INFO, "authentication: %s", method_name(m));
	} else {
		s->login.tried |= m;
	}
	return r;
}

/* --- which method
 * --------------------------------------------------------------------------------- */

/* The first of PreferredAuthentications that the server takes and we have something for. */
static int try_preferred(struct sluice *s, uint32_t id)
{
	struct ssh_str list = ssh_str_c(s->set.preferred), name;
	struct ssh_str theirs = ssh_str_c(ssh_brain_methods(s->brain));

	while (ssh_names_next(&list, &name)) {
		unsigned int m = ssh_auth_method_find(name);

		if (m == 0 || !ssh_names_have(theirs, method_name(m)) ||
		    (s->login.tried & m) != 0 ||
		    (!s->set.repeat_methods && (s->login.methods_done & m) != 0))
			continue;
		if (try_method(s, m, id) == 0)
			return 0;
	}
	return -ENOENT;
}

/* The outcome of what was sent before. False: that was the last try. */
static bool judge(struct sluice *s, bool *ret_same)
{
	struct login *l = &s->login;
	bool partial = ssh_brain_partial(s->brain);
	enum ssh_auth_method was = l->now;

	*ret_same = false;
	if (was == 0)
		return true;
	l->now = 0;
	CALL(s, on_auth, s, method_name(was), partial ? 2 : 0);
	note(s, SLUICE_LOG_INFO, "%s: %s", method_name(was),
	     partial ? "did, and more is wanted" : "refused");
	if (partial) {
		l->methods_done |= was;
		if (s->set.repeat_methods) {
			l->tried = l->next_key = l->certs_shown = l->passwords = 0;
			l->rounds = l->kbdints = 0;
			l->gss_tried = 0;
		}
		return s->set.auth_mode == AUTH_MULTIFACTOR || s->set.try_all;
	}
	/* Another key, or password, may do. */
	*ret_same = was != SSH_AUTH_NONE;
	return true;
}

static int choose(struct sluice *s, uint32_t id)
{
	enum ssh_auth_method was = s->login.now;
	bool same, first = was == 0 && !s->login.asked_none && s->login.methods_done == 0;

	if (!judge(s, &same))
		return -ENOENT;
	if (first) {
		int r = try_method(s, mode_method(s), id);

		/* Who has nothing for it asks what else there is. */
		return r < 0 && s->set.try_all ? try_method(s, SSH_AUTH_NONE, id) : r;
	}
	if (same && try_method(s, was, id) == 0)
		return 0;
	if (s->set.try_all || (s->set.auth_mode == AUTH_MULTIFACTOR && !same))
		return try_preferred(s, id);
	return -ENOENT;
}

/* The program exchanges the messages itself. */
static int custom(struct sluice *s, const struct ssh_act *a)
{
	uint8_t out[CUSTOM_MAX];
	ssize_t n = -1;
	int r = -ENOENT;

	if (s->ops.on_custom_auth != NULL && ++s->login.tries <= TRIES_MAX) {
		s->callbacks++;
		n = s->ops.on_custom_auth(s->arg, s, a->bytes.p, a->bytes.len, out, sizeof(out));
		s->callbacks--;
	}
	if (n > 0 && n <= CUSTOM_MAX)
		r = ssh_brain_login_raw(s->brain, a->id, out, (size_t)n);
	secret_wipe(out, sizeof(out));
	return r;
}

void login_next(struct sluice *s, const struct ssh_act *a)
{
	int r;

	if (s->state == STATE_KEX) {
		s->state = STATE_MET;
		s->met = true;
		status_tell(s, SLUICE_STATUS_SECURED, 0, "OK");
		CALL(s, on_connected, s, 0, "OK");
		if (s->cut)
			return;
	}
	if (s->state == STATE_MET && !s->wants_in) {
		s->login_id = a->id;
		return;
	}
	s->state = STATE_LOGIN;
	s->login_id = 0;
	if (agent_identities(s, a->id))
		return;
	r = s->set.auth_mode == AUTH_CUSTOM ? custom(s, a) : choose(s, a->id);
	if (r == 0)
		s->login.unsigned_by_key = false;
	if (r == 0 || s->cut)
		return;
	fail(s, login_error(s), "%s; methods that can continue: %s",
	     s->login.unsigned_by_key ? "the key does not sign" : "authentication failed",
	     ssh_brain_methods(s->brain));
	(void)ssh_brain_login_give_up(s->brain, a->id);
}

/* --- what a request needs
 * ------------------------------------------------------------------------- */

int login_error(const struct sluice *s)
{
	return s->login.unsigned_by_key ? -SLUICE_E_SIGN : -SLUICE_E_AUTH;
}

void login_signed(struct sluice *s, uint32_t id, int r, const uint8_t *sig, size_t len)
{
	if (r < 0)
		note(s, SLUICE_LOG_INFO, "the key does not sign: %s", sluice_strerror(r));
	(void)ssh_brain_sign_answer(s->brain, id, r, sig, len);
}

void login_sign(struct sluice *s, const struct ssh_act *a)
{
	uint8_t sig[KEY_SIG_MAX];
	size_t len = sizeof(sig);
	const struct identity *i = s->login.identity;
	int r;

	if (i->agents) {
		r = agent_signs(s, i->key->key, a);
		if (r == 0)
			return; /* it will say so */
	} else if (i->sign == NULL) {
		r = key_sign(i->key->key, a->sign.sig_alg, a->sign.data.p, a->sign.data.len, sig,
			     &len);
	} else {
		s->callbacks++;
		r = i->sign(i->arg, i->key, a->sign.sig_alg, a->sign.data.p, a->sign.data.len, sig,
			    &len);
		s->callbacks--;
		if (r == 0 && len > sizeof(sig))
			r = -EINVAL;
	}
	s->login.unsigned_by_key = r < 0 && !i->agents;
	login_signed(s, a->id, r, sig, len);
	secret_wipe(sig, sizeof(sig));
}

/* Texts as programs take them: cut where they hold a NUL. */
static char *text_of(struct ssh_str s)
{
	return strndup((const char *)s.p, s.len);
}

/* The password goes to prompts that match its pattern. True: no prompt is left without an answer.
 */
static bool answer_by_password(const struct sluice *s, const char *const *text, unsigned int n,
			       struct sluice_prompt *prompt)
{
	bool all = n > 0;

	for (unsigned int i = 0; i < n; i++) {
		bool fits = s->password != NULL && *s->set.prompt_pattern != '\0' &&
			    prompt_matches(s->set.prompt_pattern, text[i]);

		all &= fits;
		if (!fits)
			continue;
		memcpy(prompt[i].answer, s->password, s->password_len);
		prompt[i].answer_len = s->password_len;
	}
	return all || n == 0;
}

static int ask_program(struct sluice *s, const char *name, const char *instruction,
		       struct sluice_prompt *prompt, unsigned int n, bool answered)
{
	int r;

	if (s->ops.on_kbdint == NULL)
		return answered ? 0 : -ENOENT;
	s->callbacks++;
	r = s->ops.on_kbdint(s->arg, s, name, instruction, prompt, n);
	s->callbacks--;
	return r;
}

static int ask_prompts(struct sluice *s, const struct ssh_prompts *m, struct sluice_prompt *prompt,
		       char (*answer)[SLUICE_ANSWER_MAX])
{
	char *text[SSH_PROMPTS_MAX + 2];
	int r = 0;

	for (unsigned int i = 0; i < m->n; i++) {
		text[i] = text_of(m->prompt[i].text);
		prompt[i] = (struct sluice_prompt){
			.text = text[i], .echo = m->prompt[i].echo, .answer = answer[i]};
	}
	text[m->n] = text_of(m->name);
	text[m->n + 1] = text_of(m->instruction);
	for (unsigned int i = 0; i < m->n + 2; i++)
		if (text[i] == NULL)
			r = -ENOMEM;
	if (r == 0)
		r = ask_program(s, text[m->n], text[m->n + 1], prompt, m->n,
				answer_by_password(s, (const char *const *)text, m->n, prompt));
	for (unsigned int i = 0; i < m->n + 2; i++)
		free(text[i]);
	for (unsigned int i = 0; i < m->n && r >= 0; i++)
		if (prompt[i].answer_len > SLUICE_ANSWER_MAX)
			r = -EINVAL;
	return r;
}

void login_prompt(struct sluice *s, const struct ssh_act *a)
{
	const struct ssh_prompts *m = a->prompts;
	struct sluice_prompt prompt[SSH_PROMPTS_MAX];
	struct ssh_str response[SSH_PROMPTS_MAX];
	size_t room = sizeof(char[SSH_PROMPTS_MAX][SLUICE_ANSWER_MAX]);
	char(*answer)[SLUICE_ANSWER_MAX] = secret_new(room);
	int r = answer == NULL ? -ENOMEM : 0;

	if (r == 0 && ++s->login.rounds > ROUNDS_MAX)
		r = -ELOOP;
	if (r == 0)
		r = ask_prompts(s, m, prompt, answer);
	if (r >= 0) {
		for (unsigned int i = 0; i < m->n; i++)
			response[i] = (struct ssh_str){(const uint8_t *)prompt[i].answer,
						       (uint32_t)prompt[i].answer_len};
		r = ssh_brain_prompt_answer(s->brain, a->id, m->n, response);
	}
	secret_free(answer, room);
	if (r >= 0)
		return;
	note(s, SLUICE_LOG_INFO, "prompts were not answered");
	s->login.kbdints = KBDINTS_NO_MORE;
	if (!s->cut && ssh_brain_prompt_refuse(s->brain, a->id) < 0)
		connection_over(s, -SLUICE_E_AUTH, "prompts were not answered");
}

void login_done(struct sluice *s)
{
	enum ssh_auth_method was = s->login.now;

	s->login.now = 0;
	s->state = STATE_UP;
	s->heard_ms = s->moved_ms = now_ms();
	note(s, SLUICE_LOG_INFO, "authenticated by %s", method_name(was));
	CALL(s, on_auth, s, method_name(was), 1);
	CALL(s, on_logon, s, 0, "OK");
}
