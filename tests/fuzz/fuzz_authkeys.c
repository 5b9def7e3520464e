/*
 * authorized_keys: any bytes are read without harm, and a line that is taken is taken by the
 * same rules again: what it grants does not depend on what stood before it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/auth/authkeys.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQoODHaPmcD0VhwGe1f7OE0MT1c/AwCnxm76G3tBZ7C"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct authkeys_query q = {
		.user = "demo", .peer = {.family = 4, .addr = {192, 0, 2, 1}}, .now = 1700000000};
	struct authkeys_answer a = {0}, again = {0};
	struct authkeys_entry e;
	struct key *key = NULL;
	const char *why;

	if (key_public_line_parse(KEY, sizeof(KEY) - 1, &key) < 0)
		abort();
	q.key = key;
	if (authkeys_find((const char *)data, size, &q, &a) == 0) {
		const char *line = (const char *)data, *end;

		for (unsigned int i = 1; i < a.line; i++)
			line = (const char *)memchr(line, '\n', size) + 1;
		end = memchr(line, '\n', size - (size_t)(line - (const char *)data));
		if (end == NULL)
			end = (const char *)data + size;
		if (authkeys_find(line, (size_t)(end - line), &q, &again) < 0 ||
		    again.grant.port_forwarding != a.grant.port_forwarding ||
		    again.grant.n_permitopen != a.grant.n_permitopen)
			abort();
		policy_grant_fini(&a.grant);
		policy_grant_fini(&again.grant);
	}
	if (authkeys_line_parse((const char *)data, size, &e, &why) == 0)
		authkeys_entry_fini(&e);
	key_free(key);
	return 0;
}
