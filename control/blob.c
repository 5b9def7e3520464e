#include "control/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "ssh/wire.h"

#define NONCE_LEN   12
#define TAG_LEN     16
#define BINDING_LEN (1 + 2 + 2 + 4 + 4 + 8)

struct blob_key {
	uint8_t key[BLOB_KEY_LEN];
};

int blob_key_new(struct blob_key **ret)
{
	struct blob_key *k = secret_new(sizeof(*k));

	if (k == NULL)
		return -ENOMEM;
	if (crypto_random(k->key, sizeof(k->key)) < 0) {
		blob_key_free(k);
		return -EIO;
	}
	*ret = k;
	return 0;
}

void blob_key_free(struct blob_key *k)
{
	if (k != NULL)
		secret_free(k, sizeof(*k));
}

static int key_read(int fd, struct blob_key *k)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size != BLOB_KEY_LEN)
		return -EINVAL;
	if ((st.st_mode & 077) != 0 || (st.st_uid != 0 && st.st_uid != geteuid()))
		return -EACCES;
	return read(fd, k->key, BLOB_KEY_LEN) == BLOB_KEY_LEN ? 0 : -EIO;
}

/* Written whole under another name first: a crash leaves no half key behind. */
static int key_write(const char *path, const struct blob_key *k)
{
	char tmp[4096];
	int fd, r = 0;

	if (strlen(path) + sizeof(".new") > sizeof(tmp))
		return -ENAMETOOLONG;
	stpcpy(stpcpy(tmp, path), ".new");
	(void)unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, k->key, BLOB_KEY_LEN) != BLOB_KEY_LEN || fsync(fd) < 0)
		r = -EIO;
	close(fd);
	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(tmp);
	return r;
}

int blob_key_open(const char *path, struct blob_key **ret)
{
	struct blob_key *k = NULL;
	int fd, r;

	r = blob_key_new(&k);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		r = key_read(fd, k);
		close(fd);
	} else {
		r = errno == ENOENT ? key_write(path, k) : -errno;
	}
	if (r < 0) {
		blob_key_free(k);
		return r;
	}
	*ret = k;
	return 0;
}

int blob_key_derive(const struct blob_key *k, const char *purpose, uint8_t ret[BLOB_KEY_LEN])
{
	const struct hash_piece piece[] = {{k->key, sizeof(k->key)}, {purpose, strlen(purpose)}};
	uint8_t digest[HASH_LEN_MAX];
	int r = hash_digest(HASH_SHA256, piece, 2, digest);

	if (r == 0)
		memcpy(ret, digest, BLOB_KEY_LEN);
	secret_wipe(digest, sizeof(digest));
	return r;
}

static void binding_build(const struct blob_binding *b, uint8_t aad[BINDING_LEN])
{
	struct ssh_wr w;

	ssh_wr_init(&w, aad, BINDING_LEN);
	ssh_wr_u8(&w, BLOB_VERSION);
	ssh_wr_u8(&w, (uint8_t)(b->conn.dataplane >> 8));
	ssh_wr_u8(&w, (uint8_t)b->conn.dataplane);
	ssh_wr_u8(&w, (uint8_t)(b->conn.shard >> 8));
	ssh_wr_u8(&w, (uint8_t)b->conn.shard);
	ssh_wr_u32(&w, b->conn.index);
	ssh_wr_u32(&w, b->conn.generation);
	ssh_wr_u64(&w, b->start_id);
}

static int gcm_seal(const struct blob_key *k, const uint8_t *aad, const uint8_t *plain, size_t len,
		    uint8_t *nonce, uint8_t *text, uint8_t *tag)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, last = 0, ok;

	if (ctx == NULL)
		return -ENOMEM;
	ok = EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, k->key, nonce) == 1 &&
	     EVP_EncryptUpdate(ctx, NULL, &n, aad, BINDING_LEN) == 1 && n == BINDING_LEN &&
	     EVP_EncryptUpdate(ctx, text, &n, plain, (int)len) == 1 && n == (int)len &&
	     EVP_EncryptFinal_ex(ctx, text + n, &last) == 1 && last == 0 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, tag) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : -EIO;
}

static int gcm_open(const struct blob_key *k, const uint8_t *aad, const uint8_t *nonce,
		    const uint8_t *text, size_t len, const uint8_t *tag, uint8_t *plain)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t t[TAG_LEN];
	int n = 0, last = 0, ok;

	if (ctx == NULL)
		return -ENOMEM;
	memcpy(t, tag, TAG_LEN);
	ok = EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, k->key, nonce) == 1 &&
	     EVP_DecryptUpdate(ctx, NULL, &n, aad, BINDING_LEN) == 1 && n == BINDING_LEN &&
	     EVP_DecryptUpdate(ctx, plain, &n, text, (int)len) == 1 && n == (int)len &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, t) == 1 &&
	     EVP_DecryptFinal_ex(ctx, plain + n, &last) == 1 && last == 0;
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : -EBADMSG;
}

int blob_seal(const struct blob_key *k, const struct blob_binding *to, const void *plain,
	      size_t len, uint8_t *out, size_t *ret_len)
{
	uint8_t aad[BINDING_LEN];
	int r;

	if (len > BLOB_PLAIN_MAX)
		return -EMSGSIZE;
	binding_build(to, aad);
	out[0] = BLOB_VERSION;
	r = crypto_random(out + 1, NONCE_LEN);
	if (r < 0)
		return r;
	r = gcm_seal(k, aad, plain, len, out + 1, out + 1 + NONCE_LEN, out + 1 + NONCE_LEN + len);
	if (r < 0)
		return r;
	*ret_len = len + BLOB_OVERHEAD;
	return 0;
}

int blob_open(const struct blob_key *k, const struct blob_binding *to, const uint8_t *sealed,
	      size_t len, uint8_t *out, size_t *ret_len)
{
	uint8_t aad[BINDING_LEN], plain[BLOB_PLAIN_MAX];
	size_t n;
	int r;

	if (len < BLOB_OVERHEAD || len > LINK_BLOB_MAX || sealed[0] != BLOB_VERSION)
		return -EBADMSG;
	n = len - BLOB_OVERHEAD;
	binding_build(to, aad);
	r = gcm_open(k, aad, sealed + 1, sealed + 1 + NONCE_LEN, n, sealed + len - TAG_LEN, plain);
	if (r == 0) {
		memcpy(out, plain, n);
		*ret_len = n;
	}
	secret_wipe(plain, sizeof(plain));
	return r;
}
