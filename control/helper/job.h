/*
 * control/helper/job.h - what a child of sluice-helper does: one job, then it exits.
 *
 * The child has its connection and nothing else of the helper's. It may block as long as it
 * likes: who watches the deadline is its parent.
 */
#ifndef SLUICE_CONTROL_HELPER_JOB_H
#define SLUICE_CONTROL_HELPER_JOB_H

#include "control/helper/allow.h"
#include "control/helper/proto.h"

/* The connection, what it is judged by, and room for one frame either way. */
struct job {
	int fd;
	int line; /* of a session: to the helper, see session.h; -1 */
	struct conf *conf;
	const char *own; /* the folder of Sluice's own sockets, node_own() */
	uint8_t out[HELPER_FRAME_MAX + 4], in[HELPER_FRAME_MAX + 4];
};

/* A frame of len bytes that was built in out; what cannot be sent ends the process. */
void job_send(struct job *j, size_t len);
/* The same, and with it these descriptors. False: nobody is there. */
bool job_send_fds(struct job *j, size_t len, const int *fds, unsigned int n);
/* To anybody else, with flags of sendmsg()'s; HELPER_FDS_MAX at most. */
bool job_fds_pass(int to, const void *bytes, size_t len, const int *fds, unsigned int n, int flags);
/* The next frame, in in: its body. Ends the process when there is none or it is of another type. */
struct ssh_str job_receive(struct job *j, enum helper_msg type);
/* DONE, the last word: it does not come back. */
void job_done(struct job *j, enum helper_result result, const char *text) __attribute__((noreturn));
/* DENIED, and a line in the log: control asks for what is not configured. */
void job_denied(struct job *j, const struct helper_job *m, const char *what)
	__attribute__((noreturn));
/* What holds for who asks; ends the process when nobody can tell. */
void job_allow(struct job *j, const struct helper_job *m, struct allow *ret);
/* A view as a C string, malloc'ed; it ends the process when there is no memory. */
char *job_text(struct job *j, struct ssh_str s);

/* Becomes this user for good. 0, -ENOENT: no such one, or -errno. Changes nothing when it fails. */
struct passwd;
int job_become(const struct passwd *pw) __attribute__((warn_unused_result));

/* Where PAM's service files are; NULL: where the system has them. A test's. */
extern const char *job_pam_dir;

/* Does the request; exits. */
void job_run(struct job *j, enum helper_msg type, struct ssh_str body) __attribute__((noreturn));
void job_pam(struct job *j, const struct helper_pam *m) __attribute__((noreturn));
void job_command(struct job *j, const struct helper_command *m) __attribute__((noreturn));
void job_file(struct job *j, const struct helper_file *m) __attribute__((noreturn));
void job_session(struct job *j, const struct helper_session *m) __attribute__((noreturn));
void job_socket(struct job *j, const struct helper_socket *m) __attribute__((noreturn));
void job_port(struct job *j, const struct helper_port *m) __attribute__((noreturn));

#endif
