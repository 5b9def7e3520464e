/*
 * tests/interop/ssh_probe.c - the client role against a real server.
 *
 * Logs in (none, then a key or a password), opens a direct-tcpip channel to a listener of
 * its own and sends bytes round it, with key exchanges of both sides on the way. The
 * server is a program that speaks SSH on its standard input and output ("sshd -i"), put
 * behind a TCP connection of the loopback, or one that listens elsewhere.
 *
 *   ssh_probe [options] [--] sshd -i …      ssh_probe -a ADDRESS -p PORT [options]
 *   -u USER  -i KEY  -P PASSWORD  -k HOSTKEY.pub  -c CIPHERS  -m MACS  -s STRICT(0..3)
 *   -x KEX_METHODS  -H HOSTKEY_ALGORITHMS  -S SIGNATURE_ALGORITHM  -C COMPRESSION
 *   -K HOST_CA.pub  -N NAME (of the server in its certificate)  -I PUBLIC_OR_CERTIFICATE.pub (of
 *   the key of -i, or of one an agent holds)  -A AGENT_SOCKET  -G NAME (of the host, in Kerberos)
 *   -M gssapi-keyex|gssapi-with-mic
 *   With -S x509v3-… the certificates lie with the key of -i.
 *   -n BYTES  -r OWN_REKEYS  -d DESTINATION (as the server reaches us)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crypto/cert.h"
#include "crypto/keyfile.h"
#include "crypto/x509key.h"
#include "ssh/kexinit.h"
#include "ssh/pump.h"
#include "ssh/window.h"

#define WINDOW     (2 * 1024 * 1024)
#define PACKET_MAX 32768
#define OUT_MAX    (256 * 1024) /* unwritten bytes at which no more data is made */
#define TIMEOUT_MS 20000

enum step { LOGIN = 1, OPENING, MOVING, CLOSING, DONE };

static struct {
	const char *user, *key_path, *password, *hostkey_path, *ciphers, *macs, *address, *dest;
	const char *kex, *hostkey_algs, *sig_alg, *comp_algs;
	const char *host_ca_path, *host_name, *ident_path, *agent_path, *gss_server, *method;
	uint16_t port;
	int strict;
	uint64_t bytes;
	unsigned int rekeys;
	char **server; /* argv, or NULL */
} opt = {.user = "root", .strict = SSH_STRICT_ON, .bytes = 1 << 20, .dest = "127.0.0.1"};

static struct {
	enum step step;
	struct ssh_brain *brain;
	struct ssh_pump pump;
	struct key *key, *ident, *hostkey, *host_ca; /* ident: what a login shows */
	struct x509_trust *anchors;
	int ssh, listener, echo; /* descriptors; echo: what the server connected to us */
	bool tried_none, sent_eof, peer_closed;
	unsigned int kexes, own_rekeys;
	double rekey_ms, longest_ms; /* when the one of ours that goes on began; the longest */
	struct ssh_act_kex agreed;
	struct ssh_rwin rwin;
	struct ssh_swin swin;
	uint32_t peer_channel;
	uint64_t sent, received;
	uint8_t back[OUT_MAX]; /* read by echo, to be written back */
	size_t back_off, back_len;
} st = {.step = LOGIN, .ssh = -1, .listener = -1, .echo = -1};

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static void must(int r, const char *what)
{
	if (r < 0)
		die("%s: %s", what, r <= -SSH_E_BASE ? ssh_err_text(r) : strerror(-r));
}

/* Sockets --------------------------------------------------------------------------- */

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void nonblock(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static int listen_any(uint16_t *ret_port)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (inet_pton(AF_INET, opt.dest, &a.sin_addr) != 1 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		die("listen on %s: %m", opt.dest);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static int connect_to(const char *address, uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (inet_pton(AF_INET, address, &a.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("connect to %s port %u: %m", address, port);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* The server's end of a fresh TCP connection becomes its standard input and output. */
static pid_t server_start(void)
{
	uint16_t port;
	int listener = listen_any(&port), theirs;
	pid_t pid;

	st.ssh = connect_to(opt.dest, port);
	theirs = accept(listener, NULL, NULL);
	close(listener);
	pid = fork();
	if (pid == 0) {
		dup2(theirs, 0);
		dup2(theirs, 1);
		close(theirs);
		execv(opt.server[0], opt.server);
		_exit(127);
	}
	close(theirs);
	return pid;
}

/* What the brain asks --------------------------------------------------------------- */

/* An agent's signature (OpenSSH PROTOCOL.agent: SSH_AGENTC_SIGN_REQUEST, SSH_AGENT_SIGN_RESPONSE).
 */
static int agent_sign(const struct ssh_act_sign *ask, uint8_t *sig, size_t *len)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	uint8_t buf[2 * KEY_BLOB_MAX + SSH_PACKET_MAX];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct ssh_str s;
	struct ssh_wr w;
	struct ssh_rd r;
	size_t n = 0, blob_len;
	ssize_t got;

	s.p = key_blob(st.ident, &blob_len);
	s.len = (uint32_t)blob_len;
	ssh_wr_init(&w, buf + 4, sizeof(buf) - 4);
	ssh_wr_u8(&w, 13);
	ssh_wr_str(&w, s);
	ssh_wr_str(&w, ask->data);
	ssh_wr_u32(&w, 0);
	n = ssh_wr_done(&w);
	ssh_wr_init(&w, buf, 4);
	ssh_wr_u32(&w, (uint32_t)n);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", opt.agent_path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    write(fd, buf, n + 4) != (ssize_t)n + 4)
		die("agent: %m");
	for (n = 0; (got = read(fd, buf + n, sizeof(buf) - n)) > 0;) {
		n += (size_t)got;
		ssh_rd_init(&r, buf, n);
		if (n >= 4 && n - 4 >= ssh_rd_u32(&r))
			break;
	}
	close(fd);
	ssh_rd_init(&r, buf, n);
	(void)ssh_rd_u32(&r);
	if (ssh_rd_u8(&r) != 14)
		return -EACCES;
	s = ssh_rd_str(&r);
	if (!ssh_rd_done(&r) || s.len > KEY_SIG_MAX)
		return -EBADMSG;
	memcpy(sig, s.p, s.len);
	*len = s.len;
	return 0;
}

static void on_sign(const struct ssh_act *a)
{
	uint8_t sig[KEY_SIG_MAX];
	size_t len = sizeof(sig);
	int r = opt.agent_path != NULL ? agent_sign(&a->sign, sig, &len)
				       : key_sign(st.key, a->sign.sig_alg, a->sign.data.p,
						  a->sign.data.len, sig, &len);

	must(ssh_brain_sign_answer(st.brain, a->id, r, sig, len), "sign");
}

static bool hostkey_is_right(const struct key *k)
{
	const struct cert_rules rules = {.role = CERT_HOST,
					 .name = opt.host_name,
					 .now = (uint64_t)time(NULL),
					 .ca_algs = SSH_DEFAULT_CA_SIG};
	const char *why = "not by this authority";

	if (st.anchors != NULL) {
		uint64_t expires;

		if (key_x509(k) != NULL && x509key_names_host(key_x509(k), opt.host_name) &&
		    x509_trust_check(st.anchors, k, X509_HOST, rules.now, &expires, &why) == 0)
			return true;
		fprintf(stderr, "host certificate: %s\n", why);
		return false;
	}
	if (st.host_ca == NULL)
		return st.hostkey == NULL || key_equal(st.hostkey, k);
	if (key_cert(k) != NULL && key_equal(key_cert(k)->ca, st.host_ca) &&
	    cert_check(k, &rules, &why) == 0)
		return true;
	fprintf(stderr, "host certificate: %s\n", why);
	return false;
}

static void on_login(const struct ssh_act *a)
{
	static bool tried;
	int r;

	if (!st.tried_none) {
		st.tried_none = true;
		must(ssh_brain_login_none(st.brain, a->id), "none");
		return;
	}
	if (tried)
		die("not let in; methods that can continue: %s", ssh_brain_methods(st.brain));
	tried = true;
	if (opt.password != NULL)
		r = ssh_brain_login_password(st.brain, a->id, opt.password, strlen(opt.password));
	else if (opt.method != NULL)
		r = ssh_brain_login_gssapi(st.brain, a->id,
					   strcmp(opt.method, "gssapi-keyex") == 0);
	else
		r = ssh_brain_login_publickey(st.brain, a->id, st.ident, opt.sig_alg);
	must(r, "login");
}

static void send_open(void)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	struct ssh_direct_tcpip d = {.originator = ssh_str_c("127.0.0.1"), .originator_port = 1};
	struct ssh_chan_open m = {ssh_str_c("direct-tcpip"), 0, WINDOW, PACKET_MAX, ssh_str_c("")};
	uint8_t rest[512], buf[1024];
	struct ssh_wr w;

	getsockname(st.listener, (struct sockaddr *)&a, &len);
	d.host = ssh_str_c(opt.dest);
	d.port = ntohs(a.sin_port);
	ssh_wr_init(&w, rest, sizeof(rest));
	ssh_direct_tcpip_build(&w, &d);
	m.rest = (struct ssh_str){rest, (uint32_t)ssh_wr_done(&w)};
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_open_build(&w, &m);
	ssh_rwin_init(&st.rwin, WINDOW);
	must(ssh_brain_send(st.brain, buf, ssh_wr_done(&w)), "open");
	st.step = OPENING;
}

/* The channel ----------------------------------------------------------------------- */

static uint8_t pattern(uint64_t i)
{
	return (uint8_t)(i * 2654435761u >> 13);
}

static void on_confirm(struct ssh_rd *r)
{
	struct ssh_chan_confirm m;

	must(ssh_chan_confirm_parse(r, &m), "confirmation");
	st.peer_channel = m.sender_channel;
	st.swin = (struct ssh_swin){m.window_size, m.packet_max};
	st.step = MOVING;
}

static void on_data(struct ssh_rd *r)
{
	struct ssh_chan_data m;
	uint8_t buf[16];
	struct ssh_wr w;
	uint32_t add;

	must(ssh_chan_data_parse(r, SSH_MSG_CHANNEL_DATA, &m), "data");
	must(ssh_rwin_recv(&st.rwin, m.data.len), "window");
	for (uint32_t i = 0; i < m.data.len; i++)
		if (m.data.p[i] != pattern(st.received + i))
			die("byte %llu came back wrong", (unsigned long long)st.received + i);
	st.received += m.data.len;
	add = ssh_rwin_consume(&st.rwin, m.data.len);
	if (add == 0)
		return;
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_adjust_build(&w, st.peer_channel, add);
	must(ssh_brain_send(st.brain, buf, ssh_wr_done(&w)), "adjust");
}

static void on_channel(const struct ssh_act *a)
{
	struct ssh_chan_failure failure;
	uint32_t channel, n;
	struct ssh_rd r;

	ssh_rd_init(&r, a->bytes.p + 1, a->bytes.len - 1);
	switch (a->msg) {
	case SSH_MSG_CHANNEL_OPEN_CONFIRMATION:
		on_confirm(&r);
		break;
	case SSH_MSG_CHANNEL_OPEN_FAILURE:
		must(ssh_chan_failure_parse(&r, &failure), "failure");
		die("open refused: %.*s", (int)failure.description.len, failure.description.p);
	case SSH_MSG_CHANNEL_DATA:
		on_data(&r);
		break;
	case SSH_MSG_CHANNEL_WINDOW_ADJUST:
		must(ssh_chan_adjust_parse(&r, &channel, &n), "adjust");
		must(ssh_swin_adjust(&st.swin, n), "adjust");
		break;
	case SSH_MSG_CHANNEL_CLOSE:
		st.peer_closed = true;
		break;
	default:
		break;
	}
}

static void send_simple(uint8_t msg)
{
	uint8_t buf[16];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_simple_build(&w, msg, st.peer_channel);
	must(ssh_brain_send(st.brain, buf, ssh_wr_done(&w)), "close");
}

/* One CHANNEL_DATA, if window, keys and memory allow it now. */
static bool send_data(void)
{
	static uint8_t buf[SSH_CHAN_DATA_HEAD + PACKET_MAX];
	uint64_t left = opt.bytes - st.sent;
	uint32_t n = ssh_swin_take(&st.swin, left < PACKET_MAX ? (uint32_t)left : PACKET_MAX);
	size_t queued;
	struct ssh_wr w;
	int r;

	(void)ssh_pump_out(&st.pump, &queued);
	if (n == 0 || queued > OUT_MAX)
		return false;
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_data_head_build(&w, st.peer_channel, n);
	for (uint32_t i = 0; i < n; i++)
		buf[SSH_CHAN_DATA_HEAD + i] = pattern(st.sent + i);
	r = ssh_pump_send(&st.pump, buf, SSH_CHAN_DATA_HEAD + n);
	if (r == -EAGAIN)
		return false;
	must(r, "data");
	ssh_swin_sent(&st.swin, n);
	st.sent += n;
	return true;
}

static void move(void)
{
	if (st.step == MOVING) {
		while (send_data())
			;
		if (st.own_rekeys < opt.rekeys && st.rekey_ms == 0 &&
		    st.received > opt.bytes / (opt.rekeys + 1) * (st.own_rekeys + 1)) {
			st.own_rekeys++;
			st.rekey_ms = now_ms();
			must(ssh_brain_rekey(st.brain), "rekey");
		}
		if (st.received == opt.bytes && st.rekey_ms == 0) {
			send_simple(SSH_MSG_CHANNEL_EOF);
			send_simple(SSH_MSG_CHANNEL_CLOSE);
			shutdown(st.echo, SHUT_RDWR); /* some close when their target has */
			st.step = CLOSING;
		}
	}
	if (st.step == CLOSING && st.peer_closed) {
		ssh_brain_end(st.brain, -SSH_E_SHUTDOWN, "done");
		st.step = DONE;
	}
}

static void on_act(const struct ssh_act *a)
{
	switch (a->kind) {
	case SSH_ACT_JOB:
		ssh_job_run(a->job);
		must(ssh_brain_job_done(st.brain, a->id, a->job), "job");
		break;
	case SSH_ACT_SIGN:
		on_sign(a);
		break;
	case SSH_ACT_HOSTKEY:
		must(ssh_brain_hostkey_answer(st.brain, a->id, hostkey_is_right(a->hostkey)),
		     "host key");
		break;
	case SSH_ACT_LOGIN:
		on_login(a);
		break;
	case SSH_ACT_AUTHENTICATED:
		send_open();
		break;
	case SSH_ACT_CHANNEL_OTHER:
		on_channel(a);
		break;
	case SSH_ACT_GLOBAL_REQUEST:
		if (a->request.want_reply)
			must(ssh_brain_global_answer(st.brain, false, NULL, 0), "global");
		break;
	case SSH_ACT_KEX_DONE:
		st.kexes++;
		st.agreed = a->kex;
		if (st.rekey_ms > 0 && now_ms() - st.rekey_ms > st.longest_ms)
			st.longest_ms = now_ms() - st.rekey_ms;
		st.rekey_ms = 0;
		break;
	case SSH_ACT_PEER_DISCONNECT:
		fprintf(stderr, "disconnected: %.*s\n", (int)a->bytes.len, a->bytes.p);
		break;
	case SSH_ACT_END:
		if (st.step != DONE)
			die("ended: %s", ssh_err_text(a->err));
		break;
	default:
		break;
	}
}

/* The loop -------------------------------------------------------------------------- */

static void read_ssh(void)
{
	static uint8_t buf[65536];
	ssize_t n = read(st.ssh, buf, sizeof(buf));

	if (n == 0)
		die("the server closed the connection");
	if (n > 0)
		must(ssh_pump_feed(&st.pump, buf, (size_t)n), "feed");
}

static void write_ssh(void)
{
	size_t len;
	const uint8_t *p = ssh_pump_out(&st.pump, &len);
	ssize_t n = len > 0 ? write(st.ssh, p, len) : 0;

	if (n > 0)
		ssh_pump_sent(&st.pump, (size_t)n);
}

static void turn_echo(short revents)
{
	ssize_t n;

	if ((revents & POLLIN) && st.back_len == 0) {
		n = read(st.echo, st.back, sizeof(st.back));
		st.back_off = 0;
		st.back_len = n > 0 ? (size_t)n : 0;
	}
	if (st.back_len > 0) {
		n = write(st.echo, st.back + st.back_off, st.back_len);
		if (n > 0) {
			st.back_off += (size_t)n;
			st.back_len -= (size_t)n;
		}
	}
}

static bool out_waits(void)
{
	size_t len;

	(void)ssh_pump_out(&st.pump, &len);
	return len > 0;
}

static void turn(void)
{
	struct pollfd fd[3] = {
		{st.ssh, (short)(POLLIN | (out_waits() ? POLLOUT : 0)), 0},
		{st.echo < 0 ? st.listener : -1, POLLIN, 0},
		{st.step < CLOSING ? st.echo : -1, (short)(st.back_len ? POLLOUT : POLLIN), 0},
	};

	if (poll(fd, 3, TIMEOUT_MS) == 0)
		die("nothing moves: step %d, %llu sent, %llu back", st.step,
		    (unsigned long long)st.sent, (unsigned long long)st.received);
	if (fd[0].revents & (POLLIN | POLLHUP))
		read_ssh();
	if (fd[1].revents & POLLIN) {
		st.echo = accept(st.listener, NULL, NULL);
		nonblock(st.echo);
	}
	if (fd[2].revents)
		turn_echo(fd[2].revents);
}

static void drain(void)
{
	struct ssh_act act;

	while (ssh_pump_step(&st.pump, &act) == 0)
		on_act(&act);
}

static void steps(void)
{
	drain();
	move();
	drain(); /* what moving gave the brain to say */
	write_ssh();
}

/* Start ----------------------------------------------------------------------------- */

static struct key *public_line(const char *path)
{
	static char line[KEY_BLOB_MAX * 2];
	FILE *f = fopen(path, "r");
	struct key *k = NULL;

	if (f == NULL || fgets(line, sizeof(line), f) == NULL)
		die("%s: %m", path);
	fclose(f);
	line[strcspn(line, "\n")] = '\0';
	if (cert_line_parse(line, strlen(line), &k) < 0)
		must(key_public_line_parse(line, strlen(line), &k), path);
	return k;
}

/* Who vouches for the server: an authority's public key, or roots of X.509 in PEM. */
static void authority(const char *path)
{
	char text[65536];
	FILE *f = fopen(path, "r");
	size_t n = f != NULL ? fread(text, 1, sizeof(text), f) : 0;

	if (f == NULL)
		die("%s: %m", path);
	fclose(f);
	if (n > 5 && memcmp(text, "-----", 5) == 0)
		must(x509_trust_new(text, n, NULL, 0, &st.anchors), path);
	else
		st.host_ca = public_line(path);
}

static void options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "+u:i:P:k:c:m:x:H:S:s:n:r:a:p:d:C:K:N:I:A:G:M:")) != -1) {
		switch (c) {
		case 'u':
			opt.user = optarg;
			break;
		case 'i':
			opt.key_path = optarg;
			break;
		case 'P':
			opt.password = optarg;
			break;
		case 'k':
			opt.hostkey_path = optarg;
			break;
		case 'c':
			opt.ciphers = optarg;
			break;
		case 'm':
			opt.macs = optarg;
			break;
		case 'x':
			opt.kex = optarg;
			break;
		case 'H':
			opt.hostkey_algs = optarg;
			break;
		case 'S':
			opt.sig_alg = optarg;
			break;
		case 's':
			opt.strict = atoi(optarg);
			break;
		case 'n':
			opt.bytes = strtoull(optarg, NULL, 0);
			break;
		case 'r':
			opt.rekeys = (unsigned int)atoi(optarg);
			break;
		case 'a':
			opt.address = optarg;
			break;
		case 'p':
			opt.port = (uint16_t)atoi(optarg);
			break;
		case 'd':
			opt.dest = optarg;
			break;
		case 'C':
			opt.comp_algs = optarg;
			break;
		case 'K':
			opt.host_ca_path = optarg;
			break;
		case 'N':
			opt.host_name = optarg;
			break;
		case 'I':
			opt.ident_path = optarg;
			break;
		case 'A':
			opt.agent_path = optarg;
			break;
		case 'G':
			opt.gss_server = optarg;
			break;
		case 'M':
			opt.method = optarg;
			break;
		default:
			die("unknown option");
		}
	}
	opt.server = optind < argc ? argv + optind : NULL;
	if ((opt.server == NULL) == (opt.address == NULL) ||
	    (opt.key_path != NULL) + (opt.password != NULL) + (opt.agent_path != NULL) +
			    (opt.method != NULL) !=
		    1)
		die("one server and one way to log in are needed");
}

/* The key of -i, and what a login shows of it. */
static void identity(void)
{
	struct keyfile *kf = NULL;

	if (opt.key_path == NULL)
		return;
	if (opt.sig_alg == NULL || strncmp(opt.sig_alg, "x509v3-", 7) != 0) {
		must(key_file_load(opt.key_path, &st.key), opt.key_path);
		st.ident = st.key;
		return;
	}
	must(keyfile_load(opt.key_path, NULL, &kf), opt.key_path);
	must(x509key_make(opt.sig_alg, kf->key, kf->cert, kf->n_certs, &st.ident), opt.sig_alg);
	st.key = keyfile_take(kf);
}

static void start(struct cipher_engine **ret_engine)
{
	struct ssh_brain_conf conf = {
		.role = SSH_CLIENT,
		.ident = "SSH-2.0-Sluice_probe",
		.kex_algs = opt.kex,
		.hostkey_algs = opt.hostkey_algs,
		.ciphers = opt.ciphers,
		.macs = opt.macs,
		.comp_algs = opt.comp_algs,
		.gss_server = opt.gss_server,
		.strict = (enum ssh_strict)opt.strict,
		.user = opt.user,
	};
	uint16_t port;

	identity();
	if (opt.ident_path != NULL)
		st.ident = public_line(opt.ident_path);
	if (opt.host_ca_path != NULL)
		authority(opt.host_ca_path);
	if (opt.hostkey_path != NULL)
		st.hostkey = public_line(opt.hostkey_path);
	st.listener = listen_any(&port);
	must(cipher_engine_new(CIPHER_ENGINE_AUTO, SSH_PACKET_MAX + 64, ret_engine), "engine");
	must(cipher_engine_legacy(*ret_engine), "old ciphers");
	must(ssh_brain_new(&conf, &st.brain), "brain");
	must(ssh_pump_init(&st.pump, *ret_engine, st.brain), "pump");
	must(ssh_brain_start(st.brain), "start");
	nonblock(st.ssh);
}

int main(int argc, char **argv)
{
	struct cipher_engine *engine;
	pid_t pid = -1;

	signal(SIGPIPE, SIG_IGN);
	options(argc, argv);
	if (opt.server != NULL)
		pid = server_start();
	else
		st.ssh = connect_to(opt.address, opt.port);
	start(&engine);
	do {
		steps();
		if (st.step != DONE)
			turn();
	} while (st.step != DONE || out_waits());
	printf("%s, %s, %s%s%s, %s, %s; %llu bytes round, %u key exchanges, "
	       "the longest of ours %.1f ms\n",
	       st.agreed.kex, st.agreed.hostkey, st.agreed.cipher_cs, *st.agreed.mac_cs ? ", " : "",
	       st.agreed.mac_cs, st.agreed.comp_cs, st.agreed.strict ? "strict" : "not strict",
	       (unsigned long long)st.received, st.kexes, st.longest_ms);

	close(st.ssh);
	close(st.listener);
	close(st.echo);
	ssh_pump_fini(&st.pump);
	ssh_brain_free(st.brain);
	if (st.ident != st.key)
		key_free(st.ident);
	key_free(st.key);
	key_free(st.hostkey);
	key_free(st.host_ca);
	x509_trust_free(st.anchors);
	cipher_engine_free(engine);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return 0;
}
