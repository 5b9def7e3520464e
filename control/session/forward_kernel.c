/*
 * control/session/forward_kernel.c - listeners of clients in the gateway's own kernel: at loopback
 * addresses, and of a gateway without interfaces at any of its machine's.
 *
 * Control opens the sockets and passes them on, as it does with what it connects: they are the
 * shard's, who accepts there, so that they go on when control does not. A dataplane may open no
 * socket itself. Ports below 1024 are sluice-helper's to open (forward_helper.c).
 */
#include <errno.h>
#include <unistd.h>

#include "control/session/forward.h"

/* The link's socket and its ring are looked at by the same process: one waits for the other so. */
#define FDS_WAIT_MS 5000

struct listener_at forward_kernel_at(enum policy_where where, const struct link_addr *addr)
{
	struct listener_at at = {.kernel = true};

	at.n = (uint8_t)listen_places(where, addr, at.addr);
	return at;
}

int forward_fds_send(struct session *s, const int *fds, unsigned int n, struct link_forward *m)
{
	const struct session_link *link = &s->table->link;

	if (link->send_fds == NULL)
		return -EOPNOTSUPP;
	m->kind = 2;
	m->wait_ms = FDS_WAIT_MS;
	m->fds = ++s->table->env->last_token;
	return link->send_fds(link->arg, m->fds, fds, n);
}

int forward_kernel_open(struct listener *l, struct link_forward *m)
{
	int fd[LISTEN_MAX], n, r;

	n = listen_addrs(l->at.addr, l->at.n, &l->port, fd);
	if (n < 0)
		return n;
	/* What a channel is told of it: where it is at is the kernel's matter. */
	m->addr = (struct link_addr){.family = 4, .port = l->port};
	r = forward_fds_send(l->session, fd, (unsigned int)n, m);
	while (n > 0)
		close(fd[--n]);
	return r;
}
