/*
 * INVLPGB and TLBSYNC (3: INVLPGB, TLBSYNC): translations of all processors
 * are invalidated, without an interrupt to them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/cputlb.h"
#include "exec/helper-proto.h"
#include "tcg/helper-tcg.h"
#include "svm-features.h"

/* In rAX: what of its operands counts, and what goes too. */
#define INVLPGB_VALID_ADDRESS           (1 << 0)
#define INVLPGB_VALID_PCID              (1 << 1)
#define INVLPGB_VALID_ASID              (1 << 2)
#define INVLPGB_INCLUDE_GLOBAL          (1 << 3)
#define INVLPGB_FINAL_TRANSLATION_ONLY  (1 << 4)
/* Bit 5 is reserved where CPUID 8000_0008 EBX[21] is 0. */
#define INVLPGB_RESERVED    (0xfff & ~(INVLPGB_VALID_ADDRESS | \
                                       INVLPGB_VALID_PCID | \
                                       INVLPGB_VALID_ASID | \
                                       INVLPGB_INCLUDE_GLOBAL | \
                                       INVLPGB_FINAL_TRANSLATION_ONLY))

/* ECX: how many pages more, and whether they have 2 MiB; EDX: ASID, PCID. */
#define INVLPGB_ECX_RESERVED            0x7fff0000
#define INVLPGB_EDX_RESERVED            0xf0000000

static bool guest_is_running(const CPUX86State *env)
{
    return env->hflags & HF_GUEST_MASK;
}

/* A guest has the instructions only if its host says so (2: appendix B). */
static bool instructions_exist(const CPUX86State *env)
{
    return (env->features[FEAT_8000_0008_EBX] & CPUID_8000_0008_EBX_INVLPGB) &&
           (!guest_is_running(env) ||
            ((env->features[FEAT_SVM] & CPUID_SVM_TLBICTL) &&
             (env->svm.controls.nested_ctl & VMCB_INVLPGB_TLBSYNC)));
}

static void check_access(CPUX86State *env, uint32_t exit_code,
                         uintptr_t retaddr)
{
    if (!instructions_exist(env)) {
        raise_exception_ra(env, EXCP06_ILLOP, retaddr);
    }
    if (env->hflags & HF_CPL_MASK) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, retaddr);
    }
    cpu_svm_check_intercept_param(env, exit_code, 0, retaddr);
}

/* A guest's ASID is its own, whatever it names. */
static bool operands_are_legal(const CPUX86State *env)
{
    uint32_t eax = env->regs[R_EAX];
    uint32_t ecx = env->regs[R_ECX];
    uint32_t edx = env->regs[R_EDX];

    return !(eax & INVLPGB_RESERVED) && !(ecx & INVLPGB_ECX_RESERVED) &&
           !(edx & INVLPGB_EDX_RESERVED) &&
           extract32(ecx, 0, 16) <= INVLPGB_COUNT_MAX &&
           (!(eax & INVLPGB_VALID_ASID) || guest_is_running(env) ||
            extract32(edx, 0, 16) < svm_number_of_asids(env));
}

/**
 * helper_invlpgb: the INVLPGB instruction
 *
 * Entries carry neither ASID nor PCID, so all go, on all processors; that is
 * allowed.  This processor goes on when it is done.
 */
void helper_invlpgb(CPUX86State *env)
{
    uintptr_t retaddr = GETPC();

    check_access(env, SVM_EXIT_INVLPGB, retaddr);
    if (!operands_are_legal(env)) {
        cpu_svm_check_intercept_param(env, SVM_EXIT_ILLEGAL_INVLPGB, 0,
                                      retaddr);
        raise_exception_err_ra(env, EXCP0D_GPF, 0, retaddr);
    }
    svm_count(env, SVM_COUNT(flush_invlpgb));
    tlb_flush_all_cpus_synced(env_cpu(env));
}

/**
 * helper_tlbsync: the TLBSYNC instruction
 *
 * It waits for this processor's INVLPGBs, which have all waited themselves.
 */
void helper_tlbsync(CPUX86State *env)
{
    check_access(env, SVM_EXIT_TLBSYNC, GETPC());
}
