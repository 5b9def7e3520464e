#include "control/own.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/log.h"

struct own {
	struct session_env *env;
	struct own_addrs addrs;
	int fd; /* the kernel's news */
	uv_poll_t news;
	struct timer again;
	uint64_t looked_ms;
};

/* --- as they are --------------------------------------------------------------------------------
 */

static bool addr_of(const struct sockaddr *sa, struct link_addr *ret)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;

	*ret = (struct link_addr){0};
	if (sa != NULL && sa->sa_family == AF_INET) {
		ret->family = 4;
		memcpy(ret->addr, &in->sin_addr, 4);
	} else if (sa != NULL && sa->sa_family == AF_INET6) {
		ret->family = 6;
		memcpy(ret->addr, &in6->sin6_addr, 16);
	}
	return ret->family != 0;
}

static size_t interfaces_copy(const struct conf_dataplane *d, struct link_addr *to)
{
	for (size_t i = 0; i < d->n_ifaddrs; i++) {
		to[i].family = d->ifaddrs[i].prefix.family;
		memcpy(to[i].addr, d->ifaddrs[i].prefix.addr, sizeof(to[i].addr));
	}
	return d->n_ifaddrs;
}

int own_addrs_read(const struct conf *conf, struct own_addrs *ret)
{
	const struct conf_dataplane *d = conf_dataplane(conf);
	size_t n = 0, room = d->n_ifaddrs;
	struct link_addr *addr;
	struct ifaddrs *all;

	if (getifaddrs(&all) < 0)
		return -errno;
	for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
		room++;
	addr = calloc(room + 1, sizeof(*addr));
	if (addr == NULL) {
		freeifaddrs(all);
		return -ENOMEM;
	}
	if (d->n_interfaces > 0)
		n = interfaces_copy(d, addr);
	*ret = (struct own_addrs){.addr = addr, .n = n};
	for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
		n += addr_of(i->ifa_addr, &addr[n]);
	freeifaddrs(all);
	if (d->n_interfaces > 0)
		ret->n_kernel = n - ret->n;
	else
		ret->n = n;
	return 0;
}

/* --- as they come and go ------------------------------------------------------------------------
 */

static bool are_equal(const struct own_addrs *a, const struct own_addrs *b)
{
	return a->n == b->n && a->n_kernel == b->n_kernel &&
	       memcmp(a->addr, b->addr, (a->n + a->n_kernel) * sizeof(*a->addr)) == 0;
}

/* In the place of what there was. */
static int look(struct own *o)
{
	struct session_env *env = o->env;
	struct own_addrs now;
	int r = own_addrs_read(env->conf, &now);

	o->looked_ms = env->now_ms();
	if (r < 0)
		return r;
	if (o->addrs.addr != NULL && are_equal(&o->addrs, &now)) {
		free(now.addr);
		return 0;
	}
	free(o->addrs.addr);
	o->addrs = now;
	env->own = now.addr;
	env->n_own = now.n;
	env->n_kernel = now.n_kernel;
	/* What shards may repeat was said of addresses that were others'. */
	session_tables_revoke(env);
	return 0;
}

static void look_at(struct own *o, uint64_t at_ms)
{
	if (timer_set(o->env->timers, &o->again, at_ms) < 0)
		log_line(LOG_L_ERROR, "no memory to look for addresses of this machine");
}

static void on_again(struct timer *t)
{
	struct own *o = (struct own *)(void *)((char *)t - offsetof(struct own, again));
	int r = look(o);

	if (r == 0)
		return;
	log_line(LOG_L_ERROR, "addresses of this machine cannot be read: %s", strerror(-r));
	look_at(o, o->looked_ms + OWN_AGAIN_MS);
}

/* What is said is not read: whatever was lost on the way, all of them are looked at. */
static void on_news(uv_poll_t *p, int status, int events)
{
	struct own *o = p->data;
	char buf[8192];

	(void)status;
	(void)events;
	while (recv(o->fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
		;
	if (o->env->now_ms() >= o->looked_ms + OWN_AGAIN_MS)
		on_again(&o->again);
	else if (!timer_armed(&o->again))
		look_at(o, o->looked_ms + OWN_AGAIN_MS);
}

static int news_open(void)
{
	const struct sockaddr_nl to = {.nl_family = AF_NETLINK,
				       .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE), err;

	if (fd >= 0 && bind(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

int own_new(uv_loop_t *loop, struct session_env *env, struct own **ret)
{
	struct own *o = calloc(1, sizeof(*o));
	int r;

	if (o == NULL)
		return -ENOMEM;
	*o = (struct own){.env = env, .again = {.fire = on_again}};
	o->news.data = o;
	/* First, so that nothing comes unseen between the two. */
	o->fd = news_open();
	r = o->fd < 0 ? o->fd : look(o);
	if (r == 0)
		r = uv_poll_init(loop, &o->news, o->fd);
	if (r < 0) {
		if (o->fd >= 0)
			close(o->fd);
		own_free(o);
		return r;
	}
	uv_poll_start(&o->news, UV_READABLE, on_news);
	*ret = o;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct own *o = h->data;

	close(o->fd);
}

void own_close(struct own *o)
{
	if (o == NULL)
		return;
	timer_cancel(o->env->timers, &o->again);
	uv_close((uv_handle_t *)&o->news, on_closed);
}

void own_free(struct own *o)
{
	if (o == NULL)
		return;
	o->env->own = NULL;
	o->env->n_own = o->env->n_kernel = 0;
	free(o->addrs.addr);
	free(o);
}
