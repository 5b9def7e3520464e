/*
 * Lines of programs that have a channel, first ones and others: what is taken is within all bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/hook/answer.h"
#include "control/hook/handler_line.h"
#include "ssh/chan.h"
#include "ssh/session_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void line(const char *p, size_t len, bool first)
{
	struct handler_line l;

	if (handler_line_parse(p, len, first, &l) < 0) {
		if (l.root != NULL)
			abort();
		return;
	}
	if (first != (l.word == HANDLER_TAKES || l.word == HANDLER_DECLINES))
		abort();
	if (l.word == HANDLER_DECLINES && l.reason != NULL && strlen(l.reason) > HOOK_REASON_MAX)
		abort();
	if (l.word == HANDLER_REQUESTS && (l.type.len == 0 || l.type.len > SSH_TYPE_MAX ||
					   l.rest.p != l.raw || l.rest.len > sizeof(l.raw)))
		abort();
	if ((l.word == HANDLER_SENDS || l.word == HANDLER_OPENS) &&
	    (l.rest.p != l.raw || l.rest.len > sizeof(l.raw)))
		abort();
	if (l.word == HANDLER_SENDS && l.number < SSH_MSG_GLOBAL_REQUEST)
		abort();
	if (l.word == HANDLER_OPENS && (l.type.len == 0 || l.type.len > SSH_TYPE_MAX))
		abort();
	if ((l.word == HANDLER_CUTS || l.framed) &&
	    (l.cut.max > LINK_RECORD_MAX || l.cut.eol_len > LINK_EOL_MAX ||
	     l.cut.eol_len > l.cut.max))
		abort();
	if (l.word == HANDLER_EXITED && l.how.signalled &&
	    ssh_signal_name((int)l.how.number) == NULL)
		abort();
	handler_line_free(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > HANDLER_LINE_MAX)
		return 0;
	line((const char *)data, size, true);
	line((const char *)data, size, false);
	return 0;
}
