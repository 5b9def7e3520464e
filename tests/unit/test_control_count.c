/* control/count: every limit has a name and a default, and what counts it is there to be read. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

#include "conf/conf.h"
#include "control/admin/admin.h"
#include "control/admin/web.h"
#include "control/count.h"
#include "control/helper/client.h"
#include "control/helper/server.h"
#include "control/hook/answer.h"
#include "control/hook/handler.h"
#include "control/hook/hook.h"
#include "control/most.h"
#include "control/session/internal.h"
#include "control/signer/remote.h"

/* Limits no keyword sets; that they stand here is that they are names of the source. */
static const struct {
	const char *name;
	uint64_t value;
} fixed[] = {
	{"HELPER_JOBS_MAX", HELPER_JOBS_MAX},
	{"HELPER_TALKS_MAX", HELPER_TALKS_MAX},
	{"HELPER_USER_JOBS_MAX", HELPER_USER_JOBS_MAX},
	{"HELPER_SESSIONS_MAX", HELPER_SESSIONS_MAX},
	{"HELPER_USER_SESSIONS_MAX", HELPER_USER_SESSIONS_MAX},
	{"HELPER_TIME_MAX", HELPER_TIME_MAX},
	{"HELPER_ALL_MAX", HELPER_ALL_MAX},
	{"ADMIN_CLIENTS_MAX", ADMIN_CLIENTS_MAX},
	{"HOOK_ASKED_MAX", HOOK_ASKED_MAX},
	{"HOOK_QUEUE_MAX", HOOK_QUEUE_MAX},
	{"HOOK_NEWS_MAX", HOOK_NEWS_MAX},
	{"HOOK_REQUEST_MAX", HOOK_REQUEST_MAX},
	{"HOOK_LINE_MAX", HOOK_LINE_MAX},
	{"HANDLER_LINES_MAX", HANDLER_LINES_MAX},
	{"WEB_CLIENTS_MAX", WEB_CLIENTS_MAX},
	{"RESOLVE_MS", RESOLVE_MS},
	{"SIGNER_ASKED_MAX", SIGNER_ASKED_MAX},
	{"SIGNER_FILES_MAX", SIGNER_FILES_MAX},
	{"KEYSETS_MAX", KEYSETS_MAX},
};

static const struct conf_keyword_info *keyword(const char *name, size_t len)
{
	const struct conf_keyword_info *k;

	for (size_t i = 0; (k = conf_keyword_at(i)) != NULL; i++)
		if (strlen(k->name) == len && memcmp(k->name, name, len) == 0)
			return k;
	return NULL;
}

static bool is_fixed(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (strlen(fixed[i].name) == len && memcmp(fixed[i].name, name, len) == 0)
			return fixed[i].value > 0;
	return false;
}

static const char *const no_limit[] = {"POOL_FULL", "POOL_LATE"};

static bool has_none(const char *name)
{
	for (size_t i = 0; i < sizeof(no_limit) / sizeof(no_limit[0]); i++)
		if (strcmp(no_limit[i], name) == 0)
			return true;
	return false;
}

Test(control_count, each_names_a_limit_with_a_default)
{
	for (enum control_counter i = 0; i < CONTROL_C_COUNT; i++) {
		struct control_counter_info c = control_counter_info(i);
		size_t len;

		cr_expect_gt(strlen(c.text), 10);
		cr_expect_gt(strlen(c.room), 2);
		for (const char *p = c.limit; !has_none(c.name) && *p != '\0'; p += len) {
			const struct conf_keyword_info *k;

			p += strspn(p, ", ");
			len = strcspn(p, ", ");
			if (islower(p[0])) /* a part of the keyword's value */
				continue;
			k = keyword(p, len);
			/* One that is given again and again has a limit by its lines. */
			cr_expect(k != NULL ? k->dflt != NULL || k->repeatable : is_fixed(p, len),
				  "%s: %.*s", c.name, (int)len, p);
		}
	}
}

/* Samples of a metric are told apart by it. */
Test(control_count, no_two_have_one_limit)
{
	for (enum control_counter i = 0; i < CONTROL_C_COUNT; i++)
		for (enum control_counter k = 0; k < i; k++) {
			const char *a = control_counter_info(i).limit;

			cr_expect(a[0] == '\0' || strcmp(a, control_counter_info(k).limit) != 0,
				  "%s", a);
		}
}

/* What bounds the door, the login, opens and compression is counted somewhere. */
Test(control_count, each_limit_is_counted)
{
	static const char *const limits[] = {
		"PerSourcePenalties",
		"PerSourceMaxStartups",
		"MaxStartups",
		"LoginGraceTime",
		"HandshakeTimeout",
		"MaxAuthTries",
		"RefuseConnection",
		"SlowPathRate",
		"MaxConnectionsPerUser",
		"MaxConnectionsPerSource",
		"MaxChannelsPerConnection",
		"MaxChannelsPerUser",
		"MaxChannelsPerSource",
		"MaxConnectingPerUser",
		"MaxConnecting",
		"HELPER_JOBS_MAX",
		"HELPER_USER_JOBS_MAX",
		"PerSourceMaxHelperJobs",
		"HELPER_TIME_MAX",
		"SIGNER_ASKED_MAX",
		"KEYSETS_MAX",
	};

	for (size_t n = 0; n < sizeof(limits) / sizeof(limits[0]); n++) {
		bool found = false;

		for (enum control_counter i = 0; i < CONTROL_C_COUNT; i++) {
			const char *at = strstr(control_counter_info(i).limit, limits[n]);
			size_t len = strlen(limits[n]);

			found = found || (at != NULL && !isalpha(at[len]));
		}
		cr_expect(found, "%s", limits[n]);
	}
}

Test(control_count, counts_one_at_a_time)
{
	for (enum control_counter i = 0; i < CONTROL_C_COUNT; i++) {
		for (int k = 0; k <= (int)i; k++)
			control_count(i);
	}
	for (enum control_counter i = 0; i < CONTROL_C_COUNT; i++)
		cr_expect_eq(control_counted(i), (uint64_t)i + 1);
}

#define COUNTS 16

/* Counts that go up and down in a fixed disorder, beside a look at all of them. */
Test(control_count, the_largest_is_known_at_any_time)
{
	uint32_t count[COUNTS] = {0}, state = 1, most, has;
	struct most m = {0};

	for (unsigned int i = 0; i < 20000; i++) {
		unsigned int k;

		state = state * 1664525 + 1013904223;
		k = state >> 28;
		/* More up than down, then the other way round, to the end. */
		if ((state >> 8) % 8 < (i < 10000 ? 5 : 3))
			most_up(&m, ++count[k]);
		else if (count[k] > 0)
			most_down(&m, --count[k]);
		has = 0;
		for (k = 0; k < COUNTS; k++)
			has = count[k] > has ? count[k] : has;
		cr_assert(most_known(&m, &most));
		cr_assert_eq(most, has, "after %u", i);
	}
	for (unsigned int k = 0; k < COUNTS; k++)
		while (count[k] > 0)
			most_down(&m, --count[k]);
	cr_expect(most_known(&m, &most) && most == 0);
	cr_expect_null(m.at, "nothing is kept for none");
}
