/*
 * client/agent: OpenSSH's ssh-agent, asked for its keys and signatures and told where a connection
 * leads; agents that answer what is none.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/agent/agent.h"
#include "crypto/cert.h"

#define N(a)    (sizeof(a) / sizeof((a)[0]))
#define B(s)    s, sizeof(s) - 1
#define WAIT_MS 60000

static char dir[] = "/tmp/sluice-agent.XXXXXX";
static char sock[64];
static pid_t child;

/* --- ssh-agent -------------------------------------------------------------------------- */

static void run(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;
	int n = snprintf(cmd, sizeof(cmd), "exec 2>&1 >/dev/null; cd %s && ", dir);

	va_start(ap, fmt);
	vsnprintf(cmd + n, sizeof(cmd) - (size_t)n, fmt, ap);
	va_end(ap);
	cr_assert_eq(system(cmd), 0, "%s", cmd);
}

static void agent_start(void)
{
	struct agent *a;
	int r = -1;

	if (system("command -v ssh-agent ssh-add ssh-keygen >/dev/null") != 0)
		cr_skip_test("no ssh-agent");
	cr_assert_not_null(mkdtemp(dir));
	snprintf(sock, sizeof(sock), "%s/sock", dir);
	child = fork();
	if (child == 0) {
		freopen("/dev/null", "w", stdout);
		execlp("ssh-agent", "ssh-agent", "-D", "-a", sock, NULL);
		_exit(127);
	}
	for (int i = 0; i < WAIT_MS && r < 0; i++) {
		r = agent_open(sock, &a);
		if (r < 0)
			poll(NULL, 0, 1);
	}
	cr_assert_eq(r, 0);
	agent_close(a);
	setenv("SSH_AUTH_SOCK", sock, 1);
	run("ssh-keygen -q -t ed25519 -N '' -f ca && ssh-keygen -q -t ed25519 -N '' -C 'one key' "
	    "-f k"
	    " && ssh-keygen -q -t rsa -b 2048 -N '' -f rsa"
	    " && ssh-keygen -q -s ca -I id -n me k.pub && ssh-add -q k && ssh-add -q rsa");
}

static void agent_stop(void)
{
	char cmd[128];

	kill(child, SIGTERM);
	waitpid(child, NULL, 0);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_expect_eq(system(cmd), 0);
}

/* --- as a loop asks it ------------------------------------------------------------------ */

static int ask(struct agent *a, const uint8_t *msg, size_t len, int timeout_ms, struct ssh_str *ret)
{
	int r = agent_ask(a, msg, len);

	while (r == 0) {
		r = agent_step(a, ret);
		if (r != -EAGAIN)
			return r;
		r = poll(&(struct pollfd){agent_fd(a), agent_events(a), 0}, 1, timeout_ms) == 0
			    ? -ETIMEDOUT
			    : 0;
	}
	return r;
}

static int list(struct agent *a, int timeout_ms, struct agent_keys *ret)
{
	uint8_t msg[8];
	struct ssh_str reply;
	int r = ask(a, msg, agent_list_build(msg, sizeof(msg)), timeout_ms, &reply);

	return r < 0 ? r : agent_list_parse(reply, ret);
}

static int sign(struct agent *a, const struct key *k, const char *alg, struct ssh_str data,
		uint8_t *sig, size_t *ret_len)
{
	uint8_t msg[KEY_BLOB_MAX + 256];
	struct ssh_str reply;
	size_t len = 0;
	int r = agent_sign_build(k, alg, data, msg, sizeof(msg), &len);

	if (r == 0)
		r = ask(a, msg, len, WAIT_MS, &reply);
	return r < 0 ? r : agent_sign_parse(reply, alg, sig, ret_len);
}

static void sign_with(struct agent *a, const struct key *k, const char *alg)
{
	static const struct ssh_str data = {(const uint8_t *)"to be signed", 12};
	const struct key *plain = key_plain(k);
	uint8_t sig[KEY_SIG_MAX];
	size_t len;

	cr_assert_eq(sign(a, k, alg, data, sig, &len), 0, "%s", alg);
	cr_expect_eq(key_verify(plain, key_sig_alg_plain(alg), sig, len, data.p, data.len), 0, "%s",
		     alg);
}

Test(agent, keys_and_certificates_of_a_real_one, .fini = agent_stop)
{
	struct agent_keys keys;
	struct key *other;
	struct agent *a;
	uint8_t sig[KEY_SIG_MAX];
	size_t len;

	agent_start();
	cr_assert_eq(agent_open(NULL, &a), 0);
	cr_assert_eq(list(a, WAIT_MS, &keys), 0);
	cr_assert_eq(keys.n, 3);
	cr_expect_str_eq(keys.v[0].comment, "one key");
	cr_expect_null(key_cert(keys.v[0].key));
	cr_assert_not_null(key_cert(keys.v[1].key));
	sign_with(a, keys.v[0].key, "ssh-ed25519");
	sign_with(a, keys.v[1].key, "ssh-ed25519-cert-v01@openssh.com");
	sign_with(a, keys.v[2].key, "rsa-sha2-256");
	sign_with(a, keys.v[2].key, "rsa-sha2-512");
	cr_expect_eq(sign(a, keys.v[2].key, "ssh-ed25519", (struct ssh_str){sig, 1}, sig, &len),
		     -EINVAL);
	cr_assert_eq(key_generate("ssh-ed25519", 0, &other), 0);
	cr_expect_eq(sign(a, other, "ssh-ed25519", (struct ssh_str){sig, 1}, sig, &len), -EACCES,
		     "one it does not have");
	run("ssh-add -q -D");
	agent_keys_free(&keys);
	cr_assert_eq(list(a, WAIT_MS, &keys), 0);
	cr_expect_eq(keys.n, 0);
	agent_keys_free(&keys);
	agent_close(a);
	key_free(other);
}

/* It looks at the signature of the host itself; a second session by one connection is refused. */
Test(agent, where_a_connection_leads, .fini = agent_stop)
{
	uint8_t sig[KEY_SIG_MAX];
	struct agent_bind b = {.session_id = {(const uint8_t *)"session id", 10}};
	struct agent_keys keys;
	struct key *host;
	struct agent *a;
	size_t len = sizeof(sig);
	int fd;

	agent_start();
	cr_assert_eq(key_generate("ssh-ed25519", 0, &host), 0);
	cr_assert_eq(key_sign(host, "ssh-ed25519", b.session_id.p, b.session_id.len, sig, &len), 0);
	b.host = host;
	b.signature = (struct ssh_str){sig, (uint32_t)len};
	b.forwarding = true;
	cr_assert_eq(agent_open("SSH_AUTH_SOCK", &a), 0);
	cr_expect_eq(agent_bind(a, &b, WAIT_MS), 0);
	cr_assert_eq(list(a, WAIT_MS, &keys), 0);
	agent_keys_free(&keys);
	fd = agent_fd_take(a);
	cr_assert_geq(fd, 0);
	cr_expect_eq(send(fd, "\0\0\0\1\x0b", 5, 0), 5, "it is a channel's now");
	cr_expect_eq(poll(&(struct pollfd){fd, POLLIN, 0}, 1, WAIT_MS), 1);
	close(fd);
	cr_assert_eq(agent_open(sock, &a), 0);
	sig[len - 1] ^= 1;
	cr_expect_eq(agent_bind(a, &b, WAIT_MS), -EACCES);
	agent_close(a);
	key_free(host);
}

/* --- agents that are none --------------------------------------------------------------- */

struct played {
	int fd;
	const char *answer;
	size_t len, piece;
};

static void *play(void *arg)
{
	struct played *p = arg;
	int fd = accept(p->fd, NULL, NULL);
	char buf[5];

	if (recv(fd, buf, 5, MSG_WAITALL) == 5)
		for (size_t at = 0; at < p->len; at += p->piece)
			if (send(fd, p->answer + at,
				 p->len - at < p->piece ? p->len - at : p->piece, MSG_NOSIGNAL) < 0)
				break;
	close(fd);
	return NULL;
}

static void played_dir(void)
{
	cr_assert_not_null(mkdtemp(dir));
	snprintf(sock, sizeof(sock), "%s/sock", dir);
}

static void played_end(void)
{
	unlink(sock);
	rmdir(dir);
}

static int list_from(const char *answer, size_t len, size_t piece, unsigned int *ret_n)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct played p = {.answer = answer, .len = len, .piece = piece};
	struct agent_keys keys = {0};
	pthread_t thread;
	struct agent *a;
	int r;

	strcpy(sa.sun_path, sock);
	unlink(sock);
	p.fd = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(bind(p.fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	cr_assert_eq(listen(p.fd, 1), 0);
	cr_assert_eq(pthread_create(&thread, NULL, play, &p), 0);
	cr_assert_eq(agent_open(sock, &a), 0);
	r = list(a, WAIT_MS, &keys);
	agent_close(a);
	pthread_join(thread, NULL);
	close(p.fd);
	*ret_n = keys.n;
	agent_keys_free(&keys);
	return r;
}

#define KEY                                                                                        \
	"\0\0\0\x33\0\0\0\x0bssh-"                                                                 \
	"ed25519\0\0\0\x20\xd7\x5a\x98\x01\x82\xb1\x0a\xb7\xd5\x4b\xfe\xd3\xc9\x64\x07\x3a"        \
	"\x0e\xe1\x72\xf3\xda\xa6\x23\x25\xaf\x02\x1a\x68\xf7\x07\x51\x1a"

Test(agent, answers_that_are_none, .init = played_dir, .fini = played_end)
{
	static const struct {
		const char *answer;
		size_t len;
		int want;
		unsigned int n;
	} c[] = {
		{B("\0\0\0\x41\x0c\0\0\0\1" KEY "\0\0\0\1c"), 0, 1},
		{B("\0\0\0\5\x0c\0\0\0\0"), 0, 0},
		/* a key of a kind nobody knows, then one */
		{B("\0\0\0\x4e\x0c\0\0\0\2\0\0\0\5\0\0\0\1x\0\0\0\0" KEY "\0\0\0\1c"), 0, 1},
		{B("\0\0\0\1\5"), -EACCES, 0},
		{B("\0\0\0\1\x1c"), -ENOTSUP, 0},
		{B("\0\0\0\1\6"), -EBADMSG, 0},
		{B("\0\0\0\1\x0c"), -EBADMSG, 0},
		{B("\0\0\0\6\x0c\0\0\0\0x"), -EBADMSG, 0},
		{B("\0\0\0\5\x0c\0\0\0\1"), -EBADMSG, 0},
		{B("\0\0\0\5\x0c\xff\xff\xff\xff"), -EBADMSG, 0},
		{B("\0\0\0\x40\x0c\0\0\0\1" KEY "\0\0\0\1"), -EBADMSG, 0},
		{B("\0\0\0\x0d\x0c\0\0\0\1\xff\xff\xff\xff\0\0\0\0"), -EBADMSG, 0},
		{B("\0\0\0\0"), -EMSGSIZE, 0},
		{B("\0\4\0\1\x0c"), -EMSGSIZE, 0},
		{B("\xff\xff\xff\xff\x0c"), -EMSGSIZE, 0},
		{B(""), -EPIPE, 0},
		{B("\0\0\0"), -EPIPE, 0},
		{B("\0\0\0\5\x0c\0"), -EPIPE, 0},
	};

	for (size_t i = 0; i < N(c); i++)
		for (size_t piece = 1; piece < 200; piece += 99) {
			unsigned int n;
			int r = list_from(c[i].answer, c[i].len, piece, &n);

			cr_expect(r == c[i].want || (r == -ECONNRESET && c[i].want == -EMSGSIZE),
				  "%zu: %d", i, r);
			cr_expect_eq(n, c[i].n, "%zu", i);
		}
}

/* One that says nothing, and nobody else's turn until it does. */
Test(agent, one_that_does_not_answer, .init = played_dir, .fini = played_end)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct agent_keys keys;
	struct agent *a;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(sa.sun_path, sock);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	cr_assert_eq(listen(fd, 1), 0);
	cr_assert_eq(agent_open(sock, &a), 0);
	cr_expect_eq(list(a, 10, &keys), -ETIMEDOUT);
	cr_expect_eq(list(a, 10, &keys), -EBUSY);
	cr_expect_eq(agent_fd_take(a), -EBUSY);
	agent_close(a);
	close(fd);
	cr_expect_eq(agent_open(sock, &a), -ECONNREFUSED);
	cr_expect_eq(agent_open("none", &a), -ENOENT);
	unsetenv("SSH_AUTH_SOCK");
	cr_expect_eq(agent_open(NULL, &a), -ENOENT);
}

/* What is told leaves its answer to who has the connection, who drops it, however it comes. */
Test(agent, an_answer_that_is_skipped, .fini = agent_stop)
{
	uint8_t buf[64], out[64];
	struct agent_skip skip = {0};
	struct agent *a;
	ssize_t n = 0;
	int fd;

	agent_start();
	cr_assert_eq(agent_open(sock, &a), 0);
	cr_assert_eq(agent_tell(a, (const uint8_t *)"\xff", 1), 0);
	fd = agent_fd_take(a);
	cr_assert_geq(fd, 0);
	cr_assert_eq(send(fd, "\0\0\0\1\xff", 5, 0), 5);
	while (n < 5) {
		ssize_t got;

		cr_assert_eq(poll(&(struct pollfd){fd, POLLIN, 0}, 1, WAIT_MS), 1);
		got = recv(fd, buf, 1, 0);
		cr_assert_eq(got, 1);
		got = agent_skip(&skip, buf, 1, out);
		cr_assert_geq(got, 0);
		cr_assert_leq(n += got, 5);
	}
	cr_expect_eq(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), -1, "one is skipped, one is not");
	close(fd);
}

Test(agent, what_is_skipped_is_an_answer)
{
	static const struct {
		const char *in;
		size_t len;
		int want;
	} c[] = {
		{B("\0\0\0\1\6"), 0},
		{B("\0\0\0\1\6rest"), 4},
		{B("\0\0\0\5\0\0\0\0\0\0\0\0\1\6"), 5},
		{B("\0\0\0"), 0},
		{B("\0\0\0\2\6"), 0},
		{B("\0\0\0\0x"), -EMSGSIZE},
		{B("\0\4\0\1x"), -EMSGSIZE},
		{B("\xff\xff\xff\xffx"), -EMSGSIZE},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct agent_skip skip = {0};
		uint8_t out[32];
		ssize_t n = agent_skip(&skip, (const uint8_t *)c[i].in, c[i].len, out);

		cr_expect_eq(n, c[i].want, "%zu: %zd", i, n);
		cr_expect(n <= 0 || memcmp(out, c[i].in + c[i].len - n, (size_t)n) == 0);
	}
}

/* --- signatures ------------------------------------------------------------------------- */

Test(agent, a_signature_by_another_algorithm_is_none)
{
	static const struct {
		const char *reply;
		size_t len;
		const char *alg;
		int want;
	} c[] = {
		{B("\x0e\0\0\0\x14\0\0\0\x0crsa-sha2-256\0\0\0\0"), "rsa-sha2-256", 0},
		{B("\x0e\0\0\0\x14\0\0\0\x0crsa-sha2-256\0\0\0\0"),
		 "rsa-sha2-256-cert-v01@openssh.com", 0},
		{B("\x0e\0\0\0\x14\0\0\0\x0crsa-sha2-256\0\0\0\0"), "rsa-sha2-512", -ENOTSUP},
		{B("\x0e\0\0\0\x0f\0\0\0\7ssh-rsa\0\0\0\0"), "rsa-sha2-512", -ENOTSUP},
		{B("\x0e\0\0\0\x14\0\0\0\x0crsa-sha2-256\0\0\0\1"), "rsa-sha2-256", -EBADMSG},
		{B("\x0e\0\0\0\x14\0\0\0\x0crsa-sha2-256\0\0\0\0x"), "rsa-sha2-256", -EBADMSG},
		{B("\x0e\0\0\0\0"), "rsa-sha2-256", -EBADMSG},
		{B("\x0e\0\0\x20\0"), "rsa-sha2-256", -EBADMSG},
		{B("\5"), "rsa-sha2-256", -EACCES},
		{B("\5\5"), "rsa-sha2-256", -EBADMSG},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct ssh_str reply = {(const uint8_t *)c[i].reply, (uint32_t)c[i].len};
		uint8_t sig[KEY_SIG_MAX];
		size_t len;

		cr_expect_eq(agent_sign_parse(reply, c[i].alg, sig, &len), c[i].want, "%zu", i);
	}
}
