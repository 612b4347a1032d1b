/*
 * Which functions of the host's kernel instructions and MSR accesses belong to:
 * a tree of calls, which whoever has the kernel's symbols can read.
 *
 * Translated code tells of each block that starts and of each CALL.  A call has
 * returned when the stack pointer is above its return address; stacks are told
 * apart, so that an interrupt with a stack of its own does not end the calls
 * that it interrupted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/xxhash.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "exec/translation-block.h"
#include "call-graph.h"

/*
 * Guests choose how deep their calls are and how many: what is more counts in
 * the last one that found a place, or in the root.
 */
#define CALLS_OF_A_STACK    256
#define NODES               (1 << 20)
/* Linux has stacks of 16 KiB at multiples of that. */
#define STACK_SHIFT         14
#define STACKS              16

typedef struct CallUnderWay {
    uint64_t stack_pointer;
    uint32_t node;
} CallUnderWay;

typedef struct CallStack {
    uint64_t name;
    unsigned depth;
    CallUnderWay calls[CALLS_OF_A_STACK];
} CallStack;

struct SVMCallGraph {
    GArray *nodes;
    /* From what tells a node apart to its number. */
    GHashTable *numbers;

    uint32_t here;
    uint32_t before_guest;
    int64_t executed;

    CallStack stacks[STACKS];
    CallStack *stack;
    unsigned next_stack;
};

static guint hash_node(gconstpointer pointer)
{
    const SVMCallNode *node = pointer;

    return qemu_xxhash6(node->address, node->parent, node->kind, 0);
}

static gboolean same_node(gconstpointer a, gconstpointer b)
{
    const SVMCallNode *first = a, *second = b;

    return first->address == second->address &&
           first->parent == second->parent && first->kind == second->kind;
}

SVMCallGraph *svm_new_call_graph(void)
{
    SVMCallGraph *graph = g_new0(SVMCallGraph, 1);
    SVMCallNode root = { .kind = SVM_NODE_ROOT };

    graph->nodes = g_array_new(false, true, sizeof(SVMCallNode));
    graph->numbers = g_hash_table_new_full(hash_node, same_node, g_free, NULL);
    graph->stack = graph->stacks;
    g_array_append_val(graph->nodes, root);
    return graph;
}

void svm_free_call_graph(SVMCallGraph *graph)
{
    if (graph) {
        g_array_unref(graph->nodes);
        g_hash_table_unref(graph->numbers);
        g_free(graph);
    }
}

SVMCallNode *svm_call_graph_here(SVMCallGraph *graph)
{
    return &g_array_index(graph->nodes, SVMCallNode, graph->here);
}

const SVMCallNode *svm_call_graph_nodes(const SVMCallGraph *graph,
                                        unsigned *number)
{
    *number = graph->nodes->len;
    return &g_array_index(graph->nodes, SVMCallNode, 0);
}

static uint32_t find_node(SVMCallGraph *graph, uint32_t parent,
                          SVMCallNodeKind kind, uint64_t address)
{
    SVMCallNode node = {
        .address = address, .parent = parent, .kind = kind
    };
    gpointer found = g_hash_table_lookup(graph->numbers, &node);

    if (found) {
        return GPOINTER_TO_UINT(found);
    }
    if (graph->nodes->len == NODES) {
        return 0;
    }
    g_array_append_val(graph->nodes, node);
    g_hash_table_insert(graph->numbers, g_memdup2(&node, sizeof(node)),
                        GUINT_TO_POINTER(graph->nodes->len - 1));
    return graph->nodes->len - 1;
}

static void count_up_to(SVMCallGraph *graph, int64_t executed)
{
    svm_call_graph_here(graph)->instructions += executed - graph->executed;
    graph->executed = executed;
}

void svm_call_graph_start(SVMCallGraph *graph, int64_t executed)
{
    int i;

    for (i = 0; i < STACKS; i++) {
        graph->stacks[i].depth = 0;
    }
    graph->here = 0;
    graph->before_guest = 0;
    graph->executed = executed;
}

void svm_call_graph_stop(SVMCallGraph *graph, int64_t executed)
{
    count_up_to(graph, executed);
    graph->here = 0;
}

void svm_call_graph_leave_guest(SVMCallGraph *graph, int64_t executed)
{
    count_up_to(graph, executed);
    graph->here = graph->before_guest;
}

static void find_stack(SVMCallGraph *graph, uint64_t name)
{
    int i;

    if (likely(graph->stack->name == name)) {
        return;
    }
    for (i = 0; i < STACKS; i++) {
        if (graph->stacks[i].name == name) {
            graph->stack = &graph->stacks[i];
            return;
        }
    }
    graph->stack = &graph->stacks[graph->next_stack++ % STACKS];
    graph->stack->name = name;
    graph->stack->depth = 0;
}

/* The node of the call that is under way. */
static uint32_t innermost_call(SVMCallGraph *graph, uint64_t stack_pointer)
{
    CallStack *stack;

    find_stack(graph, stack_pointer >> STACK_SHIFT);
    stack = graph->stack;
    while (stack->depth &&
           stack->calls[stack->depth - 1].stack_pointer < stack_pointer) {
        stack->depth--;
    }
    return stack->depth ? stack->calls[stack->depth - 1].node : 0;
}

static uint32_t node_of_block(CPUX86State *env, SVMCallGraph *graph,
                              target_ulong address)
{
    if (env->hflags & HF_GUEST_MASK) {
        SVMCallNode *here = svm_call_graph_here(graph);

        if (here->kind == SVM_NODE_GUEST) {
            return graph->here;
        }
        graph->before_guest = graph->here;
        return find_node(graph, here->parent, SVM_NODE_GUEST, 0);
    }
    if ((env->hflags & HF_CPL_MASK) == 3) {
        return find_node(graph, 0, SVM_NODE_PROGRAM, 0);
    }
    return find_node(graph, innermost_call(graph, env->regs[R_ESP]),
                     SVM_NODE_BLOCK, address);
}

static SVMCallGraph *graph_of(CPUX86State *env)
{
    SVMEventCounters *counters = qatomic_read(&env_archcpu(env)->svm.counters);

    return counters ? counters->call_graph : NULL;
}

/**
 * helper_svm_block: a block of code begins
 * @block: its TranslationBlock, all of whose instructions count as executed
 */
void helper_svm_block(CPUX86State *env, void *block, target_ulong eip)
{
    SVMCallGraph *graph = graph_of(env);
    const TranslationBlock *tb = block;

    if (graph) {
        int64_t executed = svm_executed_before(env, tb->icount);

        count_up_to(graph, executed);
        graph->here = node_of_block(env, graph,
                                    eip + env->segs[R_CS].base);
    }
}

/**
 * helper_svm_call: CALL has put its return address onto the stack
 */
void helper_svm_call(CPUX86State *env, target_ulong eip)
{
    SVMCallGraph *graph = graph_of(env);
    uint64_t stack_pointer = env->regs[R_ESP];
    CallUnderWay call = { .stack_pointer = stack_pointer };
    CallStack *stack;
    uint32_t parent;

    if (!graph || (env->hflags & HF_GUEST_MASK) ||
        (env->hflags & HF_CPL_MASK) == 3) {
        return;
    }
    /* What a call was at this place has returned. */
    parent = innermost_call(graph, stack_pointer + 1);
    stack = graph->stack;
    if (stack->depth < CALLS_OF_A_STACK) {
        call.node = find_node(graph, parent, SVM_NODE_CALL,
                              eip + env->segs[R_CS].base);
        stack->calls[stack->depth++] = call;
    }
}
