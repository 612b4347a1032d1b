/*
 * VMCB: what #VMEXIT writes into the control area, and the bits in it that
 * QEMU's target/i386/svm.h does not name.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_SVM_VMCB_H
#define TARGET_I386_SVM_VMCB_H

/* #VMEXIT's fields (2: appendix B, table B-1). */
#define VMCB_EXITCODE           0x070
#define VMCB_EXITINFO1          0x078
#define VMCB_EXITINFO2          0x080
#define VMCB_EXITINTINFO        0x088
#define VMCB_EXITINTINFO_ERROR  0x08c

/* Of the host save area too, which has the same layout. */
#define VMCB_SIZE               0x1000

/* An intercept of `intercept` (words 00Ch and 010h) by its exit code. */
#define VMCB_INTERCEPT(exit_code)   (1ULL << ((exit_code) - SVM_EXIT_INTR))

#endif
