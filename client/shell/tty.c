/* client/shell/tty.c - see tty.h. */
#include "client/shell/tty.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "client/shell/say.h"

static struct termios was;
static int raw_fd = -1;

void tty_raw(int fd)
{
	static bool registered;
	struct termios raw;

	if (raw_fd >= 0 || tcgetattr(fd, &was) < 0)
		return;
	raw = was;
	raw.c_iflag |= IGNPAR;
	raw.c_iflag &= ~(tcflag_t)(ISTRIP | INLCR | IGNCR | ICRNL | IXON | IXANY | IXOFF | IUCLC);
	raw.c_lflag &= ~(tcflag_t)(ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHONL | IEXTEN);
	raw.c_oflag &= ~(tcflag_t)OPOST;
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(fd, TCSADRAIN, &raw) < 0)
		return;
	raw_fd = fd;
	say_raw(true);
	if (!registered && atexit(tty_restore) == 0)
		registered = true;
}

void tty_restore(void)
{
	if (raw_fd < 0)
		return;
	tcsetattr(raw_fd, TCSADRAIN, &was);
	raw_fd = -1;
	say_raw(false);
}

bool tty_is_raw(void)
{
	return raw_fd >= 0;
}

void tty_size(int fd, struct tty_size *ret)
{
	struct winsize w = {0};

	*ret = (struct tty_size){0};
	if (ioctl(fd, TIOCGWINSZ, &w) == 0)
		*ret = (struct tty_size){w.ws_col, w.ws_row, w.ws_xpixel, w.ws_ypixel};
}

/* --- modes: RFC 4254 section 8
 * -------------------------------------------------------------------- */

enum where { CC, IFLAG, LFLAG, OFLAG, CFLAG };

static const struct {
	uint8_t opcode;
	enum where where;
	unsigned int what; /* index in c_cc, or the flag */
} modes[] = {
	{1, CC, VINTR},      {2, CC, VQUIT},       {3, CC, VERASE},     {4, CC, VKILL},
	{5, CC, VEOF},       {6, CC, VEOL},        {7, CC, VEOL2},      {8, CC, VSTART},
	{9, CC, VSTOP},      {10, CC, VSUSP},      {12, CC, VREPRINT},  {13, CC, VWERASE},
	{14, CC, VLNEXT},    {18, CC, VDISCARD},   {30, IFLAG, IGNPAR}, {31, IFLAG, PARMRK},
	{32, IFLAG, INPCK},  {33, IFLAG, ISTRIP},  {34, IFLAG, INLCR},  {35, IFLAG, IGNCR},
	{36, IFLAG, ICRNL},  {37, IFLAG, IUCLC},   {38, IFLAG, IXON},   {39, IFLAG, IXANY},
	{40, IFLAG, IXOFF},  {41, IFLAG, IMAXBEL}, {42, IFLAG, IUTF8},  {50, LFLAG, ISIG},
	{51, LFLAG, ICANON}, {52, LFLAG, XCASE},   {53, LFLAG, ECHO},   {54, LFLAG, ECHOE},
	{55, LFLAG, ECHOK},  {56, LFLAG, ECHONL},  {57, LFLAG, NOFLSH}, {58, LFLAG, TOSTOP},
	{59, LFLAG, IEXTEN}, {60, LFLAG, ECHOCTL}, {61, LFLAG, ECHOKE}, {62, LFLAG, PENDIN},
	{70, OFLAG, OPOST},  {71, OFLAG, OLCUC},   {72, OFLAG, ONLCR},  {73, OFLAG, OCRNL},
	{74, OFLAG, ONOCR},  {75, OFLAG, ONLRET},  {90, CFLAG, CS7},    {91, CFLAG, CS8},
	{92, CFLAG, PARENB}, {93, CFLAG, PARODD},
};

#define OPCODE_ISPEED 128
#define OPCODE_OSPEED 129
#define SPEED         38400

static uint8_t *put(uint8_t *p, uint8_t opcode, uint32_t value)
{
	*p++ = opcode;
	*p++ = (uint8_t)(value >> 24);
	*p++ = (uint8_t)(value >> 16);
	*p++ = (uint8_t)(value >> 8);
	*p++ = (uint8_t)value;
	return p;
}

static uint32_t mode_of(const struct termios *t, size_t i)
{
	unsigned int what = modes[i].what;

	switch (modes[i].where) {
	case CC: /* 255: it is off */
		return t->c_cc[what] == _POSIX_VDISABLE ? 255 : t->c_cc[what];
	case IFLAG:
		return (t->c_iflag & what) == what;
	case LFLAG:
		return (t->c_lflag & what) == what;
	case OFLAG:
		return (t->c_oflag & what) == what;
	case CFLAG:
		break;
	}
	return (t->c_cflag & CSIZE) == what || ((what & CSIZE) == 0 && (t->c_cflag & what) != 0);
}

size_t tty_modes(int fd, uint8_t buf[TTY_MODES_MAX])
{
	uint8_t *p = buf;
	struct termios t;

	if (tcgetattr(fd, &t) == 0) {
		p = put(p, OPCODE_OSPEED, SPEED);
		p = put(p, OPCODE_ISPEED, SPEED);
		for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
			p = put(p, modes[i].opcode, mode_of(&t, i));
	}
	*p++ = 0;
	return (size_t)(p - buf);
}
