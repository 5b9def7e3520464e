/*
 * tests/unit/test_cipher_vectors.c - known answers, of all engines.
 *
 * AES-GCM: McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 4 and 16: the
 * cipher text is theirs; the tag, whose additional data here is the length of the record, was
 * computed by an implementation that yields their tags for theirs.
 * AES-CTR: NIST SP 800-38A, F.5; AES-CBC: F.2. 3DES: NIST SP 800-67, B.1. CAST-128: RFC 2144, B.1.
 * Blowfish: Schneier's vectors, the one of CBC. RC4: RFC 6229. HMAC-SHA2: RFC 4231; HMAC-MD5,
 * HMAC-SHA1: RFC 2202; HMAC-RIPEMD160: RFC 2286. UMAC: RFC 4418, appendix. ChaCha20: RFC 8439 A.1.
 * chacha20-poly1305@openssh.com: computed by an implementation from the text of RFC 8439 that
 * yields the vectors of its sections 2.3.2 and 2.5.2.
 */
#include "crypto/chacha.h"
#include "tests/unit/cipher_util.h"

static const enum cipher_engine_kind kinds[] = {CIPHER_ENGINE_AUTO, CIPHER_ENGINE_IPSEC_MB,
						CIPHER_ENGINE_OPENSSL};

static void hex(const char *text, uint8_t *out)
{
	for (; *text != '\0'; text += 2)
		sscanf(text, "%2hhx", out++);
}

struct vector {
	const char *cipher, *mac, *key, *iv, *mac_key;
	uint32_t seqnr;
	const char *record, *sealed, *tag; /* sealed or tag NULL: the source does not say */
};

/* Seals in one piece and in small ones, many at a time and alone; then opens again. */
static void check_one(struct cipher_engine *e, const struct vector *v, uint32_t cut,
		      unsigned int burst)
{
	uint8_t key[CIPHER_KEY_MAX] = {0}, iv[CIPHER_IV_MAX] = {0};
	uint8_t mac_key[CIPHER_MAC_KEY_MAX] = {0}, record[512], want[512], got[512], tag[64];
	const struct cipher_suite *s = cipher_suite_find(v->cipher, v->mac);
	uint32_t len = (uint32_t)strlen(v->record) / 2;
	struct cipher_job *job[CIPHER_BURST];
	struct rec *rec[CIPHER_BURST];
	struct cipher_state st[CIPHER_BURST];

	hex(v->key, key);
	hex(v->iv, iv);
	hex(v->mac_key, mac_key);
	hex(v->record, record);
	for (unsigned int i = 0; i < burst; i++) {
		cr_assert_eq(cipher_state_init(&st[i], s, key, iv, mac_key), 0);
		rec[i] = rec_new(&st[i], v->seqnr, record, len, cut);
		job[i] = &rec[i]->job;
	}
	seal_all(e, job, burst);
	for (unsigned int i = 0; i < burst; i++) {
		cr_expect_eq(job[i]->result, 0);
		rec_bytes(rec[i], got);
		if (v->sealed != NULL) {
			hex(v->sealed, want);
			cr_expect_arr_eq(got, want, len, "%s %s", v->cipher, v->mac);
		}
		if (v->tag != NULL) {
			hex(v->tag, tag);
			cr_expect_arr_eq(rec[i]->tag, tag, s->tag_len, "%s %s", v->cipher, v->mac);
		}
		cipher_state_fini(e, &st[i]);
		cr_assert_eq(cipher_state_init(&st[i], s, key, iv, mac_key), 0);
	}
	open_all(e, job, burst);
	for (unsigned int i = 0; i < burst; i++) {
		cr_expect_eq(job[i]->result, 0);
		rec_bytes(rec[i], got);
		cr_expect_arr_eq(got, record, len);
		cipher_state_fini(e, &st[i]);
		rec_free(rec[i]);
	}
}

static void check(const struct vector *v, size_t n)
{
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		struct cipher_engine *e = engine_new(kinds[k]);

		for (size_t i = 0; i < n; i++) {
			check_one(e, &v[i], 0, 1);
			check_one(e, &v[i], 1, 1);
			check_one(e, &v[i], 7, 1);
			check_one(e, &v[i], 0, 17);
			check_one(e, &v[i], 7, 17);
		}
		cipher_engine_free(e);
	}
}

#define GCM_PLAIN                                                                                  \
	"0000003c"                                                                                 \
	"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"                         \
	"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"

Test(cipher_vectors, aes_gcm)
{
	static const struct vector v[] = {
		{"aes128-gcm@openssh.com", "", "feffe9928665731c6d6a8f9467308308",
		 "cafebabefacedbaddecaf888", "", 0, GCM_PLAIN,
		 "0000003c"
		 "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
		 "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
		 "2fd134b2096ac8b5669ad4df3285610b"},
		{"aes256-gcm@openssh.com", "",
		 "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
		 "cafebabefacedbaddecaf888", "", 7, GCM_PLAIN,
		 "0000003c"
		 "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
		 "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
		 "0975b467167f66b01b213ede6c7c3245"},
	};

	check(v, 2);
}

#define KEY128 "00000000000000000000000000000000"
#define CTR_PLAIN                                                                                  \
	"6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"                         \
	"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
#define CTR_IV "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"

Test(cipher_vectors, aes_ctr)
{
	static const struct vector v[] = {
		{"aes128-ctr", "hmac-sha2-256", "2b7e151628aed2a6abf7158809cf4f3c", CTR_IV, "", 0,
		 CTR_PLAIN,
		 "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
		 "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
		 NULL},
		{"aes192-ctr", "hmac-sha2-512", "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
		 CTR_IV, "", 0, CTR_PLAIN,
		 "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94"
		 "1e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050",
		 NULL},
		{"aes256-ctr", "hmac-sha2-256",
		 "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", CTR_IV, "", 0,
		 CTR_PLAIN,
		 "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
		 "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
		 NULL},
	};

	check(v, 3);
}

#define CBC_IV "000102030405060708090a0b0c0d0e0f"

Test(cipher_vectors, aes_cbc)
{
	static const struct vector v[] = {
		{"aes128-cbc", "hmac-sha1", "2b7e151628aed2a6abf7158809cf4f3c", CBC_IV, "", 0,
		 CTR_PLAIN,
		 "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
		 "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
		 NULL},
		{"aes192-cbc", "hmac-md5", "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
		 CBC_IV, "", 0, CTR_PLAIN,
		 "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"
		 "571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
		 NULL},
		{"aes256-cbc", "hmac-sha2-512",
		 "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", CBC_IV, "", 0,
		 CTR_PLAIN,
		 "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
		 "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
		 NULL},
	};

	check(v, 3);
}

#define DES3_KEY "0123456789abcdef23456789abcdef01456789abcdef0123"
#define QUFCK    "5468652071756663" /* "The qufc" */

/* One block: what CBC makes of it with no IV, and counter mode of zeros with it as counter. */
Test(cipher_vectors, old_block_ciphers)
{
	static const struct vector v[] = {
		{"3des-cbc", "hmac-sha1", DES3_KEY, "0000000000000000", "", 0, QUFCK,
		 "a826fd8ce53b855f", NULL},
		{"3des-ctr", "hmac-sha1", DES3_KEY, QUFCK, "", 0, "0000000000000000",
		 "a826fd8ce53b855f", NULL},
		{"cast128-cbc", "hmac-sha1", "0123456712345678234567893456789a", "0000000000000000",
		 "", 0, "0123456789abcdef", "238b4fe5847e44b2", NULL},
		{"blowfish-cbc", "hmac-sha1", "0123456789abcdeff0e1d2c3b4a59687",
		 "fedcba9876543210", "", 0,
		 "37363534333231204e6f77206973207468652074696d6520666f722000000000",
		 "6b77b4d63006dee605b156e27403979358deb9e7154616d959f1652bd5ff92cc", NULL},
	};

	check(v, 4);
}

/* From the start of the stream, and from behind the 1536 bytes that RFC 4345 drops. */
Test(cipher_vectors, rc4)
{
	static const struct vector v[] = {
		{"arcfour", "hmac-sha1", "0102030405060708090a0b0c0d0e0f10", "", "", 0, KEY128,
		 "9ac7cc9a609d1ef7b2932899cde41b97", NULL},
		{"arcfour128", "hmac-sha1", "0102030405060708090a0b0c0d0e0f10", "", "", 0, KEY128,
		 "ffa0b514647ec04f6306b892ae661181", NULL},
		{"arcfour256", "hmac-sha1",
		 "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20", "", "", 0,
		 KEY128, "3e34135c79db010200767651cf263073", NULL},
	};

	check(v, 3);
}

/*
 * What is authenticated is the sequence number and the record: the first four bytes of the
 * RFC's data become the one, the others the other. Keys shorter than SSH's are filled up with
 * zeros, as HMAC does itself.
 */
#define DD45                                                                                       \
	"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd" \
	"dddd"
#define CD45                                                                                       \
	"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd" \
	"cdcd"
#define AA20    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define JEFE    "4a656665"
#define WHAT    0x77686174
#define NOTHING "20646f2079612077616e7420666f72206e6f7468696e673f"
#define KEY25   "0102030405060708090a0b0c0d0e0f10111213141516171819"

Test(cipher_vectors, hmac)
{
	static const struct vector v[] = {
		{"aes128-ctr", "hmac-sha2-256", KEY128, "", JEFE, WHAT, NOTHING, NULL,
		 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{"aes128-ctr", "hmac-sha2-512", KEY128, "", JEFE, WHAT, NOTHING, NULL,
		 "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
		 "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
		{"aes128-ctr", "hmac-sha2-256", KEY128, "", AA20, 0xdddddddd, DD45, NULL,
		 "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
		{"aes128-ctr", "hmac-sha2-512", KEY128, "", AA20, 0xdddddddd, DD45, NULL,
		 "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39"
		 "bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb"},
		{"aes128-ctr", "hmac-sha2-256", KEY128, "", KEY25, 0xcdcdcdcd, CD45, NULL,
		 "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
		{"aes128-ctr", "hmac-sha2-512", KEY128, "", KEY25, 0xcdcdcdcd, CD45, NULL,
		 "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3db"
		 "a91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd"},
	};

	check(v, 6);
}

#define AA16 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* -96 is the first twelve bytes of the same. */
Test(cipher_vectors, old_hmac)
{
	static const struct vector v[] = {
		{"aes128-ctr", "hmac-md5", KEY128, "", JEFE, WHAT, NOTHING, NULL,
		 "750c783e6ab0b503eaa86e310a5db738"},
		{"aes128-ctr", "hmac-md5-96", KEY128, "", JEFE, WHAT, NOTHING, NULL,
		 "750c783e6ab0b503eaa86e31"},
		{"aes128-ctr", "hmac-md5", KEY128, "", AA16, 0xdddddddd, DD45, NULL,
		 "56be34521d144c88dbb8c733f0e8b3f6"},
		{"aes128-ctr", "hmac-sha1", KEY128, "", JEFE, WHAT, NOTHING, NULL,
		 "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
		{"aes128-ctr", "hmac-sha1-96", KEY128, "", AA20, 0xdddddddd, DD45, NULL,
		 "125d7342b9ac11cd91a39af4"},
		{"aes128-ctr", "hmac-ripemd160", KEY128, "", JEFE, WHAT, NOTHING, NULL,
		 "dda6c0213a485a9e24f4742064a7f033b43c4069"},
		{"aes128-ctr", "hmac-ripemd160-96", KEY128, "", AA20, 0xdddddddd, DD45, NULL,
		 "b0b105360de759960ab4f352"},
		{"aes128-ctr", "hmac-sha2-256-96", KEY128, "", JEFE, WHAT, NOTHING, NULL,
		 "5bdcc146bf60754e6a042426"},
		{"aes128-ctr", "hmac-sha2-512-96", KEY128, "", JEFE, WHAT, NOTHING, NULL,
		 "164b7a7bfcf819e2e395fbe7"},
	};

	check(v, 9);
}

/* Its nonces are letters, which no sequence number is: the keys that are expanded for a record. */
Test(cipher_vectors, umac)
{
	static const struct {
		const char *unit;
		unsigned int times;
		const char *tag64, *tag96;
	} v[] = {
		{"", 0, "6e155fad26900be1", "32fedb100c79ad58f07ff764"},
		{"a", 3, "44b5cb542f220104", "185e4fe905cba7bd85e4c2dc"},
		{"a", 1024, "26bf2f5d60118bd9", "7a54abe04af82d60fb298c3c"},
		{"a", 32768, "27f8ef643b0d118d", "7b136bd911e4b734286ef2be"},
		{"abc", 1, "d4d7b9f6bd4fbfcf", "883c3d4b97a61976ffcf2323"},
		{"abc", 500, "d4cf26ddefd5c01a", "8824a260c53c66a36c9260a6"},
	};
	static const uint8_t nonce[] = "bcdefghi";
	struct cipher_state st = {.suite = cipher_suite_find("aes128-ctr", "umac-64@openssh.com")};
	struct cipher_state st128 = {
		.suite = cipher_suite_find("aes128-ctr", "umac-128@openssh.com")};
	union umac_keys k64, k128;
	uint8_t got[16], want[16];

	memcpy(st.mac_key, "abcdefghijklmnop", 16);
	memcpy(st128.mac_key, "abcdefghijklmnop", 16);
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		cipher_umac_expand(&st, &k64);
		cipher_umac_expand(&st128, &k128);
		umac64_set_nonce(&k64.u64, 8, nonce);
		umac128_set_nonce(&k128.u128, 8, nonce);
		for (unsigned int n = 0; n < v[i].times; n++) {
			umac64_update(&k64.u64, strlen(v[i].unit), (const uint8_t *)v[i].unit);
			umac128_update(&k128.u128, strlen(v[i].unit), (const uint8_t *)v[i].unit);
		}
		umac64_digest(&k64.u64, 8, got);
		hex(v[i].tag64, want);
		cr_expect_arr_eq(got, want, 8, "%s * %u", v[i].unit, v[i].times);
		umac128_digest(&k128.u128, 16, got);
		hex(v[i].tag96, want); /* of the longer one the RFC has the first twelve bytes */
		cr_expect_arr_eq(got, want, 12, "%s * %u", v[i].unit, v[i].times);
	}
}

#define BYTES64                                                                                    \
	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"                         \
	"202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"

Test(cipher_vectors, chacha20_poly1305)
{
	static char record[2 * 140 + 1] = "00000088";
	struct vector v = {"chacha20-poly1305@openssh.com",
			   "",
			   BYTES64,
			   "",
			   "",
			   0x01020304,
			   record,
			   "bc7980f396c512a7c7320c98ec5262b1fc1b381d715a6a52bf2af77f25ddfa17"
			   "e591fd01803aceb4d973f350da1d0db64fd39c46de18e560a73e74ea60cda999"
			   "6613f9949a385be2405a2f0b172034716cd2e27b1cb8fc709538fed3ae6fd5b4"
			   "fbdb24b4b8288a941a4afcb4ab2e3e63912e296e4cfd17ce1685bcab4869ba18"
			   "897d0c0512945764af247d2b",
			   "0fb50da3ce744537919d00d98c2a3bc1"};

	for (int i = 0; i < 136; i++)
		sprintf(record + 8 + 2 * i, "%02x", 7 * i & 255);
	check(&v, 1);
}

/* RFC 8439 A.1, test vectors 1 and 5: in every lane, beside lanes of other keys. */
Test(cipher_vectors, first_block_of_chacha20)
{
	static const uint8_t zero[32];
	uint8_t other[32], want[2][32], head[CHACHA_LANES][CHACHA_HEAD_LEN];
	struct chacha_lane lane[CHACHA_LANES];

	memset(other, 0x5a, sizeof(other));
	hex("76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7", want[0]);
	hex("c2c64d378cd536374ae204b9ef933fcd1a8b2288b3dfa49672ab765b54ee27c7", want[1]);
	for (unsigned int n = 1; n <= CHACHA_LANES; n++)
		for (unsigned int at = 0; at < n; at++)
			for (unsigned int v = 0; v < 2; v++) {
				for (unsigned int l = 0; l < n; l++)
					lane[l] = (struct chacha_lane){other, l};
				lane[at] = (struct chacha_lane){zero, 2 * v};
				chacha_block0(lane, n, head);
				cr_assert_arr_eq(head[at], want[v], 32, "%u of %u", at, n);
			}
}
