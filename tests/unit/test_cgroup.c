/* dataplane/cgroup.c: limits of memory in a tree that is not the kernel's. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/cgroup.h"

#define MIB (UINT64_C(1) << 20)

#define MOUNTS_V2 "25 30 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define MOUNTS_V1                                                                                  \
	"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"                               \
	"32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"                      \
	"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
#define CGROUP "/sys/fs/cgroup"

static char root[64];

static void put(const char *path, const char *text)
{
	char name[512];
	FILE *f;

	snprintf(name, sizeof(name), "%s%s", root, path);
	for (char *p = name + strlen(root) + 1; (p = strchr(p, '/')) != NULL; *p++ = '/') {
		*p = '\0';
		mkdir(name, 0700);
	}
	f = fopen(name, "w");
	cr_assert_not_null(f, "%s", name);
	fputs(text, f);
	fclose(f);
}

static void setup(void)
{
	snprintf(root, sizeof(root), "/tmp/cgroup.XXXXXX");
	cr_assert_not_null(mkdtemp(root));
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", root);
	cr_assert_eq(system(command), 0);
}

TestSuite(cgroup, .init = setup, .fini = teardown);

static void we_are(const char *groups, const char *mounts)
{
	put("/proc/self/cgroup", groups);
	put("/proc/self/mountinfo", mounts);
}

static void v2(const char *group, const char *max, const char *now)
{
	char path[256];

	snprintf(path, sizeof(path), CGROUP "%s/memory.max", group);
	put(path, max);
	snprintf(path, sizeof(path), CGROUP "%s/memory.current", group);
	put(path, now);
}

static void is(uint64_t limit_mb, uint64_t left_mb, const char *file)
{
	struct cgroup_memory m;

	cr_assert_eq(cgroup_memory_find(root, &m), 0);
	cr_expect_eq(m.limit / MIB, limit_mb, "%lu", (unsigned long)(m.limit / MIB));
	cr_expect_eq(cgroup_memory_left(&m) / MIB, left_mb, "%lu",
		     (unsigned long)(cgroup_memory_left(&m) / MIB));
	cr_expect_str_eq(m.file, file);
}

static void is_none(void)
{
	struct cgroup_memory m;

	cr_expect_eq(cgroup_memory_find(root, &m), -ENOENT);
}

Test(cgroup, without_groups_there_is_no_limit)
{
	is_none();
	we_are("0::/\n", "");
	is_none();
	we_are("", MOUNTS_V2);
	is_none();
	we_are("0::/a\n", MOUNTS_V2);
	is_none(); /* the memory controller is not in it */
}

Test(cgroup, v2_max_is_none)
{
	we_are("0::/a\n", MOUNTS_V2);
	v2("/a", "max\n", "1048576\n");
	is_none();
}

Test(cgroup, v2_is_read_on_the_way_up)
{
	we_are("0::/a/b/c\n", MOUNTS_V2);
	v2("/a/b/c", "max\n", "10485760\n");
	v2("/a/b", "1073741824\n", "104857600\n");
	v2("/a", "max\n", "0\n");
	is(1024, 924, CGROUP "/a/b/memory.max");
	v2("/a", "2147483648\n", "2040109465\n"); /* larger, and nearly full of others */
	is(2048, 102, CGROUP "/a/memory.max");
}

Test(cgroup, pages_of_files_are_given_back)
{
	we_are("0::/a\n", MOUNTS_V2);
	v2("/a", "1073741824\n", "1073741824\n");
	is(1024, 0, CGROUP "/a/memory.max");
	put(CGROUP "/a/memory.stat", "anon 536870912\ninactive_file 268435456\nslab 1\n");
	is(1024, 256, CGROUP "/a/memory.max");
}

Test(cgroup, more_than_the_limit_leaves_nothing)
{
	we_are("0::/a\n", MOUNTS_V2);
	v2("/a", "1048576\n", "2097152\n");
	is(1, 0, CGROUP "/a/memory.max");
}

Test(cgroup, v1_has_a_line_and_a_mount_of_its_own)
{
	we_are("9:cpu,cpuacct:/x\n4:memory:/a/b\n0::/\n", MOUNTS_V1);
	put(CGROUP "/memory/memory.limit_in_bytes", "9223372036854771712\n");
	put(CGROUP "/memory/a/memory.limit_in_bytes", "536870912\n");
	put(CGROUP "/memory/a/memory.usage_in_bytes", "209715200\n");
	put(CGROUP "/memory/a/memory.stat", "inactive_file 1\ntotal_inactive_file 104857600\n");
	put(CGROUP "/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
	is(512, 412, CGROUP "/memory/a/memory.limit_in_bytes");
}

Test(cgroup, a_container_sees_its_own_group_as_the_top)
{
	we_are("0::/box/7\n", "25 30 0:22 /box/7 /sys/fs/cgroup ro - cgroup2 cgroup ro\n");
	v2("", "268435456\n", "0\n");
	is(256, 256, CGROUP "/memory.max");
	we_are("0::/../8\n", MOUNTS_V2); /* of a namespace that is not ours */
	is(256, 256, CGROUP "/memory.max");
}

Test(cgroup, what_is_too_long_or_odd_is_left_out)
{
	static char line[20000];

	memset(line, 'a', sizeof(line) - 2);
	memcpy(line, "0::/", 4);
	line[sizeof(line) - 2] = '\n';
	we_are(line, MOUNTS_V2);
	is_none();
	we_are("0\n\n:\n::\n0::/a\n", "\nx - \n - cgroup2\n" MOUNTS_V2);
	v2("/a", "-\n", "");
	is_none();
	v2("/a", "1048576\n", "");
	is(1, 1, CGROUP "/a/memory.max");
}
