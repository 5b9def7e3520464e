/* dataplane/cgroup.c - see cgroup.h. */
#include "dataplane/cgroup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_LEN 8192

/* Both kinds may be there: memory is in one of them. */
static const struct kind {
	const char *controller;      /* its line of /proc/self/cgroup; "": that without a name */
	const char *fstype, *option; /* its mount; NULL: any option */
	const char *max, *now, *reclaimable;
} kinds[] = {
	{"", "cgroup2", NULL, "memory.max", "memory.current", "inactive_file"},
	{"memory", "cgroup", "memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
	 "total_inactive_file"},
};

struct place {
	char mount[CGROUP_PATH_MAX]; /* where the kind is mounted, */
	char top[CGROUP_PATH_MAX];   /* which group that is, */
	char group[CGROUP_PATH_MAX]; /* and in which we are */
};

static FILE *file_open(const char *root, const char *path)
{
	char name[2 * CGROUP_PATH_MAX];
	int n = snprintf(name, sizeof(name), "%s%s", root, path);

	return n > 0 && (size_t)n < sizeof(name) ? fopen(name, "re") : NULL;
}

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; *p != '\0'; p += strcspn(p, ","), p += *p == ',')
		if (strcspn(p, ",") == len && strncmp(p, word, len) == 0)
			return true;
	return false;
}

static bool copy(char to[CGROUP_PATH_MAX], const char *from)
{
	return (size_t)snprintf(to, CGROUP_PATH_MAX, "%s", from) < CGROUP_PATH_MAX;
}

/* "4:memory:/a/b", "0::/a/b" */
static bool group_find(const char *root, const struct kind *k, struct place *p)
{
	FILE *f = file_open(root, "/proc/self/cgroup");
	char line[LINE_MAX_LEN];
	bool found = false;

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL) {
		char *list = strchr(line, ':'), *path = list != NULL ? strchr(list + 1, ':') : NULL;

		if (path == NULL || path[1] != '/')
			continue;
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		list++;
		if (*k->controller == '\0' ? *list == '\0' : has_word(list, k->controller))
			found = copy(p->group, path);
	}
	if (f != NULL)
		fclose(f);
	return found;
}

/* "35 31 0:32 TOP MOUNT rw - TYPE SOURCE OPTIONS"; before the dash are any number of words. */
static bool mount_find(const char *root, const struct kind *k, struct place *p)
{
	FILE *f = file_open(root, "/proc/self/mountinfo");
	char line[LINE_MAX_LEN], top[CGROUP_PATH_MAX], at[CGROUP_PATH_MAX], type[32], opts[256];
	bool found = false;

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL) {
		const char *dash = strstr(line, " - ");

		if (dash == NULL || sscanf(line, "%*s %*s %*s %1023s %1023s", top, at) != 2 ||
		    sscanf(dash, " - %31s %*s %255s", type, opts) != 2)
			continue;
		if (strcmp(type, k->fstype) == 0 &&
		    (k->option == NULL || has_word(opts, k->option)))
			found = copy(p->mount, at) &&
				copy(p->top, strcmp(top, "/") == 0 ? "" : top);
	}
	if (f != NULL)
		fclose(f);
	return found;
}

/* "max", and what is no number, is no limit. */
static bool number_read(const char *root, const char *dir, const char *file, uint64_t *ret)
{
	char path[CGROUP_PATH_MAX];
	bool ok = false;
	FILE *f;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, file) >= sizeof(path))
		return false;
	f = file_open(root, path);
	if (f == NULL)
		return false;
	ok = fscanf(f, "%" SCNu64, ret) == 1;
	fclose(f);
	return ok;
}

static uint64_t reclaimable(const char *root, const char *dir, const struct kind *k)
{
	char path[CGROUP_PATH_MAX], name[64];
	uint64_t value, found = 0;
	FILE *f = NULL;

	if ((size_t)snprintf(path, sizeof(path), "%s/memory.stat", dir) < sizeof(path))
		f = file_open(root, path);
	while (f != NULL && fscanf(f, "%63s %" SCNu64, name, &value) == 2)
		if (strcmp(name, k->reclaimable) == 0)
			found = value;
	if (f != NULL)
		fclose(f);
	return found;
}

/* Of one group. */
static bool memory_read(const char *root, const char *dir, const struct kind *k,
			struct cgroup_memory *ret)
{
	uint64_t used = 0, files;

	if (!number_read(root, dir, k->max, &ret->limit) ||
	    (size_t)snprintf(ret->file, sizeof(ret->file), "%s/%s", dir, k->max) >=
		    sizeof(ret->file))
		return false;
	if (!number_read(root, dir, k->now, &used))
		used = 0;
	files = reclaimable(root, dir, k);
	ret->used = used > files ? used - files : 0;
	return true;
}

uint64_t cgroup_memory_left(const struct cgroup_memory *m)
{
	return m->limit > m->used ? m->limit - m->used : 0;
}

/* From ours up to the one that is mounted. A namespace may show us above it: then from there. */
static bool walk(const char *root, const struct kind *k, const struct place *p,
		 struct cgroup_memory *ret)
{
	size_t top = strlen(p->top), mount = strlen(p->mount);
	bool below = strncmp(p->group, p->top, top) == 0 && strstr(p->group, "/..") == NULL;
	const char *rest = below ? p->group + top : "";
	struct cgroup_memory m;
	char dir[CGROUP_PATH_MAX];
	bool found = false;

	if ((size_t)snprintf(dir, sizeof(dir), "%s%s", p->mount, rest) >= sizeof(dir))
		return false;
	for (;;) {
		char *end = dir + strlen(dir);

		while (end > dir + mount && end[-1] == '/')
			*--end = '\0';
		if (memory_read(root, dir, k, &m) &&
		    (!found || cgroup_memory_left(&m) < cgroup_memory_left(ret))) {
			*ret = m;
			found = true;
		}
		if (end <= dir + mount)
			return found;
		*strrchr(dir, '/') = '\0';
	}
}

int cgroup_memory_find(const char *root, struct cgroup_memory *ret)
{
	struct cgroup_memory m;
	struct place p;
	bool found = false;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!group_find(root, &kinds[i], &p) || !mount_find(root, &kinds[i], &p) ||
		    !walk(root, &kinds[i], &p, &m))
			continue;
		if (!found || cgroup_memory_left(&m) < cgroup_memory_left(ret))
			*ret = m;
		found = true;
	}
	return found ? 0 : -ENOENT;
}
