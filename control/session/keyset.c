#include "control/session/keyset.h"

#include <errno.h>

#include "control/count.h"
#include "control/signer/remote.h"

/* A call that is open is that of a connection which is gone: nobody waits for it. */
static void fini(struct keyset *s)
{
	signer_remote_close(s->remote);
	named_fini(s);
	signer_free(s->signer);
	host_certs_free(&s->certs);
	*s = (struct keyset){0};
}

int keyset_change(struct keysets *k, const struct keyset *next)
{
	uint8_t old = k->now, i = 0;

	while (i < KEYSETS_MAX && k->set[i].signer != NULL)
		i++;
	if (i == KEYSETS_MAX) {
		control_count(CONTROL_C_KEYSETS);
		return -EBUSY;
	}
	k->set[i] = *next;
	k->set[i].users = 0;
	k->now = i;
	if (old != i && k->set[old].users == 0)
		fini(&k->set[old]);
	return 0;
}

uint8_t keyset_hold(struct keysets *k)
{
	keyset_hold_more(k, k->now);
	return k->now;
}

void keyset_hold_more(struct keysets *k, uint8_t which)
{
	k->set[which].users++;
}

void keyset_release(struct keysets *k, uint8_t which)
{
	if (--k->set[which].users == 0 && which != k->now)
		fini(&k->set[which]);
}

void keysets_hang_up(struct keysets *k)
{
	for (unsigned int i = 0; i < KEYSETS_MAX; i++) {
		signer_remote_close(k->set[i].remote);
		k->set[i].remote = NULL;
	}
}

void keysets_fini(struct keysets *k)
{
	for (unsigned int i = 0; i < KEYSETS_MAX; i++)
		fini(&k->set[i]);
}
