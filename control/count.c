/* control/count.c - see count.h. */
#include "control/count.h"

#include <assert.h>
#include <stdatomic.h>

#include "control/errors.h"

static atomic_uint_least64_t counted[CONTROL_C_COUNT];

void control_count(enum control_counter c)
{
	atomic_fetch_add_explicit(&counted[c], 1, memory_order_relaxed);
	if (c != CONTROL_C_RELOADED) /* the one that held nobody off */
		errors_note_counter((int)c);
}

uint64_t control_counted(enum control_counter c)
{
	return atomic_load_explicit(&counted[c], memory_order_relaxed);
}

struct control_counter_info control_counter_info(enum control_counter c)
{
	static const struct control_counter_info info[] = {
#define X(name, room, limit, text) {room, #name, limit, text},
		CONTROL_COUNTERS(X)
#undef X
	};

	assert(c < CONTROL_C_COUNT);
	return info[c];
}
