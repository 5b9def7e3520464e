/*
 * Shapes of messages: one good one of every type, and every way to be none.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "link/msg.h"

#define NELEM(a) (sizeof(a) / sizeof((a)[0]))

/* Room for the largest and one byte more, aligned. */
static union {
	struct link_hdr hdr;
	uint64_t align;
	uint8_t bytes[LINK_MSG_MAX + 64];
} msg;

static const struct {
	uint16_t type;
	size_t body;
	uint32_t tail; /* of the good one */
	bool of_conn;
} types[] = {
	{LINK_EV_CONN_NEW, sizeof(struct link_conn_new), 0, true},
	{LINK_EV_IDENT, sizeof(struct link_bytes), 20, true},
	{LINK_EV_PAYLOAD, sizeof(struct link_payload), 100, true},
	{LINK_EV_REKEY_DUE, sizeof(struct link_conn_ref), 0, true},
	{LINK_EV_CHAN_OPENED, sizeof(struct link_chan_ref), 0, true},
	{LINK_EV_CHAN_FAILED, sizeof(struct link_chan_failed), 0, true},
	{LINK_EV_CHAN_END, sizeof(struct link_chan_end), 11, true},
	{LINK_EV_CHAN_EOF, sizeof(struct link_chan_eof), 0, true},
	{LINK_EV_CONN_END, sizeof(struct link_conn_end), 0, true},
	{LINK_EV_SHARD_READY, sizeof(struct link_ready), 0, false},
	{LINK_EV_LISTEN_RESULT, sizeof(struct link_listen_result), 0, false},
	{LINK_EV_CONN_KEPT, sizeof(struct link_conn_kept), 300, true},
	{LINK_EV_CHAN_KEPT, sizeof(struct link_chan_kept), 9, true},
	{LINK_EV_FORWARD_KEPT, sizeof(struct link_forward_kept), 9, true},
	{LINK_EV_KEX_KEPT, sizeof(struct link_kex_kept), 1500, true},
	{LINK_EV_CONN_FULL, sizeof(struct link_conn_new), 0, false},
	{LINK_EV_CHAN_DRAINED, sizeof(struct link_chan_ref), 0, true},
	{LINK_EV_CHAN_UNSAID, sizeof(struct link_chan_unsaid), 0, true},
	{LINK_EV_FORWARD, sizeof(struct link_forward_result), 0, true},
	{LINK_EV_LOOK, sizeof(struct link_look_result), 2 * sizeof(struct link_look_chan), false},
	{LINK_IT_IDENT, sizeof(struct link_bytes), 20, true},
	{LINK_IT_PAYLOAD, sizeof(struct link_bytes), 100, true},
	{LINK_IT_TX_KEYS, sizeof(struct link_keys), 0, true},
	{LINK_IT_RX_KEYS, sizeof(struct link_keys), 0, true},
	{LINK_IT_FIRST_KEX_STRICT, sizeof(struct link_conn_ref), 0, true},
	{LINK_IT_AUTHENTICATED, sizeof(struct link_authenticated), 0, true},
	{LINK_IT_BLOB, sizeof(struct link_bytes), 64, true},
	{LINK_IT_RX_SEALED, sizeof(struct link_bytes), 64, true},
	{LINK_IT_CHAN_CONNECT, sizeof(struct link_chan_connect), 0, true},
	{LINK_IT_END, sizeof(struct link_end), 0, true},
	{LINK_IT_ANSWERED, sizeof(struct link_answered), 0, true},
	{LINK_IT_CHAN_HOST, sizeof(struct link_chan_host), 0, true},
	{LINK_IT_CHAN_FDS, sizeof(struct link_chan_fds), 0, true},
	{LINK_IT_CHAN_FINISH, sizeof(struct link_chan_ref), 0, true},
	{LINK_IT_CHAN_SIZE, sizeof(struct link_chan_size), 0, true},
	{LINK_IT_CHAN_CUT, sizeof(struct link_chan_cut), 0, true},
	{LINK_IT_CHAN_SAY, sizeof(struct link_chan_say), 100, true},
	{LINK_IT_FORWARD, sizeof(struct link_forward), 0, true},
	{LINK_IT_CAPS, sizeof(struct link_caps), 0, true},
	{LINK_IT_SHARES, sizeof(struct link_shares), 0, true},
	{LINK_IT_FLIGHT, sizeof(struct link_flight), 0, true},
	{LINK_IT_UNFORWARD, sizeof(struct link_forward_ref), 0, true},
	{LINK_CMD_LISTEN, sizeof(struct link_listen), 0, false},
	{LINK_CMD_AUDIT_ACK, sizeof(struct link_audit_ack), 0, false},
	{LINK_CMD_CHAN_CLOSE, sizeof(struct link_chan_ref), 0, true},
	{LINK_CMD_GRANT, sizeof(struct link_grant), 0, true},
	{LINK_CMD_REVOKE, sizeof(struct link_revoke), 0, false},
	{LINK_CMD_LOOK, sizeof(struct link_look), 0, false},
	{LINK_CMD_TRACE, sizeof(struct link_trace), 0, true},
	{LINK_CMD_CONNS, sizeof(struct link_conns), 0, false},
};

static void *body(void)
{
	return msg.bytes + sizeof(struct link_hdr);
}

static struct link_addr endpoint(void)
{
	return (struct link_addr){.family = 4, .port = 22, .addr = {10, 0, 0, 1}};
}

static void look_body(uint32_t tail)
{
	struct link_look_result *r = body();
	struct link_look_chan *c = (void *)(r + 1);

	r->n = tail / sizeof(*c);
	for (uint32_t i = 0; i < r->n; i++)
		c[i] = (struct link_look_chan){.conn = {.generation = 1}, .state = LINK_CHAN_OPEN};
}

/* Fills in what a type wants. */
static void good_body(uint16_t type, uint32_t tail)
{
	switch (type) {
	case LINK_EV_CONN_NEW:
	case LINK_EV_CONN_FULL:
		*(struct link_conn_new *)body() =
			(struct link_conn_new){.local = endpoint(), .peer = endpoint()};
		break;
	case LINK_EV_PAYLOAD:
		((struct link_payload *)body())->len = tail;
		break;
	case LINK_EV_IDENT:
	case LINK_IT_IDENT:
	case LINK_IT_PAYLOAD:
	case LINK_IT_BLOB:
	case LINK_IT_RX_SEALED:
		((struct link_bytes *)body())->len = tail;
		break;
	case LINK_EV_CHAN_END:
		((struct link_chan_end *)body())->name_len = (uint16_t)tail;
		break;
	case LINK_EV_CONN_END:
		((struct link_conn_end *)body())->peer = endpoint();
		break;
	case LINK_EV_CONN_KEPT:
		*(struct link_conn_kept *)body() = (struct link_conn_kept){
			.local = endpoint(), .peer = endpoint(), .len = tail};
		break;
	case LINK_EV_CHAN_KEPT:
		((struct link_chan_kept *)body())->name_len = (uint16_t)tail;
		break;
	case LINK_EV_FORWARD_KEPT:
		*(struct link_forward_kept *)body() =
			(struct link_forward_kept){.token = 1,
						   .opens = LINK_OPENS_TCPIP,
						   .kind = 1,
						   .host_len = (uint16_t)tail};
		break;
	case LINK_IT_SHARES:
		((struct link_shares *)body())->own = 1;
		break;
	case LINK_EV_KEX_KEPT:
		((struct link_kex_kept *)body())->len = tail;
		break;
	case LINK_EV_CHAN_OPENED:
		((struct link_chan_ref *)body())->target = endpoint();
		break;
	case LINK_EV_CHAN_FAILED:
		*(struct link_chan_failed *)body() =
			(struct link_chan_failed){.err = -ECONNREFUSED, .reason = 2};
		break;
	case LINK_EV_SHARD_READY:
		*(struct link_ready *)body() =
			(struct link_ready){.max_conns = 3, .places = 3, .name = "dp0"};
		break;
	case LINK_CMD_CONNS:
		((struct link_conns *)body())->max = 1;
		break;
	case LINK_IT_TX_KEYS:
	case LINK_IT_RX_KEYS:
		*(struct link_keys *)body() = (struct link_keys){
			.cipher = "aes256-gcm@openssh.com", .key_len = 32, .iv_len = 12};
		break;
	case LINK_IT_CHAN_CONNECT:
		*(struct link_chan_connect *)body() =
			(struct link_chan_connect){.n_addrs = 1, .kind = 1, .addr = {endpoint()}};
		break;
	case LINK_IT_CHAN_HOST:
		*(struct link_chan_host *)body() = (struct link_chan_host){.fds = 1};
		break;
	case LINK_CMD_TRACE:
		*(struct link_trace *)body() = (struct link_trace){1, 1, 1};
		break;
	case LINK_IT_CHAN_FDS:
		((struct link_chan_fds *)body())->fds = 1;
		break;
	case LINK_IT_CHAN_CUT:
		((struct link_chan_cut *)body())->token = 1;
		break;
	case LINK_IT_CHAN_SAY:
		*(struct link_chan_say *)body() = (struct link_chan_say){.token = 1, .len = tail};
		break;
	case LINK_EV_FORWARD:
		((struct link_forward_result *)body())->port = 2222;
		break;
	case LINK_EV_LOOK:
		look_body(tail);
		break;
	case LINK_IT_FORWARD:
		*(struct link_forward *)body() =
			(struct link_forward){.token = 1, .kind = 1, .opens = LINK_OPENS_TCPIP};
		break;
	case LINK_CMD_LISTEN:
		((struct link_listen *)body())->addr = endpoint();
		break;
	case LINK_EV_LISTEN_RESULT:
		((struct link_listen_result *)body())->port = 22;
		break;
	case LINK_CMD_GRANT:
		*(struct link_grant *)body() = (struct link_grant){.token = 1,
								   .port = 80,
								   .n_addrs = 1,
								   .kind = 1,
								   .host_len = 1,
								   .addr = {endpoint()},
								   .host = "a"};
		break;
	}
}

static size_t good(size_t i)
{
	size_t len = sizeof(struct link_hdr) + types[i].body + types[i].tail;

	memset(&msg, 0, sizeof(msg));
	msg.hdr.len = (uint32_t)len;
	msg.hdr.type = types[i].type;
	if (types[i].of_conn)
		msg.hdr.conn.generation = 1;
	good_body(types[i].type, types[i].tail);
	return len;
}

static size_t good_of(uint16_t type)
{
	size_t i = 0;

	while (types[i].type != type)
		i++;
	return good(i);
}

Test(link_msg, every_type_has_a_good_one)
{
	for (size_t i = 0; i < NELEM(types); i++) {
		size_t len = good(i);

		cr_expect_eq(link_msg_check(&msg, len), 0, "type %u", types[i].type);
	}
}

Test(link_msg, only_listed_types_are_known)
{
	for (uint32_t type = 0; type <= UINT16_MAX; type++) {
		bool listed = false;

		for (size_t i = 0; i < NELEM(types); i++)
			listed = listed || types[i].type == type;
		if (listed)
			continue;
		memset(&msg, 0, 512);
		msg.hdr.type = (uint16_t)type;
		msg.hdr.conn.generation = 1;
		for (size_t len = sizeof(struct link_hdr); len < 256; len += 4) {
			msg.hdr.len = (uint32_t)len;
			cr_assert_eq(link_msg_check(&msg, len), -EBADMSG, "type %u", type);
		}
	}
}

Test(link_msg, lengths_are_exact)
{
	for (size_t i = 0; i < NELEM(types); i++) {
		size_t len = good(i);

		for (size_t other = 0; other < len + 64; other++) {
			if (other == len)
				continue;
			/* what was copied and what is said differ */
			cr_expect_eq(link_msg_check(&msg, other), -EBADMSG);
			/* both say another length than the type has */
			if (other >= sizeof(struct link_hdr)) {
				msg.hdr.len = (uint32_t)other;
				cr_expect_eq(link_msg_check(&msg, other), -EBADMSG, "type %u: %zu",
					     types[i].type, other);
				msg.hdr.len = (uint32_t)len;
			}
		}
	}
}

Test(link_msg, reserved_fields_are_zero)
{
	size_t len = good_of(LINK_CMD_AUDIT_ACK);

	msg.hdr.reserved = 1;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG);
	len = good_of(LINK_CMD_AUDIT_ACK);
	msg.hdr.reserved2 = 1;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG);
}

Test(link_msg, what_is_about_a_connection_names_one)
{
	for (size_t i = 0; i < NELEM(types); i++) {
		size_t len = good(i);

		msg.hdr.conn.generation = 0;
		cr_expect_eq(link_msg_check(&msg, len), types[i].of_conn ? -EBADMSG : 0, "type %u",
			     types[i].type);
	}
}

Test(link_msg, bounds_of_variable_parts)
{
	static const struct {
		uint16_t type;
		uint32_t min, max;
	} tails[] = {
		{LINK_EV_IDENT, 1, LINK_IDENT_MAX},     {LINK_IT_IDENT, 1, LINK_IDENT_MAX},
		{LINK_EV_PAYLOAD, 1, LINK_PAYLOAD_MAX}, {LINK_IT_PAYLOAD, 1, LINK_PAYLOAD_MAX},
		{LINK_IT_BLOB, 1, LINK_BLOB_MAX},       {LINK_IT_RX_SEALED, 1, LINK_BLOB_MAX},
	};

	for (size_t i = 0; i < NELEM(tails); i++) {
		const uint32_t lens[] = {0, 1, tails[i].max, tails[i].max + 1};

		for (size_t k = 0; k < NELEM(lens); k++) {
			bool ok = lens[k] >= tails[i].min && lens[k] <= tails[i].max;
			size_t base = tails[i].type == LINK_EV_PAYLOAD ? sizeof(struct link_payload)
								       : sizeof(struct link_bytes);
			size_t len = sizeof(struct link_hdr) + base + lens[k];

			good_of(tails[i].type);
			good_body(tails[i].type, lens[k]);
			msg.hdr.len = (uint32_t)len;
			cr_expect_eq(link_msg_check(&msg, len), ok ? 0 : -EBADMSG, "type %u: %u",
				     tails[i].type, lens[k]);
		}
	}
}

/* A count in the body that does not say what follows. */
Test(link_msg, counts_that_lie)
{
	static const uint32_t lies[] = {0, 1, 99, 101, 0x7fffffff, 0x80000000, 0xffffffff};

	for (size_t i = 0; i < NELEM(lies); i++) {
		size_t len = good_of(LINK_EV_PAYLOAD);

		((struct link_payload *)body())->len = lies[i];
		cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "%u", lies[i]);
		len = good_of(LINK_IT_PAYLOAD);
		((struct link_bytes *)body())->len = lies[i];
		cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "%u", lies[i]);
	}
}

/* Sets n bytes at off of the body of a good message to v: must be refused. */
static const struct {
	const char *what;
	uint16_t type;
	size_t off, n;
	uint8_t v;
} broken[] = {
	{"family 0", LINK_EV_CONN_NEW, offsetof(struct link_conn_new, local.family), 1, 0},
	{"no place, family 0", LINK_EV_CONN_FULL, offsetof(struct link_conn_new, peer.family), 1, 0},
	{"family 5", LINK_EV_CONN_NEW, offsetof(struct link_conn_new, peer.family), 1, 5},
	{"two families", LINK_EV_CONN_NEW, offsetof(struct link_conn_new, peer.family), 1, 6},
	{"no local port", LINK_EV_CONN_NEW, offsetof(struct link_conn_new, local.port), 2, 0},
	{"no target", LINK_EV_CHAN_OPENED, offsetof(struct link_chan_ref, target.family), 1, 0},
	{"reason 0", LINK_EV_CHAN_FAILED, offsetof(struct link_chan_failed, reason), 4, 0},
	{"reason 5", LINK_EV_CHAN_FAILED, offsetof(struct link_chan_failed, reason), 1, 5},
	{"positive error", LINK_EV_CHAN_FAILED, offsetof(struct link_chan_failed, err), 4, 1},
	{"positive cause", LINK_EV_CHAN_END, offsetof(struct link_chan_end, cause), 4, 1},
	{"neither", LINK_EV_CHAN_END, offsetof(struct link_chan_end, told), 1, 2},
	{"none of three", LINK_EV_CHAN_END, offsetof(struct link_chan_end, eof), 1, 3},
	{"none of three", LINK_EV_CHAN_END, offsetof(struct link_chan_end, eof) + 1, 1, 3},
	{"neither way", LINK_EV_CHAN_EOF, offsetof(struct link_chan_eof, way), 1, 2},
	{"positive cause", LINK_EV_CONN_END, offsetof(struct link_conn_end, cause), 4, 1},
	{"neither", LINK_EV_CONN_END, offsetof(struct link_conn_end, authenticated), 1, 2},
	{"no name", LINK_EV_SHARD_READY, offsetof(struct link_ready, name), 32, 0},
	{"no end of name", LINK_EV_SHARD_READY, offsetof(struct link_ready, name), 32, 'a'},
	{"line in name", LINK_EV_SHARD_READY, offsetof(struct link_ready, name), 1, '\n'},
	{"no connections", LINK_EV_SHARD_READY, offsetof(struct link_ready, max_conns), 4, 0},
	{"too few places", LINK_EV_SHARD_READY, offsetof(struct link_ready, places), 1, 2},
	{"positive error", LINK_EV_LISTEN_RESULT, offsetof(struct link_listen_result, err), 4, 1},
	{"neither rated nor not", LINK_EV_CONN_KEPT, offsetof(struct link_conn_kept, rated), 1, 2},
	{"no cipher", LINK_IT_TX_KEYS, offsetof(struct link_keys, cipher), 40, 0},
	{"no end of cipher", LINK_IT_TX_KEYS, offsetof(struct link_keys, cipher), 40, 'a'},
	{"no end of mac", LINK_IT_RX_KEYS, offsetof(struct link_keys, mac), 40, 'a'},
	{"neither", LINK_IT_RX_KEYS, offsetof(struct link_keys, reset_seqnr), 1, 2},
	{"no key", LINK_IT_RX_KEYS, offsetof(struct link_keys, key_len), 1, 0},
	{"key too long", LINK_IT_RX_KEYS, offsetof(struct link_keys, key_len), 1, 65},
	{"iv too long", LINK_IT_RX_KEYS, offsetof(struct link_keys, iv_len), 1, 17},
	{"mac key too long", LINK_IT_RX_KEYS, offsetof(struct link_keys, mac_key_len), 1, 65},
	{"no address", LINK_IT_CHAN_CONNECT, offsetof(struct link_chan_connect, n_addrs), 2, 0},
	{"9 addresses", LINK_IT_CHAN_CONNECT, offsetof(struct link_chan_connect, n_addrs), 1, 9},
	{"many addresses", LINK_IT_CHAN_CONNECT, offsetof(struct link_chan_connect, n_addrs), 2,
	 0xff},
	{"second empty", LINK_IT_CHAN_CONNECT, offsetof(struct link_chan_connect, n_addrs), 1, 2},
	{"kind 0", LINK_IT_CHAN_CONNECT, offsetof(struct link_chan_connect, kind), 2, 0},
	{"kind 2", LINK_IT_CHAN_CONNECT, offsetof(struct link_chan_connect, kind), 1, 2},
	{"no port", LINK_IT_CHAN_CONNECT, offsetof(struct link_chan_connect, addr[0].port), 2, 0},
	{"positive cause", LINK_IT_END, offsetof(struct link_end, cause), 4, 1},
	{"no address", LINK_CMD_LISTEN, offsetof(struct link_listen, addr.family), 1, 0},
	{"it listens at no port", LINK_EV_LISTEN_RESULT, offsetof(struct link_listen_result, port),
	 2, 0},
	{"neither", LINK_CMD_LISTEN, offsetof(struct link_listen, close), 1, 2},
	{"no name", LINK_CMD_LISTEN, offsetof(struct link_listen, rdomain), 1, ' '},
	{"no token", LINK_CMD_GRANT, offsetof(struct link_grant, token), 8, 0},
	{"no port", LINK_CMD_GRANT, offsetof(struct link_grant, port), 2, 0},
	{"no address", LINK_CMD_GRANT, offsetof(struct link_grant, n_addrs), 2, 0},
	{"9 addresses", LINK_CMD_GRANT, offsetof(struct link_grant, n_addrs), 1, 9},
	{"second empty", LINK_CMD_GRANT, offsetof(struct link_grant, n_addrs), 1, 2},
	{"kind 2", LINK_CMD_GRANT, offsetof(struct link_grant, kind), 1, 2},
	{"no port", LINK_CMD_GRANT, offsetof(struct link_grant, addr[0].port), 2, 0},
	{"no host", LINK_CMD_GRANT, offsetof(struct link_grant, host_len), 2, 0},
	{"no connections", LINK_CMD_CONNS, offsetof(struct link_conns, max), 4, 0},
	{"256 bytes of host", LINK_CMD_GRANT, offsetof(struct link_grant, host_len) + 1, 1, 1},
};

Test(link_msg, fields_out_of_range)
{
	for (size_t i = 0; i < NELEM(broken); i++) {
		size_t len = good_of(broken[i].type);

		memset((uint8_t *)body() + broken[i].off, broken[i].v, broken[i].n);
		cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "type %u: %s", broken[i].type,
			     broken[i].what);
	}
}

Test(link_msg, directions)
{
	for (size_t i = 0; i < NELEM(types); i++)
		cr_expect_eq(link_type_is_up(types[i].type), types[i].type < 64);
	cr_expect_not(link_type_is_up(0));
}

Test(link_msg, a_channel_over_descriptors_has_some_or_is_a_programs)
{
	size_t len = good_of(LINK_IT_CHAN_HOST);
	struct link_chan_host *b = body();

	b->fds = 0;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG);
	b->program = LINK_PROGRAM_SESSION;
	cr_expect_eq(link_msg_check(&msg, len), 0);
	b->program = LINK_PROGRAM_CHANNEL;
	cr_expect_eq(link_msg_check(&msg, len), 0);
	b->program = LINK_PROGRAM_CHANNEL + 1;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG);
	b->program = 0;
	b->fds = 1;
	b->target = endpoint();
	cr_expect_eq(link_msg_check(&msg, len), 0);
	b->target.port = 0;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG);
	b->target = (struct link_addr){.port = 22};
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG);
	len = good_of(LINK_IT_CHAN_FDS);
	((struct link_chan_fds *)body())->fds = 0;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG);
}

Test(link_msg, traces_have_an_end)
{
	struct link_trace *b = body();
	size_t len = good_of(LINK_CMD_TRACE);

	*b = (struct link_trace){1, LINK_TRACE_MESSAGES_MAX, LINK_TRACE_MS_MAX};
	cr_expect_eq(link_msg_check(&msg, len), 0);
	*b = (struct link_trace){0, 1, 1};
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG);
	*b = (struct link_trace){1, 0, 1};
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG);
	*b = (struct link_trace){1, 1, 0};
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG);
	*b = (struct link_trace){1, LINK_TRACE_MESSAGES_MAX + 1, 1};
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG);
	*b = (struct link_trace){1, 1, LINK_TRACE_MS_MAX + 1};
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG);
}

Test(link_msg, tees_of_channels)
{
	struct link_chan_fds *b = body();
	size_t len = good_of(LINK_IT_CHAN_FDS);

	b->tee_how = LINK_TEE_STRICT;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "of none");
	b->tee = b->fds;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "a token names descriptors once");
	b->tee = b->fds + 1;
	cr_expect_eq(link_msg_check(&msg, len), 0);
	b->tee_how = LINK_TEE_ALL + 1;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG);
}

Test(link_msg, records_of_channels)
{
	struct link_chan_cut *b = body();
	size_t len = good_of(LINK_IT_CHAN_CUT);

	b->max = LINK_RECORD_MAX;
	b->eol_len = LINK_EOL_MAX;
	cr_expect_eq(link_msg_check(&msg, len), 0);
	b->max++;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG);
	b->max = LINK_EOL_MAX - 1;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "its end has no room in it");
	b->max = LINK_RECORD_MAX;
	b->eol_len++;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG);
	b->eol_len = 0;
	b->token = 0;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG);
}

Test(link_msg, bytes_beside_a_channels_own)
{
	struct link_chan_say *b = body();
	size_t len = good_of(LINK_IT_CHAN_SAY);

	b->what = LINK_SAY_ERR;
	cr_expect_eq(link_msg_check(&msg, len), 0);
	b->what = LINK_SAY_END;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "an end has no bytes");
	b->what++;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG);
	b->what = LINK_SAY_OUT;
	b->token = 0;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG);
}

Test(link_msg, listeners_of_clients)
{
	struct link_forward *f = body();
	struct link_forward_result *r = body();
	size_t len = good_of(LINK_IT_FORWARD);

	f->token = 0;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "no token");
	len = good_of(LINK_IT_FORWARD);
	f->kind = 3;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "no such kind");
	f->kind = 2;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "the kernel's, and no descriptors");
	f->fds = 7;
	for (f->opens = 1; f->opens < LINK_OPENS_COUNT; f->opens++)
		cr_expect_eq(link_msg_check(&msg, len), 0, "opens %u", f->opens);
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "no such channel");
	f->opens = 0;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "no channel");
	f->opens = LINK_OPENS_X11;
	f->once = 2;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "twice");
	f->once = 1;
	f->kind = 1;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "descriptors of our own TCP");
	f->fds = 0;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "X11 is the kernel's");
	len = good_of(LINK_IT_FORWARD);
	f->host_len = LINK_HOST_MAX + 1;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "a host too long");
	len = good_of(LINK_IT_FORWARD);
	f->addr = (struct link_addr){.family = 5};
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "no family");
	f->addr = endpoint();
	cr_expect_eq(link_msg_check(&msg, len), 0, "an address of its own");
	len = good_of(LINK_EV_FORWARD);
	r->port = 0;
	cr_expect_eq(link_msg_check(&msg, len), 0, "a socket has none");
	r->err = -EADDRINUSE;
	cr_expect_eq(link_msg_check(&msg, len), 0, "not bound");
	r->err = 1;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "no error");
}

Test(link_msg, what_looks_is_told)
{
	size_t len = good_of(LINK_EV_LOOK);
	struct link_look_result *r = body();
	struct link_look_chan *c = (void *)(r + 1);

	r->n = 1;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "one more than it says");
	r->n = 3;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "one less");
	r->n = UINT32_C(0x80000002); /* times its size, in 32 bits, it would be two */
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG);
	r->n = 2;
	cr_expect_eq(link_msg_check(&msg, len), 0);
	c[1].conn.generation = 0;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "of no connection");
	len = good_of(LINK_EV_LOOK);
	c[1].slow_in = LINK_SLOW_COUNT;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "no reason");
	len = good_of(LINK_EV_LOOK);
	c[1].slow_out = LINK_SLOW_COUNT;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "no reason");
	len = good_of(LINK_EV_LOOK);
	c[1].capped[LINK_OUT] = LINK_CAPPED_COUNT;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "nobody's rate");
	len = good_of(LINK_EV_LOOK);
	c[0].state = 0;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "no state");
	len = good_of(LINK_EV_LOOK);
	c[0].target.family = 5;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "no address");
}

/* The same message about connections, of which each takes less. */
Test(link_msg, what_looks_at_connections_is_told)
{
	size_t len = good_of(LINK_EV_LOOK);
	struct link_look_result *r = body();
	struct link_look_conn *k = (void *)(r + 1);

	r->what = LINK_LOOK_CAPPED;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "channels are longer");
	memset(k, 0, 2 * sizeof(*k));
	k[0].conn.generation = k[1].conn.generation = 1;
	len -= 2 * (sizeof(struct link_look_chan) - sizeof(*k));
	msg.hdr.len = (uint32_t)len;
	cr_expect_eq(link_msg_check(&msg, len), 0);
	k[1].conn.generation = 0;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "of no connection");
	k[1].conn.generation = 1;
	r->what = LINK_LOOK_CAPPED + 1;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG, "nobody knows what of");
	len = good_of(LINK_CMD_LOOK);
	((struct link_look *)body())->what = LINK_LOOK_CAPPED;
	cr_expect_eq(link_msg_check(&msg, len), 0);
	((struct link_look *)body())->what = LINK_LOOK_CAPPED + 1;
	cr_expect_eq(link_msg_check(&msg, len), -EBADMSG);
}
