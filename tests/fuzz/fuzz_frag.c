/*
 * Fragments of a few datagrams of both families, in any order and with any contradiction, beside a
 * model that only follows the rules of RFC 8200 section 4.5 and RFC 5722.
 *
 * Input: steps of 8 bytes: whose datagram, offset (a small one or any), length, flags, time. What
 * becomes whole must be so in the model, with the bytes of the fragments that were taken first;
 * what is not taken leaves nothing behind.
 */
#include "dataplane/net/internal.h"
#include "tests/util/frame.h"
#include "tests/util/fuzz.h"

#define KEYS      32
#define STEPS_MAX 100 /* of two mbufs at most: below what may be held, so nothing is given up */
#define TCP_LEAST 20

struct model {
	struct {
		uint32_t off, len;
		uint8_t step;
	} piece[FRAG_PIECES_MAX];
	unsigned int n;
	uint32_t end, got;
	uint64_t due_us;
	uint8_t ecn_seen;
	bool live, refused;
};

static struct pkt_pools pools;
static struct net *net;

static void start(void)
{
	struct net_conf conf = {.pools = &pools, .neigh_max = 8};

	if (net != NULL)
		return;
	fuzz_start(&pools, 8191, 63);
	check(net_new(&conf, &net) == 0);
}

static uint8_t byte_at(uint8_t step, uint32_t pos)
{
	return (uint8_t)(step * 31 + pos * 7);
}

/* n bytes that begin at off, in one mbuf or two. */
static struct rte_mbuf *payload(uint8_t step, uint32_t off, uint32_t n, bool two)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data), *rest = NULL;

	check(m != NULL);
	if (two && n > 1) {
		rest = rte_pktmbuf_alloc(pools.data);
		check(rest != NULL);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *into = rest != NULL && i >= n / 2 ? rest : m;

		*(uint8_t *)rte_pktmbuf_append(into, 1) = byte_at(step, off + i);
	}
	if (rest != NULL)
		check(rte_pktmbuf_chain(m, rest) == 0);
	return m;
}

static bool possible(const struct frag *f, uint32_t len)
{
	if (len == 0 || (f->more && len % 8 != 0) || f->off + len > f->max)
		return false;
	if (f->proto != IPPROTO_TCP)
		return true;
	return f->off == 0 ? len >= TCP_LEAST : f->off >= TCP_LEAST;
}

/* True: with this fragment the datagram is whole. */
static bool model_take(struct model *m, const struct frag *f, uint32_t len, uint8_t step,
		       uint64_t now)
{
	bool bad = false;

	if (!m->live)
		*m = (struct model){.live = true, .due_us = now + FRAG_TIME_US};
	if (m->refused)
		return false;
	for (unsigned int i = 0; i < m->n; i++) {
		uint32_t off = m->piece[i].off, end = off + m->piece[i].len;

		if (off == f->off && m->piece[i].len == len && f->more == (m->end != end))
			return false; /* came twice */
		bad |= f->off < end && off < f->off + len;
		bad |= !f->more && end > f->off + len;
	}
	bad |= m->end != 0 && (!f->more || f->off + len > m->end);
	if (bad || m->n == FRAG_PIECES_MAX) {
		m->refused = true;
		return false;
	}
	m->piece[m->n].off = f->off;
	m->piece[m->n].len = len;
	m->piece[m->n++].step = step;
	m->got += len;
	m->ecn_seen |= (uint8_t)(1 << f->ecn);
	if (!f->more)
		m->end = f->off + len;
	return m->end != 0 && m->got == m->end;
}

static void compare(const struct model *model, const struct rte_mbuf *m)
{
	uint8_t buf[2048];
	const char *why;

	check(rte_mbuf_check(m, 1, &why) == 0 && pkt_writable(m) && m->pkt_len == model->end);
	for (unsigned int i = 0; i < model->n; i++) {
		uint32_t off = model->piece[i].off, len = model->piece[i].len;
		const uint8_t *p = rte_pktmbuf_read(m, off, len, buf);

		check(p != NULL);
		for (uint32_t k = 0; k < len; k++)
			check(p[k] == byte_at(model->piece[i].step, off + k));
	}
}

static struct frag frag_of(const uint8_t *p)
{
	bool six = p[0] & 16;
	struct frag f = {.src = addr4(10, 0, 0, p[0] & 3),
			 .dst = addr4(198, 18, 0, 2),
			 .id = (uint32_t)p[0] >> 2 & 3,
			 .off = (p[7] & 1 ? (uint32_t)(p[1] << 8 | p[2]) & 0x1fff : p[1]) * 8,
			 .max = six ? 65535 : 65515,
			 .proto = p[5] & 8 ? IPPROTO_ICMP : IPPROTO_TCP,
			 .ecn = p[5] >> 1 & 3,
			 .more = p[5] & 1};

	if (six) {
		f.src.family = f.dst.family = 6;
		f.proto = IPPROTO_TCP;
	} else if (p[5] & 8) {
		f.id |= 4; /* the protocol is part of IPv4's key: a model of its own */
	}
	return f;
}

static void one(struct net *n, struct model *models, const uint8_t *p, uint8_t step, uint64_t now)
{
	struct frag f = frag_of(p), was = f;
	uint32_t len = p[3] * 8u % 1800 + (p[4] & 7);
	/* Its key in the model: source, identification and protocol, family. */
	struct model *model = &models[(p[0] & 3) | f.id << 2];
	struct rte_mbuf *m;
	bool whole;

	if (p[0] & 16)
		model += KEYS;
	m = frag_input(n, &f, payload(step, f.off, len, p[5] & 16));
	if (!possible(&was, len)) {
		check(m == NULL);
		return;
	}
	if (was.off == 0 && !was.more) {
		check(m != NULL && m->pkt_len == len);
		rte_pktmbuf_free(m);
		return;
	}
	whole = model_take(model, &was, len, step, now);
	if (!whole) {
		check(m == NULL);
		return;
	}
	if ((model->ecn_seen & 9) == 9) { /* not capable, and marked */
		check(m == NULL);
	} else {
		check(m != NULL);
		check(f.ecn == (model->ecn_seen & 8 ? 3 : rte_bsf32(model->ecn_seen)));
		compare(model, m);
		rte_pktmbuf_free(m);
	}
	model->live = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct model models[2 * KEYS];
	/* One instance for all inputs: each leaves it empty. */
	static uint64_t now = 1;

	start();
	for (unsigned int i = 0; i < RTE_DIM(models); i++)
		models[i].live = false;
	for (unsigned int step = 0; size >= 8 && step < STEPS_MAX; step++, data += 8, size -= 8) {
		now += data[6] * 20000u;
		net_timers(net, now);
		for (unsigned int i = 0; i < RTE_DIM(models); i++)
			models[i].live &= models[i].due_us > now;
		one(net, models, data, (uint8_t)step, now);
	}
	now += FRAG_TIME_US;
	net_timers(net, now);
	check(eal_out(pools.data) == 0 && frag_next_us(net) == UINT64_MAX);
	return 0;
}
