/* dataplane/eal.c - see eal.h. */
#include "dataplane/eal.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "conf/conf.h"
#include "dataplane/cgroup.h"

#define MIB           (UINT64_C(1) << 20)
#define HUGEPAGES_DIR "/sys/kernel/mm/hugepages"

bool eal_is_pci(const char *device)
{
	size_t n = strcspn(device, ",");
	unsigned int a, b, c, d;
	int used = 0;

	if (sscanf(device, "%4x:%2x:%2x.%1x%n", &a, &b, &c, &d, &used) == 4 && (size_t)used == n)
		return true;
	used = 0;
	return sscanf(device, "%2x:%2x.%1x%n", &a, &b, &c, &used) == 3 && (size_t)used == n;
}

static void add(struct eal_args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct eal_args *a, const char *fmt, ...)
{
	size_t room = sizeof(a->store) - a->used;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(a->store + a->used, room, fmt, ap);
	va_end(ap);
	/* One place is kept for the NULL behind the last. */
	if (n < 0 || (size_t)n >= room || a->argc + 1 >= EAL_ARGS_MAX) {
		a->bad = true;
		return;
	}
	a->argv[a->argc++] = a->store + a->used;
	a->argv[a->argc] = NULL;
	a->used += (size_t)n + 1;
}

/* An interface before this one has the device: VLANs. */
static bool is_repeated(const struct conf_dataplane *conf, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(conf->interfaces[k].device, conf->interfaces[i].device) == 0)
			return true;
	return false;
}

static void add_devices(struct eal_args *a, const struct conf_dataplane *conf)
{
	bool pci = false;

	for (size_t i = 0; i < conf->n_interfaces; i++) {
		if (!eal_is_pci(conf->interfaces[i].device) || is_repeated(conf, i))
			continue;
		add(a, "-a");
		add(a, "%s", conf->interfaces[i].device);
		pci = true;
	}
	/* Virtual devices are probed later, one by one, each with its own error. */
	if (!pci)
		add(a, "--no-pci");
}

/* The first one named is the main lcore, whatever its number. */
static void add_lcores(struct eal_args *a, const struct conf_lcores *l)
{
	char list[CONF_LCORES_MAX * 5];
	size_t at = 0;

	for (uint16_t i = 0; i < l->n; i++)
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%u", i > 0 ? "," : "",
				       l->id[i]);
	add(a, "-l");
	add(a, "%s", list);
	if (l->n > 1) {
		add(a, "--main-lcore");
		add(a, "%u", l->id[0]);
	}
}

int eal_args_build(const struct conf_dataplane *conf, uint64_t hugepages_free_mb,
		   struct eal_args *ret, char *err, size_t err_size)
{
	bool enough = hugepages_free_mb >= conf->memory_mb;

	if (conf->hugepages == CONF_HUGEPAGES_REQUIRE && !enough) {
		snprintf(err, err_size,
			 "Hugepages require: Memory %" PRIu32 "M, but %" PRIu64
			 " MiB of hugepages are free",
			 conf->memory_mb, hugepages_free_mb);
		return -ENOMEM;
	}
	*ret = (struct eal_args){.hugepages = enough && conf->hugepages != CONF_HUGEPAGES_NO};
	add(ret, "sluice-dataplane");
	add_lcores(ret, &conf->lcores); /* argv[1] and [2] */
	add(ret, "-m");
	add(ret, "%" PRIu32, conf->memory_mb);
	if (ret->hugepages) {
		add(ret, "--in-memory"); /* nothing of it is left behind */
	} else {
		add(ret, "--no-huge");
		add(ret, "--no-shconf");
	}
	add(ret, "--no-telemetry");
	add(ret, "--log-level=warning");
	add_devices(ret, conf);
	if (ret->bad) {
		snprintf(err, err_size, "too many or too long devices");
		return -E2BIG;
	}
	return 0;
}

static uint64_t read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	uint64_t v = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%" SCNu64, &v) != 1)
		v = 0;
	fclose(f);
	return v;
}

uint64_t eal_hugepages_free_mb(void)
{
	DIR *d = opendir(HUGEPAGES_DIR);
	struct dirent *e;
	uint64_t mb = 0;

	if (d == NULL)
		return 0;
	while ((e = readdir(d)) != NULL) {
		char path[512];
		uint64_t kb;

		if (sscanf(e->d_name, "hugepages-%" SCNu64 "kB", &kb) != 1)
			continue;
		snprintf(path, sizeof(path), HUGEPAGES_DIR "/%s/free_hugepages", e->d_name);
		mb += read_number(path) * kb / 1024;
	}
	closedir(d);
	return mb;
}

uint64_t eal_memory_available_mb(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	uint64_t kb = 0;
	char line[256];

	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "MemAvailable: %" SCNu64, &kb) == 1)
			break;
	fclose(f);
	return kb / 1024;
}

int eal_memory_fits(const struct conf_dataplane *conf, bool hugepages, uint64_t available_mb,
		    const struct cgroup_memory *group, char *err, size_t err_size)
{
	const uint64_t ordinary_mb = hugepages ? 0 : conf->memory_mb;
	uint64_t left_mb;

	if (available_mb < ordinary_mb) {
		snprintf(err, err_size,
			 "Memory %" PRIu32 "M: the machine has %" PRIu64 " MiB available",
			 conf->memory_mb, available_mb);
		return -ENOMEM;
	}
	left_mb = group != NULL ? cgroup_memory_left(group) / MIB : UINT64_MAX;
	if (left_mb < ordinary_mb + EAL_BESIDE_MB) {
		snprintf(err, err_size,
			 "Memory %" PRIu32 "M: %" PRIu64
			 " MiB of ordinary memory are needed, and the limit of this control group, "
			 "%" PRIu64 " MiB in %s, leaves %" PRIu64,
			 conf->memory_mb, ordinary_mb + EAL_BESIDE_MB, group->limit / MIB,
			 group->file, left_mb);
		return -ENOMEM;
	}
	return 0;
}

int eal_start_for(const struct conf_dataplane *conf, struct eal_args *a, char *err, size_t err_size)
{
	struct cgroup_memory group;
	bool limited = cgroup_memory_find("", &group) == 0;
	int r = eal_args_build(conf, eal_hugepages_free_mb(), a, err, err_size);

	if (r == 0)
		r = eal_memory_fits(conf, a->hugepages, eal_memory_available_mb(),
				    limited ? &group : NULL, err, err_size);
	if (r < 0)
		return r;
	if (rte_eal_init(a->argc, a->argv) < 0) {
		snprintf(err, err_size,
			 "DPDK does not start with Memory %" PRIu32 "M on Lcores %s: %s",
			 conf->memory_mb, a->argv[2], rte_strerror(rte_errno));
		return -EIO;
	}
	return 0;
}
