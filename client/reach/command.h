/*
 * client/reach/command.h - ProxyCommand: a program whose standard input and output are the
 * connection.
 *
 * It is run by the user's shell, which execs it, with signals as a program expects them.
 */
#ifndef SLUICE_CLIENT_REACH_COMMAND_H
#define SLUICE_CLIENT_REACH_COMMAND_H

#include <stdint.h>
#include <sys/types.h>

#define COMMAND_GRACE_MS 250 /* between being hung up and being killed */

/*
 * The command with %h, %p and %r replaced, %% being a '%': to be freed. -EINVAL: another token, or
 * a name that a shell would act on (client/reach/name.h).
 */
int command_expand(const char *command, const char *host, uint16_t port, const char *user,
		   char **ret) __attribute__((warn_unused_result));
/*
 * One end of a socket pair, non-blocking; its error output goes to err_fd, -1: to ours. That it
 * ended, or never began, is the end of the stream and its status. -errno.
 */
int command_run(const char *command, int err_fd, int *ret_fd, pid_t *ret_pid)
	__attribute__((warn_unused_result));
/*
 * Hangs it up and waits for it, after COMMAND_GRACE_MS kills it. Its status as of waitpid(2); -1:
 * somebody else has taken it. The descriptor was closed before.
 */
int command_end(pid_t pid);
/* "exited with 1", "was ended by signal 9" */
void command_status_text(int status, char *buf, size_t size);

#endif
