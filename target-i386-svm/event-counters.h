/*
 * Counters of what processors with SVM do, for the meter (hw/svm-meter.c).
 *
 * A processor whose counters are NULL counts nothing and pays a load and a
 * branch for each event.  Only the processor's own thread writes counters; who
 * reads them meanwhile sees each one as it was at some moment.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_SVM_EVENT_COUNTERS_H
#define TARGET_I386_SVM_EVENT_COUNTERS_H

#include "qemu/atomic.h"
#include "qemu/rcu.h"

typedef enum SVMWorld {
    SVM_HOST,
    SVM_GUEST,
    SVM_WORLDS
} SVMWorld;

/* An event's offset in here numbers it. */
typedef struct SVMCountedEvents {
#define SVM_COUNTED_EVENT(event, name, text) uint8_t event;
#include "counted-events.h.inc"
} SVMCountedEvents;

#define SVM_COUNT(event)        offsetof(SVMCountedEvents, event)
#define SVM_COUNTED_EVENTS      sizeof(SVMCountedEvents)
typedef size_t SVMCountedEvent;

/*
 * #VMEXITs: codes below 100h (2: appendix C), 400h to 403h, and two counters
 * for INVALID and for whatever is none of these.
 */
#define SVM_COUNTED_LOW_CODES   0x100
#define SVM_COUNTED_HIGH_CODES  4
#define SVM_COUNTED_INVALID     (SVM_COUNTED_LOW_CODES + SVM_COUNTED_HIGH_CODES)
#define SVM_COUNTED_OTHER_CODES (SVM_COUNTED_INVALID + 1)
#define SVM_COUNTED_CODES       (SVM_COUNTED_OTHER_CODES + 1)

/* MSRs that are counted by index; accesses to more go into one counter. */
#define SVM_COUNTED_MSRS        256

/*
 * Where the host accesses an MSR: on its way from a program to a VMRUN, from
 * CLGI to STGI, or after that; KVM's vcpu_load(), run and vcpu_put().
 */
typedef enum SVMPlace {
    SVM_BEFORE_RUN,
    SVM_IN_RUN,
    SVM_AFTER_RUN,
    SVM_IN_GUEST,
    SVM_PLACES
} SVMPlace;

/* Accesses to an MSR; an entry that is all zero is free. */
typedef struct SVMCountedMSR {
    uint64_t index;
    uint64_t reads[SVM_PLACES];
    uint64_t writes[SVM_PLACES];
} SVMCountedMSR;

/*
 * Buckets of a histogram: a value below 32 has one of its own, above there are
 * 16 to each power of two, so that a bucket is at most 1/16 of its value wide.
 */
#define SVM_HISTOGRAM_EXACT     32
#define SVM_HISTOGRAM_STEPS     16
#define SVM_HISTOGRAM_BUCKETS   (SVM_HISTOGRAM_EXACT + \
                                 (64 - 5) * SVM_HISTOGRAM_STEPS)

/* Instructions between two world switches, with -icount. */
typedef struct SVMCountedSpans {
    /* All instructions, those of spans that were not counted whole too. */
    uint64_t instructions;
    /* Of the spans that were counted from one switch to the next. */
    uint64_t spans;
    uint64_t least;
    uint64_t most;
    uint64_t histogram[SVM_HISTOGRAM_BUCKETS];
} SVMCountedSpans;

/* What the host does from a kind of #VMEXIT to the next VMRUN, with -icount. */
typedef struct SVMCountedHandling {
    uint64_t number;
    uint64_t instructions;
    /* With what a cost model lets pass, for #VMEXIT and VMRUN too. */
    uint64_t cycles;
    uint64_t least_cycles;
    uint64_t most_cycles;
} SVMCountedHandling;

/* Cycles that a modelled processor takes more than one for each instruction. */
typedef struct SVMCostOfMSR {
    uint32_t index;
    bool is_write;
    uint32_t cost;
} SVMCostOfMSR;

typedef struct SVMCosts {
    uint32_t per_mille_of_instruction;
    uint32_t vmexit;
    uint32_t rdmsr;
    uint32_t wrmsr;
    uint32_t events[SVM_COUNTED_EVENTS];
    int number_of_msrs;
    SVMCostOfMSR msrs[64];
} SVMCosts;

typedef struct SVMEventCounters {
    struct rcu_head rcu;

    /* With a cost model, what events cost; with -icount and one processor. */
    const SVMCosts *costs;
    /* Instructions are paid for up to here, but for this part of a cycle. */
    int64_t paid;
    uint32_t per_mille_unpaid;
    /* Cycles that passed without an instruction. */
    uint64_t charged;

    uint64_t events[SVM_COUNTED_EVENTS][SVM_WORLDS];
    uint64_t exits[SVM_COUNTED_CODES];
    SVMCountedMSR msrs[SVM_COUNTED_MSRS];
    SVMCountedMSR other_msrs;
    SVMCountedSpans spans[SVM_WORLDS];
    SVMCountedHandling handling[SVM_COUNTED_CODES];

    /* The span that is under way: where it began, and whether with a switch. */
    int64_t span_start;
    bool span_is_whole;
    /* The exit that it began with, and what was charged before that. */
    uint32_t last_exit;
    uint64_t charged_at_exit;

    /* call-graph.h; NULL where nobody asked for it. */
    struct SVMCallGraph *call_graph;

    /* Calls of the watched function: instructions, and cycles that passed. */
    SVMCountedSpans calls;
    SVMCountedSpans call_cycles;
    bool call_is_under_way;
    int64_t call_start;
    uint64_t charged_at_call;

    /* STGI was executed, and SYSCALL was not since then. */
    bool after_run;
} SVMEventCounters;

/**
 * svm_count: one @event more, in the world that the processor is in
 */
#define svm_count(env, event) \
    svm_count_in((env), (event), \
                 ((env)->hflags & HF_GUEST_MASK) ? SVM_GUEST : SVM_HOST)

#define svm_count_in(env, event, world) \
    do { \
        SVMEventCounters *counters_ = \
            qatomic_read(&env_archcpu(env)->svm.counters); \
        if (unlikely(counters_)) { \
            counters_->events[(event)][(world)]++; \
            if (counters_->costs) { \
                svm_charge((env), counters_->costs->events[(event)]); \
            } \
        } \
    } while (0)

/**
 * svm_charge: let @cycles pass, in QEMU's virtual time and in all clocks that
 * follow it, as if so many instructions had been executed
 */
void svm_charge(CPUX86State *env, uint64_t cycles);

/**
 * svm_charge_instructions: let the time pass that instructions take beyond one
 * cycle; before somebody looks at the clock
 */
void svm_charge_instructions(CPUX86State *env);

/**
 * svm_watch_function: count the calls of the function at @address; 0: of none
 */
void svm_watch_function(CPUState *cs, uint64_t address);

/**
 * svm_is_watched: does code at @pc have to tell that it runs?
 */
#define svm_is_watched(env, pc) \
    (unlikely(env_archcpu(env)->svm.watched_function) && \
     ((pc) == env_archcpu(env)->svm.watched_function || \
      (pc) == env_archcpu(env)->svm.watched_return))

/**
 * svm_count_exit: a #VMEXIT; call it while the processor is in the guest
 * @code: EXITCODE
 */
void svm_count_exit(CPUX86State *env, uint64_t code);

/**
 * svm_count_vmrun: VMRUN has loaded a guest
 */
void svm_count_vmrun(CPUX86State *env);

/**
 * svm_count_run_ended, svm_count_host_entered: STGI, SYSCALL
 */
void svm_count_run_ended(CPUX86State *env);
void svm_count_host_entered(CPUX86State *env);

/**
 * svm_count_msr: RDMSR or WRMSR of @index
 */
void svm_count_msr(CPUX86State *env, uint32_t index, bool is_write);

/**
 * svm_count_host_save_page: VMSAVE or VMLOAD of @address
 * @event: what to count if that is the page that VM_HSAVE_PA names
 */
void svm_count_host_save_page(CPUX86State *env, uint64_t address,
                              SVMCountedEvent event);

/**
 * svm_executed_before: instructions that were executed before a block of code
 * that has just begun, and counts as a whole
 * @instructions: how many it has
 */
int64_t svm_executed_before(CPUX86State *env, unsigned instructions);

/**
 * svm_start_span: instructions count from now on; from the processor's own
 * thread, or while it does not run
 */
void svm_start_span(SVMEventCounters *counters);

/**
 * svm_end_span: count what the current span has so far
 * @world: the one that it was spent in
 */
void svm_end_span(SVMEventCounters *counters, SVMWorld world);

/**
 * svm_instructions_in_span: how many the current span has so far
 */
uint64_t svm_instructions_in_span(const SVMEventCounters *counters);

/**
 * svm_histogram_bucket_start: the least value that @bucket counts
 */
uint64_t svm_histogram_bucket_start(unsigned bucket);

/**
 * svm_counted_msr_is_free: has nobody accessed an MSR that counts here?
 */
bool svm_counted_msr_is_free(const SVMCountedMSR *msr);

/**
 * svm_counted_exit_code: the code that an entry of SVMEventCounters.exits is
 * for; not for SVM_COUNTED_OTHER_CODES
 */
uint64_t svm_counted_exit_code(unsigned entry);

#endif
