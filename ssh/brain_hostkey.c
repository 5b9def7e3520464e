/*
 * ssh/brain_hostkey.c - the host key of an exchange: which of ours a server shows, and its
 * signature; whether a client takes what it was shown.
 *
 * Source  RFC 4253 sections 7.1 and 8.
 */
#include <stdlib.h>
#include <string.h>

#include "ssh/internal.h"
#include "ssh/trans_msg.h"

/* Server ---------------------------------------------------------------------------- */

const struct key *kex_hostkey_for(const struct ssh_brain *b, struct ssh_str alg)
{
	char name[SSH_NAME_MAX + 1];

	memcpy(name, alg.p, alg.len);
	name[alg.len] = '\0';
	for (unsigned int i = 0; i < b->n_hostkeys; i++)
		if (key_sig_alg_fits(b->hostkey[i], name))
			return b->hostkey[i];
	return NULL;
}

int kex_hostkey_sign(struct ssh_brain *b, struct ssh_job *job)
{
	struct kex *k = b->kex;
	struct ssh_act *act;

	kex_take_result(b, job);
	memcpy(k->pub, job->pub, job->pub_len);
	k->pub_len = job->pub_len;
	act = act_push(b, SSH_ACT_SIGN, 0);
	if (act == NULL)
		return -SSH_E_MEMORY;
	/* A certificate signs nothing: the key in it does. */
	act->sign.key = key_plain(k->host);
	act->sign.sig_alg = key_sig_alg_plain(k->agreed.hostkey);
	act->sign.data = (struct ssh_str){k->h, (uint32_t)hash_len(k->agreed.kex->hash)};
	ask_open(b, &b->kex_ask, act);
	return 0;
}

int kex_signed(struct ssh_brain *b, const uint8_t *sig, size_t len)
{
	struct kex *k = b->kex;
	struct ssh_ecdh_reply m;
	struct ssh_wr w;
	int r;

	m.k_s = ssh_str_key(k->host);
	m.q_s = (struct ssh_str){k->pub, (uint32_t)k->pub_len};
	m.signature = (struct ssh_str){sig, (uint32_t)len};
	r = send_begin(b, &w, 1 + 3 * 4 + 1 + m.k_s.len + k->pub_len + len);
	if (r < 0)
		return r;
	if (kex_is_number(k))
		ssh_dh_reply_build(
			&w, k->group != NULL ? SSH_MSG_KEX_GEX_REPLY : SSH_MSG_KEX_ECDH_REPLY, &m);
	else
		ssh_ecdh_reply_build(&w, &m);
	r = send_end(b, &w);
	return r < 0 ? r : kex_send_newkeys(b);
}

/* Client ---------------------------------------------------------------------------- */

/*
 * S-20: the key that was accepted at first is the only one this connection knows; S-34:
 * its type is the negotiated algorithm's.
 */
int kex_hostkey_check(const struct ssh_brain *b, const struct key *host)
{
	if (!key_sig_alg_fits(host, b->kex->agreed.hostkey))
		return -SSH_E_KEX_PROOF;
	if (b->server_key != NULL && !key_equal(b->server_key, host))
		return -SSH_E_HOSTKEY;
	return 0;
}

/* What job has verified; b takes it on as its proof to others. */
static int signature_keep(struct ssh_brain *b, struct ssh_str sig)
{
	uint8_t *copy = malloc(sig.len + 1);

	if (copy == NULL)
		return -SSH_E_MEMORY;
	memcpy(copy, sig.p, sig.len);
	free(b->server_sig);
	b->server_sig = copy;
	b->server_sig_len = sig.len;
	return 0;
}

int kex_hostkey_ask(struct ssh_brain *b, struct ssh_job *job)
{
	struct kex *k = b->kex;
	struct ssh_act *act;

	kex_take_result(b, job);
	if (b->server_key != NULL) /* the same key as before: input_ecdh_reply() compared */
		return kex_hostkey_accepted(b);
	if (signature_keep(b, job->signature) < 0)
		return -SSH_E_MEMORY;
	k->peer_host = job->key;
	job->key = NULL;
	act = act_push(b, SSH_ACT_HOSTKEY, 0);
	if (act == NULL)
		return -SSH_E_MEMORY;
	act->hostkey = k->peer_host;
	act->bytes = ssh_str_c(k->agreed.hostkey);
	ask_open(b, &b->kex_ask, act);
	return 0;
}

int kex_hostkey_accepted(struct ssh_brain *b)
{
	struct kex *k = b->kex;

	if (b->server_key == NULL) {
		b->server_key = k->peer_host;
		k->peer_host = NULL;
	}
	return kex_send_newkeys(b);
}
