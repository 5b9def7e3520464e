/* perf/path.c - see path.h. */
#include "perf/path.h"

static uint64_t next_random(struct path *p) /* splitmix64 */
{
	uint64_t z = p->rng += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint32_t path_below(struct path *p, uint32_t n)
{
	return (uint32_t)(((next_random(p) >> 32) * n) >> 32);
}

static bool chance(struct path *p, uint32_t ppm)
{
	return ppm > 0 && path_below(p, PATH_MILLION) < ppm;
}

void path_init(struct path *p, const struct path_conf *conf, uint64_t now_ns)
{
	*p = (struct path){.conf = *conf, .rng = conf->seed, .start_ns = now_ns};
}

void path_change(struct path *p, const struct path_conf *conf, uint64_t now_ns)
{
	p->conf = *conf;
	p->start_ns = now_ns;
	p->in_burst = false;
	if (conf->bits_per_s == 0)
		p->free_at_ns = 0;
}

static bool is_dark(const struct path *p, uint64_t now_ns)
{
	const struct path_conf *c = &p->conf;

	return c->dark_ns > 0 && (now_ns - p->start_ns) % (c->light_ns + c->dark_ns) >= c->light_ns;
}

/*
 * Two states (Gilbert 1960). At each packet a burst of mean length B ends with chance 1 / B, and
 * where there is none one begins with q = p / (B (1 - p) + p), so that the part p is lost in the
 * long run whatever B is.
 */
static bool loses(struct path *p)
{
	uint64_t burst = p->conf.burst > 1 ? p->conf.burst : 1, loss = p->conf.loss_ppm;
	uint64_t begin = loss * PATH_MILLION / (burst * (PATH_MILLION - loss) + loss);

	if (loss == 0)
		return false;
	if (p->in_burst)
		p->in_burst = !chance(p, (uint32_t)(PATH_MILLION / burst));
	if (!p->in_burst)
		p->in_burst = chance(p, (uint32_t)begin);
	return p->in_burst;
}

/* Through the queue and the link: when its last bit is out. False: no room. */
static bool cross(struct path *p, uint64_t now_ns, uint32_t len, struct path_fate *f)
{
	const struct path_conf *c = &p->conf;
	uint64_t start = p->free_at_ns > now_ns ? p->free_at_ns : now_ns, waiting;

	f->at_ns = now_ns;
	if (c->bits_per_s == 0)
		return true;
	waiting = (uint64_t)((unsigned __int128)(start - now_ns) * c->bits_per_s / (8 * PATH_SEC));
	if (c->queue_bytes > 0 && waiting + len > c->queue_bytes)
		return false;
	p->queue_most = waiting > p->queue_most ? waiting : p->queue_most;
	f->mark = c->mark_bytes > 0 && waiting > c->mark_bytes;
	p->free_at_ns = start + (uint64_t)len * 8 * PATH_SEC / c->bits_per_s;
	f->at_ns = p->free_at_ns;
	return true;
}

/* Delay, jitter that keeps the order, and now and then a packet that does not. */
static void delay(struct path *p, bool spared, struct path_fate *f)
{
	const struct path_conf *c = &p->conf;

	f->at_ns += c->delay_ns;
	if (c->jitter_ns > 0)
		f->at_ns += next_random(p) % (c->jitter_ns + 1);
	if (f->at_ns < p->last_at_ns)
		f->at_ns = p->last_at_ns;
	p->last_at_ns = f->at_ns;
	if (!spared && chance(p, c->reorder_ppm)) {
		f->at_ns += c->reorder_ns;
		p->count[PATH_REORDERED]++;
	}
}

static struct path_fate lost(struct path *p, enum path_counter why)
{
	p->count[why]++;
	return (struct path_fate){.lost = true};
}

struct path_fate path_enter(struct path *p, uint64_t now_ns, uint32_t len, bool spared)
{
	struct path_fate f = {0};

	p->count[PATH_IN]++;
	if (!spared && is_dark(p, now_ns))
		return lost(p, PATH_DARK);
	if (!cross(p, now_ns, len, &f))
		return lost(p, PATH_QUEUE_FULL);
	/* Behind the link: what is lost has used it. */
	if (!spared && loses(p))
		return lost(p, PATH_LOST);
	delay(p, spared, &f);
	f.twice = !spared && chance(p, p->conf.dup_ppm);
	f.corrupt = !spared && chance(p, p->conf.corrupt_ppm);
	p->count[PATH_DUP] += f.twice;
	p->count[PATH_OUT] += 1u + f.twice;
	return f;
}

const char *path_counter_name(enum path_counter c)
{
	static const char *const name[PATH_COUNT] = {
#define X(id, text) [PATH_##id] = text,
		PATH_COUNTERS(X)
#undef X
	};

	return c < PATH_COUNT ? name[c] : "";
}
