/*
 * crypto/keyfile/jwk.c - JSON Web Keys (RFC 7517, 7518 section 6, 8037), alone or in a set.
 *
 * Of a set the key is taken whose kid is the subject asked for, or the first that is of a type
 * SSH has. What is written has the comment as its kid.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <jansson.h>
#include <openssl/core_names.h>

#include "crypto/base64.h"
#include "crypto/keyfile/internal.h"
#include "crypto/keyfile/wipe.h"
#include "crypto/secret.h"

#define NUMBER_MAX (16384 / 8 + 1)
#define NUMBERS    6

/* The values of one key, decoded. */
struct values {
	uint8_t bytes[NUMBERS][NUMBER_MAX];
	struct blob_str n[NUMBERS];
};

/* --- reading ---------------------------------------------------------------------------- */

/* The library's memory, which has held private numbers, is wiped from here on in this process. */
static void allocator_set(void)
{
	json_set_alloc_funcs(wipe_malloc, wipe_free);
}

/* RFC 7515 section 2: the URL's alphabet "with all trailing '=' characters omitted". */
static int base64url(const json_t *v, uint8_t out[NUMBER_MAX], struct blob_str *ret)
{
	char text[(NUMBER_MAX + 2) / 3 * 4 + 4];
	size_t n = json_string_length(v), len = 0;
	const char *s = json_string_value(v);
	int r;

	if (s == NULL || n == 0 || n > sizeof(text) - 4)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '+' || s[i] == '/' || s[i] == '=' || s[i] == '\n' || s[i] == '\r')
			return -EBADMSG;
		text[i] = s[i] == '-' ? '+' : s[i] == '_' ? '/' : s[i];
	}
	while (n % 4 != 0)
		text[n++] = '=';
	r = base64_decode(text, n, out, NUMBER_MAX, &len);
	secret_wipe(text, sizeof(text));
	if (r < 0 || len == 0)
		return -EBADMSG;
	*ret = (struct blob_str){out, len};
	return 0;
}

/* So many members; none may be missing. */
static int values_get(const json_t *jwk, const char *const *name, size_t n, struct values *v)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = base64url(json_object_get(jwk, name[i]), v->bytes[i], &v->n[i]);
	return r;
}

static int rsa_parse(struct kf_ctx *c, const json_t *jwk, struct values *v)
{
	static const char *const private[] = {"n", "e", "d", "qi", "p", "q"};
	static const char *const public[] = {"e", "n"};
	int r;

	if (json_object_get(jwk, "oth") != NULL) /* of more than two primes */
		return -ENOTSUP;
	if (json_object_get(jwk, "d") != NULL) {
		if (json_object_get(jwk, "p") == NULL)
			return kf_fail(c, -ENOTSUP, "a private RSA key without its primes");
		r = values_get(jwk, private, 6, v);
		return r < 0 ? r : kf_private_numbers("ssh-rsa", v->n, 6, &c->kf->key);
	}
	r = values_get(jwk, public, 2, v);
	return r < 0 ? r : kf_public_numbers("ssh-rsa", v->n, 2, &c->kf->key);
}

/* RFC 7518 section 6.2.1.2: "The length of this octet string MUST be the full size" */
static int point_of(const struct kf_curve *curve, const struct values *v, uint8_t *point)
{
	if (v->n[0].len != curve->field_len || v->n[1].len != curve->field_len)
		return -EBADMSG;
	point[0] = 0x04;
	memcpy(point + 1, v->n[0].p, curve->field_len);
	memcpy(point + 1 + curve->field_len, v->n[1].p, curve->field_len);
	return 0;
}

static int ec_parse(struct kf_ctx *c, const json_t *jwk, const char *crv, struct values *v)
{
	static const char *const names[] = {"x", "y", "d"};
	bool private = json_object_get(jwk, "d") != NULL;
	uint8_t point[1 + 2 * KF_FIELD_MAX];
	const struct kf_curve *curve;
	struct blob_str q;
	int r;

	for (unsigned int i = 0; (curve = kf_curve_at(i)) != NULL; i++)
		if (strcmp(curve->jwk, crv) == 0)
			break;
	if (curve == NULL)
		return -ENOTSUP;
	r = values_get(jwk, names, private ? 3 : 2, v);
	if (r == 0)
		r = point_of(curve, v, point);
	if (r < 0)
		return r;
	q = (struct blob_str){point, 1 + 2 * curve->field_len};
	if (!private)
		return kf_ec_public(curve, q, &c->kf->key);
	if (v->n[2].len != curve->field_len)
		return -EBADMSG;
	return kf_ec_private(curve, q, v->n[2], &c->kf->key);
}

/* RFC 8037 section 2. The public half must be the seed's. */
static int okp_parse(struct kf_ctx *c, const json_t *jwk, const char *crv, struct values *v)
{
	static const char *const names[] = {"x", "d"};
	bool private = json_object_get(jwk, "d") != NULL;
	const char *type;
	struct blob_rd blob;
	struct blob_str x;
	int r;

	if (strcmp(crv, "Ed25519") == 0)
		type = "ssh-ed25519";
	else if (strcmp(crv, "Ed448") == 0)
		type = "ssh-ed448";
	else
		return -ENOTSUP;
	r = values_get(jwk, names, private ? 2 : 1, v);
	if (r < 0)
		return r;
	if (!private)
		return kf_ed_public(type, v->n[0], &c->kf->key);
	r = kf_ed_private(type, v->n[1], &c->kf->key);
	if (r < 0)
		return r;
	blob = blob_rd_init(c->kf->key->blob, c->kf->key->blob_len);
	blob_rd_str(&blob);
	x = blob_rd_str(&blob);
	return x.len == v->n[0].len && memcmp(x.p, v->n[0].p, x.len) == 0 ? 0 : -EBADMSG;
}

static int jwk_parse(struct kf_ctx *c, const json_t *jwk)
{
	const char *kty = json_string_value(json_object_get(jwk, "kty"));
	const char *crv = json_string_value(json_object_get(jwk, "crv"));
	const char *kid = json_string_value(json_object_get(jwk, "kid"));
	struct values *v;
	int r = -ENOTSUP;

	if (kty == NULL)
		return -EBADMSG;
	v = secret_new(sizeof(*v));
	if (v == NULL)
		return -ENOMEM;
	if (strcmp(kty, "RSA") == 0)
		r = rsa_parse(c, jwk, v);
	else if (strcmp(kty, "EC") == 0)
		r = crv == NULL ? -EBADMSG : ec_parse(c, jwk, crv, v);
	else if (strcmp(kty, "OKP") == 0)
		r = crv == NULL ? -EBADMSG : okp_parse(c, jwk, crv, v);
	secret_free(v, sizeof(*v));
	if (r == 0 && kid != NULL)
		r = keyfile_comment_set(c->kf, kid, strlen(kid));
	return r;
}

static bool wanted(const struct kf_ctx *c, const json_t *jwk)
{
	const char *kid = json_string_value(json_object_get(jwk, "kid"));
	const char *subject = c->o->subject;

	return subject == NULL || *subject == '\0' || strcmp(subject, "*") == 0 ||
	       (kid != NULL && strcmp(kid, subject) == 0);
}

static int set_parse(struct kf_ctx *c, const json_t *keys)
{
	int r = -ESRCH;

	for (size_t i = 0; i < json_array_size(keys) && c->kf->key == NULL; i++) {
		const json_t *jwk = json_array_get(keys, i);

		if (!wanted(c, jwk))
			continue;
		r = jwk_parse(c, jwk);
		/* RFC 7517 section 5: keys of types that are not understood are ignored. */
		if (r < 0 && r != -ENOTSUP)
			return r;
	}
	return r;
}

int kf_jwk_parse(struct kf_ctx *c, struct blob_str s)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	json_t *root, *keys;
	int r = -EBADMSG;

	pthread_once(&once, allocator_set);
	c->kf->format = KEYFILE_JWK;
	root = json_loadb((const char *)s.p, s.len, JSON_REJECT_DUPLICATES, NULL);
	if (root == NULL)
		return r;
	keys = json_object_get(root, "keys");
	if (json_is_array(keys))
		r = set_parse(c, keys);
	else if (json_is_object(root))
		r = wanted(c, root) ? jwk_parse(c, root) : -ESRCH;
	json_decref(root);
	return r;
}

/* --- writing ---------------------------------------------------------------------------- */

static void base64url_put(struct blob_wr *w, const uint8_t *p, size_t len)
{
	size_t start = w->len;

	kf_put_base64(w, p, len, 0);
	for (size_t i = start; i < w->len; i++)
		w->p[i] = w->p[i] == '+' ? '-' : w->p[i] == '/' ? '_' : w->p[i];
	while (w->len > start && w->p[w->len - 1] == '=')
		w->len--;
}

static void member_put(struct blob_wr *w, const char *name, const uint8_t *p, size_t len)
{
	kf_printf(w, ",\n  \"%s\": \"", name);
	base64url_put(w, p, len);
	kf_puts(w, "\"");
}

static void octets_put(struct blob_wr *w, struct blob_str s)
{
	blob_wr_put(w, s.p, s.len);
}

/* A number with as many bytes as the field has, or as few as it needs (0). */
static int number_put(EVP_PKEY *pkey, const char *param, const char *name, size_t len,
		      struct blob_wr *w)
{
	uint8_t buf[NUMBER_MAX + KF_FIELD_MAX] = {0};
	struct blob_wr number = blob_wr_init(buf + KF_FIELD_MAX, NUMBER_MAX);
	size_t fill;
	int r;

	r = kf_numbers(pkey, &param, 1, octets_put, &number);
	fill = number.len < len ? len - number.len : 0;
	if (r == 0)
		member_put(w, name, number.p - fill, number.len + fill);
	secret_wipe(buf, sizeof(buf));
	return number.bad ? -ENOTSUP : r;
}

static int rsa_build(EVP_PKEY *pkey, bool private, struct blob_wr *w)
{
	static const struct {
		const char *param, *name;
	} n[] = {
		{OSSL_PKEY_PARAM_RSA_N, "n"},          {OSSL_PKEY_PARAM_RSA_E, "e"},
		{OSSL_PKEY_PARAM_RSA_D, "d"},          {OSSL_PKEY_PARAM_RSA_FACTOR1, "p"},
		{OSSL_PKEY_PARAM_RSA_FACTOR2, "q"},    {OSSL_PKEY_PARAM_RSA_EXPONENT1, "dp"},
		{OSSL_PKEY_PARAM_RSA_EXPONENT2, "dq"}, {OSSL_PKEY_PARAM_RSA_COEFFICIENT1, "qi"},
	};
	int r = 0;

	kf_puts(w, "  \"kty\": \"RSA\"");
	for (size_t i = 0; i < (private ? 8 : 2) && r == 0; i++)
		r = number_put(pkey, n[i].param, n[i].name, 0, w);
	return r;
}

/* The bytes of the point, which the public blob ends with. */
static struct blob_str last_of_blob(const struct key *k)
{
	struct blob_rd r = blob_rd_init(k->blob, k->blob_len);
	struct blob_str s = {0};

	while (!r.bad && r.p < r.end)
		s = blob_rd_str(&r);
	return s;
}

static int ec_build(const struct key *k, const struct kf_curve *c, bool private, struct blob_wr *w)
{
	struct blob_str q = last_of_blob(k);

	kf_printf(w, "  \"kty\": \"EC\",\n  \"crv\": \"%s\"", c->jwk);
	member_put(w, "x", q.p + 1, c->field_len);
	member_put(w, "y", q.p + 1 + c->field_len, c->field_len);
	if (!private)
		return 0;
	return number_put(k->pkey, OSSL_PKEY_PARAM_PRIV_KEY, "d", c->field_len, w);
}

static int okp_build(const struct key *k, const char *crv, bool private, struct blob_wr *w)
{
	struct blob_str x = last_of_blob(k);
	uint8_t seed[64];
	size_t len = sizeof(seed);

	kf_printf(w, "  \"kty\": \"OKP\",\n  \"crv\": \"%s\"", crv);
	member_put(w, "x", x.p, x.len);
	if (!private)
		return 0;
	/* RFC 8032: as long as the public half. */
	if (EVP_PKEY_get_raw_private_key(k->pkey, seed, &len) != 1 || len != x.len) {
		secret_wipe(seed, sizeof(seed));
		return -EIO;
	}
	member_put(w, "d", seed, len);
	secret_wipe(seed, sizeof(seed));
	return 0;
}

/* A comment that is no UTF-8 is left out. */
static void kid_put(struct blob_wr *w, const char *comment)
{
	json_t *s = *comment == '\0' ? NULL : json_string(comment);
	char *text = s == NULL ? NULL : json_dumps(s, JSON_ENCODE_ANY);

	if (text != NULL)
		kf_printf(w, ",\n  \"kid\": %s", text);
	free(text);
	json_decref(s);
}

int kf_jwk_build(const struct keyfile *kf, const struct keyfile_out *o, struct blob_wr *w)
{
	const struct kf_curve *c = kf_curve_of(kf->key);
	const char *type = kf->key->type->name;
	int r = -ENOTSUP;

	if (o->private && o->passphrase != NULL && *o->passphrase != '\0')
		return r; /* that would be RFC 7516 */
	kf_puts(w, "{\n");
	if (c != NULL)
		r = ec_build(kf->key, c, o->private, w);
	else if (strcmp(type, "ssh-rsa") == 0)
		r = rsa_build(kf->key->pkey, o->private, w);
	else if (strcmp(type, "ssh-ed25519") == 0)
		r = okp_build(kf->key, "Ed25519", o->private, w);
	else if (strcmp(type, "ssh-ed448") == 0)
		r = okp_build(kf->key, "Ed448", o->private, w);
	kid_put(w, kf->comment);
	kf_puts(w, "\n}\n");
	return r;
}
