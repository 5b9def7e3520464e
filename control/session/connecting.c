/* control/session/connecting.c - see connecting.h. */
#include "control/session/connecting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct connecting_user {
	struct connecting_user *next;
	uint32_t n, chain;
	char name[];
};

/* Those who have logged in: a stranger chooses no name here, and a chain is never longer than max.
 */
static uint32_t chain_of(const char *user)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (const char *p = user; *p != '\0'; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	return h % CONNECTING_CHAINS;
}

static struct connecting_user *user_new(struct connecting *c, const char *user, uint32_t chain)
{
	size_t len = strlen(user) + 1;
	struct connecting_user *u = malloc(sizeof(*u) + len);

	if (u == NULL)
		return NULL;
	*u = (struct connecting_user){.next = c->chain[chain], .chain = chain};
	memcpy(u->name, user, len);
	c->chain[chain] = u;
	return u;
}

int connecting_enter(struct connecting *c, const char *user, uint32_t per_user, uint32_t max,
		     struct connecting_user **ret)
{
	uint32_t chain = chain_of(user);
	struct connecting_user *u = c->chain[chain];

	while (u != NULL && strcmp(u->name, user) != 0)
		u = u->next;
	if ((u != NULL ? u->n : 0) >= per_user)
		return -EUSERS;
	if (c->n >= max)
		return -EBUSY;
	if (u == NULL)
		u = user_new(c, user, chain);
	if (u == NULL)
		return -ENOMEM;
	most_up(&c->of_user, ++u->n);
	c->n++;
	*ret = u;
	return 0;
}

void connecting_leave(struct connecting *c, struct connecting_user *u)
{
	struct connecting_user **at = &c->chain[u->chain];

	c->n--;
	most_down(&c->of_user, --u->n);
	if (u->n > 0)
		return;
	while (*at != u)
		at = &(*at)->next;
	*at = u->next;
	free(u);
}
