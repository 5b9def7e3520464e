/*
 * crypto/key_file.c - private keys in files: openssh-key-v1 (OpenSSH's PROTOCOL.key), and PEM
 * as OpenSSL reads it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "crypto/base64.h"
#include "crypto/key_internal.h"
#include "crypto/secret.h"

#define MARK_BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----\n"
#define MARK_END   "-----END OPENSSH PRIVATE KEY-----\n"
#define AUTH_MAGIC "openssh-key-v1" /* and its NUL */
#define PAD_BLOCK  8                /* of the cipher "none" */
#define LINE_LEN   70

/* A damaged key must fail where it is read, not at a login. */
static int key_selftest(const struct key *private, const struct key *public)
{
	static const uint8_t data[] = "sluice key self-test";
	const char *alg = key_sig_alg_of(private, 0);
	uint8_t sig[KEY_SIG_MAX];
	size_t len = 0;
	int r;

	r = key_sign(private, alg, data, sizeof(data), sig, &len);
	if (r == 0)
		r = key_verify(public, alg, sig, len, data, sizeof(data));
	return r == -ENOMEM ? r : r < 0 ? -EBADMSG : 0;
}

int key_from_private(const struct key_type *type, EVP_PKEY *pkey, struct key **ret)
{
	struct key *private = calloc(1, sizeof(*private)), *public = NULL;
	struct blob_wr w;
	int r;

	if (private == NULL) {
		EVP_PKEY_free(pkey);
		return -ENOMEM;
	}
	private->type = type;
	private->pkey = pkey;
	private->is_private = true;
	w = blob_wr_init(private->blob, sizeof(private->blob));
	r = type->public_build(type, pkey, &w);
	if (r == 0 && w.bad)
		r = -ENOTSUP; /* a number beyond all bounds */
	if (r < 0)
		goto out;
	private->blob_len = w.len;

	/* The bounds of a public key hold for this one as for a stranger's. */
	r = key_blob_parse(private->blob, private->blob_len, &public);
	if (r == 0)
		r = key_selftest(private, public);
	if (r < 0)
		goto out;
	*ret = private;
	private = NULL;
out:
	key_free(private);
	key_free(public);
	ERR_clear_error();
	return r;
}

/* The list of private keys, which has one member here: the numbers, the comment, padding. */
static int private_section_parse(struct blob_str s, struct key **ret)
{
	struct blob_rd r = blob_rd_init(s.p, s.len);
	const struct key_type *type;
	uint32_t check1 = blob_rd_u32(&r);
	uint32_t check2 = blob_rd_u32(&r);
	struct blob_str name = blob_rd_str(&r);
	EVP_PKEY *pkey = NULL;
	int err;

	if (s.len % PAD_BLOCK != 0 || r.bad || check1 != check2)
		return -EBADMSG;
	type = key_type_find(name);
	if (type == NULL)
		return -ENOTSUP;
	err = type->private_parse(type, &r, &pkey);
	if (err < 0)
		return err;
	blob_rd_str(&r); /* the comment */
	for (uint8_t pad = 1; !r.bad && r.p < r.end; pad++)
		if (pad >= PAD_BLOCK || *r.p++ != pad)
			r.bad = true;
	if (r.bad) {
		EVP_PKEY_free(pkey);
		return -EBADMSG;
	}
	return key_from_private(type, pkey, ret);
}

static int openssh_v1_parse(const uint8_t *p, size_t len, struct key **ret)
{
	struct blob_rd r = blob_rd_init(p, len);
	const uint8_t *magic = blob_rd_take(&r, sizeof(AUTH_MAGIC));
	struct blob_str cipher = blob_rd_str(&r);
	struct blob_str kdf = blob_rd_str(&r);
	struct blob_str kdf_options = blob_rd_str(&r);
	uint32_t n_keys = blob_rd_u32(&r);
	struct blob_str public = blob_rd_str(&r);
	struct blob_str private = blob_rd_str(&r);
	struct key *k = NULL;
	int err;

	if (magic == NULL || memcmp(magic, AUTH_MAGIC, sizeof(AUTH_MAGIC)) != 0 || r.bad)
		return -EBADMSG;
	if (!blob_str_is(cipher, "none") || !blob_str_is(kdf, "none"))
		return -ENOTSUP; /* behind a passphrase */
	if (!blob_rd_done(&r) || kdf_options.len != 0 || n_keys != 1)
		return -EBADMSG;
	err = private_section_parse(private, &k);
	if (err < 0)
		return err;
	if (public.len != k->blob_len || memcmp(public.p, k->blob, k->blob_len) != 0) {
		key_free(k);
		return -EBADMSG;
	}
	*ret = k;
	return 0;
}

static int openssh_text_parse(const char *text, size_t len, struct key **ret)
{
	const char *body = text + strlen(MARK_BEGIN);
	const char *end = memmem(body, len - strlen(MARK_BEGIN), MARK_END, strlen(MARK_END));
	size_t n = 0;
	uint8_t *buf;
	int r;

	if (end == NULL)
		return -EBADMSG;
	buf = secret_new(KEY_PRIVATE_MAX);
	if (buf == NULL)
		return -ENOMEM;
	r = base64_decode(body, (size_t)(end - body), buf, KEY_PRIVATE_MAX, &n);
	r = r < 0 ? -EBADMSG : openssh_v1_parse(buf, n, ret);
	secret_free(buf, KEY_PRIVATE_MAX);
	return r;
}

/* Never asks anyone for a passphrase: it notes that one is wanted. */
static int passphrase_wanted(char *buf, int size, int writing, void *user)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)user = true;
	return -1;
}

static int pem_parse(const uint8_t *text, size_t len, struct key **ret)
{
	bool encrypted = false;
	EVP_PKEY *pkey = NULL;
	BIO *bio;

	bio = BIO_new_mem_buf(text, (int)len);
	if (bio == NULL)
		return -ENOMEM;
	pkey = PEM_read_bio_PrivateKey(bio, NULL, passphrase_wanted, &encrypted);
	BIO_free(bio);
	ERR_clear_error();
	if (pkey == NULL)
		return encrypted ? -ENOTSUP : -EBADMSG;
	for (unsigned int i = 0; key_type_at(i) != NULL; i++)
		if (key_type_at(i)->is(key_type_at(i), pkey))
			return key_from_private(key_type_at(i), pkey, ret);
	EVP_PKEY_free(pkey);
	return -ENOTSUP;
}

int key_private_parse(const uint8_t *text, size_t len, struct key **ret)
{
	if (len > KEY_FILE_MAX)
		return -EBADMSG;
	if (len >= strlen(MARK_BEGIN) && memcmp(text, MARK_BEGIN, strlen(MARK_BEGIN)) == 0)
		return openssh_text_parse((const char *)text, len, ret);
	return pem_parse(text, len, ret);
}

static int file_check(int fd, size_t *ret_size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return -EACCES;
	if (st.st_size > KEY_FILE_MAX)
		return -EFBIG;
	*ret_size = (size_t)st.st_size;
	return 0;
}

static int read_all(int fd, uint8_t *buf, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = read(fd, buf + got, len - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EBADMSG; /* it shrank under us */
		got += (size_t)n;
	}
	return 0;
}

int key_file_load(const char *path, struct key **ret)
{
	uint8_t *buf = NULL;
	size_t len = 0;
	int fd, r;

	/* Not to wait for a writer should the name be a pipe. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = file_check(fd, &len);
	if (r < 0)
		goto out;
	buf = secret_new(len);
	if (buf == NULL) {
		r = -ENOMEM;
		goto out;
	}
	r = read_all(fd, buf, len);
	if (r == 0)
		r = key_private_parse(buf, len, ret);
out:
	secret_free(buf, len);
	close(fd);
	return r;
}

int key_generate(const char *type, unsigned int bits, struct key **ret)
{
	const struct blob_str name = {(const uint8_t *)type, strlen(type)};
	const struct key_type *t = key_type_find(name);
	EVP_PKEY *pkey = NULL;
	int r;

	if (t == NULL)
		return -ENOTSUP;
	r = t->generate(t, bits, &pkey);
	if (r < 0)
		return r;
	return key_from_private(t, pkey, ret);
}

static int private_section_build(const struct key *k, const char *comment, struct blob_wr *w)
{
	size_t start = w->len;
	uint8_t check[4];
	int r;

	r = crypto_random(check, sizeof(check));
	if (r < 0)
		return r;
	blob_wr_put(w, check, sizeof(check));
	blob_wr_put(w, check, sizeof(check));
	blob_wr_cstr(w, k->type->name);
	r = k->type->private_build(k->type, k->pkey, w);
	if (r < 0)
		return r;
	blob_wr_cstr(w, comment);
	for (uint8_t pad = 1; !w->bad && (w->len - start) % PAD_BLOCK != 0; pad++)
		blob_wr_put(w, &pad, 1);
	return w->bad ? -ENOBUFS : 0;
}

static int openssh_v1_build(const struct key *k, const char *comment, struct blob_wr *w)
{
	uint8_t *section = secret_new(KEY_PRIVATE_MAX);
	struct blob_wr inner = blob_wr_init(section, KEY_PRIVATE_MAX);
	int r;

	if (section == NULL)
		return -ENOMEM;
	r = private_section_build(k, comment, &inner);
	if (r == 0) {
		blob_wr_put(w, AUTH_MAGIC, sizeof(AUTH_MAGIC));
		blob_wr_cstr(w, "none");
		blob_wr_cstr(w, "none");
		blob_wr_cstr(w, "");
		blob_wr_u32(w, 1);
		blob_wr_str(w, k->blob, k->blob_len);
		blob_wr_str(w, inner.p, inner.len);
		r = w->bad ? -ENOBUFS : 0;
	}
	secret_free(section, KEY_PRIVATE_MAX);
	return r;
}

/* Lines of LINE_LEN characters between the marks. */
static int armour(const struct blob_wr *w, char *buf, size_t *ret_len)
{
	size_t chars = base64_len(w->len);
	size_t lines = (chars + LINE_LEN - 1) / LINE_LEN;
	size_t need = strlen(MARK_BEGIN) + chars + lines + strlen(MARK_END);
	char *text, *p = buf;

	if (*ret_len < need + 1)
		return -ENOBUFS;
	text = secret_new(chars);
	if (text == NULL)
		return -ENOMEM;
	base64_encode(w->p, w->len, text);
	p = stpcpy(p, MARK_BEGIN);
	for (size_t i = 0; i < chars; i += LINE_LEN) {
		p = mempcpy(p, text + i, chars - i < LINE_LEN ? chars - i : LINE_LEN);
		*p++ = '\n';
	}
	stpcpy(p, MARK_END);
	secret_free(text, chars);
	*ret_len = need;
	return 0;
}

int key_private_build(const struct key *k, const char *comment, char *buf, size_t *ret_len)
{
	struct blob_wr w;
	uint8_t *bytes;
	int r;

	if (!k->is_private)
		return -EINVAL;
	bytes = secret_new(KEY_PRIVATE_MAX);
	if (bytes == NULL)
		return -ENOMEM;
	w = blob_wr_init(bytes, KEY_PRIVATE_MAX);
	r = openssh_v1_build(k, comment, &w);
	if (r == 0)
		r = armour(&w, buf, ret_len);
	secret_free(bytes, KEY_PRIVATE_MAX);
	return r;
}
