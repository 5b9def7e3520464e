/*
 * tests/util/control_bench.h - what control needs to run in a test: files in a directory of its
 * own, a configuration, and everything sessions share; on a loop of the test's.
 */
#ifndef SLUICE_TESTS_UTIL_CONTROL_BENCH_H
#define SLUICE_TESTS_UTIL_CONTROL_BENCH_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <uv.h>

#include "control/clock.h"
#include "control/hook/hook.h"
#include "control/session/session.h"
#include "control/signer/folder.h"
#include "crypto/keyfile.h"
#include "ssh/kexinit.h"

static inline void control_file(const char *dir, const char *name, const char *text, mode_t mode)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
	cr_assert_eq(chmod(path, mode), 0);
}

static inline struct conf *control_conf(const char *text, int len)
{
	static char kex[2048], sigs[4096];
	const struct conf_algs algs = {
		.ciphers = {.dflt = SSH_DEFAULT_CIPHERS, .all = SSH_DEFAULT_CIPHERS},
		.macs = {.dflt = SSH_DEFAULT_MACS, .all = SSH_DEFAULT_MACS},
		.kex = {.dflt = SSH_DEFAULT_KEX, .all = kex},
		.hostkey = {.dflt = SSH_DEFAULT_HOSTKEY, .all = sigs},
		.hostbased_accepted = {.dflt = SSH_DEFAULT_HOSTKEY, .all = sigs},
		.pubkey_accepted = {.dflt = SSH_DEFAULT_HOSTKEY, .all = sigs},
		.ca_signature = {.dflt = SSH_DEFAULT_CA_SIG, .all = SSH_DEFAULT_CA_SIG},
	};
	struct conf *conf = NULL;
	char *errors = NULL;

	ssh_names_join(kex_method_name_at, kex, sizeof(kex));
	ssh_names_join(key_sig_alg_at, sigs, sizeof(sigs));
	cr_assert_eq(conf_parse("test", text, (size_t)len, &algs, &conf, &errors), 0, "%s", errors);
	return conf;
}

static inline void control_dir(char *template)
{
	cr_assert_not_null(mkdtemp(template));
	cr_assert_eq(chmod(template, 0755), 0);
}

static inline void control_dir_remove(const char *dir)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_expect_eq(system(cmd), 0);
}

/* Of its host key; of RSA 2048 bits. */
static const char *control_host_type = "ssh-ed25519";
static const char *control_host_more; /* one more; NULL: none */
static const char *control_host_apart; /* the path by which Match alone names it; NULL: not so */

/* Where host keys may be named by their files; made before there are threads. NULL: nowhere. */
static struct key_folders *control_host_folders;

/* The file of a new key there, with the passphrase; its public half. */
static inline struct key *control_key_file(const char *path, const char *type,
					   const char *passphrase)
{
	const struct keyfile_out o = {.private = true, .passphrase = passphrase, .rounds = 1};
	struct keyfile_bytes b = {0};
	struct key *k = NULL, *pub = NULL;
	struct keyfile *kf = NULL;
	size_t len;

	cr_assert_eq(key_generate(type, 0, &k), 0);
	cr_assert_eq(key_blob_parse(key_blob(k, &len), len, &pub), 0);
	cr_assert_eq(keyfile_new(k, "", &kf), 0);
	cr_assert_eq(keyfile_build(kf, &o, &b), 0);
	cr_assert_eq(keyfile_write(path, b.p, b.len, 0600, true), 0);
	keyfile_bytes_free(&b);
	keyfile_free(kf);
	return pub;
}

/* The clock, threads, a resolver, a host key. The configuration is there already. */
static inline void control_env_open(struct session_env *e, uv_loop_t *loop, struct clock **clock,
				    uint64_t (*now_ms)(void))
{
	struct key *host = NULL;

	e->ident = "SSH-2.0-Sluice_test";
	e->now_ms = now_ms;
	cr_assert_eq(timers_new(&e->timers), 0);
	cr_assert_eq(clock_new(loop, e->timers, clock), 0);
	clock_follow(*clock, now_ms);
	cr_assert_eq(pool_new(loop, e->timers, 2, 64, &e->compute), 0);
	cr_assert_eq(pool_new(loop, e->timers, 2, 64, &e->files), 0);
	cr_assert_eq(signer_new(e->compute, &e->keys.set[0].signer), 0);
	if (control_host_folders != NULL)
		cr_assert_eq(signer_folders(e->keys.set[0].signer, control_host_folders), 0);
	cr_assert_eq(resolver_new(loop, e->timers, &e->resolver), 0);
	cr_assert_eq(hooks_new(loop, e->timers, now_ms, &e->hooks), 0);
	cr_assert_eq(key_generate(control_host_type,
				  strcmp(control_host_type, "ssh-rsa") == 0 ? 2048 : 0, &host),
		     0);
	cr_assert_eq(signer_add(e->keys.set[0].signer, host), 0);
	if (control_host_more != NULL) {
		struct host_keys more = {.n = 1};

		cr_assert_eq(key_generate(control_host_more, 0, &more.key[0]), 0);
		if (control_host_apart != NULL)
			more.path[0] = strdup(control_host_apart);
		more.apart[0] = control_host_apart != NULL;
		cr_assert_eq(signer_add_all(e->keys.set[0].signer, &more), 0);
	}
	cr_assert_eq(blob_key_new(&e->blob_key), 0);
}

/* What stands on the loop; it is gone once the loop has run to its end. */
static inline void control_env_close(struct session_env *e, struct clock *clock)
{
	resolver_close(e->resolver);
	hooks_close(e->hooks);
	pool_close(e->files);
	pool_close(e->compute);
	clock_close(clock);
}

static inline void control_env_free(struct session_env *e)
{
	keysets_fini(&e->keys);
	blob_key_free(e->blob_key);
	timers_free(e->timers);
	conf_put(e->conf);
}

#endif
