/*
 * dataplane/relay/host: channels over descriptors: whichever comes first waits for the other, bytes
 * of a program's two ways out, its end, and that no descriptor is left behind.
 */
#include "dataplane/relay/internal.h"
#include "ssh/window.h"
#include "tests/util/relay_host_bench.h"

static void start(void)
{
	start_with(0);
}

TestSuite(relay_host, .init = start, .fini = end_host, .timeout = 60);

Test(relay_host, bytes_go_both_ways_and_ends_are_carried)
{
	struct client c = client_login();
	struct bench_chan ch;
	int other = park_socket(7);
	char buf[16];

	open_host(&c, 7, false);
	ch = client_confirmed(&c);
	cr_expect_gt(ch.window, 0);
	cr_expect_eq(((const struct link_chan_ref *)up_expect(LINK_EV_CHAN_OPENED, NULL))->token,
		     99);
	client_data(&c, ch.local, "hello", 5);
	run();
	cr_expect_eq(read(other, buf, sizeof(buf)), 5);
	cr_assert_eq(write(other, "world", 5), 5);
	run();
	data_is(&c, 0, "world");
	client_simple(&c, SSH_MSG_CHANNEL_EOF, ch.local);
	run();
	cr_expect_eq(read(other, buf, sizeof(buf)), 0, "its half is shut");
	cr_assert_eq(write(other, "last", 4), 4);
	close(other);
	run();
	data_is(&c, 0, "last");
	client_expect(&c, SSH_MSG_CHANNEL_EOF);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
	run();
	cr_expect_eq(((const struct link_chan_end *)up_expect(LINK_EV_CHAN_END, NULL))->cause, 0);
	client_free(&c);
}

Test(relay_host, a_channel_waits_for_its_descriptors)
{
	struct client c = client_login();
	const uint8_t *p;
	size_t n;
	int other;

	open_host(&c, 7, false);
	cr_expect_eq(client_next(&c, &p, &n), 0);
	close(park_socket(8));
	bench_settle();
	cr_expect_eq(client_next(&c, &p, &n), 0, "those are another's");
	other = park_socket(7);
	bench_settle();
	client_confirmed(&c);
	close(other);
	client_free(&c);
}

Test(relay_host, descriptors_that_do_not_come_are_a_failure)
{
	struct client c = client_login();
	const struct link_chan_failed *ev;

	open_host(&c, 7, false);
	bench_pass(1001000);
	client_expect(&c, SSH_MSG_CHANNEL_OPEN_FAILURE);
	ev = up_expect(LINK_EV_CHAN_FAILED, NULL);
	cr_expect_eq(ev->err, -ETIMEDOUT);
	cr_expect_eq(bench_count(RELAY_C_HOST_LATE), 1);
	close(park_socket(7));
	bench_settle();
	cr_expect_eq(host_streams(host), 0);
	client_free(&c);
}

Test(relay_host, one_that_cannot_be_used_is_a_failure)
{
	struct client c = client_login();
	int fd[1] = {999};

	park_put(&park, 7, fd, 1, bench_now);
	open_host(&c, 7, false);
	client_expect(&c, SSH_MSG_CHANNEL_OPEN_FAILURE);
	cr_expect_eq(((const struct link_chan_failed *)up_expect(LINK_EV_CHAN_FAILED, NULL))->err,
		     -EBADF);
	client_free(&c);
}

Test(relay_host, a_client_that_goes_while_it_waits_leaves_nothing)
{
	struct client c = client_login();

	open_host(&c, 7, false);
	fake_eof(c.f);
	bench_settle();
	close(park_socket(7));
	run();
	cr_expect_eq(host_streams(host), 0);
	client_free(&c);
}

Test(relay_host, a_session_is_confirmed_with_no_window_and_gets_it_with_its_program)
{
	struct client c = client_login();
	struct program p;
	struct bench_chan ch;
	char buf[8];

	open_host(&c, 0, true);
	ch = client_confirmed(&c);
	cr_expect_eq(ch.window, 0);
	p = park_program(7);
	give_fds(&c, 7);
	client_expect(&c, SSH_MSG_CHANNEL_WINDOW_ADJUST);
	client_data(&c, ch.local, "in", 2);
	run();
	cr_expect_eq(read(p.in, buf, sizeof(buf)), 2);
	program_exit(&p);
	client_free(&c);
}

/* While somebody sits at a terminal the packets of his connection are of their own class. */
Test(relay_host, a_terminal_has_a_class_of_service)
{
	struct link_chan_fds m = {.token = 99, .fds = 7, .wait_ms = 1000, .tty = 1};
	struct link_authenticated a = bench_auth;
	struct client c = client_new("aes128-gcm@openssh.com", "");
	struct bench_chan ch;
	struct program p;

	a.qos_tty = 0xb8;
	a.qos_bulk = 0x20;
	client_ident(&c);
	client_kex(&c);
	cr_expect_eq(c.f->qos, 0, "before the login nobody has said one");
	client_auth(&c, &a);
	cr_expect_eq(c.f->qos, 0x20);
	open_host(&c, 0, true);
	ch = client_confirmed(&c);
	p = park_program(7);
	cr_expect_eq(c.f->qos, 0x20);
	down(LINK_IT_CHAN_FDS, c.h, &m, sizeof(m), NULL, 0);
	bench_settle();
	cr_expect_eq(c.f->qos, 0xb8);
	program_exit(&p);
	run();
	finish(&c);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
	bench_settle();
	cr_expect_eq(c.f->qos, 0x20, "the terminal is gone");
	client_free(&c);
}

Test(relay_host, nothing_may_be_sent_before_the_window_is_granted)
{
	struct client c = client_login();

	open_host(&c, 0, true);
	client_data(&c, client_confirmed(&c).local, "early", 5);
	client_ended(&c, -SSH_E_WINDOW);
	client_free(&c);
}

Test(relay_host, out_and_err_are_told_apart)
{
	struct client c = client_login();
	struct program p = park_program(7);

	open_host(&c, 7, true);
	client_confirmed(&c);
	cr_assert_eq(write(p.err, "bad", 3), 3);
	run();
	data_is(&c, SSH_EXTENDED_DATA_STDERR, "bad");
	cr_assert_eq(write(p.out, "good", 4), 4);
	run();
	data_is(&c, 0, "good");
	program_exit(&p);
	client_free(&c);
}

static void nothing_said(struct client *c)
{
	const uint8_t *p;
	size_t n;

	cr_expect_eq(client_next(c, &p, &n), 0);
}

static void is_eow(struct client *c)
{
	struct ssh_chan_request m;
	struct ssh_rd r;
	const uint8_t *p;
	size_t n;

	cr_assert_eq(client_next(c, &p, &n), SSH_MSG_CHANNEL_REQUEST);
	ssh_rd_init(&r, p + 1, n - 1);
	cr_assert_eq(ssh_chan_request_parse(&r, &m), 0);
	cr_expect_eq(m.recipient_channel, 5);
	cr_expect(ssh_str_eq(m.type, "eow@openssh.com"));
	cr_expect_not(m.want_reply);
	cr_expect_eq(m.rest.len, 0);
}

/* OpenSSH's PROTOCOL, section 2.1: it is told once, and what the program says comes all the same.
 */
Test(relay_host, a_program_that_takes_no_more_input)
{
	struct client c = client_login();
	struct program p = park_program(7);
	struct bench_chan ch;

	eow = true;
	open_host(&c, 7, true);
	ch = client_confirmed(&c);
	close(p.in);
	run();
	is_eow(&c);
	cr_assert_eq(write(p.out, "on", 2), 2);
	run();
	data_is(&c, 0, "on");
	client_data(&c, ch.local, "x", 1);
	run();
	nothing_said(&c);
	close(p.out);
	close(p.err);
	client_free(&c);
}

Test(relay_host, an_end_of_input_is_told_to_those_alone_who_know_it)
{
	struct client c = client_login();
	struct program p = park_program(7);

	open_host(&c, 7, true);
	(void)client_confirmed(&c);
	close(p.in);
	run();
	nothing_said(&c);
	close(p.out);
	close(p.err);
	client_free(&c);
}

Test(relay_host, who_has_said_eof_is_not_told)
{
	struct client c = client_login();
	struct program p = park_program(7);
	struct bench_chan ch;

	eow = true;
	open_host(&c, 7, true);
	ch = client_confirmed(&c);
	client_simple(&c, SSH_MSG_CHANNEL_EOF, ch.local);
	run();
	close(p.in);
	run();
	nothing_said(&c);
	close(p.out);
	close(p.err);
	client_free(&c);
}

Test(relay_host, of_a_program_control_says_the_end)
{
	struct client c = client_login();
	struct program p = park_program(7);
	const struct link_chan_ref *ev;
	struct bench_chan ch;
	const uint8_t *q;
	size_t n;

	open_host(&c, 7, true);
	ch = client_confirmed(&c);
	up_expect(LINK_EV_CHAN_OPENED, NULL);
	client_simple(&c, SSH_MSG_CHANNEL_EOF, ch.local);
	cr_assert_eq(write(p.out, "bye", 3), 3);
	program_exit(&p);
	run();
	data_is(&c, 0, "bye");
	cr_expect_eq(client_next(&c, &q, &n), 0, "neither EOF nor CLOSE yet");
	ev = up_expect(LINK_EV_CHAN_DRAINED, NULL);
	cr_expect_eq(ev->token, 99);
	cr_expect_eq(ev->local_channel, ch.local);
	finish(&c);
	client_expect(&c, SSH_MSG_CHANNEL_EOF);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
	run();
	up_expect(LINK_EV_CHAN_END, NULL);
	client_free(&c);
}

Test(relay_host, drained_waits_for_the_window_of_the_peer)
{
	struct client c = client_login();
	struct program p = park_program(7);
	struct link_chan_host m = {.peer_channel = 5,
				   .peer_window = 2,
				   .peer_packet_max = 32768,
				   .wait_ms = 1000,
				   .token = 99,
				   .fds = 7,
				   .program = 1};
	struct bench_chan ch;

	down(LINK_IT_CHAN_HOST, c.h, &m, sizeof(m), NULL, 0);
	ch = client_confirmed(&c);
	up_expect(LINK_EV_CHAN_OPENED, NULL);
	cr_assert_eq(write(p.out, "ab", 2), 2);
	cr_assert_eq(write(p.err, "cd", 2), 2);
	program_exit(&p);
	run();
	data_is(&c, 1, "cd"); /* their turns */
	cr_expect_null(up_next());
	client_adjust(&c, ch.local, 2);
	data_is(&c, 0, "ab");
	up_expect(LINK_EV_CHAN_DRAINED, NULL);
	client_free(&c);
}

Test(relay_host, finish_does_not_wait_for_a_program_that_lives)
{
	struct client c = client_login();
	struct program p = park_program(7);

	open_host(&c, 7, true);
	client_confirmed(&c);
	finish(&c);
	client_expect(&c, SSH_MSG_CHANNEL_EOF);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	program_exit(&p);
	client_free(&c);
}

Test(relay_host, items_for_a_channel_that_is_gone_are_counted)
{
	struct client c = client_login();
	uint64_t before = bench_count(RELAY_C_ITEMS_STALE);

	finish(&c);
	give_fds(&c, 7);
	cr_expect_eq(bench_count(RELAY_C_ITEMS_STALE), before + 2);
	client_free(&c);
}

Test(relay_host, only_a_program_has_a_size)
{
	struct client c = client_login();
	struct link_chan_size m = {.columns = 80, .rows = 24};
	int other = park_socket(7);

	client_channel(&c, 6, 1 << 20);
	m.token = 1006;
	down(LINK_IT_CHAN_SIZE, c.h, &m, sizeof(m), NULL, 0);
	bench_settle();
	cr_expect_eq(sized, 0, "its target is TCP's");
	open_host(&c, 7, true);
	client_confirmed(&c);
	m.token = 99;
	down(LINK_IT_CHAN_SIZE, c.h, &m, sizeof(m), NULL, 0);
	bench_settle();
	cr_expect_eq(sized, 1);
	close(other);
	client_free(&c);
}

static void cut(struct client *c, uint32_t max)
{
	const struct link_chan_cut m = {.token = 99, .max = max};

	down(LINK_IT_CHAN_CUT, c->h, &m, sizeof(m), NULL, 0);
	bench_settle();
}

/* All that the client was granted since. */
static uint32_t granted(struct client *c)
{
	uint32_t all = 0;
	const uint8_t *p;
	size_t n;

	while (client_next(c, &p, &n) != 0) {
		struct ssh_rd r;

		cr_assert_eq(p[0], SSH_MSG_CHANNEL_WINDOW_ADJUST, "message %u", p[0]);
		ssh_rd_init(&r, p + 5, n - 5);
		all += ssh_rd_u32(&r);
	}
	return all;
}

/*
 * It is cut before it is given anything. Whatever a record waits for can be sent, with the least
 * window there is and crumbs of any size.
 */
Test(relay_host, a_program_is_given_records)
{
	static uint8_t said[997], buf[HOST_FRAME_HEAD + LINK_RECORD_MAX];
	struct client c = client_login();
	struct link_authenticated a = bench_auth;
	struct bench_chan ch;
	uint32_t window, sent = 0;
	int other;

	a.window_size = SSH_RWIN_LOW;
	down(LINK_IT_AUTHENTICATED, c.h, &a, sizeof(a), NULL, 0);
	open_host(&c, 0, true);
	ch = client_confirmed(&c);
	cut(&c, LINK_RECORD_MAX);
	other = park_socket(7);
	give_fds(&c, 7);
	window = granted(&c);
	cr_expect_eq(window, SSH_RWIN_LOW);
	run();
	cr_expect_eq(read(other, buf, sizeof(buf)), 9);
	cr_expect_eq(buf[4], HOST_FRAME_READY);
	for (uint32_t records = 0; records < 4;) {
		uint32_t n = RTE_MIN(window, (uint32_t)sizeof(said));

		cr_assert_gt(n, 0, "it may send nothing, and a record waits for it");
		client_data(&c, ch.local, said, n);
		run();
		sent += n;
		window += granted(&c) - n;
		if (sent < (records + 1) * LINK_RECORD_MAX) {
			cr_assert_eq(read(other, buf, sizeof(buf)), -1);
			continue;
		}
		cr_assert_eq(read(other, buf, sizeof(buf)), sizeof(buf));
		cr_assert_eq(buf[4], HOST_FRAME_DATA);
		records++;
	}
	cut(&c, 0);
	run();
	cr_expect_eq(read(other, buf, sizeof(buf)), HOST_FRAME_HEAD + sent % LINK_RECORD_MAX);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
	run();
	close(other);
	client_free(&c);
}

static void client_ext_data(struct client *c, uint32_t channel, const void *p, uint32_t n)
{
	static uint8_t buf[SSH_PACKET_MAX];
	const struct ssh_chan_data m = {channel, SSH_EXTENDED_DATA_STDERR, {p, n}};
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_data_build(&w, &m);
	client_send(c, buf, ssh_wr_done(&w));
}

/* A program that is given frames, or bytes as they come; its other end. */
static int program_of(struct client *c, struct bench_chan *ret, bool framed)
{
	uint8_t ready[9];
	int other;

	open_host(c, 0, true);
	*ret = client_confirmed(c);
	if (framed)
		cut(c, 0);
	other = park_socket(7);
	give_fds(c, 7);
	ret->window = granted(c);
	run();
	if (framed)
		cr_expect_eq(read(other, ready, sizeof(ready)), sizeof(ready));
	return other;
}

static void program_gone(struct client *c, const struct bench_chan *ch, int other)
{
	client_simple(c, SSH_MSG_CHANNEL_CLOSE, ch->local);
	run();
	close(other);
	client_free(c);
}

/* What of it lies in the socket is the program's; the client may send as much again. */
Test(relay_host, a_program_is_given_extended_data_in_its_place)
{
	static const uint8_t expect[] = "\0\0\0\3\1one\0\0\0\7\4\0\0\0\1two\0\0\0\5\1three";
	uint8_t buf[64];
	struct client c = client_login();
	struct bench_chan ch;
	int other = program_of(&c, &ch, true);

	client_data(&c, ch.local, "one", 3);
	client_ext_data(&c, ch.local, "two", 3);
	client_ext_data(&c, ch.local, "", 0);
	client_data(&c, ch.local, "three", 5);
	run();
	cr_assert_eq(read(other, buf, sizeof(buf)), sizeof(expect) - 1);
	cr_expect_eq(memcmp(buf, expect, sizeof(expect) - 1), 0);
	program_gone(&c, &ch, other);
}

/* It is granted again when the program has taken it, and not before. */
Test(relay_host, extended_data_that_nobody_takes_holds_its_window)
{
	static uint8_t said[16384], buf[HOST_FRAME_HEAD + 4 + sizeof(said)];
	struct client c = client_login();
	uint32_t sent = 0, back = 0;
	struct bench_chan ch;
	int other = program_of(&c, &ch, true);
	ssize_t n;

	for (; ch.window >= sizeof(said); ch.window += granted(&c), sent += sizeof(said)) {
		cr_assert_lt(sent, 64u << 20, "it is granted what nobody takes");
		client_ext_data(&c, ch.local, said, sizeof(said));
		ch.window -= sizeof(said);
		run();
	}
	while ((n = read(other, buf, sizeof(buf))) > 0) {
		run();
		back += granted(&c);
	}
	cr_expect_geq(ch.window + back, SSH_RWIN_LOW);
	program_gone(&c, &ch, other);
}

Test(relay_host, without_frames_extended_data_is_dropped)
{
	uint8_t buf[64];
	struct client c = client_login();
	struct bench_chan ch;
	int other = program_of(&c, &ch, false);

	client_data(&c, ch.local, "one", 3);
	client_ext_data(&c, ch.local, "two", 3);
	client_data(&c, ch.local, "three", 5);
	run();
	cr_assert_eq(read(other, buf, sizeof(buf)), 8);
	cr_expect_eq(memcmp(buf, "onethree", 8), 0);
	program_gone(&c, &ch, other);
}

/* A cap neither changes the order nor lets it pass: the window waits its time. */
Test(relay_host, extended_data_has_the_cap_of_its_channel)
{
	enum { RATE = 1000000, S = 1000000 };
	static uint8_t said[8192], buf[1 << 18];
	struct link_caps caps = {0};
	struct client c = client_login();
	struct bench_chan ch;
	int other = program_of(&c, &ch, true);
	uint64_t begin = bench_now, sent = 0;

	caps.channel[LINK_IN].rate = RATE;
	caps.channel[LINK_IN].burst = 8192;
	down(LINK_IT_CAPS, c.h, &caps, sizeof(caps), NULL, 0);
	bench_settle();
	while (bench_now < begin + S) {
		for (bool ext = false; ch.window >= sizeof(said); ext = !ext) {
			(ext ? client_ext_data : client_data)(&c, ch.local, said, sizeof(said));
			ch.window -= sizeof(said);
			sent += sizeof(said);
		}
		run();
		while (read(other, buf, sizeof(buf)) > 0)
			;
		bench_now += 1000;
		ch.window += granted(&c);
	}
	/* The window it began with goes at once. */
	cr_expect_leq(sent, RATE * 102 / 100 + BENCH_WINDOW + caps.channel[LINK_IN].burst);
	cr_expect_geq(sent, RATE * 98 / 100);
	program_gone(&c, &ch, other);
}

Test(relay_host, a_cap_keeps_the_order_of_extended_data)
{
	static uint8_t said[8192], buf[1 << 16];
	struct link_caps caps = {0};
	struct client c = client_login();
	uint32_t text = 0;
	struct bench_chan ch;
	int other = program_of(&c, &ch, true);
	ssize_t n;

	caps.channel[LINK_IN].rate = 1000;
	caps.channel[LINK_IN].burst = 100;
	down(LINK_IT_CAPS, c.h, &caps, sizeof(caps), NULL, 0);
	bench_settle();
	client_data(&c, ch.local, said, sizeof(said));
	run();
	cr_expect_lt(read(other, buf, sizeof(buf)), (ssize_t)sizeof(said), "the rest is held");
	client_ext_data(&c, ch.local, "x", 1);
	client_data(&c, ch.local, "behind", 6);
	client_simple(&c, SSH_MSG_CHANNEL_EOF, ch.local);
	run();
	n = read(other, buf, sizeof(buf));
	cr_assert_gt(n, 10);
	cr_expect_eq(memcmp(buf + n - 10, "\0\0\0\5\4\0\0\0\1x", 10), 0, "it is the last");
	for (unsigned int i = 0; i < 2000 && n != 0; i++) {
		bench_now += 10000;
		run();
		n = read(other, buf, sizeof(buf));
		text += n > HOST_FRAME_HEAD ? (uint32_t)n - HOST_FRAME_HEAD : 0;
	}
	cr_expect_eq(n, 0, "its end comes, too");
	cr_expect_eq(text, 6);
	program_gone(&c, &ch, other);
}

/* Nobody is there who says what became of it; the next control is told of it, and does. */
Test(relay_host, a_program_outlives_its_control)
{
	const struct link_chan_fds fds = {.token = 99, .fds = 7, .wait_ms = 1000, .tty = 1};
	struct link_chan_ref m = {.token = 99};
	const struct link_chan_kept *k;
	struct client c = client_login();
	struct program p;
	const uint8_t *q;
	size_t n;

	open_host(&c, 0, true);
	client_confirmed(&c);
	up_expect(LINK_EV_CHAN_OPENED, NULL);
	p = park_program(7);
	down(LINK_IT_CHAN_FDS, c.h, &fds, sizeof(fds), NULL, 0);
	run();
	client_expect(&c, SSH_MSG_CHANNEL_WINDOW_ADJUST);
	bench_link_gone = true;
	relay_link_detached(bench);
	cr_assert_eq(write(p.out, "bye", 3), 3);
	run();
	data_is(&c, 0, "bye");
	program_exit(&p);
	run();
	cr_expect_eq(client_next(&c, &q, &n), 0, "it waits");
	bench_link_gone = false;
	bench_kept = true;
	relay_link_attached(bench);
	run();
	up_expect(LINK_EV_CONN_KEPT, NULL);
	k = up_expect(LINK_EV_CHAN_KEPT, NULL);
	cr_expect_eq(k->token, 99);
	cr_expect(k->up == 1 && k->program == 1 && k->granted == 0);
	cr_expect_eq(k->tty, 1, "as it was given");
	up_expect(LINK_EV_CHAN_DRAINED, NULL);
	down(LINK_IT_CHAN_FINISH, c.h, &m, sizeof(m), NULL, 0);
	run();
	client_expect(&c, SSH_MSG_CHANNEL_EOF);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	client_free(&c);
}

/* Without another one it ends once ControlWait is over. */
Test(relay_host, a_program_that_outlives_its_control_ends_by_itself)
{
	struct client c = client_login();
	struct program p = park_program(7);
	struct bench_chan ch;
	const uint8_t *q;
	size_t n;

	open_host(&c, 7, true);
	ch = client_confirmed(&c);
	up_expect(LINK_EV_CHAN_OPENED, NULL);
	program_exit(&p);
	run();
	up_expect(LINK_EV_CHAN_DRAINED, NULL);
	bench_link_gone = true;
	relay_link_detached(bench);
	run();
	bench_pass(9999000);
	cr_expect_eq(client_next(&c, &q, &n), 0, "it waits");
	cr_expect_leq(relay_next_timer_us(bench), bench_now + 1001);
	bench_pass(1001);
	client_expect(&c, SSH_MSG_CHANNEL_EOF);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
	run();
	client_free(&c);
}

Test(relay_host, a_session_without_a_program_ends_with_its_control)
{
	struct client c = client_login();

	open_host(&c, 0, true);
	client_confirmed(&c);
	relay_link_detached(bench);
	run();
	client_expect(&c, SSH_MSG_CHANNEL_EOF);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	client_free(&c);
}

Test(relay_host, a_target_that_reads_nothing_stops_its_client_alone)
{
	struct client c = client_login();
	static const uint8_t zero[16384];
	struct bench_chan slow, quick;
	int other = park_socket(7);
	uint32_t sent = 0;

	open_host(&c, 7, false);
	slow = client_confirmed(&c);
	quick = client_channel(&c, 6, 1 << 20);
	for (; sent + sizeof(zero) <= slow.window; sent += sizeof(zero))
		client_data(&c, slow.local, zero, sizeof(zero));
	run();
	client_data(&c, quick.local, "x", 1);
	run();
	cr_expect_eq(quick.target->tx.len, 1);
	close(other);
	client_free(&c);
}

Test(relay_host, a_table_that_is_full_is_a_failure)
{
	struct client c = client_login();
	int other[5];

	for (unsigned int i = 0; i < 5; i++) {
		other[i] = park_socket(100 + i);
		open_host(&c, 100 + i, false);
		if (i < 4)
			client_confirmed(&c);
		else
			client_expect(&c, SSH_MSG_CHANNEL_OPEN_FAILURE);
		while (up_next() != NULL)
			;
	}
	for (unsigned int i = 0; i < 5; i++)
		close(other[i]);
	client_free(&c);
}

/* --- channels that control has us open ----------------------------------------------------------
 */

static void ask_client(struct client *c)
{
	struct {
		struct link_chan_open body;
		uint8_t rest[3];
	} m = {.body = {.token = 99, .rest_len = 3}, .rest = {1, 2, 3}};

	m.body.type.len = (uint16_t)sprintf((char *)m.body.type.bytes, "x-news@test");
	down(LINK_IT_CHAN_OPEN, c->h, &m, sizeof(m.body), m.rest, sizeof(m.rest));
	bench_settle();
}

/* The number the client is asked with. */
static uint32_t asked(struct client *c)
{
	struct ssh_chan_open o;
	const uint8_t *p;
	struct ssh_rd r;
	size_t n;

	cr_assert_eq(client_next(c, &p, &n), SSH_MSG_CHANNEL_OPEN);
	ssh_rd_init(&r, p + 1, n - 1);
	cr_assert_eq(ssh_chan_open_parse(&r, &o), 0);
	cr_expect(ssh_str_eq(o.type, "x-news@test"));
	cr_expect_eq(o.window_size, 0, "nothing may be sent before its program is there");
	cr_expect_eq(o.packet_max, BENCH_PACKET);
	cr_assert_eq(o.rest.len, 3);
	cr_expect_eq(memcmp(o.rest.p, "\1\2\3", 3), 0);
	return o.sender_channel;
}

static void agree(struct client *c, uint32_t channel)
{
	const struct ssh_chan_confirm m = {.recipient_channel = channel,
					   .sender_channel = 70,
					   .window_size = 1 << 20,
					   .packet_max = 32768};
	uint8_t buf[64];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_confirm_build(&w, &m);
	client_send(c, buf, ssh_wr_done(&w));
	bench_settle();
}

Test(relay_host, a_client_is_asked_for_a_channel_and_gets_it_with_its_program)
{
	static const uint8_t request[] = {SSH_MSG_CHANNEL_REQUEST, 0, 0, 0, 0, 0, 0, 0, 1, 'x', 0};
	struct client c = client_login();
	const struct link_chan_ref *up;
	uint8_t buf[sizeof(request)];
	uint32_t local;
	char in[16];
	int other;

	ask_client(&c);
	local = asked(&c);
	cr_expect_null(up_next(), "the client has not answered");
	agree(&c, local);
	up = up_expect(LINK_EV_CHAN_OPENED, NULL);
	cr_expect_eq(up->token, 99);
	cr_expect_eq(up->local_channel, local);
	cr_expect_eq(up->peer_channel, 70, "requests name it");
	other = park_socket(7);
	give_fds(&c, 7);
	client_expect(&c, SSH_MSG_CHANNEL_WINDOW_ADJUST);
	client_data(&c, local, "hello", 5);
	run();
	cr_expect_eq(read(other, in, sizeof(in)), 5);
	cr_assert_eq(write(other, "world", 5), 5);
	run();
	data_is(&c, 0, "world");
	memcpy(buf, request, sizeof(buf));
	for (int i = 0; i < 4; i++)
		buf[1 + i] = (uint8_t)(local >> (24 - 8 * i));
	client_send(&c, buf, sizeof(buf));
	bench_settle();
	up_payload_expect(&c, SSH_MSG_CHANNEL_REQUEST);
	close(other);
	run();
	up_expect(LINK_EV_CHAN_DRAINED, NULL);
	finish(&c);
	client_expect(&c, SSH_MSG_CHANNEL_EOF);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, local);
	bench_settle();
	up_expect(LINK_EV_CHAN_END, NULL);
	client_free(&c);
}

/* No status comes behind its EOF: that is said when it is there, and the other half goes on. */
Test(relay_host, of_a_channel_that_is_no_session_a_half_may_end)
{
	struct client c = client_login();
	const struct link_chan_host m = {.peer_channel = 40,
					 .peer_window = 1 << 20,
					 .peer_packet_max = 32768,
					 .token = 99,
					 .program = LINK_PROGRAM_CHANNEL};
	struct bench_chan ch;
	char in[16];
	int other;

	down(LINK_IT_CHAN_HOST, c.h, &m, sizeof(m), NULL, 0);
	bench_settle();
	ch = client_confirmed(&c);
	up_expect(LINK_EV_CHAN_OPENED, NULL);
	other = park_socket(7);
	give_fds(&c, 7);
	client_expect(&c, SSH_MSG_CHANNEL_WINDOW_ADJUST);
	cr_assert_eq(shutdown(other, SHUT_WR), 0);
	run();
	client_expect(&c, SSH_MSG_CHANNEL_EOF);
	up_expect(LINK_EV_CHAN_DRAINED, NULL);
	client_data(&c, ch.local, "hello", 5);
	run();
	cr_expect_eq(read(other, in, sizeof(in)), 5);
	close(other);
	finish(&c);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
	run();
	up_expect(LINK_EV_CHAN_END, NULL);
	client_free(&c);
}

/* What comes right behind it is there when it is confirmed, and its window is told with that. */
Test(relay_host, a_program_that_is_there_at_once)
{
	struct client c = client_login();
	const struct link_chan_host m = {.peer_channel = 40,
					 .peer_window = 1 << 20,
					 .peer_packet_max = 32768,
					 .token = 99,
					 .program = LINK_PROGRAM_CHANNEL};
	struct bench_chan ch;
	int other = park_socket(7);
	char in[16];

	down(LINK_IT_CHAN_HOST, c.h, &m, sizeof(m), NULL, 0);
	give_fds(&c, 7);
	ch = client_confirmed(&c);
	cr_expect_gt(ch.window, 0);
	up_expect(LINK_EV_CHAN_OPENED, NULL);
	client_data(&c, ch.local, "hello", 5);
	run();
	cr_expect_eq(read(other, in, sizeof(in)), 5);
	cr_assert_eq(write(other, "world", 5), 5);
	run();
	data_is(&c, 0, "world");
	close(other);
	client_free(&c);
}

Test(relay_host, a_client_that_refuses_a_channel_is_told_of)
{
	struct client c = client_login();
	const struct ssh_chan_failure f = {
		.reason = SSH_OPEN_UNKNOWN_CHANNEL_TYPE,
		.description = ssh_str_c("what is that"),
		.language = ssh_str_c("")};
	const struct link_chan_failed *up;
	struct ssh_chan_failure m = f;
	uint8_t buf[64];
	struct ssh_wr w;

	ask_client(&c);
	m.recipient_channel = asked(&c);
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_failure_build(&w, &m);
	client_send(&c, buf, ssh_wr_done(&w));
	bench_settle();
	up = up_expect(LINK_EV_CHAN_FAILED, NULL);
	cr_expect_eq(up->token, 99);
	cr_expect_eq(up->err, -ECONNREFUSED);
	cr_expect_eq(up->reason, SSH_OPEN_UNKNOWN_CHANNEL_TYPE);
	client_free(&c);
}

Test(relay_host, a_client_that_does_not_answer_has_its_time)
{
	struct client c = client_login();
	const struct link_chan_failed *up;
	uint32_t local;

	ask_client(&c);
	local = asked(&c);
	bench_now += RELAY_ANSWER_US;
	run();
	up = up_expect(LINK_EV_CHAN_FAILED, NULL);
	cr_expect_eq(up->err, -ETIMEDOUT);
	agree(&c, local);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	client_free(&c);
}

/* Who asked for it is gone: nobody would have its program's descriptors. */
Test(relay_host, a_channel_of_ours_without_a_program_ends_with_its_control)
{
	struct client c = client_login();

	ask_client(&c);
	agree(&c, asked(&c));
	relay_link_detached(bench);
	run();
	client_expect(&c, SSH_MSG_CHANNEL_EOF);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	client_free(&c);
}

/* --- what control has to say for a program ------------------------------------------------------
 */

static void say_bytes(struct client *c, enum link_say what, uint64_t id, const void *bytes,
		      uint32_t len)
{
	const struct link_chan_say m = {.token = 99, .id = id, .len = len, .what = (uint8_t)what};

	down(LINK_IT_CHAN_SAY, c->h, &m, sizeof(m), bytes, len);
	bench_settle();
}

static void say(struct client *c, enum link_say what, const char *text)
{
	say_bytes(c, what, 0, text, (uint32_t)strlen(text));
}

Test(relay_host, bytes_of_controls_stand_among_its_programs)
{
	struct client c = client_login();
	struct program p = park_program(7);

	open_host(&c, 7, true);
	client_confirmed(&c);
	say(&c, LINK_SAY_OUT, "said");
	data_is(&c, 0, "said");
	say(&c, LINK_SAY_ERR, "complained");
	data_is(&c, SSH_EXTENDED_DATA_STDERR, "complained");
	cr_assert_eq(write(p.out, "written", 7), 7);
	run();
	data_is(&c, 0, "written");
	program_exit(&p);
	client_free(&c);
}

/* Also where there is no such descriptor. */
Test(relay_host, bytes_of_controls_wait_for_descriptors)
{
	struct client c = client_login();
	int other;

	open_host(&c, 0, true);
	client_confirmed(&c);
	say(&c, LINK_SAY_OUT, "too early");
	cr_expect_eq(bench_count(RELAY_C_ITEMS_STALE), 1);
	give_fds(&c, 7);
	say(&c, LINK_SAY_OUT, "one");
	say(&c, LINK_SAY_ERR, "bad");
	say(&c, LINK_SAY_OUT, "two");
	nothing_said(&c);
	other = park_socket(7);
	run();
	client_expect(&c, SSH_MSG_CHANNEL_WINDOW_ADJUST);
	data_is(&c, SSH_EXTENDED_DATA_STDERR, "bad");
	data_is(&c, 0, "onetwo");
	close(other);
	client_free(&c);
}

Test(relay_host, what_waited_for_descriptors_goes_with_its_channel)
{
	struct client c = client_login();
	struct bench_chan ch;

	open_host(&c, 0, true);
	ch = client_confirmed(&c);
	give_fds(&c, 7);
	for (uint64_t i = 0; i < 2 * RELAY_EARLY_MAX / 4096; i++) {
		static const uint8_t bytes[4096];

		say_bytes(&c, LINK_SAY_OUT, i, bytes, sizeof(bytes));
	}
	cr_expect_eq(bench_count(RELAY_C_UNSAID), RELAY_EARLY_MAX / 4096);
	say_bytes(&c, LINK_SAY_END, 0, NULL, 0);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
	run();
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	client_free(&c);
}

/*
 * Without a window they wait, within a bound: what is beyond it is told of, also when the link was
 * full at first, and all the rest comes, in its order.
 */
Test(relay_host, bytes_of_controls_wait_for_the_window)
{
	enum { PIECE = 1000, PIECES = (HOST_RX_MAX + HOST_SAID_MAX) / PIECE };
	static uint8_t piece[PIECE], got[PIECES * PIECE];
	const struct link_chan_unsaid *no;
	struct client c;
	struct bench_chan ch;
	uint32_t n = 0;
	int other;

	peer_window = 0;
	c = client_login();
	other = park_socket(7);
	open_host(&c, 7, true);
	ch = client_confirmed(&c);
	up_expect(LINK_EV_CHAN_OPENED, NULL);
	for (uint32_t i = 0; i < PIECES; i++) {
		memset(piece, (int)i, sizeof(piece));
		say_bytes(&c, LINK_SAY_OUT, i, piece, sizeof(piece));
	}
	cr_expect_null(up_next());
	bench_link_full = true;
	say_bytes(&c, LINK_SAY_OUT, 4711, piece, sizeof(piece));
	bench_link_full = false;
	bench_pass(1);
	no = up_expect(LINK_EV_CHAN_UNSAID, NULL);
	cr_expect(no->token == 99 && no->id == 4711);
	cr_expect_eq(bench_count(RELAY_C_UNSAID), 1);
	say(&c, LINK_SAY_ERR, "the other way has room");
	client_adjust(&c, ch.local, sizeof(got) + 22);
	while (n < sizeof(got)) {
		struct ssh_chan_data d;
		const uint8_t *p;
		struct ssh_rd r;
		size_t len;
		uint8_t msg = client_next(&c, &p, &len);

		cr_assert_neq(msg, 0, "%u of %zu came", n, sizeof(got));
		ssh_rd_init(&r, p + 1, len - 1);
		cr_assert_eq(ssh_chan_data_parse(&r, msg, &d), 0);
		if (d.data_type != 0)
			continue;
		cr_assert_leq(d.data.len, sizeof(got) - n);
		memcpy(got + n, d.data.p, d.data.len);
		n += d.data.len;
	}
	for (n = 0; n < sizeof(got); n++)
		cr_assert_eq(got[n], (uint8_t)(n / PIECE));
	nothing_said(&c);
	close(other);
	client_free(&c);
}

/* As if the program had shut them down, behind what it has written; control may go on a while. */
Test(relay_host, control_says_the_end_of_a_programs_bytes)
{
	struct client c = client_login();
	int other = park_socket(7);

	open_host(&c, 7, true);
	client_confirmed(&c);
	up_expect(LINK_EV_CHAN_OPENED, NULL);
	cr_assert_eq(write(other, "last", 4), 4);
	say_bytes(&c, LINK_SAY_END, 0, NULL, 0);
	run();
	data_is(&c, 0, "last");
	up_expect(LINK_EV_CHAN_DRAINED, NULL);
	cr_expect_eq(write(other, "x", 1), -1);
	cr_expect_eq(errno, EPIPE);
	say(&c, LINK_SAY_OUT, "no, this");
	finish(&c);
	data_is(&c, 0, "no, this");
	client_expect(&c, SSH_MSG_CHANNEL_EOF);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	say(&c, LINK_SAY_OUT, "too late");
	cr_expect_eq(bench_count(RELAY_C_ITEMS_STALE), 1);
	close(other);
	client_free(&c);
}
