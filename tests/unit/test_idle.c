/* dataplane/idle, snapshot and watchdog: when a shard sleeps, what wakes it, what others read and
 * hear. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "dataplane/idle.h"
#include "dataplane/snapshot.h"
#include "dataplane/watchdog.h"

static struct idle idle;

static void start(void)
{
	cr_assert_eq(idle_init(&idle, true), 0);
	idle_busy(&idle, 1000);
}

static void end(void)
{
	idle_fini(&idle);
}

TestSuite(idle, .init = start, .fini = end);

Test(idle, sleeps_after_a_run_of_empty_turns)
{
	cr_expect_not(idle_is_due(&idle, 1000));
	cr_expect_not(idle_is_due(&idle, 1000 + IDLE_SPIN_US - 1));
	cr_expect(idle_is_due(&idle, 1000 + IDLE_SPIN_US));
	idle_busy(&idle, 1000 + IDLE_SPIN_US);
	cr_expect_not(idle_is_due(&idle, 1000 + IDLE_SPIN_US));
}

Test(idle, one_empty_turn_is_enough_when_control_was_woken)
{
	idle.nap_us = IDLE_NAP_MAX_US;
	idle_busy_once(&idle);
	cr_expect(idle_is_due(&idle, 1000));
	cr_expect_eq(idle.nap_us, IDLE_NAP_MIN_US, "the answer is near");
	idle.enabled = false;
	cr_expect_not(idle_is_due(&idle, 1000));
}

Test(idle, never_sleeps_when_told_so)
{
	idle.enabled = false;
	cr_expect_not(idle_is_due(&idle, UINT64_MAX));
}

Test(idle, naps_grow_to_their_bound_and_start_over_with_work)
{
	idle.polled = true;
	for (int i = 0; i < 20; i++) {
		cr_expect_leq(idle.nap_us, IDLE_NAP_MAX_US);
		cr_expect_not(idle_sleep(&idle, 1000, 1001));
		cr_expect(idle_is_due(&idle, 1000), "between naps one turn is enough");
	}
	cr_expect_eq(idle.nap_us, IDLE_NAP_MAX_US);
	idle_busy(&idle, 2000);
	cr_expect_eq(idle.nap_us, IDLE_NAP_MIN_US);
	cr_expect_not(idle_is_due(&idle, 2000));
}

Test(idle, timer_that_is_due_does_not_sleep)
{
	cr_expect_not(idle_sleep(&idle, 1000, 1000));
	cr_expect_not(idle_sleep(&idle, 1000, 0));
}

Test(idle, descriptor_wakes_once_for_each_edge)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	cr_assert_eq(idle_watch(&idle, fd), 0);
	eventfd_write(fd, 1);
	cr_expect(idle_sleep(&idle, 1000, UINT64_MAX));
	cr_expect_not(idle_sleep(&idle, 1000, 1001), "not read, and not an edge");
	eventfd_write(fd, 1);
	cr_expect(idle_sleep(&idle, 1000, UINT64_MAX));
	close(fd);
}

Test(idle, plain_file_cannot_be_watched)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	cr_expect_lt(idle_watch(&idle, fd), 0);
	close(fd);
}

Test(snapshot, reader_sees_what_was_published)
{
	struct shard_snapshot now = {.turns = 7}, got;
	char dir[] = "/tmp/sluice-stats.XXXXXX", path[64];
	struct snapshot s;
	int fd;

	now.stage[SHARD_STAGE_TX].cycles = 99;
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/shard0.stats", dir);
	cr_assert_eq(snapshot_open(path, NULL, 0, &s), 0);
	snapshot_publish(&s, &now);
	fd = open(path, O_RDONLY);
	cr_expect_eq(read(fd, &got, sizeof(got)), sizeof(got));
	cr_expect_eq(got.head.version, LINK_STATS_VERSION);
	got.head = now.head;
	cr_expect_eq(memcmp(&got, &now, sizeof(got)), 0);
	close(fd);
	snapshot_close(&s);
	cr_expect_eq(access(path, F_OK), -1);
	rmdir(dir);
}

Test(snapshot, file_of_an_earlier_start_is_replaced)
{
	char dir[] = "/tmp/sluice-stats.XXXXXX", path[64];
	struct snapshot a, b;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/shard0.stats", dir);
	cr_assert_eq(snapshot_open(path, NULL, 0, &a), 0);
	cr_assert_eq(snapshot_open(path, NULL, 0, &b), 0);
	snapshot_close(&b);
	snapshot_close(&a);
	rmdir(dir);
}

Test(snapshot, none_is_shared_without_a_path_and_none_in_a_folder_that_is_not_there)
{
	struct shard_snapshot now = {0};
	struct snapshot s;

	cr_assert_eq(snapshot_open(NULL, NULL, 0, &s), 0);
	snapshot_publish(&s, &now);
	snapshot_close(&s);
	cr_expect_eq(snapshot_open("/nonexistent/shard0.stats", NULL, 0, &s), -ENOENT);
}

static const char *counter_name(unsigned int i)
{
	return i == 0 ? "FIRST" : "SECOND_OF_A_NAME_THAT_IS_LONGER_THAN_ITS_ROOM_IN_THE_FILE";
}

static const char *counter_text(unsigned int i)
{
	return i == 0 ? "what it means" : "";
}

/* As control does it: nothing of the dataplane is known but the file. */
Test(snapshot, counters_say_themselves_what_they_are)
{
	uint64_t a[2] = {5, 6}, b[1] = {7};
	const struct counter_group group[] = {
		{"net", "", a, 2, counter_name, counter_text},
		{"port", "outside", b, 1, counter_name, counter_text},
	};
	char dir[] = "/tmp/sluice-stats.XXXXXX", path[64];
	struct shard_snapshot now = {.turns = 1};
	struct link_stats_counter c;
	struct snapshot s;
	void *file;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/shard0.stats", dir);
	cr_assert_eq(snapshot_open(path, group, 2, &s), 0);
	a[1] = 66;
	snapshot_publish(&s, &now);
	cr_assert_eq(link_stats_read(path, &file), 0);
	cr_assert_eq(link_stats_n(file), 3);
	c = link_stats_at(file, 0);
	cr_expect_str_eq(c.room, "net");
	cr_expect_str_eq(c.object, "");
	cr_expect_str_eq(c.name, "FIRST");
	cr_expect_str_eq(c.text, "what it means");
	cr_expect_eq(c.value, 5);
	c = link_stats_at(file, 1);
	cr_expect_eq(strlen(c.name), sizeof(((struct link_stats_info *)0)->name) - 1, "cut");
	cr_expect_eq(c.value, 66);
	c = link_stats_at(file, 2);
	cr_expect_str_eq(c.object, "outside");
	cr_expect_eq(c.value, 7);
	free(file);
	snapshot_close(&s);
	rmdir(dir);
}

/* --- the watchdog ----------------------------------------------------------------------------- */

Test(watchdog, one_shard_that_stands_still_is_enough)
{
	uint64_t a = 5, b = 7, seen[2] = {0};
	const uint64_t *turns[] = {&a, &b};
	const struct watchdog_conf wc = {.turns = turns, .shards = 2};

	cr_expect(watchdog_look(&wc, seen));
	cr_expect_not(watchdog_look(&wc, seen));
	a++;
	cr_expect_not(watchdog_look(&wc, seen));
	a++;
	cr_expect_not(watchdog_look(&wc, seen), "the other has not moved since");
	b++;
	cr_expect(watchdog_look(&wc, seen));
	cr_expect_not(watchdog_look(&wc, seen));
}
