/* ssh/show: what an operator sees of messages, and what nobody does. */
#include <criterion/criterion.h>
#include <string.h>

#include "ssh/msg.h"
#include "ssh/show.h"
#include "ssh/wire.h"

#define SECRET "hunter2"

static uint8_t buf[4096];
static struct ssh_wr w;

static void begin(uint8_t msg)
{
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_u8(&w, msg);
}

/* The fields of what was written, and nothing of a secret in what is shown at all. */
static const char *shown(void)
{
	static char text[SSH_SHOW_TEXT];
	size_t n = ssh_show_len(buf, ssh_wr_done(&w));

	cr_assert_leq(n, ssh_wr_done(&w));
	cr_expect_null(memmem(buf, n, SECRET, strlen(SECRET)));
	ssh_show_fields(buf, n, text);
	return text;
}

Test(show, a_password_is_not)
{
	begin(SSH_MSG_USERAUTH_REQUEST);
	ssh_wr_cstr(&w, "demo");
	ssh_wr_cstr(&w, "ssh-connection");
	ssh_wr_cstr(&w, "password");
	ssh_wr_bool(&w, false);
	ssh_wr_cstr(&w, SECRET);
	cr_expect_str_eq(shown(), " user=demo service=ssh-connection method=password");
	begin(SSH_MSG_USERAUTH_INFO_RESPONSE);
	ssh_wr_u32(&w, 1);
	ssh_wr_cstr(&w, SECRET);
	cr_expect_str_eq(shown(), "");
	cr_expect_eq(ssh_show_len(buf, ssh_wr_done(&w)), 1, "its number alone");
}

Test(show, what_a_channel_carries_is_not)
{
	begin(SSH_MSG_CHANNEL_DATA);
	ssh_wr_u32(&w, 3);
	ssh_wr_cstr(&w, SECRET);
	cr_expect_str_eq(shown(), " recipient_channel=3 bytes=7");
	begin(SSH_MSG_CHANNEL_EXTENDED_DATA);
	ssh_wr_u32(&w, 3);
	ssh_wr_u32(&w, 1);
	ssh_wr_cstr(&w, SECRET);
	cr_expect_str_eq(shown(), " recipient_channel=3 type=1 bytes=7");
}

/* A client's variables, its commands, the cookie of its display, requests nobody knows. */
Test(show, what_requests_hold_is_not_but_what_is_known_for_none)
{
	static const char *const hidden[] = {"env", "exec", "x11-req", "new@example.com"};

	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		begin(SSH_MSG_CHANNEL_REQUEST);
		ssh_wr_u32(&w, 0);
		ssh_wr_cstr(&w, hidden[i]);
		ssh_wr_bool(&w, true);
		ssh_wr_cstr(&w, SECRET);
		cr_expect_not_null(strstr(shown(), "want_reply=yes"), "%s", hidden[i]);
	}
	begin(SSH_MSG_CHANNEL_REQUEST);
	ssh_wr_u32(&w, 0);
	ssh_wr_cstr(&w, "exit-status");
	ssh_wr_bool(&w, false);
	ssh_wr_u32(&w, 7);
	cr_expect_str_eq(shown(),
			 " recipient_channel=0 request=exit-status want_reply=no status=7");
}

Test(show, a_target_is)
{
	begin(SSH_MSG_CHANNEL_OPEN);
	ssh_wr_cstr(&w, "direct-tcpip");
	ssh_wr_u32(&w, 1);
	ssh_wr_u32(&w, 2);
	ssh_wr_u32(&w, 3);
	ssh_wr_cstr(&w, "a host\n");
	ssh_wr_u32(&w, 80);
	cr_expect_str_eq(shown(), " type=direct-tcpip sender_channel=1 window_size=2 "
				  "packet_max=3 host=a\\040host\\012 port=80");
	cr_expect_str_eq(ssh_show_name(SSH_MSG_CHANNEL_OPEN), "CHANNEL_OPEN");
}

/* Cut anywhere it is fewer fields, and none of them wrong. */
Test(show, a_message_that_is_cut)
{
	size_t all, last = 0;

	begin(SSH_MSG_CHANNEL_OPEN_FAILURE);
	ssh_wr_u32(&w, 1);
	ssh_wr_u32(&w, 2);
	ssh_wr_cstr(&w, "no");
	ssh_wr_cstr(&w, "");
	all = ssh_wr_done(&w);
	cr_expect_eq(ssh_show_len(buf, 0), 0);
	for (size_t n = 1; n <= all; n++) {
		size_t k = ssh_show_len(buf, n);

		cr_expect_leq(k, n);
		cr_expect_geq(k, last);
		last = k;
	}
	cr_expect_eq(last, all - 4, "but its language");
	buf[0] = 255;
	cr_expect_eq(ssh_show_len(buf, all), 1);
	cr_expect_null(ssh_show_name(255));
}

Test(show, a_message_without_a_name_has_a_title)
{
	char title[SSH_SHOW_TITLE];

	cr_expect_str_eq(ssh_show_title(SSH_MSG_KEXINIT, title), "KEXINIT");
	cr_expect_str_eq(ssh_show_title(49, title), "KEX message 49");
	cr_expect_str_eq(ssh_show_title(79, title), "USERAUTH message 79");
	cr_expect_str_eq(ssh_show_title(255, title), "message 255");
	cr_expect(ssh_show_hides_len(SSH_MSG_USERAUTH_REQUEST) && ssh_show_hides_len(61));
	cr_expect_not(ssh_show_hides_len(SSH_MSG_CHANNEL_OPEN));
}
