/*
 * What QEMU's own code of target/i386 calls: where exceptions and
 * interrupts meet a guest, and where it would break a rule that SVM relies on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_SVM_CALLOUTS_H
#define TARGET_I386_SVM_CALLOUTS_H

#include "vmcb.h"

/* Why an instruction switches tasks: bits of EXITINFO2 (2: 15.14.1). */
#define SVM_TASK_SWITCH_IRET    (1ULL << 36)
#define SVM_TASK_SWITCH_JUMP    (1ULL << 38)

/* Each is described where it is defined. */
void svm_set_exit_info_2(CPUX86State *env, uint64_t exit_info_2);
void svm_check_intercept(CPUX86State *env, uint32_t type, uint64_t exit_info_1,
                         uint64_t exit_info_2, uintptr_t retaddr);
void svm_check_write_trap(CPUX86State *env, uint32_t type, uint64_t value,
                          uintptr_t retaddr);
void svm_event_delivered(CPUX86State *env);
void svm_record_fault_access(CPUX86State *env, MMUAccessType access);
bool svm_virtual_nmi_is_due(const CPUX86State *env, int interrupt_request);
void svm_take_virtual_nmi(CPUX86State *env);
void svm_unmask_nmi(CPUX86State *env);
bool svm_pushes_error_code(const CPUX86State *env, int vector,
                           bool is_interrupt);
void svm_check_machine_check_intercept(CPUX86State *env);
void x86_trap_after_halt(CPUX86State *env);
bool x86_takes_machine_check(CPUX86State *env);
void x86_shut_down_for_machine_check(CPUX86State *env);
uint64_t x86_pml4e_reserved_bits(const CPUX86State *env);
uint64_t x86_pdpte_reserved_bits(CPUX86State *env);
void x86_reload_pdptes(CPUX86State *env);
bool x86_keeps_pdptes(const CPUX86State *env, uint64_t cr3);
uint8_t svm_take_virtual_interrupt(CPUX86State *env);
void svm_event_meets_task_gate(CPUX86State *env, bool has_error_code,
                               uint32_t error_code, bool is_fault);
void svm_check_task_switch(CPUX86State *env, uint16_t selector,
                           uint64_t reason, uintptr_t retaddr);
void svm_enter_smm(CPUX86State *env);
void svm_store_smm_state(CPUX86State *env, hwaddr save_state);
void svm_leave_smm(CPUX86State *env);
bool x86_init_is_due(CPUState *cs);
void x86_meet_init(CPUX86State *env);
void svm_keep_over_init(CPUX86State *env, const CPUX86State *before);
bool x86_debug_check_watchpoint(CPUState *cs, CPUWatchpoint *watchpoint);
bool x86_read_msr(CPUX86State *env, uintptr_t retaddr);
bool x86_write_msr(CPUX86State *env, uint64_t value, uintptr_t retaddr);
void x86_check_unknown_msr(CPUX86State *env, uintptr_t retaddr);
uint64_t x86_read_tsc(CPUX86State *env);
void x86_record_interrupt(CPUX86State *env, int vector, target_ulong from);
bool x86_single_step_is_due(CPUX86State *env);
void x86_load_null_selector(CPUX86State *env, X86Seg segment,
                            unsigned selector);

#endif
