/*
 * perf/inring_keys.c - connections without logins. See inring.h.
 *
 * What a hundred thousand logins would leave is put in its place: both ends say KEXINIT and
 * NEWKEYS with nothing in between, and have the same keys. Of control this is what a shard needs:
 * keys, the word that a connection is authenticated, an address for each OPEN.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "link/msg.h"
#include "link/ring.h"
#include "link/sock.h"
#include "perf/inring_client.h"
#include "perf/stack.h"
#include "ssh/phase.h"

#define BACKLOG    65535
#define WINDOW_MAX (15 * 1024 * 1024) /* as the defaults of the configuration, */
#define PACKET_MAX (32 * 1024)
#define CONNECT_MS 30000
#define IDENT      "SSH-2.0-Sluice_inring\r\n"

enum { UP, DOWN }; /* to the shard, from it */

struct keys {
	const struct keys_conf *conf;
	const struct cipher_suite *suite;
	int fd;
	enum { KEYS_HELLO, KEYS_RINGS, KEYS_ATTACHED } state;
	struct link_shard_fds fds;
	void *shm;
	struct link_producer tx;
	struct link_consumer rx;
	int err;
	_Alignas(uint64_t) uint8_t msg[LINK_MSG_MAX];
};

/* One for all connections: what matters is that each has its own place for it. */
static uint8_t key_byte(int way)
{
	return (uint8_t)(0x5a + way);
}

/* --- control's part ---------------------------------------------------------------------------
 */

static void say(struct keys *k, const struct link_handle *h, uint16_t type, const void *body,
		size_t body_len, const void *tail, size_t tail_len)
{
	uint8_t head[sizeof(struct link_hdr) + sizeof(struct link_chan_connect)]; /* the largest */
	struct link_hdr hdr = {.len = (uint32_t)(sizeof(hdr) + body_len + tail_len), .type = type};
	int r;

	if (sizeof(hdr) + body_len > sizeof(head)) {
		k->err = -EMSGSIZE;
		return;
	}
	if (h != NULL)
		hdr.conn = *h;
	memcpy(head, &hdr, sizeof(hdr));
	memcpy(head + sizeof(hdr), body, body_len);
	r = link_tx(&k->tx, head, sizeof(hdr) + body_len, tail, tail_len);
	if (r < 0)
		k->err = r;
}

static void say_bytes(struct keys *k, const struct link_handle *h, uint16_t type, const void *p,
		      uint32_t n)
{
	struct link_bytes m = {.len = n};

	say(k, h, type, &m, sizeof(m), p, n);
}

static void say_keys(struct keys *k, const struct link_handle *h, uint16_t type, int way)
{
	struct link_keys m = {.reset_seqnr = 1,
			      .key_len = k->suite->key_len,
			      .iv_len = k->suite->iv_len,
			      .mac_key_len = k->suite->mac_key_len};

	strncpy(m.cipher, k->suite->cipher_name, sizeof(m.cipher) - 1);
	strncpy(m.mac, k->suite->mac_name, sizeof(m.mac) - 1);
	memset(m.key, key_byte(way), m.key_len);
	memset(m.mac_key, key_byte(way), m.mac_key_len);
	say(k, h, type, &m, sizeof(m), NULL, 0);
}

static void listen_at(struct keys *k)
{
	struct net_addr a = stack_addr(k->conf->gateway);

	for (unsigned int i = 0; i < PORT_SETS; i++) {
		struct link_listen m = {
			.addr = {.family = 4, .port = (uint16_t)(k->conf->port + i)},
			.listener = i,
			.backlog = BACKLOG};

		memcpy(m.addr.addr, a.b, sizeof(m.addr.addr));
		say(k, NULL, LINK_CMD_LISTEN, &m, sizeof(m), NULL, 0);
	}
}

static void on_ident(struct keys *k, const struct link_handle *h)
{
	static const uint8_t kexinit = SSH_MSG_KEXINIT, newkeys = SSH_MSG_NEWKEYS;

	say_bytes(k, h, LINK_IT_IDENT, IDENT, sizeof(IDENT) - 1);
	say_bytes(k, h, LINK_IT_PAYLOAD, &kexinit, 1);
	say_bytes(k, h, LINK_IT_PAYLOAD, &newkeys, 1);
	say_keys(k, h, LINK_IT_TX_KEYS, DOWN);
}

static void on_newkeys(struct keys *k, const struct link_handle *h)
{
	struct link_authenticated m = {.max_channels = 1024,
				       .window_size = WINDOW_MAX,
				       .window_auto = 1,
				       .packet_max = PACKET_MAX};

	say_keys(k, h, LINK_IT_RX_KEYS, UP);
	say(k, h, LINK_IT_AUTHENTICATED, &m, sizeof(m), NULL, 0);
}

static void on_open(struct keys *k, const struct link_handle *h, struct ssh_rd *r)
{
	struct net_addr a = stack_addr(k->conf->target);
	struct link_chan_connect m = {
		.connect_timeout_ms = CONNECT_MS, .n_addrs = 1, .kind = 1, .token = 1};
	struct ssh_direct_tcpip to;
	struct ssh_chan_open open;
	struct ssh_rd rest;

	if (ssh_chan_open_parse(r, &open) < 0)
		return;
	ssh_rd_init(&rest, open.rest.p, open.rest.len);
	if (ssh_direct_tcpip_parse(&rest, &to) < 0)
		return;
	m.peer_channel = open.sender_channel;
	m.peer_window = open.window_size;
	m.peer_packet_max = open.packet_max;
	m.addr[0] = (struct link_addr){.family = 4, .port = to.port};
	memcpy(m.addr[0].addr, a.b, sizeof(m.addr[0].addr));
	say(k, h, LINK_IT_CHAN_CONNECT, &m, sizeof(m), NULL, 0);
}

static void on_payload(struct keys *k, const struct link_handle *h, const struct link_payload *p)
{
	struct link_answered answered = {.payloads = 1, .bytes = p->len};
	const uint8_t *payload = (const uint8_t *)(p + 1);
	struct ssh_rd r;

	say(k, h, LINK_IT_ANSWERED, &answered, sizeof(answered), NULL, 0);
	ssh_rd_init(&r, payload + 1, p->len - 1);
	if (payload[0] == SSH_MSG_NEWKEYS)
		on_newkeys(k, h);
	else if (payload[0] == SSH_MSG_CHANNEL_OPEN)
		on_open(k, h, &r);
}

static void on_end(struct keys *k, uint64_t audit_id)
{
	struct link_audit_ack m = {.audit_id = audit_id};

	say(k, NULL, LINK_CMD_AUDIT_ACK, &m, sizeof(m), NULL, 0);
}

static void event(struct keys *k)
{
	const struct link_hdr *h = (const struct link_hdr *)k->msg;
	const void *body = link_msg_body(k->msg);

	switch (h->type) {
	case LINK_EV_SHARD_READY:
		listen_at(k);
		break;
	case LINK_EV_IDENT:
		on_ident(k, &h->conn);
		break;
	case LINK_EV_PAYLOAD:
		on_payload(k, &h->conn, body);
		break;
	case LINK_EV_CHAN_END:
		on_end(k, ((const struct link_chan_end *)body)->audit_id);
		break;
	case LINK_EV_CONN_END:
		on_end(k, ((const struct link_conn_end *)body)->audit_id);
		break;
	default:
		break;
	}
}

static int attach(struct keys *k)
{
	struct link_hello theirs;
	uint16_t shard;
	int r = 0;

	if (k->state == KEYS_HELLO) {
		r = link_hello_recv(k->fd, &theirs);
		if (r < 0)
			return r;
		k->state = KEYS_RINGS;
	}
	r = link_shard_recv(k->fd, &shard, &k->fds);
	if (r == 0)
		r = link_shm_map(k->fds.shm, &k->shm);
	if (r < 0)
		return r;
	link_shm_ends(k->shm, false, &k->tx, &k->rx);
	k->state = KEYS_ATTACHED;
	return 0;
}

unsigned int keys_turn(struct keys *k)
{
	unsigned int n = 0;
	int r = 0;

	if (k->err < 0)
		return 0;
	if (k->state != KEYS_ATTACHED)
		r = attach(k);
	while (r == 0 && (r = link_rx(&k->rx, k->msg, sizeof(k->msg))) > 0) {
		r = link_msg_check(k->msg, (size_t)r);
		if (r == 0)
			event(k);
		n++;
	}
	if (r < 0 && r != -EAGAIN)
		k->err = r;
	return n;
}

int keys_error(const struct keys *k)
{
	return k != NULL ? k->err : 0;
}

int keys_new(const struct keys_conf *conf, struct keys **ret)
{
	struct link_hello h = {.magic = LINK_MAGIC, .version = LINK_VERSION, .name = "inring"};
	struct keys *k = calloc(1, sizeof(*k));
	int r;

	if (k == NULL)
		return -ENOMEM;
	*k = (struct keys){.conf = conf, .fds = {-1, -1, -1}};
	k->suite = cipher_suite_find(conf->cipher, "");
	k->fd = link_connect(conf->socket);
	r = k->fd < 0 ? k->fd : link_hello_send(k->fd, &h);
	if (r == 0 && k->suite == NULL)
		r = -ENOTSUP;
	if (r < 0) {
		keys_free(k);
		return r;
	}
	*ret = k;
	return 0;
}

void keys_free(struct keys *k)
{
	if (k == NULL)
		return;
	if (k->shm != NULL)
		link_shm_unmap(k->shm);
	if (k->fds.shm >= 0) {
		close(k->fds.shm);
		close(k->fds.bell_dataplane);
		close(k->fds.bell_control);
	}
	if (k->fd >= 0)
		close(k->fd);
	free(k);
}

/* --- a client's ------------------------------------------------------------------------------- */

static int change_keys(struct client *c, struct ssh_dir *d, int way)
{
	const struct cipher_suite *suite = cipher_suite_find(c->all->conf.cipher, "");
	struct ssh_rekey_limit limit = ssh_rekey_limit_of(suite, NULL);
	uint8_t key[CIPHER_KEY_MAX], iv[CIPHER_IV_MAX] = {0};

	memset(key, key_byte(way), sizeof(key));
	d->packet_max = SSH_PACKET_MAX;
	return ssh_dir_rekey(d, c->all->conf.engine, suite, key, iv, NULL, true, &limit);
}

int keyed_begin(struct client *c)
{
	static const uint8_t kexinit = SSH_MSG_KEXINIT, newkeys = SSH_MSG_NEWKEYS;
	struct ssh_flat *f = &c->pump.flat;
	int r = ssh_flat_raw(f, IDENT, sizeof(IDENT) - 1);

	if (r == 0)
		r = ssh_flat_send(f, &kexinit, 1);
	if (r == 0)
		r = ssh_flat_send(f, &newkeys, 1);
	return r < 0 ? r : change_keys(c, &f->tx, UP);
}

/* 1: the client is in; 0: what stands in *ret is the connection protocol's. */
int keyed_next(struct client *c, struct ssh_str *ret)
{
	struct ssh_flat *f = &c->pump.flat;
	const uint8_t *p;
	const char *line;
	uint32_t seqnr;
	size_t len;
	int r = 0;

	if (!c->pump.ident_done)
		r = ssh_flat_line(f, SSH_CLIENT, &line, &len);
	if (r < 0)
		return r;
	c->pump.ident_done = true;
	while ((r = ssh_flat_next(f, &p, &len, &seqnr)) == 0 && p[0] == SSH_MSG_KEXINIT)
		;
	if (r < 0)
		return r;
	*ret = (struct ssh_str){p, (uint32_t)len};
	if (p[0] != SSH_MSG_NEWKEYS)
		return 0;
	r = change_keys(c, &f->rx, DOWN);
	return r < 0 ? r : 1;
}
