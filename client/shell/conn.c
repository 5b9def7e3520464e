/* client/shell/conn.c - see conn.h. */
#include "client/shell/conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/config/forward.h"
#include "client/reach/command.h"
#include "client/shell/say.h"
#include "conf/words.h"
#include "crypto/secret.h"
#include "ssh/ident.h"

#define DISPATCH_MAX 16 /* in a turn: others want one, too */

/* --- settings ------------------------------------------------------------------------------------
 */

static int set(struct conn *c, const char *keyword, const char *value)
{
	int r = value != NULL ? sluice_set(c->s, keyword, value) : 0;

	if (r < 0)
		say(SAY_ERROR, "%s %s: %s", keyword, value, sluice_strerror(r));
	return r;
}

static const char *log_level(void)
{
	switch (say_level()) {
	case SAY_DEBUG:
		return "INFO";
	case SAY_DEBUG2:
		return "DEBUG2";
	case SAY_DEBUG3:
		return "DEBUG3";
	default:
		return "QUIET";
	}
}

/* It signs for keys of its that conn_identities() chose, and is told where the connection leads. */
static int set_agent(struct conn *c)
{
	char path[CONFIG_TEXT_MAX];

	if (!conn_agent_wanted(c) || !config_agent_path(c->config, path, sizeof(path)))
		return set(c, "AgentAuth", "no");
	return set(c, "IdentityAgent", path) < 0 ? -EINVAL : set(c, "AgentAuth", "only");
}

static int put(void *arg, const char *keyword, const char *value)
{
	return set(arg, keyword, value);
}

/* ms, 0: none. */
static uint32_t time_of(const struct conn *c, enum config_id id)
{
	const char *text = config_text(c->config, id);
	uint32_t ms;

	return text != NULL && time_read(text, &ms) ? ms : 0;
}

/* What the library has no setting of, or another one. */
static int set_own(struct conn *c)
{
	const char *timeout = config_text(c->config, CONFIG_CONNECT_TIMEOUT);
	uint64_t prompts = config_number(c->config, CONFIG_NUMBER_OF_PASSWORD_PROMPTS);
	char number[16];
	int r = 0;

	snprintf(number, sizeof(number), "%llu", (unsigned long long)prompts);
	if (prompts > 0)
		r = set(c, "NumberOfPasswordPrompts", number);
	if (r == 0)
		r = set(c, "ConnectTimeout", timeout);
	if (r == 0)
		r = set_agent(c);
	if (r == 0)
		r = set(c, "LogLevel", log_level());
	/* Nothing waits; what is slow is a turn of the loop. */
	c->limit_ms = time_of(c, CONFIG_OPERATION_TIMEOUT);
	return r == 0 ? set(c, "OperationTimeout", "0") : r;
}

static int set_all(struct conn *c)
{
	bool one = config_text(c->config, CONFIG_AUTH_MODE) != NULL &&
		   !config_is(c->config, CONFIG_AUTH_MODE, "multifactor");
	const struct {
		const char *keyword, *value;
	} first[] = {
		/* Who names one method wants no other, unless he says so. */
		{"AuthMode", "multifactor"},
		{"TryAllAuthMethods", one ? "no" : "yes"},
		{"WaitForChannelClose", "no"},
		/* conn_hostkey() looks itself, and asks as ssh does. */
		{"UserKnownHostsFile", "none"},
		{"GlobalKnownHostsFile", "none"},
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(first) / sizeof(first[0]); i++)
		r = set(c, first[i].keyword, first[i].value);
	if (r == 0)
		r = config_settings(c->config, put, c);
	if (r == 0)
		r = set_own(c);
	if (config_is(c->config, CONFIG_LOG_MASK_SECRETS, "no"))
		say(SAY_INFO, "LogMaskSecrets no: secrets are masked in any case");
	return r < 0 ? -EINVAL : 0;
}

/* --- jump hosts
 * ------------------------------------------------------------------------------------- */

static int conn_make(struct config *config, const char *config_file, const struct sluice_ops *ops,
		     void *arg, unsigned int leads, struct conn **ret);

/* Its configuration is read, with r. Takes c->via_config. */
static int jump_made(struct conn *c, int r)
{
	struct config *config = c->via_config;

	c->via_config = NULL;
	if (r < 0) {
		snprintf(c->why, sizeof(c->why), "jump host %.100s: %.380s",
			 config_host_given(config), config_errors(config));
		c->why[strcspn(c->why, "\n")] = '\0';
	} else {
		r = conn_make(config, c->config_file, NULL, NULL, c->leads + 1, &c->via);
	}
	if (r < 0) {
		config_free(config);
		return r;
	}
	c->via->own_config = true;
	r = sluice_jump_set(c->s, c->via->s);
	c->via->lent = r == 0;
	if (r == 0 && c->unattended)
		r = conn_unattended(c->via, c->again_ms);
	return r;
}

/* The last host of the list, which is the one next to us; what is before it is the way to that one.
 */
static int jump_config(struct config *config, const char *list, struct destination *d)
{
	const char *comma = strrchr(list, ',');
	const char *last = comma != NULL ? comma + 1 : list;
	char port[8], before[CONFIG_TEXT_MAX];
	int r = destination_parse(last, true, d);

	snprintf(before, sizeof(before), "%.*s", comma != NULL ? (int)(comma - list) : 0, list);
	snprintf(port, sizeof(port), "%u", r == 0 ? d->port : 0);
	if (r == 0 && *d->user != '\0')
		r = config_set(config, CONFIG_USER, d->user);
	if (r == 0 && d->port > 0)
		r = config_set(config, CONFIG_PORT, port);
	if (r == 0 && comma != NULL)
		r = config_set(config, CONFIG_PROXY_JUMP, before);
	if (r == 0)
		r = config_set(config, CONFIG_CLEAR_ALL_FORWARDINGS, "yes");
	return r;
}

static int jump_new(struct conn *c, const char *list)
{
	struct config *config = config_new(config_algs());
	struct destination d;
	int r;

	if (config == NULL)
		return -ENOMEM;
	r = jump_config(config, list, &d);
	if (r < 0) {
		say(SAY_ERROR, "jump host %s: %s", list, config_errors(config));
		config_free(config);
		return r;
	}
	c->via_config = config;
	r = config_load_begin(config, d.host, c->config_file);
	if (r == -EAGAIN)
		return 0;
	r = jump_made(c, r);
	if (r < 0 && *c->why != '\0')
		say(SAY_ERROR, "%s", c->why);
	return r;
}

static int jump_set(struct conn *c)
{
	const char *jump = config_text(c->config, CONFIG_PROXY_JUMP);
	char list[CONFIG_TEXT_MAX];

	if (jump == NULL || strcmp(jump, "none") == 0)
		return 0;
	if (config_expanded(c->config, CONFIG_PROXY_JUMP, 0, list, sizeof(list)) < 0)
		return -EINVAL;
	/* A host that is reached by way of itself has no end. */
	if (c->leads >= CONN_JUMPS_MAX) {
		say(SAY_ERROR, "more than %d jump hosts", CONN_JUMPS_MAX);
		return -ELOOP;
	}
	say(SAY_DEBUG, "To %s by %s", c->host, list);
	return jump_new(c, list);
}

/* --- life
 * -------------------------------------------------------------------------------------------- */

static int conn_make(struct config *config, const char *config_file, const struct sluice_ops *ops,
		     void *arg, unsigned int leads, struct conn **ret)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct sluice_ops all = {.size = sizeof(all)};
	int r;

	if (c == NULL)
		return -ENOMEM;
	*c = (struct conn){.config = config,
			   .config_file = config_file,
			   .leads = leads,
			   .ops = ops,
			   .arg = arg};
	c->port = (uint16_t)config_number(config, CONFIG_PORT);
	snprintf(c->host, sizeof(c->host), "%s", config_text(config, CONFIG_HOSTNAME));
	r = sluice_new(&c->s);
	if (r == 0)
		r = set_all(c);
	if (r == 0) {
		conn_ops_fill(&all);
		r = sluice_ops_set(c->s, &all, c);
	}
	if (r == 0)
		r = jump_set(c);
	if (r < 0) {
		conn_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

int conn_new(struct config *config, const char *config_file, const struct sluice_ops *ops,
	     void *arg, struct conn **ret)
{
	return conn_make(config, config_file, ops, arg, 0, ret);
}

void conn_free(struct conn *c)
{
	struct conn *via;

	for (; c != NULL; c = via) {
		via = c->via;
		if (!c->lent)
			sluice_free(c->s);
		reach_free(c->reach);
		conn_identities_free(c);
		if (c->command_pid > 0)
			(void)command_end(c->command_pid);
		if (c->own_config)
			config_free(c->config);
		config_free(c->via_config);
		secret_wipe(c->proxy_password, sizeof(c->proxy_password));
		free(c);
	}
}

int conn_unattended(struct conn *c, unsigned int again_ms)
{
	char text[2 * SSH_IDENT_MAX];

	for (; c != NULL; c = c->via) {
		const char *own = config_text(c->config, CONFIG_VERSION_STRING);

		c->again_ms = again_ms;
		c->unattended = true; /* and so is a jump host whose name is still asked for */
		snprintf(text, sizeof(text), "%s " SSH_IDENT_UNATTENDED,
			 own != NULL ? own : "SSH-2.0-Sluice_" SLUICE_VERSION);
		if (set(c, "VersionString", text) < 0)
			return -EINVAL;
	}
	return 0;
}

static void over(struct conn *c, int err)
{
	c->state = CONN_OVER;
	c->err = err;
	if (*c->why == '\0' && sluice_error_last(c->s, c->why, sizeof(c->why)) == 0)
		snprintf(c->why, sizeof(c->why), "%s", sluice_strerror(err));
}

/* --- on the way
 * ------------------------------------------------------------------------------------- */

/* By a stream that is there, or the jump host's. */
static int logon(struct conn *c)
{
	int r = sluice_logon(c->s, NULL, 0);

	c->quiet_ms = turn_now_ms();
	return pump_waits(r) ? 0 : r;
}

/* A stream is there: from now on it is the library's. */
static int meet(struct conn *c, int fd)
{
	int r = sluice_connect_fd(c->s, fd);

	return r == 0 || pump_waits(r) ? logon(c) : r;
}

static const char *text_or_null(const char *text)
{
	return text != NULL && *text != '\0' && strcasecmp(text, "none") != 0 ? text : NULL;
}

/* IPQoS: its first value is for sessions with a terminal, the second for all others. */
static int tos_of(const struct conn *c)
{
	const struct conf_strs *v = config_list(c->config, CONFIG_IPQOS);
	bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	const char *text = v->v[terminal || v->n < 2 ? 0 : 1];

	return strcmp(text, "none") == 0 ? 0 : (int)strtol(text, NULL, 0);
}

static struct reach_tcp tcp_of(const struct conn *c)
{
	const struct config *g = c->config;

	return (struct reach_tcp){
		.delay = config_is(g, CONFIG_TCP_NO_DELAY, "no"),
		.keepalive = config_yes(g, CONFIG_TCP_KEEP_ALIVE),
		.keep_idle_s = (int)((time_of(c, CONFIG_TCP_KEEP_ALIVE_TIME) + 999) / 1000),
		.keep_interval_s = (int)((time_of(c, CONFIG_TCP_KEEP_ALIVE_INTERVAL) + 999) / 1000),
		.keep_count = (int)config_number(g, CONFIG_TCP_KEEP_ALIVE_COUNT),
		.rcvbuf = (int)config_number(g, CONFIG_RECEIVE_BUFFER),
		.sndbuf = (int)config_number(g, CONFIG_SEND_BUFFER),
		.tos = tos_of(c),
	};
}

static int begin_reach(struct conn *c)
{
	const struct config *g = c->config;
	struct reach_conf conf = {
		.host = c->host,
		.port = c->port,
		.family = config_is(g, CONFIG_ADDRESS_FAMILY, "inet")    ? AF_INET
			  : config_is(g, CONFIG_ADDRESS_FAMILY, "inet6") ? AF_INET6
									 : AF_UNSPEC,
		.timeout_ms = (unsigned int)config_number(g, CONFIG_CONNECT_TIMEOUT) * 1000,
		.again_ms = c->again_ms,
		.bind = {.addr = text_or_null(config_text(g, CONFIG_BIND_ADDRESS)),
			 .interface = text_or_null(config_text(g, CONFIG_BIND_INTERFACE)),
			 .port = (uint16_t)config_number(g, CONFIG_BIND_PORT)},
		.tcp = tcp_of(c),
		.command_err_fd = -1,
	};
	int r;

	r = conn_proxy(c, &conf);
	if (r < 0)
		return r;
	if (text_or_null(config_text(g, CONFIG_PROXY_COMMAND)) != NULL) {
		if (config_expanded(c->config, CONFIG_PROXY_COMMAND, 0, c->command,
				    sizeof(c->command)) < 0) {
			snprintf(c->why, sizeof(c->why), "%s", config_errors(c->config));
			return -EINVAL;
		}
		conf.command = c->command;
		say(SAY_DEBUG, "Executing proxy command: %s", c->command);
	}
	return reach_new(&conf, &c->reach);
}

/* 0: it goes on, or is there. */
static int step_reach(struct conn *c)
{
	struct reach_link link = {.fd = -1};
	int r = reach_step(c->reach, &link);

	if (r == -EAGAIN)
		return 0;
	if (r < 0)
		snprintf(c->why, sizeof(c->why), "%s", reach_why(c->reach));
	reach_free(c->reach);
	c->reach = NULL;
	secret_wipe(c->proxy_password, sizeof(c->proxy_password));
	if (r < 0)
		return r;
	say(SAY_DEBUG, "Connection established.");
	c->command_pid = link.command;
	return meet(c, link.fd);
}

static void via_over(struct conn *c)
{
	snprintf(c->why, sizeof(c->why), "jump host %.150s: %.300s", c->via->host, c->via->why);
	over(c, c->via->err);
}

/* As soon as it is known who we are. */
static int set_out(struct conn *c, uint64_t now_ms)
{
	int r;

	if (!conn_identities(c, now_ms))
		return 0;
	r = conn_agent_missing(c) ? -ENOKEY : conn_password(c);
	if (r < 0) {
		over(c, r);
		return r;
	}
	r = conn_hostkey_order(c);
	if (r < 0) {
		over(c, -SLUICE_E_HOSTKEY_REJECTED);
		return r;
	}
	say(SAY_DEBUG, "Connecting to %s port %u.", c->host, c->port);
	r = c->via != NULL ? logon(c) : begin_reach(c);
	if (r < 0)
		over(c, r);
	return r;
}

int conn_begin(struct conn *c)
{
	int r;

	if (c->begun || c->via_config != NULL)
		return 0;
	if (c->via != NULL && c->via->state != CONN_UP) {
		r = conn_begin(c->via);
		if (r < 0)
			via_over(c);
		return r;
	}
	c->begun = true;
	c->state = CONN_WAY;
	return set_out(c, turn_now_ms());
}

/* --- the way in has its time -------------------------------------------------------------------
 */

static uint64_t bytes_in(const struct conn *c)
{
	char text[32];

	return sluice_info(c->s, SLUICE_INFO_BYTES_IN, text, sizeof(text)) > 0
		       ? strtoull(text, NULL, 10)
		       : 0;
}

/* Until OperationTimeout is over, from now on; -1: it has none. */
static int left_ms(struct conn *c, uint64_t now_ms)
{
	uint64_t heard;

	if (c->limit_ms == 0 || c->state != CONN_WAY || c->quiet_ms == 0)
		return -1;
	heard = bytes_in(c);
	if (heard != c->heard && !config_yes(c->config, CONFIG_ABSOLUTE_TIMEOUT))
		c->quiet_ms = now_ms;
	c->heard = heard;
	return now_ms - c->quiet_ms < c->limit_ms ? (int)(c->quiet_ms + c->limit_ms - now_ms) : 0;
}

static void time_out(struct conn *c)
{
	snprintf(c->why, sizeof(c->why), "OperationTimeout: the server did not let us in");
	(void)sluice_disconnect(c->s);
	over(c, -SLUICE_E_TIMEOUT);
}

void conn_logoff(struct conn *c)
{
	static const enum config_id waits[] = {CONFIG_LINGER, CONFIG_WAIT_FOR_CHANNEL_CLOSE,
					       CONFIG_WAIT_FOR_SERVER_DISCONNECT};
	const char *time = config_text(c->config, CONFIG_OPERATION_TIMEOUT);
	bool wait = false;

	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
		wait |= config_given(c->config, waits[i]);
	/* Other hosts of a process that nobody attends have their turns meanwhile. */
	if (wait && !c->unattended)
		(void)set(c, "OperationTimeout", time != NULL ? time : "60");
	(void)sluice_logoff(c->s);
}

void conn_prepare(struct conn *c, struct turn *t)
{
	int left;

	c->place = TURN_NONE;
	if (c->via_config != NULL)
		c->place = turn_add(t, config_fd(c->via_config), POLLIN);
	if (c->via != NULL && (!c->begun || c->agent != NULL))
		conn_prepare(c->via, t);
	if (!c->begun || c->state == CONN_OVER)
		return;
	if (c->agent != NULL) {
		c->place = turn_add(t, agent_fd(c->agent), agent_events(c->agent));
		turn_within(t,
			    c->agent_due_ms > t->now_ms ? (int)(c->agent_due_ms - t->now_ms) : 0);
		return;
	}
	if (c->reach != NULL) {
		c->place = turn_add(t, reach_fd(c->reach), POLLIN);
		return;
	}
	c->place = turn_add(t, sluice_fd(c->s), sluice_events(c->s));
	turn_within(t, c->more ? 0 : sluice_timeout_ms(c->s));
	left = left_ms(c, t->now_ms);
	if (left >= 0)
		turn_within(t, left);
}

/* The jump host's name has an answer, maybe. */
static void run_via_config(struct conn *c, const struct turn *t)
{
	int r = turn_ready(t, c->place) != 0 ? config_load_step(c->via_config) : -EAGAIN;

	if (r == -EAGAIN)
		return;
	r = jump_made(c, r);
	if (r < 0)
		over(c, r);
	else
		conn_begin(c);
}

/* Up to its login, and until we know who we are; then the library has its turns with ours. */
static void run_via(struct conn *c, const struct turn *t)
{
	conn_run(c->via, t);
	if (c->via->state == CONN_OVER && c->state != CONN_OVER)
		via_over(c);
	else if (c->via->state == CONN_UP)
		conn_begin(c);
}

void conn_run(struct conn *c, const struct turn *t)
{
	int r = 0;

	if (c->via_config != NULL && c->state != CONN_OVER)
		run_via_config(c, t);
	else if (c->via != NULL && (!c->begun || c->agent != NULL))
		run_via(c, t);
	if (!c->begun || c->state == CONN_OVER)
		return;
	if (c->agent != NULL) {
		(void)set_out(c, t->now_ms);
		return;
	}
	if (c->reach != NULL) {
		r = step_reach(c);
		if (r < 0)
			over(c, r);
		if (c->reach != NULL || r < 0)
			return;
	}
	for (int i = 0; i < DISPATCH_MAX && (r = sluice_dispatch(c->s, 0)) > 0; i++)
		;
	c->more = r > 0;
	if (c->state == CONN_WAY) {
		int st = sluice_status(c->s);

		if (st == 0) {
			c->state = CONN_UP;
			/* Who connects again has them read again. */
			(void)sluice_credentials_forget(c->s);
		} else if (!pump_waits(st)) {
			over(c, st);
		}
	} else if (r < 0 && !pump_waits(r)) {
		over(c, r);
	}
	if (left_ms(c, turn_now_ms()) == 0)
		time_out(c);
}
