/*
 * control/audit/audit.h - the audit log: records in, and in their order out to where they are kept.
 *
 * Records wait in a bounded memory (AuditSpool) for a thread of the log's own, which writes them
 * in batches, has each batch on the disk (or read by the collector), and only then calls it safe.
 * The loop never waits for that. Where writing fails it is tried again, from the last record that
 * is safe: a record may stand in the log twice, with the same id. Where the spool is full records
 * are lost and counted, and one record says how many, in their place (gap).
 *
 * Memory  the spool, as large as AuditSpool says, from the start on; touched as far as it is used.
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_AUDIT_AUDIT_H
#define SLUICE_CONTROL_AUDIT_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "control/audit/record.h"
#include "control/sources.h"

#define AUDIT_ID_MAX    64
#define AUDIT_SPOOL_MIN (64 * 1024)
#define AUDIT_BATCH_MAX (1024 * 1024) /* bytes on their way to the disk at once */
#define AUDIT_RETRY_MS  250           /* after what did not work */
#define AUDIT_SPEAK_MS  10000         /* between two records about what was left out */
#define AUDIT_NETS_MAX  65536         /* networks that are counted apart, the rest together */
#define AUDIT_BURST_S   10            /* what AuditSourceRate allows at once, in its seconds */

struct audit;

struct audit_conf {
	const char *where; /* PATH or unix:PATH */
	size_t spool;
	bool refuse;     /* AuditFailure refuse */
	uint32_t rate;   /* AuditSourceRate, bytes a second; 0: no limit */
	const char *who; /* version of the program */
};

/* The thread runs; the first record says so. -errno. */
int audit_new(uv_loop_t *loop, const struct audit_conf *conf, struct audit **ret)
	__attribute__((warn_unused_result));
/*
 * From here on, of which events there are records: a list of AuditEvents. Those about the log
 * itself (log.*) there always are. Of the others what is put is passed over. At first: all.
 */
void audit_choose(struct audit *a, const char *events);
bool audit_wants(const struct audit *a, enum audit_event e);
/* safe() is called on the loop whenever more records are safe. */
void audit_watch(struct audit *a, void (*safe)(void *arg), void *arg);
/*
 * The last record is written, and what waits, for wait_ms at most; then all that is the loop's is
 * given back to it. Freed when the loop lets go of its handle; a thread that hangs in a disk keeps
 * what is its own. NULL is nothing. (libaudit has an audit_close(): where a program had one of that
 * name, too, PAM's modules were given it, and crashed.)
 */
void audit_finish(struct audit *a, unsigned int wait_ms);
/* What PATH leads to now: it was renamed, or there is room again. */
void audit_reopen(struct audit *a);

/* --- records ------------------------------------------------------------------------------------
 */

struct audit_when audit_now(void);
/* id: NULL: a new one. The record is the log's, one at a time. */
struct audit_record *audit_record(struct audit *a, enum audit_event e, const char *id)
	__attribute__((warn_unused_result));
/* Takes it. */
void audit_put(struct audit *a, struct audit_record *r);
/*
 * The same of a stranger's, who has AuditSourceRate; more: bytes of records that have to follow,
 * and are put without asking. False: it was left out, and counted.
 */
bool audit_put_for(struct audit *a, struct audit_record *r, const struct source *from, size_t more);

/* --- what became of them ------------------------------------------------------------------------
 */

/* Where the last one ends; all up to audit_safe() are safe. */
uint64_t audit_at(const struct audit *a);
uint64_t audit_safe(const struct audit *a);
/* AuditFailure refuse, and what is done now might not be recorded: nothing new is to be begun. */
bool audit_refuses(struct audit *a);

struct audit_status {
	int err; /* why nothing is written; 0: it is */
	uint64_t used, size, records, lost, suppressed;
};
struct audit_status audit_status(struct audit *a);

#endif
