#include "control/helper/tokens.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "crypto/base64.h"
#include "crypto/cert.h"

static int printed(int n, size_t size)
{
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int key_text(const struct key *k, char *buf, size_t size)
{
	size_t len;
	const uint8_t *blob = key_blob(k, &len);

	if (base64_len(len) >= size)
		return -ENAMETOOLONG;
	base64_encode(blob, len, buf);
	buf[base64_len(len)] = '\0';
	return 0;
}

static int of_connection(const struct helper_job *j, char *buf, size_t size)
{
	return printed(snprintf(buf, size, "%.*s %u %.*s %u", (int)j->peer.len,
				(const char *)j->peer.p, j->peer_port, (int)j->local.len,
				(const char *)j->local.p, j->local_port),
		       size);
}

static int of_cert(const struct cert *cert, char which, char *buf, size_t size)
{
	if (cert == NULL)
		return -EINVAL;
	switch (which) {
	case 'F':
		return key_fingerprint(cert->ca, buf, size);
	case 'T':
		return printed(snprintf(buf, size, "%s", key_type(cert->ca)), size);
	case 'K':
		return key_text(cert->ca, buf, size);
	case 'i':
		return printed(snprintf(buf, size, "%s", cert->key_id), size);
	default:
		return printed(snprintf(buf, size, "%" PRIu64, cert->serial), size);
	}
}

static int token(const struct tokens *t, char which, char *buf, size_t size)
{
	const struct account *acc = &t->who->account;

	switch (which) {
	case '%':
		return printed(snprintf(buf, size, "%%"), size);
	case 'u':
		return printed(snprintf(buf, size, "%s", t->who->user), size);
	case 'h':
		return printed(snprintf(buf, size, "%s", acc->known ? acc->home : ""), size);
	case 'U':
		return printed(snprintf(buf, size, "%" PRIu32, (uint32_t)acc->uid), size);
	case 'C':
		return of_connection(t->job, buf, size);
	case 'D':
		return printed(snprintf(buf, size, "%.*s", (int)t->job->rdomain.len,
					(const char *)t->job->rdomain.p),
			       size);
	case 'f':
		return key_fingerprint(t->key, buf, size);
	case 't':
		return printed(snprintf(buf, size, "%s", key_type(t->key)), size);
	case 'k':
		return key_text(t->key, buf, size);
	case 'F':
	case 'T':
	case 'K':
	case 'i':
	case 's':
		return of_cert(key_cert(t->key), which, buf, size);
	default:
		return -EINVAL;
	}
}

int tokens_expand(const struct tokens *t, const char *template, char *buf, size_t size)
{
	size_t used = 0;

	for (const char *p = template; *p != '\0'; p++) {
		if (used + 1 >= size)
			return -ENAMETOOLONG;
		if (*p != '%') {
			buf[used++] = *p;
		} else {
			int r = token(t, *++p, buf + used, size - used);

			if (r < 0)
				return r;
			used += strlen(buf + used);
		}
	}
	buf[used] = '\0';
	return 0;
}
