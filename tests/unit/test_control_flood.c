/*
 * control/session: many exchanges of one source, which cost it little and us much (S-44, D(HE)at):
 * who comes from elsewhere waits for those that run, and for one of that source more.
 */
#include "tests/util/rnd.h"
#include "tests/util/session_bench.h"

#define THREADS 1
#define MANY    (MAX_CONNS - 2)

static void begin(void)
{
	static char kex[] =
		"diffie-hellman-group14-sha256,diffie-hellman-group18-sha512,curve25519-sha256";

	start("LogLevel QUIET\nSlowPathRate 0\nMaxStartups 1000");
	t.env.kex = kex;
	t.env.kex_threads = THREADS;
}

TestSuite(control_flood, .init = begin, .fini = teardown, .timeout = 600);

/* A client, from the last byte of its address; not logged in. */
static void comes(struct client *c, uint32_t index, uint8_t from, const char *kex)
{
	const struct link_conn_new ev = {
		.local = {.family = 4, .port = 22, .addr = {192, 0, 2, 1}},
		.peer = {.family = 4, .port = 9, .addr = {198, 51, 100, from}}};
	const struct ssh_brain_conf conf = {.role = SSH_CLIENT,
					    .ident = "SSH-2.0-test",
					    .strict = SSH_STRICT_OFF,
					    .kex_algs = kex,
					    .user = "demo"};

	*c = (struct client){.conn = {.index = index, .generation = index + 1},
			     .opened = true,
			     .password = "secret"};
	cr_assert_eq(ssh_brain_new(&conf, &c->brain), 0);
	cr_assert_eq(ssh_brain_start(c->brain), 0);
	cr_assert_eq(event(&c->conn, LINK_EV_CONN_NEW, &ev, sizeof(ev), NULL, 0), 0);
}

static bool acts(struct client *c)
{
	struct ssh_act a;
	bool any = false;

	while (ssh_brain_next(c->brain, &a) == 0) {
		client_act(c, &a);
		any = true;
	}
	return any;
}

/* All that can be done without a turn of control's loop. */
static void at_once(struct client *c, unsigned int n)
{
	struct item *i;
	bool moved;

	do {
		moved = false;
		for (unsigned int k = 0; k < n; k++)
			moved |= acts(&c[k]);
		while ((i = item_next()) != NULL) {
			for (unsigned int k = 0; k < n; k++) {
				client_item(&c[k], i);
				acts(&c[k]);
			}
			free(i);
			moved = true;
		}
	} while (moved);
}

static void flood(const char *kex)
{
	struct client c[MANY + 1];
	unsigned int before = 0;

	for (unsigned int i = 0; i < MANY; i++)
		comes(&c[i], i, 7, kex);
	at_once(c, MANY); /* each has sent its number */
	cr_assert_geq(t.env.turns.waiting, (unsigned int)(MANY - THREADS));
	comes(&c[MANY], MANY, 8, "curve25519-sha256");
	at_once(c, MANY + 1);
	cr_assert_eq(t.env.turns.waiting, (unsigned int)(MANY + 1 - THREADS));
	while (c[MANY].exchanges == 0) {
		uv_run(&t.loop, UV_RUN_ONCE);
		at_once(c, MANY + 1);
	}
	for (unsigned int i = 0; i < MANY; i++)
		before += c[i].exchanges > 0;
	/* Those that ran, and the signatures of which control's threads have finished meanwhile. */
	cr_expect_leq(before, (unsigned int)(THREADS + 2), "%u of the flood were first", before);
	for (unsigned int i = 0; i <= MANY; i++) {
		conn_over(&c[i].conn);
		ssh_brain_free(c[i].brain);
	}
}

Test(control_flood, s44_one_of_another_source_waits_for_few)
{
	flood(test_long() ? "diffie-hellman-group18-sha512" : "diffie-hellman-group14-sha256");
}
