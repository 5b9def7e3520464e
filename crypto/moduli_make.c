/*
 * crypto/moduli_make.c - safe primes for group exchange: made and looked at (RFC 4419 section 6.1).
 *
 * The generator is 2 where p mod 24 is 11, 5 where p mod 10 is 3 or 7: it generates all numbers
 * modulo p then, not only the half that are squares. 3, where p mod 12 is 5, is no safe prime's.
 */
#include <errno.h>

#include <openssl/bn.h>
#include <openssl/err.h>

#include "crypto/moduli.h"

struct watch {
	bool (*going)(void *arg);
	void *arg;
};

static int watch_cb(int event, int n, BN_GENCB *cb)
{
	const struct watch *w = BN_GENCB_get_arg(cb);

	(void)event;
	(void)n;
	return w->going == NULL || w->going(w->arg);
}

/* 0: p has none of those. */
static unsigned int generator(const BIGNUM *p)
{
	BN_ULONG ten = BN_mod_word(p, 10);

	if (BN_mod_word(p, 24) == 11)
		return 2;
	return ten == 3 || ten == 7 ? 5 : 0;
}

static int group_from(const BIGNUM *p, struct kex_group *ret)
{
	int len = BN_num_bytes(p);

	if (len > KEX_GROUP_MAX || BN_bn2bin(p, ret->p) != len)
		return -EIO;
	ret->p_len = (uint16_t)len;
	ret->g[0] = (uint8_t)generator(p);
	ret->g_len = 1;
	return ret->g[0] != 0 ? 0 : -EBADMSG;
}

static int residue(BIGNUM *add, BIGNUM *rem)
{
	return BN_set_word(add, 24) == 1 && BN_set_word(rem, 11) == 1;
}

int moduli_generate(unsigned int bits, bool (*going)(void *arg), void *arg, struct kex_group *ret)
{
	struct watch w = {going, arg};
	BIGNUM *p = BN_new(), *add = BN_new(), *rem = BN_new();
	BN_GENCB *cb = BN_GENCB_new();
	int r = -ENOMEM;

	if (p == NULL || add == NULL || rem == NULL || cb == NULL)
		goto out;
	r = -EINVAL;
	if (bits < MODULI_BITS_MIN || bits > MODULI_BITS_MAX)
		goto out;
	BN_GENCB_set(cb, watch_cb, &w);
	r = -EIO;
	if (residue(add, rem) != 1)
		goto out;
	if (BN_generate_prime_ex(p, (int)bits, 1, add, rem, cb) == 1)
		r = group_from(p, ret);
	else if (going != NULL && !going(arg))
		r = -ECANCELED;
out:
	BN_GENCB_free(cb);
	BN_free(rem);
	BN_free(add);
	BN_free(p);
	if (r < 0)
		ERR_clear_error();
	return r;
}

/* Both p and (p - 1) / 2 are prime. */
static int is_safe(const BIGNUM *p, BIGNUM *q, BN_CTX *ctx)
{
	int r = BN_rshift1(q, p) == 1 ? BN_check_prime(q, ctx, NULL) : -1;

	if (r == 1)
		r = BN_check_prime(p, ctx, NULL);
	if (r < 0)
		return -EIO;
	return r == 1 ? 0 : -EBADMSG;
}

int moduli_screen(const uint8_t *p, size_t p_len, struct kex_group *ret)
{
	BIGNUM *n = p_len <= KEX_GROUP_MAX ? BN_bin2bn(p, (int)p_len, NULL) : NULL, *q = BN_new();
	BN_CTX *ctx = BN_CTX_new();
	int r = -EBADMSG;

	if (p_len > KEX_GROUP_MAX)
		goto out;
	r = -ENOMEM;
	if (n == NULL || q == NULL || ctx == NULL)
		goto out;
	r = -EBADMSG;
	if (BN_num_bits(n) >= MODULI_BITS_MIN && BN_is_odd(n))
		r = is_safe(n, q, ctx);
	if (r == 0)
		r = group_from(n, ret);
out:
	BN_CTX_free(ctx);
	BN_free(q);
	BN_free(n);
	if (r < 0)
		ERR_clear_error();
	return r;
}
