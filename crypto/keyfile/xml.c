/*
 * crypto/keyfile/xml.c - keys as XML: RSAKeyValue and DSAKeyValue (XML Signature section 4.5.2,
 * with the private members .NET adds), ECKeyValue (XML Signature 1.1 section 4.5.2.3).
 *
 * For the private number of an ECKeyValue there is no standard; it is D here, as RSA's is. A
 * document type, and with it every entity, is refused.
 */
#include <errno.h>
#include <expat.h>

#include <openssl/core_names.h>

#include "crypto/keyfile/internal.h"
#include "crypto/keyfile/wipe.h"
#include "crypto/secret.h"

#define DEPTH_MAX  16
#define NUMBERS    16
#define XML_NUMBER 4096 /* characters of one number: RSA 16384, and blanks */

enum name { MODULUS, EXPONENT, P, Q, DP, DQ, INVERSE_Q, D, G, Y, X, PUBLIC_KEY, N_NAMES };

static const char *const names[N_NAMES] = {
	[MODULUS] = "Modulus",
	[EXPONENT] = "Exponent",
	[P] = "P",
	[Q] = "Q",
	[DP] = "DP",
	[DQ] = "DQ",
	[D] = "D",
	[INVERSE_Q] = "InverseQ",
	[G] = "G",
	[Y] = "Y",
	[X] = "X",
	[PUBLIC_KEY] = "PublicKey",
};

enum kind { KIND_NONE, KIND_RSA, KIND_DSA, KIND_EC };

/* All of it lies in secret memory. */
struct reading {
	XML_Parser parser;
	enum kind kind;
	unsigned int depth, inside; /* depth of the KeyValue's element, 0 before and behind it */
	bool done, bad;
	int current; /* the member whose text is read, or -1 */
	const struct kf_curve *curve;
	struct {
		uint8_t text[XML_NUMBER];
		size_t len;
		bool seen;
		struct blob_str value; /* decoded, in place of the text */
	} member[N_NAMES];
};

/* --- events ----------------------------------------------------------------------------- */

static void stop(struct reading *x)
{
	x->bad = true;
	XML_StopParser(x->parser, XML_FALSE);
}

static const char *local(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon == NULL ? name : colon + 1;
}

static enum kind kind_of(const char *name)
{
	if (strcmp(name, "RSAKeyValue") == 0)
		return KIND_RSA;
	if (strcmp(name, "DSAKeyValue") == 0)
		return KIND_DSA;
	return strcmp(name, "ECKeyValue") == 0 ? KIND_EC : KIND_NONE;
}

static void curve_take(struct reading *x, const char **attr)
{
	const struct kf_curve *c;

	for (; *attr != NULL; attr += 2)
		for (unsigned int i = 0;
		     strcmp(attr[0], "URI") == 0 && (c = kf_curve_at(i)) != NULL; i++)
			if (strcmp(c->oid, attr[1]) == 0)
				x->curve = c;
}

static void on_start(void *arg, const char *name, const char **attr)
{
	struct reading *x = arg;

	name = local(name);
	if (++x->depth > DEPTH_MAX || x->current >= 0) {
		stop(x); /* nested without end, or an element inside a number */
		return;
	}
	if (x->inside == 0) {
		x->kind = x->done ? x->kind : kind_of(name);
		if (!x->done && x->kind != KIND_NONE)
			x->inside = x->depth;
		return;
	}
	if (strcmp(name, "NamedCurve") == 0)
		curve_take(x, attr);
	for (int i = 0; i < N_NAMES && x->depth == x->inside + 1; i++)
		if (strcmp(name, names[i]) == 0)
			x->current = i;
	if (x->current >= 0 && x->member[x->current].seen)
		stop(x); /* twice */
	else if (x->current >= 0)
		x->member[x->current].seen = true;
}

static void on_end(void *arg, const char *name)
{
	struct reading *x = arg;

	(void)name;
	if (x->depth == x->inside) {
		x->inside = 0;
		x->done = true;
	}
	x->depth--;
	x->current = -1;
}

static void on_text(void *arg, const char *s, int len)
{
	struct reading *x = arg;
	size_t have;

	if (x->current < 0 || x->bad)
		return;
	have = x->member[x->current].len;
	if ((size_t)len > XML_NUMBER - have) {
		stop(x);
		return;
	}
	memcpy(x->member[x->current].text + have, s, (size_t)len);
	x->member[x->current].len += (size_t)len;
}

static void on_doctype(void *arg, const char *name, const char *sysid, const char *pubid,
		       int internal)
{
	(void)name;
	(void)sysid;
	(void)pubid;
	(void)internal;
	stop(arg);
}

/* --- the key ---------------------------------------------------------------------------- */

static int members_decode(struct reading *x)
{
	for (int i = 0; i < N_NAMES; i++) {
		struct blob_str text = {x->member[i].text, x->member[i].len};
		size_t len = 0, size = 0;
		uint8_t *p;
		int r;

		if (!x->member[i].seen)
			continue;
		r = kf_base64(text, &p, &len, &size);
		if (r < 0)
			return r == -ENOMEM ? r : -EBADMSG;
		if (len > 0)
			memcpy(x->member[i].text, p, len); /* shorter than its base64 */
		x->member[i].value = (struct blob_str){x->member[i].text, len};
		secret_free(p, size);
	}
	return 0;
}

static bool have(const struct reading *x, const enum name *n, size_t count,
		 struct blob_str ret[NUMBERS])
{
	for (size_t i = 0; i < count; i++) {
		ret[i] = x->member[n[i]].value;
		if (ret[i].len == 0)
			return false;
	}
	return true;
}

static int rsa_make(const struct reading *x, struct key **ret)
{
	static const enum name private[] = {MODULUS, EXPONENT, D, INVERSE_Q, P, Q};
	static const enum name public[] = {EXPONENT, MODULUS};
	struct blob_str n[NUMBERS];

	if (x->member[D].seen)
		return have(x, private, 6, n) ? kf_private_numbers("ssh-rsa", n, 6, ret) : -EBADMSG;
	return have(x, public, 2, n) ? kf_public_numbers("ssh-rsa", n, 2, ret) : -EBADMSG;
}

static int dsa_make(const struct reading *x, struct key **ret)
{
	static const enum name order[] = {P, Q, G, Y, X};
	struct blob_str n[NUMBERS];

	if (x->member[X].seen)
		return have(x, order, 5, n) ? kf_private_numbers("ssh-dss", n, 5, ret) : -EBADMSG;
	return have(x, order, 4, n) ? kf_public_numbers("ssh-dss", n, 4, ret) : -EBADMSG;
}

static int ec_make(const struct reading *x, struct key **ret)
{
	struct blob_str point = x->member[PUBLIC_KEY].value;

	if (x->curve == NULL)
		return -ENOTSUP;
	if (point.len == 0)
		return -EBADMSG;
	if (x->member[D].seen)
		return kf_ec_private(x->curve, point, x->member[D].value, ret);
	return kf_ec_public(x->curve, point, ret);
}

static int key_make(struct reading *x, struct key **ret)
{
	int r = members_decode(x);

	if (r < 0)
		return r;
	switch (x->kind) {
	case KIND_RSA:
		return rsa_make(x, ret);
	case KIND_DSA:
		return dsa_make(x, ret);
	case KIND_EC:
		return ec_make(x, ret);
	default:
		return -EBADMSG;
	}
}

int kf_xml_parse(struct kf_ctx *c, struct blob_str s)
{
	static const XML_Memory_Handling_Suite memory = {wipe_malloc, wipe_realloc, wipe_free};
	struct reading *x = secret_new(sizeof(*x));
	int r = -ENOMEM;

	c->kf->format = KEYFILE_XML;
	if (x == NULL)
		return r;
	x->current = -1;
	x->parser = XML_ParserCreate_MM(NULL, &memory, NULL);
	if (x->parser != NULL) {
		XML_SetUserData(x->parser, x);
		XML_SetElementHandler(x->parser, on_start, on_end);
		XML_SetCharacterDataHandler(x->parser, on_text);
		XML_SetStartDoctypeDeclHandler(x->parser, on_doctype);
		r = XML_Parse(x->parser, (const char *)s.p, (int)s.len, 1) == XML_STATUS_OK &&
				    !x->bad
			    ? key_make(x, &c->kf->key)
			    : -EBADMSG;
		XML_ParserFree(x->parser);
	}
	secret_free(x, sizeof(*x));
	return r;
}

/* --- writing ---------------------------------------------------------------------------- */

static void member_put(struct blob_wr *w, const char *name, const uint8_t *p, size_t len)
{
	kf_printf(w, "  <%s>", name);
	kf_put_base64(w, p, len, 0);
	kf_printf(w, "</%s>\n", name);
}

static void octets_put(struct blob_wr *w, struct blob_str s)
{
	blob_wr_put(w, s.p, s.len);
}

struct pair {
	const char *param;
	enum name name;
};

static int pairs_put(EVP_PKEY *pkey, const struct pair *pair, size_t n, struct blob_wr *w)
{
	uint8_t buf[KEY_BLOB_MAX];
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		struct blob_wr number = blob_wr_init(buf, sizeof(buf));

		r = kf_numbers(pkey, &pair[i].param, 1, octets_put, &number);
		if (r == 0)
			member_put(w, names[pair[i].name], number.p, number.len);
		secret_wipe(buf, number.len);
	}
	return r;
}

static int rsa_build(EVP_PKEY *pkey, bool private, struct blob_wr *w)
{
	static const struct pair pairs[] = {
		{OSSL_PKEY_PARAM_RSA_N, MODULUS},
		{OSSL_PKEY_PARAM_RSA_E, EXPONENT},
		{OSSL_PKEY_PARAM_RSA_FACTOR1, P},
		{OSSL_PKEY_PARAM_RSA_FACTOR2, Q},
		{OSSL_PKEY_PARAM_RSA_EXPONENT1, DP},
		{OSSL_PKEY_PARAM_RSA_EXPONENT2, DQ},
		{OSSL_PKEY_PARAM_RSA_COEFFICIENT1, INVERSE_Q},
		{OSSL_PKEY_PARAM_RSA_D, D},
	};
	int r;

	kf_puts(w, "<RSAKeyValue>\n");
	r = pairs_put(pkey, pairs, private ? 8 : 2, w);
	kf_puts(w, "</RSAKeyValue>\n");
	return r;
}

static int dsa_build(EVP_PKEY *pkey, bool private, struct blob_wr *w)
{
	static const struct pair pairs[] = {
		{OSSL_PKEY_PARAM_FFC_P, P},    {OSSL_PKEY_PARAM_FFC_Q, Q},
		{OSSL_PKEY_PARAM_FFC_G, G},    {OSSL_PKEY_PARAM_PUB_KEY, Y},
		{OSSL_PKEY_PARAM_PRIV_KEY, X},
	};
	int r;

	kf_puts(w, "<DSAKeyValue>\n");
	r = pairs_put(pkey, pairs, private ? 5 : 4, w);
	kf_puts(w, "</DSAKeyValue>\n");
	return r;
}

static int ec_build(const struct key *k, const struct kf_curve *c, bool private, struct blob_wr *w)
{
	static const struct pair d = {OSSL_PKEY_PARAM_PRIV_KEY, D};
	struct blob_rd blob = blob_rd_init(k->blob, k->blob_len);
	struct blob_str point;
	int r = 0;

	blob_rd_str(&blob);
	blob_rd_str(&blob);
	point = blob_rd_str(&blob);
	kf_printf(w, "<ECKeyValue>\n  <NamedCurve URI=\"%s\"/>\n", c->oid);
	member_put(w, names[PUBLIC_KEY], point.p, point.len);
	if (private)
		r = pairs_put(k->pkey, &d, 1, w);
	kf_puts(w, "</ECKeyValue>\n");
	return r;
}

int kf_xml_build(const struct keyfile *kf, const struct keyfile_out *o, struct blob_wr *w)
{
	const struct kf_curve *c = kf_curve_of(kf->key);

	if (o->private && o->passphrase != NULL && *o->passphrase != '\0')
		return -ENOTSUP;
	if (c != NULL)
		return ec_build(kf->key, c, o->private, w);
	if (strcmp(kf->key->type->name, "ssh-rsa") == 0)
		return rsa_build(kf->key->pkey, o->private, w);
	if (strcmp(kf->key->type->name, "ssh-dss") == 0)
		return dsa_build(kf->key->pkey, o->private, w);
	return -ENOTSUP;
}
