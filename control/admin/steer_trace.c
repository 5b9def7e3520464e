/*
 * control/admin/steer_trace.c - what passes on one connection, for who asks: a socket pair, of
 * which the shard has one end and he the other.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/admin/steer.h"

struct trace_wish {
	uint64_t uid;
	uint32_t time_ms, messages;
};

static int trace_over(struct answer *a, struct answer_text *out)
{
	a->more = NULL;
	if (a->pass == 0)
		return answer_error("there is no such connection, or it cannot be looked at", out);
	steer_said(a, "connection %s, %s s, %s messages", request_word(&a->request, 1),
		   request_word(&a->request, 2), request_word(&a->request, 3));
	return answer_text_line(out, json_pack("{s:i, s:s, s:I}", "v", ANSWER_VERSION, "did",
					       "trace", "uid", (json_int_t)a->filter.uid));
}

/* NUMBER SECONDS MESSAGES, where none is 0. */
static bool trace_words(const struct request *q, struct trace_wish *ret)
{
	static const uint64_t most[] = {INT64_MAX, LINK_TRACE_MS_MAX / 1000,
					LINK_TRACE_MESSAGES_MAX};
	uint64_t n[3];

	for (unsigned int i = 0; i < 3; i++) {
		const char *word = request_word(q, i + 1);

		if (!request_number(word, strlen(word), most[i], &n[i]) || n[i] == 0)
			return false;
	}
	*ret = (struct trace_wish){n[0], (uint32_t)n[1] * 1000, (uint32_t)n[2]};
	return true;
}

/* The caller's end of a socket whose other end the shard has; or -errno. */
static int trace_one(const struct answer *a, const struct session_view *v)
{
	struct trace_wish w;
	int pair[2], r;

	if (!trace_words(&a->request, &w))
		return -EINVAL;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	r = session_trace(v->session, pair[0], w.messages, w.time_ms);
	close(pair[0]);
	if (r < 0)
		close(pair[1]);
	return r < 0 ? r : pair[1];
}

static int trace_walk(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	unsigned int looked = 0;
	struct session_view v;
	int r;

	while ((r = answer_next_session(a, env, &looked, &v)) == 0) {
		int fd = a->pass == 0 ? trace_one(a, &v) : -EEXIST;

		if (fd >= 0)
			a->pass = fd + 1;
	}
	return r == -ENOENT ? trace_over(a, out) : 0;
}

/* Its descriptor goes to who asks: what it carries does not pass by here. */
int steer_trace(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	struct trace_wish w;

	(void)env;
	if (!trace_words(&a->request, &w))
		return answer_error("a trace is of one connection, 1 to 3600 seconds, 1 to 1000000 "
				    "messages",
				    out);
	a->filter = (struct request_filter){.has_uid = true, .uid = w.uid};
	a->more = trace_walk;
	return 0;
}
