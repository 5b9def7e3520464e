/* client/lib/session.c - a connection as an object: made, set, connected, ended. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client/lib/internal.h"
#include "crypto/secret.h"
#include "ssh/err.h"

/* --- the object
 * ------------------------------------------------------------------------------------ */

static int lock_init(struct sluice *s)
{
	pthread_mutexattr_t m;
	pthread_condattr_t c;
	int r = pthread_mutexattr_init(&m);

	if (r != 0)
		return -r;
	pthread_mutexattr_settype(&m, PTHREAD_MUTEX_RECURSIVE);
	r = pthread_mutex_init(&s->lock, &m);
	pthread_mutexattr_destroy(&m);
	if (r != 0)
		return -r;
	pthread_condattr_init(&c);
	pthread_condattr_setclock(&c, CLOCK_MONOTONIC);
	r = pthread_cond_init(&s->turned, &c);
	pthread_condattr_destroy(&c);
	if (r != 0)
		pthread_mutex_destroy(&s->lock);
	return -r;
}

int sluice_new(struct sluice **ret)
{
	struct sluice *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake < 0 || settings_init(&s->set) < 0 || lock_init(s) < 0) {
		settings_fini(&s->set);
		if (s->wake >= 0)
			close(s->wake);
		free(s);
		return -ENOMEM;
	}
	s->fd = -1;
	s->state = STATE_NONE;
	TAILQ_INIT(&s->channels);
	STAILQ_INIT(&s->globals);
	STAILQ_INIT(&s->forwards);
	*ret = s;
	return 0;
}

/* What there is to log on with, but for the public halves that an agent has. */
static void secrets_drop(struct sluice *s)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->n_identities; i++) {
		const struct identity *own = &s->identity[i];

		if (own->agents && !own->lent)
			s->identity[n++] = *own;
		else
			sluice_key_free((struct sluice_key *)own->key);
	}
	s->n_identities = n;
	s->login.identity = NULL;
	secret_free(s->password, PASSWORD_ROOM);
	s->password = NULL;
}

static void credentials_drop(struct sluice *s)
{
	secrets_drop(s);
	while (s->n_identities > 0)
		sluice_key_free((struct sluice_key *)s->identity[--s->n_identities].key);
	while (s->n_accepted > 0)
		sluice_key_free((struct sluice_key *)s->accepted[--s->n_accepted]);
}

static int signs_no_more(void *arg, const struct sluice_key *pub, const char *alg, const void *data,
			 size_t len, uint8_t *sig, size_t *sig_len)
{
	(void)arg, (void)pub, (void)alg, (void)data, (void)len, (void)sig, (void)sig_len;
	return -ENOKEY;
}

/* From now on nothing of the program's is called, of its jump hosts neither. */
static void hush(struct sluice *s)
{
	for (; s != NULL; s = s->hop) {
		enter(s);
		memset(&s->ops, 0, sizeof(s->ops));
		for (unsigned int i = 0; i < s->n_identities; i++)
			if (s->identity[i].sign != NULL)
				s->identity[i].sign = signs_no_more;
		leave(s);
	}
}

void sluice_free(struct sluice *s)
{
	if (s == NULL)
		return;
	hush(s);
	keep_fini(s);
	connection_over(s, 0, "freed");
	while (!TAILQ_EMPTY(&s->channels))
		chan_release(TAILQ_FIRST(&s->channels));
	forwards_fini(s);
	carries_fini(s);
	sluice_free(s->hop);
	credentials_drop(s);
	settings_fini(&s->set);
	pthread_cond_destroy(&s->turned);
	pthread_mutex_destroy(&s->lock);
	close(s->wake);
	secret_wipe(s, sizeof(*s));
	free(s);
}

int sluice_ops_set(struct sluice *s, const struct sluice_ops *ops, void *arg)
{
	if (ops->size < offsetof(struct sluice_ops, on_channel_requested) ||
	    ops->size > sizeof(s->ops))
		return -EINVAL;
	enter(s);
	memset(&s->ops, 0, sizeof(s->ops));
	memcpy(&s->ops, ops, ops->size);
	s->arg = arg;
	log_watch(s);
	leave(s);
	return 0;
}

/* --- settings
 * ------------------------------------------------------------------------------------------ */

int sluice_set(struct sluice *s, const char *keyword, const char *value)
{
	const char *why = "";
	int r;

	enter(s);
	r = settings_set(&s->set, keyword, value, s->state != STATE_NONE, &why);
	if (r == -ENOENT)
		r = fail(s, -SLUICE_E_KEYWORD, "%s: there is no such setting", keyword);
	else if (r == -EBUSY)
		r = fail(s, -SLUICE_E_FROZEN, "%s cannot change while connected", keyword);
	else if (r == -EDOM)
		r = fail(s, -SLUICE_E_PORT, "%s: no port to connect to", keyword);
	else if (r == -EILSEQ)
		r = fail(s, -SLUICE_E_UTF8, "%s: not UTF-8", keyword);
	else if (r == -EINVAL)
		r = fail(s, -SLUICE_E_VALUE, "%s: %s", keyword, why);
	log_watch(s);
	leave(s);
	return r;
}

ssize_t sluice_get(struct sluice *s, const char *keyword, char *buf, size_t size)
{
	ssize_t r;

	enter(s);
	r = settings_get(&s->set, keyword, buf, size);
	leave(s);
	return r == -ENOENT ? -SLUICE_E_KEYWORD : r;
}

int sluice_reset(struct sluice *s)
{
	struct settings fresh;
	struct sluice *hop = NULL;
	int r;

	enter(s);
	r = s->state != STATE_NONE ? -SLUICE_E_FROZEN : settings_init(&fresh);
	if (r == 0) {
		settings_fini(&s->set);
		s->set = fresh;
		credentials_drop(s);
		hop = s->hop;
		s->hop = NULL;
	}
	leave(s);
	sluice_free(hop);
	return r;
}

int sluice_password_set(struct sluice *s, const char *password, size_t len)
{
	int r = 0;

	if (len > SLUICE_ANSWER_MAX)
		return -EINVAL;
	enter(s);
	secret_free(s->password, PASSWORD_ROOM);
	s->password = NULL;
	if (password != NULL) {
		s->password = secret_new(PASSWORD_ROOM);
		if (s->password != NULL)
			memcpy(s->password, password, len);
		else
			r = -ENOMEM;
		s->password_len = len;
	} else {
		r = password_ready(s);
	}
	leave(s);
	return r;
}

static int identity_add(struct sluice *s, const struct identity *i)
{
	int r = 0;

	enter(s);
	if (s->n_identities == IDENTITIES_MAX) {
		r = -EMFILE;
	} else {
		s->identity[s->n_identities] = *i;
		s->identity[s->n_identities++].key = key_get(i->key);
	}
	leave(s);
	return r;
}

int sluice_identity_add(struct sluice *s, const struct sluice_key *k)
{
	const struct identity i = {.key = k};

	return key_is_private(k->key) ? identity_add(s, &i) : -EINVAL;
}

int sluice_identity_add_signer(struct sluice *s, const struct sluice_key *pub,
			       int (*sign)(void *arg, const struct sluice_key *pub, const char *alg,
					   const void *data, size_t len, uint8_t *sig,
					   size_t *sig_len),
			       void *arg)
{
	const struct identity i = {.key = pub, .sign = sign, .arg = arg};

	return sign != NULL ? identity_add(s, &i) : -EINVAL;
}

int sluice_credentials_forget(struct sluice *s)
{
	int r = 0;

	enter(s);
	if (s->state == STATE_LOGIN)
		r = -SLUICE_E_STATE;
	else
		secrets_drop(s);
	/* Other keys by GSS-API are exchanged with new tickets. */
	if (r == 0 && s->brain != NULL && !s->set.gss_kex)
		ssh_brain_password_forget(s->brain);
	leave(s);
	return r;
}

int sluice_hostkey_accept(struct sluice *s, const struct sluice_key *k)
{
	struct certinfo info;
	bool over = false;
	int r = key_cert_info(k, &info);

	if (r == 0) {
		over = info.not_after < (int64_t)time(NULL);
		certinfo_fini(&info);
	}
	if (r < 0 && r != -ENOENT)
		return r;
	if (over)
		return -EKEYEXPIRED;
	r = 0;
	enter(s);
	if (s->n_accepted == IDENTITIES_MAX)
		r = -EMFILE;
	else
		s->accepted[s->n_accepted++] = key_get(k);
	leave(s);
	return r;
}

/* --- connecting
 * --------------------------------------------------------------------------------------- */

static void begin(struct sluice *s)
{
	s->err = 0;
	s->text[0] = '\0';
	s->eof_in = s->cut = s->wants_in = s->met = s->leaving = s->reset = false;
	forwards_begin(s);
	s->login = (struct login){0};
	s->kex = (struct ssh_act_kex){0};
	s->session_id_len = s->kexes = s->alives = 0;
	s->bytes_in = s->bytes_out = 0;
	s->retry_after = 0;
	s->hostkey_sha256[0] = s->peer_ident[0] = '\0';
	s->next_channel = 0;
	s->begun_ms = s->moved_ms = s->heard_ms = now_ms();
	s->state = STATE_CONNECTING;
	if (!s->set.log_mask_secrets)
		note(s, SLUICE_LOG_INFO, "LogMaskSecrets no: secrets are masked in any case");
}

static int connect_begin(struct sluice *s)
{
	const char *why = s->text;
	int r;

	if (s->state != STATE_NONE)
		return -SLUICE_E_ALREADY;
	if (*s->set.hostname == '\0')
		return fail(s, -SLUICE_E_ADDRESS, "no Hostname");
	begin(s);
	note(s, SLUICE_LOG_INFO, "connecting to %s port %u", s->set.hostname, s->set.port);
	r = password_ready(s);
	if (r < 0)
		why = s->text;
	else if (s->hop == NULL)
		r = dial_new(&s->set, s->again_ms, &s->dial, &why);
	else if ((r = hop_begin(s)) < 0)
		(void)fail(s, r, "jump host: %.200s", s->hop->text);
	if (r < 0)
		connection_over(s, r, why);
	return r;
}

static int is_met(struct sluice *s, void *arg)
{
	(void)arg;
	if (s->state == STATE_NONE)
		return connection_gone(s);
	return s->state >= STATE_MET ? 0 : -EAGAIN;
}

static int is_up(struct sluice *s, void *arg)
{
	(void)arg;
	if (s->state == STATE_NONE)
		return connection_gone(s);
	return s->state == STATE_UP ? 0 : -EAGAIN;
}

/* Waits as the settings say; who waited in vain has no connection. */
static int reach(struct sluice *s, wait_test test)
{
	uint32_t ms = s->set.operation_timeout;
	int r = 0;

	if (ms != 0 && s->state < STATE_MET) /* ConnectTimeout is a timer of its own */
		r = wait_for(s, is_met, NULL, TIME_NONE);
	if (r == 0)
		r = wait_for(s, test, NULL, ms);
	if (r == -SLUICE_E_TIMEOUT)
		connection_over(s, r, "timed out");
	return r;
}

int sluice_connect(struct sluice *s)
{
	int r;

	enter(s);
	r = keep_on(s) ? -SLUICE_E_ALREADY : connect_begin(s);
	if (r == 0)
		r = reach(s, is_met);
	leave(s);
	return r;
}

int sluice_connect_fd(struct sluice *s, int fd)
{
	int r;

	enter(s);
	if (s->state != STATE_NONE || keep_on(s) || s->hop != NULL) {
		close(fd);
		r = s->hop != NULL ? -SLUICE_E_STATE : -SLUICE_E_ALREADY;
	} else {
		begin(s);
		s->fd = fd;
		r = password_ready(s);
		if (r == 0)
			r = connection_begin(s);
		if (r < 0)
			connection_over(s, r, s->text);
		else
			r = reach(s, is_met);
	}
	leave(s);
	return r;
}

/* host and port, where the program gives them here. */
static int place_set(struct sluice *s, const char *host, uint16_t port)
{
	const char *why;
	char number[8];
	int r = 0;

	if (s->state != STATE_NONE)
		return host == NULL && port == 0 ? 0 : -SLUICE_E_FROZEN;
	if (host != NULL)
		r = settings_set(&s->set, "Hostname", host, false, &why);
	snprintf(number, sizeof(number), "%u", port);
	if (r == 0 && port != 0)
		r = settings_set(&s->set, "Port", number, false, &why);
	return r;
}

int logon_begin(struct sluice *s)
{
	struct ssh_act act = {.kind = SSH_ACT_LOGIN};
	int r = 0;

	if (s->state == STATE_NONE)
		r = connect_begin(s);
	else if (s->state == STATE_LOGIN || s->state == STATE_UP || s->wants_in)
		r = -SLUICE_E_ALREADY;
	else
		r = password_ready(s);
	if (r < 0)
		return r;
	s->wants_in = true;
	act.id = s->login_id;
	if (s->state == STATE_MET)
		login_next(s, &act);
	return 0;
}

int sluice_logon(struct sluice *s, const char *host, uint16_t port)
{
	int r;

	enter(s);
	r = keep_on(s) ? -SLUICE_E_ALREADY : place_set(s, host, port);
	if (r == 0)
		r = logon_begin(s);
	if (r == 0)
		r = reach(s, is_up);
	leave(s);
	return r;
}

static int is_over(struct sluice *s, void *arg)
{
	(void)arg;
	return s->state == STATE_NONE ? 0 : -EAGAIN;
}

static int all_closed(struct sluice *s, void *arg)
{
	struct sluice_channel *c;

	(void)arg;
	TAILQ_FOREACH(c, &s->channels, link)
	if (c->fsm.state != SSH_CHAN_CLOSED)
		return -EAGAIN;
	return 0;
}

static int all_written(struct sluice *s, void *arg)
{
	size_t len = 0;

	(void)arg;
	if (!s->pump_made || s->eof_in)
		return 0;
	(void)ssh_pump_out(&s->pump, &len);
	if (len > 0)
		return -EAGAIN;
	return s->hop != NULL ? all_written(s->hop, NULL) : 0;
}

static uint32_t linger_ms(const struct sluice *s)
{
	return s->set.linger == TIME_NONE ? s->set.operation_timeout : s->set.linger;
}

/* The last bytes have their time; what is unwritten when that is over is cut off. */
static void linger(struct sluice *s)
{
	if (s->set.linger == 0)
		s->reset = true;
	else if (may_wait(s))
		s->reset = wait_for(s, all_written, NULL, linger_ms(s)) == -SLUICE_E_TIMEOUT;
}

int sluice_logoff(struct sluice *s)
{
	struct sluice_channel *c;
	bool was_on;

	enter(s);
	was_on = keep_on(s);
	keep_leave(s);
	if (s->state == STATE_NONE) {
		leave(s);
		return was_on ? 0 : -SLUICE_E_NOT_CONNECTED;
	}
	TAILQ_FOREACH(c, &s->channels, link)
	chan_close_begin(c);
	flush(s);
	if (s->state == STATE_UP && s->set.wait_close)
		(void)wait_for(s, all_closed, NULL, s->set.operation_timeout);
	if (s->brain != NULL) {
		s->leaving = true; /* until the last bytes are on their way */
		ssh_brain_end(s->brain, -SSH_E_SHUTDOWN, "logged off");
		step(s);
		if (may_wait(s) && s->set.wait_server)
			(void)wait_for(s, is_over, NULL, s->set.operation_timeout);
		else
			linger(s);
	}
	connection_over(s, 0, "logged off");
	leave(s);
	return 0;
}

int sluice_disconnect(struct sluice *s)
{
	int r = 0;

	enter(s);
	if (s->state == STATE_NONE && !keep_on(s))
		r = -SLUICE_E_NOT_CONNECTED;
	keep_leave(s);
	connection_over(s, 0, "disconnected");
	leave(s);
	return r;
}

bool sluice_connected(struct sluice *s)
{
	bool yes;

	enter(s);
	yes = s->state >= STATE_MET;
	leave(s);
	return yes;
}

int sluice_status(struct sluice *s)
{
	int r;

	enter(s);
	if (s->state == STATE_NONE)
		r = keep_on(s) ? -SLUICE_E_WOULD_BLOCK : connection_gone(s);
	else if (s->state == STATE_UP)
		r = 0;
	else
		r = s->state == STATE_MET ? -SLUICE_E_STATE : -SLUICE_E_WOULD_BLOCK;
	leave(s);
	return r;
}

int sluice_rekey(struct sluice *s)
{
	int r = -SLUICE_E_STATE;

	enter(s);
	if (s->state == STATE_UP) {
		r = error_of(ssh_brain_rekey(s->brain));
		step(s);
		flush(s);
	}
	leave(s);
	return r;
}

/* --- what is known of it
 * ---------------------------------------------------------------------------------- */

static ssize_t put(char *buf, size_t size, const char *text)
{
	if (text == NULL)
		return -SLUICE_E_NOT_CONNECTED;
	if (size > 0)
		snprintf(buf, size, "%s", text);
	return (ssize_t)strlen(text);
}

static ssize_t put_number(char *buf, size_t size, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	return put(buf, size, text);
}

static ssize_t put_addr(const struct sluice *s, bool peer, char *buf, size_t size)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);
	char addr[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 16];
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&a;
	struct sockaddr_in *four = (struct sockaddr_in *)&a;
	bool is_six;

	if (s->fd < 0 || (peer ? getpeername(s->fd, (struct sockaddr *)&a, &len)
			       : getsockname(s->fd, (struct sockaddr *)&a, &len)) < 0)
		return -SLUICE_E_NOT_CONNECTED;
	is_six = a.ss_family == AF_INET6;
	if ((!is_six && a.ss_family != AF_INET) ||
	    inet_ntop(a.ss_family, is_six ? (void *)&six->sin6_addr : (void *)&four->sin_addr, addr,
		      sizeof(addr)) == NULL)
		return -SLUICE_E_NOT_CONNECTED;
	snprintf(text, sizeof(text), "%s port %u", addr,
		 ntohs(is_six ? six->sin6_port : four->sin_port));
	return put(buf, size, text);
}

static ssize_t put_session_id(const struct sluice *s, char *buf, size_t size)
{
	char hex[2 * SSH_SESSION_ID_MAX + 1] = "";

	if (s->session_id_len == 0)
		return -SLUICE_E_NOT_CONNECTED;
	for (uint32_t i = 0; i < s->session_id_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", s->session_id[i]);
	return put(buf, size, hex);
}

static ssize_t info(const struct sluice *s, enum sluice_info what, char *buf, size_t size)
{
	switch (what) {
	case SLUICE_INFO_PEER_VERSION:
		return put(buf, size, *s->peer_ident != '\0' ? s->peer_ident : NULL);
	case SLUICE_INFO_LOCAL_ADDR:
		return put_addr(s, false, buf, size);
	case SLUICE_INFO_PEER_ADDR:
		return put_addr(s, true, buf, size);
	case SLUICE_INFO_KEX:
		return put(buf, size, s->kex.kex);
	case SLUICE_INFO_HOSTKEY_ALG:
		return put(buf, size, s->kex.hostkey);
	case SLUICE_INFO_CIPHER_OUT:
		return put(buf, size, s->kex.cipher_cs);
	case SLUICE_INFO_CIPHER_IN:
		return put(buf, size, s->kex.cipher_sc);
	case SLUICE_INFO_MAC_OUT:
		return put(buf, size, s->kex.mac_cs);
	case SLUICE_INFO_MAC_IN:
		return put(buf, size, s->kex.mac_sc);
	case SLUICE_INFO_COMP_OUT:
		return put(buf, size, s->kex.comp_cs);
	case SLUICE_INFO_COMP_IN:
		return put(buf, size, s->kex.comp_sc);
	case SLUICE_INFO_STRICT_KEX:
		return s->kexes == 0 ? -SLUICE_E_NOT_CONNECTED
				     : put(buf, size, s->kex.strict ? "yes" : "no");
	case SLUICE_INFO_SESSION_ID:
		return put_session_id(s, buf, size);
	case SLUICE_INFO_AUTH_METHODS:
		return put(buf, size, s->brain != NULL ? ssh_brain_methods(s->brain) : NULL);
	case SLUICE_INFO_HOSTKEY_SHA256:
		return put(buf, size, *s->hostkey_sha256 != '\0' ? s->hostkey_sha256 : NULL);
	case SLUICE_INFO_BYTES_IN:
		return put_number(buf, size, s->bytes_in);
	case SLUICE_INFO_BYTES_OUT:
		return put_number(buf, size, s->bytes_out);
	case SLUICE_INFO_REKEYS:
		return put_number(buf, size, s->kexes > 0 ? s->kexes - 1 : 0);
	case SLUICE_INFO_RETRY_AFTER:
		return put_number(buf, size,
				  s->brain != NULL ? ssh_brain_retry_after(s->brain)
						   : s->retry_after);
	}
	return -EINVAL;
}

ssize_t sluice_info(struct sluice *s, enum sluice_info what, char *buf, size_t size)
{
	ssize_t r;

	enter(s);
	r = info(s, what, buf, size);
	leave(s);
	return r;
}
