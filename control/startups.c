#include "control/startups.h"

#include <assert.h>

#include "control/log.h"
#include "crypto/secret.h"

unsigned int startups_percent(const struct startups_limit *l, uint32_t n)
{
	if (n < l->start)
		return 0;
	if (n >= l->full || l->rate >= 100)
		return 100;
	return l->rate +
	       (unsigned int)((uint64_t)(100 - l->rate) * (n - l->start) / (l->full - l->start));
}

uint32_t startups_unattended(const struct startups_limit *l)
{
	return l->start > 1 ? l->start / 2 : 1;
}

/* Uniform in 0..99; without randomness the answer is the strictest. */
static unsigned int dice(void)
{
	uint8_t b;

	do {
		if (crypto_random(&b, 1) < 0)
			return 0;
	} while (b >= 200);
	return b % 100;
}

bool startups_enter(struct startups *s, uint64_t now_ms)
{
	unsigned int percent = startups_percent(&s->limit, s->unauthenticated);

	if (percent == 0 || (percent < 100 && dice() >= percent)) {
		s->unauthenticated++;
		return true;
	}
	if (!s->throttling) {
		s->throttling = true;
		s->since_ms = s->said_ms = now_ms;
		s->refused = 0;
		log_line(LOG_L_ERROR, "beginning MaxStartups throttling");
	} else if (now_ms - s->said_ms >= STARTUPS_LOG_MS) {
		s->said_ms = now_ms;
		log_line(LOG_L_INFO,
			 "in MaxStartups throttling for %llu seconds, %u connections dropped",
			 (unsigned long long)((now_ms - s->since_ms) / 1000), s->refused);
	}
	s->refused++;
	return false;
}

void startups_leave(struct startups *s, uint64_t now_ms)
{
	assert(s->unauthenticated > 0);
	s->unauthenticated--;
	if (!s->throttling || s->unauthenticated >= s->limit.start)
		return;
	s->throttling = false;
	log_line(LOG_L_INFO,
		 "exited MaxStartups throttling after %llu seconds, %u connections dropped",
		 (unsigned long long)((now_ms - s->since_ms) / 1000), s->refused);
}
