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

static struct forward *forward_find(struct sluice *s, const char *path, uint16_t port)
{
	struct forward *f;

	STAILQ_FOREACH(f, &s->forwards, next)
	if (path != NULL ? f->path != NULL && strcmp(f->path, path) == 0
			 : f->path == NULL && f->port == port)
		return f;
	return NULL;
}

bool forward_asked(struct sluice *s, const char *path, uint16_t port)
{
	return forward_find(s, path, port) != NULL;
}

static void forward_free(struct forward *f)
{
	free(f->path);
	free(f);
}

static int forward_add(struct sluice *s, const char *path, uint16_t port)
{
	struct forward *f = forward_find(s, path, port);

	if (f != NULL) {
		f->n++;
		return 0;
	}
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return -ENOMEM;
	f->n = 1;
	f->port = port;
	f->path = path != NULL ? strdup(path) : NULL;
	if (path != NULL && f->path == NULL) {
		free(f);
		return -ENOMEM;
	}
	STAILQ_INSERT_TAIL(&s->forwards, f, next);
	return 0;
}

static void forward_drop(struct sluice *s, const char *path, uint16_t port)
{
	struct forward *f = forward_find(s, path, port);

	if (f == NULL || --f->n > 0)
		return;
	STAILQ_REMOVE(&s->forwards, f, forward, next);
	forward_free(f);
}

void forwards_fini(struct sluice *s)
{
	struct forward *f;

	while ((f = STAILQ_FIRST(&s->forwards)) != NULL) {
		STAILQ_REMOVE_HEAD(&s->forwards, next);
		forward_free(f);
	}
}

/* A port the server chose is in the answer alone, which a program that does not wait gets later. */
void forward_answered(struct sluice *s, const char *type, bool ok, const uint8_t *data, size_t len)
{
	struct ssh_rd r;
	uint16_t port;

	if (!ok || strcmp(type, SSH_REQUEST_FORWARD) != 0)
		return;
	ssh_rd_init(&r, data, len);
	if (ssh_forward_port_parse(&r, &port) == 0 && port != 0 && !forward_asked(s, NULL, port))
		(void)forward_add(s, NULL, port);
}

static int tcpip_request(struct sluice *s, const char *type, const char *addr, uint16_t port,
			 struct request **ret)
{
	const struct ssh_tcpip_forward m = {ssh_str_c(addr), port};
	uint8_t buf[SSH_HOST_MAX + 16];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_tcpip_forward_build(&w, &m);
	if (ssh_wr_done(&w) == 0)
		return -EINVAL;
	return request(s, type, true, buf, ssh_wr_done(&w), ret);
}

int sluice_forward_request(struct sluice *s, const char *addr, uint16_t port, uint16_t *ret_port)
{
	struct request *q = NULL;
	struct ssh_rd rd;
	uint16_t chosen = port;
	int r = 0;

	enter(s);
	if (port != 0) /* connections may come before the answer is looked at */
		r = forward_add(s, NULL, port);
	if (r == 0) {
		r = tcpip_request(s, SSH_REQUEST_FORWARD, addr, port, &q);
		if (r < 0 && r != -SLUICE_E_WOULD_BLOCK && port != 0)
			forward_drop(s, NULL, port);
	}
	if (q != NULL) {
		ssh_rd_init(&rd, q->len > 0 ? q->data : (const uint8_t *)"", q->len);
		if (port == 0 && ssh_forward_port_parse(&rd, &chosen) < 0)
			r = fail(s, -SLUICE_E_REQUEST, "the server did not say which port");
		request_leave(q);
	}
	if (r == 0 && ret_port != NULL)
		*ret_port = chosen;
	leave(s);
	return r;
}

int sluice_forward_cancel(struct sluice *s, const char *addr, uint16_t port)
{
	struct request *q = NULL;
	int r;

	enter(s);
	r = tcpip_request(s, SSH_REQUEST_CANCEL, addr, port, &q);
	if (r == 0 || r == -SLUICE_E_WOULD_BLOCK)
		forward_drop(s, NULL, port);
	if (q != NULL)
		request_leave(q);
	leave(s);
	return r;
}

static int streamlocal_request(struct sluice *s, const char *type, const char *path)
{
	uint8_t buf[SSH_HOST_MAX + 8];
	struct request *q = NULL;
	struct ssh_wr w;
	int r;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_streamlocal_forward_build(&w, ssh_str_c(path));
	if (ssh_wr_done(&w) == 0)
		return -EINVAL;
	r = request(s, type, true, buf, ssh_wr_done(&w), &q);
	if (q != NULL)
		request_leave(q);
	return r;
}

int sluice_forward_request_unix(struct sluice *s, const char *path)
{
	int r;

	enter(s);
	r = forward_add(s, path, 0);
	if (r == 0) {
		r = streamlocal_request(s, SSH_REQUEST_STREAMLOCAL, path);
		if (r < 0 && r != -SLUICE_E_WOULD_BLOCK)
			forward_drop(s, path, 0);
	}
	leave(s);
	return r;
}

int sluice_forward_cancel_unix(struct sluice *s, const char *path)
{
	int r;

	enter(s);
	r = streamlocal_request(s, SSH_REQUEST_CANCEL_STREAMLOCAL, path);
	if (r == 0 || r == -SLUICE_E_WOULD_BLOCK)
		forward_drop(s, path, 0);
	leave(s);
	return r;
}
