/*
 * tests/unit/test_exchange.c - the exchange hash and keys against vectors (S-70).
 *
 * The vectors were computed apart from this code, with Python's hashlib and integers, from
 * RFC 4253 sections 7.2 and 8 alone, or are NIST's; tests/interop shows the same against OpenSSH.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "ssh/exchange.h"

static const struct ssh_str v_c = {(const uint8_t *)"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", 38};
static const struct ssh_str v_s = {(const uint8_t *)"SSH-2.0-Sluice_0.1", 18};

struct inputs {
	uint8_t i_c[201], i_s[156], k_s[51], q_c[32], q_s[32];
};

static struct ssh_exchange inputs_init(struct inputs *in)
{
	static const uint8_t key_head[19] = "\0\0\0\x0bssh-ed25519\0\0\0\x20";

	in->i_c[0] = in->i_s[0] = 20;
	for (int i = 0; i < 200; i++)
		in->i_c[1 + i] = (uint8_t)i;
	for (int i = 0; i < 155; i++)
		in->i_s[1 + i] = (uint8_t)(255 - i);
	memcpy(in->k_s, key_head, sizeof(key_head));
	memset(in->k_s + sizeof(key_head), 7, 32);
	for (int i = 0; i < 32; i++) {
		in->q_c[i] = (uint8_t)i;
		in->q_s[i] = (uint8_t)(32 + i);
	}
	return (struct ssh_exchange){
		.v_c = v_c,
		.v_s = v_s,
		.i_c = {in->i_c, sizeof(in->i_c)},
		.i_s = {in->i_s, sizeof(in->i_s)},
		.k_s = {in->k_s, sizeof(in->k_s)},
		.q_c = {in->q_c, sizeof(in->q_c)},
		.q_s = {in->q_s, sizeof(in->q_s)},
	};
}

static void expect(const uint8_t *p, size_t len, const char *hex, const char *what)
{
	char got[2 * 64 + 1] = "";

	for (size_t i = 0; i < len; i++)
		snprintf(got + 2 * i, 3, "%02x", p[i]);
	cr_assert_str_eq(got, hex, "%s: %s", what, got);
}

static const struct {
	const char *what;
	uint8_t head[3], rest; /* the secret: three bytes, then one repeated */
	size_t k_len;
	const char *h, *a, *c, *f;
} vector[] = {
	{"high bit",
	 {0xff, 0xff, 0xff},
	 0xff,
	 37,
	 "1d57be5e2cfb5726e8be9b9c30fa4d2777b314414423fdb44f050285f2bfd4a7",
	 "84e35f4c78dfc8024486c90f9397c5e5",
	 "2f594164dc3d22a4ed53f773b84146663124c2ab2c5ac9b8397a59158643227e"
	 "3970ae5879c732195862eb1d541d6664ce957c6b61f0eb049e2a93819f4fe1bd",
	 "bbbad721727076bbfa9f4db38f6d13b033307886731ad1d86fce8122909b5bcb"
	 "8d14797df3d4e283f3094c972548f0809db93f836a4d5ff67ce2e0bbf587d8cd"},
	{"plain",
	 {0x12, 0x12, 0x12},
	 0x12,
	 36,
	 "13ef03be743ea1683f28f67f096bdcc5086c2e5c8792f21c7cf4fbb3b244f792",
	 "2541dcb551e128db1cf07257bfb46c9d",
	 "2382949bcde8ef421650f5fa71b744271fadbc1ec4a744f341e26c0825630714"
	 "87c687524b3ce2ab3cc9a4b5820d10b2bce46020912753f38139be80b4f4af58",
	 "fd177ade180712348c5b5d3eb2359ccb8cde1c7557c1f64cde686a3abe920947"
	 "a0b170795641e4484b1e90d338f9a3a59af24f1cedae03c1b73ec0285e640b0e"},
	{"leading zeros, then a high bit",
	 {0, 0, 0x80},
	 5,
	 35,
	 "0c4ca21f2e716ea4c507805e419f58390b52e597d8e65897d9baa9a5daf14960",
	 "e1de243d08a99d95fc4ffe9259dfcbe2",
	 "b5d56e3e60d5e69e8041d6e7923f74cea6967e8c8d641a6880a7ee9976096cc3"
	 "d488ba0ee46052ba7b427f7e0b3f378f4048d1b1e1dd186c5a26651c649751a0",
	 "d4c332686b7f08d9144ef389a272cf7e73144b86f6e5a451050540967aba4181"
	 "a6b0dd568555e5b182cd906ed983d8558957324fba70704c1bee96a708ec25a8"},
	{"leading zeros",
	 {0, 0, 0x7f},
	 5,
	 34,
	 "f52f0d417d2db8b91bcc6ead14533126f6e5519c8006f020c6b65a0152fd38c3",
	 "f09a6e50425c5fa5407abb8114aa1b8e",
	 "2987da9d9bac5138f5717b458234c1906f0618ecd29ccdcce94120627d050ca7"
	 "7d41b5a7df479bf10fd7cbf77f343b716c3824295c216d0c5c068fadd522138d",
	 "71335003fd6947067866bd07f3e2ef98d25ae5830426e9f91e2a0800b0e8c5a2"
	 "3172c74d253132069a3b104706c8254ac7cd562006c42bde572aa3a43dd7e16a"},
};
#define N_VECTORS (sizeof(vector) / sizeof(vector[0]))

static size_t secret_k(const struct kex_method *m, size_t i, uint8_t k[SSH_K_MAX])
{
	uint8_t secret[32];

	memset(secret, vector[i].rest, sizeof(secret));
	memcpy(secret, vector[i].head, 3);
	return ssh_exchange_k(m, secret, sizeof(secret), k);
}

Test(exchange, s70_hash_and_keys_are_those_of_the_vectors)
{
	const struct kex_method *m = kex_method_find("curve25519-sha256");
	uint8_t k[SSH_K_MAX], h[HASH_LEN_MAX], out[64];
	struct inputs in;
	struct ssh_exchange x = inputs_init(&in);

	for (size_t i = 0; i < N_VECTORS; i++) {
		size_t k_len = secret_k(m, i, k);
		struct ssh_str sid = {h, 32};

		cr_assert_eq(k_len, vector[i].k_len);
		cr_assert_eq(ssh_exchange_hash(m, &x, k, k_len, h), 0);
		expect(h, 32, vector[i].h, vector[i].what);
		cr_assert_eq(ssh_exchange_derive(m, k, k_len, h, 'A', sid, out, 16), 0);
		expect(out, 16, vector[i].a, vector[i].what);
		cr_assert_eq(ssh_exchange_derive(m, k, k_len, h, 'C', sid, out, 64), 0);
		expect(out, 64, vector[i].c, vector[i].what);
		cr_assert_eq(ssh_exchange_derive(m, k, k_len, h, 'F', sid, out, 64), 0);
		expect(out, 64, vector[i].f, vector[i].what);
	}
}

static size_t from_hex(const char *text, uint8_t *out)
{
	size_t n = strlen(text) / 2;

	for (size_t i = 0; i < n; i++)
		cr_assert_eq(sscanf(text + 2 * i, "%2hhx", &out[i]), 1);
	return n;
}

/*
 * NIST CAVS 14.1, KDF of SP 800-135, SSH: one of each hash whose session id is another exchange's
 * hash. K stands there with its length.
 */
Test(exchange, s70_keys_of_nists_vectors)
{
	static const struct {
		const char *method, *k, *h, *session_id, *out['F' - 'A' + 1];
	} v[] = {
		{"diffie-hellman-group14-sha1",
		 "0000008100ec6f2c5f0517fd92f730567bd783138302917c277552b1b3fdf2b67d6edb6f"
		 "a81bd17f7ebbe339b54b171341e6522b91611f8274cc88652a458f8041261040818a2684"
		 "97e949e12f57271318b2b3194c29760cbb767c0fc8833b272994e18682da807e6c9f235d"
		 "88ef89c203c6f756d25cc2bea199b02c955b8b40cbc04f9208",
		 "ee40eef61bea3da8c2b1cec40fc4cdac892a2626",
		 "ca9aad244e24797fd348d1250387c8aa45a0110a",
		 {"55a1015757de84cb", "7e57f61d5735f4fb",
		  "dd1c24bde1af845e82207541e3e173aec822fb904a94ae3c",
		  "cbbfdc9442af6db7f8c4dcaa4b0b5d0163e0e204476aa2a0",
		  "e153e04886c0dc446dde9a9b3b13efb77151764d",
		  "c8e4f61bd6b5abb2c6e06eca7b302349435e4842"}},
		{"diffie-hellman-group14-sha256",
		 "00000100745f5abd8fb685eaae10854a96900806cd7d17d2d255990328594a4fdbb9fa28"
		 "088ccb8fbf92ef23492a595f92c49d5fa32ea5ef6d76000635fb58496c9db824aaa41b67"
		 "c3c2e8bdd525f6c6a224562c670076f6efd21fe49222c2627596b775c56dff5d477cd4cc"
		 "008ef566086a495cf4ba634af20a42fb13fa52597dc252edebdfa57592494fd9cd44d0f7"
		 "e27d6a6ff370876c42733977db656d7372d553c2ffc824fb02375e55069d5cccb493ec77"
		 "001fb4cd73cbec6976bd45ae2cc0812c078784d917c0a0a54d8df6c745a2710828939be0"
		 "685d7fc1657eee9c4dbc71615fab0174e62fb7971fa20f6d6b2da1c22c0a35c781c9dbdf"
		 "009cec3d89891afc",
		 "35f601a7877ef637d6c40b4f2e1d85b888eceac9f37e686254f9d707b22bd764",
		 "d04bce75141ed2a44942d98354ded46e861da28fc1175e5a22e8dddad4942f9a",
		 {"88af3bdb49bd8e9d24489efc95dea1c1", "5cf41e1d43f797c16a30e070f2f37dd4",
		  "7cc48e0f8b4bdd63f76e41ba411d7f37", "37d942416267be06cd1ff9498dcf1e6e",
		  "c3c8b48e228a3a671ae8c48aa4e4f1fe32c1ad4d5ae48c904836d13e7350f72e",
		  "605f7d3b3f28a8967402ba67ff916a61b0a4e9b736665c5e911fb33f60dc16fe"}},
		{"diffie-hellman-group16-sha512",
		 "0000010100a82ae4062baef678d20dd9cf1704cdc69e9e78eea5faa435e4dffec06976ff"
		 "73bd1e2ebd206658a26fb85a0911e2034eede31e7df2d7b87aa9700cf301b6b38502ba4d"
		 "b2b9723505455a7da0c6e0cf374b063921179d1bc69508f660bbb26d05ab16a2325716db"
		 "d0a733809cac36660d9a73ff0f61e09f55d1ff0652474130be7fcd2d37ebd1203960d788"
		 "a1307fae48ec4e1042ab85f037a01bfd17f15725ee929d6e6246bbda00fe7105461ee873"
		 "b0190c2f44692845e464949f909df46309a8eb72037278f792c87249897a0564d290bec1"
		 "e09b2c9d3ad3011710fc4dcfabfa435611794dc7d1507b657229a2aab65ce2e789305d5d"
		 "24ed955e89d8eb4f7e",
		 "a6ef8e3102b16ce51b2a2fe17e8dc711a964c195ca4d597aabecce595187344ccb2ea37d"
		 "c4cac0a77a47e7ea1b9055b1c9948e6e09793a9121f120b3bd07c5f2",
		 "cc85cf95e29a5991306b21c1738de9a6612b8cb09f12b1738a4873c29f971e8d204aeb98"
		 "bb7a7502cdab952eaaa6ec1e3a9655db3e5217afbff63ad588fbbf85",
		 {"77cb432c67bf0ae658aa4e34376d01b5", "f55c74d112746001d8908edd347d7e69",
		  "34a48ab90890b385198ea6bf8c50c3f6", "f2b6046d3439c50a9000a63909146abc",
		  "70357486ca57c93418c6705b731b054bc41be03289c25a5ed29a937732807ae10a360448"
		  "6c53d1f2431411808d87bfbaa6b25971fa2e4ec3719b5d2622aed2ff",
		  "4e6428f7a87455bdef6026cdf68a2f6d93d6cda5145d6bca60ee4eb2d6248b399f6568c6"
		  "5ec92cee8d9b0c7fd83053c91c5be72bf96b5904080624a348243899"}},
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		const struct kex_method *m = kex_method_find(v[i].method);
		uint8_t k[SSH_K_MAX], h[HASH_LEN_MAX], sid[HASH_LEN_MAX], out[64];
		size_t k_len = from_hex(v[i].k, k);
		struct ssh_str session_id = {sid, (uint32_t)from_hex(v[i].session_id, sid)};

		cr_assert_eq(from_hex(v[i].h, h), hash_len(m->hash));
		for (char c = 'A'; c <= 'F'; c++) {
			const char *want = v[i].out[c - 'A'];
			size_t len = strlen(want) / 2;

			cr_assert_eq(ssh_exchange_derive(m, k, k_len, h, c, session_id, out, len),
				     0);
			expect(out, len, want, v[i].method);
		}
	}
}

Test(exchange, s70_a_rekey_derives_from_the_first_session_id)
{
	const struct kex_method *m = kex_method_find("curve25519-sha256");
	uint8_t k[SSH_K_MAX], h[HASH_LEN_MAX], sid[32], out[32];
	struct inputs in;
	struct ssh_exchange x = inputs_init(&in);
	size_t k_len = secret_k(m, 0, k);

	for (int i = 0; i < 32; i++)
		sid[i] = (uint8_t)i;
	cr_assert_eq(ssh_exchange_hash(m, &x, k, k_len, h), 0);
	cr_assert_eq(ssh_exchange_derive(m, k, k_len, h, 'B', (struct ssh_str){sid, 32}, out, 16),
		     0);
	expect(out, 16, "a58fc512ee62642d092659f3701adaa3", "IV");
	cr_assert_eq(ssh_exchange_derive(m, k, k_len, h, 'D', (struct ssh_str){sid, 32}, out, 32),
		     0);
	expect(out, 32, "dc20ce4457122003187a8968bfd213f4854908e5e3119eb827a7138a2509e375", "key");
}

/*
 * RFC 4253 section 8: e and f are numbers, here one with a high bit and one with zeros in front.
 * RFC 4419 section 3: between the host key and e stand the request's body and p and g.
 */
Test(exchange, s70_numbers_and_groups_enter_the_hash_as_they_were_sent)
{
	static const struct {
		const char *method, *h;
		size_t request, h_len;
	} t[] = {
		{"diffie-hellman-group14-sha256",
		 "abdbc94ce8d09320da0307b66aa0374aef933e4b31191f6925a0f467a58609a9", 0, 32},
		{"diffie-hellman-group-exchange-sha256",
		 "8167e2f2c477b7c2bbd86035b9922365357205c6916943c8e15e763acd88368b", 12, 32},
		{"diffie-hellman-group-exchange-sha1", "73a3f051901fa26c830c96827b0881695a4a6c8d",
		 4, 20},
	};
	static const uint8_t three[12] = {0, 0, 8, 0, 0, 0, 12, 0, 0, 0, 32, 0};
	uint8_t e[64] = {0x80}, f[64] = {0, 0, 0x7f}, group[4 + 65 + 4 + 1] = {0, 0, 0, 65, 0};
	uint8_t k[SSH_K_MAX], h[HASH_LEN_MAX];
	struct inputs in;

	for (int i = 1; i < 64; i++)
		e[i] = (uint8_t)i;
	for (int i = 3; i < 64; i++)
		f[i] = (uint8_t)(i - 2);
	memset(group + 5, 0xc3, 64);
	group[69 + 3] = 1;
	group[69 + 4] = 5;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		const struct kex_method *m = kex_method_find(t[i].method);
		struct ssh_exchange x = inputs_init(&in);

		x.q_c = (struct ssh_str){e, sizeof(e)};
		x.q_s = (struct ssh_str){f, sizeof(f)};
		if (t[i].request > 0) {
			x.request = (struct ssh_str){t[i].request == 4 ? three + 4 : three,
						     (uint32_t)t[i].request};
			x.group = (struct ssh_str){group, sizeof(group)};
		}
		cr_assert_eq(ssh_exchange_hash(m, &x, k, secret_k(m, 0, k), h), 0);
		expect(h, t[i].h_len, t[i].h, t[i].method);
	}
}

/* Every input is part of H: one byte elsewhere is another H. */
Test(exchange, s70_every_input_enters_the_hash)
{
	const struct kex_method *m = kex_method_find("curve25519-sha256");
	uint8_t k[SSH_K_MAX], h[HASH_LEN_MAX], other[HASH_LEN_MAX];
	struct inputs in;
	struct ssh_exchange x = inputs_init(&in), y;
	size_t k_len = secret_k(m, 1, k);

	cr_assert_eq(ssh_exchange_hash(m, &x, k, k_len, h), 0);
	x.request = x.group = ssh_str_c("gex");
	cr_assert_eq(ssh_exchange_hash(m, &x, k, k_len, h), 0);
	for (int i = 0; i < 9; i++) {
		struct ssh_str *part[] = {&y.v_c, &y.v_s,     &y.i_c,   &y.i_s, &y.k_s,
					  &y.q_c, &y.request, &y.group, &y.q_s};

		y = x;
		part[i]->len--; /* as if a CR had been cut off, or one byte more */
		cr_assert_eq(ssh_exchange_hash(m, &y, k, k_len, other), 0);
		cr_assert(memcmp(h, other, 32) != 0, "part %d", i);
	}
}

Test(exchange, both_directions_get_different_keys_of_the_suites_lengths)
{
	const struct kex_method *m = kex_method_find("curve25519-sha256");
	const struct cipher_suite *suite[2] = {
		cipher_suite_find("aes256-ctr", "hmac-sha2-512"),
		cipher_suite_find("aes128-gcm@openssh.com", ""),
	};
	uint8_t k[SSH_K_MAX], h[32] = {1};
	struct ssh_keys keys;
	size_t k_len = secret_k(m, 0, k);
	static const uint8_t zero[64];

	cr_assert_eq(ssh_exchange_keys(m, k, k_len, h, (struct ssh_str){h, 32}, suite, &keys), 0);
	cr_assert(memcmp(keys.dir[0].key, keys.dir[1].key, 16) != 0);
	cr_assert(memcmp(keys.dir[0].mac_key + 32, zero, 32) != 0);
	cr_assert_arr_eq(keys.dir[1].key + 16, zero, 48);
	cr_assert_arr_eq(keys.dir[1].mac_key, zero, 64);
	ssh_keys_wipe(&keys);
	cr_assert_arr_eq(keys.dir[0].key, zero, 64);
}
