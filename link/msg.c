#include "link/msg.h"

#include <errno.h>
#include <string.h>

#define OPEN_REASON_MAX 4 /* RFC 4254 section 5.1 */

typedef bool check_fn(const void *body); /* fields beyond lengths */

/* What a type looks like. Tail: bytes behind the body, counted by the body's own field. */
struct shape {
	uint16_t body; /* 0: no such type */
	bool of_conn;  /* names a connection */
	uint32_t tail_min, tail_max;
	check_fn *check;
};

/* A NUL-terminated name that fills its field at most, of printable characters. */
static bool name_ok(const char *name, size_t size, bool may_be_empty)
{
	size_t n = strnlen(name, size);

	if (n == size || (n == 0 && !may_be_empty))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	}
	return true;
}

static bool addr_ok(const struct link_addr *a)
{
	return (a->family == 4 && a->scope == 0) || a->family == 6;
}

/* What is connected to also has a port. */
static bool endpoint_ok(const struct link_addr *a)
{
	return addr_ok(a) && a->port != 0;
}

static bool conn_new_ok(const void *body)
{
	const struct link_conn_new *b = body;

	return endpoint_ok(&b->local) && addr_ok(&b->peer) && b->local.family == b->peer.family;
}

static bool keys_ok(const void *body)
{
	const struct link_keys *k = body;

	return name_ok(k->cipher, sizeof(k->cipher), false) &&
	       name_ok(k->mac, sizeof(k->mac), true) && k->reset_seqnr <= 1 && k->key_len > 0 &&
	       k->key_len <= sizeof(k->key) && k->iv_len <= sizeof(k->iv) &&
	       k->mac_key_len <= sizeof(k->mac_key) && k->comp <= LINK_COMP_AUTHENTICATED;
}

static bool targets_ok(const struct link_addr *addr, uint16_t n, uint16_t kind)
{
	if (n == 0 || n > LINK_ADDRS_MAX || kind != 1)
		return false;
	for (unsigned int i = 0; i < n; i++) {
		if (!endpoint_ok(&addr[i]))
			return false;
	}
	return true;
}

static bool name_fits(const struct link_name *n)
{
	return n->len <= LINK_HOST_MAX;
}

static bool chan_connect_ok(const void *body)
{
	const struct link_chan_connect *b = body;

	return b->proxy <= 2 && targets_ok(b->addr, b->n_addrs, b->kind) && name_fits(&b->name);
}

static bool grant_ok(const void *body)
{
	const struct link_grant *b = body;

	return b->token != 0 && b->port != 0 && b->host_len > 0 && b->host_len <= LINK_HOST_MAX &&
	       targets_ok(b->addr, b->n_addrs, b->kind);
}

/* What has no address has no port either: a program, a UNIX socket. */
static bool target_ok(const struct link_addr *a)
{
	return endpoint_ok(a) || (a->family == 0 && a->scope == 0 && a->port == 0);
}

static bool forward_ok(const void *body)
{
	const struct link_forward *b = body;

	if (b->opens == 0 || b->opens >= LINK_OPENS_COUNT || b->once > 1 ||
	    (b->kind == 2) != (b->fds != 0) || (b->kind == 1 && b->opens != LINK_OPENS_TCPIP))
		return false;
	return b->token != 0 && (b->kind == 1 || b->kind == 2) && b->host_len <= LINK_HOST_MAX &&
	       b->n_at <= LINK_AT_MAX && (b->addr.family == 0 || addr_ok(&b->addr));
}

static bool forward_result_ok(const void *body)
{
	const struct link_forward_result *b = body;

	return b->err <= 0;
}

static bool chan_opened_ok(const void *body)
{
	return target_ok(&((const struct link_chan_ref *)body)->target);
}

static bool chan_host_ok(const void *body)
{
	const struct link_chan_host *b = body;

	/* Only what control ends may begin without a stream. */
	return target_ok(&b->target) && b->program <= LINK_PROGRAM_CHANNEL &&
	       (b->fds != 0 || b->program != 0) && name_fits(&b->name);
}

static bool chan_open_ok(const void *body)
{
	const struct link_chan_open *b = body;

	return b->token != 0 && b->type.len > 0 && name_fits(&b->type);
}

static bool chan_fds_ok(const void *body)
{
	const struct link_chan_fds *b = body;

	return b->fds != 0 && b->fds != b->tee && b->tee_how <= LINK_TEE_ALL &&
	       (b->tee != 0 || b->tee_how == 0);
}

static bool chan_cut_ok(const void *body)
{
	const struct link_chan_cut *b = body;

	return b->token != 0 && b->max <= LINK_RECORD_MAX && b->eol_len <= LINK_EOL_MAX &&
	       b->eol_len <= b->max;
}

static bool chan_say_ok(const void *body)
{
	const struct link_chan_say *b = body;

	return b->token != 0 && b->what <= LINK_SAY_END &&
	       (b->len == 0) == (b->what == LINK_SAY_END);
}

static bool chan_failed_ok(const void *body)
{
	const struct link_chan_failed *b = body;

	return b->err <= 0 && b->reason >= 1 && b->reason <= OPEN_REASON_MAX;
}

/* For people: an address, or none. */
static bool known_ok(const struct link_addr *a)
{
	return a->family == 0 || addr_ok(a);
}

static bool chan_end_ok(const void *body)
{
	const struct link_chan_end *b = body;

	return b->cause <= 0 && b->told <= 1 && b->tee <= 1 && known_ok(&b->target) &&
	       b->eof[LINK_EOF_IN] <= LINK_EOF_UNTOLD && b->eof[LINK_EOF_OUT] <= LINK_EOF_UNTOLD;
}

static bool chan_eof_ok(const void *body)
{
	return ((const struct link_chan_eof *)body)->way <= LINK_EOF_OUT;
}

static bool conn_end_ok(const void *body)
{
	const struct link_conn_end *b = body;

	return b->cause <= 0 && b->authenticated <= 1 && known_ok(&b->local) && known_ok(&b->peer);
}

static bool conn_kept_ok(const void *body)
{
	const struct link_conn_kept *b = body;

	return addr_ok(&b->local) && addr_ok(&b->peer) && b->no_comp <= 1 && b->rated <= 1;
}

static bool chan_kept_ok(const void *body)
{
	const struct link_chan_kept *b = body;

	return b->up <= 1 && b->granted <= 1 && b->program <= LINK_PROGRAM_CHANNEL &&
	       b->ours <= 1 && b->tty <= 1 && target_ok(&b->target);
}

static bool forward_kept_ok(const void *body)
{
	const struct link_forward_kept *b = body;

	return b->token != 0 && (b->addr.family == 0 || addr_ok(&b->addr)) && b->opens != 0 &&
	       b->opens < LINK_OPENS_COUNT && (b->kind == 1 || b->kind == 2) &&
	       b->n_at <= LINK_AT_MAX && b->up <= 1;
}

static bool kex_kept_ok(const void *body)
{
	return ((const struct link_kex_kept *)body)->sealed <= 1;
}

static bool look_chan_ok(const struct link_look_chan *c)
{
	return c->conn.generation != 0 && target_ok(&c->target) && c->state >= LINK_CHAN_OPENING &&
	       c->state <= LINK_CHAN_ENDING && c->slow_in < LINK_SLOW_COUNT &&
	       c->slow_out < LINK_SLOW_COUNT && c->ours <= 1 &&
	       c->capped[LINK_IN] < LINK_CAPPED_COUNT && c->capped[LINK_OUT] < LINK_CAPPED_COUNT;
}

/* As many follow as it says: that was looked at before. */
static bool look_ok(const void *body)
{
	const struct link_look_result *b = body;
	const struct link_look_chan *c = (const void *)(b + 1);
	const struct link_look_conn *k = (const void *)(b + 1);

	for (uint32_t i = 0; i < b->n; i++)
		if (b->what == LINK_LOOK_CHANS ? !look_chan_ok(&c[i]) : k[i].conn.generation == 0)
			return false;
	return b->what <= LINK_LOOK_CAPPED;
}

static bool look_ask_ok(const void *body)
{
	return ((const struct link_look *)body)->what <= LINK_LOOK_CAPPED;
}

static uint64_t look_len(const struct link_look_result *b)
{
	return (uint64_t)b->n * (b->what == LINK_LOOK_CHANS ? sizeof(struct link_look_chan)
							    : sizeof(struct link_look_conn));
}

static bool end_ok(const void *body)
{
	return ((const struct link_end *)body)->cause <= 0;
}

static bool ready_ok(const void *body)
{
	const struct link_ready *b = body;

	return name_ok(b->name, sizeof(b->name), false) && b->max_conns > 0 &&
	       b->max_conns <= b->places;
}

static bool conns_ok(const void *body)
{
	return ((const struct link_conns *)body)->max > 0;
}

static bool listen_ok(const void *body)
{
	const struct link_listen *b = body;

	return addr_ok(&b->addr) && b->close <= 1 &&
	       name_ok(b->rdomain, sizeof(b->rdomain), true);
}

static bool listen_result_ok(const void *body)
{
	const struct link_listen_result *b = body;

	return b->err < 0 || (b->err == 0 && b->port != 0);
}

static bool share_ok(uint64_t key, uint16_t share)
{
	return key == 0 ? share == 0 : share >= 1 && share <= LINK_SHARE_MAX;
}

static bool shares_ok(const void *body)
{
	const struct link_shares *m = body;

	return m->own >= 1 && m->own <= LINK_SHARE_MAX && share_ok(m->user_key, m->user) &&
	       share_ok(m->role_key, m->role);
}

static bool flight_ok(const void *body)
{
	const struct link_flight *m = body;

	for (unsigned int i = 0; i < LINK_FLIGHT_GROUPS; i++)
		if ((m->group[i].key == 0) != (m->group[i].max == 0))
			return false;
	return true;
}

static bool trace_ok(const void *body)
{
	const struct link_trace *b = body;

	return b->fds != 0 && b->messages > 0 && b->messages <= LINK_TRACE_MESSAGES_MAX &&
	       b->time_ms > 0 && b->time_ms <= LINK_TRACE_MS_MAX;
}

/* clang-format off */
#define CONN(type, ...)	     {sizeof(struct type), true, 0, 0, __VA_ARGS__}
#define ALONE(type, ...)     {sizeof(struct type), false, 0, 0, __VA_ARGS__}
#define TAIL(type, min, max) {sizeof(struct type), true, min, max, NULL}
#define NAMED(type, max, ...) {sizeof(struct type), true, 0, max, __VA_ARGS__}

/* A shape per type; what is not listed is refused. */
static const struct shape shapes[] = {
	[LINK_EV_CONN_NEW] = CONN(link_conn_new, conn_new_ok),
	[LINK_EV_IDENT] = TAIL(link_bytes, 1, LINK_IDENT_MAX),
	[LINK_EV_PAYLOAD] = TAIL(link_payload, 1, LINK_PAYLOAD_MAX),
	[LINK_EV_REKEY_DUE] = CONN(link_conn_ref, NULL),
	[LINK_EV_CHAN_OPENED] = CONN(link_chan_ref, chan_opened_ok),
	[LINK_EV_CHAN_FAILED] = CONN(link_chan_failed, chan_failed_ok),
	[LINK_EV_CHAN_EOF] = CONN(link_chan_eof, chan_eof_ok),
	[LINK_EV_CHAN_END] = NAMED(link_chan_end, LINK_HOST_MAX, chan_end_ok),
	[LINK_EV_CONN_END] = CONN(link_conn_end, conn_end_ok),
	[LINK_EV_SHARD_READY] = ALONE(link_ready, ready_ok),
	[LINK_EV_LISTEN_RESULT] = ALONE(link_listen_result, listen_result_ok),
	[LINK_EV_CONN_KEPT] = NAMED(link_conn_kept, LINK_BLOB_MAX, conn_kept_ok),
	[LINK_EV_CHAN_KEPT] = NAMED(link_chan_kept, LINK_HOST_MAX, chan_kept_ok),
	[LINK_EV_FORWARD_KEPT] = NAMED(link_forward_kept, LINK_HOST_MAX, forward_kept_ok),
	[LINK_EV_KEX_KEPT] = NAMED(link_kex_kept, LINK_PAYLOAD_MAX, kex_kept_ok),
	[LINK_EV_CONN_FULL] = ALONE(link_conn_new, conn_new_ok),
	[LINK_EV_CHAN_DRAINED] = CONN(link_chan_ref, NULL),
	[LINK_EV_CHAN_UNSAID] = CONN(link_chan_unsaid, NULL),
	[LINK_EV_FORWARD] = CONN(link_forward_result, forward_result_ok),
	[LINK_EV_LOOK] = {sizeof(struct link_look_result), false, 0, LINK_LOOK_MAX * sizeof(struct link_look_chan), look_ok},

	[LINK_IT_IDENT] = TAIL(link_bytes, 1, LINK_IDENT_MAX),
	[LINK_IT_PAYLOAD] = TAIL(link_bytes, 1, LINK_PAYLOAD_MAX),
	[LINK_IT_TX_KEYS] = CONN(link_keys, keys_ok),
	[LINK_IT_RX_KEYS] = CONN(link_keys, keys_ok),
	[LINK_IT_FIRST_KEX_STRICT] = CONN(link_conn_ref, NULL),
	[LINK_IT_AUTHENTICATED] = CONN(link_authenticated, NULL),
	[LINK_IT_BLOB] = TAIL(link_bytes, 1, LINK_BLOB_MAX),
	[LINK_IT_RX_SEALED] = TAIL(link_bytes, 1, LINK_BLOB_MAX),
	[LINK_IT_CHAN_CONNECT] = CONN(link_chan_connect, chan_connect_ok),
	[LINK_IT_END] = CONN(link_end, end_ok),
	[LINK_IT_ANSWERED] = CONN(link_answered, NULL),
	[LINK_IT_CHAN_HOST] = CONN(link_chan_host, chan_host_ok),
	[LINK_IT_CHAN_OPEN] = NAMED(link_chan_open, LINK_REST_MAX, chan_open_ok),
	[LINK_IT_CHAN_FDS] = CONN(link_chan_fds, chan_fds_ok),
	[LINK_IT_CHAN_FINISH] = CONN(link_chan_ref, NULL),
	[LINK_IT_CHAN_SIZE] = CONN(link_chan_size, NULL),
	[LINK_IT_CHAN_CUT] = CONN(link_chan_cut, chan_cut_ok),
	[LINK_IT_CHAN_SAY] = NAMED(link_chan_say, LINK_SAY_MAX, chan_say_ok),
	[LINK_IT_FORWARD] = CONN(link_forward, forward_ok),
	[LINK_IT_CAPS] = CONN(link_caps, NULL),
	[LINK_IT_SHARES] = CONN(link_shares, shares_ok),
	[LINK_IT_FLIGHT] = CONN(link_flight, flight_ok),
	[LINK_IT_UNFORWARD] = CONN(link_forward_ref, NULL),

	[LINK_CMD_LISTEN] = ALONE(link_listen, listen_ok),
	[LINK_CMD_AUDIT_ACK] = ALONE(link_audit_ack, NULL),
	[LINK_CMD_CHAN_CLOSE] = CONN(link_chan_ref, NULL),
	[LINK_CMD_GRANT] = CONN(link_grant, grant_ok),
	[LINK_CMD_REVOKE] = ALONE(link_revoke, NULL),
	[LINK_CMD_LOOK] = ALONE(link_look, look_ask_ok),
	[LINK_CMD_TRACE] = CONN(link_trace, trace_ok),
	[LINK_CMD_CONNS] = ALONE(link_conns, conns_ok),
};
/* clang-format on */

_Static_assert(sizeof(struct link_hdr) + sizeof(struct link_payload) + LINK_PAYLOAD_MAX <=
		       LINK_MSG_MAX,
	       "the largest message");

/* The body's own count of what follows it. */
static uint64_t tail_len(uint16_t type, const void *body)
{
	switch (type) {
	case LINK_EV_PAYLOAD:
		return ((const struct link_payload *)body)->len;
	case LINK_EV_LOOK:
		return look_len(body);
	case LINK_EV_CHAN_END:
		return ((const struct link_chan_end *)body)->name_len;
	case LINK_EV_CONN_KEPT:
		return ((const struct link_conn_kept *)body)->len;
	case LINK_IT_CHAN_OPEN:
		return ((const struct link_chan_open *)body)->rest_len;
	case LINK_IT_CHAN_SAY:
		return ((const struct link_chan_say *)body)->len;
	case LINK_EV_CHAN_KEPT:
		return ((const struct link_chan_kept *)body)->name_len;
	case LINK_EV_FORWARD_KEPT:
		return ((const struct link_forward_kept *)body)->host_len;
	case LINK_EV_KEX_KEPT:
		return ((const struct link_kex_kept *)body)->len;
	default:
		return ((const struct link_bytes *)body)->len;
	}
}

int link_msg_check(const void *msg, size_t len)
{
	const struct link_hdr *h = msg;
	const struct shape *s;
	size_t rest;

	if (len < sizeof(*h) || h->len != len || h->reserved != 0 || h->reserved2 != 0)
		return -EBADMSG;
	if (h->type >= sizeof(shapes) / sizeof(shapes[0]) || shapes[h->type].body == 0)
		return -EBADMSG;
	s = &shapes[h->type];
	if (s->of_conn && h->conn.generation == 0)
		return -EBADMSG;
	rest = len - sizeof(*h);
	if (rest < s->body)
		return -EBADMSG;
	rest -= s->body;
	if (s->tail_max == 0) {
		if (rest != 0)
			return -EBADMSG;
	} else if (rest < s->tail_min || rest > s->tail_max ||
		   rest != tail_len(h->type, link_msg_body(msg))) {
		return -EBADMSG;
	}
	if (s->check != NULL && !s->check(link_msg_body(msg)))
		return -EBADMSG;
	return 0;
}
