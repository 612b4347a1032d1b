#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What L1 runs for `./svm run --guest linux`: qemu-system-x86_64 with KVM, and Linux
# in it.  With a third level L2 runs it too, for L3: each finds all it needs in a
# folder.  Report lines go to standard output; those of the guest come with "lN "
# before them, N being its level, and the lines of its console with "LN: ".
#
# The guest's exits are counted by KVM, and only as long as the guest is there: the
# VMM keeps a guest that has powered off until it is told to quit.
#
# With a workload, or with QEMU's meter, a part of the guest's life is measured: what
# the guest says of it, from the VMM's start to the guest's first line (boot), or all.

folder=/tmp/host
level=$((svm_level + 1))

relay() {
    prefix=$1
    while IFS= read -r line; do echo "$prefix$line"; done
}

# Events of the VMM's monitor until one of those named; '' when the VMM has ended.
wait_for_event() {
    while :; do
        if read -r -t 1 line <&6; then
            case $line in
            *'"event": "'*)
                event=${line##*\"event\": \"}
                event=${event%%\"*}
                reason=${line##*\"reason\": \"}
                reason=${reason%%\"*}
                for wanted; do [ "$event" = "$wanted" ] && return; done
                ;;
            esac
        elif [ -e vmm.status ]; then
            event=
            return
        fi
    done
}

# Bytes to a port: hw/svm-meter-ports.h.
write_port() {
    printf "$2" | dd of=/dev/port bs=1 seek=$(($1)) conv=notrunc 2>/dev/null
}

# What the meter counts from its next start on.
take_label() {
    label=$1
    while [ "$label" ]; do
        rest=${label#?}
        write_port 0x548 "${label%"$rest"}"     # SVM_METER_LABEL: a character a time
        label=$rest
    done
    write_port 0x540 '\4'                       # SVM_METER_SELECT
}

# What KVM has counted by code, if it was told to; the lines begin with these words.
count_codes() {
    form='^{ exit_reason: *\([0-9]*\) } hitcount: *\([0-9]*\).*'
    sed -n "s/$form/$1code=\1 count=\2/p" $histogram/hist 2>/dev/null
}

measured_part_begins() {
    count_codes "measured-code at=begin "
    read -r exits <$kvm/exits
    echo "measured-exits begin=$exits"
    echo "measured begin=$EPOCHREALTIME"
    [ -z "$svm_meter" ] || write_port 0x540 '\1'    # SVM_METER_START
}

measured_part_ends() {
    [ -z "$svm_meter" ] || write_port 0x540 '\2'    # SVM_METER_STOP
    read -r exits <$kvm/exits
    echo "measured end=$EPOCHREALTIME"
    echo "measured-exits end=$exits"
    count_codes "measured-code at=end "
}

# The guest's lines; those that ask for something are answered.
take_report() {
    while IFS= read -r line; do
        case $line in
        "measured begin"*)
            usleep 50000        # it still has to do with the line that it sent
            measured_part_begins
            echo >&7
            ;;
        "measured end"*) measured_part_ends; echo >&7 ;;
        *) echo "l$level $line" ;;
        esac
    done
}

cd /tmp
mkfifo console report.in report.out monitor.in monitor.out
exec 5<>monitor.in 6<>monitor.out 7<>report.in
mount -t debugfs debugfs /sys/kernel/debug
kvm=/sys/kernel/debug/kvm
histogram=/sys/kernel/debug/tracing/events/kvm/kvm_exit
if [ "$svm_meter" ]; then
    # The meter counts exits by their codes, and tracing would cost instructions.
    take_label "${svm_workload:-linux}"
else
    # Not every kernel can count by key.
    echo 'hist:keys=exit_reason' 2>/dev/null >$histogram/trigger
fi

if [ $level -lt $svm_levels ]; then
    initramfs=$folder/host.cpio
    parameters="svm.mode=program svm.program=run-linux-guest.sh svm.level=$level"
    parameters="$parameters svm.levels=$svm_levels svm.npt=$svm_npt"
    parameters="$parameters svm.seed=$svm_seed svm.memory=$svm_memory"
    parameters="$parameters svm.machine=$svm_machine svm.vcpus=$svm_vcpus"
    parameters="$parameters svm.kernel_log=$svm_kernel_log $svm_kernel_log"
    memory=$((2 * svm_memory))
    machine=q35
else
    initramfs=$folder/guest.cpio
    parameters="svm.seed=$svm_seed $svm_kernel_log"
    if [ "$svm_workload" ]; then
        parameters="svm.workload=$svm_workload svm.amount=$svm_amount $parameters"
    fi
    memory=$svm_memory
    machine=$svm_machine
fi
case $machine in
microvm) transport=device ;;
*) transport=pci ;;
esac
parameters="console=ttyS0 panic=-1 oops=panic tsc=reliable no_timer_check $parameters"

relay "L$level: " <console >/dev/ttyS0 &
take_report <report.out &
reports=$!

pattern() {
    yes "$svm_seed" | head -c "$svm_amount"
}

devices=
case $svm_workload in
disk)
    dd if=/dev/zero of=disk bs=1 count=0 seek="$svm_amount" 2>/dev/null
    devices="-blockdev driver=file,node-name=disk,filename=/tmp/disk
        -device virtio-blk-$transport,drive=disk"
    ;;
network)
    # The servers that the guest talks to.
    ifconfig lo 127.0.0.1 up
    mkdir www
    pattern >www/pattern
    # They shall not keep the report's port open when all else has ended.
    httpd -p 127.0.0.1:8000 -h /tmp/www >/dev/null 2>&1 3>&-
    mkfifo never        # a server whose input ends says that it has no more to say
    nc -l -p 8001 >sent 2>/dev/null <>never 3>&- &
    devices="-netdev user,id=network
        -device virtio-net-$transport,netdev=network"
    ;;
esac
case $svm_meter$svm_workload in
*boot | 1) measured_part_begins ;;
esac

(
    $folder/vmm/lib/ld-linux-x86-64.so.2 --library-path $folder/vmm/lib \
        $folder/vmm/qemu-system-x86_64 -L $folder/firmware \
        -nodefaults -no-user-config -display none -no-reboot -no-shutdown \
        -machine $machine,accel=kvm -cpu host -smp $svm_vcpus -m $memory \
        -kernel $folder/kernel -initrd $initramfs -append "$parameters" \
        -fsdev local,id=share,path=$folder,security_model=none,readonly=on \
        -device virtio-9p-$transport,fsdev=share,mount_tag=host \
        -chardev file,id=console,path=/tmp/console -serial chardev:console \
        -chardev pipe,id=report,path=/tmp/report -device isa-serial,chardev=report \
        -chardev pipe,id=monitor,path=/tmp/monitor -mon chardev=monitor,mode=control \
        $devices 3>&- 5>&- 6>&- 7>&- >vmm.output 2>&1 </dev/null
    echo $? >vmm.status
) &
vmm=$!
echo "vmm level=$level start=$(cut -d ' ' -f 1 /proc/uptime)"
echo '{"execute": "qmp_capabilities"}' >&5
wait_for_event SHUTDOWN GUEST_PANICKED
if [ "$event" ]; then
    [ "$svm_meter$svm_workload" != 1 ] || measured_part_ends
    for file in $kvm/*exits; do
        echo "kvm-stat level=$level ${file##*/}=$(cat "$file")"
    done
    count_codes "exit-code level=$level "
    echo '{"execute": "quit"}' >&5
fi
wait $vmm
read -r status <vmm.status
# A VMM that ended at once has never opened them, and their readers still wait.
: <>console
: <>report.out
wait $reports
case $svm_workload in
disk) echo "result written=$(sha256sum <disk | cut -d ' ' -f 1)" ;;
network) echo "result sent=$(sha256sum <sent | cut -d ' ' -f 1)" ;;
esac
while read -r line; do
    echo "vmm-output level=$level ${line#*qemu-system-x86_64: }"
done <vmm.output
echo "vmm level=$level end=${event:-none} reason=${reason:-none} status=$status"
