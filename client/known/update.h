/*
 * client/known/update.h - a server tells of all its host keys: new ones are learned once it has
 * proved that it has them, old ones forgotten (UpdateHostKeys).
 *
 * Source  OpenSSH PROTOCOL section 2.5: hostkeys-00@openssh.com, hostkeys-prove-00@openssh.com.
 *
 * As ssh has it: only where the server was known by a line of its own in a user file, of that name
 * and perhaps an address; where no such line is a pattern, an authority's or a revocation; and where
 * no key that the server has, or has no more, is known by another name, too. All that it says is untrusted; KNOWN_KEYS_MAX
 * keys are looked at. No I/O but of the files.
 */
#ifndef SLUICE_CLIENT_KNOWN_UPDATE_H
#define SLUICE_CLIENT_KNOWN_UPDATE_H

#include "client/known/known.h"
#include "ssh/wire.h"

#define KNOWN_KEYS_MAX    32
#define KNOWN_REQUEST_MAX (KNOWN_KEYS_MAX * (KEY_BLOB_MAX + 4) + 64)

struct known_update;

/*
 * data: of the global request hostkeys-00@openssh.com, what stands behind "want reply". algs:
 * HostKeyAlgorithms, by which keys are ever used; server: the key of this connection, which must be
 * among them. -ENODATA: nothing is to be done; -EBADMSG: no such request, to be ignored; -errno.
 * The conf is borrowed until the end.
 */
int known_update_new(const struct known_conf *c, const struct known_host *h,
		     const struct key *server, const char *algs, struct ssh_str data,
		     struct known_update **ret) __attribute__((warn_unused_result));
/* How many new keys want proof, and how many old ones go. */
unsigned int known_update_new_keys(const struct known_update *u);
unsigned int known_update_old_keys(const struct known_update *u);
/*
 * The payload of hostkeys-prove-00@openssh.com, want reply and all; its length. 0: nothing is to be
 * proved.
 */
size_t known_update_request(const struct known_update *u, uint8_t *buf, size_t size);
/*
 * data: of its REQUEST_SUCCESS: a signature of each. 0, or -EBADMSG: one is missing, by another
 * algorithm, or does not hold: nothing may be learned.
 */
int known_update_proved(struct known_update *u, struct ssh_str session_id, struct ssh_str data)
	__attribute__((warn_unused_result));
/* Changes the files. -EPERM: not proved; what known_add() says; a file is as it was, or done. */
int known_update_apply(struct known_update *u) __attribute__((warn_unused_result));
/* A new key for a person to see; NULL behind the last. */
const struct key *known_update_key(const struct known_update *u, unsigned int i);
void known_update_free(struct known_update *u); /* NULL is fine */

#endif
