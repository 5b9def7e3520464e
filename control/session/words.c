/*
 * control/session/words.c - sshd's sentences, for those who read logs by them.
 *
 * "[preauth]" stands where sshd's unprivileged child speaks.
 */
#include <stdio.h>
#include <string.h>

#include "control/session/internal.h"
#include "control/session/report.h"
#include "crypto/cert.h"
#include "crypto/key.h"

#define WHO_MAX (SSH_USER_MAX + ADDR_TEXT_MAX + 48)

/* As sshd's remote id: "authenticating user X A port P", "A port P". */
static const char *who(const struct session *s, char buf[WHO_MAX])
{
	char from[CONF_ZONE_TEXT];
	const char *kind = "authenticating user ";

	if (s->authenticated)
		kind = "user ";
	else if (s->user_judged && !s->user_valid)
		kind = "invalid user ";
	snprintf(buf, WHO_MAX, "%s%.100s%s%s port %u", s->user_known ? kind : "", session_user(s),
		 s->user_known ? " " : "", session_peer_text(s, from), s->peer.port);
	return buf;
}

static const char *stage(const struct session *s)
{
	return s->authenticated ? "" : " [preauth]";
}

void words_connection(const struct session *s)
{
	char from[CONF_ZONE_TEXT];

	session_log(s, LOG_L_VERBOSE, "Connection from %s port %u on %s port %u",
		    session_peer_text(s, from), s->peer.port, s->awake->local_text, s->local.port);
}

void words_refused(struct session *s, const char *keyword)
{
	char from[CONF_ZONE_TEXT];

	session_log(s, LOG_L_INFO,
		    "administratively prohibited connection for %.100s from %.100s port %u: %s",
		    s->user_known ? session_user(s) : "anybody", session_peer_text(s, from),
		    s->peer.port, keyword);
	s->end_logged = true;
}

/* sshd: failures of those who do not exist, of passwords, and of many tries are news. */
static enum log_level auth_level(const struct session *s, const struct ssh_act_auth *auth,
				 enum words_verdict verdict)
{
	if (verdict != WORDS_FAILED || !s->user_valid || auth->method == SSH_AUTH_PASSWORD ||
	    auth->tries >= s->awake->conf.max_auth_tries / 2)
		return LOG_L_INFO;
	return LOG_L_VERBOSE;
}

/* ": TYPE FINGERPRINT", and of a certificate what it calls itself and who made it, as sshd. */
static void words_key(const struct key *k, char *buf, size_t size)
{
	char print[96] = "", ca[96] = "";
	const struct cert *c = key_cert(k);

	(void)!key_fingerprint(k, print, sizeof(print));
	if (c == NULL) {
		snprintf(buf, size, ": %s %s", key_log_type(k), print);
		return;
	}
	(void)!key_fingerprint(c->ca, ca, sizeof(ca));
	snprintf(buf, size, ": %s %s ID %.100s (serial %llu) CA %s %s", key_log_type(k), print,
		 c->key_id, (unsigned long long)c->serial, key_log_type(c->ca), ca);
}

/* Whom the client's host vouches for, and what the host calls itself: as sshd. */
static void words_vouched(const struct ssh_act_auth *auth, char *buf, size_t size)
{
	size_t n = strlen(buf);

	snprintf(buf + n, size - n, ", client user \"%.*s\", client host \"%.*s\"",
		 (int)(auth->client_user.len < 100 ? auth->client_user.len : 100),
		 (const char *)auth->client_user.p,
		 (int)(auth->client_host.len < 100 ? auth->client_host.len : 100),
		 (const char *)auth->client_host.p);
}

void words_auth(const struct session *s, const struct ssh_act_auth *auth,
		enum words_verdict verdict)
{
	static const char *const begin[] = {[WORDS_FAILED] = "Failed",
					    [WORDS_PARTIAL] = "Partial",
					    [WORDS_ACCEPTED] = "Accepted"};
	char from[CONF_ZONE_TEXT];
	char key[768] = "";

	if (auth->key != NULL)
		words_key(auth->key, key, sizeof(key));
	if (auth->key != NULL && auth->method == SSH_AUTH_HOSTBASED)
		words_vouched(auth, key, sizeof(key));
	session_log(s, auth_level(s, auth, verdict),
		    "%s %.*s for %s%.100s from %.200s port %u ssh2%s", begin[verdict],
		    (int)auth->method_name.len, (const char *)auth->method_name.p,
		    s->user_judged && !s->user_valid ? "invalid user " : "", session_user(s),
		    session_peer_text(s, from), s->peer.port, key);
	if (verdict != WORDS_FAILED && auth->sig_alg != NULL &&
	    key_sig_alg_is_legacy(auth->sig_alg))
		session_log(s, LOG_L_INFO, "warning: legacy signature %s of %.*s", auth->sig_alg,
			    (int)auth->method_name.len, (const char *)auth->method_name.p);
}

void words_signature(const struct session *s, const struct ssh_act_auth *auth, bool good)
{
	char from[CONF_ZONE_TEXT], print[96] = "";

	(void)!key_fingerprint(auth->key, print, sizeof(print));
	session_log(s, LOG_L_INFO, "Signature of %.*s for %.100s from %.200s port %u: %s: %s %s",
		    (int)auth->method_name.len, (const char *)auth->method_name.p, session_user(s),
		    session_peer_text(s, from), s->peer.port, good ? "good" : "bad",
		    key_log_type(auth->key), print);
}

void words_peer_disconnect(struct session *s, uint32_t reason, struct ssh_str text)
{
	char from[CONF_ZONE_TEXT];
	char buf[WHO_MAX];
	bool normal = reason == SSH_DISCONNECT_BY_APPLICATION;

	report_disconnect(s, reason, text);
	session_log(s, normal ? LOG_L_INFO : LOG_L_ERROR,
		    "Received disconnect from %s port %u:%u: %.*s%s", session_peer_text(s, from),
		    s->peer.port, reason, (int)text.len, (const char *)text.p, stage(s));
	session_log(s, LOG_L_INFO, "Disconnected from %s%s", who(s, buf), stage(s));
	s->end_logged = true;
}

/* Nothing was wrong: it was at its end, or somebody ended it. */
static bool plain_end(int err)
{
	return err == 0 || err == -SSH_E_CLOSED || err == -SSH_E_PEER_DISCONNECT ||
	       err == -SSH_E_RESET || err == -SSH_E_OPERATOR;
}

void words_end(struct session *s, int err)
{
	char from[CONF_ZONE_TEXT];
	char buf[WHO_MAX];

	if (s->end_logged)
		return;
	s->end_logged = true;
	if (!plain_end(err))
		report_error(s, err);
	switch (-err) {
	case 0:
	case SSH_E_CLOSED:
	case SSH_E_PEER_DISCONNECT:
		session_log(s, LOG_L_INFO, "Connection closed by %s%s", who(s, buf), stage(s));
		break;
	case SSH_E_RESET:
		session_log(s, LOG_L_INFO, "Connection reset by %s%s", who(s, buf), stage(s));
		break;
	case SSH_E_TIMEOUT:
		session_log(s, LOG_L_INFO, "Connection from %s timed out%s", who(s, buf), stage(s));
		break;
	case SSH_E_OPERATOR:
		session_log(s, LOG_L_INFO, "Disconnecting %s: %s", who(s, buf), ssh_err_text(err));
		break;
	case SSH_E_GRACE:
		session_log(s, LOG_L_FATAL, "Timeout before authentication for %s port %u",
			    session_peer_text(s, from), s->peer.port);
		break;
	case SSH_E_KEEPALIVE:
		session_log(s, LOG_L_INFO, "Timeout, client not responding from %s", who(s, buf));
		break;
	case SSH_E_AUTH_TRIES:
		session_log(s, LOG_L_ERROR,
			    "error: maximum authentication attempts exceeded for %s%.100s from %s "
			    "port %u ssh2%s",
			    s->user_judged && !s->user_valid ? "invalid user " : "",
			    session_user(s), session_peer_text(s, from), s->peer.port, stage(s));
		session_log(s, LOG_L_INFO, "Disconnecting %s: Too many authentication failures%s",
			    who(s, buf), stage(s));
		break;
	case SSH_E_IDENT:
		session_log(s, LOG_L_ERROR,
			    "banner exchange: Connection from %s port %u: invalid format",
			    session_peer_text(s, from), s->peer.port);
		break;
	case SSH_E_VERSION:
		session_log(s, LOG_L_INFO, "Protocol major versions differ for %s port %u%s",
			    session_peer_text(s, from), s->peer.port, stage(s));
		break;
	default:
		session_log(s, LOG_L_ERROR, "ssh_dispatch_run_fatal: Connection from %s: %s%s",
			    who(s, buf), ssh_err_text(err), stage(s));
	}
}

/* Which name-list of a KEXINIT an error is about (RFC 4253 section 7.1). */
static int list_of(int err)
{
	switch (-err) {
	case SSH_E_NO_KEX_ALG:
		return 0;
	case SSH_E_NO_HOSTKEY_ALG:
		return 1;
	case SSH_E_NO_CIPHER:
		return 2;
	case SSH_E_NO_MAC:
		return 4;
	case SSH_E_NO_COMP:
		return 6;
	default:
		return -1;
	}
}

void words_no_match(struct session *s, int err, const uint8_t *payload, size_t len)
{
	int want = list_of(err);
	struct ssh_str offer = {0};
	struct ssh_rd r;
	char buf[WHO_MAX];

	if (want < 0 || len == 0 || payload[0] != SSH_MSG_KEXINIT)
		return;
	ssh_rd_init(&r, payload + 1, len - 1);
	(void)ssh_rd_take(&r, 16); /* cookie */
	for (int i = 0; i <= want; i++)
		offer = ssh_rd_str(&r);
	if (offer.len > 512) /* a line is bounded, whatever is offered (S-43) */
		offer.len = 512;
	s->end_logged = true;
	report_error(s, err);
	session_log(s, LOG_L_ERROR, "Unable to negotiate with %s: %s. Their offer: %.*s%s",
		    who(s, buf), ssh_err_text(err), (int)offer.len, (const char *)offer.p,
		    stage(s));
}
