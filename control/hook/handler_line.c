/* control/hook/handler_line.c - see handler_line.h. */
#include "control/hook/handler_line.h"

#include <errno.h>

#include "crypto/base64.h"
#include "ssh/chan.h"
#include "ssh/session_msg.h"

static void read_first(const json_t *o, struct handler_line *l)
{
	bool takes = json_is_true(json_object_get(o, "accept"));

	l->word = takes ? HANDLER_TAKES : HANDLER_DECLINES;
	l->yes = json_is_true(json_object_get(o, "stderr"));
	l->reason = json_string_value(json_object_get(o, "reason"));
}

/* {"request":"x@y","raw":"…","want_reply":true} */
static bool read_request(const json_t *o, struct handler_line *l)
{
	const json_t *type = json_object_get(o, "request"), *raw = json_object_get(o, "raw");
	size_t len = 0;

	l->word = HANDLER_REQUESTS;
	l->want_reply = json_is_true(json_object_get(o, "want_reply"));
	if (!json_is_string(type) || json_string_length(type) == 0 ||
	    json_string_length(type) > SSH_TYPE_MAX || (raw != NULL && !json_is_string(raw)))
		return false;
	if (raw != NULL && base64_decode(json_string_value(raw), json_string_length(raw), l->raw,
					 sizeof(l->raw), &len) < 0)
		return false;
	l->type = ssh_str_c(json_string_value(type));
	l->rest = (struct ssh_str){l->raw, (uint32_t)len};
	return true;
}

/* {"exit":7}, {"signal":"TERM","core":false} */
static bool read_exit(const json_t *o, struct handler_line *l)
{
	const json_t *number = json_object_get(o, "exit");
	const char *signal = json_string_value(json_object_get(o, "signal"));

	l->word = HANDLER_EXITED;
	l->how.core = json_is_true(json_object_get(o, "core"));
	if (json_is_integer(number)) {
		l->how.number = (uint32_t)json_integer_value(number);
		return true;
	}
	l->how.signalled = true;
	l->how.number = signal != NULL ? (uint32_t)ssh_signal_number(ssh_str_c(signal)) : 0;
	return l->how.number != 0;
}

static bool read_later(const json_t *o, struct handler_line *l)
{
	const json_t *reply = json_object_get(o, "reply");

	if (json_is_boolean(reply)) {
		l->word = HANDLER_REPLIES;
		l->yes = json_is_true(reply);
		return true;
	}
	return json_object_get(o, "request") != NULL ? read_request(o, l) : read_exit(o, l);
}

int handler_line_parse(const char *line, size_t len, bool first, struct handler_line *ret)
{
	bool ok;

	*ret = (struct handler_line){0};
	/* Two fields of one name would be read as either by somebody. */
	ret->root = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	ok = json_is_object(ret->root);
	if (ok && first)
		read_first(ret->root, ret);
	else if (ok)
		ok = read_later(ret->root, ret);
	if (!ok)
		handler_line_free(ret);
	return ok ? 0 : -EBADMSG;
}

void handler_line_free(struct handler_line *l)
{
	json_decref(l->root);
	l->root = NULL;
}
