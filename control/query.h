/* control/query.h - names of what this build knows, as ssh -Q prints them. */
#ifndef SLUICE_CONTROL_QUERY_H
#define SLUICE_CONTROL_QUERY_H

#include <stdio.h>

/*
 * One a line: what is "cipher", "mac", "kex", "sig", or "help" for these words; the keyword of a
 * list does, too. -EINVAL: nothing is called that.
 */
int query_print(const char *what, FILE *f) __attribute__((warn_unused_result));

#endif
