/*
 * ssh/brain_kexinit.c - the beginning of a key exchange: both KEXINITs, strict key exchange, and
 * what was agreed on.
 *
 * Source  RFC 4253 section 7, RFC 8308 section 2.1, RFC 4462 section 5, OpenSSH PROTOCOL 1.10.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "ssh/internal.h"

#define LIST_MAX 4096 /* of a list we write */

/* Our KEXINIT ----------------------------------------------------------------------- */

struct list {
	char s[LIST_MAX];
	uint32_t len;
};

/* -SSH_E_INTERNAL when it does not fit: the configuration's lists are that long. */
static int list_add(struct list *l, struct ssh_str name)
{
	if (name.len + 1 > sizeof(l->s) - l->len)
		return -SSH_E_INTERNAL;
	if (l->len > 0)
		l->s[l->len++] = ',';
	memcpy(l->s + l->len, name.p, name.len);
	l->len += name.len;
	return 0;
}

/* Markers are part of the first KEXINIT only; later ones are ignored (S-06 d). */
static int list_kex(const struct ssh_brain *b, bool first, struct list *ret)
{
	int r = list_add(ret, ssh_str_c(b->lists.kex));

	if (r == 0 && first)
		r = list_add(ret, ssh_str_c(brain_is_server(b) ? SSH_EXT_INFO_S : SSH_EXT_INFO_C));
	if (r == 0 && first && b->strict != SSH_STRICT_OFF)
		r = list_add(ret,
			     ssh_str_c(brain_is_server(b) ? SSH_KEX_STRICT_S : SSH_KEX_STRICT_C));
	return r;
}

/* A server offers what it has keys for, a client what it takes. */
static int list_hostkey(const struct ssh_brain *b, struct list *ret)
{
	struct ssh_str rest = ssh_str_c(b->lists.hostkey), name;
	int r = 0;

	while (r == 0 && ssh_names_next(&rest, &name))
		if (!brain_is_server(b) || kex_hostkey_for(b, name) != NULL)
			r = list_add(ret, name);
	/* RFC 4462 section 5: a method that authenticates the host by itself needs no key. */
	if (r == 0 && strstr(b->lists.kex, "gss-") != NULL)
		r = list_add(ret, ssh_str_c(SSH_HOSTKEY_NULL));
	return r;
}

/* only_safe: a peer without strict kex stands on the other side, and safe was asked for. */
static int list_ciphers(const struct ssh_brain *b, bool only_safe, struct list *ret)
{
	struct ssh_str rest = ssh_str_c(b->lists.ciphers), name;
	int r = 0;

	while (r == 0 && ssh_names_next(&rest, &name))
		if (!only_safe || !ssh_cipher_needs_strict(name))
			r = list_add(ret, name);
	return r;
}

static int kex_begin(struct ssh_brain *b)
{
	if (b->kex != NULL)
		return 0;
	b->kex = calloc(1, sizeof(*b->kex));
	if (b->kex == NULL)
		return -SSH_E_MEMORY;
	b->kex->first = b->phase.kex == SSH_KEX_FIRST_INIT;
	return 0;
}

static uint8_t *copy(const uint8_t *p, size_t len)
{
	uint8_t *c = malloc(len);

	if (c != NULL)
		memcpy(c, p, len);
	return c;
}

static int build_init(struct ssh_brain *b, struct ssh_wr *w, bool only_safe)
{
	struct list kex = {.len = 0}, hostkey = {.len = 0}, ciphers = {.len = 0};
	struct ssh_kexinit m = {0};
	struct ssh_str macs = ssh_str_c(b->lists.macs), comp = ssh_str_c(b->lists.comp);
	int r;

	r = list_kex(b, b->kex->first, &kex);
	if (r == 0)
		r = list_hostkey(b, &hostkey);
	if (r == 0)
		r = list_ciphers(b, only_safe, &ciphers);
	if (r == 0)
		r = crypto_random(m.cookie, sizeof(m.cookie));
	if (r < 0)
		return r;

	m.list[SSH_PROP_KEX] = (struct ssh_str){(uint8_t *)kex.s, kex.len};
	m.list[SSH_PROP_HOSTKEY] = (struct ssh_str){(uint8_t *)hostkey.s, hostkey.len};
	for (int dir = 0; dir < 2; dir++) {
		m.list[SSH_PROP_CIPHER_CS + dir] =
			(struct ssh_str){(uint8_t *)ciphers.s, ciphers.len};
		m.list[SSH_PROP_MAC_CS + dir] = macs;
		m.list[SSH_PROP_COMP_CS + dir] = comp;
	}
	ssh_kexinit_build(w, &m);
	return 0;
}

static int send_init(struct ssh_brain *b, bool only_safe)
{
	struct kex *k;
	struct ssh_wr w;
	size_t len;
	int r;

	r = kex_begin(b);
	if (r < 0)
		return r;
	k = b->kex;
	r = send_begin(b, &w, SSH_KEXINIT_MAX);
	if (r < 0)
		return r;
	r = build_init(b, &w, only_safe);
	if (r < 0) {
		send_abort(b);
		return r;
	}
	len = ssh_wr_done(&w);
	k->i_mine = copy(w.start, len);
	k->i_mine_len = (uint32_t)len;
	r = send_end(b, &w);
	return r == 0 && k->i_mine == NULL ? -SSH_E_MEMORY : r;
}

int kex_send_init(struct ssh_brain *b)
{
	return send_init(b, false);
}

/* The peer's KEXINIT ---------------------------------------------------------------- */

static int start_strict(struct ssh_brain *b, uint32_t seqnr, const struct ssh_kexinit *peer)
{
	const char *marker = brain_is_server(b) ? SSH_KEX_STRICT_C : SSH_KEX_STRICT_S;
	bool has = ssh_names_have(peer->list[SSH_PROP_KEX], marker);

	if (b->strict == SSH_STRICT_OFF || !has)
		return b->strict == SSH_STRICT_REQUIRE ? -SSH_E_STRICT : 0;
	/* "terminate the connection if the first packet received is not KEXINIT" */
	if (seqnr != 0)
		return -SSH_E_STRICT;
	b->phase.strict = true;
	return act_push(b, SSH_ACT_STRICT, 0) != NULL ? 0 : -SSH_E_MEMORY;
}

static int negotiate(struct ssh_brain *b, const struct ssh_kexinit *peer)
{
	struct kex *k = b->kex;
	struct ssh_kexinit mine;
	int r;

	r = ssh_kexinit_parse(k->i_mine, k->i_mine_len, &mine);
	if (r == 0)
		r = ssh_kexinit_negotiate(b->phase.role, &mine, peer, &k->agreed);
	if (r < 0)
		return r;
	if (b->strict == SSH_STRICT_SAFE && !b->phase.strict &&
	    (ssh_suite_needs_strict(k->agreed.suite[0]) ||
	     ssh_suite_needs_strict(k->agreed.suite[1])))
		return -SSH_E_NO_CIPHER;
	if (!brain_is_server(b) || k->agreed.kex->gss)
		return 0;
	k->host = kex_hostkey_for(b, ssh_str_c(k->agreed.hostkey));
	if (k->first)
		b->first_host = k->host;
	return k->host != NULL ? 0 : -SSH_E_NO_HOSTKEY_ALG;
}

/* The first step of the method: a client takes it, a server awaits it. */
static int begin_method(struct ssh_brain *b)
{
	const struct kex_method *m = b->kex->agreed.kex;

	if (m->group_exchange)
		b->phase.step = m->gss ? SSH_STEP_GSS_REQUEST : SSH_STEP_GEX_REQUEST;
	else
		b->phase.step = m->gss ? SSH_STEP_GSS_INIT : SSH_STEP_PUBLIC;
	if (brain_is_server(b))
		return 0;
	if (m->group_exchange)
		return gex_begin(b);
	return m->gss ? gss_begin(b) : kex_start_ephemeral(b);
}

int kex_input_init(struct ssh_brain *b, uint32_t seqnr, const uint8_t *p, size_t len)
{
	struct ssh_kexinit peer;
	struct kex *k;
	bool guess;
	int r;

	r = ssh_kexinit_parse(p, len, &peer);
	if (r == 0)
		r = kex_begin(b);
	if (r < 0)
		return r;
	k = b->kex;
	k->i_peer = copy(p, len);
	k->i_peer_len = (uint32_t)len;
	if (k->i_peer == NULL)
		return -SSH_E_MEMORY;
	if (k->first) {
		b->peer_ext_info =
			ssh_names_have(peer.list[SSH_PROP_KEX],
				       brain_is_server(b) ? SSH_EXT_INFO_C : SSH_EXT_INFO_S);
		r = start_strict(b, seqnr, &peer);
	}
	if (r == 0 && k->i_mine == NULL)
		r = send_init(b, b->strict == SSH_STRICT_SAFE && !b->phase.strict);
	if (r == 0)
		r = negotiate(b, &peer);
	if (r < 0)
		return r;

	guess = k->agreed.discard_guess;
	if (k->first)
		b->phase.kex = guess ? SSH_KEX_FIRST_GUESS : SSH_KEX_FIRST_METHOD;
	else
		b->phase.kex = guess ? SSH_KEX_GUESS : SSH_KEX_METHOD;
	return begin_method(b);
}

int ssh_brain_resume_kex(struct ssh_brain *b, const uint8_t *payload, size_t len)
{
	struct ssh_kexinit mine;
	int r;

	if (!brain_is_server(b) || b->phase.svc != SSH_SVC_OPEN || b->phase.kex != SSH_KEX_NONE ||
	    b->kex != NULL || ssh_kexinit_parse(payload, len, &mine) < 0)
		return -EINVAL;
	r = kex_begin(b);
	if (r < 0)
		return r;
	b->kex->i_mine = copy(payload, len);
	b->kex->i_mine_len = (uint32_t)len;
	return b->kex->i_mine != NULL ? 0 : -SSH_E_MEMORY;
}
