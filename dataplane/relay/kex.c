/*
 * dataplane/relay/kex.c - which keys, from when, and what waits for them.
 *
 * Source  RFC 4253 sections 7.1, 7.3 and 9. The two directions change separately, each
 *         exactly at its NEWKEYS.
 */
#include "dataplane/relay/internal.h"

#include <errno.h>

static bool in_first_kex(const struct conn *c)
{
	return c->phase.kex == SSH_KEX_FIRST_INIT || c->phase.kex == SSH_KEX_FIRST_METHOD;
}

/* The first exchange is under control's LoginGraceTime; this is for those after it. */
static void kex_begun(struct conn *c)
{
	if (c->kex_deadline_us != 0 || c->auth.kex_timeout_ms == 0)
		return;
	c->kex_deadline_us = c->relay->now_us + (uint64_t)c->auth.kex_timeout_ms * 1000;
}

static void kex_maybe_done(struct conn *c)
{
	if (c->tx_kex || c->phase.kex != SSH_KEX_NONE)
		return;
	c->kex_deadline_us = 0;
	c->rekey_asked = false;
	c->kex_replied = c->kex_tx_done = false;
	note_drop(c->relay, &c->kex_own);
	note_drop(c->relay, &c->kex_sealed_rx);
	asks_kex_done(c);
}

void kex_said(struct conn *c, const uint8_t *payload, uint32_t len)
{
	if (c->phase.svc != SSH_SVC_OPEN)
		return;
	if (payload[0] == SSH_MSG_KEXINIT)
		(void)note_put(c->relay, &c->kex_own, payload, len);
	else
		c->kex_replied |= payload[0] >= 30 && payload[0] <= 49;
}

void kex_sealed(struct conn *c, uint8_t msg)
{
	if (msg == SSH_MSG_KEXINIT) {
		c->tx_kex = true;
		kex_begun(c);
	} else if (msg == SSH_MSG_NEWKEYS) {
		c->tx_newkeys = true;
	}
}

void kex_received(struct conn *c, uint8_t msg)
{
	if (msg == SSH_MSG_KEXINIT) {
		c->phase.kex = in_first_kex(c) ? SSH_KEX_FIRST_METHOD : SSH_KEX_METHOD;
		kex_begun(c);
	} else if (msg == SSH_MSG_NEWKEYS) {
		c->rx_wait_keys = true;
	}
}

static int dir_keys(struct conn *c, struct ssh_dir *d, const struct link_keys *k)
{
	const struct cipher_suite *suite = cipher_suite_find(k->cipher, k->mac);
	struct ssh_rekey_limit limit = {
		.bytes = k->limit_bytes,
		.blocks = k->limit_blocks,
		.packets = k->limit_packets,
		.seconds = k->limit_seconds,
	};
	uint64_t due;

	if (suite == NULL || k->key_len != suite->key_len || k->iv_len != suite->iv_len ||
	    k->mac_key_len != suite->mac_key_len)
		return -SSH_E_INTERNAL;
	if (ssh_dir_rekey(d, c->relay->conf.engine, suite, k->key, k->iv, k->mac_key,
			  k->reset_seqnr != 0, &limit) < 0)
		return -SSH_E_INTERNAL;
	due = c->relay->now_us + (uint64_t)k->limit_seconds * 1000000;
	if (k->limit_seconds != 0)
		c->keys_deadline_us = due;
	return 0;
}

/*
 * What is queued was queued under the old keys. -EAGAIN: there is no memory to seal it,
 * and the new keys must wait.
 */
static int seal_all(struct conn *c)
{
	struct record_batch *b = c->relay->sealing;
	int n;

	do {
		n = record_tx_gather(&c->tx, b);
		c->relay->counters[RELAY_C_RECORDS_SEALED] += record_seal(b);
	} while (n > 0);
	return c->tx.q.records > 0 ? -EAGAIN : 0;
}

int kex_tx_keys(struct conn *c, const struct link_keys *k)
{
	int r;

	if (!c->tx_newkeys)
		return -SSH_E_INTERNAL;
	r = seal_all(c);
	if (c->tx.err < 0)
		return c->tx.err;
	if (r < 0) {
		conn_short(c, c->tx.z == NULL ? -ENOMEM : -EAGAIN);
		return r;
	}
	r = dir_keys(c, &c->tx.dir, k);
	if (r < 0)
		return r;
	comp_tx_keys(c, k->comp);
	c->tx_kex = false;
	c->tx_newkeys = false;
	c->kex_tx_done = true;
	asks_kex_done(c); /* they are answered; the peer's NEWKEYS is still to come */
	record_q_join(&c->tx.q, &c->hold);
	kex_maybe_done(c);
	return 0;
}

int kex_rx_keys(struct conn *c, const struct link_keys *k)
{
	int r;

	if (!c->rx_wait_keys)
		return -SSH_E_INTERNAL;
	r = dir_keys(c, &c->rx.dir, k);
	if (r == 0)
		r = comp_rx_keys(c, k->comp);
	if (r < 0)
		return r;
	c->rx_wait_keys = false;
	c->phase.kex = SSH_KEX_NONE;
	kex_maybe_done(c);
	return 0;
}

void kex_poll(struct conn *c)
{
	bool late = c->keys_deadline_us != 0 && c->relay->now_us >= c->keys_deadline_us;

	if (!kex_may_begin(c))
		return;
	if (!late && !ssh_dir_rekey_due(&c->rx.dir) && !ssh_dir_rekey_due(&c->tx.dir))
		return;
	c->rekey_asked = true;
	c->keys_deadline_us = 0;
	c->pend |= CONN_EV_REKEY_DUE;
}
