#include "tests/util/softplane.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "link/ring.h"
#include "link/sock.h"
#include "ssh/chan.h"
#include "ssh/err.h"
#include "ssh/flat.h"
#include "ssh/msg.h"
#include "ssh/phase.h"
#include "ssh/window.h"

#define CONNS      128
#define CHANS      128
#define READ_MAX   32768
#define OUT_MAX    (1 << 20) /* sealed and not yet written: targets are not read beyond it */
#define UNANSWERED 16
#define TARGET_MAX (4 << 20)
#define TYPES      160

struct held {
	struct held *next;
	size_t len;
	uint8_t bytes[];
};

struct chan {
	int conn; /* -1: free */
	int fd;
	uint32_t peer_channel;
	uint64_t token;
	struct ssh_rwin rwin;
	struct ssh_swin swin;
	uint8_t *to_target;
	size_t to_len;
	bool eof_in, eof_in_done, eof_out, close_in, close_out;
	uint64_t from_peer, to_peer;
};

struct conn {
	bool used;
	int fd;
	struct link_handle h;
	struct ssh_flat flat;
	bool ident_done, await_keys, in_kex, kexed, authenticated, rekey_told, ending;
	struct held *held, **held_last;
	unsigned int unanswered, unanswered_bytes;
	int cause;
};

struct softplane {
	char path[108];
	int link_fd, listen_fd, peer_fd, stop_fd;
	uint16_t port;
	struct link_hello hello;
	bool up;
	void *shm;
	struct link_shard_fds fds;
	struct link_producer tx;
	struct link_consumer rx;
	struct cipher_engine *engine;
	struct conn conn[CONNS];
	struct chan chan[CHANS];
	uint32_t generation;
	uint64_t audit_id;
	struct link_authenticated limits;
	struct link_caps caps;
	struct link_shares shares;
	struct link_flight flight;
	atomic_uint seen[TYPES], attached;
	pthread_mutex_t lock; /* guards what follows */
	struct link_chan_connect last_connect;
	bool have_connect;
	struct held *inject;
	_Alignas(uint64_t) uint8_t msg[LINK_MSG_MAX];
};

/* --- up -------------------------------------------------------------------------------- */

static void event(struct softplane *sp, const struct link_handle *h, enum link_type type,
		  const void *body, size_t body_len, const void *tail, size_t tail_len)
{
	uint8_t head[512];
	struct link_hdr hdr = {.len = (uint32_t)(sizeof(hdr) + body_len + tail_len),
			       .type = (uint16_t)type};

	if (!sp->up)
		return;
	if (h != NULL)
		hdr.conn = *h;
	memcpy(head, &hdr, sizeof(hdr));
	memcpy(head + sizeof(hdr), body, body_len);
	while (link_tx(&sp->tx, head, sizeof(hdr) + body_len, tail, tail_len) == -EAGAIN)
		usleep(100);
	if (link_tx_needs_bell(&sp->tx))
		link_bell_ring(sp->fds.bell_control);
}

static void seal(struct conn *c, const void *payload, size_t len)
{
	const uint8_t *p = payload;

	if (ssh_flat_send(&c->flat, payload, len) < 0)
		abort();
	if (p[0] == SSH_MSG_KEXINIT)
		c->in_kex = true;
	if (p[0] == SSH_MSG_NEWKEYS)
		c->in_kex = false;
}

static void seal_or_hold(struct conn *c, const void *payload, size_t len)
{
	struct held *h;

	if (!c->in_kex || ssh_phase_tx(true, *(const uint8_t *)payload)) {
		seal(c, payload, len);
		return;
	}
	h = malloc(sizeof(*h) + len);
	h->next = NULL;
	h->len = len;
	memcpy(h->bytes, payload, len);
	*c->held_last = h;
	c->held_last = &h->next;
}

static void held_send(struct conn *c)
{
	while (c->held != NULL && !c->in_kex) {
		struct held *h = c->held;

		c->held = h->next;
		seal(c, h->bytes, h->len);
		free(h);
	}
	if (c->held == NULL)
		c->held_last = &c->held;
}

static void simple(struct conn *c, uint8_t msg, uint32_t channel)
{
	uint8_t buf[16];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_simple_build(&w, msg, channel);
	seal_or_hold(c, buf, ssh_wr_done(&w));
}

/* --- ends ------------------------------------------------------------------------------- */

static void chan_free(struct softplane *sp, struct chan *ch, int cause)
{
	struct link_chan_end end = {.audit_id = ++sp->audit_id,
				    .told = 1,
				    .token = ch->token,
				    .bytes_from_peer = ch->from_peer,
				    .bytes_to_peer = ch->to_peer,
				    .cause = cause,
				    .local_channel = (uint32_t)(ch - sp->chan)};

	event(sp, &sp->conn[ch->conn].h, LINK_EV_CHAN_END, &end, sizeof(end), NULL, 0);
	close(ch->fd);
	free(ch->to_target);
	ch->to_target = NULL;
	ch->to_len = 0;
	ch->conn = -1;
}

static void conn_free(struct softplane *sp, struct conn *c, int cause)
{
	struct link_conn_end end = {
		.peer = {.family = 4}, .cause = cause, .authenticated = c->authenticated};
	int index = (int)(c - sp->conn);

	for (int i = 0; i < CHANS; i++)
		if (sp->chan[i].conn == index)
			chan_free(sp, &sp->chan[i], cause);
	end.audit_id = ++sp->audit_id;
	event(sp, &c->h, LINK_EV_CONN_END, &end, sizeof(end), NULL, 0);
	while (c->held != NULL) {
		struct held *h = c->held;

		c->held = h->next;
		free(h);
	}
	ssh_flat_fini(&c->flat);
	close(c->fd);
	c->used = false;
}

/* --- channels ---------------------------------------------------------------------------- */

static void chan_maybe_done(struct softplane *sp, struct chan *ch)
{
	struct conn *c = &sp->conn[ch->conn];

	if (ch->eof_in && ch->to_len == 0 && !ch->eof_in_done) {
		shutdown(ch->fd, SHUT_WR);
		ch->eof_in_done = true;
	}
	if (!ch->close_out && (ch->close_in || (ch->eof_out && ch->eof_in_done))) {
		ch->close_out = true;
		simple(c, SSH_MSG_CHANNEL_CLOSE, ch->peer_channel);
	}
	if (ch->close_in && ch->close_out)
		chan_free(sp, ch, 0);
}

static void chan_write(struct softplane *sp, struct chan *ch)
{
	struct conn *c = &sp->conn[ch->conn];
	uint8_t buf[16];
	struct ssh_wr w;
	uint32_t add;
	ssize_t n;

	if (ch->to_len > 0) {
		n = send(ch->fd, ch->to_target, ch->to_len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN) {
			ch->to_len = 0;
			ch->close_in |= ch->close_out;
		}
		if (n > 0) {
			ch->to_len -= (size_t)n;
			memmove(ch->to_target, ch->to_target + n, ch->to_len);
			add = ssh_rwin_consume(&ch->rwin, (uint32_t)n);
			ssh_wr_init(&w, buf, sizeof(buf));
			ssh_chan_adjust_build(&w, ch->peer_channel, add);
			if (add > 0 && !ch->close_out)
				seal_or_hold(c, buf, ssh_wr_done(&w));
		}
	}
	chan_maybe_done(sp, ch);
}

static uint32_t chan_may_read(struct softplane *sp, struct chan *ch)
{
	struct conn *c = &sp->conn[ch->conn];

	if (ch->eof_out || ch->close_out || c->in_kex ||
	    c->flat.out_len - c->flat.out_off > OUT_MAX)
		return 0;
	return ssh_swin_take(&ch->swin, READ_MAX);
}

static void chan_read(struct softplane *sp, struct chan *ch)
{
	struct conn *c = &sp->conn[ch->conn];
	uint8_t buf[SSH_CHAN_DATA_HEAD + READ_MAX];
	uint32_t max = chan_may_read(sp, ch);
	struct ssh_wr w;
	ssize_t n;

	if (max == 0)
		return;
	n = recv(ch->fd, buf + SSH_CHAN_DATA_HEAD, max, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		ch->eof_out = true;
		simple(c, SSH_MSG_CHANNEL_EOF, ch->peer_channel);
		chan_maybe_done(sp, ch);
		return;
	}
	ssh_wr_init(&w, buf, SSH_CHAN_DATA_HEAD);
	ssh_chan_data_head_build(&w, ch->peer_channel, (uint32_t)n);
	ssh_swin_sent(&ch->swin, (uint32_t)n);
	ch->to_peer += (uint64_t)n;
	seal(c, buf, SSH_CHAN_DATA_HEAD + (size_t)n);
}

static int target_connect(const struct link_addr *a)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(a->port)};
	int fd;

	if (a->family != 4)
		return -ENETUNREACH;
	memcpy(&sin.sin_addr, a->addr, 4);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

/* What control has connected itself: sent before the item that names it. */
static int host_fd(const struct softplane *sp, uint64_t want)
{
	int fds[LINK_FDS_MAX], n;
	uint64_t token;
	uint16_t shard;

	while ((n = link_fds_recv(sp->peer_fd, &shard, &token, fds)) > 0) {
		if (token == want && n == 1)
			return fds[0];
		while (n > 0)
			close(fds[--n]);
	}
	return -ETIMEDOUT;
}

enum { FD_COMES = INT_MIN }; /* with LINK_IT_CHAN_FDS */

static void chan_begin(struct softplane *sp, struct conn *c, const struct link_chan_connect *m,
		       int fd, const struct link_addr *target)
{
	struct link_chan_failed failed = {.token = m->token, .reason = SSH_OPEN_CONNECT_FAILED};
	struct link_chan_ref ref = {.token = m->token, .target = *target};
	uint8_t buf[128];
	struct ssh_wr w;
	int i = 0;

	while (i < CHANS && sp->chan[i].conn >= 0)
		i++;
	ssh_wr_init(&w, buf, sizeof(buf));
	if ((fd < 0 && fd != FD_COMES) || i == CHANS) {
		ssh_chan_failure_build(&w, &(struct ssh_chan_failure){
						   .recipient_channel = m->peer_channel,
						   .reason = failed.reason,
						   .description = ssh_str_c("Connection refused"),
						   .language = ssh_str_c("")});
		seal_or_hold(c, buf, ssh_wr_done(&w));
		failed.err = i < CHANS ? fd : -ENFILE;
		event(sp, &c->h, LINK_EV_CHAN_FAILED, &failed, sizeof(failed), NULL, 0);
		return;
	}
	sp->chan[i] = (struct chan){.conn = (int)(c - sp->conn),
				    .fd = fd,
				    .peer_channel = m->peer_channel,
				    .token = m->token,
				    .to_target = malloc(TARGET_MAX)};
	ssh_rwin_init(&sp->chan[i].rwin, sp->limits.window_size);
	ssh_swin_init(&sp->chan[i].swin, m->peer_window, m->peer_packet_max);
	ssh_chan_confirm_build(&w, &(struct ssh_chan_confirm){.recipient_channel = m->peer_channel,
							      .sender_channel = (uint32_t)i,
							      .window_size = sp->limits.window_size,
							      .packet_max = sp->limits.packet_max});
	seal_or_hold(c, buf, ssh_wr_done(&w));
	ref.local_channel = (uint32_t)i;
	event(sp, &c->h, LINK_EV_CHAN_OPENED, &ref, sizeof(ref), NULL, 0);
}

static void chan_connect(struct softplane *sp, struct conn *c, const struct link_chan_connect *m)
{
	struct link_addr target = {0};
	int fd = -ENETUNREACH;

	pthread_mutex_lock(&sp->lock);
	sp->last_connect = *m;
	sp->have_connect = true;
	pthread_mutex_unlock(&sp->lock);
	for (unsigned int k = 0; k < m->n_addrs && fd < 0; k++) {
		target = m->addr[k];
		fd = target_connect(&m->addr[k]);
	}
	chan_begin(sp, c, m, fd, &target);
}

static void chan_host(struct softplane *sp, struct conn *c, const struct link_chan_host *m)
{
	const struct link_chan_connect like = {.peer_channel = m->peer_channel,
					       .peer_window = m->peer_window,
					       .peer_packet_max = m->peer_packet_max,
					       .token = m->token};

	chan_begin(sp, c, &like, m->fds != 0 ? host_fd(sp, m->fds) : FD_COMES, &m->target);
}

static void chan_fds(struct softplane *sp, const struct link_chan_fds *m)
{
	for (int i = 0; i < CHANS; i++)
		if (sp->chan[i].conn >= 0 && sp->chan[i].token == m->token)
			sp->chan[i].fd = host_fd(sp, m->fds);
}

/* It listens, as far as anybody is told: nothing comes in by it. */
static void forward(struct softplane *sp, struct conn *c, const struct link_forward *m)
{
	const struct link_forward_result ev = {
		.token = m->token, .port = m->n_at > 0 ? m->at[0].port : m->addr.port};
	int fd = m->fds != 0 ? host_fd(sp, m->fds) : -1;

	if (fd >= 0)
		close(fd);
	event(sp, &c->h, LINK_EV_FORWARD, &ev, sizeof(ev), NULL, 0);
}

/* A message the shard settles. 0: not one of those. 1: done. */
static int chan_message(struct softplane *sp, struct conn *c, const uint8_t *p, size_t len)
{
	struct ssh_rd r;
	struct ssh_str data;
	uint32_t id, n;
	struct chan *ch;

	if (p[0] < SSH_MSG_CHANNEL_WINDOW_ADJUST || p[0] > SSH_MSG_CHANNEL_CLOSE)
		return 0;
	ssh_rd_init(&r, p + 1, len - 1);
	id = ssh_rd_u32(&r);
	if (r.bad || id >= CHANS || sp->chan[id].conn != (int)(c - sp->conn))
		return 0;
	ch = &sp->chan[id];
	switch (p[0]) {
	case SSH_MSG_CHANNEL_WINDOW_ADJUST:
		n = ssh_rd_u32(&r);
		if (ssh_swin_adjust(&ch->swin, n) < 0)
			c->cause = -SSH_E_WINDOW_OVERFLOW;
		break;
	case SSH_MSG_CHANNEL_DATA:
		data = ssh_rd_str(&r);
		if (!ssh_rd_done(&r) || ssh_rwin_recv(&ch->rwin, data.len) < 0 ||
		    ch->to_len + data.len > TARGET_MAX) {
			c->cause = -SSH_E_WINDOW;
			break;
		}
		memcpy(ch->to_target + ch->to_len, data.p, data.len);
		ch->to_len += data.len;
		ch->from_peer += data.len;
		chan_write(sp, ch);
		break;
	case SSH_MSG_CHANNEL_EOF:
		ch->eof_in = true;
		chan_maybe_done(sp, ch);
		break;
	case SSH_MSG_CHANNEL_CLOSE:
		ch->close_in = true;
		chan_maybe_done(sp, ch);
		break;
	default:
		break;
	}
	return 1;
}

/* --- connections --------------------------------------------------------------------------- */

static int payload(struct softplane *sp, struct conn *c, uint32_t seqnr, const uint8_t *p,
		   size_t len)
{
	struct link_payload m = {.seqnr = seqnr, .len = (uint32_t)len};

	if (c->kexed && (p[0] == SSH_MSG_IGNORE || p[0] == SSH_MSG_DEBUG))
		return 0;
	if (c->authenticated && p[0] == SSH_MSG_PING) {
		uint8_t pong[1024];

		if (len > sizeof(pong))
			return -SSH_E_FORMAT;
		memcpy(pong, p, len);
		pong[0] = SSH_MSG_PONG;
		seal_or_hold(c, pong, len);
		return 0;
	}
	if (c->authenticated && chan_message(sp, c, p, len))
		return c->cause;
	if (len > LINK_PAYLOAD_MAX)
		return -SSH_E_LENGTH;
	c->await_keys = p[0] == SSH_MSG_NEWKEYS;
	c->unanswered++;
	c->unanswered_bytes += (uint32_t)len;
	event(sp, &c->h, LINK_EV_PAYLOAD, &m, sizeof(m), p, len);
	return 0;
}

static void conn_work(struct softplane *sp, struct conn *c)
{
	const uint8_t *p;
	const char *line;
	uint32_t seqnr;
	size_t len;
	int r = 0;

	while (r == 0 && !c->ending && !c->await_keys && c->unanswered < UNANSWERED) {
		if (!c->ident_done) {
			struct link_bytes m;

			r = ssh_flat_line(&c->flat, SSH_SERVER, &line, &len);
			if (r < 0)
				break;
			m.len = (uint32_t)len;
			c->ident_done = true;
			event(sp, &c->h, LINK_EV_IDENT, &m, sizeof(m), line, len);
			continue;
		}
		r = ssh_flat_next(&c->flat, &p, &len, &seqnr);
		if (r == 0)
			r = payload(sp, c, seqnr, p, len);
	}
	if (!c->rekey_told && c->kexed &&
	    (ssh_dir_rekey_due(&c->flat.rx) || ssh_dir_rekey_due(&c->flat.tx))) {
		c->rekey_told = true;
		event(sp, &c->h, LINK_EV_REKEY_DUE, &(struct link_conn_ref){0},
		      sizeof(struct link_conn_ref), NULL, 0);
	}
	if (r < 0 && r != -EAGAIN) {
		c->cause = r;
		c->ending = true;
	}
}

static void conn_accept(struct softplane *sp)
{
	struct sockaddr_in peer, local;
	socklen_t len = sizeof(peer);
	struct link_conn_new m = {0};
	int i = 0, fd = accept4(sp->listen_fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
	struct conn *c;

	while (i < CONNS && sp->conn[i].used)
		i++;
	if (fd < 0)
		return;
	if (i == CONNS || !sp->up) {
		close(fd);
		return;
	}
	c = &sp->conn[i];
	*c = (struct conn){.used = true, .fd = fd, .held_last = &c->held};
	c->h = (struct link_handle){0, 0, (uint32_t)i, ++sp->generation};
	ssh_flat_init(&c->flat, sp->engine);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	len = sizeof(local);
	getsockname(fd, (struct sockaddr *)&local, &len);
	m.local = (struct link_addr){.family = 4, .port = ntohs(local.sin_port)};
	memcpy(m.local.addr, &local.sin_addr, 4);
	m.peer = (struct link_addr){.family = 4, .port = ntohs(peer.sin_port)};
	memcpy(m.peer.addr, &peer.sin_addr, 4);
	event(sp, &c->h, LINK_EV_CONN_NEW, &m, sizeof(m), NULL, 0);
}

static void conn_read(struct softplane *sp, struct conn *c)
{
	uint8_t buf[65536];
	ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		conn_free(sp, c, n == 0 ? -SSH_E_CLOSED : -SSH_E_RESET);
		return;
	}
	ssh_flat_feed(&c->flat, buf, (size_t)n);
	conn_work(sp, c);
}

static void conn_write(struct softplane *sp, struct conn *c)
{
	const uint8_t *p;
	size_t len;
	ssize_t n;

	p = ssh_flat_out(&c->flat, &len);
	if (len > 0) {
		n = send(c->fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN) {
			conn_free(sp, c, -SSH_E_RESET);
			return;
		}
		if (n > 0)
			ssh_flat_sent(&c->flat, (size_t)n);
	}
	ssh_flat_out(&c->flat, &len);
	if (len == 0 && c->ending)
		conn_free(sp, c, c->cause);
}

/* --- down ------------------------------------------------------------------------------------ */

static void rekey(struct softplane *sp, struct conn *c, struct ssh_dir *d,
		  const struct link_keys *k)
{
	const struct cipher_suite *suite = cipher_suite_find(k->cipher, k->mac);
	struct ssh_rekey_limit limit = {k->limit_bytes, k->limit_blocks, k->limit_packets,
					k->limit_seconds};

	if (suite == NULL || ssh_dir_rekey(d, sp->engine, suite, k->key, k->iv, k->mac_key,
					   k->reset_seqnr, &limit) < 0)
		abort();
	c->rekey_told = false;
}

static void item(struct softplane *sp, struct conn *c, const struct link_hdr *h)
{
	const void *body = link_msg_body(h);
	const struct link_bytes *bytes = body;
	const struct link_answered *answered = body;

	switch (h->type) {
	case LINK_IT_IDENT:
		ssh_flat_raw(&c->flat, bytes + 1, bytes->len);
		break;
	case LINK_IT_PAYLOAD:
		seal_or_hold(c, bytes + 1, bytes->len);
		break;
	case LINK_IT_TX_KEYS:
		rekey(sp, c, &c->flat.tx, body);
		held_send(c);
		break;
	case LINK_IT_RX_KEYS:
		rekey(sp, c, &c->flat.rx, body);
		c->await_keys = false;
		c->kexed = true;
		break;
	case LINK_IT_CAPS:
		sp->caps = *(const struct link_caps *)body;
		break;
	case LINK_IT_SHARES:
		sp->shares = *(const struct link_shares *)body;
		break;
	case LINK_IT_FLIGHT:
		sp->flight = *(const struct link_flight *)body;
		break;
	case LINK_IT_AUTHENTICATED:
		sp->limits = *(const struct link_authenticated *)body;
		c->flat.rx.packet_max = SSH_PACKET_MAX;
		c->authenticated = true;
		break;
	case LINK_IT_CHAN_CONNECT:
		chan_connect(sp, c, body);
		break;
	case LINK_IT_CHAN_HOST:
		chan_host(sp, c, body);
		break;
	case LINK_IT_CHAN_FDS:
		chan_fds(sp, body);
		break;
	case LINK_IT_FORWARD:
		forward(sp, c, body);
		break;
	case LINK_IT_ANSWERED:
		if (answered->payloads > c->unanswered || answered->bytes > c->unanswered_bytes)
			abort(); /* more credit than was taken */
		c->unanswered -= answered->payloads;
		c->unanswered_bytes -= answered->bytes;
		break;
	case LINK_IT_END:
		c->cause = ((const struct link_end *)body)->cause;
		c->ending = true;
		break;
	default:
		break;
	}
	conn_work(sp, c);
}

static void command(struct softplane *sp, const struct link_hdr *h)
{
	const struct link_listen *m = link_msg_body(h);
	struct link_listen_result res = {0};

	if (h->type != LINK_CMD_LISTEN)
		return;
	res.listener = m->listener;
	res.port = m->addr.port;
	event(sp, NULL, LINK_EV_LISTEN_RESULT, &res, sizeof(res), NULL, 0);
}

static void items(struct softplane *sp)
{
	int n;

	while (sp->up && (n = link_rx(&sp->rx, sp->msg, sizeof(sp->msg))) > 0) {
		const struct link_hdr *h = (const struct link_hdr *)sp->msg;
		struct conn *c;

		if (link_msg_check(sp->msg, (size_t)n) < 0 || link_type_is_up(h->type))
			abort(); /* control broke the contract */
		if (h->type < TYPES)
			sp->seen[h->type]++;
		if (h->type >= LINK_CMD_LISTEN) {
			command(sp, h);
			continue;
		}
		c = h->conn.index < CONNS ? &sp->conn[h->conn.index] : NULL;
		if (c != NULL && c->used && c->h.generation == h->conn.generation)
			item(sp, c, h);
	}
}

/* --- attaching ---------------------------------------------------------------------------------
 */

static void detach(struct softplane *sp)
{
	if (sp->peer_fd >= 0)
		close(sp->peer_fd);
	sp->peer_fd = -1;
	if (sp->shm == NULL)
		return;
	link_shm_unmap(sp->shm);
	close(sp->fds.shm);
	close(sp->fds.bell_control);
	close(sp->fds.bell_dataplane);
	sp->shm = NULL;
	sp->up = false;
	/* A test of control: nobody waits for its return. */
	for (int i = 0; i < CONNS; i++)
		if (sp->conn[i].used)
			conn_free(sp, &sp->conn[i], -SSH_E_UNAVAILABLE);
}

static void attach(struct softplane *sp)
{
	struct link_hello theirs;
	struct link_ready ready = {.max_conns = CONNS, .places = CONNS, .name = "soft"};
	int fd = link_accept(sp->link_fd);

	if (fd < 0)
		return;
	detach(sp);
	sp->peer_fd = fd;
	while (link_hello_recv(fd, &theirs) == -EAGAIN)
		usleep(1000);
	sp->fds.shm = link_shm_create("softplane");
	sp->fds.bell_dataplane = link_bell_new();
	sp->fds.bell_control = link_bell_new();
	if (link_shm_map(sp->fds.shm, &sp->shm) < 0 || link_hello_send(fd, &sp->hello) < 0 ||
	    link_shard_send(fd, 0, &sp->fds) < 0)
		abort();
	link_shm_ends(sp->shm, true, &sp->tx, &sp->rx);
	sp->up = true;
	event(sp, NULL, LINK_EV_SHARD_READY, &ready, sizeof(ready), NULL, 0);
	sp->attached++;
}

static void inject(struct softplane *sp)
{
	struct held *h;

	pthread_mutex_lock(&sp->lock);
	h = sp->inject;
	sp->inject = NULL;
	pthread_mutex_unlock(&sp->lock);
	if (h != NULL && sp->up) {
		(void)!link_tx(&sp->tx, h->bytes, h->len, NULL, 0);
		link_bell_ring(sp->fds.bell_control);
	}
	free(h);
}

/* --- the loop ------------------------------------------------------------------------------------
 */

struct ready {
	struct pollfd fd[4 + CONNS + CHANS];
	int what[4 + CONNS + CHANS];
	nfds_t n;
};

static void watch(struct ready *r, int fd, short events, int what)
{
	r->fd[r->n] = (struct pollfd){.fd = fd, .events = events};
	r->what[r->n++] = what;
}

enum { STOP = -1, LINK = -2, CLIENT = -3, PEER = -4, BELL = -5 };

static void watch_all(struct softplane *sp, struct ready *r)
{
	size_t len;

	r->n = 0;
	watch(r, sp->stop_fd, POLLIN, STOP);
	watch(r, sp->link_fd, POLLIN, LINK);
	watch(r, sp->listen_fd, POLLIN, CLIENT);
	if (sp->peer_fd >= 0) {
		watch(r, sp->peer_fd, POLLIN, PEER);
	}
	for (int i = 0; i < CONNS; i++) {
		if (!sp->conn[i].used)
			continue;
		ssh_flat_out(&sp->conn[i].flat, &len);
		watch(r, sp->conn[i].fd,
		      (short)((sp->conn[i].unanswered < UNANSWERED ? POLLIN : 0) |
			      (len > 0 || sp->conn[i].ending ? POLLOUT : 0)),
		      i);
	}
	for (int i = 0; i < CHANS; i++) {
		struct chan *ch = &sp->chan[i];

		if (ch->conn >= 0)
			watch(r, chan_may_read(sp, ch) > 0 || ch->to_len > 0 ? ch->fd : -1,
			      (short)((chan_may_read(sp, ch) > 0 ? POLLIN : 0) |
				      (ch->to_len > 0 ? POLLOUT : 0)),
			      CONNS + i);
	}
}

static bool turn(struct softplane *sp, const struct pollfd *fd, int what)
{
	uint64_t v;
	char byte;

	if (what == STOP) {
		if (read(sp->stop_fd, &v, sizeof(v)) < 0)
			return true;
		return v < 1000;
	}
	if (what == LINK)
		attach(sp);
	else if (what == CLIENT)
		conn_accept(sp);
	else if (what == PEER && recv(sp->peer_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
		items(sp); /* descriptors: the item that names them takes them */
	else if (what == PEER)
		detach(sp);
	else if (what < CONNS && sp->conn[what].used) {
		if (fd->revents & POLLOUT)
			conn_write(sp, &sp->conn[what]);
		if (sp->conn[what].used && (fd->revents & (POLLIN | POLLHUP | POLLERR)))
			conn_read(sp, &sp->conn[what]);
	} else if (what >= CONNS && sp->chan[what - CONNS].conn >= 0) {
		if (fd->revents & POLLOUT)
			chan_write(sp, &sp->chan[what - CONNS]);
		if (sp->chan[what - CONNS].conn >= 0 && (fd->revents & (POLLIN | POLLHUP)))
			chan_read(sp, &sp->chan[what - CONNS]);
	}
	return true;
}

void softplane_run(struct softplane *sp)
{
	static _Thread_local struct ready r;
	bool go = true;

	while (go) {
		watch_all(sp, &r);
		if (sp->up)
			watch(&r, sp->fds.bell_dataplane, POLLIN, BELL);
		if (sp->up)
			link_rx_sleep(&sp->rx);
		items(sp); /* looked once more */
		watch_all(sp, &r);
		if (sp->up)
			watch(&r, sp->fds.bell_dataplane, POLLIN, BELL);
		if (poll(r.fd, r.n, 1000) < 0)
			continue;
		if (sp->up) {
			link_bell_clear(sp->fds.bell_dataplane);
			link_rx_wake(&sp->rx);
		}
		for (nfds_t i = 0; i < r.n && go; i++)
			if (r.fd[i].revents != 0 && r.what[i] != BELL)
				go = turn(sp, &r.fd[i], r.what[i]);
		inject(sp);
	}
}

void softplane_stop(struct softplane *sp)
{
	const uint64_t stop = 1000;

	(void)!write(sp->stop_fd, &stop, sizeof(stop));
}

/* --- life
 * ------------------------------------------------------------------------------------------ */

int softplane_new(const char *run_dir, struct softplane **ret)
{
	struct softplane *sp = calloc(1, sizeof(*sp));
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	int r;

	for (int i = 0; i < CHANS; i++)
		sp->chan[i].conn = -1;
	pthread_mutex_init(&sp->lock, NULL);
	snprintf(sp->path, sizeof(sp->path), "%s/link.sock", run_dir);
	sp->peer_fd = -1;
	sp->stop_fd = eventfd(0, EFD_CLOEXEC);
	sp->hello = (struct link_hello){.magic = LINK_MAGIC,
					.version = LINK_VERSION,
					.shards = 1,
					.start_id = (uint64_t)time(NULL) << 20 | (uint64_t)getpid(),
					.name = "soft"};
	sp->link_fd = link_listen_socket(sp->path);
	sp->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	r = cipher_engine_new(CIPHER_ENGINE_OPENSSL, SSH_PACKET_MAX + 64, &sp->engine);
	if (r < 0 || sp->link_fd < 0 ||
	    bind(sp->listen_fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 ||
	    listen(sp->listen_fd, 64) < 0 ||
	    getsockname(sp->listen_fd, (struct sockaddr *)&sin, &len) < 0) {
		softplane_free(sp);
		return -EIO;
	}
	sp->port = ntohs(sin.sin_port);
	*ret = sp;
	return 0;
}

void softplane_free(struct softplane *sp)
{
	detach(sp);
	close(sp->link_fd);
	close(sp->listen_fd);
	close(sp->stop_fd);
	unlink(sp->path);
	cipher_engine_free(sp->engine);
	free(sp->inject);
	free(sp);
}

uint16_t softplane_port(const struct softplane *sp)
{
	return sp->port;
}

unsigned int softplane_seen(const struct softplane *sp, enum link_type type)
{
	return sp->seen[type];
}

struct link_caps softplane_caps(const struct softplane *sp)
{
	return sp->caps;
}

struct link_shares softplane_shares(const struct softplane *sp)
{
	return sp->shares;
}

struct link_flight softplane_flight(const struct softplane *sp)
{
	return sp->flight;
}

struct link_authenticated softplane_limits(const struct softplane *sp)
{
	return sp->limits;
}

unsigned int softplane_attached(const struct softplane *sp)
{
	return sp->attached;
}

bool softplane_last_connect(const struct softplane *sp, struct link_chan_connect *ret)
{
	struct softplane *w = (struct softplane *)(uintptr_t)sp;
	bool have;

	pthread_mutex_lock(&w->lock);
	*ret = sp->last_connect;
	have = sp->have_connect;
	pthread_mutex_unlock(&w->lock);
	return have;
}

void softplane_inject(struct softplane *sp, const void *msg, size_t len)
{
	struct held *h = malloc(sizeof(*h) + len);
	const uint64_t one = 1;

	h->next = NULL;
	h->len = len;
	memcpy(h->bytes, msg, len);
	pthread_mutex_lock(&sp->lock);
	free(sp->inject);
	sp->inject = h;
	pthread_mutex_unlock(&sp->lock);
	(void)!write(sp->stop_fd, &one, sizeof(one));
}
