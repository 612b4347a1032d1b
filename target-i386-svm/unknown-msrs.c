/*
 * MSRs and bits of them that are not there (3: RDMSR, WRMSR): #GP, or
 * ignored where the model's guests are used to that.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "cpu.h"
#include "tcg/helper-tcg.h"
#include "svm-callouts.h"
#include "model-specific-registers.h"

bool x86_ignores_msrs(const CPUX86State *env)
{
    const SVMProperties *properties =
        &env_archcpu((CPUX86State *)env)->svm;

    if (properties->ignore_msrs == ON_OFF_AUTO_AUTO) {
        return !properties->silicon;
    }
    return properties->ignore_msrs == ON_OFF_AUTO_ON;
}

static bool silicon_has(uint32_t index)
{
#define SILICON_MSRS(first, last, text) \
    if (index - (first) <= (last) - (first)) { \
        return true; \
    }
#include "silicon-msrs.h.inc"
    return false;
}

/**
 * x86_check_unknown_msr: the MSR in ECX is none that is emulated
 *
 * It reads zero, and writes are lost; or #GP(0).
 */
void x86_check_unknown_msr(CPUX86State *env, uintptr_t retaddr)
{
    uint32_t index = env->regs[R_ECX];

    if (x86_ignores_msrs(env) || silicon_has(index)) {
        qemu_log_mask(LOG_UNIMP, "cpu %d: MSR 0x%" PRIx32 " is not emulated\n",
                      env_cpu(env)->cpu_index, index);
        return;
    }
    qemu_log_mask(LOG_GUEST_ERROR, "cpu %d: no MSR 0x%" PRIx32 ": #GP\n",
                  env_cpu(env)->cpu_index, index);
    raise_exception_err_ra(env, EXCP0D_GPF, 0, retaddr);
}

bool x86_msr_is_foreign(const CPUX86State *env, uint32_t index)
{
    if (x86_ignores_msrs(env)) {
        return false;
    }
    switch (index) {
    case MSR_SMI_COUNT:
    case MSR_CORE_THREAD_COUNT:
    case MSR_IA32_PERF_STATUS:
    case MSR_IA32_MISC_ENABLE:
    case MSR_IA32_PKRS:
    case MSR_IA32_BNDCFGS:
        return true;
    default:
        return false;
    }
}

/* UC, WC, WT, WP, WB: what MTRRs know (2: 7.7.1). */
static bool is_mtrr_type(uint8_t type)
{
    return type <= 6 && type != 2 && type != 3;
}

/* Bits 4 and 3 of each byte are RdMem and WrMem (2: 7.9.1). */
static bool is_fixed_mtrr(uint64_t value)
{
    int i;

    for (i = 0; i < 64; i += 8) {
        uint8_t type = extract64(value, i, 8);

        if (!is_mtrr_type(type & ~0x18)) {
            return false;
        }
    }
    return true;
}

/* PhysBase has even numbers, PhysMask odd ones (2: 7.7.2). */
static bool is_variable_mtrr(const CPUX86State *env, uint32_t index,
                             uint64_t value)
{
    uint64_t address_bits =
        MAKE_64BIT_MASK(12, env_archcpu((CPUX86State *)env)->phys_bits - 12);

    if (index % 2) {
        return !(value & ~(address_bits | 0x800));
    }
    return !(value & ~(address_bits | 0xff)) && is_mtrr_type(value);
}

bool x86_msr_value_is_reserved(const CPUX86State *env, uint32_t index,
                               uint64_t value)
{
    if (x86_ignores_msrs(env)) {
        return false;
    }
    switch (index) {
    case MSR_PAT:
        return !x86_pat_is_legal(value);
    case MSR_MTRRphysBase(0) ... MSR_MTRRphysMask(7):
        return !is_variable_mtrr(env, index, value);
    case MSR_MTRRfix64K_00000:
    case MSR_MTRRfix16K_80000 ... MSR_MTRRfix16K_A0000:
    case MSR_MTRRfix4K_C0000 ... MSR_MTRRfix4K_F8000:
        return !is_fixed_mtrr(value);
    case MSR_MTRRdefType:
        return (value & ~0xcffULL) || !is_mtrr_type(value);
    default:
        return false;
    }
}
