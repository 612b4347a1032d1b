/*
 * The registers that SVM moves, by the set that names who moves them.
 *
 * All code here comes from the rows of svm-registers.h.inc.  The test for
 * the set is a constant in each row, so what remains after the compiler is
 * straight-line code.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "tcg/helper-tcg.h"
#include "last-branches.h"
#include "model-specific-registers.h"
#include "world-switch.h"

/* No row stands at another place than QEMU's structure says. */
#define SVM_SEGMENT(field, offset, sets, live, load, ...) \
    QEMU_BUILD_BUG_ON(offsetof(struct vmcb, save.field) != (offset));
#define SVM_REGISTER(field, offset, bits, sets, live, load, ...) \
    SVM_SEGMENT(field, offset, sets, live, load, __VA_ARGS__) \
    QEMU_BUILD_BUG_ON(sizeof_field(struct vmcb_save_area, field) * 8 \
                      != (bits));
#include "svm-registers.h.inc"

/* No register belongs to VMSAVE and to the world switch: hosts rely on it. */
#define SVM_SEGMENT(field, offset, sets, live, load, ...) \
    QEMU_BUILD_BUG_ON((SVM_SET_##sets & SVM_SET_V) && \
                      SVM_SET_##sets != SVM_SET_V);
#define SVM_REGISTER(field, offset, bits, sets, live, load, ...) \
    SVM_SEGMENT(field, offset, sets, live, load, __VA_ARGS__)
#include "svm-registers.h.inc"

#define SEGMENT_BASE_AT(offset) ((offset) + VMCB_SEGMENT(base))

/* Never called: a register that is listed twice is a doubled case label. */
static G_GNUC_UNUSED void no_register_is_listed_twice(unsigned place)
{
    switch (place) {
#define SVM_SEGMENT(field, offset, sets, live, load, ...) \
    case (offset): \
    case SEGMENT_BASE_AT(offset):
#define SVM_REGISTER(field, offset, bits, sets, live, load, ...) \
    case (offset):
#include "svm-registers.h.inc"
        break;
    }
}

/* What loading does to a value. */

static uint64_t load_as_is(CPUX86State *env, uint64_t value)
{
    return value;
}

/*
 * VMRUN, #VMEXIT and VMLOAD sign-extend segment bases (2: 15.5.1). For LSTAR
 * and CSTAR the manual is silent; Bochs sign-extends them too, and WRMSR
 * takes no others, so that VMLOAD never changes what VMSAVE stored.
 */
static uint64_t load_canonical(CPUX86State *env, uint64_t address)
{
    return sextract64(address, 0, cpu_x86_virtual_addr_width(env));
}

/*
 * SFMASK has 32 bits and SYSENTER_CS 16; what VMLOAD finds above them is
 * dropped, as WRMSR does.
 */
static uint64_t load_low_16_bits(CPUX86State *env, uint64_t value)
{
    return (uint16_t)value;
}

/* Without long mode there is no SFMASK. */
static G_GNUC_UNUSED uint64_t load_low_32_bits(CPUX86State *env,
                                               uint64_t value)
{
    return (uint32_t)value;
}

/* KVM's reading: what is reserved is ignored, not checked. */
static uint64_t load_debugctl(CPUX86State *env, uint64_t value)
{
    return value & DEBUGCTL_DEFINED;
}

static uint64_t load_spec_ctrl(CPUX86State *env, uint64_t value)
{
    return value & x86_spec_ctrl_bits(env);
}

/* Bit 1 reads as one; bits 3, 5, 15 and above 21 as zero (2: 3.1.6). */
static uint64_t load_rflags(CPUX86State *env, uint64_t value)
{
    return (value & (CC_O | CC_S | CC_Z | CC_A | CC_P | CC_C | TF_MASK |
                     IF_MASK | DF_MASK | IOPL_MASK | NT_MASK | RF_MASK |
                     VM_MASK | AC_MASK | VIF_MASK | VIP_MASK | ID_MASK)) | 2;
}

static void store_segment(const VMCBPage *page, unsigned offset,
                          const SegmentCache *segment)
{
    /*
     * Attributes are bits 47:40 and 55:52 of a descriptor; QEMU's flags are
     * its second word, with bits 15:8 and 23:20 in their places.
     */
    vmcb_page_store(page, offset + VMCB_SEGMENT(selector), 16,
                    segment->selector);
    vmcb_page_store(page, offset + VMCB_SEGMENT(attrib), 16,
                    extract32(segment->flags, 8, 8) |
                    extract32(segment->flags, 20, 4) << 8);
    vmcb_page_store(page, offset + VMCB_SEGMENT(limit), 32, segment->limit);
    vmcb_page_store(page, offset + VMCB_SEGMENT(base), 64, segment->base);
}

static SegmentCache load_segment(CPUX86State *env, const VMCBPage *page,
                                 unsigned offset)
{
    uint32_t attributes = vmcb_page_load(page, offset + VMCB_SEGMENT(attrib),
                                         16);

    return (SegmentCache) {
        .selector = vmcb_page_load(page, offset + VMCB_SEGMENT(selector), 16),
        .flags = extract32(attributes, 0, 8) << 8 |
                 extract32(attributes, 8, 4) << 20,
        .limit = vmcb_page_load(page, offset + VMCB_SEGMENT(limit), 32),
        .base = load_canonical(env, vmcb_page_load(page,
                                                   offset + VMCB_SEGMENT(base),
                                                   64)),
    };
}

static void store_table(const VMCBPage *page, unsigned offset,
                        const SegmentCache *table)
{
    vmcb_page_store(page, offset + VMCB_SEGMENT(limit), 32, table->limit);
    vmcb_page_store(page, offset + VMCB_SEGMENT(base), 64, table->base);
}

/* Tables have limits of 16 bits (2: appendix B); KVM and Bochs agree. */
static SegmentCache load_table(CPUX86State *env, const VMCBPage *page,
                               unsigned offset)
{
    return (SegmentCache) {
        .limit = (uint16_t)vmcb_page_load(page, offset + VMCB_SEGMENT(limit),
                                          32),
        .base = load_canonical(env, vmcb_page_load(page,
                                                   offset + VMCB_SEGMENT(base),
                                                   64)),
    };
}

/* The rows' `load` says how a segment is stored, too. */
#define STORE_load_segment  store_segment
#define STORE_load_table    store_table

static inline void store_sets(CPUX86State *env, const VMCBPage *page,
                              unsigned wanted)
{
#define SVM_SEGMENT(field, offset, sets, live, load, ...) \
    if (SVM_SET_##sets & wanted) { \
        STORE_##load(page, offset, &(live)); \
    }
#define SVM_REGISTER(field, offset, bits, sets, live, load, ...) \
    if (SVM_SET_##sets & wanted) { \
        vmcb_page_store(page, offset, bits, live); \
    }
#include "svm-registers.h.inc"
}

static inline void read_sets(CPUX86State *env, const VMCBPage *page,
                             SVMRegisters *registers, unsigned wanted)
{
#define SVM_SEGMENT(field, offset, sets, live, load, ...) \
    if (SVM_SET_##sets & wanted) { \
        registers->field = load(env, page, offset); \
    }
#define SVM_REGISTER(field, offset, bits, sets, live, load, ...) \
    if (SVM_SET_##sets & wanted) { \
        registers->field = load(env, vmcb_page_load(page, offset, bits)); \
    }
#include "svm-registers.h.inc"
}

void svm_store_vmsave_set(CPUX86State *env, const VMCBPage *page)
{
    store_sets(env, page, SVM_SET_V);
}

void svm_load_vmload_set(CPUX86State *env, const VMCBPage *page)
{
    SVMRegisters registers;

    read_sets(env, page, &registers, SVM_SET_V);

    /* FS, GS, LDTR and TR decide nothing that hflags caches. */
#define LOAD_SET_V(live, value)     (live) = (value);
#define LOAD_SET_G(live, value)
#define LOAD_SET_GN(live, value)
#define LOAD_SET_GH(live, value)
#define LOAD_SET_GL(live, value)
#define LOAD_SET_GS(live, value)
#define SVM_SEGMENT(field, offset, sets, live, load, ...) \
    LOAD_SET_##sets(live, registers.field)
#define SVM_REGISTER(field, offset, bits, sets, live, load, ...) \
    LOAD_SET_##sets(live, registers.field)
#include "svm-registers.h.inc"
}

void svm_store_host_set(CPUX86State *env, const VMCBPage *page)
{
    store_sets(env, page, SVM_SET_H);
}

void svm_read_host_set(CPUX86State *env, const VMCBPage *page,
                       SVMRegisters *registers)
{
    read_sets(env, page, registers, SVM_SET_H);
}

void svm_store_guest_set(CPUX86State *env, const VMCBPage *page)
{
    store_sets(env, page, SVM_SET_G);
    if (svm_nested_paging(env)) {
        store_sets(env, page, SVM_SET_GN);
    }
    if (svm_lbr_virtualization(env)) {
        store_sets(env, page, SVM_SET_GL);
    }
    if (svm_spec_ctrl_virtualization(env)) {
        store_sets(env, page, SVM_SET_GS);
    }
}

void svm_read_guest_set(CPUX86State *env, const VMCBPage *page,
                        SVMRegisters *registers)
{
    read_sets(env, page, registers, SVM_SET_G | SVM_SET_GN | SVM_SET_GL |
              SVM_SET_GS);
}

static void load_segment_register(CPUX86State *env, X86Seg number,
                                  const SegmentCache *segment)
{
    cpu_x86_load_seg_cache(env, number, segment->selector, segment->base,
                           segment->limit, segment->flags);
}

void svm_load_common_state(CPUX86State *env, const SVMRegisters *registers)
{
    uint64_t efer = registers->efer & ~(uint64_t)MSR_EFER_LMA;

    if ((efer & MSR_EFER_LME) && (registers->cr0 & CR0_PG_MASK)) {
        efer |= MSR_EFER_LMA;
    }

    /*
     * QEMU's functions for MOV CRn act on the difference to the old value:
     * they enter and leave long mode and flush.  Here there is no old value,
     * the other world's says nothing.
     */
    env->cr[0] = registers->cr0;
    env->cr[4] = registers->cr4;
    env->cr[3] = registers->cr3;
    x86_keep_pdptes(env, &registers->pdptes);
    cpu_x86_update_cr0(env, registers->cr0);
    cpu_x86_update_cr4(env, registers->cr4);
    cpu_load_efer(env, efer);
    if (!(efer & MSR_EFER_LMA)) {
        env->cr[3] = (uint32_t)env->cr[3];
    }

    env->eflags = 0;
    cpu_load_eflags(env, registers->rflags,
                    ~(CC_O | CC_S | CC_Z | CC_A | CC_P | CC_C | DF_MASK));

    load_segment_register(env, R_ES, &registers->es);
    load_segment_register(env, R_CS, &registers->cs);
    load_segment_register(env, R_SS, &registers->ss);
    load_segment_register(env, R_DS, &registers->ds);
    env->gdt = registers->gdtr;
    env->idt = registers->idtr;

    env->eip = registers->rip;
    env->regs[R_ESP] = registers->rsp;
    env->regs[R_EAX] = registers->rax;
}
