/* control/hook/handler_line.c - see handler_line.h. */
#include "control/hook/handler_line.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/hook/answer.h"
#include "crypto/base64.h"
#include "ssh/chan.h"
#include "ssh/field.h"
#include "ssh/session_msg.h"

/* "eol" is text, "eol_base64" any bytes. */
static bool read_eol(const json_t *o, struct link_chan_cut *ret)
{
	const json_t *text = json_object_get(o, "eol"), *bytes = json_object_get(o, "eol_base64");
	const json_t *is = text != NULL ? text : bytes;
	size_t len = json_string_length(is);

	if (!json_is_string(is) || (text != NULL && bytes != NULL))
		return false;
	if (bytes != NULL && base64_decode(json_string_value(is), json_string_length(is), ret->eol,
					   sizeof(ret->eol), &len) < 0)
		return false;
	if (len > sizeof(ret->eol))
		return false;
	if (text != NULL)
		memcpy(ret->eol, json_string_value(is), len);
	ret->eol_len = (uint8_t)len;
	return true;
}

/* {"record":80}; {"eol":"\n","eol_max":4096}: both or neither, which nothing and 0 are as well. */
static bool read_cut(const json_t *o, struct handler_line *l)
{
	const json_t *record = json_object_get(o, "record"), *max = json_object_get(o, "eol_max");
	const json_t *is = record != NULL ? record : max;
	json_int_t n = json_integer_value(is);

	l->word = HANDLER_CUTS;
	if (!json_is_integer(is) || n < 0 || n > LINK_RECORD_MAX || (record != NULL && max != NULL))
		return false;
	l->cut.max = (uint32_t)n;
	if (record != NULL)
		return json_object_get(o, "eol") == NULL &&
		       json_object_get(o, "eol_base64") == NULL;
	return read_eol(o, &l->cut) && l->cut.eol_len <= l->cut.max &&
	       (l->cut.eol_len > 0) == (l->cut.max > 0);
}

/* "code":3,"reason":"no such room" */
static bool read_refusal(const json_t *o, struct handler_line *l)
{
	const json_t *code = json_object_get(o, "code"), *reason = json_object_get(o, "reason");
	json_int_t n = json_integer_value(code);

	l->word = HANDLER_DECLINES;
	l->code = (uint32_t)n;
	l->reason = json_string_value(reason);
	return (code == NULL || (json_is_integer(code) && n >= 0 && n <= UINT32_MAX)) &&
	       (reason == NULL || json_is_string(reason)) &&
	       json_string_length(reason) <= HOOK_REASON_MAX;
}

static bool read_first(const json_t *o, struct handler_line *l)
{
	static const char *const cuts[] = {"record", "eol", "eol_base64", "eol_max"};
	bool cut = false, ok = true;

	if (!json_is_true(json_object_get(o, "accept")))
		return read_refusal(o, l);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
		cut |= json_object_get(o, cuts[i]) != NULL;
	if (cut)
		ok = read_cut(o, l);
	l->word = HANDLER_TAKES;
	l->framed = cut || json_is_true(json_object_get(o, "framed"));
	l->yes = json_is_true(json_object_get(o, "stderr"));
	l->resumes = json_is_true(json_object_get(o, "resume"));
	return ok;
}

/* One of "fields", as ssh/field.h has it: its letter, and its value, which may be a number or a
 * boolean of JSON's. */
static bool field_put(struct ssh_wr *w, const json_t *letter, const json_t *value)
{
	char number[24];
	const char *text = json_string_value(value);

	if (json_is_integer(value)) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(value));
		text = number;
	} else if (json_is_boolean(value)) {
		text = json_is_true(value) ? "true" : "false";
	}
	return text != NULL && json_is_string(letter) &&
	       ssh_field_put(w, json_string_value(letter), text) == 0;
}

/* ["s","text","i",7] */
static bool read_fields(const json_t *list, struct handler_line *l)
{
	struct ssh_wr w;
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n % 2 != 0)
		return false;
	ssh_wr_init(&w, l->raw, sizeof(l->raw));
	for (size_t i = 0; i < n; i += 2)
		if (!field_put(&w, json_array_get(list, i), json_array_get(list, i + 1)))
			return false;
	l->rest = (struct ssh_str){l->raw, (uint32_t)ssh_wr_done(&w)};
	return true;
}

/* What is particular to a message: "raw", in base64, or "fields", or nothing. */
static bool read_rest(const json_t *o, struct handler_line *l)
{
	const json_t *raw = json_object_get(o, "raw"), *fields = json_object_get(o, "fields");
	size_t len = 0;

	if (fields != NULL)
		return raw == NULL && read_fields(fields, l);
	if (raw != NULL &&
	    (!json_is_string(raw) || base64_decode(json_string_value(raw), json_string_length(raw),
						   l->raw, sizeof(l->raw), &len) < 0))
		return false;
	l->rest = (struct ssh_str){l->raw, (uint32_t)len};
	return true;
}

static bool read_type(const json_t *type, struct handler_line *l)
{
	if (!json_is_string(type) || json_string_length(type) == 0 ||
	    json_string_length(type) > SSH_TYPE_MAX)
		return false;
	l->type = ssh_str_c(json_string_value(type));
	return true;
}

/* {"request":"x@y","raw":"…","want_reply":true} */
static bool read_request(const json_t *o, struct handler_line *l)
{
	l->word = HANDLER_REQUESTS;
	l->want_reply = json_is_true(json_object_get(o, "want_reply"));
	return read_type(json_object_get(o, "request"), l) && read_rest(o, l);
}

/* "id":3, or nothing */
static bool read_id(const json_t *o, struct handler_line *l)
{
	const json_t *id = json_object_get(o, "id");

	l->id = (uint64_t)json_integer_value(id);
	return id == NULL || (json_is_integer(id) && json_integer_value(id) >= 0);
}

/* {"packet":98,"id":3,"fields":["i",0,"s","x@y","f",false]} */
static bool read_packet(const json_t *o, struct handler_line *l)
{
	json_int_t number = json_integer_value(json_object_get(o, "packet"));

	l->word = HANDLER_SENDS;
	if (number < SSH_MSG_GLOBAL_REQUEST || number > UINT8_MAX)
		return false;
	l->number = (uint8_t)number;
	return read_id(o, l) && read_rest(o, l);
}

/* {"open":"session","id":3} */
static bool read_open(const json_t *o, struct handler_line *l)
{
	l->word = HANDLER_OPENS;
	return read_id(o, l) && read_type(json_object_get(o, "open"), l) && read_rest(o, l);
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

/* {"reply":true} */
static bool read_reply(const json_t *o, struct handler_line *l)
{
	const json_t *reply = json_object_get(o, "reply");

	l->word = HANDLER_REPLIES;
	l->yes = json_is_true(reply);
	return json_is_boolean(reply);
}

static bool read_close(const json_t *o, struct handler_line *l)
{
	l->word = HANDLER_CLOSES;
	return json_is_true(json_object_get(o, "close"));
}

/* By the field that says what it is, the first that is there. */
static bool read_later(const json_t *o, struct handler_line *l)
{
	static const struct {
		const char *field;
		bool (*read)(const json_t *o, struct handler_line *l);
	} said[] = {{"reply", read_reply}, {"request", read_request}, {"packet", read_packet},
		    {"open", read_open},   {"close", read_close},     {"record", read_cut},
		    {"eol_max", read_cut}, {"exit", read_exit},       {"signal", read_exit}};

	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		if (json_object_get(o, said[i].field) != NULL)
			return said[i].read(o, l);
	return false;
}

int handler_line_parse(const char *line, size_t len, bool first, struct handler_line *ret)
{
	bool ok;

	*ret = (struct handler_line){0};
	/* Two fields of one name would be read as either by somebody. */
	ret->root = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	ok = json_is_object(ret->root);
	if (ok)
		ok = first ? read_first(ret->root, ret) : read_later(ret->root, ret);
	if (!ok)
		handler_line_free(ret);
	return ok ? 0 : -EBADMSG;
}

void handler_line_free(struct handler_line *l)
{
	json_decref(l->root);
	l->root = NULL;
}
