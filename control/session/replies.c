/* control/session/replies.c - see replies.h. */
#include "control/session/replies.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/chan.h"

bool replies_add(struct replies *r, const struct open *o, enum reply what)
{
	if (r->n == REPLIES_MAX) {
		session_close_channel(o->session, o->token, o->local_channel);
		return false;
	}
	r->what[r->n++] = (uint8_t)what;
	return true;
}

bool replies_know(struct replies *r, bool ok)
{
	for (unsigned int i = 0; i < r->n; i++) {
		if (r->what[i] != REPLY_WAITS)
			continue;
		r->what[i] = ok ? REPLY_YES : REPLY_NO;
		return true;
	}
	return false;
}

void replies_give_up(struct replies *r)
{
	for (unsigned int i = 0; i < r->n; i++)
		if (r->what[i] == REPLY_WAITS)
			r->what[i] = REPLY_NO;
}

void replies_say(struct replies *r, const struct open *o)
{
	unsigned int n = 0;

	while (n < r->n && r->what[n] != REPLY_WAITS)
		reply_say(o, r->what[n++] == REPLY_YES);
	r->n = (uint8_t)(r->n - n);
	memmove(r->what, r->what + n, r->n);
}

void reply_say(const struct open *o, bool ok)
{
	uint8_t buf[16];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_simple_build(&w, ok ? SSH_MSG_CHANNEL_SUCCESS : SSH_MSG_CHANNEL_FAILURE,
			      o->peer_channel);
	(void)ssh_brain_send(o->session->awake->brain, buf, ssh_wr_done(&w));
}

int request_say(const struct open *o, struct ssh_str type, bool want_reply, struct ssh_str rest)
{
	const struct ssh_chan_request m = {.recipient_channel = o->peer_channel,
					   .type = type,
					   .want_reply = want_reply,
					   .rest = rest};
	size_t size = 16 + type.len + (size_t)rest.len;
	uint8_t *buf = malloc(size);
	struct ssh_wr w;
	int r;

	if (buf == NULL)
		return -ENOMEM;
	ssh_wr_init(&w, buf, size);
	ssh_chan_request_build(&w, &m);
	r = ssh_brain_send(o->session->awake->brain, buf, ssh_wr_done(&w));
	free(buf);
	return r;
}
