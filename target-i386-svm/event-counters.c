/*
 * Counters of what processors with SVM do: #VMEXITs, MSR accesses,
 * instructions between world switches.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/host-utils.h"
#include "cpu.h"
#include "exec/cpu-common.h"
#include "exec/helper-proto.h"
#include "exec/tb-flush.h"
#include "call-graph.h"

static SVMEventCounters *counters_of(CPUX86State *env)
{
    return qatomic_read(&env_archcpu(env)->svm.counters);
}

static unsigned histogram_bucket(uint64_t value)
{
    unsigned power;

    if (value < SVM_HISTOGRAM_EXACT) {
        return value;
    }
    power = 63 - clz64(value);
    return SVM_HISTOGRAM_EXACT + (power - 5) * SVM_HISTOGRAM_STEPS +
           extract64(value, power - 4, 4);
}

uint64_t svm_histogram_bucket_start(unsigned bucket)
{
    unsigned above = bucket - SVM_HISTOGRAM_EXACT;

    if (bucket < SVM_HISTOGRAM_EXACT) {
        return bucket;
    }
    return (uint64_t)(SVM_HISTOGRAM_STEPS + above % SVM_HISTOGRAM_STEPS) <<
           (above / SVM_HISTOGRAM_STEPS + 1);
}

/* Without -icount nobody counts instructions. */
static int64_t executed_instructions(void)
{
    return icount_enabled() ? icount_get_raw() : 0;
}

/*
 * What the processor may execute until it has to look at its timers becomes
 * less; what is not there to be taken counts as executed nevertheless.
 */
static void let_pass(CPUState *cs, uint64_t cycles)
{
    uint64_t low = MIN(cycles, cs->neg.icount_decr.u16.low);
    uint64_t extra = MIN(cycles - low, MAX(cs->icount_extra, 0));

    cs->neg.icount_decr.u16.low -= low;
    cs->icount_extra -= extra;
    cs->icount_budget += cycles - low - extra;
}

static void charge(CPUX86State *env, uint64_t cycles)
{
    SVMEventCounters *counters = counters_of(env);

    let_pass(env_cpu(env), cycles);
    counters->charged += cycles;
    counters->paid += cycles;
}

void svm_charge(CPUX86State *env, uint64_t cycles)
{
    SVMEventCounters *counters = counters_of(env);

    /* A reset, say, takes no time of the processor's. */
    if (!env_cpu(env)->running) {
        return;
    }
    charge(env, cycles);
    if (counters->call_graph) {
        svm_call_graph_here(counters->call_graph)->charged += cycles;
    }
}

void svm_charge_instructions(CPUX86State *env)
{
    SVMEventCounters *counters = counters_of(env);
    uint64_t per_mille;
    int64_t executed;

    if (likely(!counters) || !counters->costs || !env_cpu(env)->running ||
        !counters->costs->per_mille_of_instruction) {
        return;
    }
    executed = executed_instructions() - counters->paid;
    per_mille = executed * counters->costs->per_mille_of_instruction +
                counters->per_mille_unpaid;
    counters->paid += executed;
    counters->per_mille_unpaid = per_mille % 1000;
    charge(env, per_mille / 1000);
}

/* Those of them that are instructions, not cycles of a cost model. */
static int64_t instructions_alone(const SVMEventCounters *counters)
{
    return executed_instructions() - counters->charged;
}

int64_t svm_executed_before(CPUX86State *env, unsigned instructions)
{
    CPUState *cs = env_cpu(env);
    bool can_do_io = cs->neg.can_do_io;
    int64_t executed;

    if (!icount_enabled()) {
        return 0;
    }
    /* What has been executed is known here, though no timer may look at it. */
    cs->neg.can_do_io = true;
    executed = instructions_alone(counters_of(env)) - instructions;
    cs->neg.can_do_io = can_do_io;
    return executed;
}

uint64_t svm_instructions_in_span(const SVMEventCounters *counters)
{
    return instructions_alone(counters) - counters->span_start;
}

void svm_start_span(SVMEventCounters *counters)
{
    counters->paid = executed_instructions();
    counters->span_start = counters->paid - counters->charged;
    counters->span_is_whole = false;
    if (counters->call_graph) {
        svm_call_graph_start(counters->call_graph, counters->span_start);
    }
}

void svm_end_span(SVMEventCounters *counters, SVMWorld world)
{
    if (counters->call_graph) {
        svm_call_graph_stop(counters->call_graph, instructions_alone(counters));
    }
    counters->spans[world].instructions += svm_instructions_in_span(counters);
    svm_start_span(counters);
}

static void add_whole_span(SVMCountedSpans *spans, uint64_t instructions)
{
    spans->least = spans->spans ? MIN(spans->least, instructions)
                                : instructions;
    spans->most = MAX(spans->most, instructions);
    spans->spans++;
    spans->histogram[histogram_bucket(instructions)]++;
}

static void add_handling(SVMEventCounters *counters, uint64_t instructions)
{
    SVMCountedHandling *handling = &counters->handling[counters->last_exit];
    uint64_t cycles = instructions + counters->charged -
                      counters->charged_at_exit;

    handling->least_cycles = handling->number
                             ? MIN(handling->least_cycles, cycles) : cycles;
    handling->most_cycles = MAX(handling->most_cycles, cycles);
    handling->number++;
    handling->instructions += instructions;
    handling->cycles += cycles;
}

static void switch_world(SVMEventCounters *counters, SVMWorld left)
{
    SVMCountedSpans *spans = &counters->spans[left];
    uint64_t instructions;

    if (!icount_enabled()) {
        return;
    }
    instructions = svm_instructions_in_span(counters);
    spans->instructions += instructions;
    if (counters->span_is_whole) {
        add_whole_span(spans, instructions);
        if (left == SVM_HOST) {
            add_handling(counters, instructions);
        }
    }
    counters->span_start += instructions;
    counters->span_is_whole = true;
}

uint64_t svm_counted_exit_code(unsigned entry)
{
    if (entry < SVM_COUNTED_LOW_CODES) {
        return entry;
    }
    if (entry == SVM_COUNTED_INVALID) {
        return SVM_EXIT_ERR;
    }
    return SVM_EXIT_NPF + entry - SVM_COUNTED_LOW_CODES;
}

static unsigned exit_entry(uint64_t code)
{
    if (code < SVM_COUNTED_LOW_CODES) {
        return code;
    }
    if (code - SVM_EXIT_NPF < SVM_COUNTED_HIGH_CODES) {
        return SVM_COUNTED_LOW_CODES + code - SVM_EXIT_NPF;
    }
    return code == SVM_EXIT_ERR ? SVM_COUNTED_INVALID
                                : SVM_COUNTED_OTHER_CODES;
}

void svm_count_exit(CPUX86State *env, uint64_t code)
{
    SVMEventCounters *counters = counters_of(env);

    if (unlikely(counters)) {
        /* A VMRUN that failed its checks never left the host. */
        bool was_in_guest = env->hflags & HF_GUEST_MASK;

        svm_charge_instructions(env);
        counters->exits[exit_entry(code)]++;
        if (was_in_guest) {
            counters->last_exit = exit_entry(code);
            counters->charged_at_exit = counters->charged;
            if (counters->call_graph) {
                svm_call_graph_leave_guest(counters->call_graph,
                                           instructions_alone(counters));
            }
        }
        if (counters->costs) {
            svm_charge(env, counters->costs->vmexit);
        }
        if (was_in_guest) {
            switch_world(counters, SVM_GUEST);
        }
    }
}

void svm_count_vmrun(CPUX86State *env)
{
    SVMEventCounters *counters = counters_of(env);

    if (unlikely(counters)) {
        svm_charge_instructions(env);
        switch_world(counters, SVM_HOST);
    }
}

void svm_count_run_ended(CPUX86State *env)
{
    SVMEventCounters *counters = counters_of(env);

    if (unlikely(counters)) {
        counters->after_run = true;
    }
}

void svm_count_host_entered(CPUX86State *env)
{
    SVMEventCounters *counters = counters_of(env);

    if (unlikely(counters)) {
        counters->after_run = false;
    }
}

static SVMPlace place(CPUX86State *env, const SVMEventCounters *counters)
{
    if (env->hflags & HF_GUEST_MASK) {
        return SVM_IN_GUEST;
    }
    if (!(env->hflags2 & HF2_GIF_MASK)) {
        return SVM_IN_RUN;
    }
    return counters->after_run ? SVM_AFTER_RUN : SVM_BEFORE_RUN;
}

bool svm_counted_msr_is_free(const SVMCountedMSR *msr)
{
    uint64_t all = 0;
    int i;

    for (i = 0; i < SVM_PLACES; i++) {
        all |= msr->reads[i] | msr->writes[i];
    }
    return !all;
}

/* Guests choose the indexes: what finds no place is counted all the same. */
static SVMCountedMSR *counted_msr(SVMEventCounters *counters, uint32_t index)
{
    unsigned place = (index ^ (index >> 16)) % SVM_COUNTED_MSRS;
    unsigned tries;

    for (tries = 0; tries < SVM_COUNTED_MSRS; tries++) {
        SVMCountedMSR *msr = &counters->msrs[place];

        if (svm_counted_msr_is_free(msr)) {
            msr->index = index;
            return msr;
        }
        if (msr->index == index) {
            return msr;
        }
        place = (place + 1) % SVM_COUNTED_MSRS;
    }
    return &counters->other_msrs;
}

static uint32_t msr_cost(const SVMCosts *costs, uint32_t index, bool is_write)
{
    int i;

    for (i = 0; i < costs->number_of_msrs; i++) {
        const SVMCostOfMSR *msr = &costs->msrs[i];

        if (msr->index == index && msr->is_write == is_write) {
            return msr->cost;
        }
    }
    return is_write ? costs->wrmsr : costs->rdmsr;
}

void svm_count_msr(CPUX86State *env, uint32_t index, bool is_write)
{
    SVMEventCounters *counters = counters_of(env);

    if (unlikely(counters)) {
        SVMCountedMSR *msr = counted_msr(counters, index);

        (is_write ? msr->writes : msr->reads)[place(env, counters)]++;
        if (counters->call_graph) {
            SVMCallNode *here = svm_call_graph_here(counters->call_graph);

            here->msr_writes += is_write;
            here->msr_reads += !is_write;
        }
        if (counters->costs) {
            svm_charge(env, msr_cost(counters->costs, index, is_write));
        }
    }
}

void svm_count_host_save_page(CPUX86State *env, uint64_t address,
                              SVMCountedEvent event)
{
    if (address == env->vm_hsave) {
        svm_count(env, event);
    }
}

static void forget_translations(CPUState *cs)
{
#if QEMU_VERSION_MAJOR == 10 && QEMU_VERSION_MINOR < 2
    tb_flush(cs);
#else
    queue_tb_flush(cs);
#endif
}

void svm_watch_function(CPUState *cs, uint64_t address)
{
    X86CPU *cpu = X86_CPU(cs);

    cpu->svm.watched_function = address;
    cpu->svm.watched_return = 0;
    forget_translations(cs);
}

static void call_begins(CPUX86State *env, SVMEventCounters *counters)
{
    CPUState *cs = env_cpu(env);
    X86CPU *cpu = X86_CPU(cs);
    uint8_t bytes[8];
    uint64_t back;

    counters->call_is_under_way = false;
    if (cpu_memory_rw_debug(cs, env->regs[R_ESP], bytes, sizeof(bytes),
                            false)) {
        return;
    }
    back = ldq_le_p(bytes);
    if (back != cpu->svm.watched_return) {
        /* Code that was translated before does not tell: from the next on. */
        cpu->svm.watched_return = back;
        forget_translations(cs);
        return;
    }
    counters->call_start = executed_instructions();
    counters->charged_at_call = counters->charged;
    counters->call_is_under_way = true;
}

static void call_ends(SVMEventCounters *counters)
{
    uint64_t cycles, instructions;

    if (!counters->call_is_under_way) {
        return;
    }
    counters->call_is_under_way = false;
    cycles = executed_instructions() - counters->call_start;
    instructions = cycles - (counters->charged - counters->charged_at_call);
    counters->calls.instructions += instructions;
    add_whole_span(&counters->calls, instructions);
    counters->call_cycles.instructions += cycles;
    add_whole_span(&counters->call_cycles, cycles);
}

/**
 * helper_svm_watched: the watched function begins, or has returned
 *
 * Each is an instruction that is translated alone, so that what is executed
 * is known here: it counts as executed both times.
 */
void helper_svm_watched(CPUX86State *env, uint32_t has_returned)
{
    SVMEventCounters *counters = counters_of(env);

    if (!counters || !icount_enabled() || (env->hflags & HF_GUEST_MASK)) {
        return;
    }
    svm_charge_instructions(env);
    if (has_returned) {
        call_ends(counters);
    } else {
        call_begins(env, counters);
    }
}
