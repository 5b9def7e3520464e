/*
 * A whole brain. Byte 0: bit 0 the role, bits 1..2 where it stands (identification passed, keys
 * in place, authentication, authenticated), bit 3 whether a key exchange by GSS-API is wanted,
 * bit 4 whether users and hosts may sign by X.509 certificates, too, and by SHA-1.
 * Then messages: a byte of answers, a length of two bytes, a payload. Key exchange is computed by
 * nobody: jobs return fixed results, and GSS-API is standin_gss.c, so that the same input is
 * always the same run.
 *
 * Must hold: nobody is authenticated whom the authority did not accept; no channel before
 * that; nothing after the end; every action is one its kind allows.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "ssh/internal.h"
#include "tests/unit/key_fixtures.h"

enum {
	ANSWER_YES = 1,
	ANSWER_JOB_FAILS = 2,
	ANSWER_LATE = 4,
	DO_REKEY = 8,
	DO_SEND = 16,
	DO_BANNER = 32,
	DO_PARTIAL = 64
};

#define EVERY_SIG_ALG                                                                              \
	SSH_DEFAULT_PUBKEY "," SSH_DEFAULT_X509 ",x509v3-ssh-rsa,x509v3-ssh-dss,x509v3-sign-rsa,"  \
			   "x509v3-sign-dss,ssh-rsa,ssh-rsa-cert-v01@openssh.com,ssh-dss,"         \
			   "ssh-dss-cert-v01@openssh.com"

static struct key *host;
static bool accepted, authenticated, ended;

static bool is_gss(const struct ssh_job *job)
{
	return job->kind >= SSH_JOB_GSS_ACCEPT && job->kind <= SSH_JOB_GSS_NAME;
}

static void job_done(struct ssh_brain *b, const struct ssh_act *a, uint8_t answers)
{
	struct ssh_job *job = a->job;

	if (is_gss(job))
		ssh_job_run(job);
	else
		job->pub_len = 32;
	if (!is_gss(job) || answers & ANSWER_JOB_FAILS)
		job->err = answers & ANSWER_JOB_FAILS ? -EBADMSG : 0;
	if (job->kind == SSH_JOB_KEX_RESPOND || job->kind == SSH_JOB_KEX_FINISH) {
		job->keys = secret_new(sizeof(*job->keys));
		if (job->keys == NULL)
			abort();
	}
	if (ssh_brain_job_done(b, a->id, job) < 0)
		abort();
}

static void login(struct ssh_brain *b, const struct ssh_act *a, uint8_t answers)
{
	if (answers & ANSWER_YES)
		(void)ssh_brain_login_password(b, a->id, "secret", 6);
	else if (answers & ANSWER_JOB_FAILS)
		(void)ssh_brain_login_none(b, a->id);
	else if (answers & ANSWER_LATE)
		(void)ssh_brain_login_kbdint(b, a->id, "");
	else if (answers & DO_PARTIAL)
		(void)ssh_brain_login_gssapi(b, a->id, answers & DO_BANNER);
	else
		(void)ssh_brain_login_publickey(b, a->id, host, NULL);
}

/* All verdicts, whatever was asked; at most two rounds of questions a message. */
static void decide(struct ssh_brain *b, const struct ssh_act *a, uint8_t answers)
{
	static const struct ssh_prompts prompts = {.n = 2};
	struct ssh_auth_decision d = {.verdict = SSH_AUTH_REFUSE, .prompts = &prompts};

	if (a->auth.n_responses > 0 && a->auth.response[a->auth.n_responses - 1].p == NULL)
		abort();
	if (answers & DO_BANNER)
		(void)ssh_brain_auth_banner(b, "hello", 5);
	if (answers & ANSWER_YES)
		d.verdict = SSH_AUTH_ACCEPT;
	else if (answers & ANSWER_LATE)
		d.verdict = answers & ANSWER_JOB_FAILS ? SSH_AUTH_PROMPT : SSH_AUTH_CHANGE;
	else if (answers & DO_PARTIAL)
		d.verdict = SSH_AUTH_PARTIAL;
	d.methods = SSH_AUTH_PASSWORD | SSH_AUTH_KBDINT;
	(void)ssh_brain_auth_decide(b, a->id, &d);
}

static void answer(struct ssh_brain *b, const struct ssh_act *a)
{
	struct ssh_str response[SSH_PROMPTS_MAX];

	if (a->prompts->n > SSH_PROMPTS_MAX)
		abort();
	for (unsigned int i = 0; i < a->prompts->n; i++)
		response[i] = a->prompts->prompt[i].text;
	(void)ssh_brain_prompt_answer(b, a->id, a->prompts->n, response);
}

static void check_open(const struct ssh_brain *b)
{
	if (!authenticated || !ssh_brain_authenticated(b))
		abort();
}

static void on_act(struct ssh_brain *b, const struct ssh_act *a, uint8_t answers)
{
	static const uint8_t sig[64] = {1};
	bool yes = answers & ANSWER_YES;

	if (ended)
		abort();
	switch (a->kind) {
	case SSH_ACT_SEND:
		if (a->bytes.len == 0 || a->msg != a->bytes.p[0])
			abort();
		break;
	case SSH_ACT_TX_KEYS:
	case SSH_ACT_RX_KEYS:
		if (a->keys.suite == NULL || a->keys.key[CIPHER_KEY_MAX - 1] != 0)
			abort();
		break;
	case SSH_ACT_JOB:
		job_done(b, a, answers);
		break;
	case SSH_ACT_SIGN:
		(void)ssh_brain_sign_answer(b, a->id, answers & ANSWER_JOB_FAILS ? -EIO : 0, sig,
					    sizeof(sig));
		break;
	case SSH_ACT_HOSTKEY:
		(void)ssh_brain_hostkey_answer(b, a->id, yes);
		break;
	case SSH_ACT_AUTH:
		accepted |= yes && !a->auth.query;
		decide(b, a, answers);
		break;
	case SSH_ACT_PROMPT:
		answer(b, a);
		break;
	case SSH_ACT_LOGIN:
		login(b, a, answers);
		break;
	case SSH_ACT_AUTHENTICATED:
		if (brain_is_server(b) && !accepted)
			abort();
		authenticated = true;
		break;
	case SSH_ACT_CHANNEL_OPEN:
	case SSH_ACT_CHANNEL_REQUEST:
	case SSH_ACT_CHANNEL_OTHER:
	case SSH_ACT_GLOBAL_REPLY:
		check_open(b);
		break;
	case SSH_ACT_GLOBAL_REQUEST:
		check_open(b);
		if (a->request.want_reply && yes)
			(void)ssh_brain_global_answer(b, true, NULL, 0);
		break;
	case SSH_ACT_END:
		ended = true;
		break;
	default:
		break;
	}
}

static void drain(struct ssh_brain *b, uint8_t answers)
{
	struct ssh_act act;

	/* Bounded: every action answers a message, and answers lead to few more. */
	for (unsigned int n = 0; ssh_brain_next(b, &act) == 0; n++) {
		if (n > 2 * SSH_ACTS_MAX)
			abort();
		on_act(b, &act, answers);
	}
}

static struct ssh_brain *brain_at(uint8_t how)
{
	struct ssh_brain_conf conf = {
		.role = how & 1 ? SSH_SERVER : SSH_CLIENT,
		.ident = "SSH-2.0-fuzz",
		.strict = SSH_STRICT_ON,
		.kex_algs = how & 8 ? "gss-curve25519-sha256-" GSS_KRB5_SUFFIX
				      ",gss-gex-sha1-" GSS_KRB5_SUFFIX
				    : NULL,
		.server_sig_algs = how & 16 ? EVERY_SIG_ALG : NULL,
		.hostkey_algs = how & 16 ? EVERY_SIG_ALG : NULL,
		.hostbased_algs = how & 16 ? EVERY_SIG_ALG : NULL,
		.auth_methods = SSH_AUTH_PASSWORD | SSH_AUTH_PUBLICKEY | SSH_AUTH_KBDINT |
				SSH_AUTH_HOSTBASED | SSH_AUTH_GSSAPI_MIC | SSH_AUTH_GSSAPI_KEYEX,
		.gss_server = "host@sluice.test",
		.max_auth_tries = 6,
		.user = "demo",
	};
	unsigned int at = how >> 1 & 3;
	struct ssh_brain *b;

	if (ssh_brain_new(&conf, &b) < 0)
		abort();
	if (brain_is_server(b) && ssh_brain_hostkey_add(b, host) < 0)
		abort();
	if (ssh_brain_start(b) < 0 || ssh_brain_ident(b, (const uint8_t *)"SSH-2.0-x", 9) < 0)
		abort();
	drain(b, 0);
	if (at == 0)
		return b;
	/* As after a first exchange, which is another input's. */
	kex_free(b->kex);
	b->kex = NULL;
	b->session_id_len = 32;
	b->phase.kex = SSH_KEX_NONE;
	b->phase.svc = (uint8_t)at; /* SSH_SVC_NONE, _AUTH, _OPEN */
	accepted = authenticated = at == SSH_SVC_OPEN;
	if (brain_is_server(b))
		b->first_host = host;
	else
		b->cli.service_asked = b->cli.sent = true;
	return b;
}

static void message(struct ssh_brain *b, uint32_t seqnr, uint8_t answers, const uint8_t *p,
		    size_t len)
{
	int r = ssh_brain_input(b, seqnr, p, len);

	if (ended && r != -SSH_E_CLOSED)
		abort();
	if (answers & DO_REKEY)
		(void)ssh_brain_rekey(b);
	if (answers & DO_SEND)
		(void)ssh_brain_send(b, p, len);
	if (!(answers & ANSWER_LATE))
		drain(b, answers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ssh_brain *b;
	uint32_t seqnr = 0;
	uint8_t answers = 0;

	if (size == 0)
		return 0;
	if (host == NULL &&
	    key_private_parse((const uint8_t *)fixture_ed25519, strlen(fixture_ed25519), &host) < 0)
		abort();
	accepted = authenticated = ended = false;
	b = brain_at(data[0]);
	for (size_t at = 1; size - at >= 3;) {
		size_t len = (size_t)data[at + 1] << 8 | data[at + 2];

		answers = data[at];
		at += 3;
		if (len > size - at)
			len = size - at;
		message(b, seqnr++, answers, data + at, len);
		at += len;
	}
	drain(b, answers);
	ssh_brain_end(b, -SSH_E_SHUTDOWN, NULL);
	drain(b, answers);
	if (!ended)
		abort();
	ssh_brain_free(b);
	return 0;
}
