/*
 * Text of a configuration file. What loads must dump, load again and dump as the same.
 * Include is not possible from memory, so nothing outside is read.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

static const struct conf_algs algs = {
	.ciphers = {.dflt = "aes256-gcm,chacha20", .all = "aes256-gcm,chacha20,3des-cbc"},
	.macs = {.dflt = "hmac-sha2-256", .all = "hmac-sha2-256,hmac-sha2-512"},
	.kex = {.dflt = "curve25519", .all = "curve25519"},
	.hostkey = {.dflt = "ssh-ed25519", .all = "ssh-ed25519"},
	.pubkey_accepted = {.dflt = "ssh-ed25519", .all = "ssh-ed25519"},
};

static char *dump(struct conf *conf, const struct conf_match_ctx *ctx, size_t *ret_len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_len);

	if (f == NULL || conf_dump(conf, ctx, f) < 0)
		abort();
	fclose(f);
	return text;
}

static void again(const char *first, size_t len)
{
	struct conf *conf = NULL;
	char *errors = NULL, *second;

	if (conf_parse("dump", first, len, &algs, &conf, &errors) < 0) {
		fputs(errors, stderr);
		abort();
	}
	second = dump(conf, NULL, &len);
	if (strcmp(first, second) != 0)
		abort();
	free(second);
	conf_put(conf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct conf_match_ctx ctx = {.user = "alice",
						  .host = "a.example",
						  .addr = "10.0.0.1",
						  .laddr = "10.0.0.2",
						  .lport = 22,
						  .client_version = "SSH-2.0-fuzz"};
	struct conf *conf = NULL;
	char *errors = NULL, *text;
	size_t len;

	if (conf_parse("fuzz", (const char *)data, size, &algs, &conf, &errors) < 0) {
		free(errors);
		return 0;
	}
	text = dump(conf, &ctx, &len);
	again(text, len);
	free(text);
	conf_put(conf);
	return 0;
}
