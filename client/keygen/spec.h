/* client/keygen/spec.h - times and options of certificates, as the command line says them. */
#ifndef SLUICE_CLIENT_KEYGEN_SPEC_H
#define SLUICE_CLIENT_KEYGEN_SPEC_H

#include <stdint.h>

#include "crypto/cert.h"

#define SPEC_OPTIONS_MAX 32

/*
 * "-1d:+52w", "20260101:20270101", "always:forever", "+1h" (from a minute ago on). Seconds since
 * 1970. -EINVAL.
 */
int spec_validity(const char *text, uint64_t now, uint64_t *ret_after, uint64_t *ret_before)
	__attribute__((warn_unused_result));

/* "YYYYMMDD[HHMM[SS]][Z]"; a "Z" behind it: UTC, else local time. -EINVAL. */
int spec_moment(const char *text, uint64_t *ret) __attribute__((warn_unused_result));

/* Options in order of their names; the texts are borrowed, cut where a value begins. */
struct spec_options {
	struct cert_option critical[SPEC_OPTIONS_MAX], extension[SPEC_OPTIONS_MAX];
	unsigned int n_critical, n_extension;
};
/* What a user's certificate has when nothing is said; a host's has nothing. */
void spec_options_init(struct spec_options *o, enum cert_role role);
/* One -O. -EINVAL: none such; -E2BIG. */
int spec_option_add(struct spec_options *o, char *text) __attribute__((warn_unused_result));

#endif
