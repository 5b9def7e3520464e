/*
 * crypto/key_sk_sig.c - what a security key signs instead of the data itself (OpenSSH's
 * PROTOCOL.u2f; W3C WebAuthn sections 5.8.1 and 6.1).
 *
 *   SHA256(application) || flags || counter || extensions || SHA256(message)
 *
 * The message is the data or, from a browser, a JSON text that quotes it as its challenge.
 */
#include <errno.h>
#include <stdlib.h>

#include "crypto/base64.h"
#include "crypto/key_internal.h"

#define FLAG_ATTESTED   0x40 /* belongs to the making of keys, not to signatures */
#define FLAG_EXTENSIONS 0x80

#define WEBAUTHN_CHALLENGE "{\"type\":\"webauthn.get\",\"challenge\":\""
#define WEBAUTHN_ORIGIN    "\",\"origin\":\""

void key_sk_sig_parse(struct blob_rd *r, bool webauthn, struct key_sk_sig *ret)
{
	const uint8_t *flags = blob_rd_take(r, 1);

	ret->flags = flags != NULL ? *flags : 0;
	ret->counter = blob_rd_u32(r);
	if (webauthn) {
		ret->origin = blob_rd_str(r);
		ret->client_data = blob_rd_str(r);
		ret->extensions = blob_rd_str(r);
	}
}

/* base64url without padding (RFC 4648 section 5), of len bytes; returns its length. */
static size_t base64url(const uint8_t *p, size_t len, char *out)
{
	size_t n = base64_len(len);

	base64_encode(p, len, out);
	while (n > 0 && out[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++)
		out[i] = (char)(out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i]);
	return n;
}

/*
 * The text a browser signs begins with these members in this order (WebAuthn 5.8.1.1); what
 * comes behind is its own. An origin with a quote in it could end the string early.
 */
static bool client_data_says(const struct key_sk_sig *s, const uint8_t *data, size_t len)
{
	size_t max = sizeof(WEBAUTHN_CHALLENGE) + base64_len(len) + sizeof(WEBAUTHN_ORIGIN) +
		     s->origin.len + 2;
	uint8_t *text = malloc(max);
	struct blob_wr w = blob_wr_init(text, max);
	bool ok = false;

	if (text == NULL)
		return false;
	blob_wr_put(&w, WEBAUTHN_CHALLENGE, strlen(WEBAUTHN_CHALLENGE));
	w.len += base64url(data, len, (char *)w.p + w.len);
	blob_wr_put(&w, WEBAUTHN_ORIGIN, strlen(WEBAUTHN_ORIGIN));
	blob_wr_put(&w, s->origin.p, s->origin.len);
	blob_wr_put(&w, "\"", 1);
	if (!w.bad && w.len <= s->client_data.len)
		ok = memcmp(s->client_data.p, w.p, w.len) == 0;
	free(text);
	return ok;
}

static bool webauthn_ok(const struct key_sk_sig *s, const uint8_t *data, size_t len)
{
	bool extended = (s->flags & FLAG_EXTENSIONS) != 0;

	if ((s->flags & FLAG_ATTESTED) != 0 || extended != (s->extensions.len > 0))
		return false;
	if (memchr(s->origin.p, '"', s->origin.len) != NULL ||
	    memchr(s->origin.p, '\\', s->origin.len) != NULL ||
	    memchr(s->origin.p, '\0', s->origin.len) != NULL)
		return false;
	return client_data_says(s, data, len);
}

int key_sk_signed(const struct key *plain, const struct key_sk_sig *s, bool webauthn,
		  const uint8_t *data, size_t len, uint8_t **ret, size_t *ret_len)
{
	struct blob_str application = key_sk_application(plain);
	struct hash_piece app = {application.p, application.len}, message = {data, len};
	size_t digest_len = hash_len(HASH_SHA256);
	size_t max = 2 * digest_len + 1 + 4 + s->extensions.len;
	uint8_t digest[HASH_LEN_MAX];
	struct blob_wr w;
	uint8_t *buf;
	int r;

	if (webauthn && !webauthn_ok(s, data, len))
		return -EBADMSG;
	if (webauthn)
		message = (struct hash_piece){s->client_data.p, s->client_data.len};
	buf = malloc(max);
	if (buf == NULL)
		return -ENOMEM;
	w = blob_wr_init(buf, max);
	r = hash_digest(HASH_SHA256, &app, 1, digest);
	if (r == 0) {
		blob_wr_put(&w, digest, digest_len);
		blob_wr_put(&w, &s->flags, 1);
		blob_wr_u32(&w, s->counter);
		blob_wr_put(&w, s->extensions.p, s->extensions.len);
		r = hash_digest(HASH_SHA256, &message, 1, digest);
	}
	if (r < 0) {
		free(buf);
		return r;
	}
	blob_wr_put(&w, digest, digest_len);
	*ret = buf;
	*ret_len = w.len;
	return 0;
}
