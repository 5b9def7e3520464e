/*
 * Link-local addresses with their interface, ADDR%NAME (RFC 4007 section 11): NAME is that of an
 * Interface line.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conf/internal.h"

/* Text without "%NAME" into buf, NAME into zone; "" without one. False: too long. */
static bool zone_cut(const char *text, char buf[CONF_ADDR_TEXT], char zone[CONF_ADDR_TEXT])
{
	const char *at = strchr(text, '%');
	size_t before = at != NULL ? (size_t)(at - text) : strlen(text);
	size_t n = at != NULL ? strcspn(at + 1, "]") : 0;
	const char *behind = at != NULL ? at + 1 + n : "";

	if (before + strlen(behind) >= CONF_ADDR_TEXT || n >= CONF_ADDR_TEXT)
		return false;
	memcpy(buf, text, before);
	strcpy(buf + before, behind);
	memcpy(zone, at != NULL ? at + 1 : "", n);
	zone[n] = '\0';
	return true;
}

int zone_parse(const struct conf_dataplane *dp, const char *text, bool *ret_has_port,
	       struct conf_addr *ret)
{
	char buf[CONF_ADDR_TEXT], zone[CONF_ADDR_TEXT];
	struct conf_addr a;
	bool has_port = false;
	int r;

	if (!zone_cut(text, buf, zone))
		return -EINVAL;
	r = ret_has_port != NULL ? conf_listen_parse(buf, &a, &has_port) : conf_addr_parse(buf, &a);
	if (r < 0)
		return r;
	/* One without is on every link, and so on none. */
	if (conf_addr_is_link_local(&a) != (zone[0] != '\0'))
		return -EINVAL;
	for (size_t i = 0; zone[0] != '\0' && a.scope == 0; i++) {
		if (i == dp->n_interfaces)
			return -ENOENT;
		if (strcmp(dp->interfaces[i].name, zone) == 0)
			a.scope = (uint8_t)(i + 1);
	}
	*ret = a;
	if (ret_has_port != NULL)
		*ret_has_port = has_port;
	return 0;
}

const char *conf_zone_name(const struct conf_dataplane *dp, uint8_t scope)
{
	return scope > 0 && scope <= dp->n_interfaces ? dp->interfaces[scope - 1].name : NULL;
}

const char *conf_zone_text(const struct conf_dataplane *dp, const struct conf_addr *a,
			   char buf[CONF_ZONE_TEXT])
{
	const char *zone = conf_zone_name(dp, a->scope);
	char text[CONF_ADDR_TEXT];

	snprintf(buf, CONF_ZONE_TEXT, zone != NULL ? "%s%%%s" : "%s", conf_addr_text(a, text),
		 zone);
	return buf;
}
