/*
 * control/auth/user.h - what a login is checked against: read off the loop, judged by what
 * was read.
 *
 * A user need not exist in the system: a user is who has an authorized_keys file or a
 * line in the password file. A name that could lead out of a path is treated as an
 * unknown user; it never reaches one.
 */
#ifndef SLUICE_CONTROL_AUTH_USER_H
#define SLUICE_CONTROL_AUTH_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/auth/account.h"
#include "control/auth/authkeys.h"
#include "control/auth/hostbased.h"
#include "control/auth/passfile.h"
#include "control/auth/usercert.h"
#include "control/helper/proto.h"
#include "control/policy/addr.h"
#include "control/policy/policy.h"
#include "link/msg.h"
#include "ssh/brain.h"

#define USER_GROUPS_MAX 65536 /* NGROUPS_MAX of the kernel */
#define USER_PATHS_MAX  8     /* of AuthorizedKeysFile; more are not looked at */

/* No '/', "..", control characters, "-" in front; neither empty nor ".". */
bool user_name_ok(const void *name, size_t len);

/* Everything a look-up needs, copied: it runs on another thread. */
struct user_lookup {
	/* in */
	char user[SSH_USER_MAX + 1];
	bool name_ok, strict_modes;
	char *keys_path[USER_PATHS_MAX]; /* AuthorizedKeysFile: templates */
	unsigned int n_paths;
	char *password_path; /* NULL: no PasswordHashFile */
	struct link_addr peer;
	char *peer_name; /* of its address, in lower case; NULL: it has none */
	uint64_t now;
	uint8_t *key_blob; /* NULL: not a publickey request */
	size_t key_blob_len;
	bool accounts_exist; /* an account of the system is a user, too */
	bool names_exist;    /* only a program knows who is a user: anybody may be */
	bool want_groups;
	bool only_account; /* nothing but the account and its groups */
	char *banner_path; /* NULL: none is wanted */
	struct keytrust trust;
	bool signed_by_key;           /* not merely asked about; then */
	struct key_presence presence; /* says who stood before a security key */
	struct hostbased *hostbased;  /* of that method; NULL: another one */
	/* Reads what we may not, and goes by Match himself: by these and the peer. */
	char *helper_path; /* of its socket; NULL: there is none */
	struct link_addr local;
	char rdomain[LINK_RDOMAIN_MAX + 1];
	char *version;      /* the peer's identification; NULL: not known */
	uint64_t conf_mark; /* of what the login goes by: the helper must, too */
	bool invalid_user;
	/* A program was asked: nothing is read but what it wrote, here or in trust. */
	bool of_program;
	char *keys_text; /* NULL: principals, then */
	size_t keys_text_len;
	/* out */
	bool exists;
	bool has_hash;
	struct passfile_hash hash;
	bool account_over; /* his line of PasswordHashFile says so */
	bool vouched;      /* hostbased: by a host that is believed */
	bool key_found;
	/* It is revoked, a certificate that is believed and does not hold for him now, or none but
	 * lines it does not satisfy are about it. */
	bool key_refused;
	bool certified;            /* as authkeys_answer has it */
	struct policy_grant grant; /* of the line of that key (S-23) */
	bool root;                 /* by name or by number */
	char **groups;             /* names */
	size_t n_groups;
	/* PasswordHashFile, account or groups could not be told: nobody knows what holds for who
	 * asks. */
	bool lost;
	char *banner; /* what stands in the file; NULL: nothing */
	size_t banner_len;
	bool forced_command; /* and it is for a command */
	uint64_t expires;    /* of key and account; seconds since 1970; UINT64_MAX: never */
	char note[AUTHKEYS_NOTE_MAX];
};

/* Blocks on files and on the system's user database. */
void user_lookup_run(struct user_lookup *l);
void user_lookup_fini(struct user_lookup *l); /* wipes */

/*
 * A file of the user's own, as userfile_read(); one that is closed to us is read by a process of
 * his, who knows it by entry and index.
 */
int user_file_read(const struct user_lookup *l, const struct account *acc, const char *path,
		   enum helper_entry entry, uint32_t index, size_t max, char **ret, size_t *ret_len,
		   char *why, size_t why_size) __attribute__((warn_unused_result));

#endif
