/*
 * S-66: one image that is restored twice. What runs on from it twice are two processes with the
 * same memory and, each in a PID namespace of its own, the same process ID; they were made by the
 * system call itself, so that no handler of a library runs: neither can notice that it is not the
 * first. A generator that lives in memory draws the same in both, which is looked at, too: what
 * must differ is so only by what the kernel is asked for.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "crypto/kex.h"
#include "crypto/key.h"
#include "crypto/moduli.h"
#include "crypto/secret.h"

#define METHODS_MAX 64
#define RANDOM_LEN  32

static const char *const key_types[] = {"ssh-ed25519",         "ssh-ed448",
					"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
					"ecdsa-sha2-nistp521", "ssh-rsa"};
#define KEY_TYPES (sizeof(key_types) / sizeof(key_types[0]))

/* What one of them draws. */
struct drawn {
	bool whole;
	pid_t pid;
	uint8_t library[RANDOM_LEN]; /* OpenSSL's own generator: none that secrets are taken from */
	uint8_t random[RANDOM_LEN];
	uint8_t asked[METHODS_MAX][RANDOM_LEN], answered[METHODS_MAX][RANDOM_LEN];
	uint8_t key[KEY_TYPES][RANDOM_LEN];
	uint8_t sig[KEY_SIG_MAX];
	size_t sig_len;
};

static struct {
	struct drawn twin[2];
	bool denied;
} * shared;

static const struct kex_group *group_for(const struct kex_method *m)
{
	static struct kex_group g;

	if (!m->group_exchange)
		return NULL;
	cr_assert_eq(moduli_choose(NULL, 2048, 2048, 2048, &g), 0);
	return &g;
}

/* The end of it: what a key that is not a point or a number begins with may be the same. */
static void end_of(uint8_t to[RANDOM_LEN], const uint8_t *p, size_t len)
{
	if (len < RANDOM_LEN)
		_exit(2);
	memcpy(to, p + len - RANDOM_LEN, RANDOM_LEN);
}

/* Both halves of an exchange, as one who asks and one who answers himself. */
static void exchange(const char *name, uint8_t asked[RANDOM_LEN], uint8_t answered[RANDOM_LEN])
{
	static uint8_t a[KEX_PUBLIC_MAX], b[KEX_PUBLIC_MAX], secret[KEX_SECRET_MAX];
	const struct kex_method *m = kex_method_find(name);
	const struct kex_group *g = group_for(m);
	const uint8_t *from = a;
	struct kex_key *k = NULL;
	size_t a_len, b_len, len;

	if (kex_init(m, g, &k, a, &a_len) < 0)
		_exit(3);
	while (m->q_form == KEX_MPINT && *from == 0) { /* as it is sent */
		from++;
		a_len--;
	}
	if (kex_respond(m, g, from, a_len, b, &b_len, secret, &len) < 0)
		_exit(3);
	kex_key_free(k);
	end_of(asked, from, a_len);
	end_of(answered, b, b_len);
}

static void draw(struct drawn *d, const struct key *signer, const char *message)
{
	const char *name;

	d->pid = getpid();
	if (RAND_bytes(d->library, sizeof(d->library)) != 1 ||
	    crypto_random(d->random, sizeof(d->random)) < 0)
		_exit(4);
	/* First what may go on where the library stands: an exchange has it ask the kernel. */
	d->sig_len = sizeof(d->sig);
	if (key_sign(signer, "ecdsa-sha2-nistp256", (const uint8_t *)message, strlen(message),
		     d->sig, &d->sig_len) < 0)
		_exit(6);
	for (size_t i = 0; i < KEY_TYPES; i++) {
		struct key *k = NULL;
		const uint8_t *blob;
		size_t len;

		if (key_generate(key_types[i], strcmp(key_types[i], "ssh-rsa") == 0 ? 2048 : 0,
				 &k) < 0)
			_exit(5);
		blob = key_blob(k, &len);
		end_of(d->key[i], blob, len);
		key_free(k);
	}
	for (unsigned int i = 0; (name = kex_method_name_at(i)) != NULL; i++)
		exchange(name, d->asked[i], d->answered[i]);
	d->whole = true;
}

/* As fork(), of which no library hears; in a PID namespace of its own it is process 1. */
static pid_t twin(int more)
{
	return (pid_t)syscall(SYS_clone, CLONE_NEWPID | more | SIGCHLD, NULL, NULL, NULL, NULL);
}

/* Process 1: seeds all that is seeded once, and is restored twice. */
static void original(void)
{
	static const char *const message[] = {"one message", "another message"};
	static struct drawn before;
	struct key *signer = NULL;

	if (key_generate("ecdsa-sha2-nistp256", 0, &signer) < 0)
		_exit(1);
	draw(&before, signer, "seeded");
	for (int i = 0; i < 2; i++) {
		pid_t pid = twin(0);
		int status;

		if (pid < 0)
			_exit(7);
		if (pid == 0) {
			draw(&shared->twin[i], signer, message[i]);
			_exit(0);
		}
		if (waitpid(pid, &status, 0) != pid || status != 0)
			_exit(100 +
			      (WIFSIGNALED(status) ? WTERMSIG(status) : 50 + WEXITSTATUS(status)));
	}
	_exit(0);
}

static void run(void)
{
	int status;
	pid_t pid;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	cr_assert_neq(shared, MAP_FAILED);
	pid = twin(geteuid() == 0 ? 0 : CLONE_NEWUSER);
	if (pid < 0 && (errno == EPERM || errno == ENOSPC || errno == EINVAL))
		cr_skip("no PID namespaces");
	cr_assert_geq(pid, 0);
	if (pid == 0)
		original();
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
	cr_assert(shared->twin[0].whole && shared->twin[1].whole);
	/* They are what they are said to be. */
	cr_assert_eq(shared->twin[0].pid, 1);
	cr_assert_eq(shared->twin[1].pid, 1);
	cr_assert_arr_eq(shared->twin[0].library, shared->twin[1].library, RANDOM_LEN,
			 "the two are not one image: a generator in memory differs");
}

static void ephemeral_keys(void)
{
	const struct drawn *a = &shared->twin[0], *b = &shared->twin[1];
	const char *name;

	for (unsigned int i = 0; (name = kex_method_name_at(i)) != NULL; i++) {
		cr_expect_arr_neq(a->asked[i], b->asked[i], RANDOM_LEN, "%s asks", name);
		cr_expect_arr_neq(a->answered[i], b->answered[i], RANDOM_LEN, "%s answers", name);
	}
}

static void random_of_ours(void)
{
	const struct drawn *a = &shared->twin[0], *b = &shared->twin[1];

	cr_expect_arr_neq(a->random, b->random, RANDOM_LEN);
}

static void keys(void)
{
	const struct drawn *a = &shared->twin[0], *b = &shared->twin[1];

	for (size_t i = 0; i < KEY_TYPES; i++)
		cr_expect_arr_neq(a->key[i], b->key[i], RANDOM_LEN, "%s", key_types[i]);
}

/* RFC 5656 section 3.1.2: behind the name and three lengths. */
static const uint8_t *number_r(const struct drawn *d)
{
	const size_t at = 4 + strlen("ecdsa-sha2-nistp256") + 4 + 4;

	cr_assert_gt(d->sig_len, at + 60);
	return d->sig + at;
}

/* Two messages signed with one number k give the key away: r would be the same. */
static void signatures(void)
{
	const struct drawn *a = &shared->twin[0], *b = &shared->twin[1];

	cr_expect_arr_neq(number_r(a), number_r(b), 30);
}

Test(restore, s66_two_that_were_one_image_draw_nothing_twice, .timeout = 60)
{
	run();
	random_of_ours();
	signatures();
	keys();
	ephemeral_keys();
}
