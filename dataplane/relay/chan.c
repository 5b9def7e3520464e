/*
 * dataplane/relay/chan.c - channels: their bytes, windows, EOF and CLOSE.
 *
 * Source  RFC 4254 section 5.
 *
 * What is to be said about a channel is remembered in it, not queued: it is said in the
 * order CONFIRMATION, WINDOW_ADJUST, data, EOF, CLOSE, once the keys allow it, and a
 * peer that makes us say much cannot make a queue grow.
 */
#include "dataplane/relay/internal.h"

#include <errno.h>

#include "ssh/chan.h"
#include "ssh/session_msg.h"
#include "ssh/wire.h"

struct chan *chan_at(struct conn *c, uint32_t local)
{
	struct relay *r = c->relay;
	uint32_t index = local & ((UINT32_C(1) << r->chan_bits) - 1);
	struct chan *ch;

	if (index >= r->conf.chans_max)
		return NULL;
	ch = &r->chans[index];
	return ch->conn == c && ch->local == local ? ch : NULL;
}

struct chan *chan_find(struct conn *c, uint32_t local)
{
	struct chan *ch = chan_at(c, local);

	/* Its number is the peer's to use once it was told, or has answered. */
	if (ch == NULL || ch->fsm.state == SSH_CHAN_OPENING || ch->fsm.state == SSH_CHAN_ABANDONED)
		return NULL;
	return ch;
}

struct chan *chan_find_peer(struct conn *c, uint32_t peer)
{
	struct chan *ch;

	TAILQ_FOREACH(ch, &c->chans, link)
	{
		if (ch->peer == peer && ch->fsm.state == SSH_CHAN_OPEN)
			return ch;
	}
	return NULL;
}

/*
 * A place comes again when RELAY_CHANS_REST others have been free as long, and a number when its
 * place has had all its generations. To go round the whole table would be to find each channel
 * in memory, where those of now lie in the cache.
 */
static struct chan *chan_place(struct relay *r)
{
	bool rested = r->n_free_chans > RELAY_CHANS_REST || r->fresh_chans == r->conf.chans_max;

	return rested ? TAILQ_FIRST(&r->free_chans) : &r->chans[r->fresh_chans];
}

/* To the end: those before it have rested longer. */
static void chan_put(struct relay *r, struct chan *ch)
{
	ch->conn = NULL;
	TAILQ_INSERT_TAIL(&r->free_chans, ch, link);
	r->n_free_chans++;
}

int chan_new(struct conn *c, enum stream_kind kind, struct chan **ret)
{
	struct relay *r = c->relay;
	struct chan *ch = chan_place(r);
	uint32_t generation, index;

	if (c->n_chans >= c->auth.max_channels) {
		relay_count(r, RELAY_C_CHANS_CONN);
		return -SSH_E_CHANNELS;
	}
	if (ch == NULL) {
		relay_count(r, RELAY_C_CHAN_TABLE_FULL);
		return -SSH_E_CHANNELS_ALL;
	}
	if (ch == TAILQ_FIRST(&r->free_chans)) {
		TAILQ_REMOVE(&r->free_chans, ch, link);
		r->n_free_chans--;
	} else {
		r->fresh_chans++;
	}
	generation = ch->generation + 1;
	index = (uint32_t)(ch - r->chans);
	*ch = (struct chan){
		.conn = c,
		.generation = generation,
		.local = generation << r->chan_bits | index,
		.fsm = {.state = SSH_CHAN_OPENING},
		.packet_max = c->auth.packet_max,
	};
	if (!window_init(ch, kind)) {
		chan_put(r, ch);
		relay_count(r, RELAY_C_CHAN_TABLE_FULL);
		relay_count(r, RELAY_C_WINDOWS_FULL);
		return -SSH_E_UNAVAILABLE;
	}
	TAILQ_INSERT_TAIL(&c->chans, ch, link);
	c->n_chans++;
	if (unlikely(c->capped))
		cap_chan_new(ch);
	*ret = ch;
	return 0;
}

void chan_name(struct chan *ch, const void *name, uint32_t len, uint16_t port)
{
	ch->asked_port = port;
	(void)note_put(ch->conn->relay, &ch->name, name, len);
}

struct chan *chan_of_token(struct conn *c, uint64_t token)
{
	struct chan *ch;

	TAILQ_FOREACH(ch, &c->chans, link)
	{
		if (ch->token == token)
			return ch;
	}
	return NULL;
}

static void target_let_go(struct chan *ch, bool graceful)
{
	if (ch->target == NULL)
		return;
	if (unlikely(ch->conn->capped) && graceful)
		cap_flush(ch);
	if (unlikely(ch->conn->capped))
		cap_drop(ch);
	if (unlikely(ch->conn->indebted) && graceful && !debt_leave(ch)) {
		relay_count(ch->conn->relay, RELAY_C_LEFT_FULL);
		graceful = false;
	}
	if (graceful)
		ch->target->ops->close(ch->target);
	else
		ch->target->ops->abort(ch->target);
	ch->target = NULL;
	if (unlikely(ch->conn->indebted))
		debt_target_over(ch);
	ch->conn->in_targets -= ch->in_target;
	ch->in_target = 0;
}

void chan_free(struct chan *ch)
{
	struct conn *c = ch->conn;

	target_let_go(ch, false);
	chan_tee_end(ch);
	connect_over(ch);
	forward_answered(ch);
	forward_left(ch);
	window_fini(ch);
	conn_ttys(c, -ch->tty);
	note_drop(c->relay, &ch->name);
	rounds_leave(ch);
	TAILQ_REMOVE(&c->chans, ch, link);
	c->full_told = false;
	if (--c->n_chans == 0)
		timer_unused(c);
	chan_put(c->relay, ch);
}

/* Nothing waits for this: where it does not go, and of a channel that closes, its end says it. */
static void tell_eof(struct chan *ch)
{
	if ((ch->conn->pend & CONN_EV_KEPT) || (ch->pend & CHAN_EV_OPENED) ||
	    ch->fsm.state != SSH_CHAN_OPEN)
		return;
	for (uint32_t way = LINK_EOF_IN; way <= LINK_EOF_OUT; way++)
		if ((ch->eof_due >> way & 1) && up_chan_eof(ch, way) == 0)
			ch->eof_due &= (uint8_t)~(1u << way);
}

/* Events about it to control. -EAGAIN, -ENOTCONN: it must wait. */
static int chan_tell(struct chan *ch)
{
	int r = 0;

	if (ch->conn->pend & CONN_EV_KEPT) /* who it is goes before what becomes of it */
		return -ENOTCONN;
	if (ch->pend & CHAN_EV_OPENED) {
		r = up_chan_opened(ch);
		if (r == 0)
			ch->pend &= (uint8_t)~CHAN_EV_OPENED;
	}
	if (r == 0 && (ch->pend & CHAN_EV_FAILED)) {
		r = up_chan_failed(ch->conn, ch->token, ch->connect_err, ch->reason);
		if (r == 0)
			ch->pend &= (uint8_t)~CHAN_EV_FAILED;
	}
	if (r == 0 && (ch->pend & CHAN_EV_DRAINED)) {
		r = up_chan_drained(ch);
		if (r == 0)
			ch->pend &= (uint8_t)~CHAN_EV_DRAINED;
	}
	return r;
}

/* An end that audit hears of: of a channel that was open. */
static void chan_over(struct chan *ch)
{
	(void)chan_tell(ch); /* the end itself is an event that is kept; this one may be lost */
	audit_chan_end(ch);
	chan_free(ch);
}

static void target_ready(struct stream *s)
{
	struct chan *ch = s->user_ptr;

	chan_ready(ch);
	conn_activate(ch->conn);
}

static uint32_t target_keep(struct stream *s, uint32_t was, uint32_t size)
{
	struct chan *ch = s->user_ptr;

	return unlikely(ch->conn->indebted) ? debt_target(ch, was, size) : size;
}

const struct stream_user chan_target_user = {.ready = target_ready, .keep = target_keep};

static void count_bytes(struct chan *ch, uint64_t *counter, uint32_t n)
{
	uint64_t now = ch->conn->relay->now_us;

	*counter += n;
	if (ch->first_us == 0)
		ch->first_us = now;
	ch->last_us = now;
	ch->conn->last_data_us = now;
}

void chan_consume(struct chan *ch, uint32_t n)
{
	if (n == 0)
		return;
	ch->adjust += window_taken(ch, n);
	if (ch->adjust > 0)
		chan_ready(ch);
}

static void given(struct chan *ch, uint32_t n)
{
	ch->in_target += n;
	ch->conn->in_targets += n;
}

static void discard(struct chan *ch, uint32_t n, struct pkt_chain *payload)
{
	pkt_chain_free(payload);
	chan_consume(ch, n);
}

/* Where nothing says which bytes are which, as with direct-tcpip, it is dropped (S-53). */
static void ext_data(struct chan *ch, const struct ssh_chan_data *d, uint32_t head_len,
		     struct pkt_chain *payload)
{
	struct stream *to = ch->target;
	uint32_t n = d->data.len;
	int r;

	if (to->ops->tx_ext == NULL) {
		discard(ch, n, payload);
		return;
	}
	pkt_chain_trim_head(payload, head_len);
	if (ch->tee != NULL && !chan_tee_copy(ch, TEE_IN, payload)) {
		pkt_chain_free(payload);
		return;
	}
	r = ch->conn->capped ? cap_tx_ext(ch, d->data_type, payload)
			     : to->ops->tx_ext(to, d->data_type, payload);
	if (r < 0)
		chan_consume(ch, n);
	else
		given(ch, n);
}

int chan_data(struct chan *ch, const struct ssh_chan_data *d, uint32_t head_len,
	      struct pkt_chain *payload)
{
	struct relay *r = ch->conn->relay;
	uint32_t n = d->data.len;
	enum ssh_chan_act act;
	int err;

	err = n > ch->packet_max ? -SSH_E_PACKET_SIZE : 0;
	if (err == 0)
		err = ssh_chan_step(&ch->fsm, SSH_CHAN_EV_PEER_DATA, &act);
	if (err == 0)
		err = ssh_rwin_recv(&ch->rwin, n);
	if (err < 0) {
		pkt_chain_free(payload);
		return err;
	}

	r->counters[RELAY_C_BYTES_FROM_CLIENTS] += n;
	count_bytes(ch, &ch->bytes_from_peer, n);
	if (act == SSH_CHAN_ACT_DISCARD || ch->target == NULL || n == 0) {
		discard(ch, n, payload);
		return 0;
	}
	if (unlikely(d->data_type != 0)) {
		ext_data(ch, d, head_len, payload);
		return 0;
	}
	pkt_chain_trim_head(payload, head_len);
	if (unlikely(ch->tee != NULL) && !chan_tee_copy(ch, TEE_IN, payload)) {
		pkt_chain_free(payload);
		return 0;
	}
	if (unlikely(ch->conn->capped)) {
		cap_hold(ch, payload);
		given(ch, n);
		return 0;
	}
	if (ch->target->ops->tx(ch->target, payload) < 0)
		chan_consume(ch, n); /* the stream's own event says what is wrong with it */
	else
		given(ch, n);
	return 0;
}

int chan_adjust(struct chan *ch, uint32_t n)
{
	enum ssh_chan_act act;
	int r = ssh_chan_step(&ch->fsm, SSH_CHAN_EV_PEER_ADJUST, &act);

	if (r == 0)
		r = ssh_swin_adjust(&ch->swin, n);
	if (r == 0)
		chan_ready(ch);
	return r;
}

int chan_peer_eof(struct chan *ch)
{
	bool again = ch->fsm.eof_received;
	enum ssh_chan_act act;
	int r = ssh_chan_step(&ch->fsm, SSH_CHAN_EV_PEER_EOF, &act);

	if (ch->fsm.eof_received && !again)
		ch->eof_due |= 1u << LINK_EOF_IN;
	if (r < 0 || act != SSH_CHAN_ACT_DELIVER)
		return r;
	/* What a cap holds goes before it. */
	if (ch->target != NULL && !(ch->conn->capped && cap_held(ch) > 0))
		ch->target->ops->shutdown(ch->target);
	chan_ready(ch);
	return 0;
}

/*
 * Bytes that were given to the target still go out, with FIN behind them: a peer that writes
 * and closes, with or without EOF, means them to arrive.
 */
int chan_peer_close(struct chan *ch)
{
	enum ssh_chan_act act;
	int r = ssh_chan_step(&ch->fsm, SSH_CHAN_EV_PEER_CLOSE, &act);

	if (r < 0)
		return r;
	host_over(ch);
	target_let_go(ch, true);
	/* Ours may be due and not said yet, because of a key exchange: the peer waits for it. */
	if (act == SSH_CHAN_ACT_FREE && !(ch->pend & CHAN_SAY_CLOSE)) {
		if (ch->open_us != 0)
			chan_over(ch);
		else /* one of ours that was given up before it was confirmed */
			chan_free(ch);
		return 0;
	}
	ch->pend |= CHAN_SAY_CLOSE;
	chan_ready(ch);
	return 0;
}

/* CLOSE is ours to send: both ways are at their end, the target failed, or control wants it. */
static void chan_local_close(struct chan *ch, int cause, bool graceful)
{
	enum ssh_chan_act act;

	if (ssh_chan_step(&ch->fsm, SSH_CHAN_EV_LOCAL_CLOSE, &act) < 0)
		return;
	host_over(ch);
	ch->cause = cause;
	target_let_go(ch, graceful);
	ch->pend |= CHAN_SAY_CLOSE;
	chan_ready(ch);
}

void chan_close(struct chan *ch, int cause)
{
	if (ch->fsm.state == SSH_CHAN_OPENING && ch->ours)
		forward_give_up(ch, cause);
	else if (ch->fsm.state == SSH_CHAN_OPENING)
		connect_fail(ch, cause, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	else if (ch->fsm.state == SSH_CHAN_OPEN)
		chan_local_close(ch, cause, false);
	conn_activate(ch->conn);
}

void chan_abandon(struct chan *ch, int cause)
{
	bool was_open = ch->fsm.state != SSH_CHAN_OPENING && ch->open_us != 0;

	/* Only an EOF of the peer's may look like one to the target. */
	target_let_go(ch, ch->fsm.eof_received);
	if (ch->cause == 0)
		ch->cause = cause;
	if (was_open)
		audit_chan_end(ch);
	chan_free(ch);
}

/* What the target took since the last look is granted again. */
static void chan_settle(struct chan *ch)
{
	uint32_t queued = ch->target->ops->tx_queued(ch->target);

	if (unlikely(ch->conn->capped))
		queued = cap_untaken(ch, queued);
	if (queued >= ch->in_target || chan_tee_full(ch))
		return;
	chan_consume(ch, ch->in_target - queued);
	ch->conn->in_targets -= ch->in_target - queued;
	ch->in_target = queued;
}

int chan_say(const struct chan *ch, uint8_t msg)
{
	uint8_t payload[5];
	struct ssh_wr w;

	ssh_wr_init(&w, payload, sizeof(payload));
	ssh_chan_simple_build(&w, msg, ch->peer);
	return conn_send(ch->conn, payload, (uint32_t)ssh_wr_done(&w));
}

static int say_adjust(struct chan *ch)
{
	uint8_t payload[9];
	struct ssh_wr w;
	int r;

	if (ch->adjust == 0)
		return 0;
	/* After its EOF or either CLOSE the peer has no use for it. */
	if (ch->fsm.state == SSH_CHAN_OPEN && !ch->fsm.eof_received) {
		ssh_wr_init(&w, payload, sizeof(payload));
		ssh_chan_adjust_build(&w, ch->peer, ch->adjust);
		r = conn_send(ch->conn, payload, (uint32_t)ssh_wr_done(&w));
		if (r < 0)
			return r;
	}
	ch->adjust = 0;
	return 0;
}

/*
 * OpenSSH's PROTOCOL, section 2.1: who sends may stop. What is on its way is dropped by the stream.
 */
static int say_eow(struct chan *ch)
{
	const struct ssh_chan_request m = {
		.recipient_channel = ch->peer,
		.type = ssh_str_c(ssh_session_request_name(SSH_SESSION_EOW))};
	uint8_t payload[64];
	struct ssh_wr w;
	int r;

	ssh_wr_init(&w, payload, sizeof(payload));
	ssh_chan_request_build(&w, &m);
	r = conn_send(ch->conn, payload, (uint32_t)ssh_wr_done(&w));
	if (r == 0)
		ch->say_eow = false;
	return r;
}

static int say_confirm(struct chan *ch)
{
	struct ssh_chan_confirm m = {
		.recipient_channel = ch->peer,
		.sender_channel = ch->local,
		.window_size = ch->rwin.initial_window_size,
		.packet_max = ch->packet_max,
	};
	enum ssh_chan_act act;
	uint8_t payload[32];
	struct ssh_wr w;
	int r;

	ssh_wr_init(&w, payload, sizeof(payload));
	ssh_chan_confirm_build(&w, &m);
	r = conn_send(ch->conn, payload, (uint32_t)ssh_wr_done(&w));
	if (r < 0)
		return r;
	(void)ssh_chan_step(&ch->fsm, SSH_CHAN_EV_CONFIRMED, &act);
	ch->pend &= (uint8_t)~CHAN_SAY_CONFIRM;
	ch->pend |= CHAN_EV_OPENED;
	ch->conn->n_opened++;
	ch->open_us = ch->conn->relay->now_us;
	timer_chan_open(ch);
	relay_count(ch->conn->relay, RELAY_C_CHANS);
	return 0;
}

static int say_failure(struct chan *ch)
{
	struct ssh_chan_failure m = {
		.recipient_channel = ch->peer,
		.reason = ch->reason,
		.description = ssh_str_c("open failed"),
		.language = ssh_str_c(""),
	};
	enum ssh_chan_act act;
	uint8_t payload[64];
	struct ssh_wr w;
	int r;

	ssh_wr_init(&w, payload, sizeof(payload));
	ssh_chan_failure_build(&w, &m);
	r = conn_send(ch->conn, payload, (uint32_t)ssh_wr_done(&w));
	if (r < 0)
		return r;
	(void)ssh_chan_step(&ch->fsm, SSH_CHAN_EV_REFUSED, &act);
	ch->pend &= (uint8_t)~CHAN_SAY_FAILURE;
	ch->pend |= CHAN_EV_FAILED;
	return 0;
}

/* Bytes of the target's second way in; most kinds have none. */
static uint32_t err_len(const struct stream *t)
{
	return t->ops->err_len != NULL ? t->ops->err_len(t) : 0;
}

/* One message of data from the target, at most as much as everybody allows. */
static enum visit send_from(struct chan *ch, struct share *share, uint32_t want, bool err)
{
	struct stream *t = ch->target;
	uint32_t space = rounds_room(ch, share, want), n;
	struct pkt_chain chain = {0};
	uint8_t head[SSH_CHAN_EXTENDED_HEAD];
	struct ssh_wr w;

	n = ssh_swin_take(&ch->swin, want);
	if (n == 0 || chan_tee_full(ch))
		return VISIT_DONE; /* nothing there, or WINDOW_ADJUST or the tee brings it back */
	if (space < n && space < RELAY_SPACE_MIN)
		return VISIT_BLOCKED;
	n = RTE_MIN(n, space);
	if (unlikely(ch->conn->capped)) {
		n = cap_out_room(ch, n, ch->queued == CHAN_Q_SPARSE && want <= RELAY_SPARSE);
		if (n == 0)
			return VISIT_BLOCKED;
	}
	n = err ? t->ops->err_take(t, n, &chain) : t->ops->rx_take(t, n, &chain);
	if (n == 0)
		return VISIT_DONE;
	if (unlikely(ch->tee != NULL) && !chan_tee_copy(ch, err ? TEE_ERR : TEE_OUT, &chain)) {
		pkt_chain_free(&chain);
		return VISIT_MORE;
	}

	ssh_wr_init(&w, head, sizeof(head));
	if (err)
		ssh_chan_extended_head_build(&w, ch->peer, SSH_EXTENDED_DATA_STDERR, n);
	else
		ssh_chan_data_head_build(&w, ch->peer, n);
	if (traced(ch->conn))
		trace_sent(ch->conn, head, (uint32_t)ssh_wr_done(&w), n);
	record_tx_push(&ch->conn->tx, &chain, head, (uint32_t)ssh_wr_done(&w));
	ssh_swin_sent(&ch->swin, n);
	if (unlikely(ch->conn->capped))
		cap_out_spent(ch, n);
	rounds_spent(ch, share, n);
	count_bytes(ch, &ch->bytes_to_peer, n);
	ch->conn->relay->counters[RELAY_C_BYTES_TO_CLIENTS] += n;
	return VISIT_MORE;
}

/* Of both ways in, where there are two, in turns. */
static enum visit chan_send_data(struct chan *ch, struct share *share)
{
	uint32_t out = ch->target->ops->rx_len(ch->target), err = err_len(ch->target);

	if (likely(err == 0))
		return send_from(ch, share, out, false);
	ch->err_next = !ch->err_next || out == 0;
	return send_from(ch, share, ch->err_next ? err : out, ch->err_next);
}

uint32_t chan_waiting(const struct chan *ch)
{
	return ch->target != NULL ? ch->target->ops->rx_len(ch->target) + err_len(ch->target) : 0;
}

static enum visit say_eof(struct chan *ch)
{
	if (ch->fsm.eof_sent)
		return VISIT_DONE;
	if (chan_say(ch, SSH_MSG_CHANNEL_EOF) < 0) {
		conn_short(ch->conn, -ENOMEM);
		return VISIT_BLOCKED;
	}
	ch->fsm.eof_sent = true;
	ch->eof_due |= 1u << LINK_EOF_OUT;
	return VISIT_DONE;
}

/*
 * Of a program control says what became of it, and then that it is over. The EOF of a session waits
 * for that, too: Dropbear's client closes when it has one, and would not hear of the exit-status
 * behind it. One whose control is gone is over when it has no more to say and no other came within
 * ControlWait.
 */
static enum visit program_end(struct chan *ch)
{
	const struct relay *r = ch->conn->relay;
	bool over = ch->target == NULL || ch->target_eof || ch->target_err;

	if (ch->alone && over &&
	    (ch->target == NULL || (r->gone_us != 0 && r->now_us >= r->gone_us)))
		ch->finish = true;
	if ((ch->finish || (ch->target_eof && !ch->eof_waits)) && say_eof(ch) == VISIT_BLOCKED)
		return VISIT_BLOCKED;
	if (ch->finish) {
		chan_local_close(ch, 0, true);
		return VISIT_MORE;
	}
	if ((ch->target_eof || ch->target_err) && !ch->drained) {
		ch->drained = true;
		ch->pend |= CHAN_EV_DRAINED;
		return VISIT_MORE;
	}
	return VISIT_DONE;
}

/* An open channel: windows, bytes, and whether it is at its end. */
static enum visit chan_serve(struct chan *ch, struct share *share)
{
	enum visit v = VISIT_DONE;

	if (say_adjust(ch) < 0 || (unlikely(ch->say_eow) && say_eow(ch) < 0)) {
		conn_short(ch->conn, -ENOMEM);
		return VISIT_BLOCKED;
	}
	if (ch->target != NULL && !ch->fsm.eof_sent)
		v = chan_send_data(ch, share);
	if (v != VISIT_DONE)
		return v;
	/* What the peer's window holds back is still to come before any end. */
	if (!ch->fsm.eof_sent && chan_waiting(ch) > 0)
		return VISIT_DONE;
	if (ch->program)
		return program_end(ch);
	if (ch->target_err) {
		chan_local_close(ch, ch->target->err, false); /* no EOF: there was none */
		return VISIT_MORE;
	}
	if (ch->target_eof && say_eof(ch) == VISIT_BLOCKED)
		return VISIT_BLOCKED;
	if (ch->fsm.eof_sent && ch->fsm.eof_received) {
		chan_local_close(ch, 0, true);
		return VISIT_MORE;
	}
	return VISIT_DONE;
}

static void chan_events(struct chan *ch)
{
	uint8_t ev = ch->target != NULL ? stream_events(ch->target) : 0;

	if (ch->fsm.state == SSH_CHAN_OPENING) {
		if (ch->ours)
			forward_step(ch, ev);
		else
			connect_step(ch, ev);
		return;
	}
	if (unlikely(ch->tee != NULL))
		chan_tee_hear(ch);
	if (ev & STREAM_EV_EOF)
		ch->target_eof = true;
	if (ev & STREAM_EV_ERROR)
		ch->target_err = true;
	/* Who has said EOF sends nothing any more. */
	if ((ev & STREAM_EV_DEAF) && ch->eow && !ch->fsm.eof_received)
		ch->say_eow = true;
	if (ch->target != NULL)
		chan_settle(ch);
}

void chan_hear(struct chan *ch)
{
	chan_events(ch);
	/* For the peer a grant is an acknowledgement: it goes ahead of all data of this turn. */
	if (kex_quiet(ch->conn) && ch->fsm.state == SSH_CHAN_OPEN && say_adjust(ch) < 0)
		conn_short(ch->conn, -ENOMEM);
}

enum visit chan_visit(struct chan *ch, struct share *share)
{
	struct conn *c = ch->conn;
	enum visit v = VISIT_DONE;
	int r = 0;

	chan_events(ch);
	if (!kex_quiet(c))
		return VISIT_BLOCKED;
	if (ch->pend & CHAN_SAY_OPEN)
		r = forward_say_open(ch);
	if (ch->pend & CHAN_SAY_CONFIRM)
		r = say_confirm(ch);
	if (r == 0 && (ch->pend & CHAN_SAY_FAILURE))
		r = say_failure(ch);
	if (r == 0)
		r = chan_tell(ch);
	if (r == -ENOTCONN && ch->ours) /* who came in and was refused is told of or forgotten */
		ch->pend &= (uint8_t)~CHAN_EV_FAILED;
	if (r < 0 && r != -ENOTCONN) {
		conn_short(c, r);
		return VISIT_BLOCKED;
	}
	if (ch->fsm.state == SSH_CHAN_OPEN)
		v = chan_serve(ch, share);
	if (unlikely(ch->eof_due != 0))
		tell_eof(ch);
	if (ch->pend & CHAN_SAY_CLOSE) {
		r = chan_say(ch, SSH_MSG_CHANNEL_CLOSE);
		if (r < 0) {
			conn_short(c, r);
			return VISIT_BLOCKED;
		}
		ch->pend &= (uint8_t)~CHAN_SAY_CLOSE;
		v = VISIT_DONE;
	}
	if (ch->fsm.state == SSH_CHAN_CLOSED && !(ch->pend & CHAN_EV_FAILED)) {
		if (ch->open_us != 0)
			chan_over(ch);
		else
			chan_free(ch);
		return VISIT_GONE;
	}
	return v;
}
