// SPDX-License-Identifier: Apache-2.0
/* base/checksum.h — CRC-32C, by which damaged bytes are known.
 *
 * The Castagnoli polynomial, as in iSCSI (RFC 3720 §12.1): it finds every burst of up to 32 bits.
 * It is no protection against somebody who means to deceive.
 *
 * Thread: any.   Blocks: never.   Allocates: never.
 */
#ifndef BASE_CHECKSUM_H
#define BASE_CHECKSUM_H

#include "base/span.h"

/* The checksum of what `before` is the checksum of, with `bytes` behind it; 0 for nothing. */
uint32_t checksum_crc32c(uint32_t before, struct span bytes);

/* The same without the processor's own instruction, as on one that has none. */
uint32_t checksum_crc32c_by_table(uint32_t before, struct span bytes);

#endif
