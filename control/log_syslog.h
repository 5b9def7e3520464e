/*
 * control/log_syslog.h - lines for the system's log (SyslogFacility), as sshd gives them to it.
 *
 * Source  what syslog(3) sends: a datagram a line, "<PRI>Mmm dd hh:mm:ss NAME[PID]: ".
 *
 * syslog(3) itself waits while its daemon does not read, and with it all that is served; here what
 * cannot be given at once goes to standard error, as all does while there is no daemon. That is
 * looked for again once a second.
 *
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_LOG_SYSLOG_H
#define SLUICE_CONTROL_LOG_SYSLOG_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"
#include "control/log.h"
#include "control/log_out.h"

#define LOG_SYSLOG_PATH "/dev/log"

/*
 * Where lines go: to the log of the system where the configuration names a facility and they are
 * not wanted on standard error (-e, -d), else to o. name: of the program. Again with another
 * configuration.
 */
void log_where(const struct conf *conf, struct log_out *o, const char *name, bool to_stderr);
/*
 * In a child that has closed what its parent had open: lines go where the parent's went, by
 * descriptors of its own, to the log of the system or to o; o NULL: to standard error.
 */
void log_where_forked(struct log_out *o);
/* The same to another socket; facility: LOG_AUTH and the like. */
void log_syslog_use(const char *path, int facility, struct log_out *o, const char *name);

#endif
