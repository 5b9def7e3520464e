/* dataplane/relay/relay.c - the instance, its tables, and the stages of a turn. */
#include "dataplane/relay/internal.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_cycles.h>

#include "crypto/secret.h"
#include "dataplane/table.h"

/* Bits of a channel's number that say its place; the others are its generation. */
static uint32_t bits_for(uint32_t n)
{
	uint32_t bits = 0;

	while (bits < 31 && (UINT32_C(1) << bits) < n)
		bits++;
	return bits;
}

static int tables_new(struct relay *r)
{
	const struct relay_conf *conf = &r->conf;

	/* Connections hold keys, as items do, and a payload may be a password. */
	r->conns = secret_table_new(conf->conns_max * sizeof(*r->conns),
				    r->conns_limit * sizeof(*r->conns));
	r->msg = secret_new(LINK_MSG_MAX);
	r->payload = secret_new(LINK_PAYLOAD_MAX);
	r->chans = table_new(conf->chans_max, sizeof(*r->chans));
	if (r->conns == NULL || r->msg == NULL || r->chans == NULL ||
	    deadlines_init(&r->due, conf->conns_max) < 0 || r->payload == NULL ||
	    notes_init(&r->notes, conf->conns_max) < 0 || asks_init(&r->asks, conf->conns_max) < 0)
		return -ENOMEM;
	if (grants_init(&r->grants, conf->grants_max != 0 ? conf->grants_max : RELAY_GRANTS_MAX) <
	    0)
		return -ENOMEM;
	if (forwards_init(&r->forwards, RELAY_FORWARDS_MAX) < 0)
		return -ENOMEM;
	if (caps_init(r) < 0 || weights_init(r) < 0 || debts_init(r) < 0 ||
	    tees_init(&r->tees) < 0)
		return -ENOMEM;
	return audit_init(&r->audit, conf->audit_backlog);
}

int relay_new(const struct relay_conf *conf, struct relay **ret)
{
	struct relay *r;
	int err;

	if (conf->conns_max == 0 || conf->chans_max == 0 || conf->audit_backlog == 0 ||
	    conf->conns > conf->conns_max)
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	r->conf = *conf;
	r->conns_limit = conf->conns != 0 ? conf->conns : conf->conns_max;
	r->backlog = r->conns_limit;
	r->windows_max =
		pkt_pools_room(conf->pools) / RTE_MAX(conf->pool_shards, 1u) * RELAY_WINDOWS_OVER;
	mem_init(r);
	quantum_init(&r->quantum, conf->read_quantum, conf->read_quantum_us, rte_get_tsc_hz());
	r->chan_bits = bits_for(conf->chans_max);
	TAILQ_INIT(&r->active);
	TAILQ_INIT(&r->free_conns);
	TAILQ_INIT(&r->free_chans);
	TAILQ_INIT(&r->fds_awaited);
	err = tables_new(r);
	if (err == 0)
		err = record_batch_new(conf->engine, conf->pools, &r->opening);
	if (err == 0)
		err = record_batch_new(conf->engine, conf->pools, &r->sealing);
	if (err == 0)
		err = zpool_new(conf->compression_memory, &r->zpool);
	if (err < 0) {
		relay_free(r);
		return err;
	}
	record_batch_zpool(r->sealing, r->zpool);
	*ret = r;
	return 0;
}

int relay_limit(struct relay *r, unsigned int conns)
{
	conns = RTE_MIN(conns, r->conf.conns_max);
	if (conns > r->conns_limit &&
	    secret_table_more(r->conns, conns * sizeof(*r->conns)) < 0)
		return -ENOMEM;
	r->conns_limit = conns;
	return 0;
}

static void conns_free(struct relay *r)
{
	for (unsigned int i = 0; i < r->fresh_conns; i++) {
		struct conn *c = &r->conns[i];

		if (c->state == 0)
			continue;
		while (!TAILQ_EMPTY(&c->chans))
			chan_free(TAILQ_FIRST(&c->chans));
		if (c->stream != NULL)
			c->stream->ops->abort(c->stream);
		conn_free(c);
	}
}

void relay_free(struct relay *r)
{
	if (r == NULL)
		return;
	if (r->conns != NULL && r->notes.piece != NULL && r->asks.ask != NULL)
		conns_free(r);
	record_batch_free(r->opening);
	record_batch_free(r->sealing);
	zpool_free(r->zpool);
	caps_fini(r);
	weights_fini(r);
	debts_fini(r);
	tees_fini(&r->tees);
	audit_fini(&r->audit);
	grants_fini(&r->grants);
	forwards_fini(&r->forwards);
	secret_table_free(r->conns, r->conf.conns_max * sizeof(*r->conns),
			  r->fresh_conns * sizeof(*r->conns));
	secret_free(r->msg, LINK_MSG_MAX);
	secret_free(r->payload, LINK_PAYLOAD_MAX);
	table_free(r->chans, r->conf.chans_max, sizeof(*r->chans));
	deadlines_fini(&r->due);
	notes_fini(&r->notes);
	asks_fini(&r->asks);
	free(r);
}

static uint64_t bytes_moved(const struct relay *r)
{
	return r->counters[RELAY_C_BYTES_FROM_CLIENTS] + r->counters[RELAY_C_BYTES_TO_CLIENTS];
}

unsigned int relay_open(struct relay *r, uint64_t now_us)
{
	unsigned int work;

	r->now_us = now_us;
	r->quantum.begin_tsc = rte_rdtsc();
	r->quantum.begin_counted = bytes_moved(r);
	r->retry = false;
	work = handover_turn(r);
	if (!r->attached && r->gone_us == 0)
		r->gone_us = now_us + (uint64_t)r->conf.control_wait_ms * 1000;
	work += mem_turn(r);
	work += turn_visit(r, &r->rx_turn, conn_input, turn_fetch_input);
	r->counters[RELAY_C_RECORDS_OPENED] += record_open(r->opening);
	r->counters[RELAY_C_RECORD_BYTES_OPENED] = record_batch_bytes(r->opening);
	return work;
}

unsigned int relay_last_items(struct relay *r, uint64_t now_us)
{
	unsigned int n = 0, more;

	r->now_us = now_us;
	do {
		more = items_run(r);
		n += more;
	} while (more > 0 && n < RELAY_ITEMS_LAST);
	return n;
}

unsigned int relay_run(struct relay *r, uint64_t now_us)
{
	unsigned int work;

	r->now_us = now_us;
	work = items_run(r);
	work += trace_run(r);
	work += audit_run(r); /* before a connection that was born in the place of an ended one */
	return work + turn_visit(r, &r->tx_turn, conn_run, turn_fetch_target);
}

static unsigned int seal_one(struct relay *r, struct conn *c)
{
	unsigned int sealed = 0;
	int n;

	record_tx_turn(&c->tx);
	while (c->stream != NULL && c->tx.q.records > 0) {
		n = record_tx_gather(&c->tx, r->sealing);
		if (n == -ENOSPC)
			sealed += record_seal(r->sealing);
		else if (n < 0) {
			if (n == -ENOMEM)
				conn_short(c, n);
			if (n == -EINPROGRESS)
				c->more = true;
			break;
		}
	}
	return sealed;
}

unsigned int relay_seal(struct relay *r, uint64_t now_us)
{
	unsigned int work = 0, sealed = 0;
	struct conn *c, *next;

	r->now_us = now_us;
	TAILQ_FOREACH(c, &r->active, link)
	{
		sealed += seal_one(r, c);
	}
	sealed += record_seal(r->sealing);
	r->counters[RELAY_C_RECORDS_SEALED] += sealed;
	r->counters[RELAY_C_RECORD_BYTES_SEALED] = record_batch_bytes(r->sealing);
	r->counters[RELAY_C_COMP_STORED] = zpool_refused(r->zpool, ZPOOL_DEFLATE);

	for (c = TAILQ_FIRST(&r->active); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		work += conn_output(c);
		if (!c->fresh && !c->more)
			turn_leave(c);
	}
	quantum_learn(&r->quantum, rte_rdtsc() - r->quantum.begin_tsc,
		      bytes_moved(r) - r->quantum.begin_counted);
	return work + sealed;
}

void relay_drain(struct relay *r)
{
	r->draining = true;
}

void relay_part(struct relay *r, uint32_t retry_after_s, uint64_t now_us)
{
	r->now_us = now_us;
	r->retry_after_s = retry_after_s;
	for (unsigned int i = 0; i < r->fresh_conns; i++) {
		struct conn *c = &r->conns[i];

		if (c->state != CONN_OPEN)
			continue;
		relay_count(r, RELAY_C_PARTED);
		conn_fail(c, -SSH_E_SHUTDOWN);
	}
}

const uint64_t *relay_counters(const struct relay *r)
{
	return r->counters;
}

const uint64_t *relay_error_counters(const struct relay *r)
{
	return r->errors;
}

static const struct {
	const char *name, *text;
} counter[RELAY_C_COUNT] = {
#define X(id, what) [RELAY_C_##id] = {#id, what},
	RELAY_COUNTERS(X)
#undef X
};

const char *relay_counter_name(enum relay_counter c)
{
	return counter[c].name;
}

const char *relay_counter_text(enum relay_counter c)
{
	return counter[c].text;
}
