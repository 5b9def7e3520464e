/*
 * The socket on which the processes meet: stale and live files, credentials, hello, descriptors.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "link/files.h"
#include "link/msg.h"
#include "link/ring.h"
#include "link/sock.h"

#define NELEM(a) (sizeof(a) / sizeof((a)[0]))

static char dir[] = "/tmp/sluice-link-XXXXXX";
static char path[sizeof(dir) + 16];

static void setup(void)
{
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/link.sock", dir);
}

static void teardown(void)
{
	unlink(path);
	cr_assert_eq(rmdir(dir), 0);
}

TestSuite(link_sock, .init = setup, .fini = teardown);

static int fds_open(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* --- the file ------------------------------------------------------------------------- */

Test(link_sock, only_its_user_may_connect)
{
	int fd = link_listen_socket(path);
	struct stat st;

	cr_assert_geq(fd, 0);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
	cr_expect(fcntl(fd, F_GETFL) & O_NONBLOCK);
	cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

/* F-40: left behind by a process that is gone. */
Test(link_sock, a_stale_file_is_replaced)
{
	int fd = link_listen_socket(path), peer;

	cr_assert_geq(fd, 0);
	close(fd); /* the file stays */
	cr_assert_eq(access(path, F_OK), 0);
	cr_expect_eq(link_connect(path), -ECONNREFUSED);
	fd = link_listen_socket(path);
	cr_assert_geq(fd, 0);
	peer = link_connect(path);
	cr_expect_geq(peer, 0);
	close(peer);
	close(fd);
}

Test(link_sock, a_live_one_is_refused_and_lives_on)
{
	int fd = link_listen_socket(path), peer;

	cr_assert_geq(fd, 0);
	cr_expect_eq(link_listen_socket(path), -EADDRINUSE);
	peer = link_connect(path);
	cr_expect_geq(peer, 0);
	close(peer);
	close(fd);
}

/* One that is alive but too busy to accept is not stale. */
Test(link_sock, a_busy_one_is_live)
{
	int fd = link_listen_socket(path), peers[64], n = 0;

	cr_assert_geq(fd, 0);
	while (n < (int)NELEM(peers) && (peers[n] = link_connect(path)) >= 0)
		n++;
	cr_assert_lt(n, (int)NELEM(peers));
	cr_expect_eq(peers[n], -EAGAIN);
	cr_expect_eq(link_listen_socket(path), -EADDRINUSE);
	while (n > 0)
		close(peers[--n]);
	close(fd);
}

Test(link_sock, a_file_that_is_no_socket_is_left_alone)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	close(fd);
	cr_expect_eq(link_listen_socket(path), -EEXIST);
	cr_expect_eq(access(path, F_OK), 0);
}

Test(link_sock, paths_that_cannot_be)
{
	char longer[256];

	memset(longer, 'a', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	cr_expect_eq(link_listen_socket(longer), -ENAMETOOLONG);
	cr_expect_eq(link_connect(longer), -ENAMETOOLONG);
	cr_expect_eq(link_connect(""), -ENAMETOOLONG);
	cr_expect_eq(link_connect(path), -ENOENT);
	cr_expect_eq(link_listen_socket("/nonexistent/link.sock"), -ENOENT);
}

/* Of two that start at once over a stale file one wins. */
Test(link_sock, two_that_start_at_once)
{
	int fd = link_listen_socket(path), go[2], done[2], status;
	char c = 0;

	close(fd);
	cr_assert_eq(pipe(go), 0);
	cr_assert_eq(pipe(done), 0);
	for (int i = 0; i < 4; i++) {
		if (fork() == 0) {
			int r;

			close(done[1]);
			if (read(go[0], &c, 1) != 1)
				_exit(2);
			r = link_listen_socket(path);
			if (r == -EADDRINUSE)
				_exit(1);
			/* keep listening until all have tried */
			(void)!read(done[0], &c, 1);
			_exit(r >= 0 ? 0 : 2);
		}
	}
	cr_assert_eq(write(go[1], "xxxx", 4), 4);
	for (int i = 0; i < 3; i++) { /* the losers go first */
		wait(&status);
		cr_expect_eq(WEXITSTATUS(status), 1);
	}
	close(done[1]);
	wait(&status);
	cr_expect_eq(WEXITSTATUS(status), 0);
	close(done[0]);
	close(go[0]);
	close(go[1]);
}

/* --- who is there ------------------------------------------------------------------------ */

Test(link_sock, accepts_its_own_user)
{
	int fd = link_listen_socket(path), peer, conn;

	cr_expect_eq(link_accept(fd), -EAGAIN);
	peer = link_connect(path);
	cr_assert_geq(peer, 0);
	conn = link_accept(fd);
	cr_assert_geq(conn, 0);
	cr_expect(fcntl(conn, F_GETFL) & O_NONBLOCK);
	cr_expect(fcntl(conn, F_GETFD) & FD_CLOEXEC);
	close(conn);
	close(peer);
	close(fd);
}

/* Needs root to become two strangers: a listener of one uid, a caller of another. */
Test(link_sock, refuses_another_user)
{
	int fd, status, ready[2];
	pid_t child;

	if (geteuid() != 0)
		cr_skip_test("only root can become another user");
	cr_assert_eq(chmod(dir, 0777), 0);
	cr_assert_eq(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		char c;
		int peer;

		if (read(ready[0], &c, 1) != 1 || setuid(65533) < 0)
			_exit(9);
		peer = link_connect(path); /* the listener is neither us nor root */
		_exit(peer == -EPERM ? 0 : 1);
	}
	cr_assert_eq(seteuid(65534), 0);
	fd = link_listen_socket(path);
	cr_assert_geq(fd, 0);
	cr_assert_eq(seteuid(0), 0);
	cr_assert_eq(chmod(path, 0777), 0); /* so that only the credentials are in the way */
	cr_assert_eq(write(ready[1], "x", 1), 1);
	waitpid(child, &status, 0);
	cr_expect_eq(WEXITSTATUS(status), 0);
	cr_assert_eq(seteuid(65534), 0);
	cr_expect_eq(link_accept(fd), -EPERM);
	cr_assert_eq(seteuid(0), 0);
	close(fd);
	close(ready[0]);
	close(ready[1]);
}

Test(link_sock, takes_root_for_any_user)
{
	int fd, peer, conn;

	if (geteuid() != 0)
		cr_skip_test("only root can become another user");
	cr_assert_eq(chmod(dir, 0777), 0);
	cr_assert_eq(seteuid(65534), 0);
	fd = link_listen_socket(path);
	cr_assert_geq(fd, 0);
	cr_assert_eq(seteuid(0), 0);
	/* Root calls 65534: for root that is a stranger, the other way round it is not. */
	peer = link_connect(path);
	cr_expect_eq(peer, -EPERM);
	cr_assert_eq(seteuid(65534), 0);
	conn = link_accept(fd);
	cr_expect_geq(conn, 0);
	cr_assert_eq(seteuid(0), 0);
	close(conn);
	close(fd);
}

/* --- hello ---------------------------------------------------------------------------------- */

static int pair[2];

static void pair_make(void)
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
		     0);
}

static struct link_hello hello(void)
{
	return (struct link_hello){.magic = LINK_MAGIC,
				   .version = LINK_VERSION,
				   .dataplane = 1,
				   .shards = 1,
				   .start_id = 42,
				   .name = "dp0"};
}

Test(link_hello, goes_across, .init = pair_make)
{
	struct link_hello sent = hello(), got;

	cr_expect_eq(link_hello_recv(pair[1], &got), -EAGAIN);
	cr_assert_eq(link_hello_send(pair[0], &sent), 0);
	cr_assert_eq(link_hello_recv(pair[1], &got), 0);
	cr_expect_eq(memcmp(&sent, &got, sizeof(got)), 0);
	close(pair[0]);
	cr_expect_eq(link_hello_recv(pair[1], &got), -EPIPE);
	cr_expect_eq(link_hello_send(pair[1], &sent), -EPIPE);
}

/* F-39, both ways: older and newer, and one whose hello has another length. */
Test(link_hello, another_version_is_refused, .init = pair_make)
{
	static const uint32_t versions[] = {0, LINK_VERSION - 1, LINK_VERSION + 1, UINT32_MAX};
	uint8_t longer[256] = {0};
	struct link_hello h = hello(), got;

	for (size_t i = 0; i < NELEM(versions); i++) {
		h.version = versions[i];
		cr_assert_eq(link_hello_send(pair[0], &h), 0);
		cr_expect_eq(link_hello_recv(pair[1], &got), -EPROTONOSUPPORT);
	}
	memcpy(longer, &h, sizeof(h));
	cr_assert_eq(send(pair[0], longer, sizeof(longer), 0), sizeof(longer));
	cr_expect_eq(link_hello_recv(pair[1], &got), -EPROTONOSUPPORT);
	cr_assert_eq(send(pair[0], &h, 12, 0), 12);
	cr_expect_eq(link_hello_recv(pair[1], &got), -EPROTONOSUPPORT);
}

Test(link_hello, what_is_no_hello_is_refused, .init = pair_make)
{
	struct link_hello h = hello(), got = {.start_id = 7};
	uint8_t longer[256] = {0};

	for (size_t n = 1; n < sizeof(h); n++) {
		cr_assert_eq(send(pair[0], &h, n, 0), (ssize_t)n);
		cr_expect_eq(link_hello_recv(pair[1], &got), -EPROTO, "%zu", n);
	}
	memcpy(longer, &h, sizeof(h));
	cr_assert_eq(send(pair[0], longer, sizeof(longer), 0), sizeof(longer));
	cr_expect_eq(link_hello_recv(pair[1], &got), -EPROTO);
	h.magic++;
	cr_assert_eq(link_hello_send(pair[0], &h), 0);
	cr_expect_eq(link_hello_recv(pair[1], &got), -EPROTO);
	h = hello();
	h.shards = LINK_SHARDS_MAX + 1;
	cr_assert_eq(link_hello_send(pair[0], &h), 0);
	cr_expect_eq(link_hello_recv(pair[1], &got), -EPROTO);
	h = hello();
	memset(h.name, 'a', sizeof(h.name));
	cr_assert_eq(link_hello_send(pair[0], &h), 0);
	cr_expect_eq(link_hello_recv(pair[1], &got), -EPROTO);
	cr_expect_eq(got.start_id, 7, "written although refused");
}

/* --- descriptors --------------------------------------------------------------------------------
 */

Test(link_shard, descriptors_go_across, .init = pair_make)
{
	struct link_shard_fds fds = {link_shm_create("t"), link_bell_new(), link_bell_new()}, got;
	uint16_t shard = 0;
	void *shm = NULL;
	uint64_t count;

	cr_expect_eq(link_shard_recv(pair[1], &shard, &got), -EAGAIN);
	cr_assert_eq(link_shard_send(pair[0], 3, &fds), 0);
	cr_assert_eq(link_shard_recv(pair[1], &shard, &got), 0);
	cr_expect_eq(shard, 3);
	cr_assert_eq(link_shm_map(got.shm, &shm), 0);
	link_shm_unmap(shm);
	link_bell_ring(got.bell_control);
	link_bell_ring(got.bell_control);
	cr_expect_eq(read(fds.bell_control, &count, sizeof(count)), (ssize_t)sizeof(count));
	cr_expect_eq(count, 2);
	cr_expect_lt(read(fds.bell_dataplane, &count, sizeof(count)), 0);
	cr_expect(fcntl(got.shm, F_GETFD) & FD_CLOEXEC);
}

Test(link_shard, a_full_bell_does_not_wait)
{
	int bell = link_bell_new();
	const uint64_t full = UINT64_MAX - 1;

	cr_assert_eq(write(bell, &full, sizeof(full)), (ssize_t)sizeof(full));
	link_bell_ring(bell);
	link_bell_clear(bell);
	link_bell_clear(bell);
	close(bell);
}

/* Sends len bytes of body with n descriptors. */
static void send_raw(const void *body, size_t len, int n)
{
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(sizeof(int) * 8)];
	} buf = {0};
	struct iovec iov = {(void *)body, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[8];

	if (n > 0) {
		for (int i = 0; i < n; i++)
			fds[i] = STDERR_FILENO;
		msg.msg_control = &buf;
		msg.msg_controllen = CMSG_LEN(sizeof(int) * (size_t)n);
		buf.hdr.cmsg_level = SOL_SOCKET;
		buf.hdr.cmsg_type = SCM_RIGHTS;
		buf.hdr.cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
		memcpy(CMSG_DATA(&buf.hdr), fds, sizeof(int) * (size_t)n);
	}
	cr_assert_eq(sendmsg(pair[0], &msg, 0), (ssize_t)len);
}

/* Too few, too many, the wrong body: refused, and no descriptor is left behind. */
Test(link_shard, what_is_no_shard_is_refused, .init = pair_make)
{
	struct {
		uint64_t magic;
		uint16_t shard, reserved[3];
	} body = {.magic = LINK_MAGIC};
	struct link_shard_fds got;
	uint16_t shard;
	int before = fds_open();

	for (int n = 0; n <= 8; n++) {
		if (n == 3)
			continue;
		send_raw(&body, sizeof(body), n);
		cr_expect_eq(link_shard_recv(pair[1], &shard, &got), -EPROTO, "%d descriptors", n);
	}
	send_raw(&body, sizeof(body) - 1, 3);
	cr_expect_eq(link_shard_recv(pair[1], &shard, &got), -EPROTO);
	body.shard = LINK_SHARDS_MAX;
	send_raw(&body, sizeof(body), 3);
	cr_expect_eq(link_shard_recv(pair[1], &shard, &got), -EPROTO);
	body.shard = 0;
	body.magic++;
	send_raw(&body, sizeof(body), 3);
	cr_expect_eq(link_shard_recv(pair[1], &shard, &got), -EPROTO);
	cr_expect_eq(fds_open(), before);
	close(pair[0]);
	cr_expect_eq(link_shard_recv(pair[1], &shard, &got), -EPIPE);
}

/* Descriptors that come with a hello are nobody's. */
Test(link_shard, a_hello_leaves_no_descriptor_behind, .init = pair_make)
{
	struct link_hello h = hello(), got;
	int before = fds_open();

	send_raw(&h, sizeof(h), 8);
	cr_expect_eq(link_hello_recv(pair[1], &got), 0);
	cr_expect_eq(fds_open(), before);
}

/* --- descriptors for a shard ------------------------------------------------------------------ */

struct fds_body {
	uint64_t magic;
	uint16_t shard, n;
	uint32_t reserved;
	uint64_t token;
};

static struct fds_body fds_body(void)
{
	return (struct fds_body){.magic = LINK_MAGIC ^ 0xfd, .n = 2, .token = 7};
}

Test(link_fds, one_to_three_go_across_with_their_token, .init = pair_make)
{
	const int fds[] = {STDERR_FILENO, STDERR_FILENO, STDERR_FILENO};
	int before = fds_open(), got[LINK_FDS_MAX];
	uint64_t token = 0;
	uint16_t shard = 0;

	cr_expect_eq(link_fds_recv(pair[1], &shard, &token, got), -EAGAIN);
	for (int n = 1; n <= LINK_FDS_MAX; n++) {
		cr_assert_eq(link_fds_send(pair[0], 5, 1000 + (uint64_t)n, fds, (unsigned int)n),
			     0);
		cr_assert_eq(link_fds_recv(pair[1], &shard, &token, got), n);
		cr_expect_eq(shard, 5);
		cr_expect_eq(token, 1000 + (uint64_t)n);
		cr_expect_eq(fds_open(), before + n);
		for (int i = 0; i < n; i++) {
			cr_expect(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
			close(got[i]);
		}
	}
}

Test(link_fds, what_cannot_be_said_is_not_sent, .init = pair_make)
{
	const int fds[] = {STDERR_FILENO, STDERR_FILENO, STDERR_FILENO, STDERR_FILENO};

	cr_expect_eq(link_fds_send(pair[0], 0, 1, fds, 0), -EINVAL);
	cr_expect_eq(link_fds_send(pair[0], 0, 1, fds, 4), -EINVAL);
	cr_expect_eq(link_fds_send(pair[0], 0, 0, fds, 1), -EINVAL);
}

/* Any other number, any field that is wrong: refused, and no descriptor is left behind. */
Test(link_fds, what_is_no_set_is_refused, .init = pair_make)
{
	struct fds_body body = fds_body();
	int before = fds_open(), got[LINK_FDS_MAX];
	uint64_t token;
	uint16_t shard;

	for (int n = 0; n <= 8; n++) {
		if (n == 2)
			continue;
		send_raw(&body, sizeof(body), n);
		cr_expect_eq(link_fds_recv(pair[1], &shard, &token, got), -EPROTO, "%d", n);
	}
	for (size_t i = 0; i < 6; i++) {
		body = fds_body();
		body.magic += i == 0;
		body.shard = i == 1 ? LINK_SHARDS_MAX : 0;
		body.n = i == 2 ? 0 : i == 3 ? 4 : 2;
		body.reserved = i == 4;
		body.token = i != 5;
		send_raw(&body, sizeof(body), 2);
		cr_expect_eq(link_fds_recv(pair[1], &shard, &token, got), -EPROTO, "%zu", i);
	}
	send_raw(&body, sizeof(body) - 1, 2);
	cr_expect_eq(link_fds_recv(pair[1], &shard, &token, got), -EPROTO);
	cr_expect_eq(fds_open(), before);
	close(pair[0]);
	cr_expect_eq(link_fds_recv(pair[1], &shard, &token, got), -EPIPE);
}

/* F-11: a table of descriptors that is full is nobody's fault, and ends nothing. */
Test(link_fds, without_places_the_set_is_lost_and_no_more, .init = pair_make)
{
	const int fds[] = {STDERR_FILENO, STDERR_FILENO, STDERR_FILENO};
	int before, got[LINK_FDS_MAX], one = dup(STDERR_FILENO);
	struct rlimit old, few;
	uint64_t token = 0;
	uint16_t shard;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = (struct rlimit){(rlim_t)one + 2, old.rlim_max}; /* one is free */
	before = fds_open();
	cr_assert_eq(link_fds_send(pair[0], 0, 9, fds, 3), 0);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	cr_expect_eq(link_fds_recv(pair[1], &shard, &token, got), 0);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	cr_expect_eq(token, 9);
	cr_expect_eq(fds_open(), before);
	cr_assert_eq(link_fds_send(pair[0], 0, 10, fds, 1), 0);
	cr_expect_eq(link_fds_recv(pair[1], &shard, &token, got), 1);
}

Test(link_fds, as_many_as_the_hard_limit)
{
	const struct rlimit few = {64, 100};
	struct rlimit now;

	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	cr_expect_eq(link_files_raise(), 100);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &now), 0);
	cr_expect_eq(now.rlim_cur, 100);
	cr_expect_eq(now.rlim_max, 100);
}
