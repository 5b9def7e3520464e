/*
 * Any bytes as a message: refused, or every byte its fields promise is there.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "link/msg.h"

/* Reads what a user of the checked message may read. */
static uint32_t use(const void *msg, size_t len)
{
	const struct link_hdr *h = msg;
	const uint8_t *body = link_msg_body(msg), *end = (const uint8_t *)msg + len;
	const uint8_t *tail = NULL;
	uint32_t n = 0, sum = 0;

	switch (h->type) {
	case LINK_EV_PAYLOAD:
		n = ((const struct link_payload *)(const void *)body)->len;
		tail = body + sizeof(struct link_payload);
		break;
	case LINK_EV_IDENT:
	case LINK_IT_RX_SEALED:
	case LINK_IT_IDENT:
	case LINK_IT_PAYLOAD:
	case LINK_IT_BLOB:
		n = ((const struct link_bytes *)(const void *)body)->len;
		tail = body + sizeof(struct link_bytes);
		break;
	case LINK_IT_TX_KEYS:
	case LINK_IT_RX_KEYS: {
		const struct link_keys *k = (const void *)body;

		sum += (uint32_t)(strlen(k->cipher) + strlen(k->mac)) + k->key[k->key_len - 1];
		break;
	}
	case LINK_IT_CHAN_CONNECT: {
		const struct link_chan_connect *c = (const void *)body;

		sum += c->addr[c->n_addrs - 1].port;
		break;
	}
	case LINK_IT_CHAN_SAY:
		n = ((const struct link_chan_say *)(const void *)body)->len;
		tail = body + sizeof(struct link_chan_say);
		break;
	case LINK_CMD_GRANT: {
		const struct link_grant *g = (const void *)body;

		sum += g->addr[g->n_addrs - 1].port + g->host[g->host_len - 1];
		break;
	}
	case LINK_CMD_REVOKE:
		sum += (uint32_t)((const struct link_revoke *)(const void *)body)->token;
		break;
	}
	if (tail != NULL && (size_t)(end - tail) != n)
		abort();
	for (uint32_t i = 0; i < n; i++)
		sum += tail[i];
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static volatile uint32_t sink;
	uint8_t *msg = malloc(size + (size == 0)); /* aligned, and its end is watched */

	if (msg == NULL)
		abort();
	if (size > 0)
		memcpy(msg, data, size);
	if (size >= sizeof(uint32_t)) /* or no input but the exact one would get far */
		memcpy(msg, &(uint32_t){(uint32_t)size}, sizeof(uint32_t));
	if (link_msg_check(msg, size) == 0)
		sink = use(msg, size);
	(void)sink;
	free(msg);
	return 0;
}
