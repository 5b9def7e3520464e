/*
 * perf/pattern.h - bytes whose every place is known: cheap to make, cheap to check, and wrong as
 * soon as one is lost, doubled, changed, put elsewhere or another stream's.
 *
 * Word i (eight bytes, of this machine's order) of a stream is i ^ seed. Seeds come from
 * pattern_seed(), so those of two streams differ in their high halves, too.
 */
#ifndef SLUICE_PERF_PATTERN_H
#define SLUICE_PERF_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t pattern_seed(uint64_t id);
/* Bytes [at, at + n) of the stream. */
void pattern_fill(uint64_t seed, uint64_t at, void *buf, size_t n);
bool pattern_check(uint64_t seed, uint64_t at, const void *buf, size_t n);

#endif
