/*
 * control/session/news.h - what a program of the operator's is told as it happens, and not asked:
 * the kinds of CONF_HOOK_NEWS of PolicyHook. What is told is the record of the audit log.
 *
 * Nobody waits for it. What the program does not read it loses (HOOK_NEWS). Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_SESSION_NEWS_H
#define SLUICE_CONTROL_SESSION_NEWS_H

#include "control/audit/record.h"
#include "control/session/internal.h"

/* Is anybody told of this event? Also of a connection that rests. */
bool news_find(const struct session *s, enum audit_event e, struct conf_hook *ret);
/* By what news_find() has said. Ends the record. */
void news_tell(const struct session *s, const struct conf_hook *h, struct audit_record *r);

#endif
