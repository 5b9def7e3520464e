/* client/lib/utf8.h - is it text? */
#ifndef SLUICE_CLIENT_LIB_UTF8_H
#define SLUICE_CLIENT_LIB_UTF8_H

#include <stdbool.h>

bool utf8_valid(const char *text); /* RFC 3629 */

#endif
