/*
 * dataplane/record, dataplane/relay: a cipher engine that fails at its nth record: with an error,
 * with a tag that does not fit, or by not being done (S-40, F-27). Each time the connection whose
 * record it was ends, none of its bytes is believed, and the other one notices nothing.
 */
#include "dataplane/relay/internal.h"
#include "tests/util/relay_bench.h"

#define ROUNDS 4

/* --- the engine ---------------------------------------------------------------------------------
 */

enum fault { FAULT_ERROR, FAULT_TAG, FAULT_LATE, FAULT_FLIPPED, FAULTS };

static struct {
	bool armed, sealing; /* seal or open */
	unsigned int jobs, at;
	enum fault how;
	const struct cipher_state *victim;
} engine;

void __real_cipher_seal_burst(struct cipher_engine *e, struct cipher_job *const *job,
			      unsigned int n);
void __wrap_cipher_seal_burst(struct cipher_engine *e, struct cipher_job *const *job,
			      unsigned int n);
void __real_cipher_open_burst(struct cipher_engine *e, struct cipher_job *const *job,
			      unsigned int n);
void __wrap_cipher_open_burst(struct cipher_engine *e, struct cipher_job *const *job,
			      unsigned int n);

/* What a failed job leaves behind is undefined. */
static void scramble(const struct cipher_job *job)
{
	for (unsigned int i = 0; i < job->n_pieces; i++)
		for (uint32_t k = 0; k < job->piece[i].len; k++)
			job->piece[i].p[k] ^= (uint8_t)(0x5a + k);
}

static void spoil(struct cipher_job *job)
{
	engine.victim = job->state;
	switch (engine.how) {
	case FAULT_ERROR:
		scramble(job);
		job->result = -EIO;
		break;
	case FAULT_TAG:
		scramble(job);
		job->result = -EBADMSG;
		break;
	case FAULT_LATE:
		job->result = -EINPROGRESS;
		break;
	case FAULT_FLIPPED: /* of a sealed one: the peer is to see it */
		job->tag[0] ^= 1;
		break;
	case FAULTS:
		break;
	}
}

static void burst(struct cipher_engine *e, struct cipher_job *const *job, unsigned int n, bool seal)
{
	bool ours = e == bench_engine && engine.armed && seal == engine.sealing;

	if (seal)
		__real_cipher_seal_burst(e, job, n);
	else
		__real_cipher_open_burst(e, job, n);
	for (unsigned int i = 0; ours && i < n; i++)
		if (++engine.jobs == engine.at)
			spoil(job[i]);
}

void __wrap_cipher_seal_burst(struct cipher_engine *e, struct cipher_job *const *job,
			      unsigned int n)
{
	burst(e, job, n, true);
}

void __wrap_cipher_open_burst(struct cipher_engine *e, struct cipher_job *const *job,
			      unsigned int n)
{
	burst(e, job, n, false);
}

/* --- two connections, bytes both ways -----------------------------------------------------------
 */

static const uint32_t sizes[ROUNDS] = {1, 700, 5000, 20000};

static struct party {
	struct client c;
	struct bench_chan ch;
	uint32_t up, down; /* bytes that arrived, all of them right */
	bool refused;      /* the client could not open what came */
} party[2];

static uint8_t pattern(const struct party *p, bool up, uint32_t at)
{
	return (uint8_t)((at * 31 + (at >> 8)) ^ (p == &party[1] ? 0xa5 : 0) ^ (up ? 0x3c : 0));
}

static void pattern_fill(const struct party *p, bool up, uint32_t at, uint8_t *to, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		to[i] = pattern(p, up, at + i);
}

static void pattern_check(const struct party *p, bool up, uint32_t at, const uint8_t *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		cr_assert_eq(b[i], pattern(p, up, at + i), "byte %u of %s of %d", at + i,
			     up ? "up" : "down", (int)(p - party));
}

/* A target that looks at each byte as it comes. */
static int target_tx(struct stream *s, struct pkt_chain *c)
{
	struct party *p = party[0].ch.target == fake_of(s) ? &party[0] : &party[1];
	static uint8_t buf[1 << 18];

	cr_assert(pkt_chain_read(c, 0, buf, c->len));
	pattern_check(p, true, p->up, buf, c->len);
	p->up += c->len;
	pkt_chain_free(c);
	return 0;
}

/* What its client can read: records until one does not open. */
static void party_read(struct party *p)
{
	static uint8_t buf[1 << 20];
	const uint8_t *m;
	uint32_t n = p->c.f->tx.len, seqnr;
	size_t len;
	int r;

	if (p->refused || n == 0)
		return;
	cr_assert(pkt_chain_read(&p->c.f->tx, 0, buf, n));
	pkt_chain_free(&p->c.f->tx);
	if (!p->c.f->closed && !p->c.f->aborted)
		stream_notify(&p->c.f->s, STREAM_EV_WRITABLE);
	cr_assert_eq(ssh_flat_feed(&p->c.flat, buf, n), 0);
	while ((r = ssh_flat_next(&p->c.flat, &m, &len, &seqnr)) == 0) {
		if (m[0] != SSH_MSG_CHANNEL_DATA)
			continue;
		pattern_check(p, false, p->down, m + 9, (uint32_t)len - 9);
		p->down += (uint32_t)len - 9;
	}
	p->refused = r != -EAGAIN;
}

static void rounds(void)
{
	static uint8_t buf[1 << 16];
	uint32_t at = 0;

	for (unsigned int k = 0; k < ROUNDS; at += sizes[k++]) {
		for (int i = 0; i < 2; i++) {
			struct party *p = &party[i];

			if (p->c.f->closed || p->c.f->aborted || p->refused)
				continue;
			pattern_fill(p, true, at, buf, sizes[k]);
			client_data(&p->c, p->ch.local, buf, sizes[k]);
			if (p->ch.target->aborted || p->ch.target->closed)
				continue;
			pattern_fill(p, false, at, buf, sizes[k]);
			fake_give(p->ch.target, buf, sizes[k]);
		}
		bench_settle();
		party_read(&party[0]);
		party_read(&party[1]);
		bench_settle();
	}
}

static uint32_t all_bytes(void)
{
	uint32_t n = 0;

	for (unsigned int k = 0; k < ROUNDS; k++)
		n += sizes[k];
	return n;
}

static uint64_t counted(int e)
{
	return bench->errors[e - SSH_E_BASE - 1];
}

/* Whose keys the failed job had. */
static const struct party *victim_of(void)
{
	for (int i = 0; i < 2; i++) {
		const struct conn *c = &bench->conns[party[i].c.h.index];

		if (engine.victim == &c->rx.dir.cipher || engine.victim == &c->tx.dir.cipher)
			return &party[i];
	}
	return NULL;
}

static void link_forget(void)
{
	bench_settle();
	for (unsigned int i = 0; i < up_put; i++)
		free(bench_up[i].p);
	up_put = up_got = down_put = down_got = 0;
}

static void parties_meet(const char *cipher, const char *mac)
{
	static struct stream_ops ops;

	ops = fake_ops;
	ops.tx = target_tx;
	for (int i = 0; i < 2; i++) {
		party[i] = (struct party){.c = client_new(cipher, mac)};
		client_ident(&party[i].c);
		client_kex(&party[i].c);
		client_auth(&party[i].c, &bench_auth);
		party[i].ch = client_channel(&party[i].c, (uint32_t)i, 1 << 20);
		party[i].ch.target->s.ops = &ops;
		link_forget();
	}
}

/* Both streams end; nothing is left of either. */
static void parties_part(void)
{
	for (int i = 0; i < 2; i++) {
		struct fake *f = party[i].c.f;

		if (!f->closed && !f->aborted)
			fake_fail(f, -ECONNRESET);
	}
	bench_pass(10000000);
	link_forget();
	for (unsigned int i = 0; i < BENCH_STREAMS; i++) {
		cr_assert(!fake[i].used || fake[i].closed || fake[i].aborted);
		pkt_chain_free(&fake[i].rx);
		pkt_chain_free(&fake[i].tx);
		fake[i].used = false;
	}
	for (int i = 0; i < 2; i++)
		client_free(&party[i].c);
	cr_assert_eq(eal_out(bench_pools.data), 0);
}

/* CBC with the MAC inside says what is wrong after as many bytes as the longest record has (S-69).
 */
static void feed_on(const struct client *c)
{
	static const uint8_t more[4096];

	for (unsigned int i = 0; i <= SSH_PACKET_MAX / sizeof(more); i++) {
		if (c->f->closed || c->f->aborted)
			return;
		fake_give(c->f, more, sizeof(more));
		bench_settle();
	}
}

/* One world with the fault at this job. False: there were fewer jobs. */
static bool world(const char *cipher, const char *mac, bool sealing, enum fault how,
		  unsigned int at)
{
	const struct party *victim;
	uint64_t now;

	parties_meet(cipher, mac);
	engine.sealing = sealing;
	engine.how = how;
	engine.at = at;
	engine.jobs = 0;
	engine.victim = NULL;
	engine.armed = true;
	rounds();
	now = bench_now;
	victim = engine.victim != NULL ? victim_of() : NULL;
	engine.armed = false;
	for (int i = 0; i < 2; i++) {
		const struct party *p = &party[i];

		if (p == victim)
			continue;
		cr_assert_eq(p->up, all_bytes(), "%s %s job %u", cipher, mac, at);
		cr_assert_eq(p->down, all_bytes(), "%s %s job %u", cipher, mac, at);
		cr_assert(!p->refused && !p->c.f->aborted && !p->c.f->closed);
	}
	cr_assert_eq(now, bench_now);
	if (victim != NULL) {
		cr_assert(victim->up < all_bytes() || victim->down < all_bytes() ||
			  counted(SSH_E_MAC) + counted(SSH_E_INTERNAL) > 0);
		if (how == FAULT_FLIPPED)
			cr_assert(victim->refused, "%s %s job %u: it was taken", cipher, mac, at);
		if (strstr(cipher, "cbc") != NULL && !sealing)
			feed_on(&victim->c);
		bench_pass(10000000); /* to say goodbye */
		if (how != FAULT_FLIPPED)
			cr_assert(victim->c.f->closed || victim->c.f->aborted,
				  "%s %s job %u lives on", cipher, mac, at);
	}
	parties_part();
	return engine.victim != NULL;
}

TestSuite(engine_faults, .init = bench_start, .fini = bench_end, .timeout = 300);

static const struct {
	const char *cipher, *mac;
} suites[] = {
	{"aes128-gcm@openssh.com", ""},
	{"chacha20-poly1305@openssh.com", ""},
	{"aes256-ctr", "hmac-sha2-256-etm@openssh.com"},
	{"aes128-ctr", "hmac-sha2-256"},
	{"aes128-cbc", "hmac-sha1"},
};

static void every_job(bool sealing)
{
	for (size_t s = 0; s < RTE_DIM(suites); s++) {
		for (enum fault how = 0; how < FAULTS; how++) {
			unsigned int at = 1;

			/* Nobody else can see a tag that is wrong; what a peer that has CBC does
			 * about it is ssh_flat's. */
			if (how == FAULT_FLIPPED &&
			    (!sealing || strstr(suites[s].cipher, "cbc") != NULL))
				continue;
			while (world(suites[s].cipher, suites[s].mac, sealing, how, at))
				at++;
			cr_assert_gt(at, ROUNDS, "too few jobs to say anything");
		}
	}
}

Test(engine_faults, f27_every_record_it_cannot_open)
{
	every_job(false);
}

Test(engine_faults, f27_every_record_it_cannot_seal)
{
	every_job(true);
}
