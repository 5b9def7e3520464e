/*
 * A whole client: libsluice is told what a server says, opened already, in any order. Byte 0: bit 0
 * whether it is in (else it logs in), bit 1 whether data goes to a callback (else it waits to be
 * read), bit 2 whether prompts are answered, bit 3 whether opens are taken, bit 4 by what it logs
 * in, bit 5 whether it is the jump host of another connection, whose stream is a channel of it.
 * Then messages: a byte of what the program does first, a length of two bytes, a payload.
 *
 * Must hold: the program is told of an end once, of nothing behind it, and of no channel before it
 * is in; it may ask for anything at any time; and what may be sent to it is bounded.
 */
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/lib/internal.h"
#include "ssh/internal.h"

enum { IS_IN = 1, BY_CALLBACK = 2, ANSWERS = 4, TAKES_OPENS = 8, BY_PROMPTS = 16, JUMPS = 32 };
enum {
	DO_OPEN = 1,
	DO_REQUEST = 2,
	DO_SEND = 4,
	DO_READ = 8,
	DO_CLOSE = 16,
	DO_FREE = 32,
	DO_FORWARD = 64,
	DO_REKEY = 128
};

static uint8_t how;
static bool over, in;

static void live(void)
{
	if (over)
		abort();
}

static void on_disconnected(void *arg, struct sluice *s, int err, const char *text)
{
	(void)arg;
	(void)s;
	(void)err;
	live();
	if (strlen(text) >= sizeof(s->text))
		abort();
	over = true;
}

static void on_logon(void *arg, struct sluice *s, int err, const char *text)
{
	(void)arg;
	(void)s;
	(void)text;
	live();
	in |= err == 0;
}

static int on_kbdint(void *arg, struct sluice *s, const char *name, const char *instruction,
		     struct sluice_prompt *prompt, unsigned int n)
{
	(void)arg;
	(void)s;
	live();
	if (strlen(name) + strlen(instruction) > SSH_PACKET_MAX || n > SSH_PROMPTS_MAX)
		abort();
	for (unsigned int i = 0; i < n; i++) {
		prompt[i].answer[0] = 'x';
		prompt[i].answer_len = 1;
	}
	return how & ANSWERS ? 0 : -1;
}

static int on_open_request(void *arg, struct sluice_channel *c, const struct sluice_open *o)
{
	(void)arg;
	live();
	if (!in || strlen(o->host) > SSH_HOST_MAX)
		abort();
	sluice_channel_arg_set(c, NULL);
	return how & TAKES_OPENS ? 1 + (o->port & 1) : 0;
}

static void on_data(void *arg, struct sluice_channel *c, const void *p, size_t len,
		    unsigned int flags)
{
	(void)arg;
	(void)flags;
	live();
	if (!in)
		abort();
	if (len > 0 && *(const uint8_t *)p == 'C')
		(void)sluice_channel_close(c);
	if (len > 0 && *(const uint8_t *)p == 'F')
		sluice_channel_free(c);
	if (len > 0 && *(const uint8_t *)p == 'D')
		(void)sluice_disconnect(sluice_channel_connection(c));
}

static int on_request(void *arg, struct sluice_channel *c, const char *type, bool want_reply,
		      const void *data, size_t len)
{
	char text[64];

	(void)arg;
	(void)want_reply;
	live();
	(void)sluice_channel_send(c, type, strlen(type));
	return sluice_payload_get(data, len, "%s,i", text, sizeof(text)) >= 0;
}

static void program(struct sluice *s, uint8_t what)
{
	struct sluice_channel *c = sluice_channel_next(s, NULL);
	char buf[64];

	if (what & DO_OPEN)
		(void)sluice_channel_open(s, "session", NULL, 0, &(struct sluice_channel *){NULL});
	if (what & DO_FORWARD)
		(void)sluice_forward_request(s, "", (uint16_t)(what & 1), NULL);
	if (what & DO_REKEY)
		(void)sluice_rekey(s);
	if (c == NULL)
		return;
	if (what & DO_REQUEST)
		(void)sluice_channel_start(c, "exec", "true");
	if (what & DO_SEND)
		(void)sluice_channel_send(c, "data", 4);
	if (what & DO_READ) {
		(void)sluice_channel_read(c, false, buf, sizeof(buf));
		(void)sluice_channel_read(c, true, buf, sizeof(buf));
		(void)sluice_channel_eol_set(c, "\n", 1, 16);
	}
	if (what & DO_CLOSE)
		(void)sluice_channel_close(c);
	if (what & DO_FREE)
		sluice_channel_free(c);
}

/* As after a first exchange, which fuzz_brain has. */
static void stand(struct sluice *s)
{
	struct ssh_brain *b = s->brain;
	struct ssh_act act;

	s->pump.ident_done = true;
	if (ssh_brain_ident(b, (const uint8_t *)"SSH-2.0-x", 9) < 0)
		abort();
	while (ssh_brain_next(b, &act) == 0)
		if (act.kind == SSH_ACT_JOB)
			ssh_job_free(act.job);
	kex_free(b->kex);
	b->kex = NULL;
	b->kex_ask = (struct ask){0};
	b->session_id_len = 32;
	b->phase.kex = SSH_KEX_NONE;
	b->cli.service_asked = true;
	s->met = s->wants_in = true;
	in = (how & IS_IN) != 0;
	b->phase.svc = in ? SSH_SVC_OPEN : SSH_SVC_NONE;
	s->state = in ? STATE_UP : STATE_KEX;
}

static struct sluice *client(int fd)
{
	struct sluice_ops ops = {.size = sizeof(ops),
				 .on_logon = on_logon,
				 .on_disconnected = on_disconnected,
				 .on_kbdint = on_kbdint,
				 .on_channel_open_request = on_open_request,
				 .on_channel_request = on_request};
	struct sluice *s;

	if (how & BY_CALLBACK)
		ops.on_channel_data = on_data;
	if (sluice_new(&s) < 0 || sluice_ops_set(s, &ops, NULL) < 0 ||
	    sluice_set(s, "OperationTimeout", "0") < 0 || sluice_set(s, "User", "x") < 0 ||
	    sluice_set(s, "TryAllAuthMethods", "yes") < 0 ||
	    sluice_set(s, "AcceptChannelTypes", "own") < 0 ||
	    sluice_set(s, "AuthMode", how & BY_PROMPTS ? "keyboard-interactive" : "password") < 0 ||
	    sluice_password_set(s, "secret", 6) < 0)
		abort();
	if (sluice_connect_fd(s, fd) != -SLUICE_E_WOULD_BLOCK)
		abort();
	stand(s);
	return s;
}

/* What comes by the jump host; no other is believed, so that it is no further than its keys. */
static struct sluice *beyond(struct sluice *hop)
{
	struct sluice *s;

	if (sluice_new(&s) < 0 || sluice_set(s, "OperationTimeout", "0") < 0 ||
	    sluice_set(s, "Hostname", "beyond") < 0 || sluice_jump_set(s, hop) < 0 ||
	    sluice_logon(s, NULL, 0) != -SLUICE_E_WOULD_BLOCK)
		abort();
	return s;
}

/* However a server uses up and is granted: it may send what the connection says, and no more. */
static void windows(const struct sluice *s)
{
	const struct sluice_channel *c;
	uint64_t all = 0;

	TAILQ_FOREACH(c, &s->channels, link)
	{
		all += c->rwin.initial_window_size;
		if (c->rwin.window_size > c->rwin.initial_window_size)
			abort();
	}
	if (all != s->windows || all > WINDOWS_MAX + (uint64_t)s->n_channels * WINDOW_LEAST)
		abort();
}

static void drain(int fd)
{
	uint8_t buf[65536];

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

/* An engine takes longer to make than most inputs take: they are made once. */
static struct engine *kept[ENGINES_MAX];

static void give_engines(void)
{
	for (unsigned int i = 0; i < ENGINES_MAX; i++)
		engine_put(kept[i]);
}

static void keep_engines(void)
{
	if (kept[0] != NULL)
		return;
	for (unsigned int i = 0; i < ENGINES_MAX; i++)
		if (engine_get(CIPHER_ENGINE_AUTO, &kept[i]) < 0)
			abort();
	(void)atexit(give_engines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sluice *s, *all;
	uint32_t seqnr = 0;
	int fd[2];

	if (size == 0)
		return 0;
	keep_engines();
	how = data[0];
	over = in = false;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		abort();
	s = client(fd[0]);
	all = how & JUMPS ? beyond(s) : s;
	for (size_t at = 1; size - at >= 3 && s->brain != NULL;) {
		size_t len = (size_t)data[at + 1] << 8 | data[at + 2];

		program(s, data[at]);
		at += 3;
		if (len > size - at)
			len = size - at;
		if (s->brain != NULL && len > 0)
			(void)ssh_brain_input(s->brain, seqnr++, data + at, len);
		(void)sluice_dispatch(all, 0);
		windows(s);
		drain(fd[1]);
		at += len;
	}
	over = true; /* nothing is told of behind this */
	sluice_free(all);
	close(fd[1]);
	return 0;
}
