/* control/rlimits.c - see rlimits.h. */
#include "control/rlimits.h"

#include <inttypes.h>
#include <sys/resource.h>

#include "control/helper/server.h"
#include "control/log.h"
#include "link/files.h"

/* Sockets, files and pipes of control itself, and of its hooks, operators and handlers. */
#define FILES_OTHER 256

/* Every secret is locked memory: what a user may lock by default is a few thousand logins. */
void rlimits_memory(void)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	struct rlimit now;

	if (setrlimit(RLIMIT_MEMLOCK, &all) == 0 || getrlimit(RLIMIT_MEMLOCK, &now) < 0)
		return;
	now.rlim_cur = now.rlim_max;
	(void)!setrlimit(RLIMIT_MEMLOCK, &now);
	if (now.rlim_cur != RLIM_INFINITY)
		log_line(LOG_L_INFO, "no more than %llu KiB of secrets can be locked in memory",
			 (unsigned long long)now.rlim_cur / 1024);
}

/* Who is on its way to a UNIX socket has two. */
void rlimits_files(const struct conf *conf)
{
	const uint32_t opens = conf_global(conf)->max_connecting;
	const uint64_t want = 2 * (uint64_t)opens + HELPER_CONNS_MAX + FILES_OTHER;
	const uint64_t have = link_files_raise();

	if (have < want)
		log_line(LOG_L_ERROR,
			 "no more than %" PRIu64 " descriptors can be open: MaxConnecting %" PRIu32
			 " and %d sessions may need %" PRIu64,
			 have, opens, HELPER_CONNS_MAX, want);
}
