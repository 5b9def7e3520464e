/* client/ask.c - passphrases and answers from a person. */
#include "client/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* A line, read byte by byte: what is behind it is left for the next question. */
static int line_read(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;
	char c;

	for (;;) {
		n = read(fd, &c, 1);
		if (n < 0)
			return errno == EINTR ? -EINTR : -errno;
		if (n == 0 && len == 0)
			return -ENOKEY;
		if (n == 0 || c == '\n')
			break;
		if (len + 1 >= size)
			return -E2BIG;
		buf[len++] = c;
	}
	if (len > 0 && buf[len - 1] == '\r')
		len--;
	buf[len] = '\0';
	return (int)len;
}

static int askpass(const char *program, const char *prompt, char *buf, size_t size)
{
	int fd[2], status = 0, n;
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		dup2(fd[1], STDOUT_FILENO);
		execlp(program, program, prompt, (char *)NULL);
		_exit(127);
	}
	close(fd[1]);
	n = pid < 0 ? -errno : line_read(fd[0], buf, size);
	close(fd[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n >= 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		return -ENOKEY;
	return n;
}

static const char *askpass_wanted(bool have_tty)
{
	const char *program = getenv("SSH_ASKPASS"), *require = getenv("SSH_ASKPASS_REQUIRE");

	if (program == NULL || *program == '\0')
		return NULL;
	if (require != NULL && strcasecmp(require, "never") == 0)
		return NULL;
	if (require != NULL &&
	    (strcasecmp(require, "force") == 0 || strcasecmp(require, "prefer") == 0))
		return program;
	return !have_tty && getenv("DISPLAY") != NULL ? program : NULL;
}

static volatile sig_atomic_t caught;

static void on_signal(int sig)
{
	caught = sig;
}

/* The terminal gets its echo back before a signal does what it does. */
static int tty_read(int fd, const char *prompt, bool shown, char *buf, size_t size)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
	const struct sigaction catch = {.sa_handler = on_signal};
	struct sigaction old[sizeof(signals) / sizeof(signals[0])];
	struct termios was, quiet;
	bool echo = !shown && tcgetattr(fd, &was) == 0;
	int n;

	caught = 0;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &catch, &old[i]);
	dprintf(fd, "%s", prompt);
	if (echo) {
		quiet = was;
		quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
		tcsetattr(fd, TCSAFLUSH, &quiet);
	}
	n = line_read(fd, buf, size);
	if (echo) {
		tcsetattr(fd, TCSAFLUSH, &was);
		dprintf(fd, "\n");
	}
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &old[i], NULL);
	if (caught != 0)
		raise(caught);
	return n;
}

static bool nobody;

void ask_nobody(void)
{
	nobody = true;
}

static int ask(const char *prompt, bool shown, char *buf, size_t size)
{
	const char *program;
	int fd, n;

	if (nobody)
		return -ENOKEY;
	fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	program = askpass_wanted(fd >= 0);
	if (program != NULL)
		n = askpass(program, prompt, buf, size);
	else if (fd >= 0)
		n = tty_read(fd, prompt, shown, buf, size);
	else
		n = line_read(STDIN_FILENO, buf, size);
	if (fd >= 0)
		close(fd);
	return n;
}

int ask_secret(const char *prompt, char *buf, size_t size)
{
	return ask(prompt, false, buf, size);
}

int ask_shown(const char *prompt, char *buf, size_t size)
{
	return ask(prompt, true, buf, size);
}

int ask_line(const char *prompt, const char *def, char *buf, size_t size)
{
	int n;

	printf("%s", prompt);
	fflush(stdout);
	n = line_read(STDIN_FILENO, buf, size);
	if (n != 0 && n != -ENOKEY)
		return n;
	if (strlen(def) >= size)
		return -E2BIG;
	strcpy(buf, def);
	return (int)strlen(def);
}

bool ask_yes(const char *prompt)
{
	char answer[16];

	return ask_line(prompt, "n", answer, sizeof(answer)) > 0 &&
	       (answer[0] == 'y' || answer[0] == 'Y');
}
