/* Servers that break the rules: the program hears of it, and nothing else happens to it. */
#include "client/lib/internal.h"
#include "ssh/comp.h"
#include "ssh/err.h"
#include "tests/unit/client_lab.h"
#include "tests/util/rnd.h"

TestSuite(client_hostile, .timeout = 60);

/* A payload as a string literal, which may hold NUL. */
#define RAW(text, n) ((struct lab_raw){text, sizeof(text) - 1, n})

static int logon(struct lab *l, struct sluice *s)
{
	int r = sluice_connect_fd(s, lab_start(l));

	return r == 0 ? sluice_logon(s, NULL, 0) : r;
}

/* What it says to somebody who is in, in answer to "exec raw" on channel 0. */
static int after_exec(struct lab_raw raw)
{
	struct lab *l = lab_new();
	struct sluice *s;
	struct sluice_channel *c = NULL;
	char buf[256];
	ssize_t n;
	int r;

	l->raw_exec = raw;
	s = lab_login(l);
	cr_assert_eq(sluice_channel_open(s, "session", NULL, 0, &c), 0);
	(void)sluice_channel_start(c, "exec", "raw");
	cr_assert_eq(sluice_request(s, "yes@lab", false, NULL, 0, NULL, 0, NULL) == 0,
		     sluice_status(s) == 0);
	while ((n = sluice_channel_read(c, false, buf, sizeof(buf))) > 0)
		;
	cr_assert_neq(n, -SLUICE_E_TIMEOUT);
	r = sluice_status(s);
	cr_assert_eq(sluice_channel_send(c, "x", 1) < 0, r < 0);
	sluice_free(s);
	lab_join(l);
	cr_assert_neq(l->peer_reason, 0u); /* and the server is told why */
	lab_free(l);
	return r;
}

Test(client_hostile, messages_of_channels_that_are_none_or_are_not_allowed)
{
	cr_assert_eq(after_exec(RAW("\x5e\0\0\0\x09\0\0\0\x01x", 1)), -SLUICE_E_CHANNEL_ID);
	/* confirmed twice, refused when it is open */
	cr_assert_eq(after_exec(RAW("\x5b\0\0\0\0\0\0\0\0\0\0\x10\0\0\0\x10\0", 1)),
		     -SLUICE_E_CHANNEL_ID);
	cr_assert_eq(after_exec(RAW("\x5c\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0", 1)),
		     -SLUICE_E_CHANNEL_ID);
	/* a window beyond what 32 bits hold */
	cr_assert_eq(after_exec(RAW("\x5d\0\0\0\0\xff\xff\xff\xff", 1)), -SLUICE_E_CHANNEL_MSG);
}

Test(client_hostile, messages_out_of_phase_or_malformed)
{
	cr_assert_eq(after_exec(RAW("\x34", 1)),
		     -SLUICE_E_MSG_UNSUPPORTED); /* authenticated again */
	cr_assert_eq(after_exec(RAW("\x06\0\0\0\x0cssh-userauth", 1)), -SLUICE_E_MSG_UNSUPPORTED);
	cr_assert_eq(after_exec(RAW("\x15", 1)), -SLUICE_E_MSG_UNSUPPORTED); /* keys nobody made */
	cr_assert_eq(after_exec(RAW("\x1f", 1)), -SLUICE_E_MSG_UNSUPPORTED);
	cr_assert_eq(after_exec(RAW("\x5e\0\0\0\0\0\0\0\xffx", 1)), -SLUICE_E_MSG_UNSUPPORTED);
	cr_assert_eq(after_exec(RAW("\x62\0\0\0\0\0\0\xff\xff", 1)), -SLUICE_E_MSG_UNSUPPORTED);
	cr_assert_eq(after_exec(RAW("\x5a\0\0\0\x07session", 1)), -SLUICE_E_MSG_UNSUPPORTED);
}

Test(client_hostile, more_data_than_the_window_or_than_a_packet)
{
	static uint8_t much[9 + 40000] = {94, 0, 0, 0, 0, 0, 0, 40000 >> 8, 40000 & 255};
	static uint8_t some[9 + 32000] = {94, 0, 0, 0, 0, 0, 0, 32000 >> 8, 32000 & 255};

	cr_assert_eq(after_exec((struct lab_raw){much, sizeof(much), 1}), -SLUICE_E_CHANNEL_DATA);
	cr_assert_eq(after_exec((struct lab_raw){some, sizeof(some), 200}), -SLUICE_E_CHANNEL_DATA);
}

Test(client_hostile, data_behind_its_end)
{
	static const uint8_t eof[] = {96, 0, 0, 0, 0}, data[] = {94, 0, 0, 0, 0, 0, 0, 0, 1, 'x'};
	struct lab *l = lab_new();
	struct sluice *s;
	struct sluice_channel *c = NULL;
	char byte;

	l->raw_exec = (struct lab_raw){eof, sizeof(eof), 2};
	s = lab_login(l);
	cr_assert_eq(sluice_channel_open(s, "session", NULL, 0, &c), 0);
	cr_assert_eq(sluice_channel_start(c, "exec", "raw"), 0);
	cr_assert_eq(sluice_channel_read(c, false, &byte, 1), 0);
	l->raw_exec = (struct lab_raw){data, sizeof(data), 1};
	(void)sluice_channel_start(c, "exec", "raw");
	while (sluice_dispatch(s, -1) >= 0)
		;
	cr_assert_eq(sluice_status(s), -SLUICE_E_CHANNEL_MSG);
	sluice_free(s);
	lab_free(l);
}

/* Each is refused; the connection goes on, and the program hears of none. */
static int on_open_request(void *arg, struct sluice_channel *c, const struct sluice_open *o)
{
	(void)c;
	(void)o;
	++*(unsigned int *)arg;
	return 1;
}

Test(client_hostile, channels_that_nobody_asked_for)
{
	struct sluice_ops ops = {.size = sizeof(ops), .on_channel_open_request = on_open_request};
	struct lab *l = lab_new();
	struct sluice *s = lab_client();
	struct sluice_channel *c = NULL;
	unsigned int heard = 0;

	l->open_type = "session";
	l->open_times = 50;
	cr_assert_eq(sluice_ops_set(s, &ops, &heard), 0);
	cr_assert_eq(logon(l, s), 0);
	cr_assert_eq(sluice_channel_open(s, "session", NULL, 0, &c), 0);
	cr_assert_eq(sluice_channel_start(c, "exec", "exit 0"), 0);
	cr_assert_eq(sluice_channel_wait(c), 0);
	cr_assert_eq(heard, 0u);
	sluice_free(s);
	lab_join(l);
	cr_assert_eq(l->n_refused, 50u);
	lab_free(l);
}

/* --- what it opens, and the program has not decided about --------------------------------------
 */

static int on_open_later(void *arg, struct sluice_channel *c, const struct sluice_open *o)
{
	(void)o;
	*(struct sluice_channel **)arg = c;
	return 2;
}

/* In, and a channel of the server's waits for the program. */
static struct sluice *open_waits(struct lab *l, struct sluice_channel **theirs)
{
	struct sluice_ops ops = {.size = sizeof(ops), .on_channel_open_request = on_open_later};
	struct sluice *s = lab_client();

	l->open_type = "own@lab";
	cr_assert_eq(sluice_set(s, "AcceptChannelTypes", "own@lab"), 0);
	cr_assert_eq(sluice_ops_set(s, &ops, theirs), 0);
	cr_assert_eq(logon(l, s), 0);
	while (*theirs == NULL)
		cr_assert_geq(sluice_dispatch(s, -1), 0);
	return s;
}

Test(client_hostile, a_server_does_not_answer_its_own_opens)
{
	static const char confirm[] = "\x5b\0\0\0\0\0\0\0\0\0\0\x10\0\0\0\x10",
			  refuse[] = "\x5c\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0";
	const struct lab_raw raw[] = {{confirm, sizeof(confirm), 1}, {refuse, sizeof(refuse), 1}};

	for (size_t i = 0; i < 2; i++) {
		struct lab *l = lab_new();
		struct sluice_channel *theirs = NULL, *c = NULL;
		struct sluice_channel_info info = {.size = sizeof(info)};
		struct sluice *s;

		l->raw_exec = raw[i];
		s = open_waits(l, &theirs);
		cr_assert_eq(sluice_channel_info(theirs, &info), 0);
		cr_assert_eq(info.id, 0u);
		cr_assert_eq(sluice_channel_open(s, "session", NULL, 0, &c), 0);
		(void)sluice_channel_start(c, "exec", "raw");
		while (sluice_dispatch(s, 1000) > 0)
			;
		cr_assert_eq(sluice_status(s), -SLUICE_E_CHANNEL_ID);
		sluice_free(s);
		lab_free(l);
	}
}

/* What is refused late is of the connection that it was opened on, and of no other. */
Test(client_hostile, an_open_of_a_connection_that_is_over_is_answered_to_nobody)
{
	struct lab *l = lab_new(), *next = lab_new();
	struct sluice_channel *theirs = NULL, *kept;
	struct sluice *s = open_waits(l, &theirs);

	cr_assert_eq(sluice_disconnect(s), 0);
	lab_free(l);
	kept = theirs;
	cr_assert_eq(logon(next, s), 0);
	cr_assert_eq(sluice_channel_refuse(kept, 0, "too late"), 0);
	cr_assert_eq(sluice_request(s, "sync@lab", true, NULL, 0, NULL, 0, NULL), 0);
	sluice_free(s);
	lab_join(next);
	cr_assert_eq(next->n_refused, 0u);
	lab_free(next);
}

/* Keys are exchanged, and no login is ever answered: OperationTimeout holds for it, too. */
Test(client_hostile, a_login_that_is_never_decided_is_given_up)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_client();

	l->undecided = true;
	cr_assert_eq(sluice_set(s, "OperationTimeout", "0"), 0);
	cr_assert_eq(sluice_connect_fd(s, lab_start(l)), -SLUICE_E_WOULD_BLOCK);
	cr_assert_not(sluice_connected(s));
	cr_assert_eq(sluice_set(s, "OperationTimeout", "1"), 0);
	cr_assert_eq(sluice_logon(s, NULL, 0), -SLUICE_E_TIMEOUT);
	cr_assert_eq(sluice_status(s), -SLUICE_E_TIMEOUT);
	cr_assert_eq(l->n_auth, 1u);
	sluice_free(s);
	lab_free(l);
}

/* Global requests and replies nobody asked for, pings, unknown numbers: nothing comes of them. */
Test(client_hostile, what_means_nothing_is_passed_over)
{
	static const struct lab_raw raw[] = {
		{"\x50\0\0\0\x07own@lab\x01", 13, 500},
		{"\x51", 1, 500},
		{"\x52", 1, 500},
		{"\xc8hello", 6, 500},
		{"\x02\0\0\0\x01x", 6, 500},
		{"\xc0\0\0\0\x01x", 6, 500},
	};

	for (size_t i = 0; i < sizeof(raw) / sizeof(raw[0]); i++) {
		struct lab *l = lab_new();
		struct sluice *s;

		l->raw_up = raw[i];
		s = lab_login(l);
		cr_assert_eq(sluice_request(s, "sync@lab", true, NULL, 0, NULL, 0, NULL), 0);
		cr_assert_eq(sluice_logoff(s), 0);
		sluice_free(s);
		lab_free(l);
	}
}

/* Answers on an open channel that asked for nothing (S-16): that one and another move on. */
Test(client_hostile, s16_replies_nobody_asked_for_stop_no_channel)
{
	static const uint8_t success[] = {99, 0, 0, 0, 0}, failure[] = {100, 0, 0, 0, 0};
	static const uint8_t *const reply[] = {success, failure};

	for (int i = 0; i < 2; i++) {
		struct lab *l = lab_new();
		struct sluice_channel *c[2] = {NULL};
		struct sluice *s;
		char back[4] = "";

		l->raw_exec = (struct lab_raw){reply[i], 5, test_long() ? 1000000 : 500};
		s = lab_login(l);
		for (int k = 0; k < 2; k++)
			cr_assert_eq(sluice_channel_open(s, "session", NULL, 0, &c[k]), 0);
		cr_assert_eq(sluice_channel_start(c[1], "exec", "cat"), 0);
		/* They have no numbers: the first is taken for the answer to this. */
		cr_assert_eq(sluice_channel_start(c[0], "exec", "raw"),
			     i == 0 ? 0 : -SLUICE_E_CHANNEL_REQUEST);
		for (int k = 0; k < 3; k++) {
			cr_assert_eq(sluice_channel_send(c[1], "on", 2), 2);
			for (ssize_t n = 0, all = 0; all < 2; all += n) {
				n = sluice_channel_read(c[1], false, back, sizeof(back));
				cr_assert_gt(n, 0, "%s", sluice_strerror((int)n));
			}
		}
		/* What is asked now has its own answer. */
		cr_assert_eq(sluice_channel_start(c[0], "exec", "nothing of the lab's"),
			     -SLUICE_E_CHANNEL_REQUEST);
		cr_assert_eq(sluice_request(s, "sync@lab", true, NULL, 0, NULL, 0, NULL), 0);
		cr_assert_eq(sluice_status(s), 0);
		sluice_free(s);
		lab_free(l);
	}
}

Test(client_hostile, banners_without_end)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_client();

	l->raw_auth = RAW("\x35\0\0\0\x05hello\0\0\0\0", 1000);
	cr_assert_eq(logon(l, s), -SLUICE_E_AUTH);
	sluice_free(s);
	lab_free(l);
}

static int on_kbdint(void *arg, struct sluice *s, const char *name, const char *instruction,
		     struct sluice_prompt *prompt, unsigned int n)
{
	(void)s;
	(void)name;
	(void)instruction;
	(void)prompt;
	(void)n;
	++*(unsigned int *)arg;
	return 0;
}

Test(client_hostile, questions_without_end)
{
	struct sluice_ops ops = {.size = sizeof(ops), .on_kbdint = on_kbdint};
	struct lab *l = lab_new();
	struct sluice *s = lab_client();
	unsigned int rounds = 0;

	l->ask_for_ever = true;
	cr_assert_eq(sluice_ops_set(s, &ops, &rounds), 0);
	cr_assert_eq(sluice_set(s, "AuthMode", "keyboard-interactive"), 0);
	cr_assert_eq(logon(l, s), -SLUICE_E_AUTH);
	cr_assert_leq(rounds, 100u);
	sluice_free(s);
	lab_free(l);
}

/* Bytes that are no SSH, and a server that goes in the middle of anything. */
Test(client_hostile, what_is_no_server_at_all)
{
	static const char *const says[] = {
		"HTTP/1.1 400 Bad Request\r\n\r\n",
		"SSH-1.5-old\r\n",
		"SSH-2.0-x\r\n\xff\xff\xff\xff",
		"SSH-2.0-x\r\n",
		"",
	};

	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
		struct sluice *s = lab_client();
		int fd[2];
		char text[256] = "";

		cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
		cr_assert_eq(send(fd[0], says[i], strlen(says[i]), 0), (ssize_t)strlen(says[i]));
		shutdown(fd[0], SHUT_WR);
		cr_assert_lt(sluice_connect_fd(s, fd[1]), 0);
		cr_assert_lt(sluice_status(s), 0);
		cr_assert_gt(sluice_error_last(s, text, sizeof(text)), 0u);
		close(fd[0]);
		sluice_free(s);
	}
}

/* --- what a program says of its end, and limits it names ----------------------------------------
 */

/* exit-status of no number, exit-signal with a length of 2^32-1: no end was said, and all goes on.
 */
Test(client_hostile, s64_an_end_that_is_malformed_is_none)
{
	static const struct lab_raw raw[] = {
		{"\x62\0\0\0\0\0\0\0\x0b"
		 "exit-status\0",
		 21, 1},
		{"\x62\0\0\0\0\0\0\0\x0b"
		 "exit-status\0\1\2\3",
		 24, 1},
		{"\x62\0\0\0\0\0\0\0\x0b"
		 "exit-status\0\0\0\0\1\0",
		 26, 1},
		{"\x62\0\0\0\0\0\0\0\x0b"
		 "exit-signal\0\xff\xff\xff\xff",
		 25, 1},
		{"\x62\0\0\0\0\0\0\0\x0b"
		 "exit-signal\0\0\0\0\4TERM\1\xff\xff\xff\xff",
		 34, 1},
	};

	for (size_t i = 0; i < sizeof(raw) / sizeof(raw[0]); i++) {
		struct lab *l = lab_new();
		struct sluice_channel_info info = {.size = sizeof(info)};
		struct sluice_channel *c = NULL;
		struct sluice *s;

		l->raw_exec = raw[i];
		s = lab_login(l);
		cr_assert_eq(sluice_channel_open(s, "session", NULL, 0, &c), 0);
		cr_assert_eq(sluice_channel_start(c, "exec", "raw"), 0);
		cr_assert_eq(sluice_request(s, "sync@lab", true, NULL, 0, NULL, 0, NULL), 0);
		cr_assert_eq(sluice_channel_info(c, &info), 0);
		cr_assert_not(info.has_exit_status);
		cr_assert_not(info.has_exit_signal);
		sluice_free(s);
		lab_free(l);
	}
}

/* A client of ours resumes nothing: unknown requests are refused, and nothing of ours is said. */
Test(client_hostile, s68_requests_it_does_not_know_are_refused)
{
	static const char resume[] = "\x50\0\0\0\x12roaming@appgate.ch\x01\0\0\xff\xff";
	struct lab *l = lab_new();
	struct sluice *s;

	l->ask_up = (struct lab_raw){resume, sizeof(resume) - 1, 3};
	s = lab_login(l);
	for (int i = 0; i < 2; i++) /* the second one is said behind our answers */
		cr_assert_eq(sluice_request(s, "sync@lab", true, NULL, 0, NULL, 0, NULL), 0);
	cr_assert_eq(sluice_status(s), 0);
	sluice_free(s);
	lab_join(l);
	cr_assert_eq(l->n_refusals, 3u);
	lab_free(l);
}

/* One that is about host keys has its answer, too, that the next answer is not taken for it. */
Test(client_hostile, s68_what_it_says_of_its_keys_is_answered_where_it_asks)
{
	static const char keys[] = "\x50\0\0\0\x17hostkeys-00@openssh.com\x01";
	struct lab *l = lab_new();
	struct sluice *s;

	l->ask_up = (struct lab_raw){keys, sizeof(keys) - 1, 3};
	s = lab_login(l);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(sluice_request(s, "sync@lab", true, NULL, 0, NULL, 0, NULL), 0);
	cr_assert_eq(sluice_status(s), 0);
	sluice_free(s);
	lab_join(l);
	cr_assert_eq(l->n_refusals, 3u);
	lab_free(l);
}

/* What we say of a channel: the smallest packets, or none, and windows of any size. */
Test(client_hostile, s50_limits_of_packets_and_windows)
{
	static const uint32_t packets[] = {0, 1, 255, 256, UINT32_MAX};
	static const uint32_t windows[] = {0, 1, UINT32_MAX};

	for (unsigned int p = 0; p < 5; p++) {
		for (unsigned int w = 0; w < 3; w++) {
			struct lab *l = lab_new();
			struct sluice *s;
			struct sluice_channel *c = NULL;
			int r;

			l->packet_max = packets[p];
			l->window = windows[w];
			l->has_limits = true;
			s = lab_login(l);
			r = sluice_channel_open(s, "session", NULL, 0, &c);
			cr_assert_eq(r, packets[p] < 256 ? -SLUICE_E_CHANNEL_OPEN : 0);
			cr_assert_eq(sluice_set(s, "OperationTimeout", "0"), 0);
			if (r == 0)
				cr_assert_eq(sluice_channel_send(c, "ab", 2),
					     windows[w] == 0   ? -SLUICE_E_WOULD_BLOCK
					     : windows[w] == 1 ? 1
							       : 2);
			sluice_free(s);
			lab_free(l);
		}
	}
}

Test(client_hostile, a_server_that_disconnects_says_why_and_one_that_goes_does_not)
{
	static const char bye[] = "\1\0\0\0\x0b\0\0\0\3bye\0\0\0\0";
	struct lab *l = lab_new();
	struct sluice *s;
	struct sluice_channel *c = NULL;
	char text[256];

	l->raw_exec = (struct lab_raw){bye, sizeof(bye) - 1, 1};
	s = lab_login(l);
	cr_assert_eq(sluice_channel_open(s, "session", NULL, 0, &c), 0);
	(void)sluice_channel_start(c, "exec", "raw");
	while (sluice_dispatch(s, -1) >= 0)
		;
	cr_assert_eq(sluice_status(s), -SLUICE_E_DISCONNECTED);
	cr_assert_gt(sluice_error_last(s, text, sizeof(text)), 0u);
	cr_assert_str_eq(text, "the server disconnects: bye (reason 11)");
	sluice_free(s);
	lab_free(l);

	l = lab_new();
	s = lab_login(l);
	cr_assert_eq(write(l->stop[1], "", 1), 1);
	while (sluice_dispatch(s, -1) >= 0)
		;
	cr_assert_eq(sluice_status(s), -SLUICE_E_DROPPED);
	sluice_free(s);
	lab_free(l);
}

/* It asks without end and reads no answer: from there on we read nothing of it either. */
Test(client_hostile, who_reads_no_answers_is_not_read)
{
	enum { TIMES = 200000 };
	static const char ask[] = "\x50\0\0\0\7"
				  "ask@lab\1";
	struct lab *l = lab_new();
	struct sluice *s;
	char said[32];

	l->raw_up = (struct lab_raw){ask, sizeof(ask) - 1, TIMES};
	l->deaf_up = true;
	s = lab_login(l);
	while (sluice_dispatch(s, 200) > 0)
		;
	cr_assert_gt(sluice_info(s, SLUICE_INFO_BYTES_IN, said, sizeof(said)), 0);
	cr_assert_lt(strtoul(said, NULL, 10), TIMES * sizeof(ask));
	cr_assert_eq(sluice_status(s), 0);
	sluice_free(s);
	lab_free(l);
}

/* It reads nothing more, with more under way than a socket holds: we go all the same. */
Test(client_hostile, who_reads_no_more_holds_nobody)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	uint8_t *data = calloc(1, LAB_WINDOW);

	cr_assert_eq(sluice_set(s, "OperationTimeout", "100ms"), 0);
	__atomic_store_n(&l->deaf, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < 4; i++) {
		struct sluice_channel *c = NULL;

		if (sluice_channel_open(s, "session", NULL, 0, &c) < 0 ||
		    sluice_channel_send(c, data, LAB_WINDOW) < 0)
			break;
	}
	cr_assert_eq(sluice_logoff(s), 0);
	cr_assert_eq(sluice_status(s), -SLUICE_E_NOT_CONNECTED);
	sluice_free(s);
	lab_free(l);
	free(data);
}

/* --- errors that have numbers of their own ----------------------------------------------------- */

/* In the client's thread alone: the server's is another. */
static _Thread_local enum { NOTHING, HASH, SEAL, SIGN, NO_STREAM } broken;
static bool no_stream; /* the server's compressor says what is none */

int __real_ssh_deflate_run(struct ssh_deflate *z, const uint8_t **in, size_t *n,
			   enum ssh_deflate_how how, uint8_t *out, size_t room, size_t *ret_out);
int __wrap_ssh_deflate_run(struct ssh_deflate *z, const uint8_t **in, size_t *n,
			   enum ssh_deflate_how how, uint8_t *out, size_t room, size_t *ret_out);
int __wrap_ssh_deflate_run(struct ssh_deflate *z, const uint8_t **in, size_t *n,
			   enum ssh_deflate_how how, uint8_t *out, size_t room, size_t *ret_out)
{
	int r = __real_ssh_deflate_run(z, in, n, how, out, room, ret_out);

	if (r == 0 && no_stream && broken != NO_STREAM)
		memset(out, 0xff, *ret_out);
	return r;
}

void __real_cipher_seal_burst(struct cipher_engine *e, struct cipher_job *const *jobs, unsigned int n);
void __wrap_cipher_seal_burst(struct cipher_engine *e, struct cipher_job *const *jobs, unsigned int n);
void __wrap_cipher_seal_burst(struct cipher_engine *e, struct cipher_job *const *jobs, unsigned int n)
{
	__real_cipher_seal_burst(e, jobs, n);
	for (unsigned int i = 0; broken == SEAL && i < n; i++)
		jobs[i]->result = -EIO;
}

int __real_key_sign(const struct key *k, const char *alg, const uint8_t *data, size_t len,
		    uint8_t *sig, size_t *sig_len);
int __wrap_key_sign(const struct key *k, const char *alg, const uint8_t *data, size_t len,
		    uint8_t *sig, size_t *sig_len);
int __wrap_key_sign(const struct key *k, const char *alg, const uint8_t *data, size_t len,
		    uint8_t *sig, size_t *sig_len)
{
	return broken == SIGN ? -EIO : __real_key_sign(k, alg, data, len, sig, sig_len);
}

int __real_ssh_exchange_hash(const struct kex_method *m, const struct ssh_exchange *x,
			     const uint8_t *k, size_t k_len, uint8_t *ret_h);
int __wrap_ssh_exchange_hash(const struct kex_method *m, const struct ssh_exchange *x,
			     const uint8_t *k, size_t k_len, uint8_t *ret_h);
int __wrap_ssh_exchange_hash(const struct kex_method *m, const struct ssh_exchange *x,
			     const uint8_t *k, size_t k_len, uint8_t *ret_h)
{
	return broken == HASH ? -EIO : __real_ssh_exchange_hash(m, x, k, k_len, ret_h);
}

Test(client_hostile, what_fails_on_the_way_in_has_its_number)
{
	static const char curve[] = "curve25519-sha256", dh[] = "diffie-hellman-group14-sha256",
			  hybrid[] = "mlkem768x25519-sha256";
	static const struct {
		const char *kex;
		bool value, signature, unimplemented, record;
		int broken, err, ref;
	} t[] = {
		{.kex = dh, .value = true, .err = SLUICE_E_DH, .ref = 1034},
		{.kex = curve, .value = true, .err = SLUICE_E_ECDH, .ref = 1038},
		{.kex = "ecdh-sha2-nistp256", .value = true, .err = SLUICE_E_ECDH, .ref = 1038},
		{.kex = hybrid, .value = true, .err = SLUICE_E_ECDH, .ref = 1038},
		{.kex = curve, .signature = true, .err = SLUICE_E_HOSTKEY_VERIFY, .ref = 1031},
		{.kex = dh, .signature = true, .err = SLUICE_E_HOSTKEY_VERIFY, .ref = 1031},
		{.kex = curve, .broken = HASH, .err = SLUICE_E_EXCHANGE_HASH, .ref = 1011},
		{.kex = curve, .broken = SEAL, .err = SLUICE_E_ENCRYPT, .ref = 1014},
		{.kex = curve, .broken = SIGN, .err = SLUICE_E_SIGN, .ref = 1013},
		{.kex = curve, .unimplemented = true, .err = SLUICE_E_UNIMPLEMENTED, .ref = 1024},
		{.kex = curve, .record = true, .err = SLUICE_E_DECRYPT, .ref = 1015},
		{.kex = curve, .broken = NO_STREAM, .err = SLUICE_E_DECOMPRESS, .ref = 1016},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct lab *l = lab_new();
		struct sluice *s = lab_client();
		struct sluice_key *k = NULL;
		char pem[4096];
		size_t len = sizeof(pem);

		l->conf.kex_algs = t[i].kex;
		l->spoil_value = t[i].value;
		l->spoil_signature = t[i].signature;
		l->unimplemented = t[i].unimplemented;
		l->spoil_record = t[i].record;
		no_stream = t[i].broken == NO_STREAM;
		if (no_stream) {
			l->conf.comp_algs = "zlib";
			cr_assert_eq(sluice_set(s, "CompressionAlgorithms", "zlib"), 0);
		}
		cr_assert_eq(key_private_build(l->host, "", pem, &len), 0);
		cr_assert_eq(sluice_key_parse(pem, len, NULL, &k), 0);
		cr_assert_eq(sluice_identity_add(s, k), 0);
		cr_assert_eq(sluice_set(s, "KexAlgorithms", t[i].kex), 0);
		cr_assert_eq(sluice_set(s, "AuthMode", "publickey"), 0);
		broken = t[i].broken;
		cr_expect_eq(logon(l, s), -t[i].err, "%zu: %s", i,
			     sluice_strerror(sluice_status(s)));
		cr_expect_eq(sluice_status(s), -t[i].err);
		cr_expect_eq(sluice_error_ref(sluice_status(s)), t[i].ref);
		broken = NOTHING;
		sluice_key_free(k);
		sluice_free(s);
		lab_free(l);
	}
	cr_expect_eq(error_of(-SSH_E_KEX_FLOOD), -SLUICE_E_CHANNEL_MSG, "later it is no better");
}
