/*
 * ssh/brain_kex.c - a key exchange of either role, the first or a later one: its method, from what
 * the KEXINITs agreed on (brain_kexinit.c) over the host key (brain_hostkey.c) to new keys.
 *
 * Source  RFC 4253 sections 7.3 and 8, RFC 5656 section 4, RFC 8731.
 *
 * server: KEXINITs -> ECDH_INIT -> job -> host key signs -> ECDH_REPLY, NEWKEYS -> NEWKEYS
 * client: KEXINITs -> job -> ECDH_INIT -> ECDH_REPLY -> job -> host key known? -> NEWKEYS ->
 * NEWKEYS
 *
 * What is called ECDH here is DH, too, where public values are numbers; in a group exchange it
 * follows on brain_gex.c and has other message numbers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "ssh/internal.h"
#include "ssh/trans_msg.h"

void kex_free(struct kex *k)
{
	if (k == NULL)
		return;
	free(k->i_mine);
	free(k->i_peer);
	key_free(k->peer_host);
	kex_key_free(k->ephemeral);
	free(k->group);
	free(k->gex_group);
	free(k->gss_host_key);
	gss_free(k->gss);
	secret_free(k->keys, sizeof(*k->keys));
	secret_wipe(k, sizeof(*k));
	free(k);
}

/* Jobs ------------------------------------------------------------------------------ */

/* A job of this exchange knows its group. */
static int job_group(struct ssh_job *job, const struct kex *k)
{
	if (k->group == NULL)
		return 0;
	job->group = malloc(sizeof(*job->group));
	if (job->group == NULL)
		return -SSH_E_MEMORY;
	*job->group = *k->group;
	return 0;
}

struct ssh_job *kex_init_job(struct ssh_brain *b, enum ssh_job_kind kind, size_t room)
{
	struct ssh_job *job = ssh_job_new(kind, room);

	if (job == NULL)
		return NULL;
	if (job_group(job, b->kex) < 0) {
		ssh_job_free(job);
		return NULL;
	}
	job->method = b->kex->agreed.kex;
	job->rekey = !b->kex->first;
	return job;
}

int kex_start_ephemeral(struct ssh_brain *b)
{
	struct ssh_job *job = kex_init_job(b, SSH_JOB_KEX_INIT, 0);

	return job != NULL ? ask_job(b, &b->kex_ask, job) : -SSH_E_MEMORY;
}

/* A job with everything that goes into H, as far as it is known. */
struct ssh_job *kex_exchange_job(struct ssh_brain *b, enum ssh_job_kind kind,
				 const struct ssh_exchange *x, struct ssh_str signature,
				 struct ssh_str data)
{
	const struct kex *k = b->kex;
	size_t n = signature.len + data.len + b->session_id_len;
	struct ssh_job *job;

	n += x->v_c.len + x->v_s.len + x->i_c.len + x->i_s.len + x->k_s.len + x->q_c.len +
	     x->q_s.len + x->request.len + x->group.len;
	job = ssh_job_new(kind, n);
	if (job == NULL)
		return NULL;
	if (job_group(job, k) < 0) {
		ssh_job_free(job);
		return NULL;
	}
	job->x = (struct ssh_exchange){
		.v_c = ssh_job_keep(job, x->v_c),
		.v_s = ssh_job_keep(job, x->v_s),
		.i_c = ssh_job_keep(job, x->i_c),
		.i_s = ssh_job_keep(job, x->i_s),
		.k_s = ssh_job_keep(job, x->k_s),
		.request = ssh_job_keep(job, x->request),
		.group = ssh_job_keep(job, x->group),
		.q_c = ssh_job_keep(job, x->q_c),
		.q_s = ssh_job_keep(job, x->q_s),
	};
	job->session_id = ssh_job_keep(job, ssh_brain_session_id(b));
	job->signature = ssh_job_keep(job, signature);
	job->data = ssh_job_keep(job, data);
	job->method = k->agreed.kex;
	job->suite[0] = k->agreed.suite[0];
	job->suite[1] = k->agreed.suite[1];
	job->rekey = !k->first;
	return job;
}

/* Identification, KEXINITs and the group exchange of both sides, by role. */
struct ssh_exchange kex_exchange(const struct ssh_brain *b)
{
	const struct kex *k = b->kex;
	struct ssh_str v_mine = ssh_str_c(b->ident), v_peer = ssh_str_c(b->peer_ident);
	struct ssh_str i_mine = {k->i_mine, k->i_mine_len}, i_peer = {k->i_peer, k->i_peer_len};
	bool server = brain_is_server(b);

	return (struct ssh_exchange){
		.v_c = server ? v_peer : v_mine,
		.v_s = server ? v_mine : v_peer,
		.i_c = server ? i_peer : i_mine,
		.i_s = server ? i_mine : i_peer,
		.request = {k->gex_request, k->gex_request_len},
		.group = {k->gex_group, k->gex_group_len},
	};
}

bool kex_is_number(const struct kex *k)
{
	return k->agreed.kex->q_form == KEX_MPINT;
}

/* The method ------------------------------------------------------------------------ */

static int input_ecdh_init(struct ssh_brain *b, struct ssh_rd *r)
{
	struct ssh_exchange x = kex_exchange(b);
	struct ssh_job *job;
	int e;

	e = kex_is_number(b->kex) ? ssh_dh_init_parse(r, &x.q_c) : ssh_ecdh_init_parse(r, &x.q_c);
	if (e < 0)
		return e;
	/* Before it costs a job (S-44). */
	if (kex_public_check(b->kex->agreed.kex, b->kex->group, true, x.q_c.p, x.q_c.len) < 0)
		return ssh_exchange_failed(b->kex->agreed.kex);
	x.k_s = ssh_str_key(b->kex->host);
	job = kex_exchange_job(b, SSH_JOB_KEX_RESPOND, &x, (struct ssh_str){0},
			       (struct ssh_str){0});
	return job != NULL ? ask_job(b, &b->kex_ask, job) : -SSH_E_MEMORY;
}

static int input_ecdh_reply(struct ssh_brain *b, struct ssh_rd *r)
{
	struct ssh_exchange x = kex_exchange(b);
	struct kex *k = b->kex;
	struct ssh_ecdh_reply m;
	struct ssh_job *job;
	struct key *host = NULL;
	int e;

	e = kex_is_number(k) ? ssh_dh_reply_parse(r, &m) : ssh_ecdh_reply_parse(r, &m);
	if (e < 0)
		return e;
	if (kex_public_check(k->agreed.kex, k->group, false, m.q_s.p, m.q_s.len) < 0)
		return ssh_exchange_failed(k->agreed.kex);
	if (m.k_s.len > KEY_BLOB_MAX || m.signature.len > KEY_SIG_MAX ||
	    key_blob_parse_for(b->kex->agreed.hostkey, m.k_s.p, m.k_s.len, &host) < 0)
		return -SSH_E_KEX_PROOF;
	e = kex_hostkey_check(b, host);
	x.k_s = m.k_s;
	x.q_c = (struct ssh_str){k->pub, (uint32_t)k->pub_len};
	x.q_s = m.q_s;
	job = e == 0 ? kex_exchange_job(b, SSH_JOB_KEX_FINISH, &x, m.signature, (struct ssh_str){0})
		     : NULL;
	if (job == NULL) {
		key_free(host);
		return e < 0 ? e : -SSH_E_MEMORY;
	}
	job->key = host;
	job->sig_alg = k->agreed.hostkey;
	job->ephemeral = k->ephemeral;
	k->ephemeral = NULL;
	return ask_job(b, &b->kex_ask, job);
}

/* Jobs come back -------------------------------------------------------------------- */

static int send_ecdh_init(struct ssh_brain *b, struct ssh_job *job)
{
	struct kex *k = b->kex;
	struct ssh_wr w;
	int r;

	k->ephemeral = job->ephemeral;
	job->ephemeral = NULL;
	memcpy(k->pub, job->pub, job->pub_len);
	k->pub_len = job->pub_len;
	r = send_begin(b, &w, 1 + 5 + k->pub_len);
	if (r < 0)
		return r;
	if (kex_is_number(k))
		ssh_dh_init_build(&w,
				  k->group != NULL ? SSH_MSG_KEX_GEX_INIT : SSH_MSG_KEX_ECDH_INIT,
				  (struct ssh_str){k->pub, (uint32_t)k->pub_len});
	else
		ssh_ecdh_init_build(&w, (struct ssh_str){k->pub, (uint32_t)k->pub_len});
	return send_end(b, &w);
}

/* H and the keys; the session id is the first H, for ever. */
void kex_take_result(struct ssh_brain *b, struct ssh_job *job)
{
	struct kex *k = b->kex;
	size_t len = hash_len(k->agreed.kex->hash);

	memcpy(k->h, job->h, len);
	k->keys = job->keys;
	job->keys = NULL;
	if (b->session_id_len == 0) {
		memcpy(b->session_id, job->h, len);
		b->session_id_len = (uint8_t)len;
	}
}

int kex_job_done(struct ssh_brain *b, struct ssh_job *job)
{
	if (job->err < -SSH_E_BASE) /* which part of it failed */
		return job->err;
	if (job->err < 0)
		return -SSH_E_KEX;
	if (job->kind == SSH_JOB_KEX_INIT)
		return send_ecdh_init(b, job);
	if (b->kex->agreed.kex->gss)
		return gss_job_done(b, job);
	return brain_is_server(b) ? kex_hostkey_sign(b, job) : kex_hostkey_ask(b, job);
}

/* New keys -------------------------------------------------------------------------- */

static struct ssh_act_keys keys_of(const struct ssh_brain *b, int dir)
{
	const struct cipher_suite *suite = b->kex->agreed.suite[dir];
	const struct ssh_dir_keys *keys = &b->kex->keys->dir[dir];

	return (struct ssh_act_keys){
		.suite = suite,
		.key = keys->key,
		.iv = keys->iv,
		.mac_key = keys->mac_key,
		.comp = b->kex->agreed.comp[dir],
		.reset_seqnr = b->phase.strict,
		.limit = ssh_rekey_limit_of(suite, &b->rekey),
	};
}

int ssh_brain_rx_keys(const struct ssh_brain *b, struct ssh_act_keys *ret)
{
	if (b->phase.kex != SSH_KEX_NEWKEYS || b->kex == NULL || b->kex->keys == NULL)
		return -EINVAL;
	*ret = keys_of(b, brain_is_server(b) ? 0 : 1);
	return 0;
}

/* dir: 0 client to server. The keys stay where they are. */
static int push_keys(struct ssh_brain *b, enum ssh_act_kind kind, int dir)
{
	struct ssh_act *act = act_push(b, kind, 0);

	if (act == NULL)
		return -SSH_E_MEMORY;
	act->keys = keys_of(b, dir);
	return 0;
}

int kex_send_ext_info(struct ssh_brain *b)
{
	struct ssh_wr w;
	int r = send_begin(b, &w, 192 + strlen(b->lists.sig_algs));

	if (r < 0)
		return r;
	if (brain_is_server(b))
		ssh_ext_info_build(&w, b->lists.sig_algs, b->retry_after);
	else
		ssh_ext_info_client_build(&w);
	return send_end(b, &w);
}

/* Our NEWKEYS, our new keys, and what the RFC wants to be the very next packet. */
int kex_send_newkeys(struct ssh_brain *b)
{
	bool first = b->kex->first;
	struct ssh_wr w;
	int r;

	r = send_begin(b, &w, 1);
	if (r < 0)
		return r;
	ssh_wr_u8(&w, SSH_MSG_NEWKEYS);
	r = send_end(b, &w);
	if (r == 0)
		r = push_keys(b, SSH_ACT_TX_KEYS, brain_is_server(b) ? 1 : 0);
	if (r == 0 && first && b->peer_ext_info)
		r = kex_send_ext_info(b);
	b->phase.kex = first ? SSH_KEX_FIRST_NEWKEYS : SSH_KEX_NEWKEYS;
	return r;
}

static int push_done(struct ssh_brain *b)
{
	const struct ssh_agreed *a = &b->kex->agreed;
	struct ssh_act *act = act_push(b, SSH_ACT_KEX_DONE, 0);

	if (act == NULL)
		return -SSH_E_MEMORY;
	act->kex = (struct ssh_act_kex){
		.kex = a->kex->name,
		.hostkey = a->hostkey,
		.cipher_cs = a->suite[0]->cipher_name,
		.cipher_sc = a->suite[1]->cipher_name,
		.mac_cs = a->suite[0]->mac_name,
		.mac_sc = a->suite[1]->mac_name,
		.comp_cs = ssh_comp_name(a->comp[0]),
		.comp_sc = ssh_comp_name(a->comp[1]),
		.strict = b->phase.strict,
		.first = b->kex->first,
		.session_id = ssh_brain_session_id(b),
	};
	return 0;
}

static int input_newkeys(struct ssh_brain *b, size_t len)
{
	struct kex *k = b->kex;
	bool first = k->first;
	int r;

	if (len != 1)
		return -SSH_E_FORMAT;
	r = push_keys(b, SSH_ACT_RX_KEYS, brain_is_server(b) ? 0 : 1);
	if (r < 0)
		return r;
	r = push_done(b);
	if (r < 0)
		return r;
	b->phase.kex = SSH_KEX_NONE;
	/* TX_KEYS and RX_KEYS look at the keys: they live until the last action behind them. */
	if (k->gss != NULL && b->phase.svc != SSH_SVC_OPEN) {
		gss_free(b->gss);
		b->gss = k->gss; /* who was authenticated by it may say so (RFC 4462 section 4) */
		k->gss = NULL;
	}
	act_own_keys(b, k->keys);
	k->keys = NULL;
	kex_free(k);
	b->kex = NULL;
	return first && !brain_is_server(b) ? auth_client_begin(b) : 0;
}

int kex_input(struct ssh_brain *b, uint32_t seqnr, const uint8_t *p, size_t len)
{
	struct ssh_rd r;

	if (p[0] == SSH_MSG_KEXINIT)
		return kex_input_init(b, seqnr, p, len);
	if (p[0] == SSH_MSG_NEWKEYS)
		return input_newkeys(b, len);
	/* A wrong guess is not looked at (RFC 4253 section 7.1: "MUST ignore"). */
	if (b->phase.kex == SSH_KEX_FIRST_GUESS || b->phase.kex == SSH_KEX_GUESS) {
		b->phase.kex = b->kex->first ? SSH_KEX_FIRST_METHOD : SSH_KEX_METHOD;
		return 0;
	}
	if (b->phase.step == SSH_STEP_GSS_REQUEST && p[0] == SSH_MSG_KEXGSS_ERROR)
		return -SSH_E_KEX;
	if (b->phase.step == SSH_STEP_GEX_REQUEST || b->phase.step == SSH_STEP_GSS_REQUEST)
		return brain_is_server(b) ? gex_input_request(b, p[0], p + 1, len - 1)
					  : gex_input_group(b, p + 1, len - 1);
	if (b->kex->agreed.kex->gss)
		return gss_input(b, p[0], p + 1, len - 1);
	ssh_rd_init(&r, p + 1, len - 1);
	return brain_is_server(b) ? input_ecdh_init(b, &r) : input_ecdh_reply(b, &r);
}
