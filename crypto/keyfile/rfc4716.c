/* crypto/keyfile/rfc4716.c - public keys as RFC 4716 writes them ("SSH2 PUBLIC KEY"). */
#include <errno.h>

#include "crypto/keyfile/internal.h"
#include "crypto/secret.h"

#define BEGIN      "---- BEGIN SSH2 PUBLIC KEY ----"
#define END        "---- END SSH2 PUBLIC KEY ----"
#define LINE_WIDTH 72 /* "Each line in the encoded file MUST NOT be longer than 72 8-bit bytes" */
#define BODY_LINE  70
#define HEADER_MAX 1024 /* of a value; a tag has at most 64 */
#define TAG_MAX    64

/* A value, its continuation lines put together: "\" at an end joins the next line. */
struct header {
	struct blob_str tag;
	char value[HEADER_MAX];
	size_t len;
};

static bool header_start(struct blob_str line, struct header *h)
{
	const uint8_t *colon = memchr(line.p, ':', line.len);
	size_t n = colon == NULL ? 0 : (size_t)(colon - line.p);

	if (colon == NULL || n == 0 || n > TAG_MAX)
		return false;
	h->tag = (struct blob_str){line.p, n};
	h->len = 0;
	return true;
}

/* false: it is too long. */
static bool header_add(struct blob_str part, struct header *h, bool *ret_more)
{
	*ret_more = part.len > 0 && part.p[part.len - 1] == '\\';
	if (*ret_more)
		part.len--;
	if (part.len > sizeof(h->value) - h->len)
		return false;
	memcpy(h->value + h->len, part.p, part.len);
	h->len += part.len;
	return true;
}

/* "Header-tag ':' ' ' Header-value"; tags are "case-insensitive". */
static bool header_parse(struct blob_rd *r, struct blob_str line, struct header *h)
{
	struct blob_str part;
	bool more;

	if (!header_start(line, h))
		return false;
	part = kf_trim((struct blob_str){line.p + h->tag.len + 1, line.len - h->tag.len - 1});
	while (header_add(part, h, &more)) {
		if (!more)
			return true;
		if (!kf_line(r, &part))
			return false;
	}
	return false;
}

/* "Existing implementations may include [quotes]": they are not part of a comment. */
static int comment_keep(struct kf_ctx *c, const struct header *h)
{
	struct blob_str v = {(const uint8_t *)h->value, h->len};

	if (h->tag.len != 7 || strncasecmp((const char *)h->tag.p, "Comment", 7) != 0)
		return 0;
	if (v.len >= 2 && v.p[0] == '"' && v.p[v.len - 1] == '"') {
		v.p++;
		v.len -= 2;
	}
	return keyfile_comment_set(c->kf, (const char *)v.p, v.len);
}

int kf_rfc4716_parse(struct kf_ctx *c, struct blob_str s)
{
	struct blob_rd r = blob_rd_init(s.p, s.len);
	struct blob_str line = {0}, body = {0};
	size_t len = 0, size = 0;
	uint8_t *blob;
	int err;

	c->kf->format = KEYFILE_RFC4716;
	if (!kf_line(&r, &line) || !blob_str_is(kf_trim(line), BEGIN))
		return -EBADMSG;
	for (;;) {
		const uint8_t *start = r.p;
		struct header h;

		if (!kf_line(&r, &line))
			return -EBADMSG;
		if (memchr(line.p, ':', line.len) == NULL) {
			body.p = start;
			break;
		}
		if (!header_parse(&r, line, &h))
			return -EBADMSG;
		err = comment_keep(c, &h);
		if (err < 0)
			return err;
	}
	while (!blob_str_is(kf_trim(line), END))
		if (!kf_line(&r, &line))
			return -EBADMSG;
	body.len = (size_t)(line.p - body.p);
	err = kf_base64(body, &blob, &len, &size);
	if (err < 0)
		return err == -ENOMEM ? err : -EBADMSG;
	err = key_blob_parse_any(blob, len, &c->kf->key);
	secret_free(blob, size);
	return err;
}

/* The comment in quotes as ssh-keygen writes it; a long one goes on behind a backslash. */
static void comment_put(const char *comment, struct blob_wr *w)
{
	size_t col = strlen("Comment: \"");

	kf_puts(w, "Comment: \"");
	for (; *comment != '\0'; comment++) {
		if (col == LINE_WIDTH - 2) {
			kf_puts(w, "\\\n");
			col = 0;
		}
		blob_wr_put(w, comment, 1);
		col++;
	}
	kf_puts(w, "\"\n");
}

int kf_rfc4716_build(const struct keyfile *kf, const struct keyfile_out *o, struct blob_wr *w)
{
	(void)o;
	kf_puts(w, BEGIN "\n");
	if (*kf->comment != '\0')
		comment_put(kf->comment, w);
	kf_put_base64(w, kf->key->blob, kf->key->blob_len, BODY_LINE);
	kf_puts(w, END "\n");
	return 0;
}
