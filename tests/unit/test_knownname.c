/* tests/unit/test_knownname.c - hashed names of hosts (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "crypto/knownname.h"

/* Written by ssh-keygen -H of OpenSSH 9.2 for one.example. */
static const char theirs[] = "|1|wcc9ZqLsWuJK5mOdKGg6kQVS43Y=|x9s/ksLy0Tc08rY5h539XN5vXOE=";

Test(knownname, one_of_ssh_keygen_is_known)
{
	cr_expect(knownname_is(theirs, strlen(theirs), "one.example"));
	cr_expect_not(knownname_is(theirs, strlen(theirs), "two.example"));
	cr_expect_not(knownname_is(theirs, strlen(theirs), "One.Example"));
	cr_expect_not(knownname_is(theirs, strlen(theirs), ""));
}

Test(knownname, a_name_comes_back_under_another_salt_each_time)
{
	static const char *const names[] = {"a", "[host.example]:2222", "2001:db8::1", ""};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char one[KNOWNNAME_LEN + 1], two[KNOWNNAME_LEN + 1];

		cr_assert_eq(knownname_hash(names[i], one), 0);
		cr_assert_eq(knownname_hash(names[i], two), 0);
		cr_expect_eq(strlen(one), KNOWNNAME_LEN);
		cr_expect_str_neq(one, two);
		cr_expect(knownname_is(one, KNOWNNAME_LEN, names[i]));
		cr_expect(knownname_is(two, KNOWNNAME_LEN, names[i]));
	}
}

Test(knownname, every_prefix_and_every_spoiled_character_stands_for_nobody)
{
	char text[KNOWNNAME_LEN + 2];

	for (size_t n = 0; n < KNOWNNAME_LEN; n++)
		cr_expect_not(knownname_is(theirs, n, "one.example"), "%zu", n);
	snprintf(text, sizeof(text), "%s=", theirs);
	cr_expect_not(knownname_is(text, KNOWNNAME_LEN + 1, "one.example"));
	for (size_t i = 0; i < KNOWNNAME_LEN; i++) {
		memcpy(text, theirs, KNOWNNAME_LEN);
		text[i] = text[i] == 'A' ? 'B' : 'A';
		cr_expect_not(knownname_is(text, KNOWNNAME_LEN, "one.example"), "%zu", i);
		text[i] = '\0';
		cr_expect_not(knownname_is(text, KNOWNNAME_LEN, "one.example"), "%zu", i);
	}
}
