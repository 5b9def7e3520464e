/* client/shell/mux_msg.c - see mux_msg.h. */
#include "client/shell/mux_msg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto/base64.h"

static const struct {
	const char *name;
	enum mux_do what;
} kinds[] = {
	{"check", MUX_CHECK},     {"exit", MUX_EXIT},       {"stop", MUX_STOP},
	{"resize", MUX_RESIZE},   {"forward", MUX_FORWARD}, {"cancel", MUX_CANCEL},
	{"session", MUX_SESSION}, {"stdio", MUX_STDIO},
};

static const struct {
	const char *name;
	enum forward_kind kind;
} forwards[] = {{"local", FORWARD_LOCAL}, {"remote", FORWARD_REMOTE}, {"dynamic", FORWARD_DYNAMIC}};

/* --- texts --------------------------------------------------------------------------------- */

json_t *mux_text(const char *text)
{
	json_t *o = json_string(text);
	size_t n = strlen(text);
	char *code = o == NULL ? malloc(base64_len(n)) : NULL;

	if (code != NULL) {
		base64_encode((const uint8_t *)text, n, code);
		o = json_pack("{s:s#}", "base64", code, (int)base64_len(n));
	}
	free(code);
	return o;
}

/* As long as o. NULL: it is none. */
static const char *text_read(json_t *o)
{
	const char *code = json_string_value(json_object_get(o, "base64"));
	size_t n = code != NULL ? strlen(code) : 0, len;
	uint8_t *bytes = code != NULL ? malloc(n + 1) : NULL;
	json_t *text = NULL;

	if (bytes != NULL && base64_decode(code, n, bytes, n, &len) == 0 &&
	    memchr(bytes, '\0', len) == NULL)
		text = json_stringn_nocheck((const char *)bytes, len);
	free(bytes);
	if (text != NULL && json_object_set_new(o, "text", text) < 0)
		text = NULL;
	return json_string_value(code != NULL ? text : o);
}

/* --- a request ----------------------------------------------------------------------------- */

static bool forward_read(struct mux_request *q)
{
	const char *kind, *spec;

	if (json_unpack(q->o, "{s:s, s:s}", "kind", &kind, "spec", &spec) < 0)
		return false;
	for (size_t i = 0; i < sizeof(forwards) / sizeof(forwards[0]); i++)
		if (strcmp(kind, forwards[i].name) == 0)
			return forward_parse(forwards[i].kind, spec, &q->forward) == 0;
	return false;
}

static bool session_read(struct mux_request *q)
{
	int subsystem = 0, tty = 0, agent = 0, x11 = 0;
	json_t *env = NULL, *command = NULL, *term = NULL, *entry;
	size_t i;

	q->term = "";
	q->escape = -1;
	if (json_unpack(q->o, "{s?o, s?o, s?o, s?i, s?b, s?b, s?b, s?b}", "command", &command,
			"term", &term, "env", &env, "escape", &q->escape, "subsystem", &subsystem,
			"tty", &tty, "agent", &agent, "x11", &x11) < 0)
		return false;
	if ((command != NULL && (q->command = text_read(command)) == NULL) ||
	    (term != NULL && (q->term = text_read(term)) == NULL))
		return false;
	q->subsystem = subsystem;
	q->tty = tty;
	q->agent = agent;
	q->x11 = x11;
	if ((q->subsystem && q->command == NULL) || q->escape < -1 || q->escape > 255 ||
	    json_array_size(env) > MUX_ENV_MAX)
		return false;
	json_array_foreach(env, i, entry)
	{
		q->env[i] = text_read(entry);
		if (q->env[i] == NULL)
			return false;
	}
	return true;
}

static bool stdio_read(struct mux_request *q)
{
	const char *target = text_read(json_object_get(q->o, "target"));

	return target != NULL && forward_target_parse(target, &q->forward.target) == 0;
}

int mux_request_read(const char *text, size_t len, struct mux_request *ret)
{
	struct mux_request q = {.o = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL)};
	const char *name = json_string_value(json_object_get(q.o, "do"));
	bool ok = name != NULL;

	for (size_t i = 0; ok && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(name, kinds[i].name) == 0)
			q.what = kinds[i].what;
	if (q.what == MUX_FORWARD || q.what == MUX_CANCEL)
		ok = forward_read(&q);
	else if (q.what == MUX_SESSION)
		ok = session_read(&q);
	else if (q.what == MUX_STDIO)
		ok = stdio_read(&q);
	if (!ok || q.what == 0) {
		json_decref(q.o);
		return -EBADMSG;
	}
	*ret = q;
	return 0;
}

void mux_request_fini(struct mux_request *q)
{
	json_decref(q->o);
	q->o = NULL;
}

/* --- on the way ---------------------------------------------------------------------------- */

union control {
	char buf[CMSG_SPACE(MUX_FDS * sizeof(int))];
	struct cmsghdr align;
};

int mux_send(int fd, json_t *o, const int *fds)
{
	char *text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
	struct iovec iov = {text, text != NULL ? strlen(text) : 0};
	union control control = {0};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	int r = 0;

	json_decref(o);
	if (text == NULL)
		return -ENOMEM;
	if (fds != NULL) {
		struct cmsghdr *c;

		m.msg_control = control.buf;
		m.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&m);
		*c = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
				      .cmsg_type = SCM_RIGHTS,
				      .cmsg_len = CMSG_LEN(MUX_FDS * sizeof(int))};
		memcpy(CMSG_DATA(c), fds, MUX_FDS * sizeof(int));
	}
	if (iov.iov_len > MUX_MESSAGE_MAX)
		r = -EMSGSIZE;
	else if (sendmsg(fd, &m, MSG_NOSIGNAL) < 0)
		r = -errno;
	free(text);
	return r;
}

void mux_fds_close(int fds[MUX_FDS])
{
	for (size_t i = 0; i < MUX_FDS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

ssize_t mux_receive(int fd, char buf[MUX_MESSAGE_MAX + 1], int fds[MUX_FDS])
{
	struct iovec iov = {buf, MUX_MESSAGE_MAX};
	union control control = {0};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.buf,
			   /* Not CMSG_SPACE(): what that rounds up is room for one more. */
			   .msg_controllen = CMSG_LEN(MUX_FDS * sizeof(int))};
	struct cmsghdr *c;
	ssize_t n;

	for (size_t i = 0; i < MUX_FDS; i++)
		fds[i] = -1;
	n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&m);
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	if ((m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		mux_fds_close(fds);
		return -EMSGSIZE;
	}
	buf[n] = '\0';
	return n;
}

bool mux_peer_ok(int fd)
{
	struct ucred u;
	socklen_t len = sizeof(u);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &len) == 0 &&
	       (u.uid == geteuid() || u.uid == 0);
}

bool mux_address(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(ret->sun_path))
		return false;
	strcpy(ret->sun_path, path);
	return true;
}
