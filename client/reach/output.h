/* client/reach/output.h - a program that is run for what it says on its standard output. */
#ifndef SLUICE_CLIENT_REACH_OUTPUT_H
#define SLUICE_CLIENT_REACH_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Runs argv, no shell between, until it ends; quiet: its standard error is not shown. 0 with *ret,
 * which ends in NUL and is to be freed; -E2BIG: more than max bytes; -EIO: its status was not 0;
 * -errno.
 */
int output_of(char *const argv[], size_t max, bool quiet, char **ret, size_t *ret_len)
	__attribute__((warn_unused_result));

#endif
