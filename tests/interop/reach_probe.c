/*
 * tests/interop/reach_probe.c - connects by libsluice as settings say (Keyword=value), up to the
 * host key, or with "logon" all the way, or with "learn" until the server's other keys are settled,
 * and says what came of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/sluice.h"

static int on_hostkey(void *arg, struct sluice *s, const struct sluice_hostkey *k)
{
	(void)arg;
	(void)s;
	printf("known %d: %s\n", k->known, k->known_text);
	return k->accepted;
}

static bool learned;

static void on_log(void *arg, struct sluice *s, enum sluice_log_level level, const char *text)
{
	(void)arg;
	(void)s;
	(void)level;
	learned |= strncmp(text, "UpdateHostKeys: ", 16) == 0;
	fprintf(stderr, "%s\n", text);
}

int main(int argc, char **argv)
{
	const struct sluice_ops ops = {
		.size = sizeof(ops), .on_hostkey = on_hostkey, .on_log = on_log};
	struct sluice_key *key = NULL;
	struct sluice *s;
	bool logon = false, learn = false;
	char text[512];
	int r = sluice_new(&s);

	for (int i = 1; r == 0 && i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (value == NULL) {
			logon = true;
			learn |= strcmp(argv[i], "learn") == 0;
			continue;
		}
		*value++ = '\0';
		if (strcmp(argv[i], "identity") == 0) {
			r = sluice_key_load(value, NULL, &key);
			if (r == 0)
				r = sluice_identity_add(s, key);
		} else {
			r = sluice_set(s, argv[i], value);
		}
	}
	if (r == 0)
		r = sluice_ops_set(s, &ops, NULL);
	if (r == 0)
		r = logon ? sluice_logon(s, NULL, 0) : sluice_connect(s);
	if (sluice_error_last(s, text, sizeof(text)) == 0)
		*text = '\0';
	printf("%s%s%s\n", r == 0 ? "connected" : sluice_strerror(r), *text != '\0' ? ": " : "",
	       text);
	while (r >= 0 && learn && !learned)
		r = sluice_dispatch(s, 1000);
	sluice_free(s);
	sluice_key_free(key);
	return r >= 0 ? 0 : 1;
}
