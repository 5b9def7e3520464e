/*
 * control/helper/session_forwards.c - what listens on the gateway for a session's client: for its
 * agent a socket in a folder that is the user's alone, for its display a port of X11's.
 *
 * Source  sshd(8); RFC 4254 section 6.3.1; xauth(1); X(7), DISPLAY NAMES.
 *
 * Neither is a reason not to start the program. Whoever connects there is passed on by the shard:
 * that the cookie is right the client's side looks, as xauth here is given what it sent us.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/helper/agents.h"
#include "control/helper/session.h"
#include "control/listen.h"
#include "control/log.h"
#include "control/setup.h"
#include "crypto/secret.h"

#define X11_PORT     6000
#define X11_DISPLAYS 1000 /* that are tried, from X11DisplayOffset on; sshd's */
#define AGENT_TRIES  4

static void without(const struct run *r, const char *what, const char *why)
{
	log_line(LOG_L_ERROR, "a session of %.100s is without %s: %s", r->pw.pw_name, what, why);
}

/* --- the agent ---------------------------------------------------------------------------------
 */

/* The descriptor is shared with who forked us: it listens there from here on. */
static bool agent_make(struct run *r)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	strcpy(sun.sun_path, r->agent_path);
	if (mkdir(r->agent_dir, 0700) < 0)
		return false;
	umask(0177);
	if (bind(r->agent, (const struct sockaddr *)&sun, sizeof(sun)) == 0 &&
	    listen(r->agent, SOMAXCONN) == 0)
		return true;
	(void)rmdir(r->agent_dir);
	return false;
}

static bool agent_remove(struct run *r)
{
	return unlink(r->agent_path) == 0 && rmdir(r->agent_dir) == 0;
}

/* Should we be killed, another helper finds it by this. */
static void agent_mark(const struct run *r, bool on)
{
	const char *name = r->agent_dir + sizeof(AGENTS_TMP), *run;

	if (setup_run_dir(&run) < 0)
		return;
	if (!on)
		agents_unmark(run, name);
	else if (!agents_mark(run, name))
		log_line(LOG_L_ERROR, "%s/agents is not ours: agents' folders may be left behind",
			 run);
}

/* What its user has made of it is his: the mark goes, or his sessions would fill our folder. */
static void agent_take_away(struct run *r)
{
	(void)session_as_user(r, agent_remove, NULL);
	agent_mark(r, false);
}

/* A name nobody can have made before us; and if he has, it is not used. */
static bool agent_name(struct run *r)
{
	static const char letters[] = AGENTS_LETTERS;
	uint8_t random[AGENTS_RANDOM];
	char name[AGENTS_RANDOM + 1];

	if (crypto_random(random, sizeof(random)) < 0)
		return false;
	for (size_t i = 0; i < AGENTS_RANDOM; i++)
		name[i] = letters[random[i] % 32];
	name[AGENTS_RANDOM] = '\0';
	snprintf(r->agent_dir, sizeof(r->agent_dir), AGENTS_TMP "/" AGENTS_PREFIX "%s", name);
	snprintf(r->agent_path, sizeof(r->agent_path), "%s/" AGENTS_SOCKET, r->agent_dir);
	return true;
}

static void agent_open(struct run *r)
{
	bool made = false;

	r->agent = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	for (int i = 0; r->agent >= 0 && !made && i < AGENT_TRIES && agent_name(r); i++) {
		agent_mark(r, true);
		made = session_as_user(r, agent_make, &r->agent);
		if (!made)
			agent_mark(r, false);
	}
	if (made && env_set(&r->env, "SSH_AUTH_SOCK", r->agent_path) == 0)
		return;
	without(r, "an agent", "no socket for it");
	if (made)
		agent_take_away(r);
	r->agent_dir[0] = '\0';
	if (r->agent >= 0)
		close(r->agent);
	r->agent = -1;
}

/* --- the display --------------------------------------------------------------------------------
 */

struct display {
	char name[300]; /* for DISPLAY */
	char key[300];  /* for xauth */
};

/* The first that is free: of its port, at all addresses it is to have. */
static int display_find(struct run *r, unsigned int *ret)
{
	static const struct link_addr local[] = {{.family = 4, .addr = {127, 0, 0, 1}},
						 {.family = 6, .addr = {[15] = 1}}},
				      any[] = {{.family = 4}, {.family = 6}};
	const struct conf_session *c = &r->allow.conf;
	const struct link_addr *at = c->x11_use_localhost ? local : any;
	unsigned int first = c->x11_display_offset;
	uint8_t only = conf_family(r->job->conf);

	for (unsigned int i = first; i < first + X11_DISPLAYS && i <= UINT16_MAX - X11_PORT; i++) {
		uint16_t port = (uint16_t)(X11_PORT + i);
		int n = listen_addrs(at + (only == 6), only == 0 ? 2 : 1, &port, r->x11);

		if (n > 0) {
			r->n_x11 = (unsigned int)n;
			*ret = i;
			return 0;
		}
		if (n != -EADDRINUSE && n != -EACCES)
			return n;
	}
	return -EADDRINUSE;
}

/* As sshd: what is on loopback xauth knows as a local one. */
static void display_name(const struct run *r, unsigned int number, struct display *d)
{
	uint32_t screen = r->m->display.screen;
	char host[256];

	if (r->allow.conf.x11_use_localhost || gethostname(host, sizeof(host)) < 0) {
		snprintf(d->name, sizeof(d->name), "localhost:%u.%u", number, screen);
		snprintf(d->key, sizeof(d->key), "unix:%u.%u", number, screen);
		return;
	}
	host[sizeof(host) - 1] = '\0';
	snprintf(d->name, sizeof(d->name), "%s:%u.%u", host, number, screen);
	snprintf(d->key, sizeof(d->key), "%s", d->name);
}

static int xauth_words = -1; /* what it is told: a file without a name */

static bool xauth_run(struct run *r)
{
	const char *path = conf_global(r->job->conf)->xauth_location;
	char *const argv[] = {(char *)"xauth", (char *)"-q", (char *)"-", NULL};
	int none = open("/dev/null", O_WRONLY | O_CLOEXEC);
	sigset_t set;

	sigemptyset(&set);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0 || none < 0 || dup2(xauth_words, 0) < 0 ||
	    dup2(none, 1) < 0 || dup2(none, 2) < 0 || chdir("/") < 0)
		return false;
	execve(path, argv, r->env.v);
	return false;
}

static bool words_write(const struct run *r, const struct display *d)
{
	const struct ssh_x11_req *x = &r->m->display;

	return dprintf(xauth_words, "remove %s\nadd %s %.*s %.*s\n", d->key, d->key,
		       (int)x->protocol.len, (const char *)x->protocol.p, (int)x->cookie.len,
		       (const char *)x->cookie.p) > 0 &&
	       lseek(xauth_words, 0, SEEK_SET) == 0;
}

static bool xauth_tell(struct run *r, const struct display *d)
{
	const char *path = conf_global(r->job->conf)->xauth_location;
	bool ok;

	if (path == NULL || !allow_path_safe(path))
		return false;
	xauth_words = memfd_create("xauth", MFD_CLOEXEC);
	ok = xauth_words >= 0 && words_write(r, d) && session_as_user(r, xauth_run, &xauth_words);
	if (xauth_words >= 0)
		close(xauth_words);
	return ok;
}

static void display_open(struct run *r)
{
	unsigned int number = 0;
	struct display d;
	int e = display_find(r, &number);

	if (e < 0) {
		without(r, "a display", strerror(-e));
		return;
	}
	display_name(r, number, &d);
	if (env_set(&r->env, "DISPLAY", d.name) == 0 && xauth_tell(r, &d))
		return;
	without(r, "a display", "xauth failed");
	env_unset(&r->env, "DISPLAY");
	while (r->n_x11 > 0)
		close(r->x11[--r->n_x11]);
}

/* --- both ----------------------------------------------------------------------------------------
 */

void session_forwards_open(struct run *r)
{
	if (r->may.agent)
		agent_open(r);
	if (r->may.x11)
		display_open(r);
}

void session_forwards_close(struct run *r)
{
	if (r->agent_dir[0] != '\0')
		agent_take_away(r);
	r->agent_dir[0] = '\0';
}
