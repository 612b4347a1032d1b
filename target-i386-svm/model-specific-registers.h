/*
 * Model-specific registers that the add-on has, or has other rules for than
 * QEMU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_SVM_MODEL_SPECIFIC_REGISTERS_H
#define TARGET_I386_SVM_MODEL_SPECIFIC_REGISTERS_H

#define MSR_PRED_CMD                    0x49
#define MSR_DEBUGCTL                    0x1d9
#define MSR_LAST_BRANCH_FROM            0x1db
#define MSR_LAST_BRANCH_TO              0x1dc
#define MSR_LAST_EXCEPTION_FROM         0x1dd
#define MSR_LAST_EXCEPTION_TO           0x1de
#define MSR_VM_CR                       0xc0010114
#define MSR_SVM_KEY                     0xc0010118

/* EFER (2: 3.1.7): what QEMU has no name for. */
#define MSR_EFER_MCOMMIT                (1 << 17)

/* TSC_RATIO: a fixed-point number, 8.32 (2: 15.30.5). */
#define TSC_RATIO_BITS                  40

/* VM_CR (2: 15.30.1). */
#define VM_CR_DPD                       (1 << 0)
#define VM_CR_R_INIT                    (1 << 1)
#define VM_CR_DIS_A20M                  (1 << 2)
#define VM_CR_LOCK                      (1 << 3)
#define VM_CR_SVMDIS                    (1 << 4)

/**
 * x86_has_mcommit: does the processor have MCOMMIT, and EFER.MCOMMIT?
 */
bool x86_has_mcommit(const CPUX86State *env);

/**
 * x86_efer_reserved_bits: the bits of EFER with which VMRUN fails
 */
uint64_t x86_efer_reserved_bits(const CPUX86State *env);

/**
 * x86_spec_ctrl_bits: the bits of SPEC_CTRL that the processor has
 */
uint64_t x86_spec_ctrl_bits(const CPUX86State *env);

/**
 * x86_ignores_msrs: does the processor let accesses to MSRs that are not
 * there pass, and reserved bits of those that are (the property ignore-msrs)?
 */
bool x86_ignores_msrs(const CPUX86State *env);

/**
 * x86_msr_is_foreign: is the register one of Intel's, that QEMU has for every
 * processor, and is to be #GP?
 */
bool x86_msr_is_foreign(const CPUX86State *env, uint32_t index);

/**
 * x86_msr_value_is_reserved: is the write to a register of QEMU's #GP?
 */
bool x86_msr_value_is_reserved(const CPUX86State *env, uint32_t index,
                               uint64_t value);

/**
 * x86_pat_is_legal: has a PAT no reserved memory type (2: 7.8.1)?
 */
bool x86_pat_is_legal(uint64_t pat);

/*
 * What RDMSR finds and WRMSR does, for the table in
 * model-specific-registers.c; x86_read_tsc() is in svm-callouts.h.  A write
 * returns false if it is #GP(0).
 */
bool x86_write_tsc(CPUX86State *env, uint64_t value);
bool svm_has_tsc_ratio(const CPUX86State *env);
bool svm_write_tsc_ratio(CPUX86State *env, uint64_t value);
bool x86_has_spec_ctrl(const CPUX86State *env);
uint64_t x86_read_spec_ctrl(CPUX86State *env);
bool x86_write_spec_ctrl(CPUX86State *env, uint64_t value);
bool x86_has_pred_cmd(const CPUX86State *env);
bool x86_write_pred_cmd(CPUX86State *env, uint64_t value);
bool x86_write_debugctl(CPUX86State *env, uint64_t value);
bool svm_write_vm_cr(CPUX86State *env, uint64_t value);
void svm_keep_vm_cr_over_init(CPUX86State *env, const SVMState *before);
bool svm_has_lock(const CPUX86State *env);
bool svm_write_key(CPUX86State *env, uint64_t value);

#endif
