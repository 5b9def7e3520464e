/*
 * control/session/report.h - what the audit log is told, and programs of the operator's (news.h):
 * one call for each of its events.
 *
 * Without either all of it is nothing. What a record has of a connection is taken from its
 * session; records of beginnings and ends have ids made of what the shard calls them, so that one
 * that is told twice, by two controls, is one.
 */
#ifndef SLUICE_CONTROL_SESSION_REPORT_H
#define SLUICE_CONTROL_SESSION_REPORT_H

#include "control/session/forward.h"

/* What a program of the operator's said of it, or what that it said nothing comes to. */
void report_hook(const struct session *s, enum conf_hook_kind kind, const char *outcome,
		 const char *why);
/* Its name in the log. */
#define REPORT_CONN_MAX 40
void report_conn(const struct session *s, char ret[REPORT_CONN_MAX]);

/* Does anybody want to know what allowed something? */
bool report_rules(const struct session *s);
/* A copy of what allowed something, for records of it; NULL: nobody wants one, or no memory. */
char *report_rule(const struct session *s, const char *rule);

/* May anything new be begun? False: AuditFailure refuse, and it is counted. */
bool report_works(struct session_env *env);

/* At the door, or once there is a session: by which keyword or program. */
void report_refused(const struct session_table *t, const struct link_conn_new *ev, const char *why);
void report_turned_away(const struct session *s, const char *why);
void report_opened(struct session *s);
/*
 * s: NULL where this control does not know it; ours: but has turned it away. ev: NULL: it has ended
 * unheard, where that was not said yet.
 */
void report_closed(const struct session_table *t, struct session *s, const struct link_conn_end *ev,
		   bool ours);
void report_auth(struct session *s, const struct ssh_act_auth *auth, enum words_verdict verdict);
/* outcome: how one request was answered: accepted, partial, acceptable (a key), refused. */
void report_try(struct session *s, const struct ssh_act_auth *auth, const char *outcome);
void report_signature(struct session *s, const struct ssh_act_auth *auth, bool good);
/* An exchange of keys is done, the first or another. */
void report_kex(const struct session *s, const struct ssh_act_kex *k);
/* name: of the service, as its client wrote it. */
void report_service(const struct session *s, struct ssh_str name, bool accepted);
/* For what it is ended: -SSH_E_*. */
void report_error(const struct session *s, int err);
void report_disconnect(const struct session *s, uint32_t reason, struct ssh_str text);

/* Of the channel with this token, as clients write it. */
const char *report_type(const struct session *s, uint64_t token);
/* type: as its client wrote it. host: NULL where there is none. */
void report_chan_refused(const struct session *s, struct ssh_str type, const char *host,
			 uint16_t port, uint32_t reason, const char *why);
void report_chan_failed(const struct session *s, const struct link_chan_failed *ev);
void report_chan_opened(const struct session *s, const struct link_chan_ref *ev);
void report_chan_eof(const struct session *s, const struct link_chan_eof *ev);
void report_chan_closed(const struct session_table *t, const struct session *s,
			const struct link_chan_end *ev);

/* outcome: started, accepted, refused, or whose answer it has: asked (its handler's). */
void report_request(const struct session *s, const struct open *o, const struct ssh_chan_request *m,
		    bool tty, const char *outcome);
/* path: of the file that what it says is kept in. */
void report_recording(const struct session *s, const struct open *o, struct ssh_str path);
void report_exit(const struct session *s, const struct open *o, const struct helper_exit *how);

void report_listener_opened(const struct listener *l);
void report_listener_closed(const struct listener *l, enum listener_end why);
void report_listener_refused(const struct session *s, const char *host, uint16_t port,
			     const char *why);

#endif
