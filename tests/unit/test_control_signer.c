/*
 * sluice-signer as control sees it: the keys are another process's, which signs exchange hashes and
 * nothing else, goes away and comes back.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "control/clock.h"
#include "control/count.h"
#include "control/log.h"
#include "control/signer/folder.h"
#include "control/signer/proto.h"
#include "control/signer/remote.h"
#include "control/signer/server.h"
#include "tests/util/control_bench.h"
#include "tests/util/nomem.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define KEYS 2

static struct {
	char dir[64], path[128], keys[128]; /* HostKeyFolder; "": there is none */
	struct key *key[KEYS + 1]; /* the last one is of another signer */
	pid_t pid;
	uv_loop_t loop;
	struct timers *timers;
	struct clock *clock;
	struct signer_remote *remote;
	struct signer *signer;
	unsigned int done;
	int err;
	uint8_t sig[KEY_SIG_MAX];
	size_t sig_len;
} t = {.dir = "/tmp/sluice-signer-XXXXXX"};

static void quiet(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)level;
	(void)line;
}

/* --- the other process ------------------------------------------------------------------------ */

static void serve(struct key *const keys[], unsigned int n)
{
	const char *const dir[] = {t.keys};
	const struct conf_strs dirs = {dir, 1};
	struct key_folders *folders = NULL;
	struct signer_server *server = NULL;
	struct host_keys all = {.n = 0};
	const char *bad;
	struct timers *timers;
	struct signer *s;
	struct clock *clock;
	struct pool *pool;
	uv_loop_t loop;

	signal(SIGPIPE, SIG_IGN);
	if (uv_loop_init(&loop) < 0 || timers_new(&timers) < 0 ||
	    clock_new(&loop, timers, &clock) < 0 || pool_new(&loop, timers, 2, 4096, &pool) < 0 ||
	    signer_new(pool, &s) < 0)
		_exit(1);
	for (all.n = 0; all.n < n; all.n++)
		all.key[all.n] = keys[all.n];
	if (host_keys_cert(&all, 0, (const uint8_t *)"first", 5) < 0 ||
	    host_keys_cert(&all, 0, (const uint8_t *)"second", 6) < 0 ||
	    signer_add_all(s, &all) < 0)
		_exit(1);
	if (*t.keys != '\0' && (key_folders_new(&dirs, geteuid(), &folders, &bad) < 0 ||
				signer_folders(s, folders) < 0))
		_exit(1);
	if (signer_server_new(&loop, s, clock_now_ms, t.path, geteuid(), &server) < 0)
		_exit(1);
	uv_run(&loop, UV_RUN_DEFAULT);
	_exit(0);
}

static bool listens(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	bool yes;

	strcpy(sun.sun_path, t.path);
	yes = connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0;
	close(fd);
	return yes;
}

static void signer_start(struct key *const keys[], unsigned int n)
{
	t.pid = fork();
	if (t.pid == 0) {
		nomem_outside = false;
		serve(keys, n);
	}
	for (int i = 0; i < 2000 && !listens(); i++)
		usleep(2000);
}

static void signer_kill(void)
{
	kill(t.pid, SIGKILL);
	waitpid(t.pid, NULL, 0);
}

/* --- this one --------------------------------------------------------------------------------- */

static void setup(void)
{
	struct host_keys pub;

	nomem_init();
	log_sink_set(quiet, NULL);
	signal(SIGPIPE, SIG_IGN);
	cr_assert_not_null(mkdtemp(t.dir));
	snprintf(t.path, sizeof(t.path), "%s/signer.sock", t.dir);
	snprintf(t.keys, sizeof(t.keys), "%s/keys", t.dir);
	cr_assert_eq(mkdir(t.keys, 0700), 0);
	cr_assert_eq(key_generate("ssh-ed25519", 0, &t.key[0]), 0);
	cr_assert_eq(key_generate("ecdsa-sha2-nistp256", 0, &t.key[1]), 0);
	cr_assert_eq(key_generate("ssh-ed25519", 0, &t.key[2]), 0);
	signer_start(t.key, KEYS);
	cr_assert_eq(uv_loop_init(&t.loop), 0);
	cr_assert_eq(timers_new(&t.timers), 0);
	cr_assert_eq(clock_new(&t.loop, t.timers, &t.clock), 0);
	cr_assert_eq(signer_remote_open(&t.loop, t.timers, t.path, &t.remote, &pub), 0);
	cr_assert_eq(pub.n, KEYS);
	cr_assert_eq(pub.chain[0].n, 2);
	cr_assert_eq(memcmp(pub.chain[0].cert[1].der, "second", 6), 0);
	cr_assert_eq(pub.chain[1].n, 0);
	cr_assert_eq(signer_new_remote(t.remote, &pub, &t.signer), 0);
	cr_assert_eq(pub.n, 0, "handed over");
	cr_assert_eq(signer_chain(t.signer, 0)->n, 2);
}

static void teardown(void)
{
	char rm[128];

	signer_remote_close(t.remote);
	clock_close(t.clock);
	uv_run(&t.loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&t.loop), 0, "nothing is left on the loop");
	cr_expect_eq(timers_next_ms(t.timers), UINT64_MAX, "no timer is left");
	signer_free(t.signer);
	timers_free(t.timers);
	for (size_t i = 0; i < N(t.key); i++)
		key_free(t.key[i]);
	signer_kill();
	snprintf(rm, sizeof(rm), "rm -rf %s", t.dir);
	cr_expect_eq(system(rm), 0);
}

TestSuite(control_signer, .init = setup, .fini = teardown, .timeout = 60);

static void on_done(const struct signer_caller *caller, int err, const uint8_t *sig, size_t len)
{
	(void)caller;
	t.done++;
	t.err = err;
	if (err == 0)
		memcpy(t.sig, sig, len);
	t.sig_len = len;
}

static int ask(const struct key *k, const char *alg, const uint8_t *data, size_t len,
	       uint64_t within_ms)
{
	const struct signer_caller caller = {.id = 7};

	return signer_sign(t.signer, k, alg, data, len, false, clock_now_ms() + within_ms, &caller,
			   on_done);
}

static void run_until(unsigned int n)
{
	while (t.done < n)
		uv_run(&t.loop, UV_RUN_ONCE);
}

Test(control_signer, each_key_signs)
{
	static const char *const alg[] = {"ssh-ed25519", "ecdsa-sha2-nistp256"};
	uint8_t hash[32] = {1};

	cr_expect_eq(signer_count(t.signer), KEYS);
	for (unsigned int i = 0; i < KEYS; i++) {
		cr_expect(!key_is_private(signer_public(t.signer, i)), "this process has none");
		cr_assert_eq(ask(t.key[i], alg[i], hash, 32, 10000), 0);
		run_until(i + 1);
		cr_expect_eq(t.err, 0);
		cr_expect_eq(key_verify(t.key[i], alg[i], t.sig, t.sig_len, hash, 32), 0);
	}
}

/* The bytes a proof is over are put together where the key is (PROTOCOL section 2.5). */
Test(control_signer, a_proof_is_made_there)
{
	static const char name[] = "hostkeys-prove-00@openssh.com";
	const struct signer_caller caller = {.id = 7};
	uint8_t session_id[32] = {5}, data[512];
	struct ssh_str blob;
	struct ssh_wr w;
	size_t len;

	cr_assert_eq(signer_prove(t.signer, t.key[0], "ssh-ed25519", session_id, 32,
				  clock_now_ms() + 10000, &caller, on_done),
		     0);
	run_until(1);
	cr_assert_eq(t.err, 0);
	blob.p = key_blob(t.key[0], &len);
	blob.len = (uint32_t)len;
	ssh_wr_init(&w, data, sizeof(data));
	ssh_wr_cstr(&w, name);
	ssh_wr_str(&w, (struct ssh_str){session_id, 32});
	ssh_wr_str(&w, blob);
	cr_expect_eq(key_verify(t.key[0], "ssh-ed25519", t.sig, t.sig_len, data, ssh_wr_done(&w)),
		     0);
}

Test(control_signer, many_at_once_each_get_their_answer)
{
	uint8_t hash[32] = {1};

	for (unsigned int i = 0; i < 1000; i++)
		cr_assert_eq(ask(t.key[0], "ssh-ed25519", hash, 32, 30000), 0);
	run_until(1000);
	cr_expect_eq(t.err, 0);
}

Test(control_signer, what_is_not_asked_for_right_is_refused_here)
{
	uint8_t data[128] = {1};

	cr_expect_eq(ask(t.key[2], "ssh-ed25519", data, 32, 1000), -ENOENT, "nobody's key");
	cr_expect_eq(ask(t.key[0], "rsa-sha2-256", data, 32, 1000), -ENOENT, "wrong algorithm");
	for (size_t len = 0; len < 100; len++)
		if (len != 20 && len != 32 && len != 48 && len != 64)
			cr_expect_lt(ask(t.key[0], "ssh-ed25519", data, len, 1000), 0, "%zu", len);
	cr_expect_eq(t.done, 0);
}

/* --- somebody who speaks the protocol by hand ---------------------------------------------------
 */

static int dial(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(sun.sun_path, t.path);
	cr_assert_eq(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

/* The error of the answer; 1: it hung up. */
static int exchange(const void *p, size_t len)
{
	struct signer_answer m;
	struct ssh_str body;
	enum helper_msg type;
	uint8_t in[4096];
	size_t have = 0, used;
	int fd = dial(), e = 1;

	cr_assert_eq(send(fd, p, len, MSG_NOSIGNAL), (ssize_t)len);
	for (;;) {
		ssize_t n = recv(fd, in + have, sizeof(in) - have, 0);

		if (n <= 0)
			break;
		have += (size_t)n;
		if (helper_frame_parse(in, have, &type, &body, &used) == 0) {
			cr_assert_eq(signer_answer_parse(body, &m), 0);
			e = m.err;
			break;
		}
	}
	close(fd);
	return e;
}

/* Whoever has control's socket gets no other bytes signed either. */
Test(control_signer, the_signer_itself_signs_nothing_but_hashes)
{
	static const uint8_t data[64] = {1};
	uint8_t buf[SIGNER_SMALL];

	for (uint32_t len = 1; len <= 64; len++) {
		struct signer_request m = {.kind = SIGNER_SIGN,
					   .id = 1,
					   .sig_alg = ssh_str_c("ssh-ed25519"),
					   .data = {data, len}};
		bool hash = len == 20 || len == 32 || len == 48 || len == 64;
		size_t n = signer_request_build(buf, sizeof(buf), &m);

		cr_expect_eq(exchange(buf, n), hash ? 0 : -EPERM, "%u", len);
	}
}

Test(control_signer, the_signer_refuses_what_is_none)
{
	struct signer_request m = {.kind = SIGNER_SIGN,
				   .id = 1,
				   .sig_alg = ssh_str_c("ssh-ed25519"),
				   .data = ssh_str_c("01234567890123456789012345678901")};
	uint8_t buf[SIGNER_ROOM], hash[32] = {1};
	size_t n;

	m.key = KEYS;
	n = signer_request_build(buf, sizeof(buf), &m);
	cr_expect_eq(exchange(buf, n), -ENOENT, "a key there is not");
	m.key = 0;
	m.sig_alg = ssh_str_c("ssh-rsa");
	n = signer_request_build(buf, sizeof(buf), &m);
	cr_expect_eq(exchange(buf, n), -ENOENT, "an algorithm of another key");
	cr_expect_eq(exchange("\0\0\0\1\3", 5), 1, "no such request");
	cr_expect_eq(exchange("\0\0\0\2\1x", 6), 1, "more than was asked for");
	cr_expect_eq(exchange("\0\0\0\5\5\0\0\0\1", 9), 1, "a file without a name");
	cr_expect_eq(exchange("\0\0\0\6\6\0\0\0\1x", 10), 1, "no print");
	cr_expect_eq(exchange("\xff\xff\xff\xff", 4), 1);
	cr_expect_eq(exchange("\0\0\0\0", 4), 1);
	memset(buf, 0, sizeof(buf));
	memcpy(buf, "\0\0\x7f\xff\2", 5); /* longer than the room for one */
	cr_expect_eq(exchange(buf, sizeof(buf)), 1);
	cr_assert_eq(ask(t.key[0], "ssh-ed25519", hash, 32, 10000), 0, "and it lives");
	run_until(1);
	cr_expect_eq(t.err, 0);
}

/* Answers that nobody reads are no memory of the signer's without end. */
Test(control_signer, who_asks_and_does_not_read_is_hung_up_on)
{
	static const struct timeval tv = {20, 0};
	uint8_t words[4096 / 5 * 5], hash[32] = {1};
	int fd = dial();
	ssize_t n = 1;

	for (size_t i = 0; i < sizeof(words); i += 5)
		memcpy(words + i, "\0\0\0\1\1", 5); /* SIGNER_KEYS, of more than 100 bytes each */
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), 0);
	for (int i = 0; n > 0 && i < 200; i++) {
		n = send(fd, words, sizeof(words), MSG_NOSIGNAL);
		cr_assert(n < 0 || n % 5 == 0);
	}
	cr_expect_lt(n, 0);
	cr_expect(errno == EPIPE || errno == ECONNRESET, "%s", strerror(errno));
	close(fd);
	cr_assert_eq(ask(t.key[0], "ssh-ed25519", hash, 32, 10000), 0);
	run_until(1);
	cr_expect_eq(t.err, 0, "others are served");
}

/* --- away and back ------------------------------------------------------------------------------
 */

Test(control_signer, one_that_hangs_is_late)
{
	uint8_t hash[32] = {1};

	kill(t.pid, SIGSTOP);
	cr_assert_eq(ask(t.key[0], "ssh-ed25519", hash, 32, 50), 0);
	run_until(1);
	cr_expect_eq(t.err, -ETIMEDOUT);
	kill(t.pid, SIGCONT);
	cr_assert_eq(ask(t.key[0], "ssh-ed25519", hash, 32, 10000), 0);
	run_until(2);
	cr_expect_eq(t.err, 0, "the late answer is nobody's");
}

static void answer_await(uv_handle_t *h, void *arg)
{
	struct pollfd p = {.events = POLLIN};

	(void)arg;
	if (h->type == UV_NAMED_PIPE && uv_fileno(h, &p.fd) == 0)
		cr_assert_eq(poll(&p, 1, 30000), 1);
}

/* F-04: it has answered in time, and who asked was stopped until long after it. */
Test(control_signer, f04_who_stood_still_himself_hears_the_answer)
{
	uint8_t hash[32] = {1};
	uint64_t until;

	kill(t.pid, SIGSTOP); /* until the loop waits */
	cr_assert_eq(ask(t.key[0], "ssh-ed25519", hash, 32, 100), 0);
	uv_run(&t.loop, UV_RUN_NOWAIT);
	kill(t.pid, SIGCONT);
	uv_walk(&t.loop, answer_await, NULL);
	for (until = clock_now_ms() + 100 + STOOD_MS; clock_now_ms() < until;)
		usleep(10000);
	run_until(1);
	cr_expect_eq(t.err, 0);
}

Test(control_signer, so_many_calls_at_once_and_no_more)
{
	uint8_t hash[32] = {1};

	kill(t.pid, SIGSTOP);
	for (unsigned int i = 0; i < SIGNER_ASKED_MAX; i++)
		cr_assert_eq(ask(t.key[0], "ssh-ed25519", hash, 32, 10000), 0, "%u", i);
	cr_expect_eq(control_counted(CONTROL_C_SIGNER_ASKED), 0);
	cr_expect_eq(ask(t.key[0], "ssh-ed25519", hash, 32, 10000), -EBUSY);
	cr_expect_eq(control_counted(CONTROL_C_SIGNER_ASKED), 1);
	cr_expect_eq(signer_remote_asked(t.remote), SIGNER_ASKED_MAX);
	signer_kill();
	for (uint64_t until = clock_now_ms() + 50; clock_now_ms() < until;)
		uv_run(&t.loop, UV_RUN_NOWAIT); /* it hears of the end */
	cr_expect_eq(t.done, 0);
	cr_expect_eq(ask(t.key[0], "ssh-ed25519", hash, 32, 10000), -EBUSY, "they count");
	signer_start(t.key, KEYS);
	while (t.done < SIGNER_ASKED_MAX) {
		uv_run(&t.loop, UV_RUN_ONCE);
		cr_assert_eq(t.err, 0);
	}
	cr_assert_eq(ask(t.key[0], "ssh-ed25519", hash, 32, 10000), 0);
	run_until(SIGNER_ASKED_MAX + 1);
	cr_expect_eq(t.err, 0);
	cr_expect_eq(signer_remote_asked(t.remote), 0);
}

/* F-02: who waits for a signature when it is killed has it from the one that is started again. */
Test(control_signer, f02_what_one_was_asked_that_dies_the_next_one_signs)
{
	uint8_t hash[32] = {1}, other_hash[32] = {2};

	for (unsigned int i = 0; i < 3; i++) {
		kill(t.pid, SIGSTOP);
		cr_assert_eq(ask(t.key[0], "ssh-ed25519", hash, 32, 10000), 0);
		signer_kill();
		for (uint64_t until = clock_now_ms() + 2 * SIGNER_RENEW_MS; clock_now_ms() < until;)
			uv_run(&t.loop, UV_RUN_ONCE);
		cr_expect_eq(t.done, 2 * i, "it waits");
		signer_start(t.key, KEYS);
		run_until(2 * i + 1);
		cr_assert_eq(t.err, 0);
		cr_expect_eq(key_verify(t.key[0], "ssh-ed25519", t.sig, t.sig_len, hash, 32), 0);
		cr_assert_eq(ask(t.key[0], "ssh-ed25519", other_hash, 32, 10000), 0);
		run_until(2 * i + 2);
		cr_assert_eq(t.err, 0);
		cr_expect_eq(key_verify(t.key[0], "ssh-ed25519", t.sig, t.sig_len, other_hash, 32),
			     0, "each its own");
	}
}

/* Asked before and after its end; nobody comes. Then somebody does. */
Test(control_signer, f02_while_nobody_signs_a_call_waits_until_its_deadline)
{
	uint8_t hash[32] = {1};
	uint64_t began;

	kill(t.pid, SIGSTOP);
	began = clock_now_ms();
	cr_assert_eq(ask(t.key[0], "ssh-ed25519", hash, 32, 300), 0);
	signer_kill();
	run_until(1);
	cr_expect_eq(t.err, -ETIMEDOUT);
	cr_expect_geq(clock_now_ms() - began, 300);
	began = clock_now_ms();
	cr_assert_eq(ask(t.key[0], "ssh-ed25519", hash, 32, 300), 0);
	run_until(2);
	cr_expect_eq(t.err, -ETIMEDOUT);
	cr_expect_geq(clock_now_ms() - began, 300);
	cr_assert_eq(ask(t.key[0], "ssh-ed25519", hash, 32, 10000), 0);
	signer_start(t.key, KEYS);
	run_until(3);
	cr_expect_eq(t.err, 0);
}

/* What listens hangs up on everybody: it is not dialled without end meanwhile. */
Test(control_signer, f02_one_that_hangs_up_is_tried_now_and_then)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	uint8_t hash[32] = {1}, in[SIGNER_SMALL];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), peer;
	unsigned int dials = 0;

	signer_kill();
	unlink(t.path);
	strcpy(sun.sun_path, t.path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(listen(fd, 64), 0);
	cr_assert_eq(ask(t.key[0], "ssh-ed25519", hash, 32, 10 * SIGNER_RENEW_MS), 0);
	while (t.done == 0) {
		uv_run(&t.loop, UV_RUN_NOWAIT);
		peer = accept(fd, NULL, NULL);
		if (peer < 0)
			continue;
		dials++;
		uv_run(&t.loop, UV_RUN_NOWAIT);
		cr_expect_eq(recv(peer, in, sizeof(in), 0), 5, "whose keys are not known");
		/* Nor is it believed. */
		cr_expect_eq(send(peer, "\0\0\0\xe\xb\0\0\0\1\0\0\0\0\0\0\0\1x", 18, 0), 18);
		close(peer);
	}
	cr_expect_eq(t.err, -ETIMEDOUT);
	cr_expect_geq(dials, 2);
	cr_expect_leq(dials, 11);
	close(fd);
	unlink(t.path);
	signer_start(t.key, KEYS);
	cr_assert_eq(ask(t.key[0], "ssh-ed25519", hash, 32, 10000), 0);
	run_until(2);
	cr_expect_eq(t.err, 0);
}

static struct {
	uint32_t id[8];
	int err[8];
	unsigned int n;
} order;

static void on_ordered(const struct signer_caller *caller, int err, const uint8_t *sig, size_t len)
{
	static const uint8_t hash[32] = {2};
	const struct signer_caller again = {.id = 9};

	if (caller->id == 1)
		cr_assert_eq(signer_sign(t.signer, t.key[0], "ssh-ed25519", hash, 32, false,
					 clock_now_ms() + 10000, &again, on_ordered),
			     0);
	order.id[order.n] = caller->id;
	order.err[order.n++] = err;
	on_done(caller, err, sig, len);
}

Test(control_signer, who_waits_for_keys_that_are_gone_fails_in_the_order_of_asking)
{
	static const uint32_t id[] = {1, 2, 3, 4, 9};
	uint8_t hash[32] = {1};

	kill(t.pid, SIGSTOP);
	for (uint32_t i = 1; i <= 4; i++) {
		const struct signer_caller caller = {.id = i};

		cr_assert_eq(signer_sign(t.signer, t.key[0], "ssh-ed25519", hash, 32, false,
					 clock_now_ms() + 10000, &caller, on_ordered),
			     0);
	}
	signer_kill();
	signer_start(&t.key[2], 1);
	run_until(4);
	cr_assert_eq(order.n, 4, "who asks again is not failed by what failed the others");
	run_until(5);
	cr_assert_eq(order.n, N(id));
	for (size_t i = 0; i < N(id); i++) {
		cr_expect_eq(order.id[i], id[i], "%zu", i);
		cr_expect_eq(order.err[i], -EPIPE, "%zu", i);
	}
}

static void on_last(const struct signer_caller *caller, int err, const uint8_t *sig, size_t len)
{
	on_done(caller, err, sig, len);
	signer_remote_close(t.remote);
	t.remote = NULL;
}

/* As the last connection that has its keys does, when it ends of this. */
Test(control_signer, who_is_failed_may_close_it)
{
	static void (*const done[])(const struct signer_caller *, int, const uint8_t *,
				    size_t) = {on_done, on_last, on_done, on_done};
	const struct signer_caller caller = {.id = 7};
	uint8_t hash[32] = {1};

	kill(t.pid, SIGSTOP);
	for (size_t i = 0; i < N(done); i++)
		cr_assert_eq(signer_sign(t.signer, t.key[0], "ssh-ed25519", hash, 32, false,
					 clock_now_ms() + 10000, &caller, done[i]),
			     0);
	signer_kill();
	signer_start(&t.key[2], 1);
	run_until(2);
	cr_expect_eq(t.err, -EPIPE);
	cr_expect_null(t.remote);
}

Test(control_signer, one_with_other_keys_is_not_believed)
{
	uint8_t hash[32] = {1};

	signer_kill();
	signer_start(&t.key[2], 1);
	/* The end of the old connection may be seen first. */
	while (ask(t.key[0], "ssh-ed25519", hash, 32, 10000) < 0)
		uv_run(&t.loop, UV_RUN_ONCE);
	run_until(1);
	cr_expect_eq(t.err, -EPIPE);
}

/* --- without a library that works ------------------------------------------------------------ */

static enum { WORKS, FAILS, BREAKS, CUTS, WAYS } * library; /* of both processes */

int __real_EVP_DigestSign(EVP_MD_CTX *c, unsigned char *sig, size_t *len, const unsigned char *data,
			  size_t data_len);
int __wrap_EVP_DigestSign(EVP_MD_CTX *c, unsigned char *sig, size_t *len, const unsigned char *data,
			  size_t data_len);
int __wrap_EVP_DigestSign(EVP_MD_CTX *c, unsigned char *sig, size_t *len, const unsigned char *data,
			  size_t data_len)
{
	int r;

	if (library == NULL || nomem_outside || *library == WORKS || sig == NULL)
		return __real_EVP_DigestSign(c, sig, len, data, data_len);
	if (*library != CUTS)
		return *library == FAILS ? 0 : -1;
	r = __real_EVP_DigestSign(c, sig, len, data, data_len);
	--*len;
	return r;
}

/* S-40: what the library did not sign whole nobody is given as a signature; and then it works. */
Test(control_signer, s40_a_library_that_fails_is_an_error)
{
	uint8_t hash[32] = {1};

	signer_kill();
	library = mmap(NULL, sizeof(*library), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	cr_assert_neq(library, MAP_FAILED);
	signer_start(t.key, KEYS);
	for (int i = 0; i < 3; i++)
		uv_run(&t.loop, UV_RUN_NOWAIT); /* it hears of the end */
	for (int way = FAILS; way <= WAYS; way++) {
		*library = way % WAYS;
		cr_assert_eq(ask(t.key[1], "ecdsa-sha2-nistp256", hash, 32, 10000), 0);
		run_until((unsigned int)way);
		if (*library == WORKS)
			cr_expect_eq(t.err, 0);
		else
			cr_expect_lt(t.err, 0, "%d", way);
	}
}

/* --- without memory ------------------------------------------------------------------------- */

/* One signature, of which the nth allocation fails, in either process; then one that is made. */
static bool without(unsigned int n)
{
	uint8_t hash[32] = {1};
	unsigned int done = t.done;
	bool fired;
	int r;

	nomem_begin(n);
	nomem_outside = false;
	r = ask(t.key[0], "ssh-ed25519", hash, 32, 3000);
	if (r == 0)
		run_until(done + 1);
	nomem_outside = true;
	fired = nomem_end();
	cr_expect(fired || (r == 0 && t.err == 0), "%u: %d %d", n, r, t.err);
	cr_expect(r < 0 || t.err != -ETIMEDOUT, "%u: nobody said anything", n);
	if (r == 0 && t.err == 0)
		cr_expect_eq(key_verify(t.key[0], "ssh-ed25519", t.sig, t.sig_len, hash, 32), 0);
	/* The line may have been given up, which is seen a moment later. */
	for (int i = 0; i < 100; i++) {
		done = t.done;
		if (ask(t.key[0], "ssh-ed25519", hash, 32, 10000) < 0) {
			uv_run(&t.loop, UV_RUN_NOWAIT);
			continue;
		}
		run_until(done + 1);
		if (t.err == 0)
			return fired;
	}
	cr_expect(false, "%u: no signature any more", n);
	return fired;
}

Test(control_signer, f09_every_failing_allocation_is_an_error_of_one_call)
{
	unsigned int n = 1;

	while (without(n))
		n++;
	cr_expect_gt(n, 4);
	/* Over a line that is dialled again. */
	for (n = 1; n < 64; n++) {
		signer_kill();
		signer_start(t.key, KEYS);
		for (int i = 0; i < 3; i++)
			uv_run(&t.loop, UV_RUN_NOWAIT); /* it hears of the end */
		if (!without(n))
			break;
	}
	cr_expect_gt(n, 6);
}

/* --- another in its place --------------------------------------------------------------------- */

static struct {
	unsigned int n;
	struct signer_remote *remote;
	struct signer *signer;
	unsigned int refuses; /* as one does that has no room */
} other;

static int on_renewed(void *arg, struct signer_remote *next, struct host_keys *keys)
{
	cr_assert_eq(arg, &other);
	if (other.refuses > 0) {
		other.refuses--;
		signer_remote_close(next);
		host_keys_free(keys);
		return -EBUSY;
	}
	other.n++;
	other.remote = next;
	cr_assert_eq(keys->n, 1);
	cr_assert(key_equal(keys->key[0], t.key[2]));
	cr_assert_eq(signer_new_remote(next, keys, &other.signer), 0);
	return 0;
}

static void run_until_renewed(void)
{
	while (other.n == 0)
		uv_run(&t.loop, UV_RUN_ONCE);
}

static void other_close(void)
{
	signer_remote_close(other.remote);
	signer_free(other.signer);
}

/* The one that was there goes on for who has its keys, and then ends by itself. */
Test(control_signer, one_that_is_replaced_stays_for_who_asks)
{
	const struct signer_caller caller = {.id = 7};
	uint8_t hash[32] = {1};
	pid_t old = t.pid;
	int status;

	signer_remote_watch(t.remote, on_renewed, &other);
	cr_assert_eq(signer_server_replace(t.path), 0);
	cr_assert_neq(access(t.path, F_OK), 0, "there is room");
	/* Nobody has taken the place as yet: it is tried again. */
	for (uint64_t until = clock_now_ms() + SIGNER_RENEW_MS + 50; clock_now_ms() < until;)
		uv_run(&t.loop, UV_RUN_ONCE);
	cr_expect_eq(other.n, 0);
	signer_start(&t.key[2], 1);
	run_until_renewed();
	cr_assert_eq(ask(t.key[0], "ssh-ed25519", hash, 32, 10000), 0);
	run_until(1);
	cr_expect_eq(t.err, 0, "the old one signs");
	cr_assert_eq(signer_sign(other.signer, t.key[2], "ssh-ed25519", hash, 32, false,
				 clock_now_ms() + 10000, &caller, on_done),
		     0);
	run_until(2);
	cr_expect_eq(t.err, 0, "the new one signs");
	cr_expect_eq(key_verify(t.key[2], "ssh-ed25519", t.sig, t.sig_len, hash, 32), 0);
	cr_expect_eq(signer_sign(other.signer, t.key[0], "ssh-ed25519", hash, 32, false,
				 clock_now_ms() + 10000, &caller, on_done),
		     -ENOENT, "each its own");
	signer_remote_close(t.remote);
	t.remote = NULL;
	uv_run(&t.loop, UV_RUN_NOWAIT);
	kill(old, SIGTERM); /* serve() of the test has no end of its own */
	waitpid(old, &status, 0);
	other_close();
}

/* It stood still for longer than the other one waits: it goes on, as nobody takes its place. */
Test(control_signer, who_gave_up_takes_no_place)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	uint8_t hash[32] = {1}, word[16];
	size_t len = signer_word_build(word, sizeof(word), SIGNER_RETIRE);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), status;

	signer_remote_watch(t.remote, on_renewed, &other);
	kill(t.pid, SIGSTOP);
	cr_assert_eq(waitpid(t.pid, &status, WUNTRACED), t.pid);
	strcpy(sun.sun_path, t.path);
	cr_assert_eq(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(send(fd, word, len, 0), (ssize_t)len);
	close(fd);
	kill(t.pid, SIGCONT);
	for (unsigned int i = 1; i <= 3; i++) {
		cr_assert_eq(ask(t.key[0], "ssh-ed25519", hash, 32, 20000), 0);
		run_until(i);
		cr_expect_eq(t.err, 0);
		cr_expect(listens());
	}
	cr_expect_eq(other.n, 0);
}

/* Restarted with other keys: what was asked for the old ones is answered by nobody. */
Test(control_signer, one_with_other_keys_is_another)
{
	uint8_t hash[32] = {1};

	signer_remote_watch(t.remote, on_renewed, &other);
	signer_kill();
	signer_start(&t.key[2], 1);
	/* The end of the old connection may be seen first; another call finds out. */
	while (other.n == 0) {
		(void)!ask(t.key[0], "ssh-ed25519", hash, 32, 10000);
		uv_run(&t.loop, UV_RUN_ONCE);
	}
	cr_expect_gt(t.done, 0);
	cr_expect_eq(t.err, -EPIPE);
	cr_expect_lt(ask(t.key[0], "ssh-ed25519", hash, 32, 10000), 0, "nobody has it any more");
	other_close();
}

/* There was no room for them: they are offered again, else new clients had no keys for ever. */
Test(control_signer, other_keys_that_were_not_taken_come_again)
{
	uint8_t hash[32] = {1};

	other.refuses = 2;
	signer_remote_watch(t.remote, on_renewed, &other);
	signer_kill();
	signer_start(&t.key[2], 1);
	while (other.refuses == 2) {
		(void)!ask(t.key[0], "ssh-ed25519", hash, 32, 10000);
		uv_run(&t.loop, UV_RUN_ONCE);
	}
	for (unsigned int i = 0; i < 2000 && other.n == 0; i++) {
		timers_poll(t.timers, clock_now_ms() + SIGNER_OFFER_MS);
		uv_run(&t.loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
	cr_expect_eq(other.refuses, 0);
	cr_expect_eq(other.n, 1);
	other_close();
}

/* Only a signer gives up its place, and nobody is none. */
Test(control_signer, there_may_be_nobody_to_replace)
{
	cr_expect_eq(signer_server_replace("/no/such/socket"), 0);
	signer_kill();
	cr_expect_eq(signer_server_replace(t.path), 0);
	signer_start(t.key, KEYS);
}

Test(control_signer, without_one_nothing_is_opened)
{
	struct host_keys pub;
	struct signer_remote *r;

	cr_expect_eq(signer_remote_open(&t.loop, t.timers, "/no/such/socket", &r, &pub), -ENOENT);
}

/* --- files of HostKeyFolder ------------------------------------------------------------------- */

static struct key *key_file(const char *name, const char *passphrase)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", t.keys, name);
	return control_key_file(path, "ssh-ed25519", passphrase);
}

static struct {
	unsigned int n, certs;
	int err;
	char why[KEYFILE_WHY_MAX + 1];
	struct key *pub;
} opened;

static void on_opened(const struct signer_caller *caller, int err, const char *why,
		      const struct key *pub, const struct host_chain *chain)
{
	bool outside = nomem_outside;
	size_t len;

	cr_expect_eq(caller->id, 9);
	nomem_outside = true;
	opened.n++;
	opened.err = err;
	snprintf(opened.why, sizeof(opened.why), "%s", why);
	key_free(opened.pub);
	opened.pub = NULL;
	if (err == 0) {
		opened.certs = chain->n;
		cr_assert_eq(key_blob_parse(key_blob(pub, &len), len, &opened.pub), 0);
		cr_expect(!key_is_private(opened.pub));
	}
	nomem_outside = outside;
}

/* Names below the folder, or whole paths; what came of it. */
static int open_file(const char *name, const char *passphrase_file)
{
	char path[2][HOST_FILE_TEXT_MAX + 1];
	const char *const said[] = {name, passphrase_file};
	const struct signer_caller caller = {.id = 9};
	struct host_file file = {{NULL}};
	unsigned int n = opened.n;

	for (unsigned int i = 0; i < 2; i++) {
		if (said[i] == NULL)
			continue;
		snprintf(path[i], sizeof(path[i]), "%s%s%s", *said[i] != '/' ? t.keys : "",
			 *said[i] != '/' ? "/" : "", said[i]);
		file.field[i == 0 ? HOST_FILE_PATH : HOST_FILE_PASSPHRASE] = path[i];
	}
	opened.err = signer_open(t.signer, &file, clock_now_ms() + 30000, &caller, on_opened);
	while (opened.err == 0 && opened.n == n)
		uv_run(&t.loop, UV_RUN_ONCE);
	return opened.err;
}

/* What signing with it comes to. */
static int signs(const struct key *k)
{
	uint8_t hash[32] = {3};
	unsigned int n = t.done;

	cr_assert_eq(ask(k, "ssh-ed25519", hash, 32, 30000), 0);
	run_until(n + 1);
	if (t.err == 0)
		cr_expect_eq(key_verify(k, "ssh-ed25519", t.sig, t.sig_len, hash, 32), 0);
	return t.err;
}

static void let_go(const struct key *k)
{
	uint8_t print[32];

	cr_assert_eq(signer_print(k, print), 0);
	signer_let_go(t.signer, print, 0);
}

Test(control_signer, a_file_that_is_named_is_a_key_of_its_own)
{
	static const char name[] = "hostkeys-prove-00@openssh.com";
	const struct signer_caller caller = {.id = 7};
	struct key *plain = key_file("plain", NULL), *shut = key_file("shut", "a word");
	uint8_t session_id[32] = {5}, data[512];
	struct ssh_wr w;
	size_t len;

	control_file(t.keys, "word", "a word\nand no more\n", 0600);
	cr_expect_eq(open_file("plain", NULL), 0, "%s", opened.why);
	cr_expect(key_equal(opened.pub, plain));
	cr_expect_eq(signs(plain), 0);
	cr_expect_eq(signs(shut), -ENOENT, "nobody has named it");
	cr_expect_eq(open_file("shut", "word"), 0, "%s", opened.why);
	cr_expect(key_equal(opened.pub, shut));
	cr_expect_eq(signs(shut), 0);
	cr_expect_eq(signs(t.key[0]), 0, "and those of the start");
	t.done = 0;
	cr_assert_eq(signer_prove(t.signer, shut, "ssh-ed25519", session_id, 32,
				  clock_now_ms() + 10000, &caller, on_done),
		     0);
	run_until(1);
	cr_assert_eq(t.err, 0);
	ssh_wr_init(&w, data, sizeof(data));
	ssh_wr_cstr(&w, name);
	ssh_wr_str(&w, (struct ssh_str){session_id, 32});
	ssh_wr_str(&w, (struct ssh_str){key_blob(shut, &len), 51});
	cr_expect_eq(len, 51);
	cr_expect_eq(key_verify(shut, "ssh-ed25519", t.sig, t.sig_len, data, ssh_wr_done(&w)), 0);
	key_free(opened.pub);
	key_free(plain);
	key_free(shut);
}

/* As a control that is started again has. */
static void another_line(void)
{
	struct host_keys pub;

	signer_remote_close(t.remote);
	signer_free(t.signer);
	cr_assert_eq(signer_remote_open(&t.loop, t.timers, t.path, &t.remote, &pub), 0);
	cr_assert_eq(signer_new_remote(t.remote, &pub, &t.signer), 0);
	signer_expect_named(t.signer);
}

/* It is read anew; who was shown the old one has it until he is gone. */
Test(control_signer, a_file_that_is_exchanged_is_another_key)
{
	struct key *first = key_file("key", NULL), *second;

	cr_expect_eq(open_file("key", NULL), 0);
	cr_expect_eq(open_file("key", NULL), 0, "as it was");
	cr_expect(key_equal(opened.pub, first));
	second = key_file("key", NULL);
	cr_expect_eq(signs(first), 0);
	cr_expect_eq(open_file("key", NULL), 0);
	cr_expect(key_equal(opened.pub, second));
	cr_expect_eq(signs(first), 0);
	cr_expect_eq(signs(second), 0);
	let_go(first);
	cr_expect_eq(signs(first), -ENOENT, "nobody needs it");
	let_go(second);
	cr_expect_eq(signs(second), 0, "one that can be named may stay");
	key_free(key_file("key", NULL));
	cr_expect_eq(open_file("key", NULL), 0);
	another_line();
	cr_expect_eq(signs(second), 0, "and is there for who asks next");
	key_free(opened.pub);
	key_free(first);
	key_free(second);
}

static void put_odd_files(void)
{
	char at[256], to[256];

	control_file(t.keys, "empty", "", 0600);
	control_file(t.keys, "text", "no key\n", 0600);
	control_file(t.keys, "wrong", "another word\n", 0600);
	control_file(t.keys, "open", "a word\n", 0644);
	snprintf(at, sizeof(at), "%s/fifo", t.keys);
	cr_assert_eq(mkfifo(at, 0600), 0);
	snprintf(at, sizeof(at), "%s/folder", t.keys);
	cr_assert_eq(mkdir(at, 0700), 0);
	control_file(t.keys, "huge", "", 0600);
	snprintf(at, sizeof(at), "%s/huge", t.keys);
	cr_assert_eq(truncate(at, KEYFILE_MAX + 1), 0);
	snprintf(at, sizeof(at), "%s/link", t.keys);
	cr_assert_eq(symlink("plain", at), 0);
	snprintf(at, sizeof(at), "%s/out", t.keys);
	cr_assert_eq(symlink("..", at), 0);
	snprintf(at, sizeof(at), "%s/plain", t.keys);
	snprintf(to, sizeof(to), "%s/outside", t.dir);
	cr_assert_eq(link(at, to), 0);
}

/* Who has the hook's socket can name any of these, and has the key of none. */
Test(control_signer, nothing_but_private_keys_below_the_folder_is_opened)
{
	static const struct {
		const char *name, *passphrase;
		int err;
	} no[] = {
		{"missing", NULL, -ENOENT},
		{"../outside", NULL, -EXDEV},
		{"folder/../../outside", NULL, -EXDEV},
		{"out/outside", NULL, -ELOOP},
		{"link", NULL, -ELOOP},
		{"/etc/shadow", NULL, -EXDEV},
		{"/proc/self/environ", NULL, -EXDEV},
		{"", NULL, -EXDEV},
		{"fifo", NULL, -EINVAL},
		{"folder", NULL, -EINVAL},
		{"huge", NULL, -EFBIG},
		{"empty", NULL, -EBADMSG},
		{"text", NULL, -EBADMSG},
		{"open", NULL, -EACCES},
		{"plain/x", NULL, -ENOTDIR},
		{"shut", NULL, -ENOKEY},
		{"shut", "wrong", -EKEYREJECTED},
		{"shut", "open", -ENOKEY},
		{"shut", "missing", -ENOKEY},
		{"shut", "../outside", -ENOKEY},
		{"shut", "fifo", -ENOKEY},
	};
	struct key *plain = key_file("plain", NULL), *shut = key_file("shut", "a word");
	char beside[200], far[HOST_FILE_TEXT_MAX + 2] = "";

	memset(far, '/', sizeof(far) - 1);
	put_odd_files();
	cr_expect_eq(signer_open(t.signer, &(struct host_file){{far}}, clock_now_ms() + 30000,
				 &(struct signer_caller){.id = 9}, on_opened),
		     -ENAMETOOLONG);
	for (size_t i = 0; i < N(no); i++)
		cr_expect_eq(open_file(no[i].name, no[i].passphrase), no[i].err, "%s %s: %d %s",
			     no[i].name, no[i].passphrase, opened.err, opened.why);
	snprintf(beside, sizeof(beside), "%s-more/plain", t.keys);
	cr_expect_eq(open_file(beside, NULL), -EXDEV, "it only begins like it");
	snprintf(beside, sizeof(beside), "%s/outside", t.dir);
	cr_expect_eq(open_file(beside, NULL), -EXDEV);
	cr_expect_str_eq(opened.why, "it is not below a HostKeyFolder");
	cr_expect_eq(open_file("folder/..//plain", NULL), 0, "within it any way will do: %s",
		     opened.why);
	cr_expect_eq(signs(shut), -ENOENT);
	key_free(opened.pub);
	key_free(plain);
	key_free(shut);
}

Test(control_signer, without_a_folder_no_file_is_opened)
{
	struct key *plain = key_file("plain", NULL);
	char name[200];

	snprintf(name, sizeof(name), "%s/plain", t.keys);
	signer_kill();
	*t.keys = '\0';
	signer_start(t.key, KEYS);
	cr_expect_eq(open_file(name, NULL), -EXDEV);
	cr_expect_str_eq(opened.why, "there is no HostKeyFolder");
	key_free(plain);
}

/* F-02: one that is started meanwhile has to be told of it again. */
Test(control_signer, f02_a_signer_that_is_started_again_has_no_file_yet)
{
	struct key *plain = key_file("plain", NULL);

	cr_expect_eq(open_file("plain", NULL), 0);
	signer_kill();
	signer_start(t.key, KEYS);
	cr_expect_eq(signs(plain), -ENOENT);
	cr_expect_eq(open_file("plain", NULL), 0);
	cr_expect_eq(signs(plain), 0);
	key_free(opened.pub);
	key_free(plain);
}

/* A file that is new each time, of whose loading the nth allocation fails, in either process. */
static bool open_without(unsigned int n)
{
	struct key *pub = key_file("key", NULL);
	int r, tries = 0;
	bool fired;

	nomem_begin(n);
	nomem_outside = false;
	r = open_file("key", NULL);
	nomem_outside = true;
	fired = nomem_end();
	cr_expect(fired || r == 0, "%u: %d %s", n, r, opened.why);
	cr_expect_neq(r, -ETIMEDOUT, "%u: nobody said anything", n);
	while (r < 0 && tries++ < 100)
		r = open_file("key", NULL);
	cr_expect_eq(r, 0, "%u: %s", n, opened.why);
	cr_expect(r < 0 || key_equal(opened.pub, pub));
	cr_expect_eq(signs(pub), 0);
	let_go(pub);
	key_free(pub);
	return fired;
}

Test(control_signer, f09_a_file_for_which_there_is_no_memory_is_an_error_of_one_call)
{
	unsigned int n = 1;

	while (open_without(n))
		n++;
	cr_expect_gt(n, 12);
	key_free(opened.pub);
}

/* What is held stays; of the others the one that was used longest ago goes. */
Test(control_signer, so_many_files_and_no_more)
{
	const char *deep = getenv("SLUICE_LONG");
	struct key *k[3] = {NULL}, *more = key_file("more", NULL);
	char name[32];

	for (unsigned int i = 0; deep != NULL && i < SIGNER_FILES_MAX; i++) {
		struct key *pub;

		snprintf(name, sizeof(name), "%u", i);
		pub = key_file(name, NULL);
		cr_assert_eq(open_file(name, NULL), 0, "%u: %s", i, opened.why);
		if (i < N(k))
			k[i] = pub;
		else
			key_free(pub);
	}
	if (deep != NULL) {
		cr_expect_eq(open_file("more", NULL), -EDQUOT);
		let_go(k[0]);
		let_go(k[1]);
		cr_expect_eq(open_file("0", NULL), 0, "it is still there");
		let_go(k[0]);
		cr_expect_eq(open_file("more", NULL), 0, "%s", opened.why);
		cr_expect_eq(signs(more), 0);
		cr_expect_eq(signs(k[1]), -ENOENT);
		cr_expect_eq(signs(k[0]), 0);
		cr_expect_eq(signs(k[2]), 0);
	}
	key_free(opened.pub);
	key_free(more);
	for (unsigned int i = 0; i < N(k); i++)
		key_free(k[i]);
}
