/* client/shell/remote.c - see remote.h. */
#include "client/shell/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/shell/say.h"
#include "conf/match.h"
#include "ssh/msg.h"

/* Nothing said is loopback, as with ssh; "*" and nothing at all mean every address. */
static const char *address(const struct forward *f)
{
	if (f->listen.any_host)
		return "";
	return *f->listen.host != '\0' ? f->listen.host : "localhost";
}

/* An answer that comes while it is asked for is told twice: by the callback and by the call. */
static void settle(struct remotes *m, struct remote *r, bool ok)
{
	if (r->answered)
		return;
	r->answered = true;
	r->ok = ok;
	m->answered++;
	m->told(m->arg, r);
}

static int request(struct remotes *m, struct remote *r)
{
	const struct forward *f = &r->f;
	int e;

	if (f->listen.path)
		e = sluice_forward_request_unix(m->relays->s, f->listen.host);
	else
		e = sluice_forward_request(m->relays->s, address(f), f->listen.port, NULL);
	if (e == 0 || pump_waits(e))
		return 0;
	settle(m, r, false);
	return e == -SLUICE_E_REQUEST ? 0 : e; /* a refusal is an answer, however early it comes */
}

int remotes_ask(struct remotes *m, const struct forward *f)
{
	struct remote *r, *v;

	if (m->n == CONFIG_FORWARDS_MAX)
		return -ENOSPC;
	v = reallocarray(m->v, m->n + 1, sizeof(*v));
	if (v == NULL)
		return -ENOMEM;
	m->v = v;
	r = &m->v[m->n++];
	*r = (struct remote){.f = *f, .port = f->listen.port};
	return request(m, r);
}

bool remotes_done(const struct remotes *m)
{
	return m->answered == m->n;
}

size_t remotes_refused(const struct remotes *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		n += m->v[i].answered && !m->v[i].ok && !m->v[i].cancelled;
	return n;
}

void remotes_again(struct remotes *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].answered && !m->v[i].ok && !m->v[i].cancelled) {
			m->v[i].answered = false;
			m->answered--;
			(void)request(m, &m->v[i]);
		}
}

const struct remote *remotes_find(const struct remotes *m, const struct forward *f)
{
	for (size_t i = 0; i < m->n; i++)
		if ((m->v[i].ok || !m->v[i].answered) && forward_same(&m->v[i].f, f))
			return &m->v[i];
	return NULL;
}

static void cancel(struct remotes *m, struct remote *r)
{
	const struct forward *f = &r->f;

	if (f->listen.path)
		(void)sluice_forward_cancel_unix(m->relays->s, f->listen.host);
	else
		(void)sluice_forward_cancel(m->relays->s, address(f), r->port);
	r->ok = false;
	r->cancelled = true;
	/* Places at the end are free again; those before them are known by their place. */
	while (m->n > 0 && m->v[m->n - 1].cancelled) {
		m->n--;
		m->answered--;
	}
}

bool remotes_cancel(struct remotes *m, const struct forward *f)
{
	const struct remote *found = remotes_find(m, f);

	if (found == NULL || !found->ok)
		return false;
	cancel(m, &m->v[found - m->v]);
	return true;
}

bool remotes_cancel_at(struct remotes *m, const struct forward_end *listen, struct forward *ret)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct forward_end *e = &m->v[i].f.listen;

		if (!m->v[i].ok || e->path != listen->path || e->any_host != listen->any_host ||
		    m->v[i].port != listen->port || strcmp(e->host, listen->host) != 0)
			continue;
		*ret = m->v[i].f;
		cancel(m, &m->v[i]);
		return true;
	}
	return false;
}

/* Answers come in the order of requests. */
void remotes_answered(struct remotes *m, const char *type, int err, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t i = 0;

	if (strcmp(type, "tcpip-forward") != 0 &&
	    strcmp(type, "streamlocal-forward@openssh.com") != 0)
		return;
	while (i < m->n && m->v[i].answered)
		i++;
	if (i == m->n)
		return;
	if (err == 0 && !m->v[i].f.listen.path && m->v[i].port == 0 && len >= 4)
		m->v[i].port = (uint16_t)(p[2] << 8 | p[3]);
	settle(m, &m->v[i], err == 0);
}

/* Of several at one port it is the one that was asked for at that address: RFC 4254 section 7.2. */
static const struct remote *find(const struct remotes *m, const struct sluice_open *open)
{
	const struct remote *at_port = NULL;
	bool several = false;

	for (size_t i = 0; i < m->n; i++) {
		const struct remote *r = &m->v[i];

		if (!r->ok || r->f.listen.path != (*open->path != '\0'))
			continue;
		if (r->f.listen.path && strcmp(r->f.listen.host, open->path) == 0)
			return r;
		if (r->f.listen.path || r->port != open->port)
			continue;
		if (strcmp(address(&r->f), open->host) == 0)
			return r;
		several = at_port != NULL;
		at_port = r;
	}
	return several ? NULL : at_port; /* some servers name an address of their own */
}

static bool wanted_from(const struct remote *r, const struct sluice_open *open)
{
	return *r->f.from == '\0' || match_addr_list(open->origin, r->f.from) == MATCH_YES;
}

static int unwanted(struct remotes *m, const struct remote *r, struct sluice_channel *c,
		    const struct sluice_open *open)
{
	say(SAY_INFO, "%s: refused: from %s port %u at port %u, which has from=%s", open->type,
	    open->origin, open->origin_port, r->port, r->f.from);
	m->relays->refused++;
	(void)sluice_channel_refuse(c, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED,
				    "not wanted from there");
	return 0;
}

int remotes_opened(struct remotes *m, struct sluice_channel *c, const struct sluice_open *open)
{
	const struct remote *r = strncmp(open->type, "forwarded-", 10) == 0 ? find(m, open) : NULL;

	if (r == NULL)
		return 0;
	if (!wanted_from(r, open))
		return unwanted(m, r, c, open);
	say(SAY_DEBUG, "%s: from %s port %u", open->type, open->origin, open->origin_port);
	return relay_take(m->relays, c, open, r->f.socks ? NULL : &r->f.target, m->permit);
}

void remotes_fini(struct remotes *m)
{
	free(m->v);
	*m = (struct remotes){0};
}
