/* control as a whole: what an operator is told of it over the admin socket. */
#include <jansson.h>
#include <sys/un.h>

#include "link/stats.h"
#include "tests/util/login_bench.h"

TestSuite(control_show, .init = setup, .fini = stop, .timeout = 60);

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

Test(control_show, the_admin_socket_counts_logins_tries_and_channels)
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

Test(control_show, the_admin_socket_shows_what_a_shard_shares)
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

/* A shard with a core, a stage, a limit and one that is no number, half a limit. */
static void share_shard(const char *path)
{
	struct {
		struct link_stats head;
		uint64_t value[11];
		struct link_stats_info info[11];
	} f = {
		.head = {LINK_STATS_VERSION, 11, sizeof(f.head), sizeof(f.head) + sizeof(f.value)},
		.value = {2000000000, 10, 500, 3, 7, 100, 2, UINT64_MAX, UINT64_MAX, 5, 9},
		.info = {{"shard", "", "TSC_HZ", "t"},
			 {"shard", "", "TURNS", "t"},
			 {"stage", "rx", "CYCLES", "t"},
			 {"stage", "tx", "CYCLES", "t"},
			 {"limit", "MaxChannels", "USED", "t"},
			 {"limit", "MaxChannels", "MAX", "t"},
			 {"limit", "MaxChannels", "REFUSED", "why"},
			 {"limit", "PARK_MAX", "USED", "t"},
			 {"limit", "PARK_MAX", "MAX", "t"},
			 {"limit", "PARK_MAX", "REFUSED", "t"},
			 {"limit", "half", "USED", "t"}},
	};
	FILE *out = fopen(path, "w");

	cr_assert_not_null(out);
	cr_assert_eq(fwrite(&f, sizeof(f), 1, out), 1);
	fclose(out);
}

Test(control_show, lcores_and_limits_of_shards)
{
	json_t *v, *row, *max = NULL, *park = NULL;
	json_int_t hz, turns, cycles, rx;
	char path[128];
	size_t i;

	expect_now(0, 0, 0);
	v = ask("show lcores\n"); /* the soft dataplane shares none */
	cr_expect_eq(json_array_size(json_object_get(v, "lcores")), 0);
	json_decref(v);
	snprintf(path, sizeof(path), "%s/shard0.stats", t.dir);
	share_shard(path);
	v = ask("show lcores\n");
	cr_assert_eq(json_array_size(json_object_get(v, "lcores")), 1);
	cr_assert_eq(json_unpack(json_array_get(json_object_get(v, "lcores"), 0),
				 "{s:I, s:I, s:I, s:{s:I, s:i !}}", "hz", &hz, "turns", &turns,
				 "cycles", &cycles, "stages", "rx", &rx, "tx", &(int){0}),
		     0);
	cr_expect(hz == 2000000000 && turns == 10 && cycles == 503 && rx == 500);
	json_decref(v);
	v = ask("show limits\n");
	json_array_foreach(json_object_get(v, "limits"), i, row)
	{
		const char *name = json_string_value(json_object_get(row, "limit"));

		cr_expect_str_neq(name, "half");
		max = strcmp(name, "MaxChannels") == 0 ? row : max;
		park = strcmp(name, "PARK_MAX") == 0 ? row : park;
	}
	cr_assert(max != NULL && park != NULL);
	cr_expect_str_eq(json_string_value(json_object_get(max, "scope")), "shard 0");
	cr_expect_str_eq(json_string_value(json_object_get(max, "text")), "why");
	cr_expect_eq(json_integer_value(json_object_get(max, "used")), 7);
	cr_expect_eq(json_integer_value(json_object_get(max, "max")), 100);
	cr_expect_eq(json_integer_value(json_object_get(max, "refused")), 2);
	cr_expect(json_is_null(json_object_get(park, "used")));
	cr_expect(json_is_null(json_object_get(park, "max")));
	cr_expect_eq(json_integer_value(json_object_get(park, "refused")), 5);
	json_decref(v);
}

/* What each says of who is in and of a channel that leads to us. */
Test(control_show, tunnels_and_users)
{
	const char *user, *kind, *host;
	json_int_t conns, chans, channels;
	struct client c;
	json_t *v;
	int port;

	client_start(&c, "open");
	cr_expect(try_key(&c, t.key[0]));
	cr_expect_eq(open_direct(&c, "127.0.0.1", softplane_port(t.plane)), 0);
	expect_now(2, 1, 1);
	v = ask("show tunnels user=open\n");
	cr_assert_eq(json_array_size(json_object_get(v, "tunnels")), 1);
	cr_assert_eq(json_unpack(json_array_get(json_object_get(v, "tunnels"), 0),
				 "{s:s, s:s, s:s, s:i, s:I}", "user", &user, "kind", &kind, "host",
				 &host, "port", &port, "channels", &channels),
		     0);
	cr_expect_str_eq(user, "open");
	cr_expect_str_eq(kind, "to");
	cr_expect_str_eq(host, "127.0.0.1");
	cr_expect_eq(port, softplane_port(t.plane));
	cr_expect_eq(channels, 1);
	json_decref(v);
	v = ask("show users\n");
	cr_assert_eq(json_array_size(json_object_get(v, "users")), 1, "who is not in is nobody");
	cr_assert_eq(json_unpack(json_array_get(json_object_get(v, "users"), 0), "{s:s, s:I, s:I}",
				 "user", &user, "connections", &conns, "channels", &chans),
		     0);
	cr_expect_str_eq(user, "open");
	cr_expect(conns == 1 && chans == 1);
	json_decref(v);
	client_free(&c);
}

Test(control_show, the_admin_socket_shows_who_is_in)
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

/* The client hears why, and a key exchange when there is to be one; at rest, too. */
Test(control_show, an_operator_steers_who_is_in)
{
	struct client c;
	json_t *v;

	cr_assert(login(&c, "demo", t.key[0]));
	v = ask("rekey user=demo\n");
	cr_expect_eq(json_integer_value(json_object_get(v, "connections")), 1);
	json_decref(v);
	for (int i = 0; i < PATIENCE_MS && !logged("kex: "); i++)
		usleep(1000);
	time_passes();
	v = ask("disconnect user=demo reason=the\\040house\\040burns\n");
	cr_expect_eq(json_integer_value(json_object_get(v, "connections")), 1);
	json_decref(v);
	expect_logged("Disconnecting user demo 127.0.0.1");
	while (!c.ended)
		client_run(&c);
	expect_now(0, 0, 0);
	client_free(&c);
}

/* Whether "show connections" says so of the only one. */
static bool shows_strict(void)
{
	json_t *v = ask("show connections\n"), *list = json_object_get(v, "connections");
	const json_t *strict;
	bool yes;

	cr_assert_eq(json_array_size(list), 1);
	strict = json_object_get(json_array_get(list, 0), "strict_kex");
	cr_assert(json_is_boolean(strict));
	yes = json_is_true(strict);
	json_decref(v);
	return yes;
}

/* When it has come to rest, too. */
Test(control_show, the_admin_socket_shows_whose_exchange_is_strict)
{
	struct client c;

	cr_assert(login(&c, "demo", t.key[0]));
	cr_expect(shows_strict());
	time_passes();
	cr_expect(shows_strict());
	client_free(&c);
}

TestSuite(control_show_lax, .fini = stop, .timeout = 60);

Test(control_show_lax, the_admin_socket_shows_whose_exchange_is_not)
{
	struct client c;

	start("StrictKex off");
	cr_assert(login(&c, "demo", t.key[0]));
	cr_expect_not(shows_strict());
	client_free(&c);
}

TestSuite(control_show_penalties, .fini = stop, .timeout = 60);

Test(control_show_penalties, are_shown_until_they_are_over)
{
	const json_t *list, *one;
	struct client c;
	json_t *v;

	start("PerSourcePenalties authfail:40s min:10s\nPerSourceNetBlockSize 24");
	v = ask("show penalties\n");
	cr_expect_eq(json_array_size(json_object_get(v, "penalties")), 0);
	json_decref(v);
	client_start(&c, "demo");
	cr_expect_not(try_key(&c, t.key[2]));
	client_free(&c);
	expect_logged("new 127.0.0.0/24 active penalty of 40.000 seconds");
	v = ask("show penalties\n");
	list = json_object_get(v, "penalties");
	cr_assert_eq(json_array_size(list), 1);
	one = json_array_get(list, 0);
	cr_expect_str_eq(json_string_value(json_object_get(one, "source")), "127.0.0.0/24");
	cr_expect_str_eq(json_string_value(json_object_get(one, "reason")),
			 "penalty: failed authentication");
	cr_expect(json_is_true(json_object_get(one, "active")));
	cr_expect_gt(json_real_value(json_object_get(one, "seconds")), 20);
	cr_expect_leq(json_real_value(json_object_get(one, "seconds")), 40);
	json_decref(v);
	time_passes();
	v = ask("show penalties\n");
	cr_expect_eq(json_array_size(json_object_get(v, "penalties")), 0);
	json_decref(v);
}
