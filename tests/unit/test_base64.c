/* tests/unit/test_base64.c - RFC 4648 section 10, and the texts that stand for nothing. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "crypto/base64.h"

static const char *const pairs[][2] = {
	{"", ""},
	{"f", "Zg=="},
	{"fo", "Zm8="},
	{"foo", "Zm9v"},
	{"foob", "Zm9vYg=="},
	{"fooba", "Zm9vYmE="},
	{"foobar", "Zm9vYmFy"},
};

Test(base64, rfc4648_vectors_both_ways)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		size_t n = strlen(pairs[i][0]), len = 99;
		char text[16] = "";
		uint8_t out[16];

		cr_expect_eq(base64_len(n), strlen(pairs[i][1]));
		base64_encode((const uint8_t *)pairs[i][0], n, text);
		cr_expect_str_eq(text, pairs[i][1]);
		cr_expect_eq(base64_decode(text, strlen(text), out, sizeof(out), &len), 0);
		cr_expect_eq(len, n);
		cr_expect_eq(memcmp(out, pairs[i][0], n), 0);
	}
}

Test(base64, line_ends_are_skipped_anywhere)
{
	uint8_t out[16];
	size_t len = 0;

	cr_expect_eq(base64_decode("\nZ\r\nm9v\nYg=\n=\n", 14, out, sizeof(out), &len), 0);
	cr_expect_eq(len, 4);
}

Test(base64, every_byte_survives)
{
	uint8_t in[256], out[256];
	char text[400];
	size_t len = 0;

	for (int i = 0; i < 256; i++)
		in[i] = (uint8_t)i;
	base64_encode(in, sizeof(in), text);
	cr_expect_eq(base64_decode(text, base64_len(sizeof(in)), out, sizeof(out), &len), 0);
	cr_expect_arr_eq(in, out, sizeof(in));
}

Test(base64, refuses_what_no_encoder_writes)
{
	static const char *const bad[] = {
		"Z",          "Zg",       "Zg=",  "Zm9",   "Zm9vY", "====",      "Z===",
		"Zg==Zg==",   "Zh==",     "Zm9=", "Z=g=",  "Zg=A",  "Zm9v Zm9v", "Zm-v",
		"Zm9v\tZm9v", "Zg==\x01", "=Zm9", "Zm8=x", "Zm9v=",
	};
	uint8_t out[16];
	size_t len = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(base64_decode(bad[i], strlen(bad[i]), out, sizeof(out), &len),
			     -EBADMSG, "%s", bad[i]);
	cr_expect_eq(base64_decode("Zm\0v", 4, out, sizeof(out), &len), -EBADMSG);
}

Test(base64, never_writes_more_than_there_is_room)
{
	uint8_t out[6] = {0, 0, 0, 0, 0, 0x77};
	size_t len = 0;

	cr_expect_eq(base64_decode("Zm9vYmFy", 8, out, 5, &len), -ENOBUFS);
	cr_expect_eq(out[5], 0x77);
	cr_expect_eq(base64_decode("Zm9vYmE=", 8, out, 5, &len), 0);
	cr_expect_eq(len, 5);
	cr_expect_eq(base64_decode("", 0, out, 0, &len), 0);
}
