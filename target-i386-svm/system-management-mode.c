/*
 * SMM while a guest runs (2: 15.22): the handler belongs to the platform. It
 * runs outside of the guest: no intercepts, no nested paging, no virtual
 * interrupts; RSM goes on with the guest.
 *
 * The manual keeps what is needed for that in the save state in SMRAM; here it
 * waits in the processor, and SMRAM has the guest's registers only.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/cputlb.h"
#include "tcg/helper-tcg.h"
#include "svm-callouts.h"
#include "world-switch.h"

/**
 * svm_enter_smm: leave the guest's rules behind, before SMM is entered
 */
void svm_enter_smm(CPUX86State *env)
{
    SVMState *svm = &env->svm;

    if (!(env->hflags & HF_GUEST_MASK)) {
        return;
    }
    svm->waits_for_rsm = true;
    svm->waiting_hflags2 = env->hflags2 & SVM_GUEST_HFLAGS2;
    svm->waiting_int_ctl = env->int_ctl;
    svm->waiting_cpl = env->hflags & HF_CPL_MASK;

    env->hflags &= ~HF_GUEST_MASK;
    env->hflags2 &= ~SVM_GUEST_HFLAGS2;
    env->int_ctl = 0;
    svm_clear_intercepts(env);
    svm_set_virtual_interrupt_pending(env, false);
    svm_update_virtual_nmi(env);
    tlb_flush(env_cpu(env));
}

/**
 * svm_leave_smm: go on with the guest, after RSM has loaded its registers
 */
void svm_leave_smm(CPUX86State *env)
{
    SVMState *svm = &env->svm;

    if (!svm->waits_for_rsm) {
        return;
    }
    svm->waits_for_rsm = false;
    svm_load_intercepts(env);
    env->hflags = (env->hflags & ~HF_CPL_MASK) | svm->waiting_cpl |
                  HF_GUEST_MASK;
    env->hflags2 = (env->hflags2 & ~SVM_GUEST_HFLAGS2) | svm->waiting_hflags2;
    env->int_ctl = svm->waiting_int_ctl;
    svm_set_virtual_interrupt_pending(env, ctl_has_irq(env));
    svm_update_virtual_nmi(env);
    tlb_flush(env_cpu(env));
}
