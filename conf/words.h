/*
 * conf/words.h - what files of keywords are read with: the gateway's (this room) and the client's
 * ssh_config (client/config/).
 *
 * Source  sshd_config(5), ssh_config(5): the grammar of a line, times, sizes, lists of algorithms.
 */
#ifndef SLUICE_CONF_WORDS_H
#define SLUICE_CONF_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"

/* --- memory of one configuration, given back at once ------------------------------------- */

struct arena_chunk;
struct arena {
	struct arena_chunk *chunks;
};
void *arena_alloc(struct arena *a, size_t n); /* zeroed; NULL: no memory */
char *arena_strdup(struct arena *a, const char *text);
void arena_fini(struct arena *a);

/* --- lines --------------------------------------------------------------------------------- */

/*
 * The whole of a regular file of at most CONF_FILE_MAX bytes, with room for one more behind; 0 or
 * -errno. The caller's to free().
 */
int conf_file_read(const char *path, char **ret, size_t *ret_len)
	__attribute__((warn_unused_result));
/* Cuts blanks at the end of the len bytes and ends them with NUL, for which there is room. False: a
 * control character. */
bool line_clean(char *text, size_t len);
/* Splits off the keyword, which ends at a blank or at one '='. What is behind. */
char *keyword_split(char *text);
/*
 * Splits text as sshd does: blanks, "quotes", 'quotes', backslashes, '#'. The count; -EINVAL: a
 * quote is open; -E2BIG: more than room; -ENOMEM.
 */
int args_split(struct arena *a, const char *text, const char **argv, unsigned int room);

/* --- values -------------------------------------------------------------------------------- */

/* The digits at *text, which moves behind them. False: none, or more than max. */
bool digits(const char **text, uint64_t max, uint64_t *ret);
/* Bytes, or with K, M, G. */
bool size_read(const char *text, uint64_t *ret);
/* Milliseconds; CONF_TIME_NONE is not among them. */
bool time_read(const char *text, uint32_t *ret);
/* A place of MetricsListen: what is wrong with it; NULL: nothing. */
const char *metrics_place_wrong(const char *text);
/* An entry of ChannelTimeout: TYPE=TIME, TYPE with * and ? or "global". */
bool channel_timeout_valid(const char *entry);
/* As conf_channel_timeout() finds it among entries. */
uint32_t channel_timeout(const struct conf_strs *entries, const char *type);
/*
 * A list of algorithms, or what +, - or ^ in front make of the default: -EINVAL: a name that is
 * none of ours; -ENOKEY: nothing is left of it by names->only; -ENOMEM.
 */
int algs_edit(struct arena *a, const struct conf_alg_names *names, const char *spec,
	      const char **ret) __attribute__((warn_unused_result));

#endif
