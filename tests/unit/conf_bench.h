/*
 * tests/unit/conf_bench.h - a configuration from a text, as a test of conf/ wants it.
 */
#ifndef SLUICE_TESTS_UNIT_CONF_BENCH_H
#define SLUICE_TESTS_UNIT_CONF_BENCH_H

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

#define NELEM(a) (sizeof(a) / sizeof((a)[0]))

#define TWO_PORTS                                                                                  \
	"InterfaceAddress out 198.18.0.2/24\n"                                                     \
	"Interface out net_tap0,iface=sl0\nInterface in \"net_af_packet0,iface=v 1\"\n"            \
	"InterfaceAddress in 198.19.0.2/24\n"

static const struct conf_algs algs = {
	.ciphers = {.dflt = "aes256-gcm,chacha20,aes128-ctr", .all = "aes256-gcm,chacha20,aes128-ctr,3des-cbc"},
	.macs = {.dflt = "hmac-sha2-256", .all = "hmac-sha2-256,hmac-sha2-512"},
	.kex = {.dflt = "curve25519", .all = "curve25519"},
	.hostkey = {.dflt = "ssh-ed25519,rsa-sha2-512", .all = "ssh-ed25519,rsa-sha2-512"},
	.pubkey_accepted = {.dflt = "ssh-ed25519", .all = "ssh-ed25519,rsa-sha2-256"},
	.hostbased_accepted = {.dflt = "ssh-ed25519", .all = "ssh-ed25519,rsa-sha2-256"},
	.ca_signature = {.dflt = "ssh-ed25519,rsa-sha2-512", .all = "ssh-ed25519,rsa-sha2-512"},
	.audit_events = {.all = "auth.ok,auth.fail,kex.done"},
};

/* Must load. */
static inline struct conf *parse(const char *text)
{
	struct conf *conf = NULL;
	char *errors = NULL;

	cr_assert_eq(conf_parse("test", text, strlen(text), &algs, &conf, &errors), 0, "%s: %s",
		     text, errors);
	cr_assert_null(errors);
	return conf;
}

/* Must not load; the errors are the caller's. */
static inline char *refuse(const char *text, size_t len)
{
	struct conf *conf = NULL;
	char *errors = NULL;

	cr_assert_eq(conf_parse("test", text, len, &algs, &conf, &errors), -EINVAL, "taken: %s",
		     text);
	cr_assert_null(conf);
	cr_assert_not_null(errors);
	return errors;
}

static inline struct conf_session session(struct conf *conf, const char *user, const char *addr,
					  const char *laddr, uint16_t lport)
{
	struct conf_match_ctx ctx = {.user = user, .addr = addr, .laddr = laddr, .lport = lport};
	struct conf_session s;

	cr_assert_eq(conf_session_for(conf, &ctx, &s), 0);
	return s;
}

static inline char *dump(struct conf *conf, const struct conf_match_ctx *ctx)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	cr_assert_eq(conf_dump(conf, ctx, f), 0);
	fclose(f);
	return text;
}

#endif
