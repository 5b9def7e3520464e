/*
 * crypto/keyfile/pkcs11.c - the private key of a token, by its RFC 7512 URI; signing with it.
 *
 * The session stays open, logged in, for the life of the key; a lock makes its signatures one at a
 * time, as a session has one operation at a time.
 */
#include "crypto/keyfile/pkcs11.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#include "crypto/keyfile/der.h"
#include "crypto/keyfile/disk.h"
#include "crypto/secret.h"

#define DIGEST_INFO_MAX 128

struct token_key {
	struct p11_modules modules;
	struct ck_function_list *f;
	ck_session_handle_t session;
	ck_object_handle_t object;
	ck_key_type_t type;
	size_t sig_len; /* of what C_Sign makes, always */
	pthread_mutex_t lock;
};

/* --- signing ---------------------------------------------------------------------------- */

/* RFC 8017 section 9.2: DigestInfo, which CKM_RSA_PKCS pads and signs as it is. */
static int digest_info(const EVP_MD *md, const uint8_t *digest, size_t len, struct blob_wr *w)
{
	const ASN1_OBJECT *oid = OBJ_nid2obj(EVP_MD_get_type(md));
	size_t inner;

	if (oid == NULL)
		return -EIO;
	inner = w->len;
	der_put(w, DER_OID, OBJ_get0_data(oid), OBJ_length(oid));
	der_put(w, DER_NULL, "", 0);
	der_wrap(w, inner, DER_SEQUENCE);
	der_put(w, DER_OCTET_STRING, digest, len);
	der_wrap(w, 0, DER_SEQUENCE);
	return w->bad ? -EIO : 0;
}

static int token_sign(struct token_key *t, ck_mechanism_type_t type, const uint8_t *p, size_t len,
		      uint8_t *ret, size_t *ret_len)
{
	struct ck_mechanism mechanism = {type, NULL, 0};
	unsigned long n = KEY_SIG_MAX;
	ck_rv_t rv;

	pthread_mutex_lock(&t->lock);
	rv = t->f->C_SignInit(t->session, &mechanism, t->object);
	if (rv == CKR_OK)
		rv = t->f->C_Sign(t->session, (unsigned char *)(uintptr_t)p, len, ret, &n);
	pthread_mutex_unlock(&t->lock);
	if (rv != CKR_OK || n != t->sig_len)
		return -EIO;
	*ret_len = n;
	return 0;
}

/* A token gives r and s as they are, each as long as the order; here they become a DER sequence. */
static int ecdsa_to_der(const uint8_t *rs, size_t len, uint8_t *ret, size_t *ret_len)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(rs, (int)(len / 2), NULL);
	BIGNUM *s = BN_bin2bn(rs + len / 2, (int)(len / 2), NULL);
	int n;

	if (sig == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(sig, r, s) != 1) {
		BN_free(r);
		BN_free(s);
		ECDSA_SIG_free(sig);
		return -ENOMEM;
	}
	n = i2d_ECDSA_SIG(sig, &ret);
	ECDSA_SIG_free(sig);
	if (n <= 0)
		return -EIO;
	*ret_len = (size_t)n;
	return 0;
}

static int remote_sign(void *arg, const EVP_MD *md, const uint8_t *data, size_t len, uint8_t *raw,
		       size_t *ret_len)
{
	uint8_t digest[EVP_MAX_MD_SIZE], info[DIGEST_INFO_MAX], rs[KEY_SIG_MAX];
	struct blob_wr w = blob_wr_init(info, sizeof(info));
	struct token_key *t = arg;
	unsigned int n = 0;
	size_t rs_len = 0;
	int r;

	if (md == NULL)
		return token_sign(t, CKM_EDDSA, data, len, raw, ret_len);
	if (EVP_Digest(data, len, digest, &n, md, NULL) != 1)
		return -EIO;
	if (t->type == CKK_RSA) {
		r = digest_info(md, digest, n, &w);
		return r < 0 ? r : token_sign(t, CKM_RSA_PKCS, w.p, w.len, raw, ret_len);
	}
	r = token_sign(t, CKM_ECDSA, digest, n, rs, &rs_len);
	return r < 0 ? r : ecdsa_to_der(rs, rs_len, raw, ret_len);
}

static void token_key_free(void *arg)
{
	struct token_key *t = arg;

	if (t->session != 0)
		t->f->C_CloseSession(t->session);
	p11_modules_close(&t->modules);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static const struct key_remote remote = {.sign = remote_sign, .free = token_key_free};

/* --- the PIN ---------------------------------------------------------------------------- */

/* RFC 7512 section 2.4: "pin-source" is a file here, "file:/path" or a path; its first line. */
static int pin_file(struct kf_ctx *c, const char *source, uint8_t **ret, size_t *ret_len,
		    size_t *ret_size)
{
	const char *path = strncmp(source, "file:", 5) == 0 ? source + 5 : source;
	uint8_t *p = NULL;
	mode_t mode = 0;
	size_t len = 0, n = 0;
	int r;

	while (path[0] == '/' && path[1] == '/') /* file:///path */
		path++;
	r = disk_read(path, &p, &len, &mode);
	if (r < 0)
		return kf_fail(c, -ENOKEY, "pin-source \"%s\": %s", path, strerror(-r));
	if ((mode & 077) != 0) {
		secret_free(p, len);
		return kf_fail(c, -ENOKEY, "pin-source \"%s\": bad permissions", path);
	}
	while (n < len && p[n] != '\n' && p[n] != '\r')
		n++;
	*ret = p;
	*ret_len = n;
	*ret_size = len;
	return 0;
}

static int login(struct kf_ctx *c, struct token_key *t, const char *pin, size_t len)
{
	switch (t->f->C_Login(t->session, CKU_USER, (unsigned char *)(uintptr_t)pin, len)) {
	case CKR_OK:
	case CKR_USER_ALREADY_LOGGED_IN:
		return 0;
	case CKR_PIN_INCORRECT:
	case CKR_PIN_INVALID:
	case CKR_PIN_LEN_RANGE:
		return kf_fail(c, -EKEYREJECTED, "the token refuses the PIN");
	case CKR_PIN_LOCKED:
		return kf_fail(c, -ENOKEY, "the token is locked after wrong PINs");
	default:
		return -EIO;
	}
}

static int token_login(struct kf_ctx *c, P11KitUri *uri, struct token_key *t)
{
	const char *value = p11_kit_uri_get_pin_value(uri);
	const char *source = p11_kit_uri_get_pin_source(uri);
	const char *pass = NULL;
	size_t len = 0, size = 0;
	uint8_t *p = NULL;
	int r;

	if (value != NULL)
		return login(c, t, value, strlen(value));
	if (source != NULL) {
		r = pin_file(c, source, &p, &len, &size);
		if (r == 0)
			r = login(c, t, (const char *)p, len);
		secret_free(p, size);
		return r;
	}
	r = kf_passphrase(c, &pass, &len);
	return r < 0 ? r : login(c, t, pass, len);
}

/* --- finding ---------------------------------------------------------------------------- */

static unsigned int uri_match(P11KitUri *uri, struct ck_attribute *ret)
{
	static const ck_attribute_type_t types[] = {CKA_ID, CKA_LABEL};
	unsigned int n = 0;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		const struct ck_attribute *a = p11_kit_uri_get_attribute(uri, types[i]);

		if (a != NULL)
			ret[n++] = *a;
	}
	return n;
}

/* As long as the modulus (RFC 8017 section 8.2.1), r and s each as the order, or RFC 8032's. */
static size_t signature_len(ck_key_type_t type, const EVP_PKEY *pkey)
{
	int n = type == CKK_EC ? 2 * ((EVP_PKEY_get_bits(pkey) + 7) / 8) : EVP_PKEY_get_size(pkey);

	return n > 0 && n <= KEY_SIG_MAX ? (size_t)n : 0;
}

/* The first private key the URI means, on a token it means. -ESRCH: not on this one. */
static int slot_try(struct kf_ctx *c, P11KitUri *uri, struct token_key *t, ck_slot_id_t slot)
{
	ck_object_handle_t found[P11_OBJECTS_MAX];
	struct ck_attribute match[2];
	struct ck_token_info info;
	unsigned int n;
	uint8_t buf[P11_ATTR_MAX];
	struct blob_str type;
	int r = 0;

	if (t->f->C_GetTokenInfo(slot, &info) != CKR_OK ||
	    p11_kit_uri_match_token_info(uri, &info) != 1 ||
	    (info.flags & CKF_TOKEN_INITIALIZED) == 0)
		return -ESRCH;
	if (t->f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &t->session) != CKR_OK) {
		t->session = 0;
		return -EIO;
	}
	if ((info.flags & CKF_LOGIN_REQUIRED) != 0)
		r = token_login(c, uri, t);
	if (r < 0)
		return r;
	n = p11_find(t->f, t->session, CKO_PRIVATE_KEY, match, uri_match(uri, match), found);
	if (n == 0) {
		t->f->C_CloseSession(t->session);
		t->session = 0;
		return -ESRCH;
	}
	t->object = found[0];
	type = p11_attr(t->f, t->session, t->object, CKA_KEY_TYPE, buf);
	if (type.len != sizeof(t->type))
		return -EIO; /* which mechanism signs hangs on it */
	memcpy(&t->type, type.p, sizeof(t->type));
	r = p11_public(t->f, t->session, t->object, &c->kf->key);
	if (r == 0)
		t->sig_len = signature_len(t->type, c->kf->key->pkey);
	return r;
}

static int module_try(struct kf_ctx *c, P11KitUri *uri, struct token_key *t)
{
	ck_slot_id_t slot[P11_SLOTS_MAX];
	unsigned long n = P11_SLOTS_MAX;
	struct ck_info info;
	int r = -ESRCH;

	if (t->f->C_GetInfo(&info) != CKR_OK || p11_kit_uri_match_module_info(uri, &info) != 1 ||
	    t->f->C_GetSlotList(1, slot, &n) != CKR_OK || n > P11_SLOTS_MAX)
		return -ESRCH;
	for (unsigned long i = 0; i < n && r == -ESRCH; i++)
		r = slot_try(c, uri, t, slot[i]);
	return r;
}

static int uri_load(struct kf_ctx *c, P11KitUri *uri, struct token_key *t)
{
	uint8_t label[P11_ATTR_MAX];
	struct blob_str s;
	int r;

	r = p11_modules_open(p11_kit_uri_get_module_path(uri), &t->modules);
	if (r < 0)
		return kf_fail(c, -ESRCH, "the PKCS#11 module cannot be loaded");
	r = -ESRCH;
	for (unsigned int i = 0; r == -ESRCH && (t->f = p11_module_at(&t->modules, i)) != NULL; i++)
		r = module_try(c, uri, t);
	if (r == -ESRCH)
		return kf_fail(c, r, "no token has a private key of that description");
	if (r < 0)
		return r;
	s = p11_attr(t->f, t->session, t->object, CKA_LABEL, label);
	return keyfile_comment_set(c->kf, (const char *)s.p, s.len);
}

int kf_pkcs11_parse(struct kf_ctx *c, struct blob_str s)
{
	P11KitUri *uri = p11_kit_uri_new();
	struct token_key *t = calloc(1, sizeof(*t));
	char *text = strndup((const char *)s.p, s.len);
	int r = -ENOMEM;

	c->kf->format = KEYFILE_PKCS11;
	if (t != NULL)
		pthread_mutex_init(&t->lock, NULL);
	if (uri != NULL && t != NULL && text != NULL)
		r = p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, uri) == P11_KIT_URI_OK &&
				    p11_kit_uri_any_unrecognized(uri) == 0
			    ? uri_load(c, uri, t)
			    : kf_fail(c, -EBADMSG, "no PKCS#11 URI of RFC 7512");
	if (r == 0)
		r = key_remote_set(c->kf->key, &remote, t);
	if (r == 0)
		t = NULL; /* the key's now */
	if (text != NULL)
		secret_wipe(text, s.len); /* it may hold a PIN */
	free(text);
	p11_kit_uri_free(uri);
	if (t != NULL)
		token_key_free(t);
	return r;
}
