/* client/shell/x11.c - see x11.h. */
#include "client/shell/x11.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/reach/output.h"
#include "client/shell/say.h"
#include "crypto/secret.h"

#define XAUTH_MAX (64 * 1024) /* bytes it says */
#define SLACK_S   60          /* its cookie ends so much later than we do */

static bool xauth_run(char *const argv[], struct cookie *ret)
{
	char *text;
	size_t len;
	bool ok = false;

	if (output_of(argv, XAUTH_MAX, true, &text, &len) < 0)
		return false;
	if (ret == NULL || cookie_parse(text, ret))
		ok = true;
	secret_wipe(text, len);
	free(text);
	return ok;
}

/* The display's own cookie: of the user's file, or of the one that is named. */
static bool cookie_list(const char *xauth, const char *file, const struct display *d,
			struct cookie *ret)
{
	const char *argv[] = {xauth, "-f", file, "list", d->xauth, NULL};

	if (file == NULL) {
		argv[1] = argv[3];
		argv[2] = argv[4];
		argv[3] = NULL;
	}
	return xauth_run((char *const *)argv, ret);
}

/* One that is made for programs that are not trusted, in a file of its own. */
static bool cookie_make(const char *xauth, const struct display *d, uint64_t timeout_s,
			struct cookie *ret)
{
	char dir[] = "/tmp/sluice-XXXXXXXXXX", file[sizeof(dir) + 16], seconds[24];
	const char *argv[] = {xauth,          "-f",        file,      "generate", d->xauth,
			      DISPLAY_COOKIE, "untrusted", "timeout", seconds,    NULL};
	bool ok;

	if (mkdtemp(dir) == NULL)
		return false;
	snprintf(file, sizeof(file), "%s/xauthority", dir);
	snprintf(seconds, sizeof(seconds), "%llu", (unsigned long long)timeout_s + SLACK_S);
	if (timeout_s == 0)
		argv[7] = NULL;
	ok = xauth_run((char *const *)argv, NULL) && cookie_list(xauth, file, d, ret);
	unlink(file);
	rmdir(dir);
	return ok;
}

static bool cookie_find(struct x11 *x, const struct config *c)
{
	const char *xauth = config_text(c, CONFIG_XAUTH_LOCATION);

	if (!config_yes(c, CONFIG_FORWARD_X11_TRUSTED)) {
		if (cookie_make(xauth, &x->display, config_number(c, CONFIG_FORWARD_X11_TIMEOUT),
				&x->cookie))
			return true;
		say(SAY_ERROR, "Warning: untrusted X11 forwarding setup failed: xauth key data not "
			       "generated");
		return false;
	}
	if (cookie_list(xauth, NULL, &x->display, &x->cookie))
		return true;
	/* A display may let in who is here, whatever he says. */
	say(SAY_ERROR,
	    "Warning: No xauth data; using fake authentication data for X11 forwarding.");
	strcpy(x->cookie.proto, DISPLAY_COOKIE);
	x->cookie.len = 16;
	return crypto_random(x->cookie.real, x->cookie.len) == 0;
}

void x11_begin(struct x11 *x, const struct config *c, uint64_t now_ms)
{
	const char *display = getenv("DISPLAY");
	uint64_t seconds = config_number(c, CONFIG_FORWARD_X11_TIMEOUT);

	if (display == NULL || *display == '\0') {
		say(SAY_DEBUG, "X11 forwarding requested but DISPLAY not set");
		return;
	}
	if (!display_parse(display, &x->display)) {
		say(SAY_ERROR, "DISPLAY is not valid; X11 is not forwarded");
		return;
	}
	if (!cookie_find(x, c) || crypto_random(x->cookie.fake, x->cookie.len) < 0)
		return;
	if (!config_yes(c, CONFIG_FORWARD_X11_TRUSTED) && seconds > 0)
		x->until_ms = now_ms + seconds * 1000;
	x->on = true;
}

int x11_request(const struct x11 *x, struct sluice_channel *c)
{
	char hex[2 * COOKIE_MAX + 1], screen[12];
	struct sluice_payload p = {0};
	int r;

	sluice_hex_encode(x->cookie.fake, x->cookie.len, hex, sizeof(hex));
	snprintf(screen, sizeof(screen), "%u", x->display.screen);
	r = sluice_payload_put(&p, "f", "False"); /* any number of programs */
	if (r == 0)
		r = sluice_payload_put(&p, "s", x->cookie.proto);
	if (r == 0)
		r = sluice_payload_put(&p, "s", hex);
	if (r == 0)
		r = sluice_payload_put(&p, "i", screen);
	if (r == 0)
		r = sluice_channel_request(c, "x11-req", true, p.p, p.len);
	sluice_payload_free(&p);
	secret_wipe(hex, sizeof(hex));
	return r;
}

int x11_open(const struct x11 *x, struct relays *r, struct sluice_channel *c,
	     const struct sluice_open *open, uint64_t now_ms)
{
	if (!x->on) {
		say(SAY_ERROR, "Warning: the server brought an X11 program that nobody asked for.");
		return 0;
	}
	if (x->until_ms > 0 && now_ms >= x->until_ms) {
		say(SAY_ERROR, "Rejected X11 connection after ForwardX11Timeout expired");
		return 0;
	}
	say(SAY_DEBUG, "x11: from %s port %u", open->origin, open->origin_port);
	return relay_take_display(r, c, open, &x->display.end, &x->cookie);
}

void x11_end(struct x11 *x)
{
	secret_wipe(&x->cookie, sizeof(x->cookie));
	x->on = false;
}
