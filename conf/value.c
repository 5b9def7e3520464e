/*
 * How arguments become fields, and fields arguments again: what is printed reads as the same.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "conf/internal.h"
#include "conf/match.h"

#define IDENT_MAX      253 /* RFC 4253 section 4.2: 255 with CR LF */
#define LCORE_MAX      1023
#define QUANTUM_MS_MAX 1000

bool value_bad(struct value *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->why, sizeof(v->why), fmt, ap);
	va_end(ap);
	return false;
}

void value_print_arg(const char *arg, FILE *f)
{
	/* A leading '=' or '#' would be read as something else. */
	if (*arg != '\0' && *arg != '=' && *arg != '#' && strpbrk(arg, " \t\"'\\") == NULL) {
		fputs(arg, f);
		return;
	}
	fputc('"', f);
	for (; *arg != '\0'; arg++) {
		if (*arg == '"' || *arg == '\\')
			fputc('\\', f);
		fputc(*arg, f);
	}
	fputc('"', f);
}

/* --- names ---------------------------------------------------------------------------- */

bool value_name_ok(const char *name)
{
	size_t n =
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return n > 0 && n <= CONF_NAME_MAX && name[n] == '\0';
}

static bool parse_name(struct value *v, const struct kw *kw, void *field)
{
	if (!value_name_ok(v->argv[0]))
		return value_bad(v, "%s: bad name '%.100s'", kw->info.name, v->argv[0]);
	*(const char **)field = v->argv[0];
	return true;
}

static void print_string(const struct kw *kw, const void *field, FILE *f)
{
	(void)kw;
	value_print_arg(*(const char *const *)field, f);
}

const struct value_type type_name = {1, 1, false, parse_name, print_string, NULL};

/* --- choices ---------------------------------------------------------------------------- */

static bool choice_find(const struct choice *c, const char *name, int *ret)
{
	for (; c->name != NULL; c++) {
		if (strcasecmp(c->name, name) == 0) {
			*ret = c->value;
			return true;
		}
	}
	return false;
}

static bool parse_choice(struct value *v, const struct kw *kw, void *field)
{
	int n;

	if (!choice_find(kw->choices, v->argv[0], &n))
		return value_bad(v, "unsupported option \"%.100s\" for %s", v->argv[0],
				 kw->info.name);
	/* Every enumeration of conf.h is an int to the compiler: asserted below. */
	*(int *)field = n;
	return true;
}

_Static_assert(sizeof(enum conf_log_level) == sizeof(int), "choices are stored as int");

static void print_choice(const struct kw *kw, const void *field, FILE *f)
{
	const struct choice *c = kw->choices;

	while (c->name != NULL && c->value != *(const int *)field)
		c++;
	fputs(c->name, f);
}

const struct value_type type_choice = {1, 1, false, parse_choice, print_choice, NULL};

static const struct choice yesno[] = {{"yes", true}, {"no", false}, {NULL, 0}};

static bool parse_yesno(struct value *v, const struct kw *kw, void *field)
{
	int n;

	if (!choice_find(yesno, v->argv[0], &n))
		return value_bad(v, "unsupported option \"%.100s\" for %s", v->argv[0],
				 kw->info.name);
	*(bool *)field = n != 0;
	return true;
}

static void print_yesno(const struct kw *kw, const void *field, FILE *f)
{
	(void)kw;
	fputs(*(const bool *)field ? "yes" : "no", f);
}

const struct value_type type_yesno = {1, 1, false, parse_yesno, print_yesno, NULL};

/* --- numbers ----------------------------------------------------------------------------- */

bool digits(const char **text, uint64_t max, uint64_t *ret)
{
	const char *p = *text;
	uint64_t n = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t d = (uint64_t)(*p - '0');

		if (n > (max - d) / 10)
			return false;
		n = n * 10 + d;
	}
	*text = p;
	*ret = n;
	return true;
}

static bool in_range(struct value *v, const struct kw *kw, uint64_t n)
{
	if (n < kw->min)
		return value_bad(v, "%s: integer value too small", kw->info.name);
	if (n > kw->max)
		return value_bad(v, "%s: integer value too large", kw->info.name);
	return true;
}

static bool parse_uint(struct value *v, const struct kw *kw, void *field)
{
	const char *p = v->argv[0];
	uint64_t n;

	if (!digits(&p, UINT64_MAX / 2, &n) || *p != '\0')
		return value_bad(v, "%s: integer value invalid", kw->info.name);
	if (!in_range(v, kw, n))
		return false;
	*(uint32_t *)field = (uint32_t)n;
	return true;
}

static void print_uint(const struct kw *kw, const void *field, FILE *f)
{
	(void)kw;
	fprintf(f, "%" PRIu32, *(const uint32_t *)field);
}

const struct value_type type_uint = {1, 1, false, parse_uint, print_uint, NULL};

/* A umask(2), as it is written: 0177. */
static bool parse_octal(struct value *v, const struct kw *kw, void *field)
{
	char *end;
	unsigned long n = strtoul(v->argv[0], &end, 8);

	if (v->argv[0][0] < '0' || v->argv[0][0] > '7' || *end != '\0' || n > 0777)
		return value_bad(v, "Invalid %s.", kw->info.name);
	*(uint32_t *)field = (uint32_t)n;
	return true;
}

static void print_octal(const struct kw *kw, const void *field, FILE *f)
{
	(void)kw;
	fprintf(f, "0%" PRIo32, *(const uint32_t *)field);
}

const struct value_type type_octal = {1, 1, false, parse_octal, print_octal, NULL};

/* --- times: seconds, or numbers with a unit, one behind the other --------------------------- */

static bool time_unit(const char **text, uint64_t *ret_ms)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = {
		{"ms", 1},
		{"s", 1000},
		{"m", 60 * 1000},
		{"h", 3600 * 1000},
		{"d", 24 * 3600 * 1000},
		{"w", 7 * 24 * 3600 * 1000},
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t n = strlen(units[i].name);

		if (strncasecmp(*text, units[i].name, n) == 0) {
			*text += n;
			*ret_ms = units[i].ms;
			return true;
		}
	}
	*ret_ms = 1000;
	return **text == '\0';
}

/* Milliseconds; CONF_TIME_NONE is not among them. */
bool time_read(const char *text, uint32_t *ret)
{
	uint64_t sum = 0;

	do {
		uint64_t n, ms;

		if (!digits(&text, UINT32_MAX, &n) || !time_unit(&text, &ms))
			return false;
		sum += n * ms; /* 2^32 times 2^30 */
		if (sum >= CONF_TIME_NONE)
			return false;
	} while (*text != '\0');
	*ret = (uint32_t)sum;
	return true;
}

static bool parse_time(struct value *v, const struct kw *kw, void *field)
{
	uint32_t ms;

	if (!time_read(v->argv[0], &ms))
		return value_bad(v, "%s: invalid time value '%.100s'", kw->info.name, v->argv[0]);
	if (ms < kw->min)
		return value_bad(v, "%s: time value too small", kw->info.name);
	*(uint32_t *)field = ms;
	return true;
}

static bool parse_time_none(struct value *v, const struct kw *kw, void *field)
{
	if (strcasecmp(v->argv[0], "none") != 0)
		return parse_time(v, kw, field);
	*(uint32_t *)field = CONF_TIME_NONE;
	return true;
}

void time_print(uint32_t ms, FILE *f)
{
	if (ms == CONF_TIME_NONE)
		fputs("none", f);
	else if (ms % 1000 == 0)
		fprintf(f, "%" PRIu32, ms / 1000);
	else
		fprintf(f, "%" PRIu32 "ms", ms);
}

static void print_time(const struct kw *kw, const void *field, FILE *f)
{
	(void)kw;
	time_print(*(const uint32_t *)field, f);
}

const struct value_type type_time = {1, 1, false, parse_time, print_time, NULL};
const struct value_type type_time_none = {1, 1, false, parse_time_none, print_time, NULL};

/* --- sizes: bytes, or with K, M, G ------------------------------------------------------------ */

#define SIZE_VALUE_MAX (UINT64_C(1) << 62) /* what is written out is read again */

bool size_read(const char *text, uint64_t *ret)
{
	static const char units[] = "kmg";
	uint64_t n;
	unsigned int shift = 0;

	if (!digits(&text, SIZE_VALUE_MAX, &n))
		return false;
	for (unsigned int i = 0; i < sizeof(units) - 1; i++) {
		if ((*text | 0x20) == units[i]) {
			shift = 10 * (i + 1);
			text++;
			break;
		}
	}
	if (n > SIZE_VALUE_MAX >> shift)
		return false;
	*ret = n << shift;
	return *text == '\0';
}

static bool size_in_range(struct value *v, const struct kw *kw, uint64_t *ret)
{
	if (!size_read(v->argv[0], ret))
		return value_bad(v, "%s: invalid size '%.100s'", kw->info.name, v->argv[0]);
	if (*ret < kw->min)
		return value_bad(v, "%s: size too small, at least %" PRIu64, kw->info.name,
				 kw->min);
	if (*ret > kw->max)
		return value_bad(v, "%s: size too large, at most %" PRIu64, kw->info.name, kw->max);
	return true;
}

static bool parse_size(struct value *v, const struct kw *kw, void *field)
{
	uint64_t n;

	if (!size_in_range(v, kw, &n))
		return false;
	*(uint32_t *)field = (uint32_t)n;
	return true;
}

const struct value_type type_size = {1, 1, false, parse_size, print_uint, NULL};

/* --- a size, or a word for 0 ------------------------------------------------------------------ */

static bool size_or(struct value *v, const struct kw *kw, const char *word, void *field)
{
	uint64_t n = 0;

	if (strcasecmp(v->argv[0], word) != 0 && !size_in_range(v, kw, &n))
		return false;
	*(uint64_t *)field = n;
	return true;
}

static void print_size_or(const void *field, const char *word, FILE *f)
{
	uint64_t n = *(const uint64_t *)field;

	if (n == 0)
		fputs(word, f);
	else
		fprintf(f, "%" PRIu64, n);
}

static bool parse_size_auto(struct value *v, const struct kw *kw, void *field)
{
	return size_or(v, kw, "auto", field);
}

static void print_size_auto(const struct kw *kw, const void *field, FILE *f)
{
	(void)kw;
	print_size_or(field, "auto", f);
}

const struct value_type type_size_auto = {1, 1, false, parse_size_auto, print_size_auto, NULL};

static bool parse_size_none(struct value *v, const struct kw *kw, void *field)
{
	return size_or(v, kw, "none", field);
}

static void print_size_none(const struct kw *kw, const void *field, FILE *f)
{
	(void)kw;
	print_size_or(field, "none", f);
}

const struct value_type type_size_none = {1, 1, false, parse_size_none, print_size_none, NULL};

/* "5m" is a size; a time says so with a unit that is none of sizes. */
static bool parse_quantum(struct value *v, const struct kw *kw, void *field)
{
	struct conf_quantum q = {0};
	uint64_t bytes;

	if (size_read(v->argv[0], &bytes)) {
		if (bytes != 0 && !size_in_range(v, kw, &bytes))
			return false;
		q.bytes = (uint32_t)bytes;
	} else if (!time_read(v->argv[0], &q.ms)) {
		return value_bad(v, "%s: neither size nor time '%.100s'", kw->info.name,
				 v->argv[0]);
	} else if (q.ms == 0 || q.ms > QUANTUM_MS_MAX) {
		return value_bad(v, "%s: time not between 1ms and 1s", kw->info.name);
	}
	*(struct conf_quantum *)field = q;
	return true;
}

static void print_quantum(const struct kw *kw, const void *field, FILE *f)
{
	const struct conf_quantum *q = field;

	(void)kw;
	if (q->ms != 0)
		fprintf(f, "%" PRIu32 "ms", q->ms);
	else
		fprintf(f, "%" PRIu32, q->bytes);
}

const struct value_type type_quantum = {1, 1, false, parse_quantum, print_quantum, NULL};

static bool parse_memory(struct value *v, const struct kw *kw, void *field)
{
	uint64_t n;

	if (!size_in_range(v, kw, &n))
		return false;
	if (n % (1024 * 1024) != 0)
		return value_bad(v, "%s: not a multiple of 1M", kw->info.name);
	*(uint32_t *)field = (uint32_t)(n >> 20);
	return true;
}

static void print_memory(const struct kw *kw, const void *field, FILE *f)
{
	print_uint(kw, field, f);
	fputc('M', f);
}

const struct value_type type_memory = {1, 1, false, parse_memory, print_memory, NULL};

/* Two fields at once: the size, and whether it was left to us. */
struct window {
	uint32_t size;
	bool is_auto;
};
_Static_assert(offsetof(struct conf_session, channel_window_auto) ==
		       offsetof(struct conf_session, channel_window) +
			       offsetof(struct window, is_auto),
	       "channel_window and channel_window_auto are neighbours");

static bool parse_window(struct value *v, const struct kw *kw, void *field)
{
	bool is_auto = strcasecmp(v->argv[0], "auto") == 0;
	uint64_t n = CONF_WINDOW_AUTO;

	if (!is_auto && !size_in_range(v, kw, &n))
		return false;
	((struct window *)field)->size = (uint32_t)n;
	((struct window *)field)->is_auto = is_auto;
	return true;
}

static void print_window(const struct kw *kw, const void *field, FILE *f)
{
	if (((const struct window *)field)->is_auto)
		fputs("auto", f);
	else
		print_uint(kw, field, f);
}

const struct value_type type_window = {1, 1, false, parse_window, print_window, NULL};

/* --- lcores
 * ---------------------------------------------------------------------------------------- */

static bool lcores_add(struct conf_lcores *l, uint64_t id)
{
	for (uint16_t i = 0; i < l->n; i++)
		if (l->id[i] == id)
			return false;
	l->id[l->n++] = (uint16_t)id;
	return true;
}

/* N, N-M, with commas. */
static bool parse_lcores(struct value *v, const struct kw *kw, void *field)
{
	struct conf_lcores l = {0};
	const char *p = v->argv[0];
	uint64_t from, to;

	do {
		p += l.n > 0; /* the comma */
		if (!digits(&p, LCORE_MAX, &from))
			return value_bad(v, "%s: bad list '%.100s'", kw->info.name, v->argv[0]);
		to = from;
		if (*p == '-') {
			p++;
			if (!digits(&p, LCORE_MAX, &to) || to < from)
				return value_bad(v, "%s: bad list '%.100s'", kw->info.name,
						 v->argv[0]);
		}
		for (; from <= to; from++) {
			if (l.n == CONF_LCORES_MAX)
				return value_bad(v, "%s: more than %d", kw->info.name,
						 CONF_LCORES_MAX);
			if (!lcores_add(&l, from))
				return value_bad(v, "%s: %" PRIu64 " is named twice", kw->info.name,
						 from);
		}
	} while (*p == ',');
	if (*p != '\0')
		return value_bad(v, "%s: bad list '%.100s'", kw->info.name, v->argv[0]);
	*(struct conf_lcores *)field = l;
	return true;
}

static void print_lcores(const struct kw *kw, const void *field, FILE *f)
{
	const struct conf_lcores *l = field;

	(void)kw;
	for (uint16_t i = 0; i < l->n; i++)
		fprintf(f, "%s%u", i > 0 ? "," : "", l->id[i]);
}

const struct value_type type_lcores = {1, 1, false, parse_lcores, print_lcores, NULL};

/* --- paths
 * ------------------------------------------------------------------------------------------- */

static bool is_none(const struct value *v)
{
	return v->argc == 1 && strcasecmp(v->argv[0], "none") == 0;
}

static bool parse_path(struct value *v, const struct kw *kw, void *field)
{
	(void)kw;
	*(const char **)field = is_none(v) ? NULL : v->argv[0];
	return true;
}

static void print_path(const struct kw *kw, const void *field, FILE *f)
{
	if (*(const char *const *)field == NULL)
		fputs("none", f);
	else
		print_string(kw, field, f);
}

const struct value_type type_path = {1, 1, false, parse_path, print_path, NULL};

void value_strs_borrow(const struct value *v, void *field)
{
	*(struct conf_strs *)field = (struct conf_strs){v->argv, v->argc};
}

static bool parse_strs(struct value *v, const struct kw *kw, void *field)
{
	(void)kw;
	value_strs_borrow(v, field);
	return true;
}

void value_print_lines(const struct kw *kw, const void *field, FILE *f)
{
	const struct conf_strs *s = field;

	for (size_t i = 0; i < s->n; i++) {
		if (i > 0) {
			fputc('\n', f);
			for (const char *p = kw->info.name; *p != '\0'; p++)
				fputc(*p | 0x20, f);
			fputc(' ', f);
		}
		value_print_arg(s->v[i], f);
	}
}

bool value_strs_absent(const void *field)
{
	return ((const struct conf_strs *)field)->n == 0;
}

const struct value_type type_paths = {
	1, 1, false, parse_strs, value_print_lines, value_strs_absent};

/* With full paths: what is below them is told by how it begins. */
static bool parse_folders(struct value *v, const struct kw *kw, void *field)
{
	if (v->argv[0][0] != '/')
		return value_bad(v, "%s: '%.100s' is no full path", kw->info.name, v->argv[0]);
	value_strs_borrow(v, field);
	return true;
}

const struct value_type type_folders = {
	1, 1, false, parse_folders, value_print_lines, value_strs_absent};

/* Are all tokens of the template known? */
static bool tokens_ok(const char *template)
{
	for (const char *p = template; (p = strchr(p, '%')) != NULL; p += 2) {
		if (p[1] != 'u' && p[1] != 'h' && p[1] != '%')
			return false;
	}
	return true;
}

static bool parse_key_files(struct value *v, const struct kw *kw, void *field)
{
	if (is_none(v)) {
		*(struct conf_strs *)field = (struct conf_strs){NULL, 0};
		return true;
	}
	for (unsigned int i = 0; i < v->argc; i++) {
		if (strcasecmp(v->argv[i], "none") == 0)
			return value_bad(v, "%s: 'none' must appear alone", kw->info.name);
		if (!tokens_ok(v->argv[i]))
			return value_bad(v, "%s: unknown token in '%.100s'", kw->info.name,
					 v->argv[i]);
	}
	value_strs_borrow(v, field);
	return true;
}

void value_print_words(const struct kw *kw, const void *field, FILE *f)
{
	const struct conf_strs *s = field;

	(void)kw;
	if (s->n == 0)
		fputs("none", f);
	for (size_t i = 0; i < s->n; i++) {
		if (i > 0)
			fputc(' ', f);
		value_print_arg(s->v[i], f);
	}
}

const struct value_type type_key_files = {
	1, CONF_ARGS_MAX, false, parse_key_files, value_print_words, NULL};

/* --- who we say we are
 * --------------------------------------------------------------------------------- */

static bool printable(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text < ' ' || *text > '~')
			return false;
	}
	return true;
}

static bool parse_version(struct value *v, const struct kw *kw, void *field)
{
	static const char start[] = "SSH-2.0-";
	const char *text = v->argv[0];

	if (strncmp(text, start, sizeof(start) - 1) != 0 || strlen(text) > IDENT_MAX ||
	    !printable(text) || text[sizeof(start) - 1] == '\0' || text[sizeof(start) - 1] == ' ')
		return value_bad(v, "%s: not \"SSH-2.0-…\" of at most %d printable characters",
				 kw->info.name, IDENT_MAX);
	*(const char **)field = text;
	return true;
}

const struct value_type type_version = {1, 1, false, parse_version, print_string, NULL};

static bool parse_addendum(struct value *v, const struct kw *kw, void *field)
{
	const char *text = is_none(v) ? "" : v->argv[0];

	if (strlen(text) > IDENT_MAX || !printable(text))
		return value_bad(v, "Invalid %s", kw->info.name);
	*(const char **)field = text;
	return true;
}

static void print_addendum(const struct kw *kw, const void *field, FILE *f)
{
	const char *text = *(const char *const *)field;

	(void)kw;
	fputs(*text == '\0' ? "none" : text, f);
}

const struct value_type type_addendum = {1, 1, true, parse_addendum, print_addendum, NULL};

/* --- algorithms
 * ------------------------------------------------------------------------------------------ */

static bool string_absent(const void *field)
{
	return *(const char *const *)field == NULL;
}

const struct value_type type_algs = {1, 1, false, value_parse_algs, print_string, string_absent};
const struct value_type type_user_algs = {
	1, 1, false, value_parse_user_algs, print_string, string_absent};

/* --- MaxStartups: begin:rate:full, or one number
 * ------------------------------------------------------------ */

struct startups {
	uint32_t begin, rate, full;
};
_Static_assert(offsetof(struct conf_global, startups_full) ==
		       offsetof(struct conf_global, startups_begin) +
			       offsetof(struct startups, full),
	       "the three of MaxStartups are neighbours");

static bool parse_startups(struct value *v, const struct kw *kw, void *field)
{
	const char *p = v->argv[0];
	struct startups *s = field;
	uint64_t n[3];
	unsigned int i = 0;

	while (digits(&p, INT32_MAX, &n[i]) && ++i < 3 && *p == ':')
		p++;
	if (i == 1) {
		n[1] = 100;
		n[2] = n[0];
	} else if (i != 3) {
		return value_bad(v, "Illegal %s spec.", kw->info.name);
	}
	if (*p != '\0' || n[0] == 0 || n[0] > n[2] || n[1] == 0 || n[1] > 100)
		return value_bad(v, "Illegal %s spec.", kw->info.name);
	s->begin = (uint32_t)n[0];
	s->rate = (uint32_t)n[1];
	s->full = (uint32_t)n[2];
	return true;
}

static void print_startups(const struct kw *kw, const void *field, FILE *f)
{
	const struct startups *s = field;

	(void)kw;
	fprintf(f, "%" PRIu32 ":%" PRIu32 ":%" PRIu32, s->begin, s->rate, s->full);
}

const struct value_type type_startups = {1, 1, false, parse_startups, print_startups, NULL};

/* --- DHGroupExchangeBits: min:preferred:max */

#define GEX_BITS_MIN 1024
#define GEX_BITS_MAX 8192

struct gex_bits {
	uint32_t min, n, max;
};
_Static_assert(offsetof(struct conf_global, gex_max) ==
		       offsetof(struct conf_global, gex_min) + offsetof(struct gex_bits, max),
	       "the three of DHGroupExchangeBits are neighbours");

static bool parse_gex_bits(struct value *v, const struct kw *kw, void *field)
{
	const char *p = v->argv[0];
	struct gex_bits *b = field;
	uint64_t n[3] = {0};
	unsigned int i = 0;

	while (digits(&p, GEX_BITS_MAX, &n[i]) && ++i < 3 && *p == ':')
		p++;
	if (i != 3 || *p != '\0' || n[0] < GEX_BITS_MIN || n[1] < n[0] || n[2] < n[1])
		return value_bad(v, "%s is MIN:PREFERRED:MAX, from %d to %d.", kw->info.name,
				 GEX_BITS_MIN, GEX_BITS_MAX);
	*b = (struct gex_bits){(uint32_t)n[0], (uint32_t)n[1], (uint32_t)n[2]};
	return true;
}

static void print_gex_bits(const struct kw *kw, const void *field, FILE *f)
{
	const struct gex_bits *b = field;

	(void)kw;
	fprintf(f, "%" PRIu32 ":%" PRIu32 ":%" PRIu32, b->min, b->n, b->max);
}

const struct value_type type_gex_bits = {1, 1, false, parse_gex_bits, print_gex_bits, NULL};

/* --- PermitOpen
 * ---------------------------------------------------------------------------------------------- */

static bool parse_permitopen(struct value *v, const struct kw *kw, void *field)
{
	bool alone =
		v->argc == 1 && (strcmp(v->argv[0], "any") == 0 || strcmp(v->argv[0], "none") == 0);

	for (unsigned int i = 0; !alone && i < v->argc; i++) {
		if (!match_permitopen_valid(v->argv[i]))
			return value_bad(v, "bad port number or host in %s '%.100s'", kw->info.name,
					 v->argv[i]);
	}
	value_strs_borrow(v, field);
	return true;
}

const struct value_type type_permitopen = {
	1, CONF_ARGS_MAX, false, parse_permitopen, value_print_words, NULL};

static bool parse_permitlisten(struct value *v, const struct kw *kw, void *field)
{
	bool alone =
		v->argc == 1 && (strcmp(v->argv[0], "any") == 0 || strcmp(v->argv[0], "none") == 0);

	for (unsigned int i = 0; !alone && i < v->argc; i++) {
		if (!match_permitlisten_valid(v->argv[i]))
			return value_bad(v, "bad port number or host in %s '%.100s'", kw->info.name,
					 v->argv[i]);
	}
	value_strs_borrow(v, field);
	return true;
}

const struct value_type type_permitlisten = {
	1, CONF_ARGS_MAX, false, parse_permitlisten, value_print_words, NULL};

/* --- PermitStreamLocal
 * ---------------------------------------------------------------------------------------------- */

static bool parse_permitstreamlocal(struct value *v, const struct kw *kw, void *field)
{
	bool none = v->argc == 1 && strcmp(v->argv[0], "none") == 0;

	for (unsigned int i = 0; !none && i < v->argc; i++)
		if (v->argv[i][0] != '/')
			return value_bad(v, "%s '%.100s': not an absolute path", kw->info.name,
					 v->argv[i]);
	value_strs_borrow(v, field);
	return true;
}

const struct value_type type_permitstreamlocal = {
	1, CONF_ARGS_MAX, false, parse_permitstreamlocal, value_print_words, NULL};

/* --- RekeyLimit: default|SIZE [none|TIME]
 * ---------------------------------------------------------------------- */

struct rekey {
	uint64_t bytes;
	uint32_t ms;
};
_Static_assert(offsetof(struct conf_session, rekey_ms) ==
		       offsetof(struct conf_session, rekey_bytes) + offsetof(struct rekey, ms),
	       "the two of RekeyLimit are neighbours");

static bool parse_rekey(struct value *v, const struct kw *kw, void *field)
{
	uint64_t bytes = 0;
	uint32_t ms = 0;

	if (strcasecmp(v->argv[0], "default") != 0 && strcasecmp(v->argv[0], "none") != 0) {
		if (!size_read(v->argv[0], &bytes))
			return value_bad(v, "Bad %s specification '%.100s'", kw->info.name,
					 v->argv[0]);
		if (bytes != 0 && bytes < kw->min)
			return value_bad(v, "%s too small", kw->info.name);
	}
	if (v->argc > 1 && strcasecmp(v->argv[1], "none") != 0 && !time_read(v->argv[1], &ms))
		return value_bad(v, "Bad %s time '%.100s'", kw->info.name, v->argv[1]);
	/* Not as one: behind the struct's end lies the next field. */
	((struct rekey *)field)->bytes = bytes;
	((struct rekey *)field)->ms = ms;
	return true;
}

static void print_rekey(const struct kw *kw, const void *field, FILE *f)
{
	const struct rekey *r = field;

	(void)kw;
	if (r->bytes == 0)
		fputs("default ", f);
	else
		fprintf(f, "%" PRIu64 " ", r->bytes);
	time_print(r->ms == 0 ? CONF_TIME_NONE : r->ms, f);
}

const struct value_type type_rekey = {1, 2, false, parse_rekey, print_rekey, NULL};

/* --- AllowUsers, DenyUsers
 * ------------------------------------------------------------------------------------------ */

/* sshd knows no negation of a whole entry, only in the list of hosts. */
static bool user_pattern_ok(const char *pattern)
{
	const char *at = strrchr(pattern, '@');

	return *pattern != '!' && (at == NULL || (at != pattern && match_addr_list_valid(at + 1)));
}

static bool parse_users(struct value *v, const struct kw *kw, void *field)
{
	for (unsigned int i = 0; i < v->argc; i++) {
		if (!user_pattern_ok(v->argv[i]))
			return value_bad(v, "invalid %s pattern: \"%.100s\"", kw->info.name,
					 v->argv[i]);
	}
	value_strs_borrow(v, field);
	return true;
}

const struct value_type type_users = {1,           CONF_ARGS_MAX,     false,
				      parse_users, value_print_lines, value_strs_absent};
