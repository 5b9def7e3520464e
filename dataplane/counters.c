/* dataplane/counters.c - see counters.h. */
#include "dataplane/counters.h"

#include "conf/conf.h"
#include "dataplane/internal.h"
#include "ssh/err.h"

_Static_assert(6 + NET_IFACES_MAX + SHARD_STAGE_COUNT + 1 + SHARD_LIMIT_COUNT <= COUNTER_GROUPS_MAX,
	       "a group each");

static const char *net_name(unsigned int i)
{
	return net_drop_name((enum net_drop)i);
}

static const char *net_text(unsigned int i)
{
	return net_drop_text((enum net_drop)i);
}

static const char *tcp_name(unsigned int i)
{
	return tcp_counter_name((enum tcp_counter)i);
}

static const char *tcp_text(unsigned int i)
{
	return tcp_counter_text((enum tcp_counter)i);
}

static const char *relay_name(unsigned int i)
{
	return relay_counter_name((enum relay_counter)i);
}

static const char *relay_text(unsigned int i)
{
	return relay_counter_text((enum relay_counter)i);
}

static const char *host_name(unsigned int i)
{
	return host_counter_name((enum host_counter)i);
}

static const char *host_text(unsigned int i)
{
	return host_counter_text((enum host_counter)i);
}

static const char *park_name(unsigned int i)
{
	return park_counter_name((enum park_counter)i);
}

static const char *park_text(unsigned int i)
{
	return park_counter_text((enum park_counter)i);
}

static const char *ssh_name(unsigned int i)
{
	return ssh_err_counter(-(SSH_E_BASE + 1 + (int)i));
}

static const char *ssh_text(unsigned int i)
{
	return ssh_err_text(-(SSH_E_BASE + 1 + (int)i));
}

static const char *port_name(unsigned int i)
{
	return port_counter_name((enum port_counter)i);
}

static const char *port_text(unsigned int i)
{
	return port_counter_text((enum port_counter)i);
}

unsigned int counters_of(const struct shard *s, struct counter_group ret[COUNTER_GROUPS_MAX])
{
	const struct counter_group rooms[] = {
		{"net", "", net_drops(s->net), NET_DROP_COUNT, net_name, net_text},
		{"tcp", "", tcp_counters(s->tcp), TCP_C_COUNT, tcp_name, tcp_text},
		{"relay", "", relay_counters(s->relay), RELAY_C_COUNT, relay_name, relay_text},
		{"host", "", host_counters(s->host), HOST_C_COUNT, host_name, host_text},
		{"park", "", s->park.counters, PARK_C_COUNT, park_name, park_text},
		{"ssh", "", relay_error_counters(s->relay), SSH_E_COUNT, ssh_name, ssh_text},
	};
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->n_ports; i++)
		ret[n++] = (struct counter_group){"port",
						  s->conf->interfaces[s->iface_of[i]].name,
						  s->port[i].counters,
						  PORT_C_COUNT,
						  port_name,
						  port_text};
	for (unsigned int i = 0; i < RTE_DIM(rooms); i++)
		ret[n++] = rooms[i];
	return n;
}

/* --- beside what the rooms count ---------------------------------------------------------------
 */

static const char *stage_name(unsigned int i)
{
	static const char *const name[] = {"CYCLES", "ITEMS", "BATCHES", "BYTES"};

	return name[i];
}

static const char *stage_text(unsigned int i)
{
	static const char *const text[] = {
		"cycles of turns that did work", "what it worked on: packets, segments, records",
		"turns in which there were any", "bytes of them, in its kind"};

	return text[i];
}

static const char *turns_name(unsigned int i)
{
	static const char *const name[] = {"TSC_HZ", "TURNS", "BUSY_TURNS", "SLEEPS"};

	return name[i];
}

static const char *turns_text(unsigned int i)
{
	static const char *const text[] = {"cycles of a second", "turns of the shard",
					   "turns that found work", "times it slept"};

	return text[i];
}

unsigned int counters_shared(const struct shard *s, struct counter_group ret[COUNTER_GROUPS_MAX])
{
	static const char *const stage[] = {
#define X(name, key, text) key,
		SHARD_STAGES(X)
#undef X
	};
	unsigned int n = counters_of(s, ret);

	_Static_assert(sizeof(s->stats.stage[0]) == 4 * sizeof(uint64_t) &&
			       offsetof(struct shard_snapshot, sleeps) ==
				       offsetof(struct shard_snapshot, tsc_hz) +
					       3 * sizeof(uint64_t),
		       "four in a row");
	ret[n++] = (struct counter_group){"shard", "", &s->stats.tsc_hz, 4, turns_name, turns_text};
	for (unsigned int i = 0; i < SHARD_STAGE_COUNT; i++)
		ret[n++] = (struct counter_group){"stage", stage[i],   &s->stats.stage[i].cycles,
						  4,       stage_name, stage_text};
	for (unsigned int i = 0; i < SHARD_LIMIT_COUNT; i++)
		ret[n++] = (struct counter_group){"limit",
						  shard_limit_name(i),
						  s->limit[i],
						  SHARD_LIMIT_VALUES,
						  shard_limit_value_name,
						  shard_limit_value_text};
	return n;
}
