/* crypto/gss.c - see gss.h; by MIT's Kerberos. */
#include "crypto/gss.h"

#include <errno.h>
#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct gss_ctx {
	gss_ctx_id_t ctx;
	gss_cred_id_t cred; /* initiator: NULL: the default's */
	gss_name_t name;    /* of the server (initiator), of the client (acceptor) */
	bool acceptor, established, delegate;
	OM_uint32 flags; /* of the context; before that what is asked for */
};

/* Kerberos alone: the name of the method says so. */
static gss_OID_desc krb5_oid = {GSS_KRB5_OID_LEN - 2, (void *)&GSS_KRB5_OID[2]};

/* "host@name" as a name of the library's; or a principal, with the realm that it names. */
static int server_name(const char *host, gss_name_t *ret)
{
	bool whole = strchr(host, '/') != NULL;
	char text[GSS_NAME_MAX + 8];
	gss_buffer_desc buf = {0, text};
	OM_uint32 minor;
	int n = snprintf(text, sizeof(text), whole ? "%s" : "host@%s", host);

	if (n < 0 || (size_t)n >= sizeof(text))
		return -EINVAL;
	buf.length = (size_t)n;
	return gss_import_name(&minor, &buf,
			       whole ? (gss_OID)GSS_KRB5_NT_PRINCIPAL_NAME
				     : GSS_C_NT_HOSTBASED_SERVICE,
			       ret) == GSS_S_COMPLETE
		       ? 0
		       : -EIO;
}

static int credentials(struct gss_ctx *g, gss_name_t whose, gss_cred_usage_t usage)
{
	gss_OID_set_desc mechs = {1, &krb5_oid};
	OM_uint32 minor;

	return gss_acquire_cred(&minor, whose, GSS_C_INDEFINITE, &mechs, usage, &g->cred, NULL,
				NULL) == GSS_S_COMPLETE
		       ? 0
		       : -EACCES;
}

static int acquire(struct gss_ctx *g, bool strict)
{
	gss_name_t self = GSS_C_NO_NAME;
	char host[HOST_NAME_MAX + 1];
	OM_uint32 minor;
	int r = 0;

	if (strict) {
		if (gethostname(host, sizeof(host)) < 0)
			return -errno;
		host[sizeof(host) - 1] = '\0';
		r = server_name(host, &self);
	}
	if (r == 0)
		r = credentials(g, self, GSS_C_ACCEPT);
	if (self != GSS_C_NO_NAME)
		(void)gss_release_name(&minor, &self);
	return r;
}

int gss_acceptor_new(bool strict, struct gss_ctx **ret)
{
	struct gss_ctx *g = calloc(1, sizeof(*g));
	int r;

	if (g == NULL)
		return -ENOMEM;
	g->acceptor = true;
	r = acquire(g, strict);
	if (r < 0) {
		gss_free(g);
		return r;
	}
	*ret = g;
	return 0;
}

/* Tickets of the KDC's, for this context alone. */
static int fetch(struct gss_ctx *g, gss_name_t whose, const char *password)
{
	gss_buffer_desc buf = {strlen(password), (void *)password};
	gss_OID_set_desc mechs = {1, &krb5_oid};
	OM_uint32 minor;

	return gss_acquire_cred_with_password(&minor, whose, &buf, GSS_C_INDEFINITE, &mechs,
					      GSS_C_INITIATE, &g->cred, NULL,
					      NULL) == GSS_S_COMPLETE
		       ? 0
		       : -EACCES;
}

/* The tickets of somebody by name. */
static int acquire_of(struct gss_ctx *g, const struct gss_client *client)
{
	gss_buffer_desc buf = {strlen(client->name), (void *)client->name};
	gss_name_t name;
	OM_uint32 minor;
	int r;

	if (gss_import_name(&minor, &buf, GSS_C_NT_USER_NAME, &name) != GSS_S_COMPLETE)
		return -EACCES;
	r = client->password != NULL ? fetch(g, name, client->password)
				     : credentials(g, name, GSS_C_INITIATE);
	(void)gss_release_name(&minor, &name);
	return r;
}

int gss_initiator_new(const char *server, const struct gss_client *client, bool delegate,
		      struct gss_ctx **ret)
{
	struct gss_ctx *g = calloc(1, sizeof(*g));
	int r;

	if (g == NULL)
		return -ENOMEM;
	g->delegate = delegate;
	r = server_name(server, &g->name);
	if (r == 0 && client->name != NULL)
		r = acquire_of(g, client);
	if (r < 0) {
		gss_free(g);
		return r;
	}
	*ret = g;
	return 0;
}

void gss_free(struct gss_ctx *g)
{
	OM_uint32 minor;

	if (g == NULL)
		return;
	(void)gss_delete_sec_context(&minor, &g->ctx, GSS_C_NO_BUFFER);
	(void)gss_release_cred(&minor, &g->cred);
	(void)gss_release_name(&minor, &g->name);
	free(g);
}

static OM_uint32 accept_step(struct gss_ctx *g, gss_buffer_t in, gss_buffer_t out)
{
	OM_uint32 minor;

	(void)gss_release_name(&minor, &g->name);
	return gss_accept_sec_context(&minor, &g->ctx, g->cred, in, GSS_C_NO_CHANNEL_BINDINGS,
				      &g->name, NULL, out, &g->flags, NULL, NULL);
}

static OM_uint32 init_step(struct gss_ctx *g, gss_buffer_t in, gss_buffer_t out)
{
	OM_uint32 minor, want = GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG;

	if (g->delegate)
		want |= GSS_C_DELEG_FLAG;
	return gss_init_sec_context(&minor, g->cred, &g->ctx, g->name, &krb5_oid, want, 0,
				    GSS_C_NO_CHANNEL_BINDINGS, in, NULL, out, &g->flags, NULL);
}

int gss_step(struct gss_ctx *g, const uint8_t *token, size_t len, uint8_t **ret, size_t *ret_len)
{
	gss_buffer_desc in = {len, (void *)token}, out = GSS_C_EMPTY_BUFFER;
	OM_uint32 major, minor;
	int r = 0;

	*ret = NULL;
	*ret_len = 0;
	if (g->established || len > GSS_TOKEN_MAX)
		return -EBADMSG;
	major = g->acceptor ? accept_step(g, &in, &out)
			    : init_step(g, len > 0 ? &in : GSS_C_NO_BUFFER, &out);
	g->established = major == GSS_S_COMPLETE;
	if (GSS_ERROR(major))
		r = len > 0 ? -EBADMSG : -EACCES;
	if (out.length > 0) {
		*ret = malloc(out.length);
		if (*ret != NULL) {
			memcpy(*ret, out.value, out.length);
			*ret_len = out.length;
		} else {
			r = -ENOMEM;
		}
	}
	(void)gss_release_buffer(&minor, &out);
	return r;
}

bool gss_established(const struct gss_ctx *g)
{
	return g->established;
}

bool gss_binds(const struct gss_ctx *g)
{
	const OM_uint32 want = GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG;

	return g->established && (g->flags & want) == want;
}

int gss_mic(struct gss_ctx *g, const uint8_t *data, size_t len, uint8_t ret[GSS_MIC_MAX],
	    size_t *ret_len)
{
	gss_buffer_desc in = {len, (void *)data}, out = GSS_C_EMPTY_BUFFER;
	OM_uint32 minor;
	int r = -EIO;

	if (gss_get_mic(&minor, g->ctx, GSS_C_QOP_DEFAULT, &in, &out) == GSS_S_COMPLETE &&
	    out.length > 0 && out.length <= GSS_MIC_MAX) {
		memcpy(ret, out.value, out.length);
		*ret_len = out.length;
		r = 0;
	}
	(void)gss_release_buffer(&minor, &out);
	return r;
}

int gss_mic_verify(struct gss_ctx *g, const uint8_t *data, size_t len, const uint8_t *mic,
		   size_t mic_len)
{
	gss_buffer_desc in = {len, (void *)data}, token = {mic_len, (void *)mic};
	OM_uint32 minor;

	if (!g->established || mic_len == 0 || mic_len > GSS_MIC_MAX)
		return -EBADMSG;
	return gss_verify_mic(&minor, g->ctx, &in, &token, NULL) == GSS_S_COMPLETE ? 0 : -EBADMSG;
}

/* A name without a NUL in it. */
static int name_copy(const gss_buffer_desc *from, char ret[GSS_NAME_MAX])
{
	if (from->length >= GSS_NAME_MAX || memchr(from->value, '\0', from->length) != NULL)
		return -EBADMSG;
	memcpy(ret, from->value, from->length);
	ret[from->length] = '\0';
	return 0;
}

int gss_names(struct gss_ctx *g, char ret_principal[GSS_NAME_MAX], char ret_local[GSS_NAME_MAX])
{
	gss_buffer_desc display = GSS_C_EMPTY_BUFFER, local = GSS_C_EMPTY_BUFFER;
	OM_uint32 minor;
	int r = -EIO;

	ret_local[0] = '\0';
	if (!g->established || !g->acceptor)
		return -EINVAL;
	if (gss_display_name(&minor, g->name, &display, NULL) == GSS_S_COMPLETE)
		r = name_copy(&display, ret_principal);
	/* krb5.conf(5) auth_to_local: without a rule, a user of our own realm. */
	if (r == 0 && gss_localname(&minor, g->name, GSS_C_NO_OID, &local) == GSS_S_COMPLETE &&
	    name_copy(&local, ret_local) < 0)
		ret_local[0] = '\0';
	(void)gss_release_buffer(&minor, &display);
	(void)gss_release_buffer(&minor, &local);
	return r;
}
