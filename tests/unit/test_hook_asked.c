/*
 * PolicyHook: control as a whole with a program that is asked; test_hook.c has what is said between them.
 */
#include <signal.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "control/count.h"
#include "control/hook/hook.h"
#include "control/session/params.h"
#include "crypto/cert.h"
#include "tests/util/login_bench.h"

/* --- a program ----------------------------------------------------------------------------------
 */

/* Answers to requests by what stands in them: the first that fits; NULL: it says nothing. */
struct says {
	const char *about, *answer; /* @ in it is the id, # a host key; behind a ~: once the rules
				       have turned */
};

static struct {
	const struct says *says;
	size_t n;
	int listener, fd;
	pthread_t thread;
	pthread_mutex_t lock;
	char heard[65536]; /* all lines */
} p = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

static bool heard(const char *text)
{
	bool yes;

	pthread_mutex_lock(&p.lock);
	yes = strstr(p.heard, text) != NULL;
	pthread_mutex_unlock(&p.lock);
	return yes;
}

/* Of the host keys that a request tells of. */
static const char *last_key(const char *line)
{
	const char *at = "", *next = line;

	while ((next = strstr(next, "SHA256:")) != NULL)
		at = next++;
	return at;
}

static void say(int fd, const char *answer, const char *line)
{
	const char *id = strstr(line, "\"id\":");
	char out[2048], *to = out;

	for (const char *a = answer; *a != '\0'; a++) {
		if (*a == '@')
			to += sprintf(to, "%ld", id != NULL ? atol(id + 5) : 0);
		else if (*a == '#')
			to += sprintf(to, "%.*s", (int)strcspn(last_key(line), "\""),
				      last_key(line));
		else
			*to++ = *a;
	}
	*to++ = '\n';
	(void)!send(fd, out, (size_t)(to - out), MSG_NOSIGNAL);
}

static struct conf *conf_before;

/* TargetRule and ListenRule hold as they are now, for who is in, too. */
static void rules_turn(void)
{
	conf_before = t.env.conf;
	t.env.conf = conf_make("TargetRule deny *:*\nListenRule deny *:*\n");
}

static void line_came(int fd, const char *line)
{
	pthread_mutex_lock(&p.lock);
	strncat(p.heard, line, sizeof(p.heard) - strlen(p.heard) - 1);
	strncat(p.heard, "\n", sizeof(p.heard) - strlen(p.heard) - 1);
	pthread_mutex_unlock(&p.lock);
	for (size_t i = 0; i < p.n; i++) {
		if (strstr(line, p.says[i].about) == NULL)
			continue;
		if (p.says[i].answer == NULL)
			return;
		if (*p.says[i].answer == '~') {
			rules_turn();
			say(fd, p.says[i].answer + 1, line);
			return;
		}
		if (strcmp(p.says[i].answer, "hang up") == 0)
			shutdown(fd, SHUT_RDWR);
		else
			say(fd, p.says[i].answer, line);
		return;
	}
	say(fd, "{\"id\":@,\"accept\":true}", line);
}

static void *program_main(void *arg)
{
	static char in[65536];
	size_t have = 0;
	ssize_t n;
	char *end;

	(void)arg;
	while ((p.fd = accept(p.listener, NULL, NULL)) >= 0) {
		while ((n = recv(p.fd, in + have, sizeof(in) - have - 1, 0)) > 0) {
			have += (size_t)n;
			in[have] = '\0';
			while ((end = strchr(in, '\n')) != NULL) {
				*end = '\0';
				line_came(p.fd, in);
				have -= (size_t)(end + 1 - in);
				memmove(in, end + 1, have + 1);
			}
		}
		close(p.fd);
		have = 0;
	}
	return NULL;
}

static char socket_path[100];

/* conf: %s is the socket. */
static void begin(const char *conf, const struct says *says, size_t n)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	char text[2048];

	if (strstr(t.dir, "XXXXXX") != NULL) /* a test may have needed it before */
		control_dir(t.dir);
	snprintf(socket_path, sizeof(socket_path), "%s/hook", t.dir);
	strcpy(sun.sun_path, socket_path);
	p.says = says;
	p.n = n;
	p.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(p.listener, (struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(listen(p.listener, 16), 0);
	cr_assert_eq(pthread_create(&p.thread, NULL, program_main, NULL), 0);
	snprintf(text, sizeof(text), conf, socket_path);
	start(text);
}

static void end(void)
{
	stop();
	shutdown(p.listener, SHUT_RDWR);
	pthread_join(p.thread, NULL);
	close(p.listener);
}

#define BEGIN(conf, ...)                                                                           \
	static const struct says says_[] = {__VA_ARGS__};                                          \
	begin(conf, says_, N(says_))

TestSuite(hook_asked, .fini = end, .timeout = 60);

Test(hook_asked, it_is_told_who_asks_for_what)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=connection,established,service,channel-open", {"none", NULL});
	cr_assert(login(&c, "open", t.key[0]));
	(void)open_direct(&c, "127.0.0.1", 9);
	cr_expect(heard("\"kind\":\"connection\""));
	cr_expect(heard("\"src\":\"127.0.0.1\""));
	cr_expect(heard("\"preaccept\":true"));
	cr_expect(heard("\"client_version\":\"SSH-2.0-test\""));
	cr_expect(heard("\"service\":\"ssh-userauth\""));
	cr_expect(heard("\"service\":\"ssh-connection\""));
	cr_expect(heard("\"hostkeys\":[{\"key\":\"SHA256:"));
	cr_expect(heard("\"user\":\"open\""));
	cr_expect(heard("\"type\":\"direct-tcpip\""));
	cr_expect(heard("\"host\":\"127.0.0.1\",\"port\":9"));
	cr_expect(heard("\"user\":\"open\",\"key\":\"SHA256:"), "what he came in by");
	client_free(&c);
}

Test(hook_asked, a_connection_that_is_refused_reads_no_version)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=connection",
	      {"connection", "{\"id\":@,\"accept\":false,\"reason\":\"not you\"}"});
	client_new(&c, "open");
	client_run(&c);
	cr_expect(c.ended);
	cr_expect_eq(c.login_id, 0);
	client_free(&c);
	expect_logged("PolicyHook refused connection of anybody from 127.0.0.1 port ");
	expect_logged(": not you");
}

/* By their address, in each of the lists, and the other way. */
Test(hook_asked, whom_lists_of_clients_turn_away_a_yes_lets_in)
{
	struct client c;

	BEGIN("DenyClients 127.0.0.2\nAllowClients 127.0.0.1,127.0.0.2\n"
	      "PolicyHook %s kinds=connection",
	      {"\"preaccept\":false", "{\"id\":@,\"accept\":true}"},
	      {"\"preaccept\":true", "{\"id\":@,\"accept\":false}"});
	for (unsigned int i = 1; i <= 2; i++) { /* which is denied, and which is not allowed */
		client_source = INADDR_LOOPBACK + i;
		cr_expect(login(&c, "open", t.key[0]), "127.0.0.%u", i + 1);
		client_free(&c);
	}
	client_source = INADDR_LOOPBACK;
	client_new(&c, "open");
	client_run(&c);
	cr_expect(c.ended);
	cr_expect_eq(c.login_id, 0);
	client_free(&c);
}

/* fail=open is for those the configuration lets in. */
Test(hook_asked, whom_lists_of_clients_turn_away_silence_does_not_let_in)
{
	struct client c;

	BEGIN("DenyClients 127.0.0.2\nPolicyHook %s kinds=connection fail=open",
	      {"connection", "hang up"});
	cr_expect(login(&c, "open", t.key[0]));
	client_free(&c);
	cr_expect(heard("\"preaccept\":true"));
	client_source = INADDR_LOOPBACK + 1;
	client_new(&c, "open");
	client_run(&c);
	cr_expect(c.ended);
	cr_expect_eq(c.login_id, 0);
	client_free(&c);
	cr_expect(heard("\"preaccept\":false"));
}

Test(hook_asked, a_version_and_a_service_can_be_refused)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=established,service",
	      {"established", "{\"id\":@,\"accept\":true}"},
	      {"service", "{\"id\":@,\"accept\":false}"});
	client_new(&c, "open");
	client_run(&c);
	cr_expect(c.ended);
	cr_expect_eq(c.login_id, 0);
	cr_expect_eq(c.reason, 7);
	client_free(&c);
	expect_logged("PolicyHook refused service of anybody");
}

/* The service that a login is for is asked about with the first of its requests, once. */
Test(hook_asked, what_a_login_is_for_can_be_refused)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=service",
	      {"ssh-connection", "{\"id\":@,\"accept\":false,\"reason\":\"closed\"}"});
	cr_expect_not(login(&c, "open", t.key[0]));
	cr_expect(c.ended);
	client_free(&c);
	expect_logged("PolicyHook refused service of ");
	expect_logged(": closed");
}

/* Which host key it is shown, and limits: the lesser of the file's and of each answer's. */
Test(hook_asked, host_keys_and_limits_are_named)
{
	struct client c;

	control_host_more = "ecdsa-sha2-nistp256";
	BEGIN("PolicyHook %s kinds=established,auth\nIdleTimeout 90\nMaxChannelsPerConnection 50\n"
	      "Match User open\nMaxChannelsPerConnection 40",
	      {"established", "{\"id\":@,\"accept\":true,\"hostkeys\":[\"#\"],\"limits\":{\"max_"
			      "channels\":7,\"connection_rate\":5000}}"},
	      {"\"kind\":\"auth\"", "{\"id\":@,\"accept\":true,\"limits\":{\"idle_timeout\":60,"
				    "\"max_channels\":9}}"});
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_str_eq(c.host_key, "ECDSA");
	(void)open_direct(&c, "127.0.0.1", 9);
	cr_expect_eq(softplane_limits(t.plane).max_channels, 7);
	cr_expect_eq(softplane_limits(t.plane).idle_timeout_ms, 60000);
	cr_expect_eq(softplane_caps(t.plane).conn[LINK_OUT].rate, 5000);
	client_free(&c);
}

/* Or by its path, which stands inside of Match alone. */
Test(hook_asked, a_host_key_is_named_by_its_path)
{
	struct client c;

	control_host_more = "ecdsa-sha2-nistp256";
	control_host_apart = "/keys/apart";
	BEGIN("PolicyHook %s kinds=established\nHostKey /keys/all\nMatch Address 192.0.2.1\n"
	      "HostKey /keys/apart",
	      {"established", "{\"id\":@,\"accept\":true,\"hostkeys\":[\"/keys/apart\"]}"});
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_str_eq(c.host_key, "ECDSA");
	client_free(&c);
	cr_expect(heard("\"path\":\"/keys/apart\""));
}

/* --- host keys of HostKeyFolder ----------------------------------------------------------------
 */

static struct key_folders *folders;

/* conf: the first %s is the folder, the second the socket; #F in an answer is the folder. */
static void begin_folder(const char *conf, const char *answer)
{
	static char dir[80], line[512], text[1024];
	static const char *const dirs[] = {dir};
	static const struct conf_strs all = {dirs, 1};
	static struct says says[] = {{"established", line}};
	const char *at = strstr(answer, "#F"), *bad;
	char path[128];

	control_dir(t.dir);
	snprintf(dir, sizeof(dir), "%s/hostkeys", t.dir);
	cr_assert_eq(mkdir(dir, 0700), 0);
	cr_assert_eq(key_folders_new(&all, geteuid(), &folders, &bad), 0);
	control_host_folders = folders;
	snprintf(path, sizeof(path), "%s/key", dir);
	key_free(control_key_file(path, "ecdsa-sha2-nistp256", "a word"));
	control_file(dir, "word", "a word\n", 0600);
	for (*line = '\0'; at != NULL; at = strstr(answer, "#F")) {
		strncat(line, answer, (size_t)(at - answer));
		strcat(line, dir);
		answer = at + 2;
	}
	strcat(line, answer);
	snprintf(text, sizeof(text), conf, dir, "%s");
	begin(text, says, 1);
}

static void end_folder(void)
{
	end();
	key_folders_free(folders);
}

TestSuite(hook_folder, .fini = end_folder, .timeout = 60);

/* No other is shown, and a second connection finds it loaded. */
Test(hook_folder, a_host_key_is_a_file_that_is_named)
{
	struct client c;

	begin_folder("HostKeyFolder %s\nPolicyHook %s kinds=established",
		     "{\"id\":@,\"accept\":true,\"hostkeys\":[{\"path\":\"#F/key\","
		     "\"passphrase-file\":\"#F/word\"}]}");
	for (unsigned int i = 0; i < 2; i++) {
		cr_assert(login(&c, "open", t.key[0]));
		cr_expect_str_eq(c.host_key, "ECDSA");
		client_free(&c);
	}
}

static void expect_turned_away(const char *why)
{
	struct client c;

	client_new(&c, "open");
	client_run(&c);
	cr_expect(c.ended);
	cr_expect_eq(c.login_id, 0);
	client_free(&c);
	expect_logged(why);
}

/* fail=open is for who does not answer. */
Test(hook_folder, a_file_that_gives_no_key_lets_nobody_in)
{
	begin_folder("HostKeyFolder %s\nPolicyHook %s kinds=established fail=open",
		     "{\"id\":@,\"accept\":true,\"hostkeys\":[\"#F/key\"]}");
	expect_turned_away("it is encrypted and no passphrase is given");
}

Test(hook_folder, a_file_elsewhere_lets_nobody_in)
{
	begin_folder("HostKeyFolder %s\nPolicyHook %s kinds=established",
		     "{\"id\":@,\"accept\":true,\"hostkeys\":[\"#F/../key\"]}");
	expect_turned_away("it is not below a HostKeyFolder");
}

/* Of the one child there is. False: the kernel does not tell. */
static bool kill_opener(void)
{
	char path[64];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "r");
	if (f != NULL && fscanf(f, "%d", &pid) == 1 && kill(pid, SIGKILL) == 0)
		(void)waitpid(pid, NULL, 0);
	if (f != NULL)
		fclose(f);
	return pid > 0;
}

/* Who would open it is gone: that is no answer, and the configuration decides. */
Test(hook_folder, where_nobody_opens_files_it_fails_as_it_is_told)
{
	struct client c;

	begin_folder("HostKeyFolder %s\nPolicyHook %s kinds=established fail=open",
		     "{\"id\":@,\"accept\":true,\"hostkeys\":[{\"path\":\"#F/key\","
		     "\"passphrase-file\":\"#F/word\"}]}");
	if (!kill_opener())
		cr_skip_test("the kernel does not tell of children");
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_str_eq(c.host_key, "ED25519");
	client_free(&c);
	expect_logged("PolicyHook named host key ");
}

/* What the signer could load control does not ask for. */
Test(hook_folder, without_the_keyword_a_file_is_none_of_ours)
{
	begin_folder("# %s\nPolicyHook %s kinds=established",
		     "{\"id\":@,\"accept\":true,\"hostkeys\":[{\"path\":\"#F/key\","
		     "\"passphrase-file\":\"#F/word\"}]}");
	expect_turned_away("PolicyHook named host keys that are not ours");
}

/* As nobody is asked, it is what the file says. */
static void begin_apart(const char *match)
{
	char conf[512];

	control_host_more = "ecdsa-sha2-nistp256";
	control_host_apart = "/keys/apart";
	snprintf(conf, sizeof(conf),
		 "PolicyHook %%s kinds=channel-request\nHostKey /keys/all\nMatch %s\n"
		 "HostKey /keys/apart\nMatch Address 127.0.0.3\nHostKey /keys/nowhere",
		 match);
	begin(conf, NULL, 0);
}

static void expect_host_key(in_addr_t source, const char *type)
{
	struct client c;

	client_source = source;
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_str_eq(c.host_key, type);
	client_free(&c);
}

/* One that is not loaded is no other: nobody is shown whom he did not come to. */
Test(hook_asked, an_address_has_its_own_host_key)
{
	struct client c;

	begin_apart("Address 127.0.0.2");
	expect_host_key(INADDR_LOOPBACK + 1, "ECDSA");
	expect_host_key(INADDR_LOOPBACK, "ED25519");
	client_source = INADDR_LOOPBACK + 2;
	client_new(&c, "open");
	client_run(&c);
	cr_expect(c.ended);
	cr_expect_null(c.host_key);
	client_free(&c);
	expect_logged("none of its HostKey is loaded");
}

Test(hook_asked, a_version_has_its_own_host_key)
{
	begin_apart("Client-Version *test");
	expect_host_key(INADDR_LOOPBACK, "ECDSA");
}

Test(hook_asked, who_is_told_nothing_of_host_keys_is_shown_the_first)
{
	struct client c;

	control_host_more = "ecdsa-sha2-nistp256";
	BEGIN("PolicyHook %s kinds=established", {"established", "{\"id\":@,\"accept\":true}"});
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_str_eq(c.host_key, "ED25519");
	client_free(&c);
}

Test(hook_asked, a_host_key_that_is_not_ours_lets_nobody_in)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=established",
	      {"established", "{\"id\":@,\"accept\":true,\"hostkeys\":[\"SHA256:nobody\"]}"});
	client_new(&c, "open");
	client_run(&c);
	cr_expect(c.ended);
	cr_expect_eq(c.login_id, 0);
	cr_expect_eq(c.reason, 1);
	client_free(&c);
	expect_logged("PolicyHook named host keys that are not ours");
}

Test(hook_asked, a_channel_is_refused_with_the_code_that_was_said)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=channel-open",
	      {"\"port\":9,", "{\"id\":@,\"accept\":false,\"code\":4,\"reason\":\"full\"}"},
	      {"\"port\":10", "{\"id\":@,\"accept\":false}"});
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_eq(open_direct(&c, "127.0.0.1", 9), SSH_OPEN_RESOURCE_SHORTAGE);
	cr_expect_eq(open_direct(&c, "127.0.0.1", 10), SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	client_free(&c);
	expect_logged("PolicyHook refused channel-open of open from 127.0.0.1 port ");
}

Test(hook_asked, a_socket_that_ends_in_a_program_is_one_the_rules_allow)
{
	static const char rest[] = "\0\0\0\6/run/x\0\0\0\0\0\0\0\0";
	struct client c;

	BEGIN("PermitStreamLocal none\nPolicyHook %s kinds=channel-open",
	      {"streamlocal", "{\"id\":@,\"accept\":true,\"handler\":\"/nowhere/handler\"}"});
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_eq(open_type(&c, "direct-streamlocal@openssh.com", rest, sizeof(rest) - 1),
		     SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	client_free(&c);
}

Test(hook_asked, a_type_of_its_own_is_as_much_as_a_tunnel)
{
	struct client c;

	BEGIN("DisableForwarding yes\nPolicyHook %s kinds=channel-open",
	      {"x-news", "{\"id\":@,\"accept\":true,\"handler\":\"/nowhere/handler\"}"});
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_eq(open_type(&c, "x-news", "", 0), SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	client_free(&c);
}

/* --- whom it gives channels to ------------------------------------------------------------------
 */

/* A program that takes every channel, and says so on it; what it is told stands in p.heard. */
static struct {
	char path[100];
	int listener, fd[16];
	unsigned int n;
	pthread_t thread;
} taker;

static void *taker_main(void *arg)
{
	int fd;

	(void)arg;
	while (taker.n < N(taker.fd) && (fd = accept(taker.listener, NULL, NULL)) >= 0) {
		char line[4096] = "";
		bool channel;

		taker.fd[taker.n++] = fd;
		for (size_t n = 0; n < sizeof(line) - 1 && recv(fd, line + n, 1, 0) == 1; n++)
			if (line[n] == '\n')
				break;
		channel = strstr(line, "\"role\":\"channel\"") != NULL;
		pthread_mutex_lock(&p.lock);
		strncat(p.heard, line, sizeof(p.heard) - strlen(p.heard) - 1);
		pthread_mutex_unlock(&p.lock);
		(void)!send(fd, channel ? "{\"accept\":true}\n" : "taken", channel ? 16 : 5,
			    MSG_NOSIGNAL);
	}
	return NULL;
}

/* Before the hook begins. */
static void taker_begin(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	control_dir(t.dir);
	snprintf(taker.path, sizeof(taker.path), "%s/taker", t.dir);
	strcpy(sun.sun_path, taker.path);
	taker.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(taker.listener, (struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(listen(taker.listener, 16), 0);
	cr_assert_eq(pthread_create(&taker.thread, NULL, taker_main, NULL), 0);
}

static void taker_end(void)
{
	shutdown(taker.listener, SHUT_RDWR);
	pthread_join(taker.thread, NULL);
	close(taker.listener);
	while (taker.n > 0)
		close(taker.fd[--taker.n]);
}

/* What is about this goes to it. */
static void begin_taken(const char *conf, const char *about)
{
	static struct says says;
	static char answer[200];

	taker_begin();
	snprintf(answer, sizeof(answer), "{\"id\":@,\"accept\":true,\"handler\":\"%s\"}",
		 taker.path);
	says = (struct says){about, answer};
	begin(conf, &says, 1);
}

static void expect_taken(struct client *c)
{
	static const char says[] = "\0\0\0\5taken";

	client_run(c);
	cr_assert_eq(c->reply_len, 5 + sizeof(says) - 1);
	cr_expect_eq(c->reply[0], SSH_MSG_CHANNEL_DATA);
	cr_expect_eq(memcmp(c->reply + 5, says, sizeof(says) - 1), 0);
}

/* Of a session; what is said to it. */
static uint8_t ask_shell(struct client *c)
{
	struct ssh_chan_request m = {.type = ssh_str_c("shell"), .want_reply = true};
	uint8_t buf[64];
	struct ssh_wr w;
	struct ssh_rd r;

	cr_assert_eq(open_type(c, "session", "", 0), 0);
	ssh_rd_init(&r, c->reply + 5, c->reply_len - 5);
	m.recipient_channel = ssh_rd_u32(&r);
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_request_build(&w, &m);
	cr_assert_eq(ssh_brain_send(c->brain, buf, ssh_wr_done(&w)), 0);
	client_run(c);
	cr_assert_gt(c->reply_len, 0);
	return c->reply[0];
}

/* Nothing of the file's names that program, or those types. */
Test(hook_asked, a_type_of_its_own_goes_to_whom_it_names)
{
	struct client c;

	begin_taken("PolicyHook %s kinds=channel-open", "\"type\":\"x-news\"");
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_eq(open_type(&c, "x-news", "\1\2", 2), 0);
	expect_taken(&c);
	cr_expect(heard("\"type\":\"x-news\",\"peer\":0,\"params\":{},\"raw\":\"AQI=\""), "%s",
		  p.heard);
	cr_expect_eq(open_type(&c, "x-other", "", 0), SSH_OPEN_UNKNOWN_CHANNEL_TYPE);
	client_free(&c);
	taker_end();
}

/* One that the rules allow; of others it is not asked by being named. */
Test(hook_asked, a_tunnel_goes_to_whom_it_names)
{
	struct client c;

	begin_taken("PolicyHook %s kinds=channel-open", "\"port\":");
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_eq(open_direct(&c, "echo.internal", 7), SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	cr_expect_eq(open_direct(&c, "127.0.0.1", 7), 0);
	expect_taken(&c);
	cr_expect(heard("\"params\":{\"host\":\"127.0.0.1\",\"port\":7,"), "%s", p.heard);
	cr_expect_eq(taker.n, 2, "one channel's connections");
	client_free(&c);
	taker_end();
}

Test(hook_asked, a_shell_goes_to_whom_it_names)
{
	struct client c;

	begin_taken("PermitSession yes\nPolicyHook %s kinds=channel-request", "\"type\":\"shell\"");
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_eq(ask_shell(&c), SSH_MSG_CHANNEL_SUCCESS);
	expect_taken(&c);
	cr_expect(heard("\"request\":\"shell\""), "%s", p.heard);
	client_free(&c);
	taker_end();
}

/* Named with its open it has what is asked for there; PermitSession is about others. */
Test(hook_asked, a_session_goes_to_whom_it_names)
{
	struct client c;

	begin_taken("PermitSession no\nPolicyHook %s kinds=channel-open", "\"type\":\"session\"");
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_eq(ask_shell(&c), SSH_MSG_CHANNEL_SUCCESS);
	expect_taken(&c);
	client_free(&c);
	taker_end();
}

/* A command that is forced goes before any program. */
Test(hook_asked, what_is_forced_is_given_to_nobody)
{
	struct client c;

	begin_taken("PermitSession yes\nForceCommand true\nPolicyHook %s kinds=channel-request",
		    "\"type\":\"shell\"");
	cr_assert(login(&c, "open", t.key[0]));
	(void)ask_shell(&c);
	cr_expect_eq(taker.n, 0);
	client_free(&c);
	taker_end();
}

static void expect_object(const char *what, json_t *o, const char *expect)
{
	json_t *e = json_loads(expect, 0, NULL);
	char *text = json_dumps(o, 0);

	cr_expect(e != NULL && json_equal(o, e), "%s: %s", what, text);
	free(text);
	json_decref(o);
	json_decref(e);
}

/* What a request says, by name: of its type, the rest of it. */
static void expect_params(const char *type, const void *rest, size_t len, const char *expect)
{
	const struct ssh_chan_request m = {.type = ssh_str_c(type), .rest = {rest, (uint32_t)len}};

	expect_object(type, params_of_request(&m), expect);
}
#define PARAMS(type, rest, expect) expect_params(type, rest, sizeof(rest) - 1, expect)

Test(hook_asked, what_a_request_says_is_told_by_name)
{
	BEGIN("PolicyHook %s kinds=forward", {"none", NULL});
	PARAMS("exec", "\0\0\0\2ls", "{\"command\":\"ls\"}");
	PARAMS("subsystem", "\0\0\0\4sftp", "{\"name\":\"sftp\"}");
	PARAMS("signal", "\0\0\0\3INT", "{\"signal\":\"INT\"}");
	PARAMS("env", "\0\0\0\4LANG\0\0\0\1C", "{\"name\":\"LANG\",\"value\":\"C\"}");
	PARAMS("pty-req", "\0\0\0\5xterm\0\0\0\x50\0\0\0\x18\0\0\0\1\0\0\0\2\0\0\0\1\0",
	       "{\"term\":\"xterm\",\"columns\":80,\"rows\":24,\"width\":1,\"height\":2,\"modes\":\"AA==\"}");
	PARAMS("window-change", "\0\0\0\x50\0\0\0\x18\0\0\0\1\0\0\0\2",
	       "{\"columns\":80,\"rows\":24,\"width\":1,\"height\":2}");
	PARAMS("x11-req", "\1\0\0\0\3MIT\0\0\0\2" "ab\0\0\0\7",
	       "{\"single\":true,\"protocol\":\"MIT\",\"cookie\":\"ab\",\"screen\":7}");
	PARAMS("break", "\0\0\1\0", "{\"milliseconds\":256}");
	PARAMS("xon-xoff", "\1", "{\"client_can_do\":true}");
	PARAMS("exit-status", "\0\0\0\3", "{\"exit\":3}");
	PARAMS("exit-signal", "\0\0\0\4TERM\1\0\0\0\3oom\0\0\0\2en",
	       "{\"signal\":\"TERM\",\"core\":true,\"message\":\"oom\",\"language\":\"en\"}");
	PARAMS("shell", "", "{}");
	PARAMS("x-ours", "\1\2", "{}");
	PARAMS("exec", "\0\0\0\3ls", "{}"); /* malformed: nothing is told of it but raw */
	PARAMS("exit-signal", "\0\0\0\4TERM\1", "{}");
}

Test(hook_asked, what_an_open_says_is_told_by_name)
{
	static const struct {
		const char *type, *rest;
		uint32_t len;
		const char *expect;
	} row[] = {
		{"direct-tcpip", "\0\0\0\1h\0\0\0\x16\0\0\0\1o\0\0\0\x9", 18,
		 "{\"host\":\"h\",\"port\":22,\"originator\":\"o\",\"originator_port\":9}"},
		{"direct-streamlocal@openssh.com", "\0\0\0\6/run/x\0\0\0\0\0\0\0\0", 18,
		 "{\"path\":\"/run/x\"}"},
		{"direct-tcpip", "\0\0\0\1h", 5, "{}"},
		{"session", "", 0, "{}"},
	};

	BEGIN("PolicyHook %s kinds=forward", {"none", NULL});
	for (size_t i = 0; i < N(row); i++) {
		const struct ssh_chan_open m = {
			.type = ssh_str_c(row[i].type),
			.rest = {(const uint8_t *)row[i].rest, row[i].len}};

		expect_object(row[i].type, params_of_open(&m), row[i].expect);
	}
}

/* "partial" is a word about logins. */
Test(hook_asked, half_a_no_is_one)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=channel-open",
	      {"channel-open", "{\"id\":@,\"accept\":false,\"partial\":true,\"code\":4}"});
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_eq(open_direct(&c, "127.0.0.1", 9), SSH_OPEN_RESOURCE_SHORTAGE);
	client_free(&c);
}

/* The rules are asked whatever a program says. */
Test(hook_asked, what_the_rules_refuse_no_answer_allows)
{
	struct client c;

	BEGIN("PolicyHook %s", {"none", NULL});
	cr_assert(login(&c, "closed", t.key[0]));
	cr_expect_eq(open_direct(&c, "127.0.0.1", 9), SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	client_free(&c);
	client_start(&c, "denied");
	cr_expect(!try_key(&c, t.key[0]));
	client_free(&c);
}

Test(hook_asked, silence_refuses_when_its_time_is_over)
{
	uint64_t before = control_counted(CONTROL_C_HOOK_LATE);
	struct client c;

	BEGIN("PolicyHook %s kinds=channel-open timeout=1", {"channel-open", NULL});
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_eq(open_direct(&c, "127.0.0.1", 9), SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	client_free(&c);
	cr_expect_gt(control_counted(CONTROL_C_HOOK_LATE), before);
	expect_logged(": no answer");
}

Test(hook_asked, where_it_fails_open_the_configuration_decides)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=channel-open,service fail=open", {"", "hang up"});
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_neq(open_direct(&c, "127.0.0.1", 9), SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	client_free(&c);
	cr_expect_gt(control_counted(CONTROL_C_HOOK_LOST), 0);
}

Test(hook_asked, what_is_no_answer_is_counted_and_changes_nothing)
{
	uint64_t bad = control_counted(CONTROL_C_HOOK_BAD),
		 stray = control_counted(CONTROL_C_HOOK_STRAY);
	struct client c;

	BEGIN("PolicyHook %s kinds=channel-open",
	      {"channel-open",
	       "rubbish\n{\"id\":99999,\"accept\":true}\n{\"id\":@,\"accept\":\"yes\"}\n"
	       "{\"id\":@,\"accept\":false}\n{\"id\":@,\"accept\":true}"});
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_eq(open_direct(&c, "127.0.0.1", 9), SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	client_free(&c);
	cr_expect_eq(control_counted(CONTROL_C_HOOK_BAD), bad + 2);
	cr_expect_geq(control_counted(CONTROL_C_HOOK_STRAY), stray + 1);
}

Test(hook_asked, who_hangs_up_is_connected_to_again)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=channel-open", {"\"port\":9,", "hang up"},
	      {"\"port\":10", "{\"id\":@,\"accept\":false,\"code\":4}"});
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_eq(open_direct(&c, "127.0.0.1", 9), SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	cr_expect_eq(open_direct(&c, "127.0.0.1", 10), SSH_OPEN_RESOURCE_SHORTAGE);
	client_free(&c);
}

/* A long open of each of these, of a type nobody knows. */
static void open_long(struct client *c)
{
	static uint8_t rest[32000], buf[32100];
	struct ssh_chan_open m = {.type = ssh_str_c("x-long"),
				  .window_size = 65536,
				  .packet_max = 32768,
				  .rest = {rest, sizeof(rest)}};
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_open_build(&w, &m);
	cr_assert_eq(ssh_brain_send(c->brain, buf, ssh_wr_done(&w)), 0);
	while (ssh_pump_step(&c->pump, &(struct ssh_act){0}) == 0)
		;
	client_flush(c);
}

static uint32_t refused_for(struct client *c)
{
	struct ssh_chan_failure f;
	struct ssh_rd r;

	client_run(c);
	cr_assert_gt(c->reply_len, 0);
	cr_assert_eq(c->reply[0], SSH_MSG_CHANNEL_OPEN_FAILURE);
	ssh_rd_init(&r, c->reply + 1, c->reply_len - 1);
	cr_assert_eq(ssh_chan_failure_parse(&r, &f), 0);
	return f.reason;
}

/* Who floods it must not have it opened: only where nobody answers the configuration decides. */
Test(hook_asked, where_too_much_waits_nothing_fails_open)
{
	uint64_t crowded = control_counted(CONTROL_C_HOOK_CROWDED);
	static struct client c[32];
	unsigned int n = 0;

	BEGIN("PolicyHook %s-nowhere kinds=channel-open fail=open timeout=30", {"none", NULL});
	/* Whoever logs in behind an open comes to control behind it. */
	for (;; n++) {
		cr_assert_lt(n, N(c), "it is never full");
		cr_assert(login(&c[n], "open", t.key[0]));
		if (control_counted(CONTROL_C_HOOK_CROWDED) != crowded)
			break;
		open_long(&c[n]);
	}
	cr_assert_gt(n, 20);
	cr_expect_eq(refused_for(&c[n - 1]), SSH_OPEN_RESOURCE_SHORTAGE);
	time_passes();
	cr_expect_eq(refused_for(&c[0]), SSH_OPEN_UNKNOWN_CHANNEL_TYPE, "nobody answered");
	for (unsigned int i = 0; i <= n; i++)
		client_free(&c[i]);
}

/* --- logins -------------------------------------------------------------------------------------
 */

Test(hook_asked, who_is_right_may_still_be_refused)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=auth", {"\"user\":\"open\"", "{\"id\":@,\"accept\":false}"});
	client_start(&c, "open");
	cr_expect(!try_key(&c, t.key[0]));
	cr_expect(heard("\"method\":\"publickey\""));
	cr_expect(heard("\"preaccept\":true"));
	cr_expect(heard("\"key\":\"SHA256:"));
	client_free(&c);
	cr_expect(login(&c, "demo", t.key[0]));
	client_free(&c);
}

Test(hook_asked, who_is_wrong_is_nobody_it_hears_of)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=auth", {"none", NULL});
	client_start(&c, "open");
	cr_expect(!try_key(&c, t.key[2]));
	cr_expect(!try_password(&c, "secret", 6));
	cr_expect(!heard("auth"));
	client_free(&c);
}

Test(hook_asked, passwords_are_told_only_who_is_named_for_them)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=auth", {"none", NULL});
	client_start(&c, "alice");
	cr_expect(try_password(&c, "secret", 6));
	cr_expect(heard("\"method\":\"password\""));
	cr_expect(!heard("secret"));
	client_free(&c);
}

Test(hook_asked, it_judges_passwords_of_users_nobody_else_knows)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=auth,auth-secret authority=auth",
	      {"\"password\":\"open sesame\"", "{\"id\":@,\"accept\":true}"},
	      {"\"auth\"", "{\"id\":@,\"accept\":false}"});
	client_start(&c, "nobody-here");
	cr_expect(!try_password(&c, "secret", 6));
	cr_expect(try_password(&c, "open sesame", 11));
	client_free(&c);
	client_start(&c, "alice");
	cr_expect(!try_password(&c, "secret", 6), "the file has no voice");
	client_free(&c);
	client_start(&c, "denied");
	cr_expect(!try_password(&c, "open sesame", 11), "DenyUsers has");
	client_free(&c);
}

Test(hook_asked, it_judges_keys_and_what_a_line_restricts_holds)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=auth authority=auth", {"none", NULL});
	cr_assert(login(&c, "open", t.key[2]), "nobody's key");
	client_free(&c);
	cr_assert(login(&c, "demo", t.key[1]), "a restricted one");
	cr_expect_eq(open_direct(&c, "127.0.0.1", 9), SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	client_free(&c);
}

/* Such a key is not one that no line is about. */
Test(hook_asked, what_a_line_refuses_it_cannot_let_in)
{
	static const char *const options[] = {"from=\"192.0.2.1\",restrict",
					      "expiry-time=\"20010101\",restrict"};
	struct client c;
	char line[2048];

	BEGIN("PolicyHook %s kinds=auth authority=auth", {"none", NULL});
	for (size_t i = 0; i < N(options); i++) {
		key_line(t.key[0], options[i], line, sizeof(line));
		control_file(t.dir, "keys/alice", line, 0600);
		client_start(&c, "alice");
		cr_expect(!try_key(&c, t.key[0]), "%s", options[i]);
		cr_expect(try_key(&c, t.key[1]), "a key no line is about");
		client_free(&c);
	}
}

/* Nor is a certificate, of an authority that is believed, which does not hold. */
Test(hook_asked, a_certificate_that_does_not_hold_it_cannot_let_in)
{
	static const char *const alice[] = {"alice"}, *const bob[] = {"bob"};
	static const struct {
		const char *const *names;
		uint64_t until;
		size_t ca; /* 0 is believed */
		bool in;
	} row[] = {{alice, UINT64_MAX, 0, true},
		   {alice, 1000000000, 0, false},
		   {bob, UINT64_MAX, 0, false},
		   {bob, UINT64_MAX, 1, true}}; /* a key like any other: the program's to judge */
	char line[2048], conf[512];
	struct client c;

	control_dir(t.dir);
	snprintf(conf, sizeof(conf),
		 "TrustedUserCAKeys %s/ca\nPolicyHook %%s kinds=auth authority=auth", t.dir);
	BEGIN(conf, {"none", NULL});
	key_line(t.key[0], "", line, sizeof(line));
	control_file(t.dir, "ca", line, 0600);
	for (size_t i = 0; i < N(row); i++) {
		const struct cert_spec spec = {.role = CERT_USER,
					       .key_id = "id",
					       .principals = row[i].names,
					       .n_principals = 1,
					       .valid_before = row[i].until};
		struct key *cert = NULL;

		cr_assert_eq(cert_build(t.key[2], &spec, t.key[row[i].ca], NULL, &cert), 0);
		client_start(&c, "alice");
		sign_with = t.key[2];
		cr_assert_eq(ssh_brain_login_publickey(c.brain, c.login_id, cert,
						       "ssh-ed25519-cert-v01@openssh.com"),
			     0);
		client_run(&c);
		cr_expect_eq(c.in, row[i].in, "row %zu", i);
		client_free(&c);
		sign_with = NULL;
		key_free(cert);
	}
}

Test(hook_asked, two_keys_are_two_for_it_too)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=auth authority=auth\nAuthenticationMethods publickey,publickey",
	      {"none", NULL});
	client_start(&c, "open");
	cr_expect(!try_key(&c, t.key[0]));
	cr_expect(ssh_brain_partial(c.brain));
	cr_expect(!try_key(&c, t.key[0]), "the same once more");
	cr_expect(try_key(&c, t.key[2]));
	client_free(&c);
}

Test(hook_asked, it_asks_questions_of_its_own)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=auth,auth-secret authority=auth",
	      {"\"responses\":[\"42\"]", "{\"id\":@,\"accept\":true}"},
	      {"\"responses\"", "{\"id\":@,\"accept\":false}"},
	      {"keyboard-interactive",
	       "{\"id\":@,\"accept\":false,\"name\":\"Riddle\",\"instruction\":\"Think\","
	       "\"prompts\":[{\"text\":\"Answer? \",\"echo\":true}]}"});
	client_start(&c, "nobody-here");
	cr_assert(try_kbdint(&c));
	cr_expect_str_eq(c.prompts_name, "Riddle");
	cr_expect_str_eq(c.instruction, "Think");
	cr_expect_eq(c.n_shown, 1);
	cr_expect_str_eq(c.prompts, "Answer? ");
	cr_expect(!answer(&c, "41", NULL));
	cr_assert(try_kbdint(&c));
	cr_expect(answer(&c, "42", NULL));
	client_free(&c);
}

/* Before anything is tried: the sources judge, and ask by the program's words. */
Test(hook_asked, it_words_the_questions_of_others)
{
	struct client c;

	BEGIN("KbdInteractivePrompt \"Passwort: \" noecho\nPolicyHook %s kinds=auth",
	      {"\"none\"",
	       "{\"id\":@,\"accept\":false,\"prompts\":\"Word: ,echo=true\",\"instruction\":\"Say it\"}"});
	client_start(&c, "alice");
	cr_expect(!try_none(&c));
	cr_assert(try_kbdint(&c));
	cr_expect_str_eq(c.prompts, "Word: ");
	cr_expect_eq(c.n_shown, 1);
	cr_expect(!answer(&c, "wrong", NULL));
	cr_assert(try_kbdint(&c));
	cr_expect_str_eq(c.prompts, "Word: ");
	cr_expect(answer(&c, "secret", NULL));
	client_free(&c);
}

Test(hook_asked, it_asks_no_more_than_is_judged)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=auth",
	      {"\"none\"",
	       "{\"id\":@,\"accept\":false,\"prompts\":\"A,echo=true;B,echo=true;C,echo=true\"}"});
	client_start(&c, "alice");
	cr_expect(!try_none(&c));
	cr_expect(!try_kbdint(&c));
	client_free(&c);
	expect_logged("3 prompts, but 1 sources");
}

Test(hook_asked, half_of_a_login_is_not_enough)
{
	struct client c;
	char line[2048];

	BEGIN("PolicyHook %s kinds=auth",
	      {"\"method\":\"publickey\"", "{\"id\":@,\"accept\":false,\"partial\":true,"
					   "\"methods\":\"password,keyboard-interactive\"}"});
	key_line(t.key[0], "", line, sizeof(line));
	control_file(t.dir, "keys/alice", line, 0600);
	client_start(&c, "alice");
	cr_expect(!try_key(&c, t.key[0]));
	cr_expect_str_eq(c.methods, "password,keyboard-interactive");
	cr_expect(try_password(&c, "secret", 6));
	client_free(&c);
}

/* What Match Role says holds from the login on: rates, limits, where one may go. */
Test(hook_asked, a_role_is_what_the_file_says_of_it)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=auth\nMatch Role night*\nPermitOpen none\nChannelRate 1000\n"
	      "IdleTimeout 60\nMatch Role nobody\nRefuseConnection yes",
	      {"\"user\":\"alice\"", "{\"id\":@,\"accept\":true,\"role\":\"nightly\"}"},
	      {"\"user\":\"empty\"", "{\"id\":@,\"accept\":true,\"role\":\"nobody\"}"},
	      {"\"user\":\"open\"", "{\"id\":@,\"accept\":true}"});
	client_start(&c, "alice");
	cr_assert(try_password(&c, "secret", 6));
	cr_expect_eq(open_direct(&c, "127.0.0.1", 9), SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	cr_expect_eq(softplane_caps(t.plane).channel[LINK_IN].rate, 1000);
	cr_expect_eq(softplane_limits(t.plane).idle_timeout_ms, 60000);
	client_free(&c);
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_eq(softplane_limits(t.plane).idle_timeout_ms, 0, "no role");
	client_free(&c);
}

Test(hook_asked, a_role_that_is_refused_is_not_let_in)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=auth\nMatch Role nobody\nRefuseConnection yes",
	      {"\"user\":\"open\"", "{\"id\":@,\"accept\":true,\"role\":\"nobody\"}"});
	if (login(&c, "open", t.key[0])) /* it may read that it was in */
		client_run(&c);
	cr_expect(c.ended);
	cr_expect_eq(c.reason, 1);
	client_free(&c);
}

/* As with RefuseConnection: another configuration, or another control, would end it, too. */
Test(hook_asked, whom_a_role_denies_is_not_let_in)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=auth\nMatch Role nobody\nDenyUsers op*",
	      {"\"user\":\"open\"", "{\"id\":@,\"accept\":true,\"role\":\"nobody\"}"},
	      {"\"user\":\"alice\"", "{\"id\":@,\"accept\":true,\"role\":\"nobody\"}"});
	if (login(&c, "open", t.key[0]))
		client_run(&c);
	cr_expect(c.ended);
	client_free(&c);
	client_start(&c, "alice");
	cr_assert(try_password(&c, "secret", 6));
	(void)open_direct(&c, "127.0.0.1", 9);
	cr_expect_not(c.ended);
	client_free(&c);
}

Test(hook_asked, a_banner_and_what_may_be_tried)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=auth",
	      {"\"method\":\"none\"",
	       "{\"id\":@,\"accept\":false,\"banner\":\"Hello\",\"methods\":\"password\"}"});
	client_start(&c, "alice");
	cr_expect(!try_none(&c));
	cr_expect_str_eq(c.banner, "Hello");
	cr_expect_str_eq(c.methods, "password");
	cr_expect(try_password(&c, "secret", 6));
	client_free(&c);
}

/* Nothing that is silent or gone lets anybody in whom files would not. */
Test(hook_asked, where_authority_fails_open_files_judge)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=auth,auth-secret authority=auth fail=open", {"", "hang up"});
	client_start(&c, "alice");
	cr_expect(!try_password(&c, "wrong", 5));
	cr_expect(try_password(&c, "secret", 6));
	client_free(&c);
	client_start(&c, "demo");
	cr_expect(!try_key(&c, t.key[2]));
	cr_expect(try_key(&c, t.key[0]));
	client_free(&c);
}

Test(hook_asked, signatures_are_news)
{
	struct client c;

	BEGIN("ReportSignatureStatus yes\nPolicyHook %s kinds=auth-sig", {"none", NULL});
	cr_expect(login(&c, "demo", t.key[0]));
	client_free(&c);
	for (int i = 0; i < 6000 && !heard("\"sigstatus\",\"valid\":true"); i++)
		usleep(5000);
	cr_expect(heard("\"sigstatus\",\"valid\":true"));
	cr_expect(!heard("\"valid\":false"));
}

Test(hook_asked, signatures_that_are_wrong_are_news)
{
	struct client c;

	BEGIN("ReportSignatureStatus yes\nPolicyHook %s kinds=auth-sig", {"none", NULL});
	spoil_signatures = true;
	cr_expect(!login(&c, "demo", t.key[0]));
	client_free(&c);
	for (int i = 0; i < 6000 && !heard("\"sigstatus\",\"valid\":false"); i++)
		usleep(5000);
	cr_expect(heard("\"sigstatus\",\"valid\":false"));
	cr_expect(!heard("\"valid\":true"));
}

/* --- tunnels ------------------------------------------------------------------------------------
 */

Test(hook_asked, a_tunnel_is_asked_about_with_the_addresses_it_leads_to)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=forward",
	      {"\"resolved\":[\"127.0.0.1\"]", "{\"id\":@,\"accept\":false}"});
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_eq(open_direct(&c, "127.0.0.1", 9), SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	client_free(&c);
	cr_expect(heard("\"direction\":0,\"address\":\"127.0.0.1\",\"port\":9"));
}

Test(hook_asked, where_it_leads_elsewhere_the_rules_judge_again)
{
	struct link_chan_connect m;
	struct client c;

	BEGIN("PolicyHook %s kinds=forward",
	      {"\"port\":9,", "{\"id\":@,\"accept\":true,\"host\":\"127.0.0.1\",\"port\":11}"},
	      {"\"port\":10,", "{\"id\":@,\"accept\":true,\"host\":\"127.0.0.2\"}"},
	      {"\"port\":12,", "{\"id\":@,\"accept\":true,\"port\":0}"});
	cr_assert(login(&c, "open", t.key[0]));
	(void)open_direct(&c, "127.0.0.1", 9);
	cr_assert(softplane_last_connect(t.plane, &m));
	cr_expect_eq(m.addr[0].port, 11);
	cr_expect_eq(open_direct(&c, "127.0.0.1", 10), SSH_OPEN_ADMINISTRATIVELY_PROHIBITED,
		     "PermitOpen has no such target");
	cr_expect_eq(open_direct(&c, "127.0.0.1", 12), SSH_OPEN_CONNECT_FAILED);
	client_free(&c);
	expect_logged("PolicyHook leads a tunnel of open to 127.0.0.1 port 11");
}

Test(hook_asked, rules_that_turn_while_it_thinks_hold)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=forward", {"\"port\":9,", "~{\"id\":@,\"accept\":true}"});
	cr_assert(login(&c, "open", t.key[0]));
	(void)open_direct(&c, "127.0.0.1", 10);
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_CHAN_CONNECT), 1);
	cr_expect_eq(open_direct(&c, "127.0.0.1", 9), SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_CHAN_CONNECT), 1);
	client_free(&c);
	conf_put(conf_before);
}

Test(hook_asked, rules_that_turn_hold_for_listeners_too)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=forward",
	      {"\"direction\":1", "~{\"id\":@,\"accept\":true}"});
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_eq(global(&c, "tcpip-forward"), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_FORWARD), 0);
	client_free(&c);
	conf_put(conf_before);
}

/* Opens that are asked about are asked about every time. */
Test(hook_asked, nothing_is_granted_that_is_asked_about)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=forward", {"none", NULL});
	cr_assert(login(&c, "open", t.key[0]));
	for (int i = 0; i < 4; i++)
		(void)open_direct(&c, "127.0.0.1", 9);
	cr_expect_eq(softplane_seen(t.plane, LINK_CMD_GRANT), 0);
	client_free(&c);
}

Test(hook_asked, a_listener_can_be_refused)
{
	struct client c;

	BEGIN("PolicyHook %s kinds=forward", {"\"direction\":1", "{\"id\":@,\"accept\":false}"});
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_eq(global(&c, "tcpip-forward"), SSH_MSG_REQUEST_FAILURE);
	client_free(&c);
	cr_expect(heard("\"direction\":1,\"address\":\"\",\"port\":0"));
}

static uint32_t port_granted(const struct client *c)
{
	struct ssh_rd r;

	ssh_rd_init(&r, c->reply + 1, c->reply_len - 1);
	return c->reply[0] == SSH_MSG_REQUEST_SUCCESS ? ssh_rd_u32(&r) : 0;
}

Test(hook_asked, a_listener_has_the_port_that_was_said)
{
	static char yes[64];
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct client c;
	uint16_t port;

	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	close(fd); /* one that is free */
	port = ntohs(at.sin_port);
	snprintf(yes, sizeof(yes), "{\"id\":@,\"accept\":true,\"port\":%u}", port);
	const struct says says[] = {{"\"direction\":1", yes}};

	begin("PolicyHook %s kinds=forward", says, N(says));
	cr_assert(login(&c, "open", t.key[0]));
	(void)global(&c, "tcpip-forward");
	cr_expect_eq(port_granted(&c), port);
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_FORWARD), 1);
	client_free(&c);
}

/* The rules judge the port that was said as if it had been asked for. */
Test(hook_asked, a_listener_has_no_port_that_the_rules_refuse)
{
	struct client c;

	BEGIN("ListenRule deny *:20001\nPolicyHook %s kinds=forward",
	      {"\"direction\":1", "{\"id\":@,\"accept\":true,\"port\":20001}"});
	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_eq(global(&c, "tcpip-forward"), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_FORWARD), 0);
	client_free(&c);
}
