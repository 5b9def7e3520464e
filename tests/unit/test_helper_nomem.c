/*
 * tests/unit/test_helper_nomem.c - the nth allocation of sluice-helper fails, its children's
 * included, for every n of a job (F-09): it is done or refused, what is wrong is never right, and
 * the helper does the next.
 */
#include "tests/util/helper_bench.h"
#include "tests/util/nomem.h"

/* The test's own thread goes on as ever in this process, and counts in the one it forks. */
static void begin(void)
{
	nomem_init();
	nomem_outside = false; /* which fork() hands on */
	setup();
	nomem_outside = true;
}

TestSuite(helper_nomem, .init = begin, .fini = teardown, .timeout = 120);

static enum helper_result ask(size_t len)
{
	struct peer p;

	dial(&p);
	say(&p, len);
	return result(&p, NULL, 0);
}

/* Every allocation of it, one after the other. */
static void each(const uint8_t *frame, size_t len, enum helper_result without)
{
	struct helper_pam ok = pam_of("ok", "right");
	bool fired = true;
	unsigned int n;

	memcpy(t.buf, frame, len);
	cr_assert_eq(ask(len), without);
	for (n = 1; fired; n++) {
		enum helper_result r;

		memcpy(t.buf, frame, len);
		nomem_begin(n);
		r = ask(len);
		fired = nomem_end();
		cr_expect(without == HELPER_OK || r != HELPER_OK, "%u: right without memory", n);
		cr_expect(fired || r == without, "%u: %d", n, r);
		cr_assert_lt(n, 10000);
	}
	cr_expect_gt(n, 2, "some failed");
	cr_expect_eq(pam(&ok), HELPER_OK, "and the next");
}

Test(helper_nomem, pam)
{
	static uint8_t frame[HELPER_FRAME_MAX + 4];
	struct helper_pam wrong = pam_of("ok", "wrong"), right = pam_of("ok", "right");

	each(frame, helper_pam_build(frame, &wrong), HELPER_NO);
	each(frame, helper_pam_build(frame, &right), HELPER_OK);
}

Test(helper_nomem, what_is_not_configured)
{
	static uint8_t frame[HELPER_FRAME_MAX + 4];
	struct helper_pam m = pam_of("no-such-block", "right");

	each(frame, helper_pam_build(frame, &m), HELPER_DENIED);
}

Test(helper_nomem, ports)
{
	static uint8_t frame[HELPER_FRAME_MAX + 4];
	struct helper_port m = {
		.job = job_of("", PATIENCE_MS), .host = ssh_str_c("localhost"), .port = 443};

	m.job.user = ssh_str_c("nobody");
	each(frame, helper_port_build(frame, &m), HELPER_DENIED);
}

Test(helper_nomem, programs)
{
	static uint8_t frame[HELPER_FRAME_MAX + 4];
	struct helper_command m = {.job = job_of("prog10", PATIENCE_MS),
				   .entry = HELPER_AUTHORIZED_KEYS,
				   .key = key_text(t.key)};

	each(frame, helper_command_build(frame, &m), HELPER_OK);
}

Test(helper_nomem, files)
{
	static uint8_t frame[HELPER_FRAME_MAX + 4];
	struct helper_file m = {.job = job_of("", PATIENCE_MS), .entry = HELPER_AUTHORIZED_KEYS};
	char name[100];

	snprintf(name, sizeof(name), "files/%.64s", t.me);
	put(name, "lines\n", 0600);
	each(frame, helper_file_build(frame, &m), HELPER_OK);
}

/* What is read again is the new configuration, whole, or an error. */
Test(helper_nomem, the_configuration)
{
	bool fired = true;
	unsigned int n;

	nomem_outside = false;
	for (n = 1; fired; n++) {
		struct conf *conf = NULL;
		int r;

		nomem_begin(n);
		r = rules_read(&conf);
		fired = nomem_end();
		cr_expect_eq(conf != NULL, r == 0, "%u", n);
		cr_expect(fired || r == 0, "%u: %d", n, r);
		conf_put(conf);
	}
	nomem_outside = true;
	cr_expect_gt(n, 4, "%u", n);
}
