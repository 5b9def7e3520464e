/* control/session/keep.c - see keep.h. RFC 4251's data types, behind a version. */
#include "control/session/keep.h"
#include "control/session/handled.h"
#include "control/session/named.h"
#include "control/session/rates.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"

/* --- what is written --------------------------------------------------------------------------
 */

static size_t texts_len(const char *texts)
{
	const char *p = texts;

	while (*p != '\0')
		p += strlen(p) + 1;
	return (size_t)(p - texts) + 1;
}

static struct ssh_str text_or_none(const char *text)
{
	return ssh_str_c(text != NULL ? text : "");
}

int keep_of(const struct session *s, struct keep *ret)
{
	const struct awake *a = s->awake;
	size_t n = a->n_groups;

	if (n > KEEP_GROUPS_MAX)
		return -E2BIG;
	*ret = (struct keep){
		.identity = a->identity,
		.strict = ssh_brain_phase(a->brain)->strict,
		.no_more_sessions = s->no_more_sessions,
		.epoch = a->forward_epoch,
		.session_id = ssh_brain_session_id(a->brain),
		.peer_ident = text_or_none(a->version),
		.ident = ssh_str_c(ssh_brain_ident_own(a->brain)),
		.user = ssh_str_c(session_user(s)),
		.key_print = text_or_none(a->key_print),
		.peer_name = text_or_none(a->peer_name),
		.has_name = a->peer_name != NULL,
		.rdomain = ssh_str_c(a->rdomain),
		.has_groups = a->groups != NULL,
		.n_groups = n,
		.expires = lapse_expires(a->lapse),
		.keys = lapse_keys(a->lapse),
	};
	if (a->marks != NULL)
		ret->marks =
			(struct ssh_str){(const uint8_t *)a->marks, (uint32_t)texts_len(a->marks)};
	for (size_t i = 0; i < n; i++)
		ret->group[i] = ssh_str_c(a->groups[i]);
	return 0;
}

static void texts_build(struct ssh_wr *w, char *const *v, size_t n)
{
	ssh_wr_u32(w, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		ssh_wr_cstr(w, v[i]);
}

/* What is too long is left out, the last of these first. */
enum lists { NO_HOST_KEYS, NO_KEYS, NO_LISTS, PERMITS, ALL_LISTS };

/*
 * With lists that limit goes what they limit: never more than it had. Variables limit nothing. Keys
 * go only where no list of revoked ones holds: a later one does not find them. Without its host
 * keys a connection is shown others, which its client may not take.
 */
static void grant_build(struct ssh_wr *w, const struct policy_grant *g, enum lists lists)
{
	const bool permits = lists >= PERMITS;

	ssh_wr_bool(w, g->port_forwarding && permits);
	ssh_wr_bool(w, g->session);
	ssh_wr_bool(w, g->pty);
	ssh_wr_bool(w, g->agent);
	ssh_wr_bool(w, g->x11);
	ssh_wr_bool(w, g->user_rc);
	ssh_wr_bool(w, g->command != NULL);
	ssh_wr_cstr(w, g->command != NULL ? g->command : "");
	texts_build(w, g->permitopen, permits ? g->n_permitopen : 0);
	texts_build(w, policy_permitlisten(g), permits ? g->n_permitlisten : 0);
}

/* Programs of handlers whose place has no room go on, and nobody hears how they end. */
static void places_build(struct ssh_wr *w, const struct session *s, enum lists lists)
{
	const struct policy_grant *g = &s->grant;

	handled_places_build(s, w, sizeof(uint32_t));
	texts_build(w, policy_environment(g), lists == ALL_LISTS ? g->n_environment : 0);
}

/* Where they do not fit, nothing does. */
static void host_keys_build(const struct session *s, struct ssh_wr *w, bool chains)
{
	uint8_t buf[BLOB_PLAIN_MAX];
	struct ssh_wr keys;

	ssh_wr_init(&keys, buf, sizeof(buf));
	if (named_count(s) > 0)
		named_build(s, &keys, chains);
	w->bad |= keys.bad;
	ssh_wr_str(w, (struct ssh_str){buf, (uint32_t)ssh_wr_done(&keys)});
}

static size_t build(const struct keep *k, const struct session *s, enum lists lists, uint8_t *buf,
		    size_t size)
{
	struct ssh_wr w;

	ssh_wr_init(&w, buf, size);
	ssh_wr_u32(&w, KEEP_VERSION);
	ssh_wr_u32(&w, k->identity);
	ssh_wr_bool(&w, k->strict);
	ssh_wr_bool(&w, k->no_more_sessions);
	ssh_wr_u64(&w, k->epoch);
	ssh_wr_str(&w, k->session_id);
	ssh_wr_str(&w, k->peer_ident);
	ssh_wr_str(&w, k->ident);
	ssh_wr_str(&w, k->user);
	ssh_wr_str(&w, k->key_print);
	ssh_wr_str(&w, k->marks);
	ssh_wr_bool(&w, k->has_name);
	ssh_wr_str(&w, k->peer_name);
	ssh_wr_str(&w, k->rdomain);
	ssh_wr_bool(&w, k->has_groups);
	ssh_wr_u32(&w, (uint32_t)k->n_groups);
	for (size_t i = 0; i < k->n_groups; i++)
		ssh_wr_str(&w, k->group[i]);
	ssh_wr_u64(&w, k->expires);
	ssh_wr_str(&w, lists > NO_KEYS || lapse_listed(s->awake->lapse) ? k->keys : ssh_str_c(""));
	grant_build(&w, &s->grant, lists);
	if (lists > NO_HOST_KEYS)
		host_keys_build(s, &w, lists == ALL_LISTS);
	else
		ssh_wr_cstr(&w, "");
	places_build(&w, s, lists);
	return ssh_wr_done(&w);
}

void keep_send(struct session *s)
{
	const struct blob_binding to = {s->ref.conn, s->table->link.start_id};
	uint8_t plain[BLOB_PLAIN_MAX], sealed[LINK_BLOB_MAX];
	size_t len = 0, sealed_len;
	struct keep k;

	for (int lists = ALL_LISTS; len == 0 && lists >= NO_HOST_KEYS; lists--)
		if (keep_of(s, &k) == 0)
			len = build(&k, s, (enum lists)lists, plain, sizeof(plain));
	if (len > 0 &&
	    blob_seal(s->table->env->blob_key, &to, plain, len, sealed, &sealed_len) == 0)
		item_bytes(s, LINK_IT_BLOB, sealed, sealed_len);
	secret_wipe(plain, sizeof(plain));
}

/* --- what is read -----------------------------------------------------------------------------
 */

static bool is_text(struct ssh_str s)
{
	return s.len == 0 || memchr(s.p, '\0', s.len) == NULL;
}

/* Several, each with its end, behind them an empty one: where one would begin. */
static bool is_texts(struct ssh_str s)
{
	return s.len == 0 || (s.p[s.len - 1] == '\0' && (s.len == 1 || s.p[s.len - 2] == '\0'));
}

static int who_parse(struct ssh_rd *r, struct keep *k)
{
	*k = (struct keep){0};
	if (ssh_rd_u32(r) != KEEP_VERSION)
		return -EBADMSG;
	k->identity = ssh_rd_u32(r);
	k->strict = ssh_rd_bool(r);
	k->no_more_sessions = ssh_rd_bool(r);
	k->epoch = ssh_rd_u64(r);
	k->session_id = ssh_rd_str(r);
	k->peer_ident = ssh_rd_str(r);
	k->ident = ssh_rd_str(r);
	k->user = ssh_rd_str(r);
	k->key_print = ssh_rd_str(r);
	k->marks = ssh_rd_str(r);
	k->has_name = ssh_rd_bool(r);
	k->peer_name = ssh_rd_str(r);
	k->rdomain = ssh_rd_str(r);
	k->has_groups = ssh_rd_bool(r);
	k->n_groups = ssh_rd_u32(r);
	if (r->bad || k->n_groups > KEEP_GROUPS_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < k->n_groups; i++) {
		k->group[i] = ssh_rd_str(r);
		if (r->bad || k->group[i].len == 0 || !is_text(k->group[i]))
			return -EBADMSG;
	}
	k->expires = ssh_rd_u64(r);
	k->keys = ssh_rd_str(r);
	if (r->bad || k->session_id.len == 0 || k->session_id.len > SSH_SESSION_ID_MAX ||
	    k->peer_ident.len > LINK_IDENT_MAX || k->user.len > SSH_USER_MAX || !is_text(k->user) ||
	    !is_text(k->peer_ident) || !is_text(k->ident) || !is_text(k->peer_name) ||
	    !is_text(k->key_print) || k->rdomain.len > LINK_RDOMAIN_MAX || !is_text(k->rdomain) ||
	    !is_texts(k->marks))
		return -EBADMSG;
	return 0;
}

typedef int permit_fn(struct policy_grant *g, const char *entry);

static int permits_parse(struct ssh_rd *r, struct policy_grant *g, permit_fn *permit)
{
	uint32_t n = ssh_rd_u32(r);
	int err = 0;

	for (uint32_t i = 0; err == 0 && i < n; i++) {
		struct ssh_str s = ssh_rd_str(r);
		char *text = r->bad ? NULL : strndup((const char *)s.p, s.len);

		err = r->bad ? -EBADMSG : text == NULL ? -ENOMEM : permit(g, text);
		free(text);
	}
	return err;
}

static int grant_parse(struct ssh_rd *r, struct policy_grant *g)
{
	struct ssh_str command;
	bool forced;
	int err;

	*g = (struct policy_grant){.port_forwarding = ssh_rd_bool(r)};
	g->session = ssh_rd_bool(r);
	g->pty = ssh_rd_bool(r);
	g->agent = ssh_rd_bool(r);
	g->x11 = ssh_rd_bool(r);
	g->user_rc = ssh_rd_bool(r);
	forced = ssh_rd_bool(r);
	command = ssh_rd_str(r);
	if (r->bad)
		return -EBADMSG;
	if (forced)
		g->command = strndup((const char *)command.p, command.len);
	if (forced && g->command == NULL)
		return -ENOMEM;
	err = permits_parse(r, g, policy_grant_permit);
	if (err == 0)
		err = permits_parse(r, g, policy_grant_permit_listen);
	return err;
}

/* --- a connection of an earlier control --------------------------------------------------------
 */

static char *copy(struct ssh_str s)
{
	return strndup((const char *)s.p, s.len);
}

/* What holds for it now that control was started anew: rules, and what it came in by may end. */
static int rules_find(struct session *s, const struct keep *k, struct lapse **ret_lapse)
{
	char local[ADDR_TEXT_MAX], peer[ADDR_TEXT_MAX], rdomain[LINK_RDOMAIN_MAX + 1] = "";
	char *user = copy(k->user), *name = copy(k->peer_name), *version = copy(k->peer_ident);
	char *group[KEEP_GROUPS_MAX] = {0};
	struct conf_strs groups = {(const char *const *)group, k->n_groups};
	struct conf_match_ctx ctx = {.user = user,
				     .host = k->has_name ? name : NULL,
				     .addr = addr_text(&s->peer, peer),
				     .laddr = addr_text(&s->local, local),
				     .lport = s->local.port,
				     .rdomain = rdomain,
				     .client_version = version,
				     .groups = k->has_groups ? &groups : NULL,
				     .marks = k->marks.len > 0 ? (const char *)k->marks.p : NULL};
	struct conf_session c;
	int r = user != NULL && name != NULL && version != NULL ? 0 : -ENOMEM;

	if (k->rdomain.len > 0)
		memcpy(rdomain, k->rdomain.p, k->rdomain.len);
	for (size_t i = 0; r == 0 && i < k->n_groups; i++) {
		group[i] = copy(k->group[i]);
		r = group[i] != NULL ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = conf_session_for(s->table->env->conf, &ctx, &c);
	if (r == 0) {
		s->log_level = (uint8_t)c.log_level & 7;
		r = lapse_resume(s, &c, k->expires, k->keys, ret_lapse);
		conf_session_fini(&c);
	}
	for (size_t i = 0; i < k->n_groups; i++)
		free(group[i]);
	free(user);
	free(name);
	free(version);
	return r;
}

static void known(struct session *s, const struct link_conn_kept *ev, const struct keep *k)
{
	struct session_env *env = s->table->env;
	uint64_t now = env->now_ms(), age = ev->age_us / 1000;

	s->uid = ev->uid;
	s->no_comp = ev->no_comp != 0;
	s->peer = ev->peer;
	s->local = ev->local;
	addr_unmap(&s->peer);
	addr_unmap(&s->local);
	s->began_ms = now > age ? now - age : 0;
	s->no_more_sessions = k->no_more_sessions;
	s->user_known = s->user_judged = s->user_valid = s->authenticated = true;
	s->reported = s->kept = true;
	rates_known(s, ev->rated != 0);
	env->stats.authenticated++;
	env->stats.accepted--; /* not by this control */
}

/* Its marks, which lie in what was opened. */
static const char *keys_parse(struct session *s, struct ssh_str keys, const struct keep *k)
{
	char *marks = (char *)(uintptr_t)k->marks.p;

	if (k->marks.len == 0)
		return "";
	if (named_parse(s, keys, marks) < 0)
		log_line(LOG_L_ERROR, "a connection goes on without the host keys it was shown");
	return marks;
}

int keep_take(struct session *s, const struct link_conn_kept *ev)
{
	const struct blob_binding to = {s->ref.conn, s->table->link.start_id};
	struct session_env *env = s->table->env;
	uint8_t plain[BLOB_PLAIN_MAX];
	struct lapse *lapse = NULL;
	size_t len = 0;
	const char *marks = "";
	struct ssh_str keys;
	struct ssh_rd r;
	struct keep k;
	int err;

	err = blob_open(env->blob_key, &to, (const uint8_t *)(ev + 1), ev->len, plain, &len);
	if (err < 0)
		return err;
	ssh_rd_init(&r, plain, len);
	err = who_parse(&r, &k);
	if (err == 0)
		err = grant_parse(&r, &s->grant);
	keys = ssh_rd_str(&r);
	if (err == 0)
		err = handled_places_parse(s, &r);
	if (err == 0)
		err = permits_parse(&r, &s->grant, policy_grant_variable);
	if (err == 0 && !ssh_rd_done(&r))
		err = -EBADMSG;
	if (err == 0) {
		known(s, ev, &k);
		err = rules_find(s, &k, &lapse);
	}
	if (err == 0)
		marks = keys_parse(s, keys, &k);
	if (err == 0) {
		s->past = past_new(&k, env->conf, lapse);
		err = s->past != NULL ? 0 : -ENOMEM;
	}
	if (err == 0)
		inside_kept(s);
	if (err < 0)
		named_leave_marks(s, marks);
	if (err < 0)
		lapse_end(lapse, env->timers);
	else
		lapse_go(lapse);
	secret_wipe(plain, sizeof(plain));
	return err;
}

/* --- half a key exchange ------------------------------------------------------------------------
 */

/* What tells it from the other thing that is sealed for a connection. */
static const char rx_mark[8] = "rx-keys";

struct rx_plain {
	char mark[sizeof(rx_mark)];
	struct link_keys keys;
};

void keep_send_rx(struct session *s)
{
	const struct blob_binding to = {s->ref.conn, s->table->link.start_id};
	uint8_t sealed[LINK_BLOB_MAX];
	struct rx_plain plain = {0};
	struct ssh_act_keys keys;
	size_t len;

	if (!s->authenticated || ssh_brain_rx_keys(s->awake->brain, &keys) < 0)
		return;
	memcpy(plain.mark, rx_mark, sizeof(rx_mark));
	keys_fill(&plain.keys, &keys);
	if (blob_seal(s->table->env->blob_key, &to, &plain, sizeof(plain), sealed, &len) == 0)
		item_bytes(s, LINK_IT_RX_SEALED, sealed, len);
	secret_wipe(&plain, sizeof(plain));
}

void keep_rx_free(struct awake *a)
{
	if (a->rx_keys != NULL)
		secret_free(a->rx_keys, sizeof(*a->rx_keys));
	a->rx_keys = NULL;
}

int keep_rx_keys(struct session *s, const uint8_t *sealed, size_t len)
{
	const struct blob_binding to = {s->ref.conn, s->table->link.start_id};
	uint8_t plain[BLOB_PLAIN_MAX];
	struct rx_plain rx;
	size_t n = 0;
	int r = blob_open(s->table->env->blob_key, &to, sealed, len, plain, &n);

	if (r < 0)
		return r;
	r = n == sizeof(rx) && memcmp(plain, rx_mark, sizeof(rx_mark)) == 0 ? 0 : -EBADMSG;
	keep_rx_free(s->awake);
	if (r == 0)
		s->awake->rx_keys = secret_new(sizeof(*s->awake->rx_keys));
	if (r == 0 && s->awake->rx_keys == NULL)
		r = -ENOMEM;
	if (r == 0) {
		memcpy(&rx, plain, sizeof(rx));
		*s->awake->rx_keys = rx.keys;
		secret_wipe(&rx, sizeof(rx));
	}
	secret_wipe(plain, sizeof(plain));
	return r;
}

bool keep_rx_use(struct session *s, const uint8_t *payload, size_t len)
{
	struct link_keys *keys = s->awake->rx_keys;

	if (keys == NULL || len != 1 || payload[0] != SSH_MSG_NEWKEYS)
		return false;
	item_body(s, LINK_IT_RX_KEYS, keys, sizeof(*keys));
	keep_rx_free(s->awake);
	return true;
}
