/*
 * control/ctl/trace.c - messages of one connection, as its shard lets them be seen: as text, or as
 * a capture file. They come from the shard itself; control passes the descriptor.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "control/ctl/ctl.h"
#include "control/ctl/pcapng.h"
#include "link/tee.h"
#include "ssh/show.h"

#define TIME_DEFAULT     "60s"
#define MESSAGES_DEFAULT "10000"
#define ANSWER_MAX       4096

struct trace {
	const struct ctl *c;
	FILE *file; /* NULL: text */
	uint64_t began_us;
	uint64_t messages, lost;
	bool whole;
	size_t have;
	uint8_t in[sizeof(struct tee_head) + TEE_BODY_MAX];
};

/* The answer's line, and with it the descriptor. 1, or a failure that was said. */
static int hear(const struct ctl *c, int fd, char line[ANSWER_MAX], int *ret)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	size_t len = 0;

	*ret = -1;
	while (len == 0 || line[len - 1] != '\n') {
		struct iovec iov = {line + len, ANSWER_MAX - 1 - len};
		struct msghdr msg = {.msg_iov = &iov,
				     .msg_iovlen = 1,
				     .msg_control = control.room,
				     .msg_controllen = sizeof(control.room)};
		ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
		struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || iov.iov_len == 0) {
			fprintf(stderr, "sluicectl: %s: no answer\n", c->socket);
			return -1;
		}
		if (h != NULL && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS &&
		    h->cmsg_len == CMSG_LEN(sizeof(int)) && *ret < 0)
			memcpy(ret, CMSG_DATA(h), sizeof(int));
		len += (size_t)n;
	}
	line[len] = '\0';
	return 1;
}

/* The descriptor of what was asked for, or CTL_* negated. */
static int ask(const struct ctl *c, const char *request)
{
	char line[ANSWER_MAX];
	const char *err;
	int fd = ctl_connect(c), tee = -1, r = -1;
	json_t *v = NULL;

	if (fd < 0)
		return -CTL_UNREACHED;
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request))
		r = hear(c, fd, line, &tee);
	close(fd);
	if (r < 0)
		return -CTL_UNREACHED;
	v = json_loads(line, 0, NULL);
	err = json_string_value(json_object_get(v, "error"));
	if (tee < 0)
		fprintf(stderr, "sluicectl: %s\n", err != NULL ? err : "what it said is no answer");
	json_decref(v);
	return tee >= 0 ? tee : -CTL_REFUSED;
}

static void print(struct trace *t, const struct tee_head *h, const uint8_t *p, uint32_t n,
		  uint32_t len)
{
	const char *name = ssh_show_name(n > 0 ? p[0] : 0);
	char fields[SSH_SHOW_TEXT], number[16];

	snprintf(number, sizeof(number), "%u", n > 0 ? p[0] : 0u);
	ssh_show_fields(p, n, fields);
	printf("%llu.%06llu %-3s %s len=%u%s\n", (unsigned long long)(h->at_us / 1000000),
	       (unsigned long long)(h->at_us % 1000000), h->kind == TEE_MSG_IN ? "in" : "out",
	       name != NULL ? name : number, len, fields);
	(void)fflush(stdout);
	(void)t;
}

static void frame(struct trace *t, const struct tee_head *h, const uint8_t *body)
{
	struct tee_msg m;
	struct tee_end end;

	if (h->kind == TEE_END) {
		memcpy(&end, body, sizeof(end));
		t->lost = end.lost;
		t->whole = true;
	}
	if (h->kind != TEE_MSG_IN && h->kind != TEE_MSG_OUT)
		return;
	memcpy(&m, body, sizeof(m));
	t->messages++;
	if (t->file != NULL)
		pcapng_packet(t->file, t->began_us + h->at_us, h->kind == TEE_MSG_IN,
			      body + sizeof(m), h->len - (uint32_t)sizeof(m), m.len);
	else
		print(t, h, body + sizeof(m), h->len - (uint32_t)sizeof(m), m.len);
}

/* Until the shard has said the end. */
static int follow(struct trace *t, int fd)
{
	struct tee_head h;
	ssize_t got;
	int n = 0;

	while (n == 0 && (got = read(fd, t->in + t->have, sizeof(t->in) - t->have)) > 0) {
		size_t at = 0;

		t->have += (size_t)got;
		for (; (n = tee_parse(t->in + at, t->have - at, &h)) > 0; at += (size_t)n)
			frame(t, &h, t->in + at + sizeof(h));
		t->have -= at;
		memmove(t->in, t->in + at, t->have);
	}
	if (!t->whole)
		fprintf(stderr, "sluicectl: the trace was cut off\n");
	else
		fprintf(stderr, "%llu messages%s\n", (unsigned long long)t->messages,
			t->lost > 0 ? "; some are missing, as they were not read in time" : "");
	return t->whole ? CTL_OK : CTL_REFUSED;
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int ctl_trace(const struct ctl *c, const char *conn)
{
	char time_[32], request[256];
	struct trace *t;
	FILE *file = NULL;
	int fd, r;

	if (ctl_seconds(c->lasting != NULL ? c->lasting : TIME_DEFAULT, time_) == NULL) {
		fprintf(stderr, "sluicectl: a time is a number with s, m, h or d\n");
		return CTL_USAGE;
	}
	r = snprintf(request, sizeof(request), "trace %s %s %s\n", conn, time_,
		     c->messages != NULL ? c->messages : MESSAGES_DEFAULT);
	if (r < 0 || (size_t)r >= sizeof(request))
		return CTL_USAGE;
	if (c->pcapng != NULL && (file = fopen(c->pcapng, "wxe")) == NULL) {
		fprintf(stderr, "sluicectl: %s: %s\n", c->pcapng, strerror(errno));
		return CTL_REFUSED;
	}
	fd = ask(c, request);
	t = fd >= 0 ? calloc(1, sizeof(*t)) : NULL;
	r = fd < 0 ? -fd : CTL_REFUSED;
	if (t != NULL) {
		*t = (struct trace){.c = c, .file = file, .began_us = now_us()};
		if (file != NULL)
			pcapng_begin(file, SSH_SHOW_MAX);
		r = follow(t, fd);
	}
	if (fd >= 0)
		close(fd);
	free(t);
	if (file != NULL && fclose(file) != 0) {
		fprintf(stderr, "sluicectl: %s: %s\n", c->pcapng, strerror(errno));
		r = CTL_REFUSED;
	}
	return r;
}
