/*
 * tests/unit/test_terrapin.c - somebody on the way who adds and removes messages (CVE-2023-48795,
 * CVE-2023-46445, CVE-2023-46446), against both roles.
 *
 * He reads and writes what is not enciphered yet, and can cut away whole records after that. One
 * inserted before NEWKEYS makes up for one cut away behind it, as the numbers go on: unless strict
 * key exchange is in force.
 */
#include "ssh_lab.h"

/* Before the NEWKEYS of one direction: insert this; behind it: cut away what comes with it. */
struct attacker {
	struct lab_side *from, *to;
	const uint8_t *insert;
	size_t insert_len;
	bool cut, ident_seen, done;
};

static void carry_on(struct lab_side *to, const uint8_t *p, size_t len)
{
	cr_assert_eq(ssh_pump_feed(&to->p, p, len), 0);
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* A record as it is before the first NEWKEYS: length, padding of at least 4 to 8 bytes, payload. */
static void insert_plain(const struct attacker *a)
{
	uint8_t rec[256] = {0};
	size_t pad = 8 - (5 + a->insert_len) % 8;

	if (pad < 4)
		pad += 8;
	rec[3] = (uint8_t)(1 + a->insert_len + pad);
	rec[4] = (uint8_t)pad;
	memcpy(rec + 5, a->insert, a->insert_len);
	carry_on(a->to, rec, 5 + a->insert_len + pad);
}

/* Carries from -> to record by record as long as they can be read. */
static bool attacked_carry(struct attacker *a)
{
	size_t len;
	const uint8_t *p = ssh_pump_out(&a->from->p, &len);
	size_t all = len;

	if (len == 0)
		return false;
	if (!a->ident_seen) {
		const uint8_t *end = memchr(p, '\n', len);
		size_t n = (size_t)(end + 1 - p);

		cr_assert_not_null(end);
		carry_on(a->to, p, n);
		p += n;
		len -= n;
		a->ident_seen = true;
	}
	while (len > 0 && !a->done) {
		size_t n = 4 + be32(p);

		cr_assert_leq(n, len);
		if (p[5] == SSH_MSG_NEWKEYS) {
			a->done = true;
			if (a->insert_len > 0)
				insert_plain(a);
			carry_on(a->to, p, n);
			if (a->cut)
				n = len;
		} else {
			carry_on(a->to, p, n);
		}
		p += n;
		len -= n;
	}
	if (len > 0)
		carry_on(a->to, p, len);
	ssh_pump_sent(&a->from->p, all);
	return true;
}

static void attacked_run(struct lab *l, struct attacker *a)
{
	bool moved;

	do {
		lab_pump(&l->s);
		lab_pump(&l->c);
		moved = attacked_carry(a);
		moved |= lab_carry(a->to, a->from);
	} while (moved);
}

static const uint8_t ignore[] = {SSH_MSG_IGNORE, 0, 0, 0, 0};

/* S-07: what the attack takes from a client is the server's EXT_INFO. */
Test(terrapin, s07_prefix_truncation)
{
	static const struct {
		enum ssh_strict server, client;
		const char *ciphers;
		bool succeeds; /* the attack */
	} t[] = {
		{SSH_STRICT_OFF, SSH_STRICT_OFF, "chacha20-poly1305@openssh.com", true},
		{SSH_STRICT_ON, SSH_STRICT_OFF, "chacha20-poly1305@openssh.com", true},
		{SSH_STRICT_OFF, SSH_STRICT_OFF, "aes128-gcm@openssh.com", false},
		{SSH_STRICT_OFF, SSH_STRICT_OFF, "aes128-ctr", false},
		{SSH_STRICT_SAFE, SSH_STRICT_OFF, NULL, false},
		{SSH_STRICT_SAFE, SSH_STRICT_OFF, "chacha20-poly1305@openssh.com", false},
		{SSH_STRICT_OFF, SSH_STRICT_SAFE, NULL, false},
		{SSH_STRICT_OFF, SSH_STRICT_REQUIRE, NULL, false},
		{SSH_STRICT_REQUIRE, SSH_STRICT_OFF, NULL, false},
		{SSH_STRICT_ON, SSH_STRICT_ON, "chacha20-poly1305@openssh.com", false},
		{SSH_STRICT_ON, SSH_STRICT_ON, "aes128-gcm@openssh.com", false},
		{SSH_STRICT_SAFE, SSH_STRICT_SAFE, NULL, false},
		{SSH_STRICT_REQUIRE, SSH_STRICT_REQUIRE, NULL, false},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct ssh_brain_conf sc = lab_conf(SSH_SERVER), cc = lab_conf(SSH_CLIENT);
		struct attacker a = {.insert = ignore, .insert_len = sizeof(ignore), .cut = true};
		struct lab l;

		sc.strict = t[i].server;
		cc.strict = t[i].client;
		cc.ciphers = t[i].ciphers;
		lab_init(&l, &sc, &cc);
		a.from = &l.s;
		a.to = &l.c;
		attacked_run(&l, &a);
		if (t[i].succeeds) {
			cr_expect_eq(l.c.n[SSH_ACT_AUTHENTICATED], 1, "%zu", i);
			cr_expect_null(ssh_brain_server_sig_algs(l.c.b));
		} else {
			cr_expect_neq(l.c.end, 0, "%zu", i);
			cr_expect_eq(l.c.n[SSH_ACT_AUTHENTICATED] + l.s.n[SSH_ACT_AUTHENTICATED], 0,
				     "%zu", i);
		}
		lab_fini(&l);
	}
}

/* S-07: the other way there is the client's first request to be cut away. */
Test(terrapin, s07_prefix_truncation_of_what_a_client_sends)
{
	for (int strict = 0; strict < 2; strict++) {
		struct ssh_brain_conf sc = lab_conf(SSH_SERVER), cc = lab_conf(SSH_CLIENT);
		struct attacker a = {.insert = ignore, .insert_len = sizeof(ignore), .cut = true};
		struct lab l;

		sc.strict = cc.strict = strict ? SSH_STRICT_ON : SSH_STRICT_OFF;
		cc.ciphers = "chacha20-poly1305@openssh.com";
		lab_init(&l, &sc, &cc);
		a.from = &l.c;
		a.to = &l.s;
		attacked_run(&l, &a);
		cr_expect_eq(l.s.end, strict ? -SSH_E_STRICT : 0);
		cr_expect_eq(l.s.n[SSH_ACT_AUTHENTICATED], 0);
		lab_fini(&l);
	}
}

/*
 * S-09, S-10, S-11: any message at all before NEWKEYS, to either role: a client's EXT_INFO or
 * success, a server's request to log in. Without strict key exchange IGNORE, DEBUG and
 * UNIMPLEMENTED are legal and do nothing but spoil the numbers.
 */
static void injected(enum ssh_role to, bool strict)
{
	unsigned int step = strict || getenv("SLUICE_LONG") != NULL ? 1 : 5;

	for (unsigned int msg = 0; msg < 256; msg += step) {
		struct ssh_brain_conf sc = lab_conf(SSH_SERVER), cc = lab_conf(SSH_CLIENT);
		uint8_t p[64] = {(uint8_t)msg};
		struct attacker a = {.insert = p, .insert_len = sizeof(p)};
		bool legal = !strict && msg >= SSH_MSG_IGNORE && msg <= SSH_MSG_DEBUG;
		struct lab_side *victim;
		struct lab l;

		if (msg == SSH_MSG_NEWKEYS)
			continue; /* with bytes: -SSH_E_FORMAT; s13_newkeys_with_payload_disconnects
				   */
		sc.strict = cc.strict = strict ? SSH_STRICT_ON : SSH_STRICT_OFF;
		cc.ciphers = "chacha20-poly1305@openssh.com";
		lab_init(&l, &sc, &cc);
		victim = to == SSH_SERVER ? &l.s : &l.c;
		a.from = to == SSH_SERVER ? &l.c : &l.s;
		a.to = victim;
		attacked_run(&l, &a);
		cr_expect_neq(victim->end, 0, "message %u", msg);
		if (!legal && msg != SSH_MSG_DISCONNECT)
			cr_expect(victim->end == -SSH_E_STRICT || victim->end == -SSH_E_PROTO,
				  "message %u: %s", msg, ssh_err_text(victim->end));
		cr_expect_eq(l.s.n[SSH_ACT_AUTH] + l.c.n[SSH_ACT_AUTHENTICATED], 0);
		if (to == SSH_CLIENT)
			cr_expect_null(ssh_brain_server_sig_algs(l.c.b), "nothing was believed");
		lab_fini(&l);
	}
}

Test(terrapin, s10_s11_nothing_comes_before_a_servers_newkeys)
{
	injected(SSH_CLIENT, true);
	injected(SSH_CLIENT, false);
}

Test(terrapin, s09_s11_nothing_comes_before_a_clients_newkeys)
{
	injected(SSH_SERVER, true);
	injected(SSH_SERVER, false);
}
