/*
 * Virtual GIF (2: 15.33.2; row 69).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define VECTOR                  0x40
#define RFLAGS_IF               0x202

#define STGI_NOP                "\x0f\x01\xdc\x90"
#define CLGI_NOP                "\x0f\x01\xdd\x90"
#define NOP_NOP                 "\x90\x90\x90\x90"
#define CODE_LENGTH             4

typedef struct VirtualGIF {
    const char *code;
    /* Before and after; V_IRQ is pending then, or the guest took it. */
    uint32_t int_ctl;
    uint32_t int_ctl_after;
    bool taken;
} VirtualGIF;

/* A virtual interrupt is pending; the guest's IF is 1. */
static void virtual_gif(SVMMachine *machine, const SVMCase *test)
{
    const VirtualGIF *gif = test->data;

    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_put_code(machine, GUEST_CODE, gif->code, CODE_LENGTH);
    svm_set(machine, VMCB, "rflags", RFLAGS_IF);
    svm_set(machine, VMCB, "int_ctl", gif->int_ctl | V_IRQ_MASK |
            V_IGN_TPR_MASK);
    svm_set(machine, VMCB, "int_vector", VECTOR);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, 0);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "vector that the guest saw",
               svm_mailbox(machine, MAILBOX_GUEST_RBX),
               gif->taken ? VECTOR : 0);
    svm_expect(test, "V_GIF, V_GIF_ENABLE, V_IRQ",
               svm_get(machine, VMCB, "int_ctl") &
               (V_GIF_MASK | V_GIF_ENABLED_MASK | V_IRQ_MASK),
               gif->int_ctl_after | (gif->taken ? 0 : V_IRQ_MASK));
}

static void intercept_comes_first(SVMMachine *machine, const SVMCase *test)
{
    const uint32_t *exit_code = test->data;

    svm_prepare_guest(machine, *exit_code == SVM_EXIT_STGI ? GUEST_stgi
                                                           : GUEST_clgi);
    svm_set(machine, VMCB, "int_ctl", V_GIF_ENABLED_MASK);
    svm_intercept(machine, *exit_code);
    svm_run(machine);
    svm_expect_exit(machine, test, *exit_code);
    svm_expect(test, "V_GIF", svm_get(machine, VMCB, "int_ctl") & V_GIF_MASK,
               0);
}

#define RULE    "2: 15.33.2 (row 69)"
#define ON      V_GIF_ENABLED_MASK
#define GIF     V_GIF_MASK
#define CASE(path_, cpu_, code_, before_, after_, taken_, fails_) \
    { .path = "virtual-gif/" path_, .rule = RULE, .run = virtual_gif, \
      .arguments = "-cpu EPYC," cpu_, .fails_on_pristine = fails_, \
      .data = &(const VirtualGIF) { code_, before_, after_, taken_ } }

static const SVMCase cases[] = {
    CASE("set", "+vgif", NOP_NOP, ON | GIF, ON | GIF, true, false),
    CASE("clear", "+vgif", NOP_NOP, ON, ON, false, true),
    CASE("stgi", "+vgif", STGI_NOP, ON, ON | GIF, true, true),
    CASE("clgi", "+vgif", CLGI_NOP, ON, ON, false, true),
    CASE("not-enabled", "+vgif", NOP_NOP, 0, 0, true, false),
    CASE("absent", "-vgif", NOP_NOP, ON, ON, true, false),
    CASE("absent-stgi", "-vgif", STGI_NOP, ON, ON, true, false),
    {
        .path = "virtual-gif/intercept-comes-first/stgi",
        .rule = RULE,
        .run = intercept_comes_first,
        .arguments = "-cpu EPYC,+vgif",
        .data = &(const uint32_t) { SVM_EXIT_STGI },
    }, {
        .path = "virtual-gif/intercept-comes-first/clgi",
        .rule = RULE,
        .run = intercept_comes_first,
        .arguments = "-cpu EPYC,+vgif",
        .data = &(const uint32_t) { SVM_EXIT_CLGI },
    },
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
