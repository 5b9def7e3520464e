/* ssh/comp.c - see comp.h. */
#include "ssh/comp.h"

#include <string.h>

#include <zlib.h>

#include "ssh/err.h"

/*
 * A gateway's core has other things to do: level 1 takes a third of the time of OpenSSH's 6, and
 * leaves a tenth more.
 */
#define LEVEL       1
#define WINDOW_BITS 15
#define MEM_LEVEL   8

/* Of the ends and the start of a stream; nothing is ever given back. */
struct stream {
	z_stream zs;
	size_t used, size; /* of the memory it lies in */
};
struct ssh_inflate {
	struct stream s;
};
struct ssh_deflate {
	struct stream s;
};

static const char *const names[] = {
	[SSH_COMP_NONE] = "none",
	[SSH_COMP_ZLIB] = "zlib",
	[SSH_COMP_DELAYED] = "zlib@openssh.com",
};
#define N_NAMES (sizeof(names) / sizeof(names[0]))

int ssh_comp_find(const char *name)
{
	for (size_t i = 0; i < N_NAMES; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}

const char *ssh_comp_name(enum ssh_comp comp)
{
	return names[comp];
}

const char *ssh_comp_name_at(unsigned int i)
{
	return i < N_NAMES ? names[i] : NULL;
}

static void *piece_get(void *stream, uInt items, uInt size)
{
	struct stream *s = stream;
	size_t want = ((size_t)items * size + 63) / 64 * 64;
	void *p = (uint8_t *)s + s->used;

	if (want > s->size - s->used)
		return Z_NULL;
	s->used += want;
	return p;
}

static void piece_put(void *stream, void *p)
{
	(void)stream;
	(void)p;
}

static void stream_init(struct stream *s, size_t size)
{
	*s = (struct stream){.used = (sizeof(*s) + 63) / 64 * 64, .size = size};
	s->zs.zalloc = piece_get;
	s->zs.zfree = piece_put;
	s->zs.opaque = s;
}

struct ssh_inflate *ssh_inflate_start(void *mem)
{
	struct ssh_inflate *z = mem;

	stream_init(&z->s, SSH_INFLATE_MEM);
	return inflateInit2(&z->s.zs, WINDOW_BITS) == Z_OK ? z : NULL;
}

struct ssh_deflate *ssh_deflate_start(void *mem, bool first)
{
	struct ssh_deflate *z = mem;

	stream_init(&z->s, SSH_DEFLATE_MEM);
	return deflateInit2(&z->s.zs, LEVEL, Z_DEFLATED, first ? WINDOW_BITS : -WINDOW_BITS,
			    MEM_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK
		       ? z
		       : NULL;
}

static int stream_run(struct stream *s, int (*step)(z_stream *, int), int flush, const uint8_t **in,
		      size_t *n, uint8_t *out, size_t room, size_t *ret_out)
{
	int r;

	s->zs.next_in = (uint8_t *)*in; /* zlib's type; it does not write there */
	s->zs.avail_in = (uInt)*n;
	s->zs.next_out = out;
	s->zs.avail_out = (uInt)room;
	r = step(&s->zs, flush);
	/* Z_BUF_ERROR: there was nothing to do. */
	if (r != Z_OK && r != Z_BUF_ERROR)
		return -SSH_E_COMP;
	*in = s->zs.next_in;
	*n = s->zs.avail_in;
	*ret_out = room - s->zs.avail_out;
	/* No bytes of either kind moved though there were both: it would not for ever. */
	return r == Z_BUF_ERROR && s->zs.avail_in > 0 && s->zs.avail_out > 0 ? -SSH_E_COMP : 0;
}

int ssh_inflate_run(struct ssh_inflate *z, const uint8_t **in, size_t *n, uint8_t *out, size_t room,
		    size_t *ret_out)
{
	return stream_run(&z->s, inflate, Z_SYNC_FLUSH, in, n, out, room, ret_out);
}

int ssh_deflate_run(struct ssh_deflate *z, const uint8_t **in, size_t *n, enum ssh_deflate_how how,
		    uint8_t *out, size_t room, size_t *ret_out)
{
	static const int flush[] = {
		[SSH_DEFLATE_MORE] = Z_NO_FLUSH,
		[SSH_DEFLATE_PARTIAL] = Z_PARTIAL_FLUSH,
		[SSH_DEFLATE_SYNC] = Z_SYNC_FLUSH,
	};

	return stream_run(&z->s, deflate, flush[how], in, n, out, room, ret_out);
}

size_t ssh_stored_head(bool first, uint16_t n, uint8_t ret[SSH_STORED_HEAD])
{
	size_t at = 0;

	if (first) { /* RFC 1950: deflate, a window of 32 KiB, the fastest level */
		ret[at++] = 0x78;
		ret[at++] = 0x01;
	}
	ret[at++] = 0; /* RFC 1951 section 3.2.4: not the last block, stored */
	ret[at++] = (uint8_t)n;
	ret[at++] = (uint8_t)(n >> 8);
	ret[at++] = (uint8_t)~n;
	ret[at++] = (uint8_t)(~n >> 8);
	return at;
}
