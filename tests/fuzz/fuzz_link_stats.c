/* Any bytes as a file of counters: refused, or every string and value its head promises is there.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "link/stats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static volatile uint64_t sink;
	uint8_t *file = malloc(size + (size == 0)); /* aligned, and its end is watched */

	if (file == NULL)
		abort();
	if (size > 0)
		memcpy(file, data, size);
	if (size >= sizeof(uint64_t)) /* or no input but one of this version would get far */
		memcpy(file, &(uint64_t){LINK_STATS_VERSION}, sizeof(uint64_t));
	if (link_stats_check(file, size) == 0) {
		for (size_t i = 0; i < link_stats_n(file); i++) {
			struct link_stats_counter c = link_stats_at(file, i);

			sink += strlen(c.room) + strlen(c.object) + strlen(c.name) +
				strlen(c.text) + c.value;
		}
		(void)sink;
	}
	free(file);
	return 0;
}
