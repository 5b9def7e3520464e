/*
 * ssh/phase.c: every message type in every phase, both roles, against rules written down
 * again from the RFCs. A generated test per phase, a cell per message in it.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>

#include "ssh/phase.h"

/* --- the oracle: straight rules, no table ------------------------------------------ */

static bool between(unsigned int n, unsigned int lo, unsigned int hi)
{
	return n >= lo && n <= hi;
}

static bool first_exchange(const struct ssh_phase *p)
{
	return p->kex == SSH_KEX_FIRST_INIT || p->kex == SSH_KEX_FIRST_GUESS ||
	       p->kex == SSH_KEX_FIRST_METHOD || p->kex == SSH_KEX_FIRST_NEWKEYS;
}

/* RFC 4253 section 8, RFC 5656 section 4, RFC 4419 section 3: the client speaks first. */
static bool in_step(const struct ssh_phase *p, unsigned int n)
{
	bool server = p->role == SSH_SERVER;

	switch (p->step) {
	case SSH_STEP_PUBLIC:
		return n == (server ? 30 : 31);
	case SSH_STEP_GEX_REQUEST:
		return server ? n == 30 || n == 34 : n == 31;
	case SSH_STEP_GEX_INIT:
		return n == (server ? 32 : 33);
	case SSH_STEP_GSS_REQUEST: /* RFC 4462 section 2 */
		return server ? n == 40 : n == 41 || n == 34;
	case SSH_STEP_GSS_INIT:
		return server ? n == 30 : between(n, 31, 34);
	case SSH_STEP_GSS_CONTINUE:
		return server ? n == 31 : n == 31 || n == 32 || n == 34;
	default:
		return false;
	}
}

/* RFC 4253 section 7: what the exchange itself waits for. */
static bool awaited_in_kex(const struct ssh_phase *p, unsigned int n)
{
	switch (p->kex) {
	case SSH_KEX_FIRST_INIT:
	case SSH_KEX_NONE:
		return n == 20;
	case SSH_KEX_FIRST_GUESS:
	case SSH_KEX_GUESS:
		return between(n, 30, 49);
	case SSH_KEX_FIRST_METHOD:
	case SSH_KEX_METHOD:
		if (p->coarse)
			return n == 21 || between(n, 30, 49);
		return in_step(p, n);
	case SSH_KEX_FIRST_NEWKEYS:
	case SSH_KEX_NEWKEYS:
		return n == 21;
	}
	return false;
}

/* Keys are in place and no exchange runs: services, and numbers nobody has. */
static enum ssh_verdict service(const struct ssh_phase *p, unsigned int n)
{
	bool server = p->role == SSH_SERVER;

	/* RFC 4252 section 6: "receiving one of them before authentication is complete is an
	   error, to which the server MUST respond by disconnecting". */
	if (n >= 80 && p->svc != SSH_SVC_OPEN)
		return SSH_REFUSE;
	/* RFC 4253 section 10. */
	if (n == 5)
		return server && p->svc == SSH_SVC_NONE ? SSH_ACCEPT : SSH_REFUSE;
	if (n == 6)
		return !server && p->svc == SSH_SVC_NONE ? SSH_ACCEPT : SSH_REFUSE;
	/* RFC 8308 section 2.4. */
	if (n == 7 && server)
		return p->svc == SSH_SVC_NONE ? SSH_ACCEPT : SSH_REFUSE;
	if (n == 7)
		return p->svc != SSH_SVC_OPEN ? SSH_ACCEPT : SSH_REFUSE;
	/* RFC 4252 section 5.1: requests after success are ignored. */
	if (n == 50 && server && p->svc == SSH_SVC_OPEN)
		return SSH_DROP;
	if (n == 50)
		return server && p->svc == SSH_SVC_AUTH ? SSH_ACCEPT : SSH_REFUSE;
	if (p->svc != SSH_SVC_AUTH && (between(n, 51, 53) || between(n, 60, 66)))
		return SSH_REFUSE;
	if (between(n, 51, 53) || n == 60)
		return server ? SSH_REFUSE : SSH_ACCEPT;
	/* RFC 4256 section 3.4, RFC 4462 section 3: both, the server's, the client's. */
	if (n == 61 || n == 65)
		return SSH_ACCEPT;
	if (n == 63 || n == 66)
		return server ? SSH_ACCEPT : SSH_REFUSE;
	if (n == 64)
		return server ? SSH_REFUSE : SSH_ACCEPT;
	/* RFC 4254. */
	if (between(n, 80, 82) || between(n, 90, 100))
		return SSH_ACCEPT;
	/* OpenSSH PROTOCOL: ping@openssh.com. */
	if (n == 192 || n == 193)
		return SSH_ACCEPT;
	/* Messages of a method that does not run: key exchange 21, 30..49, authentication 60..79.
	 */
	if (n == 0 || n == 21 || between(n, 30, 49) || between(n, 60, 79))
		return SSH_REFUSE;
	/* RFC 4253 section 11.4. */
	return SSH_UNKNOWN;
}

static enum ssh_verdict oracle(const struct ssh_phase *p, unsigned int n)
{
	if (n == 1)
		return SSH_ACCEPT;
	/* RFC 4253 section 11; OpenSSH PROTOCOL 1.10 for the strict first exchange. */
	if (between(n, 2, 4))
		return p->strict && first_exchange(p) ? SSH_REFUSE : SSH_ACCEPT;
	if (awaited_in_kex(p, n))
		return SSH_ACCEPT;
	if (p->kex != SSH_KEX_NONE || n == 20)
		return SSH_REFUSE;
	return service(p, n);
}

/* --- the walk ---------------------------------------------------------------------- */

static const char *const verdicts[] = {"refuse", "accept", "unknown", "drop"};

#define ROLES  2
#define FLAGS  4
#define KEXES  (SSH_KEX_PHASES - 1)
#define SVCS   (SSH_SVC_PHASES - 1)
#define STEPS  (SSH_KEX_STEPS + 1) /* none, and one that does not exist */
#define PHASES (ROLES * FLAGS * KEXES * SVCS)

static struct ssh_phase phase_at(unsigned int i)
{
	return (struct ssh_phase){
		.role = SSH_CLIENT + i % ROLES,
		.strict = i / ROLES % FLAGS & 1,
		.coarse = i / ROLES % FLAGS & 2,
		.kex = 1 + i / ROLES / FLAGS % KEXES,
		.svc = 1 + i / ROLES / FLAGS / KEXES,
	};
}

ParameterizedTestParameters(ssh_phase, s01_s02_s05_every_cell)
{
	static struct ssh_phase all[PHASES];

	for (unsigned int i = 0; i < PHASES; i++)
		all[i] = phase_at(i);
	return cr_make_param_array(struct ssh_phase, all, PHASES);
}

ParameterizedTest(struct ssh_phase *p, ssh_phase, s01_s02_s05_every_cell)
{
	for (unsigned int i = 0; i < STEPS * 256; i++) {
		unsigned int n = i % 256;
		enum ssh_verdict is, want;

		p->step = (uint8_t)(i / 256);
		is = ssh_phase_rx(p, (uint8_t)n);
		want = oracle(p, n);
		cr_expect_eq(
			is, want,
			"role %u kex %u svc %u strict %d coarse %d step %u message %u: %s, not %s",
			p->role, p->kex, p->svc, p->strict, p->coarse, p->step, n, verdicts[is],
			verdicts[want]);
	}
}

Test(ssh_phase, a_phase_that_does_not_exist_refuses_everything)
{
	for (unsigned int role = 0; role < 5; role++) {
		for (unsigned int kex = 0; kex < 256; kex++) {
			for (unsigned int svc = 0; svc < 256; svc++) {
				struct ssh_phase p = {.role = role,
						      .kex = kex,
						      .svc = svc,
						      .strict = svc & 1,
						      .coarse = kex & 1,
						      .step = 1};
				bool real = (role == SSH_CLIENT || role == SSH_SERVER) && kex > 0 &&
					    kex < SSH_KEX_PHASES && svc > 0 && svc < SSH_SVC_PHASES;

				for (unsigned int n = 0; !real && n < 256; n++)
					cr_assert_eq(ssh_phase_rx(&p, n), SSH_REFUSE);
			}
		}
	}
}

/* --- rows of the catalogue, said once more in plain words ----------------------------- */

/* Runs through every phase, and tells whether any of them takes the message. */
static bool ever_taken(enum ssh_role we_are, uint8_t msg, bool coarse_too)
{
	for (unsigned int i = 0; i < PHASES; i++) {
		struct ssh_phase p = phase_at(i);

		if (p.role != we_are || (p.coarse && !coarse_too) || p.kex == SSH_KEX_GUESS ||
		    p.kex == SSH_KEX_FIRST_GUESS)
			continue;
		if (ssh_phase_rx(&p, msg) != SSH_REFUSE)
			return true;
	}
	return false;
}

Test(ssh_phase, s15_a_service_is_asked_for_again_only_where_it_is_said)
{
	for (unsigned int i = 0; i < PHASES; i++) {
		struct ssh_phase p = phase_at(i), again = p;

		again.again = true;
		for (unsigned int n = 0; n < 256; n++) {
			bool more = n == SSH_MSG_SERVICE_REQUEST && p.role == SSH_SERVER &&
				    p.svc == SSH_SVC_AUTH && p.kex == SSH_KEX_NONE;

			cr_assert_eq(ssh_phase_rx(&again, (uint8_t)n),
				     more ? SSH_ACCEPT : ssh_phase_rx(&p, (uint8_t)n));
		}
	}
}

Test(ssh_phase, s01_a_server_never_takes_userauth_success)
{
	cr_expect_not(ever_taken(SSH_SERVER, SSH_MSG_USERAUTH_SUCCESS, true));
}

Test(ssh_phase, s02_nothing_of_the_connection_protocol_before_authentication)
{
	for (unsigned int i = 0; i < PHASES; i++) {
		struct ssh_phase p = phase_at(i);

		if (p.svc == SSH_SVC_OPEN)
			continue;
		for (unsigned int n = 80; n < 256; n++)
			cr_expect_eq(ssh_phase_rx(&p, n), SSH_REFUSE);
	}
}

Test(ssh_phase, s05_a_server_takes_nothing_only_a_server_sends)
{
	static const uint8_t server_only[] = {6, 51, 52, 53, 60};

	for (size_t i = 0; i < sizeof(server_only); i++)
		cr_expect_not(ever_taken(SSH_SERVER, server_only[i], true), "%u", server_only[i]);
	cr_expect_not(ever_taken(SSH_SERVER, 31, false));
	cr_expect_not(ever_taken(SSH_SERVER, 33, false));
}

Test(ssh_phase, s05_a_client_takes_nothing_only_a_client_sends)
{
	cr_expect_not(ever_taken(SSH_CLIENT, 5, true));
	cr_expect_not(ever_taken(SSH_CLIENT, 50, true));
	cr_expect_not(ever_taken(SSH_CLIENT, 63, true));
	cr_expect_not(ever_taken(SSH_CLIENT, 66, true));
	cr_expect_not(ever_taken(SSH_CLIENT, 30, false));
	cr_expect_not(ever_taken(SSH_CLIENT, 32, false));
	cr_expect_not(ever_taken(SSH_CLIENT, 34, false));
}

Test(ssh_phase, s06_a_strict_first_exchange_has_only_what_it_awaits_and_disconnect)
{
	for (unsigned int i = 0; i < PHASES; i++) {
		struct ssh_phase p = phase_at(i);

		if (!p.strict || p.coarse || !first_exchange(&p))
			continue;
		for (unsigned int n = 0; n < 256; n++) {
			bool taken = ssh_phase_rx(&p, n) != SSH_REFUSE;

			cr_expect_eq(taken, n == 1 || awaited_in_kex(&p, n));
		}
	}
}

Test(ssh_phase, s13_newkeys_only_when_it_is_awaited)
{
	for (unsigned int i = 0; i < PHASES; i++) {
		struct ssh_phase p = phase_at(i);
		bool awaited = p.kex == SSH_KEX_NEWKEYS || p.kex == SSH_KEX_FIRST_NEWKEYS;
		bool may_be =
			p.coarse && (p.kex == SSH_KEX_METHOD || p.kex == SSH_KEX_FIRST_METHOD);

		cr_expect_eq(ssh_phase_rx(&p, SSH_MSG_NEWKEYS),
			     awaited || may_be ? SSH_ACCEPT : SSH_REFUSE);
	}
}

Test(ssh_phase, s22_numbers_nobody_has_are_answered_once_keys_are_in_place)
{
	struct ssh_phase p = {
		.role = SSH_SERVER, .kex = SSH_KEX_NONE, .svc = SSH_SVC_OPEN, .strict = true};

	for (unsigned int n = 8; n < 20; n++)
		cr_expect_eq(ssh_phase_rx(&p, n), SSH_UNKNOWN, "%u", n);
	for (unsigned int n = 101; n < 192; n++)
		cr_expect_eq(ssh_phase_rx(&p, n), SSH_UNKNOWN, "%u", n);
	cr_expect_eq(ssh_phase_rx(&p, 0), SSH_REFUSE);
	p.kex = SSH_KEX_METHOD;
	for (unsigned int n = 101; n < 192; n++)
		cr_expect_eq(ssh_phase_rx(&p, n), SSH_REFUSE, "%u", n);
}

Test(ssh_phase, an_exchange_that_runs_takes_no_second_kexinit)
{
	for (unsigned int i = 0; i < PHASES; i++) {
		struct ssh_phase p = phase_at(i);
		bool idle = p.kex == SSH_KEX_NONE || p.kex == SSH_KEX_FIRST_INIT;

		cr_expect_eq(ssh_phase_rx(&p, SSH_MSG_KEXINIT), idle ? SSH_ACCEPT : SSH_REFUSE);
	}
}

Test(ssh_phase, a_rekey_takes_1_to_4_and_20_to_49_only)
{
	for (unsigned int i = 0; i < PHASES; i++) {
		struct ssh_phase p = phase_at(i);

		if (first_exchange(&p) || p.kex == SSH_KEX_NONE)
			continue;
		for (unsigned int n = 0; n < 256; n++) {
			if (!between(n, 1, 4) && !between(n, 20, 49))
				cr_expect_eq(ssh_phase_rx(&p, n), SSH_REFUSE);
		}
	}
}

Test(ssh_phase, a_coarse_view_takes_what_some_step_takes_and_no_more)
{
	static const uint8_t first[] = {SSH_KEX_FIRST_GUESS, SSH_KEX_FIRST_METHOD,
					SSH_KEX_FIRST_NEWKEYS};
	static const uint8_t later[] = {SSH_KEX_GUESS, SSH_KEX_METHOD, SSH_KEX_NEWKEYS};

	for (unsigned int i = 0; i < PHASES; i++) {
		struct ssh_phase p = phase_at(i), fine = p;
		const uint8_t *step = first_exchange(&p) ? first : later;

		if (!p.coarse || (p.kex != SSH_KEX_METHOD && p.kex != SSH_KEX_FIRST_METHOD))
			continue;
		fine.coarse = false;
		for (unsigned int n = 0; n < 256; n++) {
			enum ssh_verdict any = SSH_REFUSE;

			for (unsigned int s = 0; s < 3; s++) {
				fine.kex = step[s];
				if (ssh_phase_rx(&fine, n) != SSH_REFUSE)
					any = ssh_phase_rx(&fine, n);
			}
			cr_expect_eq(ssh_phase_rx(&p, n), any);
		}
	}
}

/* --- sending ------------------------------------------------------------------------ */

Test(ssh_phase, during_our_exchange_only_1_to_4_and_20_to_49_are_sealed)
{
	for (unsigned int n = 0; n < 256; n++)
		cr_expect_eq(ssh_phase_tx(true, n), between(n, 1, 4) || between(n, 20, 49), "%u",
			     n);
}

Test(ssh_phase, outside_of_it_all_but_0_and_the_exchange_s_own_are)
{
	for (unsigned int n = 0; n < 256; n++)
		cr_expect_eq(ssh_phase_tx(false, n), n != 0 && !between(n, 21, 49), "%u", n);
}
