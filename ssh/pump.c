/* ssh/pump.c - see pump.h. */
#include "ssh/pump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "ssh/ident.h"

struct ssh_pump_held {
	struct ssh_pump_held *next;
	size_t len;
	uint8_t bytes[];
};

int ssh_pump_init(struct ssh_pump *p, struct cipher_engine *engine, struct ssh_brain *brain)
{
	memset(p, 0, sizeof(*p));
	p->brain = brain;
	p->tail = &p->head;
	return ssh_flat_init(&p->flat, engine);
}

static void held_free(struct ssh_pump_held *h)
{
	secret_wipe(h->bytes, h->len);
	free(h);
}

static struct ssh_pump_held *held_shift(struct ssh_pump *p)
{
	struct ssh_pump_held *h = p->head;

	if (h == NULL)
		return NULL;
	p->head = h->next;
	if (p->head == NULL)
		p->tail = &p->head;
	p->held -= h->len;
	return h;
}

static void in_drop(struct ssh_pump *p)
{
	if (p->in == NULL)
		return;
	secret_wipe(p->in, p->in_len);
	free(p->in);
	p->in = NULL;
}

void ssh_pump_fini(struct ssh_pump *p)
{
	struct ssh_pump_held *h;

	while ((h = held_shift(p)) != NULL)
		held_free(h);
	in_drop(p);
	ssh_flat_fini(&p->flat);
}

int ssh_pump_feed(struct ssh_pump *p, const void *bytes, size_t len)
{
	return ssh_flat_feed(&p->flat, bytes, len);
}

static void see(struct ssh_pump_seen *seen, bool sent, uint8_t msg, size_t len)
{
	if (seen == NULL)
		return;
	if (seen->n == SSH_PUMP_SEEN_MAX) {
		seen->more++;
		return;
	}
	seen->payload[seen->n].sent = sent;
	seen->payload[seen->n].msg = msg;
	seen->payload[seen->n++].len = (uint32_t)len;
}

/* Sending --------------------------------------------------------------------------- */

static int hold(struct ssh_pump *p, struct ssh_str payload)
{
	struct ssh_pump_held *h;

	if (payload.len > SSH_PUMP_HELD_MAX - p->held)
		return -SSH_E_KEX_FLOOD;
	h = malloc(sizeof(*h) + payload.len);
	if (h == NULL)
		return -SSH_E_MEMORY;
	h->next = NULL;
	h->len = payload.len;
	memcpy(h->bytes, payload.p, payload.len);
	*p->tail = h;
	p->tail = &h->next;
	p->held += h->len;
	return 0;
}

/* Nothing goes on before these are answered, and by no UNIMPLEMENTED. */
static bool has_to_be_answered(uint8_t msg)
{
	return msg == SSH_MSG_SERVICE_REQUEST || msg == SSH_MSG_USERAUTH_REQUEST ||
	       msg == SSH_MSG_KEXINIT || msg == SSH_MSG_KEX_ECDH_INIT;
}

/* RFC 4253 section 11.4: who does not know a message says so, and nobody waits for him. */
static bool is_unimplemented(const struct ssh_pump *p, const uint8_t *payload, size_t len)
{
	struct ssh_rd r;

	if (!p->awaits || len != 5 || payload[0] != SSH_MSG_UNIMPLEMENTED)
		return false;
	ssh_rd_init(&r, payload + 1, len - 1);
	return ssh_rd_u32(&r) == p->awaits_seqnr;
}

static int seal(struct ssh_pump *p, struct ssh_str payload)
{
	uint32_t seqnr = p->flat.tx.seqnr;
	int r = ssh_flat_send(&p->flat, payload.p, payload.len);

	if (r < 0)
		return r;
	see(p->seen, true, payload.p[0], payload.len);
	if (has_to_be_answered(payload.p[0])) {
		p->awaits = true;
		p->awaits_seqnr = seqnr;
	}
	if (payload.p[0] == SSH_MSG_KEXINIT)
		p->in_kex = true;
	else if (payload.p[0] == SSH_MSG_NEWKEYS)
		p->in_kex = false;
	return 0;
}

static int send_now_or_later(struct ssh_pump *p, struct ssh_str payload)
{
	if (p->in_kex && !ssh_phase_tx(true, payload.p[0]))
		return hold(p, payload);
	return seal(p, payload);
}

/* After NEWKEYS and the keys: what waited goes first, in order. */
static int send_held(struct ssh_pump *p)
{
	struct ssh_pump_held *h;
	int r = 0;

	while (r == 0 && !p->in_kex && (h = held_shift(p)) != NULL) {
		r = seal(p, (struct ssh_str){h->bytes, (uint32_t)h->len});
		held_free(h);
	}
	return r;
}

static int change_keys(struct ssh_pump *p, struct ssh_dir *d, const struct ssh_act_keys *k)
{
	return ssh_dir_rekey(d, p->flat.engine, k->suite, k->key, k->iv, k->mac_key, k->reset_seqnr,
			     &k->limit);
}

/* Is a stream to begin with keys, as far as their agreement goes? *later: it is not time yet. */
static bool comp_now(const struct ssh_pump *p, enum ssh_comp comp, bool *later)
{
	*later = comp == SSH_COMP_DELAYED && !ssh_brain_authenticated(p->brain);
	return comp != SSH_COMP_NONE && !*later;
}

static int tx_keys(struct ssh_pump *p, const struct ssh_act_keys *k)
{
	int r = change_keys(p, &p->flat.tx, k);

	if (r == 0)
		r = ssh_flat_deflate(&p->flat, comp_now(p, k->comp, &p->tx_delayed));
	return r < 0 ? r : send_held(p);
}

static int rx_keys(struct ssh_pump *p, const struct ssh_act_keys *k)
{
	int r = change_keys(p, &p->flat.rx, k);

	p->await_keys = false;
	return r < 0 ? r : ssh_flat_inflate(&p->flat, comp_now(p, k->comp, &p->rx_delayed));
}

static int authenticated(struct ssh_pump *p)
{
	int r = 0;

	p->flat.rx.packet_max = SSH_PACKET_MAX;
	if (p->rx_delayed)
		r = ssh_flat_inflate(&p->flat, true);
	if (r == 0 && p->tx_delayed)
		r = ssh_flat_deflate(&p->flat, true);
	p->rx_delayed = p->tx_delayed = false;
	return r < 0 ? r : 1;
}

/* 0: settled; 1: the caller's; an error ends the connection. */
static int carry(struct ssh_pump *p, const struct ssh_act *act)
{
	switch (act->kind) {
	case SSH_ACT_IDENT:
		return ssh_flat_raw(&p->flat, act->bytes.p, act->bytes.len);
	case SSH_ACT_SEND:
		return send_now_or_later(p, act->bytes);
	case SSH_ACT_STRICT: /* the brain sees all messages of the first exchange itself */
		return 0;
	case SSH_ACT_TX_KEYS:
		return tx_keys(p, &act->keys);
	case SSH_ACT_RX_KEYS:
		return rx_keys(p, &act->keys);
	case SSH_ACT_AUTHENTICATED:
		return authenticated(p);
	case SSH_ACT_END:
		p->ended = true;
		return 1;
	default:
		return 1;
	}
}

/* Receiving ------------------------------------------------------------------------- */

static int input_line(struct ssh_pump *p)
{
	enum ssh_role role = ssh_brain_phase(p->brain)->role;
	const char *line;
	size_t len;
	int r;

	r = ssh_flat_line(&p->flat, role, &line, &len);
	if (r < 0)
		return r;
	r = ssh_ident_check(role, (const uint8_t *)line, len);
	if (r == -EAGAIN) /* a client skips lines before it, but not for ever */
		return ++p->lines > SSH_IDENT_LINES_MAX ? -SSH_E_IDENT : 0;
	if (r < 0)
		return r;
	p->ident_done = true;
	return ssh_brain_ident(p->brain, (const uint8_t *)line, len);
}

static int input_keep(struct ssh_pump *p, uint32_t seqnr, const uint8_t *payload, size_t len)
{
	p->in = malloc(len);
	if (p->in == NULL)
		return -SSH_E_MEMORY;
	memcpy(p->in, payload, len);
	p->in_len = len;
	p->in_seqnr = seqnr;
	return -EAGAIN;
}

static int input_payload(struct ssh_pump *p)
{
	const uint8_t *payload = p->in;
	size_t len = p->in_len;
	uint32_t seqnr = p->in_seqnr;
	bool unimplemented;
	uint8_t msg;
	int r;

	if (payload == NULL) {
		r = ssh_flat_next(&p->flat, &payload, &len, &seqnr);
		if (r < 0)
			return r;
		see(p->seen, false, payload[0], len);
	}
	msg = payload[0];
	unimplemented = is_unimplemented(p, payload, len);
	r = ssh_brain_input(p->brain, seqnr, payload, len);
	if (r == -EAGAIN)
		return p->in != NULL ? r : input_keep(p, seqnr, payload, len);
	in_drop(p);
	p->await_keys = r == 0 && msg == SSH_MSG_NEWKEYS;
	return r == 0 && unimplemented ? -SSH_E_UNIMPLEMENTED : r;
}

static int input(struct ssh_pump *p)
{
	if (p->ended || p->await_keys)
		return -EAGAIN;
	return p->ident_done ? input_payload(p) : input_line(p);
}

int ssh_pump_step(struct ssh_pump *p, struct ssh_act *ret)
{
	int r;

	for (;;) {
		if (ssh_brain_next(p->brain, ret) == 0) {
			r = carry(p, ret);
			if (r == 1)
				return 0;
		} else {
			r = input(p);
			if (r == -EAGAIN)
				return r;
		}
		if (r < 0) /* of the brain's own it knows already */
			ssh_brain_end(p->brain, r, NULL);
		else if (ssh_dir_rekey_due(&p->flat.rx) || ssh_dir_rekey_due(&p->flat.tx))
			(void)ssh_brain_rekey(p->brain);
	}
}

int ssh_pump_send(struct ssh_pump *p, const void *payload, size_t len)
{
	struct ssh_str s = {payload, (uint32_t)len};

	if (len == 0 || s.p[0] < SSH_MSG_CHANNEL_WINDOW_ADJUST ||
	    !ssh_brain_authenticated(p->brain))
		return -EINVAL;
	if (p->ended)
		return -SSH_E_CLOSED;
	if (p->in_kex || p->head != NULL)
		return -EAGAIN;
	return seal(p, s);
}

const uint8_t *ssh_pump_out(const struct ssh_pump *p, size_t *ret_len)
{
	return ssh_flat_out(&p->flat, ret_len);
}

void ssh_pump_sent(struct ssh_pump *p, size_t n)
{
	ssh_flat_sent(&p->flat, n);
}
