/*
 * conf/internal.h - what the files of this room share.
 *
 * A file becomes lines (file.c): a keyword, its arguments, and the Match block they stand in. Every
 * line is checked when it is read, by parsing it into a value that is thrown away (value.c); the
 * values in force are made by parsing the lines that count once more (conf.c).
 */
#ifndef SLUICE_CONF_INTERNAL_H
#define SLUICE_CONF_INTERNAL_H

#include <stdarg.h>

#include "conf/conf.h"
#include "conf/words.h"

/* --- the table (keywords.c) --------------------------------------------------------------- */

/* What a line is about beyond one value in one struct. */
enum kw_special {
	KW_PLAIN = 0,
	KW_INCLUDE,
	KW_MATCH,
	KW_PORT,
	KW_LISTEN_ADDRESS,
	KW_INTERFACE,
	KW_INTERFACE_ADDRESS,
	KW_ROUTE,
};

enum kw_part { PART_NONE, PART_DATAPLANE, PART_GLOBAL, PART_SESSION };

struct value;
struct kw;

/* How a value is read and written. */
struct value_type {
	uint16_t args_min, args_max;
	bool raw; /* the rest of the line is one argument, quotes and all */
	/* False with why in v. field may be a scratch value; NULL: topology_build() does it. */
	bool (*parse)(struct value *v, const struct kw *kw, void *field);
	/* Writes the arguments; NULL: topology_dump() does it. */
	void (*print)(const struct kw *kw, const void *field, FILE *f);
	/* True when there is nothing to write. */
	bool (*absent)(const void *field);
};

struct choice {
	const char *name;
	int value;
};

struct kw {
	struct conf_keyword_info info;
	enum kw_special special;
	enum kw_part part;
	size_t at; /* offset of the field in its part */
	const struct value_type *type;
	uint64_t min, max;
	const struct choice *choices; /* the first of a value is how it is written */
	const char *what;             /* of algorithms: as sshd names the list in errors */
	size_t names;                 /* of algorithms: offset in struct conf_algs */
	bool made;  /* parse() makes one pointer of a line: the list has these, not words */
	bool early; /* inside of Match only by what is known before there are keys */
	size_t any; /* of those of users: offset in struct conf_global of the sum; 0: not kept */
};

extern const struct kw conf_kws[];
extern const size_t conf_n_kws;
const struct kw *kw_find(const char *name);      /* without regard to case */
const struct kw *kw_of(enum kw_special special); /* not KW_PLAIN */
bool kw_unsupported(const char *name);           /* a real keyword, but not of this version */

/* --- values (value.c, algs.c) ----------------------------------------------------------------- */

/* The arguments of a line on their way to a field. */
struct value {
	struct arena *arena;
	const struct conf_algs *algs; /* may be NULL */
	const char *const *argv;
	uint16_t argc;
	char why[256]; /* of a refusal */
};

__attribute__((format(printf, 2, 3))) bool value_bad(struct value *v, const char *fmt, ...);
/* Names of Dataplane and Interface. */
bool value_name_ok(const char *name);

extern const struct value_type type_name, type_yesno, type_uint, type_time, type_time_none,
	type_quantum, type_size, type_size_auto, type_size_none, type_memory, type_window, type_choice, type_lcores,
	type_path, type_paths, type_folders, type_metrics, type_host_keys, type_key_files, type_version, type_addendum,
	type_algs, type_user_algs, type_startups, type_gex_bits, type_permitopen, type_permitlisten,
	type_permitstreamlocal, type_operation, type_rekey, type_octal, type_users, type_topology;
/* value_auth.c */
extern const struct value_type type_text, type_prompts, type_chains, type_groups, type_globs,
	type_command, type_cert_command, type_file_name;

/* value_events.c */
extern const struct value_type type_events;

/* proxy.c */
extern const struct value_type type_prefixes, type_send_proxy;

/* hook.c */
extern const struct value_type type_hook, type_handler;
/* Has this PolicyHook, which is well formed, a kind of CONF_HOOK_NEWS? */
bool hook_line_news(const char *line);

/* value_session.c */
extern const struct value_type type_channel_timeouts, type_line, type_chroot, type_env_patterns,
	type_setenv, type_user_env, type_subsystem;
/* NAME and command of a Subsystem; false: one is missing. */
bool conf_subsystem_split(const char *line, size_t *ret_name, const char **ret_command);

/* Of TYPE=VALUE…, what the first says that fits, as sshd has it; NULL: none does. */
#define CHANNEL_TYPE_MAX 300 /* bytes of a pattern of types, with its end */
const char *channel_entry(const struct conf_strs *entries, const char *type);

/* rule.c */
extern const struct value_type type_rule, type_listen_rule;

/* value_keys.c */
extern const struct value_type type_pubkey_options;

/* value_rate.c */
extern const struct value_type type_rate, type_role_rate;

/* value_qos.c */
extern const struct value_type type_qos;

/* value_share.c */
extern const struct value_type type_share_none, type_role_share, type_channel_shares;

/* limits.c */
extern const struct value_type type_source_max, type_net_block, type_penalties, type_addr_list;

void time_print(uint32_t ms, FILE *f);

bool value_parse_algs(struct value *v, const struct kw *kw, void *field);
/*
 * The same for what is asked for every session: a line is edited once, by algs_settle(), and then
 * taken as it stands.
 */
bool value_parse_user_algs(struct value *v, const struct kw *kw, void *field);
/* The lines of such keywords, and their defaults; and what anybody may have of them. -ENOMEM. */
int algs_settle(struct conf *conf, const struct conf_algs *algs);
/* One argument, quoted where it must be. */
void value_print_arg(const char *arg, FILE *f);
/* Of a list of words; none: "none". For struct value_type. */
void value_print_words(const struct kw *kw, const void *field, FILE *f);
/* Lists: the words of the line as they are; one a line, as together they may be too long for one.
 */
void value_strs_borrow(const struct value *v, void *field);
void value_print_lines(const struct kw *kw, const void *field, FILE *f);
bool value_strs_absent(const void *field);

/* --- lines (file.c) ------------------------------------------------------------------------------
 */

struct block; /* of Match */

struct line {
	const struct kw *kw;
	const char *const *argv;
	uint16_t argc;
	const char *file;
	unsigned int number;
	const struct block *block; /* NULL: outside of Match */
	const void *made;          /* where kw says so */
	const struct line *next;   /* of the same keyword */
};

struct conf {
	unsigned int refs;
	struct conf *base; /* what it has of another; NULL: nothing */
	uint64_t mark;
	unsigned int about; /* bits of enum conf_match_about */
	bool news;          /* conf_hook_news() */
	struct arena arena;
	struct line *lines;
	size_t n_lines, lines_room;
	struct line *defaults; /* one a keyword; argc 0: none */
	const struct line **first; /* of each keyword; lines_link() */
	struct conf_dataplane dataplane;
	struct conf_global global;
};

/* Errors collected so far. */
struct errors {
	char *text;
	size_t len;
	unsigned int n;
	bool no_memory;
};
__attribute__((format(printf, 4, 5))) void errors_add(struct errors *e, const char *file,
						      unsigned int number, const char *fmt, ...);

struct loader {
	struct conf *conf;
	const struct conf_algs *algs;
	struct errors errors;
	unsigned int files;
	bool may_include;
	bool (*trusted)(const char *path); /* NULL: all are */
};

/* Adds the lines of a file, or of a text, to the loader's conf; what is wrong to its errors. */
void load_file(struct loader *l, const char *path);
void load_text(struct loader *l, const char *name, const char *text, size_t len);
/* Does the connection lie in the block, and in those around it? */
bool block_matches(const struct block *b, const struct conf_match_ctx *ctx);
/* Does it, or one around it, have such a criterion? */
bool block_about(const struct block *b, enum conf_match_about about);
/* Is it, with those around it, only about what is known before there are keys? */
bool block_early(const struct block *b);

/* --- Match (block.c)
 * -------------------------------------------------------------------------------- */

/* NULL with why when the criteria are bad. parent: of an Include inside a block. */
const struct block *block_parse(struct arena *a, const char *const *argv, unsigned int argc,
				const struct block *parent, char *why, size_t why_size);

/* --- interfaces, addresses, routes, listeners (topology.c)
 * --------------------------------------------- */

/* Writes its criteria, of all blocks around it first. */
void block_dump(const struct block *b, FILE *f);

/* --- values as text (conf.c) -------------------------------------------------------- */

/* "keyword value" as -T has it, or nothing. part: of the keyword, but for those of topology. */
void keyword_dump(const struct conf *conf, const struct kw *kw, const void *part, FILE *f);

/* From all lines of the loader, errors into it. */
/*
 * zone.c: an address, with %NAME where it is link-local; where ret_has_port is not NULL it may have
 * a port. 0, -EINVAL, or -ENOENT: there is no such Interface.
 */
int zone_parse(const struct conf_dataplane *dp, const char *text, bool *ret_has_port,
	       struct conf_addr *ret);

void topology_build(struct loader *l);
void topology_dump(const struct conf *conf, const struct kw *kw, FILE *f);

#endif
