/*
 * crypto/krl.c - revoked keys (PROTOCOL.krl).
 *
 *   uint64 magic, uint32 format, uint64 version, uint64 date, uint64 flags, string reserved,
 *   string comment, then sections: byte type, string data
 */
#include "crypto/krl.h"

#include <errno.h>
#include <stdlib.h>

#include "crypto/cert.h"
#include "crypto/key_internal.h"

#define MAGIC     "SSHKRL\n" /* and its NUL */
#define MAGIC_LEN 8
#define FORMAT    1

enum section {
	SECTION_CERTIFICATES = 1,
	SECTION_EXPLICIT_KEY = 2,
	SECTION_SHA1 = 3,
	SECTION_SIGNATURE = 4,
	SECTION_SHA256 = 5,
	SECTION_EXTENSION = 255,

	CERT_SERIAL_LIST = 0x20,
	CERT_SERIAL_RANGE = 0x21,
	CERT_SERIAL_BITMAP = 0x22,
	CERT_KEY_ID = 0x23,
	CERT_EXTENSION = 0x39,
};

/* Something that grows; items of one size. */
struct list {
	void *v;
	size_t n, max, size;
};

struct bitmap {
	uint64_t offset;
	struct blob_str bits; /* of a number, the highest byte first */
};

/* What is revoked of one CA's certificates. */
struct authority {
	struct blob_str ca; /* empty: of everyone's */
	struct list ranges; /* struct krl_range */
	struct list bitmaps;
	struct list ids; /* struct blob_str */
};

struct krl {
	uint8_t *bytes;                 /* a copy, in which the views stand */
	struct list keys, sha1, sha256; /* struct blob_str */
	struct list cas;                /* struct authority */
};

/* --- lists --------------------------------------------------------------------------------- */

static int list_add(struct list *l, const void *item, size_t size)
{
	if (l->n == l->max) {
		size_t max = l->max > 0 ? l->max * 2 : 16;
		void *v = realloc(l->v, max * size);

		if (v == NULL)
			return -ENOMEM;
		l->v = v;
		l->max = max;
		l->size = size;
	}
	memcpy((uint8_t *)l->v + l->n++ * size, item, size);
	return 0;
}

static int list_add_str(struct list *l, struct blob_str s)
{
	return list_add(l, &s, sizeof(s));
}

static int str_compare(const void *a, const void *b)
{
	const struct blob_str *x = a, *y = b;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return x->len > 0 ? memcmp(x->p, y->p, x->len) : 0;
}

static int range_compare(const void *a, const void *b)
{
	const struct krl_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static void list_sort(struct list *l, int (*compare)(const void *, const void *))
{
	if (l->n > 1)
		qsort(l->v, l->n, l->size, compare);
}

static bool list_has_str(const struct list *l, struct blob_str s)
{
	return l->n > 0 && bsearch(&s, l->v, l->n, sizeof(s), str_compare) != NULL;
}

/* Sorted ranges become ones that neither touch nor overlap, so that one look decides. */
static void ranges_merge(struct list *l)
{
	struct krl_range *v = l->v;
	size_t n = 0;

	list_sort(l, range_compare);
	for (size_t i = 0; i < l->n; i++) {
		if (n > 0 && (v[n - 1].last == UINT64_MAX || v[i].first <= v[n - 1].last + 1)) {
			if (v[i].last > v[n - 1].last)
				v[n - 1].last = v[i].last;
		} else {
			v[n++] = v[i];
		}
	}
	l->n = n;
}

/* --- reading --------------------------------------------------------------------------------- */

static uint64_t rd_u64(struct blob_rd *r)
{
	uint64_t high = blob_rd_u32(r);

	return high << 32 | blob_rd_u32(r);
}

static uint8_t rd_u8(struct blob_rd *r)
{
	const uint8_t *p = blob_rd_take(r, 1);

	return p != NULL ? *p : 0;
}

static int serials_parse(struct blob_rd *r, struct authority *a)
{
	int err = 0;

	while (err == 0 && r->p < r->end) {
		uint64_t serial = rd_u64(r);
		struct krl_range one = {serial, serial};

		err = r->bad ? -EBADMSG : list_add(&a->ranges, &one, sizeof(one));
	}
	return err;
}

static int range_parse(struct blob_rd *r, struct authority *a)
{
	struct krl_range range;

	range.first = rd_u64(r);
	range.last = rd_u64(r);
	if (!blob_rd_done(r) || range.first > range.last)
		return -EBADMSG;
	return list_add(&a->ranges, &range, sizeof(range));
}

static int bitmap_parse(struct blob_rd *r, struct authority *a)
{
	struct bitmap b;

	b.offset = rd_u64(r);
	b.bits = blob_rd_positive(r);
	/* A serial number that does not fit in 64 bits is none. */
	if (!blob_rd_done(r) || b.bits.len * 8 - 1 > UINT64_MAX - b.offset)
		return -EBADMSG;
	return list_add(&a->bitmaps, &b, sizeof(b));
}

static int ids_parse(struct blob_rd *r, struct authority *a)
{
	int err = 0;

	while (err == 0 && r->p < r->end) {
		struct blob_str id = blob_rd_str(r);

		err = r->bad ? -EBADMSG : list_add_str(&a->ids, id);
	}
	return err;
}

/* "string name, boolean is_critical, string contents": nobody here knows any. */
static int extension_parse(struct blob_rd *r)
{
	bool critical;

	blob_rd_str(r);
	critical = rd_u8(r) != 0;
	blob_rd_str(r);
	if (!blob_rd_done(r))
		return -EBADMSG;
	return critical ? -ENOTSUP : 0;
}

static int subsection_parse(uint8_t type, struct blob_str data, struct authority *a)
{
	struct blob_rd r = blob_rd_init(data.p, data.len);

	switch (type) {
	case CERT_SERIAL_LIST:
		return serials_parse(&r, a);
	case CERT_SERIAL_RANGE:
		return range_parse(&r, a);
	case CERT_SERIAL_BITMAP:
		return bitmap_parse(&r, a);
	case CERT_KEY_ID:
		return ids_parse(&r, a);
	case CERT_EXTENSION:
		return extension_parse(&r);
	default:
		return -ENOTSUP;
	}
}

static void authority_fini(struct authority *a)
{
	free(a->ranges.v);
	free(a->bitmaps.v);
	free(a->ids.v);
}

static int certificates_parse(struct blob_str data, struct krl *k)
{
	struct blob_rd r = blob_rd_init(data.p, data.len);
	struct authority a = {.ca = blob_rd_str(&r)};
	int err = 0;

	blob_rd_str(&r); /* reserved */
	if (r.bad || k->cas.n == KRL_CAS_MAX)
		return r.bad ? -EBADMSG : -EFBIG;
	while (err == 0 && r.p < r.end) {
		uint8_t type = rd_u8(&r);
		struct blob_str sub = blob_rd_str(&r);

		err = r.bad ? -EBADMSG : subsection_parse(type, sub, &a);
	}
	if (err == 0) {
		ranges_merge(&a.ranges);
		list_sort(&a.ids, str_compare);
		err = list_add(&k->cas, &a, sizeof(a));
	}
	if (err < 0)
		authority_fini(&a);
	return err;
}

/* Strings of one length, or of any (0). */
static int strings_parse(struct blob_str data, size_t len, struct list *l)
{
	struct blob_rd r = blob_rd_init(data.p, data.len);
	int err = 0;

	while (err == 0 && r.p < r.end) {
		struct blob_str s = blob_rd_str(&r);

		err = r.bad || (len != 0 && s.len != len) ? -EBADMSG : list_add_str(l, s);
	}
	return err;
}

/*
 * A signature over all before it, the key's string included. Whom to trust nobody says, so that a
 * good one proves nothing; a bad one says that the list was damaged.
 */
static int signature_parse(struct blob_rd *r, const uint8_t *start)
{
	struct blob_str blob = blob_rd_str(r);
	size_t len = (size_t)(r->p - start);
	struct blob_str sig = blob_rd_str(r);
	struct blob_rd name_rd = blob_rd_init(sig.p, sig.len);
	struct blob_str name = blob_rd_str(&name_rd);
	struct key *key = NULL;
	const char *alg;
	int err = -EBADMSG;

	if (r->bad || key_blob_parse(blob.p, blob.len, &key) < 0)
		return -EBADMSG;
	for (unsigned int n = 0; (alg = key_sig_alg_of(key, n)) != NULL; n++)
		if (blob_str_is(name, alg))
			err = key_verify(key, alg, sig.p, sig.len, start, len);
	key_free(key);
	return err;
}

static int section_parse(struct blob_rd *r, const uint8_t *start, struct krl *k)
{
	uint8_t type = rd_u8(r);
	struct blob_str data;
	struct blob_rd inner;

	if (type == SECTION_SIGNATURE)
		return signature_parse(r, start);
	data = blob_rd_str(r);
	if (r->bad)
		return -EBADMSG;
	switch (type) {
	case SECTION_CERTIFICATES:
		return certificates_parse(data, k);
	case SECTION_EXPLICIT_KEY:
		return strings_parse(data, 0, &k->keys);
	case SECTION_SHA1:
		return strings_parse(data, hash_len(HASH_SHA1), &k->sha1);
	case SECTION_SHA256:
		return strings_parse(data, hash_len(HASH_SHA256), &k->sha256);
	case SECTION_EXTENSION:
		inner = blob_rd_init(data.p, data.len);
		return extension_parse(&inner);
	default:
		return -ENOTSUP;
	}
}

static int binary_parse(struct krl *k, size_t len)
{
	struct blob_rd r = blob_rd_init(k->bytes, len);
	uint32_t format;
	int err = 0;

	blob_rd_take(&r, MAGIC_LEN);
	format = blob_rd_u32(&r);
	rd_u64(&r); /* version, date, flags */
	rd_u64(&r);
	rd_u64(&r);
	blob_rd_str(&r); /* reserved */
	blob_rd_str(&r); /* comment */
	if (r.bad)
		return -EBADMSG;
	if (format != FORMAT)
		return -ENOTSUP;
	while (err == 0 && r.p < r.end)
		err = section_parse(&r, k->bytes, k);
	return err;
}

/* The blob of a line's key over the line itself, which is longer: base64 is. */
static int line_parse(uint8_t *line, size_t len, struct krl *k)
{
	struct blob_str s = {line, 0};
	struct key *key = NULL;
	int r;

	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (len == 0 || *line == '#')
		return 0;
	r = key_public_line_parse((const char *)line, len, &key);
	if (r < 0)
		return r == -ENOMEM ? r : -EBADMSG;
	s.p = line;
	s.len = key->blob_len;
	memcpy(line, key->blob, key->blob_len);
	key_free(key);
	return list_add_str(&k->keys, s);
}

static int lines_parse(struct krl *k, size_t len)
{
	uint8_t *p = k->bytes, *end = p + len;
	int err = 0;

	while (err == 0 && p < end) {
		uint8_t *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = nl != NULL ? (size_t)(nl - p) : (size_t)(end - p);

		err = line_parse(p, n, k);
		p += n + (nl != NULL);
	}
	return err;
}

int krl_parse(const uint8_t *p, size_t len, struct krl **ret)
{
	struct krl *k;
	int r;

	if (len > KRL_FILE_MAX)
		return -EFBIG;
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return -ENOMEM;
	k->bytes = malloc(len + 1);
	if (k->bytes == NULL) {
		free(k);
		return -ENOMEM;
	}
	if (len > 0)
		memcpy(k->bytes, p, len);
	if (len >= MAGIC_LEN && memcmp(k->bytes, MAGIC, MAGIC_LEN) == 0)
		r = binary_parse(k, len);
	else
		r = lines_parse(k, len);
	if (r < 0) {
		krl_free(k);
		return r;
	}
	list_sort(&k->keys, str_compare);
	list_sort(&k->sha1, str_compare);
	list_sort(&k->sha256, str_compare);
	*ret = k;
	return 0;
}

void krl_free(struct krl *k)
{
	if (k == NULL)
		return;
	for (size_t i = 0; i < k->cas.n; i++)
		authority_fini((struct authority *)k->cas.v + i);
	free(k->cas.v);
	free(k->keys.v);
	free(k->sha1.v);
	free(k->sha256.v);
	free(k->bytes);
	free(k);
}

/* --- looking ---------------------------------------------------------------------------------- */

static bool in_ranges(const struct list *l, uint64_t serial)
{
	const struct krl_range *v = l->v;
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (serial > v[mid].last)
			low = mid + 1;
		else
			high = mid;
	}
	return low < l->n && v[low].first <= serial;
}

static bool in_bitmaps(const struct list *l, uint64_t serial)
{
	const struct bitmap *b = l->v;

	for (size_t i = 0; i < l->n; i++, b++) {
		uint64_t bit = serial - b->offset;

		if (serial < b->offset || bit / 8 >= b->bits.len)
			continue;
		if ((b->bits.p[b->bits.len - 1 - bit / 8] >> bit % 8 & 1) != 0)
			return true;
	}
	return false;
}

/* Serial number 0 is what a CA writes that numbers nothing: it is nobody's in particular. */
static bool cert_revoked(const struct krl *krl, const struct cert *c)
{
	const struct authority *a = krl->cas.v;
	struct blob_str ca = {c->ca->blob, c->ca->blob_len};
	struct blob_str id = {(const uint8_t *)c->key_id, strlen(c->key_id)};

	for (size_t i = 0; i < krl->cas.n; i++, a++) {
		if (a->ca.len != 0 && str_compare(&a->ca, &ca) != 0)
			continue;
		if (list_has_str(&a->ids, id))
			return true;
		if (c->serial != 0 &&
		    (in_ranges(&a->ranges, c->serial) || in_bitmaps(&a->bitmaps, c->serial)))
			return true;
	}
	return false;
}

static int plain_check(const struct krl *krl, const struct key *plain)
{
	static const enum hash_alg algs[] = {HASH_SHA1, HASH_SHA256};
	const struct list *hashes[] = {&krl->sha1, &krl->sha256};
	struct hash_piece piece = {plain->blob, plain->blob_len};
	uint8_t digest[HASH_LEN_MAX];

	if (list_has_str(&krl->keys, (struct blob_str){plain->blob, plain->blob_len}))
		return -EKEYREVOKED;
	for (int i = 0; i < 2; i++) {
		int r;

		if (hashes[i]->n == 0)
			continue;
		r = hash_digest(algs[i], &piece, 1, digest);
		if (r < 0)
			return r;
		if (list_has_str(hashes[i], (struct blob_str){digest, hash_len(algs[i])}))
			return -EKEYREVOKED;
	}
	return 0;
}

int krl_check(const struct krl *krl, const struct key *k)
{
	const struct cert *c = key_cert(k);
	int r = plain_check(krl, key_plain(k));

	if (r == 0 && c != NULL && cert_revoked(krl, c))
		r = -EKEYREVOKED;
	if (r == 0 && c != NULL)
		r = plain_check(krl, c->ca);
	return r;
}
