/*
 * Tunnels of libsluice that stay up: the whole client against the lab's server, both in this thread
 * and in virtual time; the way between them is here, and is cut. And forwards that the library
 * carries to a target.
 */
#include <arpa/inet.h>
#include <signal.h>

#include "client/lib/dial.h"
#include "tests/unit/client_lab.h"

TestSuite(client_tunnel, .timeout = 3000);

/* --- the way, and its time ------------------------------------------------------------------ */

static struct {
	uint64_t now; /* ms */
	bool up;
	bool dark;             /* when it is down, nothing is said of it, either */
	uint64_t there;        /* when it was up again */
	unsigned int dials;    /* that came through */
	unsigned int refusals; /* of forwards, by the next server */
	uint32_t retry_after;  /* that the next server says */
	struct lab *lab;       /* whom it leads to; NULL: it was not come to */
	bool threads;          /* the server has one of its own, and time is real */
	/* what is told of it */
	struct sluice_reconnect told; /* the latest */
	unsigned int attempts, ups, overs;
	int over;
	uint64_t up_at, down_at;
	unsigned int cancel_at; /* attempt; 0: none */
	bool stop_in, free_in;  /* a callback */
} w;

uint64_t __real_turn_now_ms(void);
uint64_t __wrap_turn_now_ms(void);

uint64_t __wrap_turn_now_ms(void)
{
	return w.threads ? __real_turn_now_ms() : w.now;
}

struct dial {
	uint32_t again_ms;
	uint64_t begun;
};

static void lab_begin(int *ret_fd)
{
	w.lab = lab_new();
	w.lab->forwards_wait = true;
	w.lab->no_forwards = w.refusals;
	w.lab->conf.retry_after = w.retry_after;
	w.refusals = 0;
	*ret_fd = w.threads ? lab_start(w.lab) : lab_make(w.lab);
	w.lab->joined = !w.threads;
	w.dials++;
}

static void lab_end(void)
{
	if (w.lab == NULL)
		return;
	if (w.lab->joined && w.lab->fd >= 0)
		close(w.lab->fd);
	lab_free(w.lab);
	w.lab = NULL;
}

int dial_new(const struct settings *set, uint32_t again_ms, struct dial **ret, const char **why)
{
	(void)set;
	*why = "";
	*ret = calloc(1, sizeof(**ret));
	**ret = (struct dial){again_ms, w.now};
	return 0;
}

/* What is on its way into the dark is found by the next that is sent. */
int dial_step(struct dial *d, int *ret_fd, pid_t *ret_command)
{
	*ret_command = 0;
	if (!w.up)
		return w.dark ? -EAGAIN : -ECONNREFUSED;
	if (w.dark && d->begun < w.there &&
	    (w.now - d->begun) / d->again_ms == (w.there - d->begun) / d->again_ms)
		return -EAGAIN;
	lab_end();
	lab_begin(ret_fd);
	return 0;
}

int dial_fd(const struct dial *d)
{
	(void)d;
	return -1;
}

bool dial_at_proxy(const struct dial *d)
{
	(void)d;
	return false;
}

const char *dial_why(const struct dial *d)
{
	(void)d;
	return "";
}

void dial_free(struct dial *d)
{
	free(d);
}

/* --- a client ------------------------------------------------------------------------------- */

static struct sluice *s;
static struct sluice_tunnel *t;

static void on_reconnect(void *arg, struct sluice_tunnel *tunnel, const struct sluice_reconnect *r,
			 bool *cancel)
{
	(void)arg;
	cr_assert_eq(tunnel, t);
	w.told = *r;
	w.attempts++;
	*cancel = w.attempts == w.cancel_at;
	if (w.stop_in)
		cr_assert_eq(sluice_tunnel_stop(t), 0);
	if (w.free_in)
		sluice_tunnel_free(t);
}

static void on_tunnel(void *arg, struct sluice_tunnel *tunnel, int err, const char *text)
{
	(void)arg, (void)text;
	cr_assert_eq(tunnel, t);
	if (err == 0) {
		w.ups++;
		w.up_at = w.now;
	} else {
		w.overs++;
		w.over = err;
	}
}

static void on_disconnected(void *arg, struct sluice *conn, int err, const char *text)
{
	(void)arg, (void)conn, (void)err, (void)text;
	w.down_at = w.now;
}

static const struct sluice_ops ops = {.size = sizeof(ops),
				      .on_reconnect = on_reconnect,
				      .on_tunnel = on_tunnel,
				      .on_disconnected = on_disconnected};

static void client(const char *mode)
{
	memset(&w, 0, sizeof(w));
	w.now = 1000000;
	w.up = true;
	s = lab_client();
	cr_assert_eq(sluice_ops_set(s, &ops, NULL), 0);
	cr_assert_eq(sluice_set(s, "Hostname", "gate"), 0);
	cr_assert_eq(sluice_set(s, "OperationTimeout", "0"), 0);
	cr_assert_eq(sluice_set(s, "Reconnect", mode), 0);
	cr_assert_eq(sluice_tunnel_new(s, &t), 0);
}

static void client_end(void)
{
	sluice_free(s);
	lab_end();
}

/* Everything that can be done now is. The client's last word. */
static int settle(void)
{
	int r = 1;

	for (int idle = 0; idle < 2; idle++) {
		r = sluice_dispatch(s, 0);
		if (r > 0)
			idle = -1;
		if (w.lab != NULL && w.lab->fd >= 0 && (w.up || !w.dark)) {
			struct pollfd p = {w.lab->fd, POLLIN, 0};

			(void)poll(&p, 1, 0);
			lab_turn(w.lab, p.revents);
			if (p.revents != 0 && !w.lab->over)
				idle = -1;
		}
	}
	return r;
}

/* Time goes on until then, from one thing that is due to the next. */
static int pass(uint64_t until)
{
	for (;;) {
		int r = settle(), ms = sluice_timeout_ms(s);

		if (r < 0 || w.now >= until)
			return r;
		if (ms < 0 || w.now + (uint64_t)ms > until)
			w.now = until;
		else
			w.now += (uint64_t)(ms > 0 ? ms : 1);
	}
}

static void cut(bool dark)
{
	w.up = false;
	w.dark = dark;
	if (!dark && w.lab != NULL && w.lab->fd >= 0) {
		close(w.lab->fd);
		w.lab->fd = -1;
	}
}

static void start(void)
{
	int r = sluice_tunnel_start(t);

	cr_assert(r == 0 || r == -SLUICE_E_WOULD_BLOCK);
	(void)settle();
	cr_assert_eq(w.ups, 1u);
}

/* --- when it is tried ----------------------------------------------------------------------- */

Test(client_tunnel, modes_say_what_is_tried_again)
{
	static const struct {
		const char *mode;
		bool at_first, after_a_break;
	} table[] = {{"never", false, false}, {"broken", false, true}, {"always", true, true},
		     {"0", false, false},     {"1", false, true},      {"2", true, true}};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		client(table[i].mode);
		w.up = false;
		(void)sluice_tunnel_start(t);
		(void)settle();
		cr_expect_eq(w.attempts > 0, table[i].at_first, "%s", table[i].mode);
		cr_expect_eq(sluice_status(s),
			     table[i].at_first ? -SLUICE_E_WOULD_BLOCK : -ECONNREFUSED);
		client_end();
		client(table[i].mode);
		start();
		cut(false);
		(void)settle();
		cr_expect_eq(w.attempts > 0, table[i].after_a_break, "%s", table[i].mode);
		cr_expect_eq(w.overs, table[i].after_a_break ? 0u : 1u);
		cr_expect(table[i].after_a_break || w.over == -SLUICE_E_DROPPED);
		client_end();
	}
}

Test(client_tunnel, each_try_is_told_before_it_is_made_until_there_are_no_more)
{
	client("broken");
	cr_assert_eq(sluice_set(s, "ReconnectMax", "3"), 0);
	cr_assert_eq(sluice_set(s, "ReconnectInterval", "4"), 0);
	cr_assert_eq(sluice_set(s, "ReconnectJitter", "0"), 0);
	start();
	cut(false);
	for (unsigned int i = 1; i <= 3; i++) {
		(void)settle();
		cr_assert_eq(w.attempts, i);
		cr_assert_str_eq(w.told.host, "gate");
		cr_assert_eq(w.told.port, 22);
		cr_assert_eq(w.told.type, SLUICE_RECONNECT_CONNECTION);
		cr_assert_eq(w.told.listening_port, 0);
		cr_assert_eq(w.told.count, i);
		cr_assert_eq(w.told.remaining, 3 - i);
		cr_assert_eq(w.told.max, 3u);
		cr_assert_eq(w.told.interval, 4u << (i - 1));
		cr_assert_eq(sluice_status(s), -SLUICE_E_WOULD_BLOCK);
		w.now += w.told.interval * UINT64_C(1000) - 1;
		(void)settle();
		cr_assert_eq(w.attempts, i, "too early");
		w.now++;
	}
	cr_assert_eq(settle(), -SLUICE_E_RECONNECT_LIMIT);
	cr_assert_eq(w.over, -SLUICE_E_RECONNECT_LIMIT);
	cr_assert_eq(sluice_error_ref(w.over), 1037);
	cr_assert_eq(sluice_status(s), -SLUICE_E_RECONNECT_LIMIT);
	/* Somebody wants it again. */
	w.up = true;
	cr_assert_eq(sluice_tunnel_start(t), -SLUICE_E_WOULD_BLOCK);
	(void)settle();
	cr_assert_eq(w.ups, 2u);
	client_end();
}

Test(client_tunnel, a_program_may_cancel_stop_and_free_in_a_callback)
{
	for (int what = 0; what < 3; what++) {
		client("always");
		start();
		w.cancel_at = what == 0 ? 2 : 0;
		w.stop_in = what == 1;
		w.free_in = what == 2;
		cut(false);
		cr_expect_lt(pass(w.now + 600000), 0);
		cr_expect_eq(w.attempts, what == 0 ? 2u : 1u);
		cr_expect_eq(w.overs, what == 0 ? 1u : 0u);
		cr_expect_eq(sluice_status(s), what == 0 ? -ECONNREFUSED : -SLUICE_E_NOT_CONNECTED);
		w.up = true;
		w.stop_in = w.free_in = false;
		if (what == 2)
			cr_assert_eq(sluice_tunnel_new(s, &t), 0);
		(void)sluice_tunnel_start(t);
		(void)settle();
		cr_expect_eq(w.ups, 2u);
		client_end();
	}
}

Test(client_tunnel, what_the_program_ends_does_not_come_again)
{
	client("always");
	cr_assert_eq(sluice_tunnel_stop(t), -SLUICE_E_STATE);
	start();
	cr_assert_eq(sluice_tunnel_start(t), -SLUICE_E_ALREADY);
	cr_assert_eq(sluice_connect(s), -SLUICE_E_ALREADY);
	cr_assert_eq(sluice_logon(s, NULL, 0), -SLUICE_E_ALREADY);
	cr_assert_eq(sluice_disconnect(s), 0);
	cr_assert_eq(pass(w.now + 600000), -SLUICE_E_NOT_CONNECTED);
	cr_assert_eq(w.dials, 1u);
	(void)sluice_tunnel_start(t);
	(void)settle();
	cr_assert_eq(sluice_logoff(s), 0);
	cr_assert_eq(pass(w.now + 600000), -SLUICE_E_NOT_CONNECTED);
	cr_assert_eq(w.dials, 2u);
	(void)sluice_tunnel_start(t);
	(void)settle();
	cut(false);
	(void)settle();
	cr_assert_eq(sluice_disconnect(s), 0, "while it waits");
	cr_assert_eq(pass(w.now + 600000), -SLUICE_E_NOT_CONNECTED);
	cr_assert_eq(w.dials, 3u);
	client_end();
}

Test(client_tunnel, there_is_one_of_a_connection_and_it_goes_with_it)
{
	struct sluice_tunnel *other;

	client("always");
	cr_assert_eq(sluice_tunnel_new(s, &other), -SLUICE_E_ALREADY);
	sluice_tunnel_free(t);
	sluice_tunnel_free(NULL);
	cr_assert_eq(sluice_tunnel_new(s, &t), 0);
	sluice_free(s); /* begun with nothing */
	client("always");
	w.up = false;
	w.dark = true;
	(void)sluice_tunnel_start(t);
	(void)settle();
	client_end(); /* on its way */
	client("always");
	start();
	cut(false);
	(void)settle();
	client_end(); /* waiting */
}

Test(client_tunnel, a_connection_that_is_up_is_taken_over)
{
	uint16_t port = 0;

	client("broken");
	cr_assert_eq(sluice_logon(s, NULL, 0), -SLUICE_E_WOULD_BLOCK);
	(void)settle();
	cr_assert_eq(sluice_forward_request(s, "", 7001, &port), -SLUICE_E_WOULD_BLOCK);
	(void)settle();
	start();
	cr_assert_eq(w.lab->n_forwards, 1u);
	cut(false);
	(void)settle();
	w.up = true;
	(void)pass(w.now + 6000);
	cr_assert_eq(w.ups, 2u);
	cr_assert_eq(w.lab->n_forwards, 1u);
	client_end();
}

/* What it was asked to begin with waits for it, whoever logs on before. */
Test(client_tunnel, what_waits_for_it_is_asked_for_when_it_starts)
{
	client("broken");
	cr_assert_eq(sluice_forward_request(s, "", 7001, NULL), 0);
	cr_assert_eq(sluice_forward_request(s, "", 7002, NULL), 0);
	cr_assert_eq(sluice_logon(s, NULL, 0), -SLUICE_E_WOULD_BLOCK);
	(void)settle();
	cr_assert_eq(w.lab->n_forwards, 0u);
	start();
	cr_assert_eq(w.lab->n_forwards, 2u);
	cr_assert_eq(sluice_tunnel_stop(t), 0);
	(void)settle();
	cr_assert_eq(sluice_forward_cancel(s, "", 7001), 0, "nobody has to be asked");
	(void)sluice_tunnel_start(t);
	(void)settle();
	cr_assert_eq(w.ups, 2u);
	cr_assert_eq(w.lab->n_forwards, 1u);
	client_end();
}

/* --- what the server wants ------------------------------------------------------------------ */

Test(client_tunnel, a_server_says_for_how_long_it_wants_nobody)
{
	uint64_t from;

	client("broken");
	w.retry_after = 300;
	start();
	cut(false);
	(void)settle();
	from = w.now;
	cr_assert_geq(w.told.interval, 300u);
	w.up = true;
	(void)pass(from + 300000);
	cr_assert_eq(w.dials, 1u);
	(void)pass(from + 306000);
	cr_assert_eq(w.ups, 2u);
	client_end();
}

Test(client_tunnel, forwards_are_asked_for_again_at_the_ports_they_had)
{
	client("broken");
	cr_assert_eq(sluice_forward_request(s, "localhost", 0, NULL), 0);
	cr_assert_eq(sluice_forward_to(s, "", 7001, "192.0.2.1", 80, NULL), 0);
	start();
	cr_assert_eq(w.lab->n_forwards, 2u);
	cut(false);
	(void)settle();
	cr_assert_eq(sluice_forward_cancel(s, "", 7001), 0, "while it is down");
	w.up = true;
	(void)pass(w.now + 6000);
	cr_assert_eq(w.ups, 2u);
	cr_assert_eq(w.lab->n_forwards, 1u);
	cr_assert_eq(w.lab->forward_asked, 4022, "the server had chosen it");
	client_end();
}

Test(client_tunnel, a_port_that_is_not_free_yet_is_tried_until_it_is)
{
	client("broken");
	cr_assert_eq(sluice_forward_request(s, "", 7001, NULL), 0);
	start();
	w.refusals = 3;
	cut(false);
	(void)settle();
	w.up = true;
	w.attempts = 0;
	for (int i = 0; i < 4 && w.ups < 2; i++)
		(void)pass(w.now + 41000);
	cr_assert_eq(w.ups, 2u);
	cr_assert_eq(w.dials, 2u);
	cr_assert_eq(w.attempts, 3u);
	cr_assert_eq(w.told.type, SLUICE_RECONNECT_TUNNEL);
	cr_assert_eq(w.told.listening_port, 7001);
	cr_assert_eq(w.told.count, 3u);
	cr_assert_eq(w.lab->n_forwards, 4u);
	client_end();
}

Test(client_tunnel, a_forward_that_is_refused_for_good)
{
	/* At its start: nobody tries it again but with always. */
	client("broken");
	cr_assert_eq(sluice_forward_request(s, "", 7001, NULL), 0);
	w.refusals = 1;
	(void)sluice_tunnel_start(t);
	cr_assert_eq(settle(), -SLUICE_E_REQUEST);
	cr_assert_eq(w.over, -SLUICE_E_REQUEST);
	client_end();
	/* One that was there, as often as allowed. */
	client("broken");
	cr_assert_eq(sluice_set(s, "ReconnectMax", "2"), 0);
	cr_assert_eq(sluice_forward_request(s, "", 7001, NULL), 0);
	start();
	w.refusals = 9;
	cut(false);
	(void)settle();
	w.up = true;
	cr_assert_eq(pass(w.now + 600000), -SLUICE_E_TUNNEL_RETRIES);
	cr_assert_eq(w.over, -SLUICE_E_TUNNEL_RETRIES);
	cr_assert_eq(sluice_error_ref(w.over), 10057);
	client_end();
	/* One that is wanted later: it alone is not there. */
	client("broken");
	start();
	w.lab->no_forwards = 1;
	cr_assert_eq(sluice_forward_request(s, "", 7001, NULL), -SLUICE_E_WOULD_BLOCK);
	(void)settle();
	cr_assert_eq(sluice_status(s), 0);
	cr_assert_eq(w.overs, 0u);
	client_end();
}

Test(client_tunnel, a_server_that_does_not_answer_is_left)
{
	client("broken");
	start();
	cut(true);
	(void)pass(w.now + 60000);
	cr_assert_eq(w.attempts, 1u, "within twice the interval of its keep-alives");
	w.up = true;
	(void)pass(w.now + 6000);
	cr_assert_eq(w.ups, 2u);
	client_end();
}

/* Calls that wait: the server has a thread, and time is real. */
Test(client_tunnel, a_start_that_waits_comes_back_when_it_is_up)
{
	uint16_t port = 0;

	client("broken");
	w.threads = true;
	cr_assert_eq(sluice_set(s, "OperationTimeout", "20"), 0);
	cr_assert_eq(sluice_set(s, "ReconnectInterval", "100ms"), 0);
	cr_assert_eq(sluice_tunnel_start(t), 0);
	cr_assert_eq(sluice_status(s), 0);
	cr_assert_eq(sluice_forward_request(s, "", 0, &port), 0);
	cr_assert_eq(port, 4022);
	shutdown(w.lab->fd, SHUT_RDWR);
	while (w.ups < 2)
		cr_assert_geq(sluice_dispatch(s, 20000), 0);
	cr_assert_eq(w.lab->forward_asked, 4022);
	cr_assert_eq(sluice_tunnel_stop(t), 0);
	w.up = false;
	cr_assert_eq(sluice_tunnel_start(t), -ECONNREFUSED);
	client_end();
}

/* --- a day of it ---------------------------------------------------------------------------- */

static uint64_t draw(uint64_t *r, uint64_t below)
{
	*r = *r * 6364136223846793005 + 1442695040888963407;
	return (*r >> 33) % below;
}

/* The way is cut, and is there again; the tunnel was back within an interval of that. */
static void one_cut(uint64_t *r)
{
	bool dark = draw(r, 2) == 0;
	unsigned int ups = w.ups;

	(void)pass(w.now + 1000 + draw(r, 600000));
	cr_assert_eq(sluice_status(s), 0);
	w.down_at = 0;
	w.refusals = draw(r, 4) == 0;
	cut(dark);
	(void)pass(w.now + 1 + draw(r, draw(r, 8) == 0 ? 1800000 : 20000));
	w.up = true;
	w.there = w.now;
	if (dark && w.down_at == 0 && w.lab != NULL) { /* nobody heard of it: it goes on, or not */
		close(w.lab->fd);
		w.lab->fd = -1;
		(void)settle();
	}
	while (w.ups == ups) {
		cr_assert_leq(w.now, w.there + 71000, "%llu ms after the way was there",
			      (unsigned long long)(w.now - w.there));
		(void)pass(w.now + 100);
	}
	/* The longest one; a try that ended just then; and a port that was not free has the first.
	 */
	cr_assert_leq(w.up_at, w.there + 60000 + 5000 + 5000 + 300);
	cr_assert_eq(w.lab->forward_asked, 7001);
}

Test(client_tunnel, random_cuts_and_back_within_one_interval_of_the_way)
{
	bool all = getenv("SLUICE_LONG") != NULL;
	const char *said = getenv("SLUICE_SEED");
	uint64_t seed = said != NULL ? strtoull(said, NULL, 0) : 20261122, r = seed, end;
	unsigned int cuts = 0;

	client("broken");
	cr_assert_eq(sluice_forward_request(s, "", 7001, NULL), 0);
	start();
	end = w.now + (all ? 24 : 2) * UINT64_C(3600000);
	for (; w.now < end; cuts++)
		one_cut(&r);
	if (all)
		fprintf(stderr, "24 h, seed %llu: %u cuts, %u tries, %u times up\n",
			(unsigned long long)seed, cuts, w.attempts, w.ups);
	client_end();
}

/* --- carried to a target -------------------------------------------------------------------- */

#define BYTES (3 << 20)

static struct {
	int listener, fd;
	uint16_t port;
	size_t sent, got;
	bool ended, heard_end;
} target;

static void target_open(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(a);

	memset(&target, 0, sizeof(target));
	target.fd = -1;
	target.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	cr_assert_eq(bind(target.listener, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(target.listener, 8), 0);
	cr_assert_eq(getsockname(target.listener, (struct sockaddr *)&a, &len), 0);
	target.port = ntohs(a.sin_port);
}

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

static void target_send(void)
{
	uint8_t buf[16384];
	size_t n = BYTES - target.sent < sizeof(buf) ? BYTES - target.sent : sizeof(buf);
	ssize_t r;

	for (size_t i = 0; i < n; i++)
		buf[i] = byte_at(target.sent + i);
	r = send(target.fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	target.sent += r > 0 ? (size_t)r : 0;
	if (target.sent == BYTES && !target.ended)
		target.ended = shutdown(target.fd, SHUT_WR) == 0;
}

static void target_read(void)
{
	uint8_t buf[16384];
	ssize_t r = recv(target.fd, buf, sizeof(buf), MSG_DONTWAIT);

	for (ssize_t i = 0; i < r; i++)
		cr_assert_eq(buf[i], byte_at(target.got + (size_t)i));
	target.got += r > 0 ? (size_t)r : 0;
	target.heard_end |= r == 0;
}

/* One turn of the three, when one of them has something. */
static void carry_turn(bool reads)
{
	size_t len;
	struct pollfd p[4] = {{sluice_fd(s), sluice_events(s), 0},
			      {w.lab->fd, POLLIN, 0},
			      {target.fd < 0 ? target.listener : -1, POLLIN, 0},
			      {target.fd, 0, 0}};

	(void)ssh_pump_out(&w.lab->p, &len);
	p[1].events |= len > 0 ? POLLOUT : 0;
	p[3].events = (target.ended ? 0 : POLLOUT) | (reads && !target.heard_end ? POLLIN : 0);
	p[3].fd = p[3].events == 0 ? -1 : p[3].fd;
	cr_assert_neq(poll(p, 4, sluice_timeout_ms(s) == 0 ? 0 : 20000) == 0 &&
			      sluice_timeout_ms(s) != 0,
		      1, "nothing comes");
	cr_assert_geq(sluice_dispatch(s, 0), 0);
	lab_turn(w.lab, p[1].revents);
	if (p[2].revents != 0)
		target.fd = accept4(target.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (p[3].revents & POLLOUT)
		target_send();
	if (p[3].revents & (POLLIN | POLLHUP))
		target_read();
}

/* Who is far away sends all back once it has our end; the target does not read until then. */
Test(client_tunnel, a_forward_is_carried_with_half_closed_ends_and_a_slow_target)
{
	unsigned int seen = 0;

	client("broken");
	target_open();
	start();
	w.lab->forwards_wait = false;
	cr_assert_eq(sluice_forward_to(s, "", 7001, "127.0.0.1", target.port, NULL),
		     -SLUICE_E_WOULD_BLOCK);
	while (!target.ended) {
		struct sluice_channel *c = sluice_channel_next(s, NULL);
		struct sluice_channel_info info = {.size = sizeof(info)};

		carry_turn(false);
		if (c == NULL || sluice_channel_info(c, &info) < 0 || info.target_port == 0)
			continue;
		cr_assert_str_eq(info.target, "127.0.0.1");
		cr_assert_eq(info.target_port, target.port);
		cr_assert_leq(info.waiting, 8u << 20, "the window bounds what lies here");
		seen++;
	}
	cr_assert_gt(seen, 0u);
	while (!target.heard_end)
		carry_turn(true);
	cr_assert_eq(target.got, (size_t)BYTES);
	close(target.fd);
	close(target.listener);
	(void)settle();
	cr_assert_null(sluice_channel_next(s, NULL), "the library frees it");
	client_end();
}

Test(client_tunnel, a_target_that_is_not_there_is_told_to_the_server)
{
	client("broken");
	target_open();
	close(target.listener);
	start();
	w.lab->forwards_wait = false;
	(void)sluice_forward_to(s, "", 7001, "127.0.0.1", target.port, NULL);
	while (w.lab->n_refused == 0)
		carry_turn(false);
	(void)settle();
	cr_assert_null(sluice_channel_next(s, NULL));
	client_end();
}

Test(client_tunnel, a_target_hears_of_a_cut_by_a_reset)
{
	char c;

	client("broken");
	target_open();
	start();
	w.lab->forwards_wait = false;
	(void)sluice_forward_to(s, "", 7001, "127.0.0.1", target.port, NULL);
	while (target.fd < 0 || target.sent == 0)
		carry_turn(false);
	cut(false);
	(void)settle();
	for (;;) {
		struct pollfd p = {target.fd, POLLIN, 0};

		cr_assert_eq(poll(&p, 1, 20000), 1);
		if (recv(target.fd, &c, 1, MSG_DONTWAIT) <= 0)
			break;
	}
	cr_assert_eq(errno, ECONNRESET);
	close(target.fd);
	close(target.listener);
	client_end();
}

/* Bytes for a target that has gone end its channel, and nobody's program by a signal. */
Test(client_tunnel, a_target_that_goes_away_under_data_costs_its_channel_alone)
{
	cr_assert_neq(signal(SIGPIPE, SIG_DFL), SIG_ERR);
	client("broken");
	target_open();
	start();
	w.lab->forwards_wait = false;
	(void)sluice_forward_to(s, "", 7001, "127.0.0.1", target.port, NULL);
	while (target.fd < 0 || target.sent < 3 * 65536)
		carry_turn(false);
	close(target.fd);
	target.fd = -1;
	while (sluice_channel_next(s, NULL) != NULL)
		carry_turn(false);
	cr_assert(sluice_connected(s));
	close(target.listener);
	client_end();
}

Test(client_tunnel, an_idle_channel_is_closed_when_its_time_is_over)
{
	client("broken");
	cr_assert_eq(sluice_set(s, "ChannelTimeout", "session=1 forwarded-tcpip=90"), 0);
	cr_assert_eq(sluice_set(s, "ForwardBindAddress", "127.0.0.1"), 0);
	target_open();
	start();
	w.lab->forwards_wait = false;
	target.ended = true; /* it says nothing */
	(void)sluice_forward_to(s, "", 7001, "127.0.0.1", target.port, NULL);
	while (target.fd < 0 || w.lab->n_confirmed == 0)
		carry_turn(false);
	w.lab->chan[0].cat = false;
	(void)settle();
	cr_assert_not_null(sluice_channel_next(s, NULL));
	(void)pass(w.now + 89000);
	cr_assert_not_null(sluice_channel_next(s, NULL));
	(void)pass(w.now + 2000);
	cr_assert_null(sluice_channel_next(s, NULL));
	close(target.fd);
	close(target.listener);
	client_end();
}

Test(client_tunnel, settings_of_it_have_their_bounds)
{
	static const char *const good[][3] = {
		{"Reconnect", "break", "broken"},
		{"Reconnect", "2", "always"},
		{"ReconnectMax", "7", "7"},
		{"ReconnectInterval", "1m", "60"},
		{"ReconnectMaxInterval", "1h", "3600"},
		{"ReconnectJitter", "100", "100"},
		{"ForwardBindAddress", "127.0.0.1", "127.0.0.1"},
		{"ChannelTimeout", "forwarded-tcpip=5m session=1h",
		 "forwarded-tcpip=5m session=1h"},
		{"ChannelTimeout", "none", "none"},
	};
	static const char *const bad[][2] = {
		{"Reconnect", "3"},         {"ReconnectMax", "-1"},
		{"ReconnectInterval", "0"}, {"ReconnectInterval", "none"},
		{"ReconnectJitter", "101"}, {"ReconnectMaxInterval", "25h"},
		{"ChannelTimeout", "x"},    {"ChannelTimeout", "global=5"},
	};
	char text[64];

	client("broken");
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_expect_eq(sluice_set(s, good[i][0], good[i][1]), 0, "%s", good[i][0]);
		cr_expect_gt(sluice_get(s, good[i][0], text, sizeof(text)), 0);
		cr_expect_str_eq(text, good[i][2]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(sluice_set(s, bad[i][0], bad[i][1]), -SLUICE_E_VALUE, "%s %s",
			     bad[i][0], bad[i][1]);
	cr_expect_eq(sluice_forward_to(s, "", 1, "", 80, NULL), -SLUICE_E_ADDRESS);
	cr_expect_eq(sluice_forward_to(s, "", 1, "host", 0, NULL), -SLUICE_E_PORT);
	client_end();
}
