/* client/lib/log.c - what a program may want to print. */
#include <stdarg.h>
#include <stdio.h>

#include "client/lib/internal.h"
#include "ssh/show.h"

/* No secret is ever an argument of it; texts of the server lose their control characters. */
void note(struct sluice *s, enum sluice_log_level level, const char *fmt, ...)
{
	char text[LOG_TEXT_MAX];
	va_list ap;

	if (s->ops.on_log == NULL || level > s->set.log_level || s->telling)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	s->telling = true;
	CALL(s, on_log, s, level, text);
	s->telling = false;
}

/* --- packets: kept by the pump, which tells nobody, until no engine is locked -------------------
 */

void log_watch(struct sluice *s)
{
	bool wanted = s->ops.on_log != NULL && s->set.log_level >= SLUICE_LOG_VERBOSE;

	s->pump.seen = wanted ? &s->seen : NULL;
}

static void packet_tell(struct sluice *s, bool sent, uint8_t msg, uint32_t len)
{
	char title[SSH_SHOW_TITLE];
	const char *name = ssh_show_title(msg, title), *how = sent ? "sent" : "received";

	if (sent && ssh_show_hides_len(msg))
		note(s, SLUICE_LOG_VERBOSE, "%s %s", how, name);
	else
		note(s, SLUICE_LOG_VERBOSE, "%s %s, %u bytes", how, name, len);
}

void log_packets(struct sluice *s)
{
	struct ssh_pump_seen seen;

	if (s->seen.n == 0)
		return;
	seen = s->seen;
	for (unsigned int i = 0; i < seen.n; i++)
		packet_tell(s, seen.payload[i].sent, seen.payload[i].msg, seen.payload[i].len);
	if (seen.more > 0)
		note(s, SLUICE_LOG_VERBOSE, "and %u packets more", seen.more);
	s->seen.n = s->seen.more = 0; /* those that on_log itself sent, too: there would be no end */
}
