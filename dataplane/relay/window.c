/*
 * dataplane/relay/window.c - how large the window of a channel is kept.
 *
 * Source  RFC 4254 section 5.2; dynamic right-sizing, as dataplane/tcp/window.c.
 *
 * What the target took is granted again, and not before: a channel never holds more than its
 * window, and a target that takes nothing stops its peer. Where ChannelWindow leaves the size to
 * us, a channel begins with RELAY_WINDOW_START and is kept at twice what its target took in a round
 * trip: from the grant through the client to the target's acknowledgement.
 *
 * What peers were granted is a debt, since they may send it whenever they like: the sum of all
 * windows, those of idle channels too. It is at most RELAY_WINDOWS_OVER times the room of the data
 * buffers. A channel may have half of what the others left, and gives back what is more than that
 * when others come. The first window of one is smaller when half is promised, so that there is
 * something for all channels there may be, or when little is left, and where there is not
 * even a packet it is refused. The same debt is bounded for each connection, user and source that
 * control has named a bound for (debt.c). That more was granted than there are buffers is answered
 * for by mem.c: while they are short nothing grows, and what a large window would get back is kept,
 * until it is as small as it was.
 */
#include "dataplane/relay/internal.h"

/* Round trips are not told apart below this. */
#define RTT_MIN_US 1000
/* Of what is left of the debt, for the first window of a channel. */
#define FIRST_PART 16

static void size_changed(struct chan *ch, uint32_t was)
{
	ch->conn->relay->windows += (uint64_t)ch->rwin.initial_window_size - was;
}

/* What is left of the debt for windows beside so much. */
static uint64_t rest(const struct relay *r, uint64_t others)
{
	return r->windows_max > others ? r->windows_max - others : 0;
}

/* What a session's programs say is little; a transfer over one grows like any other. */
static uint32_t first_of(enum stream_kind kind)
{
	return kind == STREAM_TCP ? RELAY_WINDOW_START : RELAY_WINDOW_SESSION;
}

/* Of what is left of the debt; the channel has its place already. */
static uint64_t first_part(const struct relay *r, uint64_t left)
{
	uint64_t part = left / FIRST_PART;
	uint32_t others = r->conf.chans_max - r->fresh_chans + r->n_free_chans;

	if (left < r->windows_max / 2)
		part = RTE_MIN(part, left / (others + 1));
	return RTE_MAX(part, (uint64_t)RELAY_WINDOW_LEAST);
}

bool window_init(struct chan *ch, enum stream_kind kind)
{
	const struct link_authenticated *auth = &ch->conn->auth;
	struct relay *r = ch->conn->relay;
	uint64_t left = rest(r, r->windows);
	uint64_t part = first_part(r, left);
	uint32_t size = auth->window_size;

	if (left < RELAY_WINDOW_LEAST)
		return false;
	if (auth->window_auto)
		size = RTE_MIN(size, first_of(kind));
	if (unlikely(ch->conn->capped))
		size = RTE_MIN(size, cap_window(ch->conn));
	size = (uint32_t)RTE_MIN((uint64_t)size, part);
	if (unlikely(ch->conn->indebted))
		size = debt_first(ch->conn, size);
	if (size == 0)
		return false;
	ssh_rwin_init(&ch->rwin, size);
	ch->window_start = size;
	ch->debt_max = UINT32_MAX;
	ch->taken_at_us = r->now_us;
	size_changed(ch, 0);
	return true;
}

void window_none(struct chan *ch)
{
	uint32_t was = ch->rwin.initial_window_size;

	if (unlikely(ch->conn->indebted))
		debt_give(ch->conn, was);
	ssh_rwin_init(&ch->rwin, 0);
	ch->window_start = 0;
	size_changed(ch, was);
}

uint32_t window_begin(struct chan *ch, enum stream_kind kind)
{
	return window_init(ch, kind) ? ch->rwin.window_size : 0;
}

void window_fini(struct chan *ch)
{
	ch->conn->relay->windows -= ch->rwin.initial_window_size;
	if (unlikely(ch->conn->indebted))
		debt_give(ch->conn, ch->rwin.initial_window_size);
}

/* From the grant to the target's acknowledgement; 0: not known. */
static uint64_t round_trip_us(const struct chan *ch)
{
	const struct relay_conf *conf = &ch->conn->relay->conf;
	uint64_t client, target;

	if (conf->stream_rtt_us == NULL || ch->target == NULL || ch->conn->stream == NULL)
		return 0;
	client = conf->stream_rtt_us(ch->conn->stream);
	target = conf->stream_rtt_us(ch->target);
	return client == 0 ? 0 : RTE_MAX(client + target, (uint64_t)RTT_MIN_US);
}

/* The most its window may be kept at. */
static uint32_t size_limit(const struct chan *ch)
{
	const struct relay *r = ch->conn->relay;
	uint64_t half = rest(r, r->windows - ch->rwin.initial_window_size) / 2;

	half = RTE_MIN(half, (uint64_t)ch->conn->auth.window_size);
	return RTE_MAX((uint32_t)half, ch->window_start);
}

/* The bytes a round trip took. While they become more, the next takes twice as many. */
static uint32_t size_wanted(const struct chan *ch, uint32_t limit)
{
	uint64_t want = 2 * (uint64_t)ch->taken;

	if (ch->taken > ch->taken_before)
		want *= 2;
	return (uint32_t)RTE_MIN(want, (uint64_t)limit);
}

/* What bounds of bytes in flight leave of it. */
static uint32_t debt_limit(const struct chan *ch, uint32_t limit)
{
	uint32_t most = RTE_MAX(ch->debt_max, ch->window_start);

	return RTE_MIN(limit, most);
}

/* Back to the limit, as far as what was taken goes. */
static uint32_t lower(struct chan *ch, uint32_t limit, uint32_t n)
{
	uint32_t was = ch->rwin.initial_window_size;
	uint32_t adjust = ssh_rwin_lower(&ch->rwin, limit, n);

	if (unlikely(ch->conn->indebted))
		debt_give(ch->conn, was - ch->rwin.initial_window_size);
	return adjust;
}

static uint32_t grow(struct chan *ch, uint32_t limit)
{
	uint32_t size = size_wanted(ch, limit);

	if (unlikely(ch->conn->indebted))
		size = debt_grow(ch, size);
	return ssh_rwin_raise(&ch->rwin, size);
}

uint32_t window_taken(struct chan *ch, uint32_t n)
{
	struct relay *r = ch->conn->relay;
	uint32_t was = ch->rwin.initial_window_size, limit = size_limit(ch), keep, adjust;
	uint64_t rtt;

	if (unlikely(r->mem.is_short))
		limit = ch->window_start;
	keep = debt_limit(ch, limit);
	if (unlikely(was > keep))
		adjust = lower(ch, keep, n);
	else
		adjust = ssh_rwin_consume(&ch->rwin, n);
	ch->taken += n;
	rtt = ch->conn->auth.window_auto ? round_trip_us(ch) : 0;
	if (rtt != 0 && r->now_us - ch->taken_at_us >= rtt) {
		adjust += grow(ch, limit);
		ch->taken_before = ch->taken;
		ch->taken = 0;
		ch->taken_at_us = r->now_us;
	}
	size_changed(ch, was);
	return adjust;
}
