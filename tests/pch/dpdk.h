/* What tests of mbufs read beside dataplane/pch/dpdk.h. */
#include <criterion/criterion.h>
#include "dataplane/pch/dpdk.h"
