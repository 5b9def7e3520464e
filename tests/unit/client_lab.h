/*
 * tests/unit/client_lab.h - a server in a thread, over a socket, for tests of libsluice.
 *
 * It is our own server brain over ssh/pump.h with programs of its own: exec "cat" sends everything
 * back, "exit N" ends with N, "signal" by a signal, "give N" sends N bytes, "hold" nothing, and all
 * else is refused. The password is "secret"; any key is let in. A test may change that, and send
 * payloads of its own (lab_raw()). A direct-tcpip channel sends all back, or leads to the next lab.
 */
#ifndef SLUICE_TESTS_CLIENT_LAB_H
#define SLUICE_TESTS_CLIENT_LAB_H

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/sluice.h"
#include "ssh/brain.h"
#include "ssh/forward.h"
#include "ssh/job.h"
#include "ssh/pump.h"
#include "ssh/session_msg.h"
#include "ssh/trans_msg.h"
#include "ssh/window.h"

/* A test uses of it what it needs. */
#pragma GCC diagnostic ignored "-Wunused-function"

#define LAB_CHANNELS 64
#define LAB_WINDOW   (256 * 1024)

struct lab_chan {
	bool used, cat, gives, piped, eof, closed;
	uint32_t peer;
	struct ssh_rwin rwin;
	struct ssh_swin swin;
	uint64_t to_give;
	uint8_t *back; /* of cat: what is to be sent */
	size_t back_len, back_size;
};

struct lab {
	/* set by a test before lab_start() */
	struct ssh_brain_conf conf;
	const char *password;      /* NULL: none is right */
	unsigned int partial_of;   /* SSH_AUTH_* that do and are not enough */
	unsigned int partial_want; /* what has to follow */
	uint16_t forward_open;     /* the port that opens say; 0: the one that was asked for */
	unsigned int no_forwards;  /* so many are refused first */
	bool forwards_wait;        /* nobody connects to them */
	const char *open_type;     /* opened once somebody is in; NULL: nothing */
	unsigned int open_times;   /* as often; 0: once */
	/* Payloads of a test's own, sealed past the brain: when somebody wants in, is in, and asks
	 * for "exec raw". */
	struct lab_raw {
		const void *p;
		size_t len;
		unsigned int times;
	} raw_auth, raw_up, raw_exec;
	struct lab_raw ask_up;       /* global requests of the brain's, when somebody is in */
	bool mute;                   /* says nothing at all */
	bool deaf;                   /* reads no more; may be set at any time */
	bool deaf_up;                /* from when somebody is in */
	uint32_t packet_max, window; /* of confirmations */
	bool has_limits;             /* which of them are said */
	bool ask_for_ever;           /* keyboard-interactive: round after round */
	bool silent;                 /* answers nothing of the connection protocol */
	bool tcp;                    /* over TCP, with little room on either side */
	bool undecided;              /* never says what becomes of a login */
	bool unimplemented;          /* but that it knows no such message */
	bool spoil_value, spoil_signature; /* of its key exchange */
	bool spoil_record;                 /* all it says once there are keys */
	const char *prompts;         /* keyboard-interactive: the answer that is right */
	struct lab *next;            /* where direct-tcpip leads: started then; NULL: back */

	struct key *host;
	const struct key *shown; /* a certificate of it, in its place */
	struct cipher_engine *engine;
	struct ssh_brain *b;
	struct ssh_pump p;
	pthread_t thread;
	int fd, pipe, stop[2];
	bool over, up, joined;
	unsigned int n_refused, n_confirmed; /* opens of ours */
	bool by_certificate;
	unsigned int n_auth, n_kexes, n_alives, n_forwards;
	uint16_t forward_asked; /* the latest port */
	unsigned int n_refusals; /* of ask_up, without a byte more */
	int end;
	uint32_t peer_reason;
	char exec[256], term[64], env[64], signal[64], method[64], sig_alg[64];
	struct ssh_tty_size size;
	uint8_t modes[64]; /* of the terminal, as they came */
	size_t modes_len;
	struct lab_chan chan[LAB_CHANNELS];
};

static void lab_send(struct lab *l, struct ssh_wr *w)
{
	cr_assert_neq(ssh_wr_done(w), 0);
	(void)ssh_brain_send(l->b, w->start, ssh_wr_done(w));
}

static void lab_raw(struct lab *l, const struct lab_raw *raw)
{
	for (unsigned int i = 0; i < raw->times; i++)
		cr_assert_eq(ssh_flat_send(&l->p.flat, raw->p, raw->len), 0);
}

static void lab_simple(struct lab *l, struct lab_chan *c, uint8_t msg)
{
	uint8_t buf[16];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_simple_build(&w, msg, c->peer);
	lab_send(l, &w);
}

static int lab_start(struct lab *l);

static void lab_open(struct lab *l, const struct ssh_chan_open *o)
{
	struct ssh_chan_confirm m = {.recipient_channel = o->sender_channel,
				     .window_size = LAB_WINDOW,
				     .packet_max = 32768,
				     .rest = {(const uint8_t *)"", 0}};
	uint8_t buf[64];
	struct ssh_wr w;

	if (l->has_limits) {
		m.window_size = l->window;
		m.packet_max = l->packet_max;
	}
	for (uint32_t i = 0; i < LAB_CHANNELS; i++) {
		struct lab_chan *c = &l->chan[i];

		if (c->used)
			continue;
		memset(c, 0, sizeof(*c));
		c->used = true;
		c->peer = o->sender_channel;
		c->cat = !ssh_str_eq(o->type, "session");
		c->piped = ssh_str_eq(o->type, "direct-tcpip") && l->next != NULL;
		if (c->piped)
			l->pipe = lab_start(l->next);
		ssh_rwin_init(&c->rwin, LAB_WINDOW);
		ssh_swin_init(&c->swin, o->window_size, o->packet_max);
		m.sender_channel = i;
		ssh_wr_init(&w, buf, sizeof(buf));
		ssh_chan_confirm_build(&w, &m);
		lab_send(l, &w);
		return;
	}
	(void)ssh_brain_open_refuse(l->b, o->sender_channel, SSH_OPEN_RESOURCE_SHORTAGE, "full");
}

/* Opens a channel towards the client, which sends everything back. */
static void lab_open_theirs(struct lab *l, const char *type, const void *rest, size_t len)
{
	struct ssh_chan_open m = {.type = ssh_str_c(type),
				  .window_size = LAB_WINDOW,
				  .packet_max = 32768,
				  .rest = {rest, (uint32_t)len}};
	uint8_t buf[512];
	struct ssh_wr w;
	uint32_t i = 0;

	while (l->chan[i].used)
		i++;
	memset(&l->chan[i], 0, sizeof(l->chan[i]));
	l->chan[i].used = l->chan[i].cat = true;
	ssh_rwin_init(&l->chan[i].rwin, LAB_WINDOW);
	m.sender_channel = i;
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_open_build(&w, &m);
	lab_send(l, &w);
}

static void lab_forward(struct lab *l, const struct ssh_chan_request *m)
{
	struct ssh_tcpip_forward asked;
	struct ssh_forwarded_tcpip open = {.originator = ssh_str_c("192.0.2.7"),
					   .originator_port = 4711};
	uint8_t rest[256], port[4] = {0, 0, 4022 >> 8, 4022 & 255};
	struct ssh_rd r;
	struct ssh_wr w;

	ssh_rd_init(&r, m->rest.p, m->rest.len);
	cr_assert_eq(ssh_tcpip_forward_parse(&r, &asked), 0);
	l->n_forwards++;
	l->forward_asked = asked.port;
	if (l->no_forwards > 0) {
		l->no_forwards--;
		(void)ssh_brain_global_answer(l->b, false, NULL, 0);
		return;
	}
	open.address = asked.address;
	open.port = asked.port != 0 ? asked.port : 4022;
	(void)ssh_brain_global_answer(l->b, true, port, asked.port == 0 ? 4 : 0);
	if (l->forwards_wait)
		return;
	if (l->forward_open != 0)
		open.port = l->forward_open;
	ssh_wr_init(&w, rest, sizeof(rest));
	ssh_forwarded_tcpip_build(&w, &open);
	lab_open_theirs(l, SSH_OPEN_FORWARDED, rest, ssh_wr_done(&w));
}

static void lab_global(struct lab *l, const struct ssh_act *a)
{
	l->n_alives += ssh_str_eq(a->request.type, "keepalive@openssh.com");
	if (!a->request.want_reply || l->silent)
		return;
	if (ssh_str_eq(a->request.type, SSH_REQUEST_FORWARD))
		lab_forward(l, &a->request);
	else
		(void)ssh_brain_global_answer(l->b, !ssh_str_eq(a->request.type, "no@lab"), "yes",
					      3);
}

static void lab_exit(struct lab *l, struct lab_chan *c, const char *type, const void *rest,
		     size_t len)
{
	struct ssh_chan_request m = {c->peer, ssh_str_c(type), false, {rest, (uint32_t)len}};
	uint8_t buf[256];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_request_build(&w, &m);
	lab_send(l, &w);
	lab_simple(l, c, SSH_MSG_CHANNEL_EOF);
	lab_simple(l, c, SSH_MSG_CHANNEL_CLOSE);
	c->closed = true;
}

static void lab_exit_status(struct lab *l, struct lab_chan *c, uint32_t status)
{
	uint8_t rest[4] = {(uint8_t)(status >> 24), (uint8_t)(status >> 16), (uint8_t)(status >> 8),
			   (uint8_t)status};

	lab_exit(l, c, "exit-status", rest, sizeof(rest));
}

static void lab_exit_signal(struct lab *l, struct lab_chan *c)
{
	struct ssh_exit_signal m = {ssh_str_c("TERM"), true, ssh_str_c("ended"), ssh_str_c("")};
	uint8_t rest[64];
	struct ssh_wr w;

	ssh_wr_init(&w, rest, sizeof(rest));
	ssh_exit_signal_build(&w, &m);
	lab_exit(l, c, "exit-signal", rest, ssh_wr_done(&w));
}

/* What runs; false: there is no such program. */
static bool lab_run(struct lab *l, struct lab_chan *c)
{
	unsigned long long n;

	c->gives = sscanf(l->exec, "give %llu", &n) == 1;
	if (c->gives)
		c->to_give = n;
	else if (strcmp(l->exec, "cat") == 0)
		c->cat = true;
	else if (strcmp(l->exec, "hold") != 0 && strncmp(l->exec, "exit ", 5) != 0 &&
		 strcmp(l->exec, "signal") != 0 && strcmp(l->exec, "raw") != 0)
		return false;
	return true;
}

static void lab_copy(char *to, size_t size, struct ssh_str s)
{
	snprintf(to, size, "%.*s", (int)s.len, (const char *)s.p);
}

static void lab_request(struct lab *l, const struct ssh_chan_request *m)
{
	struct lab_chan *c = &l->chan[m->recipient_channel];
	struct ssh_pty_req pty;
	struct ssh_env env;
	struct ssh_str s;
	bool ok = true;

	switch (ssh_session_request_find(m->type)) {
	case SSH_SESSION_PTY_REQ:
		cr_assert_eq(ssh_pty_req_parse(m->rest, &pty), 0);
		lab_copy(l->term, sizeof(l->term), pty.term);
		l->size = pty.size;
		l->modes_len = pty.modes.len < sizeof(l->modes) ? pty.modes.len : 0;
		memcpy(l->modes, pty.modes.p, l->modes_len);
		break;
	case SSH_SESSION_ENV:
		cr_assert_eq(ssh_env_parse(m->rest, &env), 0);
		lab_copy(l->env, sizeof(l->env), env.value);
		break;
	case SSH_SESSION_WINDOW_CHANGE:
		cr_assert_eq(ssh_window_change_parse(m->rest, &l->size), 0);
		break;
	case SSH_SESSION_SIGNAL:
		cr_assert_eq(ssh_signal_parse(m->rest, &s), 0);
		lab_copy(l->signal, sizeof(l->signal), s);
		break;
	case SSH_SESSION_EXEC:
	case SSH_SESSION_SUBSYSTEM:
		cr_assert_eq(ssh_exec_parse(m->rest, &s), 0);
		lab_copy(l->exec, sizeof(l->exec), s);
		ok = lab_run(l, c);
		break;
	case SSH_SESSION_SHELL:
		c->cat = true;
		break;
	default:
		ok = false;
	}
	if (m->want_reply)
		lab_simple(l, c, ok ? SSH_MSG_CHANNEL_SUCCESS : SSH_MSG_CHANNEL_FAILURE);
	if (strcmp(l->exec, "raw") == 0)
		lab_raw(l, &l->raw_exec);
	else if (strncmp(l->exec, "exit ", 5) == 0)
		lab_exit_status(l, c, (uint32_t)atoi(l->exec + 5));
	else if (strcmp(l->exec, "signal") == 0)
		lab_exit_signal(l, c);
}

static void lab_back(struct lab_chan *c, const void *p, size_t len)
{
	if (c->back_len + len > c->back_size) {
		c->back_size = 2 * (c->back_len + len);
		c->back = realloc(c->back, c->back_size);
	}
	memcpy(c->back + c->back_len, p, len);
	c->back_len += len;
}

/* What the next lab says. */
static void lab_pipe_read(struct lab *l)
{
	char buf[32768];
	ssize_t n = recv(l->pipe, buf, sizeof(buf), MSG_DONTWAIT);

	for (unsigned int i = 0; i < LAB_CHANNELS; i++) {
		if (!l->chan[i].piped)
			continue;
		if (n > 0)
			lab_back(&l->chan[i], buf, (size_t)n);
		l->chan[i].eof |= n == 0;
	}
	if (n == 0) {
		close(l->pipe);
		l->pipe = -1;
	}
}

static void lab_data(struct lab *l, struct lab_chan *c, struct ssh_rd *r)
{
	struct ssh_chan_data m;
	uint8_t buf[16];
	struct ssh_wr w;
	uint32_t add;

	cr_assert_eq(ssh_chan_data_parse(r, SSH_MSG_CHANNEL_DATA, &m), 0);
	cr_assert_eq(ssh_rwin_recv(&c->rwin, m.data.len), 0);
	if (c->piped)
		(void)!send(l->pipe, m.data.p, m.data.len, MSG_NOSIGNAL);
	else if (c->cat)
		lab_back(c, m.data.p, m.data.len);
	add = ssh_rwin_consume(&c->rwin, m.data.len);
	if (add == 0)
		return;
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_adjust_build(&w, c->peer, add);
	lab_send(l, &w);
}

static void lab_channel(struct lab *l, const struct ssh_act *a)
{
	struct ssh_chan_confirm confirm;
	struct lab_chan *c;
	uint32_t id, n;
	struct ssh_rd r, at;

	ssh_rd_init(&r, a->bytes.p + 1, a->bytes.len - 1);
	at = r;
	id = ssh_rd_u32(&at);
	if (id >= LAB_CHANNELS)
		return;
	c = &l->chan[id];
	switch (a->msg) {
	case SSH_MSG_CHANNEL_DATA:
		lab_data(l, c, &r);
		break;
	case SSH_MSG_CHANNEL_WINDOW_ADJUST:
		cr_assert_eq(ssh_chan_adjust_parse(&r, &id, &n), 0);
		cr_assert_eq(ssh_swin_adjust(&c->swin, n), 0);
		break;
	case SSH_MSG_CHANNEL_EOF:
		c->eof = true;
		break;
	case SSH_MSG_CHANNEL_OPEN_CONFIRMATION:
		cr_assert_eq(ssh_chan_confirm_parse(&r, &confirm), 0);
		c->peer = confirm.sender_channel;
		ssh_swin_init(&c->swin, confirm.window_size, confirm.packet_max);
		l->n_confirmed++;
		break;
	case SSH_MSG_CHANNEL_OPEN_FAILURE:
		c->used = false;
		l->n_refused++;
		break;
	case SSH_MSG_CHANNEL_CLOSE:
		if (!c->closed)
			lab_simple(l, c, SSH_MSG_CHANNEL_CLOSE);
		if (c->piped && l->pipe >= 0) {
			close(l->pipe);
			l->pipe = -1;
		}
		free(c->back);
		memset(c, 0, sizeof(*c));
		break;
	default:
		break;
	}
}

/* One message of data of c, if anything is to be sent and may be. */
static bool lab_give(struct lab *l, struct lab_chan *c)
{
	uint8_t buf[SSH_CHAN_DATA_HEAD + 32768];
	size_t left = c->back_len > 0 ? c->back_len : c->to_give, out;
	uint32_t n = ssh_swin_take(&c->swin, left < 32768 ? (uint32_t)left : 32768);
	struct ssh_wr w;

	(void)ssh_pump_out(&l->p, &out);
	if (!c->used || c->closed || n == 0 || out > 256 * 1024)
		return false;
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_data_head_build(&w, c->peer, n);
	if (c->back_len > 0)
		memcpy(buf + SSH_CHAN_DATA_HEAD, c->back, n);
	else
		memset(buf + SSH_CHAN_DATA_HEAD, 'x', n);
	if (ssh_pump_send(&l->p, buf, SSH_CHAN_DATA_HEAD + n) < 0)
		return false;
	ssh_swin_sent(&c->swin, n);
	if (c->back_len > 0) {
		memmove(c->back, c->back + n, c->back_len - n);
		c->back_len -= n;
	} else {
		c->to_give -= n;
	}
	return true;
}

static void lab_chans(struct lab *l)
{
	for (unsigned int i = 0; i < LAB_CHANNELS; i++) {
		struct lab_chan *c = &l->chan[i];

		while (lab_give(l, c))
			;
		if (!c->used || c->closed || c->back_len > 0 || c->to_give > 0)
			continue;
		if ((c->cat && c->eof && c->swin.packet_max > 0) || c->gives)
			lab_exit_status(l, c, 0);
	}
}

/* The message that came last. */
static void lab_unimplemented(struct lab *l)
{
	uint8_t buf[8];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_unimplemented_build(&w, l->p.flat.rx.seqnr - 1);
	cr_assert_eq(ssh_flat_send(&l->p.flat, buf, ssh_wr_done(&w)), 0);
}

static void lab_auth(struct lab *l, const struct ssh_act *a)
{
	struct ssh_auth_decision d = {.verdict = SSH_AUTH_ACCEPT};
	struct ssh_prompts p = {.name = ssh_str_c("lab"),
				.instruction = ssh_str_c("say it"),
				.n = 1,
				.prompt = {{ssh_str_c("Password: "), false}}};

	l->n_auth++;
	l->by_certificate = a->auth.key != NULL && key_plain(a->auth.key) != a->auth.key;
	lab_raw(l, &l->raw_auth);
	lab_copy(l->method, sizeof(l->method), a->auth.method_name);
	if (a->auth.key != NULL)
		lab_copy(l->sig_alg, sizeof(l->sig_alg), ssh_str_c(a->auth.sig_alg));
	if (l->unimplemented)
		lab_unimplemented(l);
	if (l->undecided || l->unimplemented)
		return;
	if (a->auth.method == SSH_AUTH_PASSWORD &&
	    (l->password == NULL || !ssh_str_eq(a->auth.password, l->password)))
		d.verdict = SSH_AUTH_REFUSE;
	if (a->auth.method == SSH_AUTH_KBDINT && (a->auth.round == 0 || l->ask_for_ever)) {
		d.verdict = SSH_AUTH_PROMPT;
		d.prompts = &p;
	} else if (a->auth.method == SSH_AUTH_KBDINT &&
		   !(a->auth.n_responses == 1 && ssh_str_eq(a->auth.response[0], l->prompts))) {
		d.verdict = SSH_AUTH_REFUSE;
	}
	if (d.verdict == SSH_AUTH_ACCEPT && (l->partial_of & a->auth.method) != 0) {
		d.verdict = SSH_AUTH_PARTIAL;
		d.methods = l->partial_want;
	}
	cr_assert_eq(ssh_brain_auth_decide(l->b, a->id, &d), 0);
}

static void lab_act(struct lab *l, const struct ssh_act *a)
{
	uint8_t sig[KEY_SIG_MAX];
	size_t len = sizeof(sig);

	switch (a->kind) {
	case SSH_ACT_JOB:
		ssh_job_run(a->job);
		if (l->spoil_value)
			memset(a->job->pub, 0, a->job->pub_len);
		cr_assert_eq(ssh_brain_job_done(l->b, a->id, a->job), 0);
		break;
	case SSH_ACT_SIGN:
		cr_assert_eq(key_sign(l->host, a->sign.sig_alg, a->sign.data.p, a->sign.data.len,
				      sig, &len),
			     0);
		sig[len - 1] ^= l->spoil_signature;
		cr_assert_eq(ssh_brain_sign_answer(l->b, a->id, 0, sig, len), 0);
		break;
	case SSH_ACT_AUTH:
		lab_auth(l, a);
		break;
	case SSH_ACT_AUTHENTICATED:
		l->up = true;
		if (l->deaf_up)
			__atomic_store_n(&l->deaf, true, __ATOMIC_RELAXED);
		lab_raw(l, &l->raw_up);
		for (unsigned int i = 0; i < l->ask_up.times; i++)
			cr_assert_eq(ssh_brain_send(l->b, l->ask_up.p, l->ask_up.len), 0);
		for (unsigned int i = 0; l->open_type != NULL && (i == 0 || i < l->open_times); i++)
			lab_open_theirs(l, l->open_type, "", 0);
		break;
	case SSH_ACT_CHANNEL_OPEN:
		if (!l->silent)
			lab_open(l, &a->open);
		break;
	case SSH_ACT_CHANNEL_REQUEST:
		if (!l->silent)
			lab_request(l, &a->request);
		break;
	case SSH_ACT_CHANNEL_OTHER:
		lab_channel(l, a);
		break;
	case SSH_ACT_GLOBAL_REQUEST:
		lab_global(l, a);
		break;
	case SSH_ACT_GLOBAL_REPLY:
		l->n_refusals += a->bytes.len == 1 && a->bytes.p[0] == SSH_MSG_REQUEST_FAILURE;
		break;
	case SSH_ACT_KEX_DONE:
		l->n_kexes++;
		break;
	case SSH_ACT_PEER_DISCONNECT:
		l->peer_reason = a->reason;
		break;
	case SSH_ACT_END:
		l->end = a->err;
		l->over = true;
		break;
	default:
		break;
	}
}

static void lab_turn(struct lab *l, short revents)
{
	struct ssh_act act;
	uint8_t buf[65536];
	const uint8_t *out;
	size_t len;
	ssize_t n;

	if (revents & (POLLIN | POLLHUP)) {
		n = recv(l->fd, buf, sizeof(buf), 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			l->over = true;
		else if (n > 0)
			cr_assert_eq(ssh_pump_feed(&l->p, buf, (size_t)n), 0);
	}
	do {
		while (ssh_pump_step(&l->p, &act) == 0)
			lab_act(l, &act);
		if (l->up && !l->silent)
			lab_chans(l);
		while (ssh_pump_step(&l->p, &act) == 0)
			lab_act(l, &act);
		out = ssh_pump_out(&l->p, &len);
		if (l->spoil_record && l->n_kexes > 0 && len > 0 && len <= sizeof(buf)) {
			memcpy(buf, out, len);
			buf[len - 1] ^= 1;
			out = buf;
		}
		n = len > 0 ? send(l->fd, out, len, MSG_NOSIGNAL) : 0;
		if (n > 0)
			ssh_pump_sent(&l->p, (size_t)n);
	} while (n > 0);
}

static void *lab_main(void *arg)
{
	struct lab *l = arg;

	if (!l->mute)
		lab_turn(l, 0);
	while (!l->over) {
		struct pollfd p[3] = {
			{l->fd, POLLIN, 0}, {l->stop[0], POLLIN, 0}, {l->pipe, POLLIN, 0}};
		size_t len;

		(void)ssh_pump_out(&l->p, &len);
		if (len > 0)
			p[0].events |= POLLOUT;
		if (__atomic_load_n(&l->deaf, __ATOMIC_RELAXED))
			p[0].events &= ~POLLIN;
		(void)poll(p, 3, -1);
		if (p[1].revents != 0)
			break;
		if (p[2].revents != 0)
			lab_pipe_read(l);
		if (l->mute) {
			p[0].events = 0;
			(void)poll(p, 2, -1);
			break;
		}
		lab_turn(l, p[0].revents);
	}
	close(l->fd);
	if (l->pipe >= 0)
		close(l->pipe);
	l->fd = -1;
	return NULL;
}

/* What a test may change before it starts it. */
static struct lab *lab_new(void)
{
	struct lab *l = calloc(1, sizeof(*l));

	l->conf = (struct ssh_brain_conf){
		.role = SSH_SERVER,
		.ident = "SSH-2.0-lab",
		.strict = SSH_STRICT_ON,
		.auth_methods = SSH_AUTH_PASSWORD | SSH_AUTH_PUBLICKEY | SSH_AUTH_KBDINT,
		.max_auth_tries = 6,
	};
	l->pipe = -1;
	l->password = "secret";
	l->prompts = "secret";
	cr_assert_eq(key_generate("ssh-ed25519", 0, &l->host), 0);
	return l;
}

static void lab_tcp(int fd[2])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int at = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), little = 4096;
	socklen_t len = sizeof(a);

	(void)setsockopt(at, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
	cr_assert_eq(bind(at, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(at, 1), 0);
	cr_assert_eq(getsockname(at, (struct sockaddr *)&a, &len), 0);
	fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(fd[1], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little));
	cr_assert_eq(connect(fd[1], (struct sockaddr *)&a, sizeof(a)), 0);
	fd[0] = accept4(at, NULL, NULL, SOCK_CLOEXEC);
	cr_assert_geq(fd[0], 0);
	close(at);
}

/* A server that has its turns from the test, by lab_turn(): the client's descriptor. */
static int lab_make(struct lab *l)
{
	int fd[2];

	cr_assert_eq(cipher_engine_new(CIPHER_ENGINE_AUTO, SSH_PACKET_MAX + 64, &l->engine), 0);
	cr_assert_eq(ssh_brain_new(&l->conf, &l->b), 0);
	cr_assert_eq(ssh_brain_hostkey_add(l->b, l->shown != NULL ? l->shown : l->host), 0);
	cr_assert_eq(ssh_pump_init(&l->p, l->engine, l->b), 0);
	cr_assert_eq(ssh_brain_start(l->b), 0);
	if (l->tcp)
		lab_tcp(fd);
	else
		cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	cr_assert_eq(pipe2(l->stop, O_CLOEXEC), 0);
	l->fd = fd[0];
	fcntl(l->fd, F_SETFL, O_NONBLOCK);
	return fd[1];
}

/* The descriptor for sluice_connect_fd(). */
static int lab_start(struct lab *l)
{
	int fd = lab_make(l);

	cr_assert_eq(pthread_create(&l->thread, NULL, lab_main, l), 0);
	return fd;
}

/* After the client has gone: all it said was read. */
static void lab_join(struct lab *l)
{
	if (!l->joined)
		pthread_join(l->thread, NULL);
	l->joined = true;
}

static void lab_free(struct lab *l)
{
	(void)!write(l->stop[1], "", 1);
	lab_join(l);
	ssh_pump_fini(&l->p);
	ssh_brain_free(l->b);
	cipher_engine_free(l->engine);
	key_free(l->host);
	for (unsigned int i = 0; i < LAB_CHANNELS; i++)
		free(l->chan[i].back);
	close(l->stop[0]);
	close(l->stop[1]);
	free(l);
}

/* A client that believes any host key; its operations have twenty seconds. */
static struct sluice *lab_client(void)
{
	struct sluice *s = NULL;

	cr_assert_eq(sluice_new(&s), 0);
	cr_assert_eq(sluice_set(s, "AcceptAnyHostKey", "yes"), 0);
	cr_assert_eq(sluice_set(s, "User", "demo"), 0);
	cr_assert_eq(sluice_password_set(s, "secret", 6), 0);
	return s;
}

/* The same, in. */
static struct sluice *lab_login(struct lab *l)
{
	struct sluice *s = lab_client();
	char text[256] = "";
	int r = sluice_connect_fd(s, lab_start(l));

	if (r == 0)
		r = sluice_logon(s, NULL, 0);
	sluice_error_last(s, text, sizeof(text));
	cr_assert_eq(r, 0, "%s: %s", sluice_strerror(r), text);
	return s;
}

#endif
