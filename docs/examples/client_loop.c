/*
 * Many commands at once on one connection, by a loop of the program's own: nothing here waits in
 * the library.
 *
 *     ./client_loop HOST PORT USER KEYFILE SHA256:FINGERPRINT COMMAND…
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <sluice.h>

struct work {
	char **command;
	int left, failed;
};

/* Each channel runs the next command that nobody runs. */
static void on_opened(void *arg, struct sluice_channel *c, int err, const char *text)
{
	struct work *w = arg;

	if (err < 0) {
		fprintf(stderr, "channel: %s\n", text);
		w->failed++;
		return;
	}
	(void)sluice_channel_start(c, "exec", *w->command++);
	(void)sluice_channel_eof(c);
}

static void on_data(void *arg, struct sluice_channel *c, const void *data, size_t len,
		    unsigned int flags)
{
	(void)arg;
	(void)c;
	(void)flags;
	fwrite(data, 1, len, stdout);
}

static void on_closed(void *arg, struct sluice_channel *c)
{
	struct sluice_channel_info info = {.size = sizeof(info)};
	struct sluice *s = sluice_channel_connection(c);
	struct work *w = arg;

	if (sluice_channel_info(c, &info) < 0 || !info.has_exit_status || info.exit_status != 0)
		w->failed++;
	sluice_channel_free(c);
	if (--w->left == 0)
		(void)sluice_disconnect(s);
}

static void on_logon(void *arg, struct sluice *s, int err, const char *text)
{
	const struct work *w = arg;
	struct sluice_channel *c;

	if (err < 0)
		fprintf(stderr, "%s: %s\n", sluice_strerror(err), text);
	for (int i = 0; err == 0 && i < w->left; i++)
		(void)sluice_channel_open(s, "session", NULL, 0, &c);
}

static struct sluice *client(char **argv, struct work *w)
{
	struct sluice_ops ops = {.size = sizeof(ops),
				 .on_logon = on_logon,
				 .on_channel_opened = on_opened,
				 .on_channel_data = on_data,
				 .on_channel_closed = on_closed};
	struct sluice_key *key;
	struct sluice *s;

	if (sluice_new(&s) < 0 || sluice_ops_set(s, &ops, w) < 0 ||
	    sluice_set(s, "OperationTimeout", "0") < 0 || sluice_set(s, "User", argv[3]) < 0 ||
	    sluice_set(s, "AuthMode", "publickey") < 0 ||
	    sluice_set(s, "AcceptHostKeyFingerprint", argv[5]) < 0 ||
	    sluice_key_load(argv[4], NULL, &key) < 0 || sluice_identity_add(s, key) < 0)
		exit(1);
	sluice_key_free(key);
	return s;
}

int main(int argc, char **argv)
{
	struct work w = {.command = argv + 6, .left = argc - 6};
	struct sluice *s;
	int r;

	if (argc < 7)
		return 1;
	s = client(argv, &w);
	r = sluice_logon(s, argv[1], (uint16_t)atoi(argv[2]));
	while (r >= 0 || r == -SLUICE_E_WOULD_BLOCK) {
		struct pollfd p = {sluice_fd(s), sluice_events(s), 0};

		(void)poll(&p, 1, sluice_timeout_ms(s));
		r = sluice_dispatch(s, 0);
	}
	sluice_free(s);
	return w.left == 0 && w.failed == 0 ? 0 : 1;
}
