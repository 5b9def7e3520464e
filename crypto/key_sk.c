/*
 * crypto/key_sk.c - public keys of security keys: sk-ssh-ed25519@openssh.com and
 * sk-ecdsa-sha2-nistp256@openssh.com (OpenSSH's PROTOCOL.u2f).
 *
 * The fields of the bare type, then what the key was made for ("ssh:"). Their private half
 * never leaves the token: nothing here signs.
 */
#include <errno.h>

#include "crypto/key_internal.h"

/* The type whose fields and signatures these are. */
static const struct key_type *bare(const struct key_type *t)
{
	return t->param;
}

static int sk_public_parse(const struct key_type *t, struct blob_rd *r, EVP_PKEY **ret)
{
	struct blob_rd fields = {.p = r->p};

	for (unsigned int i = 0; i < bare(t)->public_fields; i++)
		blob_rd_str(r);
	fields.end = r->p;
	blob_rd_str(r); /* application */
	if (!blob_rd_done(r))
		return -EBADMSG;
	return bare(t)->public_parse(bare(t), &fields, ret);
}

struct blob_str key_sk_application(const struct key *plain)
{
	struct blob_rd r = blob_rd_init(plain->blob, plain->blob_len);

	for (unsigned int i = 0; i < 1 + bare(plain->type)->public_fields; i++)
		blob_rd_str(&r);
	return blob_rd_str(&r);
}

static int sk_build(const struct key_type *t, EVP_PKEY *pkey, struct blob_wr *w)
{
	(void)t;
	(void)pkey;
	(void)w;
	return -ENOTSUP;
}

static int sk_private_parse(const struct key_type *t, struct blob_rd *r, EVP_PKEY **ret)
{
	(void)t;
	(void)r;
	(void)ret;
	return -ENOTSUP;
}

static bool sk_is(const struct key_type *t, EVP_PKEY *pkey)
{
	(void)t;
	(void)pkey;
	return false;
}

static int sk_generate(const struct key_type *t, unsigned int bits, EVP_PKEY **ret)
{
	(void)t;
	(void)bits;
	(void)ret;
	return -ENOTSUP;
}

static unsigned int sk_bits(const struct key_type *t, EVP_PKEY *pkey)
{
	return bare(t)->bits(bare(t), pkey);
}

static int sk_sig_to_wire(const struct key_type *t, const uint8_t *raw, size_t raw_len,
			  struct blob_wr *w)
{
	(void)t;
	(void)raw;
	(void)raw_len;
	(void)w;
	return -ENOTSUP;
}

static int sk_sig_from_wire(const struct key_type *t, EVP_PKEY *pkey, struct blob_str sig,
			    uint8_t *raw, size_t *ret_len)
{
	return bare(t)->sig_from_wire(bare(t), pkey, sig, raw, ret_len);
}

#define SK                                                                                         \
	.sk = true, .public_parse = sk_public_parse, .public_build = sk_build,                     \
	.private_parse = sk_private_parse, .private_build = sk_build, .is = sk_is,                 \
	.generate = sk_generate, .bits = sk_bits, .sig_to_wire = sk_sig_to_wire,                   \
	.sig_from_wire = sk_sig_from_wire

const struct key_type key_type_sk_ed25519 = {
	.name = "sk-ssh-ed25519@openssh.com",
	.log_name = "ED25519-SK",
	.cert_name = "sk-ssh-ed25519-cert-v01@openssh.com",
	.cert_log_name = "ED25519-SK-CERT",
	.public_fields = 2,
	.verify = key_ed25519_verify,
	.param = &key_type_ed25519,
	SK,
};

const struct key_type key_type_sk_ecdsa = {
	.name = "sk-ecdsa-sha2-nistp256@openssh.com",
	.log_name = "ECDSA-SK",
	.cert_name = "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
	.cert_log_name = "ECDSA-SK-CERT",
	.public_fields = 3,
	.param = &key_type_ecdsa_p256,
	SK,
};
