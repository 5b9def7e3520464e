/*
 * sluice-helper - what needs another uid: PAM, users' files, programs of the operator's.
 *
 * Root's, and small: it reads no message of SSH. Each job is a process of its own. What may be done
 * for whom stands in the configuration, which it reads itself and believes only where nobody but
 * root can have written it.
 */
#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/alive.h"
#include "control/helper/agents.h"
#include "control/helper/allow.h"
#include "control/helper/server.h"
#include "control/log.h"
#include "control/log_out.h"
#include "control/log_syslog.h"
#include "control/setup.h"

#define EXIT_BAD 255
#define BACKLOG  64

static const char *conf_path = CONF_PATH_DEFAULT;
static struct log_out *out; /* once it serves */
static bool to_stderr;

static int usage(FILE *f, int status)
{
	fprintf(f, "usage: sluice-helper [-ehtV] [-f FILE]\n");
	return status;
}

/* Whose processes may ask: control's, which is our own where there is no such user. */
static uid_t client_uid(gid_t *ret_gid)
{
	const struct passwd *pw = geteuid() == 0 ? getpwnam(SETUP_USER) : NULL;

	*ret_gid = pw != NULL ? pw->pw_gid : getegid();
	return pw != NULL ? pw->pw_uid : geteuid();
}

/* A socket that a helper before this one left is in the way; one that listens is not taken. */
static int in_use(const struct sockaddr_un *sun)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0 ? -EADDRINUSE : 0;
	close(fd);
	if (r == 0)
		(void)unlink(sun->sun_path);
	return r;
}

static int open_listener(const char *dir, struct sockaddr_un *sun, uid_t uid, gid_t gid)
{
	int fd, r;

	sun->sun_family = AF_UNIX;
	if ((size_t)snprintf(sun->sun_path, sizeof(sun->sun_path), "%s/helper.sock", dir) >=
	    sizeof(sun->sun_path))
		return -ENAMETOOLONG;
	r = in_use(sun);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	umask(0177);
	if (bind(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0 ||
	    (geteuid() == 0 && lchown(sun->sun_path, uid, gid) < 0) || listen(fd, BACKLOG) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	umask(077);
	return fd;
}

static int rules_read(struct conf **ret)
{
	char *errors = NULL;
	int r = setup_conf_read(conf_path, allow_path_safe, ret, &errors);

	if (r < 0)
		log_lines(LOG_L_ERROR, errors != NULL ? errors : "no memory");
	else if (out != NULL)
		log_where(*ret, out, "sluice-helper", to_stderr);
	free(errors);
	return r;
}

static int serve(struct helper_rules *rules)
{
	struct sockaddr_un sun = {0};
	int left;
	const char *dir;
	uid_t uid;
	gid_t gid;
	int fd, r;

	out = rules->log;
	log_where(rules->conf, out, "sluice-helper", to_stderr);
	if (setup_run_dir(&dir) < 0)
		return EXIT_BAD;
	uid = client_uid(&gid);
	fd = open_listener(dir, &sun, uid, gid);
	if (fd < 0) {
		log_line(LOG_L_FATAL, "sluice-helper: %s/helper.sock: %s", dir,
			 fd == -EADDRINUSE ? "another sluice-helper is running" : strerror(-fd));
		return EXIT_BAD;
	}
	if (geteuid() != 0)
		log_line(LOG_L_INFO, "not root: users' files and programs are out of reach");
	log_line(LOG_L_INFO, "sluice-helper listens on %s", sun.sun_path);
	left = agents_clean(dir);
	if (left > 0)
		log_line(LOG_L_INFO, "%d folders of agents that were left behind are gone", left);
	if (left < 0)
		log_line(LOG_L_ERROR, "folders of agents may have been left behind: %s",
			 strerror(-left));
	r = helper_serve(fd, uid, rules);
	(void)unlink(sun.sun_path);
	return r == 0 ? 0 : EXIT_BAD;
}

int main(int argc, char **argv)
{
	struct alive alive = {.to.fd = -1};
	struct helper_rules rules = {.read = rules_read, .alive = &alive};
	bool test = false;
	int c, r = 0;

	while ((c = getopt(argc, argv, "ef:htV")) != -1) {
		switch (c) {
		case 'e':
			to_stderr = true;
			break;
		case 'f':
			conf_path = optarg;
			break;
		case 't':
			test = true;
			break;
		case 'V':
			printf("sluice-helper %s\n", SLUICE_VERSION);
			return 0;
		case 'h':
			return usage(stdout, 0);
		default:
			return usage(stderr, EXIT_BAD);
		}
	}
	if (optind < argc)
		return usage(stderr, EXIT_BAD);
	if (setup_no_dumps() < 0 || rules_read(&rules.conf) < 0 || setup_fips(rules.conf) < 0)
		return EXIT_BAD;
	if (!test)
		notify_open(&alive.to);
	if (!test)
		r = log_out_new(STDERR_FILENO, &rules.log) == 0 ? serve(&rules) : EXIT_BAD;
	log_out_use(NULL);
	log_out_free(rules.log);
	conf_put(rules.conf);
	return r;
}
