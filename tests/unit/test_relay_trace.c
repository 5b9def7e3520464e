/*
 * dataplane/relay/trace: what an operator is told of a connection's messages, and that it ends.
 */
#include "tests/util/relay_host_bench.h"

#include "link/tee.h"
#include "ssh/show.h"

static void start(void)
{
	start_with(0);
}

TestSuite(relay_trace, .init = start, .fini = end_host, .timeout = 60);

static int trace(struct client *c, uint64_t fds, uint32_t messages, uint32_t time_ms)
{
	const struct link_trace m = {.fds = fds, .messages = messages, .time_ms = time_ms};
	int fd = park_socket(fds);

	down(LINK_CMD_TRACE, c->h, &m, sizeof(m), NULL, 0);
	run();
	return fd;
}

struct told {
	unsigned int n;
	struct {
		uint8_t kind;
		struct tee_msg msg;
		uint8_t shown[64];
		uint32_t n;
	} m[32];
	bool ended;
};

static void hear(int fd, struct told *t)
{
	static uint8_t buf[64 * 1024];
	struct tee_head f;
	size_t have = 0, at = 0;
	ssize_t got;
	int n;

	memset(t, 0, sizeof(*t));
	run();
	got = read(fd, buf, sizeof(buf));
	have = got > 0 ? (size_t)got : 0;
	for (; (n = tee_parse(buf + at, have - at, &f)) > 0; at += (size_t)n) {
		const uint8_t *body = buf + at + sizeof(f);

		if (f.kind == TEE_END) {
			t->ended = true;
			continue;
		}
		cr_assert_lt(t->n, 32);
		t->m[t->n].kind = f.kind;
		memcpy(&t->m[t->n].msg, body, sizeof(struct tee_msg));
		t->m[t->n].n = f.len - (uint32_t)sizeof(struct tee_msg);
		cr_assert_leq(t->m[t->n].n, sizeof(t->m[0].shown));
		memcpy(t->m[t->n].shown, body + sizeof(struct tee_msg), t->m[t->n].n);
		t->n++;
	}
	cr_assert_eq(n, 0);
}

/* Both ways, in their order, lengths whole, and of data no byte. */
Test(relay_trace, messages_and_nothing_that_is_carried)
{
	static const struct {
		uint8_t kind, msg;
		uint32_t len, shown;
	} want[] = {
		{TEE_MSG_IN, SSH_MSG_CHANNEL_OPEN, 2, 1},
		{TEE_MSG_OUT, SSH_MSG_CHANNEL_OPEN_CONFIRMATION, 17, 17},
		{TEE_MSG_IN, SSH_MSG_CHANNEL_DATA, 9 + 6, 9},
		{TEE_MSG_OUT, SSH_MSG_CHANNEL_DATA, 9 + 5, 9},
	};
	struct client c = client_login();
	struct bench_chan ch;
	struct told t;
	int fd = trace(&c, 6, 100, 1000), other = park_socket(7);

	open_host(&c, 7, false);
	ch = client_confirmed(&c);
	client_data(&c, ch.local, "secret", 6);
	run();
	cr_assert_eq(write(other, "world", 5), 5);
	run();
	data_is(&c, 0, "world");
	hear(fd, &t);
	cr_assert_geq(t.n, sizeof(want) / sizeof(want[0]));
	for (size_t i = 0, k = 0; i < sizeof(want) / sizeof(want[0]); i++, k++) {
		while (k < t.n && (t.m[k].kind != want[i].kind || t.m[k].shown[0] != want[i].msg))
			k++;
		cr_assert_lt(k, t.n, "message %zu", i);
		cr_expect_eq(t.m[k].msg.len, want[i].len, "%zu: %u", i, t.m[k].msg.len);
		cr_expect_eq(t.m[k].n, want[i].shown, "%zu: %u", i, t.m[k].n);
	}
	cr_expect_not(t.ended);
	close(fd);
	close(other);
	run();
	client_free(&c);
}

static void ignore(struct client *c)
{
	client_send(c, (const uint8_t[]){SSH_MSG_IGNORE, 0, 0, 0, 0}, 5);
	run();
}

Test(relay_trace, it_ends_by_number)
{
	struct client c = client_login();
	struct told t;
	int fd = trace(&c, 6, 2, 1000);

	for (int i = 0; i < 3; i++)
		ignore(&c);
	hear(fd, &t);
	cr_expect_eq(t.n, 2);
	cr_expect(t.ended);
	close(fd);
	run();
	client_free(&c);
}

Test(relay_trace, it_ends_by_time)
{
	struct client c = client_login();
	struct told t;
	int fd = trace(&c, 6, 100, 1000);

	ignore(&c);
	bench_now += 1000000;
	run();
	ignore(&c);
	hear(fd, &t);
	cr_expect_eq(t.n, 1);
	cr_expect(t.ended);
	close(fd);
	run();
	client_free(&c);
}

Test(relay_trace, the_next_takes_its_place)
{
	struct client c = client_login(), other = client_login();
	struct told t;
	int first = trace(&c, 6, 100, 1000), second = trace(&other, 7, 100, 1000);

	ignore(&c);
	ignore(&other);
	hear(first, &t);
	cr_expect_eq(t.n, 0);
	cr_expect(t.ended);
	hear(second, &t);
	cr_expect_eq(t.n, 1);
	close(first);
	close(second);
	run();
	client_free(&c);
	client_free(&other);
}

/* Who looked is gone; the connection is, while somebody looks. */
Test(relay_trace, it_ends_with_either_end)
{
	struct client c = client_login();
	struct told t;
	int fd = trace(&c, 6, 100, 1000);

	close(fd);
	ignore(&c);
	ignore(&c);
	fd = trace(&c, 7, 100, 1000);
	client_simple(&c, SSH_MSG_CHANNEL_EOF, 4711); /* there is none */
	run();
	client_ended(&c, -SSH_E_CHANNEL);
	client_free(&c);
	hear(fd, &t);
	cr_expect(t.ended);
	close(fd);
	run();
}

/* Whichever comes first waits for the other. */
Test(relay_trace, its_descriptor_comes_later)
{
	const struct link_trace m = {.fds = 6, .messages = 100, .time_ms = 1000};
	struct client c = client_login();
	struct told t;
	int fd;

	down(LINK_CMD_TRACE, c.h, &m, sizeof(m), NULL, 0);
	run();
	ignore(&c);
	fd = park_socket(6);
	ignore(&c);
	hear(fd, &t);
	cr_expect_eq(t.n, 1, "what came before is not told");
	close(fd);
	run();
	client_free(&c);
}
