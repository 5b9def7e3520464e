/*
 * Whoever asks is who gets the answer: logins of two users at once, whose authority takes its time
 * as it likes (S-26); and the answer says nothing of who there is (S-32).
 */
#include <pthread.h>

#include "control/session/internal.h"
#include "crypto/base64.h"
#include "ssh/auth_msg.h"
#include "tests/util/rnd.h"
#include "tests/util/session_bench.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static char dir[] = "/tmp/sluice-identity-XXXXXX";
static const char *const user[2] = {"alice", "bob"}, *const password[2] = {"apple", "banana"};
static const char *const target[2] = {"10.0.0.1:1", "10.0.0.2:2"};
static struct key *user_key[2];

/* --- an authority that takes its time ----------------------------------------------------------
 */

static unsigned int latency_us; /* at most; 0: none */

static void take_time(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct rnd r = {1};
	unsigned int us;

	if (latency_us == 0)
		return;
	pthread_mutex_lock(&lock);
	us = rnd_below(&r, latency_us);
	pthread_mutex_unlock(&lock);
	usleep(us);
}

void __real_user_lookup_run(struct user_lookup *l);
void __wrap_user_lookup_run(struct user_lookup *l);
int __real_passwd_check(const char *hash, const char *pw, size_t len);
int __wrap_passwd_check(const char *hash, const char *pw, size_t len);

/* Of whom the files lie on a disk that hangs, until it is let go; NULL: nobody. */
static const char *hangs;
static pthread_mutex_t disk = PTHREAD_MUTEX_INITIALIZER;

void __wrap_user_lookup_run(struct user_lookup *l)
{
	if (hangs != NULL && strcmp(l->user, hangs) == 0) {
		pthread_mutex_lock(&disk);
		pthread_mutex_unlock(&disk);
	}
	take_time();
	__real_user_lookup_run(l);
	take_time();
}

int __wrap_passwd_check(const char *hash, const char *pw, size_t len)
{
	take_time();
	return __real_passwd_check(hash, pw, len);
}

/* --- users ------------------------------------------------------------------------------------ */

static void users_make(void)
{
	struct crypt_data *cd = calloc(1, sizeof(*cd));
	char text[1024] = "", b64[256], name[32], line[512];

	for (int u = 0; u < 2; u++) {
		const uint8_t *blob;
		size_t len;

		snprintf(text + strlen(text), 256, "%s:%s\n", user[u],
			 crypt_r(password[u], "$5$rounds=1000$salt", cd));
		cr_assert_eq(key_generate("ssh-ed25519", 0, &user_key[u]), 0);
		blob = key_blob(user_key[u], &len);
		base64_encode(blob, len, b64);
		b64[base64_len(len)] = '\0';
		snprintf(name, sizeof(name), "keys-%s", user[u]);
		snprintf(line, sizeof(line), "permitopen=\"%s\" ssh-ed25519 %s\n", target[u], b64);
		control_file(dir, name, line, 0600);
	}
	control_file(dir, "passwords", text, 0600);
	free(cd);
}

static void setup_identity(void)
{
	char text[512];

	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(chmod(dir, 0755), 0);
	users_make();
	snprintf(text, sizeof(text),
		 "PerSourcePenalties no\nMatch All\nAuthorizedKeysFile %s/keys-%%u\n"
		 "PasswordHashFile %s/passwords\nHostbasedAuthentication yes\n",
		 dir, dir);
	start(text);
}

static void teardown_identity(void)
{
	char cmd[128];

	teardown();
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_expect_eq(system(cmd), 0);
	for (int u = 0; u < 2; u++)
		key_free(user_key[u]);
}

TestSuite(control_identity, .init = setup_identity, .fini = teardown_identity, .timeout = 3600);

/* --- S-26 ------------------------------------------------------------------------------------- */

/* One login: who, and whose key or password he shows. */
struct
try {
	struct client c;
	unsigned int who, whose;
	bool by_key, asked, over;
};

static void try_begin(struct try *y, struct rnd *r, uint32_t index, uint32_t generation)
{
	*y = (struct try){
		.who = rnd_below(r, 2), .whose = rnd_below(r, 2), .by_key = rnd_below(r, 2) == 1};
	bench_user = user[y->who];
	client_begin(&y->c, index, generation);
	y->c.opened = true;
}

static void try_sign(struct try *y, const struct ssh_act *a)
{
	uint8_t sig[KEY_SIG_MAX];
	size_t len = sizeof(sig);

	cr_assert_eq(key_sign(user_key[y->whose], a->sign.sig_alg, a->sign.data.p, a->sign.data.len,
			      sig, &len),
		     0);
	cr_assert_eq(ssh_brain_sign_answer(y->c.brain, a->id, 0, sig, len), 0);
}

static void try_act(struct try *y, const struct ssh_act *a)
{
	const char *pw = password[y->whose];

	if (a->kind == SSH_ACT_SIGN) {
		try_sign(y, a);
	} else if (a->kind != SSH_ACT_LOGIN) {
		client_act(&y->c, a);
	} else if (y->asked) {
		cr_assert_eq(ssh_brain_login_give_up(y->c.brain, a->id), 0);
		y->over = true;
	} else {
		y->asked = true;
		if (y->by_key)
			cr_assert_eq(ssh_brain_login_publickey(y->c.brain, a->id,
							       user_key[y->whose], NULL),
				     0);
		else
			cr_assert_eq(ssh_brain_login_password(y->c.brain, a->id, pw, strlen(pw)),
				     0);
	}
	y->over |= y->c.in;
}

/* He is in exactly if it was his own, as himself, and with what his key allows. */
static void try_judge(const struct try *y)
{
	const struct session *s = t.table->by_index[y->c.conn.index];

	cr_assert_eq(y->c.in, y->who == y->whose, "%s by what is %s's", user[y->who],
		     user[y->whose]);
	if (!y->c.in)
		return;
	cr_assert(s->authenticated);
	cr_assert_str_eq(session_user(s), user[y->who]);
	cr_assert_eq(s->grant.n_permitopen, (size_t)y->by_key);
	if (y->by_key)
		cr_assert_str_eq(s->grant.permitopen[0], target[y->who]);
}

static bool one_act(struct try *y)
{
	struct ssh_act a;

	if (y->c.brain == NULL || y->over || ssh_brain_next(y->c.brain, &a) < 0)
		return false;
	try_act(y, &a);
	return true;
}

/* A brain hears the next when it wants nothing any more. */
static void deliver(struct try all[MAX_CONNS], const struct item *i)
{
	const struct link_hdr *h = (const void *)i->msg;
	struct try *y = &all[h->conn.index];

	while (one_act(y))
		;
	if (y->c.brain != NULL && !y->over)
		client_item(&y->c, i);
}

/* One step of somebody: an action of his, an item for whomever it is, or a turn of control's loop.
 */
static void step(struct try y[MAX_CONNS], struct rnd *r)
{
	struct item *i;

	if (one_act(&y[rnd_below(r, MAX_CONNS)]))
		return;
	i = item_next();
	if (i == NULL) {
		uv_run(&t.loop, UV_RUN_NOWAIT);
		return;
	}
	deliver(y, i);
	free(i);
}

/* S-26. */
Test(control_identity, s26_logins_of_two_users_at_once_never_cross)
{
	const unsigned int logins = test_long() ? 10000 : 48;
	static struct try y[MAX_CONNS];
	unsigned int begun = 0, done = 0, in = 0;
	struct rnd r = rnd_new(rnd_seed());

	latency_us = 2000;
	while (done < logins) {
		for (uint32_t i = 0; i < MAX_CONNS; i++) {
			if (y[i].c.brain != NULL && y[i].over) {
				try_judge(&y[i]);
				in += y[i].c.in;
				done++;
				conn_over(&y[i].c.conn);
				ssh_brain_free(y[i].c.brain);
				y[i].c.brain = NULL;
			}
			if (y[i].c.brain == NULL && begun < logins)
				try_begin(&y[i], &r, i, ++begun);
		}
		step(y, &r);
	}
	latency_us = 0;
	cr_expect(in > 0 && in < logins, "%u of %u", in, logins);
	printf("%u logins, %u at once: %u are in, each as himself\n", logins, MAX_CONNS, in);
}

/* Alice's files hang: those who ask for her wait, and nobody else does. */
Test(control_identity, files_that_hang_hold_up_nobody_else)
{
	static struct try y[MAX_CONNS];
	struct rnd r = rnd_new(1);

	pool_close(t.env.files);
	uv_run(&t.loop, UV_RUN_NOWAIT);
	cr_assert_eq(pool_new(&t.loop, t.env.timers, 4, 64, &t.env.files), 0);
	hangs = "alice";
	pthread_mutex_lock(&disk);
	for (uint32_t i = 0; i < 6; i++) {
		unsigned int who = i == 5; /* bob is the last to come */

		bench_user = user[who];
		y[i] = (struct try){.who = who, .whose = who, .by_key = i % 2 == 1};
		client_begin(&y[i].c, i, 1);
		y[i].c.opened = true;
	}
	while (!y[5].over)
		step(y, &r);
	for (uint32_t i = 0; i < 5; i++)
		cr_expect(!y[i].over);
	pthread_mutex_unlock(&disk);
	for (uint32_t i = 0; i < 5; i++)
		while (!y[i].over)
			step(y, &r);
	for (uint32_t i = 0; i < 6; i++) {
		try_judge(&y[i]);
		conn_over(&y[i].c.conn);
		ssh_brain_free(y[i].c.brain);
	}
}

/* --- S-32 ------------------------------------------------------------------------------------- */

#define SEEN_MAX 64

/* What comes back: types of items, numbers and lengths of messages. */
struct seen {
	unsigned int n;
	struct {
		uint16_t type;
		uint8_t msg;
		uint32_t len;
	} what[SEEN_MAX];
};

static bool is_answer(uint16_t type, uint8_t msg)
{
	return type == LINK_IT_END ||
	       (type == LINK_IT_PAYLOAD &&
		(msg == SSH_MSG_USERAUTH_FAILURE || msg == SSH_MSG_USERAUTH_SUCCESS ||
		 msg == SSH_MSG_USERAUTH_INFO_REQUEST || msg == SSH_MSG_USERAUTH_PK_OK));
}

static void look_on(struct seen *seen)
{
	bool answered = false;

	while (!answered) {
		struct item *i = item_next();
		const struct link_bytes *b;

		if (i == NULL) {
			uv_run(&t.loop, UV_RUN_ONCE);
			continue;
		}
		b = link_msg_body(i->msg);
		cr_assert_lt(seen->n, SEEN_MAX);
		seen->what[seen->n].type = item_type(i);
		if (item_type(i) == LINK_IT_PAYLOAD) {
			seen->what[seen->n].msg = *(const uint8_t *)(b + 1);
			seen->what[seen->n].len = b->len;
		}
		answered = is_answer(item_type(i), seen->what[seen->n].msg);
		seen->n++;
		free(i);
	}
}

enum form { WELL_FORMED, CUT, LONGER };

/* A request with len bytes of a password, or of a key and its signature; in buf. */
static size_t request(uint8_t *buf, size_t size, const char *name, const char *method, size_t len,
		      enum form form)
{
	static const uint8_t many[80 * 1024];
	const struct ssh_str secret = {many, (uint32_t)len}, half = {many, (uint32_t)len / 2};
	struct ssh_wr w;
	size_t n;

	ssh_wr_init(&w, buf, size);
	ssh_wr_u8(&w, SSH_MSG_USERAUTH_REQUEST);
	ssh_wr_cstr(&w, name);
	ssh_wr_cstr(&w, "ssh-connection");
	ssh_wr_cstr(&w, method);
	if (strcmp(method, "password") == 0) {
		ssh_wr_bool(&w, false);
		ssh_wr_str(&w, secret);
	} else if (strcmp(method, "keyboard-interactive") == 0) {
		ssh_wr_cstr(&w, "");
		ssh_wr_str(&w, secret); /* submethods */
	} else if (strcmp(method, "publickey") == 0) {
		ssh_wr_bool(&w, true);
		ssh_wr_cstr(&w, "ssh-ed25519");
		ssh_wr_str(&w, half);
		ssh_wr_str(&w, half);
	} else {
		ssh_wr_cstr(&w, "ssh-ed25519");
		ssh_wr_str(&w, half);
		ssh_wr_cstr(&w, "host.example.org");
		ssh_wr_cstr(&w, "me");
		ssh_wr_str(&w, half);
	}
	n = ssh_wr_done(&w);
	cr_assert_gt(n, 0);
	if (form == LONGER)
		buf[n] = 0;
	return form == CUT ? n - 1 : form == LONGER ? n + 1 : n;
}

/* Keys have been exchanged; then only what the test sends. */
static void to_login(struct client *c, uint32_t index, uint32_t generation)
{
	struct ssh_act a;
	struct item *i;

	bench_user = "x";
	client_begin(c, index, generation);
	c->opened = true;
	for (;;) {
		if (ssh_brain_next(c->brain, &a) == 0) {
			if (a.kind == SSH_ACT_LOGIN)
				break;
			client_act(c, &a);
		} else if ((i = item_next()) != NULL) {
			client_item(c, i);
			free(i);
		} else {
			uv_run(&t.loop, UV_RUN_ONCE);
		}
	}
	items_drop();
}

static void see(const char *name, const char *method, size_t len, enum form form,
		uint32_t generation, struct seen *ret)
{
	static uint8_t buf[200 * 1024];
	struct client c;
	struct ssh_str p = {buf, (uint32_t)request(buf, sizeof(buf) - 1, name, method, len, form)};

	*ret = (struct seen){0};
	to_login(&c, 0, generation);
	client_payload(&c, &p);
	look_on(ret);
	conn_over(&c.conn);
	items_drop();
	ssh_brain_free(c.brain);
}

/* Who exists and who does not get the same, byte for byte in length, however long and malformed. */
Test(control_identity, s32_the_same_sequence_for_requests_up_to_64_kib)
{
	static const char *const method[] = {"password", "keyboard-interactive", "publickey",
					     "hostbased"};
	/* The last is as much as a request of LINK_PAYLOAD_MAX has room for. */
	static const size_t len[] = {1, 1024, 34000, LINK_PAYLOAD_MAX - 200};
	uint32_t generation = 0;

	for (size_t m = 0; m < N(method); m++) {
		for (size_t i = 0; i < N(len); i++) {
			/* Every form of the longest, and of the others the well-formed one. */
			for (enum form f = WELL_FORMED; f <= (i + 1 == N(len) ? LONGER : 0); f++) {
				struct seen exists, not ;

				see("alice", method[m], len[i], f, ++generation, &exists);
				see("nobody-here", method[m], len[i], f, ++generation, &not );
				cr_expect_eq(memcmp(&exists, &not, sizeof(not )), 0,
					     "%s of %zu bytes, form %d", method[m], len[i], f);
				cr_expect_gt(exists.n, 0);
			}
		}
	}
}

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* How long it takes that somebody of that name is refused, who exists or not. */
static double refusal_us(const char *name, bool exists, uint32_t generation)
{
	static uint8_t buf[LINK_PAYLOAD_MAX];
	struct client c;
	struct ssh_str p = {buf, (uint32_t)request(buf, sizeof(buf), name, "password",
						   LINK_PAYLOAD_MAX - 200, WELL_FORMED)};
	struct seen seen = {0};
	char line[128];
	double began;

	snprintf(line, sizeof(line), "%s:$5$rounds=1000$saltsalt$%s\n", exists ? name : "none",
		 "7lZfFTfHsBTA3OKAzbrmFi/u4AFgxUpq/UCLQ0GvvcD");
	control_file(dir, "passwords", line, 0600);
	to_login(&c, 0, generation);
	began = now_us();
	client_payload(&c, &p);
	look_on(&seen);
	began = now_us() - began;
	conn_over(&c.conn);
	items_drop();
	ssh_brain_free(c.brain);
	return began;
}

/* The same of names while they exist and while they do not: the area under the curve (AUC). */
Test(control_identity, s32_the_time_of_passwords_of_64_kib)
{
	const unsigned int n = test_long() ? 10000 : 8;
	/* Of a half within what the catalogue allows; few samples scatter. */
	const double bound = test_long() ? 0.05 : 0.48;
	double *took[2] = {calloc(n, sizeof(double)), calloc(n, sizeof(double))}, more = 0;
	char name[16];

	for (unsigned int i = 0; i < 2 * n; i++) {
		snprintf(name, sizeof(name), "user%u", i / 2 % 8);
		took[i % 2][i / 2] = refusal_us(name, i % 2 == 0, i + 1);
	}
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int k = 0; k < n; k++)
			more += took[0][i] > took[1][k] ? 1 : took[0][i] == took[1][k] ? 0.5 : 0;
	more /= (double)n * n;
	fprintf(stderr, "password of 64 KiB: AUC %.3f of 2 x %u refusals\n", more, n);
	cr_expect(more > 0.5 - bound && more < 0.5 + bound, "AUC %.3f", more);
	free(took[0]);
	free(took[1]);
}
