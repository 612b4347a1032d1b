/*
 * MCOMMIT (3: MCOMMIT): stores are complete, and have failed or not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "tcg/helper-tcg.h"
#include "model-specific-registers.h"
#include "svm-features.h"
#include "vmcb.h"

bool x86_has_mcommit(const CPUX86State *env)
{
    return env->features[FEAT_8000_0008_EBX] & CPUID_8000_0008_EBX_MCOMMIT;
}

/**
 * helper_mcommit: may the MCOMMIT instruction go on?
 *
 * No emulated memory reports the failure of a store later: all that is left
 * to do is a fence and a flag.
 */
void helper_mcommit(CPUX86State *env)
{
    uintptr_t retaddr = GETPC();

    if (!x86_has_mcommit(env) || !(env->efer & MSR_EFER_MCOMMIT)) {
        raise_exception_ra(env, EXCP06_ILLOP, retaddr);
    }
    cpu_svm_check_intercept_param(env, SVM_EXIT_MCOMMIT, 0, retaddr);
}
