/*
 * Recording of the last branch and the last exception (2: 13.1.1), and its
 * virtualization (2: 15.23).
 *
 * The translator has every taken branch call helper_svm_record_branch() while
 * DEBUGCTL says that branches matter; code that is translated otherwise knows
 * nothing of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "tcg/helper-tcg.h"
#include "svm-callouts.h"
#include "model-specific-registers.h"
#include "last-branches.h"

void svm_update_branches_followed(CPUX86State *env)
{
    env->hflags &= ~HF_BRANCHES_MASK;
    if (env->svm.last.debugctl & (DEBUGCTL_LBR | DEBUGCTL_BTF)) {
        env->hflags |= HF_BRANCHES_MASK;
    }
}

/**
 * helper_svm_record_branch: the instruction at env->svm.branch_from branches
 * @to: its target, as rIP is: without the base of CS
 */
void helper_svm_record_branch(CPUX86State *env, target_ulong to)
{
    env->svm.branch_was_taken = true;
    if (env->svm.last.debugctl & DEBUGCTL_LBR) {
        env->svm.last.branch_from = env->svm.branch_from;
        env->svm.last.branch_to = to;
    }
}

/**
 * x86_record_interrupt: an exception or interrupt has reached its handler
 * @vector: its vector
 * @from: rIP of the instruction that raised it or was interrupted by it
 *
 * The branch before it is kept as that of the last exception.  #DB changes
 * neither, and ends the recording.
 */
void x86_record_interrupt(CPUX86State *env, int vector, target_ulong from)
{
    SVMLastBranches *last = &env->svm.last;

    if (vector == EXCP01_DB) {
        last->debugctl &= ~(uint64_t)(DEBUGCTL_LBR | DEBUGCTL_BTF);
        svm_update_branches_followed(env);
    } else if (last->debugctl & DEBUGCTL_LBR) {
        last->exception_from = last->branch_from;
        last->exception_to = last->branch_to;
        last->branch_from = from;
        last->branch_to = env->eip;
    }
}

/**
 * x86_single_step_is_due: does an instruction with RFLAGS.TF end in #DB?
 *
 * With DEBUGCTL.BTF only if it branched.
 */
bool x86_single_step_is_due(CPUX86State *env)
{
    return !(env->svm.last.debugctl & DEBUGCTL_BTF) ||
           env->svm.branch_was_taken;
}

bool x86_write_debugctl(CPUX86State *env, uint64_t value)
{
    if (value & ~(uint64_t)DEBUGCTL_DEFINED) {
        return false;
    }
    env->svm.last.debugctl = value;
    svm_update_branches_followed(env);
    return true;
}

void svm_load_guest_last_branches(CPUX86State *env,
                                  const SVMRegisters *guest)
{
    env->svm.host_last = env->svm.last;
    env->svm.last = (SVMLastBranches) {
        .debugctl = guest->dbgctl,
        .branch_from = guest->br_from,
        .branch_to = guest->br_to,
        .exception_from = guest->last_excp_from,
        .exception_to = guest->last_excp_to,
    };
    svm_update_branches_followed(env);
}

void svm_load_host_last_branches(CPUX86State *env)
{
    env->svm.last = env->svm.host_last;
    svm_update_branches_followed(env);
}
