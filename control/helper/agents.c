#include "control/helper/agents.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/helper/bounded.h"

#define MARKS       "agents"
#define CLEANED_MAX 255 /* what a status can say */

/* Control owns the folder above: one that is not ours alone is believed nothing. -1. */
static int marks_open(const char *run)
{
	int at = open(run, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	struct stat st;

	if (at < 0)
		return -1;
	if (mkdirat(at, MARKS, 0700) == 0 || errno == EEXIST)
		fd = openat(at, MARKS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	close(at);
	if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_uid != geteuid() ||
			(st.st_mode & (S_IRWXG | S_IRWXO)) != 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

bool agents_mark(const char *run, const char *name)
{
	int marks = marks_open(run), fd;

	if (marks < 0)
		return false;
	fd = openat(marks, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	close(marks);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void agents_unmark(const char *run, const char *name)
{
	int marks = marks_open(run);

	if (marks < 0)
		return;
	(void)unlinkat(marks, name, 0);
	close(marks);
}

static bool name_ours(const char *name)
{
	size_t n = strlen(AGENTS_PREFIX);

	return strncmp(name, AGENTS_PREFIX, n) == 0 &&
	       strspn(name + n, AGENTS_LETTERS) == AGENTS_RANDOM &&
	       strlen(name + n) == AGENTS_RANDOM;
}

/*
 * The folder is its user's, who may have put anything in its place: no link is followed, and it
 * goes only when it is empty.
 */
static bool folder_remove(int tmp, const char *name)
{
	int dir = openat(tmp, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (dir < 0)
		return false;
	if (fstatat(dir, AGENTS_SOCKET, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode))
		(void)unlinkat(dir, AGENTS_SOCKET, 0);
	close(dir);
	return unlinkat(tmp, name, AT_REMOVEDIR) == 0;
}

static int clean(void *arg)
{
	const char *run = arg;
	int tmp = open(AGENTS_TMP, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = marks_open(run);
	DIR *marks = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	unsigned int n = 0;

	while (marks != NULL && tmp >= 0 && (e = readdir(marks)) != NULL) {
		if (!name_ours(e->d_name))
			continue;
		n += folder_remove(tmp, e->d_name);
		(void)unlinkat(fd, e->d_name, 0);
	}
	if (marks != NULL)
		closedir(marks);
	else if (fd >= 0)
		close(fd);
	if (tmp >= 0)
		close(tmp);
	return n < CLEANED_MAX ? (int)n : CLEANED_MAX;
}

/* What a user has mounted on one of them may never answer. */
int agents_clean(const char *run)
{
	return bounded_run(clean, (void *)(uintptr_t)run, NULL, AGENTS_CLEAN_MS);
}
