/*
 * client/ask.h - asking a person.
 *
 * A passphrase is read from the terminal with its echo off; without a terminal from standard
 * input; by the program SSH_ASKPASS names when SSH_ASKPASS_REQUIRE says so ("force", "prefer"),
 * or when there is no terminal but a DISPLAY, as OpenSSH does.
 */
#ifndef SLUICE_CLIENT_ASK_H
#define SLUICE_CLIENT_ASK_H

#include <stdbool.h>
#include <stddef.h>

/*
 * One line without its end, NUL behind it; its length. -ENOKEY: none could be had; -EINTR: broken
 * off; -E2BIG. The buffer is the caller's to wipe.
 */
int ask_secret(const char *prompt, char *buf, size_t size) __attribute__((warn_unused_result));
/* The same with its echo on. */
int ask_shown(const char *prompt, char *buf, size_t size) __attribute__((warn_unused_result));
/* An answer on standard output and input; def when it is empty. */
int ask_line(const char *prompt, const char *def, char *buf, size_t size)
	__attribute__((warn_unused_result));
bool ask_yes(const char *prompt);
/* From now on passphrases and ask_shown() have no answer: there is nobody. */
void ask_nobody(void);

#endif
