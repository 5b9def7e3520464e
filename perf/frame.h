/*
 * perf/frame.h - what a hop on the way may do to an Ethernet frame that carries TCP.
 *
 * Both families, without VLAN tags, options of IPv4 and extension headers of IPv6 aside: what
 * is not understood is left alone.
 */
#ifndef SLUICE_PERF_FRAME_H
#define SLUICE_PERF_FRAME_H

#include <stdbool.h>
#include <stdint.h>

bool frame_is_tcp(const uint8_t *b, uint32_t len);
/* Congestion Experienced, where the sender said it understands (RFC 3168). True: marked. */
bool frame_mark(uint8_t *b, uint32_t len);
/*
 * Changes one byte of the payload; right: the checksum is made right again, so that only what
 * stands above TCP can know. at chooses the byte. False: there is no payload.
 */
bool frame_corrupt(uint8_t *b, uint32_t len, uint32_t at, bool right);

#endif
