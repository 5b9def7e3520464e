/*
 * tests/unit/crypto_faults.h - every call of a library fails in turn (S-40, S-67, F-26).
 *
 * The linker puts a shim before each function (crypto_faults.c). An operation is run once to
 * count the calls it makes, then once for each call and each way to fail: 0, -1 (or NULL), or a
 * success that did less than was asked. It must refuse each time.
 */
#ifndef SLUICE_TESTS_CRYPTO_FAULTS_H
#define SLUICE_TESTS_CRYPTO_FAULTS_H

#include <stdbool.h>

enum how { FAIL_ZERO, FAIL_NEGATIVE, FAIL_PARTIAL, HOWS };

struct fault {
	bool armed, fired;
	unsigned int calls, fail_at; /* fail_at 0: never */
	enum how how;
	const char *name; /* of the function that failed */
};

extern struct fault fault;

/* Whether this call is the one; what a shim asks. */
bool fault_in(const char *name);
/* What it returns then, where a success is 1. */
int fault_int(void);

/*
 * Runs op until each of its calls has failed in each way. op sets up and cleans up disarmed,
 * and arms itself around what it is about; it returns what that returned.
 */
void each_call_fails(int (*op)(const void *), const void *arg, const char *what);
void arm(void);
int disarm(int r); /* returns r */

/* The key of such a text as ssh-keygen writes it; the caller's. */
struct key *private_key(const void *text);

#endif
