/*
 * What a stranger's KEXINIT costs control, whole sessions of it: no more than a millisecond of CPU
 * each, no memory, a line of the log that is bounded (S-43).
 */
#include <malloc.h>
#include <time.h>

#include "ssh/kexinit.h"
#include "tests/util/rnd.h"
#include "tests/util/session_bench.h"

#ifdef __SANITIZE_ADDRESS__
#define CPU_US_MAX 10000
#else
#define CPU_US_MAX 1000
#endif
/* An escaped line; what a peer sent is 512 bytes of it at most. */
#define LINE_BYTES_MAX 1024
#define WARM           50

static size_t longest;
static unsigned int n_logged;

static void measure(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)level;
	n_logged++;
	if (strlen(line) > longest)
		longest = strlen(line);
}

static void begin(void)
{
	start("PerSourcePenalties no\nMaxStartups 1000\nSlowPathRate 0");
	log_sink_set(measure, NULL);
}

TestSuite(control_kexinit, .init = begin, .fini = teardown, .timeout = 900);

static uint8_t payload[LINK_PAYLOAD_MAX];
static char text[LINK_PAYLOAD_MAX];

/* n names of that many bytes each, that no table has; the last one is last, if there is one. */
static struct ssh_str names(char *buf, unsigned int n, unsigned int len, const char *last)
{
	char *p = buf;

	for (unsigned int i = 0; i < n; i++) {
		if (i > 0)
			*p++ = ',';
		memset(p, 'a' + (int)(i % 26), len);
		p += len;
	}
	if (last != NULL)
		p += sprintf(p, ",%s", last);
	*p = '\0';
	return ssh_str_c(buf);
}

static struct ssh_kexinit good(void)
{
	struct ssh_kexinit m = {0};

	m.list[SSH_PROP_KEX] = ssh_str_c("curve25519-sha256");
	m.list[SSH_PROP_HOSTKEY] = ssh_str_c("ssh-ed25519");
	for (int dir = 0; dir < 2; dir++) {
		m.list[SSH_PROP_CIPHER_CS + dir] = ssh_str_c("aes256-gcm@openssh.com");
		m.list[SSH_PROP_MAC_CS + dir] = ssh_str_c("hmac-sha2-256");
		m.list[SSH_PROP_COMP_CS + dir] = ssh_str_c("none");
	}
	return m;
}

static uint32_t build(const struct ssh_kexinit *m)
{
	struct ssh_wr w;

	ssh_wr_init(&w, payload, sizeof(payload));
	ssh_kexinit_build(&w, m);
	cr_assert_gt(ssh_wr_done(&w), 0);
	return (uint32_t)ssh_wr_done(&w);
}

static uint64_t cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* A connection that sends it so many times; the CPU time of the payloads. *ret_end: it was ended.
 */
static uint64_t connection(uint32_t generation, uint32_t len, unsigned int times, bool *ret_end)
{
	const struct link_handle conn = {.index = 3, .generation = generation};
	const struct link_bytes ident = {.len = 12};
	uint64_t began;
	struct item *i;

	conn_begin(&conn);
	cr_assert_eq(event(&conn, LINK_EV_IDENT, &ident, sizeof(ident), "SSH-2.0-many", 12), 0);
	began = cpu_us();
	for (unsigned int n = 0; n < times; n++) {
		const struct link_payload ev = {.seqnr = n, .len = len};

		cr_assert_eq(event(&conn, LINK_EV_PAYLOAD, &ev, sizeof(ev), payload, len), 0);
	}
	began = cpu_us() - began;
	*ret_end = false;
	while ((i = item_next()) != NULL) {
		*ret_end |= item_type(i) == LINK_IT_END;
		free(i);
	}
	conn_over(&conn);
	return began;
}

static size_t heap(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* Many connections with the payload of that length, times on each; end: what is to become of each.
 */
static void storm(const char *what, uint32_t len, unsigned int times, bool end)
{
	unsigned int n = test_long() ? 100000 : 300;
	uint64_t cpu = 0;
	size_t before = 0;
	bool ended;

	setvbuf(stdout, NULL, _IONBF, 0); /* its buffer is no growth of control's */
	for (uint32_t i = 0; i < WARM + n; i++) {
		uint64_t took = connection(i + 1, len, times, &ended);

		if (i == WARM)
			before = heap();
		cpu += i >= WARM ? took : 0;
		cr_assert_eq(ended, end, "%s", what);
	}
	cr_expect_lt(cpu / n, CPU_US_MAX, "%s: %llu us each", what, (unsigned long long)(cpu / n));
	cr_expect_leq(heap(), before, "%s: grew by %zu", what, heap() - before);
	cr_expect_leq(longest, LINE_BYTES_MAX, "%s", what);
	printf("%s: %.1f us each\n", what, (double)cpu / n);
	cr_expect_leq(n_logged, 2 * (WARM + n), "%s: so many lines", what);
}

Test(control_kexinit, s43_again_and_again_on_one_connection)
{
	struct ssh_kexinit m = good();

	/* What a shard may have under way when the second ends the connection. */
	storm("repeated", build(&m), 16, true);
}

Test(control_kexinit, s43_once_on_each_of_many_connections)
{
	struct ssh_kexinit m = good();

	storm("once", build(&m), 1, false);
}

Test(control_kexinit, s43_seventeen_thousand_names)
{
	struct ssh_kexinit m = good();

	m.list[SSH_PROP_KEX] = names(text, 17000, 1, NULL);
	cr_assert_gt(build(&m), 34000);
	storm("17,000 names", build(&m), 1, true);
	/* As many as the longest KEXINIT has room for. */
	m.list[SSH_PROP_KEX] = names(text, 16000, 1, NULL);
	cr_assert_leq(build(&m), SSH_KEXINIT_MAX);
	storm("16,000 names", build(&m), 1, true);
}

Test(control_kexinit, s43_names_of_10_kib)
{
	struct ssh_kexinit m = good();

	m.list[SSH_PROP_KEX] = names(text, 3, 10240, NULL);
	storm("10 KiB", build(&m), 1, true);
}

/* The most that is read to its end, and the most that is written about it. */
Test(control_kexinit, s43_lists_as_long_as_they_may_be_that_agree_in_nothing)
{
	struct ssh_kexinit m = good();

	m.list[SSH_PROP_KEX] = names(text, SSH_NAMES_MAX, SSH_NAME_MAX, NULL);
	m.list[SSH_PROP_LANG_CS] = names(text + 20000, 240, SSH_NAME_MAX, NULL);
	cr_assert_leq(build(&m), SSH_KEXINIT_MAX);
	storm("nothing in common", build(&m), 1, true);
	cr_expect_gt(longest, 512, "their offer is in the log, cut");
}

Test(control_kexinit, s43_lists_as_long_as_they_may_be_that_agree_in_their_last_names)
{
	struct ssh_kexinit m = good();
	char *p = text;
	static const int prop[] = {SSH_PROP_KEX,       SSH_PROP_HOSTKEY, SSH_PROP_CIPHER_CS,
				   SSH_PROP_CIPHER_SC, SSH_PROP_COMP_CS, SSH_PROP_COMP_SC};

	for (size_t i = 0; i < sizeof(prop) / sizeof(prop[0]); i++) {
		char last[64];

		snprintf(last, sizeof(last), "%.*s", (int)m.list[prop[i]].len,
			 (const char *)m.list[prop[i]].p);
		m.list[prop[i]] = names(p, SSH_NAMES_MAX - 1, 20, last);
		p += m.list[prop[i]].len + 1;
	}
	cr_assert_leq(build(&m), SSH_KEXINIT_MAX);
	storm("the last ones", build(&m), 1, false);
}
