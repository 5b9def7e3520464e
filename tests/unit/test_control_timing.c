/*
 * S-32: does the time of a refusal tell whether a user exists? The same names are tried while
 * they exist and while they do not, and a classifier by time is to guess which it was: the area
 * under its curve (AUC) is a half when it can not.
 */
#include <time.h>

#include "control/auth/account.h"
#include "control/auth/hostbased.h"
#include "tests/util/accounts_fake.h"
#include "tests/util/login_bench.h"
#include "tests/util/rnd.h"

#define NAMES 8

static void begin(void)
{
	start("MaxAuthTries 1000\nLoginGraceTime 0\nHandshakeTimeout 0\n"
	      "HostbasedAuthentication yes\nIgnoreRhosts no");
}

TestSuite(control_timing, .init = begin, .fini = stop, .timeout = 3600);

/* Samples of each class; --long has what the catalogue asks for. */
static unsigned int samples(void)
{
	return test_long() ? 10000 : 10;
}

/* Hashes of eight users, or of eight others; their key files likewise. */
static void users_exist(bool yes)
{
	static const char hash[] =
		"$5$rounds=1000$saltsalt$7lZfFTfHsBTA3OKAzbrmFi/u4AFgxUpq/UCLQ0GvvcD";
	char text[2048] = "", line[256], from[160], to[160];

	for (int i = 0; i < NAMES; i++) {
		snprintf(line, sizeof(line), "%s%d:%s\n", yes ? "user" : "none", i, hash);
		strcat(text, line);
		snprintf(from, sizeof(from), "%s/keys/%s%d", t.dir, yes ? "none" : "user", i);
		snprintf(to, sizeof(to), "%s/keys/%s%d", t.dir, yes ? "user" : "none", i);
		(void)rename(from, to);
	}
	control_file(t.dir, "passwords", text, 0600);
	accounts_fake = yes ? "user*" : NULL;
	accounts_forget();
}

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void by_password(struct client *c)
{
	cr_expect(!try_password(c, "wrong", 5));
}

static void by_long_password(struct client *c)
{
	static char pw[PASSWD_MAX];

	memset(pw, 'x', sizeof(pw));
	cr_expect(!try_password(c, pw, sizeof(pw)));
}

static void by_questions(struct client *c)
{
	cr_assert(try_kbdint(c));
	cr_expect(!answer(c, "wrong", NULL));
}

static void by_key(struct client *c)
{
	cr_expect(!try_key(c, t.key[2]));
}

/* The operator trusts the host, and knows another key of it; so do those who have a home. */
static void hosts_make(void)
{
	static char etc[128], home[128];
	char line[1200];

	snprintf(etc, sizeof(etc), "%s/etc", t.dir);
	snprintf(home, sizeof(home), "%s/home", t.dir);
	hostbased_etc = etc;
	accounts_fake_home = home;
	cr_assert_eq(mkdir(etc, 0755), 0);
	cr_assert_eq(mkdir(home, 0755), 0);
	cr_assert_eq(mkdir(strcat(strcpy(line, etc), "/ssh"), 0755), 0);
	cr_assert_eq(mkdir(strcat(strcpy(line, home), "/.ssh"), 0755), 0);
	control_file(t.dir, "etc/hosts.equiv", "192.0.2.1 bob\n", 0644);
	control_file(t.dir, "etc/ssh/shosts.equiv", "127.0.0.1 bob\n", 0644);
	control_file(t.dir, "home/.shosts", "127.0.0.1 bob\n", 0600);
	control_file(t.dir, "home/.rhosts", "127.0.0.1 bob\n127.0.0.1 carol\n", 0600);
	snprintf(line, sizeof(line), "127.0.0.1 ");
	key_line(t.key[1], "", line + strlen(line), sizeof(line) - strlen(line));
	control_file(t.dir, "etc/ssh/ssh_known_hosts", line, 0644);
	control_file(t.dir, "home/.ssh/known_hosts", line, 0600);
}

static void by_host(struct client *c)
{
	cr_expect(!try_hostbased(c, t.key[2], "127.0.0.1"));
}

/* How likely a refusal of one who exists took longer than of one who does not. */
static double auc(const double *a, const double *b, unsigned int n)
{
	double more = 0;

	for (unsigned int i = 0; i < n; i++)
		for (unsigned int k = 0; k < n; k++)
			more += a[i] > b[k] ? 1 : a[i] == b[k] ? 0.5 : 0;
	return more / ((double)n * n);
}

static void measure(void (*by)(struct client *c), const char *what)
{
	const unsigned int n = samples();
	/* Of a half within what the catalogue allows; few samples scatter. */
	const double bound = test_long() ? 0.05 : 0.48;
	double *took[2] = {calloc(n, sizeof(double)), calloc(n, sizeof(double))}, area;
	char name[32], line[2048];

	key_line(t.key[0], "", line, sizeof(line));
	for (int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "keys/user%d", i);
		control_file(t.dir, name, line, 0600);
	}
	for (unsigned int i = 0; i < 2 * n; i++) {
		struct client c;

		users_exist(i % 2 == 0);
		snprintf(name, sizeof(name), "user%u", i / 2 % NAMES);
		client_start(&c, name);
		cr_expect(!try_none(&c));
		took[i % 2][i / 2] = now_us();
		by(&c);
		took[i % 2][i / 2] = now_us() - took[i % 2][i / 2];
		client_free(&c);
	}
	area = auc(took[0], took[1], n);
	fprintf(stderr, "%s: AUC %.3f of 2 x %u refusals\n", what, area, n);
	cr_expect(area > 0.5 - bound && area < 0.5 + bound, "%s: AUC %.3f", what, area);
	free(took[0]);
	free(took[1]);
}

Test(control_timing, s32_passwords)
{
	measure(by_password, "password");
}

Test(control_timing, s32_long_passwords)
{
	measure(by_long_password, "long password");
}

Test(control_timing, s32_questions)
{
	measure(by_questions, "keyboard-interactive");
}

Test(control_timing, s32_keys)
{
	measure(by_key, "publickey");
}

Test(control_timing, s32_hosts)
{
	hosts_make();
	measure(by_host, "hostbased");
}

/* The host is trusted: an account is refused for the key alone, nobody's for having none. */
Test(control_timing, s32_hosts_that_are_trusted)
{
	hosts_make();
	control_file(t.dir, "etc/hosts.equiv", "127.0.0.1 alice\n", 0644);
	measure(by_host, "hostbased, trusted");
}
