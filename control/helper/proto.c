#include "control/helper/proto.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/rule.h"
#include "link/msg.h"
#include "ssh/chan.h"
#include "ssh/ident.h"

/* --- frames ----------------------------------------------------------------------------- */

void helper_frame_begin(struct ssh_wr *w, enum helper_msg type)
{
	ssh_wr_u32(w, 0); /* its length, once it is known */
	ssh_wr_u8(w, (uint8_t)type);
}

size_t helper_frame_end(struct ssh_wr *w)
{
	size_t len = ssh_wr_done(w);
	struct ssh_wr head;

	if (len < 5 || len > HELPER_FRAME_MAX + 4)
		return 0;
	ssh_wr_init(&head, w->start, 4);
	ssh_wr_u32(&head, (uint32_t)(len - 4));
	return len;
}

int helper_frame_parse(const uint8_t *p, size_t len, enum helper_msg *ret_type,
		       struct ssh_str *ret_body, size_t *ret_used)
{
	struct ssh_rd r;
	uint32_t n;

	ssh_rd_init(&r, p, len);
	n = ssh_rd_u32(&r);
	if (r.bad)
		return -EAGAIN;
	if (n == 0 || n > HELPER_FRAME_MAX)
		return -EBADMSG;
	if (len - 4 < n)
		return -EAGAIN;
	*ret_type = (enum helper_msg)p[4];
	*ret_body = (struct ssh_str){p + 5, n - 1};
	*ret_used = 4 + (size_t)n;
	return 0;
}

/* --- bodies ------------------------------------------------------------------------------- */

/* Texts become C strings on the other side. */
static struct ssh_str text(struct ssh_rd *r)
{
	struct ssh_str s = ssh_rd_str(r);

	if (s.len > HELPER_TEXT_MAX || (s.len > 0 && memchr(s.p, '\0', s.len) != NULL))
		r->bad = true;
	return s;
}

static uint16_t port(struct ssh_rd *r)
{
	uint32_t n = ssh_rd_u32(r);

	if (n > UINT16_MAX)
		r->bad = true;
	return (uint16_t)n;
}

const char *helper_hostbased_name(uint32_t index)
{
	static const char *const names[HELPER_HOSTBASED_FILES] = {
		[HELPER_SHOSTS] = ".shosts",
		[HELPER_RHOSTS] = ".rhosts",
		[HELPER_KNOWN_HOSTS] = ".ssh/known_hosts",
		[HELPER_KNOWN_HOSTS2] = ".ssh/known_hosts2",
	};

	return index < HELPER_HOSTBASED_FILES ? names[index] : NULL;
}

const char *helper_limit_name(enum helper_limit l)
{
	static const char *const name[] = {
#define X(id, name) name,
		HELPER_LIMITS(X)
#undef X
	};

	return name[l];
}

enum helper_limit helper_limit_of(struct ssh_str name)
{
	enum helper_limit l = 0;

	while (l < HELPER_LIMIT_COUNT && !ssh_str_eq(name, helper_limit_name(l)))
		l++;
	return l;
}

static struct helper_job job_read(struct ssh_rd *r)
{
	struct helper_job j;

	j.user = text(r);
	j.peer = text(r);
	j.peer_port = port(r);
	j.local = text(r);
	j.local_port = port(r);
	j.version = text(r);
	j.host = text(r);
	j.role = text(r);
	j.rdomain = text(r);
	j.invalid_user = ssh_rd_bool(r);
	j.time_ms = ssh_rd_u32(r);
	j.mark = ssh_rd_u64(r);
	j.id = ssh_rd_u64(r);
	if (j.user.len == 0 || j.user.len > SSH_USER_MAX || j.peer.len > HELPER_ADDR_MAX ||
	    j.local.len > HELPER_ADDR_MAX || j.version.len > SSH_IDENT_MAX ||
	    j.host.len > SSH_HOST_MAX || j.role.len > CONF_ROLE_MAX ||
	    j.rdomain.len > CONF_RDOMAIN_MAX || j.time_ms == 0 || j.time_ms > HELPER_TIME_MAX)
		r->bad = true;
	return j;
}

static enum helper_entry entry(struct ssh_rd *r)
{
	uint8_t n = ssh_rd_u8(r);

	if (n == 0 || n >= HELPER_ENTRIES)
		r->bad = true;
	return (enum helper_entry)n;
}

int helper_job_parse(enum helper_msg type, struct ssh_str body, struct helper_job *ret)
{
	struct helper_job j;
	struct ssh_rd r;

	if (type != HELPER_PAM && type != HELPER_COMMAND && type != HELPER_FILE &&
	    type != HELPER_SESSION && type != HELPER_SOCKET && type != HELPER_PORT)
		return -EBADMSG;
	ssh_rd_init(&r, body.p, body.len);
	j = job_read(&r);
	if (r.bad)
		return -EBADMSG;
	*ret = j;
	return 0;
}

int helper_pam_parse(struct ssh_str body, struct helper_pam *ret)
{
	struct helper_pam m;
	struct ssh_rd r;

	ssh_rd_init(&r, body.p, body.len);
	m.job = job_read(&r);
	m.possible = ssh_rd_bool(&r);
	m.conversation = ssh_rd_bool(&r);
	m.change = ssh_rd_bool(&r);
	m.password = ssh_rd_str(&r);
	m.new_password = ssh_rd_str(&r);
	if (!ssh_rd_done(&r))
		return -EBADMSG;
	*ret = m;
	return 0;
}

int helper_command_parse(struct ssh_str body, struct helper_command *ret)
{
	struct helper_command m;
	struct ssh_rd r;

	ssh_rd_init(&r, body.p, body.len);
	m.job = job_read(&r);
	m.entry = entry(&r);
	m.key = ssh_rd_str(&r);
	if (!ssh_rd_done(&r))
		return -EBADMSG;
	*ret = m;
	return 0;
}

int helper_file_parse(struct ssh_str body, struct helper_file *ret)
{
	struct helper_file m;
	struct ssh_rd r;

	ssh_rd_init(&r, body.p, body.len);
	m.job = job_read(&r);
	m.entry = entry(&r);
	m.index = ssh_rd_u32(&r);
	if (!ssh_rd_done(&r))
		return -EBADMSG;
	*ret = m;
	return 0;
}

/* A string whose content a builder of ssh/session_msg.h has written. */
static struct ssh_pty_req pty_read(struct ssh_rd *r)
{
	struct ssh_str s = ssh_rd_str(r);
	struct ssh_pty_req pty = {.term = ssh_str_c("")};

	if (!r->bad && ssh_pty_req_parse(s, &pty) < 0)
		r->bad = true;
	return pty;
}

/* Its words become arguments of xauth's: no others reach the helper. */
static struct ssh_x11_req display_read(struct ssh_rd *r, bool wanted)
{
	struct ssh_str s = ssh_rd_str(r);
	struct ssh_x11_req x11 = {.screen = 0};

	if (!wanted) {
		r->bad |= s.len > 0;
		return x11;
	}
	if (!r->bad && (ssh_x11_req_parse(s, &x11) < 0 || !ssh_x11_req_plain(&x11) ||
			x11.protocol.len > HELPER_TEXT_MAX || x11.cookie.len > HELPER_TEXT_MAX))
		r->bad = true;
	return x11;
}

/* A C string on the other side, longer than other texts. */
static struct ssh_str command_text(struct ssh_rd *r)
{
	struct ssh_str s = ssh_rd_str(r);

	if (s.len > SSH_COMMAND_MAX || (s.len > 0 && memchr(s.p, '\0', s.len) != NULL))
		r->bad = true;
	return s;
}

bool helper_env_next(struct ssh_rd *r, struct ssh_str *ret_name, struct ssh_str *ret_value)
{
	struct ssh_str name = ssh_rd_str(r);
	struct ssh_str value = ssh_rd_str(r);

	if (r->bad || name.len == 0 || memchr(name.p, '\0', name.len) != NULL ||
	    (value.len > 0 && memchr(value.p, '\0', value.len) != NULL))
		return false;
	*ret_name = name;
	*ret_value = value;
	return true;
}

/* It becomes part of a file's name. */
static struct ssh_str conn_read(struct ssh_rd *r)
{
	struct ssh_str s = ssh_rd_str(r);

	if (s.len > HELPER_CONN_MAX)
		r->bad = true;
	for (uint32_t i = 0; !r->bad && i < s.len; i++)
		r->bad = memchr("0123456789abcdef-", s.p[i], 17) == NULL;
	return s;
}

static struct ssh_str env_read(struct ssh_rd *r)
{
	struct ssh_str env = ssh_rd_str(r), name, value;
	struct ssh_rd e;

	if (env.len > HELPER_ENV_MAX)
		r->bad = true;
	if (r->bad || env.len == 0)
		return env;
	ssh_rd_init(&e, env.p, env.len);
	while (e.p < e.end)
		if (!helper_env_next(&e, &name, &value)) {
			r->bad = true;
			break;
		}
	return env;
}

static struct ssh_str key_env_read(struct ssh_rd *r)
{
	struct ssh_str s = ssh_rd_str(r);

	if (s.len > HELPER_ENV_MAX || (s.len > 0 && memchr(s.p, '\0', s.len) != NULL))
		r->bad = true;
	return s;
}

int helper_session_parse(struct ssh_str body, struct helper_session *ret)
{
	struct helper_session m;
	struct ssh_rd r;
	uint8_t kind;

	ssh_rd_init(&r, body.p, body.len);
	m.job = job_read(&r);
	kind = ssh_rd_u8(&r);
	m.kind = (enum helper_run)kind;
	m.command = command_text(&r);
	m.forced = ssh_rd_bool(&r);
	m.forced_command = command_text(&r);
	m.tty = ssh_rd_bool(&r);
	m.pty = pty_read(&r);
	m.env = env_read(&r);
	m.user_rc = ssh_rd_bool(&r);
	m.key_env = key_env_read(&r);
	m.agent = ssh_rd_bool(&r);
	m.x11 = ssh_rd_bool(&r);
	m.display = display_read(&r, m.x11);
	m.conn = conn_read(&r);
	m.channel = ssh_rd_u32(&r);
	if (!ssh_rd_done(&r) || kind == 0 || kind >= HELPER_RUNS)
		return -EBADMSG;
	*ret = m;
	return 0;
}

int helper_resume_parse(struct ssh_str body, uint64_t *ret_id)
{
	struct ssh_rd r;
	uint64_t id;

	ssh_rd_init(&r, body.p, body.len);
	id = ssh_rd_u64(&r);
	if (!ssh_rd_done(&r) || id == 0)
		return -EBADMSG;
	*ret_id = id;
	return 0;
}

int helper_signal_parse(struct ssh_str body, struct ssh_str *ret_name)
{
	return ssh_signal_parse(body, ret_name) < 0 ? -EBADMSG : 0;
}

int helper_socket_parse(struct ssh_str body, struct helper_socket *ret)
{
	struct helper_socket m;
	struct ssh_rd r;

	ssh_rd_init(&r, body.p, body.len);
	m.job = job_read(&r);
	m.listen = ssh_rd_bool(&r);
	m.path = text(&r);
	if (!ssh_rd_done(&r) || !ssh_socket_path_ok(m.path))
		return -EBADMSG;
	*ret = m;
	return 0;
}

int helper_port_parse(struct ssh_str body, struct helper_port *ret)
{
	struct helper_port m;
	struct ssh_rd r;

	ssh_rd_init(&r, body.p, body.len);
	m.job = job_read(&r);
	m.host = text(&r);
	m.port = port(&r);
	if (!ssh_rd_done(&r) || m.host.len > SSH_HOST_MAX || m.port == 0 ||
	    m.port >= IPPORT_RESERVED)
		return -EBADMSG;
	*ret = m;
	return 0;
}

int helper_started_parse(struct ssh_str body, struct helper_started *ret)
{
	struct helper_started m;
	struct ssh_rd r;

	ssh_rd_init(&r, body.p, body.len);
	m.n = ssh_rd_u8(&r);
	m.agent = ssh_rd_u8(&r);
	m.x11 = ssh_rd_u8(&r);
	m.tee = ssh_rd_u8(&r);
	m.tee_how = ssh_rd_u8(&r);
	m.record_full = ssh_rd_bool(&r);
	m.recording = text(&r);
	if (!ssh_rd_done(&r) || m.n == 0 || m.n > 3 || m.agent > 1 || m.x11 > 2 || m.tee > 1 ||
	    m.tee_how > LINK_TEE_ALL)
		return -EBADMSG;
	*ret = m;
	return 0;
}

int helper_exit_parse(struct ssh_str body, struct helper_exit *ret)
{
	struct helper_exit m = {0};
	struct ssh_rd r;

	ssh_rd_init(&r, body.p, body.len);
	m.signalled = ssh_rd_bool(&r);
	m.number = ssh_rd_u32(&r);
	m.core = ssh_rd_bool(&r);
	m.ending = ssh_rd_bool(&r);
	if (!ssh_rd_done(&r))
		return -EBADMSG;
	*ret = m;
	return 0;
}

int helper_answer_parse(struct ssh_str body, unsigned int n, struct ssh_str *ret)
{
	struct ssh_rd r;

	ssh_rd_init(&r, body.p, body.len);
	if (ssh_rd_u32(&r) != n)
		return -EBADMSG;
	for (unsigned int i = 0; i < n; i++)
		ret[i] = ssh_rd_str(&r);
	return ssh_rd_done(&r) ? 0 : -EBADMSG;
}

int helper_ask_parse(struct ssh_str body, struct ssh_prompts *ret)
{
	struct ssh_prompts m = {.name = ssh_str_c("")};
	struct ssh_rd r;
	uint32_t n;

	ssh_rd_init(&r, body.p, body.len);
	m.instruction = ssh_rd_str(&r);
	n = ssh_rd_u32(&r);
	if (r.bad || n > SSH_PROMPTS_MAX)
		return -EBADMSG;
	for (; m.n < n; m.n++) {
		m.prompt[m.n].text = ssh_rd_str(&r);
		m.prompt[m.n].echo = ssh_rd_bool(&r);
	}
	if (!ssh_rd_done(&r))
		return -EBADMSG;
	*ret = m;
	return 0;
}

int helper_done_parse(struct ssh_str body, struct helper_done *ret)
{
	struct helper_done m;
	struct ssh_rd r;

	ssh_rd_init(&r, body.p, body.len);
	m.result = (enum helper_result)ssh_rd_u8(&r);
	m.text = text(&r);
	if (!ssh_rd_done(&r) || m.result < HELPER_OK || m.result >= HELPER_RESULTS)
		return -EBADMSG;
	*ret = m;
	return 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void begin(struct ssh_wr *w, uint8_t *buf, enum helper_msg type)
{
	ssh_wr_init(w, buf, HELPER_FRAME_MAX + 4);
	helper_frame_begin(w, type);
}

static void job_write(struct ssh_wr *w, const struct helper_job *j)
{
	ssh_wr_str(w, j->user);
	ssh_wr_str(w, j->peer);
	ssh_wr_u32(w, j->peer_port);
	ssh_wr_str(w, j->local);
	ssh_wr_u32(w, j->local_port);
	ssh_wr_str(w, j->version);
	ssh_wr_str(w, j->host);
	ssh_wr_str(w, j->role);
	ssh_wr_str(w, j->rdomain);
	ssh_wr_bool(w, j->invalid_user);
	ssh_wr_u32(w, j->time_ms);
	ssh_wr_u64(w, j->mark);
	ssh_wr_u64(w, j->id);
}

size_t helper_read_build(uint8_t *buf)
{
	struct ssh_wr w;

	begin(&w, buf, HELPER_READ);
	return helper_frame_end(&w);
}

size_t helper_pam_build(uint8_t *buf, const struct helper_pam *m)
{
	struct ssh_wr w;

	begin(&w, buf, HELPER_PAM);
	job_write(&w, &m->job);
	ssh_wr_bool(&w, m->possible);
	ssh_wr_bool(&w, m->conversation);
	ssh_wr_bool(&w, m->change);
	ssh_wr_str(&w, m->password);
	ssh_wr_str(&w, m->new_password);
	return helper_frame_end(&w);
}

size_t helper_command_build(uint8_t *buf, const struct helper_command *m)
{
	struct ssh_wr w;

	begin(&w, buf, HELPER_COMMAND);
	job_write(&w, &m->job);
	ssh_wr_u8(&w, (uint8_t)m->entry);
	ssh_wr_str(&w, m->key);
	return helper_frame_end(&w);
}

size_t helper_file_build(uint8_t *buf, const struct helper_file *m)
{
	struct ssh_wr w;

	begin(&w, buf, HELPER_FILE);
	job_write(&w, &m->job);
	ssh_wr_u8(&w, (uint8_t)m->entry);
	ssh_wr_u32(&w, m->index);
	return helper_frame_end(&w);
}

size_t helper_session_build(uint8_t *buf, const struct helper_session *m)
{
	uint8_t pty[SSH_TERM_MAX + SSH_TTY_MODES_MAX + 32], x11[2 * HELPER_TEXT_MAX + 32];
	struct ssh_wr w, p, x;

	ssh_wr_init(&p, pty, sizeof(pty));
	ssh_pty_req_build(&p, &m->pty);
	ssh_wr_init(&x, x11, sizeof(x11));
	ssh_x11_req_build(&x, &m->display);
	begin(&w, buf, HELPER_SESSION);
	job_write(&w, &m->job);
	ssh_wr_u8(&w, (uint8_t)m->kind);
	ssh_wr_str(&w, m->command);
	ssh_wr_bool(&w, m->forced);
	ssh_wr_str(&w, m->forced_command);
	ssh_wr_bool(&w, m->tty);
	ssh_wr_str(&w, (struct ssh_str){pty, (uint32_t)ssh_wr_done(&p)});
	ssh_wr_str(&w, m->env);
	ssh_wr_bool(&w, m->user_rc);
	ssh_wr_str(&w, m->key_env);
	ssh_wr_bool(&w, m->agent);
	ssh_wr_bool(&w, m->x11);
	ssh_wr_str(&w, (struct ssh_str){x11, m->x11 ? (uint32_t)ssh_wr_done(&x) : 0});
	ssh_wr_str(&w, m->conn);
	ssh_wr_u32(&w, m->channel);
	return ssh_wr_done(&p) > 0 && ssh_wr_done(&x) > 0 ? helper_frame_end(&w) : 0;
}

size_t helper_signal_build(uint8_t *buf, struct ssh_str name)
{
	struct ssh_wr w;

	begin(&w, buf, HELPER_SIGNAL);
	ssh_wr_str(&w, name);
	return helper_frame_end(&w);
}

size_t helper_hangup_build(uint8_t *buf)
{
	struct ssh_wr w;

	begin(&w, buf, HELPER_HANGUP);
	return helper_frame_end(&w);
}

size_t helper_resume_build(uint8_t *buf, uint64_t id)
{
	struct ssh_wr w;

	begin(&w, buf, HELPER_RESUME);
	ssh_wr_u64(&w, id);
	return helper_frame_end(&w);
}

size_t helper_socket_build(uint8_t *buf, const struct helper_socket *m)
{
	struct ssh_wr w;

	begin(&w, buf, HELPER_SOCKET);
	job_write(&w, &m->job);
	ssh_wr_bool(&w, m->listen);
	ssh_wr_str(&w, m->path);
	return helper_frame_end(&w);
}

size_t helper_port_build(uint8_t *buf, const struct helper_port *m)
{
	struct ssh_wr w;

	begin(&w, buf, HELPER_PORT);
	job_write(&w, &m->job);
	ssh_wr_str(&w, m->host);
	ssh_wr_u32(&w, m->port);
	return helper_frame_end(&w);
}

size_t helper_started_build(uint8_t *buf, const struct helper_started *m)
{
	struct ssh_wr w;

	begin(&w, buf, HELPER_STARTED);
	ssh_wr_u8(&w, m->n);
	ssh_wr_u8(&w, m->agent);
	ssh_wr_u8(&w, m->x11);
	ssh_wr_u8(&w, m->tee);
	ssh_wr_u8(&w, m->tee_how);
	ssh_wr_bool(&w, m->record_full);
	ssh_wr_str(&w, m->recording);
	return helper_frame_end(&w);
}

size_t helper_exit_build(uint8_t *buf, const struct helper_exit *m)
{
	struct ssh_wr w;

	begin(&w, buf, HELPER_EXIT);
	ssh_wr_bool(&w, m->signalled);
	ssh_wr_u32(&w, m->number);
	ssh_wr_bool(&w, m->core);
	ssh_wr_bool(&w, m->ending);
	return helper_frame_end(&w);
}

size_t helper_console_build(uint8_t *buf)
{
	struct ssh_wr w;

	begin(&w, buf, HELPER_CONSOLE);
	return helper_frame_end(&w);
}

size_t helper_answer_build(uint8_t *buf, unsigned int n, const struct ssh_str *answer)
{
	struct ssh_wr w;

	begin(&w, buf, HELPER_ANSWER);
	ssh_wr_u32(&w, n);
	for (unsigned int i = 0; i < n; i++)
		ssh_wr_str(&w, answer[i]);
	return helper_frame_end(&w);
}

size_t helper_ask_build(uint8_t *buf, const struct ssh_prompts *m)
{
	struct ssh_wr w;

	begin(&w, buf, HELPER_ASK);
	ssh_wr_str(&w, m->instruction);
	ssh_wr_u32(&w, m->n);
	for (unsigned int i = 0; i < m->n; i++) {
		ssh_wr_str(&w, m->prompt[i].text);
		ssh_wr_bool(&w, m->prompt[i].echo);
	}
	return helper_frame_end(&w);
}

size_t helper_data_build(uint8_t *buf, const void *p, size_t len)
{
	struct ssh_wr w;

	begin(&w, buf, HELPER_DATA);
	ssh_wr_bytes(&w, p, len);
	return len <= HELPER_DATA_MAX ? helper_frame_end(&w) : 0;
}

size_t helper_done_build(uint8_t *buf, enum helper_result result, const char *text_)
{
	struct ssh_str s = ssh_str_c(text_);
	struct ssh_wr w;

	if (s.len > HELPER_TEXT_MAX)
		s.len = HELPER_TEXT_MAX;
	begin(&w, buf, HELPER_DONE);
	ssh_wr_u8(&w, (uint8_t)result);
	ssh_wr_str(&w, s);
	return helper_frame_end(&w);
}
