#include "control/audit/words.h"

#include <string.h>

#include "ssh/err.h"

static const char *known(const char *s)
{
	return s != NULL && *s != '\0' ? s : "-";
}

static const char *cause_text(int cause)
{
	if (cause == 0)
		return "closed";
	return cause > -SSH_E_BASE ? strerror(-cause) : ssh_err_text(cause);
}

static double seconds(uint64_t from_us, uint64_t to_us)
{
	return to_us > from_us ? (double)(to_us - from_us) / 1e6 : 0;
}

/* That a channel was cut, because somebody took nothing, is not for who asks for all ends alone. */
static enum log_level chan_level(int cause)
{
	bool cut = cause == -SSH_E_TARGET_BLOCKED || cause == -SSH_E_CLIENT_BLOCKED;

	return cut ? LOG_L_INFO : LOG_L_VERBOSE;
}

void audit_log_chan(const struct audit_subject *of, const struct link_chan_end *ev)
{
	log_line_at(of->threshold, chan_level(ev->cause),
		    "channel end: user %.100s from %s port %u to %.100s port %u: %llu bytes from "
		    "client, %llu bytes to client, %.3f seconds, %s",
		    known(of->user), known(of->addr), of->port, known(of->host), of->target_port,
		    (unsigned long long)ev->bytes_from_peer, (unsigned long long)ev->bytes_to_peer,
		    seconds(ev->open_us, ev->last_us), cause_text(ev->cause));
}

void audit_log_conn(const struct audit_subject *of, const struct link_conn_end *ev)
{
	log_line_at(of->threshold, LOG_L_VERBOSE,
		    "connection end: user %.100s from %s port %u: %llu bytes in, %llu bytes out, "
		    "%.3f seconds, %s",
		    known(of->user), known(of->addr), of->port, (unsigned long long)ev->bytes_in,
		    (unsigned long long)ev->bytes_out, seconds(ev->open_us, ev->last_us),
		    cause_text(ev->cause));
}
