/* control/admin/: pages over HTTP, beside the operator's socket. */
#include "conf/http.h"
#include "control/admin/web.h"
#include "control/count.h"
#include "tests/util/admin_bench.h"

TestSuite(control_web, .init = setup, .fini = teardown, .timeout = 60);

#define H " HTTP/1.1\r\n"

Test(control_web, http_heads)
{
	static const struct {
		const char *head;
		int r;
	} of[] = {
		{"GET /metrics" H "\r\n", 0},
		{"GET /metrics HTTP/1.0\n\n", 0},
		{"HEAD /healthz?x=y z HTTP/1.1\r\n\r\n", -EBADMSG},
		{"HEAD /healthz?x=y" H "Host: a\r\nAccept: */*\r\n\r\n", 0},
		{"", -EAGAIN},
		{"GET", -EAGAIN},
		{"GET /" H, -EAGAIN},
		{"GET /" H "Host: a\r\n", -EAGAIN},
		{"GET /" H "Host: a\r\n\r", -EAGAIN},
		{"POST /metrics" H "\r\n", -EOPNOTSUPP},
		{"get /metrics" H "\r\n", -EOPNOTSUPP},
		{"GETX /metrics" H "\r\n", -EOPNOTSUPP},
		{"GET /metrics HTTP/2.0\r\n\r\n", -EPROTONOSUPPORT},
		{"GET /metrics HTTP/1.12\r\n\r\n", -EBADMSG},
		{"GET metrics" H "\r\n", -EBADMSG},
		{"GET  /metrics" H "\r\n", -EBADMSG},
		{"GET /metrics\r\n\r\n", -EBADMSG},
		{"GET\r\n\r\n", -EBADMSG},
		{"\r\n\r\n", -EBADMSG},
		{"GET /\x01" H "\r\n", -EBADMSG},
		{"GET /\xff" H "\r\n", -EBADMSG},
		{"SSH-2.0-OpenSSH_9.2\r\n\r\n", -EBADMSG},
	};
	static const char wants[] = "HEAD /a?b" H "ACCEPT: text/plain, "
				    "Application/OpenMetrics-text;q=1\r\n\r\n";
	static const char other[] = "GET /" H "X: application/openmetrics-text\r\n\r\n";
	static char big[HTTP_HEAD_MAX];
	struct http_request q;

	for (size_t i = 0; i < N(of); i++)
		cr_expect_eq(http_parse(of[i].head, strlen(of[i].head), &q), of[i].r, "%s",
			     of[i].head);
	memset(big, 'a', sizeof(big));
	cr_expect_eq(http_parse(big, sizeof(big) - 1, &q), -EAGAIN);
	cr_expect_eq(http_parse(big, sizeof(big), &q), -E2BIG);
	cr_assert_eq(http_parse(wants, strlen(wants), &q), 0);
	cr_expect(q.head && q.open_metrics && http_asks_for(&q, "/a"));
	cr_expect_not(http_asks_for(&q, "/"));
	cr_expect_not(http_asks_for(&q, "/ab"));
	cr_assert_eq(http_parse(other, strlen(other), &q), 0);
	cr_expect_not(q.open_metrics, "another field");
}

/* The answer of the page, until its end. */
static char *page(const char *request)
{
	static char buf[1u << 18];
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	size_t n = 0;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/metrics.sock", t.dir);
	cr_assert_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	for (const char *p = request; *p != '\0'; p++) { /* as it may come */
		cr_assert_eq(send(fd, p, 1, MSG_NOSIGNAL), 1);
		uv_run(&t.loop, UV_RUN_NOWAIT);
	}
	while (n + 1 < sizeof(buf) && hear_byte(fd, &buf[n]) == 1)
		n++;
	buf[n] = '\0';
	close(fd);
	return buf;
}

static struct web *web_start(void)
{
	char path[128];
	const char *where[] = {path}, *fault;
	const struct conf_strs all = {where, 1};
	struct web *w = NULL;

	snprintf(path, sizeof(path), "%s/metrics.sock", t.dir);
	cr_assert_eq(web_new(&t.loop, &t.admin_env, &all, &w, &fault), 0, "%s", fault);
	return w;
}

Test(control_web, web_pages)
{
	struct web *w = web_start();
	const char *p;

	conn_begin(1);
	control_count(CONTROL_C_STARTUPS);
	p = page("GET /metrics" H "\r\n");
	cr_expect_not_null(strstr(p, "HTTP/1.1 200 OK\r\n"));
	cr_expect_not_null(strstr(p, "text/plain; version=0.0.4"));
	cr_expect_not_null(strstr(p, "\nsluice_connections 1\n"));
	cr_expect_not_null(strstr(p, "# TYPE sluice_limit_refused_total counter\n"));
	cr_expect_not_null(strstr(p, "\nsluice_limit_refused_total{limit=\"MaxStartups\","
				     "scope=\"control\"} 1\n"));
	cr_expect_null(strstr(p, "# EOF"));
	p = page("GET /metrics" H "Accept: application/openmetrics-text\r\n\r\n");
	cr_expect_not_null(strstr(p, "application/openmetrics-text; version=1.0.0"));
	cr_expect_not_null(strstr(p, "# TYPE sluice_limit_refused counter\n"));
	cr_expect_str_eq(p + strlen(p) - 6, "# EOF\n");
	cr_expect_not_null(strstr(page("GET /healthz" H "\r\n"), "\r\n\r\nok\n"));
	p = page("GET /readyz" H "\r\n");
	cr_expect_not_null(strstr(p, "HTTP/1.1 503 "));
	cr_expect_not_null(strstr(p, "no dataplane answers\n"));
	p = page("HEAD /readyz" H "\r\n");
	cr_expect_not_null(strstr(p, "HTTP/1.1 503 "));
	cr_expect_str_eq(p + strlen(p) - 4, "\r\n\r\n", "a head alone");
	cr_expect_not_null(strstr(page("GET /" H "\r\n"), "HTTP/1.1 404 "));
	cr_expect_not_null(strstr(page("PUT /metrics" H "\r\n"), "HTTP/1.1 405 "));
	cr_expect_not_null(strstr(page("SSH-2.0-x\r\n\r\n"), "HTTP/1.1 400 "));
	cr_expect_not_null(strstr(page("GET / HTTP/3.0\r\n\r\n"), "HTTP/1.1 505 "));
	web_close(w);
	turns(3);
}

Test(control_web, web_callers_are_bounded)
{
	struct web *w = web_start();
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd[WEB_CLIENTS_MAX + 1];

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/metrics.sock", t.dir);
	for (size_t i = 0; i < N(fd); i++) {
		fd[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		cr_assert_eq(connect(fd[i], (struct sockaddr *)&sa, sizeof(sa)), 0);
		turns(5);
	}
	cr_expect(closed(fd[WEB_CLIENTS_MAX]), "one too many");
	cr_expect_eq(control_counted(CONTROL_C_WEB_CLIENTS), 1);
	cr_expect_eq(web_clients(w), WEB_CLIENTS_MAX);
	cr_assert_eq(send(fd[0], "GET /healthz HT", 15, MSG_NOSIGNAL), 15);
	turns(5);
	skip(WEB_MS);
	for (size_t i = 0; i < WEB_CLIENTS_MAX; i++)
		cr_expect(closed(fd[i]), "who asks too slowly");
	cr_expect_eq(web_clients(w), 0);
	for (size_t i = 0; i < N(fd); i++)
		close(fd[i]);
	cr_expect_not_null(strstr(page("GET /healthz" H "\r\n"), "200 OK"), "others are served");
	web_close(w);
	turns(3);
}

Test(control_web, web_says_where_it_cannot_listen)
{
	const char *where[] = {"/nowhere/at/all", "nonsense"}, *fault;
	struct web *w = NULL;

	for (size_t i = 0; i < N(where); i++) {
		const struct conf_strs one = {&where[i], 1};

		cr_expect_lt(web_new(&t.loop, &t.admin_env, &one, &w, &fault), 0);
		cr_expect_str_eq(fault, where[i]);
	}
	turns(3);
}
