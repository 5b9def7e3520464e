#include "client/known/update.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/known/file.h"
#include "client/known/scan.h"
#include "crypto/keyfile.h"
#include "ssh/msg.h"

#define PROVE "hostkeys-prove-00@openssh.com"

struct known_update {
	const struct known_conf *conf;
	char name[KNOWN_NAME_MAX];
	struct key *key[KNOWN_KEYS_MAX]; /* what the server has */
	bool known[KNOWN_KEYS_MAX];      /* in a user file */
	struct key *gone[KNOWN_KEYS_MAX]; /* what it has no more, of those there */
	unsigned int n, old;
	bool proved;
};

/* --- what it says ----------------------------------------------------------------------- */

/* Of nothing, too, which may have no place. */
static void rd_begin(struct ssh_rd *rd, struct ssh_str s)
{
	ssh_rd_init(rd, s.len > 0 ? s.p : (const uint8_t *)"", s.len);
}

static bool in_use(const struct key *k, const char *algs)
{
	char name[64];

	while (*algs != '\0') {
		size_t n = strcspn(algs, ",");

		snprintf(name, sizeof(name), "%.*s", (int)n, algs);
		if (n < sizeof(name) && key_sig_alg_fits(k, name))
			return true;
		algs += n + (algs[n] == ',');
	}
	return false;
}

static int key_take(struct known_update *u, struct ssh_str blob, const char *algs)
{
	struct key *k = NULL;
	int r = key_blob_parse(blob.p, blob.len, &k);

	if (r < 0) /* of a kind we have no use for; a certificate is none of its keys */
		return r == -ENOMEM ? r : r == -ENOTSUP ? 0 : -EBADMSG;
	for (unsigned int i = 0; i < u->n; i++)
		if (key_equal(u->key[i], k))
			r = -EBADMSG;
	if (r == 0 && in_use(k, algs)) {
		if (u->n == KNOWN_KEYS_MAX)
			r = -EBADMSG;
		else {
			u->key[u->n++] = k;
			k = NULL;
		}
	}
	key_free(k);
	return r;
}

static int keys_take(struct known_update *u, struct ssh_str data, const char *algs)
{
	struct ssh_rd rd;
	int r = 0;

	rd_begin(&rd, data);
	while (r == 0 && !rd.bad && rd.p < rd.end) {
		struct ssh_str blob = ssh_rd_str(&rd);

		if (!rd.bad)
			r = key_take(u, blob, algs);
	}
	return r < 0 ? r : rd.bad ? -EBADMSG : 0;
}

static int find(const struct known_update *u, const struct key *k)
{
	for (unsigned int i = 0; i < u->n; i++)
		if (key_equal(u->key[i], k))
			return (int)i;
	return -1;
}

/* --- what is known ---------------------------------------------------------------------- */

/* "192.0.2.1", or "[192.0.2.1]:2222". */
static bool is_address(const char *p, size_t n)
{
	char text[INET6_ADDRSTRLEN] = "";
	struct in6_addr a;
	const char *end;

	if (n > 0 && *p == '[') {
		end = memchr(p, ']', n);
		n = end != NULL ? (size_t)(end - p) - 1 : 0;
		p++;
	}
	if (n == 0 || n >= sizeof(text))
		return false;
	memcpy(text, p, n);
	return inet_pton(AF_INET, text, &a) == 1 || inet_pton(AF_INET6, text, &a) == 1;
}

/*
 * One name, or one and its address, as ssh with CheckHostIP wrote them, and no pattern: a line that
 * is about this host alone.
 */
static bool is_plain(const struct known_line *l)
{
	const char *comma = memchr(l->names, ',', l->names_len);

	for (size_t i = 0; i < l->names_len; i++)
		if (strchr("*?!", l->names[i]) != NULL)
			return false;
	return l->marker == KNOWN_KEY &&
	       (comma == NULL ||
		is_address(comma + 1, l->names_len - (size_t)(comma + 1 - l->names)));
}

static int gone_add(struct known_update *u, const struct key *k)
{
	struct ssh_str blob = ssh_str_key(k);
	int r = u->old < KNOWN_KEYS_MAX ? key_blob_parse(blob.p, blob.len, &u->gone[u->old])
					: -ENODATA;

	u->old += r == 0;
	return r;
}

/* A key that other names have, too, is let be: they would come apart. */
static int compare_each(void *arg, const struct known_entry *e)
{
	struct known_update *u = arg;
	int i = find(u, e->key), about = known_line_names(e->line, u->name, known_in_list);

	if (about < 0)
		return about;
	if (!e->user_file) /* of the system's, what it says is revoked alone */
		return about && e->line->marker == KNOWN_REVOKED && i >= 0 ? -ENODATA : 0;
	if (!about)
		return i >= 0 ? -ENODATA : 0;
	if (!is_plain(e->line))
		return -ENODATA;
	if (i < 0)
		return gone_add(u, e->key);
	u->known[i] = true;
	return 0;
}

static int gone_each(void *arg, const struct known_entry *e)
{
	const struct known_update *u = arg;
	int about = known_line_names(e->line, u->name, known_in_list);

	if (about != 0 || !e->user_file)
		return about < 0 ? about : 0;
	for (unsigned int i = 0; i < u->old; i++)
		if (key_equal(u->gone[i], e->key))
			return -ENODATA;
	return 0;
}

unsigned int known_update_new_keys(const struct known_update *u)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < u->n; i++)
		n += !u->known[i];
	return n;
}

unsigned int known_update_old_keys(const struct known_update *u)
{
	return u->old;
}

const struct key *known_update_key(const struct known_update *u, unsigned int i)
{
	for (unsigned int k = 0; k < u->n; k++)
		if (!u->known[k] && i-- == 0)
			return u->key[k];
	return NULL;
}

int known_update_new(const struct known_conf *c, const struct known_host *h,
		     const struct key *server, const char *algs, struct ssh_str data,
		     struct known_update **ret)
{
	struct known_update *u = calloc(1, sizeof(*u));
	const char *file;
	int r, i;

	if (u == NULL)
		return -ENOMEM;
	u->conf = c;
	r = known_conf_name(c, h, u->name);
	if (r == 0)
		r = keys_take(u, data, algs);
	if (r == 0)
		r = known_scan(c, NULL, compare_each, u, &file);
	if (r == 0 && u->old > 0)
		r = known_scan(c, NULL, gone_each, u, &file);
	i = find(u, server);
	if (r == 0 && (i < 0 || !u->known[i] || (known_update_new_keys(u) == 0 && u->old == 0)))
		r = -ENODATA;
	if (r < 0)
		known_update_free(u);
	else
		*ret = u;
	return r;
}

/* --- proofs ----------------------------------------------------------------------------- */

size_t known_update_request(const struct known_update *u, uint8_t *buf, size_t size)
{
	struct ssh_wr w;

	if (known_update_new_keys(u) == 0)
		return 0;
	ssh_wr_init(&w, buf, size);
	ssh_wr_u8(&w, SSH_MSG_GLOBAL_REQUEST);
	ssh_wr_cstr(&w, PROVE);
	ssh_wr_bool(&w, true);
	for (unsigned int i = 0; i < u->n; i++)
		if (!u->known[i])
			ssh_wr_str(&w, ssh_str_key(u->key[i]));
	return ssh_wr_done(&w);
}

/* By an algorithm that is no weaker than its key is used with. */
static int proof_check(const struct key *k, struct ssh_str session_id, struct ssh_str sig)
{
	uint8_t data[sizeof(PROVE) + 3 * 4 + 64 + KEY_BLOB_MAX];
	struct ssh_str alg;
	char name[64];
	struct ssh_rd rd;
	struct ssh_wr w;
	size_t len;

	rd_begin(&rd, sig);
	alg = ssh_rd_str(&rd);
	if (rd.bad || alg.len >= sizeof(name))
		return -EBADMSG;
	memcpy(name, alg.p, alg.len);
	name[alg.len] = '\0';
	if (!key_sig_alg_fits(k, name) || key_sig_alg_is_legacy(name))
		return -EBADMSG;
	ssh_wr_init(&w, data, sizeof(data));
	ssh_wr_cstr(&w, PROVE);
	ssh_wr_str(&w, session_id);
	ssh_wr_str(&w, ssh_str_key(k));
	len = ssh_wr_done(&w);
	return len == 0 ? -EBADMSG : key_verify(k, name, sig.p, sig.len, data, len);
}

int known_update_proved(struct known_update *u, struct ssh_str session_id, struct ssh_str data)
{
	struct ssh_rd rd;
	int r = 0;

	rd_begin(&rd, data);
	for (unsigned int i = 0; r == 0 && i < u->n; i++) {
		struct ssh_str sig;

		if (u->known[i])
			continue;
		sig = ssh_rd_str(&rd);
		r = rd.bad ? -EBADMSG : proof_check(u->key[i], session_id, sig);
	}
	if (r == 0 && !ssh_rd_done(&rd))
		r = -EBADMSG;
	u->proved = r == 0;
	return r;
}

/* --- the files -------------------------------------------------------------------------- */

struct rewrite {
	struct known_update *u;
	FILE *out;
	const char *kept; /* of the text, what stands before this is written */
	bool changed;
};

/* An old key's line is left out. */
static int rewrite_each(void *arg, const struct known_entry *e)
{
	struct rewrite *w = arg;

	if (!is_plain(e->line) || find(w->u, e->key) >= 0)
		return 0;
	fwrite(w->kept, 1, (size_t)(e->text - w->kept), w->out);
	w->kept = e->text + e->len;
	w->kept += *w->kept == '\n';
	w->changed = true;
	return 0;
}

static int add_lines(struct rewrite *w)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < w->u->n; i++) {
		char *line = NULL;

		if (w->u->known[i])
			continue;
		r = known_line_build(w->u->name, w->u->conf->hash, w->u->key[i], &line);
		if (r == 0)
			fprintf(w->out, "%s\n", line);
		w->changed = true;
		free(line);
	}
	return r;
}

/* What the file is to be, of what it is. */
static int rewrite(struct rewrite *w, const char *text, size_t len, bool add)
{
	int r;

	w->kept = text;
	r = known_scan_text(text, len, w->u->name, &(struct known_entry){.user_file = true},
			    rewrite_each, w);
	if (r < 0)
		return r;
	fwrite(w->kept, 1, (size_t)(text + len - w->kept), w->out);
	if (add && len > 0 && text[len - 1] != '\n')
		fputc('\n', w->out);
	return add ? add_lines(w) : 0;
}

static int file_change(struct known_update *u, const char *path, bool add)
{
	struct rewrite w = {.u = u};
	char *text = NULL, *now = NULL;
	size_t len, now_len;
	struct stat st;
	int fd, r = known_file_lock(path, false, &fd);

	if (r < 0)
		return r == -ENOENT && !add ? 0 : r;
	r = fstat(fd, &st) < 0 ? -errno : known_file_read(path, &text, &len);
	w.out = r == 0 ? open_memstream(&now, &now_len) : NULL;
	if (w.out != NULL)
		r = rewrite(&w, text, len, add);
	else if (r == 0)
		r = -ENOMEM;
	if (w.out != NULL && fclose(w.out) != 0 && r == 0)
		r = -ENOMEM;
	if (r == 0 && w.changed)
		r = keyfile_write(path, now, now_len, st.st_mode & 0777, true);
	free(now);
	free(text);
	close(fd);
	return r;
}

int known_update_apply(struct known_update *u)
{
	int r = 0;

	if (!u->proved && known_update_new_keys(u) > 0)
		return -EPERM;
	for (unsigned int i = 0; r == 0 && i < u->conf->n_user_files; i++)
		r = file_change(u, u->conf->file[i], i == 0);
	return r;
}

void known_update_free(struct known_update *u)
{
	if (u == NULL)
		return;
	for (unsigned int i = 0; i < u->n; i++)
		key_free(u->key[i]);
	for (unsigned int i = 0; i < u->old; i++)
		key_free(u->gone[i]);
	free(u);
}
