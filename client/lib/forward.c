/*
 * client/lib/forward.c - global requests: what the server is to listen on, and any other.
 *
 * What was asked for is remembered: a channel the server opens for anything else is refused.
 */
#include "ssh/forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/internal.h"

#define REQUEST_MAX 32768

/* --- requests
 * -------------------------------------------------------------------------------------- */

static int answered(struct sluice *s, void *arg)
{
	const struct request *q = arg;

	(void)s;
	if (!q->done)
		return -EAGAIN;
	return q->ok ? 0 : -SLUICE_E_REQUEST;
}

/* The payload is freed with what it held. */
static int request_build(const char *type, bool want_reply, const void *data, size_t len,
			 uint8_t **ret, size_t *ret_len)
{
	size_t n = strlen(type);
	struct ssh_wr w;
	uint8_t *p;

	if (n == 0 || n > SSH_TYPE_MAX || len > REQUEST_MAX)
		return -EINVAL;
	p = malloc(1 + 4 + n + 1 + len);
	if (p == NULL)
		return -ENOMEM;
	ssh_wr_init(&w, p, 1 + 4 + n + 1 + len);
	ssh_wr_u8(&w, SSH_MSG_GLOBAL_REQUEST);
	ssh_wr_cstr(&w, type);
	ssh_wr_bool(&w, want_reply);
	ssh_wr_bytes(&w, data, len);
	*ret = p;
	*ret_len = ssh_wr_done(&w);
	return 0;
}

/* *ret: the answered request, request_leave(); NULL on error and without an answer. */
static int request(struct sluice *s, const char *type, bool want_reply, const void *data,
		   size_t len, struct request **ret)
{
	struct request *q = NULL;
	uint8_t *p;
	size_t n;
	int r;

	*ret = NULL;
	if (s->state != STATE_UP)
		return s->state == STATE_NONE ? connection_gone(s) : -SLUICE_E_STATE;
	r = request_build(type, want_reply, data, len, &p, &n);
	if (r < 0)
		return r;
	r = want_reply ? global_ask(s, type, p, n, &q) : send_message(s, p, n);
	free(p);
	flush(s);
	if (r < 0 || !want_reply)
		return r;
	r = wait_for(s, answered, q, s->set.operation_timeout);
	if (r == 0) {
		*ret = q;
		return 0;
	}
	request_leave(q);
	if (r == -SLUICE_E_REQUEST && s->state == STATE_NONE)
		return connection_gone(s);
	return r == -SLUICE_E_REQUEST ? fail(s, r, "the server refuses %s", type) : r;
}

int sluice_request(struct sluice *s, const char *type, bool want_reply, const void *data,
		   size_t len, void *buf, size_t size, size_t *ret_len)
{
	struct request *q;
	int r;

	enter(s);
	r = request(s, type, want_reply, data, len, &q);
	if (q != NULL) {
		if (buf != NULL && q->len > 0)
			memcpy(buf, q->data, q->len < size ? q->len : size);
		if (ret_len != NULL)
			*ret_len = q->len;
		request_leave(q);
	}
	leave(s);
	return r;
}

/* --- what is listened on
 * ------------------------------------------------------------------------------ */

static void forward_free(struct forward *f)
{
	free(f->path);
	free(f->addr);
	free(f->to_host);
	free(f);
}

/* A copy in *ret; NULL stays so. False: out of memory. */
static bool copied(char **ret, const char *text)
{
	*ret = text != NULL ? strdup(text) : NULL;
	return text == NULL || *ret != NULL;
}

static int forward_new(struct sluice *s, const struct forward *like, struct forward **ret)
{
	struct forward *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -ENOMEM;
	f->asked = f->port = like->asked;
	f->to_port = like->to_port;
	f->state = FORWARD_WAITS;
	if (!copied(&f->path, like->path) || !copied(&f->addr, like->addr) ||
	    !copied(&f->to_host, like->to_host)) {
		forward_free(f);
		return -ENOMEM;
	}
	STAILQ_INSERT_TAIL(&s->forwards, f, next);
	*ret = f;
	return 0;
}

/* No answer is told to it any more. */
static void unask(struct sluice *s, const struct forward *f)
{
	struct request *q;

	STAILQ_FOREACH(q, &s->globals, next)
	if (q->forward == f)
		q->forward = NULL;
}

void forward_gone(struct sluice *s, struct forward *f, int err)
{
	STAILQ_REMOVE(&s->forwards, f, forward, next);
	unask(s, f);
	f->state = FORWARD_GONE;
	f->err = err;
	if (f->refs == 0)
		forward_free(f);
}

void forwards_fini(struct sluice *s)
{
	while (!STAILQ_EMPTY(&s->forwards))
		forward_gone(s, STAILQ_FIRST(&s->forwards), -SLUICE_E_NOT_CONNECTED);
}

void forwards_begin(struct sluice *s)
{
	struct forward *f, *after;

	for (f = STAILQ_FIRST(&s->forwards); f != NULL; f = after) {
		after = STAILQ_NEXT(f, next);
		/* What a tunnel is to begin with waits for it, whoever logs on before. */
		if (!keep_on(s) && !(keep_made(s) && f->state == FORWARD_WAITS)) {
			forward_gone(s, f, -SLUICE_E_NOT_CONNECTED);
			continue;
		}
		unask(s, f);
		f->state = FORWARD_WAITS;
		f->refused = false;
	}
}

/* Asked for by these words; a port the server chose by that, too. */
static struct forward *forward_find(struct sluice *s, const char *path, const char *addr,
				    uint16_t port)
{
	struct forward *f;

	STAILQ_FOREACH(f, &s->forwards, next)
	if (path != NULL ? f->path != NULL && strcmp(f->path, path) == 0
			 : f->path == NULL && f->port == port && strcmp(f->addr, addr) == 0)
		return f;
	return NULL;
}

/* Some servers name an address of their own: where several would do, whose it is cannot be told. */
const struct forward *forward_for(struct sluice *s, const char *path, const char *addr,
				  uint16_t port)
{
	const struct forward *f = forward_find(s, path, addr, port), *at_port = NULL;
	bool several = false, carried = false;

	if (f != NULL && f->state != FORWARD_WAITS)
		return f;
	STAILQ_FOREACH(f, &s->forwards, next)
	{
		if (path != NULL || f->path != NULL || f->port != port || f->state == FORWARD_WAITS)
			continue;
		several = at_port != NULL;
		carried |= f->to_host != NULL;
		at_port = f;
	}
	return several && carried ? NULL : at_port;
}

static int payload(const struct forward *f, uint8_t buf[SSH_HOST_MAX + 16], size_t *ret_len)
{
	struct ssh_wr w;

	ssh_wr_init(&w, buf, SSH_HOST_MAX + 16);
	if (f->path != NULL)
		ssh_streamlocal_forward_build(&w, ssh_str_c(f->path));
	else
		ssh_tcpip_forward_build(&w,
					&(struct ssh_tcpip_forward){ssh_str_c(f->addr), f->port});
	*ret_len = ssh_wr_done(&w);
	return *ret_len > 0 ? 0 : -EINVAL;
}

int forward_ask(struct sluice *s, struct forward *f)
{
	const char *type = f->path != NULL ? SSH_REQUEST_STREAMLOCAL : SSH_REQUEST_FORWARD;
	uint8_t buf[SSH_HOST_MAX + 16], *p;
	struct request *q;
	size_t len;
	int r = payload(f, buf, &len);

	if (r == 0)
		r = request_build(type, true, buf, len, &p, &len);
	if (r < 0)
		return r;
	f->state = FORWARD_ASKED; /* connections may come before the answer is looked at */
	r = global_ask(s, type, p, len, &q);
	free(p);
	if (r < 0)
		return r;
	q->forward = f;
	request_leave(q);
	flush(s);
	return 0;
}

static int refused(struct sluice *s, const struct forward *f, const char *why)
{
	return fail(s, -SLUICE_E_REQUEST, "%s: %s", f->path != NULL ? f->path : f->addr, why);
}

void forward_answered(struct sluice *s, struct forward *f, bool ok, const uint8_t *data, size_t len)
{
	struct ssh_rd r;
	uint16_t port = f->port;

	ssh_rd_init(&r, data, len);
	if (ok && f->path == NULL && port == 0 &&
	    (ssh_forward_port_parse(&r, &port) < 0 || port == 0)) {
		forward_gone(s, f, refused(s, f, "the server did not say which port"));
	} else if (ok) {
		f->port = port;
		f->state = FORWARD_THERE;
		f->ever = true;
		keep_forwarded(s, f);
	} else if (keep_on(s)) {
		f->state = FORWARD_WAITS;
		f->refused = true; /* for keep_turn(), which may end the connection */
		(void)refused(s, f, "the server does not listen there");
	} else {
		forward_gone(s, f, refused(s, f, "the server does not listen there"));
	}
}

/* --- what programs call
 * ------------------------------------------------------------------------------- */

static int settled(struct sluice *s, void *arg)
{
	const struct forward *f = arg;

	if (f->state == FORWARD_THERE)
		return 0;
	if (f->state == FORWARD_GONE)
		return f->err;
	return s->state == STATE_NONE && !keep_on(s) ? connection_gone(s) : -EAGAIN;
}

/* Waits for it as long as an operation may take, and leaves none behind that it did not get. */
static int forward_wait(struct sluice *s, struct forward *f, uint16_t *ret_port)
{
	int r;

	f->refs++;
	r = wait_for(s, settled, f, s->set.operation_timeout);
	f->refs--;
	if (r == 0 && ret_port != NULL)
		*ret_port = f->port;
	if (f->state != FORWARD_GONE && r < 0 && r != -SLUICE_E_WOULD_BLOCK)
		forward_gone(s, f, r);
	else if (f->state == FORWARD_GONE && f->refs == 0)
		forward_free(f);
	return r;
}

static int forward_request(struct sluice *s, const struct forward *like, uint16_t *ret_port)
{
	uint8_t buf[SSH_HOST_MAX + 16];
	struct forward *f;
	size_t len;
	int r;

	enter(s);
	r = payload(like, buf, &len);
	if (r == 0 && s->state != STATE_UP && !keep_made(s))
		r = s->state == STATE_NONE ? connection_gone(s) : -SLUICE_E_STATE;
	if (r == 0)
		r = forward_new(s, like, &f);
	if (r == 0 && s->state == STATE_UP) {
		r = forward_ask(s, f);
		if (r < 0)
			forward_gone(s, f, r);
	}
	if (r == 0)
		r = keep_made(s) && !keep_on(s) && s->state != STATE_UP
			    ? 0
			    : forward_wait(s, f, ret_port);
	leave(s);
	return r;
}

int sluice_forward_request(struct sluice *s, const char *addr, uint16_t port, uint16_t *ret_port)
{
	const struct forward like = {.addr = (char *)addr, .asked = port, .port = port};

	return forward_request(s, &like, ret_port);
}

int sluice_forward_to(struct sluice *s, const char *addr, uint16_t port, const char *to_host,
		      uint16_t to_port, uint16_t *ret_port)
{
	const struct forward like = {.addr = (char *)addr,
				     .asked = port,
				     .port = port,
				     .to_host = (char *)to_host,
				     .to_port = to_port};

	if (to_host == NULL || *to_host == '\0' || strlen(to_host) > SSH_HOST_MAX)
		return -SLUICE_E_ADDRESS;
	return to_port != 0 ? forward_request(s, &like, ret_port) : -SLUICE_E_PORT;
}

int sluice_forward_request_unix(struct sluice *s, const char *path)
{
	const struct forward like = {.path = (char *)path};

	return forward_request(s, &like, NULL);
}

static int forward_cancel(struct sluice *s, const char *type, const struct forward *like)
{
	struct forward *f = forward_find(s, like->path, like->addr, like->port);
	uint8_t buf[SSH_HOST_MAX + 16];
	struct request *q = NULL;
	size_t len;
	int r = payload(like, buf, &len);

	if (r < 0)
		return r;
	/* The server does not know of it. */
	if (f != NULL && (f->state == FORWARD_WAITS || (s->state != STATE_UP && keep_made(s)))) {
		forward_gone(s, f, -SLUICE_E_REQUEST);
		return 0;
	}
	r = request(s, type, true, buf, len, &q);
	/* It may have gone meanwhile. */
	f = forward_find(s, like->path, like->addr, like->port);
	if (f != NULL && (r == 0 || r == -SLUICE_E_WOULD_BLOCK))
		forward_gone(s, f, -SLUICE_E_REQUEST);
	if (q != NULL)
		request_leave(q);
	return r;
}

int sluice_forward_cancel(struct sluice *s, const char *addr, uint16_t port)
{
	const struct forward like = {.addr = (char *)addr, .port = port};
	int r;

	enter(s);
	r = forward_cancel(s, SSH_REQUEST_CANCEL, &like);
	leave(s);
	return r;
}

int sluice_forward_cancel_unix(struct sluice *s, const char *path)
{
	const struct forward like = {.path = (char *)path};
	int r;

	enter(s);
	r = forward_cancel(s, SSH_REQUEST_CANCEL_STREAMLOCAL, &like);
	leave(s);
	return r;
}
