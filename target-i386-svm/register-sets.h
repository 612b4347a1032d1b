/*
 * The registers that SVM moves, by the set that names who moves them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_SVM_REGISTER_SETS_H
#define TARGET_I386_SVM_REGISTER_SETS_H

#include "vmcb-page.h"

/* The sets of svm-registers.h.inc; a register's row names one or more. */
#define SVM_SET_V   1   /* VMSAVE and VMLOAD */
#define SVM_SET_G   2   /* guest state: VMRUN loads, #VMEXIT stores */
#define SVM_SET_GN  4   /* guest state only with nested paging */
#define SVM_SET_H   8   /* host state: VMRUN saves, #VMEXIT reloads */
#define SVM_SET_GL  16  /* guest state only with LBR virtualization */
#define SVM_SET_GS  32  /* guest state only with SPEC_CTRL virtualization */
#define SVM_SET_GH  (SVM_SET_G | SVM_SET_H)

/* Values of registers, on their way between processor and memory. */
typedef struct SVMRegisters {
#define SVM_SEGMENT(field, offset, sets, live, load, ...) \
    SegmentCache field;
#define SVM_REGISTER(field, offset, bits, sets, live, load, ...) \
    uint64_t field;
#include "svm-registers.h.inc"
    /* Whoever reads them does it with x86_read_pdptes(). */
    X86PDPTEs pdptes;
} SVMRegisters;

/**
 * svm_store_vmsave_set: write set V to @page, as VMSAVE does (3: VMSAVE)
 */
void svm_store_vmsave_set(CPUX86State *env, const VMCBPage *page);

/**
 * svm_load_vmload_set: load set V from @page, as VMLOAD does (3: VMLOAD)
 *
 * Everything is read before the first register changes.
 */
void svm_load_vmload_set(CPUX86State *env, const VMCBPage *page);

/**
 * svm_store_host_set: write set H to @page, as VMRUN does (2: 15.5.1)
 */
void svm_store_host_set(CPUX86State *env, const VMCBPage *page);

/**
 * svm_read_host_set: read set H of @page into @registers, values sanitised
 */
void svm_read_host_set(CPUX86State *env, const VMCBPage *page,
                       SVMRegisters *registers);

/**
 * svm_store_guest_set: write set G to @page, as #VMEXIT does (2: 15.6)
 *
 * The sets GN, GL and GS too, if the guest ran with what they belong to.
 */
void svm_store_guest_set(CPUX86State *env, const VMCBPage *page);

/**
 * svm_read_guest_set: read sets G, GN, GL and GS of @page into @registers
 */
void svm_read_guest_set(CPUX86State *env, const VMCBPage *page,
                        SVMRegisters *registers);

/**
 * svm_load_common_state: load what guest and host state have in common
 *
 * Control registers, PDPTEs, EFER, RFLAGS, ES, CS, SS, DS, GDTR, IDTR, RIP,
 * RSP and RAX of @registers become the processor's.  EFER.LMA follows from
 * EFER.LME and CR0.PG, whatever @registers says (2: 14.6.1).  No order of
 * loads is visible: every hidden flag is made anew from the new values.
 */
void svm_load_common_state(CPUX86State *env, const SVMRegisters *registers);

#endif
