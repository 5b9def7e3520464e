#include "client/agent/msg.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MSG_FAILURE           5
#define MSG_SUCCESS           6
#define MSG_LIST              11
#define MSG_LIST_ANSWER       12
#define MSG_SIGN              13
#define MSG_SIGN_ANSWER       14
#define MSG_EXTENSION         27
#define MSG_EXTENSION_FAILURE 28
#define FLAG_RSA_SHA2_256     2
#define FLAG_RSA_SHA2_512     4

/* --- said ------------------------------------------------------------------------------- */

size_t agent_list_build(uint8_t *buf, size_t size)
{
	struct ssh_wr w;

	ssh_wr_init(&w, buf, size);
	ssh_wr_u8(&w, MSG_LIST);
	return ssh_wr_done(&w);
}

static uint32_t flags_of(const char *plain)
{
	if (strcmp(plain, "rsa-sha2-256") == 0)
		return FLAG_RSA_SHA2_256;
	return strcmp(plain, "rsa-sha2-512") == 0 ? FLAG_RSA_SHA2_512 : 0;
}

int agent_sign_build(const struct key *k, const char *sig_alg, struct ssh_str data, uint8_t *buf,
		     size_t size, size_t *ret_len)
{
	const char *plain = key_sig_alg_plain(sig_alg);
	struct ssh_wr w;
	size_t len;

	if (plain == NULL || (!key_signs_as(k, sig_alg) && !key_signs_as(key_plain(k), sig_alg)))
		return -EINVAL;
	ssh_wr_init(&w, buf, size);
	ssh_wr_u8(&w, MSG_SIGN);
	ssh_wr_str(&w, ssh_str_key(k));
	ssh_wr_str(&w, data);
	ssh_wr_u32(&w, flags_of(plain));
	len = ssh_wr_done(&w);
	if (len == 0)
		return -EMSGSIZE;
	*ret_len = len;
	return 0;
}

size_t agent_bind_build(const struct agent_bind *b, uint8_t *buf, size_t size)
{
	struct ssh_wr w;

	ssh_wr_init(&w, buf, size);
	ssh_wr_u8(&w, MSG_EXTENSION);
	ssh_wr_cstr(&w, "session-bind@openssh.com");
	ssh_wr_str(&w, ssh_str_key(key_plain(b->host)));
	ssh_wr_str(&w, b->session_id);
	ssh_wr_str(&w, b->signature);
	ssh_wr_bool(&w, b->forwarding);
	return ssh_wr_done(&w);
}

/* --- answered --------------------------------------------------------------------------- */

/* The reader behind the number of an answer of that kind. */
static int answer_begin(struct ssh_str reply, uint8_t want, struct ssh_rd *ret)
{
	uint8_t got;

	if (reply.len == 0)
		return -EBADMSG;
	ssh_rd_init(ret, reply.p, reply.len);
	got = ssh_rd_u8(ret);
	if (got == want)
		return 0;
	if (got == MSG_FAILURE && reply.len == 1)
		return -EACCES;
	return got == MSG_EXTENSION_FAILURE ? -ENOTSUP : -EBADMSG;
}

static char *comment_copy(struct ssh_str s)
{
	size_t n = s.len < AGENT_COMMENT_MAX ? s.len : AGENT_COMMENT_MAX;
	char *p = malloc(n + 1);

	for (size_t i = 0; p != NULL && i < n; i++)
		p[i] = (char)(iscntrl(s.p[i]) ? '?' : s.p[i]);
	if (p != NULL)
		p[n] = '\0';
	return p;
}

static int key_add(struct agent_keys *k, struct ssh_str blob, struct ssh_str comment)
{
	struct agent_key a = {0};
	int r = key_blob_parse_any(blob.p, blob.len, &a.key);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	a.comment = comment_copy(comment);
	if (a.comment == NULL) {
		key_free(a.key);
		return -ENOMEM;
	}
	k->v[k->n++] = a;
	return 0;
}

int agent_list_parse(struct ssh_str reply, struct agent_keys *ret)
{
	struct agent_keys k = {0};
	struct ssh_rd rd;
	uint32_t n;
	int r = answer_begin(reply, MSG_LIST_ANSWER, &rd);

	if (r < 0)
		return r;
	n = ssh_rd_u32(&rd);
	if (rd.bad || n > AGENT_KEYS_MAX || n > reply.len / 8)
		return -EBADMSG;
	k.v = calloc(n + 1, sizeof(*k.v));
	if (k.v == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; r == 0 && i < n; i++) {
		struct ssh_str blob = ssh_rd_str(&rd);
		struct ssh_str comment = ssh_rd_str(&rd);

		r = rd.bad ? -EBADMSG : key_add(&k, blob, comment);
	}
	if (r == 0 && !ssh_rd_done(&rd))
		r = -EBADMSG;
	if (r < 0)
		agent_keys_free(&k);
	else
		*ret = k;
	return r;
}

int agent_sign_parse(struct ssh_str reply, const char *sig_alg, uint8_t *ret, size_t *ret_len)
{
	const char *plain = key_sig_alg_plain(sig_alg);
	struct ssh_str sig, alg;
	struct ssh_rd rd, in;
	int r = answer_begin(reply, MSG_SIGN_ANSWER, &rd);

	if (r < 0)
		return r;
	sig = ssh_rd_str(&rd);
	if (!ssh_rd_done(&rd) || sig.len > KEY_SIG_MAX || sig.len == 0 || plain == NULL)
		return -EBADMSG;
	ssh_rd_init(&in, sig.p, sig.len);
	alg = ssh_rd_str(&in);
	(void)ssh_rd_str(&in);
	if (in.bad) /* a security key's has more behind it */
		return -EBADMSG;
	if (!ssh_str_eq(alg, plain))
		return -ENOTSUP;
	memcpy(ret, sig.p, sig.len);
	*ret_len = sig.len;
	return 0;
}

int agent_done_parse(struct ssh_str reply)
{
	struct ssh_rd rd;
	int r = answer_begin(reply, MSG_SUCCESS, &rd);

	return r < 0 ? r : ssh_rd_done(&rd) ? 0 : -EBADMSG;
}

ssize_t agent_skip(struct agent_skip *k, const uint8_t *in, size_t n, uint8_t *out)
{
	size_t at = 0, left;
	struct ssh_rd rd;
	uint32_t len;

	while (!k->over && at < n) {
		if (k->seen < sizeof(k->head)) {
			k->head[k->seen++] = in[at++];
			continue;
		}
		ssh_rd_init(&rd, k->head, sizeof(k->head));
		len = ssh_rd_u32(&rd);
		if (len == 0 || len > AGENT_MSG_MAX)
			return -EMSGSIZE;
		left = sizeof(k->head) + len - k->seen;
		left = left < n - at ? left : n - at;
		at += left;
		k->seen += left;
		k->over = k->seen == sizeof(k->head) + len;
	}
	memcpy(out, in + at, n - at);
	return (ssize_t)(n - at);
}

void agent_keys_free(struct agent_keys *k)
{
	for (unsigned int i = 0; i < k->n; i++) {
		key_free(k->v[i].key);
		free(k->v[i].comment);
	}
	free(k->v);
	*k = (struct agent_keys){0};
}
