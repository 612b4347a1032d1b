#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The first and only process of L1.  Results go to the second serial port; the first
# one is the kernel's console.

. /lib/init-functions.sh
report_to /dev/ttyS1

report "l1 kernel=$(uname -r) cpus=$(nproc)"
while IFS=: read -r key value; do
    case $key in
    "model name"*) report "cpu-model${value}" ;;
    flags*) report "cpu-flags${value}"; break ;;
    esac
done </proc/cpuinfo
load kvm
loaded=$?
dmesg | sed 's/^\[ *[0-9.]*\] *//' | grep -iE 'kvm|svm' |
    grep -v 'Command line\|command line\|parameters' |
    while read -r line; do report "kvm-log $line"; done
[ $loaded = 0 ] || finish load-failed
if ! [ -c /dev/kvm ]; then
    report "load-failed module=kvm_amd why=\"no /dev/kvm\""
    finish load-failed
fi

for file in /sys/module/kvm_amd/parameters/*; do
    read -r value <"$file" && report "kvm-amd ${file##*/}=$value"
done 2>/dev/null

share() {
    load shell || finish load-failed
    mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 host /mnt/host ||
        report "share-failed"
}

# The port of virtio-serial with this name.
port() {
    for name in /sys/class/virtio-ports/*/name; do
        if [ "$(cat "$name")" = "$1" ]; then
            name=${name%/name}
            echo "/dev/${name##*/}"
        fi
    done
}

case $svm_mode in
run)
    report "l1 ready"
    kvm-halt-loop --exits "$svm_exits" --guests "$svm_guests" \
        ${svm_meter:+--meter} \
        ${svm_fault:+"--${svm_fault%:*}-at" "${svm_fault#*:}"} >&3 2>&3
    report "halt-loop status=$?"
    [ -z "$svm_symbols" ] || kernel-symbols >&3
    ;;
program)
    # A program of a folder, which has more to say on the second port.  L1 booted with
    # it, a guest of L1 copies it: what it holds is mapped, and 9p would bring it page
    # by page.
    if ! [ -d /tmp/host ]; then
        share
        cp -r /mnt/host /tmp/host
    fi
    report "l1 ready"
    sh "/tmp/host/$svm_program" >&3
    report "program status=$?"
    [ -z "$svm_symbols" ] || kernel-symbols >&3
    ;;
soak)
    report "l1 ready"
    kvm-soak --guests "$svm_guests" ${svm_fault:+--fault "$svm_fault"} >&3 2>&3
    report "soak status=$?"
    ;;
terminal)
    share
    export TERM="$svm_term"
    stty rows "$svm_rows" cols "$svm_columns" </dev/ttyS0
    cd /mnt/host
    report "l1 ready"
    echo "L1 is Linux $(uname -r) with /dev/kvm; the host's folder is" \
        "/mnt/host. Leave with 'exit' (or Ctrl-A X)." >/dev/ttyS0
    setsid -c sh -l </dev/ttyS0 >/dev/ttyS0 2>&1 3>&-
    report "shell status=$?"
    ;;
selftests)
    share
    # What tests expect of a system: semaphores with names, and huge pages.
    mkdir /dev/shm
    mount -t tmpfs shm /dev/shm
    echo 4 >/proc/sys/vm/nr_hugepages
    echo 1200 >/proc/sys/vm/nr_overcommit_hugepages
    cd /mnt/host/programs
    report "l1 ready"
    while read -r name seconds arguments <&4; do
        dmesg -c >/dev/null
        report "selftest start=$name"
        case $name in
        *.sh) run="sh ./$name" ;;
        *) run=./$name ;;
        esac
        timeout -k 10 "$seconds" $run $arguments >"../$name.output" 2>&1 \
            </dev/null 3>&- 4>&-
        status=$?
        kill -9 -1 2>/dev/null          # children that it may have left
        dmesg -c >"../$name.kernel-log"
        report "selftest end=$name status=$status"
    done 4<../list
    ;;
commands)
    share
    cd /mnt/host
    until [ -n "$(port stdin)" ] && [ -n "$(port stderr)" ]; do usleep 10000; done
    report "l1 ready"
    sh <"$(port stdin)" >"$(port stdout)" 2>"$(port stderr)" 3>&-
    report "shell status=$?"
    ;;
esac
finish done
