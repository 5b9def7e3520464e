/*
 * control/setup.h - what control needs from the machine before it serves.
 *
 * Runs once, at start, where exiting with a clear message is still right.
 * Errors  are printed here, as sshd words them; functions return a negative number.
 */
#ifndef SLUICE_CONTROL_SETUP_H
#define SLUICE_CONTROL_SETUP_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"
#include "control/hostkey.h"
#include "crypto/moduli.h"
#include "link/msg.h"

#define SETUP_USER "sluice"
#define SETUP_RUN  "/run/sluice"

#define SETUP_SIGNER_MS 10000

/* The file, checked against the algorithms of this build. */
int setup_conf(const char *path, struct conf **ret) __attribute__((warn_unused_result));
/*
 * The same of files that trusted() says yes to, NULL: of any; at any time: what is wrong is text
 * in *ret_errors, as conf_load() has it, and nothing is printed.
 */
int setup_conf_read(const char *path, bool (*trusted)(const char *path), struct conf **ret,
		    char **ret_errors) __attribute__((warn_unused_result));
/* With FIPSMode: from here on nothing but its module computes. Before any thread. */
int setup_fips(const struct conf *conf) __attribute__((warn_unused_result));
/*
 * Every HostKey of the file; at least one must be usable. Of a public one, and of one that is
 * encrypted, HostKeyAgent keeps the private half: by_agent says whether it may be asked, else they
 * are left out.
 */
int setup_host_keys(const struct conf *conf, bool by_agent, struct host_keys *ret)
	__attribute__((warn_unused_result));
/* With GSSAPIKeyExchange the methods by it and then KexAlgorithms; else NULL. The caller's. */
int setup_kex_list(const struct conf *conf, char **ret) __attribute__((warn_unused_result));
/*
 * ModuliFile, when a method needs it; NULL: it does not, or the file has no group, which is said
 * and is no reason not to serve.
 */
int setup_moduli(const struct conf *conf, struct moduli **ret) __attribute__((warn_unused_result));
/* Its name, when a method needs it; NULL. */
const char *setup_moduli_path(const struct conf *conf);
/* $SLUICE_RUN, or /run/sluice, made when it is missing, user sluice's when root is given up. */
int setup_run_dir(const char **ret) __attribute__((warn_unused_result));
/* Does sluice-signer listen in this folder? */
bool setup_signer_runs(const char *run_dir);
/* Waits until it does. -ETIMEDOUT: it does not within SETUP_SIGNER_MS. */
int setup_signer_wait(const char *run_dir) __attribute__((warn_unused_result));
/* May control have the host keys itself when no signer listens? For tests, and where all is one
 * user. */
#define SETUP_KEYS_HERE "SLUICE_KEYS_IN_CONTROL"
bool setup_keys_here(void);
/*
 * Once root is given up: no private host key may be within reach. -EPERM: one is. Who stays root
 * reaches all, which is said.
 */
int setup_host_keys_closed(const struct conf *conf) __attribute__((warn_unused_result));
/* No core dumps, no ptrace: keys are in memory from here on. */
int setup_no_dumps(void) __attribute__((warn_unused_result));
/*
 * For good: root becomes user sluice, anybody else stays who it is; no_new_privs; the filter of
 * system calls; no core dumps again, which a change of user allows. Before any thread.
 */
int setup_drop_root(void) __attribute__((warn_unused_result));
/* "SSH-2.0-…" with its addendum. */
int setup_ident(const struct conf *conf, char *buf, size_t size)
	__attribute__((warn_unused_result));

#endif
