/*
 * client/known/known.h - is this the server's key? Files of known hosts, and what stands beside
 * them: keys, fingerprints and authorities that the caller accepts by name.
 *
 * Source  sshd(8), SSH_KNOWN_HOSTS FILE FORMAT; ssh_config(5), StrictHostKeyChecking and its
 *         neighbours; PROTOCOL.certkeys.
 * Errors  whatever fails on the way - memory, a file that cannot be read - is a negative number and
 *         never an acceptance (S-67). A file that does not exist is an empty one.
 * Names   a host is looked for as "host", or as "[host]:port" where the port is not 22, and
 *         then, if nothing is known of that, as "host". HostKeyAlias stands alone.
 * Thread  any; nothing is kept between calls.
 */
#ifndef SLUICE_CLIENT_KNOWN_KNOWN_H
#define SLUICE_CLIENT_KNOWN_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/cert.h"
#include "crypto/key.h"

#define KNOWN_PORT      22  /* the one that no name says */
#define KNOWN_NAME_MAX  272 /* "[host]:port" and its NUL */
#define KNOWN_FILES_MAX 16
#define KNOWN_TEXT_MAX  1024

enum known_strict {
	KNOWN_ASK = 0,    /* one that nobody knows is asked about */
	KNOWN_ACCEPT_NEW, /* and added, one that changed is refused */
	KNOWN_STRICT,     /* only what is known */
	KNOWN_LAX,        /* one that changed, too, with what it may do cut down */
};

struct known_conf {
	/* User files come first; what is new is added to the first of them. */
	const char *const *file;
	unsigned int n_user_files, n_files; /* all: user files, then those of the system */
	const char *alias;                  /* HostKeyAlias */
	enum known_strict strict;
	bool hash; /* HashKnownHosts */
	/* Of certificates: CASignatureAlgorithms, RequiredRSASize. NULL, 0: the usual. */
	const char *ca_algs;
	unsigned int rsa_bits_min;
	const char *revoked; /* RevokedHostKeys, a list or a KRL; NULL: none */
	/* Beside the files: "type base64" lines, a comma list of known_fingerprints(), CAs. */
	const char *const *accept, *const *accept_ca;
	unsigned int n_accept, n_accept_ca;
	const char *fingerprints;
	const char *anchors, *crls; /* X509TrustAnchors, X509RevocationFile; NULL: none */
	bool accept_any; /* AcceptAnyHostKey: by name alone */
};

/* Who presented it, and when. */
struct known_host {
	const char *host; /* as the user named it, after Hostname */
	uint16_t port;
	uint64_t now; /* seconds since 1970 */
};

enum known_verdict {
	KNOWN_VERDICT_OK = 1,
	KNOWN_VERDICT_NEW,     /* nobody knows anything of this host */
	KNOWN_VERDICT_CHANGED, /* another key is known */
	KNOWN_VERDICT_REVOKED, /* it, or who signed it, whatever else is known */
	KNOWN_VERDICT_INVALID, /* anchors do not lead to its X.509 certificate */
};

/* What vouches for it. */
enum known_by {
	KNOWN_BY_FILE = 1,
	KNOWN_BY_KEY,
	KNOWN_BY_FINGERPRINT,
	KNOWN_BY_CA,
	KNOWN_BY_X509,
	KNOWN_BY_ANY
};

struct known_found {
	enum known_verdict verdict;
	enum known_by by; /* of OK */
	/*
	 * Where: of OK the line (NULL: none), of CHANGED the other key's, of REVOKED the mark or
	 * the list. From the conf.
	 */
	const char *file;
	unsigned long line;
	bool user_file, by_authority;
	const char *type; /* of CHANGED: of the key that is known */
	const char *why;  /* a certificate that is none, in words; NULL: there is none */
};

/* 0, or -errno; *ret_file then is the one it is about, or NULL. */
int known_look(const struct known_conf *c, const struct known_host *h, const struct key *key,
	       struct known_found *ret, const char **ret_file) __attribute__((warn_unused_result));

/* What to do about it. */
enum known_act {
	KNOWN_REFUSE = 1,
	KNOWN_ACCEPT,
	KNOWN_ADD,      /* accept, and known_add() */
	KNOWN_QUESTION, /* ask somebody; on yes as ADD */
	KNOWN_DISTRUST, /* accept; no password, no forwarding: it may be anybody */
};
enum known_act known_act(const struct known_conf *c, const struct known_found *f);

/*
 * Adds the key, without its certificate, to the first user file. -ENOENT: there is no such file in
 * the conf; -EEXIST: it is there already, by somebody quicker; -ENOSPC, -EACCES and others of the
 * system: the file is as it was.
 */
int known_add(const struct known_conf *c, const struct known_host *h, const struct key *key)
	__attribute__((warn_unused_result));

/*
 * The algorithms of a comma list with those in front by which the host can show a key that is
 * known, certificates where there is an authority for it; so that a server with several keys shows
 * the right one. As it is where nothing is known. With anchors those of X.509 join them, behind
 * what is known and before the rest.
 */
int known_order(const struct known_conf *c, const struct known_host *h, const char *algs, char *buf,
		size_t size) __attribute__((warn_unused_result));

/*
 * Is the key one of a comma list of "MD5:…", "SHA1:…", "SHA256:…" or bare fingerprints, in pairs of
 * hexadecimal digits with or without colons or, behind a name, in base64? 1, 0, or -EINVAL: an
 * entry is none.
 */
int known_fingerprints(const char *list, const struct key *key) __attribute__((warn_unused_result));
bool known_fingerprints_ok(const char *list); /* is each entry one? */

/* "host" or "[host]:port", in lower case. -EINVAL: too long. */
int known_name(const char *host, uint16_t port, char ret[KNOWN_NAME_MAX])
	__attribute__((warn_unused_result));
/* Does a list of patterns name the host? For known_line_names(). */
bool known_in_list(const char *host, const char *list);

/* What was found, for a person, in lines. */
void known_text(const struct known_found *f, const struct known_host *h, const struct key *key,
		char buf[KNOWN_TEXT_MAX]);

#endif
