/*
 * tests/unit/test_keyfile_sk.c - handles of security keys in files: what is said twice is the same
 * twice (OpenSSH's PROTOCOL.key and PROTOCOL.u2f).
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "crypto/base64.h"
#include "crypto/blob.h"
#include "crypto/keyfile.h"

#define SK "sk-ssh-ed25519@openssh.com"

static struct key *plain, *other; /* ed25519 */

static void setup(void)
{
	cr_assert_eq(key_generate("ssh-ed25519", 0, &plain), 0);
	cr_assert_eq(key_generate("ssh-ed25519", 0, &other), 0);
}

static void teardown(void)
{
	key_free(plain);
	key_free(other);
}

TestSuite(keyfile_sk, .init = setup, .fini = teardown);

/* The 32 bytes of one. */
static const uint8_t *point(const struct key *k)
{
	size_t len;
	const uint8_t *blob = key_blob(k, &len);

	return blob + len - 32;
}

/* The fields behind the name, in the public blob and in the section alike. */
static void fields(struct blob_wr *w, const struct key *k, const char *application)
{
	blob_wr_str(w, point(k), 32);
	blob_wr_cstr(w, application);
}

struct file {
	const char *public_name, *name; /* in the blob, in the section */
	const struct key *again;        /* of the section */
	const char *application_again;
	bool short_public; /* no application in it: a plain key's */
};

static int parse(const struct file *f, struct keyfile **ret)
{
	uint8_t public[256], section[512], all[1024];
	struct blob_wr p = blob_wr_init(public, sizeof(public));
	struct blob_wr s = blob_wr_init(section, sizeof(section));
	struct blob_wr w = blob_wr_init(all, sizeof(all));
	char b64[2048], text[2200];
	const struct keyfile_opts o = {.format = KEYFILE_OPENSSH};

	blob_wr_cstr(&p, f->public_name);
	if (f->short_public)
		blob_wr_str(&p, point(plain), 32);
	else
		fields(&p, plain, "ssh:");
	blob_wr_u32(&s, 7);
	blob_wr_u32(&s, 7);
	blob_wr_cstr(&s, f->name);
	fields(&s, f->again, f->application_again);
	blob_wr_put(&s, "\1", 1);
	blob_wr_cstr(&s, "handle");
	blob_wr_cstr(&s, "");
	blob_wr_cstr(&s, "comment");
	for (uint8_t pad = 1; s.len % 8 != 0; pad++)
		blob_wr_put(&s, &pad, 1);
	blob_wr_put(&w, "openssh-key-v1", 15);
	blob_wr_cstr(&w, "none");
	blob_wr_cstr(&w, "none");
	blob_wr_cstr(&w, "");
	blob_wr_u32(&w, 1);
	blob_wr_str(&w, public, p.len);
	blob_wr_str(&w, section, s.len);
	cr_assert(!p.bad && !s.bad && !w.bad);
	base64_encode(all, w.len, b64);
	b64[base64_len(w.len)] = '\0';
	snprintf(text, sizeof(text),
		 "-----BEGIN OPENSSH PRIVATE KEY-----\n%s\n-----END OPENSSH PRIVATE KEY-----\n",
		 b64);
	return keyfile_parse((const uint8_t *)text, strlen(text), &o, ret);
}

Test(keyfile_sk, one_that_is_whole)
{
	const struct file f = {SK, SK, plain, "ssh:", false};
	struct keyfile *kf = NULL;

	cr_assert_eq(parse(&f, &kf), 0);
	cr_expect_str_eq(key_type(kf->key), SK);
	cr_assert_not_null(kf->sk);
	cr_expect_str_eq(kf->sk->application, "ssh:");
	cr_expect_eq(kf->sk->handle_len, 6);
	cr_expect_eq(kf->sk->flags, 1);
	cr_expect(!key_is_private(kf->key), "which is in the token");
	keyfile_free(kf);
}

/* A handle is taken for no key but that of its own type, with its own fields. */
Test(keyfile_sk, ones_that_say_two_things)
{
	const struct file f[] = {
		{"ssh-ed25519", SK, plain, "ssh:", true},
		{"ssh-ed25519", SK, plain, "ssh:", false},
		{"sk-ecdsa-sha2-nistp256@openssh.com", SK, plain, "ssh:", false},
		{SK, "sk-ecdsa-sha2-nistp256@openssh.com", plain, "ssh:", false},
		{SK, SK, other, "ssh:", false},
		{SK, SK, plain, "ssh:elsewhere", false},
		{SK, SK, plain, "", false},
		{SK, SK, plain, "ssh:", true},
		{"ssh-rsa", SK, plain, "ssh:", false},
		{"sk-ssh-ed25519-cert-v01@openssh.com", SK, plain, "ssh:", false},
		{"", SK, plain, "ssh:", false},
	};

	for (size_t i = 0; i < sizeof(f) / sizeof(f[0]); i++) {
		struct keyfile *kf = NULL;

		cr_expect_eq(parse(&f[i], &kf), -EBADMSG, "%zu", i);
		keyfile_free(kf);
	}
}
