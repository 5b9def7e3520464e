/* dataplane/tcp/list.c - lists of connections by index: who waits for buffers, who holds some. */
#include "dataplane/tcp/internal.h"

static struct tcp_list *list_of(struct tcp_conn *c, enum tcp_list_kind k)
{
	return k == TCP_L_ROOM ? &c->t->room[c->path.iface] : &c->t->mem.list[k];
}

struct tcp_conn *tcp_list_first(const struct tcp *t, enum tcp_list_kind k)
{
	return tcp_at(t, t->mem.list[k].head);
}

struct tcp_conn *tcp_list_next(const struct tcp_conn *c, enum tcp_list_kind k)
{
	return tcp_at(c->t, c->link[k].next);
}

/* Between two neighbours, either of which may be an end (0). */
static void insert(struct tcp_conn *c, enum tcp_list_kind k, uint32_t prev, uint32_t next)
{
	struct tcp_list *l = list_of(c, k);
	uint32_t self = tcp_index(c);

	c->link[k] = (struct tcp_link){.next = next, .prev = prev};
	*(prev != 0 ? &tcp_at(c->t, prev)->link[k].next : &l->head) = self;
	*(next != 0 ? &tcp_at(c->t, next)->link[k].prev : &l->tail) = self;
	c->on_list |= (uint8_t)(1u << k);
}

void tcp_list_add(struct tcp_conn *c, enum tcp_list_kind k)
{
	if (!tcp_listed(c, k))
		insert(c, k, list_of(c, k)->tail, 0);
}

void tcp_list_add_first(struct tcp_conn *c, enum tcp_list_kind k)
{
	if (!tcp_listed(c, k))
		insert(c, k, 0, list_of(c, k)->head);
}

void tcp_list_remove(struct tcp_conn *c, enum tcp_list_kind k)
{
	struct tcp_list *l = list_of(c, k);
	struct tcp_link at = c->link[k];

	if (!tcp_listed(c, k))
		return;
	*(at.prev != 0 ? &tcp_at(c->t, at.prev)->link[k].next : &l->head) = at.next;
	*(at.next != 0 ? &tcp_at(c->t, at.next)->link[k].prev : &l->tail) = at.prev;
	c->on_list &= (uint8_t) ~(1u << k);
}
