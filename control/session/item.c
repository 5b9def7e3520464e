/*
 * control/session/item.c - what control sends for a connection, in order.
 */
#include <errno.h>
#include <string.h>

#include "conf/qos.h"
#include "control/session/internal.h"
#include "crypto/secret.h"
#include "ssh/wire.h"

static struct link_hdr header(const struct session *s, enum link_type type, size_t len)
{
	return (struct link_hdr){.len = (uint32_t)len, .type = (uint16_t)type, .conn = s->ref.conn};
}

static void item_send(struct session *s, const void *head, size_t head_len, const void *body,
		      size_t body_len)
{
	struct session_link *link = &s->table->link;

	link->send(link->arg, head, head_len, body, body_len);
}

void item_bytes(struct session *s, enum link_type type, const void *p, size_t len)
{
	struct {
		struct link_hdr hdr;
		struct link_bytes bytes;
	} m;

	_Static_assert(sizeof(m) == sizeof(m.hdr) + sizeof(m.bytes), "no padding between");
	m.hdr = header(s, type, sizeof(m) + len);
	m.bytes.len = (uint32_t)len;
	item_send(s, &m, sizeof(m), p, len);
}

void item_body(struct session *s, enum link_type type, const void *body, size_t len)
{
	struct link_hdr hdr = header(s, type, sizeof(hdr) + len);

	item_send(s, &hdr, sizeof(hdr), body, len);
}

/* Lengths are those of a suite this build knows: they fit by its table. */
void keys_fill(struct link_keys *m, const struct ssh_act_keys *k)
{
	*m = (struct link_keys){.reset_seqnr = k->reset_seqnr,
				.comp = (uint8_t)k->comp,
				.key_len = k->suite->key_len,
				.iv_len = k->suite->iv_len,
				.mac_key_len = k->suite->mac_key_len,
				.limit_bytes = k->limit.bytes,
				.limit_blocks = k->limit.blocks,
				.limit_packets = k->limit.packets,
				.limit_seconds = k->limit.seconds};

	_Static_assert(sizeof(m->key) >= CIPHER_KEY_MAX && sizeof(m->iv) >= CIPHER_IV_MAX &&
			       sizeof(m->mac_key) >= CIPHER_MAC_KEY_MAX,
		       "any suite's keys fit");
	strncpy(m->cipher, k->suite->cipher_name, sizeof(m->cipher) - 1);
	strncpy(m->mac, k->suite->mac_name, sizeof(m->mac) - 1);
	memcpy(m->key, k->key, m->key_len);
	memcpy(m->iv, k->iv, m->iv_len);
	if (m->mac_key_len > 0)
		memcpy(m->mac_key, k->mac_key, m->mac_key_len);
}

void item_keys(struct session *s, enum link_type type, const struct ssh_act_keys *k)
{
	struct link_keys m;

	keys_fill(&m, k);
	item_body(s, type, &m, sizeof(m));
	secret_wipe(&m, sizeof(m));
}

/* Without what the packet's path says of congestion; none is what a packet has by itself. */
static uint8_t qos_of(uint16_t qos)
{
	return qos == CONF_QOS_NONE ? 0 : qos & 0xfc;
}

/* OpenSSH stalls at 16 MiB, others are not known; libsluice takes what it is granted. */
static uint32_t window_of(const struct session *s)
{
	static const char ours[] = "SSH-2.0-Sluice_";
	const char *v = s->awake->version;

	if (!s->awake->conf.channel_window_auto || v == NULL ||
	    strncmp(v, ours, sizeof(ours) - 1) != 0)
		return s->awake->conf.channel_window;
	return CONF_WINDOW_OURS;
}

void item_authenticated(struct session *s)
{
	const struct conf_session *c = &s->awake->conf;
	struct link_authenticated m = {
		.max_channels = c->max_channels_per_connection,
		.window_size = window_of(s),
		.window_auto = c->channel_window_auto,
		.packet_max = c->channel_max_packet,
		.alive_interval_ms = c->client_alive_interval_ms,
		.alive_count = c->client_alive_count_max,
		.idle_timeout_ms = c->idle_timeout_ms,
		.kex_timeout_ms = c->login_grace_time_ms,
		.nagle = !c->tcp_nodelay,
		.qos_tty = qos_of(c->qos.interactive),
		.qos_bulk = qos_of(c->qos.bulk),
		.chans_idle_ms = conf_channel_timeout(c, "global"),
		.unused_ms = c->unused_connection_timeout_ms != CONF_TIME_NONE
				     ? c->unused_connection_timeout_ms
				     : 0,
		.send_timeout_ms = conf_send_timeout(c),
	};

	item_body(s, LINK_IT_AUTHENTICATED, &m, sizeof(m));
}

void item_end(struct session *s, int err)
{
	struct link_end m = {.cause = err, .linger_ms = LINGER_MS};

	item_body(s, LINK_IT_END, &m, sizeof(m));
}

int item_fds(struct session *s, const int *fds, unsigned int n, uint64_t *ret_token)
{
	const struct session_link *link = &s->table->link;

	*ret_token = ++s->table->env->last_token;
	if (link->send_fds == NULL)
		return -EOPNOTSUPP;
	return link->send_fds(link->arg, *ret_token, fds, n);
}

struct link_name item_name(const char *host, uint16_t port)
{
	struct link_name n = {.port = port};
	size_t len = strlen(host);

	n.len = (uint16_t)(len < LINK_HOST_MAX ? len : LINK_HOST_MAX);
	memcpy(n.bytes, host, n.len);
	return n;
}
