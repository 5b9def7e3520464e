/*
 * client/keygen/keygen.h - what the parts of sluice keygen share: the options, reading and
 * writing of key files with a person at hand. Every part returns an exit status.
 */
#ifndef SLUICE_CLIENT_KEYGEN_KEYGEN_H
#define SLUICE_CLIENT_KEYGEN_KEYGEN_H

#include <stdbool.h>

#include "crypto/keyfile.h"

#define KEYGEN_OPTIONS_MAX 32

struct keygen {
	const char *type;      /* -t, as the user says it */
	unsigned int bits;     /* -b, 0: the type's usual */
	const char *file;      /* -f */
	const char *out;       /* --out */
	const char *new_pass;  /* -N, NULL: ask */
	const char *old_pass;  /* -P, NULL: ask */
	const char *pass_file; /* --passphrase-file: the old one is its first line */
	const char *comment;   /* -C */
	unsigned int rounds;   /* -a */
	const char *cipher;    /* -Z */
	const char *hash;      /* -E */
	const char *module;    /* -D; "" for those of the system */
	const char *subject, *thumbprint;
	const char *ca, *id;               /* -s, -I */
	char *principals;                  /* -n, cut at its commas by who reads it */
	const char *validity;              /* -V */
	uint64_t serial;                   /* -z */
	char *options[KEYGEN_OPTIONS_MAX]; /* -O */
	unsigned int n_options;
	const char *moduli;        /* -M */
	const char *find, *remove; /* -F, -R */
	const char *signature;     /* -Y */
	const char *revoked;       /* -r, beside -Y */
	bool hide;                 /* -H: names of hosts */
	bool fingerprints;         /* -l, beside -F */
	char *const *files;        /* behind the options */
	unsigned int n_files;
	bool host;                  /* -h, beside -s */
	enum keyfile_format format; /* -m */
	bool format_given, private, quiet, verbose, json, force;
};

int keygen_make(const struct keygen *g);       /* without another operation */
int keygen_make_host(const struct keygen *g);  /* -A */
int keygen_list(const struct keygen *g);       /* -l */
int keygen_public(const struct keygen *g);     /* -y */
int keygen_export(const struct keygen *g);     /* -e */
int keygen_import(const struct keygen *g);     /* -i */
int keygen_passphrase(const struct keygen *g); /* -p */
int keygen_comment(const struct keygen *g);    /* -c */
int keygen_tokens(const struct keygen *g);     /* -D */
int keygen_sign(const struct keygen *g);       /* -s */
int keygen_cert_show(const struct keygen *g);  /* -L */
int keygen_revoke(const struct keygen *g);     /* -k */
int keygen_revoked(const struct keygen *g);    /* -Q */
int keygen_moduli(const struct keygen *g);     /* -M */
int keygen_signature(const struct keygen *g);  /* -Y */
int keygen_known(const struct keygen *g);      /* -F, -R, -H */

/* "sluice keygen: …" and a line end; returns EXIT_FAILED. */
int keygen_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* All of a file, to be freed. Half of it is none: a negative number, and it was said why. */
int keygen_bytes(const char *path, size_t max, uint8_t **ret, size_t *ret_len)
	__attribute__((warn_unused_result));
/* Says what is wrong, once; up to three passphrases are asked for. */
int keygen_load(const struct keygen *g, const char *path, bool public_half, struct keyfile **ret)
	__attribute__((warn_unused_result));
/* The passphrase for what is written: -N, or asked for twice. KEYFILE_PASSPHRASE_MAX + 1 bytes. */
int keygen_new_passphrase(const struct keygen *g, const char *what, char *buf)
	__attribute__((warn_unused_result));
/* The private file (0600) and its public half beside it (0644). */
int keygen_save(const struct keyfile *kf, const struct keyfile_out *o, const char *path,
		bool replace) __attribute__((warn_unused_result));
/* "SHA256:…" by the hash of -E. */
#define KEYGEN_FINGERPRINT_MAX 256
void keygen_fingerprint(const struct keygen *g, const struct key *k,
			char buf[KEYGEN_FINGERPRINT_MAX]);
/* "256 SHA256:… comment (ED25519)" and what -v adds. */
void keygen_fingerprint_print(const struct keygen *g, const struct key *k, const char *comment);
void keygen_art_print(const struct key *k, const char *hash);
/* "user@host" */
void keygen_whoami(char *buf, size_t size);
/* "~/.ssh/id_ed25519" of a type */
int keygen_default_path(const char *type, char *buf, size_t size)
	__attribute__((warn_unused_result));

#endif
