/*
 * ssh/brain_gex.c - DH group exchange, up to where it is an exchange as any other.
 *
 * Source  RFC 4419 sections 3 and 5, RFC 8270; RFC 4462 section 2.4 under other numbers.
 *
 * client: REQUEST ->             <- GROUP             INIT -> ...
 *
 * Of the request and of the group their whole bodies are hashed, as they were sent.
 */
#include <stdlib.h>
#include <string.h>

#include "crypto/moduli.h"
#include "ssh/internal.h"
#include "ssh/trans_msg.h"

static uint32_t bounded(uint32_t n, const struct ssh_gex_bits *by)
{
	if (n < by->min)
		return by->min;
	return n < by->max ? n : by->max;
}

static int send_group(struct ssh_brain *b, const struct kex_group *g)
{
	struct kex *k = b->kex;
	struct ssh_gex_group m = {{g->p, g->p_len}, {g->g, g->g_len}};
	struct ssh_wr w;
	size_t len;
	int r;

	r = send_begin(b, &w, 1 + 2 * 5 + (size_t)g->p_len + g->g_len);
	if (r < 0)
		return r;
	ssh_gex_group_build(&w, k->agreed.kex->gss ? SSH_MSG_KEXGSS_GROUP : SSH_MSG_KEX_GEX_GROUP,
			    &m);
	len = ssh_wr_done(&w);
	k->gex_group = malloc(len);
	if (len == 0 || k->gex_group == NULL) {
		send_abort(b);
		return -SSH_E_MEMORY;
	}
	k->gex_group_len = (uint32_t)len - 1;
	memcpy(k->gex_group, w.start + 1, len - 1);
	return send_end(b, &w);
}

/*
 * Section 3: "the server should respond with the smallest group it knows that is larger than the
 * size the client requested". What a client wants below or above our bounds is not given to it: it
 * gets what lies in both, or is told that there is nothing (S-44: what a group costs grows with the
 * cube of its size, and the client chooses).
 */
int gex_input_request(struct ssh_brain *b, uint8_t msg, const uint8_t *body, size_t len)
{
	struct kex *k = b->kex;
	struct ssh_gex_request m;
	struct ssh_rd r;
	int e;

	ssh_rd_init(&r, body, len);
	e = ssh_gex_request_parse(msg, &r, &m);
	if (e < 0)
		return e;
	if (m.min > m.n || m.n > m.max || m.min > b->gex.max || m.max < b->gex.min)
		return -SSH_E_KEX_DH;
	k->group = malloc(sizeof(*k->group));
	if (k->group == NULL)
		return -SSH_E_MEMORY;
	e = moduli_choose(b->moduli, bounded(m.min, &b->gex), bounded(m.n, &b->gex),
			  bounded(m.max, &b->gex), k->group);
	if (e < 0)
		return -SSH_E_KEX_DH;
	memcpy(k->gex_request, body, len);
	k->gex_request_len = (uint32_t)len;
	b->phase.step = k->agreed.kex->gss ? SSH_STEP_GSS_INIT : SSH_STEP_GEX_INIT;
	return send_group(b, k->group);
}

int gex_begin(struct ssh_brain *b)
{
	struct ssh_gex_request m = {b->gex.min, b->gex.n, b->gex.max, false};
	struct kex *k = b->kex;
	struct ssh_wr w;
	int r;

	r = send_begin(b, &w, 1 + 3 * 4);
	if (r < 0)
		return r;
	ssh_gex_request_build(
		&w, k->agreed.kex->gss ? SSH_MSG_KEXGSS_GROUPREQ : SSH_MSG_KEX_GEX_REQUEST, &m);
	k->gex_request_len = (uint32_t)ssh_wr_done(&w) - 1;
	memcpy(k->gex_request, w.start + 1, k->gex_request_len);
	return send_end(b, &w);
}

int gex_input_group(struct ssh_brain *b, const uint8_t *body, size_t len)
{
	struct kex *k = b->kex;
	struct ssh_gex_group m;
	struct ssh_rd r;
	int e;

	ssh_rd_init(&r, body, len);
	e = ssh_gex_group_parse(&r, &m);
	if (e < 0)
		return e;
	if (m.p.len > KEX_GROUP_MAX || m.g.len > KEX_GROUP_MAX)
		return -SSH_E_KEX_DH;
	k->group = calloc(1, sizeof(*k->group));
	k->gex_group = malloc(len);
	if (k->group == NULL || k->gex_group == NULL)
		return -SSH_E_MEMORY;
	k->group->p_len = (uint16_t)m.p.len;
	k->group->g_len = (uint16_t)m.g.len;
	memcpy(k->group->p, m.p.p, m.p.len);
	memcpy(k->group->g, m.g.p, m.g.len);
	memcpy(k->gex_group, body, len);
	k->gex_group_len = (uint32_t)len;
	if (kex_group_check(k->group, b->gex.min, b->gex.max) < 0)
		return -SSH_E_KEX_DH;
	if (k->agreed.kex->gss)
		return gss_begin(b);
	b->phase.step = SSH_STEP_GEX_INIT;
	return kex_start_ephemeral(b);
}
