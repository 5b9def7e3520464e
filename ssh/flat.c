/* ssh/flat.c - records in one flat buffer. */
#include "ssh/flat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "ssh/err.h"
#include "ssh/ident.h"

#define BUF_MIN 4096

int ssh_flat_init(struct ssh_flat *f, struct cipher_engine *engine)
{
	memset(f, 0, sizeof(*f));
	f->engine = engine;
	ssh_dir_init(&f->rx);
	ssh_dir_init(&f->tx);
	return 0;
}

/* Opened payloads and those to be sealed have stood in both. */
static void buf_free(uint8_t *p, size_t size)
{
	if (p != NULL)
		secret_wipe(p, size);
	free(p);
}

void ssh_flat_fini(struct ssh_flat *f)
{
	ssh_dir_fini(&f->rx, f->engine);
	ssh_dir_fini(&f->tx, f->engine);
	(void)ssh_flat_inflate(f, false);
	(void)ssh_flat_deflate(f, false);
	buf_free(f->in, f->in_size);
	buf_free(f->out, f->out_size);
	memset(f, 0, sizeof(*f));
}

/* Room for n more bytes behind *len; what lies before *off is given up. */
static int buf_reserve(uint8_t **buf, size_t *off, size_t *len, size_t *size, size_t n)
{
	size_t live = *len - *off;
	size_t want = BUF_MIN;
	uint8_t *p;

	if (*size - *len >= n)
		return 0;
	if (n > SIZE_MAX / 4 || live > SIZE_MAX / 4)
		return -ENOMEM;

	if (*size - live >= n && *off >= live) {
		/* At least half of it is free, so a byte is moved at most once. */
		memcpy(*buf, *buf + *off, live);
	} else {
		while (want < live + n)
			want *= 2;
		p = malloc(want);
		if (p == NULL)
			return -ENOMEM;
		if (live > 0)
			memcpy(p, *buf + *off, live);
		buf_free(*buf, *size);
		*buf = p;
		*size = want;
	}
	*off = 0;
	*len = live;
	return 0;
}

int ssh_flat_feed(struct ssh_flat *f, const void *p, size_t len)
{
	int r;

	if (len == 0)
		return 0;
	r = buf_reserve(&f->in, &f->in_off, &f->in_len, &f->in_size, len);
	if (r < 0)
		return r;

	memcpy(f->in + f->in_len, p, len);
	f->in_len += len;
	return 0;
}

/* Remembers what ended receiving: the state of the cipher is not to be tried again. */
static int flat_end(struct ssh_flat *f, int err)
{
	f->dead = err;
	return err;
}

int ssh_flat_line(struct ssh_flat *f, enum ssh_role we_are, const char **ret, size_t *ret_len)
{
	size_t len, used;
	int r;

	if (f->dead < 0)
		return f->dead;
	if (f->in_len == f->in_off)
		return -EAGAIN;
	r = ssh_ident_line(we_are, f->in + f->in_off, f->in_len - f->in_off, &len, &used);
	if (r == -EAGAIN)
		return r;
	if (r < 0)
		return flat_end(f, r);

	*ret = (const char *)f->in + f->in_off;
	*ret_len = len;
	f->in_off += used;
	return 0;
}

/* 0 with *ret_len 0: it was refused, and that is not told yet. */
static int flat_open(struct ssh_flat *f, uint8_t *record, uint32_t total, uint32_t *ret_len,
		     uint32_t *ret_seqnr)
{
	uint32_t packet_bytes = total - f->rx.cipher.suite->tag_len;
	struct cipher_piece piece = {record, packet_bytes};
	struct cipher_job job = {.piece = &piece, .n_pieces = 1, .tag = record + packet_bytes};
	struct cipher_job *jobs[] = {&job};
	int r;

	r = ssh_dir_prepare(&f->rx, &job, packet_bytes);
	if (r < 0)
		return r;
	cipher_open_burst(f->engine, jobs, 1);
	*ret_seqnr = job.seqnr;
	*ret_len = 0;
	if (job.result < 0 && job.result != -EBADMSG)
		return -SSH_E_INTERNAL;
	r = job.result < 0 ? -SSH_E_MAC : ssh_dir_payload(&f->rx, record, packet_bytes, ret_len);
	return r < 0 ? ssh_dir_refused(&f->rx, packet_bytes, r) : 0;
}

/* The record at the start of in. 0 with *ret_len 0 as above; -EAGAIN: it is not whole. */
static int flat_record(struct ssh_flat *f, const uint8_t **ret, size_t *ret_len,
		       uint32_t *ret_seqnr)
{
	size_t have = f->in_len - f->in_off;
	uint32_t need, total, len, first;
	uint8_t *record;
	int r;

	if (have == 0)
		return -EAGAIN;
	record = f->in + f->in_off;
	first = have < CIPHER_BLOCK_MAX ? (uint32_t)have : CIPHER_BLOCK_MAX;
	r = ssh_dir_peek(&f->rx, f->engine, record, first, &need, &total);
	if (r == 0 && have < total)
		r = -EAGAIN;
	if (r == 0)
		r = flat_open(f, record, total, &len, ret_seqnr);
	if (r < 0)
		return r;

	*ret = record + SSH_RECORD_HEAD;
	*ret_len = len;
	f->in_off += total;
	return 0;
}

int ssh_flat_next(struct ssh_flat *f, const uint8_t **ret, size_t *ret_len, uint32_t *ret_seqnr)
{
	int r;

	if (f->dead < 0)
		return f->dead;
	do
		r = flat_record(f, ret, ret_len, ret_seqnr);
	while (r == 0 && *ret_len == 0);
	if (r == 0 && f->inflate != NULL)
		r = ssh_flat_unpack(f, ret, ret_len);
	return r < 0 && r != -EAGAIN ? flat_end(f, r) : r;
}

int ssh_flat_raw(struct ssh_flat *f, const void *p, size_t len)
{
	int r;

	if (len == 0)
		return 0;
	r = buf_reserve(&f->out, &f->out_off, &f->out_len, &f->out_size, len);
	if (r < 0)
		return r;

	memcpy(f->out + f->out_len, p, len);
	f->out_len += len;
	return 0;
}

int ssh_flat_send(struct ssh_flat *f, const void *data, size_t len)
{
	const uint8_t *payload = data;
	struct ssh_layout l;
	struct cipher_piece piece;
	struct cipher_job job = {.piece = &piece, .n_pieces = 1};
	struct cipher_job *jobs[] = {&job};
	uint8_t *record;
	int r;

	if (len > SSH_PAYLOAD_MAX)
		return -SSH_E_LENGTH;
	if (f->deflate != NULL) {
		r = ssh_flat_pack(f, &payload, &len);
		if (r < 0)
			return r;
	}
	r = ssh_dir_layout(&f->tx, (uint32_t)len, &l);
	if (r < 0)
		return r;
	r = buf_reserve(&f->out, &f->out_off, &f->out_len, &f->out_size, l.total);
	if (r < 0)
		return r;
	record = f->out + f->out_len;
	piece = (struct cipher_piece){record, l.packet_bytes};
	job.tag = record + l.packet_bytes;
	r = ssh_dir_prepare(&f->tx, &job, l.packet_bytes);
	if (r < 0)
		return r;

	memcpy(record, l.head, SSH_RECORD_HEAD);
	memcpy(record + SSH_RECORD_HEAD, payload, len);
	memset(record + SSH_RECORD_HEAD + len, 0, l.padding);
	cipher_seal_burst(f->engine, jobs, 1);
	if (job.result < 0) {
		secret_wipe(record, l.total);
		return -SSH_E_SEAL;
	}

	f->out_len += l.total;
	return 0;
}

const uint8_t *ssh_flat_out(const struct ssh_flat *f, size_t *ret_len)
{
	*ret_len = f->out_len - f->out_off;
	return *ret_len > 0 ? f->out + f->out_off : NULL;
}

void ssh_flat_sent(struct ssh_flat *f, size_t n)
{
	size_t queued = f->out_len - f->out_off;

	f->out_off += n < queued ? n : queued;
}
