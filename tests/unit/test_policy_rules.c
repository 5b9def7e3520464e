/* TargetRule and ListenRule: how they are read, whom they are about, what is special (S-74, S-76).
 */
#include "conf/week.h"
#include "control/policy/addr.h"
#include "control/policy/policy.h"
#include "tests/unit/conf_bench.h"

#define KEY   "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define OTHER "SHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
#define NOON  (3 * WEEK_DAY + 12 * 60) /* Wednesday */

static struct link_addr addr(const char *text)
{
	struct link_addr a = {0};

	cr_assert(addr_parse(text, &a), "%s", text);
	return a;
}

/* --- read ------------------------------------------------------------------------------------ */

Test(policy_rules, lines_that_are_taken)
{
	static const char *const ok[] = {
		"allow any",
		"deny *:*",
		"ALLOW 10.0.0.0/8:22",
		"allow 10.0.0.1:22,80,8000-8999",
		"allow [2001:db8::/32]:443 [::1]:80",
		"allow [::ffff:10.0.0.0/104]:80",
		"allow db.example.com:5432 !db.example.com:1",
		"allow *.corp:*",
		"allow /run/app/*.sock",
		"allow *:* user=alice,!bob group=dev,\"ops team\"",
		"allow *:* key=" KEY ",!" OTHER " principal=p keyid=k",
		"allow *:* from=192.0.2.0/24,!192.0.2.7",
		"allow *:* time=Mon-Fri/08:00-18:00,!Wed,Sat,22:00-06:00",
		"allow *:* time=00:00-24:00",
	};

	for (size_t i = 0; i < NELEM(ok); i++) {
		char text[256];

		snprintf(text, sizeof(text), "TargetRule %s\n", ok[i]);
		conf_put(parse(text));
	}
}

Test(policy_rules, lines_that_are_not)
{
	static const char *const bad[] = {
		"TargetRule allow",
		"TargetRule 10.0.0.0/8:22",
		"TargetRule permit *:*",
		"TargetRule allow user=alice",
		"TargetRule allow !10.0.0.1:22",
		"TargetRule allow 10.0.0.0/8",
		"TargetRule allow 10.0.0.1/8:22",
		"TargetRule allow 10.0.0.0/33:22",
		"TargetRule allow 10.*:22",
		"TargetRule allow 10.0.0:22",
		"TargetRule allow 2001:db8::1:22",
		"TargetRule allow [2001:db8::1:22",
		"TargetRule allow [2001:db8::1]",
		"TargetRule allow db:",
		"TargetRule allow :22",
		"TargetRule allow db:0x16",
		"TargetRule allow db:65536",
		"TargetRule allow db:22-",
		"TargetRule allow db:23-22",
		"TargetRule allow db:22,",
		"TargetRule allow db:,22",
		"TargetRule allow db/x:22",
		"TargetRule allow *:* shell=yes",
		"TargetRule allow *:* user=",
		"TargetRule allow *:* user=a user=b",
		"TargetRule allow *:* user=a,,b",
		"TargetRule allow *:* key=MD5:00",
		"TargetRule allow *:* key=SHA256:AAAA",
		"TargetRule allow *:* key=" KEY "x",
		"TargetRule allow *:* key=" KEY ",",
		"TargetRule allow *:* from=10.0.0.1/8",
		"TargetRule allow *:* time=",
		"TargetRule allow *:* time=Mon/",
		"TargetRule allow *:* time=Mo",
		"TargetRule allow *:* time=08:00",
		"TargetRule allow *:* time=08:00-08:00",
		"TargetRule allow *:* time=8:00-09:00",
		"TargetRule allow *:* time=24:00-25:00",
		"TargetRule allow *:* time=23:60-24:00",
		"TargetRule allow *:* time=Mon-Fri,",
		"TargetRule allow *:* time=Mon time=Tue",
		"TargetRule allow \"*:*",
		"ListenRule allow name:80",
		"ListenRule allow /run/x",
		"ListenRule allow *.corp:80",
	};

	for (size_t i = 0; i < NELEM(bad); i++)
		free(refuse(bad[i], strlen(bad[i])));
}

/* What -T prints is what was read. */
Test(policy_rules, they_are_dumped_as_they_stand)
{
	struct conf *conf = parse("TargetRule deny 10.0.0.0/8:22 user=bob\nTargetRule allow *:*\n"
				  "ListenRule allow localhost:8000-8010\n");
	char *text = dump(conf, NULL);

	cr_expect_not_null(strstr(text, "\ntargetrule deny 10.0.0.0/8:22 user=bob\n"
					"targetrule allow *:*\n"));
	cr_expect_not_null(strstr(text, "\nlistenrule allow localhost:8000-8010\n"));
	free(text);
	conf_put(conf);
}

/* --- hours of the week ---------------------------------------------------------------------------
 */

Test(policy_rules, hours)
{
	enum { SUN, MON, TUE, WED, THU, FRI, SAT };
	static const struct {
		const char *list;
		int day, hour, minute;
		bool has;
	} c[] = {
		{"Mon", MON, 0, 0, true},
		{"Mon", MON, 23, 59, true},
		{"Mon", TUE, 0, 0, false},
		{"mon", MON, 12, 0, true},
		{"Fri-Mon", SUN, 12, 0, true},
		{"Fri-Mon", TUE, 12, 0, false},
		{"08:00-18:00", WED, 8, 0, true},
		{"08:00-18:00", WED, 7, 59, false},
		{"08:00-18:00", WED, 18, 0, false},
		{"Mon-Fri/08:00-18:00", SAT, 9, 0, false},
		{"Mon-Fri/08:00-18:00,Sat/10:00-12:00", SAT, 11, 0, true},
		/* over midnight: of the day it began in */
		{"Fri/22:00-06:00", FRI, 22, 0, true},
		{"Fri/22:00-06:00", SAT, 5, 59, true},
		{"Fri/22:00-06:00", SAT, 6, 0, false},
		{"Fri/22:00-06:00", FRI, 5, 0, false},
		{"Sat/23:00-01:00", SUN, 0, 30, true},
		{"22:00-06:00", SUN, 0, 0, true},
		{"Mon/22:00-24:00", TUE, 0, 0, false},
		{"Mon-Fri,!Wed", WED, 12, 0, false},
		{"!Wed,Mon-Fri", WED, 12, 0, false},
		{"Mon-Fri,!12:00-13:00", MON, 12, 30, false},
		{"!Wed", MON, 12, 0, false},
	};

	for (size_t i = 0; i < NELEM(c); i++) {
		const char *list = c[i].list;
		struct week_span spans[8];
		size_t n = 0;

		while (list != NULL)
			cr_assert(week_span_parse(&list, &spans[n++]), "%s", c[i].list);
		cr_expect_eq(week_has(spans, n,
				      (unsigned int)(c[i].day * WEEK_DAY + c[i].hour * 60 +
						     c[i].minute)),
			     c[i].has, "case %zu: %s", i, c[i].list);
	}
}

/* --- who, where
 * ------------------------------------------------------------------------------------
 */

struct asker {
	const char *user, *groups[3], *marks, *from;
	int minute;
};
static const struct asker alice = {.user = "alice",
				   .groups = {"dev", "users"},
				   .marks = "k" KEY "\0ialice@box\0pops\0pdb\0",
				   .from = "192.0.2.9",
				   .minute = NOON};
/* By a password, nobody knows in which groups. */
static const struct asker bob = {.user = "bob", .marks = "", .from = "203.0.113.1", .minute = NOON};
/* Of whom nothing is known but the name. */
static const struct asker carol = {.user = "carol", .minute = -1};

static const struct link_addr *own;
static size_t n_own;

/* What the rules say of host at this address; NULL: it is not known yet. */
static enum policy_saying says(const char *lines, const struct asker *who, const char *host,
			       const char *at, uint16_t port)
{
	struct conf *conf = parse(lines);
	struct conf_session s = session(conf, who->user, who->from, NULL, 22);
	struct conf_strs groups = {(const char *const *)who->groups, 0};
	struct policy_rules r = {.target_rules = s.target_rules,
				 .own = own,
				 .n_own = n_own,
				 .who = {.user = who->user,
					 .addr = who->from,
					 .marks = who->marks,
					 .minute = who->minute}};
	struct policy_why why;
	enum policy_saying said;
	struct conf_dest d;

	while (groups.n < 3 && who->groups[groups.n] != NULL)
		groups.n++;
	r.who.groups = groups.n > 0 ? &groups : NULL;
	if (at != NULL) {
		struct link_addr a = addr(at);

		d = policy_dest_at(&r, host, &a, port);
	} else {
		d = policy_dest(&r, host, port);
	}
	said = policy_targets_say(&r, &d, &why);
	conf_session_fini(&s);
	conf_put(conf);
	return said;
}

enum {
	NOTHING = POLICY_SAYS_NOTHING,
	NO = POLICY_SAYS_NO,
	MAYBE = POLICY_SAYS_MAYBE,
	YES = POLICY_SAYS_YES
};

Test(policy_rules, who_and_where)
{
	static const struct {
		const char *rules;
		const struct asker *who;
		const char *host, *at;
		uint16_t port;
		int said;
	} c[] = {
		{"", &alice, "db", "10.0.0.1", 80, NOTHING},
		{"TargetRule allow /run/x", &alice, "db", "10.0.0.1", 80, NOTHING},
		{"TargetRule deny *:25", &alice, "db", "10.0.0.1", 80, NO},
		{"TargetRule deny *:25\nTargetRule allow any", &alice, "db", "10.0.0.1", 80, YES},
		{"TargetRule allow any\nTargetRule deny *:25", &alice, "db", "10.0.0.1", 25, YES},
		{"TargetRule allow 10.0.0.0/8:22,80", &alice, "db", "10.0.0.1", 80, YES},
		{"TargetRule allow 10.0.0.0/8:22,80", &alice, "db", "10.0.0.1", 81, NO},
		{"TargetRule allow 10.0.0.0/8:80-89", &alice, "db", "10.0.0.1", 89, YES},
		{"TargetRule allow 10.0.0.0/8:*", &alice, "db", "11.0.0.1", 80, NO},
		{"TargetRule allow 10.0.0.0/8:*", &alice, "db", "::ffff:10.0.0.1", 80, YES},
		{"TargetRule allow [::ffff:10.0.0.0/104]:*", &alice, "db", "10.0.0.1", 80, YES},
		{"TargetRule allow 10.0.0.0/8:* !10.0.0.0/24:*", &alice, "db", "10.0.0.1", 80, NO},
		{"TargetRule allow 10.0.0.0/8:* !10.0.0.0/24:*", &alice, "db", "10.0.1.1", 80, YES},
		{"TargetRule allow [2001:db8::/32]:*", &alice, "db", "2001:db8::1", 80, YES},
		{"TargetRule allow [2001:db8::/32]:*", &alice, "db", "2001:db9::1", 80, NO},
		/* names: as they were asked for */
		{"TargetRule allow *.corp:*", &alice, "db.corp", "10.0.0.1", 80, YES},
		{"TargetRule allow *.corp:*", &alice, "DB.Corp", "10.0.0.1", 80, YES},
		{"TargetRule allow *.corp:*", &alice, "corp", "10.0.0.1", 80, NO},
		{"TargetRule deny db.corp:*\nTargetRule allow any", &alice, "db.corp.", "10.0.0.1",
		 80, NO},
		{"TargetRule deny *:* !*.corp:*\nTargetRule allow any", &alice, "x.corp",
		 "10.0.0.1", 80, YES},
		{"TargetRule allow ?.?.?.?x:*", &alice, "1.2.3.4", "1.2.3.4", 80, NO},
		{"TargetRule allow *e*:*", &alice, "2001:db8::e", "2001:db8::e", 80, NO},
		/* before the name is looked up */
		{"TargetRule allow 10.0.0.0/8:80", &alice, "db", NULL, 80, MAYBE},
		{"TargetRule allow 10.0.0.0/8:80", &alice, "db", NULL, 81, NO},
		{"TargetRule deny 10.0.0.0/8:*", &alice, "db", NULL, 80, NO},
		{"TargetRule deny 10.0.0.0/8:*\nTargetRule allow db:80", &alice, "db", NULL, 80,
		 YES},
		{"TargetRule allow db:80 !10.0.0.0/8:*", &alice, "db", NULL, 80, MAYBE},
		{"TargetRule deny evil:*\nTargetRule allow 10.0.0.0/8:*", &alice, "evil", NULL, 80,
		 NO},
		/* who */
		{"TargetRule allow any user=alice", &alice, "db", "10.0.0.1", 80, YES},
		{"TargetRule allow any user=alice", &bob, "db", "10.0.0.1", 80, NO},
		{"TargetRule allow any user=!bob,*", &bob, "db", "10.0.0.1", 80, NO},
		{"TargetRule allow any group=dev", &alice, "db", "10.0.0.1", 80, YES},
		{"TargetRule allow any group=ops", &alice, "db", "10.0.0.1", 80, NO},
		{"TargetRule allow any group=dev,!users", &alice, "db", "10.0.0.1", 80, NO},
		{"TargetRule allow any key=" KEY, &alice, "db", "10.0.0.1", 80, YES},
		{"TargetRule allow any key=" OTHER, &alice, "db", "10.0.0.1", 80, NO},
		{"TargetRule allow any key=" KEY, &bob, "db", "10.0.0.1", 80, NO},
		{"TargetRule allow any principal=db", &alice, "db", "10.0.0.1", 80, YES},
		{"TargetRule allow any principal=d", &alice, "db", "10.0.0.1", 80, NO},
		{"TargetRule allow any principal=db,!ops", &alice, "db", "10.0.0.1", 80, NO},
		{"TargetRule allow any keyid=*@box", &alice, "db", "10.0.0.1", 80, YES},
		{"TargetRule allow any keyid=db", &alice, "db", "10.0.0.1", 80, NO},
		{"TargetRule allow any from=192.0.2.0/24", &alice, "db", "10.0.0.1", 80, YES},
		{"TargetRule allow any from=192.0.2.0/24", &bob, "db", "10.0.0.1", 80, NO},
		{"TargetRule allow any time=Wed/11:00-13:00", &alice, "db", "10.0.0.1", 80, YES},
		{"TargetRule allow any time=Thu", &alice, "db", "10.0.0.1", 80, NO},
		{"TargetRule allow any user=alice group=dev from=192.0.2.9 time=Wed", &alice, "db",
		 "10.0.0.1", 80, YES},
		{"TargetRule allow any user=alice group=ops", &alice, "db", "10.0.0.1", 80, NO},
		/* what is not known does not allow, and does deny */
		{"TargetRule allow any group=dev", &carol, "db", "10.0.0.1", 80, NO},
		{"TargetRule allow any group=!dev,*", &carol, "db", "10.0.0.1", 80, NO},
		{"TargetRule allow any key=" KEY, &carol, "db", "10.0.0.1", 80, NO},
		{"TargetRule allow any time=Mon-Sun", &carol, "db", "10.0.0.1", 80, NO},
		{"TargetRule deny any group=ops\nTargetRule allow any", &carol, "db", "10.0.0.1",
		 80, NO},
		{"TargetRule deny any key=" KEY "\nTargetRule allow any", &carol, "db", "10.0.0.1",
		 80, NO},
		{"TargetRule deny any from=10.0.0.0/8\nTargetRule allow any", &carol, "db",
		 "10.0.0.1", 80, NO},
		{"TargetRule deny any time=Mon\nTargetRule allow any", &carol, "db", "10.0.0.1", 80,
		 NO},
		{"TargetRule deny any group=ops\nTargetRule allow any", &alice, "db", "10.0.0.1",
		 80, YES},
		/* in Match: in place of those outside */
		{"TargetRule deny any\nMatch user alice\nTargetRule allow any", &alice, "db",
		 "10.0.0.1", 80, YES},
		{"TargetRule deny any\nMatch user alice\nTargetRule allow any", &bob, "db",
		 "10.0.0.1", 80, NO},
	};

	for (size_t i = 0; i < NELEM(c); i++)
		cr_expect_eq(says(c[i].rules, c[i].who, c[i].host, c[i].at, c[i].port),
			     (enum policy_saying)c[i].said, "case %zu: %s: %s", i, c[i].rules,
			     c[i].host);
}

/* S-76: only a network that lies within what is special names it; what denies need not. */
Test(policy_rules, special_addresses_are_named)
{
	static const struct {
		const char *rule, *at;
		int said;
	} c[] = {
		{"allow any", "127.0.0.1", NO},
		{"allow 0.0.0.0/0:*", "127.0.0.1", NO},
		{"allow 0.0.0.0/1:*", "127.0.0.1", NO},
		{"allow 126.0.0.0/7:*", "127.0.0.1", NO},
		{"allow 127.0.0.0/8:*", "127.0.0.1", YES},
		{"allow 127.0.0.1:*", "127.0.0.1", YES},
		{"allow 127.0.0.1:*", "127.0.0.2", NO},
		{"allow 127.0.0.0/8:80", "::ffff:127.0.0.1", YES},
		{"allow *.0.0.1x:*", "127.0.0.1", NO},
		{"allow 169.254.0.0/16:*", "169.254.3.4", YES},
		{"allow 169.254.0.0/16:*", "169.254.169.254", NO},
		{"allow 169.254.169.254:80", "169.254.169.254", YES},
		{"allow 100.64.0.0/10:*", "100.100.100.200", NO},
		{"allow 224.0.0.0/4:*", "239.1.1.1", YES},
		{"allow 224.0.0.0/3:*", "239.1.1.1", NO},
		{"allow 0.0.0.0/8:*", "0.0.0.0", YES},
		{"allow [::/0]:*", "::1", NO},
		{"allow [::/96]:*", "::1", NO},
		{"allow [::1]:*", "::1", YES},
		{"allow [fe80::/10]:*", "fe80::1", YES},
		{"allow [fe80::/9]:*", "fe80::1", NO},
		{"allow [fd00::/8]:*", "fd00:ec2::254", NO},
		{"allow [fd00:ec2::254]:*", "fd00:ec2::254", YES},
		/* what leads to one by a translator or a tunnel */
		{"allow 127.0.0.0/8:*", "64:ff9b::127.0.0.1", NO},
		{"allow [64:ff9b::/96]:*", "64:ff9b::127.0.0.1", NO},
		{"allow [64:ff9b::/96]:*", "64:ff9b::10.0.0.1", YES},
		{"allow [64:ff9b::7f00:0/104]:*", "64:ff9b::127.0.0.1", YES},
		{"allow [2002::/16]:*", "2002:7f00:1::1", NO},
		{"allow [2002:7f00::/24]:*", "2002:7f00:1::1", YES},
		/* the gateway's own: 198.18.0.2 and 2001:db8:5::2 */
		{"allow 198.18.0.0/15:*", "198.18.0.2", NO},
		{"allow 198.18.0.0/15:*", "198.18.0.3", YES},
		{"allow 198.18.0.2:*", "198.18.0.2", YES},
		{"allow [2001:db8:5::/64]:*", "2001:db8:5::2", NO},
		{"allow [2001:db8:5::2]:*", "2001:db8:5::2", YES},
		{"allow [64:ff9b::/96]:*", "64:ff9b::198.18.0.2", NO},
		{"allow [64:ff9b::c612:2]:*", "64:ff9b::198.18.0.2", YES},
		{"allow [2002:c612:2::/48]:*", "2002:c612:2::9", YES},
		{"allow [2002:c612::/32]:*", "2002:c612:2::9", NO},
	};
	static struct link_addr ours[2];

	ours[0] = addr("198.18.0.2");
	ours[1] = addr("2001:db8:5::2");
	own = ours;
	n_own = NELEM(ours);
	for (size_t i = 0; i < NELEM(c); i++) {
		char rule[128];

		snprintf(rule, sizeof(rule), "TargetRule %s", c[i].rule);
		cr_expect_eq(says(rule, &alice, "db", c[i].at, 80), (enum policy_saying)c[i].said,
			     "%s: %s", c[i].rule, c[i].at);
		/* One that does not name it does not decide: the next one may. */
		snprintf(rule, sizeof(rule), "TargetRule %s\nTargetRule allow %s%s%s:*", c[i].rule,
			 strchr(c[i].at, ':') != NULL ? "[" : "", c[i].at,
			 strchr(c[i].at, ':') != NULL ? "]" : "");
		cr_expect_eq(says(rule, &alice, "db", c[i].at, 80), POLICY_SAYS_YES, "%s", rule);
		cr_expect_eq(says("TargetRule deny any\nTargetRule allow 127.0.0.0/8:*", &alice,
				  "db", c[i].at, 80),
			     POLICY_SAYS_NO);
	}
}

Test(policy_rules, localhost_is_a_name_of_two)
{
	const char *const rule = "TargetRule allow localhost:80";

	cr_expect_eq(says(rule, &alice, "localhost", "127.0.0.1", 80), POLICY_SAYS_YES);
	cr_expect_eq(says(rule, &alice, "LOCALHOST.", "::1", 80), POLICY_SAYS_YES);
	cr_expect_eq(says(rule, &alice, "localhost", "127.0.0.2", 80), POLICY_SAYS_NO);
	cr_expect_eq(says(rule, &alice, "localhost", "169.254.169.254", 80), POLICY_SAYS_NO);
	cr_expect_eq(says(rule, &alice, "other", "127.0.0.1", 80), POLICY_SAYS_NO);
	cr_expect_eq(says("TargetRule allow localhos?:80", &alice, "localhost", "127.0.0.1", 80),
		     POLICY_SAYS_NO);
}

/* Of a name each address is judged by itself: one that may be reached brings no other with it. */
Test(policy_rules, a_name_of_two_addresses)
{
	static const struct {
		const char *rules;
		bool first, second; /* 10.0.0.1, 10.66.0.1 */
	} c[] = {
		{"TargetRule deny 10.66.0.0/16:*\nTargetRule allow two.corp:*", true, false},
		{"TargetRule allow 10.0.0.0/24:*", true, false},
		{"TargetRule allow *:* !10.66.0.0/16:*", true, false},
		{"TargetRule allow two.corp:*", true, true},
		{"TargetRule deny two.corp:*\nTargetRule allow any", false, false},
	};

	for (size_t i = 0; i < NELEM(c); i++) {
		cr_expect_eq(says(c[i].rules, &alice, "two.corp", "10.0.0.1", 80) ==
				     POLICY_SAYS_YES,
			     c[i].first, "case %zu", i);
		cr_expect_eq(says(c[i].rules, &alice, "two.corp", "10.66.0.1", 80) ==
				     POLICY_SAYS_YES,
			     c[i].second, "case %zu", i);
	}
}

/* --- listening, sockets ------------------------------------------------------------------------
 */

Test(policy_rules, where_may_be_listened)
{
	enum { LO = POLICY_AT_LOOPBACK, ALL = POLICY_AT_ALL, AT = POLICY_AT_ADDRESS };
	static const struct {
		const char *rules;
		int where;
		const char *at; /* NULL: of both families */
		uint16_t port;
		bool may;
	} c[] = {
		{"", ALL, NULL, 80, true},
		{"ListenRule allow *:8000-8999", ALL, NULL, 8080, true},
		{"ListenRule allow *:8000-8999", ALL, NULL, 80, false},
		{"ListenRule allow *:8000-8999", ALL, NULL, 0, false},
		{"ListenRule allow *:0,8080", ALL, NULL, 0, true},
		{"ListenRule allow *:*", ALL, NULL, 0, true},
		{"ListenRule allow 192.0.2.1:*", AT, "192.0.2.1", 80, true},
		{"ListenRule allow 192.0.2.1:*", AT, "192.0.2.2", 80, false},
		{"ListenRule allow 192.0.2.0/24:*", AT, "192.0.2.2", 80, true},
		/* All addresses are more than one, and have every one. */
		{"ListenRule allow 192.0.2.1:*", ALL, NULL, 80, false},
		{"ListenRule allow 192.0.2.1:*", ALL, "0.0.0.0", 80, false},
		{"ListenRule allow 0.0.0.0/0:*", ALL, "0.0.0.0", 80, true},
		{"ListenRule allow 0.0.0.0/0:*", ALL, "::", 80, false},
		{"ListenRule allow 0.0.0.0/0:*", ALL, NULL, 80, false},
		{"ListenRule deny 192.0.2.1:80\nListenRule allow *:*", ALL, NULL, 80, false},
		{"ListenRule deny 192.0.2.1:80\nListenRule allow *:*", ALL, "0.0.0.0", 80, false},
		{"ListenRule deny 192.0.2.1:80\nListenRule allow *:*", ALL, "::", 80, true},
		{"ListenRule deny 192.0.2.1:80\nListenRule allow *:*", ALL, NULL, 81, true},
		{"ListenRule allow *:* !192.0.2.1:80", ALL, NULL, 80, false},
		{"ListenRule deny localhost:80\nListenRule allow *:*", ALL, NULL, 80, false},
		{"ListenRule deny localhost:80\nListenRule allow *:*", ALL, "0.0.0.0", 80, false},
		{"ListenRule deny localhost:80\nListenRule allow *:*", ALL, "::", 80, false},
		{"ListenRule deny localhost:80\nListenRule allow *:*", ALL, NULL, 81, true},
		{"ListenRule deny localhost:80\nListenRule allow *:*", AT, "192.0.2.1", 80, true},
		{"ListenRule allow *:* !localhost:80", ALL, NULL, 80, false},
		{"ListenRule deny *:80 !localhost:80\nListenRule allow *:*", ALL, NULL, 80, false},
		{"ListenRule allow localhost:80", LO, NULL, 80, true},
		{"ListenRule allow localhost:80", LO, "127.0.0.1", 80, true},
		{"ListenRule allow localhost:80", LO, "127.0.0.2", 80, false},
		{"ListenRule allow localhost:80", ALL, NULL, 80, false},
		{"ListenRule allow localhost:80", AT, "192.0.2.1", 80, false},
		{"ListenRule allow 127.0.0.0/8:80", LO, NULL, 80, false},
		{"ListenRule allow 127.0.0.0/8:80 [::1]:80", LO, NULL, 80, true},
		{"ListenRule allow *:* user=bob", ALL, NULL, 80, false},
		{"TargetRule deny any", ALL, NULL, 80, true},
	};

	for (size_t i = 0; i < NELEM(c); i++) {
		struct conf *conf = parse(c[i].rules);
		struct conf_session s = session(conf, "alice", NULL, NULL, 22);
		struct policy_rules r = {.listen_rules = s.listen_rules,
					 .who = {.user = "alice", .minute = NOON}};
		struct link_addr at = {0};
		struct policy_why why;

		if (c[i].at != NULL)
			at = addr(c[i].at);
		cr_expect_eq(
			policy_may_bind(&r, (enum policy_where)c[i].where, &at, c[i].port, &why),
			c[i].may, "case %zu: %s", i, c[i].rules);
		conf_session_fini(&s);
		conf_put(conf);
	}
}

Test(policy_rules, sockets)
{
	static const struct {
		const char *lines, *path;
		bool may;
	} c[] = {
		{"", "/run/x", false},
		{"TargetRule allow any", "/run/x", false},
		{"TargetRule allow /run/x", "/run/x", true},
		{"TargetRule allow /run/*.sock", "/run/a.sock", true},
		{"TargetRule allow /run/x !/run/x", "/run/x", false},
		{"TargetRule deny any\nPermitStreamLocal /run/x", "/run/x", true},
		{"TargetRule deny /run/x\nPermitStreamLocal /run/*", "/run/x", false},
		{"TargetRule deny /run/x\nPermitStreamLocal /run/*", "/run/y", true},
		{"TargetRule allow /run/x user=bob", "/run/x", false},
		{"TargetRule allow /run/x\nAllowStreamLocalForwarding no", "/run/x", false},
		{"TargetRule allow /run/x\nDisableForwarding yes", "/run/x", false},
	};

	for (size_t i = 0; i < NELEM(c); i++) {
		struct conf *conf = parse(c[i].lines);
		struct conf_session s = session(conf, "alice", NULL, NULL, 22);
		struct policy_rules r = {.target_rules = s.target_rules,
					 .who = {.user = "alice", .minute = NOON}};
		struct policy_grant g = policy_grant_full();
		struct policy_why why;

		cr_expect_eq(policy_may_open_socket(&s, &r, &g, c[i].path, &why), c[i].may,
			     "case %zu: %s", i, c[i].lines);
		conf_session_fini(&s);
		conf_put(conf);
	}
}
