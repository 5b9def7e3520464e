/*
 * Authentication by the program's own messages: here a password, said twice where it has to be.
 *
 *     ./client_auth HOST PORT USER SHA256:FINGERPRINT     (the password: $PASSWORD)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice.h>

#define REQUEST "50"
#define FAILURE 51

struct talk {
	const char *user;
	int said;
};

static ssize_t say(void *arg, struct sluice *s, const void *in, size_t len, void *out, size_t size)
{
	struct sluice_payload p = {0};
	struct talk *t = arg;
	char methods[256];
	ssize_t n = -1;

	(void)s;
	if (len > 0 && *(const uint8_t *)in == FAILURE &&
	    sluice_payload_get(in, len, "%s", methods, sizeof(methods)) >= 0)
		printf("refused; methods that can continue: %s\n", methods);
	if (t->said++ == 2)
		return -1;
	if (sluice_payload_put(&p, "b", REQUEST) == 0 &&
	    sluice_payload_put(&p, "s", t->user) == 0 &&
	    sluice_payload_put(&p, "s", "ssh-connection") == 0 &&
	    sluice_payload_put(&p, "s", "password") == 0 &&
	    sluice_payload_put(&p, "f", "False") == 0 &&
	    sluice_payload_put(&p, "s", t->said == 1 ? "no" : getenv("PASSWORD")) == 0 &&
	    p.len <= size) {
		memcpy(out, p.p, p.len);
		n = (ssize_t)p.len;
	}
	sluice_payload_free(&p);
	return n;
}

int main(int argc, char **argv)
{
	struct sluice_ops ops = {.size = sizeof(ops), .on_custom_auth = say};
	struct talk t = {0};
	struct sluice *s;
	int r;

	if (argc != 5 || getenv("PASSWORD") == NULL || sluice_new(&s) < 0)
		return 1;
	t.user = argv[3];
	if (sluice_ops_set(s, &ops, &t) < 0 || sluice_set(s, "User", t.user) < 0 ||
	    sluice_set(s, "AuthMode", "custom") < 0 ||
	    sluice_set(s, "AcceptHostKeyFingerprint", argv[4]) < 0)
		return 1;
	r = sluice_logon(s, argv[1], (uint16_t)atoi(argv[2]));
	printf("%s\n", r == 0 ? "in" : sluice_strerror(r));
	sluice_free(s);
	return r == 0 ? 0 : 1;
}
