/* ssh/exchange.c - see exchange.h. */
#include "ssh/exchange.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "crypto/secret.h"
#include "ssh/err.h"

size_t ssh_exchange_k(const struct kex_method *m, const uint8_t *secret, size_t len,
		      uint8_t ret_k[SSH_K_MAX])
{
	struct ssh_wr w;

	ssh_wr_init(&w, ret_k, SSH_K_MAX);
	/* Hybrid methods hash their K as a string; the others as RFC 4251's mpint. */
	if (m->k_form == KEX_STRING)
		ssh_wr_str(&w, (struct ssh_str){secret, (uint32_t)len});
	else
		ssh_wr_mpint(&w, secret, len);
	return ssh_wr_done(&w);
}

/* Public values of DH, and of nothing else, are numbers; a hybrid has a curve in it. */
int ssh_exchange_failed(const struct kex_method *m)
{
	return m->q_form == KEX_MPINT ? -SSH_E_KEX_DH : -SSH_E_KEX_ECDH;
}

/* A part with its length in front; a number without leading zeros and with a sign byte. */
struct part {
	uint8_t head[5];
	size_t head_len;
	struct ssh_str body;
};

static void part_init(struct part *part, struct ssh_str s, enum kex_form form)
{
	struct ssh_wr w;
	bool sign;

	while (form == KEX_MPINT && s.len > 0 && s.p[0] == 0) {
		s.p++;
		s.len--;
	}
	sign = form == KEX_MPINT && s.len > 0 && (s.p[0] & 0x80);
	ssh_wr_init(&w, part->head, sizeof(part->head));
	ssh_wr_u32(&w, s.len + sign);
	if (sign)
		ssh_wr_u8(&w, 0);
	part->head_len = ssh_wr_done(&w);
	part->body = s;
}

int ssh_exchange_hash(const struct kex_method *m, const struct ssh_exchange *x, const uint8_t *k,
		      size_t k_len, uint8_t *ret_h)
{
	const struct ssh_str string[] = {x->v_c, x->v_s, x->i_c, x->i_s, x->k_s};
	const struct ssh_str q[] = {x->q_c, x->q_s};
	enum { STRINGS = sizeof(string) / sizeof(string[0]), QS = 2 };
	struct hash_piece piece[2 * (STRINGS + QS) + 3];
	struct part part[STRINGS + QS];
	unsigned int n = 0;

	for (int i = 0; i < STRINGS; i++)
		part_init(&part[i], string[i], KEX_STRING);
	for (int i = 0; i < QS; i++)
		part_init(&part[STRINGS + i], q[i], m->q_form);
	for (int i = 0; i < STRINGS + QS; i++) {
		if (i == STRINGS) {
			piece[n++] = (struct hash_piece){x->request.p, x->request.len};
			piece[n++] = (struct hash_piece){x->group.p, x->group.len};
		}
		piece[n++] = (struct hash_piece){part[i].head, part[i].head_len};
		piece[n++] = (struct hash_piece){part[i].body.p, part[i].body.len};
	}
	piece[n++] = (struct hash_piece){k, k_len};
	return hash_digest(m->hash, piece, n, ret_h);
}

/*
 * K1 = HASH(K || H || X || session_id), K2 = HASH(K || H || K1),
 * K3 = HASH(K || H || K1 || K2), …; key = K1 || K2 || K3 || …
 */
int ssh_exchange_derive(const struct kex_method *m, const uint8_t *k, size_t k_len,
			const uint8_t *h, char letter, struct ssh_str session_id, uint8_t *ret,
			size_t len)
{
	size_t hlen = hash_len(m->hash), have = 0;
	/* Room for the longest key, made of whole hashes. */
	uint8_t out[CIPHER_KEY_MAX + HASH_LEN_MAX];
	int r = 0;

	if (len > CIPHER_KEY_MAX)
		return -EINVAL;
	while (r == 0 && have < len) {
		const struct hash_piece first[] = {
			{k, k_len}, {h, hlen}, {&letter, 1}, {session_id.p, session_id.len}};
		const struct hash_piece more[] = {{k, k_len}, {h, hlen}, {out, have}};

		r = have == 0 ? hash_digest(m->hash, first, 4, out)
			      : hash_digest(m->hash, more, 3, out + have);
		have += hlen;
	}
	if (r == 0)
		memcpy(ret, out, len);
	secret_wipe(out, sizeof(out));
	return r;
}

int ssh_exchange_keys(const struct kex_method *m, const uint8_t *k, size_t k_len, const uint8_t *h,
		      struct ssh_str session_id, const struct cipher_suite *const suite[2],
		      struct ssh_keys *ret)
{
	int r = 0;

	memset(ret, 0, sizeof(*ret));
	for (int i = 0; r == 0 && i < 2; i++) {
		struct ssh_dir_keys *d = &ret->dir[i];

		r = ssh_exchange_derive(m, k, k_len, h, (char)('A' + i), session_id, d->iv,
					suite[i]->iv_len);
		if (r == 0)
			r = ssh_exchange_derive(m, k, k_len, h, (char)('C' + i), session_id, d->key,
						suite[i]->key_len);
		if (r == 0)
			r = ssh_exchange_derive(m, k, k_len, h, (char)('E' + i), session_id,
						d->mac_key, suite[i]->mac_key_len);
	}
	if (r < 0)
		ssh_keys_wipe(ret);
	return r;
}

void ssh_keys_wipe(struct ssh_keys *keys)
{
	secret_wipe(keys, sizeof(*keys));
}
