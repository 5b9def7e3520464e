/*
 * control/hook/handler_line.h - what a program that has a channel has said: one line of JSON.
 *
 * Source  docs/sluice-handler.5. Fields that are not known are passed over.
 * Memory  views of what handler_line_parse() made, until handler_line_free().
 * Thread  any: pure.
 */
#ifndef SLUICE_CONTROL_HOOK_HANDLER_LINE_H
#define SLUICE_CONTROL_HOOK_HANDLER_LINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/helper/proto.h"
#include "link/msg.h"
#include "ssh/wire.h"

#define HANDLER_LINE_MAX 4096

enum handler_word {
	HANDLER_TAKES = 1, /* the channel; of a first line one of these two */
	HANDLER_DECLINES,
	HANDLER_EXITED,
	HANDLER_CLOSES,
	HANDLER_REQUESTS, /* its client is to be asked */
	HANDLER_REPLIES,  /* to its client */
	HANDLER_SENDS,    /* a message it has built */
	HANDLER_OPENS,    /* another channel of its connection */
	HANDLER_CUTS,     /* what it is given into records, from here on */
};

struct handler_line {
	enum handler_word word;
	bool yes;           /* REPLIES; TAKES: and it wants a stream for standard error */
	const char *reason; /* DECLINES; NULL: none; HOOK_REASON_MAX bytes at most */
	uint32_t code;      /* likewise, of RFC 4254 section 5.1; 0: none */
	struct helper_exit how;
	struct ssh_str type, rest; /* of a request or an open; SENDS: rest, behind the number */
	bool want_reply;
	uint8_t number;           /* SENDS: 80 and above */
	uint64_t id;              /* OPENS, SENDS: the program's name for it; 0: none */
	bool framed;              /* TAKES: what it is given shall be framed, */
	bool resumes;             /* TAKES: and would take it up again, of another control */
	struct link_chan_cut cut; /* and how, of which the token is not its own; CUTS */
	json_t *root;
	uint8_t raw[HANDLER_LINE_MAX];
};

/* -EBADMSG: it means nothing, and there is nothing to free. */
int handler_line_parse(const char *line, size_t len, bool first, struct handler_line *ret)
	__attribute__((warn_unused_result));
void handler_line_free(struct handler_line *l);

#endif
