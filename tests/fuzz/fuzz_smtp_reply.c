/* SPDX-License-Identifier: BSD-3-Clause */
/* What a hostile server says to the smtp, smtp-starttls and smtps checks; the first byte chooses. */
#include "check_drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum pn_check_type types[] = {PN_CHECK_SMTP, PN_CHECK_SMTP_STARTTLS, PN_CHECK_SMTPS};

    if (size)
        check_drive(types[data[0] % 3], data + 1, size - 1);
    return 0;
}
