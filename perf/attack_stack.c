/* perf/attack_stack.c - see attack.h. */
#include "perf/attack.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

bool attack_begin(struct stack *s, const char *core, const char *device, const char *own,
		  const char *via)
{
	char own_net[64];
	struct stack_conf conf = {.name = "attack",
				  .core = atoi(core),
				  .memory_mb = 256,
				  .data_mbufs = 24575,
				  .head_mbufs = 49151,
				  .port = {{.device = device, .own = own_net}},
				  .via = via,
				  .conns_max = ATTACK_CONNS,
				  .time_wait_max = 16384,
				  .rx_budget = 4u << 20,
				  .tx_budget = 4u << 20};

	snprintf(own_net, sizeof(own_net), "%s/24", own);
	return stack_begin(s, &conf);
}

struct attack_stats *attack_stats_map(const char *path, bool create)
{
	int fd = open(path, create ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0600);
	void *p = MAP_FAILED;

	if (fd >= 0 && (!create || ftruncate(fd, sizeof(struct attack_stats)) == 0))
		p = mmap(NULL, sizeof(struct attack_stats),
			 create ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (p == MAP_FAILED) {
		perror(path);
		return NULL;
	}
	return p;
}
