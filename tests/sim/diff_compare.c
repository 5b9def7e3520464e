/*
 * tests/sim/diff_compare.c - what must be alike, and the table of what need not be: see diff.h.
 *
 * Compared in each step: SYN with its options, new data, FIN, RST with its numbers, acknowledgement
 * numbers, whether the window is closed, and what the application sees. An ACK by itself is not
 * compared where it says something new, which may have waited, nor a window update after a
 * read, nor whether an RST in answer to an ACK says ACK, too.
 * What is sent again and when is recovery's business: tests/sim and perf/wan look at that.
 */
#include "tests/sim/diff.h"

#include <string.h>

#include "tests/sim/raw.h"

/* An ACK of what was not acknowledged before may have waited for this step. */
static bool late_ack(const struct diff_result *r, int at)
{
	return r[at].has_ack && r[at].ack != r[at - 1].told;
}

static bool may_delay(const struct diff_script *s, const struct diff_result *a,
		      const struct diff_result *b, int at)
{
	/* What is sent again says ACK, too, and may come without being an answer. */
	return at == 0 || s->step[at - 1].is_call || a[at].again || b[at].again ||
	       late_ack(a, at) || late_ack(b, at);
}

static bool receives(const struct diff_view *v)
{
	return v->open && !v->eof && v->state != TCP_CLOSED;
}

static const char *view_differs(const struct diff_view *a, const struct diff_view *b)
{
	if (a->open != b->open)
		return "open";
	if (a->err != b->err)
		return "error";
	if (!a->open)
		return NULL;
	if (a->state != b->state)
		return "state";
	if (a->in != b->in)
		return "bytes in order";
	return a->eof != b->eof ? "end" : NULL;
}

static const char *rst_differs(const struct diff_result *a, const struct diff_result *b)
{
	if (a->rst != b->rst)
		return "RST";
	if (!a->rst)
		return NULL;
	if (a->rst_seq != b->rst_seq)
		return "RST's number";
	if (!b->rst_has_ack) /* ours may have one besides */
		return NULL;
	return !a->rst_has_ack || a->rst_ack != b->rst_ack ? "RST's ACK" : NULL;
}

static const char *syn_differs(const struct diff_result *a, const struct diff_result *b)
{
	const struct tcp_opts *x = &a->syn_opts, *y = &b->syn_opts;

	if (a->syn != b->syn)
		return "SYN";
	if (!a->syn)
		return NULL;
	if (x->mss != y->mss)
		return "MSS";
	return x->has_wscale != y->has_wscale || x->has_ts != y->has_ts ||
			       x->has_sack_perm != y->has_sack_perm
		       ? "options of SYN"
		       : NULL;
}

static const char *step_differs(const struct diff_script *s, const struct diff_result *ours,
				const struct diff_result *theirs, int at)
{
	const struct diff_result *a = &ours[at], *b = &theirs[at];
	const char *what = syn_differs(a, b);

	if (what == NULL)
		what = rst_differs(a, b);
	if (what == NULL && (a->data_len != b->data_len || a->fin != b->fin))
		what = a->fin != b->fin ? "FIN" : "data";
	if (what == NULL && a->data_len > 0 && a->data_from != b->data_from)
		what = "data's number";
	if (what == NULL && a->has_ack != b->has_ack && !may_delay(s, ours, theirs, at))
		what = "ACK";
	if (what == NULL && a->has_ack && b->has_ack && a->ack != b->ack)
		what = "ACK's number";
	if (what == NULL && a->has_ack && b->has_ack && a->wnd_zero != b->wnd_zero &&
	    receives(&a->view))
		what = "window closed";
	return what != NULL ? what : view_differs(&a->view, &b->view);
}

int diff_compare(const struct diff_script *s, const struct diff_result *ours,
		 const struct diff_result *theirs, int from, const char **ret_what)
{
	for (int i = from; i <= (int)s->n; i++) {
		*ret_what = step_differs(s, ours, theirs, i);
		if (*ret_what != NULL)
			return i;
	}
	return -1;
}

/* --- explained differences
 * ------------------------------------------------------------------------- */

struct what {
	const struct diff_step *st;
	const struct diff_result *ours, *theirs; /* of this step */
	const struct diff_result *ours_was, *theirs_was;
	bool ack;      /* the difference is an ACK by itself */
	bool window;   /* ... something sent by one and not by the other */
	bool answered; /* ours had answered an unacceptable segment before */
	bool was_open; /* the application had the connection in some step before */
	bool theirs_was_open;
	bool closed;   /* ... and has let go of it since */
	bool ahead;    /* something beyond a gap came before */
	bool higher;   /* something with a higher number than the next came before */
	bool untold;   /* Linux had not acknowledged yet what it had */
	bool zero;     /* the window was closed before */
	bool two_ends; /* a FIN came before and not in order: what follows may contradict it */
};

static bool only_theirs(const struct what *w)
{
	return w->ack && !w->st->is_call && w->theirs->bare && !w->ours->bare;
}

static bool only_ours(const struct what *w)
{
	return w->ack && !w->st->is_call && w->ours->bare && !w->theirs->bare;
}

static bool close_unread(const struct what *w)
{
	return w->st->is_call && (w->st->call == DIFF_CLOSE || w->st->call == DIFF_ABORT) &&
	       w->theirs->rst && !w->ours->rst;
}

static bool after_close(const struct what *w)
{
	return w->was_open && !w->theirs->view.open && !w->theirs->view.err && !w->st->is_call &&
	       w->theirs->rst && !w->ours->rst;
}

static bool half_open(const struct what *w)
{
	return !w->was_open && !w->st->is_call && (w->st->flags & (ACK | SYN)) == ACK &&
	       w->theirs->rst && !w->ours->rst;
}

static bool fin_too_early(const struct what *w)
{
	return w->two_ends ||
	       (w->higher && w->st->flags & FIN && w->theirs->view.eof && !w->ours->view.eof);
}

static bool reset_behind_the_end(const struct what *w)
{
	return w->ours_was->view.eof && w->theirs->rst && w->theirs->view.err && !w->ours->rst &&
	       w->st->len > 0;
}

static bool rst_beyond_gap(const struct what *w)
{
	return w->ahead && w->st->flags & RST && w->theirs->view.err && !w->ours->view.err;
}

static bool rst_before_fin(const struct what *w)
{
	return w->ours_was->view.eof && w->st->flags & RST && w->theirs->view.err &&
	       !w->ours->view.err;
}

static bool ends_at_rcv_nxt(const struct what *w)
{
	const struct diff_view *v = &w->ours_was->view;

	return !w->st->is_call && v->open && w->ours->seg_end == v->in + 1 + v->eof;
}

static bool iss_again(const struct what *w)
{
	return only_ours(w) && w->st->dack < 0;
}

static bool old_timestamp(const struct what *w)
{
	return only_ours(w) && w->st->ts == DIFF_TS_OLD && w->st->len == 0;
}

static bool half_open_echo(const struct what *w)
{
	return !w->theirs_was_open && !w->theirs->view.open && (w->was_open || w->ours->view.open);
}

static bool mini_socket(const struct what *w)
{
	return w->closed && only_ours(w);
}

static bool closing(const struct what *w)
{
	return w->zero && w->ours->rst && !w->theirs->rst;
}

static bool syn_with_fin(const struct what *w)
{
	return !w->was_open && (w->st->flags & (SYN | FIN)) == (SYN | FIN) && w->ours->syn &&
	       !w->theirs->syn;
}

static bool syn_ack_with_more(const struct what *w)
{
	return w->ours_was->view.state == TCP_SYN_SENT && w->st->flags & SYN &&
	       (w->st->len > 0 || w->st->flags & FIN);
}

static bool fin_waits(const struct what *w)
{
	uint8_t o = w->ours->view.state, t = w->theirs->view.state;

	return w->ours->view.open && w->theirs->view.open && o != t &&
	       ((o == TCP_ESTABLISHED && t == TCP_FIN_WAIT_1) ||
		((o == TCP_CLOSE_WAIT || o == TCP_LAST_ACK) &&
		 (t == TCP_LAST_ACK || t == TCP_CLOSING)));
}

static bool window_of_an_older(const struct what *w)
{
	return (w->higher || w->untold) && w->window;
}

static bool syn_in_syn_rcvd(const struct what *w)
{
	return !w->was_open && !w->st->is_call && w->st->flags & SYN && w->theirs->rst;
}

static bool both_opened(const struct what *w)
{
	return w->ours_was->view.state == TCP_SYN_SENT && w->ours->view.state == TCP_SYN_RCVD &&
	       w->ours->syn && w->theirs->syn;
}

static bool no_ack_flag(const struct what *w)
{
	return only_ours(w) && (w->st->flags & (ACK | RST | SYN)) == 0;
}

static bool limited(const struct what *w)
{
	return only_theirs(w) && w->answered && w->st->len == 0 && !(w->st->flags & FIN);
}

static bool time_wait(const struct what *w)
{
	return only_theirs(w) && (!w->ours->view.open || w->ours->view.state == TCP_CLOSED);
}

static bool syn_ack_crossed(const struct what *w)
{
	return only_theirs(w) && w->ours_was->view.state == TCP_SYN_RCVD &&
	       (w->st->flags & (SYN | ACK)) == (SYN | ACK);
}

/* The byte is taken by theirs and not by ours, with an ACK of either. */
static bool old_ack(const struct what *w)
{
	return w->st->dack < 0 && w->theirs->view.in > w->ours->view.in && w->ours->bare;
}

static bool not_yet_told(const struct what *w)
{
	return only_ours(w) && w->theirs_was->told < w->ours_was->told;
}

/* The first that says so names the difference; behind each, why both are right. */
static const struct {
	const char *name;
	bool (*is)(const struct what *w);
	bool goes_on;
} classes[] = {
	/*
	 * RFC 9293 section 3.6.1, RFC 2525 section 2.17: a close with unread bytes SHOULD send
	 * RST. Ours goes on with FIN while something of its own is on its way, which the RST
	 * would destroy, and says RST at the next byte that nobody will read.
	 */
	{"close with unread bytes: ours sends FIN, Linux RST", close_unread, false},
	/*
	 * RFC 9293 section 3.10.7.4: the sequence number is checked first and answered, the ACK
	 * flag comes fifth. Linux drops what has no ACK before it looks at anything.
	 */
	{"no ACK flag and outside the window: ours answers", no_ack_flag, true},
	/*
	 * RFC 5961 section 5, T-12: ours answers one dataless segment outside the window in
	 * half a second. Linux does so too, but its limit counts challenge ACKs as well; it is
	 * turned off here (tcp_invalid_ratelimit).
	 */
	{"a second dataless segment outside the window: ours is silent", limited, true},
	/* The same in TIME-WAIT, where ours counts every segment (RFC 9293 section 3.10.7.4). */
	{"TIME-WAIT: ours answers one in half a second", time_wait, true},
	/*
	 * The window begins at RCV.NXT for ours, as in RFC 9293; for Linux at the last ACK it sent,
	 * which may still wait (delayed): in between a segment is old for one and not for the
	 * other.
	 */
	{"in front of RCV.NXT, not yet acknowledged by Linux", not_yet_told, true},
	/*
	 * RFC 9293 section 3.6.1: ours resets for bytes nobody will read once all of its own have
	 * arrived, not before: the RST would destroy them. Linux resets at the first byte, and in
	 * FIN-WAIT-2 at anything but the FIN that is next.
	 */
	{"after a close: Linux resets at once", after_close, false},
	/*
	 * RFC 9293 section 3.10.7.4: the sequence number comes first. Linux looks at the number
	 * a half-open connection is acknowledged by before that, and resets.
	 */
	{"SYN-RECEIVED, outside the window and acknowledging nothing sent", half_open, true},
	/*
	 * A peer that contradicts itself: a FIN beyond a gap, then another or bytes behind it.
	 * Ours keeps the end that was told first; Linux the one that comes in order first.
	 */
	{"a FIN that came early, and then more: ours keeps the first end", fin_too_early, false},
	/* Once the FIN was in order RFC 9293 says "Ignore the segment text"; Linux resets. */
	{"bytes behind the peer's FIN: Linux resets", reset_behind_the_end, false},
	/*
	 * RFC 5961 section 3: only the exact next number resets. Linux also takes the right edge of
	 * the bytes beyond a gap, and the number of a FIN that it has.
	 */
	{"RST at the edge of what came beyond a gap: ours challenges", rst_beyond_gap, false},
	{"RST at the number of the peer's FIN: ours ignores it", rst_before_fin, false},
	/*
	 * RFC 5961 section 5.2 lets the ISS itself be acknowledged again; ours takes the first byte
	 * for the bound, Linux the SYN.
	 */
	{"the number of our SYN acknowledged again: ours challenges", iss_again, true},
	/* RFC 7323 section 5.3, R1: an ACK for it. Linux drops an old one without data. */
	{"old timestamp in front of RCV.NXT, no data: ours answers", old_timestamp, true},
	/*
	 * Linux holds what the handshake's ACK echoes against the times of its SYN-ACK, which
	 * another answer in between has left behind.
	 */
	{"SYN-RECEIVED, the echo of a later answer: Linux does not take it", half_open_echo, false},
	/* In FIN-WAIT-2 nobody holds, Linux keeps less than a connection and ignores more. */
	{"FIN-WAIT-2 after a close: ours answers", mini_socket, true},
	/*
	 * Our FIN waited for a window until the peer's had come and went with its ACK: the ACK of
	 * ours says that it arrived, so there is no TIME-WAIT. Linux was in CLOSING.
	 */
	{"the FIN waited for a window: ours needs no TIME-WAIT", closing, false},
	/* RFC 9293 section 3.10.7.2: text and FIN of a SYN may wait; Linux drops SYN with FIN. */
	{"SYN with FIN in LISTEN: ours takes the SYN", syn_with_fin, false},
	/* RFC 9293 section 3.10.7.3: "continue processing at the sixth step"; Linux lets it come
	   again. */
	{"SYN-ACK with bytes or FIN: ours takes them", syn_ack_with_more, false},
	/*
	 * RFC 9293 section 3.10.4 enters FIN-WAIT-1 at the call. Ours does when the FIN goes out,
	 * so that it is the state of what was sent; nobody outside can tell.
	 */
	{"the FIN waits for a window: ours enters FIN-WAIT-1 with it", fin_waits, true},
	/*
	 * RFC 9293 section 3.10.7.4: the window is that of the segment with the highest number
	 * (SND.WL1), and of no segment that is old. Linux also takes that of one that acknowledges
	 * something new, and what is old begins later for it, see above.
	 */
	{"the window of a segment behind one from further ahead", window_of_an_older, false},
	/*
	 * RFC 5961 section 4: a SYN is answered with a challenge; ours does so in SYN-RECEIVED,
	 * too, where RFC 9293 goes back to LISTEN and Linux resets: a blind SYN ends nothing.
	 */
	{"SYN in SYN-RECEIVED: ours challenges, Linux resets", syn_in_syn_rcvd, false},
	/* RFC 7323 sections 2.2 and 3.2: an answer holds what the SYN offered; Linux offers again.
	 */
	{"simultaneous open: ours answers with options that were offered", both_opened, true},
	/* RFC 9293 figure 7: the other's SYN-ACK is the ACK of ours; Linux acknowledges it again.
	 */
	{"simultaneous open: Linux acknowledges the SYN-ACK", syn_ack_crossed, true},
	/*
	 * RFC 5961 section 5.2: ours discards. Linux's fast path takes bytes in order whatever
	 * old number they acknowledge.
	 */
	{"bytes in order with an ACK from long ago: Linux takes them", old_ack, false},
	/*
	 * RFC 9293 table 6: the last number of a segment must be in the window. For Linux one that
	 * ends where the window begins is good enough: its ACK counts, its RST is challenged.
	 */
	{"a segment that ends at RCV.NXT: old for ours", ends_at_rcv_nxt, false},
};

/* What came before step `at` that explains more than that step does. */
static void look_back(const struct diff_script *s, const struct diff_result *ours,
		      const struct diff_result *theirs, int at, struct what *w)
{
	w->was_open = ours[0].view.open;
	w->theirs_was_open = theirs[0].view.open;
	for (int i = 1; i < at; i++) {
		const struct diff_step *st = &s->step[i - 1];

		w->was_open |= ours[i].view.open;
		w->theirs_was_open |= theirs[i].view.open;
		if (st->is_call) {
			w->closed |= st->call == DIFF_CLOSE;
			continue;
		}
		w->answered |= st->len == 0 && ours[i].bare;
		w->higher |= st->dseq > 0;
		w->untold |=
			theirs[i - 1].told != 1 + theirs[i - 1].view.in + theirs[i - 1].view.eof;
		w->zero |= st->wnd == 0;
		w->ahead |= st->len > 0 && ours[i].bare && !ours[i].view.eof;
		w->two_ends |= (st->flags & FIN) != 0 && !ours[i].view.eof;
	}
}

int diff_explain(const struct diff_script *s, const struct diff_result *ours,
		 const struct diff_result *theirs, int at, const char *what, bool *ret_goes_on)
{
	struct what w;

	if (at == 0)
		return -1;
	w = (struct what){.st = &s->step[at - 1],
			  .ours = &ours[at],
			  .theirs = &theirs[at],
			  .ours_was = &ours[at - 1],
			  .theirs_was = &theirs[at - 1],
			  .ack = strcmp(what, "ACK") == 0,
			  .window = strcmp(what, "FIN") == 0 || strcmp(what, "data") == 0};
	look_back(s, ours, theirs, at, &w);
	for (size_t i = 0; i < RTE_DIM(classes); i++) {
		if (!classes[i].is(&w))
			continue;
		*ret_goes_on = classes[i].goes_on;
		return (int)i;
	}
	return -1;
}

const char *diff_class_name(int i)
{
	return (size_t)i < RTE_DIM(classes) ? classes[i].name : NULL;
}
