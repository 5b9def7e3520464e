/* client/keygen/moduli.c - groups for group exchange: -M generate, -M screen. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/command.h"
#include "client/keygen/keygen.h"
#include "crypto/moduli.h"
#include "crypto/secret.h"

#define BITS        2048
#define ROUNDS      64 /* of Miller and Rabin's test, at least: OpenSSL's own number */
#define LINE_FIELDS 7

static volatile sig_atomic_t stopped;

static void on_stop(int sig)
{
	(void)sig;
	stopped = 1;
}

static bool going(void *arg)
{
	const struct keygen *g = arg;

	if (!g->quiet)
		fputc('.', stderr);
	return !stopped;
}

static const char *now_text(char buf[16])
{
	time_t t = time(NULL);
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(buf, 16, "%Y%m%d%H%M%S", &tm);
	return buf;
}

/* "bits=N", "lines=N" of -O. */
static unsigned int option_of(const struct keygen *g, const char *name, unsigned int def)
{
	size_t len = strlen(name);

	for (unsigned int i = 0; i < g->n_options; i++)
		if (strncmp(g->options[i], name, len) == 0 && g->options[i][len] == '=')
			return (unsigned int)strtoul(g->options[i] + len + 1, NULL, 10);
	return def;
}

static int generate(const struct keygen *g, FILE *out)
{
	unsigned int bits = option_of(g, "bits", g->bits != 0 ? g->bits : BITS);
	unsigned int lines = option_of(g, "lines", 1);
	const struct sigaction stop = {.sa_handler = on_stop};
	struct kex_group group;
	char when[16];
	int r = 0;

	if (bits < MODULI_BITS_MIN || bits > MODULI_BITS_MAX || lines == 0)
		return keygen_fail("a group has %d to %d bits", MODULI_BITS_MIN, MODULI_BITS_MAX);
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	for (unsigned int i = 0; i < lines && r == 0; i++) {
		r = moduli_generate(bits, going, (void *)(uintptr_t)g, &group);
		if (!g->quiet)
			fputc('\n', stderr);
		if (r == 0)
			r = moduli_write(out, &group, now_text(when), ROUNDS);
		if (r == 0 && fflush(out) != 0)
			r = -errno;
	}
	return r < 0 ? keygen_fail("no group: %s", strerror(-r)) : 0;
}

static int hex_value(char c)
{
	const char *digits = "0123456789abcdef", *at = strchr(digits, c | 0x20);

	return c == '\0' || at == NULL || (c | 0x20) != *at ? -1 : (int)(at - digits);
}

/* moduli(5): time, type, tests, rounds, size, generator, modulus in hexadecimal. */
static int line_screen(char *line, FILE *out)
{
	char *field[LINE_FIELDS], *save = NULL;
	uint8_t p[KEX_GROUP_MAX];
	struct kex_group group;
	char when[16];
	size_t n = 0, digits;

	for (char *w = strtok_r(line, " \t\r\n", &save); w != NULL && n < LINE_FIELDS;
	     w = strtok_r(NULL, " \t\r\n", &save))
		field[n++] = w;
	if (n < LINE_FIELDS || *field[0] == '#')
		return -EBADMSG;
	digits = strlen(field[6]);
	if (digits % 2 != 0 || digits / 2 > sizeof(p))
		return -EBADMSG;
	for (size_t i = 0; i < digits; i += 2) {
		int hi = hex_value(field[6][i]), lo = hex_value(field[6][i + 1]);

		if (hi < 0 || lo < 0)
			return -EBADMSG;
		p[i / 2] = (uint8_t)(hi << 4 | lo);
	}
	if (moduli_screen(p, digits / 2, &group) < 0)
		return -EBADMSG;
	return moduli_write(out, &group, now_text(when), ROUNDS);
}

/* What is no safe prime is left out, and counted. */
static int screen(const struct keygen *g, FILE *out)
{
	FILE *in = g->file != NULL ? fopen(g->file, "re") : stdin;
	unsigned int kept = 0, dropped = 0;
	char *line = NULL;
	size_t size = 0;
	int r = 0;

	if (in == NULL)
		return keygen_fail("cannot read %s: %s", g->file, strerror(errno));
	while ((r == 0 || r == -EBADMSG) && getline(&line, &size, in) > 0) {
		r = line_screen(line, out);
		kept += r == 0;
		dropped += r == -EBADMSG;
	}
	free(line);
	if (in != stdin)
		fclose(in);
	if (!g->quiet)
		fprintf(stderr, "%u kept, %u left out\n", kept, dropped);
	return (r < 0 && r != -EBADMSG) || kept == 0 ? keygen_fail("no group is left") : 0;
}

int keygen_moduli(const struct keygen *g)
{
	FILE *out;
	int r;

	if (g->n_files != 1)
		return keygen_fail("name one file to write to behind the options");
	if (strcmp(g->moduli, "generate") != 0 && strcmp(g->moduli, "screen") != 0)
		return keygen_fail("-M is followed by generate or screen, not %s", g->moduli);
	out = fopen(g->files[0], "we");
	if (out == NULL)
		return keygen_fail("cannot write %s: %s", g->files[0], strerror(errno));
	r = strcmp(g->moduli, "generate") == 0 ? generate(g, out) : screen(g, out);
	if (fclose(out) != 0 && r == 0)
		r = keygen_fail("cannot write %s: %s", g->files[0], strerror(errno));
	return r;
}
