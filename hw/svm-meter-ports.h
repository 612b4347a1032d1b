/*
 * The ports of the meter, for programs in a guest; needs no other header.
 *
 * The first of them is SVM_METER_DEFAULT_PORT unless the device's property
 * "iobase" says otherwise; ACPI has it as the resource of the device SVMM0001.
 * Where the 32 bits at SVM_METER_SIGNATURE read otherwise, there is no meter.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_SVM_METER_PORTS_H
#define HW_SVM_METER_PORTS_H

#define SVM_METER_DEFAULT_PORT      0x540
#define SVM_METER_PORTS             16

/* Read, 32 bits or each byte: "SVMM" in memory's order. */
#define SVM_METER_SIGNATURE         0
#define SVM_METER_SIGNATURE_VALUE   0x4d4d5653

/* Write, 8 to 32 bits: one of the commands. */
#define SVM_METER_COMMAND           0
#define SVM_METER_START             1
#define SVM_METER_STOP              2
/* Forget what was counted under the current label. */
#define SVM_METER_RESET             3
/* Count under the label that was written, from zero if it is a new one. */
#define SVM_METER_SELECT            4
/* With -icount count the calls of the function at the address; 0: of none. */
#define SVM_METER_WATCH             5

/* Read, 32 bits or each byte. */
#define SVM_METER_STATUS            4
#define SVM_METER_STATUS_VERSION    0x000000ff
#define SVM_METER_STATUS_RUNNING    0x00000100
/* Instructions are counted: QEMU runs with -icount. */
#define SVM_METER_STATUS_ICOUNT     0x00000200
/* The last command was none, or its label one too many. */
#define SVM_METER_STATUS_REFUSED    0x00000400
#define SVM_METER_VERSION           1

/* Write, 8 bits: the next character of a label, printable ASCII. */
#define SVM_METER_LABEL             8
#define SVM_METER_LABEL_LENGTH      31

/*
 * Write, 8 bits: the next byte of an address, the lowest first; the command
 * takes the last eight.
 */
#define SVM_METER_FUNCTION          12

/* Labels that there can be, the first one, "", included. */
#define SVM_METER_LABELS            16

#endif
