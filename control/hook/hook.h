/*
 * control/hook/hook.h - programs of the operator's that are asked, over UNIX sockets: one
 * connection to each, many requests under way, answers in any order.
 *
 * Source  docs/sluice-hook.5: a request is one line of JSON, its answer another one with its id.
 *
 * The program listens. It is connected to when somebody is to be asked, again after HOOK_RETRY_MS
 * and then ever more, to HOOK_RETRY_MAX_MS, while anything waits; what waits does so for its own
 * time at most. A connection that ends takes what was asked on it along: that has no answer. What
 * cannot be: answers to nothing or too late, lines that are none, lines that are too long (after
 * which nobody knows where the next begins, so that connection is given up) are counted.
 *
 * News has no answer and waits for nobody: where a program does not read it, or is not there, it is
 * lost, and counted.
 *
 * Memory  at most HOOK_ASKED_MAX requests to each program, HOOK_QUEUE_MAX bytes of them unsent, and
 *         HOOK_NEWS_MAX of news.
 * Thread  the loop's. Nobody waits.
 */
#ifndef SLUICE_CONTROL_HOOK_HOOK_H
#define SLUICE_CONTROL_HOOK_HOOK_H

#include <uv.h>

#include "conf/hook.h"
#include "control/hook/answer.h"
#include "control/hook/handler.h"
#include "control/hook/request.h"
#include "control/timers.h"

#define HOOK_ASKED_MAX    1024
#define HOOK_QUEUE_MAX    (1024 * 1024)
#define HOOK_NEWS_MAX     (256 * 1024)
#define HOOK_REQUEST_MAX  (512 * 1024)
#define HOOK_RETRY_MS     50
#define HOOK_RETRY_MAX_MS 2000

struct hooks; /* all of the process */
struct hook_call;

/*
 * The last that is heard of a call. a is NULL when there is no answer: not in time, the program is
 * gone, or too much waits for it already. Never called within hook_ask() or after hook_call_end().
 */
typedef void hook_done(void *arg, const struct hook_answer *a);

int hooks_new(uv_loop_t *loop, struct timers *timers, uint64_t (*now_ms)(void), struct hooks **ret)
	__attribute__((warn_unused_result));
/* All who asked have ended their calls. NULL is nothing. */
void hooks_close(struct hooks *h);
/* What a handler is called with. */
struct handler_env hooks_env(const struct hooks *h);
/* Another configuration is in force: connections of which nothing is awaited are closed. */
void hooks_renew(struct hooks *h);
/* Requests that wait for the program that has most of them. */
unsigned int hooks_asked(const struct hooks *h);
/* Bytes of news that wait for the one that has most of those. */
size_t hooks_news(const struct hooks *h);

/*
 * Asks the program of conf. An id is added to the request, which is ended in any case. 0, -ENOMEM,
 * -EBUSY: too much waits for it; -EMSGSIZE.
 */
int hook_ask(struct hooks *h, const struct conf_hook *conf, struct hook_req *req,
	     const struct hook_secret *secret, size_t n_secret, hook_done *done, void *arg,
	     struct hook_call **ret) __attribute__((warn_unused_result));
/* The same of news: no answer is awaited, one that comes is counted as answering nothing. */
void hook_tell(struct hooks *h, const struct conf_hook *conf, struct hook_req *news);
/* What happens from here on is no news: this process ends, connections do not. */
void hooks_hush(struct hooks *h);
void hook_call_end(struct hook_call *call); /* NULL is nothing */

#endif
