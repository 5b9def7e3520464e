/*
 * control/session/table.c - the connections of a shard: found by handle, and dealt with all at
 * once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/session/internal.h"
#include "ssh/forward.h"
#include "ssh/trans_msg.h"

struct session *session_table_find(const struct session_table *t, const struct link_handle *h)
{
	struct session *s;

	if (h->dataplane != t->dataplane || h->shard != t->shard || h->index >= t->max)
		return NULL;
	s = t->by_index[h->index];
	return s != NULL && s->ref.conn.generation == h->generation ? s : NULL;
}

struct session *session_find(struct session_env *env, const struct conn_ref *ref)
{
	for (struct session_table *t = env->tables; t != NULL; t = t->next) {
		struct session *s = session_table_find(t, &ref->conn);

		if (s != NULL)
			return s->ref.serial == ref->serial && s->awake != NULL ? s : NULL;
	}
	return NULL;
}

int session_table_new(struct session_env *env, const struct session_link *link, uint16_t dataplane,
		      uint16_t shard, uint32_t max_conns, struct session_table **ret)
{
	struct session_table *t;

	if (max_conns == 0 || max_conns > SESSION_TABLE_MAX)
		return -EBADMSG;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	t->by_index = calloc(max_conns, sizeof(struct session *));
	if (t->by_index == NULL) {
		free(t);
		return -ENOMEM;
	}
	t->env = env;
	t->link = *link;
	t->dataplane = dataplane;
	t->shard = shard;
	t->max = max_conns;
	t->next = env->tables;
	env->tables = t;
	*ret = t;
	return 0;
}

void session_table_free(struct session_table *t)
{
	struct session_table **at;

	if (t == NULL)
		return;
	for (uint32_t i = 0; i < t->max && t->count > 0; i++)
		if (t->by_index[i] != NULL)
			session_free(t->by_index[i]);
	for (at = &t->env->tables; *at != t; at = &(*at)->next)
		;
	*at = t->next;
	if (t->env->tables == NULL) {
		compute_drop(t->env);
		lapses_free(t->env);
	}
	free(t->by_index);
	free(t);
}

void session_table_flush(struct session_table *t)
{
	struct link_audit_ack ack = {t->audit_seen};
	struct link_hdr hdr = {.len = sizeof(hdr) + sizeof(ack),
			       .type = LINK_CMD_AUDIT_ACK,
			       .conn = {.dataplane = t->dataplane, .shard = t->shard}};

	if (t->audit_seen == 0)
		return;
	t->audit_seen = 0;
	t->link.send(t->link.arg, &hdr, sizeof(hdr), &ack, sizeof(ack));
}

void session_table_revoke(struct session_table *t)
{
	struct link_revoke m = {0};
	struct link_hdr hdr = {.len = sizeof(hdr) + sizeof(m),
			       .type = LINK_CMD_REVOKE,
			       .conn = {.dataplane = t->dataplane, .shard = t->shard}};

	t->link.send(t->link.arg, &hdr, sizeof(hdr), &m, sizeof(m));
}

/* The error's own, and of a shutdown how long to stay away (PROTOCOL.md). */
static const char *parting(const struct session *s, int err, char *buf, size_t size)
{
	uint32_t seconds = conf_global(s->table->env->conf)->retry_after_ms / 1000;

	if (err != -SSH_E_SHUTDOWN || seconds == 0)
		return ssh_err_text(err);
	snprintf(buf, size, "%s " SSH_RETRY_AFTER "=%u", ssh_err_text(err), seconds);
	return buf;
}

/* One that rests is not woken to be told, but told what its brain would say. */
void session_dismiss(struct session *s, int err)
{
	char text[128];
	uint8_t buf[256];
	struct ssh_wr w;

	if (s->awake != NULL) {
		session_end(s, err, parting(s, err, text, sizeof(text)));
		session_pump(s);
		return;
	}
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_disconnect_build(&w, ssh_err_disconnect(err), parting(s, err, text, sizeof(text)));
	item_bytes(s, LINK_IT_PAYLOAD, buf, ssh_wr_done(&w));
	words_end(s, err);
	item_end(s, err);
	s->ended = true;
}

void session_table_shutdown(struct session_table *t)
{
	for (uint32_t i = 0; i < t->max; i++) {
		struct session *s = t->by_index[i];

		if (s != NULL && !s->ended)
			session_dismiss(s, -SSH_E_SHUTDOWN);
	}
}

uint32_t session_table_count(const struct session_table *t)
{
	return t->count;
}
