/*
 * dataplane/tcp/cubic.h - the arithmetic of CUBIC, without a connection.
 *
 * Source  RFC 9438 section 4.2: W_cubic(t) = C * (t - K)^3 + W_max, in segments and seconds, with
 *         K = cbrt((W_max - cwnd_epoch) / C) and C = 0.4.
 * Units   bytes and milliseconds, in integers: windows to a 1024th of a segment.
 */
#ifndef SLUICE_DATAPLANE_TCP_CUBIC_H
#define SLUICE_DATAPLANE_TCP_CUBIC_H

#include <stdint.h>

/* Farther from K than this (262 s, seven million segments) the curve goes on as a line. */
#define TCP_CUBIC_T_MAX_MS ((INT64_C(1) << 18) - 1)

/* The largest r with r^3 <= x. Digit by digit, three bits of x for one of r. */
static inline uint32_t tcp_cubic_root(uint64_t x)
{
	uint64_t r = 0;

	for (int shift = 63; shift >= 0; shift -= 3) {
		uint64_t next;

		r <<= 1;
		next = 3 * r * (r + 1) + 1; /* (r + 1)^3 - r^3 */
		if (x >> shift >= next) {
			x -= next << shift;
			r++;
		}
	}
	return (uint32_t)r;
}

/* K for a window that has `gap` bytes (at most 2^30) to W_max: K^3 = gap / mss / C * 10^9. */
static inline uint32_t tcp_cubic_k_ms(uint32_t gap, uint32_t mss)
{
	return tcp_cubic_root(gap * UINT64_C(2500000000) / mss);
}

/* W_cubic(t), not below 0. */
static inline uint64_t tcp_cubic_window(uint32_t w_max, uint32_t mss, int64_t t_ms, uint32_t k_ms)
{
	int64_t d = t_ms - (int64_t)k_ms, units, w;

	d = d > TCP_CUBIC_T_MAX_MS ? TCP_CUBIC_T_MAX_MS : d;
	d = d < -TCP_CUBIC_T_MAX_MS ? -TCP_CUBIC_T_MAX_MS : d;
	units = d * d * d * 4 / 9765625; /* 0.4 * 1024 / 10^9 of a segment */
	w = (int64_t)w_max + units * (int64_t)mss / 1024;
	return w > 0 ? (uint64_t)w : 0;
}

#endif
