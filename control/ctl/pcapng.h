/*
 * control/ctl/pcapng.h - messages as a capture file: one packet each, of link type USER0.
 *
 * Source  draft-ietf-opsawg-pcapng: section header, interface description, enhanced packets.
 */
#ifndef SLUICE_CONTROL_CTL_PCAPNG_H
#define SLUICE_CONTROL_CTL_PCAPNG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* What a file begins with; snap: the longest packet there will be. Errors are the file's. */
void pcapng_begin(FILE *f, uint32_t snap);
/* n bytes of a packet of len, at this time since 1970; in: it was received. */
void pcapng_packet(FILE *f, uint64_t at_us, bool in, const void *p, uint32_t n, uint32_t len);

#endif
