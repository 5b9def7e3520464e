/* tests/sim/wire.h - what vnet.c, wire.c and check.c share. */
#ifndef SLUICE_TESTS_SIM_WIRE_H
#define SLUICE_TESTS_SIM_WIRE_H

#include "tests/sim/vnet.h"

/* The fate of a packet on its link. p is taken. */
void wire_send(struct vnet *v, struct vpkt *p);
/* Onto the wire, to arrive at p->at_us. */
void wire_put(struct vnet *v, struct vpkt *p);
/* When the next arrives, UINT64_MAX: none; and the next that has, NULL: none. */
uint64_t wire_next_us(struct vnet *v);
struct vpkt *wire_get(struct vnet *v);
void wire_free(struct vnet *v);
uint16_t wire_cksum(const struct vpkt *p);
bool wire_cksum_ok(const struct vpkt *p);
uint32_t ip_hdr_len(const struct net_addr *a);
uint32_t ip_len(const struct vpkt *p);
uint64_t rand_below(struct vnet *v, uint64_t n);

/* check.c: a segment leaves a stack; a whole one comes to one. */
void check_sent(struct vnet *v, const struct vpkt *p, const struct vseg *s);
void check_arrived(struct vnet *v, const struct vpkt *p);
/* Header fields of p. */
struct vseg vseg_parse(const struct vpkt *p);

#endif
