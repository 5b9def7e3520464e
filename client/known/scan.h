/* client/known/scan.h - lines about a host, one after the other, and what a new one is. */
#ifndef SLUICE_CLIENT_KNOWN_SCAN_H
#define SLUICE_CLIENT_KNOWN_SCAN_H

#include "client/known/known.h"
#include "crypto/knownline.h"

struct known_entry {
	const char *file; /* from the conf */
	bool user_file;
	unsigned long number; /* of the line, from 1 */
	const char *text;     /* the line, without its end */
	size_t len;
	const struct known_line *line;
	const struct key *key;
};

/* 0: go on; else that is what the scan returns. */
typedef int known_each(void *arg, const struct known_entry *e);

/*
 * Each line about a name, in lower case (NULL: any), whose key this build knows. 0, what each returned when it
 * was not 0, -ENOMEM.
 */
int known_scan_text(const char *text, size_t len, const char *name, const struct known_entry *of,
		    known_each *each, void *arg) __attribute__((warn_unused_result));
/* Of all files, and what reading one says; *ret_file is it then. */
int known_scan(const struct known_conf *c, const char *name, known_each *each, void *arg,
	       const char **ret_file) __attribute__((warn_unused_result));

/* Whom a certificate must name, and what a line does: the alias, else the host, with its port. */
const char *known_host_name(const struct known_conf *c, const struct known_host *h);
int known_conf_name(const struct known_conf *c, const struct known_host *h,
		    char ret[KNOWN_NAME_MAX]) __attribute__((warn_unused_result));

/*
 * Does an anchor's chain lead to the key's X.509 certificate, and is that this host's? 1; 0:
 * *ret_why says why not; -errno: a file cannot be read or used, *ret_file then is it, or NULL.
 */
int known_x509_believed(const struct known_conf *c, const struct known_host *h,
			const struct key *key, const char **ret_why, const char **ret_file)
	__attribute__((warn_unused_result));

/* "name type base64", to be freed. */
int known_line_build(const char *name, bool hash, const struct key *key, char **ret)
	__attribute__((warn_unused_result));

#endif
