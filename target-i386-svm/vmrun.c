/*
 * VMRUN (2: 15.5), phase by phase in the manual's order.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "tcg/helper-tcg.h"
#include "last-branches.h"
#include "world-switch.h"
#include "trace.h"

/* No field of the control area stands at another place than QEMU says. */
#define SVM_CONTROL(field, offset, bits, text, ...) \
    QEMU_BUILD_BUG_ON(VMCB_CONTROL(field) != (offset));
#include "svm-controls.h.inc"

uint64_t svm_operand_address(CPUX86State *env, int aflag, uint32_t exit_code,
                             uintptr_t retaddr)
{
    uint64_t address = extract64(env->regs[R_EAX], 0, 16 << aflag);
    uint64_t limit = 1ULL << env_archcpu(env)->phys_bits;
    bool illegal = (address & ~TARGET_PAGE_MASK) || address >= limit;

    /*
     * Bochs always takes the intercept first; the manual lets software know
     * by SvmeAddrChk.
     */
    if (illegal && !(env->features[FEAT_SVM] & CPUID_SVM_SVME_ADDR_CHK)) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, retaddr);
    }
    cpu_svm_check_intercept_param(env, exit_code, 0, retaddr);
    if (illegal) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, retaddr);
    }
    return address;
}

static void save_host(CPUX86State *env)
{
    VMCBPage page;

    env->svm.host_save_pa = env->vm_hsave;
    env->svm.host_pat = env->pat;

    trace_svm_host_save(env_cpu(env)->cpu_index, env->svm.host_save_pa);
    page = vmcb_page_open(env, env->svm.host_save_pa, MMU_DATA_STORE,
                          MMU_PHYS_IDX, 0);
    svm_store_host_set(env, &page);
    vmcb_page_close(&page);
}

/* The only reads of the VMCB: everything after them uses the copies. */
static void read_vmcb(CPUX86State *env, SVMRegisters *guest)
{
    SVMControls *controls = &env->svm.controls;
    VMCBPage page = vmcb_page_open(env, env->vm_vmcb, MMU_DATA_LOAD,
                                   MMU_PHYS_IDX, 0);

    svm_apply_clean_bits(env, &page);
#define SVM_CONTROL(field, offset, bits, text, ...) \
    controls->field = vmcb_page_load(&page, offset, bits);
#include "svm-controls.h.inc"

    svm_read_guest_set(env, &page, guest);
    vmcb_page_close(&page);
    guest->pdptes = (X86PDPTEs) { };
    if (!(controls->nested_ctl & SVM_NPT_ENABLED)) {
        x86_read_pdptes(env, guest->cr0, guest->cr3, guest->cr4, guest->efer,
                        &guest->pdptes);
    }
}

static void load_controls(CPUX86State *env)
{
    const SVMControls *controls = &env->svm.controls;

    svm_load_intercepts(env);
    svm_load_pause_filter(env);
    env->tsc_offset = controls->tsc_offset;
    env->int_ctl = controls->int_ctl;

    env->hflags2 &= ~SVM_GUEST_HFLAGS2;
    if (controls->int_ctl & V_INTR_MASKING_MASK) {
        /* The host's IF masks physical interrupts (2: 15.21.1). */
        env->hflags2 |= HF2_VINTR_MASK;
        if (env->eflags & IF_MASK) {
            env->hflags2 |= HF2_HIF_MASK;
        }
    }

    env->nested_pg_mode = 0;
    if (controls->nested_ctl & SVM_NPT_ENABLED) {
        env->hflags2 |= HF2_NPT_MASK;
        env->nested_cr3 = controls->nested_cr3;
        /*
         * The nested table has the format of the host's (2: 15.25.3).  SMEP
         * has fetches be told from reads in error codes; as the accesses are
         * a user's it forbids nothing.
         */
        env->nested_pg_mode = (get_pg_mode(env) &
                               (PG_MODE_SVM_MASK | PG_MODE_SMEP)) | PG_MODE_PG;
    }

    env->hflags &= ~HF_INHIBIT_IRQ_MASK;
    if (controls->int_state & SVM_INTERRUPT_SHADOW_MASK) {
        env->hflags |= HF_INHIBIT_IRQ_MASK;
    }
    env->hflags |= HF_GUEST_MASK;
}

/* CPL is forced where the mode decides it (2: 15.5.1). */
static uint32_t guest_cpl(const SVMRegisters *guest)
{
    if (!(guest->cr0 & CR0_PE_MASK)) {
        return 0;
    }
    if (guest->rflags & VM_MASK) {
        return 3;
    }
    return guest->cpl & HF_CPL_MASK;
}

static void load_guest(CPUX86State *env, const SVMRegisters *guest)
{
    load_controls(env);
    svm_load_common_state(env, guest);
    env->hflags = (env->hflags & ~HF_CPL_MASK) | guest_cpl(guest);
    env->cr[2] = guest->cr2;
    env->dr[6] = (guest->dr6 | DR6_FIXED_1) & ~(1ULL << 12);
    cpu_x86_update_dr7(env, guest->dr7 | DR7_FIXED_1);
    if (svm_nested_paging(env)) {
        env->pat = guest->g_pat;
    }
    if (svm_lbr_virtualization(env)) {
        svm_load_guest_last_branches(env, guest);
    }
    env->svm.guest_spec_ctrl = guest->spec_ctrl;
}

static void set_global_interrupt_flag(CPUX86State *env)
{
    env->hflags2 |= HF2_GIF_MASK;
    if (!svm_virtual_gif_enabled(env) || (env->int_ctl & V_GIF_MASK)) {
        env->hflags2 |= HF2_VGIF_MASK;
    }
    svm_set_virtual_interrupt_pending(env, ctl_has_irq(env));
    svm_update_virtual_nmi(env);
}

/**
 * helper_vmrun: the VMRUN instruction (2: 15.5)
 * @aflag: address size, see svm_operand_address()
 * @next_eip_addend: length of the instruction in bytes
 *
 * #UD and the #GP of CPL > 0 are raised before by the translator.
 */
void helper_vmrun(CPUX86State *env, int aflag, int next_eip_addend)
{
    uint64_t vmcb = svm_operand_address(env, aflag, SVM_EXIT_VMRUN, GETPC());
    SVMRegisters guest;
    const char *rule;
    uint64_t value;

    if (!env->vm_hsave) {
        /* KVM: #GP if VM_HSAVE_PA was never set; the manual demands it set. */
        raise_exception_err_ra(env, EXCP0D_GPF, 0, GETPC());
    }

    if (env->svm.waits_for_rsm) {
        /* The manual does not say; the interrupted guest must not be lost. */
        raise_exception_ra(env, EXCP06_ILLOP, GETPC());
    }

    svm_count(env, SVM_COUNT(vmrun));
    env->vm_vmcb = vmcb;
    env->svm.exit_info_2 = 0;
    env->svm.delivering = (SVMEvent) { };

    env->eip += next_eip_addend;
    save_host(env);
    read_vmcb(env, &guest);

    rule = svm_vmrun_failed_check(env, &guest, &value);
    if (rule) {
        trace_svm_check_failed(env_cpu(env)->cpu_index, vmcb, rule,
                                     value);
        qemu_log_mask(CPU_LOG_INT, "svm: cpu %d VMRUN of VMCB 0x%" PRIx64
                      " failed: %s: 0x%" PRIx64 "\n",
                      env_cpu(env)->cpu_index, vmcb, rule, value);
        cpu_vmexit(env, SVM_EXIT_ERR, 0, GETPC());
    }

    svm_count_vmrun(env);
    load_guest(env, &guest);
    svm_flush_translations(env, SVM_COUNT(flush_vmrun));
    set_global_interrupt_flag(env);

    trace_svm_vmrun(env_cpu(env)->cpu_index, vmcb, env->eip,
                    env->svm.controls.asid, env->svm.controls.event_inj);
    qemu_log_mask(CPU_LOG_INT, "svm: cpu %d VMRUN of VMCB 0x%" PRIx64
                  ": rip 0x%" PRIx64 " ASID %" PRIu32 " EVENTINJ 0x%" PRIx32
                  "\n", env_cpu(env)->cpu_index, vmcb, (uint64_t)env->eip,
                  env->svm.controls.asid, env->svm.controls.event_inj);

    svm_inject_event(env);
}
