/*
 * Model-specific registers that the add-on has, or has other rules for than
 * QEMU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_SVM_MODEL_SPECIFIC_REGISTERS_H
#define TARGET_I386_SVM_MODEL_SPECIFIC_REGISTERS_H

#define MSR_VM_CR                       0xc0010114
#define MSR_SVM_KEY                     0xc0010118

/* VM_CR (2: 15.30.1). */
#define VM_CR_DPD                       (1 << 0)
#define VM_CR_R_INIT                    (1 << 1)
#define VM_CR_DIS_A20M                  (1 << 2)
#define VM_CR_LOCK                      (1 << 3)
#define VM_CR_SVMDIS                    (1 << 4)

/*
 * What RDMSR finds and WRMSR does, for the table in
 * model-specific-registers.c; x86_read_tsc() is in svm-callouts.h.  A write
 * returns false if it is #GP(0).
 */
bool x86_write_tsc(CPUX86State *env, uint64_t value);
uint64_t svm_read_vm_cr(CPUX86State *env);
bool svm_write_vm_cr(CPUX86State *env, uint64_t value);
void svm_keep_vm_cr_over_init(CPUX86State *env, const SVMState *before);
bool svm_has_lock(const CPUX86State *env);
uint64_t svm_read_key(CPUX86State *env);
bool svm_write_key(CPUX86State *env, uint64_t value);

#endif
