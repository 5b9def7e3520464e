/* crypto/base64.c - base64 of key files, public key lines and fingerprints. */
#include "crypto/base64.h"

#include <errno.h>
#include <stdbool.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	if (c == '/')
		return 63;
	return -1;
}

/* The bytes that a group of n digits (and 4 - n signs of padding) stands for, or -EBADMSG. */
static int group_decode(uint32_t bits, unsigned int n, uint8_t *ret)
{
	/* What the last digit has beyond the last byte must be zero: one text per value. */
	if (n < 2 || (n == 2 && (bits & 0xf) != 0) || (n == 3 && (bits & 0x3) != 0))
		return -EBADMSG;
	bits <<= 6 * (4 - n);
	ret[0] = (uint8_t)(bits >> 16);
	ret[1] = (uint8_t)(bits >> 8);
	ret[2] = (uint8_t)bits;
	return (int)n - 1;
}

int base64_decode(const char *s, size_t n, uint8_t *out, size_t max, size_t *ret_len)
{
	unsigned int digits = 0, padding = 0;
	uint32_t bits = 0;
	size_t len = 0;
	bool end = false;

	for (size_t i = 0; i < n; i++) {
		uint8_t group[3];
		int v, got;

		if (s[i] == '\n' || s[i] == '\r')
			continue;
		if (end)
			return -EBADMSG;
		if (s[i] == '=') {
			padding++;
		} else {
			v = digit_value(s[i]);
			if (v < 0 || padding > 0)
				return -EBADMSG;
			bits = bits << 6 | (uint32_t)v;
			digits++;
		}
		if (digits + padding < 4)
			continue;
		got = group_decode(bits, digits, group);
		if (got < 0)
			return got;
		if (max - len < (size_t)got)
			return -ENOBUFS;
		for (int k = 0; k < got; k++)
			out[len++] = group[k];
		end = padding > 0;
		digits = padding = 0;
		bits = 0;
	}
	if (digits + padding > 0)
		return -EBADMSG;
	*ret_len = len;
	return 0;
}

size_t base64_len(size_t n)
{
	return (n + 2) / 3 * 4;
}

void base64_encode(const uint8_t *p, size_t n, char *out)
{
	for (size_t i = 0; i < n; i += 3, out += 4) {
		size_t have = n - i < 3 ? n - i : 3;
		uint32_t bits = (uint32_t)p[i] << 16;

		if (have > 1)
			bits |= (uint32_t)p[i + 1] << 8;
		if (have > 2)
			bits |= p[i + 2];
		out[0] = alphabet[bits >> 18];
		out[1] = alphabet[bits >> 12 & 63];
		out[2] = have > 1 ? alphabet[bits >> 6 & 63] : '=';
		out[3] = have > 2 ? alphabet[bits & 63] : '=';
	}
}
