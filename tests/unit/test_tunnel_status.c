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

/* --- hosts, of which there are none ---------------------------------------------------------- */

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

int metrics_page(struct tunnel *const *v, size_t n, bool open_metrics, char **ret, size_t *ret_len)
{
	(void)v, (void)n, (void)open_metrics, (void)ret, (void)ret_len;
	return -ENOMEM;
}

void tunnel_stop(struct tunnel *t)
{
	(void)t;
}

void tunnel_reconnect(struct tunnel *t)
{
	(void)t;
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
