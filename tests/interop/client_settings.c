/*
 * tests/interop/client_settings.c - one login of libsluice with any settings: says what was agreed.
 *
 *   client_settings KEYWORD=VALUE…     the password, where one is asked for: $PASSWORD
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice.h>

static int set(struct sluice *s, const char *word)
{
	char keyword[64];
	size_t n = strcspn(word, "=");

	if (word[n] == '\0' || n >= sizeof(keyword))
		return -1;
	snprintf(keyword, sizeof(keyword), "%.*s", (int)n, word);
	return sluice_set(s, keyword, word + n + 1);
}

int main(int argc, char **argv)
{
	const char *password = getenv("PASSWORD");
	char kex[128] = "", cipher[128] = "", text[256] = "";
	struct sluice *s;
	int r = 0;

	if (sluice_new(&s) < 0)
		return 2;
	for (int i = 1; i < argc && r == 0; i++)
		r = set(s, argv[i]);
	if (r == 0 && password != NULL)
		r = sluice_password_set(s, password, strlen(password));
	if (r == 0)
		r = sluice_logon(s, NULL, 0);
	if (r < 0) {
		sluice_error_last(s, text, sizeof(text));
		fprintf(stderr, "%s: %s\n", sluice_strerror(r), text);
	} else {
		sluice_info(s, SLUICE_INFO_KEX, kex, sizeof(kex));
		sluice_info(s, SLUICE_INFO_CIPHER_OUT, cipher, sizeof(cipher));
		printf("%s, %s\n", kex, cipher);
		r = sluice_logoff(s);
	}
	sluice_free(s);
	return r < 0;
}
