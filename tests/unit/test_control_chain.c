/* control/auth/chain.h: lists of methods, and how far somebody has come in each. */
#include <criterion/criterion.h>
#include <string.h>

#include "control/auth/chain.h"
#include "ssh/brain.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define PW   SSH_AUTH_PASSWORD
#define PK   SSH_AUTH_PUBLICKEY
#define KI   SSH_AUTH_KBDINT
#define HB   SSH_AUTH_HOSTBASED
#define ALL  (PW | PK | KI | HB | SSH_AUTH_NONE)

static struct chain begin(const char *const *lists, size_t n, unsigned int enabled)
{
	const struct conf_strs s = {lists, n};
	struct chain c;

	chain_begin(&c, &s, enabled);
	return c;
}

/* Methods that succeed one after the other; 'p'assword, 'k'ey, 'i'nteractive, 'h'ost. */
static unsigned int method_of(char letter)
{
	switch (letter) {
	case 'p':
		return PW;
	case 'k':
		return PK;
	case 'i':
		return KI;
	default:
		return HB;
	}
}

Test(control_chain, sequences)
{
	static const struct {
		const char *lists[4];
		const char *steps;
		enum chain_result last;
		unsigned int then;
	} c[] = {
		{{0}, "p", CHAIN_DONE, ALL},
		{{"publickey,password"}, "", CHAIN_NO, PK},
		{{"publickey,password"}, "p", CHAIN_NO, PK},
		{{"publickey,password"}, "k", CHAIN_MORE, PW},
		{{"publickey,password"}, "kk", CHAIN_NO, PW},
		{{"publickey,password"}, "kp", CHAIN_DONE, 0},
		{{"publickey,publickey"}, "k", CHAIN_MORE, PK},
		{{"publickey,publickey"}, "kk", CHAIN_DONE, 0},
		{{"publickey,password", "publickey,keyboard-interactive"},
		 "k",
		 CHAIN_MORE,
		 PW | KI},
		{{"publickey,password", "publickey,keyboard-interactive"}, "ki", CHAIN_DONE, PW},
		{{"publickey,password", "hostbased"}, "", CHAIN_NO, PK | HB},
		{{"publickey,password", "hostbased"}, "h", CHAIN_DONE, PK},
		{{"publickey,password", "password,publickey"}, "p", CHAIN_MORE, PK},
		{{"publickey,password", "password,publickey"}, "pk", CHAIN_DONE, PW},
		/* Of lists that go together the shorter one is enough. */
		{{"publickey", "publickey,password"}, "k", CHAIN_DONE, PW},
	};

	for (size_t i = 0; i < N(c); i++) {
		size_t n = 0;
		enum chain_result r = CHAIN_NO;
		struct chain ch;

		while (c[i].lists[n] != NULL)
			n++;
		ch = begin(c[i].lists, n, ALL);
		for (const char *p = c[i].steps; *p != '\0'; p++)
			r = chain_step(&ch, method_of(*p), NULL);
		if (*c[i].steps != '\0')
			cr_expect_eq(r, c[i].last, "case %zu", i);
		cr_expect_eq(chain_methods(&ch), c[i].then, "case %zu: %x", i, chain_methods(&ch));
	}
}

Test(control_chain, lists_with_methods_that_are_off_are_out)
{
	static const char *const lists[] = {"publickey,password", "keyboard-interactive"};
	struct chain c = begin(lists, 2, PK | KI);

	cr_expect_eq(chain_methods(&c), KI);
	cr_expect_eq(chain_step(&c, PK, NULL), CHAIN_NO);
	c = begin(lists, 2, PK);
	cr_expect_eq(chain_methods(&c), 0, "nobody gets in");
	cr_expect_eq(chain_step(&c, PK, NULL), CHAIN_NO);
	cr_expect_eq(chain_step(&c, KI, NULL), CHAIN_NO);
}

Test(control_chain, a_method_that_is_off_is_no_step_without_lists_either)
{
	struct chain c = begin(NULL, 0, PK);

	cr_expect_eq(chain_step(&c, PW, NULL), CHAIN_NO);
}

Test(control_chain, devices_are_awaited_by_name)
{
	static const char *const lists[] = {"keyboard-interactive:pam,keyboard-interactive:totp"};
	struct chain c = begin(lists, 1, ALL);
	const char *device;
	size_t len;

	device = chain_device(&c, &len);
	cr_assert_eq(len, 3);
	cr_expect(memcmp(device, "pam", 3) == 0);
	cr_expect_eq(chain_step(&c, KI, NULL), CHAIN_NO);
	cr_expect_eq(chain_step(&c, KI, "totp"), CHAIN_NO);
	cr_expect_eq(chain_step(&c, KI, "pa"), CHAIN_NO);
	cr_expect_eq(chain_step(&c, KI, "pam"), CHAIN_MORE);
	device = chain_device(&c, &len);
	cr_assert_eq(len, 4);
	cr_expect(memcmp(device, "totp", 4) == 0);
	cr_expect_eq(chain_step(&c, KI, "totp"), CHAIN_DONE);
	cr_expect_null(chain_device(&c, &len));
}

Test(control_chain, a_list_without_a_device_takes_any)
{
	static const char *const lists[] = {"password,keyboard-interactive"};
	struct chain c = begin(lists, 1, ALL);
	size_t len;

	cr_expect_eq(chain_step(&c, PW, NULL), CHAIN_MORE);
	cr_expect_null(chain_device(&c, &len));
	cr_expect_eq(chain_step(&c, KI, "pam"), CHAIN_DONE);
}
