/* ssh/kexinit.c - see kexinit.h. */
#include "ssh/kexinit.h"

#include <string.h>

#include "crypto/key.h"
#include "ssh/err.h"

/* A name is printable ASCII without a comma, RFC 4251 section 6; none is empty. */
static bool name_ok(struct ssh_str name)
{
	if (name.len == 0 || name.len > SSH_NAME_MAX)
		return false;
	for (uint32_t i = 0; i < name.len; i++)
		if (name.p[i] <= ' ' || name.p[i] >= 0x7f)
			return false;
	return true;
}

bool ssh_names_next(struct ssh_str *list, struct ssh_str *ret_name)
{
	const uint8_t *comma;
	uint32_t n;

	if (list->len == 0)
		return false;
	comma = memchr(list->p, ',', list->len);
	n = comma != NULL ? (uint32_t)(comma - list->p) : list->len;
	*ret_name = (struct ssh_str){list->p, n};
	/* A comma at the very end is followed by nothing. */
	n += comma != NULL;
	list->p += n;
	list->len -= n;
	return true;
}

void ssh_names_join(const char *(*at)(unsigned int i), char *buf, size_t size)
{
	const char *name;
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned int i = 0; (name = at(i)) != NULL && strlen(name) + 1 < size - used; i++) {
		if (i > 0)
			buf[used++] = ',';
		strcpy(buf + used, name);
		used += strlen(name);
	}
}

static bool str_same(struct ssh_str a, struct ssh_str b)
{
	return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
}

static bool names_have(struct ssh_str list, struct ssh_str name)
{
	struct ssh_str one;

	while (ssh_names_next(&list, &one))
		if (str_same(one, name))
			return true;
	return false;
}

bool ssh_names_have(struct ssh_str list, const char *name)
{
	return names_have(list, ssh_str_c(name));
}

/*
 * An empty list is fine (languages); an empty name is not, RFC 4251 section 5, but for one at the
 * end of the list: libssh's server (0.10) ends its ciphers with a comma.
 */
static bool list_ok(struct ssh_str list)
{
	struct ssh_str name;
	unsigned int n = 0;

	while (ssh_names_next(&list, &name))
		if (!name_ok(name) || ++n > SSH_NAMES_MAX)
			return false;
	return true;
}

int ssh_kexinit_parse(const uint8_t *payload, size_t len, struct ssh_kexinit *ret)
{
	struct ssh_kexinit m;
	struct ssh_rd r;
	const uint8_t *cookie;
	uint32_t reserved;

	if (len > SSH_KEXINIT_MAX)
		return -SSH_E_FORMAT;
	ssh_rd_init(&r, payload, len);
	if (ssh_rd_u8(&r) != SSH_MSG_KEXINIT)
		return -SSH_E_FORMAT;
	cookie = ssh_rd_take(&r, SSH_COOKIE_LEN);
	for (int i = 0; i < SSH_PROPS; i++)
		m.list[i] = ssh_rd_str(&r);
	m.first_kex_packet_follows = ssh_rd_bool(&r);
	reserved = ssh_rd_u32(&r);
	if (!ssh_rd_done(&r) || reserved != 0)
		return -SSH_E_FORMAT;
	for (int i = 0; i < SSH_PROPS; i++)
		if (!list_ok(m.list[i]))
			return -SSH_E_FORMAT;

	memcpy(m.cookie, cookie, SSH_COOKIE_LEN);
	*ret = m;
	return 0;
}

void ssh_kexinit_build(struct ssh_wr *w, const struct ssh_kexinit *m)
{
	ssh_wr_u8(w, SSH_MSG_KEXINIT);
	ssh_wr_bytes(w, m->cookie, SSH_COOKIE_LEN);
	for (int i = 0; i < SSH_PROPS; i++)
		ssh_wr_str(w, m->list[i]);
	ssh_wr_bool(w, m->first_kex_packet_follows);
	ssh_wr_u32(w, 0);
}

bool ssh_kex_is_marker(struct ssh_str name)
{
	return ssh_str_eq(name, SSH_EXT_INFO_C) || ssh_str_eq(name, SSH_EXT_INFO_S) ||
	       ssh_str_eq(name, SSH_KEX_STRICT_C) || ssh_str_eq(name, SSH_KEX_STRICT_S);
}

/* The C string of a name, for the tables' finders; name_ok() bounds it. */
static const char *name_c(struct ssh_str name, char buf[SSH_NAME_MAX + 1])
{
	if (name.len > SSH_NAME_MAX)
		return "";
	memcpy(buf, name.p, name.len);
	buf[name.len] = '\0';
	return buf;
}

/* The first name of the client's that the server has too. */
static bool match(struct ssh_str client, struct ssh_str server, struct ssh_str *ret)
{
	struct ssh_str name;

	while (ssh_names_next(&client, &name)) {
		if (!ssh_kex_is_marker(name) && names_have(server, name)) {
			*ret = name;
			return true;
		}
	}
	return false;
}

static int agree_kex(const struct ssh_kexinit *c, const struct ssh_kexinit *s,
		     struct ssh_agreed *ret)
{
	char buf[SSH_NAME_MAX + 1];
	struct ssh_str name;

	/* Every method but GSS-API's needs a host key that signs, and every host key but null does.
	 */
	if (!match(c->list[SSH_PROP_KEX], s->list[SSH_PROP_KEX], &name))
		return -SSH_E_NO_KEX_ALG;
	ret->kex = kex_method_find(name_c(name, buf));
	return ret->kex != NULL ? 0 : -SSH_E_NO_KEX_ALG;
}

/* The first name of the client's that the server has too; null for methods of GSS-API only. */
static bool match_hostkey(struct ssh_str client, struct ssh_str server, bool gss,
			  struct ssh_str *ret)
{
	struct ssh_str name;

	while (ssh_names_next(&client, &name)) {
		if ((gss || !ssh_str_eq(name, SSH_HOSTKEY_NULL)) && names_have(server, name)) {
			*ret = name;
			return true;
		}
	}
	return false;
}

static int agree_hostkey(const struct ssh_kexinit *c, const struct ssh_kexinit *s,
			 struct ssh_agreed *ret)
{
	struct ssh_str name;
	const char *alg;

	if (!match_hostkey(c->list[SSH_PROP_HOSTKEY], s->list[SSH_PROP_HOSTKEY], ret->kex->gss,
			   &name))
		return -SSH_E_NO_HOSTKEY_ALG;
	if (ssh_str_eq(name, SSH_HOSTKEY_NULL)) {
		ret->hostkey = SSH_HOSTKEY_NULL;
		return 0;
	}
	for (unsigned int i = 0; (alg = key_sig_alg_at(i)) != NULL; i++) {
		if (ssh_str_eq(name, alg)) {
			ret->hostkey = alg;
			return 0;
		}
	}
	return -SSH_E_NO_HOSTKEY_ALG;
}

/*
 * dir: 0 client to server, 1 server to client. A cipher that authenticates by itself
 * needs no MAC, and none need be common to both sides (OpenSSH PROTOCOL section 1.6).
 */
static int agree_suite(const struct ssh_kexinit *c, const struct ssh_kexinit *s, int dir,
		       struct ssh_agreed *ret)
{
	char cipher_buf[SSH_NAME_MAX + 1], mac_buf[SSH_NAME_MAX + 1];
	struct ssh_str cipher, mac;
	const char *cipher_name;

	if (!match(c->list[SSH_PROP_CIPHER_CS + dir], s->list[SSH_PROP_CIPHER_CS + dir], &cipher))
		return -SSH_E_NO_CIPHER;
	cipher_name = name_c(cipher, cipher_buf);
	ret->suite[dir] = cipher_suite_find(cipher_name, "");
	if (ret->suite[dir] != NULL)
		return 0;
	if (!match(c->list[SSH_PROP_MAC_CS + dir], s->list[SSH_PROP_MAC_CS + dir], &mac))
		return -SSH_E_NO_MAC;
	ret->suite[dir] = cipher_suite_find(cipher_name, name_c(mac, mac_buf));
	return ret->suite[dir] != NULL ? 0 : -SSH_E_NO_MAC;
}

static int agree_comp(const struct ssh_kexinit *c, const struct ssh_kexinit *s, int dir,
		      struct ssh_agreed *ret)
{
	char buf[SSH_NAME_MAX + 1];
	struct ssh_str name;
	int comp;

	if (!match(c->list[SSH_PROP_COMP_CS + dir], s->list[SSH_PROP_COMP_CS + dir], &name))
		return -SSH_E_NO_COMP;
	comp = ssh_comp_find(name_c(name, buf));
	if (comp < 0)
		return -SSH_E_NO_COMP;
	ret->comp[dir] = (enum ssh_comp)comp;
	return 0;
}

/* RFC 4253 section 7: a guess is right when the first method and first host key agree. */
static bool guess_right(const struct ssh_kexinit *a, const struct ssh_kexinit *b)
{
	for (int i = SSH_PROP_KEX; i <= SSH_PROP_HOSTKEY; i++) {
		struct ssh_str la = a->list[i], lb = b->list[i], first_a, first_b;

		if (!ssh_names_next(&la, &first_a) || !ssh_names_next(&lb, &first_b) ||
		    !str_same(first_a, first_b))
			return false;
	}
	return true;
}

int ssh_kexinit_negotiate(enum ssh_role we_are, const struct ssh_kexinit *mine,
			  const struct ssh_kexinit *peer, struct ssh_agreed *ret)
{
	const struct ssh_kexinit *c = we_are == SSH_CLIENT ? mine : peer;
	const struct ssh_kexinit *s = we_are == SSH_CLIENT ? peer : mine;
	struct ssh_agreed a = {0};
	int r;

	r = agree_kex(c, s, &a);
	if (r == 0)
		r = agree_hostkey(c, s, &a);
	for (int dir = 0; r == 0 && dir < 2; dir++)
		r = agree_suite(c, s, dir, &a);
	for (int dir = 0; r == 0 && dir < 2; dir++)
		r = agree_comp(c, s, dir, &a);
	if (r < 0)
		return r;

	a.discard_guess = peer->first_kex_packet_follows && !guess_right(mine, peer);
	*ret = a;
	return 0;
}

static bool has_part(struct ssh_str s, const char *part)
{
	return s.len != 0 && memmem(s.p, s.len, part, strlen(part)) != NULL;
}

/* CBC with every MAC: which one will come with it is not known from its name. */
bool ssh_cipher_needs_strict(struct ssh_str cipher)
{
	return ssh_str_eq(cipher, "chacha20-poly1305@openssh.com") || has_part(cipher, "-cbc");
}

bool ssh_suite_needs_strict(const struct cipher_suite *suite)
{
	struct ssh_str cipher = ssh_str_c(suite->cipher_name);

	return suite->shape == CIPHER_CHAPOLY ||
	       (suite->shape == CIPHER_ETM && has_part(cipher, "-cbc"));
}
