/*
 * The phases of VMRUN and #VMEXIT, and what they share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_SVM_WORLD_SWITCH_H
#define TARGET_I386_SVM_WORLD_SWITCH_H

#include "register-sets.h"
#include "svm-features.h"

/* What hflags2 says of the guest that runs. */
#define SVM_GUEST_HFLAGS2   (HF2_HIF_MASK | HF2_VINTR_MASK | HF2_NPT_MASK | \
                             HF2_VGIF_MASK)

/**
 * svm_operand_address: the operand of VMRUN, VMLOAD and VMSAVE
 * @aflag: address size: 0, 1, 2 for 16, 32, 64 bits of rAX
 * @exit_code: the instruction's intercept, checked here too
 * @retaddr: return address into generated code
 *
 * Returns a 4 KiB aligned system-physical address below the processor's
 * limit.  Otherwise #GP(0), before or after the intercept as CPUID
 * 8000_000A EDX[28] says; does not return then, nor if intercepted.
 */
uint64_t svm_operand_address(CPUX86State *env, int aflag, uint32_t exit_code,
                             uintptr_t retaddr);

/**
 * svm_vmrun_failed_check: VMRUN's consistency checks (2: 15.5.1)
 * @guest: the guest state that VMRUN read; the controls are in env->svm
 * @value: what the failing check looked at
 *
 * Returns NULL if the VMCB is consistent, else the rule that it breaks.
 */
const char *svm_vmrun_failed_check(CPUX86State *env,
                                   const SVMRegisters *guest,
                                   uint64_t *value);

/**
 * svm_read_host: what #VMEXIT would load, from the host save area (2: 15.6)
 */
void svm_read_host(CPUX86State *env, SVMRegisters *host);

/**
 * svm_inconsistent_mode: do CR0, CR3, CR4, EFER and CS fit each other and the
 * processor (2: 15.5.1)?  For guests, and for the host that #VMEXIT loads.
 * @value: what the failing check looked at
 *
 * Returns NULL if they do, else the rule that they break.
 */
const char *svm_inconsistent_mode(CPUX86State *env,
                                  const SVMRegisters *state, uint64_t *value);

/**
 * x86_read_pdptes: read the four entries that @cr3 points to in legacy PAE
 * mode, as a processor does where paging changes; nothing in other modes
 *
 * With nested paging silicon keeps none, and reads one at each miss
 * (2: 15.25.10).
 */
void x86_read_pdptes(CPUX86State *env, uint64_t cr0, uint64_t cr3,
                     uint64_t cr4, uint64_t efer, X86PDPTEs *pdptes);

/**
 * x86_keep_pdptes: use @pdptes until paging changes; CPUX86State.pdptrs keeps
 * them, so that QEMU saves them with the machine
 */
void x86_keep_pdptes(CPUX86State *env, const X86PDPTEs *pdptes);

/**
 * x86_find_pdptes: those that were loaded with a machine belong to its CR3
 */
void x86_find_pdptes(CPUX86State *env);

/**
 * x86_has_illegal_pdpte: has one of them a reserved bit set?
 * @pdpte: what was looked at last
 */
bool x86_has_illegal_pdpte(CPUX86State *env, const X86PDPTEs *pdptes,
                           uint64_t *pdpte);

/**
 * svm_load_intercepts, svm_clear_intercepts: QEMU's own code looks for the
 * intercepts in CPUX86State; they come from env->svm.controls
 */
void svm_load_intercepts(CPUX86State *env);
void svm_clear_intercepts(CPUX86State *env);

/**
 * svm_decode_assists: does the processor have them (2: 15.8.4)?
 */
bool svm_decode_assists(const CPUX86State *env);

/**
 * svm_decoded_exit_info_1: what they say in EXITINFO1 of the instruction that
 * is recorded
 */
uint64_t svm_decoded_exit_info_1(const CPUX86State *env, uint64_t exit_code);

/**
 * svm_store_instruction_bytes: the bytes at rIP, of an exit for a page fault
 * that a data access takes; none for other exits
 */
void svm_store_instruction_bytes(CPUX86State *env, const VMCBPage *vmcb);

/**
 * svm_counts_bus_locks: has the running guest a bus-lock threshold?
 */
bool svm_counts_bus_locks(CPUX86State *env);

/**
 * svm_next_instruction: the address of the instruction after the one that
 * cpu_restore_state() has found
 */
uint64_t svm_next_instruction(const CPUX86State *env);

/**
 * svm_inject_event: take the event in EVENTINJ (2: 15.20)
 *
 * May not return: the main loop takes the guest to its handler then.
 */
void svm_inject_event(CPUX86State *env);

/* The security exception, which QEMU does not know. */
#define EXCP1E_SX           30

/* How an event came about, in CPUX86State.exception_is_int. */
typedef enum SoftwareEvent {
    NOT_SOFTWARE,
    SOFTWARE_INTERRUPT,     /* INTn */
    SOFTWARE_EXCEPTION,     /* INT3, INTO */
} SoftwareEvent;

/**
 * svm_exception_starts: one that is raised while @vector is delivered can
 * make a double fault with it (2: 8.2.9)
 */
void svm_exception_starts(CPUX86State *env, int vector);

/**
 * svm_request_vmexit: cpu_vmexit() for code outside of the main loop's reach,
 * which returns to it
 */
void svm_request_vmexit(CPUX86State *env, uint64_t exit_code,
                        uint64_t exit_info_1);

/**
 * svm_set_virtual_interrupt_pending: raise or drop QEMU's request for a
 * virtual interrupt
 */
void svm_set_virtual_interrupt_pending(CPUX86State *env, bool pending);

/**
 * svm_set_interrupt_request: raise or drop a request of QEMU's
 * @request: CPU_INTERRUPT_...
 */
void svm_set_interrupt_request(CPUX86State *env, int request, bool pending);

/**
 * svm_update_virtual_nmi: request a virtual NMI, or not, as the guest's
 * int_ctl says (2: 15.21.10)
 */
void svm_update_virtual_nmi(CPUX86State *env);

/**
 * svm_mask_injected_nmi: VMRUN injects an NMI, which masks virtual ones
 */
void svm_mask_injected_nmi(CPUX86State *env);

/**
 * svm_unmask_undelivered_nmi: a #VMEXIT comes while an NMI is delivered; it is
 * in EXITINTINFO, and masks no other
 */
void svm_unmask_undelivered_nmi(CPUX86State *env);

/**
 * svm_disarm_monitor: MWAIT will not wait for what MONITOR has named
 */
void svm_disarm_monitor(CPUX86State *env);

/**
 * svm_load_pause_filter: VMRUN starts the count of PAUSEs (2: 15.14.4)
 */
void svm_load_pause_filter(CPUX86State *env);

/**
 * svm_pause_passes_filter: count a PAUSE; is it none of those that exit?
 */
bool svm_pause_passes_filter(CPUX86State *env);

/**
 * svm_apply_clean_bits: with strict clean bits, let VMRUN read in place of
 * @vmcb a copy in which all fields that are said to be clean are as they were
 */
void svm_apply_clean_bits(CPUX86State *env, VMCBPage *vmcb);

/**
 * svm_kept_vmcb: the copy that #VMEXIT has to store the guest to, too
 *
 * Returns false if there is none.
 */
bool svm_kept_vmcb(CPUX86State *env, VMCBPage *page);

/**
 * svm_forget_vmcb: no clean bit promises anything any more
 */
void svm_forget_vmcb(CPUX86State *env);

/**
 * svm_flush_translations: forget the translations that do not hold in the
 * world that is being entered (2: 15.16)
 * @cause: what the meter counts it as
 */
void svm_flush_translations(CPUX86State *env, SVMCountedEvent cause);

/**
 * svm_virtual_gif_enabled: STGI and CLGI act on V_GIF (2: 15.33.2)
 */
static inline bool svm_virtual_gif_enabled(const CPUX86State *env)
{
    return (env->hflags & HF_GUEST_MASK) &&
           (env->features[FEAT_SVM] & CPUID_SVM_VGIF) &&
           (env->int_ctl & V_GIF_ENABLED_MASK);
}

/**
 * svm_lbr_virtualization: does the guest that VMRUN starts, or that runs, have
 * DEBUGCTL and the last branches for itself (2: 15.23)?
 */
static inline bool svm_lbr_virtualization(const CPUX86State *env)
{
    return (env->svm.controls.lbr_ctl & VMCB_LBR_VIRTUALIZATION) &&
           (env->features[FEAT_SVM] & CPUID_SVM_LBRV);
}

/**
 * svm_spec_ctrl_virtualization: does a guest have SPEC_CTRL for itself?
 */
static inline bool svm_spec_ctrl_virtualization(const CPUX86State *env)
{
    return env->features[FEAT_SVM] & CPUID_SVM_V_SPEC_CTRL;
}

/**
 * x86_is_canonical: is @address one that the processor's virtual addresses
 * reach (2: 1.1.3)?
 */
static inline bool x86_is_canonical(CPUX86State *env, uint64_t address)
{
    return sextract64(address, 0, cpu_x86_virtual_addr_width(env)) == address;
}

static inline bool svm_nested_paging(const CPUX86State *env)
{
    return env->hflags2 & HF2_NPT_MASK;
}

#endif
