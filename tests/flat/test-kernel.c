/*
 * A test kernel in multiboot form, as hypervisor test suites have them, that
 * behaves well or badly as the names on its command line say
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Without a name it runs its good tests. With -DSUITES it prints "Test suite:"
 * before each test, and its checks have other names than its tests; with -DDEAF
 * it does not look at its command line.
 */

#define SERIAL_PORT 0x3f8
#define EXIT_PORT 0xf4
#define ALL_SKIPPED_CODE 38

typedef struct MultibootInformation {
    unsigned flags;
    unsigned memory[2];
    unsigned boot_device;
    const char *command_line;
} MultibootInformation;

typedef struct Test {
    const char *name;
    void (*run)(void);
    int only_by_name;
} Test;

__asm__(".section .multiboot, \"a\"\n"
        ".long 0x1badb002, 0, -0x1badb002\n"
        ".text\n"
        ".global start\n"
        "start:\n"
        "    mov $stack_top, %esp\n"
        "    push %ebx\n"
        "    call kernel\n"
        ".bss\n"
        ".align 16\n"
        ".skip 4096\n"
        "stack_top:\n"
        ".text\n");

static unsigned tests, failures, skipped;
static const char *test_name;

static void out_byte(unsigned short port, unsigned char value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void leave(unsigned code)
{
    __asm__ volatile("outl %0, %1" : : "a"(code), "Nd"((short)EXIT_PORT));
    for (;;) {
        __asm__ volatile("hlt");
    }
}

static void print(const char *text)
{
    while (*text) {
        out_byte(SERIAL_PORT, *text++);
    }
}

static void print_number(unsigned number)
{
    if (number >= 10) {
        print_number(number / 10);
    }
    out_byte(SERIAL_PORT, '0' + number % 10);
}

static void check(const char *word, const char *what)
{
    tests++;
    failures += word[0] == 'F';
    skipped += word[0] == 'S';
    print(word);
    print(": ");
#ifdef SUITES
    print("a check of ");
#endif
    print(what);
    print("\n");
}

static void print_summary(void)
{
    print("SUMMARY: ");
    print_number(tests);
    print(" tests");
    if (failures) {
        print(", ");
        print_number(failures);
        print(" unexpected failures");
    }
    if (skipped) {
        print(", ");
        print_number(skipped);
        print(" skipped");
    }
    print("\n");
}

static void pass(void)
{
    check("PASS", test_name);
}

static void fail(void)
{
    check("FAIL", test_name);
}

static void skip(void)
{
    check("SKIP", test_name);
}

static void hang(void)
{
    print("hanging\n");
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

static void crash(void)
{
    static const struct __attribute__((packed)) {
        unsigned short limit;
        unsigned base;
    } no_table;

    print("crashing\n");
    __asm__ volatile("lidt %0; int3" : : "m"(no_table));
}

static void wrong_code(void)
{
    pass();
    print_summary();
    leave(5);
}

static void fail_with_code_0(void)
{
    fail();
    print_summary();
    leave(0);
}

static void no_summary(void)
{
    pass();
    leave(0);
}

static void silent(void)
{
    leave(0);
}

static void wrong_count(void)
{
    pass();
    tests++;
}

static void hidden_failure(void)
{
    print("unfinished line ");
    fail();
}

static void print_for_ever(void)
{
    for (;;) {
        pass();
    }
}

static const Test all_tests[] = {
    { "adds", pass },
    { "shifts bits", pass },
    { "needs_more", skip },
    { "fails", fail, 1 },
    { "hangs", hang, 1 },
    { "crashes", crash, 1 },
    { "wrong_code", wrong_code, 1 },
    { "fails_with_code_0", fail_with_code_0, 1 },
    { "no_summary", no_summary, 1 },
    { "silent", silent, 1 },
    { "wrong_count", wrong_count, 1 },
    { "hidden_failure", hidden_failure, 1 },
    { "prints_for_ever", print_for_ever, 1 },
    { 0 },
};

/* Whether a word is this name, with _ for its spaces. */
static int is_name(const char *word, const char *name)
{
    for (; *name; name++, word++) {
        if (*word != (*name == ' ' ? '_' : *name)) {
            return 0;
        }
    }
    return *word == 0 || *word == ' ';
}

static int is_named(const char *name, const char *words)
{
    while (*words) {
        if (is_name(words, name)) {
            return 1;
        }
        while (*words && *words != ' ') {
            words++;
        }
        while (*words == ' ') {
            words++;
        }
    }
    return 0;
}

/* Called by the assembly code above. */
static __attribute__((used))
void kernel(const MultibootInformation *information)
{
    const char *words = information->command_line;

    /* The first word is the kernel's file. */
    while (*words && *words != ' ') {
        words++;
    }
    while (*words == ' ') {
        words++;
    }
#ifdef DEAF
    words = "";
#endif
    for (const Test *test = all_tests; test->name; test++) {
        if (*words ? is_named(test->name, words) : !test->only_by_name) {
            test_name = test->name;
#ifdef SUITES
            print("Test suite: ");
            print(test_name);
            print("\n");
#endif
            test->run();
        }
    }
    if (!tests) {
        check("FAIL", "no test has such a name");
    }
    print_summary();
    leave(failures ? 1 : tests == skipped ? ALL_SKIPPED_CODE : 0);
}
