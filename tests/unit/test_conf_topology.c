/* conf: interfaces, routes and listeners of a configuration. */
#include "conf_bench.h"

Test(conf_topology, topology)
{
	struct conf *conf = parse(TWO_PORTS "Route default via 198.18.0.1\n"
					    "Route 10.0.0.0/8 via 198.19.0.1\n");
	const struct conf_dataplane *d = conf_dataplane(conf);
	char text[CONF_ADDR_TEXT];

	cr_assert_eq(d->n_interfaces, 2);
	cr_expect_str_eq(d->interfaces[0].name, "out");
	cr_expect_str_eq(d->interfaces[0].device, "net_tap0,iface=sl0");
	cr_expect_str_eq(d->interfaces[1].device, "net_af_packet0,iface=v 1");
	cr_assert_eq(d->n_ifaddrs, 2);
	cr_expect_eq(d->ifaddrs[1].interface, 1);
	cr_expect_str_eq(conf_prefix_text(&d->ifaddrs[1].prefix, text), "198.19.0.2/24");
	cr_assert_eq(d->n_routes, 2);
	cr_expect_eq(d->routes[0].prefix.len, 0);
	cr_expect_eq(d->routes[0].interface, 0);
	cr_expect_eq(d->routes[1].interface, 1);
	cr_expect_str_eq(conf_addr_text(&d->routes[1].via, text), "198.19.0.1");
	conf_put(conf);
}

Test(conf_topology, interfaces_may_share_a_device_by_vlan)
{
	struct conf *conf = parse("Interface a net_tap0\nInterface b net_tap0 vlan=4094 mtu=9000\n"
				  "Interface c net_tap0 MTU=576 VLAN=1\n");
	const struct conf_dataplane *d = conf_dataplane(conf);
	char *dump = NULL;
	size_t n;
	FILE *f = open_memstream(&dump, &n);

	cr_assert_eq(d->n_interfaces, 3);
	cr_expect(d->interfaces[0].vlan == 0 && d->interfaces[0].mtu == 0);
	cr_expect(d->interfaces[1].vlan == 4094 && d->interfaces[1].mtu == 9000);
	cr_expect(d->interfaces[2].vlan == 1 && d->interfaces[2].mtu == 576);
	cr_assert_eq(conf_dump(conf, NULL, f), 0);
	fclose(f);
	cr_expect_neq(strstr(dump, "interface a net_tap0\n"), NULL);
	cr_expect_neq(strstr(dump, "interface b net_tap0 vlan=4094 mtu=9000\n"), NULL);
	free(dump);
	conf_put(conf);
}

Test(conf_topology, topology_refusals)
{
	static const char *const lines[] = {
		"Interface out net_tap9",
		"Interface third net_tap0,iface=sl0",
		"Interface third net_tap0,iface=sl0 mtu=1400",
		"Interface third net_tap0,iface=sl0 vlan=7\nInterface fourth net_tap0,iface=sl0 "
		"vlan=7",
		"InterfaceAddress out 198.18.0.2/24",
		"InterfaceAddress out 198.18.0.9",
		"InterfaceAddress out 198.18.0.9/33",
		"InterfaceAddress out 127.0.0.1/8",
		"InterfaceAddress out 224.0.0.1/8",
		"InterfaceAddress out 0.0.0.0/8",
		"InterfaceAddress out fd00::1",
		"InterfaceAddress out fd00::1/129",
		"InterfaceAddress out fd00::/64",
		"InterfaceAddress out ::1/128",
		"InterfaceAddress out ff02::5/64",
		"InterfaceAddress out ::ffff:198.18.0.9/120",
		"InterfaceAddress out fe80::1/10",
		"InterfaceAddress out fe90::1/64",
		"InterfaceAddress out fe80::1%out/64",
		"InterfaceAddress out fd00::1/64\nInterfaceAddress in fd00::1/64",
		"Route fd01::/48 via fd00::2",
		"InterfaceAddress out fd00::1/64\nRoute fd01::/48 via fd00::1",
		"InterfaceAddress out fd00::1/64\nRoute fd01::/48 via 198.18.0.1",
		"InterfaceAddress out fd00::1/64\nRoute 10.0.0.0/8 via fd00::2",
		"InterfaceAddress out fd00::1/64\nRoute fd01::1/48 via fd00::2",
		"InterfaceAddress out fd00::1/64\nRoute default via fe80::1",
		"InterfaceAddress out fd00::1/64\nRoute default via fe80::1%in",
		"InterfaceAddress out fd00::1/64\nRoute default via fe80::1%no",
		"InterfaceAddress out fd00::1/64\nRoute default via fd00::2%out",
		"InterfaceAddress out fd00::1/64\nRoute default via fd00::2\nRoute ::/0 via "
		"fd00::3",
		"Route 10.0.0.0/8 via 192.0.2.1",
		"Route 10.0.0.0/8 via 198.18.0.2",
		"Route default via 198.18.0.1\nRoute 0.0.0.0/0 via 198.18.0.3",
		"ListenAddress 192.0.2.1",
		"ListenAddress 198.18.0.1",
		"ListenAddress 198.18.0.2:65536",
		"ListenAddress 198.18.0.2:",
		"ListenAddress 198.18.0.2:0\nListenAddress 198.18.0.2:0",
		"ListenAddress 198.18.0.2\nListenAddress 198.18.0.2",
		"ListenAddress 198.18.0.2:7\nListenExclusive yes\nListenAddress 0.0.0.0:7",
		"AddressFamily inet6\nListenAddress 198.18.0.2",
		"AddressFamily inet6\nListenAddress 0.0.0.0",
		"ListenAddress ::",
		"ListenAddress 198.18.0.2 rdomain vrf1",
		"ListenAddress [fd00::1]:22",
		"InterfaceAddress out fe80::9/64\nListenAddress fe80::9",
		"InterfaceAddress out fe80::9/64\nListenAddress fe80::9%in",
		"InterfaceAddress out fd00::1/64\nListenExclusive yes\nListenAddress "
		"::\nListenAddress fd00::1",
	};

	for (size_t i = 0; i < NELEM(lines); i++) {
		char text[512];

		snprintf(text, sizeof(text), "%s%s\n", TWO_PORTS, lines[i]);
		free(refuse(text, strlen(text)));
	}
}

static const struct {
	const char *lines, *listens;
} listeners[] = {
	{"", "198.18.0.2:22/0 198.19.0.2:22/1 "},
	{"Port 2222\n", "198.18.0.2:2222/0 198.19.0.2:2222/1 "},
	{"ListenAddress 198.18.0.2\n", "198.18.0.2:22/0 "},
	{"ListenAddress 198.18.0.2\nPort 1\nPort 2\nPort 1\n", "198.18.0.2:1/0 198.18.0.2:2/0 "},
	{"ListenAddress 198.18.0.2:9\nListenAddress 198.19.0.2\n",
	 "198.18.0.2:9/0 198.19.0.2:22/1 "},
	{"ListenExclusive no\nListenAddress 198.18.0.2:9\nListenAddress 198.18.0.2:9\n",
	 "198.18.0.2:9/0 "},
	{"ListenAddress 0.0.0.0\nListenAddress 198.18.0.2\nListenExclusive no\n",
	 "198.18.0.2:22/0 198.19.0.2:22/1 "},
	{"Port 0\n", "198.18.0.2:0/0 198.19.0.2:0/1 "},
	{"Port 0\nPort 9\nListenAddress 198.18.0.2\n", "198.18.0.2:0/0 198.18.0.2:9/0 "},
	{"ListenAddress 198.18.0.2:0\nListenAddress 198.18.0.2:9\n",
	 "198.18.0.2:0/0 198.18.0.2:9/0 "},
	{"InterfaceAddress out fd00::1/64\nListenAddress [::]:0\nListenAddress [fd00::1]:0\n",
	 "[::]:0/-1 [fd00::1]:0/0 "},
	{"AddressFamily inet\n", "198.18.0.2:22/0 198.19.0.2:22/1 "},
	{"AddressFamily inet6\n", ""},
	{"ListenAddress 0.0.0.0:7\n", "198.18.0.2:7/0 198.19.0.2:7/1 "},
	{"InterfaceAddress out fd00::1/64\n", "198.18.0.2:22/0 198.19.0.2:22/1 [::]:22/-1 "},
	{"InterfaceAddress out fd00::1/64\nAddressFamily inet\n",
	 "198.18.0.2:22/0 198.19.0.2:22/1 "},
	{"InterfaceAddress out fd00::1/64\nAddressFamily inet6\n", "[::]:22/-1 "},
	{"InterfaceAddress out fd00::1/64\nListenAddress ::\n", "[::]:22/-1 "},
	{"InterfaceAddress in fd00::1/64\nListenAddress [fd00::1]:9\n", "[fd00::1]:9/1 "},
	{"InterfaceAddress in fe80::9/64\nInterfaceAddress out fe80::9/64\n"
	 "ListenAddress [fe80::9%in]:9\nListenAddress fe80::9%out\n",
	 "[fe80::9]:9/1 [fe80::9]:22/0 "},
};

static void listens_text(const struct conf_global *g, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < g->n_listens; i++) {
		char text[CONF_ADDR_TEXT];

		n += (size_t)snprintf(buf + n, size - n, "%s/%d ",
				      conf_endpoint_text(&g->listens[i].addr, text),
				      g->listens[i].interface);
	}
}

Test(conf_topology, listeners)
{
	for (size_t i = 0; i < NELEM(listeners); i++) {
		char text[512], got[512];
		struct conf *conf;

		snprintf(text, sizeof(text), "%s%s", TWO_PORTS, listeners[i].lines);
		conf = parse(text);
		listens_text(conf_global(conf), got, sizeof(got));
		cr_expect_str_eq(got, listeners[i].listens, "%s: %s", listeners[i].lines, got);
		conf_put(conf);
	}
}

Test(conf_topology, listeners_without_interfaces)
{
	struct conf *conf = parse("ListenAddress [::1]:2200\nListenAddress 127.0.0.1\n");
	char got[256];

	listens_text(conf_global(conf), got, sizeof(got));
	cr_expect_str_eq(got, "[::1]:2200/-1 127.0.0.1:22/-1 ");
	conf_put(conf);
}
