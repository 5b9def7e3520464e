/* control/service: the environment of a session's program, and its terminal. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/helper/agents.h"
#include "control/helper/bounded.h"
#include "control/service/child.h"
#include "control/service/env.h"
#include "control/service/tty.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* --- environment --------------------------------------------------------------------------- */

Test(service, a_variable_takes_the_place_of_one_of_its_name)
{
	struct env e = {0};

	cr_assert_eq(env_set(&e, "LANG", "C"), 0);
	cr_assert_eq(env_set(&e, "LANGUAGE", "en"), 0);
	cr_assert_eq(env_put(&e, "LANG=de_DE"), 0);
	cr_assert_eq(e.n, 2);
	cr_assert_str_eq(env_get(&e, "LANG"), "de_DE");
	cr_assert_str_eq(env_get(&e, "LANGUAGE"), "en");
	cr_assert_null(env_get(&e, "LAN"));
	cr_assert_null(e.v[2]);
	env_fini(&e);
}

Test(service, what_is_no_assignment_is_refused)
{
	static const char *const bad[] = {"", "=", "=x", "LANG"};
	struct env e = {0};

	for (size_t i = 0; i < N(bad); i++)
		cr_assert_eq(env_put(&e, bad[i]), -EINVAL, "%s", bad[i]);
	cr_assert_eq(env_set(&e, "", "x"), -EINVAL);
	cr_assert_eq(env_set(&e, "A=B", "x"), -EINVAL);
	cr_assert_eq(e.n, 0);
	env_fini(&e);
}

Test(service, lines_of_a_users_file)
{
	static const char text[] = "A=1\n  B=2 # 3\n\n# C=4\n\tD=\nLD_X=5\nA=6";
	struct env e = {0};
	unsigned int bad;

	cr_assert_eq(env_lines(&e, text, sizeof(text) - 1, "!LD_*,*", &bad), 0);
	cr_expect_eq(bad, 0);
	cr_expect_eq(e.n, 3);
	cr_expect_str_eq(env_get(&e, "A"), "6");
	cr_expect_str_eq(env_get(&e, "B"), "2 # 3");
	cr_expect_str_eq(env_get(&e, "D"), "");
	env_fini(&e);
}

Test(service, lines_that_are_none_are_passed_over)
{
	static const char text[] = "A=1\nB\n=C\n=\nD=2\n";
	struct env e = {0};
	unsigned int bad;

	cr_assert_eq(env_lines(&e, text, sizeof(text) - 1, "*", &bad), 0);
	cr_expect_eq(bad, 2);
	cr_expect_eq(e.n, 2);
	cr_assert_eq(env_lines(&e, text, sizeof(text) - 1, "E,F", &bad), 0);
	cr_expect_eq(e.n, 2, "names that are not in the list");
	env_fini(&e);
}

Test(service, an_environment_has_bounds)
{
	char *big = malloc(ENV_BYTES_MAX);
	struct env e = {0};
	char name[16];

	memset(big, 'x', ENV_BYTES_MAX - 1);
	big[ENV_BYTES_MAX - 1] = '\0';
	cr_assert_eq(env_set(&e, "A", big), -E2BIG);
	big[ENV_BYTES_MAX - 8] = '\0';
	cr_assert_eq(env_set(&e, "A", big), 0);
	cr_assert_eq(env_set(&e, "A", big), 0); /* in its own place */
	cr_assert_eq(env_set(&e, "BCDEF", "12345"), -E2BIG);
	cr_assert_eq(env_set(&e, "A", ""), 0);
	for (unsigned int i = 1; i < ENV_MAX; i++) {
		snprintf(name, sizeof(name), "N%u", i);
		cr_assert_eq(env_set(&e, name, ""), 0);
	}
	cr_assert_eq(env_set(&e, "MORE", ""), -E2BIG);
	cr_assert_eq(env_set(&e, "N1", "again"), 0);
	env_fini(&e);
	free(big);
}

/* As sshd makes it. */
Test(service, a_login_has_its_variables)
{
	struct passwd pw = {.pw_name = (char *)"kay",
			    .pw_uid = 1000,
			    .pw_dir = (char *)"/home/kay",
			    .pw_shell = (char *)"/bin/bash"};
	struct env e = {0};

	cr_assert_eq(env_login(&e, &pw), 0);
	cr_assert_eq(env_connection(&e, "192.0.2.1", 4711, "2001:db8::1", 22), 0);
	cr_assert_str_eq(env_get(&e, "USER"), "kay");
	cr_assert_str_eq(env_get(&e, "LOGNAME"), "kay");
	cr_assert_str_eq(env_get(&e, "HOME"), "/home/kay");
	cr_assert_str_eq(env_get(&e, "SHELL"), "/bin/bash");
	cr_assert_str_eq(env_get(&e, "MAIL"), "/var/mail/kay");
	cr_assert_str_eq(env_get(&e, "SSH_CLIENT"), "192.0.2.1 4711 22");
	cr_assert_str_eq(env_get(&e, "SSH_CONNECTION"), "192.0.2.1 4711 2001:db8::1 22");
	cr_assert_null(strstr(env_get(&e, "PATH"), "sbin"));
	pw.pw_uid = 0;
	pw.pw_shell = (char *)"";
	cr_assert_eq(env_login(&e, &pw), 0);
	cr_assert_not_null(strstr(env_get(&e, "PATH"), "sbin"));
	cr_assert_str_eq(env_get(&e, "SHELL"), "/bin/sh");
	env_fini(&e);
}

Test(service, only_accepted_names_are_a_clients)
{
	static const char *const patterns[] = {"LANG", "LC_*"};
	const struct conf_strs accept = {patterns, N(patterns)}, none = {NULL, 0};

	cr_assert(env_accepted(&accept, "LANG"));
	cr_assert(env_accepted(&accept, "LC_ALL"));
	cr_assert_not(env_accepted(&accept, "LANGUAGE"));
	cr_assert_not(env_accepted(&accept, "lang"));
	cr_assert_not(env_accepted(&accept, "LD_PRELOAD"));
	cr_assert_not(env_accepted(&none, "LANG"));
}

/* --- terminals ------------------------------------------------------------------------------ */

static struct ssh_str modes_of(uint8_t *buf, size_t size, const uint32_t (*mode)[2], size_t n)
{
	struct ssh_wr w;

	ssh_wr_init(&w, buf, size);
	for (size_t i = 0; i < n; i++)
		ssh_tty_mode_build(&w, (uint8_t)mode[i][0], mode[i][1]);
	ssh_tty_mode_build(&w, SSH_TTY_OP_END, 0);
	return (struct ssh_str){buf, (uint32_t)ssh_wr_done(&w)};
}

/* RFC 4254 section 8, opcode by opcode. */
Test(service, modes_set_and_clear_what_they_name)
{
	static const struct {
		uint8_t opcode;
		size_t field;
		tcflag_t flag;
	} c[] = {
		{30, offsetof(struct termios, c_iflag), IGNPAR},
		{36, offsetof(struct termios, c_iflag), ICRNL},
		{38, offsetof(struct termios, c_iflag), IXON},
		{42, offsetof(struct termios, c_iflag), IUTF8},
		{50, offsetof(struct termios, c_lflag), ISIG},
		{51, offsetof(struct termios, c_lflag), ICANON},
		{53, offsetof(struct termios, c_lflag), ECHO},
		{59, offsetof(struct termios, c_lflag), IEXTEN},
		{70, offsetof(struct termios, c_oflag), OPOST},
		{72, offsetof(struct termios, c_oflag), ONLCR},
		{92, offsetof(struct termios, c_cflag), PARENB},
		{93, offsetof(struct termios, c_cflag), PARODD},
	};
	uint8_t buf[16];

	for (size_t i = 0; i < N(c); i++) {
		for (uint32_t on = 0; on < 2; on++) {
			const uint32_t mode[][2] = {{c[i].opcode, on}};
			struct termios t, other;
			const tcflag_t *f = (const tcflag_t *)(void *)((char *)&t + c[i].field);

			memset(&t, on ? 0 : 0xff, sizeof(t));
			other = t;
			tty_modes_apply(modes_of(buf, sizeof(buf), mode, 1), &t);
			cr_assert_eq((*f & c[i].flag) != 0, on, "opcode %u", c[i].opcode);
			*(tcflag_t *)(void *)((char *)&other + c[i].field) ^= c[i].flag;
			cr_assert_eq(memcmp(&t, &other, sizeof(t)), 0, "and nothing else");
		}
	}
}

Test(service, characters_sizes_and_speeds)
{
	static const uint32_t mode[][2] = {{1, 3},   {3, 127},     {5, 255},    {9, 1000},
					   {90, 1},  {128, 38400}, {129, 9600}, {129, 12345},
					   {99, 42}, {11, 26}};
	struct termios t = {.c_cflag = CS8};
	uint8_t buf[64];

	tty_modes_apply(modes_of(buf, sizeof(buf), mode, N(mode)), &t);
	cr_assert_eq(t.c_cc[VINTR], 3);
	cr_assert_eq(t.c_cc[VERASE], 127);
	cr_assert_eq(t.c_cc[VEOF], _POSIX_VDISABLE);
	cr_assert_eq(t.c_cc[VSTOP], _POSIX_VDISABLE);
	cr_assert_eq(t.c_cflag & CSIZE, CS7);
	cr_assert_eq(cfgetospeed(&t), B9600);
}

Test(service, a_terminal_is_as_large_as_asked_and_its_users)
{
	const struct ssh_pty_req req = {.term = ssh_str_c("xterm"),
					.size = {132, 43, 1000, UINT32_MAX},
					.modes = ssh_str_c("")};
	const struct passwd *pw = getpwuid(geteuid());
	struct winsize ws;
	struct stat st;
	struct tty t;

	cr_assert_eq(tty_open(pw, &req, &t), 0);
	cr_assert_eq(ioctl(t.slave, TIOCGWINSZ, &ws), 0);
	cr_assert_eq(ws.ws_col, 132);
	cr_assert_eq(ws.ws_row, 43);
	cr_assert_eq(ws.ws_xpixel, 1000);
	cr_assert_eq(ws.ws_ypixel, UINT16_MAX);
	cr_assert_eq(stat(t.name, &st), 0);
	cr_assert_eq(st.st_uid, geteuid());
	cr_assert_eq(st.st_mode & 0007, 0);
	tty_close(&t);
	cr_assert_eq(t.master, -1);
	tty_close(&t);
}

/* --- ChrootDirectory ---------------------------------------------------------------------------
 */

Test(service, a_root_belongs_to_root_all_the_way)
{
	char dir[] = "/tmp/sluice-chroot-XXXXXX", path[128], why[256];

	cr_assert(child_chroot_safe("/", why, sizeof(why)), "%s", why);
	cr_assert(child_chroot_safe("/usr/lib/", why, sizeof(why)), "%s", why);
	cr_assert_not(child_chroot_safe("usr", why, sizeof(why)));
	cr_assert_not(child_chroot_safe("/no/such/folder", why, sizeof(why)));
	cr_assert_not(child_chroot_safe("/etc/passwd", why, sizeof(why)));
	cr_assert_not_null(mkdtemp(dir));
	/* /tmp is everybody's: what lies in it may be another one's tomorrow. */
	cr_assert_not(child_chroot_safe(dir, why, sizeof(why)));
	cr_assert_not_null(strstr(why, "bad ownership or modes"));
	snprintf(path, sizeof(path), "%s/x", dir);
	cr_assert_not(child_chroot_safe(path, why, sizeof(why)));
	cr_assert_eq(rmdir(dir), 0);
}

/* --- agents' folders that were left behind ---------------------------------------------------- */

static void socket_at(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(sun.sun_path, path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0, "%s", path);
	close(fd);
}

/* A folder below /tmp with a socket in it, marked or not. */
static void folder(const char *run, const char *name, const char *in, bool marked)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/%s", name);
	cr_assert_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "/tmp/%s/%s", name, in);
	socket_at(path);
	if (marked)
		cr_assert(agents_mark(run, name));
}

static bool is_there(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/%s", name);
	return access(path, F_OK) == 0;
}

static void folder_away(const char *name, const char *in)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/%s/%s", name, in);
	cr_assert_eq(unlink(path), 0);
	snprintf(path, sizeof(path), "/tmp/%s", name);
	cr_assert_eq(rmdir(path), 0);
}

/* Eight letters of this process's own number, that tests beside this one do not have. */
static void name_own(char buf[16], char first)
{
	unsigned int n = (unsigned int)getpid();

	strcpy(buf, "ssh-");
	buf[4] = first;
	buf[5] = 'a';
	for (int i = 6; i < 14; i++, n >>= 4)
		buf[i] = (char)('A' + n % 16);
	buf[14] = '\0';
}

Test(service, agents_folders_that_were_left_behind_go)
{
	char run[] = "/tmp/sluice-agents-XXXXXX", marked[16], other[16], full[16], marks[64];

	cr_assert_not_null(mkdtemp(run));
	name_own(marked, 'M');
	name_own(other, 'N');
	name_own(full, 'O');
	folder(run, marked, "agent", true);
	folder(run, other, "agent", false);
	folder(run, full, "agent.17", true);
	cr_expect_eq(agents_clean(run), 1);
	cr_expect_not(is_there(marked));
	cr_expect(is_there(other), "nobody said that it is ours");
	cr_expect(is_there(full), "there is something else in it");
	cr_expect_eq(agents_clean(run), 0);
	folder_away(other, "agent");
	folder_away(full, "agent.17");
	snprintf(marks, sizeof(marks), "%s/agents", run);
	cr_expect_eq(rmdir(marks), 0, "no mark is left");
	cr_expect_eq(rmdir(run), 0);
}

/* Control may write to the folder above: it cannot have another's folders removed. */
Test(service, marks_that_others_may_write_are_not_believed)
{
	char run[] = "/tmp/sluice-agents-XXXXXX", name[16], marks[64];

	cr_assert_not_null(mkdtemp(run));
	name_own(name, 'P');
	folder(run, name, "agent", true);
	snprintf(marks, sizeof(marks), "%s/agents", run);
	cr_assert_eq(chmod(marks, 0770), 0);
	cr_expect_eq(agents_clean(run), 0);
	cr_expect(is_there(name));
	cr_assert_eq(chmod(marks, 0700), 0);
	cr_expect_eq(agents_clean(run), 1);
	cr_expect_not(agents_mark("/nonexistent", name));
	cr_expect_eq(rmdir(marks), 0);
	cr_expect_eq(rmdir(run), 0);
}

/* --- bounded.h ----------------------------------------------------------------------------------
 */

static int says(void *arg)
{
	return *(int *)arg;
}

static int stops(void *arg)
{
	int pid = (int)getpid();

	(void)!write(*(int *)arg, &pid, sizeof(pid));
	return raise(SIGSTOP);
}

static int crashes(void *arg)
{
	(void)arg;
	return raise(SIGKILL);
}

/* All that it has of ours is what goes along. */
static int counts(void *arg)
{
	int n = 0;

	for (int fd = 3; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return *(int *)arg == 3 ? n : 99;
}

Test(service, what_is_done_elsewhere_says_how_it_ended)
{
	int seven = 7, fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	cr_expect_eq(bounded_run(says, &seven, NULL, 60000), 7);
	cr_expect_eq(bounded_run(crashes, NULL, NULL, 60000), -ECHILD);
	cr_expect_eq(bounded_run(counts, &fd, &fd, 60000), 1);
	cr_expect_gt(fd, 2, "here it is what it was");
	close(fd);
}

/* One that is stopped does not hold us up, and is gone for good. */
Test(service, what_is_stopped_elsewhere_has_its_time)
{
	int p[2], pid = 0;

	cr_assert_eq(pipe2(p, O_CLOEXEC), 0);
	cr_expect_eq(bounded_run(stops, &p[1], &p[1], 100), -ETIMEDOUT);
	close(p[1]);
	if (read(p[0], &pid, sizeof(pid)) == sizeof(pid)) /* else it had not begun */
		cr_expect(kill(pid, 0) < 0 && errno == ESRCH);
	close(p[0]);
}
