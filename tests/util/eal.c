/* tests/util/eal.c - see eal.h. */
#include "tests/util/eal.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_eal.h>

/*
 * Before EAL loads every driver of the machine, which takes longer than most tests, it asks
 * whether its own library is loaded, as it is in a program that has drivers in libraries at all.
 * Here the answer is no, and the drivers are those eal_start() names.
 */
void *dlopen(const char *file, int mode)
{
	static void *(*next)(const char *, int);

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "dlopen");
	if (file != NULL && (mode & RTLD_NOLOAD) != 0 && strncmp(file, "librte_eal.so", 13) == 0)
		return NULL;
	return next(file, mode);
}

/*
 * EAL starts in every test anew. What takes it long is made short as long as it starts; the code
 * under test finds the machine as it is.
 */
static bool starting;

static bool begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/*
 * It asks of 128 processors whether they are there, and of each which of 32 nodes has it. There is
 * one (-l 0), in none.
 */
int access(const char *path, int mode)
{
	if (starting && (begins(path, "/sys/devices/system/node/") ||
			 (begins(path, "/sys/devices/system/cpu/cpu") &&
			  !begins(path, "/sys/devices/system/cpu/cpu0/")))) {
		errno = ENOENT;
		return -1;
	}
	return faccessat(AT_FDCWD, path, mode, 0);
}

/* Without a file its memory is the process's own, whose pages cost less. */
int memfd_create(const char *name, unsigned int flags)
{
	if (starting) {
		errno = ENOSYS;
		return -1;
	}
	return (int)syscall(SYS_memfd_create, name, flags);
}

void eal_start(const char *mb)
{
	const char *const args[] = {"test",
				    "--no-huge",
				    "-m",
				    mb,
				    "--no-pci",
				    "--no-shconf",
				    "--no-telemetry",
				    "-l",
				    "0",
				    "--log-level=error",
				    "-d",
				    "librte_mempool_ring.so",
				    "-d",
				    "librte_mempool_stack.so",
				    "-d",
				    "librte_net_ring.so",
				    "-d",
				    "librte_net_tap.so",
				    NULL};
	char *argv[sizeof(args) / sizeof(args[0])];

	memcpy(argv, args, sizeof(args));
	/* Only where the caller has none: EAL wants a writable run-time directory. */
	setenv("XDG_RUNTIME_DIR", "/tmp", 0);
	starting = true;
	if (rte_eal_init((int)(sizeof(args) / sizeof(args[0])) - 1, argv) < 0) {
		fprintf(stderr, "EAL does not start\n");
		exit(2);
	}
	starting = false;
}
