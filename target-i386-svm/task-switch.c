/*
 * The intercept of task switches (2: 15.14.1): after the checks of the task
 * gate and the incoming TSS, and before anything is changed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "tcg/helper-tcg.h"
#include "svm-callouts.h"

/* EXITINFO2; bits 31:0 are the error code. */
#define HAS_ERROR_CODE  (1ULL << 44)
#define SAVES_RF        (1ULL << 48)

/**
 * svm_event_meets_task_gate: an event is about to switch tasks
 * @error_code: what is pushed in the new task, if @has_error_code
 * @is_fault: the RFLAGS that are saved for the old task have RF set, if the
 *   event is an exception: QEMU takes an interrupt for a fault, too
 */
void svm_event_meets_task_gate(CPUX86State *env, bool has_error_code,
                               uint32_t error_code, bool is_fault)
{
    uint32_t type = env->svm.delivering.info & SVM_EVTINJ_TYPE_MASK;

    env->svm.task_gate_info = has_error_code ? HAS_ERROR_CODE | error_code : 0;
    if (is_fault && type == SVM_EVTINJ_TYPE_EXEPT) {
        env->svm.task_gate_info |= SAVES_RF;
    }
}

/**
 * svm_check_task_switch: leave the guest if task switches are intercepted
 * @selector: of the incoming TSS
 * @reason: SVM_TASK_SWITCH_IRET, SVM_TASK_SWITCH_JUMP, or 0
 * @retaddr: return address into generated code; 0 if an event switches tasks
 */
void svm_check_task_switch(CPUX86State *env, uint16_t selector,
                           uint64_t reason, uintptr_t retaddr)
{
    uint64_t exit_info_2 = retaddr ? reason : env->svm.task_gate_info;

    if (env->eflags & RF_MASK) {
        exit_info_2 |= SAVES_RF;
    }
    svm_check_intercept(env, SVM_EXIT_TASK_SWITCH, selector, exit_info_2,
                        retaddr);
}
