/* client/keygen/tokens.c - the public keys on PKCS#11 tokens, and the URIs of their private halves.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/command.h"
#include "client/keygen/keygen.h"
#include "crypto/base64.h"

struct shown {
	const struct keygen *g;
	unsigned int n;
};

static int show(void *arg, const struct key *k, const char *label, const char *uri)
{
	char text[KEY_BLOB_MAX / 3 * 4 + 8];
	struct shown *s = arg;
	const uint8_t *blob;
	size_t len;

	s->n++;
	blob = key_blob(k, &len);
	base64_encode(blob, len, text);
	printf("%s %.*s %s\n", key_type(k), (int)base64_len(len), text, label);
	if (!s->g->quiet)
		printf("# HostKey or -f: %s\n", uri);
	return 0;
}

int keygen_tokens(const struct keygen *g)
{
	struct shown s = {g, 0};
	int r = keyfile_token_list(*g->module != '\0' ? g->module : NULL, show, &s);

	if (r == -ENOENT)
		return keygen_fail("cannot load the PKCS#11 module %s", g->module);
	if (r < 0)
		return keygen_fail("cannot list the tokens: %s", strerror(-r));
	if (s.n == 0)
		return keygen_fail("there is no public key on the tokens of %s", g->module);
	return 0;
}
