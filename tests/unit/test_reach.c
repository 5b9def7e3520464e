/*
 * client/reach: connections by name and address, through proxies that a thread plays, and commands.
 * The resolver is played, too.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/reach/command.h"
#include "client/reach/env.h"
#include "client/reach/reach.h"

/* --- a resolver ------------------------------------------------------------------------- */

int __real_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
		       struct addrinfo **ret);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
		       struct addrinfo **ret);

static int gate[2]; /* whoever asks for IPv6 of "slow" waits for a byte */

int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
		       struct addrinfo **ret)
{
	bool v6 = hints->ai_family == AF_INET6;
	struct addrinfo numeric = *hints;
	char c;

	numeric.ai_flags = AI_NUMERICHOST;
	if ((hints->ai_flags & AI_NUMERICHOST) != 0)
		return __real_getaddrinfo(host, service, hints, ret);
	if (strcmp(host, "again.test") == 0)
		return v6 ? EAI_NODATA : EAI_AGAIN;
	if (strcmp(host, "slow.test") == 0 && v6 && read(gate[0], &c, 1) < 0)
		return EAI_SYSTEM;
	if (strcmp(host, "dual.test") == 0 || strcmp(host, "slow.test") == 0)
		return __real_getaddrinfo(v6 ? "::1" : "127.0.0.1", service, &numeric, ret);
	return EAI_NONAME;
}

/* --- the other end ---------------------------------------------------------------------- */

static uint16_t listener(const char *addr, int *ret_fd)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	socklen_t len = sizeof(sa);

	inet_pton(AF_INET, addr, &sa.sin_addr);
	*ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(*ret_fd, (struct sockaddr *)&sa, len), 0);
	cr_assert_eq(listen(*ret_fd, 8), 0);
	cr_assert_eq(getsockname(*ret_fd, (struct sockaddr *)&sa, &len), 0);
	return ntohs(sa.sin_port);
}

static int drive(const struct reach_conf *c, struct reach_link *ret, char why[REACH_WHY_MAX],
		 enum reach_stage *ret_stage)
{
	struct reach *r;
	struct pollfd p = {.events = POLLIN};
	int e = reach_new(c, &r);

	if (e < 0)
		return e;
	p.fd = reach_fd(r);
	do /* nothing but its descriptor says when to go on */
		cr_assert_eq(poll(&p, 1, 60000), 1, "asleep for ever");
	while ((e = reach_step(r, ret)) == -EAGAIN);
	if (why != NULL)
		strcpy(why, reach_why(r));
	if (ret_stage != NULL)
		*ret_stage = reach_stage(r);
	reach_free(r);
	return e;
}

static int option(int fd, int level, int name)
{
	int v = -1;
	socklen_t len = sizeof(v);

	cr_assert_eq(getsockopt(fd, level, name, &v, &len), 0);
	return v;
}

/* --- without a proxy -------------------------------------------------------------------- */

Test(reach, by_address_with_its_options)
{
	struct reach_conf c = {.host = "127.0.0.1",
			       .timeout_ms = 60000,
			       .bind = {.addr = "127.0.0.2"},
			       .tcp = {.keepalive = true,
				       .keep_idle_s = 61,
				       .keep_interval_s = 7,
				       .keep_count = 3,
				       .rcvbuf = 20000,
				       .sndbuf = 30000,
				       .tos = 0x48}};
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);
	struct reach_link l;
	int fd;

	c.port = listener("127.0.0.1", &fd);
	cr_assert_eq(drive(&c, &l, NULL, NULL), 0);
	cr_expect_eq(option(l.fd, IPPROTO_TCP, TCP_NODELAY), 1);
	cr_expect_eq(option(l.fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	cr_expect_eq(option(l.fd, IPPROTO_TCP, TCP_KEEPIDLE), 61);
	cr_expect_eq(option(l.fd, IPPROTO_TCP, TCP_KEEPINTVL), 7);
	cr_expect_eq(option(l.fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
	cr_expect_eq(option(l.fd, IPPROTO_IP, IP_TOS), 0x48);
	cr_expect_eq(option(l.fd, SOL_SOCKET, SO_RCVBUF), 40000);
	cr_expect_eq(option(l.fd, SOL_SOCKET, SO_SNDBUF), 60000);
	cr_assert_eq(getsockname(l.fd, (struct sockaddr *)&sa, &len), 0);
	cr_expect_eq(ntohl(sa.sin_addr.s_addr), 0x7f000002);
	close(l.fd);
	c.bind = (struct reach_bind){.interface = "lo"};
	c.tcp = (struct reach_tcp){.delay = true};
	cr_assert_eq(drive(&c, &l, NULL, NULL), 0);
	cr_expect_eq(option(l.fd, IPPROTO_TCP, TCP_NODELAY), 0);
	cr_expect_eq(option(l.fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	close(l.fd);
	close(fd);
}

/* One after the other from the same port of our own. */
Test(reach, our_port)
{
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);
	struct reach_conf c = {.host = "127.0.0.1"};
	struct reach_link l;
	int fd, other;

	c.bind.port = listener("127.0.0.1", &other); /* one that is free, once this is closed */
	close(other);
	c.port = listener("127.0.0.1", &fd);
	for (int i = 0; i < 2; i++) {
		int in;

		cr_assert_eq(drive(&c, &l, NULL, NULL), 0);
		in = accept(fd, NULL, NULL);
		cr_assert_eq(getsockname(l.fd, (struct sockaddr *)&sa, &len), 0);
		cr_expect_eq(ntohs(sa.sin_port), c.bind.port);
		close(l.fd);
		close(in);
	}
	close(fd);
}

Test(reach, by_name_where_ipv6_is_refused)
{
	struct reach_conf c = {.host = "dual.test"};
	struct reach_link l;
	int fd;

	c.port = listener("127.0.0.1", &fd);
	cr_assert_eq(drive(&c, &l, NULL, NULL), 0);
	cr_expect_eq(l.peer.sa.ss_family, AF_INET);
	close(l.fd);
	close(fd);
}

static unsigned int descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	cr_assert_not_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* Whoever looks "slow" up has his answer, and is the last to leave. */
static void gate_open(unsigned int left)
{
	close(gate[1]);
	while (descriptors() > left)
		usleep(1000);
}

/* The other question is still open when the connection is there, and ends alone. */
Test(reach, a_family_that_does_not_answer_holds_nobody_up)
{
	struct reach_conf c = {.host = "slow.test"};
	unsigned int before = descriptors();
	struct reach_link l;
	int fd;

	cr_assert_eq(pipe(gate), 0);
	c.port = listener("127.0.0.1", &fd);
	cr_assert_eq(drive(&c, &l, NULL, NULL), 0);
	close(l.fd);
	close(fd);
	gate_open(before + 1);
}

/* A listener whose queue is full says nothing, as a way that is cut. */
Test(reach, what_did_not_answer_is_begun_with_again_and_never_by_many_at_once)
{
	struct reach_conf c = {.host = "127.0.0.1", .again_ms = 40, .timeout_ms = 60000};
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct pollfd p = {.events = POLLIN};
	unsigned int before, most = 0;
	struct reach_link l;
	struct reach *r;
	int fd, full, e;

	c.port = listener("127.0.0.1", &fd);
	cr_assert_eq(listen(fd, 0), 0);
	sa.sin_port = htons(c.port);
	full = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(connect(full, (struct sockaddr *)&sa, sizeof(sa)), 0);
	cr_assert_eq(reach_new(&c, &r), 0);
	before = descriptors();
	p.fd = reach_fd(r);
	for (int i = 0; i < 8; i++) {
		cr_assert_eq(poll(&p, 1, 60000), 1, "asleep for ever");
		cr_assert_eq(reach_step(r, &l), -EAGAIN);
		most = descriptors() - before > most ? descriptors() - before : most;
	}
	cr_expect_eq(most, 3);
	close(accept(fd, NULL, NULL));
	while ((e = reach_step(r, &l)) == -EAGAIN)
		cr_assert_eq(poll(&p, 1, 60000), 1, "asleep for ever");
	cr_expect_eq(e, 0);
	reach_free(r);
	close(l.fd);
	close(full);
	close(fd);
}

Test(reach, what_cannot_be_reached_is_said)
{
	struct reach_conf c = {.host = "dual.test", .port = 22};
	char why[REACH_WHY_MAX], want[64];
	enum reach_stage stage;
	struct reach_link l;
	int fd;

	c.port = listener("127.0.0.1", &fd);
	close(fd);
	snprintf(want, sizeof(want), "connect to dual.test port %u: Connection refused", c.port);
	cr_expect_eq(drive(&c, &l, why, &stage), -ECONNREFUSED);
	cr_expect_str_eq(why, want);
	cr_expect_eq(stage, REACH_CONNECT);
	c.host = "no.test";
	cr_expect_eq(drive(&c, &l, why, &stage), -ENOENT);
	cr_expect_str_eq(why, "no.test: Name or service not known");
	cr_expect_eq(stage, REACH_NAME);
	c.host = "again.test";
	cr_expect_eq(drive(&c, &l, why, &stage), -ENOENT);
	cr_expect_str_eq(why, "again.test: Temporary failure in name resolution");
	c.host = "127.0.0.1";
	c.family = AF_INET6;
	cr_expect_eq(drive(&c, &l, why, &stage), -ENOENT);
	cr_expect_str_eq(why, "127.0.0.1: no address of the family wanted");
	c.family = AF_UNSPEC;
	c.bind.addr = "::1";
	cr_expect_eq(drive(&c, &l, why, &stage), -EADDRNOTAVAIL);
	c.bind.addr = "no address";
	cr_expect_eq(drive(&c, &l, why, &stage), -EINVAL);
	c.bind = (struct reach_bind){.interface = "none such"};
	cr_expect_eq(drive(&c, &l, why, &stage), -ENODEV);
	c.bind = (struct reach_bind){0};
	c.host = "-x";
	cr_expect_eq(drive(&c, &l, why, &stage), -EINVAL);
}

Test(reach, a_name_that_takes_too_long)
{
	struct reach_conf c = {
		.host = "slow.test", .port = 22, .timeout_ms = 30, .family = AF_INET6};
	unsigned int before = descriptors();
	enum reach_stage stage;
	struct reach_link l;

	cr_assert_eq(pipe(gate), 0);
	cr_expect_eq(drive(&c, &l, NULL, &stage), -ETIMEDOUT);
	cr_expect_eq(stage, REACH_CONNECT);
	gate_open(before + 1);
}

/* --- through one ------------------------------------------------------------------------ */

/* Reads want bytes, answers, as often as there are parts; the last answer has a banner behind it.
 */
struct proxy_part {
	const char *want, *answer;
	size_t want_len, answer_len;
	bool anew; /* on another connection */
};
struct proxy {
	int fd;
	struct proxy_part part[4];
	bool ok;
};

static void *proxy_play(void *arg)
{
	struct proxy *p = arg;
	int fd = accept(p->fd, NULL, NULL);
	char buf[512];

	p->ok = true;
	for (unsigned int i = 0; i < 4 && p->part[i].want != NULL; i++) {
		const struct proxy_part *a = &p->part[i];

		if (a->anew) {
			close(fd);
			fd = accept(p->fd, NULL, NULL);
		}
		p->ok = p->ok && recv(fd, buf, a->want_len, MSG_WAITALL) == (ssize_t)a->want_len &&
			memcmp(buf, a->want, a->want_len) == 0 &&
			send(fd, a->answer, a->answer_len, 0) == (ssize_t)a->answer_len;
	}
	close(fd);
	return NULL;
}

#define PART(w, a)                                                                                 \
	{                                                                                          \
		w, a, sizeof(w) - 1, sizeof(a) - 1, false                                          \
	}
#define ANEW(w, a)                                                                                 \
	{                                                                                          \
		w, a, sizeof(w) - 1, sizeof(a) - 1, true                                           \
	}

static int through(struct proxy *p, struct reach_conf *c, char *why, struct reach_link *ret)
{
	pthread_t thread;
	int e;

	strcpy(c->proxy.host, "dual.test");
	c->proxy.port = listener("127.0.0.1", &p->fd);
	cr_assert_eq(pthread_create(&thread, NULL, proxy_play, p), 0);
	e = drive(c, ret, why, NULL);
	pthread_join(thread, NULL);
	close(p->fd);
	cr_expect(p->ok, "not what a proxy is told");
	return e;
}

static void banner_expect(int fd)
{
	char buf[64] = "";

	cr_expect_eq(recv(fd, buf, 7, MSG_WAITALL), 7);
	cr_expect_str_eq(buf, "SSH-2.0", "a byte of the server's was taken");
	close(fd);
}

Test(reach, proxies)
{
	struct proxy http = {
		.part = {PART("CONNECT far.test:22 HTTP/1.1\r\nHost: far.test:22\r\n\r\n",
			      "HTTP/1.1 407 Who\r\n"
			      "Proxy-Authenticate: Basic realm=x\r\n\r\nwho?"),
			 ANEW("CONNECT far.test:22 HTTP/1.1\r\nHost: far.test:22\r\n"
			      "Proxy-Authorization: Basic bWU6cHc=\r\n\r\n",
			      "HTTP/1.1 200 OK\r\n\r\nSSH-2.0")}};
	struct proxy socks5h = {
		.part = {PART("\5\1\0", "\5\0"), PART("\5\1\0\3\x08"
						      "far.test\0\x16",
						      "\5\0\0\1\0\0\0\0\0\0SSH-2.0")}};
	/* These are told an address, which we look up. */
	struct proxy socks4 = {
		.part = {PART("\4\1\0\x16\x7f\0\0\1\0", "\0\x5a\0\0\0\0\0\0SSH-2.0")}};
	struct proxy socks5 = {.part = {PART("\5\1\0", "\5\0"),
					PART("\5\1\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\x16",
					     "\5\0\0\1\0\0\0\0\0\0SSH-2.0")}};
	/* And "*" has the proxy do it. */
	struct proxy star = {
		.part = {PART("\4\1\0\x16\0\0\0\1\0far.test\0", "\0\x5a\0\0\0\0\0\0SSH-2.0")}};
	struct reach_conf c = {.host = "far.test", .port = 22, .proxy_password = "pw"};
	struct reach_link l;

	c.proxy.kind = PROXY_HTTP;
	strcpy(c.proxy.user, "me");
	cr_assert_eq(through(&http, &c, NULL, &l), 0);
	banner_expect(l.fd);
	c.proxy_password = NULL;
	*c.proxy.user = '\0';
	c.proxy.kind = PROXY_SOCKS5H;
	cr_assert_eq(through(&socks5h, &c, NULL, &l), 0);
	banner_expect(l.fd);
	c.host = "*far.test";
	c.proxy.kind = PROXY_SOCKS4;
	cr_assert_eq(through(&star, &c, NULL, &l), 0);
	banner_expect(l.fd);
	c.host = "dual.test";
	cr_assert_eq(through(&socks4, &c, NULL, &l), 0);
	banner_expect(l.fd);
	c.proxy.kind = PROXY_SOCKS5;
	cr_assert_eq(through(&socks5, &c, NULL, &l), 0);
	banner_expect(l.fd);
}

Test(reach, proxies_that_refuse_hang_up_or_say_nothing)
{
	struct proxy refuses = {.part = {PART("\5\1\0", "\5\xff")}};
	struct proxy hangs_up = {.part = {PART("\5\1\0", "\5")}};
	struct reach_conf c = {.host = "far.test", .port = 22, .proxy.kind = PROXY_SOCKS5H};
	char why[REACH_WHY_MAX], want[64];
	enum reach_stage stage;
	struct reach_link l;
	int fd;

	cr_expect_eq(through(&refuses, &c, why, &l), -EACCES);
	snprintf(want, sizeof(want), "proxy dual.test port %u: the proxy wants a user",
		 c.proxy.port);
	cr_expect_str_eq(why, want);
	cr_expect_eq(through(&hangs_up, &c, why, &l), -ECONNRESET);
	c.proxy.port = listener("127.0.0.1", &fd);
	snprintf(c.proxy.host, sizeof(c.proxy.host), "127.0.0.1"); /* no name to wait for */
	c.timeout_ms = 1000;
	cr_expect_eq(drive(&c, &l, NULL, &stage), -ETIMEDOUT);
	cr_expect_eq(stage, REACH_PROXY);
	close(fd);
	c.timeout_ms = 0;
	c.host = "a.test\r\nX: y";
	cr_expect_eq(drive(&c, &l, NULL, NULL), -EINVAL, "S-72");
}

/* --- commands --------------------------------------------------------------------------- */

Test(reach, a_command)
{
	struct reach_conf c = {.command = "cat", .command_err_fd = -1};
	struct reach_link l;
	char buf[8] = "";

	cr_assert_eq(drive(&c, &l, NULL, NULL), 0);
	cr_assert_gt(l.command, 0);
	cr_expect_eq(write(l.fd, "hello", 5), 5);
	cr_expect_eq(poll(&(struct pollfd){l.fd, POLLIN, 0}, 1, 60000), 1);
	cr_expect_eq(read(l.fd, buf, sizeof(buf)), 5);
	cr_expect_str_eq(buf, "hello");
	close(l.fd);
	cr_expect_geq(command_end(l.command), 0);
	cr_expect_eq(command_end(l.command), -1, "it was waited for");
}

Test(reach, a_command_that_dies_and_what_it_says)
{
	struct reach_conf c = {.command = "sh -c 'echo oops >&2; exit 3'"};
	char buf[64] = "";
	struct reach_link l;
	int err[2], status;

	cr_assert_eq(pipe(err), 0);
	c.command_err_fd = err[1];
	cr_assert_eq(drive(&c, &l, NULL, NULL), 0);
	close(err[1]);
	cr_expect_eq(read(err[0], buf, sizeof(buf)), 5);
	cr_expect_str_eq(buf, "oops\n");
	cr_expect_eq(poll(&(struct pollfd){l.fd, POLLIN, 0}, 1, 60000), 1);
	cr_expect_eq(read(l.fd, buf, sizeof(buf)), 0);
	cr_expect_eq(waitid(P_PID, (id_t)l.command, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
	close(l.fd);
	close(err[0]);
	status = command_end(l.command);
	command_status_text(status, buf, sizeof(buf));
	cr_expect_str_eq(buf, "exited with 3");
}

Test(reach, s72_what_a_command_is_told)
{
	static const char *const bad[] = {"nc %h %x", "nc %", "nc %h%"};
	char *text;

	cr_assert_eq(command_expand("nc -X %% %h %p # %r", "a.test", 2222, "me", &text), 0);
	cr_expect_str_eq(text, "nc -X % a.test 2222 # me");
	free(text);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(command_expand(bad[i], "a.test", 22, "me", &text), -EINVAL, "%s",
			     bad[i]);
	cr_expect_eq(command_expand("nc %h", "a;reboot", 22, "me", &text), -EINVAL);
	cr_expect_eq(command_expand("nc %r", "a", 22, "$(reboot)", &text), -EINVAL);
	cr_expect_eq(command_expand("nc %r", "a", 22, "", &text), -EINVAL);
}

/* One that does not hear is killed, and not waited for longer than that. */
Test(reach, a_command_that_stays)
{
	struct reach_conf c = {
		.command = "sh -c 'trap \"\" HUP; echo; while :; do read x || sleep 1000; done'",
		.command_err_fd = -1};
	struct reach_link l;
	char buf[64];

	cr_assert_eq(drive(&c, &l, NULL, NULL), 0);
	cr_expect_eq(poll(&(struct pollfd){l.fd, POLLIN, 0}, 1, 60000), 1);
	command_status_text(command_end(l.command), buf, sizeof(buf));
	cr_expect_str_eq(buf, "was ended by signal 9");
	close(l.fd);
}

/* --- the system's settings -------------------------------------------------------------- */

Test(reach, a_proxy_by_the_environment)
{
	char password[PROXY_WORD_MAX + 1] = "";
	struct proxy_addr a;

	proxy_from_env("far.test", &a, password);
	cr_expect_eq(a.kind, PROXY_NONE);
	setenv("https_proxy", "p.test:3128", 1);
	proxy_from_env("far.test", &a, password);
	cr_expect_eq(a.kind, PROXY_HTTP);
	cr_expect_str_eq(a.host, "p.test");
	cr_expect_eq(a.port, 3128);
	setenv("ALL_PROXY", "socks5h://me:secret@p.test", 1);
	proxy_from_env("far.test", &a, password);
	cr_expect_eq(a.kind, PROXY_SOCKS5H);
	cr_expect_str_eq(a.user, "me");
	cr_expect_str_eq(password, "secret");
	setenv("NO_PROXY", "localhost,.test", 1);
	proxy_from_env("far.test", &a, password);
	cr_expect_eq(a.kind, PROXY_NONE);
	setenv("NO_PROXY", "", 1);
	setenv("ALL_PROXY", "quic://p.test", 1);
	proxy_from_env("far.test", &a, password);
	cr_expect_eq(a.kind, PROXY_NONE);
}

Test(reach, hosts_without_a_proxy)
{
	static const char list[] = "*.lab; 10.*,corp.example .org\tBox";

	cr_expect(proxy_exempt(list, "a.lab"));
	cr_expect(proxy_exempt(list, "10.1.2.3"));
	cr_expect(proxy_exempt(list, "corp.example"));
	cr_expect(proxy_exempt(list, "a.CORP.example"));
	cr_expect(proxy_exempt(list, "*x.org"));
	cr_expect(proxy_exempt(list, "org"));
	cr_expect(proxy_exempt(list, "box"));
	cr_expect_not(proxy_exempt(list, "xcorp.example"));
	cr_expect_not(proxy_exempt(list, "lab"));
	cr_expect_not(proxy_exempt(list, "boxes"));
	cr_expect_not(proxy_exempt("", "a"));
}
