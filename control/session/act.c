/*
 * control/session/act.c - what the brain wants, carried out until it has nothing more to do.
 */
#include <errno.h>
#include <string.h>

#include "control/session/keep.h"
#include "control/session/report.h"
#include "ssh/auth_msg.h"
#include "ssh/kexinit.h"
#include "ssh/trans_msg.h"

static void name_keep(char *to, size_t size, const char *from)
{
	strncpy(to, from != NULL ? from : "", size - 1);
	to[size - 1] = '\0';
}

/* What nobody uses by default is worth a line, once a connection. */
static void warn_of_legacy(struct session *s, const struct ssh_act_kex *k)
{
	const char *const cipher[] = {k->cipher_cs, k->cipher_sc};
	const char *const mac[] = {k->mac_cs, k->mac_sc};
	const char *const comp[] = {k->comp_cs, k->comp_sc};

	if (k->first && kex_method_is_legacy(k->kex))
		session_log(s, LOG_L_INFO, "warning: legacy key exchange %s", k->kex);
	if (k->first && key_sig_alg_is_legacy(k->hostkey))
		session_log(s, LOG_L_INFO, "warning: legacy host key signature %s", k->hostkey);
	for (int dir = 0; k->first && dir < 2; dir++) {
		if (cipher_is_legacy(cipher[dir]))
			session_log(s, LOG_L_INFO, "warning: legacy cipher %s %s", cipher[dir],
				    dir == 0 ? "in" : "out");
		if (cipher_mac_is_legacy(mac[dir]))
			session_log(s, LOG_L_INFO, "warning: legacy MAC %s %s", mac[dir],
				    dir == 0 ? "in" : "out");
		if (ssh_comp_find(comp[dir]) == SSH_COMP_ZLIB)
			session_log(s, LOG_L_INFO, "warning: legacy compression %s %s", comp[dir],
				    dir == 0 ? "in" : "out");
	}
}

static void kex_done(struct session *s, const struct ssh_act_kex *k)
{
	s->awake->kex_done = true;
	name_keep(s->awake->kex.kex, sizeof(s->awake->kex.kex), k->kex);
	name_keep(s->awake->kex.hostkey, sizeof(s->awake->kex.hostkey), k->hostkey);
	name_keep(s->awake->kex.cipher_cs, sizeof(s->awake->kex.cipher_cs), k->cipher_cs);
	name_keep(s->awake->kex.cipher_sc, sizeof(s->awake->kex.cipher_sc), k->cipher_sc);
	name_keep(s->awake->kex.mac_cs, sizeof(s->awake->kex.mac_cs), k->mac_cs);
	name_keep(s->awake->kex.mac_sc, sizeof(s->awake->kex.mac_sc), k->mac_sc);
	if (k->first && k->session_id.len <= sizeof(s->awake->kex.session_id)) {
		memcpy(s->awake->kex.session_id, k->session_id.p, k->session_id.len);
		s->awake->kex.session_id_len = k->session_id.len;
	}
	session_log(s, LOG_L_DEBUG1, "kex: %s %s %s/%s %s/%s%s", s->awake->kex.kex,
		    s->awake->kex.hostkey, s->awake->kex.cipher_cs, s->awake->kex.cipher_sc,
		    s->awake->kex.mac_cs, s->awake->kex.mac_sc, k->strict ? " strict" : "");
	warn_of_legacy(s, k);
	report_kex(s, k);
}

void session_over(struct session *s, int err)
{
	struct session_env *env = s->table->env;

	words_end(s, err);
	item_end(s, err);
	s->ended = true;
	timer_cancel(env->timers, &s->awake->grace);
	timer_cancel(env->timers, &s->awake->credit);
	timer_cancel(env->timers, &s->awake->silence);
	door_leave(s, err);
	gate_drop(s);
	session_inbox_clear(s);
	login_clear(s);
}

/*
 * The shard settles these for every channel it has, so there is no such channel. An ADJUST
 * may cross our CLOSE and replies to nothing are dropped (S-16, S-17); the rest is a fault.
 */
static void channel_other(struct session *s, const struct ssh_act *a)
{
	struct ssh_rd r;

	if (a->msg == SSH_MSG_CHANNEL_SUCCESS || a->msg == SSH_MSG_CHANNEL_FAILURE) {
		ssh_rd_init(&r, a->bytes.p + 1, a->bytes.len - 1);
		open_reply(s, ssh_rd_u32(&r), a->msg == SSH_MSG_CHANNEL_SUCCESS);
	} else if (a->msg != SSH_MSG_CHANNEL_WINDOW_ADJUST) {
		session_end(s, -SSH_E_CHANNEL, NULL);
	}
}

static void act(struct session *s, const struct ssh_act *a)
{
	switch (a->kind) {
	case SSH_ACT_IDENT:
		item_bytes(s, LINK_IT_IDENT, a->bytes.p, a->bytes.len);
		break;
	case SSH_ACT_SEND:
		packet_tell(s, true, a->bytes.p, a->bytes.len);
		item_bytes(s, LINK_IT_PAYLOAD, a->bytes.p, a->bytes.len);
		break;
	case SSH_ACT_STRICT:
		item_body(s, LINK_IT_FIRST_KEX_STRICT, &(struct link_conn_ref){0},
			  sizeof(struct link_conn_ref));
		break;
	case SSH_ACT_TX_KEYS:
		item_keys(s, LINK_IT_TX_KEYS, &a->keys);
		keep_send_rx(s);
		break;
	case SSH_ACT_RX_KEYS:
		item_keys(s, LINK_IT_RX_KEYS, &a->keys);
		break;
	case SSH_ACT_AUTHENTICATED:
		login_done(s, &a->auth);
		break;
	case SSH_ACT_END:
		session_over(s, a->err);
		break;
	case SSH_ACT_JOB:
		compute_job(s, a->job, a->id);
		break;
	case SSH_ACT_SIGN:
		compute_sign(s, a);
		break;
	case SSH_ACT_AUTH:
		login_begin(s, a);
		break;
	case SSH_ACT_CHANNEL_OPEN:
		open_begin(s, &a->open);
		break;
	case SSH_ACT_CHANNEL_REQUEST:
		open_request(s, &a->request);
		break;
	case SSH_ACT_GLOBAL_REQUEST:
		open_global(s, &a->request);
		break;
	case SSH_ACT_CHANNEL_OTHER:
		channel_other(s, a);
		break;
	case SSH_ACT_KEX_DONE:
		kex_done(s, &a->kex);
		break;
	case SSH_ACT_AUTH_FAILED:
		login_failed(s, &a->auth);
		break;
	case SSH_ACT_AUTH_PARTIAL:
		login_partial(s, &a->auth);
		break;
	case SSH_ACT_PEER_DISCONNECT:
		words_peer_disconnect(s, a->reason, a->bytes);
		break;
	case SSH_ACT_GLOBAL_REPLY:
		globals_replied(s, a->bytes);
		break;
	case SSH_ACT_HOSTKEY: /* these four are a client's */
	case SSH_ACT_PROMPT:
	case SSH_ACT_LOGIN:
	case SSH_ACT_BANNER:
		break;
	}
}

/* What the brain has answered itself, or ended the connection for. */
static void service_told(const struct session *s, int err, const uint8_t *payload, size_t len)
{
	struct ssh_userauth_request m;
	struct ssh_str name;
	struct ssh_rd r;

	if (len == 0)
		return;
	ssh_rd_init(&r, payload + 1, len - 1);
	if (payload[0] == SSH_MSG_SERVICE_REQUEST && ssh_service_parse(&r, &name) == 0)
		report_service(s, name, err == 0);
	else if (payload[0] == SSH_MSG_USERAUTH_REQUEST && err == -SSH_E_SERVICE &&
		 ssh_userauth_request_parse(&r, &m) == 0)
		report_service(s, m.service, false);
}

static void acts(struct session *s)
{
	struct ssh_act a;

	while (!s->ended && ssh_brain_next(s->awake->brain, &a) == 0)
		act(s, &a);
}

void session_pump(struct session *s)
{
	if (s->pumping || s->ended || s->awake == NULL || gate_holds(s))
		return;
	s->pumping = true;
	acts(s);
	while (!s->ended && s->awake->inbox != NULL && !hostkeys_busy(s) && !forward_busy(s)) {
		struct inbox_item *i = s->awake->inbox;
		int r = -EAGAIN;

		if (keep_rx_use(s, i->payload, i->len))
			r = 0;
		else if (gate_hears(s))
			r = ssh_brain_input(s->awake->brain, i->seqnr, i->payload, i->len);
		else
			acts(s); /* it may end instead */
		if (r == -EAGAIN)
			break;
		packet_tell(s, false, i->payload, i->len);
		service_told(s, r, i->payload, i->len);
		if (r < 0)
			words_no_match(s, r, i->payload, i->len);
		session_inbox_pop(s);
		acts(s);
		gate_heard(s);
	}
	session_credit(s);
	s->pumping = false;
	session_tire(s);
}

void session_end(struct session *s, int err, const char *text)
{
	gate_drop(s);
	ssh_brain_end(s->awake->brain, err, text);
}
