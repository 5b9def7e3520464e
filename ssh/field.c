/* ssh/field.c - see field.h. */
#include "ssh/field.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "crypto/secret.h"

static bool is_hex(const char *text)
{
	return text[strspn(text, "0123456789abcdefABCDEF")] == '\0';
}

/* The bytes of hexadecimal text that is_hex(); an odd first digit stands alone. */
static size_t hex_read(const char *hex, uint8_t *to)
{
	size_t odd = strlen(hex) % 2, n = (strlen(hex) + 1) / 2;

	for (size_t i = 0; i < n; i++) {
		const char *at = hex + 2 * i - odd;
		int high = odd != 0 && i == 0 ? 0 : ssh_hex_digit(at[0]);

		to[i] = (uint8_t)(high << 4 | ssh_hex_digit(at[1]));
	}
	return n;
}

/* A number of at most max, decimal or with 0x. */
static int number_read(const char *text, uint64_t max, uint64_t *ret)
{
	unsigned long long n;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, strncasecmp(text, "0x", 2) == 0 ? 16 : 10);
	if (errno != 0 || *end != '\0' || n > max)
		return -EINVAL;
	*ret = n;
	return 0;
}

static int put_hex(struct ssh_wr *w, const char *hex)
{
	size_t n = strlen(hex) / 2;
	uint8_t *to;

	if (strlen(hex) % 2 != 0 || !is_hex(hex))
		return -EINVAL;
	ssh_wr_u32(w, (uint32_t)n);
	to = w->p;
	for (size_t i = 0; i < n; i++)
		ssh_wr_u8(w, 0); /* the room */
	if (!w->bad)
		(void)hex_read(hex, to);
	return 0;
}

static int put_number(struct ssh_wr *w, const char *text, unsigned int len)
{
	uint64_t n, max = len == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * len)) - 1;

	if (number_read(text, max, &n) < 0)
		return -EINVAL;
	while (len-- > 0)
		ssh_wr_u8(w, (uint8_t)(n >> (8 * len)));
	return 0;
}

static int put_mpint(struct ssh_wr *w, const char *text)
{
	uint8_t bytes[SSH_MPINT_MAX];
	size_t len = sizeof(uint64_t);
	uint64_t n;

	if (strncasecmp(text, "0x", 2) == 0 && text[2] != '\0') {
		if (!is_hex(text + 2) || strlen(text + 2) > 2 * sizeof(bytes))
			return -EINVAL;
		len = hex_read(text + 2, bytes);
	} else {
		if (number_read(text, UINT64_MAX, &n) < 0)
			return -EINVAL;
		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)(n >> (8 * (len - 1 - i)));
	}
	ssh_wr_mpint(w, bytes, len);
	secret_wipe(bytes, len);
	return 0;
}

static int put_bool(struct ssh_wr *w, const char *text)
{
	bool yes = strcasecmp(text, "true") == 0;

	if (!yes && strcasecmp(text, "false") != 0)
		return -EINVAL;
	ssh_wr_bool(w, yes);
	return 0;
}

static int put(struct ssh_wr *w, const char *type, const char *text)
{
	if (strcmp(type, "sb") == 0)
		return put_hex(w, text);
	if (strlen(type) != 1)
		return -EINVAL;
	switch (*type) {
	case 's':
		ssh_wr_cstr(w, text);
		return 0;
	case 'm':
		return put_mpint(w, text);
	case 'i':
		return put_number(w, text, 4);
	case 'l':
		return put_number(w, text, 8);
	case 'b':
		return put_number(w, text, 1);
	case 'f':
		return put_bool(w, text);
	default:
		return -EINVAL;
	}
}

int ssh_field_put(struct ssh_wr *w, const char *type, const char *text)
{
	int r = put(w, type, text);

	return r == 0 && w->bad ? -ENOBUFS : r;
}
