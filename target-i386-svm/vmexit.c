/*
 * #VMEXIT (2: 15.6), phase by phase in the manual's order.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "cpu.h"
#include "tcg/helper-tcg.h"
#include "system/runstate.h"
#include "instruction-record.h"
#include "last-branches.h"
#include "world-switch.h"
#include "svm-callouts.h"
#include "trace.h"

/**
 * svm_set_exit_info_2: what EXITINFO2 will say if a #VMEXIT follows
 *
 * For exits whose EXITINFO2 is known where the exit is not raised yet.
 */
void svm_set_exit_info_2(CPUX86State *env, uint64_t exit_info_2)
{
    env->svm.exit_info_2 = exit_info_2;
}

void svm_request_vmexit(CPUX86State *env, uint64_t exit_code,
                        uint64_t exit_info_1)
{
    env->svm.exit_code = exit_code;
    env->svm.exit_info_1 = exit_info_1 |
                           svm_decoded_exit_info_1(env, exit_code);
    env->old_exception = -1;
    env_cpu(env)->exception_index = EXCP_VMEXIT;
}

/**
 * cpu_vmexit: leave the guest (2: 15.6)
 * @exit_code: 2: appendix C
 * @exit_info_1: EXITINFO1
 * @retaddr: return address into generated code, 0 outside of it
 *
 * Does not return: the switch takes place in do_vmexit(), in the main loop.
 */
void cpu_vmexit(CPUX86State *env, uint64_t exit_code, uint64_t exit_info_1,
                uintptr_t retaddr)
{
    CPUState *cs = env_cpu(env);

    cpu_restore_state(cs, retaddr);
    svm_request_vmexit(env, exit_code, exit_info_1);
    cpu_loop_exit(cs);
}

/* Does the exit come from an instruction that did not start (2: 15.7.1)? */
static bool exit_has_next_rip(uint64_t exit_code)
{
    switch (exit_code) {
    case SVM_EXIT_READ_CR0 ... SVM_EXIT_WRITE_DR0 + 15:
    case SVM_EXIT_EXCP_BASE + EXCP03_INT3:
    case SVM_EXIT_EXCP_BASE + EXCP04_INTO:
    case SVM_EXIT_EXCP_BASE + EXCP05_BOUND:
    case SVM_EXIT_CR0_SEL_WRITE ... SVM_EXIT_MSR:
    case SVM_EXIT_VMRUN ... SVM_EXIT_RDPRU:
    case SVM_EXIT_INVLPGB ... SVM_EXIT_TLBSYNC:
    case SVM_EXIT_IDLE_HLT:
        return true;
    default:
        return false;
    }
}

uint64_t svm_next_instruction(const CPUX86State *env)
{
    uint64_t rip = env->eip + FIELD_EX32(env->svm.instruction,
                                         SVM_INSTRUCTION, LENGTH);

    return env->hflags & HF_CS64_MASK ? rip : (uint32_t)rip;
}

static void store_guest(CPUX86State *env, const VMCBPage *vmcb)
{
    const SVMControls *controls = &env->svm.controls;
    uint32_t int_state = controls->int_state & ~SVM_INTERRUPT_SHADOW_MASK;

    svm_unmask_undelivered_nmi(env);
    svm_store_guest_set(env, vmcb);

    if (env->hflags & HF_INHIBIT_IRQ_MASK) {
        int_state |= SVM_INTERRUPT_SHADOW_MASK;
    }
    vmcb_page_store(vmcb, VMCB_CONTROL(int_state), 32, int_state);
    vmcb_page_store(vmcb, VMCB_CONTROL(int_ctl), 32, env->int_ctl);
    vmcb_page_store(vmcb, VMCB_CONTROL(exit_int_info), 32,
                    env->svm.delivering.info);
    vmcb_page_store(vmcb, VMCB_CONTROL(exit_int_info_err), 32,
                    env->svm.delivering.error_code);
    if (svm_counts_bus_locks(env)) {
        vmcb_page_store(vmcb, VMCB_CONTROL(bus_lock_threshold), 16,
                        controls->bus_lock_threshold);
    }
    if (env->features[FEAT_SVM] & CPUID_SVM_NRIPSAVE) {
        vmcb_page_store(vmcb, VMCB_CONTROL(next_rip), 64,
                        exit_has_next_rip(env->svm.exit_code) ?
                        svm_next_instruction(env) : 0);
    }
    svm_store_instruction_bytes(env, vmcb);
}

static void store_exit_information(CPUX86State *env, const VMCBPage *vmcb)
{
    vmcb_page_store(vmcb, VMCB_CONTROL(exit_code), 64, env->svm.exit_code);
    vmcb_page_store(vmcb, VMCB_CONTROL(exit_info_1), 64, env->svm.exit_info_1);
    vmcb_page_store(vmcb, VMCB_CONTROL(exit_info_2), 64, env->svm.exit_info_2);
    vmcb_page_store(vmcb, VMCB_CONTROL(event_inj), 32,
                    env->svm.controls.event_inj & ~SVM_EVTINJ_VALID);
}

static void clear_guest_controls(CPUX86State *env)
{
    if (svm_nested_paging(env)) {
        env->pat = env->svm.host_pat;
    }
    if ((env->hflags & HF_GUEST_MASK) && svm_lbr_virtualization(env)) {
        svm_load_host_last_branches(env);
    }
    env->hflags &= ~(HF_GUEST_MASK | HF_INHIBIT_IRQ_MASK);
    env->hflags2 &= ~SVM_GUEST_HFLAGS2;
    svm_clear_intercepts(env);
    env->int_ctl = 0;
    env->tsc_offset = 0;
    svm_set_virtual_interrupt_pending(env, false);
    svm_update_virtual_nmi(env);
    env->svm.delivering = (SVMEvent) { };
}

void svm_read_host(CPUX86State *env, SVMRegisters *host)
{
    VMCBPage page = vmcb_page_open(env, env->svm.host_save_pa, MMU_DATA_LOAD,
                                   MMU_PHYS_IDX, 0);

    svm_read_host_set(env, &page, host);
    vmcb_page_close(&page);

    host->cr0 |= CR0_PE_MASK;
    host->rflags &= ~(uint64_t)(VM_MASK | RF_MASK);
}

static void load_host(CPUX86State *env, const SVMRegisters *host)
{
    svm_load_common_state(env, host);
    env->hflags &= ~HF_CPL_MASK;
    env->svm.branch_was_taken = false;
    /* DR6 keeps the guest's value; all breakpoints are off. */
    cpu_x86_update_dr7(env, DR7_FIXED_1);
}

static const char *illegal_pdpte(CPUX86State *env, const SVMRegisters *host,
                                 uint64_t *value)
{
    return x86_has_illegal_pdpte(env, &host->pdptes, value) ?
           "a PDPTE has a reserved bit set" : NULL;
}

/*
 * Memory can have been written since VMRUN.  The manual names no checks but
 * those of guests; EFER.SVME is left out, as nothing needs it in a host that
 * is loaded, and QEMU's GIF is 1 without it.
 */
static const char *failed_host_check(CPUX86State *env,
                                     const SVMRegisters *host, uint64_t *value)
{
    return svm_inconsistent_mode(env, host, value)
        ?: illegal_pdpte(env, host, value);
}

static bool rip_is_outside_code_segment(CPUX86State *env)
{
    if (env->hflags & HF_CS64_MASK) {
        return !x86_is_canonical(env, env->eip);
    }
    return env->eip > env->segs[R_CS].limit;
}

/**
 * do_vmexit: the world switch of #VMEXIT, in the main loop (2: 15.6)
 *
 * If VMRUN failed a check, no guest state was loaded and none is stored:
 * the VMCB gets the exit information alone.
 */
void do_vmexit(CPUX86State *env)
{
    CPUState *cs = env_cpu(env);
    VMCBPage vmcb = vmcb_page_open(env, env->vm_vmcb, MMU_DATA_STORE,
                                   MMU_PHYS_IDX, 0);
    VMCBPage kept;
    SVMRegisters host;
    const char *rule;
    uint64_t value;

    trace_svm_vmexit(cs->cpu_index, env->vm_vmcb, env->svm.exit_code,
                     env->svm.exit_info_1, env->svm.exit_info_2,
                     env->svm.delivering.info, env->eip);
    qemu_log_mask(CPU_LOG_INT, "svm: cpu %d #VMEXIT of VMCB 0x%" PRIx64
                  ": 0x%" PRIx64 " EXITINFO1 0x%" PRIx64 " EXITINFO2 0x%"
                  PRIx64 " EXITINTINFO 0x%" PRIx32 " rip 0x%" PRIx64 "\n",
                  cs->cpu_index, env->vm_vmcb, env->svm.exit_code,
                  env->svm.exit_info_1, env->svm.exit_info_2,
                  env->svm.delivering.info, (uint64_t)env->eip);

    svm_count_exit(env, env->svm.exit_code);
    env->hflags2 &= ~HF2_GIF_MASK;
    if (env->hflags & HF_GUEST_MASK) {
        store_guest(env, &vmcb);
        if (svm_kept_vmcb(env, &kept)) {
            store_guest(env, &kept);
        }
    } else {
        svm_forget_vmcb(env);
    }
    store_exit_information(env, &vmcb);
    vmcb_page_close(&vmcb);

    svm_disarm_monitor(env);
    clear_guest_controls(env);
    svm_read_host(env, &host);
    x86_read_pdptes(env, host.cr0, host.cr3, host.cr4, host.efer,
                    &host.pdptes);
    rule = failed_host_check(env, &host, &value);
    if (rule) {
        trace_svm_host_check_failed(cs->cpu_index, env->svm.host_save_pa, rule,
                                    value);
        qemu_log_mask(CPU_LOG_RESET, "svm: cpu %d shutdown: in the host save "
                      "area at 0x%" PRIx64 " %s: 0x%" PRIx64 "\n",
                      cs->cpu_index, env->svm.host_save_pa, rule, value);
        qemu_system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
        cs->halted = 1;
        return;
    }
    load_host(env, &host);
    svm_flush_translations(env, SVM_COUNT(flush_vmexit));

    /* VMRUN has completed only now: a single step traps here. */
    if ((env->eflags & TF_MASK) && x86_single_step_is_due(env)) {
        env->dr[6] |= DR6_BS;
        do_interrupt_all(env_archcpu(env), EXCP01_DB, 0, 0, env->eip, 0);
    } else if (rip_is_outside_code_segment(env)) {
        raise_exception_err(env, EXCP0D_GPF, 0);
    }
}
