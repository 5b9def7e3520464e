/* control/signer/files.c - see files.h. */
#include "control/signer/files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/log.h"
#include "control/signer/folder.h"
#include "crypto/secret.h"

#define LOADING_MAX 1 /* at once: the pool has two threads at least */

/* Which file it was. */
struct which {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed, written;
};

struct file_key {
	struct host_file *name;
	struct which which;
	uint8_t print[32];
	struct key *priv, *pub;
	struct host_chain chain;
	uint64_t used_at; /* of files' count of uses */
	unsigned int in_use;
	uint8_t holders; /* a bit for each */
	bool old;        /* there is another file of this name by now */
};

struct load {
	struct pool_job job;
	struct load *next;
	struct signer_files *of;
	struct host_file *name;
	struct signer_caller caller;
	signer_opened *done;
	uint64_t deadline_ms;
	struct file_key *known; /* of that name; in use. NULL: none */
	struct which known_as;  /* run() may see no struct file_key */
	/* run()'s: */
	struct which which;
	bool same; /* it is the one that is known */
	int err;
	char why[KEYFILE_WHY_MAX];
	struct keyfile *kf;
};

struct signer_files {
	struct pool *pool;
	struct key_folders *folders;
	struct file_key *key[SIGNER_FILES_MAX];
	unsigned int n, n_loading, n_waiting;
	struct load *first, **last;
	uint64_t uses;
};

_Static_assert(SIGNER_HOLDERS <= 8, "a bit each");

/* --- those that are loaded -------------------------------------------------------------------- */

static void key_forget(struct file_key *k)
{
	key_free(k->priv);
	key_free(k->pub);
	host_chain_free(&k->chain);
	free(k->name);
	free(k);
}

static bool idle(const struct file_key *k)
{
	return k->holders == 0 && k->in_use == 0;
}

static void drop_at(struct signer_files *f, unsigned int i)
{
	key_forget(f->key[i]);
	f->key[i] = f->key[--f->n];
}

/* Room for one more: that of who was used longest ago. False: all are held. */
static bool make_room(struct signer_files *f)
{
	unsigned int at = f->n;

	if (f->n < SIGNER_FILES_MAX)
		return true;
	for (unsigned int i = 0; i < f->n; i++)
		if (idle(f->key[i]) && (at == f->n || f->key[i]->used_at < f->key[at]->used_at))
			at = i;
	if (at == f->n)
		return false;
	log_line(LOG_L_VERBOSE, "host key \"%s\" makes room for another",
		 f->key[at]->name->field[HOST_FILE_PATH]);
	drop_at(f, at);
	return true;
}

static struct file_key *find_name(const struct signer_files *f, const struct host_file *name)
{
	for (unsigned int i = 0; i < f->n; i++)
		if (!f->key[i]->old && host_file_same(f->key[i]->name, name))
			return f->key[i];
	return NULL;
}

struct file_key *signer_files_find(struct signer_files *f, const uint8_t print[32])
{
	for (unsigned int i = 0; i < f->n; i++) {
		if (memcmp(f->key[i]->print, print, 32) != 0)
			continue;
		f->key[i]->used_at = ++f->uses;
		return f->key[i];
	}
	return NULL;
}

void file_key_hold(struct file_key *k, unsigned int holder)
{
	k->holders |= (uint8_t)(1u << holder);
}

const struct key *file_key_public(const struct file_key *k)
{
	return k->pub;
}

const struct key *file_key_use(struct file_key *k)
{
	k->in_use++;
	return k->priv;
}

void file_key_unuse(struct file_key *k)
{
	k->in_use--;
}

/* What nobody can name any more goes when it is let go; one that was idle when its file was exchanged, as others come. */
void signer_files_let_go(struct signer_files *f, const uint8_t print[32], unsigned int holder)
{
	for (unsigned int i = f->n; i-- > 0;) {
		struct file_key *k = f->key[i];

		if (memcmp(k->print, print, 32) != 0)
			continue;
		k->holders &= (uint8_t)~(1u << holder);
		if (k->old && idle(k))
			drop_at(f, i);
	}
}

/* Nothing goes: whoever asks next may have his connections, and their keys. */
void signer_files_let_go_all(struct signer_files *f, unsigned int holder)
{
	for (unsigned int i = 0; i < f->n; i++)
		f->key[i]->holders &= (uint8_t)~(1u << holder);
}

/* --- reading, on a thread of the pool --------------------------------------------------------- */

static void which_of(const struct stat *st, struct which *ret)
{
	*ret = (struct which){st->st_dev, st->st_ino, st->st_size, st->st_ctim, st->st_mtim};
}

static bool which_same(const struct which *a, const struct which *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec &&
	       a->written.tv_sec == b->written.tv_sec && a->written.tv_nsec == b->written.tv_nsec;
}

static ssize_t read_all(int fd, uint8_t *buf, size_t size)
{
	size_t at = 0;
	ssize_t n;

	while (at < size && (n = read(fd, buf + at, size - at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += (size_t)n;
	}
	return (ssize_t)at;
}

/* The first line. */
static int line_read(struct load *l, enum host_file_field which, char *buf, size_t size)
{
	const char *path = l->name->field[which];
	int fd, r = key_folders_open(l->of->folders, path, &fd);
	ssize_t n;

	if (r == 0) {
		n = read_all(fd, (uint8_t *)buf, size);
		close(fd);
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] == '\n' || buf[i] == '\r')
				n = i;
		r = (int)n;
	}
	if (r < 0)
		snprintf(l->why, sizeof(l->why), "%s: %s", host_file_field_name(which),
			 strerror(-r));
	return r < 0 ? -ENOKEY : r;
}

static int passphrase_read(void *arg, const char *what, char *buf, size_t size)
{
	(void)what;
	return line_read(arg, HOST_FILE_PASSPHRASE, buf, size);
}

static int key_passphrase_read(void *arg, const char *what, char *buf, size_t size)
{
	(void)what;
	return line_read(arg, HOST_FILE_KEY_PASSPHRASE, buf, size);
}

static int bytes_parse(struct load *l, const uint8_t *p, size_t len)
{
	const char *const *say = l->name->field;
	struct keyfile_opts o = {.subject = say[HOST_FILE_SUBJECT],
				 .thumbprint = say[HOST_FILE_THUMBPRINT],
				 .passphrase_arg = l,
				 .why = l->why};
	int r = 0;

	if (say[HOST_FILE_FORMAT] != NULL)
		r = keyfile_format_find(say[HOST_FILE_FORMAT], &o.format);
	if (r < 0)
		snprintf(l->why, sizeof(l->why), "no format that is taken: %.100s",
			 say[HOST_FILE_FORMAT]);
	if (say[HOST_FILE_PASSPHRASE] != NULL)
		o.passphrase = passphrase_read;
	if (say[HOST_FILE_KEY_PASSPHRASE] != NULL)
		o.key_passphrase = key_passphrase_read;
	if (r == 0)
		r = keyfile_parse(p, len, &o, &l->kf);
	if (r == 0 && !key_is_private(l->kf->key)) {
		snprintf(l->why, sizeof(l->why), "it has no private half");
		r = -ENOKEY;
	}
	return r;
}

static int file_parse(struct load *l, int fd, size_t size)
{
	uint8_t *buf;
	ssize_t n;
	int r;

	if (size == 0 || size > KEYFILE_MAX)
		return size == 0 ? -EBADMSG : -EFBIG;
	buf = malloc(size);
	if (buf == NULL)
		return -ENOMEM;
	n = read_all(fd, buf, size);
	r = n < 0 ? (int)n : bytes_parse(l, buf, (size_t)n);
	secret_wipe(buf, size);
	free(buf);
	return r;
}

static struct load *load_of(struct pool_job *job)
{
	return (struct load *)(void *)job; /* its first member */
}

static void load_run(struct pool_job *job)
{
	struct load *l = load_of(job);
	struct stat st;
	int fd = -1;

	l->err = key_folders_open(l->of->folders, l->name->field[HOST_FILE_PATH], &fd);
	if (l->err == -EXDEV)
		snprintf(l->why, sizeof(l->why), "it is not below a HostKeyFolder");
	if (l->err < 0)
		return;
	l->err = fstat(fd, &st) < 0 ? -errno : 0;
	if (l->err == 0) {
		which_of(&st, &l->which);
		l->same = l->known != NULL && which_same(&l->which, &l->known_as);
	}
	if (l->err == 0 && !l->same)
		l->err = file_parse(l, fd, (size_t)st.st_size);
	close(fd);
}

/* --- and what becomes of it ------------------------------------------------------------------- */

/* As with HostKey: of a chain that is too long there is none. */
static int chain_take(struct keyfile *kf, const char *path, struct host_chain *ret)
{
	struct host_keys one = {.n = 1};
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < kf->n_certs; i++)
		r = host_keys_cert(&one, 0, kf->cert[i].der, kf->cert[i].len);
	if (r == 0)
		*ret = one.chain[0];
	else
		host_chain_free(&one.chain[0]);
	if (r == -E2BIG)
		log_line(LOG_L_ERROR, "host key \"%s\": its certificates are left out: %s", path,
			 strerror(-r));
	return r == -E2BIG ? 0 : r;
}

static int key_new_of(struct load *l, struct file_key **ret)
{
	struct file_key *k = calloc(1, sizeof(*k));
	const uint8_t *blob;
	size_t len;
	int r;

	if (k == NULL)
		return -ENOMEM;
	k->which = l->which;
	k->name = host_file_copy(l->name);
	r = k->name != NULL ? 0 : -ENOMEM;
	blob = key_blob(l->kf->key, &len);
	if (r == 0)
		r = key_blob_parse(blob, len, &k->pub);
	if (r == 0)
		r = signer_print(k->pub, k->print);
	if (r == 0)
		r = chain_take(l->kf, l->name->field[HOST_FILE_PATH], &k->chain);
	if (r < 0) {
		key_forget(k);
		return r;
	}
	k->priv = keyfile_take(l->kf);
	*ret = k;
	return 0;
}

/* It takes the place of the one that had its name. */
static int key_add(struct load *l, struct file_key **ret)
{
	struct signer_files *f = l->of;
	struct file_key *before;
	int r;

	if (!make_room(f)) {
		snprintf(l->why, sizeof(l->why), "%d keys are in use", SIGNER_FILES_MAX);
		return -EDQUOT;
	}
	r = key_new_of(l, ret);
	if (r < 0)
		return r;
	before = find_name(f, l->name);
	if (before != NULL)
		before->old = true;
	f->key[f->n++] = *ret;
	log_line(LOG_L_INFO, "host key \"%s\" is loaded", l->name->field[HOST_FILE_PATH]);
	return 0;
}

static void loads_go_on(struct signer_files *f);

static void load_done(struct pool_job *job, int err)
{
	struct load *l = load_of(job);
	struct file_key *k = l->known;
	const char *why;

	if (err == 0)
		err = l->err;
	if (err == 0 && !l->same)
		err = key_add(l, &k);
	if (err < 0) {
		/* Where it is late, why is being written. */
		why = err == -ETIMEDOUT || *l->why == '\0' ? keyfile_error(err) : l->why;
		l->done(&l->caller, err, why, NULL, NULL);
		return;
	}
	k->used_at = ++l->of->uses;
	l->done(&l->caller, 0, "", k->pub, &k->chain);
}

static void load_end(struct load *l)
{
	if (l->known != NULL)
		file_key_unuse(l->known);
	keyfile_free(l->kf);
	free(l->name);
	free(l);
}

/* Also of one that was late: only now its thread is free. */
static void load_free(struct pool_job *job)
{
	struct signer_files *f = load_of(job)->of;
	bool told = job->told;

	load_end(load_of(job));
	f->n_loading--;
	if (told) /* else the pool is closed */
		loads_go_on(f);
}

static void load_start(struct load *l)
{
	struct signer_files *f = l->of;
	int r;

	l->job = (struct pool_job){.run = load_run, .done = load_done, .free = load_free};
	l->known = find_name(f, l->name);
	if (l->known != NULL) {
		(void)file_key_use(l->known);
		l->known_as = l->known->which;
	}
	r = pool_submit(f->pool, &l->job, POOL_KEX, l->deadline_ms);
	if (r == 0) {
		f->n_loading++;
		return;
	}
	l->done(&l->caller, r, strerror(-r), NULL, NULL);
	load_end(l);
}

static void loads_go_on(struct signer_files *f)
{
	struct load *l;

	while (f->n_loading < LOADING_MAX && (l = f->first) != NULL) {
		f->first = l->next;
		if (f->first == NULL)
			f->last = &f->first;
		f->n_waiting--;
		load_start(l);
	}
}

int signer_files_open(struct signer_files *f, const struct host_file *file, uint64_t deadline_ms,
		      const struct signer_caller *caller, signer_opened *done)
{
	struct load *l;

	if (f->n_waiting >= SIGNER_LOADS_MAX)
		return -EBUSY;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return -ENOMEM;
	l->name = host_file_copy(file);
	if (l->name == NULL) {
		free(l);
		return -ENOMEM;
	}
	l->of = f;
	l->caller = *caller;
	l->done = done;
	l->deadline_ms = deadline_ms;
	*f->last = l;
	f->last = &l->next;
	f->n_waiting++;
	loads_go_on(f);
	return 0;
}

int signer_files_new(struct pool *pool, struct key_folders *folders, struct signer_files **ret)
{
	struct signer_files *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -ENOMEM;
	f->pool = pool;
	f->folders = folders;
	f->last = &f->first;
	*ret = f;
	return 0;
}

void signer_files_free(struct signer_files *f)
{
	struct load *l;

	if (f == NULL)
		return;
	while ((l = f->first) != NULL) {
		f->first = l->next;
		load_end(l);
	}
	while (f->n > 0)
		drop_at(f, f->n - 1);
	free(f);
}
