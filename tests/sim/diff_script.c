/* tests/sim/diff_script.c - scripts from seeds: see diff.h. */
#include "tests/sim/diff.h"
#include "tests/sim/raw.h"

static const uint16_t mss_of[] = {0, 536, 1000, 1460};

static void add(struct diff_script *s, struct diff_step st)
{
	if (s->n < DIFF_STEPS)
		s->step[s->n++] = st;
}

static void add_seg(struct diff_script *s, uint8_t flags, uint16_t len)
{
	add(s, (struct diff_step){.flags = flags, .len = len, .wnd = DIFF_WND_BIG, .counts = true});
}

static void add_call(struct diff_script *s, enum diff_call call, uint32_t n)
{
	add(s, (struct diff_step){.is_call = true, .call = call, .n = n});
}

/* Mostly what a peer does; the rest is what strangers and broken networks do. */
static struct diff_step segment(struct rnd *r)
{
	struct diff_step st = {.flags = ACK, .wnd = DIFF_WND_BIG};

	switch (rnd_below(r, 30)) {
	case 0 ... 6: /* in order */
		st.len = (uint16_t)(1 + rnd_below(r, 500));
		break;
	case 7 ... 9: /* beyond a gap */
		st.dseq = (int32_t)(1 + rnd_below(r, 3000));
		st.len = (uint16_t)(1 + rnd_below(r, 500));
		break;
	case 10 ... 11: /* old, or old and new */
		st.dseq = -(int32_t)(1 + rnd_below(r, 300));
		st.len = (uint16_t)(1 + rnd_below(r, 500));
		break;
	case 12: /* outside */
		st.dseq = rnd_below(r, 2) ? DIFF_FAR : -DIFF_FAR;
		st.len = (uint16_t)rnd_below(r, 100);
		break;
	case 13 ... 14: /* an acknowledgement */
		break;
	case 15: /* an old one, or of what was never sent */
		st.dack = rnd_below(r, 2) ? -(int32_t)(1 + rnd_below(r, 500)) : 1000;
		st.len = (uint16_t)(rnd_below(r, 2) * 50);
		break;
	case 16:
		st.dack = rnd_below(r, 2) ? -DIFF_FAR : DIFF_FAR;
		st.len = (uint16_t)(rnd_below(r, 2) * 50);
		break;
	case 17 ... 18:
		st.flags |= FIN;
		st.len = (uint16_t)(rnd_below(r, 2) * 100);
		break;
	case 19:
		st.flags |= FIN;
		st.dseq = (int32_t)rnd_below(r, 400) - 100;
		break;
	case 20:
		st.flags = RST | (rnd_below(r, 2) ? ACK : 0);
		st.dseq = rnd_below(r, 3) ? (int32_t)rnd_below(r, 200) - 100 : 0;
		break;
	case 21:
		st.flags = SYN | (rnd_below(r, 2) ? ACK : 0);
		st.dseq = rnd_below(r, 2) ? (int32_t)rnd_below(r, 200) - 100 : DIFF_FAR;
		break;
	case 22: /* without ACK */
		st.flags = rnd_below(r, 2) ? FIN : PSH;
		st.len = (uint16_t)rnd_below(r, 100);
		break;
	case 23:
		st.flags = (uint8_t)rnd_below(r, 64);
		st.len = (uint16_t)(rnd_below(r, 2) * 20);
		st.urg = (uint16_t)rnd_below(r, 50);
		break;
	case 24:
		st.flags |= URG;
		st.len = (uint16_t)(1 + rnd_below(r, 100));
		st.urg = (uint16_t)rnd_below(r, 200);
		break;
	case 25 ... 26: /* the window closes; another segment opens it */
		st.wnd = 0;
		break;
	case 27:
		st.ts = DIFF_TS_NONE;
		st.len = (uint16_t)rnd_below(r, 100);
		break;
	case 28:
		st.ts = DIFF_TS_OLD;
		st.len = (uint16_t)rnd_below(r, 100);
		break;
	default:
		st.strange_options = true;
		st.len = (uint16_t)rnd_below(r, 100);
		break;
	}
	/* In order, as far as the peer knows. */
	st.counts = st.dseq == 0 && (st.flags & (ACK | SYN | RST)) == ACK && st.dack <= 0 &&
		    st.dack > -DIFF_FAR && st.ts != DIFF_TS_OLD;
	return st;
}

static void add_random(struct diff_script *s, struct rnd *r)
{
	switch (rnd_below(r, 16)) {
	case 0 ... 2:
		/* One segment: Linux may keep two back for a while, to send more at once. */
		add_call(s, DIFF_SEND, 1 + rnd_below(r, 500));
		break;
	case 3:
		add_call(s, DIFF_RECV, 1 + rnd_below(r, 2000));
		break;
	case 4:
		add_call(s, rnd_below(r, 3) ? DIFF_SHUTDOWN : DIFF_CLOSE, 0);
		break;
	case 5:
		if (rnd_below(r, 4) == 0)
			add_call(s, DIFF_ABORT, 0);
		break;
	default:
		add(s, segment(r));
	}
}

static void add_some(struct diff_script *s, struct rnd *r, uint32_t most)
{
	for (uint32_t k = rnd_below(r, most + 1); k > 0; k--)
		add_random(s, r);
}

/* A step that a segment may be put before or behind: mostly none. */
static void add_noise(struct diff_script *s, struct rnd *r)
{
	struct diff_step st = segment(r);

	st.counts = false;
	if (rnd_below(r, 8) == 0)
		add(s, st);
}

static void opening(struct diff_script *s, struct rnd *r)
{
	add_noise(s, r);
	if (s->active && rnd_below(r, 10) == 0) { /* both at once */
		add_seg(s, SYN, 0);
		add_noise(s, r);
		add(s, (struct diff_step){.flags = SYN | ACK, .dseq = -1, .wnd = DIFF_WND_BIG});
	} else if (s->active) {
		add_seg(s, SYN | ACK, 0);
	} else {
		add_seg(s, SYN, 0);
		add_noise(s, r);
		add_seg(s, ACK, 0);
	}
}

void diff_script_make(struct diff_script *s, uint64_t seed)
{
	struct rnd r = {seed};

	*s = (struct diff_script){.seed = seed, .active = rnd_below(&r, 3) == 0};
	s->syn.mss = mss_of[rnd_below(&r, RTE_DIM(mss_of))];
	s->syn.has_mss = s->syn.mss != 0;
	s->syn.has_wscale = rnd_below(&r, 2);
	s->syn.wscale = (uint8_t)rnd_below(&r, 10);
	s->syn.has_ts = rnd_below(&r, 2);
	s->syn.has_sack_perm = rnd_below(&r, 2);
	opening(s, &r);
	add_some(s, &r, 12);
	if (rnd_below(&r, 3) == 0) { /* a close as it should be, of either side first */
		bool ours = rnd_below(&r, 2);

		if (ours)
			add_call(s, DIFF_SHUTDOWN, 0);
		add_seg(s, FIN | ACK, 0);
		if (!ours)
			add_call(s, DIFF_SHUTDOWN, 0);
		add_seg(s, ACK, 0);
	}
	add_some(s, &r, 3);
	/* What is missing is said at once: the ACK of all that was taken (RFC 5681 4.2). */
	add(s, (struct diff_step){.flags = ACK, .dseq = 5000, .len = 1, .wnd = DIFF_WND_BIG});
}

static void flags_print(FILE *f, uint8_t flags)
{
	static const char name[] = "FSRPAU";

	for (int i = 0; i < 6; i++)
		if (flags & 1 << i)
			fputc(name[i], f);
}

void diff_step_print(FILE *f, const struct diff_step *st)
{
	static const char *const call[] = {"send", "recv", "shutdown", "close", "abort"};
	static const char *const ts[] = {"", " no timestamp", " old timestamp"};

	if (st->is_call) {
		fprintf(f, "%s %u", call[st->call], st->n);
		return;
	}
	fprintf(f, "segment ");
	flags_print(f, st->flags);
	fprintf(f, " seq%+d ack%+d len %u wnd %u urg %u%s%s", st->dseq, st->dack, st->len, st->wnd,
		st->urg, ts[st->ts], st->strange_options ? " strange options" : "");
}
