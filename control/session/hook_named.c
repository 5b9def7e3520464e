/*
 * control/session/hook_named.c - host keys that a program of the operator's has named by their
 * files: its connection waits until the signer has them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/count.h"
#include "control/session/hook.h"
#include "control/session/named.h"

struct naming {
	unsigned int n, at;
	uint64_t until_ms; /* of all together */
	struct host_file *file[HOOK_HOSTKEYS_MAX];
};

void naming_free(struct naming *n)
{
	if (n == NULL)
		return;
	for (unsigned int i = 0; i < n->n; i++)
		free(n->file[i]);
	free(n);
}

static void say_why(const struct session *s, const char *why)
{
	const struct naming *n = s->awake->gate.naming;

	session_log(s, LOG_L_ERROR, "PolicyHook named host key \"%.400s\": %.256s",
		    n->file[n->at]->field[HOST_FILE_PATH], why);
}

/* What came for nobody is let go where nobody else has it. */
static void let_go(const struct signer_caller *caller, const struct key *pub)
{
	struct session_env *env = caller->arg;
	const struct keyset *set = &env->keys.set[caller->id];
	uint8_t print[32];

	if (set->signer != NULL && signer_print(pub, print) == 0 && !named_has(set, print))
		signer_let_go(set->signer, print, 0);
}

static int load_next(struct session *s);

static void on_opened(const struct signer_caller *caller, int err, const char *why,
		      const struct key *pub, const struct host_chain *chain)
{
	struct session *s = session_find(caller->arg, &caller->conn);
	struct naming *n = s != NULL ? s->awake->gate.naming : NULL;

	if (n == NULL) {
		if (err == 0)
			let_go(caller, pub);
		return;
	}
	if (err == -EDQUOT)
		control_count(CONTROL_C_HOST_KEYS);
	if (err < 0)
		say_why(s, why);
	else
		err = named_take(s, &s->awake->earned, n->file[n->at], pub, chain);
	if (err == 0 && ++n->at < n->n) {
		err = load_next(s);
		if (err == 0)
			return;
	}
	naming_free(n);
	s->awake->gate.naming = NULL;
	gate_named(s, err);
}

static int load_next(struct session *s)
{
	struct session_env *env = s->table->env;
	struct naming *n = s->awake->gate.naming;
	const struct signer_caller caller = {env, s->ref, s->keyset};
	int r = signer_open(hostkeys_signer(s), n->file[n->at], n->until_ms, &caller, on_opened);

	if (r < 0)
		say_why(s, r == -EXDEV ? "sluice-signer has no HostKeyFolder" : strerror(-r));
	return r;
}

int naming_begin(struct session *s, const struct host_file *file, unsigned int n)
{
	struct naming *to = calloc(1, sizeof(*to));
	int r = to != NULL ? 0 : -ENOMEM;

	for (unsigned int i = 0; r == 0 && i < n; i++) {
		to->file[i] = host_file_copy(&file[i]);
		r = to->file[i] != NULL ? 0 : -ENOMEM;
		to->n += r == 0;
	}
	s->awake->gate.naming = to;
	if (r == 0) {
		to->until_ms = s->table->env->now_ms() + SIGN_MS;
		r = load_next(s);
	}
	if (r < 0) {
		naming_free(to);
		s->awake->gate.naming = NULL;
	}
	return r;
}
