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
 * What windows have grown by is a debt. Its sum is known, is at most the room of all data buffers,
 * and one channel may have half of what the others left. While buffers are short nothing grows,
 * and what a large window would get back is kept, until it is as small as it was.
 */
#include "dataplane/relay/internal.h"

/* Round trips are not told apart below this. */
#define RTT_MIN_US 1000

static void size_changed(struct chan *ch, uint32_t was)
{
	ch->conn->relay->windows_grown += (uint64_t)ch->rwin.initial_window_size - was;
}

void window_init(struct chan *ch)
{
	const struct link_authenticated *auth = &ch->conn->auth;
	uint32_t size = auth->window_size;

	if (auth->window_auto)
		size = RTE_MIN(size, (uint32_t)RELAY_WINDOW_START);
	ssh_rwin_init(&ch->rwin, size);
	ch->window_start = size;
	ch->taken_at_us = ch->conn->relay->now_us;
}

void window_fini(struct chan *ch)
{
	ch->conn->relay->windows_grown -= ch->rwin.initial_window_size - ch->window_start;
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

static uint32_t size_limit(const struct chan *ch)
{
	const struct relay *r = ch->conn->relay;
	uint64_t others = r->windows_grown - (ch->rwin.initial_window_size - ch->window_start);
	uint64_t rest = r->windows_max > others ? r->windows_max - others : 0;

	return (uint32_t)RTE_MIN((uint64_t)ch->conn->auth.window_size, ch->window_start + rest / 2);
}

/* The bytes a round trip took. While they become more, the next takes twice as many. */
static uint32_t size_wanted(const struct chan *ch)
{
	uint64_t want = 2 * (uint64_t)ch->taken;

	if (ch->taken > ch->taken_before)
		want *= 2;
	return (uint32_t)RTE_MIN(want, (uint64_t)size_limit(ch));
}

uint32_t window_taken(struct chan *ch, uint32_t n)
{
	struct relay *r = ch->conn->relay;
	uint32_t was = ch->rwin.initial_window_size, adjust = 0;
	uint64_t rtt;

	if (unlikely(r->is_short) && was > ch->window_start)
		adjust = ssh_rwin_lower(&ch->rwin, ch->window_start, n);
	else
		adjust = ssh_rwin_consume(&ch->rwin, n);
	ch->taken += n;
	rtt = ch->conn->auth.window_auto ? round_trip_us(ch) : 0;
	if (rtt != 0 && r->now_us - ch->taken_at_us >= rtt) {
		if (!r->is_short)
			adjust += ssh_rwin_raise(&ch->rwin, size_wanted(ch));
		ch->taken_before = ch->taken;
		ch->taken = 0;
		ch->taken_at_us = r->now_us;
	}
	size_changed(ch, was);
	return adjust;
}
