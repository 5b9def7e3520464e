/*
 * client/shell/hostfiles.h - what the configuration knows of host keys, as client/known wants it:
 * files, and what KnownHostsCommand says.
 */
#ifndef SLUICE_CLIENT_SHELL_HOSTFILES_H
#define SLUICE_CLIENT_SHELL_HOSTFILES_H

#include "client/known/known.h"
#include "client/shell/conn.h"

struct hostfiles {
	struct known_conf conf;
	struct known_host host;
	const char *file[KNOWN_FILES_MAX];
	char *copy[KNOWN_FILES_MAX], *revoked, *anchors, *crls;
	char **accept, **accept_ca; /* AcceptHostKey, AcceptHostCA: files by their whole names */
	unsigned int n;
	int said; /* by the command, in memory; -1: nothing */
};

/*
 * k: the key that is looked for; NULL: any, for the order of algorithms. 0, or -errno, said: then
 * nothing may be believed (S-67). hostfiles_fini() in either case.
 */
int hostfiles_init(struct hostfiles *f, struct conn *c, const struct sluice_hostkey *k)
	__attribute__((warn_unused_result));
void hostfiles_fini(struct hostfiles *f);
/* The library may learn other keys of this server's (UpdateHostKeys), in these files. */
void hostfiles_learn(const struct hostfiles *f, struct conn *c);
/* By FingerprintHash. */
const char *hostkey_fingerprint(const struct conn *c, const struct sluice_hostkey *k);

#endif
