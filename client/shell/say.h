/*
 * client/shell/say.h - what the command says on standard error, or in the file of -E: as ssh words
 * it.
 */
#ifndef SLUICE_CLIENT_SHELL_SAY_H
#define SLUICE_CLIENT_SHELL_SAY_H

#include <stdbool.h>

/* ssh_config(5), LogLevel. */
enum say_level {
	SAY_QUIET,
	SAY_FATAL,
	SAY_ERROR,
	SAY_INFO,
	SAY_VERBOSE,
	SAY_DEBUG,
	SAY_DEBUG2,
	SAY_DEBUG3
};

void say_level_set(enum say_level level);
/* The name of a level; false: there is no such one. */
bool say_level_find(const char *name, enum say_level *ret);
enum say_level say_level(void);
/* Appends to a file from now on. 0 or -errno. */
int say_file(const char *path);
/* While the terminal is raw, a line needs a carriage return. */
void say_raw(bool raw);

__attribute__((format(printf, 2, 3))) void say(enum say_level level, const char *fmt, ...);
/* Bytes of a stranger's: what would steer a terminal is replaced, ends of lines stay. */
void say_foreign(enum say_level level, const char *text, unsigned long len);

#endif
