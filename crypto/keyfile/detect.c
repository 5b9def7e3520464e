/* crypto/keyfile/detect.c - which format a file is of, and reading it as such. */
#include <errno.h>

#include "crypto/keyfile/internal.h"
#include "crypto/secret.h"

static bool is_pem(struct blob_str s)
{
	return memmem(s.p, s.len, "-----BEGIN ", 11) != NULL;
}

static bool is_der(struct blob_str s)
{
	return s.len > 2 && s.p[0] == 0x30;
}

static bool is_line(struct blob_str s)
{
	static const char *const starts[] = {"ssh-",    "ecdsa-",    "sk-",
					     "x509v3-", "rsa-sha2-", "webauthn-"};
	struct blob_rd r = blob_rd_init(s.p, s.len);
	struct blob_str line;

	while (kf_line(&r, &line)) {
		line = kf_trim(line);
		if (line.len == 0 || *line.p == '#')
			continue;
		for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
			if (kf_starts(line, starts[i]))
				return true;
		return false;
	}
	return false;
}

static bool is_blob(struct blob_str s)
{
	struct blob_rd r = blob_rd_init(s.p, s.len);
	struct blob_str name = blob_rd_str(&r);

	return !r.bad && (key_type_find(name) != NULL || key_type_find_cert(name) != NULL);
}

static int blob_parse(struct kf_ctx *c, struct blob_str s)
{
	c->kf->format = KEYFILE_OPENSSH;
	return key_blob_parse_any(s.p, s.len, &c->kf->key);
}

static bool is_ppk(struct blob_str s)
{
	return kf_starts(s, "PuTTY-User-Key-File-");
}

static bool is_rfc4716(struct blob_str s)
{
	return kf_starts(s, "---- BEGIN SSH2 PUBLIC KEY ----");
}

static bool is_jwk(struct blob_str s)
{
	return s.len > 0 && *s.p == '{';
}

static bool is_xml(struct blob_str s)
{
	return s.len > 0 && *s.p == '<';
}

static bool is_pkcs11(struct blob_str s)
{
	return kf_starts(s, "pkcs11:");
}

static bool is_jks(struct blob_str s)
{
	return kf_starts(s, "\xfe\xed\xfe\xed") || kf_starts(s, "\xce\xce\xce\xce");
}

static int jks_parse(struct kf_ctx *c, struct blob_str s)
{
	(void)s;
	return kf_fail(c, -EMEDIUMTYPE, KF_JKS_INSTEAD);
}

static bool is_ssh2_private(struct blob_str s)
{
	return kf_starts(s, "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----");
}

static int ssh2_private_parse(struct kf_ctx *c, struct blob_str s)
{
	(void)s;
	return kf_fail(c, -EMEDIUMTYPE,
		       "a private key of the old ssh.com: convert it with ssh-keygen -i");
}

static const struct form {
	bool (*is)(struct blob_str s);
	kf_parse *parse;
	enum keyfile_format format; /* PEM stands for all that PEM and DER can hold */
} forms[] = {
	{is_jks, jks_parse, KEYFILE_AUTO},
	{is_ssh2_private, ssh2_private_parse, KEYFILE_AUTO},
	{is_pkcs11, kf_pkcs11_parse, KEYFILE_PKCS11},
	{is_ppk, kf_ppk_parse, KEYFILE_PPK},
	{is_rfc4716, kf_rfc4716_parse, KEYFILE_RFC4716},
	{is_jwk, kf_jwk_parse, KEYFILE_JWK},
	{is_xml, kf_xml_parse, KEYFILE_XML},
	{is_pem, kf_pem_parse, KEYFILE_PEM},
	{is_line, kf_line_parse, KEYFILE_OPENSSH},
	{is_der, kf_der_parse, KEYFILE_PEM},
	{is_blob, blob_parse, KEYFILE_OPENSSH},
};

static const struct form *form_of(struct blob_str s)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (forms[i].is(s))
			return &forms[i];
	return NULL;
}

/* Whether a file that looks so can be what the caller says it is. */
static bool may_be(enum keyfile_format wanted, enum keyfile_format seen)
{
	switch (wanted) {
	case KEYFILE_AUTO:
		return true;
	case KEYFILE_OPENSSH:
		return seen == KEYFILE_PEM || seen == KEYFILE_OPENSSH || seen == KEYFILE_AUTO;
	case KEYFILE_PEM:
	case KEYFILE_PKCS8:
	case KEYFILE_PFX:
	case KEYFILE_X509:
	case KEYFILE_P7B:
		return seen == KEYFILE_PEM || seen == KEYFILE_AUTO;
	default:
		return seen == wanted || seen == KEYFILE_AUTO;
	}
}

static bool turned_out(enum keyfile_format wanted, enum keyfile_format is)
{
	switch (wanted) {
	case KEYFILE_AUTO:
		return true;
	case KEYFILE_PEM:
		return is != KEYFILE_PFX;
	default:
		return is == wanted;
	}
}

static int mismatch(struct kf_ctx *c, enum keyfile_format is)
{
	return kf_fail(c, -EBADMSG, "its format is %s, not %s", keyfile_format_name(is),
		       keyfile_format_name(c->o->format));
}

static int form_parse(struct kf_ctx *c, const struct form *f, struct blob_str s)
{
	int r;

	if (!may_be(c->o->format, f->format))
		return mismatch(c, f->format);
	/* It names a library to load: whoever gave us the URI may do that, not who wrote a file. */
	if (f->format == KEYFILE_PKCS11 && c->o->format != KEYFILE_PKCS11 &&
	    strncmp(c->what, "pkcs11:", strlen("pkcs11:")) != 0)
		return kf_fail(c, -EBADMSG,
			       "the URI of a token is given instead of a file, not in it");
	r = f->parse(c, s);
	if (r == 0 && !turned_out(c->o->format, c->kf->format))
		return mismatch(c, c->kf->format);
	return r;
}

/* Base64 of any of them, as a setting that holds a key would have it. */
static int base64_parse(struct kf_ctx *c, struct blob_str s)
{
	const struct form *f;
	size_t len = 0, size = 0;
	uint8_t *p;
	int r;

	r = kf_base64(s, &p, &len, &size);
	if (r < 0)
		return r == -ENOMEM ? r : -EBADMSG;
	s = (struct blob_str){p, len};
	f = form_of(s);
	r = f == NULL ? -EBADMSG : form_parse(c, f, s);
	secret_free(p, size);
	return r;
}

int kf_detect(struct kf_ctx *c, struct blob_str s)
{
	struct blob_str text = s;
	const struct form *f = form_of(s);

	if (f == NULL) { /* a text may begin with a mark of its encoding, and with blanks */
		if (kf_starts(text, "\xef\xbb\xbf")) {
			text.p += 3;
			text.len -= 3;
		}
		text = kf_trim(text);
		f = form_of(text);
	}
	if (f != NULL)
		return form_parse(c, f, text);
	return base64_parse(c, text);
}
