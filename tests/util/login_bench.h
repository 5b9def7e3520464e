/*
 * tests/util/login_bench.h - control as a whole, in a thread of its own, beside a small dataplane
 * over kernel sockets, and a real client; what a client sees is what the tests look at. The clock
 * of its timers can be moved.
 */
#ifndef SLUICE_TESTS_UTIL_LOGIN_BENCH_H
#define SLUICE_TESTS_UTIL_LOGIN_BENCH_H

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <crypt.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "control/admin/admin.h"
#include "control/linkpeer.h"
#include "control/log.h"
#include "ssh/pump.h"
#include "tests/util/control_bench.h"
#include "tests/util/softplane.h"

#define N(a)        (sizeof(a) / sizeof((a)[0]))
#define PATIENCE_MS 10000 /* a step that takes longer has failed */
#define PASS_MS     60000 /* time_passes() */

/* --- control in a thread of its own ----------------------------------------------------------- */

static struct {
	uv_loop_t loop;
	uv_async_t stop, ahead;
	uint64_t ahead_ms;  /* of control's clock, before the real one; control's thread */
	atomic_uint passed; /* how often */
	struct clock *clock;
	struct session_env env;
	struct linkpeer *peer;
	struct admin_env admin_env;
	struct admin *admin;
	pthread_t thread, plane_thread;
	struct softplane *plane;
	struct key *key[3]; /* of users: 0 unrestricted, 1 restricted, 2 nobody's */
	char dir[64];
	pthread_mutex_t lock;
	char log[65536];
} t = {.dir = "/tmp/sluice-login-XXXXXX", .lock = PTHREAD_MUTEX_INITIALIZER};

static inline void sink(void *arg, enum log_level level, const char *line)
{
	size_t n;

	(void)arg;
	(void)level;
	pthread_mutex_lock(&t.lock);
	n = strlen(t.log);
	snprintf(t.log + n, sizeof(t.log) - n, "%s\n", line);
	pthread_mutex_unlock(&t.lock);
}

static inline bool logged(const char *text)
{
	bool yes;

	pthread_mutex_lock(&t.lock);
	yes = strstr(t.log, text) != NULL;
	pthread_mutex_unlock(&t.lock);
	return yes;
}

/* The line may be written a little after what the client saw. */
static inline void expect_logged(const char *text)
{
	for (int i = 0; i < PATIENCE_MS / 5 && !logged(text); i++)
		usleep(5000);
	cr_expect(logged(text), "no line \"%s\" in:\n%s", text, t.log);
}

static inline void on_stop(uv_async_t *stop)
{
	admin_close(t.admin);
	linkpeer_close(t.peer);
	control_env_close(&t.env, t.clock);
	uv_close((uv_handle_t *)&t.ahead, NULL);
	uv_close((uv_handle_t *)stop, NULL);
}

static inline uint64_t test_now_ms(void)
{
	return clock_now_ms() + t.ahead_ms;
}

/* What would be due in PASS_MS is due now. */
static inline void on_ahead(uv_async_t *ahead)
{
	(void)ahead;
	t.ahead_ms += PASS_MS;
	timers_poll(t.env.timers, test_now_ms());
	t.passed++;
}

/* It has when this returns: who comes next comes after it. */
static inline void time_passes(void)
{
	unsigned int before = t.passed;

	uv_async_send(&t.ahead);
	for (int i = 0; i < PATIENCE_MS && t.passed == before; i++)
		usleep(1000);
	cr_assert_neq(t.passed, before);
}

static inline void *control_main(void *arg)
{
	(void)arg;
	uv_run(&t.loop, UV_RUN_DEFAULT);
	return NULL;
}

static inline void *plane_main(void *arg)
{
	softplane_run(arg);
	return NULL;
}

static inline void key_line(const struct key *k, const char *options, char *out, size_t size)
{
	size_t len;
	const uint8_t *blob = key_blob(k, &len);
	char b64[1024];
	size_t n = 0;
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)blob[i] << 16;

		v |= i + 1 < len ? (uint32_t)blob[i + 1] << 8 : 0;
		v |= i + 2 < len ? blob[i + 2] : 0;
		b64[n++] = digit[v >> 18];
		b64[n++] = digit[v >> 12 & 63];
		b64[n++] = i + 1 < len ? digit[v >> 6 & 63] : '=';
		b64[n++] = i + 2 < len ? digit[v & 63] : '=';
	}
	b64[n] = '\0';
	snprintf(out, size, "%s%s%s %s\n", options, *options ? " " : "", key_type(k), b64);
}

static inline void users_make(void)
{
	char line[2048], both[4096], pw[512];
	struct crypt_data *cd = calloc(1, sizeof(*cd));

	for (size_t i = 0; i < N(t.key); i++)
		cr_assert_eq(key_generate("ssh-ed25519", 0, &t.key[i]), 0);
	key_line(t.key[0], "", both, sizeof(both));
	key_line(t.key[1], "restrict", line, sizeof(line));
	strcat(both, line);
	cr_assert_eq(mkdir(strcat(strcpy(line, t.dir), "/keys"), 0755), 0);
	control_file(t.dir, "keys/demo", both, 0600);
	control_file(t.dir, "keys/denied", both, 0600);
	control_file(t.dir, "keys/closed", both, 0600);
	control_file(t.dir, "keys/open", both, 0600);
	key_line(t.key[0], "permitopen=\"127.0.0.1:9\"", line, sizeof(line));
	control_file(t.dir, "keys/limited", line, 0600);
	key_line(t.key[0], "from=\"192.0.2.0/24\"", line, sizeof(line));
	control_file(t.dir, "keys/elsewhere", line, 0600);
	key_line(t.key[0], "expiry-time=\"20200101Z\"", line, sizeof(line));
	control_file(t.dir, "keys/expired", line, 0600);
	/* Cheap rounds: this test is not about the cost. */
	snprintf(pw, sizeof(pw), "alice:%s\nempty:\nlocked:!\n",
		 crypt_r("secret", "$5$rounds=1000$salt", cd));
	control_file(t.dir, "passwords", pw, 0600);
	free(cd);
}

static inline struct conf *conf_make(const char *more)
{
	char text[4096];
	const char *match = strstr(more, "Match ");
	int globals = match != NULL ? (int)(match - more) : (int)strlen(more);
	int n = snprintf(text, sizeof(text),
			 "%.*s\nListenAddress 127.0.0.1:22\n"
			 "AuthorizedKeysFile %s/keys/%%u\nPasswordHashFile %s/passwords\n"
			 "PasswordAuthentication yes\nLogLevel VERBOSE\nDenyUsers denied\n"
			 "PerSourcePenalties no\n"
			 "Match User open\nPermitOpen 127.0.0.1:*\n"
			 "Match User closed\nAllowTcpForwarding no\n%s\n",
			 globals, more, t.dir, t.dir, match != NULL ? match : "");

	return control_conf(text, n);
}

static inline void start(const char *more)
{
	struct session_env *e = &t.env;
	char path[128];

	if (strstr(t.dir, "XXXXXX") != NULL) /* a test may have needed it before */
		control_dir(t.dir);
	users_make();
	log_sink_set(sink, NULL);
	log_threshold_set(LOG_L_VERBOSE);
	cr_assert_eq(softplane_new(t.dir, &t.plane), 0);
	cr_assert_eq(pthread_create(&t.plane_thread, NULL, plane_main, t.plane), 0);

	uv_loop_init(&t.loop);
	uv_async_init(&t.loop, &t.stop, on_stop);
	uv_async_init(&t.loop, &t.ahead, on_ahead);
	e->conf = conf_make(more);
	e->startups.limit = (struct startups_limit){conf_global(e->conf)->startups_begin,
						    conf_global(e->conf)->startups_rate,
						    conf_global(e->conf)->startups_full};
	cr_assert_eq(door_new(conf_global(e->conf), test_now_ms(), &e->door), 0);
	control_env_open(e, &t.loop, &t.clock, test_now_ms);
	snprintf(path, sizeof(path), "%s/link.sock", t.dir);
	cr_assert_eq(linkpeer_new(&t.loop, e, path, &t.peer), 0);
	t.admin_env = (struct admin_env){.sessions = e,
					 .peers = &t.peer,
					 .n_peers = 1,
					 .conf_path = "test",
					 .began_ms = clock_now_ms()};
	snprintf(path, sizeof(path), "%s/control.sock", t.dir);
	cr_assert_eq(admin_new(&t.loop, &t.admin_env, path, &t.admin), 0);
	cr_assert_eq(pthread_create(&t.thread, NULL, control_main, NULL), 0);
	expect_logged("Server listening on 127.0.0.1 port 22.");
}

static inline void stop(void)
{
	uv_async_send(&t.stop);
	pthread_join(t.thread, NULL);
	cr_expect_eq(uv_loop_close(&t.loop), 0, "nothing is left on the loop");
	softplane_stop(t.plane);
	pthread_join(t.plane_thread, NULL);
	softplane_free(t.plane);
	control_env_free(&t.env);
	door_free(t.env.door);
	for (size_t i = 0; i < N(t.key); i++)
		key_free(t.key[i]);
	control_dir_remove(t.dir);
}

static inline void setup(void)
{
	start("");
}

/* --- a client -------------------------------------------------------------------------------- */

struct client {
	int fd;
	struct cipher_engine *engine;
	struct ssh_brain *brain;
	struct ssh_pump pump;
	uint32_t login_id;  /* of an open SSH_ACT_LOGIN; 0: none */
	uint32_t prompt_id; /* of an open SSH_ACT_PROMPT; 0: none */
	unsigned int n_prompts, n_shown; /* of those, whose answers may be seen */
	char prompts[256]; /* their texts, one behind the other */
	char prompts_name[64], instruction[64]; /* above them */
	char banner[256];
	bool in, ended;
	uint32_t reason; /* of the DISCONNECT it read; 0: none came */
	char methods[128];
	const char *host_key; /* its type */
	uint8_t reply[1024]; /* the last of 81, 82, 91, 92 */
	size_t reply_len;
};

/* Where clients come from: an address of the loopback network. */
static in_addr_t client_source = INADDR_LOOPBACK;
static const char *client_version = "SSH-2.0-test";

static inline void client_new(struct client *c, const char *user)
{
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(client_source)};
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_port = htons(softplane_port(t.plane)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timeval tv = {PATIENCE_MS / 1000, 0};
	struct ssh_brain_conf conf = {
		.role = SSH_CLIENT, .ident = client_version, .strict = SSH_STRICT_ON, .user = user};

	*c = (struct client){.fd = socket(AF_INET, SOCK_STREAM, 0)};
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	cr_assert_eq(bind(c->fd, (struct sockaddr *)&from, sizeof(from)), 0);
	cr_assert_eq(connect(c->fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	cr_assert_eq(cipher_engine_new(CIPHER_ENGINE_OPENSSL, SSH_PACKET_MAX + 64, &c->engine), 0);
	cr_assert_eq(ssh_brain_new(&conf, &c->brain), 0);
	cr_assert_eq(ssh_pump_init(&c->pump, c->engine, c->brain), 0);
	cr_assert_eq(ssh_brain_start(c->brain), 0);
}

static inline void client_free(struct client *c)
{
	ssh_pump_fini(&c->pump);
	ssh_brain_free(c->brain);
	cipher_engine_free(c->engine);
	close(c->fd);
}

static inline void client_flush(struct client *c)
{
	size_t n;
	const uint8_t *p = ssh_pump_out(&c->pump, &n);

	while (n > 0) {
		ssize_t w = send(c->fd, p, n, MSG_NOSIGNAL);

		if (w <= 0)
			break; /* the other side has closed: its bytes are still to be read */
		ssh_pump_sent(&c->pump, (size_t)w);
		p = ssh_pump_out(&c->pump, &n);
	}
}

static inline void text_keep(char *to, size_t size, struct ssh_str s)
{
	snprintf(to, size, "%.*s", (int)s.len, (const char *)s.p);
}

static bool spoil_signatures;       /* of clients */
static const struct key *sign_with; /* for a certificate; NULL: the key itself */

static inline void client_act(struct client *c, const struct ssh_act *a)
{
	switch (a->kind) {
	case SSH_ACT_JOB:
		ssh_job_run(a->job);
		cr_assert_eq(ssh_brain_job_done(c->brain, a->id, a->job), 0);
		break;
	case SSH_ACT_HOSTKEY:
		c->host_key = key_log_type(a->hostkey);
		cr_assert_eq(ssh_brain_hostkey_answer(c->brain, a->id, true), 0);
		break;
	case SSH_ACT_LOGIN:
		c->login_id = a->id;
		snprintf(c->methods, sizeof(c->methods), "%s", ssh_brain_methods(c->brain));
		break;
	case SSH_ACT_PROMPT:
		c->prompt_id = a->id;
		text_keep(c->prompts_name, sizeof(c->prompts_name), a->prompts->name);
		text_keep(c->instruction, sizeof(c->instruction), a->prompts->instruction);
		c->n_prompts = a->prompts->n;
		c->prompts[0] = '\0';
		c->n_shown = 0;
		for (unsigned int i = 0; i < c->n_prompts; i++) {
			c->n_shown += a->prompts->prompt[i].echo;
			strncat(c->prompts, (const char *)a->prompts->prompt[i].text.p,
				a->prompts->prompt[i].text.len);
		}
		break;
	case SSH_ACT_BANNER:
		snprintf(c->banner, sizeof(c->banner), "%.*s", (int)a->bytes.len,
			 (const char *)a->bytes.p);
		break;
	case SSH_ACT_SIGN: {
		uint8_t sig[KEY_SIG_MAX];
		size_t len = sizeof(sig);

		cr_assert_eq(key_sign(sign_with != NULL ? sign_with : a->sign.key, a->sign.sig_alg,
				      a->sign.data.p, a->sign.data.len, sig, &len),
			     0);
		sig[len - 1] ^= spoil_signatures;
		cr_assert_eq(ssh_brain_sign_answer(c->brain, a->id, 0, sig, len), 0);
		break;
	}
	case SSH_ACT_AUTHENTICATED:
		c->in = true;
		break;
	case SSH_ACT_CHANNEL_OTHER:
	case SSH_ACT_GLOBAL_REPLY:
		cr_assert_leq(a->bytes.len, sizeof(c->reply));
		memcpy(c->reply, a->bytes.p, a->bytes.len);
		c->reply_len = a->bytes.len;
		break;
	case SSH_ACT_PEER_DISCONNECT:
		c->reason = a->reason;
		break;
	case SSH_ACT_END:
		c->ended = true;
		break;
	default:
		break;
	}
}

/* Goes on until there is something to decide, an answer, or the end. */
static inline void client_run(struct client *c)
{
	struct ssh_act a;
	uint8_t buf[65536];
	ssize_t n;

	c->login_id = c->prompt_id = 0;
	c->reply_len = 0;
	while (!c->ended && c->login_id == 0 && c->prompt_id == 0 && c->reply_len == 0) {
		bool was_in = c->in;

		while (c->login_id == 0 && c->prompt_id == 0 && c->reply_len == 0 && !c->ended &&
		       ssh_pump_step(&c->pump, &a) == 0)
			client_act(c, &a);
		client_flush(c);
		if (c->ended || c->login_id != 0 || c->prompt_id != 0 || c->reply_len != 0 ||
		    c->in != was_in)
			return;
		n = recv(c->fd, buf, sizeof(buf), 0);
		cr_assert(n >= 0 || errno == ECONNRESET, "no answer in time");
		if (n <= 0) {
			c->ended = true;
			return;
		}
		cr_assert_eq(ssh_pump_feed(&c->pump, buf, (size_t)n), 0);
	}
}

static inline void client_start(struct client *c, const char *user)
{
	client_new(c, user);
	client_run(c);
	cr_assert_neq(c->login_id, 0);
}

static inline bool try_none(struct client *c)
{
	cr_assert_eq(ssh_brain_login_none(c->brain, c->login_id), 0);
	client_run(c);
	return c->in;
}

static inline bool try_key(struct client *c, const struct key *k)
{
	cr_assert_eq(ssh_brain_login_publickey(c->brain, c->login_id, k, "ssh-ed25519"), 0);
	client_run(c);
	return c->in;
}

/* As alice of the host k is the key of. */
static inline bool try_hostbased(struct client *c, const struct key *k, const char *host)
{
	cr_assert_eq(
		ssh_brain_login_hostbased(c->brain, c->login_id, k, "ssh-ed25519", host, "alice"),
		0);
	client_run(c);
	return c->in;
}

static inline bool try_password(struct client *c, const char *pw, size_t len)
{
	cr_assert_eq(ssh_brain_login_password(c->brain, c->login_id, pw, len), 0);
	client_run(c);
	return c->in;
}

/* As far as the first questions; false: there are none. */
static inline bool try_kbdint(struct client *c)
{
	cr_assert_eq(ssh_brain_login_kbdint(c->brain, c->login_id, ""), 0);
	client_run(c);
	return c->prompt_id != 0;
}

static inline bool answer(struct client *c, const char *first, const char *second)
{
	const struct ssh_str response[] = {ssh_str_c(first),
					   ssh_str_c(second != NULL ? second : "")};

	cr_assert_eq(
		ssh_brain_prompt_answer(c->brain, c->prompt_id, second != NULL ? 2 : 1, response),
		0);
	client_run(c);
	return c->in;
}

static inline bool login(struct client *c, const char *user, const struct key *k)
{
	client_start(c, user);
	return try_key(c, k);
}

/* Opens a channel: 0 when confirmed, else the reason of the refusal. */
static inline uint32_t open_type(struct client *c, const char *type, const void *rest,
				 uint32_t rest_len)
{
	static uint32_t id;
	struct ssh_chan_open m = {.type = ssh_str_c(type),
				  .sender_channel = id++,
				  .window_size = 65536,
				  .packet_max = 32768,
				  .rest = {rest, rest_len}};
	struct ssh_chan_failure f;
	uint8_t buf[1024];
	struct ssh_wr w;
	struct ssh_rd r;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_open_build(&w, &m);
	cr_assert_eq(ssh_brain_send(c->brain, buf, ssh_wr_done(&w)), 0);
	/* The target of a channel that is open already may speak first. */
	do {
		client_run(c);
		cr_assert_gt(c->reply_len, 0);
	} while (c->reply[0] == SSH_MSG_CHANNEL_DATA ||
		 c->reply[0] == SSH_MSG_CHANNEL_WINDOW_ADJUST);
	if (c->reply[0] == SSH_MSG_CHANNEL_OPEN_CONFIRMATION)
		return 0;
	cr_assert_eq(c->reply[0], SSH_MSG_CHANNEL_OPEN_FAILURE);
	ssh_rd_init(&r, c->reply + 1, c->reply_len - 1);
	cr_assert_eq(ssh_chan_failure_parse(&r, &f), 0);
	cr_expect_eq(f.recipient_channel, m.sender_channel);
	return f.reason;
}

static inline uint32_t open_direct(struct client *c, const char *host, uint32_t port)
{
	uint8_t buf[512];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_cstr(&w, host);
	ssh_wr_u32(&w, port);
	ssh_wr_cstr(&w, "127.0.0.1");
	ssh_wr_u32(&w, 1);
	return open_type(c, "direct-tcpip", buf, (uint32_t)ssh_wr_done(&w));
}

static inline uint8_t global(struct client *c, const char *name)
{
	uint8_t buf[256];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_u8(&w, SSH_MSG_GLOBAL_REQUEST);
	ssh_wr_cstr(&w, name);
	ssh_wr_bool(&w, true);
	ssh_wr_cstr(&w, "");
	ssh_wr_u32(&w, 0);
	cr_assert_eq(ssh_brain_send(c->brain, buf, ssh_wr_done(&w)), 0);
	client_run(c);
	return c->reply_len > 0 ? c->reply[0] : 0;
}

#endif
