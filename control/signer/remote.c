#include "control/signer/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/count.h"
#include "control/log.h"
#include "crypto/hash.h"

#define START_MS 20000 /* to learn its keys */

struct asked {
	struct asked *next;
	struct timer deadline;
	struct signer_remote *remote;
	uint32_t id;
	struct signer_caller caller;
	signer_done *done;     /* of a signature, */
	signer_opened *opened; /* or of a key */
	size_t len;
	uint8_t bytes[]; /* the request, which a line that was made again is asked too */
};

/* A connection; another one is another line, so that nothing of an old one is taken for new. */
struct line {
	uv_pipe_t pipe;
	struct signer_remote *remote; /* NULL: given up */
	bool known;                   /* it has our keys; nothing is asked of it before */
	uint8_t in[HELPER_FRAME_MAX + 4];
	size_t have;
};

struct signer_remote {
	uv_loop_t *loop;
	struct timers *timers;
	struct line *line; /* NULL: there is none */
	struct line *next; /* to who took its place, until its keys are known */
	bool retired;      /* what listens at path is another */
	signer_renewed *renewed;
	void *arg;
	struct timer renew;          /* to dial again: the next, or while calls wait its own */
	struct asked *asked, **last; /* in the order of asking */
	unsigned int n_asked;
	uint32_t last_id;
	uint8_t keys[32]; /* SHA-256 of HAVE */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

struct out {
	uv_write_t req;
	uint8_t bytes[];
};

/* --- calls that wait ---------------------------------------------------------------------- */

static void asked_remove(struct asked *a)
{
	struct asked **at = &a->remote->asked;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	if (a->remote->last == &a->next)
		a->remote->last = at;
	a->remote->n_asked--;
	timer_cancel(a->remote->timers, &a->deadline);
}

/* There is no answer; err says why. */
static void asked_tell(const struct asked *a, int err)
{
	if (a->opened != NULL)
		a->opened(&a->caller, err, strerror(-err), NULL, NULL);
	else
		a->done(&a->caller, err, NULL, 0);
}

static void asked_over(struct asked *a, int err, struct ssh_str sig)
{
	asked_remove(a);
	if (err < 0)
		asked_tell(a, err);
	else
		a->done(&a->caller, 0, sig.p, sig.len);
	free(a);
}

static void on_late(struct timer *t)
{
	struct asked *a = (struct asked *)(void *)((char *)t - offsetof(struct asked, deadline));

	asked_over(a, -ETIMEDOUT, (struct ssh_str){0});
}

/* --- a line ---------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

/*
 * What was asked has no answer. Callers may ask again at once, or close r when it is the last of
 * its connections that hears: it is not looked at any more.
 */
static void asked_fail(struct signer_remote *r)
{
	struct asked *first = r->asked, *a;

	for (a = first; a != NULL; a = a->next)
		timer_cancel(r->timers, &a->deadline);
	r->asked = NULL;
	r->last = &r->asked;
	r->n_asked = 0;
	while ((a = first) != NULL) {
		first = a->next;
		asked_tell(a, -EPIPE);
		free(a);
	}
}

static void line_close(struct line *l)
{
	l->remote = NULL;
	uv_close((uv_handle_t *)&l->pipe, on_closed);
}

static void renew_later(struct signer_remote *r, uint64_t ms);

static void line_end(struct signer_remote *r, const char *why)
{
	line_close(r->line);
	r->line = NULL;
	if (!r->retired)
		log_line(LOG_L_ERROR, "sluice-signer: %s", why);
}

/* What it was asked whoever listens next is asked again; of one that was replaced nobody is. */
static void line_drop(struct signer_remote *r, const char *why)
{
	line_end(r, why);
	if (r->retired)
		asked_fail(r);
	else if (r->asked != NULL)
		renew_later(r, SIGNER_RENEW_MS);
}

/* Of either kind: that to the next signer is tried again. */
static void line_lost(struct line *l, const char *why)
{
	struct signer_remote *r = l->remote;

	if (l != r->next) {
		line_drop(r, why);
		return;
	}
	r->next = NULL;
	line_close(l);
	renew_later(r, SIGNER_RENEW_MS);
}

static int have_digest(struct ssh_str body, uint8_t ret[32])
{
	const struct hash_piece piece = {body.p, body.len};

	return hash_digest(HASH_SHA256, &piece, 1, ret);
}

static int keys_take(const struct signer_have *m, struct host_keys *ret)
{
	int e = 0;

	for (unsigned int i = 0; e == 0 && i < m->n; i++) {
		e = key_blob_parse(m->blob[i].p, m->blob[i].len, &ret->key[i]);
		ret->n += e == 0;
		if (e == 0 && m->path[i].len > 0) {
			ret->path[i] = strndup((const char *)m->path[i].p, m->path[i].len);
			e = ret->path[i] != NULL ? 0 : -ENOMEM;
		}
		ret->apart[i] = m->apart[i];
		for (unsigned int j = 0; e == 0 && j < m->n_certs[i]; j++)
			e = host_keys_cert(ret, i, m->cert[i][j].p, m->cert[i][j].len);
	}
	return e;
}

static int keys_parse(struct ssh_str body, struct host_keys *ret)
{
	struct host_keys keys = {.n = 0};
	struct signer_have m;
	int e = signer_have_parse(body, &m);

	if (e == 0)
		e = keys_take(&m, &keys);
	if (e < 0)
		host_keys_free(&keys);
	else
		*ret = keys;
	return e;
}

/* NULL: it is late, or was asked for something else. */
static struct asked *asked_find(const struct signer_remote *r, uint32_t id, bool of_key)
{
	struct asked *a = r->asked;

	while (a != NULL && (a->id != id || (a->opened != NULL) != of_key))
		a = a->next;
	return a;
}

static void answer(struct signer_remote *r, struct ssh_str body)
{
	struct signer_answer m;
	struct asked *a;

	if (signer_answer_parse(body, &m) < 0) {
		line_drop(r, "bad message");
		return;
	}
	a = asked_find(r, m.id, false);
	if (a != NULL)
		asked_over(a, m.err, m.sig);
}

static int opened_take(const struct signer_open_answer *m, struct host_keys *ret)
{
	int e = key_blob_parse(m->blob.p, m->blob.len, &ret->key[0]);

	ret->n = e == 0;
	for (unsigned int i = 0; e == 0 && i < m->n_certs; i++)
		e = host_keys_cert(ret, 0, m->cert[i].p, m->cert[i].len);
	return e;
}

static void opened(struct signer_remote *r, struct ssh_str body)
{
	char why[KEYFILE_WHY_MAX + 1] = "";
	struct host_keys key = {.n = 0};
	struct signer_open_answer m;
	struct asked *a;

	if (signer_opened_parse(body, &m) < 0 ||
	    (m.err == 0 && (m.err = opened_take(&m, &key)) < 0 && m.err != -ENOMEM)) {
		host_keys_free(&key);
		line_drop(r, "bad message");
		return;
	}
	a = asked_find(r, m.id, true);
	if (a != NULL) {
		asked_remove(a);
		memcpy(why, m.why.p, m.why.len);
		a->opened(&a->caller, m.err, why, m.err == 0 ? key.key[0] : NULL,
			  m.err == 0 ? &key.chain[0] : NULL);
		free(a);
	}
	host_keys_free(&key);
}

static void retire(struct signer_remote *r);
static void next_known(struct signer_remote *r, struct ssh_str body);
static int asked_send(const struct asked *a);

static void asked_again(struct signer_remote *r)
{
	int e = 0;

	for (const struct asked *a = r->asked; e == 0 && a != NULL; a = a->next)
		e = asked_send(a);
	if (e < 0)
		line_drop(r, "it cannot be asked");
}

/* Of a line that was made again. Other keys are not asked for what these were. */
static void have(struct signer_remote *r, struct ssh_str body)
{
	uint8_t digest[32];

	if (r->line->known) {
		line_drop(r, "bad message");
		return;
	}
	if (have_digest(body, digest) == 0 && memcmp(digest, r->keys, 32) == 0) {
		r->line->known = true;
		asked_again(r);
		return;
	}
	if (r->renewed == NULL || r->next != NULL) {
		line_end(r, "it has other keys now: restart control");
		asked_fail(r);
		return;
	}
	r->retired = true;
	r->next = r->line;
	r->line = NULL;
	asked_fail(r);
	next_known(r, body);
}

static void frame(struct line *l, enum helper_msg type, struct ssh_str body)
{
	struct signer_remote *r = l->remote;

	switch ((enum signer_msg)type) {
	case SIGNER_HAVE:
		if (l == r->next)
			next_known(r, body);
		else
			have(r, body);
		return;
	case SIGNER_DONE:
		if (l == r->line && l->known) {
			answer(r, body);
			return;
		}
		break;
	case SIGNER_OPENED:
		if (l == r->line && l->known) {
			opened(r, body);
			return;
		}
		break;
	case SIGNER_RETIRED:
		if (l == r->line && body.len == 0) {
			retire(r);
			return;
		}
		break;
	default:
		break;
	}
	line_lost(l, "bad message");
}

static void on_room(uv_handle_t *h, size_t wanted, uv_buf_t *ret)
{
	struct line *l = h->data;

	(void)wanted;
	*ret = uv_buf_init((char *)l->in + l->have, (unsigned int)(sizeof(l->in) - l->have));
}

static void on_read(uv_stream_t *st, ssize_t n, const uv_buf_t *buf)
{
	struct line *l = st->data;
	struct ssh_str body;
	enum helper_msg type;
	size_t at = 0, used;
	int e = 0;

	(void)buf;
	if (l->remote == NULL || n == 0)
		return;
	if (n < 0) {
		line_lost(l, "it went away");
		return;
	}
	l->have += (size_t)n;
	while (l->remote != NULL &&
	       (e = helper_frame_parse(l->in + at, l->have - at, &type, &body, &used)) == 0) {
		at += used;
		frame(l, type, body);
	}
	if (l->remote == NULL)
		return;
	if (e == -EBADMSG) {
		line_lost(l, "bad message");
		return;
	}
	memmove(l->in, l->in + at, l->have - at);
	l->have -= at;
}

static void on_written(uv_write_t *req, int status)
{
	struct line *l = req->handle->data;

	free(req); /* its out's first member */
	if (status < 0 && l->remote != NULL)
		line_lost(l, "it does not listen");
}

static int line_send(struct line *l, struct out *o, size_t len)
{
	uv_buf_t buf = uv_buf_init((char *)o->bytes, (unsigned int)len);
	int r = len > 0 ? uv_write(&o->req, (uv_stream_t *)&l->pipe, &buf, 1, on_written)
			: -EMSGSIZE;

	if (r < 0)
		free(o);
	return r;
}

/* A UNIX socket is connected at once or not at all. */
static int dial(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	strcpy(sun.sun_path, path);
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0) {
		int e = -errno;

		close(fd);
		return e;
	}
	return fd;
}

/* Takes the socket. */
static int line_new(struct signer_remote *r, int fd, struct line **ret)
{
	struct line *l = calloc(1, sizeof(*l));
	int e;

	if (l == NULL || uv_pipe_init(r->loop, &l->pipe, 0) < 0) {
		free(l);
		close(fd);
		return -ENOMEM;
	}
	l->pipe.data = l;
	e = uv_pipe_open(&l->pipe, fd);
	if (e < 0)
		close(fd);
	else
		e = uv_read_start((uv_stream_t *)&l->pipe, on_room, on_read);
	if (e < 0) {
		uv_close((uv_handle_t *)&l->pipe, on_closed);
		return e;
	}
	l->remote = r;
	*ret = l;
	return 0;
}

/* Another line, over which the keys are asked for first. */
static int dial_again(struct signer_remote *r, struct line **ret)
{
	int fd = dial(r->path), e;
	struct line *l;
	struct out *o;

	if (fd < 0)
		return fd;
	e = line_new(r, fd, &l);
	if (e < 0)
		return e;
	o = malloc(sizeof(*o) + SIGNER_SMALL);
	e = o != NULL ? line_send(l, o, signer_word_build(o->bytes, SIGNER_SMALL, SIGNER_KEYS))
		      : -ENOMEM;
	if (e < 0) /* nobody would see whose keys it has */
		line_close(l);
	else
		*ret = l;
	return e;
}

static int asked_send(const struct asked *a)
{
	struct out *o = malloc(sizeof(*o) + a->len);

	if (o == NULL)
		return -ENOMEM;
	memcpy(o->bytes, a->bytes, a->len);
	return line_send(a->remote->line, o, a->len);
}

/* --- who takes its place ---------------------------------------------------------------------- */

static void renew_now(struct signer_remote *r)
{
	struct line **line = r->retired ? &r->next : &r->line;

	if (*line == NULL && dial_again(r, line) < 0)
		renew_later(r, SIGNER_RENEW_MS);
}

static void on_renew(struct timer *t)
{
	struct signer_remote *r =
		(struct signer_remote *)(void *)((char *)t - offsetof(struct signer_remote, renew));

	if (r->retired || r->asked != NULL)
		renew_now(r);
}

static void renew_later(struct signer_remote *r, uint64_t ms)
{
	(void)!timer_set(r->timers, &r->renew, clock_now_ms() + ms);
}

static void retire(struct signer_remote *r)
{
	if (r->retired || r->renewed == NULL)
		return;
	r->retired = true;
	renew_now(r);
}

static struct signer_remote *remote_new(uv_loop_t *loop, struct timers *timers, const char *path)
{
	struct signer_remote *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->loop = loop;
	r->timers = timers;
	r->last = &r->asked;
	r->renew.fire = on_renew;
	strcpy(r->path, path);
	return r;
}

/* HAVE of the next: its line and its keys are another's from here on. */
static void next_known(struct signer_remote *r, struct ssh_str body)
{
	struct signer_remote *n = remote_new(r->loop, r->timers, r->path);
	struct host_keys keys;
	int e = n != NULL ? have_digest(body, n->keys) : -ENOMEM;

	if (e == 0)
		e = keys_parse(body, &keys);
	if (e < 0) {
		free(n);
		line_lost(r->next, NULL);
		return;
	}
	n->line = r->next;
	n->line->remote = n;
	n->line->known = true;
	r->next = NULL;
	if (r->renewed(r->arg, n, &keys) < 0) /* else r may be gone */
		renew_later(r, SIGNER_OFFER_MS);
}

void signer_remote_watch(struct signer_remote *r, signer_renewed *renewed, void *arg)
{
	r->renewed = renewed;
	r->arg = arg;
}

/* A request of so many bytes, with the id that was chosen for it. */
static int asked_new(struct signer_remote *r, const uint8_t *bytes, size_t len, struct asked **ret)
{
	struct asked *a;

	if (len == 0)
		return -EMSGSIZE;
	a = calloc(1, sizeof(*a) + len);
	if (a == NULL)
		return -ENOMEM;
	memcpy(a->bytes, bytes, len);
	a->len = len;
	a->remote = r;
	a->id = ++r->last_id;
	a->deadline.fire = on_late;
	*ret = a;
	return 0;
}

unsigned int signer_remote_asked(const struct signer_remote *r)
{
	return r->n_asked;
}

static int may_ask(const struct signer_remote *r)
{
	if (r->n_asked >= SIGNER_ASKED_MAX) {
		control_count(CONTROL_C_SIGNER_ASKED);
		return -EBUSY;
	}
	return r->line == NULL && r->retired ? -EPIPE : 0;
}

/* Takes a, also where it fails. Where nobody is known to have the keys it is asked once somebody
 * has. */
static int asked_go(struct signer_remote *r, struct asked *a, uint64_t deadline_ms,
		    const struct signer_caller *caller)
{
	int e = timer_set(r->timers, &a->deadline, deadline_ms);

	a->caller = *caller;
	if (e == 0 && r->line != NULL && r->line->known)
		e = asked_send(a);
	if (e < 0) {
		timer_cancel(r->timers, &a->deadline);
		free(a);
		return e;
	}
	*r->last = a;
	r->last = &a->next;
	r->n_asked++;
	if (r->line == NULL && !timer_armed(&r->renew))
		renew_now(r);
	return 0;
}

int signer_remote_call(struct signer_remote *r, struct signer_request *m, uint64_t deadline_ms,
		       const struct signer_caller *caller, signer_done *done)
{
	uint8_t bytes[SIGNER_SMALL];
	struct asked *a;
	int e = may_ask(r);

	m->id = r->last_id + 1;
	if (e == 0)
		e = asked_new(r, bytes, signer_request_build(bytes, sizeof(bytes), m), &a);
	if (e < 0)
		return e;
	a->done = done;
	return asked_go(r, a, deadline_ms, caller);
}

int signer_remote_open_key(struct signer_remote *r, const struct host_file *file,
			   uint64_t deadline_ms, const struct signer_caller *caller,
			   signer_opened *done)
{
	struct signer_open_request m = {.id = r->last_id + 1};
	uint8_t bytes[SIGNER_ROOM];
	struct asked *a;
	int e = may_ask(r);

	for (unsigned int i = 0; i < HOST_FILE_FIELDS; i++)
		m.field[i] = ssh_str_c(file->field[i] != NULL ? file->field[i] : "");
	if (e == 0)
		e = asked_new(r, bytes, signer_open_build(bytes, sizeof(bytes), &m), &a);
	if (e < 0)
		return e;
	a->opened = done;
	return asked_go(r, a, deadline_ms, caller);
}

void signer_remote_let_go(struct signer_remote *r, const uint8_t print[32])
{
	struct out *o;

	if (r->line == NULL || !r->line->known)
		return;
	o = malloc(sizeof(*o) + SIGNER_SMALL);
	/* One that hears of it no more finds out by its end. */
	if (o != NULL)
		(void)!line_send(r->line, o, signer_let_go_build(o->bytes, SIGNER_SMALL, print));
}

/* --- the beginning and the end ---------------------------------------------------------------- */

/* Waits for HAVE: nothing is served yet. */
static int learn(int fd, uint8_t *in, struct ssh_str *ret_body)
{
	const struct timeval tv = {START_MS / 1000, 0};
	uint8_t ask[16];
	size_t len = signer_word_build(ask, sizeof(ask), SIGNER_KEYS), have = 0, used;
	enum helper_msg type;
	int e;

	if (send(fd, ask, len, MSG_NOSIGNAL) != (ssize_t)len ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0)
		return -errno;
	while ((e = helper_frame_parse(in, have, &type, ret_body, &used)) == -EAGAIN) {
		ssize_t n = recv(fd, in + have, HELPER_FRAME_MAX + 4 - have, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? -EPIPE : -errno;
		have += (size_t)n;
	}
	return e == 0 && (enum signer_msg)type == SIGNER_HAVE && used == have ? 0 : -EBADMSG;
}

static int open_line(struct signer_remote *r, struct host_keys *ret)
{
	uint8_t *in = malloc(HELPER_FRAME_MAX + 4);
	int fd = dial(r->path), e = fd;
	struct ssh_str body;

	if (in == NULL)
		e = -ENOMEM;
	if (e >= 0)
		e = fcntl(fd, F_SETFL, 0) < 0 ? -errno : 0; /* line_new() undoes it */
	if (e == 0)
		e = learn(fd, in, &body);
	if (e == 0)
		e = have_digest(body, r->keys);
	if (e == 0)
		e = keys_parse(body, ret);
	free(in);
	if (e < 0) {
		if (fd >= 0)
			close(fd);
		return e;
	}
	e = line_new(r, fd, &r->line);
	if (e == 0)
		r->line->known = true;
	return e;
}

int signer_remote_open(uv_loop_t *loop, struct timers *timers, const char *path,
		       struct signer_remote **ret, struct host_keys *ret_keys)
{
	struct signer_remote *r;
	int e;

	if (strlen(path) >= sizeof(r->path))
		return -ENAMETOOLONG;
	r = remote_new(loop, timers, path);
	if (r == NULL)
		return -ENOMEM;
	e = open_line(r, ret_keys);
	if (e < 0) {
		free(r);
		return e;
	}
	*ret = r;
	return 0;
}

void signer_remote_close(struct signer_remote *r)
{
	struct asked *a;

	if (r == NULL)
		return;
	if (r->line != NULL)
		line_close(r->line);
	if (r->next != NULL)
		line_close(r->next);
	timer_cancel(r->timers, &r->renew);
	while ((a = r->asked) != NULL) {
		asked_remove(a);
		free(a);
	}
	free(r);
}
