/*
 * dataplane/eal.h - starts DPDK's environment from the configuration.
 *
 * With hugepages where there are enough (or the file requires them), else with ordinary memory; PCI
 * only when an Interface names a PCI address; no telemetry socket, no shared files.
 */
#ifndef SLUICE_DATAPLANE_EAL_H
#define SLUICE_DATAPLANE_EAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cgroup_memory;
struct conf_dataplane;

#define EAL_ARGS_MAX  64
#define EAL_BESIDE_MB 64 /* what a dataplane at rest has beside Memory, and some room to work */

struct eal_args {
	int argc;
	char *argv[EAL_ARGS_MAX];
	char store[4096]; /* what argv points into */
	size_t used;
	bool hugepages;
	bool bad; /* something did not fit */
};

/* Looks like 01:00.0 or 0000:01:00.0, with or without arguments behind a comma. */
bool eal_is_pci(const char *device);
/*
 * The arguments for this configuration on a machine with so much free in hugepages.
 * -ENOMEM when hugepages are required and do not suffice; -E2BIG.
 */
int eal_args_build(const struct conf_dataplane *conf, uint64_t hugepages_free_mb,
		   struct eal_args *ret, char *err, size_t err_size);
uint64_t eal_hugepages_free_mb(void);
/* Memory the kernel could give without swapping, in MiB. */
uint64_t eal_memory_available_mb(void);
/*
 * F-37, F-10: does it fit in what the machine has, and in what control groups allow (NULL: all)?
 * Hugepages were looked at before, and no group of memory counts them. -ENOMEM with err filled.
 */
int eal_memory_fits(const struct conf_dataplane *conf, bool hugepages, uint64_t available_mb,
		    const struct cgroup_memory *group, char *err, size_t err_size);
/*
 * F-37: too little memory is said in one line. 0, or -errno with err filled. EAL keeps pointers
 * into a: it lives as long as EAL does.
 */
int eal_start_for(const struct conf_dataplane *conf, struct eal_args *a, char *err,
		  size_t err_size);

#endif
