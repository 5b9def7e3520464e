/*
 * Files of hostbased: known hosts and hosts.equiv. Any bytes; what one says of a host is the same
 * as often as it is asked, and nobody is trusted by a file whose lines name nobody.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/auth/knownhosts.h"
#include "control/auth/rhosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool in_netgroup(const char *group, const char *host, const char *user)
{
	return strcmp(group, "all") == 0 && (host != NULL || user != NULL);
}

static void known_hosts(const char *text, size_t len)
{
	static const char line[] =
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQoODHaPmcD0VhwGe1f7OE0MT1c/AwCnxm76G3tBZ7C";
	static struct key *k;
	unsigned int found;

	if (k == NULL && key_public_line_parse(line, sizeof(line) - 1, &k) < 0)
		abort();
	found = knownhosts_look(text, len, "box.example.org", k);
	if (found != knownhosts_look(text, len, "box.example.org", k) ||
	    (found & ~(KNOWNHOSTS_KEY | KNOWNHOSTS_OTHER | KNOWNHOSTS_REVOKED)) != 0)
		abort();
	/* Every line about the host has a key. */
	if (found != 0 && memchr(text, 'A', len) == NULL)
		abort();
}

static void rhosts(const char *text, size_t len)
{
	const struct rhosts_query q = {.host = "box",
				       .addr = "192.0.2.9",
				       .client_user = "me",
				       .user = "demo",
				       .in_netgroup = in_netgroup};
	enum rhosts_verdict v = rhosts_look(text, len, &q);

	if (v != rhosts_look(text, len, &q))
		abort();
	if (v == RHOSTS_REFUSED && memchr(text, '-', len) == NULL)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	known_hosts((const char *)data, size);
	rhosts((const char *)data, size);
	return 0;
}
