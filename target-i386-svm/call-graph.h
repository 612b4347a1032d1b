/*
 * Which functions of the host's kernel instructions and MSR accesses belong to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_SVM_CALL_GRAPH_H
#define TARGET_I386_SVM_CALL_GRAPH_H

/* What a node stands for, below its parent. */
typedef enum SVMCallNodeKind {
    /* Whatever is known of no function: the start, and nodes in excess. */
    SVM_NODE_ROOT,
    /* A call that has not returned; its address is where it returns to. */
    SVM_NODE_CALL,
    /* A block of code that runs there, by its first instruction. */
    SVM_NODE_BLOCK,
    /* Programs of the host's, CPL 3. */
    SVM_NODE_PROGRAM,
    /* The guest that was entered there. */
    SVM_NODE_GUEST,
    SVM_NODE_KINDS
} SVMCallNodeKind;

typedef struct SVMCallNode {
    /* These three tell nodes apart. */
    uint64_t address;
    uint32_t parent;
    uint32_t kind;

    uint64_t instructions;
    /* Cycles that events took there, with a cost model. */
    uint64_t charged;
    uint64_t msr_reads;
    uint64_t msr_writes;
} SVMCallNode;

typedef struct SVMCallGraph SVMCallGraph;

/**
 * svm_new_call_graph, svm_free_call_graph: one without any node but the root
 */
SVMCallGraph *svm_new_call_graph(void);
void svm_free_call_graph(SVMCallGraph *graph);

/**
 * svm_call_graph_start: instructions count from now on
 * @executed: how many the processor has executed
 */
void svm_call_graph_start(SVMCallGraph *graph, int64_t executed);

/**
 * svm_call_graph_stop: what was executed up to now counts where it was
 */
void svm_call_graph_stop(SVMCallGraph *graph, int64_t executed);

/**
 * svm_call_graph_leave_guest: a #VMEXIT; what it takes counts where VMRUN is
 */
void svm_call_graph_leave_guest(SVMCallGraph *graph, int64_t executed);

/**
 * svm_call_graph_here: the node of what is executed now
 */
SVMCallNode *svm_call_graph_here(SVMCallGraph *graph);

/**
 * svm_call_graph_nodes: all nodes, each after its parent; the root is the first
 * @number: how many there are
 */
const SVMCallNode *svm_call_graph_nodes(const SVMCallGraph *graph,
                                        unsigned *number);

#endif
