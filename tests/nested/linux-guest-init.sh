#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The first and only process of the innermost guest of `./svm run --guest linux`.  It
# computes what the host that started it all can check, or does a workload, reports it
# on the second serial port, and powers off.  Nothing here knows the right answers:
# they depend on a seed that is new in every run.

. /lib/init-functions.sh
mount -t tmpfs tmp /tmp
report_to /dev/ttyS1

digest() {
    sha256sum | cut -d ' ' -f 1
}

# In hundredths of a second; a number must not start with a 0.
now() {
    read -r uptime _ </proc/uptime
    echo $((${uptime%.*} * 100 + 1${uptime#*.} - 100))
}

if [ "$svm_workload" ]; then
    exec 4</dev/ttyS1
    . /lib/linux-guest-workloads.sh
fi

report "guest kernel=$(uname -r) cpus=$(nproc)"
while read -r key value _; do
    [ "$key" = MemTotal: ] && report "guest memory=$value"
done </proc/meminfo
report "guest hypervisor=$(dmesg | sed -n 's/.*Hypervisor detected: //p')"
[ -z "$svm_workload" ] || finish done

# Each processor for itself: only there, and interrupted by its own timer.
cpu=0
while [ $cpu -lt "$(nproc)" ]; do
    before=$(now)
    taskset -c $cpu sleep 1
    report "timer cpu=$cpu slept=$(($(now) - before))"
    report "numbers cpu=$cpu digest=$(
        taskset -c $cpu seq "$((svm_seed + cpu))" "$((svm_seed + cpu + 5000))" |
            taskset -c $cpu sha256sum | cut -d ' ' -f 1)"
    cpu=$((cpu + 1))
done

# A part of the memory, written by one processor and read by the others.
yes "$svm_seed" | head -c 8388608 >/tmp/pattern
report "pattern digest=$(digest </tmp/pattern)"
cp /tmp/pattern /tmp/copy
cmp /tmp/pattern /tmp/copy && report "copy same=1"

# A device with DMA and interrupts.
load shell
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 host /mnt/host
report "share digest=$(dd if=/mnt/host/kernel bs=65536 count=64 2>/dev/null | digest)"

finish done
