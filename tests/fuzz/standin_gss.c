/*
 * tests/fuzz/standin_gss.c - crypto/gss.h without Kerberos: a token's first byte says what comes
 * of it, and so does a MIC's. In a fuzz target it takes the place of crypto/gss.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/gss.h"

enum { ESTABLISHED = 1, BINDS = 2, ANSWERED = 4, REFUSED = 8 };

#define MIC_LEN 16

struct gss_ctx {
	uint8_t is; /* what the last token said */
};

int gss_acceptor_new(bool strict, struct gss_ctx **ret)
{
	(void)strict;
	*ret = calloc(1, sizeof(**ret));
	return *ret != NULL ? 0 : -ENOMEM;
}

int gss_initiator_new(const char *server, const struct gss_client *client, bool delegate,
		      struct gss_ctx **ret)
{
	(void)server;
	(void)client;
	return gss_acceptor_new(delegate, ret);
}

void gss_free(struct gss_ctx *g)
{
	free(g);
}

int gss_step(struct gss_ctx *g, const uint8_t *token, size_t len, uint8_t **ret, size_t *ret_len)
{
	uint8_t says = len > 0 ? token[0] : ANSWERED; /* an initiator's first step */

	*ret_len = 0;
	if (says & ANSWERED) {
		*ret = calloc(1, 1);
		if (*ret == NULL)
			return -ENOMEM;
		*ret_len = 1;
	}
	g->is = says;
	return says & REFUSED ? -EBADMSG : 0;
}

bool gss_established(const struct gss_ctx *g)
{
	return g->is & ESTABLISHED;
}

bool gss_binds(const struct gss_ctx *g)
{
	return gss_established(g) && g->is & BINDS;
}

int gss_mic(struct gss_ctx *g, const uint8_t *data, size_t len, uint8_t ret[GSS_MIC_MAX],
	    size_t *ret_len)
{
	(void)g;
	(void)data;
	(void)len;
	memset(ret, 1, MIC_LEN);
	*ret_len = MIC_LEN;
	return 0;
}

int gss_mic_verify(struct gss_ctx *g, const uint8_t *data, size_t len, const uint8_t *mic,
		   size_t mic_len)
{
	(void)g;
	(void)data;
	(void)len;
	return mic_len > 0 && mic[0] == 1 ? 0 : -EBADMSG;
}

int gss_names(struct gss_ctx *g, char ret_principal[GSS_NAME_MAX], char ret_local[GSS_NAME_MAX])
{
	(void)g;
	strcpy(ret_principal, "demo@TEST");
	strcpy(ret_local, "demo");
	return 0;
}
