/* link/files.c - see files.h. */
#include "link/files.h"

#include <sys/resource.h>

uint64_t link_files_raise(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return 0;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0 && getrlimit(RLIMIT_NOFILE, &files) < 0)
		return 0;
	return files.rlim_cur;
}
