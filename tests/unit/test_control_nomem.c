/*
 * tests/unit/test_control_nomem.c - the nth allocation of control fails, for every n of a login
 * (F-09): it is refused, or goes on as if nothing had been, and nobody is let in who should not be;
 * nothing is lost of memory, timers and places, and who comes next is served.
 * What the client of the bench allocates does not count.
 */
#include <stdio.h>

#include "control/auth/account.h"
#include "control/auth/hostbased.h"
#include "control/reload.h"
#include "crypto/base64.h"
#include "crypto/cert.h"
#include "tests/util/accounts_fake.h"
#include "tests/util/nomem.h"
#include "tests/util/rnd.h"
#include "tests/util/session_bench.h"

#define HANG_MS 5000 /* longer than any deadline that a failure may have left to pass */

/* --- inside and outside ----------------------------------------------------------------------- */

int __real_session_table_event(struct session_table *table, const void *msg);
int __wrap_session_table_event(struct session_table *table, const void *msg);
int __wrap_session_table_event(struct session_table *table, const void *msg)
{
	int r;

	nomem_outside = false;
	r = __real_session_table_event(table, msg);
	nomem_outside = true;
	return r;
}

int __real_uv_run(uv_loop_t *loop, uv_run_mode mode);
int __wrap_uv_run(uv_loop_t *loop, uv_run_mode mode);
int __wrap_uv_run(uv_loop_t *loop, uv_run_mode mode)
{
	int r;

	nomem_outside = false;
	r = __real_uv_run(loop, mode);
	nomem_outside = true;
	return r;
}

/* The dataplane's memory is its own. */
static void on_item_outside(void *arg, const void *head, size_t head_len, const void *body,
			    size_t body_len)
{
	bool before = nomem_outside;

	nomem_outside = true;
	on_item(arg, head, head_len, body, body_len);
	nomem_outside = before;
}

/* --- logins ------------------------------------------------------------------------------------
 */

static uv_timer_t watchdog;
static bool hung;

static void on_watchdog(uv_timer_t *w)
{
	(void)w;
	hung = true;
}

static struct key *strange; /* in nobody's file */

static void key_file(const char *options)
{
	size_t len;
	const uint8_t *blob = key_blob(t.key, &len);
	char b64[1024], line[1200];

	base64_encode(blob, len, b64);
	b64[base64_len(len)] = '\0';
	snprintf(line, sizeof(line), "restrict,%spermitopen=\"127.0.0.1:80\" ssh-ed25519 %s\n",
		 options, b64);
	control_file(t.dir, "demo", line, 0600);
}

static void configure(const char *more)
{
	char text[1024];
	int n = snprintf(text, sizeof(text),
			 "ListenAddress 127.0.0.1:22\nAuthorizedKeysFile %s/%%u\n"
			 "PasswordHashFile %s/passwords\nPasswordAuthentication yes\n%s\n"
			 "Match User demo Group *\nMaxAuthTries 20\n",
			 t.dir, t.dir, more);

	conf_put(t.env.conf);
	t.env.conf = control_conf(text, n);
}

static void nomem_setup(void)
{
	nomem_init();
	start("");
	key_file("");
	cr_assert_eq(key_generate("ssh-ed25519", 0, &strange), 0);
	configure("");
	session_table_free(t.table);
	cr_assert_eq(session_table_new(
			     &t.env, &(struct session_link){.send = on_item_outside, .start_id = 1},
			     0, 0, MAX_CONNS, &t.table),
		     0);
	uv_timer_init(&t.loop, &watchdog);
}

static void nomem_teardown(void)
{
	uv_close((uv_handle_t *)&watchdog, NULL);
	key_free(strange);
	teardown();
}

TestSuite(control_nomem, .init = nomem_setup, .fini = nomem_teardown, .timeout = 600);

/* Twice what is wrong, or what is wrong and then what is right; a key at once. */
enum way {
	WRONG_PASSWORD,
	PASSWORD,
	WRONG_ANSWER,
	ANSWER,
	WRONG_KEY,
	KEY,
	WRONG_HOST,
	HOST,
	CERT,
	KEY_AND_PASSWORD,
};

static struct key *cert; /* of t.key */

static bool over; /* control has ended the connection of this run */

static void run_login(struct client *c, uint32_t id, enum way way)
{
	const char *method = "ssh-ed25519";

	if (c->logins == 2) {
		c->done = true;
	} else if (way == CERT) {
		c->logins++;
		cr_assert_eq(ssh_brain_login_publickey(c->brain, id, cert, NULL), 0);
	} else if (way == KEY || way == WRONG_KEY || (way == KEY_AND_PASSWORD && c->logins == 0)) {
		c->logins++;
		cr_assert_eq(ssh_brain_login_publickey(c->brain, id,
						       way == WRONG_KEY ? strange : t.key, method),
			     0);
	} else if (way == HOST || way == WRONG_HOST) {
		c->logins++;
		cr_assert_eq(ssh_brain_login_hostbased(c->brain, id, way == HOST ? t.key : strange,
						       method, "box", "alice"),
			     0);
	} else if (way == ANSWER || way == WRONG_ANSWER) {
		c->logins++;
		cr_assert_eq(ssh_brain_login_kbdint(c->brain, id, ""), 0);
	} else {
		c->password = way == PASSWORD || way == KEY_AND_PASSWORD ? "secret" : "Secret";
		client_login(c, id);
	}
}

static void run_sign(struct client *c, const struct ssh_act *a)
{
	uint8_t sig[KEY_SIG_MAX];
	size_t len = sizeof(sig);

	cr_assert_eq(key_sign(a->sign.key == strange ? strange : t.key, a->sign.sig_alg,
			      a->sign.data.p, a->sign.data.len, sig, &len),
		     0);
	cr_assert_eq(ssh_brain_sign_answer(c->brain, a->id, 0, sig, len), 0);
}

static void run_act(struct client *c, const struct ssh_act *a, enum way way)
{
	const struct ssh_str word =
		ssh_str_c(way == ANSWER && c->logins == 2 ? "secret" : "Secret");

	if (a->kind == SSH_ACT_LOGIN)
		run_login(c, a->id, way);
	else if (a->kind == SSH_ACT_PROMPT)
		cr_assert_eq(ssh_brain_prompt_answer(c->brain, a->id, 1, &word), 0);
	else if (a->kind == SSH_ACT_SIGN)
		run_sign(c, a);
	else
		client_act(c, a);
}

static void run_step(struct client *c, enum way way)
{
	struct ssh_act a;
	struct item *i;

	if (c->in && !c->opened)
		client_open(c);
	else if (ssh_brain_next(c->brain, &a) == 0)
		run_act(c, &a, way);
	else if ((i = item_next()) != NULL) {
		over |= item_type(i) == LINK_IT_END;
		client_item(c, i);
		free(i);
	} else {
		uv_run(&t.loop, UV_RUN_ONCE);
	}
}

/* One login, of which the nth allocation fails; whether it came so far. */
static bool run(enum way way, unsigned int n, bool *ret_in)
{
	static uint32_t generation;
	struct client c;
	bool fired;

	over = hung = false;
	nomem_begin(n);
	uv_timer_start(&watchdog, on_watchdog, HANG_MS, 0);
	client_begin(&c, n % MAX_CONNS, ++generation);
	while (!c.done && !over && !hung)
		run_step(&c, way);
	cr_expect(!hung, "way %d: nothing happens after allocation %u failed", way, n);
	conn_over(&c.conn);
	fired = nomem_end();
	uv_timer_stop(&watchdog);
	*ret_in = c.in;
	ssh_brain_free(c.brain);
	items_drop();
	return fired;
}

static void each(enum way way, bool may)
{
	bool in;

	cr_assert(!run(way, 0, &in));
	cr_assert_eq(in, may, "without a failure");
	for (unsigned int n = 1; run(way, n, &in); n++) {
		cr_expect(may || !in, "let in after allocation %u failed", n);
		cr_expect_eq(t.env.startups.unauthenticated, 0, "a place is lost: %u", n);
		if (test_long() || n % 16 == 0) {
			cr_assert(!run(way == KEY_AND_PASSWORD ? way : PASSWORD, 0, &in));
			cr_assert(in, "the next one, after %u", n);
		}
	}
}

Test(control_nomem, a_wrong_password)
{
	each(WRONG_PASSWORD, false);
}

Test(control_nomem, the_right_password_and_a_channel)
{
	each(PASSWORD, true);
}

Test(control_nomem, wrong_answers)
{
	each(WRONG_ANSWER, false);
}

Test(control_nomem, the_right_answer)
{
	each(ANSWER, true);
}

Test(control_nomem, a_strange_key)
{
	each(WRONG_KEY, false);
}

Test(control_nomem, a_key_with_its_permissions)
{
	each(KEY, true);
}

/* What it lasts for, and a list that it may come to stand in, are kept of it. */
Test(control_nomem, a_key_that_ends)
{
	char more[256];

	snprintf(more, sizeof(more), "EndExpiredSessions yes\nRevokedKeys %s/revoked", t.dir);
	control_file(t.dir, "revoked", "# nobody\n", 0644);
	key_file("expiry-time=\"20990101\",");
	configure(more);
	each(KEY, true);
}

/* A host vouches for alice, who is demo here; box is 192.0.2.9. */
static void hosts_make(void)
{
	static char home[128];
	char line[1200] = "192.0.2.9 ssh-ed25519 ";
	const uint8_t *blob;
	size_t len, at = strlen(line);

	snprintf(home, sizeof(home), "%s/home", t.dir);
	hostbased_etc = t.dir;
	accounts_fake = "demo";
	accounts_fake_home = home;
	cr_assert_eq(mkdir(home, 0755), 0);
	cr_assert_eq(mkdir(strcat(strcpy(line + 600, t.dir), "/ssh"), 0755), 0);
	control_file(t.dir, "home/.shosts", "192.0.2.9 alice\n", 0600);
	blob = key_blob(t.key, &len);
	base64_encode(blob, len, line + at);
	strcpy(line + at + base64_len(len), "\n");
	control_file(t.dir, "ssh/ssh_known_hosts", line, 0644);
	configure("HostbasedAuthentication yes\nIgnoreRhosts shosts-only\n");
	accounts_forget();
}

Test(control_nomem, a_host_that_vouches)
{
	hosts_make();
	each(HOST, true);
}

Test(control_nomem, a_host_that_nobody_knows)
{
	hosts_make();
	each(WRONG_HOST, false);
}

/* It is taken as a whole, or not at all; the next one is. */
Test(control_nomem, another_configuration)
{
	static char path[128], ident[512];
	struct reload reload = {
		.env = &t.env, .path = path, .ident = ident, .ident_size = sizeof(ident)};
	const struct conf *was = t.env.conf;
	bool fired, in;

	snprintf(path, sizeof(path), "%s/sluice.conf", t.dir);
	control_file(t.dir, "sluice.conf", "# another\nMatch User demo\nMaxAuthTries 20\n", 0644);
	cr_assert_eq(door_new(conf_global(t.env.conf), clock_now_ms(), &t.env.door), 0);
	reload_init(&reload);
	for (unsigned int n = 1;; n++) {
		nomem_begin(n);
		nomem_outside = false; /* the loop's part, too */
		reload_begin(&reload);
		nomem_outside = true;
		while (reload.job != NULL)
			uv_run(&t.loop, UV_RUN_ONCE);
		fired = nomem_end();
		if (!fired)
			break;
		cr_assert(t.env.conf == was || conf_mark(t.env.conf) != conf_mark(was));
	}
	cr_expect_neq(conf_mark(t.env.conf), conf_mark(was));
	door_free(t.env.door); /* before the configuration it was made by */
	t.env.door = NULL;
	configure("");
	cr_assert(!run(PASSWORD, 0, &in));
	cr_expect(in);
	reload_fini(&reload);
	moduli_free(t.env.moduli);
	free(t.env.kex);
}

static void put_key(const char *name, const struct key *k)
{
	size_t len;
	const uint8_t *blob = key_blob(k, &len);
	char b64[1024], line[1200];

	base64_encode(blob, len, b64);
	b64[base64_len(len)] = '\0';
	snprintf(line, sizeof(line), "%s %s\n", key_type(k), b64);
	control_file(t.dir, name, line, 0644);
}

/* Of t.key, for an operator, by an authority that is trusted. */
static void cert_make(bool revoked)
{
	static const char *const names[] = {"operator"};
	const struct cert_spec spec = {.role = CERT_USER,
				       .key_id = "id",
				       .principals = names,
				       .n_principals = 1,
				       .valid_before = UINT64_MAX};
	char more[512];

	cr_assert_eq(cert_build(t.key, &spec, strange, NULL, &cert), 0);
	put_key("ca", strange);
	if (revoked)
		put_key("revoked", t.key);
	else
		control_file(t.dir, "revoked", "# nobody\n", 0644);
	control_file(t.dir, "principals", "operator\n", 0644);
	control_file(t.dir, "demo", "# nothing\n", 0600);
	snprintf(more, sizeof(more),
		 "TrustedUserCAKeys %s/ca\nAuthorizedPrincipalsFile %s/principals\n"
		 "RevokedKeys %s/revoked",
		 t.dir, t.dir, t.dir);
	configure(more);
}

Test(control_nomem, a_certificate)
{
	cert_make(false);
	each(CERT, true);
	key_free(cert);
}

Test(control_nomem, a_certificate_that_was_revoked)
{
	cert_make(true);
	each(CERT, false);
	key_free(cert);
}

Test(control_nomem, a_key_and_then_a_password)
{
	configure("AuthenticationMethods publickey,password");
	each(KEY_AND_PASSWORD, true);
}
