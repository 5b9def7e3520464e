/*
 * tests/fuzz/fuzz_kex.c - what a peer sends as its public value, to every method, in both roles.
 *
 * The first byte says which: its lower bits the method, ROLE that we began, FIT that the value is
 * cut or filled up with zeros to the one length that is looked at.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/kex.h"

#define ROLE 0x80
#define FIT  0x40

#define METHODS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct kex_key *begun[METHODS_MAX];

static unsigned int n_methods(void)
{
	unsigned int n = 0;

	while (kex_method_name_at(n) != NULL)
		n++;
	if (n > METHODS_MAX)
		abort();
	return n;
}

/* What a group exchange would have agreed on: none the library knows, and quick. */
static const struct kex_group *group_for(const struct kex_method *m)
{
	static struct kex_group g;

	if (!m->group_exchange)
		return NULL;
	if (g.p_len == 0 && kex_group_fixed(1024, &g) < 0)
		abort();
	g.g[0] = 5;
	return &g;
}

static size_t longest(const struct kex_method *m, bool from_client)
{
	if (m->group_exchange)
		return group_for(m)->p_len;
	return from_client ? m->client_public_len : m->server_public_len;
}

static int finish(const struct kex_method *m, struct kex_key **k, const uint8_t *peer, size_t len,
		  uint8_t *secret, size_t *ret_len)
{
	uint8_t pub[KEX_PUBLIC_MAX];
	size_t pub_len;

	if (*k == NULL && kex_init(m, group_for(m), k, pub, &pub_len) < 0)
		abort();
	return kex_finish(m, *k, peer, len, secret, ret_len);
}

static int respond(const struct kex_method *m, const uint8_t *peer, size_t len, uint8_t *secret,
		   size_t *ret_len)
{
	uint8_t pub[KEX_PUBLIC_MAX];
	size_t pub_len = 0;
	int r = kex_respond(m, group_for(m), peer, len, pub, &pub_len, secret, ret_len);

	if (r == 0 && pub_len != longest(m, false))
		abort();
	return r;
}

/* 0 with a secret that is one, or the peer's fault: never ours. */
static void judge(int r, bool right_length, const uint8_t *secret, size_t len)
{
	static const uint8_t zero[KEX_SECRET_MAX];

	if (r != 0 && r != -EBADMSG)
		abort();
	if (r == 0 &&
	    (!right_length || len == 0 || len > KEX_SECRET_MAX || memcmp(secret, zero, len) == 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t fitted[KEX_PUBLIC_MAX] = {0}, secret[KEX_SECRET_MAX];
	const struct kex_method *m;
	size_t want, len = 0;
	const uint8_t *peer;
	unsigned int i;
	bool role;
	int r;

	if (size == 0)
		return 0;
	i = (data[0] & (FIT - 1)) % n_methods();
	role = data[0] & ROLE;
	m = kex_method_find(kex_method_name_at(i));
	want = longest(m, !role);
	peer = data + 1;
	size--;
	if (data[0] & FIT) {
		memcpy(fitted, peer, size < want ? size : want);
		peer = fitted;
		size = want;
	}
	r = role ? finish(m, &begun[i], peer, size, secret, &len)
		 : respond(m, peer, size, secret, &len);
	judge(r, m->q_form == KEX_MPINT ? size > 0 && size <= want : size == want, secret, len);
	return 0;
}
