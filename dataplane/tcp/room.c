/*
 * dataplane/tcp/room.c - connections that wait for room in a port's list of packets.
 *
 * They stand in line, each port's own, and nothing looks at them until there is room: thousands
 * that tried again by a timer would cost more than what they have to send, and who tries when there
 * happens to be room is not who waited longest. Who comes to the head sends what its windows allow,
 * in one burst as far as the port takes it; what it acknowledges goes without waiting.
 */
#include "dataplane/tcp/internal.h"

void tcp_room_wait(struct tcp_conn *c)
{
	tcp_list_add(c, TCP_L_ROOM);
}

bool tcp_room_is_others(const struct tcp_conn *c)
{
	return c->t->room[c->path.iface].head != 0;
}

unsigned int tcp_room_run(struct tcp *t, uint64_t now_us)
{
	unsigned int work = 0;

	for (unsigned int i = 0; i < NET_IFACES_MAX; i++) {
		struct tcp_list *l = &t->room[i];

		for (; l->head != 0 && net_tx_room(t->conf.net, i) > 0; work++) {
			struct tcp_conn *c = tcp_at(t, l->head);

			tcp_list_remove(c, TCP_L_ROOM);
			tcp_conn_output(c, true, now_us);
		}
	}
	return work;
}

bool tcp_room_is_there(const struct tcp *t)
{
	for (unsigned int i = 0; i < NET_IFACES_MAX; i++)
		if (t->room[i].head != 0 && net_tx_room(t->conf.net, i) > 0)
			return true;
	return false;
}
