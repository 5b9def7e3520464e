/* crypto/confine.h: what a process that holds keys cannot do any more. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crypto/confine.h"

static long call_execve(void)
{
	char *const argv[] = {"/bin/true", NULL};

	return syscall(SYS_execve, argv[0], argv, NULL);
}

static long call_ptrace(void)
{
	return syscall(SYS_ptrace, 0x4206 /* PTRACE_SEIZE */, getppid(), 0, 0);
}

static long call_setresuid(void)
{
	return syscall(SYS_setresuid, getuid(), getuid(), getuid());
}

static long call_fchown(void)
{
	return syscall(SYS_fchown, STDERR_FILENO, -1, -1);
}

static long call_fchownat(void)
{
	return syscall(SYS_fchownat, AT_FDCWD, "/", -1, -1, 0);
}

static long call_linkat(void)
{
	return syscall(SYS_linkat, AT_FDCWD, "/nothing/a", AT_FDCWD, "/nothing/b", 0);
}

static long call_symlinkat(void)
{
	return syscall(SYS_symlinkat, "a", AT_FDCWD, "/nothing/b");
}

static long call_mknodat(void)
{
	return syscall(SYS_mknodat, AT_FDCWD, "/nothing/b", S_IFREG | 0600, 0);
}

static long call_unshare(void)
{
	return syscall(SYS_unshare, 0);
}

static long call_setfsuid(void)
{
	return syscall(SYS_setfsuid, getuid());
}

static long call_open_tree(void)
{
	return syscall(SYS_open_tree, AT_FDCWD, "/", 0);
}

static const struct {
	const char *name;
	long (*call)(void);
} denied[] = {
	{"execve", call_execve},       {"ptrace", call_ptrace},       {"setresuid", call_setresuid},
	{"fchown", call_fchown},       {"fchownat", call_fchownat},   {"linkat", call_linkat},
	{"symlinkat", call_symlinkat}, {"mknodat", call_mknodat},     {"unshare", call_unshare},
	{"setfsuid", call_setfsuid},   {"open_tree", call_open_tree},
};

Test(confine, what_takes_a_program_a_process_a_user_or_a_file_is_refused)
{
	cr_assert_eq(confine_calls(NULL, 0), 0);
	cr_expect_eq(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
#ifdef __SANITIZE_ADDRESS__
		if (denied[i].call == call_ptrace)
			continue; /* the leak detector needs it */
#endif
		errno = 0;
		cr_expect_eq(denied[i].call(), -1, "%s", denied[i].name);
		cr_expect_eq(errno, EPERM, "%s: %d", denied[i].name, errno);
	}
}

Test(confine, sockets_and_files_stay)
{
	int fd;

	cr_assert_eq(confine_calls(NULL, 0), 0);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_expect_geq(fd, 0);
	close(fd);
	fd = open("/dev/null", O_RDONLY);
	cr_expect_geq(fd, 0);
	close(fd);
}

Test(confine, the_caller_denies_more)
{
	const int more[] = {SCMP_SYS(socket), SCMP_SYS(chmod)};

	cr_assert_eq(confine_calls(more, 2), 0);
	cr_expect_eq(socket(AF_UNIX, SOCK_STREAM, 0), -1);
	cr_expect_eq(errno, EPERM);
	cr_expect_eq(syscall(SYS_chmod, "/nothing", 0600), -1);
	cr_expect_eq(errno, EPERM);
}

static int pipe_fd[2];

static void *wait_then_call(void *arg)
{
	char c;

	(void)arg;
	if (read(pipe_fd[0], &c, 1) != 1)
		return (void *)(intptr_t)-1;
	errno = 0;
	call_unshare();
	return (void *)(intptr_t)errno;
}

Test(confine, threads_that_run_already_are_bound_too)
{
	pthread_t t;
	void *err = NULL;

	cr_assert_eq(pipe(pipe_fd), 0);
	cr_assert_eq(pthread_create(&t, NULL, wait_then_call, NULL), 0);
	cr_assert_eq(confine_calls(NULL, 0), 0);
	cr_assert_eq(write(pipe_fd[1], "x", 1), 1);
	pthread_join(t, &err);
	cr_expect_eq((intptr_t)err, EPERM);
}

Test(confine, no_core_file_is_written)
{
	struct rlimit lim;

	cr_assert_eq(confine_dumps(), 0);
	cr_assert_eq(getrlimit(RLIMIT_CORE, &lim), 0);
	cr_expect_eq(lim.rlim_cur, 0);
	cr_expect_eq(lim.rlim_max, 0);
#ifndef __SANITIZE_ADDRESS__
	cr_expect_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
#endif
}
