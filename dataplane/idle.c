/* dataplane/idle.c - see idle.h. */
#include "dataplane/idle.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define TIMER_SLACK_NS 5000 /* the default of 50 µs doubles the shortest nap */

int idle_init(struct idle *i, bool enabled)
{
	*i = (struct idle){.enabled = enabled, .nap_us = IDLE_NAP_MIN_US};
	i->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (i->epoll < 0)
		return -errno;
	return 0;
}

void idle_thread(void)
{
	prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
}

void idle_fini(struct idle *i)
{
	if (i->epoll >= 0)
		close(i->epoll);
	i->epoll = -1;
}

int idle_watch(struct idle *i, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.fd = fd};

	return epoll_ctl(i->epoll, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

bool idle_is_due(const struct idle *i, uint64_t now_us)
{
	if (!i->enabled)
		return false;
	/* Between naps one empty turn is enough to know. */
	return i->nap_us > IDLE_NAP_MIN_US || now_us - i->busy_us >= IDLE_SPIN_US;
}

bool idle_sleep(struct idle *i, uint64_t now_us, uint64_t until_us)
{
	uint64_t us = i->polled ? i->nap_us : IDLE_SLEEP_MAX_US;
	struct epoll_event ev[8];
	struct timespec ts;
	int n;

	if (until_us <= now_us)
		return false;
	if (until_us - now_us < us)
		us = until_us - now_us;
	ts = (struct timespec){.tv_sec = (time_t)(us / 1000000),
			       .tv_nsec = (long)(us % 1000000) * 1000};
	n = epoll_pwait2(i->epoll, ev, 8, &ts, NULL);
	if (n < 0 && errno == ENOSYS) /* Linux before 5.11: whole milliseconds */
		n = epoll_wait(i->epoll, ev, 8, us < 1000 ? 1 : (int)(us / 1000));
	i->nap_us = i->nap_us * 2 < IDLE_NAP_MAX_US ? i->nap_us * 2 : IDLE_NAP_MAX_US;
	return n != 0; /* a signal is something, too: a TAP's packets come with one */
}
