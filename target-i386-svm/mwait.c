/*
 * MONITOR and MWAIT, which hypervisors idle in, and the exit of an MWAIT that
 * would wait (2: 15.9).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "tcg/helper-tcg.h"
#include "vmcb.h"
#include "world-switch.h"

/* ECX of MWAIT: an interrupt ends the wait though RFLAGS.IF is 0 (vol. 3). */
#define MWAIT_INTERRUPTS_BREAK  1

static uint32_t supported_extensions(CPUX86State *env)
{
    return env_archcpu(env)->mwait.ecx & CPUID_MWAIT_IBE ?
           MWAIT_INTERRUPTS_BREAK : 0;
}

/* The line of RAM that @address is in; NULL if it is something else. */
static const void *line_in_ram(CPUX86State *env, target_ulong address,
                               bool may_fault, uintptr_t retaddr)
{
    int mmu_idx = cpu_mmu_index(env_cpu(env), false);
    void *byte;
    int flags = probe_access_flags(env, address, 1, MMU_DATA_LOAD, mmu_idx,
                                   !may_fault, &byte, retaddr);

    if (flags & (TLB_INVALID_MASK | TLB_MMIO)) {
        return NULL;
    }
    return (uint8_t *)byte - address % SVM_MONITOR_LINE_SIZE;
}

/**
 * helper_monitor: the MONITOR instruction (3: MONITOR)
 * @address: linear, in the line that is to be monitored
 *
 * Nobody watches for stores: what the line holds is kept, and MWAIT finds out
 * whether that has changed.
 */
void helper_monitor(CPUX86State *env, target_ulong address)
{
    uintptr_t retaddr = GETPC();
    SVMState *svm = &env->svm;
    const void *line;

    if ((uint32_t)env->regs[R_ECX]) {
        raise_exception_ra(env, EXCP0D_GPF, retaddr);
    }
    cpu_svm_check_intercept_param(env, SVM_EXIT_MONITOR, 0, retaddr);

    line = line_in_ram(env, address, true, retaddr);
    svm->monitor_is_armed = line;
    if (svm->monitor_is_armed) {
        svm->monitor_address = address;
        memcpy(svm->monitored_line, line, SVM_MONITOR_LINE_SIZE);
    }
}

void svm_disarm_monitor(CPUX86State *env)
{
    env->svm.monitor_is_armed = false;
}

/*
 * A store that changes nothing goes unseen, and so does a far transfer of
 * control: an exit is one too many then.  What a host loses by it, it could
 * lose by a store that comes right after the exit.
 */
static bool monitor_is_armed(CPUX86State *env)
{
    const SVMState *svm = &env->svm;
    const void *line;

    if (!svm->monitor_is_armed) {
        return false;
    }
    line = line_in_ram(env, svm->monitor_address, false, 0);
    return line && !memcmp(line, svm->monitored_line, SVM_MONITOR_LINE_SIZE);
}

/**
 * helper_mwait: wait for a write to the monitored line, or for an interrupt
 *
 * The write is not watched for; a wait may end for any reason, so where
 * something but an unmasked interrupt can end it this one ends at once.  With
 * no monitor armed there is none (3: MWAIT).
 */
G_NORETURN void helper_mwait(CPUX86State *env, int next_eip_addend)
{
    CPUState *cs = env_cpu(env);
    uint32_t extensions = env->regs[R_ECX];
    bool alone = cs->cpu_index == 0 && !CPU_NEXT(cs);
    bool armed;

    if (extensions & ~supported_extensions(env)) {
        raise_exception_ra(env, EXCP0D_GPF, GETPC());
    }
    armed = monitor_is_armed(env);
    if (armed) {
        cpu_svm_check_intercept_param(env, SVM_EXIT_MWAIT_CONDITIONAL, 0,
                                      GETPC());
    }
    cpu_svm_check_intercept_param(env, SVM_EXIT_MWAIT, 0, GETPC());
    svm_disarm_monitor(env);
    env->eip += next_eip_addend;

    if (alone && armed && (!extensions || env->eflags & IF_MASK)) {
        helper_hlt(env);
    }
    helper_pause(env);
}
