/* client/shell/listening.c - see listening.h. */
#include "client/shell/listening.h"

#include <stdio.h>

const char *forward_kind_name(enum forward_kind kind)
{
	return kind == FORWARD_LOCAL ? "local" : kind == FORWARD_REMOTE ? "remote" : "dynamic";
}

json_t *listening_json(const struct forward *f, uint16_t port)
{
	const struct forward_end *l = &f->listen, *t = &f->target;
	json_t *o = json_pack("{s:s}", "kind", forward_kind_name(f->kind));

	if (l->path)
		json_object_set_new(o, "path", json_string(l->host));
	else
		json_object_set_new(o, "port", json_integer(port));
	if (!f->socks)
		json_object_set_new(o, "target", json_string(t->host));
	if (!f->socks && !t->path)
		json_object_set_new(o, "target_port", json_integer(t->port));
	return o;
}

void json_line(const json_t *o)
{
	json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
	putchar('\n');
	fflush(stdout);
}
