/*
 * Runs a command on a host: its output and error output are ours, and so is its status.
 *
 *     cc client_exec.c $(pkg-config --cflags --libs libsluice) -o client_exec
 *     ./client_exec HOST PORT USER KEYFILE SHA256:FINGERPRINT COMMAND
 *
 * $CONFIG, a file of ssh_config(5), may say more of the host.
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

int main(int argc, char **argv)
{
	struct sluice_channel_info info = {.size = sizeof(info)};
	const char *config = getenv("CONFIG");
	struct sluice_channel *c;
	struct sluice_key *key;
	struct sluice *s;
	char buf[16384];
	ssize_t n;
	int r;

	if (argc != 7 || sluice_new(&s) < 0)
		return 255;
	must(s, sluice_config_load(s, config != NULL ? config : "none", argv[1]), "configuration");
	must(s, sluice_set(s, "User", argv[3]), "User");
	must(s, sluice_set(s, "AuthMode", "publickey"), "AuthMode");
	must(s, sluice_set(s, "AcceptHostKeyFingerprint", argv[5]), "AcceptHostKeyFingerprint");
	must(s, sluice_key_load(argv[4], NULL, &key), argv[4]);
	must(s, sluice_identity_add(s, key), argv[4]);
	sluice_key_free(key);

	must(s, sluice_logon(s, argv[1], (uint16_t)atoi(argv[2])), "log on");
	must(s, sluice_channel_open(s, "session", NULL, 0, &c), "channel");
	must(s, sluice_channel_start(c, "exec", argv[6]), "exec");
	must(s, sluice_channel_eof(c), "end of input");
	while ((n = sluice_channel_read(c, false, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, (size_t)n, stdout);
	must(s, (int)n, "read");
	while ((n = sluice_channel_read(c, true, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, (size_t)n, stderr);
	must(s, sluice_channel_wait(c), "wait");
	must(s, sluice_channel_info(c, &info), "status");
	r = info.has_exit_status ? (int)info.exit_status : 255;
	sluice_channel_free(c);
	sluice_logoff(s);
	sluice_free(s);
	return r;
}
