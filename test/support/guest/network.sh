#!/bin/bash
# Joins this new network namespace to the node's by a pair of devices, `eth0` here and DEVICE on the node, and
# runs the command.
#
# usage: unshare --net … network.sh DEVICE ADDRESS NODE_ADDRESS ADDRESS6 NODE_ADDRESS6 COMMAND…
# Addresses come with their /PREFIX.
set -eu
device=$1 address=$2 node_address=$3 address6=$4 node_address6=$5
shift 5
# /proc is still the node's.
node=/proc/1/ns/net
ip link add name eth0 type veth peer name "$device" netns $node
ip link set dev lo up
ip address add "$address" dev eth0
ip address add "$address6" dev eth0 nodad
ip link set dev eth0 up
nsenter --net=$node sh -euc "
  ip address add $node_address dev $device
  ip address add $node_address6 dev $device nodad
  ip link set dev $device up"
exec "$@"
