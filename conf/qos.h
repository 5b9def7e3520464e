/*
 * conf/qos.h - classes of service by their names, as octets of an IP header (RFC 2474): the DSCP,
 * and two bits that are ECN's.
 */
#ifndef SLUICE_CONF_QOS_H
#define SLUICE_CONF_QOS_H

#include <stdbool.h>
#include <stdint.h>

#define CONF_QOS_NONE UINT16_MAX

/* A name, a number below 256, or none. False: it is no class. */
bool conf_qos_read(const char *text, uint16_t *ret);
/* NULL: it has no name. */
const char *conf_qos_name(uint16_t qos);

#endif
