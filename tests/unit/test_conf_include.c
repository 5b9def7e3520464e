/* conf: files of a configuration that include others, and paths that name a user. */
#include "conf_bench.h"

#include <limits.h>
#include <sys/stat.h>

static char dir[] = "/tmp/sluice-conf-XXXXXX";

static void file_write(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

static void dir_make(void)
{
	char path[PATH_MAX];

	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/d", dir);
	cr_assert_eq(mkdir(path, 0700), 0);
}

static void dir_remove(void)
{
	char cmd[PATH_MAX];

	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	cr_assert_eq(system(cmd), 0);
}

static int file_load(const char *name, struct conf **ret, char **ret_errors)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return conf_load(path, &algs, ret, ret_errors);
}

static void include_good(const char *main_text, uint32_t want_tries, uint32_t want_idle)
{
	struct conf *conf = NULL;
	struct conf_session s;
	char *errors = NULL;

	file_write("main", main_text);
	cr_assert_eq(file_load("main", &conf, &errors), 0, "%s", errors);
	s = session(conf, "alice", "10.0.0.1", "10.0.0.2", 22);
	cr_expect_eq(s.max_auth_tries, want_tries, "%s", main_text);
	cr_expect_eq(s.idle_timeout_ms, want_idle * 1000, "%s", main_text);
	conf_session_fini(&s);
	conf_put(conf);
}

Test(conf_include, includes, .init = dir_make, .fini = dir_remove)
{
	file_write("d/10.conf", "MaxAuthTries 1\n");
	file_write("d/20.conf", "MaxAuthTries 2\nIdleTimeout 2\n");
	file_write("block", "Match User bob\nMaxAuthTries 3\nMatch User alice\nMaxAuthTries 4\n");
	include_good("Include d/*.conf\nMaxAuthTries 9\n", 1, 2);
	include_good("MaxAuthTries 9\nInclude d/20.conf d/10.conf\n", 9, 2);
	include_good("Include d/*.none\nMaxAuthTries 9\n", 9, 0);
	/* An Include inside a block is of the block; a block inside an Include ends with it. */
	include_good("MaxAuthTries 9\nMatch User bob\nInclude d/10.conf\n", 9, 0);
	include_good("MaxAuthTries 9\nMatch User alice\nInclude d/10.conf\n", 1, 0);
	include_good("MaxAuthTries 9\nMatch User bob\nInclude block\n", 9, 0);
	include_good("MaxAuthTries 9\nMatch LocalPort 22\nInclude block\nIdleTimeout 7\n", 4, 7);
	include_good("Include block\nIdleTimeout 8\nPort 22\n", 4, 8);
}

Test(conf_include, include_errors_name_the_included_file, .init = dir_make, .fini = dir_remove)
{
	struct conf *conf = NULL;
	char *errors = NULL, want[PATH_MAX];

	file_write("bad", "\nFoo\n");
	file_write("main", "Include bad\n");
	cr_assert_eq(file_load("main", &conf, &errors), -EINVAL);
	snprintf(want, sizeof(want), "%s/bad line 2: Bad configuration option: Foo\n", dir);
	cr_expect(strncmp(errors, want, strlen(want)) == 0, "%s", errors);
	free(errors);
}

static void include_bad(const char *text, const char *want)
{
	struct conf *conf = NULL;
	char *errors = NULL;

	file_write("main", text);
	cr_assert_eq(file_load("main", &conf, &errors), -EINVAL, "%s", text);
	cr_expect_not_null(strstr(errors, want), "%s: %s", text, errors);
	free(errors);
}

Test(conf_include, include_refusals, .init = dir_make, .fini = dir_remove)
{
	char fifo[PATH_MAX];

	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	cr_assert_eq(mkfifo(fifo, 0600), 0);
	include_bad("Include gone\n", "line 1: Include gone: No such file or directory");
	include_bad("Include d\n", "Is a directory");
	include_bad("Include fifo\n", "Invalid argument");
	include_bad("Include main\n", "Too many recursive configuration includes");
	include_bad("Include main main main\n", "too many files");
}

Test(conf_include, a_file_that_is_not_there, .init = dir_make, .fini = dir_remove)
{
	struct conf *conf = NULL;
	char *errors = NULL;

	cr_assert_eq(file_load("gone", &conf, &errors), -EINVAL);
	cr_expect_not_null(strstr(errors, "/gone: No such file or directory\n"), "%s", errors);
	free(errors);
}

/* --- paths
 * --------------------------------------------------------------------------------------------------------
 */

static const struct {
	const char *template, *user, *home, *path;
	int r;
} paths[] = {
	{"/k/%u", "alice", NULL, "/k/alice", 0},
	{"/k/%u/%u.%%", "a", NULL, "/k/a/a.%", 0},
	{"%h/.ssh/k", "a", "/home/a", "/home/a/.ssh/k", 0},
	{".ssh/k", "a", "/home/a", "/home/a/.ssh/k", 0},
	{"/k/%%h", "a", NULL, "/k/%h", 0},
	{"/k", "a.b-c_d@e", NULL, "/k", 0},
	{"/k/%u", "..", NULL, NULL, -EINVAL},
	{"/k/%u", ".", NULL, NULL, -EINVAL},
	{"/k/%u", "", NULL, NULL, -EINVAL},
	{"/k/%u", "../x", NULL, NULL, -EINVAL},
	{"/k/%u", "a/b", NULL, NULL, -EINVAL},
	{"/k/%u", "a\nb", NULL, NULL, -EINVAL},
	{"%h/k", "a", NULL, NULL, -EINVAL},
	{"k", "a", NULL, NULL, -EINVAL},
	{"/k/%x", "a", NULL, NULL, -EINVAL},
	{"/k/%", "a", NULL, NULL, -EINVAL},
	{"/kkkkkkkkkkkkkkkkkkkkkkk", "a", NULL, NULL, -ENAMETOOLONG},
	{"/k/%u", "aaaaaaaaaaaaaaaaaaaaaaaaaa", NULL, NULL, -ENAMETOOLONG},
};

Test(conf_include, path_expansion)
{
	for (size_t i = 0; i < NELEM(paths); i++) {
		char buf[24] = "";
		int r = conf_path_expand(paths[i].template, paths[i].user, paths[i].home, buf,
					 sizeof(buf));

		cr_expect_eq(r, paths[i].r, "%s %s: %d", paths[i].template, paths[i].user, r);
		if (r == 0)
			cr_expect_str_eq(buf, paths[i].path);
	}
}
