/*
 * Decode assists (2: 15.8.4, 15.33.3): what an exit reports of the
 * instruction that it intercepts, so that a host need not read it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "tcg/helper-tcg.h"
#include "instruction-record.h"
#include "world-switch.h"
#include "svm-callouts.h"

/* EXITINFO1 of a control register's exit: the instruction is MOV. */
#define EXIT_INFO_1_MOV_CR  (1ULL << 63)

#define MAX_INSTRUCTION_LENGTH  15

bool svm_decode_assists(const CPUX86State *env)
{
    return env->features[FEAT_SVM] & CPUID_SVM_DECODEASSIST;
}

uint64_t svm_decoded_exit_info_1(const CPUX86State *env, uint64_t exit_code)
{
    uint32_t instruction = env->svm.instruction;
    uint64_t operand = FIELD_EX32(instruction, SVM_INSTRUCTION, OPERAND);

    if (!svm_decode_assists(env)) {
        return 0;
    }
    switch (exit_code) {
    case SVM_EXIT_READ_CR0 ... SVM_EXIT_WRITE_CR0 + 15:
    case SVM_EXIT_CR0_SEL_WRITE:
        /* LMSW, SMSW and CLTS have no register to report. */
        return FIELD_EX32(instruction, SVM_INSTRUCTION, MOV_CR) ?
               EXIT_INFO_1_MOV_CR | operand : 0;
    case SVM_EXIT_READ_DR0 ... SVM_EXIT_WRITE_DR0 + 15:
    case SVM_EXIT_SWINT:
        return operand;
    case SVM_EXIT_INVLPG:
    case SVM_EXIT_INVLPGA:
        return env->svm.linear_address;
    default:
        return 0;
    }
}

/**
 * svm_record_fault_access: what the access was that a page fault ends
 */
void svm_record_fault_access(CPUX86State *env, MMUAccessType access)
{
    env->svm.fault_is_fetch = access == MMU_INST_FETCH;
}

/* How many bytes of code there are at rIP, as far as the segment says. */
static unsigned bytes_in_code_segment(const CPUX86State *env)
{
    uint32_t limit = env->segs[R_CS].limit;

    if (env->hflags & HF_CS64_MASK) {
        return MAX_INSTRUCTION_LENGTH;
    }
    if (env->eip > limit) {
        return 0;
    }
    return MIN(MAX_INSTRUCTION_LENGTH, limit - env->eip + 1ULL);
}

/*
 * As a fetch would see them: what it may not execute, or what is not RAM,
 * ends them.
 */
static unsigned read_code(CPUX86State *env, uint8_t *bytes)
{
    int mmu_idx = cpu_mmu_index(env_cpu(env), true);
    unsigned wanted = bytes_in_code_segment(env);
    unsigned have = 0;

    while (have < wanted) {
        target_ulong address = env->eip + have;
        CPUTLBEntryFull *full;
        unsigned in_page;
        void *host;
        int flags;

        if (!(env->hflags & HF_CS64_MASK)) {
            address = (uint32_t)(env->segs[R_CS].base + address);
        }
        in_page = MIN(wanted - have, -(address | TARGET_PAGE_MASK));
        flags = probe_access_full_mmu(env, address, in_page, MMU_INST_FETCH,
                                      mmu_idx, &host, &full);
        if ((flags & (TLB_INVALID_MASK | TLB_MMIO)) || !host) {
            break;
        }
        memcpy(bytes + have, host, in_page);
        have += in_page;
    }
    return have;
}

void svm_store_instruction_bytes(CPUX86State *env, const VMCBPage *vmcb)
{
    bool page_fault = env->svm.exit_code == SVM_EXIT_NPF ||
                      env->svm.exit_code == SVM_EXIT_EXCP_BASE + EXCP0E_PAGE;
    /* The number of bytes, and they. */
    uint8_t field[1 + MAX_INSTRUCTION_LENGTH] = { };

    if (!svm_decode_assists(env)) {
        return;
    }
    if (page_fault && !env->svm.fault_is_fetch) {
        field[0] = read_code(env, field + 1);
    }
    vmcb_page_store(vmcb, VMCB_CONTROL(instruction_length), 64,
                    ldq_le_p(field));
    vmcb_page_store(vmcb, VMCB_CONTROL(instruction_length) + 8, 64,
                    ldq_le_p(field + 8));
}
