/*
 * The wire reader: the first bytes say which fields are read, the rest is read. What was
 * read without an error is written again and must be the same bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/wire.h"

#define FIELDS_MAX 16

static void read_and_write(struct ssh_rd *r, struct ssh_wr *w, uint8_t field)
{
	struct ssh_str s;

	switch (field % 7) {
	case 0:
		ssh_wr_u8(w, ssh_rd_u8(r));
		break;
	case 1:
		ssh_wr_u32(w, ssh_rd_u32(r));
		break;
	case 2:
		ssh_wr_u64(w, ssh_rd_u64(r));
		break;
	case 3:
		ssh_wr_str(w, ssh_rd_str(r));
		break;
	case 4:
		s = ssh_rd_mpint(r);
		ssh_wr_mpint(w, s.p, s.len);
		break;
	case 5:
		/* Every value but 0 is true, and only 1 is written. */
		if (!r->bad && r->p<r->end && * r->p> 1)
			r->bad = true;
		else
			ssh_wr_bool(w, ssh_rd_bool(r));
		break;
	case 6:
		s = ssh_rd_rest(r);
		ssh_wr_bytes(w, s.p, s.len);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t fields, n;
	uint8_t *out;
	struct ssh_rd r;
	struct ssh_wr w;

	if (size < 1)
		return 0;
	fields = data[0] % FIELDS_MAX;
	if (size < 1 + fields)
		return 0;
	n = size - 1 - fields;
	out = malloc(n + 1);
	if (out == NULL)
		return 0;

	ssh_rd_init(&r, data + 1 + fields, n);
	ssh_wr_init(&w, out, n);
	for (size_t i = 0; i < fields; i++) {
		read_and_write(&r, &w, data[1 + i]);
		if (r.bad)
			break;
		if (w.bad || w.p - w.start != r.p - (data + 1 + fields) ||
		    memcmp(out, data + 1 + fields, (size_t)(w.p - w.start)) != 0)
			abort();
	}
	free(out);
	return 0;
}
