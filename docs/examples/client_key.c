/*
 * What there is to know of a key, its certificate, or the two in one file.
 *
 *     ./client_key FILE [SUBJECT]     (the passphrase: $PASSPHRASE)
 */
#include <stdio.h>
#include <stdlib.h>

#include <sluice.h>

static const struct {
	const char *name;
	enum sluice_key_field field;
} fields[] = {
	{"type", SLUICE_KEY_TYPE},
	{"bits", SLUICE_KEY_BITS},
	{"private", SLUICE_KEY_PRIVATE},
	{"format", SLUICE_KEY_FORMAT},
	{"fingerprint", SLUICE_KEY_SHA256},
	{"subject", SLUICE_KEY_SUBJECT},
	{"issuer", SLUICE_KEY_ISSUER},
	{"serial", SLUICE_KEY_SERIAL},
	{"from", SLUICE_KEY_EFFECTIVE},
	{"to", SLUICE_KEY_EXPIRATION},
	{"names", SLUICE_KEY_SAN},
	{"usage", SLUICE_KEY_USAGE},
	{"thumbprint", SLUICE_KEY_CERT_SHA256},
	{"line", SLUICE_KEY_LINE},
};

int main(int argc, char **argv)
{
	char text[8192], why[256];
	struct sluice_key_opts opts = {
		.size = sizeof(opts),
		.passphrase = getenv("PASSPHRASE"),
		.subject = argc > 2 ? argv[2] : NULL,
		.public_half = true,
		.why = why,
		.why_size = sizeof(why),
	};
	struct sluice_key *k;

	if (argc < 2)
		return 2;
	if (sluice_key_load(argv[1], &opts, &k) < 0) {
		fprintf(stderr, "%s: %s\n", argv[1], why);
		return 1;
	}
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (sluice_key_info(k, fields[i].field, text, sizeof(text)) > 0)
			printf("%s: %s\n", fields[i].name, text);
	sluice_key_free(k);
	return 0;
}
