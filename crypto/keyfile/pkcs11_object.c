/* crypto/keyfile/pkcs11_object.c - modules, objects, and the public keys they say. */
#include <errno.h>

#include "crypto/keyfile/der.h"
#include "crypto/keyfile/pkcs11.h"

/* --- modules ---------------------------------------------------------------------------- */

int p11_modules_open(const char *path, struct p11_modules *ret)
{
	struct p11_modules m = {0};

	if (path == NULL) {
		m.list = p11_kit_modules_load_and_initialize(0);
	} else {
		m.one = p11_kit_module_load(path, 0);
		if (m.one != NULL && p11_kit_module_initialize(m.one) != CKR_OK) {
			p11_kit_module_release(m.one);
			m.one = NULL;
		}
	}
	if (m.list == NULL && m.one == NULL)
		return -ENOENT;
	*ret = m;
	return 0;
}

void p11_modules_close(struct p11_modules *m)
{
	if (m->list != NULL)
		p11_kit_modules_finalize_and_release(m->list);
	if (m->one != NULL) {
		p11_kit_module_finalize(m->one);
		p11_kit_module_release(m->one);
	}
	*m = (struct p11_modules){0};
}

struct ck_function_list *p11_module_at(const struct p11_modules *m, unsigned int i)
{
	if (m->list == NULL)
		return i == 0 ? m->one : NULL;
	return m->list[i]; /* asked for in order, up to the NULL at its end */
}

/* --- objects ---------------------------------------------------------------------------- */

struct blob_str p11_attr(struct ck_function_list *f, ck_session_handle_t s, ck_object_handle_t o,
			 ck_attribute_type_t type, uint8_t *buf)
{
	struct ck_attribute a = {type, buf, P11_ATTR_MAX};

	if (f->C_GetAttributeValue(s, o, &a, 1) != CKR_OK || a.value_len > P11_ATTR_MAX)
		return (struct blob_str){buf, 0};
	return (struct blob_str){buf, a.value_len};
}

unsigned int p11_find(struct ck_function_list *f, ck_session_handle_t s, ck_object_class_t class,
		      const struct ck_attribute *more, unsigned int n_more,
		      ck_object_handle_t ret[P11_OBJECTS_MAX])
{
	struct ck_attribute want[4] = {{CKA_CLASS, &class, sizeof(class)}};
	unsigned int n = 1;
	unsigned long found = 0;

	for (unsigned int i = 0; i < n_more && n < 4; i++)
		want[n++] = more[i];
	if (f->C_FindObjectsInit(s, want, n) != CKR_OK)
		return 0;
	if (f->C_FindObjects(s, ret, P11_OBJECTS_MAX, &found) != CKR_OK ||
	    found > P11_OBJECTS_MAX)
		found = 0;
	f->C_FindObjectsFinal(s);
	return (unsigned int)found;
}

/* --- keys ------------------------------------------------------------------------------- */

static int rsa_public(struct ck_function_list *f, ck_session_handle_t s, ck_object_handle_t o,
		      struct key **ret)
{
	uint8_t n_buf[P11_ATTR_MAX], e_buf[P11_ATTR_MAX];
	struct blob_str n = p11_attr(f, s, o, CKA_MODULUS, n_buf);
	struct blob_str e = p11_attr(f, s, o, CKA_PUBLIC_EXPONENT, e_buf);

	if (n.len == 0 || e.len == 0)
		return -ENODATA;
	return kf_public_numbers("ssh-rsa", (struct blob_str[]){e, n}, 2, ret);
}

/* CKA_EC_POINT is a "DER-encoding of ANSI X9.62 ECPoint"; some tokens leave the wrapping out. */
static struct blob_str point_of(struct blob_str s)
{
	struct blob_rd r = blob_rd_init(s.p, s.len);
	struct blob_str inner = der_take(&r, DER_OCTET_STRING);

	return blob_rd_done(&r) ? inner : s;
}

static int ec_public(struct ck_function_list *f, ck_session_handle_t s, ck_object_handle_t o,
		     struct key **ret)
{
	uint8_t params_buf[P11_ATTR_MAX], point_buf[P11_ATTR_MAX];
	struct blob_str params = p11_attr(f, s, o, CKA_EC_PARAMS, params_buf);
	struct blob_str point = point_of(p11_attr(f, s, o, CKA_EC_POINT, point_buf));
	struct blob_rd r = blob_rd_init(params.p, params.len);
	struct blob_str oid = der_take(&r, DER_OID);
	const struct kf_curve *c;

	if (params.len == 0 || point.len == 0)
		return -ENODATA;
	for (unsigned int i = 0; (c = kf_curve_at(i)) != NULL; i++)
		if (oid.len == c->der_oid_len && memcmp(oid.p, c->der_oid, oid.len) == 0)
			return kf_ec_public(c, point, ret);
	return -ENOTSUP;
}

/* The curve is named by its OID or, in older tokens, by a printable string; the length tells. */
static int ed_public(struct ck_function_list *f, ck_session_handle_t s, ck_object_handle_t o,
		     struct key **ret)
{
	uint8_t buf[P11_ATTR_MAX];
	struct blob_str point = point_of(p11_attr(f, s, o, CKA_EC_POINT, buf));

	if (point.len == 0)
		return -ENODATA;
	return kf_ed_public(point.len == 32 ? "ssh-ed25519" : "ssh-ed448", point, ret);
}

/* The public object with the id of a private one, which need not say its own public half. */
static int by_id(struct ck_function_list *f, ck_session_handle_t s, ck_object_handle_t o,
		 int (*get)(struct ck_function_list *f, ck_session_handle_t s, ck_object_handle_t o,
			    struct key **ret),
		 struct key **ret)
{
	ck_object_handle_t found[P11_OBJECTS_MAX];
	uint8_t id[P11_ATTR_MAX];
	struct blob_str s_id = p11_attr(f, s, o, CKA_ID, id);
	struct ck_attribute match = {CKA_ID, id, s_id.len};

	if (s_id.len == 0 || p11_find(f, s, CKO_PUBLIC_KEY, &match, 1, found) == 0)
		return -ENOTSUP;
	return get(f, s, found[0], ret);
}

int p11_public(struct ck_function_list *f, ck_session_handle_t s, ck_object_handle_t o,
	       struct key **ret)
{
	static const struct {
		ck_key_type_t type;
		int (*get)(struct ck_function_list *f, ck_session_handle_t s, ck_object_handle_t o,
			   struct key **ret);
	} types[] = {{CKK_RSA, rsa_public}, {CKK_EC, ec_public}, {CKK_EC_EDWARDS, ed_public}};
	uint8_t buf[P11_ATTR_MAX];
	struct blob_str type = p11_attr(f, s, o, CKA_KEY_TYPE, buf);
	ck_key_type_t t = 0;
	int r = -ENOTSUP;

	if (type.len != sizeof(t))
		return r;
	memcpy(&t, type.p, sizeof(t));
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].type == t) {
			r = types[i].get(f, s, o, ret);
			return r == -ENODATA ? by_id(f, s, o, types[i].get, ret) : r;
		}
	return r;
}
