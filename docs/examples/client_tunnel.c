/*
 * A local port that leads to a host behind the server: one connection at a time.
 *
 *     ./client_tunnel HOST PORT USER KEYFILE SHA256:FINGERPRINT LOCALPORT TARGET TARGETPORT
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sluice.h>

static struct sluice *connect_to(char **argv)
{
	struct sluice_key *key;
	struct sluice *s;

	if (sluice_new(&s) < 0 || sluice_set(s, "User", argv[3]) < 0 ||
	    sluice_set(s, "AuthMode", "publickey") < 0 ||
	    sluice_set(s, "AcceptHostKeyFingerprint", argv[5]) < 0 ||
	    sluice_key_load(argv[4], NULL, &key) < 0 || sluice_identity_add(s, key) < 0 ||
	    sluice_logon(s, argv[1], (uint16_t)atoi(argv[2])) < 0)
		exit(1);
	sluice_key_free(key);
	return s;
}

static int listen_at(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(port),
				.sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 1) < 0)
		exit(1);
	printf("listening\n");
	fflush(stdout);
	return fd;
}

/* What has come; what is there is read without waiting. False: that was all, or it went wrong. */
static bool come(struct sluice_channel *c, int fd)
{
	struct sluice_channel_info info = {.size = sizeof(info)};
	char buf[16384];

	while (sluice_channel_info(c, &info) == 0 && info.waiting > 0) {
		ssize_t n = sluice_channel_read(c, false, buf, sizeof(buf));

		if (n <= 0 || write(fd, buf, (size_t)n) != n)
			return false;
	}
	return !info.eof_in && !info.closed_in;
}

static void copy(struct sluice *s, struct sluice_channel *c, int fd)
{
	bool ended = false;
	char buf[16384];
	ssize_t n;

	do {
		struct pollfd p[2] = {{sluice_fd(s), sluice_events(s), 0},
				      {ended ? -1 : fd, POLLIN, 0}};

		if (poll(p, 2, sluice_timeout_ms(s)) < 0 || sluice_dispatch(s, 0) < 0)
			return;
		if (p[1].revents == 0)
			continue;
		n = read(fd, buf, sizeof(buf));
		if (n <= 0)
			ended = sluice_channel_eof(c) == 0;
		else if (sluice_channel_send(c, buf, (size_t)n) < 0)
			return;
	} while (come(c, fd));
}

int main(int argc, char **argv)
{
	struct sluice_channel *c;
	struct sluice *s;
	int listener, fd;

	if (argc != 9)
		return 1;
	s = connect_to(argv);
	listener = listen_at((uint16_t)atoi(argv[6]));
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		if (sluice_channel_open_tcp(s, argv[7], (uint16_t)atoi(argv[8]), NULL, 0, &c) ==
		    0) {
			copy(s, c, fd);
			sluice_channel_free(c);
		}
		close(fd);
		if (sluice_status(s) < 0)
			break;
	}
	sluice_free(s);
	return 1;
}
