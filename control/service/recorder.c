/* control/service/recorder.c - see recorder.h. */
#include "control/service/recorder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "link/tee.h"

#define LOOK_BYTES   (64 * 1024) /* between two looks at how full the disk is */
#define LOCK_LOOKS   200         /* at a folder that somebody else has locked, */
#define LOCK_LOOK_MS 10          /* one so long after the other */

struct work {
	struct recorder *r;
	struct cast cast;
	uint64_t gap;   /* lost, and not said in the file yet */
	uint64_t at_us; /* of the latest frame */
	size_t have;
	uint8_t in[sizeof(struct tee_head) + TEE_BODY_MAX];
};

int recorder_room(int fd, unsigned int reserve)
{
	struct statvfs fs;

	if (reserve == 0)
		return 0;
	if (fstatvfs(fd, &fs) < 0)
		return -errno;
	return (double)fs.f_bavail * 100 < (double)fs.f_blocks * reserve ? -ENOSPC : 0;
}

/* What lies there may be much: no more is looked at than it takes. */
static int folder_look(DIR *d, uint64_t bytes, uint32_t files)
{
	const struct dirent *e;
	uint64_t sum = 0, n = 0;
	struct stat st;

	while ((bytes == 0 || sum < bytes) && (files == 0 || n < files)) {
		errno = 0;
		e = readdir(d);
		if (e == NULL)
			return -errno;
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue; /* gone meanwhile, or no recording */
		sum += (uint64_t)st.st_size;
		n++;
	}
	return -EDQUOT;
}

int recorder_folder_room(int dir, uint64_t bytes, uint32_t files)
{
	int fd, r;
	DIR *d;

	if (bytes == 0 && files == 0)
		return 0;
	/* Who begins one next sees the file of the one before. Who may read it may lock it, too. */
	for (unsigned int i = 0; i < LOCK_LOOKS && flock(dir, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			break; /* a file system without locks */
		(void)poll(NULL, 0, LOCK_LOOK_MS);
	}
	fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (d == NULL) {
		close(fd);
		return -ENOMEM;
	}
	r = folder_look(d, bytes, files);
	closedir(d);
	return r;
}

/* RecordMaxSize, RecordReserve: whoever writes without end fills no disk. */
static int may_grow(struct recorder *r, size_t len)
{
	int err = 0;

	if (r->max_bytes > 0 && r->bytes + len > r->max_bytes)
		return -EFBIG;
	if (r->bytes >= r->looked) {
		err = recorder_room(r->file, r->reserve);
		r->looked = err == 0 ? r->bytes + LOOK_BYTES : r->bytes;
	}
	return err;
}

/* All of it or nothing: half a line is none of JSON. */
static int append(struct recorder *r, const char *text)
{
	size_t len = strlen(text), done = 0;
	int may = may_grow(r, len);

	if (may < 0)
		return may;
	while (done < len) {
		ssize_t n = pwrite(r->file, text + done, len - done, (off_t)(r->bytes + done));
		int err = n < 0 ? errno : ENOSPC;

		if (n < 0 && err == EINTR)
			continue;
		if (n <= 0) {
			if (done > 0)
				(void)!ftruncate(r->file, (off_t)r->bytes);
			return -err;
		}
		done += (size_t)n;
	}
	r->bytes += len;
	return 0;
}

/* Takes both. */
static char *joined(char *first, char *line)
{
	char *both = NULL;

	if (first != NULL && line != NULL && asprintf(&both, "%s%s", first, line) < 0)
		both = NULL;
	free(first);
	free(line);
	return both;
}

/* What is missing goes before it, and only together with it: the header, too. Takes the line. */
static char *with_missing(struct work *w, char *line)
{
	char text[64];

	if (w->gap > 0) {
		snprintf(text, sizeof(text), "%llu bytes are missing here",
			 (unsigned long long)w->gap);
		line = joined(cast_marker(w->at_us, text), line);
	}
	return w->r->bytes == 0 ? joined(cast_header(&w->r->about), line) : line;
}

/* A line, which is freed, of n bytes of the session; NULL: no memory for it. */
static int put(struct work *w, char *line, size_t n)
{
	struct recorder *r = w->r;
	int err;

	line = with_missing(w, line);
	err = line != NULL ? append(r, line) : -ENOMEM;
	free(line);
	if (err == 0)
		w->gap = 0;
	if (err == 0 || r->strict)
		return err;
	w->gap += n;
	r->lost += n;
	return 0;
}

static int text(struct work *w, enum cast_way way, const uint8_t *p, size_t n, bool last)
{
	int err = 0;

	do {
		size_t k = n < CAST_TEXT_MAX ? n : CAST_TEXT_MAX;
		char *line;

		if (cast_text(&w->cast, w->at_us, way, p, k, last, &line) < 0)
			err = put(w, NULL, k);
		else if (line != NULL)
			err = put(w, line, k);
		p += k;
		n -= k;
	} while (err == 0 && n > 0);
	return err;
}

static int frame(struct work *w, const struct tee_head *h, const uint8_t *body)
{
	struct tee_size size;
	struct tee_gap gap;

	w->at_us = h->at_us;
	switch (h->kind) {
	case TEE_IN:
		return text(w, CAST_IN, body, h->len, false);
	case TEE_OUT:
		return text(w, CAST_OUT, body, h->len, false);
	case TEE_ERR:
		return text(w, CAST_ERR, body, h->len, false);
	case TEE_SIZE:
		memcpy(&size, body, sizeof(size));
		return put(w, cast_resize(h->at_us, size.columns, size.rows), 0);
	case TEE_GAP:
		memcpy(&gap, body, sizeof(gap));
		w->gap += gap.bytes;
		w->r->lost += gap.bytes;
		return 0;
	case TEE_END:
		w->r->whole = true;
		return 0;
	default:
		return 0;
	}
}

static int frames(struct work *w)
{
	struct tee_head h;
	size_t at = 0;
	int n, err = 0;

	while (err == 0 && (n = tee_parse(w->in + at, w->have - at, &h)) > 0) {
		err = frame(w, &h, w->in + at + sizeof(h));
		at += (size_t)n;
	}
	w->have -= at;
	memmove(w->in, w->in + at, w->have);
	return err < 0 ? err : n;
}

static int read_all(struct work *w)
{
	int err = 0;

	while (err == 0) {
		ssize_t n = read(w->r->tee, w->in + w->have, sizeof(w->in) - w->have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		w->have += (size_t)n;
		err = frames(w);
	}
	return err;
}

/* Characters that never became whole, gaps nothing came behind, and an end that was none. */
static int finish(struct work *w)
{
	int err = 0;

	/* The last words have room. */
	w->r->max_bytes = 0;
	w->r->reserve = 0;
	for (int way = 0; way < CAST_WAYS && err == 0; way++)
		err = text(w, (enum cast_way)way, w->in, 0, true);
	if (err == 0 && !w->r->whole)
		err = put(w, cast_marker(w->at_us, "the recording was cut off here"), 0);
	else if (err == 0 && w->gap > 0)
		err = put(w, cast_marker(w->at_us, "end"), 0);
	return err;
}

int recorder_run(struct recorder *r)
{
	struct work *w = calloc(1, sizeof(*w));
	int err;

	if (w == NULL)
		return -ENOMEM;
	w->r = r;
	err = put(w, strdup(""), 0);
	if (err == 0)
		err = read_all(w);
	if (err == 0)
		err = finish(w);
	free(w);
	return err;
}
