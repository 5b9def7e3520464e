/*
 * dataplane/tcp/options.h - the options of a TCP header.
 *
 * Source  RFC 9293 section 3.2 (EOL, NOP, MSS), RFC 7323 (window scale, timestamps), RFC 2018
 *         (SACK-permitted, SACK), RFC 2883 (a first block may report a duplicate).
 */
#ifndef SLUICE_DATAPLANE_TCP_OPTIONS_H
#define SLUICE_DATAPLANE_TCP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TCP_OPTIONS_MAX   40   /* what the data offset has room for */
#define TCP_OPT_TS_LEN    12   /* timestamps with their padding */
#define TCP_OPT_SACK_LEN  4    /* SACK with its padding, without blocks */
#define TCP_SACK_LEN      8    /* a block */
#define TCP_SACK_MAX      4    /* blocks an option has room for (RFC 2018 section 3) */
#define TCP_WSCALE_MAX    14   /* RFC 7323 section 2.3: a larger one means 14 */
#define TCP_MSS_DEFAULT   536  /* MUST-15, IPv4 */
#define TCP_MSS_DEFAULT_6 1220 /* MUST-15, IPv6 */

/* Bytes [start, end) that arrived. Of a received one nothing is proved. */
struct tcp_sack {
	uint32_t start, end;
};

struct tcp_opts {
	uint32_t ts_val, ts_ecr;
	uint16_t mss;
	uint8_t wscale;
	bool has_mss, has_wscale, has_ts, has_sack_perm;
	uint8_t sack_n; /* blocks in sack */
	struct tcp_sack sack[TCP_SACK_MAX];
};

/*
 * Reads n bytes of options. Unknown ones are skipped by their length (MUST-6, MUST-68). A
 * malformed length (below 2, past the end, wrong for its kind) ends the reading: what
 * stood before it counts, so the segment is handled all the same (MUST-7).
 */
void tcp_opts_parse(const uint8_t *p, size_t n, struct tcp_opts *ret);

/*
 * Writes what is set, padded to a multiple of four; buf has TCP_OPTIONS_MAX. SACK blocks come
 * last and only the first of them that there is room for. The length.
 */
size_t tcp_opts_build(const struct tcp_opts *o, uint8_t *buf);

#endif
