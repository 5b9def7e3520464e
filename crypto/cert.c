/*
 * crypto/cert.c - reading and writing OpenSSH certificates (PROTOCOL.certkeys).
 *
 *   string type, string nonce, the fields of the key, uint64 serial, uint32 role,
 *   string key id, string principals, uint64 valid after, uint64 valid before,
 *   string critical options, string extensions, string reserved, string CA key,
 *   string signature (over all before it)
 */
#include "crypto/cert.h"

#include <errno.h>
#include <stdlib.h>

#include "crypto/key_internal.h"
#include "crypto/secret.h"

#define NONCE_LEN 32
#define NONCE_MAX 256

static uint64_t rd_u64(struct blob_rd *r)
{
	uint64_t high = blob_rd_u32(r);

	return high << 32 | blob_rd_u32(r);
}

/* A copy with its end; what holds a NUL is no text (S-33). */
static int text_copy(struct blob_str s, char **ret)
{
	if (memchr(s.p, '\0', s.len) != NULL)
		return -EBADMSG;
	*ret = strndup((const char *)s.p, s.len);
	return *ret != NULL ? 0 : -ENOMEM;
}

static int principals_parse(struct blob_str list, struct cert *c)
{
	struct blob_rd r = blob_rd_init(list.p, list.len), count = r;
	unsigned int n = 0;
	int err = 0;

	while (!count.bad && count.p < count.end && n <= CERT_PRINCIPALS_MAX) {
		blob_rd_str(&count);
		n++;
	}
	if (count.bad || n > CERT_PRINCIPALS_MAX)
		return -EBADMSG;
	if (n == 0)
		return 0;
	c->principals = calloc(n, sizeof(*c->principals));
	if (c->principals == NULL)
		return -ENOMEM;
	while (err == 0 && c->n_principals < n) {
		err = text_copy(blob_rd_str(&r), &c->principals[c->n_principals]);
		c->n_principals += err == 0;
	}
	return err;
}

/* --- options ------------------------------------------------------------------------------ */

/* The one string inside a value. */
static int value_text(struct blob_str value, char **ret)
{
	struct blob_rd r = blob_rd_init(value.p, value.len);
	struct blob_str text = blob_rd_str(&r);

	if (!blob_rd_done(&r))
		return -EBADMSG;
	return text_copy(text, ret);
}

static int critical_take(struct cert *c, struct blob_str name, struct blob_str value)
{
	if (c->role == CERT_USER && blob_str_is(name, "force-command"))
		return value_text(value, &c->force_command);
	if (c->role == CERT_USER && blob_str_is(name, "source-address"))
		return value_text(value, &c->source_address);
	if (c->role == CERT_USER && blob_str_is(name, "verify-required")) {
		c->verify_required = true;
		return value.len == 0 ? 0 : -EBADMSG;
	}
	return c->unknown_critical == NULL ? text_copy(name, &c->unknown_critical) : 0;
}

/* Extensions nobody knows are to be ignored. */
static int extension_take(struct cert *c, struct blob_str name, struct blob_str value)
{
	static const struct {
		const char *name;
		enum cert_permit bit;
	} flag[] = {
		{"permit-X11-forwarding", CERT_PERMIT_X11_FORWARDING},
		{"permit-agent-forwarding", CERT_PERMIT_AGENT_FORWARDING},
		{"permit-port-forwarding", CERT_PERMIT_PORT_FORWARDING},
		{"permit-pty", CERT_PERMIT_PTY},
		{"permit-user-rc", CERT_PERMIT_USER_RC},
		{"no-touch-required", CERT_NO_TOUCH_REQUIRED},
	};

	for (size_t i = 0; i < sizeof(flag) / sizeof(flag[0]); i++) {
		if (!blob_str_is(name, flag[i].name))
			continue;
		c->permits |= flag[i].bit;
		return value.len == 0 ? 0 : -EBADMSG;
	}
	return 0;
}

static int str_compare(struct blob_str a, struct blob_str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int d = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return d != 0 ? d : a.len < b.len ? -1 : a.len > b.len;
}

/* "Options must be lexically ordered by name", and "each named option may only appear once". */
static int options_parse(struct blob_str list, struct cert *c,
			 int (*take)(struct cert *c, struct blob_str name, struct blob_str value))
{
	struct blob_rd r = blob_rd_init(list.p, list.len);
	struct blob_str last = {NULL, 0};
	int err = 0;

	while (err == 0 && r.p < r.end) {
		struct blob_str name = blob_rd_str(&r);
		struct blob_str value = blob_rd_str(&r);

		if (r.bad || name.len == 0 || (last.p != NULL && str_compare(last, name) >= 0))
			return -EBADMSG;
		last = name;
		err = take(c, name, value);
	}
	return err;
}

/* --- certificates ---------------------------------------------------------------------------- */

void cert_free(struct cert *c)
{
	if (c == NULL)
		return;
	for (unsigned int i = 0; i < c->n_principals; i++)
		free(c->principals[i]);
	free(c->principals);
	free(c->key_id);
	free(c->force_command);
	free(c->source_address);
	free(c->unknown_critical);
	key_free(c->ca);
	free(c);
}

/* The table's own spelling of the algorithm that a signature names, if the CA's key has it. */
static const char *sig_alg_of(const struct key *ca, struct blob_str sig)
{
	struct blob_rd r = blob_rd_init(sig.p, sig.len);
	struct blob_str name = blob_rd_str(&r);
	const char *alg;

	for (unsigned int n = 0; (alg = key_sig_alg_of(ca, n)) != NULL; n++)
		if (blob_str_is(name, alg))
			return alg;
	return NULL;
}

/* The CA is a bare key: another certificate here is refused, not followed (S-35). */
static int authority_parse(struct blob_str ca, struct blob_str sig, struct cert *c)
{
	int r = key_blob_parse(ca.p, ca.len, &c->ca);

	if (r < 0)
		return r == -ENOMEM ? r : -EBADMSG;
	c->ca_sig_alg = sig_alg_of(c->ca, sig);
	return c->ca_sig_alg != NULL ? 0 : -EBADMSG;
}

/* Everything behind the fields of the key. */
static int body_parse(struct blob_rd *r, const uint8_t *start, struct cert *c)
{
	uint64_t serial = rd_u64(r);
	uint32_t role = blob_rd_u32(r);
	struct blob_str key_id = blob_rd_str(r);
	struct blob_str principals = blob_rd_str(r);
	uint64_t valid_after = rd_u64(r);
	uint64_t valid_before = rd_u64(r);
	struct blob_str critical = blob_rd_str(r);
	struct blob_str extensions = blob_rd_str(r);
	struct blob_str ca, sig;
	int err;

	blob_rd_str(r); /* reserved: "should be ignored if set" */
	ca = blob_rd_str(r);
	c->signed_len = (size_t)(r->p - start);
	sig = blob_rd_str(r);
	if (!blob_rd_done(r) || (role != CERT_USER && role != CERT_HOST))
		return -EBADMSG;
	c->serial = serial;
	c->role = (enum cert_role)role;
	c->valid_after = valid_after;
	c->valid_before = valid_before;
	err = text_copy(key_id, &c->key_id);
	if (err == 0)
		err = principals_parse(principals, c);
	if (err == 0)
		err = options_parse(critical, c, critical_take);
	if (err == 0)
		err = options_parse(extensions, c, extension_take);
	return err == 0 ? authority_parse(ca, sig, c) : err;
}

/* The bare key's own blob: its name and the fields as they stand in the certificate. */
static int plain_parse(const struct key_type *type, struct blob_rd *r, struct key **ret)
{
	uint8_t blob[KEY_BLOB_MAX];
	struct blob_wr w = blob_wr_init(blob, sizeof(blob));
	const uint8_t *fields = r->p;

	for (unsigned int i = 0; i < type->public_fields; i++)
		blob_rd_str(r);
	blob_wr_cstr(&w, type->name);
	blob_wr_put(&w, fields, (size_t)(r->p - fields));
	return r->bad || w.bad ? -EBADMSG : key_blob_parse(blob, w.len, ret);
}

int key_cert_parse(const struct key_type *type, const uint8_t *blob, size_t len, struct key **ret)
{
	struct key *k = key_new(type, blob, len);
	struct blob_rd r;
	int err;

	if (k == NULL)
		return -ENOMEM;
	k->form = KEY_CERT;
	r = blob_rd_init(k->blob, k->blob_len);
	if (!blob_str_is(blob_rd_str(&r), type->cert_name))
		r.bad = true;
	if (blob_rd_str(&r).len > NONCE_MAX)
		r.bad = true;
	err = plain_parse(type, &r, &k->plain);
	if (err == 0) {
		k->cert = calloc(1, sizeof(*k->cert));
		err = k->cert != NULL ? body_parse(&r, k->blob, k->cert) : -ENOMEM;
	}
	if (err == 0 && EVP_PKEY_up_ref(k->plain->pkey) != 1)
		err = -EIO;
	if (err < 0) {
		key_free(k);
		return err;
	}
	k->pkey = k->plain->pkey;
	*ret = k;
	return 0;
}

const struct cert *key_cert(const struct key *k)
{
	return k->cert;
}

/* The parser of a line's blob for which a bare key is none. */
static int only_cert(const uint8_t *blob, size_t len, struct key **ret)
{
	struct blob_rd r = blob_rd_init(blob, len);

	if (key_type_find_cert(blob_rd_str(&r)) == NULL)
		return -ENOTSUP;
	return key_blob_parse_any(blob, len, ret);
}

int cert_line_parse(const char *line, size_t len, struct key **ret)
{
	return key_line_parse(line, len, only_cert, ret);
}

/* --- making -------------------------------------------------------------------------------- */

static void wr_u64(struct blob_wr *w, uint64_t v)
{
	blob_wr_u32(w, (uint32_t)(v >> 32));
	blob_wr_u32(w, (uint32_t)v);
}

/* A string whose content is written by what comes between; returns where its length stands. */
static size_t str_begin(struct blob_wr *w)
{
	size_t at = w->len;

	blob_wr_u32(w, 0);
	return at;
}

static void str_end(struct blob_wr *w, size_t at)
{
	if (!w->bad)
		blob_store_be32(w->p + at, (uint32_t)(w->len - at - 4));
}

static void options_build(struct blob_wr *w, const struct cert_option *o, unsigned int n)
{
	size_t list = str_begin(w);

	for (unsigned int i = 0; i < n; i++) {
		size_t value;

		blob_wr_cstr(w, o[i].name);
		value = str_begin(w);
		if (o[i].value != NULL)
			blob_wr_cstr(w, o[i].value);
		str_end(w, value);
	}
	str_end(w, list);
}

static int fields_build(const struct key *plain, const struct cert_spec *spec, const struct key *ca,
			struct blob_wr *w)
{
	struct blob_rd r = blob_rd_init(plain->blob, plain->blob_len);
	uint8_t nonce[NONCE_LEN];
	size_t list;
	int err = crypto_random(nonce, sizeof(nonce));

	if (err < 0)
		return err;
	blob_rd_str(&r);
	blob_wr_cstr(w, plain->type->cert_name);
	blob_wr_str(w, nonce, sizeof(nonce));
	blob_wr_put(w, r.p, (size_t)(r.end - r.p));
	wr_u64(w, spec->serial);
	blob_wr_u32(w, spec->role);
	blob_wr_cstr(w, spec->key_id);
	list = str_begin(w);
	for (unsigned int i = 0; i < spec->n_principals; i++)
		blob_wr_cstr(w, spec->principals[i]);
	str_end(w, list);
	wr_u64(w, spec->valid_after);
	wr_u64(w, spec->valid_before);
	options_build(w, spec->critical, spec->n_critical);
	options_build(w, spec->extensions, spec->n_extensions);
	blob_wr_str(w, "", 0);
	blob_wr_str(w, ca->blob, ca->blob_len);
	return w->bad ? -EINVAL : 0;
}

int cert_build(const struct key *key, const struct cert_spec *spec, const struct key *ca,
	       const char *sig_alg, struct key **ret)
{
	const struct key *plain = key_plain(key);
	uint8_t blob[KEY_BLOB_MAX], sig[KEY_SIG_MAX];
	struct blob_wr w = blob_wr_init(blob, sizeof(blob));
	size_t sig_len = 0;
	int r;

	if (plain->type->cert_name == NULL)
		return -ENOTSUP;
	if (ca->form != KEY_PLAIN)
		return -EINVAL;
	r = fields_build(plain, spec, ca, &w);
	if (r == 0)
		r = key_sign(ca, sig_alg != NULL ? sig_alg : key_sig_alg_of(ca, 0), w.p, w.len, sig,
			     &sig_len);
	if (r < 0)
		return r;
	blob_wr_str(&w, sig, sig_len);
	if (w.bad)
		return -EINVAL;
	r = key_cert_parse(plain->type, blob, w.len, ret);
	return r == -EBADMSG ? -EINVAL : r;
}
