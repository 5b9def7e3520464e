/* client/lib/error.c - errors and their texts. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/lib/internal.h"
#include "ssh/err.h"

static const struct {
	int number, ref;
	const char *text;
} errors[] = {
#define X(name, number, ref, text) {number, ref, text},
	SLUICE_ERRORS(X)
#undef X
};
#define N_ERRORS (sizeof(errors) / sizeof(errors[0]))

const char *sluice_strerror(int err)
{
	const char *text;

	if (err >= 0)
		return "no error";
	for (size_t i = 0; i < N_ERRORS; i++)
		if (errors[i].number == -err)
			return errors[i].text;
	text = strerrordesc_np(-err);
	return text != NULL ? text : "unknown error";
}

int sluice_error_ref(int err)
{
	for (size_t i = 0; i < N_ERRORS; i++)
		if (errors[i].number == -err)
			return errors[i].ref;
	return err == -ENOENT || err == -EACCES ? 302 : 0;
}

/* What the protocol says of a peer, as the program knows it. */
static const struct {
	int ssh, ours;
} meanings[] = {
	{SSH_E_FORMAT, SLUICE_E_MSG_UNSUPPORTED},
	{SSH_E_PROTO, SLUICE_E_MSG_UNSUPPORTED},
	{SSH_E_VERSION, SLUICE_E_VERSION},
	{SSH_E_IDENT, SLUICE_E_VERSION},
	{SSH_E_LENGTH, SLUICE_E_DECRYPT},
	{SSH_E_PADDING, SLUICE_E_DECRYPT},
	{SSH_E_MAC, SLUICE_E_DECRYPT},
	{SSH_E_SEQUENCE, SLUICE_E_DECRYPT},
	{SSH_E_STRICT, SLUICE_E_NEGOTIATE},
	{SSH_E_NO_KEX_ALG, SLUICE_E_NEGOTIATE},
	{SSH_E_NO_HOSTKEY_ALG, SLUICE_E_NEGOTIATE},
	{SSH_E_NO_CIPHER, SLUICE_E_NEGOTIATE},
	{SSH_E_NO_MAC, SLUICE_E_NEGOTIATE},
	{SSH_E_NO_COMP, SLUICE_E_NEGOTIATE},
	{SSH_E_COMP, SLUICE_E_DECOMPRESS},
	{SSH_E_KEX, SLUICE_E_EXCHANGE_HASH},
	{SSH_E_KEX_DH, SLUICE_E_DH},
	{SSH_E_KEX_ECDH, SLUICE_E_ECDH},
	{SSH_E_KEX_PROOF, SLUICE_E_HOSTKEY_VERIFY},
	{SSH_E_KEX_TIMEOUT, SLUICE_E_TIMEOUT},
	{SSH_E_KEX_FLOOD, SLUICE_E_CHANNEL_MSG}, /* of its requests: no answer can go now */
	{SSH_E_SEAL, SLUICE_E_ENCRYPT},
	{SSH_E_UNIMPLEMENTED, SLUICE_E_UNIMPLEMENTED},
	{SSH_E_HOSTKEY, SLUICE_E_HOSTKEY_REJECTED},
	{SSH_E_SERVICE, SLUICE_E_AUTH},
	{SSH_E_AUTH_TRIES, SLUICE_E_AUTH},
	{SSH_E_AUTH_NONE_LEFT, SLUICE_E_AUTH},
	{SSH_E_CHANNEL, SLUICE_E_CHANNEL_ID},
	{SSH_E_CHANNEL_STATE, SLUICE_E_CHANNEL_MSG},
	{SSH_E_WINDOW, SLUICE_E_CHANNEL_DATA},
	{SSH_E_WINDOW_OVERFLOW, SLUICE_E_CHANNEL_MSG},
	{SSH_E_PACKET_SIZE, SLUICE_E_CHANNEL_DATA},
	{SSH_E_FLOOD, SLUICE_E_CHANNEL_MSG},
	{SSH_E_KEEPALIVE, SLUICE_E_KEEPALIVE},
	{SSH_E_MEMORY, ENOMEM},
	{SSH_E_PEER_DISCONNECT, SLUICE_E_DISCONNECTED},
	{SSH_E_CLOSED, SLUICE_E_DROPPED},
	{SSH_E_RESET, SLUICE_E_DROPPED},
	{SSH_E_TIMEOUT, SLUICE_E_TIMEOUT},
};

int error_of(int r)
{
	if (r >= 0 || r <= -SSH_E_END || r > -SSH_E_BASE)
		return r;
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i].ssh == -r)
			return -meanings[i].ours;
	return -SLUICE_E_INTERNAL;
}

int fail(struct sluice *s, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->text, sizeof(s->text), fmt, ap);
	va_end(ap);
	return err;
}

size_t sluice_error_last(struct sluice *s, char *buf, size_t size)
{
	size_t len;

	enter(s);
	len = strlen(s->text);
	if (size > 0)
		snprintf(buf, size, "%s", s->text);
	leave(s);
	return len;
}

const char *sluice_version(void)
{
	return SLUICE_VERSION;
}
