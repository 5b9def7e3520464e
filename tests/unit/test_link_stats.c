/* link/stats: a file of counters is whole, or refused. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "link/stats.h"

#define N 3

/* As a shard writes it, without what it keeps for itself. */
struct file {
	struct link_stats head;
	uint64_t value[N];
	struct link_stats_info info[N];
};

static struct file good(void)
{
	struct file f = {.head = {LINK_STATS_VERSION, N, offsetof(struct file, value),
				  offsetof(struct file, info)},
			 .value = {1, 2, 3}};

	for (int i = 0; i < N; i++)
		f.info[i] = (struct link_stats_info){"net", "", "NAME", "text"};
	return f;
}

Test(link_stats, good)
{
	struct file f = good();

	cr_assert_eq(link_stats_check(&f, sizeof(f)), 0);
	cr_expect_eq(link_stats_n(&f), N);
	cr_expect_eq(link_stats_at(&f, 2).value, 3);
	cr_expect_str_eq(link_stats_at(&f, 2).name, "NAME");
}

Test(link_stats, any_cut_is_refused)
{
	struct file f = good();

	for (size_t len = 0; len < sizeof(f); len++)
		cr_expect_neq(link_stats_check(&f, len), 0, "%zu", len);
}

static void spoil(struct file *f, int i)
{
	switch (i) {
	case 0:
		f->head.version--;
		break;
	case 1:
		f->head.n = LINK_STATS_COUNTERS_MAX + 1;
		break;
	case 2:
		f->head.n = UINT64_MAX / sizeof(uint64_t) + 2; /* whose product is small */
		break;
	case 3:
		f->head.value_at = UINT64_MAX - 7;
		break;
	case 4:
		f->head.value_at += 4; /* not aligned */
		break;
	case 5:
		f->head.info_at = sizeof(*f);
		break;
	case 6:
		f->head.info_at += sizeof(uint64_t);
		break;
	case 7:
		memset(f->info[N - 1].room, 'x', sizeof(f->info[0].room));
		break;
	case 8:
		memset(f->info[0].object, 'x', sizeof(f->info[0].object));
		break;
	case 9:
		memset(f->info[0].name, 'x', sizeof(f->info[0].name));
		break;
	default:
		memset(f->info[N - 1].text, 'x', sizeof(f->info[0].text));
		break;
	}
}

Test(link_stats, refusals)
{
	for (int i = 0; i < 11; i++) {
		struct file f = good();

		spoil(&f, i);
		cr_expect_eq(link_stats_check(&f, sizeof(f)), i == 0 ? -EPROTONOSUPPORT : -EBADMSG,
			     "case %d", i);
	}
}

/* --- files ---------------------------------------------------------------------------------------
 */

static char path[] = "/tmp/sluice-counters-XXXXXX";

static void write_file(const void *p, size_t len)
{
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, p, len), (ssize_t)len);
	close(fd);
}

Test(link_stats, a_file_is_copied)
{
	struct file f = good();
	void *copy;

	write_file(&f, sizeof(f));
	cr_assert_eq(link_stats_read(path, &copy), 0);
	cr_expect_eq(memcmp(copy, &f, sizeof(f)), 0);
	free(copy);
	unlink(path);
}

Test(link_stats, what_is_no_such_file_is_refused)
{
	static const struct {
		const char *path;
		int err;
	} cases[] = {
		{"/nonexistent/shard0.stats", -ENOENT},
		{"/tmp", -EBADMSG},
		{"/dev/zero", -EBADMSG},
		{"/proc/self/exe/x", -ENOTDIR},
	};
	void *copy = path;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(link_stats_read(cases[i].path, &copy), cases[i].err, "%s",
			     cases[i].path);
	cr_expect_eq(copy, path, "not written");
}

Test(link_stats, links_empty_and_huge_files_are_refused)
{
	char to[64];
	void *copy;

	write_file("", 0);
	cr_expect_eq(link_stats_read(path, &copy), -EBADMSG);
	cr_expect_eq(truncate(path, LINK_STATS_FILE_MAX + 1), 0);
	cr_expect_eq(link_stats_read(path, &copy), -EFBIG);
	snprintf(to, sizeof(to), "%s.link", path);
	cr_assert_eq(symlink(path, to), 0);
	cr_expect_eq(link_stats_read(to, &copy), -ELOOP);
	unlink(to);
	unlink(path);
}
