/* crypto/keyfile/line.c - public keys as OpenSSH keeps them: one line, "type base64 comment". */
#include <errno.h>

#include "crypto/keyfile/internal.h"

/* The word behind two others: a comment may hold blanks, and may be missing. */
static struct blob_str comment_of(struct blob_str line)
{
	for (int i = 0; i < 2; i++) {
		while (line.len > 0 && *line.p != ' ' && *line.p != '\t') {
			line.p++;
			line.len--;
		}
		line = kf_trim(line);
	}
	return line;
}

/* The first line that is neither empty nor a remark. */
int kf_line_parse(struct kf_ctx *c, struct blob_str s)
{
	struct blob_rd r = blob_rd_init(s.p, s.len);
	struct blob_str line, comment;
	int err;

	while (kf_line(&r, &line)) {
		line = kf_trim(line);
		if (line.len == 0 || *line.p == '#')
			continue;
		err = key_line_parse((const char *)line.p, line.len, key_blob_parse_any,
				     &c->kf->key);
		if (err < 0)
			return err;
		comment = comment_of(line);
		c->kf->format = KEYFILE_OPENSSH;
		return keyfile_comment_set(c->kf, (const char *)comment.p, comment.len);
	}
	return -EBADMSG;
}

int kf_line_build(const struct keyfile *kf, const struct keyfile_out *o, struct blob_wr *w)
{
	(void)o;
	kf_printf(w, "%s ", key_type(kf->key));
	kf_put_base64(w, kf->key->blob, kf->key->blob_len, 0);
	kf_printf(w, "%s%s\n", *kf->comment != '\0' ? " " : "", kf->comment);
	return 0;
}
