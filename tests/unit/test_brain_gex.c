/* tests/unit/test_brain_gex.c - exchanges of DH with a raw peer: group exchange, numbers, guesses.
 */
#include "crypto/moduli.h"
#include "ssh_lab.h"

#define GEX   "diffie-hellman-group-exchange-sha256"
#define DH14  "diffie-hellman-group14-sha256"
#define OTHER "curve25519-sha256"

/* A payload of the test's own. */
struct payload {
	uint8_t bytes[4096];
	size_t len;
};

static struct payload kexinit(enum ssh_role from, const char *kex, bool follows)
{
	struct ssh_kexinit m = {.first_kex_packet_follows = follows};
	struct payload p;
	struct ssh_wr w;
	char list[256];

	snprintf(list, sizeof(list), "%s,%s", kex,
		 from == SSH_CLIENT ? SSH_KEX_STRICT_C : SSH_KEX_STRICT_S);
	m.list[SSH_PROP_KEX] = ssh_str_c(list);
	m.list[SSH_PROP_HOSTKEY] = ssh_str_c("ssh-ed25519");
	for (int dir = 0; dir < 2; dir++) {
		m.list[SSH_PROP_CIPHER_CS + dir] = ssh_str_c(SSH_DEFAULT_CIPHERS);
		m.list[SSH_PROP_MAC_CS + dir] = ssh_str_c(SSH_DEFAULT_MACS);
		m.list[SSH_PROP_COMP_CS + dir] = ssh_str_c("none");
	}
	ssh_wr_init(&w, p.bytes, sizeof(p.bytes));
	ssh_kexinit_build(&w, &m);
	p.len = ssh_wr_done(&w);
	return p;
}

static struct payload request(uint32_t min, uint32_t n, uint32_t max, bool old)
{
	struct payload p;
	struct ssh_wr w;

	ssh_wr_init(&w, p.bytes, sizeof(p.bytes));
	ssh_gex_request_build(&w, old ? SSH_MSG_KEX_GEX_REQUEST_OLD : SSH_MSG_KEX_GEX_REQUEST,
			      &(struct ssh_gex_request){min, n, max, old});
	p.len = ssh_wr_done(&w);
	return p;
}

static struct payload number(uint8_t msg, const uint8_t *n, size_t len)
{
	struct payload p;
	struct ssh_wr w;

	ssh_wr_init(&w, p.bytes, sizeof(p.bytes));
	ssh_dh_init_build(&w, msg, (struct ssh_str){n, (uint32_t)len});
	p.len = ssh_wr_done(&w);
	return p;
}

static struct payload group(const struct kex_group *g)
{
	struct payload p;
	struct ssh_wr w;

	ssh_wr_init(&w, p.bytes, sizeof(p.bytes));
	ssh_gex_group_build(&w, SSH_MSG_KEX_GEX_GROUP,
			    &(struct ssh_gex_group){{g->p, g->p_len}, {g->g, g->g_len}});
	p.len = ssh_wr_done(&w);
	return p;
}

static void give(struct lab *l, struct lab_side *from, struct payload p)
{
	lab_raw(l, from, p.bytes, p.len);
}

/* Both know only kex; one side is raw, behind the identification lines and its KEXINIT. */
static struct lab_side *start(struct lab *l, enum ssh_role raw, const char *kex)
{
	struct ssh_brain_conf sc = lab_conf(SSH_SERVER), cc = lab_conf(SSH_CLIENT);
	struct lab_side *me;

	sc.kex_algs = cc.kex_algs = kex;
	lab_init(l, &sc, &cc);
	me = raw == SSH_CLIENT ? &l->c : &l->s;
	me->silent = true;
	cr_assert_eq(ssh_flat_raw(&me->p.flat, "SSH-2.0-raw\r\n", 13), 0);
	lab_run(l);
	give(l, me, kexinit(raw, kex, false));
	return me;
}

/* Skips to the next of the brain's payloads with this number. */
static const uint8_t *await(struct lab_side *me, uint8_t msg, size_t *ret_len)
{
	const uint8_t *p;
	const char *line;
	size_t len;

	if (!me->p.ident_done && ssh_flat_line(&me->p.flat, SSH_CLIENT, &line, &len) == 0)
		me->p.ident_done = true;
	while (lab_got(me, &p, ret_len) != 0)
		if (p[0] == msg)
			return p;
	cr_assert_fail("no message %u", msg);
	return NULL;
}

static void expect_kex_failed(const struct lab_side *me)
{
	cr_expect_eq(me->end, -SSH_E_KEX_DH, "%s", ssh_err_text(me->end));
	cr_expect_eq(me->n[SSH_ACT_JOB], 0, "nothing is computed");
	cr_expect_eq(me->n[SSH_ACT_SIGN], 0);
}

static void log_in(const struct ssh_brain_conf *sc, const struct ssh_brain_conf *cc)
{
	struct lab l;

	lab_init(&l, sc, cc);
	lab_run(&l);
	cr_expect_eq(l.s.end, 0, "%s", ssh_err_text(l.s.end));
	cr_expect_eq(l.c.end, 0, "%s", ssh_err_text(l.c.end));
	cr_expect_eq(l.c.n[SSH_ACT_AUTHENTICATED], 1);
	cr_assert_eq(ssh_brain_rekey(l.s.b), 0);
	lab_run(&l);
	cr_expect_eq(l.c.n[SSH_ACT_KEX_DONE], 2);
	lab_fini(&l);
}

Test(brain_gex, groups_of_the_file_carry_a_login_and_a_rekey)
{
	struct ssh_brain_conf sc = lab_conf(SSH_SERVER), cc = lab_conf(SSH_CLIENT);
	struct moduli *m = NULL;
	struct kex_group g;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	cr_assert_eq(kex_group_fixed(2048, &g), 0);
	g.g[0] = 5; /* the file's own */
	cr_assert_eq(moduli_write(f, &g, "20260101000000", 1), 0);
	fclose(f);
	cr_assert_eq(moduli_parse(text, len, &m), 0);
	free(text);
	sc.kex_algs = cc.kex_algs = GEX;
	sc.moduli = m;
	log_in(&sc, &cc);
	moduli_free(m);
}

/* Two bounds that meet in one size. */
Test(brain_gex, both_sides_bounds_hold)
{
	struct ssh_brain_conf sc = lab_conf(SSH_SERVER), cc = lab_conf(SSH_CLIENT);

	sc.kex_algs = cc.kex_algs = GEX;
	sc.gex = (struct ssh_gex_bits){1024, 2048, 2048};
	cc.gex = (struct ssh_gex_bits){2048, 4096, 8192};
	log_in(&sc, &cc);
}

/* Section 5: the client that knows the old request only is given a group as any other. */
Test(brain_gex, the_old_request_is_answered)
{
	struct lab l;
	struct lab_side *raw = start(&l, SSH_CLIENT, GEX);
	struct ssh_gex_group m;
	struct ssh_rd r;
	const uint8_t *p;
	size_t len;

	give(&l, raw, request(0, 3000, 0, true));
	cr_assert_eq(l.s.end, 0);
	p = await(raw, SSH_MSG_KEX_GEX_GROUP, &len);
	ssh_rd_init(&r, p + 1, len - 1);
	cr_assert_eq(ssh_gex_group_parse(&r, &m), 0);
	cr_expect_eq(m.p.len, 512, "of 3072 bits there is none in RFC 3526's of these");
	give(&l, raw, number(SSH_MSG_KEX_GEX_INIT, (const uint8_t[]){5}, 1));
	cr_expect_eq(l.s.end, 0);
	(void)await(raw, SSH_MSG_KEX_GEX_REPLY, &len);
	lab_fini(&l);
}

/* S-44: what a client may have computed is not the client's to choose. */
Test(brain_gex, s44_requests_beyond_the_bounds_are_refused)
{
	static const struct {
		uint32_t min, n, max;
		bool good;
	} t[] = {
		{2048, 2048, 2048, true},
		{1024, 1024, 8192, true},
		{0, 0, UINT32_MAX, true},
		{2048, 16384, 16384, true},
		{0, 4096, 8192, true},
		{3072, 2048, 8192, false},
		{2048, 4096, 3072, false},
		{8193, 9000, 9999, false},
		{512, 1024, 2047, false},
		{8192, 2048, 1024, false},
		{UINT32_MAX, UINT32_MAX, UINT32_MAX, false},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct lab l;
		struct lab_side *raw = start(&l, SSH_CLIENT, GEX);

		give(&l, raw, request(t[i].min, t[i].n, t[i].max, false));
		if (t[i].good)
			cr_expect_eq(l.s.end, 0, "%zu: %s", i, ssh_err_text(l.s.end));
		else
			expect_kex_failed(&l.s);
		lab_fini(&l);
	}
}

Test(brain_gex, s05_every_other_number_at_every_step_disconnects)
{
	static const uint8_t good[3][3] = {{30, 34, 0}, {32, 0, 0}, {0}};

	for (int step = 0; step < 2; step++) {
		for (uint8_t msg = 20; msg < 70; msg++) {
			struct lab l;
			struct lab_side *raw;
			uint8_t p[13] = {msg};

			if (memchr(good[step], msg, 2) != NULL)
				continue;
			raw = start(&l, SSH_CLIENT, GEX);
			if (step == 1)
				give(&l, raw, request(2048, 2048, 8192, false));
			cr_assert_eq(l.s.end, 0);
			lab_raw(&l, raw, p, sizeof(p));
			cr_expect_eq(l.s.end, -SSH_E_STRICT, "%u at %d", msg, step);
			cr_expect_eq(l.s.n[SSH_ACT_JOB], 0);
			lab_fini(&l);
		}
	}
}

/* What only clients are sent, to a client that did not ask for it yet, or for another thing. */
Test(brain_gex, s05_a_client_takes_what_it_asked_for_only)
{
	for (int step = 0; step < 2; step++) {
		for (uint8_t msg = 30; msg < 50; msg++) {
			struct lab l;
			struct lab_side *raw;
			struct kex_group g;
			uint8_t p[13] = {msg};

			if (msg == (step == 0 ? 31 : 33))
				continue;
			raw = start(&l, SSH_SERVER, GEX);
			cr_assert_eq(kex_group_fixed(2048, &g), 0);
			if (step == 1)
				give(&l, raw, group(&g));
			cr_assert_eq(l.c.end, 0);
			lab_raw(&l, raw, p, sizeof(p));
			cr_expect_eq(l.c.end, -SSH_E_STRICT, "%u at %d", msg, step);
			lab_fini(&l);
		}
	}
}

Test(brain_gex, a_clients_groups_lie_in_its_bounds_and_make_sense)
{
	for (int bad = 0; bad < 7; bad++) {
		struct lab l;
		struct lab_side *raw = start(&l, SSH_SERVER, GEX);
		struct kex_group g;

		cr_assert_eq(kex_group_fixed(bad == 0 ? 1024 : 2048, &g), 0);
		switch (bad) {
		case 1: /* of 2047 bits */
			g.p[0] = 0x7f;
			break;
		case 2:
			g.p[g.p_len - 1]--;
			break;
		case 3:
			g.g[0] = 1;
			break;
		case 4:
			g.g_len = 0;
			break;
		case 5:
			memcpy(g.g, g.p, g.p_len);
			g.g_len = g.p_len;
			break;
		case 6:
			g.p_len = 0;
			break;
		}
		give(&l, raw, group(&g));
		expect_kex_failed(&l.c);
		lab_fini(&l);
	}
}

Test(brain_gex, s43_s63_malformed_requests_and_groups_disconnect)
{
	static const struct {
		enum ssh_role raw;
		uint8_t bytes[20];
		size_t len;
	} t[] = {
		{SSH_CLIENT, {34, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0, 8}, 12},
		{SSH_CLIENT, {34, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0}, 14},
		{SSH_CLIENT, {34}, 1},
		{SSH_CLIENT, {30, 0, 0, 8}, 4},
		{SSH_CLIENT, {30, 0, 0, 8, 0, 0}, 6},
		{SSH_SERVER, {31}, 1},
		{SSH_SERVER, {31, 0, 0, 0, 1, 7}, 6},
		{SSH_SERVER, {31, 0, 0, 0, 1, 7, 0, 0, 0, 1, 2, 0}, 12},
		{SSH_SERVER, {31, 0, 0, 0, 1, 0x87, 0, 0, 0, 1, 2}, 11},    /* negative */
		{SSH_SERVER, {31, 0, 0, 0, 2, 0, 0x17, 0, 0, 0, 1, 2}, 12}, /* a zero too many */
		{SSH_SERVER, {31, 0xff, 0xff, 0xff, 0xff, 7}, 6},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct lab l;
		struct lab_side *raw = start(&l, t[i].raw, GEX);
		const struct lab_side *me = raw == &l.c ? &l.s : &l.c;

		lab_raw(&l, raw, t[i].bytes, t[i].len);
		cr_expect_eq(me->end, -SSH_E_FORMAT, "%zu: %s", i, ssh_err_text(me->end));
		cr_expect_eq(me->n[SSH_ACT_JOB], 0);
		lab_fini(&l);
	}
}

/* S-44, S-63: e and f of 0, 1, p - 1, p and more; negative, empty, with zeros in front. */
static void numbers_out_of_range(const char *kex, bool gex)
{
	struct kex_group g;

	cr_assert_eq(kex_group_fixed(2048, &g), 0);
	for (int bad = 0; bad < 6; bad++) {
		struct lab l;
		struct lab_side *raw = start(&l, SSH_CLIENT, kex);
		uint8_t n[257] = {0};
		size_t len = g.p_len;

		memcpy(n, g.p, len);
		switch (bad) {
		case 0:
			len = 0;
			break;
		case 1:
			n[0] = 1;
			len = 1;
			break;
		case 2:
			n[len - 1]--;
			break;
		case 3:
			break;
		case 4:
			n[100]++;
			break;
		case 5:
			len++;
			break;
		}
		if (gex)
			give(&l, raw, request(2048, 2048, 2048, false));
		give(&l, raw, number(gex ? 32 : 30, n, len));
		expect_kex_failed(&l.s);
		lab_fini(&l);
	}
}

Test(brain_gex, s44_numbers_out_of_range_cost_nothing)
{
	numbers_out_of_range(DH14, false);
	numbers_out_of_range(GEX, true);
}

Test(brain_gex, s63_numbers_have_one_spelling)
{
	static const struct {
		uint8_t bytes[12];
		size_t len;
	} t[] = {
		{{30, 0, 0, 0, 1, 0x80}, 6}, /* negative */
		{{30, 0, 0, 0, 2, 0xff, 0x05}, 7},
		{{30, 0, 0, 0, 2, 0, 5}, 7}, /* a zero in front */
		{{30, 0, 0, 0, 1, 0}, 6},    /* zero is empty */
		{{30, 0, 0, 0, 2, 5}, 6},    /* short */
		{{30, 0, 0, 0, 1, 5, 0}, 7}, /* long */
		{{30, 0, 0, 0, 2, 0, 0x80, 0}, 8},
		{{30, 0, 0x10, 0, 0}, 5},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct lab l;
		struct lab_side *raw = start(&l, SSH_CLIENT, DH14);

		lab_raw(&l, raw, t[i].bytes, t[i].len);
		cr_expect_eq(l.s.end, -SSH_E_FORMAT, "%zu: %s", i, ssh_err_text(l.s.end));
		lab_fini(&l);
	}
}

Test(brain_gex, s63_a_number_of_a_mebibyte_is_refused)
{
	static uint8_t p[1 << 16] = {30, 0, 0, 0xff, 0xf0, 1};
	struct lab l;

	start(&l, SSH_CLIENT, DH14);
	cr_expect_eq(ssh_brain_input(l.s.b, 1, p, sizeof(p)), -SSH_E_FORMAT);
	cr_expect_eq(ssh_brain_input(l.s.b, 2, p, 16), -SSH_E_CLOSED);
	lab_fini(&l);
}

/* S-44, client: the server's f, and its reply, are looked at before anything is computed of them.
 */
Test(brain_gex, s44_a_servers_number_out_of_range_disconnects)
{
	struct kex_group g;

	cr_assert_eq(kex_group_fixed(2048, &g), 0);
	g.p[g.p_len - 1]--;
	for (int bad = 0; bad < 3; bad++) {
		struct lab l;
		struct lab_side *raw = start(&l, SSH_SERVER, DH14);
		struct ssh_str f = bad == 0   ? (struct ssh_str){g.p, g.p_len}
				   : bad == 1 ? (struct ssh_str){(const uint8_t *)"\1", 1}
					      : (struct ssh_str){g.p, 0};
		size_t blob_len;
		const uint8_t *blob = key_blob(l.s.key, &blob_len);
		uint8_t buf[2048];
		struct ssh_wr w;

		ssh_wr_init(&w, buf, sizeof(buf));
		ssh_dh_reply_build(
			&w, SSH_MSG_KEX_ECDH_REPLY,
			&(struct ssh_ecdh_reply){{blob, (uint32_t)blob_len}, f, ssh_str_c("x")});
		lab_raw(&l, raw, buf, ssh_wr_done(&w));
		cr_expect_eq(l.c.end, -SSH_E_KEX_DH);
		cr_expect_eq(l.c.n[SSH_ACT_JOB], 1, "the first is its own number");
		cr_expect_eq(l.c.n[SSH_ACT_HOSTKEY], 0);
		lab_fini(&l);
	}
}

/*
 * S-12, of each family: the guess of another method is dropped, whatever it is and however long,
 * and the agreed method goes on from its first step.
 */
Test(brain_gex, s12_wrong_guesses_of_each_family)
{
	static const struct {
		const char *guessed, *agreed;
		uint8_t msg;
		size_t len;
	} t[] = {
		{"mlkem768x25519-sha256", GEX, 30, 1221},
		{"sntrup761x25519-sha512", GEX, 30, 1195},
		{OTHER, GEX, 30, 37},
		{DH14, GEX, 30, 262},
		{GEX, DH14, 34, 13},
		{GEX, DH14, 30, 5},
		{"ecdh-sha2-nistp256", DH14, 30, 70},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct ssh_brain_conf sc = lab_conf(SSH_SERVER);
		uint8_t guess[2048] = {t[i].msg};
		struct lab l;
		char list[128];
		size_t len;

		sc.kex_algs = t[i].agreed;
		lab_init(&l, &sc, NULL);
		l.c.silent = true;
		cr_assert_eq(ssh_flat_raw(&l.c.p.flat, "SSH-2.0-raw\r\n", 13), 0);
		lab_run(&l);
		snprintf(list, sizeof(list), "%s,%s", t[i].guessed, t[i].agreed);
		give(&l, &l.c, kexinit(SSH_CLIENT, list, true));
		lab_raw(&l, &l.c, guess, t[i].len);
		cr_expect_eq(l.s.end, 0, "%zu: %s", i, ssh_err_text(l.s.end));
		if (strcmp(t[i].agreed, GEX) == 0)
			give(&l, &l.c, request(2048, 2048, 8192, false));
		else
			give(&l, &l.c, number(30, (const uint8_t[]){5}, 1));
		cr_expect_eq(l.s.end, 0, "%zu: %s", i, ssh_err_text(l.s.end));
		(void)await(&l.c, 31, &len);
		lab_fini(&l);
	}
}

/* A right guess is the method's first message. */
Test(brain_gex, s12_right_guesses_go_on)
{
	static const char *const kex[] = {GEX, DH14};

	for (int i = 0; i < 2; i++) {
		struct ssh_brain_conf sc = lab_conf(SSH_SERVER);
		struct lab l;
		size_t len;

		sc.kex_algs = kex[i];
		lab_init(&l, &sc, NULL);
		l.c.silent = true;
		cr_assert_eq(ssh_flat_raw(&l.c.p.flat, "SSH-2.0-raw\r\n", 13), 0);
		lab_run(&l);
		give(&l, &l.c, kexinit(SSH_CLIENT, kex[i], true));
		if (i == 0)
			give(&l, &l.c, request(2048, 2048, 8192, false));
		else
			give(&l, &l.c, number(30, (const uint8_t[]){5}, 1));
		cr_expect_eq(l.s.end, 0, "%s", ssh_err_text(l.s.end));
		(void)await(&l.c, 31, &len);
		lab_fini(&l);
	}
}

/* DH is what a server is asked for, not what it offers (S-44); a client takes it, SHA-1 never. */
Test(brain_gex, s44_defaults_of_the_roles)
{
	struct ssh_brain_conf sc = lab_conf(SSH_SERVER), cc = lab_conf(SSH_CLIENT);
	struct lab l;

	sc.kex_algs = cc.kex_algs = NULL;
	lab_init(&l, &sc, &cc);
	cr_expect_null(strstr(l.s.b->lists.kex, "diffie"));
	cr_expect_not_null(strstr(l.c.b->lists.kex, DH14));
	cr_expect_not_null(strstr(l.c.b->lists.kex, GEX));
	cr_expect_null(strstr(l.c.b->lists.kex, "sha1"));
	lab_run(&l);
	cr_expect_str_eq(l.c.kex.kex, "mlkem768x25519-sha256");
	lab_fini(&l);
}
