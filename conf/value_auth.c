/*
 * conf/value_auth.c - values of keywords about authentication.
 */
#include <ctype.h>
#include <string.h>

#include "conf/internal.h"

static bool alone(const struct value *v, const char *word)
{
	return v->argc == 1 && strcasecmp(v->argv[0], word) == 0;
}

static void print_args(const struct conf_strs *s, const char *empty, FILE *f)
{
	if (s->n == 0)
		fputs(empty, f);
	for (size_t i = 0; i < s->n; i++) {
		if (i > 0)
			fputc(' ', f);
		value_print_arg(s->v[i], f);
	}
}

/* --- texts that a user is shown ------------------------------------------------------- */

/* Control characters would reach a stranger's terminal; bytes above ASCII are UTF-8's. */
static bool showable(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static bool parse_text(struct value *v, const struct kw *kw, void *field)
{
	if (!showable(v->argv[0]))
		return value_bad(v, "%s: control characters", kw->info.name);
	*(const char **)field = v->argv[0];
	return true;
}

static void print_text(const struct kw *kw, const void *field, FILE *f)
{
	(void)kw;
	value_print_arg(*(const char *const *)field, f);
}

static bool text_absent(const void *field)
{
	return *(const char *const *)field == NULL;
}

const struct value_type type_text = {1, 1, false, parse_text, print_text, text_absent};

/* --- KbdInteractivePrompt: pairs "text" echo|noecho ------------------------------------ */

static bool parse_prompt(struct value *v, const struct kw *kw, void *field)
{
	if (!showable(v->argv[0]))
		return value_bad(v, "%s: control characters", kw->info.name);
	if (strcmp(v->argv[1], "echo") != 0 && strcmp(v->argv[1], "noecho") != 0)
		return value_bad(v, "unsupported option \"%.100s\" for %s", v->argv[1],
				 kw->info.name);
	value_strs_borrow(v, field);
	return true;
}

static void print_prompts(const struct kw *kw, const void *field, FILE *f)
{
	const struct conf_strs *s = field;

	for (size_t i = 0; i + 1 < s->n; i += 2) {
		if (i > 0) {
			fputc('\n', f);
			for (const char *p = kw->info.name; *p != '\0'; p++)
				fputc(*p | 0x20, f);
			fputc(' ', f);
		}
		value_print_arg(s->v[i], f);
		fprintf(f, " %s", s->v[i + 1]);
	}
}

const struct value_type type_prompts = {
	2, 2, false, parse_prompt, print_prompts, value_strs_absent};

/* --- AuthenticationMethods: METHOD[:DEVICE][,…] … | any --------------------------------- */

static const char *const chain_methods[] = {
	"publickey",    "password", "keyboard-interactive", "hostbased", "gssapi-with-mic",
	"gssapi-keyex", "none",
};

static const char *const kbdint_devices[] = {"password", "totp", "pam"};

static bool among(const char *const *list, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(list[i]) == len && memcmp(list[i], name, len) == 0)
			return true;
	return false;
}

#define AMONG(list, name, len) among(list, sizeof(list) / sizeof(list[0]), name, len)

/* One link of a chain. */
static bool link_ok(const char *link, size_t len)
{
	const char *colon = memchr(link, ':', len);
	size_t n = colon != NULL ? (size_t)(colon - link) : len;

	if (!AMONG(chain_methods, link, n))
		return false;
	if (colon == NULL)
		return true;
	/* Devices are keyboard-interactive's alone. */
	return AMONG(kbdint_devices, colon + 1, len - n - 1) && n == strlen("keyboard-interactive");
}

static bool chain_ok(const char *chain)
{
	unsigned int links = 0;

	for (;; chain++) {
		size_t n = strcspn(chain, ",");

		if (!link_ok(chain, n) || ++links > CONF_CHAIN_MAX)
			return false;
		chain += n;
		if (*chain == '\0')
			return true;
	}
}

static bool parse_chains(struct value *v, const struct kw *kw, void *field)
{
	if (alone(v, "any")) {
		*(struct conf_strs *)field = (struct conf_strs){NULL, 0};
		return true;
	}
	if (v->argc > CONF_CHAINS_MAX)
		return value_bad(v, "%s: more than %d lists", kw->info.name, CONF_CHAINS_MAX);
	for (unsigned int i = 0; i < v->argc; i++) {
		if (strcasecmp(v->argv[i], "any") == 0)
			return value_bad(v, "\"any\" must appear alone in %s", kw->info.name);
		if (!chain_ok(v->argv[i]))
			return value_bad(v, "invalid %s \"%.100s\"", kw->info.name, v->argv[i]);
	}
	value_strs_borrow(v, field);
	return true;
}

static void print_chains(const struct kw *kw, const void *field, FILE *f)
{
	(void)kw;
	print_args(field, "any", f);
}

const struct value_type type_chains = {1, CONF_ARGS_MAX, false, parse_chains, print_chains, NULL};

/* --- AllowGroups, DenyGroups --------------------------------------------------------------- */

static bool parse_groups(struct value *v, const struct kw *kw, void *field)
{
	for (unsigned int i = 0; i < v->argc; i++) {
		if (*v->argv[i] == '\0')
			return value_bad(v, "invalid %s pattern: \"\"", kw->info.name);
	}
	value_strs_borrow(v, field);
	return true;
}

const struct value_type type_groups = {
	1, CONF_ARGS_MAX, false, parse_groups, value_print_lines, value_strs_absent};

/* --- VersionPattern ----------------------------------------------------------------------------
 */

static bool parse_globs(struct value *v, const struct kw *kw, void *field)
{
	const char *p = v->argv[0];

	do {
		size_t n = strcspn(p, ",");

		if (n == 0)
			return value_bad(v, "%s: an empty pattern", kw->info.name);
		p += n;
	} while (*p++ == ',');
	*(const char **)field = v->argv[0];
	return true;
}

const struct value_type type_globs = {1, 1, false, parse_globs, print_text, NULL};

/* --- AuthorizedKeysCommand: PROGRAM ARGUMENT… | none ------------------------------------------ */

/* Every token is one of these; a percent sign is two. */
static bool command_tokens_ok(const char *text, const char *tokens)
{
	for (const char *p = text; (p = strchr(p, '%')) != NULL; p += 2)
		if (p[1] == '\0' || strchr(tokens, p[1]) == NULL)
			return false;
	return true;
}

static bool parse_program(struct value *v, const struct kw *kw, void *field, const char *tokens)
{
	if (alone(v, "none")) {
		*(struct conf_strs *)field = (struct conf_strs){NULL, 0};
		return true;
	}
	if (v->argv[0][0] != '/' || strchr(v->argv[0], '%') != NULL)
		return value_bad(v, "%s must be an absolute path", kw->info.name);
	for (unsigned int i = 1; i < v->argc; i++)
		if (!command_tokens_ok(v->argv[i], tokens))
			return value_bad(v, "%s: unknown token in '%.100s'", kw->info.name,
					 v->argv[i]);
	value_strs_borrow(v, field);
	return true;
}

static bool parse_command(struct value *v, const struct kw *kw, void *field)
{
	return parse_program(v, kw, field, "%CDfhktUu");
}

/* Of a certificate there is more to say: its authority, its number, its name. */
static bool parse_cert_command(struct value *v, const struct kw *kw, void *field)
{
	return parse_program(v, kw, field, "%CDFfhiKksTtUu");
}

static void print_command(const struct kw *kw, const void *field, FILE *f)
{
	(void)kw;
	print_args(field, "none", f);
}

const struct value_type type_command = {1, 60, false, parse_command, print_command, NULL};
const struct value_type type_cert_command = {1, 60, false, parse_cert_command, print_command, NULL};

/* --- PAMServiceName: a file's name --------------------------------------------------------------
 */

static bool parse_file_name(struct value *v, const struct kw *kw, void *field)
{
	if (!value_name_ok(v->argv[0]))
		return value_bad(v, "%s: bad name '%.100s'", kw->info.name, v->argv[0]);
	*(const char **)field = v->argv[0];
	return true;
}

const struct value_type type_file_name = {1, 1, false, parse_file_name, print_text, NULL};
