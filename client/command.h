/*
 * client/command.h - the subcommands of sluice.
 *
 * Each is run with its own arguments, argv[0] being "sluice NAME", and returns the exit status:
 * 0, EXIT_FAILED or EXIT_USAGE; those that log on a remote program's, or EXIT_ERROR (client/shell/).
 */
#ifndef SLUICE_CLIENT_COMMAND_H
#define SLUICE_CLIENT_COMMAND_H

#define EXIT_FAILED 1
#define EXIT_USAGE  2

typedef int command_run(int argc, char **argv);

command_run exec_main, forward_main, keygen_main, scan_main, ssh_main, tunnel_main;

#endif
