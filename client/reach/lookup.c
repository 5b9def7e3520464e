#include "client/reach/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct lookup {
	atomic_int refs; /* the caller's and the thread's */
	atomic_bool done;
	int fd, family;
	uint16_t port;
	int gai;
	unsigned int n;
	struct race_addr addr[RACE_ADDRS_MAX];
	bool named; /* what it is called is asked for, and not where it is */
	char name[NI_MAXHOST];
	char host[];
};

static void put(struct lookup *l)
{
	if (atomic_fetch_sub(&l->refs, 1) > 1)
		return;
	close(l->fd);
	free(l);
}

static void port_set(struct race_addr *a, uint16_t port)
{
	if (a->sa.ss_family == AF_INET)
		((struct sockaddr_in *)&a->sa)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)&a->sa)->sin6_port = htons(port);
}

static int ask(const char *host, int family, int flags, uint16_t port,
	       struct race_addr ret[RACE_ADDRS_MAX], unsigned int *ret_n)
{
	const struct addrinfo hints = {
		.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = flags};
	struct addrinfo *list = NULL;
	unsigned int n = 0;
	int r = getaddrinfo(host, NULL, &hints, &list);

	if (r != 0)
		return r;
	for (struct addrinfo *i = list; i != NULL && n < RACE_ADDRS_MAX; i = i->ai_next) {
		if (i->ai_family != family || i->ai_addrlen > sizeof(ret[n].sa))
			continue;
		memset(&ret[n], 0, sizeof(ret[n]));
		memcpy(&ret[n].sa, i->ai_addr, i->ai_addrlen);
		ret[n].len = i->ai_addrlen;
		port_set(&ret[n++], port);
	}
	freeaddrinfo(list);
	*ret_n = n;
	return 0;
}

int lookup_numeric(const char *host, int family, uint16_t port, struct race_addr *ret)
{
	struct race_addr v[RACE_ADDRS_MAX];
	unsigned int n = 0;

	if (ask(host, family, AI_NUMERICHOST, port, v, &n) != 0 || n == 0)
		return -EINVAL;
	*ret = v[0];
	return 0;
}

static int ask_name(const char *host, int family, char ret[NI_MAXHOST])
{
	const struct addrinfo hints = {
		.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_CANONNAME};
	struct addrinfo *list = NULL;
	int r = getaddrinfo(host, NULL, &hints, &list);

	if (r != 0)
		return r;
	if (list->ai_canonname != NULL && strlen(list->ai_canonname) < NI_MAXHOST)
		strcpy(ret, list->ai_canonname);
	freeaddrinfo(list);
	return 0;
}

static void *run(void *arg)
{
	const uint64_t one = 1;
	struct lookup *l = arg;

	l->gai = l->named ? ask_name(l->host, l->family, l->name)
			  : ask(l->host, l->family, 0, l->port, l->addr, &l->n);
	atomic_store(&l->done, true);
	if (write(l->fd, &one, sizeof(one)) < 0) {
		/* A counter of one write cannot be full. */
	}
	put(l);
	return NULL;
}

/* The thread takes no signal of the program it is in. */
static int run_aside(struct lookup *l)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int r = pthread_attr_init(&attr);

	if (r != 0)
		return -r;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	atomic_fetch_add(&l->refs, 1);
	r = pthread_create(&thread, &attr, run, l);
	if (r != 0)
		atomic_fetch_sub(&l->refs, 1);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return -r;
}

static int begin(const char *host, int family, uint16_t port, bool named, struct lookup **ret)
{
	struct lookup *l = calloc(1, sizeof(*l) + strlen(host) + 1);
	int r;

	if (l == NULL)
		return -ENOMEM;
	l->refs = 1;
	l->family = family;
	l->port = port;
	l->named = named;
	strcpy(l->host, host);
	l->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->fd < 0) {
		r = -errno;
		free(l);
		return r;
	}
	r = run_aside(l);
	if (r < 0)
		put(l);
	else
		*ret = l;
	return r;
}

int lookup_new(const char *host, int family, uint16_t port, struct lookup **ret)
{
	return begin(host, family, port, false, ret);
}

int lookup_name_new(const char *host, int family, struct lookup **ret)
{
	return begin(host, family, 0, true, ret);
}

const char *lookup_name(const struct lookup *l)
{
	return l->name;
}

int lookup_fd(const struct lookup *l)
{
	return l->fd;
}

int lookup_result(const struct lookup *l, struct race_addr ret[RACE_ADDRS_MAX], unsigned int *ret_n)
{
	if (!atomic_load(&l->done))
		return LOOKUP_WAIT;
	if (l->gai == 0) {
		memcpy(ret, l->addr, l->n * sizeof(*ret));
		*ret_n = l->n;
	}
	return l->gai;
}

void lookup_free(struct lookup *l)
{
	if (l != NULL)
		put(l);
}
