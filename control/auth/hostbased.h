/*
 * control/auth/hostbased.h - does the client's host vouch for its user, and is it believed?
 *
 * Source  RFC 4252 section 9; sshd_config(5) HostbasedAuthentication,
 * HostbasedUsesNameFromPacketOnly, IgnoreRhosts, IgnoreUserKnownHosts, UseDNS; sshd(8), FILES.
 *
 * That the request was signed by that key is proved already. Here: a line of hosts.equiv,
 * shosts.equiv or of a file in the home trusts that user of that host, and files of known hosts say
 * the key is the host's. Which host it is says its address: its name where the names of clients are
 * looked up, else the number; the name in the request only where the operator says so. root is
 * vouched for by files in his home alone.
 * Thread  any that may wait: it reads files, those of a closed home through sluice-helper.
 */
#ifndef SLUICE_CONTROL_AUTH_HOSTBASED_H
#define SLUICE_CONTROL_AUTH_HOSTBASED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "ssh/brain.h"

struct user_lookup;
struct account;

/* A request, copied. */
struct hostbased {
	char *client_host, *client_user; /* as the client wrote them */
	uint8_t *key_blob;
	size_t key_blob_len;
	bool packet_name; /* HostbasedUsesNameFromPacketOnly */
	bool ignore_user_known_hosts;
	enum conf_ignore_rhosts ignore_rhosts;
};

/* -EINVAL: a name that none can have. */
int hostbased_new(const struct ssh_act_auth *auth, const struct conf_session *c,
		  struct hostbased **ret) __attribute__((warn_unused_result));
void hostbased_free(struct hostbased *h); /* NULL is nothing */

/*
 * Yes or no to l->hostbased; l's note says why not, expires until when. acc: of the user, who needs
 * one.
 */
bool hostbased_check(struct user_lookup *l, const struct account *acc);

/* Where hosts.equiv and ssh/ are; NULL: /etc. A test's. */
extern const char *hostbased_etc;

#endif
