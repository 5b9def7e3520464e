/*
 * control/dial, and who may reach which socket: what connects, what does not and why, and that no
 * descriptor is left behind.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/dial.h"
#include "control/policy/addr.h"
#include "control/policy/policy.h"
#include "ssh/chan.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static char dir[] = "/tmp/sluice-dial-XXXXXX";
static uv_loop_t loop;
static struct timers *timers;
static struct clock *tick;
static struct dialer *d;
static unsigned int answers;
static int got;
static struct link_addr got_addr;
static unsigned int fds_before;

static unsigned int fds_open(void)
{
	DIR *p = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(p) != NULL)
		n++;
	closedir(p);
	return n;
}

static void path_of(const char *name, char *buf, size_t size)
{
	snprintf(buf, size, "%s/%s", dir, name);
}

static void start(void)
{
	char own[64];

	cr_assert_not_null(mkdtemp(dir));
	path_of("own", own, sizeof(own));
	cr_assert_eq(mkdir(own, 0700), 0);
	cr_assert_eq(uv_loop_init(&loop), 0);
	cr_assert_eq(timers_new(&timers), 0);
	cr_assert_eq(clock_new(&loop, timers, &tick), 0);
	cr_assert_eq(dialer_new(&loop, timers, clock_now_ms, own, &d), 0);
	fds_before = fds_open();
}

static void end(void)
{
	char cmd[64];

	dialer_close(d);
	uv_run(&loop, UV_RUN_NOWAIT);
	cr_expect_eq(fds_open(), fds_before, "a descriptor was left behind");
	clock_close(tick);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0);
	timers_free(timers);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_expect_eq(system(cmd), 0);
}

TestSuite(control_dial, .init = start, .fini = end, .timeout = 30);

static void on_done(const struct resolve_caller *caller, int fd, const struct link_addr *to)
{
	cr_assert_eq(caller->token, 77);
	answers++;
	got = fd;
	got_addr = *to;
}

static const struct resolve_caller caller = {.token = 77};

/* Until it has answered. */
static int answer(void)
{
	while (answers == 0)
		uv_run(&loop, UV_RUN_ONCE);
	uv_run(&loop, UV_RUN_NOWAIT);
	cr_expect_eq(answers, 1, "once");
	return got;
}

/* A listener on loopback; its address. */
static int listener(struct link_addr *ret)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(bind(fd, (void *)&sa, sizeof(sa)), 0);
	cr_assert_eq(listen(fd, 4), 0);
	cr_assert_eq(getsockname(fd, (void *)&sa, &len), 0);
	*ret = (struct link_addr){.family = 4, .port = ntohs(sa.sin_port), .addr = {127, 0, 0, 1}};
	return fd;
}

static int unix_listener(const char *path, int backlog)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(sa.sun_path, path, sizeof(sa.sun_path) - 1);
	cr_assert_eq(bind(fd, (void *)&sa, sizeof(sa)), 0);
	cr_assert_eq(listen(fd, backlog), 0);
	return fd;
}

static void talk(int mine, int theirs)
{
	char b;

	cr_expect(fcntl(mine, F_GETFL) & O_NONBLOCK);
	cr_assert_eq(write(theirs, "x", 1), 1);
	cr_expect_eq(recv(mine, &b, 1, MSG_WAITALL), 1);
}

static uint64_t soon(void)
{
	return clock_now_ms() + 2000;
}

Test(control_dial, a_listener_answers)
{
	struct link_addr a;
	int l = listener(&a), fd, theirs;

	cr_assert_eq(dial_addrs(d, &a, 1, soon(), &caller, on_done), 0);
	cr_expect_eq(answers, 0, "never before it returns");
	fd = answer();
	cr_assert_geq(fd, 0);
	cr_expect_eq(got_addr.port, a.port);
	theirs = accept(l, NULL, NULL);
	talk(fd, theirs);
	close(theirs);
	close(fd);
	close(l);
}

Test(control_dial, the_next_address_is_tried)
{
	struct link_addr a[2];
	int l = listener(&a[0]), fd;

	close(l); /* nobody is there any more */
	l = listener(&a[1]);
	cr_assert_eq(dial_addrs(d, a, 2, soon(), &caller, on_done), 0);
	fd = answer();
	cr_assert_geq(fd, 0);
	cr_expect_eq(got_addr.port, a[1].port);
	close(fd);
	close(l);
}

Test(control_dial, nobody_there_is_refused)
{
	struct link_addr a;

	close(listener(&a));
	cr_assert_eq(dial_addrs(d, &a, 1, soon(), &caller, on_done), 0);
	cr_expect_eq(answer(), -ECONNREFUSED);
}

Test(control_dial, a_deadline_that_has_passed)
{
	struct link_addr a;
	int l = listener(&a);

	cr_assert_eq(dial_addrs(d, &a, 1, clock_now_ms() - 1, &caller, on_done), 0);
	cr_expect_eq(answer(), -ETIMEDOUT);
	close(l);
}

Test(control_dial, who_goes_hears_nothing)
{
	struct link_addr a;
	int l = listener(&a);

	cr_assert_eq(dial_addrs(d, &a, 1, soon(), &caller, on_done), 0);
	uv_run(&loop, UV_RUN_NOWAIT);
	dialer_close(d);
	d = NULL;
	uv_run(&loop, UV_RUN_NOWAIT);
	cr_expect_leq(answers, 1);
	if (answers > 0)
		close(got);
	close(l);
}

Test(control_dial, a_unix_socket_answers)
{
	char path[64];
	int l, fd, theirs;

	path_of("s", path, sizeof(path));
	l = unix_listener(path, 4);
	cr_assert_eq(dial_unix(d, path, soon(), &caller, on_done), 0);
	fd = answer();
	cr_assert_geq(fd, 0);
	cr_expect_eq(got_addr.family, 0);
	theirs = accept(l, NULL, NULL);
	talk(fd, theirs);
	close(theirs);
	close(fd);
	close(l);
}

/* The kernel does not let one wait there: it is tried until there is room. */
Test(control_dial, a_queue_that_is_full_is_waited_for)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int l, fd, held[8], n = 0;
	char path[64];

	path_of("s", path, sizeof(path));
	l = unix_listener(path, 0);
	strcpy(sa.sun_path, path);
	for (; n < 8; n++) {
		held[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(held[n], (void *)&sa, sizeof(sa)) < 0)
			break;
	}
	cr_assert_lt(n, 8);
	cr_assert_eq(dial_unix(d, path, soon(), &caller, on_done), 0);
	for (int i = 0; i < 3; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	cr_expect_eq(answers, 0);
	for (int i = 0; i < n; i++)
		close(accept(l, NULL, NULL));
	fd = answer();
	cr_expect_geq(fd, 0);
	close(fd);
	for (int i = 0; i <= n; i++)
		close(held[i]);
	close(l);
}

Test(control_dial, what_is_no_socket_is_refused)
{
	char path[64];
	int fd;

	path_of("none", path, sizeof(path));
	cr_expect_eq(dial_unix(d, path, soon(), &caller, on_done), -ENOENT);
	path_of("plain", path, sizeof(path));
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	cr_expect_eq(dial_unix(d, path, soon(), &caller, on_done), -ECONNREFUSED);
	path_of("own", path, sizeof(path));
	cr_expect_eq(dial_unix(d, path, soon(), &caller, on_done), -ECONNREFUSED);
	cr_expect_eq(answers, 0);
}

/* By whatever way they are named: the signer and the helper listen there. */
Test(control_dial, our_own_sockets_are_nobodys)
{
	char path[64], other[64];
	int l;

	path_of("own/signer.sock", path, sizeof(path));
	l = unix_listener(path, 4);
	cr_expect_eq(dial_unix(d, path, soon(), &caller, on_done), -EACCES);
	path_of("link", other, sizeof(other));
	cr_assert_eq(symlink(path, other), 0);
	cr_expect_eq(dial_unix(d, other, soon(), &caller, on_done), -EACCES);
	path_of("folder", other, sizeof(other));
	cr_assert_eq(symlink("own", other), 0);
	path_of("folder/signer.sock", other, sizeof(other));
	cr_expect_eq(dial_unix(d, other, soon(), &caller, on_done), -EACCES);
	close(l);
}

/* --- rules ----------------------------------------------------------------------------------- */

Test(control_dial, sockets_by_rule)
{
	static const struct {
		enum conf_forwarding allow;
		bool disable, forwarding, permitopen;
		const char *rule, *path;
		bool may;
	} c[] = {
		{CONF_FORWARDING_YES, false, true, false, "/run/x", "/run/x", true},
		{CONF_FORWARDING_LOCAL, false, true, false, "/run/x", "/run/x", true},
		{CONF_FORWARDING_YES, false, true, false, "/run/user/*/s", "/run/user/7/s", true},
		{CONF_FORWARDING_YES, false, true, false, "none", "/run/x", false},
		{CONF_FORWARDING_YES, false, true, false, "/run/x", "/run/xy", false},
		{CONF_FORWARDING_YES, false, true, false, "/run/x", "/run", false},
		{CONF_FORWARDING_YES, false, true, false, "/run/?", "/run/X", true},
		{CONF_FORWARDING_YES, false, true, false, "/run/x", "/run/X", false},
		{CONF_FORWARDING_NO, false, true, false, "/run/x", "/run/x", false},
		{CONF_FORWARDING_YES, true, true, false, "/run/x", "/run/x", false},
		{CONF_FORWARDING_YES, false, false, false, "/run/x", "/run/x", false},
		{CONF_FORWARDING_YES, false, true, true, "/run/x", "/run/x", false},
	};

	for (size_t i = 0; i < N(c); i++) {
		const char *v[] = {c[i].rule};
		struct conf_session conf = {.allow_streamlocal_forwarding = c[i].allow,
					    .disable_forwarding = c[i].disable,
					    .permit_streamlocal = {v, 1}};
		struct policy_grant g = {.port_forwarding = c[i].forwarding};
		const struct policy_rules none = {0};
		struct policy_why why;

		if (c[i].permitopen)
			cr_assert_eq(policy_grant_permit(&g, "db:80"), 0);
		cr_expect_eq(policy_may_open_socket(&conf, &none, &g, c[i].path, &why), c[i].may,
			     "%zu", i);
		cr_expect_not(policy_may_listen_socket(&conf, &g, c[i].path), "%zu", i);
		policy_grant_fini(&g);
	}
}

Test(control_dial, sockets_to_listen_at_by_rule)
{
	static const struct {
		enum conf_forwarding allow;
		bool disable, forwarding, permitlisten;
		const char *rule, *path;
		bool may;
	} c[] = {
		{CONF_FORWARDING_YES, false, true, false, "/run/x", "/run/x", true},
		{CONF_FORWARDING_REMOTE, false, true, false, "/run/*", "/run/x", true},
		{CONF_FORWARDING_LOCAL, false, true, false, "/run/x", "/run/x", false},
		{CONF_FORWARDING_NO, false, true, false, "/run/x", "/run/x", false},
		{CONF_FORWARDING_YES, true, true, false, "/run/x", "/run/x", false},
		{CONF_FORWARDING_YES, false, false, false, "/run/x", "/run/x", false},
		{CONF_FORWARDING_YES, false, true, true, "/run/x", "/run/x", false},
		{CONF_FORWARDING_YES, false, true, false, "none", "/run/x", false},
		{CONF_FORWARDING_YES, false, true, false, "/run/x", "/run/y", false},
	};

	for (size_t i = 0; i < N(c); i++) {
		const char *v[] = {c[i].rule};
		struct conf_session conf = {.allow_streamlocal_forwarding = c[i].allow,
					    .disable_forwarding = c[i].disable,
					    .permit_streamlocal_listen = {v, 1}};
		struct policy_grant g = {.port_forwarding = c[i].forwarding};
		const struct policy_rules none = {0};
		struct policy_why why;

		if (c[i].permitlisten)
			cr_assert_eq(policy_grant_permit_listen(&g, "80"), 0);
		cr_expect_eq(policy_may_listen_socket(&conf, &g, c[i].path), c[i].may, "%zu", i);
		cr_expect_not(policy_may_open_socket(&conf, &none, &g, c[i].path, &why), "%zu", i);
		policy_grant_fini(&g);
	}
}

Test(control_dial, localhost_is_its_two_addresses)
{
	static const struct {
		const char *rule, *addr;
		uint16_t port;
		bool may;
	} c[] = {
		{"localhost:80", "127.0.0.1", 80, true},
		{"localhost:80", "::1", 80, true},
		{"LOCALHOST:80", "127.0.0.1", 80, true},
		{"localhost:*", "::1", 5, true},
		{"localhost:80", "127.0.0.1", 81, false},
		{"localhost:80", "127.0.0.2", 80, false},
		{"localhost:80", "169.254.1.1", 80, false},
		{"localhos:80", "127.0.0.1", 80, false},
		{"*:80", "127.0.0.1", 80, false},
	};

	for (size_t i = 0; i < N(c); i++) {
		const char *v[] = {c[i].rule};
		struct policy_rules r = {.permit_open = {v, 1}};
		struct link_addr a;

		cr_assert(addr_parse(c[i].addr, &a));
		cr_expect_eq(policy_may_reach(&r, &a, c[i].port), c[i].may, "%zu", i);
	}
}

Test(control_dial, loopback_is_the_kernels)
{
	static const struct {
		const char *addr;
		bool is;
	} c[] = {{"127.0.0.1", true},  {"127.9.9.9", true},        {"::1", true},
		 {"128.0.0.1", false}, {"::ffff:127.0.0.1", true}, {"::2", false},
		 {"10.0.0.1", false},  {"fe80::1", false}};

	for (size_t i = 0; i < N(c); i++) {
		struct link_addr a;

		cr_assert(addr_parse(c[i].addr, &a));
		cr_expect_eq(addr_is_loopback(&a), c[i].is, "%s", c[i].addr);
	}
}

/* OpenSSH PROTOCOL section 2.4; what rules cannot compare as text is refused. */
Test(control_dial, paths_of_sockets)
{
	static const struct {
		const char *path;
		bool ok;
	} c[] = {{"/a", true},     {"/run/x.sock", true}, {"/...", true},   {"/a/.b/..c", true},
		 {"", false},      {"/", false},          {"a", false},     {"./a", false},
		 {"/a/", false},   {"//a", false},        {"/a//b", false}, {"/./a", false},
		 {"/a/.", false},  {"/../a", false},      {"/a/..", false}, {"/a/../b", false},
		 {"/a\nb", false}, {"/a\x7f", false}};
	char longest[SSH_SOCKET_PATH_MAX + 2];

	for (size_t i = 0; i < N(c) + 2; i++) {
		const char *path = i < N(c) ? c[i].path : longest;
		bool ok = i < N(c) ? c[i].ok : i == N(c);
		uint8_t buf[2048];
		struct ssh_str back;
		struct ssh_wr w;
		struct ssh_rd r;

		if (i >= N(c)) {
			memset(longest, 'a', sizeof(longest));
			longest[0] = '/';
			longest[SSH_SOCKET_PATH_MAX + (i > N(c))] = '\0';
		}
		ssh_wr_init(&w, buf, sizeof(buf));
		ssh_wr_cstr(&w, path);
		ssh_wr_cstr(&w, "");
		ssh_wr_u32(&w, 0);
		ssh_rd_init(&r, buf, ssh_wr_done(&w));
		cr_expect_eq(ssh_direct_streamlocal_parse(&r, &back) == 0, ok, "%s", path);
		/* A byte more or less is none. */
		ssh_rd_init(&r, buf, ssh_wr_done(&w) - 1);
		cr_expect_lt(ssh_direct_streamlocal_parse(&r, &back), 0);
		ssh_rd_init(&r, buf, ssh_wr_done(&w) + 1);
		cr_expect_lt(ssh_direct_streamlocal_parse(&r, &back), 0);
	}
}
