/*
 * MWAIT, which hypervisors idle in.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "tcg/helper-tcg.h"

/* ECX of MWAIT: an interrupt ends the wait though RFLAGS.IF is 0 (vol. 3). */
#define MWAIT_INTERRUPTS_BREAK  1

static uint32_t supported_extensions(CPUX86State *env)
{
    return env_archcpu(env)->mwait.ecx & CPUID_MWAIT_IBE ?
           MWAIT_INTERRUPTS_BREAK : 0;
}

/**
 * helper_mwait: wait for a write to the monitored line, or for an interrupt
 *
 * The write is not watched for; a wait may end for any reason, so where
 * something but an unmasked interrupt can end it this one ends at once.
 */
G_NORETURN void helper_mwait(CPUX86State *env, int next_eip_addend)
{
    CPUState *cs = env_cpu(env);
    uint32_t extensions = env->regs[R_ECX];
    bool alone = cs->cpu_index == 0 && !CPU_NEXT(cs);

    if (extensions & ~supported_extensions(env)) {
        raise_exception_ra(env, EXCP0D_GPF, GETPC());
    }
    cpu_svm_check_intercept_param(env, SVM_EXIT_MWAIT, 0, GETPC());
    env->eip += next_eip_addend;

    if (alone && (!extensions || env->eflags & IF_MASK)) {
        helper_hlt(env);
    }
    helper_pause(env);
}
