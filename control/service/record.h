/*
 * control/service/record.h - who is logged in on which terminal: utmp, wtmp, lastlog.
 *
 * Source  utmp(5), updwtmp(3), lastlog(8). What has no such file keeps no such record.
 */
#ifndef SLUICE_CONTROL_SERVICE_RECORD_H
#define SLUICE_CONTROL_SERVICE_RECORD_H

#include <pwd.h>
#include <stddef.h>
#include <sys/types.h>

/* What lastlog has of him, in the words of sshd, a line; "": he was never here. */
void record_last(uid_t uid, char *buf, size_t size);
/* tty: "/dev/pts/3"; host: where from, an address. Root's to write; else nothing happens. */
void record_login(const struct passwd *pw, pid_t pid, const char *tty, const char *host);
void record_logout(pid_t pid, const char *tty);

#endif
