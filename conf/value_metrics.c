/*
 * conf/value_metrics.c - MetricsListen: where numbers are to be had. Nobody is asked who he is
 * there, so that addresses are the machine's own.
 */
#include <string.h>
#include <sys/un.h>

#include "conf/addr.h"
#include "conf/internal.h"

static bool is_loopback(const struct conf_addr *a)
{
	static const uint8_t one[16] = {[15] = 1};

	return a->family == 4 ? a->addr[0] == 127 : memcmp(a->addr, one, sizeof(one)) == 0;
}

const char *metrics_place_wrong(const char *text)
{
	struct conf_addr a;

	if (text[0] == '/')
		return strlen(text) < sizeof(((struct sockaddr_un *)0)->sun_path) ? NULL
										  : "too long";
	if (conf_endpoint_parse(text, &a) < 0 || a.port == 0)
		return "no ADDRESS:PORT and no path";
	return is_loopback(&a) ? NULL : "no address of loopback";
}

static bool parse_metrics(struct value *v, const struct kw *kw, void *field)
{
	for (unsigned int i = 0; i < v->argc; i++)
		if (metrics_place_wrong(v->argv[i]) != NULL)
			return value_bad(v, "%s: %s: '%.100s'", kw->info.name,
					 metrics_place_wrong(v->argv[i]), v->argv[i]);
	value_strs_borrow(v, field);
	return true;
}

const struct value_type type_metrics = {
	1, 1, false, parse_metrics, value_print_lines, value_strs_absent};
