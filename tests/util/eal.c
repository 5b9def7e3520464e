/* tests/util/eal.c - see eal.h. */
#include "tests/util/eal.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	if (rte_eal_init((int)(sizeof(args) / sizeof(args[0])) - 1, argv) < 0) {
		fprintf(stderr, "EAL does not start\n");
		exit(2);
	}
}
