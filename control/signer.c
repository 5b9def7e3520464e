#include "control/signer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/signer/files.h"
#include "control/signer/remote.h"
#include "crypto/hash.h"

#define SIG_ALG_MAX 64
/* A proof: the request's name, a session id, a host key. */
#define PROVE         "hostkeys-prove-00@openssh.com"
#define PROVE_KEY_MAX 4096 /* RSA 16384 */
#define SIGN_DATA_MAX (3 * 4 + sizeof(PROVE) + HASH_LEN_MAX + PROVE_KEY_MAX)

struct signer {
	struct pool *pool;
	struct signer_remote *remote; /* NULL: the keys are here */
	/* Public halves are keys of their own: a session never holds a private one. */
	struct key *priv[SIGNER_KEYS_MAX];
	struct host_keys pub;
	struct signer_files *files; /* that are named while it runs; NULL: there are no folders */
	bool expects_named;         /* of another process: some of its keys are such */
};

int signer_new(struct pool *pool, struct signer **ret)
{
	struct signer *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->pool = pool;
	*ret = s;
	return 0;
}

int signer_new_remote(struct signer_remote *remote, struct host_keys *pub, struct signer **ret)
{
	struct signer *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->remote = remote;
	s->pub = *pub;
	*pub = (struct host_keys){.n = 0};
	*ret = s;
	return 0;
}

void signer_free(struct signer *s)
{
	if (s == NULL)
		return;
	for (unsigned int i = 0; i < s->pub.n; i++)
		key_free(s->priv[i]);
	host_keys_free(&s->pub);
	signer_files_free(s->files);
	free(s);
}

int signer_add(struct signer *s, struct key *k)
{
	const uint8_t *blob;
	size_t len;
	int r = -E2BIG;

	if (s->pub.n < SIGNER_KEYS_MAX) {
		blob = key_blob(k, &len);
		r = key_blob_parse(blob, len, &s->pub.key[s->pub.n]);
	}
	if (r < 0) {
		key_free(k);
		return r;
	}
	s->priv[s->pub.n++] = k;
	return 0;
}

int signer_add_all(struct signer *s, struct host_keys *keys)
{
	int r = 0;

	for (unsigned int i = 0; i < keys->n && r == 0; i++) {
		r = signer_add(s, keys->key[i]);
		keys->key[i] = NULL;
		if (r < 0)
			break;
		s->pub.chain[s->pub.n - 1] = keys->chain[i];
		s->pub.path[s->pub.n - 1] = keys->path[i];
		s->pub.apart[s->pub.n - 1] = keys->apart[i];
		keys->chain[i].n = 0; /* handed over, */
		keys->path[i] = NULL; /* both */
	}
	host_keys_free(keys);
	return r;
}

unsigned int signer_count(const struct signer *s)
{
	return s->pub.n;
}

const struct key *signer_public(const struct signer *s, unsigned int i)
{
	return s->pub.key[i];
}

const char *signer_path(const struct signer *s, unsigned int i)
{
	return s->pub.path[i];
}

bool signer_apart(const struct signer *s, unsigned int i)
{
	return s->pub.apart[i];
}

const struct host_chain *signer_chain(const struct signer *s, unsigned int i)
{
	return &s->pub.chain[i];
}

struct sign_job {
	struct pool_job job;
	struct signer_caller caller;
	signer_done *done;
	const struct key *priv; /* the signer's, which outlives its calls, */
	struct file_key *of;    /* or this one's, which is in use; NULL: it is the signer's */
	char sig_alg[SIG_ALG_MAX];
	uint8_t data[SIGN_DATA_MAX];
	size_t len;
	int err;
	uint8_t sig[KEY_SIG_MAX];
	size_t sig_len;
};

static struct sign_job *job_of(struct pool_job *job)
{
	return (struct sign_job *)(void *)job; /* its first member */
}

static void job_run(struct pool_job *job)
{
	struct sign_job *j = job_of(job);

	j->sig_len = sizeof(j->sig);
	j->err = key_sign(j->priv, j->sig_alg, j->data, j->len, j->sig, &j->sig_len);
}

static void job_done(struct pool_job *job, int err)
{
	struct sign_job *j = job_of(job);

	if (err == 0)
		err = j->err;
	j->done(&j->caller, err, err == 0 ? j->sig : NULL, err == 0 ? j->sig_len : 0);
}

static void job_free(struct pool_job *job)
{
	struct sign_job *j = job_of(job);

	if (j->of != NULL)
		file_key_unuse(j->of);
	free(j);
}

static const struct key *private_of(const struct signer *s, const struct key *pub)
{
	for (unsigned int i = 0; i < s->pub.n; i++)
		if (key_equal(s->pub.key[i], pub))
			return s->priv[i];
	return NULL;
}

static struct file_key *file_of(const struct signer *s, const struct key *pub)
{
	uint8_t print[32];

	if (s->files == NULL || signer_print(pub, print) < 0)
		return NULL;
	return signer_files_find(s->files, print);
}

/* The number of a key of ours, or -ENOENT. */
static int number_of(const struct signer *s, const struct key *pub)
{
	for (unsigned int i = 0; i < s->pub.n; i++)
		if (key_equal(s->pub.key[i], pub))
			return (int)i;
	return -ENOENT;
}

static int ask_remote(struct signer *s, enum signer_msg kind, const struct key *pub,
		      const char *sig_alg, const uint8_t *data, size_t len, bool rekey,
		      uint64_t deadline_ms, const struct signer_caller *caller, signer_done *done)
{
	struct signer_request m = {.kind = kind,
				   .sig_alg = ssh_str_c(sig_alg),
				   .rekey = rekey,
				   .data = {data, (uint32_t)len}};
	int i = number_of(s, pub), r;
	uint8_t print[32];

	if ((i < 0 && !s->expects_named) || !key_signs_as(pub, sig_alg))
		return -ENOENT;
	m.key = (uint32_t)i;
	if (i < 0) {
		r = signer_print(pub, print);
		if (r < 0)
			return r;
		m.kind = kind == SIGNER_SIGN ? SIGNER_SIGN_NAMED : SIGNER_PROVE_NAMED;
		m.print = (struct ssh_str){print, sizeof(print)};
	}
	return signer_remote_call(s->remote, &m, deadline_ms, caller, done);
}

static bool is_hash_len(size_t len)
{
	static const enum hash_alg algs[] = {HASH_SHA1, HASH_SHA256, HASH_SHA384, HASH_SHA512};

	for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++)
		if (hash_len(algs[i]) == len)
			return true;
	return false;
}

static int submit(struct signer *s, const struct key *pub, const char *sig_alg, const uint8_t *data,
		  size_t len, bool rekey, uint64_t deadline_ms, const struct signer_caller *caller,
		  signer_done *done)
{
	const struct key *priv = private_of(s, pub);
	struct file_key *of = priv == NULL ? file_of(s, pub) : NULL;
	struct sign_job *j;
	int r;

	if ((priv == NULL && of == NULL) || !key_signs_as(pub, sig_alg))
		return -ENOENT;
	if (len > SIGN_DATA_MAX || strlen(sig_alg) >= SIG_ALG_MAX)
		return -EPERM;
	j = calloc(1, sizeof(*j));
	if (j == NULL)
		return -ENOMEM;
	j->job = (struct pool_job){.run = job_run, .done = job_done, .free = job_free};
	j->caller = *caller;
	j->done = done;
	j->of = of;
	j->priv = of != NULL ? file_key_use(of) : priv;
	strcpy(j->sig_alg, sig_alg);
	memcpy(j->data, data, len);
	j->len = len;
	r = pool_submit(s->pool, &j->job, rekey ? POOL_REKEY : POOL_KEX, deadline_ms);
	if (r < 0)
		job_free(&j->job);
	return r;
}

int signer_sign(struct signer *s, const struct key *pub, const char *sig_alg, const uint8_t *data,
		size_t len, bool rekey, uint64_t deadline_ms, const struct signer_caller *caller,
		signer_done *done)
{
	if (number_of(s, pub) < 0 && s->files == NULL && !s->expects_named)
		return -ENOENT;
	if (!is_hash_len(len))
		return -EPERM;
	if (s->remote != NULL)
		return ask_remote(s, SIGNER_SIGN, pub, sig_alg, data, len, rekey, deadline_ms,
				  caller, done);
	return submit(s, pub, sig_alg, data, len, rekey, deadline_ms, caller, done);
}

static uint8_t *put_str(uint8_t *p, const void *s, size_t len)
{
	uint8_t be[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
			 (uint8_t)len};

	p = mempcpy(p, be, sizeof(be));
	return mempcpy(p, s, len);
}

int signer_prove(struct signer *s, const struct key *pub, const char *sig_alg,
		 const uint8_t *session_id, size_t session_id_len, uint64_t deadline_ms,
		 const struct signer_caller *caller, signer_done *done)
{
	uint8_t data[SIGN_DATA_MAX], *p = data;
	size_t blob_len;
	const uint8_t *blob = key_blob(pub, &blob_len);

	if (session_id_len > HASH_LEN_MAX || blob_len > PROVE_KEY_MAX)
		return -EPERM;
	if (s->remote != NULL)
		return ask_remote(s, SIGNER_PROVE, pub, sig_alg, session_id, session_id_len, false,
				  deadline_ms, caller, done);
	p = put_str(p, PROVE, strlen(PROVE));
	p = put_str(p, session_id, session_id_len);
	p = put_str(p, blob, blob_len);
	return submit(s, pub, sig_alg, data, (size_t)(p - data), false, deadline_ms, caller, done);
}

/* --- keys that are named while it runs -------------------------------------------------------- */

int signer_print(const struct key *pub, uint8_t ret[32])
{
	struct hash_piece piece;
	size_t len;

	piece.p = key_blob(pub, &len);
	piece.len = len;
	return hash_digest(HASH_SHA256, &piece, 1, ret);
}

int signer_folders(struct signer *s, struct key_folders *folders)
{
	return signer_files_new(s->pool, folders, &s->files);
}

void signer_expect_named(struct signer *s)
{
	s->expects_named = true;
}

int signer_open(struct signer *s, const struct host_file *file, uint64_t deadline_ms,
		const struct signer_caller *caller, signer_opened *done)
{
	for (unsigned int i = 0; i < HOST_FILE_FIELDS; i++)
		if (file->field[i] != NULL && strlen(file->field[i]) > HOST_FILE_TEXT_MAX)
			return -ENAMETOOLONG;
	if (s->remote != NULL) {
		signer_expect_named(s);
		return signer_remote_open_key(s->remote, file, deadline_ms, caller, done);
	}
	if (s->files == NULL)
		return -EXDEV;
	return signer_files_open(s->files, file, deadline_ms, caller, done);
}

void signer_let_go(struct signer *s, const uint8_t print[32], unsigned int holder)
{
	if (s->remote != NULL)
		signer_remote_let_go(s->remote, print);
	else if (s->files != NULL)
		signer_files_let_go(s->files, print, holder);
}

void signer_let_go_all(struct signer *s, unsigned int holder)
{
	if (s->files != NULL)
		signer_files_let_go_all(s->files, holder);
}

const struct key *signer_named(struct signer *s, const uint8_t print[32], unsigned int holder)
{
	struct file_key *k = s->files != NULL ? signer_files_find(s->files, print) : NULL;

	if (k == NULL)
		return NULL;
	file_key_hold(k, holder);
	return file_key_public(k);
}
