/*
 * control/admin/console.h - what sluice-console is answered: of its own login and its user's, and
 * nothing of anybody else's.
 *
 * Each console has a socket of its own, which sluice-helper makes when the program asks for one;
 * whose it is is known from then on, and no word of its changes that. It asks by one word a line, status,
 * channels, listeners or targets, and has a JSON object a line, as at the operator's socket.
 * Limits  lines of ADMIN_LINE_MAX bytes; one answer in CONSOLE_REST_MS, as each may be a walk over
 *         all connections; not beyond the end of its connection.
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_ADMIN_CONSOLE_H
#define SLUICE_CONTROL_ADMIN_CONSOLE_H

#include <uv.h>

#include "control/admin/admin.h"

#define CONSOLE_REST_MS 250

struct console;
struct consoles {
	uv_loop_t *loop;
	const struct admin_env *env;
	struct console *first;
};

/* Sessions bring theirs from here on. */
void consoles_begin(struct consoles *c, uv_loop_t *loop, const struct admin_env *env);
void consoles_end(struct consoles *c);

#endif
