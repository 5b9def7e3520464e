/* dataplane/eal.c: what DPDK is started with. */
#include <criterion/criterion.h>
#include <errno.h>

#include "conf/conf.h"
#include "dataplane/cgroup.h"
#include "dataplane/eal.h"

static const struct {
	const char *device;
	bool pci;
} devices[] = {
	{"0000:01:00.0", true},
	{"01:00.0", true},
	{"ffff:ff:1f.7", true},
	{"0000:01:00.0,arg=1", true},
	{"net_tap0", false},
	{"net_tap0,iface=01:00.0", false},
	{"0000:01:00.0x", false},
	{"0000:01:00", false},
	{"", false},
	{",", false},
	{"net_af_packet0,iface=eth0", false},
};

Test(eal_args, pci_addresses_are_told_from_names)
{
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		cr_expect_eq(eal_is_pci(devices[i].device), devices[i].pci, "%s",
			     devices[i].device);
}

static bool has(const struct eal_args *a, const char *arg)
{
	for (int i = 0; i < a->argc; i++)
		if (strcmp(a->argv[i], arg) == 0)
			return true;
	return false;
}

static struct conf_dataplane conf_of(enum conf_hugepages h)
{
	return (struct conf_dataplane){.lcores = {1, {1}}, .memory_mb = 512, .hugepages = h};
}

static const struct {
	enum conf_hugepages conf;
	uint64_t free_mb;
	int r;
	bool used;
} pages[] = {
	{CONF_HUGEPAGES_AUTO, 0, 0, false},          {CONF_HUGEPAGES_AUTO, 511, 0, false},
	{CONF_HUGEPAGES_AUTO, 512, 0, true},         {CONF_HUGEPAGES_NO, 4096, 0, false},
	{CONF_HUGEPAGES_REQUIRE, 512, 0, true},      {CONF_HUGEPAGES_REQUIRE, 511, -ENOMEM, false},
	{CONF_HUGEPAGES_REQUIRE, 0, -ENOMEM, false},
};

Test(eal_args, hugepages_are_used_when_they_suffice)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		struct conf_dataplane c = conf_of(pages[i].conf);
		struct eal_args a = {0};
		char err[256] = "";

		cr_expect_eq(eal_args_build(&c, pages[i].free_mb, &a, err, sizeof(err)), pages[i].r,
			     "case %zu", i);
		if (pages[i].r < 0) {
			cr_expect_neq(strstr(err, "hugepages"), NULL);
			continue;
		}
		cr_expect_eq(a.hugepages, pages[i].used, "case %zu", i);
		cr_expect_eq(has(&a, "--in-memory"), pages[i].used, "case %zu", i);
		cr_expect_eq(has(&a, "--no-huge"), !pages[i].used, "case %zu", i);
		cr_expect(has(&a, "--no-telemetry") && has(&a, "512") && has(&a, "1"));
		cr_expect_null(a.argv[a.argc]);
	}
}

Test(eal_args, the_first_lcore_named_is_the_main_one)
{
	struct conf_dataplane c = conf_of(CONF_HUGEPAGES_AUTO);
	struct eal_args a;
	char err[256];

	c.lcores = (struct conf_lcores){3, {5, 0, 2}};
	cr_assert_eq(eal_args_build(&c, 0, &a, err, sizeof(err)), 0);
	cr_expect(has(&a, "5,0,2"));
	cr_expect(has(&a, "--main-lcore") && has(&a, "5"));
}

Test(eal_args, pci_is_looked_at_only_when_asked_for)
{
	const struct conf_interface tap = {.name = "a", .device = "net_tap0,iface=x"};
	const struct conf_interface pci = {.name = "b", .device = "0000:01:00.0", .vlan = 1};
	const struct conf_interface both[] = {tap, pci, pci};
	struct conf_dataplane c = conf_of(CONF_HUGEPAGES_AUTO);
	struct eal_args a;
	char err[256];
	int n;

	c.interfaces = both;
	c.n_interfaces = 1;
	cr_assert_eq(eal_args_build(&c, 0, &a, err, sizeof(err)), 0);
	cr_expect(has(&a, "--no-pci"));
	cr_expect_not(has(&a, "net_tap0,iface=x"), "probed later");
	c.n_interfaces = 2;
	cr_assert_eq(eal_args_build(&c, 0, &a, err, sizeof(err)), 0);
	cr_expect_not(has(&a, "--no-pci"));
	cr_expect(has(&a, "0000:01:00.0"));
	n = a.argc;
	c.n_interfaces = 3; /* another VLAN of the same device */
	cr_assert_eq(eal_args_build(&c, 0, &a, err, sizeof(err)), 0);
	cr_expect_eq(a.argc, n, "a device is named once");
}

Test(eal_args, what_does_not_fit_is_refused)
{
	static struct conf_interface many[EAL_ARGS_MAX];
	static char device[EAL_ARGS_MAX][16];
	struct conf_dataplane c = conf_of(CONF_HUGEPAGES_AUTO);
	struct eal_args a;
	char err[256];

	for (int i = 0; i < EAL_ARGS_MAX; i++) {
		snprintf(device[i], sizeof(device[i]), "0000:%02x:00.0", (unsigned int)i & 0xff);
		many[i] = (struct conf_interface){.name = "x", .device = device[i]};
	}
	c.interfaces = many;
	c.n_interfaces = EAL_ARGS_MAX;
	cr_expect_eq(eal_args_build(&c, 0, &a, err, sizeof(err)), -E2BIG);
}

static const struct {
	uint32_t memory_mb;
	bool hugepages;
	uint64_t available_mb, limit_mb, used_mb; /* 0: no limit */
	const char *why;                          /* NULL: it fits */
} fits[] = {
	{512, false, 512, 0, 0, NULL},
	{512, false, 511, 0, 0, "machine has 511 MiB"},
	{512, true, 100, 0, 0, NULL},
	{512, false, 4096, 512 + EAL_BESIDE_MB, 0, NULL},
	{512, false, 4096, 512 + EAL_BESIDE_MB, 1, "memory.max, leaves 575"},
	{512, false, 4096, 512, 0, "576 MiB of ordinary memory"},
	{512, true, 4096, EAL_BESIDE_MB, 0, NULL},
	{512, true, 4096, EAL_BESIDE_MB - 1, 0, "Memory 512M: 64 MiB"},
	{512, false, 4096, 1024, 2048, "1024 MiB in /x/memory.max, leaves 0"},
};

Test(eal_args, f10_memory_is_what_the_machine_and_its_groups_have)
{
	for (size_t i = 0; i < sizeof(fits) / sizeof(fits[0]); i++) {
		struct conf_dataplane c = conf_of(CONF_HUGEPAGES_AUTO);
		struct cgroup_memory group = {.limit = fits[i].limit_mb << 20,
					      .used = fits[i].used_mb << 20,
					      .file = "/x/memory.max"};
		char err[512] = "";

		c.memory_mb = fits[i].memory_mb;
		cr_expect_eq(eal_memory_fits(&c, fits[i].hugepages, fits[i].available_mb,
					     fits[i].limit_mb != 0 ? &group : NULL, err,
					     sizeof(err)),
			     fits[i].why == NULL ? 0 : -ENOMEM, "case %zu", i);
		if (fits[i].why != NULL)
			cr_expect_not_null(strstr(err, fits[i].why), "case %zu: %s", i, err);
	}
}
