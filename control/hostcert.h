/*
 * control/hostcert.h - what clients are shown in place of host keys: OpenSSH certificates
 * (HostCertificate) and X.509 chains (HostCertificate, or the file of the key).
 *
 * Errors  are logged here: this runs where programs start, or on the loop when the operator has
 * keys replaced. Files that do not open at once, or are no plain files, are left out.
 */
#ifndef SLUICE_CONTROL_HOSTCERT_H
#define SLUICE_CONTROL_HOSTCERT_H

#include "conf/conf.h"
#include "control/hostkey.h"

#define HOST_CERTS_MAX (3 * HOST_KEYS_MAX) /* an RSA key has three X.509 forms */

struct host_certs {
	struct key *cert[HOST_CERTS_MAX];
	unsigned int n;
};
void host_certs_free(struct host_certs *c);

/*
 * Every HostCertificate, and every chain that lay with a key, in the forms that HostKeyAlgorithms
 * names. What is none of these keys' is said and left out.
 */
void host_certs_load(const struct conf *conf, const struct host_keys *keys, struct host_certs *ret);

/* The same of one key that comes later, and its chain. */
void host_certs_of_chain(const struct conf *conf, const struct key *plain,
			 const struct host_chain *chain, struct host_certs *ret);

#endif
