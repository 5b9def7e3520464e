/*
 * KEXINIT: what is accepted re-encodes to itself, is within its bounds, and agrees with
 * our own the same way whichever side looks at it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/err.h"
#include "ssh/kexinit.h"

static void check_names(const struct ssh_kexinit *m)
{
	for (int i = 0; i < SSH_PROPS; i++) {
		struct ssh_str list = m->list[i], name;
		unsigned int n = 0;

		while (ssh_names_next(&list, &name))
			if (name.len == 0 || name.len > SSH_NAME_MAX || ++n > SSH_NAMES_MAX)
				abort();
	}
}

static struct ssh_kexinit ours(void)
{
	struct ssh_kexinit m = {0};

	m.list[SSH_PROP_KEX] = ssh_str_c(SSH_DEFAULT_KEX "," SSH_KEX_STRICT_S);
	m.list[SSH_PROP_HOSTKEY] = ssh_str_c(SSH_DEFAULT_HOSTKEY);
	for (int dir = 0; dir < 2; dir++) {
		m.list[SSH_PROP_CIPHER_CS + dir] = ssh_str_c(SSH_DEFAULT_CIPHERS);
		m.list[SSH_PROP_MAC_CS + dir] = ssh_str_c(SSH_DEFAULT_MACS);
		m.list[SSH_PROP_COMP_CS + dir] = ssh_str_c(SSH_DEFAULT_COMP);
	}
	return m;
}

/* With the peer as client, both sides' views of one negotiation. */
static void check_agreed(const struct ssh_kexinit *peer)
{
	struct ssh_kexinit mine = ours();
	struct ssh_agreed a, b;
	int r = ssh_kexinit_negotiate(SSH_SERVER, &mine, peer, &a);

	if (ssh_kexinit_negotiate(SSH_CLIENT, peer, &mine, &b) != r)
		abort();
	if (r < 0)
		return;
	if (a.kex != b.kex || a.hostkey != b.hostkey || a.suite[0] != b.suite[0] ||
	    a.suite[1] != b.suite[1])
		abort();
	if (a.kex == NULL || a.hostkey == NULL || a.suite[0] == NULL || a.suite[1] == NULL ||
	    ssh_kex_is_marker(ssh_str_c(a.kex->name)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[SSH_KEXINIT_MAX];
	struct ssh_kexinit m;
	struct ssh_wr w;

	if (ssh_kexinit_parse(data, size, &m) < 0)
		return 0;
	check_names(&m);
	ssh_wr_init(&w, again, sizeof(again));
	ssh_kexinit_build(&w, &m);
	/* A boolean may be any byte but 0 and is written as 1, RFC 4251 section 5. */
	if (ssh_wr_done(&w) != size || memcmp(again, data, size - 5) != 0 ||
	    (again[size - 5] != 0) != (data[size - 5] != 0))
		abort();
	check_agreed(&m);
	return 0;
}
