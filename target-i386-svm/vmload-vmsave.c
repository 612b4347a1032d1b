/*
 * VMSAVE and VMLOAD (3: chapter 4).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "tcg/helper-tcg.h"
#include "world-switch.h"
#include "trace.h"

/* 2: 15.33.1; the control bit next to LBR virtualization's. */
static bool virtual_vmload_vmsave_enabled(const CPUX86State *env)
{
    return (env->features[FEAT_SVM] & CPUID_SVM_V_VMSAVE_VMLOAD) &&
           (env->svm.controls.lbr_ctl & V_VMLOAD_VMSAVE_ENABLED_MASK);
}

/*
 * In a guest the operand is a system-physical address all the same, unless
 * the instructions are virtualized: then it is guest-physical, and without
 * nested paging or outside of long mode they exit as if intercepted.
 */
static VMCBPage open_operand(CPUX86State *env, int aflag, uint32_t exit_code,
                             MMUAccessType access, uintptr_t retaddr)
{
    uint64_t address = svm_operand_address(env, aflag, exit_code, retaddr);
    int mmu_idx = MMU_PHYS_IDX;

    if ((env->hflags & HF_GUEST_MASK) && virtual_vmload_vmsave_enabled(env)) {
        if (!svm_nested_paging(env) || !(env->efer & MSR_EFER_LMA)) {
            cpu_vmexit(env, exit_code, 0, retaddr);
        }
        mmu_idx = MMU_NESTED_IDX;
    }
    return vmcb_page_open(env, address, access, mmu_idx, retaddr);
}

/**
 * helper_vmsave: the VMSAVE instruction
 * @aflag: address size, see svm_operand_address()
 */
void helper_vmsave(CPUX86State *env, int aflag)
{
    VMCBPage page = open_operand(env, aflag, SVM_EXIT_VMSAVE, MMU_DATA_STORE,
                                 GETPC());

    trace_svm_vmsave(env_cpu(env)->cpu_index, page.system_address);
    svm_count(env, SVM_COUNT(vmsave));
    svm_count_host_save_page(env, page.system_address,
                             SVM_COUNT(vmsave_host_save_page));
    svm_store_vmsave_set(env, &page);
    vmcb_page_close(&page);
}

/**
 * helper_vmload: the VMLOAD instruction
 * @aflag: address size, see svm_operand_address()
 */
void helper_vmload(CPUX86State *env, int aflag)
{
    VMCBPage page = open_operand(env, aflag, SVM_EXIT_VMLOAD, MMU_DATA_LOAD,
                                 GETPC());

    trace_svm_vmload(env_cpu(env)->cpu_index, page.system_address);
    svm_count(env, SVM_COUNT(vmload));
    svm_count_host_save_page(env, page.system_address,
                             SVM_COUNT(vmload_host_save_page));
    svm_load_vmload_set(env, &page);
    vmcb_page_close(&page);
}
