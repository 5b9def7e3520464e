/*
 * Compressed streams. Byte 0, bit 0: the rest is what a peer sent, taken in pieces of byte 1 into
 * rooms of byte 2; it ends or is refused, and no turn goes by without a byte. Else the rest is
 * payloads: a byte of how, a length of two bytes, the payload; what was made of them, by
 * a compressor that comes and goes, is for one receiver the same payloads.
 */
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/comp.h"
#include "ssh/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STORED = 1, SYNC = 2, GIVE_UP = 4, IN_TWO = 8 };

#define ROOM 256

static alignas(16) uint8_t inflate_mem[SSH_INFLATE_MEM], deflate_mem[SSH_DEFLATE_MEM];
static uint8_t packed[3 * 65536], plain[65536 + 1];

/* One turn: within bounds, and nothing is left over while there is room. False: refused. */
static bool turn(struct ssh_inflate *z, const uint8_t **in, size_t *n, uint8_t *out, size_t room,
		 size_t *ret_got)
{
	const uint8_t *p = *in;
	size_t had = *n;
	int r = ssh_inflate_run(z, in, n, out, room, ret_got);

	if (r < 0) {
		if (r != -SSH_E_COMP)
			abort();
		return false;
	}
	if (*ret_got > room || *n > had || *in != p + (had - *n) || (*ret_got < room && *n > 0))
		abort();
	return true;
}

static void hostile(const uint8_t *p, size_t n, size_t piece, size_t room)
{
	struct ssh_inflate *z = ssh_inflate_start(inflate_mem);
	uint8_t *out = malloc(room);

	if (z == NULL || out == NULL)
		abort();
	while (n > 0) {
		size_t part = piece < n ? piece : n, got;

		n -= part;
		do {
			if (!turn(z, &p, &part, out, room, &got))
				goto out;
		} while (got == room);
	}
out:
	free(out);
}

struct sender {
	struct ssh_deflate *z;
	bool first;
	size_t len; /* of packed */
};

static void put(struct sender *s, const uint8_t *p, size_t n, enum ssh_deflate_how how)
{
	size_t got;

	do {
		size_t room = sizeof(packed) - s->len;

		room = room < ROOM ? room : ROOM;
		if (ssh_deflate_run(s->z, &p, &n, how, packed + s->len, room, &got) < 0 ||
		    got > room)
			abort();
		s->len += got;
		if (got < room)
			break;
	} while (true);
	if (n > 0)
		abort();
}

static void stored(struct sender *s, const uint8_t *p, size_t n)
{
	s->len += ssh_stored_head(s->first, (uint16_t)n, packed + s->len);
	memcpy(packed + s->len, p, n);
	s->len += n;
}

/* A compressor is given up, or blocks are stored in its place, at a byte's boundary alone. */
static void pack(struct sender *s, const uint8_t *p, size_t n, uint8_t how)
{
	bool give_up = how & (STORED | GIVE_UP);

	s->len = 0;
	if (how & STORED && s->z == NULL) {
		stored(s, p, n);
	} else {
		if (s->z == NULL)
			s->z = ssh_deflate_start(deflate_mem, s->first);
		if (s->z == NULL)
			abort();
		if (how & IN_TWO)
			put(s, p, n / 2, SSH_DEFLATE_MORE);
		put(s, how & IN_TWO ? p + n / 2 : p, how & IN_TWO ? n - n / 2 : n,
		    how & SYNC || give_up ? SSH_DEFLATE_SYNC : SSH_DEFLATE_PARTIAL);
		if (give_up)
			s->z = NULL;
	}
	s->first = false;
}

static void unpack(struct ssh_inflate *z, size_t packed_len, const uint8_t *want, size_t len)
{
	const uint8_t *in = packed;
	size_t got, n = 0;

	do {
		if (!turn(z, &in, &packed_len, plain + n, sizeof(plain) - n, &got))
			abort();
		n += got;
	} while (packed_len > 0);
	if (n != len || memcmp(plain, want, n) != 0)
		abort();
}

static void round_trip(const uint8_t *p, size_t size)
{
	struct ssh_inflate *z = ssh_inflate_start(inflate_mem);
	struct sender s = {.first = true};

	if (z == NULL)
		abort();
	while (size > 3) {
		uint8_t how = p[0];
		size_t len = (size_t)p[1] << 8 | p[2];

		p += 3;
		size -= 3;
		len = len < size ? len : size;
		if (len == 0) /* no payload is empty */
			continue;
		pack(&s, p, len, how);
		unpack(z, s.len, p, len);
		p += len;
		size -= len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 3)
		return 0;
	if (data[0] & 1)
		hostile(data + 3, size - 3, data[1] + 1U, data[2] + 1U);
	else
		round_trip(data + 1, size - 1);
	return 0;
}
