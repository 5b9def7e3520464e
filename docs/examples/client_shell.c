/*
 * A shell on a terminal: types the lines of its input, shows what comes back.
 *
 *     ./client_shell HOST PORT USER SHA256:FINGERPRINT <lines     (the password: $PASSWORD)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice.h>

static void show(void *arg, struct sluice_channel *c, const void *data, size_t len,
		 unsigned int flags)
{
	(void)arg;
	(void)c;
	fwrite(data, 1, len, (flags & SLUICE_DATA_STDERR) != 0 ? stderr : stdout);
}

/* The password answers both: the method of that name, and a prompt that looks like it. */
static int set(struct sluice *s, char **argv)
{
	const char *password = getenv("PASSWORD");

	if (password == NULL || sluice_set(s, "User", argv[3]) < 0 ||
	    sluice_set(s, "AcceptHostKeyFingerprint", argv[4]) < 0 ||
	    sluice_set(s, "TryAllAuthMethods", "yes") < 0 ||
	    sluice_set(s, "PasswordPromptPattern", "*[P,p]assword*") < 0)
		return -1;
	return sluice_password_set(s, password, strlen(password));
}

int main(int argc, char **argv)
{
	struct sluice_ops ops = {.size = sizeof(ops), .on_channel_data = show};
	struct sluice_channel *c;
	struct sluice *s;
	char line[1024];

	if (argc != 5 || sluice_new(&s) < 0 || sluice_ops_set(s, &ops, NULL) < 0 ||
	    set(s, argv) < 0 || sluice_logon(s, argv[1], (uint16_t)atoi(argv[2])) < 0 ||
	    sluice_channel_open(s, "session", NULL, 0, &c) < 0 ||
	    sluice_channel_pty(c, "vt100", 80, 24, false, NULL, 0) < 0 ||
	    sluice_channel_start(c, "shell", NULL) < 0)
		return 1;
	while (fgets(line, sizeof(line), stdin) != NULL)
		if (sluice_channel_send(c, line, strlen(line)) < 0)
			return 1;
	if (sluice_channel_wait(c) < 0)
		return 1;
	sluice_free(s);
	return 0;
}
