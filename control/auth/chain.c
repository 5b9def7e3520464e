#include "control/auth/chain.h"

#include <string.h>

#include "ssh/brain.h"

#define OUT UINT8_MAX /* in next: this list can not be gone through */

/* One method of a list; views. */
struct link {
	unsigned int method; /* SSH_AUTH_*; 0: one this build does not know */
	const char *device;  /* NULL: none is named */
	size_t device_len;
};

/* The n-th, from 0. False: there are not so many. */
static bool link_at(const char *list, unsigned int n, struct link *ret)
{
	size_t len, name_len;
	const char *colon;

	for (; n > 0; n--) {
		list = strchr(list, ',');
		if (list == NULL)
			return false;
		list++;
	}
	len = strcspn(list, ",");
	colon = memchr(list, ':', len);
	name_len = colon != NULL ? (size_t)(colon - list) : len;
	ret->method =
		ssh_auth_method_find((struct ssh_str){(const uint8_t *)list, (uint32_t)name_len});
	ret->device = colon != NULL ? colon + 1 : NULL;
	ret->device_len = colon != NULL ? len - name_len - 1 : 0;
	return true;
}

/* What the i-th list awaits. False: it is out. */
static bool awaited(const struct chain *c, size_t i, struct link *ret)
{
	return c->next[i] != OUT && link_at(c->lists.v[i], c->next[i], ret);
}

static bool possible(const char *list, unsigned int enabled)
{
	struct link l;

	for (unsigned int n = 0; link_at(list, n, &l); n++)
		if (!(l.method & enabled))
			return false;
	return true;
}

void chain_begin(struct chain *c, const struct conf_strs *lists, unsigned int enabled)
{
	c->lists = *lists;
	c->enabled = enabled;
	if (c->lists.n > CONF_CHAINS_MAX) /* conf takes no more */
		c->lists.n = CONF_CHAINS_MAX;
	for (size_t i = 0; i < c->lists.n; i++)
		c->next[i] = possible(lists->v[i], enabled) ? 0 : OUT;
}

unsigned int chain_methods(const struct chain *c)
{
	unsigned int methods = 0;
	struct link l;

	if (c->lists.n == 0)
		return c->enabled;
	for (size_t i = 0; i < c->lists.n; i++)
		if (awaited(c, i, &l))
			methods |= l.method;
	return methods;
}

const char *chain_device(const struct chain *c, size_t *ret_len)
{
	struct link l;

	for (size_t i = 0; i < c->lists.n; i++) {
		if (awaited(c, i, &l) && l.method == SSH_AUTH_KBDINT) {
			*ret_len = l.device_len;
			return l.device;
		}
	}
	*ret_len = 0;
	return NULL;
}

static bool link_is(const struct link *l, unsigned int method, const char *device)
{
	if (l->method != method)
		return false;
	if (l->device == NULL)
		return true;
	return device != NULL && strlen(device) == l->device_len &&
	       memcmp(device, l->device, l->device_len) == 0;
}

enum chain_result chain_step(struct chain *c, unsigned int method, const char *device)
{
	enum chain_result r = CHAIN_NO;
	struct link l;

	if (c->lists.n == 0)
		return method & c->enabled ? CHAIN_DONE : CHAIN_NO;
	for (size_t i = 0; i < c->lists.n; i++) {
		if (!awaited(c, i, &l) || !link_is(&l, method, device))
			continue;
		if (r == CHAIN_NO)
			r = CHAIN_MORE;
		c->next[i]++;
		if (!link_at(c->lists.v[i], c->next[i], &l))
			r = CHAIN_DONE;
	}
	return r;
}
