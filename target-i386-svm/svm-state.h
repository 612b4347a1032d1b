/*
 * What a processor keeps about the guest that it runs, in CPUX86State.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_SVM_STATE_H
#define TARGET_I386_SVM_STATE_H

#include "qapi/qapi-types-common.h"
#include "vmcb.h"

/* The control area as VMRUN read it. */
typedef struct SVMControls {
#define SVM_CONTROL(field, offset, bits, text, ...) \
    uint##bits##_t field;
#include "svm-controls.h.inc"
} SVMControls;

/*
 * An event on its way into the guest, in the format of EVENTINJ and
 * EXITINTINFO (2: 15.20, 15.7.2): valid from the moment it is injected or
 * its delivery starts to the moment its handler is reached, so that a #VMEXIT
 * in between can report it.
 */
typedef struct SVMEvent {
    uint32_t info;
    uint32_t error_code;
    /* It is EVENTINJ's, and acts as that says. */
    bool is_injected;
} SVMEvent;

/* A field that changed although its clean bit said that it had not. */
typedef struct SVMCleanDifference {
    uint64_t vmcb;
    const char *field;
    const char *clean_bit;
    uint64_t in_memory;
    uint64_t kept;
} SVMCleanDifference;

/* DEBUGCTL, and what it has recorded (2: 13.1.1). */
typedef struct SVMLastBranches {
    uint64_t debugctl;
    uint64_t branch_from;
    uint64_t branch_to;
    uint64_t exception_from;
    uint64_t exception_to;
} SVMLastBranches;

/* The entries that CR3 points to in legacy PAE paging (2: 5.3.4). */
typedef struct X86PDPTEs {
    /* False in other modes, and with nested paging: nothing is kept then. */
    bool are_kept;
    /* Where they were read. */
    uint32_t address;
    uint64_t entries[4];
} X86PDPTEs;

/* In hflags: the translator reports branches, see last-branches.c. */
#define HF_BRANCHES_SHIFT   30
#define HF_BRANCHES_MASK    (1U << HF_BRANCHES_SHIFT)

/* What MONITOR watches: a cache line. */
#define SVM_MONITOR_LINE_SIZE   64

/* Properties of a processor, and what it keeps over a reset. */
typedef struct SVMProperties {
    /* event-counters.h; NULL while nobody counts. */
    struct SVMEventCounters *counters;
    /* A function whose calls the meter counts, and where it returns to. */
    uint64_t watched_function;
    uint64_t watched_return;
    /* Translated code tells of its blocks and calls: call-graph.h. */
    bool has_call_graph;

    /* svm-features.h */
    bool silicon;
    /* Auto: where silicon is not set. */
    OnOffAuto ignore_msrs;

    /* With strict clean bits: the VMCB that SVMState.kept_vmcb names. */
    bool strict_clean_bits;
    uint8_t kept_page[VMCB_SIZE] QEMU_ALIGNED(8);
    uint64_t clean_differences;
    SVMCleanDifference last_clean_difference;
} SVMProperties;

/* A virtual NMI that the guest in CPUX86State can take (2: 15.21.10). */
#define CPU_INTERRUPT_VNMI  CPU_INTERRUPT_TGT_EXT_0

typedef struct SVMState {
    SVMControls controls;
    SVMEvent delivering;

    /* VM_HSAVE_PA at VMRUN: the guest may be able to change the MSR. */
    uint64_t host_save_pa;
    /* Where the PDPTEs were read that CPUX86State.pdptrs keeps. */
    uint32_t pdptes_address;
    /* The host's PAT is kept inside the processor (2: 15.25.4). */
    uint64_t host_pat;

    /* instruction-record.h, of the instruction that was last asked for. */
    uint32_t instruction;
    /* What INVLPG or INVLPGA names, where a guest executes it. */
    target_ulong linear_address;
    /* The last page fault was one of an instruction fetch. */
    bool fault_is_fetch;

    /* The VMCB whose state is kept, for the sake of clean bits. */
    bool vmcb_is_kept;
    uint64_t kept_vmcb;

    /* PAUSE's filter: PAUSEs that pass yet, and when the last one was. */
    uint16_t pause_count;
    bool guest_has_paused;
    uint64_t last_pause;

    /* The #VMEXIT that is under way. */
    uint64_t exit_code;
    uint64_t exit_info_1;
    uint64_t exit_info_2;
    /* EXITINFO2 of a task switch, from an event's gate to its check. */
    uint64_t task_gate_info;

    /* A guest that an SMI interrupted, until RSM (2: 15.22). */
    bool waits_for_rsm;
    uint32_t waiting_hflags2;
    uint32_t waiting_int_ctl;
    uint32_t waiting_cpl;

    /* MSRs (2: 15.30.1, 15.31); model-specific-registers.h has their bits. */
    uint64_t vm_cr;
    uint64_t svm_key;

    /* The host's wait while a guest has its own (2: 15.23). */
    SVMLastBranches last;
    SVMLastBranches host_last;
    /* The instruction that runs, where branches are reported. */
    uint64_t branch_from;
    bool branch_was_taken;

    /* What MONITOR has found, until MWAIT. */
    bool monitor_is_armed;
    target_ulong monitor_address;
    uint8_t monitored_line[SVM_MONITOR_LINE_SIZE];

    /* SPEC_CTRL of a guest that has its own, beside spec_ctrl. */
    uint64_t guest_spec_ctrl;

    /* IGNNE# as it was last driven; hflags2 follows. */
    bool ignne_level;

    /* CPL in a saved machine; hflags has it while the machine runs. */
    uint32_t saved_cpl;
} SVMState;

#endif
