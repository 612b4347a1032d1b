/*
 * INVPCID (3: INVPCID). There are no process-context identifiers but 0.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/cputlb.h"
#include "exec/helper-proto.h"
#include "tcg/helper-tcg.h"
#include "svm-callouts.h"
#include "world-switch.h"

enum {
    INVPCID_ADDRESS,
    INVPCID_ONE_CONTEXT,
    INVPCID_ALL_WITH_GLOBAL,
    INVPCID_ALL,
};

/* CR4.PCIDE cannot be set: only identifier 0 may be named. */
static bool operands_are_legal(CPUX86State *env, uint64_t type,
                               uint64_t identifier, uint64_t address)
{
    switch (type) {
    case INVPCID_ADDRESS:
        return identifier == 0 && x86_is_canonical(env, address);
    case INVPCID_ONE_CONTEXT:
        return identifier == 0;
    case INVPCID_ALL_WITH_GLOBAL:
    case INVPCID_ALL:
        return !(identifier >> 12);
    default:
        return false;
    }
}

/**
 * helper_invpcid: the INVPCID instruction
 * @type: register operand
 * @descriptor: linear address of the 128 bits in memory
 *
 * The intercept comes before all #GP but that of CPL, and reports both
 * operands in EXITINFO2 and EXITINFO1: KVM relies on that.
 */
void helper_invpcid(CPUX86State *env, target_ulong type,
                    target_ulong descriptor)
{
    CPUState *cs = env_cpu(env);
    uintptr_t retaddr = GETPC();
    target_ulong second = descriptor + 8;
    uint64_t identifier, address;

    if (!(env->hflags & HF_CS64_MASK)) {
        type = (uint32_t)type;
        second = (uint32_t)second;
    }
    svm_check_intercept(env, SVM_EXIT_INVPCID, descriptor, type, retaddr);

    identifier = cpu_ldq_data_ra(env, descriptor, retaddr);
    address = cpu_ldq_data_ra(env, second, retaddr);
    if (!operands_are_legal(env, type, identifier, address)) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, retaddr);
    }
    svm_count(env, SVM_COUNT(flush_invpcid));
    if (type == INVPCID_ADDRESS) {
        tlb_flush_page(cs, address);
    } else {
        /* Global translations go too: nobody may rely on them. */
        tlb_flush(cs);
    }
}
