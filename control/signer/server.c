#include "control/signer/server.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/log.h"
#include "control/signer/proto.h"

#define BACKLOG    8
#define REPLACE_MS 20000 /* to make room */

struct peer {
	uv_pipe_t pipe;
	struct signer_server *server;
	struct peer *next;
	uint64_t serial; /* an answer finds it by this */
	unsigned int pending;
	unsigned int holder; /* of keys it has opened */
	uint8_t in[SIGNER_ROOM];
	size_t have;
};

struct signer_server {
	uv_pipe_t listener;
	struct signer *signer;
	uint64_t (*now_ms)(void);
	uid_t client;
	struct peer *peers;
	unsigned int n_peers, open; /* handles the loop still holds */
	uint64_t last_serial;
	uint8_t holders; /* a bit for each peer that is there */
	bool retired; /* another listens, or is about to */
	void (*idle)(void *arg);
	void *idle_arg;
	/* For who cannot be served: the loop hears of nobody until who came was accepted. */
	uv_pipe_t refused;
	bool refusing, waiting; /* it is being closed, and another one came meanwhile */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

struct out {
	uv_write_t req;
	uint8_t bytes[];
};

static void let_go(struct signer_server *s)
{
	if (--s->open == 0)
		free(s);
}

static void on_peer_closed(uv_handle_t *h)
{
	struct peer *p = h->data;
	struct signer_server *s = p->server;

	free(p);
	if (s->retired && s->n_peers == 0 && s->idle != NULL)
		s->idle(s->idle_arg);
	let_go(s);
}

static void peer_close(struct peer *p)
{
	struct peer **at = &p->server->peers;

	if (uv_is_closing((uv_handle_t *)&p->pipe))
		return;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	p->server->n_peers--;
	if (p->holder < SIGNER_HOLDERS) {
		p->server->holders &= (uint8_t) ~(1u << p->holder);
		signer_let_go_all(p->server->signer, p->holder);
	}
	uv_close((uv_handle_t *)&p->pipe, on_peer_closed);
}

static void on_written(uv_write_t *req, int status)
{
	struct peer *p = req->handle->data;

	free(req); /* its out's first member */
	if (status < 0 && status != UV_ECANCELED)
		peer_close(p);
}

/* Who asks and asks and reads nothing is hung up on. */
static void peer_send(struct peer *p, struct out *o, size_t len)
{
	uv_stream_t *st = (uv_stream_t *)&p->pipe;
	uv_buf_t buf = uv_buf_init((char *)o->bytes, (unsigned int)len);

	if (len == 0 || uv_stream_get_write_queue_size(st) > SIGNER_UNREAD_MAX ||
	    uv_write(&o->req, st, &buf, 1, on_written) < 0) {
		free(o);
		peer_close(p);
	}
}

static void answer(struct peer *p, const struct signer_answer *m)
{
	size_t size = 64 + m->sig.len;
	struct out *o = malloc(sizeof(*o) + size);

	if (o == NULL)
		peer_close(p);
	else
		peer_send(p, o, signer_answer_build(o->bytes, size, m));
}

static void have(struct peer *p)
{
	struct out *o = malloc(sizeof(*o) + HELPER_FRAME_MAX);

	if (o == NULL)
		peer_close(p);
	else
		peer_send(p, o, signer_have_build(o->bytes, HELPER_FRAME_MAX, p->server->signer));
}

/* --- requests -------------------------------------------------------------------------------- */

static struct peer *peer_of(const struct signer_caller *caller)
{
	struct signer_server *s = caller->arg;
	struct peer *p = s->peers;

	while (p != NULL && p->serial != caller->conn.serial)
		p = p->next;
	return p;
}

static void on_signed(const struct signer_caller *caller, int err, const uint8_t *sig, size_t len)
{
	struct signer_answer m = {caller->id, err, {sig, (uint32_t)len}};
	struct peer *p = peer_of(caller);

	if (p == NULL)
		return;
	p->pending--;
	answer(p, &m);
}

/* The key that is meant; NULL: there is none. */
static const struct key *key_of(const struct peer *p, const struct signer_request *m)
{
	struct signer *signer = p->server->signer;

	if (m->kind == SIGNER_SIGN_NAMED || m->kind == SIGNER_PROVE_NAMED)
		return signer_named(signer, m->print.p, p->holder);
	return m->key < signer_count(signer) ? signer_public(signer, m->key) : NULL;
}

static int request(struct peer *p, const struct signer_request *m)
{
	struct signer_server *s = p->server;
	struct signer_caller caller = {.arg = s, .conn.serial = p->serial, .id = m->id};
	uint64_t by = s->now_ms() + SIGNER_ANSWER_MS;
	char alg[64];
	const struct key *pub = key_of(p, m);

	if (pub == NULL)
		return -ENOENT;
	if (p->pending >= SIGNER_PENDING_MAX || m->sig_alg.len >= sizeof(alg))
		return -EBUSY;
	memcpy(alg, m->sig_alg.p, m->sig_alg.len);
	alg[m->sig_alg.len] = '\0';
	if (m->kind == SIGNER_PROVE || m->kind == SIGNER_PROVE_NAMED)
		return signer_prove(s->signer, pub, alg, m->data.p, m->data.len, by, &caller,
				    on_signed);
	return signer_sign(s->signer, pub, alg, m->data.p, m->data.len, m->rekey, by, &caller,
			   on_signed);
}

static void opened_answer(struct peer *p, const struct signer_open_answer *m)
{
	size_t size = 64 + m->why.len + m->blob.len;
	struct out *o;

	for (unsigned int i = 0; i < m->n_certs; i++)
		size += 4 + m->cert[i].len;
	o = malloc(sizeof(*o) + size);
	if (o == NULL)
		peer_close(p);
	else
		peer_send(p, o, signer_opened_build(o->bytes, size, m));
}

static void on_opened(const struct signer_caller *caller, int err, const char *why,
		      const struct key *pub, const struct host_chain *chain)
{
	struct signer_open_answer m = {.id = caller->id, .err = err, .why = ssh_str_c(why)};
	struct peer *p = peer_of(caller);
	uint8_t print[32];
	size_t len;

	if (p == NULL)
		return;
	p->pending--;
	if (err == 0 && signer_print(pub, print) == 0) {
		(void)signer_named(p->server->signer, print, p->holder);
		m.blob.p = key_blob(pub, &len);
		m.blob.len = (uint32_t)len;
		m.n_certs = chain->n;
	} else if (err == 0) {
		m.err = -ENOMEM;
	}
	for (unsigned int i = 0; i < m.n_certs; i++)
		m.cert[i] = (struct ssh_str){chain->cert[i].der, (uint32_t)chain->cert[i].len};
	opened_answer(p, &m);
}

static int open_key(struct peer *p, const struct signer_open_request *m)
{
	struct signer_server *s = p->server;
	struct signer_caller caller = {.arg = s, .conn.serial = p->serial, .id = m->id};
	char text[HOST_FILE_FIELDS][HOST_FILE_TEXT_MAX + 1];
	struct host_file file = {{NULL}};

	if (p->pending >= SIGNER_PENDING_MAX)
		return -EBUSY;
	for (unsigned int i = 0; i < HOST_FILE_FIELDS; i++) {
		if (m->field[i].len == 0)
			continue;
		memcpy(text[i], m->field[i].p, m->field[i].len);
		text[i][m->field[i].len] = '\0';
		file.field[i] = text[i];
	}
	return signer_open(s->signer, &file, s->now_ms() + SIGNER_ANSWER_MS, &caller, on_opened);
}

static void open_frame(struct peer *p, struct ssh_str body)
{
	struct signer_open_answer no = {.why = ssh_str_c("")};
	struct signer_open_request m;

	if (signer_open_parse(body, &m) < 0) {
		peer_close(p);
		return;
	}
	p->pending++; /* it may be answered at once */
	no.id = m.id;
	no.err = open_key(p, &m);
	if (no.err == 0)
		return;
	p->pending--;
	no.why = ssh_str_c(no.err == -EXDEV ? "there is no HostKeyFolder" : strerror(-no.err));
	opened_answer(p, &no);
}

static void let_go_frame(struct peer *p, struct ssh_str body)
{
	uint8_t print[32];

	if (signer_let_go_parse(body, print) < 0)
		peer_close(p);
	else
		signer_let_go(p->server->signer, print, p->holder);
}

static void word(struct peer *p, enum signer_msg kind)
{
	struct out *o = malloc(sizeof(*o) + 16);

	if (o == NULL)
		peer_close(p);
	else
		peer_send(p, o, signer_word_build(o->bytes, 16, kind));
}

static void on_closed(uv_handle_t *h);

/* It has waited long enough: nobody would come to where room is made. */
static bool gave_up(const struct peer *p)
{
	uv_os_fd_t fd;
	uint8_t b;

	return uv_fileno((const uv_handle_t *)&p->pipe, &fd) == 0 &&
	       recv(fd, &b, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Those who ask find out; the one that said so sees by its end that there is room. */
static void retire(struct peer *by)
{
	struct signer_server *s = by->server;
	struct peer *next;

	if (!s->retired) {
		s->retired = true;
		(void)unlink(s->path);
		uv_close((uv_handle_t *)&s->listener, on_closed);
		log_line(LOG_L_INFO,
			 "Another sluice-signer takes over; those who ask keep this one.");
	}
	for (struct peer *p = s->peers; p != NULL; p = next) {
		next = p->next;
		if (p != by)
			word(p, SIGNER_RETIRED);
	}
	peer_close(by);
}

static void frame(struct peer *p, enum helper_msg type, struct ssh_str body)
{
	struct signer_request m;
	struct signer_answer no = {.sig = {(const uint8_t *)"", 0}};

	if ((enum signer_msg)type == SIGNER_KEYS && body.len == 0) {
		have(p);
	} else if ((enum signer_msg)type == SIGNER_RETIRE && body.len == 0) {
		if (gave_up(p))
			peer_close(p);
		else
			retire(p);
	} else if ((enum signer_msg)type == SIGNER_OPEN) {
		open_frame(p, body);
	} else if ((enum signer_msg)type == SIGNER_LET_GO) {
		let_go_frame(p, body);
	} else if (signer_request_parse((enum signer_msg)type, body, &m) < 0) {
		peer_close(p);
	} else {
		no.id = m.id;
		no.err = request(p, &m);
		if (no.err < 0)
			answer(p, &no);
		else
			p->pending++;
	}
}

static void on_room(uv_handle_t *h, size_t wanted, uv_buf_t *ret)
{
	struct peer *p = h->data;

	(void)wanted;
	*ret = uv_buf_init((char *)p->in + p->have, (unsigned int)(sizeof(p->in) - p->have));
}

static void on_read(uv_stream_t *st, ssize_t n, const uv_buf_t *buf)
{
	struct peer *p = st->data;
	struct ssh_str body;
	enum helper_msg type;
	size_t used;
	int r = 0;

	(void)buf;
	if (n <= 0) {
		if (n < 0)
			peer_close(p);
		return;
	}
	p->have += (size_t)n;
	while (!uv_is_closing((uv_handle_t *)st) &&
	       (r = helper_frame_parse(p->in, p->have, &type, &body, &used)) == 0) {
		frame(p, type, body);
		memmove(p->in, p->in + used, p->have - used);
		p->have -= used;
	}
	/* No request is as long as the room for one. */
	if (r == -EBADMSG || p->have == sizeof(p->in))
		peer_close(p);
}

/* --- connections ----------------------------------------------------------------- */

static bool peer_ok(const struct peer *p)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	uv_os_fd_t fd;

	return uv_fileno((const uv_handle_t *)&p->pipe, &fd) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       (cred.uid == 0 || cred.uid == p->server->client);
}

static void refuse(struct signer_server *s);

static void on_refused(uv_handle_t *h)
{
	struct signer_server *s = h->data;

	s->refusing = false;
	if (s->waiting && !uv_is_closing((uv_handle_t *)&s->listener))
		refuse(s);
	let_go(s);
}

/* Takes the connection and hangs up, without any memory for it. */
static void refuse(struct signer_server *s)
{
	s->waiting = s->refusing;
	if (s->refusing || uv_pipe_init(s->listener.loop, &s->refused, 0) < 0)
		return;
	s->refused.data = s;
	s->refusing = true;
	s->open++;
	(void)uv_accept((uv_stream_t *)&s->listener, (uv_stream_t *)&s->refused);
	uv_close((uv_handle_t *)&s->refused, on_refused);
}

/* SIGNER_HOLDERS: there is no place, as there are SIGNER_PEERS_MAX. */
static unsigned int holder_take(struct signer_server *s)
{
	unsigned int i = 0;

	_Static_assert(SIGNER_HOLDERS == SIGNER_PEERS_MAX, "one each");
	while (i < SIGNER_HOLDERS && (s->holders >> i & 1) != 0)
		i++;
	if (i < SIGNER_HOLDERS)
		s->holders |= (uint8_t)(1u << i);
	return i;
}

static void on_connection(uv_stream_t *st, int status)
{
	struct signer_server *s = st->data;
	struct peer *p;

	if (status < 0)
		return;
	p = calloc(1, sizeof(*p));
	if (p == NULL || uv_pipe_init(st->loop, &p->pipe, 0) < 0) {
		free(p);
		refuse(s);
		return;
	}
	p->pipe.data = p;
	p->server = s;
	p->serial = ++s->last_serial;
	p->holder = holder_take(s);
	p->next = s->peers;
	s->peers = p;
	s->n_peers++;
	s->open++;
	if (uv_accept(st, (uv_stream_t *)&p->pipe) < 0 || s->n_peers > SIGNER_PEERS_MAX ||
	    !peer_ok(p) || uv_read_start((uv_stream_t *)&p->pipe, on_room, on_read) < 0)
		peer_close(p);
}

/* A socket that nobody listens on any more is in the way; one that is used is not taken. */
static int make_way(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	strcpy(sun.sun_path, path);
	r = connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0 ? -EADDRINUSE : 0;
	close(fd);
	if (r == 0)
		(void)unlink(path);
	return r;
}

static void on_closed(uv_handle_t *h)
{
	let_go(h->data);
}

void signer_server_on_idle(struct signer_server *s, void (*idle)(void *arg), void *arg)
{
	s->idle = idle;
	s->idle_arg = arg;
}

/* It closes the connection once it does not listen any more. */
static int ask_to_retire(int fd)
{
	const struct timeval tv = {REPLACE_MS / 1000, 0};
	uint8_t buf[16];
	size_t len = signer_word_build(buf, sizeof(buf), SIGNER_RETIRE);
	ssize_t n;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0 ||
	    send(fd, buf, len, MSG_NOSIGNAL) != (ssize_t)len)
		return -errno;
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0 || (n < 0 && errno == EINTR))
		;
	return n == 0 ? 0 : -errno;
}

int signer_server_replace(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd, r;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	strcpy(sun.sun_path, path);
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0)
		r = errno == ENOENT || errno == ECONNREFUSED ? 0 : -errno;
	else
		r = ask_to_retire(fd);
	close(fd);
	return r;
}

int signer_server_new(uv_loop_t *loop, struct signer *signer, uint64_t (*now_ms)(void),
		      const char *path, uid_t client, struct signer_server **ret)
{
	struct signer_server *s;
	mode_t before;
	int r;

	if (strlen(path) >= sizeof(s->path))
		return -ENAMETOOLONG;
	r = make_way(path);
	if (r < 0)
		return r;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->signer = signer;
	s->now_ms = now_ms;
	s->client = client;
	strcpy(s->path, path);
	r = uv_pipe_init(loop, &s->listener, 0);
	if (r < 0) {
		free(s);
		return r;
	}
	s->open = 1;
	s->listener.data = s;
	before = umask(0177);
	r = uv_pipe_bind(&s->listener, path);
	umask(before);
	if (r == 0)
		r = uv_listen((uv_stream_t *)&s->listener, BACKLOG, on_connection);
	if (r < 0) {
		signer_server_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

void signer_server_close(struct signer_server *s)
{
	if (s == NULL)
		return;
	s->idle = NULL;
	while (s->peers != NULL)
		peer_close(s->peers);
	if (s->retired)
		return;
	(void)unlink(s->path);
	uv_close((uv_handle_t *)&s->listener, on_closed);
}
