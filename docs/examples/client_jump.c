/*
 * Runs a command on a host behind one or more others. Each is logged on to with the same key, and
 * each is known by a fingerprint of its own. No other process takes part.
 *
 *     cc client_jump.c $(pkg-config --cflags --libs libsluice) -o client_jump
 *     ./client_jump KEYFILE COMMAND USER@HOST:PORT=SHA256:FINGERPRINT…
 *
 * The first one is the one next to us.
 */
#include <stdio.h>
#include <stdlib.h>

#include <sluice.h>

static void must(struct sluice *s, int r, const char *what)
{
	char text[256] = "";

	if (r >= 0)
		return;
	sluice_error_last(s, text, sizeof(text));
	fprintf(stderr, "%s: %s: %s\n", what, sluice_strerror(r), text);
	sluice_free(s);
	exit(255);
}

/* One host of the chain, by way of via. */
static struct sluice *host(const char *word, const struct sluice_key *key, struct sluice *via)
{
	char user[64], name[256], port[8], fingerprint[128];
	struct sluice *s;

	if (sscanf(word, "%63[^@]@%255[^:]:%7[0-9]=%127s", user, name, port, fingerprint) != 4 ||
	    sluice_new(&s) < 0) {
		fprintf(stderr, "%s: USER@HOST:PORT=SHA256:FINGERPRINT\n", word);
		sluice_free(via);
		exit(255);
	}
	must(s, sluice_set(s, "User", user), "User");
	must(s, sluice_set(s, "Hostname", name), "Hostname");
	must(s, sluice_set(s, "Port", port), "Port");
	must(s, sluice_set(s, "AuthMode", "publickey"), "AuthMode");
	must(s, sluice_set(s, "AcceptHostKeyFingerprint", fingerprint), fingerprint);
	must(s, sluice_identity_add(s, key), "key");
	must(s, sluice_jump_set(s, via), "jump host"); /* which is this one's from now on */
	return s;
}

int main(int argc, char **argv)
{
	struct sluice_channel_info info = {.size = sizeof(info)};
	struct sluice_channel *c;
	struct sluice *s = NULL;
	struct sluice_key *key;
	char buf[16384];
	ssize_t n;
	int r;

	if (argc < 4)
		return 255;
	r = sluice_key_load(argv[1], NULL, &key);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", argv[1], sluice_strerror(r));
		return 255;
	}
	for (int i = 3; i < argc; i++)
		s = host(argv[i], key, s);
	sluice_key_free(key);

	must(s, sluice_logon(s, NULL, 0), "log on");
	must(s, sluice_channel_open(s, "session", NULL, 0, &c), "channel");
	must(s, sluice_channel_start(c, "exec", argv[2]), "exec");
	must(s, sluice_channel_eof(c), "end of input");
	while ((n = sluice_channel_read(c, false, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, (size_t)n, stdout);
	must(s, (int)n, "read");
	must(s, sluice_channel_wait(c), "wait");
	must(s, sluice_channel_info(c, &info), "status");
	r = info.has_exit_status ? (int)info.exit_status : 255;
	sluice_channel_free(c);
	sluice_logoff(s);
	sluice_free(s);
	return r;
}
