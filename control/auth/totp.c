#include "control/auth/totp.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <liboath/oath.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/auth/userfile.h"
#include "crypto/secret.h"

#define STEP_SECONDS 30
#define STEP_MAX     3600
#define DIGITS       6
#define WINDOW_MAX   10

/* --- secrets ------------------------------------------------------------------------------ */

/* Spaces in between and missing padding are as people copy them; liboath knows both. */
static int base32(const char *text, size_t len, struct totp_secret *ret)
{
	char *bytes = NULL;
	size_t n = 0;
	int r = -EINVAL;

	if (oath_base32_decode(text, len, &bytes, &n) != OATH_OK)
		return -EINVAL;
	if (n >= TOTP_SECRET_MIN && n <= sizeof(ret->key)) {
		memcpy(ret->key, bytes, n);
		ret->len = n;
		r = 0;
	}
	secret_wipe(bytes, n);
	free(bytes);
	return r;
}

/* A number behind blanks, which *p moves behind; dflt when there is none. */
static bool number(const char **p, const char *end, unsigned int dflt, unsigned int max,
		   unsigned int *ret)
{
	unsigned int v = 0;

	while (*p < end && (**p == ' ' || **p == '\t'))
		(*p)++;
	*ret = dflt;
	if (*p == end)
		return true;
	while (*p < end && isdigit((unsigned char)**p)) {
		v = v * 10 + (unsigned int)(**p - '0');
		if (v > max)
			return false;
		(*p)++;
	}
	*ret = v;
	return v > 0 && (*p == end || **p == ' ' || **p == '\t');
}

int totp_line_parse(const char *line, size_t len, size_t *ret_user_len, struct totp_secret *ret)
{
	struct totp_secret s = {0};
	const char *end, *colon, *p;
	int r;

	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (len == 0 || *line == '#')
		return -ENOENT;
	if (len > TOTP_LINE_MAX || memchr(line, '\0', len) != NULL)
		return -EINVAL;
	end = line + len;
	colon = memchr(line, ':', len);
	if (colon == NULL || colon == line)
		return -EINVAL;
	for (p = colon + 1; p < end && *p != ' ' && *p != '\t'; p++)
		;
	r = base32(colon + 1, (size_t)(p - colon - 1), &s);
	if (r == 0 && (!number(&p, end, DIGITS, TOTP_DIGITS_MAX, &s.digits) || s.digits < DIGITS ||
		       !number(&p, end, STEP_SECONDS, STEP_MAX, &s.step) || p != end))
		r = -EINVAL;
	if (r == 0) {
		*ret_user_len = (size_t)(colon - line);
		*ret = s;
	}
	secret_wipe(&s, sizeof(s));
	return r;
}

/* The next line of a text; false: there are no more. */
static bool line_next(const char **text, size_t *len, const char **ret, size_t *ret_len)
{
	const char *end;

	if (*len == 0)
		return false;
	end = memchr(*text, '\n', *len);
	*ret = *text;
	*ret_len = end != NULL ? (size_t)(end - *text) : *len;
	*text += *ret_len + (end != NULL);
	*len -= *ret_len + (end != NULL);
	return true;
}

int totp_find(const char *text, size_t len, const char *user, struct totp_secret *ret)
{
	size_t want = strlen(user), user_len, n;
	struct totp_secret s;
	bool found = false;
	const char *line;

	*ret = (struct totp_secret){.len = 20, .digits = DIGITS, .step = STEP_SECONDS};
	if (crypto_random(ret->key, ret->len) < 0)
		return -EIO;
	while (line_next(&text, &len, &line, &n)) { /* to its end, whoever is found where */
		if (totp_line_parse(line, n, &user_len, &s) < 0)
			continue;
		if (!found && user_len == want && memcmp(line, user, want) == 0) {
			*ret = s;
			found = true;
		}
	}
	secret_wipe(&s, sizeof(s));
	return found ? 0 : -ENOENT;
}

/* --- the check ------------------------------------------------------------------------------ */

int totp_check(const struct totp_secret *secret, const char *code, size_t len, uint64_t now,
	       unsigned int window, uint64_t last, uint64_t *ret_step)
{
	uint64_t at = now / secret->step;
	char want[TOTP_DIGITS_MAX + 1];
	int r = -EBADMSG;

	if (window > WINDOW_MAX || at < window)
		return -EBADMSG;
	for (uint64_t step = at - window; step <= at + window; step++) {
		if (oath_hotp_generate((const char *)secret->key, secret->len, step, secret->digits,
				       false, OATH_HOTP_DYNAMIC_TRUNCATION, want) != OATH_OK)
			return -EIO;
		if (len == secret->digits && secret_equal(want, code, len) && step > last &&
		    r != 0) {
			*ret_step = step;
			r = 0;
		}
	}
	secret_wipe(want, sizeof(want));
	return r;
}

/* --- what was used --------------------------------------------------------------- */

/* "user step": the name may have spaces, so the number is behind the last one. */
static bool state_line(const char *line, size_t len, size_t *ret_user_len, uint64_t *ret_step)
{
	const char *space = memrchr(line, ' ', len);
	uint64_t step = 0;

	if (space == NULL || space == line || len - (size_t)(space - line) > 20)
		return false;
	for (const char *p = space + 1; p < line + len; p++) {
		if (!isdigit((unsigned char)*p))
			return false;
		step = step * 10 + (uint64_t)(*p - '0');
	}
	*ret_user_len = (size_t)(space - line);
	*ret_step = step;
	return step > 0;
}

uint64_t totp_last(const char *text, size_t len, const char *user)
{
	size_t want = strlen(user), user_len, n;
	uint64_t last = 0, step;
	const char *line;

	while (line_next(&text, &len, &line, &n))
		if (state_line(line, n, &user_len, &step) && user_len == want &&
		    memcmp(line, user, want) == 0 && step > last)
			last = step;
	return last;
}

int totp_state_with(const char *text, size_t len, const char *user, uint64_t step, uint64_t oldest,
		    char **ret, size_t *ret_len)
{
	size_t want = strlen(user), user_len, n, used = 0, room = len + want + 32;
	char *to = malloc(room);
	const char *line;
	uint64_t of;

	if (to == NULL)
		return -ENOMEM;
	while (line_next(&text, &len, &line, &n)) {
		if (!state_line(line, n, &user_len, &of) || of < oldest ||
		    (user_len == want && memcmp(line, user, want) == 0))
			continue;
		memcpy(to + used, line, n);
		used += n;
		to[used++] = '\n';
	}
	used += (size_t)snprintf(to + used, room - used, "%s %llu\n", user,
				 (unsigned long long)step);
	if (used > TOTP_FILE_MAX) {
		free(to);
		return -EFBIG;
	}
	*ret = to;
	*ret_len = used;
	return 0;
}

/* --- files ----------------------------------------------------------------------- */

static pthread_mutex_t state_lock = PTHREAD_MUTEX_INITIALIZER;

static int write_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* The name of a file is on the disk when its folder is. */
static int folder_sync(const char *path)
{
	char dir[USERFILE_PATH_MAX];
	const char *slash = strrchr(path, '/');
	int fd, r = 0;

	snprintf(dir, sizeof(dir), "%.*s", slash != NULL ? (int)(slash - path) + 1 : 1,
		 slash != NULL ? path : ".");
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		r = -errno;
	close(fd);
	return r;
}

/*
 * As a whole or not at all, and on the disk before it counts: after a crash there is the old state
 * and nobody was let in by the new one, or there is the new one.
 */
static int state_write(const char *path, const char *text, size_t len)
{
	char tmp[USERFILE_PATH_MAX];
	int n = snprintf(tmp, sizeof(tmp), "%s.new", path);
	int fd, r;

	if (n < 0 || (size_t)n >= sizeof(tmp))
		return -ENAMETOOLONG;
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text, len);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(tmp);
	return r < 0 ? r : folder_sync(path);
}

/* Of a user without a secret every step was used: the same work, of which nothing comes. */
static int use_locked(const struct totp_files *files, const struct totp_secret *secret, bool known,
		      const char *user, const char *code, size_t len, uint64_t now,
		      unsigned int window, char *why, size_t why_size)
{
	const struct userfile_rules rules = {
		.strict = true, .owner = (uid_t)-1, .deny = S_IRWXG | S_IRWXO};
	/*
	 * Steps may be as short as a second or as long as STEP_MAX: what is older than the oldest
	 * any code can be of goes.
	 */
	uint64_t oldest = now / STEP_MAX > WINDOW_MAX ? now / STEP_MAX - WINDOW_MAX : 0;
	char *text = NULL, *with = NULL;
	size_t text_len = 0, with_len = 0;
	uint64_t step, last;
	int r;

	r = userfile_read(files->state, &rules, TOTP_FILE_MAX, &text, &text_len, why, why_size);
	if (r < 0 && r != -ENOENT)
		return r;
	last = totp_last(text != NULL ? text : "", text_len, user);
	r = totp_check(secret, code, len, now, window, known ? last : UINT64_MAX, &step);
	if (r == 0) {
		r = totp_state_with(text != NULL ? text : "", text_len, user, step, oldest, &with,
				    &with_len);
		if (r == 0)
			r = state_write(files->state, with, with_len);
		free(with);
		if (r < 0)
			snprintf(why, why_size, "cannot write %s: %s", files->state, strerror(-r));
	}
	userfile_free(text, text_len);
	return r;
}

int totp_use(const struct totp_files *files, const char *user, const char *code, size_t len,
	     uint64_t now, unsigned int window, char *why, size_t why_size)
{
	const struct userfile_rules rules = {
		.strict = true, .owner = (uid_t)-1, .deny = S_IRWXG | S_IRWXO};
	struct totp_secret secret;
	size_t text_len = 0;
	char *text = NULL;
	int r, known, used;

	r = userfile_read(files->secrets, &rules, TOTP_FILE_MAX, &text, &text_len, why, why_size);
	known = totp_find(text != NULL ? text : "", text_len, user, &secret);
	userfile_free(text, text_len);
	if (known == -EIO)
		return known;
	pthread_mutex_lock(&state_lock);
	used = use_locked(files, &secret, known == 0, user, code, len, now, window, why, why_size);
	pthread_mutex_unlock(&state_lock);
	secret_wipe(&secret, sizeof(secret));
	if (r < 0 && r != -ENOENT)
		return r;
	return known < 0 ? known : used;
}
