/*
 * control/service/root.h - a program of the host's below a root that holds nothing of it: it is
 * started outside, as its user with CAP_SYS_CHROOT alone, and goes in when its loader and libraries
 * are there. What takes it in is a library of ours (root_enter.c) in place of getpwuid(3), the
 * first thing that sftp-server(8) calls once it has what it needs of the host.
 *
 * Until it is in, its input and output are /dev/null: where the library is not loaded or never
 * called, the program reads an end of file, and nobody has had to do with it.
 *
 * Source  sshd_config(5), ChrootDirectory; capabilities(7), ld.so(8).
 */
#ifndef SLUICE_CONTROL_SERVICE_ROOT_H
#define SLUICE_CONTROL_SERVICE_ROOT_H

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What it has beside its standard descriptors until it is in. */
#define ROOT_DIR 10
#define ROOT_IN  11
#define ROOT_OUT 12

/* These capabilities of the first 32, and no other. */
static inline int root_caps(unsigned int mask)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{mask, mask, mask}};

	return (int)syscall(SYS_capset, &head, data);
}

/* Still root: holds this root, and what may go there, for after the user is taken. -errno. */
int root_hold(const char *path) __attribute__((warn_unused_result));
/* As the user: nothing is left of root's but the way in. -errno. */
int root_hold_alone(void) __attribute__((warn_unused_result));

/*
 * Starts the program on its way in, by this library. Of env it has SSH_CONNECTION: what a client or
 * a user may name would be read outside. Comes back where it cannot: -errno.
 */
int root_exec(const char *library, const char *program, char *const argv[], const char *home,
	      char *const env[]);

#endif
