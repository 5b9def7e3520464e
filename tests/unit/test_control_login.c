/*
 * control as a whole: logins and decisions of a real client through a small dataplane over
 * kernel sockets (S-01, S-23, S-24, S-28, S-32, S-46, S-54, S-74, S-76, F-38).
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <crypt.h>
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "control/admin/admin.h"
#include "control/clock.h"
#include "control/linkpeer.h"
#include "control/log.h"
#include "crypto/passwd.h"
#include "link/stats.h"
#include "ssh/kexinit.h"
#include "ssh/pump.h"
#include "tests/util/softplane.h"

#define N(a)        (sizeof(a) / sizeof((a)[0]))
#define PATIENCE_MS 10000 /* a step that takes longer has failed */

/* --- control in a thread of its own ----------------------------------------------------------- */

static struct {
	uv_loop_t loop;
	uv_async_t stop;
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

static void sink(void *arg, enum log_level level, const char *line)
{
	size_t n;

	(void)arg;
	(void)level;
	pthread_mutex_lock(&t.lock);
	n = strlen(t.log);
	snprintf(t.log + n, sizeof(t.log) - n, "%s\n", line);
	pthread_mutex_unlock(&t.lock);
}

static bool logged(const char *text)
{
	bool yes;

	pthread_mutex_lock(&t.lock);
	yes = strstr(t.log, text) != NULL;
	pthread_mutex_unlock(&t.lock);
	return yes;
}

/* The line may be written a little after what the client saw. */
static void expect_logged(const char *text)
{
	for (int i = 0; i < PATIENCE_MS / 5 && !logged(text); i++)
		usleep(5000);
	cr_expect(logged(text), "no line \"%s\" in:\n%s", text, t.log);
}

static void on_stop(uv_async_t *stop)
{
	admin_close(t.admin);
	linkpeer_close(t.peer);
	resolver_close(t.env.resolver);
	pool_close(t.env.files);
	pool_close(t.env.compute);
	clock_close(t.clock);
	uv_close((uv_handle_t *)stop, NULL);
}

static void *control_main(void *arg)
{
	(void)arg;
	uv_run(&t.loop, UV_RUN_DEFAULT);
	return NULL;
}

static void *plane_main(void *arg)
{
	softplane_run(arg);
	return NULL;
}

static void put(const char *name, const char *text, mode_t mode)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", t.dir, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
	cr_assert_eq(chmod(path, mode), 0);
}

static void key_line(const struct key *k, const char *options, char *out, size_t size)
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

static void users_make(void)
{
	char line[2048], both[4096], pw[512];
	struct crypt_data *cd = calloc(1, sizeof(*cd));

	for (size_t i = 0; i < N(t.key); i++)
		cr_assert_eq(key_generate("ssh-ed25519", 0, &t.key[i]), 0);
	key_line(t.key[0], "", both, sizeof(both));
	key_line(t.key[1], "restrict", line, sizeof(line));
	strcat(both, line);
	cr_assert_eq(mkdir(strcat(strcpy(line, t.dir), "/keys"), 0755), 0);
	put("keys/demo", both, 0600);
	put("keys/denied", both, 0600);
	put("keys/closed", both, 0600);
	put("keys/open", both, 0600);
	key_line(t.key[0], "permitopen=\"127.0.0.1:9\"", line, sizeof(line));
	put("keys/limited", line, 0600);
	key_line(t.key[0], "from=\"192.0.2.0/24\"", line, sizeof(line));
	put("keys/elsewhere", line, 0600);
	key_line(t.key[0], "expiry-time=\"20200101Z\"", line, sizeof(line));
	put("keys/expired", line, 0600);
	/* Cheap rounds: this test is not about the cost. */
	snprintf(pw, sizeof(pw), "alice:%s\nempty:\nlocked:!\n",
		 crypt_r("secret", "$5$rounds=1000$salt", cd));
	put("passwords", pw, 0600);
	free(cd);
}

static struct conf *conf_make(const char *more)
{
	char text[4096];
	struct conf *conf = NULL;
	char *errors = NULL;
	const struct conf_algs algs = {
		.ciphers = {SSH_DEFAULT_CIPHERS, SSH_DEFAULT_CIPHERS},
		.macs = {SSH_DEFAULT_MACS, SSH_DEFAULT_MACS},
		.kex = {SSH_DEFAULT_KEX, SSH_DEFAULT_KEX},
		.hostkey = {SSH_DEFAULT_HOSTKEY, SSH_DEFAULT_HOSTKEY},
		.pubkey_accepted = {SSH_DEFAULT_HOSTKEY, SSH_DEFAULT_HOSTKEY},
	};
	const char *match = strstr(more, "Match ");
	int globals = match != NULL ? (int)(match - more) : (int)strlen(more);
	int n = snprintf(text, sizeof(text),
			 "%.*s\nListenAddress 127.0.0.1:22\n"
			 "AuthorizedKeysFile %s/keys/%%u\nPasswordHashFile %s/passwords\n"
			 "PasswordAuthentication yes\nLogLevel VERBOSE\nDenyUsers denied\n"
			 "Match User open\nPermitOpen 127.0.0.1:*\n"
			 "Match User closed\nAllowTcpForwarding no\n%s\n",
			 globals, more, t.dir, t.dir, match != NULL ? match : "");

	cr_assert_eq(conf_parse("test", text, (size_t)n, &algs, &conf, &errors), 0, "%s", errors);
	return conf;
}

static void start(const char *more)
{
	struct key *host = NULL;
	struct session_env *e = &t.env;
	char path[128];

	cr_assert_not_null(mkdtemp(t.dir));
	cr_assert_eq(chmod(t.dir, 0755), 0);
	users_make();
	log_sink_set(sink, NULL);
	log_threshold_set(LOG_L_VERBOSE);
	cr_assert_eq(softplane_new(t.dir, &t.plane), 0);
	cr_assert_eq(pthread_create(&t.plane_thread, NULL, plane_main, t.plane), 0);

	uv_loop_init(&t.loop);
	uv_async_init(&t.loop, &t.stop, on_stop);
	e->conf = conf_make(more);
	e->startups.limit = (struct startups_limit){conf_global(e->conf)->startups_begin,
						    conf_global(e->conf)->startups_rate,
						    conf_global(e->conf)->startups_full};
	e->ident = "SSH-2.0-Sluice_test";
	e->now_ms = clock_now_ms;
	cr_assert_eq(timers_new(&e->timers), 0);
	cr_assert_eq(clock_new(&t.loop, e->timers, &t.clock), 0);
	cr_assert_eq(pool_new(&t.loop, e->timers, 2, 64, &e->compute), 0);
	cr_assert_eq(pool_new(&t.loop, e->timers, 2, 64, &e->files), 0);
	cr_assert_eq(signer_new(e->compute, &e->signer), 0);
	cr_assert_eq(resolver_new(&t.loop, e->timers, &e->resolver), 0);
	cr_assert_eq(key_generate("ssh-ed25519", 0, &host), 0);
	cr_assert_eq(signer_add(e->signer, host), 0);
	cr_assert_eq(blob_key_new(&e->blob_key), 0);
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

static void stop(void)
{
	char cmd[128];

	uv_async_send(&t.stop);
	pthread_join(t.thread, NULL);
	cr_expect_eq(uv_loop_close(&t.loop), 0, "nothing is left on the loop");
	softplane_stop(t.plane);
	pthread_join(t.plane_thread, NULL);
	softplane_free(t.plane);
	signer_free(t.env.signer);
	blob_key_free(t.env.blob_key);
	timers_free(t.env.timers);
	conf_put(t.env.conf);
	for (size_t i = 0; i < N(t.key); i++)
		key_free(t.key[i]);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", t.dir);
	cr_expect_eq(system(cmd), 0);
}

static void setup(void)
{
	start("");
}

TestSuite(control_login, .init = setup, .fini = stop, .timeout = 60);
/* With a configuration of their own. */
TestSuite(control_limits, .fini = stop, .timeout = 60);

/* --- a client -------------------------------------------------------------------------------- */

struct client {
	int fd;
	struct cipher_engine *engine;
	struct ssh_brain *brain;
	struct ssh_pump pump;
	uint32_t login_id; /* of an open SSH_ACT_LOGIN; 0: none */
	bool in, ended;
	char methods[128];
	uint8_t reply[1024]; /* the last of 81, 82, 91, 92 */
	size_t reply_len;
};

static void client_new(struct client *c, const char *user)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_port = htons(softplane_port(t.plane)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timeval tv = {PATIENCE_MS / 1000, 0};
	struct ssh_brain_conf conf = {
		.role = SSH_CLIENT, .ident = "SSH-2.0-test", .strict = SSH_STRICT_ON, .user = user};

	*c = (struct client){.fd = socket(AF_INET, SOCK_STREAM, 0)};
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	cr_assert_eq(connect(c->fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	cr_assert_eq(cipher_engine_new(CIPHER_ENGINE_OPENSSL, SSH_PACKET_MAX + 64, &c->engine), 0);
	cr_assert_eq(ssh_brain_new(&conf, &c->brain), 0);
	cr_assert_eq(ssh_pump_init(&c->pump, c->engine, c->brain), 0);
	cr_assert_eq(ssh_brain_start(c->brain), 0);
}

static void client_free(struct client *c)
{
	ssh_pump_fini(&c->pump);
	ssh_brain_free(c->brain);
	cipher_engine_free(c->engine);
	close(c->fd);
}

static void client_flush(struct client *c)
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

static void client_act(struct client *c, const struct ssh_act *a)
{
	switch (a->kind) {
	case SSH_ACT_JOB:
		ssh_job_run(a->job);
		cr_assert_eq(ssh_brain_job_done(c->brain, a->id, a->job), 0);
		break;
	case SSH_ACT_HOSTKEY:
		cr_assert_eq(ssh_brain_hostkey_answer(c->brain, a->id, true), 0);
		break;
	case SSH_ACT_LOGIN:
		c->login_id = a->id;
		snprintf(c->methods, sizeof(c->methods), "%s", ssh_brain_methods(c->brain));
		break;
	case SSH_ACT_SIGN: {
		uint8_t sig[KEY_SIG_MAX];
		size_t len = sizeof(sig);

		cr_assert_eq(key_sign(a->sign.key, a->sign.sig_alg, a->sign.data.p,
				      a->sign.data.len, sig, &len),
			     0);
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
	case SSH_ACT_END:
		c->ended = true;
		break;
	default:
		break;
	}
}

/* Goes on until there is something to decide, an answer, or the end. */
static void client_run(struct client *c)
{
	struct ssh_act a;
	uint8_t buf[65536];
	ssize_t n;

	c->login_id = 0;
	c->reply_len = 0;
	while (!c->ended && c->login_id == 0 && c->reply_len == 0) {
		bool was_in = c->in;

		while (c->login_id == 0 && c->reply_len == 0 && !c->ended &&
		       ssh_pump_step(&c->pump, &a) == 0)
			client_act(c, &a);
		client_flush(c);
		if (c->ended || c->login_id != 0 || c->reply_len != 0 || c->in != was_in)
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

static void client_start(struct client *c, const char *user)
{
	client_new(c, user);
	client_run(c);
	cr_assert_neq(c->login_id, 0);
}

static bool try_none(struct client *c)
{
	cr_assert_eq(ssh_brain_login_none(c->brain, c->login_id), 0);
	client_run(c);
	return c->in;
}

static bool try_key(struct client *c, const struct key *k)
{
	cr_assert_eq(ssh_brain_login_publickey(c->brain, c->login_id, k, "ssh-ed25519"), 0);
	client_run(c);
	return c->in;
}

static bool try_password(struct client *c, const char *pw, size_t len)
{
	cr_assert_eq(ssh_brain_login_password(c->brain, c->login_id, pw, len), 0);
	client_run(c);
	return c->in;
}

static bool login(struct client *c, const char *user, const struct key *k)
{
	client_start(c, user);
	return try_key(c, k);
}

/* Opens a channel: 0 when confirmed, else the reason of the refusal. */
static uint32_t open_type(struct client *c, const char *type, const void *rest, uint32_t rest_len)
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
	} while (c->reply[0] == SSH_MSG_CHANNEL_DATA || c->reply[0] == SSH_MSG_CHANNEL_WINDOW_ADJUST);
	if (c->reply[0] == SSH_MSG_CHANNEL_OPEN_CONFIRMATION)
		return 0;
	cr_assert_eq(c->reply[0], SSH_MSG_CHANNEL_OPEN_FAILURE);
	ssh_rd_init(&r, c->reply + 1, c->reply_len - 1);
	cr_assert_eq(ssh_chan_failure_parse(&r, &f), 0);
	cr_expect_eq(f.recipient_channel, m.sender_channel);
	return f.reason;
}

static uint32_t open_direct(struct client *c, const char *host, uint32_t port)
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

static uint8_t global(struct client *c, const char *name)
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

/* --- logins -------------------------------------------------------------------------------------
 */

Test(control_login, a_key_of_the_file_lets_in)
{
	struct client c;
	char want[256], print[128];

	cr_expect(login(&c, "demo", t.key[0]));
	key_fingerprint(t.key[0], print, sizeof(print));
	snprintf(want, sizeof(want), " port %u ssh2: ED25519 %s\n", 0, print);
	expect_logged("Connection from 127.0.0.1 port ");
	expect_logged("Accepted publickey for demo from 127.0.0.1 port ");
	expect_logged(strstr(want, " ssh2: "));
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_AUTHENTICATED), 1);
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_FIRST_KEX_STRICT), 1);
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_TX_KEYS), 1);
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_RX_KEYS), 1);
	client_free(&c);
	expect_logged("Connection closed by user demo 127.0.0.1 port ");
	expect_logged("connection end: user demo from 127.0.0.1 port ");
}

Test(control_login, the_blob_is_left_and_ends_are_acknowledged)
{
	struct client c;

	cr_expect(login(&c, "demo", t.key[0]));
	cr_expect_eq(global(&c, "keepalive@openssh.com"), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_BLOB), 1);
	client_free(&c);
	for (int i = 0; i < 1000 && softplane_seen(t.plane, LINK_CMD_AUDIT_ACK) == 0; i++)
		usleep(5000);
	cr_expect_geq(softplane_seen(t.plane, LINK_CMD_AUDIT_ACK), 1);
}

Test(control_login, keys_that_do_not_let_in)
{
	static const struct {
		const char *user;
		int key;
		const char *line;
	} c[] = {
		{"demo", 2, "Failed publickey for demo from "},
		{"nobody-here", 0, "Invalid user nobody-here from 127.0.0.1 port "},
		{"../keys/demo", 0, "Invalid user ../keys/demo from "},
		{"a\nb", 0, "Invalid user a\\012b from "},
		{"-demo", 0, "Invalid user -demo from "},
		{"denied", 0, "User denied from 127.0.0.1 not allowed because "},
		{"elsewhere", 0,
		 "Authentication tried for elsewhere with correct key but not from a permitted "
		 "host "
		 "(host=127.0.0.1, ip=127.0.0.1, required=192.0.2.0/24)."},
		{"expired", 0, "Authentication tried for expired with an expired key"},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct client cl;

		cr_expect(!login(&cl, c[i].user, t.key[c[i].key]), "%s", c[i].user);
		cr_expect_neq(cl.login_id, 0, "asked again");
		client_free(&cl);
		expect_logged(c[i].line);
	}
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_AUTHENTICATED), 0);
	expect_logged("Failed publickey for invalid user nobody-here from ");
	expect_logged("Connection closed by invalid user nobody-here 127.0.0.1 port ");
	expect_logged("Connection closed by authenticating user demo 127.0.0.1 port ");
}

Test(control_login, passwords)
{
	struct client c;

	client_start(&c, "alice");
	cr_expect(!try_password(&c, "wrong", 5));
	cr_expect(!try_password(&c, "", 0));
	cr_expect(try_password(&c, "secret", 6));
	client_free(&c);
	expect_logged("Failed password for alice from 127.0.0.1 port ");
	expect_logged("Accepted password for alice from 127.0.0.1 port ");
}

Test(control_login, passwords_that_let_nobody_in)
{
	static const char *const user[] = {"empty",  "locked",      "demo",
					   "denied", "nobody-here", "alice:$5$rounds=1000$salt"};

	for (size_t i = 0; i < N(user); i++) {
		struct client c;

		client_start(&c, user[i]);
		cr_expect(!try_none(&c), "%s", user[i]);
		cr_expect(!try_password(&c, "", 0), "%s", user[i]);
		cr_expect(!try_password(&c, "secret", 6), "%s", user[i]);
		cr_expect(!try_password(&c, "!", 1), "%s", user[i]);
		client_free(&c);
	}
	expect_logged("Failed password for invalid user nobody-here from 127.0.0.1 port ");
}

/* S-32: who exists and who does not are answered alike. */
Test(control_login, the_unknown_see_the_same_sequence)
{
	static const char *const user[] = {"demo", "alice", "nobody-here", "..", "denied"};

	for (size_t i = 0; i < N(user); i++) {
		struct client c;

		client_start(&c, user[i]);
		cr_expect(!try_none(&c));
		cr_expect_str_eq(c.methods, "publickey,password", "%s: %s", user[i], c.methods);
		cr_expect(!try_key(&c, t.key[2]));
		cr_expect_str_eq(c.methods, "publickey,password");
		cr_expect(!try_password(&c, "x", 1));
		cr_expect_str_eq(c.methods, "publickey,password");
		client_free(&c);
	}
}

Test(control_login, tries_are_counted)
{
	struct client c;
	int n = 0;

	client_start(&c, "demo");
	while (!c.ended && n < 20) {
		try_key(&c, t.key[2]);
		n++;
	}
	cr_expect_eq(n, 6, "MaxAuthTries");
	client_free(&c);
	expect_logged("maximum authentication attempts exceeded for demo from 127.0.0.1 port ");
}

/* --- the permissions of the key that signed (S-23) -----------------------------------------------
 */

static uint8_t raw_next(struct client *c)
{
	const uint8_t *p;
	uint8_t buf[65536];
	uint32_t seqnr;
	size_t len;

	for (;;) {
		int r = ssh_flat_next(&c->pump.flat, &p, &len, &seqnr);
		ssize_t n;

		if (r == 0 && p[0] != SSH_MSG_EXT_INFO && p[0] != SSH_MSG_IGNORE &&
		    p[0] != SSH_MSG_DEBUG) {
			c->reply_len = len < sizeof(c->reply) ? len : sizeof(c->reply);
			memcpy(c->reply, p, c->reply_len);
			return p[0];
		}
		if (r == 0)
			continue;
		cr_assert_eq(r, -EAGAIN);
		n = recv(c->fd, buf, sizeof(buf), 0);
		if (n <= 0)
			return 0;
		ssh_flat_feed(&c->pump.flat, buf, (size_t)n);
	}
}

static uint8_t raw_send(struct client *c, const void *p, size_t len)
{
	cr_assert_eq(ssh_flat_send(&c->pump.flat, p, len), 0);
	client_flush(c);
	return raw_next(c);
}

/* A publickey request, signed or a query; the brain of the client does not see it. */
static uint8_t raw_publickey(struct client *c, const struct key *k, bool sign)
{
	struct ssh_str sid = ssh_brain_session_id(c->brain), blob = {0};
	uint8_t buf[4096], sig[KEY_SIG_MAX];
	size_t blob_len, sig_len = sizeof(sig), n;
	struct ssh_wr w;

	blob.p = key_blob(k, &blob_len);
	blob.len = (uint32_t)blob_len;
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_str(&w, sid);
	ssh_wr_u8(&w, SSH_MSG_USERAUTH_REQUEST);
	ssh_wr_cstr(&w, "demo");
	ssh_wr_cstr(&w, "ssh-connection");
	ssh_wr_cstr(&w, "publickey");
	ssh_wr_bool(&w, sign);
	ssh_wr_cstr(&w, "ssh-ed25519");
	ssh_wr_str(&w, blob);
	n = ssh_wr_done(&w);
	if (sign) {
		cr_assert_eq(key_sign(k, "ssh-ed25519", buf, n, sig, &sig_len), 0);
		ssh_wr_str(&w, (struct ssh_str){sig, (uint32_t)sig_len});
		n = ssh_wr_done(&w);
	}
	return raw_send(c, buf + 4 + sid.len, n - 4 - sid.len);
}

/* 0: confirmed; else the reason. */
static uint32_t raw_open(struct client *c)
{
	uint8_t buf[256];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_u8(&w, SSH_MSG_CHANNEL_OPEN);
	ssh_wr_cstr(&w, "direct-tcpip");
	ssh_wr_u32(&w, 0);
	ssh_wr_u32(&w, 65536);
	ssh_wr_u32(&w, 32768);
	ssh_wr_cstr(&w, "bad host");
	ssh_wr_u32(&w, 80);
	ssh_wr_cstr(&w, "127.0.0.1");
	ssh_wr_u32(&w, 1);
	cr_assert_eq(raw_send(c, buf, ssh_wr_done(&w)), SSH_MSG_CHANNEL_OPEN_FAILURE);
	return (uint32_t)c->reply[8];
}

Test(control_login, permissions_are_those_of_the_key_that_signed)
{
	/* Key 0 may forward, key 1 is restricted: every order of asking before signing. */
	for (unsigned int order = 0; order < 16; order++) {
		unsigned int signer = order & 1;
		struct client c;
		char want[160], print[128];

		client_start(&c, "demo");
		for (unsigned int q = 1; q < 4; q++)
			cr_expect_eq(raw_publickey(&c, t.key[order >> q & 1], false),
				     SSH_MSG_USERAUTH_PK_OK);
		cr_assert_eq(raw_publickey(&c, t.key[signer], true), SSH_MSG_USERAUTH_SUCCESS);
		/* The name cannot be resolved; that is said only to those who may ask. */
		cr_expect_eq(raw_open(&c), signer == 0 ? SSH_OPEN_CONNECT_FAILED
						       : SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
		key_fingerprint(t.key[signer], print, sizeof(print));
		snprintf(want, sizeof(want), "ssh2: ED25519 %s\n", print);
		expect_logged(want);
		client_free(&c);
	}
}

/* What a client of ours would not send. */
Test(control_login, passwords_too_long_or_with_a_nul)
{
	static char big[4 * PASSWD_MAX];
	static const struct {
		const char *p;
		uint32_t len;
	} pw[] = {{big, PASSWD_MAX + 1}, {big, sizeof(big)}, {"secret\0x", 8}, {"secret\0", 7}};
	struct client c;

	memset(big, 'x', sizeof(big));
	client_start(&c, "alice");
	for (size_t i = 0; i < N(pw); i++) {
		uint8_t buf[8192];
		struct ssh_wr w;

		ssh_wr_init(&w, buf, sizeof(buf));
		ssh_wr_u8(&w, SSH_MSG_USERAUTH_REQUEST);
		ssh_wr_cstr(&w, "alice");
		ssh_wr_cstr(&w, "ssh-connection");
		ssh_wr_cstr(&w, "password");
		ssh_wr_bool(&w, false);
		ssh_wr_str(&w, (struct ssh_str){(const uint8_t *)pw[i].p, pw[i].len});
		cr_expect_eq(raw_send(&c, buf, ssh_wr_done(&w)), SSH_MSG_USERAUTH_FAILURE, "%zu",
			     i);
	}
	client_free(&c);
	expect_logged("Failed password for alice from ");
}

/* S-01, S-02: nothing of the connection protocol before authentication. */
Test(control_login, no_channel_before_authentication)
{
	static const uint8_t msg[] = {SSH_MSG_USERAUTH_SUCCESS, SSH_MSG_GLOBAL_REQUEST,
				      SSH_MSG_CHANNEL_OPEN, SSH_MSG_CHANNEL_DATA,
				      SSH_MSG_CHANNEL_REQUEST};

	for (size_t i = 0; i < N(msg); i++) {
		uint8_t buf[64] = {msg[i]};
		struct client c;

		client_start(&c, "demo");
		cr_expect_eq(raw_send(&c, buf, sizeof(buf)), SSH_MSG_DISCONNECT, "%u", msg[i]);
		cr_expect_eq(raw_next(&c), 0);
		client_free(&c);
	}
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_CHAN_CONNECT), 0);
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_AUTHENTICATED), 0);
}

/* --- channels and requests
 * -------------------------------------------------------------------------- */

Test(control_login, a_permitted_target_is_connected)
{
	struct link_chan_connect m;
	struct client c;

	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_eq(open_direct(&c, "127.0.0.1", softplane_port(t.plane)), 0);
	cr_assert(softplane_last_connect(t.plane, &m));
	cr_expect_eq(m.n_addrs, 1);
	cr_expect_eq(m.addr[0].port, softplane_port(t.plane));
	cr_expect_eq(m.peer_window, 65536);
	cr_expect_eq(m.peer_packet_max, 32768);
	cr_expect(m.connect_timeout_ms > 50000 && m.connect_timeout_ms <= 60000);
	client_free(&c);
	expect_logged("channel end: user open from 127.0.0.1 port ");
}

Test(control_login, targets_that_are_refused)
{
	static const struct {
		const char *user;
		int key;
		const char *host;
		uint32_t port, reason;
	} c[] = {
		{"demo", 0, "127.0.0.1", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"demo", 0, "localhost", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"demo", 0, "::1", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"demo", 0, "::ffff:127.0.0.1", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"demo", 0, "0.0.0.0", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"demo", 0, "169.254.169.254", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"demo", 0, "224.0.0.1", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"demo", 0, "bad host", 80, SSH_OPEN_CONNECT_FAILED},
		{"demo", 0, "fe80::1%lo", 80, SSH_OPEN_CONNECT_FAILED},
		{"demo", 0, "10.0.0.1", 0, SSH_OPEN_CONNECT_FAILED},
		{"demo", 0, "10.0.0.1", 65536, SSH_OPEN_CONNECT_FAILED},
		{"demo", 1, "10.0.0.1", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"closed", 0, "10.0.0.1", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"open", 0, "10.0.0.1", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"open", 0, "localhost", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"open", 1, "127.0.0.1", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"limited", 0, "10.0.0.1", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		/* A key file's permitopen= does not open special addresses. */
		{"limited", 0, "127.0.0.1", 9, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct client cl;

		cr_assert(login(&cl, c[i].user, t.key[c[i].key]));
		cr_expect_eq(open_direct(&cl, c[i].host, c[i].port), c[i].reason, "case %zu: %s %s",
			     i, c[i].user, c[i].host);
		client_free(&cl);
	}
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_CHAN_CONNECT), 0);
	expect_logged("to connect to host localhost port 80, but the request was denied.");
}

Test(control_login, other_channels_and_requests)
{
	struct client c;

	cr_assert(login(&c, "demo", t.key[0]));
	cr_expect_eq(open_type(&c, "session", "", 0), SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	cr_expect_eq(open_type(&c, "direct-streamlocal@openssh.com", "", 0),
		     SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	cr_expect_eq(open_type(&c, "forwarded-tcpip", "", 0), SSH_OPEN_UNKNOWN_CHANNEL_TYPE);
	cr_expect_eq(open_type(&c, "x11", "", 0), SSH_OPEN_UNKNOWN_CHANNEL_TYPE);
	cr_expect_eq(open_type(&c, "direct-tcpip", "garbage", 7), SSH_OPEN_CONNECT_FAILED);
	cr_expect_eq(global(&c, "keepalive@openssh.com"), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(global(&c, "tcpip-forward"), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(global(&c, "no-such-request"), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(global(&c, "no-more-sessions@openssh.com"), SSH_MSG_REQUEST_SUCCESS);
	client_free(&c);
}

/* S-54 at the size of a unit test. */
Test(control_login, refused_opens_leave_nothing_behind)
{
	struct client c;

	cr_assert(login(&c, "closed", t.key[0]));
	for (int i = 0; i < 500; i++)
		cr_assert_eq(open_direct(&c, "10.0.0.1", 80), SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	client_free(&c);
}

/* --- what the operator sees of it ------------------------------------------------------------- */

static json_t *ask(const char *request)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	FILE *f;
	json_t *v;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%.80s/control.sock", t.dir);
	cr_assert_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	cr_assert_eq(write(fd, request, strlen(request)), (ssize_t)strlen(request));
	shutdown(fd, SHUT_WR);
	f = fdopen(fd, "r");
	v = json_loadf(f, 0, NULL);
	fclose(f);
	cr_assert_not_null(v);
	return v;
}

static json_int_t number(const json_t *v, const char *group, const char *name)
{
	return json_integer_value(json_object_get(json_object_get(v, group), name));
}

static void expect_now(json_int_t connections, json_int_t authenticated, json_int_t channels)
{
	json_t *v = NULL;

	for (int i = 0; i < PATIENCE_MS / 5; i++) {
		json_decref(v);
		v = ask("show info\n");
		if (number(v, "now", "connections") == connections &&
		    number(v, "now", "authenticated") == authenticated &&
		    number(v, "now", "channels") == channels)
			break;
		usleep(5000);
	}
	cr_expect_eq(number(v, "now", "connections"), connections, "%d connections",
		     (int)number(v, "now", "connections"));
	cr_expect_eq(number(v, "now", "authenticated"), authenticated);
	cr_expect_eq(number(v, "now", "channels"), channels, "%d channels",
		     (int)number(v, "now", "channels"));
	json_decref(v);
}

Test(control_login, the_admin_socket_counts_logins_tries_and_channels)
{
	struct client c;
	json_t *v, *plane;

	expect_now(0, 0, 0);
	client_start(&c, "open");
	expect_now(1, 0, 0);
	cr_expect_not(try_none(&c));
	cr_expect_not(try_key(&c, t.key[2]));
	cr_expect(try_key(&c, t.key[0]));
	expect_now(1, 1, 0);
	cr_expect_eq(open_direct(&c, "127.0.0.1", softplane_port(t.plane)), 0);
	cr_expect_neq(open_direct(&c, "10.0.0.1", 80), 0);
	expect_now(2, 1, 1); /* the channel leads back to the gateway */
	v = ask("show info\n");
	cr_expect_eq(number(v, "total", "accepted"), 2);
	cr_expect_eq(number(v, "total", "logins"), 1);
	cr_expect_eq(number(v, "total", "failed_tries"), 1, "none and a key that is not there: %d",
		     (int)number(v, "total", "failed_tries"));
	plane = json_array_get(json_object_get(v, "dataplanes"), 0);
	cr_expect(json_is_true(json_object_get(plane, "attached")));
	cr_expect_eq(json_integer_value(json_object_get(plane, "shards")), 1);
	cr_expect_gt(json_string_length(json_object_get(plane, "name")), 0);
	json_decref(v);
	client_free(&c);
	expect_now(0, 0, 0);
}

/* The shard of "show counters"; *ret is the whole answer. */
static const json_t *shard_counters(json_t **ret)
{
	const json_t *list;

	*ret = ask("show counters\n");
	list = json_object_get(*ret, "shards");
	cr_assert_eq(json_array_size(list), 1);
	return json_array_get(list, 0);
}

/* A file as a shard shares it: two counters, one of them of an interface. */
static void share_counters(const char *path)
{
	struct {
		struct link_stats head;
		uint64_t value[2];
		struct link_stats_info info[2];
	} f = {
		.head = {LINK_STATS_VERSION, 2, sizeof(f.head), sizeof(f.head) + sizeof(f.value)},
		.value = {7, UINT64_C(1) << 40},
		.info = {{"net", "", "SHORT", "too \xff short"},
			 {"port", "outside", "RX_MISSED", "queue full"}},
	};
	FILE *out = fopen(path, "w");

	cr_assert_not_null(out);
	cr_assert_eq(fwrite(&f, sizeof(f), 1, out), 1);
	fclose(out);
}

Test(control_login, the_admin_socket_shows_what_a_shard_shares)
{
	const char *room, *name, *text, *object;
	json_int_t value[2];
	const json_t *shard;
	char path[128];
	json_t *v;

	expect_now(0, 0, 0);
	snprintf(path, sizeof(path), "%s/shard0.stats", t.dir);
	shard = shard_counters(&v); /* the soft dataplane shares none */
	cr_expect_str_eq(json_string_value(json_object_get(shard, "error")),
			 "No such file or directory");
	json_decref(v);

	share_counters(path);
	shard = shard_counters(&v);
	cr_assert_eq(json_unpack((json_t *)(uintptr_t)shard,
				 "{s:s, s:i, s:[{s:s, s:s, s:I, s:s !}, {s:s, s:s, s:I} !] !}",
				 "dataplane", &name, "shard", &(int){0}, "counters", "room", &room,
				 "name", &name, "value", &value[0], "text", &text, "object",
				 &object, "name", &name, "value", &value[1]),
		     0);
	cr_expect_str_eq(room, "net");
	cr_expect_str_eq(text, "too \\377 short", "%s", text);
	cr_expect_str_eq(object, "outside");
	cr_expect_eq(value[0], 7);
	cr_expect_eq(value[1], INT64_C(1) << 40);
	json_decref(v);

	cr_assert_eq(truncate(path, 100), 0);
	shard = shard_counters(&v);
	cr_expect_not_null(json_object_get(shard, "error"));
	cr_expect_null(json_object_get(shard, "counters"));
	json_decref(v);
}

Test(control_login, the_admin_socket_shows_who_is_in)
{
	struct client in, out;
	json_t *v, *list;
	unsigned int named = 0;

	cr_assert(login(&in, "demo", t.key[0]));
	client_start(&out, "somebody");
	cr_expect_not(try_key(&out, t.key[2]));
	v = ask("show connections\n");
	list = json_object_get(v, "connections");
	cr_assert_eq(json_array_size(list), 2);
	for (size_t i = 0; i < 2; i++) {
		const json_t *conn = json_array_get(list, i);
		const char *user = json_string_value(json_object_get(conn, "user"));

		cr_expect_str_eq(json_string_value(json_object_get(conn, "source")), "127.0.0.1");
		cr_expect(user == NULL || strcmp(user, "demo") == 0);
		named += user != NULL;
	}
	cr_expect_eq(named, 1, "a name that was only claimed is not shown");
	json_decref(v);
	client_free(&in);
	client_free(&out);
}

/* --- a dataplane that breaks the contract (F-38)
 * ------------------------------------------------------ */

Test(control_login, a_bad_message_detaches_and_the_next_attachment_serves)
{
	static const struct link_handle nobody = {0, 0, 5, 77}, elsewhere = {7, 0, 0, 1},
					outside = {0, 0, 1u << 30, 1};
	struct link_hdr bad[] = {
		{.type = 9999},
		{.type = LINK_EV_CONN_NEW, .conn = nobody}, /* without its body */
		{.type = LINK_IT_END, .conn = nobody},      /* of the other direction */
		{.type = LINK_EV_PAYLOAD},                  /* of no connection */
		{.type = LINK_EV_SHARD_READY},              /* a second time */
		{.type = LINK_EV_CONN_NEW, .conn = elsewhere},
		{.type = LINK_EV_CONN_NEW, .conn = outside},
	};
	struct link_conn_new conn = {{.family = 4, .port = 22}, {.family = 4, .port = 1}, 0, 0, 0};
	struct link_ready ready = {.max_conns = 1, .name = "x"};

	for (size_t i = 0; i < N(bad); i++) {
		unsigned int before = softplane_attached(t.plane);
		struct client c;
		uint8_t msg[256] = {0};
		size_t len = sizeof(struct link_hdr) + 8;

		if (bad[i].type == LINK_EV_SHARD_READY) {
			memcpy(msg + sizeof(bad[i]), &ready, sizeof(ready));
			len = sizeof(bad[i]) + sizeof(ready);
		} else if (i >= N(bad) - 2) {
			memcpy(msg + sizeof(bad[i]), &conn, sizeof(conn));
			len = sizeof(bad[i]) + sizeof(conn);
		}
		bad[i].len = (uint32_t)len;
		memcpy(msg, &bad[i], sizeof(bad[i]));
		softplane_inject(t.plane, msg, len);
		for (int k = 0; k < 2000 && softplane_attached(t.plane) == before; k++)
			usleep(5000);
		cr_assert_eq(softplane_attached(t.plane), before + 1, "case %zu", i);
		cr_expect(login(&c, "demo", t.key[0]), "case %zu", i);
		client_free(&c);
	}
	expect_logged("dataplane soft detached: ");
}

/* --- limits
 * ------------------------------------------------------------------------------------------- */

Test(control_limits, who_does_not_log_in_in_time_goes)
{
	struct client c;

	start("LoginGraceTime 1");
	client_new(&c, "demo");
	client_flush(&c); /* says nothing */
	client_run(&c);
	for (int i = 0; i < 4 && !c.ended; i++) {
		sleep(1);
		if (c.login_id != 0)
			try_none(&c);
	}
	cr_expect(c.ended);
	expect_logged("Timeout before authentication for 127.0.0.1 port ");
	client_free(&c);
}

Test(control_limits, max_startups_turns_away)
{
	struct client c[3];
	char buf[128] = "";
	ssize_t n;

	start("MaxStartups 2:100:2");
	client_new(&c[0], "demo");
	client_run(&c[0]);
	client_new(&c[1], "demo");
	client_run(&c[1]);
	client_new(&c[2], "demo");
	n = recv(c[2].fd, buf, sizeof(buf) - 1, MSG_WAITALL);
	cr_expect_gt(n, 0);
	cr_expect_str_eq(buf, "Exceeded MaxStartups\r\n");
	client_free(&c[2]);
	expect_logged("beginning MaxStartups throttling");
	expect_logged("past MaxStartups");
	/* Who is in holds no place any more. */
	cr_expect(try_key(&c[0], t.key[0]));
	client_new(&c[2], "demo");
	client_run(&c[2]);
	cr_expect_neq(c[2].login_id, 0);
	expect_logged("exited MaxStartups throttling");
	for (int i = 0; i < 3; i++)
		client_free(&c[i]);
}

Test(control_limits, empty_passwords_when_they_are_permitted)
{
	struct client c;

	start("PermitEmptyPasswords yes");
	client_start(&c, "alice");
	cr_expect(!try_none(&c));
	cr_expect(!try_password(&c, "", 0));
	client_free(&c);
	client_start(&c, "locked");
	cr_expect(!try_none(&c));
	client_free(&c);
	client_start(&c, "empty");
	cr_expect(!try_password(&c, "x", 1));
	cr_expect(try_none(&c));
	client_free(&c);
	client_start(&c, "empty");
	cr_expect(try_password(&c, "", 0));
	client_free(&c);
}

/* S-34: by configuration, and both ways of asking. */
Test(control_limits, a_signature_algorithm_that_is_not_accepted_lets_nobody_in)
{
	struct client c;

	start("PubkeyAcceptedAlgorithms rsa-sha2-512,rsa-sha2-256");
	client_start(&c, "demo");
	cr_expect_str_eq(ssh_brain_server_sig_algs(c.brain), "rsa-sha2-512,rsa-sha2-256");
	cr_expect(!try_key(&c, t.key[0]), "the right key by the wrong algorithm");
	expect_logged("Failed publickey for demo from ");
	cr_expect(!try_none(&c));
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_AUTHENTICATED), 0);
	client_free(&c);
	/* The method is there for keys whose algorithm is accepted. */
	client_start(&c, "alice");
	cr_expect(try_password(&c, "secret", 6));
	client_free(&c);
}

/* What an address may do, and another thing what a user may. */
Test(control_limits, match_user_gives_and_takes_methods)
{
	struct client c;

	start("PasswordAuthentication no\n"
	      "Match User alice\nPasswordAuthentication yes\nPubkeyAuthentication no\n");
	client_start(&c, "alice");
	cr_expect(!try_none(&c));
	cr_expect_str_eq(c.methods, "password");
	cr_expect(try_password(&c, "secret", 6));
	client_free(&c);
	/* It need not ask first. */
	client_start(&c, "alice");
	cr_expect(try_password(&c, "secret", 6));
	client_free(&c);
	client_start(&c, "demo");
	cr_expect(!try_password(&c, "secret", 6));
	cr_expect_str_eq(c.methods, "publickey");
	cr_expect(try_key(&c, t.key[0]));
	client_free(&c);
}

static int tries_of(const char *user)
{
	struct client c;
	int n = 0;

	client_start(&c, user);
	while (!c.ended && n < 20) {
		try_key(&c, t.key[2]);
		n++;
	}
	client_free(&c);
	return n;
}

Test(control_limits, match_user_gives_and_takes_tries)
{
	start("MaxAuthTries 3\nMatch User demo\nMaxAuthTries 5\nMatch User limited\nMaxAuthTries "
	      "1\n");
	cr_expect_eq(tries_of("elsewhere"), 3);
	cr_expect_eq(tries_of("demo"), 5);
	cr_expect_eq(tries_of("limited"), 1);
}

Test(control_limits, match_user_changes_the_grace)
{
	struct client c;

	start("LoginGraceTime 60\nMatch User demo\nLoginGraceTime 1\n");
	client_start(&c, "demo");
	cr_expect(!try_none(&c));
	for (int i = 0; i < 4 && !c.ended; i++) {
		sleep(1);
		if (c.login_id != 0)
			try_none(&c);
	}
	cr_expect(c.ended);
	expect_logged("Timeout before authentication for 127.0.0.1 port ");
	client_free(&c);
}

Test(control_limits, match_user_switches_nagle_on)
{
	struct client c;

	start("Match User limited\nTCPNoDelay no\n");
	cr_assert(login(&c, "demo", t.key[0]));
	cr_expect_eq(global(&c, "keepalive@openssh.com"), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(softplane_limits(t.plane).nagle, 0);
	client_free(&c);
	cr_assert(login(&c, "limited", t.key[0]));
	cr_expect_eq(global(&c, "keepalive@openssh.com"), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(softplane_limits(t.plane).nagle, 1);
	client_free(&c);
}

Test(control_limits, the_slow_path_has_a_rate)
{
	struct client c;
	uint64_t began;

	start("SlowPathRate 50");
	cr_assert(login(&c, "demo", t.key[0]));
	began = clock_now_ms();
	for (int i = 0; i < 100; i++)
		cr_expect_eq(global(&c, "keepalive@openssh.com"), SSH_MSG_REQUEST_FAILURE);
	/* A second's worth was saved up, the shard may have 16 out; the rest takes its time. */
	cr_expect_geq(clock_now_ms() - began, 400);
	client_free(&c);
}

Test(control_limits, nothing_in_common_is_said_with_the_offer)
{
	struct client c;
	struct ssh_brain_conf conf = {.role = SSH_CLIENT,
				      .ident = "SSH-2.0-test",
				      .strict = SSH_STRICT_ON,
				      .ciphers = "aes256-ctr",
				      .user = "demo"};

	start("Ciphers aes128-gcm@openssh.com");
	client_new(&c, "demo");
	ssh_pump_fini(&c.pump);
	ssh_brain_free(c.brain);
	cr_assert_eq(ssh_brain_new(&conf, &c.brain), 0);
	cr_assert_eq(ssh_pump_init(&c.pump, c.engine, c.brain), 0);
	cr_assert_eq(ssh_brain_start(c.brain), 0);
	client_run(&c);
	cr_expect(c.ended);
	expect_logged("Unable to negotiate with 127.0.0.1 port ");
	expect_logged(": no matching cipher found. Their offer: aes256-ctr [preauth]");
	client_free(&c);
}
