/*
 * S-69: does the time until a record is refused tell what was wrong with it? Records with one fault
 * each, in turns; a classifier by time is to tell two faults apart, and the area under its curve
 * (AUC) is a half when it can not.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ssh/err.h"
#include "ssh/flat.h"
#include "tests/util/rnd.h"
#include "tests/util/suites.h"

#define N(a)    (sizeof(a) / sizeof((a)[0]))
#define LONGEST 35000      /* of a record here, as before authentication */
#define RECORD  (4 + 1024) /* its longest */

static struct cipher_engine *engine;
static struct ssh_flat a, b;

static void start(void)
{
	cr_assert_eq(cipher_engine_new(CIPHER_ENGINE_AUTO, SSH_PACKET_MAX + 512, &engine), 0);
}

static void end(void)
{
	ssh_flat_fini(&a);
	ssh_flat_fini(&b);
	cipher_engine_free(engine);
}

TestSuite(ssh_timing, .init = start, .fini = end, .timeout = 3600);

enum fault { BAD_TAG, BAD_LAST, BAD_PADDING_LENGTH, BAD_PAYLOAD, BAD_LENGTH, OUT_OF_STEP, FAULTS };

static const char *const fault_name[] = {"tag",     "last byte", "length of padding",
					 "payload", "length",    "length out of step"};

static void use(const struct cipher_suite *s)
{
	ssh_flat_fini(&a);
	ssh_flat_fini(&b);
	cr_assert_eq(ssh_flat_init(&a, engine), 0);
	cr_assert_eq(ssh_flat_init(&b, engine), 0);
	suite_rekey(&a.tx, engine, s, 1, true, NULL);
	suite_rekey(&b.rx, engine, s, 1, true, NULL);
	b.rx.packet_max = LONGEST;
}

/* A record as a receiver gets it when somebody on the way has changed it. */
static size_t faulty(const struct cipher_suite *s, enum fault fault, uint8_t *record)
{
	/* Whole blocks: with the length, where it is enciphered, else without. */
	const uint32_t len = s->shape == CIPHER_EAM ? RECORD - 4 : RECORD;
	uint8_t plain[RECORD + CIPHER_TAG_MAX] = {
		[2] = (uint8_t)((len - 4) >> 8), [3] = (uint8_t)(len - 4), [4] = 10};
	struct cipher_piece piece = {plain, len};
	struct cipher_job job = {.piece = &piece, .n_pieces = 1, .tag = plain + len};
	struct cipher_job *jobs[] = {&job};

	/* Of CBC the length is what the first block happens to be deciphered to. */
	if (fault == BAD_LENGTH)
		plain[0] = 0x7f;
	if (fault == OUT_OF_STEP)
		plain[3]++;
	cr_assert_eq(ssh_dir_prepare(&a.tx, &job, len), 0);
	cipher_seal_burst(engine, jobs, 1);
	if (fault == BAD_TAG)
		plain[len] ^= 1;
	if (fault == BAD_LAST)
		plain[len - 1] ^= 1;
	if (fault == BAD_PADDING_LENGTH)
		plain[4] ^= 0xf5;
	if (fault == BAD_PAYLOAD)
		plain[len / 2] ^= 1;
	memcpy(record, plain, len + s->tag_len);
	return len + s->tag_len;
}

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static double refusal_us(const struct cipher_suite *s, enum fault fault, bool late)
{
	static uint8_t bytes[RECORD + CIPHER_TAG_MAX + LONGEST + 256];
	const uint8_t *p;
	uint32_t seqnr;
	size_t n, len;
	double t;
	int r;

	use(s);
	n = faulty(s, fault, bytes);
	if (late)
		n = sizeof(bytes);
	t = now_us();
	cr_assert_eq(ssh_flat_feed(&b, bytes, n), 0);
	r = ssh_flat_next(&b, &p, &len, &seqnr);
	t = now_us() - t;
	cr_assert_eq(r, -SSH_E_MAC, "%s %s %s: %d", s->cipher_name, s->mac_name, fault_name[fault],
		     r);
	return t;
}

static double auc(const double *x, const double *y, unsigned int n)
{
	double more = 0;

	for (unsigned int i = 0; i < n; i++)
		for (unsigned int k = 0; k < n; k++)
			more += x[i] > y[k] ? 1 : x[i] == y[k] ? 0.5 : 0;
	return more / ((double)n * n);
}

/* Of those faults that are no length in clear, each against the first. */
static void measure(const char *cipher, const char *mac, unsigned int faults)
{
	const struct cipher_suite *s = cipher_suite_find(cipher, mac);
	const unsigned int n = test_long() ? 10000 : 100;
	/* With few samples it scatters by 0.04: five times that. */
	const double bound = test_long() ? 0.05 : 0.2;
	double *took[FAULTS];
	struct rnd r = rnd_new(rnd_seed());

	cr_assert_not_null(s);
	for (unsigned int f = 0; f < faults; f++)
		took[f] = calloc(n, sizeof(double));
	for (unsigned int i = 0; i < n; i++) { /* who comes first is drawn */
		unsigned int first = rnd_below(&r, faults);

		for (unsigned int k = 0; k < faults; k++) {
			unsigned int f = (first + k) % faults;

			took[f][i] = refusal_us(s, (enum fault)f, faults == FAULTS);
		}
	}
	for (unsigned int f = 1; f < faults; f++) {
		double area = auc(took[0], took[f], n);

		fprintf(stderr, "%s %s, %s: AUC %.3f of 2 x %u\n", cipher, mac, fault_name[f], area,
			n);
		cr_expect(area > 0.5 - bound && area < 0.5 + bound, "%s %s, %s: AUC %.3f", cipher,
			  mac, fault_name[f], area);
	}
	for (unsigned int f = 0; f < faults; f++)
		free(took[f]);
}

Test(ssh_timing, s69_cbc_with_the_mac_inside)
{
	measure("aes128-cbc", "hmac-sha1", FAULTS);
	measure("aes256-cbc", "hmac-sha2-256", FAULTS);
}

Test(ssh_timing, s69_encrypt_and_mac)
{
	measure("aes128-ctr", "hmac-sha1", BAD_LENGTH);
	measure("aes256-ctr", "hmac-sha2-512", BAD_LENGTH);
}

Test(ssh_timing, s69_others)
{
	measure("aes128-cbc", "hmac-sha2-256-etm@openssh.com", BAD_LENGTH);
	measure("aes256-gcm@openssh.com", "", BAD_LENGTH);
	measure("chacha20-poly1305@openssh.com", "", BAD_LENGTH);
}
