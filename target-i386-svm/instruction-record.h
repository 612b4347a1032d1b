/*
 * What the translator records of an instruction, and a #VMEXIT reports.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_SVM_INSTRUCTION_RECORD_H
#define TARGET_I386_SVM_INSTRUCTION_RECORD_H

#include "hw/registerfields.h"

/* The second of QEMU's extra words at an instruction's start. */
FIELD(SVM_INSTRUCTION, LENGTH, 0, 4)
/* The general register of MOV to or from CRn and DRn; the vector of INTn. */
FIELD(SVM_INSTRUCTION, OPERAND, 4, 8)
FIELD(SVM_INSTRUCTION, MOV_CR, 12, 1)

#endif
