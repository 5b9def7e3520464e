/* sluice - the command of users and operators: finds the subcommand and runs it. */
#include <stdio.h>
#include <string.h>

#include "client/command.h"
#include "client/sluice.h"

static const struct {
	const char *name;
	command_run *run;
	const char *what;
} commands[] = {
	{"exec", exec_main, "run a command at one host or many"},
	{"forward", forward_main, "forward connections, and nothing else"},
	{"keygen", keygen_main, "make, show and convert keys"},
	{"scan", scan_main, "collect host keys"},
	{"ssh", ssh_main, "a session, as ssh has one"},
	{"tunnel", tunnel_main, "forwards of many hosts, kept up"},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *f)
{
	fprintf(f, "usage: sluice COMMAND [ARGUMENT ...]\n"
		   "       sluice -V | -h\n\ncommands:\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(f, "  %-10s %s\n", commands[i].name, commands[i].what);
}

int main(int argc, char **argv)
{
	char name[64];

	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0) {
		printf("sluice %s\n", sluice_version());
		return 0;
	}
	if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		usage(stdout);
		return 0;
	}
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(argv[1], commands[i].name) == 0) {
			snprintf(name, sizeof(name), "sluice %s", commands[i].name);
			argv[1] = name;
			return commands[i].run(argc - 1, argv + 1);
		}
	fprintf(stderr, "sluice: there is no command \"%s\"\n", argv[1]);
	usage(stderr);
	return EXIT_USAGE;
}
