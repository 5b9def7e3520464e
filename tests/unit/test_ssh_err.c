/* ssh/err.c: one list, and what it says about what is not in it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "ssh/err.h"

Test(ssh_err, every_error_has_text_counter_and_a_known_reason)
{
	for (int e = SSH_E_BASE + 1; e < SSH_E_END; e++) {
		cr_expect_gt(strlen(ssh_err_text(-e)), 0);
		cr_expect_gt(strlen(ssh_err_counter(-e)), 0);
		cr_expect_leq(ssh_err_disconnect(-e), 15); /* RFC 4253 section 11.1 */
	}
}

Test(ssh_err, counters_are_names_of_their_own)
{
	for (int a = SSH_E_BASE + 1; a < SSH_E_END; a++) {
		for (int b = a + 1; b < SSH_E_END; b++)
			cr_expect_str_neq(ssh_err_counter(-a), ssh_err_counter(-b));
	}
}

Test(ssh_err, reasons_of_the_rfc)
{
	cr_expect_eq(ssh_err_disconnect(-SSH_E_REFUSED), 1);
	cr_expect_eq(ssh_err_disconnect(-SSH_E_COMP), 6);
	cr_expect_eq(ssh_err_disconnect(-SSH_E_VERSION), 8);
	cr_expect_eq(ssh_err_disconnect(-SSH_E_IDENT), 8);
	cr_expect_eq(ssh_err_disconnect(-SSH_E_KEEPALIVE), 10);
	cr_expect_eq(ssh_err_disconnect(-SSH_E_SHUTDOWN), 11);
	cr_expect_eq(ssh_err_disconnect(-SSH_E_CROWDED), 12);
	cr_expect_eq(ssh_err_disconnect(-SSH_E_GRACE), 13);
	cr_expect_eq(ssh_err_disconnect(-SSH_E_AUTH_TRIES), 14);
	cr_expect_eq(ssh_err_disconnect(-SSH_E_AUTH_NONE_LEFT), 14);
	cr_expect_eq(ssh_err_disconnect(-SSH_E_MAC), 5);
	cr_expect_eq(ssh_err_disconnect(-SSH_E_NO_KEX_ALG), 3);
	cr_expect_eq(ssh_err_disconnect(-SSH_E_HOSTKEY), 9);
	cr_expect_eq(ssh_err_disconnect(-SSH_E_SERVICE), 7);
	cr_expect_eq(ssh_err_disconnect(-SSH_E_PROTO), 2);
	cr_expect_eq(ssh_err_disconnect(-SSH_E_CLOSED), 0);
}

Test(ssh_err, what_is_not_in_the_list_reads_as_internal)
{
	const int strange[] = {0,
			       1,
			       -EINVAL,
			       -4095,
			       -SSH_E_BASE,
			       -SSH_E_END,
			       SSH_E_FORMAT,
			       INT_MIN,
			       INT_MAX,
			       -SSH_E_END - 1,
			       -SSH_E_BASE + 1};

	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
		cr_expect_str_eq(ssh_err_text(strange[i]), ssh_err_text(-SSH_E_INTERNAL));
		cr_expect_str_eq(ssh_err_counter(strange[i]), "internal");
		cr_expect_eq(ssh_err_disconnect(strange[i]), 11);
	}
}
