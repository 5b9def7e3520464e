/*
 * control/session/packets.c - LogLevel DEBUG2 and DEBUG3: the messages that control hears and says,
 * and what of them may be seen (ssh/show.h). Data of channels never comes to control.
 */
#include "control/log.h"
#include "control/session/internal.h"
#include "ssh/show.h"

struct place {
	char title[SSH_SHOW_TITLE], from[CONF_ZONE_TEXT];
	const char *name, *peer, *how;
};

static void place_of(const struct session *s, bool sent, uint8_t msg, struct place *ret)
{
	ret->name = ssh_show_title(msg, ret->title);
	ret->peer = session_peer_text(s, ret->from);
	ret->how = sent ? "sent to" : "received from";
}

static void fields_tell(const struct session *s, const struct place *at, const uint8_t *p,
			size_t len)
{
	char fields[SSH_SHOW_TEXT];

	if (s->log_level < LOG_L_DEBUG3 &&
	    !log_forced(LOG_FROM, s->awake != NULL ? &s->awake->conf.log_verbose : NULL))
		return;
	ssh_show_fields(p, ssh_show_len(p, len), fields);
	if (*fields != '\0')
		session_log(s, LOG_L_DEBUG3, "%s %s port %u: %s:%s", at->how, at->peer,
			    s->peer.port, at->name, fields);
}

void packet_tell(const struct session *s, bool sent, const uint8_t *p, size_t len)
{
	struct place at;

	if (len == 0)
		return;
	place_of(s, sent, p[0], &at);
	if (!sent && ssh_show_hides_len(p[0]))
		session_log(s, LOG_L_DEBUG2, "%s %s port %u: %s", at.how, at.peer, s->peer.port,
			    at.name);
	else
		session_log(s, LOG_L_DEBUG2, "%s %s port %u: %s, %zu bytes", at.how, at.peer,
			    s->peer.port, at.name, len);
	fields_tell(s, &at, p, len);
}
