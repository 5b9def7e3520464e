#include "control/hook/answer.h"

#include <errno.h>
#include <string.h>

#include "conf/rule.h"
#include "ssh/brain.h"

#define SOCKET_MAX 107 /* sun_path, without its end */

/* False: it is there and is none. What is not there is left as it is. */
static bool read_bool(const json_t *o, const char *name, bool *ret)
{
	const json_t *v = json_object_get(o, name);

	if (v == NULL)
		return true;
	*ret = json_is_true(v);
	return json_is_boolean(v);
}

static bool read_text(const json_t *o, const char *name, size_t max, const char **ret)
{
	const json_t *v = json_object_get(o, name);

	if (v == NULL)
		return true;
	if (!json_is_string(v) || json_string_length(v) > max)
		return false;
	*ret = json_string_value(v);
	return true;
}

static bool read_number(const json_t *o, const char *name, uint64_t max, bool *ret_there,
			uint64_t *ret)
{
	const json_t *v = json_object_get(o, name);

	*ret_there = v != NULL;
	if (v == NULL)
		return true;
	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    (uint64_t)json_integer_value(v) > max)
		return false;
	*ret = (uint64_t)json_integer_value(v);
	return true;
}

/* ["publickey", "password"] or "publickey,password". */
static bool method_add(const char *name, size_t len, unsigned int *bits)
{
	unsigned int m =
		ssh_auth_method_find((struct ssh_str){(const uint8_t *)name, (uint32_t)len});

	*bits |= m;
	return m != 0;
}

static bool read_methods(const json_t *o, unsigned int *ret)
{
	const json_t *v = json_object_get(o, "methods"), *e;
	size_t i;

	if (v == NULL)
		return true;
	if (json_is_string(v)) {
		const char *p = json_string_value(v);

		for (;;) {
			size_t n = strcspn(p, ",");

			if (!method_add(p, n, ret))
				return false;
			if (p[n] == '\0')
				return true;
			p += n + 1;
		}
	}
	if (!json_is_array(v))
		return false;
	json_array_foreach(v, i, e) if (!json_is_string(e) ||
					!method_add(json_string_value(e), json_string_length(e),
						    ret)) return false;
	return true;
}

/* RFC 4256 section 3.2: a prompt is not empty. */
static bool prompt_add(struct ssh_prompts *to, const char *text, size_t len, bool echo)
{
	_Static_assert(HOOK_PROMPTS_MAX <= SSH_PROMPTS_MAX, "one round takes them");
	if (len == 0 || len > HOOK_REASON_MAX || to->n == HOOK_PROMPTS_MAX)
		return false;
	to->prompt[to->n++] = (struct ssh_prompt){{(const uint8_t *)text, (uint32_t)len}, echo};
	return true;
}

/* Takes this off the end of [p, p + *len). */
static bool ends_with(const char *p, size_t *len, const char *end)
{
	size_t n = strlen(end);

	if (*len < n || memcmp(p + *len - n, end, n) != 0)
		return false;
	*len -= n;
	return true;
}

/* "Code: ,echo=true;PIN: ,echo=false"; a text may have commas, and no ';'. */
static bool read_prompts_line(const char *p, struct ssh_prompts *to)
{
	for (;;) {
		size_t n = strcspn(p, ";"), len = n;
		bool echo = ends_with(p, &len, ",echo=true");

		if (!echo && !ends_with(p, &len, ",echo=false"))
			return false;
		if (!prompt_add(to, p, len, echo))
			return false;
		if (p[n] == '\0')
			return true;
		p += n + 1;
	}
}

/* [{"text": "Code: ", "echo": true}, …], or a line. */
static bool read_prompts(const json_t *o, struct hook_answer *a)
{
	const json_t *v = json_object_get(o, "prompts"), *e;
	size_t i;

	if (v == NULL)
		return true;
	a->asks = true;
	if (json_is_string(v))
		return read_prompts_line(json_string_value(v), &a->prompts);
	if (!json_is_array(v))
		return false;
	json_array_foreach(v, i, e)
	{
		const char *text = "";
		bool echo = false;

		if (!json_is_object(e) || !read_text(e, "text", HOOK_REASON_MAX, &text) ||
		    !read_bool(e, "echo", &echo) ||
		    !prompt_add(&a->prompts, text, strlen(text), echo))
			return false;
	}
	return true;
}

static bool read_asked(const json_t *o, struct hook_answer *a)
{
	const char *name = "", *instruction = "";

	if (!read_prompts(o, a) || !read_text(o, "name", HOOK_REASON_MAX, &name) ||
	    !read_text(o, "instruction", HOOK_BANNER_MAX, &instruction))
		return false;
	a->prompts.name = ssh_str_c(name);
	a->prompts.instruction = ssh_str_c(instruction);
	return true;
}

/* A word of which Match makes no pattern. */
static bool read_role(const json_t *o, struct hook_answer *a)
{
	static const char word[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-";

	if (!read_text(o, "role", CONF_ROLE_MAX, &a->role))
		return false;
	return a->role == NULL || (*a->role != '\0' && a->role[strspn(a->role, word)] == '\0');
}

/* "/path", or {"path": "/path", "passphrase-file": "/path", …} */
static bool read_hostkey(const json_t *e, struct host_file *ret)
{
	if (json_is_string(e) && json_string_length(e) <= HOOK_HOSTKEY_MAX)
		ret->field[HOST_FILE_PATH] = json_string_value(e);
	else if (!json_is_object(e))
		return false;
	for (unsigned int i = 0; json_is_object(e) && i < HOST_FILE_FIELDS; i++)
		if (!read_text(e, host_file_field_name((enum host_file_field)i), HOST_FILE_TEXT_MAX,
			       &ret->field[i]) ||
		    (ret->field[i] != NULL && *ret->field[i] == '\0'))
			return false;
	return ret->field[HOST_FILE_PATH] != NULL && *ret->field[HOST_FILE_PATH] != '\0';
}

/* ["SHA256:…", "/path", …] */
static bool read_hostkeys(const json_t *o, struct hook_answer *a)
{
	const json_t *v = json_object_get(o, "hostkeys"), *e;
	size_t i;

	if (v == NULL)
		return true;
	if (!json_is_array(v) || json_array_size(v) == 0 || json_array_size(v) > HOOK_HOSTKEYS_MAX)
		return false;
	json_array_foreach(v, i, e)
	{
		if (!read_hostkey(e, &a->hostkeys[a->n_hostkeys]))
			return false;
		a->n_hostkeys++;
	}
	return true;
}

/* {"max_channels": 4, …} */
static bool read_limits(const json_t *o, struct hook_answer *a)
{
	const json_t *v = json_object_get(o, "limits");

	if (v == NULL)
		return true;
	if (!json_is_object(v))
		return false;
	for (unsigned int i = 0; i < CONF_BOUND_COUNT; i++) {
		enum conf_bound b = (enum conf_bound)i;
		uint64_t limit;
		bool there;

		if (!read_number(v, conf_bound_name(b), UINT64_MAX, &there, &limit) ||
		    (there && !conf_bound_set(&a->bounds, b, limit)))
			return false;
	}
	return true;
}

static bool read_target(const json_t *o, struct hook_answer *a)
{
	uint64_t port = 0, code = 0;
	bool has_code;

	if (!read_number(o, "port", UINT16_MAX, &a->has_port, &port) ||
	    !read_number(o, "code", UINT32_MAX, &has_code, &code) ||
	    !read_text(o, "host", SSH_HOST_MAX, &a->host) ||
	    !read_text(o, "handler", SOCKET_MAX, &a->handler))
		return false;
	a->port = (uint16_t)port;
	a->code = (uint32_t)code;
	if (a->host != NULL && *a->host == '\0')
		return false;
	return a->handler == NULL || a->handler[0] == '/';
}

static bool read_all(const json_t *o, struct hook_answer *a)
{
	uint64_t v = HOOK_VERSION;
	bool there;

	if (!read_number(o, "v", HOOK_VERSION, &there, &v) || v != HOOK_VERSION)
		return false;
	if (!read_number(o, "id", INT64_MAX, &there, &a->id) || !there)
		return false;
	if (!json_is_boolean(json_object_get(o, "accept")) || !read_bool(o, "accept", &a->accept) ||
	    !read_bool(o, "partial", &a->partial))
		return false;
	return read_text(o, "reason", HOOK_REASON_MAX, &a->reason) &&
	       read_methods(o, &a->methods) &&
	       read_text(o, "banner", HOOK_BANNER_MAX, &a->banner) && read_asked(o, a) &&
	       read_role(o, a) && read_hostkeys(o, a) && read_limits(o, a) && read_target(o, a);
}

int hook_answer_parse(const char *line, size_t len, struct hook_answer *ret)
{
	struct hook_answer a = {.reason = ""};

	_Static_assert(HOOK_BANNER_MAX <= SSH_BANNER_MAX, "a brain takes it");
	if (len > HOOK_LINE_MAX)
		return -EBADMSG;
	/* Two fields of one name would be read as either by somebody. */
	a.root = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(a.root) || !read_all(a.root, &a)) {
		json_decref(a.root);
		return -EBADMSG;
	}
	*ret = a;
	return 0;
}

void hook_answer_free(struct hook_answer *a)
{
	json_decref(a->root);
	*a = (struct hook_answer){.reason = ""};
}
