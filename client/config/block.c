/* client/config/block.c - the criteria of Host and Match lines. Source ssh_config(5). */
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/config/internal.h"
#include "conf/match.h"

int config_host_line(struct config *c, const struct config_place *at, const char *const *argv,
		     unsigned int argc)
{
	bool yes = false;

	if (argc == 0) {
		config_say(c, &c->errors, at, "Host: missing argument");
		return -1;
	}
	for (unsigned int i = 0; i < argc; i++) {
		const char *pattern = argv[i];
		bool negated = *pattern == '!';

		if (!match_pattern(c->host, pattern + negated))
			continue;
		if (negated)
			return 0;
		yes = true;
	}
	return yes;
}

/* Runs a command by the user's shell: did it end with status 0? */
static bool command_succeeds(struct config *c, const struct config_place *at, const char *command)
{
	char line[CONFIG_TEXT_MAX];
	const char *shell = getenv("SHELL");
	int status = -1;
	pid_t pid;

	if (c->from_memory || ++c->execs > CONFIG_EXECS_MAX) {
		config_say(c, &c->errors, at, "Match exec is not possible here");
		return false;
	}
	if (config_expand(c, command, EXPAND_TOKENS, line, sizeof(line)) < 0)
		return false;
	if (shell == NULL || *shell == '\0')
		shell = "/bin/sh";
	pid = fork();
	if (pid == 0) {
		/* What it says is not ours; standard error is the user's to see. */
		dup2(STDERR_FILENO, STDOUT_FILENO);
		signal(SIGPIPE, SIG_DFL);
		execl(shell, shell, "-c", line, (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0)
		config_say(c, &c->errors, at, "Match exec: %s", strerror(errno));
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* One criterion with its value: 1, 0, or -1: there is no such one. */
static int criterion(struct config *c, const struct config_place *at, const char *name,
		     const char *value, bool active)
{
	char real[1024];
	const char *user = config_text(c, CONFIG_USER);

	if (strcasecmp(name, "host") == 0)
		return config_real_host(c, real, sizeof(real)) &&
		       match_list(real, value, true) == MATCH_YES;
	if (strcasecmp(name, "originalhost") == 0)
		return match_list(c->given, value, true) == MATCH_YES;
	if (strcasecmp(name, "user") == 0)
		return match_list(user != NULL ? user : c->localuser, value, false) == MATCH_YES;
	if (strcasecmp(name, "localuser") == 0)
		return match_list(c->localuser, value, false) == MATCH_YES;
	if (strcasecmp(name, "exec") == 0)
		return active && command_succeeds(c, at, value); /* not asked in vain */
	return -1;
}

static int match_bad(struct config *c, const struct config_place *at, const char *why,
		     const char *what)
{
	config_say(c, &c->errors, at, "Match: %s %.100s", why, what);
	return -1;
}

/* "all" stands alone, or behind canonical or final. */
static bool all_stands_well(const char *const *argv, unsigned int argc, unsigned int i)
{
	return argc == 1 ||
	       (argc == 2 && i == 1 &&
		(strcasecmp(argv[0], "canonical") == 0 || strcasecmp(argv[0], "final") == 0));
}

int config_match_line(struct config *c, const struct config_place *at, const char *const *argv,
		      unsigned int argc)
{
	bool yes = !at->never;

	if (argc == 0)
		return match_bad(c, at, "missing argument", "");
	for (unsigned int i = 0; i < argc; i++) {
		bool negated = *argv[i] == '!', holds;
		char word[64];
		const char *eq, *value;
		int r;

		/* "name value" and "name=value" are one. */
		eq = strchr(argv[i], '=');
		snprintf(word, sizeof(word), "%.*s",
			 eq != NULL ? (int)(eq - argv[i]) - negated : 63, argv[i] + negated);
		if (strcasecmp(word, "all") == 0) {
			if (negated || !all_stands_well(argv, argc, i))
				return match_bad(c, at, "all stands alone", "");
			continue;
		}
		if (strcasecmp(word, "final") == 0 || strcasecmp(word, "canonical") == 0) {
			c->wants_final |= strcasecmp(word, "final") == 0;
			yes &= c->final != negated;
			continue;
		}
		value = eq != NULL ? eq + 1 : i + 1 < argc ? argv[++i] : NULL;
		if (value == NULL || *value == '\0')
			return match_bad(c, at, "missing argument of", word);
		r = criterion(c, at, word, value, yes);
		if (r < 0)
			return match_bad(c, at, "Unsupported attribute", word);
		holds = r == 1;
		yes &= holds != negated;
	}
	return yes;
}
