/* client/config/internal.h - what the files of this folder share. */
#ifndef SLUICE_CLIENT_CONFIG_INTERNAL_H
#define SLUICE_CLIENT_CONFIG_INTERNAL_H

#include "client/config/config.h"
#include "conf/words.h"

#define PASSWD_MAX 16384 /* bytes of an entry of passwd(5) */

enum config_type {
	TYPE_YESNO,
	TYPE_CHOICE,
	TYPE_NUMBER,
	TYPE_PORT,
	TYPE_OCTAL,
	TYPE_TIME, /* seconds, or none */
	TYPE_ADDRESS,
	TYPE_PERSIST, /* yes, no, or seconds */
	TYPE_TEXT,    /* one word */
	TYPE_REST,    /* the rest of the line */
	TYPE_WORDS,   /* all words of one line */
	TYPE_ADD,     /* words that add up over lines */
	TYPE_ENV,     /* the same, where -NAME takes away */
	TYPE_SETENV,  /* NAME=VALUE … */
	TYPE_ALGS,
	TYPE_REKEY,
	TYPE_QOS,
	TYPE_ESCAPE,
	TYPE_JUMP,
	TYPE_PROXY, /* none, or client/reach/proxy.h, without a password */
	TYPE_FORWARD, /* LocalForward, RemoteForward, DynamicForward */
	TYPE_OPENS,   /* host:port …, any, none */
	TYPE_PLACE,   /* of MetricsListen */
	TYPE_CNAMES,  /* patterns:patterns …, none */
	TYPE_IDLE,    /* TYPE=TIME …, none */
	TYPE_KEYS,    /* TYPE_ADD, of paths with options */
	TYPE_LIB,     /* the rest of the line, as the library's setting of that name has it */
	TYPE_LIB_LINES, /* the same, of lines that add up */
};

/* What config_expanded() replaces. */
enum {
	EXPAND_TILDE = 1,
	EXPAND_TOKENS = 2, /* %C %d %h %i %k %L %l %n %p %r %u */
	EXPAND_ENV = 4,
	EXPAND_PROXY = 8, /* %h %n %p %r */
};

struct config_choice {
	const char *name, *value;
};

struct config_kw {
	const char *name, *alias;
	enum config_type type;
	const char *dflt; /* as it would stand in the file; NULL: none */
	unsigned int expand;
	uint64_t min, max;
	const struct config_choice *choices;
	size_t algs; /* offset in struct conf_algs */
};

extern const struct config_kw config_kws[CONFIG_IDS];

/* Real keywords that are not taken. */
struct config_other {
	const char *name;
	const char *harmless; /* a comma list of values that ask for nothing; NULL: none does */
	bool quiet;           /* without it there is another way: said when asked to be verbose */
	bool refused;         /* an error: what was asked for would not happen */
	const char *instead;  /* what does that here; NULL: nothing */
};
const struct config_kw *config_kw_find(const char *name);
const struct config_other *config_other_find(const char *name);

struct text {
	char *p;
	size_t len;
};

struct config {
	struct arena arena;
	const struct conf_algs *algs;
	struct conf_strs value[CONFIG_IDS];
	bool set[CONFIG_IDS];   /* by an option or a line */
	struct conf_strs hosts; /* names on Host lines */
	const char *given, *host, *file;
	struct canon *canon; /* a name is asked for; NULL: none is */
	const char *localuser, *home;
	bool named, final, wants_final, no_memory, from_memory;
	unsigned int files, execs;
	struct text errors, warnings, notes;
};

/* Where a line stands. */
struct config_place {
	const char *file;
	unsigned int number, depth;
	bool user;   /* relative files are the user's, ~ is possible */
	bool active; /* do the lines hold for this host? */
	bool never;  /* an Include in a block that does not */
	bool check;  /* who owns it and who may write it matters */
};

__attribute__((format(printf, 4, 5))) void
config_say(struct config *c, struct text *to, const struct config_place *at, const char *fmt, ...);

/* value.c: one line's arguments become words; false: it was said what is wrong. */
bool config_value(struct config *c, const struct config_kw *kw, const struct config_place *at,
		  const char *const *argv, unsigned int argc, struct conf_strs *ret);
/* Adds n words to a list. False: no memory, or too many. */
bool config_add(struct config *c, struct conf_strs *list, const char *const *words, size_t n);

/* library.c: as the library has it, into buf. What is wrong with it; NULL: nothing. */
const char *config_library_value(const struct config_kw *kw, const char *text, char *buf,
				 size_t size);

/* library.c: does it say which methods of authentication there are, and in which order? */
bool config_of_methods(size_t id);

/* block.c: do the criteria of a Host or Match line hold? -1: it was said what is wrong. */
int config_host_line(struct config *c, const struct config_place *at, const char *const *argv,
		     unsigned int argc);
int config_match_line(struct config *c, const struct config_place *at, const char *const *argv,
		      unsigned int argc);

/* identity.c. A path of v from *at on, with its options, as one word. False: why not, for people. */
bool config_identity_join(const char *const *v, size_t n, size_t *at, char *buf, size_t size,
			  char *ret_why, size_t why_size);
void config_identity_print(const char *word, FILE *f);

/* expand.c: of any text; how: EXPAND_…. As config_expanded(). */
int config_expand(struct config *c, const char *text, unsigned int how, char *buf, size_t size);
/* The host as it stands: Hostname with its %h, or the given name. False: too long. */
bool config_real_host(const struct config *c, char *buf, size_t size);

/*
 * canon.c: asks for the whole name of the host, as CanonicalizeHostname and its neighbours say,
 * which have their values. -EAGAIN: once more when canon_fd() is readable. 0: here it is; "": it
 * stays as it is.
 */
#define CONFIG_HOST_MAX 1025
int config_canonicalize(struct config *c, char ret[CONFIG_HOST_MAX])
	__attribute__((warn_unused_result));
int canon_fd(const struct canon *k);
void canon_free(struct canon *k); /* NULL is fine */

/* file.c */
void config_file(struct config *c, const char *path, const struct config_place *from, bool user,
		 bool check, bool must);
void config_lines(struct config *c, char *text, size_t len, struct config_place *at);
void config_line(struct config *c, char *text, struct config_place *at);
void config_keyword(struct config *c, const struct config_kw *kw, const struct config_place *at,
		    const char *const *argv, unsigned int argc);

#endif
