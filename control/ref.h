/*
 * control/ref.h - how an answer that comes later finds its connection again.
 *
 * The handle says where to look; the serial, never used twice by this process, says
 * whether what is there is still the same: a dataplane that was restarted begins its
 * generations anew.
 */
#ifndef SLUICE_CONTROL_REF_H
#define SLUICE_CONTROL_REF_H

#include <stdint.h>

#include "link/msg.h"

struct conn_ref {
	struct link_handle conn;
	uint64_t serial;
};

#endif
