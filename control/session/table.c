/*
 * control/session/table.c - the connections of a shard: found by handle, and dealt with all at
 * once.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/audit/audit.h"
#include "control/log.h"
#include "control/session/internal.h"
#include "control/session/look.h"
#include "control/session/review.h"
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
		      uint16_t shard, uint32_t places, struct session_table **ret)
{
	struct session_table *t;

	if (places == 0 || places > SESSION_TABLE_MAX)
		return -EBADMSG;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	t->by_index = calloc(places, sizeof(struct session *));
	if (t->by_index == NULL) {
		free(t);
		return -ENOMEM;
	}
	t->env = env;
	t->link = *link;
	t->dataplane = dataplane;
	t->shard = shard;
	t->max = places;
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
	look_gone(t);
	for (at = &t->env->tables; *at != t; at = &(*at)->next)
		;
	*at = t->next;
	if (t->env->tables == NULL) {
		compute_drop(t->env);
		lapses_free(t->env);
		review_free(t->env);
	}
	free(t->by_index);
	free(t);
}

/* About no connection. */
static void command(const struct session_table *t, enum link_type type, const void *body,
		    size_t len)
{
	struct link_hdr hdr = {.len = (uint32_t)(sizeof(hdr) + len),
			       .type = (uint16_t)type,
			       .conn = {.dataplane = t->dataplane, .shard = t->shard}};

	t->link.send(t->link.arg, &hdr, sizeof(hdr), body, len);
}

static void acknowledge(struct session_table *t, uint64_t id)
{
	struct link_audit_ack ack = {id};

	command(t, LINK_CMD_AUDIT_ACK, &ack, sizeof(ack));
}

static void safe_acknowledge(struct session_table *t)
{
	uint64_t safe = audit_safe(t->env->audit);
	unsigned int n = 0;

	while (n < t->n_unsafe && t->unsafe[n].at <= safe)
		n++;
	if (n == 0)
		return;
	acknowledge(t, t->unsafe[n - 1].id);
	t->n_unsafe -= n;
	memmove(t->unsafe, t->unsafe + n, t->n_unsafe * sizeof(t->unsafe[0]));
}

void session_table_flush(struct session_table *t)
{
	uint64_t id = t->audit_seen;

	if (id == 0)
		return;
	t->audit_seen = 0;
	if (t->env->audit == NULL) {
		acknowledge(t, id);
		return;
	}
	/* The last one may wait a little longer, for one that comes behind it. */
	if (t->n_unsafe == UNSAFE_MAX)
		t->n_unsafe--;
	t->unsafe[t->n_unsafe].id = id;
	t->unsafe[t->n_unsafe++].at = audit_at(t->env->audit);
	safe_acknowledge(t);
}

void session_audit_safe(struct session_env *env)
{
	for (struct session_table *t = env->tables; t != NULL; t = t->next)
		safe_acknowledge(t);
}

void session_table_revoke(struct session_table *t)
{
	struct link_revoke m = {0};

	command(t, LINK_CMD_REVOKE, &m, sizeof(m));
}

void session_tables_revoke(struct session_env *env)
{
	for (struct session_table *t = env->tables; t != NULL; t = t->next)
		session_table_revoke(t);
}

/* As every shard has as many. */
static uint32_t room_of(const struct session_table *t)
{
	return t->max * t->link.shards;
}

void session_table_limit(struct session_table *t)
{
	const struct link_conns m = {.max = conf_dataplane(t->env->conf)->max_connections};

	command(t, LINK_CMD_CONNS, &m, sizeof(m));
	if (m.max > room_of(t) && t->shard == 0)
		log_line(LOG_L_ERROR,
			 "MaxConnections is %" PRIu32 ", and not %" PRIu32
			 ", until sluice-dataplane starts again",
			 room_of(t), m.max);
}

void session_tables_limit(struct session_env *env)
{
	for (struct session_table *t = env->tables; t != NULL; t = t->next)
		session_table_limit(t);
}

uint32_t session_conns_room(const struct session_env *env)
{
	uint32_t least = UINT32_MAX;

	for (const struct session_table *t = env->tables; t != NULL; t = t->next)
		least = room_of(t) < least ? room_of(t) : least;
	return least;
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

/*
 * One that rests is not woken to be told, but told what its brain would say. A text that is longer
 * than one may be is not said: what does not fit would be no message, for which the link ends.
 */
void session_dismiss_saying(struct session *s, int err, const char *text)
{
	uint8_t buf[LINK_TEXT_MAX + 64];
	struct ssh_wr w;

	if (text != NULL && strlen(text) > LINK_TEXT_MAX)
		text = NULL;
	if (s->awake != NULL) {
		session_end(s, err, text);
		session_pump(s);
		return;
	}
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_disconnect_build(&w, ssh_err_disconnect(err), text != NULL ? text : ssh_err_text(err));
	packet_tell(s, true, buf, ssh_wr_done(&w));
	item_bytes(s, LINK_IT_PAYLOAD, buf, ssh_wr_done(&w));
	words_end(s, err);
	item_end(s, err);
	s->ended = true;
}

void session_dismiss(struct session *s, int err)
{
	char text[128];

	session_dismiss_saying(s, err, parting(s, err, text, sizeof(text)));
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
