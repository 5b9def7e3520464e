/*
 * control/helper/proto.h - what control and sluice-helper say to each other.
 *
 * One connection is one job. Control sends a request and, when it is asked, answers; the helper
 * sends questions, data and at last one DONE. Closing the connection ends the job. A message is a
 * frame: length (uint32, of all that follows it), type (byte), a body of RFC 4251's data types.
 *
 * Control says who asks for a login and from where, and which entry of the configuration it needs
 * for that; what the entry is, the helper has read itself. No program, service or uid goes from
 * control to the helper, and no path or port but a UNIX socket's and one to listen at, which are
 * judged (allow.h). Of a client's there are only texts and a public key, which is parsed when root
 * has been given up; both ends check all the same.
 * Thread  any: pure.
 */
#ifndef SLUICE_CONTROL_HELPER_PROTO_H
#define SLUICE_CONTROL_HELPER_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ssh/brain.h"
#include "ssh/session_msg.h"
#include "ssh/wire.h"

#define HELPER_FRAME_MAX (112 * 1024) /* of a frame without its length */
#define HELPER_DATA_MAX  (16 * 1024) /* of one DATA */
#define HELPER_TEXT_MAX  4096        /* of a path, a name, a prompt */
#define HELPER_ADDR_MAX  64          /* of an address as text */
#define HELPER_TIME_MAX  120000      /* ms a job may ask for; of a session until it runs */
#define HELPER_ENV_MAX   (24 * 1024) /* of a client's variables, as they are encoded */
#define HELPER_CONN_MAX  40          /* of a connection's name */

enum helper_msg {
	/* of control */
	HELPER_PAM = 1, /* who it is, by a conversation or a password */
	HELPER_COMMAND, /* run a program of the operator's: DATA is what it writes */
	HELPER_FILE,    /* read a file of the user's, as the user: DATA is what stands in it */
	HELPER_ANSWER,
	HELPER_READ,    /* the configuration, again: OK, or NO and the old one holds */
	HELPER_SESSION, /* run a session's program: STARTED, then EXIT */
	HELPER_SIGNAL,  /* to its process group */
	HELPER_HANGUP,  /* its client is gone */
	HELPER_SOCKET,  /* connect to, or listen at, a UNIX socket as the user: STARTED */
	HELPER_RESUME,  /* a session of a control before this one: EXIT and DONE come here */
	HELPER_PORT,    /* listen in the kernel at a port below 1024: STARTED */
	/* of the helper */
	HELPER_ASK = 20,
	HELPER_DATA,
	HELPER_DONE,
	HELPER_STARTED, /* and with it, by SCM_RIGHTS: struct helper_started */
	HELPER_EXIT,
	HELPER_CONSOLE, /* a session's asks: a socket with it comes along */
};

/* What a refusal for HELPER_BUSY names as its reason. */
#define HELPER_LIMITS(X)                                                                           \
	X(JOBS, "HELPER_JOBS_MAX")                                                                 \
	X(TALKS, "HELPER_TALKS_MAX")                                                               \
	X(USER_JOBS, "HELPER_USER_JOBS_MAX")                                                       \
	X(SOURCE_JOBS, "PerSourceMaxHelperJobs")                                                   \
	X(SESSIONS, "HELPER_SESSIONS_MAX")                                                         \
	X(USER_SESSIONS, "HELPER_USER_SESSIONS_MAX")

enum helper_limit {
#define X(id, name) HELPER_LIMIT_##id,
	HELPER_LIMITS(X)
#undef X
		HELPER_LIMIT_COUNT /* none of them */
};
const char *helper_limit_name(enum helper_limit l);
enum helper_limit helper_limit_of(struct ssh_str name);

enum helper_result {
	HELPER_OK = 1,
	HELPER_NO,      /* said no; a program that failed; a file that may not be believed */
	HELPER_EXPIRED, /* PAM: right, but the password has to be changed */
	HELPER_NONE,    /* no such file, no such user */
	HELPER_BUSY,    /* too many run, of all, of this user or source */
	HELPER_LATE,    /* not done by its deadline, and killed */
	HELPER_CRASHED,
	HELPER_DENIED, /* for who asks nothing of the kind is configured */
	HELPER_BAD,    /* the request */
	HELPER_TAKEN,  /* somebody listens there */
	HELPER_RESULTS,
};

/* Who asks for a login, and what else Match goes by: what every request begins with. Views. */
struct helper_job {
	struct ssh_str user;
	struct ssh_str peer, local; /* addresses, numeric; the peer's bounds how many run at once */
	uint16_t peer_port, local_port;
	struct ssh_str version; /* the peer's identification; "": not known */
	struct ssh_str host;    /* the name of its address; "": it has none */
	struct ssh_str role;    /* as an operator's program has named it; "": none has */
	struct ssh_str rdomain; /* of the kernel's, it came by; "": none */
	bool invalid_user;
	uint32_t time_ms;
	/*
	 * conf_mark() of what the login goes by, of a session: of what holds now. Another is not
	 * answered for. 0: the newest will do.
	 */
	uint64_t mark;
	uint64_t id; /* of a session: by which HELPER_RESUME asks for it; 0: nobody will */
};

/* Keywords: COMMAND: Authorized…Command, FILE: Authorized…File and those of hostbased. */
enum helper_entry {
	HELPER_AUTHORIZED_KEYS = 1,
	HELPER_AUTHORIZED_PRINCIPALS,
	HELPER_HOSTBASED,
	HELPER_ENTRIES,
};

/* HostbasedAuthentication: which of the files that every home may have. */
enum helper_hostbased {
	HELPER_SHOSTS,
	HELPER_RHOSTS,
	HELPER_KNOWN_HOSTS,
	HELPER_KNOWN_HOSTS2,
	HELPER_HOSTBASED_FILES,
};
/* Below the home; NULL: there is none of that number. */
const char *helper_hostbased_name(uint32_t index);

struct helper_pam {
	struct helper_job job;
	bool possible;     /* else nothing of what was given reaches a module, and it is a no */
	bool conversation; /* modules ask; else password is what they are given */
	bool change;       /* to new_password */
	struct ssh_str password, new_password;
};

struct helper_command {
	struct helper_job job;
	enum helper_entry entry;
	struct ssh_str key; /* blob of the key in question, maybe a certificate's */
};

struct helper_file {
	struct helper_job job;
	enum helper_entry entry;
	uint32_t index; /* which of several, in the order of the configuration */
};

enum helper_run { HELPER_RUN_SHELL = 1, HELPER_RUN_EXEC, HELPER_RUN_SUBSYSTEM, HELPER_RUNS };

/* What a session asks for. What comes of it the configuration says (allow_session()). */
struct helper_session {
	struct helper_job job;
	enum helper_run kind;
	struct ssh_str command; /* EXEC; SUBSYSTEM: its name */
	bool forced;            /* by the key or certificate that let in: forced_command */
	struct ssh_str forced_command;
	bool tty;
	struct ssh_pty_req pty;
	struct ssh_str env; /* helper_env_next() */
	bool user_rc;       /* what let in leaves it ~/.ssh/rc, */
	struct ssh_str key_env; /* and gives it these, lines of NAME=VALUE */
	bool agent, x11;    /* its client's are wanted; a display by */
	struct ssh_x11_req display;
	/* As the audit log names it; for the name of a recording. */
	struct ssh_str conn;
	uint32_t channel;
};

/* A client wants a channel from or to this socket. Whether it may the configuration says. */
struct helper_socket {
	struct helper_job job;
	bool listen; /* else it is connected to */
	struct ssh_str path;
};

/* A client wants a listener of the kernel's at a port below 1024; where, and whether, as above. */
struct helper_port {
	struct helper_job job;
	struct ssh_str host; /* as the client wrote it */
	uint16_t port;
};

/*
 * What came with STARTED, in this order: a terminal or what is connected (1), what listens at a
 * port (1 or 2), or in, out and err (3); of a session also what listens for its agent (0 or 1) and
 * its display (0 to 2), where its copy goes (link/tee.h), if it is recorded.
 */
#define HELPER_FDS_MAX 8
struct helper_started {
	uint8_t n, agent, x11;
	uint8_t tee;              /* 0 or 1 */
	uint8_t tee_how;          /* enum link_tee, of that */
	bool record_full;         /* it is not recorded: RecordDirectory has no room */
	struct ssh_str recording; /* its path, at most HELPER_TEXT_MAX; "": none */
};

/* How a program ended: by a signal of this number, or with this status. */
struct helper_exit {
	bool signalled, core;
	bool ending; /* it was hung up on: sluice-helper ends */
	bool lost;   /* a handler's that does not know it any more: so it is hung up on */
	uint32_t number;
};

/* What hung up on it; "": nothing did. */
static inline const char *helper_exit_why(const struct helper_exit *how)
{
	return how->ending ? "sluice-helper ends"
	       : how->lost ? "its program does not know it any more"
			   : "";
}

struct helper_done {
	enum helper_result result;
	struct ssh_str text; /* for the log */
};

/* A frame around a body that w holds room for: begin, write the body, end. */
void helper_frame_begin(struct ssh_wr *w, enum helper_msg type);
/* Its length, the four bytes included; 0: it did not fit. */
size_t helper_frame_end(struct ssh_wr *w);
/*
 * The first frame of len bytes: 0 and its type and body; -EAGAIN: not all of it is there; -EBADMSG:
 * it is none.
 */
int helper_frame_parse(const uint8_t *p, size_t len, enum helper_msg *ret_type,
		       struct ssh_str *ret_body, size_t *ret_used)
	__attribute__((warn_unused_result));

/* Bodies. -EBADMSG. */
int helper_job_parse(enum helper_msg type, struct ssh_str body, struct helper_job *ret)
	__attribute__((warn_unused_result));
int helper_pam_parse(struct ssh_str body, struct helper_pam *ret)
	__attribute__((warn_unused_result));
int helper_command_parse(struct ssh_str body, struct helper_command *ret)
	__attribute__((warn_unused_result));
int helper_file_parse(struct ssh_str body, struct helper_file *ret)
	__attribute__((warn_unused_result));
int helper_session_parse(struct ssh_str body, struct helper_session *ret)
	__attribute__((warn_unused_result));
/* A variable of helper_session's; false: there are no more. */
bool helper_env_next(struct ssh_rd *r, struct ssh_str *ret_name, struct ssh_str *ret_value);
int helper_resume_parse(struct ssh_str body, uint64_t *ret_id) __attribute__((warn_unused_result));
int helper_signal_parse(struct ssh_str body, struct ssh_str *ret_name)
	__attribute__((warn_unused_result));
int helper_socket_parse(struct ssh_str body, struct helper_socket *ret)
	__attribute__((warn_unused_result));
int helper_port_parse(struct ssh_str body, struct helper_port *ret)
	__attribute__((warn_unused_result));
int helper_started_parse(struct ssh_str body, struct helper_started *ret)
	__attribute__((warn_unused_result));
int helper_exit_parse(struct ssh_str body, struct helper_exit *ret)
	__attribute__((warn_unused_result));
/* Not exactly n answers: -EBADMSG. */
int helper_answer_parse(struct ssh_str body, unsigned int n, struct ssh_str *ret)
	__attribute__((warn_unused_result));
int helper_ask_parse(struct ssh_str body, struct ssh_prompts *ret)
	__attribute__((warn_unused_result));
int helper_done_parse(struct ssh_str body, struct helper_done *ret)
	__attribute__((warn_unused_result));

/* Whole frames into a buffer of at least HELPER_FRAME_MAX + 4; 0: it does not fit. */
size_t helper_read_build(uint8_t *buf);
size_t helper_pam_build(uint8_t *buf, const struct helper_pam *m);
size_t helper_command_build(uint8_t *buf, const struct helper_command *m);
size_t helper_file_build(uint8_t *buf, const struct helper_file *m);
size_t helper_session_build(uint8_t *buf, const struct helper_session *m);
size_t helper_signal_build(uint8_t *buf, struct ssh_str name);
size_t helper_hangup_build(uint8_t *buf);
size_t helper_socket_build(uint8_t *buf, const struct helper_socket *m);
size_t helper_port_build(uint8_t *buf, const struct helper_port *m);
size_t helper_started_build(uint8_t *buf, const struct helper_started *m);
size_t helper_resume_build(uint8_t *buf, uint64_t id);
size_t helper_exit_build(uint8_t *buf, const struct helper_exit *m);
size_t helper_console_build(uint8_t *buf);
size_t helper_answer_build(uint8_t *buf, unsigned int n, const struct ssh_str *answer);
size_t helper_ask_build(uint8_t *buf, const struct ssh_prompts *m);
size_t helper_data_build(uint8_t *buf, const void *p, size_t len);
size_t helper_done_build(uint8_t *buf, enum helper_result result, const char *text);

#endif
