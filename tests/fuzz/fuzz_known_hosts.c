/*
 * A client's files of known hosts: any bytes. What vouches for a key is a line that has it, twice
 * asked is twice the same, a key that is added is known afterwards, and no server has anything
 * changed by what it only claims.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/known/known.h"
#include "client/known/scan.h"
#include "client/known/update.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char line[] =
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQoODHaPmcD0VhwGe1f7OE0MT1c/AwCnxm76G3tBZ7C";
static const struct known_host host = {"box.example.org", 22, 1800000000};

static const char *file_of(const uint8_t *data, size_t size)
{
	static char path[64];
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("known_hosts", 0);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

/* Base64 may be broken by carriage returns, as ssh has it. */
static bool has_key(const uint8_t *data, size_t size)
{
	char *plain = malloc(size + 1);
	size_t n = 0;
	bool has;

	if (plain == NULL)
		abort();
	for (size_t i = 0; i < size; i++)
		if (data[i] != '\r')
			plain[n++] = (char)data[i];
	has = memmem(plain, n, line + 12, 40) != NULL;
	free(plain);
	return has;
}

static void told(const struct known_conf *c, const struct key *k, const uint8_t *data, size_t size)
{
	struct known_update *u = NULL;
	struct ssh_str all = {data, (uint32_t)size};
	static uint8_t buf[KNOWN_REQUEST_MAX];

	if (known_update_new(c, &host, k, "ssh-ed25519,rsa-sha2-512,ecdsa-sha2-nistp256", all, &u) <
	    0)
		return;
	if (known_update_new_keys(u) > 0 &&
	    (known_update_request(u, buf, sizeof(buf)) == 0 ||
	     known_update_proved(u, all, all) == 0 || known_update_apply(u) != -EPERM))
		abort();
	known_update_free(u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *path, *at;
	const struct known_conf c = {.file = &path, .n_user_files = 1, .n_files = 1};
	struct known_found f, again;
	static struct key *k;
	char order[256];

	if (k == NULL && key_public_line_parse(line, sizeof(line) - 1, &k) < 0)
		abort();
	path = file_of(data, size);
	if (known_look(&c, &host, k, &f, &at) < 0 || known_look(&c, &host, k, &again, &at) < 0)
		abort();
	if (f.verdict != again.verdict || f.line != again.line)
		abort();
	if (f.verdict == KNOWN_VERDICT_OK && !has_key(data, size))
		abort();
	if (known_order(&c, &host, "rsa-sha2-512,ssh-ed25519", order, sizeof(order)) < 0 ||
	    strlen(order) != 24)
		abort();
	told(&c, k, data, size);
	if (known_fingerprints(order, k) > 0)
		abort(); /* what is no fingerprint is none of its */
	if (known_add(&c, &host, k) < 0 && f.verdict != KNOWN_VERDICT_OK &&
	    f.verdict != KNOWN_VERDICT_REVOKED)
		abort();
	if (known_look(&c, &host, k, &again, &at) < 0 ||
	    again.verdict != (f.verdict == KNOWN_VERDICT_REVOKED ? f.verdict : KNOWN_VERDICT_OK))
		abort();
	return 0;
}
