/* control/session/lapse.c: who came in by what is over by now goes, at the moment it is. */
#include <time.h>

#define MAX_CONNS 100000
#include "control/session/internal.h"
#include "control/session/review.h"
#include "crypto/base64.h"
#include "crypto/cert.h"
#include "tests/util/hook_program.h"
#include "tests/util/rnd.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define NOW  1900000000 /* 2030-03-17T17:46:40Z */
#define DAYS (NOW / 86400)

static char dir[] = "/tmp/sluice-lapse-XXXXXX";
static struct key *user_key;
static int64_t set_forward; /* seconds somebody set the clock forward by */

static uint64_t wall(void)
{
	return (uint64_t)(NOW + (int64_t)(later_ms / 1000) + set_forward);
}

static void put(const char *name, const char *options, const struct key *k)
{
	char path[128], b64[4096] = "";
	const uint8_t *blob;
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	if (k != NULL) {
		blob = key_blob(k, &len);
		base64_encode(blob, len, b64);
	}
	fprintf(f, "%s%s %s\n", options, k != NULL ? key_type(k) : "", b64);
	fclose(f);
	cr_assert_eq(chmod(path, 0644), 0);
}

static void begin_with(const char *more)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "Match All\nAuthorizedKeysFile %s/keys\nTrustedUserCAKeys %s/ca\n"
		 "PasswordHashFile %s/passwords\n%s\n",
		 dir, dir, dir, more);
	start_later(text);
	t.env.sources.wall = wall;
}

static void setup_lapse(void)
{
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(chmod(dir, 0755), 0);
	control_file(dir, "passwords", "", 0600);
	cr_assert_eq(key_generate("ssh-ed25519", 0, &user_key), 0);
}

static void teardown_lapse(void)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_expect_eq(system(cmd), 0);
	key_free(user_key);
	teardown();
}

TestSuite(lapse, .init = setup_lapse, .fini = teardown_lapse, .timeout = 60);
TestSuite(lapse_many, .init = setup_lapse, .fini = teardown_lapse, .timeout = 3600);

/* --- a client with a key ---------------------------------------------------------------------- */

static void sign(struct client *c, const struct ssh_act *a)
{
	uint8_t sig[KEY_SIG_MAX];
	size_t len = sizeof(sig);

	cr_assert_eq(
		key_sign(user_key, a->sign.sig_alg, a->sign.data.p, a->sign.data.len, sig, &len),
		0);
	cr_assert_eq(ssh_brain_sign_answer(c->brain, a->id, 0, sig, len), 0);
}

/* By k, whose private half is user_key; NULL: by the password. */
static void log_in(struct client *c, const struct key *k)
{
	while (!c->in) {
		struct ssh_act a;
		struct item *i;

		if (ssh_brain_next(c->brain, &a) == 0) {
			if (a.kind == SSH_ACT_LOGIN && k != NULL)
				cr_assert_eq(ssh_brain_login_publickey(c->brain, a.id, k, NULL), 0);
			else if (a.kind == SSH_ACT_SIGN)
				sign(c, &a);
			else
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

static struct client stranger(uint32_t index)
{
	struct client c;

	client_begin(&c, index, 1);
	c.opened = true;
	c.logins = 1; /* the right password at once */
	return c;
}

static struct client client_by(const struct key *k, uint32_t index)
{
	struct client c = stranger(index);

	log_in(&c, k);
	return c;
}

static struct session *session_at(const struct client *c)
{
	cr_assert_not_null(t.table->by_index[c->conn.index]);
	return t.table->by_index[c->conn.index];
}

static bool gone(const struct client *c)
{
	return session_at(c)->ended;
}

static void pass(uint64_t ms)
{
	later_ms += ms;
	timers_poll(t.env.timers, now_ms());
}

/* Files have been looked at; whoever is gone is gone. */
static void looked(void)
{
	pass(11000);
	for (int i = 0; i < 200; i++) {
		uv_run(&t.loop, UV_RUN_NOWAIT);
		timers_poll(t.env.timers, now_ms());
		usleep(200);
	}
}

static void fini(struct client *c)
{
	conn_over(&c->conn);
	items_drop();
	ssh_brain_free(c->brain);
}

/* The client is told why, by its number and in words, and then cut off. */
static void expect_told(int err)
{
	const struct link_bytes *b = item_of(LINK_IT_PAYLOAD);
	struct ssh_disconnect_msg m;
	const struct link_end *end;
	struct ssh_rd r;

	cr_assert_not_null(b);
	ssh_rd_init(&r, (const uint8_t *)(b + 1) + 1, b->len - 1);
	cr_assert_eq(((const uint8_t *)(b + 1))[0], SSH_MSG_DISCONNECT);
	cr_assert_eq(ssh_disconnect_parse(&r, &m), 0);
	cr_expect_eq(m.reason, SSH_DISCONNECT_BY_APPLICATION);
	cr_expect(ssh_str_eq(m.text, ssh_err_text(err)));
	end = item_of(LINK_IT_END);
	cr_assert_not_null(end);
	cr_expect_eq(end->cause, err);
}

/* --- time ---------------------------------------------------------------------------------------
 */

/* Of user_key, by an authority that is trusted from then on. */
static struct key *certify_for(const char **names, unsigned int n, uint64_t before)
{
	const struct cert_spec spec = {.role = CERT_USER,
				       .key_id = "id",
				       .principals = names,
				       .n_principals = n,
				       .valid_before = before};
	struct key *ca = NULL, *c = NULL;

	cr_assert_eq(key_generate("ssh-ed25519", 0, &ca), 0);
	put("ca", "", ca);
	cr_assert_eq(cert_build(user_key, &spec, ca, NULL, &c), 0);
	key_free(ca);
	return c;
}

static struct key *certify(uint64_t before)
{
	const char *name = "demo";

	return certify_for(&name, 1, before);
}

/* Ends 100 s from now, awake or at rest, and not a moment before. */
static void expect_end_in_100_s(const struct key *k, uint32_t index)
{
	for (int rests = 0; rests < 2; rests++) {
		struct client c = client_by(k, index);

		if (rests)
			pass(REST_MS + 100);
		cr_assert_eq(session_at(&c)->awake == NULL, rests == 1);
		pass(rests ? 97000 : 99000);
		cr_expect(!gone(&c));
		pass(2000);
		cr_expect(gone(&c));
		cr_expect(logged("what let you in has expired"));
		expect_told(-SSH_E_EXPIRED);
		fini(&c);
		set_forward -= 101;
	}
}

Test(lapse, a_line_of_authorized_keys)
{
	begin_with("EndExpiredSessions yes");
	put("keys", "expiry-time=\"20300317174820Z\" ", user_key);
	expect_end_in_100_s(user_key, 0);
}

Test(lapse, a_certificate)
{
	struct key *k;

	begin_with("EndExpiredSessions yes");
	k = certify(NOW + 100);
	expect_end_in_100_s(k, 0);
	key_free(k);
}

/* more: the other fields of shadow(5). */
static void put_password(const char *more)
{
	struct crypt_data *cd = calloc(1, sizeof(*cd));
	char line[256];

	snprintf(line, sizeof(line), "demo:%s%s\n", crypt_r("secret", "$5$rounds=1000$salt", cd),
		 more);
	free(cd);
	control_file(dir, "passwords", line, 0600);
}

/* shadow(5): that day is the last one. */
Test(lapse, an_account)
{
	char more[32];
	struct client c;

	begin_with("EndExpiredSessions yes");
	snprintf(more, sizeof(more), "::::::%d:", DAYS);
	put_password(more);
	c = client_by(NULL, 0);
	pass((86400 - NOW % 86400) * 1000ULL - 3000);
	cr_expect(!gone(&c));
	pass(3000);
	cr_expect(gone(&c));
	expect_told(-SSH_E_EXPIRED);
	fini(&c);
}

/* Without the keyword, and for those whose key has no end, nothing is kept and nothing ends. */
Test(lapse, only_where_it_is_configured)
{
	struct client c;

	begin_with("EndRevokedSessions no");
	put("keys", "expiry-time=\"20300317174820Z\" ", user_key);
	c = client_by(user_key, 0);
	cr_expect_null(session_lapse(session_at(&c)));
	pass(86400000);
	cr_expect(!gone(&c));
	fini(&c);
}

Test(lapse, who_has_nothing_to_lose_keeps_nothing)
{
	struct client c;

	begin_with("EndExpiredSessions yes");
	put_password("");
	c = client_by(NULL, 0);
	cr_expect_null(session_lapse(session_at(&c)), "no end, and no key");
	fini(&c);
}

/* A clock that is set is noticed within ten minutes. */
Test(lapse, a_clock_that_is_set)
{
	struct client c;

	begin_with("EndExpiredSessions yes");
	put("keys", "expiry-time=\"20310101\" ", user_key);
	c = client_by(user_key, 0);
	pass(600000);
	cr_expect(!gone(&c));
	set_forward = 366 * 86400;
	pass(599000);
	cr_expect(!gone(&c));
	pass(1000);
	cr_expect(gone(&c));
	fini(&c);
}

/* --- revocation ------------------------------------------------------------------------------- */

static void begin_revocable(void)
{
	char more[256];

	snprintf(more, sizeof(more), "EndExpiredSessions yes\nRevokedKeys %s/revoked", dir);
	begin_with(more);
	put("revoked", "#", NULL);
	put("keys", "", user_key);
}

Test(lapse, a_revoked_key_that_is_in)
{
	struct client c[3];
	struct key *other = NULL;

	begin_revocable();
	put_password("");
	cr_assert_eq(key_generate("ssh-ed25519", 0, &other), 0);
	c[0] = client_by(user_key, 0);
	c[1] = client_by(user_key, 1);
	c[2] = client_by(NULL, 2);
	looked();
	cr_expect_null(session_at(&c[0])->awake, "at rest by now");
	put("revoked", "# another\n", other);
	looked();
	cr_expect(!gone(&c[0]) && !gone(&c[1]) && !gone(&c[2]));
	put("revoked", "", user_key);
	looked();
	cr_expect(gone(&c[0]) && gone(&c[1]));
	cr_expect(!gone(&c[2]), "who came in by a password has no key");
	cr_expect(logged("the key that let you in was revoked"));
	expect_told(-SSH_E_REVOKED);
	for (int i = 0; i < 3; i++)
		fini(&c[i]);
	key_free(other);
}

Test(lapse, a_list_that_cannot_be_read_ends_nothing)
{
	struct client c;

	begin_revocable();
	c = client_by(user_key, 0);
	looked();
	put("revoked", "no list", NULL);
	looked();
	cr_expect(!gone(&c));
	cr_expect(logged("who is in stays in"));
	put("revoked", "", user_key);
	looked();
	cr_expect(gone(&c));
	fini(&c);
}

/* --- other rules: EndRevokedSessions ------------------------------------------------------------
 */

/* As SIGHUP has it: the configuration of now is another one. */
static void reload_with(const char *more)
{
	char text[1024];
	int n = snprintf(text, sizeof(text),
			 "ListenAddress 127.0.0.1:22\nAuthorizedKeysFile %s/keys\n"
			 "PasswordHashFile %s/passwords\nPasswordAuthentication yes\n%s\n",
			 dir, dir, more);
	struct conf *was = t.env.conf;

	t.env.conf = control_conf(text, n);
	conf_put(was);
	review_begin(&t.env);
}

/* Within so many milliseconds of real time it is over; how long it took. */
static uint64_t gone_within(const struct client *c, unsigned int n, uint64_t ms)
{
	uint64_t began = clock_now_ms(), took = 0;
	bool all = false;

	while (!all && took < ms) {
		uv_run(&t.loop, UV_RUN_NOWAIT);
		timers_poll(t.env.timers, t.env.now_ms());
		all = true;
		for (unsigned int i = 0; i < n; i++)
			all &= gone(&c[i]);
		took = clock_now_ms() - began;
		usleep(200);
	}
	cr_expect(all, "within %u ms", (unsigned int)ms);
	return took;
}

static uint64_t stands_ms;

static uint64_t standing(void)
{
	return stands_ms;
}

/* The clock stands a second after now, less a millisecond, until they are gone. */
static void gone_before_a_second(const struct client *c, unsigned int n)
{
	later_ms += 999;
	stands_ms = now_ms();
	t.env.now_ms = standing;
	clock_follow(t.clock, standing);
	gone_within(c, n, 20000);
	t.env.now_ms = now_ms;
	clock_follow(t.clock, now_ms);
}

static void begin_by_password(struct client *c, unsigned int n)
{
	begin_with("");
	put_password("");
	for (unsigned int i = 0; i < n; i++)
		c[i] = client_by(NULL, i);
}

/* --- lists of revoked keys that come, move and go ------------------------------------------------
 */

static void reload_with_list(const char *name, const char *more)
{
	char text[256];

	snprintf(text, sizeof(text), "RevokedKeys %s/%s\n%s", dir, name, more);
	reload_with(text);
}

static void begin_without_list(struct client *c, unsigned int n)
{
	begin_with("");
	put("keys", "", user_key);
	put("revoked", "", user_key);
	for (uint32_t i = 0; i < n; i++)
		c[i] = client_by(user_key, i);
}

/* F-29: who came in while there was none, awake or at rest. */
Test(lapse, a_list_that_comes_holds_for_who_is_in)
{
	struct client c[3];

	begin_without_list(c, 2);
	pass(REST_MS + 1);
	cr_expect_null(session_at(&c[0])->awake, "at rest by now");
	c[2] = client_by(user_key, 2);
	reload_with_list("revoked", "");
	gone_before_a_second(c, 3);
	cr_expect(logged("the key that let you in was revoked"));
	expect_told(-SSH_E_REVOKED);
	for (int i = 0; i < 3; i++)
		fini(&c[i]);
}

/* It comes to another control, with what its shard keeps of it. */
static void another_control(const struct client *c)
{
	const struct link_conn_kept ev = {.local = {.family = 4, .port = 22},
					  .peer = {.family = 4, .port = 9, .addr = {192, 0, 2, 9}},
					  .len = bench_blob.len};

	session_table_free(t.table);
	table_new();
	cr_assert_eq(event(&c->conn, LINK_EV_CONN_KEPT, &ev, sizeof(ev), bench_blob.p,
			   bench_blob.len),
		     0);
}

Test(lapse, a_list_that_comes_holds_for_who_was_kept)
{
	struct client c;

	begin_without_list(&c, 1);
	another_control(&c);
	looked();
	cr_expect(!gone(&c));
	reload_with_list("revoked", "");
	gone_before_a_second(&c, 1);
	fini(&c);
}

/* The one of now decides, not that of the login; without one, or where nothing ends, nobody goes. */
Test(lapse, another_list_is_the_one_that_holds)
{
	struct key *other = NULL;
	struct client c;

	begin_revocable();
	cr_assert_eq(key_generate("ssh-ed25519", 0, &other), 0);
	put("others", "", other);
	c = client_by(user_key, 0);
	looked();
	reload_with_list("others", "");
	looked();
	put("revoked", "", user_key);
	looked();
	cr_expect(!gone(&c), "the list of before");
	reload_with("");
	looked();
	put("others", "", user_key);
	looked();
	cr_expect(!gone(&c), "there is none");
	reload_with_list("revoked", "EndRevokedSessions no");
	looked();
	cr_expect(!gone(&c), "nobody is to go");
	reload_with_list("revoked", "Match User other\nRevokedKeys none\nMatch All");
	gone_before_a_second(&c, 1);
	fini(&c);
	key_free(other);
}

/* What it said before that is not remembered. */
Test(lapse, a_list_that_held_for_nobody_is_read_again)
{
	struct client c;

	begin_revocable();
	c = client_by(user_key, 0);
	put("revoked", "", user_key);
	gone_within(&c, 1, 20000);
	fini(&c);
	put("revoked", "#", NULL);
	c = client_by(user_key, 0);
	looked();
	cr_expect(!gone(&c), "it was taken out again");
	fini(&c);
}

/* What a shard keeps for the next control has no room for them: it goes on, and they are not known. */
Test(lapse, a_certificate_too_long_to_be_kept)
{
	const char *names[256] = {"demo"};
	struct client c;
	struct key *k;
	char ca[64];

	snprintf(ca, sizeof(ca), "TrustedUserCAKeys %s/ca", dir);
	for (size_t i = 1; i < N(names); i++)
		names[i] = "somebody";
	begin_with("");
	k = certify_for(names, N(names), UINT64_MAX);
	for (int listed = 0; listed < 2; listed++) {
		bench_blob.len = 0;
		c = client_by(k, 0);
		cr_expect_eq(bench_blob.len > 0, !listed, "with a list it would have to be known");
		if (!listed) {
			another_control(&c);
			cr_expect(session_at(&c)->authenticated);
			cr_expect_eq(lapse_keys(session_lapse(session_at(&c))).len, 0);
		}
		fini(&c);
		put("revoked", "#", NULL);
		reload_with_list("revoked", ca);
		looked();
	}
	key_free(k);
}

/* One there is not is told of. */
Test(lapse, a_list_there_is_not)
{
	struct client c;

	begin_without_list(&c, 1);
	reload_with_list("nowhere", "");
	while (!logged("who is in stays in"))
		looked();
	cr_expect(!gone(&c));
	fini(&c);
}

static bool over(const struct client *c)
{
	const struct session *s = t.table->by_index[c->conn.index];

	return s == NULL || s->ended;
}

/* More than are gone through in a turn, and some that go by themselves before it is their turn. */
Test(lapse_many, many_of_them)
{
	const unsigned int n = test_long() ? MAX_CONNS : 200;
	struct client *c = calloc(n, sizeof(*c));
	unsigned int gone_by_now = 0, turns = 0;
	clock_t worked;
	uint64_t began;

	begin_without_list(c, 0);
	for (uint32_t i = 0; i < n; i++) {
		c[i] = client_by(user_key, i);
		ssh_brain_free(c[i].brain);
	}
	pass(REST_MS + 1);
	items_drop();
	began = uv_hrtime();
	worked = clock();
	reload_with_list("revoked", "");
	for (; gone_by_now < n; turns++) {
		if (turns < n)
			conn_over(&c[n - 1 - turns].conn);
		uv_run(&t.loop, UV_RUN_NOWAIT);
		timers_poll(t.env.timers, now_ms());
		while (gone_by_now < n && over(&c[gone_by_now]))
			gone_by_now++;
	}
	printf("%u of %u in %u turns, %u ms, %u of work\n", n - turns, n, turns,
	       (unsigned int)((uv_hrtime() - began) / 1000000),
	       (unsigned int)((clock() - worked) / (CLOCKS_PER_SEC / 1000)));
	for (unsigned int i = 0; i < n; i++)
		if (t.table->by_index[i] != NULL)
			conn_over(&c[i].conn);
	free(c);
}

/* F-29 */
Test(lapse, users_who_are_denied_go)
{
	struct client c[3];

	begin_by_password(c, 3);
	pass(REST_MS + 1);
	cr_expect_null(session_at(&c[0])->awake, "at rest by now");
	reload_with("DenyUsers somebody d?mo");
	printf("%u ms\n", (unsigned int)gone_within(c, 3, 1000));
	cr_expect(logged("you are not let in any more"));
	expect_told(-SSH_E_DENIED);
	for (int i = 0; i < 3; i++)
		fini(&c[i]);
}

Test(lapse, a_group_that_is_denied_goes)
{
	struct client c[2];

	begin_by_password(c, 2);
	reload_with("AllowGroups nobody-is-in-it");
	gone_within(c, 2, 1000);
	expect_told(-SSH_E_DENIED);
	for (int i = 0; i < 2; i++)
		fini(&c[i]);
}

Test(lapse, other_rules_that_end_sessions)
{
	static const char *const more[] = {
		"AllowUsers other",
		"RefuseConnection yes",
		"Match User demo\nRefuseConnection yes",
		"Match Address 192.0.2.0/24\nDenyUsers *",
		"DenyUsers demo@192.0.2.9",
		"DenyGroups some-group\nAllowUsers other",
	};

	for (size_t i = 0; i < N(more); i++) {
		struct client c;

		if (i == 0)
			begin_by_password(&c, 1);
		else
			c = client_by(NULL, 0);
		reload_with(more[i]);
		gone_within(&c, 1, 1000);
		fini(&c);
		reload_with("");
	}
}

/* Those who have it go, at rest or not, and nobody else. */
Test(lapse, a_role_that_is_refused_goes)
{
	static const char *const roles[] = {"night", "night", "day"};
	struct client c[3];
	char hook[128];

	begin_by_password(c, 0);
	program_begin("auth", hook, sizeof(hook));
	reload_with(hook);
	for (unsigned int i = 0; i < 3; i++) {
		program.role = roles[i];
		c[i] = client_by(NULL, i);
		if (i == 0)
			pass(REST_MS + 1);
	}
	cr_expect_null(session_at(&c[0])->awake, "at rest by now");
	reload_with("Match Role night\nRefuseConnection yes");
	gone_before_a_second(c, 2);
	cr_expect(logged("you are not let in any more"));
	expect_told(-SSH_E_DENIED);
	looked();
	cr_expect(!gone(&c[2]), "of another role");
	for (int i = 0; i < 3; i++)
		fini(&c[i]);
	program_end();
}

/* Who came before them logs in by those of before, as with sshd, and goes at once. */
Test(lapse, rules_that_came_before_the_login)
{
	static const char *const more[] = {"DenyUsers demo", "AllowGroups nobody-is-in-it",
					   "RevokedKeys %s/revoked"};

	begin_without_list(NULL, 0);
	put_password("");
	for (size_t i = 0; i < N(more); i++) {
		struct client c = stranger(0);
		char text[64];

		snprintf(text, sizeof(text), more[i], dir);
		reload_with(text);
		timers_poll(t.env.timers, now_ms());
		log_in(&c, i == 2 ? user_key : NULL);
		gone_within(&c, 1, 20000);
		fini(&c);
		reload_with("");
	}
}

Test(lapse, rules_that_end_nobody)
{
	static const char *const more[] = {
		"",
		"DenyUsers other",
		"AllowUsers demo",
		"DenyGroups some-group",
		"EndRevokedSessions no\nDenyUsers demo",
		"EndRevokedSessions no\nAllowGroups nobody-is-in-it",
		"Match User demo\nEndRevokedSessions no\nMatch all\nDenyUsers demo",
		"Match Address 198.51.100.0/24\nDenyUsers demo",
		"PasswordAuthentication no",
	};
	struct client c;

	begin_by_password(&c, 1);
	for (size_t i = 0; i < N(more); i++) {
		reload_with(more[i]);
		looked();
		cr_expect(!gone(&c), "%s", more[i]);
	}
	fini(&c);
}

/* One that ends, and a dataplane that goes, while somebody is asked about. */
Test(lapse, a_review_under_way_that_nobody_waits_for)
{
	struct client c[3];

	begin_by_password(c, 3);
	reload_with("AllowGroups nobody-is-in-it");
	timers_poll(t.env.timers, now_ms());
	fini(&c[0]);
	reload_with("DenyGroups some-group");
	timers_poll(t.env.timers, now_ms());
	session_table_free(t.table);
	table_new();
	looked();
	for (int i = 1; i < 3; i++)
		ssh_brain_free(c[i].brain);
}

/* --- other rates --------------------------------------------------------------------------------
 */

/* What each has been told since the last look; a count of all that was said. */
static unsigned int caps_told(struct link_caps *ret, unsigned int n)
{
	unsigned int told = 0;
	struct item *i;

	while ((i = item_next()) != NULL) {
		const struct link_hdr *hdr = (const struct link_hdr *)i->msg;

		if (hdr->type == LINK_IT_CAPS && hdr->conn.index < n) {
			memcpy(&ret[hdr->conn.index], hdr + 1, sizeof(*ret));
			told++;
		}
		free(i);
	}
	return told;
}

/* So many have been told, and no more. */
static void expect_caps(struct link_caps *ret, unsigned int n, unsigned int told)
{
	uint64_t began = clock_now_ms();
	unsigned int seen = 0;

	while (seen < told && clock_now_ms() - began < 20000) {
		uv_run(&t.loop, UV_RUN_NOWAIT);
		timers_poll(t.env.timers, now_ms());
		seen += caps_told(ret, n);
		usleep(200);
	}
	looked();
	cr_expect_eq(seen + caps_told(ret, n), told);
}

/* Who is in has the rates of now, whether at rest or not; nobody hears of what he never had. */
Test(lapse, who_is_in_has_the_rates_of_now)
{
	struct link_caps m[2] = {0};
	struct client c[2];

	begin_by_password(c, 2);
	expect_caps(m, 2, 0);
	reload_with("MaxAuthTries 4");
	expect_caps(m, 2, 0);
	reload_with("UserRate 8mbit\nMatch User demo\nChannelRate 1M 2M");
	expect_caps(m, 2, 2);
	cr_expect_eq(m[0].group[0].key, m[1].group[0].key);
	cr_expect_eq(m[1].group[0].rate[LINK_IN].rate, 1000000);
	cr_expect_eq(m[1].channel[LINK_OUT].rate, 2 << 20);
	pass(REST_MS + 1);
	cr_expect_null(session_at(&c[0])->awake, "at rest by now");
	reload_with("UserRate none\nMatch User somebody\nChannelRate 1M 2M");
	expect_caps(m, 2, 2); /* that there is none */
	for (unsigned int i = 0; i < 2; i++) {
		cr_expect_eq(m[i].group[0].key, 0);
		cr_expect_eq(m[i].channel[LINK_OUT].rate, 0);
	}
	reload_with("Match User somebody\nChannelRate 4M");
	expect_caps(m, 2, 0); /* once */
	for (int i = 0; i < 2; i++)
		fini(&c[i]);
}

/* Whether one before this control has told him of any his shard says: else he hears of none. */
Test(lapse, who_was_kept_has_the_rates_of_now)
{
	struct link_conn_kept ev = {.local = {.family = 4, .port = 22},
				    .peer = {.family = 4, .port = 9, .addr = {192, 0, 2, 9}}};
	struct link_caps m = {0};
	struct client c;

	begin_by_password(&c, 1);
	for (; ev.rated <= 1; ev.rated++) {
		session_table_free(t.table);
		table_new();
		items_drop();
		ev.len = bench_blob.len;
		cr_assert_eq(event(&c.conn, LINK_EV_CONN_KEPT, &ev, sizeof(ev), bench_blob.p,
				   bench_blob.len),
			     0);
		reload_with("");
		expect_caps(&m, 1, ev.rated);
		reload_with("Match User demo\nChannelRate 1M");
		expect_caps(&m, 1, 1);
		cr_expect_eq(m.channel[LINK_IN].rate, 1 << 20);
		reload_with("");
		expect_caps(&m, 1, 1);
		cr_expect_eq(m.channel[LINK_IN].rate, 0);
	}
	fini(&c);
}

/* It is no rate: who is in has his until he goes, whatever it is by now. */
Test(lapse, a_window_is_that_of_the_login)
{
	struct client c[2];
	struct link_caps m;

	begin_by_password(c, 1);
	cr_expect(session_at(&c[0])->awake->conf.channel_window_auto);
	reload_with("UserRate 8mbit");
	expect_caps(&m, 1, 1);
	reload_with("ChannelWindow 64K");
	looked();
	cr_assert_not_null(item_of(LINK_IT_CAPS), "he was looked at,");
	cr_expect_null(item_of(LINK_IT_AUTHENTICATED), "and is told nothing else");
	c[1] = client_by(NULL, 1);
	cr_expect_not(session_at(&c[1])->awake->conf.channel_window_auto);
	cr_expect_eq(session_at(&c[1])->awake->conf.channel_window, 65536);
	for (int i = 0; i < 2; i++)
		fini(&c[i]);
}

/* By his groups of now. */
Test(lapse, a_group_has_the_rates_of_now)
{
	struct link_caps m = {0};
	struct client c;

	begin_by_password(&c, 1);
	reload_with("Match Group nobody-is-in-it\nConnectionRate 1M\nMatch All\n"
		    "ConnectionRate 2M");
	expect_caps(&m, 1, 1);
	cr_expect_eq(m.conn[LINK_OUT].rate, 2 << 20);
	fini(&c);
}

struct would {
	const char *text;
	int r;
	enum review_change change;
};

static void expect_would(const struct client *c, const struct would *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct conf *then = control_conf(w[i].text, (int)strlen(w[i].text));
		struct revoked_lists *lists = revoked_lists_read(then);
		enum review_change change;

		cr_expect_eq(review_would(session_at(c), then, lists, &change), w[i].r, "%s",
			     w[i].text);
		cr_expect_eq(change, w[i].change, "%s", w[i].text);
		revoked_lists_free(lists);
		conf_put(then);
	}
}

/* What would be done is told before it is. */
Test(lapse, what_a_reload_would_do_is_known)
{
	static const struct would table[] = {
		{"ConnectionRate 1M\nMaxAuthTries 4", 0, REVIEW_NOTHING},
		{"MaxAuthTries 4", 0, REVIEW_RATES},
		{"ConnectionRate 2M", 0, REVIEW_RATES},
		{"Match User demo\nConnectionRate 2M", 0, REVIEW_RATES},
		{"Match User other\nConnectionRate 2M\nMatch User *\nConnectionRate 1M", 0,
		 REVIEW_NOTHING},
		{"ConnectionRate 2M\nDenyUsers demo", 0, REVIEW_GOES},
		{"ConnectionRate 1M\nMaxBytesInFlightPerUser 1M", 0, REVIEW_RATES},
		{"Match Group a\nConnectionRate 2M", -EAGAIN, REVIEW_RATES},
		{"ConnectionRate 1M\nAllowGroups a", -EAGAIN, REVIEW_NOTHING},
		{"ConnectionRate 1M\nAllowGroups a\nEndRevokedSessions no", 0, REVIEW_NOTHING},
		{"AllowGroups a\nDenyUsers demo", 0, REVIEW_GOES},
		{"DenyGroups a\nRefuseConnection yes", 0, REVIEW_GOES},
		{"ConnectionRate 1M\nDenyUsers demo\nMatch Group a\nDenyUsers none", -EAGAIN,
		 REVIEW_NOTHING},
		{"ConnectionRate 1M\nRevokedKeys /etc/none", 0, REVIEW_NOTHING},
	};
	struct client c;

	begin_by_password(&c, 1);
	reload_with("ConnectionRate 1M");
	looked();
	expect_would(&c, table, N(table));
	fini(&c);
}

/* By the groups it had when it came in. */
Test(lapse, what_a_reload_would_do_to_a_group_is_known)
{
	static const struct would table[] = {
		{"AllowGroups staff", 0, REVIEW_NOTHING},
		{"AllowGroups others", 0, REVIEW_GOES},
		{"DenyGroups st*", 0, REVIEW_GOES},
		{"AllowGroups staff\nDenyUsers demo", 0, REVIEW_GOES},
		{"Match Group staff\nDenyUsers demo", 0, REVIEW_GOES},
		{"Match Group others\nDenyUsers demo", 0, REVIEW_NOTHING},
		{"Match Group staff\nConnectionRate 2M", 0, REVIEW_RATES},
	};
	struct client c;
	struct awake *a;

	begin_by_password(&c, 1);
	a = session_at(&c)->awake;
	a->groups = calloc(1, sizeof(*a->groups));
	a->groups[a->n_groups++] = strdup("staff");
	expect_would(&c, table, N(table));
	fini(&c);
}

/* Where that can be read; who has it already goes by what it says, without another configuration. */
Test(lapse, whom_another_list_would_end_is_known)
{
	static const struct {
		const char *text;
		int r;
		enum review_change change;
	} table[] = {
		{"RevokedKeys %s/revoked", 0, REVIEW_GOES},
		{"RevokedKeys %s/others", 0, REVIEW_NOTHING},
		{"RevokedKeys %s/nowhere", -EAGAIN, REVIEW_NOTHING},
		{"RevokedKeys %s/nowhere\nDenyUsers demo", 0, REVIEW_GOES},
		{"RevokedKeys %s/nowhere\nEndRevokedSessions no", 0, REVIEW_NOTHING},
		{"Match User other\nRevokedKeys %s/revoked", 0, REVIEW_NOTHING},
		{"Match User demo\nRevokedKeys %1$s/revoked\nMatch All\nRevokedKeys %1$s/others", 0,
		 REVIEW_GOES},
		{"RevokedKeys none", 0, REVIEW_NOTHING},
	};
	struct key *other = NULL;
	struct client c;

	begin_without_list(&c, 1);
	cr_assert_eq(key_generate("ssh-ed25519", 0, &other), 0);
	put("others", "", other);
	for (size_t i = 0; i < 2 * N(table); i++) {
		char text[256];
		const struct would w = {text, table[i % N(table)].r, table[i % N(table)].change};

		snprintf(text, sizeof(text), table[i % N(table)].text, dir);
		expect_would(&c, &w, 1);
		if (i + 1 == N(table))
			pass(REST_MS + 1);
	}
	cr_expect(!gone(&c));
	fini(&c);
	key_free(other);
}

/* F-29: a key, in real time. */
Test(lapse, a_revoked_key_goes_within_a_second)
{
	struct client c[3];

	begin_revocable();
	for (uint32_t i = 0; i < 3; i++)
		c[i] = client_by(user_key, i);
	looked();
	put("revoked", "", user_key);
	printf("%u ms\n", (unsigned int)gone_within(c, 3, 1000));
	for (int i = 0; i < 3; i++)
		fini(&c[i]);
}

/* What one connection costs the loop; with a clock that stands all are gone through at once. */
Test(lapse, a_review_of_many)
{
	const unsigned int rounds = test_long() ? 5000 : 50;
	struct client c[16];
	uint64_t began;

	begin_by_password(c, N(c));
	pass(REST_MS + 1);
	stands_ms = now_ms();
	t.env.now_ms = standing;
	reload_with("Match User a\nDenyUsers b\nMatch Address 198.51.100.0/24\nDenyUsers demo");
	began = uv_hrtime();
	for (unsigned int i = 0; i < rounds; i++) {
		review_begin(&t.env);
		timers_poll(t.env.timers, stands_ms);
	}
	printf("%.1f us a connection\n",
	       (double)(uv_hrtime() - began) / 1000.0 / rounds / N(c));
	t.env.now_ms = now_ms;
	for (unsigned int i = 0; i < N(c); i++) {
		cr_expect(!gone(&c[i]));
		fini(&c[i]);
	}
}
