/*
 * control/helper/allow.h - what control may have the helper do: what sluice.conf, as the helper has
 * read it itself, says of who asks for a login.
 *
 * Control is believed who asks and from where, and no more: a control that an attacker has taken
 * over learns and does here what a login of that user could have made it, and nothing else. The
 * same Match blocks hold as in control; accounts and groups are looked up here.
 *
 *   PAM       only where UsePAM holds, by its PAMServiceName, with its PermitEmptyPasswords
 *   COMMAND   AuthorizedKeysCommand, AuthorizedPrincipalsCommand: program and arguments as they are
 *             written, tokens filled in here (tokens.h), as the …CommandUser of the same block
 *   SESSION   only where PermitSession holds, for an account that AllowUsers and the others let in,
 *             root as PermitRootLogin has it; what runs is ForceCommand, else what the key is for,
 *             else what was asked for or Subsystem says; with PermitSession console, and in place
 * of ConsoleShells, the built-in console. That he has logged in control alone knows: one that was
 * taken over can run what this leaves to any such user.
 *             ~/.ssh/rc where PermitUserRC, a key's variables and ~/.ssh/environment where
 *             PermitUserEnvironment holds.
 *             The client's agent where AllowAgentForwarding, his display where X11Forwarding holds.
 *   SOCKET    for an account as for SESSION, where AllowStreamLocalForwarding and PermitStreamLocal
 *             or PermitStreamLocalListen name the path, as that account
 *   PORT      below 1024, in the kernel: where AllowTcpForwarding, PermitListen, ListenRule and
 *             GatewayPorts have it, and either names it by its number or it is for root; of a gateway
 *             with interfaces at loopback addresses alone
 *   FILE      AuthorizedKeysFile, AuthorizedPrincipalsFile, and where HostbasedAuthentication holds
 *             what IgnoreRhosts and IgnoreUserKnownHosts leave: the path made here for the user's
 *             own home, opened as that user, believed by StrictModes
 *
 * Thread  of a job, which may wait.
 */
#ifndef SLUICE_CONTROL_HELPER_ALLOW_H
#define SLUICE_CONTROL_HELPER_ALLOW_H

#include "conf/conf.h"
#include "control/auth/account.h"
#include "control/helper/proto.h"
#include "control/listen.h"

struct allow {
	struct conf_session conf;
	char user[SSH_USER_MAX + 1];
	bool name_ok; /* else it reaches no path and no argument */
	struct account account;
};

/* A program of the operator's: both are the configuration's. */
struct allow_program {
	const struct conf_strs *argv;
	const char *user; /* whom it runs as */
};

/* What holds for who asks. -ENOMEM, or -EIO: his groups cannot be told. */
int allow_find(struct conf *conf, const struct helper_job *job, struct allow *ret)
	__attribute__((warn_unused_result));
/* The same for a channel that leads there: Match may go by it. */
int allow_find_dest(struct conf *conf, const struct helper_job *job, const struct conf_dest *dest,
		    struct allow *ret) __attribute__((warn_unused_result));
void allow_fini(struct allow *a);

/* PAMServiceName. -EPERM: PAM is not used for him. */
int allow_pam(const struct allow *a, const char **ret) __attribute__((warn_unused_result));
/* -EPERM: there is none for him. */
int allow_program(const struct allow *a, enum helper_entry entry, struct allow_program *ret)
	__attribute__((warn_unused_result));
/* Its path. -EPERM: no such entry for him, or he has no account. */
int allow_file(const struct allow *a, enum helper_entry entry, uint32_t index, char *buf,
	       size_t size) __attribute__((warn_unused_result));

/* What a session may run, and where. Memory: allow_session_fini(). */
struct allow_session {
	char *command; /* NULL: a login shell */
	bool forced;
	char *original; /* what was asked for in place of a forced one; NULL */
	char *chroot;   /* NULL: none */
	bool console;   /* the built-in one, and command is its; NULL: it asks for commands */
	bool sftp;      /* the built-in one, and command is its arguments */
	const char *refusal; /* told the user, and nothing runs; NULL */
	bool agent, x11, user_rc;
};
/* -EPERM with why; -ENOMEM. */
int allow_session(const struct allow *a, const struct helper_session *m, struct allow_session *ret,
		  char *why, size_t size) __attribute__((warn_unused_result));
void allow_session_fini(struct allow_session *s);
/* May he be in at all, by something forced or not? NULL, or why not. */
const char *allow_login(const struct allow *a, const struct helper_job *job, bool forced);
/* The same of who needs no account here. */
const char *allow_guest(const struct allow *a, const struct helper_job *job);
/* NULL: he may, or why not. path: m's, as a C string. */
const char *allow_socket(const struct allow *a, const struct helper_socket *m, const char *path);

/* The same of a port below 1024, and the kernel's addresses it is for; host: m's, as a C string. */
const char *allow_port(const struct allow *a, const struct helper_port *m, const char *host,
		       struct link_addr ret[LISTEN_MAX], size_t *ret_n);

/*
 * May root believe what stands there: a regular file of root's, or of the user we run as, that
 * nobody else may write, and so every folder above where it really lies (sshd_config(5),
 * AuthorizedKeysCommand)?
 */
bool allow_path_safe(const char *path);

#endif
