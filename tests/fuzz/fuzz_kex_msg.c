/*
 * tests/fuzz/fuzz_kex_msg.c - messages of DH and of group exchange: what is accepted re-encodes to
 * itself, as its bytes are hashed and numbers have one spelling (S-63).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/msg.h"
#include "ssh/trans_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t buf[65536 + 64];

static void same(const struct ssh_wr *w, const uint8_t *p, size_t n)
{
	if (ssh_wr_done(w) != n || memcmp(buf, p, n) != 0)
		abort();
}

static void init(struct ssh_rd *r, const uint8_t *p, size_t n)
{
	struct ssh_str e;
	struct ssh_wr w;

	if (ssh_dh_init_parse(r, &e) < 0)
		return;
	if (e.len > 0 && e.p[0] == 0)
		abort();
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_dh_init_build(&w, p[0], e);
	same(&w, p, n);
}

static void reply(struct ssh_rd *r, const uint8_t *p, size_t n)
{
	struct ssh_ecdh_reply m;
	struct ssh_wr w;

	if (ssh_dh_reply_parse(r, &m) < 0)
		return;
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_dh_reply_build(&w, p[0], &m);
	same(&w, p, n);
}

static void request(struct ssh_rd *r, const uint8_t *p, size_t n)
{
	struct ssh_gex_request m;
	struct ssh_wr w;

	if (ssh_gex_request_parse(p[0], r, &m) < 0)
		return;
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_gex_request_build(&w, p[0], &m);
	same(&w, p, n);
}

static void group(struct ssh_rd *r, const uint8_t *p, size_t n)
{
	struct ssh_gex_group m;
	struct ssh_wr w;

	if (ssh_gex_group_parse(r, &m) < 0)
		return;
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_gex_group_build(&w, p[0], &m);
	same(&w, p, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ssh_rd r;

	if (size == 0 || size > 65536)
		return 0;
	ssh_rd_init(&r, data + 1, size - 1);
	switch (data[0]) {
	case SSH_MSG_KEX_GEX_REQUEST_OLD:
	case SSH_MSG_KEX_GEX_REQUEST:
		request(&r, data, size);
		break;
	case SSH_MSG_KEX_GEX_GROUP:
		group(&r, data, size);
		break;
	case SSH_MSG_KEX_GEX_INIT:
		init(&r, data, size);
		break;
	case SSH_MSG_KEX_GEX_REPLY:
		reply(&r, data, size);
		break;
	}
	return 0;
}
