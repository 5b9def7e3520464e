/* control/signer/folder.c - see folder.h. */
#include "control/signer/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/hostkey.h"
#include "crypto/confine.h"

struct key_folders {
	pthread_mutex_t lock; /* one is asked about at a time */
	int fd;               /* to the child */
	pid_t child;
	uint32_t serial;
	const struct conf_strs *dirs;
};

struct ask {
	uint32_t serial, folder;
	char path[HOST_FILE_TEXT_MAX + 1]; /* below it */
};

struct told {
	uint32_t serial;
	int32_t err;
};

/* Room for one descriptor beside a struct told. */
struct carried {
	struct msghdr msg;
	struct iovec iov;
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} more;
};

static void carry(struct carried *c, struct told *t)
{
	*c = (struct carried){.iov = {t, sizeof(*t)}};
	c->msg = (struct msghdr){.msg_iov = &c->iov,
				 .msg_iovlen = 1,
				 .msg_control = &c->more,
				 .msg_controllen = sizeof(c->more)};
}

/* --- the child -------------------------------------------------------------------------------- */

static int file_ok(int fd, uid_t control)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return -EACCES;
	return st.st_uid == control && control != geteuid() ? -EPERM : 0;
}

static int open_below(int dir, const char *path, uid_t control, int *ret_fd)
{
	const struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
				     .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
						RESOLVE_NO_MAGICLINKS};
	int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	int r = fd >= 0 ? file_ok(fd, control) : -errno;

	if (r < 0 && fd >= 0)
		close(fd);
	if (r == 0)
		*ret_fd = fd;
	return r;
}

static int tell(int to, struct told *t, int fd)
{
	struct carried c;
	struct cmsghdr *h;

	carry(&c, t);
	if (t->err < 0) {
		c.msg.msg_controllen = 0;
	} else {
		h = CMSG_FIRSTHDR(&c.msg);
		*h = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
		memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	}
	return sendmsg(to, &c.msg, MSG_NOSIGNAL) == (ssize_t)sizeof(*t) ? 0 : -errno;
}

static bool ask_ok(const struct ask *a, ssize_t n, unsigned int n_dirs)
{
	return n == (ssize_t)sizeof(*a) && a->folder < n_dirs && a->path[0] != '\0' &&
	       memchr(a->path, '\0', sizeof(a->path)) != NULL;
}

/* It opens, and does nothing else there is a call for. */
static int child_confine(void)
{
	static const int calls[] = {
		SCMP_SYS(open),       SCMP_SYS(openat),   SCMP_SYS(creat),     SCMP_SYS(socket),
		SCMP_SYS(socketpair), SCMP_SYS(connect),  SCMP_SYS(bind),      SCMP_SYS(listen),
		SCMP_SYS(accept),     SCMP_SYS(accept4),  SCMP_SYS(unlink),    SCMP_SYS(unlinkat),
		SCMP_SYS(rename),     SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(mkdir),
		SCMP_SYS(mkdirat),    SCMP_SYS(rmdir),    SCMP_SYS(truncate),  SCMP_SYS(chmod),
		SCMP_SYS(fchmod),     SCMP_SYS(fchmodat), SCMP_SYS(kill),      SCMP_SYS(tgkill),
		SCMP_SYS(tkill),      SCMP_SYS(clone),    SCMP_SYS(clone3),
	};

	return confine_calls(calls, sizeof(calls) / sizeof(calls[0]));
}

/* Until nobody asks any more. */
static void child_run(int from, const int *dirs, unsigned int n_dirs, uid_t control)
{
	struct ask a;
	ssize_t n;
	sigset_t all;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	if (child_confine() < 0)
		return;
	while ((n = recv(from, &a, sizeof(a), 0)) > 0 || (n < 0 && errno == EINTR)) {
		struct told t = {0};
		int fd = -1, r;

		if (n < 0)
			continue;
		if (!ask_ok(&a, n, n_dirs))
			return;
		t.serial = a.serial;
		t.err = open_below(dirs[a.folder], a.path, control, &fd);
		r = tell(from, &t, fd);
		if (fd >= 0)
			close(fd);
		if (r < 0)
			return;
	}
}

/* --- who asks it ------------------------------------------------------------------------------ */

static int child_start(struct key_folders *f, const int *dirs, unsigned int n, uid_t control)
{
	const struct timeval tv = {FOLDER_MS / 1000, 0};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	f->fd = pair[0];
	if (setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0 ||
	    setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0)
		f->child = -1;
	else
		f->child = fork();
	if (f->child == 0) {
		close(pair[0]);
		child_run(pair[1], dirs, n, control);
		_exit(0);
	}
	close(pair[1]);
	if (f->child > 0)
		return 0;
	close(pair[0]);
	return -EAGAIN;
}

int key_folders_new(const struct conf_strs *dirs, uid_t control, struct key_folders **ret,
		    const char **ret_bad)
{
	struct key_folders *f = calloc(1, sizeof(*f));
	int *dir = calloc(dirs->n + 1, sizeof(*dir)), r = 0;
	unsigned int n = 0;

	if (f == NULL || dir == NULL) {
		free(f);
		free(dir);
		return -ENOMEM;
	}
	f->dirs = dirs;
	*ret_bad = NULL;
	for (; r == 0 && n < dirs->n; n += r == 0) {
		dir[n] = open(dirs->v[n], O_PATH | O_DIRECTORY | O_CLOEXEC);
		r = dir[n] < 0 ? -errno : 0;
		*ret_bad = r < 0 ? dirs->v[n] : NULL;
	}
	if (r == 0)
		r = child_start(f, dir, n, control);
	while (n > 0)
		close(dir[--n]);
	free(dir);
	if (r < 0) {
		free(f);
		return r;
	}
	pthread_mutex_init(&f->lock, NULL);
	*ret = f;
	return 0;
}

void key_folders_free(struct key_folders *f)
{
	if (f == NULL)
		return;
	close(f->fd);
	(void)waitpid(f->child, NULL, WNOHANG); /* one that hangs is not waited for */
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* NULL: it is not below this one. */
static const char *below(const char *dir, const char *path)
{
	size_t n = strlen(dir);

	while (n > 0 && dir[n - 1] == '/')
		n--;
	if (strncmp(path, dir, n) != 0 || path[n] != '/')
		return NULL;
	path += n;
	return path + strspn(path, "/");
}

/* An answer to an earlier question, which nobody waited for, is dropped with what it brings. */
static int hear(struct key_folders *f, int *ret_fd)
{
	for (;;) {
		struct told t;
		struct carried c;
		struct cmsghdr *h;
		ssize_t n;
		int fd = -1;

		carry(&c, &t);
		n = recvmsg(f->fd, &c.msg, MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		h = CMSG_FIRSTHDR(&c.msg);
		if (h != NULL && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(h), sizeof(fd));
		if (n == (ssize_t)sizeof(t) && t.serial == f->serial && (t.err < 0 || fd >= 0)) {
			*ret_fd = fd;
			return t.err;
		}
		if (fd >= 0)
			close(fd);
		if (n != (ssize_t)sizeof(t))
			return -EPIPE;
	}
}

int key_folders_open(struct key_folders *f, const char *path, int *ret_fd)
{
	struct ask a = {0};
	const char *rest = NULL;
	int r;

	while (a.folder < f->dirs->n && (rest = below(f->dirs->v[a.folder], path)) == NULL)
		a.folder++;
	if (rest == NULL || *rest == '\0')
		return -EXDEV;
	if (strlen(rest) >= sizeof(a.path))
		return -ENAMETOOLONG;
	strcpy(a.path, rest);
	pthread_mutex_lock(&f->lock);
	a.serial = ++f->serial;
	r = send(f->fd, &a, sizeof(a), MSG_NOSIGNAL) == (ssize_t)sizeof(a) ? hear(f, ret_fd)
									   : -EPIPE;
	pthread_mutex_unlock(&f->lock);
	return r;
}
