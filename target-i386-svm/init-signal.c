/*
 * INIT: held pending while GIF is 0 (2: 15.17), redirected to #SX (2: 15.28),
 * and what it leaves of a guest behind (2: 14.1.3).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "tcg/helper-tcg.h"
#include "model-specific-registers.h"
#include "world-switch.h"
#include "svm-callouts.h"

/* #SX's error code. */
#define SX_REDIRECTED_INIT      1

/**
 * x86_init_is_due: is an INIT pending that the processor has to meet now?
 */
bool x86_init_is_due(CPUState *cs)
{
    return (cs->interrupt_request & CPU_INTERRUPT_INIT) &&
           (cpu_env(cs)->hflags2 & HF2_GIF_MASK);
}

/**
 * x86_meet_init: an INIT that is due
 *
 * Returns if the processor has to be initialized.  Where its intercept makes
 * an exit of it the INIT stays pending, as in Bochs; until the host sets GIF.
 */
void x86_meet_init(CPUX86State *env)
{
    cpu_svm_check_intercept_param(env, SVM_EXIT_INIT, 0, 0);
    if (env->svm.vm_cr & VM_CR_R_INIT) {
        cpu_reset_interrupt(env_cpu(env), CPU_INTERRUPT_INIT);
        raise_exception_err(env, EXCP1E_SX, SX_REDIRECTED_INIT);
    }
}

/**
 * svm_keep_over_init: what INIT leaves as it was
 * @before: the processor before INIT
 *
 * VM_HSAVE_PA is kept; Bochs clears it.  The PAT is kept as well: the host's,
 * as the one of a guest with nested paging is another register.
 */
void svm_keep_over_init(CPUX86State *env, const CPUX86State *before)
{
    uint32_t hflags2 = before->svm.waits_for_rsm ?
                       before->svm.waiting_hflags2 : before->hflags2;

    if (hflags2 & HF2_NPT_MASK) {
        env->pat = before->svm.host_pat;
    }
    svm_keep_vm_cr_over_init(env, &before->svm);
}
