/* link/tee.c - see tee.h. */
#include "link/tee.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Of a fixed form, or any. */
static bool length_ok(const struct tee_head *h)
{
	switch (h->kind) {
	case TEE_SIZE:
		return h->len == sizeof(struct tee_size);
	case TEE_GAP:
		return h->len == sizeof(struct tee_gap);
	case TEE_END:
		return h->len == sizeof(struct tee_end);
	case TEE_MSG_IN:
	case TEE_MSG_OUT:
		return h->len >= sizeof(struct tee_msg) && h->len <= TEE_BODY_MAX;
	default:
		return h->kind != 0 && h->kind < TEE_KINDS && h->len <= TEE_BODY_MAX;
	}
}

int tee_parse(const uint8_t *p, size_t n, struct tee_head *ret)
{
	struct tee_head h;

	if (n < sizeof(h))
		return 0;
	memcpy(&h, p, sizeof(h));
	if (!length_ok(&h) || h.pad[0] != 0 || h.pad[1] != 0 || h.pad[2] != 0)
		return -EBADMSG;
	if (n - sizeof(h) < h.len)
		return 0;
	*ret = h;
	return (int)(sizeof(h) + h.len);
}
