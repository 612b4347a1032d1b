/*
 * SMM while a guest runs (2: 15.22): the handler belongs to the platform. It
 * runs outside of the guest: no intercepts, no nested paging, no virtual
 * interrupts; RSM goes on with the guest.
 *
 * What RSM needs for that waits in the processor.  The save state in SMRAM
 * tells the handler of the guest, but all that it has of SVM is read-only:
 * what the handler writes there is ignored (2: 10.2.3).
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
    svm_disarm_monitor(env);
    svm_clear_intercepts(env);
    svm_set_virtual_interrupt_pending(env, false);
    svm_update_virtual_nmi(env);
    tlb_flush(env_cpu(env));
}

/* Places in the save state (2: 10.2.3, table 10-1). */
#define SMM_SVM_STATE           0x7ed8
#define SMM_VMCB                0x7ee0
#define SMM_VIRTUAL_INTERRUPT   0x7ee8
#define SMM_GUEST_PAT           0x7f20
#define SMM_HOST_EFER           0x7f28
#define SMM_HOST_CR4            0x7f30
#define SMM_NESTED_CR3          0x7f38
#define SMM_HOST_CR0            0x7f40

/* Bits of the first, as the processor programming references have them. */
#define SMM_STATE_GUEST         (1 << 1)
#define SMM_STATE_ENABLE_NP     (1 << 2)
#define SMM_STATE_HOST_IF       (1 << 3)

static void store_state_of_guest(CPUX86State *env, hwaddr save_state)
{
    CPUState *cs = env_cpu(env);
    const SVMState *svm = &env->svm;
    SVMRegisters host;
    uint64_t state = SMM_STATE_GUEST;

    svm_read_host(env, &host);
    if (host.rflags & IF_MASK) {
        state |= SMM_STATE_HOST_IF;
    }
    if (svm->waiting_hflags2 & HF2_NPT_MASK) {
        state |= SMM_STATE_ENABLE_NP;
        x86_stq_phys(cs, save_state + SMM_GUEST_PAT, env->pat);
        x86_stq_phys(cs, save_state + SMM_NESTED_CR3, env->nested_cr3);
    }
    x86_stq_phys(cs, save_state + SMM_SVM_STATE, state);
    x86_stq_phys(cs, save_state + SMM_VMCB, env->vm_vmcb);
    x86_stq_phys(cs, save_state + SMM_VIRTUAL_INTERRUPT,
                 svm->waiting_int_ctl |
                 (uint64_t)svm->controls.int_vector << 32);
    x86_stq_phys(cs, save_state + SMM_HOST_EFER, host.efer);
    x86_stq_phys(cs, save_state + SMM_HOST_CR4, host.cr4);
    x86_stq_phys(cs, save_state + SMM_HOST_CR0, host.cr0);
}

/**
 * svm_store_smm_state: tell the handler of the guest that the SMI interrupted
 * @save_state: where the save state in SMRAM is, less 7E00h
 */
void svm_store_smm_state(CPUX86State *env, hwaddr save_state)
{
    if (env->svm.waits_for_rsm) {
        store_state_of_guest(env, save_state);
    } else {
        x86_stq_phys(env_cpu(env), save_state + SMM_SVM_STATE, 0);
    }
}

/**
 * svm_leave_smm: go on with the guest, after RSM has loaded its registers
 */
void svm_leave_smm(CPUX86State *env)
{
    SVMState *svm = &env->svm;

    if (!svm->waits_for_rsm) {
        x86_reload_pdptes(env);
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
    x86_reload_pdptes(env);
    tlb_flush(env_cpu(env));
}
