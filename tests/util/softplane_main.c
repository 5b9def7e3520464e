/* softplane RUN_DIR - the small dataplane as a program: says its port, serves until it is killed.
 */
#include <signal.h>
#include <stdio.h>

#include "tests/util/softplane.h"

static struct softplane *sp;

static void on_signal(int number)
{
	(void)number;
	softplane_stop(sp);
}

int main(int argc, char **argv)
{
	if (argc != 2 || softplane_new(argv[1], &sp) < 0) {
		fprintf(stderr, "usage: softplane RUN_DIR\n");
		return 1;
	}
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	signal(SIGPIPE, SIG_IGN);
	printf("port %u\n", softplane_port(sp));
	fflush(stdout);
	softplane_run(sp);
	softplane_free(sp);
	return 0;
}
