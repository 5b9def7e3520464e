/*
 * control/session/item.c - what control sends for a connection, in order.
 */
#include <string.h>

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
void item_keys(struct session *s, enum link_type type, const struct ssh_act_keys *k)
{
	struct link_keys m = {.reset_seqnr = k->reset_seqnr,
			      .comp = (uint8_t)k->comp,
			      .key_len = k->suite->key_len,
			      .iv_len = k->suite->iv_len,
			      .mac_key_len = k->suite->mac_key_len,
			      .limit_bytes = k->limit.bytes,
			      .limit_blocks = k->limit.blocks,
			      .limit_packets = k->limit.packets,
			      .limit_seconds = k->limit.seconds};

	_Static_assert(sizeof(m.key) >= CIPHER_KEY_MAX && sizeof(m.iv) >= CIPHER_IV_MAX &&
			       sizeof(m.mac_key) >= CIPHER_MAC_KEY_MAX,
		       "any suite's keys fit");
	strncpy(m.cipher, k->suite->cipher_name, sizeof(m.cipher) - 1);
	strncpy(m.mac, k->suite->mac_name, sizeof(m.mac) - 1);
	memcpy(m.key, k->key, m.key_len);
	memcpy(m.iv, k->iv, m.iv_len);
	if (m.mac_key_len > 0)
		memcpy(m.mac_key, k->mac_key, m.mac_key_len);
	item_body(s, type, &m, sizeof(m));
	secret_wipe(&m, sizeof(m));
}

void item_authenticated(struct session *s)
{
	const struct conf_session *c = &s->awake->conf;
	struct link_authenticated m = {
		.max_channels = c->max_channels_per_connection,
		.window_size = c->channel_window,
		.window_auto = c->channel_window_auto,
		.packet_max = c->channel_max_packet,
		.alive_interval_ms = c->client_alive_interval_ms,
		.alive_count = c->client_alive_count_max,
		.idle_timeout_ms = c->idle_timeout_ms,
		.kex_timeout_ms = c->login_grace_time_ms,
		.nagle = !c->tcp_nodelay,
	};

	item_body(s, LINK_IT_AUTHENTICATED, &m, sizeof(m));
}

void item_end(struct session *s, int err)
{
	struct link_end m = {.cause = err, .linger_ms = LINGER_MS};

	item_body(s, LINK_IT_END, &m, sizeof(m));
}

/*
 * What a control that was restarted needs to go on with this connection: session id,
 * algorithms, user, permissions. RFC 4251 strings, so that a later version may add to them.
 * A permission list too long for a blob is left out and the connection marked as one
 * that opens nothing more after a restart: never more rights than it had.
 */
static size_t blob_build(const struct session *s, uint8_t *buf, size_t size, bool with_permits)
{
	const struct policy_grant *g = &s->grant;
	struct ssh_str id = {s->awake->kex.session_id, (uint32_t)s->awake->kex.session_id_len};
	struct ssh_wr w;

	ssh_wr_init(&w, buf, size);
	ssh_wr_u64(&w, s->ref.serial);
	ssh_wr_str(&w, id);
	ssh_wr_cstr(&w, s->awake->kex.kex);
	ssh_wr_cstr(&w, s->awake->kex.hostkey);
	ssh_wr_cstr(&w, s->awake->kex.cipher_cs);
	ssh_wr_cstr(&w, s->awake->kex.cipher_sc);
	ssh_wr_cstr(&w, s->awake->kex.mac_cs);
	ssh_wr_cstr(&w, s->awake->kex.mac_sc);
	ssh_wr_cstr(&w, session_user(s));
	ssh_wr_bool(&w, g->port_forwarding && with_permits);
	ssh_wr_u32(&w, with_permits ? (uint32_t)g->n_permitopen : 0);
	for (size_t i = 0; with_permits && i < g->n_permitopen; i++)
		ssh_wr_cstr(&w, g->permitopen[i]);
	return ssh_wr_done(&w);
}

void item_blob(struct session *s)
{
	struct blob_binding to = {s->ref.conn, s->table->link.start_id};
	uint8_t plain[BLOB_PLAIN_MAX], sealed[LINK_BLOB_MAX];
	size_t len, sealed_len;

	len = blob_build(s, plain, sizeof(plain), true);
	if (len == 0)
		len = blob_build(s, plain, sizeof(plain), false);
	if (len > 0 &&
	    blob_seal(s->table->env->blob_key, &to, plain, len, sealed, &sealed_len) == 0)
		item_bytes(s, LINK_IT_BLOB, sealed, sealed_len);
	secret_wipe(plain, sizeof(plain));
}
