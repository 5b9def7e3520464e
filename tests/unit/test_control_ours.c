/*
 * control/session/ours.c, handled_chan.c: channels of a program of the operator's that we open
 * towards a client, or he towards us: who is asked, who is told, and what either has to say. The
 * program is played by the test.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/count.h"
#include "control/hook/hook.h"
#include "control/session/globals.h"
#include "control/session/internal.h"
#include "control/session/ours.h"
#include "ssh/session_msg.h"
#include "tests/util/session_bench.h"

#define LOCAL 77 /* the shard's number of it */
#define PEER  5  /* the client's */

static struct {
	char dir[64], path[100];
	int listener;
	unsigned int sent; /* sets of descriptors for the shard */
} h = {.dir = "/tmp/sluice-ours-XXXXXX"};

static struct {
	struct ours_ask ask;
	bool done;
	int err;
	uint32_t number;
} asked;

static void on_done(struct ours_ask *a, int err, uint32_t number)
{
	cr_expect_eq(a, &asked.ask);
	cr_expect_not(asked.done, "twice");
	asked.done = true;
	asked.err = err;
	asked.number = number;
}

static int send_fds(void *arg, uint64_t token, const int *fds, unsigned int n)
{
	(void)arg;
	(void)token;
	for (unsigned int i = 0; i < n; i++)
		cr_assert_geq(fcntl(fds[i], F_GETFD), 0);
	h.sent++;
	return 0;
}

static void begin(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	char conf[512];

	cr_assert_not_null(mkdtemp(h.dir));
	snprintf(h.path, sizeof(h.path), "%s/program", h.dir);
	strcpy(sun.sun_path, h.path);
	snprintf(conf, sizeof(conf),
		 "LogLevel QUIET\nMaxChannelsPerConnection 1\nChannelHandler session/shell %s\n"
		 "ChannelHandler x-own@test %s\nChannelHandler direct-tcpip/echo.internal:7 %s\n"
		 "PermitOpen echo.internal:7\nChannelTimeout x-own@test=7s",
		 h.path, h.path, h.path);
	start(conf);
	t.table->link.send_fds = send_fds;
	h.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	cr_assert_eq(bind(h.listener, (struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(listen(h.listener, 4), 0);
	asked.ask.done = on_done;
}

static void end(void)
{
	close(h.listener);
	unlink(h.path);
	rmdir(h.dir);
	teardown();
}

TestSuite(control_ours, .init = begin, .fini = end, .timeout = 60);

static int begin_of(struct client *c, const char *type, const char *path)
{
	return ours_begin(t.table->by_index[c->conn.index], type, path,
			  (struct ssh_str){(const uint8_t *)"\1\2", 2}, &asked.ask);
}

/* As the shard is asked; its token. */
static uint64_t began(struct client *c)
{
	const struct link_chan_open *m;

	cr_assert_eq(begin_of(c, "x-news@test", h.path), 0);
	m = item_of(LINK_IT_CHAN_OPEN);
	cr_assert_not_null(m);
	cr_expect_eq(m->type.len, strlen("x-news@test"));
	cr_expect_eq(memcmp(m->type.bytes, "x-news@test", m->type.len), 0);
	cr_assert_eq(m->rest_len, 2);
	cr_expect_eq(memcmp(m + 1, "\1\2", 2), 0);
	return m->token;
}

static void agreed(struct client *c, uint64_t token)
{
	const struct link_chan_ref ev = {
		.token = token, .local_channel = LOCAL, .peer_channel = PEER};

	cr_assert_eq(event(&c->conn, LINK_EV_CHAN_OPENED, &ev, sizeof(ev), NULL, 0), 0);
}

static void over(struct client *c)
{
	conn_over(&c->conn);
	items_drop();
	ssh_brain_free(c->brain);
}

/* --- the program ---------------------------------------------------------------------------------
 */

static int taken(void)
{
	int fd = -1;

	for (unsigned int n = 0; fd < 0; n++) {
		cr_assert_lt(n, 100000, "nobody calls");
		uv_run(&t.loop, UV_RUN_NOWAIT);
		fd = accept4(h.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	}
	return fd;
}

static const char *line(int fd)
{
	static char buf[4096];
	size_t have = 0;

	for (unsigned int n = 0; have == 0 || buf[have - 1] != '\n'; n++) {
		ssize_t got = recv(fd, buf + have, 1, 0);

		cr_assert_lt(n, 1000000, "it is told nothing");
		cr_assert_neq(got, 0, "it is hung up on");
		if (got > 0)
			have++;
		else
			uv_run(&t.loop, UV_RUN_NOWAIT);
	}
	buf[have] = '\0';
	return buf;
}

static void say(int fd, const char *text)
{
	cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* The next item but for credit. */
static const void *comes(enum link_type type)
{
	static struct item *last;

	free(last);
	last = NULL;
	for (unsigned int n = 0; last == NULL || item_type(last) == LINK_IT_ANSWERED; n++) {
		cr_assert_lt(n, 100000, "nothing comes");
		free(last);
		last = item_next();
		if (last == NULL)
			uv_run(&t.loop, UV_RUN_NOWAIT);
	}
	cr_assert_eq(item_type(last), type, "type %u", item_type(last));
	return link_msg_body(last->msg);
}

/* Its channel, and its bytes; -1. */
struct program {
	int channel, data;
};

static struct program program_runs(struct client *c, uint64_t token)
{
	const struct link_chan_fds *m;
	struct program p;
	const char *first;

	agreed(c, token);
	p.channel = taken();
	first = line(p.channel);
	cr_expect_not_null(strstr(first, "\"role\":\"channel\""));
	cr_expect_not_null(strstr(first, "\"type\":\"x-news@test\""));
	cr_expect_not_null(strstr(first, "\"ours\":true,\"number\":77,\"peer\":5"));
	cr_expect_not_null(strstr(first, "\"raw\":\"AQI=\""));
	say(p.channel, "{\"accept\":true}\n");
	p.data = taken();
	cr_expect_not_null(strstr(line(p.data), "\"role\":\"data\""));
	m = comes(LINK_IT_CHAN_FDS);
	cr_expect_eq(m->token, token);
	cr_expect_eq(h.sent, 1);
	return p;
}

static void program_over(struct program *p)
{
	close(p->channel);
	close(p->data);
}

/* --- tests ---------------------------------------------------------------------------------------
 */

#define MUCH 50000

/* A request of the client's, and what is particular to it. */
static void client_asks_for(struct client *c, const char *type, const uint8_t *rest, size_t len)
{
	const struct ssh_chan_request m = {.recipient_channel = LOCAL,
					   .type = ssh_str_c(type),
					   .want_reply = true,
					   .rest = {rest, (uint32_t)len}};
	static uint8_t buf[MUCH + 128];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_request_build(&w, &m);
	client_payload(c, &(struct ssh_str){buf, (uint32_t)ssh_wr_done(&w)});
}

/* With so many bytes of its own. */
static void client_asks_much(struct client *c, const char *type, uint32_t len)
{
	static const uint8_t bytes[MUCH] = {3};

	client_asks_for(c, type, bytes, len);
}

static void client_asks(struct client *c, const char *type)
{
	client_asks_much(c, type, 1);
}

/* What the client is told: a message and the channel it is of. */
static struct ssh_rd told(uint8_t msg)
{
	const struct link_bytes *b = comes(LINK_IT_PAYLOAD);
	const uint8_t *p = (const uint8_t *)(b + 1);
	struct ssh_rd r;

	cr_expect_eq(p[0], msg, "message %u", p[0]);
	ssh_rd_init(&r, p + 1, b->len - 1);
	return r;
}

static void expect_reply(bool ok)
{
	struct ssh_rd r = told(ok ? SSH_MSG_CHANNEL_SUCCESS : SSH_MSG_CHANNEL_FAILURE);

	cr_expect_eq(ssh_rd_u32(&r), PEER);
}

Test(control_ours, a_channel_has_a_program_when_the_client_agrees)
{
	struct client c = client_in(1, 1);
	uint64_t token = began(&c);
	const struct link_chan_ref drained = {.token = token}, *m;
	struct program p;

	cr_expect_not(asked.done, "the client has not answered");
	cr_expect_eq(accept(h.listener, NULL, NULL), -1, "nor is the program told");
	p = program_runs(&c, token);
	cr_expect(asked.done);
	cr_expect_eq(asked.err, 0);
	cr_expect_eq(asked.number, LOCAL);
	say(p.channel, "{\"exit\":0}\n");
	program_over(&p);
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_DRAINED, &drained, sizeof(drained), NULL, 0), 0);
	m = comes(LINK_IT_CHAN_FINISH);
	cr_expect_eq(m->token, token);
	over(&c);
}

Test(control_ours, requests_go_both_ways_and_replies_in_their_order)
{
	static const uint8_t success[] = {SSH_MSG_CHANNEL_SUCCESS, 0, 0, 0, LOCAL};
	struct client c = client_in(1, 1);
	struct program p = program_runs(&c, began(&c));
	struct ssh_chan_request m;
	struct ssh_rd r;

	client_asks(&c, "one@test");
	client_asks(&c, "two@test");
	cr_expect_not_null(strstr(line(p.channel), "\"request\":\"one@test\",\"want_reply\":true,"
						   "\"n\":1,\"params\":{},\"raw\":\"Aw==\""));
	cr_expect_not_null(strstr(line(p.channel), "\"request\":\"two@test\""));
	say(p.channel, "{\"reply\":false}\n{\"reply\":true}\n{\"reply\":true}\n");
	expect_reply(false);
	expect_reply(true);
	/* It may begin with what its client has been told. */
	cr_expect_not_null(strstr(line(p.channel), "\"n\":2,\"accepted\":true"));
	say(p.channel, "{\"request\":\"tick@test\",\"want_reply\":true,\"raw\":\"AQID\"}\n");
	r = told(SSH_MSG_CHANNEL_REQUEST);
	cr_assert_eq(ssh_chan_request_parse(&r, &m), 0);
	cr_expect_eq(m.recipient_channel, PEER);
	cr_expect(ssh_str_eq(m.type, "tick@test"));
	cr_expect(m.want_reply);
	cr_expect_eq(m.rest.len, 3);
	client_payload(&c, &(struct ssh_str){success, sizeof(success)});
	cr_expect_not_null(strstr(line(p.channel), "\"kind\":\"reply\",\"reply\":true"));
	/* What it has not answered nobody will. */
	client_asks(&c, "three@test");
	cr_expect_not_null(line(p.channel));
	program_over(&p);
	expect_reply(false);
	client_asks(&c, "four@test");
	expect_reply(false);
	over(&c);
}

/* Its answers are to what it was told. */
Test(control_ours, what_is_too_much_to_tell_is_refused_in_its_place)
{
	struct client c = client_in(1, 1);
	struct program p = program_runs(&c, began(&c));

	client_asks_much(&c, "much@test", MUCH);
	client_asks(&c, "two@test");
	cr_expect_not_null(strstr(line(p.channel), "\"request\":\"two@test\""));
	say(p.channel, "{\"reply\":true}\n");
	expect_reply(false);
	expect_reply(true);
	program_over(&p);
	over(&c);
}

static void client_opens(struct client *c, const char *type, struct ssh_str rest)
{
	const struct ssh_chan_open m = {.type = ssh_str_c(type),
					.sender_channel = PEER,
					.window_size = 65536,
					.packet_max = 32768,
					.rest = rest};
	uint8_t buf[128];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_open_build(&w, &m);
	client_payload(c, &(struct ssh_str){buf, (uint32_t)ssh_wr_done(&w)});
}

static uint64_t session_opened(struct client *c)
{
	const struct link_chan_host *item;
	uint64_t token;

	client_opens(c, "session", ssh_str_c(""));
	item = item_of(LINK_IT_CHAN_HOST);
	cr_assert_not_null(item);
	token = item->token;
	agreed(c, token);
	return token;
}

/* The first connection to the program whose the shell is. */
static int shell_called(struct client *c)
{
	static const uint8_t shell[] = {
		SSH_MSG_CHANNEL_REQUEST, 0, 0, 0, LOCAL, 0, 0, 0, 5, 's', 'h', 'e', 'l', 'l', 1};
	int channel;

	(void)session_opened(c);
	client_payload(c, &(struct ssh_str){shell, sizeof(shell)});
	channel = taken();
	(void)line(channel);
	return channel;
}

/* What is known at once waits behind what the program thinks about. */
Test(control_ours, a_sessions_handler_hears_what_only_its_client_understands)
{
	struct client c = client_in(1, 1);
	struct program p = {.channel = shell_called(&c)};
	struct link_chan_unsaid no = {.id = 3};
	const struct link_chan_say *m;

	say(p.channel, "{\"accept\":true}\n");
	p.data = taken();
	(void)line(p.data);
	expect_reply(true);
	(void)comes(LINK_IT_CHAN_FDS);
	(void)comes(LINK_IT_BLOB); /* for another control */
	client_asks(&c, "x-one@test");
	client_asks(&c, "pty-req"); /* too late, and refused for it */
	client_asks_much(&c, "x-much@test", MUCH);
	cr_expect_not_null(strstr(line(p.channel), "\"request\":\"shell\",\"accepted\":true"));
	cr_expect_not_null(strstr(line(p.channel), "\"request\":\"x-one@test\""));
	say(p.channel, "{\"reply\":true}\n");
	expect_reply(true);
	expect_reply(false);
	expect_reply(false);
	cr_expect_not_null(strstr(line(p.channel), "\"accepted\":true"));
	say(p.channel, "{\"request\":\"x-two@test\"}\n");
	(void)told(SSH_MSG_CHANNEL_REQUEST);
	say(p.channel, "{\"packet\":94,\"id\":3,\"fields\":[\"i\",5,\"s\",\"said\"]}\n");
	m = comes(LINK_IT_CHAN_SAY);
	no.token = m->token;
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_UNSAID, &no, sizeof(no), NULL, 0), 0);
	cr_expect_not_null(strstr(line(p.channel), "\"id\":3,\"code\":1022"));
	program_over(&p);
	over(&c);
}

/* It has no terminal, but its client's window has a size, and another one later. */
Test(control_ours, a_sessions_handler_is_told_of_its_clients_window)
{
	static const uint8_t other[] = {0, 0, 0, 132, 0, 0, 0, 43, 0, 0, 0, 7, 0, 0, 0, 8};
	const struct ssh_pty_req pty = {.term = ssh_str_c("vt100"),
					.size = {.columns = 80, .rows = 24},
					.modes = ssh_str_c("")};
	struct client c = client_in(1, 1);
	struct program p;
	uint8_t buf[64];
	struct ssh_wr w;

	(void)session_opened(&c);
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_pty_req_build(&w, &pty);
	client_asks_for(&c, "pty-req", buf, ssh_wr_done(&w));
	expect_reply(true);
	client_asks_for(&c, "shell", buf, 0);
	p.channel = taken();
	cr_expect_not_null(
		strstr(line(p.channel), "\"term\":\"vt100\",\"columns\":80,\"rows\":24"));
	say(p.channel, "{\"accept\":true}\n");
	p.data = taken();
	(void)line(p.data);
	expect_reply(true);
	cr_expect_not_null(strstr(line(p.channel), "\"accepted\":true"));
	client_asks_for(&c, "window-change", other, sizeof(other));
	cr_expect_not_null(strstr(line(p.channel), "\"request\":\"window-change\",\"columns\":132,"
						   "\"rows\":43,\"width\":7,\"height\":8"));
	program_over(&p);
	over(&c);
}

Test(control_ours, who_never_answers_has_its_client_stopped)
{
	struct client c = client_in(1, 1);
	struct program p = program_runs(&c, began(&c));
	const struct link_chan_ref *m;

	for (int i = 0; i <= 64; i++)
		client_asks(&c, "again@test");
	m = comes(LINK_CMD_CHAN_CLOSE);
	cr_expect_eq(m->local_channel, LOCAL);
	program_over(&p);
	over(&c);
}

Test(control_ours, what_a_program_says_that_means_nothing_ends_it)
{
	static const char *const said[] = {
		"{\"request\":\"\"}\n",
		"{\"request\":7}\n",
		"{\"request\":\"x\",\"raw\":\"?\"}\n",
		"{}\n",
		"{\"reply\":1}\n",
		"{\"request\":\"x\",\"fields\":[\"i\"]}\n",
		"{\"request\":\"x\",\"fields\":[\"i\",\"x\"]}\n",
		"{\"request\":\"x\",\"fields\":[\"z\",\"1\"]}\n",
		"{\"request\":\"x\",\"fields\":[],\"raw\":\"\"}\n",
		"{\"packet\":79,\"raw\":\"\"}\n",
		"{\"packet\":256,\"raw\":\"\"}\n",
		"{\"packet\":98,\"id\":-1,\"raw\":\"\"}\n",
		"{\"open\":\"\"}\n",
		"{\"open\":\"x\",\"id\":-1}\n",
		"{\"close\":false}\n",
	};
	const struct link_chan_end gone = {.audit_id = 1, .told = 1};
	struct client c = client_in(1, 1);

	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		struct link_chan_end ev = gone;
		uint64_t token;
		struct program p;
		char byte;

		asked.done = false;
		h.sent = 0;
		token = began(&c);
		p = program_runs(&c, token);
		say(p.channel, said[i]);
		for (int n = 0; n < 100000 && recv(p.channel, &byte, 1, 0) != 0; n++)
			uv_run(&t.loop, UV_RUN_NOWAIT);
		cr_expect_eq(recv(p.channel, &byte, 1, 0), 0, "%s", said[i]);
		program_over(&p);
		ev.token = token;
		cr_assert_eq(event(&c.conn, LINK_EV_CHAN_END, &ev, sizeof(ev), NULL, 0), 0);
	}
	over(&c);
}

/* A message as it goes to the client, byte by byte. */
static void expect_sent(const void *bytes, size_t len)
{
	const struct link_bytes *b = comes(LINK_IT_PAYLOAD);

	cr_assert_eq(b->len, len);
	cr_expect_eq(memcmp(b + 1, bytes, len), 0);
}

Test(control_ours, fields_are_those_of_the_library)
{
	static const uint8_t sent[] = {98, 0,   0,   0, 5, 0, 0, 0, 1, 'x', 0, 0,   0,   0,
				       2,  'a', 'b', 0, 0, 0, 1, 9, 0, 0,   0, 2,   0,   255,
				       0,  0,   0,   7, 0, 0, 0, 0, 0, 0,   0, 255, 200, 1};
	struct client c = client_in(1, 1);
	struct program p = program_runs(&c, began(&c));

	say(p.channel, "{\"request\":\"x\",\"fields\":[\"s\",\"ab\",\"sb\",\"09\",\"m\",\"0xff\","
		       "\"i\",7,\"l\",\"0xff\",\"b\",200,\"f\",true]}\n");
	expect_sent(sent, sizeof(sent));
	program_over(&p);
	over(&c);
}

/* What the gateway answers for, and what is another channel's, it does not send. */
Test(control_ours, a_program_sends_messages_of_its_own_channel)
{
	static const uint8_t request[] = {98, 0, 0, 0, PEER, 0, 0, 0, 1, 'x', 1};
	static const uint8_t local[] = {200, 0, 0, 0, PEER, 0xab};
	static const struct {
		unsigned int number, peer, code;
	} row[] = {{98, 4, 1021},     {200, 6, 1021},   {80, PEER, 1023}, {81, PEER, 1023},
		   {82, PEER, 1023},  {83, PEER, 1023}, {89, PEER, 1023}, {90, PEER, 1023},
		   {91, PEER, 1023},  {91, 4, 1021},    {92, PEER, 1023}, {93, PEER, 1023},
		   {93, 4, 1021},     {94, PEER, 1023}, {94, 4, 1021},    {97, 4, 1021},
		   {128, PEER, 1023}, {191, PEER, 1023}};
	struct client c = client_in(1, 1);
	struct program p = program_runs(&c, began(&c));
	char text[128];

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		snprintf(text, sizeof(text), "{\"packet\":%u,\"fields\":[\"i\",%u]}\n",
			 row[i].number, row[i].peer);
		say(p.channel, text);
		snprintf(text, sizeof(text), "\"kind\":\"error\",\"code\":%u", row[i].code);
		cr_expect_not_null(strstr(line(p.channel), text), "message %u", row[i].number);
	}
	say(p.channel, "{\"packet\":98,\"id\":7,\"raw\":\"AAA=\"}\n"); /* too short for a channel */
	cr_expect_not_null(strstr(line(p.channel), "\"id\":7,\"code\":1021"));
	say(p.channel, "{\"packet\":97,\"fields\":[\"i\",5,\"b\",0]}\n"); /* too long for a CLOSE */
	cr_expect_not_null(strstr(line(p.channel), "\"code\":1023"));
	say(p.channel, "{\"packet\":98,\"fields\":[\"i\",5,\"s\",\"x\",\"f\",\"true\"]}\n");
	expect_sent(request, sizeof(request));
	say(p.channel, "{\"packet\":200,\"fields\":[\"i\",5,\"b\",\"0xab\"]}\n");
	expect_sent(local, sizeof(local));
	client_asks(&c, "one@test");
	(void)line(p.channel);
	say(p.channel, "{\"packet\":99,\"fields\":[\"i\",5]}\n");
	expect_reply(true);
	cr_expect_not_null(strstr(line(p.channel), "\"n\":1,\"accepted\":true"));
	program_over(&p);
	over(&c);
}

/* So is what the shard has to say: the window is its own. */
static const struct link_chan_say *expect_say(enum link_say what, uint64_t id, const char *bytes)
{
	const struct link_chan_say *m = comes(LINK_IT_CHAN_SAY);

	cr_expect_eq(m->what, what);
	cr_expect_eq(m->id, id);
	cr_assert_eq(m->len, strlen(bytes));
	cr_expect_eq(memcmp(m + 1, bytes, m->len), 0);
	return m;
}

Test(control_ours, a_program_sends_bytes_and_their_end)
{
	static const char *const none[] = {
		"{\"packet\":94,\"id\":3,\"fields\":[\"i\",5,\"s\",\"x\",\"b\",0]}\n",
		"{\"packet\":95,\"id\":3,\"fields\":[\"i\",5,\"i\",0,\"s\",\"x\"]}\n",
		"{\"packet\":95,\"id\":3,\"fields\":[\"i\",5,\"i\",2,\"s\",\"x\"]}\n",
		"{\"packet\":96,\"id\":3,\"fields\":[\"i\",5,\"b\",0]}\n",
	};
	struct client c = client_in(1, 1);
	uint64_t token = began(&c);
	const struct link_chan_unsaid no = {.token = token, .id = 8};
	struct program p = program_runs(&c, token);

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		say(p.channel, none[i]);
		cr_expect_not_null(strstr(line(p.channel), "\"id\":3,\"code\":1023"), "%s",
				   none[i]);
	}
	/* One that has no byte goes nowhere. */
	say(p.channel, "{\"packet\":94,\"fields\":[\"i\",5,\"s\",\"\"]}\n"
		       "{\"request\":\"x\"}\n"
		       "{\"packet\":94,\"fields\":[\"i\",5,\"s\",\"said\"]}\n"
		       "{\"packet\":95,\"id\":8,\"fields\":[\"i\",5,\"i\",1,\"s\",\"bad\"]}\n");
	(void)told(SSH_MSG_CHANNEL_REQUEST);
	cr_expect_eq(expect_say(LINK_SAY_OUT, 0, "said")->token, token);
	expect_say(LINK_SAY_ERR, 8, "bad");
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_UNSAID, &no, sizeof(no), NULL, 0), 0);
	cr_expect_not_null(strstr(line(p.channel), "\"kind\":\"error\",\"id\":8,\"code\":1022"));
	say(p.channel, "{\"packet\":96,\"fields\":[\"i\",5]}\n"
		       "{\"packet\":94,\"id\":9,\"fields\":[\"i\",5,\"s\",\"more\"]}\n");
	expect_say(LINK_SAY_END, 0, "");
	cr_expect_not_null(strstr(line(p.channel), "\"id\":9,\"code\":1023,"
						   "\"reason\":\"it has sent EOF\""));
	program_over(&p);
	for (int i = 0; i < 1000; i++)
		uv_run(&t.loop, UV_RUN_NOWAIT);
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_UNSAID, &no, sizeof(no), NULL, 0), 0);
	over(&c);
}

/* A global request as it goes to the client. */
static void expect_global(const char *name, bool want_reply)
{
	struct ssh_rd r = told(SSH_MSG_GLOBAL_REQUEST);

	cr_expect(ssh_str_eq(ssh_rd_str(&r), name), "not %s", name);
	cr_expect_eq(ssh_rd_bool(&r), want_reply);
	cr_expect_eq(ssh_rd_rest(&r).len, 0);
}

/* Answers come in the order of what was asked, whoever asks. */
Test(control_ours, a_program_sends_global_requests_and_is_told_the_replies)
{
	static const uint8_t yes[] = {SSH_MSG_REQUEST_SUCCESS, 0, 0, 0, 7};
	static const uint8_t no[] = {SSH_MSG_REQUEST_FAILURE};
	static const char *const theirs[] = {"hostkeys-00@openssh.com",
					     "hostkeys-prove-00@openssh.com",
					     "x@sluice.internal",
					     "",
					     "a,b",
					     "a b"};
	struct client c = client_in(1, 1);
	struct session *s = t.table->by_index[c.conn.index];
	struct program p = program_runs(&c, began(&c));
	char text[128];

	for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++) {
		snprintf(text, sizeof(text),
			 "{\"packet\":80,\"fields\":[\"s\",\"%s\",\"f\",true]}\n", theirs[i]);
		say(p.channel, text);
		cr_expect_not_null(strstr(line(p.channel), "\"kind\":\"error\",\"code\":1023"));
	}
	say(p.channel, "{\"packet\":80,\"fields\":[\"s\",\"x\"]}\n"); /* too short */
	cr_expect_not_null(strstr(line(p.channel), "\"code\":1023"));
	say(p.channel, "{\"packet\":80,\"fields\":[\"s\",\"none@test\",\"f\",false]}\n"
		       "{\"packet\":80,\"id\":7,\"fields\":[\"s\",\"one@test\",\"f\",true]}\n");
	expect_global("none@test", false);
	expect_global("one@test", true);
	cr_assert_eq(global_say(s, ssh_str_c("ours@test"), true, ssh_str_c(""), NULL, 0), 0);
	session_pump(s);
	expect_global("ours@test", true);
	say(p.channel, "{\"packet\":80,\"fields\":[\"s\",\"two@test\",\"f\",true]}\n");
	expect_global("two@test", true);
	client_payload(&c, &(struct ssh_str){yes, sizeof(yes)});
	cr_expect_not_null(strstr(line(p.channel), "\"kind\":\"reply\",\"global\":true,\"id\":7,"
						   "\"reply\":true,\"raw\":\"AAAABw==\""));
	client_payload(&c, &(struct ssh_str){no, sizeof(no)});
	client_payload(&c, &(struct ssh_str){no, sizeof(no)});
	cr_expect_not_null(strstr(line(p.channel), "\"global\":true,\"reply\":false"));
	cr_expect_eq(s->awake->globals.n, 0);
	program_over(&p);
	over(&c);
}

/* They leave room for the gateway's own; the answers to one that is gone are nobody's. */
Test(control_ours, global_requests_without_an_answer_are_few)
{
	static const uint8_t yes[] = {SSH_MSG_REQUEST_SUCCESS};
	struct client c = client_in(1, 1);
	struct session *s = t.table->by_index[c.conn.index];
	struct program p = program_runs(&c, began(&c));

	for (unsigned int i = 0; i < GLOBALS_OF_PROGRAMS; i++) {
		say(p.channel, "{\"packet\":80,\"fields\":[\"s\",\"x\",\"f\",true]}\n");
		expect_global("x", true);
	}
	say(p.channel, "{\"packet\":80,\"id\":9,\"fields\":[\"s\",\"x\",\"f\",true]}\n");
	cr_expect_not_null(strstr(line(p.channel), "\"kind\":\"error\",\"id\":9,\"code\":1023"));
	cr_expect_eq(control_counted(CONTROL_C_HANDLER_GLOBALS), 1);
	say(p.channel, "{\"packet\":80,\"fields\":[\"s\",\"x\",\"f\",false]}\n");
	expect_global("x", false);
	cr_assert_eq(global_say(s, ssh_str_c("ours@test"), true, ssh_str_c(""), NULL, 0), 0);
	session_pump(s);
	expect_global("ours@test", true);
	program_over(&p);
	for (unsigned int n = 0; s->awake->globals.ask[0].of != NULL; n++) {
		cr_assert_lt(n, 100000, "it is still waited for");
		uv_run(&t.loop, UV_RUN_NOWAIT);
	}
	for (unsigned int i = 0; i <= GLOBALS_OF_PROGRAMS; i++)
		client_payload(&c, &(struct ssh_str){yes, sizeof(yes)});
	cr_expect_eq(s->awake->globals.n, 0);
	cr_expect_not(s->ended);
	over(&c);
}

Test(control_ours, a_program_closes_its_channel)
{
	struct client c = client_in(1, 1);
	struct program p = program_runs(&c, began(&c));
	const struct link_chan_ref *m;

	say(p.channel,
	    "{\"packet\":97,\"fields\":[\"i\",5]}\n{\"close\":true}\n{\"request\":\"x\"}\n"
	    "{\"packet\":200,\"fields\":[\"i\",5]}\n{\"open\":\"x\"}\n");
	m = comes(LINK_CMD_CHAN_CLOSE);
	cr_expect_eq(m->local_channel, LOCAL);
	/* No word of it counts any more. */
	for (int i = 0; i < 1000; i++)
		uv_run(&t.loop, UV_RUN_NOWAIT);
	cr_expect_null(item_next());
	program_over(&p);
	over(&c);
}

Test(control_ours, a_program_opens_channels_beside_its_own)
{
	static const char *const theirs[] = {"x11", "auth-agent@openssh.com", "forwarded-tcpip",
					     "direct-tcpip"};
	struct client c = client_in(1, 1);
	struct conf_session *conf = &t.table->by_index[c.conn.index]->awake->conf;
	struct link_chan_failed no = {.err = -ECONNREFUSED, .reason = 3};
	struct link_chan_ref yes = {.local_channel = 78, .peer_channel = 6};
	struct program p = program_runs(&c, began(&c));
	const struct link_chan_open *m;
	char text[128];
	int other;

	conf->max_channels_per_connection = 10;
	conf->max_sessions = 1;
	for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++) {
		snprintf(text, sizeof(text), "{\"open\":\"%s\",\"id\":7}\n", theirs[i]);
		say(p.channel, text);
		cr_expect_not_null(strstr(line(p.channel), "\"kind\":\"refused\",\"id\":7,"
							   "\"code\":1020"));
	}
	say(p.channel, "{\"open\":\"session\",\"id\":8,\"fields\":[\"s\",\"x\"]}\n");
	m = comes(LINK_IT_CHAN_OPEN);
	cr_expect_eq(m->rest_len, 5);
	no.token = m->token;
	/* So many as there may be sessions, also before the client has answered. */
	say(p.channel, "{\"open\":\"session\",\"id\":9}\n");
	cr_expect_not_null(strstr(line(p.channel), "\"kind\":\"refused\",\"id\":9"));
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_FAILED, &no, sizeof(no), NULL, 0), 0);
	cr_expect_not_null(strstr(line(p.channel), "\"kind\":\"refused\",\"id\":8,\"code\":1020,"
						   "\"reason\":\"the client refused it\""));
	/* The numbers of the message are nobody's; a name with a NUL is no other name. */
	say(p.channel, "{\"packet\":90,\"id\":7,\"fields\":[\"sb\",\"78313100\",\"i\",1,\"i\",2,"
		       "\"i\",3]}\n");
	cr_expect_not_null(strstr(line(p.channel), "\"kind\":\"error\",\"id\":7,\"code\":1023"));
	say(p.channel,
	    "{\"packet\":90,\"id\":7,\"fields\":[\"s\",\"x11\",\"i\",1,\"i\",2,\"i\",3]}\n");
	cr_expect_not_null(strstr(line(p.channel), "\"kind\":\"refused\",\"id\":7,\"code\":1020"));
	say(p.channel,
	    "{\"packet\":90,\"id\":10,\"fields\":[\"s\",\"session\",\"i\",1,\"i\",2,\"i\",3,"
	    "\"s\",\"x\"]}\n");
	m = comes(LINK_IT_CHAN_OPEN);
	cr_expect_eq(m->rest_len, 5);
	yes.token = m->token;
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_OPENED, &yes, sizeof(yes), NULL, 0), 0);
	cr_expect_not_null(strstr(line(p.channel), "\"kind\":\"opened\",\"id\":10,\"number\":78"));
	other = taken();
	cr_expect_not_null(strstr(line(other), "\"type\":\"session\",\"ours\":true,\"number\":78"));
	close(other);
	/* Who has asked may be gone when the answer comes. */
	conf->max_sessions = 2;
	(void)comes(LINK_CMD_CHAN_CLOSE); /* of the one whose program went */
	say(p.channel, "{\"open\":\"session\",\"id\":11}\n");
	m = comes(LINK_IT_CHAN_OPEN);
	yes.token = m->token;
	program_over(&p);
	for (int i = 0; i < 1000; i++)
		uv_run(&t.loop, UV_RUN_NOWAIT);
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_OPENED, &yes, sizeof(yes), NULL, 0), 0);
	over(&c);
}

/* What it is given is cut before it is given any, and otherwise at any time. */
Test(control_ours, a_program_has_records)
{
	struct client c = client_in(1, 1);
	uint64_t token = began(&c);
	const struct link_chan_cut *m;
	struct program p;

	agreed(&c, token);
	p.channel = taken();
	(void)line(p.channel);
	say(p.channel, "{\"accept\":true,\"eol\":\"\\r\\n\",\"eol_max\":80}\n");
	p.data = taken();
	m = comes(LINK_IT_CHAN_CUT);
	cr_expect_eq(m->token, token);
	cr_expect_eq(m->max, 80);
	cr_expect_eq(m->eol_len, 2);
	cr_expect_eq(memcmp(m->eol, "\r\n", 2), 0);
	(void)comes(LINK_IT_CHAN_FDS);
	say(p.channel, "{\"record\":4}\n");
	m = comes(LINK_IT_CHAN_CUT);
	cr_expect_eq(m->token, token);
	cr_expect(m->max == 4 && m->eol_len == 0);
	program_over(&p);
	over(&c);
}

Test(control_ours, without_frames_there_are_no_records)
{
	struct client c = client_in(1, 1);
	struct program p = program_runs(&c, began(&c));

	say(p.channel, "{\"record\":4}\n");
	cr_expect_not_null(strstr(line(p.channel), "\"kind\":\"error\",\"code\":1023"));
	program_over(&p);
	over(&c);
}

/* Time that stands still unless it is moved; the loop's own is far behind it. */
static uint64_t still_ms;

static uint64_t still(void)
{
	return still_ms;
}

/* OperationTimeout, a minute, is how long it may think about whether it takes a session. */
Test(control_ours, a_handler_has_so_long_as_an_operation)
{
	struct client c;
	int channel;

	still_ms = clock_now_ms() + 1000000;
	hooks_close(t.env.hooks);
	cr_assert_eq(hooks_new(&t.loop, t.env.timers, still, &t.env.hooks), 0);
	c = client_in(1, 1);
	channel = shell_called(&c);
	items_drop();
	still_ms += 59000;
	timers_poll(t.env.timers, still_ms);
	cr_expect_null(item_of(LINK_IT_PAYLOAD), "it may think");
	still_ms += 1000;
	timers_poll(t.env.timers, still_ms);
	expect_reply(false);
	close(channel);
	over(&c);
}

Test(control_ours, a_client_waits_so_long_for_a_program_to_take_it)
{
	struct ssh_chan_failure f;
	struct client c;
	struct ssh_rd r;
	int channel;

	still_ms = clock_now_ms() + 1000000;
	hooks_close(t.env.hooks);
	cr_assert_eq(hooks_new(&t.loop, t.env.timers, still, &t.env.hooks), 0);
	c = client_in(1, 1);
	client_opens(&c, "x-own@test", ssh_str_c(""));
	channel = taken();
	(void)line(channel);
	still_ms += 59000;
	timers_poll(t.env.timers, still_ms);
	cr_expect_null(item_of(LINK_IT_PAYLOAD), "it may think");
	still_ms += 1000;
	timers_poll(t.env.timers, still_ms);
	r = told(SSH_MSG_CHANNEL_OPEN_FAILURE);
	cr_assert_eq(ssh_chan_failure_parse(&r, &f), 0);
	cr_expect_eq(f.reason, SSH_OPEN_CONNECT_FAILED);
	close(channel);
	over(&c);
}

/* So many requests of the program's have come, or none comes any more. */
static unsigned int requests_heard(unsigned int n)
{
	unsigned int heard = 0;

	for (unsigned int idle = 0; heard < n && idle < 10000; idle++) {
		struct item *i;

		uv_run(&t.loop, UV_RUN_NOWAIT);
		while ((i = item_next()) != NULL) {
			heard += item_type(i) == LINK_IT_PAYLOAD;
			free(i);
			idle = 0;
		}
	}
	return heard;
}

/* Behind so many lines the next ones wait for the next second. */
Test(control_ours, who_talks_without_end_is_heard_slowly)
{
	struct client c;
	struct program p;

	still_ms = clock_now_ms() + 1000000;
	hooks_close(t.env.hooks);
	cr_assert_eq(hooks_new(&t.loop, t.env.timers, still, &t.env.hooks), 0);
	c = client_in(1, 1);
	p = program_runs(&c, began(&c));
	for (unsigned int i = 0; i < HANDLER_LINES_MAX + 50; i++)
		say(p.channel, "{\"request\":\"x\"}\n");
	cr_expect_eq(requests_heard(UINT32_MAX), HANDLER_LINES_MAX);
	still_ms += 1000;
	timers_poll(t.env.timers, still_ms);
	cr_expect_eq(requests_heard(50), 50);
	program_over(&p);
	over(&c);
}

/* --- what a client opens ------------------------------------------------------------------------
 */

/* Its program is asked, and has said this; its streams are there. */
static struct program client_opened(struct client *c, const char *says, uint64_t *ret_token)
{
	const struct link_chan_host *m;
	struct program p;

	client_opens(c, "x-own@test", (struct ssh_str){(const uint8_t *)"\1\2", 2});
	p.channel = taken();
	(void)line(p.channel);
	say(p.channel, says);
	p.data = taken();
	cr_expect_not_null(strstr(line(p.data), "\"role\":\"data\""));
	m = comes(LINK_IT_CHAN_HOST);
	cr_expect_eq(m->program, LINK_PROGRAM_CHANNEL);
	cr_expect_eq(m->fds, 0);
	cr_expect_eq(m->peer_channel, PEER);
	cr_expect_eq(m->idle_ms, 7000);
	*ret_token = m->token;
	return p;
}

Test(control_ours, a_client_has_a_channel_once_its_program_has_taken_it)
{
	struct client c = client_in(1, 1);
	const struct link_chan_ref *m;
	struct link_chan_ref drained = {0};
	struct ssh_chan_request q;
	struct program p;
	struct ssh_rd r;

	client_opens(&c, "x-own@test", (struct ssh_str){(const uint8_t *)"\1\2", 2});
	p.channel = taken();
	cr_expect_not_null(strstr(line(p.channel),
				  "\"type\":\"x-own@test\",\"peer\":5,\"params\":{},"
				  "\"raw\":\"AQI=\",\"role\":\"channel\""));
	cr_expect_null(item_of(LINK_IT_CHAN_HOST), "it has not said yes");
	say(p.channel, "{\"accept\":true}\n{\"request\":\"tick@test\"}\n");
	p.data = taken();
	drained.token = ((const struct link_chan_host *)comes(LINK_IT_CHAN_HOST))->token;
	(void)comes(LINK_IT_CHAN_FDS);
	for (int i = 0; i < 1000; i++)
		uv_run(&t.loop, UV_RUN_NOWAIT);
	cr_expect_null(item_next(), "what it says waits for the confirmation");
	agreed(&c, drained.token);
	r = told(SSH_MSG_CHANNEL_REQUEST);
	cr_assert_eq(ssh_chan_request_parse(&r, &q), 0);
	cr_expect_eq(q.recipient_channel, PEER);
	cr_expect_not_null(strstr(line(p.channel), "\"kind\":\"opened\",\"number\":77"));
	client_asks(&c, "one@test");
	cr_expect_not_null(strstr(line(p.channel), "\"request\":\"one@test\",\"want_reply\":true"));
	say(p.channel, "{\"reply\":true}\n{\"exit\":0}\n");
	expect_reply(true);
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_DRAINED, &drained, sizeof(drained), NULL, 0), 0);
	m = comes(LINK_IT_CHAN_FINISH);
	cr_expect_eq(m->token, drained.token);
	program_over(&p);
	over(&c);
}

Test(control_ours, a_client_is_refused_with_what_its_program_says)
{
	static const struct {
		const char *says, *text;
		uint32_t code;
	} row[] = {
		{"{\"accept\":false,\"code\":3,\"reason\":\"no such room\"}\n", "no such room", 3},
		{"{\"accept\":false,\"code\":4261412864}\n", "it does not take the channel",
		 4261412864},
		{"{\"accept\":false,\"code\":0,\"reason\":\"\"}\n", "", 1},
		{"{\"accept\":false}\n", "it does not take the channel", 1},
		{"{}{}\n", "open failed", 2},
		{"", "open failed", 2},
	};
	struct client c = client_in(1, 1);

	/* The next one has the place of the one before: there is one. */
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct ssh_chan_failure f;
		struct ssh_rd r;
		int channel;

		client_opens(&c, "x-own@test", ssh_str_c(""));
		channel = taken();
		(void)line(channel);
		say(channel, row[i].says);
		if (*row[i].says == '\0')
			cr_assert_eq(shutdown(channel, SHUT_WR), 0);
		r = told(SSH_MSG_CHANNEL_OPEN_FAILURE);
		cr_assert_eq(ssh_chan_failure_parse(&r, &f), 0);
		cr_expect_eq(f.recipient_channel, PEER);
		cr_expect_eq(f.reason, row[i].code, "%s", row[i].says);
		cr_expect(ssh_str_eq(f.description, row[i].text), "%s", row[i].says);
		close(channel);
	}
	over(&c);
}

/* It is cut from its first byte, of which there may be one as soon as it has a window. */
Test(control_ours, what_a_client_opens_is_cut_as_its_program_wants)
{
	struct client c = client_in(1, 1);
	uint64_t token;
	struct program p = client_opened(
		&c, "{\"accept\":true,\"record\":80,\"resume\":true}\n", &token);
	const struct link_chan_cut *m = comes(LINK_IT_CHAN_CUT);

	cr_expect_eq(m->token, token);
	cr_expect_eq(m->max, 80);
	(void)comes(LINK_IT_CHAN_FDS);
	(void)comes(LINK_IT_BLOB); /* for another control */
	over(&c);
	cr_expect_not_null(strstr(line(p.channel), "\"kind\":\"closed\""));
	program_over(&p);
}

Test(control_ours, a_tunnel_may_end_in_a_program)
{
	static const uint8_t rest[] = "\0\0\0\15echo.internal\0\0\0\7\0\0\0\1h\0\0\0\11";
	struct client c = client_in(1, 1);
	const struct link_chan_host *m;
	const char *first;
	struct program p;

	client_opens(&c, "direct-tcpip", (struct ssh_str){rest, sizeof(rest) - 1});
	p.channel = taken();
	first = line(p.channel);
	cr_expect_not_null(strstr(first, "\"type\":\"direct-tcpip\",\"peer\":5,\"params\":{"
					 "\"host\":\"echo.internal\",\"port\":7,"
					 "\"originator\":\"h\",\"originator_port\":9}"),
			   "%s", first);
	say(p.channel, "{\"accept\":true}\n");
	p.data = taken();
	m = comes(LINK_IT_CHAN_HOST);
	cr_expect_eq(m->name.port, 7);
	cr_expect_eq(memcmp(m->name.bytes, "echo.internal", m->name.len), 0);
	program_over(&p);
	over(&c);
}

/* Nobody is left who would have to be told. */
Test(control_ours, a_client_that_goes_while_its_program_thinks)
{
	struct client c = client_in(1, 1);
	char byte;
	int channel;

	client_opens(&c, "x-own@test", ssh_str_c(""));
	channel = taken();
	(void)line(channel);
	over(&c);
	for (int n = 0; n < 100000 && recv(channel, &byte, 1, 0) != 0; n++)
		uv_run(&t.loop, UV_RUN_NOWAIT);
	cr_expect_eq(recv(channel, &byte, 1, 0), 0, "it is hung up on");
	close(channel);
}

/* It takes it, and does not take what its bytes would go on: its client is told so. */
Test(control_ours, a_program_without_streams_has_no_channel)
{
	struct client c = client_in(1, 1);
	int channel;

	client_opens(&c, "x-own@test", ssh_str_c(""));
	channel = taken();
	(void)line(channel);
	cr_assert_eq(unlink(h.path), 0);
	say(channel, "{\"accept\":true}\n");
	(void)told(SSH_MSG_CHANNEL_OPEN_FAILURE);
	close(channel);
	over(&c);
}

Test(control_ours, a_client_that_refuses)
{
	struct client c = client_in(1, 1);
	const struct link_chan_failed ev = {
		.token = began(&c), .err = -ECONNREFUSED, .reason = SSH_OPEN_UNKNOWN_CHANNEL_TYPE};

	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_FAILED, &ev, sizeof(ev), NULL, 0), 0);
	cr_expect(asked.done);
	cr_expect_eq(asked.err, -ECONNREFUSED);
	cr_expect_eq(asked.number, SSH_OPEN_UNKNOWN_CHANNEL_TYPE);
	cr_expect_eq(accept(h.listener, NULL, NULL), -1, "its program never hears of it");
	asked.done = false;
	(void)began(&c); /* its place is free again */
	over(&c);
	cr_expect(asked.done);
	cr_expect_eq(asked.err, -ECONNRESET, "its connection is over");
}

Test(control_ours, a_program_that_is_not_there_or_does_not_want_it)
{
	struct client c = client_in(1, 1);
	const struct link_chan_ref *m;
	uint64_t token;
	int fd;

	token = began(&c);
	agreed(&c, token);
	fd = taken();
	(void)line(fd);
	say(fd, "{\"accept\":false,\"reason\":\"not today\"}\n");
	m = comes(LINK_CMD_CHAN_CLOSE);
	cr_expect_eq(m->token, token);
	cr_expect_eq(m->local_channel, LOCAL);
	close(fd);
	over(&c);
}

/* Of each limit on channels, those of a connection, of a user, of a source. */
Test(control_ours, one_too_many_of_any_is_refused_and_counted)
{
	static const enum control_counter counter[] = {
		CONTROL_C_CHANNELS, CONTROL_C_CHANNELS_USER, CONTROL_C_CHANNELS_SOURCE};
	struct client c = client_in(1, 1), d = client_in(2, 2);
	struct conf_session *conf = &t.table->by_index[2]->awake->conf;
	uint32_t *const max[] = {&conf->max_channels_per_connection, &conf->max_channels_per_user,
				 &conf->max_channels_per_source};

	(void)began(&c);
	for (unsigned int i = 0; i < 3; i++) {
		uint64_t before = control_counted(counter[i]);

		for (unsigned int k = 0; k < 3; k++)
			*max[k] = 9;
		*max[i] = i == 0 ? 0 : 1;
		cr_expect_eq(begin_of(&d, "x", h.path), -EUSERS);
		cr_expect_eq(control_counted(counter[i]) - before, 1);
		*max[i] = 2;
	}
	ours_unask(&asked.ask);
	(void)began(&d);
	ours_unask(&asked.ask);
	over(&c);
	over(&d);
	cr_expect_eq(t.env.listens.tallies.n, 0, "nobody counts any more");
}

Test(control_ours, what_cannot_be)
{
	struct client c = client_in(1, 1);
	char type[SSH_TYPE_MAX + 2];

	memset(type, 'x', sizeof(type));
	type[sizeof(type) - 1] = '\0';
	cr_expect_eq(begin_of(&c, "", h.path), -EINVAL);
	cr_expect_eq(begin_of(&c, "a b", h.path), -EINVAL);
	cr_expect_eq(begin_of(&c, "a,b", h.path), -EINVAL);
	cr_expect_eq(begin_of(&c, type, h.path), -EINVAL);
	cr_expect_eq(begin_of(&c, "x", "program"), -EINVAL);
	(void)began(&c);
	cr_expect_eq(begin_of(&c, "x", h.path), -EUSERS);
	ours_unask(&asked.ask);
	over(&c);
	cr_expect_not(asked.done, "nobody waits");
}
