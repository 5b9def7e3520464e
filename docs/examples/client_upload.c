/*
 * Puts its input into a file of a host, by the sftp subsystem: as much of version 3 of that
 * protocol (draft-ietf-secsh-filexfer-02) as it takes.
 *
 *     ./client_upload HOST PORT USER KEYFILE SHA256:FINGERPRINT REMOTEPATH <file
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice.h>

#define CHUNK 32768

enum { INIT = 1, VERSION = 2, OPEN = 3, CLOSE = 4, WRITE = 6, STATUS = 101, HANDLE = 102 };
enum { FOR_WRITING = 0x02, CREATE = 0x08, TRUNCATE = 0x10 };

static uint8_t message[CHUNK + 1024];
static size_t used;

static void put_u32(uint32_t n)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		message[used++] = (uint8_t)(n >> shift);
}

static void put_string(const void *p, size_t len)
{
	put_u32((uint32_t)len);
	memcpy(message + used, p, len);
	used += len;
}

static void begin(uint8_t type, uint32_t id)
{
	used = 4; /* of its length */
	message[used++] = type;
	put_u32(id);
}

static int send_message(struct sluice_channel *c)
{
	size_t len = used;

	used = 0;
	put_u32((uint32_t)(len - 4));
	return sluice_channel_send(c, message, len) == (ssize_t)len ? 0 : -1;
}

static int read_exactly(struct sluice_channel *c, uint8_t *p, size_t len)
{
	while (len > 0) {
		ssize_t n = sluice_channel_read(c, false, p, len);

		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The next message's length; its type is its first byte. */
static ssize_t get(struct sluice_channel *c, uint8_t *p, size_t size)
{
	uint8_t head[4];
	size_t len;

	if (read_exactly(c, head, 4) < 0)
		return -1;
	len = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
	return len == 0 || len > size || read_exactly(c, p, len) < 0 ? -1 : (ssize_t)len;
}

/* STATUS, and that it is 0. */
static int succeeds(struct sluice_channel *c)
{
	uint8_t p[1024];
	ssize_t len = get(c, p, sizeof(p));

	return len >= 9 && p[0] == STATUS && memcmp(p + 5, "\0\0\0\0", 4) == 0 ? 0 : -1;
}

static int upload(struct sluice_channel *c, const char *path)
{
	static uint8_t data[CHUNK];
	uint8_t p[1024], handle[256];
	uint64_t offset = 0;
	size_t handle_len, n;
	ssize_t len;

	begin(INIT, 3);
	if (send_message(c) < 0 || get(c, p, sizeof(p)) < 5 || p[0] != VERSION)
		return -1;
	begin(OPEN, 1);
	put_string(path, strlen(path));
	put_u32(FOR_WRITING | CREATE | TRUNCATE);
	put_u32(0); /* no attributes */
	len = send_message(c) < 0 ? -1 : get(c, p, sizeof(p));
	if (len < 9 || p[0] != HANDLE || (handle_len = (size_t)len - 9) > sizeof(handle))
		return -1;
	memcpy(handle, p + 9, handle_len);
	while ((n = fread(data, 1, sizeof(data), stdin)) > 0) {
		begin(WRITE, 2);
		put_string(handle, handle_len);
		put_u32((uint32_t)(offset >> 32));
		put_u32((uint32_t)offset);
		put_string(data, n);
		if (send_message(c) < 0 || succeeds(c) < 0)
			return -1;
		offset += n;
	}
	begin(CLOSE, 3);
	put_string(handle, handle_len);
	return send_message(c) < 0 ? -1 : succeeds(c);
}

int main(int argc, char **argv)
{
	struct sluice_channel *c;
	struct sluice_key *key;
	struct sluice *s;
	int r;

	if (argc != 7 || sluice_new(&s) < 0 || sluice_set(s, "User", argv[3]) < 0 ||
	    sluice_set(s, "AuthMode", "publickey") < 0 ||
	    sluice_set(s, "AcceptHostKeyFingerprint", argv[5]) < 0 ||
	    sluice_key_load(argv[4], NULL, &key) < 0 || sluice_identity_add(s, key) < 0 ||
	    sluice_logon(s, argv[1], (uint16_t)atoi(argv[2])) < 0 ||
	    sluice_channel_open(s, "session", NULL, 0, &c) < 0 ||
	    sluice_channel_start(c, "subsystem", "sftp") < 0)
		return 1;
	r = upload(c, argv[6]);
	sluice_key_free(key);
	sluice_free(s);
	return r == 0 ? 0 : 1;
}
