/*
 * client/tunnel/metrics.h - what a tunnel agent counts, as OpenMetrics 1.0 or the older text format
 * of Prometheus. Labels are the names of hosts in its file, and nothing a peer says.
 */
#ifndef SLUICE_CLIENT_TUNNEL_METRICS_H
#define SLUICE_CLIENT_TUNNEL_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tunnel;

struct metrics_of {
	struct tunnel *const *v;
	size_t n;
	uint64_t refused, late; /* of who asks */
};

/* 0, and *ret is the caller's to free(); -EFBIG: it is more than max bytes; -ENOMEM. */
int metrics_page(const struct metrics_of *of, bool open_metrics, size_t max, char **ret,
		 size_t *ret_len) __attribute__((warn_unused_result));

#endif
