/* A connection of libsluice from beginning to end, over our own server brain. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "client/lib/internal.h"
#include "tests/unit/client_lab.h"

TestSuite(client_session, .timeout = 60);

Test(client_session, a_password_lets_in_and_a_command_says_how_it_went)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel_info info = {.size = sizeof(info)};
	struct sluice_channel *c = NULL;
	char text[128];

	cr_assert(sluice_connected(s));
	cr_assert_eq(sluice_status(s), 0);
	cr_assert_gt(sluice_info(s, SLUICE_INFO_PEER_VERSION, text, sizeof(text)), 0);
	cr_assert_str_eq(text, "SSH-2.0-lab");
	cr_assert_eq(sluice_info(s, SLUICE_INFO_STRICT_KEX, text, sizeof(text)), 3);
	cr_assert_eq(sluice_channel_open(s, "session", NULL, 0, &c), 0);
	cr_assert_eq(sluice_channel_start(c, "exec", "exit 7"), 0);
	cr_assert_eq(sluice_channel_read(c, false, text, sizeof(text)), 0);
	cr_assert_eq(sluice_channel_wait(c), 0);
	cr_assert_eq(sluice_channel_info(c, &info), 0);
	cr_assert(info.has_exit_status);
	cr_assert_eq(info.exit_status, 7);
	cr_assert_str_eq(info.type, "session");
	sluice_channel_free(c);
	cr_assert_eq(sluice_logoff(s), 0);
	cr_assert_eq(sluice_status(s), -SLUICE_E_NOT_CONNECTED);
	sluice_free(s);
	lab_join(l);
	cr_assert_eq(l->peer_reason, 11u);
	lab_free(l);
}

Test(client_session, bytes_go_round_whole_and_eof_comes_back)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel *c = NULL;
	size_t size = 3 << 20, got = 0;
	uint8_t *out = malloc(size), *in = malloc(size);
	ssize_t n;

	for (size_t i = 0; i < size; i++)
		out[i] = (uint8_t)(i * 2654435761u >> 13);
	cr_assert_eq(sluice_channel_open(s, "session", NULL, 0, &c), 0);
	cr_assert_eq(sluice_channel_start(c, "exec", "cat"), 0);
	cr_assert_eq(sluice_channel_send(c, out, size), (ssize_t)size);
	cr_assert_eq(sluice_channel_eof(c), 0);
	cr_assert_eq(sluice_channel_send(c, "x", 1), -SLUICE_E_STATE);
	while ((n = sluice_channel_read(c, false, in + got, size - got)) > 0)
		got += (size_t)n;
	cr_assert_eq(n, 0);
	cr_assert_eq(got, size);
	cr_assert_eq(memcmp(in, out, size), 0);
	cr_assert_eq(sluice_channel_close(c), 0);
	sluice_channel_free(c);
	sluice_free(s);
	lab_free(l);
	free(out);
	free(in);
}

Test(client_session, who_the_server_is_must_be_known)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_client();

	cr_assert_eq(sluice_set(s, "AcceptAnyHostKey", "no"), 0);
	cr_assert_eq(sluice_connect_fd(s, lab_start(l)), -SLUICE_E_HOSTKEY_REJECTED);
	cr_assert_eq(sluice_status(s), -SLUICE_E_HOSTKEY_REJECTED);
	sluice_free(s);
	lab_join(l);
	cr_assert_eq(l->peer_reason, 9u);
	lab_free(l);
}

Test(client_session, a_wrong_password_is_told_with_what_can_continue)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_client();
	char text[256];

	cr_assert_eq(sluice_password_set(s, "wrong", 5), 0);
	cr_assert_eq(sluice_connect_fd(s, lab_start(l)), 0);
	cr_assert_eq(sluice_status(s), -SLUICE_E_STATE);
	cr_assert_eq(sluice_logon(s, NULL, 0), -SLUICE_E_AUTH);
	cr_assert_gt(sluice_error_last(s, text, sizeof(text)), 0u);
	cr_assert_neq(strstr(text, "publickey"), NULL, "%s", text);
	cr_assert_eq(strstr(text, "wrong"), NULL);
	sluice_free(s);
	lab_free(l);
}

/* PROTOCOL.md: the extension, and what a DISCONNECT says, which goes before it. */
Test(client_session, a_server_says_how_long_to_stay_away)
{
	static const uint8_t bye[] = "\x01\0\0\0\x0b\0\0\0\x12" "bye retry-after=90\0\0\0";
	char text[16];

	for (int i = 0; i < 3; i++) {
		struct lab *l = lab_new();
		struct sluice *s;

		l->conf.retry_after = i == 0 ? 0 : 7;
		if (i == 2)
			l->raw_exec = (struct lab_raw){bye, sizeof(bye), 1};
		s = lab_login(l);
		if (i == 2) {
			struct sluice_channel *c;

			cr_assert_eq(sluice_channel_open(s, "session", NULL, 0, &c), 0);
			(void)sluice_channel_start(c, "exec", "raw");
			while (sluice_dispatch(s, -1) >= 0)
				;
		} else {
			cr_assert_eq(sluice_disconnect(s), 0);
		}
		cr_assert_not(sluice_connected(s));
		cr_assert_gt(sluice_info(s, SLUICE_INFO_RETRY_AFTER, text, sizeof(text)), 0);
		cr_assert_str_eq(text, i == 0 ? "0" : i == 1 ? "7" : "90");
		sluice_free(s);
		lab_free(l);
	}
}

Test(client_session, a_key_lets_in)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_client();
	struct sluice_key *k = NULL;
	struct key *made = NULL;
	char pem[4096], text[128];
	size_t len = sizeof(pem);

	cr_assert_eq(key_generate("ssh-ed25519", 0, &made), 0);
	cr_assert_eq(key_private_build(made, "me", pem, &len), 0);
	cr_assert_eq(sluice_key_parse(pem, len, NULL, &k), 0);
	cr_assert_eq(sluice_key_info(k, SLUICE_KEY_COMMENT, text, sizeof(text)), 2);
	cr_assert_eq(sluice_identity_add(s, k), 0);
	sluice_key_free(k);
	cr_assert_eq(sluice_set(s, "AuthMode", "publickey"), 0);
	cr_assert_eq(sluice_connect_fd(s, lab_start(l)), 0);
	cr_assert_eq(sluice_logon(s, NULL, 0), 0);
	cr_assert_str_eq(l->method, "publickey");
	sluice_free(s);
	lab_free(l);
	key_free(made);
}

Test(client_session, what_is_forgotten_lets_nobody_in_again)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_client();

	cr_assert_eq(sluice_connect_fd(s, lab_start(l)), 0);
	cr_assert_eq(sluice_logon(s, NULL, 0), 0);
	cr_assert_eq(sluice_credentials_forget(s), 0);
	cr_assert_eq(sluice_rekey(s), 0, "who is in stays in");
	cr_assert_eq(sluice_logoff(s), 0);
	lab_free(l);
	l = lab_new();
	cr_assert_eq(sluice_connect_fd(s, lab_start(l)), 0);
	cr_assert_eq(sluice_logon(s, NULL, 0), -SLUICE_E_AUTH);
	sluice_free(s);
	lab_free(l);
}

Test(client_session, a_channel_that_is_refused_leaves_the_connection)
{
	struct lab *l = lab_new();
	struct sluice *s;
	struct sluice_channel *c = NULL, *open[LAB_CHANNELS];
	char text[256];

	s = lab_login(l);
	for (unsigned int i = 0; i < LAB_CHANNELS; i++)
		cr_assert_eq(sluice_channel_open(s, "session", NULL, 0, &open[i]), 0);
	cr_assert_eq(sluice_channel_open(s, "session", NULL, 0, &c), -SLUICE_E_CHANNEL_OPEN);
	cr_assert_eq(c, NULL);
	sluice_error_last(s, text, sizeof(text));
	cr_assert_str_eq(text, "full (reason 4)");
	cr_assert_eq(sluice_channel_start(open[0], "exec", "nothing"), -SLUICE_E_CHANNEL_REQUEST);
	cr_assert_eq(sluice_channel_start(open[0], "exec", "hold"), 0);
	sluice_free(s);
	lab_free(l);
}

/* A loop of the program's own: nothing of the library waits. */
struct events {
	int connected, logon, opened, requested, eof, closed, disconnected;
	size_t bytes;
};

static void on_connected(void *arg, struct sluice *s, int err, const char *text)
{
	struct events *e = arg;

	(void)s;
	(void)text;
	e->connected += err == 0;
}

static void on_logon(void *arg, struct sluice *s, int err, const char *text)
{
	struct events *e = arg;
	struct sluice_channel *c = NULL;

	(void)text;
	e->logon += err == 0;
	cr_assert_eq(sluice_channel_open(s, "session", NULL, 0, &c), -SLUICE_E_WOULD_BLOCK);
	cr_assert_neq(c, NULL);
}

static void on_opened(void *arg, struct sluice_channel *c, int err, const char *text)
{
	struct events *e = arg;

	(void)text;
	e->opened += err == 0;
	cr_assert_eq(sluice_channel_start(c, "exec", "give 1000000"), -SLUICE_E_WOULD_BLOCK);
}

static void on_requested(void *arg, struct sluice_channel *c, const char *type, int err)
{
	struct events *e = arg;

	(void)c;
	cr_assert_str_eq(type, "exec");
	e->requested += err == 0;
}

static void on_data(void *arg, struct sluice_channel *c, const void *p, size_t len,
		    unsigned int flags)
{
	struct events *e = arg;

	(void)c;
	(void)p;
	cr_assert_eq(flags, (unsigned int)SLUICE_DATA_RECORD);
	e->bytes += len;
}

static void on_eof(void *arg, struct sluice_channel *c)
{
	(void)c;
	((struct events *)arg)->eof++;
}

static void on_closed(void *arg, struct sluice_channel *c)
{
	struct events *e = arg;

	e->closed++;
	cr_assert_eq(sluice_disconnect(sluice_channel_connection(c)), 0);
	sluice_channel_free(c);
}

static void on_disconnected(void *arg, struct sluice *s, int err, const char *text)
{
	(void)s;
	(void)text;
	cr_assert_eq(err, 0);
	((struct events *)arg)->disconnected++;
}

Test(client_session, a_loop_of_the_programs_own)
{
	static const struct sluice_ops ops = {.size = sizeof(ops),
					      .on_connected = on_connected,
					      .on_logon = on_logon,
					      .on_disconnected = on_disconnected,
					      .on_channel_opened = on_opened,
					      .on_channel_requested = on_requested,
					      .on_channel_data = on_data,
					      .on_channel_eof = on_eof,
					      .on_channel_closed = on_closed};
	struct lab *l = lab_new();
	struct sluice *s = lab_client();
	struct events e = {0};

	cr_assert_eq(sluice_set(s, "OperationTimeout", "0"), 0);
	cr_assert_eq(sluice_ops_set(s, &ops, &e), 0);
	cr_assert_eq(sluice_connect_fd(s, lab_start(l)), -SLUICE_E_WOULD_BLOCK);
	cr_assert_eq(sluice_status(s), -SLUICE_E_WOULD_BLOCK);
	cr_assert_eq(sluice_logon(s, NULL, 0), -SLUICE_E_WOULD_BLOCK);
	while (sluice_dispatch(s, 0) >= 0) {
		struct pollfd p = {sluice_fd(s), sluice_events(s), 0};

		cr_assert_neq(poll(&p, 1, sluice_timeout_ms(s)), -1);
	}
	cr_assert_eq(e.connected, 1);
	cr_assert_eq(e.logon, 1);
	cr_assert_eq(e.opened, 1);
	cr_assert_eq(e.requested, 1);
	cr_assert_eq(e.bytes, 1000000u);
	cr_assert_eq(e.eof, 1);
	cr_assert_eq(e.closed, 1);
	cr_assert_eq(e.disconnected, 1);
	sluice_free(s);
	lab_free(l);
}

/* --- what it has come to -------------------------------------------------------------- */

struct stages {
	char text[64]; /* a digit each */
	int err;
};

static void on_status(void *arg, struct sluice *s, enum sluice_status_event event, int err,
		      const char *text)
{
	struct stages *h = arg;
	size_t n = strlen(h->text);

	(void)s;
	cr_assert_not_null(text);
	cr_assert_eq(event < SLUICE_STATUS_SECURITY_ENDED ? err : 0, 0);
	h->err = err;
	snprintf(h->text + n, sizeof(h->text) - n, "%d", event);
}

Test(client_session, what_begins_is_told_and_ends_the_last_one_first)
{
	static const struct sluice_ops ops = {.size = sizeof(ops),
					      .on_connection_status = on_status};
	struct stages h = {.err = 0};
	struct lab *l = lab_new();
	struct sluice *s = lab_client();

	cr_assert_eq(sluice_ops_set(s, &ops, &h), 0);
	cr_assert_eq(sluice_connect_fd(s, lab_start(l)), 0);
	cr_assert_str_eq(h.text, "23");
	cr_assert_eq(sluice_logon(s, NULL, 0), 0);
	cr_assert_eq(sluice_logoff(s), 0);
	cr_assert_str_eq(h.text, "2345");
	cr_assert_eq(h.err, 0);
	sluice_free(s);
	lab_free(l);
}

/* A listener of our own, which is a proxy as far as it is wanted. */
static int listener(char ret_port[8])
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&sa, len), 0);
	cr_assert_eq(listen(fd, 8), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	snprintf(ret_port, 8, "%u", ntohs(sa.sin_port));
	return fd;
}

static void turns_until(struct sluice *s, const struct stages *h, const char *text)
{
	while (strcmp(h->text, text) != 0) {
		struct pollfd p = {sluice_fd(s), sluice_events(s), 0};

		cr_assert_geq(sluice_dispatch(s, 0), 0, "%s", h->text);
		if (strcmp(h->text, text) != 0)
			cr_assert_neq(poll(&p, 1, 100), -1);
	}
}

static int option(int fd, int level, int name)
{
	int v = -1;
	socklen_t len = sizeof(v);

	cr_assert_eq(getsockopt(fd, level, name, &v, &len), 0);
	return v;
}

Test(client_session, a_proxy_comes_first_and_the_socket_is_as_it_was_set)
{
	static const struct sluice_ops ops = {.size = sizeof(ops),
					      .on_connection_status = on_status};
	struct stages h = {.err = 0};
	struct sluice *s = lab_client();
	char port[8], url[64];
	int fd = listener(port), peer;

	snprintf(url, sizeof(url), "http://127.0.0.1:%s", port);
	cr_assert_eq(sluice_ops_set(s, &ops, &h), 0);
	cr_assert_eq(sluice_set(s, "Hostname", "192.0.2.1"), 0);
	cr_assert_eq(sluice_set(s, "Proxy", url), 0);
	cr_assert_eq(sluice_set(s, "TCPNoDelay", "no"), 0);
	cr_assert_eq(sluice_set(s, "TCPKeepAliveInterval", "7"), 0);
	cr_assert_eq(sluice_set(s, "TCPKeepAliveCount", "3"), 0);
	cr_assert_eq(sluice_set(s, "ReceiveBuffer", "20000"), 0);
	cr_assert_eq(sluice_set(s, "SendBuffer", "30000"), 0);
	cr_assert_eq(sluice_set(s, "OperationTimeout", "0"), 0);
	cr_assert_eq(sluice_connect(s), -SLUICE_E_WOULD_BLOCK);
	turns_until(s, &h, "1");
	peer = accept(fd, NULL, NULL);
	cr_assert_geq(peer, 0);
	cr_assert_eq(write(peer, "HTTP/1.1 200 OK\r\n\r\n", 19), 19);
	turns_until(s, &h, "12");
	cr_assert_eq(option(sluice_fd(s), IPPROTO_TCP, TCP_NODELAY), 0);
	cr_assert_eq(option(sluice_fd(s), IPPROTO_TCP, TCP_KEEPINTVL), 7);
	cr_assert_eq(option(sluice_fd(s), IPPROTO_TCP, TCP_KEEPCNT), 3);
	cr_assert_eq(option(sluice_fd(s), SOL_SOCKET, SO_RCVBUF), 2 * 20000);
	cr_assert_eq(option(sluice_fd(s), SOL_SOCKET, SO_SNDBUF), 2 * 30000);
	close(peer);
	while (sluice_dispatch(s, -1) >= 0)
		;
	cr_assert_str_eq(h.text, "1256");
	cr_assert_eq(h.err, -SLUICE_E_DROPPED);
	sluice_free(s);
	close(fd);
}

Test(client_session, an_address_of_the_other_family_is_none)
{
	struct sluice *s = lab_client();
	char port[8], text[256];
	int fd = listener(port);

	cr_assert_eq(sluice_set(s, "AddressFamily", "inet6"), 0);
	cr_assert_eq(sluice_set(s, "Hostname", "127.0.0.1"), 0);
	cr_assert_eq(sluice_set(s, "Port", port), 0);
	cr_assert_lt(sluice_connect(s), 0);
	cr_assert_gt(sluice_error_last(s, text, sizeof(text)), 0);
	cr_assert_eq(sluice_set(s, "AddressFamily", "inet"), 0);
	cr_assert_eq(sluice_set(s, "OperationTimeout", "0"), 0);
	cr_assert_eq(sluice_connect(s), -SLUICE_E_WOULD_BLOCK);
	while (sluice_info(s, SLUICE_INFO_PEER_ADDR, text, sizeof(text)) < 0)
		cr_assert_geq(sluice_dispatch(s, -1), 0);
	cr_assert_eq(strncmp(text, "127.0.0.1 port ", 15), 0);
	/* Where we are is the system's to choose, and then ours to read. */
	cr_assert_gt(sluice_info(s, SLUICE_INFO_LOCAL_ADDR, text, sizeof(text)), 0);
	cr_assert_eq(strncmp(text, "127.0.0.1 port ", 15), 0);
	cr_assert_gt(atoi(text + 15), 0, "%s", text);
	sluice_free(s);
	close(fd);
}

/* --- jump hosts ----------------------------------------------------------------------- */

#define HOPS 3

/* Three servers, each of which leads to the next; and a client through the first two. */
struct chain {
	struct lab *l[HOPS];
	struct sluice *s[HOPS];
	char seen[HOPS][64]; /* by whose name its host key was judged */
};

static int on_hostkey(void *arg, struct sluice *s, const struct sluice_hostkey *k)
{
	struct chain *h = arg;

	for (int i = 0; i < HOPS; i++)
		if (h->s[i] == s)
			snprintf(h->seen[i], sizeof(h->seen[i]), "%s %u", k->host, k->port);
	return 1;
}

static void chain_make(struct chain *h)
{
	static const struct sluice_ops ops = {.size = sizeof(ops), .on_hostkey = on_hostkey};
	static const char *const names[] = {"one", "two", "three"};

	for (int i = HOPS - 1; i >= 0; i--) {
		h->l[i] = lab_new();
		h->l[i]->password = names[i];
		h->l[i]->next = i + 1 < HOPS ? h->l[i + 1] : NULL;
		h->s[i] = lab_client();
		cr_assert_eq(sluice_ops_set(h->s[i], &ops, h), 0);
		cr_assert_eq(sluice_set(h->s[i], "Hostname", names[i]), 0);
		cr_assert_eq(sluice_set(h->s[i], "Port", i == 1 ? "2222" : "22"), 0);
		cr_assert_eq(sluice_set(h->s[i], "RekeyLimit", "128K"), 0);
		cr_assert_eq(sluice_password_set(h->s[i], names[i], strlen(names[i])), 0);
	}
}

static void chain_connect(struct chain *h)
{
	int r = sluice_connect_fd(h->s[0], lab_start(h->l[0]));

	cr_assert(r == 0 || r == -SLUICE_E_WOULD_BLOCK);
	cr_assert_eq(sluice_jump_set(h->s[1], h->s[0]), 0);
	cr_assert_eq(sluice_jump_set(h->s[2], h->s[1]), 0);
}

static void chain_up(struct chain *h)
{
	chain_make(h);
	chain_connect(h);
}

static void chain_down(struct chain *h)
{
	sluice_free(h->s[HOPS - 1]); /* and with it those it came by */
	for (int i = 0; i < HOPS; i++)
		lab_free(h->l[i]);
}

Test(client_session, through_two_jump_hosts_each_known_and_logged_on_to_by_itself)
{
	static uint8_t out[1 << 20], in[1 << 20];
	struct sluice_channel *c = NULL;
	struct chain h = {0};
	struct sluice *s;
	size_t got = 0;
	ssize_t n;

	chain_up(&h);
	s = h.s[2];
	cr_assert_eq(sluice_logon(s, NULL, 0), 0);
	cr_assert_str_eq(h.seen[0], "one 22");
	cr_assert_str_eq(h.seen[1], "two 2222");
	cr_assert_str_eq(h.seen[2], "three 22");
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 2654435761u >> 11);
	cr_assert_eq(sluice_channel_open(s, "session", NULL, 0, &c), 0);
	cr_assert_eq(sluice_channel_start(c, "exec", "cat"), 0);
	cr_assert_eq(sluice_channel_send(c, out, sizeof(out)), (ssize_t)sizeof(out));
	cr_assert_eq(sluice_channel_eof(c), 0);
	while ((n = sluice_channel_read(c, false, in + got, sizeof(in) - got)) > 0)
		got += (size_t)n;
	cr_assert_eq(got, sizeof(out));
	cr_assert_eq(memcmp(in, out, sizeof(out)), 0);
	cr_assert_eq(sluice_channel_next(h.s[1], NULL), NULL); /* their channels are nobody's */
	cr_assert_eq(sluice_jump_set(s, NULL), -SLUICE_E_FROZEN);
	cr_assert_eq(sluice_logoff(s), 0);
	cr_assert_eq(sluice_status(h.s[0]), -SLUICE_E_NOT_CONNECTED);
	for (int i = 0; i < HOPS; i++)
		lab_join(h.l[i]);
	for (int i = 0; i < HOPS; i++)
		cr_assert_eq(h.l[i]->peer_reason, 11u, "%d", i);
	chain_down(&h);
}

Test(client_session, jump_hosts_in_a_loop_of_the_programs_own)
{
	struct sluice_channel *c = NULL;
	struct chain h = {0};
	char text[64];
	ssize_t n;

	chain_up(&h);
	cr_assert_eq(sluice_set(h.s[2], "OperationTimeout", "0"), 0);
	cr_assert_eq(sluice_logon(h.s[2], NULL, 0), -SLUICE_E_WOULD_BLOCK);
	for (;;) {
		struct pollfd p;

		cr_assert_geq(sluice_dispatch(h.s[2], 0), 0);
		if (sluice_status(h.s[2]) == 0 && c == NULL) {
			int r = sluice_channel_open_tcp(h.s[2], "back", 7, NULL, 0, &c);

			cr_assert(r == 0 || r == -SLUICE_E_WOULD_BLOCK);
		}
		if (c != NULL && sluice_channel_send(c, "hello", 5) == 5)
			break;
		p = (struct pollfd){sluice_fd(h.s[2]), sluice_events(h.s[2]), 0};
		cr_assert_neq(poll(&p, 1, sluice_timeout_ms(h.s[2])), -1);
	}
	while ((n = sluice_channel_read(c, false, text, sizeof(text))) == -SLUICE_E_WOULD_BLOCK) {
		struct pollfd p = {sluice_fd(h.s[2]), sluice_events(h.s[2]), 0};

		cr_assert_neq(poll(&p, 1, sluice_timeout_ms(h.s[2])), -1);
		cr_assert_geq(sluice_dispatch(h.s[2], 0), 0);
	}
	cr_assert_eq(n, 5);
	cr_assert_eq(memcmp(text, "hello", 5), 0);
	chain_down(&h);
}

Test(client_session, a_jump_host_that_fails_is_named)
{
	struct chain h = {0};
	char text[256];

	chain_up(&h);
	h.l[1]->password = "another";
	cr_assert_eq(sluice_logon(h.s[2], NULL, 0), -SLUICE_E_AUTH);
	sluice_error_last(h.s[2], text, sizeof(text));
	cr_assert_eq(strncmp(text, "jump host two: authentication failed", 36), 0, "%s", text);
	cr_assert_eq(sluice_connect_fd(h.s[2], -1), -SLUICE_E_STATE);
	h.l[1]->next = NULL; /* nobody got as far */
	(void)lab_start(h.l[2]);
	chain_down(&h);
}

/* It goes while the connection through it waits for something. */
static void *cut(void *arg)
{
	struct lab *l = arg;

	(void)!write(l->stop[1], "", 1);
	return NULL;
}

Test(client_session, a_jump_host_that_goes_ends_what_it_led_to)
{
	struct sluice_channel *c = NULL;
	struct chain h = {0};
	pthread_t t;
	char text[256];

	chain_up(&h);
	cr_assert_eq(sluice_logon(h.s[2], NULL, 0), 0);
	cr_assert_eq(sluice_channel_open(h.s[2], "session", NULL, 0, &c), 0);
	cr_assert_eq(sluice_channel_start(c, "exec", "hold"), 0);
	cr_assert_eq(pthread_create(&t, NULL, cut, h.l[0]), 0);
	cr_assert_eq(sluice_channel_read(c, false, text, sizeof(text)), -SLUICE_E_DROPPED);
	pthread_join(t, NULL);
	sluice_error_last(h.s[2], text, sizeof(text));
	cr_assert_eq(strncmp(text, "jump host two: jump host one: ", 30), 0, "%s", text);
	chain_down(&h);
}

/* --- what is called once it is freed: nothing ---------------------------------------------- */

static bool freed;
static unsigned int late; /* calls since */

static void late_connected(void *arg, struct sluice *s, int err, const char *text)
{
	(void)arg, (void)s, (void)err, (void)text;
	late += freed;
}

static void late_log(void *arg, struct sluice *s, enum sluice_log_level level, const char *text)
{
	(void)arg, (void)s, (void)level, (void)text;
	late += freed;
}

static void late_status(void *arg, struct sluice *s, enum sluice_status_event event, int err,
			const char *text)
{
	(void)arg, (void)s, (void)event, (void)err, (void)text;
	late += freed;
}

static void late_closed(void *arg, struct sluice_channel *c)
{
	(void)arg, (void)c;
	late += freed;
}

static int late_sign(void *arg, const struct sluice_key *pub, const char *alg, const void *data,
		     size_t len, uint8_t *sig, size_t *sig_len)
{
	(void)pub;
	late += freed;
	return key_sign(arg, alg, data, len, sig, sig_len);
}

static void late_set(struct sluice *s, struct key *k)
{
	static const struct sluice_ops ops = {.size = sizeof(ops),
					      .on_connected = late_connected,
					      .on_logon = late_connected,
					      .on_disconnected = late_connected,
					      .on_log = late_log,
					      .on_channel_closed = late_closed,
					      .on_connection_status = late_status};
	char *line = key_line(k);
	struct sluice_key *pub;

	cr_assert_eq(sluice_ops_set(s, &ops, NULL), 0);
	cr_assert_eq(sluice_set(s, "AcceptAnyHostKey", "yes"), 0);
	cr_assert_eq(sluice_set(s, "AuthMode", "publickey"), 0);
	cr_assert_eq(sluice_set(s, "LogLevel", "DEBUG2"), 0);
	cr_assert_eq(sluice_set(s, "OperationTimeout", "0"), 0);
	cr_assert_eq(sluice_key_public(line, &pub), 0);
	cr_assert_eq(sluice_identity_add_signer(s, pub, late_sign, k), 0);
	sluice_key_free(pub);
	free(line);
}

/* After so many turns: on the way to each of the jump hosts, at their logins, and behind them. */
static bool freed_after(unsigned int turns, struct key *k)
{
	struct sluice_channel *c = NULL;
	struct chain h = {0};
	bool up;

	freed = false;
	chain_make(&h);
	for (int i = 0; i < HOPS; i++)
		late_set(h.s[i], k);
	chain_connect(&h);
	cr_assert_eq(sluice_logon(h.s[2], NULL, 0), -SLUICE_E_WOULD_BLOCK);
	for (unsigned int i = 0; i < turns && sluice_status(h.s[2]) != 0; i++) {
		struct pollfd p = {sluice_fd(h.s[2]), sluice_events(h.s[2]), 0};

		cr_assert_neq(poll(&p, 1, sluice_timeout_ms(h.s[2])), -1);
		cr_assert_geq(sluice_dispatch(h.s[2], 0), 0);
		if (c == NULL && sluice_status(h.s[0]) == 0)
			(void)sluice_channel_open(h.s[0], "session", NULL, 0, &c);
	}
	up = sluice_status(h.s[2]) == 0;
	freed = true;
	sluice_free(h.s[2]);
	for (int i = 0; i < HOPS; i++) {
		if (h.l[i]->engine == NULL) /* nobody got as far */
			close(lab_start(h.l[i]));
		lab_free(h.l[i]);
	}
	return up;
}

Test(client_session, nothing_is_called_once_it_is_freed)
{
	struct key *k;
	unsigned int turns = 0;

	cr_assert_eq(key_generate("ssh-ed25519", 0, &k), 0);
	do {
		turns = turns * 3 / 2 + 1;
	} while (!freed_after(turns, k));
	cr_expect_eq(late, 0);
	key_free(k);
}

Test(client_session, a_jump_host_is_one_connections_and_no_circle)
{
	struct sluice *s[10], *t = lab_client();

	for (int i = 0; i < 10; i++) {
		s[i] = lab_client();
		cr_assert_eq(sluice_jump_set(s[i], i > 0 ? s[i - 1] : NULL), i > 8 ? -EINVAL : 0);
	}
	cr_assert_eq(sluice_jump_set(t, s[3]), -EINVAL);
	cr_assert_eq(sluice_jump_set(s[0], s[8]), -EINVAL);
	cr_assert_eq(sluice_jump_set(t, t), -EINVAL);
	sluice_free(t);
	sluice_free(s[9]);
	sluice_free(s[8]);
}

/* With a module: interop/fips. */
Test(client_session, fips_without_a_module_connects_nowhere)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_client();
	char text[256];

	cr_assert_eq(setenv("OPENSSL_MODULES", "/nonexistent", 1), 0);
	cr_assert_eq(sluice_set(s, "FIPSMode", "yes"), 0);
	cr_assert_eq(sluice_connect_fd(s, lab_start(l)), -SLUICE_E_ALG_UNSUPPORTED);
	sluice_error_last(s, text, sizeof(text));
	cr_assert_not_null(strstr(text, "provider \"fips\" cannot be loaded"), "%s", text);
	sluice_free(s);
	lab_free(l);
}

Test(client_session, text_that_is_none_is_not_sent)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel *c = NULL;
	char back[16];

	cr_assert_eq(sluice_channel_open(s, "session", NULL, 0, &c), 0);
	cr_assert_eq(sluice_channel_start(c, "exec", "cat"), 0);
	cr_expect_eq(sluice_channel_send_text(c, "\xff"), -SLUICE_E_UTF8);
	cr_expect_eq(sluice_error_ref(-SLUICE_E_UTF8), 434);
	cr_expect_eq(sluice_channel_send_text(c, "na\xc3\xafve"), 6);
	cr_assert_eq(sluice_channel_read(c, false, back, sizeof(back)), 6);
	cr_expect_eq(memcmp(back, "na\xc3\xafve", 6), 0);
	sluice_free(s);
	lab_free(l);
}

/* --- files of ssh_config(5) ---------------------------------------------------------------------
 */

static const char *config_write(const char *text)
{
	static char path[] = "/tmp/client_session.XXXXXX";
	static int fd = -1;

	if (fd < 0)
		fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, 0), 0);
	cr_assert_eq(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
	return path;
}

static void on_left(void *arg, struct sluice *s, enum sluice_log_level level, const char *text)
{
	(void)s, (void)level;
	strncat(arg, text, 1023 - strlen(arg));
	strncat(arg, ";", 1023 - strlen(arg));
}

Test(client_session, what_a_file_says_of_a_host_becomes_settings)
{
	static const struct {
		const char *line, *keyword, *value;
	} table[] = {
		{"Port 2222", "Port", "2222"},
		{"Hostname %h.example", "Hostname", "box.example"},
		{"", "Hostname", "box"},
		{"", "Port", "2201"},
		{"", "User", "demo"},
		{"User other", "User", "other"},
		{"", "PreferredAuthentications", "password"},
		{"PasswordAuthentication no\nPubkeyAuthentication no", "PreferredAuthentications",
		 "keyboard-interactive"},
		{"UserKnownHostsFile /a /b", "UserKnownHostsFile", "/a /b"},
		{"HostKeyAlias %h", "HostKeyAlias", "%h"},
		{"ProxyCommand nc %h %p", "ProxyCommand", "nc box 22"},
		{"ProxyCommand none", "ProxyCommand", ""},
		{"IdentityAgent /run/%n", "IdentityAgent", "/run/box"},
		{"IdentityAgent none\nAgentAuth yes", "AgentAuth", "no"},
		{"AcceptHostKey ${SLUICE_LAB}/k\nAcceptHostKey /l", "AcceptHostKey", "/lab/k\n/l"},
		{"ReconnectIntervalMax 2m", "ReconnectMaxInterval", "120"},
		{"ReconnectTries 7", "ReconnectMax", "7"},
		{"PasswordFile ${SLUICE_LAB}/%h", "PasswordFile", "/lab/box"},
		{"PasswordCommand /bin/say %h \"a \\\"b\\\"\"", "PasswordCommand",
		 "\"/bin/say\" \"box\" \"a \\\"b\\\"\""},
		{"Linger no", "Linger", "no"},
		{"LogLevel VERBOSE", "LogLevel", "INFO"},
		{"RekeyLimit 1M", "RekeyLimit", "1048576 none"},
		{"Match exec \"test %h = box\"\nPort 9", "Port", "9"},
		{"Host other\nPort 9", "Port", "2201"},
	};

	setenv("SLUICE_LAB", "/lab", 1);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct sluice *s = lab_client();
		char text[256] = "";
		int r;

		cr_assert_eq(sluice_set(s, "Port", "2201"), 0);
		cr_assert_eq(sluice_set(s, "PreferredAuthentications", "password"), 0);
		r = sluice_config_load(s, config_write(table[i].line), "box");
		sluice_error_last(s, text, sizeof(text));
		cr_expect_eq(r, 0, "%s: %s", table[i].line, text);
		cr_assert_geq(sluice_get(s, table[i].keyword, text, sizeof(text)), 0);
		cr_expect_str_eq(text, table[i].value, "%s: %s", table[i].line, text);
		sluice_free(s);
	}
	unlink(config_write(""));
}

Test(client_session, what_a_file_says_and_is_no_setting_is_told)
{
	struct sluice_ops ops = {.size = sizeof(ops), .on_log = on_left};
	struct sluice *s = lab_client();
	char told[1024] = "";

	cr_assert_eq(sluice_ops_set(s, &ops, told), 0);
	cr_assert_eq(sluice_config_load(s,
					config_write("IdentityFile /k\nRequestTTY no\nPort 9\n"
						     "BatchMode no\nProxyUseFdpass yes\n"),
					"box"),
		     0);
	cr_expect_not_null(strstr(told, "IdentityFile: of the"), "%s", told);
	cr_expect_not_null(strstr(told, "RequestTTY: of the"), "%s", told);
	cr_expect_not_null(strstr(told, "ProxyUseFdpass"), "%s", told);
	cr_expect_null(strstr(told, "Port"), "%s", told);
	cr_expect_null(strstr(told, "BatchMode"), "%s", told);
	sluice_free(s);
	unlink(config_write(""));
}

Test(client_session, a_file_that_is_wrong_is_said_with_its_line)
{
	static const struct {
		const char *text, *why;
	} table[] = {
		{"Port 22\nPort nine\n", "line 2"},
		{"\nNoSuchKeyword 1\n", "line 2"},
		{"Ciphers none-such\n", "line 1"},
		{"IdentityAgent ${NO_SUCH_VARIABLE}\n", "NO_SUCH_VARIABLE"},
		{"UserKnownHostsFile \"/a b\"\n", "blank"},
		{"ProxyJump gate\n", "sluice_jump_set()"},
	};
	struct sluice *s = lab_client(), *hop = lab_client();
	char text[256];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		cr_expect_eq(sluice_config_load(s, config_write(table[i].text), "box"),
			     -SLUICE_E_VALUE, "%s", table[i].text);
		cr_assert_gt(sluice_error_last(s, text, sizeof(text)), 0u);
		cr_expect_not_null(strstr(text, table[i].why), "%s: %s", table[i].text, text);
	}
	cr_expect_eq(sluice_config_load(s, "/there/is/none", "box"), -SLUICE_E_VALUE);
	cr_expect_eq(sluice_config_load(s, "none", "a b"), -SLUICE_E_VALUE);
	cr_assert_eq(sluice_jump_set(s, hop), 0);
	cr_expect_eq(sluice_config_load(s, config_write("ProxyJump gate\n"), "box"), 0);
	sluice_free(s);
	unlink(config_write(""));
}

Test(client_session, settings_have_names_kinds_and_bounds)
{
	struct sluice *s = lab_client();
	char text[512];

	cr_assert_eq(sluice_set(s, "nothing", "1"), -SLUICE_E_KEYWORD);
	cr_assert_eq(sluice_set(s, "Port", "0"), -SLUICE_E_PORT);
	cr_assert_eq(sluice_set(s, "Port", "65536"), -SLUICE_E_PORT);
	cr_assert_eq(sluice_set(s, "User", "caf\xe9"), -SLUICE_E_UTF8);
	cr_assert_eq(sluice_set(s, "User", "\xed\xa0\x80"), -SLUICE_E_UTF8);
	cr_assert_eq(sluice_set(s, "User", "caf\xc3\xa9 \xf0\x9f\x8c\x8a"), 0);
	cr_assert_eq(sluice_set(s, "User", "caf\xc3"), -SLUICE_E_UTF8);
	cr_assert_eq(sluice_set(s, "port", "2222"), 0);
	cr_assert_eq(sluice_get(s, "PORT", text, sizeof(text)), 4);
	cr_assert_str_eq(text, "2222");
	cr_assert_eq(sluice_set(s, "StrictKex", "True"), -SLUICE_E_VALUE);
	cr_assert_eq(sluice_set(s, "TryAllAuthMethods", "True"), 0);
	cr_assert_gt(sluice_get(s, "TryAllAuthMethods", text, sizeof(text)), 0);
	cr_assert_str_eq(text, "yes");
	cr_assert_eq(sluice_set(s, "Ciphers", "nonesuch"), -SLUICE_E_VALUE);
	cr_assert_eq(sluice_set(s, "Ciphers", "^aes256-gcm@openssh.com"), 0);
	cr_assert_gt(sluice_get(s, "Ciphers", text, sizeof(text)), 0);
	cr_assert_eq(strncmp(text, "aes256-gcm@openssh.com,chacha20", 31), 0, "%s", text);
	cr_assert_eq(sluice_set(s, "SendBuffer", "auto"), 0);
	cr_assert_eq(sluice_set(s, "RecordLength", "1048577"), -SLUICE_E_VALUE);
	cr_assert_eq(sluice_set(s, "OperationTimeout", "1m30s"), 0);
	cr_assert_gt(sluice_get(s, "OperationTimeout", text, sizeof(text)), 0);
	cr_assert_str_eq(text, "90");
	cr_assert_eq(sluice_set(s, "RekeyLimit", "1G 1h"), 0);
	cr_assert_gt(sluice_get(s, "RekeyLimit", text, sizeof(text)), 0);
	cr_assert_str_eq(text, "1073741824 3600");
	cr_assert_eq(sluice_reset(s), 0);
	cr_assert_gt(sluice_get(s, "Port", text, sizeof(text)), 0);
	cr_assert_str_eq(text, "22");
	sluice_free(s);
}

Test(client_session, levels_of_the_log_have_all_their_names)
{
	static const char *const names[][2] = {
		{"quiet", "QUIET"},  {"FATAL", "QUIET"},  {"ERROR", "QUIET"},   {"0", "QUIET"},
		{"INFO", "INFO"},    {"VERBOSE", "INFO"}, {"DEBUG", "INFO"},    {"DEBUG1", "INFO"},
		{"1", "INFO"},       {"DEBUG2", "DEBUG2"}, {"2", "DEBUG2"},     {"DEBUG3", "DEBUG3"},
		{"3", "DEBUG3"}};
	struct sluice *s = lab_client();
	char text[16];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		cr_expect_eq(sluice_set(s, "LogLevel", names[i][0]), 0, "%s", names[i][0]);
		cr_assert_gt(sluice_get(s, "LogLevel", text, sizeof(text)), 0);
		cr_expect_str_eq(text, names[i][1], "%s", names[i][0]);
	}
	cr_expect_eq(sluice_set(s, "LogLevel", "4"), -SLUICE_E_VALUE);
	sluice_free(s);
}

/* Who has another engine has no other answers, and one that is there is nobody else's. */
Test(client_session, records_are_made_by_the_engine_of_the_settings)
{
	static const char *const kinds[] = {"openssl", "ipsec-mb", "auto"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct lab *l = lab_new();
		struct sluice *s = lab_client();

		cr_assert_eq(sluice_set(s, "CryptoEngine", kinds[i]), 0);
		cr_assert_eq(sluice_connect_fd(s, lab_start(l)), 0, "%s", kinds[i]);
		cr_expect_eq(sluice_set(s, "CryptoEngine", "auto"), -SLUICE_E_FROZEN);
		for (unsigned int k = 0; k <= CIPHER_ENGINE_OPENSSL; k++)
			cr_expect_eq(engine_users((enum cipher_engine_kind)k), k == s->set.engine,
				     "%s %u", kinds[i], k);
		sluice_free(s);
		lab_free(l);
	}
}

Test(client_session, what_is_not_done_in_time_ends_with_an_error_of_its_own)
{
	struct lab *l = lab_new();
	struct sluice_channel *c = NULL;
	struct sluice *s;

	l->silent = true;
	s = lab_login(l);
	cr_assert_eq(sluice_set(s, "OperationTimeout", "50ms"), 0);
	cr_assert_eq(sluice_channel_open(s, "session", NULL, 0, &c), -SLUICE_E_TIMEOUT);
	cr_assert_eq(c, NULL);
	cr_assert_eq(sluice_status(s), 0);
	sluice_free(s);
	lab_free(l);
}

Test(client_session, a_version_that_no_pattern_matches_is_refused)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_client();

	cr_assert_eq(sluice_set(s, "VersionPattern", "SSH-2.0-OpenSSH*"), 0);
	cr_assert_eq(sluice_connect_fd(s, lab_start(l)), -SLUICE_E_VERSION);
	sluice_free(s);
	lab_join(l);
	cr_assert_eq(l->peer_reason, 8u);
	lab_free(l);
}

Test(client_session, what_cannot_be_done_says_why)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_client();
	struct sluice_channel *c = NULL;
	struct sluice_key *k = NULL;

	cr_assert_eq(sluice_connect(s), -SLUICE_E_ADDRESS);
	cr_assert_eq(sluice_logoff(s), -SLUICE_E_NOT_CONNECTED);
	cr_assert_eq(sluice_disconnect(s), -SLUICE_E_NOT_CONNECTED);
	cr_assert_eq(sluice_rekey(s), -SLUICE_E_STATE);
	cr_assert_eq(sluice_channel_open(s, "session", NULL, 0, &c), -SLUICE_E_NOT_CONNECTED);
	cr_assert_eq(sluice_key_load("/nonexistent/key", NULL, &k), -ENOENT);
	cr_assert_eq(sluice_connect_fd(s, lab_start(l)), 0);
	cr_assert_eq(sluice_channel_open(s, "session", NULL, 0, &c), -SLUICE_E_STATE);
	cr_assert_eq(sluice_connect(s), -SLUICE_E_ALREADY);
	cr_assert_eq(sluice_logon(s, "elsewhere", 0), -SLUICE_E_FROZEN);
	cr_assert_eq(sluice_set(s, "Port", "23"), -SLUICE_E_FROZEN);
	cr_assert_eq(sluice_set(s, "Hostname", "elsewhere"), -SLUICE_E_FROZEN);
	cr_assert_eq(sluice_set(s, "BindAddress", "127.0.0.2"), -SLUICE_E_FROZEN);
	cr_assert_eq(sluice_set(s, "BindPort", "1023"), -SLUICE_E_FROZEN);
	cr_assert_eq(sluice_reset(s), -SLUICE_E_FROZEN);
	cr_assert_eq(sluice_logon(s, NULL, 0), 0);
	cr_assert_eq(sluice_logon(s, NULL, 0), -SLUICE_E_ALREADY);
	sluice_free(s);
	lab_free(l);
}

/* --- Linger ------------------------------------------------------------------------------------- */

struct reader {
	int fd, err;
	uint64_t n;
};

/* To its end, or what came instead of it. */
static void *read_to_end(void *arg)
{
	struct reader *r = arg;
	char buf[4096];
	ssize_t n;

	while ((n = recv(r->fd, buf, sizeof(buf), 0)) > 0)
		r->n += (uint64_t)n;
	r->err = n < 0 ? errno : 0;
	return NULL;
}

static uint64_t bytes_out(struct sluice *s)
{
	char text[32];

	cr_assert_gt(sluice_info(s, SLUICE_INFO_BYTES_OUT, text, sizeof(text)), 0);
	return strtoull(text, NULL, 10);
}

Test(client_session, the_last_bytes_have_the_time_of_linger)
{
	static const struct {
		const char *linger;
		bool reads; /* while we log off; else afterwards */
	} t[] = {{"yes", true}, {"60", true}, {"no", false}, {"20ms", false}};
	static uint8_t much[200000];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct lab *l = lab_new();
		struct sluice *s = lab_client();
		struct sluice_channel *c = NULL;
		struct reader r = {0};
		pthread_t thread;
		uint64_t before;

		l->tcp = true;
		cr_assert_eq(sluice_set(s, "Linger", t[i].linger), 0);
		cr_assert_eq(sluice_set(s, "WaitForChannelClose", "no"), 0);
		cr_assert_eq(sluice_connect_fd(s, lab_start(l)), 0);
		cr_assert_eq(sluice_logon(s, NULL, 0), 0);
		cr_assert_eq(sluice_channel_open(s, "session", NULL, 0, &c), 0);
		cr_assert_eq(sluice_channel_start(c, "exec", "hold"), 0);
		/* From here on the server's end is ours. */
		r.fd = dup(l->fd);
		cr_assert_eq(fcntl(r.fd, F_SETFL, 0), 0);
		cr_assert_eq(write(l->stop[1], "", 1), 1);
		lab_join(l);
		before = bytes_out(s);
		cr_assert_eq(sluice_channel_send(c, much, sizeof(much)), (ssize_t)sizeof(much));
		if (t[i].reads)
			cr_assert_eq(pthread_create(&thread, NULL, read_to_end, &r), 0);
		cr_assert_eq(sluice_logoff(s), 0);
		if (t[i].reads)
			pthread_join(thread, NULL);
		else
			read_to_end(&r);
		cr_expect_eq(r.err, t[i].reads ? 0 : ECONNRESET, "%s: %s", t[i].linger,
			     strerror(r.err));
		if (t[i].reads) {
			cr_expect_geq(r.n, sizeof(much), "%s", t[i].linger);
			cr_expect_eq(r.n, bytes_out(s) - before, "%s", t[i].linger);
		}
		close(r.fd);
		sluice_free(s);
		lab_free(l);
	}
}
