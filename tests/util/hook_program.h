/*
 * tests/util/hook_program.h - a program of the operator's for session_bench.h, which says yes to
 * all it is asked, or no, and keeps what it is told, in a thread of its own.
 */
#ifndef SLUICE_TESTS_UTIL_HOOK_PROGRAM_H
#define SLUICE_TESTS_UTIL_HOOK_PROGRAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/util/session_bench.h"

static struct {
	_Atomic(const char *) role; /* that whoever logs in has; NULL: none */
	_Atomic(const char *) no;   /* for what it refuses instead; NULL: it does not */
	atomic_bool silent;         /* it says nothing at all */
	atomic_uint n_told;         /* lines of news */
	char told[65536];           /* those, once it has ended */
	char dir[32];
	struct sockaddr_un at;
	int listener;
	pthread_t thread;
} program = {.dir = "/tmp/sluice-hook-XXXXXX", .at = {.sun_family = AF_UNIX}};

static inline void *program_main(void *arg)
{
	int fd = accept(program.listener, NULL, NULL);
	FILE *in = fdopen(fd, "r");
	size_t size = 0;
	char *line = NULL;

	(void)arg;
	cr_assert_not_null(in);
	while (getline(&line, &size, in) > 0) {
		const char *id = strstr(line, "\"id\":"), *role = program.role;

		if (strstr(line, "\"record\":") != NULL) {
			strncat(program.told, line,
				sizeof(program.told) - strlen(program.told) - 1);
			program.n_told++;
			continue;
		}
		if (program.silent)
			continue;
		if (program.no != NULL) {
			dprintf(fd, "{\"id\":%ld,\"accept\":false,\"reason\":\"%s\"}\n",
				id != NULL ? atol(id + 5) : 0, program.no);
			continue;
		}
		dprintf(fd, "{\"id\":%ld,\"accept\":true%s%s%s}\n", id != NULL ? atol(id + 5) : 0,
			role != NULL ? ",\"role\":\"" : "", role != NULL ? role : "",
			role != NULL ? "\"" : "");
	}
	free(line);
	fclose(in);
	return NULL;
}

/* conf: a line that has it asked about this kind. */
static inline void program_begin(const char *kind, char *conf, size_t size)
{
	cr_assert_not_null(mkdtemp(program.dir));
	snprintf(program.at.sun_path, sizeof(program.at.sun_path), "%s/hook", program.dir);
	snprintf(conf, size, "PolicyHook %s kinds=%s timeout=60\n", program.at.sun_path, kind);
	program.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(program.listener, (struct sockaddr *)&program.at, sizeof(program.at)), 0);
	cr_assert_eq(listen(program.listener, 1), 0);
	cr_assert_eq(pthread_create(&program.thread, NULL, program_main, NULL), 0);
}

/* Until it has read so many lines of news. */
static inline void program_told(unsigned int n)
{
	for (int i = 0; i < 30000 && program.n_told < n; i++) {
		uv_run(&t.loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
	cr_assert_geq(program.n_told, n);
}

/* Once it was asked, or told; nobody is any more. */
static inline void program_end(void)
{
	hooks_close(t.env.hooks);
	t.env.hooks = NULL;
	uv_run(&t.loop, UV_RUN_NOWAIT);
	pthread_join(program.thread, NULL);
	close(program.listener);
	unlink(program.at.sun_path);
	cr_expect_eq(rmdir(program.dir), 0);
}

#endif
