/* crypto/krl_build.c - writing key revocation lists (PROTOCOL.krl). */
#include <errno.h>

#include "crypto/key_internal.h"
#include "crypto/krl.h"

enum { CERTIFICATES = 1, EXPLICIT_KEY = 2, SERIAL_RANGE = 0x21, KEY_ID = 0x23 };

static void wr_u64(struct blob_wr *w, uint64_t v)
{
	blob_wr_u32(w, (uint32_t)(v >> 32));
	blob_wr_u32(w, (uint32_t)v);
}

/* byte type, string data: the data is what comes until section_end(). */
static size_t section_begin(struct blob_wr *w, uint8_t type)
{
	size_t at;

	blob_wr_put(w, &type, 1);
	at = w->len;
	blob_wr_u32(w, 0);
	return at;
}

static void section_end(struct blob_wr *w, size_t at)
{
	if (!w->bad)
		blob_store_be32(w->p + at, (uint32_t)(w->len - at - 4));
}

static int certificates_build(const struct krl_spec *spec, struct blob_wr *w)
{
	size_t section, sub;

	if (spec->n_serials == 0 && spec->n_key_ids == 0)
		return 0;
	section = section_begin(w, CERTIFICATES);
	blob_wr_str(w, spec->ca != NULL ? spec->ca->blob : (const uint8_t *)"",
		    spec->ca != NULL ? spec->ca->blob_len : 0);
	blob_wr_cstr(w, "");
	for (size_t i = 0; i < spec->n_serials; i++) {
		if (spec->serials[i].first == 0 || spec->serials[i].first > spec->serials[i].last)
			return -EINVAL;
		sub = section_begin(w, SERIAL_RANGE);
		wr_u64(w, spec->serials[i].first);
		wr_u64(w, spec->serials[i].last);
		section_end(w, sub);
	}
	if (spec->n_key_ids > 0) {
		sub = section_begin(w, KEY_ID);
		for (size_t i = 0; i < spec->n_key_ids; i++)
			blob_wr_cstr(w, spec->key_ids[i]);
		section_end(w, sub);
	}
	section_end(w, section);
	return 0;
}

int krl_build(const struct krl_spec *spec, uint8_t *buf, size_t *ret_len)
{
	struct blob_wr w = blob_wr_init(buf, *ret_len);
	size_t section;
	int r;

	blob_wr_put(&w, "SSHKRL\n", 8);
	blob_wr_u32(&w, 1);
	wr_u64(&w, spec->version);
	wr_u64(&w, spec->generated);
	wr_u64(&w, 0);
	blob_wr_cstr(&w, "");
	blob_wr_cstr(&w, spec->comment != NULL ? spec->comment : "");
	r = certificates_build(spec, &w);
	if (r < 0)
		return r;
	if (spec->n_keys > 0) {
		section = section_begin(&w, EXPLICIT_KEY);
		for (size_t i = 0; i < spec->n_keys; i++) {
			const struct key *plain = key_plain(spec->keys[i]);

			blob_wr_str(&w, plain->blob, plain->blob_len);
		}
		section_end(&w, section);
	}
	if (w.bad)
		return -ENOBUFS;
	*ret_len = w.len;
	return 0;
}
