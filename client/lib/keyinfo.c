/* client/lib/keyinfo.c - what there is to know of a key: fields as text, and the key as a file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/lib/internal.h"
#include "crypto/base64.h"

/* "type base64", malloc()ed. */
char *key_line(const struct key *k)
{
	size_t len, room;
	const uint8_t *blob = key_blob(k, &len);
	char *line;
	int n;

	room = strlen(key_type(k)) + 1 + base64_len(len) + 1;
	line = malloc(room);
	if (line == NULL)
		return NULL;
	n = snprintf(line, room, "%s ", key_type(k));
	base64_encode(blob, len, line + n);
	line[room - 1] = '\0';
	return line;
}

static ssize_t put(char *buf, size_t size, const char *text)
{
	if (size > 0)
		snprintf(buf, size, "%s", text);
	return (ssize_t)strlen(text);
}

static ssize_t put_line(const struct key *k, char *buf, size_t size)
{
	char *line = key_line(k);
	ssize_t r = line != NULL ? put(buf, size, line) : -ENOMEM;

	free(line);
	return r;
}

static ssize_t put_fingerprint(const struct key *k, enum hash_alg alg, char *buf, size_t size)
{
	char text[256];
	int r = key_fingerprint_as(k, alg, text, sizeof(text));

	return r < 0 ? r : put(buf, size, text);
}

static ssize_t put_pairs(const struct key *k, enum hash_alg alg, char *buf, size_t size)
{
	char text[HASH_PAIRS_MAX];
	size_t len;
	const uint8_t *blob = key_blob(key_plain(k), &len);
	int r = hash_pairs(alg, blob, len, text);

	return r < 0 ? r : put(buf, size, text);
}

/* --- what its certificate says --------------------------------------------------------------- */

static ssize_t put_local_time(int64_t at, char *buf, size_t size)
{
	static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t t = (time_t)at;
	char text[64] = "";
	struct tm tm;

	if (at != CERTINFO_ALWAYS && at != CERTINFO_EVER && localtime_r(&t, &tm) != NULL)
		snprintf(text, sizeof(text), "%02d-%s-%04ld %02d:%02d:%02d", tm.tm_mday,
			 months[tm.tm_mon], tm.tm_year + 1900L, tm.tm_hour, tm.tm_min, tm.tm_sec);
	return put(buf, size, text);
}

static ssize_t put_cert_field(const struct certinfo *c, enum sluice_key_field f, char *buf,
			      size_t size)
{
	static const enum certinfo_field as[] = {
		[SLUICE_KEY_SUBJECT] = CERTINFO_SUBJECT,
		[SLUICE_KEY_ISSUER] = CERTINFO_ISSUER,
		[SLUICE_KEY_SERIAL] = CERTINFO_SERIAL,
		[SLUICE_KEY_VERSION] = CERTINFO_VERSION,
		[SLUICE_KEY_NOT_BEFORE] = CERTINFO_NOT_BEFORE,
		[SLUICE_KEY_NOT_AFTER] = CERTINFO_NOT_AFTER,
		[SLUICE_KEY_SIG_ALGORITHM] = CERTINFO_SIG_ALGORITHM,
		[SLUICE_KEY_SAN] = CERTINFO_SAN,
		[SLUICE_KEY_USAGE] = CERTINFO_KEY_USAGE,
		[SLUICE_KEY_EXT_USAGE] = CERTINFO_EXT_KEY_USAGE,
		[SLUICE_KEY_USAGE_BITS] = CERTINFO_KEY_USAGE_BITS,
		[SLUICE_KEY_CERT_MD5] = CERTINFO_MD5,
		[SLUICE_KEY_CERT_SHA1] = CERTINFO_SHA1,
		[SLUICE_KEY_CERT_SHA256] = CERTINFO_SHA256,
	};
	const char *text;

	if (f == SLUICE_KEY_EFFECTIVE)
		return put_local_time(c->not_before, buf, size);
	if (f == SLUICE_KEY_EXPIRATION)
		return put_local_time(c->not_after, buf, size);
	text = c->text[as[f]];
	return put(buf, size, text != NULL ? text : "");
}

static ssize_t put_of_cert(const struct sluice_key *k, enum sluice_key_field f, char *buf,
			   size_t size)
{
	struct certinfo c;
	ssize_t n = key_cert_info(k, &c);

	if (n == -ENOENT)
		return put(buf, size, "");
	if (n < 0)
		return n;
	n = put_cert_field(&c, f, buf, size);
	certinfo_fini(&c);
	return n;
}

ssize_t sluice_key_info(const struct sluice_key *k, enum sluice_key_field f, char *buf, size_t size)
{
	char number[16];

	switch (f) {
	case SLUICE_KEY_TYPE:
		return put(buf, size, key_type(k->key));
	case SLUICE_KEY_BITS:
		snprintf(number, sizeof(number), "%u", key_bits(k->key));
		return put(buf, size, number);
	case SLUICE_KEY_LINE:
		return put_line(k->key, buf, size);
	case SLUICE_KEY_MD5:
		return put_fingerprint(k->key, HASH_MD5, buf, size);
	case SLUICE_KEY_SHA1:
		return put_fingerprint(k->key, HASH_SHA1, buf, size);
	case SLUICE_KEY_SHA256:
		return put_fingerprint(k->key, HASH_SHA256, buf, size);
	case SLUICE_KEY_MD5_PAIRS:
		return put_pairs(k->key, HASH_MD5, buf, size);
	case SLUICE_KEY_SHA1_PAIRS:
		return put_pairs(k->key, HASH_SHA1, buf, size);
	case SLUICE_KEY_SHA256_PAIRS:
		return put_pairs(k->key, HASH_SHA256, buf, size);
	case SLUICE_KEY_COMMENT:
		return put(buf, size, k->file->comment);
	case SLUICE_KEY_PRIVATE:
		return put(buf, size, key_is_private(k->key) ? "yes" : "no");
	case SLUICE_KEY_ALGORITHM:
		return put(buf, size, key_log_type(k->key));
	case SLUICE_KEY_FORMAT:
		return put(buf, size, keyfile_format_name(k->file->format));
	default:
		return f >= SLUICE_KEY_SUBJECT && f <= SLUICE_KEY_CERT_SHA256
			       ? put_of_cert(k, f, buf, size)
			       : -EINVAL;
	}
}

/* --- as a file ------------------------------------------------------------------------------- */

static int out_of(const struct sluice_key_out *o, struct keyfile_out *ret)
{
	*ret = (struct keyfile_out){.format = KEYFILE_OPENSSH};
	if (o == NULL)
		return 0;
	if (o->size != sizeof(*o))
		return -EINVAL;
	ret->private = o->private_half;
	ret->passphrase = o->passphrase;
	return o->format != NULL ? keyfile_format_find(o->format, &ret->format) : 0;
}

ssize_t sluice_key_export(const struct sluice_key *k, const struct sluice_key_out *out, char *buf,
			  size_t size)
{
	struct keyfile_bytes b = {0};
	struct keyfile_out o;
	ssize_t r = out_of(out, &o);

	if (r == 0)
		r = keyfile_build(k->file, &o, &b);
	if (r < 0)
		return r;
	r = (ssize_t)b.len;
	if (size > 0 && b.len >= size) {
		r = -ENOBUFS;
	} else if (size > 0) {
		memcpy(buf, b.p, b.len);
		buf[b.len] = '\0';
	}
	keyfile_bytes_free(&b);
	return r;
}
