/*
 * `info svm` of the monitor: the current VMCB and the host save area,
 * decoded.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "system/dma.h"
#include "monitor/hmp-target.h"
#include "monitor/monitor.h"
#include "exit-names.h"
#include "register-sets.h"

/* Columns that the names of intercepts may fill. */
#define LINE_WIDTH 76

/* Collect the names of the bits that are set, in lines of bounded length. */
static void append_names(GString *text, uint64_t bits, uint32_t first_code)
{
    int bit;

    for (bit = 0; bit < 64; bit++) {
        g_autofree char *name = NULL;
        const char *line;

        if (!(bits & (1ULL << bit))) {
            continue;
        }
        name = svm_exit_name(first_code + bit);
        line = strrchr(text->str, '\n');
        line = line ? line + 1 : text->str;
        if (strlen(line) + strlen(name) + 1 > LINE_WIDTH) {
            g_string_append_c(text, '\n');
        }
        if (text->len == 0 || text->str[text->len - 1] == '\n') {
            g_string_append(text, "   ");
        }
        g_string_append_printf(text, " %s", name);
    }
}

/* A copy of a page, to be read with the accessors of a mapped one. */
static bool read_page(CPUState *cs, hwaddr address, uint8_t *bytes)
{
    MemTxAttrs attrs = cpu_get_mem_attrs(cpu_env(cs));

    return address_space_read(cpu_addressspace(cs, attrs), address, attrs,
                              bytes, VMCB_SIZE) == MEMTX_OK;
}

static void print_exit_field(Monitor *mon, const VMCBPage *vmcb,
                             size_t offset, const char *text,
                             const char *meaning)
{
    monitor_printf(mon, "  %03zx %-22s 0x%016" PRIx64 "  %s\n", offset, text,
                   vmcb_page_load(vmcb, offset, 64), meaning ?: "");
}

static void print_control_area(Monitor *mon, const VMCBPage *vmcb)
{
    SVMControls controls;
    uint64_t exit_code = vmcb_page_load(vmcb, VMCB_CONTROL(exit_code), 64);
    g_autofree char *name = svm_exit_name(exit_code);
    g_autoptr(GString) names = g_string_new(NULL);

#define SVM_CONTROL(field, offset, bits, text, ...) \
    controls.field = vmcb_page_load(vmcb, offset, bits); \
    monitor_printf(mon, "  %03x %-22s 0x%0*" PRIx64 "  %s\n", offset, \
                   #field, (bits) / 4, (uint64_t)controls.field, text);
#include "svm-controls.h.inc"

    print_exit_field(mon, vmcb, VMCB_CONTROL(exit_code), "exit code",
                     name);
    print_exit_field(mon, vmcb, VMCB_CONTROL(exit_info_1),
                     "exit information 1", NULL);
    print_exit_field(mon, vmcb, VMCB_CONTROL(exit_info_2),
                     "exit information 2", NULL);
    print_exit_field(mon, vmcb, VMCB_CONTROL(exit_int_info),
                     "exit interrupt info", NULL);

    append_names(names, controls.intercept_cr_read, SVM_EXIT_READ_CR0);
    append_names(names, controls.intercept_cr_write, SVM_EXIT_WRITE_CR0);
    append_names(names, controls.intercept_dr_read, SVM_EXIT_READ_DR0);
    append_names(names, controls.intercept_dr_write, SVM_EXIT_WRITE_DR0);
    append_names(names, controls.intercept_exceptions, SVM_EXIT_EXCP_BASE);
    append_names(names, controls.intercept, SVM_EXIT_INTR);
    append_names(names, controls.intercept_word5, SVM_EXIT_INVLPGB);
    monitor_printf(mon, "  intercepts:\n%s\n", names->str);
}

static void print_segment(Monitor *mon, const VMCBPage *page,
                          size_t offset, const char *name)
{
    monitor_printf(mon, "  %03zx %-14s %04" PRIx64 " attributes %03" PRIx64
                   " limit %08" PRIx64 " base %016" PRIx64 "\n",
                   offset, name,
                   vmcb_page_load(page, offset + VMCB_SEGMENT(selector), 16),
                   vmcb_page_load(page, offset + VMCB_SEGMENT(attrib), 16),
                   vmcb_page_load(page, offset + VMCB_SEGMENT(limit), 32),
                   vmcb_page_load(page, offset + VMCB_SEGMENT(base), 64));
}

static void print_registers(Monitor *mon, const VMCBPage *page,
                            unsigned wanted)
{
#define SVM_SEGMENT(field, offset, sets, live, load, ...) \
    if (SVM_SET_##sets & wanted) { \
        print_segment(mon, page, offset, #field); \
    }
#define SVM_REGISTER(field, offset, bits, sets, live, load, ...) \
    if (SVM_SET_##sets & wanted) { \
        monitor_printf(mon, "  %03x %-14s %0*" PRIx64 "\n", offset, \
                       #field, (bits) / 4, \
                       vmcb_page_load(page, offset, bits)); \
    }
#include "svm-registers.h.inc"
}

static void print_clean_bits(Monitor *mon, CPUX86State *env)
{
    const SVMProperties *svm = &env_archcpu(env)->svm;
    const SVMCleanDifference *last = &svm->last_clean_difference;

    if (!svm->strict_clean_bits) {
        return;
    }
    monitor_printf(mon, "clean bits: strict; fields changed in spite of them: "
                   "%" PRIu64 "\n", svm->clean_differences);
    if (svm->clean_differences) {
        monitor_printf(mon, "  last: VMCB 0x%" PRIx64 " clean bit %s, %s: 0x%"
                       PRIx64 " in memory, 0x%" PRIx64 " used\n", last->vmcb,
                       last->clean_bit, last->field, last->in_memory,
                       last->kept);
    }
}

/**
 * hmp_info_svm: `info svm`, for the monitor's current processor
 */
void hmp_info_svm(Monitor *mon, const QDict *qdict)
{
    CPUState *cs = mon_get_cpu(mon);
    g_autofree uint8_t *bytes = g_malloc0(VMCB_SIZE);
    CPUX86State *env;
    VMCBPage page;

    if (!cs) {
        monitor_printf(mon, "No CPU available\n");
        return;
    }
    env = cpu_env(cs);
    page = (VMCBPage) { .env = env, .host = bytes };

    if (!cpu_has_svm(env)) {
        monitor_printf(mon, "CPU %d has no SVM\n", cs->cpu_index);
        return;
    }
    monitor_printf(mon, "CPU %d: EFER.SVME %d, GIF %d, %s\n", cs->cpu_index,
                   !!(env->efer & MSR_EFER_SVME),
                   !!(env->hflags2 & HF2_GIF_MASK),
                   env->hflags & HF_GUEST_MASK ? "in a guest" : "in the host");

    print_clean_bits(mon, env);
    if (!env->vm_vmcb) {
        monitor_printf(mon, "no VMRUN yet\n");
    } else if (!read_page(cs, env->vm_vmcb, bytes)) {
        monitor_printf(mon, "VMCB at 0x%" PRIx64 ": not readable\n",
                       env->vm_vmcb);
    } else {
        monitor_printf(mon, "VMCB at 0x%" PRIx64 "%s\n", env->vm_vmcb,
                       env->hflags & HF_GUEST_MASK
                       ? " (state as of VMRUN; see info registers)" : "");
        print_control_area(mon, &page);
        print_registers(mon, &page, ~SVM_SET_H);
    }

    if (!env->vm_hsave) {
        monitor_printf(mon, "no host save area: VM_HSAVE_PA is 0\n");
    } else if (!read_page(cs, env->vm_hsave, bytes)) {
        monitor_printf(mon, "host save area at 0x%" PRIx64
                       ": not readable\n", env->vm_hsave);
    } else {
        monitor_printf(mon, "host save area at 0x%" PRIx64 "\n",
                       env->vm_hsave);
        print_registers(mon, &page, SVM_SET_H | SVM_SET_V);
    }
}
