/*
 * The time-stamp counter: what RDTSC, RDTSCP and RDMSR of the TSC find, what
 * a write of the MSR does, and TSC_RATIO (2: 15.30.5); RDPRU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/host-utils.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "tcg/helper-tcg.h"
#include "svm-callouts.h"
#include "svm-features.h"
#include "model-specific-registers.h"

bool svm_has_tsc_ratio(const CPUX86State *env)
{
    return (env->features[FEAT_8000_0001_ECX] & CPUID_EXT3_SVM) &&
           (env->features[FEAT_SVM] & CPUID_SVM_TSCSCALE);
}

bool svm_write_tsc_ratio(CPUX86State *env, uint64_t value)
{
    if (value >> TSC_RATIO_BITS) {
        return false;
    }
    env->amd_tsc_scale_msr = value;
    return true;
}

static uint64_t scaled(CPUX86State *env, uint64_t tsc)
{
    uint64_t low, high;

    if (!svm_has_tsc_ratio(env)) {
        return tsc;
    }
    mulu64(&low, &high, tsc, env->amd_tsc_scale_msr);
    return high << 32 | low >> 32;
}

/* The counter itself; tsc_adjust is what writes have added to QEMU's clock. */
static uint64_t host_tsc(CPUX86State *env)
{
    return cpu_get_tsc(env) + env->tsc_adjust;
}

/**
 * x86_read_tsc: the time-stamp counter as the processor's software sees it
 *
 * In a guest scaled by TSC_RATIO, and with the VMCB's TSC_OFFSET.
 */
uint64_t x86_read_tsc(CPUX86State *env)
{
    uint64_t tsc;

    svm_charge_instructions(env);
    tsc = host_tsc(env);
    /* A handler of SMIs has the host's view (2: 15.22). */
    return env->hflags & HF_GUEST_MASK ? scaled(env, tsc) + env->tsc_offset
                                       : tsc;
}

/*
 * A write goes to the counter itself, from a guest as well: TSC_OFFSET is
 * added to what is read, not taken from what is written, and the ratio does
 * not count (2: 15.30.5).
 */
bool x86_write_tsc(CPUX86State *env, uint64_t value)
{
    env->tsc_adjust += value - host_tsc(env);
    return true;
}

/* What the two instructions have in common; each has its own intercept. */
static void read_into_registers(CPUX86State *env, uint32_t exit_code,
                                uintptr_t retaddr)
{
    uint64_t tsc;

    if ((env->cr[4] & CR4_TSD_MASK) && (env->hflags & HF_CPL_MASK)) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, retaddr);
    }
    cpu_svm_check_intercept_param(env, exit_code, 0, retaddr);

    tsc = x86_read_tsc(env);
    env->regs[R_EAX] = (uint32_t)tsc;
    env->regs[R_EDX] = tsc >> 32;
}

/**
 * helper_rdtsc: the RDTSC instruction
 */
void helper_rdtsc(CPUX86State *env)
{
    read_into_registers(env, SVM_EXIT_RDTSC, GETPC());
}

/**
 * helper_rdtscp: the RDTSCP instruction
 */
void helper_rdtscp(CPUX86State *env)
{
    read_into_registers(env, SVM_EXIT_RDTSCP, GETPC());
    env->regs[R_ECX] = (uint32_t)env->tsc_aux;
}

/**
 * helper_rdpru: the RDPRU instruction (3: RDPRU)
 *
 * MPERF counts at the frequency of the TSC and APERF at the processor's own
 * while it works: the emulated one has a single frequency and no idle state.
 * They are the processor's: a guest's TSC_OFFSET makes no difference.
 */
void helper_rdpru(CPUX86State *env)
{
    uintptr_t retaddr = GETPC();
    uint64_t value = 0;

    if (!(env->features[FEAT_8000_0008_EBX] & CPUID_8000_0008_EBX_RDPRU) ||
        ((env->cr[4] & CR4_TSD_MASK) && (env->hflags & HF_CPL_MASK))) {
        raise_exception_ra(env, EXCP06_ILLOP, retaddr);
    }
    cpu_svm_check_intercept_param(env, SVM_EXIT_RDPRU, 0, retaddr);

    if ((uint32_t)env->regs[R_ECX] <= RDPRU_MAX_REGISTER) {
        value = cpu_get_tsc(env);
    }
    env->regs[R_EAX] = (uint32_t)value;
    env->regs[R_EDX] = value >> 32;
}
