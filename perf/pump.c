/*
 * perf/pump.c - a source and a sink of checked bytes, over TCP or a command's pipes.
 *
 *   pump serve ADDRESS PORT            answers any number of connections, one at a time each
 *   pump get BYTES -- COMMAND ARG…     asks the server behind COMMAND's stdin and stdout
 *   pump put BYTES -- COMMAND ARG…
 *   pump pattern BYTES                 writes the bytes themselves
 *
 * A request is one line, "GET n" or "PUT n". The bytes are a running 64-bit counter, so that a
 * byte lost, doubled or out of order is seen at once. The client prints seconds from its request to
 * the last byte (GET) or to the server's "OK" (PUT), and exits 0 only when every byte was right.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK    (256 * 1024)
#define LINE_MAX 64

static void fill(uint64_t *block, uint64_t first)
{
	for (size_t i = 0; i < BLOCK / 8; i++)
		block[i] = first + i;
}

static bool write_all(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		ssize_t r = write(fd, at, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		at += r;
		n -= (size_t)r;
	}
	return true;
}

static bool read_all(int fd, void *p, size_t n)
{
	char *at = p;

	while (n > 0) {
		ssize_t r = read(fd, at, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		at += r;
		n -= (size_t)r;
	}
	return true;
}

static bool read_line(int fd, char line[LINE_MAX])
{
	for (size_t i = 0; i < LINE_MAX - 1; i++) {
		if (!read_all(fd, &line[i], 1))
			return false;
		if (line[i] == '\n') {
			line[i] = '\0';
			return true;
		}
	}
	return false;
}

static bool send_pattern(int fd, uint64_t bytes)
{
	static uint64_t block[BLOCK / 8];
	uint64_t word = 0;

	while (bytes > 0) {
		size_t n = bytes < BLOCK ? (size_t)bytes : BLOCK;

		fill(block, word);
		if (!write_all(fd, block, n))
			return false;
		word += BLOCK / 8;
		bytes -= n;
	}
	return true;
}

static bool recv_pattern(int fd, uint64_t bytes)
{
	static uint64_t want[BLOCK / 8], got[BLOCK / 8];
	uint64_t word = 0, done = 0;

	while (done < bytes) {
		size_t n = bytes - done < BLOCK ? (size_t)(bytes - done) : BLOCK;

		if (!read_all(fd, got, n)) {
			fprintf(stderr,
				"pump: ended after at most %" PRIu64 " of %" PRIu64 " bytes\n",
				done + n, bytes);
			return false;
		}
		fill(want, word);
		if (memcmp(want, got, n) != 0) {
			fprintf(stderr, "pump: wrong bytes in the block at %" PRIu64 "\n", done);
			return false;
		}
		word += BLOCK / 8;
		done += n;
	}
	return true;
}

static void serve_one(int fd)
{
	char line[LINE_MAX];
	uint64_t n;

	if (!read_line(fd, line))
		return;
	if (sscanf(line, "GET %" SCNu64, &n) == 1)
		send_pattern(fd, n);
	else if (sscanf(line, "PUT %" SCNu64, &n) == 1 && recv_pattern(fd, n))
		write_all(fd, "OK\n", 3);
}

static int serve(const char *address, const char *port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	socklen_t len = sizeof(sa);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || inet_pton(AF_INET, address, &sa.sin_addr) != 1 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 128) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) < 0) {
		perror("pump serve");
		return 1;
	}
	signal(SIGCHLD, SIG_IGN);
	printf("serving on port %u\n", ntohs(sa.sin_port));
	fflush(stdout);
	for (;;) {
		int c = accept(fd, NULL, NULL);

		if (c < 0)
			continue;
		if (fork() == 0) {
			serve_one(c);
			_exit(0);
		}
		close(c);
	}
}

/* The command with a pipe at either end. */
static pid_t command_start(char **argv, int *ret_to, int *ret_from)
{
	int to[2], from[2];
	pid_t pid;

	if (pipe(to) < 0 || pipe(from) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		close(to[0]);
		close(to[1]);
		close(from[0]);
		close(from[1]);
		execvp(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	*ret_to = to[1];
	*ret_from = from[0];
	return pid;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int client(bool get, uint64_t bytes, char **argv)
{
	char line[LINE_MAX];
	int to, from, status;
	bool ok;
	double start;
	pid_t pid = command_start(argv, &to, &from);

	if (pid < 0) {
		perror("pump");
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	snprintf(line, sizeof(line), "%s %" PRIu64 "\n", get ? "GET" : "PUT", bytes);
	ok = write_all(to, line, strlen(line));
	start = now();
	if (get)
		ok = ok && recv_pattern(from, bytes);
	else
		ok = ok && send_pattern(to, bytes) && read_line(from, line) &&
		     strcmp(line, "OK") == 0;
	if (ok)
		printf("%.6f\n", now() - start);
	close(to);
	close(from);
	waitpid(pid, &status, 0);
	return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
	uint64_t bytes;

	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2], argv[3]);
	if (argc >= 5 && strcmp(argv[3], "--") == 0 && sscanf(argv[2], "%" SCNu64, &bytes) == 1) {
		if (strcmp(argv[1], "get") == 0)
			return client(true, bytes, argv + 4);
		if (strcmp(argv[1], "put") == 0)
			return client(false, bytes, argv + 4);
	}
	if (argc == 3 && strcmp(argv[1], "pattern") == 0 &&
	    sscanf(argv[2], "%" SCNu64, &bytes) == 1)
		return send_pattern(1, bytes) ? 0 : 1;
	fprintf(stderr, "usage: pump serve ADDRESS PORT | pump get|put BYTES -- COMMAND ARG... |"
			" pump pattern BYTES\n");
	return 2;
}
