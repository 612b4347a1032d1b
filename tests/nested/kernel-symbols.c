/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes where the functions of the running kernel and its modules are to
 * QEMU's debug console (-device isa-debugcon): "ADDRESS NAME [MODULE]" of each
 * in /proc/kallsyms.  A serial port would take minutes for them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>

#define DEBUG_CONSOLE   0xe9

static void write_to_console(const char *text, size_t length)
{
    asm volatile("rep outsb" : "+S"(text), "+c"(length)
                 : "d"(DEBUG_CONSOLE) : "memory");
}

int main(void)
{
    FILE *symbols = fopen("/proc/kallsyms", "r");
    char line[1024];

    if (!symbols || ioperm(DEBUG_CONSOLE, 1, 1)) {
        printf("error what=\"kernel-symbols\" errno=\"%s\"\n",
               strerror(errno));
        return EXIT_FAILURE;
    }
    while (fgets(line, sizeof(line), symbols)) {
        /* "ffffffff81000000 T name\t[module]" */
        char *type = strchr(line, ' ');

        if (type && strchr("tTwW", type[1])) {
            write_to_console(line, type - line);
            write_to_console(type + 2, strlen(type + 2));
        }
    }
    fclose(symbols);
    return EXIT_SUCCESS;
}
