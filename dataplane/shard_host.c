/*
 * dataplane/shard_host.c - a shard's descriptors: those of streams, and those that control has sent
 * and nobody has claimed yet.
 */
#include <errno.h>
#include <string.h>

#include "conf/conf.h"
#include "dataplane/fail.h"
#include "dataplane/internal.h"

int shard_host_make(struct shard *s, char *err, size_t err_size)
{
	const uint32_t streams = (s->conf->max_host_streams + s->team_size - 1) / s->team_size;
	const struct host_conf hc = {.pools = &s->pools, .streams_max = streams};
	int r = host_new(&hc, &s->host);

	if (r == 0)
		r = idle_watch(&s->idle, host_fd(s->host));
	return r < 0 ? start_fail(err, err_size, r, "MaxHostStreams %u: %s",
				  s->conf->max_host_streams, strerror(-r))
		     : 0;
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

	while ((n = linkend_fds(s->link, &token, fds)) > 0) {
		park_put(&s->park, token, fds, n, s->now_us);
		sets++;
	}
	if (sets > 0)
		relay_fds_came(s->relay, s->now_us);
	return sets + park_expire(&s->park, s->now_us);
}

unsigned int shard_host_turn(struct shard *s)
{
	return take_fds(s) + host_poll(s->host, s->now_us, s->resting);
}

uint64_t shard_host_next_timer_us(const struct shard *s)
{
	return RTE_MIN(host_next_timer_us(s->host), park_next_timer_us(&s->park));
}
