/* ssh/flat_comp.c - compression of the records of a flat buffer. */
#include <errno.h>
#include <stdlib.h>

#include "crypto/secret.h"
#include "ssh/err.h"
#include "ssh/flat.h"

/* What deflate may add to the largest payload. */
#define PACKED_MAX SSH_PAYLOAD_MAX

static void mem_free(void *p, size_t size)
{
	if (p != NULL)
		secret_wipe(p, size);
	free(p);
}

int ssh_flat_inflate(struct ssh_flat *f, bool on)
{
	void *mem;

	mem_free(f->inflate, SSH_INFLATE_MEM);
	mem_free(f->plain, SSH_PACKET_MAX);
	f->inflate = NULL;
	f->plain = NULL;
	if (!on)
		return 0;
	mem = malloc(SSH_INFLATE_MEM);
	f->plain = malloc(SSH_PACKET_MAX);
	if (mem != NULL && f->plain != NULL)
		f->inflate = ssh_inflate_start(mem);
	if (f->inflate == NULL) {
		free(mem);
		return -ENOMEM;
	}
	return 0;
}

int ssh_flat_deflate(struct ssh_flat *f, bool on)
{
	void *mem;

	mem_free(f->deflate, SSH_DEFLATE_MEM);
	mem_free(f->packed, PACKED_MAX);
	f->deflate = NULL;
	f->packed = NULL;
	if (!on)
		return 0;
	mem = malloc(SSH_DEFLATE_MEM);
	f->packed = malloc(PACKED_MAX);
	if (mem != NULL && f->packed != NULL)
		f->deflate = ssh_deflate_start(mem, true);
	if (f->deflate == NULL) {
		free(mem);
		return -ENOMEM;
	}
	return 0;
}

int ssh_flat_unpack(struct ssh_flat *f, const uint8_t **p, size_t *len)
{
	size_t n = 0, room, got;
	int r;

	do {
		room = f->rx.packet_max - n;
		r = ssh_inflate_run(f->inflate, p, len, f->plain + n, room, &got);
		if (r < 0)
			return r;
		n += got;
		if (n == f->rx.packet_max) /* it is as long as a record may be, and may go on */
			return -SSH_E_COMP;
	} while (*len > 0 || got == room);
	*p = f->plain;
	*len = n;
	return n > 0 ? 0 : -SSH_E_COMP;
}

int ssh_flat_pack(struct ssh_flat *f, const uint8_t **p, size_t *len)
{
	size_t n;
	int r = ssh_deflate_run(f->deflate, p, len, SSH_DEFLATE_SYNC, f->packed, PACKED_MAX, &n);

	if (r < 0 || *len > 0 || n == PACKED_MAX)
		return -SSH_E_COMP;
	*p = f->packed;
	*len = n;
	return 0;
}
