/* crypto/key_agent.c - signatures by an agent (draft-ietf-sshm-ssh-agent section 4.6). */
#include "crypto/key_agent.h"

#include <errno.h>
#include <stdlib.h>

#include "crypto/key_internal.h"

#define AGENT_FAILURE       5
#define AGENT_SIGN_REQUEST  13
#define AGENT_SIGN_RESPONSE 14
#define FLAG_RSA_SHA2_256   2
#define FLAG_RSA_SHA2_512   4

struct agent_key {
	struct key_agent agent;
	const struct key *key; /* whose half it keeps */
	int trial;             /* what the agent did in it */
	bool tried;
};

/* The flags of section 4.6.1, and the name the signature must have then. */
static uint32_t flags_of(const struct key_type *t, const EVP_MD *md, const char **ret_name)
{
	*ret_name = t->name;
	if (t != &key_type_rsa || EVP_MD_get_type(md) == NID_sha1)
		return 0;
	*ret_name = EVP_MD_get_type(md) == NID_sha512 ? "rsa-sha2-512" : "rsa-sha2-256";
	return EVP_MD_get_type(md) == NID_sha512 ? FLAG_RSA_SHA2_512 : FLAG_RSA_SHA2_256;
}

/* RESPONSE: string of (string algorithm, string signature), into what OpenSSL would have made. */
static int response_take(const struct key *k, const char *name, const uint8_t *reply, size_t len,
			 uint8_t *raw, size_t *ret_len)
{
	struct blob_rd r = blob_rd_init(reply + 1, len - 1), in;
	struct blob_str blob = blob_rd_str(&r), alg, sig;

	if (!blob_rd_done(&r))
		return -EBADMSG;
	in = blob_rd_init(blob.p, blob.len);
	alg = blob_rd_str(&in);
	sig = blob_rd_str(&in);
	if (!blob_rd_done(&in) || !blob_str_is(alg, name) || sig.len > KEY_SIG_MAX)
		return -EBADMSG;
	return k->type->sig_from_wire(k->type, k->pkey, sig, raw, ret_len);
}

static int request(const struct agent_key *a, const EVP_MD *md, const uint8_t *data, size_t len,
		   uint8_t *out, uint8_t *raw, size_t *ret_len)
{
	struct blob_wr w = blob_wr_init(out, KEY_AGENT_REQUEST_MAX);
	uint8_t reply[KEY_AGENT_REPLY_MAX];
	size_t reply_len = 0;
	const char *name;
	uint32_t flags = flags_of(a->key->type, md, &name);
	int r;

	blob_wr_put(&w, (const uint8_t[]){AGENT_SIGN_REQUEST}, 1);
	blob_wr_str(&w, a->key->blob, a->key->blob_len);
	blob_wr_str(&w, data, len);
	blob_wr_u32(&w, flags);
	if (w.bad)
		return -EINVAL;
	r = a->agent.ask(a->agent.arg, out, w.len, reply, sizeof(reply), &reply_len);
	if (r < 0)
		return r;
	if (reply_len == 1 && reply[0] == AGENT_FAILURE)
		return -ENOKEY;
	if (reply_len < 1 || reply[0] != AGENT_SIGN_RESPONSE)
		return -EBADMSG;
	return response_take(a->key, name, reply, reply_len, raw, ret_len);
}

static int agent_sign(void *arg, const EVP_MD *md, const uint8_t *data, size_t len, uint8_t *raw,
		      size_t *ret_len)
{
	uint8_t *out = malloc(KEY_AGENT_REQUEST_MAX);
	struct agent_key *a = arg;
	int r = out != NULL ? request(a, md, data, len, out, raw, ret_len) : -ENOMEM;

	if (!a->tried)
		a->trial = r;
	free(out);
	return r;
}

static void agent_free(void *arg)
{
	struct agent_key *a = arg;

	if (a->agent.free != NULL)
		a->agent.free(a->agent.arg);
	free(a);
}

static const struct key_remote by_agent = {agent_sign, agent_free};

int key_agent_use(struct key *k, const struct key_agent *agent)
{
	struct agent_key *a;
	int r;

	if (k->form != KEY_PLAIN || k->is_private)
		return -EINVAL;
	a = malloc(sizeof(*a));
	if (a == NULL)
		return -ENOMEM;
	*a = (struct agent_key){.agent = *agent, .key = k};
	r = key_remote_set(k, &by_agent, a);
	a->tried = true;
	if (r < 0) {
		r = a->trial < 0 ? a->trial : r; /* why it was no signature */
		free(a);
	}
	return r;
}
