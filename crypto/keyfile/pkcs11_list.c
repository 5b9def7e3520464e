/* crypto/keyfile/pkcs11_list.c - the public keys on the tokens of a module. */
#include <errno.h>
#include <stdlib.h>

#include "crypto/keyfile/pkcs11.h"

struct listing {
	int (*each)(void *arg, const struct key *k, const char *label, const char *uri);
	void *arg;
	const char *module;
};

/* What finds the private half again: token, id and label, and the module's path. */
static char *uri_of(const struct listing *l, const struct ck_token_info *token, struct blob_str id,
		    struct blob_str label)
{
	struct ck_attribute a_id = {CKA_ID, (void *)(uintptr_t)id.p, id.len};
	struct ck_attribute a_label = {CKA_LABEL, (void *)(uintptr_t)label.p, label.len};
	P11KitUri *uri = p11_kit_uri_new();
	char *text = NULL;

	if (uri == NULL)
		return NULL;
	*p11_kit_uri_get_token_info(uri) = *token;
	if (l->module != NULL)
		p11_kit_uri_set_module_path(uri, l->module);
	if ((id.len == 0 || p11_kit_uri_set_attribute(uri, &a_id) == P11_KIT_URI_OK) &&
	    (label.len == 0 || p11_kit_uri_set_attribute(uri, &a_label) == P11_KIT_URI_OK) &&
	    p11_kit_uri_format(uri, P11_KIT_URI_FOR_ANY, &text) != P11_KIT_URI_OK)
		text = NULL;
	p11_kit_uri_free(uri);
	return text;
}

static int object_show(const struct listing *l, struct ck_function_list *f, ck_session_handle_t s,
		       ck_object_handle_t o, const struct ck_token_info *token)
{
	uint8_t id_buf[P11_ATTR_MAX], label_buf[P11_ATTR_MAX];
	struct blob_str id = p11_attr(f, s, o, CKA_ID, id_buf);
	struct blob_str label = p11_attr(f, s, o, CKA_LABEL, label_buf);
	char *uri, *text;
	struct key *k = NULL;
	int r;

	if (p11_public(f, s, o, &k) < 0) /* a key of another kind than SSH has */
		return 0;
	uri = uri_of(l, token, id, label);
	text = strndup((const char *)label.p, label.len);
	r = uri == NULL || text == NULL ? -ENOMEM : l->each(l->arg, k, text, uri);
	free(text);
	free(uri);
	key_free(k);
	return r;
}

static int slot_show(const struct listing *l, struct ck_function_list *f, ck_slot_id_t slot)
{
	ck_object_handle_t found[P11_OBJECTS_MAX];
	struct ck_token_info token;
	ck_session_handle_t s;
	unsigned int n;
	int r = 0;

	if (f->C_GetTokenInfo(slot, &token) != CKR_OK ||
	    (token.flags & CKF_TOKEN_INITIALIZED) == 0 ||
	    f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &s) != CKR_OK)
		return 0;
	n = p11_find(f, s, CKO_PUBLIC_KEY, NULL, 0, found);
	for (unsigned int i = 0; i < n && r == 0; i++)
		r = object_show(l, f, s, found[i], &token);
	f->C_CloseSession(s);
	return r;
}

int keyfile_token_list(const char *module,
		       int (*each)(void *arg, const struct key *k, const char *label,
				   const char *uri),
		       void *arg)
{
	const struct listing l = {each, arg, module};
	struct p11_modules modules;
	struct ck_function_list *f;
	int r = p11_modules_open(module, &modules);

	for (unsigned int i = 0; r == 0 && (f = p11_module_at(&modules, i)) != NULL; i++) {
		ck_slot_id_t slot[P11_SLOTS_MAX];
		unsigned long n = P11_SLOTS_MAX;

		if (f->C_GetSlotList(1, slot, &n) != CKR_OK || n > P11_SLOTS_MAX)
			continue;
		for (unsigned long k = 0; k < n && r == 0; k++)
			r = slot_show(&l, f, slot[k]);
	}
	if (r != -ENOENT)
		p11_modules_close(&modules);
	return r;
}
