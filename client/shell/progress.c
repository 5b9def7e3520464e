/* client/shell/progress.c - see progress.h. */
#include "client/shell/progress.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

void progress_begin(struct progress *p, int in, int err, uint64_t now_ms)
{
	struct stat st;
	off_t at = lseek(in, 0, SEEK_CUR);

	*p = (struct progress){.begun_ms = now_ms, .shown_ms = now_ms};
	if (!isatty(err) || fstat(in, &st) < 0 || !S_ISREG(st.st_mode) || at < 0 ||
	    st.st_size - at < PROGRESS_FILE_MIN)
		return;
	p->total = (uint64_t)(st.st_size - at);
	p->on = true;
}

static const char *amount(double n, char buf[16])
{
	static const char units[] = "BKMGT";
	unsigned int u = 0;

	while (n >= 1000 && u + 2 < sizeof(units)) {
		n /= 1024;
		u++;
	}
	snprintf(buf, 16, u == 0 || n >= 100 ? "%.0f%c" : "%.1f%c", n, units[u]);
	return buf;
}

const char *progress_text(uint64_t bytes, uint64_t total, uint64_t ms, char buf[PROGRESS_TEXT_MAX])
{
	double rate = ms > 0 ? (double)bytes * 1000 / (double)ms : 0;
	uint64_t left = rate > 0 && bytes < total ? (uint64_t)((double)(total - bytes) / rate) : 0;
	char done[16], speed[16];

	if (bytes > total) /* the file has grown */
		bytes = total;
	snprintf(buf, PROGRESS_TEXT_MAX, "%3u%% %8s %8s/s %3llu:%02u left",
		 total > 0 ? (unsigned int)((double)bytes * 100 / (double)total) : 100,
		 amount((double)bytes, done), amount(rate, speed), (unsigned long long)(left / 60),
		 (unsigned int)(left % 60));
	return buf;
}

void progress_at(struct progress *p, uint64_t bytes, uint64_t now_ms)
{
	bool end = bytes >= p->total;
	char text[PROGRESS_TEXT_MAX];

	if (!p->on || p->ended || (!end && now_ms - p->shown_ms < PROGRESS_MS))
		return;
	p->shown_ms = now_ms;
	p->ended = end;
	dprintf(STDERR_FILENO, "\r%s%s", progress_text(bytes, p->total, now_ms - p->begun_ms, text),
		end ? "\n" : "");
}
