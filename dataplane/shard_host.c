/*
 * dataplane/shard_host.c - a shard's descriptors: those of streams, and those that control has sent
 * and nobody has claimed yet.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "conf/conf.h"
#include "dataplane/fail.h"
#include "dataplane/internal.h"
#include "dataplane/log.h"
#include "link/files.h"

/* Of clients, too, where they come by descriptors: there are no interfaces then. */
static uint32_t streams_of(const struct shard *s, uint32_t conns)
{
	const uint32_t max = s->conf->max_host_streams;

	return (max + s->team_size - 1) / s->team_size + (s->conf->n_interfaces == 0 ? conns : 0);
}

/* A stream has one descriptor, a program's two or three. */
static void files_raise(const struct shard *s, uint32_t streams)
{
	const uint64_t want = (uint64_t)streams * s->team_size, have = link_files_raise();

	if (have < want && s->place == 0)
		dp_log("no more than %" PRIu64
		       " descriptors can be open: MaxHostStreams%s may need %" PRIu64,
		       have, s->conf->n_interfaces == 0 ? " and MaxConnections" : "", want);
}

int shard_host_make(struct shard *s, const struct shard_conf *sc, char *err, size_t err_size)
{
	struct host_conf hc = {.pools = &s->pools,
			       .streams_max = streams_of(s, shard_conns_room(s)),
			       .rcvbuf = s->conf->receive_buffer,
			       .sndbuf = s->conf->send_buffer,
			       .doors_max = RELAY_FORWARDS_MAX * SHARD_DOORS_OF};
	int r;

	r = host_new(&hc, &s->host);
	if (r == 0)
		r = idle_watch(&s->idle, host_fd(s->host));
	if (r < 0)
		return start_fail(err, err_size, r, "MaxHostStreams %u: %s",
				  s->conf->max_host_streams, strerror(-r));
	return sc->conf->n_interfaces == 0 ? shard_listen(s, sc, err, err_size)
					   : shard_listen_choose(sc, err, err_size);
}

void shard_host_free(struct shard *s)
{
	shard_listen_free(s);
	park_clear(&s->park);
	host_free(s->host);
}

void shard_host_limit(struct shard *s, uint32_t conns)
{
	host_limit(s->host, streams_of(s, conns));
	files_raise(s, host_streams_max(s->host));
}

int shard_host_claim(void *arg, uint64_t fds, const struct stream_user *user, void *user_ptr,
		     struct stream **ret)
{
	struct shard *s = arg;
	struct host_fds of;

	if (!park_claim(&s->park, fds, &of))
		return -EAGAIN;
	return host_open(s->host, &of, user, user_ptr, ret);
}

/* What control has sent: to be claimed, by somebody who may wait for it already. */
static unsigned int take_fds(struct shard *s)
{
	int fds[LINK_FDS_MAX];
	unsigned int n, sets = 0;
	uint64_t token;

	if (s->hub != NULL)
		s->park.counters[PARK_C_LOST] = linkhub_fds_lost(s->hub);
	while ((n = linkend_fds(s->link, &token, fds)) > 0) {
		park_put(&s->park, token, fds, n, s->now_us);
		relay_fds_came(s->relay, token, s->now_us);
		sets++;
	}
	sets += park_expire(&s->park, s->now_us);
	return sets + shard_doors_look(s);
}

/* --- streams of either kind ---------------------------------------------------------------- */

void shard_stream_totals(const struct stream *s, uint64_t *ret_in, uint64_t *ret_out)
{
	if (s->kind == STREAM_HOST)
		host_stream_totals(s, ret_in, ret_out);
	else
		tcp_stream_totals(s, ret_in, ret_out);
}

uint32_t shard_stream_rtt_us(const struct stream *s)
{
	return s->kind == STREAM_HOST ? host_stream_rtt_us(s) : tcp_stream_rtt_us(s);
}

void shard_stream_nodelay(struct stream *s, bool on)
{
	if (s->kind == STREAM_HOST)
		host_stream_nodelay(s, on);
	else
		tcp_stream_nodelay(s, on);
}

void shard_stream_qos(struct stream *s, uint8_t qos)
{
	if (s->kind == STREAM_HOST)
		host_stream_qos(s, qos);
	else
		tcp_stream_qos(s, qos);
}

void shard_stream_asker(struct stream *s, uint16_t asker)
{
	if (s->kind != STREAM_HOST)
		tcp_stream_asker(s, asker);
}

/* --- a turn -------------------------------------------------------------------------------- */

unsigned int shard_host_turn(struct shard *s)
{
	return take_fds(s) + host_poll(s->host, s->now_us, s->resting);
}

uint64_t shard_host_next_timer_us(const struct shard *s)
{
	uint64_t t = RTE_MIN(host_next_timer_us(s->host), park_next_timer_us(&s->park));

	return RTE_MIN(t, shard_doors_next_timer_us(s));
}
