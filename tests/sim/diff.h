/*
 * tests/sim/diff.h - one script of packets and calls, played at our TCP and at Linux.
 *
 * A script is made from a seed. The player is the peer on the wire and the application above; an
 * end is a TCP: ours in the virtual network (diff_stack.c), or the kernel's behind a TUN of a
 * network namespace of this process alone (diff_linux.c). What an end did in each step is brought
 * into a form that does not depend on its choices (initial numbers, delayed ACKs, the sizes of
 * windows), and compared; see diff_compare.c for what remains.
 *
 * A script takes a millisecond or so: timers are not part of it.
 */
#ifndef SLUICE_TESTS_SIM_DIFF_H
#define SLUICE_TESTS_SIM_DIFF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "dataplane/tcp/internal.h"
#include "tests/util/rnd.h"

#define DIFF_STEPS   24
#define DIFF_OUTS    64
#define DIFF_ISS     1000       /* the peer's */
#define DIFF_NO_ISS  5000000    /* what is acknowledged before anything was sent */
#define DIFF_FAR     0x10000000 /* beyond every window */
#define DIFF_PORT    22
#define DIFF_WND_BIG 60000

enum diff_call { DIFF_SEND, DIFF_RECV, DIFF_SHUTDOWN, DIFF_CLOSE, DIFF_ABORT };
enum diff_ts { DIFF_TS_NOW, DIFF_TS_NONE, DIFF_TS_OLD };

struct diff_step {
	bool is_call;
	enum diff_call call;
	uint32_t n; /* bytes of the call */
	/* A segment, relative to what the peer sends next and to the highest number it saw. */
	uint8_t flags;
	int32_t dseq, dack;
	uint16_t len, wnd, urg;
	enum diff_ts ts;
	bool counts; /* the peer goes on behind it */
	bool strange_options;
};

struct diff_script {
	uint64_t seed;
	bool active; /* the end connects */
	struct tcp_opts syn;
	struct diff_step step[DIFF_STEPS];
	unsigned int n;
};

void diff_script_make(struct diff_script *s, uint64_t seed);
void diff_step_print(FILE *f, const struct diff_step *st);

/* --- ends --------------------------------------------------------------------------------------
 */

struct diff_out {
	uint8_t flags;
	uint16_t src_port;
	uint16_t wnd;
	uint32_t seq, ack, len;
	struct tcp_opts opts;
};

/* What the application sees. */
struct diff_view {
	bool open;     /* it holds a connection */
	uint8_t state; /* enum tcp_state; TIME-WAIT is CLOSED; only of an open one */
	bool eof, err;
	uint32_t in; /* bytes that came in order, taken or not */
};

struct diff_end {
	const char *name;
	/* A fresh listener on DIFF_PORT, or a connect to peer_port. */
	void (*begin)(struct diff_end *e, bool active, uint16_t peer_port);
	/* A segment with room for a header in front of it; the checksum is the end's. */
	void (*segment)(struct diff_end *e, uint8_t *tcp, uint32_t len);
	void (*call)(struct diff_end *e, enum diff_call call, uint32_t n);
	/* Takes what was sent since the last time. */
	unsigned int (*outputs)(struct diff_end *e, struct diff_out *out, unsigned int max);
	void (*view)(struct diff_end *e, struct diff_view *ret);
	void (*finish)(struct diff_end *e);
	/* Real time made it useless: timers may have fired. */
	bool (*too_slow)(struct diff_end *e);
};

struct diff_end *diff_stack(void);
bool diff_stack_bad(void); /* a byte was wrong or a buffer lost in the last script */
/* NULL: this process may not make a namespace or a TUN. */
struct diff_end *diff_linux(void);

/* --- playing and comparing -------------------------------------------------------------------- */

/* One step's result. Numbers are relative to the end's ISS and to the peer's. */
struct diff_result {
	struct diff_view view;
	bool syn, fin, rst, bare; /* bare: an ACK and nothing else */
	bool has_ack, wnd_zero;
	bool again; /* something was sent again */
	uint32_t ack;
	uint32_t seg_end;             /* where the segment of this step ends */
	uint32_t told;                /* the highest it acknowledged so far */
	uint32_t data_from, data_len; /* new data */
	uint32_t rst_seq, rst_ack;
	bool rst_has_ack;
	struct tcp_opts syn_opts;
};

void diff_play(struct diff_end *e, const struct diff_script *s, uint16_t peer_port,
	       struct diff_result *ret);
void diff_result_print(FILE *f, const struct diff_result *r);

/* The first step from `from` on that differs, and in what; -1: none. */
int diff_compare(const struct diff_script *s, const struct diff_result *ours,
		 const struct diff_result *theirs, int from, const char **ret_what);
/*
 * Which explained class the difference of step `at` is of, an index; -1: none. goes_on: both are
 * in the same state all the same, so what follows can be compared.
 */
int diff_explain(const struct diff_script *s, const struct diff_result *ours,
		 const struct diff_result *theirs, int at, const char *what, bool *ret_goes_on);
const char *diff_class_name(int i); /* NULL: no more */

#endif
