/*
 * tests/unit/test_crypto_faults_token.c - a token, and p11-kit before it, fail call by call (S-40).
 *
 * The module is one of this file: a token with one private key, which really signs. Each of its
 * functions says an error, another error, or a success with less than was asked for; after each
 * nothing of it may be open still.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "crypto/key_internal.h"
#include "crypto/keyfile.h"
#include "crypto/keyfile/pkcs11.h"
#include "tests/unit/crypto_faults.h"
#include "tests/unit/key_fixtures.h"

#define URI "pkcs11:object=faults?module-path=/fake&pin-value=1234"

static struct {
	struct key *key;
	ck_key_type_t type;
	int loaded, initialized, sessions; /* that are open */
} token;

/* --- the token -------------------------------------------------------------------------- */

static ck_rv_t error_now(void)
{
	return fault.how == FAIL_ZERO ? CKR_DEVICE_ERROR : CKR_GENERAL_ERROR;
}

static bool partial(bool now)
{
	return now && fault.how == FAIL_PARTIAL;
}

static ck_rv_t get_info(struct ck_info *ret)
{
	if (fault_in("C_GetInfo"))
		return error_now();
	*ret = (struct ck_info){.flags = 0};
	return CKR_OK;
}

static ck_rv_t get_slot_list(unsigned char present, ck_slot_id_t *slot, unsigned long *n)
{
	bool now = fault_in("C_GetSlotList");

	(void)present;
	if (now && !partial(now))
		return error_now();
	slot[0] = 7;
	*n = partial(now) ? P11_SLOTS_MAX + 1 : 1; /* more than there is room for */
	return CKR_OK;
}

static ck_rv_t get_token_info(ck_slot_id_t slot, struct ck_token_info *ret)
{
	bool now = fault_in("C_GetTokenInfo");

	cr_expect_eq(slot, 7);
	if (now && !partial(now))
		return error_now();
	*ret = (struct ck_token_info){
		.flags = partial(now) ? 0 : CKF_TOKEN_INITIALIZED | CKF_LOGIN_REQUIRED};
	return CKR_OK;
}

static ck_rv_t open_session(ck_slot_id_t slot, ck_flags_t flags, void *app, ck_notify_t notify,
			    ck_session_handle_t *ret)
{
	(void)slot;
	(void)flags;
	(void)app;
	(void)notify;
	if (fault_in("C_OpenSession"))
		return error_now();
	token.sessions++;
	*ret = 5;
	return CKR_OK;
}

static ck_rv_t close_session(ck_session_handle_t s)
{
	cr_expect_eq(s, 5);
	token.sessions--;
	return CKR_OK;
}

static ck_rv_t log_in(ck_session_handle_t s, ck_user_type_t user, unsigned char *pin,
		      unsigned long len)
{
	(void)s;
	(void)user;
	if (fault_in("C_Login"))
		return fault.how == FAIL_PARTIAL ? CKR_PIN_INCORRECT : error_now();
	return len == 4 && memcmp(pin, "1234", 4) == 0 ? CKR_OK : CKR_PIN_INCORRECT;
}

static ck_rv_t find_init(ck_session_handle_t s, struct ck_attribute *a, unsigned long n)
{
	(void)s;
	(void)a;
	(void)n;
	return fault_in("C_FindObjectsInit") ? error_now() : CKR_OK;
}

static ck_rv_t find(ck_session_handle_t s, ck_object_handle_t *ret, unsigned long max,
		    unsigned long *n)
{
	bool now = fault_in("C_FindObjects");

	(void)s;
	(void)max;
	if (now && !partial(now))
		return error_now();
	ret[0] = 9;
	*n = partial(now) ? 0 : 1;
	return CKR_OK;
}

static ck_rv_t find_final(ck_session_handle_t s)
{
	(void)s;
	return CKR_OK;
}

/* The fields of the key's blob, behind its type: what a token says in attributes of its own. */
static struct blob_str field(unsigned int i)
{
	struct blob_rd r = blob_rd_init(token.key->blob, token.key->blob_len);
	struct blob_str s = blob_rd_str(&r);

	while (i-- > 0)
		s = blob_rd_str(&r);
	return s;
}

static struct blob_str attribute(ck_attribute_type_t type)
{
	static const uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

	switch (type) {
	case CKA_LABEL:
		return (struct blob_str){(const uint8_t *)"faults", 6};
	case CKA_KEY_TYPE:
		return (struct blob_str){(const uint8_t *)&token.type, sizeof(token.type)};
	case CKA_PUBLIC_EXPONENT:
		return field(1);
	case CKA_MODULUS:
		return field(2);
	case CKA_EC_PARAMS:
		return (struct blob_str){p256, sizeof(p256)};
	case CKA_EC_POINT:
		return field(token.type == CKK_EC ? 2 : 1);
	default:
		return (struct blob_str){NULL, 0};
	}
}

static ck_rv_t get_attribute(ck_session_handle_t s, ck_object_handle_t o, struct ck_attribute *a,
			     unsigned long n)
{
	struct blob_str v = attribute(a->type);
	bool now;

	(void)s;
	cr_expect_eq(o, 9);
	cr_expect_eq(n, 1);
	if (v.p == NULL || v.len > a->value_len)
		return CKR_ATTRIBUTE_TYPE_INVALID;
	/* The label is a comment: no refusal hangs on it. */
	now = a->type != CKA_LABEL && fault_in("C_GetAttributeValue");
	if (now && !partial(now))
		return error_now();
	memcpy(a->value, v.p, v.len);
	a->value_len = v.len - (partial(now) ? 1 : 0);
	return CKR_OK;
}

static ck_rv_t sign_init(ck_session_handle_t s, struct ck_mechanism *m, ck_object_handle_t o)
{
	static const ck_mechanism_type_t of[] = {
		[CKK_RSA] = CKM_RSA_PKCS, [CKK_EC] = CKM_ECDSA, [CKK_EC_EDWARDS] = CKM_EDDSA};

	(void)s;
	(void)o;
	if (fault_in("C_SignInit"))
		return error_now();
	return m->mechanism == of[token.type] ? CKR_OK : CKR_MECHANISM_INVALID;
}

/* r and s, each as long as the order. */
static void rs_of(const uint8_t *der, size_t len, uint8_t *ret, unsigned long *ret_len)
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);

	cr_assert_not_null(sig);
	cr_assert_eq(BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret, 32), 32);
	cr_assert_eq(BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret + 32, 32), 32);
	*ret_len = 64;
	ECDSA_SIG_free(sig);
}

static void really_sign(const uint8_t *p, size_t len, uint8_t *ret, unsigned long *ret_len)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(token.key->pkey, NULL);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t raw[KEY_SIG_MAX];
	size_t n = sizeof(raw);

	if (token.type == CKK_EC_EDWARDS) {
		cr_assert_eq(EVP_DigestSignInit(md, NULL, NULL, NULL, token.key->pkey), 1);
		cr_assert_eq(EVP_DigestSign(md, raw, &n, p, len), 1);
	} else {
		cr_assert_eq(EVP_PKEY_sign_init(ctx), 1);
		cr_assert_eq(EVP_PKEY_sign(ctx, raw, &n, p, len), 1);
	}
	EVP_MD_CTX_free(md);
	EVP_PKEY_CTX_free(ctx);
	if (token.type == CKK_EC) {
		rs_of(raw, n, ret, ret_len);
		return;
	}
	memcpy(ret, raw, n);
	*ret_len = n;
}

static ck_rv_t sign(ck_session_handle_t s, unsigned char *p, unsigned long len, unsigned char *ret,
		    unsigned long *ret_len)
{
	bool now = fault_in("C_Sign"), armed = fault.armed;

	(void)s;
	if (now && !partial(now))
		return error_now();
	fault.armed = false; /* the token's own calls do not count */
	really_sign(p, len, ret, ret_len);
	fault.armed = armed;
	if (partial(now))
		--*ret_len;
	return CKR_OK;
}

static struct ck_function_list functions = {
	.C_GetInfo = get_info,
	.C_GetSlotList = get_slot_list,
	.C_GetTokenInfo = get_token_info,
	.C_OpenSession = open_session,
	.C_CloseSession = close_session,
	.C_Login = log_in,
	.C_FindObjectsInit = find_init,
	.C_FindObjects = find,
	.C_FindObjectsFinal = find_final,
	.C_GetAttributeValue = get_attribute,
	.C_SignInit = sign_init,
	.C_Sign = sign,
};

/* --- p11-kit ---------------------------------------------------------------------------- */

struct ck_function_list *__wrap_p11_kit_module_load(const char *path, int flags);
struct ck_function_list *__wrap_p11_kit_module_load(const char *path, int flags)
{
	(void)flags;
	cr_expect_str_eq(path, "/fake");
	if (fault_in("p11_kit_module_load"))
		return NULL;
	token.loaded++;
	return &functions;
}

ck_rv_t __wrap_p11_kit_module_initialize(struct ck_function_list *f);
ck_rv_t __wrap_p11_kit_module_initialize(struct ck_function_list *f)
{
	(void)f;
	if (fault_in("p11_kit_module_initialize"))
		return error_now();
	token.initialized++;
	return CKR_OK;
}

ck_rv_t __wrap_p11_kit_module_finalize(struct ck_function_list *f);
ck_rv_t __wrap_p11_kit_module_finalize(struct ck_function_list *f)
{
	(void)f;
	token.initialized--;
	return CKR_OK;
}

void __wrap_p11_kit_module_release(struct ck_function_list *f);
void __wrap_p11_kit_module_release(struct ck_function_list *f)
{
	(void)f;
	token.loaded--;
}

P11KitUri *__real_p11_kit_uri_new(void);
P11KitUri *__wrap_p11_kit_uri_new(void);
P11KitUri *__wrap_p11_kit_uri_new(void)
{
	return fault_in("p11_kit_uri_new") ? NULL : __real_p11_kit_uri_new();
}

int __real_p11_kit_uri_parse(const char *s, P11KitUriType type, P11KitUri *uri);
int __wrap_p11_kit_uri_parse(const char *s, P11KitUriType type, P11KitUri *uri);
int __wrap_p11_kit_uri_parse(const char *s, P11KitUriType type, P11KitUri *uri)
{
	return fault_in("p11_kit_uri_parse") ? P11_KIT_URI_UNEXPECTED
					     : __real_p11_kit_uri_parse(s, type, uri);
}

int __real_p11_kit_uri_match_module_info(const P11KitUri *uri, const struct ck_info *info);
int __wrap_p11_kit_uri_match_module_info(const P11KitUri *uri, const struct ck_info *info);
int __wrap_p11_kit_uri_match_module_info(const P11KitUri *uri, const struct ck_info *info)
{
	return fault_in("p11_kit_uri_match_module_info")
		       ? fault_int()
		       : __real_p11_kit_uri_match_module_info(uri, info);
}

int __real_p11_kit_uri_match_token_info(const P11KitUri *uri, const struct ck_token_info *info);
int __wrap_p11_kit_uri_match_token_info(const P11KitUri *uri, const struct ck_token_info *info);
int __wrap_p11_kit_uri_match_token_info(const P11KitUri *uri, const struct ck_token_info *info)
{
	return fault_in("p11_kit_uri_match_token_info")
		       ? fault_int()
		       : __real_p11_kit_uri_match_token_info(uri, info);
}

/* --- the tests -------------------------------------------------------------------------- */

static void nothing_is_open(void)
{
	cr_expect_eq(token.sessions, 0);
	cr_expect_eq(token.initialized, 0);
	cr_expect_eq(token.loaded, 0);
}

static int op_load(const void *arg)
{
	struct keyfile *kf = NULL;
	int r;

	(void)arg;
	arm();
	r = disarm(keyfile_load(URI, NULL, &kf));
	if (r < 0)
		cr_expect_null(kf);
	keyfile_free(kf);
	nothing_is_open();
	return r;
}

static int op_sign(const void *arg)
{
	struct keyfile *kf = NULL;
	uint8_t sig[KEY_SIG_MAX];
	size_t len;
	int r;

	(void)arg;
	cr_assert_eq(keyfile_load(URI, NULL, &kf), 0);
	arm();
	r = disarm(
		key_sign(kf->key, key_sig_alg_of(kf->key, 0), (const uint8_t *)"x", 1, sig, &len));
	keyfile_free(kf);
	nothing_is_open();
	return r;
}

static void token_fails(ck_key_type_t type, const char *text, const char *what)
{
	token.type = type;
	token.key = private_key(text);
	each_call_fails(op_load, NULL, what);
	each_call_fails(op_sign, NULL, what);
	key_free(token.key);
}

Test(crypto_faults_token, each_call_of_a_token)
{
	token_fails(CKK_EC, fixture_ecdsa, "a token's nistp256");
	token_fails(CKK_EC_EDWARDS, fixture_ed25519, "a token's Ed25519");
	token_fails(CKK_RSA, fixture_rsa, "a token's RSA");
}
