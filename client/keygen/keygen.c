/* client/keygen/keygen.c - sluice keygen: the options, and which part does the work. */
#include "client/keygen/keygen.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/command.h"

#define BITS_MAX 16384

static void usage(FILE *f)
{
	fputs("usage: sluice keygen [-q] [-t ed25519|ed448|ecdsa|rsa|dsa] [-b BITS] [-f FILE]\n"
	      "                     [-C COMMENT] [-N PASSPHRASE] [-m FORMAT] [-Z CIPHER] [-a "
	      "ROUNDS]\n"
	      "       sluice keygen -A [-f PREFIX]                    host keys that are missing\n"
	      "       sluice keygen -l [-v] [-E HASH] [--json] [-f FILE]    fingerprints\n"
	      "       sluice keygen -y [-P PASSPHRASE] [-f FILE]      the public key\n"
	      "       sluice keygen -e [-m FORMAT] [--private] [--out FILE] [-f FILE]   export\n"
	      "       sluice keygen -i [-m FORMAT] [--out FILE] [-f FILE]   import\n"
	      "       sluice keygen -p [-P OLD] [-N NEW] [-m FORMAT] [-f FILE]   new passphrase\n"
	      "       sluice keygen -c [-P PASSPHRASE] [-C COMMENT] [-f FILE]    new comment\n"
	      "       sluice keygen -D MODULE                         public keys of tokens\n"
	      "       sluice keygen -s CA -I ID [-h] [-n NAMES] [-V VALIDITY] [-z SERIAL] [-O "
	      "OPTION]\n"
	      "                     FILE ...                          certificates\n"
	      "       sluice keygen -L -f FILE                        what a certificate says\n"
	      "       sluice keygen -k -f LIST [-s CA] [-z VERSION] FILE ...   revocation list\n"
	      "       sluice keygen -Q -f LIST FILE ...               whether keys are revoked\n"
	      "       sluice keygen -F HOST [-lvHq] [-f FILE]         a host in known_hosts\n"
	      "       sluice keygen -R HOST | -H [-q] [-f FILE]       remove one, hide all names\n"
	      "       sluice keygen -M generate|screen [-O bits=N] [-f FILE] FILE   moduli\n"
	      "       sluice keygen -Y sign -n NAMESPACE -f KEY [FILE ...]    signatures of files\n"
	      "       sluice keygen -Y verify -n NAMESPACE -f SIGNERS -I WHO -s SIGNATURE [-r "
	      "LIST] <FILE\n"
	      "       sluice keygen -Y check-novalidate -n NAMESPACE -s SIGNATURE <FILE\n"
	      "       sluice keygen -Y find-principals -f SIGNERS -s SIGNATURE\n"
	      "       sluice keygen -Y match-principals -f SIGNERS -I WHO\n"
	      "formats: openssh pem pkcs8 rfc4716 ppk jwk xml pfx\n",
	      f);
}

enum { OPT_PRIVATE = 256, OPT_OUT, OPT_JSON, OPT_FORCE, OPT_PASS_FILE, OPT_SUBJECT, OPT_THUMB };

static const struct option longs[] = {
	{"private", no_argument, NULL, OPT_PRIVATE},
	{"out", required_argument, NULL, OPT_OUT},
	{"json", no_argument, NULL, OPT_JSON},
	{"force", no_argument, NULL, OPT_FORCE},
	{"passphrase-file", required_argument, NULL, OPT_PASS_FILE},
	{"subject", required_argument, NULL, OPT_SUBJECT},
	{"thumbprint", required_argument, NULL, OPT_THUMB},
	{"help", no_argument, NULL, 'h'},
	{0},
};

typedef int operation(const struct keygen *g);

static const struct {
	int option;
	operation *run;
} operations[] = {
	{'A', keygen_make_host}, {'l', keygen_list},    {'y', keygen_public},
	{'e', keygen_export},    {'i', keygen_import},  {'p', keygen_passphrase},
	{'c', keygen_comment},   {'D', keygen_tokens},  {'L', keygen_cert_show},
	{'k', keygen_revoke},    {'Q', keygen_revoked}, {'M', keygen_moduli},
	{'Y', keygen_signature}, {'F', keygen_known},   {'R', keygen_known},
	{'H', keygen_known},
};

static operation *operation_of(int option)
{
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		if (operations[i].option == option)
			return operations[i].run;
	return NULL;
}

static int number_of(const char *text, unsigned int max, unsigned int *ret)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || text[0] < '0' || text[0] > '9' || v == 0 || v > max)
		return -EINVAL;
	*ret = (unsigned int)v;
	return 0;
}

static int option_bad(const char *what, const char *value)
{
	keygen_fail("%s \"%s\" is not valid", what, value);
	return -EINVAL;
}

static int format_take(struct keygen *g, const char *name)
{
	/* ssh-keygen's words for what others call by these. */
	if (strcasecmp(name, "ssh2") == 0)
		name = "rfc4716";
	else if (strcasecmp(name, "p12") == 0 || strcasecmp(name, "pkcs12") == 0)
		name = "pfx";
	else if (strcasecmp(name, "putty") == 0)
		name = "ppk";
	if (keyfile_format_find(name, &g->format) < 0)
		return option_bad("format", name);
	g->format_given = true;
	return 0;
}

static int serial_take(struct keygen *g, const char *text)
{
	char *end;

	errno = 0;
	g->serial = strtoull(text, &end, 0);
	return errno != 0 || *end != '\0' || text[0] < '0' || text[0] > '9'
		       ? option_bad("number", text)
		       : 0;
}

/* An option with a value, or a switch that is no operation. */
static int option_take(struct keygen *g, int option, const char *value)
{
	switch (option) {
	case 't':
		g->type = value;
		return 0;
	case 'b':
		return number_of(value, BITS_MAX, &g->bits) < 0 ? option_bad("size", value) : 0;
	case 'f':
		g->file = value;
		return 0;
	case 'N':
		g->new_pass = value;
		return 0;
	case 'P':
		g->old_pass = value;
		return 0;
	case 'C':
		g->comment = value;
		return 0;
	case 'a':
		return number_of(value, KEYFILE_PBKDF2_ROUNDS_MAX, &g->rounds) < 0
			       ? option_bad("number of rounds", value)
			       : 0;
	case 'Z':
		g->cipher = value;
		return 0;
	case 'E':
		g->hash = value;
		return 0;
	case 'm':
		return format_take(g, value);
	case 'q':
		g->quiet = true;
		return 0;
	case 's':
		g->ca = value;
		return 0;
	case 'I':
		g->id = value;
		return 0;
	case 'r':
		g->revoked = value;
		return 0;
	case 'V':
		g->validity = value;
		return 0;
	case 'z':
		return serial_take(g, value);
	case 'v':
		g->verbose = true;
		return 0;
	case OPT_PRIVATE:
		g->private = true;
		return 0;
	case OPT_OUT:
		g->out = value;
		return 0;
	case OPT_JSON:
		g->json = true;
		return 0;
	case OPT_FORCE:
		g->force = true;
		return 0;
	case OPT_PASS_FILE:
		g->pass_file = value;
		return 0;
	case OPT_SUBJECT:
		g->subject = value;
		return 0;
	case OPT_THUMB:
		g->thumbprint = value;
		return 0;
	default:
		return -EINVAL;
	}
}

/* Words that are changed while they are read. */
static int words_take(struct keygen *g, int option, char *value)
{
	if (option == 'n')
		g->principals = value;
	else if (option == 'O' && g->n_options < KEYGEN_OPTIONS_MAX)
		g->options[g->n_options++] = value;
	else
		return -EINVAL;
	return 0;
}

/* -h is help alone, and "of a host" beside -s, wherever it stands. */
static int help_or_host(struct keygen *g, operation *run)
{
	if (g->ca != NULL)
		return run == NULL || run == keygen_revoke ? 0 : -EINVAL;
	usage(stdout);
	return 1;
}

/* -l and -H are operations alone, and say in which way beside -F. */
static bool is_of_known(operation *run)
{
	return run == keygen_known || run == keygen_list;
}

static void known_take(struct keygen *g, int option, const char *value)
{
	if (option == 'F')
		g->find = value;
	else if (option == 'R')
		g->remove = value;
	else if (option == 'H')
		g->hide = true;
	else if (option == 'l')
		g->fingerprints = true;
}

static int known_settle(const struct keygen *g, operation **run)
{
	if ((g->find != NULL && g->remove != NULL) ||
	    (g->find == NULL && g->fingerprints + g->hide + (g->remove != NULL) > 1)) {
		keygen_fail("one thing at a time");
		return -EINVAL;
	}
	if (g->find != NULL)
		*run = keygen_known;
	return 0;
}

static int options_parse(struct keygen *g, int argc, char **argv, operation **ret)
{
	operation *run = NULL;
	int option;

	while ((option = getopt_long(argc, argv,
				     "AD:C:E:F:HI:LM:N:O:P:QR:V:Y:Z:a:b:cef:him:kln:pqr:s:t:vyz:",
				     longs, NULL)) != -1) {
		if (option == 'h') {
			g->host = true;
			continue;
		}
		if (operation_of(option) == NULL) {
			if (option == '?' || (option_take(g, option, optarg) < 0 &&
					      words_take(g, option, optarg) < 0))
				return -EINVAL;
			continue;
		}
		if (run != NULL && run != operation_of(option) &&
		    !(is_of_known(run) && is_of_known(operation_of(option)))) {
			keygen_fail("one thing at a time: -%c is another than what is asked for",
				    option);
			return -EINVAL;
		}
		run = operation_of(option);
		known_take(g, option, optarg);
		if (option == 'D')
			g->module = optarg;
		if (option == 'M')
			g->moduli = optarg;
		if (option == 'Y')
			g->signature = optarg;
	}
	g->files = argv + optind;
	g->n_files = (unsigned int)(argc - optind);
	if (is_of_known(run) && known_settle(g, &run) < 0)
		return -EINVAL;
	if (g->revoked != NULL && run != keygen_signature) {
		keygen_fail("-r is a list of what is revoked, beside -Y");
		return -EINVAL;
	}
	*ret = run != NULL ? run : g->ca != NULL ? keygen_sign : keygen_make;
	return g->host ? help_or_host(g, run) : 0;
}

static bool takes_files(operation *run)
{
	return run == keygen_sign || run == keygen_revoke || run == keygen_revoked ||
	       run == keygen_moduli || run == keygen_signature;
}

int keygen_main(int argc, char **argv)
{
	struct keygen g = {.type = "ed25519"};
	operation *run = NULL;
	int r = options_parse(&g, argc, argv, &run);

	if (r > 0)
		return 0;
	if (r == 0 && g.n_files > 0 && !takes_files(run)) {
		keygen_fail("too many arguments: \"%s\"", g.files[0]);
		r = -EINVAL;
	}
	if (r < 0) {
		usage(stderr);
		return EXIT_USAGE;
	}
	return run(&g);
}
