/*
 * conf/value_share.c - values of UserShare, RoleShare and ChannelShare: whose part of what is not
 * enough for all is how large.
 */
#include <inttypes.h>
#include <string.h>

#include "conf/internal.h"

static bool share_read(const char *text, uint32_t *ret)
{
	uint64_t n;

	if (!digits(&text, CONF_SHARE_MAX, &n) || *text != '\0' || n == 0)
		return false;
	*ret = (uint32_t)n;
	return true;
}

static bool is_none(const char *text)
{
	return strcasecmp(text, "none") == 0;
}

static bool share_bad(struct value *v, const struct kw *kw, const char *text)
{
	return value_bad(v, "%s: share '%.100s' not between 1 and %d", kw->info.name, text,
			 CONF_SHARE_MAX);
}

static void print_share(uint32_t share, FILE *f)
{
	if (share == 0)
		fputs("none", f);
	else
		fprintf(f, "%" PRIu32, share);
}

/* --- N or none ------------------------------------------------------------------------------ */

static bool parse_share_none(struct value *v, const struct kw *kw, void *field)
{
	uint32_t share = 0;

	if (!is_none(v->argv[0]) && !share_read(v->argv[0], &share))
		return share_bad(v, kw, v->argv[0]);
	*(uint32_t *)field = share;
	return true;
}

static void print_share_none(const struct kw *kw, const void *field, FILE *f)
{
	(void)kw;
	print_share(*(const uint32_t *)field, f);
}

const struct value_type type_share_none = {1, 1, false, parse_share_none, print_share_none, NULL};

/* --- NAME N or none ------------------------------------------------------------------------- */

static bool parse_role_share(struct value *v, const struct kw *kw, void *field)
{
	struct conf_role_share r = {.name = v->argv[0]};

	if (v->argc == 1) {
		if (!is_none(v->argv[0]))
			return value_bad(v, "%s: no share", kw->info.name);
		*(struct conf_role_share *)field = (struct conf_role_share){0};
		return true;
	}
	if (!value_name_ok(r.name))
		return value_bad(v, "%s: bad name '%.100s'", kw->info.name, r.name);
	if (!share_read(v->argv[1], &r.share))
		return share_bad(v, kw, v->argv[1]);
	*(struct conf_role_share *)field = r;
	return true;
}

static void print_role_share(const struct kw *kw, const void *field, FILE *f)
{
	const struct conf_role_share *r = field;

	(void)kw;
	if (r->name != NULL) {
		value_print_arg(r->name, f);
		fputc(' ', f);
	}
	print_share(r->share, f);
}

const struct value_type type_role_share = {1, 2, false, parse_role_share, print_role_share, NULL};

/* --- TYPE=N…, none -------------------------------------------------------------------------- */

static bool parse_channel_shares(struct value *v, const struct kw *kw, void *field)
{
	if (v->argc == 1 && is_none(v->argv[0])) {
		*(struct conf_strs *)field = (struct conf_strs){NULL, 0};
		return true;
	}
	for (unsigned int i = 0; i < v->argc; i++) {
		const char *equals = strchr(v->argv[i], '=');
		uint32_t share;

		if (equals == NULL || equals == v->argv[i] ||
		    equals - v->argv[i] >= CHANNEL_TYPE_MAX || !share_read(equals + 1, &share))
			return share_bad(v, kw, v->argv[i]);
	}
	value_strs_borrow(v, field);
	return true;
}

const struct value_type type_channel_shares = {
	1, CONF_ARGS_MAX, false, parse_channel_shares, value_print_words, NULL};

uint8_t conf_channel_share(const struct conf_session *s, const char *type)
{
	const char *text = channel_entry(&s->channel_shares, type);
	uint32_t share;

	return text != NULL && share_read(text, &share) ? (uint8_t)share : 1;
}
