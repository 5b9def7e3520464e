/*
 * A port of the server's that leads to a host here, and stays: the connection is logged on to again
 * when it breaks, the port is asked for again, and the library copies what comes.
 *
 *     ./client_reverse HOST PORT USER KEYFILE SHA256:FINGERPRINT REMOTEPORT TARGET TARGETPORT
 */
#include <stdio.h>
#include <stdlib.h>

#include <sluice.h>

static void on_reconnect(void *arg, struct sluice_tunnel *t, const struct sluice_reconnect *r,
			 bool *cancel)
{
	(void)arg;
	(void)t;
	(void)cancel;
	printf("%s: try %u in %u s\n", r->type == SLUICE_RECONNECT_TUNNEL ? "port" : "connection",
	       r->count, r->interval);
	fflush(stdout);
}

static void on_tunnel(void *arg, struct sluice_tunnel *t, int err, const char *text)
{
	(void)arg;
	(void)t;
	printf("%s: %s\n", err == 0 ? "up" : "over", text);
	fflush(stdout);
}

static struct sluice *client(char **argv)
{
	static const struct sluice_ops ops = {
		.size = sizeof(ops), .on_reconnect = on_reconnect, .on_tunnel = on_tunnel};
	struct sluice_key *key;
	struct sluice *s;

	if (sluice_new(&s) < 0 || sluice_ops_set(s, &ops, NULL) < 0 ||
	    sluice_set(s, "Hostname", argv[1]) < 0 || sluice_set(s, "Port", argv[2]) < 0 ||
	    sluice_set(s, "User", argv[3]) < 0 || sluice_set(s, "AuthMode", "publickey") < 0 ||
	    sluice_set(s, "AcceptHostKeyFingerprint", argv[5]) < 0 ||
	    sluice_set(s, "Reconnect", "always") < 0 ||
	    sluice_set(s, "ReconnectInterval", "1") < 0 ||
	    sluice_set(s, "ReconnectMaxInterval", "2") < 0 ||
	    sluice_key_load(argv[4], NULL, &key) < 0 || sluice_identity_add(s, key) < 0)
		exit(1);
	sluice_key_free(key);
	return s;
}

int main(int argc, char **argv)
{
	struct sluice_tunnel *t;
	struct sluice *s;
	int r;

	if (argc != 9)
		return 1;
	s = client(argv);
	if (sluice_tunnel_new(s, &t) < 0 ||
	    sluice_forward_to(s, "", (uint16_t)atoi(argv[6]), argv[7], (uint16_t)atoi(argv[8]),
			      NULL) < 0)
		return 1;
	r = sluice_tunnel_start(t);
	while (r >= 0)
		r = sluice_dispatch(s, -1);
	fprintf(stderr, "%s\n", sluice_strerror(r));
	sluice_free(s); /* and the tunnel */
	return 1;
}
