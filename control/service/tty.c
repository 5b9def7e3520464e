#include "control/service/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- modes --------------------------------------------------------------------------------- */

/* RFC 4254 section 8: characters; one of 255 is none. */
static const struct {
	uint8_t opcode, at;
} chars[] = {
	{1, VINTR},     {2, VQUIT},    {3, VERASE},  {4, VKILL},  {5, VEOF},
	{6, VEOL},      {7, VEOL2},    {8, VSTART},  {9, VSTOP},  {10, VSUSP},
	{12, VREPRINT}, {13, VWERASE}, {14, VLNEXT}, {16, VSWTC}, {18, VDISCARD},
};

static const struct {
	uint8_t opcode;
	tcflag_t flag;
} input[] =
	{
		{30, IGNPAR}, {31, PARMRK},  {32, INPCK}, {33, ISTRIP}, {34, INLCR},
		{35, IGNCR},  {36, ICRNL},   {37, IUCLC}, {38, IXON},   {39, IXANY},
		{40, IXOFF},  {41, IMAXBEL}, {42, IUTF8},
},
  local[] =
	  {
		  {50, ISIG},    {51, ICANON}, {52, XCASE},  {53, ECHO},   {54, ECHOE},
		  {55, ECHOK},   {56, ECHONL}, {57, NOFLSH}, {58, TOSTOP}, {59, IEXTEN},
		  {60, ECHOCTL}, {61, ECHOKE}, {62, PENDIN},
},
  output[] =
	  {
		  {70, OPOST}, {71, OLCUC}, {72, ONLCR}, {73, OCRNL}, {74, ONOCR}, {75, ONLRET},
},
  control[] = {
	  {92, PARENB},
	  {93, PARODD},
};

#define FLAG(table, field)                                                                         \
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)                              \
		if (table[i].opcode == opcode) {                                                   \
			if (value != 0)                                                            \
				(field) |= table[i].flag;                                          \
			else                                                                       \
				(field) &= ~table[i].flag;                                         \
			return;                                                                    \
		}

static const struct {
	uint32_t baud;
	speed_t speed;
} speeds[] = {
	{0, B0},         {50, B50},       {75, B75},         {110, B110},       {134, B134},
	{150, B150},     {200, B200},     {300, B300},       {600, B600},       {1200, B1200},
	{1800, B1800},   {2400, B2400},   {4800, B4800},     {9600, B9600},     {19200, B19200},
	{38400, B38400}, {57600, B57600}, {115200, B115200}, {230400, B230400},
};

static void speed_apply(uint8_t opcode, uint32_t value, struct termios *t)
{
	for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++) {
		if (speeds[i].baud != value)
			continue;
		if (opcode == SSH_TTY_OP_ISPEED)
			(void)cfsetispeed(t, speeds[i].speed);
		else
			(void)cfsetospeed(t, speeds[i].speed);
	}
}

static void mode_apply(uint8_t opcode, uint32_t value, struct termios *t)
{
	for (size_t i = 0; i < sizeof(chars) / sizeof(chars[0]); i++)
		if (chars[i].opcode == opcode) {
			t->c_cc[chars[i].at] = value >= 255 ? _POSIX_VDISABLE : (cc_t)value;
			return;
		}
	FLAG(input, t->c_iflag)
	FLAG(local, t->c_lflag)
	FLAG(output, t->c_oflag)
	FLAG(control, t->c_cflag)
	if ((opcode == 90 || opcode == 91) && value != 0)
		t->c_cflag = (t->c_cflag & ~(tcflag_t)CSIZE) | (opcode == 90 ? CS7 : CS8);
	else if (opcode == SSH_TTY_OP_ISPEED || opcode == SSH_TTY_OP_OSPEED)
		speed_apply(opcode, value, t);
}

void tty_modes_apply(struct ssh_str modes, struct termios *t)
{
	struct ssh_rd r;
	uint32_t value;
	uint8_t opcode;

	ssh_rd_init(&r, modes.p, modes.len);
	while (ssh_tty_mode_next(&r, &opcode, &value))
		mode_apply(opcode, value, t);
}

/* --- a terminal ------------------------------------------------------------------------------ */

static unsigned short cut(uint32_t n)
{
	return n > UINT16_MAX ? UINT16_MAX : (unsigned short)n;
}

/* As login programs have it: its user's, and writable for those who write to people. */
static int own(int slave, const struct passwd *pw)
{
	const struct group *tty = getgrnam("tty");

	if (geteuid() != 0) /* a test's: grantpt() made it ours */
		return 0;
	if (fchown(slave, pw->pw_uid, tty != NULL ? tty->gr_gid : pw->pw_gid) < 0 ||
	    fchmod(slave, tty != NULL ? S_IRUSR | S_IWUSR | S_IWGRP : S_IRUSR | S_IWUSR) < 0)
		return -errno;
	return 0;
}

static int prepare(const struct ssh_pty_req *req, int slave)
{
	const struct winsize ws = {.ws_col = cut(req->size.columns),
				   .ws_row = cut(req->size.rows),
				   .ws_xpixel = cut(req->size.width),
				   .ws_ypixel = cut(req->size.height)};
	struct termios t;

	if (ioctl(slave, TIOCSWINSZ, &ws) < 0 || tcgetattr(slave, &t) < 0)
		return -errno;
	tty_modes_apply(req->modes, &t);
	return tcsetattr(slave, TCSANOW, &t) < 0 ? -errno : 0;
}

int tty_open(const struct passwd *pw, const struct ssh_pty_req *req, struct tty *ret)
{
	struct tty t = {.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), .slave = -1};
	int r;

	if (t.master < 0)
		return -errno;
	r = grantpt(t.master) < 0 || unlockpt(t.master) < 0 ? -errno : 0;
	if (r == 0)
		r = -ptsname_r(t.master, t.name, sizeof(t.name));
	if (r == 0) {
		t.slave = open(t.name, O_RDWR | O_NOCTTY | O_CLOEXEC);
		r = t.slave < 0 ? -errno : own(t.slave, pw);
	}
	if (r == 0)
		r = prepare(req, t.slave);
	if (r < 0) {
		tty_close(&t);
		return r;
	}
	*ret = t;
	return 0;
}

/* The terminal itself goes with its master, whoever has that by then. */
void tty_close(struct tty *t)
{
	if (t->slave >= 0)
		close(t->slave);
	if (t->master >= 0)
		close(t->master);
	t->master = t->slave = -1;
}
