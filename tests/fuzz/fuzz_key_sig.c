/*
 * tests/fuzz/fuzz_key_sig.c - a signature blob, against a key of each type by each algorithm that
 * fits it: plain, of security keys, of browsers. Only what a key has signed verifies: what does,
 * does so by the name it carries alone, for one key, and of no other data.
 */
#include <stdlib.h>
#include <string.h>

#include "crypto/key.h"
#include "tests/unit/key_fixtures.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Keys the corpus has signatures of, made with python3-cryptography over fixture_signed. The
 * two of security keys are the fixtures' points with the application "ssh:".
 */
static const char *const lines[] = {
	fixture_ed25519_pub,
	fixture_ecdsa_pub,
	fixture_rsa_pub,
	"ssh-ed448 AAAACXNzaC1lZDQ0OAAAADmr74C+7fIO5Yk3ZylbuixZQclXaJAsegEeZmGi9UE0aXgivh+SQzVrytoP"
	"ikxfZN22YrqoYLSsHgA=",
	"ssh-dss AAAAB3NzaC1kc3MAAACBAL3DgWRFsktZILLdW+CzFfd/JIBZ2nVfQjxAlFkn9XrFAdWQ74RGY83rCf7uD2"
	"ZI5mFJe/ULWIq1xnoC3yFRLjb5UUdFp/TRvpJdIGmGRtjwquDiiBuKNnFkcZhV5+vM5+jyfEWvKIHHk70+yGyC1iKV"
	"z++7Op/wscAqg0T5uZClAAAAFQDjwUHYkXdVMmgMwLutIKGQzN7HlQAAAIBN/PslVkcksu5khHR5FDfQQY6tRsm3yq"
	"3/8Ywxih0TOtwM+w+HLDSA1EW65G0pUzeih+lSTMsB8E4aT3HLgY+BSOlzMb0dUL2PbtcP85amyWh83gc8K5WXPykA"
	"OqwIEpH+ejqB8slcQe1OsfnzfcEQIJUfvc5q/Y2/Cw0oBzIx2AAAAIAEU0vG1QSmG1Mic1ZyTo29+sH2OICgPc6Akl"
	"L9DpjztzIac0pcGVC3fpikALjJ5LwwkkDO8qJtjwHweiDdHfGvvADd5oYuFK1kGCjNVSF55mj8n12i2m8mZK5pHNVB"
	"SK5e5cEyHYHkT7/H6rqbcNjzctjIMFKL5Ak5QoOdjmDdyQ==",
	"ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAEk6NwcBRgN5RYyqq"
	"llbtsUGhb6Fx1EcOFKGQekQdYGBaRa6oSgI5KK/PwZAtyy0EsJl+jcaDUGf/eFsKSGOkws/wHeOYqTBmC0IrAfsOGT"
	"HH1+gqPL5bBU8Vf/xWXdbKdF8RpiELi+DzobWpJnlNjT3hQWitv5LcD9bUllWXKEazqo/A==",
	"ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBOo0+AHfD/yWN+Qffl"
	"edFXMn6E+0VQ0a35BmE4qxeUU4ZCl2w0Mu4pMXUVdotkJIjIxTHUqvUWyUDyH1HFMMJElG013Z6ggWiLKv0UR++EQ5"
	"Tc1nZS0rBfjFWmSxea3+jg==",
	"sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIC+7RBruo/KynFy03Sd"
	"AirXvwR41gXvNDweUUAmE99UFAAAABHNzaDo=",
	"sk-ecdsa-sha2-nistp256@openssh.com AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20AAAA"
	"IbmlzdHAyNTYAAABBBCruj32br7wcXx+yyVoQlFeBFdwk5JxmNFN7G4VlfAfHVncyALPaZLS3jLldV+FH5d7LZNdJP"
	"9f7veTPTEGpsWYAAAAEc3NoOg==",
};

#define N_KEYS (sizeof(lines) / sizeof(lines[0]))

static struct key *keys[N_KEYS];

static void keys_load(void)
{
	for (size_t i = 0; i < N_KEYS; i++)
		if (key_public_line_parse(lines[i], strlen(lines[i]), &keys[i]) < 0)
			abort();
}

static int verify(size_t i, const char *alg, const uint8_t *sig, size_t len, const uint8_t *m)
{
	return key_verify(keys[i], alg, sig, len, m, sizeof(fixture_signed));
}

/* A good signature: nobody else's, by no other name, of nothing else, and complete. */
static void check_good(size_t of, const char *alg, const uint8_t *sig, size_t len)
{
	uint8_t other[sizeof(fixture_signed)];
	const char *name;

	memcpy(other, fixture_signed, sizeof(other));
	other[len % sizeof(other)] ^= 1;
	if (verify(of, alg, sig, len, other) == 0 ||
	    verify(of, alg, sig, len - 1, fixture_signed) == 0)
		abort();
	for (size_t i = 0; i < N_KEYS; i++)
		for (unsigned int n = 0; (name = key_sig_alg_at(n)) != NULL; n++)
			if ((i != of || strcmp(name, alg) != 0) &&
			    verify(i, name, sig, len, fixture_signed) == 0)
				abort();
}

/* S-37: a security key that nobody touched signs nothing, and only it says who was there. */
static void check_presence(size_t i, const char *alg, const uint8_t *sig, size_t len, int r)
{
	struct key_presence p = {0};
	int r2 = key_verify_presence(keys[i], alg, sig, len, fixture_signed, sizeof(fixture_signed),
				     &p);
	bool touched = (p.flags & KEY_USER_PRESENT) != 0;

	if (r2 != 0) {
		if (r == 0)
			abort();
		return;
	}
	if (p.sk != key_is_sk(keys[i]) || (r == 0) != (!p.sk || touched))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *alg;

	if (keys[0] == NULL)
		keys_load();
	for (size_t i = 0; i < N_KEYS; i++)
		for (unsigned int n = 0; (alg = key_sig_alg_of(keys[i], n)) != NULL; n++) {
			int r = verify(i, alg, data, size, fixture_signed);

			if (r == 0)
				check_good(i, alg, data, size);
			if (r == 0 || key_is_sk(keys[i]))
				check_presence(i, alg, data, size, r);
		}
	return 0;
}
