/* control/console/gateway.c - see gateway.h. */
#include "control/console/gateway.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "control/service/fd_take.h"

#define ANSWER_MAX (8u << 20)
#define PIECE      65536

static struct {
	int fd;            /* with control; -1: none */
	bool asked;        /* for one */
	unsigned int owed; /* answers that nobody waited for: they come first */
	char *buf;
	size_t len, size;
} g = {.fd = -1};

static volatile sig_atomic_t interrupted;

struct patience {
	uint64_t word_ms, until_ms;
	bool said;
};

/* Why there is none: for good, or of this one. */
enum outcome { ANSWERED, LOST, GIVEN_UP, OVER };

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void gateway_interrupt(void)
{
	interrupted = 1;
}

static bool readable(int fd, struct patience *p)
{
	while (!interrupted) {
		struct pollfd in = {fd, POLLIN, 0};
		uint64_t now = now_ms(), next = p->said ? p->until_ms : p->word_ms;
		int n = poll(&in, 1, next > now ? (int)(next - now) : 0);

		if (n > 0)
			return true;
		if (n < 0 && errno != EINTR)
			return false;
		if (now_ms() < next)
			continue;
		if (p->said)
			return false;
		fprintf(stderr, "The gateway does not answer yet; an interrupt ends the wait.\n");
		p->said = true;
	}
	return false;
}

/* --- its socket ---------------------------------------------------------------------------------
 */

static enum outcome join(struct patience *p)
{
	if (!g.asked && send(HELPER_FD, "", 1, MSG_NOSIGNAL) != 1)
		return OVER;
	g.asked = true;
	if (!readable(HELPER_FD, p))
		return GIVEN_UP;
	g.asked = false;
	g.fd = fd_take(HELPER_FD);
	return g.fd >= 0 ? ANSWERED : OVER;
}

static enum outcome lose(void)
{
	close(g.fd);
	g.fd = -1;
	g.owed = 0;
	g.len = 0;
	return LOST;
}

/* --- a question and its answer ------------------------------------------------------------------
 */

static enum outcome say(const char *word)
{
	char line[32];
	int n = snprintf(line, sizeof(line), "%s\n", word);

	return send(g.fd, line, (size_t)n, MSG_NOSIGNAL) == n ? ANSWERED : lose();
}

/* The first line of what came, if all of it has; an owed one is nobody's. */
static char *line_take(size_t from)
{
	const char *end = g.len > from ? memchr(g.buf + from, '\n', g.len - from) : NULL;
	char *line = NULL;
	size_t n;

	if (end == NULL)
		return NULL;
	n = (size_t)(end - g.buf) + 1;
	if (g.owed == 0)
		line = strndup(g.buf, n - 1);
	else
		g.owed--;
	g.len -= n;
	memmove(g.buf, g.buf + n, g.len);
	return line != NULL || g.len == 0 ? line : line_take(0);
}

static enum outcome give_up(void)
{
	g.owed++;
	return GIVEN_UP;
}

static bool room_make(void)
{
	char *more;

	if (g.len < g.size)
		return true;
	more = g.size < ANSWER_MAX ? realloc(g.buf, g.size + PIECE) : NULL;
	if (more == NULL) {
		g.len = 0; /* the rest of it is as owed as all of it */
		return false;
	}
	g.buf = more;
	g.size += PIECE;
	return true;
}

static enum outcome hear(struct patience *p, char **ret)
{
	for (;;) {
		const size_t had = g.len;
		ssize_t n;

		if (!room_make() || !readable(g.fd, p))
			return give_up();
		n = recv(g.fd, g.buf + g.len, g.size - g.len, MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return lose();
		g.len += (size_t)n;
		*ret = line_take(had);
		if (*ret != NULL)
			return ANSWERED;
	}
}

static enum outcome ask(const char *word, struct patience *p, char **ret)
{
	enum outcome r = g.fd >= 0 ? ANSWERED : join(p);

	if (r == ANSWERED)
		r = say(word);
	return r == ANSWERED ? hear(p, ret) : r;
}

char *gateway_ask(const char *word)
{
	const uint64_t now = now_ms();
	struct patience p = {now + GATEWAY_WORD_MS, now + GATEWAY_WAIT_MS, false};
	char *line = NULL;
	enum outcome r;

	interrupted = 0;
	do
		r = ask(word, &p, &line);
	while (r == LOST);
	if (r == GIVEN_UP)
		fprintf(stderr, "The gateway did not answer.\n");
	else if (r == OVER)
		fprintf(stderr, "The gateway does not tell any more: log in again.\n");
	return line;
}
