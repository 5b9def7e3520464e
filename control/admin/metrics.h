/*
 * control/admin/metrics.h - everything that is counted, as text that Prometheus reads.
 *
 * Source  OpenMetrics 1.0; Prometheus text format 0.0.4 for who does not take the other.
 * Labels are bounded: dataplane, shard, interface, stage, counter, limit. None is of a client's.
 */
#ifndef SLUICE_CONTROL_ADMIN_METRICS_H
#define SLUICE_CONTROL_ADMIN_METRICS_H

#include "control/admin/admin.h"
#include "control/admin/text.h"

/* 0 or -ENOMEM. */
int metrics_text(const struct admin_env *env, bool open_metrics, struct answer_text *out)
	__attribute__((warn_unused_result));
/* NULL: it takes new connections; else why not. */
const char *metrics_not_ready(const struct admin_env *env);

#endif
