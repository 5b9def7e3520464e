/* How libsluice logs in: methods, several of them, prompts, keys, messages of the program's own. */
#include <sys/stat.h>
#include <sys/un.h>

#include "client/lib/internal.h"
#include "client/shell/conn.h"
#include "crypto/base64.h"
#include "crypto/cert.h"
#include "tests/unit/client_lab.h"

TestSuite(client_login, .timeout = 60);

static struct sluice_key *fresh_key(const char *type, struct key **ret)
{
	struct sluice_key *k = NULL;
	struct key *made = NULL;
	char pem[4096];
	size_t len = sizeof(pem);

	cr_assert_eq(key_generate(type, strcmp(type, "ssh-rsa") == 0 ? 2048 : 0, &made), 0);
	cr_assert_eq(key_private_build(made, "", pem, &len), 0);
	cr_assert_eq(sluice_key_parse(pem, len, NULL, &k), 0);
	if (ret != NULL)
		*ret = made;
	else
		key_free(made);
	return k;
}

static int logon(struct lab *l, struct sluice *s)
{
	int r = sluice_connect_fd(s, lab_start(l));

	return r == 0 ? sluice_logon(s, NULL, 0) : r;
}

static void add_key(struct sluice *s)
{
	struct sluice_key *k = fresh_key("ssh-ed25519", NULL);

	cr_assert_eq(sluice_identity_add(s, k), 0);
	sluice_key_free(k);
}

static void settings(struct sluice *s, const char *const (*kv)[2], unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		cr_assert_eq(sluice_set(s, kv[i][0], kv[i][1]), 0, "%s", kv[i][0]);
}

#define SET(s, ...)                                                                                \
	do {                                                                                       \
		static const char *const kv_[][2] = {__VA_ARGS__};                                 \
		settings(s, kv_, sizeof(kv_) / sizeof(kv_[0]));                                    \
	} while (0)

struct heard {
	unsigned int rounds, passwords, customs, outcomes[3];
	char methods[256];
};

static void on_auth(void *arg, struct sluice *s, const char *method, int outcome)
{
	struct heard *h = arg;
	size_t n = strlen(h->methods);

	(void)s;
	h->outcomes[outcome]++;
	snprintf(h->methods + n, sizeof(h->methods) - n, "%s=%d ", method, outcome);
}

static int on_kbdint(void *arg, struct sluice *s, const char *name, const char *instruction,
		     struct sluice_prompt *prompt, unsigned int n)
{
	struct heard *h = arg;

	(void)s;
	h->rounds++;
	if (n == 0)
		return 0;
	cr_assert_str_eq(name, "lab");
	cr_assert_str_eq(instruction, "say it");
	cr_assert_str_eq(prompt[0].text, "Password: ");
	cr_assert_not(prompt[0].echo);
	memcpy(prompt[0].answer, "secret", 6);
	prompt[0].answer_len = 6;
	return 0;
}

static ssize_t on_password(void *arg, struct sluice *s, unsigned int attempt, char *buf,
			   size_t size)
{
	struct heard *h = arg;

	(void)s;
	cr_assert_eq(size, (size_t)SLUICE_ANSWER_MAX);
	h->passwords++;
	cr_assert_eq(attempt, h->passwords);
	memcpy(buf, attempt == 2 ? "secret" : "guess!", 6);
	return 6;
}

static struct sluice *client(struct heard *h)
{
	struct sluice_ops ops = {.size = sizeof(ops), .on_auth = on_auth};
	struct sluice *s = lab_client();

	cr_assert_eq(sluice_ops_set(s, &ops, h), 0);
	return s;
}

Test(client_login, prompts_are_answered_by_the_program)
{
	struct sluice_ops ops = {.size = sizeof(ops), .on_auth = on_auth, .on_kbdint = on_kbdint};
	struct heard h = {0};
	struct lab *l = lab_new();
	struct sluice *s = lab_client();

	cr_assert_eq(sluice_ops_set(s, &ops, &h), 0);
	SET(s, {"AuthMode", "keyboard-interactive"});
	cr_assert_eq(logon(l, s), 0);
	cr_assert_eq(h.rounds, 1u);
	cr_assert_str_eq(h.methods, "keyboard-interactive=1 ");
	sluice_free(s);
	lab_free(l);
}

static int on_kbdint_none(void *arg, struct sluice *s, const char *name, const char *instruction,
			  struct sluice_prompt *prompt, unsigned int n)
{
	struct heard *h = arg;

	(void)s;
	(void)name;
	(void)instruction;
	(void)prompt;
	(void)n;
	h->rounds++;
	return -1;
}

/* Nobody is asked twice; the next method is tried, or it is over as after a refusal. */
Test(client_login, who_does_not_answer_prompts_is_in_by_the_next_method_or_not)
{
	struct sluice_ops ops = {
		.size = sizeof(ops), .on_auth = on_auth, .on_kbdint = on_kbdint_none};

	for (int others = 0; others < 2; others++) {
		struct heard h = {0};
		struct lab *l = lab_new();
		struct sluice *s = lab_client();

		cr_assert_eq(sluice_ops_set(s, &ops, &h), 0);
		SET(s, {"AuthMode", "keyboard-interactive"});
		cr_assert_eq(sluice_set(s, "TryAllAuthMethods", others == 1 ? "yes" : "no"), 0);
		cr_assert_eq(logon(l, s), others == 1 ? 0 : -SLUICE_E_AUTH);
		cr_assert_eq(h.rounds, 1u);
		cr_assert_str_eq(h.methods, others == 1 ? "keyboard-interactive=0 password=1 "
							: "keyboard-interactive=0 ");
		sluice_free(s);
		lab_free(l);
	}
}

Test(client_login, a_prompt_that_matches_the_pattern_is_answered_by_the_password)
{
	struct heard h = {0};
	struct lab *l = lab_new();
	struct sluice *s = client(&h);

	SET(s, {"AuthMode", "keyboard-interactive"}, {"PasswordPromptPattern", "[P,p]assword*"});
	cr_assert_eq(logon(l, s), 0);
	sluice_free(s);
	lab_free(l);

	l = lab_new();
	s = client(&h);
	SET(s, {"AuthMode", "keyboard-interactive"}, {"PasswordPromptPattern", "Token*"});
	cr_assert_eq(logon(l, s), -SLUICE_E_AUTH);
	sluice_free(s);
	lab_free(l);
}

Test(client_login, a_password_is_asked_for_as_often_as_the_setting_says)
{
	struct sluice_ops ops = {
		.size = sizeof(ops), .on_auth = on_auth, .on_password = on_password};
	struct heard h = {0};
	struct lab *l = lab_new();
	struct sluice *s = lab_client();

	cr_assert_eq(sluice_password_set(s, NULL, 0), 0);
	cr_assert_eq(sluice_ops_set(s, &ops, &h), 0);
	cr_assert_eq(logon(l, s), 0);
	cr_assert_eq(h.passwords, 2u);
	sluice_free(s);
	lab_free(l);

	l = lab_new();
	l->password = "another";
	s = lab_client();
	h = (struct heard){0};
	cr_assert_eq(sluice_password_set(s, NULL, 0), 0);
	cr_assert_eq(sluice_ops_set(s, &ops, &h), 0);
	SET(s, {"NumberOfPasswordPrompts", "2"});
	cr_assert_eq(logon(l, s), -SLUICE_E_AUTH);
	cr_assert_eq(h.passwords, 2u);
	sluice_free(s);
	lab_free(l);
}

Test(client_login, several_methods_one_after_the_other)
{
	struct heard h = {0};
	struct lab *l = lab_new();
	struct sluice *s = client(&h);

	l->partial_of = SSH_AUTH_PUBLICKEY;
	l->partial_want = SSH_AUTH_PASSWORD;
	add_key(s);
	SET(s, {"AuthMode", "multifactor"});
	cr_assert_eq(logon(l, s), 0);
	cr_assert_str_eq(h.methods, "none=0 publickey=2 password=1 ");
	sluice_free(s);
	lab_free(l);

	/* One method is one method. */
	l = lab_new();
	l->partial_of = SSH_AUTH_PUBLICKEY;
	l->partial_want = SSH_AUTH_PASSWORD;
	s = client(&h);
	add_key(s);
	SET(s, {"AuthMode", "publickey"});
	cr_assert_eq(logon(l, s), -SLUICE_E_AUTH);
	sluice_free(s);
	lab_free(l);
}

Test(client_login, a_refused_step_ends_it_and_all_available_ones_do_not)
{
	struct heard h = {0};
	struct lab *l = lab_new();
	struct sluice *s = client(&h);

	l->conf.auth_methods = SSH_AUTH_PASSWORD | SSH_AUTH_PUBLICKEY;
	l->password = "another";
	SET(s, {"AuthMode", "password"}, {"TryAllAuthMethods", "yes"});
	add_key(s);
	cr_assert_eq(logon(l, s), 0);
	cr_assert_str_eq(h.methods, "password=0 publickey=1 ");
	sluice_free(s);
	lab_free(l);

	l = lab_new();
	l->password = "another";
	s = client(&h);
	SET(s, {"AuthMode", "multifactor"}, {"PreferredAuthentications", "password,publickey"});
	add_key(s);
	cr_assert_eq(logon(l, s), -SLUICE_E_AUTH);
	sluice_free(s);
	lab_free(l);
}

/* The private half is here, but the library does not know. */
static int sign(void *arg, const struct sluice_key *pub, const char *alg, const void *data,
		size_t len, uint8_t *sig, size_t *sig_len)
{
	(void)pub;
	return key_sign(arg, alg, data, len, sig, sig_len);
}

/* --- an agent that is stuck ------------------------------------------------------------ */

/* A socket that is listened at; nobody answers there but the test. */
static int agent_listen(char path[64])
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(path, 64, "/tmp/sluice_agent.%d", getpid());
	unlink(path);
	strcpy(sa.sun_path, path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	cr_assert_eq(listen(fd, 8), 0);
	return fd;
}

static struct sluice *client_with_agent(struct heard *h, const char *path)
{
	struct sluice *s = client(h);

	SET(s, {"AuthMode", "publickey"}, {"AgentAuth", "yes"}, {"OperationTimeout", "0"});
	cr_assert_eq(sluice_set(s, "IdentityAgent", path), 0);
	add_key(s);
	return s;
}

/* A turn of a loop, until the agent is spoken to. */
static int agent_met(struct sluice *s, int fd)
{
	struct pollfd p[2] = {{.fd = -1}, {fd, POLLIN, 0}};

	while (p[1].revents == 0) {
		p[0] = (struct pollfd){sluice_fd(s), sluice_events(s), 0};
		cr_assert_neq(poll(p, 2, sluice_timeout_ms(s)), -1);
		cr_assert_geq(sluice_dispatch(s, 0), 0);
	}
	return accept4(fd, NULL, NULL, SOCK_CLOEXEC);
}

static void until_in(struct sluice *s)
{
	while (sluice_status(s) == -SLUICE_E_WOULD_BLOCK)
		(void)sluice_dispatch(s, -1);
	cr_assert_eq(sluice_status(s), 0);
}

/* A client that waits for its agent, which is the test. */
struct waiting {
	struct heard h;
	struct lab *l;
	struct sluice *s;
	char path[64];
	int fd, agent;
};

static void waiting_begin(struct waiting *w)
{
	memset(w, 0, sizeof(*w));
	w->l = lab_new();
	w->fd = agent_listen(w->path);
	w->s = client_with_agent(&w->h, w->path);
	cr_assert_eq(sluice_connect_fd(w->s, lab_start(w->l)), -SLUICE_E_WOULD_BLOCK);
	cr_assert_eq(sluice_logon(w->s, NULL, 0), -SLUICE_E_WOULD_BLOCK);
	w->agent = agent_met(w->s, w->fd);
}

/* It is in, by its key. */
static void waiting_end(struct waiting *w)
{
	until_in(w->s);
	cr_assert_str_eq(w->h.methods, "publickey=1 ");
	sluice_free(w->s);
	lab_free(w->l);
	close(w->agent);
	close(w->fd);
	unlink(w->path);
}

Test(client_login, an_agent_that_never_answers_is_left_in_time)
{
	struct waiting w;

	waiting_begin(&w);
	cr_assert_geq(sluice_timeout_ms(w.s), 20000);
	w.s->agent_due = 0; /* a minute is over */
	cr_assert_eq(sluice_timeout_ms(w.s), 0);
	waiting_end(&w);
}

static void agent_expect(int fd, uint8_t type)
{
	uint8_t head[5], rest[4096];
	size_t len;

	cr_assert_eq(recv(fd, head, 5, MSG_WAITALL), 5);
	cr_assert_eq(head[4], type);
	len = (size_t)head[2] << 8 | head[3];
	if (len > 1)
		cr_assert_eq(recv(fd, rest, len - 1, MSG_WAITALL), (ssize_t)len - 1);
}

/* Whoever has a loop goes on with it: here he is the agent. */
Test(client_login, an_agent_that_is_slow_holds_no_loop)
{
	static const uint8_t no[] = {0, 0, 0, 1, 5}; /* FAILURE */
	struct waiting w;

	waiting_begin(&w);
	while (sluice_dispatch(w.s, 0) > 0)
		;
	agent_expect(w.agent, 27); /* where it leads */
	cr_assert_eq(write(w.agent, no, sizeof(no)), (ssize_t)sizeof(no));
	while (sluice_dispatch(w.s, 0) == 0)
		;
	while (sluice_dispatch(w.s, 0) > 0)
		;
	agent_expect(w.agent, 11); /* its keys */
	cr_assert_eq(write(w.agent, no, sizeof(no)), (ssize_t)sizeof(no));
	waiting_end(&w);
}

/* Messages of an agent's, whole. */
static size_t said_keys(const struct key *k, uint8_t *buf, size_t size)
{
	struct ssh_str blob;
	struct ssh_wr w;
	size_t len;

	blob.p = key_blob(k, &len);
	blob.len = (uint32_t)len;
	ssh_wr_init(&w, buf, size);
	ssh_wr_u32(&w, (uint32_t)(1 + 4 + 4 + len + 4));
	ssh_wr_u8(&w, 12);
	ssh_wr_u32(&w, 1);
	ssh_wr_str(&w, blob);
	ssh_wr_cstr(&w, "");
	return ssh_wr_done(&w);
}

/* By what it is asked to sign. */
static size_t said_signature(const struct key *k, int fd, uint8_t *buf, size_t size)
{
	uint8_t ask[4096], sig[KEY_SIG_MAX];
	size_t len = sizeof(sig);
	struct ssh_str data;
	struct ssh_rd r;
	struct ssh_wr w;
	int n;

	cr_assert_eq(recv(fd, ask, 4, MSG_WAITALL), 4);
	n = ask[2] << 8 | ask[3];
	cr_assert_eq(recv(fd, ask, (size_t)n, MSG_WAITALL), n);
	ssh_rd_init(&r, ask, sizeof(ask));
	cr_assert_eq(ssh_rd_u8(&r), 13);
	(void)ssh_rd_str(&r);
	data = ssh_rd_str(&r);
	cr_assert_eq(key_sign(k, "ssh-ed25519", data.p, data.len, sig, &len), 0);
	ssh_wr_init(&w, buf, size);
	ssh_wr_u32(&w, (uint32_t)(1 + 4 + len));
	ssh_wr_u8(&w, 14);
	ssh_wr_str(&w, (struct ssh_str){sig, (uint32_t)len});
	return ssh_wr_done(&w);
}

/* Until the agent is asked for something more. */
static void until_asked(struct sluice *s, int agent)
{
	struct pollfd p[2] = {{-1, 0, 0}, {agent, POLLIN, 0}};

	while (p[1].revents == 0) {
		while (sluice_dispatch(s, 0) > 0)
			;
		p[0] = (struct pollfd){sluice_fd(s), sluice_events(s), 0};
		cr_assert_neq(poll(p, 2, sluice_timeout_ms(s)), -1);
	}
}

/* Its one key is all there is: up to where it is to sign with it. */
static int until_signs(struct sluice *s, struct lab *l, int fd, const struct key *k)
{
	static const uint8_t no[] = {0, 0, 0, 1, 5};
	uint8_t buf[1024];
	size_t len = said_keys(k, buf, sizeof(buf));
	int agent;

	SET(s, {"AgentAuth", "require"});
	cr_assert_eq(sluice_connect_fd(s, lab_start(l)), -SLUICE_E_WOULD_BLOCK);
	cr_assert_eq(sluice_logon(s, NULL, 0), -SLUICE_E_WOULD_BLOCK);
	agent = agent_met(s, fd);
	until_asked(s, agent);
	agent_expect(agent, 27);
	cr_assert_eq(write(agent, no, sizeof(no)), (ssize_t)sizeof(no));
	until_asked(s, agent);
	agent_expect(agent, 11);
	cr_assert_eq(write(agent, buf, len), (ssize_t)len);
	until_asked(s, agent);
	return agent;
}

Test(client_login, an_agent_signs_a_byte_at_a_time_or_never)
{
	struct key *k;

	cr_assert_eq(key_generate("ssh-ed25519", 0, &k), 0);
	for (int never = 0; never < 2; never++) {
		struct heard h = {0};
		struct lab *l = lab_new();
		char path[64];
		int fd = agent_listen(path), agent;
		struct sluice *s = client_with_agent(&h, path);
		uint8_t buf[1024];
		size_t len;

		agent = until_signs(s, l, fd, k);
		len = never ? 0 : said_signature(k, agent, buf, sizeof(buf));
		for (size_t i = 0; i < len; i++) {
			cr_assert_eq(sluice_dispatch(s, 0), 0, "%zu", i);
			cr_assert_eq(write(agent, buf + i, 1), 1);
		}
		if (never) {
			cr_assert_eq(sluice_dispatch(s, 0), 0);
			s->agent_due = 0; /* a minute is over */
		}
		while (sluice_status(s) == -SLUICE_E_WOULD_BLOCK)
			(void)sluice_dispatch(s, -1);
		cr_expect_eq(sluice_status(s), never ? -SLUICE_E_AUTH : 0);
		sluice_free(s);
		lab_free(l);
		close(agent);
		close(fd);
		unlink(path);
	}
	key_free(k);
}

/* A channel to it is not held up by what it makes of where that leads. */
Test(client_login, an_agent_that_is_told_and_not_waited_for)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	char path[64], none[] = "/tmp/sluice_agent.none";
	int fd = agent_listen(path), agent, mine = -1;

	cr_assert_eq(sluice_agent_begin(s, path, &mine), 1);
	agent = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	agent_expect(agent, 27);
	cr_assert_eq(write(mine, "x", 1), 1, "it is the program's now");
	cr_assert_eq(recv(agent, path, 1, 0), 1);
	close(mine);
	mine = -1;
	cr_expect_eq(sluice_agent_begin(s, none, &mine), -ENOENT);
	cr_expect_eq(mine, -1);
	sluice_free(s);
	lab_free(l);
	close(agent);
	close(fd);
	snprintf(path, sizeof(path), "/tmp/sluice_agent.%d", getpid());
	unlink(path);
}

/* --- the same by waiting, at times of the test's own ---------------------------------------- */

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __real_poll(struct pollfd *p, nfds_t n, int ms);
int __wrap_poll(struct pollfd *p, nfds_t n, int ms);

/* Of this thread: where nothing is ready, the time is over at once. */
static _Thread_local bool hurries;
static _Thread_local time_t ahead_s;

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	int r = __real_clock_gettime(id, ts);

	ts->tv_sec += ahead_s;
	return r;
}

int __wrap_poll(struct pollfd *p, nfds_t n, int ms)
{
	int r = __real_poll(p, n, hurries ? 0 : ms);

	if (hurries && r == 0)
		ahead_s += (ms + 999) / 1000;
	return r;
}

struct agent_role {
	int listens, agent;
	uint8_t says; /* 0: hangs up */
};

static void *agent_plays(void *arg)
{
	struct agent_role *a = arg;
	uint8_t reply[] = {0, 0, 0, 1, a->says};

	a->agent = accept4(a->listens, NULL, NULL, SOCK_CLOEXEC);
	agent_expect(a->agent, 27); /* session-bind@openssh.com */
	if (a->says == 0)
		shutdown(a->agent, SHUT_RDWR);
	else
		cr_assert_eq(write(a->agent, reply, sizeof(reply)), (ssize_t)sizeof(reply));
	return NULL;
}

/* Who does not know of it is no worse for it; what goes through is the program's. */
Test(client_login, an_agent_that_is_told_and_waited_for)
{
	static const struct {
		uint8_t says;
		int r;
	} t[] = {{6, 0}, {5, 0}, {0, -EPIPE}};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct lab *l = lab_new();
		struct sluice *s = lab_login(l);
		char path[64], c;
		struct agent_role a = {.listens = agent_listen(path), .says = t[i].says};
		pthread_t thread;
		int mine = -1;

		cr_assert_eq(pthread_create(&thread, NULL, agent_plays, &a), 0);
		cr_expect_eq(sluice_agent_open(s, path, &mine), t[i].r, "%zu", i);
		pthread_join(thread, NULL);
		cr_assert_eq(mine >= 0, t[i].r == 0);
		if (mine >= 0) {
			cr_assert_eq(write(mine, "x", 1), 1);
			cr_assert_eq(recv(a.agent, &c, 1, 0), 1);
			close(mine);
		}
		sluice_free(s);
		lab_free(l);
		close(a.agent);
		close(a.listens);
		unlink(path);
	}
}

Test(client_login, an_agent_that_is_told_and_never_answers)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	char path[64];
	int fd = agent_listen(path), mine = -1;

	hurries = true;
	cr_expect_eq(sluice_agent_open(s, path, &mine), -ETIMEDOUT);
	hurries = false;
	cr_expect_eq(ahead_s, 2, "two seconds are all it has");
	cr_expect_eq(mine, -1);
	cr_expect_eq(sluice_status(s), 0, "the connection goes on");
	sluice_free(s);
	lab_free(l);
	close(fd);
	unlink(path);
}

/* --- the command's: what an agent has, asked in turns, at times of the test's own -------- */

/* One key. */
static const char listed[] =
	"\0\0\0\x41\x0c\0\0\0\1\0\0\0\x33\0\0\0\x0bssh-ed25519\0\0\0\x20"
	"\xd7\x5a\x98\x01\x82\xb1\x0a\xb7\xd5\x4b\xfe\xd3\xc9\x64\x07\x3a"
	"\x0e\xe1\x72\xf3\xda\xa6\x23\x25\xaf\x02\x1a\x68\xf7\x07\x51\x1a\0\0\0\1c";

/* At time 1000 it is asked, and has not answered. */
static int conn_with_agent(struct conn *c, char path[64], int *ret_listens)
{
	int agent;

	*ret_listens = agent_listen(path);
	*c = (struct conn){.config = config_new(config_algs())};
	cr_assert_eq(config_set(c->config, CONFIG_IDENTITY_AGENT, path), 0);
	cr_assert_eq(config_set(c->config, CONFIG_IDENTITY_FILE, "none"), 0);
	cr_assert_eq(config_load(c->config, "lab", "none"), 0);
	cr_assert_eq(sluice_new(&c->s), 0);
	cr_assert_eq(sluice_set(c->s, "AgentAuth", "only"), 0);
	cr_assert_not(conn_identities(c, 1000));
	agent = accept4(*ret_listens, NULL, NULL, SOCK_CLOEXEC);
	agent_expect(agent, 11);
	return agent;
}

static void conn_done(struct conn *c, const char *path, int agent, int listens)
{
	cr_expect_null(c->agent, "nobody waits for it any more");
	sluice_free(c->s);
	config_free(c->config);
	close(agent);
	close(listens);
	unlink(path);
}

static void expect_agent_auth(struct conn *c, const char *want)
{
	char is[16];

	cr_assert_gt(sluice_get(c->s, "AgentAuth", is, sizeof(is)), 0);
	cr_expect_str_eq(is, want);
}

Test(client_login, the_command_leaves_an_agent_that_never_answers_in_time)
{
	struct conn c;
	char path[64];
	int listens, agent = conn_with_agent(&c, path, &listens);

	cr_assert_not(conn_identities(&c, 1000 + CONN_AGENT_MS - 1));
	cr_assert(conn_identities(&c, 1000 + CONN_AGENT_MS));
	expect_agent_auth(&c, "no"); /* nor is it waited for again */
	conn_done(&c, path, agent, listens);
}

Test(client_login, the_command_takes_an_agents_keys_a_byte_at_a_time)
{
	const size_t len = sizeof(listed) - 1;
	struct conn c;
	char path[64];
	int listens, agent = conn_with_agent(&c, path, &listens);

	for (size_t i = 0; i < len; i++) {
		cr_assert_not(conn_identities(&c, 1000 + i), "%zu", i);
		cr_assert_eq(write(agent, listed + i, 1), 1);
	}
	cr_assert(conn_identities(&c, 2000));
	cr_expect_eq(c.s->n_identities, 1);
	expect_agent_auth(&c, "only");
	conn_done(&c, path, agent, listens);

	/* Bytes that come now and then are no more time. */
	agent = conn_with_agent(&c, path, &listens);
	cr_assert_eq(write(agent, listed, 1), 1);
	cr_assert_not(conn_identities(&c, 1000 + CONN_AGENT_MS - 1));
	cr_assert_eq(write(agent, listed + 1, 1), 1);
	cr_assert(conn_identities(&c, 1000 + CONN_AGENT_MS));
	cr_expect_eq(c.s->n_identities, 0);
	conn_done(&c, path, agent, listens);
}

Test(client_login, the_command_takes_no_answer_of_an_agent_that_is_none)
{
	static const struct {
		const char *p;
		size_t len;
	} bad[] = {{"\0\4\0\1", 4},
		   {"\xff\xff\xff\xff", 4},
		   {"\0\0\0\0", 4},
		   {"\0\0\0\1\5", 5},
		   {"", 0}};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct conn c;
		char path[64];
		int listens, agent = conn_with_agent(&c, path, &listens);

		cr_assert_eq(write(agent, bad[i].p, bad[i].len), (ssize_t)bad[i].len);
		shutdown(agent, SHUT_WR);
		cr_assert(conn_identities(&c, 1001), "%zu", i);
		cr_expect_eq(c.s->n_identities, 0);
		expect_agent_auth(&c, "no");
		conn_done(&c, path, agent, listens);
	}
}

Test(client_login, a_key_that_signs_elsewhere)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_client();
	struct sluice_key *k = NULL;
	struct key *made = NULL;
	char line[256];

	k = fresh_key("ssh-ed25519", &made);
	cr_assert_gt(sluice_key_info(k, SLUICE_KEY_LINE, line, sizeof(line)), 0);
	sluice_key_free(k);
	cr_assert_eq(sluice_key_public(line, &k), 0);
	cr_assert_eq(sluice_identity_add(s, k), -EINVAL);
	cr_assert_eq(sluice_identity_add_signer(s, k, sign, made), 0);
	sluice_key_free(k);
	SET(s, {"AuthMode", "publickey"});
	cr_assert_eq(logon(l, s), 0);
	sluice_free(s);
	lab_free(l);
	key_free(made);
}

/* A password, said by hand: first with a wrong one, then with the right one. */
static ssize_t on_custom(void *arg, struct sluice *s, const void *in, size_t len, void *out,
			 size_t size)
{
	struct sluice_payload p = {0};
	struct heard *h = arg;
	const uint8_t *got = in;
	size_t n;

	(void)s;
	h->customs++;
	if (h->customs == 1)
		cr_assert_eq(len, 0u);
	else
		cr_assert_eq(got[0], 51);
	if (h->customs == 3)
		return -1;
	cr_assert_eq(sluice_payload_put(&p, "b", "50"), 0);
	cr_assert_eq(sluice_payload_put(&p, "s", "demo"), 0);
	cr_assert_eq(sluice_payload_put(&p, "s", "ssh-connection"), 0);
	cr_assert_eq(sluice_payload_put(&p, "s", "password"), 0);
	cr_assert_eq(sluice_payload_put(&p, "f", "False"), 0);
	cr_assert_eq(sluice_payload_put(&p, "s", h->customs == 2 ? "secret" : "guess"), 0);
	n = p.len;
	cr_assert_leq(n, size);
	memcpy(out, p.p, n);
	sluice_payload_free(&p);
	return (ssize_t)n;
}

/* Of another layer, or nothing at all. */
static ssize_t on_custom_beyond(void *arg, struct sluice *s, const void *in, size_t len, void *out,
				size_t size)
{
	static const uint8_t number[] = {49, 80, 90, 1, 50};
	struct heard *h = arg;

	(void)s;
	(void)in;
	(void)len;
	*(uint8_t *)out = number[h->rounds];
	return h->rounds < 4 ? 1 : (ssize_t)size + 1;
}

Test(client_login, what_a_program_says_itself_is_of_its_login_alone)
{
	struct sluice_ops ops = {.size = sizeof(ops), .on_custom_auth = on_custom_beyond};

	for (unsigned int i = 0; i <= 4; i++) {
		struct heard h = {.rounds = i};
		struct lab *l = lab_new();
		struct sluice *s = lab_client();

		cr_assert_eq(sluice_ops_set(s, &ops, &h), 0);
		SET(s, {"AuthMode", "custom"});
		cr_expect_eq(logon(l, s), -SLUICE_E_AUTH, "%u: %s", i,
			     sluice_strerror(sluice_status(s)));
		sluice_free(s);
		lab_join(l);
		cr_expect_eq(l->n_auth, 0u);
		lab_free(l);
	}
}

Test(client_login, nobody_is_in_where_that_is_enough)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct lab *l = lab_new();
		struct sluice *s = lab_client();

		l->conf.auth_methods = SSH_AUTH_PASSWORD | (i == 0 ? 0 : SSH_AUTH_NONE);
		SET(s, {"AuthMode", "none"});
		cr_expect_eq(logon(l, s), i == 0 ? -SLUICE_E_AUTH : 0);
		cr_expect_str_eq(l->method, i == 0 ? "" : "none");
		cr_expect_eq(l->n_auth, i, "no password is tried");
		sluice_free(s);
		lab_free(l);
	}
}

Test(client_login, the_program_exchanges_the_messages_itself)
{
	struct sluice_ops ops = {.size = sizeof(ops), .on_custom_auth = on_custom};
	struct heard h = {0};
	struct lab *l = lab_new();
	struct sluice *s = lab_client();

	cr_assert_eq(sluice_ops_set(s, &ops, &h), 0);
	SET(s, {"AuthMode", "custom"});
	cr_assert_eq(logon(l, s), 0);
	cr_assert_eq(h.customs, 2u);
	sluice_free(s);
	lab_free(l);

	l = lab_new();
	l->password = "another";
	s = lab_client();
	h = (struct heard){0};
	cr_assert_eq(sluice_ops_set(s, &ops, &h), 0);
	SET(s, {"AuthMode", "custom"});
	cr_assert_eq(logon(l, s), -SLUICE_E_AUTH);
	cr_assert_eq(h.customs, 3u);
	sluice_free(s);
	lab_free(l);
}

/* --- a password that nobody sets ----------------------------------------------------------------
 */

static void word_write(const char *path, const char *word, mode_t mode)
{
	FILE *f = fopen(path, "we");

	cr_assert_not_null(f);
	fprintf(f, "%s\n", word);
	fclose(f);
	cr_assert_eq(chmod(path, mode), 0);
}

/* The login's outcome, and what is said of it. */
static int logon_by(const char *keyword, const char *value, char text[256])
{
	struct lab *l = lab_new();
	struct sluice *s = lab_client();
	int early, r;

	*text = '\0';
	cr_assert_eq(sluice_password_set(s, NULL, 0), 0);
	cr_assert_eq(sluice_set(s, keyword, value), 0);
	early = sluice_password_set(s, NULL, 0);
	r = sluice_connect_fd(s, lab_start(l));
	cr_expect_eq(early, r == -SLUICE_E_AUTH ? 0 : r, "%s", value);
	if (r == 0)
		r = sluice_logon(s, NULL, 0);
	sluice_error_last(s, text, 256);
	sluice_free(s);
	lab_free(l);
	return r;
}

Test(client_login, a_password_comes_from_a_file_or_a_command)
{
	char path[] = "/tmp/client_login.XXXXXX", text[256];
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	close(fd);
	word_write(path, "secret", 0600);
	cr_expect_eq(logon_by("PasswordFile", path, text), 0, "%s", text);
	word_write(path, "another", 0600);
	cr_expect_eq(logon_by("PasswordFile", path, text), -SLUICE_E_AUTH);
	word_write(path, "secret", 0644);
	cr_expect_eq(logon_by("PasswordFile", path, text), -EPERM);
	cr_expect_not_null(strstr(text, "bad ownership or modes for file /tmp/"), "%s", text);
	unlink(path);
	cr_expect_eq(logon_by("PasswordFile", path, text), -ENOENT);
	cr_expect_eq(logon_by("PasswordCommand", "/bin/echo \"secret\"", text), 0, "%s", text);
	cr_expect_eq(logon_by("PasswordCommand", "/bin/false", text), -EIO);
	cr_expect_not_null(strstr(text, "PasswordCommand /bin/false: failed"), "%s", text);
	cr_expect_eq(logon_by("PasswordCommand", "echo secret", text), -EINVAL);
	cr_expect_eq(logon_by("PasswordCommand", "/bin/echo \"secret", text), -EINVAL);
}

/* --- what is told of it -------------------------------------------------------------------------
 */

struct told {
	unsigned int n, of[SLUICE_LOG_DEBUG + 1];
	bool data, bytes;      /* a packet and bytes of a channel */
	bool request;          /* who we are, without its length */
	bool busy;             /* here */
	unsigned int ignored;  /* messages that say nothing: told each, or how many more there are */
	struct sluice_channel *to; /* the log goes to the server itself */
};

/* No word of the log, at any level, holds the password. */
static void on_log(void *arg, struct sluice *s, enum sluice_log_level level, const char *text)
{
	struct told *t = arg;
	unsigned int more;

	(void)s;
	cr_assert_eq(strstr(text, "secret"), NULL, "%s", text);
	cr_assert(!t->busy && level > SLUICE_LOG_NONE && level <= SLUICE_LOG_DEBUG);
	t->busy = true;
	t->n++;
	t->of[level]++;
	t->request |= strcmp(text, "sent USERAUTH_REQUEST") == 0;
	cr_expect(strncmp(text, "sent USERAUTH_REQUEST,", 22) != 0, "%s", text);
	t->ignored += strncmp(text, "received IGNORE,", 16) == 0;
	if (sscanf(text, "and %u packets more", &more) == 1)
		t->ignored += more;
	t->data |= strcmp(text, "sent CHANNEL_DATA, 14 bytes") == 0;
	t->bytes |= strstr(text, " bytes sent") != NULL;
	if (t->to != NULL)
		cr_expect(sluice_channel_send(t->to, text, strlen(text)) > 0);
	t->busy = false;
}

/* A login, five bytes to a channel and back. */
static struct told told_at(const char *log_level, bool loop)
{
	struct sluice_ops ops = {.size = sizeof(ops), .on_log = on_log};
	struct lab *l = lab_new();
	struct sluice *s = lab_client();
	struct sluice_channel *c = NULL;
	struct told t = {0};
	char back[8];

	cr_assert_eq(sluice_ops_set(s, &ops, &t), 0);
	cr_assert_eq(sluice_set(s, "LogLevel", log_level), 0);
	cr_assert_eq(logon(l, s), 0);
	cr_assert_eq(sluice_channel_open(s, "session", NULL, 0, &c), 0);
	cr_assert_eq(sluice_channel_start(c, "exec", "cat"), 0);
	t.to = loop ? c : NULL;
	cr_assert_eq(sluice_channel_send(c, "hello", 5), 5);
	cr_assert_gt(sluice_channel_read(c, false, back, sizeof(back)), 0);
	t.to = NULL;
	sluice_free(s);
	lab_free(l);
	return t;
}

Test(client_login, secrets_stand_in_no_log)
{
	struct told t = told_at("DEBUG3", false);

	cr_assert_gt(t.n, 5u);
	cr_assert(t.request);
}

Test(client_login, each_level_of_the_log_tells_more)
{
	struct told none = told_at("QUIET", false), info = told_at("INFO", false),
		    packets = told_at("DEBUG2", false), bytes = told_at("DEBUG3", false);

	cr_expect_eq(none.n, 0u);
	cr_expect(info.n > 0 && info.n == info.of[SLUICE_LOG_INFO]);
	cr_expect_eq(packets.of[SLUICE_LOG_INFO], info.n);
	cr_expect(packets.of[SLUICE_LOG_VERBOSE] > 15 && packets.data && packets.request);
	cr_expect(packets.of[SLUICE_LOG_DEBUG] == 0 && !packets.bytes);
	cr_expect_eq(bytes.of[SLUICE_LOG_INFO], info.n);
	cr_expect(bytes.of[SLUICE_LOG_VERBOSE] > 15 && bytes.of[SLUICE_LOG_DEBUG] > 4);
	cr_expect(bytes.bytes);
}

Test(client_login, packets_that_come_at_once_are_counted_at_least)
{
	static const uint8_t ignore[] = {SSH_MSG_IGNORE, 0, 0, 0, 0};
	struct sluice_ops ops = {.size = sizeof(ops), .on_log = on_log};
	struct lab *l = lab_new();
	struct sluice *s = lab_client();
	struct told t = {0};

	l->raw_auth = (struct lab_raw){ignore, sizeof(ignore), 3 * SSH_PUMP_SEEN_MAX};
	cr_assert_eq(sluice_ops_set(s, &ops, &t), 0);
	cr_assert_eq(sluice_set(s, "LogLevel", "2"), 0);
	cr_assert_eq(logon(l, s), 0);
	cr_expect(t.ignored >= 3 * SSH_PUMP_SEEN_MAX && t.n < 3 * SSH_PUMP_SEEN_MAX + 40);
	sluice_free(s);
	lab_free(l);
}

/* What is done in on_log is not told to it: there would be no end. */
Test(client_login, a_log_may_go_to_the_server)
{
	struct told t = told_at("DEBUG3", true);

	cr_expect(t.n > 20 && t.n < 500, "%u", t.n);
}

/* --- who the server is --------------------------------------------------------------------------
 */

static int on_hostkey(void *arg, struct sluice *s, const struct sluice_hostkey *k)
{
	struct sluice_hostkey *seen = arg;

	(void)s;
	*seen = *k;
	seen->line = strdup(k->line);
	seen->md5 = strdup(k->md5);
	seen->sha1 = strdup(k->sha1);
	seen->sha256 = strdup(k->sha256);
	cr_assert_str_eq(k->algorithm, "ssh-ed25519");
	cr_assert_gt(k->blob_len, 32u);
	return k->accepted;
}

/* Another connection, which believes what accept says. */
static int connect_believing(const struct lab *like, const char *keyword, const char *value,
			     const char *line)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_client();
	struct sluice_key *k = NULL;
	int r;

	key_free(l->host);
	l->host = (struct key *)like->host; /* borrowed */
	SET(s, {"AcceptAnyHostKey", "no"});
	if (keyword != NULL)
		cr_assert_eq(sluice_set(s, keyword, value), 0);
	if (line != NULL) {
		cr_assert_eq(sluice_key_public(line, &k), 0);
		cr_assert_eq(sluice_hostkey_accept(s, k), 0);
		sluice_key_free(k);
	}
	r = sluice_connect_fd(s, lab_start(l));
	sluice_free(s);
	lab_join(l);
	l->host = NULL;
	lab_free(l);
	return r;
}

Test(client_login, a_host_key_is_accepted_by_itself_and_by_each_fingerprint)
{
	struct sluice_ops ops = {.size = sizeof(ops), .on_hostkey = on_hostkey};
	struct sluice_hostkey seen = {0};
	struct lab *l = lab_new();
	struct sluice *s = lab_client();
	char both[256];

	cr_assert_eq(sluice_ops_set(s, &ops, &seen), 0);
	cr_assert_eq(sluice_connect_fd(s, lab_start(l)), 0);
	sluice_free(s);
	lab_join(l);
	cr_assert(seen.accepted);
	cr_assert_eq(connect_believing(l, NULL, NULL, seen.line), 0);
	cr_assert_eq(connect_believing(l, "AcceptHostKeyFingerprint", seen.sha256, NULL), 0);
	cr_assert_eq(connect_believing(l, "AcceptHostKeyFingerprint", seen.sha1, NULL), 0);
	cr_assert_eq(connect_believing(l, "AcceptHostKeyFingerprint", seen.md5, NULL), 0);
	cr_assert_eq(connect_believing(l, "AcceptHostKeyFingerprint", seen.md5 + 4, NULL), 0);
	snprintf(both, sizeof(both), "SHA256:%043d,%s", 0, seen.sha1);
	cr_assert_eq(connect_believing(l, "AcceptHostKeyFingerprint", both, NULL), 0);
	cr_assert_eq(connect_believing(l, "AcceptHostKeyFingerprint", "SHA256:other", NULL),
		     -SLUICE_E_HOSTKEY_REJECTED);
	lab_free(l);
	free((void *)seen.line);
	free((void *)seen.md5);
	free((void *)seen.sha1);
	free((void *)seen.sha256);
}

/* --- keys
 * ----------------------------------------------------------------------------------------- */

Test(client_login, a_key_whose_algorithms_are_not_accepted_is_not_tried)
{
	struct heard h = {0};
	struct lab *l = lab_new();
	struct sluice *s = client(&h);

	add_key(s);
	SET(s, {"AuthMode", "publickey"}, {"PubkeyAcceptedAlgorithms", "rsa-sha2-512"});
	cr_assert_eq(logon(l, s), -SLUICE_E_AUTH);
	cr_assert_eq(l->n_auth, 0u);
	sluice_free(s);
	lab_free(l);
}

/* SHA-1 is the last choice, wherever it stands, and none where nobody asked for it. */
Test(client_login, a_key_signs_by_the_best_that_both_take)
{
	static const struct {
		const char *ours, *theirs, *sig_alg;
	} t[] = {
		{"ssh-rsa,rsa-sha2-256,rsa-sha2-512", "ssh-rsa,rsa-sha2-256", "rsa-sha2-256"},
		{"ssh-rsa,rsa-sha2-256,rsa-sha2-512", "ssh-rsa,rsa-sha2-256,rsa-sha2-512",
		 "rsa-sha2-512"},
		{"ssh-rsa,rsa-sha2-512", "ssh-rsa", "ssh-rsa"},
		{NULL, "ssh-rsa", ""},
	};
	struct sluice_key *k = fresh_key("ssh-rsa", NULL);

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct lab *l = lab_new();
		struct sluice *s = lab_client();

		l->conf.server_sig_algs = t[i].theirs;
		SET(s, {"AuthMode", "publickey"});
		if (t[i].ours != NULL)
			cr_assert_eq(sluice_set(s, "PubkeyAcceptedAlgorithms", t[i].ours), 0);
		cr_assert_eq(sluice_identity_add(s, k), 0);
		cr_expect_eq(logon(l, s), *t[i].sig_alg != '\0' ? 0 : -SLUICE_E_AUTH);
		sluice_free(s);
		lab_join(l);
		cr_expect_str_eq(l->sig_alg, t[i].sig_alg);
		lab_free(l);
	}
	sluice_key_free(k);
}

Test(client_login, a_method_is_repeated_only_where_that_is_wanted)
{
	static const char *const repeat[] = {"no", "yes"};

	for (unsigned int i = 0; i < 2; i++) {
		struct heard h = {0};
		struct lab *l = lab_new();
		struct sluice *s = client(&h);

		/* Never enough: with repeats it is tried as often as there is patience. */
		l->partial_of = l->partial_want = SSH_AUTH_PASSWORD;
		SET(s, {"AuthMode", "multifactor"});
		cr_assert_eq(sluice_set(s, "RepeatAuthMethods", repeat[i]), 0);
		cr_assert_lt(logon(l, s), 0);
		cr_assert_eq(h.outcomes[2] > 1, i == 1, "%u", h.outcomes[2]);
		cr_assert_leq(l->n_auth, 500u, "and no longer");
		sluice_free(s);
		lab_free(l);
	}
}

/* The line of a certificate for a key, by the lab's host key. */
static void certificate(const struct lab *l, const struct key *k, char *line, size_t size)
{
	static const char *const names[] = {"demo"};
	const struct cert_spec spec = {.role = CERT_USER,
				       .key_id = "me",
				       .principals = names,
				       .n_principals = 1,
				       .valid_before = UINT64_MAX};
	struct key *cert = NULL;
	size_t len;
	int n;

	cr_assert_eq(cert_build(k, &spec, l->host, NULL, &cert), 0);
	n = snprintf(line, size, "%s ", key_type(cert));
	(void)key_blob(cert, &len);
	cr_assert_lt(base64_len(len) + (size_t)n, size);
	base64_encode(key_blob(cert, &len), len, line + n);
	line[(size_t)n + base64_len(len)] = '\0';
	key_free(cert);
}

Test(client_login, a_certificate_goes_before_its_key)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_client();
	struct sluice_key *k = NULL;
	struct key *made = NULL;
	char line[4096];

	k = fresh_key("ssh-ed25519", &made);
	certificate(l, l->host, line, sizeof(line));
	cr_assert_eq(sluice_key_certificate(k, line), -EINVAL);
	cr_assert_lt(sluice_key_certificate(k, "ssh-ed25519 AAAA"), 0);
	certificate(l, made, line, sizeof(line));
	key_free(made);
	cr_assert_eq(sluice_key_certificate(k, line), 0);
	cr_assert_eq(sluice_identity_add(s, k), 0);
	sluice_key_free(k);
	SET(s, {"AuthMode", "publickey"});
	cr_assert_eq(logon(l, s), 0);
	cr_assert(l->by_certificate);
	sluice_free(s);
	lab_free(l);
}
