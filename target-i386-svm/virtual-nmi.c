/*
 * Virtual NMIs: the guest has an NMI pending and a mask of its own, in V_NMI
 * and V_NMI_MASK (2: 15.21.10).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "tcg/helper-tcg.h"
#include "world-switch.h"
#include "svm-callouts.h"

static bool virtual_nmi_enabled(const CPUX86State *env)
{
    return (env->hflags & HF_GUEST_MASK) &&
           (env->features[FEAT_SVM] & CPUID_SVM_VNMI) &&
           (env->int_ctl & V_NMI_ENABLE_MASK);
}

void svm_update_virtual_nmi(CPUX86State *env)
{
    uint32_t pending = env->int_ctl & (V_NMI_PENDING_MASK |
                                       V_NMI_BLOCKING_MASK);

    svm_set_interrupt_request(env, CPU_INTERRUPT_VNMI,
                              virtual_nmi_enabled(env) &&
                              pending == V_NMI_PENDING_MASK);
}

/**
 * svm_virtual_nmi_is_due: can the guest take the NMI that is requested?
 *
 * What holds back a physical NMI does: GIF, and an interrupt shadow, as KVM
 * has it.
 */
bool svm_virtual_nmi_is_due(const CPUX86State *env, int interrupt_request)
{
    return (interrupt_request & CPU_INTERRUPT_VNMI) &&
           (env->hflags2 & HF2_VGIF_MASK) &&
           !(env->hflags & HF_INHIBIT_IRQ_MASK);
}

/**
 * svm_take_virtual_nmi: bring the guest to its NMI handler
 */
void svm_take_virtual_nmi(CPUX86State *env)
{
    env->int_ctl &= ~V_NMI_PENDING_MASK;
    env->int_ctl |= V_NMI_BLOCKING_MASK;
    svm_update_virtual_nmi(env);
    do_interrupt_x86_hardirq(env, EXCP02_NMI, 1);
}

/**
 * svm_unmask_nmi: IRET has completed
 *
 * A guest with virtual NMIs unmasks these and not the physical ones.
 */
void svm_unmask_nmi(CPUX86State *env)
{
    if (!virtual_nmi_enabled(env)) {
        env->hflags2 &= ~HF2_NMI_MASK;
        return;
    }
    env->int_ctl &= ~V_NMI_BLOCKING_MASK;
    svm_update_virtual_nmi(env);
}

void svm_mask_injected_nmi(CPUX86State *env)
{
    if (virtual_nmi_enabled(env)) {
        env->int_ctl |= V_NMI_BLOCKING_MASK;
        svm_update_virtual_nmi(env);
    }
}

void svm_unmask_undelivered_nmi(CPUX86State *env)
{
    uint32_t event = env->svm.delivering.info;

    if ((event & SVM_EVTINJ_VALID) &&
        (event & SVM_EVTINJ_TYPE_MASK) == SVM_EVTINJ_TYPE_NMI &&
        virtual_nmi_enabled(env)) {
        env->int_ctl &= ~V_NMI_BLOCKING_MASK;
    }
}
