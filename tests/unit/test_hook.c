/*
 * PolicyHook and ChannelHandler: what is an answer and what is none, what a request looks like, what the
 * keywords say, what a handler says.
 */
#include <sys/un.h>

#include "conf/hook.h"
#include "conf/proxy.h"
#include "control/count.h"
#include "control/hook/hook.h"
#include "tests/util/login_bench.h"

/* --- answers ---------------------------------------------------------------------------------- */

static const char *const no_answer[] = {
	"",
	"yes",
	"[]",
	"{}",
	"{\"id\":1}",
	"{\"accept\":true}",
	"{\"id\":\"1\",\"accept\":true}",
	"{\"id\":-1,\"accept\":true}",
	"{\"id\":1.5,\"accept\":true}",
	"{\"id\":1,\"accept\":1}",
	"{\"id\":1,\"accept\":\"yes\"}",
	"{\"id\":1,\"accept\":null}",
	"{\"id\":1,\"accept\":true",
	"{\"id\":1,\"accept\":true} {}",
	"{\"id\":1,\"accept\":false,\"accept\":true}",
	"{\"v\":2,\"id\":1,\"accept\":true}",
	"{\"v\":0,\"id\":1,\"accept\":true}",
	"{\"id\":1,\"accept\":true,\"reason\":7}",
	"{\"id\":1,\"accept\":true,\"partial\":1}",
	"{\"id\":1,\"accept\":true,\"methods\":7}",
	"{\"id\":1,\"accept\":true,\"methods\":\"passwort\"}",
	"{\"id\":1,\"accept\":true,\"methods\":\"password,\"}",
	"{\"id\":1,\"accept\":true,\"methods\":[7]}",
	"{\"id\":1,\"accept\":true,\"role\":\"\"}",
	"{\"id\":1,\"accept\":true,\"role\":\"a,b\"}",
	"{\"id\":1,\"accept\":true,\"role\":\"*\"}",
	"{\"id\":1,\"accept\":true,\"role\":\"!a\"}",
	"{\"id\":1,\"accept\":true,\"role\":7}",
	"{\"id\":1,\"accept\":true,\"prompts\":\"Code: \"}",
	"{\"id\":1,\"accept\":true,\"prompts\":\"\"}",
	"{\"id\":1,\"accept\":true,\"prompts\":\",echo=true\"}",
	"{\"id\":1,\"accept\":true,\"prompts\":\"a,echo=yes\"}",
	"{\"id\":1,\"accept\":true,\"prompts\":\"a,echo=\"}",
	"{\"id\":1,\"accept\":true,\"prompts\":\"a,echo=true;\"}",
	"{\"id\":1,\"accept\":true,\"prompts\":\";a,echo=true\"}",
	"{\"id\":1,\"accept\":true,\"prompts\":\"a;b,echo=true\"}",
	"{\"id\":1,\"accept\":true,\"prompts\":\"a,echo=true;,echo=true\"}",
	"{\"id\":1,\"accept\":true,\"prompts\":7}",
	"{\"id\":1,\"accept\":true,\"prompts\":[\"Code: \"]}",
	"{\"id\":1,\"accept\":true,\"prompts\":[{}]}",
	"{\"id\":1,\"accept\":true,\"prompts\":[{\"text\":\"\"}]}",
	"{\"id\":1,\"accept\":true,\"prompts\":[{\"text\":\"a\",\"echo\":1}]}",
	"{\"id\":1,\"accept\":true,\"host\":\"\"}",
	"{\"id\":1,\"accept\":true,\"port\":65536}",
	"{\"id\":1,\"accept\":true,\"port\":-1}",
	"{\"id\":1,\"accept\":true,\"port\":\"22\"}",
	"{\"id\":1,\"accept\":true,\"code\":4294967296}",
	"{\"id\":1,\"accept\":true,\"handler\":\"run/x\"}",
	"{\"id\":1,\"accept\":true,\"handler\":\"\"}",
	"{\"id\":1,\"accept\":true,\"reason\":\"a\\u0000b\"}",
	"{\"id\":1,\"accept\":true,\"reason\":\"\xff\"}",
	"{\"id\":1,\"accept\":true,\"hostkeys\":\"SHA256:a\"}",
	"{\"id\":1,\"accept\":true,\"hostkeys\":[]}",
	"{\"id\":1,\"accept\":true,\"hostkeys\":[\"\"]}",
	"{\"id\":1,\"accept\":true,\"hostkeys\":[7]}",
	("{\"id\":1,\"accept\":true,\"hostkeys\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\","
	 "\"9\"]}"),
	"{\"id\":1,\"accept\":true,\"hostkeys\":[{}]}",
	"{\"id\":1,\"accept\":true,\"hostkeys\":[{\"path\":\"\"}]}",
	"{\"id\":1,\"accept\":true,\"hostkeys\":[{\"path\":7}]}",
	"{\"id\":1,\"accept\":true,\"hostkeys\":[{\"passphrase-file\":\"/p\"}]}",
	"{\"id\":1,\"accept\":true,\"hostkeys\":[{\"path\":\"/k\",\"passphrase-file\":\"\"}]}",
	"{\"id\":1,\"accept\":true,\"hostkeys\":[{\"path\":\"/k\",\"subject\":[]}]}",
	"{\"id\":1,\"accept\":true,\"limits\":7}",
	"{\"id\":1,\"accept\":true,\"limits\":{\"max_channels\":\"4\"}}",
	"{\"id\":1,\"accept\":true,\"limits\":{\"max_channels\":-1}}",
	"{\"id\":1,\"accept\":true,\"limits\":{\"max_channels\":4294967296}}",
	"{\"id\":1,\"accept\":true,\"limits\":{\"idle_timeout\":0}}",
	"{\"id\":1,\"accept\":true,\"limits\":{\"idle_timeout\":4294968}}",
	"{\"id\":1,\"accept\":true,\"limits\":{\"operation_timeout\":0}}",
	"{\"id\":1,\"accept\":true,\"limits\":{\"operation_timeout\":4294968}}",
	"{\"id\":1,\"accept\":true,\"limits\":{\"channel_rate\":0}}",
	"{\"id\":1,\"accept\":true,\"limits\":{\"channel_rate\":999}}",
	"{\"id\":1,\"accept\":true,\"limits\":{\"connection_rate\":125000000001}}",
	"{\"id\":1,\"accept\":true,\"limits\":{\"max_auth_tries\":0}}",
};

/* A key by its file is what HostKey says of one. */
Test(hook, a_host_key_is_named_with_all_its_file_needs)
{
	static const char line[] =
		"{\"id\":1,\"accept\":true,\"hostkeys\":[\"/k\",{\"path\":\"/k.pfx\","
		"\"passphrase-file\":\"/p\",\"key-passphrase-file\":\"/q\",\"format\":\"pfx\","
		"\"subject\":\"CN=a\",\"thumbprint\":\"00\",\"later\":1}]}";
	static const char *const want[] = {"/k.pfx", "/p", "/q", "pfx", "CN=a", "00"};
	struct hook_answer a;
	char text[2048];

	cr_assert_eq(hook_answer_parse(line, strlen(line), &a), 0);
	cr_assert_eq(a.n_hostkeys, 2);
	for (unsigned int i = 0; i < HOST_FILE_FIELDS; i++) {
		cr_expect_str_eq(a.hostkeys[1].field[i], want[i]);
		cr_expect(i == 0 || a.hostkeys[0].field[i] == NULL);
	}
	hook_answer_free(&a);
	for (int more = 0; more < 2; more++) {
		snprintf(text, sizeof(text),
			 "{\"id\":1,\"accept\":true,\"hostkeys\":[{\"path\":\"/%0*d\"}]}",
			 HOST_FILE_TEXT_MAX - 1 + more, 0);
		cr_expect_eq(hook_answer_parse(text, strlen(text), &a), more ? -EBADMSG : 0);
		if (!more)
			hook_answer_free(&a);
	}
}

/* Limits beside those of the file: the lesser holds, whoever said it first, and they come back. */
Test(hook, limits_only_lower)
{
	static const char line[] =
		"{\"id\":1,\"accept\":true,\"hostkeys\":[\"SHA256:a\",\"SHA256:b\"],\"limits\":{"
		"\"max_channels\":7,\"max_sessions\":0,\"idle_timeout\":60,\"channel_rate\":5000,"
		"\"operation_timeout\":5,\"later\":true}}";
	struct conf_session s = {.max_channels_per_connection = 50,
				 .max_sessions = 10,
				 .max_listeners_per_connection = 5,
				 .idle_timeout_ms = 0,
				 .operation_timeout = {.ms = 60000},
				 .channel_rate = {.in = 4000, .out = 0}};
	struct conf_bounds other = {0}, back;
	struct hook_answer a;
	char text[CONF_BOUNDS_TEXT];

	cr_assert_eq(hook_answer_parse(line, strlen(line), &a), 0);
	cr_expect_eq(a.n_hostkeys, 2);
	cr_expect_str_eq(a.hostkeys[1].field[HOST_FILE_PATH], "SHA256:b");
	cr_assert(conf_bound_set(&other, CONF_BOUND_MAX_CHANNELS, 9));
	cr_assert(conf_bound_set(&other, CONF_BOUND_MAX_LISTENERS, 6));
	conf_bounds_meet(&a.bounds, &other);
	conf_bounds_print(&a.bounds, text);
	cr_assert(conf_bounds_read(text, &back), "%s", text);
	cr_expect_eq(memcmp(&back, &a.bounds, sizeof(back)), 0);
	conf_bounds_apply(&back, &s);
	cr_expect_eq(s.max_channels_per_connection, 7);
	cr_expect_eq(s.max_sessions, 0);
	cr_expect_eq(s.max_listeners_per_connection, 5, "more is not given");
	cr_expect_eq(s.idle_timeout_ms, 60000, "where there was none");
	cr_expect_eq(s.operation_timeout.ms, 5000);
	cr_expect_eq(conf_send_timeout(&s), 5000);
	s.operation_timeout = (struct conf_operation){CONF_TIME_NONE, true};
	conf_bounds_apply(&back, &s);
	cr_expect_eq(s.operation_timeout.ms, 5000, "where there was none");
	cr_expect_eq(conf_send_timeout(&s), 0, "of what the file bounds");
	cr_expect_eq(s.channel_rate.in, 4000);
	cr_expect_eq(s.channel_rate.out, 5000);
	hook_answer_free(&a);
}

Test(hook, limits_that_are_none_of_ours_are_not_read)
{
	static const char *const bad[] = {"",
					  "1",
					  "1 2 3 4 5 6001 7001",
					  "1 2 3 4 5 6001 7001 8 9",
					  "1 2 3 4 5 6001 7001 x",
					  "1 2 3 4 1 6001 7001 8",
					  "1 2 3 4 5 1000 7001 8",
					  "1 2 3 4 5 6001 125000000002 8",
					  "1 2 3 4 5 6001 7001 1",
					  "4294967297 2 3 4 5 6001 7001 8"};
	struct conf_bounds b;

	for (size_t i = 0; i < N(bad); i++)
		cr_expect_not(conf_bounds_read(bad[i], &b), "%s", bad[i]);
	cr_expect(conf_bounds_read("1 2 3 4 5 6001 125000000001 8", &b));
	cr_expect(conf_bounds_read("0 0 0 0 0 0 0 0", &b));
	cr_expect_not(conf_bounds_any(&b));
}

Test(hook, what_is_no_answer)
{
	struct hook_answer a;

	for (size_t i = 0; i < N(no_answer); i++)
		cr_expect_eq(hook_answer_parse(no_answer[i], strlen(no_answer[i]), &a), -EBADMSG,
			     "%s", no_answer[i]);
}

Test(hook, what_is_too_long_is_no_answer)
{
	static char line[HOOK_LINE_MAX + 2];
	struct hook_answer a;

	memset(line, ' ', sizeof(line));
	memcpy(line, "{\"id\":1,\"accept\":true}", 22);
	cr_expect_eq(hook_answer_parse(line, HOOK_LINE_MAX + 1, &a), -EBADMSG);
	cr_assert_eq(hook_answer_parse(line, HOOK_LINE_MAX, &a), 0);
	hook_answer_free(&a);
}

Test(hook, an_answer_says_what_it_says)
{
	static const char line[] =
		"{\"v\":1,\"id\":9007199254740993,\"accept\":false,\"partial\":true,\"later\":[1],"
		"\"reason\":\"not now\",\"methods\":[\"password\",\"publickey\"],\"banner\":\"hi\","
		"\"prompts\":[{\"text\":\"Code: \",\"echo\":true},{\"text\":\"PIN: \"}],"
		"\"instruction\":\"think\",\"code\":4,\"handler\":\"/run/"
		"x\",\"host\":\"h\",\"port\":0}";
	struct hook_answer a;

	cr_assert_eq(hook_answer_parse(line, strlen(line), &a), 0);
	cr_expect_eq(a.id, 9007199254740993u);
	cr_expect(!a.accept);
	cr_expect(a.partial);
	cr_expect_str_eq(a.reason, "not now");
	cr_expect_eq(a.methods, (unsigned int)(SSH_AUTH_PASSWORD | SSH_AUTH_PUBLICKEY));
	cr_expect_str_eq(a.banner, "hi");
	cr_assert(a.asks);
	cr_assert_eq(a.prompts.n, 2);
	cr_expect(a.prompts.prompt[0].echo && !a.prompts.prompt[1].echo);
	cr_expect(ssh_str_eq(a.prompts.prompt[1].text, "PIN: "));
	cr_expect(ssh_str_eq(a.prompts.instruction, "think"));
	cr_expect_eq(a.code, 4);
	cr_expect_str_eq(a.handler, "/run/x");
	cr_expect_str_eq(a.host, "h");
	cr_expect(a.has_port && a.port == 0);
	hook_answer_free(&a);
}

Test(hook, prompts_in_a_line_are_those_of_a_list)
{
	static const char line[] =
		"{\"id\":1,\"accept\":false,\"prompts\":"
		"\"PIN, or code: ,echo=true;a,echo=false,echo=false;b=,echo=true\"}";
	static const struct ssh_prompt want[] = {{{(const uint8_t *)"PIN, or code: ", 14}, true},
						 {{(const uint8_t *)"a,echo=false", 12}, false},
						 {{(const uint8_t *)"b=", 2}, true}};
	struct hook_answer a;

	cr_assert_eq(hook_answer_parse(line, strlen(line), &a), 0);
	cr_expect(a.asks);
	cr_assert_eq(a.prompts.n, N(want));
	for (size_t i = 0; i < N(want); i++) {
		const struct ssh_prompt *p = &a.prompts.prompt[i];

		cr_expect(ssh_str_eq(p->text, (const char *)want[i].text.p), "%zu", i);
		cr_expect_eq(p->echo, want[i].echo, "%zu", i);
	}
	hook_answer_free(&a);
}

/* As many as a list may have, and as long. */
Test(hook, prompts_in_a_line_are_bounded)
{
	char line[1024], text[300];
	struct hook_answer a;

	for (int n = HOOK_PROMPTS_MAX; n <= HOOK_PROMPTS_MAX + 1; n++) {
		int len = snprintf(line, sizeof(line), "{\"id\":1,\"accept\":true,\"prompts\":\"");

		for (int i = 0; i < n; i++)
			len += snprintf(line + len, sizeof(line) - (size_t)len, "%sa,echo=true",
					i > 0 ? ";" : "");
		len += snprintf(line + len, sizeof(line) - (size_t)len, "\"}");
		if (n > HOOK_PROMPTS_MAX) {
			cr_expect_eq(hook_answer_parse(line, (size_t)len, &a), -EBADMSG);
			continue;
		}
		cr_assert_eq(hook_answer_parse(line, (size_t)len, &a), 0);
		cr_expect_eq(a.prompts.n, HOOK_PROMPTS_MAX);
		hook_answer_free(&a);
	}
	for (int n = HOOK_REASON_MAX; n <= HOOK_REASON_MAX + 1; n++) {
		int len, r;

		memset(text, 'a', sizeof(text));
		len = snprintf(line, sizeof(line),
			       "{\"id\":1,\"accept\":true,\"prompts\":\"%.*s,echo=true\"}", n, text);
		r = hook_answer_parse(line, (size_t)len, &a);
		cr_assert_eq(r, n == HOOK_REASON_MAX ? 0 : -EBADMSG);
		if (r == 0)
			hook_answer_free(&a);
	}
}

/* --- requests --------------------------------------------------------------------------------- */

/* Bytes of a stranger's, and the field they stand in. */
static const struct {
	const char *bytes, *line;
	uint32_t len;
} texts[] = {
	{"plain", "\"x\":\"plain\"", 5},
	{"q\"b\\n\n", "\"x\":\"q\\\"b\\\\n\\u000a\"", 6},
	{"\xc3\xa9", "\"x\":\"\xc3\xa9\"", 2},
	{"\xff", "\"x_base64\":\"/w==\"", 1},
	{"\xc3", "\"x_base64\":\"ww==\"", 1},
	{"\xc0\xaf", "\"x_base64\":\"wK8=\"", 2},
	{"\xed\xa0\x80", "\"x_base64\":\"7aCA\"", 3},
	{"\xf4\x90\x80\x80", "\"x_base64\":\"9JCAgA==\"", 4},
	{"a\0b", "\"x_base64\":\"YQBi\"", 3},
};

static char *line_of(struct hook_req *r, const struct hook_secret *secret)
{
	char *line;
	size_t len;

	cr_assert_eq(hook_req_line(r, secret, secret != NULL, 0, 4096, &line, &len), 0);
	cr_assert_eq(line[len - 1], '\n');
	line[len - 1] = '\0';
	return line;
}

Test(hook, secrets_stand_in_the_line_as_any_reader_reads_them)
{
	for (size_t i = 0; i < N(texts); i++) {
		const struct ssh_str v = {(const uint8_t *)texts[i].bytes, texts[i].len};
		const struct hook_secret secret = {.name = "x", .v = &v, .n = 1};
		struct hook_req r;
		json_t *o;
		char *line;

		hook_req_begin(&r, "auth");
		line = line_of(&r, &secret);
		cr_expect_not_null(strstr(line, texts[i].line), "%s", line);
		o = json_loads(line, 0, NULL);
		cr_expect_not_null(o);
		json_decref(o);
		free(line);
		hook_req_end(&r);
	}
}

Test(hook, bytes_that_are_no_text_are_base64_and_no_two_look_alike)
{
	for (size_t i = 0; i < N(texts); i++) {
		struct hook_req r;
		char *line;

		hook_req_begin(&r, "auth");
		hook_req_text(&r, "x",
			      (struct ssh_str){(const uint8_t *)texts[i].bytes, texts[i].len});
		line = line_of(&r, NULL);
		cr_expect_eq(strstr(line, "base64") != NULL,
			     strstr(texts[i].line, "base64") != NULL, "%s", line);
		free(line);
		hook_req_end(&r);
	}
}

Test(hook, a_list_of_secrets_is_text_or_base64_as_one)
{
	const struct ssh_str v[] = {{(const uint8_t *)"\xff", 1}, {(const uint8_t *)"a", 1}};
	const struct hook_secret secret = {.name = "responses", .v = v, .n = 2, .list = true};
	struct hook_req r;
	char *line;

	hook_req_begin(&r, "auth");
	line = line_of(&r, &secret);
	cr_expect_not_null(strstr(line, "\"responses_base64\":[\"/w==\",\"YQ==\"]"), "%s", line);
	free(line);
	hook_req_end(&r);
}

Test(hook, a_request_that_is_too_long_is_none)
{
	struct hook_req r;
	char *line;
	size_t len;

	hook_req_begin(&r, "auth");
	cr_expect_eq(hook_req_line(&r, NULL, 0, 0, 10, &line, &len), -EMSGSIZE);
	hook_req_end(&r);
	cr_expect_eq(hook_req_line(&r, NULL, 0, 0, 10, &line, &len), -ENOMEM, "it is over");
}

/* --- nobody is there ---------------------------------------------------------------------------- */

static uint64_t asked_ms = 1000;

static uint64_t asked_now(void)
{
	return asked_ms;
}

static void count_none(void *arg, const struct hook_answer *a)
{
	*(unsigned int *)arg += a == NULL;
}

/* What nobody waits for any more has no room, and no secret, in memory. */
Test(hook, lines_of_calls_that_are_over_are_gone)
{
	const struct conf_hook conf = {.path = "/nowhere/hook", .timeout_ms = 50};
	static const uint8_t much[4096];
	unsigned int n = 0, none = 0;
	struct hook_call *call, *last;
	struct timers *timers;
	struct hooks *all;
	uv_loop_t loop;
	int r;

	cr_assert_eq(uv_loop_init(&loop), 0);
	cr_assert_eq(timers_new(&timers), 0);
	cr_assert_eq(hooks_new(&loop, timers, asked_now, &all), 0);
	for (int turn = 0; turn < 3; turn++) {
		struct hook_req q;

		for (n = none = 0;; n++) {
			hook_req_begin(&q, "auth");
			hook_req_bytes(&q, "raw", much, sizeof(much));
			r = hook_ask(all, &conf, &q, NULL, 0, count_none, &none, &call);
			if (r < 0)
				break;
			last = call;
		}
		cr_expect_eq(r, -EBUSY);
		cr_expect_gt(n, 100, "turn %d: %u", turn, n);
		hook_call_end(last);
		asked_ms += 60;
		timers_poll(timers, asked_ms);
		cr_expect_eq(none, n - 1);
	}
	hooks_close(all);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0);
	timers_free(timers);
}

static struct hook_req news_make(void)
{
	static const uint8_t much[4096];
	struct hook_req q;

	hook_req_begin(&q, "closed");
	hook_req_bytes(&q, "raw", much, sizeof(much));
	return q;
}

/* Who does not read what he is told loses it, and has room for what he is asked. */
Test(hook, news_waits_for_nobody)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX, .sun_path = "/tmp/sluice-news-XXXXXX"};
	struct conf_hook conf = {.timeout_ms = 60000};
	uint64_t lost = control_counted(CONTROL_C_HOOK_NEWS);
	struct hook_call *call;
	struct timers *timers;
	struct hook_req q;
	struct hooks *all;
	unsigned int none = 0;
	uv_loop_t loop;
	int listener;

	cr_assert_not_null(mkdtemp(sun.sun_path));
	strcat(sun.sun_path, "/s");
	strcpy(conf.path, sun.sun_path);
	cr_assert_eq(uv_loop_init(&loop), 0);
	cr_assert_eq(timers_new(&timers), 0);
	cr_assert_eq(hooks_new(&loop, timers, asked_now, &all), 0);
	/* Nobody is there: it is not kept. */
	q = news_make();
	hook_tell(all, &conf, &q);
	uv_run(&loop, UV_RUN_NOWAIT);
	q = news_make();
	hook_tell(all, &conf, &q);
	cr_expect_eq(control_counted(CONTROL_C_HOOK_NEWS), lost + 2);
	asked_ms += HOOK_RETRY_MAX_MS;
	timers_poll(timers, asked_ms);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(listener, (struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(listen(listener, 4), 0);
	for (int i = 0; i < 1000; i++) {
		q = news_make();
		hook_tell(all, &conf, &q);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	cr_expect_gt(control_counted(CONTROL_C_HOOK_NEWS), lost + 500);
	cr_expect_lt(control_counted(CONTROL_C_HOOK_NEWS), lost + 1002, "some of it was sent");
	cr_expect_geq(hooks_news(all), HOOK_NEWS_MAX);
	q = news_make();
	cr_assert_eq(hook_ask(all, &conf, &q, NULL, 0, count_none, &none, &call), 0);
	hook_call_end(call);
	hooks_hush(all);
	lost = control_counted(CONTROL_C_HOOK_NEWS);
	q = news_make();
	hook_tell(all, &conf, &q);
	cr_expect_eq(control_counted(CONTROL_C_HOOK_NEWS), lost);
	hooks_close(all);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0);
	timers_free(timers);
	close(listener);
	unlink(sun.sun_path);
	*strrchr(sun.sun_path, '/') = '\0';
	rmdir(sun.sun_path);
}

/* --- the keyword ------------------------------------------------------------------------------ */

static bool hook_in(const char *text, enum conf_hook_kind kind, struct conf_hook *ret)
{
	struct conf_session s = {0};
	struct conf *conf;
	char *errors;
	bool found;

	cr_assert_eq(conf_parse("test", text, strlen(text), NULL, &conf, &errors), 0, "%s", errors);
	cr_assert_eq(conf_session_for(conf, NULL, &s), 0);
	found = conf_hook_for(&s, kind, ret);
	conf_session_fini(&s);
	conf_put(conf);
	return found;
}

Test(hook, lines_that_are_none)
{
	static const char *const bad[] = {
		"PolicyHook run/x",
		"PolicyHook /x kinds=",
		"PolicyHook /x kinds=auth,",
		"PolicyHook /x kinds=everything",
		"PolicyHook /x timeout=0",
		"PolicyHook /x timeout=soon",
		"PolicyHook /x fail=never",
		"PolicyHook /x quick",
		"PolicyHook /x authority=forward",
		"PolicyHook /x authority=connection",
		"PolicyHook /x kinds=forward authority=auth",
	};

	for (size_t i = 0; i < N(bad); i++) {
		struct conf *conf = NULL;
		char *errors = NULL;

		cr_expect_lt(conf_parse("test", bad[i], strlen(bad[i]), NULL, &conf, &errors), 0,
			     "%s", bad[i]);
		free(errors);
	}
}

Test(hook, the_first_line_that_has_a_kind_counts)
{
	static const char text[] = "PolicyHook /a kinds=auth,forward timeout=2 fail=open\n"
				   "PolicyHook /b kinds=connection,auth authority=auth\n";
	struct conf_hook h;

	cr_assert(hook_in(text, CONF_HOOK_FORWARD, &h));
	cr_expect_str_eq(h.path, "/a");
	cr_expect_eq(h.timeout_ms, 2000);
	cr_expect(h.fail_open);
	cr_expect_eq(h.authority, 0);
	cr_assert(hook_in(text, CONF_HOOK_CONNECTION, &h));
	cr_expect_str_eq(h.path, "/b");
	cr_expect_eq(h.timeout_ms, CONF_HOOK_WAIT_MS);
	cr_expect(!h.fail_open);
	cr_expect_eq(h.authority, (unsigned int)CONF_HOOK_AUTH);
	cr_expect(!hook_in(text, CONF_HOOK_AUTH_SECRET, &h), "only when it is named");
	cr_expect(!hook_in(text, CONF_HOOK_CHANNEL_REQUEST, &h), "only when it is named");
}

Test(hook, handlers_by_what_they_are_for)
{
	static const char text[] =
		"ChannelHandler session/subsystem:greet /a\n"
		"ChannelHandler session/subsystem:greet /late\n"
		"ChannelHandler session/shell /b\nChannelHandler x-news@test /c\n"
		"ChannelHandler direct-tcpip/h:7 /d\n";
	static const char *const bad[] = {
		"ChannelHandler",
		"ChannelHandler session/shell",
		"ChannelHandler session /a",
		"ChannelHandler session/ /a",
		"ChannelHandler session/x11 /a",
		"ChannelHandler session/subsystem: /a",
		"ChannelHandler x-news a",
		"ChannelHandler x-news /a /b",
		"ChannelHandler /a",
	};
	static const struct {
		const char *type, *name, *path;
	} row[] = {
		{"session", "subsystem:greet", "/a"},
		{"session", "shell", "/b"},
		{"session", "exec", NULL},
		{"session", "", NULL},
		{"session", "subsystem:gree", NULL},
		{"x-news@test", "", "/c"},
		{"x-news", "", NULL},
		{"direct-tcpip", "h:7", "/d"},
		{"direct-tcpip", "h:70", NULL},
		{"direct-tcpip", "", NULL},
	};
	struct conf_session s = {0};
	struct conf *conf;
	char *errors, path[CONF_SOCKET_MAX];

	for (size_t i = 0; i < N(bad); i++) {
		cr_expect_lt(conf_parse("test", bad[i], strlen(bad[i]), NULL, &conf, &errors), 0,
			     "%s", bad[i]);
		free(errors);
	}
	cr_assert_eq(conf_parse("test", text, strlen(text), NULL, &conf, &errors), 0, "%s", errors);
	cr_assert_eq(conf_session_for(conf, NULL, &s), 0);
	for (size_t i = 0; i < N(row); i++) {
		bool found = conf_handler_for(&s, row[i].type, row[i].name, path);

		cr_expect_eq(found, row[i].path != NULL, "%s/%s", row[i].type, row[i].name);
		if (found && row[i].path != NULL)
			cr_expect_str_eq(path, row[i].path);
	}
	conf_session_fini(&s);
	conf_put(conf);
}

Test(hook, balancers_and_targets_of_the_proxy_protocol)
{
	static const char text[] =
		"ProxyProtocolFrom 192.0.2.0/24 2001:db8::1\n"
		"SendProxyProtocol v2 web:80 *:443\nSendProxyProtocol v1 10.0.0.1:*\n";
	static const char *const bad[] = {
		"ProxyProtocolFrom",      "ProxyProtocolFrom 192.0.2.1/24",
		"ProxyProtocolFrom host", "ProxyProtocolFrom none 192.0.2.1",
		"SendProxyProtocol v2",   "SendProxyProtocol v3 a:1",
		"SendProxyProtocol v1 a", "SendProxyProtocol a:1",
	};
	static const struct {
		const char *addr;
		bool trusted;
	} from[] = {{"192.0.2.255", true},  {"192.0.3.0", false}, {"2001:db8::1", true},
		    {"2001:db8::2", false}, {"192.0.2.1", true},  {"0.0.0.0", false}};
	static const struct {
		const char *host;
		uint16_t port;
		unsigned int version;
	} to[] = {{"web", 80, 2},       {"WEB", 80, 2},      {"web", 81, 0},     {"x", 443, 2},
		  {"10.0.0.1", 443, 2}, {"10.0.0.1", 22, 1}, {"10.0.0.2", 22, 0}};
	struct conf_session s = {0};
	struct conf_addr a;
	struct conf *conf;
	char *errors;

	for (size_t i = 0; i < N(bad); i++) {
		cr_expect_lt(conf_parse("test", bad[i], strlen(bad[i]), NULL, &conf, &errors), 0,
			     "%s", bad[i]);
		free(errors);
	}
	cr_assert_eq(conf_parse("test", text, strlen(text), NULL, &conf, &errors), 0, "%s", errors);
	cr_assert_eq(conf_session_for(conf, NULL, &s), 0);
	for (size_t i = 0; i < N(from); i++) {
		cr_assert_eq(conf_addr_parse(from[i].addr, &a), 0);
		cr_expect_eq(conf_proxy_trusted(&conf_dataplane(conf)->proxy_from, &a),
			     from[i].trusted, "%s", from[i].addr);
	}
	for (size_t i = 0; i < N(to); i++)
		cr_expect_eq(conf_proxy_version(&s, to[i].host, to[i].port), to[i].version, "%s:%u",
			     to[i].host, to[i].port);
	conf_session_fini(&s);
	conf_put(conf);
}

/* --- handlers -----------------------------------------------------------------------------------
 */

/* What a program says, line by line, and what its caller hears. */
static struct {
	const char *says;
	int listener;
	unsigned int streams; /* it has seen */
	char first[4096], told[4096];
} hd;

static struct {
	unsigned int n_fds;
	unsigned int said; /* requests */
	bool framed;
	struct link_chan_cut cut;
	bool exited, done;
	struct helper_exit how;
	enum helper_result result;
	char why[128];
} hr;

static void on_started(void *arg, const struct helper_started *m, const int *fds)
{
	struct handler_call *const *call = arg;
	const struct link_chan_cut *cut = handler_cut(*call);

	hr.framed = cut != NULL;
	if (cut != NULL)
		hr.cut = *cut;
	hr.n_fds = service_fds(m);
	for (unsigned int i = 0; i < hr.n_fds; i++)
		close(fds[i]);
}

static void on_exited(void *arg, const struct helper_exit *how)
{
	(void)arg;
	hr.exited = true;
	hr.how = *how;
}

static void on_done(void *arg, const struct helper_done *d)
{
	(void)arg;
	hr.done = true;
	hr.result = d->result;
	snprintf(hr.why, sizeof(hr.why), "%.*s", (int)d->text.len, (const char *)d->text.p);
}

static void on_says(void *arg, const struct handler_line *l)
{
	(void)arg;
	hr.said += l->word == HANDLER_REQUESTS;
}

/* Lines up to a "|", then as many streams as it is given, then the rest; and it hangs up. */
static void *handler_main(void *arg)
{
	const char *more = strchr(hd.says, '|');
	size_t n = more != NULL ? (size_t)(more - hd.says) : strlen(hd.says);
	int fd = accept(hd.listener, NULL, NULL), other;

	(void)arg;
	(void)!recv(fd, hd.first, sizeof(hd.first) - 1, 0);
	(void)!send(fd, hd.says, n, MSG_NOSIGNAL);
	if (more != NULL) {
		for (unsigned int i = 0; i <= (strstr(hd.says, "stderr") != NULL); i++) {
			other = accept(hd.listener, NULL, NULL);
			(void)!recv(other, hd.told, sizeof(hd.told) - 1, 0);
			hd.streams += strstr(hd.told, i == 0 ? "\"data\"" : "\"stderr\"") != NULL;
			close(other);
		}
		(void)!recv(fd, hd.told, sizeof(hd.told) - 1, 0);
		(void)!send(fd, more + 1, strlen(more + 1), MSG_NOSIGNAL);
	}
	close(fd);
	return NULL;
}

static void handler_run(const char *says)
{
	static const struct service_ops service = {
		.started = on_started, .exited = on_exited, .done = on_done};
	static const struct handler_ops ops = {&service, on_says, NULL};
	struct sockaddr_un sun = {.sun_family = AF_UNIX, .sun_path = "/tmp/sluice-handler-XXXXXX"};
	struct handler_env env = {.now_ms = clock_now_ms, .start_ms = HANDLER_START_MS};
	struct handler_call *call = NULL;
	bool told = false;
	struct clock *clock;
	struct hook_req r;
	pthread_t thread;
	uv_loop_t loop;

	memset(&hr, 0, sizeof(hr));
	memset(&hd, 0, sizeof(hd));
	hd.says = says;
	cr_assert_not_null(mkdtemp(sun.sun_path));
	strcat(sun.sun_path, "/s");
	hd.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(hd.listener, (struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(listen(hd.listener, 4), 0);
	cr_assert_eq(pthread_create(&thread, NULL, handler_main, NULL), 0);
	uv_loop_init(&loop);
	env.loop = &loop;
	cr_assert_eq(timers_new(&env.timers), 0);
	cr_assert_eq(clock_new(&loop, env.timers, &clock), 0);
	hook_req_begin(&r, "channel");
	cr_assert_eq(handler_call(&env, sun.sun_path, &r, &ops, &call, &call), 0);
	while (!hr.done) {
		uv_run(&loop, UV_RUN_ONCE);
		if (hr.n_fds == 0 || told)
			continue;
		told = true;
		hook_req_begin(&r, "request");
		hook_req_text(&r, "request", ssh_str_c("signal"));
		handler_tell(call, &r);
	}
	handler_call_end(call);
	clock_close(clock);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0);
	timers_free(env.timers);
	pthread_join(thread, NULL);
	close(hd.listener);
	unlink(sun.sun_path);
	*strrchr(sun.sun_path, '/') = '\0';
	rmdir(sun.sun_path);
}

Test(hook, a_handler_that_takes_no_channel)
{
	static const struct {
		const char *says, *why;
	} row[] = {
		{"", "it hung up"},
		{"yes\n", "what it said means nothing"},
		{"[]\n", "what it said means nothing"},
		{"{}\n", "it does not take the channel"},
		{"{\"accept\":1}\n", "it does not take the channel"},
		{"{\"accept\":false,\"reason\":\"closed today\"}\n", "closed today"},
		{"{\"accept\":false,\"code\":\"4\"}\n", "what it said means nothing"},
		{"{\"accept\":false,\"code\":-1}\n", "what it said means nothing"},
		{"{\"accept\":false,\"code\":4294967296}\n", "what it said means nothing"},
		{"{\"accept\":false,\"reason\":7}\n", "what it said means nothing"},
		{"{\"accept\":true,\"accept\":true}\n", "what it said means nothing"},
	};

	for (size_t i = 0; i < N(row); i++) {
		handler_run(row[i].says);
		cr_expect_str_eq(hr.why, row[i].why);
		cr_expect_neq(hr.result, HELPER_OK);
		cr_expect_eq(hr.n_fds, 0);
	}
}

Test(hook, a_handler_whose_line_does_not_end)
{
	static char line[2 * HANDLER_LINE_MAX];

	memset(line, ' ', sizeof(line) - 1);
	handler_run(line);
	cr_expect_str_eq(hr.why, "a line of it is too long");
}

Test(hook, a_handler_is_told_and_says_how_it_ended)
{
	handler_run("{\"accept\":true,\"stderr\":true}\n|{\"request\":\"x\"}\n{\"exit\":7}\n");
	cr_expect_eq(hr.said, 1);
	cr_expect_eq(hr.n_fds, 3);
	cr_expect_eq(hd.streams, 2);
	cr_expect_not_null(strstr(hd.first, "\"role\":\"channel\""));
	cr_expect_not_null(strstr(hd.told, "\"request\":\"signal\""));
	cr_expect(hr.exited && !hr.how.signalled && hr.how.number == 7);
	cr_expect_eq(hr.result, HELPER_OK);
	handler_run("{\"accept\":true}\n|{\"signal\":\"TERM\",\"core\":true}\n");
	cr_expect_eq(hr.n_fds, 1);
	cr_expect(hr.exited && hr.how.signalled && hr.how.number == 15 && hr.how.core);
	handler_run("{\"accept\":true}\n|{\"signal\":\"WHAT\"}\n");
	cr_expect(!hr.exited);
	cr_expect_str_eq(hr.why, "what it said means nothing");
	handler_run("{\"accept\":true}\n|");
	cr_expect(!hr.exited);
	cr_expect_eq(hr.result, HELPER_OK, "it went without a word");
}

Test(hook, a_handler_wants_records)
{
	static const struct {
		const char *says;
		bool framed;
		uint32_t max;
		const char *eol;
	} row[] = {
		{"{\"accept\":true}\n|", false, 0, ""},
		{"{\"accept\":true,\"framed\":true}\n|", true, 0, ""},
		{"{\"accept\":true,\"record\":16384}\n|", true, 16384, ""},
		{"{\"accept\":true,\"eol\":\"\\r\\n\",\"eol_max\":2}\n|", true, 2, "\r\n"},
		{"{\"accept\":true,\"eol_base64\":\"Cg==\",\"eol_max\":80}\n|", true, 80, "\n"},
		{"{\"accept\":true,\"eol\":\"\",\"eol_max\":0}\n|", true, 0, ""},
	};
	static const char *const bad[] = {
		"\"record\":16385",	     "\"record\":-1",
		"\"record\":\"1\"",	     "\"record\":1,\"eol\":\"\\n\"",
		"\"eol\":\"\\n\"",	     "\"eol_max\":80",
		"\"eol\":\"\",\"eol_max\":1", "\"eol\":\"\\n\",\"eol_max\":0",
		"\"eol\":\"ab\",\"eol_max\":1", "\"eol\":\"123456789\",\"eol_max\":80",
		"\"eol\":7,\"eol_max\":80",   "\"eol_base64\":\"?\",\"eol_max\":80",
	};
	char text[128];

	for (size_t i = 0; i < N(row); i++) {
		handler_run(row[i].says);
		cr_expect_eq(hr.framed, row[i].framed, "%s", row[i].says);
		cr_expect_eq(hr.cut.max, row[i].max);
		cr_expect_eq(hr.cut.eol_len, strlen(row[i].eol));
		cr_expect_eq(memcmp(hr.cut.eol, row[i].eol, hr.cut.eol_len), 0);
	}
	for (size_t i = 0; i < N(bad); i++) {
		snprintf(text, sizeof(text), "{\"accept\":true,%s}\n", bad[i]);
		handler_run(text);
		cr_expect_str_eq(hr.why, "what it said means nothing", "%s", bad[i]);
	}
}
