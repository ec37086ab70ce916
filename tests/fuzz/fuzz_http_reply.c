/* SPDX-License-Identifier: BSD-3-Clause */
/* What a hostile server says to the http check. */
#include "check_drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_drive(PN_CHECK_HTTP, data, size);
    return 0;
}
