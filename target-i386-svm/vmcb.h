/*
 * VMCB: where its parts are, and what QEMU's target/i386/svm.h does not name.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_SVM_VMCB_H
#define TARGET_I386_SVM_VMCB_H

/* The place of a field of the control area; of a part in a segment. */
#define VMCB_CONTROL(field)     offsetof(struct vmcb, control.field)
#define VMCB_SEGMENT(part)      offsetof(struct vmcb_seg, part)

/* Of the host save area too, which has the same layout. */
#define VMCB_SIZE               0x1000

/* Of nested_ctl (090h). */
#define VMCB_INVLPGB_TLBSYNC        (1ULL << 7)

/* Of lbr_ctl (0B8h). */
#define VMCB_LBR_VIRTUALIZATION     (1ULL << 0)

/* An intercept of `intercept` (words 00Ch and 010h) by its exit code. */
#define VMCB_INTERCEPT(exit_code)   (1ULL << ((exit_code) - SVM_EXIT_INTR))

/* The groups of `clean` (2: 15.15), by the manual's names. */
#define VMCB_CLEAN_NONE             0
#define VMCB_CLEAN_I                (1 << 0)
#define VMCB_CLEAN_IOPM             (1 << 1)
#define VMCB_CLEAN_ASID             (1 << 2)
#define VMCB_CLEAN_TPR              (1 << 3)
#define VMCB_CLEAN_NP               (1 << 4)
#define VMCB_CLEAN_CRx              (1 << 5)
#define VMCB_CLEAN_DRx              (1 << 6)
#define VMCB_CLEAN_DT               (1 << 7)
#define VMCB_CLEAN_SEG              (1 << 8)
#define VMCB_CLEAN_CR2              (1 << 9)
#define VMCB_CLEAN_LBR              (1 << 10)

/* Virtual NMI in `int_ctl` (2: 15.21.10); V_NMI_BLOCKING is V_NMI_MASK. */
#define V_NMI_PENDING_MASK          (1 << 11)
#define V_NMI_BLOCKING_MASK         (1 << 12)
#define V_NMI_ENABLE_MASK           (1 << 26)

/* EXITINFO1 of an IOIO exit (2: 15.10.2). */
#define SVM_IOIO_SEGMENT_SHIFT      10
#define SVM_IOIO_SEGMENT_MASK       (7 << SVM_IOIO_SEGMENT_SHIFT)

/* Exit codes that QEMU has no use for yet (2: appendix C). */
#define SVM_EXIT_MWAIT_CONDITIONAL  0x08c
#define SVM_EXIT_RDPRU              0x08e
#define SVM_EXIT_EFER_WRITE_TRAP    0x08f
#define SVM_EXIT_CR0_WRITE_TRAP     0x090
#define SVM_EXIT_INVLPGB            0x0a0
#define SVM_EXIT_ILLEGAL_INVLPGB    0x0a1
#define SVM_EXIT_INVPCID            0x0a2
#define SVM_EXIT_MCOMMIT            0x0a3
#define SVM_EXIT_TLBSYNC            0x0a4
#define SVM_EXIT_BUSLOCK            0x0a5
#define SVM_EXIT_IDLE_HLT           0x0a6

#endif
