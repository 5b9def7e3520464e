#include "control/signer/proto.h"

#include <errno.h>

#define SIG_ALG_MAX 64
#define PRINT_LEN   32

static bool is_named(enum signer_msg kind)
{
	return kind == SIGNER_SIGN_NAMED || kind == SIGNER_PROVE_NAMED;
}

/* No NUL in it, so that it is one text for all. */
static bool is_text(struct ssh_str s, size_t max)
{
	return s.len <= max && (s.len == 0 || memchr(s.p, '\0', s.len) == NULL);
}

int signer_request_parse(enum signer_msg kind, struct ssh_str body, struct signer_request *ret)
{
	struct signer_request m = {.kind = kind};
	struct ssh_rd r;

	if (kind != SIGNER_SIGN && kind != SIGNER_PROVE && !is_named(kind))
		return -EBADMSG;
	ssh_rd_init(&r, body.p, body.len);
	m.id = ssh_rd_u32(&r);
	if (is_named(kind))
		m.print = ssh_rd_str(&r);
	else
		m.key = ssh_rd_u32(&r);
	m.sig_alg = ssh_rd_str(&r);
	m.rekey = ssh_rd_bool(&r);
	m.data = ssh_rd_str(&r);
	if (!ssh_rd_done(&r) || m.sig_alg.len == 0 || m.sig_alg.len >= SIG_ALG_MAX ||
	    memchr(m.sig_alg.p, '\0', m.sig_alg.len) != NULL || m.data.len == 0 ||
	    m.data.len > SIGNER_DATA_MAX || (is_named(kind) && m.print.len != PRINT_LEN))
		return -EBADMSG;
	*ret = m;
	return 0;
}

int signer_answer_parse(struct ssh_str body, struct signer_answer *ret)
{
	struct signer_answer m;
	struct ssh_rd r;
	uint32_t err;

	ssh_rd_init(&r, body.p, body.len);
	m.id = ssh_rd_u32(&r);
	err = ssh_rd_u32(&r);
	m.sig = ssh_rd_str(&r);
	/* A signature and no error, or an error and no signature. */
	if (!ssh_rd_done(&r) || err > 4095 || m.sig.len > KEY_SIG_MAX ||
	    (err == 0) != (m.sig.len > 0))
		return -EBADMSG;
	m.err = -(int)err;
	*ret = m;
	return 0;
}

static int chain_parse(struct ssh_rd *r, unsigned int *ret_n, struct ssh_str ret[X509KEY_CHAIN_MAX])
{
	unsigned int n = ssh_rd_u32(r);

	if (r->bad || n > X509KEY_CHAIN_MAX)
		return -EBADMSG;
	for (unsigned int j = 0; j < n; j++)
		ret[j] = ssh_rd_str(r);
	*ret_n = n;
	return 0;
}

int signer_open_parse(struct ssh_str body, struct signer_open_request *ret)
{
	struct signer_open_request m;
	struct ssh_rd r;

	ssh_rd_init(&r, body.p, body.len);
	m.id = ssh_rd_u32(&r);
	for (unsigned int i = 0; i < HOST_FILE_FIELDS; i++) {
		m.field[i] = ssh_rd_str(&r);
		if (r.bad || !is_text(m.field[i], HOST_FILE_TEXT_MAX))
			return -EBADMSG;
	}
	if (!ssh_rd_done(&r) || m.field[HOST_FILE_PATH].len == 0)
		return -EBADMSG;
	*ret = m;
	return 0;
}

int signer_opened_parse(struct ssh_str body, struct signer_open_answer *ret)
{
	struct signer_open_answer m;
	struct ssh_rd r;
	uint32_t err;

	ssh_rd_init(&r, body.p, body.len);
	m.id = ssh_rd_u32(&r);
	err = ssh_rd_u32(&r);
	m.why = ssh_rd_str(&r);
	m.blob = ssh_rd_str(&r);
	if (chain_parse(&r, &m.n_certs, m.cert) < 0)
		return -EBADMSG;
	/* A key and no error, or an error and no key. */
	if (!ssh_rd_done(&r) || err > 4095 || !is_text(m.why, KEYFILE_WHY_MAX) ||
	    m.blob.len > KEY_BLOB_MAX || (err == 0) != (m.blob.len > 0))
		return -EBADMSG;
	m.err = -(int)err;
	*ret = m;
	return 0;
}

int signer_let_go_parse(struct ssh_str body, uint8_t ret_print[32])
{
	struct ssh_str print;
	struct ssh_rd r;

	ssh_rd_init(&r, body.p, body.len);
	print = ssh_rd_str(&r);
	if (!ssh_rd_done(&r) || print.len != PRINT_LEN)
		return -EBADMSG;
	memcpy(ret_print, print.p, PRINT_LEN);
	return 0;
}

int signer_have_parse(struct ssh_str body, struct signer_have *ret)
{
	struct signer_have m;
	struct ssh_rd r;

	ssh_rd_init(&r, body.p, body.len);
	m.n = ssh_rd_u32(&r);
	if (r.bad || m.n == 0 || m.n > SIGNER_KEYS_MAX)
		return -EBADMSG;
	for (unsigned int i = 0; i < m.n; i++) {
		m.blob[i] = ssh_rd_str(&r);
		m.path[i] = ssh_rd_str(&r);
		m.apart[i] = ssh_rd_bool(&r);
		if (r.bad || !is_text(m.path[i], HOST_PATH_MAX))
			return -EBADMSG;
		if (chain_parse(&r, &m.n_certs[i], m.cert[i]) < 0)
			return -EBADMSG;
	}
	if (!ssh_rd_done(&r))
		return -EBADMSG;
	*ret = m;
	return 0;
}

/* --- writing ------------------------------------------------------------------------------ */

static void begin(struct ssh_wr *w, uint8_t *buf, size_t size, enum signer_msg type)
{
	ssh_wr_init(w, buf, size);
	helper_frame_begin(w, (enum helper_msg)type);
}

size_t signer_word_build(uint8_t *buf, size_t size, enum signer_msg kind)
{
	struct ssh_wr w;

	begin(&w, buf, size, kind);
	return helper_frame_end(&w);
}

size_t signer_request_build(uint8_t *buf, size_t size, const struct signer_request *m)
{
	struct ssh_wr w;

	begin(&w, buf, size, m->kind);
	ssh_wr_u32(&w, m->id);
	if (is_named(m->kind))
		ssh_wr_str(&w, m->print);
	else
		ssh_wr_u32(&w, m->key);
	ssh_wr_str(&w, m->sig_alg);
	ssh_wr_bool(&w, m->rekey);
	ssh_wr_str(&w, m->data);
	return helper_frame_end(&w);
}

size_t signer_answer_build(uint8_t *buf, size_t size, const struct signer_answer *m)
{
	struct ssh_wr w;

	begin(&w, buf, size, SIGNER_DONE);
	ssh_wr_u32(&w, m->id);
	ssh_wr_u32(&w, (uint32_t)-m->err);
	ssh_wr_str(&w, m->sig);
	return helper_frame_end(&w);
}

size_t signer_open_build(uint8_t *buf, size_t size, const struct signer_open_request *m)
{
	struct ssh_wr w;

	begin(&w, buf, size, SIGNER_OPEN);
	ssh_wr_u32(&w, m->id);
	for (unsigned int i = 0; i < HOST_FILE_FIELDS; i++)
		ssh_wr_str(&w, m->field[i]);
	return helper_frame_end(&w);
}

size_t signer_opened_build(uint8_t *buf, size_t size, const struct signer_open_answer *m)
{
	struct ssh_wr w;

	begin(&w, buf, size, SIGNER_OPENED);
	ssh_wr_u32(&w, m->id);
	ssh_wr_u32(&w, (uint32_t)-m->err);
	ssh_wr_str(&w, m->why);
	ssh_wr_str(&w, m->blob);
	ssh_wr_u32(&w, m->n_certs);
	for (unsigned int i = 0; i < m->n_certs; i++)
		ssh_wr_str(&w, m->cert[i]);
	return helper_frame_end(&w);
}

size_t signer_let_go_build(uint8_t *buf, size_t size, const uint8_t print[32])
{
	struct ssh_wr w;

	begin(&w, buf, size, SIGNER_LET_GO);
	ssh_wr_str(&w, (struct ssh_str){print, PRINT_LEN});
	return helper_frame_end(&w);
}

static void have_chain_build(struct ssh_wr *w, const struct host_chain *c)
{
	ssh_wr_u32(w, c->n);
	for (unsigned int i = 0; i < c->n; i++)
		ssh_wr_str(w, (struct ssh_str){c->cert[i].der, (uint32_t)c->cert[i].len});
}

size_t signer_have_build(uint8_t *buf, size_t size, const struct signer *s)
{
	struct ssh_wr w;

	begin(&w, buf, size, SIGNER_HAVE);
	ssh_wr_u32(&w, signer_count(s));
	for (unsigned int i = 0; i < signer_count(s); i++) {
		size_t len;
		const uint8_t *blob = key_blob(signer_public(s, i), &len);

		ssh_wr_str(&w, (struct ssh_str){blob, (uint32_t)len});
		ssh_wr_cstr(&w, signer_path(s, i) != NULL ? signer_path(s, i) : "");
		ssh_wr_bool(&w, signer_apart(s, i));
		have_chain_build(&w, signer_chain(s, i));
	}
	return helper_frame_end(&w);
}
