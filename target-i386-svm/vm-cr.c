/*
 * VM_CR and SVM_KEY, by which a platform forbids the use of SVM (2: 15.30.1,
 * 15.31).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "svm-callouts.h"
#include "model-specific-registers.h"

/* CPUID 8000_000A EDX[2], SVML. */
bool svm_has_lock(const CPUX86State *env)
{
    return (env->features[FEAT_8000_0001_ECX] & CPUID_EXT3_SVM) &&
           (env->features[FEAT_SVM] & CPUID_SVM_SVMLOCK);
}

/*
 * SVMDIS beside EFER.SVME is #GP even where the lock keeps the bit from
 * being written.  Of KVM's reading, in which SVMDIS locks itself, the manual
 * says nothing.
 */
bool svm_write_vm_cr(CPUX86State *env, uint64_t value)
{
    uint64_t writable = VM_CR_DPD | VM_CR_R_INIT | VM_CR_DIS_A20M |
                        VM_CR_SVMDIS | (svm_has_lock(env) ? VM_CR_LOCK : 0);

    if ((value & ~writable) ||
        ((value & VM_CR_SVMDIS) && (env->efer & MSR_EFER_SVME))) {
        return false;
    }
    if (env->svm.vm_cr & VM_CR_LOCK) {
        writable &= ~(VM_CR_LOCK | VM_CR_SVMDIS);
    }
    env->svm.vm_cr = (env->svm.vm_cr & ~writable) | (value & writable);
    return true;
}

/* Sets the key while VM_CR is not locked, and afterwards has to repeat it. */
bool svm_write_key(CPUX86State *env, uint64_t value)
{
    if (!(env->svm.vm_cr & VM_CR_LOCK)) {
        env->svm.svm_key = value;
    } else if (value && value == env->svm.svm_key) {
        env->svm.vm_cr &= ~VM_CR_LOCK;
    }
    return true;
}

/* INIT leaves them as they were, apart from SVMDIS. */
void svm_keep_vm_cr_over_init(CPUX86State *env, const SVMState *before)
{
    env->svm.svm_key = before->svm_key;
    env->svm.vm_cr = before->vm_cr;
    if (!(before->vm_cr & VM_CR_LOCK)) {
        env->svm.vm_cr &= ~VM_CR_SVMDIS;
    }
}
