/*
 * control/console/gateway.h - a console's questions to sluice-control, whichever there is: one that
 * ends takes what was under way with it, and the next one is asked again.
 *
 * Source  sluice-helper, in place HELPER_FD (control/helper/session_console.c): told by a byte that
 *         we ask, it gives us a socket with each control.
 * Fails   after GATEWAY_WAIT_MS, or by an interrupt; what waits longer than GATEWAY_WORD_MS says
 * so.
 */
#ifndef SLUICE_CONTROL_CONSOLE_GATEWAY_H
#define SLUICE_CONTROL_CONSOLE_GATEWAY_H

#define HELPER_FD       3
#define GATEWAY_WORD_MS 2000
#define GATEWAY_WAIT_MS 60000

/* Its answer to a word, a line without its end; the caller's to free(). NULL: it was said why not.
 */
char *gateway_ask(const char *word);
/* Of a signal's: nothing is waited for any more. */
void gateway_interrupt(void);

#endif
