/*
 * Answers of programs: what is taken is within all bounds, and its texts are texts.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/rule.h"
#include "control/hook/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hook_answer a;

	if (hook_answer_parse((const char *)data, size, &a) < 0)
		return 0;
	if (size > HOOK_LINE_MAX || a.id > INT64_MAX || a.prompts.n > HOOK_PROMPTS_MAX ||
	    strlen(a.reason) > HOOK_REASON_MAX || (a.handler != NULL && a.handler[0] != '/') ||
	    (a.host != NULL && *a.host == '\0') ||
	    (a.role != NULL && (*a.role == '\0' || strlen(a.role) > CONF_ROLE_MAX ||
				strpbrk(a.role, "*?!,") != NULL)) ||
	    (a.banner != NULL && strlen(a.banner) > HOOK_BANNER_MAX))
		abort();
	for (unsigned int i = 0; i < a.prompts.n; i++)
		if (a.prompts.prompt[i].text.len == 0)
			abort();
	hook_answer_free(&a);
	return 0;
}
