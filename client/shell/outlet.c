/* client/shell/outlet.c - see outlet.h. */
#include "client/shell/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int outlet_init(struct outlet *o)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	*o = (struct outlet){.from = fd[0], .to = fd[1]};
	return 0;
}

void outlet_fini(struct outlet *o)
{
	if (o->from >= 0)
		close(o->from);
	if (o->to >= 0)
		close(o->to);
	free(o->p);
	*o = (struct outlet){.from = -1, .to = -1};
}

/* Room for some bytes more, up to max in all. False: there is none. */
static bool grow(struct outlet *o, size_t max)
{
	size_t size = o->size > 0 ? 2 * o->size : 4096;
	char *p;

	if (o->n < o->size)
		return true;
	if (o->size == max)
		return false;
	if (size > max)
		size = max;
	p = realloc(o->p, size);
	if (p == NULL)
		return false;
	o->p = p;
	o->size = size;
	return true;
}

/* Every whole line; the first bytes of one where nothing else fits. */
static void lines_write(struct outlet *o, FILE *f, const char *host, bool end)
{
	size_t at = 0;

	while (at < o->n) {
		const char *eol = memchr(o->p + at, '\n', o->n - at);
		size_t n = eol != NULL ? (size_t)(eol - o->p) - at : o->n - at;

		if (eol == NULL && !end && (at > 0 || o->n < OUTLET_LINE_MAX))
			break;
		fprintf(f, "%s: ", host);
		fwrite(o->p + at, 1, n, f);
		fputc('\n', f);
		at += n + (eol != NULL);
	}
	if (at > 0)
		memmove(o->p, o->p + at, o->n - at);
	o->n -= at;
}

void outlet_lines(struct outlet *o, FILE *f, const char *host, bool end)
{
	ssize_t n;

	while (o->from >= 0 && grow(o, OUTLET_LINE_MAX)) {
		n = read(o->from, o->p + o->n, o->size - o->n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		o->n += (size_t)n;
		lines_write(o, f, host, false);
	}
	if (end)
		lines_write(o, f, host, true);
}

void outlet_keep(struct outlet *o)
{
	char nowhere[4096];
	ssize_t n = 1;

	while (o->from >= 0 && (n > 0 || errno == EINTR)) {
		bool room = grow(o, OUTLET_KEPT_MAX);

		n = room ? read(o->from, o->p + o->n, o->size - o->n)
			 : read(o->from, nowhere, sizeof(nowhere));
		if (n == 0)
			return;
		if (n > 0)
			*(room ? &o->n : &o->dropped) += (size_t)n;
	}
}
