/*
 * tests/util/helper_bench.h - sluice-helper in a process of the test's, and a client that waits.
 *
 * What a job is about is chosen by Match client-version, so that one configuration has all of them.
 */
#ifndef SLUICE_TESTS_UTIL_HELPER_BENCH_H
#define SLUICE_TESTS_UTIL_HELPER_BENCH_H

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/helper/client.h"
#include "control/helper/job.h"
#include "control/helper/server.h"
#include "control/helper/uses.h"
#include "control/log.h"
#include "crypto/cert.h"

#define N(a)        (sizeof(a) / sizeof((a)[0]))
#define PATIENCE_MS 10000

static struct {
	char dir[64], path[HELPER_PATH_MAX], conf_path[128], me[64];
	pid_t pid;
	struct key *key, *cert;
	enum helper_limit full; /* what the last result() named */
	uint8_t buf[HELPER_FRAME_MAX + 4];
} t = {.dir = "/tmp/sluice-helper-XXXXXX"};

static const char *const services[] = {"ok",     "asks",   "expired",  "crash",          "sleep",
				       "mumble", "babble", "somebody", "no-such-service"};

/* AuthorizedKeysCommand for Match client-version progN. */
static const struct {
	const char *line;
	enum helper_result want;
	const char *data;
} programs[] = {
	{"/bin/echo one \"two three\"", HELPER_OK, "one two three\n"},
	{"/bin/sh -c \"echo $USER-$HOME; pwd\"", HELPER_OK, NULL},
	{"/bin/sh -c \"echo half; exit 1\"", HELPER_NO, "half\n"},
	{"/bin/sh -c \"kill -9 $$\"", HELPER_NO, ""},
	{"/bin/sh -c \"exec 2>&1; cat\"", HELPER_OK, ""}, /* nothing to read */
	{"/bin/sh -c \"ls -l /proc/self/fd | grep -c socket\"", HELPER_NO, "0\n"},
	{"/bin/sh -c \"head -c 2000000 /dev/zero\"", HELPER_NO, NULL},
	{"/no/such/program", HELPER_NO, ""},
	{"/etc/passwd", HELPER_NO, ""},
	{"/bin/sleep 60", HELPER_LATE, NULL},
	{"/bin/echo -n %u %U %h %t %% %C %D", HELPER_OK, NULL},
	{"/bin/echo", HELPER_OK, NULL},                    /* it is given the name */
	{"/bin/sh -c \"ulimit -H -c\"", HELPER_OK, "0\n"}, /* F-31 */
};
#define SLEEPS "prog9"

static inline void put(const char *name, const char *text, mode_t mode)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", t.dir, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
	cr_assert_eq(chmod(path, mode), 0);
}

/* A service of PAM: one line a module, with these arguments. */
static inline void service(const char *name, const char *auth, const char *account)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "auth required %s %s\naccount required %s %s\npassword required %s %s\n",
		 PAM_MODULE, auth, PAM_MODULE, account, PAM_MODULE, account);
	put(name, text, 0644);
}

static inline void quiet(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)level;
	(void)line;
}

static inline int rules_read(struct conf **ret)
{
	char *errors = NULL;
	int r = conf_load_trusted(t.conf_path, NULL, allow_path_safe, ret, &errors);

	if (r < 0 && getenv("VERBOSE") != NULL)
		fprintf(stderr, "%s", errors);
	free(errors);
	return r;
}

/* First what every block has, then one for each service and program. */
static inline void conf_write(const char *first, const char *last)
{
	FILE *f = fopen(t.conf_path, "w");

	cr_assert_not_null(f);
	fprintf(f,
		"%s\nXAuthLocation %s/xauth\nAuthorizedKeysFile %s/files/%%u %s/loose-%%u %s/absent-%%u\n"
		"AuthorizedPrincipalsFile %s/principals/%%u\n",
		first, t.dir, t.dir, t.dir, t.dir, t.dir);
	for (size_t i = 0; i < N(services); i++)
		fprintf(f, "Match client-version %s\nUsePAM yes\nPAMServiceName %s\n", services[i],
			services[i]);
	for (size_t i = 0; i < N(programs); i++)
		fprintf(f,
			"Match client-version prog%zu\nAuthorizedKeysCommand %s\n"
			"AuthorizedKeysCommandUser %s\n",
			i, programs[i].line, t.me);
	fprintf(f,
		"Match client-version own\nAuthorizedKeysCommand %s/program\n"
		"AuthorizedKeysCommandUser %s\n"
		"Match client-version link\nAuthorizedKeysCommand %s/link\n"
		"AuthorizedKeysCommandUser %s\n"
		"Match client-version nobody\nAuthorizedKeysCommand /usr/bin/id -un\n"
		"AuthorizedKeysCommandUser nobody\n"
		"Match client-version nobody-here\nAuthorizedKeysCommand /usr/bin/id -un\n"
		"AuthorizedKeysCommandUser no-such-user\n"
		"Match client-version roles\nAuthorizedPrincipalsCommand /bin/echo -n %%i %%s %%T\n"
		"AuthorizedPrincipalsCommandUser %s\n"
		"%s\n",
		t.dir, t.me, t.dir, t.me, t.me, last);
	fclose(f);
	cr_assert_eq(chmod(t.conf_path, 0644), 0);
}

static inline void keys_make(void)
{
	static const char *const names[] = {"role"};
	const struct cert_spec spec = {.role = CERT_USER,
				       .key_id = "an id",
				       .serial = 7,
				       .principals = names,
				       .n_principals = 1,
				       .valid_before = UINT64_MAX};

	cr_assert_eq(key_generate("ssh-ed25519", 0, &t.key), 0);
	cr_assert_eq(cert_build(t.key, &spec, t.key, NULL, &t.cert), 0);
}

static inline void helper_start(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct helper_rules rules = {.read = rules_read};
	sigset_t term;
	int fd;

	strcpy(sun.sun_path, t.path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(listen(fd, 64), 0);
	cr_assert_eq(rules_read(&rules.conf), 0); /* before a test changes the file */
	/* A test may be over before the helper waits for the signal that ends it. */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	cr_assert_eq(sigprocmask(SIG_BLOCK, &term, NULL), 0);
	t.pid = fork();
	if (t.pid == 0) {
		int r;

		log_sink_set(quiet, NULL);
		job_pam_dir = t.dir;
		r = helper_serve(fd, geteuid(), &rules);
		conf_put(rules.conf);
		key_free(t.key);
		key_free(t.cert);
		_exit(r == 0 ? 0 : 1);
	}
	cr_assert_eq(sigprocmask(SIG_UNBLOCK, &term, NULL), 0);
	conf_put(rules.conf);
	close(fd);
}

static inline void setup_with(const char *last)
{
	char path[128];

	cr_assert_not_null(mkdtemp(t.dir));
	cr_assert_eq(chmod(t.dir, 0755), 0);
	snprintf(t.path, sizeof(t.path), "%s/helper.sock", t.dir);
	snprintf(t.conf_path, sizeof(t.conf_path), "%s/sluice.conf", t.dir);
	snprintf(t.me, sizeof(t.me), "%s", getpwuid(geteuid())->pw_name);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", t.dir, i == 0 ? "files" : "principals");
		cr_assert_eq(mkdir(path, 0755), 0);
	}
	service("ok", "password=right", "");
	service("asks", "password=right code=42", "");
	service("expired", "password=right", "expired new=fresh");
	service("crash", "password=right crash", "");
	service("sleep", "sleep", "");
	service("mumble", "mumble password=right", "");
	service("babble", "babble password=right", "");
	service("somebody", "somebody", "");
	keys_make();
	conf_write("", last);
	helper_start();
}

static inline void setup(void)
{
	setup_with("");
}

static inline void teardown(void)
{
	char cmd[128];
	int status;

	cr_expect_eq(kill(t.pid, SIGTERM), 0);
	cr_expect_eq(waitpid(t.pid, &status, 0), t.pid);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the helper ended badly");
	snprintf(cmd, sizeof(cmd), "rm -rf %s", t.dir);
	cr_expect_eq(system(cmd), 0);
	key_free(t.key);
	key_free(t.cert);
}

/* --- a client that waits --------------------------------------------------------------------- */

struct peer {
	int fd;
	uint8_t in[HELPER_FRAME_MAX + 4];
	size_t have, used;
};

static inline void dial(struct peer *p)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	*p = (struct peer){.fd = socket(AF_UNIX, SOCK_STREAM, 0)};
	strcpy(sun.sun_path, t.path);
	cr_assert_eq(connect(p->fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
}

static inline void say(struct peer *p, size_t len)
{
	cr_assert_gt(len, 0);
	cr_assert_eq(send(p->fd, t.buf, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* The next frame; 0: it closed. */
static inline enum helper_msg hear(struct peer *p, struct ssh_str *body)
{
	enum helper_msg type;

	memmove(p->in, p->in + p->used, p->have - p->used);
	p->have -= p->used;
	p->used = 0;
	while (helper_frame_parse(p->in, p->have, &type, body, &p->used) == -EAGAIN) {
		struct pollfd fd = {p->fd, POLLIN, 0};
		ssize_t n;

		cr_assert_eq(poll(&fd, 1, PATIENCE_MS), 1, "no answer in time");
		n = recv(p->fd, p->in + p->have, sizeof(p->in) - p->have, 0);
		if (n <= 0)
			return 0;
		p->have += (size_t)n;
	}
	return type;
}

/* Data passes by; 0: it closed without a word. */
static inline enum helper_result result(struct peer *p, char *data, size_t size)
{
	struct helper_done d = {0};
	struct ssh_str body;
	enum helper_msg type;
	size_t len = 0;

	while ((type = hear(p, &body)) == HELPER_DATA) {
		if (data != NULL && len + body.len < size)
			memcpy(data + len, body.p, body.len);
		len += body.len;
	}
	if (data != NULL && len < size)
		data[len] = '\0';
	if (type != 0) {
		cr_assert_eq(type, HELPER_DONE);
		cr_assert_eq(helper_done_parse(body, &d), 0);
		t.full = helper_limit_of(d.text);
	}
	close(p->fd);
	return d.result;
}

/* A login by me, to whom what is said of this version applies. */
static inline struct helper_job job_of(const char *version, uint32_t ms)
{
	return (struct helper_job){.user = ssh_str_c(t.me),
				   .peer = ssh_str_c("192.0.2.1"),
				   .local = ssh_str_c("198.51.100.1"),
				   .peer_port = 4711,
				   .local_port = 22,
				   .version = ssh_str_c(version),
				   .rdomain = ssh_str_c("vrf1"),
				   .time_ms = ms};
}

static inline struct helper_pam pam_of(const char *name, const char *password)
{
	return (struct helper_pam){.job = job_of(name, PATIENCE_MS),
				   .possible = true,
				   .password = ssh_str_c(password),
				   .new_password = ssh_str_c("")};
}

static inline enum helper_result pam(const struct helper_pam *m)
{
	struct peer p;

	dial(&p);
	say(&p, helper_pam_build(t.buf, m));
	return result(&p, NULL, 0);
}

static inline struct ssh_str key_text(const struct key *k)
{
	struct ssh_str blob;
	size_t len;

	blob.p = key_blob(k, &len);
	blob.len = (uint32_t)len;
	return blob;
}

#endif
