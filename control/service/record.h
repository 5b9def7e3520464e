/*
 * control/service/record.h - who is logged in on which terminal: utmp, wtmp, lastlog.
 *
 * Source  utmp(5), updwtmp(3), lastlog(8). What has no such file keeps no such record.
 */
#ifndef SLUICE_CONTROL_SERVICE_RECORD_H
#define SLUICE_CONTROL_SERVICE_RECORD_H

#include <pwd.h>
#include <sys/types.h>

/* tty: "/dev/pts/3"; host: where from, an address. Root's to write; else nothing happens. */
void record_login(const struct passwd *pw, pid_t pid, const char *tty, const char *host);
void record_logout(pid_t pid, const char *tty);

#endif
