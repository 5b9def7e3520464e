/*
 * Messages of channels: the first byte is the message number. What is taken is built again
 * and must be the same bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/chan.h"
#include "ssh/msg.h"

/* A want_reply of 2 reads as true and is written as 1. */
static bool canonical(const struct ssh_chan_request *m)
{
	return m->type.p[m->type.len] <= 1;
}

static bool open_again(struct ssh_rd *r, struct ssh_wr *w)
{
	struct ssh_chan_open m;
	struct ssh_direct_tcpip t;
	struct ssh_rd rest;
	uint8_t *again;
	struct ssh_wr tw;

	if (ssh_chan_open_parse(r, &m) < 0)
		return false;
	ssh_chan_open_build(w, &m);

	ssh_rd_init(&rest, m.rest.p, m.rest.len);
	if (ssh_direct_tcpip_parse(&rest, &t) < 0)
		return true;
	again = malloc(m.rest.len);
	if (again == NULL)
		return true;
	ssh_wr_init(&tw, again, m.rest.len);
	ssh_direct_tcpip_build(&tw, &t);
	if (ssh_wr_done(&tw) != m.rest.len || memcmp(again, m.rest.p, m.rest.len) != 0)
		abort();
	if (memchr(t.host.p, 0, t.host.len) != NULL || t.port == 0)
		abort();
	free(again);
	return true;
}

static bool data_again(struct ssh_rd *r, struct ssh_wr *w, const uint8_t *p, size_t size)
{
	struct ssh_chan_data m, head;
	uint32_t n;
	bool whole = ssh_chan_data_parse(r, p[0], &m) == 0;
	uint32_t head_len = size < SSH_CHAN_EXTENDED_HEAD ? size : SSH_CHAN_EXTENDED_HEAD;

	/* Both readers agree on every input. */
	if ((ssh_chan_data_head_parse(p, head_len, size, &head, &n) == 0) != whole)
		abort();
	if (!whole)
		return false;
	if (head.data.len != m.data.len || head.recipient_channel != m.recipient_channel ||
	    head.data_type != m.data_type || p + n != m.data.p)
		abort();
	ssh_chan_data_build(w, &m);
	return true;
}

static bool again(struct ssh_rd *r, struct ssh_wr *w, const uint8_t *p, size_t size)
{
	struct ssh_chan_confirm confirm;
	struct ssh_chan_failure failure;
	struct ssh_chan_request request;
	uint32_t channel, bytes;

	switch (p[0]) {
	case SSH_MSG_CHANNEL_OPEN:
		return open_again(r, w);
	case SSH_MSG_CHANNEL_OPEN_CONFIRMATION:
		if (ssh_chan_confirm_parse(r, &confirm) < 0)
			return false;
		ssh_chan_confirm_build(w, &confirm);
		return true;
	case SSH_MSG_CHANNEL_OPEN_FAILURE:
		if (ssh_chan_failure_parse(r, &failure) < 0)
			return false;
		ssh_chan_failure_build(w, &failure);
		return true;
	case SSH_MSG_CHANNEL_WINDOW_ADJUST:
		if (ssh_chan_adjust_parse(r, &channel, &bytes) < 0)
			return false;
		ssh_chan_adjust_build(w, channel, bytes);
		return true;
	case SSH_MSG_CHANNEL_DATA:
	case SSH_MSG_CHANNEL_EXTENDED_DATA:
		return data_again(r, w, p, size);
	case SSH_MSG_CHANNEL_EOF:
	case SSH_MSG_CHANNEL_CLOSE:
	case SSH_MSG_CHANNEL_SUCCESS:
	case SSH_MSG_CHANNEL_FAILURE:
		if (ssh_chan_simple_parse(r, &channel) < 0)
			return false;
		ssh_chan_simple_build(w, p[0], channel);
		return true;
	case SSH_MSG_CHANNEL_REQUEST:
		if (ssh_chan_request_parse(r, &request) < 0 || !canonical(&request))
			return false;
		ssh_chan_request_build(w, &request);
		return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *out;
	struct ssh_rd r;
	struct ssh_wr w;

	if (size < 1 || size > UINT32_MAX)
		return 0;
	out = malloc(size);
	if (out == NULL)
		return 0;
	ssh_rd_init(&r, data + 1, size - 1);
	ssh_wr_init(&w, out, size);
	if (again(&r, &w, data, size) && (ssh_wr_done(&w) != size || memcmp(out, data, size) != 0))
		abort();
	free(out);
	return 0;
}
