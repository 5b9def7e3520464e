/* dataplane/privs.c - see privs.h. */
#include "dataplane/privs.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* LeakSanitizer traces its own process at the end; only there is it let. */
#ifdef __SANITIZE_ADDRESS__
#define TRACED 1
#else
#define TRACED 0
#endif

void privs_find(struct privs *ret)
{
	const struct passwd *pw = geteuid() == 0 ? getpwnam(PRIVS_USER) : NULL;

	*ret = (struct privs){0};
	if (pw != NULL)
		*ret = (struct privs){.change = true, .uid = pw->pw_uid, .gid = pw->pw_gid};
}

void privs_limits(void)
{
	const struct rlimit none = {0, 0}, all = {RLIM_INFINITY, RLIM_INFINITY};

	setrlimit(RLIMIT_CORE, &none);
	/* Locked memory is for keys; an unprivileged user keeps the limit it has. */
	setrlimit(RLIMIT_MEMLOCK, &all);
	prctl(PR_SET_DUMPABLE, TRACED);
}

/*
 * What a poll-mode process that is up never does. A list of what is denied, not of what is
 * allowed: drivers of real devices make calls nobody here has seen.
 */
static const int denied[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(socket),
	SCMP_SYS(bind),
	SCMP_SYS(connect),
	SCMP_SYS(setuid),
	SCMP_SYS(setgid),
	SCMP_SYS(setreuid),
	SCMP_SYS(setregid),
	SCMP_SYS(setresuid),
	SCMP_SYS(setresgid),
	SCMP_SYS(setgroups),
	SCMP_SYS(capset),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(chmod),
	SCMP_SYS(chown),
	SCMP_SYS(link),
	SCMP_SYS(symlink),
	SCMP_SYS(personality),
	SCMP_SYS(acct),
	SCMP_SYS(swapon),
	SCMP_SYS(reboot),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
};

static int filter(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int r = 0;

	if (f == NULL)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < sizeof(denied) / sizeof(denied[0]); i++) {
		if (TRACED && denied[i] == SCMP_SYS(ptrace))
			continue;
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), denied[i], 0);
	}
	/* All threads: EAL has started some of its own. */
	if (r == 0)
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = seccomp_load(f);
	seccomp_release(f);
	return r;
}

int privs_drop(const struct privs *p)
{
	if (p->change &&
	    (initgroups(PRIVS_USER, p->gid) < 0 || setresgid(p->gid, p->gid, p->gid) < 0 ||
	     setresuid(p->uid, p->uid, p->uid) < 0))
		return -errno;
	/* After this nothing may bring root back. */
	if (p->change && setuid(0) == 0)
		return -EPERM;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	/* The change of user switched it on again. */
	prctl(PR_SET_DUMPABLE, TRACED);
	return filter();
}
