/*
 * control/session/keyset.c, hostkeys.c: host keys that change while connections live (F-28).
 */
#define MAX_CONNS 10016

#include <errno.h>

#include "control/count.h"
#include "control/session/keep.h"
#include "control/session/named.h"
#include "control/signer/folder.h"
#include "ssh/internal.h"
#include "tests/util/rnd.h"
#include "tests/util/session_bench.h"

static void begin(void)
{
	start_later("LogLevel QUIET");
}

TestSuite(control_rotate, .init = begin, .fini = teardown, .timeout = 300);

/* --- keys ------------------------------------------------------------------------------- */

/* A signer with one new key, in place of those of now. */
static int rotate(void)
{
	struct keyset next = {0};
	struct key *k = NULL;
	int r;

	cr_assert_eq(key_generate("ssh-ed25519", 0, &k), 0);
	cr_assert_eq(signer_new(t.env.compute, &next.signer), 0);
	cr_assert_eq(signer_add(next.signer, k), 0);
	r = keyset_change(&t.env.keys, &next);
	if (r < 0)
		signer_free(next.signer);
	return r;
}

static const struct key *key_now(void)
{
	return signer_public(keyset_now(&t.env.keys)->signer, 0);
}

/* --- clients ---------------------------------------------------------------------------- */

static void client_enter(struct client *c, uint32_t index)
{
	client_begin(c, index, 1);
	c->logins = 1; /* none is wrong */
	c->opened = true;
	while (!c->in)
		client_step(c);
	items_drop();
}

static void leave(struct client *c)
{
	conn_over(&c->conn);
	ssh_brain_free(c->brain);
	items_drop();
}

static bool shown(const struct client *c, const struct key *k)
{
	return key_equal(c->brain->server_key, k);
}

/* The client's brain ends the connection when it is shown another key (S-20). */
static void rekeys(struct client *c)
{
	unsigned int had = c->exchanges;

	cr_assert_eq(ssh_brain_rekey(c->brain), 0);
	while (c->exchanges == had && !c->done)
		client_step(c);
	cr_assert_not(c->done, "it was shown another key");
	items_drop();
}

static void rest_all(void)
{
	later_ms += REST_MS + 100;
	timers_poll(t.env.timers, now_ms());
}

/* F-28. Half of them rest when it happens; the catalogue's number is that of --long. */
Test(control_rotate, f28_those_who_live_keep_the_key_they_were_shown)
{
	unsigned int n = test_long() ? 10000 : 40;
	struct client *c = calloc(n, sizeof(*c)), late;
	const struct key *old = key_now();

	for (unsigned int i = 0; i < n / 2; i++)
		client_enter(&c[i], i);
	rest_all();
	for (unsigned int i = n / 2; i < n; i++)
		client_enter(&c[i], i);
	cr_assert_eq(t.env.keys.set[0].users, n);
	cr_assert_eq(rotate(), 0);
	cr_expect_null(t.first, "nobody is told again: OpenSSH's client would leave");
	client_enter(&late, n);
	cr_expect(shown(&late, key_now()));
	cr_expect_not(shown(&late, old));
	for (unsigned int i = 0; i < n; i++) {
		rekeys(&c[i]);
		cr_assert(shown(&c[i], old), "%u", i);
	}
	rest_all();
	rekeys(&c[0]); /* from rest once more */
	rekeys(&late);
	for (unsigned int i = 0; i < n; i++)
		leave(&c[i]);
	cr_expect_null(t.env.keys.set[0].signer, "the last of them took the old keys along");
	cr_expect(shown(&late, key_now()));
	rekeys(&late);
	leave(&late);
	free(c);
}

/* The shard says that an exchange is due: the same holds for those we begin. */
Test(control_rotate, an_exchange_of_ours_shows_the_old_key)
{
	static const struct link_conn_ref due;
	struct client c;

	client_enter(&c, 1);
	cr_assert_eq(rotate(), 0);
	rest_all();
	cr_assert_eq(event(&c.conn, LINK_EV_REKEY_DUE, &due, sizeof(due), NULL, 0), 0);
	while (c.exchanges < 2 && !c.done)
		client_step(&c);
	cr_expect_not(c.done);
	leave(&c);
}

/* The keys change between KEXINIT and the signature, at every step of a first exchange. */
Test(control_rotate, at_every_step_of_a_login)
{
	for (unsigned int at = 0; at < 24; at++) {
		struct client c;
		bool turned = false;

		client_begin(&c, 1, at + 1);
		c.logins = 1;
		c.opened = true;
		for (unsigned int i = 0; !c.in && !c.done; i++) {
			if (i == at) {
				cr_assert_eq(rotate(), 0);
				turned = true;
			}
			client_step(&c);
		}
		cr_assert(c.in, "step %u", at);
		if (turned)
			rekeys(&c);
		leave(&c);
	}
}

/* --- a signer that stands still ----------------------------------------------------------- */

#define SLOW_THREADS 3

static struct {
	struct pool *pool;
	struct pool_job job[SLOW_THREADS]; /* each holds a thread of it */
	unsigned int jobs;
	uv_sem_t go;
} slow;

static void slow_run(struct pool_job *job)
{
	(void)job;
	uv_sem_wait(&slow.go);
}

static void slow_done(struct pool_job *job, int err)
{
	(void)job;
	cr_expect_eq(err, 0);
}

static void slow_free(struct pool_job *job)
{
	(void)job;
	slow.jobs--;
}

static void slow_stop(void)
{
	while (slow.jobs > 0)
		uv_run(&t.loop, UV_RUN_ONCE);
	for (struct pool_job *j = slow.job; slow.jobs < SLOW_THREADS; slow.jobs++, j++) {
		*j = (struct pool_job){.run = slow_run, .done = slow_done, .free = slow_free};
		cr_assert_eq(pool_submit(slow.pool, j, POOL_REKEY, UINT64_MAX), 0);
	}
}

static void slow_continue(void)
{
	for (size_t i = 0; i < SLOW_THREADS; i++)
		uv_sem_post(&slow.go);
}

/* Its exchange waits for a signature. */
static struct session *await_signer(struct client *c)
{
	struct session *s = t.table->by_index[c->conn.index];

	s->awake->signing = (struct signing){0};
	while (s->awake->signing.key == NULL)
		client_step(c);
	return s;
}

static void later(uint64_t ms)
{
	later_ms += ms;
	timers_poll(t.env.timers, now_ms());
}

/* F-04. The shard holds it as long as LoginGraceTime, and so does control. */
Test(control_rotate, f04_who_changes_keys_waits_for_the_signer)
{
	const uint64_t grace_ms = 120000;
	struct keyset next = {0};
	struct key *k = NULL;
	struct client c, stranger;
	struct session *s;

	uv_sem_init(&slow.go, 0);
	cr_assert_eq(pool_new(&t.loop, t.env.timers, SLOW_THREADS - 1, 64, &slow.pool), 0);
	cr_assert_eq(signer_new(slow.pool, &next.signer), 0);
	cr_assert_eq(key_generate("ssh-ed25519", 0, &k), 0);
	cr_assert_eq(signer_add(next.signer, k), 0);
	cr_assert_eq(keyset_change(&t.env.keys, &next), 0);
	client_enter(&c, 1);

	slow_stop();
	cr_assert_eq(ssh_brain_rekey(c.brain), 0);
	s = await_signer(&c);
	client_begin(&stranger, 2, 1);
	s = await_signer(&stranger);
	later(SIGN_MS + 1000);
	cr_expect(s->ended, "a place with the signer is held for seconds");
	leave(&stranger);
	s = t.table->by_index[1];
	later(grace_ms - SIGN_MS - 6000);
	cr_expect_not(s->ended);
	slow_continue();
	while (c.exchanges < 2 && !c.done)
		client_step(&c);
	cr_expect_not(c.done);
	items_drop();

	slow_stop();
	cr_assert_eq(ssh_brain_rekey(c.brain), 0);
	s = await_signer(&c);
	later(grace_ms + 1000);
	cr_expect(s->ended);
	leave(&c);
	slow_continue();
	pool_close(slow.pool);
	uv_sem_destroy(&slow.go);
}

/* --- announcements and proofs ------------------------------------------------------------- */

/* A request for proofs of these keys; the number of the answer. */
static uint8_t proofs(struct client *c, const struct key *const k[], unsigned int n)
{
	const struct link_bytes *b;
	uint8_t buf[1024];
	struct ssh_str payload = {buf, 0};
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_u8(&w, SSH_MSG_GLOBAL_REQUEST);
	ssh_wr_cstr(&w, "hostkeys-prove-00@openssh.com");
	ssh_wr_bool(&w, true);
	for (unsigned int i = 0; i < n; i++) {
		size_t len;
		const uint8_t *blob = key_blob(k[i], &len);

		ssh_wr_str(&w, (struct ssh_str){blob, (uint32_t)len});
	}
	payload.len = (uint32_t)ssh_wr_done(&w);
	items_drop();
	client_payload(c, &payload);
	while ((b = item_of(LINK_IT_PAYLOAD)) == NULL)
		uv_run(&t.loop, UV_RUN_ONCE);
	return *(const uint8_t *)(b + 1);
}

Test(control_rotate, keys_of_now_and_of_the_connection_are_proved)
{
	const struct key *first = key_now(), *second, *both[2];
	struct key *foreign = NULL;
	struct client c, d;

	cr_assert_eq(key_generate("ssh-ed25519", 0, &foreign), 0);
	client_enter(&c, 1);
	cr_expect_eq(proofs(&c, &first, 1), SSH_MSG_REQUEST_SUCCESS);
	cr_assert_eq(rotate(), 0);
	second = key_now();
	client_enter(&d, 2);
	both[0] = first;
	both[1] = second;
	cr_expect_eq(proofs(&c, &first, 1), SSH_MSG_REQUEST_SUCCESS);
	cr_expect_eq(proofs(&c, &second, 1), SSH_MSG_REQUEST_SUCCESS);
	cr_expect_eq(proofs(&d, &second, 1), SSH_MSG_REQUEST_SUCCESS);
	cr_expect_eq(proofs(&d, &first, 1), SSH_MSG_REQUEST_FAILURE, "it never was shown that");
	cr_expect_eq(proofs(&c, both, 2), SSH_MSG_REQUEST_FAILURE, "no signer has both");
	both[0] = foreign;
	cr_expect_eq(proofs(&c, both, 1), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(proofs(&c, NULL, 0), SSH_MSG_REQUEST_FAILURE);
	leave(&c);
	leave(&d);
	key_free(foreign);
}

/* A proof under way keeps the keys it is of, though no connection has them. */
Test(control_rotate, a_proof_holds_its_keys)
{
	uint8_t buf[1024];
	struct ssh_str payload = {buf, 0};
	const struct link_bytes *b;
	const uint8_t *blob;
	struct client c;
	struct ssh_wr w;
	size_t len;

	client_enter(&c, 1);
	cr_assert_eq(rotate(), 0);
	blob = key_blob(key_now(), &len);
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_u8(&w, SSH_MSG_GLOBAL_REQUEST);
	ssh_wr_cstr(&w, "hostkeys-prove-00@openssh.com");
	ssh_wr_bool(&w, true);
	ssh_wr_str(&w, (struct ssh_str){blob, (uint32_t)len});
	payload.len = (uint32_t)ssh_wr_done(&w);
	client_payload(&c, &payload);
	cr_assert_eq(t.env.keys.set[1].users, 1);
	cr_assert_eq(rotate(), 0);
	cr_expect_not_null(t.env.keys.set[1].signer);
	while ((b = item_of(LINK_IT_PAYLOAD)) == NULL)
		uv_run(&t.loop, UV_RUN_ONCE);
	cr_expect_eq(*(const uint8_t *)(b + 1), SSH_MSG_REQUEST_SUCCESS);
	cr_expect_null(t.env.keys.set[1].signer, "and lets them go");
	leave(&c);
}

/* --- keys of files ---------------------------------------------------------------------- */

static struct {
	char dir[64], path[128];
	struct key_folders *folders;
} named;

static void begin_named(void)
{
	static const char *dirs[] = {named.dir};
	static const struct conf_strs all = {dirs, 1};
	const char *bad;

	strcpy(named.dir, "/tmp/sluice-named-XXXXXX");
	control_dir(named.dir);
	snprintf(named.path, sizeof(named.path), "%s/key", named.dir);
	cr_assert_eq(key_folders_new(&all, geteuid(), &named.folders, &bad), 0);
	control_host_folders = named.folders;
	begin();
}

static void end_named(void)
{
	teardown();
	key_folders_free(named.folders);
	control_dir_remove(named.dir);
}

TestSuite(control_named, .init = begin_named, .fini = end_named, .timeout = 300);

/* Somebody who was shown it as if it had been named: the signer of now has read it at its start. */
static struct client shown_file(const struct host_file *file, struct key **ret_pub)
{
	const struct keyfile_opts o = {.format = KEYFILE_AUTO};
	static const struct host_chain none;
	struct keyset next = {0};
	struct keyfile *kf = NULL;
	struct session *s;
	struct client c;

	*ret_pub = control_key_file(named.path, "ssh-ed25519", NULL);
	cr_assert_eq(keyfile_load(named.path, &o, &kf), 0);
	cr_assert_eq(signer_new(t.env.compute, &next.signer), 0);
	cr_assert_eq(signer_add(next.signer, keyfile_take(kf)), 0);
	keyfile_free(kf);
	cr_assert_eq(keyset_change(&t.env.keys, &next), 0);
	client_enter(&c, 1);
	cr_assert(shown(&c, *ret_pub));
	s = t.table->by_index[1];
	cr_assert_eq(named_take(s, &s->awake->earned, file, *ret_pub, &none), 0);
	s->awake->marks = s->awake->earned.marks; /* as a login hands them over */
	s->awake->earned.marks = NULL;
	keep_send(s);
	return c;
}

/* Whose signer has other keys of its own, and the folder. */
static void another_control(const struct client *c)
{
	struct link_conn_kept ev = {.local = {.family = 4, .port = 22, .addr = {192, 0, 2, 1}},
				    .peer = {.family = 4, .port = 9, .addr = {192, 0, 2, 9}},
				    .uid = 77,
				    .len = bench_blob.len};

	session_table_free(t.table);
	cr_assert_eq(rotate(), 0);
	cr_assert_eq(signer_folders(keyset_now(&t.env.keys)->signer, named.folders), 0);
	table_new();
	cr_assert_eq(event(&c->conn, LINK_EV_CONN_KEPT, &ev, sizeof(ev), bench_blob.p, ev.len), 0);
}

Test(control_named, another_control_shows_it_too)
{
	const struct host_file file = {{named.path}};
	struct key *pub;
	struct client c = shown_file(&file, &pub);

	another_control(&c);
	cr_expect_eq(keyset_now(&t.env.keys)->n_named, 1);
	rekeys(&c);
	rest_all();
	rekeys(&c);
	cr_expect(shown(&c, pub));
	cr_expect_eq(proofs(&c, (const struct key **)&pub, 1), SSH_MSG_REQUEST_SUCCESS);
	leave(&c);
	cr_expect_eq(keyset_now(&t.env.keys)->n_named, 0, "nobody is shown it");
	key_free(pub);
}

/* The file has another key by then: his is gone, and he is told nothing else. */
Test(control_named, a_file_that_was_exchanged_is_no_other_key)
{
	const struct host_file file = {{named.path}};
	struct key *pub;
	struct client c = shown_file(&file, &pub);

	another_control(&c);
	key_free(control_key_file(named.path, "ssh-ed25519", NULL));
	cr_assert_eq(ssh_brain_rekey(c.brain), 0);
	while (!c.done)
		client_step(&c);
	cr_expect_eq(c.exchanges, 1);
	leave(&c);
	key_free(pub);
}

/* What lies with the shard is what was sealed there, and a part of it is nothing. */
Test(control_named, what_was_left_is_read_whole_or_not_at_all)
{
	const struct host_file file = {{named.path}};
	uint8_t buf[1024];
	struct key *pub;
	struct client c = shown_file(&file, &pub);
	struct session *s = t.table->by_index[1];
	struct ssh_str all = {buf, 0};
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	named_build(s, &w, true);
	all.len = (uint32_t)ssh_wr_done(&w);
	for (uint32_t len = 0; len <= all.len; len++) {
		char marks[128];
		int r;

		memcpy(marks, s->awake->marks, s->awake->earned.marks_len + 1);
		r = named_parse(s, (struct ssh_str){buf, len}, marks);
		cr_expect_eq(r, len == all.len ? 0 : -EBADMSG, "%u", len);
		cr_expect_eq(*marks, len == all.len ? CONF_MARK_HOST_FILE : CONF_MARK_HOST_KEY);
		named_leave_marks(s, marks);
	}
	leave(&c);
	key_free(pub);
}

/* --- bounds ----------------------------------------------------------------------------- */

Test(control_rotate, so_many_sets_and_no_more)
{
	struct client c[KEYSETS_MAX];

	for (uint32_t i = 0; i < KEYSETS_MAX; i++) {
		if (i > 0)
			cr_assert_eq(rotate(), 0);
		client_enter(&c[i], i);
	}
	cr_expect_eq(control_counted(CONTROL_C_KEYSETS), 0);
	cr_expect_eq(rotate(), -EBUSY);
	cr_expect_eq(control_counted(CONTROL_C_KEYSETS), 1);
	cr_expect(shown(&c[KEYSETS_MAX - 1], key_now()), "nothing has changed");
	for (uint32_t i = 0; i < KEYSETS_MAX; i++)
		rekeys(&c[i]);
	leave(&c[3]);
	cr_expect_eq(rotate(), 0);
	cr_expect_eq(t.env.keys.now, 3);
	for (uint32_t i = 0; i < KEYSETS_MAX; i++)
		if (i != 3)
			leave(&c[i]);
}

/* Of keys that nobody has been shown nothing stays. */
Test(control_rotate, unused_keys_go_at_once)
{
	for (unsigned int i = 0; i < 100; i++)
		cr_assert_eq(rotate(), 0);
	for (unsigned int i = 0; i < KEYSETS_MAX; i++)
		cr_expect_eq(t.env.keys.set[i].signer != NULL, i == t.env.keys.now);
}

static char said[1024];

static void hear(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	cr_expect_eq(level, LOG_L_ERROR);
	strncat(said, line, sizeof(said) - strlen(said) - 2);
	strcat(said, "\n");
}

/*
 * They are read where keys are taken, on the loop: what is no plain file is not waited for, and
 * what is said of it goes the log's way, which waits for nobody.
 */
Test(control_rotate, certificates_that_cannot_be_read_are_said_and_left_out)
{
	struct host_keys keys = {.n = 0};
	struct host_certs certs;
	char text[512], path[128];
	struct conf *conf;

	snprintf(path, sizeof(path), "%s/fifo", t.dir);
	cr_assert_eq(mkfifo(path, 0644), 0);
	control_file(t.dir, "none", "nothing of a certificate\n", 0644);
	snprintf(text, sizeof(text),
		 "HostCertificate %s\nHostCertificate %s/none\n"
		 "HostCertificate %s/missing\n",
		 path, t.dir, t.dir);
	conf = control_conf(text, (int)strlen(text));
	log_sink_set(hear, NULL);
	host_certs_load(conf, &keys, &certs);
	log_sink_set(quiet, NULL);
	cr_expect_eq(certs.n, 0);
	cr_expect_not_null(strstr(said, "/fifo\": "));
	cr_expect_not_null(strstr(said, "/none\": not a certificate\n"));
	cr_expect_not_null(strstr(said, "/missing\": no such file\n"));
	conf_put(conf);
}
