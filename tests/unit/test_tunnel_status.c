/* Where an agent is asked how it stands: what it keeps for who asks and does not listen. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/tunnel/metrics.h"
#include "client/tunnel/show.h"
#include "client/tunnel/status.h"
#include "client/tunnel/tunnel.h"
#include "tests/util/nofile.h"

TestSuite(tunnel_status, .timeout = 60);

/* --- hosts, of which nothing is told but their numbers --------------------------------------- */

json_t *show_tunnel(const struct tunnel *t, uint64_t now_ms)
{
	(void)t, (void)now_ms;
	return NULL;
}

json_t *show_channels(const struct tunnel *t)
{
	(void)t;
	return NULL;
}

struct tunnel_past tunnel_past(const struct tunnel *t)
{
	return t->past;
}

void tunnel_stop(struct tunnel *t)
{
	(void)t;
}

void tunnel_reconnect(struct tunnel *t)
{
	(void)t;
}

bool tunnel_forward_cancel(struct tunnel *t, const char *listen)
{
	(void)t, (void)listen;
	return false;
}

/* --- what is kept for a client -----------------------------------------------------------------
 */

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);

static size_t most;

void *__wrap_realloc(void *p, size_t size)
{
	most = size > most ? size : most;
	return __real_realloc(p, size);
}

static void one_turn(struct status *s, struct turn *t)
{
	turn_begin(t);
	status_prepare(s, t);
	turn_within(t, 0);
	cr_assert_geq(turn_wait(t), 0);
	status_go(s, t);
}

static int reach(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(un.sun_path, path);
	cr_assert_eq(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

#define EVENTS 16 /* in a turn */

/* Follows, EVENTS behind in each turn but as many taken: it is never at the end of them. */
Test(tunnel_status, who_follows_from_far_behind_has_no_more_kept_than_may_wait)
{
	static char much[1024], taken[EVENTS * sizeof(much)];
	char dir[] = "/tmp/sluice-status-XXXXXX", path[64];
	struct status s = {0};
	struct turn turn = {0};
	size_t all = 0;
	json_t *event;
	int fd;

	memset(much, 'x', sizeof(much) - 10); /* a line of {"e":"..."} is 1024 bytes */
	event = json_pack("{s:s}", "e", much);
	cr_assert_not_null(event);
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/status", dir);
	cr_assert_eq(status_open(&s, path, NULL), 0);
	fd = reach(path);
	cr_assert_eq(send(fd, "follow\n", 7, MSG_NOSIGNAL), 7);
	for (int i = 0; i < 300; i++) {
		ssize_t n;

		one_turn(&s, &turn);
		for (int k = 0; i > 2 && k < EVENTS; k++)
			status_event(&s, event);
		n = i > 24 ? recv(fd, taken, sizeof(taken), 0) : 0;
		all += n > 0 ? (size_t)n : 0;
	}
	cr_expect_gt(all, 8u * STATUS_OUT_MAX);
	cr_expect_gt(most, STATUS_OUT_MAX / 4, "it was never behind");
	cr_expect_leq(most, STATUS_OUT_MAX + 64 * 1024, "%zu", most);
	json_decref(event);
	close(fd);
	status_close(&s);
	turn_fini(&turn);
	rmdir(dir);
}

static void prepare(struct status *s, struct turn *t, uint64_t now_ms)
{
	t->n = 0;
	t->timeout_ms = -1;
	t->now_ms = now_ms;
	status_prepare(s, t);
}

/* The one descriptor that is waited for is ready. */
static void go(struct status *s, struct turn *t)
{
	cr_assert_eq(t->n, 1);
	t->v[0].revents = POLLIN;
	status_go(s, t);
}

Test(tunnel_status, a_door_without_descriptors_rests)
{
	char dir[] = "/tmp/sluice-status-XXXXXX", path[64];
	struct status s = {0};
	struct turn turn = {0};
	struct rlimit was;
	int fd;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/status", dir);
	cr_assert_eq(status_open(&s, path, NULL), 0);
	fd = reach(path);
	nofile_begin(&was);
	prepare(&s, &turn, 5000);
	go(&s, &turn);
	prepare(&s, &turn, 5000 + LISTEN_REST_MS - 1);
	cr_expect_eq(turn.n, 0);
	cr_expect_eq(turn.timeout_ms, 1);
	nofile_over(&was);
	prepare(&s, &turn, 5000 + LISTEN_REST_MS);
	go(&s, &turn);
	prepare(&s, &turn, 5000 + LISTEN_REST_MS);
	cr_expect_eq(turn.n, 2, "its door, and who came");
	close(fd);
	status_close(&s);
	turn_fini(&turn);
	rmdir(dir);
}

/* --- who has how much time, which is the test's own ------------------------------------------ */

struct room {
	char dir[32], socket[64], web[64];
	struct status s;
	struct turn turn;
	uint64_t now_ms;
};

static void room_open(struct room *r)
{
	*r = (struct room){.dir = "/tmp/sluice-status-XXXXXX", .now_ms = 1000000};
	cr_assert_not_null(mkdtemp(r->dir));
	snprintf(r->socket, sizeof(r->socket), "%s/status", r->dir);
	snprintf(r->web, sizeof(r->web), "%s/web", r->dir);
	cr_assert_eq(status_open(&r->s, r->socket, r->web), 0);
}

static void room_close(struct room *r)
{
	status_close(&r->s);
	turn_fini(&r->turn);
	rmdir(r->dir);
}

/* ms later there is a turn. How long the loop would have waited for the next one; -1: for ever. */
static int later(struct room *r, uint64_t ms)
{
	int wait;

	r->now_ms += ms;
	for (int i = 0; i < 2; i++) {
		turn_begin(&r->turn);
		r->turn.now_ms = r->now_ms;
		status_prepare(&r->s, &r->turn);
		wait = r->turn.timeout_ms;
		turn_within(&r->turn, 0);
		cr_assert_geq(turn_wait(&r->turn), 0);
		r->turn.now_ms = r->now_ms;
		status_go(&r->s, &r->turn);
	}
	return wait;
}

static int come(struct room *r, const char *path, const char *says)
{
	int fd = reach(path);

	later(r, 0);
	cr_assert_eq(send(fd, says, strlen(says), MSG_NOSIGNAL), (ssize_t)strlen(says));
	later(r, 0);
	return fd;
}

static bool is_there(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

Test(tunnel_status, a_request_that_comes_by_and_by_has_its_time)
{
	const char *const how[] = {"G", "s"};
	struct room r;

	room_open(&r);
	for (int web = 0; web < 2; web++) {
		int fd = come(&r, web ? r.web : r.socket, web ? "G" : "s");

		for (int i = 0; i < 9; i++) {
			cr_expect_leq(later(&r, STATUS_REQUEST_MS / 10), STATUS_REQUEST_MS);
			cr_assert_eq(send(fd, how[web], 1, MSG_NOSIGNAL), 1);
		}
		later(&r, STATUS_REQUEST_MS / 10 - 1);
		cr_expect(is_there(fd), "%d", web);
		later(&r, 1);
		cr_expect_not(is_there(fd), "%d", web);
		cr_expect_eq(r.s.late, (uint64_t)web + 1);
		close(fd);
	}
	room_close(&r);
}

Test(tunnel_status, who_says_nothing_has_his_time_and_who_follows_all_of_it)
{
	struct room r;
	int silent, web, follows;
	char line[256];

	room_open(&r);
	follows = come(&r, r.socket, "follow\n");
	cr_assert_gt(recv(follows, line, sizeof(line), 0), 0);
	silent = come(&r, r.socket, "");
	web = come(&r, r.web, "");
	later(&r, STATUS_REQUEST_MS);
	cr_expect_not(is_there(web), "who comes for a page asks for it");
	later(&r, STATUS_IDLE_MS - STATUS_REQUEST_MS - 1);
	cr_expect(is_there(silent));
	later(&r, 1);
	cr_expect_not(is_there(silent));
	cr_expect_eq(later(&r, 24 * 3600 * 1000), -1, "nobody else has an end");
	cr_expect(is_there(follows));
	cr_expect_eq(r.s.late, 2);
	close(silent);
	close(web);
	close(follows);
	room_close(&r);
}

/* Requests that are whole are as many as one likes, on one connection, for as long as he likes. */
Test(tunnel_status, each_request_has_a_time_of_its_own)
{
	struct room r;
	char line[256];
	int fd;

	room_open(&r);
	fd = come(&r, r.socket, "sta");
	for (int i = 0; i < 100; i++) {
		later(&r, STATUS_REQUEST_MS - 1);
		cr_assert_eq(send(fd, "tus\nsta", 7, MSG_NOSIGNAL), 7);
		later(&r, 0);
		cr_assert_gt(recv(fd, line, sizeof(line), 0), 0, "%d", i);
	}
	cr_expect_eq(r.s.late, 0);
	close(fd);
	room_close(&r);
}

#define HOSTS 2000 /* the page of these does not go into a socket at once */

static struct tunnel host = {.name = "a-host-of-some-length.example.org"};
static struct tunnel *many[HOSTS * 20];

static void hosts_set(struct room *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		many[i] = &host;
	r->s.v = many;
	r->s.n = n;
}

static void little_is_taken(struct room *r, const char *path, const char *asks)
{
	char some[512];
	int fd = come(r, path, asks);
	uint64_t before = r->s.late;

	for (uint64_t at = 0; at < STATUS_ANSWER_MS - 1000; at += 1000) {
		cr_assert_gt(recv(fd, some, sizeof(some), 0), 0);
		later(r, 1000);
		cr_assert_eq(r->s.late, before);
	}
	later(r, 1000);
	cr_expect_eq(r->s.late, before + 1);
	close(fd);
}

Test(tunnel_status, an_answer_that_is_taken_by_and_by_has_its_time)
{
	struct room r;

	room_open(&r);
	hosts_set(&r, HOSTS);
	little_is_taken(&r, r.web, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	room_close(&r);
}

/* Who follows is as slow as he is, while he takes something. */
Test(tunnel_status, a_follower_is_slow_for_as_long_as_he_takes_something)
{
	static char much[1024], taken[128 * 1024];
	struct room r;
	json_t *event;
	int fd;

	memset(much, 'x', sizeof(much) - 10);
	event = json_pack("{s:s}", "e", much);
	room_open(&r);
	fd = come(&r, r.socket, "follow\n");
	for (int i = 0; i < 1000; i++)
		status_event(&r.s, event);
	for (int i = 0; i < 20; i++) {
		later(&r, STATUS_ANSWER_MS - 1);
		cr_assert_gt(recv(fd, taken, sizeof(taken), 0), 0, "%d", i);
		for (int k = 0; k < 1000; k++)
			status_event(&r.s, event);
		later(&r, 0);
	}
	cr_expect_eq(r.s.late, 0);
	later(&r, STATUS_ANSWER_MS);
	cr_expect_eq(r.s.late, 1);
	json_decref(event);
	close(fd);
	room_close(&r);
}

static bool is_answered(int fd, const char *status)
{
	char head[64] = "";

	return recv(fd, head, sizeof(head) - 1, MSG_DONTWAIT) > 0 && strstr(head, status) != NULL;
}

Test(tunnel_status, pages_have_a_bound_together)
{
	static const char get[] = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
	struct room r;
	int fd[3];

	room_open(&r);
	hosts_set(&r, HOSTS * 8); /* two of these are more than there may be */
	for (size_t i = 0; i < 3; i++)
		fd[i] = come(&r, r.web, get);
	cr_expect(is_answered(fd[0], " 200 "));
	cr_expect(is_answered(fd[1], " 503 "));
	cr_expect(is_answered(fd[2], " 503 "));
	cr_expect_eq(r.s.refused, 2);
	cr_expect_lt(most, STATUS_PAGES_MAX + 64 * 1024, "%zu", most);
	for (size_t i = 0; i < 3; i++)
		close(fd[i]);
	later(&r, 0);

	hosts_set(&r, HOSTS * 20); /* nor may one be */
	fd[0] = come(&r, r.web, get);
	cr_expect(is_answered(fd[0], " 503 "));
	hosts_set(&r, 1);
	fd[1] = come(&r, r.web, get);
	cr_expect(is_answered(fd[1], " 200 "), "what is over is room again");
	close(fd[0]);
	close(fd[1]);
	room_close(&r);
}

Test(tunnel_status, who_finds_no_place_is_counted_and_takes_nobodys)
{
	int fd[STATUS_CLIENTS_MAX / 2], other;
	struct room r;
	char line[256];

	room_open(&r);
	for (size_t i = 0; i < STATUS_CLIENTS_MAX / 2; i++)
		fd[i] = come(&r, r.web, "");
	other = reach(r.web);
	later(&r, 0);
	cr_expect_not(is_there(other));
	close(other);
	cr_expect_eq(r.s.refused, 1);
	other = come(&r, r.socket, "status\n");
	cr_assert_gt(recv(other, line, sizeof(line) - 1, 0), 0);
	cr_expect_not_null(strstr(line, "\"refused\":1,\"late\":0"));
	for (size_t i = 0; i < STATUS_CLIENTS_MAX / 2; i++)
		close(fd[i]);
	close(other);
	room_close(&r);
}
