/* crypto/keyfile/text.c - lines, base64 and PEM armour, read and written. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "crypto/base64.h"
#include "crypto/keyfile/internal.h"
#include "crypto/secret.h"

bool kf_line(struct blob_rd *r, struct blob_str *ret)
{
	size_t left = (size_t)(r->end - r->p), len;
	const uint8_t *nl;

	if (r->bad || left == 0)
		return false;
	nl = memchr(r->p, '\n', left);
	len = nl == NULL ? left : (size_t)(nl - r->p);
	*ret = (struct blob_str){r->p, len};
	r->p += nl == NULL ? len : len + 1;
	if (ret->len > 0 && ret->p[ret->len - 1] == '\r')
		ret->len--;
	return true;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct blob_str kf_trim(struct blob_str s)
{
	while (s.len > 0 && is_space(s.p[0])) {
		s.p++;
		s.len--;
	}
	while (s.len > 0 && is_space(s.p[s.len - 1]))
		s.len--;
	return s;
}

bool kf_starts(struct blob_str s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.len >= n && memcmp(s.p, prefix, n) == 0;
}

int kf_base64(struct blob_str s, uint8_t **ret, size_t *ret_len, size_t *ret_size)
{
	size_t size = s.len + 1, n = 0, len = 0;
	char *text = secret_new(size);
	uint8_t *bytes = secret_new(size);
	int r = -ENOMEM;

	if (text != NULL && bytes != NULL) {
		for (size_t i = 0; i < s.len; i++)
			if (!is_space(s.p[i]))
				text[n++] = (char)s.p[i];
		r = base64_decode(text, n, bytes, size, &len);
	}
	secret_free(text, size);
	if (r < 0) {
		secret_free(bytes, size);
		return r;
	}
	*ret = bytes;
	*ret_len = len;
	*ret_size = size;
	return 0;
}

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int kf_hex(struct blob_str s, uint8_t *out, size_t max, size_t *ret_len)
{
	if (s.len % 2 != 0 || s.len / 2 > max)
		return -EBADMSG;
	for (size_t i = 0; i < s.len / 2; i++) {
		int hi = hex_value(s.p[2 * i]), lo = hex_value(s.p[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return -EBADMSG;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	*ret_len = s.len / 2;
	return 0;
}

void kf_puts(struct blob_wr *w, const char *s)
{
	blob_wr_put(w, s, strlen(s));
}

void kf_printf(struct blob_wr *w, const char *fmt, ...)
{
	size_t left = w->max - w->len;
	va_list ap;
	int n;

	if (w->bad)
		return;
	va_start(ap, fmt);
	n = vsnprintf((char *)w->p + w->len, left, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= left)
		w->bad = true;
	else
		w->len += (size_t)n;
}

void kf_put_base64(struct blob_wr *w, const uint8_t *p, size_t len, size_t line)
{
	size_t chars = base64_len(len);
	size_t step = line == 0 ? chars : line;
	char *text;

	if (w->bad || len == 0)
		return;
	text = secret_new(chars);
	if (text == NULL) {
		w->bad = true;
		return;
	}
	base64_encode(p, len, text);
	for (size_t i = 0; i < chars; i += step) {
		blob_wr_put(w, text + i, chars - i < step ? chars - i : step);
		if (line > 0)
			kf_puts(w, "\n");
	}
	secret_free(text, chars);
}

void kf_put_pem(struct blob_wr *w, const char *label, const uint8_t *der, size_t len, size_t line)
{
	kf_printf(w, "-----BEGIN %s-----\n", label);
	kf_put_base64(w, der, len, line);
	kf_printf(w, "-----END %s-----\n", label);
}
