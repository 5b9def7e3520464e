/*
 * crypto/knownline.h - lines of files of known hosts.
 *
 * Source  sshd(8), SSH_KNOWN_HOSTS FILE FORMAT: "[@marker] names type base64 [comment]".
 * Bounds  a line of more than KNOWN_LINE_MAX bytes, or with a NUL, is understood by nobody (S-38).
 */
#ifndef SLUICE_CRYPTO_KNOWNLINE_H
#define SLUICE_CRYPTO_KNOWNLINE_H

#include <stdbool.h>
#include <stddef.h>

#define KNOWN_FILE_MAX (16 << 20)
#define KNOWN_LINE_MAX (64 * 1024)

enum known_marker { KNOWN_KEY = 1, KNOWN_CA, KNOWN_REVOKED };

/* Views into the line. */
struct known_line {
	enum known_marker marker;
	const char *names; /* a comma list of patterns, or one hidden name */
	size_t names_len;
	const char *key; /* from its type on */
	size_t key_len;
};

/*
 * A line without its end; a carriage return behind it is none of it. -ENODATA: nothing stands in
 * it; -EBADMSG: nobody understands it. Whether the key is one nobody looked at.
 */
int known_line_cut(const char *line, size_t len, struct known_line *ret)
	__attribute__((warn_unused_result));
/*
 * Is the line about the host, which is in lower case? 1, 0, or -ENOMEM. in_list says so of a list
 * of patterns, whose empty entries are left out, as ssh does.
 */
int known_line_names(const struct known_line *l, const char *host,
		     bool (*in_list)(const char *host, const char *list))
	__attribute__((warn_unused_result));

#endif
