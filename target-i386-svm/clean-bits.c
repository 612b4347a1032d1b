/*
 * VMCB clean bits (2: 15.15): a host says which fields of a VMCB it has not
 * changed since the last #VMEXIT, and a processor may use what it has kept.
 *
 * By default nothing is kept, which is allowed.  With svm-strict-clean-bits
 * all that may be kept is, of the VMCB that ran last: a host that changes a
 * field and leaves its clean bit set does not get away with it, and is told
 * which field it was.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/log.h"
#include "cpu.h"
#include "svm-features.h"
#include "world-switch.h"
#include "trace.h"

bool svm_check_clean_bits_property(X86CPU *cpu, Error **errp)
{
    if (cpu->svm.strict_clean_bits &&
        !(cpu->env.features[FEAT_SVM] & CPUID_SVM_VMCBCLEAN)) {
        error_setg(errp, "svm-strict-clean-bits: the processor has no clean "
                   "bits; vmcb-clean=on gives it those");
        return false;
    }
    return true;
}

static VMCBPage kept_page(CPUX86State *env)
{
    return (VMCBPage) { .env = env, .host = env_archcpu(env)->svm.kept_page };
}

static void report(CPUX86State *env, const SVMCleanDifference *difference)
{
    SVMProperties *svm = &env_archcpu(env)->svm;
    int cpu = env_cpu(env)->cpu_index;

    svm->clean_differences++;
    svm->last_clean_difference = *difference;
    trace_svm_clean_bit_wrong(cpu, difference->vmcb, difference->clean_bit,
                              difference->field, difference->in_memory,
                              difference->kept);
    qemu_log_mask(LOG_GUEST_ERROR, "svm: cpu %d VMCB 0x%" PRIx64 ": clean bit "
                  "%s is set, but %s became 0x%" PRIx64 "; 0x%" PRIx64
                  " is used\n", cpu, difference->vmcb, difference->clean_bit,
                  difference->field, difference->in_memory, difference->kept);
}

/* In @page, which is a copy of the VMCB: what is kept wins. */
static void use_kept_field(const VMCBPage *page, const char *field,
                           unsigned offset, unsigned bits,
                           const char *clean_bit)
{
    VMCBPage kept = kept_page(page->env);
    SVMCleanDifference difference = {
        .vmcb = page->address,
        .field = field,
        .clean_bit = clean_bit,
        .in_memory = vmcb_page_load(page, offset, bits),
        .kept = vmcb_page_load(&kept, offset, bits),
    };

    if (difference.in_memory != difference.kept) {
        report(page->env, &difference);
        vmcb_page_store(page, offset, bits, difference.kept);
    }
}

#define USE_KEPT_PART(part, field, offset, bits, clean) \
    use_kept_field(page, #field "." #part, \
                   (offset) + VMCB_SEGMENT(part), bits, #clean)

/* GDTR and IDTR are base and limit alone. */
#define USE_KEPT_load_segment(field, offset, clean) \
    do { \
        USE_KEPT_PART(selector, field, offset, 16, clean); \
        USE_KEPT_PART(attrib, field, offset, 16, clean); \
        USE_KEPT_load_table(field, offset, clean); \
    } while (0)
#define USE_KEPT_load_table(field, offset, clean) \
    do { \
        USE_KEPT_PART(limit, field, offset, 32, clean); \
        USE_KEPT_PART(base, field, offset, 64, clean); \
    } while (0)

static void use_kept_fields(const VMCBPage *page, uint32_t clean_bits)
{
#define SVM_CONTROL(field, offset, bits, text, clean) \
    if (clean_bits & VMCB_CLEAN_##clean) { \
        use_kept_field(page, #field, offset, bits, #clean); \
    }
#include "svm-controls.h.inc"

#define SVM_SEGMENT(field, offset, sets, live, load, reference, clean) \
    if (clean_bits & VMCB_CLEAN_##clean) { \
        USE_KEPT_##load(field, offset, clean); \
    }
#define SVM_REGISTER(field, offset, bits, sets, live, load, reference, clean) \
    if (clean_bits & VMCB_CLEAN_##clean) { \
        use_kept_field(page, #field, offset, bits, #clean); \
    }
#include "svm-registers.h.inc"
}

void svm_apply_clean_bits(CPUX86State *env, VMCBPage *vmcb)
{
    SVMProperties *svm = &env_archcpu(env)->svm;
    uint8_t copy[VMCB_SIZE] QEMU_ALIGNED(8);
    VMCBPage page = {
        .env = env,
        .address = vmcb->address,
        .host = copy,
    };
    unsigned offset;

    if (!svm->strict_clean_bits) {
        return;
    }
    for (offset = 0; offset < VMCB_SIZE; offset += 8) {
        vmcb_page_store(&page, offset, 64, vmcb_page_load(vmcb, offset, 64));
    }
    if (env->svm.vmcb_is_kept && env->svm.kept_vmcb == vmcb->address) {
        use_kept_fields(&page, vmcb_page_load(&page, VMCB_CONTROL(clean),
                                              32));
    }
    memcpy(svm->kept_page, copy, VMCB_SIZE);
    env->svm.vmcb_is_kept = true;
    env->svm.kept_vmcb = vmcb->address;
    vmcb->host = svm->kept_page;
}

bool svm_kept_vmcb(CPUX86State *env, VMCBPage *page)
{
    *page = kept_page(env);
    return env->svm.vmcb_is_kept;
}

void svm_forget_vmcb(CPUX86State *env)
{
    env->svm.vmcb_is_kept = false;
}
