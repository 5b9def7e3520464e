/* conf/proxy.h - ProxyProtocolFrom and SendProxyProtocol. */
#ifndef SLUICE_CONF_PROXY_H
#define SLUICE_CONF_PROXY_H

#include "conf/conf.h"

/* Does this address speak for others? */
bool conf_proxy_trusted(const struct conf_prefixes *from, const struct conf_addr *addr);
/* Version of the header that a target is sent: 1, 2, or 0: none. The first that names it counts. */
unsigned int conf_proxy_version(const struct conf_session *s, const char *host, uint16_t port);

#endif
