/*
 * dataplane/relay/tee, dataplane/stream/tee: what a copy of a channel holds, what is lost of it,
 * and what becomes of the channel.
 */
#include "tests/util/relay_host_bench.h"

#include "link/tee.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

#define TEE_ROOM 4096 /* of a stream, before it is full */

static void start_small(void)
{
	start_with(TEE_ROOM);
}

TestSuite(relay_tee, .init = start_small, .fini = end_host, .timeout = 60);

/* A program with a tee whose other end this is. */
static int with_tee(struct client *c, struct program *p, struct bench_chan *ch, uint8_t how)
{
	struct link_chan_fds m = {.token = 99, .fds = 7, .wait_ms = 1000, .tee = 6, .tee_how = how};
	int fd = park_socket(6), small = 1; /* the kernel has a least size of its own */

	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	*p = park_program(7);
	open_host(c, 0, true);
	*ch = client_confirmed(c);
	down(LINK_IT_CHAN_FDS, c->h, &m, sizeof(m), NULL, 0);
	run();
	client_expect(c, SSH_MSG_CHANNEL_WINDOW_ADJUST);
	up_expect(LINK_EV_CHAN_OPENED, NULL);
	return fd;
}

struct heard {
	uint8_t kind[64];
	unsigned int n;
	char text[3][256 * 1024]; /* by kind: IN, OUT, ERR */
	size_t len[3];
	uint64_t gaps, lost;
	struct tee_size size;
};

/* All that came. True: END was the last of it. */
static bool hear_tee(int fd, struct heard *h)
{
	static uint8_t buf[512 * 1024];
	struct tee_head f;
	size_t have = 0, at = 0;
	ssize_t got;
	int n;

	memset(h, 0, sizeof(*h));
	do {
		run();
		got = read(fd, buf + have, sizeof(buf) - have);
		have += got > 0 ? (size_t)got : 0;
	} while (got > 0);
	for (; (n = tee_parse(buf + at, have - at, &f)) > 0; at += (size_t)n) {
		const uint8_t *body = buf + at + sizeof(f);

		if (h->n < N(h->kind))
			h->kind[h->n++] = f.kind;
		if (f.kind <= TEE_ERR) {
			memcpy(h->text[f.kind - 1] + h->len[f.kind - 1], body, f.len);
			h->len[f.kind - 1] += f.len;
		} else if (f.kind == TEE_SIZE) {
			memcpy(&h->size, body, sizeof(h->size));
		} else if (f.kind == TEE_GAP) {
			h->gaps += ((const struct tee_gap *)(const void *)body)->bytes;
		} else {
			h->lost = ((const struct tee_end *)(const void *)body)->lost;
			return true;
		}
	}
	cr_assert_eq(n, 0, "a frame that is none");
	return false;
}

static const struct link_chan_end *tee_over(struct client *c, struct program *p,
					    const struct bench_chan *ch)
{
	program_exit(p);
	run();
	up_expect(LINK_EV_CHAN_DRAINED, NULL);
	finish(c);
	run();
	client_expect(c, SSH_MSG_CHANNEL_EOF);
	client_expect(c, SSH_MSG_CHANNEL_CLOSE);
	client_simple(c, SSH_MSG_CHANNEL_CLOSE, ch->local);
	run();
	return up_expect(LINK_EV_CHAN_END, NULL);
}

static void tee_of(uint8_t how, const char *in)
{
	static const uint8_t kinds[] = {TEE_OUT, TEE_SIZE, TEE_ERR, TEE_IN, TEE_END};
	const struct link_chan_size size = {.token = 99, .columns = 132, .rows = 43};
	struct client c = client_login();
	const struct link_chan_end *over;
	static struct heard h;
	struct bench_chan ch;
	struct program p;
	int fd = with_tee(&c, &p, &ch, how);

	cr_assert_eq(write(p.out, "hello", 5), 5);
	run();
	data_is(&c, 0, "hello");
	down(LINK_IT_CHAN_SIZE, c.h, &size, sizeof(size), NULL, 0);
	run();
	cr_assert_eq(write(p.err, "bad", 3), 3);
	run();
	data_is(&c, SSH_EXTENDED_DATA_STDERR, "bad");
	client_data(&c, ch.local, "secret", 6);
	run();
	over = tee_over(&c, &p, &ch);
	cr_expect_eq(over->tee, 1);
	cr_expect_eq(over->tee_copied, 8 + strlen(in) + sizeof(struct tee_size));
	cr_expect_eq(over->tee_lost, 0);
	cr_assert(hear_tee(fd, &h));
	cr_expect_eq(h.lost, 0);
	cr_expect_str_eq(h.text[0], in);
	cr_expect_str_eq(h.text[1], "hello");
	cr_expect_str_eq(h.text[2], "bad");
	cr_expect_eq(h.size.columns, 132);
	cr_expect_eq(h.size.rows, 43);
	cr_expect_eq(memcmp(h.kind, kinds, 3), 0, "in their order");
	close(fd);
	client_free(&c);
}

Test(relay_tee, what_a_program_says_and_not_what_it_is_told)
{
	tee_of(LINK_TEE_STRICT, "");
}

Test(relay_tee, what_it_is_told_where_that_is_asked_for)
{
	tee_of(LINK_TEE_IN, "secret");
}

/* A program that says more than anybody takes of its copy; bytes that its client was sent. */
static size_t talk(struct client *c, const struct program *p, size_t want)
{
	char text[1024];
	size_t said = 0;
	const uint8_t *q;
	size_t n, got = 0;

	memset(text, 'x', sizeof(text));
	for (int idle = 0; idle < 20; idle++) {
		ssize_t k = said < want ? write(p->out, text, sizeof(text)) : 0;

		said += k > 0 ? (size_t)k : 0;
		run();
		while (client_next(c, &q, &n) == SSH_MSG_CHANNEL_DATA) {
			got += n - SSH_CHAN_DATA_HEAD;
			idle = 0;
		}
	}
	return got;
}

Test(relay_tee, a_strict_one_stops_its_channel_until_it_is_read)
{
	const size_t want = 128 * 1024;
	struct client c = client_login();
	static struct heard h;
	struct bench_chan ch;
	struct program p;
	int fd = with_tee(&c, &p, &ch, LINK_TEE_STRICT);
	size_t first = talk(&c, &p, want), copied;

	cr_expect_lt(first, want, "it waits");
	cr_expect_not(hear_tee(fd, &h));
	copied = h.len[1];
	cr_expect_geq(copied, first, "nobody has more than the copy");
	while (first < want) {
		size_t more = talk(&c, &p, want - first);

		cr_assert_gt(more, 0, "it goes on");
		first += more;
		cr_expect_not(hear_tee(fd, &h));
		copied += h.len[1];
	}
	cr_expect_eq(copied, first);
	program_exit(&p);
	close(fd);
	client_free(&c);
}

Test(relay_tee, best_effort_stops_nobody_and_says_what_it_lost)
{
	const size_t want = 128 * 1024;
	struct client c = client_login();
	const struct link_chan_end *over;
	static struct heard h;
	struct bench_chan ch;
	struct program p;
	int fd = with_tee(&c, &p, &ch, 0);
	size_t copied;

	cr_expect_eq(talk(&c, &p, want), want);
	cr_expect_not(hear_tee(fd, &h));
	copied = h.len[1];
	cr_expect_lt(copied, want);
	cr_assert_eq(write(p.out, "more", 4), 4);
	run();
	data_is(&c, 0, "more");
	over = tee_over(&c, &p, &ch);
	cr_expect_eq(over->tee_lost, want - copied);
	cr_assert(hear_tee(fd, &h));
	cr_expect_eq(h.kind[0], TEE_GAP, "before what follows it");
	cr_expect_eq(h.gaps, want - copied);
	cr_expect_eq(h.lost, want - copied);
	cr_expect_str_eq(h.text[1], "more");
	close(fd);
	client_free(&c);
}

/* A program's channel ends so; its user reads why. */
static void ends_recorded(struct client *c, const struct bench_chan *ch)
{
	const struct link_chan_end *over;
	struct ssh_chan_data d;
	const uint8_t *q;
	struct ssh_rd r;
	size_t n;

	cr_assert_eq(client_next(c, &q, &n), SSH_MSG_CHANNEL_EXTENDED_DATA);
	ssh_rd_init(&r, q + 1, n - 1);
	cr_assert_eq(ssh_chan_data_parse(&r, SSH_MSG_CHANNEL_EXTENDED_DATA, &d), 0);
	cr_expect_not_null(memmem(d.data.p, d.data.len, "recorded", 8));
	client_expect(c, SSH_MSG_CHANNEL_CLOSE);
	client_simple(c, SSH_MSG_CHANNEL_CLOSE, ch->local);
	run();
	over = up_expect(LINK_EV_CHAN_END, NULL);
	cr_expect_eq(over->cause, -SSH_E_RECORDING);
}

Test(relay_tee, a_strict_one_that_takes_no_more_ends_its_channel)
{
	struct client c = client_login();
	struct bench_chan ch;
	struct program p;
	int fd = with_tee(&c, &p, &ch, LINK_TEE_STRICT);

	close(fd);
	run();
	ends_recorded(&c, &ch);
	program_exit(&p);
	client_free(&c);
}

Test(relay_tee, best_effort_that_takes_no_more_is_done_without)
{
	struct client c = client_login();
	const struct link_chan_end *over;
	struct bench_chan ch;
	struct program p;
	int fd = with_tee(&c, &p, &ch, 0);

	close(fd);
	run();
	cr_assert_eq(write(p.out, "hello", 5), 5);
	run();
	data_is(&c, 0, "hello");
	over = tee_over(&c, &p, &ch);
	cr_expect_eq(over->tee, 1);
	cr_expect_eq(over->tee_copied, 0);
	cr_expect_eq(over->tee_lost, 5);
	client_free(&c);
}

Test(relay_tee, a_descriptor_that_did_not_come_is_none)
{
	const struct link_chan_fds m = {
		.token = 99, .fds = 7, .wait_ms = 1000, .tee = 6, .tee_how = LINK_TEE_STRICT};
	struct client c = client_login();
	struct bench_chan ch;
	struct program p;

	open_host(&c, 0, true);
	ch = client_confirmed(&c);
	p = park_program(7);
	up_expect(LINK_EV_CHAN_OPENED, NULL);
	down(LINK_IT_CHAN_FDS, c.h, &m, sizeof(m), NULL, 0);
	run();
	ends_recorded(&c, &ch);
	program_exit(&p);
	client_free(&c);
}
